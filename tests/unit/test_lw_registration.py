# Register, Update, De-register, queue mode, Disable, and what happens when they fail.

import unittest

from lwm2m import Client, Instance, Objects, Sensor
from lwm2m.device import device
from lwm2m.objects import SERVER
from lwm2m.udp import parse
from peer import ACK, CON, GET, POST, PUT, RST, Net, Node, message

REGISTERED = (1, None)
UPDATED = (2, None)
DAY_S = 86400


def requests(node):
    """(second, code, path, queries) of what the client asked for."""
    return [
        (second, heard.code, b"/".join(heard.all(11)).decode(), b"&".join(heard.all(15)).decode())
        for second, heard in node.log
        if heard.kind == CON and heard.code[0] == "0"
    ]


class LifetimeTest(unittest.TestCase):
    def test_register_then_updates_before_the_lifetime_is_over(self):
        for lifetime_s, at_s in ((300, 207), (186, 93), (120, 60), (20, 10)):
            node = Node(lifetime_s=lifetime_s).until_registered()
            node.run(2.5 * at_s)
            rows = requests(node)
            self.assertEqual([row[0] for row in rows], [0, at_s, 2 * at_s])
            self.assertEqual(rows[1][1:], ("0.02", "rd/NQNnJHuk01", ""))
            self.assertEqual(node.events, [REGISTERED, UPDATED, UPDATED])

    def test_bytes_of_an_update_and_of_a_send(self):
        node = Node().until_registered()
        node.client.update()
        node.run()
        self.assertEqual(len(node.heard[0].data), 19)
        node.heard = []
        self.assertTrue(node.client.send("/3300/0/5700"))
        node.run()
        self.assertEqual(len(node.heard[0].data), 31)
        self.assertEqual(node.heard[0].all(11), [b"dp"])
        self.assertEqual(node.heard[0].value(12), 112)

    def test_a_location_in_one_option_is_kept_as_it_is(self):
        node = Node()
        node.answer = False
        node.client.start()
        node.run()
        first = node.heard[0]
        node.give(message(ACK, 0x41, first.mid, first.token, ((8, b"rd/1"),)))
        node.client.update()
        node.run()
        node.client.update()
        node.run()
        self.assertEqual(node.heard[1].all(11), [b"rd/1"])

    def test_written_lifetime_goes_with_an_update(self):
        node = Node().until_registered()
        self.assertEqual(node.ask(PUT, "/1/0/1", b"20", ct=0).code, "2.04")
        node.run(25)
        rows = requests(node)[1:]
        self.assertEqual([row[3] for row in rows], ["lt=20", "", ""])
        self.assertEqual([row[0] for row in rows], [0, 10, 20])
        for payload in (b"0", b"-1"):
            self.assertEqual(node.ask(PUT, "/1/0/1", payload, ct=0).code, "4.00")
        self.assertEqual(node.ask(PUT, "/1/0/7", b"UQ", ct=0).code, "4.00")
        self.assertEqual(node.ask(PUT, "/1/0/0", b"1", ct=0).code, "4.05")

    def test_changed_links(self):
        node = Node().until_registered()
        other = Sensor(iid=1)
        node.objects.add(other)
        node.run(1)
        self.assertTrue(node.heard[0].payload.endswith(b"</3300/0>,</3300/1>"))
        self.assertEqual(node.heard[0].value(12), 40)
        node.heard = []
        node.objects.remove(other)
        node.run(1)
        self.assertTrue(node.heard[0].payload.endswith(b"</3300/0>"))
        self.assertEqual(node.events[-1], UPDATED)

    def test_trigger(self):
        node = Node().until_registered()
        self.assertEqual(node.ask(POST, "/1/0/8").code, "2.04")
        self.assertEqual([row[1:] for row in requests(node)][1:], [("0.02", "rd/NQNnJHuk01", "")])
        self.assertTrue([h for h in node.heard if h.kind == ACK] == node.heard[:1])

    def test_disable(self):
        server = Instance(SERVER, 0, {0: 1, 1: 600, 5: 1000, 6: True, 7: "U", 23: False})
        node = Node(server).until_registered()
        self.assertEqual(node.ask(POST, "/1/0/4").code, "2.04")
        self.assertEqual(node.events[-1], (4, None))
        self.assertEqual(node.client.trouble(0), None)
        node.run(999)
        self.assertFalse(node.client.is_registered())
        node.run(2)
        rows = requests(node)
        self.assertEqual([row[1] for row in rows], ["0.02", "0.04", "0.02"])
        self.assertTrue(node.client.is_registered())

    def test_stop(self):
        node = Node().until_registered()
        node.ask(PUT, "/3300/0", query=["pmin=5"])
        node.client.update()
        node.run(1)
        self.assertEqual(len(node.client.requests.attributes.paths), 1)
        node.log = node.log[:1]
        node.client.stop()
        node.run(1000)
        self.assertEqual([row[1] for row in requests(node)], ["0.02", "0.04"])
        self.assertEqual(node.events[-1], (3, None))
        self.assertEqual(len(node.client.requests.attributes.paths), 0)
        node.client.start()
        node.run()
        self.assertTrue(node.client.is_registered())
        node.answer = False
        node.client.stop()
        node.run(100)
        self.assertEqual(node.events[-1], (3, None))
        node = Node()
        node.answer = False
        node.client.start()
        node.run(1)
        node.client.stop()
        node.run(100)
        self.assertEqual(node.events[-1], (3, None))

    def test_a_lifetime_of_years_and_ticks_that_wrap(self):
        node = Node().until_registered()
        node.run(15 * DAY_S)
        self.assertTrue(15 <= len(requests(node)) <= 17)
        self.assertTrue(node.client.is_registered())


