# The four commands: exact bytes sent, typed results, and what is refused before it is sent.

import unittest

import harness
from lexi import AtError, AtTimeout, CmeError, LexiError, codes
from lexi.commands import parse_limits
from lexi.config import FIELDS, allows

OK = b"\r\nOK\r\n"
CONFIG_LINES = (
    b"\r\n+ULWM2MCONFIG: 721,0,2,1,1,0,0,0,40,0,0,0\r\n"
    b"\r\n+ULWM2MCONFIG: 123,0,1,1,0,0,0,0,40,0,0,0\r\n"
)
CONFIG_LIMITS = b"(1-65535),(0-1),(1-3),(1-8),(0-1),(0-1),(0-1),(0-1),(0-86400),(0-1),(0-2),(0-2)"
ROW = [721, 0, 2, 1, 1, 0, 0, 0, 40, 0, 0, 0]
WRONG_TYPES = (None, "1", b"1", 1.0, [1], (1, 2), True)

# SARA-R4 has no mask: its read answer is one field.
NO_MASK = dict(codes.LEXI_R10401D)
NO_MASK["name"] = "no mask"
NO_MASK["urc_mask"] = None


def wrong_values(lowest, highest):
    yield lowest - 1
    yield highest + 1
    yield from WRONG_TYPES


def info(*lines):
    return b"".join(b"\r\n" + line + b"\r\n" for line in lines) + OK


def module(answers=None, **options):
    stream = harness.FakeStream(answers=answers)
    return stream, harness.make_lexi(stream, **options)


def result_of(answers, call, **options):
    """Run call(lwm2m) against the scripted module: (commands it got, result)."""
    stream, lexi = module(answers, **options)
    result = call(lexi.lwm2m)
    return stream.commands, result


