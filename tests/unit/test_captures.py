# Lines that modules of this family have sent, or that their manuals print, through
# a Channel: each with CR LF around it and in the other line endings, whole and cut everywhere.

import unittest

import harness
from atport.errors import CmeError
from transcripts import NOTHING, Port, num, nums, quoted_num, txt

_STAT = "+ULWM2MSTAT:"
_FOTA = "+UFOTASTAT:"
_CREG = "+CREG:"
_CGREG = "+CGREG:"
_CEREG = "+CEREG:"
_CPIN = "+CPIN:"
_COPS = "+COPS:"
_HTTPER = "+UHTTPER:"
_ULWM2M = "+ULWM2M:"
_REG = "+ULWM2MREG:"
_CONFIG = "+ULWM2MCONFIG:"
_PDP = "+CGDCONT:"
_ATT = "+CGATT:"
_PREFIXES = (_STAT, _FOTA, _CREG, _CGREG, _CEREG, _CPIN, _COPS, _HTTPER, _ULWM2M, _REG, _CONFIG,
             _PDP, _ATT)  # fmt: skip

_LINES = (
    # LEXI-R10, the manual's examples
    (b"+ULWM2MSTAT: 1,721,2", _STAT, nums(1, 721, 2)),
    (b"+ULWM2MSTAT: 0,721,2", _STAT, nums(0, 721, 2)),
    (b"+ULWM2MSTAT: 2,721,10", _STAT, nums(2, 721, 10)),
    (b'+ULWM2MSTAT: 3,123,"/3300/0/5700"', _STAT, [num(3), num(123), txt(b"/3300/0/5700")]),
    (b"+ULWM2MSTAT: 4,7", _STAT, nums(4, 7)),
    (b"+ULWM2MSTAT: 5,1", _STAT, nums(5, 1)),
    (
        b'+ULWM2MSTAT: 6,721,0,"leshan.eclipseprojects.io:5684"',
        _STAT,
        [num(6), num(721), num(0), txt(b"leshan.eclipseprojects.io:5684")],
    ),
    (b"+ULWM2MSTAT: 6,721,3,2365,5699", _STAT, nums(6, 721, 3, 2365, 5699)),
    (b"+ULWM2M: 1", _ULWM2M, nums(1)),
    (b"+ULWM2MREG: 721,2,175", _REG, nums(721, 2, 175)),
    (
        b"+ULWM2MCONFIG: 721,0,2,1,1,0,0,0,40,0,0,0",
        _CONFIG,
        nums(721, 0, 2, 1, 1, 0, 0, 0, 40, 0, 0, 0),
    ),
    (
        b"+ULWM2MCONFIG: 123,0,1,1,0,0,0,0,40,0,0,0",
        _CONFIG,
        nums(123, 0, 1, 1, 0, 0, 0, 0, 40, 0, 0, 0),
    ),
    # SARA-R410M
    (b"+UFOTASTAT: 3, 1, 0", _FOTA, nums(3, 1, 0)),
    (b"+ULWM2MSTAT: 4, 0", _STAT, nums(4, 0)),
    (b"+COPS: 0", _COPS, nums(0)),
    (b"+CPIN: READY", _CPIN, [txt(b"READY")]),
    (b"+CGREG: 0,0", _CGREG, nums(0, 0)),
    (
        b'+CGDCONT: 1,"IP","iot.1nce.net","0.0.0.0",0,0,0,0',
        _PDP,
        [num(1), txt(b"IP"), txt(b"iot.1nce.net"), txt(b"0.0.0.0")] + [num(0)] * 4,
    ),
    # SARA-U2
    (
        b'+CREG: 2,5,"2CF7","8A5A782",6',
        _CREG,
        [num(2), num(5), txt(b"2CF7"), txt(b"8A5A782"), num(6)],
    ),
    (b"+CREG: 2", _CREG, nums(2)),
    (b"+CGREG: 2", _CGREG, nums(2)),
    # SARA-R422
    (b"+CEREG: 0,,,,,,,,", _CEREG, [num(0)] + [NOTHING] * 8),
    (b"+CREG: 2,0", _CREG, nums(2, 0)),
    (b"+CGREG: 2,4", _CGREG, nums(2, 4)),
    (b"+CEREG: 4,0", _CEREG, nums(4, 0)),
    (b"+CGATT: 0", _ATT, nums(0)),
    # LENA-R8, with its stray space; "1903" is a number in quotes to anyone who does not know
    (
        b'+CREG: 3,"1903","5f66",0',
        _CREG,
        [num(3), quoted_num(1903), txt(b"5f66"), num(0)],
    ),
    (
        b'+CEREG: 4,3,"1903","5f660000", 0,0,20,"00000000","00000000"',
        _CEREG,
        [num(4), num(3), quoted_num(1903), txt(b"5f660000"), num(0), num(0), num(20)]
        + [quoted_num(0, b"00000000")] * 2,
    ),
    # u-blox modules behind the Rust driver
    (
        b'+CREG: 5,"17E0","00359D48",6',
        _CREG,
        [num(5), txt(b"17E0"), txt(b"00359D48"), num(6)],
    ),
    (b"+CEREG: 4", _CEREG, nums(4)),
    (
        b'+CEREG: 5,"07D0","009D4564",7',
        _CEREG,
        [num(5), txt(b"07D0"), txt(b"009D4564"), num(7)],
    ),
    (b"+CGREG: 4", _CGREG, nums(4)),
    # another u-blox module
    (b"+UHTTPER: 0, 3,10", _HTTPER, nums(0, 3, 10)),
    # SARA-R5, its manual's examples
    (b"+UFOTASTAT: 3,1,0", _FOTA, nums(3, 1, 0)),
    (b"+ULWM2MSTAT: 1,102,3", _STAT, nums(1, 102, 3)),
    (b"+UFOTASTAT: 1,0,0", _FOTA, nums(1, 0, 0)),
    (b"+UFOTASTAT: 0,1,30", _FOTA, nums(0, 1, 30)),
    (b"+UFOTASTAT: 0,1,65", _FOTA, nums(0, 1, 65)),
    (b"+UFOTASTAT: 2,2,100", _FOTA, nums(2, 2, 100)),
    (b'+ULWM2MSTAT: 3,102,"/5/0/3/"', _STAT, [num(3), num(102), txt(b"/5/0/3/")]),
    (b"+UFOTASTAT: 3,3,100", _FOTA, nums(3, 3, 100)),
    (b"+ULWM2MREG: 721,3,86281", _REG, nums(721, 3, 86281)),
    (b"+ULWM2MREG: 721,0", _REG, nums(721, 0)),
    (b"+ULWM2MREG: 721,4", _REG, nums(721, 4)),
)

