# The transport over a socket, against sockets on loopback.

import asyncio
import errno
import socket
import time
import unittest

from lwm2m import Client, Objects, Sensor, UdpTransport

PING = b"\x40\x00\x12\x34"


def port(sock):
    for number in range(20000, 65000):
        try:
            sock.bind(socket.getaddrinfo("127.0.0.1", number)[0][-1])
            return number
        except OSError:
            pass


class UdpTest(unittest.TestCase):
    def setUp(self):
        self.server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.server.settimeout(5)
        self.port = port(self.server)
        self.transport = UdpTransport("coap://127.0.0.1:%d" % self.port)
        self.sent = []
        self.rebuilt = []
        self.transport.on_sent = self.sent.append
        self.transport.on_rebuilt = lambda: self.rebuilt.append(1)
        self.buf = bytearray(20)

    def tearDown(self):
        self.transport.close()
        self.server.close()

    def received(self):
        for _ in range(100):
            n = self.transport.recv_into(self.buf)
            if n:
                return bytes(self.buf[:n])
            time.sleep_ms(2)
        return None

    def test_there_and_back(self):
        self.assertEqual(self.transport.recv_into(self.buf), 0)
        self.assertTrue(self.transport.send(PING + b"rest", 4))
        data, address = self.server.recvfrom(100)
        self.assertEqual((data, self.sent), (PING, [0x1234]))
        self.server.sendto(b"answer", address)
        self.assertEqual(self.received(), b"answer")
        self.server.sendto(b"x" * 50, address)
        self.assertEqual(self.received(), b"x" * 20)
        self.assertEqual(self.transport.recv_into(self.buf), 0)
        other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        other.sendto(b"stranger", address)
        time.sleep_ms(20)
        self.assertEqual(self.transport.recv_into(self.buf), 0)
        other.close()

    def test_reopened(self):
        self.transport.send(PING, 4)
        _, before = self.server.recvfrom(100)
        self.transport.reopen()
        self.assertEqual(self.rebuilt, [1])
        self.transport.send(PING, 4)
        _, after = self.server.recvfrom(100)
        self.assertNotEqual(before, after)
        self.assertEqual(self.transport.recv_into(self.buf), 0)
        self.assertEqual(self.rebuilt, [1])

    def test_a_socket_that_failed_is_made_anew_and_that_is_told(self):
        self.transport.send(PING, 4)
        self.transport._failed(OSError(errno.ENOTCONN))
        self.assertEqual(self.rebuilt, [])
        self.assertTrue(self.transport.send(PING, 4))
        self.assertEqual(self.rebuilt, [])
        self.transport.recv_into(self.buf)
        self.transport.recv_into(self.buf)
        self.assertEqual((self.rebuilt, self.transport.failures), ([1], 1))

    def test_nobody_there(self):
        self.server.close()
        for _ in range(3):
            self.assertTrue(self.transport.send(PING, 4))
            time.sleep_ms(5)
            self.assertEqual(self.transport.recv_into(self.buf), 0)
        self.assertEqual(len(self.sent), 3)
        self.assertEqual(self.rebuilt, [])
        self.server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def test_a_name_that_is_none(self):
        transport = UdpTransport("coap://a..b")
        transport.on_sent = self.sent.append
        self.assertTrue(transport.send(PING, 4))
        self.assertEqual((self.sent, transport.failures), ([0x1234], 1))
        self.assertEqual(transport.recv_into(self.buf), 0)

    def test_run_and_stop_under_asyncio(self):
        events = []
        sensor = Sensor()
        client = Client(
            self.transport,
            "node-1",
            Objects(sensor),
            on_event=lambda client, event, detail: events.append(event),
        )

        async def main():
            task = asyncio.create_task(client.run())
            for code, option in ((0x41, b"\x81x"), (0x42, b"")):
                await asyncio.sleep_ms(20)
                data, address = self.server.recvfrom(600)
                self.server.sendto(b"\x61" + bytes((code,)) + data[2:5] + option, address)
                if code == 0x41:
                    await asyncio.sleep_ms(20)
                    self.assertTrue(client.is_registered())
                    client.stop()
            await asyncio.wait_for(task, 5)

        asyncio.run(main())
        self.assertEqual(events, [1, 3])


if __name__ == "__main__":
    unittest.main()
