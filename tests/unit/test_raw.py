# Raw bytes by length through a Channel: whatever is in them, however they are cut, and whatever goes
# wrong, no URC is made of them, no byte is shifted, and the next command works.

import unittest

import harness
from atport.errors import AtTimeout, ModuleRebooted, PortError
from transcripts import Dice, Port, Still, Uart, nums

_OK = b"\r\nOK\r\n"
_STAT = "+ULWM2MSTAT:"
_URC = b"\r\n+ULWM2MSTAT: 1,721,3\r\n"
_BLOCKS = (
    b"x",
    b'"',
    b'"\r\n',
    b"\n\n",
    b"\r\nOK\r\n",
    b"\r\n+ULWM2MSTAT: 1,721,4\r\n",
    b'+USORF: 0,"10.0.0.1",5683,4,"',
    bytes(range(256)),
)


def usorf(data, size=None):
    size = len(data) if size is None else size
    return b'\r\n+USORF: 0,"10.0.0.1",5683,%d,"%s"\r\n' % (size, data)


def usord(data, size=None):
    return b'\r\n+USORD: 0,%d,"%s"\r\n' % (len(data) if size is None else size, data)


def connect(data, size=None):
    return b"\r\nCONNECT %d\r\n%s\r\n" % (len(data) if size is None else size, data)


