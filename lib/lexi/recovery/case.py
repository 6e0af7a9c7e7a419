# Everything that a decision about one module is made of: the time, what is believed of its
# servers, what is known of the module (View), what was spent (budget.Budgets), and since when
# things are as they are. No I/O, no clock and no random source of its own.
#
# What is heard of a server goes to its ServerState; a status code that may mean more (a bootstrap,
# a server that is not followed) through see(). ladder.py decides by it; booking.py books what was
# decided.

from array import array
from micropython import const

from atport.lazy import tidy

from ..codes import NO_CODE, REGISTERED
from .policy import (
    LATER,
    MARK_REBOOT,
    NEVER,
    SIM_FAILED,
    STEP_PINS,
    STEP_RADIO,
    WAITS_S,
    WELL,
    WINDOW_S,
    check_policy,
)
from .polls import Polls
from .server_state import ServerState
from .view import View

DENIED_TRIES = const(0)  # Budgets.tries: soft resets while the network or the SIM refuses

_BOOTSTRAP = const(0)  # stands for whatever server a bootstrap is told of
_FIRST_BOOTSTRAP = const(10)
_BOOTSTRAP_DONE = const(14)
_CLIENT_BOOTSTRAP = const(1)
_ALIVE = (1, 2, 3, 5)  # codes that a client whose initialization failed does not have
_OTHERS = const(16)
_STARTS = const(10)  # of the MCU without an answer: the port is dead
CHANCES = const(1000)


class Others:
    """Servers that are not followed: which of them were said to be registered, and when."""

    def __init__(self):
        self._ids = array("H", bytes(2 * _OTHERS))
        self._at_s = array("i", [NEVER] * _OTHERS)

    def see(self, at_s, server):
        # The server is registered, or (NEVER) it is not.
        place = 0
        for i in range(_OTHERS):
            if self._ids[i] == server:
                place = i
                break
            if self._at_s[i] == NEVER:
                place = i
        self._ids[place] = server
        self._at_s[place] = at_s

    def forget(self):
        # None is registered any more.
        for i in range(_OTHERS):
            self._at_s[i] = NEVER

    def up(self, since_s):
        # Whether one was said to be registered after that time.
        for at_s in self._at_s:
            if at_s > since_s:
                return True
        return False


