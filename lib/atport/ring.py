# The bytes between the UART and the scanner: a buffer of fixed size that is filled at its end.
#
# A line is always one piece: an open line is moved to the front when the end is near. Every copy is
# made by struct.pack_into(), in C and without the heap. What the UART lost is not in the buffer:
# fill() never reads across such a place, so that the scanner can drop the line that it cuts.

import sys
from array import array
from micropython import const
from struct import pack_into

from .errors import check

_BLOCK = const(64)  # the buffer is moved in pieces of this size
_BLOCK_FORMAT = "64s"
_MASK = const(0x3FFFFFFF)  # counters wrap before they become big ints

_FIFO = const(32)  # bytes of an RP2040's UART that any() may count too
_RXBUF = const(256)  # of machine.UART on RP2040 and ESP32, if nobody asks for another

# The IDF driver of an ESP32 takes chunks of up to 120 bytes as a whole, and loses bytes when its
# buffer has no room for one. The other ports fill theirs to the last byte or the last but one.
_UNUSED = const(128) if sys.platform == "esp32" else const(1)


class Ring:
    """What was received and not read yet: up to `ring_size` bytes.

    stream: has readinto(buf, n), and any() if it is a UART; see check_stream().
    chunk_size: bytes taken at a time, at most.
    rxbuf: size in bytes of the UART's own buffer; None: MicroPython's default, if the stream has
        any(); 0: it is never full. loss_mark: so many bytes waiting in it say that behind them
        some were lost; None: what fits the port. flow: the other side waits, nothing is lost.
    Raises ValueError for sizes that cannot be.
    """

    def __init__(
        self, stream, ring_size=1024, chunk_size=128, rxbuf=None, loss_mark=None, flow=False
    ):
        check("ring_size", ring_size, 64, 1 << 15)
        check("chunk_size", chunk_size, 1, ring_size - 1)
        counts = hasattr(stream, "any")
        if rxbuf is None:
            rxbuf = _RXBUF if counts else 0
        check("rxbuf", rxbuf, 0, 1 << 20)
        if rxbuf and not counts:
            raise ValueError("rxbuf: %r, expected 0 for a stream without any()" % rxbuf)
        if loss_mark is None:
            loss_mark = max(rxbuf - _UNUSED, rxbuf // 2)
        elif not rxbuf:
            raise ValueError("loss_mark: %r, expected None without rxbuf" % (loss_mark,))
        else:
            check("loss_mark", loss_mark, 1, rxbuf)
        # One block more, as the front is reached by whole blocks only; and behind the end there
        # is room for a chunk that is copied as a whole.
        self._size = ring_size + _BLOCK
        self.buf = bytearray(self._size + chunk_size)
        view = memoryview(self.buf)
        self.blocks = tuple(view[i:] for i in range(0, self._size, _BLOCK))
        self._chunk = bytearray(chunk_size)
        self._chunk_format = "%ds" % chunk_size
        self.chunk_size = chunk_size
        self.line_room = ring_size - chunk_size  # the longest line that always fits
        self.readinto = stream.readinto
        self.any = stream.any if counts else lambda: chunk_size
        self.rxbuf = rxbuf or _MASK
        self.loss_mark = _MASK if flow or not loss_mark else loss_mark

        self.start = 0  # first byte that was not read: of the open line, once it has begun
        self.end = 0  # behind the last byte received
        self.overrun = 0  # bytes lost so far as far as is known, at least 1 each time
        # Places where the UART lost bytes, in their order: the bytes still to be read up to the
        # first, and from each to the next. When there are too many, they become one, the last.
        self.places = array("i", bytes(4 * (rxbuf // chunk_size + 4)))
        self._place_count = 0
        self._ahead = 0  # bytes still to be read up to the last place
        self._spoilt = False  # they became one: the bytes up to it are thrown away
        self._most = chunk_size  # bytes to take next: a chunk, or less up to the next place
        self.cut = False  # the end of the buffer is such a place: for the scanner, which resets it

    def fill(self):
        """Take what the stream has now, a chunk at most, and return the number of bytes.

        Passes on what the stream raises; nothing is lost then.
        """
        n = self.any()
        if n >= self.loss_mark:
            self._note_loss(n)
        if n > self._most:
            n = self._most
        n = self.readinto(self._chunk, n)
        if not n:  # None or 0: a spurious wake-up
            return 0
        end = self.end
        if self.start == end:
            self.start = end = 0
        elif end + n > self._size:
            end = self._move()
        pack_into(self._chunk_format, self.buf, end, self._chunk)
        self.end = end + n
        if self._place_count:
            self._advance(n)
        return n

    def waiting(self):
        """Whether bytes wait in the UART; never for a stream without any()."""
        return self.rxbuf < _MASK and self.any() > 0

    def crowded(self):
        """Whether half of what the UART can hold waits in it."""
        return self.any() > self.rxbuf >> 1

    def feed(self, data, first=0):
        """Take a chunk of bytes from elsewhere than the stream; return where the next one starts."""
        n = min(len(data) - first, self.chunk_size)
        if self.end + n > self._size:
            self._move()
        buf = self.buf
        while n:
            buf[self.end] = data[first]
            self.end += 1
            first += 1
            n -= 1
        return first

    def _move(self):
        # The open line goes towards the front, by whole blocks; the new end is returned.
        blocks = self.blocks
        buf = self.buf
        by = self.start // _BLOCK
        at = 0
        block = by
        while block * _BLOCK < self.end:
            pack_into(_BLOCK_FORMAT, buf, at, blocks[block])
            at += _BLOCK
            block += 1
        by *= _BLOCK
        self.start -= by
        self.end -= by
        return self.end

    # Loss

    def _note_loss(self, waiting):
        # The UART's buffer is full: behind the bytes that wait in it some were lost.
        if waiting > self.rxbuf + _FIFO:  # nobody told how large it is: it is not full
            self.loss_mark = self.rxbuf = _MASK
            return
        read = waiting - self._ahead  # since the last place was noted
        if read <= 0:
            return
        self._ahead = waiting
        places = self.places
        if self._place_count == len(places):
            self._spoilt = True
        if self._spoilt:
            self._place_count = 0
            read = waiting
        places[self._place_count] = read
        self._place_count += 1
        self._most = min(self.chunk_size, places[0])

    def _advance(self, n):
        # A chunk was taken while there are places ahead; it ends at the first or before it.
        places = self.places
        self._ahead -= n
        places[0] -= n
        if self._spoilt:
            self.end -= n
            self.overrun = (self.overrun + n) & _MASK
        if places[0] == 0:
            self.cut = True
            if not self._spoilt:
                self.overrun = (self.overrun + 1) & _MASK
            self._spoilt = False
            self._place_count -= 1
            for i in range(self._place_count):
                places[i] = places[i + 1]
        self._most = min(self.chunk_size, places[0]) if self._place_count else self.chunk_size
