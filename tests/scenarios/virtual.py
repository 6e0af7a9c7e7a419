# Device side of the lockstep bridge (tests/host/lockstep.py): MicroPython's unix port on the
# virtual time of a simulated module. No real time passes in a wait, and none is ever read.
#
#   import virtual                      # first of all: before lexi, and before `import time`
#   from lexi import Lexi
#
#   async def main():
#       lexi = Lexi(virtual.VirtualStream())
#       ...
#       virtual.report({"what": ...})   # an event for the host
#
#   virtual.run(main())
#
# Importing it puts asyncio and the module `time` on the virtual clock. Computing takes no time;
# time passes in waits only. As on the boards, ticks wrap at 2**30: time.ticks_ms(), ticks_add()
# and ticks_diff() are those of a 32-bit port, and a sleep of 2**29 ms or more is an error.
# time.time() counts from 0 at every start of the node unless the host gave it a wall clock.
#
# The protocol goes over file descriptor 0, a socket: print() and tracebacks cannot get into it,
# they end up in Node.output(). A request is <kind, number, length> and a payload, the answer
# <milliseconds that passed, length> and a payload; see lockstep.py for the kinds.

import asyncio
import io
import json
import random as _random
import struct
import sys
import time as _time
from micropython import const

if "atport" in sys.modules:
    raise ImportError("import virtual before atport, which takes its clock from the module time")

FOREVER = const(0xFFFFFFFF)

_REQUEST = "<BII"
_ANSWER = "<II"
_PERIOD = const(1 << 30)
_HALF = const(1 << 29)
_BUSY = const(1000)  # rounds of the scheduler without a wait that take a millisecond
_AHEAD_MS = const(1 << 40)

_POLL = const(3)  # MP_STREAM_POLL
_POLLIN = const(1)
_POLLOUT = const(4)
_EINVAL = const(22)

_line = sys.stdin.buffer
_head = bytearray(8)
_inbox = bytearray()  # from the module, not read yet


def _ask(kind, number=0, payload=b""):
    # One request, one answer: (number, payload).
    _line.write(struct.pack(_REQUEST, ord(kind), number, len(payload)) + payload)
    if _line.readinto(_head) != len(_head):
        sys.exit(1)  # the host is gone
    number, size = struct.unpack(_ANSWER, _head)
    return number, _line.read(size) if size else b""


def _advance(ms):
    # Let up to `ms` pass, or FOREVER; ends early when the module has sent something.
    global now_ms
    passed_ms, data = _ask("A", ms)
    now_ms += passed_ms
    if data:
        _inbox.extend(data)
    return passed_ms


_hello = json.loads(_ask("H")[1])
now_ms = _hello["now_ms"]  # since the world began
starts = _hello["starts"]  # of this node, the present one included
_ticks_ms = _hello["ticks_ms"] - now_ms
_started_ms = now_ms
_random.seed(_hello["seed"])

# Ticks


def ticks():
    """Stands for time.ticks_ms; time.ticks_ms is the same."""
    return (_ticks_ms + now_ms) & (_PERIOD - 1)


def ticks_add(t, delta):
    if not -_HALF < delta < _HALF:
        raise OverflowError("ticks interval overflow")
    return (t + delta) & (_PERIOD - 1)


def ticks_diff(t1, t0):
    return ((t1 - t0 + _HALF) & (_PERIOD - 1)) - _HALF


def _sleep_ms(ms):
    while ms > 0:
        ms -= _advance(min(ms, FOREVER - 1))


def _time_ns():
    since_ms = now_ms - _started_ms
    if _hello["wall_s"] is not None:
        since_ms = int(_hello["wall_s"]) * 1000 + now_ms
    return since_ms * 1000000


