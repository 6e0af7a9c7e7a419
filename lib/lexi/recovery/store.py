# What must survive a reset of the MCU: the Budgets of the ladder (budget.py), as a record.
#
# A Keeper seals the record (magic, version, length, CRC-32) into a FileStore, an RtcStore (rtc.py),
# or anything else with load() and save(). What cannot be read or written is never taken for "nothing
# was spent yet": all budgets then count as just spent. So does a record of another version.
#
# Written are: every step before its command, the end of a step or an episode, and checkpoints
# while something is on the books: 1, 2, 4, ... min after a start, then once an hour. So at least
# half of the uptime counts even if the MCU restarts often and no clock survives. That bounds the
# writes of a day: 24, two for each step, and 7 for each start.

import json
import os
import struct
import time
from binascii import crc32
from micropython import const

from .policy import NEVER

CHECKPOINT_S = const(3600)
FIRST_CHECKPOINT_S = const(60)

_MAGIC = b"LX"
_VERSION = const(2)
_HEAD = "<2sBH"
_HEAD_SIZE = const(5)
_MAX_AGE_S = const(0x1FFFFFFF)

# A clock that was never set starts in 1970, 2000 or 2021; ages are taken from two readings of it
# only if both are before this time or both behind it. 1 January 2024, in the port's own epoch.
_SET_S = 1704067200 if time.gmtime(0)[0] == 1970 else 757382400

_NUMBERS = ("mark", "enabled", "troubled", "well", "pin_tried", "starts")
_TIMES = ("mark_s", "dead_s", "down_s", "fota_s", "fota_first_s")
_BY_UPTIME = const(3)  # of these on: a clock can be wrong, and an update must not be cut off


def pack(budgets, now_s, wall_s=None):
    """Return the Budgets as bytes: JSON, with ages for times so that any clock can read them.

    wall_s: a clock that runs on over resets, or None.
    """
    return json.dumps(
        [
            int(wall_s or 0),
            [getattr(budgets, name) for name in _NUMBERS],
            [_age(getattr(budgets, name), now_s) for name in _TIMES],
            list(budgets.tries),
            [[_age(at_s, now_s) for at_s in ring if at_s != NEVER] for ring in budgets.rings],
            [
                [server, budgets.server_tries(server), budgets.repaired(server)]
                for server in budgets.ids
                if server
            ],
        ]
    ).encode()


def unpack(budgets, data, now_s, wall_s=None):
    """Take over a record of pack(). Raises ValueError for anything else; then nothing changed.

    Without two readings of a clock that survives, no time passed while nobody looked.
    """
    try:
        saved_s, numbers, ages, tries, rings, servers = json.loads(data)
        since_s = now_s - _elapsed_s(saved_s, wall_s)
        numbers = [int(each) for each in numbers]
        times = [_time(age_s, since_s) for age_s in ages[:_BY_UPTIME]]
        times += [_time(age_s, now_s) for age_s in ages[_BY_UPTIME:]]
        tries = bytes(tries)
        rings = [[_time(age_s, since_s) for age_s in ring] for ring in rings]
        servers = [(int(server), int(n), int(repaired)) for server, n, repaired in servers]
        if (len(numbers), len(times)) != (len(_NUMBERS), len(_TIMES)):
            raise ValueError
        if (len(tries), len(rings)) != (len(budgets.tries), len(budgets.rings)):
            raise ValueError
    except (ValueError, TypeError, IndexError, OverflowError):
        raise ValueError("record: %d bytes, not of this layout" % len(data))
    for name, value in zip(_NUMBERS + _TIMES, numbers + times):
        setattr(budgets, name, value)
    budgets.tries[:] = tries
    for ring, known in zip(budgets.rings, rings):
        for i in range(1, min(len(ring), len(known)) + 1):  # the newest, if the cap shrank
            ring[-i] = known[-i]
    for server, n, repaired in servers:
        budgets.set_server_tries(server, n)
        if repaired:
            budgets.repair(server)
    budgets.dirty = False


def _age(at_s, now_s):
    return None if at_s == NEVER else min(max(now_s - at_s, 0), _MAX_AGE_S)


def _time(age_s, since_s):
    return NEVER if age_s is None else max(since_s - int(age_s), NEVER + 1)


def _elapsed_s(saved_s, wall_s):
    if not saved_s or not wall_s or (saved_s >= _SET_S) != (wall_s >= _SET_S):
        return 0
    return min(max(int(wall_s) - saved_s, 0), _MAX_AGE_S)


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
        raise ValueError(
            "record: %r version %d, expected %r %d" % (magic, version, _MAGIC, _VERSION)
        )
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
                unpack(self._budgets, unseal(data), now_s, self._wall and self._wall())
        except (OSError, ValueError) as e:
            self._budgets.exhaust(now_s)
            self._tell(e)
        self._budgets.started(now_s)
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
            self._store.save(seal(pack(self._budgets, now_s, self._wall and self._wall())))
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
