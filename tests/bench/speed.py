# Speed and heap of the receive path, measured under MicroPython; prints one line of JSON.
#
# Every comparison runs both sides in turns on the same input and keeps each side's best round, so
# that a busy machine slows both. Times are microseconds per URC.

import asyncio
import gc
import io
import json
import select
import socket
import sys
import time

from lexi import Channel, Clock, Lexi, Registry, _machine, blocking
from atport.aio import Runtime as AioRuntime

STATUS = b"\r\n+ULWM2MSTAT: 1,721,3\r\n"
EVENTS = (  # the manual's examples, one of each event
    b"\r\n+ULWM2MSTAT: 0,721,2\r\n",
    STATUS,
    b"\r\n+ULWM2MSTAT: 2,721,10\r\n",
    b'\r\n+ULWM2MSTAT: 3,123,"/3300/0/5700"\r\n',
    b"\r\n+ULWM2MSTAT: 4,7\r\n",
    b"\r\n+ULWM2MSTAT: 5,2\r\n",
    b'\r\n+ULWM2MSTAT: 6,721,0,"leshan.eclipseprojects.io:5684"\r\n',
)
ROUNDS = 30
URCS = 350  # in one round: a multiple of 7, and no more than a socket buffers


def naive(stream):
    """What a driver without a library does: readline, decode, split, int."""
    seen = 0
    state = {}
    while True:
        line = stream.readline()
        if not line:
            return seen
        text = line.decode().strip()
        if text.startswith("+ULWM2MSTAT:"):
            fields = text.split(":", 1)[1].split(",")
            values = [f if '"' in f else int(f) for f in fields]
            state[values[1]] = values[-1]
            seen += 1
            if seen == URCS:
                return seen


def make(stream, prefixes=1, chunk_size=256):
    channel = Channel(stream, blocking.Runtime(stream), Clock(), chunk_size=chunk_size)
    registry = Registry(channel, blocking.Runtime(stream))
    for i in range(prefixes - 1):
        channel.on("+UX%c%c%d:" % (65 + i % 26, 65 + i // 3, i), print)
    return channel, registry


def best_us(sides):
    """Run all sides in turns; return the best round of each, in microseconds per URC."""
    best = [1e9] * len(sides)
    for _ in range(ROUNDS):
        for i, (prepare, run) in enumerate(sides):
            prepare()
            gc.collect()
            start = time.ticks_us()
            seen = run()
            took = time.ticks_diff(time.ticks_us(), start)
            if seen != URCS:
                raise RuntimeError("side %d saw %s of %d URCs" % (i, seen, URCS))
            best[i] = min(best[i], took / URCS)
    return best


def in_memory(data, idle, prefixes=(1,), chunk_size=256):
    """Ours (once for each number of prefixes) and the naive loop, on bytes in memory."""
    sides = []
    for n in prefixes:
        channel, _ = make(idle, n, chunk_size)

        def prepare(channel=channel):
            channel.stream = io.BytesIO(data)

        def run(channel=channel):
            before = channel.urcs
            while channel.pump():
                pass
            return channel.urcs - before

        sides.append((prepare, run))
    memory = [None]

    def prepare_naive():
        memory[0] = io.BytesIO(data)

    sides.append((prepare_naive, lambda: naive(memory[0])))
    return best_us(sides)


def on_socket(data, writer, reader):
    """Ours, the naive loop, ours under asyncio and asyncio's readline alone, on a socket."""
    lexi, _ = make(reader)
    poller = select.poll()
    poller.register(reader, select.POLLIN)

    def prepare():
        writer.write(data)

    def ours():
        before = lexi.urcs
        while lexi.urcs - before < URCS:
            for _ in poller.ipoll(1000):
                lexi.pump()
        return lexi.urcs - before

    def naive_nonblocking():
        reader.setblocking(True)
        try:
            seen = naive(reader)
            reader.readinto(bytearray(0))
            return seen
        finally:
            reader.setblocking(False)

    aio = Lexi(reader)

    def ours_aio():
        before = aio.channel.urcs

        def pump():
            n = aio.channel.pump()
            if aio.channel.urcs - before >= URCS:
                raise StopAsyncIteration  # all were seen
            return n

        try:
            asyncio.run(AioRuntime().read(reader, pump))
        except StopAsyncIteration:
            pass
        asyncio.new_event_loop()
        return aio.channel.urcs - before

    def readline_aio():
        async def main():
            stream = asyncio.StreamReader(reader)
            lines = 0
            while lines < 2 * URCS:  # a URC is an empty line and its text
                await stream.readline()
                lines += 1
            return lines // 2

        result = asyncio.run(main())
        asyncio.new_event_loop()
        return result

    return best_us([(prepare, f) for f in (ours, naive_nonblocking, ours_aio, readline_aio)])


def heap_per_urc(idle):
    """Bytes allocated per URC, the worst of the seven events, after each was seen once."""
    worst = 0
    channel, _ = make(idle)
    for urc in EVENTS:
        channel.feed(urc)
    gc.collect()
    gc.disable()
    for urc in EVENTS:
        before = gc.mem_alloc()
        for _ in range(100):
            channel.feed(urc)
        worst = max(worst, gc.mem_alloc() - before)
    gc.enable()
    return worst / 100


def socket_pair():
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    for port in range(41000, 42000):
        try:
            address = socket.getaddrinfo("127.0.0.1", port)[0][-1]
            server.bind(address)
            break
        except OSError:
            pass
    server.listen(1)
    writer = socket.socket()
    writer.connect(address)
    reader = server.accept()[0]
    server.close()
    reader.setblocking(False)
    return writer, reader


def main():
    writer, reader = socket_pair()
    status = STATUS * URCS
    mix = b"".join(EVENTS) * (URCS // len(EVENTS))
    result = {"native": _machine.NATIVE, "heap_per_urc": heap_per_urc(reader)}
    result["status"] = in_memory(status, reader)
    result["single"] = in_memory(status, reader, chunk_size=len(STATUS))
    result["mix"] = in_memory(mix, reader)
    result["prefixes"] = in_memory(status, reader, (5, 64))
    result["socket"] = on_socket(status, writer, reader)
    print(json.dumps(result))


main()
