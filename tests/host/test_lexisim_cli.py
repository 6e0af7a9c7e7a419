"""Simulated module as a process: command line, pty, TCP, control port."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
import tty
from contextlib import contextmanager
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parents[2] / "tools"
DEADLINE_S = 60.0


def command_line(*arguments):
    return [sys.executable, "-m", "lexisim", *map(str, arguments)]


def environment():
    return {**os.environ, "PYTHONPATH": str(TOOLS)}


def run_to_end(*arguments):
    return subprocess.run(
        command_line(*arguments),
        env=environment(),
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )


@contextmanager
def simulator(*arguments):
    """A running simulator; yields (process, {port name: address})."""
    process = subprocess.Popen(
        command_line(*arguments), env=environment(), stdout=subprocess.PIPE, text=True
    )
    try:
        ports = {}
        for line in process.stdout:
            if line == "ready\n":
                break
            name, address = line.split()
            ports[name] = address
        else:
            raise AssertionError("the simulator ended before it was ready")
        yield process, ports
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def read_until(descriptor, wanted):
    """Read from a file descriptor until `wanted` has come."""
    found = b""
    end_s = time.monotonic() + DEADLINE_S
    while wanted not in found:
        left_s = end_s - time.monotonic()
        assert left_s > 0, f"{wanted!r} did not come, only {found!r}"
        if select.select([descriptor], [], [], left_s)[0]:
            found += os.read(descriptor, 4096)
    return found


def connect(address):
    host, port = address.split(":")
    return socket.create_connection((host, int(port)), DEADLINE_S)


class Control:
    """A client of the control port."""

    def __init__(self, address):
        self._socket = connect(address)
        self._file = self._socket.makefile("rw", encoding="ascii")

    def ask(self, line):
        self._file.write(line + "\n")
        self._file.flush()
        return self._file.readline().rstrip("\n")

    def send(self, line):
        self._file.write(line + "\n")
        self._file.flush()

    def read_history(self):
        entries = []
        while (line := self._file.readline().rstrip("\n")) != "ok":
            entries.append(json.loads(line))
        return entries

    def wait_for(self, condition):
        """Poll `state` until `condition(state)`."""
        end_s = time.monotonic() + DEADLINE_S
        while time.monotonic() < end_s:
            state = json.loads(self.ask("state"))
            if condition(state):
                return state
            time.sleep(0.01)
        raise AssertionError(f"never happened; state is {state}")

    def close(self):
        self._file.close()
        self._socket.close()


def booted(state):
    return state["booted"]


def test_over_a_pty(tmp_path):
    link = tmp_path / "modem"
    log = tmp_path / "log"
    arguments = ("--pty", "--link", link, "--control", 0, "--speed", 50, "--mode", 0)
    arguments += ("--nvm", tmp_path / "nvm", "--log", log)
    with simulator(*arguments) as (process, ports):
        assert os.readlink(link) == ports["pty"]
        control = Control(ports["control"])
        control.wait_for(lambda state: state["servers"][0]["code"] == 3)
        for _ in range(2):  # closing the node must not kill the simulator
            modem = os.open(link, os.O_RDWR | os.O_NOCTTY)
            tty.setraw(modem)
            time.sleep(0.05)
            os.write(modem, b"AT+ULWM2MREG?\r")
            assert b"+ULWM2MREG: 721,3,8" in read_until(modem, b"\r\nOK\r\n")
            os.close(modem)
        modem = os.open(link, os.O_RDWR | os.O_NOCTTY)
        time.sleep(0.05)
        os.write(modem, b"AT+ULWM2MSTAT=1,7\r")
        read_until(modem, b"\r\nOK\r\n")
        assert control.ask("lose 721 now") == "ok"
        read_until(modem, b"\r\n+ULWM2MSTAT: 1,721,5\r\n\r\n+ULWM2MSTAT: 1,721,4\r\n")
        os.close(modem)
        assert control.ask("dance").startswith("error: unknown verb")
        state = json.loads(control.ask("state"))
        assert state["commands"]["+ULWM2MREG"] == 2
        assert state["gap_violations"] == state["urc_gap_violations"] == 0
        control.close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE_S) == 0
    assert not os.path.lexists(link)
    assert 'rx "AT+ULWM2MREG?\\r"' in log.read_text()
    assert json.loads((tmp_path / "nvm").read_text())["values"]["stat"] == [1, 7]


def test_over_tcp_with_a_scenario(tmp_path):
    scenario = tmp_path / "scenario.txt"
    scenario.write_text('200 urc +ULWM2MSTAT: 3,123,"/3300/0/5700"\n')
    arguments = ("--tcp", 0, "--control", 0, "--speed", 100, "--scenario", scenario)
    with simulator(*arguments) as (process, ports):
        assert set(ports) == {"tcp", "control"}
        control = Control(ports["control"])
        control.wait_for(booted)
        with connect(ports["tcp"]) as gone:
            gone.sendall(b"AT+CG")  # a host that goes away in the middle
        modem = connect(ports["tcp"])
        time.sleep(0.05)
        modem.sendall(b"\rATE0\r")
        read_until(modem.fileno(), b"\r\nOK\r\n")
        read_until(modem.fileno(), b'\r\n+ULWM2MSTAT: 3,123,"/3300/0/5700"\r\n')
        assert control.ask("pwr_on low") == "ok"
        time.sleep(0.05)  # 5 module seconds
        assert control.ask("pwr_on high") == "ok"
        control.wait_for(lambda state: state["v_int"] == 0)
        modem.close()
        control.close()
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE_S) == 0


def test_history_on_the_control_port_and_in_a_file(tmp_path):
    record = tmp_path / "history"
    record.write_text('[0.0, "boot", "earlier"]\n')
    arguments = ("--tcp", 0, "--control", 0, "--speed", 100, "--history", record, "--mode", 0)
    with simulator(*arguments) as (process, ports):
        control = Control(ports["control"])
        control.wait_for(lambda state: state["servers"][0]["code"] == 3)
        count = 1500
        for _ in range(count):
            assert control.ask("urc +X: " + 60 * "x") == "ok"
        for _ in range(3):  # far more than the line buffers, twice unread
            control.send("history")
        for _ in range(3):
            entries = control.read_history()
            verbs = [entry for entry in entries if entry[1] == "verb"]
            assert len(verbs) == count
            assert ["server", 721, 3] in [entry[1:] for entry in entries]
        assert control.ask("history 1e9") == "ok"
        control.close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE_S) == 0
    written = [json.loads(line) for line in record.read_text().splitlines()]
    assert written[0] == [0.0, "boot", "earlier"]
    assert written[1:] == entries


def test_tuning_and_profile_options():
    arguments = ("--tcp", 0, "--control", 0, "--speed", 500, "--mode", 0)
    arguments += ("--tuning", "oma", "--server", "7:reach=down", "--profile", "4=8:lifetime_s=600")
    with simulator(*arguments) as (_, ports):
        control = Control(ports["control"])
        state = control.wait_for(lambda state: state["servers"][0]["attempt"] == 4)  # of 5
        assert state["servers"][0]["code"] in (1, 2)
        assert control.ask("profile 4") == "ok"
        control.wait_for(lambda state: [row["id"] for row in state["servers"]] == [8])
        control.close()


def test_ends_after_its_duration():
    finished = run_to_end("--tcp", 0, "--duration", 0.2)
    assert finished.returncode == 0
    assert finished.stdout.splitlines()[-1] == "ready"
    assert finished.stderr == ""


def test_help_and_options():
    assert "server <id> up|down|reject" in run_to_end("--help").stdout
    shown = run_to_end("--options").stdout
    assert "boot_dead_s=5.0" in shown
    assert "lifetime_s=86400.0" in shown


BAD_ARGUMENTS = [
    (("--set", "boot_dead_s"), "expected name=value"),
    (("--set", "nonsense=1"), "unknown option 'nonsense'"),
    (("--set", "boot_dead_s=soon"), "boot_dead_s: expected a number, got 'soon'"),
    (("--set", "boot_dead_s=nan"), "boot_dead_s: expected at least 0.0"),
    (("--set", "gap_policy=maybe"), "gap_policy: expected one of ignore, drop"),
    (("--set", "echo=perhaps"), "echo: expected true or false"),
    (("--set", "boot_noise=xx"), "boot_noise: expected hexadecimal bytes"),
    (("--server", "x"), "server_id: expected a whole number"),
    (("--server", "0"), "server_id: expected at least 1"),
    (("--server", "721:color=red"), "unknown option 'color'"),
    (("--server", "721", "--server", "721"), "server 721 is given twice"),
    (("--notify", "5700"), "expected [ID:]URI=period_s"),
    (("--notify", "9:/1=5"), "there is no server 9"),
    (("--speed", "0"), "speed: expected at least"),
    (("--baud", "fast"), "baud: expected a whole number"),
    (("--mode", "2"), "invalid choice"),
    (("--tuning", "fast"), "unknown tuning 'fast'; one of: u-blox-721, oma"),
    (("--server", "721:tuning=fast"), "unknown tuning 'fast'"),
    (("--profile", "102"), "expected MNO=ID[:option=value...]"),
    (("--profile", "3=1", "--profile", "3=1"), "server 1 is given twice"),
    (("--history", "/nonexistent/x"), "/nonexistent/x"),
    (("--tcp", "70000"), "expected a port number"),
    (("--duration", "-1"), "expected a number of seconds above 0"),
    (("--scenario", "/nonexistent"), "/nonexistent"),
    (("--nonsense",), "unrecognized arguments"),
]


@pytest.mark.parametrize(("arguments", "why"), BAD_ARGUMENTS)
def test_bad_arguments(arguments, why):
    # --duration first: if an argument were accepted, the process would still end
    finished = run_to_end("--duration", "5", *arguments)
    assert finished.returncode == 2
    assert why in finished.stderr
    assert finished.stdout == ""


def test_bad_files(tmp_path):
    scenario = tmp_path / "scenario.txt"
    scenario.write_text("1 unmute\n2 dance\n")
    finished = run_to_end("--scenario", scenario, "--duration", "5")
    assert (finished.returncode, finished.stdout) == (2, "")
    assert "line 2: unknown verb 'dance'" in finished.stderr
    nvm = tmp_path / "nvm"
    nvm.write_text("not json")
    finished = run_to_end("--nvm", nvm, "--duration", "5")
    assert finished.returncode == 2
    assert "not a readable NVM file" in finished.stderr
    plain_file = tmp_path / "plain"
    plain_file.write_text("")
    finished = run_to_end("--link", plain_file, "--duration", "5")
    assert finished.returncode == 2
    assert "not a symbolic link" in finished.stderr
    assert plain_file.exists()


def test_server_option_with_an_address():
    with simulator(
        "--tcp", 0, "--control", 0, "--speed", 200, "--mode", 0,
        "--server", "123:uri=example.org:5683:reach=down:retry_scheme=1.0",
    ) as (_, ports):  # fmt: skip
        control = Control(ports["control"])
        state = control.wait_for(lambda state: state["servers"][0]["code"] == 4)
        assert state["servers"][0]["id"] == 123
        assert state["servers"][0]["reach"] == "down"
        control.close()
