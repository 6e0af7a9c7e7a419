"""The LwM2M client under the unix port, over UDP, against a server made of aiocoap."""

import asyncio
import contextlib
import functools
import re

import pytest
import unixport
from lwm2mserver import Relay, Server
from lwnode import node, until
from realserver import RealServer, free_port, missing

VALUE = "/3300/0/5700"
NAME = "node-1"

# Events of the client.
REGISTERED = 1
UPDATED = 2
REGISTRATION_LOST = 6
REBUILT = 7
OBSERVATION_LOST = 12
SENT = 13


@contextlib.asynccontextmanager
async def serving(observe=(VALUE,), accept=0):
    server = Server(observe, accept=accept)
    port = free_port()
    await server.start(port)
    try:
        yield server, port
    finally:
        await server.stop()


@contextlib.asynccontextmanager
async def relayed(port, **faults):
    relay = Relay(port)
    for name, value in faults.items():
        setattr(relay, name, value)
    front = await relay.start()
    try:
        yield relay, front
    finally:
        relay.stop()


def latest(server):
    """The value that the server has, None when it has none."""
    client = server.clients.get(NAME)
    found = client and client.values.get(VALUE)
    return float(found[-1][1]) if found else None


def test_registers_serves_reports_and_leaves():
    async def main():
        async with serving() as (server, port), node(port) as device:
            await until(lambda: latest(server) == 20, "an observation")
            assert server.clients[NAME].queries == {
                "ep": NAME,
                "lt": "86400",
                "lwm2m": "1.1",
                "b": "U",
            }
            device.tell("set 22")
            await until(lambda: latest(server) == 22, "a notification")
            answer = await server.read(NAME, "/3300/0", accept=11542)
            assert answer.code.dotted == "2.05"
            assert bytes.fromhex("e4164441b00000") in answer.payload
            answer = await server.read(NAME, "/3300", accept=40)
            assert answer.payload.startswith(b"</3300>;ver=1.1,</3300/0>,")
            assert (await server.write(NAME, "/3500/0/1", b"7")).code.dotted == "2.04"
            assert (await server.read(NAME, "/3500/0/1")).payload == b"7"
            assert (await server.write(NAME, "/3500/0/1", b"x")).code.dotted == "4.00"
            assert (await server.execute(NAME, "/3500/0/0", b"5")).code.dotted == "2.04"
            assert await device.ask("runs") == ["5"]
            assert (await server.read(NAME, "/0/0")).code.dotted == "4.01"
            assert (await server.write(NAME, "/1/0/1", b"60")).code.dotted == "2.04"
            await until(lambda: server.clients[NAME].lifetime == 60, "an Update")
            assert await device.ask("send " + VALUE)
            await until(lambda: server.sent, "a Send")
            await until(lambda: device.count(SENT), "its confirmation")
            assert server.sent[0].startswith(b"\x81\xa2\x21\x6c/3300/0/5700\x02\xf9")
        assert NAME not in server.clients

    asyncio.run(main())


def test_a_server_that_forgets_has_it_back_at_once():
    async def main():
        async with serving() as (server, port), node(port) as device:
            await until(lambda: latest(server) == 20, "an observation")
            server.forget(NAME)
            device.tell("update")
            await until(lambda: NAME in server.clients, "a Register", 10)
            assert device.count(REGISTRATION_LOST) == 1
            await until(lambda: device.count(REGISTERED) == 2, "the event")

    asyncio.run(main())


def test_a_server_that_is_not_there_yet():
    async def main():
        port = free_port()
        async with node(port) as device:
            await asyncio.sleep(0.5)
            server = Server((VALUE,), accept=0)
            await server.start(port)
            await until(lambda: latest(server) == 20, "an observation")
            assert device.count(REGISTERED) == 1
        assert NAME not in server.clients
        await server.stop()

    asyncio.run(main())


def test_reporting_again_after_the_ports_were_rebound():
    async def main():
        async with (
            serving() as (server, port),
            relayed(port) as (relay, front),
            node(front, renew_s=1) as device,
        ):
            await until(lambda: latest(server) == 20, "an observation")
            before = server.clients[NAME]
            relay.rebind()
            device.tell("set 30")  # a NON, which vanishes: aiocoap answers none
            device.tell("update")
            await until(lambda: device.count(UPDATED), "an Update", 10)
            device.tell("set 31")
            await until(lambda: device.count(OBSERVATION_LOST), "an RST", 10)
            await until(lambda: latest(server) == 31, "a report", 20)
            assert (server.clients[NAME].registrations, before.updates) == (2, 1)


