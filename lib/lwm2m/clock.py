# Time for a client: tenths of a second that run on for years, out of ticks that wrap.

import time


class Clock:
    """Tenths of a second since construction.

    `ticks` is time.ticks_ms or a replacement with its wrap-around. Call now() at least once in six
    days. A gap that is longer counts as none: nothing runs backwards.
    """

    def __init__(self, ticks=time.ticks_ms):
        self._ticks = ticks
        self._last_ms = ticks()  # the tick at which `_tenths` became what it is
        self._tenths = 0

    def now(self):
        """Return the time in tenths of a second."""
        now_ms = self._ticks()
        passed_ms = time.ticks_diff(now_ms, self._last_ms)
        if passed_ms >= 100:
            self._tenths += passed_ms // 100
            self._last_ms = time.ticks_add(now_ms, -(passed_ms % 100))
        elif passed_ms < 0:
            self._last_ms = now_ms
        return self._tenths
