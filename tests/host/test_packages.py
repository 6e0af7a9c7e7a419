"""Every part of the library installs alone, and all of them together, and works then.

By mpremote from this clone, and on the device by mip from a web server.
"""

import functools
import http.server
import json
import subprocess
import threading

import packages
import pytest
import remote
import unixport
from manifests import Manifest, modules

ROOT = unixport.ROOT
LIB = ROOT / "lib"
PARTS_FILE = "tests/host/device/parts.py"

# what is installed: (folder of its package.json and manifest.py, the parts that work then)
INSTALLS = {
    **{name: (f"packages/{name}", (*part.needs, name)) for name, part in packages.PARTS.items()},
    "everything": (".", tuple(packages.PARTS)),
}

MIP = """
import mip
mip.install("http://127.0.0.1:{port}/{folder}/package.json", target="lib")
"""
FIND_MIP = """
import sys
try:
    import mip
    if sys.implementation.version < (1, 25): print("mip takes relative urls from 1.25 on")
except ImportError as e: print(e)
"""
BOTH = """
add_library("lexi-parts", "{folder}")
require("lexi-recovery", library="lexi-parts")
require("atport", library="lexi-parts")
require("lexi", library="lexi-parts")
"""


def in_lib(folder):
    """Return {name: bytes} of the library that is on a board."""
    lib = folder / "lib"
    return {
        path.relative_to(lib).as_posix(): path.read_bytes()
        for path in lib.rglob("*")
        if path.is_file()
    }


def expected(parts):
    return {name: (LIB / name).read_bytes() for name in packages.all_files(parts)}


def program(parts):
    """Python text that imports every file of the parts, then uses them."""
    names = modules(packages.all_files(parts))
    return f"import parts; parts.load(*{names!r}); parts.use(*{uses(parts)!r})"


def uses(parts):
    return (*parts, "asyncio") if "lexi" in parts else parts


def told(parts):
    return ["loaded", *(f"works: {name}" for name in uses(parts))]


# Lists


def test_lists_are_what_the_tool_writes():
    found = [str(path.relative_to(ROOT)) for path in packages.differing()]
    assert not found, "run: .venv/bin/python tools/packages.py"


def test_every_file_belongs_to_one_part():
    found = [
        f"{part.package}/{name}"
        for row, part in packages.PARTS.items()
        for name in packages.own_files(row)
    ]
    assert sorted(found) == sorted(path.relative_to(LIB).as_posix() for path in LIB.rglob("*.py"))


@pytest.mark.parametrize("name", INSTALLS)
def test_lists_have_what_is_needed_once(name):
    folder, parts = INSTALLS[name]
    names = sorted(packages.all_files(parts))
    urls = json.loads((ROOT / folder / "package.json").read_text())["urls"]
    assert sorted(target for target, _ in urls) == names
    for target, url in urls:
        assert (ROOT / folder / url).resolve() == LIB / target
    files = Manifest(ROOT / folder / "manifest.py").files
    assert sorted(target for _, target in files) == names
    for path, target in files:
        assert path.resolve() == LIB / target


def test_an_application_may_require_several_parts(tmp_path):
    manifest = tmp_path / "manifest.py"
    manifest.write_text(BOTH.format(folder=ROOT / "packages"))
    found = sorted(target for _, target in Manifest(manifest).files)
    assert found == sorted(packages.all_files(("lexi-recovery",)))


def test_check_says_what_differs(monkeypatch, capsys):
    path = ROOT / "packages" / "atport" / "manifest.py"
    monkeypatch.setattr(packages, "texts", lambda: {path: "another text"})
    monkeypatch.setattr("sys.argv", ["packages.py", "--check"])
    before = path.read_text()
    with pytest.raises(SystemExit) as exit:
        packages.main()
    assert exit.value.code == 1
    assert capsys.readouterr().out == "differs: packages/atport/manifest.py\n"
    assert path.read_text() == before


# From the clone


@pytest.mark.parametrize("name", INSTALLS)
def test_mpremote_installs_from_the_clone(name, board, tmp_path):
    folder, parts = INSTALLS[name]
    printed = remote.mpremote(board, "mip", "install", "--target", "lib", f"{folder}/package.json")
    assert printed.rstrip().endswith("Done")
    assert in_lib(tmp_path) == expected(parts)
    remote.mpremote(board, "cp", PARTS_FILE, ":lib/")
    printed = remote.mpremote(board, "exec", program(parts))
    assert printed.splitlines() == told(parts)


# From a web server


class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def server():
    """The port of a web server that has the clone."""
    handler = functools.partial(Handler, directory=ROOT)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def on_device(folder, *programs):
    """Run programs on the unix port in a folder; returns the lines that they print."""
    result = subprocess.run(
        [unixport.find().path, "-c", "\n".join(programs)],
        cwd=folder,
        env=unixport.environment("lib", (ROOT / PARTS_FILE).parent),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout
    return result.stdout.splitlines()


@pytest.fixture(scope="module")
def why_no_mip(tmp_path_factory):
    """Why mip cannot be tried: another MicroPython, MICROPYTHON=, may have none or an old one."""
    return "".join(on_device(tmp_path_factory.mktemp("board"), FIND_MIP))


@pytest.mark.parametrize("name", INSTALLS)
def test_mip_installs_from_a_web_server(name, server, why_no_mip, tmp_path):
    if why_no_mip:
        pytest.skip(why_no_mip)
    folder, parts = INSTALLS[name]
    printed = on_device(tmp_path, MIP.format(port=server, folder=folder))
    assert printed[-1] == "Done"
    assert in_lib(tmp_path) == expected(parts)
    assert on_device(tmp_path, program(parts)) == told(parts)
