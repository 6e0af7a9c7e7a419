# Every file of tests/scenarios against the ladder alone, on a fake clock, with the least, the
# middle and the most that chance can add to a wait. tests/host/test_scenarios.py runs the same
# files end to end, and tests/scenarios/mutate.py runs them against policies with one wrong cell.
# The format is described in tests/scenarios/README.md.

import json
import os
import sys
import unittest

import harness  # noqa: F401  (first: it may hide the machine code)
from fake_node import MemoryStore

from lexi import codes
from lexi.recovery import booking, ladder, moves, policies, policy, reports, store, texts
from lexi.recovery.budget import Budgets
from lexi.recovery.case import Case

FOLDER = __file__.rsplit("/", 2)[0] + "/scenarios"
CHANCES = ((0, 1), (1, 2), (1, 1))
MAX_DECISIONS = 100000
RESTARTS = (policy.SOFT_RESET, policy.PIN_RESET, policy.POWER_CYCLE, policy.SWITCH_ON)
START_S = 30  # a start of the supervisor that nobody answers
ALIVE_S = 41  # until it calls the port dead, that start included


class Client:
    """A client on the MCU whose reports are followed."""

    def __init__(self):
        self.lost_s = None

    def trouble(self, now_s):
        return None if self.lost_s is None else (self.lost_s, 0)

    def kick(self):
        pass  # the "on" of a file says what comes of it


