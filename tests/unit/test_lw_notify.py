# Observations: when something is sent, as what, and what ends one. Time is injected.

import json
import unittest

from lwm2m.objects import FLOAT, INTEGER, MULTIPLE, STRING, Instance, R, W
from peer import ACK, CON, GET, NON, PUT, RST, TOKEN, Node, message

with open("tests/vectors/lwm2m.json") as file:
    VECTORS = json.load(file)

NAN = float("nan")
DAY_S = 86400
SLACK_S = 0.1
OBSERVED = (10, (3300, 0, 5700))
CANCELLED = (11, (3300, 0, 5700))
LOST = (12, (3300, 0, 5700))


def observing(path="/3300/0/5700", accept=0, attributes=(), **options):
    """A node whose value 20 is observed from second 0."""
    node = Node(**options)
    node.sensor.set(20)
    node.until_registered()
    for where, query in attributes:
        assert node.ask(PUT, where, query=query).code == "2.04"
    answer = node.ask(GET, path, accept=accept, observe=0)
    assert answer.value(6) == 1, answer
    node.heard = []
    node.log = []
    node.events = []
    return node


def play(node, sets, seconds):
    """Set values at seconds; return [(second, value)] of the notifications."""
    begin = node.now()
    for second, value in sets:
        node.run(begin + second - node.now())
        node.sensor.set(value)
        node.run()
    node.run(begin + seconds - node.now())
    return [
        (second - begin, float(heard.payload))
        for second, heard in node.log
        if heard.code == "2.05" and heard.all(6)
    ]


class TruthTest(unittest.TestCase):
    def case(self, query, sets, want, seconds=9, path="/3300/0/5700"):
        attributes = [(path, query)] if query else ()
        got = play(observing(attributes=attributes), sets, seconds)
        self.assertEqual(len(got), len(want), got)
        for (at, value), (second, wanted) in zip(got, want):
            self.assertEqual(value, wanted)
            self.assertTrue(abs(at - second) <= SLACK_S, got)

    def test_vectors(self):
        for vector in VECTORS["notify"]:
            query = ["%s=%s" % pair for pair in vector["attributes"].items()]
            self.case(query, vector["sets"], vector["want"], vector["seconds"])

    def test_the_rest_of_the_table(self):
        for query, sets, want in (
            (["pmax=3"], [(4, 21)], [(3, 20), (4, 21), (7, 21)]),
            (["gt=25", "lt=10"], [(1, 24), (2, 26), (3, 9), (4, 15)], [(2, 26), (3, 9), (4, 15)]),
            (["st=3", "pmin=3"], [(1, 22), (4, 24)], [(4, 24)]),
            (["gt=25", "pmin=3"], [(1, 26), (2, 20)], [(3, 20)]),
            (["gt=20"], [(1, 20), (2, 20.5), (3, 20), (4, 19)], [(2, 20.5), (4, 19)]),
            (["pmax=0"], [(1, 21)], [(1, 21)]),
        ):
            self.case(query, sets, want)

    def test_levels(self):
        self.case(["pmin=3"], [(1, 21)], [(3, 21)], path="/3300")
        self.case(["pmin=3"], [(1, 21)], [(3, 21)], path="/3300/0")
        node = observing(attributes=[("/3300", ["pmin=9"]), ("/3300/0/5700", ["pmin=2"])])
        self.assertEqual(play(node, [(1, 21)], 5), [(2, 21)])
        node = observing("/3300/0", 11542, [("/3300/0/5700", ["pmax=2", "gt=50"])])
        node.run(10)
        self.assertEqual(node.notifications(), [])  # only what stands above the level counts
        node.sensor.set(21)
        node.run()
        self.assertEqual(len(node.notifications()), 1)

    def test_defaults_of_the_server_object(self):
        node = observing()
        node.ask(PUT, "/1/0/2", b"3", ct=0)
        node.ask(PUT, "/1/0/3", b"5", ct=0)
        node.log = []
        self.assertEqual(play(node, [(1, 21)], 9), [(3, 21), (8, 21)])

    def test_attributes_written_later_count_from_the_last_report(self):
        node = observing()
        node.run(1)
        node.ask(PUT, "/3300/0/5700", query=["st=5", "pmax=4"])
        node.log = []
        self.assertEqual(play(node, [(1, 22), (2, 26)], 7)[0], (2, 26))

    def test_nan(self):
        node = observing()
        got = play(node, [(1, NAN), (2, NAN), (3, 21)], 5)
        self.assertEqual([second for second, _ in got], [1, 3])
        node = observing(attributes=[("/3300/0/5700", ["gt=25", "st=3"])])
        self.assertEqual(play(node, [(1, NAN), (2, 26)], 5), [(2, 26)])

    def test_strings_and_multiples(self):
        table = (3442, None, False, (1 << 8 | R | W | STRING, 7 << 8 | R | MULTIPLE | INTEGER))
        other = Instance(table, 0, {1: "a", 7: {0: 1, 1: 5}})
        node = Node(other).until_registered()
        node.ask(PUT, "/3442/0/7/1", query=["gt=10"])
        for i, path in enumerate(("/3442/0/1", "/3442/0/7", "/3442/0/7/1", "/3442")):
            node.ask(GET, path, observe=0, token=bytes((i,)))
        node.heard = []
        for rid, value, tokens in (
            (1, "b", [0, 3]),
            (1, "b", []),
            (7, {0: 1, 1: 6}, [1, 3]),
            (7, {0: 1, 1: 11}, [1, 2, 3]),
            (7, {0: 1}, [1, 3]),
        ):
            other.put(rid, value)
            node.run(1)
            got = sorted(heard.token[0] for heard in node.notifications())
            if value != {0: 1}:
                self.assertEqual(got, tokens, value)
            node.heard = []
        self.assertEqual(node.client.errors, 0)