class FailureTest(unittest.TestCase):
    def test_update_answered_4_04_registers_at_once(self):
        node = Node().until_registered()
        node.codes["update"] = "4.04"
        node.client.update()
        node.run(1)
        self.assertEqual(node.events, [REGISTERED, (6, 0x84), REGISTERED])
        self.assertEqual(node.now(), 1)

    def test_update_without_answer_registers_when_it_is_given_up(self):
        node = Node().until_registered()
        node.codes["update"] = None
        node.client.update()
        node.run(61)
        self.assertTrue(node.client.is_registered())
        node.run(2)
        self.assertEqual(node.events, [REGISTERED, (6, 0), REGISTERED])

    def test_update_answered_4_00_registers_later(self):
        node = Node().until_registered()
        node.codes["update"] = "4.00"
        node.client.update()
        node.run(59)
        self.assertEqual(node.rd, 1)
        node.run(20)
        self.assertEqual(node.rd, 2)

    def test_attempts_are_spaced_and_never_end(self):
        node = Node()
        node.codes["register"] = "4.03"
        node.client.start()
        node.run(3 * DAY_S)
        times = [row[0] for row in requests(node)]
        self.assertEqual(times[:5], [0, 60, 180, 420, 900])
        self.assertEqual(times[5:8], [900 + DAY_S + i for i in (0, 60, 180)])
        self.assertTrue(len(times) >= 15)
        self.assertEqual(node.events[0], (5, 0x83))
        self.assertEqual(node.client.trouble(1000), (1000 - 3 * DAY_S, 1))

    def test_jitter_is_added(self):
        node = Node(bits=lambda n: (1 << n) - 1)
        node.codes["register"] = "5.00"
        node.client.start()
        node.run(100)
        self.assertTrue(70 < requests(node)[1][0] <= 75)

    def test_version_1_0_after_4_12(self):
        node = Node(queue=True)
        node.codes["register"] = "4.12"
        node.client.start()
        node.run(1)
        rows = requests(node)
        self.assertEqual(rows[0][3], "ep=vec-1&lt=86400&lwm2m=1.1&b=U&Q")
        self.assertEqual(rows[1][3], "ep=vec-1&lt=86400&lwm2m=1.0&b=UQ")
        self.assertEqual(len(rows), 2)
        node = Node(allow_1_0=False)
        node.codes["register"] = "4.12"
        node.client.start()
        node.run(1)
        self.assertEqual(len(requests(node)), 1)

    def test_no_location_is_a_failure(self):
        node = Node()
        node.codes["register"] = "2.04"
        node.client.start()
        node.run(1)
        self.assertEqual(node.events, [(5, 0x44)])

    def test_rebuilt_socket(self):
        node = Node().until_registered()
        node.client.rebuilt()
        node.run()
        self.assertEqual(node.events, [REGISTERED, (7, None), UPDATED])
        node = Node()
        node.codes["register"] = None
        node.client.start()
        node.run(200)
        node.codes = {}
        node.client.rebuilt()
        node.run()
        self.assertTrue(node.client.is_registered())

    def test_rebuilt_socket_while_a_message_is_held(self):
        node = Node()
        node.net.hold = True
        node.client.start()
        node.run(10)
        node.net.held = []
        node.net.hold = False
        node.client.rebuilt()
        node.run()
        self.assertTrue(node.client.is_registered())

    def test_kick_and_trouble(self):
        node = Node().until_registered()
        self.assertEqual(node.client.trouble(77), None)
        node.codes = {"update": None, "register": None}
        node.client.update()
        node.run(200)
        self.assertEqual(node.client.trouble(1000), (1000 - 200 + 62, 1))
        node.codes = {}
        node.client.kick()
        node.run()
        self.assertEqual((node.net.reopened, node.client.trouble(1000)), (1, None))
        self.assertTrue(node.client.is_registered())

    def test_no_trouble_when_it_is_off(self):
        node = Node()
        node.codes["register"] = "4.03"
        node.client.start()
        node.run(100)
        self.assertNotEqual(node.client.trouble(0), None)
        node.client.stop()
        node.run(1)
        self.assertEqual(node.client.trouble(0), None)

    def test_reboot_after_the_answer(self):
        reboots = []
        node = Node()
        objects = Objects(device({0: "Maker"}, reboot=lambda: reboots.append(node.now())))
        node.client = Client(node.net, "a", objects, ticks=node.ticks, bits=lambda n: 0)
        node.until_registered()
        self.assertEqual(node.ask(POST, "/3/0/4").code, "2.04")
        self.assertEqual(reboots, [])
        node.run(60)
        self.assertEqual(reboots, [2.0])

    def test_a_thousand_losses_leave_nothing(self):
        node = Node(retry=(5, 1, 10)).until_registered()
        node.codes = {"update": None, "register": None}
        for _ in range(20):
            node.run(1000)
            node.log = []
        node.codes = {}
        node.run(100)
        self.assertTrue(node.client.is_registered())


