"""A virtual Raspberry Pi Pico: real MicroPython firmware on an emulated RP2040. See README.md.

`Board` is the board; `python -m pico` runs the project's node on it. It needs two files that
are not here: firmware for RPI_PICO, and the boot ROM B1.
"""

from boardfiles import compile_files, library_files, project_files

from .board import Board, Heap, Stats
from .errors import BoardError
from .images import read_bootrom, read_firmware
from .wiring import wiring

__all__ = (
    "Board",
    "BoardError",
    "Heap",
    "Stats",
    "compile_files",
    "library_files",
    "project_files",
    "read_bootrom",
    "read_firmware",
    "wiring",
)
