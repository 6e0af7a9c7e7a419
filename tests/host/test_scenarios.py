"""Every file of tests/scenarios end to end: library and supervisor against the simulated module.

What was done, and whether the servers are registered, is read from the module's own history and
state. The library is asked only for what it tells an application: that it parked, that a server
is degraded, which verdict it gives. Each file is run twice, with the least and with the most
that chance can add to a wait. The format is described in tests/scenarios/README.md.
"""

import dataclasses
import itertools
import json
import re

import pytest
from lexisim import Config, Module, ServerSpec, codes
from lockstep import SCENARIOS, Node, World

# Those of `make test`: each step once, each way in which a registration goes and comes back.
QUICK = (
    "01 03 07 10 11 15 16 18 20b 22a 23 24 26a 29 30d 37 40 48 52 58 64 69 76 85a 88a 90a 90b 91a"
).split()
FILES = [
    pytest.param(
        path, id=path.stem, marks=[] if path.stem.split("_")[0] in QUICK else pytest.mark.slow
    )
    for path in sorted(SCENARIOS.glob("*.json"))
]
CHANCES = (0, 100)
ON = {"factory_mode": 0}  # most nodes have the client enabled
EARLY_S = 2  # the node counts whole seconds
LATE_S = 20  # commands, diagnosis and boots take time, which the pure ladder's do not
# The module's state in the end, always: URCs are on, and the host kept its pauses.
ALWAYS = {
    "urc": {"n": 1, "mask": 7},
    "gap_violations": 0,
    "urc_gap_violations": 0,
    "overlaps": 0,
}
HOUR_S = 3600
AT_ONCE_S = 0.05  # a URC on the wire
POWER_OFF_S = 2  # PWR_ON is pressed at least so long to switch off
POWER_CYCLE_S = 30  # until the press that switches on again
KICK = "kick the reporting client"

# What a step looks like on the wire.
COMMANDS = (
    (re.compile(r"AT\+ULWM2MREG=(\d+)"), "re-register"),
    (re.compile(r"AT\+ULWM2MCONFIG=(\d+),.*"), "enable server"),
    (re.compile(r"AT\+ULWM2M=3()"), "pause"),
    (re.compile(r"AT\+ULWM2M=0()"), "resume"),
    (re.compile(r"AT\+CFUN=0()"), "radio off"),
    (re.compile(r"AT\+CFUN=1()"), "radio on"),
    (re.compile(r"AT\+CFUN=16()"), "soft reset"),
)

MODULE_KEYS = {"config", "steps", "on", "options", "start_s", "wall_s", "expect", "note"}


# Playing


def make_module(settings):
    settings = {**ON, **settings}
    names = {field.name for field in dataclasses.fields(Config)}
    assert set(settings) <= names, set(settings) - names
    if "servers" in settings:
        settings["servers"] = [ServerSpec(**server) for server in settings["servers"]]
    if "profile_servers" in settings:
        settings["profile_servers"] = {
            int(profile): [ServerSpec(**server) for server in servers]
            for profile, servers in settings["profile_servers"].items()
        }
    return Module(Config(**settings))


def play(scenario, folder, chance):
    """Run the scenario; returns the module, and what the node reported and printed."""
    part = scenario["module"]
    assert set(part) <= MODULE_KEYS, set(part) - MODULE_KEYS
    options = {**scenario.get("options", {}), **part.get("options", {}), "chance": chance}
    module = make_module(part.get("config", {}))
    with World(module) as world:
        node = Node(
            world,
            SCENARIOS / "node.py",
            json.dumps(options),
            store_dir=folder,
            wall_s=part.get("wall_s"),
        )
        verbs = {"mcu reset": node.reset, "mcu off": node.kill, "mcu on": node.start}
        for at_s, *step in part.get("steps", []):
            schedule(world, verbs, at_s, *step)
        on_command(world, verbs, part.get("on", []))
        on_power(world, module, part.get("on", []))
        if part.get("start_s", 0):
            world.at(part["start_s"], node.start)
        else:
            node.start()
        world.run(scenario["until_s"])
        return module, node.reports, node.output()


