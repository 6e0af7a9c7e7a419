# Every file of tests/scenarios against the ladder alone, on a fake clock, with the least, the
# middle and the most that chance can add to a wait. tests/host/test_scenarios.py runs the same
# files end to end. The format is described in tests/scenarios/README.md.

import json
import os
import sys
import unittest

import harness  # noqa: F401  (first: it may hide the machine code)

from lexi import codes, policy, recovery, store

FOLDER = __file__.rsplit("/", 2)[0] + "/scenarios"
CHANCES = ((0, 1), (1, 2), (1, 1))
RADIO = range(recovery.REGISTER, recovery.PARK)
MAX_DECISIONS = 100000


class World:
    """The module as the "pure" part of a file describes it, and the ladder on a fake clock."""

    def __init__(self, scenario, chance):
        over, under = chance
        self.pure = scenario["pure"]
        self.now_s = 0
        options = scenario.get("options", {})
        rules = dict(getattr(policy, options.get("policy", "DEFAULT")))
        rules.update(options.get("change", {}))
        self.ladder = recovery.Ladder(
            rules, store.Budgets(rules), lambda n: (n - 1) * over // under
        )
        self.view = self.ladder.view
        self.view.reachable = True
        self.view.pins = options.get("pins", recovery.HAS_RESET | recovery.HAS_POWER)
        self.found = {  # what a diagnosis finds
            "sim": recovery.SIM_READY,
            "attached": True,
            "denied": False,
            "radio_on": True,
            "mode": 0,
            "missing": (),
            "disabled": (),
        }
        self.codes = {}  # what a poll tells: {server: (code, seconds to the next update)}
        self.ladder.watch(options.get("servers", [721]))
        self.todo = [(step[0], i, step[1:]) for i, step in enumerate(self.pure.get("steps", []))]
        self.todo.sort()
        self.reactions = self.pure.get("on", [])
        self.counts = {}
        self.taken = []  # (time, action, server)
        self.polls = []
        self.parked = []
        self.degraded = set()

    def apply(self, verb, *args):
        ladder = self.ladder
        if verb == "see":
            server, code = args
            self.codes[server] = (code, None)
            ladder.see(self.now_s, server, code)
        elif verb == "timer":
            server, timer_s = args
            self.codes[server] = (self.codes.get(server, (codes.NO_CODE, None))[0], timer_s)
            ladder.see_timer(self.now_s, server, timer_s)
        elif verb == "poll tells":  # and no URC
            server, code, timer_s = args
            self.codes[server] = (code, timer_s)
        elif verb == "forget":  # a poll no longer lists the server
            self.codes.pop(args[0], None)
        elif verb == "closed":
            ladder.see_closed(self.now_s, args[0])
        elif verb == "client":
            self.view.client, self.view.client_s = args[0], self.now_s
        elif verb == "init":
            if args[0] == 1:
                self.reboot()
            self.view.init, self.view.init_s = args[0], self.now_s
        elif verb == "reboot":
            self.reboot()
        elif verb == "found":
            self.found[args[0]] = tuple(args[1]) if isinstance(args[1], list) else args[1]
        elif verb == "view":  # and told by a URC
            self.found[args[0]] = args[1]
            setattr(self.view, args[0], args[1])
        elif verb == "fota":
            ladder.budgets.fota_s = self.now_s if args[0] else recovery.NEVER
        elif verb == "servers":
            ladder.watch(args[0])
        elif verb == "mcu reset":
            self.restart()
        else:
            raise ValueError("pure step: %r" % verb)

    def reboot(self):
        self.codes = {}
        self.ladder.rebooted(self.now_s)

    def restart(self):
        """The MCU restarts: of the ladder only the record is left, and nobody saw the time."""
        old = self.ladder
        budgets = store.Budgets(old.policy)
        budgets.unpack(old.budgets.pack(self.now_s), self.now_s)
        self.ladder = recovery.Ladder(old.policy, budgets, old._random, self.now_s)
        self.ladder.watch([track.id for track in old.tracks])
        self.ladder.view.reachable = True
        self.ladder.view.pins = self.view.pins
        self.view = self.ladder.view
        for server, (code, _) in self.codes.items():
            self.ladder.see(self.now_s, server, code)

    def tell(self):
        for server, (code, timer_s) in self.codes.items():
            track = self.ladder.track(server)
            if track is None or track.code != code:
                self.ladder.see(self.now_s, server, code)
            if timer_s is not None:
                self.ladder.see_timer(self.now_s, server, timer_s)
        self.view.polls += 1

    def act(self, action):
        ladder = self.ladder
        server = ladder.server
        ladder.take(self.now_s)
        if action == recovery.POLL:
            self.polls.append(self.now_s)
            self.tell()
        elif action == recovery.DIAGNOSE:
            for name, value in self.found.items():
                setattr(self.view, name, value)
            self.tell()
            self.view.diagnosed_s = self.now_s
        elif action == recovery.PARK:
            self.parked.append(recovery.REASONS[ladder.reason])
        else:
            self.taken.append((self.now_s, recovery.ACTIONS[action], server))
            ladder.done(self.now_s)
            self.react(action, server)

    def react(self, action, server):
        if action in (recovery.SOFT_RESET, recovery.PIN_RESET, recovery.POWER_CYCLE):
            self.reboot()
        elif action == recovery.RADIO_ON:
            self.view.radio_on = self.found["radio_on"] = True
        elif action == recovery.RESUME:
            self.view.mode = self.found["mode"] = 0
        key = (recovery.ACTIONS[action], server)
        self.counts[key] = self.counts.get(key, 0) + 1
        for name, of, nth, delay_s, *step in self.reactions:
            if (name, of) == key and nth in (0, self.counts[key]):
                self.todo.append((self.now_s + delay_s, len(self.todo), step))
                self.todo.sort()

    def run(self, until_s):
        for _ in range(MAX_DECISIONS):
            while self.todo and self.todo[0][0] <= self.now_s:
                self.apply(*self.todo.pop(0)[2])
            action = self.ladder.decide(self.now_s)
            for track in self.ladder.tracks:
                if track.degraded:
                    self.degraded.add(track.id)
            if action != recovery.NONE:
                self.act(action)
                continue
            next_s = max(self.now_s + 1, self.ladder.not_before_s)
            if self.todo:
                next_s = min(next_s, self.todo[0][0])
            if next_s > until_s:
                self.now_s = until_s
                return
            self.now_s = next_s
        raise AssertionError("over %d decisions" % MAX_DECISIONS)


