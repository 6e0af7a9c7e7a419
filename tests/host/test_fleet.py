"""The fleet simulation: what must hold for every node, and that its own numbers are right."""

import random
import subprocess
import sys
from collections import Counter

import deviceless
import fleet
import pytest
import unixport

NODES = 500
rules = fleet.rules

# Which step's cap an action counts for.
STEP_OF = {
    rules.REGISTER: rules.STEP_REGISTER,
    rules.PAUSE: rules.STEP_PAUSE,
    rules.RADIO_OFF: rules.STEP_RADIO,
    rules.SOFT_RESET: rules.STEP_RESET,
    rules.PIN_RESET: rules.STEP_PINS,
}


def run(*arguments):
    return subprocess.run(
        [sys.executable, "tools/fleet.py", *map(str, arguments)],
        cwd=unixport.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def nodes_of(setting, count):
    """The nodes that lost their registration, each at its end."""
    server = fleet.Server(setting)
    for number in range(count):
        node = fleet.Node(setting, server, number)
        if setting.scenario == fleet.POWER_CUT or node.due_s < server.up_s:
            fleet.run_alone(node, server)
            if node.module.affected:
                yield node


def in_window(times, window_s):
    return max((sum(t <= u < t + window_s for u in times) for t in times), default=0)


@pytest.fixture(scope="module")
def outcomes():
    return {
        (scenario, policy): fleet.run_nodes(fleet.Setting(scenario, policy), 0, NODES)
        for scenario in fleet.SCENARIOS
        for policy in fleet.POLICIES
    }


# The loader


def test_loaded_files_are_those_of_the_library():
    assert deviceless.load("lexi.recovery.policy") is rules
    assert rules.__file__ == str(deviceless.LIB / "lexi" / "recovery" / "policy.py")
    with pytest.raises(ImportError):
        deviceless.load("lexi.nothing")


def test_files_are_found_also_when_const_is_there_already():
    program = (
        "import sys, types; sys.modules['micropython'] = types.ModuleType('micropython'); "
        "sys.modules['micropython'].const = int; import deviceless; "
        "print(deviceless.load('lexi.recovery.ladder').__name__); deviceless.load('lexi.codes'); "
        "print(sys.path.count(str(deviceless.LIB)))"
    )
    printed = subprocess.check_output([sys.executable, "-c", program], text=True)
    assert printed.split() == ["lexi.recovery.ladder", "1"]


# The model of the module


class Recorder(fleet.RetryHost):
    """Does nothing, and keeps what it is told."""

    def __init__(self, module):
        super().__init__(module)
        self.told = []

    def power_up(self, now_s):
        pass

    def status(self, now_s, code):
        self.told.append((now_s, code))


@pytest.mark.parametrize(
    ("tuning", "begin", "holds", "until_4"),
    [
        ("u-blox-721", "power-up", [30, 60, 120], (458, 582)),
        ("oma", "power-up", [60, 120, 240, 480], (1210, 1365)),
        ("u-blox-721", "update", [], (62, 93)),
    ],
)
def test_module_alone_gives_up_and_stays_so(monkeypatch, tuning, begin, holds, until_4):
    monkeypatch.setattr(fleet, "RetryHost", Recorder)
    monkeypatch.setattr(fleet, "OUTAGE_AT_S", 0 if begin == "power-up" else fleet.DAY_S)
    for number in range(20):
        setting = fleet.Setting(fleet.OUTAGE, "RETRY60", 1, tuning, fleet.DAY_S)
        node = fleet.Node(setting, fleet.Server(setting), number)
        node.start()
        if begin == "power-up":
            node.module.power_up(0)
        now_s = node.next_s
        while now_s < fleet.LATER:
            node.advance(now_s)
            now_s = node.next_s
        told = node.host.told
        starts = [at_s for at_s, code in told if code in (2, 5)]
        held = [at_s for at_s, code in told if code == 1]
        assert [start - hold for start, hold in zip(starts[1:], held)] == holds
        assert told[-1][1] == 4
        lowest, highest = until_4
        rounding = len(starts)
        assert lowest - rounding <= told[-1][0] - starts[0] <= highest


def test_request_in_flight_at_the_end_of_the_outage_is_answered():
    setting = fleet.Setting(fleet.OUTAGE, "RETRY60", outage_s=60)
    server = fleet.Server(setting)
    module = fleet.Module(setting, server, random.Random(1), 1800, 60)
    module.host = Recorder(module)
    module.settle(setting.down_s - 1, setting.down_s + 30)
    while module.next_s < setting.up_s + 60:
        module.run(module.next_s)
    assert [code for _, code in module.host.told] == [5, 3]
    assert setting.up_s <= module.host.told[-1][0] <= setting.up_s + 45
    assert not module.affected


@pytest.mark.parametrize(("pending", "attempts"), [("restart", 2), ("ignore", 1)])
def test_registration_is_asked_for_while_one_is_pending(pending, attempts):
    setting = fleet.Setting(fleet.OUTAGE, "RETRY60", pending=pending)
    module = fleet.Module(setting, fleet.Server(setting), random.Random(1), 1800, 60)
    module.host = Recorder(module)
    module.attached = True
    module.register(setting.down_s)
    module.register(setting.down_s + 10)
    assert module.code == 2
    assert module.attempts == attempts


# What must hold for the library's policies


@pytest.mark.parametrize("policy", fleet.LADDERS)
@pytest.mark.parametrize(
    ("scenario", "outage_s", "count"),
    [(fleet.OUTAGE, 3600, NODES), (fleet.OUTAGE, 86400, 40), (fleet.POWER_CUT, 3600, NODES)],
)
def test_every_node_comes_back_and_keeps_its_caps(policy, scenario, outage_s, count):
    table = fleet.LADDERS[policy]
    setting = fleet.Setting(scenario, policy, outage_s=outage_s)
    seen = 0
    for node in nodes_of(setting, count):
        seen += 1
        assert node.module.back_s is not None
        assert node.module.back_s - setting.up_s <= table["bound_s"]
        times = {step: [] for step in STEP_OF.values()}
        for at_s, action in node.host.taken:
            if action in STEP_OF:
                times[STEP_OF[action]].append(at_s)
        for step, at in times.items():
            row = table["steps"][step]
            assert in_window(at, row[rules.CAP_S]) <= row[rules.CAP_STEPS]
        everything = sorted(at_s for at in times.values() for at_s in at)
        assert in_window(everything, 3600) <= table["radio_per_hour"]
    assert seen >= 40 * count // 100


def test_nodes_without_an_update_in_the_outage_notice_nothing(outcomes):
    affected = {outcomes[fleet.OUTAGE, policy].affected for policy in fleet.POLICIES}
    assert max(affected) < 0.6 * NODES
    assert max(affected) - min(affected) <= 2  # the random T of an update at its end
    for policy in fleet.POLICIES:
        assert outcomes[fleet.POWER_CUT, policy].affected == NODES


def test_everyone_is_back_with_an_unlimited_server(outcomes):
    for outcome in outcomes.values():
        assert sum(outcome.back.values()) == outcome.affected
        assert sum(outcome.load.values()) == outcome.affected


def test_naive_policies_cost_more(outcomes):
    naive = outcomes[fleet.OUTAGE, "RETRY60"]
    for policy in fleet.LADDERS:
        ladder = outcomes[fleet.OUTAGE, policy]
        assert naive.attempts > 2 * ladder.attempts
        assert naive.peak() > 2 * ladder.peak()
        assert ladder.resets == 0
    assert outcomes[fleet.OUTAGE, "REBOOT"].resets > 3 * outcomes[fleet.OUTAGE, "REBOOT"].affected


@pytest.mark.slow
def test_limited_server_stays_down_under_hosts_that_hurry():
    capacity = 0.75  # of 300 nodes: 62 registrations/s for 100 000
    back = {}
    for policy in (*fleet.LADDERS, "RETRY60"):
        outcome = fleet.run_limited(fleet.Setting(fleet.OUTAGE, policy), 300, capacity)
        back[policy] = sum(outcome.back.values()) / outcome.affected
    assert [back[policy] for policy in fleet.LADDERS] == [1, 1, 1]
    assert 2 * back["RETRY60"] < 1


def test_limited_server_answers_no_more_than_it_can():
    server = fleet.Server(fleet.Setting(fleet.POWER_CUT, "DEFAULT"), 2.5)
    answered = [sum(server.answers(s) for _ in range(10)) for s in range(100)]
    assert set(answered) == {2, 3}
    assert sum(answered) == 250


# Sums, scaling, determinism


def test_parts_of_a_fleet_add_up(outcomes):
    for key, whole in outcomes.items():
        sums = fleet.Outcome()
        for first, count in ((300, 200), (0, 300)):
            sums.add(fleet.run_nodes(fleet.Setting(*key), first, count))
        assert vars(sums) == vars(whole)


def test_seed_decides():
    one, again, other = (
        fleet.run_nodes(fleet.Setting(fleet.OUTAGE, "DEFAULT", seed), 0, 200) for seed in (1, 1, 2)
    )
    assert vars(one) == vars(again)
    assert vars(one) != vars(other)
    one, again = (
        fleet.run_limited(fleet.Setting(fleet.POWER_CUT, "DEFAULT"), 100, 20) for _ in range(2)
    )
    assert vars(one) == vars(again)


def test_outcome_of_known_times():
    outcome = fleet.Outcome()
    outcome.affected = 10
    outcome.back = Counter({1: 5, 30: 4})
    outcome.load = Counter({59: 2, 60: 3, 61: 4, 120: 1})
    assert outcome.peak() == 4
    assert outcome.peak(60) == 7
    assert [outcome.back_after_s(share) for share in (0.5, 0.9, 0.95)] == [1, 30, None]


def test_scaling_of_a_tenth_holds(outcomes):
    small = fleet.run_nodes(fleet.Setting(fleet.POWER_CUT, "DEFAULT"), fleet.APART, NODES // 10)
    lowest, highest = fleet.scaled(small.peak(60), 10)
    assert lowest <= outcomes[fleet.POWER_CUT, "DEFAULT"].peak(60) <= highest


# The program


@pytest.mark.slow
def test_program_prints_tables_and_writes_a_plot(tmp_path):
    out = tmp_path / "new" / "plot.png"
    results = [
        run("--nodes", 300, "--quick", "--processes", processes, "--out", out)
        for processes in (1, 3)
    ]
    texts = []
    for result in results:
        assert result.returncode == 0, result.stderr
        assert result.stderr == ""
        for word in (*fleet.POLICIES, *fleet.SHARE_NAMES, "10 000 000", "300 nodes, 5 policies"):
            assert word in result.stdout
        texts.append(result.stdout.partition("300 nodes, 5 policies")[0])
    assert texts[0] == texts[1]
    assert out.read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_program_with_a_limited_server(tmp_path):
    result = run(
        *("--nodes", 100, "--limited-nodes", 1000, "--capacity", "100", "--policy", "GENTLE"),
        *("--outage-s", 600, "--out", tmp_path / "plot.png"),
    )
    assert result.returncode == 0, result.stderr
    assert "limited server: 100 registrations/s for 100000 nodes" in result.stdout
    assert "RETRY60 " not in result.stdout.partition("Back,")[0]


def test_help_names_every_option_and_default():
    text = run("--help").stdout
    for word in ("--nodes", "--seed", "--outage-s", "--policy", "--processes", "--out", "--quick"):
        assert word in text
    for value in (fleet.NODES, fleet.LIMITED_NODES, fleet.QUICK_NODES):
        assert str(value) in text


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--nodes", "many"), "argument --nodes: 'many', expected 100..10000000"),
        (("--nodes", 5), "expected 100.."),
        (("--outage-s", -1), "expected 60..86400"),
        (("--seed", "1.5"), "argument --seed"),
        (("--processes", 0), "argument --processes: '0', expected 1..256"),
        (("--capacity", "5,x"), "argument --capacity: 'x', expected 1..100000"),
        (("--policy", "HARSH"), "argument --policy: invalid choice"),
        (("--out", "plot.pdf"), "'plot.pdf', expected a file name that ends in .png"),
        (("--out", "Makefile/plot.png"), "argument --out"),
    ],
)
def test_bad_arguments(arguments, problem):
    result = run(*arguments)
    assert result.returncode == 2
    assert problem in result.stderr
    assert "Traceback" not in result.stderr