def schedule(world, verbs, at_s, verb, *rest):
    """[at_s, verb], or [at_s, "every", gap_s, until_s, verb]."""
    gap_s, until_s = 1, at_s
    if verb == "every":
        gap_s, until_s, verb = rest
    while at_s <= until_s:
        world.at(at_s, verbs.get(verb, verb))
        at_s += gap_s


def on_command(world, verbs, reactions):
    # [command, nth, delay_s, verb, from_s]: what happens so long after the nth such command since
    # from_s (default: the start), 0 for all.
    counts = [0] * len(reactions)

    def look(data):
        for line in data.decode("latin-1").split("\r"):
            for i, (command, nth, delay_s, verb, *from_s) in enumerate(reactions):
                if command == line and world.now_s >= (from_s or [0])[0]:
                    counts[i] += 1
                    if nth in (0, counts[i]):
                        world.after(delay_s, verbs.get(verb, verb))

    world.node.on_write = look


def on_power(world, module, reactions):
    # The same for the module being switched on, in place of a command: "power on".
    record = module.record
    count = 0

    def look(kind, *values):
        nonlocal count
        record(kind, *values)
        if (kind, *values) == ("power", "on"):
            count += 1
            for command, nth, delay_s, verb in reactions:
                if command == "power on" and nth in (0, count):
                    world.after(delay_s, verb)

    if any(command == "power on" for command, *_ in reactions):
        module.record = look


# Reading


class Seen:
    """What the module saw of the host, and what the node told."""

    def __init__(self, module, reports, chance, early_s, late_s):
        self.chance = chance
        self.module = module
        self.state = module.state()
        self.early_s = early_s
        self.late_s = late_s
        self.commands = [(entry[0], entry[2]) for entry in module.happened("command")]
        kicks = [(at_s, KICK, 0) for at_s, report in reports if "kicked" in report]
        self.actions = sorted(actions(module) + kicks)
        self.reports = reports
        self.told = [(at_s, report["text"]) for at_s, report in reports if "text" in report]

    def within(self, at_s, from_s, to_s):
        """Whether a time is in a span, as far as commands and boots let it be."""
        return from_s - self.early_s <= at_s <= to_s + self.late_s

    def tells(self, wanted):
        """Whether the node told a text, or [text, from_s, to_s]."""
        text, *span = [wanted] if isinstance(wanted, str) else wanted
        return any(
            text in told and (not span or self.within(at_s, *span)) for at_s, told in self.told
        )

    def ends(self, kind):
        """What follows "kind: " in what the node told."""
        return {told[len(kind) + 2 :] for _, told in self.told if told.startswith(kind + ": ")}


def actions(module):
    """Steps the host took, from the module's history: (time, action, server)."""
    taken = []
    cycle_s = -POWER_CYCLE_S
    for at_s, kind, *what in module.history:
        if kind == "pin" and what[0] == "RESET_N":
            taken.append((at_s, "pin reset", 0))
        elif kind == "pin" and what[0] == "PWR_ON" and what[1] >= POWER_OFF_S:
            taken.append((at_s, "power cycle", 0))
            cycle_s = at_s
        elif kind == "pin" and what[0] == "PWR_ON" and at_s > cycle_s + POWER_CYCLE_S:
            taken.append((at_s, "switch on", 0))
        elif kind == "command":
            for pattern, name in COMMANDS:
                match = pattern.fullmatch(what[0])
                if match:
                    taken.append((at_s, name, int(match[1] or 0)))
    return taken


# What is not as a key of `expect` wants it: each yields texts.


