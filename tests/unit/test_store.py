# Budgets, their record, and where it is kept: no reset refills a cap, and whatever cannot be read
# or written counts as spent.

import json
import os
import time
import unittest

import harness  # noqa: F401  (first: it may hide the machine code)
from fake_node import Chance, MemoryStore, Node, least, most_in, writes_per_day

from lexi.recovery import policy, reader, store, texts
from lexi.recovery.policies import GENTLE, VERIZON
from lexi.recovery.texts import STEPS
from lexi.recovery.policy import (
    CAP_STEPS,
    CAP_S,
    DEFAULT,
    NEVER,
    STEP_KICK,
    STEP_PARKED_REGISTER,
    STEP_PARKED_RESET,
    STEP_PAUSE,
    STEP_PINS,
    STEP_RADIO,
    STEP_REGISTER,
    STEP_RESET,
)
from lexi.recovery.budget import KINDS, Budgets
from lexi.recovery.reader import unseal
from lexi.recovery.rtc import RtcStore
from lexi.recovery.store import CHECKPOINT_S, FileStore, Keeper, seal

ALL_STEPS = range(STEP_REGISTER, STEP_KICK + 1)
RADIO = 0  # all kinds together
HOUR_S = 3600
DAY_S = 86400
YEAR_S = 365 * DAY_S
SET_S = 1704067200  # 1 January 2024, where time starts in 1970


def window_s(rules, step):
    return rules["steps"][step][CAP_S] if step else HOUR_S


def cap(rules, step):
    return rules["steps"][step][CAP_STEPS] if step else rules["radio_per_hour"]


def left(budgets, rules, now_s):
    """What the caps still allow, for all kinds together and for every step."""
    return [budgets.left(step, now_s, window_s(rules, step)) for step in range(len(STEPS))]


def full(rules):
    return [cap(rules, step) for step in range(len(STEPS))]


def none_left(budgets, rules, now_s):
    return left(budgets, rules, now_s) == [0] * len(STEPS)


def spent_budgets(rules=DEFAULT):
    """Budgets with something in every field, as of 10000."""
    budgets = Budgets(rules)
    now_s = 1000
    for step in ALL_STEPS:
        for _ in range(2):
            budgets.spend(step, now_s)
            now_s += 500
        if step not in (STEP_REGISTER, STEP_PARKED_REGISTER, STEP_PARKED_RESET):
            budgets.count(step)
    budgets.count(0)
    for server, tries in ((721, 5), (123, 2), (65535, 1)):
        budgets.set_server_tries(server, tries)
    budgets.repair(123)
    budgets.enabled = 1
    budgets.set_pin_tried(1)
    budgets.fota_first_s = 8000
    budgets.fota_s = 9000
    budgets.down_s = 500
    budgets.starts = 1
    budgets.well = 1
    budgets.died(9900, True)
    budgets.set_mark(policy.MARK_RADIO_OFF, 9950)
    return budgets


def picture(budgets, rules, now_s):
    """Everything that can be asked of budgets, with times as ages."""
    at = range(now_s, now_s + DAY_S + 1, 1800)
    return {
        "last": [now_s - budgets.last_s(step) for step in ALL_STEPS],
        "free": [max(budgets.free_s(step, 0) - now_s, -YEAR_S) for step in range(len(STEPS))],
        "left": [left(budgets, rules, at_s) for at_s in at],
        "tries": list(budgets.tries),
        "servers": [
            (s, budgets.server_tries(s), bool(budgets.repaired(s))) for s in (721, 123, 65535, 7)
        ],
        "marks": (budgets.mark, now_s - budgets.mark_s, budgets.enabled, budgets.pin_tried),
        "fota": (now_s - budgets.fota_s, now_s - budgets.fota_first_s),
        "port": (now_s - budgets.dead_s, budgets.starts),
        "down": (now_s - budgets.down_s, budgets.troubled, budgets.well),
        "step": (budgets.last_step()[0], now_s - budgets.last_step()[1]),
    }


def ordered(data):
    """A record as values, its servers in order."""
    values = json.loads(data)
    values[-1].sort()
    return values


