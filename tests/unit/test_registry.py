# What the registry makes of every URC and poll, and what it does not.

import time
import unittest

import harness
import transcripts
from atport import blocking as at_blocking
from atport import channel, clock, raw, receiver, settle
from atport.clock import Clock
from lexi import AtTimeout, blocking, codes, registry
from lexi.events import Events
from lexi.registry import Registry

STATUS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 19)
UNKNOWN_STATUS = (17, 18, 20, 31, 32, 99, 255, 65536, 999999999)
ADDRESS = b"leshan.eclipseprojects.io:5684"
WRAP_MS = 1 << 30  # time.ticks_ms of a 32-bit port


class Node:
    """A Lexi that gets its URCs by feed(), and the events its registry told."""

    def __init__(self, subscribe=True, ticks=None, stream=None, **options):
        self.stream = stream or harness.FakeStream(ticks)
        self.lexi = harness.make_lexi(self.stream, **options)
        self.channel = self.lexi.channel
        self.registry = self.lexi.registry
        self.seen = []
        if subscribe:
            self.registry.subscribe(self.hear)

    def hear(self, *event):
        self.seen.append(event)

    def urc(self, *bodies):
        for body in bodies:
            self.channel.feed(b"\r\n+ULWM2MSTAT: " + body + b"\r\n")

    def wait_s(self, seconds):
        self.stream.ticks.ms += seconds * 1000
        self.channel.clock.ms()

    def state(self):
        """Everything known, in a form to compare."""
        known = self.registry
        servers = []
        for i in known.servers():
            s = known.server(i)
            servers.append((i, s.code, s.since_s, s.timer_s, s.timer_at_s, s.connection))
            servers.append((s.connection_at_s, s.sent, s.received, s.address))
        return servers, known.uris(), known.client_status, known.init_status, known.restarts


class StatusTest(unittest.TestCase):
    def test_every_status_code_by_both_events_and_in_every_form(self):
        forms = (b"%d,721,%d", b" %d , 721 , %d ", b'%d,721,"%d"', b'"%d","721","%d"')
        forms += (b"%d,721,%d,0", b"%d,721,%d,", b'%d,721,%d,"x"', b"%d,721,%d,1,2,3,4,5")
        for event in (codes.BOOTSTRAP, codes.REGISTRATION):
            for form in forms:
                for subscribe in (False, True):
                    node = Node(subscribe)
                    for code in STATUS:
                        node.urc(form % (event, code))
                        self.assertEqual(node.registry.code(721), code, form)
                        registered = code in (3, 5, 6, 7)
                        self.assertEqual(node.registry.registered(721), registered)
                        self.assertEqual(node.lexi.registered(721), registered)
                    self.assertEqual(node.channel.lost, 0, form)
                    self.assertEqual(node.registry.servers(), [721])
                    if subscribe:
                        self.assertEqual(node.seen, [(event, 721, code) for code in STATUS])

    def test_a_server_knows_its_code_name_and_class(self):
        node = Node()
        node.wait_s(5)
        node.urc(b"1,721,4")
        server = node.registry.server(721)
        self.assertEqual((server.id, server.code), (721, 4))
        self.assertEqual((server.name, server.status_class), ("registration failed", codes.FAILED))
        self.assertEqual(server.since_s, 5)
        for value in (server.timer_s, server.timer_at_s, server.connection, server.address):
            self.assertIsNone(value)
        for value in (server.connection_at_s, server.sent, server.received):
            self.assertIsNone(value)

    def test_nothing_is_known_of_a_server_never_heard_of(self):
        node = Node()
        self.assertEqual(node.registry.servers(), [])
        self.assertEqual(node.registry.code(721), codes.NO_CODE)
        self.assertIsNone(node.registry.server(721))
        self.assertFalse(node.registry.registered(721))

    def test_a_repeated_code_keeps_the_time_since_when_it_holds(self):
        node = Node()
        node.urc(b"1,721,3")
        since_s = node.registry.server(721).since_s
        for _ in range(3):
            node.wait_s(100)
            node.urc(b"1,721,3", b"0,721,3", b"2,721,50")
            node.registry.put(721, 3)
            self.assertEqual(node.registry.server(721).since_s, since_s)
        node.urc(b"1,721,5")
        self.assertEqual(node.registry.server(721).since_s, since_s + 300)

    def test_servers_are_kept_apart(self):
        node = Node()
        node.urc(b"1,1,3", b"1,65535,4", b"1,0,2", b"2,65535,9")
        found = [node.registry.code(i) for i in (1, 65535, 0)]
        self.assertEqual(found, [3, 4, 2])
        self.assertEqual(node.registry.servers(), [1, 65535, 0])
        self.assertIsNone(node.registry.server(1).timer_s)
        self.assertEqual(node.registry.server(65535).timer_s, 9)

    def test_unknown_codes_are_told_and_change_nothing(self):
        for code in UNKNOWN_STATUS:
            for event in (codes.BOOTSTRAP, codes.REGISTRATION):
                node = Node()
                node.urc(b"1,721,3")
                node.wait_s(10)
                before = node.state()
                node.urc(b"%d,721,%d" % (event, code), b"%d,5,%d" % (event, code))
                self.assertEqual(node.state(), before, code)
                self.assertEqual(node.seen[1:], [(event, 721, code), (event, 5, code)])
                self.assertEqual(node.registry.unknown_codes, 2)
                self.assertEqual(node.channel.lost, 0, code)

    def test_unknown_codes_behind_a_restart(self):
        # 99 is also what stands for a code that is not known.
        for code in UNKNOWN_STATUS:
            for event in (codes.BOOTSTRAP, codes.REGISTRATION):
                node = Node()
                node.urc(b"1,721,3", b"5,1")
                before = node.state()
                node.urc(b"%d,721,%d" % (event, code))
                self.assertEqual(node.state(), before, code)
                self.assertEqual(node.registry.unknown_codes, 1, code)
                self.assertEqual(node.seen[-1], (event, 721, code))

    def test_a_full_table_of_servers_drops_and_counts(self):
        node = Node(max_servers=2)
        node.urc(b"1,1,3", b"1,2,3")
        before = node.state()
        lines = (b"1,3,3", b"0,3,4", b"2,3,60", b"6,3,3", b'6,3,0,"a:1"', b"6,3,3,,")
        for i, line in enumerate(lines):
            node.urc(line)
            self.assertEqual(node.registry.dropped, i + 1, line)
        self.assertEqual(node.state(), before)
        self.assertEqual(len(node.seen), 2)
        self.assertEqual(node.channel.lost, 0)
        node.urc(b"1,2,4")
        self.assertEqual(node.registry.code(2), 4)

    def test_a_server_id_beyond_16_bits_is_dropped_and_counted(self):
        node = Node()
        node.urc(b"1,65536,3", b'3,65536,"/1"', b'6,65536,0,"a:1"')
        self.assertEqual(node.registry.servers(), [])
        self.assertEqual(node.registry.uris(), [])
        self.assertEqual(node.registry.dropped, 3)


