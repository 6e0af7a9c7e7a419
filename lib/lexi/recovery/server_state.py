# What is believed of the servers: takes status codes, timers and closed connections as they are
# seen, and knows what of it can be true. The ladder (ladder.py) decides by it.

from array import array
from micropython import const

from ..codes import FAILED as _FAILED
from ..codes import GOOD as _GOOD
from ..codes import NO_CODE as _NO_CODE
from ..codes import REGISTERED as _REGISTERED

# As in ladder.py.
_NEVER = const(-0x20000000)  # a time before all others
_WELL = const(0)
_ILLEGAL = const(8)
_UNKNOWN_CODE = const(9)
_FROZEN = const(10)
_CLOSED = const(11)
_LOST_URC = const(13)
_MARK_REBOOT = const(3)

_FIRST_BOOTSTRAP = const(10)
_BOOTSTRAP_DONE = const(14)
_SUCCESS = const(3)
_TRYING = (1, 2)
_ALIVE = (1, 2, 3, 5)
_IN_FLIGHT = (2, 5)
_BEGINNINGS = (0, 1, 2, 10)
_TRUSTED = const(0)  # Track.distrust
_TESTED = const(1)  # a try was made because the timer ran out
_DISTRUSTED = const(2)  # it succeeded, and the timer has not moved since
_TIMER_SLACK_S = const(5)  # by so much the module's count-down may run ahead of our clock
_OTHERS = const(16)


class Track:
    """What the ladder knows of one server. registered is the verdict for the application.

    An illegal jump changes `code` at once, and the verdict when a poll was answered. degraded:
    its tries are used up while another server is registered. renewals: how many times it was
    registered anew, which ends the observations of the server.
    """

    def __init__(self, server, now_s):
        self.id = server
        self.registered = False
        self.degraded = False
        self.renewals = 0
        self.code = _NO_CODE
        self.enter_s = now_s  # when the code was first seen: repetitions do not count
        self.suspect = False
        self.busy_s = _NEVER  # since when the module is trying by itself
        self.timer_s = _NEVER
        self.timer_at_s = _NEVER
        self.frozen = False
        self.distrust = _TRUSTED  # a frozen timer costs one try, not one after another
        self.odd_s = _NEVER  # when it was last asked about an unknown code
        self.closed_s = _NEVER
        self.good_s = _NEVER  # since when it is registered
        self.settled = False  # it was registered since the module's last start
        self.updated = False  # an update was seen since
        self.tries = 0
        self.tried_s = _NEVER
        self.window_s = 0
        self.answer_s = _NEVER  # when the module said "failed" to the last try
        self.judged_s = _NEVER  # since when the trouble is confirmed
        self.wait_s = 0  # between that and the next try
        self.why = _WELL
        self.proof_s = _NEVER  # when a registration or update was last proved
        self.told = self.told_degraded = False  # what the supervisor has told of it
        self.told_renewals = 0


