# node_report.py without asyncio: a loop in which everything gets its turn.

import time

import board

from lexi import LexiError
from lexi.blocking import Lexi
from lexi.network import Network
from lexi.recovery import describe, supervise
from lexi.transport import Transport
from lwm2m import Client, Objects, Sensor
from lwm2m.describe import event as described
from lwm2m.events import OBSERVED

HOST = "192.0.2.1"  # of your server: an address or a name
PORT = 5683
ENDPOINT = "urn:imei:350000000000000"  # the name by which the server knows this node
APN = None  # such as "iot.example"; None: as it is in the module
PERIOD_S = 300  # between two reports
VALUE = "/3300/0/5700"

_LONGEST_MS = 1000  # that one turn waits


def connect(lexi, network, supervisor):
    """From whatever state to an active context."""
    while not lexi.monitor.reachable:  # the supervisor brings it up
        lexi.poll(_LONGEST_MS)
        supervisor.step()
    while True:
        try:
            if network.connect():
                return
        except LexiError as e:
            print("no network:", e)
        supervisor.step()
        lexi.poll(10000)


def told(client, event, detail):
    print(described(event, detail))
    if event == OBSERVED:
        client.confirm()  # the first value went with the answer, which nobody confirms


def run(host=HOST, port=PORT, period_s=PERIOD_S):
    # With a watchdog: Lexi(..., idle=machine.WDT(timeout=8000).feed)
    lexi = Lexi(board.open_uart(), **board.OPTIONS)
    network = lexi.make(Network, apn=APN)
    transport = lexi.make(Transport, host, port)
    sensor = Sensor(units="Cel")
    client = Client(
        transport,
        ENDPOINT,
        Objects(sensor),
        on_event=told,
        con=1,  # each report is confirmed
        retry=(5, 60, 3600),  # without a server: five tries, then an hour's pause
    )
    report = client.report(VALUE, max(3 * period_s, 180))
    supervisor = supervise(lexi, servers=(), **board.SUPERVISOR)
    supervisor.subscribe(lambda event: print(describe(event)))
    supervisor.follow(client)
    connect(lexi, network, supervisor)
    client.start()
    told_s = report.confirmed_s
    next_ms = time.ticks_ms()
    while True:
        if time.ticks_diff(time.ticks_ms(), next_ms) >= 0:
            sensor.set(board.read_sensor())
            next_ms = time.ticks_add(next_ms, period_s * 1000)
        transport.step()  # what the client has queued, or what has come
        left_ms = client.step()
        if supervisor.due_s() == 0:
            supervisor.step()
        if report.confirmed_s != told_s:
            told_s = report.confirmed_s
            print(report.confirmed, "has arrived, in the second", told_s)
        lexi.poll(min(left_ms, transport.due_s() * 1000, _LONGEST_MS))
