# Shows that the files here notice it when one cell of a policy is wrong: of a row of the state
# table, of a step, or one of the other numbers. For each cell there is a mutant of the policy in
# which that cell alone differs, by as little as it can, once for each direction. The same for the
# ladder's rules: each is deleted, and each is put behind the next one. The "pure" part of one file
# after the other is run against a mutant until one does not end as expected.
#
#     micropython mutate.py [--full] [--shard 0/2] [--match text] [--only 01,31] [--without 31] [-v]
#
# MICROPYPATH: lib, tests/unit and the folder of unittest.py. --full: more values for each cell.
# --match: only the mutants with this text in their name. --only, --without: files, by the
# beginning of their names. -v: also which file noticed each mutant.
#
# The last line is JSON: mutants, killed (noticed by a file, or refused by check_policy), refused
# and raised (both are among the killed), survivors (their names), killers (file: how many),
# seconds. tests/host/test_mutations.py says which mutants may survive, and why.

import gc
import json
import sys
import time

import test_scenarios

from lexi import codes
from lexi.recovery import policies, policy, policy_check, reports
from lexi.recovery.budget import Budgets
from lexi.recovery.case import Case

NAMES = ("RULES", "DEFAULT", "VERIZON", "GENTLE")
TABLES = ("states", "steps")
STATE_FIELDS = ("class", "next", "stuck_s", "then")
CLASS_NAMES = ("IDLE", "PROGRESS", "GOOD", "FAILED", "UNKNOWN")
THEN_NAMES = ("WATCH", "CALL", "RESTART")
NEITHER = (codes.IDLE, codes.PROGRESS, codes.UNKNOWN)  # neither good nor failed


def main(arguments):
    options = parse(arguments)
    start_s = time.time()
    files = load(options)
    part, parts = [int(number) for number in options["shard"].split("/")]
    report = {"mutants": 0, "killed": 0, "refused": 0, "raised": 0, "survivors": []}
    report["killers"] = {}
    hunt = Hunt(files)
    number = 0
    for name in NAMES:
        for cell, text, change in mutants(name, options["full"]):
            text = "%s %s %s" % (name, " ".join(str(each) for each in cell), text)
            if options["match"] not in text:
                continue
            number += 1
            if number % parts == part:
                count(report, text, hunt.killer(name, cell, change), options["v"])
                gc.collect()
    report["seconds"] = round(time.time() - start_s, 1)
    print(json.dumps(report))


def parse(arguments):
    options = {"shard": "0/1", "match": "", "only": "", "without": "", "full": False, "v": False}
    arguments = list(arguments)
    while arguments:
        name = arguments.pop(0).lstrip("-")
        if name not in options:
            sys.exit("mutate.py: no option %r" % name)
        options[name] = True if options[name] is False else arguments.pop(0)
    return options


def count(report, text, killer, verbose):
    report["mutants"] += 1
    if killer is None:
        report["survivors"].append(text)
    else:
        report["killed"] += 1
        if killer in ("refused", "raised"):
            report[killer] += 1
        else:
            report["killers"][killer] = report["killers"].get(killer, 0) + 1
    if verbose:
        print("%-50s %s" % (text, killer or "SURVIVES"))


# The mutants of a policy: (table, row, field), what is changed in it, the policy. Those of the
# ladder's rules: (rule,), what is done to it, the rules.


def mutants(name, full):
    return rule_mutants() if name == "RULES" else policy_mutants(name, full)


def rule_mutants():
    case = Case(policy.DEFAULT, Budgets(policy.DEFAULT), lambda n: 0)
    reports.Reports(case, None, None).add(test_scenarios.Client())  # with its own
    rules = tuple(case.rules)
    for i, rule in enumerate(rules):
        yield (rule.__name__,), "deleted", rules[:i] + rules[i + 1 :]
        if i + 1 < len(rules):
            swapped = list(rules)
            swapped[i], swapped[i + 1] = swapped[i + 1], swapped[i]
            yield (rule.__name__,), "behind " + swapped[i].__name__, swapped


def policy_mutants(name, full):
    rules = getattr(policies, name)
    default = policy.DEFAULT
    own = name == "DEFAULT"
    for table in TABLES:
        for key in sorted(rules[table]):
            row = rules[table][key]
            if own or row is not default[table][key]:
                for field, text, values in ROWS[table](key, row, full):
                    yield (table[:-1], key, field), text, with_row(rules, table, key, values)
    for key in sorted(rules):
        value = rules[key]
        if isinstance(value, (bool, int)) and (own or value != default[key]):
            for other in [not value] if isinstance(value, bool) else near(value, full):
                yield (key,), "%s->%s" % (value, other), dict(rules, **{key: other})


def with_row(rules, table, key, values):
    rows = dict(rules[table])
    rows[key] = values
    return dict(rules, **{table: rows})


def with_field(values, i, value):
    values = list(values)
    values[i : i + 1] = [value]  # one more, behind the last
    return tuple(values)


