# The ladder: what to do next about lost registrations. A pure decision machine: no I/O, no clock,
# no random source of its own.
#
# Events go in through see(), see_timer() and see_closed() of server_state.py; what else is known of
# the module is a View; what was already spent is budget.Budgets. decide() then says what to do now,
# or what waits until when and why. What it decides by are the tables of policy.py.
#
# All times are seconds of one monotonic clock. Nothing here allocates while all is well.

from array import array
from micropython import const

from .. import codes
from ..codes import FAILED as _FAILED
from ..codes import GOOD as _GOOD
from ..codes import NO_CODE as _NO_CODE
from ..codes import REGISTERED as _REGISTERED
from .policy import (
    CALL,
    CAP_S,
    PARKED_AS,
    RESTART,
    SPACING_S,
    STEP_PARKED_REGISTER,
    STEP_PARKED_RESET,
    STEP_PAUSE,
    STEP_PINS,
    STEP_RADIO,
    STEP_REGISTER,
    STEP_RESET,
    TRIES,
    WAITS_S,
    WATCH,
    WINDOW_S,
    check_policy,
)
from .server_state import Beliefs, Track

NEVER = const(-0x20000000)  # a time before all others, and one behind them
LATER = const(0x3FFFFFFF)

# Actions; texts.py has their names.
NONE = const(0)
POLL = const(1)  # AT+ULWM2MREG?
DIAGNOSE = const(2)  # read SIM, radio, network, activation, configuration, registration
REGISTER = const(3)  # AT+ULWM2MREG=<server>
PAUSE = const(4)  # AT+ULWM2M=3
RESUME = const(5)  # AT+ULWM2M=0
RADIO_OFF = const(6)  # AT+CFUN=0
RADIO_ON = const(7)  # AT+CFUN=1
SOFT_RESET = const(8)  # AT+CFUN=16
PIN_RESET = const(9)
POWER_CYCLE = const(10)
ENABLE_SERVER = const(11)  # AT+ULWM2MCONFIG=: the server's row, with 0 in its last field
PARK = const(12)  # tell that nothing but the slow rhythm is left, or nothing at all

_OF_STEP = (
    NONE,
    REGISTER,
    PAUSE,
    RADIO_OFF,
    SOFT_RESET,
    PIN_RESET,
    REGISTER,
    SOFT_RESET,
)

# Reasons: why something is to be done, and what it is held by until then.
WELL = const(0)
BOOT = const(1)
MODULE_TRIES = const(2)
GAVE_UP = const(3)
STUCK = const(4)
OWN_RETRY = const(5)
OVERDUE = const(6)
DEAD_END = const(7)
ILLEGAL = const(8)
UNKNOWN_CODE = const(9)
FROZEN = const(10)
CLOSED = const(11)
UNSEEN = const(12)
LOST_URC = const(13)
DETACHED = const(14)
DENIED = const(15)
SIM_FAULT = const(16)
SIM_LOCK = const(17)
DEAD_PORT = const(18)
NO_PINS = const(19)
PRODUCTION = const(20)
INIT_FAILED = const(21)
INIT_HANGS = const(22)
CLIENT_IDLE = const(23)
DISABLED = const(24)
NO_SERVERS = const(25)
SERVER_MISSING = const(26)
SERVER_DISABLED = const(27)
RADIO_WAS_OFF = const(28)
WAS_PAUSED = const(29)
EXHAUSTED = const(30)
OTHERS_WELL = const(31)
FORCED = const(32)
WAIT = const(33)
START = const(34)
SPACING = const(35)
CAP = const(36)
RADIO_CAP = const(37)
FOTA = const(38)
HALFWAY = const(39)
VETO = const(40)
PAUSED = const(41)
RESULT = const(42)
NO_ANSWER = const(43)


# View.sim
SIM_UNKNOWN = const(0)
SIM_READY = const(1)
SIM_LOCKED = const(2)
SIM_FAILED = const(3)

# View.pins: bits
HAS_RESET = const(1)
HAS_POWER = const(2)

# Budgets.mark: what was begun and must be ended, whatever happens in between.
MARK_PAUSED = const(1)
MARK_RADIO_OFF = const(2)
MARK_REBOOT = const(3)

