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
        self.again = False  # a request that was served before; whoever receives it says so
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

    def bytes(self, at=-1, n=0):
        """Return the option's value, or n bytes from `at`."""
        if at < 0:
            at = self.option_at
            n = self.option_n
        return bytes(self.buf[at : at + n])

    def _take(self, number):
        # One option of a request. A value that is too long counts as not understood.
        at = self.option_at
        n = self.option_n
        if number == _URI_PATH:
            # An id has no sign and no zeros before it.
            value = -1 if not 0 < n < 6 or (n > 1 and self.buf[at] == 48) else 0
            for i in range(at, at + n):
                digit = self.buf[i] - 48
                value = value * 10 + digit if value >= 0 and 0 <= digit <= 9 else -1
            if not 0 <= value <= _MOST_ID or self.depth == 4:
                self.odd_path = True
            else:
                self.path[self.depth] = value
                self.depth += 1
        elif number == _OBSERVE:
            self.observe = self.uint()
        elif number == _CONTENT_FORMAT and n < 3:
            self.content_format = self.uint()
        elif number == _ACCEPT and n < 3:
            self.accept = self.uint()
        elif number == _BLOCK1 and n < 4:
            self.block1 = self.uint()
        elif number == _BLOCK2 and n < 4:
            self.block2 = self.uint()
        elif number == _PROXY_URI or number == _PROXY_SCHEME:
            self.odd = _PROXY_UNSUPPORTED
        elif number == _CONTENT_FORMAT or (
            number & 1 and number not in (_URI_HOST, _URI_PORT, _URI_QUERY)
        ):
            self.odd = _BAD_OPTION


class Writer:
    """Builds a message in `buf`. What does not fit is an IndexError; `n` is what is written."""

    def __init__(self, buf):
        self.buf = buf
        self.n = 0
        self.option_number = 0  # of the latest one; to be reset with `n`

    def start(self, kind, code, mid, token=b"", at=0, token_n=-1):
        """Begin a message; the token is token_n bytes of `token` from `at`, or all of it."""
        if token_n < 0:
            token_n = len(token)
        buf = self.buf
        buf[0] = 64 | kind << 4 | token_n
        buf[1] = code
        buf[2] = mid >> 8
        buf[3] = mid & 255
        for i in range(token_n):
            buf[4 + i] = token[at + i]
        self.n = 4 + token_n
        self.option_number = 0

    def put(self, value):
        """Append bytes."""
        buf = self.buf
        at = self.n
        for byte in value:
            buf[at] = byte
            at += 1
        self.n = at

    def option(self, number, value):
        """Append an option: bytes, or a number below 2**24. In the order of numbers."""
        buf = self.buf
        is_number = isinstance(value, int)
        if is_number:
            size = 0 if not value else 1 if value < 256 else 2 if value < 65536 else 3
        else:
            size = len(value)
        # Both parts in a nibble each and the bytes that follow them, RFC 7252 3.1.
        first = self.n
        at = first + 1
        buf[first] = 0
        part = number - self.option_number
        self.option_number = number
        for shift in (4, 0):
            if part < 13:
                buf[first] |= part << shift
            else:
                buf[first] |= (13 if part < 269 else 14) << shift
                if part >= 269:
                    buf[at] = (part - 269) >> 8
                    at += 1
                buf[at] = (part - 13 if part < 269 else part - 269) & 255
                at += 1
            part = size
        self.n = at
        if not is_number:
            self.put(value)
        else:
            self.n = at + size
            while size:
                size -= 1
                buf[at] = value >> 8 * size & 255
                at += 1

    def mark(self):
        """Begin the payload; return where it is."""
        self.buf[self.n] = _MARKER
        self.n += 1
        return self.n
