"""The second half of the demo: a node reports a changing value to an LwM2M server of its own.

The node is boards/node_report.py on a simulated module of its own, whose sockets are real UDP on
loopback; the server is lwm2mserver, and what it prints is what is shown. It runs beside the first
half, so that both fit into a minute or so. The module restarts on the way, unannounced.
"""

import queue
import re
import socket
import subprocess
import sys
import threading
import time

SPEED = 10
OPTIONS = ("--speed", str(SPEED))
PERIOD_S = 2
BEFORE = 4  # values that are to arrive before the module restarts, and after that
LIMIT_S = 120

_VALUE = re.compile(r" (?:value /3300/0/5700 =|sent) ([0-9.]+)$")
_ARRIVED = re.compile(r"([0-9.]+) has arrived: .*")


def _free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Report:
    """Runs in a thread from start() on. simulator: that of the node's module."""

    def __init__(self, simulator):
        self.lines = []  # what is to be shown
        self.values = []  # that the server has
        self.arrived = []  # that the node knows to have arrived
        self._simulator = simulator
        self._heard = queue.Queue()  # (who, line)
        self._thread = None
        self._processes = []

    def start(self, start_node, port):
        """Start the server and the node; start_node() and port are those of demo.py."""
        udp_port = _free_port()
        server = subprocess.Popen(
            [sys.executable, "-m", "lwm2mserver", "--port", str(udp_port)],
            stdout=subprocess.PIPE,
            text=True,
        )
        self._processes.append(server)
        program = f"import node_report; node_report.run('127.0.0.1', {udp_port}, {PERIOD_S})"
        node, lines = start_node(port, self._simulator, "-c", program, speed=SPEED)
        self._processes.append(node)
        self._listen("server", iter(server.stdout.readline, ""))
        self._listen("node", iter(lines.get, None))
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def finish(self):
        """Wait for its end; return why it failed, or None."""
        self._thread.join(LIMIT_S)
        self.stop()
        return verdict(self.values, self.arrived)

    def stop(self):
        """End what was started."""
        for process in self._processes:
            process.kill()
            process.wait()

    def _listen(self, who, lines):
        def listen():
            for line in lines:
                self._heard.put((who, line.rstrip()))

        threading.Thread(target=listen, daemon=True).start()

    def _follow(self):
        end_s = time.monotonic() + LIMIT_S
        restarted = 0  # how many values had arrived then
        while not restarted or len(self.arrived) < restarted + BEFORE:
            try:
                who, line = self._heard.get(timeout=max(0, end_s - time.monotonic()))
            except queue.Empty:
                return
            self.lines.append(f"{who:<6} {line}")
            if who == "server" and (found := _VALUE.search(line)):
                self.values.append(float(found[1]))
            elif who == "node" and (found := _ARRIVED.fullmatch(line)):
                self.arrived.append(float(found[1]))
                if not restarted and len(self.arrived) == BEFORE:
                    restarted = BEFORE
                    self.lines.append(f"{'':6} >>> the module restarts, and tells nobody")
                    self._simulator.control("reboot silent")


def verdict(values, arrived):
    """Why this half failed, or None; what the node believes is compared with what the server has."""
    if len(arrived) < 2 * BEFORE:
        return f"{len(arrived)} reports arrived, expected {2 * BEFORE}"
    if missing := sorted(set(arrived) - set(values)):
        return f"the server does not have {missing}"
    return None
