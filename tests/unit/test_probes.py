# The stream probes P1-P9 that every receive path must pass. Each is failed by at
# least one published MicroPython modem driver.

import gc
import unittest

import harness
from atport.errors import AtTimeout
from transcripts import Port, Still, Uart, num, nums, txt

_STAT = "+ULWM2MSTAT:"
_OK = b"\r\nOK\r\n"


class ProbeTest(unittest.TestCase):
    def test_p1_line_split_across_reads_at_every_byte(self):
        # The URC, and the answer to a command, arrive in pieces with time between them.
        urc = b"\r\n+ULWM2MSTAT: 1,721,3\r\n"
        for parts in harness.pieces(urc):
            port = Port([_STAT])
            for i, part in enumerate(parts):
                port.stream.send(part, i)
            port.serve()
            self.assertEqual(port.heard, [(_STAT, nums(1, 721, 3))], "%r" % parts)
            self.assertEqual((port.unknown, port.channel.lost), ([], 0))
        for parts in harness.pieces(b"\r\n+CEREG: 2,1\r\n" + _OK):
            port = Port([_STAT])
            port.answer(b"AT+CEREG?", parts)
            self.assertEqual(port.command("AT+CEREG?", "+CEREG:"), [b"2,1"], "%r" % parts)
            self.assertEqual((port.heard, port.unknown, port.channel.late), ([], [], 0))

    def test_p1_one_byte_per_read(self):
        port = Port([_STAT])
        port.stream.piece = 1
        port.stream.send(b"\r\n+ULWM2MSTAT: 1,721,3\r\n")
        port.serve()
        self.assertEqual(port.heard, [(_STAT, nums(1, 721, 3))])

    def test_p2_urc_in_the_same_chunk_as_the_ok_and_behind_it(self):
        wire = b"\r\n+CEREG: 2,1\r\n\r\nOK\r\n\r\n+ULWM2MSTAT: 4,7\r\n"
        for parts in harness.pieces(wire):
            port = Port([_STAT, "+CEREG:"])
            port.answer(b"AT+CEREG?", parts)
            self.assertEqual(port.command("AT+CEREG?", "+CEREG:"), [b"2,1"])
            if len(parts) == 1:  # it was served with the OK, not at the next wake-up
                self.assertEqual(port.heard, [(_STAT, nums(4, 7))])
            port.serve()
            self.assertEqual(port.heard, [(_STAT, nums(4, 7))], "%r" % parts)

    def test_p2_urc_of_the_answers_prefix_behind_the_ok(self):
        port = Port(["+CEREG:"])
        port.answer(b"AT+CEREG?", [b"\r\n+CEREG: 2,1\r\n\r\nOK\r\n\r\n+CEREG: 5\r\n"])
        self.assertEqual(port.command("AT+CEREG?", "+CEREG:"), [b"2,1"])
        self.assertEqual(port.heard, [("+CEREG:", nums(5))])

    def test_p3_urc_between_a_command_and_its_answer(self):
        wire = b"\r\n+ULWM2MSTAT: 4,7\r\n\r\n+CEREG: 2,1\r\n\r\n+ULWM2MSTAT: 5,1\r\n\r\nOK\r\n"
        for parts in harness.pieces(wire):
            port = Port([_STAT])
            port.answer(b"AT+CEREG?", parts)
            self.assertEqual(port.command("AT+CEREG?", "+CEREG:"), [b"2,1"], "%r" % parts)
            self.assertEqual(port.heard, [(_STAT, nums(4, 7)), (_STAT, nums(5, 1))])
            self.assertEqual(port.unknown, [])

    def test_p3_unknown_urc_between_a_command_and_its_answer(self):
        port = Port()
        port.answer(b"AT+CEREG?", [b"\r\n+CEREG: 2,1\r\n\r\n+UUSORD: 0,5\r\n\r\nRING\r\n" + _OK])
        self.assertEqual(port.command("AT+CEREG?", "+CEREG:"), [b"2,1"])
        self.assertEqual(port.unknown, [b"+UUSORD: 0,5", b"RING"])

    def test_p4_boot_bytes_that_are_no_utf8_before_the_ok(self):
        for noise in (
            b"\0",
            b"\0\0\0",
            b"\xff",
            b"\x80\xfe\xff\xc3",
            b"\xc3\x28\r\n",
            b"\x1b\xf0\n",
        ):
            for parts in harness.pieces(noise + b"\r\nOK\r\n"):
                port = Port()
                port.answer(b"AT", parts)
                self.assertEqual(port.command("AT"), [], "%r" % parts)
            port = Port()
            port.answer(b"AT", [noise + b"OK\r\n"])  # with no line end between
            self.assertEqual(port.command("AT"), [])

    def test_p4b_bad_byte_inside_a_handled_urc(self):
        # The handler does not see it, it counts as lost, and the next line is served.
        urc = b"+ULWM2MSTAT: 1,721,3"
        for at in range(1, len(urc) + 1):
            for bad in (b"\xff", b"\x80", b"\0", b"\x1b"):
                port = Port([_STAT])
                port.stream.send(urc[:at] + bad + urc[at:] + b"\r\n+ULWM2MSTAT: 4,7\r\n")
                port.serve()
                self.assertEqual(port.heard, [(_STAT, nums(4, 7))])
                self.assertEqual(port.channel.undecodable, 1)
                self.assertTrue(port.channel.gap)
                self.assertEqual((port.unknown, port.errors), ([urc[:at] + bad + urc[at:]], []))

    def test_p5_prompt_character_inside_a_value(self):
        # Only the one at the start of a line is the prompt: until then no payload is sent.
        wire = b'\r\n+USOST: 0,"a@b",@\r\nx@\r\n+FOO: "\xc3@"\r\n'
        for parts in harness.pieces(wire):
            port = Port()
            stream = port.stream

            def module(_, port=port, stream=stream, parts=parts):
                for i, part in enumerate(parts):
                    stream.send(part, i)
                stream.send(b"\r\n@", 500)
                stream.payload_size = 4

            stream.answers = {b"AT+USOST=0": module, b"payload": b"\r\n+USOST: 0,4\r\n" + _OK}
            start = stream.ticks.ms
            info = port.command("AT+USOST=0", "+USOST:", prompt="@", payload=b"\0\r@>")
            self.assertEqual(info, [b'0,"a@b",@', b"0,4"])
            self.assertEqual(stream.payload, b"\0\r@>")
            self.assertTrue(stream.ticks.ms - start >= 550)
            self.assertEqual(port.unknown, [b"x@", b'+FOO: "\xc3@"'])

    def test_p5_prompt_character_without_a_command_is_text(self):
        port = Port([_STAT])
        port.stream.send(b'\r\n@\r\n>\r\n+ULWM2MSTAT: 3,1,"@>"\r\n')
        port.serve()
        self.assertEqual(port.unknown, [b"@", b">"])
        self.assertEqual(port.heard, [(_STAT, [num(3), num(1), txt(b"@>")])])
        self.assertEqual(port.stream.written, b"")

    def test_p6_mute_module(self):
        # No byte ever comes: the deadline fires all the same, and on time.
        port = Port()
        port.stream.default = None
        for timeout_ms in (1, 500, 70000):
            port = Port()
            port.stream.default = None
            start = port.stream.ticks.ms
            with self.assertRaises(AtTimeout):
                port.command("AT+CEREG?", "+CEREG:", timeout_ms=timeout_ms)
            waited = port.stream.ticks.ms - start
            self.assertTrue(timeout_ms <= waited <= timeout_ms + 50, "%d" % waited)
            self.assertEqual(port.stream.commands, [b"AT+CEREG?"])
            self.assertEqual(port.channel.received, 0)

    def test_p7_read_returns_none_on_a_spurious_wake_up(self):
        for spurious in (1, 2, 10):
            port = Port([_STAT])
            port.stream.spurious = spurious
            self.assertEqual(port.channel.pump(), 0)
            port.stream.spurious = spurious
            port.answer(b"AT+CEREG?", [b"\r\n+CEREG: 2,1\r\n", _OK])
            self.assertEqual(port.command("AT+CEREG?", "+CEREG:"), [b"2,1"])
            self.assertEqual(port.stream.spurious, 0)
            port.stream.spurious = spurious
            port.stream.send(b"+ULWM2MSTAT: 4,7\r\n")
            port.serve()
            self.assertEqual(port.heard, [(_STAT, nums(4, 7))])
            self.assertEqual((port.errors, port.channel.stream_errors), ([], 0))

    def test_p8_5_kb_without_a_line_end(self):
        # Nothing grows, one line is counted as lost, and the next one is served.
        for byte in (b"x", b"+", b"0", b",", b'"', b"\xff", b"\0", b" ", b"@"):
            for head in (b"", b"+ULWM2MSTAT: ", b'+ULWM2MSTAT: 3,721,"', b"+FOO: 1,"):
                stream = Still(head + byte * 5000)
                port = Port([_STAT], stream)
                channel = port.channel

                def flood(channel=channel):
                    while channel.pump():
                        pass

                gc.collect()
                before = gc.mem_alloc()
                flood()
                gc.collect()
                self.assertTrue(gc.mem_alloc() <= before, "%r" % (head + byte))
                self.assertEqual((channel.received, channel.overrun), (5000 + len(head), 0))
                blank = not head and byte in b"\0 "  # no line was begun
                self.assertEqual(channel.overlong, 0 if blank else 1)
                self.assertEqual(channel.gap, not blank)
                stream.put(b"\r\n+ULWM2MSTAT: 4,7\r\n")
                flood()
                self.assertEqual(port.heard, [(_STAT, nums(4, 7))])
                self.assertEqual((port.unknown, port.errors), ([], []))

    def test_p9_burst_of_1000_urcs_read_in_time_is_kept(self):
        wire = b"".join(b"\r\n+ULWM2MSTAT: 2,721,%d\r\n" % i for i in range(1000))
        for chunk in (1, 17, 128):
            port = Port([_STAT], Still(wire), chunk_size=chunk)
            while port.channel.pump():
                pass
            values = [fields[2][1] for _, fields in port.heard]
            self.assertEqual(values, list(range(1000)))
            self.assertEqual((port.channel.urcs, port.channel.lost), (1000, 0))
            self.assertFalse(port.channel.gap)

    def test_p9_burst_of_1000_urcs_read_too_late_is_counted(self):
        # What is heard was sent like that, and behind every loss there is a gap.
        for size in (64, 256, 1024):
            for pumps in (1, 2, 3):
                uart = Uart(size)
                port = Port([_STAT], uart, rxbuf=size, chunk_size=16)
                for i in range(1000, 2000):
                    uart.push(b"+ULWM2MSTAT: 2,721,%d\r\n" % i)
                    if i % 4 == 0:
                        for _ in range(pumps):
                            port.channel.pump()
                while port.channel.pump():
                    pass
                values = [fields[2][1] for _, fields in port.heard]
                self.assertTrue(0 < len(values) < 1000)
                self.assertEqual(sorted(set(values)), values)
                self.assertTrue(1000 <= values[0] and values[-1] < 2000)
                self.assertTrue(port.channel.overrun > 0 and port.channel.gap)
                self.assertEqual(port.channel.received, 25000 - uart.dropped)


