# Lines, prefixes and fields out of the ring: one pass, in place, nothing allocated.
#
# A line ends at CR or LF; empty lines, NULs and noise between lines are skipped. A line is known
# by its prefix ("+CEREG:", "CONNECT ") or as a whole word ("OK"); case does not matter. Behind a
# prefix, or behind the first colon of an unknown line that starts with a sign such as "+", comma
# separated fields are read on the fly: ints (signed, quoted or not), text (quoted or not), empty.
# A control character or a byte over 0x7E inside a line makes it undecodable, and so does a quote
# that is never closed.
#
# The Scanner is also "the line" that handlers get: it is valid until they return.

from array import array
from micropython import const

from ._machine import advance
from .errors import check

# Layout of `state`: see _native.py.
_START = const(0)
_POS = const(1)
_LIMIT = const(4)
_LEX = const(5)
_TAG = const(7)
_COUNT = const(8)
_SHAPE = const(9)
_BAD = const(10)
_TEXT_AT = const(11)
_PROMPT = const(17)
_RAW = const(18)
_OVERLONG = const(20)
_SKIP_LF = const(22)
_ROW_TAG = const(23)
_VALUES = const(24)
_STARTS = const(40)
_ENDS = const(56)

_BEGIN = const(0)  # values of _LEX
_PREFIX = const(1)

_LEAF = const(0x8000)
_FIELDS = const(16)

# Kinds of a field: bits in Scanner.kind(i); INT | TEXT is a quoted number.
EMPTY = 0
INT = 1
TEXT = 2

# What Scanner.next() returns.
MORE = 0
LINE = 1
PROMPT = 2
DATA = 3
FULL = 4  # no room for another row


def _path(prefix):
    # The edges of the trie along a prefix: 1..64 for 0x20..0x5F, letters folded to upper case,
    # and 0 for the end of the line behind a whole word.
    letters = [c - 31 if c < 96 else c - 63 for c in prefix]
    if prefix[-1] not in b": ":
        letters.append(0)
    return bytes(letters)


def compile_prefixes(prefixes):
    """Build the automaton of `prefixes`: a dict {bytes: tag}, tags 1..32767, as array('H').

    A prefix that ends in ":" or " " is followed by fields; any other is a whole line.
    Raises ValueError for an empty or non-printable prefix, or one that contains another.
    """
    paths = []
    for prefix, tag in prefixes.items():
        if not prefix or not all(32 <= c < 127 for c in prefix):
            raise ValueError("prefix: %r, expected printable ASCII" % prefix)
        paths.append((_path(prefix), tag, prefix))
    paths.sort()
    for i in range(1, len(paths)):
        if paths[i][0].startswith(paths[i - 1][0]):
            raise ValueError("prefix: %r begins with another, %r" % (paths[i][2], paths[i - 1][2]))

    # Double-array trie (Aoe 1989). A node is a run of sorted paths with a common beginning; it
    # gets the lowest base that has a free place for each of its children.
    trie = array("H", bytes(8))
    free = 2  # no place below is free; 0 is no node, 1 is the root
    todo = [(1, 0, len(paths), 0)] if paths else []
    while todo:
        node, first, last, depth = todo.pop()
        if depth == len(paths[first][0]):
            trie[2 * node] = _LEAF | paths[first][1]
            continue
        runs = [first]
        for i in range(first + 1, last):
            if paths[i][0][depth] != paths[i - 1][0][depth]:
                runs.append(i)
        letters = [paths[i][0][depth] for i in runs]
        base = max(2, free - letters[0])
        _grow(trie, base)
        while any(trie[2 * (base + letter) + 1] for letter in letters):
            base += 1
            _grow(trie, base)
        trie[2 * node] = 2 * base
        runs.append(last)
        for i, letter in enumerate(letters):
            trie[2 * (base + letter) + 1] = 2 * node
            todo.append((base + letter, runs[i], runs[i + 1], depth + 1))
        while trie[2 * free + 1]:
            free += 1
    _grow(trie, 2)
    if len(trie) >= _LEAF:
        raise ValueError("prefixes: %d, too many" % len(paths))
    return trie


