# How a Channel waits under asyncio. blocking.py is the same without asyncio.

import asyncio
from micropython import const

from .errors import PortTaken

_SPURIOUS_MS = const(10)  # pause after a wake-up that brought nothing, so as not to spin
_LINE_MS = const(6)  # at 115200 so long are 69 bytes


class Signal(asyncio.Event):
    """Set by the receive path, waited for by tasks that look at the state again afterwards."""

    async def wait_ms(self, ms):
        """Return when the signal was set or `ms` have passed."""
        try:
            await asyncio.wait_for_ms(self.wait(), ms)
        except asyncio.TimeoutError:
            pass
        self.clear()


class Runtime:
    """Waits, locks and the task that reads the stream.

    line_ms: time that a line is given to become whole, so that it takes one wake-up and not two.
    """

    lock = asyncio.Lock
    signal = Signal
    sleep_ms = staticmethod(asyncio.sleep_ms)

    def __init__(self, line_ms=_LINE_MS):
        self.line_ms = line_ms
        self.reading = False  # whether somebody pumps the stream
        self.errors = 0  # waits that failed

    def start(self, coro):
        """Run a coroutine beside the application; returns a task with cancel()."""
        return asyncio.create_task(coro)

    async def read(self, channel):
        """Pump whenever the stream is readable; other tasks get a turn in between.

        It ends when a newer Channel has the stream.
        """
        reader = asyncio.StreamReader(channel.stream)
        nothing = bytearray(0)
        pump = channel.pump
        self.reading = True
        try:
            while True:
                try:
                    await reader.readinto(nothing)  # waits for readiness, takes nothing
                except Exception:  # the stream's or out of memory: this task must not end
                    self.errors += 1
                if not channel.crowded():
                    await asyncio.sleep_ms(self.line_ms)
                if not pump():
                    await asyncio.sleep_ms(_SPURIOUS_MS)
                while channel.left:
                    await asyncio.sleep_ms(0)
                    pump()
        except PortTaken:
            pass
        finally:
            self.reading = False
