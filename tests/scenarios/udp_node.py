# A node that sends numbered datagrams to a peer through the module's sockets and reports what
# comes back: for test_transport.py. Arguments:
#   period=<s>   between two datagrams; 10 by itself
#   host=<name>  of the peer
#   pin=<pin>    of the SIM, remembered in a file
#   apn=<apn>
#   bare=1       a Channel alone, without Lexi: nobody watches for restarts
#   blocking=1   no asyncio

import virtual  # before lexi

import asyncio
import struct
import sys
import time

from atport.aio import Runtime
from atport.channel import Channel
from lexi import Lexi
from lexi.network import Network
from lexi.recovery.store import FileStore
from lexi.transport import Transport

OPTIONS = dict(argument.split("=") for argument in sys.argv[1:])
PERIOD_MS = int(OPTIONS.get("period", 10)) * 1000
PORT = 5683


class Client:
    """Sends, one datagram after the other, and counts."""

    def __init__(self, transport):
        self.transport = transport
        self.buf = bytearray(transport.size)
        self.number = 0
        self.next_ms = time.ticks_ms()
        transport.on_sent = self.sent
        transport.on_rebuilt = self.rebuilt

    def sent(self, mid):
        virtual.report({"sent": mid})

    def rebuilt(self):
        virtual.report({"rebuilt": self.transport.rebuilt})

    def turn(self):
        """Do what is due; return the ms until the next datagram."""
        n = self.transport.recv_into(self.buf)
        while n:
            virtual.report({"got": self.buf[2] << 8 | self.buf[3]})
            n = self.transport.recv_into(self.buf)
        left_ms = time.ticks_diff(self.next_ms, time.ticks_ms())
        if left_ms <= 0:
            self.number += 1
            if not self.transport.send(struct.pack(">I", self.number)):
                virtual.report({"full": self.number})
            self.next_ms = time.ticks_add(self.next_ms, PERIOD_MS)
            left_ms += PERIOD_MS
        return max(left_ms, 0)


def make_network(channel, runtime):
    pin = OPTIONS.get("pin")
    store = FileStore("pin") if pin else None
    return Network(channel, runtime, pin=pin, pin_store=store, apn=OPTIONS.get("apn"))


def make_transport(channel, runtime):
    return Transport(channel, runtime, OPTIONS.get("host", "192.0.2.1"), PORT)


def tell(network, connected):
    virtual.report({"connected": connected, "sim": network.sim.state, "changed": network.changed})


async def main():
    tasks = []
    stream = virtual.VirtualStream()
    if "bare" in OPTIONS:
        runtime = Runtime()
        channel = Channel(stream, runtime, flow=True)
        tasks.append(asyncio.create_task(runtime.read(channel)))
        await channel.setup(30)
    else:
        lexi = Lexi(stream, flow=True)
        runtime, channel = lexi.runtime, lexi.channel
        await lexi.start()
    network = make_network(channel, runtime)
    tell(network, await network.connect(120))
    virtual.report({"signal": await network.signal(), "utc": await network.utc()})
    transport = make_transport(channel, runtime)
    transport.start()
    client = Client(transport)
    while True:
        await transport.ready.wait_ms(client.turn())


def main_blocking():
    from lexi import blocking

    stream = virtual.VirtualStream()
    runtime = virtual.blocking_runtime(stream)
    lexi = blocking.Lexi(stream, runtime=runtime, flow=True)
    lexi.start()
    channel = lexi._channel
    network = make_network(channel, runtime)
    tell(network, lexi.run(network.connect(120)))
    transport = make_transport(channel, runtime)
    client = Client(transport)
    while True:
        lexi.run(transport.step())
        left_ms = client.turn()
        lexi.poll(min(left_ms, transport.due_s() * 1000))


if "blocking" in OPTIONS:
    main_blocking()
else:
    virtual.run(main())
