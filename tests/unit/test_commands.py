# AT commands under both runtimes: result codes, information text, prompts, data, deadlines.

import unittest

import harness
from harness import PORTS, FakeStream
from lexi import AtError, AtTimeout, CmeError, LexiError, ModuleRebooted

_LINE_ENDS = (
    b"\r\n%s\r\n",
    b"%s\r",
    b"%s\n",
    b"\r\r\n%s\r\r\n",
    b"\n\r%s\n\r",
    b"\0\0\r\n%s\r\n",
    b"\r\n  %s\r\n",
    b"\r\n%s  \r\n",
)

# Final result codes other than OK and +CME ERROR, which have tables of their own.
_REFUSALS = (
    (b"ERROR", "ERROR"),
    (b"+CMS ERROR: 500", "+CMS ERROR: 500"),
    (b"+CMS ERROR:500", "+CMS ERROR: 500"),
    (b"ABORTED", "ABORTED"),
    (b"Command aborted", "COMMAND ABORTED"),
    (b"NO CARRIER", "NO CARRIER"),
    (b"NO DIALTONE", "NO DIALTONE"),
    (b"NO ANSWER", "NO ANSWER"),
    (b"BUSY", "BUSY"),
    (b"NOT SUPPORT", "NOT SUPPORT"),
    (b"INVALID COMMAND LINE", "INVALID COMMAND LINE"),
    (b"CR", "CR"),
    (b"SIM DROP", "SIM DROP"),
    (b"DISCONNECT", "DISCONNECT"),
)

_CME = (
    (b"0", 0, "phone failure"),
    (b"3", 3, "operation not allowed"),
    (b"50", 50, "incorrect parameters"),
    (b"100", 100, "unknown"),
    (b"  11 ", 11, "SIM PIN required"),
    (b"148", 148, "unspecified GPRS error"),
    (b"32767", 32767, "32767"),
    (b"operation not allowed", 3, "operation not allowed"),
    (b"Operation Not Supported", 4, "Operation Not Supported"),
    (b"SIM not inserted", 10, "SIM not inserted"),
    (b"SIM PIN required", 11, "SIM PIN required"),
    (b"SIM PUK REQUIRED", 12, "SIM PUK REQUIRED"),
    (b"sim failure", 13, "sim failure"),
    (b"No network service", 30, "No network service"),
    (b"Incorrect parameters", 50, "Incorrect parameters"),
    (b"unknown", 100, "unknown"),
    (b"FFS TIMEOUT", None, "FFS TIMEOUT"),
    (b"invalid characters in dial string", None, "invalid characters in dial string"),
    (b"-1", None, "-1"),
    (b"", None, ""),
)

_OK = b"\r\nOK\r\n"
_A = b"\r\n+A: 1,2\r\n"

# What it shows, arguments of command() behind the text, answer, result, lines to the handler of
# "+U:", unknown lines.
_TRANSCRIPTS = (
    ("bare", (), _OK, [], [], []),
    ("info", ("+A:",), _A + _OK, [b"1,2"], [], []),
    ("info without blank", ("+A:",), b"\r\n+A:1\r\n" + _OK, [b"1"], [], []),
    ("info as it is", ("+A:",), b'\r\n+A: ("IRA","GSM")\r\n' + _OK, [b'("IRA","GSM")'], [], []),
    ("JSON", ("+A:",), b'\r\n+A: {"a":"\xc3\xa4"}\x7f\r\n' + _OK, [b'{"a":"\xc3\xa4"}\x7f'], [], []),
    ("an open quote", ("+A:",), b'\r\n+A: 1,"\r\n' + _OK, [b'1,"'], [], []),
    ("noise, then text", ("",), b'\r\n\xc3\xa4 "x\r\n' + _OK, [b'\xc3\xa4 "x'], [], []),
    ("info in small letters", ("+A:",), b"\r\n+A: x\r\n\r\nok\r\n", [b"x"], [], []),
    ("two lines of info", ("+A:",), _A + b"\r\n+A: 3\r\n" + _OK, [b"1,2", b"3"], [], []),
    ("empty info", ("+A:",), b"\r\n+A:\r\n" + _OK, [b""], [], []),
    ("no info though expected", ("+A:",), _OK, [], [], []),
    ("info not expected", (), _A + _OK, [], [], [b"+A: 1,2"]),
    ("other info", ("+A:",), b"\r\n+B: 1\r\n" + _OK, [], [], [b"+B: 1"]),
    ("longer prefix", ("+A:",), b"\r\n+AB: 1\r\n" + _OK, [], [], [b"+AB: 1"]),
    ("prefix of letters", ("Rev:",), b"\r\nRev: 1.2\r\n" + _OK, [b"1.2"], [], []),
    ("info without prefix", ("",), b"\r\n01.04,A00.01\r\n" + _OK, [b"01.04,A00.01"], [], []),
    ("no prefix, two", ("",), b"\r\nu-blox\r\n\r\nLEXI\r\n" + _OK, [b"u-blox", b"LEXI"], [], []),
    ("no prefix, URC", ("",), b"\r\n+U: 7\r\n\r\nid\r\n" + _OK, [b"id"], [b"+U: 7"], []),
    ("echo", ("+A:",), b"AT+A?\r" + _A + _OK, [b"1,2"], [], []),
    ("echo, no prefix", ("",), b"AT+A?\r\r\nx\r\n" + _OK, [b"x"], [], []),
    ("echo, nothing expected", (), b"AT+A?\r\n" + _OK, [], [], []),
    ("URC before", ("+A:",), b"\r\n+U: 1\r\n" + _A + _OK, [b"1,2"], [b"+U: 1"], []),
    ("URC between", ("+A:",), _A + b"\r\n+U: 1\r\n" + _OK, [b"1,2"], [b"+U: 1"], []),
    ("URC instead", ("+A:",), b"\r\n+U: 1\r\n" + _OK, [], [b"+U: 1"], []),
    ("URC after", ("+A:",), _A + _OK + b"\r\n+U: 1\r\n", [b"1,2"], [b"+U: 1"], []),
    ("URC all over", (), b"+U: 1\r\n+U: 2\r\nOK\r\n+U: 3\r\n", [], [b"+U: 1", b"+U: 2", b"+U: 3"], []),
    ("unknown URC", ("+A:",), b"\r\nRING\r\n" + _A + _OK, [b"1,2"], [], [b"RING"]),
    ("same prefix behind OK", ("+A:",), _A + _OK + b"\r\n+A: 9\r\n", [b"1,2"], [], [b"+A: 9"]),
    ("same as a URC", ("+U:",), b"\r\n+U: 1\r\n" + _OK + b"\r\n+U: 2\r\n", [b"1"], [b"+U: 2"], []),
    ("numeric code", (), b"0\r" + _OK, [], [], [b"0"]),
    ("prompt characters", ("",), b"\r\n@\r\n\r\n>\r\n\r\na@b>c\r\n" + _OK, [b"@", b">", b"a@b>c"], [], []),
    ("codes inside", ("",), b"\r\nOKAY\r\n\r\nNO\r\n\r\nAN ERROR\r\n" + _OK, [b"OKAY", b"NO", b"AN ERROR"], [], []),
    ("code in a value", ("+A:",), b'\r\n+A: "OK"\r\n\r\n+A: ERROR\r\n' + _OK, [b'"OK"', b"ERROR"], [], []),
    ("noise before", (), b"\xff\xfe\x80\r\n\0" + _OK, [], [], []),
    ("CONNECT not expected", (), b"\r\nCONNECT 5\r\n" + _OK, [], [], [b"CONNECT 5"]),
)  # fmt: skip


