# Tells the application what the supervisor does and why: events to its subscribers, each thing once.
# texts.py puts them in words.

from collections import namedtuple
from micropython import const

from atport.errors import check_plain, refuse

from . import policy
from .moves import degraded

# Kinds of events.
DOING = const(1)
DEFERRED = const(2)
REFUSED = const(3)
REGISTERED = const(4)
LOST = const(5)
RENEW = const(6)
DEGRADED = const(7)
PARKED = const(8)
STORE = const(9)
FOTA = const(10)

# kind: DOING, ... of this file. action, reason, held_by: of policy.py. server: its short ID, 0 for
# none. in_s: seconds until a deferred action.
Event = namedtuple("Event", ("kind", "action", "server", "reason", "held_by", "in_s"))

_ABOUT_S = const(5)  # a time that moved by less is not told again


class Teller:
    """Subscribers, and what they were told.

    failures, last_error: everything that went wrong, the subscribers' own errors included.
    """

    def __init__(self, channel):
        self._channel = channel
        self._subscribers = []
        self._waiting = (policy.NONE, 0, 0, 0)  # what waits: action, server, reason, held by
        self.at_s = policy.LATER  # until when
        self._store_failed = False
        self.failures = 0
        self.last_error = None

    def subscribe(self, fn):
        check_plain("fn", fn)
        self._subscribers.append(fn)

    def unsubscribe(self, fn):
        self._subscribers.remove(fn)

    def failed(self, e):
        # Count what went wrong.
        self.failures += 1
        self.last_error = e

    def store_failed(self, e):
        # Told by catch_up(): who may hear of it is not there yet when the record is read.
        self.failed(e)
        self._store_failed = True

    def catch_up(self):
        if self._store_failed:
            self._store_failed = False
            self.tell(STORE, policy.NONE, 0, 0)

    def tell(self, kind, action, server, reason, held_by=0, in_s=0):
        # Call every subscriber.
        event = Event(kind, action, server, reason, held_by, in_s)
        for fn in list(self._subscribers):
            try:
                refuse(fn(event))
            except Exception as e:  # counted: a subscriber must not stop the recovery
                self.failed(e)
                self._channel.report(e)

    def waiting(self, decision, held_by, at_s, now_s):
        # What waits and why, whenever that has changed.
        action = decision.action or decision.pending
        told = self._waiting
        if (
            told[0] == action
            and told[1] == decision.server
            and told[2] == decision.reason
            and told[3] == held_by
            and (action == policy.NONE or abs(at_s - self.at_s) < _ABOUT_S)
        ):
            return
        self._waiting = (action, decision.server, decision.reason, held_by)
        self.at_s = at_s
        if held_by != policy.WELL:
            self.tell(DEFERRED, action, decision.server, decision.reason, held_by, at_s - now_s)

    def verdicts(self, case):
        # Of each server: registered, lost, registered anew, lost for good.
        for state in case.servers:
            renewed = state.renewals != state.told_renewals
            if state.told_up and (renewed or not state.registered):
                state.told_up = False
                self.tell(LOST, policy.NONE, state.id, 0)
            if state.registered and not state.told_up:
                state.told_up = True
                self.tell(REGISTERED, policy.NONE, state.id, 0)
            if renewed:
                if state.told_renewals:  # it replaced a registration
                    self.tell(RENEW, policy.NONE, state.id, 0)
                state.told_renewals = state.renewals
            if degraded(case, state) != state.told_degraded:
                state.told_degraded = not state.told_degraded
                if state.told_degraded:
                    self.tell(DEGRADED, policy.NONE, state.id, state.why)