class QueueTest(unittest.TestCase):
    def test_silent_while_asleep_and_an_update_goes_first(self):
        node = Node(queue=True, lifetime_s=3600).until_registered()
        self.assertTrue(b"Q" in node.log[0][1].all(15))
        node.ask(GET, "/3300/0/5700", observe=0)
        node.heard = []
        node.sensor.set(22.0)
        node.run(1)
        self.assertEqual(len(node.notifications()), 1)  # awake
        node.run(100)
        self.assertTrue(node.client.asleep())
        node.heard = []
        node.sensor.set(23.0)
        node.run()
        self.assertEqual([heard.code for heard in node.heard], ["0.02", "2.05"])
        node.run(200)
        node.heard = []
        node.codes["update"] = None
        node.sensor.set(24.0)
        node.run(20)
        self.assertEqual({heard.code for heard in node.heard}, {"0.02"})

    def test_nothing_is_sent_until_the_next_update(self):
        node = Node(queue=True, lifetime_s=3600).until_registered()
        node.run(3500)
        self.assertEqual(node.heard, [])
        node.run(10)
        self.assertEqual([heard.code for heard in node.heard], ["0.02"])
        self.assertFalse(node.client.asleep())
        self.assertEqual(node.ask(GET, "/3300/0/5700").payload, b"21.5")
        node.run(92)
        self.assertFalse(node.client.asleep())
        node.run(2)
        self.assertTrue(node.client.asleep())

    def test_a_send_wakes_it(self):
        node = Node(queue=True).until_registered()
        node.run(100)
        node.client.send("/3300/0/5700")
        node.run()
        self.assertEqual([heard.all(11)[0] for heard in node.heard], [b"rd", b"dp"])
        self.assertTrue((13, None) in node.events)


