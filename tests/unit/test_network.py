# SIM, APN, registration, signal and time against a scripted module: what is asked, what is written and
# what never is.

import unittest

import harness
from atport.errors import AtError, AtTimeout, CmeError
from fake_node import MemoryStore
from harness import PORTS, AioPort, BlockingPort, FakeStream
from lexi import network, sim
from lexi.network import CHAP, PAP, Network

OK = b"\r\nOK\r\n"
ERROR = b"\r\nERROR\r\n"
PIN = "4711"
PASSWORD = "sesame"


def cme(code):
    return b"\r\n+CME ERROR: %d\r\n" % code


def text(*lines):
    return b"".join(b"\r\n" + line + b"\r\n" for line in lines) + OK


WELL = {
    b"AT+CPIN?": text(b"+CPIN: READY"),
    b"AT+CGDCONT?": text(b'+CGDCONT: 1,"IP","iot.example","0.0.0.0",0,0,0,0'),
    b"AT+CGAUTH?": text(b'+CGAUTH: 1,0,"",""'),
    b"AT+CFUN?": text(b"+CFUN: 1"),
    b"AT+COPS?": text(b'+COPS: 0,0,"",7'),
    b"AT+CEREG?": text(b"+CEREG: 1,1"),
    b"AT+CGACT?": text(b"+CGACT: 1,1"),
}


class Store(MemoryStore):
    """What a PIN was tried for outlives the MCU in it."""

    def __init__(self, data=None, fails=False, writes_flash=True):
        self.data = data
        self.fails = fails
        self.writes_flash = writes_flash

    def load(self):
        if self.fails:
            raise OSError(5)
        return self.data

    def save(self, data):
        if self.fails:
            raise OSError(5)
        self.data = data


class Site:
    """A Network and the module's script."""

    def __init__(self, port_class=BlockingPort, answers=None, **options):
        self.stream = FakeStream()
        self.stream.answers = dict(WELL)
        self.stream.answers.update(answers or {})
        self.port = port_class(self.stream)
        self.network = Network(self.port.channel, self.port.lexi.runtime, **options)
        self.shown = []
        self.port.channel.on_send = self.shown.append

    def run(self, coro):
        return self.port.run(coro)

    def fails(self, coro):
        try:
            self.port.run(coro)
        except Exception as e:
            return e

    def sent(self, prefix):
        return [line for line in self.stream.commands if line.startswith(prefix)]

    def wrote(self):
        return [line for line in self.stream.commands if b"?" not in line]