class RawTest(unittest.TestCase):
    # Command, its arguments, how the module writes the bytes.
    KINDS = (
        ("AT+USORF=0,1024", ("+USORF:", 3), usorf),
        ("AT+USORD=0,1024", ("+USORD:", 1), usord),
        ("AT+FREAD=1", (None, None), connect),
    )

    def ask(self, port, kind, into, **options):
        text, (prefix, size_field), _ = kind
        return port.command(text, prefix, size_field=size_field, into=into, **options)

    def port(self):
        # Its module sends one thing after the other.
        port = Port([_STAT])
        stream = port.stream
        send = stream.send

        def in_order(data, after_ms=0):
            if stream._later:
                after_ms = max(after_ms, stream._later[-1][0] - stream.ticks.ms)
            send(data, after_ms)

        stream.send = in_order
        return port

    def works(self, port, where):
        """The next command gets its own answer, and the next URC is heard."""
        port.stream.answers[b"AT+T=1"] = b"\r\n+T: 1\r\n" + _OK
        self.assertEqual(port.command("AT+T=1", "+T:"), [b"1"], where)
        del port.heard[:]
        port.stream.send(_URC)
        port.serve()
        self.assertEqual(port.heard, [(_STAT, nums(1, 721, 3))], where)

    def test_every_block_in_every_cutting(self):
        for kind in self.KINDS:
            for data in _BLOCKS:
                wire = _URC + kind[2](data) + _OK + _URC
                for parts in harness.pieces(wire):
                    if len(wire) > 200 and 1 < len(parts[0]) and len(parts[0]) % 19:
                        continue
                    port = self.port()
                    port.answer(kind[0].encode(), parts)
                    into = bytearray(300)
                    seen = []
                    n = self.ask(port, kind, into, on_info=lambda line: seen.append(line.line()))
                    where = "%s %r" % (kind[0], parts)
                    self.assertEqual((n, bytes(into[:n])), (len(data), data), where)
                    self.assertEqual(seen, [kind[2](data).strip(b"\r\n")[: len(seen[0])]], where)
                    port.serve()
                    self.assertEqual(port.heard, [(_STAT, nums(1, 721, 3))] * 2, where)
                    self.assertEqual((port.unknown, port.channel.lost), ([], 0), where)

    def test_what_is_before_the_data(self):
        port = self.port()
        seen = []
        port.answer(b"AT+USORF=0,9", [usorf(b'a,"b\r\nOK\r') + _OK])
        into = bytearray(9)

        def on_info(line):
            seen.append((line.text(1), line.int(2), line.int(3), len(line), bytes(into)))

        options = {"into": into, "size_field": 3, "on_info": on_info}
        self.assertEqual(port.command("AT+USORF=0,9", "+USORF:", **options), 9)
        self.assertEqual(seen, [(b"10.0.0.1", 5683, 9, 4, b'a,"b\r\nOK\r')])

    def test_no_data(self):
        for wire, prefix, i in (
            (b"\r\n+USORF: 3,23\r\n", "+USORF:", 3),
            (b'\r\n+USORD: 0,""\r\n', "+USORD:", 1),
            (b'\r\n+USORD: 0,0,""\r\n', "+USORD:", 1),
            (b"", "+USORD:", 1),
        ):
            port = self.port()
            port.answer(b"AT+R", [wire + _OK])
            self.assertEqual(port.command("AT+R", prefix, into=bytearray(4), size_field=i), 0)
            self.assertFalse(port.channel.gap)

    def test_more_than_into_holds(self):
        for kind in self.KINDS:
            port = self.port()
            into = bytearray(4)
            port.answer(kind[0].encode(), [kind[2](b"abcdefgh\r\nOK\r\n") + _OK])
            with self.assertRaises(PortError):
                self.ask(port, kind, into)
            self.assertEqual(into, b"abcd")
            self.works(port, kind[0])

    def test_the_wrong_number(self):
        inner = b"\r\n+ULWM2MSTAT: 1,721,4\r\n\r\nOK\r\n"
        for kind in self.KINDS[:2]:
            for size in (0, 1, 5, 25, 31, 33, 34, 36, 40, 500, 10**12):
                for parts in harness.pieces(kind[2](inner, size) + _OK):
                    if 1 < len(parts[0]) and len(parts[0]) % 7:
                        continue
                    port = self.port()
                    port.answer(kind[0].encode(), parts)
                    where = "%s %d %r" % (kind[0], size, parts)
                    with self.assertRaises(PortError):
                        self.ask(port, kind, bytearray(600), timeout_ms=3000)
                    self.assertEqual(port.heard, [], where)
                    self.works(port, where)
                    self.assertTrue(port.channel.gap, where)

    def test_the_next_command_behind_the_wrong_number(self):
        # It was sent while nothing was believed, and its answer was thrown away.
        for kind, size in ((0, 5), (1, 0), (1, 5), (1, 8), (2, 3), (2, 8)):
            for timeout_ms in (500, 1000, 3000):
                kind_ = self.KINDS[kind]
                port = self.port()
                port.answer(kind_[0].encode(), [kind_[2](b"123456789", size) + _OK])
                where = "%s %d %d" % (kind_[0], size, timeout_ms)
                with self.assertRaises(PortError):
                    self.ask(port, kind_, bytearray(9))
                start = port.stream.ticks.ms
                port.stream.answers[b"AT+T=1"] = b"\r\n+T: 1\r\n" + _OK
                found = port.command("AT+T=1", "+T:", timeout_ms=timeout_ms)
                self.assertEqual(found, [b"1"], where)
                self.assertTrue(port.stream.ticks.ms - start < 500, where)

    def test_more_behind_connect_than_was_said(self):
        # The rest of the data was read as lines, and nobody was told.
        inner = b"abcdefghi" + _URC
        for size in (1, 3, 8, len(inner) - 4):
            for parts in harness.pieces(connect(inner, size) + _OK):
                port = self.port()
                port.answer(b"AT+FREAD=1", parts)
                where = "%d %r" % (size, parts)
                with self.assertRaises(PortError):
                    port.command("AT+FREAD=1", into=bytearray(99), timeout_ms=3000)
                self.assertEqual((port.heard, port.channel.gap), ([], True), where)

    # What stands before 36 bytes with a URC in them: blanks round the number and before the quote.
    HEADERS = (
        b"+USORD: 0,%d,",
        b"+USORD: 0, %d,",
        b"+USORD: 0,  %d,",
        b"+USORD: 0,%d ,",
        b"+USORD: 0,%d, ",
        b"+USORD:0, %d , ",
        b"+USORD: 0 ,  %d  ,  ",
        b"+usord: 0,%d,",
        b"\xff+USORD: 0,%d,",
        b"\0\xff\0+uSORD: 0, %d , ",
    )

    def test_headers_with_blanks_noise_and_in_small_letters(self):
        data = b"123456789" + _URC + b"\r\n"
        for header in self.HEADERS:
            wire = b"\r\n" + header % len(data) + b'"' + data + b'"\r\n' + _OK + _URC
            for parts in harness.pieces(wire):
                port = self.port()
                port.answer(b"AT+USORD=0,99", parts)
                into = bytearray(99)
                n = port.command("AT+USORD=0,99", "+USORD:", size_field=1, into=into)
                self.assertEqual((n, bytes(into[:n])), (len(data), data), parts)
                port.serve()
                self.assertEqual(port.heard, [(_STAT, nums(1, 721, 3))], parts)
                self.assertFalse(port.channel.gap, parts)

    def test_headers_before_more_bytes_than_a_line_may_have(self):
        # Up to the first line end in the data it is an open line, and too long.
        data = b"x" * 600 + _URC + b"y" * 76
        for header in self.HEADERS:
            wire = b"\r\n" + header % len(data) + b'"' + data + b'"\r\n' + _OK + _URC
            for step in (1, 37, 128, 1000):
                port = self.port()
                parts = [wire[i : i + step] for i in range(0, len(wire), step)]
                port.answer(b"AT+USORD=0,999", parts)
                into = bytearray(999)
                n = port.command("AT+USORD=0,999", "+USORD:", size_field=1, into=into)
                where = "%r, %d at a time" % (header, step)
                self.assertEqual((n, bytes(into[:n])), (len(data), data), where)
                port.serve()
                self.assertEqual(port.heard, [(_STAT, nums(1, 721, 3))], where)
                self.assertEqual((port.channel.overlong, port.channel.gap), (0, False), where)

    def test_a_header_that_falls_into_an_overflow(self):
        # Nothing of the datagram is heard, as nobody knows where it ends.
        inner = b"\r\n+ULWM2MSTAT: 1,721,4\r\n"
        for filler in range(0, 60, 3):
            uart = Uart(64)
            port = Port([_STAT], uart, rxbuf=64, chunk_size=16)
            port.channel.announce("+USORD:", 1)
            uart.push(b"x" * filler + b"\r\n" + b"y" * (62 - filler) + b'+USORD: 0,40,"')
            while port.channel.pump():
                pass
            uart.push(inner + b"z" * (40 - len(inner)) + b'"\r\n')
            while port.channel.pump():
                pass
            self.assertEqual((port.heard, port.channel.gap), ([], True), "%d" % filler)

    def test_datagrams_through_a_buffer_that_overflows(self):
        for seed in range(60):
            dice = Dice(seed + 1)
            uart = Uart(64)
            port = Port([_STAT], uart, rxbuf=64, chunk_size=16, ring_size=512, line_size=200)
            into = bytearray(64)
            found = []

            def handler(line, found=found, into=into):
                found.append(bytes(into[: line.int(1)]))

            port.channel.on("+USORD:", handler, size_field=1, into=into)
            wire = b""
            for _ in range(10):
                end = bytes(dice.choice(b'"\r\nOK,+: ') for _ in range(dice.below(20)))
                wire += usord(_URC + end)
            at = 0
            while at < len(wire):
                n = 1 + dice.below(40)
                uart.push(wire[at : at + n])
                at += n
                if dice.below(5) < 3:
                    port.channel.pump()
            while port.channel.pump():
                pass
            self.assertEqual(port.heard, [], "seed %d" % seed)
            for data in found:
                self.assertEqual(data[: len(_URC)], _URC, "seed %d" % seed)
            self.assertTrue(port.channel.gap or not uart.dropped, "seed %d" % seed)

    def test_given_up_anywhere(self):
        # The rest comes later, or never; the module may restart meanwhile.
        inner = b"\r\n+ULWM2MSTAT: 1,721,4\r\n\r\nOK\r\n"
        for kind in self.KINDS:
            wire = kind[2](inner) + _OK
            for cut in range(len(wire) - 5):
                for late_ms in (1200, 3500, None):
                    for reboot in (False, True):
                        port = self.port()
                        stream = port.stream

                        def answer(_, port=port, cut=cut, late_ms=late_ms, wire=wire):
                            port.stream.send(wire[:cut])
                            if late_ms:
                                port.stream.send(wire[cut:], late_ms)

                        stream.answers[kind[0].encode()] = answer
                        where = "%s %d %s %s" % (kind[0], cut, late_ms, reboot)
                        coro = port.channel.command(
                            kind[0], kind[1][0], size_field=kind[1][1], into=bytearray(99), timeout_ms=1000
                        )  # fmt: skip
                        if reboot:
                            stream.send(_URC, 500)
                            port.channel.on(
                                _STAT, lambda line, port=port: port.channel.note_reboot()
                            )
                        e = None
                        try:
                            port.run(coro)
                        except PortError as error:
                            e = error
                        self.assertIn(type(e), (AtTimeout, ModuleRebooted, PortError), where)
                        self.assertFalse((_STAT, nums(1, 721, 4)) in port.heard, where)
                        if not reboot:
                            self.works(port, where)
                            self.assertFalse((_STAT, nums(1, 721, 4)) in port.heard, where)

    def test_urcs_that_carry_data(self):
        for into in (bytearray(16), None):
            for data in _BLOCKS:
                wire = b'\r\n+UUD: 7,%d,"%s"\r\n' % (len(data), data) + _URC
                for step in (1, 2, 5, 64):
                    port = self.port()
                    seen = []

                    def handler(line, seen=seen):
                        seen.append([(line.kind(i), line.int(i)) for i in range(len(line))])

                    port.channel.on("+UUD:", handler, size_field=1, into=into)
                    for i in range(0, len(wire), step):
                        port.channel.feed(wire[i : i + step])
                    self.assertEqual(seen, [[(1, 7), (1, len(data))]])
                    self.assertEqual(port.heard, [(_STAT, nums(1, 721, 3))])
                    if into:
                        self.assertEqual(into[: len(data)], data[:16])
                    self.assertFalse(port.channel.gap)

    def test_announced_without_a_handler_is_dropped_and_a_gap(self):
        port = self.port()
        port.channel.announce("+USORF:", 3)
        port.channel.feed(usorf(b"\r\n+ULWM2MSTAT: 1,721,4\r\n") + _URC)
        self.assertEqual(port.heard, [(_STAT, nums(1, 721, 3))])
        self.assertTrue(port.channel.gap)
        port.channel.feed(b'+USORF: 3,"x"\r\n')
        self.assertEqual(port.unknown, [b'+USORF: 3,"x"'])

    def test_a_urc_whose_rest_never_comes_does_not_deafen_the_port(self):
        for size in (50, 10**12):
            port = self.port()
            port.channel.on("+UUD:", lambda line: None, size_field=1)
            port.stream.send(b'\r\n+UUD: 7,%d,"abc' % size)
            for i in range(3):
                port.stream.send(_URC, 20000 * (i + 1))
            port.serve(70000)
            self.assertEqual(port.heard, [(_STAT, nums(1, 721, 3))] * 3, "%d" % size)
            self.assertTrue(port.channel.gap)

    def test_nothing_is_allocated(self):
        stream = Still()
        port = Port(stream=stream)
        into = bytearray(300)
        port.channel.on("+UUD:", lambda line: None, size_field=1, into=into)
        data = bytes(range(256))
        wire = b'\r\n+UUD: 7,256,"' + data + b'"\r\n'
        stream.put(wire * 5)

        def work():
            while port.channel.pump():
                pass

        harness.without_heap(work)
        self.assertEqual((port.channel.handler_errors, port.channel.urcs), (0, 5))
        self.assertEqual(into[:256], data)

    def test_arguments(self):
        port = self.port()
        for options in (
            {"size_field": 16},
            {"size_field": -1},
            {"size_field": "3"},
            {"size_field": 1, "into": b"abc"},
        ):
            with self.assertRaises(ValueError):
                port.channel.on("+X:", print, **options)
        for args in ((None, 3), ("", 3)):
            with self.assertRaises(ValueError):
                port.command("AT", args[0], size_field=args[1], into=bytearray(3))
        self.assertEqual(port.stream.written, b"")


if __name__ == "__main__":
    unittest.main()