class TimerTest(unittest.TestCase):
    def test_timers_with_the_time_they_were_heard_at(self):
        for line in (b"2,721,10", b'2,721,"10"', b" 2 , 721 , 10 ", b"2,721,10,5"):
            for subscribe in (False, True):
                node = Node(subscribe)
                node.wait_s(7)
                node.urc(line)
                server = node.registry.server(721)
                self.assertEqual((server.timer_s, server.timer_at_s), (10, 7), line)
                self.assertEqual(server.code, codes.NO_CODE)
                node.wait_s(20)
                node.urc(b"2,721,0")
                server = node.registry.server(721)
                self.assertEqual((server.timer_s, server.timer_at_s), (0, 27))
                self.assertEqual(node.seen, [(2, 721, 10), (2, 721, 0)] if subscribe else [])

    def test_a_timer_leaves_the_code_alone(self):
        node = Node()
        node.urc(b"1,721,3")
        node.wait_s(3)
        node.urc(b"2,721,86400")
        server = node.registry.server(721)
        self.assertEqual((server.code, server.since_s, server.timer_s), (3, 0, 86400))


class ClientTest(unittest.TestCase):
    def test_every_client_status(self):
        for status in range(8):
            for form in (b"4,%d", b"4, %d", b'4,"%d"', b'"4","%d"', b"4,%d,1", b"4,%d,"):
                node = Node()
                node.urc(form % status)
                self.assertEqual(node.registry.client_status, status, form)
                self.assertEqual(node.seen, [(4, 0, status)], form)
                self.assertEqual(node.registry.restarts, 1 if status == 0 else 0, form)
                self.assertEqual(node.channel.gap, status == 7, form)  # shut down: to be polled

    def test_every_initialization_status(self):
        for status in (1, 2, 3, 4):
            node = Node()
            node.urc(b"5,%d" % status)
            self.assertEqual(node.registry.init_status, status)
            self.assertEqual(node.seen, [(5, 0, status)])
            self.assertEqual(node.registry.restarts, 1 if status == 1 else 0)

    def test_unknown_client_and_initialization_status(self):
        for line, event in (
            (b"4,8", (4, 0, 8)),
            (b"4,99", (4, 0, 99)),
            (b"5,0", (5, 0, 0)),
            (b"5,5", (5, 0, 5)),
        ):
            node = Node()
            node.urc(b"4,5", b"5,2", b"1,721,3")
            before = node.state()
            node.urc(line)
            self.assertEqual(node.state(), before, line)
            self.assertEqual(node.seen[3:], [event])
            self.assertEqual(node.registry.unknown_codes, 1)
            self.assertEqual(node.channel.lost, 0)

    def test_a_restart_forgets_what_was_known(self):
        for sign in (b"5,1", b"4,0"):
            node = Node()
            node.urc(b"1,721,3", b"2,721,60", b'6,721,0,"a:1"', b"6,9,3,10,20", b"1,9,4")
            node.urc(b"4,7", b"5,2")
            node.wait_s(50)
            node.urc(sign)
            known = node.registry
            self.assertEqual(known.restarts, 1)
            self.assertEqual(known.servers(), [721, 9])
            for i in (721, 9):
                server = known.server(i)
                self.assertFalse(known.registered(i))
                self.assertEqual((server.code, server.since_s), (codes.NO_CODE, 50))
                for value in (server.timer_s, server.timer_at_s, server.connection):
                    self.assertIsNone(value)
                for value in (server.connection_at_s, server.sent, server.received):
                    self.assertIsNone(value)
                self.assertIsNone(server.address)
            expected = (None, 1) if sign == b"5,1" else (0, None)
            self.assertEqual((known.client_status, known.init_status), expected)

    def test_a_restart_keeps_the_count_of_notifications(self):
        node = Node()
        node.urc(b'3,721,"/1"', b"5,1", b'3,721,"/1"')
        self.assertEqual(node.registry.notified(721, "/1")[0], 2)

    def test_subscribers_see_the_state_behind_a_restart(self):
        node = Node(subscribe=False)
        node.urc(b"1,721,3")
        found = []
        node.registry.subscribe(lambda *event: found.append(node.registry.code(721)))
        node.urc(b"5,1")
        self.assertEqual(found, [codes.NO_CODE])


