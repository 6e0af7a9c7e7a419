# What the tests of the ladder and of its store share: a module that is what a test says it is, and
# a ladder with its budgets that is driven like the supervisor drives it, on a fake clock.

import gc

from lexi import codes
from lexi.recovery import booking, ladder, policy, store
from lexi.recovery.budget import Budgets
from lexi.recovery.case import Case

MAX_DECISIONS = 200000
MAX_STEPS = 3000
ANSWERED = ("sim", "attached", "denied", "radio_on", "mode", "missing", "disabled")


def least(n):
    return 0


def most(n):
    return n - 1


class Chance:
    """Numbers that look random, the same for the same seed."""

    def __init__(self, seed):
        self.state = seed
        self.drawn = 0

    def __call__(self, n):
        self.drawn += 1
        self.state = (self.state * 75 + 74) % 65537
        return self.state * 4099 % n


class MemoryStore:
    """A store in RAM. With an exception in `no_load` or `no_save` it fails."""

    def __init__(self, data=None, no_load=None, no_save=None):
        self.data = data
        self.no_load = no_load
        self.no_save = no_save
        self.attempts = 0

    def load(self):
        if self.no_load:
            raise self.no_load
        return self.data

    def save(self, data):
        self.attempts += 1
        if self.no_save:
            raise self.no_save
        self.data = data


class Node:
    """A case, what the ladder decides of it, and a module.

    found: what a diagnosis finds. codes: what a poll tells, {server: code}. refused: actions that
    the module refuses. react(action, server) is called after every step. taken: every step, (time,
    action, server, reason); asked: polls and diagnoses; parked: reasons. watcher(node) is called
    after every decision.
    """

    def __init__(
        self,
        *servers,
        rules=policy.DEFAULT,
        chance=least,
        pins=policy.HAS_RESET | policy.HAS_POWER,
        kept=None,
        now_s=0,
        places=8,
    ):
        self.now_s = now_s
        self.rules = rules
        self.budgets = Budgets(rules, places)
        self.keeper = store.Keeper(kept or MemoryStore(), self.budgets)
        self.keeper.load(now_s)
        self.case = Case(rules, self.budgets, chance, now_s)
        self.decision = None
        self.view = self.case.view
        self.view.reachable = True
        self.view.pins = pins
        self.case.watch(servers or (721,))
        self.case.restarted(now_s)  # both start together
        self.found = {
            "sim": policy.SIM_READY,
            "attached": True,
            "denied": False,
            "radio_on": True,
            "mode": codes.MODE_ENABLED,
            "missing": (),
            "disabled": (),
        }
        self.codes = {}
        self.refused = ()
        self.react = None
        self.watcher = None
        self.todo = []
        self.taken = []
        self.asked = []
        self.parked = []

    # What happens

    def at(self, at_s, fn, *args):
        """Call fn(*args) when that time comes."""
        i = len(self.todo)
        while i and self.todo[i - 1][0] > at_s:
            i -= 1
        self.todo.insert(i, (at_s, fn, args))

    def see(self, server, code):
        self.codes[server] = code
        self.case.see(self.now_s, server, code)

    def registered(self, server, timer_s=1000000):
        """It is registered, and an update is not due for long."""
        self.see(server, 3)
        self.case.server(server).timer(self.now_s, timer_s)

    def client(self, status):
        self.case.see_client(self.now_s, status)

    def init(self, status):
        if status == codes.INIT_STARTED:
            self.reboot()
        self.case.see_init(self.now_s, status)

    def reboot(self):
        self.codes = {}
        self.case.restarted(self.now_s)

    def tell(self, name, value):
        """Told by a URC, and found by a diagnosis."""
        self.found[name] = value
        setattr(self.view, name, value)

    # What the supervisor does

    def poll(self):
        for server, code in self.codes.items():
            state = self.case.server(server)
            if state is None or state.code != code:
                self.case.see(self.now_s, server, code)
        self.view.polls += 1

    def act(self):
        decision = self.decision
        action = decision.action
        server = decision.server
        booking.take(self.case, decision, self.now_s)
        if action == policy.PARK:
            self.parked.append(decision.reason)
        elif action == policy.POLL:
            self.asked.append((self.now_s, action, decision.reason))
            self.poll()
        elif action == policy.DIAGNOSE:
            self.asked.append((self.now_s, action, decision.reason))
            for name in ANSWERED:
                setattr(self.view, name, self.found[name])
            self.poll()
            self.view.diagnosed_s = self.now_s
        else:
            if not self.keeper.save(self.now_s):
                return
            gc.collect()  # else what is kept here would leave holes all over the heap
            self.taken.append((self.now_s, action, server, decision.reason))
            if len(self.taken) > MAX_STEPS:
                raise AssertionError("over %d steps" % MAX_STEPS)
            if action in self.refused:
                booking.failed(self.case, decision, self.now_s)
                return
            booking.done(self.case, decision, self.now_s)
            self.carried_out(action, server)

    def carried_out(self, action, server):
        if action in (policy.SOFT_RESET, policy.PIN_RESET, policy.POWER_CYCLE):
            self.reboot()
        elif action == policy.RADIO_ON:
            self.tell("radio_on", True)
        elif action == policy.RESUME:
            self.tell("mode", codes.MODE_ENABLED)
        if self.react:
            self.react(action, server)

    def decide(self):
        """Polls and diagnoses until there is something else, or nothing, to do now."""
        for _ in range(10):
            action = self.look()
            if action not in (policy.POLL, policy.DIAGNOSE):
                return action
            self.act()
        raise AssertionError("polls and diagnoses without end")

    def look(self):
        self.decision = ladder.decide(self.case, self.now_s)
        if self.watcher:
            self.watcher(self)
        return self.decision.action

    def run(self, until_s):
        """Let time pass: looks again only when something happens, or the ladder said so."""
        for _ in range(MAX_DECISIONS):
            while self.todo and self.todo[0][0] <= self.now_s:
                _, fn, args = self.todo.pop(0)
                fn(*args)
            action = self.look()
            if action != policy.NONE:
                self.act()
                again = self.look()  # what comes next, although it is done a second later
            checkpoint_s = self.keeper.due_s(self.now_s)
            if self.budgets.dirty or checkpoint_s == 0:
                self.keeper.save(self.now_s)
                checkpoint_s = self.keeper.due_s(self.now_s)
            if action in (policy.POLL, policy.DIAGNOSE, policy.PARK):
                continue
            next_s = until_s + 1
            if action != policy.NONE and again != policy.NONE:
                next_s = self.now_s + 1
            elif self.case.wake_s <= until_s:
                next_s = self.case.wake_s
            if checkpoint_s is not None:
                next_s = min(next_s, self.now_s + checkpoint_s)
            if self.todo:
                next_s = min(next_s, self.todo[0][0])
            next_s = max(next_s, self.now_s + 1)
            if next_s > until_s:
                self.now_s = until_s
                return
            self.now_s = next_s
        raise AssertionError("over %d decisions" % MAX_DECISIONS)

    def steps(self):
        """What was done, without times."""
        return [action for _, action, _, _ in self.taken]


def writes_per_day(rules, starts=0):
    """The most records that a day with so many starts may need: checkpoints, two for each step."""
    return 24 + 24 * 2 * rules["radio_per_hour"] + 9 * starts


def most_in(times, window_s):
    """The most of these times, in order, that lie within any such window."""
    best = first = 0
    for i in range(len(times)):
        while times[i] - times[first] >= window_s:
            first += 1
        best = max(best, i + 1 - first)
    return best
