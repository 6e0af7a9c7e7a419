# Facts of the ladder that a scenario does not show: what it takes, that deciding changes nothing
# and allocates nothing, what holds a step back and how that is told, what can be forced.

import unittest

import harness
from fake_node import Chance, Node, least, most, most_in

from lexi import codes, describe
from lexi.recovery import booking, policy, store, texts
from lexi.recovery.budget import Budgets
from lexi.recovery.case import Case
from lexi.recovery.ladder import decide
from lexi.recovery.policies import GENTLE, VERIZON
from lexi.recovery.texts import STEPS
from lexi.recovery.policy import (
    CAP,
    DEAD_PORT,
    DEFAULT,
    DENIED,
    DETACHED,
    DIAGNOSE,
    DISABLED,
    ENABLE_SERVER,
    FORCED,
    FOTA,
    GAVE_UP,
    HALFWAY,
    LATER,
    MODULE_TRIES,
    NEVER,
    NONE,
    NO_PINS,
    NO_SERVERS,
    PARK,
    PAUSE,
    PIN_RESET,
    POLL,
    POWER_CYCLE,
    RADIO_CAP,
    RADIO_OFF,
    RADIO_ON,
    REGISTER,
    RESUME,
    SERVER_MISSING,
    SOFT_RESET,
    SPACING,
    START,
    STEP_PARKED_REGISTER,
    STEP_PARKED_RESET,
    STEP_PAUSE,
    STEP_PINS,
    STEP_RADIO,
    STEP_REGISTER,
    STEP_RESET,
    WAIT,
    WELL,
)

HOUR_S = 3600
QUIET_S = policy.DEFAULT["quiet_s"]
DAY_S = 86400
BOOT_S = 420  # no verdict on a registration so long after a boot

ACTIONS = (
    "NONE POLL DIAGNOSE REGISTER PAUSE RESUME RADIO_OFF RADIO_ON SOFT_RESET PIN_RESET POWER_CYCLE"
    " ENABLE_SERVER PARK SWITCH_ON KICK"
)
REASONS = (
    "WELL BOOT MODULE_TRIES GAVE_UP STUCK OWN_RETRY OVERDUE DEAD_END ILLEGAL UNKNOWN_CODE FROZEN"
    " CLOSED UNSEEN LOST_URC DETACHED DENIED SIM_FAULT SIM_LOCK DEAD_PORT NO_PINS PRODUCTION"
    " INIT_FAILED INIT_HANGS CLIENT_IDLE DISABLED NO_SERVERS SERVER_MISSING SERVER_DISABLED"
    " RADIO_WAS_OFF WAS_PAUSED EXHAUSTED OTHERS_WELL FORCED WAIT START SPACING CAP RADIO_CAP FOTA"
    " HALFWAY VETO PAUSED RESULT NO_ANSWER NOT_ANSWERED LEFT_ALONE REPORTS"
)


def told(decision):
    """A decision without its time, in words."""
    return "%s, %s because: %s" % (
        texts.ACTIONS[decision.action],
        texts.ACTIONS[decision.pending],
        texts.REASONS[decision.held_by or decision.reason],
    )


def state(case, now_s):
    """All that a case knows, as text."""
    parts = [store.pack(case.budgets, now_s)]
    for thing in [case, case.view, case.bootstrap] + case.servers:  # noqa: RUF005
        for name, value in sorted(thing.__dict__.items()):
            if value is None or type(value) in (int, bool, tuple):
                parts.append((name, value))
    return repr(parts)


def run_until(node, what, until_s):
    """Let time pass until what() holds; whether it did."""
    while not what() and node.now_s < until_s:
        node.run(node.now_s + 1)
    return what()


def gave_up(node, *servers):
    """The module gives up on these servers whatever is done."""

    def again(action, server):
        for each in servers:
            if action != REGISTER or each == server:
                node.see(each, 4)

    node.react = again
    for each in servers:
        node.see(each, 4)


# Situations: functions that bring a new Node into them.


def is_well(node):
    node.registered(721)


def is_registered_without_timer(node):
    node.see(721, 3)


def is_trying(node):
    for i in range(60):
        node.at(30 * i, node.see, 721, 1 + i % 2)


def is_failed(node):
    gave_up(node, 721)


def is_failed_and_silent(node):
    node.see(721, 4)


def is_unknown(node):
    pass


def one_of_two_is_failed(node):
    node.case.watch((721, 123))
    node.registered(721)
    gave_up(node, 123)


def is_detached(node):
    node.found["attached"] = False


def is_detached_for_a_while(node):
    node.registered(721, 5000)
    node.at(1000, node.tell, "attached", False)
    node.at(9000, node.tell, "attached", True)


def is_denied(node):
    node.found["attached"] = False
    node.found["denied"] = True


def sim_failed(node):
    node.found["sim"] = policy.SIM_FAILED


def sim_locked(node):
    node.found["sim"] = policy.SIM_LOCKED


def radio_is_off(node):
    node.found["radio_on"] = False


def is_paused(node):
    node.found["mode"] = codes.MODE_INHIBITED


def is_disabled(node):
    node.found["mode"] = codes.MODE_DISABLED


def server_is_disabled(node):
    node.found["disabled"] = (721,)


def server_is_missing(node):
    node.found["missing"] = (721,)


def has_no_servers(node):
    node.case.watch(())


def port_is_dead(node):
    node.view.reachable = False


def port_is_dead_without_pins(node):
    node.view.reachable = False
    node.view.pins = 0


def nothing_is_known(node):
    node.view.reachable = None


def update_is_running(node):
    node.see(721, 4)
    node.case.budgets.fota_sign(100, False)


def step_is_half_done(node):
    node.budgets.set_mark(policy.MARK_PAUSED, 0)


def client_ended_dead(node):
    node.see(721, 1)
    node.at(500, node.client, 1)


def client_is_silent(node):
    node.registered(721)
    node.at(5000, node.client, 6)


def init_hangs(node):
    node.at(1000, node.init, 1)


def init_failed(node):
    node.at(1000, node.init, 1)
    node.at(1010, node.init, 4)


def is_in_production(node):
    node.at(1000, node.init, 3)


def bootstrap_failed(node):
    node.case.see(0, 7, 15)
    node.case.see(0, 7, 16)


def bootstrap_goes_on(node):
    node.case.see(0, 7, 11)


def jumped(node):
    node.registered(721)
    node.at(1000, node.see, 721, 2)


def said_an_unknown_code(node):
    node.registered(721)
    for at_s in range(1000, 9000, 700):
        node.at(at_s, node.case.see, at_s, 721, 18)


def timer_is_frozen(node):
    node.registered(721, 5000)
    for at_s in range(1000, 2000, 130):
        node.at(at_s, node.case.server(721).timer, at_s, 175)


def is_forced(node):
    node.registered(721)
    node.at(1000, node.case.force, STEP_RESET)


