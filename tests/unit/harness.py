# What the unit tests share: a scripted module on a fake stream, a fake clock, and both ways to
# run coroutines on them, so that no test sleeps.

import asyncio
import gc
import io
import time

import micropython

from atport.aio import Runtime as AioRuntime
from atport.blocking import serve
from atport.clock import Clock
from lexi import Lexi, blocking

PROOF = b"AT+CMEE?"  # what is asked to be sure that no late answer can follow
PROOF_TEXT = b"\r\n+CMEE: 0\r\n"

_POLL = 3  # MP_STREAM_POLL
_POLLIN = 1
_POLLOUT = 4


class FakeTicks:
    """Stands for time.ticks_ms: `ms` moves only when a test, or a wait, moves it.

    It starts ahead of the real clock, from which asyncio's queue (in C) takes the time at which
    a task became ready: that must not lie in the future.
    """

    def __init__(self):
        self.ms = time.ticks_add(time.ticks_ms(), 1000000)

    def __call__(self):
        return time.ticks_add(self.ms, 0)

    def sleep_ms(self, ms):
        """Stands for time.sleep_ms."""
        self.ms += ms


class FakeStream(io.IOBase):
    """A UART whose other end is a script.

    answers: {command as bytes: bytes to send, or a list of them used one by one, or a function
    of the command}. A command without an entry gets `default`. send(data, after_ms) puts bytes
    on the line later. `commands` lists the command lines received, `sent_ms` when each ended,
    `written` every byte; with `payload_size` set, so many bytes are taken as data (`payload`,
    which began at `payload_ms`) and then the entry b"payload" is the answer.
    """

    def __init__(self, ticks=None, answers=None, default=b"\r\nOK\r\n"):
        self.ticks = ticks or FakeTicks()
        self.answers = answers or {}
        self.default = default
        self.commands = []
        self.sent_ms = []
        self.written = b""
        self.payload = b""
        self.payload_size = 0
        self.payload_ms = None
        self.piece = None  # readinto() gives at most so many bytes
        self.spurious = 0  # so many times readinto() says None although poll said readable
        self._line = b""
        self._now = b""
        self._later = []  # (ms, data), in the order of time

    def send(self, data, after_ms=0):
        at_ms = self.ticks.ms + after_ms
        i = len(self._later)
        while i and self._later[i - 1][0] > at_ms:
            i -= 1
        self._later.insert(i, (at_ms, data))

    def forget(self):
        """Keep nothing of what was received so far: long lists leave no room in the heap."""
        self.commands = []
        self.sent_ms = []
        self.written = b""

    def due(self):
        """Milliseconds until there is something to read; None when nothing is scheduled."""
        self._arrive()
        if self._now or self.spurious:
            return 0
        return self._later[0][0] - self.ticks.ms if self._later else None

    def _arrive(self):
        while self._later and self._later[0][0] <= self.ticks.ms:
            self._now += self._later.pop(0)[1]

    def readinto(self, buf, n=None):
        self._arrive()
        if self.spurious:
            self.spurious -= 1
            return None
        n = min(n or len(buf), len(self._now), self.piece or len(buf))
        if n == 0:
            return None
        buf[:n] = self._now[:n]
        self._now = self._now[n:]
        return n

    def write(self, data):
        data = bytes(data)
        self.written += data
        for i in range(len(data)):
            if self.payload_size:
                if not self.payload:
                    self.payload_ms = self.ticks.ms
                self.payload += data[i : i + 1]
                self.payload_size -= 1
                if not self.payload_size:
                    self._answer(b"payload")
            elif data[i] == 13:
                line, self._line = self._line, b""
                self.commands.append(line)
                self.sent_ms.append(self.ticks.ms)
                self._answer(line)
            else:
                self._line += data[i : i + 1]
        return len(data)

    def _answer(self, line):
        told = line == PROOF and PROOF not in self.answers  # as AT, with its text before
        answer = self.answers.get(b"AT" if told else line, self.default)
        if isinstance(answer, list):
            answer = answer.pop(0) if answer else self.default
        if callable(answer):
            answer = answer(line)
        if told and answer and answer.endswith(b"OK\r\n"):
            answer = PROOF_TEXT + answer
        if answer:
            self.send(answer)

    def ioctl(self, request, arg):
        if request == _POLL:
            return (_POLLIN if self.due() == 0 else 0) | (arg & _POLLOUT)
        return -22  # EINVAL: there is no file descriptor behind it


