# A node that reports to a server of its own, through the module's sockets, and has its client
# followed by the supervisor: for test_reporting.py. Nothing is wanted of the module's own client.
# Arguments:
#   period=<s>    between two readings; 60 by itself
#   lifetime=<s>  of the registration; 86400 by itself
# Reports events of the client, and of the supervisor in words; each confirmed value.

import virtual  # before lexi

import asyncio
import sys

from lexi import Lexi, LexiError
from lexi.network import Network
from lexi.recovery import describe, keep_registered
from lexi.recovery.store import FileStore
from lexi.transport import Transport
from lwm2m import Client, Objects, Sensor
from lwm2m.device import device
from lwm2m.objects import Instance

OPTIONS = dict(argument.split("=") for argument in sys.argv[1:])
PATH = "/3300/0/5700"
COUNTER = (3500, None, False, (0 << 8 | 0x40, 1 << 8 | 0x30 | 2))  # see lwnode.py


async def connect(network):
    while True:
        try:
            if await network.connect():
                return
        except LexiError:
            pass
        await asyncio.sleep(10)


async def main():
    lexi = Lexi(virtual.VirtualStream(), flow=True)
    transport = Transport(lexi.channel, lexi.runtime, "192.0.2.1", 5683)
    sensor = Sensor(units="Cel")
    runs = []
    counter = Instance(COUNTER, 0, {1: 0}, {0: runs.append})

    def told(client, event, detail):
        virtual.report({"event": event, "detail": detail})
        stir()

    client = Client(
        transport,
        "node-1",
        Objects(device({0: "Maker"}), sensor, counter),
        int(OPTIONS.get("lifetime", 86400)),
        on_event=told,
        con=1,
        retry=(5, 60, 3600),
    )
    report = client.report(PATH, 600)
    supervisor = keep_registered(
        lexi,
        tell=lambda text: virtual.report({"says": text}),
        servers=(),
        store=FileStore("budgets"),
        pin_reset=virtual.pin_reset,
        power_cycle=virtual.power_cycle,
        random=lambda n: 0,
    )
    stir = supervisor.follow(client)
    await connect(Network(lexi.channel, lexi.runtime))
    transport.start()
    client.task = asyncio.create_task(client.run())
    number = 0
    while True:
        sensor.set(number)
        number += 1
        await asyncio.sleep(int(OPTIONS.get("period", 60)))
        virtual.report(
            {
                "confirmed": report.confirmed,
                "runs": len(runs),
                "counter": counter.values[1],
                "errors": client.errors + lexi.channel.handler_errors,
                "failures": transport.failures,
                "dropped": transport.dropped,
            }
        )


virtual.run(main())
