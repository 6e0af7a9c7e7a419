# The byte ring: filling, overflow, and sliding under a line that is half read.

import unittest

import harness
from atport.ring import Ring
from atport.scan import LINE, MORE, Scanner
from transcripts import NOTHING, Still, decode, num, quoted_num, read, refusal, txt

_PREFIXES = {b"+A:": 1, b"OK": 2}


class Source:
    """A stream that gives what it is told to, one item for each readinto()."""

    def __init__(self, *items):
        self._items = list(items)
        self.asked = []

    def readinto(self, buf):
        self.asked.append(len(buf))
        item = self._items.pop(0) if self._items else None
        if not item:
            return item
        buf[: len(item)] = item
        return len(item)


def unread(ring):
    """What the scanner has not looked at yet."""
    at = ring.state[1]
    return bytes(ring.data[at : at + len(ring)])


def lines(scanner):
    """The lines that are complete, as (whole line, bad)."""
    found = []
    while scanner.next() == LINE:
        found.append((scanner.line(), scanner.bad))
    return found


class FillTest(unittest.TestCase):
    def test_fill_takes_what_there_is_and_returns_its_size(self):
        ring = Ring(64, 8)
        source = Source(None, 0, b"abc", b"12345678", None, b"!")
        taken = [ring.fill(source) for _ in range(6)]
        self.assertEqual(taken, [0, 0, 3, 8, 0, 1])
        self.assertEqual(source.asked, [8] * 6)
        self.assertEqual(unread(ring), b"abc12345678!")
        self.assertEqual(len(ring), 12)
        self.assertEqual((ring.received, ring.overrun), (12, 0))

    def test_fill_passes_the_streams_error_on_and_keeps_what_it_has(self):
        class Broken:
            def readinto(self, buf):
                raise OSError(5)

        ring = Ring(64, 8)
        ring.feed(b"abc")
        with self.assertRaises(OSError):
            ring.fill(Broken())
        self.assertEqual(unread(ring), b"abc")

    def test_feed_takes_any_bytes_like_object(self):
        for data in (b"abc", bytearray(b"abc"), memoryview(b"xabcx")[1:4]):
            ring = Ring(64, 8)
            ring.feed(data)
            self.assertEqual(unread(ring), b"abc")
        ring.feed(b"")
        self.assertEqual((len(ring), ring.received), (3, 3))

    def test_one_full_chunk_fits_an_empty_ring(self):
        for chunk in (1, 2, 62, 63):
            ring = Ring(64, chunk)
            self.assertEqual(ring.fill(Source(b"x" * chunk)), chunk)
            self.assertEqual((len(ring), ring.overrun), (chunk, 0))

    def test_received_counts_all_and_wraps_before_it_becomes_a_big_int(self):
        ring = Ring(64, 8)
        ring.state[21] = 0x3FFFFFFF
        ring.feed(b"abc")
        self.assertEqual(ring.received, 2)
        ring.state[19] = 0x3FFFFFFF
        ring.feed(b"x" * 70)
        self.assertEqual(ring.overrun, 9)


class SizeTest(unittest.TestCase):
    def test_wrong_sizes_name_the_parameter_the_value_and_what_is_allowed(self):
        for args, message in (
            ((63, 8), "ring_size: 63, expected 64..1048576"),
            ((0, 8), "ring_size: 0, expected 64..1048576"),
            ((-1, 8), "ring_size: -1, expected 64..1048576"),
            ((None, 8), "ring_size: None, expected 64..1048576"),
            ((64, 1.5), "chunk_size: 1.5, expected 1..63"),
            ((64, 0), "chunk_size: 0, expected 1..63"),
            ((64, -1), "chunk_size: -1, expected 1..63"),
            ((64, 64), "chunk_size: 64, expected 1..63"),  # the last byte would be lost
            ((100, 128), "chunk_size: 128, expected 1..99"),
        ):
            self.assertEqual(refusal(Ring, *args), message)

    def test_wrong_line_limits(self):
        for limit, message in (
            (15, "line_size: 15, expected 16..62"),
            (63, "line_size: 63, expected 16..62"),
        ):
            self.assertEqual(refusal(Scanner, Ring(64, 8), limit), message)

    def test_smallest_and_largest_are_accepted(self):
        Scanner(Ring(64, 63), 62)
        Scanner(Ring(64, 1), 16)
        self.assertEqual(len(Ring().data), 1024)

    def test_a_line_as_long_as_the_largest_limit_fits(self):
        reader = read([b"x" * 62, b"\r", b"\n", b"OK\r\n"], _PREFIXES, size=64, limit=62)
        self.assertEqual(reader.texts, [b"x" * 62, b"OK"])
        self.assertEqual((reader.ring.overrun, reader.scanner.overlong), (0, 0))


