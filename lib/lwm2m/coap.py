# CoAP messages (RFC 7252) in buffers of fixed size: Message reads one in place, Writer builds one.
#
# Nothing here sends, waits or answers: reliable.py does. Nothing is allocated for what arrives, but
# for text that somebody asks for.

from micropython import const

# What Message.parse() says.
_OK = const(0)
_IGNORE = const(-1)  # not a message of CoAP version 1: RFC 7252 3
_RESET = const(-2)  # format error: answered with RST if it is a CON, RFC 7252 4.2

# Option numbers, RFC 7252 5.10, RFC 7641 2, RFC 7959 2.1
_URI_HOST = const(3)
_OBSERVE = const(6)
_URI_PORT = const(7)
_URI_PATH = const(11)
_CONTENT_FORMAT = const(12)
_URI_QUERY = const(15)
_ACCEPT = const(17)
_BLOCK2 = const(23)
_BLOCK1 = const(27)
_PROXY_URI = const(35)
_PROXY_SCHEME = const(39)

_BAD_OPTION = const(0x82)
_PROXY_UNSUPPORTED = const(0xA5)

_MARKER = const(0xFF)
_MOST_OPTION = const(65535)
_MOST_ID = const(65534)  # of objects, instances and resources; 65535 is reserved


class Message:
    """A datagram in `buf`, taken apart by parse() without copies.

    type: 0 CON, 1 NON, 2 ACK, 3 RST. code: class << 5 | detail. Options that a request may have:
    observe, content_format, accept, block1, block2 (-1: not there), path (four ids) with depth;
    odd: the code to answer with because of an option that is critical and not understood, else 0.
    A path that is not of ids, or longer than four, has odd_path set.
    """

    def __init__(self, buf):
        self.buf = buf
        self.path = [0, 0, 0, 0]
        self.n = 0  # bytes of the datagram
        self.payload = 0  # where the payload begins; n when there is none
        self.option_at = 0  # the value of the option that more() went to
        self.option_n = 0
        self.option = 0  # its number
        self._next = 0
        self._broken = False

    def parse(self, n):
        """Read the datagram of n bytes; return 0, -1 (ignore it) or -2 (a format error)."""
        buf = self.buf
        if n < 4 or buf[0] >> 6 != 1:
            return _IGNORE
        self.n = n
        self.type = buf[0] >> 4 & 3
        self.token_n = buf[0] & 15
        self.code = buf[1]
        self.mid = buf[2] << 8 | buf[3]
        self.observe = self.content_format = self.accept = self.block1 = self.block2 = -1
        self.depth = self.odd = 0
        self.odd_path = False
        if self.code == 0:
            return _OK if n == 4 and not self.token_n else _RESET
        if self.token_n > 8 or 4 + self.token_n > n or (self.code >> 5) in (1, 6, 7):
            return _RESET
        self.rewind()
        while self.more():
            if self.code < 32:
                self._take(self.option)
        return _RESET if self._broken else _OK

    def rewind(self):
        """Have more() begin at the first option."""
        self._next = 4 + self.token_n
        self.option = 0

    def more(self):
        """Go to the next option: option, option_at, option_n. False: there is none."""
        buf = self.buf
        at = self._next
        n = self.n
        self.payload = n
        if at >= n:
            return False
        size = buf[at]
        at += 1
        if size == _MARKER:
            self.payload = at
            self._broken = at == n
            return False
        delta = size >> 4
        size &= 15
        self._broken = size == 15 or delta == 15
        try:
            if delta == 13:
                delta = buf[at] + 13
                at += 1
            elif delta == 14:
                delta = (buf[at] << 8 | buf[at + 1]) + 269
                at += 2
            if size == 13:
                size = buf[at] + 13
                at += 1
            elif size == 14:
                size = (buf[at] << 8 | buf[at + 1]) + 269
                at += 2
        except IndexError:
            size = n
        self.option += delta
        if at + size > n or self.option > _MOST_OPTION:
            self._broken = True
        self.option_at = at
        self.option_n = size
        self._next = at + size
        return not self._broken

    def uint(self):
        """Return the option's value as a number; -1 when it is longer than three bytes."""
        if self.option_n > 3:
            return -1
        value = 0
        for i in range(self.option_at, self.option_at + self.option_n):
            value = value << 8 | self.buf[i]
        return value

    def bytes(self):
        """Return the option's value."""
        return bytes(self.buf[self.option_at : self.option_at + self.option_n])

    def token(self):
        """Return the token."""
        return bytes(self.buf[4 : 4 + self.token_n])

    def _take(self, number):
        # One option of a request.
        if number == _URI_PATH:
            i = self._id()
            if i < 0 or self.depth == 4:
                self.odd_path = True
            else:
                self.path[self.depth] = i
                self.depth += 1
        elif number == _OBSERVE:
            self.observe = self.uint()
        elif number == _CONTENT_FORMAT:
            self.content_format = self._sized(2)
        elif number == _ACCEPT:
            self.accept = self._sized(2)
        elif number == _BLOCK1:
            self.block1 = self._sized(3)
        elif number == _BLOCK2:
            self.block2 = self._sized(3)
        elif number == _PROXY_URI or number == _PROXY_SCHEME:
            self.odd = _PROXY_UNSUPPORTED
        elif number & 1 and number not in (_URI_HOST, _URI_PORT, _URI_QUERY):
            self.odd = _BAD_OPTION

    def _sized(self, most):
        # A number of at most so many bytes. What is longer counts as not understood.
        if self.option_n > most:
            self.odd = _BAD_OPTION
        return self.uint()

    def _id(self):
        # The id that a segment of the path is; -1 when it is something else.
        buf = self.buf
        at = self.option_at
        n = self.option_n
        if not 0 < n < 6 or (n > 1 and buf[at] == 48):
            return -1
        value = 0
        for i in range(at, at + n):
            digit = buf[i] - 48
            if not 0 <= digit <= 9:
                return -1
            value = value * 10 + digit
        return value if value <= _MOST_ID else -1


