# A supervised node, for test_scenarios.py and others: arguments are one JSON object.
#   policy (name), change (fields of it), servers, pins (1 reset, 2 power, 3 both), pin (of the
#   SIM), veto (seconds by which every step is put off), blocking (without asyncio)
# Reports every event of the supervisor, in words, and what it went through.

import virtual  # before lexi

import asyncio
import json
import sys

from lexi import Lexi, codes, policy, supervisor
from lexi.store import FileStore

OPTIONS = json.loads(sys.argv[1]) if len(sys.argv) > 1 else {}

# What the module answers late is tested elsewhere; a mute one shall not take 70 s each time.
FAMILY = dict(codes.LEXI_R10401D)
FAMILY["timeout_ms"] = OPTIONS.get("timeout_ms", 70000)


async def reset_pin():
    await virtual.pin("reset_n", 150)


async def power_cycle():
    await virtual.pin("pwr_on", 2500)
    await asyncio.sleep(20)
    await virtual.pin("pwr_on", 500)
    await asyncio.sleep(6)


def options():
    rules = dict(getattr(policy, OPTIONS.get("policy", "DEFAULT")))
    rules.update(OPTIONS.get("change", {}))
    pins = OPTIONS.get("pins", 3)
    veto_s = OPTIONS.get("veto", 0)
    return {
        "policy": rules,
        "servers": OPTIONS.get("servers"),
        "store": FileStore("budgets"),
        "wall": virtual.wall,
        "pin": OPTIONS.get("pin"),
        "pin_reset": reset_pin if pins & 1 else None,
        "power_cycle": power_cycle if pins & 2 else None,
        "veto": (lambda action, server, reason: veto_s) if veto_s else None,
        "random": virtual.random,
    }


def tell(event):
    virtual.report({"event": list(event), "text": supervisor.describe(event)})


async def main():
    lexi = Lexi(virtual.VirtualStream(), family=FAMILY, max_uris=4)
    watcher = supervisor.Supervisor(lexi, **options())
    watcher.subscribe(tell)
    running = asyncio.create_task(watcher.run())
    errors = 0
    while not running.done():
        await asyncio.sleep(60)
        channel = lexi.channel
        if channel.handler_errors != errors:
            errors = channel.handler_errors
            virtual.report({"handler_errors": errors})


virtual.run(main())
