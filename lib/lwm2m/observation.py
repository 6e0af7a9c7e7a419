# One observation: when a value is worth a notification (LwM2M 1.1 Core 5.1.2, 6.4).
#
# Times are tenths of a second. take() allocates nothing.

from math import isnan

from micropython import const

# Places in attributes.NAMES.
_PMIN = const(0)
_PMAX = const(1)
_GT = const(2)
_LT = const(3)
_ST = const(4)

_NEVER = const(-1)
_TENTHS = const(10)
_NUMBER = const(0xFFFFFF)  # of a notification: 24 bits, RFC 7641 2


class Observation:
    """What a server observes: token, path (a tuple of ids), format.

    Send when a condition is met and pmin is over, or when pmax is over. A condition is any change
    if there are none of gt, lt and st.
    """

    def __init__(self, token, path, content_format, args, report):
        self.token = token
        self.path = path
        self.content_format = content_format
        self.args = args  # of content.render()
        self.report = report  # of evidence.py, or None
        self.number = 0  # of the latest notification; the first answer has 1, as 0 misleads some
        self.mid = self.earlier_mid = -1  # of the latest two notifications
        self.count = 0  # of notifications since the latest CON
        self.is_old = False  # belongs to a registration that is being replaced
        self.probe = 0  # 1: the next notification is a CON, 2: and is sent at once

        self.met = False  # a condition was met since the latest report
        self.earliest = 0  # pmin after the latest report
        self.latest = _NEVER  # pmax after it
        self.con_at = 0  # when the server confirmed last that it listens

        self._plain = True  # any change counts
        self._gt = self._lt = None
        self._above = False  # whether the value was above gt, below lt, when it was reported
        self._below = False
        self._low = self._high = None  # st below and above the value reported

    def covers(self, instance, rid):
        """Say whether a resource is below the path."""
        path = self.path
        n = len(path)
        return path[0] == instance.oid and (
            n == 1 or (path[1] == instance.iid and (n == 2 or path[2] == rid))
        )

    def take(self, value, changed):
        """A value was set. Return True when that is the first reason to send since a report."""
        if self.met:
            return False
        if not self._plain and isinstance(value, dict):
            value = value.get(self.path[-1])
        if self._plain:
            self.met = changed
        elif value is None:
            self.met = True
        elif (
            (self._gt is not None and (value < self._gt if self._above else value > self._gt))
            or (self._lt is not None and (value > self._lt if self._below else value < self._lt))
            or (self._high is not None and (value >= self._high or value <= self._low))
        ):
            self.met = True
        return self.met

    def reported(self, value, attributes, server, now):
        """A notification with this value was made. Everything counts from here."""
        self.met = False
        pmin = attributes.get(self.path, _PMIN)
        pmax = attributes.get(self.path, _PMAX)
        if pmin is None:
            pmin = server.get(2, 0)
        if pmax is None:
            pmax = server.get(3, 0)
        self.earliest = now + pmin * _TENTHS
        self.latest = now + pmax * _TENTHS if pmax and pmax >= pmin else _NEVER
        self._gt = attributes.get(self.path, _GT)
        self._lt = attributes.get(self.path, _LT)
        st = attributes.get(self.path, _ST)
        self._high = self._low = None
        self._plain = not isinstance(value, (int, float)) or (
            self._gt is None and self._lt is None and st is None
        )
        if self._plain or isnan(value):
            return
        if st is not None:
            self._high = value + st
            self._low = value - st
        if self._gt is not None and value != self._gt:
            self._above = value > self._gt
        if self._lt is not None and value != self._lt:
            self._below = value < self._lt

    def next_number(self):
        """Count on, and return the number of the next notification."""
        self.number = self.number + 1 & _NUMBER or 1
        return self.number

    def was(self, mid):
        """Say whether a notification of this had that id."""
        return mid == self.mid or mid == self.earlier_mid

    def is_now(self, mid):
        """A notification gets this id."""
        self.earlier_mid = self.mid
        self.mid = mid