class ConnectionTest(unittest.TestCase):
    def check(self, line, status, address, sent, received):
        node = Node()
        node.wait_s(9)
        node.urc(line)
        server = node.registry.server(721)
        found = server.connection, server.address, server.sent, server.received
        self.assertEqual(found, (status, address, sent, received), "%r: %r" % (line, found))
        self.assertEqual(server.connection_at_s, 9)
        self.assertEqual(node.seen, [(6, 721, status)], line)
        self.assertEqual(node.channel.lost, 0, line)

    def test_every_form_of_event_6(self):
        host = ADDRESS.decode()
        rows = (
            (b'6,721,0,"%s"' % ADDRESS, 0, host, None, None),
            (b'6,721,2,"%s"' % ADDRESS, 2, host, None, None),
            (b"6,721,0,%s" % ADDRESS, 0, host, None, None),
            (b' 6 , 721 , 0 , "%s" ' % ADDRESS, 0, host, None, None),
            (b'6,721,0,"a,b:5684"', 0, "a,b:5684", None, None),
            (b'6,721,0,"%s",7' % ADDRESS, 0, host, None, None),
            (b'"6","721","0","%s"' % ADDRESS, 0, host, None, None),
            (b"6,721,1,1254,4588", 1, None, 1254, 4588),
            (b"6,721,3,2365,5699", 3, None, 2365, 5699),
            (b'6,721,3,"2365","5699"', 3, None, 2365, 5699),
            (b"6,721,3,0,0", 3, None, 0, 0),
            (b"6,721,3,2365,5699,7,8", 3, None, 2365, 5699),
            (b"6,721,3,5", 3, None, 5, None),
            (b"6,721,3,,7", 3, None, None, 7),
            (b"6,721,3,x,7", 3, None, None, 7),
            (b'6,721,3,"5",', 3, None, 5, None),
            (b"6,721,0", 0, None, None, None),
            (b"6,721,3", 3, None, None, None),
            (b"6,721,3,", 3, None, None, None),
            (b"6,721,3,,", 3, None, None, None),
            (b'6,721,3,"",""', 3, None, None, None),
            (b'6,721,3,"n/a","n/a"', 3, None, None, None),
            (b"6,721,3,-,-", 3, None, None, None),
            (b'6,721,0,""', 0, None, None, None),
        )
        for row in rows:
            self.check(*row)

    def test_an_address_outlives_the_end_of_its_connection(self):
        node = Node()
        node.urc(b'6,721,0,"a:1"', b"6,721,3,5,6")
        server = node.registry.server(721)
        self.assertEqual((server.connection, server.address), (3, "a:1"))
        self.assertEqual((server.sent, server.received), (5, 6))
        node.urc(b'6,721,0,"b:22"')
        server = node.registry.server(721)
        self.assertEqual((server.address, server.sent, server.received), ("b:22", None, None))

    def test_addresses_are_kept_per_server(self):
        node = Node()
        node.urc(b'6,1,0,"a:1"', b'6,2,0,"bb:22"', b'6,3,0,"c:3"')
        found = [node.registry.server(i).address for i in (1, 2, 3)]
        self.assertEqual(found, ["a:1", "bb:22", "c:3"])

    def test_a_long_address_is_cut(self):
        text = bytes([97 + i % 26 for i in range(200)])
        node = Node()
        node.urc(b'6,721,0,"%s"' % text[:64])
        self.assertEqual(node.registry.server(721).address, text[:64].decode())
        node.urc(b'6,721,0,"%s"' % text, b'6,722,0,"x:1"')
        self.assertEqual(node.registry.server(721).address, text[:64].decode())
        self.assertEqual(node.registry.server(722).address, "x:1")

    def test_an_unknown_connection_status_is_told_and_changes_nothing(self):
        for line in (b"6,721,4", b'6,721,7,"b:2"', b"6,721,99,1,2", b"6,5,4"):
            node = Node()
            node.urc(b'6,721,0,"a:1"')
            before = node.state()
            node.urc(line)
            self.assertEqual(node.state(), before, line)
            self.assertEqual(node.registry.unknown_codes, 1)
            self.assertEqual(len(node.seen), 2)


