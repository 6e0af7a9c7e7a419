"""A fleet of nodes after a server outage and after a power cut, with the library's own ladder.

ladder.py and its neighbours in lib/lexi/recovery run here as they are, once for each node, against a
model of the module, and beside them two hosts as they are often written:

    RETRY60   AT+ULWM2MREG every 60 s while the node is not registered
    REBOOT    AT+CFUN=16 as soon as the module gives up, or is not registered after 300 s

Two scenarios:

    outage     the server is silent for an hour, and remembers its clients. A node whose update
               falls into that time loses its registration; the others notice nothing.
    power cut  all nodes, with their modules, are powered up in the same second. Module boot and
               network attach take random times; the server is well.

Two servers:

    unlimited  answers every datagram. Nodes do not influence each other then: they are simulated
               one by one, on all cores, and their numbers are added.
    limited    answers so many datagrams a second, in random order, and drops the others. Nodes
               influence each other then: a smaller fleet, with the capacity in proportion, is
               simulated with one queue of events in one process.

The model of the module. Order of codes, retries and the dead end are Wakaama's; numbers are those
of the u-blox SARA-R5 note for server 721, or the defaults of OMA LwM2M objects 1/x/17 and /18:

    A registration takes 4 answered datagrams, 1 s apart (DTLS handshake with a PSK, then CoAP);
    an update 1. Each is repeated at T, 3T, 7T, 15T and given up at 31T, with T of 2..3 s (RFC
    7252). Then the module holds for 30, 60, 120 s (OMA: 60, 120, 240, 480 s) and begins again;
    after 4 (OMA: 5) attempts it gives up with code 4. An update that is given up is code 4 at
    once. After code 4 nothing follows without the host, or a restart, or a new attach.
    AT+ULWM2MREG begins again at once, whatever is under way; that is assumed, see --pending.

Own choices: lifetimes of 0.5, 1, 2, 6, 12 and 24 h, as many of each; updates 93 s before their
end, at random phases; 6..15 s to boot; 5 s and an exponential time of mean 60 s to attach, mean
1 h for every 50th node (poor coverage). All clocks are whole seconds. Notifications and
the work of the network itself are not modelled.
"""

import argparse
import heapq
import math
import multiprocessing
import os
import random
import signal
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from itertools import product
from pathlib import Path
from typing import NamedTuple

import deviceless

codes = deviceless.load("lexi.codes")
rules = deviceless.load("lexi.recovery.policy")
ladder = deviceless.load("lexi.recovery.ladder")
booking = deviceless.load("lexi.recovery.booking")
Case = deviceless.load("lexi.recovery.case").Case
Budgets = deviceless.load("lexi.recovery.budget").Budgets
texts = deviceless.load("lexi.recovery.texts")

ROOT = Path(__file__).resolve().parents[1]

policies = deviceless.load("lexi.recovery.policies")
LADDERS = {name: getattr(policies, name) for name in ("DEFAULT", "VERIZON", "GENTLE")}
NAIVE = ("RETRY60", "REBOOT")
POLICIES = (*LADDERS, *NAIVE)
OUTAGE = "outage"
POWER_CUT = "power cut"
SCENARIOS = (OUTAGE, POWER_CUT)

SERVER = 721
# attempts of a sequence, and the first hold between them: it doubles
TUNINGS = {"u-blox-721": (4, 30), "oma": (5, 60)}

PENDING = ("restart", "ignore")

DATAGRAMS = 4  # of a registration: ClientHello twice, Finished, the request itself
TRANSMISSIONS = 5  # of each
LIFETIMES_S = (1800, 3600, 7200, 21600, 43200, 86400)
UPDATE_MARGIN_S = 93
BOOT_S = (6, 15)
ATTACH_MIN_S = 5
ATTACH_MEAN_S = 60
POOR_ATTACH_MEAN_S = 3600
POOR_SHARE = 0.02

RETRY_S = 60
GIVE_UP_S = 300

HOUR_S = 3600
DAY_S = 86400
LATER = rules.LATER
OUTAGE_AT_S = DAY_S  # the nodes have run for a day before
LIMIT_S = 14 * DAY_S  # a node that is not back then counts as lost
LIMITED_S = 12 * HOUR_S  # the same for the limited server
STUCK = 50  # decisions in one second

