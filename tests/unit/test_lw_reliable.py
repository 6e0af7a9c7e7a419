# Messages that arrive for sure, and requests that run once.

import unittest

from lwm2m.coap import Message, Writer
from lwm2m.objects import E, Instance
from peer import ACK, CON, GET, NON, POST, PUT, RST, TOKEN, Heard, Node, code, message

ACTIONS = (3500, None, False, (0 << 8 | E,))


def counting(runs, answer=None):
    def action(arguments):
        runs.append(arguments)
        return answer

    return Instance(ACTIONS, 0, None, {0: action})


class CodecTest(unittest.TestCase):
    def test_what_is_written_is_read(self):
        for token in (b"", b"\x01", b"12345678"):
            writer = Writer(bytearray(600))
            writer.start(CON, POST, 0xFFFE, token)
            writer.option(6, 0)
            writer.option(11, b"3300")
            writer.option(11, b"0")
            writer.option(12, 11542)
            writer.option(15, b"x" * 12)
            writer.option(15, b"y" * 13)
            writer.option(15, b"z" * 268)
            writer.option(17, 0)
            writer.option(23, 0x12345)
            writer.option(2048, b"w" * 100)
            writer.buf[writer.mark()] = 7
            writer.n += 1
            heard = Heard(bytes(writer.buf[: writer.n]))
            self.assertEqual(
                [n for n, _ in heard.options], [6, 11, 11, 12, 15, 15, 15, 17, 23, 2048]
            )
            self.assertEqual(
                [len(v) for _, v in heard.options], [0, 4, 1, 2, 12, 13, 268, 0, 3, 100]
            )
            read = Message(writer.buf)
            self.assertEqual(read.parse(writer.n), 0)
            self.assertEqual((read.type, read.code, read.mid), (CON, POST, 0xFFFE))
            self.assertEqual((read.observe, read.content_format, read.accept), (0, 11542, 0))
            self.assertEqual((read.block2, read.block1), (0x12345, -1))
            self.assertEqual((read.depth, read.path[:2], read.odd), (2, [3300, 0], 0))
            self.assertEqual((read.bytes(4, read.token_n), read.payload), (token, writer.n - 1))

    def test_a_writer_never_grows(self):
        for n in range(4, 40):
            writer = Writer(bytearray(n))
            try:
                writer.start(CON, POST, 1, b"1234")
                for _ in range(10):
                    writer.option(11, b"3300")
            except IndexError:
                pass
            self.assertEqual(len(writer.buf), n)


class RetransmissionTest(unittest.TestCase):
    def times(self, **options):
        node = Node(**options)
        node.answer = False
        node.client.start()
        node.run(100)
        return [second for second, _ in node.log], node

    def test_at_0_t_3t_7t_15t_and_no_more(self):
        times, node = self.times()
        self.assertEqual(times, [0, 2, 6, 14, 30])
        self.assertEqual(len({heard.data for heard in node.heard}), 1)
        self.assertEqual(node.events, [(5, 0)])
        self.assertEqual(self.times(bits=lambda n: (1 << n) - 1)[0][1], 2.9)
        self.assertEqual(self.times(ack_timeout_s=5, retransmit=2)[0][:3], [0, 5, 15])

    def test_counts_from_when_it_has_left_and_is_never_queued_twice(self):
        node = Node()
        node.answer = False
        node.net.hold = True
        node.client.start()
        node.run(180)
        self.assertEqual(len(node.net.held), 1)
        node.net.release()
        node.run(1.9)
        self.assertEqual(len(node.net.held), 0)
        node.run(0.2)
        self.assertEqual(len(node.net.held), 1)
        node.run(299)
        self.assertEqual(len(node.net.held), 1)
        node.run(10)  # it never said so: 300 s are enough
        self.assertEqual(len(node.net.held), 2)

    def test_a_full_transport_is_tried_again(self):
        node = Node()
        node.net.full = True
        node.client.start()
        node.run(3)
        self.assertEqual(node.log, [])
        node.net.full = False
        node.run(1)
        self.assertTrue(node.client.is_registered())
        node = Node()
        node.net.full = True
        node.client.start()
        node.run(400)
        self.assertEqual(node.events, [(5, 0)])

    def test_separate_response(self):
        node = Node()
        node.answer = False
        node.client.start()
        node.run()
        first = node.heard[0]
        node.give(message(ACK, 0, first.mid))
        node.run(60)
        self.assertEqual(len(node.heard), 1)  # no retransmission
        options = ((8, b"rd"), (8, b"x"))
        response = message(CON, code("2.01"), 500, first.token, options)
        for _ in (1, 2):  # the ACK may get lost
            node.heard = []
            node.give(response)
            node.run()
            self.assertEqual([heard.data for heard in node.heard], [message(ACK, 0, 500)])
        self.assertEqual(node.events, [(1, None)])

    def test_separate_response_that_never_comes(self):
        node = Node()
        node.answer = False
        node.client.start()
        node.run()
        node.give(message(ACK, 0, node.heard[0].mid))
        node.run(92)
        self.assertEqual(node.events, [])
        node.run(2)
        self.assertEqual(node.events, [(5, 0)])

    def test_a_response_counts_as_ack_and_a_non_will_do(self):
        for kind in (CON, NON):
            node = Node()
            node.answer = False
            node.client.start()
            node.run()
            options = ((8, b"rd"), (8, b"x"))
            node.give(message(kind, code("2.01"), 9, node.heard[0].token, options))
            node.run()
            self.assertTrue(node.client.is_registered())

    def test_responses_of_others(self):
        node = Node()
        node.answer = False
        node.client.start()
        node.run()
        first = node.heard[0]
        node.heard = []
        options = ((8, b"rd"), (8, b"x"))
        other = bytes((first.token[0] ^ 1,))
        for kind, mid, token in (
            (ACK, first.mid ^ 1, first.token),
            (ACK, first.mid, other),
            (ACK, first.mid, b""),
            (NON, 5, other),
            (RST, first.mid ^ 1, b""),
        ):
            node.give(
                message(
                    kind,
                    code("2.01") if kind != RST else 0,
                    mid,
                    token,
                    () if kind == RST else options,
                )
            )
        node.run()
        self.assertEqual(node.heard, [])
        node.give(message(CON, code("2.05"), 6, other))
        node.run()
        self.assertEqual([heard.data for heard in node.heard], [message(RST, 0, 6)])
        self.assertFalse(node.client.is_registered())

    def test_requests_are_served_before_the_answer_to_register(self):
        node = Node()
        node.answer = False
        node.client.start()
        node.run()
        self.assertEqual(node.ask(GET, "/3300/0/5700").payload, b"21.5")

    def test_rst_of_a_request_counts_as_no_answer(self):
        node = Node()
        node.answer = False
        node.client.start()
        node.run()
        node.give(message(RST, 0, node.heard[0].mid))
        node.run()
        self.assertEqual(node.events, [(5, 0)])