class _Time:
    # Stands for the module `time`.
    ticks_ms = staticmethod(ticks)
    ticks_us = staticmethod(lambda: (_ticks_ms + now_ms) * 1000 & (_PERIOD - 1))
    ticks_add = staticmethod(ticks_add)
    ticks_diff = staticmethod(ticks_diff)
    sleep_ms = staticmethod(_sleep_ms)
    sleep = staticmethod(lambda s: _sleep_ms(int(s * 1000)))
    sleep_us = staticmethod(lambda us: _sleep_ms(us // 1000))
    time_ns = staticmethod(_time_ns)
    time = staticmethod(lambda: _time_ns() // 1000000000)
    mktime = staticmethod(_time.mktime)
    gmtime = staticmethod(lambda s=None: _time.gmtime(_Time.time() if s is None else s))
    localtime = gmtime


sys.modules["time"] = _Time


def _wall():
    return _Time.time()


# Seconds of a clock that outlives a reset, as a function; None if the host gave none.
wall = _wall if _hello["wall_s"] is not None else None

# asyncio


def _loop_ticks():
    return _loop_ms + now_ms


def _loop_add(t, delta):
    ticks_add(0, delta)  # refuses what a board refuses
    return t + delta


class _IOQueue:
    # Replaces asyncio's: a task that waits for the VirtualStream is woken when bytes are there,
    # and when nobody can run the host moves the clock.
    def __init__(self):
        self.map = {}
        self._rounds = 0

    def queue_read(self, s):
        if not isinstance(s, VirtualStream) or self.map:
            raise ValueError("%r: expected one task at a time on the VirtualStream" % s)
        self.map[0] = asyncio.core.cur_task
        asyncio.core.cur_task.data = self

    def queue_write(self, s):
        asyncio.core._task_queue.push(asyncio.core.cur_task)  # there is always room

    def remove(self, task):
        if self.map.get(0) is task:
            del self.map[0]

    def wait_io_event(self, dt):
        if dt == 0 and self._rounds < _BUSY:
            self._rounds += 1
        elif not (_inbox and self.map):
            self._rounds = 0
            _advance(FOREVER if dt < 0 else max(dt, 1))
        if _inbox and self.map:
            asyncio.core._task_queue.push(self.map.pop(0))


def _install():
    core = asyncio.core
    core.ticks = _loop_ticks
    core.ticks_add = _loop_add
    core.IOQueue = _IOQueue
    asyncio.new_event_loop()


try:
    # Ahead of the real clock, from which asyncio's queue (in C) takes the time at which a task
    # became ready: that must never lie in the future. Its own ticks wrap at 2**62.
    _loop_ms = _time.ticks_add(_time.ticks_ms(), _AHEAD_MS) - now_ms
except OverflowError:
    raise RuntimeError("this MicroPython is not a 64-bit one, its asyncio cannot run so far ahead")
_install()


def run(coro):
    """asyncio.run() on virtual time."""
    return asyncio.run(coro)


def blocking_runtime(stream):
    """The runtime for lexi.blocking.Lexi: a poll waits on virtual time, 1 ms at least."""
    from atport import blocking

    class Runtime(blocking.Runtime):
        def poll(self, channel, ms):
            if not _inbox:
                _advance(min(max(ms, 1), FOREVER - 1))
            if _inbox:
                blocking.serve(channel)

    return Runtime(stream)


# The board


class VirtualStream(io.IOBase):
    """The UART. Nothing is lost in it, and there is only one, however many objects."""

    def readinto(self, buf, n=None):
        global _inbox
        n = min(n or len(buf), len(buf), len(_inbox))
        if not n:
            return None
        buf[:n] = _inbox[:n]
        _inbox = _inbox[n:]
        return n

    def read(self, n=-1):
        data = bytearray(len(_inbox) if n < 0 else min(n, len(_inbox)))
        return bytes(data) if self.readinto(data) else None

    def any(self):
        return len(_inbox)

    def write(self, data):
        _ask("W", 0, bytes(data))
        return len(data)

    def ioctl(self, request, arg):
        if request == _POLL:
            return (_POLLIN if _inbox else 0) | (arg & _POLLOUT)
        return -_EINVAL


def level(name, high):
    """Drive a pin: "pwr_on" or "reset_n", or what the host was told of."""
    _ask("P", 1 if high else 0, name.encode())


async def pin(name, ms):
    """Pull a pin low for `ms`, and return when it is high again."""
    level(name, False)
    try:
        await asyncio.sleep_ms(ms)
    finally:
        level(name, True)


# As the Supervisor wants them.


async def pin_reset(sleep_ms):
    await pin("reset_n", 150)


async def power_cycle(sleep_ms):
    await pin("pwr_on", 2500)
    await asyncio.sleep(20)
    await pin("pwr_on", 500)
    await asyncio.sleep(6)


async def power_on(sleep_ms):
    await pin("pwr_on", 300)
    await asyncio.sleep(6)


def v_int():
    """Whether the module is powered, by its V_INT pin."""
    return bool(_ask("V")[0])


def reset(boot_ms=1000):
    """As machine.reset(): this program ends here and starts again after `boot_ms`."""
    _ask("X", boot_ms)


def report(what):
    """Hand a dictionary to the host; it is kept with its time in Node.reports."""
    _ask("R", 0, json.dumps(what).encode())


def random(n):
    """Return a whole number 0..n-1, the same ones in every run; Node(seed=...) makes others."""
    return _random.randrange(n)