class NotificationTest(unittest.TestCase):
    def test_every_form_of_event_3(self):
        forms = (b'3,123,"/3300/0/5700"', b' 3 , 123 , "/3300/0/5700" ', b"3,123,/3300/0/5700")
        forms += (b'"3","123","/3300/0/5700"', b'3,123,"/3300/0/5700",1', b'3,123,"/3300/0/5700/"')
        for line in forms:
            for subscribe in (False, True):
                node = Node(subscribe)
                node.wait_s(4)
                node.urc(line)
                self.assertEqual(node.registry.uris(), [(123, "/3300/0/5700", 1, 4)], line)
                self.assertEqual(node.seen, [(3, 123, 0)] if subscribe else [])
                self.assertEqual(node.channel.lost, 0, line)

    def test_count_and_age(self):
        node = Node()
        self.assertEqual(node.registry.notified(123, "/3300/0/5700"), (0, None))
        for _ in range(3):
            node.wait_s(10)
            node.urc(b'3,123,"/3300/0/5700"')
        node.wait_s(5)
        self.assertEqual(node.registry.notified(123, "/3300/0/5700"), (3, 5))
        self.assertEqual(node.registry.notified(123, "/3300/0/5700/"), (3, 5))
        self.assertEqual(node.registry.notified(123, "/3300/0/570"), (0, None))
        self.assertEqual(node.registry.notified(124, "/3300/0/5700"), (0, None))

    def test_a_trailing_slash_is_the_same_uri(self):
        node = Node()
        node.urc(b'3,102,"/5/0/3/"', b'3,102,"/5/0/3"', b'3,102,"/"', b'3,102,"/"')
        found = [(uri, count) for _, uri, count, _ in node.registry.uris()]
        self.assertEqual(found, [("/5/0/3", 2), ("/", 2)])

    def test_the_same_uri_for_two_servers(self):
        node = Node()
        node.urc(b'3,1,"/1"', b'3,2,"/1"', b'3,1,"/2"', b'3,2,"/1"', b'3,2,"/2"')
        found = [(server, uri, count) for server, uri, count, _ in node.registry.uris()]
        self.assertEqual(found, [(1, "/1", 1), (2, "/1", 2), (1, "/2", 1), (2, "/2", 1)])
        self.assertEqual([index for _, _, index in node.seen], [0, 1, 2, 1, 3])

    def test_uris_that_begin_alike(self):
        node = Node()
        node.urc(b'3,1,"/33"', b'3,1,"/3300"', b'3,1,"/3"', b'3,1,"/3300"')
        found = [(uri, count) for _, uri, count, _ in node.registry.uris()]
        self.assertEqual(found, [("/33", 1), ("/3300", 2), ("/3", 1)])

    def test_a_long_uri_is_cut(self):
        node = Node()
        text = b"/3300/0/5700/" + b"7" * 60
        node.urc(b'3,1,"%s"' % text, b'3,1,"%s"' % text)
        self.assertEqual(node.registry.uris(), [(1, text[:32].decode(), 2, 0)])

    def test_a_full_table_drops_and_counts(self):
        node = Node(max_uris=2)
        node.urc(b'3,1,"/1"', b'3,1,"/2"', b'3,1,"/3"', b'3,2,"/1"', b'3,1,"/2"')
        found = [(server, uri, count) for server, uri, count, _ in node.registry.uris()]
        self.assertEqual(found, [(1, "/1", 1), (1, "/2", 2)])
        self.assertEqual(node.registry.dropped, 2)
        self.assertEqual(len(node.seen), 3)
        self.assertEqual(node.channel.lost, 0)

    def test_an_index_that_does_not_exist(self):
        node = Node()
        node.urc(b'3,1,"/1"')
        self.assertEqual(node.registry.uri(0)[1], "/1")
        for index in (-1, 1, 99):
            with self.assertRaises(ValueError):
                node.registry.uri(index)

    def test_a_notification_says_nothing_of_the_registration(self):
        node = Node()
        node.urc(b"1,721,4", b'3,721,"/1"', b'3,9,"/1"')
        self.assertEqual(node.registry.code(721), 4)
        self.assertEqual(node.registry.servers(), [721])


MALFORMED = (
    b"",
    b",",
    b",,",
    b"1",
    b"1,",
    b"1,721",
    b"1,721,",
    b"1,,3",
    b",721,3",
    b"1,721,x",
    b"1,x,3",
    b"x,721,3",
    b'"",721,3',
    b"1,721,3 4",
    b"1,721,3.0",
    b"1,721,0x3",
    b"1,721,-3",
    b"1,-721,3",
    b"-1,721,3",
    b"1,721,1234567890",
    b"1,1234567890,3",
    b"0,721",
    b"0,721,",
    b"2,721",
    b"2,721,",
    b"2,721,-1",
    b"2,721,x",
    b"3",
    b"3,123",
    b"3,123,",
    b'3,123,""',
    b"3,123,5",
    b'3,123,"5"',
    b'3,,"/1"',
    b'3,x,"/1"',
    b'3,-1,"/1"',
    b"4",
    b"4,",
    b"4,x",
    b"4,-1",
    b"5",
    b"5,",
    b"5,-1",
    b'5,"x"',
    b"6",
    b"6,721",
    b"6,721,",
    b"6,721,x",
    b'6,721,"a:1"',
    b'6,,0,"a:1"',
    b'6,721,-1,"a:1"',
    b'6,-721,0,"a:1"',
    b"6,-721,3",
    b"6,721,-3,1,2",
    b"7",
    b"9,",
    b"9,-1",
    b"(0,1),(1-7)",
)
UNDECODABLE = (
    b'3,123,"/3300/0/57',
    b"1,721,\x013",
    b"1,7\xff1,3",
    b'3,123,"/1"x',
    b'6,721,0,"a:1',
)


