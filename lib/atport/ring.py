# Fixed byte ring between the UART and the scanner.
#
# The buffer is filled at its end and read in place; what is unread slides to the front when the
# end is reached, so a line is always one contiguous piece. It never grows: what does not fit is
# dropped and counted, and the joint is marked with 0xFF, which no line may contain.

from array import array
from micropython import const

from ._machine import append
from .errors import check

# Layout of `state`: see _native.py.
_POS = const(1)
_END = const(2)
_SIZE = const(3)
_OVERRUN = const(19)
_BYTES = const(21)
_STATE_SIZE = const(74 + 16 * 6)


class Ring:
    """Fixed buffer of `ring_size` bytes, filled by at most `chunk_size` bytes at a time.

    Raises ValueError when the ring is under 64 bytes, or the chunk not smaller than it.
    """

    def __init__(self, ring_size=1024, chunk_size=256):
        check("ring_size", ring_size, 64, 1 << 20)
        check("chunk_size", chunk_size, 1, ring_size - 1)
        self.data = bytearray(ring_size)
        self.state = array("i", bytes(4 * _STATE_SIZE))
        self.state[_SIZE] = ring_size
        self._chunk = bytearray(chunk_size)

    def fill(self, stream, most=0):
        """Take what `stream.readinto()` has now, one chunk and `most` bytes at most.

        Returns the bytes taken; 0 for `most` is no limit.
        """
        chunk = self._chunk
        if 0 < most < len(chunk):
            n = stream.readinto(chunk, most)
        else:
            n = stream.readinto(chunk)
        if not n:  # None or 0: a spurious wake-up
            return 0
        append(self.state, self.data, chunk, min(n, len(chunk)))
        return n

    def feed(self, data):
        """Take bytes from elsewhere than a stream, such as a test or another driver."""
        append(self.state, self.data, data, len(data))

    def mark_loss(self):
        """Count a byte that was lost before it got here, and let no line be read across it."""
        self.state[_OVERRUN] = (self.state[_OVERRUN] + 1) & 0x3FFFFFFF
        self.feed(b"\xff")

    def __len__(self):
        """Bytes that the scanner has not looked at yet."""
        return self.state[_END] - self.state[_POS]

    @property
    def received(self):
        """Bytes offered so far, dropped ones included; wraps at 2**30."""
        return self.state[_BYTES]

    @property
    def overrun(self):
        """Bytes dropped because the buffer was full; wraps at 2**30."""
        return self.state[_OVERRUN]
