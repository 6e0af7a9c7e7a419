# Nothing is allocated on the way from a byte to an event and the registry, nor by an idle poll.
#
# The heap is locked meanwhile. A MemoryError in a handler or subscriber is caught and counted by
# the library like any exception, so the tests look at these counters too.

import asyncio
import gc
import io
import socket
import unittest

import harness
import transcripts
from fake_node import MemoryStore
from lexi import blocking
from lexi.recovery import supervisor

ADDRESS = b'"leshan.eclipseprojects.io:5684"'

# All seven events; most come twice: at first sight of a server or URI, and when it is known.
EVENTS = (
    b"0,721,12",
    b"0,721,13",
    b"1,722,2",
    b"1,722,3",
    b"1,722,3",
    b"2,723,86400",
    b"2,723,10",
    b'3,724,"/3300/0/5700"',
    b'3,724,"/3300/0/5700"',
    b'3,725,"/3300/0/5700/"',
    b"4,7",
    b"4,0",
    b"5,1",
    b"5,2",
    b"5,3",
    b"5,4",
    b"6,726,0," + ADDRESS,
    b"6,726,3,2365,5699",
    b"6,726,1,1254,4588",
    b"6,726,2," + ADDRESS,
    b"6,727,3",
    b"6,728,3,,",
    b'6,728,3,"",""',
)
QUOTED = (
    b'1,721,"3"',
    b'"2","721","10"',
    b" 1 , 721 , 5 ",
    b"4, 7",
    b"1,721,3,",
    b"1,721,3,1,2,3",
)
UNKNOWN = (b"1,721,17", b"0,999,20", b"4,8", b"5,9", b"6,721,4", b"7,721,3", b"99,1", b'8,1,"x"')
MALFORMED = (
    b"",
    b"1",
    b"1,721",
    b"1,721,",
    b"1,,3",
    b"1,721,x",
    b"1,721,-1",
    b"-1,2,3",
    b'3,123,""',
    b"3,123,5",
    b'3,-1,"/1"',
    b"6,721,x",
    b'6,721,-1,"a:1"',
    b'6,-1,0,"a:1"',
    b"4,-1",
    b"1,1234567890,3",
    b"2,721,1073741824",
    b"6,721,3,1073741824,1",
)
UNDECODABLE = (b'3,123,"/3300', b"1,\x017,3", b"1,7\xff1,3", b"1,721,3" + b"9" * 600)
ROOM = b"".join(
    b'\r\n+ULWM2MSTAT: 3,1,"/%d"\r\n+ULWM2MSTAT: 1,%d,3\r\n' % (i, i) for i in range(40)
)


def line(body):
    return b"\r\n+ULWM2MSTAT: " + body + b"\r\n"


def new_lexi(**options):
    """A Lexi on nothing, without the layer that makes its methods block."""
    return harness.make_lexi(harness.FakeStream(), **options)._target


def feed_all(feed, chunks):
    for chunk in chunks:
        feed(chunk)


def pump_all(pump):
    while pump():
        pass


class Source(io.IOBase):
    """A stream that hands out prepared bytes and allocates nothing."""

    def __init__(self):
        self.data = b""
        self.at = 0

    def readinto(self, buf, n=None):
        n = min(n or len(buf), len(self.data) - self.at)
        if n == 0:
            return None
        i = 0
        while i < n:
            buf[i] = self.data[self.at + i]
            i += 1
        self.at += n
        return n

    def write(self, data):
        return len(data)

    def ioctl(self, request, arg):
        return 0


class Counter:
    """A subscriber that allocates nothing."""

    def __init__(self):
        self.count = 0

    def __call__(self, event, server, value):
        self.count += 1


