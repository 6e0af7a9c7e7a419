# The same API without asyncio: the same coroutines, driven by a poll loop.

import select
import time
from micropython import const

from . import Channel, Lwm2m, Monitor, Registry
from . import Lexi as _Lexi
from atport.channel import check_stream
from atport.errors import LexiError
from .registry import wait_ms

_SPURIOUS_MS = const(10)  # pause after a wake-up that brought nothing, so as not to spin

_WAIT_MS = const(1000)  # longest wait before it is asked again what is due


class _Lock:
    # Nobody to wait for: the only other user can be a handler, called while a command waits.
    def __init__(self):
        self._held = False

    async def __aenter__(self):
        if self._held:
            raise LexiError("a command waits: handlers must not send")
        self._held = True

    async def __aexit__(self, *exc):
        self._held = False


class Signal:
    """As aio.Signal; waiting hands the milliseconds to the poll loop."""

    def __init__(self):
        self._is_set = False

    def set(self):
        self._is_set = True

    def clear(self):
        self._is_set = False

    def wait_ms(self, ms):
        if not self._is_set:
            yield ms
        self._is_set = False


class Runtime:
    """Waits for one stream with poll(). `ticks` is time.ticks_ms or a replacement."""

    lock = _Lock
    signal = Signal
    reading = True  # whenever somebody waits

    def __init__(self, stream, ticks=time.ticks_ms):
        check_stream(stream)
        self._poller = select.poll()
        self._poller.register(stream, select.POLLIN)
        self._ticks = ticks

    def sleep_ms(self, ms):
        end = time.ticks_add(self._ticks(), ms)
        while ms > 0:
            yield ms
            ms = time.ticks_diff(end, self._ticks())

    def start(self, coro):
        """Nothing runs beside the application here: Lexi.poll() does the work instead."""
        coro.close()
        return self

    def cancel(self):
        pass

    async def read(self, stream, pump):
        pass

    def poll(self, pump, ms):
        """Wait up to `ms` for the stream, then pump what came. Allocates nothing."""
        for _ in self._poller.ipoll(ms):
            if not pump():
                time.sleep_ms(_SPURIOUS_MS)


class Blocking:
    """Stands for an object: its coroutine methods block, everything else is passed through."""

    def __init__(self, target, run):
        self._target = target
        self._run = run

    def __setattr__(self, name, value):
        if name[0] == "_":
            object.__setattr__(self, name, value)
        else:
            setattr(self._target, name, value)

    def __getattr__(self, name):
        value = getattr(self._target, name)
        if isinstance(value, (Channel, Lwm2m, Monitor, Registry)):
            return Blocking(value, self._run)
        if not callable(value):
            return value
        run = self._run

        def call(*args, **kwargs):
            result = value(*args, **kwargs)
            return run(result) if hasattr(result, "send") else result

        return call


def supervise(lexi, **options):
    """A Supervisor of a blocking Lexi: between calls the application calls lexi.poll(), step().

    options: those of supervisor.Supervisor. step() blocks until what is due is done.
    """
    from .supervisor import Supervisor

    return Blocking(Supervisor(lexi._target, **options), lexi.run)


class Lexi(Blocking):
    """lexi.Lexi for programs without asyncio; takes the same arguments.

    Every coroutine method blocks until it is done: lexi.start(), lexi.lwm2m.configs(),
    lexi.wait_registered(721, 60). Between calls the application calls poll(). In place of
    `async for` over events() there is registry.subscribe().
    """

    def __init__(self, stream, *, runtime=None, **kwargs):
        runtime = runtime or Runtime(stream)
        core = _Lexi(stream, runtime=runtime, **kwargs)
        super().__init__(core, self.run)
        self._poll = runtime.poll
        self._pump = core.channel.pump
        self._monitor = core.monitor

    def run(self, coro):
        """Drive a coroutine of this library to its end and return its result."""
        try:
            while True:
                self._poll(self._pump, coro.send(None))
        except StopIteration as e:
            return e.value
        finally:
            coro.close()  # after Ctrl-C the command has given up like one that was cancelled

    def wait_registered(self, server, timeout_s):
        """As lexi.Lexi.wait_registered(); does what is due meanwhile."""
        clock = self._target.channel.clock
        left_ms = wait_ms(timeout_s)
        while not self._target.registered(server):
            if left_ms <= 0:
                return False
            since_ms = clock.ms()
            self.poll(min(left_ms, _WAIT_MS))
            left_ms -= time.ticks_diff(clock.ms(), since_ms)
        return True

    def poll(self, timeout_ms=0):
        """Serve URCs for one wake-up, waiting up to `timeout_ms`; then do what is due."""
        self._poll(self._pump, timeout_ms)
        if self._monitor.due_s() == 0:
            self.run(self._monitor.attend())