class Beliefs:
    """The part of a Ladder that sees."""

    def watch(self, servers):
        """Follow these servers (short IDs) from now on; what is known of them stays."""
        tracks = []
        for server in servers:
            track = self.track(server)
            if track is None:
                track = Track(server, self._now_s)
                track.tries = self.budgets.server_tries(server)
                self._other(server, _NEVER)
            tracks.append(track)
        self.tracks = tracks
        self._near = self._bootstrap

    def track(self, server):
        """The Track of a server, or None."""
        for track in self.tracks:
            if track.id == server:
                self._near = track
                return track
        return None

    def registered(self, server):
        """The verdict for the application; does not follow an illegal jump before a poll."""
        track = self.track(server)
        return track is not None and track.registered

    def rebooted(self, now_s):
        """The module restarted: nothing that was known of it holds any more."""
        self._boot_s = now_s
        if now_s >= self._start_end_s:  # not one of many that had their power back
            self._boot_spread_s = 0
        self._boot_end_s = now_s + self.policy["boot_window_s"]
        self.view.diagnosed_s = _NEVER
        self.view.init = self.view.client = None
        for track in self.tracks:
            self._enter(track, _NO_CODE, now_s)
            track.registered = track.suspect = track.settled = False
            track.timer_s = _NEVER
        self._enter(self._bootstrap, _NO_CODE, now_s)
        for i in range(_OTHERS):
            self._other_s[i] = _NEVER
        self._unpolled_s = _NEVER
        if self.budgets.mark == _MARK_REBOOT:
            self.budgets.set_mark(0, now_s)

    def see(self, now_s, server, code):
        """Take a status code, from a URC or a poll; return whether anything follows from it."""
        track = self._near
        if track.id != server:
            track = self.track(server)
        if code == _SUCCESS and track is not None and track.code == code:
            if track.distrust == _TRUSTED and now_s - track.proof_s < self.policy["suspect_s"]:
                track.proof_s = now_s
                self.view.init = None
                return False
        self._see(track, now_s, server, code)
        return True

    def _see(self, track, now_s, server, code):
        if track is None:
            if code < _FIRST_BOOTSTRAP or code == _NO_CODE:
                self._other(server, now_s if code in _REGISTERED else _NEVER)
                return
            track = self._bootstrap
        if code not in self._states:
            if now_s - track.odd_s >= self.policy["unseen_s"]:
                track.odd_s = now_s
                self._ask(now_s + self.policy["suspect_s"], _UNKNOWN_CODE)
            return
        if self.view.init is not None and code in _ALIVE:
            self.view.init = None  # whatever failed, it did not
        old = track.code
        if code == _SUCCESS:
            if old == code and now_s - track.proof_s >= self.policy["suspect_s"]:
                track.updated = True
                track.timer_s = _NEVER
            track.proof_s = now_s
            if track.distrust == _TESTED:
                track.distrust = _DISTRUSTED
        elif self._states[code][0] == _FAILED and track.answer_s == _NEVER:
            track.answer_s = now_s
        if code == old:
            return
        if code < _FIRST_BOOTSTRAP or code == _BOOTSTRAP_DONE:
            if self._bootstrap.code != _NO_CODE:
                self._enter(self._bootstrap, _NO_CODE, now_s)
            if track is self._bootstrap:
                return
        if code < _SUCCESS or track is self._bootstrap:
            self._enter(track, code, now_s)
        else:  # the same, for the most frequent ones
            track.busy_s = track.judged_s = _NEVER
            track.code = code
            track.enter_s = now_s
        if code == _SUCCESS:
            track.timer_s = _NEVER
            track.updated = track.updated or old in _REGISTERED
        elif code in _IN_FLIGHT and now_s - track.closed_s < self.policy["closed_s"]:
            self._ask(now_s + self.policy["suspect_s"], _CLOSED)
        if code not in self._states[old][1] and not self._legal(track, old, code):
            track.suspect = True
            self._ask(now_s + self.policy["suspect_s"], _ILLEGAL)
        elif not track.suspect and track.registered is not (self._states[code][0] == _GOOD):
            self._verdict(track, now_s)

    def see_timer(self, now_s, server, timer_s):
        """Take the seconds to the next update; return whether anything follows from them.

        More than before proves a registration.
        """
        track = self._near
        if track.id != server:
            track = self.track(server)
        if track is None:
            return False
        before_s = track.timer_s
        if timer_s == before_s:
            if now_s - track.timer_at_s < self.policy["frozen_s"] or track.frozen:
                return False
            track.frozen = True
            self._ask(now_s, _FROZEN)
            return True
        track.frozen = False
        # A count-down that goes on as it did says nothing new.
        expected = track.distrust == _TRUSTED and (
            now_s + timer_s + _TIMER_SLACK_S >= track.timer_at_s + before_s
        )
        if before_s != _NEVER:
            track.distrust = _TRUSTED
        track.timer_s = timer_s
        track.timer_at_s = now_s
        if timer_s < before_s:
            return not expected
        if before_s != _NEVER:
            track.updated = True
            track.proof_s = now_s
            if track.code != _SUCCESS:
                self._ask(now_s, _LOST_URC)
        return True

    def see_closed(self, now_s, server):
        """The connection to a server was closed. Normal, unless a request is pending."""
        track = self.track(server)
        if track is None:
            return
        track.closed_s = now_s
        if track.code in _IN_FLIGHT and now_s - track.enter_s < self.policy["closed_s"]:
            self._ask(now_s + self.policy["suspect_s"], _CLOSED)

    def _enter(self, track, code, now_s):
        if code not in _TRYING:
            track.busy_s = _NEVER
        elif track.busy_s == _NEVER:
            track.busy_s = now_s
        track.code = code
        track.enter_s = now_s
        track.judged_s = _NEVER

    def _legal(self, track, old, code):
        if old == _NO_CODE or code == _NO_CODE or code in self._states[old][1]:
            return True
        # After a restart, or a step of ours, anything may begin anew.
        started_s = max(self._boot_s, track.tried_s)
        return code in _BEGINNINGS and track.enter_s - started_s < self.policy["boot_window_s"]

    def _verdict(self, track, now_s):
        track.suspect = False
        registered = self._states[track.code][0] == _GOOD
        if registered and not track.registered:
            track.good_s = now_s
            track.updated = False
            track.renewals += 1
            self.budgets.recovered()
            track.settled = True
            self._resumed_net_s = _NEVER
        elif track.registered and not registered:
            self._held(track, now_s)
        track.registered = registered

    def _ask(self, at_s, why):
        if at_s < self._ask_s:
            self._ask_s = at_s
            self._ask_why = why

    def _look(self, at_s, why):
        if at_s < self._look_s:
            self._look_s = at_s
            self._look_why = why
