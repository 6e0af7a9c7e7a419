# What is believed of one server: takes the status codes, times to the next update, closed
# connections and polls that are seen, and says whether it is in trouble. It knows the state table
# of policy.py and nothing else: no module, no budgets, no clock of its own.
#
# A code that is not possible after the one before it changes `code` at once, but `registered`, the
# verdict for the application, only when a poll was answered. Trouble counts once a poll has
# confirmed it.

from micropython import const

from ..codes import FAILED, GOOD, NO_CODE, REGISTERED
from .policy import (
    CALL,
    CLOSED,
    DEAD_END,
    FROZEN,
    GAVE_UP,
    ILLEGAL,
    LATER,
    LOST_URC,
    NEVER,
    OVERDUE,
    OWN_RETRY,
    STUCK,
    UNKNOWN_CODE,
    UNSEEN,
    WATCH,
    WELL,
)

_SUCCESS = const(3)
_TRYING = (1, 2)
_IN_FLIGHT = (2, 5)
_BEGINNINGS = (0, 1, 2, 10)
_BOOTSTRAPPING = (10, 11, 12, 13, 14, 15, 16, 19)
_TIMER_SLACK_S = const(5)  # by so much the module's count-down may run ahead of our clock

# ServerState.distrust: a time to update that does not move costs one try, not one after another.
_TRUSTED = const(0)
_TESTED = const(1)  # a try was made because the timer ran out
_DISTRUSTED = const(2)  # it succeeded, and the timer has not moved since


