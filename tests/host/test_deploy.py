"""Installs the library from this clone with mpremote and runs a node's first steps with it.

The board is MicroPython's unix port with its REPL on a pty, as mpremote sees any board.
"""

import contextlib
import json
import os
import pty
import subprocess
import sys
import threading
import tty

import pytest
import unixport

ROOT = unixport.ROOT
PACKAGE = ROOT / "package.json"

FIRST_STEPS = """
import os, sys
os.putenv("LEXI_UART", {tty!r})
import board
from lexi.blocking import Lexi
lexi = Lexi(board.open_uart(), **board.OPTIONS)
lexi.start()
if lexi.lwm2m.enable(): lexi.reboot()
print("registered:", lexi.wait_registered(721, 30))
print("from:", sys.modules["lexi"].__file__)
"""


def library_files():
    lib = ROOT / "lib"
    return sorted(str(path.relative_to(lib)) for path in lib.rglob("*.py"))


def test_package_json_lists_every_file_of_the_library():
    urls = json.loads(PACKAGE.read_text())["urls"]
    assert sorted(target for target, _ in urls) == library_files()
    for target, source in urls:
        assert source == f"lib/{target}"


@pytest.mark.parametrize(
    "manifest",
    ["manifest.py", *(f"boards/{b}/manifest.py" for b in ("ESP32_GENERIC", "RPI_PICO", "UNIX"))],
)
def test_manifests_name_files_that_exist(manifest):
    """Evaluates a manifest as MicroPython's build does, as far as these files go."""
    found = []

    def evaluate(path):
        def include(name):
            if not name.startswith("$"):
                evaluate(path.parent / name)

        def module(name, base_path="."):
            assert (path.parent / base_path / name).is_file()
            found.append(name)

        def package(name, base_path="."):
            folder = path.parent / base_path / name
            found.extend(f"{name}/{p.relative_to(folder)}" for p in folder.rglob("*.py"))

        names = {"include": include, "module": module, "package": package}
        exec(path.read_text(), {**names, "metadata": lambda **_: None})

    evaluate(ROOT / manifest)
    assert set(library_files()) <= set(found)
    if manifest != "manifest.py":
        assert {"node.py", "board.py", "main.py"} <= set(found)


def _copy(source, target):
    """Copy bytes from one terminal to another until one of them is gone."""
    with contextlib.suppress(OSError):
        while data := os.read(source, 4096):
            os.write(target, data)


@pytest.fixture
def board(tmp_path):
    """The tty of a board: a MicroPython REPL in an empty folder."""
    repl_end, repl_tty = pty.openpty()
    host_end, host_tty = pty.openpty()
    for end in (repl_tty, host_tty):
        tty.setraw(end)
    repl = subprocess.Popen(
        [unixport.find().path, "-i"],
        cwd=tmp_path,
        env=unixport.environment("lib", TERM="dumb"),
        stdin=repl_tty,
        stdout=repl_tty,
        stderr=repl_tty,
        start_new_session=True,
    )
    for ends in ((repl_end, host_end), (host_end, repl_end)):
        threading.Thread(target=_copy, args=ends, daemon=True).start()
    yield os.ttyname(host_tty)
    repl.kill()
    repl.wait()
    for end in (repl_tty, host_tty, repl_end, host_end):
        os.close(end)


@pytest.fixture
def module(tmp_path):
    """The tty of a simulated module, ten times faster than a real one."""
    link = str(tmp_path / "uart")
    command = [sys.executable, "-m", "lexisim", "--pty", "--link", link, "--speed", "10"]
    simulator = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    for line in simulator.stdout:
        if line.strip() == "ready":
            break
    yield link
    simulator.terminate()
    simulator.wait()


def mpremote(tty_path, *arguments):
    result = subprocess.run(
        [sys.executable, "-m", "mpremote", "connect", tty_path, "resume", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout
    return result.stdout


def test_install_with_mpremote_and_first_steps(board, module, tmp_path):
    printed = mpremote(board, "mip", "install", "--target", "lib", "./package.json")
    assert printed.rstrip().endswith("Done")
    for name in library_files():
        source = ROOT / "lib" / name
        assert (tmp_path / "lib" / name).read_bytes() == source.read_bytes()
    mpremote(board, "cp", "boards/UNIX/board.py", "boards/pins.py", ":lib/")
    printed = mpremote(board, "exec", FIRST_STEPS.format(tty=module))
    assert printed.split() == ["registered:", "True", "from:", "lib/lexi/__init__.py"]
