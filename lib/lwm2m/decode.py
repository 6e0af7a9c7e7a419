# Values out of what a server wrote: checked, and as the Python type that the resource has.
#
# Whatever is not right is a ValueError.

import binascii
from micropython import const

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
