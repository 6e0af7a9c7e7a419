# What a server asks for: reads, writes, executes, discover, blocks; and what was recorded between
# public programs.

import json
import unittest

from lwm2m.objects import (
    BOOLEAN,
    FLOAT,
    INTEGER,
    MULTIPLE,
    OBJLNK,
    OPAQUE,
    STRING,
    TIME,
    E,
    Instance,
    R,
    W,
)
from peer import ACK, CON, DELETE, GET, NON, POST, PUT, RST, TOKEN, Heard, Node, message

with open("tests/vectors/lwm2m.json") as file:
    VECTORS = json.load(file)

MIXED = (
    3442,
    "1.2",
    False,
    (
        0 << 8 | E,
        1 << 8 | R | W | STRING,
        2 << 8 | R | W | INTEGER,
        3 << 8 | R | W | FLOAT,
        4 << 8 | R | W | BOOLEAN,
        5 << 8 | R | W | OPAQUE,
        6 << 8 | R | W | OBJLNK,
        7 << 8 | R | MULTIPLE | INTEGER,
        8 << 8 | R | W | MULTIPLE | INTEGER,
        9 << 8 | R | STRING,
        10 << 8 | W | STRING,
        13 << 8 | R | TIME,
    ),
)


def mixed(**options):
    values = {1: "text", 2: -300, 3: 21.5, 4: True, 5: b"\x00\xff", 6: (3300, 0), 7: {0: 1, 2: 3}}
    return Instance(MIXED, 0, values, **options)