class ServerState:
    """One server. All times are seconds of one monotonic clock, NEVER or LATER for none.

    server: its short ID. policy: a table of policy.py. found_s: trouble that is there at the
    first look is at least so old, as a record of an earlier run says; NEVER without one.
    """

    def __init__(self, server, policy, now_s, found_s=NEVER):
        self.id = server
        self.registered = False
        self.renewals = 0  # how often it was registered anew, which ends its observations
        self.code = NO_CODE  # the last that was seen
        self.enter_s = now_s  # since when: a repeated code does not count
        self.suspect = False  # the code was not possible, and no poll was answered since
        self.busy_s = NEVER  # since when the module is trying by itself (codes 1 and 2)
        self.closed_s = NEVER  # when its connection was closed last
        self.odd_s = NEVER  # when it was last asked about an unknown code
        # A registration: since when, when it was last proved, an update was seen in it.
        self.good_s = NEVER
        self.proof_s = NEVER
        self.updated = False
        self.lost_s = NEVER  # when it was lost, until the Case has taken note
        # The time to the next update as it was told last, when, and whether it stands still.
        self.timer_s = self.timer_at_s = NEVER
        self.frozen = False
        self.distrust = _TRUSTED
        # The last step that was to help it: when, how long no verdict is given, when the module
        # said "failed" to it.
        self.tried_s = NEVER
        self.window_s = 0
        self.answer_s = NEVER
        # Confirmed trouble: since when, NEVER without; and why, also while it is not confirmed.
        self.judged_s = NEVER
        self.why = WELL
        # When a poll is wanted because of an event, and when because time passed.
        self.ask_s = self.look_s = LATER
        self.ask_why = self.look_why = WELL
        self.polled_s = NEVER  # the last poll that was answered
        # The module's start: no verdict is given before quiet_s, unless it was registered since
        # (settled). Trouble of that time counts spread_s later, for nodes not to act as one.
        self.boot_s = self.quiet_s = now_s
        self.spread_s = 0
        self.settled = False
        # When it is a dead end that the client waits for a bootstrap; kept from outside.
        self.dead_end_s = LATER
        # What the application was told of it last; see telling.py.
        self.told_up = self.told_degraded = False
        self.told_renewals = 0
        self._states = policy["states"]
        self._policy = policy
        self._found_s = self._old_s = found_s  # _old_s: the same, until the module restarts

    # What is seen

    def status(self, now_s, code):
        # Take a status code, from a URC or a poll; return whether anything follows from it.
        if code == _SUCCESS == self.code and self.distrust == _TRUSTED:
            if now_s - self.proof_s < self._policy["suspect_s"]:
                self.proof_s = now_s
                return False
        states = self._states
        if code not in states:
            if now_s - self.odd_s >= self._policy["unseen_s"]:
                self.odd_s = now_s
                self._ask(now_s + self._policy["suspect_s"], UNKNOWN_CODE)
            return True
        old = self.code
        kind = states[code][0]
        if code == _SUCCESS:
            if old != code:
                self.timer_s = NEVER
                self.updated = self.updated or old in REGISTERED
            elif now_s - self.proof_s >= self._policy["suspect_s"]:
                self.timer_s = NEVER
                self.updated = True
            self.proof_s = now_s
            if self.distrust == _TESTED:
                self.distrust = _DISTRUSTED
        elif kind == FAILED and self.answer_s == NEVER:
            self.answer_s = now_s
        if code == old:
            return True
        self.code = code
        self.enter_s = now_s
        self.judged_s = NEVER
        if code not in _TRYING:
            self.busy_s = NEVER
        elif self.busy_s == NEVER:
            self.busy_s = now_s
        if code in _IN_FLIGHT and now_s - self.closed_s < self._policy["closed_s"]:
            self._ask(now_s + self._policy["suspect_s"], CLOSED)
        if code not in states[old][1] and not self._begins(now_s, old):
            self.suspect = True
            self._ask(now_s + self._policy["suspect_s"], ILLEGAL)
        elif self.registered is not (kind == GOOD) and not self.suspect:
            self._verdict(now_s)
        return True

    def timer(self, now_s, timer_s):
        # Take the seconds to the next update; return whether anything follows from them.
        #
        # More than before proves a registration (manual, note to +ULWM2MREG).
        before_s = self.timer_s
        if timer_s == before_s:
            if now_s - self.timer_at_s < self._policy["frozen_s"] or self.frozen:
                return False
            self.frozen = True
            self._ask(now_s, FROZEN)
            return True
        self.frozen = False
        # A count-down that goes on as it did says nothing new.
        expected = self.distrust == _TRUSTED and (
            now_s + timer_s + _TIMER_SLACK_S >= self.timer_at_s + before_s
        )
        if before_s != NEVER:
            self.distrust = _TRUSTED
        self.timer_s = timer_s
        self.timer_at_s = now_s
        if timer_s < before_s:
            return not expected
        if before_s != NEVER:
            self.updated = True
            self.proof_s = now_s
            if self.code != _SUCCESS:
                self._ask(now_s, LOST_URC)
        return True

    def closed(self, now_s):
        # The connection to the server was closed: normal, unless a request is pending.
        self.closed_s = now_s
        if self.code in _IN_FLIGHT and now_s - self.enter_s < self._policy["closed_s"]:
            self._ask(now_s + self._policy["suspect_s"], CLOSED)

    def polled(self, now_s):
        # A poll was answered, and what it told was given to status() and timer().
        self.polled_s = now_s
        self.ask_s = LATER
        if self.suspect:
            self._verdict(now_s)

    def booted(self, now_s, quiet_s, spread_s):
        # The module has just started.
        self.boot_s = now_s
        self.quiet_s = quiet_s
        self.spread_s = spread_s

    def restarted(self, now_s):
        # The module restarted: nothing that was known of it holds any more.
        self.code = NO_CODE
        self.enter_s = now_s
        self.busy_s = self.judged_s = NEVER
        self.registered = self.suspect = self.settled = False
        self.timer_s = NEVER
        self._old_s = NEVER

    def tried(self, now_s, window_s):
        # A step was taken that is to help: no verdict for window_s, unless the module fails.
        if self.why == OVERDUE and self.judged_s != NEVER:
            self.distrust = _TESTED
        self.tried_s = now_s
        self.window_s = window_s
        self.answer_s = NEVER
        self.judged_s = NEVER
        if self.busy_s != NEVER:
            self.busy_s = now_s

    def shift(self, now_s, gap_s):
        # The network was away for gap_s, which does not count.
        self.enter_s = min(now_s, self.enter_s + gap_s)
        self.judged_s = NEVER
        if self.busy_s != NEVER:
            self.busy_s = min(now_s, self.busy_s + gap_s)
        if self.tried_s != NEVER:
            self.tried_s = min(now_s, self.tried_s + gap_s)
        if self.timer_s != NEVER:
            self.timer_at_s = min(now_s, self.timer_at_s + gap_s)

    # What follows

    def trouble(self, now_s):
        # (since_s, why) once trouble is confirmed, None otherwise.
        #
        # look_s, look_why: when a poll is wanted because of what is believed, and for what.
        self.look_s = LATER
        since_s = _since_s(self)
        _, _, stuck_s, then = self._states[self.code]
        if self.code == _SUCCESS and since_s == LATER:
            self._look(max(self.enter_s, self.polled_s) + self._policy["unseen_s"], UNSEEN)
        elif then == WATCH:
            look_s = self.enter_s + stuck_s
            if self.polled_s >= look_s:
                look_s = self.polled_s + self._policy["unseen_s"]
            self._look(look_s, STUCK)
        if now_s < since_s:
            self.judged_s = NEVER
            self._look(since_s, self.why)
        elif self.polled_s < since_s:
            self._look(now_s, self.why)
        elif self.judged_s == NEVER:
            first = self.tried_s == NEVER and self.good_s == NEVER and self._found_s != NEVER
            self.judged_s = min(now_s, self._found_s) if first else now_s
        return None if self.judged_s == NEVER else (self.judged_s, self.why)

    def proved_until_s(self):
        # How long the last proof holds: to the announced update, or for a lifetime.
        if self.timer_s == NEVER:
            return max(self.good_s, self.proof_s) + self._policy["lifetime_s"]
        return self.timer_at_s + self.timer_s + self._states[_SUCCESS][2]

    def expire(self, now_s):
        # Give up a registration that nobody can prove any more; return when that will be.
        until_s = self.proved_until_s()
        end_s = until_s + self._policy["unseen_s"]
        if self.registered and now_s >= end_s and self.polled_s < until_s:
            self.registered = False
            self.suspect = True
        return end_s if now_s < end_s else LATER

    def can_call(self):
        # Whether AT+ULWM2MREG can help it.
        return self._states[self.code][3] == CALL

    def _begins(self, now_s, old):
        # After a restart, or a step of ours, anything may begin anew.
        if old == NO_CODE or self.code == NO_CODE:
            return True
        since_s = max(self.boot_s, self.tried_s)
        return self.code in _BEGINNINGS and now_s - since_s < self._policy["boot_window_s"]

    def _verdict(self, now_s):
        self.suspect = False
        registered = self._states[self.code][0] == GOOD
        if registered and not self.registered:
            self.good_s = now_s
            self.updated = False
            self.renewals += 1
            self.settled = True
        elif self.registered and not registered:
            self.lost_s = now_s
        self.registered = registered

    def _ask(self, at_s, why):
        if at_s < self.ask_s:
            self.ask_s = at_s
            self.ask_why = why

    def _look(self, at_s, why):
        if at_s < self.look_s:
            self.look_s = at_s
            self.look_why = why


