# The scanner: lines, names, fields, prompts and raw bytes, table by table. Every transcript is
# read whole, byte by byte and cut in two everywhere (transcripts.check).

import unittest

import harness
from atport.line import TEXT
from atport.ring import Ring
from atport.scan import Scanner
from transcripts import (
    GARBLED,
    NOTHING,
    PROMPT,
    TOO_LONG,
    Dice,
    Reader,
    Still,
    big,
    check,
    line,
    num,
    nums,
    quoted_num,
    raw,
    read,
    refusal,
    txt,
)

_A = b"+A:"
_STAT = b"+ULWM2MSTAT:"
_REG = b"+ULWM2MREG:"
_NAMES = (_A, _STAT, _REG, b"OK", b"OKAY", b"ABORTED", b"COMMAND ABORTED")
_OK_LINE = line(b"OK")


class LineTest(unittest.TestCase):
    def check(self, table, **options):
        for data, expected in table:
            check(self, data, expected, _NAMES, **options)

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
        reader = Reader(_NAMES)
        for i in range(len(b"+A: 1,2")):
            reader.feed(b"+A: 1,2"[i : i + 1])
            self.assertEqual(reader.found, [])
        reader.feed(b"\r")
        self.assertEqual(reader.found, [line(_A, nums(1, 2))])
        reader.feed(b"\n")
        self.assertEqual(len(reader.found), 1)

    def test_noise_before_a_known_line_is_skipped(self):
        self.check(
            (
                (b"\0\0OK\r\n", [_OK_LINE]),
                (b"OK\r\n\0\0\r\n\0OK\r\n", [_OK_LINE, _OK_LINE]),
                (b"\x01\x1b\x02OK\r\n", [_OK_LINE]),
                (b"\xff\xfe\x80OK\r\n", [_OK_LINE]),
                (b"\x7fOK\r\nOK\r\n", [_OK_LINE, _OK_LINE]),
                (b"\xff\r\nOK\r\n", [line(None), _OK_LINE]),  # a line of its own, without text
                (b"\xff \0 +A: 1\r", [line(_A, nums(1))]),
                (b"\xffhalf a line\rOK\r", [line(None, bad=True), _OK_LINE]),
                (b"\xffhalf a line\nOK\n", [line(None, bad=True), _OK_LINE]),
            )
        )

    def test_noise_inside_a_line_makes_it_undecodable_and_no_other(self):
        bad_a = line(_A, bad=True)
        bad = line(None, bad=True)
        self.check(
            (
                (b"O\0K\r\nOK\r\n", [bad, _OK_LINE]),
                (b"O\0K\rOK\r", [bad, _OK_LINE]),
                (b"O\0K\nOK\n", [bad, _OK_LINE]),
                (b"OK\0\r\nOK\r\n", [bad, _OK_LINE]),
                (b"+A: 1\0\r\nOK\r\n", [bad_a, _OK_LINE]),
                (b"+A: 1\x80\r\n+A: 2\r\n", [bad_a, line(_A, nums(2))]),
                (b"+A: 1,\xff,2\r\nOK\r\n", [bad_a, _OK_LINE]),
                (b'+A: "\x02"\r\nOK\r\n', [bad_a, _OK_LINE]),
                (b'+A: "a"\x7f\r\nOK\r\n', [bad_a, _OK_LINE]),
                (b"+A: 1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,\xff\r\n", [bad_a]),
                (b"+B\x15: 1\r\nOK\r\n", [bad, _OK_LINE]),
                (b"hello\xc3\xa4\r\nOK\r\n", [bad, _OK_LINE]),
                (b"\xffhe\xffllo\rOK\r", [bad, _OK_LINE]),
            )
        )

    def test_a_tab_is_a_blank_between_fields_and_nowhere_else(self):
        self.check(
            (
                (b"+A:\t1,\t2\r\n", [line(_A, nums(1, 2))]),
                (b'+A: "a"\t,2\t\r\n', [line(_A, [txt(b"a"), num(2)])]),
                (b'+A: "a\tb"\r\n', [line(_A, [txt(b"a\tb")])]),
                (b"O\tK\r\n", [line(None)]),
                (b"\tOK\t\r\n", [_OK_LINE]),
                (b"+UL\tWM2MSTAT: 1,721,4\r\n", [line(None, nums(1, 721, 4))]),
            )
        )

    def test_whole_line_rest_startswith_and_equals(self):
        for data, whole, rest in (
            (b"+A: 1,2 \r", b"+A: 1,2", b"1,2"),
            (b"  +A:1 , 2\t\r", b"+A:1 , 2", b"1 , 2"),
            (b"+A:\r", b"+A:", b""),
            (b"+unknown: x y \r", b"+unknown: x y", b"x y"),
            (b"some text: 1\r", b"some text: 1", b"some text: 1"),
            (b"CONNECT 12\r", b"CONNECT 12", b"CONNECT 12"),
        ):
            scanner = read([data], _NAMES).scanner
            self.assertEqual((scanner.line(), scanner.rest()), (whole, rest))
            for n in range(len(whole) + 1):
                self.assertTrue(scanner.startswith(whole[:n]))
                self.assertFalse(scanner.startswith(whole[:n] + b"#"))
            self.assertFalse(scanner.startswith(whole + b"  \n"))
        scanner = read([b'+A: 12,"/3300/0", x y ,\r'], _NAMES).scanner
        for i, text in enumerate((b"12", b"/3300/0", b"x y", b"", b"")):
            self.assertTrue(scanner.equals(i, text))
            self.assertFalse(scanner.equals(i, text + b"1"))
            self.assertEqual(scanner.equals(i, b""), not text)
        for data in (
            b"1,",
            b"1, ",
            b"1,  ",
            b"1 ,",
            b"1 , ",
            b"1,\t",
            b"1, ,",
            b'1,""',
            b'1, "" ',
        ):
            scanner = read([b"+A: " + data + b"\r"], _NAMES).scanner
            self.assertEqual((scanner.text(1), scanner.equals(1, b"")), (b"", True), "%r" % data)
            self.assertFalse(scanner.equals(1, b"1"), "%r" % data)

    def test_in_place_number_at_the_end_of_a_line(self):
        for data, number in (
            (b"7", 7),
            (b"999999999", 999999999),
            (b"1000000000", -1),
            (b"7,", -1),
            (b"-7", -1),
            (b"", -1),
        ):
            scanner = read([b"+A:" + data + b"\r"], _NAMES).scanner
            self.assertEqual(scanner.number(scanner.at), number, "%r" % data)


