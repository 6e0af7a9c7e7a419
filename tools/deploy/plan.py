"""What has to be done to a board, from what it has and what it should have. Asks nobody.

Ours in the folders of our packages are the files that have the name of one of the library, or of
one that the board's record names, as .py or .mpy; elsewhere, what the record says: names and hashes
of files that were put there. Nothing else is removed or written over without being told about.
"""

import hashlib
import re
from dataclasses import dataclass, field

RECORD = "lexi.files"
PART = "lexi.part"  # a file on its way
MAIN = "main.py"
HELD = "main.held"  # main.py while the rest is not complete

# What becomes of main.py at the end.
PUT = "put"  # the new one
BACK = "back"  # what it was
GONE = "gone"  # there is none

# Lines of a record: a hash and a name, or the name of a file in a package
_RECORD_PATTERN = "(?:(?:[0-9a-f]{16} |lib/)[!-~]+\\n)+"
_FORMS = (".py", ".mpy")
_HASH_LENGTH = 16  # of a hash in the record
_FOLDER_BLOCKS = 2
_RESERVE = 8  # one part in so many is taken by the file system itself, as was seen with littlefs


def digest(data):
    """Return the hash by which files are compared."""
    return hashlib.sha256(data).hexdigest()


@dataclass(frozen=True)
class Found:
    """A file on the board."""

    size: int
    digest: str


@dataclass
class State:
    """What a board has: of files and folders, those that were asked for."""

    files: dict = field(default_factory=dict)  # {name: Found}
    folders: set = field(default_factory=set)
    record: str = ""
    record_at: str = RECORD  # or PART, from where it has to be renamed
    damaged: bool = False  # there is a RECORD, but it is none, and PART neither
    block: int = 1  # bytes
    free: int = 0
    total: int = 0


@dataclass(frozen=True)
class Plan:
    """What to do. foreign: files that are not ours and would be removed or written over."""

    remove: tuple
    folders: tuple  # to make, outer ones first
    empty: tuple  # folders to remove, inner ones first, unless there is something in them
    upload: dict  # without main.py
    main: str  # PUT, BACK or GONE
    main_data: bytes | None
    main_changes: bool
    foreign: tuple
    record: str  # at the end
    record_changes: bool

    @property
    def changes(self):
        """Whether anything has to be done."""
        return bool(self.remove or self.upload or self.main_changes or self.record_changes)

    @property
    def removed(self):
        """Names of all that is not there any more at the end."""
        return ((MAIN,) if self.main == GONE and self.main_changes else ()) + self.remove

    @property
    def sent(self):
        """{name: bytes} of all that is uploaded."""
        return {**self.upload, MAIN: self.main_data} if self.main == PUT else self.upload


def package_folder(name):
    """Return "lib/lexi" for all that lies below it, else None."""
    words = name.split("/")
    return "/".join(words[:2]) if words[0] == "lib" and len(words) > 2 else None


def package_folders(names):
    """Return the folders of the packages that files belong to."""
    return {package_folder(name) for name in names} - {None}


def other_form(name):
    """Return the name of a.py for a.mpy and of a.mpy for a.py; else None."""
    for form, other in (_FORMS, _FORMS[::-1]):
        if name.endswith(form) and name != MAIN:
            return name[: -len(form)] + other
    return None


def _stem(name):
    return name.rpartition(".")[0]


def make_record(files):
    """Return the record of {name: bytes}: names, with a hash if it is not in a package."""
    lines = []
    for name, data in files.items():
        start = "" if package_folder(name) else f"{digest(data)[:_HASH_LENGTH]} "
        lines.append(f"{start}{name}\n")
    return "".join(sorted(lines))


def is_record(text):
    """Whether a file's text is a whole record."""
    return re.fullmatch(_RECORD_PATTERN, text) is not None


def read_record(text):
    """Return ({name in a package}, {(hash, name)})."""
    lines = text.splitlines()
    owned = {tuple(line.split(" ", 1)) for line in lines if " " in line}
    return {line for line in lines if line and " " not in line}, owned