class BudgetsTest(unittest.TestCase):
    def test_new_ones_have_spent_nothing(self):
        for rules in (DEFAULT, VERIZON, GENTLE):
            budgets = Budgets(rules)
            self.assertEqual(left(budgets, rules, 0), full(rules))
            for step in range(len(STEPS)):
                self.assertTrue(budgets.free_s(step, DAY_S) < 0)
            self.assertEqual(budgets.last_step()[0], 0)
            self.assertEqual(list(budgets.tries), [0] * KINDS)
            self.assertEqual((budgets.mark, budgets.enabled, budgets.pin_tried), (0, 0, 0))
            self.assertEqual((budgets.troubled, budgets.well, budgets.starts), (0, 0, 0))
            self.assertEqual((budgets.dead_s, budgets.down_s), (NEVER, NEVER))
            self.assertFalse(budgets.open(0))
            self.assertFalse(budgets.in_episode(721))
            self.assertFalse(budgets.dirty)

    def test_the_number_of_servers_is_checked(self):
        for servers in (0, 65, -1, "8", None, 8.0):
            with self.assertRaises(ValueError):
                Budgets(DEFAULT, servers)
        for servers in (1, 64):
            Budgets(DEFAULT, servers)

    def test_a_step_is_free_again_when_its_window_has_passed(self):
        for rules in (DEFAULT, VERIZON, GENTLE):
            for step in ALL_STEPS:
                budgets = Budgets(rules)
                length_s = window_s(rules, step)
                for i in range(cap(rules, step)):
                    self.assertTrue(budgets.free_s(step, length_s) <= 5000 + i, STEPS[step])
                    self.assertEqual(budgets.left(step, 5000 + i, length_s), cap(rules, step) - i)
                    budgets.spend(step, 5000 + i)
                    self.assertEqual(budgets.last_s(step), 5000 + i)
                self.assertEqual(budgets.free_s(step, length_s), 5000 + length_s, STEPS[step])
                self.assertEqual(budgets.left(step, 5000 + length_s - 1, length_s), 0)
                self.assertEqual(budgets.left(step, 5000 + length_s, length_s), 1)

    def test_all_kinds_together_are_counted_too(self):
        budgets = Budgets(VERIZON)
        for i, step in enumerate((STEP_REGISTER, STEP_PAUSE, STEP_RADIO, STEP_RESET)):
            self.assertEqual(budgets.left(RADIO, 100 + i, HOUR_S), 4 - i)
            budgets.spend(step, 100 + i)
        self.assertEqual(budgets.free_s(RADIO, HOUR_S), 100 + HOUR_S)
        self.assertEqual(budgets.last_s(RADIO), 103)

    def test_a_step_counts_for_its_own_kind_only(self):
        also = {STEP_PARKED_REGISTER: STEP_REGISTER, STEP_PARKED_RESET: STEP_RESET}
        for step in ALL_STEPS:
            budgets = Budgets(DEFAULT)
            budgets.spend(step, 100)
            for other in ALL_STEPS:
                spent = cap(DEFAULT, other) - budgets.left(other, 100, window_s(DEFAULT, other))
                expected = 1 if other in (step, also.get(step)) else 0
                self.assertEqual(spent, expected, "%s: %s" % (STEPS[step], STEPS[other]))

    def test_exhausted_ones_are_as_if_all_were_just_spent(self):
        for rules in (DEFAULT, VERIZON, GENTLE):
            budgets = Budgets(rules)
            budgets.exhaust(777)
            self.assertTrue(none_left(budgets, rules, 777))
            for step in range(len(STEPS)):
                self.assertEqual(budgets.last_s(step), 777)
                self.assertEqual(budgets.free_s(step, HOUR_S), 777 + HOUR_S)
            self.assertTrue(none_left(budgets, rules, 777 + HOUR_S - 1))
            self.assertEqual(left(budgets, rules, 777 + DAY_S), full(rules))

    def test_tries_are_counted_by_step_and_never_overflow(self):
        for step in range(len(STEPS)):
            budgets = Budgets(DEFAULT)
            for _ in range(300):
                budgets.count(step)
            self.assertEqual(budgets.tries[step], 255)
            self.assertEqual(sum(budgets.tries), 255)
            budgets.clear(step)
            self.assertEqual(sum(budgets.tries), 0)

    def test_what_changes_has_to_be_saved(self):
        changes = (
            ("spend", lambda b: b.spend(STEP_RADIO, 5)),
            ("exhaust", lambda b: b.exhaust(5)),
            ("count", lambda b: b.count(STEP_RADIO)),
            ("set_server_tries", lambda b: b.set_server_tries(721, 1)),
            ("repair", lambda b: b.repair(721)),
            ("end_episode", lambda b: b.end_episode(721)),
            ("recovered", lambda b: b.recovered(0)),
            ("died", lambda b: b.died(5, False)),
            ("set_mark", lambda b: b.set_mark(1, 5)),
            ("set_pin_tried", lambda b: b.set_pin_tried(1)),
        )
        for name, change in changes:
            budgets = Budgets(DEFAULT)
            change(budgets)
            self.assertTrue(budgets.dirty, name)
        budgets = spent_budgets()
        budgets.dirty = False
        budgets.clear(STEP_RADIO)
        self.assertTrue(budgets.dirty)

    def test_asking_changes_nothing(self):
        budgets = spent_budgets()
        before = store.pack(budgets, 10000)
        budgets.dirty = False
        picture(budgets, DEFAULT, 10000)
        for server in (721, 9, 0):
            budgets.in_episode(server)
            budgets.server_tries(server)
            budgets.repaired(server)
        budgets.open(10000)
        self.assertEqual(store.pack(budgets, 10000), before)
        self.assertFalse(budgets.dirty)


class ServersTest(unittest.TestCase):
    def test_each_has_its_own_tries(self):
        budgets = Budgets(DEFAULT)
        for i in range(8):
            budgets.set_server_tries(100 + i, i + 1)
        budgets.repair(103)
        for i in range(8):
            self.assertEqual(budgets.server_tries(100 + i), i + 1)
            self.assertEqual(bool(budgets.repaired(100 + i)), i == 3)
        self.assertEqual(budgets.server_tries(99), 0)
        self.assertFalse(budgets.repaired(99))
        budgets.set_server_tries(100, 400)
        self.assertEqual(budgets.server_tries(100), 255)

    def test_those_too_many_share_the_last_place(self):
        budgets = Budgets(DEFAULT, 2)
        budgets.set_server_tries(1, 1)
        budgets.set_server_tries(2, 2)
        budgets.set_server_tries(3, 5)
        self.assertEqual(budgets.server_tries(1), 1)
        self.assertEqual(budgets.server_tries(3), 5)
        self.assertEqual(budgets.server_tries(4), 5)

    def test_one_too_many_is_enabled_again_only_once(self):
        budgets = Budgets(DEFAULT, 2)
        for server in (1, 2, 3):
            budgets.repair(server)
            self.assertTrue(budgets.repaired(server), "%d" % server)

    def test_a_ladder_with_too_many_disabled_servers_writes_each_row_once(self):
        node = Node(1, 2, 3, places=2)
        node.found["disabled"] = (1, 2, 3)
        node.run(600)
        rows = [row[2] for row in node.taken if row[1] == policy.ENABLE_SERVER]
        for server in (1, 2, 3):
            n = rows.count(server)
            self.assertTrue(n <= 1, "%d: %d times" % (server, n))

    def test_the_end_of_an_episode_clears_the_server_and_the_module_but_no_cap(self):
        budgets = spent_budgets()
        before = left(budgets, DEFAULT, 10000)
        for server in (721, 123):
            self.assertTrue(budgets.in_episode(server))
        budgets.end_episode(123)
        self.assertEqual((budgets.server_tries(123), budgets.server_tries(721)), (0, 5))
        self.assertFalse(budgets.repaired(123))
        self.assertEqual(sum(budgets.tries), budgets.tries[STEP_KICK])  # no business of a server
        self.assertEqual(budgets.enabled, 0)
        self.assertFalse(budgets.in_episode(123))
        self.assertTrue(budgets.in_episode(721))
        self.assertEqual(left(budgets, DEFAULT, 10000), before)
        self.assertEqual(budgets.pin_tried, 1)

    def test_the_last_step_is_that_of_an_episode_that_is_not_over(self):
        budgets = Budgets(DEFAULT)
        budgets.spend(STEP_REGISTER, 100)
        self.assertEqual(budgets.last_step()[0], 0)
        budgets.set_server_tries(721, 1)
        self.assertEqual(budgets.last_step(), (STEP_REGISTER, 100))
        budgets.spend(STEP_PAUSE, 200)
        budgets.count(STEP_PAUSE)
        self.assertEqual(budgets.last_step(), (STEP_PAUSE, 200))
        budgets.end_episode(721)
        self.assertEqual(budgets.last_step()[0], 0)