class NameTest(unittest.TestCase):
    def check(self, table, prefixes=_NAMES):
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

    def test_prefixes_with_a_common_stem(self):
        self.check(
            (
                (b"+ULWM2MREG: 721,3\r\n", [line(_REG, nums(721, 3))]),
                (b"+ULWM2M: 1\r\n", [line(None, nums(1))]),
                (b"+ULWM2MSTATE: 1\r\n", [line(None, nums(1))]),
                (b"+ULWM2MSTA: 1\r\n", [line(None, nums(1))]),
                (b"+ULWM2MSTAT 1\r\n", [line(None)]),
                (b"+ULWM2MSTAT\r\n", [line(None)]),
                (b"+UL\r\n", [line(None)]),
                (b"++A: 1\r\n", [line(None, nums(1))]),
            )
        )

    def test_a_prefix_needs_no_blank_behind_it_and_may_have_many(self):
        for blanks in (b"", b" ", b"   "):
            self.check(((b"+A:" + blanks + b"1\r\n", [line(_A, nums(1))]),))

    def test_whole_words(self):
        self.check(
            (
                (b"OK\r\n", [_OK_LINE]),
                (b"OKAY\r\n", [line(b"OKAY")]),
                (b"OKA\r\n", [line(None)]),
                (b"OKAYS\r\n", [line(None)]),
                (b"O\r\n", [line(None)]),
                (b"NOK\r\n", [line(None)]),
                (b"OK 1\r\n", [line(None)]),
                (b"OK: 1\r\n", [line(None)]),
                (b"ABORTED\r\n", [line(b"ABORTED")]),
                (b"Command aborted\r\n", [line(b"COMMAND ABORTED")]),
                (b"COMMAND  ABORTED\r\n", [line(None)]),
                (b"CONNECT\r\n", [line(None)]),
                (b"CONNECT 12\r\n", [line(None)]),
                (b"CONNECTS\r\n", [line(None)]),
            )
        )

    def test_blanks_around_a_whole_word(self):
        self.check(
            (
                (b" OK\r\n", [_OK_LINE]),
                (b"OK \r\n", [_OK_LINE]),
                (b"  OK   \r\n", [_OK_LINE]),
                (b"OKAY \r\n", [line(b"OKAY")]),
                (b"OKA \r\n", [line(None)]),
                (b"OK . \r\n", [line(None)]),
            )
        )

    def test_unknown_prefixes_have_fields_if_they_start_with_a_sign(self):
        self.check(
            (
                (b'+FOO: 1,"x"\r\n', [line(None, [num(1), txt(b"x")])]),
                (b"^FOO: 1\r\n", [line(None)]),  # signs are what is below "0"
                (b"#FOO: 1\r\n", [line(None, nums(1))]),
                (b"*FOO BAR: 1\r\n", [line(None, nums(1))]),
                (b"+FOO:1:2,3\r\n", [line(None, [txt(b"1:2"), num(3)])]),
                (b"+FOO: \r\n", [line(None)]),
                (b"+FOO 1,2\r\n", [line(None)]),
                (b"FOO: 1\r\n", [line(None)]),
                (b"12: 1\r\n", [line(None)]),
            )
        )

    def test_lines_without_fields(self):
        self.check(
            (
                (b"hello, world\r\n", [line(None)]),
                (b'say "hello\r\n', [line(None)]),  # a quote means nothing here
                (b"00.13,A00.01\r\n", [line(None)]),
                (b"+A:\r\n", [line(_A)]),
                (b"+A:   \r\n", [line(_A)]),
                (b"(0,1)\r\n", [line(None)]),
            )
        )

    def test_without_names_every_line_is_unknown(self):
        self.check(((b"OK\r\n+A: 1\r\n", [line(None), line(None, nums(1))]),), ())

    def test_names_whose_keys_are_the_same(self):
        # The key is the length and two letters: the third and the last.
        names = (b"+CEREG:", b"+CERIG:", b"+DERXG:", b"OK", b"NO", b"+AXAA:", b"+BXBA:")
        for name in names:
            for text in (name, name.lower()):
                expected = line(name, nums(1)) if name[-1:] == b":" else line(name)
                self.check(((text + b"1\r" if expected[2] else text + b"\r", [expected]),), names)
        self.check(((b"+CEREG:1\r+CERUG:1\rKO\r", [line(b"+CEREG:", nums(1)),
                     line(None, nums(1)), line(None)]),), names)  # fmt: skip

    def test_a_name_added_twice_is_one(self):
        scanner = Scanner(Ring(Still(), 128, 32), 96)
        self.assertIs(scanner.add(b"+A:"), scanner.add(b"+A:"))
        self.assertIs(scanner.find(b"+A:"), scanner.add(b"+A:"))
        self.assertIs(scanner.find(b"+B:"), None)

    def test_a_name_added_in_the_middle_of_its_line(self):
        for cut in range(len(b"+B: 1")):
            reader = read([b"+B: 1"[:cut]], _NAMES)
            reader.scanner.add(b"+B:")
            reader.feed(b"+B: 1"[cut:] + b"\r")
            self.assertEqual(reader.found, [line(b"+B:", nums(1))])


