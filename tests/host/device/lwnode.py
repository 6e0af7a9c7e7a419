# A node with a sensor, as an application has it: under asyncio over UDP, told what to do on
# standard input, a line each. It prints events and answers as JSON.
#
#   import lwnode; lwnode.run(port=5683)

import asyncio
import gc
import json
import sys

from lwm2m import Client, Objects, Sensor, UdpTransport
from lwm2m.device import CONNECTIVITY, device
from lwm2m.objects import Instance

COUNTER = (3500, None, False, (0 << 8 | 0x40, 1 << 8 | 0x30 | 2))


def say(**what):
    print(json.dumps(what))


def told(client, event, detail):
    say(event=event, detail=detail)


async def main(port, options):
    runs = []
    sensor = Sensor(units="Cel")
    sensor.set(20)
    counter = Instance(COUNTER, 0, {1: 0}, {0: lambda arguments: runs.append(arguments.decode())})
    signal = {0: 6, 1: {0: 6}, 2: -90, 4: {0: "192.0.2.1"}}
    objects = Objects(
        device({0: "Maker", 1: "Model", 6: {0: 1, 1: 5}, 7: {0: 3800, 1: 5000}}, reboot=say),
        Instance(CONNECTIVITY, 0, signal),
        sensor,
        counter,
    )
    transport = UdpTransport("coap://127.0.0.1:%d" % port)
    client = Client(transport, "node-1", objects, on_event=told, **options)
    task = asyncio.create_task(client.run())
    lines = asyncio.StreamReader(sys.stdin)
    while True:
        line = await lines.readline()
        word, _, rest = line.decode().strip().partition(" ")
        if word == "set":
            sensor.set(float(rest))
        elif word == "send":
            say(send=client.send(rest))
        elif word == "update":
            client.update()
        elif word == "reopen":
            transport.reopen()
        elif word == "trouble":
            say(trouble=client.trouble(0))
        elif word == "runs":
            say(runs=runs)
        elif word == "report":
            report = client.report("/3300/0/5700")
            say(report=report and [report.value, report.sent, report.confirmed])
        elif word == "heap":
            gc.collect()
            say(heap=gc.mem_alloc(), errors=client.errors)
        else:
            break
    client.stop()
    await task
    say(stopped=True)


def run(port, **options):
    asyncio.run(main(port, options))
