# The receive side of the channel: routing, counters, hooks, gaps, and the loops that read.

import asyncio
import io
import unittest

import harness
from atport import blocking as at_blocking
from atport import receiver
from atport import stream as stream_module
from harness import PORTS, AioPort, FakeRuntime, FakeStream
from atport.errors import PortError
from transcripts import Dice, decode
from atport.channel import Channel
from atport.clock import Clock
from lexi import AtTimeout, blocking

OK = b"\r\nOK\r\n"
_COUNTERS = (
    "received",
    "overrun",
    "lines",
    "urcs",
    "unknown",
    "overlong",
    "undecodable",
    "malformed",
    "late",
    "handler_errors",
    "stream_errors",
    "lost",
)


def make_channel(stream=None, **sizes):
    stream = stream or FakeStream()
    return Channel(stream, FakeRuntime(stream), Clock(stream.ticks), **sizes)


def counters(channel):
    """All counters that are not 0."""
    return {name: getattr(channel, name) for name in _COUNTERS if getattr(channel, name)}


def failure(fn, *args, **kwargs):
    try:
        return "returned %r" % fn(*args, **kwargs)
    except Exception as e:
        return e


async def async_handler(line):
    raise RuntimeError("it runs")


class RoutingTest(unittest.TestCase):
    # Input, lines to the handlers of "+U:" and "+V:", lines to the hook, counters but received.
    table = (
        (b"", [], [], {}),
        (b"\r\n\r\n\0\0\r\n", [], [], {}),
        (b"\r\n+U: 1\r\n", [b"+U: 1"], [], {"lines": 1, "urcs": 1}),
        (b"+U:1\r+V: 2\n+U:\r\n", [b"+U:1", b"+V: 2", b"+U:"], [], {"lines": 3, "urcs": 3}),
        (b"\r\n+u: 1\r\n", [b"+u: 1"], [], {"lines": 1, "urcs": 1}),
        (b"\r\nRING\r\n", [], [b"RING"], {"lines": 1, "unknown": 1}),
        (b"\r\n+UV: 1\r\n", [], [b"+UV: 1"], {"lines": 1, "unknown": 1}),
        (b"\r\n+U 1\r\n", [], [b"+U 1"], {"lines": 1, "unknown": 1}),
        (b"x\r\n+U: 1\r\ny\r\n", [b"+U: 1"], [b"x", b"y"], {"lines": 3, "urcs": 1, "unknown": 2}),
        (b"\r\nOK\r\n", [], [], {"lines": 1, "late": 1}),
        (b"\r\n+CME ERROR: 3\r\n\r\nerror\r\n", [], [], {"lines": 2, "late": 2}),
        (b"\r\n+U: \xff1\r\n+U: 2\r\n", [b"+U: 2"], [b"+U: \xff1"], {"lines": 2, "urcs": 1, "undecodable": 1, "lost": 1}),
        (b'\r\n+U: "a\r\n+U: 2\r\n', [b"+U: 2"], [b'+U: "a'], {"lines": 2, "urcs": 1, "undecodable": 1, "lost": 1}),
        (b"O\x01K\r\n+V: 2\r\n", [b"+V: 2"], [b"O\x01K"], {"lines": 2, "urcs": 1, "unknown": 1, "undecodable": 1, "lost": 1}),
        (b"\xff\xfe\r\n+V: 2\r\n", [b"+V: 2"], [], {"lines": 2, "urcs": 1, "undecodable": 1, "lost": 1}),
        (b'+W: "a\r\n', [], [b'+W: "a'], {"lines": 1, "unknown": 1, "undecodable": 1, "lost": 1}),
        (b"O\tK\r\n+\tU: 1\r\n", [], [b"O\tK", b"+\tU: 1"], {"lines": 2, "unknown": 2}),
        (b"\xff+U: 1\r\n", [b"+U: 1"], [], {"lines": 1, "urcs": 1}),
        (b"\xffU: 1\r\n", [], [b"\xffU: 1"], {"lines": 1, "unknown": 1, "undecodable": 1, "lost": 1}),
        (b"x" * 600 + b"\r\n+U: 1\r\n", [b"+U: 1"], [], {"lines": 1, "urcs": 1, "overlong": 1, "lost": 1}),
        (b"\r\n@\r\n>\r\nCONNECT 5\r\n0\r\n", [], [b"@", b">", b"CONNECT 5", b"0"], {"lines": 4, "unknown": 4}),
    )  # fmt: skip

    def listen(self, channel):
        urcs, unknown = [], []
        for prefix in ("+U:", "+V:"):
            channel.on(prefix, lambda line: urcs.append(line.line()))
        channel.on_unknown = lambda line: unknown.append(line.line())
        return urcs, unknown

    def check(self, channel, heard, row):
        data, urcs, unknown, counted = row
        expected = dict(counted)
        if data:
            expected["received"] = len(data)
        self.assertEqual(heard, (urcs, unknown), "%r" % data)
        self.assertEqual(counters(channel), expected, "%r" % data)
        self.assertEqual(channel.gap, bool(counted.get("lost")), "%r" % data)

    def test_fed_whole_and_cut_at_every_position(self):
        for row in self.table:
            for parts in harness.pieces(row[0]) if len(row[0]) < 100 else ([row[0]],):
                channel = make_channel()
                heard = self.listen(channel)
                for part in parts:
                    channel.feed(part)
                self.check(channel, heard, row)

    def test_pumped_in_pieces_of_any_size(self):
        for row in self.table:
            for piece in (1, 2, 3, 5, 100, None):
                stream = FakeStream()
                stream.piece = piece
                channel = make_channel(stream)
                heard = self.listen(channel)
                stream.send(row[0])
                while True:
                    n = channel.pump()
                    if not n:
                        break
                    self.assertTrue(n <= (piece or 128))
                self.check(channel, heard, row)

    def test_under_both_runtimes(self):
        for make in PORTS:
            for row in self.table:
                stream = FakeStream()
                port = make(stream)
                heard = self.listen(port.channel)
                if row[0]:
                    stream.send(row[0], 10)
                port.idle(2000)
                self.check(port.channel, heard, row)

    def test_5000_bytes_without_a_line_end(self):
        channel = make_channel()
        urcs, _ = self.listen(channel)
        for _ in range(50):
            channel.feed(b"z" * 100)
        channel.feed(b"\r\n+U: 1\r\n")
        self.assertEqual(urcs, [b"+U: 1"])
        self.assertEqual((channel.overlong, channel.lines, channel.gap), (1, 1, True))
        self.assertEqual(channel.received, 5009)

    def test_1000_urcs_at_once(self):
        stream = FakeStream()
        stream.send(b"".join(b"\r\n+U: %d\r\n" % i for i in range(1000)))
        channel = make_channel(stream)
        seen = []
        channel.on("+U:", lambda line: seen.append(line.int(0)))
        while channel.pump():
            pass
        self.assertEqual(seen, list(range(1000)))
        self.assertEqual((channel.urcs, channel.lost), (1000, 0))

    def test_an_interrupted_handler_leaves_the_channel_working(self):
        channel = make_channel()
        heard = []

        def handler(line):
            heard.append(line.int(0))
            if line.int(0) == 1:
                raise KeyboardInterrupt

        channel.on("+U:", handler)
        with self.assertRaises(KeyboardInterrupt):
            channel.feed(b"+U: 1\r\n+U: 2\r\n")
        channel.feed(b"+U: 3\r\n")
        self.assertEqual(heard, [1, 2, 3])

    def test_a_pump_takes_one_chunk_and_serves_eight_lines(self):
        stream = FakeStream()
        channel = make_channel(stream, chunk_size=64)
        seen = []
        channel.on("+U:", lambda line: seen.append(line.int(0)))
        stream.send(b"+U:1\r" * 20)  # 100 bytes
        counts = []
        while channel.pump():
            counts.append((channel.received, len(seen)))
        self.assertEqual(counts, [(64, 8), (64, 12), (100, 20)])

    def test_a_handler_that_feeds_or_pumps_disturbs_nothing(self):
        stream = FakeStream()
        channel = make_channel(stream)
        heard = []

        def handler(line):
            heard.append(line.int(0))
            channel.pump()
            if line.int(0) == 2:
                channel.feed(b"+U: 9\r\n")
            heard.append(line.int(0))

        channel.on("+U:", handler)
        stream.send(b"+U: 1\r\n+U: 2\r\n")
        stream.send(b"+U: 3\r\n", 0)
        while channel.pump():
            pass
        self.assertEqual(heard, [1, 1, 2, 3, 3])
        self.assertEqual(channel.handler_errors, 1)

    def test_heard(self):
        stream = FakeStream()
        channel = make_channel(stream)
        self.assertEqual(channel.heard_s, 0)
        for _ in range(3):
            stream.ticks.ms += 100000
            channel.clock.ms()
        self.assertEqual(channel.heard_s, 0)
        channel.feed(b"\0\xff\r\n+X\x81\r\n")  # noise is no sign of life
        self.assertEqual(channel.heard_s, 0)
        channel.feed(b"RING\r\n")
        self.assertEqual(channel.heard_s, 300)