class FieldTest(unittest.TestCase):
    def check(self, table):
        for data, fields in table:
            expected = [line(_A, fields), _OK_LINE]
            check(self, b"+A: " + data + b"\r\nOK\r\n", expected, _NAMES)

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
                (b"0000000001", [num(1, b"0000000001")]),
                (b"1000000000,-1073741819", nums(1000000000, -1073741819)),
                (b"1073741823,-1073741823", nums(1073741823, -1073741823)),
            )
        )

    def test_ints_that_are_too_large_are_cut_and_marked(self):
        self.check(
            (
                (b"1073741824", [big(1, b"1073741824")]),
                (b"-1073741824", [big(-1, b"-1073741824")]),
                (b"2147483648,1", [big(1, b"2147483648"), num(1)]),
                (b"9" * 40, [big(1, b"9" * 40)]),
                (b'"-1234567890"', [(TEXT | big(-1, b"")[0], -0x3FFFFFFF, b"-1234567890")]),
            )
        )
        scanner = read([b'+A: 12345678901234,-5,"+9999999999",x,\r'], _NAMES).scanner
        longs = [scanner.long(i, -1) for i in range(6)]
        self.assertEqual(longs, [12345678901234, -5, 9999999999, -1, -1, -1])

    def test_what_is_no_int_is_text(self):
        self.check(
            (
                (b"-,+", [txt(b"-"), txt(b"+")]),
                (b"--1,+-1,1-", [txt(b"--1"), txt(b"+-1"), txt(b"1-")]),
                (b"1 2,- 3", [txt(b"1 2"), txt(b"- 3")]),
                (b'" 1","1 ","- 1"', [txt(b" 1"), txt(b"1 "), txt(b"- 1")]),
                (b"1.5,0x10,1e3", [txt(b"1.5"), txt(b"0x10"), txt(b"1e3")]),
                (b'12"', [txt(b'12"')]),
                (b"9999999999x", [txt(b"9999999999x")]),
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
        scanner = read([b"+A: 1,,x\r"], _NAMES).scanner
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
            _NAMES,
        )

    def test_sixteen_fields_and_more(self):
        for count in range(14, 21):
            data = b"+A: " + b",".join(b"%d" % i for i in range(count)) + b"\r"
            for parts in harness.pieces(data):
                scanner = read(parts, _NAMES).scanner
                self.assertEqual((len(scanner), scanner.bad), (count, False))
                kept = min(count, 16)
                texts = [b"%d" % i for i in range(kept)] + [b""] * (20 - kept)
                self.assertEqual([scanner.text(i) for i in range(20)], texts)
                ints = list(range(kept)) + [None] * (20 - kept)
                self.assertEqual([scanner.int(i) for i in range(20)], ints)

    def test_quotes_that_do_not_match_make_the_line_undecodable(self):
        bad = line(_A, bad=True)
        for data in (b'"', b'"abc', b'1,"abc', b'"abc,1', b'"abc"x', b'"1"2', b'"a" b', b'"a""b"'):
            expected = [bad, _OK_LINE]
            check(self, b"+A: " + data + b"\r\nOK\r\n", expected, _NAMES)
            check(self, b"+A: " + data + b"\rOK\r", expected, _NAMES)
        check(self, b'+UNKNOWN: "abc\r\nOK\r\n', [line(None, bad=True), _OK_LINE], _NAMES)

    def test_sixteen_fields_of_every_kind(self):
        kinds = ((b"7", num(7)), (b'"8"', quoted_num(8)), (b"x", txt(b"x")), (b"", NOTHING))
        for shift in range(4):
            chosen = [kinds[(i + shift) % 4] for i in range(16)]
            data = b"+A:" + b",".join(item[0] for item in chosen) + b"\r"
            check(self, data, [line(_A, [item[1] for item in chosen])], _NAMES)


class OverlongTest(unittest.TestCase):
    def test_a_line_is_dropped_to_its_end_and_counted(self):
        for size in (31, 32, 33, 34, 80, 500):
            for head in (b"+A: ", b"x", b'+A: "', b"+A: 1,", b"+UNKNOWN", b"+ULWM2MSTA"):
                data = head + b"1" * (size - len(head))
                long = size > 32
                for end in (b"\r\n", b"\r", b"\n"):
                    for cut in (1, 16, 31, 32, 33, size - 1, size, size + 1):
                        wire = data + end + b"OK" + end
                        reader = read([wire[:cut], wire[cut:]], _NAMES, size=640, limit=32)
                        self.assertEqual(reader.found[-1], _OK_LINE)
                        self.assertEqual(len(reader.found), 2)
                        self.assertEqual(reader.found[0] == TOO_LONG, long)
                        self.assertEqual(reader.overlong, 1 if long else 0)

    def test_byte_by_byte_through_a_small_ring(self):
        reader = Reader(_NAMES, size=64, limit=32)
        for n in range(1, 4):
            for _ in range(2000):
                reader.feed(b"z")
            reader.feed(b"\r")
            self.assertEqual(reader.overlong, n)
        reader.feed(b"\nOK\r")
        self.assertEqual(reader.found, [TOO_LONG] * 3 + [_OK_LINE])
        self.assertEqual(reader.ring.overrun, 0)

    def test_what_an_overlong_line_holds_is_not_looked_at(self):
        wire = b"x" * 40 + b'\xff\0"OK,@+A: 1' + b"\r\nOK\r\n"
        check(self, wire, [TOO_LONG, _OK_LINE], _NAMES, limit=32, prompt=0x40)

    def test_blanks_behind_a_word_count(self):
        wire = b"OK" + b" " * 40 + b"\r\nOK\r\n"
        check(self, wire, [TOO_LONG, _OK_LINE], _NAMES, limit=32)

    def test_control_characters_before_a_line_do_not_count(self):
        wire = b"\0" * 40 + b" " * 40 + b"OK\r\n"
        check(self, wire, [_OK_LINE], _NAMES, limit=32)


class PromptTest(unittest.TestCase):
    def check(self, table, **options):
        for data, expected in table:
            check(self, data, expected, _NAMES, prompt=0x40, **options)

    def test_at_the_start_of_a_line_only_and_once(self):
        at = PROMPT
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
                (b"a@\r\n@", [line(None), at]),
                (b"@@\r\n", [at, line(None)]),
                (b"OK\r\n@\r\n@\r\n", [_OK_LINE, at, line(None)]),
                (b">\r\n", [line(None)]),  # not the one that is expected
            )
        )

    def test_behind_a_line_and_behind_an_overlong_line(self):
        a = line(_A, nums(1, 2))
        self.check(
            (
                (b"+A: 1,2\r\n@OK\r\n", [a, PROMPT, _OK_LINE]),
                (b"+A: 1,2\r@\r\n+A: 1,2\r\n", [a, PROMPT, a]),
                (b"x" * 40 + b"\r\n@OK\r\n", [TOO_LONG, PROMPT, _OK_LINE]),
                (b"x" * 40 + b"\r@+A: 1,2\r\n", [TOO_LONG, PROMPT, a]),
            ),
            limit=32,
        )

    def test_not_expected(self):
        check(self, b"@\r\nOK\r\n", [line(None), _OK_LINE], _NAMES)
        reader = Reader(_NAMES, prompt=0x40)
        reader.scanner.await_prompt(0)
        reader.feed(b"@\r")
        self.assertEqual(reader.found, [line(None)])


