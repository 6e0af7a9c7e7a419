# How a Channel waits under asyncio. blocking.py is the same without asyncio.

import asyncio
from micropython import const

_SPURIOUS_MS = const(10)  # pause after a wake-up that brought nothing, so as not to spin


class Signal:
    """Set by the receive path, waited for by tasks that look at the state again afterwards."""

    def __init__(self):
        self._event = asyncio.Event()
        self.set = self._event.set
        self.clear = self._event.clear

    async def wait_ms(self, ms):
        """Return when the signal was set or `ms` have passed."""
        try:
            await asyncio.wait_for_ms(self._event.wait(), ms)
        except asyncio.TimeoutError:
            pass
        self._event.clear()


class Runtime:
    """Waits, locks and the task that reads the stream."""

    lock = asyncio.Lock
    signal = Signal
    sleep_ms = staticmethod(asyncio.sleep_ms)

    def __init__(self):
        self.reading = False  # whether somebody pumps the stream
        self.errors = 0  # waits that failed

    def start(self, coro):
        """Run a coroutine beside the application; returns a task with cancel()."""
        return asyncio.create_task(coro)

    async def read(self, stream, pump):
        """Call pump() whenever the stream is readable, for ever."""
        reader = asyncio.StreamReader(stream)
        nothing = bytearray(0)
        self.reading = True
        try:
            while True:
                try:
                    await reader.readinto(nothing)  # waits for readiness, takes nothing
                except Exception:  # the stream's or out of memory: this task must not end
                    self.errors += 1
                if not pump():
                    await asyncio.sleep_ms(_SPURIOUS_MS)
        finally:
            self.reading = False