_BOOTSTRAP = const(0)  # stands for whatever server a bootstrap is told of
_SUCCESS = const(3)
_INIT_STARTED = const(1)
_INIT_PRODUCTION = const(3)
_INIT_FAILED = const(4)
_CLIENT_BOOTSTRAP = const(1)
_BOOTSTRAPPING = (10, 11, 12, 13, 14, 15, 16, 19)
_SILENT_CLIENT = (6, 7)  # command mode only, shut down
_TESTED = const(1)  # a try was made because the timer ran out
_DISTRUSTED = const(2)  # it succeeded, and the timer has not moved since
_NOTHING_ELSE = (DENIED, SIM_FAULT, NO_ANSWER)  # but a soft reset can help
_DENIED_TRIES = const(0)  # Budgets.tries: of soft resets while the network or the SIM refuses
_HOUR_S = const(3600)
_OTHERS = const(16)


class View:
    """What the module was last seen to be. None: not known. Times in s, NEVER for none.

    reachable: False when 10 x AT were not answered. diagnosed_s: last diagnosis since the last
    restart. polls: number of answered polls; polled_s: time of the last (None: when a decision
    first sees it). sim: SIM_... attached: registered in the network (CEREG 1, 5), with a bearer.
    denied: CEREG 3. radio_on: CFUN 1. mode: +ULWM2M. init, init_s, client, client_s: last status
    of events 5 and 4. pins: HAS_RESET | HAS_POWER. missing, disabled: wanted servers without a
    row in the module's configuration, or with one that disables them.
    """

    def __init__(self):
        self.reachable = None
        self.diagnosed_s = NEVER
        self.polls = 0
        self.polled_s = None
        self.sim = SIM_UNKNOWN
        self.attached = None
        self.denied = False
        self.radio_on = None
        self.mode = None
        self.init = None
        self.init_s = NEVER
        self.client = None
        self.client_s = NEVER
        self.pins = 0
        self.missing = ()
        self.disabled = ()