_D = b"+D:"
_F = b"+F:"
_CONNECT = b"CONNECT "
_ANNOUNCED = {_D: 1, _F: 3, _CONNECT: 0}
_ANY = bytes(range(256))


class DataTest(unittest.TestCase):
    def check(self, table, **options):
        for data, expected in table:
            check(self, data, expected, _NAMES, _ANNOUNCED, **options)

    def test_raw_bytes_are_not_looked_at(self):
        for data in (
            b"x",
            b'"',
            b'","',
            b'"\r\n',
            b"\r\nOK\r\n",
            b"\n\n",
            b"@\xff\0",
            b"\r\n+ULWM2MSTAT: 1,721,4\r\n",
            b'+D: 0,3,"abc"\r\nCONNECT 5\r\n',
        ):
            n = len(data)
            self.check(
                (
                    (
                        b'+D: 0,%d,"%s"\r\nOK\r\n' % (n, data),
                        [raw(_D, nums(0, n), data), _OK_LINE],
                    ),
                    (
                        b'+F: 0,"10.0.0.1",5683,%d,"%s" \rOK\r' % (n, data),
                        [raw(_F, [num(0), txt(b"10.0.0.1"), num(5683), num(n)], data), _OK_LINE],
                    ),
                    (
                        b"CONNECT %d\r\n%s\r\nOK\r\n" % (n, data),
                        [raw(_CONNECT, nums(n), data), _OK_LINE],
                    ),
                ),
                prompt=0x40,
            )

    def test_every_byte_value_and_more_than_the_ring_holds(self):
        for data in (_ANY, _ANY * 3 + b"tail"):
            n = len(data)
            for name, wire in (
                (_D, b'+D: 0,%d,"%s"\r\nOK\r\n' % (n, data)),
                (_CONNECT, b"CONNECT %d\r\n%s\r\nOK\r\n" % (n, data)),
            ):
                for step in (1, 2, 7, 30, 64, 100):
                    parts = [wire[i : i + step] for i in range(0, len(wire), step)]
                    for chunk in (16, 32):
                        reader = read(parts, _NAMES, _ANNOUNCED, chunk=chunk)
                        fields = nums(0, n) if name == _D else nums(n)
                        self.assertEqual(reader.found, [raw(name, fields, data), _OK_LINE])
                        self.assertEqual(reader.ring.overrun, 0)

    def test_line_end_behind_connect(self):
        found = [raw(_CONNECT, nums(3), b"abc"), _OK_LINE]
        newline = [raw(_CONNECT, nums(2), b"\n\n"), _OK_LINE]
        self.check(((b"CONNECT 3" + end + b"abcOK\r\n", found) for end in (b"\r\n", b"\r", b"\n")))
        self.check(((b"CONNECT 2" + end + b"\n\nOK\r\n", newline) for end in (b"\r\n", b"\n")))

    def test_no_data_and_data_twice(self):
        found = [
            raw(_CONNECT, nums(0), b""),
            raw(_CONNECT, nums(1), b"x"),
            raw(_D, nums(0, 0), b""),
            raw(_D, nums(0, 2), b"\nz"),
            _OK_LINE,
        ]
        wire = b'CONNECT 0\r\nCONNECT 1\r\nx\r\n+D: 0,0,""\r\n+D: 0,2,"\nz"\r\nOK\r\n'
        self.check(((wire, found),))
        self.check(((b'CONNECT 0\r+D: 0,2,"\nz"\rOK\r', [found[0], found[3], _OK_LINE]),))

    def test_lines_of_these_names_that_announce_nothing(self):
        self.check(
            (
                (b"+F: 3,23\r\nOK\r\n", [line(_F, nums(3, 23)), _OK_LINE]),
                (b'+D: 0,""\r\nOK\r\n', [line(_D, [num(0), txt(b"")]), _OK_LINE]),
                (b"+D: 0,5\r\nOK\r\n", [line(_D, nums(0, 5)), _OK_LINE]),
                (b"+D: 0,5,6\r\nOK\r\n", [line(_D, nums(0, 5, 6)), _OK_LINE]),
                (b'+D: 0,x,"y"\r\n', [line(_D, [num(0), txt(b"x"), txt(b"y")])]),
                (b"+D:\r\nOK\r\n", [line(_D), _OK_LINE]),
                (b"CONNECT\r\nOK\r\n", [line(None), _OK_LINE]),
                (b"CONNECT FAST\r\nOK\r\n", [line(_CONNECT), _OK_LINE]),
                (b'+DD: 0,5,"\r\nOK\r\n', [line(None, bad=True), _OK_LINE]),
            )
        )

    def test_the_wrong_number_is_told_and_nothing_is_believed_behind_it(self):
        for n in (0, 1, 4, 6, 9, 13):
            wire = b'+D: 0,%d,"abcde"\r\nOK\r\n+A: 1\r\n' % n
            self.check(((b"OK\r\n" + wire, [_OK_LINE, GARBLED]),))
        for size in (b"99", b"1000000000000", b"9" * 60):  # it waits for the rest
            self.check(((b'+D: 0,%s,"abcde"\r\nOK\r\n' % size, []),))

    def test_listened_to_again(self):
        for wire, first in ((b'+D: 0,1,"abcde"\r\n', [GARBLED]), (b'+D: 0,99,"abc', []),
                            (b'+D: 0,3,"abc', []), (b'+D: 0,3,"abc"', [])):  # fmt: skip
            for rest in (b"", b"x"):
                found = list(first)
                reader = read([wire], _NAMES, _ANNOUNCED)
                reader.scanner.listen()
                reader.feed(b"\r\nOK\r\n" + rest)
                found.append(_OK_LINE)
                self.assertEqual(reader.found, found)

    def test_blanks_without_end_behind_the_quote(self):
        reader = read([b'+D: 0,1,"x"'] + [b" " * 10] * 100, _NAMES, _ANNOUNCED)
        self.assertEqual(reader.found, [GARBLED])

    def test_a_chunk_that_is_larger_than_a_line_may_be(self):
        wire = b'+D: 0,60,"' + b"x" * 60 + b'"\r\nOK\r\n'
        expected = [raw(_D, nums(0, 60), b"x" * 60), _OK_LINE]
        self.check(((wire, expected),), size=256, limit=32, chunk=128)


