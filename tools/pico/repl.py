"""The virtual Pico's console as a tty, for mpremote and the like.

Emulated time then follows real time, as far as this PC can keep up: who looks at the tty waits in
real time.
"""

import contextlib
import os
import pty
import select
import time
import tty

_SLICE_S = 0.02  # emulated, between two looks at the tty; a busy board takes longer for it
_CHUNK = 4096


class Repl:
    """A tty; what is written to it goes to a board, what the board prints comes out of it."""

    def __init__(self):
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.path = os.ttyname(self._slave)

    def close(self):
        """Close the tty."""
        os.close(self._master)
        os.close(self._slave)

    def printed(self, data):
        """Take what the board printed. With nobody at the tty what it cannot hold is lost."""
        with contextlib.suppress(BlockingIOError):
            while data:
                data = data[os.write(self._master, data) :]

    def run(self, board, until_s=float("inf"), speed=1.0):
        """Let the board run, not faster than `speed` times real time. Raises BoardError."""
        begun_s = time.monotonic() - board.now_s / speed
        while board.now_s < until_s:
            ahead_s = begun_s + board.now_s / speed - time.monotonic()
            if ahead_s < 0:
                begun_s -= ahead_s  # what this PC cannot keep up with is not made up for
            if select.select([self._master], [], [], max(0.0, ahead_s))[0]:
                board.type(os.read(self._master, _CHUNK))
            board.run(min(board.now_s + _SLICE_S, until_s))
