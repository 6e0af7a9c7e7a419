"""Installs the library from this clone with mpremote and runs a node's first steps with it.

The board is MicroPython's unix port with its REPL on a pty, as mpremote sees any board.
"""

import subprocess
import sys

import pytest
import unixport
from manifests import Manifest
from remote import mpremote

ROOT = unixport.ROOT

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


@pytest.mark.parametrize("board_name", ["ESP32_GENERIC", "RPI_PICO", "UNIX"])
def test_manifest_of_a_board_freezes_the_library_and_the_node(board_name):
    files = Manifest(ROOT / "boards" / board_name / "manifest.py").files
    names = sorted(name for _, name in files)
    nodes = ["node.py", "node_report.py", "node_report_blocking.py"]
    assert names == sorted([*library_files(), *nodes, "board.py", "main.py"])


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


def test_install_with_mpremote_and_first_steps(board, module, tmp_path):
    printed = mpremote(board, "mip", "install", "--target", "lib", "./package.json")
    assert printed.rstrip().endswith("Done")
    for name in library_files():
        source = ROOT / "lib" / name
        assert (tmp_path / "lib" / name).read_bytes() == source.read_bytes()
    mpremote(board, "cp", "boards/UNIX/board.py", ":lib/")
    printed = mpremote(board, "exec", FIRST_STEPS.format(tty=module))
    assert printed.split() == ["registered:", "True", "from:", "lib/lexi/__init__.py"]
