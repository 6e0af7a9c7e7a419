# One observation: when a value is worth a notification (LwM2M 1.1 Core 5.1.2, 6.4).
#
# Times are tenths of a second. take() allocates nothing.

from math import isnan

from micropython import const

_NEVER = const(-1)
_TENTHS = const(10)
_NUMBER = const(0xFFFFFF)  # of a notification: 24 bits, RFC 7641 2


class Observation:
    """What a server observes: token, path (a tuple of ids), format.

    Send when a condition is met and pmin is over, or when pmax is over. A condition is any change
    if there are none of gt, lt and st.
    """

    content_format = 0
    limits = None  # pmin, pmax, gt, lt, st
    number = 0  # of the latest notification; the first answer has 1, as 0 misleads some
    mid = earlier_mid = _NEVER  # of the latest two notifications
    count = 0  # of notifications since the latest CON
    is_old = False  # belongs to a registration that is being replaced
    probe = 0  # 1: the next notification is a CON, 2: and is sent at once
    met = False  # a condition was met since the latest report
    earliest = 0  # pmin after the latest report
    latest = _NEVER  # pmax after it
    held_until = 0  # it could not be sent, and is not tried again before
    con_at = 0  # when the server confirmed last that it listens
    _plain = True  # any change counts
    _above = False  # whether the value was above gt, below lt, when it was reported
    _below = False
    _low = _high = None  # st below and above the value reported

    def __init__(self, token, path, reports):
        self.token = token
        self.path = path
        self.reports = reports  # evidence of what is at the path and below

    def half_at(self):
        """Return when half of a limit is over: a confirmation is wanted then; -1: never."""
        soonest = _NEVER
        for report in self.reports:
            if report.limit_s:
                at = (report.since_s + report.limit_s - report.limit_s // 2) * _TENTHS
                if soonest < 0 or at < soonest:
                    soonest = at
        return soonest

    def take(self, instance, rid, value, changed):
        """A value was set. Return True when that is the first reason to send since a report."""
        path = self.path
        n = len(path)
        if self.met or path[0] != instance.oid or (n > 1 and path[1] != instance.iid):
            return False
        if n > 2 and path[2] != rid:
            return False
        _, _, gt, lt, _ = self.limits
        if not self._plain and isinstance(value, dict):
            value = value.get(path[-1])
        if self._plain:
            self.met = changed
        elif value is None:
            self.met = True
        else:
            self.met = (
                (gt is not None and (value < gt if self._above else value > gt))
                or (lt is not None and (value > lt if self._below else value < lt))
                or (self._high is not None and (value >= self._high or value <= self._low))
            )
        return self.met

    def reported(self, value, now):
        """A notification with this value was made. Everything counts from here."""
        pmin, pmax, gt, lt, st = self.limits
        self.met = False
        self.earliest = now + pmin * _TENTHS
        self.latest = now + pmax * _TENTHS if pmax and pmax >= pmin else _NEVER
        self._high = self._low = None
        numeric = isinstance(value, (int, float))
        self._plain = not numeric or (gt is None and lt is None and st is None)
        if self._plain or isnan(value):
            return
        if st is not None:
            self._high = value + st
            self._low = value - st
        if gt is not None and value != gt:
            self._above = value > gt
        if lt is not None and value != lt:
            self._below = value < lt

    def measure(self, client):
        """Look up what is asked of it: attributes, else defaults of the server's object."""
        get = client.requests.attributes.get
        limits = [get(self.path, i) for i in range(5)]
        for i in (0, 1):
            if limits[i] is None:
                limits[i] = client.server.get(2 + i, 0)
        self.limits = limits

    def value(self, objects):
        """Return the value of now; None of an object or instance, or when it cannot be had."""
        path = self.path
        try:
            value = objects.find(path[0], path[1]).get(path[2])
            return value[path[3]] if len(path) == 4 else value
        except Exception:  # no resource, gone, or the application's: sending it tells more
            return None

    def next_number(self):
        """Count on, and return the number of the next notification."""
        self.number = self.number + 1 & _NUMBER or 1
        return self.number
