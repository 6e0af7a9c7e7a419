# A sensor node: follows its LwM2M server and says what happens, on any board.
#
# It enables the module's client where that is needed, and asks for one new registration when the
# module has given up. Recovery beyond that is left to the reader of the timeline.

import asyncio
import time

import board

from lexi import Lexi, LexiError, codes

SERVER = 721  # short server ID, see AT+ULWM2MREG=?
URI = "/3300/0/5700"  # IPSO sensor value (OMA 3300)

_start_ms = time.ticks_ms()


def say(text):
    ms = time.ticks_diff(time.ticks_ms(), _start_ms)
    print("%7.2f s  %s" % (ms / 1000, text))


def describe(registry, event, server, value):
    """One line for people about an event of Registry.subscribe()."""
    if event in (codes.BOOTSTRAP, codes.REGISTRATION):
        return "server %d: %s" % (server, codes.status_name(value))
    if event == codes.TIMER:
        return "server %d: next update in %d s" % (server, value)
    if event == codes.NOTIFICATION:
        _, uri, count, _ = registry.uri(value)
        return "server %d: notification %d of %s" % (server, count, uri)
    if event == codes.CONNECTION:
        name = codes.name(codes.CONNECTION_STATUS, value)
        return "server %d: connection %s" % (server, name)
    if event == codes.CLIENT:
        return "client: " + codes.name(codes.CLIENT_STATUS, value)
    if event == codes.INIT:
        return "client: " + codes.name(codes.INIT_STATUS, value)
    return "unknown event %d" % event


async def bring_up(lexi):
    await lexi.start()
    say("module is up, servers %s" % lexi.monitor.server_ids)
    if lexi.monitor.mode != codes.MODE_ENABLED and await lexi.lwm2m.enable():
        say("the client was disabled: enabled it, restarting the module")
        await lexi.reboot()
        say("module is up again")


async def register(lexi):
    say("the module gave up: asking for a registration once")
    try:
        await lexi.lwm2m.register(SERVER)
    except LexiError as e:
        say("no registration: %s" % e)


async def follow(lexi):
    """Say what happens, for ever."""
    restarts = 0
    registered = False
    asked = False  # for a registration, since the last one or the last restart
    async for event, server, value in lexi.events(32):
        if lexi.registry.restarts != restarts:
            restarts = lexi.registry.restarts
            registered = asked = False
            say("the module restarted: arming its URCs again")
        say(describe(lexi.registry, event, server, value))
        if server != SERVER or event not in (codes.BOOTSTRAP, codes.REGISTRATION):
            continue
        if registered != (value in codes.REGISTERED):
            registered = not registered
            asked = asked and not registered
            say("REGISTERED with %d" % SERVER if registered else "NOT REGISTERED any more")
        if codes.status_class(value) == codes.FAILED and not asked:
            asked = True
            await register(lexi)


async def main():
    lexi = Lexi(board.open_uart(), **board.OPTIONS)
    following = asyncio.create_task(follow(lexi))
    await bring_up(lexi)
    await following


def run():
    asyncio.run(main())
