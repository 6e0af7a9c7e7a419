# A network that loses, doubles and delays, in virtual time: the last value arrives, and every
# Execute runs once. And a clock that wraps, restarts, ports that change.

import unittest

from lwm2m.objects import E, Instance
from peer import ACK, CON, GET, POST, RST, TOKEN, Heard, Node, message

COUNTER = (3500, None, False, (0 << 8 | E,))


class Random:
    def __init__(self, seed):
        self.state = seed

    def __call__(self, n):
        self.state = (self.state * 1103515245 + 12345) & 0x7FFFFFFF
        return self.state >> 8 & (1 << n) - 1

    def below(self, chance):
        return self(12) < chance * 4096


class World:
    """A node and a server between which datagrams are lost, doubled and late.

    The server observes the value at each Register, and retransmits what it asks.
    """

    def __init__(self, seed, loss=0.3, twice=0.1, late_s=1.5, **options):
        self.random = Random(seed)
        self.loss, self.twice, self.late_s = loss, twice, late_s
        self.runs = []
        counter = Instance(COUNTER, 0, None, {0: self.runs.append})
        self.node = Node(counter, bits=self.random, **options)
        self.node.answer = False
        self.flying = []  # (second, to the node, data)
        self.asking = []  # [second of the next try, tries, message]
        self.answers = {}  # {id of a request of the node: the answer}
        self.port = 1  # that the node comes from
        self.registered_port = 0
        self.observed = None  # (token, port)
        self.number = -1
        self.value = None
        self.registrations = self.updates = 0
        self.mid = 5000
        self.forgotten = False

    def fly(self, to_node, data):
        for _ in range(2 if self.random.below(self.twice) else 1):
            if not self.random.below(self.loss):
                at = self.node.now() + self.late_s * self.random(8) / 256
                self.flying.append((at, to_node, data, self.port))

    def ask(self, code, path, token, payload=None, observe=None):
        self.mid += 1
        options = [] if observe is None else [(6, b"")]
        options += [(11, part) for part in path]
        if observe is not None:
            options.append((17, b""))
        data = message(CON, code, self.mid, token, options, payload)
        self.asking.append([self.node.now(), 0, self.mid, data])

    def run(self, seconds):
        node = self.node
        end = node.now() + seconds
        while node.now() < end:
            wait_ms = node.client.step()
            for data in node.net.out:
                self.fly(False, data)
            node.net.out.clear()
            now = node.now()
            for row in list(self.asking):
                if row[0] <= now:
                    self.fly(True, row[3])
                    row[0] = now + 2.5 * 2 ** row[1]
                    row[1] += 1
                    if row[1] > 4:
                        self.asking.remove(row)
            due = [one for one in self.flying if one[0] <= now]
            self.flying = [one for one in self.flying if one[0] > now]
            for _, to_node, data, port in due:
                if not to_node:
                    self.hear(Heard(data), port)
                elif port == self.port:
                    node.net.inbox.append(data)
            node.ticks.ms += max(1, min(wait_ms, 50))

    def hear(self, heard, port):
        if heard.kind in (ACK, RST):
            self.asking = [row for row in self.asking if row[2] != heard.mid]
        elif heard.code[0] == "2":
            if (heard.token, port) != self.observed:
                self.fly(True, message(RST, 0, heard.mid))
                return
            if heard.kind == CON:
                self.fly(True, message(ACK, 0, heard.mid))
            self.take(heard)
            return
        elif heard.code == "0.02":
            key = heard.mid
            if key not in self.answers:
                self.answers[key] = self.served(heard, port)
            self.fly(True, self.answers[key])
            return
        if heard.code == "2.05" and (heard.token, port) == self.observed:
            self.take(heard)

    def take(self, heard):
        number = heard.value(6)
        if number is not None and number > self.number:
            self.number = number
            self.value = float(heard.payload)

    def served(self, heard, port):
        if len(heard.all(11)) == 1:
            self.registrations += 1
            self.registered_port = port
            self.forgotten = False
            self.observed = (bytes((self.registrations,)) * 4, port)
            self.number = -1
            self.ask(GET, (b"3300", b"0", b"5700"), self.observed[0], None, 0)
            options = ((8, b"rd"), (8, b"%d" % self.registrations))
            return message(ACK, 0x41, heard.mid, heard.token, options)
        self.updates += 1
        good = not self.forgotten and heard.all(11)[1] == b"%d" % self.registrations
        if good:
            self.registered_port = port
        return message(ACK, 0x44 if good else 0x84, heard.mid, heard.token)


