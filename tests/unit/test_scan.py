# The scanner: lines, prefixes, fields, prompts, data and rows, table by table. Every transcript
# is read whole, byte by byte and cut in two everywhere (transcripts.check).

import unittest

import harness
from atport import scan
from atport.ring import Ring
from atport.scan import Scanner, compile_prefixes
from transcripts import (
    DATA,
    LINE,
    NOTHING,
    PROMPT,
    ROW,
    Reader,
    check,
    decode,
    line,
    num,
    nums,
    quoted_num,
    read,
    refusal,
    row,
    txt,
)

_A = 1
_STAT = 2
_REG = 3
_OK = 4
_OKAY = 5
_CONNECT = 6
_CONNECTED = 7
_ABORTED = 8
_COMMAND_ABORTED = 9
_PREFIXES = {
    b"+A:": _A,
    b"+ULWM2MSTAT:": _STAT,
    b"+ULWM2MREG:": _REG,
    b"OK": _OK,
    b"OKAY": _OKAY,
    b"CONNECT ": _CONNECT,
    b"CONNECT": _CONNECTED,
    b"ABORTED": _ABORTED,
    b"COMMAND ABORTED": _COMMAND_ABORTED,
}
_OK_LINE = line(_OK)


class LineTest(unittest.TestCase):
    def check(self, table, **options):
        for data, expected in table:
            check(self, data, expected, _PREFIXES, **options)

    def test_line_ends(self):
        one = [line(_A, nums(1)), _OK_LINE]
        self.check(
            (
                (b"+A: 1\rOK\r", one),
                (b"+A: 1\nOK\n", one),
                (b"+A: 1\r\nOK\r\n", one),
                (b"\r\n+A: 1\r\n\r\nOK\r\n", one),
                (b"\r\r\n+A: 1\r\r\n\r\r\nOK\r\r\n", one),
                (b"+A: 1\n\rOK\n\r", one),
                (b"\r\r\r\n\n\n+A: 1\r\n\r\n\r\nOK\n", one),
                (b"+A: 1\r\nOK", one[:1]),  # the end of OK has not come yet
                (b"", []),
                (b"\r\n\r\n", []),
                (b" \r\n \t \r\n", []),
            )
        )

    def test_nothing_is_found_before_the_line_end(self):
        reader = Reader(_PREFIXES)
        for i in range(len(b"+A: 1,2")):
            reader.feed(b"+A: 1,2"[i : i + 1])
            self.assertEqual(reader.found, [])
        reader.feed(b"\r")
        self.assertEqual(reader.found, [line(_A, nums(1, 2))])
        reader.feed(b"\n")
        self.assertEqual(len(reader.found), 1)

    def test_noise_between_lines_is_skipped_and_marks_the_next_line(self):
        self.check(
            (
                (b"\0\0OK\r\n", [_OK_LINE]),
                (b"OK\r\n\0\0\r\n\0OK\r\n", [_OK_LINE, _OK_LINE]),
                (b"\x01\x1b\x02OK\r\n", [_OK_LINE]),
                (b"\xff\xfe\x80OK\r\n", [line(_OK, bad=2)]),
                (b"\x7fOK\r\nOK\r\n", [line(_OK, bad=2), _OK_LINE]),
                (b"\xff\r\nOK\r\n", [_OK_LINE]),  # a line of its own
                (b"OK\r\n\xffOK\r\n", [_OK_LINE, line(_OK, bad=2)]),
                (b"\xff \0 +A: 1\r", [line(_A, nums(1), 2)]),
                (b"\xffhalf a line\rOK\r", [line(0, bad=2), _OK_LINE]),
                (b"\xffhalf a line\nOK\n", [line(0, bad=2), _OK_LINE]),
            )
        )

    def test_noise_inside_a_line_makes_it_undecodable_and_no_other(self):
        self.check(
            (
                (b"O\0K\r\nOK\r\n", [line(0, bad=1), _OK_LINE]),
                (b"O\0K\rOK\r", [line(0, bad=1), _OK_LINE]),
                (b"O\0K\nOK\n", [line(0, bad=1), _OK_LINE]),
                (b"OK\0\r\nOK\r\n", [line(0, bad=1), _OK_LINE]),
                (b"+A: 1\x80\r\n+A: 2\r\n", [line(0, bad=1), line(_A, nums(2))]),
                (b"+A: 1,\xff,2\r\nOK\r\n", [line(0, bad=1), _OK_LINE]),
                (b'+A: "\x02"\r\nOK\r\n', [line(0, bad=1), _OK_LINE]),
                (b'+A: "a"\x7f\r\nOK\r\n', [line(0, bad=1), _OK_LINE]),
                (b"+B\x15: 1\r\nOK\r\n", [line(0, bad=1), _OK_LINE]),
                (b"hello\xc3\xa4\r\nOK\r\n", [line(0, bad=1), _OK_LINE]),
                (b"\xffhe\xffllo\rOK\r", [line(0, bad=3), _OK_LINE]),
            )
        )

    def test_a_tab_inside_a_line_is_a_blank_between_fields(self):
        self.check(
            (
                (b"+A:\t1,\t2\r\n", [line(_A, nums(1, 2))]),
                (b'+A: "a"\t,2\r\n', [line(_A, [txt(b"a"), num(2)])]),
                (b'+A: "a\tb"\r\n', [line(_A, [txt(b"a\tb")])]),
            )
        )

    def test_whole_line_rest_and_startswith(self):
        ring = Ring(128, 8)
        scanner = Scanner(ring, 96)
        scanner.set_prefixes(_PREFIXES)
        for data, whole, rest in (
            (b"+A: 1,2 \r", b"+A: 1,2", b"1,2"),
            (b"  +A:1 , 2\t\r", b"+A:1 , 2", b"1 , 2"),
            (b"+A:\r", b"+A:", b""),
            (b"+unknown: x y \r", b"+unknown: x y", b"x y"),
            (b"OK\r", b"OK", b"OK"),
            (b"some text: 1\r", b"some text: 1", b"some text: 1"),
            (b"CONNECT 12\r", b"CONNECT 12", b"12"),
        ):
            ring.feed(data)
            self.assertEqual(scanner.next(), scan.LINE)
            self.assertEqual((scanner.line(), scanner.rest()), (whole, rest))
            for n in range(len(whole) + 1):
                self.assertTrue(scanner.startswith(whole[:n]))
                self.assertFalse(scanner.startswith(whole[:n] + b"#"))
            self.assertFalse(scanner.startswith(whole + b"  \n"))


