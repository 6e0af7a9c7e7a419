# What must survive a reset of the MCU: the budgets of the ladder and its last step.
#
# A Keeper seals the Budgets (magic, version, length, CRC-32) into a FileStore or an RtcStore, or
# anything else with load() and save(). What cannot be read or written is never taken for "nothing
# was spent yet": all budgets then count as just spent.
#
# Written are: every step before its command, the end of a step or an episode, and checkpoints
# while something is on the books: 1, 2, 4, ... min after a start, then once an hour. So at least
# half of the uptime counts even if the MCU restarts often and no clock survives. That bounds the
# writes of a day, see writes_per_day().

import os
import struct
from binascii import crc32
from micropython import const

from atport.errors import check

CHECKPOINT_S = const(3600)
FIRST_CHECKPOINT_S = const(60)

_DAY_S = const(86400)

_MAGIC = b"LX"
_VERSION = const(1)
_HEAD = "<2sBH"
_HEAD_SIZE = const(5)


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
