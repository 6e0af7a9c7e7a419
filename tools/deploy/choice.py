"""What is asked for: which board, which files. No board is needed for any of it."""

import boardfiles
import packages

from .errors import DeployError

ALL = "all"
_NODE_NEEDS = "lexi-recovery"  # the part that boards/node.py imports

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


def chosen_files(board, parts=ALL, node=True):
    """Return ({name: source}, [names of the packages in it, such as "lexi.recovery"]).

    parts: names with commas; each comes with what it needs.
    """
    files = boardfiles.library_files()
    if parts != ALL:
        names = [
            f"lib/{name}"
            for name in packages.all_files([_part(each) for each in parts.split(",")])
        ]
        if node and not {f"lib/{name}" for name in packages.all_files([_NODE_NEEDS])} <= {*names}:
            raise DeployError(
                f"--parts {parts}: the node needs {_NODE_NEEDS}: add it, or --no-node"
            )
        files = {name: files[name] for name in names}
    inits = [name.split("/")[1:-1] for name in files if name.endswith("/__init__.py")]
    if node:
        files |= boardfiles.node_files(board)
    return files, [".".join(words) for words in inits]


def library_packages():
    """Return the names of all packages of the library, chosen or not."""
    return sorted({name.split("/")[1] for name in boardfiles.library_files()})


def _part(name):
    # A part that lies within another goes by its last name too.
    name = name.strip()
    fits = [each for each in packages.PARTS if each == name or each.endswith(f"-{name}")]
    if len(fits) != 1:
        names = ", ".join(packages.PARTS)
        raise DeployError(f"--parts {name}: no such part, expected {ALL} or {names}")
    return fits[0]
