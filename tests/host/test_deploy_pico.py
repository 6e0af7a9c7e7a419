"""`make deploy` to a virtual Pico, with FIRMWARE and BOOTROM: paths, as for `make pico`."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import time

import pytest
import remote
import serial
import unixport
from deploying import ALL, LIMIT_S, command

FIRMWARE = os.environ.get("FIRMWARE")
BOOTROM = os.environ.get("BOOTROM")

# Runs deploy, but dies in the middle of a file.
DIES = """
import os, sys
from deploy import __main__ as cli, link
left = int(sys.argv[1])
write = link.Link.write

def until_then(self, name, data):
    global left
    left -= 1
    if left < 0:
        write(self, name, data[:len(data) // 2])
        os._exit(9)
    write(self, name, data)

link.Link.write = until_then
cli.main(sys.argv[2:])
"""


@contextlib.contextmanager
def virtual_pico():
    """Run an empty Pico, wired to a simulated module; the value is its tty."""
    words = ["--firmware", FIRMWARE, "--bootrom", BOOTROM, "--repl", "--speed", "50"]
    with subprocess.Popen(
        [sys.executable, "-m", "pico", *words], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield re.fullmatch("repl (.*)\n", process.stdout.readline())[1]
        finally:
            process.terminate()


def read_until(tty_path, pattern, write=b""):
    """Return what a board prints up to a match, after `write`."""
    seen = ""
    deadline_s = time.monotonic() + LIMIT_S
    with serial.Serial(tty_path, timeout=0.2) as port:
        port.write(write)
        while not re.search(pattern, seen):
            assert time.monotonic() < deadline_s, seen
            seen += port.read(4096).decode(errors="replace")
    return seen


def make_deploy(tty_path, *more):
    words = ["make", "deploy", "BOARD=RPI_PICO", f"PORT={tty_path}", *more]
    return subprocess.run(
        words, cwd=unixport.ROOT, stdout=subprocess.PIPE, text=True, timeout=LIMIT_S, check=True
    ).stdout


@pytest.mark.slow
@pytest.mark.skipif(not (FIRMWARE and BOOTROM), reason="FIRMWARE and BOOTROM are not given")
@pytest.mark.skipif(shutil.which("node") is None, reason="no Node.js here")
def test_the_node_on_a_virtual_pico():
    with virtual_pico() as pico:
        make_deploy(pico)
        options = command(pico, "--source", board="RPI_PICO")[3:]
        for files in (0, 12):
            died = subprocess.run(
                [sys.executable, "-c", DIES, str(files), *options], timeout=LIMIT_S, check=False
            )
            assert died.returncode == 9
            remote.mpremote(pico, "reset")
            booted = read_until(pico, "soft reboot(?s:.*)>>> $", b"\r\x03\x03\x02\r\x04")
            assert "Traceback" not in booted
        assert f"of {ALL} files" in make_deploy(pico)
        printed = make_deploy(pico, "ARGS=--start")
        assert "uploaded  0 of" in printed
        read_until(pico, "registered 721")
        remote.mpremote(pico, "reset")
        assert "Traceback" not in read_until(pico, "registered 721")
