"""The main job without hardware: a sensor node under MicroPython and a simulated LEXI-R10.

The node is boards/node.py, as it runs on a board, on MicroPython's unix port; a pty is its UART.
Faults are caused through the simulator's control port, each as soon as the node has reached the
step before; what brings the registration back is the node's supervisor alone. The verdict
compares what the node said with what the simulated module knows.

Beside it a second node reports a value to an LwM2M server: see demo_report.py.
"""

import argparse
import json
import queue
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import demo_report
import unixport

SPEED = 40
LIMIT_S = 150  # the whole demo
URI = "/3300/0/5700"
BOOTS = 4  # power-up, after enabling the client, by RESET_N, and with new firmware
OPTIONS = (
    *("--speed", str(SPEED)),
    *("--notify", f"{URI}=60"),
    *("--server", "721:timer_report_s=600"),
    *("--set", "fota_progress_urcs=true", "--set", "fota_install_urcs=true"),
    *("--duration", str(LIMIT_S + 10)),
)

# What the node must say, in this order, and what is then done to the module.
STEPS = (
    ("doing resume: the client is disabled", None),
    ("doing soft reset: the client is disabled", None),
    ("registered 721", None),
    (f"server 721: notification 2 of {URI}", "server 721 down; lose 721 now"),
    ("registration lost 721", None),
    ("deferred re-register 721", None),
    ("doing re-register 721: the module gave up", None),
    ("waiting: the module is trying by itself", None),
    ("deferred re-register 721", "server 721 up"),
    ("doing re-register 721: the module gave up", None),
    ("registered 721", None),
    ("observations must be renewed 721", "hang pins stopped"),
    ("doing pin reset: the AT port is dead", None),
    ("registered 721", "fota start 120 60"),
    ("waiting: a firmware update is running", None),
    ("registration lost 721", None),
    ("registered 721", None),
)
SAYS = {
    "server 721 down; lose 721 now": "the server goes down, an update fails",
    "server 721 up": "the server is back, which nobody tells the module",
    "hang pins stopped": "the module hangs: AT port dead, client dead",
    "fota start 120 60": "the server sends new firmware",
}


class Simulator:
    """A running `python -m lexisim` and its control port."""

    def __init__(self, folder, *options, name="uart"):
        self.tty = str(Path(folder) / name)
        command = [sys.executable, "-m", "lexisim", "--pty", "--link", self.tty]
        command += ["--control", "0", *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        address = None
        for line in self.process.stdout:
            kind, _, value = line.strip().partition(" ")
            if kind == "control":
                host, _, port = value.rpartition(":")
                address = (host, int(port))
            elif kind == "ready":
                break
        if address is None:
            raise RuntimeError("the simulated module did not start")
        self._socket = socket.create_connection(address, timeout=60)
        self._answers = self._socket.makefile("r")

    def control(self, verb):
        """Send one command to the control port and return its answer."""
        self._socket.sendall(verb.encode() + b"\n")
        return self._answers.readline().strip()

    @property
    def control_port(self):
        """Its number."""
        return self._socket.getpeername()[1]

    def state(self):
        """The module's own state, as a dict."""
        return json.loads(self.control("state"))

    def stop(self):
        self._socket.close()
        self.process.terminate()
        self.process.wait(timeout=60)


def start_node(port, simulator, *program, speed=SPEED):
    """Start a program; return the process and a queue of the lines it prints."""
    environment = unixport.environment(
        "lib",
        "boards",
        "boards/UNIX",
        LEXI_UART=simulator.tty,
        LEXI_SPEED=str(speed),
        LEXI_PINS=str(simulator.control_port),
        LEXI_STORE=simulator.tty + ".budgets",
    )
    node = subprocess.Popen(
        [port.path, *program],
        cwd=unixport.ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    lines = queue.Queue()

    def read():
        for line in node.stdout:
            lines.put(line.rstrip())
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    return node, lines


def follow(simulator, lines, deadline):
    """Print the node's timeline and cause the faults; return the steps that were not reached."""
    left = list(STEPS)
    while left:
        try:
            line = lines.get(timeout=max(0, deadline - time.monotonic()))
        except queue.Empty:
            break
        if line is None:
            break
        print("node  " + line, flush=True)
        if left[0][0] in line:
            _, verb = left.pop(0)
            if verb:
                print(f"{'':15} >>> {SAYS[verb]}", flush=True)
                for each in verb.split("; "):
                    simulator.control(each)
    return left


def verdict(left, state):
    """Why the demo failed, or None."""
    if left:
        return f"the node never said {left[0][0]!r}"
    codes = {server["id"]: server["code"] for server in state["servers"]}
    if codes[721] != 3:
        return f"the module says that its status is {codes[721]}"
    if state["boots"] != BOOTS:
        return f"{state['boots']} boots of the module, expected {BOOTS}"
    if state["harm"]:
        return f"the node did {state['harm']} things that it must never do"
    return None


def main():
    argparse.ArgumentParser(description=__doc__).parse_args()
    try:
        port = unixport.find()
    except unixport.UnixPortError as error:
        sys.exit(f"demo: {error}")
    print(f"A simulated module at {SPEED} times the real speed, a node on {port.version}.")
    with tempfile.TemporaryDirectory() as folder:
        simulator = Simulator(folder, *OPTIONS)
        other = Simulator(folder, *demo_report.OPTIONS, name="uart2")
        report = demo_report.Report(other)
        start = time.monotonic()
        node, lines = start_node(port, simulator, "boards/UNIX/main.py")
        try:
            report.start(start_node, port)
            left = follow(simulator, lines, start + LIMIT_S)
            state = simulator.state()
            problem = verdict(left, state) or report.finish()
        finally:
            report.stop()
            node.kill()
            node.wait()
            simulator.stop()
            other.stop()
    took_s = time.monotonic() - start
    print("Meanwhile another node reported to an LwM2M server, over its module's UDP socket:")
    print("\n".join(report.lines))
    if problem:
        print(f"FAILED after {took_s:.1f} s: {problem}.")
        sys.exit(1)
    print(
        f"OK: registered, lost, registered again by the supervisor; a dead module was reset, a "
        f"firmware update left alone. The module agrees ({state['boots']} boots, no harm done). "
        f"{len(report.arrived)} reports arrived at a server, through a restart of the module. "
        f"Took {took_s:.1f} s; modules and network were simulated."
    )


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
