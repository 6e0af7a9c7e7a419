# Raw bytes that a line announces, such as +USORF: 0,"10.0.0.1",5683,9,"<9 bytes>" or CONNECT 9.
#
# They are data, whatever is in them: quotes, line ends, "OK". The header, which is the line up to
# their number, stays at the front of the ring; they are taken away as they come. What must follow
# them tells whether the number was right. This file is loaded when raw bytes are announced first.

import time
from micropython import const

from .errors import PortError
from .scan import DATA, DATA_END, HEADER, MORE

_SILENCE_MS = const(300)  # longer than 1024 bytes take at 115200, and than a UART's buffer lasts
_GIVE_UP_MS = const(5000)  # then a port that is never silent is listened to again, and bytes that
# stopped do not go on
_BEHIND_CONNECT = b"\r\nOE"  # a line end, or at once a final result code
_SIZE_MAX = const(0xFFFFFF)  # nothing announces more


class RawBytes:
    """The part of a Scanner that knows raw bytes."""

    def __init__(self, line, ring):
        self._line = line
        self._ring = ring
        self.names = ()  # that announce some
        self._size = 0  # bytes that were announced last
        self._left = 0  # of them still to come
        self._tail_due = False  # they are complete, and what must follow them is due
        self._held = 0  # size of what is kept in front of them: the header, and what ends it
        self._header_size = 0
        self._line_feed = False  # that of the header may still come

    def announce(self, name):
        """A Name announces raw bytes, or no more."""
        self.names = tuple(each for each in self.names if each is not name)
        if name.size_field >= 0:
            self.names += (name,)

    def named(self, at):
        """The Name at buf[at], if it is one that announces raw bytes."""
        line = self._line
        for name in self.names:
            if line.stop - at >= name.size:
                if line.buf.startswith(name.text, at) or line.begins_with(name.text, at):
                    return name
        return None

    def begins(self, name, ended):
        """Whether the line announces raw bytes; then they are due next.

        ended: the end of the line was received, though it may be the first one within the bytes.
        """
        line = self._line
        ring = self._ring
        start = line.start
        at = self._size_at(name)
        if at < 0 or (at == line.stop and not ended):
            return False
        at = self._size_end(at)
        if at < 0:
            return False
        size = at - start
        at = self._blanks(at)
        if name.quoted:
            if at >= line.stop or line.buf[at] != 44:
                return False
            at = self._blanks(at + 1)
            if at >= line.stop or line.buf[at] != 34:
                return False
            self._held = at + 1 - start
            self._line_feed = False
        elif not ended or at < line.stop:
            return False
        else:
            self._held = ring.start - start
            self._line_feed = line.buf[ring.start - 1] == 13
        ring.start = start
        line.stop = start + size
        self._header_size = size
        line.set_raw(True)
        self._tail_due = False
        return True

    def _size_at(self, name):
        # Where the field with the number of bytes begins, -1 if it is not there (yet).
        line = self._line
        at = line.at = line.start + name.size
        i = name.size_field
        while i and at >= 0:
            at = line.buf.find(b",", at, line.stop)
            at = at + 1 if at >= 0 else -1
            i -= 1
        return at

    def _size_end(self, at):
        # Read that number; where it ends, -1 if there is none.
        buf = self._line.buf
        stop = self._line.stop
        at = self._blanks(at)
        start = at
        size = 0
        while at < stop and 47 < buf[at] < 58:
            size = min(size * 10 + buf[at] - 48, _SIZE_MAX)
            at += 1
        self._left = self._size = size
        return at if at > start else -1

    def undecided(self, name):
        """Whether it is not to be seen yet if the line announces raw bytes."""
        return self._size_at(name) < 0

    def _blanks(self, at):
        # Behind blanks.
        line = self._line
        while at < line.stop and line.buf[at] == 32:
            at += 1
        return at

    def next(self):
        """What comes next: DATA, DATA_END, MORE, GARBLED."""
        return self._tail() if self._tail_due else self._data()

    def _data(self):
        line = self._line
        ring = self._ring
        at = ring.start + self._held
        if self._line_feed and at < ring.end:
            self._line_feed = False
            if line.buf[at] == 10:
                self._held += 1
                at += 1
        size = min(self._left, ring.end - at)
        if size <= 0 and self._left:
            return MORE
        line.data_at = at
        line.data_end = at + size
        self._left -= size
        if self._left:
            ring.end = at  # they are looked at before the next ones take their place
        else:
            self._held += size
            self._tail_due = True
        return DATA

    def _tail(self):
        # Behind quoted bytes: the quote, blanks, and the end of the line.
        line = self._line
        ring = self._ring
        buf = line.buf
        start = ring.start
        at = start + self._held
        if line.name.quoted:
            if at < ring.end and buf[at] != 34:
                return line.garbled()
            at += 1
            while at < ring.end and buf[at] == 32:
                at += 1
            if at >= ring.end and at - start < ring.line_room:
                return MORE
            if at >= ring.end or buf[at] not in b"\r\n":
                return line.garbled()
        elif self._size:
            if at >= ring.end:
                return MORE
            if buf[at] not in _BEHIND_CONNECT:
                return line.garbled()
        ring.start = at
        line.set_raw(False)
        line.start = start
        line.stop = start + self._header_size
        line.at = start + line.name.size
        line.bad = False
        line.count = -1
        return DATA_END

    def give_up(self):
        """The rest will not come: the header goes, what may be behind it stays."""
        ring = self._ring
        ring.start = min(ring.start + self._held, ring.end)
        if ring.start < ring.end and self._line.buf[ring.start] == 34:
            ring.start += 1


