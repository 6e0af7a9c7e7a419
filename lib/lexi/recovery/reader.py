# Reads the record that store.py writes. Loaded at the start, when there is one, and then dropped.

import json
import struct
import time
from binascii import crc32
from micropython import const

from .policy import NEVER
from .store import HEAD, MAGIC, MAX_AGE_S, NUMBERS, TIMES, VERSION

_HEAD_SIZE = const(5)
_BY_UPTIME = const(3)  # of TIMES on: a clock can be wrong, and an update must not be cut off

# A clock that was never set starts in 1970, 2000 or 2021; ages are taken from two readings of it
# only if both are before this time or both behind it. 1 January 2024, in the port's own epoch.
_SET_S = 1704067200 if time.gmtime(0)[0] == 1970 else 757382400


def unseal(data):
    """Return the body of a sealed record. Raises ValueError, saying what is wrong with it."""
    if len(data) < _HEAD_SIZE + 4:
        raise ValueError("record: %d bytes, cut off" % len(data))
    magic, version, size = struct.unpack_from(HEAD, data)
    end = _HEAD_SIZE + size
    if magic != MAGIC or version != VERSION:
        raise ValueError(
            "record: %r version %d, expected %r %d" % (magic, version, MAGIC, VERSION)
        )
    if len(data) < end + 4:
        raise ValueError("record: %d bytes, expected %d" % (len(data), end + 4))
    if struct.unpack_from("<I", data, end)[0] != crc32(data[:end]) & 0xFFFFFFFF:
        raise ValueError("record: the checksum does not match")
    return bytes(data[_HEAD_SIZE:end])


def unpack(budgets, data, now_s, wall_s=None):
    """Take over a record of pack(). Raises ValueError for anything else; then nothing changed.

    Returns the seconds that passed between the two. Without two readings of a clock that survives,
    no time passed while nobody looked.
    """
    try:
        saved_s, numbers, ages, tries, rings, servers = json.loads(data)
        elapsed_s = _elapsed_s(saved_s, wall_s)
        since_s = now_s - elapsed_s
        numbers = [int(each) for each in numbers]
        times = [_time(age_s, since_s) for age_s in ages[:_BY_UPTIME]]
        times += [_time(age_s, now_s) for age_s in ages[_BY_UPTIME:]]
        tries = bytes(tries)
        rings = [[_time(age_s, since_s) for age_s in ring] for ring in rings]
        servers = [(int(server), [int(each) for each in known]) for server, known in servers]
        if (len(numbers), len(times)) != (len(NUMBERS), len(TIMES)):
            raise ValueError
        if (len(tries), len(rings)) != (len(budgets.tries), len(budgets.rings)):
            raise ValueError
    except (ValueError, TypeError, IndexError, OverflowError):
        raise ValueError("record: %d bytes, not of this layout" % len(data))
    for name, value in zip(NUMBERS + TIMES, numbers + times):
        setattr(budgets, name, value)
    budgets.tries[:] = tries
    for ring, known in zip(budgets.rings, rings):
        for i in range(1, min(len(ring), len(known)) + 1):  # the newest, if the cap shrank
            ring[-i] = known[-i]
    for server, (n, repaired) in servers:
        budgets.set_server_tries(server, n)
        if repaired:
            budgets.repair(server)
    budgets.dirty = False
    return elapsed_s


def _time(age_s, since_s):
    return NEVER if age_s is None else max(since_s - int(age_s), NEVER + 1)


def _elapsed_s(saved_s, wall_s):
    if not saved_s or not wall_s or (saved_s >= _SET_S) != (wall_s >= _SET_S):
        return 0
    return min(max(int(wall_s) - saved_s, 0), MAX_AGE_S)