class ReadTest(unittest.TestCase):
    def test_levels_and_formats(self):
        node = Node(mixed()).until_registered()
        for path, accept, code, payload in (
            ("/3300/0/5700", None, "2.05", b"21.5"),
            ("/3300/0/5700", 0, "2.05", b"21.5"),
            ("/3300/0/5700", 60, "2.05", b"\xf9\x4d\x60"),
            ("/3300/0/5700", 11542, "2.05", b"\xe4\x16\x44\x41\xac\0\0"),
            ("/3300/0/5700", 112, "2.05", b"\x81\xa2\x21\x6c/3300/0/5700\x02\xf9\x4d\x60"),
            ("/3300/0/5700", 110, "4.06", b""),
            ("/3300/0/5700", 42, "4.06", b""),
            ("/3300/0/5700/0", None, "4.04", b""),
            ("/3300/0/5605", None, "4.05", b""),
            ("/3300/0/5518", None, "4.04", b""),
            ("/3300/0/5603", None, "4.04", b""),
            ("/3/0/13", None, "4.04", b""),
            ("/3300/1", None, "4.04", b""),
            ("/3301", None, "4.04", b""),
            ("/0", None, "4.01", b""),
            ("/0/0/0", None, "4.01", b""),
            ("/3442/0/10", None, "4.05", b""),
            ("/3442/0/5", None, "2.05", b"\0\xff"),
            ("/3442/0/5", 42, "2.05", b"\0\xff"),
            ("/3442/0/5", 0, "2.05", b"AP8="),
            ("/3442/0/6", 0, "2.05", b"3300:0"),
            ("/3442/0/4", 0, "2.05", b"1"),
            ("/3442/0/7", 0, "4.06", b""),
            ("/3442/0/7", None, "2.05", b"\x86\x07\x41\x00\x01\x41\x02\x03"),
            ("/3442/0/7/2", None, "2.05", b"3"),
            ("/3442/0/7/2", 11542, "2.05", b"\x41\x02\x03"),
            ("/3442/0/7/2", 112, "2.05", b"\x81\xa2\x21\x6b/3442/0/7/2\x02\x03"),
            ("/3442/0/7/1", None, "4.04", b""),
            ("/3/0/11", 112, "2.05", b"\x81\xa3\x21\x68/3/0/11/\x00\x610\x02\x00"),
            ("/3/0/11", 11542, "2.05", b"\x83\x0b\x41\x00\x00"),
            ("/1/0", 11542, "2.05", bytes.fromhex("c10001c40100015180c10601c10755c11700")),
        ):
            answer = node.ask(GET, path, accept=accept)
            self.assertEqual((path, accept, answer.code), (path, accept, code))
            self.assertEqual(answer.payload, payload, path)
            self.assertEqual((answer.kind, answer.token), (ACK, TOKEN))
        self.assertEqual(node.client.errors, 0)

    def test_whole_objects(self):
        node = Node(mixed()).until_registered()
        body = node.ask(GET, "/3300", accept=11542).payload
        inner = node.ask(GET, "/3300/0", accept=11542).payload
        self.assertEqual(body, b"\x08\x00" + bytes((len(inner),)) + inner)
        senml = node.ask(GET, "/3300", accept=112).payload
        self.assertTrue(senml.startswith(b"\x85\xa3\x21\x66/3300/\x00\x660/5601\x02\xf9\x4d\x60"))
        self.assertTrue(b"\xa2\x00\x660/5701\x03\x63Cel" in senml)
        self.assertEqual(node.ask(GET, "/3300/0", accept=0).code, "4.06")

    def test_nothing_readable_is_an_empty_list(self):
        table = (3500, None, False, (10 << 8 | W | STRING,))
        node = Node(Instance(table)).until_registered()
        for accept, payload in ((11542, b""), (112, b"\x80")):
            answer = node.ask(GET, "/3500/0", accept=accept)
            self.assertEqual((answer.code, answer.payload), ("2.05", payload))

    def test_tokens_of_every_length_come_back(self):
        node = Node().until_registered()
        for n in range(9):
            token = bytes(range(200, 200 + n))
            answer = node.ask(GET, "/3300/0/5700", token=token)
            self.assertEqual((answer.token, answer.payload), (token, b"21.5"))

    def test_bytes_on_air(self):
        node = Node().until_registered()
        for accept, length in ((0, 20), (11542, 25), (112, 37)):
            answer = node.ask(GET, "/3300/0/5700", accept=accept, observe=0)
            self.assertEqual(len(answer.data), length)
            node.heard = []
            node.sensor.set(44 - node.sensor.value)
            node.run()
            self.assertEqual(len(node.heard[0].data), length)

    def test_values_from_functions(self):
        node = Node(Instance(MIXED, 0, {1: lambda: "now", 2: lambda: 7})).until_registered()
        self.assertEqual(node.ask(GET, "/3442/0/1").payload, b"now")
        node = Node(Instance(MIXED, 0, {1: lambda: 1 // 0})).until_registered()
        node.client.on_error = lambda error: None
        self.assertEqual(node.ask(GET, "/3442/0/1").code, "5.00")
        self.assertTrue(node.client.errors > 0)


class WriteTest(unittest.TestCase):
    def test_resources(self):
        node = Node(mixed()).until_registered()
        instance = node.objects.find(3442, 0)
        for rid, ct, payload, value in (
            (1, 0, b"cold room", "cold room"),
            (1, 0, None, ""),
            (1, 1541, b"legacy", "legacy"),
            (2, 1542, b"\xc1\x02\x07", 7),
            (5, 1544, b"\x01", b"\x01"),
            (2, 11542, b"\xc2\x02\x01\x2c", 300),
            (2, 60, b"\x18\x64", 100),
            (2, 112, b"\x81\xa2\x00\x69/3442/0/2\x02\x05", 5),
            (3, 60, b"\x15", 21.0),
            (4, 0, b"0", False),
            (6, 60, b"\x631:2", (1, 2)),
            (8, 11542, b"\x86\x08\x41\x00\x01\x41\x05\x03", {0: 1, 5: 3}),
        ):
            answer = node.ask(PUT, "/3442/0/%d" % rid, payload, ct=ct)
            self.assertEqual((rid, answer.code), (rid, "2.04"))
            self.assertEqual(instance.get(rid), value)

    def test_refusals_write_nothing(self):
        node = Node(mixed()).until_registered()
        instance = node.objects.find(3442, 0)
        before = dict(instance.values)
        for method, path, ct, payload, code in (
            (PUT, "/3442/0/2", 0, b"abc", "4.00"),
            (PUT, "/3442/0/2", None, b"5", "4.15"),
            (PUT, "/3442/0/2", 110, b"[]", "4.15"),
            (PUT, "/3442/0/2", 1543, b"{}", "4.15"),
            (PUT, "/3442/0/2", 11543, b"{}", "4.15"),
            (PUT, "/3442/0/9", 0, b"x", "4.05"),
            (PUT, "/3442/0/0", 0, b"x", "4.05"),
            (PUT, "/3442/0/99", 0, b"x", "4.04"),
            (PUT, "/3442/9/1", 0, b"x", "4.04"),
            (PUT, "/3442/0/7", 11542, b"\x83\x07\x41\x00\x01", "4.05"),
            (PUT, "/3442/0/8", 0, b"1", "4.00"),
            (PUT, "/3442/0/8", 11542, b"\xc1\x08\x01", "4.00"),
            (PUT, "/3442/0/1", 11542, b"\x83\x01\x41\x00\x61", "4.00"),
            (PUT, "/3442/0/8/0", 0, b"1", "4.04"),
            (POST, "/3442/0", 11542, b"\xc1\x02\x07\xc1\x09\x61", "4.05"),
            (POST, "/3442/0", 11542, b"\xc1\x02\x07\xc1\x63\x61", "4.04"),
            (POST, "/3442/0", 11542, b"\xc1\x02\x07\xc0\x03", "4.00"),
            (POST, "/3442/0", 11542, b"\xc1\x02\x07\xc1", "4.00"),
            (PUT, "/3442/0", 11542, b"\xc1\x02\x07\xc1\x09\x61", "4.05"),
            (PUT, "/3442", 11542, None, "4.05"),
            (POST, "/3442", 11542, b"\xc1\x02\x07", "4.05"),
            (DELETE, "/3442/0", None, None, "4.05"),
            (PUT, "/0/0/0", 0, b"x", "4.01"),
            (POST, "/0", 11542, None, "4.01"),
            (POST, "/3442/0/1", 0, b"x", "4.05"),
        ):
            answer = node.ask(method, path, payload, ct=ct)
            self.assertEqual((path, ct, payload, answer.code), (path, ct, payload, code))
            self.assertEqual(instance.values, before)
        self.assertEqual(node.client.errors, 0)

    def test_an_instance_is_replaced_or_added_to(self):
        node = Node(mixed()).until_registered()
        instance = node.objects.find(3442, 0)
        data = b"\xc1\x02\x07\xc3\x01new"
        self.assertEqual(node.ask(POST, "/3442/0", data, ct=11542).code, "2.04")
        self.assertEqual((instance.get(1), instance.get(2), instance.get(4)), ("new", 7, True))
        instance.put(10, "x")
        instance.put(8, {0: 1, 1: 2})
        part = b"\x83\x08\x41\x01\x05"
        record = b"\x81\xa2\x00\x6b/3442/0/8/1\x02\x06"
        self.assertEqual(node.ask(POST, "/3442/0", record, ct=112).code, "2.04")
        self.assertEqual(instance.get(8), {0: 1, 1: 6})
        self.assertEqual(node.ask(PUT, "/3442/0/8/1", b"9", ct=0).code, "2.04")
        self.assertEqual(instance.get(8), {0: 1, 1: 9})
        self.assertEqual(node.ask(PUT, "/3442/0", b"\xc1\x02\x08" + part, ct=11542).code, "2.04")
        self.assertEqual(instance.get(2), 8)
        self.assertEqual(instance.get(8), {1: 5})
        self.assertEqual((instance.get(1), instance.get(10)), ("text", None))  # as at first; gone
        self.assertEqual(instance.get(7), {0: 1, 2: 3})  # read-only

    def test_the_application_may_refuse_one_of_several(self):
        asked = []

        def check(rid, value):
            asked.append(rid)
            return value != 7

        wrote = []
        instance = mixed(check=check, wrote=wrote.append)
        node = Node(instance).until_registered()
        answer = node.ask(POST, "/3442/0", b"\xc1\x01x\xc1\x02\x07", ct=11542)
        self.assertEqual((answer.code, instance.get(1), wrote), ("4.00", "text", []))
        answer = node.ask(POST, "/3442/0", b"\xc1\x01x\xc1\x02\x08", ct=11542)
        self.assertEqual((answer.code, instance.get(1), sorted(wrote)), ("2.04", "x", [1, 2]))


class ExecuteTest(unittest.TestCase):
    def test_arguments_and_answers(self):
        got = []
        answers = []

        def action(arguments):
            got.append(arguments)
            return answers.pop(0) if answers else None

        node = Node(mixed(actions={0: action})).until_registered()
        for payload, ct, code in (
            (None, None, "2.04"),
            (b"0='a',3", 0, "2.04"),
            (b"5", None, "2.04"),
            (b"1='',2='x,y'", 0, "2.04"),
            (b"a", 0, "4.00"),
            (b"0=", 0, "4.00"),
            (b"0='a", 0, "4.00"),
            (b"0,", 0, "4.00"),
            (b"00", 0, "4.00"),
            (b"x", 42, "4.15"),
        ):
            got.clear()
            answer = node.ask(POST, "/3442/0/0", payload, ct=ct)
            self.assertEqual((payload, answer.code), (payload, code))
            self.assertEqual(got, [payload or b""] if code == "2.04" else [])
        answers.append(0x80)
        self.assertEqual(node.ask(POST, "/3442/0/0").code, "4.00")
        self.assertEqual(node.ask(POST, "/3442/0/1").code, "4.05")
        self.assertEqual(node.ask(POST, "/3/0/4").code, "4.05")  # nobody said how
        self.assertEqual(node.ask(POST, "/3442/0/77").code, "4.04")

    def test_what_raises_is_told_and_answered(self):
        node = Node(mixed(actions={0: lambda arguments: 1 // 0})).until_registered()
        errors = []
        node.client.on_error = errors.append
        self.assertEqual(node.ask(POST, "/3442/0/0").code, "5.00")
        self.assertEqual(len(errors), 1)

    def test_reset_of_min_and_max(self):
        node = Node().until_registered()
        for value in (20.0, 25.0, 22.5):
            node.sensor.set(value)
        self.assertEqual(node.ask(GET, "/3300/0/5601").payload, b"20.0")
        self.assertEqual(node.ask(GET, "/3300/0/5602").payload, b"25.0")
        self.assertEqual(node.ask(POST, "/3300/0/5605").code, "2.04")
        self.assertEqual(node.ask(GET, "/3300/0/5601").payload, b"22.5")
        self.assertEqual(node.ask(GET, "/3300/0/5602").payload, b"22.5")
        node.sensor.set(float("nan"))
        self.assertEqual(node.ask(GET, "/3300/0/5700").payload, b"NaN")
        self.assertEqual(node.ask(GET, "/3300/0/5602").payload, b"22.5")


class DiscoverTest(unittest.TestCase):
    def links(self, node, path):
        answer = node.ask(GET, path, accept=40)
        self.assertEqual((answer.code, answer.value(12)), ("2.05", 40))
        return answer.payload.decode().split(",")

    def test_levels(self):
        node = Node(mixed()).until_registered()
        found = self.links(node, "/3300")
        self.assertEqual(found[:3], ["</3300>;ver=1.1", "</3300/0>", "</3300/0/5601>"])
        self.assertTrue("</3300/0/5605>" in found and "</3300/0/5603>" not in found)
        self.assertEqual(self.links(node, "/3300/0"), found[1:])
        self.assertEqual(self.links(node, "/3442/0/7")[0], "</3442/0/7>;dim=2")
        self.assertEqual(self.links(node, "/3442/0/7")[1:], ["</3442/0/7/0>", "</3442/0/7/2>"])
        for path, code in (("/3301", "4.04"), ("/0", "4.01"), ("/3300/0/5603", "4.04")):
            self.assertEqual(node.ask(GET, path, accept=40).code, code)

    def test_attributes(self):
        node = Node(mixed()).until_registered()
        for path, query in (
            ("/3442", ["pmin=10"]),
            ("/3442/0", ["pmax=320"]),
            ("/3442/0/3", ["gt=25.5", "lt=-10", "st=0.5"]),
            ("/3442/0/7/2", ["pmax=100"]),
        ):
            self.assertEqual(node.ask(PUT, path, query=query).code, "2.04")
        found = self.links(node, "/3442")
        self.assertEqual(found[:2], ["</3442>;ver=1.2;pmin=10", "</3442/0>;pmax=320"])
        self.assertTrue("</3442/0/3>;gt=25.5;lt=-10;st=0.5" in found)
        self.assertTrue("</3442/0/7>;dim=2" in found)
        self.assertEqual(
            self.links(node, "/3442/0/7"),
            ["</3442/0/7>;dim=2;pmin=10;pmax=320", "</3442/0/7/0>", "</3442/0/7/2>;pmax=100"],
        )
        self.assertEqual(node.ask(PUT, "/3442/0/3", query=["gt", "lt"]).code, "2.04")
        self.assertEqual(self.links(node, "/3442/0/3"), ["</3442/0/3>;pmin=10;pmax=320;st=0.5"])

    def test_attributes_that_are_refused(self):
        node = Node(mixed()).until_registered()
        for path, query in (
            ("/3442/0/3", ["foo=1"]),
            ("/3442/0/3", ["pmin"[:0]]),
            ("/3442/0/3", ["pmin="]),
            ("/3442/0/3", ["pmin=x"]),
            ("/3442/0/3", ["pmin=+1"]),
            ("/3442/0/3", ["pmin=2147483648"]),
            ("/3442/0/3", ["pmin=1", "pmin=2"]),
            ("/3442/0/3", ["gt=10", "lt=10"]),
            ("/3442/0/3", ["gt=NaN"]),
            ("/3442/0/3", ["st=-1"]),
            ("/3442/0/3", ["con=1"]),
            ("/3442/0/1", ["gt=1"]),
            ("/3442/0", ["st=1"]),
            ("/3442/0/3", ["pmin=5", "gt=x"]),
        ):
            self.assertEqual((query, node.ask(PUT, path, query=query).code), (query, "4.00"))
        self.assertEqual(node.ask(PUT, "/3442/9", query=["pmin=1"]).code, "4.04")
        self.assertEqual(node.ask(PUT, "/3442/0/0", query=["pmin=1"]).code, "4.05")
        bad = node.request(PUT, "/3442/0/3", extra=((15, b"pmin=\xff"),))
        node.heard = []
        node.give(bad)
        node.run()
        self.assertEqual(node.heard[0].code, "4.00")
        self.assertEqual(self.links(node, "/3442/0/3"), ["</3442/0/3>"])

    def test_paths_with_attributes_are_bounded(self):
        node = Node(attributes=2).until_registered()
        codes = [
            node.ask(PUT, path, query=["pmin=1"]).code
            for path in ("/3300", "/3300/0", "/3300/0/5700", "/3300/0")
        ]
        self.assertEqual(codes, ["2.04", "2.04", "5.00", "2.04"])


class BlockTest(unittest.TestCase):
    def test_a_long_answer_comes_in_blocks_with_a_token_each(self):
        node = Node(mixed()).until_registered()
        node.objects.find(3442, 0).put(1, "ab" * 600)
        whole = b""
        tags = set()
        for num in range(3):
            block2 = None if num == 0 else num << 4 | 5
            token = bytes((num,)) * 8
            answer = node.ask(GET, "/3442/0/1", block2=block2, token=token)
            self.assertEqual((answer.code, answer.token), ("2.05", token))
            self.assertEqual(answer.value(23), num << 4 | (num < 2) << 3 | 5)
            tags.add(answer.all(4)[0])
            whole += answer.payload
        self.assertEqual(whole, b"ab" * 600)
        self.assertEqual(len(tags), 1)
        node.objects.find(3442, 0).put(1, "ac" * 600)
        self.assertFalse(node.ask(GET, "/3442/0/1", block2=1 << 4 | 5).all(4)[0] in tags)

    def test_sizes(self):
        node = Node(mixed()).until_registered()
        node.objects.find(3442, 0).put(1, "x" * 40)
        answer = node.ask(GET, "/3442/0/1", block2=0)
        self.assertEqual((answer.value(23), len(answer.payload)), (8, 16))
        answer = node.ask(GET, "/3442/0/1", block2=2 << 4)
        self.assertEqual((answer.value(23), len(answer.payload)), (2 << 4, 8))
        answer = node.ask(GET, "/3442/0/1", block2=6)  # larger than ours
        self.assertEqual((answer.value(23), len(answer.payload)), (5, 40))
        self.assertEqual(node.ask(GET, "/3442/0/1", block2=3 << 4).code, "4.00")
        self.assertEqual(node.ask(GET, "/3442/0/1", block2=7).code, "4.00")
        node.objects.find(3442, 0).put(1, "x" * 3000)
        self.assertEqual(node.ask(GET, "/3442/0/1").code, "5.00")

    def test_a_request_that_does_not_fit(self):
        node = Node(mixed()).until_registered()
        answer = node.ask(PUT, "/3442/0/1", b"x" * 700, ct=0)
        self.assertEqual((answer.code, answer.value(60)), ("4.13", 600))
        answer = node.ask(PUT, "/3442/0/1", b"x" * 64, ct=0, block1=8 | 2)
        self.assertEqual((answer.code, answer.value(60)), ("4.13", 600))
        self.assertEqual(node.objects.find(3442, 0).get(1), "text")
        answer = node.ask(PUT, "/3442/0/1", b"x" * 10, ct=0, block1=2)
        self.assertEqual((answer.code, node.objects.find(3442, 0).get(1)), ("2.04", "x" * 10))


class RecordedTest(unittest.TestCase):
    # What a server asked of a client, in tests/vectors: ours answers with the same code.
    OTHERS = {
        "l-read-3300-TEXT": "4.06",  # Leshan's client says 5.00
        "l-read-3-TEXT": "4.06",
        "l-read-err-0-0-0": "4.01",  # ETS 221
        "wk-read-err-0-0-0": "4.01",
        "wk-read-res-OPAQUE": "4.06",
        "wk-execute-1-0-4-disable": "2.04",  # ETS 103
    }

    def node(self):
        node = Node(
            mixed(), Instance(self.other(), 10, {1: 20, 3: -30.0}, {2: lambda arguments: None})
        )
        node.objects.find(3).put(13, 1700000000)
        node.objects.find(3).put(15, "Europe/Berlin")
        return node.until_registered()

    def other(self):
        return (
            31024,
            "1.0",
            False,
            (1 << 8 | R | W | INTEGER, 2 << 8 | E, 3 << 8 | R | W | FLOAT),
        )

    def test_answers_have_the_right_code_and_format(self):
        count = 0
        for vector in VECTORS["exchanges"]:
            name = vector["id"]
            if "composite" in name or "create" in name or "delete" in name or "JSON" in name:
                continue  # later parts
            if "block64" in name or "bootstrap" in name:
                continue
            first = vector["datagrams"][0]
            meaning = first["meaning"]
            if first["from"] != "server" or len(vector["datagrams"]) < 2:
                continue
            path = "/".join(v for n, v in meaning["options"] if n == "Uri-Path")
            if path.split("/")[0] not in ("0", "1", "3", "3300", "31024", "77"):
                continue
            if path.startswith("3300/1") or path in ("3/0/7", "3/0/7/0", "3/0/7/9"):
                continue
            node = self.node()
            node.give(bytes.fromhex(first["hex"]))
            node.run()
            answer = node.heard[0]
            recorded = vector["datagrams"][1]["meaning"]
            wanted = self.OTHERS.get(name, recorded["code"])
            if name.startswith("wk-") and "CBOR" in name and wanted == "4.06":
                wanted = "2.04" if "write" in name else "2.05"  # Wakaama was built without
            if name in ("n-write", "n-execute"):
                wanted = "2.04"  # trap 21: better for this server
            if name == "l-write-3-0-13-TLV":
                wanted = "2.04"  # a node with a clock
            self.assertEqual((name, answer.code), (name, wanted))
            self.assertEqual(answer.token.hex(), meaning["token"])
            accept = [v for n, v in meaning["options"] if n == "Accept"]
            if answer.code == "2.05" and accept:
                self.assertEqual(answer.value(12), accept[0])
            count += 1
        self.assertTrue(count > 50, count)

    def test_what_is_registered_is_what_leshan_understands(self):
        node = Node()
        node.client.start()
        node.run()
        register = node.heard[0]
        self.assertEqual((register.kind, register.code), (CON, "0.02"))
        self.assertEqual(register.all(11), [b"rd"])
        self.assertEqual(register.value(12), 40)
        self.assertEqual(register.all(15), [b"ep=vec-1", b"lt=86400", b"lwm2m=1.1", b"b=U"])
        self.assertEqual(
            register.payload,
            b'</>;rt="oma.lwm2m";ct="60 112 11542",</1/0>,</3>;ver=1.2,</3/0>,</3300>;ver=1.1,</3300/0>',
        )


class MessageTest(unittest.TestCase):
    def test_ping_and_nonsense(self):
        node = Node().until_registered()
        node.give(message(CON, 0, 77))
        node.run()
        self.assertEqual([heard.data for heard in node.heard], [message(RST, 0, 77)])
        node.heard = []
        for data in (message(ACK, 0, 4), message(RST, 0, 5), message(NON, 0, 6), b"", b"\x40"):
            node.give(data)
        node.run()
        self.assertEqual(node.heard, [])

    def test_a_non_request_gets_a_non(self):
        node = Node().until_registered()
        node.give(node.request(GET, "/3300/0/5700", kind=NON))
        node.run()
        self.assertEqual((node.heard[0].kind, node.heard[0].payload), (NON, b"21.5"))
        self.assertNotEqual(node.heard[0].mid, node.mid)

    def test_elective_options_are_ignored(self):
        node = Node().until_registered()
        extra = ((4, b"tag"), (28, b""), (60, b"\x01"), (258, b"\x02"), (2048, b"x" * 300))
        self.assertEqual(node.ask(GET, "/3300/0/5700", extra=extra).payload, b"21.5")
        extra = ((3, b"host"), (7, b"\x16\x33"))
        self.assertEqual(node.ask(GET, "/3300/0/5700", extra=extra).payload, b"21.5")


if __name__ == "__main__":
    unittest.main()