class SimTest(unittest.TestCase):
    def locked(self, after=b"READY", **options):
        pins = {
            b'AT+CPIN="4711"': OK,
            b"AT+CPIN?": [text(b"+CPIN: SIM PIN"), text(b"+CPIN: " + after)],
        }
        return Site(answers=pins, **options)

    def test_states(self):
        for answer, state in (
            (text(b"+CPIN: READY"), sim.READY),
            (text(b"+CPIN: SIM PIN"), sim.LOCKED),
            (text(b"+CPIN: SIM PUK"), sim.LOCKED),
            (cme(11), sim.LOCKED),
            (cme(12), sim.LOCKED),
            (cme(10), sim.FAILED),
            (cme(13), sim.FAILED),
            (b"\r\n+CME ERROR: SIM not inserted\r\n", sim.FAILED),
            (cme(14), sim.UNKNOWN),
            (ERROR, sim.UNKNOWN),
            (OK, sim.UNKNOWN),
        ):
            for port_class in PORTS:
                site = Site(port_class, {b"AT+CPIN?": answer})
                self.assertEqual(site.run(site.network.sim.unlock()), state, answer)
                self.assertEqual(site.network.sim.state, state)
                self.assertEqual(site.sent(b"AT+CPIN="), [])

    def test_the_pin_is_entered(self):
        for writes_flash in (True, False):
            store = Store(writes_flash=writes_flash)
            site = self.locked(pin=PIN, pin_store=store)
            doubts = site.port.channel.doubts
            self.assertEqual(site.run(site.network.sim.unlock()), sim.READY)
            self.assertEqual(site.sent(b"AT+CPIN="), [b'AT+CPIN="4711"'])
            self.assertEqual(store.data, b"0")
            self.assertEqual(site.port.channel.doubts, doubts)  # flow control is there

    def test_a_refused_pin_is_never_entered_again(self):
        refusals = (cme(16), ERROR, b"\r\n+CME ERROR: incorrect password\r\n", None)
        for refusal in refusals:
            for store in (None, Store()):
                site = Site(pin=PIN, pin_store=store)
                site.stream.answers[b"AT+CPIN?"] = text(b"+CPIN: SIM PIN")
                site.stream.answers[b'AT+CPIN="4711"'] = refusal
                first = site.fails(site.network.sim.unlock())
                self.assertIs(type(first), type(None) if refusal else AtTimeout)
                for _ in range(3):
                    self.assertEqual(site.run(site.network.sim.unlock()), sim.LOCKED)
                self.assertFalse(site.run(site.network.connect(5)))
                self.assertEqual(len(site.sent(b"AT+CPIN=")), 1, refusal)
                if store:
                    again = Site(pin=PIN, pin_store=store)  # the MCU has restarted
                    again.stream.answers[b"AT+CPIN?"] = text(b"+CPIN: SIM PIN")
                    self.assertEqual(again.run(again.network.sim.unlock()), sim.LOCKED)
                    self.assertEqual(again.sent(b"AT+CPIN="), [])

    def test_a_sim_that_was_unlocked_by_hand_may_have_its_pin_again(self):
        store = Store(b"1")
        site = Site(pin=PIN, pin_store=store)
        site.run(site.network.sim.unlock())
        self.assertEqual(store.data, b"0")
        site.stream.answers[b"AT+CPIN?"] = [text(b"+CPIN: SIM PIN"), text(b"+CPIN: READY")]
        self.assertEqual(site.run(site.network.sim.unlock()), sim.READY)
        self.assertEqual(len(site.sent(b"AT+CPIN=")), 1)

    def test_a_store_that_cannot_be_trusted(self):
        for store in (Store(fails=True), Store(b"1"), Store(b"\xff"), Store(b"")):
            site = self.locked(pin=PIN, pin_store=store)
            self.assertEqual(site.run(site.network.sim.unlock()), sim.LOCKED)
            self.assertEqual(site.sent(b"AT+CPIN="), [])

    def test_no_secret_is_shown(self):
        answers = {b"AT+CPIN?": text(b"+CPIN: SIM PIN"), b"AT+CGDCONT?": OK}
        site = Site(answers=answers, pin=PIN, apn="a", auth=PAP, user="user", password=PASSWORD)
        told = []
        site.port.channel.on_unknown = lambda line: told.append(line.line())
        site.stream.answers[b'AT+CPIN="4711"'] = None  # with its echo
        site.stream.send(b'AT+CPIN="4711"\r\n', 200)
        told.append(site.fails(site.network.sim.unlock()))
        site.stream.answers[b'AT+CGAUTH=1,1,"user","sesame"'] = cme(50)
        told.append(site.fails(site.network.set_apn()))
        self.assertEqual([type(e) for e in told], [AtTimeout, CmeError])
        self.assertEqual(told[-1].command, "AT+CGAUTH=...")
        shown = repr(told) + repr([str(e) for e in told]) + repr(site.shown)
        shown += repr(site.network) + repr(site.network.sim)
        for secret in (PIN, PASSWORD):
            self.assertFalse(secret in shown, shown)
        self.assertTrue(b"AT+CPIN=..." in site.shown)


class ApnTest(unittest.TestCase):
    CHANGED = [b"AT+CFUN=0", b'AT+CGDCONT=1,"IP","iot.example"', b"AT+CFUN=1"]

    def test_what_is_right_is_not_written(self):
        auth = text(b'+CGAUTH: 1,2,"user","sesame"')
        for answers, options in (
            ({}, {}),
            ({b"AT+CGDCONT?": OK}, {"apn": None}),
            ({b"AT+CGAUTH?": ERROR}, {}),
            ({b"AT+CGDCONT?": text(b'+CGDCONT: 1,"IP","IOT.Example","10.0.0.2",0,0')}, {}),
            ({b"AT+CGAUTH?": auth}, {"auth": CHAP, "user": "user", "password": PASSWORD}),
        ):
            for port_class in PORTS:
                keywords = {"apn": "iot.example"}
                keywords.update(options)
                site = Site(port_class, answers, **keywords)
                self.assertFalse(site.run(site.network.set_apn()))
                self.assertEqual(site.wrote(), [])

    def test_what_is_different_is_written_once(self):
        plain, auth = self.CHANGED, [b"AT+CFUN=0", b"AT+CGAUTH=1,0", b"AT+CFUN=1"]
        for answers, expected in (
            ({b"AT+CGDCONT?": OK}, plain),
            ({b"AT+CGDCONT?": text(b'+CGDCONT: 1,"IP",""')}, plain),
            ({b"AT+CGDCONT?": text(b'+CGDCONT: 1,"IPV6","iot.example"')}, plain),
            ({b"AT+CGDCONT?": text(b'+CGDCONT: 2,"IP","iot.example"')}, plain),
            ({b"AT+CGAUTH?": text(b'+CGAUTH: 1,1,"user","x"')}, auth),
        ):
            for port_class in PORTS:
                site = Site(port_class, answers, apn="iot.example")
                self.assertTrue(site.run(site.network.set_apn()))
                self.assertEqual(site.wrote(), expected)
                self.assertFalse(site.run(site.network.set_apn()))  # the module did not keep it
                self.assertEqual(site.wrote(), expected)
                self.assertTrue(site.network.changed)

    def test_the_radio_is_on_again_whatever_fails(self):
        site = Site(answers={b"AT+CGDCONT?": OK, self.CHANGED[1]: cme(50)}, apn="iot.example")
        self.assertIs(type(site.fails(site.network.set_apn())), CmeError)
        self.assertEqual(site.wrote()[-1], b"AT+CFUN=1")


