# What must survive a reset of the MCU: the budgets of the ladder and its last step.
#
# Budgets is the state as the ladder uses it. A Keeper seals it (magic, version, length, CRC-32)
# into a FileStore or an RtcStore, or anything else with load() and save(). What cannot be read
# or written is never taken for "nothing was spent yet": all budgets then count as just spent.
#
# Written are: every step before its command, the end of a step or an episode, and checkpoints
# while something is on the books: 1, 2, 4, ... min after a start, then once an hour. So at least
# half of the uptime counts even if the MCU restarts often and no clock survives. That bounds the
# writes of a day, see writes_per_day().

import os
import struct
import time
from array import array
from binascii import crc32
from micropython import const

from atport.errors import check

from .policy import CAP, PARKED_AS

CHECKPOINT_S = const(3600)
FIRST_CHECKPOINT_S = const(60)

_NEVER = const(-0x20000000)
_KINDS = const(8)  # steps of policy.py, and place 0 for all of them together
_DAY_S = const(86400)
_NO_AGE = const(0xFFFFFFFF)
_MAX_AGE_S = const(0x1FFFFFFF)

_MAGIC = b"LX"
_VERSION = const(1)
_HEAD = "<2sBH"
_HEAD_SIZE = const(5)
_BODY = "<IBIBBBIBHBI8s"
_SERVER = "<HBB"

# A clock that was never set starts in 1970, 2000 or 2021; ages are taken from two readings of it
# only if both are before this time or both behind it. 1 January 2024, in the port's own epoch.
_SET_S = 1704067200 if time.gmtime(0)[0] == 1970 else 757382400


class Budgets:
    """What was spent, and what was begun. Times are seconds of the ladder's clock.

    policy: a sound table of policy.py. servers: how many can be told apart.

    tries: module-wide tries of the episode, by step; place 0: soft resets while the network or
    the SIM refuses. mark, mark_s: recovery.MARK_..., what must still be ended. enabled: 1 when
    the client was enabled again in this episode. troubled: 1 when no server was registered since
    the last step. pin_tried: 1 when the SIM's PIN was entered and not accepted since. fota_s:
    last sign of a firmware update, far in the past for none. last: the action booked last,
    (action, server, reason, time). dirty: something changed that was not saved.
    """

    def __init__(self, policy, servers=8):
        check("servers", servers, 1, 64)
        caps = [policy["radio_per_hour"]]
        for step in range(1, _KINDS):
            caps.append(policy["steps"][step][CAP])
        self._rings = [array("i", [_NEVER] * cap) for cap in caps]
        self.tries = bytearray(_KINDS)
        self.mark = 0
        self.mark_s = 0
        self.enabled = 0
        self.troubled = 0
        self.pin_tried = 0
        self.fota_s = _NEVER
        self.last = (0, 0, 0, _NEVER)
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
                if self.last_s(step) > (self.last_s(latest) if latest else _NEVER):
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
            ages = [_age(at_s, now_s) for at_s in ring if at_s != _NEVER]
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
    return _NO_AGE if at_s == _NEVER else min(max(now_s - at_s, 0), _MAX_AGE_S)


def _time(age_s, since_s):
    return _NEVER if age_s == _NO_AGE else max(since_s - age_s, _NEVER + 1)


def _elapsed_s(saved_s, wall_s):
    if not saved_s or not wall_s or (saved_s >= _SET_S) != (wall_s >= _SET_S):
        return 0
    return min(max(int(wall_s) - saved_s, 0), _MAX_AGE_S)


def writes_per_day(policy, starts=0):
    """The most records that one day with so many starts of the node can need.

    Checkpoints, two for each step, and for each start one and its early checkpoints.
    """
    early = 1
    at_s = FIRST_CHECKPOINT_S
    while at_s < CHECKPOINT_S:
        early += 1
        at_s *= 2
    return _DAY_S // CHECKPOINT_S + 24 * 2 * policy["radio_per_hour"] + early * starts


def seal(body):
    """Return `body` with magic, version, length and CRC-32."""
    data = struct.pack(_HEAD, _MAGIC, _VERSION, len(body)) + body
    return data + struct.pack("<I", crc32(data) & 0xFFFFFFFF)


def unseal(data):
    """Return the body of a sealed record. Raises ValueError, saying what is wrong with it."""
    if len(data) < _HEAD_SIZE + 4:
        raise ValueError("record: %d bytes, cut off" % len(data))
    magic, version, size = struct.unpack_from(_HEAD, data)
    end = _HEAD_SIZE + size
    if magic != _MAGIC or version != _VERSION:
        raise ValueError("record: %r version %d, expected %r 1" % (magic, version, _MAGIC))
    if len(data) < end + 4:
        raise ValueError("record: %d bytes, expected %d" % (len(data), end + 4))
    if struct.unpack_from("<I", data, end)[0] != crc32(data[:end]) & 0xFFFFFFFF:
        raise ValueError("record: the checksum does not match")
    return bytes(data[_HEAD_SIZE:end])


