# SenML as CBOR (RFC 8428 6, RFC 8949), and single values as CBOR.
#
# What is written has only what servers read: base name, name, value. What is read may have more;
# labels that must be understood and are not (RFC 8428 4.4) are refused, as are base values.

import struct
from micropython import const

from lwm2m.write import fit
from lwm2m.objects import MULTIPLE, R

_STRING = const(1)
_FLOAT = const(4)
_BOOLEAN = const(5)
_OPAQUE = const(6)
_OBJLNK = const(8)
_KIND = const(15)

# Labels, RFC 8428 6
_BASE_NAME = const(-2)
_NAME = const(0)
_V = const(2)
_VS = const(3)
_VB = const(4)
_VD = const(8)
_VLO = "vlo"

# Major types, shifted.
_UINT = const(0x00)
_NEGATIVE = const(0x20)
_OCTETS = const(0x40)
_STRINGS = const(0x60)
_ARRAY = const(0x80)
_MAP = const(0xA0)

_BREAK = const(0xFF)
_DEEPEST = const(4)  # of arrays and maps that are skipped
_MOST_EXPONENT = const(38)  # of a decimal fraction

# What a label may have.
_SORTS = {_V: (int, float), _VS: str, _VB: bool, _VD: bytes, _VLO: str}


def put(buf, at, data):
    """Write bytes at `at`; return where they end."""
    end = at + len(data)
    if end > len(buf):
        raise IndexError
    buf[at:end] = data
    return end


def render(buf, at, objects, path, depth):
    """Write what is below a path as an array of records."""
    base = "/%d" % path[0]
    for i in range(1, depth):
        base += "/%d" % path[i]
    if depth > 2:
        instance = objects.find(path[0], path[1])
        entry = instance.entry(path[2])
        value = instance.get(path[2])
        if depth == 4:
            value = value[path[3]]
        if depth == 4 or not entry & MULTIPLE:
            return record(buf, head(buf, at, _ARRAY, 1), base, "", entry & _KIND, value)
    count = 0
    for _ in leaves(objects, path, depth):
        count += 1
    at = head(buf, at, _ARRAY, count)
    first = True
    for name, kind, value in leaves(objects, path, depth):
        at = record(buf, at, base + ("/" if name else "") if first else None, name, kind, value)
        first = False
    return at


def record(buf, at, base, name, kind, value):
    """Write one record; base or name may be empty."""
    at = head(buf, at, _MAP, 1 + (1 if base else 0) + (1 if name else 0))
    if base:
        at = head(buf, at, _NEGATIVE, ~_BASE_NAME)
        at = put(buf, head(buf, at, _STRINGS, len(base)), base.encode())
    if name:
        at = head(buf, at, _UINT, _NAME)
        at = put(buf, head(buf, at, _STRINGS, len(name)), name.encode())
    label = _V
    if kind == _STRING or kind == _OBJLNK:
        label = _VS
    elif kind == _BOOLEAN:
        label = _VB
    elif kind == _OPAQUE:
        label = _VD
    return scalar(buf, head(buf, at, _UINT, label), kind, value)


def leaves(objects, path, depth):
    """Yield (name below the path, type, value) of every value there that may be read."""
    for instance in objects.all:
        if instance.oid != path[0] or (depth > 1 and instance.iid != path[1]):
            continue
        name = "" if depth > 1 else "%d/" % instance.iid
        for entry in instance.table[3]:
            rid = entry >> 8
            if not entry & R or (depth > 2 and rid != path[2]):
                continue
            value = instance.get(rid)
            if value is None:
                continue
            if depth < 3:
                rest = "%s%d" % (name, rid)
            else:
                rest = ""
            if not entry & MULTIPLE:
                yield rest, entry & _KIND, value
            else:
                for riid in sorted(value):
                    yield (rest + "/" if rest else "") + str(riid), entry & _KIND, value[riid]


def head(buf, at, major, value):
    """Write the head of an item: its type and its length or value."""
    if value < 24:
        buf[at] = major | value
        return at + 1
    size = 1 if value < 0x100 else 2 if value < 0x10000 else 4 if value >> 32 == 0 else 8
    buf[at] = major | {1: 24, 2: 25, 4: 26, 8: 27}[size]
    for i in range(size):
        buf[at + size - i] = value & 255
        value >>= 8
    return at + size + 1


def scalar(buf, at, kind, value):
    """Write a value as CBOR."""
    if kind == _FLOAT:
        return _float(buf, at, value)
    if kind == _BOOLEAN:
        buf[at] = 0xF5 if value else 0xF4
        return at + 1
    if kind == _OPAQUE:
        return put(buf, head(buf, at, _OCTETS, len(value)), value)
    if kind == _STRING or kind == _OBJLNK:
        data = value.encode() if kind == _STRING else b"%d:%d" % value
        return put(buf, head(buf, at, _STRINGS, len(data)), data)
    return head(buf, at, _NEGATIVE, ~value) if value < 0 else head(buf, at, _UINT, value)


