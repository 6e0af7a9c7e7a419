"""The main job without hardware: a sensor node under MicroPython and a simulated LEXI-R10.

The node is boards/node.py, as it runs on a board, on MicroPython's unix port; a pty is its UART.
Faults are caused through the simulator's control port, each as soon as the node has reached the
step before. The verdict compares what the node said with what the simulated module knows.
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

import unixport

SPEED = 5
NODE_LIMIT_S = 28  # the whole demo
URI = "/3300/0/5700"
BOOTS = 3  # power-up, after enabling the client, and the one that was caused
OPTIONS = (
    *("--speed", str(SPEED)),
    *("--notify", f"{URI}=6"),
    *("--server", "721:timer_report_s=10"),
    *("--duration", str(NODE_LIMIT_S + 10)),
)

# What the node must say, in this order, and what is then done to the module.
STEPS = (
    ("REGISTERED with 721", None),
    ("server 721: next update in", None),
    (f"server 721: notification 2 of {URI}", "lose 721 now"),
    ("server 721: registration failed", None),
    ("asking for a registration once", None),
    ("REGISTERED with 721", None),
    ("server 721: notification 4 of", "reboot"),
    ("the module restarted: arming its URCs again", None),
    ("REGISTERED with 721", None),
    ("server 721: notification 6 of", None),
)
SAYS = {
    "lose 721 now": "the server forgets the registration, an update fails",
    "reboot": "the module restarts by itself",
}


class Simulator:
    """A running `python -m lexisim` and its control port."""

    def __init__(self, folder, *options):
        self.tty = str(Path(folder) / "uart")
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
        self._socket = socket.create_connection(address, timeout=5)
        self._answers = self._socket.makefile("r")

    def control(self, verb):
        """Send one command to the control port and return its answer."""
        self._socket.sendall(verb.encode() + b"\n")
        return self._answers.readline().strip()

    def state(self):
        """The module's own state, as a dict."""
        return json.loads(self.control("state"))

    def stop(self):
        self._socket.close()
        self.process.terminate()
        self.process.wait(timeout=5)


def start_node(port, tty):
    """Start boards/UNIX/main.py; return the process and a queue of the lines it prints."""
    environment = unixport.environment("lib", "boards", "boards/UNIX")
    environment["LEXI_UART"] = tty
    node = subprocess.Popen(
        [port.path, "boards/UNIX/main.py"],
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
                simulator.control(verb)
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
    if state["gap_violations"]:
        return f"{state['gap_violations']} commands came less than 20 ms after a line"
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
        start = time.monotonic()
        node, lines = start_node(port, simulator.tty)
        try:
            left = follow(simulator, lines, start + NODE_LIMIT_S)
            state = simulator.state()
        finally:
            node.kill()
            node.wait()
            simulator.stop()
    problem = verdict(left, state)
    took_s = time.monotonic() - start
    if problem:
        print(f"FAILED after {took_s:.1f} s: {problem}.")
        sys.exit(1)
    print(
        f"OK: registered, lost, registered again, restarted, registered again; "
        f"the module agrees ({state['boots']} boots). Took {took_s:.1f} s; module and server "
        f"were simulated."
    )


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