# Lines of no prefix: answers to ATI9, an echo.
_PLAIN = (b"02.00,A01.40", b"00.13,A00.01", b"AT+CREG=2")

_URCS = (_STAT, _FOTA, _CREG, _CGREG, _CEREG)


def verbose(*lines):
    """Lines as a module sends them after ATV1."""
    return b"".join(b"\r\n" + text + b"\r\n" for text in lines)


# Who, command, prefix asked for, what came; its information text, its URCs.
_SESSIONS = (
    (
        "SARA-R410M: the same URCs before and behind the OK",
        b"AT+COPS=2",
        None,
        verbose(
            b"+UFOTASTAT: 3, 1, 0",
            b"+ULWM2MSTAT: 4, 0",
            b"OK",
            b"+UFOTASTAT: 3, 1, 0",
            b"+ULWM2MSTAT: 4, 0",
        ),
        [],
        [(_FOTA, nums(3, 1, 0)), (_STAT, nums(4, 0))] * 2,
    ),
    (
        "SARA-U2: with its echo",
        b"AT+CREG=2",
        None,
        b"AT+CREG=2\r\n"
        + verbose(b"OK", b'+CREG: 2,5,"2CF7","8A5A782",6', b"+CREG: 2", b"+CGREG: 2"),
        [],
        [
            (_CREG, [num(2), num(5), txt(b"2CF7"), txt(b"8A5A782"), num(6)]),
            (_CREG, nums(2)),
            (_CGREG, nums(2)),
        ],
    ),
    (
        "SARA-R422: a blank line first",
        b"AT+CEREG?",
        "+CEREG:",
        b"\r\n" + verbose(b"+CEREG: 0,,,,,,,,", b"OK"),
        [b"0,,,,,,,,"],
        [],
    ),
    ("LENA-R8", b"ATI9", "", verbose(b"02.00,A01.40", b"OK"), [b"02.00,A01.40"], []),
    ("LARA-R6", b"ATI9", "", verbose(b"00.13,A00.01", b"OK"), [b"00.13,A00.01"], []),
    ("LARA-R6", b"AT+UPSV=0", None, verbose(b"OK"), [], []),
    (
        "u-blox (Rust): URCs while the network is looked for",
        b"AT+CPIN?",
        "+CPIN:",
        verbose(
            b'+CREG: 5,"17E0","00359D48",6',
            b"+CEREG: 4",
            b"+CPIN: READY",
            b'+CEREG: 5,"07D0","009D4564",7',
            b"OK",
            b"+CGREG: 4",
        ),
        [b"READY"],
        [
            (_CREG, [num(5), txt(b"17E0"), txt(b"00359D48"), num(6)]),
            (_CEREG, nums(4)),
            (_CEREG, [num(5), txt(b"07D0"), txt(b"009D4564"), num(7)]),
            (_CGREG, nums(4)),
        ],
    ),
    (
        "LEXI-R10: one line per server",
        b"AT+ULWM2MCONFIG?",
        "+ULWM2MCONFIG:",
        verbose(
            b"+ULWM2MCONFIG: 721,0,2,1,1,0,0,0,40,0,0,0",
            b"+ULWM2MCONFIG: 123,0,1,1,0,0,0,0,40,0,0,0",
            b"OK",
        ),
        [b"721,0,2,1,1,0,0,0,40,0,0,0", b"123,0,1,1,0,0,0,0,40,0,0,0"],
        [],
    ),
    (
        "LEXI-R10: a URC before the answer",
        b"AT+ULWM2MREG?",
        "+ULWM2MREG:",
        verbose(b"+ULWM2MSTAT: 1,721,2", b"+ULWM2MREG: 721,2,175", b"OK"),
        [b"721,2,175"],
        [(_STAT, nums(1, 721, 2))],
    ),
)

