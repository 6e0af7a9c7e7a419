"""The fault scenarios notice it when one cell of a policy is wrong, or one rule of the ladder.

See tests/scenarios/mutate.py. Of each cell there is a mutant for each direction, of each rule one
without it and one with it behind the next; none may survive but those named here.
"""

import json
import random
import subprocess

import deviceless
import pytest
import unixport

SCRIPT = "tests/scenarios/mutate.py"
SHARDS = 2
SEED = 1
SAMPLE = 20  # `make test` has one mutant in so many

tables = deviceless.load("lexi.recovery.policies")
RULES = deviceless.load("lexi.recovery.ladder").RULES
FIELDS = deviceless.load("lexi.recovery.policy_check").FIELDS

# What nothing can notice, and why. Each of these must survive, and no other mutant may.
# (--full finds the same cells with other values, and waits behind the one before the last try.)
NEITHER = "of the classes only good and failed mean something to the ladder: see 31 to 35"
PROMISE = "the ladder does not act on it: check_policy wants it high enough, tests/soak keep it"
EQUIVALENT = {
    "RULES not_diagnosed behind asked_for": "what is asked for begins with the same diagnosis",
    "RULES unconfirmed behind remedied": "each acts at once or has nothing to say: a poll and a "
    "kick of the same second come in another order, and neither changes the other",
    "RULES one_of_several behind init_failed": "the one needs a server that is registered, the "
    "other that there is none",
    "DEFAULT state 0 class IDLE->PROGRESS": NEITHER,
    "DEFAULT state 1 class PROGRESS->UNKNOWN": NEITHER,
    "DEFAULT state 2 class PROGRESS->UNKNOWN": NEITHER,
    "DEFAULT state 8 class PROGRESS->UNKNOWN": NEITHER,
    "DEFAULT state 9 class PROGRESS->UNKNOWN": NEITHER,
    "DEFAULT state 10 class PROGRESS->UNKNOWN": NEITHER,
    "DEFAULT state 11 class PROGRESS->UNKNOWN": NEITHER,
    "DEFAULT state 12 class PROGRESS->UNKNOWN": NEITHER,
    "DEFAULT state 13 class PROGRESS->UNKNOWN": NEITHER,
    "DEFAULT state 14 class PROGRESS->UNKNOWN": NEITHER,
    "DEFAULT state 19 class PROGRESS->UNKNOWN": NEITHER,
    "DEFAULT state 99 class UNKNOWN->IDLE": NEITHER,
    "DEFAULT state 99 next +0": "when no code is known, any may follow",
    "DEFAULT step 1 waits_s without the last": "the last wait stays, and the one before is equal",
    "DEFAULT step 7 spacing_s 86400->86399": "its cap, 1 in 86400 s, says the same",
    "DEFAULT step 8 spacing_s 60->61": "its window, 300 s, is longer",
    "DEFAULT bound_s 172800->172799": PROMISE,
    "DEFAULT bound_s 172800->172801": PROMISE,
    "GENTLE bound_s 259200->259199": PROMISE,
    "GENTLE bound_s 259200->259201": PROMISE,
}

# What must survive if no file but the first is there: some of every kind.
UNNOTICED = {
    "RULES refused deleted",
    "RULES frozen behind not_answered",
    "DEFAULT state 4 class FAILED->GOOD",
    "DEFAULT state 4 stuck_s 0->1",
    "DEFAULT state 5 next -4",
    "DEFAULT state 16 then RESTART->CALL",
    "DEFAULT step 1 cap 10->11",
    "DEFAULT step 4 cap 3->4",
    "DEFAULT step 5 tries 4->3",
    "DEFAULT radio_per_hour 18->19",
    "DEFAULT reenable False->True",
    "VERIZON radio_per_hour 4->5",
    "GENTLE step 4 cap 2->3",
}


class Outcome:
    """What some runs of the script told: all together, and {mutant: what noticed it}."""

    def __init__(self, outputs):
        self.killers = {}
        self.reports = [json.loads(lines[-1]) for lines in outputs]
        for lines in outputs:
            pairs = (line.rsplit(maxsplit=1) for line in lines[:-1])
            self.killers.update((name.rstrip(), killer) for name, killer in pairs)
        self.survivors = {name for report in self.reports for name in report["survivors"]}

    def sum(self, key):
        return sum(report[key] for report in self.reports)