class Case:
    """One module. view is to be kept true by the caller.

    policy: a table of policy.py. budgets: budget.Budgets. random(n): a whole number 0..n-1.
    now_s: the time at which the MCU started. Raises ValueError for a policy that is not sound.
    """

    def __init__(self, policy, budgets, random, now_s=0):
        check_policy(policy)
        if not callable(random):
            raise ValueError("random: %r, expected a function" % (random,))
        self.policy = policy
        self.steps = policy["steps"]
        self.budgets = budgets
        self.random = random
        self.view = View()
        self.now_s = now_s
        self.wake_s = now_s  # when to decide again at the latest; found by each decision
        self.servers = []  # ServerState of each that is followed
        self.others = Others()
        self.bootstrap = ServerState(_BOOTSTRAP, policy, now_s)
        self.near = self.bootstrap  # the one seen last: most often the next one too
        # No bootstrap and no initialization is told of: a code may go to its ServerState directly.
        self.usual = True
        self.reports = None  # reports.Reports, if clients on the MCU are followed
        self.rules = None  # in place of ladder.RULES
        # The module's start, if it was seen: no verdict before boot_end_s. While the MCU has not
        # run for long either, nodes may have had their power back together: each then waits for a
        # time of its own, with its verdicts and (hold_s) with its first radio action.
        self.boot_end_s = now_s
        self.hold_s = now_s
        self._start_end_s = now_s + policy["boot_window_s"]
        self._boot_spread_s = random(policy["start_spread_s"] + 1)
        self._hold_spread_s = random(policy["start_spread_s"] + 1)
        self.switched_on = False  # a pulse on PWR_ON was tried since the MCU started
        self._looked = False  # a diagnosis was made since then
        if budgets.starts > _STARTS:
            self.view.reachable = False
        self.detached_s = NEVER  # since when there is no network
        self.denied_s = NEVER  # since when the network or the SIM refuses
        self.up_s = NEVER  # when a server was registered last
        self.well_s = NEVER  # the same, or reports arrived
        self.polls = Polls(policy)
        # The last diagnosis that was decided, and the client event that it looked into.
        self.diagnosed_s = NEVER
        self.client_seen_s = NEVER
        # No end of a half-done step before: the last try was refused, and by how much.
        self.ending_s = NEVER
        self.ending_gap_s = 0
        self.draw()
        self.parked = WELL  # for what it was told that only the slow rhythm is left
        self.forced = 0  # the step that the application asked for, and its server
        self.forced_server = 0
        # Trouble that a restart of the MCU finds is as old as the record says.
        step, at_s = budgets.last_step()
        self._found_s = budgets.down_s
        if step:
            self._found_s = max(budgets.down_s, at_s + self.steps[step][WINDOW_S])
        self._found_net_s = self._found_s  # the same, until there was a network or a server

    # What is asked and seen

    def watch(self, servers):
        # Follow these servers (short IDs) from now on; what is known of them stays.
        states = []
        for server in servers:
            state = self.server(server)
            if state is None:
                state = ServerState(server, self.policy, self.now_s, self._found_s)
                state.booted(
                    self.bootstrap.boot_s, self.bootstrap.quiet_s, self.bootstrap.spread_s
                )
                self.others.see(NEVER, server)
            states.append(state)
        self.servers = states
        self.near = self.bootstrap

    def force(self, step, server=0):
        # Take one step of policy.py at the next decision, without its waits; 0: none. Caps, a
        # firmware update and a dead port still hold it back.
        self.forced = step
        self.forced_server = server

    def server(self, server):
        # The ServerState of a server, or None.
        if self.near.id == server:
            return self.near
        for state in self.servers:
            if state.id == server:
                self.near = state
                return state
        return None

    def registered(self, server):
        # The verdict for the application; does not follow an impossible code before a poll.
        state = self.server(server)
        return state is not None and state.registered

    def see(self, now_s, server, code):
        # Take a status code, from a URC or a poll; return whether anything follows from it.
        state = self.near
        if state.id != server:
            state = self.server(server)
        bootstrap = self.bootstrap
        if self.view.init is not None and code in _ALIVE:
            self.view.init = None  # whatever failed, it did not
        if state is None or state is bootstrap:
            if code < _FIRST_BOOTSTRAP or code == NO_CODE:
                self.others.see(now_s if code in REGISTERED else NEVER, server)
                return True
            state = bootstrap
            self.usual = False
        if bootstrap.code != NO_CODE and code != state.code:
            if code < _FIRST_BOOTSTRAP or code == _BOOTSTRAP_DONE:
                bootstrap.status(now_s, NO_CODE)
        if state is bootstrap and code == _BOOTSTRAP_DONE:
            return True
        return state.status(now_s, code)

    def see_client(self, now_s, status):  # event 4
        self.view.client = status
        self.view.client_s = now_s

    def see_init(self, now_s, status):  # event 5
        self.view.init = status
        self.view.init_s = now_s
        self.usual = False

    def booted(self, now_s):
        # The module has just started, and nothing is known of it yet: see boot_end_s.
        spread_s = 0
        if now_s < self._start_end_s:
            spread_s = self._boot_spread_s
            self.hold_s = max(self.hold_s, now_s + self._hold_spread_s)
        self.boot_end_s = now_s + self.policy["boot_window_s"]
        self.bootstrap.booted(now_s, self.boot_end_s, spread_s)
        for state in self.servers:
            state.booted(now_s, self.boot_end_s, spread_s)

    def restarted(self, now_s):
        # The module restarted: nothing that was known of it holds any more.
        if now_s < self.budgets.thaw_s():
            self.budgets.fota_first_s = now_s
        view = self.view
        view.diagnosed_s = NEVER
        view.init = view.client = None
        self.bootstrap.restarted(now_s)
        for state in self.servers:
            state.restarted(now_s)
        self.booted(now_s)
        self.others.forget()
        self.polls.unanswered_s = NEVER
        if self.budgets.mark == MARK_REBOOT:
            self.budgets.set_mark(0, now_s)

    # What follows as time passes

    def follow(self, now_s):
        # Let time pass to now_s: clocks and beliefs that change by themselves.
        self.now_s = now_s
        self.wake_s = LATER
        view = self.view
        if self.polls.answered(view, now_s):
            for state in self.servers:
                state.polled(self.polls.answered_s)
            self.bootstrap.polled(self.polls.answered_s)
        self._follow_port()
        self._follow_network()
        self.usual = view.init is None and self.bootstrap.code == NO_CODE
        dead_end_s = LATER
        if view.client == _CLIENT_BOOTSTRAP and self.bootstrap.code == NO_CODE:
            dead_end_s = view.client_s + self.policy["init_s"]
        up = False
        proved_s = NEVER
        for state in self.servers:
            state.dead_end_s = dead_end_s
            if state.lost_s != NEVER:
                self._held(state, state.lost_s)
                state.lost_s = NEVER
            if state.registered:
                up = True
                self._held(state, now_s)
                self.wake(state.expire(now_s))
                proved_s = max(proved_s, state.proof_s, state.polled_s)
        self._follow_success(up, proved_s)

    def _follow_success(self, up, proved_s):
        if up:
            self.up_s = self.now_s
        if self.reports is not None and self.reports.follow(self):
            up = True
            proved_s = max(proved_s, self.reports.proved_s)
        if up:
            self.well_s = self.now_s
            self._found_net_s = NEVER
            self.budgets.recovered(proved_s)
        if not self._looked and self.view.diagnosed_s != NEVER:
            self._looked = True
            if not up and self.budgets.down_s == NEVER:
                self.budgets.down_s = self.now_s
                self.budgets.soon = True

    def wake(self, at_s):  # decide again then at the latest
        if at_s < self.wake_s:
            self.wake_s = at_s

    def _follow_port(self):
        reachable = self.view.reachable
        if reachable:
            self.budgets.answered()
        elif reachable is False:
            # Before the first look nothing is known but what the record says.
            well = not self._looked or self.well_s >= self.now_s - self.policy["well_s"]
            self.budgets.died(self.now_s, well)

    def _follow_network(self):
        view = self.view
        now_s = self.now_s
        since_s = now_s if self._found_net_s == NEVER else min(now_s, self._found_net_s)
        if view.attached is False and self.detached_s == NEVER:
            self.detached_s = since_s
        elif view.attached and self.detached_s != NEVER:
            gap_s = now_s - max(0, self.detached_s)
            self.detached_s = NEVER
            # Nodes that had their network back together do not act as one.
            spread_s = self.random(self.policy["start_spread_s"] + 1)
            self.hold_s = max(self.hold_s, now_s + spread_s)
            for state in self.servers:
                state.shift(now_s, gap_s)
        if view.denied or view.sim == SIM_FAILED:
            if self.denied_s == NEVER:
                self.denied_s = since_s
        elif view.attached:
            self._found_net_s = NEVER
            if self.denied_s != NEVER:
                self.denied_s = NEVER
                self.budgets.clear(DENIED_TRIES)

    def _held(self, state, now_s):
        # An episode is over when the registration has held long enough.
        if self.budgets.in_episode(state.id):
            end_s = state.good_s + self.policy["hold_s" if state.updated else "lifetime_s"]
            if now_s < end_s:
                self.wake(end_s)
            else:
                self.budgets.end_episode(state.id)

    def draw(self):
        # Draw by how much waits are longer from now on: once for each step.
        self.chance = self.random(CHANCES + 1)


tidy(__file__)
