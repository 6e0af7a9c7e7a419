# UDP datagrams through the module, against a scripted one that has the sockets of the manual.

import asyncio
import unittest

import harness
from atport.errors import AtError, AtTimeout, PortError
from harness import PORTS, AioPort, FakeStream
from lexi.sockets import UdpSocket

OK = b"\r\nOK\r\n"
BLOCKS = (b"x", b"@", b'"', b"\r\nOK\r\n", b'+UUSORF: 0,5\r\n"', bytes(range(256)), b"\0" * 1024)


def failure(fn, *args):
    try:
        return fn(*args)
    except Exception as e:
        return e


class Modem:
    """Sockets of a module: what was sent through them, and what waits in them."""

    def __init__(self):
        self.stream = FakeStream(default=self.answer)
        self.sent = []
        self.inbox = []  # (data, address, port)
        self.next_id = 3
        self.closed = []
        self._to = None

    def answer(self, line):
        text = line.decode()
        if text.startswith("AT+USOCR=17"):
            return b"\r\n+USOCR: %d\r\n" % self.next_id + OK
        if text.startswith("AT+USOST="):
            self._to = text[9:].split(",")
            self.stream.payload = b""
            self.stream.payload_size = int(self._to[3])
            return b"\r\n@"
        if line == b"payload":
            self.sent.append((self.stream.payload, self._to[1], self._to[2]))
            return b"\r\n+USOST: %d,%d\r\n" % (self.next_id, len(self.stream.payload)) + OK
        if text.startswith("AT+USORF=") and text.endswith(",0"):
            waiting = sum(len(datagram[0]) for datagram in self.inbox)
            return b"\r\n+USORF: %d,%d\r\n" % (self.next_id, waiting) + OK
        if text.startswith("AT+USORF="):
            if not self.inbox:
                return b"\r\nERROR\r\n"
            data, address, port = self.inbox.pop(0)
            head = b'\r\n+USORF: %d,"%s",%d,%d,"' % (self.next_id, address, port, len(data))
            more = b"" if not self.inbox else self.urc()
            return head + data + b'"\r\n' + OK + more
        if text.startswith("AT+USOCL="):
            self.closed.append(text[9:])
        return OK

    def urc(self):
        return b"\r\n+UUSORF: %d,%d\r\n" % (self.next_id, len(self.inbox[0][0]))

    def arrive(self, data, address=b"192.0.2.7", port=5683, after_ms=0):
        self.inbox.append((data, address, port))
        if len(self.inbox) == 1:
            self.stream.send(self.urc(), after_ms)


def make(port_class):
    modem = Modem()
    port = port_class(modem.stream)
    return modem, port, UdpSocket(port.channel, port.lexi.runtime)