# The reference: what the scanner should find, written without a state machine and slowly.


def _fold(text):
    return bytes(c - 32 if 97 <= c <= 122 else c for c in text)


def _reference_number(text):
    # As a field, None if it is no number.
    digits = text[1:] if text[:1] in (b"-", b"+") else text
    if not digits or not all(48 <= c <= 57 for c in digits):
        return None
    value = int(digits)
    sign = -1 if text[:1] == b"-" else 1
    return num(sign * value, text) if value <= 0x3FFFFFFF else big(sign, text)


def _reference_fields(rest):
    # Fields, and whether the line is decodable.
    fields = []
    good = not any((c < 32 or c >= 127) and c != 9 for c in rest)
    rest = rest.strip(b" \t")
    if not rest:
        return fields, good
    while True:
        rest = rest.strip(b" \t")
        if rest[:1] == b'"':
            close = rest.find(b'"', 1)
            if close < 0:
                return fields, False
            text = rest[1:close]
            comma = rest.find(b",", close)
            behind = rest[close + 1 :] if comma < 0 else rest[close + 1 : comma]
            good = good and not behind.strip(b" \t")
            found = _reference_number(text) or txt(text)
            kind, value, _ = found
            fields.append((kind | TEXT, value, text))
        else:
            comma = rest.find(b",")
            text = (rest if comma < 0 else rest[:comma]).strip(b" \t")
            fields.append(_reference_number(text) or (txt(text) if text else NOTHING))
        if comma < 0:
            return fields, good
        rest = rest[comma + 1 :]