class NoAllocationTest(unittest.TestCase):
    def check_counters(self, lexi, text):
        self.assertEqual(lexi.channel.handler_errors, 0, text)

    def feed(self, bodies, subscribe, counter=None):
        lexi = new_lexi(max_servers=16)
        subscriber = Counter()
        events = None
        if subscribe:
            lexi.registry.subscribe(subscriber)
            events = lexi.events(size=4)  # overflows too
        for body in bodies:
            harness.without_heap(lexi.channel.feed, line(body))
            self.check_counters(lexi, body)
        self.assertEqual(lexi.channel.lines, len(bodies) - lexi.channel.overlong)
        if counter:
            self.assertEqual(getattr(lexi.channel, counter), len(bodies))
            self.assertEqual(subscriber.count, 0)
        else:
            self.assertEqual(lexi.channel.lost, lexi.channel.doubts)
            self.assertEqual(subscriber.count, len(bodies) if subscribe else 0)
            if subscribe and len(bodies) > 4:
                self.assertEqual(events.dropped, len(bodies) - 4)
        return lexi

    def test_an_allocation_in_a_subscriber_is_seen(self):
        lexi = new_lexi()
        lexi.registry.subscribe(lambda *event: bytearray(1))
        harness.without_heap(lexi.channel.feed, line(b"1,721,3"))
        with self.assertRaises(AssertionError):
            self.check_counters(lexi, "")

    def test_an_allocation_in_a_handler_is_seen(self):
        lexi = new_lexi()
        lexi.channel.on("+CEREG:", lambda line: line.text(0))
        harness.without_heap(lexi.channel.feed, b"\r\n+CEREG: 1\r\n")
        with self.assertRaises(AssertionError):
            self.check_counters(lexi, "")

    def test_all_seven_events_at_first_sight_and_later(self):
        for subscribe in (False, True):
            lexi = self.feed(EVENTS, subscribe)
            self.assertEqual(lexi.registry.servers(), [721, 722, 723, 726, 727, 728])
            self.assertEqual(len(lexi.registry.uris()), 2)
            self.assertEqual(lexi.registry.restarts, 2)

    def test_quoted_and_extra_fields(self):
        for subscribe in (False, True):
            lexi = self.feed(QUOTED, subscribe)
            self.assertTrue(lexi.registered(721))

    def test_unknown_codes_and_events(self):
        for subscribe in (False, True):
            lexi = self.feed(UNKNOWN, subscribe)
            found = lexi.registry.unknown_codes, lexi.registry.unknown_events
            self.assertEqual(found, (5, 3))

    def test_malformed_and_undecodable_lines(self):
        for subscribe in (False, True):
            lexi = self.feed(MALFORMED, subscribe, "malformed")
            self.assertTrue(lexi.channel.gap)
            self.feed(UNDECODABLE[:3], subscribe, "undecodable")
            self.feed(UNDECODABLE[3:], subscribe, "overlong")

    def test_full_tables(self):
        lexi = new_lexi(ring_size=4096)
        harness.without_heap(lexi.channel.feed, ROOM)
        self.check_counters(lexi, "full")
        self.assertEqual(len(lexi.registry.servers()), 8)
        self.assertEqual(len(lexi.registry.uris()), 16)
        self.assertEqual(lexi.registry.dropped, 32 + 24)

    def test_all_of_it_in_one_chunk_and_byte_by_byte(self):
        data = b"".join(line(body) for body in EVENTS + QUOTED + UNKNOWN + MALFORMED)
        parts = [data[i : i + 1] for i in range(len(data))]
        states = []
        for chunks in ([data], parts):
            lexi = new_lexi(ring_size=8192, max_servers=16)
            harness.without_heap(feed_all, lexi.channel.feed, chunks)
            self.check_counters(lexi, len(chunks))
            states.append((lexi.registry.servers(), lexi.registry.uris(), lexi.channel.malformed))
        self.assertEqual(states[0], states[1])
        self.assertEqual(states[0][2], len(MALFORMED))

    def test_pump_from_a_stream(self):
        source = Source()
        lexi = blocking.Lexi(source, max_servers=16)
        source.data = b"".join(line(body) for body in EVENTS + QUOTED + UNKNOWN + MALFORMED)
        pump = lexi._target.channel.pump
        harness.without_heap(pump_all, pump)
        self.check_counters(lexi, "pump")
        self.assertEqual(source.at, len(source.data))
        self.assertEqual(lexi.channel.lost - lexi.channel.doubts, len(MALFORMED))
        self.assertEqual(harness.without_heap(pump), 0)  # nothing there

    def test_under_asyncio_with_every_task_waiting(self):
        stream = harness.FakeStream()
        answers = {
            b"AT+ULWM2MSTAT?": b"\r\n+ULWM2MSTAT: 1,7\r\n\r\nOK\r\n",
            b"AT+ULWM2MREG=?": b"\r\n+ULWM2MREG: (0,721)\r\n\r\nOK\r\n",
        }
        stream.answers = answers
        lexi = harness.make_aio_lexi(stream, max_servers=16)
        heard = []

        async def listen():
            async for event in lexi.events():
                heard.append(event)

        async def main():
            await lexi.start()
            tasks = [asyncio.create_task(listen())]
            tasks.append(asyncio.create_task(lexi.wait_registered(9999, 3600)))
            await asyncio.sleep_ms(1000)
            for body in EVENTS + UNKNOWN + MALFORMED:
                harness.without_heap(lexi.channel.feed, line(body))
                self.check_counters(lexi, body)
                await asyncio.sleep_ms(0)
            await asyncio.sleep_ms(1000)
            for task in tasks:
                task.cancel()
            lexi.stop()

        harness.run_asyncio(main(), stream)
        self.assertEqual(len(heard), len(EVENTS) + len(UNKNOWN))

    def test_10000_urcs_leave_the_heap_as_it_was(self):
        lexi = new_lexi(max_servers=16)
        counter = Counter()
        lexi.registry.subscribe(counter)
        lines = [line(body) for body in EVENTS + QUOTED + UNKNOWN + MALFORMED]
        feed = lexi.channel.feed

        def run(count):
            i = 0
            while i < count:
                feed(lines[i % len(lines)])
                i += 1

        run(len(lines))  # servers and texts that are heard of for the first time take some bytes
        gc.collect()
        before = gc.mem_alloc()
        run(10000)
        after = gc.mem_alloc()
        self.assertEqual(after, before)
        self.check_counters(lexi, "run")
        self.assertEqual(lexi.channel.lines, 10000 + len(lines))
        self.assertTrue(counter.count > 6000, counter.count)