class Ear:
    """Keeps what reaches the handler of "+U:" and the hook for unknown lines."""

    def __init__(self, port, prefix="+U:"):
        self.urcs = []
        self.unknown = []
        if prefix:
            port.channel.on(prefix, lambda line: self.urcs.append(line.line()))
        port.channel.on_unknown = lambda line: self.unknown.append(line.line())

    def take(self):
        heard = self.urcs, self.unknown
        self.urcs, self.unknown = [], []
        return heard


def in_parts(stream, parts, first_ms=1):
    # An answer that arrives part by part, 1 ms apart.
    def answer(_):
        for i, part in enumerate(parts):
            stream.send(part, first_ms + i)

    return answer


def failure(fn, *args, **kwargs):
    try:
        return "returned %r" % fn(*args, **kwargs)
    except Exception as e:
        return e


def mute_stream(**answers):
    stream = FakeStream(default=None)
    stream.answers = {b"AT": _OK}
    return stream


class ResultCodeTest(unittest.TestCase):
    def refused(self, port, answer, kind, words):
        port.stream.answers = {b"AT+X=1": answer}
        e = failure(port.command, "AT+X=1")
        self.assertIs(type(e), kind, "%s: %r: %r" % (port.name, answer, e))
        self.assertEqual(e.command, "AT+X=1")
        self.assertEqual(str(e), "AT+X=1: " + words)
        return e

    def test_every_code_in_both_cases_with_odd_line_ends(self):
        for make in PORTS:
            port = make(FakeStream())
            for form in _LINE_ENDS:
                for word in (b"OK", b"ok"):
                    port.stream.answers = {b"AT": form % word}
                    self.assertEqual(port.command("AT"), [], "%r" % (form % word))
                for word, text in _REFUSALS:
                    for case in (word, word.upper(), word.lower()):
                        e = self.refused(port, form % case, AtError, text)
                        self.assertEqual(e.text, text)

    def test_every_code_split_at_every_position(self):
        for make in PORTS:
            port = make(FakeStream())
            for word, text in _REFUSALS:
                for parts in harness.pieces(b"\r\n" + word + b"\r\n"):
                    self.refused(port, in_parts(port.stream, parts), AtError, text)

    def test_cme_error_as_number_and_as_text(self):
        for make in PORTS:
            port = make(FakeStream())
            for form in _LINE_ENDS:
                for told, code, text in _CME:
                    for start in (b"+CME ERROR: ", b"+cme error:"):
                        plain = told.decode().strip()
                        both = plain if plain == text else "%s (%s)" % (plain, text)
                        answer = form % (start + told)
                        e = self.refused(port, answer, CmeError, "+CME ERROR: " + both)
                        self.assertEqual((e.code, e.text), (code, text))
            self.assertEqual(port.channel.late, 0)

    def test_the_tree_of_exceptions(self):
        for kind, base in (
            (CmeError, AtError),
            (AtError, LexiError),
            (ModuleRebooted, AtTimeout),
            (AtTimeout, LexiError),
            (LexiError, Exception),
        ):
            self.assertTrue(issubclass(kind, base))
        self.assertFalse(issubclass(AtTimeout, AtError))