def _reference_line(text, names):
    # A line without blanks around it: (what is found, the text it has then).
    clean = text
    while clean and not 32 < clean[0] < 127:
        clean = clean[1:]
    for name in names:
        if name[-1:] == b":" and _fold(clean).startswith(name):
            fields, good = _reference_fields(clean[len(name) :])
            return line(name, fields if good else [], not good), clean
        if _fold(clean) == name or (name[-1:] == b" " and clean.startswith(name)):
            return line(name), clean
    text = text if clean else b""  # nothing but noise
    bad = any((c < 32 or c >= 127) and c != 9 for c in text)
    fields = []
    colon = clean.find(b":")
    if clean and clean[0] < 48 and colon >= 0:
        fields, good = _reference_fields(clean[colon + 1 :])
        bad = bad or not good
    return line(None, [] if bad else fields, bad), text


def _reference_header(data, announced):
    # (name, fields, size, its end, in quotes) if data begins with a line that announces raw bytes.
    for name, size_field in announced.items():
        end = min(data.find(c) % (len(data) + 1) for c in (b"\r", b"\n"))
        if not data.startswith(name):
            continue
        at = len(name)
        for _ in range(size_field):
            at = data.find(b",", at, end) + 1
            if not at:
                return None
        while data[at : at + 1] == b" ":
            at += 1
        start = at
        while data[at : at + 1].isdigit():
            at += 1
        in_quotes = name[-1:] == b":"
        if in_quotes:
            after = data[at:end].lstrip(b" ")
            quote = after[1:].lstrip(b" ")
            announces = after[:1] == b"," and quote[:1] == b'"'
            behind = end - len(quote) + 1
        else:
            announces = not data[at:end].strip(b" \t")
            behind = end + (2 if data[end : end + 2] == b"\r\n" else 1)
        if at > start and announces:
            fields = _reference_fields(data[len(name) : at])[0]
            return name, fields, int(data[start:at]), behind, in_quotes
    return None


