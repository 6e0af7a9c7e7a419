"""A node under MicroPython's unix port and a simulated module, in lockstep on virtual time.

    with World(Module(Config())) as world, tempfile.TemporaryDirectory() as store:
        node = Node(world, SCENARIOS / "plain_node.py", store_dir=store)
        node.start()
        world.at(3600, "reboot silent")       # a verb of lexisim, or any function
        world.at(7200.25, node.kill)          # the MCU is reset and stays off
        world.at(7202, node.start)            # what it stored is still there
        world.run(10 * 86400)
        assert node.reports[-1][1] == {...}   # (virtual seconds, what the node reported)

Time is a whole number of milliseconds and moves only when the node waits: the node asks for
"N ms, or less if bytes come", and the world then steps the module from event to event. So the
same calls give the same history (`world.traffic`), and an idle day takes a fraction of a second.

The node's side is tests/scenarios/virtual.py. They speak over a socket that is the node's
stdin. A request is <kind u8, number u32, length u32> and a payload, each gets one answer <number
u32, length u32> and a payload. The kinds:

    H  hello: the answer is JSON
    A  advance up to <number> ms: the answer is the ms that passed, and bytes from the module
    W  write the payload to the module
    P  drive the pin named in the payload to level <number>
    V  the answer is the level of V_INT
    R  report: the payload is JSON
    X  reset this node and start it again after <number> ms: no answer

What the node prints, tracebacks too, is in `node.output()`.
"""

import functools
import heapq
import itertools
import json
import math
import os
import signal
import socket
import struct
import subprocess
import tempfile
import time
from collections import deque
from contextlib import suppress
from pathlib import Path

import unixport
from lexisim import run_verb

SCENARIOS = unixport.ROOT / "tests" / "scenarios"

_REQUEST = struct.Struct("<BII")
_ANSWER = struct.Struct("<II")
_FOREVER = 0xFFFFFFFF
_TOLERANCE_MS = 1e-4  # of the module's times, which are sums of fractions
_TAIL = 40  # lines of the traffic in an error
_PIECES = 4  # in which a line of the module usually comes
_JOIN_MS = 2
_OUTPUT_TAIL = 2000
_END_LIMIT_S = 10

find_micropython = functools.cache(unixport.find)


class LockstepError(Exception):
    """The node or a step did what it should not; the text has the tail of the traffic."""


class World:
    """The virtual clock, the module and what is to happen to it.

    limit_s: real seconds that one run() may take. traffic_size: entries kept in `traffic`, each
    (virtual ms, kind, value): `write` and `read` are the node's bytes, then `report`, `pin`,
    `start`, `kill`, `reset`, `exit` and `step`.
    """

    def __init__(self, module, limit_s=600.0, traffic_size=1_000_000):
        if module.config.speed != 1:
            raise ValueError(f"speed: {module.config.speed}, expected 1")
        self.module = module
        self.limit_s = limit_s
        self.now_ms = 0
        self.node = None
        self.traffic = deque(maxlen=traffic_size)
        self._steps = []
        self._order = itertools.count()
        self._deadline_s = None

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def close(self):
        """Nothing runs afterwards."""
        if self.node is not None:
            self.node.close()

    @property
    def now_s(self):
        """The virtual time."""
        return self.now_ms / 1000

    def at(self, time_s, what):
        """At a virtual time do `what`: call a function, or run a verb of lexisim.

        Steps of one time keep their order; those of the past are done next.
        """
        if not callable(what) and not isinstance(what, str):
            raise ValueError(f"what: {what!r}, expected a function or a verb")
        heapq.heappush(self._steps, (round(time_s * 1000), next(self._order), what))

    def after(self, delay_s, what):
        """Do `what` so much later than now; see at()."""
        self.at(self.now_s + delay_s, what)

    def verb(self, line):
        """Run a verb of lexisim now and return its answer. Raises LockstepError."""
        answer = run_verb(self.module, line)
        if answer.startswith("error"):
            raise self.error(f"{line}: {answer}")
        return answer

    def run(self, until_s, stop=None):
        """Let the world go on until `until_s`; everything of that very time is done then.

        stop: a function asked after everything that happens; true ends the run at once. Returns
        whether it did. Raises LockstepError when the node crashes or real time runs out, and
        what a step raises.
        """
        until_ms = round(until_s * 1000)
        self._deadline_s = time.monotonic() + self.limit_s
        while True:
            if self.node is not None:
                self.node.serve()
            if stop is not None and stop():
                return True
            if not self._move(until_ms):
                return False
            if time.monotonic() > self._deadline_s:
                raise self.error(f"over {self.limit_s:g} real seconds in one run")

    def _move(self, until_ms):
        # To the next thing that happens; whether there was one.
        step_ms = self._steps[0][0] if self._steps else math.inf
        wake_ms = self.node.wake_ms if self.node is not None else math.inf
        to_ms = max(self.now_ms, min(until_ms, step_ms, wake_ms))
        event_s = self.module.next_event_s()
        if event_s is not None:
            event_ms = math.ceil(event_s * 1000 - _TOLERANCE_MS)
            to_ms = min(to_ms, max(event_ms, self.now_ms + 1))
        if to_ms == self.now_ms >= until_ms and step_ms > to_ms:
            return False
        self.now_ms = to_ms
        self.flush()
        while self._steps and self._steps[0][0] <= self.now_ms:
            what = heapq.heappop(self._steps)[2]
            self.record("step", what if isinstance(what, str) else _name(what))
            if isinstance(what, str):
                self.verb(what)
            else:
                what()
            self.flush()
        return True

    def flush(self):
        """Hand over what the module has sent by now."""
        data = self.module.advance(self.now_s)
        if data and self.node is not None:
            self.node.hear(data)

    def record(self, kind, value=None):
        """Add to the traffic."""
        self.traffic.append((self.now_ms, kind, value))

    def tail(self, count=_TAIL):
        """Return the latest traffic as text, the bytes of one line together."""
        lines = []
        joined_ms = -math.inf  # up to where the next bytes belong to the ones before
        for at_ms, kind, value in list(self.traffic)[-_PIECES * count :]:
            if kind == "read" and at_ms <= joined_ms:
                lines[-1][2] += value
            else:
                lines.append([at_ms, kind, value])
            joined_ms = at_ms + _JOIN_MS if kind == "read" else -math.inf
        return "\n".join(
            f"{at_ms / 1000:14.3f}  {kind:<6} {'' if value is None else value}"
            for at_ms, kind, value in lines[-count:]
        )

    def error(self, text):
        """Return a LockstepError that tells where and what came before."""
        text = f"virtual time {self.now_s:.3f} s: {text}\n{self.tail()}"
        if self.node is not None:
            text += f"\nthe node's output:\n{self.node.output()[-_OUTPUT_TAIL:]}"
        return LockstepError(text)

    def real_s_left(self):
        """Real seconds that the present run() may still take."""
        return max(self._deadline_s - time.monotonic(), 0.001)


