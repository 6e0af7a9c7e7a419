"""Imports single files of lib/lexi under CPython, unmodified: those that touch no hardware.

    recovery = deviceless.load("recovery")

`import lexi` would not do: it wants a UART, and it asks for MicroPython. During load() the names
`micropython`, `atport` and `lexi` stand for a stub and for empty packages; afterwards they are what they
were before, so nothing else in the process sees them. Files loaded here know each other.
"""

import importlib
import sys
import types
from pathlib import Path

LIB = Path(__file__).resolve().parents[1] / "lib"

_OURS = ("micropython", "atport", "lexi")
_loaded = {}


def load(name):
    """Return the module lib/lexi/<name>.py."""
    if not _loaded:
        stub = types.ModuleType("micropython")
        stub.const = lambda value: value
        _loaded["micropython"] = stub
        for package in ("atport", "lexi"):
            _loaded[package] = types.ModuleType(package)
            _loaded[package].__path__ = [str(LIB / package)]
    theirs = _take_out()
    sys.modules.update(_loaded)
    try:
        return importlib.import_module(f"lexi.{name}")
    finally:
        _loaded.update(_take_out())
        sys.modules.update(theirs)


def _take_out():
    names = [name for name in sys.modules if name.partition(".")[0] in _OURS]
    return {name: sys.modules.pop(name) for name in names}