class LossTest(unittest.TestCase):
    def check(self, line, counter):
        for subscribe in (False, True):
            node = Node(subscribe)
            node.urc(b"1,721,3", b"2,721,60", b'6,721,0,"z:9"', b'3,123,"/9"', b"4,5", b"5,2")
            before = node.state()
            heard = len(node.seen)
            self.assertFalse(node.channel.gap)
            node.urc(line)
            self.assertEqual(getattr(node.channel, counter), 1, line)
            self.assertEqual(node.channel.lost, 1, line)
            self.assertTrue(node.channel.gap, line)
            self.assertEqual(node.state(), before, line)
            self.assertEqual(len(node.seen), heard, line)
            self.assertEqual(node.channel.handler_errors, 0, line)
            node.urc(b"1,721,5")
            self.assertEqual(node.registry.code(721), 5, "not served behind %r" % line)

    def test_malformed_lines_are_counted_and_change_nothing(self):
        for line in MALFORMED:
            self.check(line, "malformed")

    def test_undecodable_lines_are_counted_and_change_nothing(self):
        for line in UNDECODABLE:
            self.check(line, "undecodable")

    def test_an_overlong_line_is_counted_and_changes_nothing(self):
        self.check(b"1,721,4," + b"5" * 600, "overlong")
        self.check(b'3,123,"/' + b"5" * 600 + b'"', "overlong")

    def test_every_truncation_of_a_urc_is_lost_or_a_shorter_urc(self):
        # A cut number cannot be told from a number; all other cuts are noticed.
        for line, decodable in ((b"1,721,3", (7,)), (b'3,123,"/33/0/1"', (15,)), (b"5,2", (3,))):
            for size in range(len(line)):
                if size in decodable:
                    continue
                node = Node()
                node.urc(line[:size])
                self.assertEqual(node.channel.lost, 1, line[:size])
                self.assertEqual(node.seen, [], line[:size])

    def test_bytes_dropped_by_a_full_buffer_are_a_gap(self):
        uart = transcripts.Uart(64)
        node = Node(stream=uart, rxbuf=64, flow=False)
        uart.push(b"\r\n+ULWM2MSTAT: 1,721,3\r\n" * 20)
        while node.channel.pump():
            pass
        self.assertTrue(node.channel.overrun > 0)
        self.assertTrue(node.channel.gap)
        self.assertEqual(node.registry.code(721), 3)

    def test_unknown_events_are_told_and_change_nothing(self):
        rows = (
            (b"7,721,3", (7, 721, 3)),
            (b"9,5", (9, 5, -1)),
            (b"99,1,2,3,4,5", (99, 1, 2)),
            (b'8,721,"x"', (8, 721, -1)),
            (b"8,721,", (8, 721, -1)),
            (b"7,1,-2", (7, 1, -2)),
        )
        for line, event in rows:
            node = Node()
            node.urc(b"1,721,3")
            before = node.state()
            node.urc(line)
            self.assertEqual(node.state(), before, line)
            self.assertEqual(node.seen[1:], [event], line)
            self.assertEqual(node.registry.unknown_events, 1)
            self.assertEqual(node.channel.lost, 0, line)


class PollTest(unittest.TestCase):
    def test_an_interval_counts_only_with_a_registered_status(self):
        for code in STATUS:
            node = Node()
            node.registry.put(721, code, 175)
            server = node.registry.server(721)
            self.assertEqual(server.code, code)
            self.assertEqual(server.timer_s, 175 if code in (3, 5, 6, 7) else None, code)

    def test_without_an_interval_the_known_timer_stays(self):
        node = Node()
        node.registry.put(721, 3, 175)
        node.wait_s(10)
        node.registry.put(721, 3)
        server = node.registry.server(721)
        self.assertEqual((server.timer_s, server.timer_at_s), (175, 0))
        node.registry.put(721, 3, 100)
        server = node.registry.server(721)
        self.assertEqual((server.timer_s, server.timer_at_s), (100, 10))

    def test_answers_of_the_read_command(self):
        rows = (
            (b"+ULWM2MREG: 721,2,175", 2, None),
            (b"+ULWM2MREG: 721,3,86281", 3, 86281),
            (b"+ULWM2MREG: 721,3", 3, None),
            (b"+ULWM2MREG: 721,0", 0, None),
            (b"+ULWM2MREG: 721,4", 4, None),
            (b"+ULWM2MREG: 721, 5, 0", 5, 0),
        )
        for line, code, timer_s in rows:
            node = Node()
            node.stream.answers[b"AT+ULWM2MREG?"] = b"\r\n" + line + b"\r\n\r\nOK\r\n"
            node.lexi.monitor.poll()
            server = node.registry.server(721)
            self.assertEqual((server.code, server.timer_s), (code, timer_s), line)

    def test_subscribers_hear_of_a_poll(self):
        node = Node()
        node.registry.put(721, 3, 175)
        self.assertEqual(node.seen, [(1, 721, 3), (2, 721, 175)])

    def test_unknown_and_impossible_values_of_a_poll(self):
        node = Node()
        node.registry.put(721, 3, 60)
        before = node.state()
        node.registry.put(721, 18, 5)
        self.assertEqual(node.registry.unknown_codes, 1)
        node.registry.put(721, -1)
        node.registry.put(721, 3, -1)
        self.assertEqual(node.channel.malformed, 2)
        self.assertEqual(node.state(), before)


