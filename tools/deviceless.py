"""Imports files of lib/ under CPython, unmodified: those that touch no hardware.

ladder = deviceless.load("lexi.recovery.ladder")
"""

import importlib
import sys
import types
from pathlib import Path

LIB = Path(__file__).resolve().parents[1] / "lib"


def load(name):
    """Return the module of that name; what it needs of MicroPython is `const`."""
    if "micropython" not in sys.modules:
        sys.modules["micropython"] = types.ModuleType("micropython")
        sys.modules["micropython"].const = lambda value: value
    if str(LIB) not in sys.path:
        sys.path.append(str(LIB))
    return importlib.import_module(name)