class OverflowTest(unittest.TestCase):
    def test_what_does_not_fit_is_dropped_and_counted(self):
        # One place of the 64 is kept for the mark.
        for size, overrun in ((62, 0), (63, 0), (64, 1), (65, 2), (200, 137)):
            ring = Ring(64, 8)
            ring.feed(b"x" * size)
            self.assertEqual((ring.received, ring.overrun), (size, overrun))
            self.assertTrue(len(ring) <= 64)

    def test_every_byte_offered_to_a_full_ring_is_counted_once(self):
        ring = Ring(64, 8)
        ring.feed(b"x" * 64)
        for n in range(1, 50):
            ring.feed(b"y")
            self.assertEqual(ring.overrun, 1 + n)
        ring.feed(b"")
        self.assertEqual(ring.overrun, 50)
        self.assertEqual(unread(ring), b"x" * 63 + b"\xff")

    def test_the_joint_inside_a_line_spoils_that_line_and_no_other(self):
        # The head of one line and the tail of another make a perfect third one.
        ring = Ring(64, 8)
        scanner = Scanner(ring, 48)
        scanner.set_prefixes(_PREFIXES)
        ring.feed(b"OK\r\n" + b"x" * 40 + b"\r\n+A: 1,721,4444444444")
        self.assertEqual(ring.overrun, 3)
        self.assertEqual(lines(scanner), [(b"OK", 0), (b"x" * 40, 0)])
        ring.feed(b",721,3\r\nOK\r\n")
        self.assertEqual(lines(scanner), [(b"+A: 1,721,4444444\xff,721,3", 1), (b"OK", 0)])

    def test_the_joint_between_lines_marks_the_next_line(self):
        ring = Ring(64, 8)
        scanner = Scanner(ring, 48)
        scanner.set_prefixes(_PREFIXES)
        ring.feed(b"OK\r\n" + b"x" * 40 + b"\r\n" + b"y" * 15 + b"\r\n+A: 1,7")
        self.assertEqual(ring.overrun, 7)
        self.assertEqual(lines(scanner), [(b"OK", 0), (b"x" * 40, 0), (b"y" * 15, 0)])
        ring.feed(b"21,3\r\nOK\r\n")
        self.assertEqual(lines(scanner), [(b"21,3", 2), (b"OK", 0)])

    def test_halves_of_different_lines_are_never_read_as_one(self):
        # Wherever the overflow begins and ends: what is not marked was sent just like that.
        sent = [b"+A: %d,%d" % (i, 7 * i) for i in range(10, 40)]
        data = b"\r\n".join(sent) + b"\r\n"
        for first in range(40, 120):
            for gap in (1, 5, 9, 13):
                ring = Ring(64, 8)
                scanner = Scanner(ring, 48)
                scanner.set_prefixes(_PREFIXES)
                ring.feed(data[:first])  # 63 bytes of it are kept
                kept = min(first, 63)
                ring.feed(data[first : first + gap])
                kept += min(gap, 63 - kept)
                self.assertEqual(ring.overrun, first + gap - kept)
                found = lines(scanner)
                ring.feed(data[first + gap : first + gap + 30])
                found += lines(scanner)
                self.assertEqual(ring.overrun, first + gap - kept)
                self.assertTrue(len(found) >= 4)
                for text, bad in found:
                    self.assertTrue(bad or text in sent, "%d, %d: %r" % (first, gap, text))

    def test_reading_goes_on_after_an_overflow(self):
        for junk in (b"x", b"+A: ", b'+A: "', b"\xff", b"\r"):
            ring = Ring(64, 8)
            scanner = Scanner(ring, 48)
            scanner.set_prefixes(_PREFIXES)
            for _ in range(100):
                ring.feed(junk * 20)
            self.assertTrue(ring.overrun > 1000)
            lines(scanner)
            for _ in range(100):
                ring.feed(b"\r\nOK\r\n")
                found = lines(scanner)
                self.assertEqual(found[-1], (b"OK", 0))