def _reference(data, names, announced, limit, prompt):
    # (found, texts of the lines) of data that ends in a line end.
    found = []
    texts = []
    while True:
        while data and data[0] < 33:
            data = data[1:]
        if not data:
            return found, texts
        start = 0
        while not 32 < data[start] < 127 and data[start] not in b"\r\n":
            start += 1
        if data[start] == prompt:
            found.append(PROMPT)
            prompt = 0
            data = data[start + 1 :]
            continue
        header = _reference_header(data[start:], announced)
        if header:
            data = data[start:]
            name, fields, size, start, in_quotes = header
            rest = data[start + size :]
            if in_quotes:
                behind = rest[1:].lstrip(b" ")
                if (rest and rest[:1] != b'"') or (behind and behind[0] not in b"\r\n"):
                    found.append(GARBLED)
                    return found, texts
                if not behind:
                    return found, texts  # the rest is missing
                rest = behind
            elif len(data) < start + size or (size and not rest):
                return found, texts
            elif size and rest[0] not in b"\r\nOE":
                found.append(GARBLED)
                return found, texts
            found.append(raw(name, fields, data[start : start + size]))
            data = rest
            continue
        end = min(data.find(c) % (len(data) + 1) for c in (b"\r", b"\n"))
        if end > limit:
            found.append(TOO_LONG)
        else:
            what, text = _reference_line(data[:end].rstrip(b" \t"), names)
            found.append(what)
            texts.append(text)
        data = data[end:]