class SubscriberTest(unittest.TestCase):
    def test_in_the_order_of_their_subscription_and_with_the_new_state(self):
        node = Node(subscribe=False)
        seen = []
        for name in ("a", "b", "c"):
            node.registry.subscribe(
                lambda e, s, v, name=name: seen.append((name, v, node.registry.code(s)))
            )
        node.channel.feed(b"\r\n+ULWM2MSTAT: 1,721,2\r\n\r\n+ULWM2MSTAT: 1,721,3\r\n")
        expected = [(name, code, code) for code in (2, 3) for name in ("a", "b", "c")]
        self.assertEqual(seen, expected)

    def test_one_that_raises_keeps_nothing_from_the_others(self):
        node = Node(subscribe=False)
        error = RuntimeError("subscriber")

        def fail(*event):
            raise error

        told = []
        node.channel.on_error = told.append
        node.registry.subscribe(fail)
        node.registry.subscribe(node.hear)
        lines = (b"1,721,3", b"2,721,5", b'3,721,"/1"', b"4,7", b"5,2", b"6,721,3", b"9,1,2")
        node.urc(*lines)
        self.assertEqual(len(node.seen), len(lines))
        self.assertEqual(node.channel.handler_errors, len(lines))
        self.assertEqual(told, [error] * len(lines))

    def test_unsubscribe(self):
        node = Node()
        node.urc(b"1,721,3")
        node.registry.unsubscribe(node.hear)
        node.urc(b"1,721,4", b"4,7")
        self.assertEqual(node.seen, [(1, 721, 3)])
        self.assertEqual(node.registry.code(721), 4)
        with self.assertRaises(ValueError):
            node.registry.unsubscribe(node.hear)

    def test_one_that_ends_its_own_subscription_takes_nothing_from_the_next(self):
        node = Node(subscribe=False)
        seen = []

        def once(*event):
            seen.append("once")
            node.registry.unsubscribe(once)

        node.registry.subscribe(once)
        node.registry.subscribe(lambda *event: seen.append("always"))
        node.channel.feed(b"\r\n+ULWM2MSTAT: 1,721,2\r\n\r\n+ULWM2MSTAT: 1,721,3\r\n")
        self.assertEqual(seen, ["once", "always", "always"])

    def test_one_that_subscribes_another(self):
        node = Node(subscribe=False)
        node.registry.subscribe(
            lambda *event: node.registry.subscribe(node.hear) if event[2] == 2 else None
        )
        node.urc(b"1,721,2", b"1,721,3")
        self.assertEqual(node.seen, [(1, 721, 3)])

    def test_who_watches_is_woken_by_a_restart(self):
        node = Node()
        woken = harness.blocking.Runtime.signal()
        node.registry.watch(woken)
        for line, waits in ((b"1,721,2", [1]), (b"2,721,5", [1]), (b"5,1", []), (b"4,0", [])):
            woken.clear()
            node.urc(line)
            self.assertEqual(list(woken.wait_ms(1)), waits, line)


class EventsTest(unittest.TestCase):
    def test_every_event_in_order(self):
        node = Node(subscribe=False)
        events = node.lexi.events()
        node.urc(b"1,721,3", b"2,721,60", b'3,721,"/1"', b"4,7", b"6,721,3", b"9,1,-5")
        found = [node.lexi.run(events.__anext__()) for _ in range(6)]
        expected = [(1, 721, 3), (2, 721, 60), (3, 721, 0), (4, 0, 7), (6, 721, 3), (9, 1, -5)]
        self.assertEqual(found, expected)
        self.assertEqual(events.dropped, 0)

    def test_a_full_queue_drops_the_oldest_and_counts(self):
        stream = harness.FakeStream()
        lexi = harness.make_aio_lexi(stream)
        events = lexi.events(size=3)

        async def main():
            for i in range(5):
                lexi.channel.feed(b"\r\n+ULWM2MSTAT: 2,721,%d\r\n" % i)
            found = []
            async for _, _, value in events:
                found.append(value)
                if value == 4:
                    break
            for i in range(5, 8):  # exactly full, over the end of the ring
                lexi.channel.feed(b"\r\n+ULWM2MSTAT: 2,721,%d\r\n" % i)
            async for _, _, value in events:
                found.append(value)
                if value == 7:
                    return found

        self.assertEqual(harness.run_asyncio(main(), stream), [2, 3, 4, 5, 6, 7])
        self.assertEqual(events.dropped, 2)

    def test_async_for_waits_for_the_next_event(self):
        stream = harness.FakeStream(answers=ANSWERS)
        lexi = harness.make_aio_lexi(stream)

        async def main():
            await lexi.start()
            events = lexi.events()
            start_ms = stream.ticks.ms
            stream.send(b"\r\n+ULWM2MSTAT: 1,721,4\r\n", 7200000)
            found = None
            async for event in events:
                found = event
                break
            lexi.stop()
            return found, stream.ticks.ms - start_ms

        event, passed_ms = harness.run_asyncio(main(), stream)
        self.assertEqual(event, (1, 721, 4))
        self.assertEqual(passed_ms, 7200000)

    def test_two_queues_and_close(self):
        node = Node(subscribe=False)
        first = node.lexi.events(size=1)
        second = node.lexi.events(size=4)
        node.urc(b"1,721,2", b"1,721,3")
        first.close()
        node.urc(b"1,721,4")
        self.assertEqual((first.dropped, second.dropped), (1, 0))
        self.assertEqual(node.lexi.run(first.__anext__()), (1, 721, 3))
        found = [node.lexi.run(second.__anext__())[2] for _ in range(3)]
        self.assertEqual(found, [2, 3, 4])

    def test_sizes_that_cannot_work(self):
        node = Node()
        for size in (0, -1, 1001):
            with self.assertRaises(ValueError):
                node.lexi.events(size)


