# Lines out of the ring: where they begin and end, whose they are, and what their fields say.
#
# A line ends at CR or LF; empty lines and blanks before a line are skipped. It is known by its name
# up to the first colon ("+CEREG:"), or as a whole word ("OK"). Nothing is copied: fields are places
# in the ring, read when somebody asks for one. The work per byte is done by find() and startswith()
# in C; only the bytes of fields are looked at one by one.
#
# Raw bytes announced by a line ("+USORF: 0,"10.0.0.1",5683,9,"...") are data, whatever is in them.
# When what follows them shows that the number was wrong, nothing is believed before the port has
# been silent for a while (lost_sync).
#
# This file must not send, wait, or know what a line means.

from array import array
from micropython import const

from .errors import check

_FIELDS = const(16)  # so many fields of a line are kept
_BIG = const(0x3FFFFFFF)  # what a small int of a 32-bit port holds; a larger number is cut to it
_DIGITS = const(9)  # so many digits always fit

# Kinds of a field: bits in Line.kind(i). INT | TEXT is a quoted number, BIG one that was cut.
EMPTY = 0
INT = 1
TEXT = 2
BIG = 4

# What Scanner.next() returns.
MORE = 0  # nothing complete is left
LINE = 1
PROMPT = 2
HEADER = 3  # the line up to the number of raw bytes that follow
DATA = 4  # some of them, see data_at and data_end
DATA_END = 5  # that was all; the header is the line again
TOO_LONG = 6  # a line that is over the limit, what there is of it; it is dropped to its end
GARBLED = 7  # raw bytes were not as many as was said: in sync again after a silence

# Why next() has more to do than to find a line: bits of Scanner.state.
_SKIP = const(1)  # drop everything up to the next line end
_AWAIT = const(2)  # a prompt may come
_RAW = const(4)  # raw bytes are due
_TAIL = const(8)  # what follows them is due: a quote and the end of the line
_DEAF = const(16)  # out of sync: drop everything
_LF = const(32)  # the line feed of the header may still come before them

_SIZE_MAX = const(0xFFFFFF)  # of raw bytes; nothing announces more


class Name:
    """What is known of one name at the start of a line, such as b"+CEREG:".

    tag: 0, or the index of a final result code. handler: called with the line, None without.
    reads: whether it reads the fields itself. size_field: of the number of raw bytes that follow,
    -1 for none; quoted: whether they are in quotes on the line, else they come behind it.
    """

    def __init__(self, text, tag=0):
        self.text = text
        self.size = len(text)
        self.tag = tag
        self.handler = None
        self.reads = False
        self.size_field = -1
        self.quoted = False
        self.into = None  # where they go if no command wants them
        self.next = None  # another one with the same key
        self.next_reader = None  # the receiver's


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
        """Number of fields; values and texts are kept of the first 16."""
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
            while at <= stop:
                at = self._field(at, i)
                i += 1
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
        if at == start or i >= _FIELDS or (c != 44 and at != self.stop):
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
        if i < _FIELDS:
            self.starts[i] = at
            self.stops[i] = end
            self.kinds[i] = kind | self._number(at, end, i)
        if end > at:
            self._check(at, end)
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
        buf = self.buf
        if at >= end:
            return EMPTY
        sign = buf[at]
        if sign == 45 or sign == 43:
            at += 1
        value = 0
        kind = INT if at < end else TEXT
        while at < end:
            c = buf[at] - 48
            if not 0 <= c < 10:
                return TEXT
            if value < _BIG // 10 or (value == _BIG // 10 and c <= _BIG % 10):
                value = value * 10 + c
            else:
                value = _BIG
                kind = INT | BIG
            at += 1
        self.ints[i] = -value if sign == 45 else value
        return kind

    def _check(self, at, end):
        # A control character, or a byte over 0x7E, is noise.
        buf = self.buf
        while at < end:
            if not 31 < buf[at] < 127 and buf[at] != 9:
                self.bad = True
            at += 1

    def check(self):
        """Look at every byte of the line for noise: `bad` says what was found."""
        self._check(self.start, self.stop)
        return self.bad


