# Notification attributes that a server wrote (LwM2M 1.1 Core 5.1.2), per path.

from micropython import const

from lwm2m.write import number

NAMES = ("pmin", "pmax", "gt", "lt", "st", "epmin", "epmax")
_GT = const(2)
_LT = const(3)
_ST = const(4)

_PERIOD_DIGITS = const(10)
_MOST_PERIOD = const(0x7FFFFFFF)  # s

_CHANGED = const(0x44)
_BAD_REQUEST = const(0x80)
_SERVER_ERROR = const(0xA0)


class Attributes:
    """Attributes of at most `room` paths; a path is a tuple of ids."""

    def __init__(self, room):
        self._room = room
        self.paths = {}  # {path: [value or None, in the order of NAMES]}, until De-register

    def write(self, path, queries, is_numeric):
        """Take over ["pmin=10", "gt"], or nothing of it; return the code of the answer."""
        mine = list(self.paths.get(path) or (None,) * len(NAMES))
        seen = 0
        try:
            for query in queries:
                name, equals, text = query.partition("=")
                i = NAMES.index(name)
                if seen & 1 << i or (_GT <= i <= _ST and not is_numeric):
                    return _BAD_REQUEST
                seen |= 1 << i
                mine[i] = _value(i, text) if equals else None
        except ValueError:
            return _BAD_REQUEST
        gt = mine[_GT]
        lt = mine[_LT]
        if gt is not None and lt is not None and lt + 2 * (mine[_ST] or 0) >= gt:
            return _BAD_REQUEST
        if path not in self.paths and len(self.paths) >= self._room:
            return _SERVER_ERROR
        self.paths[path] = mine
        if mine.count(None) == len(mine):
            del self.paths[path]
        return _CHANGED

    def get(self, path, i):
        """Return the effective value of NAMES[i], None when there is none."""
        for n in range(len(path), 0, -1):
            mine = self.paths.get(path[:n])
            if mine and mine[i] is not None:
                return mine[i]
        return None

    def text(self, path, inherited=False):
        """Return what a link has, as ";pmin=10;gt=6"."""
        mine = self.paths.get(path) or ()
        parts = []
        for i in range(len(NAMES)):
            value = self.get(path, i) if inherited else mine[i] if mine else None
            if value is not None:
                whole = -_MOST_PERIOD < value < _MOST_PERIOD and value == int(value)
                parts.append(";%s=%s" % (NAMES[i], int(value) if whole else value))
        return "".join(parts)


def _value(i, text):
    if _GT <= i <= _ST:
        value = number(text, True)
        if value - value != 0 or (i == _ST and value < 0):  # NaN, infinity
            raise ValueError
        return value
    if not text.isdigit() or len(text) > _PERIOD_DIGITS or int(text) > _MOST_PERIOD:
        raise ValueError
    return int(text)
