# What must survive a reset of the MCU: the Budgets of the ladder (budget.py), as a record.
#
# A Keeper seals the record (magic, version, length, CRC-32) into a FileStore, an RtcStore (rtc.py),
# or anything else with load() and save(). What cannot be read or written is never taken for "nothing
# was spent yet": all budgets then count as just spent. So does a record of another version.
#
# Written are: every step before its command, the end of a step or an episode, and checkpoints
# while something is on the books: 1, 2, 4, ... min after a start, then once an hour. So at least
# 40 % of the uptime counts even if the MCU restarts often and no clock survives. That bounds the
# writes of a day: 24, two for each step, 9 for each start, and 12 an hour for what is only noticed.

import json
import os
import struct
from binascii import crc32
from micropython import const

from atport.lazy import borrow

from .policy import NEVER

CHECKPOINT_S = const(3600)
FIRST_CHECKPOINT_S = const(60)
_SOON_S = const(300)  # so long what was only noticed may wait
_LIFE_S = const(5)  # that a run of the MCU counts for which was too short for a checkpoint

# The record: see also reader.py, which reads it.
MAGIC = b"LX"
VERSION = const(2)
HEAD = "<2sBH"
MAX_AGE_S = const(0x1FFFFFFF)

NUMBERS = ("mark", "enabled", "troubled", "well", "pin_tried", "starts")
TIMES = ("mark_s", "dead_s", "down_s", "fota_s", "fota_first_s")


def pack(budgets, now_s, wall_s=None):
    """Return the Budgets as bytes: JSON, with ages for times so that any clock can read them.

    wall_s: a clock that runs on over resets, or None.
    """
    return json.dumps(
        [
            int(wall_s or 0),
            [getattr(budgets, name) for name in NUMBERS],
            [_age(getattr(budgets, name), now_s) for name in TIMES],
            list(budgets.tries),
            [[_age(at_s, now_s) for at_s in ring if at_s != NEVER] for ring in budgets.rings],
            list(budgets.servers.items()),
        ]
    ).encode()


def _age(at_s, now_s):
    return None if at_s == NEVER else min(max(now_s - at_s, 0), MAX_AGE_S)


def seal(body):
    """Return `body` with magic, version, length and CRC-32."""
    data = struct.pack(HEAD, MAGIC, VERSION, len(body)) + body
    return data + struct.pack("<I", crc32(data) & 0xFFFFFFFF)


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
    OSError. writes_flash, if it has that and it is false: saving stops no interrupts.
    wall(): seconds of a clock that survives what the store survives, or None.
    on_failure(e): called once, with the first OSError, or the ValueError of a bad record.

    failed: the store cannot be written. writes: records written since the start.
    """

    def __init__(self, store, budgets, wall=None, on_failure=None, count=None):
        for method in ("load", "save"):
            if not callable(getattr(store, method, None)):
                raise ValueError("store: %r has no %s()" % (store, method))
        self._store = store
        self.writes_flash = getattr(store, "writes_flash", True)
        self._budgets = budgets
        self._wall = wall
        self._on_failure = on_failure
        self._count = count
        self._tried_s = 0
        self._gap_s = FIRST_CHECKPOINT_S
        self.failed = False
        self.writes = 0

    def load(self, now_s):
        """Take over what was saved, or the most careful assumption; then write it back."""
        elapsed_s = 0
        try:
            data = self._store.load()
            if data is not None:
                reader = borrow("lexi.recovery.reader")
                body = reader.unseal(data)
                elapsed_s = reader.unpack(self._budgets, body, now_s, self._wall_s())
        except (OSError, ValueError) as e:
            self._budgets.exhaust(now_s)
            self._tell(e)
        self._budgets.started(now_s, 0 if elapsed_s else _LIFE_S)
        self.save(now_s)

    async def write(self, channel, for_good=False):
        """save(), when no command waits for the port: input is lost while flash is written.

        for_good: return whether it was really written.
        """
        if self.writes_flash:
            saved = await channel.write_flash(lambda: self.save(channel.clock.now_s()))
        else:
            saved = self.save(channel.clock.now_s())
        return saved and not (for_good and self.failed)

    def save(self, now_s):
        """Write the budgets; return whether a step may go ahead.

        The first failure spends all budgets: what is on the books in RAM would be forgotten by
        a reset. Later ones let the step go ahead, on the budgets in RAM.
        """
        if now_s - self._tried_s >= self._gap_s:
            self._gap_s = min(2 * self._gap_s, CHECKPOINT_S)
        self._tried_s = now_s
        try:
            self._store.save(seal(pack(self._budgets, now_s, self._wall_s())))
            self.writes += 1
            self._budgets.dirty = self._budgets.soon = False
            self.failed = False
        except OSError as e:
            self._gap_s = CHECKPOINT_S
            if not self.failed:
                self.failed = True
                self._budgets.exhaust(now_s)
                self._tell(e)
                return False
        return True

    def _wall_s(self):
        # A clock that fails is no clock, and no failure of the store.
        try:
            return self._wall and self._wall()
        except Exception as e:
            if self._count:
                self._count(e)
            return None

    def _tell(self, e):
        if self._on_failure:
            self._on_failure(e)
            self._on_failure = None

    def due_s(self, now_s):
        """Seconds until a record is due, 0 for now; None while time changes nothing."""
        if self._budgets.dirty and not self.failed:
            return 0
        gap_s = (
            min(self._gap_s, _SOON_S) if self._budgets.soon and not self.failed else self._gap_s
        )
        if gap_s == self._gap_s and not self._budgets.dirty and not self._budgets.open(now_s):
            return None
        return max(0, self._tried_s + gap_s - now_s)
