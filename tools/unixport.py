"""Finds MicroPython's unix port and says how to run this project's code under it.

The environment variable MICROPYTHON wins; else it is the one that setup_env.py put into .venv.
Runs under any CPython 3, with or without .venv.
"""

import os
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
UNITTEST = VENV / "micropython-lib"  # the folder of MicroPython's unittest.py

_ADVICE = (
    "no MicroPython for this platform on PyPI, set `MICROPYTHON=/path/to/micropython make test`"
)
_PROBE = """
import sys
print(sys.implementation.name, "%d.%d.%d" % sys.implementation[1][:3])
"""
_PROBE_LIMIT_S = 20


class UnixPortError(Exception):
    """There is no MicroPython, or it does not work. The text tells what to do."""


class UnixPort(NamedTuple):
    path: str
    version: str

    def __str__(self):
        return f"MicroPython {self.version}: {self.path}"


def find():
    """Return the UnixPort to use, after running it once. Raises UnixPortError."""
    wanted = os.environ.get("MICROPYTHON")
    if not wanted:
        path = VENV / "bin" / "micropython"
        if not path.exists():
            raise UnixPortError(_ADVICE)
        return _probe(str(path), str(path))
    path = shutil.which(wanted)
    if path is None:
        raise UnixPortError(f"MICROPYTHON={wanted}: no such program")
    return _probe(os.path.abspath(path), f"MICROPYTHON={wanted}")


def environment(*folders, **variables):
    """Return the environment in which MicroPython imports from these folders only.

    What is frozen into it comes last; folders may be relative to the process's working directory.
    """
    path = ":".join([*map(str, folders), ".frozen"])
    return {**os.environ, "MICROPYPATH": path, **variables}


def _probe(path, name):
    try:
        result = subprocess.run(
            [path, "-c", _PROBE],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=_PROBE_LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnixPortError(f"{name} does not run: {error}") from None
    words = result.stdout.split()
    if result.returncode or len(words) != 2 or words[0] != "micropython":
        raise UnixPortError(f"{name} does not run as MicroPython:\n{result.stdout[:500]}")
    return UnixPort(path, words[1])
