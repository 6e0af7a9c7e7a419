"""The lockstep bridge: a real node on virtual time, and what can happen to both of them."""

import itertools
import time

import pytest
from lexisim import Config, Log, Module, ServerSpec
from lockstep import SCENARIOS, LockstepError, Node, World

SCRIPT = SCENARIOS / "plain_node.py"
DAY_S = 86400
URC_S = 0.01  # a line at 115200 bit/s, and the time that it is given to become whole
PULSE_S = 0.2  # of RESET_N, in the script
REGISTERED_S = 13  # boot 5, attach 5, hold 1, register 2
CONFIG = {"factory_mode": 0, "boot_dead_s": 5.0, "attach_s": 5.0}


@pytest.fixture
def build(tmp_path):
    """A function that makes (world, node), the node started at 0; all end with the test."""
    worlds = []

    def build(*arguments, config=None, limit_s=100.0, log=None, **options):
        module = Module(Config(**{**CONFIG, **(config or {})}), log=log)
        world = World(module, limit_s=limit_s)
        worlds.append(world)
        store_dir = tmp_path / str(len(worlds))
        store_dir.mkdir()
        node = Node(world, SCRIPT, *arguments, store_dir=store_dir, **options)
        node.start()
        return world, node

    yield build
    for world in worlds:
        world.close()


def when(node, **items):
    """The times at which the node reported something with these items."""
    return [at_s for at_s, what in node.reports if items.items() <= what.items()]


def test_registration_comes_at_the_virtual_time_of_the_module(build):
    world, node = build()
    world.run(60)
    server = world.module.client.servers[721]
    assert server.code == 3
    (at_s,) = when(node, registered=True)
    (registered,) = world.module.happened("registered", 721)
    assert 0 <= at_s - registered[0] <= URC_S
    assert int(at_s) == REGISTERED_S
    assert node.output() == ""
    assert world.now_s == 60


def test_every_urc_is_there_at_its_millisecond(build):
    world, node = build(config={"baud": 0})
    world.at(100.123, "urc +ULWM2MSTAT: 1,721,17")
    world.run(100.128)
    assert not when(node, code=17)
    world.run(100.129)  # 6 ms are the time in which a line becomes whole
    assert when(node, code=17) == [100.129]


def test_a_day_takes_a_fraction_of_a_second_and_few_commands(build):
    days = 10
    world, node = build()
    world.run(60)
    before = world.module.state()["commands"]
    start_s = time.perf_counter()
    world.run(60 + days * DAY_S)
    real_s = (time.perf_counter() - start_s) / days
    print(f"{real_s:.3f} real seconds a day")
    after = world.module.state()["commands"]
    asked = {name: count - before.get(name, 0) for name, count in after.items()}
    asked = {name: count for name, count in asked.items() if count}
    assert set(asked) == {"+ULWM2MSTAT", "+ULWM2MREG"}
    assert all(days * 24 - 1 <= count <= days * 24 + 1 for count in asked.values())  # once an hour
    assert [what["ok"] for _, what in node.reports if "day" in what] == [True] * days
    assert not any(what.get("errors") for _, what in node.reports)
    assert real_s < 5, "idle days must be cheap; 0.1 was measured"


def test_no_command_comes_within_20_ms_of_a_line(build):
    world, _ = build("poll=1")
    for n in range(2000):
        world.at(60 + 0.047 * n, "urc +ULWM2MSTAT: 2,721,10")
    world.run(160)
    state = world.module.state()
    assert state["commands"]["+ULWM2MREG"] > 50
    assert state["gap_violations"] == state["urc_gap_violations"] == 0


def test_silence_is_noticed_at_its_virtual_second(build):
    quiet = ServerSpec(timer_report_s=0.0)
    world, _ = build(config={"servers": [quiet]})
    world.run(2 * 3600)
    heard = [entry[0] for entry in world.module.happened("command", "AT+ULWM2MSTAT?", True)]
    gaps = [b - a for a, b in itertools.pairwise(at_s for at_s in heard if at_s > REGISTERED_S)]
    assert len(gaps) > 1
    assert all(900 <= gap < 901 for gap in gaps), heard


