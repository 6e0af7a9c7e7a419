# A way to one server over a UDP socket of a scripted module: nothing is lost in the queue, sent twice
# or served to strangers, and the socket comes back.

import asyncio
import gc
import unittest

import harness
from atport import receiver
from atport.errors import AtError, AtTimeout, PortError, PortTaken
from harness import PORTS, AioPort, BlockingPort
from lexi.names import resolve
from lexi.transport import Transport
from test_sockets import OK, Modem, failure

SERVER = "192.0.2.7"
PORT = 5683


def mids(*told):
    """What on_sent() tells of these datagrams; a string stands for itself."""
    return [each if isinstance(each, str) else mid(each) for each in told]


def mid(data):
    return data[2] << 8 | data[3] if len(data) > 3 else -1


class Site:
    """A Transport, the module's script, and what its client was told."""

    def __init__(self, port_class=BlockingPort, host=SERVER, **options):
        self.modem = Modem()
        self.stream = self.modem.stream
        self.port = port_class(self.stream)
        self.transport = Transport(
            self.port.channel, self.port.lexi.runtime, host, PORT, **options
        )
        self.transport.on_sent = self.sent
        self.transport.on_rebuilt = self.rebuilt
        self.told = []
        self.buf = bytearray(self.transport.size + 1)

    def sent(self, mid):
        self.told.append(mid)

    def rebuilt(self):
        self.told.append("rebuilt")

    def step(self):
        return self.port.run(self.transport.step())

    def settle(self, most=20):
        """Steps until nothing is due."""
        while self.step() == 0:
            most -= 1
            if not most:
                raise AssertionError("always something due")

    def take(self):
        return bytes(self.buf[: self.transport.recv_into(self.buf)])

    def commands(self):
        found = self.stream.commands
        self.stream.commands = []
        return found

    def opened(self):
        self.settle()
        self.commands()
        return self