class ReadsTest(unittest.TestCase):
    """A handler that reads by itself hears the same the short way and through the scanner."""

    PIECES = (
        b"+U: 1", b"+U: 2,\"a b\"", b"+U:3,,4", b"+U:", b"+u: 5", b"+U: \"a", b"+V: 6", b"+W: 7", b"OK", b"RING",
        b"\r\n", b"\r\n", b"\r\n", b"\r\n\r\n", b"\r", b"\n", b"\n\r", b" ", b"\t", b"\0", b"\xff", b'"', b",",
        b":", b"+", b"9", b"z" * 30,
    )  # fmt: skip

    def listen(self, reads):
        channel = make_channel(ring_size=128, chunk_size=32, line_size=48)
        heard = []

        def handler(line):
            line.fields()
            if not line.bad:
                heard.append((line.line(), decode(line), line.rest()))

        for prefix in ("+U:", "+V:"):
            channel.on(prefix, handler, reads=reads)
        channel.on_unknown = lambda line: heard.append((line.line(), line.bad))
        return channel, heard

    def hear(self, reads, parts):
        channel, heard = self.listen(reads)
        for part in parts:
            channel.feed(part)
        while channel.pump():
            pass
        found = counters(channel)
        found["gap"] = channel.gap
        found["errors"] = channel.handler_errors
        return heard, found

    def test_random_streams_in_every_cutting(self):
        urcs = bad = 0
        for seed in range(150):
            dice = Dice(seed + 1)
            data = b"".join(dice.choice(self.PIECES) for _ in range(3 + dice.below(9))) + b"\r\n"
            expected = self.hear(False, [data])
            for parts in harness.pieces(data):
                self.assertEqual(self.hear(True, parts), expected, "%d: %r" % (seed, parts))
            urcs += expected[1].get("urcs", 0)
            bad += expected[1].get("undecodable", 0)
        self.assertTrue(urcs > 60 and bad > 60, "%d %d" % (urcs, bad))

    def test_lone_line_ends(self):
        # A CR in the middle of what looked like one line made all of it unreadable.
        for data, lines in (
            (b"+U: 1\r99\r\n", [b"+U: 1", b"99"]),
            (b"+U: 1\r+V: 2\r\n", [b"+U: 1", b"+V: 2"]),
            (b"+U: 1\r\r+U: 2\r\n", [b"+U: 1", b"+U: 2"]),
            (b"\r\n+U: 1\r+U: 2\r+V: 3\r\n\r\n+V: 4\r\n", [b"+U: 1", b"+U: 2", b"+V: 3", b"+V: 4"]),
            (b'+U: "a\r+U: 2\r\n', [b'+U: "a', b"+U: 2"]),
            (b"+U: 1\n+V: 2\r\n", [b"+U: 1", b"+V: 2"]),
        ):  # fmt: skip
            for reads in (False, True):
                for parts in harness.pieces(data):
                    heard, found = self.hear(reads, parts)
                    self.assertEqual([each[0] for each in heard], lines, "%s %r" % (reads, parts))
                    self.assertEqual(found["lines"], len(lines), "%s %r" % (reads, parts))


