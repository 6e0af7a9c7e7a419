# What a server writes: values checked and of the type that the resource has, and taken over all or
# nothing.

import binascii

from micropython import const

from lwm2m.objects import MULTIPLE, W

_CHANGED = const(0x44)
_BAD_REQUEST = const(0x80)
_NOT_FOUND = const(0x84)
_NOT_ALLOWED = const(0x85)

_STRING = const(1)
_INTEGER = const(2)
_UNSIGNED = const(3)
_FLOAT = const(4)
_BOOLEAN = const(5)
_OPAQUE = const(6)
_TIME = const(7)
_OBJLNK = const(8)

_MOST_DIGITS = const(40)


def fit(kind, value):
    """Return a value of CBOR or text as one of this type. None: there is no such type."""
    if kind == 0:
        return None
    if kind == _OBJLNK:
        value = value.split(":") if isinstance(value, str) else ()
        if len(value) == 2:
            link = number(value[0], False), number(value[1], False)
            if 0 <= link[0] <= 65535 and 0 <= link[1] <= 65535:
                return link
    elif kind in (_STRING, _BOOLEAN, _OPAQUE):
        if isinstance(value, {_STRING: str, _BOOLEAN: bool, _OPAQUE: bytes}[kind]):
            return value
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        if kind == _FLOAT:
            return float(value)
        whole = int(value)  # of NaN and infinity: ValueError or OverflowError
        least = 0 if kind == _UNSIGNED else -(1 << 63)
        if whole == value and least <= whole < (1 << 63) << (kind == _UNSIGNED):
            return whole
    raise ValueError


def number(text, is_float):
    """Return the number that a text is: digits, one sign, for a float also a point and E."""
    if not 0 < len(text) <= _MOST_DIGITS:
        raise ValueError
    if is_float and text == "NaN":
        return float("nan")
    allowed = "0123456789+-.eE" if is_float else "0123456789+-"
    for letter in text:
        if letter not in allowed:
            raise ValueError
    if not text.lower().split("e")[0].strip("+-."):  # MicroPython takes "e5" and "."
        raise ValueError
    return float(text) if is_float else int(text)


def opaque_text(data):
    """Return the bytes that base64 text stands for."""
    value = binascii.a2b_base64(data)
    if binascii.b2a_base64(value)[:-1] != bytes(data):
        raise ValueError
    return value


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