class DifferentialTest(unittest.TestCase):
    _NAMES = (_A, b"+AB:", _STAT, b"OK", b"OKAY", b"NO CARRIER")
    _HEADS = (b"+A:", b"+AB:", b"+ulwm2mSTAT: ", b"+ULWM2MSTAT:", b"OK", b"OKAY", b"No Carrier",
              b"+FOO: ", b"+ULWM2M: ", b"BAR: ", b"", b"0", b"+", b"+D:", b"+F: ",
              b"CONNECT ")  # fmt: skip
    _FIELDS = (b"1", b"721", b"-5", b" 12 ", b"+7", b'"34"', b'"x,y"', b'""', b"", b"abc", b"a b",
               b"1234567890", b"999999999", b"- 1", b'"- 1"', b'a"b', b'"open', b'"a"b', b"1.5",
               b' "q" ', b"0x1", b"\x80", b"\0", b"\t2\t")  # fmt: skip
    _NOISE = (b"", b"", b"", b"", b"\0", b"\xff", b"\xfe\xff", b" ", b"\x01", b"#", b"@")
    _ENDS = (b"\r\n", b"\r\n", b"\r", b"\n", b"\r\r\n", b"\r\n\r\n", b"\n\r")
    _BYTES = b'+A:OK",, 019-@\r\n\0\xff'
    _RAW = (b"+D: 0,%d,", b'+F: 1,"1.2.3.4",99, %d,', b"CONNECT %d")

    def wire(self, dice):
        parts = []
        for _ in range(1 + dice.below(12)):
            what = dice.below(20)
            if what < 3:  # raw bytes, now and then with the wrong number
                data = bytes(dice.choice(self._BYTES) for _ in range(dice.below(70)))
                head = dice.choice(self._RAW) % (len(data) + (dice.below(20) == 0))
                if head[0] == 67:
                    parts += (head, dice.choice((b"\r\n", b"\n")), data)
                else:
                    parts += (head, b'"', data, b'"')
                parts.append(dice.choice(self._ENDS))
                continue
            parts.append(dice.choice(self._NOISE))
            if what == 3:  # overlong, or nearly; of no name that may announce what is in it
                parts.append(dice.choice(self._HEADS[:13]) + b"y" * (20 + dice.below(80)))
            elif what == 4:  # anything
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
        kinds = set()
        names = self._NAMES + tuple(_ANNOUNCED)
        for seed in range(1000):
            dice = Dice(1 + seed)
            data = self.wire(dice)
            prompt = dice.choice((0, 0x40))
            parts = self.parts(dice, data)
            expected, texts = _reference(data, names, _ANNOUNCED, 48, prompt)
            reader = read(parts, self._NAMES, _ANNOUNCED, size=80, limit=48, prompt=prompt)
            for found in reader.found:
                kinds.add(found[0] + str(found[3]) if found[0] == "line" else found[0])
            where = "seed %d: %r" % (seed, parts)
            self.assertEqual(reader.ring.overrun, 0)
            self.assertEqual(
                reader.found, expected, "%s: %r, %r" % (where, reader.found, expected)
            )
            self.assertEqual(reader.texts, texts, where)
        # All there is to find was in it; lines good and bad.
        self.assertEqual(len(kinds), 6, "%r" % kinds)

    def test_the_reference_can_differ(self):
        found = _reference(b"+A: 1\r", self._NAMES, {}, 48, 0)[0]
        self.assertEqual(found, [line(_A, nums(1))])
        self.assertNotEqual(read([b"+A: 2\r"], self._NAMES).found, found)


if __name__ == "__main__":
    unittest.main()