SITUATIONS = (
    is_well,
    is_registered_without_timer,
    is_trying,
    is_failed,
    is_failed_and_silent,
    is_unknown,
    one_of_two_is_failed,
    is_detached,
    is_detached_for_a_while,
    is_denied,
    sim_failed,
    sim_locked,
    radio_is_off,
    is_paused,
    is_disabled,
    server_is_disabled,
    server_is_missing,
    has_no_servers,
    port_is_dead,
    port_is_dead_without_pins,
    nothing_is_known,
    update_is_running,
    step_is_half_done,
    client_ended_dead,
    client_is_silent,
    init_hangs,
    init_failed,
    is_in_production,
    bootstrap_failed,
    bootstrap_goes_on,
    jumped,
    said_an_unknown_code,
    timer_is_frozen,
    is_forced,
)


class MakingTest(unittest.TestCase):
    def test_a_policy_that_is_not_sound_is_refused(self):
        bad = (None, {}, dict(DEFAULT, steps={}), dict(DEFAULT, radio_per_hour=0))
        for rules in bad:
            with self.assertRaises(ValueError):
                Case(rules, Budgets(DEFAULT), least)

    def test_chance_is_a_function(self):
        for random in (None, 5, "random", ()):
            with self.assertRaises(ValueError):
                Case(DEFAULT, Budgets(DEFAULT), random)

    def test_a_new_one_follows_no_server_and_does_nothing(self):
        case = Case(DEFAULT, Budgets(DEFAULT), least)
        self.assertEqual(case.servers, [])
        self.assertFalse(case.registered(721))
        self.assertTrue(case.server(721) is None)
        self.assertEqual(decide(case, 0).action, NONE)
        self.assertEqual(decide(case, DAY_S).action, NONE)

    def test_chance_is_asked_for_whole_numbers_of_at_least_one(self):
        asked = []

        def random(n):
            asked.append(n)
            return n - 1

        node = Node(rules=dict(DEFAULT, start_spread_s=0, jitter_percent=0), chance=random)
        gave_up(node, 721)
        node.run(DAY_S)
        self.assertTrue(len(asked) > 5)
        self.assertTrue(all(n >= 1 for n in asked))


class TextsTest(unittest.TestCase):
    def check(self, names, texts):
        names = names.split()
        self.assertEqual(len(texts), len(names))
        for number, name in enumerate(names):
            self.assertEqual(getattr(policy, name), number, name)
            self.assertTrue(len(texts[number]) > 2, name)
        self.assertEqual(len(set(texts)), len(texts))

    def test_every_action_has_a_text_of_its_own(self):
        self.check(ACTIONS, texts.ACTIONS)

    def test_every_reason_has_a_text_of_its_own(self):
        self.check(REASONS, texts.REASONS)

    def test_no_constant_is_without_a_text(self):
        # all small numbers of the policy are actions, reasons, or of one of these
        known = ACTIONS.split() + REASONS.split()
        known += "SIM_UNKNOWN SIM_READY SIM_LOCKED SIM_FAILED HAS_RESET HAS_POWER HAS_ON".split()
        known += "MARK_PAUSED MARK_RADIO_OFF MARK_REBOOT NEVER LATER WATCH CALL RESTART".split()
        known += "WINDOW_S WAITS_S SPACING_S TRIES CAP_STEPS CAP_S".split()
        for name in dir(policy):
            if name[0] != "_" and name[:5] != "STEP_" and name not in known:
                self.assertFalse(isinstance(getattr(policy, name), int), name)