CHUNK = 1000  # nodes simulated as one job
LIMITED_WORK = 30  # times as much for a node at the limited server, roughly
SHARES = (0.5, 0.95, 0.999)
SIGMAS = 3  # that a count may be off by chance
SCALES = (1_000_000, 10_000_000)
PER_NODES = 100_000  # what a capacity refers to
NODES = 100_000
LIMITED_NODES = 2_500
QUICK_NODES = 2_000
WIDTH = 116  # of the tables
MAX_NODES = 10_000_000
CAPACITIES = (25, 50)
APART = 1 << 32  # numbers of the nodes in the fleet that checks the scaling


class Setting(NamedTuple):
    """What all nodes of a run have in common."""

    scenario: str
    policy: str
    seed: int = 1
    tuning: str = "u-blox-721"
    outage_s: int = HOUR_S
    pending: str = "restart"

    @property
    def down_s(self):
        """When the server falls silent."""
        return OUTAGE_AT_S if self.scenario == OUTAGE else 0

    @property
    def up_s(self):
        """When the server answers again; times until nodes are back count from here."""
        return OUTAGE_AT_S + self.outage_s if self.scenario == OUTAGE else 0


class Server:
    """Answers datagrams, or does not. capacity: datagrams per second, None without a limit."""

    def __init__(self, setting, capacity=None):
        self.down_s = setting.down_s
        self.up_s = setting.up_s
        self.capacity = capacity
        self.missing = 0  # nodes that are not registered
        self.accepted = Counter()  # registrations by second
        self.offered = Counter()  # datagrams by second

    def answers(self, now_s):
        if self.down_s <= now_s < self.up_s:
            return False
        if self.capacity is None:
            return True
        offered = self.offered[now_s] + 1
        self.offered[now_s] = offered
        # Whole datagrams, with the capacity as their mean.
        share = int((now_s + 1) * self.capacity) - int(now_s * self.capacity)
        return offered <= share