class PortTest(unittest.TestCase):
    """What is kept of a module that does not answer, and of how it was before."""

    def load(self, kept, now_s=0):
        budgets = Budgets(DEFAULT)
        keeper = Keeper(kept, budgets)
        keeper.load(now_s)
        return budgets, keeper

    def test_a_start_counts_until_the_module_answers(self):
        kept = MemoryStore()
        for n in range(1, 300):
            budgets, keeper = self.load(kept)
            self.assertEqual(budgets.starts, min(n, 255))
        budgets.answered()
        self.assertTrue(budgets.soon)
        self.assertEqual((budgets.starts, budgets.dead_s), (0, NEVER))
        keeper.save(5)
        self.assertEqual(self.load(kept)[0].starts, 1)

    def test_the_answer_to_the_first_start_needs_no_record(self):
        kept = MemoryStore()
        budgets, _ = self.load(kept)
        budgets.answered()
        self.assertFalse(budgets.dirty)
        budgets, _ = self.load(kept)
        self.assertEqual((budgets.starts, budgets.dead_s), (2, NEVER))

    def test_a_life_too_short_for_a_checkpoint_counts_some_seconds(self):
        kept = MemoryStore()
        ages = []
        for _ in range(12):
            budgets, _ = self.load(kept)
            ages.append(0 if budgets.dead_s == NEVER else -budgets.dead_s)
        self.assertEqual(ages, [0, 0, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50])

    def test_of_a_dead_port_the_first_time_counts(self):
        budgets = Budgets(DEFAULT)
        budgets.well = 1
        budgets.died(100, True)
        self.assertEqual((budgets.dead_s, budgets.well, budgets.dirty), (100, 1, True))
        budgets.dirty = False
        budgets.died(200, False)
        self.assertEqual((budgets.dead_s, budgets.well, budgets.dirty), (100, 1, False))

    def test_one_that_dies_in_trouble_was_not_well(self):
        for well, known, expected in ((1, True, 1), (1, False, 0), (0, True, 0), (0, False, 0)):
            budgets = Budgets(DEFAULT)
            budgets.well = well
            budgets.died(100, known)
            self.assertEqual(budgets.well, expected)

    def test_any_step_ends_that_all_was_well(self):
        for step in range(STEP_REGISTER, STEP_KICK):
            budgets = Budgets(DEFAULT)
            budgets.recovered(50)
            self.assertEqual((budgets.well, budgets.troubled), (1, 0))
            budgets.spend(RADIO, 100)  # no step of ours
            self.assertEqual((budgets.well, budgets.troubled), (1, 0))
            budgets.spend(step, 100)
            self.assertEqual((budgets.well, budgets.troubled), (0, 1))
            budgets.recovered(99)  # proved before the step
            self.assertEqual((budgets.well, budgets.troubled), (0, 0))
            budgets.recovered(101)
            self.assertEqual((budgets.well, budgets.troubled), (1, 0))

    def test_the_remedy_of_a_client_does_not_end_it(self):
        # Reports are lost too when the module begins to install a firmware.
        budgets = Budgets(DEFAULT)
        budgets.recovered(50)
        budgets.spend(STEP_KICK, 100)
        budgets.died(200, True)
        self.assertEqual(budgets.well, 1)

    def test_that_all_is_well_is_written_once(self):
        budgets = Budgets(DEFAULT)
        budgets.down_s = 5
        budgets.recovered(0)
        self.assertTrue(budgets.dirty)
        self.assertEqual(budgets.down_s, NEVER)
        budgets.dirty = False
        budgets.recovered(0)
        self.assertFalse(budgets.dirty)

    def test_a_lost_record_may_hide_an_update(self):
        budgets = Budgets(DEFAULT)
        budgets.exhaust(5)
        self.assertEqual(budgets.well, 1)

    def test_a_dead_port_needs_checkpoints(self):
        keeper, budgets, now_s = grown(MemoryStore())
        budgets.died(now_s, True)
        keeper.save(now_s)
        self.assertEqual(keeper.due_s(now_s), CHECKPOINT_S)