class SupervisedTest(unittest.TestCase):
    """The same with a Supervisor subscribed, and with lines that are not the registry's."""

    OTHERS = (
        b"\r\n+CEREG: 5\r\n",
        b'\r\n+CEREG: 5,"07D0","009D4564",7\r\n',
        b"\r\n+CEREG: 2\r\n+cereg: 4\r\n\xff+CEREG: 1\r\n",
        b'\r\n+CGEV: NW PDN DEACT 1\r\n+CGEV: ME PDN ACT 1\r\n+CGEV: NW DEACT "IP","10.0.0.1",1\r\n',
        b"\r\n+CGEV: ME DETACH\r\n+CGEV:\r\n",
        b"\r\n+UFOTASTAT: 3,1,0\r\n+UUSORD: 0,5\r\nRING\r\nOK\r\n",
        b'\r\n+FOO: "open\r\n+CEREG: 1\x01\r\n\xff\xfe\r\n',
        b"\r\n" + b"z" * 700 + b"\r\n",
        b'\r\n+UUD: 0,267,"' + b'"\r\nOK\r\n"' * 33 + b'xxx"\r\n',
        b"\r\n+LONG: " + b"1,2," * 100 + b"\r\n",  # such lines are moved in the ring
        b'\r\n+UUD: 0,2,"abc"\r\nOK\r\n',  # garbled: the rest is dropped
    )

    def make(self, stream):
        lexi = harness.make_aio_lexi(stream, max_servers=16)
        watcher = supervisor.Supervisor(lexi, store=MemoryStore())
        lexi.channel.on("+CEREG:", lambda line: line.int(0))
        lexi.channel.on("+UUD:", lambda line: None, size_field=1, into=bytearray(400))
        return lexi, watcher

    def test_everything_fed(self):
        lexi, watcher = self.make(harness.FakeStream())
        for data in [line(body) for body in EVENTS * 2 + QUOTED + UNKNOWN + MALFORMED + EVENTS]:
            harness.without_heap(lexi.channel.feed, data)
            self.assertEqual(lexi.channel.handler_errors, 0, data)
        for data in self.OTHERS * 2:
            harness.without_heap(lexi.channel.feed, data)
            self.assertEqual(lexi.channel.handler_errors, 0, data)
        self.assertTrue(watcher)

    def test_everything_pumped(self):
        for size in (1, 7, 64):
            source = transcripts.Still()
            source.ticks = harness.FakeTicks()
            lexi, _ = self.make(source)
            lines = [line(body) for body in EVENTS + QUOTED + UNKNOWN + MALFORMED]
            source.put(b"".join(lines) + b"".join(self.OTHERS) * 5)
            lexi.registry.settle()
            readinto = source.readinto
            lexi.channel.ring.readinto = lambda buf, n, f=readinto, m=size: f(buf, min(n, m))
            harness.without_heap(pump_all, lexi.channel.pump)
            self.assertEqual(lexi.channel.handler_errors, 0)
            self.assertEqual(
                (lexi.channel.received, lexi.channel.stream_errors), (len(source.data), 0)
            )
            self.assertEqual(harness.without_heap(lexi.channel.pump), 0)  # idle


class IdleTest(unittest.TestCase):
    def setUp(self):
        port = 42000
        self.server = socket.socket()
        self.server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        while True:
            try:
                self.server.bind(socket.getaddrinfo("127.0.0.1", port)[0][-1])
                break
            except OSError:
                port += 1
        self.server.listen(1)
        self.far = socket.socket()
        self.far.connect(socket.getaddrinfo("127.0.0.1", port)[0][-1])
        self.near = self.server.accept()[0]
        self.near.setblocking(False)
        self.lexi = blocking.Lexi(self.near)
        self.lexi.poll()  # the first poll makes the tuple that all later ones use

    def tearDown(self):
        for end in (self.near, self.far, self.server):
            end.close()

    def test_an_idle_poll(self):
        for ms in (0, 1, 0):
            harness.without_heap(self.lexi.poll, ms)
        self.assertEqual(self.lexi.channel.received, 0)

    def test_a_poll_that_serves_a_urc(self):
        self.far.send(line(b"1,721,3"))
        harness.without_heap(self.lexi.poll, 1000)
        self.assertTrue(self.lexi.registered(721))
        self.assertEqual(self.lexi.channel.handler_errors, 0)

    def test_the_runtimes_poll(self):
        runtime = self.lexi._target.runtime
        channel = self.lexi._target.channel
        for ms in (0, 1, 0):
            harness.without_heap(runtime.poll, channel, ms)
        self.far.send(line(b"1,721,3"))
        harness.without_heap(runtime.poll, channel, 1000)
        self.assertTrue(self.lexi.registered(721))

    def test_nothing_due(self):
        self.assertTrue(harness.without_heap(self.lexi._target.monitor.due_s) > 0)


if __name__ == "__main__":
    unittest.main()