class AlsoTest(unittest.TestCase):
    """The two sentences below the list of probes."""

    def test_an_unknown_urc_does_not_block_later_ones(self):
        port = Port([_STAT])
        for i in range(50):
            port.stream.send(b"\r\n+UNKNOWN: %d\r\nwhat is this\r\n" % i)
        port.stream.send(b"\r\n+ULWM2MSTAT: 4,7\r\n")
        port.serve()
        self.assertEqual(port.heard, [(_STAT, nums(4, 7))])
        self.assertEqual((len(port.unknown), port.channel.unknown), (100, 100))

    def test_neither_does_a_hook_or_a_handler_that_raises(self):
        port = Port(["+CREG:"])
        calls = []

        def fails(line):
            calls.append(line.line())
            raise RuntimeError("no")

        port.channel.on(_STAT, fails)
        port.channel.on_unknown = fails
        port.stream.send(b"\r\n+ULWM2MSTAT: 4,7\r\n+UNKNOWN: 1\r\n+CREG: 5\r\n")
        port.serve()
        self.assertEqual(calls, [b"+ULWM2MSTAT: 4,7", b"+UNKNOWN: 1"])
        self.assertEqual(port.heard, [("+CREG:", nums(5))])
        self.assertEqual((port.channel.handler_errors, len(port.errors)), (2, 2))

    def test_a_late_answer_does_not_complete_the_next_command(self):
        # The first answer comes while the second command waits for the port, or for its answer.
        late = b"\r\n+CEREG: 0,4\r\n\r\nERROR\r\n"
        answer = b"\r\n+CEREG: 2,1\r\n\r\nOK\r\n"
        proof = harness.PROOF_TEXT + _OK
        for late_ms in (1, 20, 500, 1100, 2500):
            port = Port()
            stream = port.stream

            def slowly(_, stream=stream, late_ms=late_ms):
                stream.send(late, 1000 + late_ms)

            def in_order(_, stream=stream):  # a module answers one command after the other
                due = stream.due() or 0
                stream.send(proof, due + 1)

            stream.answers = {
                b"AT+CEREG?": [slowly, answer],
                harness.PROOF: in_order,
            }
            with self.assertRaises(AtTimeout):
                port.command("AT+CEREG?", "+CEREG:", timeout_ms=1000)
            self.assertEqual(port.command("AT+CEREG?", "+CEREG:"), [b"2,1"], "%d" % late_ms)
            self.assertEqual(stream.commands[0], b"AT+CEREG?")
            self.assertEqual(stream.commands[-1], b"AT+CEREG?")
            # Nothing was left unread: the late answer was heard and went nowhere.
            probes = stream.commands.count(harness.PROOF)
            heard = len(late) + len(answer) + probes * len(proof)
            self.assertEqual(port.channel.received, heard, "%d" % late_ms)