class World:
    """The module as the "pure" part of a file describes it, and the ladder on a fake clock.

    order: another one of the ladder's rules, for mutate.py.
    """

    order = None

    def __init__(self, scenario, chance, rules=None):
        over, under = chance
        self.pure = scenario["pure"]
        self.now_s = 0
        options = scenario.get("options", {})
        rules = dict(getattr(policies, policy_of(scenario)) if rules is None else rules)
        rules.update(options.get("change", {}))
        self.rules = rules
        self.chance = lambda n: (n - 1) * over // under
        self.servers = options.get("servers", [721])
        self.pins = options.get("pins", policy.HAS_RESET | policy.HAS_POWER)
        self.kept = MemoryStore()
        self.client = Client() if self.pure.get("follow") else None
        self.life = 0  # of the MCU
        self.dead = False  # the port answers nothing
        self.off = False  # the MCU
        self.start()
        self.found = {  # what a diagnosis finds
            "sim": policy.SIM_READY,
            "attached": True,
            "denied": False,
            "radio_on": True,
            "mode": 0,
            "missing": (),
            "disabled": (),
        }
        self.codes = {}  # what a poll tells: {server: (code, seconds to the next update)}
        self.view.reachable = True
        self.case.restarted(0)  # MCU and module start together
        self.mute = 0  # 1: it answers no poll and no diagnosis; 2: no poll
        self.fota = 1  # what the last sign of an update said
        self.todo = []  # (time, verb and its arguments)
        self.by_record = False  # what the ladder writes matters
        for at_s, *step in self.pure.get("steps", []):
            self.add(at_s, step)
            self.by_record = self.by_record or step[-1] == "old"
        self.reactions = self.pure.get("on", [])
        self.counts = {}
        self.taken = []  # (time, action, server)
        self.polls = []
        self.diagnoses = []
        self.verdicts = []  # (time, server, registered), when they change
        self.waits = []  # (time, (reason, held by)), when they change
        self.parked = []
        self.degraded = {}  # server: since when

    def add(self, at_s, step):
        if step[0] == "every":
            _, gap_s, until_s, *step = step
        else:
            gap_s, until_s = 1, at_s
        i = 0
        for each_s in range(at_s, until_s + 1, gap_s):
            while i < len(self.todo) and self.todo[i][0] <= each_s:
                i += 1
            self.todo.insert(i, (each_s, step))

    def apply(self, verb, *args):
        case = self.case
        if verb == "see":
            server, path = args
            for code in path if isinstance(path, list) else [path]:
                self.codes[server] = (code, None)
                case.see(self.now_s, server, code)
        elif verb == "timer":
            server, timer_s = args
            self.codes[server] = (self.codes.get(server, (codes.NO_CODE, None))[0], timer_s)
            self.heard_timer(server, timer_s)
        elif verb == "poll tells":  # and no URC
            server, code, timer_s = args
            self.codes[server] = (code, timer_s)
        elif verb == "forget":  # a poll no longer lists the server
            self.codes.pop(args[0], None)
        elif verb == "closed":
            case.server(args[0]).closed(self.now_s)
        elif verb == "client":
            if args[0] == 0:
                self.reboot()
            case.see_client(self.now_s, args[0])
        elif verb == "init":
            if args[0] == 1:
                self.reboot()
            case.see_init(self.now_s, args[0])
        elif verb == "reboot":
            self.reboot()
        elif verb == "found":
            self.found[args[0]] = tuple(args[1]) if isinstance(args[1], list) else args[1]
        elif verb == "view":  # and told by a URC
            if args[0] == "reachable":
                self.dead = not args[1]
            else:
                self.found[args[0]] = args[1]
            setattr(self.view, args[0], args[1])
        elif verb == "dead":
            self.dead = bool(args[0])
            if not self.dead:
                self.answered()
            elif self.now_s == 0:
                self.unanswered()
        elif verb == "silent":  # the start of that life of the MCU failed
            if self.dead and args[0] == self.life:
                self.view.silent = self.view.reachable is None
        elif verb == "port dead":  # in the same life, and nothing answered since
            if self.dead and args[0] == self.life:
                self.view.reachable = False
        elif verb == "reports":
            self.client.lost_s = None if args[0] else self.now_s
        elif verb == "fota":
            if not args[0]:
                case.budgets.fota_s = policy.NEVER
            else:
                case.budgets.fota_sign(self.now_s, args[0] != self.fota)
                self.fota = args[0]
        elif verb == "servers":
            case.watch(args[0])
        elif verb == "force":
            case.force(*args)
        elif verb == "mute":
            self.mute = args[0]
        elif verb == "notification":
            pass  # activity only: nothing but one more time to decide
        elif verb == "mcu reset":
            self.restart(*args)
        elif verb == "mcu off":
            self.off = True
        elif verb == "mcu on":
            self.off = False
            self.restart(*args)
        else:
            raise ValueError("pure step: %r" % verb)

    def heard_timer(self, server, timer_s):
        state = self.case.server(server)
        if state is not None:
            state.timer(self.now_s, timer_s)

    def reboot(self):
        self.codes = {}
        self.case.restarted(self.now_s)

    def start(self):
        """The MCU starts, with what the record says."""
        self.life += 1
        budgets = Budgets(self.rules)
        self.keeper = store.Keeper(self.kept, budgets)
        self.keeper.load(self.now_s)
        self.case = Case(self.rules, budgets, self.chance, self.now_s)
        self.view = self.case.view
        self.view.pins = self.pins
        self.case.watch(self.servers)
        if self.client:
            reports.Reports(self.case, None, None).add(self.client)
        if self.order:  # those of reports.py want a client
            own = () if self.client else (reports.remedied, reports.lost)
            self.case.rules = [rule for rule in self.order if rule not in own]

    def restart(self, record="just written"):
        """The MCU restarts. Of the ladder only the record is left, and nobody saw the time.

        record: "old" is what the ladder wrote last, else it is as if it had a clock.
        """
        self.servers = [state.id for state in self.case.servers]
        if record != "old":
            self.keeper.save(self.now_s)
        self.start()
        self.fota = None
        if self.dead:
            self.unanswered()
        else:
            self.view.reachable = True
            self.tell()

    def unanswered(self):
        # Nothing answers since the MCU started; case.py may know that the port is dead.
        if self.view.reachable:
            self.view.reachable = None
        self.add(self.now_s + START_S, ["silent", self.life])
        self.add(self.now_s + ALIVE_S, ["port dead", self.life])

    def answered(self):
        # Nothing did before, in this life of the MCU or since the port was found dead.
        if self.view.reachable is None:
            self.case.booted(self.now_s)
        elif self.view.reachable is False:
            self.reboot()
        self.view.reachable = True

    def tell(self):
        # The answer to a poll.
        if self.mute or self.dead:
            return
        case = self.case
        for state in case.servers:
            if state.id not in self.codes and state.code != codes.NO_CODE:
                case.see(self.now_s, state.id, codes.NO_CODE)
        for server, (code, timer_s) in self.codes.items():
            state = case.server(server)
            if state is None or state.code != code:
                case.see(self.now_s, server, code)
            if timer_s is not None and code in codes.REGISTERED:
                self.heard_timer(server, timer_s)
        self.view.polls += 1

    def diagnose(self):
        if self.mute == 1 or self.dead:
            return
        for name, value in self.found.items():
            setattr(self.view, name, value)
        self.tell()
        self.view.diagnosed_s = self.now_s

    def act(self, decision):
        action = decision.action
        server = decision.server
        booking.take(self.case, decision, self.now_s)
        if self.by_record:
            self.keeper.save(self.now_s)
        if action == policy.POLL:
            self.polls.append(self.now_s)
            self.tell()
        elif action == policy.DIAGNOSE:
            self.diagnoses.append(self.now_s)
            self.diagnose()
        elif action == policy.PARK:
            self.parked.append(texts.REASONS[decision.reason])
        else:
            self.taken.append((self.now_s, texts.ACTIONS[action], server))
            booking.done(self.case, decision, self.now_s)
            self.react(action, server)

    def react(self, action, server):
        if action in RESTARTS:
            self.reboot()
        elif action == policy.RADIO_ON:
            self.view.radio_on = self.found["radio_on"] = True
        elif action == policy.RESUME:
            self.view.mode = self.found["mode"] = 0
        elif action == policy.ENABLE_SERVER:
            self.found["disabled"] = tuple(s for s in self.found["disabled"] if s != server)
            self.diagnose()
        key = (texts.ACTIONS[action], server)
        self.counts[key] = self.counts.get(key, 0) + 1
        for name, of, nth, delay_s, *step in self.reactions:
            if (name, of) == key and nth in (0, self.counts[key]):
                self.add(self.now_s + delay_s, step)

    def run(self, until_s):
        for _ in range(MAX_DECISIONS):
            while self.todo and self.todo[0][0] <= self.now_s:
                self.apply(*self.todo.pop(0)[1])
            if self.off and self.todo and self.todo[0][0] <= until_s:
                self.now_s = self.todo[0][0]
                continue
            if self.off:
                self.now_s = until_s
                return
            decision = ladder.decide(self.case, self.now_s)
            self.note(decision)
            if decision.action != policy.NONE:
                self.act(decision)
                continue
            next_s = max(self.now_s + 1, self.case.wake_s)
            if self.by_record:
                if self.keeper.due_s(self.now_s) == 0:
                    self.keeper.save(self.now_s)
                due_s = self.keeper.due_s(self.now_s)
                if due_s is not None:
                    next_s = min(next_s, self.now_s + due_s)
            if self.todo:
                next_s = min(next_s, self.todo[0][0])
            if next_s > until_s:
                self.now_s = until_s
                return
            self.now_s = next_s
        raise AssertionError("over %d decisions" % MAX_DECISIONS)

    def note(self, decision):
        for state in self.case.servers:
            if moves.degraded(self.case, state):
                self.degraded.setdefault(state.id, self.now_s)
            if at(self.verdicts, self.now_s, state.id) != state.registered:
                self.verdicts.append((self.now_s, state.id, state.registered))
        why = (texts.REASONS[decision.reason], texts.REASONS[decision.held_by])
        if decision.action == policy.NONE and (not self.waits or self.waits[-1][1] != why):
            self.waits.append((self.now_s, why))


