# Time for a port: milliseconds for deadlines, seconds that run on for years.

import time


class Clock:
    """Seconds that do not wrap, out of ticks that do.

    `ticks` is time.ticks_ms or a replacement with its wrap-around. Call ms() at least once in six
    days; the receive path does on every wake-up.
    """

    def __init__(self, ticks=time.ticks_ms):
        self.ticks = ticks
        self.last_ms = ticks()  # the tick at which `s` became what it is
        self.s = 0  # seconds since construction

    def ms(self):
        """Return the current tick in ms; brings `s` up to date."""
        now_ms = self.ticks()
        passed_ms = time.ticks_diff(now_ms, self.last_ms)
        if passed_ms >= 1000:
            self.s += passed_ms // 1000
            self.last_ms = time.ticks_add(now_ms, -(passed_ms % 1000))
        return now_ms

    def now_s(self):
        """Return `s`, brought up to date."""
        self.ms()
        return self.s