class HeapTest(unittest.TestCase):
    _WIRE = (
        b"\r\n+ULWM2MSTAT: 1,721,3\r\n+CREG: 5\r\n"  # two URCs
        b'+UNKNOWN: 1,"x"\r\nRING\r\nOK\r\n'  # two that nobody wants, a late final result code
        b"+ULWM2MSTAT: 1\xff\r\n\xff\x80half\r\n"  # undecodable, half a line
        b"+creg: 1\r\n\xff+CREG: 2\r\n"  # in small letters, behind noise
        + b"z" * 600
        + b"\r\n"  # overlong
    )

    def _port(self):
        # Handlers that keep nothing, so that whatever is allocated is the channel's.
        port = Port(stream=Still())
        self.urcs = self.unknown = 0

        def on_urc(line):
            if line.int(0) is not None:
                self.urcs += 1

        def on_unknown(line):
            self.unknown += 1

        port.channel.on(_STAT, on_urc)
        port.channel.on("+CREG:", on_urc)
        port.channel.on("+CREG:", on_urc)  # twice: several handlers are another way
        port.channel.on_unknown = on_unknown
        return port

    def _work(self, port, wire):
        channel = port.channel
        channel.stream.put(wire)

        def work():
            while channel.pump():
                pass

        harness.without_heap(work)
        self.assertEqual(channel.handler_errors, 0)
        return channel

    def test_filling_scanning_and_routing_allocate_nothing(self):
        channel = self._work(self._port(), self._WIRE * 20)
        self.assertEqual((channel.urcs, self.urcs), (80, 140))
        self.assertEqual((channel.unknown, self.unknown, channel.late), (60, 80, 20))
        self.assertEqual((channel.undecodable, channel.overlong), (40, 20))

    def test_the_feed_allocates_nothing(self):
        channel = self._port().channel
        wire = self._WIRE * 3

        def work():
            for _ in range(20):
                channel.feed(wire)

        harness.without_heap(work)
        self.assertEqual((channel.handler_errors, channel.urcs), (0, 240))

    def test_routing_while_a_command_waits_allocates_nothing(self):
        for prefix in ("+CEREG:", "+CREG:", "Rev:", None):
            port = self._port()
            accept = lambda line: False  # noqa: E731
            coro = port.channel.command("AT+CEREG?", prefix, accept=accept)
            while port.channel.pending is None:
                port.stream.ticks.ms += coro.send(None)
            wire = self._WIRE.replace(b"OK\r\n", b"AT+CEREG\r\n+CEREG: 5\r\n")
            channel = self._work(port, wire * 20)
            self.assertEqual((channel.urcs, self.urcs, channel.late), (80, 140, 0), prefix)
            self.assertEqual((channel.unknown, self.unknown), (100, 120), prefix)
            coro.close()

    def test_the_proof_can_fail(self):
        port = self._port()
        port.channel.on("+CGREG:", lambda line: line.line())
        port.channel.feed(b"+CGREG: 1\r\n")
        self.assertEqual(port.channel.handler_errors, 0)
        port.channel.on_error = None
        harness.without_heap(lambda: port.channel.feed(b"+CGREG: 1\r\n"))
        self.assertEqual(port.channel.handler_errors, 1)


if __name__ == "__main__":
    unittest.main()
