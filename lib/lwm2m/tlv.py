# OMA TLV (LwM2M 1.1 Core 7.4.2): written in one pass, read with every length checked first.

import struct
from micropython import const

from lwm2m.objects import MULTIPLE, R

_STRING = const(1)
_UNSIGNED = const(3)
_FLOAT = const(4)
_BOOLEAN = const(5)
_OPAQUE = const(6)
_OBJLNK = const(8)
_KIND = const(15)

# Bits 7 and 6 of the type byte.
_INSTANCE = const(0x00)
_PART = const(0x40)  # resource instance
_PARTS = const(0x80)  # multiple resource
_RESOURCE = const(0xC0)

_MOST_HEAD = const(6)
_MOST_SINGLE = 3.4e38


def render(buf, at, objects, path, depth):
    """Write what is below a path; a single instance comes without its own head."""
    if depth > 1:
        instance = objects.find(path[0], path[1])
        if depth == 2:
            return _instance(buf, at, instance)
        value = instance.get(path[2])
        entry = instance.entry(path[2])
        if depth == 4:
            return _value(buf, at, _PART, path[3], entry & _KIND, value[path[3]])
        return _resource(buf, at, path[2], entry, value)
    for instance in objects.all:
        if instance.oid == path[0]:
            body = at + _MOST_HEAD
            end = _instance(buf, body, instance)
            at = _close(buf, at, _INSTANCE, instance.iid, body, end)
    return at


def _instance(buf, at, instance):
    for entry in instance.table[3]:
        if entry & R:
            value = instance.get(entry >> 8)
            if value is not None:
                at = _resource(buf, at, entry >> 8, entry, value)
    return at


def _resource(buf, at, rid, entry, value):
    kind = entry & _KIND
    if not entry & MULTIPLE:
        return _value(buf, at, _RESOURCE, rid, kind, value)
    body = end = at + _MOST_HEAD
    for riid in sorted(value):
        end = _value(buf, end, _PART, riid, kind, value[riid])
    return _close(buf, at, _PARTS, rid, body, end)


def _close(buf, at, bits, ident, body, end):
    # Write the head of what was written further on already, and move that up to it.
    size = end - body
    at = _head(buf, at, bits, ident, size)
    buf[at : at + size] = buf[body:end]
    return at + size


def _head(buf, at, bits, ident, size):
    lengths = 0 if size < 8 else 1 if size < 256 else 2
    buf[at] = bits | (ident > 255) << 5 | (lengths << 3 if lengths else size)
    if ident > 255:
        at += 1
        buf[at] = ident >> 8
    buf[at + 1] = ident & 255
    at += 2
    if lengths == 2:
        buf[at] = size >> 8
        at += 1
    if lengths:
        buf[at] = size & 255
        at += 1
    return at


def _value(buf, at, bits, ident, kind, value):
    if kind == _FLOAT:
        wide = value - value == 0 and not -_MOST_SINGLE <= value <= _MOST_SINGLE
        at = _head(buf, at, bits, ident, 8 if wide else 4)
        struct.pack_into(">d" if wide else ">f", buf, at, value)
        return at + (8 if wide else 4)
    if kind == _BOOLEAN:
        value = int(value)
    elif kind == _OBJLNK:
        value = struct.pack(">HH", *value)
    elif kind == _STRING:
        value = value.encode()
    if isinstance(value, int):
        code = ">Q"
        for size, limit in ((1, 7), (2, 15), (4, 31), (8, 63)):
            if -1 <= value >> limit <= 0:
                code = {1: ">b", 2: ">h", 4: ">i", 8: ">q"}[size]
                break
        at = _head(buf, at, bits, ident, size)
        struct.pack_into(code, buf, at, value)
        return at + size
    size = len(value)
    at = _head(buf, at, bits, ident, size)
    if at + size > len(buf):
        raise IndexError
    buf[at : at + size] = value
    return at + size


def read(buf, at, end, instance, path, depth):
    """Return [(resource id, resource instance id or -1, value)], see content.read()."""
    found = []
    while at < end:
        bits, ident, at, stop = _next(buf, at, end)
        if depth == 4 and bits == _PART:
            if ident != path[3]:
                raise ValueError
            kind = instance.entry(path[2]) & _KIND
            found.append((path[2], ident, _read_value(buf, at, stop, kind)))
        elif bits < _PARTS or (depth > 2 and ident != path[2]):
            raise ValueError
        else:
            kind = instance.entry(ident) & _KIND
            if bits == _PARTS:
                value = _read_parts(buf, at, stop, kind)
                if depth == 4 and list(value) != [path[3]]:
                    raise ValueError
            elif depth == 4:
                raise ValueError
            else:
                value = _read_value(buf, at, stop, kind)
            found.append((ident, -1, value))
        at = stop
    if depth > 2 and len(found) != 1:
        raise ValueError
    return found


def _next(buf, at, end):
    # The head at `at`: (bits 7 and 6, id, where the value is, where it ends).
    if at >= end:
        raise ValueError
    kind = buf[at]
    wide = kind >> 5 & 1
    lengths = kind >> 3 & 3
    if at + 2 + wide + lengths > end:
        raise ValueError
    at += 1
    ident = buf[at]
    if wide:
        at += 1
        ident = ident << 8 | buf[at]
    at += 1
    size = kind & 7
    if lengths:
        size = 0
        for _ in range(lengths):
            size = size << 8 | buf[at]
            at += 1
    if at + size > end:
        raise ValueError
    return kind & 0xC0, ident, at, at + size


def _read_parts(buf, at, end, kind):
    value = {}
    while at < end:
        bits, ident, at, stop = _next(buf, at, end)
        if bits != _PART:
            raise ValueError
        value[ident] = _read_value(buf, at, stop, kind)
        at = stop
    return value


def _read_value(buf, at, end, kind):
    size = end - at
    data = bytes(buf[at:end])
    if kind == 0:
        return None
    if kind == _STRING:
        return str(data, "utf8")
    if kind == _OPAQUE:
        return data
    if kind == _FLOAT and size in (4, 8):
        return struct.unpack(">f" if size == 4 else ">d", data)[0]
    if kind == _OBJLNK and size == 4:
        return struct.unpack(">HH", data)
    if not 0 < size <= 8 or kind in (_FLOAT, _OBJLNK):
        raise ValueError
    value = int.from_bytes(data, "big")
    if kind == _BOOLEAN:
        if size > 1 or value > 1:
            raise ValueError
        return value == 1
    if kind != _UNSIGNED and data[0] & 0x80:
        value -= 1 << 8 * size
    return value
