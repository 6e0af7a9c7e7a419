"""What is asked for: which board, which files. No board is needed for any of it."""

import boardfiles

from .errors import DeployError

ALL = "all"

# sys.platform of the firmware for each folder of boards/
PLATFORMS = {
    "ESP32_GENERIC": ("esp32",),
    "RPI_PICO": ("rp2",),
    "UNIX": ("linux", "darwin"),
}
_UNIX = PLATFORMS["UNIX"]


def check_board(board):
    """Raise DeployError unless there is such a board."""
    if board not in boardfiles.board_names():
        given = f"BOARD={board}: no such board" if board else "BOARD is not given"
        raise DeployError(f"{given}, expected one of {', '.join(boardfiles.board_names())}")


def has_reset(board):
    """Whether a soft reset starts main.py. The unix port just ends."""
    return PLATFORMS[board] != _UNIX


def parts_of(library):
    """Return {"lexi-recovery": "lib/lexi/recovery", ...}: every folder with an __init__.py."""
    folders = [name.rpartition("/")[0] for name in library if name.endswith("/__init__.py")]
    return {folder[len("lib/") :].replace("/", "-"): folder for folder in folders}


def chosen_files(board, parts=ALL, node=True):
    """Return ({name: source}, [names of the packages in it]).

    parts: names with commas; a part that lies within another goes by its last name too.
    """
    library = boardfiles.library_files()
    known = parts_of(library)
    names = list(known) if parts == ALL else [_part(name, known) for name in parts.split(",")]
    folders = [known[name] for name in names]
    files = {
        name: data
        for name, data in library.items()
        if parts == ALL or _folder_of(name, known.values()) in folders
    }
    if node:
        files.update(boardfiles.node_files(board))
    return files, [folder[len("lib/") :].replace("/", ".") for folder in folders]


def _part(name, known):
    name = name.strip()
    fits = [each for each in known if each == name or each.endswith(f"-{name}")]
    if len(fits) != 1:
        raise DeployError(f"--parts {name}: no such part, expected {ALL} or {', '.join(known)}")
    return fits[0]


def _folder_of(name, folders):
    # The innermost of the parts' folders that the file lies in.
    around = [folder for folder in folders if name.startswith(f"{folder}/")]
    return max(around, key=len, default=None)