class FakeRuntime(blocking.Runtime):
    """blocking.Runtime on the fake clock: waiting moves the clock to the next byte."""

    def __init__(self, stream):
        super().__init__(stream, stream.ticks)
        self._stream = stream

    def poll(self, channel, ms):
        due = self._stream.due()
        if due is None or due > ms:
            self._stream.ticks.ms += ms
        else:
            self._stream.ticks.ms += due
            if not serve(channel):
                self._stream.ticks.ms += 10


def make_lexi(stream, **options):
    """A blocking Lexi on a FakeStream and its clock."""
    options.setdefault("flow", True)
    return blocking.Lexi(stream, runtime=FakeRuntime(stream), clock=Clock(stream.ticks), **options)


class _FakeIOQueue:
    # Replaces asyncio's: a task that waits for a FakeStream is woken when bytes are due, and
    # when nobody can run the clock moves on.
    def __init__(self, stream):
        self._stream = stream
        self._reader = None

    def queue_read(self, s):
        self._reader = asyncio.core.cur_task
        asyncio.core.cur_task.data = self

    def queue_write(self, s):
        raise NotImplementedError

    def remove(self, task):
        if self._reader is task:
            self._reader = None

    def wait_io_event(self, dt):
        due = self._stream.due() if self._reader else None
        if due is not None and (dt < 0 or due <= dt):
            self._stream.ticks.ms += due
            asyncio.core._task_queue.push(self._reader)
            self._reader = None
        elif dt < 0:
            raise RuntimeError("deadlock: every task waits and nothing is scheduled")
        else:
            self._stream.ticks.ms += dt


def run_asyncio(coro, stream):
    """asyncio.run() on the clock of a FakeStream: no real time passes."""
    core = asyncio.core
    asyncio.new_event_loop()
    saved = core.ticks, core._io_queue
    core.ticks = stream.ticks
    core._io_queue = _FakeIOQueue(stream)
    try:
        return core.run_until_complete(core.create_task(coro))
    finally:
        core.ticks, core._io_queue = saved
        asyncio.new_event_loop()


def make_aio_lexi(stream, **options):
    """An asyncio Lexi on a FakeStream and its clock; run it with run_asyncio()."""
    options.setdefault("flow", True)
    return Lexi(stream, runtime=AioRuntime(0), clock=Clock(stream.ticks), **options)


class BlockingPort:
    """A blocking Lexi on `stream`; its `channel` is the Channel itself."""

    name = "blocking"

    def __init__(self, stream, **options):
        self.stream = stream
        self.lexi = make_lexi(stream, **options)
        self.channel = self.lexi._target.channel

    def run(self, coro):
        return self.lexi.run(coro)

    def command(self, *args, **kwargs):
        return self.lexi.channel.command(*args, **kwargs)

    def idle(self, ms):
        """Let so much time pass while the receive path runs."""
        self.lexi.run(self.lexi.runtime.sleep_ms(ms))


class AioPort:
    """The same on an asyncio Lexi, of which only the task that reads is running."""

    name = "asyncio"

    def __init__(self, stream, **options):
        self.stream = stream
        self.lexi = make_aio_lexi(stream, **options)
        self.channel = self.lexi.channel

    def run(self, coro):
        async def main():
            reader = asyncio.create_task(AioRuntime(0).read(self.channel))
            try:
                return await coro
            finally:
                reader.cancel()

        return run_asyncio(main(), self.stream)

    def command(self, *args, **kwargs):
        return self.run(self.channel.command(*args, **kwargs))

    def idle(self, ms):
        async def nap():
            await asyncio.sleep_ms(ms)

        self.run(nap())


PORTS = (BlockingPort, AioPort)


class Printed:
    """`with Printed(module) as printed:` what `module` prints of exceptions, in place of printing."""

    def __init__(self, module):
        self._module = module
        self.printed = []

    def print_exception(self, e):
        self.printed.append(e)

    def __enter__(self):
        self._sys, self._module.sys = self._module.sys, self
        return self.printed

    def __exit__(self, *_):
        self._module.sys = self._sys


def without_heap(fn, *args):
    """Call fn with up to two arguments and the heap locked: MemoryError if it allocates a byte."""
    count = len(args)  # fn(*args) would allocate by itself
    first = args[0] if count else None
    second = args[1] if count == 2 else None
    gc.collect()
    micropython.heap_lock()
    try:
        if count == 0:
            return fn()
        if count == 1:
            return fn(first)
        return fn(first, second)
    finally:
        micropython.heap_unlock()


def pieces(data):
    """Every way to cut `data` in two, and byte by byte: lists of parts."""
    yield [data]
    yield [data[i : i + 1] for i in range(len(data))]
    for i in range(1, len(data)):
        yield [data[:i], data[i:]]