ANSWERS = {
    b"AT+ULWM2MSTAT?": b"\r\n+ULWM2MSTAT: 1,7\r\n\r\nOK\r\n",
    b"AT+ULWM2M?": b"\r\n+ULWM2M: 0\r\n\r\nOK\r\n",
    b"AT+ULWM2MREG=?": b"\r\n+ULWM2MREG: (0,721)\r\n\r\nOK\r\n",
    b"AT+ULWM2MREG?": b"\r\n+ULWM2MREG: 721,2\r\n\r\nOK\r\n",
}


class WaitTest(unittest.TestCase):
    def wait(self, timeout_s, scheduled=(), offset_ms=0):
        """wait_registered() in both runtimes: what it returned, and after how many ms."""
        results = []
        for new_port in harness.PORTS:
            stream = harness.FakeStream()
            port = new_port(stream)
            stream.ticks.ms += offset_ms
            for after_ms, line in scheduled:
                stream.send(b"\r\n+ULWM2MSTAT: " + line + b"\r\n", after_ms)
            start_ms = stream.ticks.ms
            registry = getattr(port.lexi, "_target", port.lexi).registry
            result = port.run(registry.wait_registered(721, timeout_s))
            results.append((result, stream.ticks.ms - start_ms))
        return results

    def test_true_as_soon_as_the_server_is_registered(self):
        lines = ((1000, b"1,721,1"), (2000, b"1,721,2"), (3500, b"1,721,3"), (3600, b"1,721,4"))
        self.assertEqual(self.wait(60, lines), [(True, 3500)] * 2)

    def test_true_for_every_code_of_a_registered_server(self):
        for code in (3, 5, 6, 7):
            self.assertEqual(self.wait(60, ((10, b"1,721,%d" % code),)), [(True, 10)] * 2)

    def test_false_after_exactly_the_timeout(self):
        for timeout_s in (0.5, 1, 1.25, 60, 7201):
            for offset_ms in (0, 400, 999):
                found = self.wait(timeout_s, (), offset_ms)
                self.assertEqual(found, [(False, int(timeout_s * 1000))] * 2, offset_ms)

    def test_false_although_other_things_happen(self):
        lines = [(100 + i * 10, b"2,721,%d" % i) for i in range(50)]
        lines += [(700 + i, b"1,722,3") for i in range(3)]
        found = self.wait(1, lines)
        self.assertEqual(found, [(False, 1000)] * 2)

    def test_no_time_at_all(self):
        self.assertEqual(self.wait(0), [(False, 0)] * 2)

    def test_times_that_make_no_sense(self):
        node = Node()
        for timeout_s in (-1, None, "5"):
            for waiter in (node.lexi, node.registry):
                try:
                    waiter.wait_registered(721, timeout_s)
                    self.fail("%r is taken" % timeout_s)
                except ValueError as e:
                    self.assertIn("timeout_s: %r" % timeout_s, str(e))

    def test_a_wrapped_registry_waits_too(self):
        self.assertFalse(Node().lexi.registry.wait_registered(721, 3))

    def test_a_server_that_is_registered_already(self):
        node = Node()
        node.urc(b"1,721,3")
        self.assertTrue(node.lexi.wait_registered(721, 0))
        self.assertFalse(node.lexi.wait_registered(722, 0))


class Ticks32:
    """time.ticks_ms of a 32-bit port."""

    def __init__(self, ms=1000):
        self.ms = ms

    def __call__(self):
        return self.ms & (WRAP_MS - 1)


