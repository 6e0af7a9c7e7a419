# Time and heap of importing and constructing everything up to the Supervisor, step by step.
#
# `taken`: so many bytes the application has taken before. On the WebAssembly port ../heap.mjs does
# the steps and measures, as garbage is collected between its calls only.

import gc
import io
import time

import micropython
import port

_ONS = 16

_ASYNCIO = """
import asyncio
for name in ("Lock", "StreamReader", "wait_for_ms"):
    getattr(asyncio, name, None)
"""
_SUPERVISOR = """
supervisor = lexi.recovery.supervisor.Supervisor(node, servers=(721,), store=port.Idle(), random=first)
"""

STEPS = (
    ("import asyncio", _ASYNCIO),
    ("import atport", "import atport.channel, atport.aio"),
    ("import lexi", "import lexi.facade"),
    ("UART()", "stream = open_stream()"),
    ("Lexi()", "node = lexi.facade.Lexi(stream, rxbuf=1024)"),
    ("import supervisor", "import lexi.recovery.supervisor"),
    ("Supervisor()", _SUPERVISOR),
    ("%d x on()" % _ONS, "register(node)"),
)


class Silent(io.IOBase):
    """Stands for the UART where there is none."""

    def any(self):
        return 0

    def readinto(self, buf, n=0):
        return None

    def write(self, data):
        return len(data)

    def ioctl(self, request, arg):
        return 0


def first(n):
    """Stands for os.urandom(), which is not everywhere."""
    return 0


def register(node):
    """One more handler for each of some prefixes."""
    for name in space["names"]:
        node.channel.on(name, print)


space = {
    "first": first,
    "register": register,
    "port": port,
    "open_stream": port.open_stream if port.UART else Silent,
    "names": ["+UX%c%c:" % (65 + i, 70 + i) for i in range(_ONS)],
}


def do(i):
    """One step."""
    exec(STEPS[i][1], space)


def used():
    gc.collect()
    return gc.mem_alloc()


def run(taken=0):
    block = bytearray(taken)
    result = []
    before = used()
    for i, (name, _) in enumerate(STEPS):
        start = time.ticks_us()
        do(i)
        us = time.ticks_diff(time.ticks_us(), start)
        after = used()
        result.append((name, after - before, us / 1000))
        before = after
    if port.UART:
        micropython.mem_info()  # for the host, which reads the largest free block
    port.tell(result)
    return block