_CME_TEXTS = (
    (b"invalid characters in dial string", None),  # SARA-R410M
    (b"No connection to phone", None),
    (b"operation not supported", 4),  # LARA-R6, AT&K0
    (b"SIM not inserted", 10),  # u-blox (Rust), at boot
)


def wires(text):
    """A line as it is seen on the wire, in every line ending."""
    yield b"\r\n" + text + b"\r\n"
    yield text + b"\r\n"
    yield text + b"\r"
    yield text + b"\n"
    yield b"\r\r\n" + text + b"\r\r\n"


class LinesTest(unittest.TestCase):
    def test_every_line_reaches_its_handler(self):
        port = Port(_PREFIXES)
        for text, prefix, fields in _LINES:
            for wire in wires(text):
                for parts in harness.pieces(wire):
                    for part in parts:
                        port.channel.feed(part)
                    self.assertEqual(port.heard, [(prefix, fields)], "%r" % parts)
                    port.heard.clear()
        self.assertEqual((port.unknown, port.channel.lost), ([], 0))
        self.assertEqual((port.errors, port.channel.gap), ([], False))

    def test_every_line_without_a_handler_reaches_the_hook(self):
        port = Port()
        for text in [item[0] for item in _LINES] + list(_PLAIN):
            for wire in wires(text):
                for parts in harness.pieces(wire):
                    for part in parts:
                        port.channel.feed(part)
                    self.assertEqual(port.unknown, [text], "%r" % parts)
                    port.unknown.clear()
        self.assertEqual((port.heard, port.channel.lost, port.channel.late), ([], 0, 0))

    def test_all_of_them_in_one_stream(self):
        port = Port(_PREFIXES)
        wire = b"".join(b"\r\n" + text + b"\r\n" for text, _, _ in _LINES)
        expected = [(prefix, fields) for _, prefix, fields in _LINES]
        for step in range(1, 200):
            for at in range(0, len(wire), step):
                port.channel.feed(wire[at : at + step])
            self.assertEqual(port.heard, expected, "%d" % step)
            port.heard.clear()
        self.assertEqual((port.unknown, port.channel.lost), ([], 0))