def start(*arguments):
    port = unixport.find()
    env = unixport.environment("lib", "tests/unit", unixport.UNITTEST.relative_to(unixport.ROOT))
    return subprocess.Popen(
        [port.path, "-X", "heapsize=32m", SCRIPT, "-v", *arguments],
        cwd=unixport.ROOT,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def outcome(*processes):
    outputs = []
    try:
        for process in processes:
            output, _ = process.communicate()
            assert process.returncode == 0, output
            outputs.append(output.splitlines())
    finally:
        for process in processes:
            process.kill()
            process.wait()
    return Outcome(outputs)


@pytest.fixture(scope="module")
def found():
    return outcome(*(start("--shard", f"{i}/{SHARDS}") for i in range(SHARDS)))


def cells():
    """The beginning of the names of the mutants that there must be: one for each cell and rule."""
    for rule in RULES:
        yield f"RULES {rule.__name__} deleted"
    for rule in RULES[:-1]:
        yield f"RULES {rule.__name__} behind "
    for name in ("DEFAULT", "VERIZON", "GENTLE"):
        policy, default = getattr(tables, name), tables.DEFAULT
        own = policy is default
        for code, row in policy["states"].items():
            if own or row != default["states"][code]:
                for field in (
                    "class",
                    *(f"next -{c}" for c in row[1]),
                    "next +",
                    "stuck_s",
                    "then",
                ):
                    yield f"{name} state {code} {field}"
        for step, row in policy["steps"].items():
            for field, value in zip(FIELDS, row, strict=True):
                if own or row != default["steps"][step]:
                    for i in range(len(value) if isinstance(value, tuple) else 0):
                        yield f"{name} step {step} {field}[{i}] "
                    yield f"{name} step {step} {field}"
        for key, value in policy.items():
            if isinstance(value, int) and (own or value != default[key]):
                yield f"{name} {key} "


def test_none_of_a_sample_survives_but_those_that_nothing_can_notice():
    sample = outcome(start("--shard", f"{random.Random(SEED).randrange(SAMPLE)}/{SAMPLE}"))
    unexpected = sample.survivors - set(EQUIVALENT)
    assert not unexpected, f"no scenario notices: {sorted(unexpected)}"
    assert sample.sum("raised") == 0
    assert sample.sum("killed") > 20


@pytest.mark.slow
def test_no_mutant_survives_but_those_that_nothing_can_notice(found):
    unexpected = found.survivors - set(EQUIVALENT)
    assert not unexpected, f"no scenario notices: {sorted(unexpected)}"
    assert found.sum("raised") == 0
    assert found.sum("killed") == found.sum("mutants") - len(found.survivors)
    assert found.sum("refused") <= found.sum("mutants") // 8  # by check_policy, not by a scenario


@pytest.mark.slow
def test_all_that_nothing_can_notice_survive(found):
    stale = set(EQUIVALENT) - found.survivors
    assert not stale, f"noticed, or not tried any more: {sorted(stale)}"


@pytest.mark.slow
def test_there_is_a_mutant_of_each_cell(found):
    assert len(found.killers) == found.sum("mutants")
    missing = [
        cell for cell in cells() if not any(name.startswith(cell) for name in found.killers)
    ]
    assert not missing
    for kind in (" cap ", " cap_s ", " spacing_s ", " window_s ", "radio_per_hour "):
        values = {}
        for name in found.killers:
            cell, _, change = name.rpartition(" ")
            if kind in name:
                value, _, other = change.partition("->")
                values.setdefault(cell, set()).add(int(other) - int(value))
        assert values and all(each == {-1, 1} for each in values.values()), values


@pytest.mark.slow
def test_a_mutant_survives_if_its_scenario_is_not_there():
    first = outcome(start("--only", "01"))
    assert first.survivors >= UNNOTICED
    assert set(first.killers.values()) == {"refused", "01_registers", "SURVIVES"}
    assert first.sum("killed") < first.sum("mutants") // 8

    rest = outcome(
        start("--without", "31", "--match", "DEFAULT state 16 next"),
        start("--without", "82", "--match", "GENTLE radio_per_hour"),
    )
    assert "DEFAULT state 16 next -19" in rest.survivors
    assert rest.survivors >= {f"GENTLE radio_per_hour 6->{other}" for other in (5, 7)}


def test_nothing_is_told_of_no_scenario():
    process = start("--only", "no such file")
    output, _ = process.communicate()
    assert process.returncode == 1
    assert "there is no such file" in output
