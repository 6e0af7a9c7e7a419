# The port that the programs of this folder measure: a stream, and a way to have bytes sent to it.
#
# On a Pico it is UART 0 at 115200; push() prints what the host is to send (../runners.py). On the
# unix port it is a socket.

import json
import time
from binascii import hexlify

try:
    from machine import UART, Pin
except ImportError:
    UART = None

RXBUF = 1024
SERVER = 721
BYTE_MS = 10 / 115.2

_SETTLED_S = 90  # after the registration: nothing more is asked, nor (60 s) written
_writer = None


class Idle:
    """A store that keeps nothing."""

    writes_flash = False

    def load(self):
        return None

    def save(self, data):
        pass


def open_stream(flow=False):
    """The stream that push() sends to."""
    if UART is None:
        return _open_socket()
    options = {"cts": Pin(2), "rts": Pin(3), "flow": UART.CTS | UART.RTS} if flow else {}
    return UART(0, 115200, tx=Pin(0), rx=Pin(1), rxbuf=RXBUF, timeout=0, **options)


def _open_socket():
    import socket

    global _writer
    server = socket.socket()
    at = 20000 + time.ticks_us() % 20000
    while True:
        address = socket.getaddrinfo("127.0.0.1", at)[0][-1]
        try:
            server.bind(address)
            break
        except OSError:
            at += 1
    server.listen(1)
    _writer = socket.socket()
    _writer.connect(address)
    reader = server.accept()[0]
    server.close()
    reader.setblocking(False)
    return reader


def push(data, count=1):
    """Have `data` sent `count` times, back to back, in 20 ms."""
    if _writer is None:
        print("[push]", count, hexlify(data).decode())
    else:
        _writer.write(data * count)


def wait(stream, size):
    """Wait, asleep, until `size` bytes can be read."""
    if _writer is None:
        while stream.any() < size:
            time.sleep_ms(1)


def tell(result):
    """Print the result for the host."""
    print("[result] " + json.dumps(result))


def make(stream, store=None, flow=False):
    """A Lexi with its Supervisor, not started."""
    from lexi import Lexi
    from lexi.recovery.policy import DEFAULT
    from lexi.recovery.supervisor import Supervisor

    policy = dict(DEFAULT)
    policy["reenable"] = True
    lexi = Lexi(stream, rxbuf=RXBUF if UART else 0, flow=flow)
    return lexi, Supervisor(lexi, servers=(SERVER,), policy=policy, store=store or Idle())


async def ready(supervisor):
    """Wait until all is well; on the unix port nobody answers."""
    import asyncio

    if UART:
        async for _ in supervisor.events():
            if supervisor.registered(SERVER):
                break
        await asyncio.sleep(_SETTLED_S)