class Delivery:
    """The part of a Receiver that takes raw bytes to whoever expects them."""

    def __init__(self, port):
        self._port = port
        self._into = None  # where they go; None: nowhere
        self._filled = 0  # how many of them came
        self._expected_by = None  # the Exchange that they are for
        self._deaf_ms = 0  # since when nothing is believed

    def serve(self, what):
        """Serve HEADER, DATA, DATA_END or GARBLED; whether the line is left to serve."""
        port = self._port
        line = port.line
        pending = port.pending
        if what == DATA:
            self._take(line.data_at, line.data_end)
        elif what == HEADER:
            mine = pending is not None and pending.expects(line)
            self._expected_by = pending if mine else None
            self._into = pending.into if mine else line.name.into
            self._filled = 0
        elif what == DATA_END:
            if self._expected_by is not None and self._expected_by is pending:
                pending.filled = self._filled
                return True
            if line.name.handler is not None:
                return True
            port.count_undecodable()  # of a command that gave up: who knows
        else:
            port.count_undecodable()
            self._deaf_ms = port.heard_ms
            if pending is not None:
                port.fail(PortError("raw bytes: not as many as were announced"))
        return False

    def _take(self, at, end):
        # Out of the ring into the buffer.
        into = self._into
        i = self._filled
        self._filled = i + end - at
        if into is None:
            return
        end = min(end, at + len(into) - i)
        buf = self._port.line.buf
        while at < end:
            into[i] = buf[at]
            i += 1
            at += 1

    def listen(self, now_ms):
        """New bytes came: is it time to believe again, or to give up those that are due?"""
        port = self._port
        line = port.line
        silent_ms = time.ticks_diff(now_ms, port.heard_ms)
        if line.in_data() and silent_ms >= _GIVE_UP_MS:
            line.listen()
            port.count_undecodable()
            if port.pending is not None and self._expected_by is port.pending:
                port.fail(PortError("raw bytes: the rest is missing"))
        if line.deaf():
            deaf_ms = time.ticks_diff(now_ms, self._deaf_ms)
            if silent_ms >= _SILENCE_MS or deaf_ms >= _GIVE_UP_MS:
                line.listen()
