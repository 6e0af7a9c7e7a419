"""Looks at a board, carries out a plan there, and tries what it has then.

An interruption at any point leaves a board that boots, to its REPL: before anything else main.py
is renamed, which is one write of the file system, and it comes back as the last act. So nothing
is ever run that is half new. Every file is written under another name and then renamed; so it is
the old one or the new one. What is left behind the next run finds by hash.
"""

import json

from . import plan as planning
from .errors import DeployError
from .link import RemoteError
from .plan import BACK, HELD, MAIN, PART, PUT, RECORD, Found, State


class TrialError(DeployError):
    """What is on the board does not work there."""


def ask(link, packages):
    """Return what device/ask.py says."""
    return json.loads(link.call("ask", sorted(packages))[-1])


def look(link, wanted):
    """Return the State of a board, as far as `wanted` and its record have to do with it."""
    state = _read_record(link)
    named = set()
    for line in link.call("look", *planning.looked_at(wanted, state.record)):
        kind, *words = line.split(" ", 3)
        if kind == "file":
            state.files[words[2]] = Found(int(words[0]), words[1])
        elif kind == "folder":
            state.folders.add(line.partition(" ")[2])
        elif kind == "is":
            named.add(line.partition(" ")[2])
        elif kind == "room":
            state.block, state.free, state.total = map(int, words)
    state.folders |= named & {*planning.folders_of(wanted), *wanted, MAIN, HELD, PART, RECORD}
    wrong = planning.in_the_way(wanted, state)
    if wrong:
        names = ", ".join(f"{name} is {what}" for name, what in wrong.items())
        raise DeployError(f"on the board {names}: remove it or give it another name")
    state.damaged = RECORD in state.files and not state.record
    if {MAIN, HELD} <= set(state.files) and state.files[MAIN] != state.files[HELD]:
        raise DeployError(
            f"the board has a {MAIN} and the one from before an interrupted run ({HELD}): "
            "remove one of them"
        )
    return state


def carry_out(link, plan, state, trial, progress):
    """Do what the plan says; trial() is called when all but main.py is there.

    progress(name, size) is called for each file.
    """
    both = planning.join_records(state.record, plan.record)
    if MAIN in state.files:
        _rename(link, MAIN, HELD)  # over an equal one, if a power cut left both
    if state.record_at == PART:
        _rename(link, PART, RECORD)
    for name in plan.remove:
        link.run(f"import os\nos.remove({name!r})")
    for folder in plan.empty:
        link.run(f"import os\nif not list(os.ilistdir({folder!r})):\n os.rmdir({folder!r})")
    _put_record(link, state.record, both)
    for folder in plan.folders:
        link.run(f"import os\nos.mkdir({folder!r})")
    for name, data in plan.upload.items():
        _put(link, name, data)
        progress(name, len(data))
    result = trial()
    if plan.main != BACK and {MAIN, HELD} & set(state.files):
        link.run(f"import os\nos.remove({HELD!r})")
    _put_record(link, both, plan.record)  # by which what is held is not ours any more
    if plan.main == BACK:
        _rename(link, HELD, MAIN)
    elif plan.main == PUT:
        _put(link, MAIN, plan.main_data)
    return result


def smoke(link, *arguments):
    """Return what device/smoke.py says. Raises TrialError."""
    try:
        return link.call("smoke", *arguments)
    except RemoteError as error:
        raise TrialError(f"the library does not work there: {error}") from None


def free_flash(link):
    """Return (free, total) bytes."""
    numbers = link.run("import os\nprint(*os.statvfs(os.getcwd())[1:5])")[-1].split()
    unit, total, _, free = map(int, numbers)
    return unit * free, unit * total


def _put(link, name, data):
    link.write(PART, data)
    _rename(link, PART, name)


def _put_record(link, old, new):
    if new != old:
        _put(link, RECORD, new.encode())


def _rename(link, old, new):
    link.run(f"import os\nos.rename({old!r}, {new!r})")


def _read_record(link):
    # To rename over a file is to remove it first with FAT: after a power cut there is PART alone.
    for name in (RECORD, PART):
        text = _read(link, name)
        if planning.is_record(text):
            return State(record=text, record_at=name)
    return State()


def _read(link, name):
    # In hexadecimal: it may be damaged.
    lines = link.run(
        "import binascii\n"
        "try:\n"
        f" with open({name!r}, 'rb') as f:\n"
        "  while True:\n"
        "   data = f.read(256)\n"
        "   if not data:\n"
        "    break\n"
        "   print(binascii.hexlify(data).decode())\n"
        "except OSError:\n"
        " pass"
    )
    return bytes.fromhex("".join(lines)).decode(errors="replace")