class SendTest(unittest.TestCase):
    def test_values_and_evidence(self):
        node = Node().until_registered()
        node.run(10)
        self.assertTrue(node.client.send("/3300/0/5700", "/3/0/1"))
        self.assertFalse(node.client.send("/3300/0/5700"))
        node.run()
        self.assertEqual(
            node.heard[0].payload,
            b"\x82\xa2\x21\x6c/3300/0/5700\x02\xf9\x4d\x60\xa2\x21\x66/3/0/1\x03\x63M-1",
        )
        report = node.client.report("/3300/0/5700")
        self.assertEqual((report.sent, report.confirmed, report.confirmed_s), (21.5, 21.5, 10))

    def test_mute_and_failures(self):
        node = Node()
        self.assertFalse(node.client.send("/3300/0/5700"))
        node.until_registered()
        node.ask(PUT, "/1/0/23", b"1", ct=0)
        self.assertFalse(node.client.send("/3300/0/5700"))
        node.ask(PUT, "/1/0/23", b"0", ct=0)
        node.codes["send"] = "4.04"
        self.assertTrue(node.client.send("/3300/0/5700"))
        node.run()
        self.assertEqual(node.events[-1], (14, 0x84))
        node.codes["send"] = None
        node.client.send("/3300/0/5700")
        node.run(100)
        self.assertTrue((14, 0) in node.events)
        self.assertEqual(node.events[-1], UPDATED)  # is it still there?
        for path in ("/3300/0", "/3300/0/5605", "/3300/0/5518", "/9/0/0", "x"):
            with self.assertRaises(ValueError):
                node.client.send(path)


class SettingsTest(unittest.TestCase):
    def test_mistakes_say_what_is_wanted(self):
        sensor = Sensor()
        for name, options in (
            ("", {}),
            (None, {}),
            ("a b", {}),
            ('a"', {}),
            ("a", {"lifetime_s": 0}),
            ("a", {"lifetime_s": -5}),
            ("a", {"lifetime_s": None}),
            ("a", {"version": "1.2"}),
            ("a", {"size": 50}),
            ("a", {"retry": (0, 1, 1)}),
            ("a", {"con": -1}),
            ("a", {"typo": 1}),
            ("a", {"awake_s": None}),
        ):
            try:
                Client(Net(), name, Objects(), **options)
                told = "nothing"
            except ValueError as error:
                told = str(error)
            self.assertTrue("wants" in told, told)
        with self.assertRaises(ValueError):
            Client(Net(), "a", Objects(*(Sensor(iid=i) for i in range(70))))
        net = Net()
        net.size = 512  # a transport that has shorter datagrams only
        with self.assertRaises(ValueError):
            Client(net, "a", Objects())
        Client(net, "a", Objects(), size=512)
        with self.assertRaises(ValueError):
            Objects(sensor, sensor)
        for values in ({9: 1}, {5700: "x"}, {5605: 1}, {5701: 5}):
            with self.assertRaises(ValueError):
                Instance(sensor.table, 0, values)
        with self.assertRaises(ValueError):
            sensor.put(5701, 5)
        with self.assertRaises(TypeError):
            sensor.set("warm")
        with self.assertRaises(TypeError):
            sensor.set(None)
        self.assertTrue(sensor.value != sensor.value)  # noqa: PLR0124 - still none

    def test_uris(self):
        self.assertEqual(parse("coap://example.org"), ("example.org", 5683))
        self.assertEqual(parse("coap://192.0.2.1:5685"), ("192.0.2.1", 5685))
        self.assertEqual(parse("coap://[2001:db8::1]"), ("2001:db8::1", 5683))
        self.assertEqual(parse("coap://[2001:db8::1]:5"), ("2001:db8::1", 5))
        for uri in (
            "coaps://a",
            "http://a",
            "coap://",
            "a",
            "",
            "coap://a:x",
            "coap://a:0",
            "coap://a/b",
        ):
            with self.assertRaises(ValueError):
                parse(uri)


if __name__ == "__main__":
    unittest.main()
