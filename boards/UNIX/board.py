# A PC: the module, or its simulation, behind a tty. LEXI_UART names it, such as /dev/ttyUSB0.

import os
import termios
from micropython import const

_CC = const(6)  # index of the control characters in tcgetattr()
_VTIME = const(5)
_VMIN = const(6)

# reboot_wait_s is short: the simulated module is back sooner than a real one's 15 s.
OPTIONS = {"max_servers": 8, "reboot_wait_s": 1}


def open_uart():
    path = os.getenv("LEXI_UART")
    if not path:
        raise ValueError("LEXI_UART: not set, expected the path of a tty")
    try:
        stream = open(path, "r+b", 0)
        fd = stream.fileno()
        termios.setraw(fd)
    except OSError as e:
        raise ValueError("LEXI_UART: %r, expected the path of a tty (%s)" % (path, e))
    attributes = termios.tcgetattr(fd)
    attributes[_CC][_VMIN] = attributes[_CC][_VTIME] = 0  # read what is there, never block
    termios.tcsetattr(fd, termios.TCSANOW, attributes)
    return stream
