"""The serial line: 10 bits per byte in both directions, and the faults a line can have.

A byte counts as sent or received when its stop bit has ended. Times are real seconds.
"""

from collections import deque

_BITS_PER_BYTE = 10
_TOLERANCE_S = 1e-7  # of a time after years; a byte at 921600 bit/s takes 1e-5

# What a piece of output is. After a final code or a URC the host owes a pause.
ECHO = "echo"
TEXT = "text"
FINAL = "final"
URC = "urc"
NOISE = "noise"
_ASKS_FOR_GAP = (FINAL, URC)


def byte_s(baud):
    """Seconds one byte is on the wire; 0 for an unpaced line."""
    return _BITS_PER_BYTE / baud if baud else 0.0


class _Piece:
    def __init__(self, data, start_s, each_s):
        self.data = data
        self.start_s = start_s
        self.each_s = each_s
        self.sent = 0

    def end_of(self, count):
        """Real time when `count` bytes are out."""
        return self.start_s + count * self.each_s

    def complete_by(self, now_s):
        """How many bytes are out at `now_s`."""
        since_s = now_s - self.start_s + _TOLERANCE_S
        if since_s < 0:
            return 0
        if not self.each_s:
            return len(self.data)
        return min(len(self.data), int(since_s / self.each_s))


class Transmitter:
    """Module to host: a queue of bytes that leave at the baud rate, through the faults."""

    def __init__(self, baud, log):
        self.each_s = byte_s(baud)
        self.muted = False
        self.drop_next = 0
        self.duplicate_next = 0
        self.split_next = None  # (pieces, real pause_s) for the next URC
        self.gap_owed_from_s = dict.fromkeys(_ASKS_FOR_GAP)  # end of the latest of each kind
        self._log = log
        self._queue = deque()
        self._free_s = 0.0
        self._out = bytearray()

    def send(self, data, kind, now_s):
        """Queue bytes; returns the real time when the last of them will be out."""
        if self.muted:
            return now_s
        if kind == URC and self.split_next is not None:
            (pieces, pause_s), self.split_next = self.split_next, None
            end_s = self._send_split(data, pieces, pause_s, now_s)
        else:
            end_s = self._queue_piece(data, now_s)
        if kind in _ASKS_FOR_GAP:
            self.gap_owed_from_s[kind] = end_s
        return end_s

    def _send_split(self, data, pieces, pause_s, now_s):
        size = -(-len(data) // min(pieces, len(data)))
        end_s = now_s
        for start in range(0, len(data), size):
            earliest_s = end_s + pause_s if start else now_s
            end_s = self._queue_piece(data[start : start + size], earliest_s)
        return end_s

    def _queue_piece(self, data, earliest_s):
        start_s = max(earliest_s, self._free_s)
        piece = _Piece(self._with_faults(data), start_s, self.each_s)
        self._free_s = piece.end_of(len(piece.data))
        if piece.data:
            self._queue.append(piece)
        return self._free_s

    def _with_faults(self, data):
        if not self.drop_next and not self.duplicate_next:
            return data
        dropped = min(self.drop_next, len(data))
        self.drop_next -= dropped
        kept = data[dropped:]
        twice = min(self.duplicate_next, len(kept))
        self.duplicate_next -= twice
        return bytes(byte for byte in kept[:twice] for _ in range(2)) + kept[twice:]

    def settle(self, now_s):
        """Move the bytes that are out by `now_s` to the output."""
        while self._queue:
            piece = self._queue[0]
            count = piece.complete_by(now_s)
            self._out += piece.data[piece.sent : count]
            piece.sent = count
            if count < len(piece.data):
                return
            self._log.data("tx", piece.start_s, piece.end_of(count), piece.data)
            self._queue.popleft()

    def take(self, now_s):
        """Return the bytes that became complete until `now_s`."""
        self.settle(now_s)
        data = bytes(self._out)
        self._out.clear()
        return data

    def cut(self, now_s):
        """The module stops in the middle: what is not out by `now_s` never will be."""
        self.settle(now_s)
        if self._queue:
            piece = self._queue[0]
            if piece.sent:
                sent = piece.data[: piece.sent]
                self._log.data("tx", piece.start_s, piece.end_of(piece.sent), sent)
        self._queue.clear()
        self._free_s = now_s
        self.gap_owed_from_s = dict.fromkeys(_ASKS_FOR_GAP)

    def next_s(self):
        """Return the real time when the next byte is out, or None."""
        if self._out:
            return 0.0
        if not self._queue:
            return None
        return self._queue[0].end_of(self._queue[0].sent + 1)


class Receiver:
    """Host to module: bytes that were written at once still arrive at the baud rate."""

    def __init__(self, baud, log):
        self.each_s = byte_s(baud)
        self._log = log
        self._queue = deque()
        self._free_s = 0.0

    def feed(self, data, now_s):
        """The host writes `data` at `now_s`."""
        first_s = max(now_s, self._free_s)
        for index, byte in enumerate(data):
            start_s = first_s + index * self.each_s
            self._queue.append((start_s, start_s + self.each_s, byte))
        self._free_s = first_s + len(data) * self.each_s
        self._log.data("rx", first_s, self._free_s, data)

    def due(self, now_s):
        """Return whether a byte has arrived by `now_s`."""
        return bool(self._queue) and self._queue[0][1] <= now_s

    def next_s(self):
        """Return the real time when the next byte has arrived, or None."""
        return self._queue[0][1] if self._queue else None

    def pop(self):
        """Return (start_s, end_s, byte) of the next byte."""
        return self._queue.popleft()
