"""Random faults end to end: supervisor and simulated module through some weeks of bad luck.

tests/soak does the same to the ladder alone, over many more days. Here the verdict is the
module's: no harm, every rolling hour and day within the caps, and registered again within the
bound of the policy once everything is healthy.
"""

import json
import random

import pytest
from lexisim import codes
from lockstep import SCENARIOS, Node, World
from test_scenarios import actions, make_module

HOUR_S = 3600
DAY_S = 86400
BAD_DAYS = 8
BOUND_S = 2 * DAY_S  # policy DEFAULT: bound_s
SERVERS = (721, 123)

# (how often, what); {s} is one of the servers, {t} seconds from minutes to hours.
FAULTS = (
    (6, "server {s} down"),
    (6, "server {s} up"),
    (4, "lose {s} now"),
    (3, "status {s} {code}"),
    (2, "freeze {s} {code}"),
    (3, "network lost {t}"),
    (2, "sim denied"),
    (1, "sim absent"),
    (3, "sim ready"),
    (2, "hang pins"),
    (1, "hang power"),
    (2, "reboot silent"),
    (2, "reboot silent forget"),
    (1, "reboot"),
    (2, "mute 90"),
    (2, "fota start 900 200"),
    (1, "fota fail"),
    (2, "noise 300"),
    (2, "drop 40"),
    (2, "duplicate 2"),
    (2, 'swallow "+ULWM2MSTAT" 3'),
    (1, 'swallow "+CEREG"'),
    (2, "urc +ULWM2MSTAT: 1,{s},{code}"),
    (1, "urc +ULWM2MSTAT: 1,{s},18"),
    (1, "timer freeze {s}"),
    (1, "timer run {s}"),
    (1, "late 20 2"),
    (2, 'answer "AT+ULWM2MREG=721" error 3'),
    (1, "config {s} disabled 1"),
    (1, "init fail 1"),
    (6, "mcu reset"),
    (4, "heal"),
)
FOTA_URCS = {"fota_progress_urcs": True, "fota_install_urcs": True}
CODES = (1, 2, 4, 5, 8, 10, 12, 16)
STANDS_STILL_S = DAY_S
CAPS = (  # (actions, at most, in so many seconds)
    (("re-register",), 10, HOUR_S),
    (("pause",), 8, DAY_S),
    (("radio off",), 4, DAY_S),
    (("soft reset",), 3, DAY_S),
    (("pin reset", "power cycle"), 4, DAY_S),
    (("re-register", "pause", "radio off", "soft reset", "pin reset", "power cycle"), 18, HOUR_S),
)


def bad_luck(world, node, chance, days):
    """Plan the faults of the bad days; those that make no sense at their time do nothing."""
    weights = [often for often, _ in FAULTS]
    at_s = 0
    while True:
        at_s += chance.expovariate(1 / (1.5 * HOUR_S))
        if at_s >= days * DAY_S:
            return
        verb = chance.choices(FAULTS, weights)[0][1].format(
            s=chance.choice(SERVERS),
            t=chance.randrange(300, 6 * HOUR_S),
            code=chance.choice(CODES),
        )
        if verb == "mcu reset":
            world.at(at_s, node.reset)
        else:
            world.at(at_s, lambda verb=verb: try_verb(world, verb))


def try_verb(world, verb):
    if verb.startswith("fota") and world.module.state()["hang"]:
        return
    try:
        world.verb(verb)
    except Exception as e:  # such as a server that the client does not have right now
        assert "error" in str(e)


def healthy(world):
    world.verb("heal")
    for server in SERVERS:
        try_verb(world, f"server {server} up")
        try_verb(world, f"timer run {server}")
        try_verb(world, f"config {server} disabled 0")
    try_verb(world, "init ok")


def over_caps(taken):
    """Rolling windows with too many steps in them."""
    wrong = []
    for names, most, window_s in CAPS:
        times = [at_s for at_s, name, _ in taken if name in names]
        for i, at_s in enumerate(times[most:]):
            if at_s - times[i] < window_s:
                wrong.append(f"{names}: {most + 1} in {at_s - times[i]:.0f} s until {at_s:.0f}")
    return wrong


def harm_done(module):
    """What may never be; but an update that has stood still for a day is no longer waited for."""
    signs = [at_s for at_s, *_ in module.happened("fota")]
    return [
        entry
        for entry in module.happened("harm")
        if "(download)" not in entry[2]
        or entry[0] - max(s for s in signs if s < entry[0]) < STANDS_STILL_S
    ]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_registered_again_whatever_was_before(seed, tmp_path):
    play(seed, BAD_DAYS, tmp_path)


def test_registered_again_after_one_bad_day(tmp_path):
    play(6, 1, tmp_path)


def play(seed, bad_days, tmp_path):
    chance = random.Random(seed)
    servers = [{"server_id": s} for s in SERVERS]
    module = make_module({"servers": servers, "seed": seed, **FOTA_URCS})
    with World(module) as world:
        options = {"servers": SERVERS, "pins": 3}
        node = Node(
            world,
            SCENARIOS / "node.py",
            json.dumps(options),
            store_dir=tmp_path,
            seed=seed,
            wall_s=1_800_000_000 if seed % 2 else None,
        )
        node.start()
        bad_luck(world, node, chance, bad_days)
        world.run(bad_days * DAY_S)
        healthy(world)

        def well():
            state = module.state()
            live = {
                each["id"] for each in state["servers"] if each["code"] in codes.REGISTERED_CODES
            }
            return live >= set(SERVERS)

        world.run(bad_days * DAY_S + BOUND_S, well)
        story = "\n".join(
            f"{at_s:12.1f}  {report.get('text', report)}" for at_s, report in node.reports[-60:]
        )
        assert well(), story
        assert over_caps(actions(module)) == []
        assert harm_done(module) == [], story
        assert [report for _, report in node.reports if "handler_errors" in report] == []
