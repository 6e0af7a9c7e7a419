"""Injected time: the clock the core is told, and timers that run on it. No real clock here."""

import heapq
import itertools

_TOLERANCE_S = 1e-9  # sums of decimal fractions must still meet


class Clock:
    """The time the caller last told us, in real seconds and in module seconds."""

    def __init__(self, speed):
        self.speed = speed
        self.real_s = 0.0

    @property
    def module_s(self):
        return self.real_s * self.speed


class Timer:
    """One call at one real time; `cancel()` makes it never happen."""

    def __init__(self, when_s, action):
        self.when_s = when_s
        self.action = action

    def cancel(self):
        self.action = None


class Timers:
    """A queue of calls. Delays are module seconds unless a method says otherwise."""

    def __init__(self, clock):
        self.clock = clock
        self._heap = []
        self._order = itertools.count()

    def at_real(self, when_s, action):
        """Call `action()` at a real time; returns the Timer."""
        timer = Timer(when_s, action)
        heapq.heappush(self._heap, (when_s, next(self._order), timer))
        return timer

    def after(self, delay_s, action):
        """Call `action()` after module seconds; returns the Timer."""
        return self.at_real(self.clock.real_s + delay_s / self.clock.speed, action)

    def after_real(self, delay_s, action):
        """Call `action()` after real seconds; returns the Timer."""
        return self.at_real(self.clock.real_s + delay_s, action)

    def clear(self):
        """Forget every call."""
        for _, _, timer in self._heap:
            timer.cancel()
        self._heap.clear()

    def next_s(self):
        """Return the real time of the earliest call, or None."""
        while self._heap and self._heap[0][2].action is None:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def due(self, now_s):
        """Return whether a call is due at `now_s`."""
        when_s = self.next_s()
        return when_s is not None and when_s <= now_s + _TOLERANCE_S

    def run_one(self):
        """Make the earliest call."""
        _, _, timer = heapq.heappop(self._heap)
        action, timer.action = timer.action, None
        if action is not None:
            action()