class LossTest(unittest.TestCase):
    def changes(self, seed, **options):
        world = World(seed, **options)
        world.node.client.start()
        world.run(30)
        asked = 0
        for i in range(200):
            world.node.sensor.set(100 + i)
            if i % 20 == 10:
                asked += 1
                world.ask(POST, (b"3500", b"0", b"0"), b"\xee" + bytes((i,)), b"%d" % (asked % 10))
            world.run(0.5)
        for second in range(121):
            if world.value == 299:
                break
            world.run(1)
        self.assertEqual(world.value, 299, "seed %d" % seed)
        self.assertTrue(asked - 1 <= len(world.runs) <= asked)
        self.assertEqual(len(world.runs), len(set(world.runs)))
        self.assertEqual(world.node.client.errors, 0)
        return world

    def test_200_changes_where_every_notification_is_a_con(self):
        for seed in range(1, 7):
            self.changes(seed, con=1)

    def test_200_changes_with_some_cons(self):
        # NONs may be lost for good; a limit of the age has the last value confirmed.
        for seed in range(11, 15):
            world = World(seed)
            world.node.client.start()
            world.node.client.report("/3300/0/5700", 60)
            world.run(30)
            for i in range(200):
                world.node.sensor.set(100 + i)
                world.run(0.5)
            for _ in range(121):
                if world.value == 299:
                    break
                world.run(1)
            self.assertEqual(world.value, 299, "seed %d" % seed)


class RestartTest(unittest.TestCase):
    def world(self, **options):
        world = World(1, 0, 0, 0.05, **options)
        world.node.client.start()
        world.run(2)
        self.assertEqual(world.value, 21.5)
        return world

    def test_a_server_that_forgot(self):
        world = self.world()
        world.forgotten = True
        world.observed = None
        world.node.client.update()
        world.run(2)
        self.assertEqual((world.registrations, world.value), (2, 21.5))
        world.node.sensor.set(30)
        world.run(1)
        self.assertEqual(world.value, 30)

    def test_another_port_where_nons_vanish(self):
        world = self.world()
        fly = world.fly
        world.fly = lambda to_node, data: fly(to_node, data) if data[0] >> 4 & 3 != RST else None
        world.port = 2
        world.node.sensor.set(30)
        world.run(5)
        self.assertEqual(world.value, 21.5)
        world.fly = fly
        world.node.client.update()
        world.run(1)
        world.node.sensor.set(31)
        world.run(15)
        self.assertEqual(world.value, 31)
        self.assertEqual((world.registrations, world.updates), (2, 1))
        self.assertTrue((12, (3300, 0, 5700)) in world.node.events)

    def test_a_rebuilt_socket(self):
        world = self.world()
        world.port = 2
        world.node.client.rebuilt()
        world.node.sensor.set(31)
        world.run(15)
        self.assertEqual(world.value, 31)
        self.assertEqual((world.registrations, world.updates), (2, 1))

    def test_the_clock_wraps(self):
        node = Node(lifetime_s=3600)
        node.ticks.ms = (1 << 30) - 5000
        node.client.endpoint.now()
        node.client.start()
        node.run(1)
        node.ask(GET, "/3300/0/5700", observe=0, accept=0)
        for i in range(10):
            node.heard = []
            node.sensor.set(i)
            node.run(3600)
            self.assertTrue(len(node.notifications()) >= 1)
            self.assertTrue(1 <= len(node.sent("0.02")) <= 2)
        self.assertTrue(node.client.is_registered())

    def test_a_gap_of_a_week_stops_nothing(self):
        node = Node(lifetime_s=3600).until_registered()
        node.ticks.ms += 7 * 86400 * 1000
        node.run(3600)
        self.assertTrue(node.sent("0.02"))


if __name__ == "__main__":
    unittest.main()