class PrefixTest(unittest.TestCase):
    def check(self, table, prefixes=_PREFIXES):
        for data, expected in table:
            check(self, data, expected, prefixes)

    def test_case_does_not_matter(self):
        expected = [line(_STAT, nums(4, 7)), _OK_LINE]
        self.check(
            (
                (b"+ULWM2MSTAT: 4,7\r\nOK\r\n", expected),
                (b"+ulwm2mstat: 4,7\r\nok\r\n", expected),
                (b"+Ulwm2mStat: 4,7\r\noK\r\n", expected),
            )
        )
        self.check(((b"+A: 1\r", [line(9, nums(1))]),), {b"+a:": 9})

    def test_prefixes_with_a_common_stem(self):
        self.check(
            (
                (b"+ULWM2MREG: 721,3\r\n", [line(_REG, nums(721, 3))]),
                (b"+ULWM2M: 1\r\n", [line(0, nums(1))]),
                (b"+ULWM2MSTATE: 1\r\n", [line(0, nums(1))]),
                (b"+ULWM2MSTA: 1\r\n", [line(0, nums(1))]),
                (b"+ULWM2MSTAT 1\r\n", [line(0)]),
                (b"+ULWM2MSTAT\r\n", [line(0)]),
                (b"+UL\r\n", [line(0)]),
                (b"++A: 1\r\n", [line(0, nums(1))]),
            )
        )

    def test_a_prefix_needs_no_blank_behind_it_and_may_have_many(self):
        for blanks in (b"", b" ", b"   "):
            self.check(((b"+A:" + blanks + b"1\r\n", [line(_A, nums(1))]),))

    def test_whole_words(self):
        self.check(
            (
                (b"OK\r\n", [_OK_LINE]),
                (b"OKAY\r\n", [line(_OKAY)]),
                (b"OKA\r\n", [line(0)]),
                (b"OKAYS\r\n", [line(0)]),
                (b"O\r\n", [line(0)]),
                (b"NOK\r\n", [line(0)]),
                (b"OK 1\r\n", [line(0)]),
                (b"OK: 1\r\n", [line(0)]),
                (b"ABORTED\r\n", [line(_ABORTED)]),
                (b"Command aborted\r\n", [line(_COMMAND_ABORTED)]),
                (b"COMMAND  ABORTED\r\n", [line(0)]),
                (b"CONNECT\r\n", [line(_CONNECTED)]),
                (b"CONNECT 12\r\n", [line(_CONNECT, nums(12))]),
                (b"CONNECTS\r\n", [line(0)]),
            )
        )

    def test_blanks_around_a_whole_word(self):
        self.check(
            (
                (b" OK\r\n", [_OK_LINE]),
                (b"OK \r\n", [_OK_LINE]),
                (b"  OK   \r\n", [_OK_LINE]),
                (b"OKAY \r\n", [line(_OKAY)]),
                (b"OKA \r\n", [line(0)]),
                (b"OK . \r\n", [line(0)]),
            )
        )

    def test_unknown_prefixes_have_fields_if_they_start_with_a_sign(self):
        self.check(
            (
                (b'+FOO: 1,"x"\r\n', [line(0, [num(1), txt(b"x")])]),
                (b"^FOO: 1\r\n", [line(0)]),  # signs are what is below "0"
                (b"#FOO: 1\r\n", [line(0, nums(1))]),
                (b"*FOO BAR: 1\r\n", [line(0, nums(1))]),
                (b"+FOO:1:2,3\r\n", [line(0, [txt(b"1:2"), num(3)])]),
                (b"+FOO: \r\n", [line(0)]),
                (b"+FOO 1,2\r\n", [line(0)]),
                (b"FOO: 1\r\n", [line(0)]),
                (b"12: 1\r\n", [line(0)]),
            )
        )

    def test_lines_without_fields(self):
        self.check(
            (
                (b"hello, world\r\n", [line(0)]),
                (b'say "hello\r\n', [line(0)]),  # a quote means nothing here
                (b"00.13,A00.01\r\n", [line(0)]),
                (b"+A:\r\n", [line(_A)]),
                (b"+A:   \r\n", [line(_A)]),
                (b"(0,1)\r\n", [line(0)]),
            )
        )

    def test_without_prefixes_every_line_is_unknown(self):
        self.check(((b"OK\r\n+A: 1\r\n", [line(0), line(0, nums(1))]),), {})

    def test_64_prefixes(self):
        # Eight stems, each with endings that are stems of one another.
        prefixes = {}
        for stem in (b"+U", b"+UA", b"+UAB", b"+UB", b"+C", b"+CC", b"#", b"$QX"):
            for ending in (b":", b"Z:", b"ZZ:", b"ZZZ:", b"ZY:", b"0:", b"?:", b"_LONGER:"):
                prefixes[stem + ending] = 100 + len(prefixes)
        self.assertEqual(len(prefixes), 64)
        for prefix, tag in prefixes.items():
            check(self, prefix + b"%d\r" % tag, [line(tag, nums(tag))], prefixes)
            check(self, b"!" + prefix + b"1\r", [line(0, nums(1))], prefixes)
            shorter = prefix[:-2] + b":"
            if len(shorter) > 1:
                expected = [line(prefixes.get(shorter, 0), nums(1))]
                check(self, shorter + b"1\r", expected, prefixes)

    def test_prefixes_may_change_in_the_middle_of_a_line(self):
        # The automaton is another one then, and the half read prefix still counts.
        before = {b"+B:": 1, b"OK": 2}
        after = {b"+%s:" % bytes([c]): c for c in range(0x41, 0x5B)}
        after.update({b"+B:": 1, b"OK": 2, b"OVER": 3, b"+BXY:": 4})
        for data, was in ((b"+B: 1\r", 1), (b"OK\r", 2), (b"+X: 1\r", 0x58), (b"+BXY: 1\r", 4)):
            for cut in range(len(data)):
                reader = read([data[:cut]], before)
                reader.scanner.set_prefixes(after)
                reader.feed(data[cut:])
                known = was < 3 or cut <= data.find(b"X") or (was == 4 and cut < 3)
                tags = [found[1] for found in reader.found]
                if known:
                    self.assertEqual(tags, [was], "%r, %d" % (data, cut))
                else:  # what was already read as unknown may stay so
                    self.assertIn(tags[0], (0, was))
                    self.assertEqual(len(tags), 1)

    def test_fewer_prefixes_in_the_middle_of_a_line(self):
        many = {b"+%s%s:" % (bytes([a]), bytes([b])): a for a in range(65, 91) for b in (65, 90)}
        for cut in range(len(b"+ZZ: 1\r")):
            reader = read([b"+ZZ: 1\r"[:cut]], many)
            reader.scanner.set_prefixes({b"OK": 1})
            reader.feed(b"+ZZ: 1\r"[cut:] + b"OK\r")
            self.assertEqual([found[1] for found in reader.found][1:], [1])


