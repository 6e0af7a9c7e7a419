"""Every file of tests/scenarios end to end: library and supervisor against the simulated module.

What was done, and whether the servers are registered, is read from the module's own history and
state. The library is asked only for what it tells an application: that it parked, or a server is
degraded.
"""

import dataclasses
import json
import re

import pytest
from lexisim import Config, Module, ServerSpec, codes
from lockstep import SCENARIOS, Node, World

FILES = sorted(SCENARIOS.glob("*.json"))
ON = {"factory_mode": 0}  # most nodes have the client enabled
LATE_S = 20  # commands, diagnosis and boots take time, which the pure ladder's do not

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
POWER_OFF_S = 2  # PWR_ON is pressed at least so long to switch off


def actions(module):
    """Steps the host took, from the module's history: (time, action, server)."""
    taken = []
    for at_s, kind, *what in module.history:
        if kind == "pin" and what[0] == "RESET_N":
            taken.append((at_s, "pin reset", 0))
        elif kind == "pin" and what[0] == "PWR_ON" and what[1] >= POWER_OFF_S:
            taken.append((at_s, "power cycle", 0))
        elif kind == "command":
            for pattern, name in COMMANDS:
                match = pattern.fullmatch(what[0])
                if match:
                    taken.append((at_s, name, int(match[1] or 0)))
    return taken


def polls(module):
    return [at_s for at_s, kind, *what in module.history if what[:1] == ["AT+ULWM2MREG?"]]


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


def play(scenario, folder):
    """Run the scenario; returns the module and what the node reported."""
    part = scenario["module"]
    options = {**scenario.get("options", {}), **part.get("options", {})}
    module = make_module(part.get("config", {}))
    with World(module) as world:
        node = Node(world, SCENARIOS / "node.py", json.dumps(options), store_dir=folder)
        verbs = {"mcu reset": node.reset, "mcu off": node.kill, "mcu on": node.start}
        for at_s, verb in part.get("steps", []):
            world.at(at_s, verbs.get(verb, verb))
        on_command(world, module, part.get("on", []), verbs)
        if part.get("start_s", 0):
            world.at(part["start_s"], node.start)
        else:
            node.start()
        world.run(scenario["until_s"])
        return module, node.reports, node.output()


def on_command(world, module, reactions, verbs):
    # [command, nth, delay_s, verb]: what happens so long after the nth such command, 0 for all.
    counts = {}

    def look(data):
        for line in data.decode("latin-1").split("\r"):
            counts[line] = counts.get(line, 0) + 1
            for command, nth, delay_s, verb in reactions:
                if command == line and nth in (0, counts[line]):
                    world.after(delay_s, verbs.get(verb, verb))

    world.node.on_write = look


def differences(scenario, module, reports):
    """What is not as the file expects it: a list of texts."""
    expect = {**scenario["expect"], **scenario["module"].get("expect", {})}
    late_s = expect.get("late_s", LATE_S)
    taken = actions(module)
    wrong = []
    wanted = expect.get("actions")
    if wanted is not None:
        for i, (name, server, from_s, to_s) in enumerate(wanted):
            if i >= len(taken):
                wrong.append(f"missing: {name} {server} at {from_s}..{to_s}")
                continue
            at_s, did, of = taken[i]
            if (did, of) != (name, server) or not from_s - 2 <= at_s <= to_s + late_s:
                wrong.append(f"{did} {of} at {at_s:.1f}, not {name} {server} at {from_s}..{to_s}")
        if not expect.get("more"):
            wrong += [
                f"unexpected: {did} {of} at {at_s:.1f}" for at_s, did, of in taken[len(wanted) :]
            ]
    for name, (least, most) in expect.get("counts", {}).items():
        count = sum(1 for _, did, _ in taken if did == name)
        if not least <= count <= most:
            wrong.append(f"{name}: {count} times, expected {least}..{most}")
    wrong += [f"{name}: expected never" for _, name, _ in taken if name in expect.get("never", [])]
    for from_s, to_s in expect.get("polls", []):
        if not any(from_s - 2 <= at_s <= to_s + late_s for at_s in polls(module)):
            wrong.append(f"no poll at {from_s}..{to_s}")
    state = {server["id"]: server["code"] for server in module.state()["servers"]}
    for server, registered in expect.get("registered", {}).items():
        if (state.get(int(server)) in codes.REGISTERED_CODES) != registered:
            wrong.append(f"{server}: code {state.get(int(server))}, registered: {registered}")
    texts = [report.get("text", "") for _, report in reports]
    for why in expect.get("parked", []):
        if f"parked: {why}" not in texts:
            wrong.append(f"not parked: {why}")
    for server in expect.get("degraded", []):
        if not any(text.startswith(f"degraded {server}") for text in texts):
            wrong.append(f"{server}: not degraded")
    for text in expect.get("told", []):
        if not any(text in told for told in texts):
            wrong.append(f"not told: {text}")
    for command in expect.get("commands", []):
        if not module.happened("command", prefix=command):
            wrong.append(f"never sent: {command}")
    harms = module.happened("harm")
    if len(harms) > expect.get("harms", 0):
        wrong.append(f"harm: {harms}")
    return wrong


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_scenario(path, tmp_path):
    scenario = json.loads(path.read_text())
    if "module" not in scenario:
        assert scenario.get("pure only"), "no module part, and no reason why"
        return
    module, reports, output = play(scenario, tmp_path)
    wrong = differences(scenario, module, reports)
    errors = [report for _, report in reports if "handler_errors" in report]
    history = "\n".join(f"{at_s:12.1f}  {report.get('text')}" for at_s, report in reports[-40:])
    assert not wrong, "\n".join(wrong) + "\n" + history + output
    assert not errors, errors
