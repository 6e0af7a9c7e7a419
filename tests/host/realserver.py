"""A real LwM2M server, ways to disturb it, and the simulated module: helpers of the tests.

All of them are context managers, bind to 127.0.0.1, and are gone after the `with`.
"""

import asyncio
import json
import os
import queue
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import aiocoap
import unixport
from aiocoap import resource

HOST = "127.0.0.1"
DEADLINE_S = 60.0  # for anything awaited; what takes that long has failed
_POLL_S = 0.01
_GAP_S = 0.03  # silence owed to the module before a command
_SERVER = unixport.ROOT / "tools" / "lwm2m_server" / "server.mjs"
_PACKAGE = unixport.VENV / "npm" / "node_modules" / "lwm2m-node-lib"


def missing():
    """Return why no real server can be started here, or None."""
    if shutil.which("node") is None:
        return "the tests with a real LwM2M server need Node.js (node and npm), and there is none"
    if not _PACKAGE.exists():
        return "lwm2m-node-lib is not installed: python3 tools/setup_env.py --npm (needs npm)"
    return None


def until(probe, what="it", deadline_s=DEADLINE_S):
    """Call `probe()` until it returns something true, and return that."""
    end_s = time.monotonic() + deadline_s
    while True:
        result = probe()
        if result:
            return result
        assert time.monotonic() < end_s, f"{what} did not happen in {deadline_s:g} s"
        time.sleep(_POLL_S)


def free_port():
    """Return a UDP port that nobody uses."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


class RealServer:
    """A LwM2M server (lwm2m-node-lib) in a process of its own; `devices` is its own registry.

    `kill` and `start` may follow each other: the port stays the same, the registry is lost.
    """

    def __init__(self):
        self.port = 0  # after the first `start` a number
        self.events = []  # what it printed, over all starts
        self._process = None
        self._answers = queue.SimpleQueue()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.kill()

    @property
    def uri(self):
        return f"coap://{HOST}:{self.port}"

    def start(self):
        why = missing()
        if why is not None:
            raise RuntimeError(why)
        assert self._process is None, "the server runs already"
        self._process = subprocess.Popen(
            ["node", str(_SERVER), str(self.port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        ready = json.loads(self._process.stdout.readline() or '{"event": "death"}')
        assert ready["event"] == "ready", f"the server did not start: {ready}"
        self.port = ready["port"]
        threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True).start()

    def kill(self):
        """Kill it without a warning. Does nothing if it does not run."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process.stdin.close()
            self._process = None

    def ask(self, line):
        """Give a command of server.mjs and return the answer."""
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self._answers.get(timeout=DEADLINE_S)

    def devices(self):
        """Return {endpoint: {"id", "lifetime", "port", "registered_since", ...}} now."""
        return {device["endpoint"]: device for device in self.ask("list")["list"]}

    def wait_for_device(self, endpoint):
        """Wait until the registry has the endpoint; returns its row."""
        return until(lambda: self.devices().get(endpoint), f"registration of {endpoint}")

    def count(self, event):
        """Return how many events of a kind there were."""
        return sum(each["event"] == event for each in list(self.events))

    def _read(self, stream):
        with stream:
            for line in stream:
                message = json.loads(line)
                if "event" in message:
                    self.events.append(message)
                else:
                    self._answers.put(message)


class CodeServer:
    """A CoAP server that answers every request with one code, and remembers the requests."""

    def __init__(self, code):
        self.code = code
        self.requests = []  # (method, path), without retransmissions
        self.port = free_port()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._context = None

    @property
    def uri(self):
        return f"coap://{HOST}:{self.port}"

    def __enter__(self):
        self._thread.start()
        self._context = self._run(
            aiocoap.Context.create_server_context(
                _OneCode(self), bind=(HOST, self.port), transports=["simplesocketserver"]
            )
        )
        return self

    def __exit__(self, *_):
        self._run(self._context.shutdown())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(DEADLINE_S)

    def _run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(DEADLINE_S)


class _OneCode(resource.Resource):
    def __init__(self, server):
        super().__init__()
        self._server = server

    async def render(self, request):
        self._server.requests.append((str(request.code), "/" + "/".join(request.opt.uri_path)))
        answer = aiocoap.Message(code=self._server.code)
        if answer.code is aiocoap.CREATED:
            answer.opt.location_path = ("rd", "1")
        return answer