def check_actions(seen, wanted, more, loose):
    taken = seen.actions
    for i, (name, server, from_s, to_s) in enumerate(wanted):
        if not loose:  # least chance: the first of these seconds; most chance: the last
            from_s, to_s = (from_s, from_s) if seen.chance == CHANCES[0] else (to_s, to_s)
        if i >= len(taken):
            yield f"missing: {name} {server} at {from_s}..{to_s}"
            continue
        at_s, did, of = taken[i]
        if (did, of) != (name, server) or not seen.within(at_s, from_s, to_s):
            yield f"{did} {of} at {at_s:.1f}, not {name} {server} at {from_s}..{to_s}"
    if not more:
        for at_s, did, of in taken[len(wanted) :]:
            yield f"unexpected: {did} {of} at {at_s:.1f}"


def check_counts(seen, wanted):
    for name, (least, most) in wanted.items():
        count = sum(1 for _, did, _ in seen.actions if did == name)
        if not least <= count <= most:
            yield f"{name}: {count} times, expected {least}..{most}"


def check_never(seen, wanted):
    return [
        f"{name} at {at_s:.1f}, expected never" for at_s, name, _ in seen.actions if name in wanted
    ]


def check_polls(seen, wanted):
    times = [at_s for at_s, line in seen.commands if line == "AT+ULWM2MREG?"]
    for from_s, to_s in wanted:
        if not any(seen.within(at_s, from_s, to_s) for at_s in times):
            yield f"no poll at {from_s}..{to_s}"


def check_registered(seen, wanted):
    servers = {server["id"]: server for server in seen.state["servers"]}
    starts = [at_s for at_s, report in seen.reports if "started" in report]
    for text, registered in wanted.items():
        server = servers.get(int(text), {"code": None, "live": False})
        true = server["code"] in codes.REGISTERED_CODES
        if true != registered or (registered and not server["live"]):
            yield f"{text}: code {server['code']}, expected registered: {registered}"
        verdict = False  # of the node, since its last start
        for at_s, told in seen.told:
            if at_s >= starts[-1] and told == f"registered {text}":
                verdict = True
            elif told == f"registration lost {text}":
                verdict = False
        if verdict != registered:
            yield f"{text}: the node's verdict is registered: {verdict}, expected {registered}"


def check_commands(seen, wanted):
    for each in wanted:
        prefix, *span = [each] if isinstance(each, str) else each
        times = [at_s for at_s, line in seen.commands if line.startswith(prefix)]
        if not any(not span or seen.within(at_s, *span) for at_s in times):
            yield f"{prefix}: sent at {times[-9:]}, expected at {span or 'any time'}"


def check_sent(seen, wanted):
    for prefix, (least, most) in wanted.items():
        count = sum(1 for _, line in seen.commands if line.startswith(prefix))
        if not least <= count <= most:
            yield f"{prefix}: sent {count} times, expected {least}..{most}"


def check_quiet(seen, wanted):
    for from_s, to_s in wanted:
        for at_s, line in seen.commands:
            if from_s <= at_s <= to_s:
                yield f"{line} at {at_s:.1f}, expected none at {from_s}..{to_s}"


def check_heard(seen, wanted):
    # In this order, whatever else was heard in between.
    heard = [(at_s, report["heard"]) for at_s, report in seen.reports if "heard" in report]
    for event, server, value, from_s, to_s in wanted:
        while heard:
            at_s, what = heard.pop(0)
            if what == [event, server, value] and seen.within(at_s, from_s, to_s):
                break
        else:
            yield f"not heard: {event},{server},{value} at {from_s}..{to_s}"


def check_at_once(seen, wanted):
    # The module took a code, and the node heard of that before it could ask.
    heard = [(at_s, report["heard"]) for at_s, report in seen.reports if "heard" in report]
    for server, code, from_s, to_s in wanted:
        taken = [entry[0] for entry in seen.module.happened("server", server, code)]
        times = [at_s for at_s in taken if seen.within(at_s, from_s, to_s)]
        events = [at_s for at_s, (_, of, value) in heard if (of, value) == (server, code)]
        if not any(0 <= at_s - when_s < AT_ONCE_S for at_s in events for when_s in times):
            yield f"{server}: {code} at {times}, heard at {events}"