class Module:
    """A module with its client, seen from its status codes. host: who is told of them.

    next_s: when it will do something by itself. lost: it should be registered and is not.
    """

    def __init__(self, setting, server, rng, lifetime_s, attach_mean_s):
        self.host = None
        self._restarts = setting.pending == "restart"
        self._server = server
        self._rng = rng
        self._attempts, self._hold_s = TUNINGS[setting.tuning]
        self._interval_s = lifetime_s - UPDATE_MARGIN_S
        self._attach_mean_s = attach_mean_s
        self.code = 0
        self.up = False
        self.attached = False
        self.paused = False
        self.lost = False
        self.next_s = LATER
        self._then = None
        self._due_s = 0
        self._attempt = 0
        self._datagrams = 0  # that are still to be answered in this exchange
        self._since_s = 0
        self._unit_s = 0
        self._sent = 0
        self.affected = False
        self.back_s = None
        self.attempts = 0
        self.resets = 0

    # What the host does

    def power_up(self, now_s):
        self._lose()
        self._boot(now_s)

    def reset(self, now_s):
        """AT+CFUN=16, or a pin."""
        self.resets += 1
        self._boot(now_s)

    def register(self, now_s):
        """AT+ULWM2MREG=<server>"""
        if self.attached and not self.paused and (self._restarts or self.code != 2):
            self._start(now_s)

    def pause(self):
        """AT+ULWM2M=3"""
        self.paused = True
        self._at(LATER, None)

    def resume(self, now_s):
        """AT+ULWM2M=0"""
        self.paused = False
        if self.attached:
            self._at(now_s + 1, self._start)

    def radio_off(self, now_s):
        """AT+CFUN=0"""
        self.attached = False
        self._at(LATER, None)
        self.host.network(now_s, False)

    def radio_on(self, now_s):
        """AT+CFUN=1"""
        self._search(now_s)

    def settle(self, now_s, due_s):
        """Be registered since now_s, with the next update at due_s."""
        self.code = 3
        self.up = self.attached = True
        self._due_s = due_s
        self._at(due_s, self._update)
        self.host.settled(now_s)

    # What it does by itself

    def run(self, now_s):
        self._then(now_s)

    def timer_s(self, now_s):
        """Seconds to the next update."""
        return max(0, self._due_s - now_s)

    def _at(self, at_s, then):
        self.next_s = at_s
        self._then = then

    def _set(self, code, now_s):
        if code != self.code:
            self.code = code
            self.host.status(now_s, code)

    def _boot(self, now_s):
        self.code = 0
        self.up = self.attached = self.paused = False
        self._at(now_s + self._rng.randint(*BOOT_S), self._booted)

    def _booted(self, now_s):
        self.up = True
        self._search(now_s)
        self.host.booted(now_s)

    def _search(self, now_s):
        attach_s = ATTACH_MIN_S + self._rng.expovariate(1 / self._attach_mean_s)
        self._at(now_s + int(attach_s), self._attach)

    def _attach(self, now_s):
        self.attached = True
        self._at(now_s + 1, self._start)
        self.host.network(now_s, True)

    def _start(self, now_s):
        self._attempt = 0
        self._register(now_s)

    def _register(self, now_s):
        self.attempts += 1
        self._set(2, now_s)
        self._exchange(now_s, DATAGRAMS)

    def _update(self, now_s):
        self._set(5, now_s)
        self._exchange(now_s, 1)

    def _exchange(self, now_s, datagrams):
        self._datagrams = datagrams
        self._unit_s = self._rng.uniform(2, 3)
        self._first(now_s)

    def _first(self, now_s):
        self._since_s = now_s
        self._sent = 0
        self._send(now_s)

    def _send(self, now_s):
        if self._sent == TRANSMISSIONS:
            self._given_up(now_s)
            return
        self._sent += 1
        if not self._server.answers(now_s):
            wait_s = self._unit_s * (2**self._sent - 1)
            self._at(self._since_s + int(wait_s), self._send)
            return
        self._datagrams -= 1
        if self._datagrams:
            self._at(now_s + 1, self._first)
        else:
            self._answered(now_s)

    def _answered(self, now_s):
        if self.lost:
            self.lost = False
            self.back_s = now_s
            self._server.missing -= 1
            self._server.accepted[now_s] += 1
        self._due_s = now_s + self._interval_s
        self._at(self._due_s, self._update)
        self._set(3, now_s)
        self.host.timer(now_s, self._interval_s)

    def _given_up(self, now_s):
        self._attempt += 1
        self._at(LATER, None)
        if self.code == 5:
            self._lose()
            self._set(4, now_s)
        elif self._attempt == self._attempts:
            self._set(4, now_s)
        else:
            hold_s = self._hold_s * 2 ** (self._attempt - 1)
            self._at(now_s + hold_s, self._register)
            self._set(1, now_s)

    def _lose(self):
        self.lost = self.affected = True
        self.back_s = None
        self._server.missing += 1


class RetryHost:
    """AT+ULWM2MREG every 60 s while not registered."""

    period_s = RETRY_S

    def __init__(self, module):
        self.module = module
        self.next_s = LATER

    def power_up(self, now_s):
        self.next_s = now_s + self.period_s

    def settled(self, now_s):
        pass

    def booted(self, now_s):
        pass

    def network(self, now_s, attached):
        pass

    def timer(self, now_s, timer_s):
        pass

    def status(self, now_s, code):
        if code == 3:
            self.next_s = LATER
        elif code == 4 and self.next_s == LATER:
            self.next_s = now_s

    def wake(self, now_s):
        self.module.register(now_s)
        self.next_s = now_s + self.period_s


class RebootHost(RetryHost):
    """AT+CFUN=16 when the module gives up, or is not registered after 300 s."""

    period_s = GIVE_UP_S

    def status(self, now_s, code):
        if code == 3:
            self.next_s = LATER
        elif code == 4:
            self.next_s = now_s

    def wake(self, now_s):
        self.module.reset(now_s)
        self.next_s = now_s + self.period_s