class OnceTest(unittest.TestCase):
    def test_an_execute_runs_once_and_its_answer_is_repeated(self):
        runs = []
        node = Node(counting(runs, 0x80)).until_registered()
        request = node.request(POST, "/3500/0/0", b"1", ct=0)
        answers = []
        for _ in range(5):
            node.heard = []
            node.give(request)
            node.run(20)
            answers.append(node.heard[0].data)
        self.assertEqual(len(runs), 1)
        self.assertEqual(answers[0][1], 0x80)
        self.assertEqual(set(answers), {answers[0]})

    def test_with_many_requests_between(self):
        runs = []
        node = Node(counting(runs)).until_registered()
        request = node.request(POST, "/3500/0/0")
        node.give(request)
        for i in range(120):
            node.ask(GET, "/3300/0/5700", token=bytes((i,)))
        node.heard = []
        node.give(request)
        node.run()
        self.assertEqual((len(runs), node.heard[0].code), (1, "2.04"))

    def test_after_247_s_it_is_another_request(self):
        runs = []
        node = Node(counting(runs)).until_registered()
        request = node.request(POST, "/3500/0/0")
        node.give(request)
        node.run(246)
        node.give(request)
        node.run(2)
        self.assertEqual(len(runs), 1)
        node.give(request)
        node.run()
        self.assertEqual(len(runs), 2)

    def test_another_token_is_another_request(self):
        runs = []
        node = Node(counting(runs)).until_registered()
        mid = node.mid
        for token in (b"", b"\x01", b"\x02", b"12345678", b"12345679"):
            node.mid = mid
            self.assertEqual(node.ask(POST, "/3500/0/0", token=token).code, "2.04")
        self.assertEqual(len(runs), 5)

    def test_a_write_and_a_non(self):
        node = Node().until_registered()
        writes = []
        node.sensor.wrote = writes.append
        request = node.request(PUT, "/3300/0/5750", b"a", ct=0)
        non = node.request(PUT, "/3300/0/5750", b"b", ct=0, kind=NON)
        for data in (request, request, non, non):
            node.give(data)
        node.heard = []
        node.run()
        self.assertEqual(len(writes), 2)
        self.assertEqual([heard.kind for heard in node.heard], [ACK, ACK, NON])

    def test_an_answer_that_comes_later(self):
        runs = []
        node = Node(counting(runs, 0)).until_registered()
        node.answer = False
        request = node.request(POST, "/3500/0/0")
        for _ in (1, 2):
            node.give(request)
            node.run(10)
        self.assertEqual([heard.data for heard in node.heard], [message(ACK, 0, node.mid)] * 2)
        self.assertEqual(len(runs), 1)
        mid = node.mid
        self.assertEqual(node.ask(POST, "/3500/0/0").code, "5.03")
        node.heard = []
        node.client.reply(code("2.04"))
        node.run(3)
        self.assertEqual([heard.kind for heard in node.heard], [CON, CON])
        self.assertEqual(node.heard[0].token, TOKEN)
        self.assertNotEqual(node.heard[0].mid, mid)
        node.give(message(ACK, 0, node.heard[0].mid))
        node.run(100)
        self.assertEqual(len(node.heard), 2)
        self.assertEqual(node.ask(GET, "/3300/0/5700").code, "2.05")
        node.give(request)
        node.heard = []
        node.run()
        self.assertEqual(len(runs), 1)


if __name__ == "__main__":
    unittest.main()
