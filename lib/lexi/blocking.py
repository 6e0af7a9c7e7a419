# The same API without asyncio: the same coroutines, driven by a poll loop.

import time
from micropython import const

from atport.blocking import Blocking, Runtime
from atport.channel import Channel
from atport.errors import check, need

from .commands import Lwm2m
from .facade import Lexi as _Lexi
from .monitor import Monitor
from .registry import Registry, wait_ms

_LONGEST_MS = const(0x3FFFFFFF)
_WAIT_MS = const(1000)  # longest wait before it is asked again what is due
_ROOMS = (Channel, Lwm2m, Monitor, Registry)


class Lexi(Blocking):
    """lexi.Lexi for programs without asyncio; takes the same arguments, and two more.

    idle: called between waits, so that no call holds the CPU longer than `idle_s` without it: for
        a watchdog. What it raises ends the call that waits.

    Every coroutine method blocks until it is done: lexi.start(), lexi.lwm2m.configs(),
    lexi.wait_registered(721, 60). Between calls the application calls poll(). In place of
    `async for` over events() there is registry.subscribe().
    """

    def __init__(self, stream, *, runtime=None, idle=None, idle_s=5, **kwargs):
        runtime = runtime or Runtime(stream)
        need(hasattr(runtime, "set_idle"), "runtime", runtime, "one of atport.blocking")
        runtime.set_idle(idle, idle_s)
        core = _Lexi(stream, runtime=runtime, **kwargs)
        super().__init__(core, self.run, _ROOMS)
        self._runtime = runtime
        self._channel = core.channel
        self._monitor = core.monitor

    def run(self, coro):
        """Drive a coroutine of this library to its end and return its result."""
        return self._runtime.run(self._channel, coro)

    def make(self, room, *args, **kwargs):
        """A network.Network or a transport.Transport of this module, whose coroutines block too.

        lexi.make(Network, apn="iot.example") is Network(channel, runtime, apn="iot.example").
        """
        return Blocking(room(self._channel, self._runtime, *args, **kwargs), self.run)

    def wait_registered(self, server, timeout_s):
        """As lexi.Lexi.wait_registered(); does what is due meanwhile."""
        self._channel.check_free("wait_registered", "wait")
        clock = self._channel.clock
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
        self._channel.check_free("poll", "wait")
        check("timeout_ms", timeout_ms, 0, _LONGEST_MS)
        received = self._channel.received
        while True:
            timeout_ms = self._runtime.wait(self._channel, timeout_ms)
            if timeout_ms == 0 or self._channel.received != received:
                break
        if self._monitor.due_s() == 0:
            self.run(self._monitor.attend())
        else:
            self._monitor.take_turn()
