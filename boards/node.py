# A sensor node: follows its LwM2M server, gets lost registrations back, and says what happens, on
# any board.

import asyncio

import board

from lexi import Lexi
from lexi.describe import event_text
from lexi.recovery import DEFAULT, Supervisor, describe

SERVER = 721  # short server ID, see AT+ULWM2MREG=?

# The client of a factory-new module is disabled: this node wants it enabled, and may restart the
# module for that.
POLICY = dict(DEFAULT)
POLICY["name"] = "NODE"
POLICY["reenable"] = True


async def main():
    lexi = Lexi(board.open_uart(), **board.OPTIONS)
    supervisor = Supervisor(lexi, policy=POLICY, servers=(SERVER,), **board.SUPERVISOR)
    clock = lexi.channel.clock

    def say(text):
        clock.ms()
        s = clock.s
        print("%d:%02d:%02d  %s" % (s // 3600, s // 60 % 60, s % 60, text))

    lexi.registry.subscribe(lambda *event: say("        " + event_text(lexi.registry, *event)))
    supervisor.subscribe(lambda event: say(describe(event)))
    await supervisor.run()


def run():
    asyncio.run(main())
