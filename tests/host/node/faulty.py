# A node for test_faults.py, under MicroPython: polls every 0.2 s while the module misbehaves, and
# prints what it believes in the end as JSON. Arguments: seconds to run, seconds of silence.

import asyncio
import json
import sys

import board

from lexi import AtError, AtTimeout, Lexi, codes

RUN_S = float(sys.argv[1])
SILENCE_S = int(sys.argv[2])
POLL_MS = 200

# As the real table, but a command gives up sooner than after 70 s.
FAMILY = dict(codes.LEXI_R10401D)
FAMILY["timeout_ms"] = 1500


async def poll(lexi, seen):
    while True:
        try:
            await lexi.monitor.poll()
            seen["answered"] += 1
        except AtTimeout:
            seen["timeouts"] += 1
        except AtError:
            seen["refused"] += 1
        await asyncio.sleep_ms(POLL_MS)


async def main():
    lexi = Lexi(board.open_uart(), family=FAMILY, silence_s=SILENCE_S, reboot_wait_s=1)
    await lexi.start()
    if await lexi.lwm2m.enable():
        await lexi.reboot()
    print("up")
    seen = {"answered": 0, "timeouts": 0, "refused": 0}
    polling = asyncio.create_task(poll(lexi, seen)) if SILENCE_S > RUN_S else None
    await asyncio.sleep(RUN_S)
    if polling:
        polling.cancel()
    channel = lexi.channel
    for name in ("overrun", "overlong", "undecodable", "malformed", "unknown", "late"):
        seen[name] = getattr(channel, name)
    seen["errors"] = channel.handler_errors + channel.stream_errors
    seen["codes"] = {s: lexi.registry.code(s) for s in lexi.registry.servers()}
    seen["restarts"] = lexi.registry.restarts
    seen["notified"] = lexi.registry.notified(721, "/3300/0/5700")[0]
    seen["gap"] = channel.gap
    print(json.dumps(seen))


asyncio.run(main())
