# URCs as the module sends them; several lines of one name take turns.

_ADDRESS = b'"leshan.eclipseprojects.io:5684"'


def _urcs(*bodies):
    return [b"\r\n" + body + b"\r\n" for body in bodies]


def _stat(*bodies):
    return _urcs(*(b"+ULWM2MSTAT: " + body for body in bodies))


# Those whose time counts.
TIMED = (
    ("event 1, the same status", _stat(b"1,721,3")),
    ("event 1, a changing status", _stat(b"1,721,3", b"1,721,5")),
    ("event 2, timer", _stat(b"2,721,86307", b"2,721,86290")),
    ("event 3, notification", _stat(b'3,721,"/3300/0/5700"')),
    ("event 6, connection", _stat(b"6,721,0," + _ADDRESS)),
    ("+CEREG", _urcs(b"+CEREG: 5")),
)
# The rest, whose heap counts too.
OTHERS = (
    ("event 0", _stat(b"0,721,2", b"0,721,12")),
    ("event 4", _stat(b"4,7", b"4,0")),
    ("event 5", _stat(b"5,2", b"5,1")),
    ("event 6, closed", _stat(b"6,721,3,2365,5699", b"6,721,1,1254,4588")),
    ("unknown URC", _urcs(b"+UUSORD: 0,5", b"+CREG: 1")),
)
# What a burst is made of: each event of TIMED once.
MIX = b"".join(lines[0] for name, lines in TIMED if name != "event 1, a changing status")
IN_MIX = len(TIMED) - 1
