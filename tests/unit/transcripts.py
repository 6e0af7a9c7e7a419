# What the tests of the receive path share: a notation for decoded lines, and two readers that
# take a transcript piece by piece, one around Ring and Scanner and one around a Channel.

import io

import harness
from atport import scan
from atport.channel import Channel
from atport.clock import Clock
from atport.ring import Ring
from atport.line import BIG, EMPTY, INT, TEXT
from atport.scan import Scanner

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


def big(sign, text):
    return (INT | BIG, sign * 0x3FFFFFFF, text)


# Found in a stream are tuples: (LINE, name, fields, bad), (RAW, name, fields of what announced
# it, bytes), and the others without anything.
LINE = "line"
RAW = "raw"
PROMPT = ("prompt",)
TOO_LONG = ("too long",)
GARBLED = ("garbled",)


def line(name, fields=(), bad=False):
    return (LINE, name, list(fields), bad)


def raw(name, fields, data):
    return (RAW, name, list(fields), data)


def decode(line):
    """Fields of the current line, as far as they are kept."""
    count = min(len(line), 16)
    return [(line.kind(i), line.int(i), line.text(i)) for i in range(count)]


class Reader:
    """Ring and Scanner, and all that was found so far.

    names: what is known, as bytes. announced: {name: size_field} of those that announce raw
    bytes; they come in quotes unless the name ends in a blank.
    A line that is undecodable is found without fields: they mean nothing.
    """

    def __init__(self, names, announced=None, size=128, limit=96, prompt=0, chunk=None):
        self.ring = Ring(Still(b""), size, chunk or size // 4)
        self.scanner = Scanner(self.ring, limit)
        for name in names:
            self.scanner.add(name)
        for name, i in (announced or {}).items():
            self.scanner.announce(self.scanner.add(name), i, name[-1:] == b":")
        self.scanner.await_prompt(prompt)
        self._events = self.scanner.events()
        next(self._events)
        self._raw = b""
        self.found = []
        self.texts = []  # of the lines

    def feed(self, data):
        first = 0
        while first < len(data):
            first = self.ring.feed(data, first)
            self.scan()

    def scan(self):
        scanner = self.scanner
        found = self.found
        for what in self._events:
            if what == scan.MORE:
                return
            if what == scan.LINE:
                name = scanner.name and scanner.name.text
                if name is None:
                    scanner.check(scanner.start, scanner.stop)
                fields = decode(scanner) if not name or name[-1:] == b":" else []
                found.append(line(name, fields, scanner.bad))
                self.texts.append(scanner.line())
            elif what == scan.HEADER:
                self._raw = b""
            elif what == scan.DATA:
                self._raw += scanner.buf[scanner.data_at : scanner.data_end]
            elif what == scan.DATA_END:
                found.append(raw(scanner.name.text, decode(scanner), self._raw))
            else:
                found.append({scan.PROMPT: PROMPT, scan.TOO_LONG: TOO_LONG}.get(what, GARBLED))

    @property
    def overlong(self):
        """Lines that were too long."""
        return self.found.count(TOO_LONG)


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

    urcs: handlers are registered for these prefixes. stream: in place of the scripted module.
    """

    def __init__(self, urcs=(), stream=None, **options):
        self.stream = harness.FakeStream()
        self.runtime = harness.FakeRuntime(self.stream)
        clock = Clock(self.stream.ticks)
        self.channel = Channel(stream or self.stream, self.runtime, clock, **options)
        self.channel.on_unknown = self._on_unknown
        self.channel.on_error = self._on_error
        self.heard = []  # (prefix, fields)
        self.unknown = []  # whole lines
        self.errors = []
        for prefix in urcs:
            self.channel.on(prefix, self._handler(prefix))

    def _handler(self, prefix):
        return lambda line: self.heard.append((prefix, decode(line)))

    def _on_unknown(self, line):
        self.unknown.append(line.line())

    def _on_error(self, e):
        self.errors.append(e)

    def run(self, coro):
        """Drive a coroutine of the channel to its end, on the fake clock."""
        try:
            while True:
                self.runtime.poll(self.channel, coro.send(None))
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


def refusal(fn, *args, **kwargs):
    """What the ValueError says that fn() raises; None when it does not."""
    try:
        fn(*args, **kwargs)
    except ValueError as e:
        return str(e)
    return None


class Still(io.IOBase):
    """A stream over fixed bytes that allocates nothing; what is written to it is lost."""

    def __init__(self, data=b""):
        self.data = data
        self._at = 0

    def put(self, data):
        """What is read from now on."""
        self.data = data
        self._at = 0

    def readinto(self, buf, n=None):
        n = min(n or len(buf), len(self.data) - self._at)
        if n == 0:
            return None
        for i in range(n):
            buf[i] = self.data[self._at + i]
        self._at += n
        return n

    def write(self, data):
        return len(data)

    def ioctl(self, request, arg):
        return 0


class Uart(io.IOBase):
    """A UART whose buffer holds `size` bytes; what does not fit is lost. Allocates nothing."""

    def __init__(self, size):
        self.ticks = harness.FakeTicks()
        self._held = bytearray(size)
        self._count = 0
        self.dropped = 0
        self.piece = size  # readinto() gives at most so many bytes

    def push(self, data):
        """Bytes arrive; return how many were lost."""
        n = min(len(data), len(self._held) - self._count)
        for i in range(n):
            self._held[self._count + i] = data[i]
        self._count += n
        self.dropped += len(data) - n
        return len(data) - n

    def any(self):
        return self._count

    def readinto(self, buf, n=None):
        n = min(n or len(buf), self._count, self.piece)
        for i in range(n):
            buf[i] = self._held[i]
        self._count -= n
        for i in range(self._count):
            self._held[i] = self._held[i + n]
        return n or None

    def write(self, data):
        return len(data)

    def ioctl(self, request, arg):
        return 0


class Dice:
    """Numbers that look random and are the same everywhere."""

    def __init__(self, seed):
        self._x = seed

    def below(self, n):
        self._x = (self._x * 1103515245 + 12345) & 0x7FFFFFFF
        return (self._x >> 8) % n

    def choice(self, items):
        return items[self.below(len(items))]