class TranscriptTest(unittest.TestCase):
    def check(self, port, ear, row, how):
        what, args, _, result, urcs, unknown = row
        what = "%s: %s, %s" % (port.name, what, how)
        self.assertEqual(port.command("AT+A?", *args), result, what)
        port.idle(300)
        self.assertEqual(ear.take(), (urcs, unknown), what)

    def test_transcripts_whole_and_cut_at_every_position(self):
        for make in PORTS:
            port = make(FakeStream())
            ear = Ear(port)
            for row in _TRANSCRIPTS:
                for parts in harness.pieces(row[2]):
                    port.stream.answers = {b"AT+A?": in_parts(port.stream, parts)}
                    self.check(port, ear, row, parts)
                port.stream.forget()
            self.assertEqual((port.channel.late, port.channel.handler_errors), (0, 0))

    def test_transcripts_read_in_small_pieces(self):
        for make in PORTS:
            port = make(FakeStream())
            ear = Ear(port)
            for row in _TRANSCRIPTS:
                for port.stream.piece in (1, 2, 3, 7):
                    port.stream.answers = {b"AT+A?": row[2]}
                    self.check(port, ear, row, port.stream.piece)

    def test_noise_before_information_text_that_nobody_registered(self):
        for make in PORTS:
            for noise in (b"\xff", b"\0", b"\xff\0\x81"):
                for name in (b"+XYZ:", b"+xyz:"):
                    port = make(FakeStream())
                    data = b"\r\n" + noise + name + b" 20,99\r\n" + _OK
                    for parts in harness.pieces(data):
                        port.stream.answers = {b"AT+XYZ": in_parts(port.stream, parts)}
                        self.assertEqual(port.command("AT+XYZ", "+XYZ:"), [b"20,99"], parts)
                    self.assertEqual((port.channel.undecodable, port.channel.gap), (0, False))

    def test_prefixes_that_are_no_name(self):
        # They were no longer expected once the name was known, by a handler or by a command.
        for prefix, line, info in (
            ("+X", b"+X: 1", [b": 1"]),
            ("+X: a:", b"+X: a: 1", [b"1"]),
            ("+X: 5", b"+X: 5,1", [b",1"]),
            ("+X", b"+XY: 1", []),
            ("+X: a:", b"+X: b: 1", []),
            ("", b"+X: 1", []),
        ):
            for make in PORTS:
                for known in ("", "on", "command"):
                    if not known and not info:
                        continue
                    port = make(FakeStream(answers={b"AT+X": b"\r\n" + line + _OK}))
                    heard = []
                    for name in ("+X:", "+XY:"):
                        if known == "on":
                            port.channel.on(name, lambda line, heard=heard: heard.append(1))
                        elif known:
                            port.command("AT", name)
                    where = "%r %r %s" % (prefix, line, known)
                    self.assertEqual(port.command("AT+X", prefix), info, where)
                    self.assertEqual(len(heard), known == "on" and not info, where)

    def test_accept_tells_the_answer_from_a_urc_of_the_same_prefix(self):
        data = b"\r\n+U: 1,721,2\r\n\r\n+U: 1,7\r\n\r\n+U: 4,7\r\n" + _OK + b"\r\n+U: 0,1\r\n"
        for make in PORTS:
            port = make(FakeStream())
            ear = Ear(port)
            for parts in harness.pieces(data):
                port.stream.answers = {b"AT+U?": in_parts(port.stream, parts)}
                accept = lambda line: len(line) == 2 and line.int(0) < 2  # noqa: E731
                self.assertEqual(port.command("AT+U?", "+U:", accept=accept), [b"1,7"])
                port.idle(50)
                self.assertEqual(ear.take(), ([b"+U: 1,721,2", b"+U: 4,7", b"+U: 0,1"], []))

    def test_information_text_that_is_too_long(self):
        for make in PORTS:
            for size in (510, 5000):
                port = make(FakeStream(answers={b"AT+L": b"\r\n+L: " + b"x" * size + _OK}))
                e = failure(port.command, "AT+L", "+L:")
                self.assertIs(type(e), LexiError, "%r" % e)
                self.assertTrue(port.channel.gap)
                self.assertEqual(port.command("AT"), [])

    def test_a_handler_for_the_prefix_is_registered_meanwhile(self):
        for make in PORTS:
            port = make(FakeStream())
            heard = []

            def answer(_, port=port, heard=heard):
                port.channel.on("+N:", lambda line: heard.append(line.line()))
                return b"\r\n+N: 1\r\n" + _OK

            port.stream.answers = {b"AT+N": answer}
            self.assertEqual((port.command("AT+N", "+N:"), heard), ([b"1"], []))

    def test_registered_in_small_letters_asked_in_large_ones(self):
        for make in PORTS:
            port = make(FakeStream(answers={b"AT+U?": b"\r\n+U: 1\r\n" + _OK}))
            ear = Ear(port, "+u:")
            self.assertEqual(port.command("AT+U?", "+U:"), [b"1"])
            self.assertEqual(port.command("AT+U?", "+u:"), [b"1"])
            self.assertEqual(port.command("AT+U?"), [])
            self.assertEqual(ear.take(), ([b"+U: 1"], []))

    def test_32_lines_of_information_text_and_one_more(self):
        lines = [b"%d" % i for i in range(32)]
        answer = b"".join(b"\r\n+A: %s\r\n" % line for line in lines)
        for make in PORTS:
            port = make(FakeStream(answers={b"AT+A?": answer + _OK}))
            self.assertEqual(port.command("AT+A?", "+A:"), lines)
            port.stream.answers = {
                b"AT+A?": answer + b"\r\n+A: 32\r\n" + _OK,
                b"ATI": b"\r\nx\r\nOK\r\n",
            }
            e = failure(port.command, "AT+A?", "+A:")
            self.assertIs(type(e), LexiError, "%r" % e)
            self.assertIn("32", str(e))
            seen = []
            port.command("AT+A?", "+A:", on_info=lambda line: seen.append(line.int(0)))
            self.assertEqual(seen, list(range(33)))
            self.assertEqual(port.command("ATI", ""), [b"x"])

    def test_what_on_info_and_accept_raise_is_raised_by_the_command(self):
        def fail(line):
            raise KeyError("mine")

        for make in PORTS:
            port = make(FakeStream())
            ear = Ear(port)
            for name in ("on_info", "accept"):
                port.stream.answers = {
                    b"AT+A?": _A + b"\r\n+U: 5\r\n" + _A + _OK + b"\r\n+U: 6\r\n"
                }
                e = failure(port.command, "AT+A?", "+A:", **{name: fail})
                self.assertIs(type(e), KeyError, "%s: %r" % (name, e))
                port.idle(50)
                self.assertEqual(ear.take(), ([b"+U: 5", b"+U: 6"], []))
                self.assertEqual(port.channel.handler_errors, 0)
                port.stream.answers = {b"AT+A?": _A + b"\r\nERROR\r\n"}
                self.assertIs(type(failure(port.command, "AT+A?", "+A:", **{name: fail})), AtError)
            port.stream.answers = {b"AT+A?": _A + _OK}
            self.assertEqual(port.command("AT+A?", "+A:"), [b"1,2"])

    def test_parameters_on_the_wire(self):
        for make in PORTS:
            port = make(FakeStream())
            for text, args, line in (
                ("AT", (), b"AT"),
                ("AT+X=", (1, -2, 0), b"AT+X=1,-2,0"),
                ("AT+X=", ("a b,c", 1), b'AT+X="a b,c",1'),
                ("AT+X=", (None, 1, None), b"AT+X=,1,"),
                ("AT+X=", [""], b'AT+X=""'),
                ('at+x="y"', (), b'at+x="y"'),
                ("AT" + "x" * 998, (), b"AT" + b"x" * 998),
            ):
                port.command(text, args=args)
                self.assertEqual(port.stream.commands.pop(), line)
                self.assertEqual(port.stream.written[-len(line) - 1 :], line + b"\r")