def _float(buf, at, value):
    # As half precision when that is exact, else single; double for what is beyond that.
    # A Float is never written as an integer: Leshan refuses it.
    struct.pack_into(">f", buf, at + 1, value)
    buf[at] = 0xFA
    high = buf[at + 1] << 8 | buf[at + 2]
    exponent = high >> 7 & 0xFF
    fraction = (high & 0x7F) << 3 | buf[at + 3] >> 5
    if exponent == 255 and value - value == 0:
        buf[at] = 0xFB
        struct.pack_into(">d", buf, at + 1, value)
        return at + 9
    if buf[at + 3] & 31 or buf[at + 4]:
        return at + 5
    if exponent == 255:
        exponent = 31
    elif 113 <= exponent <= 142:
        exponent -= 112
    elif exponent or fraction:
        return at + 5
    half = (high & 0x8000) | exponent << 10 | fraction
    buf[at] = 0xF9
    buf[at + 1] = half >> 8
    buf[at + 2] = half & 255
    return at + 3


def read(buf, at, end, instance, path, depth):
    """Return [(resource id, resource instance id or -1, value)], see content.read()."""
    found = []
    count, at = _open(buf, at, end, _ARRAY)
    base = ""
    while not _closed(buf, at, end, count):
        count -= 1
        name = ""
        value = None
        pairs, at = _open(buf, at, end, _MAP)
        while not _closed(buf, at, end, pairs):
            pairs -= 1
            label, at = item(buf, at, end, 1)
            content, at = item(buf, at, end, 1)
            if not isinstance(label, (int, str)):
                raise ValueError
            if label == _BASE_NAME or label == _NAME:
                if not isinstance(content, str):
                    raise ValueError
                if label == _NAME:
                    name = content
                else:
                    base = content
            elif label in _SORTS:
                if value is not None or not isinstance(content, _SORTS[label]):
                    raise ValueError
                value = content
            elif label in (-5, -6, 5) or (isinstance(label, str) and label[-1:] == "_"):
                raise ValueError
        if pairs < 0:
            at += 1
        if value is None:
            raise ValueError
        found.append(_target(base + name, value, instance, path, depth))
    if count < 0:
        at += 1
    if at != end or (depth > 2 and not found):
        raise ValueError
    return found


def _target(name, value, instance, path, depth):
    # What a record is about, if that is below the path that is written.
    parts = name.split("/")
    if parts[0] or not 4 <= len(parts) <= 5:
        raise ValueError
    parts = [int(part) for part in parts[1:]]
    for i in range(depth):
        if i >= len(parts) or parts[i] != path[i]:
            raise ValueError
    rid = parts[2]
    return rid, parts[3] if len(parts) == 4 else -1, fit(instance.entry(rid) & _KIND, value)


def _open(buf, at, end, major):
    # (how many items an array or map has, where they begin); -1 items: until a break.
    if at >= end or buf[at] & 0xE0 != major:
        raise ValueError
    if buf[at] & 31 == 31:
        return -1, at + 1
    return _argument(buf, at, end)


def _closed(buf, at, end, left):
    if left < 0:
        if at >= end:
            raise ValueError
        return buf[at] == _BREAK
    return left == 0


def _argument(buf, at, end):
    # (the number in an item's head, where the head ends)
    info = buf[at] & 31
    at += 1
    if info < 24:
        return info, at
    size = 1 << info - 24
    if info > 27 or at + size > end:
        raise ValueError
    return int.from_bytes(buf[at : at + size], "big"), at + size


def item(buf, at, end, depth):
    """Return (value, where it ends) of a number, text, bytes or boolean; None for other items."""
    if at >= end or depth > _DEEPEST:
        raise ValueError
    first = buf[at]
    major = first & 0xE0
    if major == 0xE0:
        return _simple(buf, at, end)
    value, at = _argument(buf, at, end)
    if major == _NEGATIVE:
        return ~value, at
    if major == _OCTETS or major == _STRINGS:
        if value > end - at:
            raise ValueError
        data = bytes(buf[at : at + value])
        return data if major == _OCTETS else str(data, "utf8"), at + value
    if major == _ARRAY or major == _MAP:
        for _ in range(value if major == _ARRAY else 2 * value):
            _, at = item(buf, at, end, depth + 1)
        return None, at
    if major == 0xC0:
        if value == 4:
            return _decimal(buf, at, end, depth)
        return item(buf, at, end, depth + 1)
    return value, at


def _simple(buf, at, end):
    first = buf[at]
    if first == 0xF4 or first == 0xF5:
        return first == 0xF5, at + 1
    if not 0xF9 <= first <= 0xFB:
        if first > 0xF7:
            raise ValueError
        return None, at + 1
    size = 1 << first - 0xF8
    at += 1
    if at + size > end:
        raise ValueError
    if size > 2:
        return struct.unpack(">f" if size == 4 else ">d", bytes(buf[at : at + size]))[0], at + size
    high = buf[at]
    exponent = high >> 2 & 31
    fraction = (high & 3) << 8 | buf[at + 1]
    if exponent == 31:
        value = float("nan") if fraction else float("inf")
    elif exponent:
        value = (1024 + fraction) * 2.0 ** (exponent - 25)
    else:
        value = fraction * 2.0**-24
    return -value if high & 0x80 else value, at + 2


def _decimal(buf, at, end, depth):
    # Tag 4: [exponent, number], RFC 8949 3.4.4
    if at >= end or buf[at] != 0x82:
        raise ValueError
    exponent, at = item(buf, at + 1, end, depth + 1)
    digits, at = item(buf, at, end, depth + 1)
    if not isinstance(exponent, int) or not isinstance(digits, int):
        raise ValueError
    if not -_MOST_EXPONENT <= exponent <= _MOST_EXPONENT:
        raise ValueError
    return digits * 10.0**exponent, at