class CompileTest(unittest.TestCase):
    def test_wrong_prefixes_are_refused(self):
        for prefixes, message in (
            ({b"": 1}, "prefix: b'', expected printable ASCII"),
            ({b"+A\xff:": 1}, "prefix: b'+A\\xff:', expected printable ASCII"),
            ({b"+A\r": 1}, "prefix: b'+A\\r', expected printable ASCII"),
            ({b"+A\x7f": 1}, "prefix: b'+A\\x7f', expected printable ASCII"),
        ):
            self.assertEqual(refusal(compile_prefixes, prefixes), message)

    def test_one_prefix_must_not_begin_another(self):
        for first, second in (
            (b"+A:", b"+A:B:"),
            (b"+A:", b"+a:"),
            (b"OK", b"ok"),
            (b"A ", b"A B"),
        ):
            for pair in ((first, second), (second, first)):
                message = refusal(compile_prefixes, {pair[0]: 1, pair[1]: 2})
                self.assertTrue(message and message.startswith("prefix: "), "%r" % (pair,))
                self.assertIn("another", message)

    def test_a_refused_set_changes_nothing(self):
        reader = Reader(_PREFIXES)
        self.assertTrue(refusal(reader.scanner.set_prefixes, {b"": 1}, 7))
        reader.feed(b"+A: 1\r")
        self.assertEqual(reader.found, [line(_A, nums(1))])

    def test_tags_up_to_the_largest(self):
        for tag in (1, 16384, 32767):
            check(self, b"+A:1\rB\r", [line(tag, nums(1)), line(5)], {b"+A:": tag, b"B": 5})


