# The shipped policies are sound and agree with the state table; every kind of bad policy is
# refused, with a text that names the row and what was expected.

import unittest


from lexi import codes
from lexi.recovery import policy, policy_check
from lexi.recovery.policy_check import FIELDS
from lexi.recovery.policies import GENTLE, VERIZON
from lexi.recovery.texts import STEPS
from lexi.recovery.policy import (
    CALL,
    DEFAULT,
    RESTART,
    STEP_KICK,
    STEP_PARKED_REGISTER,
    STEP_PARKED_RESET,
    STEP_PAUSE,
    STEP_PINS,
    STEP_RADIO,
    STEP_REGISTER,
    STEP_RESET,
    WATCH,
    check_policy,
)

SHIPPED = (DEFAULT, VERIZON, GENTLE)
ALL_STEPS = range(STEP_REGISTER, STEP_KICK + 1)
PARKED = (STEP_PARKED_REGISTER, STEP_PARKED_RESET)
WEEK_S = 604800
EXPECTED = ("expected",)

# code: legal next codes, seconds until it is stuck, what follows
STATES = {
    0: ((1, 2, 10), 60, CALL),
    1: ((0, 2, 4), 900, CALL),
    2: ((1, 3, 4), 300, CALL),
    3: ((4, 5, 6, 7, 8, 9), 120, CALL),
    4: ((1, 2, 10, 11), 0, CALL),
    5: ((3, 4, 6, 7), 300, CALL),
    6: ((5, 7), 60, CALL),
    7: ((5,), 60, CALL),
    8: ((0, 9), 60, WATCH),
    9: ((0,), 120, WATCH),
    10: ((11, 12), 900, RESTART),
    11: ((12, 15), 300, WATCH),
    12: ((13, 15), 300, WATCH),
    13: ((14,), 60, WATCH),
    14: ((0, 1, 2, 10), 120, CALL),
    15: ((16, 19), 60, WATCH),
    16: ((10, 11, 19), 0, RESTART),
    19: ((10, 11), 900, WATCH),
}

HOUR_S = 3600
DAY_S = 86400
# step: window_s, waits_s, spacing_s at least, tries, (cap, cap_s) at most
LADDER = {
    STEP_REGISTER: (300, (60, 120, 240, 480, 480), 60, 5, (10, HOUR_S)),
    STEP_PAUSE: (300, (900,), 0, 2, None),
    STEP_RADIO: (600, (HOUR_S,), 0, 1, None),
    STEP_RESET: (
        475,
        (HOUR_S, 4 * HOUR_S, 8 * HOUR_S, 16 * HOUR_S, 24 * HOUR_S),
        HOUR_S,
        3,
        (3, DAY_S),
    ),
    STEP_PINS: (475, (HOUR_S,), HOUR_S, 4, (4, DAY_S)),
    STEP_PARKED_REGISTER: (300, (4 * HOUR_S,), 4 * HOUR_S, 0, (6, DAY_S)),
    STEP_PARKED_RESET: (475, (24 * HOUR_S,), 24 * HOUR_S, 0, (1, DAY_S)),
    STEP_KICK: (300, (60, 120, 240, 480, 480, 4 * HOUR_S), 60, 5, (10, HOUR_S)),
}

# step: the shortest window, and the shortest wait and spacing
LOWEST = {
    STEP_REGISTER: (60, 60),
    STEP_PAUSE: (60, 600),
    STEP_RADIO: (300, 3600),
    STEP_RESET: (300, 3600),
    STEP_PINS: (300, 3600),
    STEP_PARKED_REGISTER: (60, 3600),
    STEP_PARKED_RESET: (300, 43200),
    STEP_KICK: (60, 60),
}

# every number outside of the two tables: lowest, highest
SCALARS = {
    "radio_per_hour": (1, 20),
    "jitter_percent": (0, 400),
    "start_spread_s": (0, 86400),
    "boot_window_s": (60, 3600),
    "own_retry_s": (600, 86400),
    "hold_s": (60, 86400),
    "lifetime_s": (60, WEEK_S),
    "frozen_s": (30, 3600),
    "unseen_s": (60, 86400),
    "suspect_s": (1, 60),
    "init_s": (30, 3600),
    "closed_s": (0, 3600),
    "fota_s": (600, 86400),
    "fota_max_s": (3600, WEEK_S),
    "quiet_s": (0, 86400),
    "well_s": (60, 86400),
    "refused_pins_s": (43200, WEEK_S),
    "patience_s": (600, WEEK_S),
    "fresh_s": (10, 600),
    "fault_s": (60, 86400),
    "pause_s": (1, 600),
    "radio_off_s": (1, 60),
    "bound_s": (3600, 2 * WEEK_S),
}