class PromptTest(unittest.TestCase):
    data = b"\r\x1aAT\r\n\0\xff@>OK"

    def ask(self, port, prompt, parts, answer=_OK):
        stream = port.stream
        stream.payload = b""

        def ready(_):
            stream.payload_size = len(self.data)
            for i, part in enumerate(parts):
                stream.send(part, 5 + i)
            self.prompted_ms = stream.ticks.ms + 5 + i

        stream.answers = {b"AT+X=12": ready, b"payload": answer}
        return port.command("AT+X=12", "+X:", prompt=prompt, payload=self.data)

    def test_exactly_the_payload_50_ms_behind_the_prompt(self):
        for make in PORTS:
            port = make(FakeStream())
            ear = Ear(port)
            for prompt in ("@", ">"):
                for parts in harness.pieces(b"AT+X=12\r\r\n+U: 1\r\n\r\n" + prompt.encode()):
                    answer = b"\r\n+X: 3,16\r\n" + _OK
                    before = len(port.stream.written)
                    self.assertEqual(self.ask(port, prompt, parts, answer), [b"3,16"])
                    self.assertEqual(port.stream.payload, self.data)
                    self.assertEqual(port.stream.written[before:], b"AT+X=12\r" + self.data)
                    waited_ms = port.stream.payload_ms - self.prompted_ms
                    self.assertTrue(50 <= waited_ms <= 57, "%d ms" % waited_ms)
                    self.assertEqual(ear.take(), ([b"+U: 1"], []))

    def test_only_at_the_start_of_a_line_and_only_the_expected_one(self):
        for make in PORTS:
            port = make(FakeStream())
            ear = Ear(port)
            for noise in (b'\r\n+U: "@"\r\n', b"\r\n+U: a@b>\r\n", b"\r\n+U: @\r\n"):
                self.assertEqual(self.ask(port, "@", [noise, b"@"]), [])
                self.assertEqual(port.stream.payload, self.data)
                self.assertEqual(ear.take(), ([noise.strip()], []))
            for prompt, other in ((">", b"@\r\n"), ("@", b"\r\n> \r\n")):
                self.assertEqual(self.ask(port, prompt, [other, prompt.encode()]), [])
                self.assertEqual(ear.take(), ([], [other.strip()]))

    def test_a_blank_behind_the_prompt(self):
        for make in PORTS:
            port = make(FakeStream())
            ear = Ear(port)
            self.assertEqual(self.ask(port, ">", [b"\r\n> "], b"\r\n+X: 1\r\n" + _OK), [b"1"])
            self.assertEqual(ear.take(), ([], []))

    def test_refused_instead_of_prompted(self):
        for make in PORTS:
            port = make(FakeStream())
            port.stream.answers = {b"AT+X=1": b"\r\n+CME ERROR: 4\r\n"}
            e = failure(port.command, "AT+X=1", prompt="@", payload=b"a")
            self.assertEqual(getattr(e, "code", e), 4)
            self.assertEqual(port.stream.written, b"AT+X=1\r")
            # The prompt is not expected any more: the next command takes it for text.
            port.stream.answers = {b"ATI": b"\r\n@x\r\nOK\r\n"}
            self.assertEqual(port.command("ATI", ""), [b"@x"])

    def test_refused_right_behind_the_prompt(self):
        for make in PORTS:
            for after_ms in (0, 1, 49):
                port = make(FakeStream())

                def answer(_, stream=port.stream, ms=after_ms):
                    stream.send(b"\r\n@", 1)
                    stream.send(b"\r\nERROR\r\n", 1 + ms)

                port.stream.answers = {b"AT+X=1": answer}
                e = failure(port.command, "AT+X=1", prompt="@", payload=b"AT+CFUN=0\r")
                self.assertIs(type(e), AtError)
                self.assertEqual(port.stream.written, b"AT+X=1\r")

    def test_no_prompt_at_all(self):
        for make in PORTS:
            port = make(mute_stream())
            start = port.stream.ticks.ms
            e = failure(port.command, "AT+X=1", prompt="@", payload=b"a", timeout_ms=3000)
            self.assertIs(type(e), AtTimeout)
            self.assertEqual(port.stream.ticks.ms - start, 3000)
            ear = Ear(port)
            port.stream.send(b"\r\n@x\r\n", 10)
            port.idle(100)
            self.assertEqual(ear.take(), ([], [b"x"]))  # it was the prompt, late
            self.assertEqual(port.stream.written, b"AT+X=1\r")

    def test_no_answer_behind_the_payload(self):
        for make in PORTS:
            port = make(mute_stream())
            start = port.stream.ticks.ms
            port.stream.answers[b"AT+X=1"] = b"@"
            e = failure(port.command, "AT+X=1", prompt="@", payload=b"abc", timeout_ms=3000)
            self.assertIs(type(e), AtTimeout)
            self.assertEqual(port.stream.ticks.ms - start, 3000)
            self.assertEqual(port.stream.written, b"AT+X=1\rabc")


class DataTest(unittest.TestCase):
    blocks = (
        b"",
        b"x",
        b"\r\nOK\r\n",
        b"\n\r\n+U: 1\r\n@\r\n>\r\nERROR\r\n",
        b"\xff\0\r\nCONNECT 9\r\n",
        bytes(range(256)),
    )

    def test_raw_bytes_cut_at_every_position(self):
        for make in PORTS:
            port = make(FakeStream())
            ear = Ear(port)
            for block in self.blocks:
                data = b"\r\nCONNECT %d\r\n%s" % (len(block), block) + _OK + b"\r\n+U: 2\r\n"
                for parts in harness.pieces(data):
                    port.stream.answers = {b"AT+FREAD=1": in_parts(port.stream, parts)}
                    into = bytearray(b"." * 256)
                    n = port.command("AT+FREAD=1", into=into)
                    port.idle(50)
                    self.assertEqual(n, len(block))
                    self.assertEqual(bytes(into[:n]), block)
                    self.assertEqual(bytes(into[n:]), b"." * (256 - n))
                    self.assertEqual(ear.take(), ([b"+U: 2"], []))
            self.assertEqual(port.channel.gap, False)

    def test_a_memoryview_takes_them_too(self):
        for make in PORTS:
            port = make(FakeStream(answers={b"AT+FREAD=1": b"\r\nCONNECT 2\r\nhi" + _OK}))
            into = bytearray(6)
            self.assertEqual(port.command("AT+FREAD=1", into=memoryview(into)[2:4]), 2)
            self.assertEqual(into, b"\0\0hi\0\0")

    def test_more_than_the_buffer_holds(self):
        for make in PORTS:
            port = make(FakeStream(default=_OK))
            ear = Ear(port)
            data = b"\r\nCONNECT 6\r\nOK\r\nAB" + _OK
            for parts in harness.pieces(data):
                port.stream.answers = {b"AT+FREAD=1": in_parts(port.stream, parts)}
                into = bytearray(b"....")
                e = failure(port.command, "AT+FREAD=1", into=into)
                self.assertIs(type(e), LexiError, "%r" % e)
                self.assertIn("into: 4 bytes, expected 6", str(e))
                port.idle(50)
                self.assertEqual(ear.take(), ([], []))
                self.assertEqual(port.command("AT"), [])
            self.assertEqual(port.channel.late, 0)

    def test_sizes_that_are_none(self):
        for make in PORTS:
            port = make(FakeStream())
            for size in (b"-1", b"-999999999", b"x", b'""', b"1e3"):
                port.stream.answers = {b"AT+FREAD=1": b"\r\nCONNECT " + size + b"\r\n" + _OK}
                self.assertEqual(port.command("AT+FREAD=1", into=bytearray(4)), 0, "%r" % size)

    def test_refused(self):
        for make in PORTS:
            port = make(FakeStream(default=b"\r\nERROR\r\n"))
            self.assertIs(type(failure(port.command, "AT+FREAD=1", into=bytearray(4))), AtError)

    def test_data_that_stop_in_the_middle(self):
        for make in PORTS:
            port = make(mute_stream())
            port.stream.answers[b"AT+FREAD=1"] = b"\r\nCONNECT 1000\r\nabc"
            start = port.stream.ticks.ms
            e = failure(port.command, "AT+FREAD=1", into=bytearray(1000), timeout_ms=4000)
            self.assertIs(type(e), AtTimeout)
            self.assertEqual(port.stream.ticks.ms - start, 4000)
            # The rest never comes: the next command works, and the loss shows as a gap.
            port.stream.answers[b"ATI"] = b"\r\nx\r\nOK\r\n"
            self.assertEqual(port.command("ATI", ""), [b"x"])
            self.assertTrue(port.channel.gap)

    def test_data_of_a_command_that_gave_up_before_they_began(self):
        for make in PORTS:
            port = make(mute_stream())
            ear = Ear(port)
            e = failure(port.command, "AT+FREAD=1", into=bytearray(50), timeout_ms=500)
            self.assertIs(type(e), AtTimeout)
            block = b"\r\n+U: 1\r\nOK\r\n"
            port.stream.send(b"\r\nCONNECT %d\r\n" % len(block) + block + _OK, 5)
            port.idle(20)
            self.assertEqual(ear.urcs, [])
            self.assertEqual(port.channel.late, 1)
            self.assertTrue(port.channel.gap)

    def test_data_that_come_too_late_are_no_lines(self):
        for make in PORTS:
            port = make(mute_stream())
            ear = Ear(port)
            rest = b"\r\nOK\r\n\r\n+U: 1\r\n"

            def slow(_, stream=port.stream, rest=rest):
                stream.send(b"\r\nCONNECT %d\r\n" % len(rest))
                stream.send(rest + _OK, 2000)

            port.stream.answers[b"AT+FREAD=1"] = slow
            e = failure(port.command, "AT+FREAD=1", into=bytearray(100), timeout_ms=1000)
            self.assertIs(type(e), AtTimeout)
            port.idle(3000)
            self.assertEqual(ear.take(), ([], []))
            self.assertEqual(port.channel.late, 1)
            self.assertTrue(port.channel.gap)