class Scanner(Line):
    """Finds the lines in a Ring, and is the current Line.

    line_size: longest accepted line in bytes; the ring must hold one and a chunk behind it.
    """

    def __init__(self, ring, line_size=512):
        super().__init__(ring.buf)
        check("line_size", line_size, 16, ring.line_room)
        self._ring = ring
        self.line_size = line_size
        self._names = {}  # key, see _key(): a Name
        self._headers = ()  # Names that announce raw bytes
        self.state = 0
        self._prompt = 0
        self.size = 0  # of the raw bytes that the last header announced
        self._left = 0  # of them still to come
        self._held = 0  # what is kept in front of them: the header, and what ends it
        self._header_size = 0
        self.data_at = 0
        self.data_end = 0
        self.deaf = False  # everything is dropped until listen() is called

    # Names

    def find(self, text):
        """The Name of b"+CEREG:" or b"OK"; None when it is not known."""
        found = self._names.get(_key_of(text))
        while found is not None and found.text != text:
            found = found.next
        return found

    def add(self, text, tag=0):
        """Know a name from now on, in capitals: one that ends in a colon, or a whole word."""
        name = self.find(text)
        if name is None:
            name = Name(text, tag)
            key = _key_of(text)
            name.next = self._names.get(key)
            self._names[key] = name
        return name

    def announce(self, name, size_field, quoted):
        """Lines of a Name announce raw bytes: so many as its field says; -1: no more."""
        name.size_field = size_field
        name.quoted = quoted
        self._headers = tuple(each for each in self._headers if each is not name)
        if size_field >= 0:
            self._headers += (name,)

    # What the owner of the port asks for

    def await_prompt(self, byte):
        """Take `byte` at the start of a line as a prompt, once; 0: no more."""
        self._prompt = byte
        self.state = self.state | _AWAIT if byte else self.state & ~_AWAIT

    def cut(self):
        """Bytes were lost behind the last one received: no line is read across that place.

        Returns GARBLED if they were raw bytes, else MORE.
        """
        ring = self._ring
        ring.start = ring.end = 0
        if self.state & (_RAW | _TAIL):
            return self._garbled()
        self.state |= _SKIP
        return MORE

    def listen(self):
        """The port was silent since it was GARBLED: what comes now is a line again."""
        ring = self._ring
        if self.in_data():  # the header is still there, and behind it may be what comes now
            ring.start = min(ring.start + self._held, ring.end)
            if ring.start < ring.end and self.buf[ring.start] == 34:
                ring.start += 1
        self.deaf = False
        self.state &= ~(_DEAF | _RAW | _TAIL | _LF | _SKIP)

    def in_data(self):
        """Whether raw bytes, or what belongs behind them, are still to come."""
        return self.state & (_RAW | _TAIL) != 0

    # Reading

    def events(self):
        """Yield what the ring holds, see LINE ... GARBLED; MORE whenever nothing is complete.

        A generator, as its frame is made once. It has to be made anew when an exception has gone
        through it. The first MORE says nothing: what is allocated is made before it.
        """
        ring = self._ring
        buf = self.buf
        find = buf.find
        startswith = buf.startswith
        names = self._names
        line_size = self.line_size
        yield MORE
        while True:
            if self.state:
                what = self._special()
                if what >= 0:
                    yield what
                    continue
            start = ring.start
            end = ring.end
            while start < end and buf[start] < 33:
                start += 1
            if start == end:
                ring.start = ring.end = 0
                yield MORE
                continue
            # Nearly always the end is CR LF; then the CR lies before the LF and is looked for there.
            after = find(b"\n", start, end)
            stop = find(b"\r", start, after if after >= 0 else end)
            if stop < 0:
                stop = after
            elif stop + 1 != after:
                after = stop
            self.start = start
            self.bad = False
            self.count = -1
            if stop < 0:
                ring.start = start
                yield self._open()
                continue
            ring.start = after + 1
            long = stop - start > line_size  # with the blanks behind it: however it is cut
            while buf[stop - 1] in b" \t":
                stop -= 1
            self.stop = stop
            # Whose line is it?
            at = find(b":", start, stop)
            if at > 0:
                name = names.get((at - start) | buf[start + 2] << 7 | buf[at - 1] << 15)  # _key()
            else:
                name = names.get(start - stop)
            while name is not None and not startswith(name.text, start):
                name = name.next
            if name is None:
                name = self._unknown(at)
            if name is not None:
                self.at = self.start + name.size
            self.name = name
            if name is not None and name.size_field >= 0 and self._header(name, True) == HEADER:
                yield HEADER
            elif long:
                yield TOO_LONG
            else:
                yield LINE

    def _unknown(self, colon):
        # No such name as it stands: noise before it, another case, a name without a colon?
        buf = self.buf
        start = self.start
        while start < self.stop and not 32 < buf[start] < 127:
            start += 1
        name = self._look_up(start, colon)
        if start == self.stop:  # nothing but noise
            self.start = self.at = start
            self.count = 0
        elif name is not None:  # else the noise is part of what nobody knows
            self.start = start
        elif colon < 0 or buf[start] > 47:  # no colon, or none behind a sign such as "+"
            self.at = start
            self.count = 0
        else:
            self.at = colon + 1
        return name

    def _look_up(self, at, colon):
        # The Name of the line, which begins at `at`, in any case of its letters.
        for name in self._headers:
            if self.stop - at >= len(name.text) and self.buf.startswith(name.text, at):
                return name
        key = _key(self.buf, at, colon) if colon - at > 1 else at - self.stop
        name = self._names.get(key)
        while name is not None and not self._is_named(name.text, at):
            name = name.next
        return name

    def is_named(self, text):
        """Whether the line has this name (in capitals), in any case of its letters."""
        return self._is_named(text, self.start)

    def _is_named(self, text, at):
        i = len(text)
        if self.stop - at < i or (self.stop - at > i and text[i - 1] != 58):
            return False
        buf = self.buf
        while i:
            i -= 1
            c = text[i] ^ buf[at + i]
            if c and (c != 32 or text[i] < 65):
                return False
        return True

    def _open(self):
        # A line that has not ended yet.
        self.stop = self._ring.end
        self.name = None
        for name in self._headers:
            if self.startswith(name.text):
                self.name = name
                if self._header(name, False) == HEADER:
                    return HEADER
        if self.stop - self.start > self.line_size:
            self.state |= _SKIP
            return TOO_LONG
        return MORE

    # Raw bytes. The header stays at the front of the ring, what follows is taken away as it comes.

    def _header(self, name, ended):
        # The line is of a name that announces raw bytes: does it? `ended`: its end was received.
        at = self._size_at(name)
        plain = LINE if ended else MORE
        if at < 0 or (at == self.stop and not ended):
            return plain
        at = self._size_end(at)
        if at < 0:
            return plain
        ring = self._ring
        start = self.start
        if name.quoted:
            if at + 2 > self.stop or self.buf[at] != 44 or self.buf[at + 1] != 34:
                return plain
            self._held = at + 2 - start
        elif not ended or at < self.stop:
            return plain
        else:
            self._held = ring.start - start
            if self.buf[ring.start - 1] == 13:
                self.state |= _LF
        ring.start = start
        self.stop = at
        self._header_size = at - start
        self.state |= _RAW
        return HEADER

    def _size_at(self, name):
        # Where the field with the number of raw bytes begins, -1 if it is not there (yet).
        at = self.at = self.start + len(name.text)
        i = name.size_field
        while i and at >= 0:
            at = self.buf.find(b",", at, self.stop)
            at = at + 1 if at >= 0 else -1
            i -= 1
        return at

    def _size_end(self, at):
        # Read that number; where it ends, -1 if there is none.
        buf = self.buf
        while at < self.stop and buf[at] == 32:
            at += 1
        start = at
        size = 0
        while at < self.stop and 47 < buf[at] < 58:
            size = min(size * 10 + buf[at] - 48, _SIZE_MAX)
            at += 1
        self.size = self._left = size
        return at if at > start else -1

    def _data(self):
        # Raw bytes are due.
        ring = self._ring
        at = ring.start + self._held
        if self.state & _LF and at < ring.end:
            self.state &= ~_LF
            if self.buf[at] == 10:
                self._held += 1
                at += 1
        size = min(self._left, ring.end - at)
        if size <= 0 and self._left:
            return MORE
        self.data_at = at
        self.data_end = at + size
        self._left -= size
        if self._left:
            ring.end = at  # they are looked at before the next ones take their place
        else:
            self._held += size
            self.state = self.state & ~(_RAW | _LF) | _TAIL
        return DATA

    def _tail(self):
        # The raw bytes are complete: what must follow them tells whether the number was right.
        ring = self._ring
        buf = self.buf
        start = ring.start
        at = start + self._held
        if self.name.quoted:
            if at < ring.end and buf[at] != 34:
                return self._garbled()
            at += 1
            while at < ring.end and buf[at] == 32:
                at += 1
            if at >= ring.end and at - start < ring.line_room:
                return MORE
            if at >= ring.end or buf[at] not in b"\r\n":
                return self._garbled()
        ring.start = at
        self.state &= ~_TAIL
        self.start = start
        self.stop = start + self._header_size
        self.at = start + len(self.name.text)
        self.bad = False
        self.count = -1
        return DATA_END

    def _garbled(self):
        ring = self._ring
        ring.start = ring.end = 0
        self._left = 0
        self.deaf = True
        self.state = self.state & _AWAIT | _DEAF
        return GARBLED

    def _special(self):
        # What comes before a line; -1: nothing.
        state = self.state
        ring = self._ring
        if state & _DEAF:
            ring.start = ring.end = 0
            return MORE
        if state & _RAW:
            return self._data()
        if state & _TAIL:
            return self._tail()
        if state & _SKIP and not self._skip():
            return MORE
        if state & _AWAIT and self._prompted():
            return PROMPT
        return -1

    def _skip(self):
        # Drop up to the next line end; whether there was one.
        ring = self._ring
        buf = self.buf
        at = ring.start
        while at < ring.end and buf[at] != 13 and buf[at] != 10:
            at += 1
        if at == ring.end:
            ring.start = ring.end = 0
            return False
        ring.start = at
        self.state &= ~_SKIP
        return True

    def _prompted(self):
        ring = self._ring
        buf = self.buf
        at = ring.start
        while at < ring.end and buf[at] < 33:
            at += 1
        while at < ring.end and not 32 < buf[at] < 127 and buf[at] not in b"\r\n":
            at += 1  # noise before it
        if at == ring.end or buf[at] != self._prompt:
            return False
        ring.start = at + 1
        self.state &= ~_AWAIT
        return True


def _key(buf, start, colon):
    # The key of a name in the table: its length and two letters, as capitals. Small, and cheap to
    # make: events() does so by itself, of names in capitals.
    return (colon - start) | _capital(buf[start + 2]) << 7 | _capital(buf[colon - 1]) << 15


def _capital(c):
    return c - 32 if 96 < c < 123 else c


def _key_of(text):
    last = len(text) - 1
    return _key(text, 0, last) if text[last] == 58 else -1 - last