def without(table, key):
    return {k: v for k, v in table.items() if k != key}


def with_step(step, **fields):
    """A copy of DEFAULT in which some fields of one step differ."""
    row = list(DEFAULT["steps"][step])
    for name, value in fields.items():
        row[FIELDS.index(name)] = value
    return dict(DEFAULT, name="MINE", steps=_put(DEFAULT["steps"], step, tuple(row)))


def _put(table, key, value):
    table = dict(table)
    table[key] = value
    return table


def refusal(rules):
    """The text of the ValueError, None for a policy that is accepted."""
    try:
        check_policy(rules)
    except ValueError as e:
        return str(e)
    return None


def name_of(step):
    """As it is written in a policy."""
    return next(n for n in dir(policy) if n[:5] == "STEP_" and getattr(policy, n) == step)


class PolicyCase(unittest.TestCase):
    def refused(self, rules, *texts):
        text = refusal(rules)
        self.assertTrue(text is not None, "accepted, expected a refusal with %r" % (texts,))
        for each in texts + EXPECTED:
            self.assertTrue(each in text, "%r is not in: %s" % (each, text))


class ShippedTest(PolicyCase):
    def test_all_are_sound_and_told_apart_by_name(self):
        for rules in SHIPPED:
            policy_check.check(rules)
            self.assertTrue(check_policy(rules) is rules)
        self.assertEqual([rules["name"] for rules in SHIPPED], ["DEFAULT", "VERIZON", "GENTLE"])

    def test_every_code_of_the_manual_has_a_row_of_its_class(self):
        for rules in SHIPPED:
            for code in codes.STATUS:
                row = rules["states"][code]
                self.assertEqual(row[0], codes.status_class(code), "%d" % code)
            row = rules["states"][codes.NO_CODE]
            self.assertEqual(row[0], codes.status_class(codes.NO_CODE))

    def test_legal_next_codes_are_codes_of_the_manual(self):
        for rules in SHIPPED:
            for code, row in rules["states"].items():
                for following in row[1]:
                    self.assertTrue(following in codes.STATUS, "%d -> %d" % (code, following))
                    self.assertNotEqual(following, code)

    def test_states_are_those_of_the_state_table(self):
        for rules in SHIPPED:
            for code, expected in STATES.items():
                following, stuck_s, then = rules["states"][code][1:]
                self.assertEqual((tuple(sorted(following)), stuck_s, then), expected, "%d" % code)
            self.assertEqual(set(rules["states"]), set(STATES) | {codes.NO_CODE})

    def test_default_climbs_the_ladder_as_documented(self):
        for step, (window_s, waits_s, spacing_s, tries, most) in LADDER.items():
            row = DEFAULT["steps"][step]
            self.assertEqual(row[policy.WINDOW_S], window_s, STEPS[step])
            self.assertEqual(row[policy.WAITS_S], waits_s, STEPS[step])
            self.assertTrue(row[policy.SPACING_S] >= spacing_s, STEPS[step])
            self.assertEqual(row[policy.TRIES], tries, STEPS[step])
            if most:
                self.assertEqual(row[policy.CAP_STEPS :], most, STEPS[step])

    def test_no_shipped_policy_asks_more_of_the_network_than_operators_allow(self):
        for rules in SHIPPED:
            self.assertTrue(rules["radio_per_hour"] <= 20)
            for step, expected in LADDER.items():
                row = rules["steps"][step]
                self.assertTrue(row[policy.SPACING_S] >= expected[2], STEPS[step])
                if expected[4]:
                    cap, cap_s = expected[4]
                    self.assertTrue(row[policy.CAP_STEPS] <= cap, STEPS[step])
                    self.assertEqual(row[policy.CAP_S], cap_s, STEPS[step])
        self.assertEqual(VERIZON["radio_per_hour"], 4)
        for key in DEFAULT:
            if key not in ("name", "radio_per_hour"):
                self.assertEqual(VERIZON[key], DEFAULT[key], key)

    def test_gentle_is_nowhere_more_eager_than_default(self):
        for step in ALL_STEPS:
            gentle = GENTLE["steps"][step]
            default = DEFAULT["steps"][step]
            self.assertTrue(gentle[policy.WAITS_S][0] >= default[policy.WAITS_S][0], STEPS[step])
            self.assertTrue(gentle[policy.SPACING_S] >= default[policy.SPACING_S], STEPS[step])
            self.assertTrue(gentle[policy.CAP_STEPS] <= default[policy.CAP_STEPS], STEPS[step])
        self.assertTrue(GENTLE["radio_per_hour"] < DEFAULT["radio_per_hour"])

    def test_the_client_is_never_enabled_again_unless_asked_for(self):
        self.assertEqual([rules["reenable"] for rules in SHIPPED], [False] * 3)

    def test_every_step_has_a_name_and_no_two_are_the_same(self):
        names = [STEPS[step] for step in ALL_STEPS]
        self.assertEqual(len(STEPS), STEP_KICK + 1)
        self.assertEqual(len(set(names)), 8)
        self.assertFalse("" in names)


