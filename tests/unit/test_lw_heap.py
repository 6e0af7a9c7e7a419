# What lwm2m allocates: nothing in set() when nothing is due, and nothing that stays.

import gc
import unittest

import harness
from peer import GET, POST, PUT, Node

_NOTIFICATION = 700  # bytes of garbage that a notification may make on a 64-bit port


class SetTest(unittest.TestCase):
    def quiet(self, node, *values):
        for value in values:
            harness.without_heap(node.sensor.set, value)
        self.assertEqual(node.client.errors, 0)

    def test_nobody_observes(self):
        node = Node().until_registered()
        self.quiet(node, 20.0, 30.0, float("nan"), 5, -40.25)

    def test_observed_on_each_level_and_watched(self):
        node = Node().until_registered()
        node.client.report("/3300/0/5700", 1000)
        for i, path in enumerate(("/3300", "/3300/0", "/3300/0/5700")):
            node.ask(PUT, path, query=["pmin=10", "pmax=60"])
            node.ask(GET, path, observe=0, token=bytes((i,)))
        self.quiet(node, 20.0, 30.0, float("nan"), 21.0)

    def test_thresholds_that_are_not_met(self):
        node = Node().until_registered()
        node.ask(PUT, "/3300/0/5700", query=["gt=50", "lt=-10", "st=9.5"])
        node.ask(GET, "/3300/0/5700", observe=0)
        self.quiet(node, 20.0, 30.0, float("nan"), 12.5)
        self.assertEqual(node.client.notifier.slots[0].met, False)

    def test_what_is_due_allocates_nothing_either_without_asyncio(self):
        node = Node().until_registered()
        node.ask(GET, "/3300/0/5700", observe=0)
        self.quiet(node, 20.0)
        self.assertEqual(node.client.notifier.slots[0].met, True)

    def test_the_harness_sees_an_allocation(self):
        node = Node().until_registered()
        node.objects.watchers.append(lambda *args: bytearray(9))
        with self.assertRaises(MemoryError):
            self.quiet(node, 20.0)


class FlatTest(unittest.TestCase):
    def growth(self, node, turn, count=1000):
        def used():
            node.heard = []
            node.log = []
            node.events.clear()
            gc.collect()
            return gc.mem_alloc()

        for i in range(50):
            turn(i)
        before = used()
        for i in range(count):
            turn(i)
            node.heard.clear()
            node.log.clear()
            node.events.clear()
        return used() - before

    def test_after_a_thousand_notifications(self):
        for accept in (0, 11542, 112):
            for con in (0, 1):
                node = Node(con=con).until_registered()
                node.ask(GET, "/3300/0/5700", observe=0, accept=accept)

                def turn(i):
                    node.sensor.set(i % 7)
                    node.run(0.1)

                self.assertTrue(self.growth(node, turn) < 300)

    def test_after_a_thousand_requests_updates_and_sends(self):
        node = Node().until_registered()

        def turn(i):
            node.ask(PUT, "/3300/0/5750", b"x", ct=0)
            node.ask(POST, "/3300/0/5605")
            node.ask(GET, "/3300", accept=112, observe=i % 2, token=bytes((i & 7,)))
            node.client.update()
            node.run(0.1)
            node.client.send("/3300/0/5700")
            node.run(0.1)

        self.assertTrue(self.growth(node, turn, 300) < 600)

    def test_garbage_of_a_notification(self):
        for accept in (0, 11542, 112):
            node = Node().until_registered()
            node.ask(GET, "/3300/0/5700", observe=0, accept=accept)
            out = bytearray(600)
            node.net.send = lambda buf, n: True
            step = node.client.step
            for i in range(5):
                node.sensor.set(i)
                step()
            gc.collect()
            gc.disable()
            before = gc.mem_alloc()
            for value in (7, 8, 7, 8, 7, 8, 7, 8, 7, 8):
                node.sensor.set(value)
                step()
            took = (gc.mem_alloc() - before) // 10
            gc.enable()
            before = gc.mem_alloc()
            step()
            print(
                "notification in format %d: %d B, idle step: %d B"
                % (accept, took, gc.mem_alloc() - before)
            )
            self.assertTrue(took <= _NOTIFICATION, took)
            self.assertEqual(len(out), 600)


if __name__ == "__main__":
    unittest.main()
