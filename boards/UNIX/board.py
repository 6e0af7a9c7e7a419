# A PC: the module, or its simulation, behind a tty. The environment says which:
#   LEXI_UART   its path, such as /dev/ttyUSB0
#   LEXI_SPEED  how fast the clock runs, for a simulated module of the same --speed
#   LEXI_PINS   port of the simulation's --control, which then is PWR_ON, RESET_N and V_INT
#   LEXI_STORE  file for what must survive a restart

import asyncio
import json
import os
import socket
import termios
import time
from micropython import const

from atport.aio import Runtime, Signal
from atport.clock import Clock
from lexi.power import Power
from lexi.recovery.store import FileStore

_CC = const(6)  # index of the control characters in tcgetattr()
_VTIME = const(5)
_VMIN = const(6)
_SPEED = int(os.getenv("LEXI_SPEED") or 1)  # for asyncio only


def _ticks():
    return time.ticks_ms() * _SPEED  # 62 bits wide here: no wrap-around to care for


def _hold(ms):
    time.sleep_ms(ms // _SPEED + 1)


def _sleep_ms(ms):
    return asyncio.sleep_ms(ms // _SPEED + 1)  # never shorter than asked for


class _Signal(Signal):
    async def wait_ms(self, ms):
        await Signal.wait_ms(self, max(1, ms // _SPEED))


class _Runtime(Runtime):
    signal = _Signal
    sleep_ms = staticmethod(_sleep_ms)


def _ask(text):
    # One line to the simulation's control port, one line back.
    s = socket.socket()
    s.connect(socket.getaddrinfo("127.0.0.1", int(os.getenv("LEXI_PINS")))[0][-1])
    s.write(text + "\n")
    answer = s.readline()
    s.close()
    return answer


def _pin(name):
    return lambda level: _ask(name + (" high" if level else " low"))


def _v_int():
    return json.loads(_ask("state"))["v_int"]


def open_power():
    if not os.getenv("LEXI_PINS"):
        return Power()
    return Power(_pin("pwr_on"), _pin("reset_n"), _v_int, hold=_hold)


def read_sensor():
    """A made-up temperature, in degrees Celsius: it goes up and down between 20 and 25."""
    global _readings
    _readings += 1
    return 20 + abs(_readings % 20 - 10) / 2


_readings = 9

# Both are short: a simulated module is back soon, and one that falls silent is to be noticed.
# flow: a PC loses nothing while it writes a file. match_flow: but its tty may have three wires.
OPTIONS = {"reboot_wait_s": 1, "silence_s": 300, "flow": True, "match_flow": False}
if _SPEED != 1:  # for asyncio only
    OPTIONS["runtime"] = _Runtime()
    OPTIONS["clock"] = Clock(_ticks)
POWER = open_power()
SUPERVISOR = POWER.options()
SUPERVISOR["store"] = FileStore(os.getenv("LEXI_STORE") or "lexi.bud")


_uart = None


def open_uart():
    """The same stream each time, as on a board: a newer Lexi takes it over."""
    global _uart
    _uart = _uart or _open()
    return _uart


def _open():
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
