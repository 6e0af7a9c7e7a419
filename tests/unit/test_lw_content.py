# Content formats: every vector of tests/vectors in the formats that the core has, both ways, and
# what is not legal.

import json
import struct
import unittest

from lwm2m import content, senml, write
from lwm2m.objects import (
    BOOLEAN,
    FLOAT,
    INTEGER,
    MULTIPLE,
    OBJLNK,
    OPAQUE,
    STRING,
    TIME,
    UNSIGNED,
    Instance,
    Objects,
    R,
    W,
)

with open("tests/vectors/lwm2m.json") as file:
    VECTORS = json.load(file)

KINDS = {
    "string": STRING,
    "integer": INTEGER,
    "unsigned_integer": UNSIGNED,
    "float": FLOAT,
    "boolean": BOOLEAN,
    "opaque": OPAQUE,
    "time": TIME,
    "objlnk": OBJLNK,
}
CORE = (0, 42, 60, 112, 11542)


def ids(path):
    return [int(part) for part in path.split("/")[1:]]


def value_of(kind, value):
    """A vector's value as the library has it."""
    if isinstance(value, dict):
        return {int(key): value_of(kind, one) for key, one in value.items()}
    if isinstance(value, str) and value.startswith("repeat:"):
        _, unit, count = value.split(":")
        value = unit * int(count)
    if kind == "opaque":
        return bytes.fromhex(value)
    if kind == "objlnk":
        return tuple(int(part) for part in value.split(":"))
    if kind == "float":
        return float("inf") if value == "Infinity" else float(value)
    return int(value) if kind == "unsigned_integer" else value


def instance_for(vector, value=None):
    path = ids(vector["path"])
    flags = KINDS[vector["type"]] | R | W
    if isinstance(vector["value"], dict):
        flags |= MULTIPLE
    table = (path[0], None, False, (path[2] << 8 | flags,))
    return path, Instance(table, path[1], {path[2]: value} if value is not None else None)


def same(a, b):
    return a == b or (a != a and b != b)  # noqa: PLR0124


def parsed(instance, path, payload, ct):
    data = b"\xaa" * 5 + payload  # it never begins at 0
    items = content.read(data, 5, len(data), ct, instance, padded(path), len(path))
    result = write.apply(instance, items, True, False)
    assert result == 0x44, result
    return instance.get(path[2])


def padded(path):
    return [path[i] if i < len(path) else 0 for i in range(4)]


def refused(function, *args):
    try:
        function(*args)
    except (ValueError, OverflowError):
        return True
    return False


class VectorTest(unittest.TestCase):
    def test_each_is_read(self):
        count = 0
        for vector in VECTORS["content"]:
            if vector["ct"] in CORE:
                count += 1
                path, instance = instance_for(vector)
                wanted = value_of(vector["type"], vector["value"])
                payload = bytes.fromhex(vector["payload"])
                if wanted == {} and vector["ct"] == 112:
                    continue  # an empty list says nothing of what it is about
                got = parsed(instance, path, payload, vector["ct"])
                self.assertTrue(same(got, wanted), "%s: %r" % (vector["id"], got))
                self.assertEqual(type(got), type(wanted))
        self.assertTrue(count > 140, count)

    def test_each_is_written_so_that_it_is_read_again(self):
        buf = bytearray(1000)
        for vector in VECTORS["content"]:
            value = value_of(vector["type"], vector["value"])
            if vector["ct"] not in CORE or value == {}:
                continue
            path, instance = instance_for(vector, value)
            end = content.render(buf, 7, vector["ct"], Objects(instance), padded(path), 3)
            made = bytes(buf[7:end])
            _, other = instance_for(vector)
            got = parsed(other, path, made, vector["ct"])
            if vector["type"] == "float":
                single = struct.unpack(">f", struct.pack(">f", value))[0]
                self.assertTrue(same(got, value) or same(got, single), vector["id"])
            else:
                self.assertEqual(got, value)
            if vector["type"] not in ("float", "boolean", "string") or vector["ct"] == 11542:
                wanted = bytes.fromhex(vector["payload"])
                if vector["type"] != "float" and vector["ct"] in (0, 42, 60, 11542):
                    self.assertEqual(made, wanted, vector["id"])

    def test_what_leshan_accepts_and_rejects(self):
        for vector in VECTORS["decode"]:
            if vector["ct"] not in CORE or vector["path"] == "/3300/0":
                continue
            kind = "integer" if vector["path"].startswith("/1/") else "float"
            path, instance = instance_for(dict(vector, type=kind, value=0))
            payload = bytes.fromhex(vector["payload"])
            try:
                got = parsed(instance, path, payload, vector["ct"])
            except (ValueError, AssertionError):
                got = "rejects"
            wanted = vector["leshan"]
            if wanted != "rejects":
                wanted = value_of(kind, wanted["value"])
            self.assertTrue(same(got, wanted), "%s: %r" % (vector["id"], got))