def test_the_node_is_killed_in_the_middle_of_a_command_and_starts_again(build):
    world, node = build("poll=60")
    world.run(60)
    commands = world.module.state()["commands"]
    killed = []

    def on_write(data):
        if data == b"AT+ULWM2MREG?\r" and not killed:
            killed.append(world.now_s)
            world.after(0.001, node.kill)  # the command takes 1.2 ms

    node.on_write = on_write
    world.run(100)
    assert killed
    assert not node.running
    assert world.module.state()["commands"] == commands  # it was never complete
    world.at(200, node.start)
    world.run(300)
    assert when(node, up=2) == [200]
    assert len(when(node, registered=True)) == 2
    assert when(node, registered=True)[1] < 210
    assert not when(node, failed="AtTimeout")


def test_the_node_is_killed_between_command_and_answer(build):
    world, node = build("poll=60")
    world.run(60)
    node.on_write = lambda data: world.after(0.005, node.kill)
    world.run(100)
    assert not node.running
    last = list(world.traffic)[-1]
    assert last[1] == "kill"  # nobody has read the answer
    node.on_write = None
    node.start()
    world.run(200)
    assert when(node, up=2) == [100]
    assert len(when(node, registered=True)) == 2


def test_a_kill_in_a_hook_stops_the_program_right_there(build):
    world, node = build()
    node.on_report = lambda what: node.kill() if "up" in what else None
    world.run(60)
    assert node.reports == [(0.0, {"up": 1, "ticks": 0, "time": 0})]
    assert not [kind for _, kind, _ in world.traffic if kind == "write"]


def test_the_world_goes_on_without_the_node(build):
    world, node = build()
    world.run(60)
    node.kill()
    seen = []
    world.at(1000, lambda: seen.append(world.module.client.servers[721].code))
    world.at(2000, "server 721 down")
    world.run(3 * DAY_S)
    assert seen == [3]
    assert world.module.client.servers[721].code != 3
    node.start()
    world.run(3 * DAY_S + 400)
    assert when(node, registered=False) == [pytest.approx(3 * DAY_S + 300, abs=5)]


def test_a_mute_module_makes_at_timeout_fire(build):
    world, node = build("poll=60")
    world.at(100, "mute forever")
    world.at(400, "unmute")
    world.run(1000)
    failed = when(node, failed="AtTimeout")
    assert failed[0] == pytest.approx(REGISTERED_S + 120 + 5, abs=0.1)  # FAMILY's timeout
    assert len(failed) >= 3
    assert failed[-1] < 410
    assert node.running


def test_the_node_pulls_a_pin(build):
    world, node = build("reset=30")
    world.run(60)
    assert world.module.state()["boots"] == 2
    ((at_s, _, _, held_s),) = world.module.happened("pin", "RESET_N")
    assert held_s == PULSE_S
    assert at_s == pytest.approx(when(node, registered=True)[0] + 30 + PULSE_S, abs=0.001)


def test_a_kill_releases_the_pins(build):
    world, node = build("reset=30")
    pulled_s = []

    def look():
        if world.module.state()["reset_n"] == "low":
            pulled_s.append(world.now_s)
            return True
        return False

    assert world.run(100, stop=look)
    world.after(0.05, node.kill)
    world.run(100)
    assert world.module.state()["reset_n"] == "high"
    assert world.module.state()["boots"] == 1  # 50 ms are too short
    assert pulled_s == [when(node, registered=True)[0] + 30]


def test_the_node_resets_itself(build):
    world, node = build("restart=10")
    world.run(100)
    first_s = when(node, registered=True)[0]
    assert when(node, up=2) == [pytest.approx(first_s + 12, abs=0.001)]
    assert node.starts == 2


