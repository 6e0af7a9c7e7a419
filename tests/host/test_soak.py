"""The ladder in random worlds, under MicroPython: see tests/soak. What may never happen does not,
and the observer that says so does notice ladders that are broken on purpose."""

import sys

import pytest
import unixport

sys.path.insert(0, str(unixport.ROOT / "tests" / "soak"))

import soak

DAYS = 10000
FEW_DAYS = 300
LEAST_ACTIONS = 100  # of each kind
LEAST_STATES = 100  # of each code
LEAST_REASONS = 5
QUICK = ("mark", "tries", "restless")  # the broken ladders that show at once
STATES = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 19, 99}

# Those of the supervisor, which is not here, one that needs a module without any server, and one
# that needs a client which answers no poll for a day.
NOT_HERE = {
    "the client does not answer polls",
    "the application's veto",
    "paused by the application",
    "there is no server to register with",
}

# What is broken: the property that is not watched meanwhile, and those by which it shows.
BROKEN = {
    "refill": ("ages", {"cap", "spacing"}),  # a restart of the MCU refills the caps
    "mark": ("none", {"halfway"}),  # what was begun is forgotten
    "tries": ("none", {"tries"}),  # a policy with more tries, and shorter waits
    "caps": ("none", {"cap"}),  # a policy with a higher cap
    "fota": ("none", {"fota"}),  # signs of a firmware update are ignored
    "thaw": ("none", {"fota"}),  # an update that stands still is over too soon
    "hasty": ("none", {"quiet"}),  # a module that may install a firmware is not left alone
    "press": ("none", {"switch"}),  # PWR_ON is pressed again and again
    "blind": ("early", {"registered"}),  # registered servers are ignored
    "idle": ("none", {"liveness", "halfway"}),  # no step is ever taken
    "restless": ("none", {"busy"}),  # decides every second
}


@pytest.fixture(scope="module")
def port():
    return unixport.find()


@pytest.fixture(scope="module")
def total(port):
    total = soak.run(port, DAYS)
    print(soak.describe(total))
    return total


def test_nothing_happens_in_a_few_days(port):
    total = soak.run(port, FEW_DAYS)
    assert not total["violations"], "\n".join(soak.complaints(total))
    assert total["days"] >= FEW_DAYS


@pytest.mark.slow
def test_nothing_happens_that_may_not(total):
    assert not total["violations"], "\n".join(soak.complaints(total))
    assert total["days"] >= DAYS


@pytest.mark.slow
def test_every_policy_keeps_its_bound(total):
    for policy, times in total["healed"].items():
        assert len(times) >= 100, policy
        assert max(times) <= total["bounds"][policy], policy


@pytest.mark.slow
def test_the_worlds_are_not_empty(total):
    rare = {name: n for name, n in total["actions"].items() if n < LEAST_ACTIONS}
    assert not rare
    rare = {code: n for code in STATES if (n := total["states"].get(str(code), 0)) < LEAST_STATES}
    assert not rare
    rare = {name: n for name, n in total["reasons"].items() if n < LEAST_REASONS}
    assert set(rare) == NOT_HERE
    assert all(total["faults"].values())
    assert len(total["resets"]) == 8


@pytest.mark.parametrize(
    "name",
    [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in BROKEN],
)
def test_a_broken_ladder_is_noticed(port, name):
    mute, expected = BROKEN[name]
    arguments = ("--break", name, "--mute", mute, "--most", 3)
    total = soak.run(port, 2000, arguments=arguments)
    assert {which for _, _, which, _, _ in total["violations"]} & expected


def starts(port, *arguments):
    process = soak.start(port, "--seed", soak.SEED, "--starts", 150, *arguments)
    return soak.results([process])[0]


def test_nodes_do_not_start_as_one(port):
    times = starts(port)
    assert None not in times
    assert max(times.count(time) for time in times) <= len(times) // 20
    assert max(times) - min(times) >= 250
    same = starts(port, "--break", "spread")
    assert max(same.count(time) for time in same) > len(same) // 20


def growth(port, *arguments):
    (used,) = soak.results([soak.start(port, "--memory", 90, *arguments)])
    return max(used[-30:]) - max(used[15:45])


@pytest.mark.slow
def test_memory_is_bounded(port):
    assert growth(port) < 4096
    assert growth(port, "--break", "leak") > 4096