class FieldTest(unittest.TestCase):
    def check(self, table):
        for data, fields in table:
            expected = [line(_A, fields), _OK_LINE]
            check(self, b"+A: " + data + b"\r\nOK\r\n", expected, _PREFIXES)

    def test_ints(self):
        self.check(
            (
                (b"0", nums(0)),
                (b"5,1", nums(5, 1)),
                (b"-1,+2", [num(-1), num(2, b"+2")]),
                (b"-0", [num(0, b"-0")]),
                (b"007", [num(7, b"007")]),
                (b" 1 ,  2  , 3 ", nums(1, 2, 3)),
                (b"4, 0", nums(4, 0)),  # a SARA-R4's spacing
                (b'"12","-3","+4"', [quoted_num(12), quoted_num(-3), quoted_num(4, b"+4")]),
                (b' "12" , 3', [quoted_num(12), num(3)]),
                (b"999999999,-999999999", nums(999999999, -999999999)),
                (b'"999999999"', [quoted_num(999999999)]),
            )
        )

    def test_what_is_no_int_is_text(self):
        self.check(
            (
                (b"1000000000", [txt(b"1000000000")]),  # ten digits
                (b"-1234567890", [txt(b"-1234567890")]),
                (b"0000000001", [txt(b"0000000001")]),
                (b"9" * 40, [txt(b"9" * 40)]),
                (b'"1234567890"', [txt(b"1234567890")]),
                (b"-,+", [txt(b"-"), txt(b"+")]),
                (b"--1,+-1,1-", [txt(b"--1"), txt(b"+-1"), txt(b"1-")]),
                (b"1 2,- 3", [txt(b"1 2"), txt(b"- 3")]),
                (b'" 1","1 ","- 1"', [txt(b" 1"), txt(b"1 "), txt(b"- 1")]),
                (b"1.5,0x10,1e3", [txt(b"1.5"), txt(b"0x10"), txt(b"1e3")]),
                (b'12"', [txt(b'12"')]),
                (b"1/0", [txt(b"1/0")]),
                (b"1:0", [txt(b"1:0")]),
            )
        )

    def test_texts(self):
        self.check(
            (
                (b"READY", [txt(b"READY")]),
                (b" two words , x", [txt(b"two words"), txt(b"x")]),
                (b'"/3300/0/5700"', [txt(b"/3300/0/5700")]),
                (b'"a,b",c', [txt(b"a,b"), txt(b"c")]),
                (b'",",","', [txt(b","), txt(b",")]),
                (b'" x "', [txt(b" x ")]),
                (b'"@>"', [txt(b"@>")]),
                (b'a"b,c"', [txt(b'a"b'), txt(b'c"')]),  # a quote counts at a field's start
            )
        )

    def test_empty_and_missing_fields(self):
        self.check(
            (
                (b"", []),
                (b",", [NOTHING, NOTHING]),
                (b"1,", [num(1), NOTHING]),
                (b",1", [NOTHING, num(1)]),
                (b"1, ,2", [num(1), NOTHING, num(2)]),
                (b"0,,,,,,,,", [num(0)] + [NOTHING] * 8),
                (b'""', [txt(b"")]),
                (b'"",', [txt(b""), NOTHING]),
            )
        )
        scanner = read([b"+A: 1,,x\r"], _PREFIXES).scanner
        self.assertEqual([scanner.int(i) for i in range(5)], [1, None, None, None, None])
        self.assertEqual([scanner.int(i, -7) for i in range(5)], [1, -7, -7, -7, -7])
        self.assertEqual([scanner.text(i) for i in range(5)], [b"1", b"", b"x", b"", b""])
        self.assertEqual([scanner.kind(i) for i in range(5)], [1, 0, 2, 0, 0])

    def test_fields_of_one_line_are_not_seen_in_the_next(self):
        check(
            self,
            b'+A: 1,"x",3,4\r\n+A: ,5\r\n+A:\r\nOK\r\n',
            [
                line(_A, [num(1), txt(b"x"), num(3), num(4)]),
                line(_A, [NOTHING, num(5)]),
                line(_A),
                _OK_LINE,
            ],
            _PREFIXES,
        )

    def test_sixteen_fields_and_more(self):
        for count in range(14, 21):
            data = b"+A: " + b",".join(b"%d" % i for i in range(count)) + b"\r"
            for parts in harness.pieces(data):
                scanner = read(parts, _PREFIXES).scanner
                self.assertEqual((len(scanner), scanner.tag, scanner.bad), (count, _A, 0))
                kept = min(count, 16)
                self.assertEqual(
                    [scanner.text(i) for i in range(20)],
                    [b"%d" % i for i in range(kept)] + [b""] * (20 - kept),
                )
                known = min(count, 15)  # of which the kind is kept
                self.assertEqual(
                    [scanner.int(i) for i in range(20)],
                    list(range(known)) + [None] * (20 - known),
                )

    def test_quotes_that_do_not_match_make_the_line_undecodable(self):
        bad = line(0, bad=1)
        for data in (b'"', b'"abc', b'1,"abc', b'"abc,1', b'"abc"x', b'"1"2', b'"a" b', b'"a""b"'):
            expected = [bad, _OK_LINE]
            check(self, b"+A: " + data + b"\r\nOK\r\n", expected, _PREFIXES)
            check(self, b"+A: " + data + b"\rOK\r", expected, _PREFIXES)
        check(self, b'+UNKNOWN: "abc\r\nOK\r\n', [bad, _OK_LINE], _PREFIXES)

    def test_sixteen_fields_of_every_kind(self):
        kinds = ((b"7", num(7)), (b'"8"', quoted_num(8)), (b"x", txt(b"x")), (b"", NOTHING))
        for shift in range(4):
            chosen = [kinds[(i + shift) % 4] for i in range(15)]
            data = b"+A:" + b",".join(item[0] for item in chosen) + b"\r"
            check(self, data, [line(_A, [item[1] for item in chosen])], _PREFIXES)


