# A node that does no more than follow the registration, with plain lexi.Lexi: for test_lockstep.py
# and as the smallest example of a program on virtual.py. Arguments: what is done beside it.
#   poll=<s>     poll every <s> seconds and report when that fails
#   reset=<s>    pull RESET_N after <s> seconds
#   restart=<s>  reset the MCU itself after <s> seconds, in its first life
#   crash=<s>    end with an exception after <s> seconds
#   spin=<s>     stop yielding after <s> seconds
#   blocking=<s> no asyncio at all: wait for the registration, then poll() for <s> seconds

import virtual  # before lexi

import asyncio
import sys
import time

from lexi import AtTimeout, Lexi, LexiError, codes

SERVER = 721
OPTIONS = dict(argument.split("=") for argument in sys.argv[1:])

# As the real table, but a command gives up sooner than after 70 s.
FAMILY = dict(codes.LEXI_R10401D)
FAMILY["timeout_ms"] = 5000


def lives():
    """How often this program was started, by a file that outlives it."""
    try:
        with open("lives") as file:
            count = int(file.read())
    except OSError:
        count = 0
    with open("lives", "w") as file:
        file.write(str(count + 1))
    return count + 1


async def follow(lexi):
    async for event, server, value in lexi.events():
        if event == codes.REGISTRATION:
            virtual.report({"code": value, "server": server})


async def poll(lexi, period_s):
    while True:
        await asyncio.sleep(period_s)
        try:
            await lexi.monitor.poll()
        except AtTimeout:
            virtual.report({"failed": "AtTimeout"})
        except LexiError as e:
            virtual.report({"failed": str(e)})


async def later(name):
    await asyncio.sleep(float(OPTIONS[name]))
    if name == "reset":
        await virtual.pin("reset_n", 200)
    elif name == "restart" and virtual.starts == 1:
        virtual.reset(2000)
    elif name == "spin":
        while True:
            pass


async def main():
    virtual.report({"up": lives(), "ticks": time.ticks_ms(), "time": time.time()})
    lexi = Lexi(virtual.VirtualStream(), family=FAMILY)
    await lexi.start()
    tasks = [asyncio.create_task(follow(lexi))]
    virtual.report({"registered": await lexi.wait_registered(SERVER, 300)})
    if "poll" in OPTIONS:
        tasks.append(asyncio.create_task(poll(lexi, int(OPTIONS["poll"]))))
    for name in ("reset", "restart", "spin"):
        if name in OPTIONS:
            tasks.append(asyncio.create_task(later(name)))
    if "crash" in OPTIONS:
        await asyncio.sleep(float(OPTIONS["crash"]))
        raise ValueError("crash")
    while True:
        await asyncio.sleep(86400)
        channel = lexi.channel
        errors = channel.handler_errors + channel.stream_errors + lexi.monitor.failures
        virtual.report({"day": lexi_s(lexi), "ok": lexi.registered(SERVER), "errors": errors})


def lexi_s(lexi):
    lexi.channel.clock.ms()
    return lexi.channel.clock.s


def main_blocking():
    from lexi import blocking

    stream = virtual.VirtualStream()
    lexi = blocking.Lexi(stream, family=FAMILY, runtime=virtual.blocking_runtime(stream))
    lexi.start()
    virtual.report({"registered": lexi.wait_registered(SERVER, 300)})
    end = time.ticks_add(time.ticks_ms(), int(OPTIONS["blocking"]) * 1000)
    while time.ticks_diff(end, time.ticks_ms()) > 0:
        lexi.poll(10000)
    virtual.report({"ok": lexi.registered(SERVER), "failures": lexi.monitor.failures})


if "blocking" in OPTIONS:
    main_blocking()
else:
    virtual.run(main())