class RecordTest(unittest.TestCase):
    def test_it_holds_everything_on_any_other_clock(self):
        for rules in (DEFAULT, VERIZON, GENTLE):
            data = store.pack(spent_budgets(rules), 10000)
            expected = picture(spent_budgets(rules), rules, 10000)
            for now_s in (0, 1, 10000, 10001, YEAR_S):
                other = Budgets(rules)
                reader.unpack(other, data, now_s)
                self.assertTrue(picture(other, rules, now_s) == expected, "%d" % now_s)
                self.assertFalse(other.dirty)
                self.assertEqual(ordered(store.pack(other, now_s)), ordered(data))

    def test_new_budgets_stay_new(self):
        for now_s in (0, 5, YEAR_S):
            other = Budgets(DEFAULT)
            reader.unpack(other, store.pack(Budgets(DEFAULT), 12345), now_s)
            self.assertEqual(left(other, DEFAULT, now_s), full(DEFAULT))
            self.assertEqual(other.last_step()[0], 0)
            self.assertTrue(other.fota_s < now_s - YEAR_S)

    def test_time_counts_only_between_two_readings_on_one_side_of_2024(self):
        self.assertEqual(time.gmtime(0)[0], 1970)
        rows = (
            ("no clock", None, None, 0),
            ("only at the save", SET_S + 5, None, 0),
            ("only at the load", None, SET_S + 5, 0),
            ("set", SET_S + 5, SET_S + 1805, 1800),
            ("from the first second of 2024", SET_S, SET_S + 600, 600),
            ("never set, since 1970", 100, 700, 600),
            ("never set, since 2000", 946684800, 946684860, 60),
            ("never set, since 2021", 1609459200, 1609459200 + 7200, 7200),
            ("never set, up to the last second of 2023", SET_S - 11, SET_S - 1, 10),
            ("set in between", 946684860, SET_S + YEAR_S, 0),
            ("set in between, by a second", SET_S - 1, SET_S, 0),
            ("lost in between", SET_S + YEAR_S, 946684860, 0),
            ("stood still", SET_S + 5, SET_S + 5, 0),
            ("ran backwards", SET_S + 5000, SET_S + 4000, 0),
            ("ran backwards, never set", 5000, 4000, 0),
        )
        expected = picture(spent_budgets(), DEFAULT, 10000)
        for name, saved_s, loaded_s, elapsed_s in rows:
            for now_s in (0, 100, 50000):
                other = Budgets(DEFAULT)
                reader.unpack(other, store.pack(spent_budgets(), 10000, saved_s), now_s, loaded_s)
                self.assertEqual(other.fota_s, now_s - (10000 - spent_budgets().fota_s), name)
                other.fota_s -= elapsed_s  # an update ages by uptime: a clock can be wrong
                other.fota_first_s -= elapsed_s
                self.assertTrue(picture(other, DEFAULT, now_s - elapsed_s) == expected, name)

    def test_after_many_years_all_is_free_and_nothing_overflows(self):
        wall_s = SET_S + 10
        data = store.pack(spent_budgets(), 10000, wall_s)
        for years in (1, 17, 18, 40, 80):
            other = Budgets(DEFAULT)
            reader.unpack(other, data, 0, wall_s + years * YEAR_S)
            self.assertEqual(left(other, DEFAULT, 0), full(DEFAULT), "%d" % years)
            again = Budgets(DEFAULT)
            reader.unpack(again, store.pack(other, 0), 0)
            self.assertEqual(left(again, DEFAULT, 0), full(DEFAULT), "%d" % years)

    def test_a_clock_of_fractions_of_a_second_will_do(self):
        # time.time() is one on some ports
        data = store.pack(spent_budgets(), 10000, SET_S + 5.25)
        other = Budgets(DEFAULT)
        reader.unpack(other, data, 0, SET_S + 605.75)
        self.assertTrue(600 <= 0 - other.dead_s - 100 <= 601)

    def test_the_newest_steps_are_kept_when_a_cap_shrinks(self):
        budgets = Budgets(DEFAULT)
        for at_s in (100, 200, 300):
            budgets.spend(STEP_RESET, at_s)
        for i in range(15):
            budgets.spend(STEP_REGISTER, 1000 + i)
        other = Budgets(GENTLE)
        reader.unpack(other, store.pack(budgets, 2000), 2000)
        self.assertEqual(other.last_s(STEP_RESET), 300)
        self.assertEqual(other.free_s(STEP_RESET, DAY_S), 200 + DAY_S)
        self.assertEqual(other.free_s(STEP_REGISTER, HOUR_S), 1011 + HOUR_S)
        self.assertEqual(other.free_s(RADIO, HOUR_S), 1009 + HOUR_S)

    def test_a_greater_cap_still_counts_what_is_known(self):
        budgets = Budgets(GENTLE)
        for at_s in (100, 200):
            budgets.spend(STEP_RESET, at_s)
        other = Budgets(DEFAULT)
        reader.unpack(other, store.pack(budgets, 300), 300)
        self.assertEqual(other.left(STEP_RESET, 300, DAY_S), 1)
        other.spend(STEP_RESET, 300)
        self.assertEqual(other.free_s(STEP_RESET, DAY_S), 100 + DAY_S)

    def test_a_record_of_more_servers_than_places_is_taken_over(self):
        budgets = Budgets(DEFAULT, 8)
        for i in range(8):
            budgets.set_server_tries(100 + i, i + 1)
        other = Budgets(DEFAULT, 2)
        reader.unpack(other, store.pack(budgets, 0), 0)
        for i in range(8):  # some share a place
            self.assertTrue(other.server_tries(100 + i) >= 1)

    def test_what_is_no_record_is_refused_and_leaves_all_as_it_was(self):
        data = store.pack(spent_budgets(), 10000)
        for bad in (b"", b"x", b"\xff" * 10, b"\xff" * 200, data[:-1], data + b"x", b"\0" * 30):
            other = Budgets(DEFAULT)
            before = store.pack(other, 0)
            with self.assertRaises(ValueError):
                reader.unpack(other, bad, 0)
            self.assertEqual(store.pack(other, 0), before)

    def test_no_part_of_a_record_raises_anything_else(self):
        data = store.pack(spent_budgets(), 10000)
        for size in range(len(data)):
            try:
                reader.unpack(Budgets(DEFAULT), data[:size], 0)
            except ValueError:
                pass


class RestartsTest(unittest.TestCase):
    def spend_at_random(self, rules, seed, wall):
        """Days of a node that restarts all the time: {kind: true times of its steps}."""
        chance = Chance(seed)
        true_s = 0
        times = {step: [] for step in range(len(STEPS))}
        budgets = Budgets(rules)
        boot_s = 0  # true time at 0 of the node's clock
        kept = None
        for _ in range(400):
            true_s += chance((60, 600, 7200)[chance(3)]) + 1
            if chance(4) == 0:  # restart, at times with power off for long
                true_s += chance((2, 3600, 40000)[chance(3)])
                boot_s = true_s - chance(100)
                budgets = Budgets(rules)
                if kept:
                    reader.unpack(budgets, kept, true_s - boot_s, SET_S + true_s if wall else None)
            now_s = true_s - boot_s
            for step in ALL_STEPS:
                if budgets.free_s(step, window_s(rules, step)) > now_s:
                    continue
                if budgets.free_s(RADIO, HOUR_S) > now_s:
                    break
                budgets.spend(step, now_s)
                kept = store.pack(budgets, now_s, SET_S + true_s if wall else None)
                times[step].append(true_s)
                times[RADIO].append(true_s)
        return times

    def test_every_cap_holds_in_every_rolling_window(self):
        for rules in (DEFAULT, VERIZON, GENTLE):
            for wall in (False, True):
                for seed in (1, 2, 3):
                    times = self.spend_at_random(rules, seed, wall)
                    for step in range(len(STEPS)):
                        n = most_in(times[step], window_s(rules, step))
                        self.assertTrue(n <= cap(rules, step), "%s: %d" % (STEPS[step], n))
                    self.assertTrue(len(times[RADIO]) > 10)

    def test_a_loop_of_resets_refills_nothing(self):
        for rules in (DEFAULT, VERIZON, GENTLE):
            for step in ALL_STEPS:
                kept = MemoryStore()
                spent = 0
                for _ in range(40):
                    budgets = Budgets(rules)
                    keeper = Keeper(kept, budgets)
                    keeper.load(3)
                    free_s = budgets.free_s(step, window_s(rules, step))
                    if max(free_s, budgets.free_s(RADIO, HOUR_S)) <= 5:
                        budgets.spend(step, 5)
                        self.assertTrue(keeper.save(5))
                        spent += 1
                self.assertEqual(spent, min(cap(rules, step), rules["radio_per_hour"]))

    def test_a_ladder_that_restarts_every_hour_keeps_every_cap(self):
        kept = MemoryStore()
        times = {}
        for boot in range(60):
            node = Node(kept=kept)
            node.see(721, 4)
            node.run(HOUR_S)
            for at_s, action, _, _ in node.taken:
                times.setdefault(action, []).append(boot * HOUR_S + at_s)
        self.assertTrue(len(times[policy.REGISTER]) >= 5)
        self.assertTrue(most_in(times[policy.REGISTER], HOUR_S) <= 10)
        self.assertTrue(most_in(times.get(policy.SOFT_RESET, [0]), DAY_S) <= 3)
        self.assertTrue(most_in(times.get(policy.PIN_RESET, [0]), DAY_S) <= 4)