def _grow(trie, base):
    # Every step from `base`, by 0..64, stays inside, and one place is always free.
    missing = 2 * (base + 66) - len(trie)
    if missing > 0:
        trie.extend(array("H", bytes(2 * missing)))


class Scanner:
    """Reads lines out of a Ring; also the current line, as handlers see it.

    `line_size`: longest accepted line in bytes (a longer one is dropped to its end and counted).
    """

    def __init__(self, ring, line_size=512):
        check("line_size", line_size, 16, len(ring.data) - 2)
        self.state = ring.state
        self.data = ring.data
        self.state[_LIMIT] = line_size
        self.trie = None
        self.set_prefixes({})

    def set_prefixes(self, prefixes, row_tag=0):
        """Recognise `prefixes` ({bytes: tag}) from now on; see compile_prefixes().

        Lines of `row_tag` that hold nothing but ints are collected as rows (see rows_waiting).
        """
        self.trie = compile_prefixes(prefixes)
        self.state[_ROW_TAG] = row_tag
        if self.state[_LEX] == _PREFIX:  # half a prefix was read with the old automaton
            self.state[_LEX] = _BEGIN
            self.state[_POS] = self.state[_START]

    def next(self):
        """Advance to the next LINE, PROMPT or piece of DATA, or say that there is no MORE yet.

        Before acting on the answer the caller takes the rows that were read on the way.
        """
        return advance(self.state, self.data, self.trie)

    def expect_prompt(self, byte):
        """Take `byte` at the start of a line as a prompt, once; 0 to stop."""
        self.state[_PROMPT] = byte

    def expect_data(self, size):
        """The next `size` bytes, behind the end of this line, are data and not lines."""
        self.state[_RAW] = size
        self.state[_SKIP_LF] = 1 if size and self.data[self.state[_POS] - 1] == 13 else 0

    @property
    def overlong(self):
        """Lines dropped so far because they were longer than the limit."""
        return self.state[_OVERLONG]

    @property
    def bad(self):
        """1: the line is undecodable. 2: noise came right before it."""
        return self.state[_BAD]

    @property
    def tag(self):
        """Tag of the line's prefix, 0 when none is registered."""
        return self.state[_TAG]

    def __len__(self):
        """Fields in the line; values and texts are kept of the first 16."""
        return self.state[_COUNT]

    def kind(self, i):
        """EMPTY (or missing), INT, TEXT or INT | TEXT (a quoted number), for field 0..14."""
        return (self.state[_SHAPE] >> (i + i)) & 3

    def int(self, i, default=None):
        """Field i as an int; `default` when it is missing, empty or no number of 1-9 digits."""
        return self.state[_VALUES + i] if self.kind(i) & INT else default

    def text(self, i):
        """Field i as bytes, without quotes (a copy); b"" when it is missing or empty."""
        if i >= min(self.state[_COUNT], _FIELDS):
            return b""
        return bytes(self.data[self.state[_STARTS + i] : self.state[_ENDS + i]])

    def line(self):
        """The whole line as bytes (a copy), trailing blanks removed."""
        return bytes(self.data[self.state[_START] : self.state[_POS] - 1]).rstrip()

    def rest(self):
        """What follows the prefix as bytes (a copy), blanks around it removed."""
        return bytes(self.data[self.state[_TEXT_AT] : self.state[_POS] - 1]).strip()

    def startswith(self, text):
        """Whether the line begins with `text` (bytes), in any case."""
        i = self.state[_START]
        if self.state[_POS] - i <= len(text):
            return False
        for c in text:
            if (self.data[i] ^ c) & 0xDF:  # bit 5 tells the cases of a letter apart
                return False
            i += 1
        return True
