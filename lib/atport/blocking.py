# How a Channel waits without a scheduler: the same coroutines as under asyncio (aio.py), driven by
# a poll loop. It knows no module.

import select
import time
from micropython import const

from .errors import PortError, check, check_plain, refuse
from .stream import check_stream

_SPURIOUS_MS = const(10)  # pause after a wake-up that brought nothing, so as not to spin
_LINE_MS = const(6)  # at 115200 so long are 69 bytes
_PUMPS = const(32)  # chunks served in one turn, at most
_LONGEST_MS = const(3600000)  # one wait without idle()


class _Lock:
    # Nobody to wait for: the only other user can be a handler, called while a command waits.
    def __init__(self):
        self._held = False

    async def __aenter__(self):
        if self._held:
            raise PortError("a command waits: handlers must not send")
        self._held = True

    async def __aexit__(self, *exc):
        self._held = False


class Signal:
    """As aio.Signal; waiting hands the milliseconds to the poll loop."""

    def __init__(self):
        self._is_set = False

    def set(self):
        self._is_set = True

    def clear(self):
        self._is_set = False

    def wait_ms(self, ms):
        if not self._is_set:
            yield ms
        self._is_set = False


class Runtime:
    """Waits for one stream with poll(). `ticks` is time.ticks_ms or a replacement.

    line_ms: time that a line is given to become whole, so that it is served in one turn.
    """

    lock = _Lock
    signal = Signal
    reading = True  # whenever somebody waits

    def __init__(self, stream, ticks=time.ticks_ms, line_ms=_LINE_MS):
        self._line_ms = line_ms
        self._idle = None
        self._longest_ms = _LONGEST_MS
        check_stream(stream)
        self._poller = select.poll()
        self._poller.register(stream, select.POLLIN)
        self._ticks = ticks

    def sleep_ms(self, ms):
        end = time.ticks_add(self._ticks(), ms)
        while ms > 0:
            yield ms
            ms = time.ticks_diff(end, self._ticks())

    def set_idle(self, idle, idle_s):
        """Have no call wait longer than `idle_s` without calling idle(), a plain function or None.

        What idle() raises ends the call that waits.
        """
        if idle is not None:
            check_plain("idle", idle)
        # Half of it for the wait, as what came is served behind it.
        half_ms = check("idle_s", idle_s, 1, 3600) * 500
        self._longest_ms = half_ms if idle else _LONGEST_MS
        self._idle = idle

    def run(self, channel, coro):
        """Drive a coroutine to its end and return its result."""
        try:
            while True:
                self.wait(channel, coro.send(None))
        except StopIteration as e:
            return e.value
        finally:
            coro.close()  # after Ctrl-C the command has given up like one that was cancelled

    def wait(self, channel, ms):
        """poll(), after idle() and no longer than that may wait; return the milliseconds left."""
        idle = self._idle
        if idle:
            self._idle = None  # it may call this itself
            try:
                refuse(idle())
            finally:
                self._idle = idle
        self.poll(channel, min(ms, self._longest_ms))
        return max(0, ms - self._longest_ms)

    def start(self, coro):
        """Nothing runs beside the application here: its calls do the work instead."""
        coro.close()
        return self

    def cancel(self):
        pass

    def done(self):
        return False

    async def read(self, channel):
        pass

    def poll(self, channel, ms):
        """Wait up to `ms` for the stream, then serve what came. Allocates nothing."""
        for _ in self._poller.ipoll(ms):
            if not channel.crowded():
                time.sleep_ms(self._line_ms)
            if not serve(channel):
                time.sleep_ms(_SPURIOUS_MS)


def serve(channel):
    """Pump until nothing is left, or for one turn; whether anything came. Allocates nothing."""
    left = _PUMPS
    while left and channel.pump():
        left -= 1
    return left < _PUMPS


class Blocking:
    """Stands for an object: its coroutine methods block, everything else is passed through.

    run: drives a coroutine to its end. rooms: classes whose objects get a Blocking of their own.
    """

    def __init__(self, target, run, rooms=()):
        self._target = target
        self._run = run
        self._rooms = rooms

    def __setattr__(self, name, value):
        if name[0] == "_":
            object.__setattr__(self, name, value)
        else:
            setattr(self._target, name, value)

    def __getattr__(self, name):
        value = getattr(self._target, name)
        if isinstance(value, self._rooms):
            return Blocking(value, self._run, self._rooms)
        if not callable(value):
            return value
        run = self._run

        def call(*args, **kwargs):
            result = value(*args, **kwargs)
            return run(result) if hasattr(result, "send") else result

        return call