class PlainDataTest(PolicyCase):
    def test_a_policy_holds_tables_tuples_and_numbers_only(self):
        def check(value, path):
            if isinstance(value, dict):
                for key, each in value.items():
                    check(each, "%s: %r" % (path, key))
            elif isinstance(value, tuple):
                for each in value:
                    check(each, path)
            else:
                self.assertTrue(type(value) in (int, bool, str), path)

        for rules in SHIPPED:
            check(rules, rules["name"])

    def test_a_changed_copy_leaves_the_shipped_one_alone(self):
        before = [repr(rules) for rules in SHIPPED]
        for rules in SHIPPED:
            mine = dict(rules, name="MINE", radio_per_hour=2, steps=dict(rules["steps"]))
            mine["steps"][STEP_RADIO] = (600, (7200,), 7200, 1, 2, 86400)
            mine["states"] = dict(rules["states"])
            mine["states"][2] = (codes.PROGRESS, (1, 3, 4), 600, CALL)
            self.assertTrue(check_policy(mine) is mine)
            self.assertNotEqual(mine["steps"][STEP_RADIO], rules["steps"][STEP_RADIO])
        self.assertEqual([repr(rules) for rules in SHIPPED], before)

    def test_checking_changes_nothing(self):
        before = [repr(rules) for rules in SHIPPED]
        for rules in SHIPPED:
            check_policy(rules)
            refusal(dict(rules, steps={}))
        refusal(dict(DEFAULT, bound_s=0))
        self.assertEqual([repr(rules) for rules in SHIPPED], before)