class SocketTest(unittest.TestCase):
    def test_there_and_back(self):
        for port_class in PORTS:
            modem, port, socket = make(port_class)
            port.run(socket.open(5683))
            self.assertEqual(modem.stream.commands, [b"AT+USOCR=17,5683"])
            for data in BLOCKS:
                self.assertEqual(port.run(socket.send(data, "192.0.2.1", 5684)), len(data))
                self.assertEqual(modem.sent.pop(), (data, '"192.0.2.1"', "5684"))
                modem.arrive(data, after_ms=50)
                told, address, number = port.run(socket.receive(10))
                self.assertEqual((bytes(told), address, number), (data, "192.0.2.7", 5683))
            self.assertEqual(port.channel.unknown, 0)
            port.run(socket.close())
            self.assertEqual((modem.closed, socket.is_open), (["3"], False))

    def test_several_that_wait(self):
        for port_class in PORTS:
            modem, port, socket = make(port_class)
            port.run(socket.open())
            for i in range(5):
                modem.arrive(b"%d" % i)
            found = [bytes(port.run(socket.receive(5))[0]) for _ in range(5)]
            self.assertEqual(found, [b"0", b"1", b"2", b"3", b"4"])
            self.assertIs(port.run(socket.receive(2)), None)

    def test_nothing_comes(self):
        for port_class in PORTS:
            modem, port, socket = make(port_class)
            port.run(socket.open())
            start_ms = modem.stream.ticks.ms
            self.assertIs(port.run(socket.receive(3)), None)
            self.assertTrue(3000 <= modem.stream.ticks.ms - start_ms <= 3100)
            modem.stream.send(b"\r\n+UUSORF: 5,9\r\n")  # of another socket
            self.assertIs(port.run(socket.receive(1)), None)
            self.assertEqual(socket.waiting, 0)

    def test_the_module_closes_it(self):
        for port_class in PORTS:
            modem, port, socket = make(port_class)
            port.run(socket.open())
            modem.stream.send(b"\r\n+UUSOCL: 3\r\n", 100)
            self.assertIs(type(failure(port.run, socket.receive(10))), PortError)
            self.assertFalse(socket.is_open)
            self.assertIs(type(failure(port.run, socket.send(b"x", "192.0.2.1", 1))), PortError)
            modem.next_id = 4
            port.run(socket.open())
            port.run(socket.send(b"x", "192.0.2.1", 1))
            self.assertEqual(modem.stream.commands[-1][:11], b"AT+USOST=4,")

    def test_refused_and_mute(self):
        for port_class in PORTS:
            modem, port, socket = make(port_class)
            modem.stream.answers = {b"AT+USOCR=17": b"\r\nERROR\r\n"}
            self.assertIs(type(failure(port.run, socket.open())), AtError)
            self.assertFalse(socket.is_open)
            modem.stream.answers = {b"AT+USOCR=17": OK}
            self.assertIs(type(failure(port.run, socket.open())), PortError)
            modem.stream.answers = {}
            port.run(socket.open())
            modem.stream.answers = {b'AT+USOST=3,"192.0.2.1",1,1': None}
            self.assertIs(type(failure(port.run, socket.send(b"x", "192.0.2.1", 1))), AtTimeout)
            modem.stream.answers = {}
            socket.waiting = 5  # it is told of one that is not there
            self.assertIs(type(failure(port.run, socket.receive(1))), AtError)

    def test_what_cannot_work_is_refused_before_anything_is_sent(self):
        modem, port, socket = make(AioPort)
        port.run(socket.open())
        before = len(modem.stream.commands)
        for args in (
            (b"", "192.0.2.1", 1),
            (b"x" * 1025, "192.0.2.1", 1),
            (b"x", '1"', 1),
            (b"x", "192.0.2.1", 0),
            (b"x", "192.0.2.1", "1"),
        ):
            self.assertIs(type(failure(port.run, socket.send(*args))), ValueError, args)
        self.assertIs(type(failure(port.run, socket.receive("5"))), ValueError)
        self.assertIs(type(failure(port.run, socket.open())), ValueError)
        self.assertEqual(len(modem.stream.commands), before)
        self.assertIs(type(failure(UdpSocket, port.channel, port.lexi.runtime, 0)), ValueError)

    def test_end_leaves_its_urcs_to_others(self):
        _, port, socket = make(AioPort)
        heard = []
        port.channel.on("+UUSORF:", lambda line: heard.append(line.int(1)))
        port.run(socket.open())
        port.channel.feed(b"+UUSORF: 3,7\r\n")
        self.assertEqual((socket.waiting, heard), (7, [7]))
        socket.end()
        port.channel.feed(b"+UUSORF: 3,8\r\n")
        self.assertEqual((socket.waiting, heard), (7, [7, 8]))

    def test_two_tasks(self):
        modem, port, socket = make(AioPort)

        async def main():
            reader = asyncio.create_task(harness.AioRuntime(0).read(port.channel))
            await socket.open()
            waiting = asyncio.create_task(socket.receive())
            await asyncio.sleep_ms(100)
            await socket.send(b"ask", "192.0.2.1", 5683)
            modem.arrive(b"answer", after_ms=500)
            data, _, _ = await waiting
            reader.cancel()
            return bytes(data)

        self.assertEqual(harness.run_asyncio(main(), modem.stream), b"answer")