class DecidingTest(unittest.TestCase):
    def watch(self, node, name):
        def again(node):
            before = state(node.case, node.now_s)
            drawn = node.chance.drawn
            again = decide(node.case, node.now_s)
            text = "%s at %d: %s" % (name, node.now_s, told(again))
            self.assertEqual(again, node.decision, text)
            self.assertTrue(state(node.case, node.now_s) == before, text)
            self.assertEqual(node.chance.drawn, drawn, text)

        node.watcher = again

    def test_asking_twice_gives_the_same_answer_and_changes_nothing(self):
        for situation in SITUATIONS:
            chance = Chance(5)
            node = Node(chance=chance)
            node.chance = chance
            situation(node)
            self.watch(node, situation.__name__)
            node.run(DAY_S // 2)

    def test_an_action_that_is_not_taken_stays_due(self):
        for action in (POLL, DIAGNOSE, REGISTER, PARK):
            node = Node()
            if action == PARK:
                sim_locked(node)
            else:
                is_failed(node)
            while node.look() != action:
                node.act() if node.decision.action else None
                node.now_s += 0 if node.decision.action else 1
            for late_s in range(5):
                self.assertEqual(decide(node.case, node.now_s + late_s).action, action)

    def test_time_until_the_next_decision_is_never_in_the_past(self):
        def look(node):
            decision = node.decision
            if decision.action == NONE:
                self.assertTrue(node.case.wake_s > node.now_s, told(decision))
            else:
                self.assertEqual((decision.pending, decision.held_by), (NONE, WELL))

        for situation in SITUATIONS:
            node = Node(chance=Chance(7))
            situation(node)
            node.watcher = look
            node.run(DAY_S)

    def test_nothing_is_missed_when_it_is_asked_only_when_it_says(self):
        # The same steps at the same times as when it is asked every few seconds too.
        wrong = []
        for situation in SITUATIONS:
            runs = []
            for every_s in (DAY_S, 5):
                node = Node(chance=Chance(3))
                situation(node)
                while node.now_s < 9000:
                    node.run(min(9000, node.now_s + every_s))
                runs.append((node.taken, node.asked, node.parked))
            seldom, often = runs
            same = (seldom[0], seldom[2]) == (often[0], often[2])
            for one, other in zip(seldom[1], often[1]):  # a diagnosis may be a second later
                same = same and one[1:] == other[1:] and abs(one[0] - other[0]) <= 1
            if not same or len(seldom[1]) != len(often[1]):
                wrong.append("%s: %r, %r" % (situation.__name__, seldom, often))
        self.assertEqual(wrong, [])

    def test_two_cases_with_the_same_chance_decide_the_same(self):
        for situation in SITUATIONS:
            runs = []
            for seed in (11, 11):
                node = Node(chance=Chance(seed))
                situation(node)
                node.run(DAY_S)
                runs.append((node.taken, node.asked, node.parked, state(node.case, DAY_S)))
            self.assertTrue(runs[0] == runs[1], situation.__name__)

    def test_two_cases_with_another_chance_do_not_act_as_one(self):
        runs = []
        for seed in (11, 12):
            node = Node(chance=Chance(seed))
            is_failed(node)
            node.run(DAY_S)
            runs.append(node.taken)
        self.assertEqual([row[1] for row in runs[0]][:6], [row[1] for row in runs[1]][:6])
        self.assertNotEqual(runs[0][0][0], runs[1][0][0])

    def test_a_poll_that_is_repeated_still_says_why(self):
        node = Node()
        node.see(721, 4)
        asked = []

        def silent():  # no answer to any poll
            asked.append((node.now_s, node.decision.reason))
            booking.take(node.case, node.decision, node.now_s)

        while node.now_s < 900:
            action = node.look()
            if action == POLL:
                silent()
            elif action == DIAGNOSE:
                node.act()
            else:
                node.now_s += 1
        self.assertTrue(len(asked) > 3)
        for at_s, why in asked:
            self.assertEqual(why, GAVE_UP, "%d: %s" % (at_s, texts.REASONS[why]))


class Once:
    """Calls a decision, and what was seen before it, with the heap locked."""

    def __init__(self, node):
        self.case = node.case
        self.now_s = node.now_s
        self.timer_s = 0

    def decide(self):
        decide(self.case, self.now_s)

    def see_and_decide(self):
        case = self.case
        for state in case.servers:
            case.see(self.now_s, state.id, state.code)
            state.timer(self.now_s, self.timer_s)
            state.timer(self.now_s, self.timer_s)
            state.closed(self.now_s)
        case.see(self.now_s, 9, 3)  # of a server that nobody follows, but was seen before
        decide(case, self.now_s)


class NoAllocationTest(unittest.TestCase):
    def without_heap(self, fn, text):
        try:
            harness.without_heap(fn)
        except MemoryError:
            self.fail("allocates: %s" % text)

    def test_while_all_is_well_nothing_is_allocated(self):
        node = Node(721, 123)
        for server in (721, 123):
            node.registered(server, 5000)
        node.run(1)
        node.see(9, 3)
        once = Once(node)
        for now_s in range(5, 4000, 13):
            once.now_s = node.now_s = now_s
            once.timer_s = 5000 - now_s
            self.without_heap(once.see_and_decide, "at %d" % now_s)
            self.without_heap(once.decide, "at %d" % now_s)
            node.decide()
        self.assertTrue(node.case.registered(721))
        self.assertEqual(node.taken, [])

    def test_before_an_update_was_seen_either(self):
        node = Node(721, 123)
        for server in (721, 123):
            node.registered(server)
        once = Once(node)
        for now_s in range(0, 3000, 13):
            once.now_s = node.now_s = now_s
            node.decide()
            self.without_heap(once.decide, "at %d" % now_s)

    def test_nor_while_a_registered_server_updates_itself(self):
        for code in (5, 6, 7):
            node = Node()
            node.registered(721, 5000)
            node.run(50)
            node.see(721, code)
            once = Once(node)
            for once.now_s in range(51, 100):
                self.without_heap(once.decide, describe.status_name(code))


CODES = sorted(codes.STATUS)
CODES.extend((17, 18, 20, 255))


class TwiceTest(unittest.TestCase):
    def check(self, name, prepare, event):
        states = []
        for times in (1, 2):
            node = Node(721, 123)
            node.run(10)
            prepare(node)
            node.run(1000)
            for _ in range(times):
                event(node)
            seen = state(node.case, node.now_s)
            node.decide()
            states.append((seen, node.decision))
        self.assertEqual(states[0][1], states[1][1], name)
        for a, b in zip(states[0][0].split("("), states[1][0].split("(")):
            self.assertEqual(a, b, "%s: %s, the second time: %s" % (name, a, b))

    def all_events(self, prepare):
        for code in CODES:
            if code != 3:
                self.check(
                    "code %d" % code,
                    prepare,
                    lambda n, code=code: n.case.see(n.now_s, 721, code),
                )
        for timer_s in (0, 1, 175, 86307, 2000000):
            self.check(
                "timer %d" % timer_s,
                prepare,
                lambda n, timer_s=timer_s: n.case.server(721).timer(n.now_s, timer_s),
            )
        self.check("closed", prepare, lambda n: n.case.server(721).closed(n.now_s))
        self.check("restart", prepare, lambda n: n.case.restarted(n.now_s))
        self.check("servers", prepare, lambda n: n.case.watch((721, 123)))
        for code in (10, 11, 14, 16, 17):
            self.check(
                "bootstrap %d" % code,
                prepare,
                lambda n, code=code: n.case.see(n.now_s, 7, code),
            )

    def test_of_servers_of_which_nothing_is_known(self):
        self.all_events(lambda node: None)

    def test_of_servers_that_are_registered(self):
        def prepare(node):
            for server in (721, 123):
                node.registered(server, 86307)

        self.all_events(prepare)

    def test_of_a_server_that_is_pending(self):
        self.all_events(lambda node: node.see(721, 2))

    def test_of_a_server_that_failed(self):
        self.all_events(lambda node: node.see(721, 4))

    def test_registration_success_said_twice_at_once_is_no_update(self):
        self.check(
            "code 3",
            lambda node: node.see(721, 2),
            lambda node: node.case.see(node.now_s, 721, 3),
        )

    def test_registration_success_said_again_at_once_keeps_the_timer(self):
        def event(node):
            node.case.see(node.now_s, 721, 3)
            node.case.server(721).timer(node.now_s, 86307)

        node = Node()
        event(node)
        node.case.see(0, 721, 3)
        self.assertEqual(node.case.server(721).timer_s, 86307)


class TimerTest(unittest.TestCase):
    """What timer() says decides whether the supervisor is woken."""

    # Timers seen, (s, timer), and whether anything follows from the last one.
    table = (
        (((0, 86400),), True),
        (((0, 86400), (10, 20)), True),
        (((0, 86400), (10, 86000)), True),
        (((0, 86400), (10, 86384)), True),
        (((0, 86400), (10, 86385)), False),  # so much faster than ours its clock may be
        (((0, 86400), (10, 86390)), False),
        (((0, 86400), (10, 86395)), False),
        (((0, 86400), (10, 86401)), True),
        (((0, 86400), (10, 20), (20, 10)), False),
        (((0, 86400), (10, 20), (12, 5)), True),
        (((0, 86400), (3600, 82800), (7200, 79200)), False),
        (((0, 86400), (3600, 82800), (7200, 30)), True),
    )

    def test_one_that_drops_is_news_and_one_that_counts_down_is_none(self):
        for steps, news in self.table:
            node = Node()
            node.see(721, 3)
            for at_s, timer_s in steps:
                node.now_s = at_s
                found = node.case.server(721).timer(at_s, timer_s)
            self.assertEqual(bool(found), news, "%r" % (steps,))


class EpisodeTest(unittest.TestCase):
    def fail_once(self, node, hold_s, updated=True):
        """Two tries, then registered for hold_s, then failed again."""
        node.see(721, 4)

        def react(action, server):
            if action == REGISTER and len(node.taken) == 1:
                node.see(721, 4)
            elif action == REGISTER and len(node.taken) == 2:
                node.registered(721, 90000)
                if updated:
                    node.at(node.now_s + 100, node.see, 721, 5)
                    node.at(node.now_s + 101, node.registered, 721, 90000)
                node.at(node.now_s + hold_s, node.see, 721, 4)

        node.react = react
        node.run(480 + 120 + 1000 + hold_s)
        self.assertEqual(node.steps()[:3], [REGISTER] * 3)
        return node.taken[2][0] - (node.taken[1][0] + hold_s)

    def test_the_tries_go_on_when_it_held_for_less_than_ten_minutes(self):
        self.assertEqual(self.fail_once(Node(), 590), 240)

    def test_the_tries_begin_anew_when_it_held_and_was_updated(self):
        self.assertEqual(self.fail_once(Node(), 2400), 60)

    def test_without_an_update_it_has_to_hold_for_a_lifetime(self):
        self.assertEqual(self.fail_once(Node(), 2400, False), 240)


class ForceTest(unittest.TestCase):
    # step: what is done first
    FIRST = {
        STEP_REGISTER: REGISTER,
        STEP_PAUSE: PAUSE,
        STEP_RADIO: RADIO_OFF,
        STEP_RESET: SOFT_RESET,
        STEP_PINS: PIN_RESET,
        STEP_PARKED_REGISTER: REGISTER,
        STEP_PARKED_RESET: SOFT_RESET,
    }

    def well(self, rules=DEFAULT, **options):
        node = Node(721, 123, rules=rules, **options)
        for server in (721, 123):
            node.registered(server)
        node.run(1000)
        return node

    def test_every_step_is_taken_at_once_and_only_once(self):
        for step, first in self.FIRST.items():
            node = self.well()
            server = 721 if first == REGISTER else 0
            node.case.force(step, server)
            self.assertEqual(node.decide(), first, STEPS[step])
            self.assertEqual((node.decision.reason, node.decision.server), (FORCED, server))
            node.act()
            self.assertEqual(node.taken[0][:2], (1000, first))
            node.react = None
            node.run(1100)
            for server in (721, 123):
                node.registered(server)
            node.run(3000)
            self.assertEqual(node.steps().count(first), 1, STEPS[step])

    def test_what_was_begun_by_force_is_ended(self):
        for step, last, after_s in ((STEP_PAUSE, RESUME, 30), (STEP_RADIO, RADIO_ON, 1)):
            node = self.well()
            node.case.force(step)
            node.run(1000 + after_s + 1)
            self.assertEqual(node.steps(), [self.FIRST[step], last])
            self.assertEqual(node.taken[1][0], 1000 + after_s)
            self.assertEqual(node.budgets.mark, 0)

    def test_there_is_a_diagnosis_before_it(self):
        for step in self.FIRST:
            node = self.well()
            node.asked = []
            node.case.force(step, 721)
            node.decide()
            self.assertEqual([row[1] for row in node.asked], [DIAGNOSE], STEPS[step])

    def test_neither_a_wait_nor_a_spacing_holds_it(self):
        node = Node(chance=most)  # the wait after power-up is the longest
        node.registered(721)
        node.case.force(STEP_RESET)
        self.assertEqual(node.decide(), SOFT_RESET)
        node.act()
        node.now_s = 10
        node.case.force(STEP_RESET)
        self.assertEqual(node.decide(), SOFT_RESET)

    def test_it_can_be_called_off(self):
        node = self.well()
        node.case.force(STEP_RESET)
        node.case.force(0)
        self.assertEqual(node.decide(), NONE)
        self.assertEqual(node.decision.pending, NONE)

    def test_caps_hold_it(self):
        for rules in (DEFAULT, GENTLE):
            for step, first in self.FIRST.items():
                node = self.well(rules, pins=policy.HAS_RESET)
                cap, cap_s = rules["steps"][step][4:]
                cap = min(cap, rules["radio_per_hour"])
                for _ in range(cap):
                    node.case.force(step, 721)
                    self.assertEqual(node.decide(), first, STEPS[step])
                    node.act()
                    node.budgets.set_mark(0, node.now_s)
                    node.view.diagnosed_s = node.now_s
                node.case.force(step, 721)
                self.assertEqual(node.decide(), NONE, STEPS[step])
                decision = node.decision
                self.assertEqual((decision.pending, decision.reason), (first, FORCED), STEPS[step])
                if decision.held_by == CAP:
                    self.assertEqual(decision.at_s, 1000 + cap_s)
                else:
                    self.assertEqual(decision.held_by, RADIO_CAP)
                    self.assertEqual(decision.at_s, 1000 + HOUR_S)

    def test_the_cap_on_all_radio_actions_holds_it(self):
        for step, first in self.FIRST.items():
            node = self.well(VERIZON)
            other = STEP_RADIO if step != STEP_RADIO else STEP_PAUSE
            for _ in range(4):
                node.budgets.spend(other, 990)
            node.case.force(step, 721)
            self.assertEqual(node.decide(), NONE)
            self.assertEqual((node.decision.pending, node.decision.held_by), (first, RADIO_CAP))
            self.assertEqual(node.decision.at_s, 990 + HOUR_S)

    def test_parked_and_other_soft_resets_share_the_cap_of_a_day(self):
        node = self.well()
        for _ in range(3):
            node.budgets.spend(STEP_RESET, 990)
        node.case.force(STEP_PARKED_RESET)
        self.assertEqual(node.decide(), NONE)

    def test_parked_and_other_registrations_share_the_cap_of_an_hour(self):
        node = self.well()
        for _ in range(10):
            node.budgets.spend(STEP_REGISTER, 990)
        node.case.force(STEP_PARKED_REGISTER, 721)
        self.assertEqual(node.decide(), NONE)

    def test_a_firmware_update_holds_it(self):
        for step, first in self.FIRST.items():
            node = self.well()
            node.case.budgets.fota_sign(900, False)
            node.case.force(step, 721)
            node.run(900 + HOUR_S - 1)
            self.assertEqual(node.taken, [], STEPS[step])
            self.assertEqual(node.decision.held_by, FOTA)
            node.run(900 + HOUR_S + 60)
            self.assertEqual(node.steps()[:1], [first])

    def test_a_dead_port_holds_it(self):
        for step in self.FIRST:
            for pins in (0, policy.HAS_RESET):
                node = self.well(pins=pins)
                node.view.reachable = False
                node.case.force(step, 721)
                died_s = node.now_s
                node.run(died_s + QUIET_S - 1)  # it died while all was well
                self.assertEqual(node.taken, [])
                node.run(died_s + QUIET_S + 300)
                for _, action, _, why in node.taken:
                    self.assertEqual((action, why), (PIN_RESET, DEAD_PORT))
                self.assertEqual(len(node.taken), 1 if pins else 0)

    def test_a_half_done_step_is_ended_first(self):
        node = self.well()
        node.budgets.set_mark(policy.MARK_PAUSED, 1000)
        node.case.force(STEP_RESET)
        node.run(1100)
        self.assertEqual(node.steps()[:2], [RESUME, SOFT_RESET])

    def test_a_server_nobody_follows_is_told_and_forgotten(self):
        node = self.well()
        node.case.force(STEP_REGISTER, 999)
        self.assertEqual(node.decide(), NONE)
        self.assertEqual(node.decision.held_by, SERVER_MISSING)
        node.run(3000)
        self.assertEqual(node.taken, [])
        self.assertNotEqual(node.decision.held_by, SERVER_MISSING)

    def test_a_parked_registration_of_a_server_nobody_follows_does_nothing_either(self):
        for server in (0, 999):
            node = self.well()
            node.case.force(STEP_PARKED_REGISTER, server)
            self.assertEqual(node.decide(), NONE, "%d" % server)

    def test_no_pin_is_used_that_is_not_there(self):
        rows = (
            (0, NONE),
            (policy.HAS_RESET, PIN_RESET),
            (policy.HAS_POWER, POWER_CYCLE),
            (policy.HAS_RESET | policy.HAS_POWER, PIN_RESET),
        )
        for pins, expected in rows:
            node = self.well(pins=pins)
            node.case.force(STEP_PINS)
            self.assertEqual(node.decide(), expected, "pins %d" % pins)


class FailedTest(unittest.TestCase):
    def next_try_s(self, refused):
        node = Node()
        node.see(721, 4)
        node.refused = (REGISTER,) if refused else ()
        node.run(1000)
        self.assertEqual(node.steps()[:2], [REGISTER, REGISTER])
        return node.taken[1][0] - node.taken[0][0]

    def test_a_silent_try_is_judged_at_the_end_of_its_window(self):
        self.assertEqual(self.next_try_s(False), 300 + 120)

    def test_a_refused_try_is_judged_at_once(self):
        self.assertEqual(self.next_try_s(True), 120)

    def test_a_refused_try_is_booked_like_any_other(self):
        node = Node()
        node.see(721, 4)
        node.refused = (REGISTER,)
        node.run(481)
        self.assertEqual(node.budgets.last_s(STEP_REGISTER), 480)
        self.assertEqual(node.budgets.server_tries(721), 1)

    def test_a_refusal_for_one_server_does_not_end_the_window_of_another(self):
        node = Node(721, 123)
        for server in (721, 123):
            node.see(server, 4)
        node.run(500)
        self.assertEqual([row[:3] for row in node.taken], [(480, REGISTER, 721)])
        node.refused = (REGISTER,)
        node.run(1000)
        rows = [row[:3] for row in node.taken]
        self.assertEqual(rows[1], (540, REGISTER, 123))
        self.assertEqual(rows[2][1:], (REGISTER, 123))
        self.assertTrue(660 <= rows[2][0] <= 670)  # and a poll before it
        self.assertEqual(rows[3], (900, REGISTER, 721))

    def test_a_refused_step_of_the_whole_module_ends_the_windows_of_all(self):
        node = Node(721, 123)
        for server in (721, 123):
            node.registered(server)
        node.run(1000)
        node.case.force(STEP_RESET)
        node.refused = (SOFT_RESET,)
        node.decide()
        node.act()
        for track in node.case.servers:
            self.assertEqual(track.window_s, 0)

    def test_a_refused_resume_is_not_repeated_every_second(self):
        node = Node()
        node.budgets.set_mark(policy.MARK_PAUSED, 0)
        node.refused = (RESUME,)
        node.run(330)
        self.assertTrue(1 <= len(node.taken) <= 60, "%d in 5 min" % len(node.taken))


class WatchTest(unittest.TestCase):
    def test_what_is_known_of_a_server_stays(self):
        node = Node(721, 123)
        node.registered(721)
        node.run(1000)
        track = node.case.server(721)
        before = repr(sorted(track.__dict__.items()))
        for servers in ((721, 123), (123, 721), (721,), (5, 6, 721)):
            node.case.watch(servers)
            self.assertEqual([each.id for each in node.case.servers], list(servers))
            self.assertTrue(node.case.server(721) is track)
            self.assertTrue(node.case.registered(721))
        self.assertEqual(repr(sorted(track.__dict__.items())), before)

    def test_of_a_new_one_nothing_is_known_but_its_tries(self):
        node = Node()
        node.budgets.set_server_tries(123, 3)
        node.run(1000)
        node.decide()
        node.case.watch((721, 123))
        track = node.case.server(123)
        self.assertEqual(
            (track.code, node.budgets.server_tries(123), track.enter_s), (codes.NO_CODE, 3, 1000)
        )
        self.assertFalse(node.case.registered(123))

    def test_one_that_is_no_longer_followed_is_left_alone(self):
        node = Node(721, 123)
        node.registered(721)
        gave_up(node, 123)
        node.run(450)
        node.case.watch((721,))
        self.assertFalse(node.case.registered(123))
        node.run(DAY_S)
        self.assertEqual(node.taken, [])

    def test_one_that_is_followed_again_goes_on_with_its_tries(self):
        node = Node(721, 123)
        node.registered(721)
        gave_up(node, 123)
        node.run(700)
        tries = node.budgets.server_tries(123)
        self.assertTrue(tries >= 1)
        node.case.watch((721,))
        node.case.watch((721, 123))
        self.assertEqual(node.budgets.server_tries(123), tries)


class HeldByTest(unittest.TestCase):
    def check(self, node, pending, held_by, not_before_s, reason=None):
        self.assertEqual(node.decide(), NONE, told(node.decision))
        decision = node.decision
        seen = decision.pending, texts.REASONS[decision.held_by], decision.at_s
        self.assertEqual(seen, (pending, texts.REASONS[held_by], not_before_s))
        if reason is not None:
            self.assertEqual(texts.REASONS[decision.reason], texts.REASONS[reason])

    def test_the_wait_before_a_try(self):
        # After power-up the boot window ends for each node at a time of its own.
        for chance, at_s in ((least, 480), (most, 810)):
            node = Node(chance=chance)
            node.see(721, 4)
            node.run(at_s - 60)
            self.check(node, REGISTER, WAIT, at_s, GAVE_UP)
            self.assertEqual(node.decision.server, 721)
            node.run(at_s - 1)
            self.assertEqual(node.taken, [])
            node.run(at_s)
            self.assertEqual(node.taken, [(at_s, REGISTER, 721, GAVE_UP)])

    def test_the_wait_after_power_up(self):
        node = Node(chance=most)
        radio_is_off(node)
        self.check(node, RADIO_ON, START, 300, policy.RADIO_WAS_OFF)
        node.run(300)
        self.assertEqual(node.taken[0][:2], (300, RADIO_ON))

    def test_the_wait_after_an_outage(self):
        node = Node(chance=most)
        node.see(721, 4)
        node.found["attached"] = False
        node.run(2000)
        node.tell("attached", True)
        node.decide()
        self.assertEqual(node.decision.action, NONE)
        node.run(2299)
        self.assertEqual(node.taken, [])

    def test_a_dead_port_does_not_wait_after_power_up(self):
        node = Node(chance=most)
        node.view.reachable = False
        self.assertEqual(node.decide(), PIN_RESET)

    def test_the_spacing_between_two_of_them(self):
        node = Node(721, 123)
        for server in (721, 123):
            node.see(server, 4)
        node.run(481)
        self.assertEqual(len(node.taken), 1)
        self.check(node, REGISTER, SPACING, 540, GAVE_UP)
        self.assertEqual(node.decision.server, 123)

    def test_the_cap_on_a_step(self):
        node = Node()
        for i in range(10):
            node.budgets.spend(STEP_REGISTER, i)
        node.see(721, 4)
        node.run(BOOT_S + 61)
        self.check(node, REGISTER, CAP, HOUR_S, GAVE_UP)
        node.run(HOUR_S - 1)
        self.assertEqual(node.taken, [])
        node.run(HOUR_S)
        self.assertEqual(node.taken[0][:3], (HOUR_S, REGISTER, 721))

    def test_the_cap_on_all_radio_actions(self):
        node = Node(rules=VERIZON)
        for step in (STEP_PAUSE, STEP_RADIO, STEP_RESET, STEP_PINS):
            node.budgets.spend(step, 100)
        node.see(721, 4)
        node.run(BOOT_S + 61)
        self.check(node, REGISTER, RADIO_CAP, 100 + HOUR_S, GAVE_UP)

    def test_a_firmware_update(self):
        node = Node()
        node.see(721, 4)
        node.case.budgets.fota_sign(50, False)
        self.check(node, NONE, FOTA, 50 + HOUR_S, FOTA)
        node.run(50 + HOUR_S - 1)
        self.assertEqual((node.taken, node.asked), ([], []))

    def test_a_dead_port_during_a_firmware_update_is_none(self):
        node = Node()
        node.view.reachable = False
        node.case.budgets.fota_sign(50, False)
        self.check(node, NONE, FOTA, 50 + HOUR_S, FOTA)

    def test_a_step_that_is_half_done(self):
        for step, action, wait_s in ((STEP_PAUSE, RESUME, 30), (STEP_RADIO, RADIO_ON, 1)):
            node = Node()
            node.registered(721)
            node.run(1000)
            node.case.force(step)
            node.decide()
            node.act()
            self.check(node, action, HALFWAY, 1000 + wait_s, HALFWAY)

    def test_what_an_earlier_life_left_half_done_is_ended_whatever_the_caps_say(self):
        for mark, action in (
            (policy.MARK_PAUSED, RESUME),
            (policy.MARK_RADIO_OFF, RADIO_ON),
        ):
            node = Node()
            node.budgets.exhaust(0)
            node.budgets.set_mark(mark, 0)
            node.run(60)
            self.assertEqual(node.steps()[:1], [action])
            self.assertEqual(node.budgets.mark, 0)

    def test_nothing_when_all_is_well(self):
        node = Node()
        node.registered(721)
        node.run(1000)
        node.decide()
        decision = node.decision
        self.assertEqual((decision.reason, decision.pending, decision.held_by), (WELL, NONE, WELL))
        self.assertTrue(1000 < decision.at_s <= LATER)

    def test_a_server_found_disabled_is_enabled_when_the_start_is_over(self):
        for chance, at_s in ((least, 0), (most, 300)):
            node = Node(chance=chance)
            server_is_disabled(node)
            node.run(2 * HOUR_S)
            self.assertEqual([row[:3] for row in node.taken], [(at_s, ENABLE_SERVER, 721)])

    def test_no_fault_is_reported_that_is_about_to_be_cured(self):
        node = Node(chance=most)
        server_is_disabled(node)
        node.run(299)
        self.assertEqual(node.parked, [])


class CapsTest(unittest.TestCase):
    def test_registrations_of_all_kinds_keep_the_cap_of_an_hour(self):
        # 1 is registered, 2 is parked; shortly before its turn 3 and 4 use up all their tries.
        node = Node(1, 2, 3, 4)
        for server in (1, 3, 4):
            node.registered(server)
        node.see(2, 4)

        def react(action, server):
            node.see(server, 4)

        node.react = react
        self.assertTrue(run_until(node, lambda: len(node.taken) == 5, HOUR_S))
        turn_s = node.taken[4][0] + 4 * HOUR_S
        for server in (3, 4):
            node.at(turn_s - 1500, node.see, server, 4)
        node.run(turn_s + HOUR_S)
        times = [at_s for at_s, action, _, _ in node.taken if action == REGISTER]
        self.assertTrue(len(times) > 12, repr(node.taken))
        self.assertTrue(most_in(times, HOUR_S) <= 10, "%d in an hour" % most_in(times, HOUR_S))

    def test_all_caps_hold_in_every_situation(self):
        kinds = (
            ((REGISTER,), STEP_REGISTER),
            ((PAUSE,), STEP_PAUSE),
            ((RADIO_OFF,), STEP_RADIO),
            ((SOFT_RESET,), STEP_RESET),
            ((PIN_RESET, POWER_CYCLE), STEP_PINS),
        )
        for rules in (DEFAULT, VERIZON, GENTLE):
            for situation in SITUATIONS:
                node = Node(rules=rules)
                situation(node)
                node.run(DAY_S + 10 * HOUR_S)
                for actions, step in kinds:
                    times = [row[0] for row in node.taken if row[1] in actions]
                    cap, cap_s = rules["steps"][step][4:]
                    if times:
                        text = "%s: %s" % (situation.__name__, STEPS[step])
                        self.assertTrue(most_in(times, cap_s) <= cap, text)
                times = []
                for at_s, action, _, why in node.taken:
                    if why != HALFWAY and action != ENABLE_SERVER:  # those are booked otherwise
                        times.append(at_s)
                if times:
                    n = most_in(times, HOUR_S)
                    self.assertTrue(n <= rules["radio_per_hour"], situation.__name__)


class ClientTest(unittest.TestCase):
    def dead_end(self, *events):
        """When and why the first step was taken; the client wants a bootstrap at 500."""
        node = Node()
        node.at(10, node.see, 721, 1)
        for at_s, fn, args in events:
            node.at(at_s, getattr(node, fn), *args)
        node.run(2 * HOUR_S)
        return node.taken[0][0], texts.REASONS[node.taken[0][3]]

    def test_hold_alone_is_stuck_after_fifteen_minutes(self):
        seen = self.dead_end()
        self.assertEqual(seen, (10 + 900 + 60, texts.REASONS[policy.STUCK]))

    def test_a_bootstrap_that_does_not_come_is_a_dead_end_after_two_minutes(self):
        seen = self.dead_end((500, "client", (1,)))
        self.assertEqual(seen, (500 + 120 + 60, texts.REASONS[policy.DEAD_END]))

    def test_a_client_that_goes_on_is_at_no_dead_end(self):
        for status in (2, 3, 4, 5):
            at_s, why = self.dead_end((500, "client", (1,)), (560, "client", (status,)))
            self.assertEqual(at_s, 10 + 900 + 60, describe.CLIENT_STATUS[status])
            self.assertNotEqual(why, texts.REASONS[policy.DEAD_END])

    def test_a_bootstrap_that_was_begun_is_no_dead_end(self):
        for server in (721, 7):
            for code in (10, 11):
                node = Node()
                node.at(10, node.see, 721, 1)
                node.at(500, node.client, 1)
                node.at(530, node.see, server, code)
                node.run(10 + 900 - 1)
                node.decide()
                text = "%d: %s" % (server, told(node.decision))
                self.assertNotEqual(node.decision.pending, SOFT_RESET, text)
                self.assertNotEqual(node.decision.reason, policy.DEAD_END, text)
                self.assertEqual(node.taken, [], text)

    def test_a_registered_server_is_at_no_dead_end(self):
        node = Node()
        node.registered(721)
        node.at(500, node.client, 1)
        node.run(DAY_S)
        self.assertEqual(node.taken, [])

    def test_a_silent_client_is_diagnosed_once_and_soon(self):
        for status in (6, 7):
            node = Node()
            node.registered(721)
            node.at(5000, node.client, status)
            node.run(5000 + HOUR_S)
            asked = [row for row in node.asked if row[0] >= 5000]
            name = describe.CLIENT_STATUS[status]
            self.assertTrue(len(asked) > 0, "%s: no diagnosis" % name)
            at_s, action, why = asked[0]
            self.assertEqual((action, why), (DIAGNOSE, policy.CLIENT_IDLE), name)
            self.assertTrue(at_s <= 5060, "%s: after %d s" % (name, at_s - 5000))
            self.assertEqual(len([row for row in asked if row[2] == policy.CLIENT_IDLE]), 1)
            self.assertEqual((node.taken, node.parked), ([], []))

    def test_a_client_that_was_disabled_is_reported(self):
        node = Node()
        node.registered(721)
        node.at(5000, node.tell, "mode", codes.MODE_DISABLED)
        node.at(5000, node.client, 7)
        node.run(2 * DAY_S)
        self.assertEqual(node.parked, [DISABLED])
        self.assertEqual(node.taken, [])

    def test_a_client_that_was_disabled_is_enabled_once_if_the_policy_allows(self):
        node = Node(rules=dict(DEFAULT, reenable=True))
        node.registered(721)

        def react(action, server):
            if action == SOFT_RESET:  # whoever it was does it again
                node.tell("mode", codes.MODE_DISABLED)

        node.react = react
        node.at(5000, node.tell, "mode", codes.MODE_DISABLED)
        node.at(5000, node.client, 7)
        node.run(2 * DAY_S)
        self.assertEqual(node.steps(), [RESUME, SOFT_RESET])
        self.assertEqual(node.parked, [DISABLED])

    def test_an_initialization_that_does_not_end_is_diagnosed(self):
        node = Node()
        node.registered(721)
        node.at(5000, node.init, 1)
        node.run(5400)
        rows = [row for row in node.asked if row[2] == policy.INIT_HANGS]
        self.assertEqual(rows, [(5120, DIAGNOSE, policy.INIT_HANGS)])
        self.assertEqual(node.taken, [])

    def test_one_that_ends_is_not(self):
        node = Node()
        node.registered(721)
        node.at(5000, node.init, 1)
        node.at(5119, node.init, 2)
        node.run(5400)
        self.assertEqual([row for row in node.asked if row[2] == policy.INIT_HANGS], [])

    def test_production_mode_is_reported_and_nothing_is_done(self):
        node = Node()
        node.registered(721)
        node.at(5000, node.init, 1)
        node.at(5003, node.init, 3)
        node.run(2 * DAY_S)
        self.assertEqual(node.taken, [])
        self.assertEqual(node.parked, [policy.PRODUCTION])

    def init_fails(self, code):
        node = Node()
        node.registered(721)

        def fail(action=0, server=0):
            if action in (0, SOFT_RESET):
                for status, after_s in ((1, 1), (4, 10)):
                    node.at(node.now_s + after_s, node.init, status)
                if code is not None:
                    node.at(node.now_s + 11, node.see, 721, code)

        node.react = fail
        node.at(1000, fail)
        node.run(1000 + 20 * HOUR_S)
        return node

    def test_after_a_failed_initialization_there_is_one_soft_reset_and_then_park(self):
        for code in (None, 0):  # the server is not listed, or not registered
            node = self.init_fails(code)
            self.assertEqual(node.steps(), [SOFT_RESET], "%r: %r" % (code, node.taken))
            self.assertTrue(1000 + HOUR_S <= node.taken[0][0] <= 1100 + HOUR_S)
            self.assertEqual(node.parked, [policy.EXHAUSTED])


class ClosedTest(unittest.TestCase):
    def polls(self, *events):
        node = Node()
        node.registered(721)
        node.run(1000)
        node.asked = []
        for at_s, what in events:
            if what == "closed":
                node.at(at_s, node.case.server(721).closed, at_s)
            else:
                node.at(at_s, node.see, 721, what)
        node.run(1000 + 290)
        self.assertEqual(node.taken, [])
        return [row for row in node.asked if row[2] == policy.CLOSED]

    def test_the_connection_of_a_registered_server_may_be_closed(self):
        self.assertEqual(self.polls((1100, "closed"), (1150, "closed")), [])

    def test_closed_while_an_update_is_pending_is_polled(self):
        self.assertEqual(self.polls((1100, 5), (1120, "closed")), [(1125, POLL, policy.CLOSED)])

    def test_closed_shortly_before_an_update_is_pending_is_polled(self):
        self.assertEqual(self.polls((1100, "closed"), (1120, 5)), [(1125, POLL, policy.CLOSED)])

    def test_closed_while_a_registration_is_pending_is_polled(self):
        for events in (((450, 2), (700, "closed")), ((450, "closed"), (700, 2))):
            node = Node()
            for at_s, what in events:
                if what == "closed":
                    node.at(at_s, node.case.server(721).closed, at_s)
                else:
                    node.at(at_s, node.see, 721, what)
            node.run(710)
            rows = [row for row in node.asked if row[2] == policy.CLOSED]
            self.assertEqual(rows, [(705, POLL, policy.CLOSED)])

    def test_over_five_minutes_apart_it_says_nothing(self):
        for events in (((420, 2), (720, "closed")), ((420, "closed"), (720, 2))):
            node = Node()
            node.see(721, 1)
            for at_s, what in events:
                if what == "closed":
                    node.at(at_s, node.case.server(721).closed, at_s)
                else:
                    node.at(at_s, node.see, 721, what)
            node.run(800)
            self.assertEqual([row for row in node.asked if row[2] == policy.CLOSED], [])


class UnknownTest(unittest.TestCase):
    CODES = (17, 18, 20, 98, 100, 255, 65535)

    def test_an_unknown_code_is_polled_and_changes_nothing(self):
        for code in self.CODES:
            node = Node()
            node.registered(721)
            node.run(1000)
            node.asked = []
            track = node.case.server(721)
            before = (track.code, track.enter_s, track.registered, track.suspect, track.timer_s)
            node.case.see(1000, 721, code)
            after = (track.code, track.enter_s, track.registered, track.suspect, track.timer_s)
            self.assertEqual(after, before)
            node.run(1100)
            self.assertEqual(node.asked, [(1005, POLL, policy.UNKNOWN_CODE)], "%d" % code)
            self.assertEqual(node.taken, [])

    def test_many_unknown_codes_are_not_polled_each(self):
        node = Node()
        node.registered(721)
        node.run(1000)
        node.asked = []
        for at_s in range(1000, 1000 + HOUR_S, 10):
            node.at(at_s, node.case.see, at_s, 721, 17)
        node.run(1000 + HOUR_S)
        self.assertTrue(1 <= len(node.asked) <= 5, "%d" % len(node.asked))

    def test_a_failed_server_stays_failed(self):
        node = Node()
        node.see(721, 4)
        node.at(430, node.case.see, 430, 721, 18)
        node.run(480)
        self.assertEqual(node.taken[0][:3], (480, REGISTER, 721))

    def test_an_impossible_jump_is_polled_before_the_verdict_follows(self):
        node = Node()
        node.registered(721)
        node.run(1000)
        node.asked = []
        node.case.see(1000, 721, 2)
        self.assertTrue(node.case.registered(721))
        node.codes[721] = 2
        node.run(1004)
        self.assertTrue(node.case.registered(721))
        node.run(1006)
        self.assertEqual(node.asked[0], (1005, POLL, policy.ILLEGAL))
        self.assertFalse(node.case.registered(721))

    def test_codes_of_registration_of_a_server_nobody_follows_say_nothing(self):
        for code in range(10):
            node = Node()
            node.see(721, 1)
            before = state(node.case, 0)
            node.case.see(0, 999, code)
            self.assertEqual(state(node.case, 0), before, "%d" % code)


class BootstrapTest(unittest.TestCase):
    def test_one_that_failed_leads_to_one_soft_reset_and_then_park(self):
        for servers in ((721,), (721, 7)):  # 7 is not listed
            node = Node()

            def fail(action, server, node=node, servers=servers):
                for each in servers:
                    node.see(each, 16)

            node.react = fail
            fail(0, 0)
            node.run(20 * HOUR_S)
            self.assertEqual(node.steps(), [SOFT_RESET])
            self.assertEqual(node.parked, [policy.EXHAUSTED])

    def test_one_under_way_is_only_polled(self):
        for code in (11, 12, 13, 15, 19):
            node = Node()
            node.codes[721] = code
            node.codes[7] = code
            node.run(6 * HOUR_S)
            self.assertEqual(node.taken, [], describe.status_name(code))
            polls = len(node.asked)
            self.assertTrue(
                10 <= polls <= 40, "%s: %d polls" % (describe.status_name(code), polls)
            )

    def test_one_that_succeeded_does_not_shorten_the_ladder_later(self):
        # The bootstrap server is not listed, so that nothing follows its "finished".
        node = Node()
        for at_s, code in ((1, 10), (5, 11), (6, 12), (8, 13), (9, 14)):
            node.at(at_s, node.case.see, at_s, 7, code)
        node.at(12, node.see, 721, 2)
        node.at(15, node.registered, 721)

        def react(action, server):
            if action == REGISTER:
                node.see(721, 2)
                node.at(node.now_s + 60, node.see, 721, 4)

        node.react = react
        node.at(DAY_S, node.see, 721, 4)
        node.run(DAY_S + 2 * HOUR_S)
        self.assertEqual(
            node.steps()[:6],
            [REGISTER] * 5 + [PAUSE],
            ", ".join(texts.ACTIONS[action] for action in node.steps()),
        )

    def test_after_one_that_succeeded_the_module_may_register_in_peace(self):
        node = Node()
        node.case.see(0, 7, 14)
        node.at(60, node.see, 721, 2)
        node.at(65, node.registered, 721)
        node.at(DAY_S, node.see, 721, 8)  # disabled by the server, for a while
        node.at(DAY_S + 1, node.see, 721, 9)
        node.at(DAY_S + 2, node.see, 721, 0)
        node.at(DAY_S + 30, node.see, 721, 2)
        node.at(DAY_S + 40, node.registered, 721)
        node.run(DAY_S + HOUR_S)
        self.assertEqual(node.taken, [])


class FaultTest(unittest.TestCase):
    def test_faults_that_no_step_cures_are_reported_once(self):
        rows = (
            (sim_locked, policy.SIM_LOCK),
            (is_disabled, DISABLED),
            (server_is_missing, SERVER_MISSING),
            (has_no_servers, NO_SERVERS),
            (port_is_dead_without_pins, NO_PINS),
        )
        for situation, why in rows:
            node = Node()
            situation(node)
            node.run(2 * DAY_S)
            self.assertEqual(node.parked, [why], texts.REASONS[why])
            self.assertEqual(node.taken, [], texts.REASONS[why])

    def test_refusals_lead_to_power_once_a_day_after_two_soft_resets(self):
        rows = (
            (policy.HAS_RESET, PIN_RESET),
            (policy.HAS_POWER, POWER_CYCLE),
            (policy.HAS_RESET | policy.HAS_POWER, POWER_CYCLE),
        )
        for situation in (is_denied, sim_failed):
            for pins, expected in rows:
                node = Node(pins=pins)
                situation(node)
                node.run(4 * DAY_S + HOUR_S)
                steps = node.steps()
                times = [row[0] for row in node.taken if row[1] == expected]
                self.assertTrue(steps.index(expected) >= 2, "%r" % steps)
                self.assertEqual(set(steps), {SOFT_RESET, expected})
                self.assertEqual([at_s // DAY_S for at_s in times], [1, 2, 3, 4])
                self.assertTrue(times[0] <= DAY_S + 60)
                for earlier_s, later_s in zip(times, times[1:]):
                    self.assertTrue(later_s - earlier_s >= DAY_S)

    def test_refusals_lead_to_soft_resets_only_ever_more_seldom_without_pins(self):
        for situation, why in ((is_denied, DENIED), (sim_failed, policy.SIM_FAULT)):
            node = Node(pins=0)
            situation(node)
            node.run(4 * DAY_S)
            self.assertEqual(set(node.steps()), {SOFT_RESET})
            times = [row[0] for row in node.taken]
            gaps = [b - a for a, b in zip(times, times[1:])]
            hours = [gap // HOUR_S for gap in gaps]
            self.assertTrue(HOUR_S <= times[0] <= HOUR_S + 60)
            self.assertEqual(hours[:4], [4, 8, 16, 24], texts.REASONS[why])

    def test_without_a_network_the_radio_is_the_first_step_after_an_hour(self):
        node = Node()
        node.see(721, 4)
        is_detached(node)
        node.run(2 * HOUR_S - 60)
        self.assertEqual(node.steps(), [RADIO_OFF, RADIO_ON])
        self.assertTrue(HOUR_S <= node.taken[0][0] <= HOUR_S + 60)
        self.assertEqual(node.taken[0][3], DETACHED)

    def test_a_dead_port_is_reset_at_once_and_then_once_an_hour(self):
        rows = (
            (policy.HAS_RESET, (PIN_RESET,) * 4),
            (policy.HAS_POWER, (POWER_CYCLE,) * 4),
            (
                policy.HAS_RESET | policy.HAS_POWER,
                (PIN_RESET, POWER_CYCLE, POWER_CYCLE, POWER_CYCLE),
            ),
        )
        for pins, expected in rows:
            node = Node(pins=pins)
            node.view.reachable = False
            node.run(DAY_S - 1)
            self.assertEqual(tuple(node.steps()), expected)
            times = [row[0] for row in node.taken]
            self.assertEqual(times, [0, HOUR_S, 2 * HOUR_S, 3 * HOUR_S])

    def test_a_module_that_tries_by_itself_is_left_alone(self):
        node = Node()
        is_trying(node)
        node.run(1490)
        self.assertEqual(node.taken, [])
        node.decide()
        self.assertEqual(node.decision.reason, MODULE_TRIES)

    def test_never_is_before_and_later_behind_all_times(self):
        self.assertTrue(NEVER < -DAY_S * 365)
        self.assertTrue(LATER > DAY_S * 365 * 30)
        self.assertTrue(-(2**30) <= NEVER and LATER < 2**30)  # no big ints on 32 bits


if __name__ == "__main__":
    unittest.main()