class Stubborn(FakeStream):
    """write() takes what the script says: None, 0, a number of bytes, or an error."""

    def __init__(self, takes, then=None, **options):
        super().__init__(**options)
        self.takes = takes
        self.then = then  # when the script has ended; "all" takes everything

    def write(self, data):
        take = self.takes.pop(0) if self.takes else self.then
        if isinstance(take, Exception):
            raise take
        if take == "all":
            take = len(data)
        return super().write(data[:take]) if take else take


class DeadlineTest(unittest.TestCase):
    def test_a_mute_module(self):
        for make in PORTS:
            for timeout_ms in (1, 21, 22, 1000, 70000, 3600000):
                port = make(FakeStream(default=None))
                port.idle(100)
                start = port.stream.ticks.ms
                e = failure(port.command, "AT+X?", "+X:", timeout_ms=timeout_ms)
                self.assertIs(type(e), AtTimeout, "%r" % e)
                self.assertIn("AT+X?", str(e))
                self.assertEqual(port.stream.ticks.ms - start, timeout_ms)

    def test_the_default_is_10_s(self):
        for make in PORTS:
            port = make(FakeStream(default=None))
            start = port.stream.ticks.ms
            self.assertIs(type(failure(port.command, "AT")), AtTimeout)
            self.assertEqual(port.stream.ticks.ms - start, 10000)

    def test_an_answer_that_stops(self):
        answer = b"AT+X?\r\r\n+X: 1\r\n\r\nOK\r"
        for make in PORTS:
            for n in range(1, len(answer)):
                port = make(FakeStream(answers={b"AT+X?": answer[:n]}))
                start = port.stream.ticks.ms
                e = failure(port.command, "AT+X?", "+X:", timeout_ms=1000)
                self.assertIs(type(e), AtTimeout, "%d: %r" % (n, e))
                self.assertEqual(port.stream.ticks.ms - start, 1000)

    def test_the_answer_in_the_last_moment(self):
        for make in PORTS:
            for after_ms, kind in ((999 - 21, str), (1001 - 21, AtTimeout)):
                port = make(FakeStream())
                port.stream.answers = {b"AT": in_parts(port.stream, [_OK], after_ms)}
                self.assertIs(type(failure(port.command, "AT", timeout_ms=1000)), kind)

    def test_urcs_do_not_prolong_it(self):
        for make in PORTS:
            port = make(FakeStream(default=None))
            for i in range(100):
                port.stream.send(b"\r\n+U: 1\r\n", 50 * i)
            start = port.stream.ticks.ms
            self.assertIs(type(failure(port.command, "AT", timeout_ms=1000)), AtTimeout)
            self.assertEqual(port.stream.ticks.ms - start, 1000)

    def test_a_line_that_is_never_quiet(self):
        for make in PORTS:
            port = make(FakeStream())
            for i in range(1000):
                port.stream.send(b"\0", 10 * i)
            start = port.stream.ticks.ms
            e = failure(port.command, "AT+X", timeout_ms=2000)
            self.assertIs(type(e), AtTimeout)
            self.assertIn("AT+X", str(e))
            self.assertTrue(2000 <= port.stream.ticks.ms - start <= 2021)
            self.assertEqual(port.stream.written, b"")

    def test_a_stream_that_takes_nothing(self):
        for make in PORTS:
            for then in (None, 0, OSError(11)):
                port = make(Stubborn([], then))
                start = port.stream.ticks.ms
                e = failure(port.command, "AT+X", timeout_ms=2000)
                self.assertIs(type(e), AtTimeout, "%r" % e)
                self.assertIn("AT+X", str(e))
                self.assertTrue(2000 <= port.stream.ticks.ms - start < 2010)
                self.assertEqual(port.stream.written, b"")

    def test_a_stream_that_takes_little(self):
        for make in PORTS:
            takes = [None, 1, 0, 2, OSError(5), 3, None]
            port = make(Stubborn(takes, "all", answers={b"AT+CGMM": b"\r\nLEXI\r\nOK\r\n"}))
            self.assertEqual(port.command("AT+CGMM", ""), [b"LEXI"])
            self.assertEqual(port.stream.written, b"AT+CGMM\r")
            self.assertEqual(port.channel.stream_errors, 1)

    def test_a_stream_that_takes_a_payload_in_parts(self):
        for make in PORTS:
            port = make(Stubborn(["all", 1, None, 2, 0], "all"))
            port.stream.answers = {b"AT+X=9": b"\r\n@"}
            for payload in (b"123456789", bytearray(b"123456789"), memoryview(b"123456789")):
                port.stream.written = b""

                def ready(_, stream=port.stream):
                    stream.payload_size = 9
                    stream.send(b"\r\n@", 3)

                port.stream.answers = {b"AT+X=9": ready}
                self.assertEqual(port.command("AT+X=9", prompt="@", payload=payload), [])
                self.assertEqual(port.stream.written, b"AT+X=9\r123456789")

    def test_a_stream_that_stops_within_the_line(self):
        for make in PORTS:
            port = make(Stubborn([4], None))
            start = port.stream.ticks.ms
            self.assertIs(type(failure(port.command, "AT+CFUN=16", timeout_ms=500)), AtTimeout)
            self.assertTrue(500 <= port.stream.ticks.ms - start < 510)
            # What the module holds is refused with the question behind it, and never sent.
            port.stream.then = "all"
            refused = {b"AT+CAT+CMEE?": b"\r\nERROR\r\n"}
            port.stream.answers = {b"ATI": b"\r\nx\r\nOK\r\n", b"AT": _OK}
            port.stream.answers.update(refused)
            self.assertEqual(port.command("ATI", ""), [b"x"])
            self.assertEqual(port.stream.written, b"AT+CAT+CMEE?\rAT+CMEE?\rATI\r")


