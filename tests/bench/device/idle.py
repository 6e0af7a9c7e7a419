# What a node that is registered does while nothing comes: Supervisor.due_s() and an empty pump().

import asyncio
import gc
import time

import port


async def main(rounds):
    lexi, supervisor = port.make(port.open_stream())
    node = asyncio.create_task(supervisor.run())
    await port.ready(supervisor)
    result = {}
    for name, call in ("due_s", supervisor.due_s), ("pump", lexi.channel.pump):
        call()
        gc.collect()
        times = []
        for _ in range(rounds):
            start = time.ticks_us()
            call()
            times.append(time.ticks_diff(time.ticks_us(), start))
        before = gc.mem_alloc()
        call()
        heap = gc.mem_alloc() - before
        result[name] = {"us": sorted(times)[rounds // 2], "heap": heap}
    result["registered"] = supervisor.registered(port.SERVER)
    node.cancel()
    port.tell(result)


def run(rounds=9):
    asyncio.run(main(rounds))
