# Lost observations. Over plain CoAP an Update from a new address does not repair them: they come
# back with a new registration only. So one is made, but not often.

from micropython import const

_NEVER = const(-1)

# Tenths of a second.
_FIRST_GAP = const(600)  # between two Registers because of losses, doubled each time
_LAST_GAP = const(36000)


class Renewal:
    """Has the registration renewed when observations were lost and nobody renews them."""

    def __init__(self, notifier, registration, now, limit):
        self._notifier = notifier
        self._registration = registration
        self._now = now
        self._limit = limit  # the server has so long to observe anew by itself
        self._gap = _FIRST_GAP
        self._done_at = _NEVER  # when it was done last

    def next_at(self):
        """Return when step() has something to do, -1 for never."""
        if self._notifier.suspect:
            return self._now()
        if self._notifier.lost_at < 0 or not self._registration.is_registered():
            return _NEVER
        at = self._notifier.lost_at + self._limit
        return at if self._done_at < 0 else max(at, self._done_at + self._gap)

    def step(self):
        """Ask for an Update when a CON was not answered, for a Register after a loss."""
        now = self._now()
        at = self.next_at()
        if self._notifier.suspect:
            self._notifier.suspect = False
            self._registration.update()
        elif 0 <= at <= now:
            is_rare = self._done_at < 0 or now - self._done_at > _LAST_GAP
            self._gap = _FIRST_GAP if is_rare else min(self._gap * 2, _LAST_GAP)
            self._done_at = now
            self._notifier.lost_at = _NEVER
            self._registration.renew()
