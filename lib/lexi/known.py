# What the registry keeps: one Cell for each server, one Notified for each URI, made at the start and
# linked by `next`, as a loop over a list costs more in the time of a line. A Server is a copy of a
# Cell for people.

from micropython import const

from . import codes
from .codes import NO_CODE

_NONE = const(-1)  # nothing is known; an int, so that nothing is allocated


def linked(items):
    """Link each to the next one; return them."""
    for i in range(len(items) - 1):
        items[i].next = items[i + 1]
    return items


def _settle(it):
    # If there is no memory, Registry.settle() tries again.
    try:
        it.settle()
    except MemoryError:
        pass


def _or_none(value):
    return None if value == _NONE else value


class Server:
    """A copy of what is known of one server, for applications and people.

    code, status_class, name: of the registration (codes.py, describe.py); since_s: when the code
    was first seen. timer_s: seconds to the next update as last reported, at timer_at_s.
    connection: 0..3 (describe.CONNECTION_STATUS), at connection_at_s, with address ("host:port") and bytes
    sent and received. Times are seconds of the clock; None where nothing was reported.
    """

    def __init__(self, cell):
        self.id = cell.id
        self.code = cell.code
        self.status_class = codes.status_class(self.code)
        self.since_s = cell.since_s
        self.timer_s = _or_none(cell.timer_s)
        self.timer_at_s = None if self.timer_s is None else cell.timer_at_s
        self.connection = _or_none(cell.connection)
        self.connection_at_s = None if self.connection is None else cell.connection_at_s
        self.sent = _or_none(cell.sent)
        self.received = _or_none(cell.received)
        self.address = cell.text().decode() or None

    @property
    def name(self):
        from .describe import status_name

        return status_name(self.code)

    def __repr__(self):
        return "Server(%d, %d: %s)" % (self.id, self.code, self.name)


class Text:
    # Text out of a line, of up to `room` bytes; more is cut off. It is kept, in quotes, in bytes
    # that are there. settle() makes an exact copy besides, with which a line is compared in one
    # call: when the text is a new one, or later if there is no memory then.
    def __init__(self, room):
        self.buf = bytearray(room + 2)
        self.used = 0  # bytes of the text; 0: there is none, but the same one may come again
        self.quoted = b""  # the exact copy, such as b'"/3300/0/5700"'; empty: it could not be made

    def is_at(self, buf, start, stop):
        """Whether buf[start:stop] is this text."""
        size = min(stop - start, len(self.buf) - 2)
        i = 0
        while i < size and i < self.used and self.buf[i + 1] == buf[start + i]:
            i += 1
        return i == size == self.used

    def ends(self, line, at):
        """Whether from buf[at] on the line is this text in its quotes, as far as it is settled."""
        quoted = self.quoted
        if not quoted or not self.used:
            return False
        return at + len(quoted) == line.stop and line.buf.startswith(quoted, at)

    def take(self, buf, start, stop):
        """Become buf[start:stop]."""
        self.used = size = min(stop - start, len(self.buf) - 2)
        self.buf[0] = self.buf[size + 1] = 34
        i = 0
        while i < size:
            self.buf[i + 1] = buf[start + i]
            i += 1
        if len(self.quoted) != size + 2 or not self.buf.startswith(self.quoted):
            self.quoted = b""
            _settle(self)

    def settle(self):
        """Have the exact copy, if there is a text."""
        if self.used and not self.quoted:
            self.quoted = bytes(memoryview(self.buf)[: self.used + 2])

    def text(self):
        """Return it as bytes."""
        return bytes(self.buf[1 : self.used + 1])


class Cell(Text):
    # What is known of one server, and the text of its address. Ints, for the same reason; _NONE:
    # nothing.
    def __init__(self, address_size):
        Text.__init__(self, address_size)
        self.id = None  # not in use
        self.digits = None  # b",721,", as a line has it, once settled
        self.skip = 0  # bytes from the event, of one digit, to what follows them
        self.next = None
        self.forget(0)

    def settle(self):
        """Have `digits` and the exact address."""
        if self.digits is None and self.id is not None:
            self.digits = b",%d," % self.id
            self.skip = 1 + len(self.digits)
        Text.settle(self)

    def name(self, server, now_s):
        """Be that of a server heard of for the first time."""
        self.id = server
        self.digits = None
        self.forget(now_s)
        _settle(self)

    def forget(self, now_s):
        """Nothing is known any more."""
        self.used = 0
        self.code = NO_CODE
        self.since_s = now_s
        self.timer_s = _NONE
        self.timer_at_s = 0
        self.connection = _NONE
        self.connection_at_s = 0
        self.sent = _NONE
        self.received = _NONE


class Notified(Text):
    # One URI and the notifications of it.
    def __init__(self, room, index):
        Text.__init__(self, room)
        self.index = index
        self.next = None
        self.server = None  # not in use
        self.watched = True  # by somebody, or that was not looked up yet
        self.count = 0
        self.at_s = 0