class Time32:
    """The module time as a 32-bit port has it: ticks wrap at 2**30."""

    def __init__(self):
        self.ticks_ms = time.ticks_ms
        self.sleep_ms = time.sleep_ms

    def ticks_add(self, ticks, delta):
        return (ticks + delta) & (WRAP_MS - 1)

    def ticks_diff(self, a, b):
        return (a - b + WRAP_MS // 2) % WRAP_MS - WRAP_MS // 2


class YearsTest(unittest.TestCase):
    MODULES = (at_blocking, blocking, channel, clock, raw, receiver, registry, settle)

    def setUp(self):
        for module in self.MODULES:
            module.time = Time32()

    def tearDown(self):
        for module in self.MODULES:
            module.time = time

    def test_the_fake_wraps(self):
        ticks = Ticks32(WRAP_MS - 1)
        before = ticks()
        ticks.ms += 2
        self.assertEqual((before, ticks()), (WRAP_MS - 1, 1))
        self.assertEqual(Time32().ticks_diff(ticks(), before), 2)
        self.assertEqual(Time32().ticks_diff(before, ticks()), -2)

    def test_seconds_run_on_over_every_wrap(self):
        ticks = Ticks32()
        years = Clock(ticks)
        days = 5 * 365
        for _ in range(days):
            ticks.ms += 86400000
            years.ms()
        self.assertEqual(years.s, days * 86400)
        ticks.ms += 999
        years.ms()
        self.assertEqual(years.s, days * 86400)
        ticks.ms += 1
        years.ms()
        self.assertEqual(years.s, days * 86400 + 1)

    def test_a_node_runs_for_three_years(self):
        node = Node(ticks=Ticks32())
        node.stream.answers = dict(ANSWERS)
        node.lexi.start()
        days = 3 * 365
        for day in range(1, days + 1):
            code = 3 + 2 * (day % 2)
            polled = b"\r\n+ULWM2MREG: 721,%d,175\r\n\r\nOK\r\n" % code
            node.stream.answers[b"AT+ULWM2MREG?"] = polled
            node.stream.send(b"\r\n+ULWM2MSTAT: 1,721,%d\r\n" % code, 43200000)
            node.lexi.poll(43200000)
            self.assertEqual(node.registry.code(721), code, day)
            since_s = node.registry.server(721).since_s
            self.assertTrue(abs(since_s - day * 43200) < 100 + day, since_s)
            while node.stream.due() is not None:
                node.lexi.poll(1000)
            node.stream.commands.clear()
            node.stream.sent_ms.clear()
            node.stream.written = b""
            node.seen.clear()
        self.assertEqual(node.lexi.monitor.failures, 0)

    def test_a_silence_of_any_length_does_not_hold_a_command_back(self):
        for days in (5, 7, 10, 13):
            node = Node(ticks=Ticks32())
            node.stream.answers = ANSWERS
            node.lexi.start()
            for _ in range(days):
                node.stream.ticks.ms += 86400000
                node.channel.clock.ms()
            start_ms = node.stream.ticks.ms
            node.lexi.monitor.poll()
            self.assertTrue(node.stream.ticks.ms - start_ms < 100, days)

    def test_waits_and_deadlines_across_the_wrap(self):
        for before_ms in (1, 500, 5000):
            node = Node(ticks=Ticks32(WRAP_MS - before_ms))
            start_ms = node.stream.ticks.ms
            self.assertFalse(node.lexi.wait_registered(721, 10))
            self.assertEqual(node.stream.ticks.ms - start_ms, 10000)

            node = Node(ticks=Ticks32(WRAP_MS - before_ms))
            node.stream.answers = {b"AT+ULWM2MREG?": None}
            start_ms = node.stream.ticks.ms
            with self.assertRaises(AtTimeout):
                node.lexi.monitor.poll()
            self.assertTrue(node.stream.ticks.ms - start_ms >= 70000)


class SizesTest(unittest.TestCase):
    def test_sizes_that_cannot_work(self):
        limits = (("max_servers", 1, 1000), ("max_uris", 1, 1000))
        limits += (("uri_size", 8, 255), ("address_size", 8, 255))
        node = Node()
        runtime = harness.FakeRuntime(node.stream)
        for name, lowest, highest in limits:
            for value in (lowest - 1, highest + 1, -1, 0):
                try:
                    Registry(node.channel, runtime, **{name: value})
                    self.fail("%s=%d is taken" % (name, value))
                except ValueError as e:
                    expected = "%s: %d, expected %d..%d" % (name, value, lowest, highest)
                    self.assertTrue(str(e).startswith(expected), str(e))
        for name in ("max_servers", "max_uris"):
            with self.assertRaises(ValueError):
                Node(**{name: 0})

    def test_a_server_of_which_nothing_is_known_makes_room(self):
        node = Node(max_servers=2)
        node.urc(b"1,721,3", b"1,7,3")  # 7 is 721, garbled
        node.registry.keep_only([721])
        node.urc(b"1,102,3")
        self.assertEqual(sorted(node.registry.servers()), [102, 721])
        self.assertEqual(node.registry.dropped, 0)
        node.urc(b"1,103,3")
        self.assertEqual(sorted(node.registry.servers()), [102, 721])
        self.assertEqual(node.registry.dropped, 1)

    def test_small_and_large_tables(self):
        for size in (1, 2, 200):
            node = Node(subscribe=False, max_servers=size, max_uris=size)
            for i in range(size + 1):
                node.urc(b"1,%d,3" % i, b'3,%d,"/1"' % i)
            self.assertEqual(node.registry.servers(), list(range(size)))
            self.assertEqual([row[0] for row in node.registry.uris()], list(range(size)))
            self.assertEqual(node.registry.dropped, 2)


if __name__ == "__main__":
    unittest.main()
