# The byte ring: filling, moving the open line, and the places where the UART lost bytes.

import unittest

import harness
from atport.ring import Ring
from atport.scan import LINE, MORE, Scanner
from transcripts import (
    NOTHING,
    Dice,
    Port,
    Reader,
    Still,
    Uart,
    num,
    nums,
    quoted_num,
    refusal,
    txt,
)

_NAMES = (b"+A:", b"OK")


class Source:
    """A stream that gives what it is told to, one item for each readinto()."""

    def __init__(self, *items):
        self._items = list(items)
        self.asked = []

    def readinto(self, buf, n):
        self.asked.append(n)
        item = self._items.pop(0) if self._items else None
        if isinstance(item, Exception):
            raise item
        if not item:
            return item
        buf[: len(item)] = item
        return len(item)


def unread(ring):
    """What the scanner has not looked at yet."""
    return bytes(ring.buf[ring.start : ring.end])


class FillTest(unittest.TestCase):
    def test_fill_takes_what_there_is_and_returns_its_size(self):
        source = Source(None, 0, b"abc", b"12345678", None, b"!")
        ring = Ring(source, 64, 8)
        self.assertEqual([ring.fill() for _ in range(6)], [0, 0, 3, 8, 0, 1])
        self.assertEqual(source.asked, [8] * 6)
        self.assertEqual(unread(ring), b"abc12345678!")
        self.assertEqual(ring.overrun, 0)

    def test_a_uart_is_asked_for_what_it_has(self):
        uart = Uart(64)
        asked = []
        readinto = uart.readinto
        uart.readinto = lambda buf, n: asked.append(n) or readinto(buf, n)
        ring = Ring(uart, 64, 8)
        uart.push(b"0123456789")
        self.assertEqual([ring.fill(), ring.fill()], [8, 2])
        self.assertEqual((asked, unread(ring)), ([8, 2], b"0123456789"))

    def test_fill_passes_the_streams_error_on_and_keeps_what_it_has(self):
        ring = Ring(Source(b"abc", OSError(5), MemoryError(), b"d"), 64, 8)
        ring.fill()
        for error in (OSError, MemoryError):
            with self.assertRaises(error):
                ring.fill()
            self.assertEqual(unread(ring), b"abc")
        ring.fill()
        self.assertEqual(unread(ring), b"abcd")

    def test_feed_takes_a_chunk_of_any_bytes_like_object(self):
        for data in (b"abc", bytearray(b"abc"), memoryview(b"xabcx")[1:4]):
            ring = Ring(Still(), 64, 8)
            self.assertEqual(ring.feed(data), 3)
            self.assertEqual(unread(ring), b"abc")
        self.assertEqual(ring.feed(b""), 0)
        self.assertEqual(ring.feed(b"123456789"), 8)
        self.assertEqual(ring.feed(b"123456789", 8), 9)
        self.assertEqual(unread(ring), b"abc123456789")


