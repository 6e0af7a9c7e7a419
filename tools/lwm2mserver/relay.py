"""A relay between clients and a server, on loopback: it loses, doubles and delays datagrams."""

import asyncio
import random


class Relay:
    """Clients send to `port`; the server sees one address per client, until rebind().

    loss, twice: probabilities. delay: (least, most) seconds.
    """

    def __init__(self, server_port, host="127.0.0.1", seed=1):
        self.loss = self.twice = 0.0
        self.delay = (0.0, 0.0)
        self.lost = self.passed = 0
        self.blocked = False
        self._random = random.Random(seed)
        self._server = (host, server_port)
        self._host = host
        self._down = None  # the socket for clients
        self._up = {}  # {client's address: transport to the server}
        self._tasks = set()

    async def start(self, port=0):
        """Open it; returns its port."""
        loop = asyncio.get_running_loop()
        self._down, _ = await loop.create_datagram_endpoint(
            lambda: _Side(self._from_client), local_addr=(self._host, port)
        )
        return self._down.get_extra_info("sockname")[1]

    def stop(self):
        self._down.close()
        self.rebind()

    def rebind(self):
        """The server sees other ports from now on; what it sends to the old ones is lost."""
        for transport in self._up.values():
            transport.close()
        self._up = {}

    def _from_client(self, data, address):
        self._spawn(self._pass_up(data, address))

    async def _pass_up(self, data, address):
        if address not in self._up:
            loop = asyncio.get_running_loop()
            self._up[address], _ = await loop.create_datagram_endpoint(
                lambda: _Side(lambda answer, _: self._fault(self._down, answer, address)),
                remote_addr=self._server,
            )
        self._fault(self._up[address], data, None)

    def _fault(self, transport, data, address):
        copies = 2 if self._random.random() < self.twice else 1
        for _ in range(copies):
            if self.blocked or self._random.random() < self.loss:
                self.lost += 1
                continue
            self.passed += 1
            self._spawn(self._later(transport, data, address, self._random.uniform(*self.delay)))

    async def _later(self, transport, data, address, delay):
        if delay:
            await asyncio.sleep(delay)
        if not transport.is_closing():
            transport.sendto(data, address)

    def _spawn(self, coro):
        task = asyncio.get_running_loop().create_task(coro)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _Side(asyncio.DatagramProtocol):
    def __init__(self, received):
        self.datagram_received = received

    def error_received(self, exc):
        pass
