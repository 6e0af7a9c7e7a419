# What the tests of the receive path share: a notation for decoded lines, and two readers that
# take a transcript piece by piece, one around Ring and Scanner and one around a Channel.

import harness
from atport import scan
from atport.channel import Channel
from atport.clock import Clock
from atport.ring import Ring
from atport.scan import EMPTY, INT, TEXT, Scanner

# Fields are (kind, int, text).
NOTHING = (EMPTY, None, b"")


def num(value, text=None):
    return (INT, value, str(value).encode() if text is None else text)


def quoted_num(value, text=None):
    return (INT | TEXT, value, str(value).encode() if text is None else text)


def txt(text):
    return (TEXT, None, text)


def nums(*values):
    return [num(value) for value in values]


# Found in a stream are tuples: (LINE, tag, fields, bad), (PROMPT,), (DATA, bytes), (ROW, values).
LINE = "line"
PROMPT = "prompt"
DATA = "data"
ROW = "row"

_TEXT_AT = 11  # words of Scanner.state, see _native.py
_LAST = 12
_ROW_TAG = 23
_ROWS = 72
_ROW0 = 74
_ROW_SIZE = 6


def line(tag, fields=(), bad=0):
    return (LINE, tag, list(fields), bad)


def row(*values):
    return (ROW, list(values))


def decode(scanner):
    """Fields of the current line, as far as they are kept."""
    count = min(len(scanner), 16)
    return [(scanner.kind(i), scanner.int(i), scanner.text(i)) for i in range(count)]


def take_rows(state):
    """Rows that wait, as lists of the values that are kept; they are not waiting any more."""
    rows = []
    for at in range(_ROW0, _ROW0 + _ROW_SIZE * state[_ROWS], _ROW_SIZE):
        rows.append(list(state[at + 1 : at + 1 + min(state[at], 5)]))
    state[_ROWS] = 0
    return rows


_compiled = [None, None]  # prefixes, automaton


class Reader:
    """Ring and Scanner, and all that was found so far.

    data_tag: so many bytes as the first field says follow a line of this tag.
    A line that is undecodable is found without fields: they mean nothing.
    """

    def __init__(self, prefixes, row_tag=0, size=128, limit=96, prompt=0, data_tag=0):
        self.ring = Ring(size, size // 4)
        self.scanner = Scanner(self.ring, limit)
        self._set_prefixes(prefixes, row_tag)
        self.scanner.expect_prompt(prompt)
        self._data_tag = data_tag
        self.found = []
        self.texts = []  # of the lines

    def _set_prefixes(self, prefixes, row_tag):
        # Compiling takes longer than most transcripts: the last automaton is used again.
        if _compiled[0] is not prefixes:
            self.scanner.set_prefixes(prefixes, row_tag)
            _compiled[:] = prefixes, self.scanner.trie
        self.scanner.trie = _compiled[1]
        self.scanner.state[_ROW_TAG] = row_tag

    def feed(self, data):
        self.ring.feed(data)
        self.scan()

    def scan(self):
        scanner = self.scanner
        found = self.found
        while True:
            what = scanner.next()
            for values in take_rows(scanner.state):
                found.append((ROW, values))
            if what == scan.MORE:
                return
            if what == scan.LINE:
                fields = [] if scanner.bad & 1 else decode(scanner)
                tag = 0 if scanner.bad & 1 else scanner.tag
                found.append((LINE, tag, fields, scanner.bad))
                self.texts.append(scanner.line())
                if self._data_tag and tag == self._data_tag:
                    scanner.expect_data(scanner.int(0))
            elif what == scan.PROMPT:
                found.append((PROMPT,))
            elif what == scan.DATA:
                data = bytes(scanner.data[scanner.state[_TEXT_AT] : scanner.state[_LAST]])
                if found and found[-1][0] == DATA:
                    data = found.pop()[1] + data
                found.append((DATA, data))


def read(parts, *args, **kwargs):
    """What a new Reader finds in the parts of a transcript."""
    reader = Reader(*args, **kwargs)
    for part in parts:
        reader.feed(part)
    return reader


def check(case, data, expected, *args, **kwargs):
    """Assert what is found in `data`: whole, byte by byte and cut in two everywhere."""
    for parts in harness.pieces(data):
        found = read(parts, *args, **kwargs).found
        case.assertEqual(found, expected, "%r: %r" % (parts, found))


class Port:
    """A Channel on a scripted module, and what its handlers and hooks were given.

    urcs: handlers are registered for these prefixes. rows: one of them, served in batches.
    """

    def __init__(self, urcs=(), rows=None, **options):
        self.stream = harness.FakeStream()
        self.runtime = harness.FakeRuntime(self.stream)
        self.channel = Channel(self.stream, self.runtime, Clock(self.stream.ticks), **options)
        self.channel.on_unknown = self._on_unknown
        self.channel.on_error = self._on_error
        self.heard = []  # (prefix, fields), of rows (prefix, values)
        self.unknown = []  # whole lines
        self.errors = []
        for prefix in urcs:
            self.channel.on(
                prefix, self._handler(prefix), self._rows(prefix) if prefix == rows else None
            )

    def _handler(self, prefix):
        return lambda line: self.heard.append((prefix, decode(line)))

    def _rows(self, prefix):
        def take(count):
            for values in take_rows_of(self.channel, count):
                self.heard.append((prefix, values))

        return take

    def _on_unknown(self, line):
        self.unknown.append(line.line())

    def _on_error(self, e):
        self.errors.append(e)

    def run(self, coro):
        """Drive a coroutine of the channel to its end, on the fake clock."""
        try:
            while True:
                self.runtime.poll(self.channel.pump, coro.send(None))
        except StopIteration as e:
            return e.value

    def command(self, *args, **kwargs):
        return self.run(self.channel.command(*args, **kwargs))

    def serve(self, ms=1000):
        """Let time pass; what arrives is served."""
        self.run(self.runtime.sleep_ms(ms))

    def answer(self, command, parts):
        """The module answers `command` in parts that arrive one millisecond apart."""

        def send(_):
            for i, part in enumerate(parts):
                self.stream.send(part, i)

        self.stream.answers[command] = send


def take_rows_of(channel, count):
    # The channel has already taken the number of rows out of the state.
    channel.line.state[_ROWS] = count
    return take_rows(channel.line.state)


def refusal(fn, *args, **kwargs):
    """What the ValueError says that fn() raises; None when it does not."""
    try:
        fn(*args, **kwargs)
    except ValueError as e:
        return str(e)
    return None


class Still:
    """A stream over fixed bytes whose readinto() allocates nothing."""

    def __init__(self, data):
        self._data = data
        self._at = 0

    def readinto(self, buf):
        n = min(len(buf), len(self._data) - self._at)
        if n == 0:
            return None
        for i in range(n):
            buf[i] = self._data[self._at + i]
        self._at += n
        return n