class SizeTest(unittest.TestCase):
    def test_wrong_sizes_name_the_parameter_the_value_and_what_is_allowed(self):
        for args, message in (
            ((63, 8), "ring_size: 63, expected 64..32768"),
            ((0, 8), "ring_size: 0, expected 64..32768"),
            ((-1, 8), "ring_size: -1, expected 64..32768"),
            ((None, 8), "ring_size: None, expected 64..32768"),
            ((32769, 8), "ring_size: 32769, expected 64..32768"),
            ((64, 1.5), "chunk_size: 1.5, expected 1..63"),
            ((64, 0), "chunk_size: 0, expected 1..63"),
            ((64, -1), "chunk_size: -1, expected 1..63"),
            ((64, 64), "chunk_size: 64, expected 1..63"),
            ((100, 128), "chunk_size: 128, expected 1..99"),
            ((64, 8, -1), "rxbuf: -1, expected 0..1048576"),
            ((64, 8, 64, 0), "loss_mark: 0, expected 1..64"),
            ((64, 8, 64, 65), "loss_mark: 65, expected 1..64"),
            ((64, 8, 0, 5), "loss_mark: 5, expected None without rxbuf"),
        ):
            self.assertEqual(refusal(Ring, Uart(64), *args), message)
        message = "rxbuf: 64, expected 0 for a stream without any()"
        self.assertEqual(refusal(Ring, Still(), 64, 8, 64), message)

    def test_a_line_and_a_chunk_must_fit(self):
        for ring_size, chunk_size, line_size, message in (
            (64, 8, 15, "line_size: 15, expected 16..56"),
            (64, 8, 57, "line_size: 57, expected 16..56"),
            (1024, 256, 900, "line_size: 900, expected 16..768"),
        ):
            ring = Ring(Still(), ring_size, chunk_size)
            self.assertEqual(refusal(Scanner, ring, line_size), message)
            options = {"ring_size": ring_size, "chunk_size": chunk_size, "line_size": line_size}
            self.assertEqual(refusal(Port, **options), message)

    def test_every_line_of_the_largest_size_is_read(self):
        for size, chunk in ((64, 8), (64, 48), (1024, 124), (100, 1), (100, 84)):
            limit = size - chunk
            reader = Reader((), size=size, limit=limit, chunk=chunk)
            for i in range(20):
                reader.feed(b"%d" % (i % 10) * limit + b"\r\n")
            self.assertEqual(reader.texts, [b"%d" % (i % 10) * limit for i in range(20)])
            self.assertEqual((reader.ring.overrun, reader.overlong), (0, 0))

    def test_fields_at_the_far_end_of_the_largest_ring(self):
        # Beyond 65535 their places were cut to 16 bits.
        port = Port(["+A:"], ring_size=1 << 15, chunk_size=1 << 14, line_size=64)
        channel = port.channel
        wire = b"\n" * 16320 + b"+"  # an open line, and the next chunk goes behind it
        places = []
        channel.on("+A:", lambda line: places.append(line.starts[len(line) - 1]))
        for _ in range(3):
            channel.feed(wire)
            channel.feed(b'A: 1,"abc"\r\n')
            channel.feed(wire)
            channel.feed(b"A:1\r\n" + b"\n" * 16300 + b'+A: "abc",-7,x\r\n+A: 2\r\n')
        found = [fields for _, fields in port.heard]
        four = [[num(1), txt(b"abc")], nums(1), [txt(b"abc"), num(-7), txt(b"x")], nums(2)]
        self.assertEqual(found, four * 3)
        self.assertTrue(max(places) > 32600, "%r" % places)