class OverlongTest(unittest.TestCase):
    def test_a_line_is_dropped_to_its_end_and_counted(self):
        for size in (31, 32, 33, 34, 80, 500):
            for head in (b"+A: ", b"x", b'+A: "', b"+A: 1,", b"+UNKNOWN", b"+ULWM2MSTA"):
                data = head + b"1" * (size - len(head))
                long = size > 32
                for end in (b"\r\n", b"\r", b"\n"):
                    for cut in (1, 16, 31, 32, 33, size - 1, size, size + 1):
                        wire = data + end + b"OK" + end
                        reader = read([wire[:cut], wire[cut:]], _PREFIXES, size=640, limit=32)
                        self.assertEqual(reader.found[-1], _OK_LINE)
                        self.assertEqual(len(reader.found), 1 if long else 2)
                        self.assertEqual(reader.scanner.overlong, 1 if long else 0)

    def test_byte_by_byte_through_a_small_ring(self):
        reader = Reader(_PREFIXES, size=64, limit=32)
        for n in range(1, 4):
            for _ in range(2000):
                reader.feed(b"z")
            reader.feed(b"\r")
            self.assertEqual(reader.scanner.overlong, n)
        reader.feed(b"\nOK\r")
        self.assertEqual(reader.found, [_OK_LINE])
        self.assertEqual(reader.ring.overrun, 0)

    def test_what_an_overlong_line_holds_is_not_looked_at(self):
        wire = b"x" * 40 + b'\xff\0"OK,@+A: 1' + b"\r\nOK\r\n"
        check(self, wire, [_OK_LINE], _PREFIXES, limit=32, prompt=0x40)

    def test_blanks_behind_a_word_count(self):
        wire = b"OK" + b" " * 40 + b"\r\nOK\r\n"
        check(self, wire, [_OK_LINE], _PREFIXES, limit=32)

    def test_noise_before_a_line_does_not_count(self):
        wire = b"\0" * 20 + b"\xff" * 20 + b" " * 20 + b"OK\r\n"
        check(self, wire, [line(_OK, bad=2)], _PREFIXES, limit=32)


class PromptTest(unittest.TestCase):
    def check(self, table, **options):
        for data, expected in table:
            check(self, data, expected, _PREFIXES, prompt=0x40, **options)

    def test_at_the_start_of_a_line_only_and_once(self):
        at = (PROMPT,)
        self.check(
            (
                (b"@", [at]),
                (b"\r\n@", [at]),
                (b"\r\n@ ", [at]),
                (b"\r\n@\r\nOK\r\n", [at, _OK_LINE]),
                (b"@OK\r\n", [at, _OK_LINE]),
                (b"  \0@OK\r\n", [at, _OK_LINE]),
                (b"\xff@OK\r\n", [at, _OK_LINE]),
                (b'+A: "@",@\r\n@', [line(_A, [txt(b"@"), txt(b"@")]), at]),
                (b"a@\r\n@", [line(0), at]),
                (b"@@\r\n", [at, line(0)]),
                (b"OK\r\n@\r\n@\r\n", [_OK_LINE, at, line(0)]),
                (b">\r\n", [line(0)]),  # not the one that is expected
            )
        )

    def test_behind_a_row_and_behind_an_overlong_line(self):
        at = (PROMPT,)
        self.check(
            (
                (b"+A: 1,2\r\n@OK\r\n", [row(1, 2), at, _OK_LINE]),
                (b"+A: 1,2\r@\r\n+A: 3\r\n", [row(1, 2), at, row(3)]),
                (b"x" * 40 + b"\r\n@OK\r\n", [at, _OK_LINE]),
                (b"x" * 40 + b"\r@+A: 1\r\n", [at, row(1)]),
            ),
            row_tag=_A,
            limit=32,
        )

    def test_not_expected(self):
        check(self, b"@\r\nOK\r\n", [line(0), _OK_LINE], _PREFIXES)
        reader = Reader(_PREFIXES, prompt=0x40)
        reader.scanner.expect_prompt(0)
        reader.feed(b"@\r")
        self.assertEqual(reader.found, [line(0)])