class Ladder(Beliefs):
    """Decides for one module.

    policy: a table of policy.py. budgets: budget.Budgets. random(n): a whole number 0..n-1.
    now_s: the time of power-up. view is to be kept true by the caller.

    After decide(): action; server (REGISTER and ENABLE_SERVER); reason, why it is to be done.
    With action NONE: pending is what will be done at not_before_s unless things change, and
    held_by why not now. wake_s is when to decide again at the latest.
    Raises ValueError for a policy that is not sound, see check_policy().
    """

    def __init__(self, policy, budgets, random, now_s=0):
        check_policy(policy)
        if not callable(random):
            raise ValueError("random: %r, expected a function" % (random,))
        self.policy = policy
        self.budgets = budgets
        self.view = View()
        self.tracks = []
        # Servers nobody asked for: IDs, and when each was said to be registered.
        self._other_ids = array("H", bytes(2 * _OTHERS))
        self._other_s = array("i", [NEVER] * _OTHERS)
        self._states = policy["states"]
        self._steps = policy["steps"]
        self._random = random
        self._bootstrap = Track(_BOOTSTRAP, now_s)
        self._near = self._bootstrap  # the one looked for last: most often the next one too
        self._now_s = now_s
        self._boot_s = now_s
        self._boot_end_s = now_s + policy["boot_window_s"]  # no verdict before
        self._start_end_s = self._boot_end_s
        self._boot_spread_s = random(policy["start_spread_s"] + 1)  # nor by all nodes just then
        self._hold_s = now_s  # no radio action before
        self._spread(now_s)
        self._detached_s = NEVER
        self._denied_s = NEVER
        self._polls = 0
        self._polled_s = NEVER
        self._ask_s = LATER  # when an event wants a poll
        self._ask_why = WELL
        self._look_s = LATER  # when a state will want one
        self._look_why = WELL
        self._asked_s = NEVER  # when the last poll was decided
        self._unpolled_s = NEVER  # when the first one was that is not answered yet
        self._ask_gap_s = 0
        self._diagnosed_s = NEVER  # when the last diagnosis was decided
        self._client_s = NEVER  # the client event that it looked into
        self._ending_s = NEVER  # no RESUME or RADIO_ON before: the last one was refused
        self._ending_gap_s = 0
        self._up_s = NEVER  # when a server was registered last
        self._wide_key = -1  # the module-wide step that waits, and its drawn wait
        self._wide_wait_s = 0
        self._parked = WELL
        self._forced = 0
        self._forced_server = 0
        self._step = 0
        # An episode that a restart of the MCU interrupted goes on where its last step ended.
        step, at_s = budgets.last_step()
        self._resumed_s = at_s + self._steps[step][WINDOW_S] if step else NEVER
        self._resumed_net_s = self._resumed_s
        self.wake_s = now_s
        self._set(NONE, BOOT, now_s)

    # What came of it

    def force(self, step, server=0):
        """Take one step of policy.py at the next decision, without its waits; 0: none.

        Caps, a firmware update and a dead port still hold it back.
        """
        self._forced = step
        self._forced_server = server

    def take(self, now_s):
        """The decided action is about to be carried out: book it. Save budgets, then act."""
        budgets = self.budgets
        step = self._step
        action = self.action
        if action == POLL:
            self._ask_gap_s = self._poll_gap_s()
            self._asked_s = now_s
            if self._unpolled_s == NEVER:
                self._unpolled_s = now_s
            return
        if action == DIAGNOSE:
            self._diagnosed_s = now_s
            self._client_s = self.view.client_s
            return
        if action == PARK:
            self._parked = self.reason
            return
        if action == RESUME or action == RADIO_ON:
            self._take_ending(now_s)
            return
        budgets.note(action, self.server, self.reason, now_s)
        if action == ENABLE_SERVER:
            budgets.repair(self.server)
            return
        self._forced = 0
        budgets.spend(step, now_s)
        window_s = self._steps[step][WINDOW_S]
        if action == REGISTER:
            track = self.track(self.server)
            if step == STEP_REGISTER:
                track.tries += 1
                budgets.set_server_tries(track.id, track.tries)
            self._tried(track, now_s, window_s)
            if self.reason == OVERDUE:
                track.distrust = _TESTED
            return
        self._wide_key = -1
        for track in self.tracks:
            self._tried(track, now_s, window_s)
        self._tried(self._bootstrap, now_s, window_s)
        budgets.count(_DENIED_TRIES if self.reason in _NOTHING_ELSE else step)
        self._ending_s = NEVER
        self._ending_gap_s = 0
        if action == PAUSE:
            budgets.set_mark(MARK_PAUSED, now_s)
        elif action == RADIO_OFF:
            budgets.set_mark(MARK_RADIO_OFF, now_s)
        elif action == SOFT_RESET:
            budgets.set_mark(0, now_s)

    def _take_ending(self, now_s):
        # Ends a step of ours, which its beginning has paid for, or what somebody left behind. One
        # that is refused is tried less and less often.
        policy = self.policy
        if self.reason == HALFWAY:
            gap_s = max(2 * self._ending_gap_s, policy["suspect_s"])
            self._ending_gap_s = min(gap_s, policy["unseen_s"])
            self._ending_s = now_s + self._ending_gap_s
            return
        if self.action == RADIO_ON and self._detached_s != NEVER:
            self._detached_s = now_s  # it could not have found the network before
        row = self._steps[STEP_PAUSE if self.action == RESUME else STEP_RADIO]
        self._ending_s = now_s + row[SPACING_S]
        self.budgets.note(self.action, 0, self.reason, now_s)
        self.budgets.spend(0, now_s)
        if self.reason == DISABLED:
            self.budgets.enabled = 1
            self.budgets.set_mark(MARK_REBOOT, now_s)
        for track in self.tracks:
            self._tried(track, now_s, row[WINDOW_S])

    def done(self, now_s):
        """The action succeeded as a command; after RESUME or RADIO_ON its step is complete."""
        if self.action in (RESUME, RADIO_ON) and self.budgets.mark != MARK_REBOOT:
            self.budgets.set_mark(0, now_s)
        if self.reason == HALFWAY:
            self._ending_s = NEVER
            self._ending_gap_s = 0

    def undo(self):
        """The action was taken, but nothing was sent: nothing was begun that must be ended."""
        if self.action in (PAUSE, RADIO_OFF) or self.reason == DISABLED:
            self.budgets.set_mark(0, 0)
            self.budgets.enabled = 0

    def failed(self, now_s):
        """The module refused the action: there is no result to wait for."""
        if self.action == RESUME and self.reason == DISABLED:
            self.undo()
        for track in self.tracks:
            if self.action != REGISTER or track.id == self.server:
                track.window_s = max(0, now_s - track.tried_s)

    def _tried(self, track, now_s, window_s):
        track.tried_s = now_s
        track.window_s = window_s
        track.answer_s = NEVER
        track.judged_s = NEVER
        if track.busy_s != NEVER:
            track.busy_s = now_s

    # Decisions

    def decide(self, now_s):
        """Return the action for now: NONE, POLL, ... PARK."""
        self._now_s = now_s
        self._look_s = self.wake_s = LATER
        self._step = 0
        self._set(NONE, WELL, LATER)
        self._follow()
        self._choose()
        if self.action == NONE:
            self.wake_s = min(self.not_before_s, self.wake_s)
        return self.action

    def _set(self, action, reason, at_s, server=0, pending=NONE, held_by=WELL):
        self.action = action
        self.reason = reason
        self.not_before_s = at_s
        self.server = server
        self.pending = pending
        self.held_by = held_by

    def _wait(self, reason, at_s=LATER):
        self._set(NONE, reason, at_s, 0, NONE, reason)

    def _follow(self):
        # Counters and clocks that move by themselves.
        now_s = self._now_s
        view = self.view
        if view.polls != self._polls:
            self._polls = view.polls
            self._polled_s = now_s if view.polled_s is None else view.polled_s
            self._ask_s = LATER
            self._unpolled_s = NEVER
            for track in self.tracks:
                if track.suspect:
                    self._verdict(track, now_s)
        if view.attached is False and self._detached_s == NEVER:
            self._detached_s = self._since(now_s, self._resumed_net_s)
        elif view.attached and self._detached_s != NEVER:
            self._attached(now_s - max(0, self._detached_s))
        if view.denied or view.sim == SIM_FAILED:
            if self._denied_s == NEVER:
                self._denied_s = self._since(now_s, self._resumed_net_s)
        elif view.attached:
            self._resumed_net_s = NEVER
            if self._denied_s != NEVER:
                self._denied_s = NEVER
                self.budgets.clear(_DENIED_TRIES)
        for track in self.tracks:
            if not track.registered:
                continue
            self._up_s = now_s
            self._held(track, now_s)
            until_s = self._until_s(track)
            if now_s < until_s + self.policy["unseen_s"]:
                self.wake_s = min(self.wake_s, until_s + self.policy["unseen_s"])
            elif self._polled_s < until_s:
                track.registered = False  # nobody can tell any more
                track.suspect = True

    def _held(self, track, now_s):
        # An episode is over when the registration has held long enough.
        if not track.tries and not self.budgets.in_episode(track.id):
            return
        end_s = track.good_s + self.policy["hold_s" if track.updated else "lifetime_s"]
        if now_s < end_s:
            self.wake_s = min(self.wake_s, end_s)
        else:
            track.tries = 0
            track.degraded = False
            self.budgets.end_episode(track.id)

    def _since(self, now_s, resumed_s):
        # Trouble that is found at the start is as old as the last step against it.
        return now_s if resumed_s == NEVER else min(now_s, resumed_s)

    def _spread(self, now_s):
        self._hold_s = max(self._hold_s, now_s + self._random(self.policy["start_spread_s"] + 1))

    def _attached(self, gap_s):
        # Back in the network: the time without it does not count.
        now_s = self._now_s
        self._detached_s = NEVER
        self._spread(now_s)
        for track in self.tracks:
            track.enter_s = min(now_s, track.enter_s + gap_s)
            track.judged_s = NEVER
            if track.busy_s != NEVER:
                track.busy_s = min(now_s, track.busy_s + gap_s)
            if track.tried_s != NEVER:
                track.tried_s = min(now_s, track.tried_s + gap_s)
            if track.timer_s != NEVER:
                track.timer_at_s = min(now_s, track.timer_at_s + gap_s)

    def _choose(self):
        now_s = self._now_s
        view = self.view
        thaw_s = self.budgets.fota_s + self.policy["fota_s"]
        if now_s < thaw_s:
            return self._wait(FOTA, thaw_s)
        if view.reachable is None:
            return self._wait(BOOT)
        if not view.reachable:
            if view.pins:
                return self._gate(STEP_PINS, now_s, DEAD_PORT)
            return self._park(NO_PINS)
        if self.budgets.mark:
            return self._finish()
        if view.diagnosed_s == NEVER:
            return self._diagnose(BOOT)
        if self._forced and (self._force() or self.action != NONE):
            return None
        if self._poll(self._ask_s, self._ask_why) or self._fault():
            return None
        if view.denied or view.sim == SIM_FAILED:
            return self._denied()
        if view.attached is False:
            return self._search()
        if self._unanswered():
            return None
        for track in self.tracks:
            self._judge(track)
        self._judge(self._bootstrap)
        if self._poll(self._look_s, self._look_why):
            return None
        self._climb()
        return None

    def _poll(self, at_s, why):
        # Whether to poll now. One that stays unanswered is repeated less and less often.
        at_s = max(at_s, self._asked_s + self._poll_gap_s())
        if at_s > self._now_s:
            self.wake_s = min(self.wake_s, at_s)
            return False
        self._set(POLL, why, self._now_s)
        return True

    def _poll_gap_s(self):
        gap_s = self.policy["suspect_s"]
        if self._polled_s >= self._asked_s:
            return gap_s
        return min(max(2 * self._ask_gap_s, gap_s), self.policy["unseen_s"])

    def _diagnose(self, why):
        # Whatever it finds, or does not: not again at once.
        again_s = self._diagnosed_s + self.policy["suspect_s"]
        if self._now_s < again_s:
            return self._set(NONE, why, again_s, 0, DIAGNOSE, SPACING)
        return self._set(DIAGNOSE, why, self._now_s)

    def _finish(self):
        # Ends what was begun: no cap can forbid that.
        mark = self.budgets.mark
        if mark == MARK_REBOOT:
            return self._gate(STEP_RESET, self._now_s, DISABLED)
        wait_s = self.policy["pause_s" if mark == MARK_PAUSED else "radio_off_s"]
        at_s = max(self.budgets.mark_s + wait_s, self._hold_s, self._ending_s)
        action = RESUME if mark == MARK_PAUSED else RADIO_ON
        if self._now_s < at_s:
            return self._set(NONE, HALFWAY, at_s, 0, action, HALFWAY)
        return self._set(action, HALFWAY, self._now_s)

    def _restore(self, action, why):
        # Something was found off that has to be on. No step of the ladder, so not on its caps.
        at_s = max(self._hold_s, self._ending_s)
        held_by = START if at_s == self._hold_s else SPACING
        free_s = self.budgets.free_s(0, _HOUR_S)
        if free_s > at_s:
            at_s = free_s
            held_by = RADIO_CAP
        if self._now_s < at_s:
            return self._set(NONE, why, at_s, 0, action, held_by)
        return self._set(action, why, self._now_s)

    def _force(self):
        step = self._forced
        server = 0
        if step in (STEP_REGISTER, STEP_PARKED_REGISTER):
            server = self._forced_server
            if self.track(server) is None:
                return self._drop_forced(SERVER_MISSING)
        elif step == STEP_PINS and not self.view.pins:
            return self._drop_forced(NO_PINS)
        self._gate(step, self._now_s, FORCED, server)
        return False

    def _drop_forced(self, why):
        self._forced = 0
        self._wait(why, self._now_s)
        return True

    def _park(self, why, at_s=LATER):
        # Told once; then nothing until something changes.
        if self._parked == why:
            return self._wait(why, at_s)
        return self._set(PARK, why, at_s)

    def _fault(self):
        # Faults at another layer than registration, which no step of the ladder cures.
        now_s = self._now_s
        view = self.view
        why = WELL
        if view.init == _INIT_PRODUCTION:
            why = PRODUCTION
        elif view.sim == SIM_LOCKED:
            why = SIM_LOCK
        elif view.radio_on is False:
            self._restore(RADIO_ON, RADIO_WAS_OFF)
            return True
        elif view.mode == codes.MODE_INHIBITED:
            self._restore(RESUME, WAS_PAUSED)
            return True
        elif view.mode == codes.MODE_DISABLED:
            if self.policy["reenable"] and not self.budgets.enabled:
                self._restore(RESUME, DISABLED)
                return True
            why = DISABLED
        else:
            why = NO_SERVERS
            odd = WELL
            for track in self.tracks:
                if track.id in view.disabled or track.id in view.missing:
                    odd = SERVER_MISSING
                if track.id in view.disabled:
                    if not self.budgets.repaired(track.id):
                        self._enable(track.id)
                        return True
                    why = why and SERVER_DISABLED
                elif track.id in view.missing:
                    why = why and SERVER_MISSING
                else:
                    why = WELL
        if why:
            again_s = view.diagnosed_s + self.policy["fault_s"]
            if now_s < again_s:
                self._park(why, again_s)
            else:
                self._diagnose(why)
            return True
        # One of several servers, or a network that was not seen since the radio was switched on.
        if odd and self._look_again(self.policy["fault_s"], odd):
            return True
        if view.attached is None and self._detached_s != NEVER:
            if self._look_again(self.policy["unseen_s"], DETACHED):
                return True
        return self._client()

    def _look_again(self, after_s, why):
        # Whether the last diagnosis is so old that another one is due.
        at_s = self.view.diagnosed_s + after_s
        if self._now_s >= at_s:
            self._diagnose(why)
            return True
        self.wake_s = min(self.wake_s, at_s)
        return False

    def _enable(self, server):
        if self._now_s < self._hold_s:
            self._set(NONE, SERVER_DISABLED, self._hold_s, server, ENABLE_SERVER, START)
        else:
            self._set(ENABLE_SERVER, SERVER_DISABLED, self._now_s, server)

    def _client(self):
        # The client as a whole: what it said last may ask for a look.
        view = self.view
        hung_s = view.init_s + self.policy["init_s"]
        if view.init == _INIT_STARTED:
            if view.diagnosed_s < hung_s <= self._now_s:
                self._diagnose(INIT_HANGS)
                return True
            self._look(LATER if view.diagnosed_s >= hung_s else hung_s, INIT_HANGS)
        if view.client in _SILENT_CLIENT and view.client_s != self._client_s:
            self._diagnose(CLIENT_IDLE)
            return True
        return False

    def _trouble_s(self, track):
        # When the track's state becomes trouble if nothing changes; sets track.why.
        kind, _, stuck_s, then = self._states[track.code]
        track.why = GAVE_UP if kind == _FAILED else STUCK
        since_s = track.enter_s + stuck_s
        if track.code == _SUCCESS:
            if track.timer_s == NEVER or track.distrust == _DISTRUSTED:
                return LATER
            track.why = OVERDUE
            since_s = track.timer_at_s + track.timer_s + stuck_s
        elif then == WATCH:
            since_s = track.enter_s + self.policy["patience_s"]
        elif track.busy_s != NEVER:
            own_s = track.busy_s + self.policy["own_retry_s"]
            if own_s < since_s:
                since_s = own_s
                track.why = OWN_RETRY
        waits = self.view.client == _CLIENT_BOOTSTRAP and self._bootstrap.code == _NO_CODE
        if waits and kind != _GOOD and track.code not in _BOOTSTRAPPING:
            end_s = self.view.client_s + self.policy["init_s"]
            if end_s < since_s:
                since_s = end_s
                track.why = DEAD_END
        if kind == _FAILED and track.answer_s != NEVER:
            since_s = max(since_s, track.answer_s + stuck_s)
        elif track.tried_s >= track.enter_s:
            since_s = max(since_s, track.tried_s + track.window_s)
        if track.settled or since_s > self._boot_end_s:
            return since_s
        return self._boot_end_s + self._boot_spread_s

    def _judge(self, track):
        # Trouble counts once a poll has confirmed it.
        if track.code == _NO_CODE and track.id == _BOOTSTRAP:
            return
        now_s = self._now_s
        unseen_s = self.policy["unseen_s"]
        _, _, stuck_s, then = self._states[track.code]
        if track.code == _SUCCESS and self._trouble_s(track) == LATER:
            self._look(max(track.enter_s, self._polled_s) + unseen_s, UNSEEN)
        elif then == WATCH:
            look_s = track.enter_s + stuck_s
            self._look(look_s if self._polled_s < look_s else self._polled_s + unseen_s, STUCK)
        since_s = self._trouble_s(track)
        if now_s < since_s:
            track.judged_s = NEVER
            self._look(since_s, track.why)
        elif self._polled_s < since_s:
            self._look(now_s, track.why)
        elif track.judged_s == NEVER:
            track.judged_s = now_s
            if track.tried_s == NEVER and track.good_s == NEVER:
                track.judged_s = self._since(now_s, self._resumed_s)
            step = STEP_REGISTER
            if track.tries >= self._steps[step][TRIES]:
                step = STEP_PARKED_REGISTER
            track.wait_s = self._draw(step, track.tries)

    def _draw(self, step, tries):
        waits_s = self._steps[step][WAITS_S]
        wait_s = waits_s[min(tries, len(waits_s) - 1)]
        return wait_s + self._random(wait_s * self.policy["jitter_percent"] // 100 + 1)

    def _climb(self):
        # The lowest step that is due, or the one that will be.
        view = self.view
        limit = self._steps[STEP_REGISTER][TRIES]
        first = spent = latest = None
        up = self._others_up(NEVER)
        down = True  # every server is in trouble and has used up its tries
        restart = True  # nothing less than a soft reset can help any of them
        for track in self.tracks:
            if track.id in view.missing or track.id in view.disabled:
                continue
            up = up or track.registered
            if track.judged_s == NEVER:
                down = False
                continue
            if latest is None or track.judged_s > latest.judged_s:
                latest = track
            if self._states[track.code][3] != CALL:
                continue
            restart = False
            if track.tries >= limit:
                if spent is None or track.tried_s < spent.tried_s:
                    spent = track
            else:
                down = False
                if first is None or _due_s(track) < _due_s(first):
                    first = track
        for track in self.tracks:
            helped = self._states[track.code][3] == CALL and track.tries < limit
            track.degraded = up and track.judged_s != NEVER and not helped
        if up and spent is not None:
            self._gate(STEP_PARKED_REGISTER, _due_s(spent), OTHERS_WELL, spent.id)
            if first is not None and self.action == NONE:
                self._or(STEP_REGISTER, _due_s(first), first.why, first.id)
        elif view.init == _INIT_FAILED and not up:
            self._module(view.init_s, INIT_FAILED, True, None)
        elif self._bootstrap.judged_s != NEVER and not up:
            self._module(self._bootstrap.judged_s, self._bootstrap.why, True, None)
        elif first is not None:
            self._gate(STEP_REGISTER, _due_s(first), first.why, first.id)
        elif up:
            self._well()
        elif down and latest is not None:
            self._module(latest.judged_s, latest.why, restart, spent)
        else:
            self._well()

    def _well(self):
        # Nothing is in trouble, or not yet.
        why = WELL
        for track in self.tracks:
            if not track.registered:
                awaited = self._now_s < track.tried_s + track.window_s
                why = RESULT if awaited else MODULE_TRIES
        if why == WELL:
            self._parked = WELL
        elif why == MODULE_TRIES and self._now_s < self._boot_end_s:
            why = BOOT
        if self._forced:
            self._force()  # what holds it back
            return None
        # What is believed of the network may be wrong for ever: a day without proof is too long.
        proof_s = self.view.diagnosed_s
        for track in self.tracks:
            proof_s = max(proof_s, track.proof_s)
        doubt_s = proof_s + self.policy["lifetime_s"]
        if self._now_s >= doubt_s:
            return self._diagnose(UNSEEN)
        return self._wait(why, doubt_s)

    def _denied(self):
        # The network or the SIM refuses: only a soft reset can help, ever more seldom.
        why = DENIED if self.view.denied else SIM_FAULT
        return self._outside(STEP_RESET, self.budgets.tries[_DENIED_TRIES], self._denied_s, why)

    def _search(self):
        # Not in the network: the clocks of the servers stand still, the module searches.
        step = self._next_step(STEP_RADIO) or STEP_PARKED_RESET
        return self._outside(step, self.budgets.tries[step], self._detached_s, DETACHED)

    def _unanswered(self):
        # AT is answered, but no poll for so long: the module's client has died.
        since_s = self._unpolled_s + self.policy["patience_s"]
        if self._unpolled_s == NEVER or self._now_s < since_s or self._any_up():
            return False
        tries = self.budgets.tries[_DENIED_TRIES]
        since_s = max(since_s, self.budgets.last_s(STEP_RESET))
        self._wide(STEP_RESET, tries, since_s, NO_ANSWER)
        return True

    def _outside(self, step, tries, since_s, why):
        # The waits count from the trouble or the last thing done to the radio. The end of it may
        # not have been heard: it is looked for, at once when a server proves it.
        after_s = self.policy["unseen_s"]
        for track in self.tracks:
            if track.proof_s > self.view.diagnosed_s:
                after_s = 0
        if self._look_again(after_s, why):
            return None
        if self._now_s < self._boot_end_s:
            return self._wait(BOOT, self._boot_end_s)
        if self._any_up():
            return self._wait(why)
        for done in range(STEP_RADIO, STEP_PINS + 1):
            since_s = max(since_s, self.budgets.last_s(done) + self._steps[done][WINDOW_S])
        return self._wide(step, tries, since_s, why)

    def _others_up(self, since_s):
        # Whether a server that is not followed was said to be registered, after that time.
        for i in range(_OTHERS):
            if self._other_s[i] > since_s:
                return True
        return False

    def _other(self, server, at_s):
        place = 0
        for i in range(_OTHERS):
            if self._other_ids[i] == server:
                place = i
                break
            if self._other_s[i] == NEVER:
                place = i
        self._other_ids[place] = server
        self._other_s[place] = at_s

    def any_registered(self):
        """Whether any server is registered, also one that is not followed."""
        for track in self.tracks:
            if track.registered:
                return True
        return self._others_up(NEVER)

    def _any_up(self):
        # Without a network: registered until the announced update is overdue for certain.
        for track in self.tracks:
            until_s = self._until_s(track)
            if track.registered and self._now_s < until_s:
                self.wake_s = min(self.wake_s, until_s)
                return True
        return self._others_up(self._now_s - self.policy["lifetime_s"])

    def _until_s(self, track):
        # How long what was last proved holds: to the announced update, or for a lifetime.
        if track.timer_s == NEVER:
            return max(track.good_s, track.proof_s) + self.policy["lifetime_s"]
        return track.timer_at_s + track.timer_s + self._states[_SUCCESS][2]

    def _next_step(self, step):
        # The first module-wide step from `step` on with tries left, or 0.
        while step <= STEP_PINS:
            if self.budgets.tries[step] < self._steps[step][TRIES]:
                if step != STEP_PINS or self.view.pins:
                    return step
            step += 1
        return 0

    def _module(self, judged_s, why, restart, spent):
        # No server is registered, and their own tries are used up or cannot help.
        tries = self.budgets.tries
        if restart:
            step = 0 if tries[STEP_RESET] else STEP_RESET
        else:
            step = self._next_step(STEP_PAUSE)
        if step:
            return self._wide(step, tries[step], judged_s, why)
        if self._parked != EXHAUSTED:
            return self._park(EXHAUSTED)
        since_s = max(self.budgets.last_s(STEP_RESET), self._up_s)
        self._wide(STEP_PARKED_RESET, 0, since_s, why)
        if self.action == NONE and spent is not None:
            self._or(STEP_PARKED_REGISTER, _due_s(spent), why, spent.id)
        return None

    def _or(self, step, due_s, why, server):
        # Another step besides the one that waits: the first of the two that can be taken.
        other_why = self.reason
        at_s = self.not_before_s
        other_server = self.server
        pending = self.pending
        held_by = self.held_by
        self._gate(step, due_s, why, server)
        if self.action == NONE and at_s < self.not_before_s:
            self._set(NONE, other_why, at_s, other_server, pending, held_by)

    def _wide(self, step, tries, judged_s, why):
        key = step * 256 + tries
        if key != self._wide_key:
            self._wide_key = key
            self._wide_wait_s = self._draw(step, tries)
        self._gate(step, judged_s + self._wide_wait_s, why)

    def _gate(self, step, due_s, why, server=0):
        # A step is taken when nothing holds it back any more; tells what does.
        now_s = self._now_s
        budgets = self.budgets
        row = self._steps[step]
        base = PARKED_AS.get(step, 0)  # it counts as one of those too
        at_s = due_s
        held_by = WAIT
        if why != FORCED:
            if self._hold_s > at_s and why != DEAD_PORT:
                at_s = self._hold_s
                held_by = START
            free_s = self._spaced_s(step, base, why)
            if free_s > at_s:
                at_s = free_s
                held_by = SPACING
        free_s = budgets.free_s(step, row[CAP_S])
        if base:
            free_s = max(free_s, budgets.free_s(base, self._steps[base][CAP_S]))
        if free_s > at_s:
            at_s = free_s
            held_by = CAP
        free_s = budgets.free_s(0, _HOUR_S)
        if free_s > at_s:
            at_s = free_s
            held_by = RADIO_CAP
        action = self._action(step)
        if now_s < at_s:
            return self._set(NONE, why, at_s, server, action, held_by)
        if why != DEAD_PORT and self.view.diagnosed_s < now_s - self.policy["fresh_s"]:
            return self._diagnose(why)
        self._step = step
        return self._set(action, why, now_s, server)

    def _spaced_s(self, step, base, why):
        # When it is apart enough from the last one, and from whatever else broke the connection.
        spacing_s = self._steps[step][SPACING_S]
        free_s = self.budgets.last_s(step) + spacing_s
        if base:
            spacing_s = self._steps[base][SPACING_S]
            free_s = max(free_s, self.budgets.last_s(base) + spacing_s)
        if base == STEP_RESET or (STEP_RADIO <= step <= STEP_PINS and why != DEAD_PORT):
            for other in range(STEP_RADIO, STEP_PINS + 1):
                free_s = max(free_s, self.budgets.last_s(other) + spacing_s)
        return free_s

    def _action(self, step):
        if step == STEP_PINS:
            if self.view.pins == HAS_RESET:
                return PIN_RESET
            first = self.view.pins & HAS_RESET and not self.budgets.tries[STEP_PINS]
            return PIN_RESET if first else POWER_CYCLE
        return _OF_STEP[step]


def _due_s(track):
    return track.judged_s + track.wait_s
