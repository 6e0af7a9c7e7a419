"""README: its programs run as printed, on the simulated module; what it names exists."""

import re
import subprocess
import sys
import threading

import demo
import pytest
import unixport
from realserver import free_port

README = (unixport.ROOT / "README.md").read_text()
PROGRAMS = re.findall(r"^```python\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
COMMANDS = re.findall(r"^    (\S.*)$", README, re.MULTILINE)
LIMIT_S = 90
SPEED = 10
SERVER = '"192.0.2.1", 5683'  # that of a program; there is a real one at another port

# What each program must print, in the order of README; whether its module has the client enabled;
# whether its clock runs as fast as the module's.
EXPECTED = (
    ("registered", False, True),
    ("registered", False, False),
    ("signal [b'", False, False),
    ("the server has 2", False, True),
    ("registered 721", False, True),
    ("registered 721", True, False),
    ("waiting: the module has not answered yet", True, True),
)
PLACEHOLDERS = ("@@", "TODO", "FIXME", "XXX", "TBD", "lorem", "???")


def test_every_program_is_expected_to_print_something():
    assert len(PROGRAMS) == len(EXPECTED)
    for program in PROGRAMS:
        assert "import board" in program


@pytest.mark.parametrize("i", range(len(EXPECTED)))
def test_program_runs_as_printed(i, tmp_path):
    words, enabled, fast = EXPECTED[i]
    options = ["--speed", str(SPEED), "--duration", str(LIMIT_S + 20)]
    simulator = demo.Simulator(tmp_path, *options, *(["--mode", "0"] if enabled else []))
    port = free_port()
    (tmp_path / "main.py").write_text(PROGRAMS[i].replace(SERVER, f'"127.0.0.1", {port}'))
    server = None
    if SERVER in PROGRAMS[i]:
        server = subprocess.Popen(
            [sys.executable, "-m", "lwm2mserver", "--port", str(port)], stdout=subprocess.DEVNULL
        )
    environment = unixport.environment(
        unixport.ROOT / "lib",
        unixport.ROOT / "boards",
        unixport.ROOT / "boards" / "UNIX",
        LEXI_UART=simulator.tty,
        LEXI_SPEED=str(SPEED if fast else 1),
    )
    node = subprocess.Popen(
        [unixport.find().path, "main.py"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    limit = threading.Timer(LIMIT_S, node.kill)
    limit.start()
    printed = []
    try:
        for line in node.stdout:
            printed.append(line)
            if line.startswith(words):
                return
        pytest.fail(f"it never printed {words!r}:\n{''.join(printed)}")
    finally:
        limit.cancel()
        node.kill()
        node.wait()
        simulator.stop()
        if server:
            server.kill()
            server.wait()


def test_no_placeholder():
    for word in PLACEHOLDERS:
        assert word not in README, word


def test_targets_and_files_exist():
    targets = set(re.findall(r"^([a-z-]+):", (unixport.ROOT / "Makefile").read_text(), re.M))
    named = {word for line in COMMANDS for word in re.findall(r"^make ([a-z-]+)", line)}
    assert {"demo", "test"} <= named <= targets
    names = re.findall(r"(?:packages|boards|tools|tests|lib|docs)/[\w./-]*\w", README)
    names += re.findall(r"\]\((?!http)([^)#]+)\)", README)
    for name in names:
        assert (unixport.ROOT / name).exists() or "<" in name, name