class TransportTest(unittest.TestCase):
    def test_there_and_back(self):
        for port_class in PORTS:
            site = Site(port_class)
            site.transport.send(b"before there is a socket")
            site.settle()
            self.assertEqual(site.commands(), [b"AT+USOCR=17", b'AT+USOST=3,"192.0.2.7",5683,24'])
            self.assertEqual(site.told, mids(b"before there is a socket"))
            for data in (b"x", b"\r\nOK\r\n", bytes(range(256)), b"@" * 512):
                self.assertTrue(site.transport.send(data))
                site.settle()
                self.assertEqual(site.modem.sent.pop()[0], data)
                site.modem.arrive(data)
                site.port.idle(50)
                site.settle()
                self.assertEqual((site.take(), site.take()), (data, b""))
            self.assertEqual((site.transport.sent, site.transport.received), (5, 4))
            self.assertEqual(site.transport.received_bytes, 1 + 6 + 256 + 512)
            self.assertEqual(site.transport.failures, 0)

    def test_the_longest(self):
        for port_class in PORTS:
            site = Site(port_class, size=1024).opened()
            data = bytes(range(256)) * 4
            site.transport.send(data)
            site.modem.arrive(data)
            site.port.idle(50)
            site.settle()
            self.assertEqual((site.modem.sent[0][0], site.take()), (data, data))

    def test_a_long_command_of_somebody_else(self):
        site = Site(AioPort).opened()
        site.stream.answers[b"AT+COPS=0"] = None
        site.stream.send(OK, 150000)
        told_ms = []
        site.transport.on_sent = lambda mid: told_ms.append(site.stream.ticks.ms)

        async def main():
            site.transport.start()
            other = asyncio.create_task(site.port.channel.command("AT+COPS=0", timeout_ms=180000))
            await asyncio.sleep_ms(100)
            start_ms = site.stream.ticks.ms
            self.assertTrue(site.transport.send(b"x"))
            await asyncio.sleep_ms(140000)
            self.assertEqual((told_ms, site.transport.queued), ([], 1))
            await other
            await asyncio.sleep_ms(1000)
            return told_ms[0] - start_ms

        self.assertTrue(149000 < site.port.run(main()) < 151500)
        self.assertEqual(len(site.modem.sent), 1)

    def test_send_copies(self):
        site = Site().opened()
        buf = bytearray(b"abcdef")
        site.transport.send(buf, 3)
        site.transport.send(memoryview(buf)[3:])
        buf[:] = b"xxxxxx"
        site.settle()
        self.assertEqual([data for data, _, _ in site.modem.sent], [b"abc", b"def"])

    def test_a_full_queue(self):
        site = Site(queue=2).opened()
        self.assertEqual(
            [site.transport.send(b"mid%d" % i) for i in range(4)], [True, True, False, False]
        )
        self.assertEqual((site.transport.full, site.transport.queued), (2, 2))
        site.step()
        self.assertEqual(site.transport.queued, 1)
        self.assertTrue(site.transport.send(b"mid4"))
        site.settle()
        self.assertEqual(site.told, mids(b"mid0", b"mid1", b"mid4"))

    def test_what_waits_already_is_not_queued_again(self):
        site = Site(queue=2).opened()
        self.assertEqual(
            [site.transport.send(data) for data in (b"mid1", b"mid2", b"mid1", b"mid3")],
            [True, True, True, False],
        )
        site.settle()
        self.assertEqual(site.told, mids(b"mid1", b"mid2"))
        self.assertTrue(site.transport.send(b"mid1"))
        site.settle()
        self.assertEqual(len(site.modem.sent), 3)

    def test_a_client_that_sends_when_told(self):
        site = Site(queue=1).opened()
        site.transport.on_sent = self.chain(site)
        site.transport.send(b"mid0")
        site.settle()
        self.assertEqual(site.told, mids(b"mid0", b"mid1", b"mid2"))

    def chain(self, site):
        def on_sent(mid):
            site.told.append(mid)
            if len(site.told) < 3:
                site.transport.send(b"mid%d" % len(site.told))

        return on_sent

    def test_many_that_wait(self):
        for port_class in PORTS:
            site = Site(port_class).opened()
            for i in range(5):
                site.modem.arrive(b"%d" % i, after_ms=1)
            site.port.idle(50)
            found = []
            while True:
                site.settle()
                data = site.take()
                if not data:
                    break
                found.append(data)
            self.assertEqual(found, [b"0", b"1", b"2", b"3", b"4"])

    def test_nothing_is_read_before_the_last_one_was_taken(self):
        site = Site().opened()
        site.modem.arrive(b"a")
        site.modem.arrive(b"b")
        site.port.idle(50)
        for _ in range(5):
            site.step()
        self.assertEqual(len(site.modem.inbox), 1)
        site.transport.send(b"out")  # but what is queued leaves
        site.settle()
        self.assertEqual((site.take(), len(site.modem.sent)), (b"a", 1))
        site.settle()
        self.assertEqual(site.take(), b"b")

    def test_strangers_and_what_is_too_long(self):
        site = Site(size=16).opened()
        site.modem.arrive(b"stranger", b"192.0.2.8")
        site.modem.arrive(b"stranger", port=5684)
        site.modem.arrive(b"x" * 17)
        site.modem.arrive(b"x" * 16)
        site.port.idle(50)
        site.settle()
        self.assertEqual(site.take(), b"x" * 17)  # as much as shows that it was longer
        site.settle()
        self.assertEqual(site.take(), b"x" * 16)
        transport = site.transport
        self.assertEqual((transport.strangers, transport.overlong, transport.received), (2, 1, 2))

    def test_a_datagram_without_a_byte(self):
        site = Site().opened()
        site.modem.arrive(b"")
        site.modem.arrive(b"a")
        site.modem.inbox[0] = (b"", b"192.0.2.7", PORT)
        site.stream.send(b"\r\n+UUSORF: 3,1\r\n")
        site.port.idle(50)
        site.settle()
        self.assertEqual(site.take(), b"a")

    def test_what_is_longer_than_the_buffer_fills_it(self):
        site = Site(size=16).opened()
        for data, room, taken in ((b"abcdef", 4, 4), (b"abcd", 4, 4), (b"abc", 30, 3)):
            site.modem.arrive(data)
            site.port.idle(50)
            site.settle()
            buf = bytearray(room)
            self.assertEqual((site.transport.recv_into(buf), buf[:taken]), (taken, data[:taken]))
            site.settle()
        self.assertEqual(site.take(), b"")

    # The socket comes back

    def test_what_ends_a_socket(self):
        for port_class in PORTS:
            for what in ("closed", "reboot", "reopen", "refused", "unheard"):
                site = Site(port_class).opened()
                site.modem.next_id = 4
                expected = [b"AT+USOCR=17"]
                if what == "closed":
                    site.stream.send(b"\r\n+UUSOCL: 5\r\n\r\n+UUSOCL: 3\r\n", 100)
                    site.port.idle(200)
                elif what == "reboot":
                    site.port.channel.note_reboot()
                elif what == "reopen":
                    site.transport.reopen()
                    expected = [b"AT+USOCL=3", b"AT+USOCR=17"]
                elif what == "refused":
                    refused = b'AT+USOST=3,"192.0.2.7",5683,4'
                    site.stream.answers[refused] = b"\r\nERROR\r\n"
                    site.transport.send(b"mid0")
                    expected = [refused, b"AT+USOCL=3", b"AT+USOCR=17"]
                else:
                    site.stream.answers[b"AT+USORF=3,0"] = b"\r\n+CME ERROR: 3\r\n"
                    site.port.idle(901000)
                    expected = [b"AT+USORF=3,0", b"AT+USOCR=17"]
                site.settle()
                site.port.idle(2000)
                site.settle()
                commands = site.commands()
                self.assertEqual(commands[: len(expected)], expected, what)
                self.assertEqual(site.transport.rebuilt, 1, what)
                self.assertEqual(site.told[0], "rebuilt")
                if what == "refused":
                    self.assertEqual(site.told, mids("rebuilt", b"mid0"))
                    self.assertEqual(len(site.modem.sent), 1)

    def test_a_datagram_that_is_always_refused_is_given_up(self):
        site = Site().opened()
        site.stream.answers[b'AT+USOST=3,"192.0.2.7",5683,4'] = b"\r\nERROR\r\n"
        site.transport.send(b"mid0")
        site.transport.send(b"mid01")
        for _ in range(10):
            site.settle()
            site.port.idle(3000)
        self.assertEqual(site.transport.dropped, 1)
        self.assertEqual(site.told, mids("rebuilt", b"mid0", "rebuilt", b"mid01"))
        self.assertEqual([data for data, _, _ in site.modem.sent], [b"mid01"])
        self.assertEqual(type(site.transport.last_error), AtError)

    def test_the_waits_grow(self):
        site = Site()
        site.stream.answers[b"AT+USOCR=17"] = b"\r\n+CME ERROR: 30\r\n"
        waits = [site.step()]
        while waits[-1] < 60:
            site.port.idle(waits[-1] * 1000)
            waits.append(site.step())
        self.assertEqual(waits, [1, 2, 4, 8, 16, 32, 60])
        opened = [line for line in site.commands() if line == b"AT+USOCR=17"]
        self.assertEqual(len(opened), len(waits))
        site.stream.answers = {}
        site.transport.wake()
        site.settle()
        self.assertTrue(site.transport.is_open)
        self.assertEqual(site.transport.rebuilt, 0)

    def test_what_is_left_of_an_earlier_life_is_closed_once(self):
        for sole in (True, False):
            site = Site(sole=sole)
            other = Transport(site.port.channel, site.port.lexi.runtime, SERVER, 1)
            site.modem.next_id = 2
            site.port.run(other.step())
            site.stream.answers[b"AT+USOCR=17"] = [b"\r\nERROR\r\n"] * 2
            for _ in range(3):
                site.step()
                site.port.idle(3000)
            expected = ["0", "1", "3", "4", "5", "6"] if sole else []
            self.assertEqual(site.modem.closed, expected)
            self.assertTrue(site.transport.is_open)

    def test_a_number_that_is_given_anew(self):
        """The module restarted unheard, and another one comes first."""
        site = Site().opened()
        other = Transport(site.port.channel, site.port.lexi.runtime, SERVER, 1)
        site.port.run(other.step())
        self.assertTrue(other.is_open)
        self.assertFalse(site.transport.is_open)

    # What the module does not answer

    def test_a_mute_module_loses_nothing_that_it_never_saw(self):
        for port_class in PORTS:
            site = Site(port_class).opened()
            site.stream.default = None
            for data in (b"mida", b"midb", b"midc"):
                site.transport.send(data)
            for _ in range(10):
                site.step()
                site.port.idle(60000)
            self.assertEqual(site.told, mids(b"mida"))  # it may have left, the others have not
            site.stream.default = site.modem.answer
            for _ in range(10):
                site.port.idle(60000)
                site.step()
            told = [each for each in site.told if each != "rebuilt"]
            self.assertEqual(told, mids(b"mida", b"midb", b"midc"))

    def test_a_prompt_that_never_comes(self):
        site = Site().opened()
        site.stream.answers[b'AT+USOST=3,"192.0.2.7",5683,3'] = None
        site.transport.send(b"abc")
        site.step()
        self.assertIs(type(site.transport.last_error), AtTimeout)
        self.assertEqual((site.told, site.transport.queued), (mids(b"abc"), 0))
        site.stream.answers = {}
        site.port.idle(2000)
        site.transport.send(b"defg")
        site.settle()
        self.assertEqual(site.told, mids(b"abc", b"defg"))
        self.assertEqual(site.modem.sent[-1][0], b"defg")

    def test_a_restart_in_the_middle(self):
        for port_class in PORTS:
            for answer in (None, b"\r\n@"):
                site = Site(port_class).opened()
                site.stream.answers[b'AT+USOST=3,"192.0.2.7",5683,3'] = answer
                site.port.channel.on("+BOOT:", lambda line: site.port.channel.note_reboot())
                site.stream.send(b"\r\n+BOOT: 1\r\n", 500)
                site.transport.send(b"abc")
                site.step()
                self.assertEqual(site.told, mids(b"abc"))
                site.stream.answers = {}
                site.port.idle(2000)
                site.settle()
                self.assertEqual(site.told, mids(b"abc", "rebuilt"))

    def test_a_lost_urc_is_noticed(self):
        site = Site().opened()
        site.modem.inbox.append((b"late", b"192.0.2.7", PORT))
        site.stream.answers[b"AT+USORF=3,0"] = b"\r\n+USORF: 3,4\r\n" + OK
        site.transport.send(b"x")
        site.settle()
        self.assertEqual(site.take(), b"")
        site.port.idle(5000)
        site.settle()
        self.assertEqual(site.take(), b"late")

    def test_a_gap_is_looked_behind(self):
        for port_class in PORTS:
            site = Site(port_class).opened()
            site.stream.answers[b"AT+USORF=3,0"] = b"\r\n+USORF: 3,0\r\n" + OK
            site.stream.send(b"\r\n+UUSO\xffRF: 3,4\r\n")
            site.port.idle(50)
            self.assertTrue(site.transport.due_s() <= 5)
            site.port.idle(5000)
            site.settle()
            self.assertEqual(site.commands(), [b"AT+USORF=3,0"])
            self.assertTrue(site.transport.due_s() > 800)

    def test_noise_and_pieces(self):
        site = Site().opened()
        wire = b"\0\xff\r\n+UUSORF: 3,5\r\n"
        for parts in harness.pieces(wire):
            for part in parts:
                site.port.channel.feed(part)
            site.modem.inbox.append((b'"\r\nO\n', b"192.0.2.7", PORT))
            site.port.idle(50)
            site.settle()
            self.assertEqual(site.take(), b'"\r\nO\n')

    def test_data_that_are_cut_off(self):
        site = Site().opened()
        short = b'\r\n+USORF: 3,"192.0.2.7",5683,9,"abc'
        site.stream.answers[b"AT+USORF=3,601"] = [short]
        site.stream.send(b"\r\n+UUSORF: 3,9\r\n")
        site.port.idle(50)
        site.step()
        self.assertEqual((site.take(), site.transport.failures), (b"", 1))
        site.stream.answers[b"AT+USORF=3,0"] = b"\r\n+USORF: 3,0\r\n" + OK
        site.port.idle(20000)
        site.settle()
        site.modem.arrive(b"next")
        site.port.idle(50)
        site.settle()
        self.assertEqual(site.take(), b"next")

    # Names

    def test_names(self):
        found = b'\r\n+UUDNSRN: 0,"192.0.2.7"\r\n'
        for answer in (OK + found, b'\r\n+UDNSRN: "192.0.2.7"\r\n' + OK):
            for port_class in PORTS:
                site = Site(port_class, "server.example")
                site.stream.answers[b'AT+UDNSRN=0,"server.example"'] = answer
                site.transport.send(b"x")
                site.settle()
                self.assertEqual(site.modem.sent, [(b"x", '"192.0.2.7"', "5683")])

    def test_names_that_are_not_found(self):
        for answer, error in (
            (OK + b"\r\n+UUDNSRN: 1\r\n", PortError),
            (OK + b'\r\n+UUDNSRN: 0,"::1"\r\n', PortError),
            (b"\r\nERROR\r\n", AtError),
            (OK, AtTimeout),
        ):
            for port_class in PORTS:
                site = Site(port_class, "server.example")
                site.stream.answers[b'AT+UDNSRN=0,"server.example"'] = answer
                site.step()
                self.assertIs(type(site.transport.last_error), error, answer)
                channel, runtime = site.port.channel, site.port.lexi.runtime
                again = failure(site.port.run, resolve(channel, runtime, "server.example", 5))
                self.assertIs(type(again), error, answer)

    # Misuse, and the end

    def test_what_cannot_work(self):
        site = Site()
        channel, runtime = site.port.channel, site.port.lexi.runtime
        for host in ("", "a b", 'a"', "2001:db8::1", "coap://a", None, b"a", "x" * 256):
            self.assertIs(type(failure(Transport, channel, runtime, host, 1)), ValueError, host)
        for port in (0, 65536, "1", None):
            self.assertIs(
                type(failure(Transport, channel, runtime, SERVER, port)), ValueError, port
            )
        for name, value in (("size", 15), ("size", 1025), ("queue", 0), ("local_port", 0)):
            try:
                Transport(channel, runtime, SERVER, 1, **{name: value})
                self.fail(name)
            except ValueError:
                pass
        for args in ((b"",), (b"x" * 601,), (b"x", 2), (b"x", 0), (b"x", "1")):
            self.assertIs(type(failure(site.transport.send, *args)), ValueError, args)
        self.assertEqual((site.transport.queued, site.commands()), (0, []))

    def test_a_hook_that_fails_is_counted(self):
        site = Site().opened()

        def fails(mid):
            raise ValueError("client")

        async def waits(mid):
            pass

        with harness.Printed(receiver) as printed:
            for hook in (fails, waits):
                site.transport.on_sent = hook
                site.transport.send(b"x")
                site.settle()
        self.assertEqual(site.port.channel.handler_errors, 2)
        self.assertEqual([type(e) for e in printed], [ValueError, PortError])
        self.assertEqual(site.transport.queued, 0)

    def test_close(self):
        for port_class in PORTS:
            site = Site(port_class).opened()
            watch = site.port.lexi.monitor._signal.set
            site.port.run(site.transport.close())
            self.assertEqual(site.modem.closed, ["3"])
            self.assertEqual(site.port.channel.watch_gap, watch)
            self.assertEqual(site.port.channel.on_reboot, ())
            site.port.run(site.transport.close())

    def test_a_newer_channel(self):
        site = Site(AioPort).opened()
        site.port.channel.claim()
        harness.make_lexi(site.stream)._target.channel.claim()
        site.transport.send(b"x")
        self.assertIs(type(failure(site.step)), PortTaken)

    def test_a_task(self):
        site = Site(AioPort)

        async def main():
            site.transport.start()
            transport = site.transport
            got = []
            transport.send(b"ask")
            while len(got) < 3:
                await transport.ready.wait_ms(60000)
                n = transport.recv_into(site.buf)
                if n:
                    got.append(bytes(site.buf[:n]))
                if len(site.modem.sent) == 1 and not got:
                    for data in (b"a", b"b", b"c"):
                        site.modem.arrive(data, after_ms=500)
            return got

        self.assertEqual(site.port.run(main()), [b"a", b"b", b"c"])

    # Heap

    def test_nothing_is_allocated_where_datagrams_arrive(self):
        site = Site().opened()
        channel, transport = site.port.channel, site.transport
        data = b'"\r\nOK' * 8
        head = b'\r\n+USORF: 3,"192.0.2.7",5683,%d,"' % len(data)
        for _ in range(3):
            harness.without_heap(channel.feed, b"\r\n+UUSORF: 3,%d\r\n" % len(data))
            # The command is made with the heap, its answer is taken without.
            site.stream.answers[b"AT+USORF=3,601"] = None
            reading = Reading(site, transport._receive())
            harness.without_heap(channel.feed, head + data + b'"\r\n' + OK)
            reading.finish()
            self.assertEqual(harness.without_heap(transport.recv_into, site.buf), len(data))
            self.assertEqual(bytes(site.buf[: len(data)]), data)
        self.assertEqual(channel.handler_errors, 0)

    def test_nothing_is_allocated_by_urcs(self):
        for port_class in PORTS:
            site = Site(port_class).opened()
            channel = site.port.channel
            for urc in (b"+UUSORF: 3,5", b"+UUSORD: 3,5", b"+UUSORF: 1,5", b"+UUSOCL: 3"):
                harness.without_heap(channel.feed, b"\r\n" + urc + b"\r\n")
                harness.without_heap(site.transport.due_s)
            harness.without_heap(channel.note_reboot)
            self.assertEqual((channel.urcs, channel.handler_errors), (4, 0))

    def test_the_price_of_a_datagram(self):
        site = Site().opened()
        for _ in range(3):
            site.modem.arrive(b"x" * 40)
            site.port.idle(50)
            site.settle()
            site.take()
        # The script allocates too: what is here is a bound that a change for the worse will pass.
        received = b"\r\n+UUSORF: 3,40\r\n"
        answer = b'\r\n+USORF: 3,"192.0.2.7",5683,40,"' + b"x" * 40 + b'"\r\n' + OK
        site.stream.answers[b"AT+USORF=3,601"] = answer
        gc.collect()
        site.stream.forget()
        before = gc.mem_alloc()
        site.port.channel.feed(received)
        site.step()
        site.transport.recv_into(site.buf)
        spent = gc.mem_alloc() - before
        print("%d bytes for a datagram received" % spent)
        self.assertTrue(spent < 8000, spent)


class Reading:
    """A command of a blocking Site that has been sent and waits for its answer."""

    def __init__(self, site, coro):
        self._site = site
        self._coro = coro
        count = len(site.stream.commands)
        while len(site.stream.commands) == count:
            ms = coro.send(None)
            site.stream.ticks.ms += ms or 0

    def finish(self):
        try:
            for _ in range(10):
                self._coro.send(None)
        except StopIteration:
            return
        raise AssertionError("the command still waits")