class ObserveTest(unittest.TestCase):
    def test_numbers_grow_and_roll_over(self):
        node = observing()
        slot = node.client.notifier.slots[0]
        numbers = []
        for i in range(3):
            node.sensor.set(30 + i)
            node.run(1)
            numbers.append(node.notifications()[-1].value(6))
        self.assertEqual(numbers, [2, 3, 4])
        slot.number = (1 << 24) - 1
        node.sensor.set(40)
        node.run()
        self.assertEqual(node.notifications()[-1].value(6), 1)

    def test_format_and_token_stay(self):
        node = observing(accept=112)
        node.sensor.set(22)
        node.run()
        heard = node.notifications()[0]
        self.assertEqual((heard.kind, heard.token, heard.value(12)), (NON, TOKEN, 112))

    def test_again_with_the_same_and_with_another_token(self):
        node = observing()
        self.assertEqual(node.ask(GET, "/3300/0/5700", accept=0, observe=0).value(6), 2)
        self.assertEqual(len(node.client.notifier.slots), 1)
        node.ask(GET, "/3300/0/5700", accept=11542, observe=0, token=b"new")
        self.assertEqual(len(node.client.notifier.slots), 1)
        node.heard = []
        node.sensor.set(1)
        node.run()
        self.assertEqual([heard.token for heard in node.heard], [b"new"])

    def test_a_duplicate_changes_nothing(self):
        node = Node(con=1).until_registered()
        request = node.request(GET, "/3300/0/5700", accept=0, observe=0)
        node.give(request)
        node.run()
        node.answer = False
        node.sensor.set(1)
        node.run()
        node.sensor.set(2)
        node.give(request)  # the answer may get lost, so 2 is not reported by it
        node.run()
        node.answer = True
        node.heard = []
        node.run(10)
        self.assertEqual([heard.payload for heard in node.notifications()], [b"2"])

    def test_refused_observes_leave_nothing(self):
        node = Node().until_registered()
        for path, accept in (("/9", 0), ("/3300/0/5605", 0), ("/3300/0/5700", 50), ("/3300", 0)):
            answer = node.ask(GET, path, accept=accept, observe=0)
            self.assertEqual((answer.code[0], answer.all(6)), ("4", []))
        self.assertEqual(node.client.notifier.slots, [])

    def test_no_room_and_odd_values(self):
        node = Node(observations=1).until_registered()
        self.assertEqual(node.ask(GET, "/3300/0/5700", observe=0).value(6), 1)
        answer = node.ask(GET, "/3300/0/5701", observe=0, token=b"b")
        self.assertEqual((answer.code, answer.all(6)), ("2.05", []))
        for observe in (2, 300, 1 << 23):
            answer = node.ask(GET, "/3300/0/5701", observe=observe, token=b"b")
            self.assertEqual((answer.code, answer.all(6)), ("2.05", []))
        self.assertEqual(len(node.client.notifier.slots), 1)

    def test_cancel_by_get(self):
        node = observing()
        answer = node.ask(GET, "/3300/0/5700", accept=0, observe=1, token=b"other")
        self.assertEqual((answer.code, answer.all(6)), ("2.05", []))
        self.assertEqual(len(node.client.notifier.slots), 1)
        answer = node.ask(GET, "/3300/0/5700", accept=0, observe=1)
        self.assertEqual((answer.code, answer.all(6)), ("2.05", []))
        self.assertEqual(node.events[-1], CANCELLED)
        node.heard = []
        node.sensor.set(1)
        node.run(1000)
        self.assertEqual(node.heard, [])

    def test_an_instance_that_goes(self):
        node = observing()
        node.objects.remove(node.sensor)
        node.client.notifier.slots[0].met = True
        node.run(1)
        self.assertEqual([h.code for h in node.heard if h.token == TOKEN], ["4.04"])
        self.assertEqual(node.client.notifier.slots, [])

    def test_a_value_that_cannot_be_read_is_tried_again(self):
        answers = [1, 1]
        table = (3442, None, False, (2 << 8 | R | INTEGER,))
        other = Instance(table, 0, {2: lambda: answers[0] // answers[1]})
        node = Node(other).until_registered()
        node.client.on_error = lambda error: None
        node.ask(GET, "/3442/0/2", observe=0)
        node.heard = []
        answers[1] = 0
        node.client.notifier.slots[0].met = True
        node.run(60)
        self.assertEqual(node.notifications(), [])
        self.assertTrue(5 <= node.client.errors <= 8, node.client.errors)
        answers[1] = 1
        node.run(11)
        self.assertEqual([heard.payload for heard in node.notifications()], [b"1"])

    def test_a_full_transport(self):
        node = observing()
        node.net.full = True
        node.sensor.set(5)
        node.run(3)
        self.assertEqual(node.client.endpoint.lost, 4)
        node.net.full = False
        node.run(1)
        self.assertEqual([heard.payload for heard in node.notifications()], [b"5"])

    def test_larger_than_a_block(self):
        table = (3442, None, False, (1 << 8 | R | STRING,))
        other = Instance(table, 0, {1: "a" * 700})
        node = Node(other).until_registered()
        answer = node.ask(GET, "/3442/0/1", observe=0)
        self.assertEqual((answer.value(6), answer.value(23)), (1, 8 | 5))
        self.assertEqual(
            node.ask(GET, "/3442/0/1", block2=1 << 4 | 5, token=b"2").payload, b"a" * 188
        )
        for i in (1, 2):
            node.heard = []
            other.put(1, chr(97 + i) * 700)
            node.run()
            heard = node.heard[0]
            self.assertEqual((heard.value(6), heard.value(23)), (1 + i, 8 | 5))
            self.assertEqual(len(heard.payload), 512)
            rest = node.ask(GET, "/3442/0/1", block2=1 << 4 | 5, token=b"3")
            self.assertEqual(rest.payload, bytes((97 + i,)) * 188)
        self.assertEqual(len(node.client.notifier.slots), 1)

    def test_not_before_it_is_registered_and_kept_meanwhile(self):
        for keep, count in ((b"1", 1), (b"0", 0)):
            node = observing()
            node.ask(PUT, "/1/0/6", keep, ct=0)
            node.codes = {"update": "4.00"}
            node.client.update()
            node.run(1)
            self.assertFalse(node.client.is_registered())
            node.heard = []
            node.sensor.set(33)
            node.run(10)
            self.assertEqual(node.notifications(), [])
            node.client.notifier.mark_old = lambda: None
            node.client.registration.started = lambda: None
            node.run(100)
            self.assertEqual(len(node.notifications()), count)


class ConTest(unittest.TestCase):
    def test_policy(self):
        for con, kinds in ((0, [NON] * 6), (1, [CON] * 6), (3, [NON, NON, CON] * 2)):
            node = observing(con=con)
            for i in range(6):
                node.sensor.set(i)
                node.run(1)
            self.assertEqual([heard.kind for heard in node.notifications()], kinds)

    def test_one_a_day(self):
        node = observing()
        node.run(DAY_S)
        self.assertEqual([heard.kind for heard in node.notifications()], [CON])
        for i in range(47):
            node.sensor.set(i)
            node.run(DAY_S / 24)
        kinds = [heard.kind for heard in node.notifications()]
        self.assertTrue(2 <= kinds.count(CON) <= 4, kinds)

    def test_a_value_that_changes_while_a_con_is_pending(self):
        node = observing(con=1)
        node.answer = False
        node.sensor.set(30)
        node.run()
        node.sensor.set(31)
        node.sensor.set(32)
        node.run(1.5)
        self.assertEqual([heard.payload for heard in node.notifications()], [b"30"])
        node.run(1)
        heard = node.notifications()
        self.assertEqual([h.payload for h in heard], [b"30", b"32"])
        self.assertNotEqual(heard[0].mid, heard[1].mid)
        self.assertEqual([h.value(6) for h in heard], [2, 3])
        node.give(message(ACK, 0, heard[0].mid))
        node.run(1)
        node.give(message(ACK, 0, heard[1].mid))
        node.run(100)
        self.assertEqual(len(node.notifications()), 2)
        report = node.client.report("/3300/0/5700")
        self.assertEqual((report.value, report.sent, report.confirmed), (32, 32, 32))

    def test_the_first_value_is_confirmed_when_asked_for(self):
        node = observing()
        report = node.client.report("/3300/0/5700")
        node.run(100)
        self.assertEqual((node.notifications(), report.confirmed), ([], None))
        node.client.confirm()
        node.run(1)
        self.assertEqual([heard.kind for heard in node.notifications()], [CON])
        self.assertEqual(report.confirmed, report.value)

    def test_confirmed_then_the_next_one(self):
        node = observing(con=1)
        node.answer = False
        node.sensor.set(30)
        node.run()
        node.sensor.set(31)
        node.run(1)
        node.give(message(ACK, 0, node.heard[0].mid))
        node.run()
        self.assertEqual([heard.payload for heard in node.notifications()], [b"30", b"31"])
        report = node.client.report("/3300/0/5700")
        self.assertEqual((report.value, report.sent, report.confirmed), (31, 31, 30))

    def test_another_observe_while_a_con_is_pending(self):
        node = observing(con=1)
        node.answer = False
        node.sensor.set(30)
        node.run()
        first = node.heard[0]
        node.ask(GET, "/3300/0/5700", accept=0, observe=0, token=b"new")
        node.heard = []
        node.give(message(ACK, 0, first.mid))
        node.run(100)
        self.assertEqual(node.heard, [])
        node.sensor.set(31)
        node.run()
        self.assertEqual([heard.token for heard in node.notifications()], [b"new"])

    def test_no_answer_for_93_s_loses_it_and_suspects_the_registration(self):
        node = observing(con=1)
        node.answer = False
        node.sensor.set(30)
        node.run(63)
        self.assertTrue(LOST in node.events)
        self.assertEqual(len(node.notifications()), 5)
        self.assertEqual(node.sent("0.02")[0].all(11)[0], b"rd")
        node.answer = True
        node.run(30)
        self.assertEqual(node.rd, 2)  # so that the server observes anew

    def test_answers_are_not_kept_waiting(self):
        node = observing(con=1)
        node.answer = False
        node.sensor.set(30)
        node.run(1)
        self.assertEqual(node.ask(GET, "/3300/0/5701").payload, b"Cel")
        node.client.update()
        node.run(1)
        self.assertEqual(node.sent("0.02"), [])  # one CON at a time


class LossTest(unittest.TestCase):
    def test_rst_to_a_non(self):
        node = observing()
        node.sensor.set(30)
        node.run()
        node.give(message(RST, 0, node.heard[0].mid))
        node.run(9)
        self.assertEqual(node.events, [LOST])
        self.assertEqual(node.client.notifier.slots, [])
        self.assertEqual(node.rd, 1)
        node.run(2)
        self.assertEqual(node.rd, 2)
        self.assertEqual(node.events[-1], (1, None))

    def test_rst_to_a_con_and_to_the_one_before(self):
        node = observing(con=1)
        node.answer = False
        node.sensor.set(30)
        node.run()
        node.give(message(RST, 0, node.heard[0].mid))
        node.run()
        self.assertEqual(node.events, [LOST])
        node = observing()
        for value in (30, 31):
            node.sensor.set(value)
            node.run()
        node.give(message(RST, 0, node.heard[0].mid))
        node.run()
        self.assertEqual(node.events, [LOST])

    def test_the_others_are_asked(self):
        node = Node().until_registered()
        node.ask(GET, "/3300/0/5700", observe=0, token=b"a")
        node.ask(GET, "/3300/0/5701", observe=0, token=b"b")
        node.sensor.set(1)
        node.run()
        node.heard = []
        node.give(message(RST, 0, node.log[-1][1].mid))
        node.run()
        self.assertEqual([(h.kind, h.token) for h in node.notifications()], [(CON, b"b")])

    def test_a_server_that_observes_anew_needs_no_register(self):
        node = observing()
        node.sensor.set(30)
        node.run()
        node.give(message(RST, 0, node.heard[0].mid))
        node.run(5)
        node.ask(GET, "/3300/0/5700", observe=0, token=b"new")
        node.run(1000)
        self.assertEqual(node.rd, 1)

    def test_registers_because_of_losses_are_rare(self):
        node = observing()
        rest = []
        for i in range(100):
            node.heard = []
            node.sensor.set(i)
            node.run()
            for heard in node.notifications():
                node.give(message(RST, 0, heard.mid))
            rd = node.rd
            node.run(300)
            if node.rd > rd:
                rest.append(node.now())
                node.ask(GET, "/3300/0/5700", observe=0, accept=0)
        self.assertTrue(5 < len(rest) < 25, rest)

    def test_a_new_registration_ends_older_observations_only(self):
        node = observing()
        node.codes["register"] = None
        node.client.registration.renew()
        node.run(1)
        node.ask(GET, "/3300/0/5701", observe=0, token=b"early")  # the answer is under way
        node.codes = {}
        node.run(5)
        self.assertEqual([slot.token for slot in node.client.notifier.slots], [b"early"])
        node.client.update()
        node.run(1)
        self.assertEqual(len(node.client.notifier.slots), 1)


class EvidenceTest(unittest.TestCase):
    def test_set_sent_confirmed(self):
        node = observing()
        node.run(5)
        node.net.hold = True
        node.sensor.set(30)
        node.run(3)
        report = node.client.report("/3300/0/5700")
        self.assertEqual((report.value, report.set_s, report.sent), (30, 5, 30))
        self.assertEqual(report.sent_s, 0)
        node.net.release()
        self.assertEqual(report.sent_s, 8)
        self.assertEqual(report.confirmed_s, -1)
        self.assertEqual(node.client.report("/1/0/1").sent_s, -1)

    def test_what_is_reported_within_an_instance_counts(self):
        node = observing("/3300/0", 11542, con=1)
        report = node.client.report("/3300/0/5700")
        self.assertEqual((report.value, report.sent, report.confirmed), (20, None, None))
        node.run(7)
        node.sensor.set(30)
        node.run(1)
        self.assertEqual((report.value, report.sent, report.confirmed), (30, 30, 30))
        self.assertEqual((report.set_s, report.sent_s, report.confirmed_s), (7, 7, 7))
        self.assertEqual(node.client.report("/3300/0").confirmed_s, 7)
        node.client.report("/3300/0/5700", 100)
        node.run(51)
        self.assertEqual(report.confirmed_s, 57)

    def test_age_is_told_once_and_again_after_it_was_good(self):
        node = observing()
        report = node.client.report("/3300/0/5700", 100)
        node.run(49)
        self.assertEqual(node.heard, [])
        node.run(2)
        self.assertEqual([heard.kind for heard in node.notifications()], [CON])
        self.assertEqual(report.confirmed_s, 50)
        node.answer = False
        node.run(400)
        self.assertEqual(node.events.count((15, (3300, 0, 5700))), 1)
        self.assertEqual(node.client.trouble(5000)[1], 1)
        node.answer = True
        node.client.kick()
        node.run()
        self.assertEqual(node.client.trouble(5000), (5000 - (451 - 150), 2))
        node.ask(GET, "/3300/0/5700", observe=0, accept=0)
        node.run(100)
        self.assertEqual(node.client.trouble(5000), None)

    def test_what_is_never_observed_gets_old_too(self):
        node = Node().until_registered()
        node.client.report("/3300/0/5700", 60)
        node.run(61)
        self.assertEqual(node.events[-1], (15, (3300, 0, 5700)))
        self.assertEqual(node.client.trouble(100), (99, 2))
        node.client.send("/3300/0/5700")
        node.run()
        self.assertEqual(node.client.trouble(100), None)

    def test_reports_are_bounded(self):
        node = Node(reports=1).until_registered()
        node.client.report("/3300/0/5700", 60)
        with self.assertRaises(ValueError):
            node.client.report("/3300/0/5701", 60)
        self.assertEqual(node.ask(GET, "/3300/0/5701", observe=0).value(6), 1)
        node.run(61)


if __name__ == "__main__":
    unittest.main()