class FloatTest(unittest.TestCase):
    def cbor(self, value):
        buf = bytearray(20)
        return bytes(buf[: senml.scalar(buf, 0, FLOAT, value)])

    def test_half_precision_when_exact(self):
        for value, wanted in (
            (21.5, "f94d60"),
            (0.0, "f90000"),
            (-0.0, "f98000"),
            (1, "f93c00"),
            (65504.0, "f97bff"),
            (65520.0, "fa477ff000"),
            (2.0**-14, "f90400"),
            (2.0**-15, "fa38000000"),
            (-40.125, "f9d104"),
            (float("inf"), "f97c00"),
            (-float("inf"), "f9fc00"),
            (16777216.0, "fa4b800000"),
        ):
            self.assertEqual(self.cbor(value), bytes.fromhex(wanted), value)
        self.assertEqual(self.cbor(float("nan"))[:1], b"\xf9")

    def test_a_float_is_read_from_what_servers_write(self):
        for data, wanted in (
            ("f94d60", 21.5),
            ("f90001", 2.0**-24),
            ("f9fbff", -65504.0),
            ("fa41ac0000", 21.5),
            ("fb4035800000000000", 21.5),
            ("15", 21.0),
            ("3815", -22.0),
            ("c4822018d7", 21.5),  # decimal fraction 215 * 10**-1
            ("c482183a01", None),  # 10**58: too much
        ):
            data = bytes.fromhex(data)
            try:
                value, end = senml.item(data, 0, len(data), 0)
                got = write.fit(FLOAT, value)
                self.assertEqual(end, len(data))
                self.assertEqual(type(got), float)
            except ValueError:
                got = None
            self.assertEqual(got, wanted)

    def test_whole_floats_are_integers(self):
        self.assertEqual(write.fit(INTEGER, 21.0), 21)
        for kind, value in ((INTEGER, 21.5), (UNSIGNED, -1), (INTEGER, 1 << 63), (BOOLEAN, 1)):
            with self.assertRaises(ValueError):
                write.fit(kind, value)
        for value in (float("nan"), float("inf")):
            self.assertTrue(refused(write.fit, INTEGER, value))


class IllegalTest(unittest.TestCase):
    def refuses(self, ct, *payloads, kind=INTEGER, path=(3442, 0, 7)):
        table = (3442, None, False, (7 << 8 | R | W | kind,))
        for payload in payloads:
            data = bytes.fromhex(payload.replace(" ", ""))
            args = (ct, Instance(table), padded(path), len(path))
            self.assertTrue(refused(content.read, data, 0, len(data), *args), payload)

    def test_text(self):
        for text in ("", "+", "1.5", "1_0", " 1", "1 ", "0x1", "abc", "1" * 50, "--1", "9" * 30):
            self.refuses(0, text.encode().hex())
        for text in ("", "inf", "nan", "1e", "1_0", " 1", "e5", "."):
            self.refuses(0, text.encode().hex(), kind=FLOAT)
        self.refuses(0, "32", "", "7472756531", kind=BOOLEAN)
        self.refuses(0, "ff", "c3", kind=STRING)
        self.refuses(0, "41", "4150", "412b2b", kind=OPAQUE)
        self.refuses(0, "31", "313a", "3a31", "313a323a33", "393939393a3939393939", kind=OBJLNK)
        self.refuses(42, "00")

    def test_tlv(self):
        self.refuses(
            11542,
            "",
            "c1",
            "c107",
            "c20701",
            "c007",  # no bytes: no number
            "c90701",
            "c1070101",
            "c10701c10702",
            "e1000701ff",
            "410701",
            "0707c10701",
            "ffffffffffffff",
            "d807ffffff",
            "c80709" + "00" * 9,
        )
        self.refuses(11542, "c3074048f5", "c10701", "c0 07", kind=FLOAT)
        self.refuses(11542, "c10702", "c2070001", kind=BOOLEAN)
        self.refuses(11542, "c107ff", kind=STRING)

    def test_senml(self):
        name = "0069" + b"/3442/0/7".hex()
        self.refuses(
            112,
            "",
            "80",
            "a0",
            "81",
            "81a0",
            "81a1" + name,  # no value
            "81a2" + name + "02",
            "81a2" + name + "0201" + "00",
            "81a2" + name + "036131",  # text for a number
            "81a2" + name + "02f5",
            "81a2" + name + "04f5",
            "81a3" + name + "02010202",
            "81a3" + name + "02012401",  # base value
            "81a3" + name + "02016262 5f 01".replace(" ", ""),  # "b_": must be understood
            "81a2" + "0068" + b"3442/0/7".hex() + "0201",
            "81a2" + "0069" + b"/3442/0/8".hex() + "0201",
            "81a2" + "0069" + b"/3442/1/7".hex() + "0201",
            "81a2" + "0067" + b"/3442/0".hex() + "0201",
            "81a2" + "0061" + "2f" + "0201",
            "81a2" + "00" + "01" + "0201",
            "9bffffffffffffffff",
            "81bbffffffffffffffff",
            "81a2" + name + "027b" + "ff" * 8,
            "81" * 200,
            "81a2" + name + "02" + "c2" * 200,
            "9f" + "a2" + name + "0201",
        )

    def test_senml_that_is_legal(self):
        table = (3442, None, False, (7 << 8 | R | W | INTEGER,))
        name = "0069" + b"/3442/0/7".hex()
        for payload in (
            "81a2" + name + "0201",
            "81a20201" + name,
            "9fbf" + name + "0201ffff",
            "81a4" + name + "0201" + "200a" + "221a6553f100",
            "81a3" + name + "0201" + "016343656c",
            "81a3" + name + "0201" + "63666f6f8201a10102",
            "81a32168" + b"/3442/0/".hex() + "006137" + "0201",
            "81a32167" + b"/3442/0".hex() + "00622f37" + "0201",
            "81a2" + name + "02f93c00",
        ):
            data = bytes.fromhex(payload)
            items = content.read(data, 0, len(data), 112, Instance(table), [3442, 0, 7, 0], 3)
            self.assertEqual(items, [(7, -1, 1)], payload)


if __name__ == "__main__":
    unittest.main()
