# Written by tools/twin.py from _native.py; change that file instead.

# The byte machine: the three loops that touch every received byte.
#
# `_native.py` is compiled to machine code; `_bytecode.py` is the same text without the
# decorators, for ports that have no native emitter (`make twin` writes it, a test compares).
# scan.py picks one of them at import. Nothing here allocates, raises, or calls Python.
#
# All state lives in `st`, an array('i') shared with Ring and Scanner; entries that native code
# reads are never negative (ptr32 loads are unsigned on 64-bit hosts).
#
# `trie` is a double-array automaton over the registered prefixes, two 16-bit words per node:
# base (or, with bit 15 set, the tag of a finished prefix) and check (the parent node). A node is
# known by the index of its first word. A step is one addition and one comparison, whatever the
# number of prefixes.

from micropython import const

# Layout of `st`.
_START = const(0)  # first byte of the line that is being read, or of raw data
_POS = const(1)  # next byte to look at
_END = const(2)  # behind the last byte received
_SIZE = const(3)  # size of the buffer, bytes
_LIMIT = const(4)  # longest accepted line, bytes
_LEX = const(5)  # state of the machine, see below
_NODE = const(6)  # node in the trie; 0 when no prefix can match any more
_TAG = const(7)  # of the matched prefix; 0: none
_COUNT = const(8)  # fields in the line, of which the first 16 are kept
_SHAPE = const(9)  # two bits per field: _INT, _TEXT; field 0 lowest
_BAD = const(10)  # line is undecodable (1), was preceded by noise (2)
_TEXT_AT = const(11)  # behind the prefix, or first byte of raw data
_LAST = const(12)  # behind the last non-blank byte of the line or field, or of raw data
_AT = const(13)  # first byte of the open field
_ACC = const(14)  # absolute value of the number in the open field
_DIGITS = const(15)  # its digits; _NAN: not a number
_NEGATIVE = const(16)
_PROMPT = const(17)  # accept this byte at the start of a line as a prompt; 0: none
_RAW = const(18)  # so many bytes are not lines but data
_OVERRUN = const(19)  # bytes dropped because the buffer was full
_OVERLONG = const(20)  # lines dropped because they were longer than _LIMIT
_BYTES = const(21)  # bytes received
_SKIP_LF = const(22)  # a LF may still precede the raw data
_ROW_TAG = const(23)  # lines of this prefix become rows where they hold nothing but ints
_VALUES = const(24)  # 16 ints
_STARTS = const(40)  # 16 offsets
_ENDS = const(56)  # 16 offsets
_ROWS = const(72)  # rows waiting
_NUMBERS = const(73)  # 1 while every field of the line is a number
_ROW0 = const(74)  # rows of _ROW_SIZE: number of fields, then the first 5 values
_ROW_SIZE = const(6)
_ROW_COUNT = const(16)

# States of the machine.
_BEGIN = const(0)  # between lines
_PREFIX = const(1)  # every byte so far leads through the trie
_NAME = const(2)  # no registered prefix, but a colon may still start fields
_FIELD = const(3)  # before a field
_BARE = const(4)
_QUOTED = const(5)
_AFTER = const(6)  # behind a closing quote
_PLAIN = const(7)  # text without fields
_DROP = const(8)  # overlong: wait for the end of the line

_ROOT = const(2)  # first node of the trie
_LEAF = const(0x8000)  # in place of a base: a finished prefix, its tag in the other bits
_INT = const(1)
_TEXT = const(2)
_NOTHING = const(4)  # closes an empty field
_NAN = const(99)
_MAX_DIGITS = const(9)  # fits a small int of a 32-bit port
_COUNTER_MASK = const(0x3FFFFFFF)  # counters wrap before they become big ints

# What advance() returns.
_MORE = const(0)  # nothing left to read
_LINE = const(1)
_PROMPTED = const(2)
_DATA = const(3)
_FULL = const(4)  # no room for another row


def append(st: ptr32, buf: ptr8, src: ptr8, n: int):
    """Copy n bytes behind the received ones; on overflow drop the rest and poison the joint."""
    start = int(st[_START])
    end = int(st[_END])
    size = int(st[_SIZE])
    st[_BYTES] = (int(st[_BYTES]) + n) & _COUNTER_MASK
    if end + n >= size and start > 0:
        # Slide the unread rest to the front: a line never wraps, so its fields stay in one piece.
        i = start
        while i < end:
            buf[i - start] = buf[i]
            i += 1
        end -= start
        if int(st[_LEX]) == _BEGIN or int(st[_LEX]) == _DROP:
            st[_POS] = int(st[_POS]) - start
        else:
            st[_LEX] = _BEGIN  # the open line is read again, from where it starts now
            st[_POS] = 0
        st[_START] = 0
    take = size - 1 - end
    if take > n:
        take = n
    i = 0
    while i < take:
        buf[end] = src[i]
        end += 1
        i += 1
    if take < n:
        # The last place is kept for a byte that no line may contain, so that two halves of
        # different lines are never read as one.
        if end < size:
            buf[end] = 0xFF
            end += 1
        if take < 0:
            take = 0
        st[_OVERRUN] = (int(st[_OVERRUN]) + n - take) & _COUNTER_MASK
    st[_END] = end


