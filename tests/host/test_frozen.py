"""The library is frozen as MicroPython's build does it: a manifest, mpy-cross, mpy-tool.

Where MicroPython's sources are, MICROPYTHON_SOURCE=/path/to/micropython, its unix port is built
with the library in it and runs it with nothing else on its path.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import packages
import pytest
import unixport
import versions
from manifests import Manifest

pytestmark = pytest.mark.slow

ROOT = unixport.ROOT
DEVICE = ROOT / "tests" / "host" / "device"
FOLDERS = (".", *(f"packages/{name}" for name in packages.PARTS))
SOURCE = os.environ.get("MICROPYTHON_SOURCE")

# What is frozen for a test, beside which nothing is on the path.
MANIFEST = """
include("$(MPY_DIR)/extmod/asyncio")
include("{clone}/manifest.py")
module("parts.py", base_path="{device}")
"""
# What needs submodules of MicroPython's repository, which are of no use here.
WITHOUT = ("BTREE=0", "FFI=0", "SSL=0", "BLUETOOTH=0")

_NAMES = re.compile(r"mp_frozen_names\[\] = \{(.*?)\};", re.DOTALL)


@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize("release", versions.RELEASES)
def test_mpy_tool_freezes(release, folder, tmp_path):
    files = Manifest(ROOT / folder / "manifest.py").files
    compiled = versions.compile_files(release, files, tmp_path)
    command, env = versions.mpy_tool()
    made = subprocess.run(
        [*command, "--freeze", *compiled], env=env, capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr
    names = re.findall(r'"(.+)\\0"', _NAMES.search(made.stdout)[1])
    assert names == [name for _, name in files]


needs_source = pytest.mark.skipif(not SOURCE, reason="MICROPYTHON_SOURCE is not given")


@needs_source
def test_manifests_say_to_micropython_what_they_say_here():
    program = Path(SOURCE) / "tools" / "manifestfile.py"
    for folder in FOLDERS:
        manifest = ROOT / folder / "manifest.py"
        command = [sys.executable, program, "--freeze", manifest]
        result = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        found = re.findall(r"target_path='(.+?)'", result.stdout)
        assert found == [name for _, name in Manifest(manifest).files]


@needs_source
def test_works_frozen(tmp_path):
    manifest = tmp_path / "manifest.py"
    manifest.write_text(MANIFEST.format(clone=ROOT, device=DEVICE))
    (tmp_path / "README.md").touch()  # of micropython-lib, of which nothing is needed
    build = tmp_path / "build"
    variables = [f"MICROPY_PY_{name}" for name in WITHOUT]
    variables += [
        f"FROZEN_MANIFEST={manifest}",
        f"MPY_LIB_DIR={tmp_path}",
        f"BUILD={build}",
        f"MICROPY_MPYCROSS={versions.mpy_cross(versions.OLDEST)}",
        "MICROPY_MPYCROSS_DEPENDENCY=",
        "CFLAGS_EXTRA=-Wno-error",
    ]
    folder = Path(SOURCE) / "ports" / "unix"
    made = subprocess.run(
        ["make", "-C", folder, *variables],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stdout[-5000:]
    names = (*packages.PARTS, "asyncio")
    result = subprocess.run(
        [build / "micropython", "-c", f"import parts; parts.use(*{names!r})"],
        cwd=tmp_path,
        env=unixport.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert result.stdout.splitlines() == [f"works: {name}" for name in names]