class DataTest(unittest.TestCase):
    def check(self, table):
        for data, expected in table:
            check(self, data, expected, _PREFIXES, data_tag=_CONNECT)

    def test_raw_bytes_are_not_looked_at(self):
        raw = b"\r\nOK\r\n@\xff\0"
        found = [line(_CONNECT, nums(len(raw))), (DATA, raw), _OK_LINE]
        self.check(
            (
                (b"CONNECT 9\r\n" + raw + b"\r\nOK\r\n", found),
                (b"CONNECT 9\n" + raw + b"\r\nOK\r\n", found),  # it ends in LF alone
            )
        )

    def test_with_and_without_the_line_feed_behind_the_return(self):
        for end in (b"\r\n", b"\r", b"\n"):
            data = b"CONNECT 3" + end + b"abcOK\r\n"
            self.check(((data, [line(_CONNECT, nums(3)), (DATA, b"abc"), _OK_LINE]),))

    def test_a_line_feed_is_data_behind_the_first_one(self):
        for end in (b"\r\n", b"\n"):
            data = b"CONNECT 2" + end + b"\n\nOK\r\n"
            self.check(((data, [line(_CONNECT, nums(2)), (DATA, b"\n\n"), _OK_LINE]),))

    def test_no_data_and_data_twice(self):
        found = [
            line(_CONNECT, nums(0)),
            line(_CONNECT, nums(1)),
            (DATA, b"x"),
            line(_CONNECT, nums(2)),
            (DATA, b"yz"),
            _OK_LINE,
        ]
        self.check(((b"CONNECT 0\r\nCONNECT 1\r\nxCONNECT 2\r\nyzOK\r\n", found),))

    def test_more_data_than_the_ring_holds(self):
        raw = bytes((7 * i) & 0xFF for i in range(600))
        wire = b"CONNECT 600\r\n" + raw + b"\r\nOK\r\n"
        for step in (1, 2, 7, 30, 64, 100):
            parts = [wire[i : i + step] for i in range(0, len(wire), step)]
            reader = read(parts, _PREFIXES, data_tag=_CONNECT)
            self.assertEqual(reader.found[1:], [(DATA, raw), _OK_LINE])
            self.assertEqual(reader.ring.overrun, 0)

    def test_given_up(self):
        reader = read([b"CONNECT 600\r\nabc"], _PREFIXES, data_tag=_CONNECT)
        reader.scanner.expect_data(0)
        reader.feed(b"\r\nOK\r\n")
        self.assertEqual(reader.found[1:], [(DATA, b"abc"), _OK_LINE])


class RowTest(unittest.TestCase):
    def check(self, table, **options):
        for data, expected in table:
            check(self, data, expected, _PREFIXES, row_tag=_STAT, **options)

    def test_lines_of_ints_become_rows_and_others_do_not(self):
        self.check(
            (
                (b"+ULWM2MSTAT: 1,721,3\r\n", [row(1, 721, 3)]),
                (b"+ULWM2MSTAT: 4,7\r\n+ULWM2MSTAT: 5,1\r\n", [row(4, 7), row(5, 1)]),
                (b"+ULWM2MSTAT: -1, +2 ,\t3\r\n", [row(-1, 2, 3)]),
                (b'+ULWM2MSTAT: 2,721,"10"\r\n', [row(2, 721, 10)]),
                (b"+ULWM2MSTAT: 1,2,3,4,5,6,7\r\n", [row(1, 2, 3, 4, 5)]),
                (b"\xff+ULWM2MSTAT: 1,2\r\nx\r\n", [row(1, 2), line(0)]),
                (b"\xff+ULWM2MSTAT: 1,2\rx\r", [row(1, 2), line(0)]),
                (b'+ULWM2MSTAT: 3,1,"/5"\r\n', [line(_STAT, [num(3), num(1), txt(b"/5")])]),
                (b"+ULWM2MSTAT: 1,,3\r\n", [line(_STAT, [num(1), NOTHING, num(3)])]),
                (b"+ULWM2MSTAT: 1,\r\n", [line(_STAT, [num(1), NOTHING])]),
                (b"+ULWM2MSTAT:\r\n", [line(_STAT)]),
                (b"+ULWM2MSTAT: 1234567890\r\n", [line(_STAT, [txt(b"1234567890")])]),
                (b"+ULWM2MSTAT: 1\x80,2\r\n", [line(0, bad=1)]),
                (b"+ULWM2MREG: 721,3\r\n", [line(_REG, nums(721, 3))]),
            )
        )

    def test_lines_of_no_prefix_are_never_rows(self):
        for row_tag in (0, _STAT):
            check(self, b"+FOO: 1,2\r\n", [line(0, nums(1, 2))], _PREFIXES, row_tag=row_tag)

    def test_a_row_does_not_lend_its_fields_to_the_next_line(self):
        self.check(
            (
                (
                    b"+ULWM2MSTAT: 1,721,3\r\n+ULWM2MSTAT: 1\r\n+A: ,2\r\nOK\r\n",
                    [row(1, 721, 3), row(1), line(_A, [NOTHING, num(2)]), _OK_LINE],
                ),
            )
        )

    def test_order_is_kept_between_rows_and_lines(self):
        text = line(_STAT, [num(3), num(1), txt(b"/5")])
        self.check(
            (
                (
                    b'+ULWM2MSTAT: 4,1\n+ULWM2MSTAT: 4,2\n+ULWM2MSTAT: 3,1,"/5"\n'
                    + b"+ULWM2MSTAT: 4,3\nOK\n",
                    [row(4, 1), row(4, 2), text, row(4, 3), _OK_LINE],
                ),
            )
        )

    def test_sixteen_rows_are_full(self):
        ring = Ring(1024, 8)
        scanner = Scanner(ring, 64)
        scanner.set_prefixes(_PREFIXES, _STAT)
        for i in range(20):
            ring.feed(b"+ULWM2MSTAT: 2,721,%d\r\n" % i)
        self.assertEqual(scanner.next(), scan.FULL)
        self.assertEqual(scanner.state[72], 16)
        for i in range(16):
            at = 74 + 6 * i
            self.assertEqual(list(scanner.state[at : at + 4]), [3, 2, 721, i])
        scanner.state[72] = 0
        self.assertEqual(scanner.next(), scan.MORE)
        self.assertEqual(scanner.state[72], 4)

    def test_bursts_of_every_length(self):
        for count in range(70):
            wire = b"".join(b"+ULWM2MSTAT: 4,%d\r\n" % i for i in range(count))
            reader = read([wire, b"OK\r\n"], _PREFIXES, _STAT, size=2000)
            expected = [row(4, i) for i in range(count)] + [_OK_LINE]
            self.assertEqual(reader.found, expected)


