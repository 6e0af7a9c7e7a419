# A node that switches its module on, off, and on again, for tests/host/test_power.py. Arguments:
#   wired     V_INT is wired
#   blocking  no asyncio
# Reports each step when it is done, with what V_INT is in truth.

import virtual  # before lexi

import sys

from lexi.power import Power

SERVER = 721


def pin(name):
    return lambda level: virtual.level(name, level)


def tell(step, result=None):
    virtual.report({"step": step, "result": result, "v_int": virtual.v_int()})


async def switch(power, lexi, registered):
    sleep_ms = lexi.runtime.sleep_ms
    tell("start", power.is_on())
    tell("on", await power.on(sleep_ms))
    await registered()
    tell("registered")
    tell("on while on", await power.on(sleep_ms))
    await power.off(lexi)
    tell("off", power.is_on())
    if "wired" in sys.argv:  # else it would be a long press on a module that may be off
        await power.off(lexi)
        tell("off while off", power.is_on())
    tell("on again", await power.on(sleep_ms))
    await registered()
    tell("registered again")


def with_asyncio(power):
    from lexi import Lexi

    lexi = Lexi(virtual.VirtualStream(), flow=True)

    async def registered():
        await lexi.start()
        assert await lexi.wait_registered(SERVER, 120)

    virtual.run(switch(power, lexi, registered))


def without(power):
    from lexi.blocking import Lexi

    stream = virtual.VirtualStream()
    lexi = Lexi(stream, runtime=virtual.blocking_runtime(stream), flow=True)

    async def registered():
        lexi.start()
        assert lexi.wait_registered(SERVER, 120)

    lexi.run(switch(power, lexi, registered))


power = Power(pin("pwr_on"), pin("reset_n"), virtual.v_int if "wired" in sys.argv else None)
(without if "blocking" in sys.argv else with_asyncio)(power)
