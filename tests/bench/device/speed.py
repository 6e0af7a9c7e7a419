# Time and heap per URC, one URC at each wake-up, gc off; medians of rounds.
#
# First what an application without a library has, while nothing else is loaded: the naive loop
# (readline + decode + split + int into a dict) on bytes that wait in the stream, and in memory, and
# asyncio's StreamReader.readline alone. (Later all that makes a str is slower: MicroPython looks for
# it among the names of all that was loaded.) Then, in turns: ours, from pump() to the last
# subscriber with a Supervisor subscribed, and the naive loop again. At last ours as a whole turn of
# asyncio: the Runtime's reader, without its pause.

import asyncio
import gc
import io
import time

import events
import port


def run(rounds=6):
    stream = port.open_stream()
    result = {name: {} for name, _ in events.TIMED + events.OTHERS}
    state = {}

    def naive(source):
        source.readline()  # the empty line before it
        text = source.readline().decode().strip()
        fields = text.split(":", 1)[1].split(",")
        values = [f if '"' in f else int(f) for f in fields]
        if len(values) > 1:
            state[values[1]] = values[-1]
        else:
            state[0] = values[0]

    def arrive(line):
        port.push(line)
        port.wait(stream, len(line))
        return stream

    gc.disable()
    for name, lines in events.TIMED:
        gc.collect()
        sides = result[name]
        sides["naive"], sides["memory"] = in_turns(
            lines, rounds, (arrive, naive), (io.BytesIO, naive)
        )
        sides["readline"] = in_loop(readlines, stream, arrive, lines, rounds)

    gc.enable()
    lexi, _ = port.make(stream)
    channel = lexi.channel
    pump = channel.pump

    def ours(_):
        pump()

    gc.disable()
    for name, lines in events.TIMED + events.OTHERS:
        for line in lines * 2:  # they were heard before
            channel.feed(line)
        lexi.registry.settle()
        gc.collect()
        sides = result[name]
        before = channel.urcs + channel.unknown
        sides["ours"], sides["beside"] = in_turns(lines, rounds, (arrive, ours), (arrive, naive))
        if channel.urcs + channel.unknown - before != rounds:
            raise RuntimeError("%s: not served by one pump()" % name)
    for name, lines in events.TIMED:
        for line in lines * 2:  # a restart was among the others
            channel.feed(line)
        lexi.registry.settle()
        gc.collect()
        result[name]["aio"] = in_loop(read, channel, arrive, lines, rounds)
    port.tell(result)


class Turns:
    """Times of several turns, and the most heap that one took."""

    def __init__(self):
        self._us = []
        self._heap = 0
        self._before = self._start = 0

    def begin(self):
        self._before = gc.mem_alloc()
        self._start = time.ticks_us()

    def end(self):
        us = time.ticks_diff(time.ticks_us(), self._start)
        self._heap = max(self._heap, gc.mem_alloc() - self._before)
        self._us.append(us)

    def result(self):
        return {"us": sorted(self._us)[len(self._us) // 2], "heap": self._heap}


def in_turns(lines, rounds, *sides):
    """Time the sides, pairs of prepare(line) and run(what prepare returned), in turns."""
    turns = [Turns() for _ in sides]
    for i in range(rounds):
        for each, (prepare, side) in zip(turns, sides):
            source = prepare(lines[i % len(lines)])
            each.begin()
            side(source)
            each.end()
    return [each.result() for each in turns]


class Done(Exception):
    pass


def in_loop(read, source, arrive, lines, rounds):
    """Time the turns of asyncio's loop in which read(source, turn) takes a line and calls turn()."""
    turns = Turns()
    left = [lines[i % len(lines)] for i in range(rounds + 1)]

    def turn():
        if len(left) <= rounds:
            turns.end()
        if not left:
            raise Done
        arrive(left.pop())
        turns.begin()

    turn()
    try:
        asyncio.run(read(source, turn))
    except Done:
        pass
    return turns.result()


async def readlines(stream, turn):
    reader = asyncio.StreamReader(stream)
    while True:
        if len(await reader.readline()) > 2:
            turn()


def read(channel, turn):
    from atport.aio import Runtime

    return Runtime(line_ms=0).read(TimedChannel(channel, turn))


class TimedChannel:
    """A Channel as the Runtime's reader sees it: a turn ends when nothing is left."""

    def __init__(self, channel, turn):
        self.stream = channel.stream
        self.crowded = channel.crowded
        self.left = False
        self._channel = channel
        self._turn = turn

    def pump(self):
        n = self._channel.pump()
        self.left = self._channel.left
        if n and not self.left:
            self._turn()
        return n
