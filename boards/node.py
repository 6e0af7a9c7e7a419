# A sensor node: follows its LwM2M server, gets lost registrations back, and says what happens, on
# any board.

import asyncio

import board

from lexi import Lexi
from lexi.recovery import describe, keep_registered

SERVER = 721  # short server ID, see AT+ULWM2MREG=?


async def main():
    lexi = Lexi(board.open_uart(), **board.OPTIONS)
    clock = lexi.channel.clock

    def say(text):
        s = clock.now_s()
        print("%d:%02d:%02d  %s" % (s // 3600, s // 60 % 60, s % 60, text))

    # The client of a factory-new module is disabled: this node wants it enabled, and may restart
    # the module for that.
    keep_registered(lexi, enable_client=True, tell=say, servers=(SERVER,), **board.SUPERVISOR)
    lexi.registry.subscribe(lambda *event: say("        " + describe(event, lexi.registry)))
    await asyncio.Event().wait()  # what else the node does goes here


def run():
    asyncio.run(main())
