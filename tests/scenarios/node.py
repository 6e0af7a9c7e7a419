# A supervised node, for test_scenarios.py and others: arguments are one JSON object.
#   policy (name), change (fields of it), servers, pins (1 reset, 2 power, 4 power on), pin (of the
#   SIM), veto (seconds by which every step is put off)
#   follow ([[at_s, 1 | 0], ...]: when the reports of a client on the MCU arrive, or do not; it
#   kicks itself, which helps when the list says so)
#   timeout_ms (of LwM2M commands)
#   chance (percent: how much of what it can add to a wait it does add; without it, random)
#   hear (report every event of the registry)
#   application ([[at_s, "enable" | "reboot"], ...]: what the application does in the first life)
# Reports that it started, every event of the supervisor in words, and once a minute what it
# counted if that has changed.

import virtual  # before lexi

import asyncio
import json
import sys

from lexi import Lexi, LexiError, codes
from lexi.recovery import policies, supervisor, texts
from lexi.recovery.store import FileStore

OPTIONS = json.loads(sys.argv[1]) if len(sys.argv) > 1 else {}

FAMILY = dict(codes.LEXI_R10401D)
FAMILY["timeout_ms"] = OPTIONS.get("timeout_ms", 70000)


class Client:
    """A client on the MCU, whose reports arrive at some times and at others do not."""

    def __init__(self, clock, times):
        self._clock = clock
        self._times = times
        self._lost_s = None  # of the supervisor's clock
        self.stir = None

    def trouble(self, now_s):
        return None if self._lost_s is None else (self._lost_s, 0)

    def kick(self):
        virtual.report({"kicked": True})

    async def run(self):
        for at_s, arrive in self._times:
            await asyncio.sleep(max(0, at_s - virtual.now_ms / 1000))
            self._lost_s = None if arrive else self._clock.now_s()
            self.stir()


def chance(n):
    return (n - 1) * OPTIONS["chance"] // 100


def options():
    rules = dict(getattr(policies, OPTIONS.get("policy", "DEFAULT")))
    rules.update(OPTIONS.get("change", {}))
    pins = OPTIONS.get("pins", 3)
    veto_s = OPTIONS.get("veto", 0)
    return {
        "policy": rules,
        "servers": OPTIONS.get("servers"),
        "store": FileStore("budgets"),
        "wall": virtual.wall,
        "pin": OPTIONS.get("pin"),
        "pin_reset": virtual.pin_reset if pins & 1 else None,
        "power_cycle": virtual.power_cycle if pins & 2 else None,
        "power_on": virtual.power_on if pins & 4 else None,
        "veto": (lambda action, server, reason: veto_s) if veto_s else None,
        "random": chance if "chance" in OPTIONS else virtual.random,
    }


def tell(event):
    virtual.report({"event": list(event), "text": texts.describe(event)})


def hear(event, server, value):
    virtual.report({"heard": [event, server, value]})


def counted(lexi, watcher):
    channel = lexi.channel
    registry = lexi.registry
    unexpected = [
        repr(e)
        for e in (watcher.last_error, lexi.monitor.last_error)
        if e is not None and not isinstance(e, LexiError)
    ]
    return {
        "errors": channel.handler_errors + channel.stream_errors + len(unexpected),
        "unexpected": unexpected,
        "malformed": channel.malformed,
        "undecodable": channel.undecodable,
        "unknown_codes": registry.unknown_codes,
        "unknown_events": registry.unknown_events,
    }


async def apply(lexi, steps):
    # The application's part; the supervisor knows nothing of it.
    for at_s, what in steps:
        await asyncio.sleep(at_s - virtual.now_ms / 1000)
        if what == "enable":
            needs = "a restart" if await lexi.lwm2m.enable() else "nothing more"
            virtual.report({"text": "application: enabled, needs " + needs})
        elif what == "reboot":
            await lexi.reboot()
            virtual.report({"text": "application: restarted the module"})
        else:
            raise ValueError("application: %r" % what)


async def main():
    virtual.report({"started": virtual.starts})
    lexi = Lexi(virtual.VirtualStream(), family=FAMILY, max_uris=4, flow=True)
    if OPTIONS.get("hear"):
        lexi.registry.subscribe(hear)
    lexi.channel.on_error = lambda e: virtual.report({"text": "error: %r" % e})
    watcher = supervisor.Supervisor(lexi, **options())
    watcher.subscribe(tell)
    tasks = [asyncio.create_task(watcher.run())]
    if "follow" in OPTIONS:
        client = Client(lexi.channel.clock, OPTIONS["follow"])
        client.stir = watcher.follow(client)
        tasks.append(asyncio.create_task(client.run()))
    if virtual.starts == 1:
        tasks.append(asyncio.create_task(apply(lexi, OPTIONS.get("application", []))))
    told = None
    while not tasks[0].done():
        await asyncio.sleep(60)
        now = counted(lexi, watcher)
        if now != told:
            told = now
            virtual.report({"counted": now})


virtual.run(main())
