"""The library works on every release of MicroPython that README promises, and with its tools.

Each is installed from the registries into .venv when its test runs (tools/versions.py).
"""

import shutil
import subprocess

import packages
import pytest
import remote
import unixport
import versions
from manifests import Manifest, modules

pytestmark = pytest.mark.slow

ROOT = unixport.ROOT
DEVICE = ROOT / "tests" / "host" / "device"
PARTS = tuple(packages.PARTS)

# What the boards of the README and their successors have: RP2040, RP2350, ESP32, ESP32-C3.
ARCHITECTURES = ("armv6m", "armv7m", "xtensawin", "rv32imc")

# (release of the compiler or None for source, release of the port)
RUNS = [
    *((None, release) for release in versions.RELEASES),
    *((release, release) for release in versions.RELEASES),
    (versions.OLDEST, versions.NEWEST),
    (versions.NEWEST, versions.OLDEST),
]


@pytest.fixture(scope="module")
def library():
    return Manifest(ROOT / "manifest.py").files


@pytest.mark.parametrize(("compiler", "port"), RUNS)
def test_works_on_the_port(compiler, port, library, tmp_path):
    why = versions.why_no_wasm()
    if why:
        pytest.skip(why)
    if compiler:
        versions.compile_files(compiler, library, tmp_path / "lib")
    else:
        shutil.copytree(ROOT / "lib", tmp_path / "lib")
    shutil.copy(DEVICE / "parts.py", tmp_path)
    names = modules(name for _, name in library)
    program = f"import parts; parts.load(*{names!r}); parts.use(*{PARTS!r})"
    result = subprocess.run(
        ["node", DEVICE / "run.mjs", versions.wasm_port(port), tmp_path, program],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert result.stdout.splitlines() == ["loaded", *(f"works: {name}" for name in PARTS)]


@pytest.mark.parametrize("optimise", [0, 3])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("release", versions.RELEASES)
def test_compiles(release, architecture, optimise, library, tmp_path):
    options = (f"-march={architecture}", f"-O{optimise}")
    assert len(versions.compile_files(release, library, tmp_path, *options)) == len(library)


@pytest.mark.parametrize("folder", [".", "packages/lexi"])
def test_oldest_mpremote_installs_from_the_clone(folder, board, tmp_path):
    command, env = versions.mpremote()
    printed = remote.mpremote(
        board,
        *("mip", "install", "--target", "lib", f"{folder}/package.json"),
        program=command,
        env=env,
    )
    assert printed.rstrip().endswith("Done")
    for path, name in Manifest(ROOT / folder / "manifest.py").files:
        assert (tmp_path / "lib" / name).read_bytes() == path.read_bytes()
