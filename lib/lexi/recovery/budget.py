# What was spent of the ladder's steps, and what was begun. Rolling windows with their caps, the
# tries of an episode, the last step; and all of it as a record, for store.py to keep.

import struct
import time
from array import array
from micropython import const

from atport.errors import check

from .policy import (
    CAP,
    CAP_S,
    CAP_STEPS,
    NEVER,
    PARKED_AS,
    RADIO_CAP,
    SPACING,
    SPACING_S,
    STEP_PINS,
    STEP_RADIO,
    STEP_RESET,
)

_KINDS = const(8)  # steps of policy.py, and place 0 for all of them together
_HOUR_S = const(3600)
_DAY_S = const(86400)
_NO_AGE = const(0xFFFFFFFF)
_MAX_AGE_S = const(0x1FFFFFFF)

_BODY = "<IBIBBBIBHBI8s"
_SERVER = "<HBB"

# A clock that was never set starts in 1970, 2000 or 2021; ages are taken from two readings of it
# only if both are before this time or both behind it. 1 January 2024, in the port's own epoch.
_SET_S = 1704067200 if time.gmtime(0)[0] == 1970 else 757382400


class Budgets:
    """What was spent, and what was begun. Times are seconds of the ladder's clock.

    policy: a sound table of policy.py. servers: how many can be told apart.

    tries: module-wide tries of the episode, by step; place 0: soft resets while the network or
    the SIM refuses. mark, mark_s: ladder.MARK_..., what must still be ended. enabled: 1 when
    the client was enabled again in this episode. troubled: 1 when no server was registered since
    the last step. pin_tried: 1 when the SIM's PIN was entered and not accepted since. fota_s:
    last sign of a firmware update, far in the past for none. last: the action booked last,
    (action, server, reason, time). dirty: something changed that was not saved.
    """

    def __init__(self, policy, servers=8):
        check("servers", servers, 1, 64)
        self._steps = policy["steps"]
        caps = [policy["radio_per_hour"]]
        for step in range(1, _KINDS):
            caps.append(policy["steps"][step][CAP_STEPS])
        self._rings = [array("i", [NEVER] * cap) for cap in caps]
        self.tries = bytearray(_KINDS)
        self.mark = 0
        self.mark_s = 0
        self.enabled = 0
        self.troubled = 0
        self.pin_tried = 0
        self.fota_s = NEVER
        self.last = (0, 0, 0, NEVER)
        self._ids = array("H", bytes(2 * servers))
        self._server_tries = bytearray(servers)
        self._repaired = bytearray(servers)
        self._shared = False  # the last place
        self.dirty = False

    # Rolling windows: a ring holds the times of the last `cap` steps of its kind, in order.

    def spend(self, step, now_s):
        """Book a step of policy.py; 0: a radio action that is no step."""
        self._push(0, now_s)
        if step:
            self._push(step, now_s)
            self.troubled = 1
        if step in PARKED_AS:
            self._push(PARKED_AS[step], now_s)

    def _push(self, kind, now_s):
        ring = self._rings[kind]
        for i in range(len(ring) - 1):
            ring[i] = ring[i + 1]
        ring[len(ring) - 1] = now_s
        self.dirty = True

    def when(self, step, spaced=True, apart=True):
        """(time, SPACING, CAP or RADIO_CAP): when one more of this step is free, held by what.

        spaced: without it only the caps count. apart: also from the other steps that break the
        connection, if it is one of these.
        """
        base = PARKED_AS.get(step, 0)  # it counts as one of those too
        free_s = self._spaced_s(step, base, apart) if spaced else NEVER
        held_by = SPACING
        cap_s = self.free_s(step, self._steps[step][CAP_S])
        if base:
            cap_s = max(cap_s, self.free_s(base, self._steps[base][CAP_S]))
        if cap_s > free_s:
            free_s = cap_s
            held_by = CAP
        radio_s = self.free_s(0, _HOUR_S)
        if radio_s > free_s:
            return radio_s, RADIO_CAP
        return free_s, held_by

    def _spaced_s(self, step, base, apart):
        spacing_s = self._steps[step][SPACING_S]
        free_s = self.last_s(step) + spacing_s
        if base:
            spacing_s = self._steps[base][SPACING_S]
            free_s = max(free_s, self.last_s(base) + spacing_s)
        if base == STEP_RESET or (apart and STEP_RADIO <= step <= STEP_PINS):
            for other in range(STEP_RADIO, STEP_PINS + 1):
                free_s = max(free_s, self.last_s(other) + spacing_s)
        return free_s

    def free_s(self, step, window_s):
        """When one more of them stays within the cap of any such window. Step 0: all kinds."""
        return self._rings[step][0] + window_s

    def last_s(self, step):
        """When the last of them was taken."""
        ring = self._rings[step]
        return ring[len(ring) - 1]

    def left(self, step, now_s, window_s):
        """How many more are allowed now."""
        return sum(1 for at_s in self._rings[step] if at_s + window_s <= now_s)

    def exhaust(self, now_s):
        """Take everything as just spent, the PIN too: what is known is nothing better."""
        for ring in self._rings:
            for i in range(len(ring)):
                ring[i] = now_s
        self.pin_tried = 1
        self.dirty = True

    # The episode

    def count(self, step):
        """One more try of a module-wide step."""
        self.tries[step] = min(self.tries[step] + 1, 255)
        self.dirty = True

    def clear(self, step):
        """No tries of a module-wide step any more."""
        if self.tries[step]:
            self.tries[step] = 0
            self.dirty = True

    def server_tries(self, server):
        """Re-registrations of a server in this episode."""
        i = self._place(server)
        return self._server_tries[i] if i is not None else 0

    def set_server_tries(self, server, tries):
        i = self._place(server, True)
        self._server_tries[i] = min(tries, 255)
        self.dirty = True

    def repaired(self, server):
        """Whether the server was enabled again in this episode."""
        i = self._place(server)
        return i is not None and self._repaired[i]

    def repair(self, server):
        self._repaired[self._place(server, True)] = 1
        self.dirty = True

    def _place(self, server, add=False):
        # Where a server's numbers are; None without. The last place is shared by those too many.
        last = len(self._ids) - 1
        for i in range(last + 1):
            known = self._ids[i]
            if known == server:
                return i
            if known == 0:
                if add:
                    self._ids[i] = server
                return i if add else None
        self._shared = self._shared or add
        return last if self._shared else None

    def in_episode(self, server):
        """Whether something is on the books that end_episode() would clear."""
        return (
            self.enabled or any(self.tries) or self.server_tries(server) or self.repaired(server)
        )

    def end_episode(self, server):
        """The server is well again: its tries, and those of the module, count from zero."""
        i = self._place(server)
        if i is not None:
            self._server_tries[i] = self._repaired[i] = 0
        for step in range(_KINDS):
            self.tries[step] = 0
        self.enabled = 0
        self.dirty = True

    def recovered(self):
        """A server is registered: trouble that comes is new."""
        if self.troubled:
            self.troubled = 0
            self.dirty = True

    def last_step(self):
        """(step, time) of the last step against a trouble that is not over; step 0 without one."""
        latest = 0
        if self.troubled and (any(self.tries) or any(self._server_tries)):
            for step in range(1, _KINDS):
                if self.last_s(step) > (self.last_s(latest) if latest else NEVER):
                    latest = step
        return latest, self.last_s(latest)

    def note(self, action, server, reason, now_s):
        """Remember the last action."""
        self.last = (action, server, reason, now_s)
        self.dirty = True

    def set_mark(self, mark, now_s):
        """Say what was begun and must be ended; 0: nothing."""
        self.mark = mark
        self.mark_s = now_s
        self.dirty = True

    def set_pin_tried(self, tried):
        """Remember that the PIN was entered (1), or accepted (0)."""
        self.pin_tried = tried
        self.dirty = True

    def open(self, now_s):
        """Whether the passing of time still changes anything here."""
        for ring in self._rings:
            if ring[len(ring) - 1] + _DAY_S > now_s:
                return True
        tries = any(self.tries) or any(self._server_tries)
        return tries or self.mark or self.fota_s + _DAY_S > now_s

    # The record. Times are kept as ages, so that they can be read on another clock.

    def pack(self, now_s, wall_s=None):
        """Return the state as bytes. wall_s: a clock that runs on over resets, or None."""
        action, server, reason, last_s = self.last
        parts = [
            struct.pack(
                _BODY,
                int(wall_s or 0),
                self.mark,
                _age(self.mark_s, now_s),
                self.enabled,
                self.troubled,
                self.pin_tried,
                _age(self.fota_s, now_s),
                action,
                server,
                reason,
                _age(last_s, now_s),
                bytes(self.tries),
            )
        ]
        for ring in self._rings:
            ages = [_age(at_s, now_s) for at_s in ring if at_s != NEVER]
            parts.append(struct.pack("<B%dI" % len(ages), len(ages), *ages))
        for i, known in enumerate(self._ids):
            if known:
                parts.append(struct.pack(_SERVER, known, self._server_tries[i], self._repaired[i]))
        return b"".join(parts)

    def unpack(self, data, now_s, wall_s=None):
        """Take over a record of pack(). Raises ValueError for anything else.

        Without two readings of a clock that survives, no time passed while nobody looked.
        """
        try:
            fields = struct.unpack_from(_BODY, data)
            since_s = now_s - _elapsed_s(fields[0], wall_s)
            at = struct.calcsize(_BODY)
            rings = []
            for ring in self._rings:
                n = data[at]
                ages = struct.unpack_from("<%dI" % n, data, at + 1)
                at += 1 + 4 * n
                rings.append(ages[max(0, n - len(ring)) :])  # the newest, if the cap shrank
            servers = []
            while at < len(data):
                servers.append(struct.unpack_from(_SERVER, data, at))
                at += struct.calcsize(_SERVER)
        except (ValueError, IndexError, struct.error if hasattr(struct, "error") else ValueError):
            raise ValueError("record: %d bytes, not of this layout" % len(data))
        for ring, ages in zip(self._rings, rings):
            for i, each in enumerate(ages):
                ring[len(ring) - len(ages) + i] = _time(each, since_s)
        for server_id, tries, repaired in servers:
            self.set_server_tries(server_id, tries)
            if repaired:
                self.repair(server_id)
        _, self.mark, mark_age, self.enabled, self.troubled, self.pin_tried = fields[:6]
        fota_age, action, server, reason, last_age = fields[6:11]
        self.mark_s = _time(mark_age, since_s)
        self.fota_s = _time(fota_age, now_s)  # by uptime alone: a clock can be wrong
        self.last = (action, server, reason, _time(last_age, since_s))
        self.tries[:] = fields[11]
        self.dirty = False


def _age(at_s, now_s):
    return _NO_AGE if at_s == NEVER else min(max(now_s - at_s, 0), _MAX_AGE_S)


def _time(age_s, since_s):
    return NEVER if age_s == _NO_AGE else max(since_s - age_s, NEVER + 1)


def _elapsed_s(saved_s, wall_s):
    if not saved_s or not wall_s or (saved_s >= _SET_S) != (wall_s >= _SET_S):
        return 0
    return min(max(int(wall_s) - saved_s, 0), _MAX_AGE_S)