class SlideTest(unittest.TestCase):
    _LINE = b'+A: -12, "a,b" ,,"34",xyz,5'
    _FIELDS = [num(-12), txt(b"a,b"), NOTHING, quoted_num(34), txt(b"xyz"), num(5)]

    def test_a_line_that_straddles_a_slide_keeps_its_fields(self):
        # It begins at every place of the ring, and is cut after every byte of it.
        wire = self._LINE + b"\r"
        slides = 0
        for offset in range(64):
            for cut in range(1, len(wire)):
                ring = Ring(64, 8)
                scanner = Scanner(ring, 48)
                scanner.set_prefixes(_PREFIXES)
                for i in range(0, offset, 8):  # blank lines move the place on
                    ring.feed(b"\n" * min(8, offset - i))
                    self.assertEqual(scanner.next(), MORE)
                ring.feed(wire[:cut])
                self.assertEqual(scanner.next(), MORE)
                before = ring.state[1]
                ring.feed(wire[cut:])
                slides += ring.state[1] < before
                self.assertEqual(scanner.next(), LINE)
                where = "%d, %d: %r" % (offset, cut, decode(scanner))
                self.assertEqual(decode(scanner), self._FIELDS, where)
                self.assertEqual(scanner.line(), self._LINE)
                self.assertEqual(scanner.rest(), self._LINE[4:])
                self.assertEqual((scanner.tag, scanner.bad, ring.overrun), (1, 0, 0))
        self.assertTrue(slides > 300)

    def test_a_line_that_slides_again_and_again(self):
        ring = Ring(64, 8)
        scanner = Scanner(ring, 60)
        scanner.set_prefixes(_PREFIXES)
        for start in range(200):
            wire = b"\n" * (start % 13) + self._LINE + b"\r\n"
            for i in range(len(wire)):
                ring.feed(wire[i : i + 1])
                if scanner.next() == LINE:
                    self.assertEqual(decode(scanner), self._FIELDS)
                    self.assertEqual(wire[i], 13)
        self.assertEqual((ring.overrun, scanner.overlong), (0, 0))

    def test_sixteen_kept_fields_of_twenty_slide(self):
        # From a slide before the first field to one behind the last.
        wire = b"+A: " + b",".join(b"%d" % (10 + i) for i in range(20))
        for offset in range(32, 92):
            ring = Ring(96, 8)
            scanner = Scanner(ring, 90)
            scanner.set_prefixes(_PREFIXES)
            ring.feed(b"\n" * offset)
            self.assertEqual(scanner.next(), MORE)
            for i in range(len(wire)):
                ring.feed(wire[i : i + 1])
                self.assertEqual(scanner.next(), MORE)
            ring.feed(b"\r" + b"z" * 31)  # over what the slide left behind
            self.assertEqual(scanner.next(), LINE)
            self.assertTrue(ring.state[1] < offset + len(wire))  # it did slide
            self.assertEqual(len(scanner), 20)
            texts = [b"%d" % (10 + i) for i in range(16)] + [b""] * 4
            self.assertEqual([scanner.text(i) for i in range(20)], texts, "%d" % offset)

    def test_a_slide_keeps_what_is_unread(self):
        ring = Ring(64, 8)
        scanner = Scanner(ring, 48)
        scanner.set_prefixes(_PREFIXES)
        ring.feed(b"OK\r\n" * 12 + b"+A: 1,2")
        self.assertEqual(scanner.next(), LINE)  # eleven more, and a half, are unread
        ring.feed(b",3\r\nOK\r\n")
        self.assertEqual(ring.overrun, 0)
        self.assertEqual(lines(scanner), [(b"OK", 0)] * 11 + [(b"+A: 1,2,3", 0), (b"OK", 0)])


class HeapTest(unittest.TestCase):
    def test_the_proof_can_fail(self):
        harness.without_heap(lambda: None)
        with self.assertRaises(MemoryError):
            harness.without_heap(lambda: bytearray(1))

    def test_fill_feed_slide_and_overflow_allocate_nothing(self):
        ring = Ring(64, 16)
        scanner = Scanner(ring, 48)
        scanner.set_prefixes(_PREFIXES)
        source = Still(b"+A: 1,2,3\r\nOK\r\n" * 20)
        flood = b"+A: 1,721,3\r\n" * 10

        def work():
            total = 0
            while True:
                n = ring.fill(source)
                if not n:
                    break
                while scanner.next() == LINE:
                    total += 1
            ring.feed(flood)
            return total

        self.assertEqual(harness.without_heap(work), 40)
        self.assertEqual(ring.overrun, len(flood) - 63)


if __name__ == "__main__":
    unittest.main()