def at(verdicts, at_s, server):
    """The verdict of then."""
    for when_s, of, registered in reversed(verdicts):
        if of == server and when_s <= at_s:
            return registered
    return False


def differences(expect, world, chance):
    """What is not as the file expects it: a list of texts."""
    wrong = []
    strict = not expect.get("loose")
    wanted = expect.get("actions")
    if wanted is not None:
        for i, (name, server, from_s, to_s) in enumerate(wanted):
            if i >= len(world.taken):
                wrong.append("missing: %s %d at %d..%d" % (name, server, from_s, to_s))
                continue
            at_s, did, of = world.taken[i]
            if strict:  # least chance: the first of these seconds; most chance: the last
                to_s = from_s if chance == CHANCES[0] else to_s
                from_s = to_s if chance == CHANCES[-1] else from_s
            if (did, of) != (name, server) or not from_s <= at_s <= to_s:
                wrong.append(
                    "%s %d at %d, expected %s %d at %d..%d"
                    % (did, of, at_s, name, server, from_s, to_s)
                )
        if not expect.get("more"):
            for at_s, did, of in world.taken[len(wanted) :]:
                wrong.append("unexpected: %s %d at %d" % (did, of, at_s))
    for name, (least, most) in expect.get("counts", {}).items():
        done = {"poll": world.polls, "diagnose": world.diagnoses}
        n = len(done.get(name, [1 for _, did, _ in world.taken if did == name]))
        if not least <= n <= most:
            wrong.append("%s: %d times, expected %d..%d" % (name, n, least, most))
    for name in expect.get("never", []):
        if any(did == name for _, did, _ in world.taken):
            wrong.append("%s: expected never" % name)
    for key, found in (("polls", world.polls), ("diagnoses", world.diagnoses)):
        for from_s, to_s in expect.get(key, []):
            if not any(from_s <= at_s <= to_s for at_s in found):
                wrong.append("no %s at %d..%d: %r" % (key, from_s, to_s, found))
    for from_s, to_s in expect.get("quiet", []):
        heard = [at_s for at_s in world.polls if from_s <= at_s <= to_s]
        if heard:
            wrong.append("polls at %r, expected none at %d..%d" % (heard, from_s, to_s))
    for at_s, server, registered in expect.get("verdicts", []):
        if at(world.verdicts, at_s, server) != registered:
            wrong.append("%d at %d: registered is not %s" % (server, at_s, registered))
    for server, registered in expect.get("registered", {}).items():
        if world.case.registered(int(server)) != registered:
            wrong.append("%s: registered is not %s" % (server, registered))
    for server, times in expect.get("renewals", {}).items():
        n = sum(1 for _, of, registered in world.verdicts if of == int(server) and registered)
        if n != times:
            wrong.append("%s: registered anew %d times, expected %d" % (server, n, times))
    for at_s, text in expect.get("waits", []):
        why = [each for each in world.waits if each[0] <= at_s][-1:]
        if not why or text not in why[0][1]:
            wrong.append("at %d: expected to wait for: %s, not %r" % (at_s, text, why))
    if world.parked != expect.get("parked", []):
        wrong.append("parked: %r, expected %r" % (world.parked, expect.get("parked", [])))
    if sorted(world.degraded) != sorted(expect.get("degraded", [])):
        wrong.append("degraded: %r, expected %r" % (world.degraded, expect.get("degraded", [])))
    for server, from_s, to_s in expect.get("degraded_s", []):
        if not from_s <= world.degraded.get(server, -1) <= to_s:
            wrong.append("%d: degraded at %r" % (server, world.degraded.get(server)))
    return wrong