class SessionTest(unittest.TestCase):
    def test_every_session(self):
        for name, command, prefix, wire, info, urcs in _SESSIONS:
            for data in (wire, wire.replace(b"\r\n", b"\r"), wire.replace(b"\r\n", b"\r\r\n")):
                port = Port(_URCS)
                for parts in harness.pieces(data):
                    port.answer(command, parts)
                    where = "%s: %r" % (name, parts)
                    self.assertEqual(port.command(command.decode(), prefix), info, where)
                    port.serve()
                    self.assertEqual(port.heard, urcs, where)
                    self.assertEqual((port.unknown, port.errors), ([], []), where)
                    self.assertEqual((port.channel.lost, port.channel.late), (0, 0), where)
                    port.heard.clear()

    def test_every_error_text(self):
        port = Port()
        for text, code in _CME_TEXTS:
            for parts in harness.pieces(verbose(b"+CME ERROR: " + text)):
                port.answer(b"AT&K0", parts)
                try:
                    port.command("AT&K0")
                    error = None
                except CmeError as e:
                    error = e
                self.assertTrue(error, "%r" % parts)
                self.assertEqual((error.code, error.text), (code, text.decode()))

    def test_sim_not_inserted_at_boot_and_then_ready(self):
        port = Port(_URCS)
        port.stream.answers[b"AT+CPIN?"] = [
            b"\r\n+CME ERROR: SIM not inserted\r\n",
            b"\r\n+CPIN: READY\r\n\r\nOK\r\n",
        ]
        with self.assertRaises(CmeError):
            port.command("AT+CPIN?", "+CPIN:")
        self.assertEqual(port.command("AT+CPIN?", "+CPIN:"), [b"READY"])

    def test_several_unanswered_at_and_then_ok(self):
        # LENA-R8 at boot; the answers to the first ones never come.
        port = Port()
        port.stream.answers[b"AT"] = [None, None, None, b"\r\nOK\r\n"]
        port.run(port.channel.sync())
        self.assertTrue(port.stream.commands.count(b"AT") >= 4)
        port.stream.answers[b"ATI9"] = b"\r\n02.00,A01.40\r\n\r\nOK\r\n"
        self.assertEqual(port.command("ATI9", ""), [b"02.00,A01.40"])

    def test_blank_line_40_ms_before_the_ok(self):
        # Another u-blox module: AT at .054 s, a blank line at .154 s, OK at .194 s.
        port = Port()

        def module(_):
            port.stream.send(b"\r\n", 100)
            port.stream.send(b"OK\r\n", 140)

        port.stream.answers[b"AT"] = module
        self.assertEqual(port.command("AT"), [])
        self.assertTrue(port.stream.ticks.ms - port.stream.sent_ms[0] >= 140)
        self.assertEqual((port.unknown, port.channel.late), ([], 0))


if __name__ == "__main__":
    unittest.main()
