# Datagrams that a server or a stranger might make up, and what must hold after each of them.
#
#   import fuzzer; fuzzer.run(1000000, seed=1)

import gc
import json

import peer
from lwm2m.objects import Instance, kind_ok
from test_lw_requests import MIXED, mixed

_CHECK_EVERY = 2000  # datagrams
_GROWTH = 6000  # bytes that the heap may be larger than after the first check


def corpus():
    """Datagrams of public programs, and requests for everything that the node has."""
    with open("tests/vectors/lwm2m.json") as file:
        vectors = json.load(file)
    found = [bytes.fromhex(vector["request"]) for vector in vectors["bad"]]
    for vector in vectors["exchanges"]:
        for datagram in vector["datagrams"]:
            if datagram["from"] == "server" and len(datagram["hex"]) < 400:
                found.append(bytes.fromhex(datagram["hex"]))
    made = Node()
    for rid in range(14):
        for method in (1, 2, 3):
            for ct in (0, 42, 60, 112, 11542):
                path = "/3442/0/%d" % rid
                found.append(made.request(method, path, b"\x01", ct=ct, observe=0))
    for path in ("/1/0/1", "/1/0/4", "/1/0/8", "/3300/0/5700", "/3300/0", "/3", "/3442/0/7/2"):
        for accept in (None, 0, 40, 112, 11542):
            found.append(made.request(1, path, accept=accept, observe=0, block2=1))
            found.append(made.request(3, path, query=["pmin=1", "pmax=9", "st=1"]))
    return found


def Node():
    return peer.Node(mixed(actions={0: lambda arguments: None}), observations=4, attributes=4)


def mutated(seeds, bits):
    """One of the seeds, changed in some places."""
    data = bytearray(seeds[bits(16) % len(seeds)])
    way = bits(4)
    if way == 0:
        return bytes(bits(8) for _ in range(bits(6)))
    if way < 4:
        data = data[: bits(8) % (len(data) + 1)]
    if way == 4:
        other = seeds[bits(16) % len(seeds)]
        data = data[: bits(8) % (len(data) + 1)] + other[bits(8) % (len(other) + 1) :]
    if way == 5:
        data += bytes(bits(8) for _ in range(bits(5)))
    for _ in range(bits(3) if way > 2 else 0):
        if data:
            data[bits(16) % len(data)] = bits(8) if bits(1) else (0, 255, 127, 128)[bits(2)]
    if len(data) > 3 and bits(2):
        data[0] = data[0] & 0x3F | 0x40
        data[2] = bits(8)  # else many would be duplicates
        data[3] = bits(8)
    return bytes(data)


def check(node):
    """What holds whatever came."""
    client = node.client
    assert client.errors == 0, client.errors
    assert len(client.notifier.slots) <= 4
    for instance in node.objects.all:
        for rid, value in instance.values.items():
            entry = instance.entry(rid)
            assert entry, (instance.oid, rid)
            for one in value.values() if isinstance(value, dict) else (value,):
                assert kind_ok(entry & 15, one), (instance.oid, rid, one)
    assert client.server.get(1) > 0


def run(count, seed=1, tell=None):
    """Give a node so many datagrams; AssertionError when something does not hold."""
    state = [seed]

    def bits(n):  # xorshift: the same everywhere
        x = state[0]
        x = (x ^ x << 13) & 0xFFFFFFFF
        x ^= x >> 17
        state[0] = x = (x ^ x << 5) & 0xFFFFFFFF
        return x >> 3 & (1 << n) - 1

    seeds = corpus()
    node = Node()
    node.until_registered()
    node.client.on_error = None
    first = None
    for i in range(count):
        data = mutated(seeds, bits)
        if len(data) > 5 and data[4:5] == b"\x51" and bits(3) == 0:
            node.sensor.set(bits(8))
        node.net.inbox.append(data)
        before = state[0]
        try:
            node.client.step()
        except Exception as error:
            raise AssertionError("%d: %s: %r" % (i, data.hex(), error)) from error
        answers = [out for out in node.net.out if out[0] & 0x30 in (0x20, 0x30)]
        assert len(answers) <= 1, (i, data.hex(), answers)
        for out in node.net.out:
            assert len(out) <= 600
            peer.Heard(out)
        node.net.out.clear()
        assert state[0] == before
        node.ticks.ms += bits(9)
        if i % _CHECK_EVERY == _CHECK_EVERY - 1:
            check(node)
            gc.collect()
            used = gc.mem_alloc()
            if first is None or i < 3 * _CHECK_EVERY:
                first = used
            assert used < first + _GROWTH, (i, first, used)
            node.events.clear()
            if tell:
                tell(i + 1, used)
    check(node)
    return node