class GapTest(unittest.TestCase):
    def test_20_ms_behind_a_final_code(self):
        for make in PORTS:
            port = make(FakeStream())
            for _ in range(3):
                port.command("AT")
                heard_ms = port.stream.ticks.ms
                port.command("AT")
                gap_ms = port.stream.sent_ms[-1] - heard_ms
                self.assertTrue(20 <= gap_ms <= 22, "%d ms" % gap_ms)

    def test_20_ms_behind_a_urc(self):
        for make in PORTS:
            for at_ms in (0, 5, 15, 20):
                port = make(FakeStream())
                port.idle(100)
                port.stream.send(b"\r\n+U: 1\r\n")
                port.idle(1)
                heard_ms = port.stream.ticks.ms - 1
                port.stream.send(b"\r\n+U: 2\r\n", at_ms)
                port.command("AT")
                gap_ms = port.stream.sent_ms[-1] - (heard_ms + 1 + at_ms)
                self.assertTrue(20 <= gap_ms <= 22, "%d: %d ms" % (at_ms, gap_ms))

    def test_no_wait_on_a_quiet_line(self):
        for make in PORTS:
            port = make(FakeStream())
            port.idle(1000)
            start = port.stream.ticks.ms
            port.command("AT")
            self.assertEqual(port.stream.sent_ms, [start])


class InOrder(FakeStream):
    """A module that serves one command after the other, each for its own time."""

    def __init__(self, latency_ms, answers):
        super().__init__(default=self.later)
        self.latency_ms = latency_ms
        self.texts = answers
        self.free_ms = 0

    def later(self, line):
        known = b"AT" if line == harness.PROOF else line
        latency_ms = self.latency_ms.get(known, 20)
        if isinstance(latency_ms, list):
            latency_ms = latency_ms.pop(0)
        if latency_ms is None:
            return
        self.free_ms = max(self.free_ms, self.ticks.ms) + latency_ms
        text = harness.PROOF_TEXT if line == harness.PROOF else self.texts.get(line, b"")
        self.send(text + _OK, self.free_ms - self.ticks.ms)


class LateAnswerTest(unittest.TestCase):
    texts = {b"AT+A?": b"\r\n+A: old\r\n", b"AT+B?": b"\r\n+A: new\r\n"}

    def test_before_the_next_command(self):
        for make in PORTS:
            port = make(InOrder({b"AT+A?": 1500}, self.texts))
            self.assertIs(type(failure(port.command, "AT+A?", "+A:", timeout_ms=1000)), AtTimeout)
            port.idle(1000)
            self.assertEqual(port.channel.late, 1)
            self.assertEqual(port.command("AT+B?", "+A:"), [b"new"])
            self.assertEqual(port.stream.commands, [b"AT+A?", b"AT+B?"])

    def test_at_any_time_while_the_next_commands_run(self):
        for make in PORTS:
            for late_ms in range(1000, 4000, 97):
                for at_ms in (1, 140, 950, 1300, 2500):
                    port = make(InOrder({b"AT+A?": late_ms, b"AT": at_ms}, self.texts))
                    what = "%s: %d, %d" % (port.name, late_ms, at_ms)
                    e = failure(port.command, "AT+A?", "+A:", timeout_ms=1000)
                    self.assertIs(type(e), AtTimeout, what)
                    self.assertEqual(port.command("AT+B?", "+A:"), [b"new"], what)
                    self.assertEqual(port.command("AT"), [], what)
                    self.assertEqual(port.command("AT+B?", "+A:"), [b"new"], what)

    def test_several_owed(self):
        for make in PORTS:
            port = make(InOrder({b"AT+A?": [8000, 130, 130], b"AT": 140}, self.texts))
            for _ in range(3):
                e = failure(port.command, "AT+A?", "+A:", timeout_ms=300)
                self.assertIs(type(e), AtTimeout)
            for _ in range(3):
                self.assertEqual(port.command("AT+B?", "+A:"), [b"new"])
            # One of the three was sent; the others were held back.
            self.assertEqual(port.stream.commands.count(b"AT+A?"), 1)

    def test_one_that_never_comes(self):
        for make in PORTS:
            port = make(InOrder({b"AT+A?": None}, self.texts))
            self.assertIs(type(failure(port.command, "AT+A?", "+A:", timeout_ms=1000)), AtTimeout)
            start = port.stream.ticks.ms
            self.assertEqual(port.command("AT+B?", "+A:", timeout_ms=200), [b"new"])
            self.assertTrue(port.stream.ticks.ms - start < 1200)
            start = port.stream.ticks.ms
            self.assertEqual(port.command("AT+B?", "+A:"), [b"new"])
            self.assertTrue(port.stream.ticks.ms - start < 100)

    def test_after_the_next_command(self):
        # Out of order, when nobody waits: counted and dropped.
        for make in PORTS:
            port = make(FakeStream(answers={b"AT+A?": None}))
            self.assertIs(type(failure(port.command, "AT+A?", "+A:", timeout_ms=1000)), AtTimeout)
            self.assertEqual(port.command("AT"), [])
            port.stream.send(b"\r\n+A: old\r\n" + _OK, 5)
            port.idle(10)
            self.assertEqual(port.channel.late, 1)
            port.stream.answers = {b"AT+B?": self.texts[b"AT+B?"] + _OK}
            self.assertEqual(port.command("AT+B?", "+A:"), [b"new"])

    def test_a_module_that_stays_dead(self):
        for make in PORTS:
            port = make(FakeStream(default=None))
            for i in range(10):
                start = port.stream.ticks.ms
                e = failure(port.command, "AT+A?", timeout_ms=2500)
                self.assertIs(type(e), AtTimeout)
                self.assertIn("AT+A?", str(e))
                self.assertTrue(2500 <= port.stream.ticks.ms - start <= 3500)
            self.assertEqual(port.stream.commands.count(b"AT+A?"), 1)
            # And comes back.
            port.stream.default = _OK
            self.assertEqual(port.command("AT+A?", timeout_ms=2500), [])

    def test_answers_without_end(self):
        for make in PORTS:
            port = make(FakeStream(answers={b"AT+A?": None, harness.PROOF: None}))
            self.assertIs(type(failure(port.command, "AT+A?", timeout_ms=1000)), AtTimeout)
            for i in range(1000):
                port.stream.send(_OK, 60 * i)
            start = port.stream.ticks.ms
            port.command("AT+B", timeout_ms=1000)  # whose OK that is cannot be told
            self.assertTrue(port.stream.ticks.ms - start < 13000)

    def test_a_slow_module_never_answers_the_wrong_command(self):
        # Every answer takes longer than the time that a bare AT is given.
        texts = {b"AT+N=%d" % i: b"\r\n+N: %d\r\n" % i for i in range(20)}
        for make in PORTS:
            for slow_ms in (1100, 1500, 2900):
                latencies = {b"AT+A?": 2500, b"AT": slow_ms}
                port = make(InOrder(latencies, texts))
                self.assertIs(type(failure(port.command, "AT+A?", timeout_ms=1000)), AtTimeout)
                for i in range(20):
                    found = port.command("AT+N=%d" % i, "+N:", timeout_ms=20000)
                    self.assertEqual(found, [b"%d" % i], "%d" % slow_ms)

    def test_a_prompt_that_the_module_still_waits_behind(self):
        # The rest of the payload goes out first: else the module takes commands for it.
        for make in PORTS:
            port = make(Stubborn(["all", 4], None))

            def ready(_, stream=port.stream):
                stream.payload_size = 10
                stream.send(b"\r\n@")

            port.stream.answers = {b"AT+X=10": ready, b"ATI": b"\r\nx\r\nOK\r\n"}
            e = failure(
                port.command, "AT+X=10", prompt="@", payload=b"0123456789", timeout_ms=1000
            )
            self.assertIs(type(e), AtTimeout)
            port.stream.then = "all"
            self.assertEqual(port.command("ATI", ""), [b"x"])
            self.assertEqual(port.stream.payload, b"0123456789")
            self.assertEqual(port.stream.commands, [b"AT+X=10", b"AT+CMEE?", b"ATI"])