# The reference: what the scanner should find, written without a state machine and slowly.


def _fold(text):
    return bytes(c - 32 if 97 <= c <= 122 else c for c in text)


def _reference_number(text):
    digits = text[1:] if text[:1] in (b"-", b"+") else text
    if not 1 <= len(digits) <= 9 or not all(48 <= c <= 57 for c in digits):
        return None
    return int(digits) * (-1 if text[:1] == b"-" else 1)


def _reference_fields(rest):
    # Fields, and whether the quotes match.
    fields = []
    good = True
    rest = rest.lstrip(b" ")
    if not rest:
        return fields, good
    while True:
        rest = rest.lstrip(b" ")
        if rest[:1] == b'"':
            close = rest.find(b'"', 1)
            if close < 0:
                return fields, False
            text = rest[1:close]
            comma = rest.find(b",", close)
            behind = rest[close + 1 :] if comma < 0 else rest[close + 1 : comma]
            good = good and not behind.strip(b" ")
            value = _reference_number(text)
            fields.append(txt(text) if value is None else quoted_num(value, text))
        else:
            comma = rest.find(b",")
            text = (rest if comma < 0 else rest[:comma]).strip(b" ")
            value = _reference_number(text)
            fields.append(
                num(value, text) if value is not None else txt(text) if text else NOTHING
            )
        if comma < 0:
            return fields, good
        rest = rest[comma + 1 :]


def _reference(data, prefixes, row_tag, limit):
    # (found, whole lines, number of overlong lines) of data that ends in a line end.
    found = []
    texts = []
    overlong = 0
    for raw in data.replace(b"\n", b"\r").split(b"\r"):
        start = 0
        while start < len(raw) and (raw[start] <= 32 or raw[start] >= 127):
            start += 1
        noise = any(c >= 127 for c in raw[:start])
        text = raw[start:]
        if not text:
            continue
        if len(text) > limit:
            overlong += 1
            continue
        tag, fields, good = 0, [], True
        for prefix, value in prefixes.items():
            if prefix[-1:] == b":" and _fold(text).startswith(prefix):
                tag = value
                fields, good = _reference_fields(text[len(prefix) :])
            elif _fold(text).rstrip(b" ") == prefix:
                tag = value
        colon = text.find(b":")
        if not tag and text[0] < 48 and colon >= 0:
            fields, good = _reference_fields(text[colon + 1 :])
        bad = 2 if noise else 0
        if not good or any(c < 32 or c >= 127 for c in text):
            found.append((LINE, 0, [], bad | 1))
            texts.append(text.rstrip())
        elif tag and tag == row_tag and fields and all(field[0] & scan.INT for field in fields):
            found.append((ROW, [field[1] for field in fields[:5]]))
        else:
            found.append((LINE, tag, fields, bad))
            texts.append(text.rstrip())
    return found, texts, overlong


