# What a server writes into an instance: all of it or nothing.

from micropython import const

from lwm2m.objects import MULTIPLE, W

_CHANGED = const(0x44)
_BAD_REQUEST = const(0x80)
_NOT_FOUND = const(0x84)
_NOT_ALLOWED = const(0x85)


def apply(instance, items, replace, whole):
    """Write [(resource id, resource instance id or -1, value)]; return the code of the answer.

    replace: what is written stands for all that was there (PUT), else it is added. whole: that is
    an instance, not a resource: what is not named gets its default, if it can be written.
    """
    new = {}
    for rid, riid, value in items:
        entry = instance.entry(rid)
        if not entry:
            return _NOT_FOUND
        if not entry & W:
            return _NOT_ALLOWED
        if bool(entry & MULTIPLE) != (riid >= 0 or isinstance(value, dict)):
            return _BAD_REQUEST
        if riid >= 0:
            parts = new.get(rid)
            if parts is None:
                parts = {} if replace else dict(instance.get(rid, {}))
            parts[riid] = value
            value = parts
        new[rid] = value
    if instance.check:
        for rid, value in new.items():
            if not instance.check(rid, value):
                return _BAD_REQUEST
    if replace and whole:
        for entry in instance.table[3]:
            if entry & W and entry >> 8 not in new:
                new[entry >> 8] = instance.defaults.get(entry >> 8)
    for rid, value in new.items():
        instance.change(rid, value)
    if instance.wrote:
        for rid in new:
            instance.wrote(rid)
    return _CHANGED


def arguments_ok(data):
    """Say whether the arguments of an Execute are right: 0='a',3 (LwM2M 1.1 Core 5.4.5)."""
    at = 0
    n = len(data)
    while n:
        if at >= n or not 48 <= data[at] <= 57:
            return False
        at += 1
        if at < n and data[at] == 61:
            if at + 1 >= n or data[at + 1] != 39:
                return False
            at = data.find(b"'", at + 2) + 1
            if not at:
                return False
        if at == n:
            return True
        if data[at] != 44:
            return False
        at += 1
    return True