def check_counted(seen, wanted):
    counted = [report["counted"] for _, report in seen.reports if "counted" in report][-1]
    for name, (least, most) in wanted.items():
        if not least <= counted[name] <= most:
            yield f"{name}: {counted[name]}, expected {least}..{most}"


def check_state(seen, wanted):
    for name, value in wanted.items():
        if seen.state[name] != value:
            yield f"{name}: {seen.state[name]}, expected {value}"


def check_parked(seen, wanted):
    found = seen.ends("parked")
    if found != set(wanted):
        yield f"parked: {sorted(found)}, expected {wanted}"


def check_degraded(seen, wanted):
    found = {
        int(told.split()[1].rstrip(":")) for _, told in seen.told if told.startswith("degraded ")
    }
    if found != set(wanted):
        yield f"degraded: {sorted(found)}, expected {wanted}"


CHECKS = {
    "counts": check_counts,
    "never": check_never,
    "polls": check_polls,
    "registered": check_registered,
    "commands": check_commands,
    "sent": check_sent,
    "quiet": check_quiet,
    "heard": check_heard,
    "at once": check_at_once,
    "counted": check_counted,
    "state": check_state,
    "parked": check_parked,
    "degraded": check_degraded,
    "told": lambda seen, wanted: [f"not told: {each}" for each in wanted if not seen.tells(each)],
    "not told": lambda seen, wanted: [f"told: {each}" for each in wanted if seen.tells(each)],
}
OTHER_KEYS = {"actions", "more", "loose", "early_s", "late_s"}


def differences(scenario, module, reports, chance):
    """What is not as the file expects it, and what no file may ever show: a list of texts."""
    expect = {"parked": [], "degraded": [], **scenario["expect"]}
    expect.update(scenario["module"].get("expect", {}))
    unknown = set(expect) - set(CHECKS) - OTHER_KEYS
    assert not unknown, unknown
    slack_s = expect.get("early_s", EARLY_S), expect.get("late_s", LATE_S)
    seen = Seen(module, reports, chance, *slack_s)
    wrong = []
    if "actions" in expect:
        wrong += check_actions(seen, expect["actions"], expect.get("more"), expect.get("loose"))
    for key, check in CHECKS.items():
        if key in expect:
            wrong += check(seen, expect[key])
    wrong += [f"harm: {harm}" for harm in module.happened("harm")]
    wrong += check_state(seen, ALWAYS)
    for _, report in reports:
        if report.get("counted", {}).get("errors"):
            wrong.append(f"errors: {report['counted']}")
    return wrong


@pytest.mark.parametrize("chance", CHANCES)
@pytest.mark.parametrize("path", FILES)
def test_scenario(path, chance, tmp_path):
    scenario = json.loads(path.read_text())
    if "module" not in scenario:
        assert scenario.get("pure only"), "no module part, and no reason why"
        return
    module, reports, output = play(scenario, tmp_path, chance)
    wrong = differences(scenario, module, reports, chance)
    told = "\n".join(
        f"{at_s:12.1f}  {report['text']}" for at_s, report in reports if "text" in report
    )
    assert not wrong, "\n".join(wrong) + "\n" + told[-4000:] + "\n" + output


@pytest.mark.slow
def test_a_reset_loop_without_a_clock_refills_nothing(tmp_path):
    """As 28, but the time between the lives of the MCU is not known."""
    scenario = json.loads((SCENARIOS / "28_dead_port.json").read_text())
    del scenario["module"]["wall_s"]
    scenario["until_s"] = 12000
    module, _, _ = play(scenario, tmp_path, 0)
    taken = actions(module)
    assert taken[0][1] == "pin reset"
    assert {name for _, name, _ in taken[1:]} <= {"power cycle"}
    times = [at_s for at_s, _, _ in taken]
    assert all(later - at_s >= HOUR_S - EARLY_S for at_s, later in itertools.pairwise(times))