class RebootTest(unittest.TestCase):
    def port(self, make, answers):
        # The module says that it restarts one second after the command.
        port = make(FakeStream(default=None))
        port.channel.on("+BOOT:", lambda line: port.channel.note_reboot())

        def begin(_):
            port.stream.send(b"\r\n+BOOT: 1\r\n", 1000)
            for data, after_ms in answers:
                port.stream.send(data, after_ms)

        port.stream.answers = {b"AT+A?": begin, b"AT": _OK, b"ATI": b"\r\nx\r\nOK\r\n"}
        return port

    def test_no_answer(self):
        for make in PORTS:
            port = self.port(make, [])
            e = failure(port.command, "AT+A?", timeout_ms=70000)
            self.assertIs(type(e), ModuleRebooted, "%r" % e)
            self.assertIn("AT+A?", str(e))
            waited_ms = port.stream.ticks.ms - port.stream.sent_ms[0]
            self.assertTrue(3000 <= waited_ms <= 3001, "%d ms" % waited_ms)
            self.assertEqual(port.command("ATI", ""), [b"x"])

    def test_the_answer_still_comes(self):
        for make in PORTS:
            port = self.port(make, [(_A + _OK, 2900)])
            self.assertEqual(port.command("AT+A?", "+A:", timeout_ms=70000), [b"1,2"])

    def test_the_answer_came_in_the_same_moment(self):
        for make in PORTS:
            port = self.port(make, [(_A + _OK, 1000)])
            self.assertEqual(port.command("AT+A?", "+A:", timeout_ms=70000), [b"1,2"])

    def test_a_deadline_that_is_nearer_holds(self):
        for make in PORTS:
            port = self.port(make, [])
            start = port.stream.ticks.ms
            e = failure(port.command, "AT+A?", timeout_ms=1500)
            self.assertIs(type(e), ModuleRebooted)
            self.assertEqual(port.stream.ticks.ms - start, 1500)

    def test_without_a_command_it_does_nothing(self):
        for make in PORTS:
            port = self.port(make, [])
            port.stream.send(b"\r\n+BOOT: 1\r\n")
            port.idle(10)
            start = port.stream.ticks.ms
            e = failure(port.command, "AT+MUTE", timeout_ms=5000)
            self.assertIs(type(e), AtTimeout)
            self.assertEqual(port.stream.ticks.ms - start, 5000)

    def test_no_payload_for_a_module_that_restarted(self):
        for make in PORTS:
            for after_ms in (0, 20):
                port = make(FakeStream(default=None))
                port.channel.on("+BOOT:", lambda line, port=port: port.channel.note_reboot())

                def prompt(_, stream=port.stream, ms=after_ms):
                    stream.send(b"\r\n@")
                    stream.send(b"\r\n+BOOT: 1\r\n", ms)

                port.stream.answers = {b"AT+X=3": prompt}
                e = failure(port.command, "AT+X=3", prompt="@", payload=b"abc")
                self.assertIs(type(e), ModuleRebooted)
                self.assertEqual(port.stream.written, b"AT+X=3\r")