class Writer:
    """Builds a message in `buf`. What does not fit is an IndexError; `n` is what is written."""

    def __init__(self, buf):
        self.buf = buf
        self.n = 0
        self._option = 0

    def start(self, kind, code, mid, token=b"", at=0, token_n=-1):
        """Begin a message; the token is token_n bytes of `token` from `at`, or all of it."""
        if token_n < 0:
            token_n = len(token)
        buf = self.buf
        buf[0] = 64 | kind << 4 | token_n
        buf[1] = code
        self.renumber(mid)
        for i in range(token_n):
            buf[4 + i] = token[at + i]
        self.n = 4 + token_n
        self._option = 0

    def rewind(self):
        """Have the next option be the first one; `n` is set to the end of the token before."""
        self._option = 0

    def renumber(self, mid):
        """Give the message another id."""
        self.buf[2] = mid >> 8
        self.buf[3] = mid & 255

    def put(self, value):
        """Append bytes."""
        buf = self.buf
        at = self.n
        for byte in value:
            buf[at] = byte
            at += 1
        self.n = at

    def option(self, number, value):
        """Append an option; in the order of numbers."""
        self._head(number, len(value))
        self.put(value)

    def uint(self, number, value):
        """Append an option whose value is a number below 2**24."""
        size = 0 if not value else 1 if value < 256 else 2 if value < 65536 else 3
        self._head(number, size)
        while size:
            size -= 1
            self.buf[self.n] = value >> 8 * size & 255
            self.n += 1

    def mark(self):
        """Begin the payload; return where it is."""
        self.buf[self.n] = _MARKER
        self.n += 1
        return self.n

    def _head(self, number, size):
        delta = number - self._option
        self._option = number
        at = self.n
        self.n = at + 1
        self.buf[at] = self._nibble(delta) << 4 | self._nibble(size)
        self._extend(delta)
        self._extend(size)

    def _nibble(self, value):
        return value if value < 13 else 13 if value < 269 else 14

    def _extend(self, value):
        if value >= 269:
            self.buf[self.n] = (value - 269) >> 8
            self.buf[self.n + 1] = (value - 269) & 255
            self.n += 2
        elif value >= 13:
            self.buf[self.n] = value - 13
            self.n += 1