class FileStore:
    """A file, replaced as a whole: for RP2040, unix, and ESP32 that lose their power."""

    def __init__(self, path="lexi.bud"):
        self._path = path

    def load(self):
        """The record; None when there never was one. Raises OSError."""
        for path in (self._path, self._path + ".new"):  # FAT removes the old one first
            try:
                with open(path, "rb") as f:
                    return f.read()
            except OSError as e:
                if e.args[0] != 2:  # ENOENT
                    raise
        return None

    def save(self, data):
        """Write the record. Raises OSError; the old record is then still there."""
        path = self._path + ".new"
        with open(path, "wb") as f:
            f.write(data)
            f.flush()
        if hasattr(os, "sync"):
            os.sync()
        if hasattr(os, "replace"):  # CPython
            os.replace(path, self._path)
        else:
            os.rename(path, self._path)


class RtcStore:
    """RTC memory of an ESP32: survives resets and deep sleep, is never worn, lost with power.

    rtc: machine.RTC(). offset: of the record, if the application keeps something before it.
    After power-up it is empty, which counts as a record that was lost: the first
    re-registration then comes an hour later, the first reset a day later. The RTC runs on: pass
    wall=time.time. A PIN is not entered with it: whether it was refused before would be lost.
    """

    lost_with_power = True
    writes_flash = False

    def __init__(self, rtc=None, offset=0):
        if rtc is None:
            import machine

            rtc = machine.RTC()
        self._rtc = rtc
        self._offset = check("offset", offset, 0, 2048)

    def load(self):
        return bytes(self._rtc.memory()[self._offset :])

    def save(self, data):
        """Raises OSError when the memory is too small."""
        kept = bytes(self._rtc.memory()[: self._offset])
        try:
            self._rtc.memory(kept + bytes(self._offset - len(kept)) + data)
        except ValueError:
            raise OSError("RTC memory: no room for %d bytes" % (self._offset + len(data)))


class Keeper:
    """Keeps Budgets in a store.

    store: load() gives bytes, or None when there never was a record; save(bytes). Both may raise
    OSError. writes_flash, if it has that and it is false: saving stops no interrupts. wall(): seconds of a clock that survives what the store survives, or None.
    on_failure(e): called once, with the first OSError, or the ValueError of a bad record.

    failed: the store cannot be written. writes: records written since the start.
    """

    def __init__(self, store, budgets, wall=None, on_failure=None):
        for method in ("load", "save"):
            if not callable(getattr(store, method, None)):
                raise ValueError("store: %r has no %s()" % (store, method))
        self._store = store
        self.writes_flash = getattr(store, "writes_flash", True)
        self._budgets = budgets
        self._wall = wall
        self._on_failure = on_failure
        self._tried_s = 0
        self._gap_s = FIRST_CHECKPOINT_S
        self.failed = False
        self.writes = 0

    def load(self, now_s):
        """Take over what was saved, or the most careful assumption; then write it back."""
        try:
            data = self._store.load()
            if data is not None:
                self._budgets.unpack(unseal(data), now_s, self._wall and self._wall())
        except (OSError, ValueError) as e:
            self._budgets.exhaust(now_s)
            self._tell(e)
        self.save(now_s)

    def save(self, now_s):
        """Write the budgets; return whether a step may go ahead.

        The first failure spends all budgets: what is on the books in RAM would be forgotten by
        a reset. Later ones let the step go ahead, on the budgets in RAM.
        """
        if now_s - self._tried_s >= self._gap_s:
            self._gap_s = min(2 * self._gap_s, CHECKPOINT_S)
        self._tried_s = now_s
        try:
            self._store.save(seal(self._budgets.pack(now_s, self._wall and self._wall())))
            self.writes += 1
            self._budgets.dirty = False
            self.failed = False
        except OSError as e:
            self._gap_s = CHECKPOINT_S
            if not self.failed:
                self.failed = True
                self._budgets.exhaust(now_s)
                self._tell(e)
                return False
        return True

    def _tell(self, e):
        if self._on_failure:
            self._on_failure(e)
            self._on_failure = None

    def due_s(self, now_s):
        """Seconds until a record is due, 0 for now; None while time changes nothing."""
        if self._budgets.dirty and not self.failed:
            return 0
        if not self._budgets.dirty and not self._budgets.open(now_s):
            return None
        return max(0, self._tried_s + self._gap_s - now_s)
