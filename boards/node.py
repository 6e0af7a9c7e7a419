# A sensor node: follows its LwM2M server, gets lost registrations back, and says what happens, on
# any board.

import asyncio

import board

from lexi import Lexi, codes
from lexi.policy import DEFAULT
from lexi.supervisor import Supervisor
from lexi.supervisor import describe as describe_step

SERVER = 721  # short server ID, see AT+ULWM2MREG=?

# The client of a factory-new module is disabled: this node wants it enabled, and may restart the
# module for that.
POLICY = dict(DEFAULT)
POLICY["name"] = "NODE"
POLICY["reenable"] = True


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


async def main():
    lexi = Lexi(board.open_uart(), **board.OPTIONS)
    supervisor = Supervisor(lexi, policy=POLICY, servers=(SERVER,), **board.SUPERVISOR)
    clock = lexi.channel.clock

    def say(text):
        clock.ms()
        s = clock.s
        print("%d:%02d:%02d  %s" % (s // 3600, s // 60 % 60, s % 60, text))

    lexi.registry.subscribe(lambda *event: say("        " + describe(lexi.registry, *event)))
    supervisor.subscribe(lambda event: say(describe_step(event)))
    await supervisor.run()


def run():
    asyncio.run(main())
