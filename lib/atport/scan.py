# Lines out of the ring: where they begin and end, and whose they are.
#
# A line ends at CR or LF; empty lines and blanks before a line are skipped. It is known by its name
# up to the first colon ("+CEREG:"), or as a whole word ("OK"). The work per byte is done by find()
# and startswith() in C. What is behind the name is left to line.py, raw bytes to raw.py.
#
# This file must not send, wait, or know what a line means.

from micropython import const

from .errors import check
from .line import Line

# What Scanner.events() yields.
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
_RAW = const(4)  # raw bytes, or what belongs behind them, are due
_DEAF = const(8)  # out of sync: drop everything


class Name:
    """What is known of one name at the start of a line, such as b"+CEREG:".

    tag: 0, or the index of a final result code. handler: called with the line, None without.
    reads: whether it reads the fields itself. size_field: of the number of raw bytes that follow,
    -1 for none; quoted: whether they are in quotes on the line, else they come behind it.
    """

    # What most of them have is kept once, in the class.
    tag = 0
    handler = None
    reads = False
    size_field = -1
    quoted = False
    into = None  # where they go if no command wants them

    def __init__(self, text):
        self.text = text
        self.size = len(text)
        self.next = None  # another one with the same key


class Scanner(Line):
    """Finds the lines in a Ring, and is the current Line.

    line_size: longest accepted line in bytes; the ring must hold one and a chunk behind it.
    """

    def __init__(self, ring, line_size=512):
        super().__init__(ring.buf)
        check("line_size", line_size, 16, ring.line_room)
        self.ring = ring
        self.line_size = line_size
        self.names = {}  # key, see _key(): a Name
        self.state = 0
        self.prompt = 0
        self._raw = None  # a RawBytes, from the first announce() on
        self.data_at = 0  # raw bytes, when DATA is told
        self.data_end = 0

    # Names

    def find(self, text):
        """The Name of b"+CEREG:" or b"OK"; None when it is not known."""
        found = self.names.get(_key_of(text))
        while found is not None and found.text != text:
            found = found.next
        return found

    def add(self, text, tag=0):
        """Know a name from now on, in capitals: one that ends in a colon, or a whole word."""
        name = self.find(text)
        if name is None:
            name = Name(text)
            if tag:
                name.tag = tag
            key = _key_of(text)
            name.next = self.names.get(key)
            self.names[key] = name
        return name

    def announce(self, name, size_field, quoted):
        """Lines of a Name announce raw bytes: so many as its field says; -1: no more."""
        if self._raw is None:
            from .raw import RawBytes

            self._raw = RawBytes(self, self.ring)
        name.size_field = size_field
        name.quoted = quoted
        self._raw.announce(name)

    # What the owner of the port asks for

    def await_prompt(self, byte):
        """Take `byte` at the start of a line as a prompt, once; 0: no more."""
        self.prompt = byte
        self.state = self.state | _AWAIT if byte else self.state & ~_AWAIT

    def cut(self):
        """Bytes were lost behind the last one received: no line is read across that place.

        Returns GARBLED if they may have been raw bytes, else MORE.
        """
        ring = self.ring
        ring.start = ring.end = 0
        if self._raw is not None and self._raw.names:  # the inside of data may come next
            return self.garbled()
        self.state |= _SKIP
        return MORE

    def garbled(self):
        """Raw bytes were not as many as was announced: drop everything until listen()."""
        ring = self.ring
        ring.start = ring.end = 0
        self.state = self.state & _AWAIT | _DEAF
        return GARBLED

    def listen(self):
        """The port was silent since it was GARBLED: what comes now is a line again."""
        if self.state & _RAW:
            self._raw.give_up()
        self.state &= ~(_DEAF | _RAW | _SKIP)

    def in_data(self):
        """Whether raw bytes, or what belongs behind them, are still to come."""
        return self.state & _RAW != 0

    def deaf(self):
        """Whether everything is dropped."""
        return self.state & _DEAF != 0

    def set_raw(self, due):
        """Whether raw bytes, or what belongs behind them, are due next: said by raw.py."""
        self.state = self.state | _RAW if due else self.state & ~_RAW

    # Reading

    def events(self):
        """Yield what the ring holds, see LINE ... GARBLED; MORE whenever nothing is complete.

        A generator, as its frame is made once. It has to be made anew when an exception has gone
        through it. The first MORE says nothing: what is allocated is made before it.
        """
        ring = self.ring
        buf = self.buf
        find = buf.find
        startswith = buf.startswith
        names = self.names
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
            if name is not None and name.size_field >= 0 and self._raw.begins(name, True):
                yield HEADER
            elif long:
                yield TOO_LONG
            else:
                yield LINE

    def _unknown(self, colon):
        # No such name as it stands: noise before it, another case, a name without a colon?
        start = self._behind_noise()
        name = self._look_up(start, colon)
        if start == self.stop:  # nothing but noise
            self.start = self.at = start
            self.count = 0
        elif name is not None:  # else the noise is part of what nobody knows
            self.start = start
        elif colon < 0 or self.buf[start] > 47:  # no colon, or none behind a sign such as "+"
            self.at = start
            self.count = 0
        else:
            self.at = colon + 1
        return name

    def _look_up(self, at, colon):
        # The Name of the line, which begins at `at`, in any case of its letters.
        if self._raw is not None:
            name = self._raw.named(at)
            if name is not None:
                return name
        name = self.names.get(_key(self.buf, at, colon, self.stop))
        while name is not None and not self.is_named(name.text, at):
            name = name.next
        return name

    def _behind_noise(self):
        # Where the line begins, if what no name begins with is left out.
        at = self.start
        while at < self.stop and not 32 < self.buf[at] < 127:
            at += 1
        return at

    def is_named(self, text, at):
        """Whether at buf[at] the line has this name (in capitals), in any case of its letters."""
        size = len(text)
        left = self.stop - at
        if left < size or (left > size and text[size - 1] != 58):
            return False
        return self.begins_with(text, at)

    def begins_with(self, text, at):
        """Whether at buf[at] stands `text` (in capitals), in any case of its letters."""
        buf = self.buf
        i = len(text)
        while i:
            i -= 1
            c = text[i] ^ buf[at + i]
            if c and (c != 32 or text[i] < 65):
                return False
        return True

    def _open(self):
        # A line that has not ended yet.
        self.stop = self.ring.end
        self.name = None
        if self._raw is not None:
            start = self._behind_noise()
            self.name = self._raw.named(start)
            if self.name is not None:
                noise = self.start
                self.start = start
                if self._raw.begins(self.name, False):
                    return HEADER
                self.start = noise
        if self.stop - self.start > self.line_size:
            if self.name is not None and self._raw.undecided(self.name):
                return self.garbled()  # where its data begin and end is not to be known
            self.state |= _SKIP
            return TOO_LONG
        return MORE

    def _special(self):
        # What comes before a line; -1: nothing.
        state = self.state
        ring = self.ring
        if state & _DEAF:
            ring.start = ring.end = 0
            return MORE
        if state & _RAW:
            return self._raw.next()
        if state & _SKIP and not self._skip():
            return MORE
        if state & _AWAIT and self._prompted():
            return PROMPT
        return -1

    def _skip(self):
        # Drop up to the next line end; whether there was one.
        ring = self.ring
        at = self.buf.find(b"\n", ring.start, ring.end)
        cr = self.buf.find(b"\r", ring.start, at if at >= 0 else ring.end)
        if cr >= 0:
            at = cr
        if at < 0:
            ring.start = ring.end = 0
            return False
        ring.start = at
        self.state &= ~_SKIP
        return True

    def _prompted(self):
        ring = self.ring
        buf = self.buf
        at = ring.start
        while at < ring.end and buf[at] < 33:
            at += 1
        while at < ring.end and not 32 < buf[at] < 127 and buf[at] not in b"\r\n":
            at += 1  # noise before it
        if at == ring.end or buf[at] != self.prompt:
            return False
        ring.start = at + 1
        self.state &= ~_AWAIT
        return True


def _key(buf, start, colon, stop):
    # The key of a name in the table: its length and two letters, as capitals; of a word without a
    # colon its length. Small, and cheap to make: events() does so by itself, of names in capitals.
    if colon - start < 2:  # "X:" is no name that events() looks for
        return start - stop
    return (colon - start) | _capital(buf[start + 2]) << 7 | _capital(buf[colon - 1]) << 15


def _capital(c):
    return c - 32 if 96 < c < 123 else c


def _key_of(text):
    # The same of a name that ends in its colon, or of a word.
    size = len(text)
    return _key(text, 0, size - 1 if text[size - 1] == 58 else -1, size)
