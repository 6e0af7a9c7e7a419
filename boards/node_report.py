# A sensor node that reports to a server of your own, on any board: an LwM2M client on the MCU, over a
# UDP socket of the module. The supervisor gets lost reports back; the module's own client is left
# alone. Nothing is encrypted: use a private APN.
#
# It waits between reports. One that sleeps has in its main.py:
#     node_report.run(once=True)
#     machine.deepsleep(3600000)

import asyncio

import board

from lexi import Lexi, LexiError
from lexi.network import Network
from lexi.recovery import keep_registered
from lexi.transport import Transport
from lwm2m import Client, Objects, Sensor
from lwm2m.describe import event as described
from lwm2m.device import device
from lwm2m.events import OBSERVED

HOST = "192.0.2.1"  # of your server: an address or a name
PORT = 5683
ENDPOINT = "urn:imei:350000000000000"  # the name by which the server knows this node
APN = None  # such as "iot.example"; None: as it is in the module
PERIOD_S = 300  # between two reports
VALUE = "/3300/0/5700"

_ARRIVAL_S = 180  # so long a confirmation is waited for
_PERIODS = 3  # without a confirmation, then reports are in trouble
_RETRY_S = 10  # without a network
_LOOKS = 10  # a second
_PATIENCE = 3 * _LOOKS  # then the value is sent unasked,
_AGAIN = 30 * _LOOKS  # and again after so many
_HEADERS = 28  # bytes of IP and UDP for each datagram


class Node:
    """Everything of a node, wired together."""

    def __init__(self, host, port, period_s):
        self.lexi = Lexi(board.open_uart(), **board.OPTIONS)
        channel, runtime = self.lexi.channel, self.lexi.runtime
        channel.on_send = self._sending
        self.uart_bytes = 0  # of commands
        self.network = Network(channel, runtime, apn=APN)
        self.transport = Transport(channel, runtime, host, port)
        self.sensor = Sensor(units="Cel")
        self.client = Client(
            self.transport,
            ENDPOINT,
            Objects(self.sensor, device({0: "Maker", 1: "Model"})),
            on_event=self._told,
            con=1,  # each report is confirmed
            retry=(5, 60, 3600),  # without a server: five tries, then an hour's pause
        )
        self.report = self.client.report(VALUE, max(_PERIODS * period_s, _ARRIVAL_S))
        # No server of the module's own client is wanted.
        self.supervisor = keep_registered(self.lexi, servers=(), **board.SUPERVISOR)
        self._stir = self.supervisor.follow(self.client)

    async def connect(self):
        """From whatever state to a client that runs."""
        while not self.lexi.monitor.reachable:  # the supervisor brings it up
            await asyncio.sleep_ms(1000 // _LOOKS)
        while True:
            try:
                if await self.network.connect():
                    break
                print("no network, state of the SIM:", self.network.sim.state)
            except LexiError as e:
                print("no network:", e)
            await asyncio.sleep(_RETRY_S)
        self.transport.start()
        self.task = asyncio.create_task(self.client.run())

    async def send(self, value):
        """Report a value; whether the server is known to have it, in time."""
        self.sensor.set(value)
        looks = 0
        for _ in range(_ARRIVAL_S * _LOOKS):
            if self.report.confirmed == value:
                return True
            looks += self.client.is_registered()
            if looks % _AGAIN == _PATIENCE:
                self.client.send(VALUE)  # nobody observes it, as it seems
            await asyncio.sleep_ms(1000 // _LOOKS)
        return False

    async def end(self):
        self.task.cancel()
        self.supervisor.task.cancel()
        await self.transport.close()
        self.lexi.stop()

    def cost(self):
        """What it took so far, in words."""
        way = self.transport
        uart = self.uart_bytes + way.sent_bytes + self.lexi.channel.received
        air = way.sent_bytes + way.received_bytes + _HEADERS * (way.sent + way.received)
        awake_s = self.lexi.channel.clock.now_s()
        return "awake for %d s, %d bytes on the UART, %d on air" % (awake_s, uart, air)

    def _sending(self, line):
        self.uart_bytes += len(line) + 1

    def _told(self, client, event, detail):
        print(described(event, detail))
        if event == OBSERVED:
            client.confirm()  # the first value went with the answer, which nobody confirms
        self._stir()


async def main(host, port, period_s, once):
    node = Node(host, port, period_s)
    await node.connect()
    while True:
        value = board.read_sensor()
        arrived = await node.send(value)
        print(value, "has arrived:" if arrived else "is not confirmed yet:", node.cost())
        if once:
            break
        await asyncio.sleep(period_s)
    await node.end()


def run(host=HOST, port=PORT, period_s=PERIOD_S, once=False):
    asyncio.run(main(host, port, period_s, once))