class SealTest(unittest.TestCase):
    def refused(self, data, why):
        try:
            unseal(data)
        except ValueError as e:
            self.assertTrue(str(e).startswith("record: "), str(e))
            return
        self.fail("accepted: %s" % why)

    def test_what_was_sealed_comes_back(self):
        for body in (b"", b"\0", b"x" * 300, store.pack(spent_budgets(), 10000)):
            self.assertEqual(unseal(seal(body)), body)

    def test_what_lies_behind_a_record_does_not_matter(self):
        data = seal(store.pack(spent_budgets(), 10000))
        self.assertEqual(unseal(data + b"\xff" * 50), unseal(data))

    def test_every_flipped_bit_is_noticed(self):
        for rules in (DEFAULT, GENTLE):
            good = seal(store.pack(spent_budgets(rules), 10000))
            for tail in (b"", b"\0" * 40):
                data = bytearray(good + tail)
                for i in range(8 * len(good)):
                    data[i >> 3] ^= 1 << (i & 7)
                    self.refused(data, "bit %d" % i)
                    data[i >> 3] ^= 1 << (i & 7)
                unseal(data)

    def test_every_cut_is_noticed(self):
        data = seal(store.pack(spent_budgets(), 10000))
        for size in range(len(data)):
            self.refused(data[:size], "%d bytes" % size)

    def test_what_never_was_a_record_is_refused(self):
        for data in (b"", b"\0" * 500, b"\xff" * 500, b"LX", b"LX\x01\0\0", b"{}\n"):
            self.refused(data, repr(data[:10]))


class CutOs:
    """Stands for os: the power goes before the file is renamed."""

    def rename(self, old, new):
        raise OSError(5)


class FileStoreTest(unittest.TestCase):
    def setUp(self):
        name = "".join("%02x" % b for b in os.urandom(8))
        self.folder = "%s/lexi-%s" % (os.getenv("TMPDIR") or "/tmp", name)
        os.mkdir(self.folder)
        self.path = self.folder + "/lexi.bud"
        self.files = FileStore(self.path)

    def tearDown(self):
        for name in os.listdir(self.folder):
            path = self.folder + "/" + name
            if os.stat(path)[0] & 0x4000:
                os.rmdir(path)
            else:
                os.remove(path)
        os.rmdir(self.folder)

    def write(self, path, data):
        with open(path, "wb") as f:
            f.write(data)

    def test_a_file_that_never_was_is_no_record(self):
        self.assertEqual(self.files.load(), None)
        self.assertEqual(FileStore(self.folder + "/none/lexi.bud").load(), None)

    def test_what_was_saved_last_is_loaded(self):
        for data in (b"", b"one", b"twice as long", b"2"):
            self.files.save(data)
            self.assertEqual(self.files.load(), data)
            self.assertEqual(FileStore(self.path).load(), data)
            self.assertEqual(os.listdir(self.folder), ["lexi.bud"])

    def test_a_cut_before_the_rename_leaves_the_old_record(self):
        self.files.save(b"old")
        saved, store.os = store.os, CutOs()
        try:
            with self.assertRaises(OSError):
                self.files.save(b"new")
        finally:
            store.os = saved
        self.assertEqual(self.files.load(), b"old")
        self.files.save(b"newer")
        self.assertEqual(self.files.load(), b"newer")

    def test_a_cut_while_it_is_written_leaves_the_old_record(self):
        self.files.save(b"old")
        for torn in (b"", b"n"):
            self.write(self.path + ".new", torn)
            self.assertEqual(self.files.load(), b"old")

    def test_a_cut_within_the_rename_leaves_the_new_record(self):
        # FAT removes the old file first.
        self.files.save(b"old")
        self.write(self.path + ".new", b"new")
        os.remove(self.path)
        self.assertEqual(self.files.load(), b"new")
        self.files.save(b"newer")
        self.assertEqual(self.files.load(), b"newer")
        self.assertEqual(os.listdir(self.folder), ["lexi.bud"])

    def test_a_first_record_that_was_cut_is_not_taken_for_none(self):
        self.write(self.path + ".new", b"LX")
        self.assertEqual(self.files.load(), b"LX")
        budgets = Budgets(DEFAULT)
        Keeper(self.files, budgets).load(50)
        self.assertTrue(none_left(budgets, DEFAULT, 50))

    def test_a_folder_in_its_place_is_an_error(self):
        os.mkdir(self.path)
        with self.assertRaises(OSError):
            self.files.load()
        with self.assertRaises(OSError):
            self.files.save(b"x")

    def test_a_folder_in_place_of_the_new_file_is_an_error_and_keeps_the_old_record(self):
        self.files.save(b"old")
        os.mkdir(self.path + ".new")
        with self.assertRaises(OSError):
            self.files.save(b"x")
        self.assertEqual(self.files.load(), b"old")

    def test_no_folder_to_write_to_is_an_error(self):
        with self.assertRaises(OSError):
            FileStore(self.folder + "/none/lexi.bud").save(b"x")

    def test_budgets_outlive_a_restart(self):
        budgets = spent_budgets()
        keeper = Keeper(self.files, budgets)
        self.assertTrue(keeper.save(10000))
        other = Budgets(DEFAULT)
        Keeper(FileStore(self.path), other).load(20)
        budgets.starts += 1  # which is what a load means
        self.assertTrue(picture(other, DEFAULT, 20) == picture(budgets, DEFAULT, 10000))


class FakeRtc:
    """machine.RTC of an ESP32."""

    def __init__(self, size=2048):
        self.data = b""
        self.size = size

    def memory(self, data=None):
        if data is None:
            return self.data
        if len(data) > self.size:
            raise ValueError("buffer too long")
        self.data = bytes(data)
        return None