class Dice:
    """Numbers that look random and are the same everywhere."""

    def __init__(self, seed):
        self._x = seed

    def below(self, n):
        self._x = (self._x * 1103515245 + 12345) & 0x7FFFFFFF
        return (self._x >> 8) % n

    def choice(self, items):
        return items[self.below(len(items))]


class DifferentialTest(unittest.TestCase):
    _PREFIXES = {b"+A:": 1, b"+AB:": 2, b"+ULWM2MSTAT:": 3, b"OK": 4, b"OKAY": 5, b"NO CARRIER": 6}
    _HEADS = (b"+A:", b"+AB:", b"+ulwm2mSTAT: ", b"+ULWM2MSTAT:", b"OK", b"OKAY", b"No Carrier",
              b"+FOO: ", b"+ULWM2M: ", b"BAR: ", b"", b"0", b"+")  # fmt: skip
    _FIELDS = (b"1", b"721", b"-5", b" 12 ", b"+7", b'"34"', b'"x,y"', b'""', b"", b"abc", b"a b",
               b"1234567890", b"999999999", b"- 1", b'"- 1"', b'a"b', b'"open', b'"a"b', b"1.5",
               b' "q" ', b"0x1", b"\x80", b"\0")  # fmt: skip
    _NOISE = (b"", b"", b"", b"", b"\0", b"\xff", b"\xfe\xff", b" ", b"\x01", b"#")
    _ENDS = (b"\r\n", b"\r\n", b"\r", b"\n", b"\r\r\n", b"\r\n\r\n", b"\n\r")
    _BYTES = b'+A:OK",, 019-@\r\n\0\xff'

    def wire(self, dice):
        parts = []
        for _ in range(1 + dice.below(12)):
            parts.append(dice.choice(self._NOISE))
            what = dice.below(20)
            if what == 0:  # overlong, or nearly
                parts.append(dice.choice(self._HEADS) + b"y" * (20 + dice.below(80)))
            elif what == 1:  # anything
                parts.append(bytes(dice.choice(self._BYTES) for _ in range(dice.below(40))))
            elif what < 12:  # only numbers
                fields = (b"%d" % dice.below(1000) for _ in range(dice.below(6)))
                parts.append(dice.choice(self._HEADS) + b",".join(fields))
            else:
                fields = (dice.choice(self._FIELDS) for _ in range(dice.below(6)))
                parts.append(dice.choice(self._HEADS) + b",".join(fields))
            parts.append(dice.choice(self._ENDS))
        return b"".join(parts)

    def parts(self, dice, data):
        parts = []
        while data:
            n = 1 + dice.below(dice.choice((1, 3, 10, 24)))
            parts.append(data[:n])
            data = data[n:]
        return parts

    def test_same_as_the_reference(self):
        kinds = {}
        for seed in range(2000):
            dice = Dice(1 + seed)
            data = self.wire(dice)
            row_tag = dice.choice((0, 3))
            parts = self.parts(dice, data)
            expected, texts, overlong = _reference(data, self._PREFIXES, row_tag, 48)
            reader = read(parts, self._PREFIXES, row_tag, size=80, limit=48)
            for found in reader.found:
                kinds[found[0], found[-1] if found[0] == LINE else 0] = seed
            where = "seed %d: %r" % (seed, parts)
            self.assertEqual(reader.ring.overrun, 0)
            self.assertEqual(
                reader.found, expected, "%s: %r, %r" % (where, reader.found, expected)
            )
            self.assertEqual(reader.texts, texts, where)
            self.assertEqual(reader.scanner.overlong, overlong, where)
        # All there is to find was in it.
        self.assertEqual(len(kinds), 5, "%r" % kinds)  # a row; lines good, bad, with noise, both

    def test_the_reference_can_differ(self):
        found = _reference(b"+A: 1\r", self._PREFIXES, 0, 48)[0]
        self.assertEqual(found, [line(1, nums(1))])
        self.assertNotEqual(read([b"+A: 2\r"], self._PREFIXES).found, found)


class HeapTest(unittest.TestCase):
    def test_scanning_allocates_nothing(self):
        ring = Ring(512, 64)
        scanner = Scanner(ring, 64)
        scanner.set_prefixes(_PREFIXES, _STAT)
        wire = (
            b'+ULWM2MSTAT: 1,721,3\r\n+ULWM2MSTAT: 3,1,"/5"\r\nOK\r\n+FOO: 1,"x"\r\n'
            b'\xff\0+A: "open\r\nhalf a line\xff\r\n' + b"z" * 100 + b"\r\n+A: ,,\r\n"
        )

        def work():
            lines = 0
            for _ in range(50):
                ring.feed(wire)
                while True:
                    what = scanner.next()
                    if what == scan.MORE:
                        break
                    lines += 1
                    scanner.int(0)
                    scanner.kind(1)
                    scanner.startswith(b"+A")
                scanner.state[72] = 0
            return lines

        self.assertEqual(harness.without_heap(work), 50 * 6)
        self.assertEqual(scanner.overlong, 50)


if __name__ == "__main__":
    unittest.main()