class AttachTest(unittest.TestCase):
    def test_connect(self):
        for port_class in PORTS:
            site = Site(port_class, apn="iot.example")
            self.assertTrue(site.run(site.network.connect(60)))
            self.assertEqual(site.wrote(), [])
            self.assertEqual(len(site.stream.commands), len(WELL))

    def test_a_sim_that_comes_late(self):
        for port_class in PORTS:
            late = [cme(14)] * 3 + [text(b"+CPIN: READY")]
            site = Site(port_class, {b"AT+CPIN?": late})
            self.assertTrue(site.run(site.network.connect(60)))
            site.stream.answers[b"AT+CPIN?"] = cme(14)
            site.stream.answers[b"AT+CEREG?"] = text(b"+CEREG: 1,2")
            start_ms = site.stream.ticks.ms
            self.assertFalse(site.run(site.network.connect(20)))
            self.assertTrue(site.stream.ticks.ms - start_ms < 30000)

    def test_a_locked_sim_is_told_at_once(self):
        site = Site(answers={b"AT+CPIN?": cme(11)})
        start_ms = site.stream.ticks.ms
        self.assertFalse(site.run(site.network.connect(60)))
        self.assertTrue(site.stream.ticks.ms - start_ms < 1000)
        self.assertEqual(site.stream.commands, [b"AT+CPIN?"])

    def test_radio(self):
        for answers, expected in (
            ({}, []),
            ({b"AT+CFUN?": text(b"+CFUN: 0")}, [b"AT+CFUN=1"]),
            ({b"AT+CFUN?": text(b"+CFUN: 4,0")}, [b"AT+CFUN=1"]),
            ({b"AT+COPS?": text(b"+COPS: 2")}, [b"AT+COPS=0"]),
            ({b"AT+COPS?": text(b'+COPS: 1,2,"310410",7')}, []),
            ({b"AT+CFUN?": OK, b"AT+COPS?": OK}, []),
        ):
            site = Site(answers=answers)
            site.run(site.network.radio_on())
            self.assertEqual(site.wrote(), expected)

    def test_wait_attached(self):
        for port_class in PORTS:
            for urc, attached in (
                (b"+CEREG: 1", True),
                (b'+CEREG: 5,"2CF7","08A5A782",7', True),
                (b"+CEREG: 3", False),
                (b"+CEREG: 1,2", False),  # the answer of somebody else
            ):
                site = Site(port_class, {b"AT+CEREG?": text(b"+CEREG: 0,2")})
                site.stream.send(b"\r\n" + urc + b"\r\n", 5000)
                start_ms = site.stream.ticks.ms
                self.assertEqual(site.run(site.network.wait_attached(20)), attached, urc)
                passed_ms = site.stream.ticks.ms - start_ms
                self.assertTrue(4900 < passed_ms < (5200 if attached else 20200), passed_ms)
                self.assertEqual(site.wrote(), [b"AT+CEREG=1"])

    def test_a_lost_urc_of_the_registration(self):
        for port_class in PORTS:
            answers = [text(b"+CEREG: 2,2")] * 2
            answers.append(text(b'+CEREG: 2,5,"2CF7"'))
            site = Site(port_class, {b"AT+CEREG?": answers})
            self.assertTrue(site.run(site.network.wait_attached(100)))
            self.assertEqual(site.wrote(), [])  # somebody has asked for more than we would
            self.assertEqual(site.network.stat, 5)

    def test_activate(self):
        row, other = b"+CGACT: 1,%d", b"+CGACT: 2,1"
        for answers, expected, wrote in (
            ([text(row % 1)], True, []),
            ([text(row % 0, other), text(row % 1, other)], True, [b"AT+CGACT=1,1"]),
            ([text(other), text(other)], False, [b"AT+CGACT=1,1"]),
            ([ERROR], True, []),
        ):
            site = Site(answers={b"AT+CGACT?": answers})
            self.assertEqual(site.run(site.network.activate()), expected)
            self.assertEqual(site.wrote(), wrote)

    def test_a_mute_module(self):
        for port_class in PORTS:
            site = Site(port_class)
            site.stream.answers = {}
            site.stream.default = None
            self.assertIs(type(site.fails(site.network.connect(60))), AtTimeout)

    def test_end(self):
        site = Site(AioPort)
        site.port.channel.feed(b"+CEREG: 5\r\n")
        site.network.end()
        site.port.channel.feed(b"+CEREG: 2\r\n")
        self.assertEqual(site.network.stat, 5)

    def test_a_urc_allocates_nothing(self):
        for port_class in PORTS:
            site = Site(port_class)
            for urc in (b"+CEREG: 5", b'+CEREG: 1,"2CF7","08A5A782",7', b"+CEREG: 0,,,,,,,,"):
                harness.without_heap(site.port.channel.feed, b"\r\n" + urc + b"\r\n")
            self.assertEqual((site.network.stat, site.port.channel.handler_errors), (0, 0))


