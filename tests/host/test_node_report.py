"""boards/node_report.py on the simulated module's sockets, against a small LwM2M server on loopback."""

import asyncio
import contextlib
import re

import demo
import unixport
from lwm2mserver import Server
from lwnode import until
from realserver import free_port

VALUE = "/3300/0/5700"
NAME = "urn:imei:350000000000000"
SPEED = 10
OPTIONS = ("--speed", str(SPEED), "--set", "boot_dead_s=5", "--set", "attach_s=5")
ARRIVED = re.compile(
    r"([0-9.]+) has arrived: awake for (\d+) s, (\d+) bytes on the UART, (\d+) on air"
)


class Site:
    """The node's process, its server, and the simulated module."""

    def __init__(self, server, simulator):
        self.server = server
        self.simulator = simulator
        self.lines = []
        self.process = None

    async def read(self):
        async for line in self.process.stdout:
            self.lines.append(line.decode().rstrip())

    def values(self):
        client = self.server.clients.get(NAME)
        return [float(data) for _, data in client.values.get(VALUE, ())] if client else []

    def arrivals(self):
        """(value, seconds, bytes, bytes) of each report that has arrived, as the node says."""
        found = [ARRIVED.fullmatch(line) for line in self.lines]
        return [tuple(map(float, match.groups())) for match in found if match]


@contextlib.asynccontextmanager
async def running(folder, arguments, name="node_report", speed=SPEED):
    """A node of boards/ with run(host, port, *arguments)."""
    server = Server((VALUE,), accept=0)
    port = free_port()
    await server.start(port)
    simulator = demo.Simulator(folder, *OPTIONS)
    site = Site(server, simulator)
    site.process = await asyncio.create_subprocess_exec(
        unixport.find().path,
        "-c",
        f"import {name}; {name}.run('127.0.0.1', {port}, {arguments})",
        cwd=unixport.ROOT,
        env=unixport.environment(
            "lib",
            "boards",
            "boards/UNIX",
            LEXI_UART=simulator.tty,
            LEXI_SPEED=str(speed),
            LEXI_PINS=str(simulator.control_port),
            LEXI_STORE=str(folder / "budgets"),
        ),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    reader = asyncio.create_task(site.read())
    try:
        yield site
    finally:
        print("\n".join(site.lines))
        if site.process.returncode is None:
            site.process.kill()
        await site.process.wait()
        await reader
        simulator.stop()
        await server.stop()


def test_reports_and_knows_that_they_arrived(tmp_path):
    async def main():
        async with running(tmp_path, "1") as site:
            await until(lambda: len(site.arrivals()) >= 3, "three reports")
            assert [each[0] for each in site.arrivals()[:3]] == [20, 20.5, 21]
            assert site.values()[:3] == [20, 20, 20.5]  # the first is sent again, to be confirmed
            site.simulator.control("reboot silent")
            await until(lambda: "socket rebuilt" in site.lines, "another socket")
            count = len(site.arrivals())
            await until(lambda: len(site.arrivals()) > count, "a report")
            assert site.simulator.state()["harm"] == 0

    asyncio.run(main())


def test_one_that_sleeps_ends_when_its_report_has_arrived(tmp_path):
    async def main():
        async with running(tmp_path, "once=True") as site:
            assert await asyncio.wait_for(site.process.wait(), 30) == 0
            await until(site.arrivals, "a report")
            ((value, awake_s, uart_bytes, air_bytes),) = site.arrivals()
            assert site.values()[-1] == value
            assert awake_s < 120
            assert 100 < air_bytes < 1000 < uart_bytes < 5000
            assert site.simulator.state()["sockets"] == []

    asyncio.run(main())


def test_without_asyncio(tmp_path):
    async def main():
        async with running(tmp_path, "1", "node_report_blocking", 1) as site:

            def arrivals():
                return [float(line.split()[0]) for line in site.lines if "arrived" in line]

            await until(lambda: len(arrivals()) >= 3, "three reports")
            assert set(arrivals()) <= set(site.values())
            assert site.simulator.state()["harm"] == 0

    asyncio.run(main())