class Node:
    """One MicroPython program on the world's module: the MCU. Not started yet.

    script: its path. arguments: its sys.argv. options: MicroPython's own, such as
    ("-X", "heapsize=192k"). env: more variables of its environment; modules are imported from
    lib, tests/scenarios, the folder of the script and `path`.
    store_dir: its working folder, whose files outlive a reset.
    wall_s: what its clock shows at virtual time 0, in seconds since 1970; None: it has none.
    ticks_ms: where its ticks, which wrap at 2**30, begin at every start.
    pins: {name: function(high)} for pins that lexisim does not know.
    may_fail: the program may end with an exit status other than 0; else that is an error.

    reports: (virtual seconds, what) of every report. on_report(what) and on_write(data) are
    called as it happens, and may kill(): then the program never gets any further.
    """

    def __init__(
        self,
        world,
        script,
        *arguments,
        store_dir,
        options=(),
        env=None,
        path=(),
        wall_s=None,
        ticks_ms=0,
        seed=0,
        pins=None,
        may_fail=False,
    ):
        if world.node is not None:
            raise ValueError("world: has a node already")
        script = Path(script).resolve()
        self._world = world
        self._command = [
            find_micropython().path,
            *map(str, options),
            str(script),
            *map(str, arguments),
        ]
        folders = [unixport.ROOT / "lib", SCENARIOS, script.parent, *path]
        self._environment = unixport.environment(*folders, **(env or {}))
        self._store_dir = store_dir
        self._hello = {"wall_s": wall_s, "ticks_ms": ticks_ms}
        self._seed = seed
        self._pins = pins or {}
        self._may_fail = may_fail
        self._log = tempfile.TemporaryFile()  # closed by close()
        self._process = None
        self._socket = None
        self._asked_ms = None  # it waits since then
        self._until_ms = math.inf
        self._inbox = bytearray()
        self._low = {}  # pins that it holds low, in the order in which it took them
        self.starts = 0
        self.reports = []
        self.exit_status = None  # of the program if it has ended by itself
        self.on_report = None
        self.on_write = None
        world.node = self

    @property
    def running(self):
        """Whether the program has been started and has not ended."""
        return self._process is not None

    @property
    def wake_ms(self):
        """When it wants to be woken; math.inf for never."""
        return self._until_ms if self._asked_ms is not None else math.inf

    def start(self):
        """Start the program; it begins at the present virtual time."""
        if self.running:
            raise ValueError("the node runs already")
        self._release_pins()
        self.starts += 1
        self.exit_status = None
        self._world.record("start", self.starts)
        self._socket, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                self._command,
                cwd=self._store_dir,
                env=self._environment,
                stdin=theirs,
                stdout=self._log,
                stderr=self._log,
                start_new_session=True,
            )

    def kill(self):
        """Reset the MCU and keep it in reset: start() ends that. Nothing if it does not run.

        What it has begun to send is cut off, and its pins are released.
        """
        if not self.running:
            return
        self._world.record("kill")
        self._stop()
        receiver = self._world.module.receiver
        while receiver.next_s() is not None:  # on the wire, or still in the UART
            receiver.pop()
        self._release_pins()

    def reset(self, boot_s=1.0):
        """kill(), and start() after `boot_s`."""
        self.kill()
        self._world.after(boot_s, self.start)

    def close(self):
        """End it, when the world ends."""
        if self.running:
            self._stop()
        self._log.close()

    def output(self):
        """Return what it has printed in all its lives."""
        if self._log.closed:
            return ""
        size = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), size, 0).decode(errors="replace")

    def _release_pins(self):
        for name in list(self._low):
            self._drive(name, True)

    def _stop(self):
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._socket.close()
        self._process = self._socket = self._asked_ms = None
        self._inbox.clear()

    # For the World

    def hear(self, data):
        """The module has sent `data`; nobody reads it unless the program runs."""
        if self.running:
            self._inbox += data

    def serve(self):
        """Let the program run until it waits for something that is not there yet."""
        if self.running:
            self._socket.settimeout(self._world.real_s_left())
        while self.running:
            if self._asked_ms is not None:
                if not self._inbox and self._world.now_ms < self._until_ms:
                    return
                self._wake()
            request = self._receive(_REQUEST.size)
            if request is None:
                self._exited()
                return
            kind, number, size = _REQUEST.unpack(request)
            payload = self._receive(size)
            if payload is None:
                self._exited()
                return
            self._handle(chr(kind), number, payload)

    def _wake(self):
        data = bytes(self._inbox)
        self._inbox.clear()
        passed_ms = self._world.now_ms - self._asked_ms
        self._asked_ms = None
        if data:
            self._world.record("read", data)
        self._answer(passed_ms, data)

    def _answer(self, number=0, payload=b""):
        with suppress(OSError):  # it has died: noticed at the next request
            self._socket.sendall(_ANSWER.pack(number, len(payload)) + payload)

    def _receive(self, size):
        data = b""
        while len(data) < size:
            try:
                more = self._socket.recv(size - len(data))
            except TimeoutError:
                text = f"the node waits for nothing, over {self._world.limit_s:g} real seconds"
                raise self._world.error(text) from None
            except OSError:
                more = b""
            if not more:
                return None
            data += more
        return data

    def _exited(self):
        try:
            status = self._process.wait(_END_LIMIT_S)
        except subprocess.TimeoutExpired:
            status = None
        self._stop()
        self.exit_status = status
        self._world.record("exit", status)
        if status != 0 and not self._may_fail:
            raise self._world.error(f"the node ended with exit status {status}")

    def _handle(self, kind, number, payload):
        world = self._world
        alive = self._socket
        result = (0, b"")
        if kind == "A":
            world.flush()
            self._asked_ms = world.now_ms
            self._until_ms = math.inf if number == _FOREVER else world.now_ms + number
            return
        if kind == "W":
            world.record("write", payload)
            world.module.receive(payload, world.now_s)
            if self.on_write is not None:
                self.on_write(payload)
        elif kind == "R":
            what = json.loads(payload)
            world.record("report", what)
            self.reports.append((world.now_s, what))
            if self.on_report is not None:
                self.on_report(what)
        elif kind == "P":
            self._drive(payload.decode(), bool(number))
        elif kind == "V":
            result = (world.module.state()["v_int"], b"")
        elif kind == "X":
            world.record("reset")
            self.reset(number / 1000)
        elif kind == "H":
            hello = {**self._hello, "now_ms": world.now_ms, "starts": self.starts}
            hello["seed"] = self._seed * 1000 + self.starts
            result = (0, json.dumps(hello).encode())
        else:
            raise world.error(f"the node asks for {kind!r}, which means nothing")
        if self._socket is alive:  # else it was killed meanwhile
            self._answer(*result)

    def _drive(self, name, high):
        self._world.record("pin", f"{name} {'high' if high else 'low'}")
        if high:
            self._low.pop(name, None)
        else:
            self._low[name] = True
        if name in self._pins:
            self._pins[name](high)
        else:
            self._world.verb(f"{name} {'high' if high else 'low'}")
        self._world.flush()


def _name(what):
    # Without an address, which differs from run to run.
    return getattr(what, "__qualname__", type(what).__qualname__)