class RtcStoreTest(unittest.TestCase):
    def test_what_was_saved_last_is_loaded(self):
        rtc = FakeRtc()
        for data in (b"one", b"twice as long", b"2"):
            RtcStore(rtc).save(data)
            self.assertEqual(RtcStore(rtc).load()[: len(data)], data)

    def test_after_power_up_all_is_spent_for_an_hour(self):
        told = []
        rtc = FakeRtc()
        budgets = Budgets(DEFAULT)
        keeper = Keeper(RtcStore(rtc), budgets, on_failure=told.append)
        keeper.load(40)
        self.assertTrue(none_left(budgets, DEFAULT, 40))
        self.assertEqual(budgets.free_s(STEP_REGISTER, HOUR_S), 40 + HOUR_S)
        self.assertEqual(len(told), 1)
        self.assertTrue(isinstance(told[0], ValueError))
        other = Budgets(DEFAULT)
        Keeper(RtcStore(rtc), other, on_failure=told.append).load(0)
        self.assertEqual(len(told), 1)  # now there is a record

    def test_what_the_application_keeps_before_it_stays(self):
        for offset, before, kept in (
            (4, b"mine", b"mine"),
            (4, b"mine and more", b"mine"),
            (4, b"my", b"my\0\0"),
            (4, b"", b"\0\0\0\0"),
            (0, b"mine", b""),
            (1000, b"x" * 1000, b"x" * 1000),
        ):
            rtc = FakeRtc()
            rtc.memory(before)
            kept_there = RtcStore(rtc, offset)
            for data in (seal(b"first, and longer"), seal(b"second")):
                kept_there.save(data)
                self.assertEqual(rtc.data[:offset], kept)
                self.assertEqual(kept_there.load()[: len(data)], data)

    def test_a_record_that_does_not_fit_is_an_error(self):
        rtc = FakeRtc(100)
        RtcStore(rtc, 60).save(b"x" * 40)
        with self.assertRaises(OSError):
            RtcStore(rtc, 61).save(b"y" * 40)
        with self.assertRaises(OSError):
            RtcStore(rtc).save(b"y" * 101)
        self.assertEqual(RtcStore(rtc, 60).load(), b"x" * 40)

    def test_a_record_fits_into_the_memory_of_an_esp32(self):
        budgets = Budgets(DEFAULT)
        budgets.exhaust(5)
        for i in range(8):
            budgets.set_server_tries(100 + i, 5)
        rtc = FakeRtc()
        self.assertTrue(Keeper(RtcStore(rtc), budgets).save(5))

    def test_the_offset_is_checked(self):
        for offset in (-1, 2049, None, "0", 1.0):
            with self.assertRaises(ValueError):
                RtcStore(FakeRtc(), offset)