def advance(st: ptr32, buf: ptr8, trie: ptr16) -> int:
    """Read on to the next line, prompt or piece of raw data; say which it was.

    Lines of the _ROW_TAG prefix that hold nothing but ints do not stop it: each is appended to
    the rows, for the caller to take before it looks at what stopped it.
    """
    pos = int(st[_POS])
    end = int(st[_END])
    lex = int(st[_LEX])
    if lex == _BEGIN:
        if int(st[_START]) != pos:
            st[_BAD] = 0  # was the last line's
        st[_START] = pos
        if int(st[_SKIP_LF]) != 0 and pos < end:
            st[_SKIP_LF] = 0
            if int(buf[pos]) == 10:
                pos += 1
                st[_POS] = pos
        if int(st[_RAW]) > 0 and pos < end:
            n = end - pos
            if n > int(st[_RAW]):
                n = int(st[_RAW])
            st[_RAW] = int(st[_RAW]) - n
            st[_TEXT_AT] = pos
            pos += n
            st[_LAST] = pos
            st[_POS] = pos
            return _DATA
    stop = int(st[_START]) + int(st[_LIMIT])
    while pos < end:
        c = int(buf[pos])
        close = 0
        if lex == _BEGIN:
            if c <= 32 or c >= 127:
                pos += 1
                if c > 32:
                    st[_BAD] = 2
                elif c == 10 or c == 13:
                    st[_BAD] = 0
                continue
            st[_START] = pos
            st[_TEXT_AT] = pos
            stop = pos + int(st[_LIMIT])
            if c == int(st[_PROMPT]):
                st[_PROMPT] = 0
                st[_BAD] = 0
                st[_START] = pos + 1
                st[_POS] = pos + 1
                st[_LEX] = _BEGIN
                return _PROMPTED
            st[_TAG] = 0
            st[_COUNT] = 0
            st[_SHAPE] = 0
            st[_NUMBERS] = 1
            st[_NODE] = _ROOT
            st[_LAST] = pos
            lex = _PREFIX
        if c == 13 or c == 10:
            if lex == _DROP:
                lex = _BEGIN
                pos += 1
                st[_START] = pos
                continue
            if lex == _PREFIX:
                # The end of the line is the last letter of words such as OK.
                node = int(st[_NODE])
                t = int(trie[node])
                if int(trie[t + 1]) == node:
                    st[_TAG] = int(trie[t]) & 0x7FFF
            elif lex == _QUOTED:
                st[_BAD] = int(st[_BAD]) | 1
                close = _TEXT
            elif lex == _BARE or lex == _AFTER:
                close = _TEXT
            elif lex == _FIELD and int(st[_COUNT]) > 0:
                close = _NOTHING
        elif pos >= stop:
            if lex != _DROP:
                st[_OVERLONG] = int(st[_OVERLONG]) + 1
                st[_BAD] = 0
                lex = _DROP
            pos += 1
            st[_START] = pos
            continue
        elif c < 32 or c >= 127:
            if lex != _DROP:
                if c != 9:
                    st[_BAD] = int(st[_BAD]) | 1
                if lex == _BARE or lex == _QUOTED:
                    st[_DIGITS] = _NAN
        elif lex == _BARE or lex == _QUOTED:
            d = c - 48
            if d >= 0 and d <= 9:
                n = int(st[_DIGITS]) + 1
                if n > _MAX_DIGITS or (lex == _BARE and int(st[_LAST]) != pos):
                    n = _NAN
                else:
                    st[_ACC] = int(st[_ACC]) * 10 + d
                st[_DIGITS] = n
                st[_LAST] = pos + 1
            elif c == 44 and lex == _BARE:
                close = _TEXT
            elif c == 34 and lex == _QUOTED:
                st[_LAST] = pos
                lex = _AFTER
            elif c != 32 or lex == _QUOTED:
                if (c == 45 or c == 43) and int(st[_AT]) == pos:
                    st[_NEGATIVE] = 1 if c == 45 else 0
                else:
                    st[_DIGITS] = _NAN
                st[_LAST] = pos + 1
        elif lex == _FIELD:
            if c == 44:
                close = _NOTHING
            elif c != 32:
                st[_DIGITS] = 0
                st[_ACC] = 0
                st[_NEGATIVE] = 0
                if c == 34:
                    st[_AT] = pos + 1
                    lex = _QUOTED
                else:
                    st[_AT] = pos
                    st[_LAST] = pos
                    lex = _BARE
                    continue
        elif lex == _PREFIX:
            node = int(st[_NODE])
            while c >= 32 and c < 127:
                t = int(trie[node]) + c + c - 62
                if c >= 96:
                    t -= 64  # letters are folded to upper case
                if int(trie[t + 1]) != node:
                    if c == 32 and int(trie[t - 1]) == node:
                        pos += 1  # a blank behind a whole word, whose end is the slot before
                        break
                    lex = _PLAIN if int(buf[int(st[_START])]) >= 48 else _NAME
                    break
                pos += 1
                node = t
                t = int(trie[t])
                if t >= _LEAF:
                    st[_TAG] = t & 0x7FFF
                    st[_TEXT_AT] = pos
                    lex = _FIELD
                    break
                if pos == end:
                    break
                c = int(buf[pos])
            st[_NODE] = node
            continue
        elif lex == _NAME:
            if c == 58:
                st[_TEXT_AT] = pos + 1
                lex = _FIELD
        elif lex == _AFTER:
            if c == 44:
                close = _TEXT
            elif c != 32:
                st[_BAD] = int(st[_BAD]) | 1
        if close != 0:
            i = int(st[_COUNT])
            st[_COUNT] = i + 1
            n = int(st[_DIGITS])
            if close == _NOTHING:
                close = 0
                st[_NUMBERS] = 0
                st[_AT] = pos
                st[_LAST] = pos
                st[_ACC] = 0
            elif n > 0 and n <= _MAX_DIGITS:
                close = _INT if lex == _BARE else _INT | _TEXT
                if int(st[_NEGATIVE]) != 0:
                    st[_ACC] = 0 - int(st[_ACC])
            else:
                st[_NUMBERS] = 0
            if i < 16:
                st[_VALUES + i] = int(st[_ACC])
                st[_STARTS + i] = int(st[_AT])
                st[_ENDS + i] = int(st[_LAST])
                if i < 15:
                    st[_SHAPE] = int(st[_SHAPE]) | (close << (i + i))
            lex = _FIELD
        pos += 1
        if c == 13 or c == 10:
            lex = _BEGIN
            n = int(st[_COUNT])
            t = int(st[_TAG])
            if t != 0 and t == int(st[_ROW_TAG]) and n > 0 and int(st[_NUMBERS]) != 0:
                i = int(st[_ROWS])
                if int(st[_BAD]) & 1 == 0 and i < _ROW_COUNT:
                    st[_BAD] = 0
                    st[_ROWS] = i + 1
                    at = _ROW0 + i * _ROW_SIZE
                    st[at] = n
                    st[at + 1] = int(st[_VALUES])
                    st[at + 2] = int(st[_VALUES + 1])
                    st[at + 3] = int(st[_VALUES + 2])
                    st[at + 4] = int(st[_VALUES + 3])
                    st[at + 5] = int(st[_VALUES + 4])
                    st[_START] = pos
                    if i + 1 < _ROW_COUNT:
                        continue
                    st[_LEX] = _BEGIN
                    st[_POS] = pos
                    return _FULL
            st[_LEX] = _BEGIN
            st[_POS] = pos
            return _LINE
    st[_LEX] = lex
    st[_POS] = pos
    if lex == _BEGIN or lex == _DROP:
        st[_START] = pos
    return _MORE