def differences(expect, world):
    """What is not as the file expects it: a list of texts."""
    wrong = []
    wanted = expect.get("actions")
    if wanted is not None:
        for i, (name, server, from_s, to_s) in enumerate(wanted):
            if i >= len(world.taken):
                wrong.append("missing: %s %d at %d..%d" % (name, server, from_s, to_s))
                continue
            at_s, did, of = world.taken[i]
            if (did, of) != (name, server) or not from_s <= at_s <= to_s:
                wrong.append(
                    "%s %d at %d, expected %s %d at %d..%d"
                    % (did, of, at_s, name, server, from_s, to_s)
                )
        if not expect.get("more"):
            for at_s, did, of in world.taken[len(wanted) :]:
                wrong.append("unexpected: %s %d at %d" % (did, of, at_s))
    for name, (least, most) in expect.get("counts", {}).items():
        n = sum(1 for _, did, _ in world.taken if did == name)
        if not least <= n <= most:
            wrong.append("%s: %d times, expected %d..%d" % (name, n, least, most))
    for name in expect.get("never", []):
        if any(did == name for _, did, _ in world.taken):
            wrong.append("%s: expected never" % name)
    for from_s, to_s in expect.get("polls", []):
        if not any(from_s <= at_s <= to_s for at_s in world.polls):
            wrong.append("no poll at %d..%d: %r" % (from_s, to_s, world.polls))
    for server, registered in expect.get("registered", {}).items():
        if world.ladder.registered(int(server)) != registered:
            wrong.append("%s: registered is not %s" % (server, registered))
    for why in expect.get("parked", []):
        if why not in world.parked:
            wrong.append("not parked: %s, only %r" % (why, world.parked))
    for server in expect.get("degraded", []):
        if server not in world.degraded:
            wrong.append("%d: not degraded" % server)
    return wrong


class Scenarios(unittest.TestCase):
    def test_all_thirty_are_here(self):
        numbers = {int(name[:2]) for name in names()}
        self.assertEqual(numbers, set(range(1, 31)))


def names():
    return sorted(name for name in os.listdir(FOLDER) if name.endswith(".json"))


def add(name):
    def test(self):
        with open(FOLDER + "/" + name) as f:
            scenario = json.load(f)
        for chance in CHANCES:
            world = World(scenario, chance)
            world.run(scenario["until_s"])
            wrong = differences(scenario["expect"], world)
            self.assertEqual(wrong, [], "chance %d/%d: %s" % (chance[0], chance[1], wrong))

    setattr(Scenarios, "test_" + name[:-5], test)


for _name in names():
    add(_name)


if __name__ == "__main__":
    unittest.main()
    sys.exit()