def _since_s(state):
    # When the state becomes trouble if nothing changes; sets why.
    kind, _, stuck_s, then = state._states[state.code]
    state.why = GAVE_UP if kind == FAILED else STUCK
    enter_s = state.enter_s
    busy_s = state.busy_s
    if state._old_s != NEVER and state.tried_s == NEVER and state.good_s == NEVER:
        enter_s = min(enter_s, state._old_s)
        busy_s = min(busy_s, state._old_s)
    since_s = enter_s + stuck_s
    if state.code == _SUCCESS:
        if state.timer_s == NEVER or state.distrust == _DISTRUSTED:
            return LATER
        state.why = OVERDUE
        since_s = state.timer_at_s + state.timer_s + stuck_s
    elif then == WATCH:
        since_s = enter_s + state._policy["patience_s"]
    elif state.busy_s != NEVER and busy_s + state._policy["own_retry_s"] < since_s:
        since_s = busy_s + state._policy["own_retry_s"]
        state.why = OWN_RETRY
    if state.dead_end_s < since_s and kind != GOOD and state.code not in _BOOTSTRAPPING:
        since_s = state.dead_end_s
        state.why = DEAD_END
    if kind == FAILED and state.answer_s != NEVER:
        since_s = max(since_s, state.answer_s + stuck_s)
    elif state.tried_s >= enter_s:
        since_s = max(since_s, state.tried_s + state.window_s)
    if state.tried_s == NEVER and state.good_s == NEVER:
        since_s = max(since_s, state._found_s)  # the window of a step of an earlier run
    if state.settled or since_s > state.quiet_s:
        return since_s
    return state.quiet_s + state.spread_s
