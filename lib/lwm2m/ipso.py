# Sensors as IPSO objects: 3300 generic, 3303 temperature, 3304 humidity (OMA registry, 1.1).
#
# set() is called as often as the application likes. It compares, and allocates nothing unless
# something is due.

from math import isnan

from micropython import const

from lwm2m.objects import FLOAT, STRING, E, Instance, R, W, differ

_MIN = const(5601)
_MAX = const(5602)
_RANGE_MIN = const(5603)
_RANGE_MAX = const(5604)
_RESET_BOTH = const(5605)
_VALUE = const(5700)
_UNITS = const(5701)
_APPLICATION = const(5750)

_NAN = float("nan")

_RESOURCES = (
    _MIN << 8 | R | FLOAT,
    _MAX << 8 | R | FLOAT,
    _RANGE_MIN << 8 | R | FLOAT,
    _RANGE_MAX << 8 | R | FLOAT,
    _RESET_BOTH << 8 | E,
    _VALUE << 8 | R | FLOAT,
    _UNITS << 8 | R | STRING,
    _APPLICATION << 8 | R | W | STRING,
)

GENERIC = (3300, "1.1", False, _RESOURCES)
TEMPERATURE = (3303, "1.1", False, _RESOURCES)
HUMIDITY = (3304, "1.1", False, _RESOURCES)


class Sensor(Instance):
    """A sensor: its value, the smallest and largest one, units, range.

    units: as SenML has them: "Cel", "%RH", "Pa", "V". low, high: what it can measure. application:
    what it is for; a server may write it. There is no reading at first: the value is NaN.
    """

    def __init__(self, table=GENERIC, iid=0, units=None, low=None, high=None, application=None):
        values = {_VALUE: _NAN, _MIN: _NAN, _MAX: _NAN}
        for rid, value in (
            (_UNITS, units),
            (_RANGE_MIN, low),
            (_RANGE_MAX, high),
            (_APPLICATION, application),
        ):
            if value is not None:
                values[rid] = value
        super().__init__(table, iid, values, {_RESET_BOTH: self._reset})

    @property
    def value(self):
        """The latest reading."""
        return self.values[_VALUE]

    def set(self, value):
        """Take the latest reading, a number; NaN: there is none. It never waits."""
        values = self.values
        old = values[_VALUE]
        lower = not value >= values[_MIN]  # raises when it is no number
        values[_VALUE] = value
        if not isnan(value):
            if lower:
                values[_MIN] = value
                self.tell(_MIN, value)
            if not value <= values[_MAX]:
                values[_MAX] = value
                self.tell(_MAX, value)
        self.tell(_VALUE, value, differ(old, value))

    def _reset(self, arguments):
        # 5605: smallest and largest become the value of now.
        value = self.values[_VALUE]
        self.change(_MIN, value)
        self.change(_MAX, value)