def test_clocks(build):
    world, node = build(ticks_ms=2**30 - 20_000, wall_s=1_800_000_000)
    world.run(60 + DAY_S)  # lexi's clock runs on when the ticks have wrapped
    (up,) = (what for _, what in node.reports if "up" in what)
    assert up == {"up": 1, "ticks": 2**30 - 20_000, "time": 1_800_000_000}
    ((at_s, day),) = ((at_s, what) for at_s, what in node.reports if "day" in what)
    assert day["day"] == int(at_s)
    assert day["ok"]
    node.kill()
    node.start()
    world.run(world.now_s + 1)
    (up,) = (what for _, what in node.reports if what.get("up") == 2)
    assert up["ticks"] == 2**30 - 20_000  # the ticks begin anew
    assert up["time"] == 1_800_000_000 + 60 + DAY_S  # the clock does not


def test_a_month_and_the_ticks_wrap_as_on_a_board(build):
    world, node = build()
    world.run(30 * DAY_S)
    days = [(at_s, what) for at_s, what in node.reports if "day" in what]
    assert len(days) == 29
    assert all(what["ok"] and what["day"] == int(at_s) for at_s, what in days)


def history(build, seed=0):
    lines = []
    world, node = build("poll=60", config={"seed": 5}, log=Log(lines.append), seed=seed)
    for at_s in range(100, 1000, 90):
        world.at(at_s + 0.004, "noise 200")
    world.at(1000, "drop 25")
    world.at(2000, "reboot silent forget")
    world.at(3000.003, node.kill)
    world.at(3005, node.start)
    world.at(4000, "mute 600")
    world.at(5000, "lose 721 now")
    world.run(DAY_S)
    return list(world.traffic), lines, node.reports


def test_a_node_without_asyncio(build):
    world, node = build(f"blocking={DAY_S}")
    world.run(2 * DAY_S)
    (at_s,) = when(node, registered=True)
    assert int(at_s) == REGISTERED_S
    (end_s,) = when(node, ok=True, failures=0)
    assert 0 <= end_s - at_s - DAY_S < 20
    assert node.exit_status == 0


def test_two_runs_are_the_same(build):
    first, second = history(build), history(build)
    assert first == second
    traffic, lines, reports = first
    assert len(traffic) > 1000
    assert len(lines) > 1000
    assert any(what.get("failed") == "AtTimeout" for _, what in reports)


def test_a_crash_is_told_with_its_traceback(build):
    world, _ = build("crash=10")
    with pytest.raises(LockstepError, match=r"virtual time 23\.\d+ s: .* exit status 1") as error:
        world.run(100)
    assert "ValueError: crash" in str(error.value)
    assert "AT+ULWM2MREG?" in str(error.value)


def test_a_crash_that_may_be(build):
    world, node = build("crash=10", may_fail=True)
    world.run(100)
    assert node.exit_status == 1
    assert not node.running
    assert "ValueError: crash" in node.output()


def test_a_node_that_never_waits_is_stopped_by_real_time(build):
    world, _ = build("spin=10")
    world.run(20)
    world.limit_s = 1
    with pytest.raises(LockstepError, match=r"23\.\d+ s: .* over 1 real seconds"):
        world.run(100)


def test_real_time_is_limited_and_the_error_says_where(build):
    world, _ = build(limit_s=0.5)
    with pytest.raises(LockstepError, match=r"virtual time \d+\.\d+ s: over 0\.5 real seconds"):
        world.run(1000 * DAY_S)


def test_a_wrong_verb_is_an_error(build):
    world, _ = build()
    world.at(10, "frobnicate")
    with pytest.raises(LockstepError, match="frobnicate"):
        world.run(20)


def test_what_a_step_raises_comes_through(build):
    world, _ = build()

    def check():
        raise AssertionError("not so")

    world.at(10, check)
    with pytest.raises(AssertionError, match="not so"):
        world.run(20)


@pytest.mark.parametrize("config", [{"speed": 10.0}])
def test_the_module_must_run_at_speed_1(config):
    with pytest.raises(ValueError, match="speed"):
        World(Module(Config(**config)))