class RefusedTest(PolicyCase):
    def test_what_is_not_a_policy_at_all(self):
        for rules in (None, 5, "DEFAULT", [], (), (DEFAULT,), check_policy):
            self.refused(rules, "policy", repr(rules)[:20])

    def test_a_policy_without_its_two_tables(self):
        for key in ("states", "steps"):
            for value in (None, (), [], "x", 5):
                self.refused(dict(DEFAULT, name="MINE", **{key: value}), "policy MINE", key)
            self.refused(without(DEFAULT, key), "policy DEFAULT", key)
        self.refused({}, "states")

    def test_a_missing_row_of_any_state(self):
        for code in DEFAULT["states"]:
            rules = dict(DEFAULT, states=without(DEFAULT["states"], code))
            self.refused(rules, "policy DEFAULT", "state %d" % code)

    def test_a_missing_row_of_any_step(self):
        for step in ALL_STEPS:
            rules = dict(DEFAULT, steps=without(DEFAULT["steps"], step))
            self.refused(rules, "policy DEFAULT", name_of(step))

    def test_bad_rows_of_states(self):
        rows = (
            ((), "next"),
            ((codes.PROGRESS, (1,), 60), "next"),
            ((codes.PROGRESS, (1,), 60, CALL, 0), "next"),
            ([codes.PROGRESS, (1,), 60, CALL], "next"),
            (60, "60"),
            ("row", "row"),
            ((-1, (1,), 60, CALL), "class"),
            ((5, (1,), 60, CALL), "class"),
            ((None, (1,), 60, CALL), "class"),
            ((1.0, (1,), 60, CALL), "class"),
            ((codes.PROGRESS, None, 60, CALL), "next"),
            ((codes.PROGRESS, 4, 60, CALL), "next"),
            ((codes.PROGRESS, [4], 60, CALL), "next"),
            ((codes.PROGRESS, (17,), 60, CALL), "next"),
            ((codes.PROGRESS, (1, 2, 99), 60, CALL), "next"),
            ((codes.PROGRESS, ("4",), 60, CALL), "next"),
            ((codes.PROGRESS, (1,), -1, CALL), "stuck_s"),
            ((codes.PROGRESS, (1,), 86401, CALL), "stuck_s"),
            ((codes.PROGRESS, (1,), 60.0, CALL), "stuck_s"),
            ((codes.PROGRESS, (1,), None, CALL), "stuck_s"),
            ((codes.PROGRESS, (1,), 60, -1), "then"),
            ((codes.PROGRESS, (1,), 60, 3), "then"),
            ((codes.PROGRESS, (1,), 60, "CALL"), "then"),
            ((codes.PROGRESS, (1,), 60, None), "then"),
        )
        for code in (0, 4, 19, codes.NO_CODE):
            for row, text in rows:
                states = _put(DEFAULT["states"], code, row)
                rules = dict(DEFAULT, name="MINE", states=states)
                self.refused(rules, "policy MINE", "state %d" % code, text)

    def test_a_next_code_of_a_type_that_cannot_be_one(self):
        row = (codes.PROGRESS, ([4],), 60, CALL)
        self.refused(dict(DEFAULT, states=_put(DEFAULT["states"], 2, row)), "state 2", "next")

    def test_a_bad_row_of_a_code_the_manual_does_not_list(self):
        # It would be used as soon as the module says that code.
        rules = dict(DEFAULT, states=_put(DEFAULT["states"], 17, None))
        self.refused(rules, "state 17")

    def test_a_bad_row_of_a_step_that_does_not_exist(self):
        for row in (None, (), (60, (60,), 60, 1, 1)):
            rules = dict(DEFAULT, steps=_put(DEFAULT["steps"], STEP_KICK + 1, row))
            self.refused(rules)

    def test_rows_of_steps_that_are_no_rows(self):
        for step in ALL_STEPS:
            row = DEFAULT["steps"][step]
            for bad in ((), row[:-1], row + row[:1], list(row), 300, "row", None):
                rules = dict(DEFAULT, steps=_put(DEFAULT["steps"], step, bad))
                self.refused(rules, name_of(step), *FIELDS)

    def test_every_field_of_every_step_out_of_its_range(self):
        for step in ALL_STEPS:
            window_s, least_s = LOWEST[step]
            parked = step in PARKED
            rows = [("window_s", value) for value in (window_s - 1, 0, -1, 86401)]
            for value in (least_s - 1, 0, -1, WEEK_S + 1):
                rows.append(("waits_s", (value,)))
                rows.append(("waits_s", (WEEK_S // 7, value)))
                rows.append(("spacing_s", value))
            for value in (1, 5) if parked else (0, 25):
                rows.append(("tries", value))
            rows.append(("tries", -1))
            rows += [("cap", value) for value in (0, -1, 25)]
            rows += [("cap_s", value) for value in (3599, 0, -1, 86401)]
            for name, value in rows:
                shown = value[-1] if isinstance(value, tuple) else value
                self.refused(
                    with_step(step, **{name: value}),
                    "policy MINE",
                    name_of(step),
                    name,
                    "%d" % shown,
                )

    def test_every_field_of_every_step_of_a_wrong_type(self):
        for step in ALL_STEPS:
            for name in FIELDS:
                for value in (None, "300", 3600.0, [3600], True, (3600.0,), ("3600",), (None,)):
                    rules = with_step(step, **{name: value})
                    self.refused(rules, "policy MINE", name_of(step), name)

    def test_a_step_without_waits(self):
        for step in ALL_STEPS:
            rules = with_step(step, waits_s=())
            self.refused(rules, name_of(step), "waits_s", "()")

    def test_the_ends_of_every_range_are_accepted(self):
        for step in ALL_STEPS:
            window_s, least_s = LOWEST[step]
            rows = [("window_s", window_s), ("waits_s", (least_s,)), ("spacing_s", least_s)]
            rows += [("cap", 1), ("cap", 24), ("cap_s", 3600), ("cap_s", 86400)]
            rows += [("window_s", 86400), ("waits_s", (WEEK_S,)), ("spacing_s", WEEK_S)]
            if step not in PARKED:
                rows += [("tries", 1), ("tries", 24)]
            for name, value in rows:
                rules = dict(with_step(step, **{name: value}), bound_s=2 * WEEK_S)
                self.assertEqual(refusal(rules), None)

    def test_every_number_missing_out_of_range_or_of_a_wrong_type(self):
        for key, (lowest, highest) in SCALARS.items():
            self.refused(without(DEFAULT, key), "policy DEFAULT", key, "None")
            for value in (lowest - 1, highest + 1, -1, None, "60", 60.0, (60,), True):
                rules = dict(DEFAULT, name="MINE", **{key: value})
                self.refused(rules, "policy MINE", key, repr(value))

    def test_the_ends_of_the_ranges_of_all_numbers_are_accepted(self):
        for key, (lowest, highest) in SCALARS.items():
            if key == "bound_s":
                continue
            for value in (lowest, highest):
                rules = dict(DEFAULT, bound_s=2 * WEEK_S, **{key: value})
                self.assertEqual(refusal(rules), None, key)

    def test_no_action_at_all_or_more_than_the_ceiling_in_an_hour(self):
        for value in (0, 21):
            self.refused(
                dict(DEFAULT, radio_per_hour=value), "radio_per_hour: %d" % value, "1..20"
            )

    def test_every_key_that_the_shipped_ones_have_is_needed(self):
        for key in DEFAULT:
            if key != "name":
                self.refused(without(DEFAULT, key), key)

    def test_a_key_that_does_not_exist(self):
        # A misspelt one would leave the default in force, without a word.
        for key in ("radio_per_hr", "Name", "", "QUIET_S", 5, None, ("states",)):
            text = refusal(dict(DEFAULT, name="MINE") | {key: 60})
            self.assertTrue(text is not None, "%r" % (key,))
            for each in ("policy MINE", repr(key), "no such key"):
                self.assertTrue(each in text, "%r is not in: %s" % (each, text))
        for key in DEFAULT:
            if key != "name":
                self.refused(_put(without(DEFAULT, key), key + "_", DEFAULT[key]), key)

    def test_times_of_its_own_keep_the_order_they_need(self):
        # What ends a freeze, and what spaces pins while the network refuses, is never shorter
        # than what it follows.
        for rules in SHIPPED:
            self.assertTrue(rules["fota_max_s"] > rules["fota_s"])
            self.assertTrue(
                rules["refused_pins_s"] >= rules["steps"][STEP_PINS][policy.WAITS_S][0]
            )

    def test_reenable_is_a_bool(self):
        for value in (None, "yes", "", 2, -1, (), (True,)):
            self.refused(dict(DEFAULT, name="MINE", reenable=value), "policy MINE", "reenable")
        self.refused(without(DEFAULT, "reenable"), "reenable", "bool")
        for value in (False, True):
            self.assertEqual(refusal(dict(DEFAULT, reenable=value)), None)

    def test_reenable_is_not_a_number(self):
        for value in (0, 1):
            self.refused(dict(DEFAULT, reenable=value), "reenable", "%d" % value, "bool")


class BoundTest(PolicyCase):
    def longest_s(self, rules):
        """The longest wait of a policy, as its docstring says, from all of its numbers."""
        longest = window_s = 0
        for row in rules["steps"].values():
            for wait_s in row[policy.WAITS_S]:
                longest = max(longest, wait_s * (100 + rules["jitter_percent"]) // 100)
            window_s = max(window_s, row[policy.WINDOW_S])
        start_s = rules["boot_window_s"] + rules["start_spread_s"] + rules["own_retry_s"]
        return longest + window_s + start_s

    def test_the_shipped_bounds_can_be_kept(self):
        for rules in SHIPPED:
            self.assertTrue(policy_check.longest_wait_s(rules) >= self.longest_s(rules))
            self.assertTrue(rules["bound_s"] >= self.longest_s(rules), rules["name"])

    def test_a_bound_that_the_waits_can_exceed_is_refused(self):
        for rules in SHIPPED:
            least_s = policy_check.longest_wait_s(rules)
            self.assertEqual(refusal(dict(rules, bound_s=least_s)), None)
            for bound_s in (least_s - 1, 3600):
                mine = dict(rules, bound_s=bound_s)
                self.refused(mine, rules["name"], "bound_s: %d" % bound_s, "%d.." % least_s)

    def test_more_of_anything_that_delays_needs_a_greater_bound(self):
        exact = dict(DEFAULT, bound_s=policy_check.longest_wait_s(DEFAULT))
        self.assertEqual(refusal(exact), None)
        for key in ("jitter_percent", "boot_window_s", "start_spread_s", "own_retry_s"):
            self.refused(dict(exact, **{key: exact[key] + 1}), "bound_s")
        for step, name, value in (
            (STEP_RADIO, "window_s", 601),
            (STEP_PARKED_RESET, "waits_s", (86401,)),
            (STEP_RESET, "waits_s", (3600, WEEK_S)),
        ):
            rules = dict(with_step(step, **{name: value}), bound_s=exact["bound_s"])
            self.refused(rules, "bound_s")

    def test_a_long_wait_before_shorter_ones_counts_too(self):
        rules = with_step(STEP_RESET, waits_s=(WEEK_S, 3600))
        self.refused(rules, "bound_s")

    def test_a_spacing_longer_than_the_bound_is_refused(self):
        for step in ALL_STEPS:
            self.refused(with_step(step, spacing_s=WEEK_S), "bound_s")


if __name__ == "__main__":
    unittest.main()
