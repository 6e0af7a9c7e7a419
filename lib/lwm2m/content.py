# Content formats: which of them fits, and values as text and as CBOR (LwM2M 1.1 Core 7.4).
#
# render() and read() stand before all formats; tlv.py and senml.py have those for more than one
# value. What is not legal is a ValueError (4.00); what does not fit the buffer is one too, or an
# IndexError.

import binascii
from math import isnan

from micropython import const

from lwm2m import senml, tlv
from lwm2m.write import fit, number, opaque_text
from lwm2m.objects import MULTIPLE

_TEXT = const(0)
_OPAQUE_FORMAT = const(42)
_CBOR = const(60)
_SENML_CBOR = const(112)
_TLV = const(11542)

_STRING = const(1)
_FLOAT = const(4)
_BOOLEAN = const(5)
_OPAQUE = const(6)
_OBJLNK = const(8)
_KIND = const(15)

# What servers wrote before 1.0 had its numbers; for requests only.
_LEGACY = {1541: _TEXT, 1542: _TLV, 1544: _OPAQUE_FORMAT}


def choose(accept, depth, entry):
    """Return the format for a read; -1: the wanted one is not possible (4.06).

    accept: -1 for none. entry: operations and type of the resource, if the path has one.
    """
    single = depth == 4 or (depth == 3 and not entry & MULTIPLE)
    opaque = entry & _KIND == _OPAQUE
    if accept == -1:
        return _TLV if not single else _OPAQUE_FORMAT if opaque else _TEXT
    if accept == _TLV or accept == _SENML_CBOR:
        return accept
    if single and (accept in (_TEXT, _CBOR) or (accept == _OPAQUE_FORMAT and opaque)):
        return accept
    return -1


def known(content_format):
    """Return the format of a write, without pre-1.0 numbers; -1: it is none of ours (4.15)."""
    content_format = _LEGACY.get(content_format, content_format)
    if content_format in (_TEXT, _OPAQUE_FORMAT, _CBOR, _SENML_CBOR, _TLV):
        return content_format
    return -1


def render(buf, at, content_format, objects, path, depth):
    """Write what is below a path into `buf` from `at`; return where it ends.

    The path is there, and the format is one that choose() returned.
    """
    if content_format == _SENML_CBOR:
        return senml.render(buf, at, objects, path, depth)
    if content_format == _TLV:
        return tlv.render(buf, at, objects, path, depth)
    instance = objects.find(path[0], path[1])
    kind = instance.entry(path[2]) & _KIND
    value = instance.get(path[2])
    if depth == 4:
        value = value[path[3]]
    if content_format == _CBOR:
        return senml.scalar(buf, at, kind, value)
    return text(buf, at, kind, value, content_format == _OPAQUE_FORMAT)


def text(buf, at, kind, value, raw=False):
    """Write a value as text; with `raw` an opaque one as it is, else as base64."""
    if kind == _OPAQUE:
        data = value if raw else binascii.b2a_base64(value)[:-1]
    elif kind == _BOOLEAN:
        data = b"1" if value else b"0"
    elif kind == _OBJLNK:
        data = b"%d:%d" % value
    elif kind == _FLOAT and isnan(value):
        data = b"NaN"
    else:
        data = str(value).encode()
    return senml.put(buf, at, data)


def read(buf, at, end, content_format, instance, path, depth):
    """Return [(resource id, resource instance id or -1, value)] of what a server writes.

    A multiple resource comes as a dict of all its instances with -1, or one by one. Resources that
    the object does not have come with None. ValueError: the payload is not right.
    """
    if content_format == _SENML_CBOR:
        return senml.read(buf, at, end, instance, path, depth)
    if content_format == _TLV:
        return tlv.read(buf, at, end, instance, path, depth)
    rid = path[2]
    entry = instance.entry(rid)
    kind = entry & _KIND
    if depth < 3 or (depth == 3 and entry & MULTIPLE):
        raise ValueError
    riid = path[3] if depth == 4 else -1
    data = buf[at:end]
    if content_format == _CBOR:
        value, at = senml.item(buf, at, end, 0)
        if at != end:
            raise ValueError
        value = fit(kind, value)
    elif kind == _OPAQUE:
        value = bytes(data) if content_format == _OPAQUE_FORMAT else opaque_text(data)
    elif content_format == _OPAQUE_FORMAT:
        raise ValueError
    elif kind == _STRING or kind == _OBJLNK:
        value = fit(kind, str(data, "utf8"))
    elif kind == _BOOLEAN:
        if bytes(data) not in (b"0", b"1"):
            raise ValueError
        value = data == b"1"
    else:
        value = fit(kind, number(str(data, "utf8"), kind == _FLOAT))
    return [(rid, riid, value)]
