# Twenty thousand made-up datagrams: no exception, no growth, nothing half written. `make fuzz` has
# a million.

import unittest

import fuzzer

COUNT = 20000


class FuzzTest(unittest.TestCase):
    def test_made_up_datagrams(self):
        node = fuzzer.run(COUNT)
        node.client.kick()
        node.net.inbox.clear()
        node.run(100)
        self.assertTrue(node.client.is_registered())
        self.assertEqual(node.ask(1, "/3300/0/5701").payload, b"Cel")


if __name__ == "__main__":
    unittest.main()