class KnownTest(unittest.TestCase):
    def test_signal(self):
        for fields, expected in (
            (b"99,99,255,255,20,50", (-91, -10.0)),
            (b"99,99,255,255,0,0", (-141, -20.0)),
            (b"99,99,255,255,34,97", (-44, -3.0)),
            (b"99,99,255,255,255,255", (None, None)),
            (b"99,99", (None, None)),
        ):
            site = Site(answers={b"AT+CESQ": text(b"+CESQ: " + fields)})
            self.assertEqual(site.run(site.network.signal()), expected)

    def test_utc(self):
        for shown, expected in (
            (b'"26/01/01,00:00:20+00"', 1767225620),
            (b'"24/02/29,23:59:59+08"', 1709251199),
            (b'"38/01/19,03:14:08-20"', 2147483648),
            (b'"79/12/31,00:00:00+00"', 3471206400),
            (b'"15/01/01,00:00:20+00"', None),
            (b'"80/01/06,00:00:00"', None),
            (b'"', None),
            (b"", None),
            (b'"26/01,00:00:20"', None),
            (b'"xx/01/01,00:00:20+00"', None),
        ):
            site = Site(answers={b"AT+CCLK?": text(b"+CCLK: " + shown)})
            self.assertEqual(site.run(site.network.utc()), expected, shown)
        site = Site(answers={b"AT+CCLK?": ERROR})
        self.assertIs(type(site.fails(site.network.utc())), AtError)

    def test_what_cannot_work(self):
        class Rtc(Store):
            lost_with_power = True

        site = Site()
        for options in (
            {"pin": "123"},
            {"pin": "123456789"},
            {"pin": 4711},
            {"pin": '47"1'},
            {"pin": PIN, "pin_store": Rtc()},
            {"apn": ""},
            {"apn": 'a"'},
            {"apn": "a\r"},
            {"apn": "x" * 100},
            {"apn": b"a"},
            {"pdp_type": "PPP"},
            {"auth": 3},
            {"auth": PAP},
            {"user": "user"},
            {"auth": PAP, "user": "user", "password": 'sesame"'},
            {"auth": PAP, "user": "user", "password": "sesame\r"},
            {"auth": PAP, "user": 5},
            {"cid": 0},
            {"cid": 9},
        ):
            try:
                Network(site.port.channel, site.port.lexi.runtime, **options)
                self.fail(options)
            except ValueError as e:
                self.assertFalse("47" in str(e) or "sesame" in str(e), str(e))
        for timeout_s in (-1, "5", 86401):
            self.assertIs(type(site.fails(site.network.wait_attached(timeout_s))), ValueError)
            self.assertIs(type(site.fails(site.network.connect(timeout_s))), ValueError)
        self.assertEqual(site.stream.commands, [])
        self.assertEqual((network.NONE, PAP, CHAP), (0, 1, 2))
