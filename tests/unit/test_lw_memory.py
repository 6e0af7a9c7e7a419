# No memory, and a transport that raises: a turn may fail, the next one goes on.

import unittest

import micropython

from peer import ACK, CON, GET, POST, PUT, Node, message


class NoMemoryTest(unittest.TestCase):
    def test_turns_without_heap(self):
        node = Node(con=1, lifetime_s=600)
        node.client.on_error = lambda error: None
        node.client.start()
        requests = [
            node.request(GET, "/3300/0/5700", accept=0, observe=0),
            node.request(PUT, "/3300/0/5750", b"abc", ct=0),
            node.request(PUT, "/1/0/1", b"300", ct=0),
            node.request(GET, "/3300", accept=112),
            node.request(GET, "/3300", accept=40),
            node.request(POST, "/3300/0/5605"),
            node.request(PUT, "/3300/0/5700", query=["gt=5"]),
        ]
        failures = 0
        for i in range(600):
            data = requests[i % len(requests)]
            node.net.inbox.append(data[:2] + bytes((i >> 8, i & 255)) + data[4:])
            node.sensor.set(i)
            recv_into = node.net.recv_into
            send = node.net.send
            # The fakes allocate; the client has no heap but there.
            node.net.recv_into = lambda buf: unlocked(recv_into, buf)
            node.net.send = lambda buf, n: unlocked(send, buf, n)
            micropython.heap_lock()
            try:
                node.client.step()
            except MemoryError:
                failures += 1
            finally:
                micropython.heap_unlock()
            node.net.recv_into = recv_into
            node.net.send = send
            node._serve()
            node.ticks.ms += 700
        self.assertTrue(failures + node.client.errors > 20)
        node.client.on_error = None
        node.client.kick()
        node.run(200)
        self.assertTrue(node.client.is_registered())
        self.assertEqual(node.ask(GET, "/3300/0/5700", accept=0, observe=0).payload, b"599")
        node.ask(PUT, "/3300/0/5700", query=["gt"])
        node.heard = []
        node.sensor.set(7)
        node.run(1)
        self.assertEqual([heard.payload for heard in node.notifications()], [b"7"])

    def test_a_transport_that_raises(self):
        node = Node().until_registered()
        node.ask(GET, "/3300/0/5700", accept=0, observe=0)
        errors = []
        node.heard = []
        node.client.on_error = errors.append
        send, recv_into = node.net.send, node.net.recv_into

        def broken(*args):
            raise OSError(5)

        node.net.send = node.net.recv_into = broken
        node.sensor.set(30)
        node.client.update()
        node.run(5)
        self.assertTrue(len(errors) > 5)
        node.net.send, node.net.recv_into = send, recv_into
        node.run(5)
        self.assertEqual([heard.payload for heard in node.notifications()], [b"30"])
        self.assertEqual(node.events[-1], (2, None))


def unlocked(function, *args):
    micropython.heap_unlock()
    try:
        return function(*args)
    finally:
        micropython.heap_lock()


if __name__ == "__main__":
    unittest.main()