class LadderHost:
    """The library's ladder. Carries out its actions as supervisor.py does."""

    def __init__(self, module, policy, rng):
        self.module = module
        self.next_s = LATER
        self.taken = []  # (time, action) of all that was done to the module
        budgets = Budgets(policy)
        self.case = Case(policy, budgets, rng.randrange, 0)
        self.case.watch((SERVER,))
        self.view = self.case.view
        self.view.pins = rules.HAS_RESET

    def power_up(self, now_s):
        self.next_s = now_s

    def settled(self, now_s):
        self.view.reachable = True
        self._diagnose(now_s)
        self.next_s = now_s

    def booted(self, now_s):
        self.view.reachable = True
        self.case.restarted(now_s)
        self.next_s = now_s

    def network(self, now_s, attached):
        self.view.attached = attached
        self.next_s = now_s

    def status(self, now_s, code):
        self.case.see(now_s, SERVER, code)
        self.next_s = now_s

    def timer(self, now_s, timer_s):
        self.case.server(SERVER).timer(now_s, timer_s)
        self.next_s = now_s

    def wake(self, now_s):
        for _ in range(STUCK):
            decision = ladder.decide(self.case, now_s)
            action = decision.action
            if action == rules.NONE:
                self.next_s = max(self.case.wake_s, now_s + 1)
                return
            booking.take(self.case, decision, now_s)
            if action == rules.POLL:
                self._poll(now_s)
            elif action == rules.DIAGNOSE:
                self._diagnose(now_s)
            elif action != rules.PARK:
                self.taken.append((now_s, action))
                self._carry_out(now_s, action)
                booking.done(self.case, decision, now_s)
        name = texts.ACTIONS[action]
        raise RuntimeError(f"the ladder wants to {name} without end at {now_s} s")

    def _poll(self, now_s):
        module = self.module
        self.case.see(now_s, SERVER, module.code)
        if module.code in codes.REGISTERED:
            self.case.server(SERVER).timer(now_s, module.timer_s(now_s))
        self.view.polls += 1

    def _diagnose(self, now_s):
        view = self.view
        view.sim = rules.SIM_READY
        view.radio_on = True
        view.mode = codes.MODE_ENABLED
        view.attached = self.module.attached
        self._poll(now_s)
        view.diagnosed_s = now_s

    def _carry_out(self, now_s, action):
        module = self.module
        if action == rules.REGISTER:
            module.register(now_s)
        elif action == rules.PAUSE:
            module.pause()
        elif action == rules.RESUME:
            module.resume(now_s)
        elif action == rules.RADIO_OFF:
            module.radio_off(now_s)
        elif action == rules.RADIO_ON:
            module.radio_on(now_s)
        elif action in (rules.SOFT_RESET, rules.PIN_RESET):
            self.view.reachable = self.view.attached = None  # not asked while it starts
            module.reset(now_s)
        else:
            raise RuntimeError(f"the ladder wants to {texts.ACTIONS[action]} at {now_s} s")


class Node:
    """A host and its module. number: gives it its own random numbers, in any process."""

    def __init__(self, setting, server, number):
        rng = random.Random(f"{setting.seed} {setting.scenario} {number}")
        # Drawn first: the same for all policies.
        lifetime_s = rng.choice(LIFETIMES_S)
        poor = rng.random() < POOR_SHARE
        phase = rng.random()
        attach_mean_s = POOR_ATTACH_MEAN_S if poor else ATTACH_MEAN_S
        self.module = Module(setting, server, rng, lifetime_s, attach_mean_s)
        interval_s = lifetime_s - UPDATE_MARGIN_S
        # The first update after the beginning of the outage.
        self.due_s = setting.down_s + int(phase * interval_s)
        self._settled_s = self.due_s - interval_s
        self._setting = setting
        self._rng = rng
        self.host = None

    def start(self):
        module = self.module
        policy = self._setting.policy
        if policy in LADDERS:
            self.host = LadderHost(module, LADDERS[policy], self._rng)
        else:
            self.host = (RetryHost if policy == "RETRY60" else RebootHost)(module)
        module.host = self.host
        if self._setting.scenario == OUTAGE:
            module.settle(self._settled_s, self.due_s)
        else:
            self.host.power_up(0)
            module.power_up(0)

    @property
    def next_s(self):
        return min(self.module.next_s, self.host.next_s)

    def advance(self, now_s):
        if self.module.next_s <= now_s:
            self.module.run(now_s)
        if self.host.next_s <= now_s:
            self.host.wake(now_s)