class MoveTest(unittest.TestCase):
    _LINE = b'+A: -12, "a,b" ,,"34",xyz,5'
    _FIELDS = [num(-12), txt(b"a,b"), NOTHING, quoted_num(34), txt(b"xyz"), num(5)]

    def test_a_line_that_is_moved_again_and_again_keeps_its_fields(self):
        # Wherever it begins in the ring: the parts do not end where the lines do.
        wire = (b"OK\r" + self._LINE + b"\r\n") * 100
        moves = []
        for chunk in (1, 4, 7, 31):
            for size in (1, 2, 5, 17, 29, 33, 34, 40):
                reader = Reader(_NAMES, size=64 + chunk, limit=60, chunk=chunk)
                move = reader.ring._move
                reader.ring._move = lambda move=move, moves=moves: moves.append(1) or move()
                for i in range(0, len(wire), size):
                    reader.feed(wire[i : i + size])
                self.assertEqual(len(reader.found), 200)
                for ok, found in zip(reader.found[::2], reader.found[1::2]):
                    self.assertEqual((ok[1], found[1:]), (b"OK", (b"+A:", self._FIELDS, False)))
                self.assertEqual((reader.ring.overrun, reader.overlong), (0, 0))
        self.assertTrue(len(moves) > 50)

    def test_a_line_cut_anywhere_at_any_place(self):
        wire = self._LINE + b"\r"
        for offset in range(0, 100, 7):
            for cut in range(1, len(wire)):
                ring = Ring(Still(), 64, 16)
                scanner = Scanner(ring, 48)
                scanner.add(b"+A:")
                events = scanner.events()
                for part in (
                    b"OK\r" * (offset // 3) + b"\n" * (offset % 3),
                    wire[:cut],
                    wire[cut:],
                ):
                    first = 0
                    while first < len(part):
                        first = ring.feed(part, first)
                        what = next(events)
                        while what == LINE and scanner.name is None:
                            what = next(events)
                self.assertEqual((what, scanner.line()), (LINE, self._LINE))
                self.assertEqual(next(events), MORE)


class LossTest(unittest.TestCase):
    """A UART of 64 bytes, of which so many are taken at a time as a chunk has."""

    def port(self, **options):
        self.uart = Uart(64)
        options.setdefault("rxbuf", 64)
        port = Port(["+U:"], self.uart, chunk_size=16, **options)
        self.unknown = port.unknown
        port.channel.on_unknown = lambda line: port.unknown.append(line.line())
        return port

    def drain(self, port):
        while port.channel.pump():
            pass

    def test_a_full_buffer_is_a_loss_behind_what_it_holds(self):
        for loss_mark in (None, 63, 64):
            for cut in range(1, 6):
                port = self.port(loss_mark=loss_mark)
                self.uart.push(b"+U: 111\r\n" * 7 + b"+U: 721")  # 70 bytes
                self.assertEqual(port.channel.pump(), 16)
                self.uart.push(b"999999999"[:cut] + b"\r\n+U: 2\r\n")
                self.drain(port)
                self.assertEqual([fields[0][1] for _, fields in port.heard], [111] * 7 + [2])
                self.assertEqual((port.channel.overrun, port.channel.gap), (1, True))

    def test_a_buffer_that_is_not_full_is_no_loss(self):
        port = self.port()
        self.uart.push(b"x" * 60 + b"\r\n")
        self.drain(port)
        self.assertEqual((port.channel.overrun, port.channel.gap), (0, False))
        port = self.port(rxbuf=0)  # whoever does not say its size is not told
        self.uart.push(b"x" * 70)
        self.drain(port)
        self.assertEqual((port.channel.overrun, port.channel.gap), (0, False))

    def test_a_mark_below_the_size(self):
        for mark, lost in ((40, 1), (41, 0)):
            port = self.port(loss_mark=mark)
            self.uart.push(b"+U: 721\r\n" * 4 + b"+U: ")  # 40 bytes
            self.drain(port)
            self.uart.push(b"5\r\n+U: 6\r\n")
            self.drain(port)
            heard = [fields[0][1] for _, fields in port.heard]
            self.assertEqual(heard, [721] * 4 + ([] if lost else [5]) + [6])
            self.assertEqual(port.channel.lost, lost)

    def test_with_flow_control_a_full_buffer_is_no_loss(self):
        # It stays full while the other side waits.
        for flow, loss_mark in ((True, None), (True, 64), (False, None)):
            self.uart = uart = Uart(1000)
            uart.any = lambda uart=uart: min(64, uart._count)
            port = Port(["+U:"], uart, chunk_size=16, rxbuf=64, flow=flow, loss_mark=loss_mark)
            uart.push(b"".join(b"+U: %d\r\n" % i for i in range(90)))
            self.drain(port)
            heard = [fields[0][1] for _, fields in port.heard]
            self.assertEqual(heard == list(range(90)), flow, "%r" % heard)
            found = port.channel.overrun == 0, port.channel.lost == 0, port.channel.gap
            self.assertEqual(found, (flow, flow, not flow))

    def test_a_buffer_that_is_larger_than_was_said(self):
        # any() says so, with more than a buffer and a FIFO hold: then it is no sign of a loss.
        for first, loses in ((96, True), (97, False), (200, False)):
            self.uart = uart = Uart(300)
            port = Port(["+U:"], uart, chunk_size=16, rxbuf=64)
            wire = b"+U: 10\r\n" * 13
            uart.push(wire[:first])
            port.channel.pump()
            uart.push(wire[first:])
            self.drain(port)
            self.assertEqual(port.channel.gap, loses, "%d" % first)
            self.assertEqual(len(port.heard) < 13, loses, "%d" % first)
            if not loses:
                for size in (64, 80, 96, 104):
                    del port.heard[:]
                    uart.push(wire[:size])
                    self.drain(port)
                    uart.push(wire[size:])
                    self.drain(port)
                    found = len(port.heard), port.channel.overrun, port.channel.gap
                    self.assertEqual(found, (13, 0, False), "%d" % size)

    def test_three_places_at_a_time(self):
        port = Port(["+ULWM2MSTAT:"], Uart(64), rxbuf=64, chunk_size=16)
        uart = port.channel.stream
        for data in (
            b"x" * 62 + b"\r\nLOST",
            b"+ULWM2MSTAT: 1,721,3\r\nLOST",
            b"21,4\r\n+UUSORD: 0,5\r\n",
        ):
            uart.push(data)
            port.channel.pump()
        self.drain(port)
        self.assertEqual(port.heard, [])
        self.assertTrue(port.channel.gap)
        self.assertTrue(port.channel.overrun >= 2)

    def test_too_many_places_are_one(self):
        # A byte is taken, some come, and the last of them is lost; again and again.
        port = self.port()
        self.uart.push(b"+U: 1\r\n" * 10)
        self.uart.piece = 1
        for i in range(300):
            port.channel.pump()
            self.uart.push(b"+U: 2\r\n"[i % 7 : i % 7 + 2])
        self.uart.piece = 64
        self.drain(port)
        self.assertEqual({fields[0][1] for _, fields in port.heard}, {1})
        self.assertTrue(port.channel.overrun > 300)
        self.uart.push(b"\r\n+U: 5\r\n")
        self.drain(port)
        self.assertEqual(port.heard[-1], ("+U:", [num(5)]))
        self.assertTrue(port.channel.gap)

    def test_no_line_is_heard_that_was_not_sent_and_every_drop_is_told(self):
        drops = whole = 0
        for seed in range(100):
            dice = Dice(seed + 1)
            port = self.port(loss_mark=dice.choice((None, 64, 48)))
            uart = self.uart
            sent = set()
            for n in range(40):
                body = b"+U: %d,%d" % (n, 7 * n) if dice.below(3) else b"+X: %d" % n
                sent.add(body)
                data = body + b"\r\n"
                cut = dice.below(len(data))
                for part in (data[:cut], data[cut:]):
                    lost = port.channel.lost
                    dropped = uart.push(part)
                    drops += dropped > 0
                    if dice.below(4) == 0:
                        port.channel.pump()
                    self.assertTrue(port.channel.lost >= lost)
            self.drain(port)
            self.assertTrue(port.channel.gap or not uart.dropped, "seed %d" % seed)
            heard = [
                b"+U: %d,%d" % (f[0][1], f[1][1]) if len(f) == 2 else f for _, f in port.heard
            ]
            for text in heard + port.unknown:
                self.assertTrue(text in sent, "seed %d: %r" % (seed, text))
            whole += len(heard)
            port.channel.close_gap(port.channel.lost)
            self.drain(port)
            for _ in range(3):  # each drop is told, not only the first one
                lost = port.channel.lost
                if uart.push(b"y" * 70):
                    self.drain(port)
                    self.assertTrue(port.channel.lost > lost, "seed %d" % seed)
        self.assertTrue(drops > 300 and whole > 500, "%d, %d" % (drops, whole))


class HeapTest(unittest.TestCase):
    def test_fill_feed_move_and_loss_allocate_nothing(self):
        uart = Uart(64)
        ring = Ring(uart, 64, 16, 64)
        scanner = Scanner(ring, 48)
        for name in _NAMES:
            scanner.add(name)
        events = scanner.events()
        next(events)
        wire = b"+A: 1,2,3\r\nOK\r\n" * 4 + b"+A: "

        def work():
            lines = 0
            for _ in range(20):
                uart.push(wire)
                while ring.fill():
                    while next(events) == LINE:
                        lines += 1
                        scanner.fields()
                    if ring.cut:
                        ring.cut = False
                        scanner.cut()
            return lines

        self.assertTrue(harness.without_heap(work) > 100)
        self.assertEqual(ring.overrun, 20)

    def test_the_proof_can_fail(self):
        harness.without_heap(lambda: None)
        with self.assertRaises(MemoryError):
            harness.without_heap(lambda: bytearray(1))


if __name__ == "__main__":
    unittest.main()