def join_records(first, second):
    """Return a record by which the files of both are ours."""
    return "".join(f"{line}\n" for line in sorted({*first.splitlines(), *second.splitlines()}))


def looked_at(wanted, record):
    """Return (folders, names) of a board that a plan needs to know about."""
    packaged, owned = read_record(record)
    loose = {name for name in wanted if package_folder(name) is None}
    loose |= {name for _, name in owned}
    loose |= {other_form(name) for name in loose} - {None}
    loose |= folders_of(wanted) | {MAIN, HELD, PART, RECORD}
    return sorted(package_folders({*packaged, *wanted})), sorted(loose)


def in_the_way(wanted, state):
    """Return {name: what it is} of files in place of folders, and of folders in place of files."""
    names = {*wanted, MAIN, HELD, PART, RECORD} & state.folders
    return {
        **dict.fromkeys(sorted(names), "a folder"),
        **dict.fromkeys(sorted(folders_of(wanted) & set(state.files)), "a file"),
    }


def make_plan(wanted, state, sources=None):
    """Return the Plan that gives a board in this State the files {name: bytes}.

    sources: {name: bytes} from which `wanted` is made, and all files of the library, wanted or not.
    """
    sources = sources or {}
    packaged, owned = read_record(state.record)
    owned |= {
        (digest(data)[:_HASH_LENGTH], name) for name, data in {*sources.items(), *wanted.items()}
    }
    folders = package_folders({*packaged, *wanted})
    packaged = {_stem(name) for name in (*packaged, *wanted, *sources)}

    def ours(name):
        if package_folder(name):
            return _stem(name) in packaged
        known_as = MAIN if name == HELD else name
        return (state.files[name].digest[:_HASH_LENGTH], known_as) in owned

    def differs(name, at):
        return at not in state.files or state.files[at].digest != digest(wanted[name])

    # A .py wins over the .mpy beside it, and an old .mpy beside a .py misleads people.
    doubles = {other_form(name) for name in wanted} & set(state.files)
    others = set(state.files) - set(wanted) - {MAIN, HELD, PART, RECORD}
    stale = doubles | {name for name in others if package_folder(name) in folders or ours(name)}
    upload = {name: wanted[name] for name in wanted if name != MAIN and differs(name, name)}

    main_at = next((name for name in (MAIN, HELD) if name in state.files), None)
    if MAIN not in wanted:
        main = GONE if main_at is None or ours(main_at) else BACK
    else:
        main = PUT if main_at is None or differs(MAIN, main_at) else BACK
    replaced = stale | (set(upload) & set(state.files))
    if main == PUT and main_at is not None:
        replaced.add(main_at)
    record = make_record(wanted)
    gone = stale if state.record_at == PART else stale | ({PART} & set(state.files))
    return Plan(
        remove=tuple(sorted(gone)),
        folders=tuple(sorted(folders_of(wanted) - state.folders)),
        empty=tuple(sorted(state.folders - folders_of(wanted), reverse=True)),
        upload=upload,
        main=main,
        main_data=wanted.get(MAIN),
        main_changes=main == PUT or HELD in state.files or (main == GONE and main_at is not None),
        foreign=tuple(sorted(name for name in replaced if not ours(name))),
        record=record,
        record_changes=state.record_at != RECORD or record != state.record,
    )


def room_needed(plan, state):
    """Return the bytes of flash that the board must have left for a plan, at its fullest."""

    def taken(size):
        return -(-size // state.block) * state.block

    # Each file is written beside the one that it replaces.
    now = -sum(taken(state.files[name].size) for name in plan.remove)
    now += _FOLDER_BLOCKS * state.block * len(plan.folders) + taken(
        len(join_records(state.record, plan.record))
    )
    most = now
    for name, data in plan.sent.items():
        most = max(most, now + taken(len(data)))
        now += taken(len(data))
        if name in state.files:
            now -= taken(state.files[name].size)
    return max(0, most + taken(most // _RESERVE))


def folders_of(names):
    """Return all folders that files lie in."""
    found = set()
    for name in names:
        words = name.split("/")[:-1]
        found |= {"/".join(words[: n + 1]) for n in range(len(words))}
    return found