class Outcome:
    """Sums over nodes; of any two parts of a fleet, in any order, they can be added.

    affected: nodes that lost their registration; the rest is about them. back: how many were
    back for good at which second behind Setting.up_s.
    """

    def __init__(self):
        self.affected = 0
        self.back = Counter()
        self.attempts = self.max_attempts = 0
        self.resets = self.max_resets = 0
        self.load = Counter()  # accepted registrations by second behind up_s
        self.offered_peak = 0  # datagrams in the busiest second

    def count(self, module, up_s):
        if module.affected:
            self.affected += 1
            if module.back_s is not None:
                self.back[module.back_s - up_s] += 1
            self.attempts += module.attempts
            self.max_attempts = max(self.max_attempts, module.attempts)
            self.resets += module.resets
            self.max_resets = max(self.max_resets, module.resets)

    def finish(self, server):
        for at_s, n in server.accepted.items():
            self.load[at_s - server.up_s] += n
        self.offered_peak = max(server.offered.values(), default=0)

    def add(self, other):
        self.affected += other.affected
        self.back.update(other.back)
        self.attempts += other.attempts
        self.max_attempts = max(self.max_attempts, other.max_attempts)
        self.resets += other.resets
        self.max_resets = max(self.max_resets, other.max_resets)
        self.load.update(other.load)
        self.offered_peak = max(self.offered_peak, other.offered_peak)

    def peak(self, bin_s=1):
        bins = Counter()
        for at_s, n in self.load.items():
            bins[at_s // bin_s] += n
        return max(bins.values(), default=0)

    def back_after_s(self, share):
        """Seconds until this share of the affected nodes is back; None if it never is."""
        needed = math.ceil(share * self.affected)
        for at_s in sorted(self.back):
            needed -= self.back[at_s]
            if needed <= 0:
                return max(0, at_s)
        return None if self.affected else 0


def run_nodes(setting, first, count):
    """The unlimited server: these nodes, each from its start to its end. Returns Outcome."""
    outcome = Outcome()
    server = Server(setting)
    for number in range(first, first + count):
        node = Node(setting, server, number)
        if setting.scenario == POWER_CUT or node.due_s < server.up_s:
            run_alone(node, server)
            outcome.count(node.module, server.up_s)
    outcome.finish(server)
    return outcome


def run_alone(node, server):
    """Run a node until it is registered and the server is well."""
    node.start()
    now_s = node.next_s
    while now_s < server.up_s + LIMIT_S:
        node.advance(now_s)
        if now_s >= server.up_s and not node.module.lost and node.module.code == 3:
            return
        now_s = node.next_s


def run_limited(setting, count, capacity):
    """The limited server: all nodes together, in the order of their events. Returns Outcome.

    capacity: datagrams per second. Who comes first in a second is random.
    """
    outcome = Outcome()
    server = Server(setting, capacity)
    rng = random.Random(f"{setting.seed} order")
    nodes = [Node(setting, server, number) for number in range(count)]
    events = []
    for node in nodes:
        node.start()
        events.append((node.next_s, rng.random(), len(events)))
    heapq.heapify(events)
    now_s = 0
    while now_s < server.up_s + LIMITED_S:
        now_s, _, number = events[0]
        if now_s > server.up_s + TRANSMISSIONS * 32 and not server.missing:
            break
        node = nodes[number]
        node.advance(now_s)
        heapq.heapreplace(events, (node.next_s, rng.random(), number))
    for node in nodes:
        outcome.count(node.module, server.up_s)
    outcome.finish(server)
    return outcome


class Results(NamedTuple):
    """Outcomes: by (scenario, policy), and limited by (capacity, scenario, policy)."""

    full: dict
    small: dict  # a tenth of the nodes, and others: they check the scaling
    limited: dict


def simulate(options, progress):
    """Run all there is to run over the cores. progress(work): so much of it is done."""
    results = Results({}, {}, {})
    long_jobs = []
    jobs = []
    for scenario in SCENARIOS:
        for policy in options.policy:
            setting = Setting(
                scenario,
                policy,
                options.seed,
                options.tuning,
                options.outage_s,
                options.pending,
            )
            for capacity in options.capacity:
                key = (capacity, scenario, policy)
                datagrams = capacity * DATAGRAMS * options.limited_nodes / PER_NODES
                args = (setting, options.limited_nodes, datagrams)
                work = options.limited_nodes * LIMITED_WORK
                long_jobs.append((results.limited, key, work, run_limited, args))
            for group, begin, nodes in (
                (results.full, 0, options.nodes),
                (results.small, APART, options.nodes // 10),
            ):
                for first in range(0, nodes, CHUNK):
                    count = min(CHUNK, nodes - first)
                    args = (setting, begin + first, count)
                    jobs.append((group, (scenario, policy), count, run_nodes, args))
    with ProcessPoolExecutor(
        options.processes, multiprocessing.get_context("spawn"), initializer=die_in_silence
    ) as pool:
        futures = {pool.submit(run, *args): job for *job, run, args in long_jobs + jobs}
        try:
            for future in as_completed(futures):
                group, key, work = futures[future]
                group.setdefault(key, Outcome()).add(future.result())
                progress(work)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
    return results


def die_in_silence():
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def total_work(options):
    nodes = options.nodes + options.nodes // 10
    limited = options.limited_nodes * LIMITED_WORK * len(options.capacity)
    return len(SCENARIOS) * len(options.policy) * (nodes + limited)


def scaled(peak, factor):
    """(lowest, highest) peak of a fleet `factor` times as large: linear, and Poisson."""
    luck = SIGMAS * math.sqrt(peak)
    return max(0, peak - luck) * factor, (peak + luck) * factor


# What is printed


def duration(seconds, limit_s):
    if seconds is None:
        return f"> {limit_s // HOUR_S} h"
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds / 60:.1f} min" if seconds < 2 * HOUR_S else f"{seconds / HOUR_S:.1f} h"


def number(value):
    """Three figures are as much as a prediction is good for."""
    digits = max(0, len(str(int(value))) - 3)
    return f"{round(value, -digits):,.0f}".replace(",", " ")


def interval(lowest, highest):
    return f"{number(lowest)}..{number(highest)}"


def mean(total, outcome):
    return f"{total / outcome.affected:.2f}" if outcome.affected else "-"


def new_table(title, *columns):
    from rich import box
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for i, column in enumerate(columns):
        table.add_column(column, justify="right" if i else "left", no_wrap=True)
    return table


SHARE_NAMES = [f"{100 * share:g} % back" for share in SHARES]


def unlimited_table(options, results, scenario):
    affected = results.full[scenario, options.policy[0]].affected
    since = "the end of the outage" if scenario == OUTAGE else "power-up"
    table = new_table(
        f"{scenario}, unlimited server: {affected} of {options.nodes} nodes lose their "
        f"registration; times since {since}",
        "policy",
        "peak/s",
        "peak/min",
        *SHARE_NAMES,
        "attempts",
        "max",
        "resets",
        "max",
    )
    for policy in options.policy:
        outcome = results.full[scenario, policy]
        table.add_row(
            policy,
            str(outcome.peak()),
            str(outcome.peak(60)),
            *(duration(outcome.back_after_s(share), LIMIT_S) for share in SHARES),
            mean(outcome.attempts, outcome),
            str(outcome.max_attempts),
            mean(outcome.resets, outcome),
            str(outcome.max_resets),
        )
    return table


def limited_table(options, results, scenario, capacity):
    total = options.limited_nodes
    table = new_table(
        f"{scenario}, limited server: {capacity} registrations/s for {PER_NODES} nodes, simulated "
        f"with {total} nodes",
        "policy",
        "lost",
        "overload",
        *SHARE_NAMES,
        f"in {LIMITED_S // HOUR_S} h",
        "attempts",
        "resets",
    )
    datagrams = capacity * DATAGRAMS * total / PER_NODES
    for policy in options.policy:
        outcome = results.limited[capacity, scenario, policy]
        back = sum(outcome.back.values())
        table.add_row(
            policy,
            str(outcome.affected),
            f"{outcome.offered_peak / datagrams:.0f} x",
            *(duration(outcome.back_after_s(share), LIMITED_S) for share in SHARES),
            f"{100 * back / outcome.affected:.1f} %" if outcome.affected else "-",
            mean(outcome.attempts, outcome),
            mean(outcome.resets, outcome),
        )
    return table


def scaling_table(options, results):
    small_nodes = options.nodes // 10
    growth = options.nodes / small_nodes
    table = new_table(
        f"scaling: {small_nodes} other nodes, that times {growth:.0f}, and {options.nodes} nodes",
        "scenario, policy",
        *("peak/s", f"x {growth:.0f}", "measured", "ratio"),
        *("peak/min", f"x {growth:.0f}", "measured", "ratio"),
    )
    for key in product(SCENARIOS, options.policy):
        full = results.full[key]
        cells = []
        for bin_s in (1, 60):
            small = results.small[key].peak(bin_s)
            measured = full.peak(bin_s)
            ratio = f"{measured / small:.1f}" if small else "-"
            cells += [str(small), interval(*scaled(small, growth)), str(measured), ratio]
        table.add_row(", ".join(key), *cells)
    return table


def prediction_table(options, results):
    heads = [f"{what}, {number(nodes)}" for nodes in SCALES for what in ("peak/s", "peak/min")]
    table = new_table("predicted for larger fleets, unlimited server", "scenario, policy", *heads)
    for key in product(SCENARIOS, options.policy):
        peaks = [
            interval(*scaled(results.full[key].peak(bin_s), nodes / options.nodes))
            for nodes in SCALES
            for bin_s in (1, 60)
        ]
        table.add_row(", ".join(key), *peaks)
    return table


NOTES = """\
Back, attempts, resets: of the nodes that lost their registration. Attempts are registrations the
module began, by itself or told to; a node that notices nothing makes none. Resets are AT+CFUN=16
and pins. Peaks are registrations which the server accepts.

After a power cut modules register by themselves as soon as they are attached, no host is asked: a
policy cannot spread this, only what follows if it fails. The clocks of all RETRY60 hosts began in
the same second then, and still agree.
"""

LIMITED_NOTES = """\
Lost: nodes without registration at least once; if more than the outage explains, then others had
their update dropped by the overloaded server. Overload: datagrams in the busiest second, as a
multiple of what the server can answer. A registration that is given up halfway has used capacity
in vain: that is how hosts that hurry keep a server down. RETRY60 also depends on what AT+ULWM2MREG
does while a registration is pending; assumed here: {pending} (--pending). Nodes, capacity and load
are all in proportion. Whether the size of the fleet matters is not checked in this run: compare
--limited-nodes {others}.
"""

SCALING_NOTES = """\
How it was scaled: with an unlimited server nodes are independent. So all counts grow with the
number of nodes, a count of n is uncertain by {sigmas} times its root (Poisson), and times, attempts
and resets per node stay. If that is so, "measured" lies in the interval before it. With a limited
server it can hold only if its capacity grows with the fleet.
"""


def report(console, options, results):
    for scenario in SCENARIOS:
        console.print(unlimited_table(options, results, scenario))
    console.print(NOTES)
    for capacity in options.capacity:
        for scenario in SCENARIOS:
            console.print(limited_table(options, results, scenario, capacity))
    if options.capacity:
        others = 2 * options.limited_nodes
        console.print(LIMITED_NOTES.format(pending=options.pending, others=others))
    console.print(scaling_table(options, results))
    console.print(prediction_table(options, results))
    console.print(SCALING_NOTES.format(sigmas=SIGMAS))


def plot(options, results):
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    rows = 2 + len(options.capacity)
    figure, axes = plt.subplots(rows, 2, figsize=(12, 3.2 * rows), squeeze=False)
    for column, scenario in enumerate(SCENARIOS):
        since = "end of the outage" if scenario == OUTAGE else "power-up"
        top, *others = axes[:, column]
        top.set_title(f"{scenario}, {options.nodes} nodes, unlimited server")
        top.set_ylabel("registrations per minute")
        top.set_yscale("log")
        for policy in options.policy:
            load = results.full[scenario, policy].load
            minutes = Counter()
            for at_s, n in load.items():
                minutes[at_s // 60] += n
            last = max(minutes, default=0)
            x = range(last + 1)
            y = [minutes[minute] or math.nan for minute in x]
            x = [minute + 0.5 for minute in x]
            top.plot(x, y, label=policy, linewidth=1, marker=".", markersize=3)
        runs = [("unlimited server", lambda policy: results.full[scenario, policy])]
        for capacity in options.capacity:
            name = f"{capacity} registrations/s for {PER_NODES} nodes"
            runs.append((name, lambda policy, c=capacity: results.limited[c, scenario, policy]))
        for axis, (name, outcome) in zip(others, runs):
            axis.set_title(f"{scenario}, {name}")
            axis.set_ylabel("% back")
            axis.set_ylim(0, 102)
            for policy in options.policy:
                axis.plot(*curve(outcome(policy)), label=policy, linewidth=1)
        for axis in axes[:, column]:
            axis.set_xscale("log")
            axis.set_xlim(left=0.1)
            axis.grid(alpha=0.3)
            axis.set_xlabel(
                f"minutes since the {since}" if scenario == OUTAGE else f"minutes since {since}"
            )
        top.legend()
    figure.tight_layout()
    figure.savefig(options.out, format="png", dpi=100)
    plt.close(figure)


def curve(outcome):
    """Minutes and percentages of affected nodes that are back for good."""
    x = []
    y = []
    n = 0
    for at_s in sorted(outcome.back):
        n += outcome.back[at_s]
        x.append(max(at_s, 1) / 60)
        y.append(100 * n / outcome.affected)
    return x, y


# Arguments


def whole(lowest, highest):
    def parse(text):
        try:
            value = int(text)
        except ValueError:
            value = lowest - 1
        if not lowest <= value <= highest:
            raise argparse.ArgumentTypeError(f"{text!r}, expected {lowest}..{highest}")
        return value

    return parse


def capacities(text):
    if text == "none":
        return ()
    return tuple(dict.fromkeys(whole(1, 100_000)(part) for part in text.split(",")))


def png(text):
    path = Path(text)
    if path.suffix != ".png":
        raise argparse.ArgumentTypeError(f"{text!r}, expected a file name that ends in .png")
    return path


def cores():
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def parse_arguments(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--nodes",
        type=whole(100, MAX_NODES),
        metavar="N",
        help=f"nodes at the unlimited server (default {NODES})",
    )
    parser.add_argument(
        "--limited-nodes",
        type=whole(1000, PER_NODES),
        default=LIMITED_NODES,
        metavar="N",
        help=f"nodes at the limited server (default {LIMITED_NODES})",
    )
    parser.add_argument(
        "--capacity",
        type=capacities,
        metavar="C,C",
        help=f"registrations/s of the limited server for {PER_NODES} nodes, one run for each, or "
        f"none (default {','.join(map(str, CAPACITIES))})",
    )
    parser.add_argument(
        "--policy",
        action="append",
        choices=POLICIES,
        help="may be given several times (default: all)",
    )
    parser.add_argument(
        "--tuning",
        choices=tuple(TUNINGS),
        default="u-blox-721",
        help="how often the module tries by itself (default u-blox-721)",
    )
    parser.add_argument(
        "--pending",
        choices=PENDING,
        default=PENDING[0],
        help="what AT+ULWM2MREG does while a registration is pending (default restart)",
    )
    parser.add_argument(
        "--outage-s",
        type=whole(60, DAY_S),
        default=HOUR_S,
        metavar="S",
        help=f"length of the outage (default {HOUR_S})",
    )
    parser.add_argument(
        "--seed",
        type=whole(0, 2**32),
        default=1,
        metavar="N",
        help="the same seed gives the same numbers, whatever --processes (default 1)",
    )
    parser.add_argument(
        "--processes",
        type=whole(1, 256),
        default=cores(),
        metavar="N",
        help="processes (default: one for each core)",
    )
    parser.add_argument(
        "--out",
        type=png,
        default=ROOT / "build" / "fleet.png",
        metavar="FILE",
        help="the plot (default build/fleet.png of this tree)",
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help=f"{QUICK_NODES} nodes and no limited server, unless told otherwise",
    )
    options = parser.parse_args(arguments)
    if options.nodes is None:
        options.nodes = QUICK_NODES if options.quick else NODES
    if options.capacity is None:
        options.capacity = () if options.quick else CAPACITIES
    chosen = options.policy or POLICIES
    options.policy = [policy for policy in POLICIES if policy in chosen]
    try:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.open("ab").close()
    except OSError as error:
        parser.error(f"argument --out: {error}")
    return options


def main():
    options = parse_arguments()
    from rich.console import Console
    from rich.progress import Progress

    console = Console(highlight=False, width=max(WIDTH, Console().width))
    started_s = time.monotonic()
    with Progress(console=console) as progress:
        task = progress.add_task("simulating", total=total_work(options))
        results = simulate(options, lambda work: progress.advance(task, work))
    took_s = time.monotonic() - started_s
    report(console, options, results)
    plot(options, results)
    console.print(
        f"{options.nodes} nodes, {len(options.policy)} policies, {len(SCENARIOS)} scenarios, "
        f"seed {options.seed}, {options.tuning}: {took_s:.0f} s in {options.processes} processes.\n"
        f"Module, network and server are models; the ladder is the library's. Plot: {options.out}",
        soft_wrap=True,
    )


if __name__ == "__main__":
    try:
        main()
    except RuntimeError as error:
        sys.exit(f"fleet: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
