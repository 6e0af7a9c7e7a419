# Records that are written to flash in a burst of URCs: what is lost, and whether that is noticed.
# `flow`: with RTS and CTS.

import asyncio

import events
import port

_EACH_MS = 80
_RECORDS = 16
_END_MS = 500


async def main(count, flow):
    from lexi.recovery.store import FileStore

    lexi, supervisor = port.make(port.open_stream(flow), FileStore(), flow)
    channel = lexi.channel
    reader = lexi.runtime.start(lexi.runtime.read(channel))
    await asyncio.sleep_ms(10)
    port.push(events.MIX, count // events.IN_MIX)
    while not channel.received:
        await asyncio.sleep_ms(1)
    for _ in range(_RECORDS):
        await channel.write_flash(lambda: supervisor.keeper.save(channel.clock.s))
        await asyncio.sleep_ms(_EACH_MS)
    await asyncio.sleep_ms(_END_MS)
    reader.cancel()
    port.tell(
        {
            "sent": count,
            "arrived": channel.urcs,
            "records": supervisor.keeper.writes - 1,
            "lost": channel.lost,
            "gap": channel.gap,
        }
    )


def run(count=600, flow=False):
    asyncio.run(main(count, flow))
