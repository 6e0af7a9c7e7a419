"""What lies behind the radio: NAT, loss, delay and duplicates of UDP datagrams, names, and peers.

A datagram leaves by an external port of the NAT and goes to a peer. A peer is an object of the
program that holds the module (`Internet.peer`), which is how tests on virtual time talk to a
host, or it is out there and reached by real UDP (`outside`, see `udp.py`).

Nothing here is a fact about a module. Times are module seconds.
"""

import random
from collections import Counter
from itertools import count

OUT = "out"
IN = "in"
WAYS = (OUT, IN)

HOST = "198.51.100.7"  # what peers see of the NAT (a documentation address)
_FIRST_PORT = 40000
_REMEMBERED = 1000  # datagrams a peer keeps


class Flow:
    """One socket of the module as the NAT sees it."""

    def __init__(self, receive):
        self.receive = receive  # receive(data, (host, port)): a datagram reached the module
        self.port = None  # the external port; None before the first datagram and after `rebind`
        self.used_s = 0.0


class Peer:
    """A host in the same program. `received` has (module seconds, data, (host, port)) of each."""

    def __init__(self, internet, address, on_datagram):
        self.address = address
        self.received = []
        self.on_datagram = on_datagram  # on_datagram(data, source), or None
        self._internet = internet

    def send(self, data, to):
        """Send a datagram to an external port of the NAT, (host, port)."""
        self._internet.arrive(to[1], bytes(data), self.address)

    def take(self, time_s, data, source):
        """For the Internet: a datagram has come."""
        del self.received[:-_REMEMBERED]
        self.received.append((time_s, data, source))
        if self.on_datagram is not None:
            self.on_datagram(data, source)


class Internet:
    """The way of the datagrams; the verbs `udp`, `nat`, `dns` and `peer` act on it."""

    def __init__(self, module):
        config = module.config
        self._module = module
        self._random = random.Random(f"{config.seed} internet")
        self.outside = None  # open(on_datagram) -> port, send(port, data, address), close(port)
        self.names = dict(pair.split("=") for pair in config.dns.split(",") if pair)
        self.lose_next = Counter()  # by way
        self.counts = Counter()  # out, in, lost, duplicated, unreachable
        self._peers = {}
        self._flows = {}  # by external port
        self._ports = count(_FIRST_PORT)
        self.heal()

    def heal(self):
        """The faults are those of the options."""
        config = self._module.config
        self.loss = dict.fromkeys(WAYS, config.udp_loss)
        self.duplicate = config.udp_duplicate
        self.delay_s = (config.udp_delay_s, config.udp_delay_s)
        self.lose_next.clear()

    # For the module

    def open(self, receive):
        """A socket of the module begins; returns its Flow."""
        return Flow(receive)

    def close(self, flow):
        """It ends: what is still on its way to it is lost."""
        if flow.port is not None:
            del self._flows[flow.port]
            if self.outside is not None:
                self.outside.close(flow.port)
            flow.port = None

    def send(self, flow, data, address):
        """A datagram leaves the module."""
        now_s = self._module.clock.module_s
        timeout_s = self._module.config.nat_timeout_s
        if timeout_s and now_s - flow.used_s >= timeout_s:
            self.close(flow)
        if flow.port is None:
            flow.port = next(self._ports) if self.outside is None else self.outside.open()
            self._flows[flow.port] = flow
        flow.used_s = now_s
        port = flow.port
        self._travel(OUT, data, lambda: self._deliver(port, data, address))

    def resolve(self, name):
        """Return the address of a name, or None. An address is its own name."""
        return name if is_address(name) else self.names.get(name.lower())

    # Behind the NAT

    def peer(self, host, port, on_datagram=None):
        """Put a Peer at an address; the one that was there is gone."""
        found = self._peers[host, port] = Peer(self, (host, port), on_datagram)
        return found

    def remove_peer(self, host, port):
        """Nobody is at an address any more."""
        self._peers.pop((host, port), None)

    def arrive(self, port, data, source):
        """A datagram for an external port of the NAT sets out."""
        self._travel(IN, data, lambda: self._admit(port, data, source))

    def inject(self, flow, data, source):
        """A datagram comes to a socket, whoever sent it and whatever the NAT thinks of that."""
        self.counts[IN] += 1
        flow.receive(data, source)

    def rebind(self):
        """The NAT forgets: each socket gets another external port with its next datagram."""
        for flow in list(self._flows.values()):
            self.close(flow)

    def _travel(self, way, data, deliver):
        """Loss, duplicates and delay; every copy has its own luck."""
        copies = 1
        if self._random.random() < self.duplicate:
            copies = 2
            self.counts["duplicated"] += 1
        for _ in range(copies):
            if self.lose_next[way]:
                self.lose_next[way] -= 1
            elif self._random.random() >= self.loss[way]:
                self._module.world.after(self._random.uniform(*self.delay_s), deliver)
                continue
            self.counts["lost"] += 1
            self._module.record("datagram", way, "lost", len(data))

    def _deliver(self, port, data, address):
        """A datagram has come to where it was sent to."""
        self.counts[OUT] += 1
        peer = self._peers.get(address)
        if peer is not None:
            peer.take(self._module.clock.module_s, data, (HOST, port))
        elif self.outside is None or not self.outside.send(port, data, address):
            self.counts["unreachable"] += 1

    def _admit(self, port, data, source):
        flow = self._flows.get(port)
        if flow is None:
            self.counts["lost"] += 1
            self._module.record("datagram", IN, "lost", len(data))
            return
        self.counts[IN] += 1
        flow.used_s = self._module.clock.module_s
        flow.receive(data, source)


def is_address(text):
    """Whether a text is an IPv4 address."""
    parts = text.split(".")
    return len(parts) == 4 and all(
        part.isascii() and part.isdigit() and int(part) < 256 for part in parts
    )