class KeeperTest(unittest.TestCase):
    def setUp(self):
        self.told = []

    def keeper(self, kept, budgets=None, wall=None):
        self.budgets = budgets or Budgets(DEFAULT)
        return Keeper(kept, self.budgets, wall, self.told.append)

    def test_a_store_without_its_two_methods_is_refused(self):
        class OnlyLoad:
            def load(self):
                return None

        class NotCallable(OnlyLoad):
            save = 5

        for kept in (None, 5, "lexi.bud", OnlyLoad(), NotCallable(), {}):
            with self.assertRaises(ValueError):
                Keeper(kept, Budgets(DEFAULT))

    def test_without_a_record_all_budgets_are_full(self):
        kept = MemoryStore()
        keeper = self.keeper(kept)
        keeper.load(100)
        self.assertEqual(left(self.budgets, DEFAULT, 100), full(DEFAULT))
        self.assertEqual(self.told, [])
        self.assertEqual((keeper.failed, keeper.writes), (False, 1))
        unseal(kept.data)

    def test_what_is_no_record_counts_as_all_spent(self):
        good = seal(store.pack(spent_budgets(), 10000))
        flipped = bytearray(good)
        flipped[50] ^= 4
        version = bytearray(good)
        version[2] += 1
        rows = (
            ("empty", b""),
            ("torn", good[:-1]),
            ("half", good[: len(good) // 2]),
            ("flipped", bytes(flipped)),
            ("other version", bytes(version)),
            ("erased flash", b"\xff" * 300),
            ("sealed, but of another layout", seal(b"something else")),
            ("sealed, but empty", seal(b"")),
            ("text", b"a file of the application\n"),
        )
        for name, data in rows:
            self.told = []
            kept = MemoryStore(data)
            keeper = self.keeper(kept)
            keeper.load(100)
            self.assertTrue(none_left(self.budgets, DEFAULT, 100), name)
            self.assertEqual([type(e) for e in self.told], [ValueError], name)
            self.assertFalse(keeper.failed, name)
            again = Budgets(DEFAULT)  # the careful assumption is a record now
            Keeper(kept, again, None, self.told.append).load(0)
            self.assertEqual(len(self.told), 1, name)
            self.assertTrue(none_left(again, DEFAULT, 0), name)

    def test_a_store_that_cannot_be_read_counts_as_all_spent(self):
        kept = MemoryStore(no_load=OSError(5))
        keeper = self.keeper(kept)
        keeper.load(100)
        self.assertTrue(none_left(self.budgets, DEFAULT, 100))
        self.assertEqual(self.told, [kept.no_load])
        self.assertFalse(keeper.failed)

    def test_the_first_save_that_fails_holds_the_step_back_and_spends_all(self):
        kept = MemoryStore()
        keeper = self.keeper(kept)
        keeper.load(100)
        kept.no_save = OSError(28)
        self.budgets.spend(STEP_REGISTER, 200)
        self.assertFalse(keeper.save(200))
        self.assertTrue(keeper.failed)
        self.assertTrue(none_left(self.budgets, DEFAULT, 200))
        self.assertEqual(self.told, [kept.no_save])
        self.assertEqual(keeper.writes, 1)

    def test_later_ones_let_the_step_go_ahead_on_the_budgets_in_ram(self):
        kept = MemoryStore()
        keeper = self.keeper(kept)
        keeper.load(100)
        kept.no_save = OSError(28)
        self.assertFalse(keeper.save(200))
        now_s = 200 + HOUR_S
        for i in range(5):
            self.assertTrue(self.budgets.free_s(STEP_REGISTER, HOUR_S) <= now_s)
            self.budgets.spend(STEP_REGISTER, now_s)
            self.assertTrue(keeper.save(now_s))
            self.assertEqual(self.budgets.left(STEP_REGISTER, now_s, HOUR_S), 9 - i)
        self.assertTrue(keeper.failed)
        self.assertEqual(len(self.told), 1)

    def test_a_store_that_recovers_is_used_again(self):
        kept = MemoryStore()
        keeper = self.keeper(kept)
        keeper.load(100)
        kept.no_save = OSError(28)
        self.assertFalse(keeper.save(200))
        kept.no_save = None
        self.assertTrue(keeper.save(300))
        self.assertEqual((keeper.failed, keeper.writes), (False, 2))
        other = Budgets(DEFAULT)
        Keeper(kept, other).load(0)
        self.assertTrue(none_left(other, DEFAULT, HOUR_S - 101))

    def test_a_store_that_can_be_read_but_not_written_is_told_at_the_load(self):
        kept = MemoryStore(no_save=OSError(30))
        keeper = self.keeper(kept)
        keeper.load(100)
        self.assertTrue(keeper.failed)
        self.assertTrue(none_left(self.budgets, DEFAULT, 100))
        self.assertEqual(self.told, [kept.no_save])
        self.assertTrue(keeper.save(200))
        self.assertEqual((len(self.told), keeper.writes), (1, 0))

    def test_a_store_that_can_neither_be_read_nor_written_is_told_once(self):
        kept = MemoryStore(no_load=OSError(5), no_save=OSError(30))
        keeper = self.keeper(kept)
        keeper.load(100)
        for now_s in (200, 300):
            keeper.save(now_s)
        self.assertTrue(none_left(self.budgets, DEFAULT, 300))
        self.assertEqual(len(self.told), 1)

    def test_without_on_failure_nothing_is_raised(self):
        budgets = Budgets(DEFAULT)
        keeper = Keeper(MemoryStore(b"x", None, OSError(5)), budgets)
        keeper.load(5)
        self.assertTrue(keeper.save(6))
        self.assertTrue(none_left(budgets, DEFAULT, 5))

    def test_other_errors_of_a_store_are_not_hidden(self):
        with self.assertRaises(KeyError):
            self.keeper(MemoryStore(no_load=KeyError("bug"))).load(0)

    def test_a_pin_that_was_tried_is_not_tried_again_after_a_restart(self):
        kept = MemoryStore()
        keeper = self.keeper(kept)
        keeper.load(0)
        self.budgets.set_pin_tried(1)
        self.assertTrue(keeper.save(10))
        for _ in range(3):
            other = Budgets(DEFAULT)
            Keeper(kept, other).load(5)
            self.assertEqual(other.pin_tried, 1)

    def test_a_lost_record_does_not_give_the_pin_another_try(self):
        good = seal(store.pack(spent_budgets(), 10000))
        for data in (good[:-1], good[:-4] + b"\0\0\0\0"):
            self.keeper(MemoryStore(data)).load(5)
            self.assertEqual(self.budgets.pin_tried, 1)

    def test_the_wall_clock_is_read_at_the_save_and_at_the_load(self):
        wall = [SET_S + 50]
        kept = MemoryStore()
        budgets = Budgets(DEFAULT)
        keeper = self.keeper(kept, budgets, lambda: wall[0])
        keeper.load(0)
        budgets.spend(STEP_RESET, 100)
        keeper.save(100)
        wall[0] += 1800
        other = Budgets(DEFAULT)
        Keeper(kept, other, lambda: wall[0]).load(5)
        self.assertEqual(other.last_s(STEP_RESET), 5 - 1800)

    def test_the_clock_of_the_port_will_do(self):
        kept = MemoryStore()
        keeper = self.keeper(kept, None, time.time)
        keeper.load(0)
        self.budgets.spend(STEP_RESET, 100)
        self.assertTrue(keeper.save(100))
        other = Budgets(DEFAULT)
        Keeper(kept, other, time.time).load(5)
        self.assertTrue(-55 <= other.last_s(STEP_RESET) <= 5)

    def test_writes_are_counted(self):
        kept = MemoryStore()
        keeper = self.keeper(kept)
        keeper.load(0)
        for i in range(1, 6):
            self.budgets.count(STEP_RADIO)
            keeper.save(i)
            self.assertEqual(keeper.writes, 1 + i)
            self.assertEqual(kept.attempts, 1 + i)
            self.assertFalse(self.budgets.dirty)


def grown(kept):
    """A Keeper that has the early checkpoints of its start behind it, its Budgets, and the time."""
    budgets = Budgets(DEFAULT)
    keeper = Keeper(kept, budgets)
    keeper.load(0)
    now_s = 0
    for gap_s in (60, 120, 240, 480, 960, 1920):
        now_s += gap_s
        keeper.save(now_s)
    return keeper, budgets, now_s


class CheckpointTest(unittest.TestCase):
    def test_those_of_a_start_come_after_1_2_4_minutes_and_so_on(self):
        budgets = Budgets(DEFAULT)
        keeper = Keeper(MemoryStore(), budgets)
        keeper.load(0)
        budgets.spend(STEP_REGISTER, 0)
        keeper.save(0)
        now_s = 0
        gaps_s = []
        for _ in range(8):
            gaps_s.append(keeper.due_s(now_s))
            now_s += gaps_s[-1]
            keeper.save(now_s)
        self.assertEqual(gaps_s, [60, 120, 240, 480, 960, 1920, CHECKPOINT_S, CHECKPOINT_S])

    def test_half_of_the_uptime_counts_however_often_the_node_restarts(self):
        for life_s in (61, 130, 700, 3000, 5000):
            kept = MemoryStore()
            budgets = Budgets(DEFAULT)
            keeper = Keeper(kept, budgets)
            keeper.load(0)
            budgets.spend(STEP_REGISTER, 0)
            keeper.save(0)
            for lives in range(1, 20):
                for now_s in range(life_s):
                    if keeper.due_s(now_s) == 0:
                        keeper.save(now_s)
                budgets = Budgets(DEFAULT)
                keeper = Keeper(kept, budgets)
                keeper.load(0)
                age_s = -budgets.last_s(STEP_REGISTER)
                self.assertTrue(lives * life_s * 9 // 20 <= age_s <= lives * life_s, "%d" % life_s)

    def test_none_is_due_when_nothing_is_on_the_books(self):
        budgets = Budgets(DEFAULT)
        keeper = Keeper(MemoryStore(), budgets)
        keeper.load(0)
        for now_s in (0, HOUR_S, DAY_S, YEAR_S):
            self.assertEqual(keeper.due_s(now_s), None)

    def test_one_is_due_an_hour_after_the_last_record(self):
        books = (
            ("step", lambda b: b.spend(STEP_REGISTER, 100)),
            ("tries", lambda b: b.count(STEP_RADIO)),
            ("tries of a server", lambda b: b.set_server_tries(721, 1)),
            ("mark", lambda b: b.set_mark(policy.MARK_PAUSED, 100)),
            ("exhausted", lambda b: b.exhaust(100)),
        )
        for name, change in books:
            keeper, budgets, now_s = grown(MemoryStore())
            change(budgets)
            keeper.save(now_s)
            self.assertEqual(keeper.due_s(now_s), CHECKPOINT_S, name)
            self.assertEqual(keeper.due_s(now_s + CHECKPOINT_S - 1), 1, name)
            self.assertEqual(keeper.due_s(now_s + CHECKPOINT_S), 0, name)
            self.assertEqual(keeper.due_s(now_s + 2 * CHECKPOINT_S), 0, name)
            keeper.save(now_s + CHECKPOINT_S)
            self.assertEqual(keeper.due_s(now_s + CHECKPOINT_S), CHECKPOINT_S, name)

    def test_one_is_due_while_a_firmware_update_is_waited_for(self):
        # Its end comes with time: a restart once an hour must not put it off for ever.
        keeper, budgets, now_s = grown(MemoryStore())
        budgets.fota_s = now_s
        keeper.save(now_s)
        self.assertEqual(keeper.due_s(now_s), CHECKPOINT_S)

    def test_an_update_that_was_cut_off_ends_even_if_the_node_restarts_all_the_time(self):
        kept = MemoryStore()
        node = Node(kept=kept)
        node.budgets.fota_s = 0
        node.budgets.dirty = True
        for _ in range(5):
            node.registered(721)
            node.run(HOUR_S + 300)
            node = Node(kept=kept)
        node.see(721, 4)
        node.run(1000)
        self.assertNotEqual(node.decision.held_by, policy.FOTA)
        self.assertTrue(policy.REGISTER in node.steps())

    def test_the_last_one_comes_when_the_longest_window_has_passed(self):
        budgets = Budgets(DEFAULT)
        kept = MemoryStore()
        keeper = Keeper(kept, budgets)
        keeper.load(0)
        budgets.spend(STEP_REGISTER, 100)
        keeper.save(100)
        now_s = 100
        while True:
            due_s = keeper.due_s(now_s)
            if due_s is None:
                break
            now_s += max(1, due_s)
            if keeper.due_s(now_s) == 0:
                keeper.save(now_s)
        early = writes_per_day(DEFAULT, 1) - writes_per_day(DEFAULT)
        self.assertTrue(23 <= keeper.writes - 2 <= 25 + early)
        self.assertTrue(DAY_S <= now_s <= DAY_S + 2 * HOUR_S)


class WritesTest(unittest.TestCase):
    def writes(self, node, days=1, from_s=0):
        """Records written on each day."""
        counts = []
        node.run(from_s)
        for day in range(days):
            before = node.keeper.writes
            node.run(from_s + (day + 1) * DAY_S)
            counts.append(node.keeper.writes - before)
        return counts

    def assert_few(self, node, counts):
        bound = writes_per_day(node.rules)
        for n in counts:
            self.assertTrue(n <= bound, "%d, expected at most %d" % (n, bound))

    def test_the_bound_is_checkpoints_and_two_for_each_step(self):
        for rules in (DEFAULT, VERIZON, GENTLE):
            self.assertEqual(writes_per_day(rules), 24 + 2 * 24 * rules["radio_per_hour"])

    def test_a_day_on_which_all_is_well_needs_none(self):
        node = Node()
        node.registered(721)
        self.assertEqual(self.writes(node, 3, HOUR_S), [0, 0, 0])

    def test_the_days_of_a_parked_node(self):
        for rules in (DEFAULT, VERIZON, GENTLE):
            node = Node(721, 123, rules=rules)

            def fail(_action, _server, node=node):
                for server in (721, 123):
                    node.see(server, 4)

            node.react = fail
            fail(0, 0)
            counts = self.writes(node, 8)
            self.assertTrue(policy.EXHAUSTED in node.parked)
            self.assert_few(node, counts)
            # of the slow rhythm: 6 registrations and a reset, one record each, and checkpoints
            self.assertTrue(counts[-1] <= 24 + 8, "%d" % counts[-1])

    def test_a_day_full_of_steps(self):
        # As many as the caps allow, each with a second record for its end.
        for rules in (DEFAULT, VERIZON, dict(DEFAULT, radio_per_hour=20)):
            budgets = Budgets(rules)
            keeper = Keeper(MemoryStore(), budgets)
            keeper.load(0)
            before = keeper.writes
            steps = 0
            now_s = 0
            while now_s < DAY_S:
                for step in ALL_STEPS:
                    free_s = max(
                        budgets.free_s(step, window_s(rules, step)),
                        budgets.free_s(RADIO, HOUR_S),
                    )
                    if free_s <= now_s:
                        budgets.spend(step, now_s)
                        budgets.set_mark(policy.MARK_PAUSED, now_s)
                        keeper.save(now_s)
                        budgets.set_mark(0, now_s)
                        keeper.save(now_s)
                        steps += 1
                if keeper.due_s(now_s) == 0:
                    keeper.save(now_s)
                now_s += 20
            n = keeper.writes - before
            self.assertTrue(steps > 24, "%d" % steps)
            self.assertTrue(n <= writes_per_day(rules), "%d" % n)

    def test_a_worst_day_of_a_ladder(self):
        # Eight servers that come and go, so that every episode ends and begins anew.
        servers = tuple(range(101, 109))
        rules = dict(DEFAULT, hold_s=60, radio_per_hour=20)
        node = Node(*servers, rules=rules)

        def well(_action, server):
            for each in (server,) if server else servers:
                node.see(each, 3)
                node.case.server(each).timer(node.now_s, 500)
                node.see(each, 5)
                node.see(each, 3)
                node.at(node.now_s + 100, node.case.server(each).closed, node.now_s + 100)
                node.at(node.now_s + 200, node.see, each, 4)

        node.react = well
        for server in servers:
            node.see(server, 4)
        counts = self.writes(node, 2)
        self.assertTrue(len(node.taken) > 100, "%d" % len(node.taken))
        self.assert_few(node, counts)

    def test_a_module_that_refuses_to_end_a_step_wears_out_no_flash(self):
        for mark, action in (
            (policy.MARK_PAUSED, policy.RESUME),
            (policy.MARK_RADIO_OFF, policy.RADIO_ON),
        ):
            node = Node(chance=least)
            node.budgets.set_mark(mark, 0)
            node.refused = (action,)
            before = node.keeper.writes
            node.run(1200)
            n = node.keeper.writes - before
            allowed = writes_per_day(DEFAULT) // 24
            self.assertTrue(n <= allowed, "%s: %d" % (texts.ACTIONS[action], n))

    def test_a_day_of_a_dead_port(self):
        node = Node()
        node.view.reachable = False
        self.assert_few(node, self.writes(node, 3))
        self.assertTrue(len(node.taken) > 4)


if __name__ == "__main__":
    unittest.main()