def find(buf: ptr8, start: int, end: int, table: ptr8, stride: int, first: int, count: int) -> int:
    """First slot from `first` on that holds buf[start:end]; count when none does.

    A slot is a length and so many bytes, of which stride - 1 have room.
    """
    n = end - start
    if n > stride - 1:
        n = stride - 1
    i = first
    at = first * stride
    while i < count:
        if int(table[at]) == n:
            j = 0
            while j < n and int(table[at + 1 + j]) == int(buf[start + j]):
                j += 1
            if j == n:
                return i
        at += stride
        i += 1
    return count


# Layout of `cells`, the registry's table of servers: see registry.py.
_CHANGES = const(0)
_SERVERS = const(1)
_CELL0 = const(2)
_CELL_SIZE = const(10)
_ID = const(0)
_CODE = const(1)
_SINCE_S = const(2)
_TIMER_S = const(3)
_TIMER_AT_S = const(4)

_KNOWN_CODES = const(0x9FFFF)  # bits 0..16 and 19; manual: +ULWM2MSTAT, <status>


def fold(st: ptr32, first: int, last: int, cells: ptr32, now_s: int) -> int:
    """Apply rows first..last-1 to the table of servers; return the first that needs a look.

    Applied are bootstrap and registration status (events 0 and 1, one code space) and the time
    to the next update (event 2) of servers in the table, as far as the code is known. A repeated
    code does not touch the time since when it holds.
    """
    while first < last:
        row = _ROW0 + first * _ROW_SIZE
        event = int(st[row + 1])
        server = int(st[row + 2])
        value = int(st[row + 3])
        if int(st[row]) < 3 or event < 0 or event > 2 or value < 0 or value > _COUNTER_MASK:
            return first
        left = int(cells[_SERVERS])
        cell = _CELL0
        while left > 0 and int(cells[cell + _ID]) != server:
            left -= 1
            cell += _CELL_SIZE
        if left == 0:
            return first
        if event == 2:
            cells[cell + _TIMER_S] = value
            cells[cell + _TIMER_AT_S] = now_s
        else:
            if value > 19 or (_KNOWN_CODES >> value) & 1 == 0:
                return first
            if int(cells[cell + _CODE]) != value:
                cells[cell + _CODE] = value
                cells[cell + _SINCE_S] = now_s
                cells[_CHANGES] = (int(cells[_CHANGES]) + 1) & _COUNTER_MASK
        first += 1
    return first