def policy_of(scenario):
    """The name of the policy that it is for."""
    return scenario.get("options", {}).get("policy", "DEFAULT")


# A file with "cases" stands for several scenarios, one for each.


def cases(scenario):
    for case in scenario.get("cases", [{}]):
        yield fill(scenario, case)


def runs(scenario):
    """What a file stands for: its cases, what is expected of each, and each chance."""
    for case in cases(scenario):
        expect = dict(case.get("expect", {}))
        expect.update(case["pure"].get("expect", {}))
        for chance in CHANCES:
            yield case, expect, chance


def wrong_in(case, expect, chance, rules=None):
    """What is not as expected; with another policy than the case's own, if `rules` is one."""
    world = World(case, chance, rules)
    world.run(case["until_s"])
    return differences(expect, world, chance)


def fill(part, case):
    """A copy in which texts such as "$code" are replaced by what the case says."""
    if isinstance(part, dict):
        return {key: fill(value, case) for key, value in part.items() if key != "cases"}
    if isinstance(part, list):
        return [fill(value, case) for value in part]
    if isinstance(part, str) and part[:1] == "$":
        return case[part[1:]]
    return part


# A file with "jumps" lists which codes may follow which; after all others there must be a poll
# within 5 s, and the verdict waits for its answer.


def jump_differences(scenario, rules=None):
    """Yields the jumps that are not taken as the file says: (old, new)."""
    jumps = {int(old): new for old, new in scenario["pure"]["jumps"].items()}
    for old, following in jumps.items():
        for new in jumps:
            if new == old:
                continue
            if new not in (4, 16):
                legal = not jump(old, new, 1000, rules).polls
            elif old in codes.REGISTERED:  # polled anyway
                legal = not jump(old, new, 1000, rules, True).case.registered(721)
            else:  # polled anyway, except just after a start
                legal = not jump(old, new, 30, rules).polls
            if legal != (new in following):
                yield old, new
            if new in scenario["pure"]["after restart"] and jump(old, new, 30, rules).polls:
                yield old, new, "after a restart"


def jump(old, new, at_s, rules=None, mute=False):
    """The world 5 s after a jump, which comes 10 s after the code before it."""
    steps = [[at_s - 10, "see", 721, old], [at_s, "see", 721, new]]
    if at_s > 420:
        steps.append([20, "see", 721, 3])
    world = World({"pure": {"steps": steps}}, CHANCES[0], rules)
    world.run(at_s - 1)
    world.polls = []
    world.mute = int(mute)
    world.run(at_s + 5)
    return world


class Scenarios(unittest.TestCase):
    def test_all_thirty_are_here(self):
        numbers = {int(name[:2]) for name in names()}
        self.assertEqual(set(range(1, 31)) - numbers, set())


def names():
    return sorted(name for name in os.listdir(FOLDER) if name.endswith(".json"))


def add(name):
    def test(self):
        with open(FOLDER + "/" + name) as f:
            scenario = json.load(f)
        if "jumps" in scenario["pure"]:
            self.assertEqual(list(jump_differences(scenario)), [])
            return
        failures = []
        for case, expect, chance in runs(scenario):
            wrong = wrong_in(case, expect, chance)
            if wrong:
                where = "%s, chance %d/%d: " % (case["title"], chance[0], chance[1])
                failures.append(where + "%s" % wrong)
        self.assertEqual(failures, [], "\n".join(failures))

    setattr(Scenarios, "test_" + name[:-5], test)


for _name in names():
    add(_name)


if __name__ == "__main__":
    unittest.main()
    sys.exit()