def test_reporting_again_at_once_where_every_notification_is_a_con():
    async def main():
        async with (
            serving() as (server, port),
            relayed(port) as (relay, front),
            node(front, con=1, renew_s=1) as device,
        ):
            await until(lambda: latest(server) == 20, "an observation")
            before = server.clients[NAME]
            relay.rebind()
            device.tell("set 31")
            await until(lambda: latest(server) == 31, "a report", 20)
            assert device.count(OBSERVATION_LOST) == 1
            assert (server.clients[NAME].registrations, before.updates) == (2, 0)

    asyncio.run(main())


def test_reporting_again_after_the_socket_was_rebuilt():
    async def main():
        async with serving() as (server, port), node(port, renew_s=1) as device:
            await until(lambda: latest(server) == 20, "an observation")
            device.tell("reopen")
            await until(lambda: device.count(REBUILT), "the event")
            await until(lambda: server.clients[NAME].registrations == 2, "a Register", 20)
            device.tell("set 31")
            await until(lambda: latest(server) == 31, "a report")
            assert device.count(OBSERVATION_LOST) == 1

    asyncio.run(main())


def test_strangers_are_not_served():
    async def main():
        async with serving() as (server, port), node(port):
            await until(lambda: latest(server) == 20, "an observation")
            address = server.clients[NAME].remote.sockaddr[1]
            loop = asyncio.get_running_loop()
            heard = []

            class Stranger(asyncio.DatagramProtocol):
                def datagram_received(self, data, addr):
                    heard.append(data)

            stranger, _ = await loop.create_datagram_endpoint(
                Stranger, remote_addr=("127.0.0.1", address)
            )
            stranger.sendto(bytes.fromhex("420103e951e9b43333303001300435373030"))
            await asyncio.sleep(0.3)
            stranger.close()
            assert heard == []

    asyncio.run(main())


@pytest.mark.slow
def test_200_changes_and_executes_through_loss_doubles_and_delay():
    async def main():
        faults = {"loss": 0.3, "twice": 0.1, "delay": (0.0, 1.5)}
        async with (
            serving() as (server, port),
            relayed(port, **faults) as (_, front),
            node(front, con=1) as device,
        ):
            await until(lambda: latest(server), "an observation", 300)
            executes = []
            for i in range(200):
                device.tell(f"set {100 + i}")
                if i % 20 == 0:
                    executes.append(
                        asyncio.create_task(server.execute(NAME, "/3500/0/0", b"%d" % (i // 20)))
                    )
                await asyncio.sleep(0.25)
            await until(lambda: latest(server) == 299, "the last value", 120)
            answers = await asyncio.gather(*executes, return_exceptions=True)
            runs = await device.ask("runs")
            assert len(runs) == len(set(runs)), runs
            assert len(runs) >= sum(not isinstance(answer, Exception) for answer in answers)

    asyncio.run(main())


@pytest.mark.skipif(missing() is not None, reason="needs Node.js and lwm2m-node-lib")
def test_a_server_of_another_kind():
    async def main():
        with RealServer() as server:
            async with node(server.port) as device:
                row = await asyncio.to_thread(server.wait_for_device, NAME)
                ask = functools.partial(asyncio.to_thread, server.ask)
                assert await ask(f"read {row['id']} {VALUE}") == {"read": "20"}
                device.tell("set 21")
                assert (await ask(f"read {row['id']} {VALUE}"))["read"] in ("20", "21.0")
                assert "error" in await ask(f"read {row['id']} /3300/0/5605")
                assert await ask(f"execute {row['id']} /3500/0/0") == {"execute": "/3500/0/0"}
                assert await device.ask("runs") == [""]
                await ask(f"forget {row['id']}")
                device.tell("update")
                await until(lambda: device.count(REGISTERED) == 2, "a Register", 10)
            assert await ask("list") == {"list": []}

    asyncio.run(main())


def test_the_program_of_its_readme_runs():
    text = (unixport.ROOT / "packages" / "lwm2m" / "README.md").read_text()
    program = re.search(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)[1]
    assert "192.0.2.1:5683" in program

    async def main():
        async with serving() as (server, port):
            process = await asyncio.create_subprocess_exec(
                unixport.find().path,
                "-c",
                program.replace("192.0.2.1:5683", f"127.0.0.1:{port}"),
                cwd=unixport.ROOT,
                env=unixport.environment("lib"),
                stdout=asyncio.subprocess.PIPE,
            )
            try:
                for line in (b"registered\n", b"observed /3300/0/5700\n"):
                    assert await asyncio.wait_for(process.stdout.readline(), 10) == line
                values = server.clients["urn:imei:350000000000000"].values
                await until(lambda: len(values.get(VALUE, ())) > 1, "a notification")
                assert [value for _, value in values[VALUE]] == [b"20.75", b"21.0"]
            finally:
                process.kill()
                await process.wait()

    asyncio.run(main())