class UdpProxy:
    """Stands between the module and a server and loses datagrams.

    `lose` holds the directions in which all is lost: "up" (to the server), "down".
    `lose_next["up"]` is a number of datagrams to lose once.
    """

    def __init__(self, server_port):
        self.lose = set()
        self.lose_next = {"up": 0, "down": 0}
        self.passed = {"up": 0, "down": 0}
        self.lost = {"up": 0, "down": 0}
        self._server = (HOST, server_port)
        self._front = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._front.bind((HOST, 0))
        self.port = self._front.getsockname()[1]
        self._backs = {}  # address of a client: socket to the server
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def uri(self):
        return f"coap://{HOST}:{self.port}"

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join(DEADLINE_S)
        for each in (self._front, *self._backs.values()):
            each.close()

    def _serve(self):
        while not self._stop.is_set():
            clients = {back: client for client, back in self._backs.items()}
            for ready in select.select([self._front, *clients], [], [], 0.05)[0]:
                data, sender = ready.recvfrom(4096)
                if ready is self._front:
                    self._pass("up", self._back(sender), data, self._server)
                else:
                    self._pass("down", self._front, data, clients[ready])

    def _back(self, client):
        if client not in self._backs:
            self._backs[client] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        return self._backs[client]

    def _pass(self, direction, by, data, to):
        lost = direction in self.lose or self.lose_next[direction] > 0
        if lost:
            self.lose_next[direction] = max(0, self.lose_next[direction] - 1)
            self.lost[direction] += 1
        else:
            self.passed[direction] += 1
            by.sendto(data, to)


class Simulator:
    """The simulated module as a process; its AT port over TCP or a pty, without the library.

    `arguments` are those of `python -m lexisim`. With `pty=True` the UART is at `pty_path` and
    left to somebody else; `at` and `urcs` then do not work.
    """

    def __init__(self, *arguments, pty=False):
        self._pty = pty
        self._arguments = [str(argument) for argument in arguments]
        self._process = None
        self._modem = None
        self._control = None
        self._lines = []
        self.pty_path = None

    def __enter__(self):
        command = [sys.executable, "-m", "lexisim", "--control", "0", *self._arguments]
        command += ["--pty"] if self._pty else ["--tcp", "0"]
        self._process = subprocess.Popen(
            command,
            env={**os.environ, "PYTHONPATH": str(unixport.ROOT / "tools")},
            stdout=subprocess.PIPE,
            text=True,
        )
        ports = {}
        for line in self._process.stdout:
            if line == "ready\n":
                break
            name, ports[name] = line.split()
        else:
            raise AssertionError("the simulator ended before it was ready")
        self._control = _connect(ports["control"]).makefile("rw", encoding="ascii")
        self.pty_path = ports.get("pty")
        if not self._pty:
            self._modem = _connect(ports["tcp"])
            threading.Thread(target=self._read, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._process.send_signal(signal.SIGTERM)
        try:
            assert self._process.wait(DEADLINE_S) == 0
        finally:
            self._process.kill()
            self._process.wait()
            self._process.stdout.close()
            self._control.close()
            if self._modem is not None:
                self._modem.close()

    def control(self, line):
        """Give a line to the control port and return the answer."""
        self._control.write(line + "\n")
        self._control.flush()
        return self._control.readline().rstrip("\n")

    def state(self):
        return json.loads(self.control("state"))

    def code(self, server_id=721):
        """Return the status code of a server account, None if the client does not have it."""
        for server in self.state()["servers"]:
            if server["id"] == server_id:
                return server["code"]
        return None

    def wait_for_code(self, code, server_id=721):
        until(lambda: self.code(server_id) == code, f"code {code} of server {server_id}")

    def wait_for_boot(self):
        until(lambda: self.state()["booted"], "the boot")

    def at(self, command):
        """Send an AT command and wait for its final code; returns the lines before it."""
        time.sleep(_GAP_S)
        start = len(self._lines)
        self._modem.sendall(command.encode() + b"\r")

        def final():
            lines = self._lines[start:]
            return [n for n, line in enumerate(lines) if line == "OK" or "ERROR" in line]

        end = start + until(final, f"an answer to {command}")[0]
        assert self._lines[end] == "OK", f"{command}: {self._lines[end]}"
        return self._lines[start:end]

    def urcs(self):
        """Return the +ULWM2MSTAT lines so far, without the prefix: "1,721,3"."""
        prefix = "+ULWM2MSTAT: "
        return [line[len(prefix) :] for line in self._lines if line.startswith(prefix)]

    def wait_for_urcs(self, *wanted):
        """Wait until the codes have been reported one right after the other."""

        def seen():
            codes = [urc for urc in self.urcs() if urc[:2] in ("0,", "1,")]
            starts = range(len(codes) - len(wanted) + 1)
            return any(codes[n : n + len(wanted)] == list(wanted) for n in starts)

        until(seen, f"{wanted} in a row")

    def _read(self):
        rest = b""
        while True:
            try:
                data = self._modem.recv(4096)
            except OSError:
                return
            if not data:
                return
            *lines, rest = (rest + data).split(b"\r\n")
            self._lines += [line.decode("latin-1") for line in lines if line]


def _connect(address):
    host, port = address.split(":")
    connection = socket.create_connection((host, int(port)), DEADLINE_S)
    connection.settimeout(None)
    return connection
