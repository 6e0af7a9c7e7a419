# The current line: what its fields say, read in place when somebody asks for one.
#
# Nothing is copied: a field is a place in the ring, a number is read into an array that is there.
# Only here are bytes looked at one by one.

from array import array
from micropython import const

_FIELDS = const(16)  # so many fields of a line are kept
_BIG = const(0x3FFFFFFF)  # what a small int of a 32-bit port holds; a larger number is cut to it
_DIGITS = const(9)  # so many digits always fit
_CHECKED = const(96)  # so many bytes of a text are looked at for noise; each takes a Pico 16 us

# Kinds of a field: bits in Line.kind(i). INT | TEXT is a quoted number, BIG one that was cut.
EMPTY = 0
INT = 1
TEXT = 2
BIG = 4


class Line:
    """The current line, valid until the handler that it was given to returns.

    buf[start:stop] is the line without blanks behind it, buf[at:stop] what follows its name. For
    code that may not allocate: ints[i], kinds[i], and text in buf[starts[i]:stops[i]], of the first
    16 fields, after fields() was called.
    """

    def __init__(self, buf):
        self.buf = buf
        self.start = 0
        self.stop = 0
        self.at = 0
        self.name = None  # a Name; None for one that nobody registered
        self.bad = False  # a byte that no line may have, or a quote that is never closed
        self.ints = array("i", bytes(4 * _FIELDS))
        self.kinds = bytearray(_FIELDS)
        self.starts = array("H", bytes(2 * _FIELDS))
        self.stops = array("H", bytes(2 * _FIELDS))
        self.count = -1  # fields; -1: not read yet

    def __len__(self):
        """Number of fields. The first 16 are read, of the others only the commas are counted."""
        return self.fields()

    def kind(self, i):
        """EMPTY (or missing), INT, TEXT or INT | TEXT (a quoted number), with BIG (cut)."""
        return self.kinds[i] if i < self.fields() and i < _FIELDS else EMPTY

    def int(self, i, default=None):
        """Field i as an int, of at most 2**30 - 1 either way; `default` if it is no number."""
        return self.ints[i] if self.kind(i) & INT else default

    def long(self, i, default=None):
        """As int(), but as large as it was sent; allocates."""
        return int(self.text(i)) if self.kind(i) & INT else default

    def text(self, i):
        """Field i as bytes, without quotes (a copy); b"" when it is missing or empty."""
        if i >= self.fields() or i >= _FIELDS:
            return b""
        return bytes(self.buf[self.starts[i] : self.stops[i]])

    def equals(self, i, text):
        """Whether field i, without quotes, is `text` (bytes). Allocates nothing."""
        if i >= self.fields() or i >= _FIELDS:
            return not text
        start = self.starts[i]
        return self.stops[i] - start == len(text) and self.buf.startswith(text, start)

    def startswith(self, text):
        """Whether the line begins with `text` (bytes)."""
        return self.stop - self.start >= len(text) and self.buf.startswith(text, self.start)

    def line(self):
        """The whole line as bytes (a copy), blanks behind it removed."""
        return bytes(self.buf[self.start : self.stop])

    def rest(self):
        """What follows the name as bytes (a copy), blanks around it removed."""
        return bytes(self.buf[self.at : self.stop]).strip()

    def number(self, at):
        """The number that begins at buf[at] and ends the line, -1 if there is none.

        In place of fields() for the most frequent lines: up to nine digits and nothing else.
        """
        buf = self.buf
        if not 0 < self.stop - at <= _DIGITS:
            return -1
        value = 0
        c = buf[at] - 48
        while 0 <= c < 10:
            value = value * 10 + c
            at += 1
            c = buf[at] - 48
        return value if at == self.stop else -1

    def fields(self):
        """Read the fields unless that was done; return how many there are, 0 if `bad`."""
        if self.count < 0:
            i = 0
            at = self.at
            stop = self.stop
            while at <= stop and i < _FIELDS:
                at = self._field(at, i)
                i += 1
            if at <= stop:  # the others are only counted
                self.check(at, stop)
                i += 1 + self.buf.count(b",", at, stop)
            if self.bad or (i == 1 and self.kinds[0] == EMPTY):
                i = 0
            self.count = i
        return self.count

    def _field(self, at, i):
        # Read field i, which begins at `at`; return where the next one begins. Here: a number of
        # up to nine digits with at most one blank before it. buf[stop] is never part of a field.
        buf = self.buf
        c = buf[at]
        if c == 32:
            at += 1
            c = buf[at]
        start = at
        value = 0
        while 47 < c < 58 and at - start < _DIGITS:
            value = value * 10 + c - 48
            at += 1
            c = buf[at]
        if at == start or (c != 44 and at != self.stop):
            return self._other_field(start, i)
        self.ints[i] = value
        self.kinds[i] = INT
        self.starts[i] = start
        self.stops[i] = at
        return at + 1

    def _other_field(self, at, i):
        # Read a field that is anything else.
        buf = self.buf
        stop = self.stop
        at = min(at, stop)
        while at < stop and buf[at] in b" \t":
            at += 1
        if at < stop and buf[at] == 34:
            end = buf.find(b'"', at + 1, stop)
            after = self._behind_quote(end)
            at += 1
            kind = TEXT
        else:
            end = buf.find(b",", at, stop)
            after = end = end if end >= 0 else stop
            kind = EMPTY
            while end > at and buf[end - 1] in b" \t":
                end -= 1
        self.starts[i] = at
        self.stops[i] = end
        self.kinds[i] = kind | self._number(at, end, i)
        if end > at:
            self.check(at, end)
        return after + 1

    def _behind_quote(self, at):
        # The end of a field with its closing quote at `at`: nothing but blanks may come before it.
        buf = self.buf
        stop = self.stop
        if at < 0:
            self.bad = True
            return stop
        at += 1
        while at < stop and buf[at] != 44:
            if buf[at] not in b" \t":
                self.bad = True
            at += 1
        return at

    def _number(self, at, end, i):
        # Take buf[at:end] as the value of field i and return its kind.
        if at >= end:
            return EMPTY
        sign = self.buf[at]
        if sign == 45 or sign == 43:
            at += 1
        value = 0
        kind = INT if at < end else TEXT
        while at < end:
            c = self.buf[at] - 48
            if c < 0 or c > 9:
                return TEXT
            if value < _BIG // 10 or (value == _BIG // 10 and c <= _BIG % 10):
                value = value * 10 + c
            else:
                value = _BIG
                kind = INT | BIG
            at += 1
        self.ints[i] = -value if sign == 45 else value
        return kind

    def check(self, at, end):
        """Look for noise in buf[at:end], in its first 96 bytes: `bad` says what was found.

        A control character, or a byte over 0x7E, is noise.
        """
        buf = self.buf
        if end - at > _CHECKED:
            end = at + _CHECKED
        while at < end:
            if not 31 < buf[at] < 127 and buf[at] != 9:
                self.bad = True
            at += 1