class HandlerTest(unittest.TestCase):
    def test_registered_one_after_the_other(self):
        channel = make_channel()
        seen = []
        for i in range(64):
            channel.on("+X%d:" % i, lambda line, i=i: seen.append((i, line.int(0))))
        for i in range(64):
            channel.feed(b"+X%d: %d\r\n" % (i, i * i))
        self.assertEqual(seen, [(i, i * i) for i in range(64)])

    def test_several_of_one_prefix_in_their_order(self):
        channel = make_channel()
        seen = []
        first, second = (lambda line, i=i: seen.append((i, line.int(0))) for i in range(2))
        channel.on("+U:", first)
        channel.on("+u:", second)
        channel.feed(b"+U: 5\r\n")
        self.assertEqual(seen, [(0, 5), (1, 5)])
        channel.off("+U:", first)
        channel.feed(b"+U: 6\r\n")
        self.assertEqual(seen[2:], [(1, 6)])
        self.assertIs(type(failure(channel.off, "+U:", first)), ValueError)
        channel.off("+U:", second)
        channel.feed(b"+U: 7\r\n")
        self.assertEqual((len(seen), channel.unknown), (3, 1))
        channel.on("+U:", first)
        channel.feed(b"+U: 8\r\n")
        self.assertEqual(seen[3:], [(0, 8)])
        self.assertEqual(channel.urcs, 3)

    def test_several_and_a_bad_line(self):
        for count in (1, 2):
            channel = make_channel()
            seen, unknown = [], []
            for _ in range(count):
                channel.on("+U:", seen.append)
            channel.on_unknown = lambda line, unknown=unknown: unknown.append(line.line())
            channel.feed(b'+U: "a\r\n+U: 1\x01\r\n')
            self.assertEqual((seen, unknown), ([], [b'+U: "a', b"+U: 1\x01"]))
            self.assertEqual((channel.undecodable, channel.lost), (2, 2))

    def test_off_of_what_is_not_there(self):
        channel = make_channel()
        for prefix in ("+X:", "+X", 5):
            self.assertIs(type(failure(channel.off, prefix, print)), ValueError)

    def test_one_that_takes_itself_off(self):
        channel = make_channel()
        seen = []

        def once(line):
            seen.append(line.int(0))
            channel.off("+U:", once)

        channel.on("+U:", once)
        channel.on("+U:", lambda line: seen.append(-line.int(0)))
        channel.feed(b"+U: 1\r\n+U: 2\r\n")
        self.assertEqual(seen, [1, -1, -2])

    def test_async_ones_are_refused(self):
        channel = make_channel()
        told = []
        e = failure(channel.on, "+U:", async_handler)
        self.assertIs(type(e), ValueError)
        self.assertIn("plain function", str(e))
        for count in (1, 2):  # a function that returns a coroutine shows only then
            channel = make_channel()
            channel.on_error = told.append
            for _ in range(count):
                channel.on("+U:", lambda line: async_handler(line) or None)
            channel.feed(b"+U: 1\r\n")
            self.assertEqual(channel.handler_errors, count)
        self.assertEqual([str(e) for e in told], ["handler must not be async"] * 3)

    def test_only_a_coroutine_that_was_returned_is_closed(self):
        class Socket:
            closed = 0

            def send(self):
                pass

            def close(self):
                self.closed += 1

        socket = Socket()
        for result in (socket, 5, b"x", [], socket.close):
            for count in (1, 2):
                channel = make_channel()
                for _ in range(count):
                    channel.on("+U:", lambda line, result=result: result)
                channel.feed(b"+U: 1\r\n")
                found = socket.closed, channel.handler_errors, channel.urcs
                self.assertEqual(found, (0, 0, 1), "%r" % (result,))

    def test_one_that_writes_to_flash_is_told_at_once(self):
        for make in PORTS:
            stream = FakeStream()
            port = make(stream, flow=False)
            told, written = [], []

            def handler(line, port=port, written=written):
                coro = port.channel.write_flash(lambda: written.append(1))
                try:
                    coro.send(None)
                except StopIteration:
                    pass
                finally:
                    coro.close()

            port.channel.on("+U:", handler)
            port.channel.on_error = told.append
            stream.send(b"+U: 1\r\n", 10)
            port.idle(100)
            self.assertEqual(([type(e) for e in told], written), ([PortError], []), make.name)
            port.run(port.channel.write_flash(lambda written=written: written.append(2)))
            self.assertEqual(written, [2])

    def test_one_that_sends_is_told_at_once(self):
        for make in PORTS:
            stream = FakeStream()
            port = make(stream)
            told = []

            def handler(line, port=port):
                coro = port.channel.command("AT")
                try:
                    coro.send(None)
                finally:
                    coro.close()

            port.channel.on("+U:", handler)
            port.channel.on_error = told.append
            stream.send(b"+U: 1\r\n", 10)
            port.idle(100)
            self.assertEqual([type(e) for e in told], [PortError])
            self.assertEqual(port.command("AT"), [])
            self.assertEqual(stream.commands, [b"AT"])

    def test_refused(self):
        channel = make_channel()
        for prefix, handler, words in (
            ("", print, ("prefix", "''")),
            ("+X", print, ("prefix", "'+X'", '":"')),
            ("+X: ", print, ("prefix", "'+X: '", '":"')),
            (b"+X:", print, ("prefix", "b'+X:'", "a name")),
            (5, print, ("prefix", "5", "a name")),
            (None, print, ("prefix", "None", "a name")),
            (":", print, ("prefix", "':'", "a name")),
            ("+U:X:", print, ("prefix", "+U:X:")),
            ("+CME ERROR:", print, ("prefix", "+CME ERROR:", "a name")),
            ("+\u00fc:", print, ("prefix", "a name")),
            ("+\r:", print, ("prefix", "a name")),
            ("+X:", None, ("handler", "None")),
            ("+X:", "name", ("handler", "'name'")),
        ):
            e = failure(channel.on, prefix, handler)
            self.assertIs(type(e), ValueError, "%r: %r" % (prefix, e))
            for word in words:
                self.assertIn(word, str(e))
        seen = []
        channel.on("+X:", lambda line: seen.append(line.line()))
        channel.feed(b"+X: 1\r\n+U:X: 1\r\n")
        self.assertEqual(seen, [b"+X: 1"])

    def test_one_that_raises_does_not_stop_the_next_line(self):
        def fail(_):
            raise error

        errors = (ValueError("a"), KeyError(1), OSError(5), MemoryError(), AtTimeout("x"))
        for error in errors:
            for which in ("handler", "several", "unknown"):
                channel = make_channel()
                seen, told = [], []
                channel.on("+OK:", lambda line: seen.append(line.int(0)))
                if which == "several":
                    channel.on("+U:", lambda line: None)
                    channel.on("+U:", fail)
                elif which == "handler":
                    channel.on("+U:", fail)
                else:
                    channel.on_unknown = fail
                channel.on_error = told.append
                for i in range(3):
                    channel.feed(b"+U: 1\r\n+OK: %d\r\n+U: 2\r\n+OK: 9\r\n" % i)
                self.assertEqual(seen, [0, 9, 1, 9, 2, 9], which)
                self.assertEqual(told, [error] * 6)
                self.assertEqual(channel.handler_errors, 6)
                self.assertEqual(channel.gap, isinstance(error, MemoryError))  # what was missed?

    def test_without_a_hook_it_is_printed(self):
        channel = make_channel()
        channel.on("+U:", lambda line: 1 // 0)
        with harness.Printed(receiver) as printed:
            channel.feed(b"+U: 1\r\n+U: 2\r\n")
        self.assertEqual((channel.handler_errors, channel.urcs), (2, 2))
        self.assertEqual([type(e) for e in printed], [ZeroDivisionError] * 2)

    def test_a_hook_takes_it(self):
        channel = make_channel()
        told = []
        channel.on("+U:", lambda line: 1 // 0)
        channel.on_error = told.append
        with harness.Printed(receiver) as printed:
            channel.feed(b"+U: 1\r\n")
        self.assertEqual([type(e) for e in told], [ZeroDivisionError])
        self.assertEqual(printed, [])

    def test_a_hook_for_errors_that_fails_itself(self):
        for hook, error in ((lambda e: {}["x"], KeyError), (async_handler, PortError)):
            channel = make_channel()
            seen = []
            channel.on("+U:", lambda line: 1 // 0)
            channel.on("+V:", lambda line: seen.append(line.int(0)))
            channel.on_error = hook
            with harness.Printed(receiver) as printed:
                channel.feed(b"+U: 1\r\n+V: 2\r\n")
            self.assertEqual((seen, channel.handler_errors), ([2], 2))
            self.assertEqual([type(e) for e in printed], [error, ZeroDivisionError])

    def test_one_that_raises_under_both_runtimes(self):
        for make in PORTS:
            stream = FakeStream()
            port = make(stream)
            seen = []
            port.channel.on("+U:", lambda line: 1 // 0)
            port.channel.on("+V:", lambda line: seen.append(line.int(0)))
            port.channel.on_gap = lambda: 1 // 0
            for i in range(5):
                stream.send(b"\xff.\r\n+U: 1\r\n", 100 * i)
                stream.send(b"+V: %d\r\n" % i, 100 * i + 50)
            port.idle(1000)
            self.assertEqual(seen, list(range(5)))
            self.assertEqual(port.command("AT"), [])


class MemoryTest(unittest.TestCase):
    """Out of memory: counted, survived, and told to the pending command at once."""

    def check(self, port, where):
        port.stream.answers = {b"AT+T?": b"\r\n+T: 1\r\n" + OK}
        self.assertEqual(port.command("AT+T?", "+T:"), [b"1"], where)
        seen = []
        port.channel.on("+W:", lambda line: seen.append(line.int(0)))
        port.stream.send(b"+W: 1\r\n+W: 2\r\n", 10)
        port.idle(100)
        self.assertEqual(seen, [1, 2], where)

    def test_in_a_handler_or_hook_while_a_command_waits(self):
        def fail(*_):
            raise MemoryError

        for make in PORTS:
            for which in ("handler", "several", "unknown", "error", "gap"):
                port = make(FakeStream())
                channel = port.channel
                if which in ("handler", "several", "error"):
                    channel.on("+U:", fail)
                if which == "several":
                    channel.on("+U:", fail)
                if which == "error":
                    channel.on_error = fail
                if which == "unknown":
                    channel.on_unknown = fail
                if which == "gap":
                    channel.on_gap = fail
                port.stream.answers = {
                    b"AT+X": b"+U: 1\xff\r\n" if which == "gap" else b"+U: 1\r\n"
                }
                start = port.stream.ticks.ms
                e = failure(port.command, "AT+X", timeout_ms=9000)
                self.assertIs(type(e), MemoryError, which)
                self.assertTrue(port.stream.ticks.ms - start < 100, which)
                self.assertTrue(channel.handler_errors > 0)
                channel.close_gap(channel.lost)
                channel.on_unknown = channel.on_gap = None
                self.check(port, which)

    def test_in_on_info_and_accept(self):
        def fail(line):
            raise MemoryError

        for make in PORTS:
            for which in ("on_info", "accept"):
                port = make(FakeStream())
                port.stream.answers = {b"AT+X": b"+X: 1\r\n"}
                start = port.stream.ticks.ms
                options = {which: fail, "timeout_ms": 9000}
                self.assertIs(type(failure(port.command, "AT+X", "+X:", **options)), MemoryError)
                self.assertTrue(port.stream.ticks.ms - start < 100)
                self.check(port, which)

    def test_in_the_stream(self):
        for make in PORTS:
            stream = Failing()
            stream.error = MemoryError
            port = make(stream)

            def answer(_, stream=stream):
                stream.broken = True

            stream.answers = {b"AT+X": answer}
            start = stream.ticks.ms
            self.assertIs(type(failure(port.command, "AT+X", timeout_ms=9000)), MemoryError)
            self.assertTrue(stream.ticks.ms - start < 100)
            stream.broken = False
            self.check(port, "stream")

    def test_at_any_call_within_the_receive_path(self):
        # Each method fails once; of what the port holds then, nothing may be served twice.
        for name in ("_answers", "_unknown", "_special", "_cut", "report"):
            for what in (MemoryError, KeyboardInterrupt):
                channel = make_channel()
                seen, calls = [], []
                real = getattr(channel, name)

                def fails(*args, real=real, calls=calls, what=what):
                    calls.append(1)
                    if len(calls) == 1:
                        raise what
                    return real(*args)

                setattr(channel, name, fails)
                channel.on("+U:", lambda line, seen=seen: seen.append(line.int(0)))
                channel.on("+E:", lambda line: 1 // 0)
                channel.on("+D:", lambda line: None, size_field=1)
                for step in range(20):
                    try:
                        if step % 2:
                            channel.ring.cut = True
                            channel.feed(b"y")
                        else:
                            channel.feed(b'+E: 1\r\nx\r\nOK\r\n+D: 0,2,"ab"\r\n+D: 0,2,"a"\r\n')
                    except KeyboardInterrupt:
                        pass
                    channel.line.listen()
                while channel.pump():
                    pass
                channel.feed(b"\r\n+U: 1\r\n")
                channel.feed(b"+U: 2\r\n")
                self.assertEqual(seen, [1, 2], "%s %r" % (name, what))

    def test_within_the_scanner(self):
        for name in ("_special", "_unknown", "_open", "_look_up"):
            channel = make_channel()
            seen, calls = [], []
            real = getattr(channel.line, name)

            def fails(*args, real=real, calls=calls):
                calls.append(1)
                if len(calls) == 1:
                    raise MemoryError
                return real(*args)

            setattr(channel.line, name, fails)
            channel.on("+U:", lambda line, seen=seen: seen.append(line.int(0)))
            channel.on("+D:", lambda line: None, size_field=1)
            for data in (
                b"x\r\n",
                b"+U: 1",
                b"\r\n",
                b"z" * 600 + b"\r\n",
                b'+D: 0,1,"a"\r\n+U: 2\r\n',
            ):
                channel.feed(data)
            while channel.pump():
                pass
            self.assertEqual(seen[-1], 2, name)
            self.assertTrue(calls and channel.handler_errors >= 1, name)

    def test_what_escapes_is_reported_as_itself(self):
        # Every one was a MemoryError, and a ValueError was taken for a handler that pumps.
        for what in (AttributeError, IndexError, ValueError, TypeError, MemoryError):
            stream = FakeStream()
            channel = make_channel(stream)
            told, seen = [], []
            channel.on_error = told.append
            channel.on("+U:", lambda line, seen=seen: seen.append(line.int(0)))
            real = channel.line._unknown

            def fails(*args, what=what, real=real, channel=channel):
                channel.line._unknown = real
                raise what("this one")

            for n in (1, 2):
                channel.line._unknown = fails
                stream.send(b"what\r\n")
                channel.pump()
                self.assertEqual([(type(e), str(e)) for e in told], [(what, "this one")] * n)
                self.assertFalse(channel._busy)
                stream.send(b"+U: %d\r\n" % n)
                while channel.pump():
                    pass
                self.assertEqual(seen[-1], n)
            # Later ones are not taken for it.
            channel._cut = lambda: 1 // 0
            channel.ring.cut = True
            channel.feed(b"x")
            self.assertIs(type(told[2]), ZeroDivisionError)

    def test_ctrl_c_in_the_middle_of_a_burst(self):
        stream = FakeStream()
        channel = make_channel(stream)
        heard = []

        def handler(line):
            heard.append(line.int(0))
            if line.int(0) % 3 == 0:
                raise KeyboardInterrupt

        channel.on("+U:", handler)
        stream.send(b"".join(b"+U: %d\r\n" % i for i in range(30)))
        interrupts = 0
        while True:
            try:
                if not channel.pump():
                    break
            except KeyboardInterrupt:
                interrupts += 1
        self.assertEqual((heard, interrupts), (list(range(30)), 10))


class GapTest(unittest.TestCase):
    def test_opened_by_every_kind_of_loss_and_closed_by_who_read_anew(self):
        for data, sizes in (
            (b"\r\n+U: \xff\r\n", {}),
            (b"y" * 513 + b"\r\n", {}),
            (b"y" * 70, {"ring_size": 64, "chunk_size": 16, "line_size": 32}),
            (b"\xff\r\n", {}),
        ):
            channel = make_channel(**sizes)
            calls = []
            channel.on_gap = lambda channel=channel, calls=calls: calls.append(channel.lost)
            channel.feed(b"\r\nfine\r\n")
            self.assertEqual((channel.gap, calls), (False, []))
            channel.feed(data)
            self.assertTrue(channel.gap)
            lost = channel.lost
            self.assertTrue(calls and set(calls) <= set(range(1, lost + 1)))
            del calls[:]
            # It is told again with every batch until it is closed.
            channel.feed(b"\r\nfine\r\n")
            self.assertEqual(calls, [lost])
            channel.close_gap(lost)
            self.assertFalse(channel.gap)
            channel.feed(b"\r\nfine\r\n")
            self.assertEqual(len(calls), 1)

    def test_malformed_lines_count_for_it(self):
        channel = make_channel()

        def handler(line):
            channel.count_malformed()

        channel.on("+U:", handler)
        channel.feed(b"+U: 1\r\n")
        self.assertEqual((channel.lost, channel.gap), (1, True))

    def test_what_is_lost_while_state_is_read_anew_keeps_it_open(self):
        channel = make_channel()
        channel.feed(b"a\x01\r\n")
        lost = channel.lost
        channel.feed(b"b\x01\r\n")
        channel.close_gap(lost)
        self.assertTrue(channel.gap)
        channel.close_gap(channel.lost)
        self.assertFalse(channel.gap)

    def test_opened_by_what_an_exception_may_have_taken_away(self):
        def mute(channel, stream):
            channel.pump = lambda: 0  # feed() gives up
            channel.feed(b"+U: 1\r\n")

        def interrupted(channel, stream):
            stream.broken = True
            stream.error = KeyboardInterrupt
            channel.pump()

        def handled(what, reads):
            def fail(line):
                raise what

            def act(channel, stream):
                channel.on("+U:", fail, reads=reads)
                channel.feed(b"+U: 1\r\n")

            return act

        for act, gap in (
            (mute, True),
            (interrupted, True),
            (handled(MemoryError, False), True),
            (handled(MemoryError, True), True),
            (handled(KeyboardInterrupt, False), True),
            (handled(KeyboardInterrupt, True), True),
            (handled(ValueError, False), False),
            (handled(OSError, True), False),
        ):
            stream = Failing()
            channel = make_channel(stream)
            calls = []
            channel.on_gap = lambda calls=calls: calls.append(1)
            try:
                act(channel, stream)
            except KeyboardInterrupt:
                pass
            self.assertEqual((channel.gap, channel.lost > 0, bool(calls)), (gap, gap, gap))

    def test_a_doubt_is_told_at_once(self):
        # Nothing may come for hours.
        channel = make_channel()
        calls = []
        channel.on_gap = lambda: calls.append(channel.gap)
        channel.doubt()
        self.assertEqual(calls, [True])

    def test_a_doubt(self):
        channel = make_channel()
        channel.doubt()
        self.assertEqual((channel.doubts, channel.lost, channel.gap), (1, 1, True))

    def test_a_hook_that_raises_is_counted(self):
        channel = make_channel()
        told, seen = [], []
        channel.on("+U:", lambda line: seen.append(line.int(0)))
        channel.on_gap = lambda: 1 // 0
        channel.on_error = told.append
        channel.feed(b"a\x01\r\n+U: 1\r\n")
        channel.feed(b"+U: 2\r\n")
        self.assertEqual(seen, [1, 2])
        self.assertEqual([type(e) for e in told], [ZeroDivisionError] * 2)
        self.assertEqual(channel.handler_errors, 2)


class NoPoll(io.IOBase):
    def readinto(self, buf):
        pass

    def write(self, data):
        pass


class NoReadinto(FakeStream):
    readinto = None


class NoWrite(FakeStream):
    write = 5


class StreamTest(unittest.TestCase):
    def test_refused_at_construction(self):
        class Plain:
            def readinto(self, buf):
                pass

            def write(self, data):
                pass

        for stream, word in (
            (None, "readinto"),
            (5, "readinto"),
            (NoReadinto(), "readinto"),
            (NoWrite(), "write"),
            (NoPoll(), "polled"),
            (Plain(), "polled"),
        ):
            for make in (
                lambda: Channel(stream, FakeRuntime(FakeStream())),
                lambda: blocking.Lexi(stream),
                lambda: harness.Lexi(stream),
                lambda: blocking.Runtime(stream),
            ):
                e = failure(make)
                self.assertIs(type(e), ValueError, "%r: %r" % (stream, e))
                self.assertIn("stream", str(e))
                self.assertIn(word, str(e))

    def test_blocking_ones_without_any(self):
        class Socket(FakeStream):
            def setblocking(self, value):
                self.blocking = value

        stream = Socket()
        Channel(stream, FakeRuntime(FakeStream()))
        self.assertIs(stream.blocking, False)

        class Tty(FakeStream):
            def fileno(self):
                return 77

        real = stream_module._waits
        try:
            for waits in (True, False):
                stream_module._waits = lambda fd, waits=waits: waits and fd == 77
                e = failure(Channel, Tty(), FakeRuntime(FakeStream()))
                self.assertEqual(type(e) is ValueError and "VMIN" in str(e), waits)
        finally:
            stream_module._waits = real

    def test_files_and_pipes_that_block(self):
        # Only a tty can be told not to wait.
        for path, mode in ((__file__, "rb"), ("/dev/zero", "r+b"), ("/dev/null", "r+b")):
            with open(path, mode, 0) as stream:
                for make in (
                    lambda: Channel(stream, FakeRuntime(FakeStream())),
                    lambda: blocking.Runtime(stream),
                ):
                    e = failure(make)
                    self.assertIs(type(e), ValueError, "%s: %r" % (path, e))

    def test_any_that_fails(self):
        # The reader ended for ever, and poll() raised.
        class Uart(Failing):
            failures = 0

            def any(self):
                if self.failures:
                    self.failures -= 1
                    raise OSError(5)
                self._arrive()
                return len(self._now)

        for failures in (1, 2, 3, 9):
            stream = Uart()
            channel = make_channel(stream)
            seen = []
            channel.on("+U:", lambda line, seen=seen: seen.append(line.int(0)))
            runtime = blocking.Runtime(stream, stream.ticks, line_ms=0)
            stream.send(b"+U: 1\r\n")
            stream.failures = failures
            for _ in range(10):
                runtime.poll(channel, 0)
            self.assertEqual((seen, channel.stream_errors), ([1], failures))

            stream = Uart()
            port = AioPort(stream)
            del seen[:]
            port.channel.on("+U:", lambda line, seen=seen: seen.append(line.int(0)))
            stream.failures = failures
            stream.send(b"+U: 2\r\n", 10)

            async def main(port=port):
                reader = asyncio.create_task(harness.AioRuntime(0).read(port.channel))
                await asyncio.sleep_ms(500)
                alive = not reader.done()
                reader.cancel()
                return alive

            self.assertTrue(harness.run_asyncio(main(), stream), "%d" % failures)
            self.assertEqual((seen, port.channel.stream_errors), ([2], failures))

    def test_spurious_wake_ups(self):
        for make in PORTS:
            stream = FakeStream()
            port = make(stream)
            seen = []
            port.channel.on("+U:", lambda line: seen.append(line.int(0)))
            for n in (1, 2, 7):
                stream.spurious = n
                stream.answers = {b"AT+A?": b"\r\n+A: %d\r\n\r\nOK\r\n" % n}
                self.assertEqual(port.command("AT+A?", "+A:"), [b"%d" % n])
                stream.spurious = n
                stream.send(b"+U: %d\r\n" % n, 100)
                port.idle(300)
                self.assertEqual(stream.spurious, 0)
            self.assertEqual(seen, [1, 2, 7])
            # They do not prolong a deadline, nor end it early.
            stream.default = None
            stream.spurious = 20
            start = stream.ticks.ms
            self.assertIs(type(failure(port.command, "AT", timeout_ms=1000)), AtTimeout)
            self.assertTrue(1000 <= stream.ticks.ms - start <= 1010)

    def test_one_that_fails_is_counted_and_tried_again_without_haste(self):
        for make in PORTS:
            stream = Failing()
            port = make(stream)
            start = stream.ticks.ms
            stream.broken = True
            port.idle(1000)
            self.assertEqual(stream.ticks.ms - start, 1000)
            self.assertTrue(90 <= port.channel.stream_errors <= 202)
            self.assertTrue(stream.reads <= 310, "%d" % stream.reads)
            start = stream.ticks.ms
            self.assertIs(type(failure(port.command, "AT", timeout_ms=1000)), AtTimeout)
            self.assertTrue(1000 <= stream.ticks.ms - start <= 1010)
            stream.broken = False
            stream.answers = {b"ATI": b"\r\nx\r\nOK\r\n"}
            port.idle(100)
            self.assertEqual(port.command("ATI", ""), [b"x"])
            self.assertFalse(port.channel.gap)

    def test_a_pump_that_fails(self):
        stream = Failing()
        channel = make_channel(stream)
        stream.broken = True
        self.assertEqual([channel.pump() for _ in range(3)], [0, 0, 0])
        self.assertEqual(counters(channel), {"stream_errors": 3})

    def test_the_poll_loop_without_a_fake(self):
        # blocking.Runtime.poll() itself: a pause behind every wake-up that brings nothing.
        class FakeTime:
            def __init__(self):
                self.naps = []

            def sleep_ms(self, ms):
                self.naps.append(ms)

        stream = FakeStream()
        runtime = blocking.Runtime(stream, stream.ticks, line_ms=3)
        channel = Channel(stream, runtime, Clock(stream.ticks))
        seen = []
        channel.on("+U:", lambda line: seen.append(line.int(0)))
        real, at_blocking.time = at_blocking.time, FakeTime()
        naps = at_blocking.time.naps
        try:
            runtime.poll(channel, 0)
            self.assertEqual(naps, [])
            stream.spurious = 2
            stream.send(b"+U: 4\r\n")
            runtime.poll(channel, 1000)
            runtime.poll(channel, 1000)
            self.assertEqual((seen, naps), ([], [3, 10, 3, 10]))
            runtime.poll(channel, 1000)
            self.assertEqual((seen, naps[4:]), ([4], [3]))
        finally:
            at_blocking.time = real

    def test_the_aio_reader_ends_only_when_cancelled(self):
        stream = Failing()
        port = AioPort(stream)
        stream.broken = True

        async def main():
            reader = asyncio.create_task(harness.AioRuntime(0).read(port.channel))
            await asyncio.sleep_ms(500)
            alive = not reader.done()
            reader.cancel()
            await asyncio.sleep_ms(0)
            return alive, reader.done()

        self.assertEqual(harness.run_asyncio(main(), stream), (True, True))


class SecretTest(unittest.TestCase):
    SENT = b'AT+X="a","b"'

    def ask(self, answer, **options):
        stream = FakeStream(answers={self.SENT: answer}, **options)
        port = harness.BlockingPort(stream)
        shown = []
        port.channel.on_send = shown.append
        port.channel.on_unknown = lambda line: shown.append(line.line())
        try:
            port.command("AT+X=", args=("a", "b"), secret=True)
        except PortError as e:
            shown.append(e)
        self.assertEqual(stream.commands, [self.SENT])
        return shown

    def test_what_is_secret_goes_out_and_nowhere_else(self):
        echo = self.SENT + b"\r"
        self.assertEqual(self.ask(echo + OK), [b"AT+X=..."])
        for answer in (None, echo, echo + b"\r\n+CME ERROR: 16\r\n", echo + b"\r\nERROR\r\n"):
            shown, e = self.ask(answer)
            self.assertEqual((shown, str(e)[:8]), (b"AT+X=...", "AT+X=..."))
            self.assertEqual(getattr(e, "command", "AT+X=..."), "AT+X=...")

    def test_whether_a_command_that_gave_up_was_sent(self):
        stream = FakeStream(default=None)
        port = harness.BlockingPort(stream)
        found = []
        for _ in range(2):
            try:
                port.command("AT")
            except AtTimeout as e:
                found.append(e.sent)
        self.assertEqual(found, [True, False])

    def test_hooks_of_a_restart(self):
        channel = make_channel()
        told = []
        channel.on_reboot += (lambda: told.append(1), lambda: told.append(2))
        channel.note_reboot()
        self.assertEqual(told, [1, 2])


class Failing(FakeStream):
    """While `broken`, poll says readable and readinto() raises OSError."""

    def __init__(self):
        super().__init__()
        self.broken = False
        self.error = OSError
        self.reads = 0

    def due(self):
        return 0 if self.broken else super().due()

    def readinto(self, buf, n=None):
        self.reads += 1
        if self.broken:
            raise self.error(5)
        return super().readinto(buf)


if __name__ == "__main__":
    unittest.main()
