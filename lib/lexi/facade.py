# Wires the rooms of one module together, and nothing else.

import gc

from atport.channel import Channel
from atport.errors import PortError, check

from . import codes
from .commands import Lwm2m
from .monitor import Monitor
from .registry import Registry

LexiError = PortError  # base of what a command can raise

gc.collect()  # what compiling left behind is in the way of the next file


class Lexi:
    """One module on one stream (machine.UART, a socket, a pty), for asyncio.

    family: table of the module family (codes.py). max_servers, max_uris: sizes of the registry's
    tables. urc_mask, silence_s, reboot_wait_s, power_saving, match_flow:
    see Monitor. port: all that Channel takes, such as
    rxbuf, flow, ring_size. Raises ValueError for what cannot work.

    channel, lwm2m, registry and monitor are the rooms behind it, each usable alone.
    """

    def __init__(
        self,
        stream,
        *,
        family=codes.LEXI_R10401D,
        runtime=None,
        clock=None,
        max_servers=8,
        max_uris=16,
        urc_mask=7,
        silence_s=900,
        reboot_wait_s=15,
        power_saving=0,
        match_flow=True,
        **port,
    ):
        if runtime is None:
            from atport.aio import Runtime

            runtime = Runtime()
        self.runtime = runtime
        self._tasks = []
        self._waiting_s = 0  # since when bytes wait that nobody takes, see alive()
        self._taken = -1  # of the channel's count of bytes, then
        self.channel = Channel(stream, runtime, clock, claim=False, **port)
        self.lwm2m = Lwm2m(self.channel, family)
        self.registry = Registry(self.channel, runtime, max_servers, max_uris)
        self.monitor = Monitor(
            self.channel,
            self.lwm2m,
            self.registry,
            runtime,
            urc_mask,
            silence_s,
            reboot_wait_s,
            power_saving,
            match_flow,
        )
        self.turns = [self.monitor]  # what alive() looks at: has turn_s
        self.channel.on_close = self._closed
        self.channel.claim()  # now that nothing can be wrong any more

    async def start(self, boot_s=30):
        """Bring the module up and keep the registry true from now on; see Monitor.bring_up().

        It belongs to the event loop that runs then: after asyncio.new_event_loop() make a new one.
        """
        self.channel.claim()
        if not self._tasks:
            read = self.runtime.read(self.channel)
            self._tasks.append(self.runtime.start(read))
        await self.monitor.bring_up(boot_s)
        if len(self._tasks) == 1:
            self._tasks.append(self.runtime.start(self.monitor.run()))

    def stop(self):
        """End the tasks of start(). The module is left as it is."""
        self.monitor.turn_s = None
        self.channel.release()
        while self._tasks:
            try:
                self._tasks.pop().cancel()
            except RuntimeError:  # a task cannot end itself: it does at its next turn
                pass

    def _closed(self):
        self.stop()
        self.registry.wake()

    def alive(self, within_s):
        """Whether reader, monitor and supervisor take their turns, at most `within_s` too late.

        For a watchdog: call it more often than that, and feed while it is true. Each of them may
        wait for long, but says when it will be back; the reader is late when bytes wait in the UART
        that it does not take. A supervisor whose task has ended is not looked at. False before
        start(), when it has failed and no supervisor goes on, and after stop(); also while a command
        of the application holds the port for over ten minutes.
        """
        check("within_s", within_s, 1, 3600)
        channel = self.channel
        now_s = channel.clock.now_s()
        for task in self._tasks:
            if task.done():
                return False
        running = False
        for part in self.turns:
            if part.turn_s is not None:
                running = True
                if now_s - part.turn_s > within_s:
                    return False
        if not running or not self._tasks:  # none of them when a newer Lexi has the stream
            return False
        taken = channel.received if channel.ring.waiting() else -1
        if taken < 0 or taken != self._taken:
            self._taken = taken
            self._waiting_s = now_s
        return now_s - self._waiting_s <= within_s

    async def reboot(self, boot_s=30):
        """See Monitor.reboot()."""
        await self.monitor.reboot(boot_s)

    def registered(self, server):
        """Whether the server is registered, as far as is known."""
        return self.registry.registered(server)

    async def wait_registered(self, server, timeout_s):
        """Wait until the server is registered; False when `timeout_s` have passed."""
        return await self.registry.wait_registered(server, timeout_s)

    def events(self, size=16):
        """`async for event, server, value in lexi.events()`: see Events."""
        from .events import Events

        return Events(self.registry, self.runtime, size)