class ArgumentTest(unittest.TestCase):
    # Positional arguments, keywords, words that the message contains.
    wrong = (
        (("",), {}, ("text", "AT")),
        (("BT",), {}, ("text", "'BT'", "AT")),
        ((None,), {}, ("text", "None")),
        ((5,), {}, ("text", "5")),
        ((b"AT",), {}, ("text", "b'AT'")),
        ((("AT", "x"),), {}, ("text",)),
        (("AT\r",), {}, ("text", "'AT\\r'", "printable ASCII")),
        (("AT\n",), {}, ("text", "'AT\\n'")),
        (("AT\0",), {}, ("text", "'AT\\x00'")),
        (("AT\x15",), {}, ("text", "'AT\\x15'")),
        (("AT\x1a",), {}, ("text", "'AT\\x1a'")),
        (("AT\x7f",), {}, ("text", "printable ASCII")),
        (("AT+\u00fc",), {}, ("text", "printable ASCII")),
        (("AT" + "x" * 999,), {}, ("text", "1001", "1000")),
        (("AT+X=",), {"args": ("y" * 994,)}, ("text", "1001", "1000")),
        (("AT+X=",), {"args": (1, 'a"b')}, ("args[1]", 'a"b', "without quotes")),
        (("AT+X=",), {"args": ("a\rb",)}, ("args[0]", "a\\rb", "printable ASCII")),
        (("AT+X=",), {"args": ("a\nb",)}, ("args[0]", "a\\nb")),
        (("AT+X=",), {"args": ("a\0b",)}, ("args[0]", "a\\x00b")),
        (("AT+X=",), {"args": ("a\x15b",)}, ("args[0]", "a\\x15b")),
        (("AT+X=",), {"args": ("a\x1ab",)}, ("args[0]", "a\\x1ab")),
        (("AT+X=",), {"args": ("\u00e9",)}, ("args[0]", "printable ASCII")),
        (("AT+X=",), {"args": (1.5,)}, ("args[0]", "1.5", "int, str or None")),
        (("AT+X=",), {"args": (b"a",)}, ("args[0]", "b'a'", "int, str or None")),
        (("AT+X=",), {"args": (1, (2, 3))}, ("args[1]", "(2, 3)", "int, str or None")),
        (("AT+X=",), {"args": "ab"}, ("args", "'ab'", "tuple or list")),
        (("AT+X=",), {"args": 5}, ("args", "5", "tuple or list")),
        (("AT+X=",), {"args": None}, ("args", "None", "tuple or list")),
        (("AT", 5), {}, ("prefix", "5", "str or None")),
        (("AT", b"+X:"), {}, ("prefix", "b'+X:'", "str or None")),
        (("AT",), {"timeout_ms": 0}, ("timeout_ms", "0", "1..3600000")),
        (("AT",), {"timeout_ms": -1}, ("timeout_ms", "-1", "1..3600000")),
        (("AT",), {"timeout_ms": 3600001}, ("timeout_ms", "3600001", "1..3600000")),
        (("AT",), {"timeout_ms": 1.5}, ("timeout_ms", "1.5", "1..3600000")),
        (("AT",), {"timeout_ms": None}, ("timeout_ms", "None", "1..3600000")),
        (("AT",), {"timeout_ms": "9"}, ("timeout_ms", "'9'", "1..3600000")),
        (("AT",), {"accept": 1}, ("accept", "1", "function")),
        (("AT",), {"on_info": []}, ("on_info", "[]", "function")),
        (("AT",), {"prompt": "#"}, ("prompt", "'#'", '"@"', '">"')),
        (("AT",), {"prompt": ""}, ("prompt", "''", '"@"')),
        (("AT",), {"prompt": b"@"}, ("prompt", "b'@'", '"@"')),
        (("AT",), {"prompt": ("@", ">")}, ("prompt", '"@"')),
        (("AT",), {"prompt": "@", "payload": "text"}, ("payload", "'text'", "bytes")),
        (("AT",), {"prompt": "@", "payload": None}, ("payload", "None", "bytes")),
        (("AT",), {"into": b"fixed"}, ("into", "b'fixed'", "bytearray")),
        (("AT",), {"into": 100}, ("into", "100", "bytearray")),
        (("AT",), {"into": memoryview(b"fixed")}, ("into", "bytearray")),
        (("AT", "+X:"), {"into": memoryview(b"fixed"), "size_field": 1}, ("into", "bytearray")),
        (("AT",), {"payload": b"abc"}, ("payload", "b'abc'", "prompt")),
        (("AT", "+X:"), {"payload": bytearray(1)}, ("payload", "prompt")),
        (("AT", "+CME ERROR:"), {}, ("prefix", "'+CME ERROR:'", "final result code")),
        (("AT", "+cms error:"), {}, ("prefix", "'+cms error:'", "final result code")),
        (("AT", "OK"), {}, ("prefix", "'OK'", "final result code")),
        (("AT", "no carrier"), {}, ("prefix", "'no carrier'", "final result code")),
        (("AT", "\u00e9:"), {}, ("prefix", "printable ASCII")),
        (("AT", "+X\r:"), {}, ("prefix", "printable ASCII")),
        (("AT", "+X:"), {"size_field": 16}, ("size_field", "16", "0..15")),
        (("AT", "+X"), {"size_field": 1}, ("prefix", "'+X'")),
    )  # fmt: skip

    def test_refused_before_a_byte_is_sent(self):
        for make in PORTS:
            port = make(FakeStream())
            for args, kwargs, words in self.wrong:
                e = failure(port.command, *args, **kwargs)
                self.assertIs(type(e), ValueError, "%r %r: %r" % (args, kwargs, e))
                for word in words:
                    self.assertIn(word, str(e))
                self.assertEqual(port.stream.written, b"")
            self.assertEqual(port.command("AT"), [])

    def test_refused_before_an_answer_is_waited_for_that_is_still_owed(self):
        for make in PORTS:
            port = make(mute_stream())
            self.assertIs(type(failure(port.command, "AT+X", timeout_ms=100)), AtTimeout)
            written = port.stream.written
            for args, kwargs, _ in self.wrong:
                e = failure(port.command, *args, **kwargs)
                self.assertIs(type(e), ValueError, "%r %r: %r" % (args, kwargs, e))
                self.assertEqual(port.stream.written, written, "%r %r" % (args, kwargs))

    def test_short_prefixes(self):
        for make in PORTS:
            for prefix in (":", "X:", "+:", "X"):
                head = prefix.encode()
                port = make(FakeStream(answers={b"AT+X": b"\r\n" + head + b" 1\r\n" + _OK}))
                self.assertEqual(port.command("AT+X", prefix), [b"1"], prefix)


class InterruptTest(unittest.TestCase):
    def test_a_handler_that_sends_a_command_disturbs_nothing(self):
        stream = FakeStream(answers={b"AT+A": b"\r\n+X: 1\r\n\r\nOK\r\n"})
        lexi = harness.make_lexi(stream)
        lexi.channel.on("+X:", lambda line: lexi.channel.command("AT+B"))
        self.assertEqual(lexi.channel.command("AT+A"), [])
        self.assertEqual(lexi.channel.handler_errors, 1)
        self.assertEqual(stream.commands, [b"AT+A"])
        self.assertEqual(lexi.channel.command("AT+C"), [])

    def test_ctrl_c_in_a_blocking_command(self):
        stream = InOrder({b"AT+A?": 700}, LateAnswerTest.texts)
        port = harness.BlockingPort(stream)
        runtime = port.lexi.runtime
        poll = runtime.poll

        def interrupted(channel, ms):
            runtime.poll = poll
            raise KeyboardInterrupt

        def handler(line):
            runtime.poll = interrupted

        port.channel.on("+U:", handler)
        stream.send(b"\r\n+U: 1\r\n", 100)
        with self.assertRaises(KeyboardInterrupt):
            port.command("AT+A?", "+A:")
        self.assertEqual(port.command("AT+B?", "+A:"), [b"new"])


if __name__ == "__main__":
    unittest.main()
