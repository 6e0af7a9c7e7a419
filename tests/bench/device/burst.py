# URCs back to back while the Supervisor runs under asyncio: how many arrive, and which share of its
# turns another task keeps that yields at once, against the same task when nothing comes.

import asyncio
import time

import events
import port

_ALONE_MS = 500
_END_MS = 300


class Counter:
    n = 0

    async def run(self):
        while True:
            self.n += 1
            await asyncio.sleep_ms(0)

    async def per_s(self, ms):
        """Turns per second, over `ms`."""
        before, start = self.n, time.ticks_us()
        await asyncio.sleep_ms(ms)
        return (self.n - before) * 1000000 / time.ticks_diff(time.ticks_us(), start)


async def main(count):
    lexi, supervisor = port.make(port.open_stream())
    channel = lexi.channel
    node = asyncio.create_task(supervisor.run())
    await port.ready(supervisor)
    counter = Counter()
    other = asyncio.create_task(counter.run())
    alone = await counter.per_s(_ALONE_MS)
    urcs, received = channel.urcs, channel.received
    port.push(events.MIX, count // events.IN_MIX)
    while channel.received == received:
        await asyncio.sleep_ms(1)
    size = len(events.MIX) * count // events.IN_MIX
    kept = await counter.per_s(int(size * port.BYTE_MS) - 20)
    await asyncio.sleep_ms(_END_MS)
    other.cancel()
    node.cancel()
    port.tell({"sent": count, "arrived": channel.urcs - urcs, "kept": kept / alone})


def run(count=600):
    asyncio.run(main(count))