def near(value, full):
    others = [value - 1, value + 1]
    if full:
        others += [
            each for each in (value // 2, 2 * value) if each != value and each not in others
        ]
    return others


def state_rows(code, row, full):
    kind, following, stuck_s, then = row
    for other in range(codes.UNKNOWN + 1):
        # one for each thing that a class can mean
        if full or other in (codes.GOOD, codes.FAILED) or other == neither(kind):
            if other != kind:
                text = "%s->%s" % (CLASS_NAMES[kind], CLASS_NAMES[other])
                yield "class", text, with_field(row, 0, other)
    for other in following:
        less = tuple(each for each in following if each != other)
        yield "next", "-%d" % other, with_field(row, 1, less)
    for other in sorted(codes.STATUS):
        if other != code and other not in following:
            longer = with_field(following, len(following), other)
            yield "next", "+%d" % other, with_field(row, 1, longer)
            if not full:
                break
    for other in near(stuck_s, full):
        yield "stuck_s", "%d->%d" % (stuck_s, other), with_field(row, 2, other)
    for other in range(policy.RESTART + 1):
        if other != then:
            text = "%s->%s" % (THEN_NAMES[then], THEN_NAMES[other])
            yield "then", text, with_field(row, 3, other)


def neither(kind):
    """Another class that is neither good nor failed."""
    return NEITHER[(NEITHER.index(kind) + 1) % len(NEITHER)] if kind in NEITHER else NEITHER[0]


def step_rows(step, row, full):
    for i, field in enumerate(policy_check.FIELDS):
        if i != policy.WAITS_S:
            for other in near(row[i], full):
                yield field, "%d->%d" % (row[i], other), with_field(row, i, other)
            continue
        waits_s = row[i]
        for nth, wait_s in enumerate(waits_s):
            for other in near(wait_s, full):
                text = "%d->%d" % (wait_s, other)
                wrong = with_field(waits_s, nth, other)
                yield "%s[%d]" % (field, nth), text, with_field(row, i, wrong)
        if len(waits_s) > 1:
            yield field, "without the last", with_field(row, i, waits_s[:-1])
        if full:
            longer = with_field(waits_s, len(waits_s), 2 * waits_s[-1])
            yield field, "one more", with_field(row, i, longer)


ROWS = {"states": state_rows, "steps": step_rows}


# The files.


class File:
    """One file, ready to run."""

    def __init__(self, name):
        with open(test_scenarios.FOLDER + "/" + name) as f:
            scenario = json.load(f)
        self.name = name[:-5]
        self.policy = test_scenarios.policy_of(scenario)
        self.jumps = scenario if "jumps" in scenario["pure"] else None
        # the middle chance last: it shows hardly anything that the least and the most do not
        middle = test_scenarios.CHANCES[1:-1]
        self.runs = [] if self.jumps else list(test_scenarios.runs(scenario))
        self.runs.sort(key=lambda each: each[2] in middle)
        self.cost_ms = 0

    def wrong(self, rules):
        """The first thing that is not as the file expects it, or None."""
        if self.jumps:
            for wrong in test_scenarios.jump_differences(self.jumps, rules):
                return wrong
        for case, expect, chance in self.runs:
            wrong = test_scenarios.wrong_in(case, expect, chance, rules)
            if wrong:
                return wrong
        return None


def load(options):
    """The chosen files, the fastest first. All must pass with the policies as they are."""
    files = []
    only = options["only"].split(",")
    without = [each for each in options["without"].split(",") if each]
    for name in test_scenarios.names():
        if begins(name, only) and not begins(name, without):
            file = File(name)
            start_ms = time.ticks_ms()
            wrong = file.wrong(getattr(policies, file.policy))
            if wrong:
                sys.exit("mutate.py: %s fails without a mutation: %s" % (name, wrong))
            file.cost_ms = time.ticks_diff(time.ticks_ms(), start_ms)
            files.append(file)
    if not files:
        sys.exit("mutate.py: there is no such file")
    files.sort(key=lambda file: file.cost_ms)
    return files


def begins(name, beginnings):
    return any(name.startswith(each) for each in beginnings)


class Hunt:
    """Looks for a file that notices a mutant, where one was found last for one like it."""

    def __init__(self, files):
        self.files = files
        self.last = {}  # part of a cell: the file that noticed its last mutant

    def killer(self, name, cell, change):
        if name == "RULES":
            return self.killer_of_rules(change)
        return self.killer_of_policy(name, cell, change)

    def killer_of_rules(self, rules):
        test_scenarios.World.order = rules
        try:
            for file in self.files:
                try:
                    wrong = file.wrong(getattr(policies, file.policy))
                except Exception:  # no decision, or the ladder runs in circles
                    wrong = True
                if wrong:
                    return file.name
        finally:
            test_scenarios.World.order = None
        return None

    def killer_of_policy(self, name, cell, rules):
        try:
            policy.check_policy(rules)
        except ValueError:
            return "refused"
        likely = (name, cell), (name, cell[:2]), (name, cell[0], cell[-1])
        files = []
        for key in likely:
            file = self.last.get(key)
            if file is not None and file not in files:
                files.append(file)
        files += [each for each in self.files if each.policy == name and each not in files]
        for file in files:
            try:
                wrong = file.wrong(rules)
            except AssertionError:  # the ladder runs in circles
                wrong = True
            except Exception as e:
                print("%s: %s: %r" % (file.name, cell, e))
                return "raised"
            if wrong:
                for key in likely:
                    self.last[key] = file
                return file.name
        return None


if __name__ == "__main__":
    main(sys.argv[1:])