def text_of(exception, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except exception as e:
        return str(e)
    raise AssertionError("%r not raised" % exception)


def configs(lwm2m):
    return [row.values for row in lwm2m.configs()]


# (call, answers, command, result): the manual's own examples.
EXAMPLES = (
    (lambda m: m.set_urcs(True, 1), {}, b"AT+ULWM2MSTAT=1,1", None),
    (lambda m: m.urcs(), info(b"+ULWM2MSTAT: 1,1"), b"AT+ULWM2MSTAT?", (1, 1)),
    (
        lambda m: m.urc_limits(),
        info(b"+ULWM2MSTAT: (0,1),(1-7)"),
        b"AT+ULWM2MSTAT=?",
        [((0, 0), (1, 1)), ((1, 7),)],
    ),
    (lambda m: m.mode(), info(b"+ULWM2M: 1"), b"AT+ULWM2M?", 1),
    (
        lambda m: m.mode_limits(),
        info(b"+ULWM2M: (0-2),(0-1)"),
        b"AT+ULWM2M=?",
        [((0, 2),), ((0, 1),)],
    ),
    (lambda m: m.register(123), {}, b"AT+ULWM2MREG=123", None),
    (
        lambda m: m.registrations(),
        info(b"+ULWM2MREG: 721,2,175"),
        b"AT+ULWM2MREG?",
        [(721, 2, 175)],
    ),
    (lambda m: m.servers(), info(b"+ULWM2MREG: (0,721,123)"), b"AT+ULWM2MREG=?", [721, 123]),
    (
        lambda m: m.set_config(ROW),
        {},
        b"AT+ULWM2MCONFIG=721,0,2,1,1,0,0,0,40,0,0,0",
        None,
    ),
    (
        configs,
        CONFIG_LINES + OK,
        b"AT+ULWM2MCONFIG?",
        [ROW, [123, 0, 1, 1, 0, 0, 0, 0, 40, 0, 0, 0]],
    ),
    (
        lambda m: m.config_limits(),
        info(b"+ULWM2MCONFIG: " + CONFIG_LIMITS),
        b"AT+ULWM2MCONFIG=?",
        [
            ((1, 65535),),
            ((0, 1),),
            ((1, 3),),
            ((1, 8),),
            ((0, 1),),
            ((0, 1),),
            ((0, 1),),
            ((0, 1),),
            ((0, 86400),),
            ((0, 1),),
            ((0, 2),),
            ((0, 2),),
        ],
    ),
)

# (call, command) of everything that sets and is answered with a bare OK.
SETTERS = (
    (lambda m: m.set_urcs(False), b"AT+ULWM2MSTAT=0"),
    (lambda m: m.set_urcs(0), b"AT+ULWM2MSTAT=0"),
    (lambda m: m.set_urcs(True), b"AT+ULWM2MSTAT=1"),
    (lambda m: m.set_urcs(True, 7), b"AT+ULWM2MSTAT=1,7"),
    (lambda m: m.set_urcs(False, 2), b"AT+ULWM2MSTAT=0,2"),
    (lambda m: m.inhibit(), b"AT+ULWM2M=3"),
    (lambda m: m.resume(), b"AT+ULWM2M=0"),
    (lambda m: m.erase_objects_and_psk(), b"AT+ULWM2M=2"),
    (lambda m: m.register(1), b"AT+ULWM2MREG=1"),
    (lambda m: m.register(65535), b"AT+ULWM2MREG=65535"),
    (
        lambda m: m.set_config([65535, 1, 3, 8, 1, 1, 1, 1, 86400, 1, 2, 1]),
        b"AT+ULWM2MCONFIG=65535,1,3,8,1,1,1,1,86400,1,2,1",
    ),
    (
        lambda m: m.set_config([1, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0]),
        b"AT+ULWM2MCONFIG=1,0,1,1,0,0,0,0,0,0,0,0",
    ),
)


class CommandsTest(unittest.TestCase):
    def test_the_manuals_examples(self):
        for call, answer, command, expected in EXAMPLES:
            commands, result = result_of({command: answer or OK}, call)
            self.assertEqual(commands, [command])
            self.assertEqual(result, expected, "%r: %r" % (command, result))

    def test_answers_with_blanks_quotes_and_extra_fields(self):
        rows = (
            (lambda m: m.urcs(), b"+ULWM2MSTAT:  1 , 7 ", b"AT+ULWM2MSTAT?", (1, 7)),
            (lambda m: m.urcs(), b'+ULWM2MSTAT: "0","1"', b"AT+ULWM2MSTAT?", (0, 1)),
            (lambda m: m.mode(), b"+ULWM2M:3", b"AT+ULWM2M?", 3),
            (lambda m: m.mode(), b"+ULWM2M: 0,1", b"AT+ULWM2M?", 0),
            (
                lambda m: m.registrations(),
                b'+ULWM2MREG: 721, "3" ,"86281",9',
                b"AT+ULWM2MREG?",
                [(721, 3, 86281)],
            ),
            (lambda m: m.servers(), b"+ULWM2MREG: ( 0, 721 )", b"AT+ULWM2MREG=?", [721]),
            (
                configs,
                b"+ULWM2MCONFIG: 721, 0, 2, 1, 1, 0, 0, 0, 40, 0, 0, 0, 5",
                b"AT+ULWM2MCONFIG?",
                [ROW],
            ),
        )
        for call, line, command, expected in rows:
            _, result = result_of({command: info(line)}, call)
            self.assertEqual(result, expected, "%r: %r" % (line, result))

    def test_bare_ok_to_a_read_means_nothing_known(self):
        for call, expected in (
            (lambda m: m.urcs(), None),
            (lambda m: m.mode(), None),
            (lambda m: m.registrations(), []),
            (configs, []),
        ):
            _, result = result_of({}, call)
            self.assertEqual(result, expected)

    def test_setters_send_exactly_this(self):
        for call, command in SETTERS:
            commands, result = result_of({}, call)
            self.assertEqual(commands, [command])
            self.assertIsNone(result)

    def test_commands_end_in_one_carriage_return(self):
        stream, lexi = module()
        lexi.lwm2m.register(123)
        self.assertEqual(stream.written, b"AT+ULWM2MREG=123\r")

    def test_refusals_are_raised(self):
        stream, lexi = module()
        stream.default = b"\r\n+CME ERROR: 50\r\n"
        for call in (
            lexi.lwm2m.urcs,
            lexi.lwm2m.mode,
            lexi.lwm2m.servers,
            lexi.lwm2m.registrations,
            lexi.lwm2m.configs,
            lexi.lwm2m.enable,
            lexi.lwm2m.inhibit,
        ):
            try:
                call()
                self.fail("not raised")
            except CmeError as e:
                self.assertEqual(e.code, 50)

    def test_commands_get_at_least_the_65_seconds_of_the_manual(self):
        for call in (
            lambda m: m.set_urcs(True, 7),
            lambda m: m.urcs(),
            lambda m: m.urc_limits(),
            lambda m: m.registrations(),
            lambda m: m.register(721),
            lambda m: m.servers(),
            lambda m: m.mode(),
            lambda m: m.configs(),
        ):
            stream, lexi = module()
            stream.default = None  # mute
            start_ms = stream.ticks.ms
            text_of(AtTimeout, call, lexi.lwm2m)
            passed_ms = stream.ticks.ms - start_ms
            self.assertTrue(65000 < passed_ms <= 75000, passed_ms)

    def test_several_servers(self):
        lines = [b"+ULWM2MREG: %d,%d" % (i, i % 8) for i in range(1, 41)]
        _, result = result_of({b"AT+ULWM2MREG?": info(*lines)}, lambda m: m.registrations())
        self.assertEqual(result, [(i, i % 8, None) for i in range(1, 41)])

        lines = [b"+ULWM2MCONFIG: %d,0,2,1,1,0,0,0,40,0,0,0" % i for i in range(1, 41)]
        _, result = result_of({b"AT+ULWM2MCONFIG?": info(*lines)}, configs)
        self.assertEqual([row[0] for row in result], list(range(1, 41)))

    def test_unreadable_rows_are_counted_and_left_out(self):
        _stream, lexi = module(
            {
                b"AT+ULWM2MREG?": info(b"+ULWM2MREG: 721", b"+ULWM2MREG: ,3", b"+ULWM2MREG: 1,2"),
                b"AT+ULWM2MCONFIG?": info(
                    b"+ULWM2MCONFIG: 721,0,2,1,1,0,0,0,40,0,0",
                    b"+ULWM2MCONFIG: 123,0,1,,0,0,0,0,40,0,0,0",
                    b"+ULWM2MCONFIG: 102,0,1,1,0,0,0,0,40,0,0,0",
                ),
            }
        )
        self.assertEqual(lexi.lwm2m.registrations(), [(1, 2, None)])
        self.assertEqual(lexi.channel.malformed, 2)
        self.assertEqual([row.server_id for row in lexi.lwm2m.configs()], [102])
        self.assertEqual(lexi.channel.malformed, 4)
        self.assertTrue(lexi.channel.gap)

    def test_registrations_hands_on_lines_in_their_order_with_urcs(self):
        answer = b"\r\n+ULWM2MREG: 721,3\r\n\r\n+ULWM2MSTAT: 1,721,4\r\n\r\nOK\r\n"
        _stream, lexi = module({b"AT+ULWM2MREG?": answer})
        seen = []
        lexi.registry.subscribe(lambda *event: seen.append(event))
        lexi.lwm2m.registrations(lambda *row: seen.append(row))
        self.assertEqual(seen, [(721, 3, None), (1, 721, 4)])


class ValidationTest(unittest.TestCase):
    def refused(self, call, *parts):
        stream, lexi = module({b"AT+ULWM2MCONFIG?": CONFIG_LINES + OK})
        text = text_of(ValueError, call, lexi.lwm2m)
        for part in parts:
            self.assertTrue(part in text, "%r not in %r" % (part, text))
        self.assertEqual(stream.written, b"", text)

    def test_numbers_outside_of_the_manuals_ranges(self):
        for value in (-1, 0, 8, 255, 1 << 40):
            self.refused(lambda m: m.set_urcs(True, value), "mask", repr(value), "1..7")
        for value in (-1, 0, 65536, 1 << 40):
            self.refused(lambda m: m.register(value), "server", repr(value), "1..65535")
        for value in (-1, 2, "yes", None, 1.5, b""):
            self.refused(lambda m: m.set_urcs(value), "enabled", repr(value), "False or True")

    def test_wrong_types(self):
        for value in WRONG_TYPES:
            if value is not None:  # leaves the mask out
                self.refused(lambda m: m.set_urcs(True, value), "mask", repr(value), "1..7")
            self.refused(lambda m: m.register(value), "server", repr(value), "1..65535")

    def test_every_field_of_a_row_below_above_and_of_wrong_type(self):
        for i, (name, lowest, highest) in enumerate(FIELDS):
            limits = "%d..%d" % (lowest, highest)
            for value in wrong_values(lowest, highest):
                row = list(ROW)
                row[i] = value
                self.refused(lambda m: m.set_config(row), name, repr(value), limits)

    def test_every_field_in_change_config(self):
        for name, lowest, highest in FIELDS[1:]:
            limits = "%d..%d" % (lowest, highest)
            for value in wrong_values(lowest, highest):
                fields = {name: value}
                self.refused(lambda m: m.change_config(721, **fields), name, repr(value), limits)

    def test_row_of_wrong_length(self):
        self.refused(lambda m: m.set_config(ROW[:11]), "values", "11", "12")
        self.refused(lambda m: m.set_config(ROW[:11] + ROW[:2]), "values", "13", "12")
        self.refused(lambda m: m.set_config([]), "values", "0", "12")

    def test_fields_that_cannot_be_changed(self):
        self.refused(lambda m: m.change_config(721, uri=1), "uri", "server_disabled")
        self.refused(lambda m: m.change_config(721, server_id=123), "server_id")

    def test_server_outside_of_the_range_is_refused_before_the_rows_are_read(self):
        for value in (0, 65536, "721", None):
            self.refused(
                lambda m: m.change_config(value, server_disabled=1),
                "server",
                repr(value),
                "1..65535",
            )

    def test_a_mask_for_a_family_without_one(self):
        stream, lexi = module(family=NO_MASK)
        text = text_of(ValueError, lexi.lwm2m.set_urcs, True, 7)
        self.assertTrue("mask: 7" in text and "no mask" in text, text)
        self.assertEqual(stream.written, b"")
        lexi.lwm2m.set_urcs(True)
        self.assertEqual(stream.commands, [b"AT+ULWM2MSTAT=1"])


class ConfigTest(unittest.TestCase):
    def setUp(self):
        self.stream, self.lexi = module({b"AT+ULWM2MCONFIG?": CONFIG_LINES + OK})
        self.lwm2m = self.lexi.lwm2m

    def test_fields_are_attributes(self):
        row = self.lwm2m.configs()[0]
        self.assertEqual((row.server_id, row.pdn_ip_type, row.dtls_nat_timer_s), (721, 2, 40))
        self.assertEqual(row.server_disabled, 0)
        self.assertTrue("dtls_nat_timer_s=40" in repr(row), repr(row))
        with self.assertRaises(AttributeError):
            row.uri  # noqa: B018

    def test_one_changed_field_keeps_the_other_eleven(self):
        for i, (name, lowest, highest) in enumerate(FIELDS):
            if i == 0:
                continue
            self.setUp()
            value = highest if ROW[i] != highest else lowest
            row = self.lwm2m.change_config(721, **{name: value})
            expected = list(ROW)
            expected[i] = value
            text = ",".join([str(v) for v in expected]).encode()
            self.assertEqual(
                self.stream.commands, [b"AT+ULWM2MCONFIG?", b"AT+ULWM2MCONFIG=" + text]
            )
            self.assertEqual(row.values, expected, name)

    def test_the_row_of_the_named_server_is_changed(self):
        self.lwm2m.change_config(123, server_disabled=1, cid=8)
        self.assertEqual(self.stream.commands[-1], b"AT+ULWM2MCONFIG=123,0,1,8,0,0,0,0,40,0,0,1")

    def test_a_server_without_a_row(self):
        text = text_of(LexiError, self.lwm2m.change_config, 102, server_disabled=1)
        self.assertTrue("server: 102" in text, text)
        self.assertEqual(self.stream.commands, [b"AT+ULWM2MCONFIG?"])

    def test_server_disabled_2_is_read_but_never_written(self):
        line = b"+ULWM2MCONFIG: 721,0,2,1,1,0,0,0,40,0,0,2"
        self.stream.answers[b"AT+ULWM2MCONFIG?"] = info(line)
        self.assertEqual(self.lwm2m.configs()[0].server_disabled, 2)
        text = text_of(ValueError, self.lwm2m.change_config, 721, cid=2)
        self.assertTrue("server_disabled: 2, expected 0..1" in text, text)
        self.assertEqual(self.stream.commands, [b"AT+ULWM2MCONFIG?"] * 2)
        self.lwm2m.change_config(721, server_disabled=0)
        self.assertEqual(self.stream.commands[-1], b"AT+ULWM2MCONFIG=721,0,2,1,1,0,0,0,40,0,0,0")

    def test_a_refused_write_is_raised(self):
        self.stream.default = b"\r\n+CME ERROR: operation not allowed\r\n"
        with self.assertRaises(CmeError):
            self.lwm2m.change_config(721, server_disabled=1)


class ModeTest(unittest.TestCase):
    def test_enable_says_whether_a_reboot_is_needed(self):
        rows = (
            (b"+ULWM2M: 0", False),
            (b"+ULWM2M: 1", True),
            (b"+ULWM2M: 2", True),
            (b"+ULWM2M: 3", False),
            (b"+ULWM2M: x", True),
        )
        for line, expected in rows:
            commands, result = result_of({b"AT+ULWM2M?": info(line)}, lambda m: m.enable())
            self.assertEqual(result, expected, line)
            self.assertEqual(commands, [b"AT+ULWM2M?", b"AT+ULWM2M=0"])
        self.assertEqual(result_of({}, lambda m: m.enable())[1], True)

    def test_disable_for_good_asks_for_it_to_be_saved(self):
        commands, _ = result_of({}, lambda m: m.disable_for_good())
        self.assertEqual(commands, [b"AT+ULWM2M=1,1"])

    def test_disable_for_good_where_nvm_saved_is_refused(self):
        for refusal in (b"\r\nERROR\r\n", b"\r\n+CME ERROR: 50\r\n"):
            answers = {b"AT+ULWM2M=1,1": refusal}
            commands, _ = result_of(answers, lambda m: m.disable_for_good())
            self.assertEqual(commands, [b"AT+ULWM2M=1,1", b"AT+ULWM2M=1"])

    def test_disable_for_good_where_both_are_refused(self):
        stream, lexi = module()
        stream.default = b"\r\nERROR\r\n"
        with self.assertRaises(AtError):
            lexi.lwm2m.disable_for_good()
        self.assertEqual(stream.commands, [b"AT+ULWM2M=1,1", b"AT+ULWM2M=1"])

    def test_nothing_destructive_is_sent_unasked(self):
        answers = {
            b"AT+ULWM2MSTAT?": info(b"+ULWM2MSTAT: 0,1"),
            b"AT+ULWM2M?": info(b"+ULWM2M: 1"),
            b"AT+ULWM2MREG=?": info(b"+ULWM2MREG: (0,721)"),
            b"AT+ULWM2MREG?": info(b"+ULWM2MREG: 721,16"),
            b"AT+ULWM2MCONFIG?": CONFIG_LINES + OK,
        }
        stream, lexi = module(answers)
        lexi.start()
        for urc in (b"5,1", b"4,0", b"4,7", b"5,4", b"1,721,4", b"0,721,16", b"1,721"):
            stream.send(b"\r\n+ULWM2MSTAT: " + urc + b"\r\n", 10)
            for _ in range(4):
                lexi.poll(1000)
        lexi.poll(2000000)
        m = lexi.lwm2m
        for call in (m.enable, m.inhibit, m.resume, m.servers, m.registrations, m.configs):
            call()
        m.change_config(721, server_disabled=1)
        m.register(721)
        lexi.reboot()
        for i in range(5):
            lexi.poll(900000)
        self.assertTrue(len(stream.commands) > 30)
        for command in stream.commands:
            for forbidden in (b"AT+ULWM2M=1", b"AT+ULWM2M=2", b"AT+ULWM2M=4", b"AT+ULWM2MREG=0"):
                self.assertFalse(command.startswith(forbidden), command)
            self.assertFalse(command.startswith(b"AT+UMNOPROF"), command)


class LimitsTest(unittest.TestCase):
    def test_lists_and_ranges(self):
        rows = (
            (b"(0,1),(1-7)", [((0, 0), (1, 1)), ((1, 7),)]),
            (b" ( 0 , 1 ) , ( 1 - 7 ) ", [((0, 0), (1, 1)), ((1, 7),)]),
            (b"(721)", [((721, 721),)]),
            (b"(0-2,5,7-9)", [((0, 2), (5, 5), (7, 9))]),
        )
        for text, expected in rows:
            self.assertEqual(parse_limits(text), expected)

    def test_allows(self):
        entry = parse_limits(b"(0-2,5)")[0]
        for value, expected in ((-1, 0), (0, 1), (2, 1), (3, 0), (4, 0), (5, 1), (6, 0)):
            self.assertEqual(allows(entry, value), bool(expected), value)

    def test_malformed(self):
        rows = (b"", b"(", b"()", b"(0,1", b"0,1", b"(a)", b"(1-)", b"(-1)", b"(1-2-3)", b"(0,)")
        rows += (b"(0)x", b"(0),(1", b"(0)1(2)", b"\xff", b'("a")')
        for text in rows:
            message = text_of(LexiError, parse_limits, text)
            self.assertTrue("test answer" in message, message)

    def test_malformed_test_answers_of_the_module(self):
        calls = (
            (b"+ULWM2MSTAT", lambda m: m.urc_limits()),
            (b"+ULWM2M", lambda m: m.mode_limits()),
            (b"+ULWM2MREG", lambda m: m.servers()),
            (b"+ULWM2MCONFIG", lambda m: m.config_limits()),
        )
        answers = (b": (0,1", b": (0-x)", b": ()", b": 0,1", b": ", b": (0),(1")
        for name, call in calls:
            for answer in answers:
                _stream, lexi = module({b"AT" + name + b"=?": info(name + answer)})
                text_of(LexiError, call, lexi.lwm2m)
            _stream, lexi = module()  # bare OK
            text = text_of(LexiError, call, lexi.lwm2m)
            self.assertTrue("0 lines" in text, text)
            line = name + b": (0,1)"
            _stream, lexi = module({b"AT" + name + b"=?": info(line, line)})
            text = text_of(LexiError, call, lexi.lwm2m)
            self.assertTrue("2 lines" in text, text)

    def test_servers_of_a_range(self):
        answers = {b"AT+ULWM2MREG=?": info(b"+ULWM2MREG: (0-3,721)")}
        self.assertEqual(result_of(answers, lambda m: m.servers())[1], [1, 2, 3, 721])

    def test_a_range_too_long_to_be_a_list_of_servers(self):
        _stream, lexi = module({b"AT+ULWM2MREG=?": info(b"+ULWM2MREG: (0-65535)")})
        text = text_of(LexiError, lexi.lwm2m.servers)
        self.assertTrue("0-65535" in text, text)


# The seven events, and what they tell: (line, what a subscriber gets).
URCS = (
    (b"0,721,12", (0, 721, 12)),
    (b"1,721,2", (1, 721, 2)),
    (b"2,721,10", (2, 721, 10)),
    (b'3,123,"/3300/0/5700"', (3, 123, 0)),
    (b"4,7", (4, 0, 7)),
    (b"5,1", (5, 0, 1)),
    (b"5,2", (5, 0, 2)),
    (b'6,721,0,"leshan.eclipseprojects.io:5684"', (6, 721, 0)),
    (b"6,721,3,2365,5699", (6, 721, 3)),
    (b"0,1,2", (0, 1, 2)),
    (b"1,7,3", (1, 7, 3)),
    (b"1,1,3,5", (1, 1, 3)),
    (b"1,1,3,0,0,0,0", (1, 1, 3)),
    (b"1,1,3,", (1, 1, 3)),
    (b" 1 , 721 , 3 ", (1, 721, 3)),
    (b"4, 7", (4, 0, 7)),
    (b'"1","721","3"', (1, 721, 3)),
)
R4_URCS = ((b"4, 0", (4, 0, 0)), (b"4,1", (4, 0, 1)))


class AnswerOrUrcTest(unittest.TestCase):
    # +ULWM2MSTAT: is the prefix of the read answer and of every URC.

    def check_order(self, urc, event, lines):
        """Send `lines` to AT+ULWM2MSTAT?, one way in one chunk, one way with pauses."""
        for pause_ms in (0, 5):
            stream, lexi = module()
            stream.default = None
            if pause_ms:
                for i, line in enumerate(lines):
                    stream.send(b"\r\n" + line + b"\r\n", 30 + i * pause_ms)
            else:
                stream.send(b"".join([b"\r\n" + line + b"\r\n" for line in lines]), 30)
            seen = []
            lexi.registry.subscribe(lambda *args: seen.append(args))
            self.assertEqual(lexi.lwm2m.urcs(), (1, 7), urc)
            while stream.due() is not None:
                lexi.channel.pump()
                stream.ticks.ms += 1
            self.assertEqual(seen, [event], urc)
            self.assertEqual(lexi.channel.lost, lexi.channel.doubts, urc)
            self.assertEqual(lexi.channel.unknown, 0, urc)

    def test_every_event_in_every_order(self):
        for urc, event in URCS:
            urc = b"+ULWM2MSTAT: " + urc
            answer = b"+ULWM2MSTAT: 1,7"
            self.check_order(urc, event, (urc, answer, b"OK"))
            self.check_order(urc, event, (answer, urc, b"OK"))
            self.check_order(urc, event, (answer, b"OK", urc))

    def test_all_events_at_once_around_the_answer(self):
        for position in range(len(URCS) + 1):
            lines = [b"+ULWM2MSTAT: " + urc for urc, _ in URCS]
            lines.insert(position, b"+ULWM2MSTAT: 0, 1")
            _stream, lexi = module({b"AT+ULWM2MSTAT?": info(*lines)}, ring_size=2048)
            seen = []
            lexi.registry.subscribe(lambda *args: seen.append(args))
            self.assertEqual(lexi.lwm2m.urcs(), (0, 1), position)
            self.assertEqual(seen, [event for _, event in URCS], position)
            self.assertEqual(lexi.channel.lost, lexi.channel.doubts)

    def test_a_urc_that_waits_in_the_line_when_the_read_is_sent(self):
        for urc, event in URCS:
            stream, lexi = module({b"AT+ULWM2MSTAT?": info(b"+ULWM2MSTAT: 1,1")})
            stream.send(b"\r\n+ULWM2MSTAT: " + urc + b"\r\n")
            seen = []
            lexi.registry.subscribe(lambda *args: seen.append(args))
            self.assertEqual(lexi.lwm2m.urcs(), (1, 1), urc)
            self.assertEqual(seen, [event])

    def test_only_the_exact_shape_is_an_answer(self):
        # Two fields, but none the read command prints: lost URCs, never an answer.
        for line in (b"2,7", b"1,8", b"0,0", b"6,1", b"1,", b",1", b"1", b'1,"a"', b"1,7,"):
            answers = {b"AT+ULWM2MSTAT?": info(b"+ULWM2MSTAT: " + line)}
            _stream, lexi = module(answers)
            self.assertIsNone(lexi.lwm2m.urcs(), line)
            self.assertEqual(lexi.channel.malformed, 1, line)

    def test_the_same_shape_without_a_pending_read_is_no_answer(self):
        stream, lexi = module()
        lexi.channel.feed(b"\r\n+ULWM2MSTAT: 1,7\r\n")
        self.assertEqual(lexi.channel.malformed, 1)
        stream.answers[b"AT+ULWM2MREG?"] = info(b"+ULWM2MSTAT: 1,7", b"+ULWM2MREG: 721,3")
        self.assertEqual(lexi.lwm2m.registrations(), [(721, 3, None)])
        self.assertEqual(lexi.channel.malformed, 2)

    def test_family_without_a_mask(self):
        for urc, event in URCS[:4] + R4_URCS:
            for lines in ((urc, b"1"), (b"1", urc)):
                lines = [b"+ULWM2MSTAT: " + line for line in lines]
                answers = {b"AT+ULWM2MSTAT?": info(*lines)}
                _stream, lexi = module(answers, family=NO_MASK)
                seen = []
                lexi.registry.subscribe(lambda *args: seen.append(args))
                self.assertEqual(lexi.lwm2m.urcs(), (1, None), urc)
                self.assertEqual(seen, [event], urc)

    def test_one_field_is_no_answer_of_a_family_with_a_mask(self):
        answers = {b"AT+ULWM2MSTAT?": info(b"+ULWM2MSTAT: 1")}
        self.assertIsNone(result_of(answers, lambda m: m.urcs())[1])

    def test_urcs_while_the_test_answer_is_pending(self):
        for urc, event in URCS:
            lines = (b"+ULWM2MSTAT: " + urc, b"+ULWM2MSTAT: (0,1),(1-7)")
            for order in (lines, (lines[1], lines[0])):
                _stream, lexi = module({b"AT+ULWM2MSTAT=?": info(*order)})
                seen = []
                lexi.registry.subscribe(lambda *args: seen.append(args))
                limits = lexi.lwm2m.urc_limits()
                self.assertEqual(limits, [((0, 0), (1, 1)), ((1, 7),)], urc)
                self.assertEqual(seen, [event], urc)

    def test_prefixes_that_begin_alike_do_not_mix(self):
        lines = (
            b"+ULWM2MSTAT: 1,721,3",
            b"+ULWM2M: 3",
            b"+ULWM2MREG: 721,4",
            b"+ULWM2MCONFIG: 721,0,2,1,1,0,0,0,40,0,0,0",
        )
        for call, expected in (
            (lambda m: m.mode(), 3),
            (lambda m: m.registrations(), [(721, 4, None)]),
            (configs, [ROW]),
        ):
            stream, lexi = module()
            stream.default = info(*lines)
            self.assertEqual(call(lexi.lwm2m), expected)
            self.assertEqual(lexi.registry.code(721), 3)
            self.assertEqual(lexi.channel.unknown, 2)


if __name__ == "__main__":
    unittest.main()
