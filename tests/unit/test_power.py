# PWR_ON, RESET_N and V_INT: how long each line is low, and that it is left alone behind it.

import asyncio
import sys
import unittest

import harness
from atport.errors import AtError, AtTimeout, PortError, PortTaken
from harness import PORTS, AioPort, FakeStream, FakeTicks
from lexi.power import Power, open_drain, sense

OK = b"\r\nOK\r\n"
REFUSED = b"\r\nERROR\r\n"
CPWROFF = b"AT+CPWROFF"
ON_MS = 301  # a tick more than asked for, as a sleep may be shorter by one
CYCLE_ON_MS = 501
OFF_MS = 2501
RESET_MS = 151
BOOT_MS = 6000
DOWN_MS = 20000
GOES_OFF_MS = 3000  # the module, after it was told


def failure(fn, *args, **kwargs):
    try:
        return fn(*args, **kwargs)
    except BaseException as e:
        return e


def run(coro):
    """Drive a coroutine that waits for nothing."""
    try:
        coro.send(None)
    except StopIteration as e:
        return e.value
    finally:
        coro.close()
    raise AssertionError("it waits")


class Rig:
    """A module with its three pins, on a fake clock.

    log: (pin, level) as they were driven; low_ms: (pin, milliseconds) of each press. v_int: false
    is a V_INT that is not wired. Presses have the effect that the manual says.
    """

    def __init__(self, on=True, v_int=True, wired=("pwr_on", "reset_n"), ticks=None, **options):
        self.ticks = ticks or FakeTicks()
        self.log = []
        self.low_ms = []
        self.slept_ms = []
        self.fails_ms = None  # a sleep of so many ends with `error`
        self.error = None
        self.resets = 0
        self.hangs = False  # nothing switches it off
        self._since = {}
        self._on = on
        self._off_ms = None  # when it will be off
        pins = {name: self._drive(name) for name in wired}
        if v_int:
            pins["v_int"] = self.is_on
        self.power = Power(**pins, **options, hold=self.hold)

    def is_on(self):
        if self._off_ms is not None and self.ticks.ms >= self._off_ms:
            self._on = False
            self._off_ms = None
        return 1 if self._on else 0

    def go_off(self):
        if not self.hangs and self._off_ms is None:
            self._off_ms = self.ticks.ms + GOES_OFF_MS

    def _drive(self, name):
        def drive(level):
            self.log.append((name, level))
            if not level:
                self._since[name] = self.ticks.ms
            elif name in self._since:
                held_ms = self.ticks.ms - self._since.pop(name)
                self.low_ms.append((name, held_ms))
                self._pressed(name, held_ms)

        return drive

    def _pressed(self, name, held_ms):
        if name == "reset_n":
            self.resets += 1
        elif self.is_on():
            if held_ms >= 2000:
                self.go_off()
        elif held_ms >= 300:
            self._on = True

    def hold(self, ms):
        self.slept_ms.append(ms)
        if self.fails_ms == ms:
            raise self.error
        self.ticks.ms += ms

    async def sleep_ms(self, ms):
        self.hold(ms)

    def left_alone(self):
        """Whether each line was released as often as pulled, and none is low."""
        for name in ("pwr_on", "reset_n"):
            levels = [level for pin, level in self.log if pin == name]
            if levels != [1] + [0, 1] * (len(levels) // 2):  # 1 at the construction
                return False
        return True


class PulseTest(unittest.TestCase):
    def test_lines_are_left_alone_from_the_construction_on(self):
        self.assertEqual(Rig().log, [("pwr_on", 1), ("reset_n", 1)])
        self.assertEqual(Rig(wired=("reset_n",)).log, [("reset_n", 1)])
        Power()

    def test_presses(self):
        # method, is it on, is V_INT wired: presses, is it on then, what is returned
        on = ("pwr_on", ON_MS)
        off = ("pwr_on", OFF_MS)
        again = ("pwr_on", CYCLE_ON_MS)
        reset = ("reset_n", RESET_MS)
        for method, before, v_int, presses, result in (
            ("on", False, True, [on], True),
            ("on", True, True, [], False),
            ("on", False, False, [on], True),
            ("on", True, False, [on], True),
            ("reset", True, True, [reset], None),
            ("reset", True, False, [reset], None),
            ("cycle", True, True, [off, again], None),
            ("cycle", False, True, [again], None),
            ("cycle", True, False, [off, again], None),
            ("cycle", False, False, [off, again], None),
        ):
            rig = Rig(before, v_int)
            case = (method, before, v_int)
            self.assertIs(run(getattr(rig.power, method)(rig.sleep_ms)), result, case)
            self.assertEqual(rig.low_ms, presses, case)
            self.assertTrue(rig.left_alone(), case)
            self.assertTrue(rig.is_on(), case)

    def test_waits(self):
        rig = Rig(on=False)
        run(rig.power.on(rig.sleep_ms))
        self.assertEqual(rig.slept_ms, [ON_MS, BOOT_MS])
        for v_int, down_ms in ((True, GOES_OFF_MS), (False, DOWN_MS)):
            rig = Rig(v_int=v_int)
            run(rig.power.cycle(rig.sleep_ms))
            self.assertEqual(sum(rig.slept_ms), OFF_MS + down_ms + CYCLE_ON_MS + BOOT_MS)
            self.assertTrue(max(rig.slept_ms[1:-2]) <= 100)

    def test_a_module_that_does_not_go_off_is_not_waited_for_for_ever(self):
        rig = Rig()
        rig.hangs = True
        run(rig.power.cycle(rig.sleep_ms))
        self.assertEqual(sum(rig.slept_ms), OFF_MS + DOWN_MS + CYCLE_ON_MS + BOOT_MS)
        self.assertEqual(rig.low_ms, [("pwr_on", OFF_MS), ("pwr_on", CYCLE_ON_MS)])

    def test_times_are_parameters(self):
        rig = Rig(
            on_ms=600,
            cycle_on_ms=700,
            off_ms=1800,
            reset_ms=50,
            power_down_ms=250,
            boot_ms=0,
            v_int=False,
        )
        for method in ("on", "reset", "cycle"):
            run(getattr(rig.power, method)(rig.sleep_ms))
        expected = [("pwr_on", 601), ("reset_n", 51), ("pwr_on", 1801), ("pwr_on", 701)]
        self.assertEqual(rig.low_ms, expected)
        self.assertEqual(sum(rig.slept_ms), 601 + 51 + 1801 + 300 + 701)

    def test_a_pulse_that_ends_early_leaves_the_line_alone(self):
        for error in (PortTaken("taken"), asyncio.CancelledError(), KeyboardInterrupt()):
            for method, ms in (
                ("on", ON_MS),
                ("reset", RESET_MS),
                ("cycle", OFF_MS),
                ("cycle", CYCLE_ON_MS),
                ("off", OFF_MS),
            ):
                rig = Rig(v_int=False)
                rig.fails_ms = ms
                rig.error = error
                args = (None,) if method == "off" else ()
                coro = getattr(rig.power, method)(*args, rig.sleep_ms)
                self.assertIs(failure(run, coro), error, method)
                self.assertEqual(rig.slept_ms[-1], ms)
                self.assertTrue(rig.left_alone(), method)

    def test_a_coroutine_that_is_closed_leaves_the_line_alone(self):
        def wait(ms):
            yield ms

        rig = Rig()
        coro = rig.power.reset(wait)
        self.assertEqual(coro.send(None), RESET_MS)
        self.assertEqual(rig.log[-1], ("reset_n", 0))
        coro.close()
        self.assertEqual(rig.log[-1], ("reset_n", 1))

    def test_a_task_that_is_cancelled(self):
        rig = Rig()
        stream = FakeStream(rig.ticks)

        async def main():
            task = asyncio.create_task(rig.power.reset(asyncio.sleep_ms))
            await asyncio.sleep_ms(100)
            self.assertEqual(rig.log[-1], ("reset_n", 0))
            task.cancel()
            await asyncio.sleep_ms(0)

        harness.run_asyncio(main(), stream)
        self.assertEqual(rig.low_ms, [("reset_n", 100)])

    def test_a_pin_that_fails_is_left_alone(self):
        levels = []

        def drive(level):
            levels.append(level)
            if not level:
                raise OSError(5)

        rig = Rig()
        power = Power(reset_n=drive)
        self.assertIs(type(failure(run, power.reset(rig.sleep_ms))), OSError)
        self.assertEqual(levels, [1, 0, 1])


class OffTest(unittest.TestCase):
    def off(self, port_class, answer, **options):
        """Switch off a module that answers so; what was sent, the rig, what was raised."""
        rig = Rig(ticks=FakeTicks(), **options)

        def told(line):
            rig.go_off()
            return OK

        def lost(line):
            rig.go_off()

        answers = {"ok": told, "lost": lost, "refused": REFUSED, "mute": None}
        stream = FakeStream(rig.ticks, {CPWROFF: answers[answer]})
        port = port_class(stream)
        start_ms = rig.ticks.ms
        raised = failure(port.run, rig.power.off(port.lexi))
        self.took_ms = rig.ticks.ms - start_ms
        return stream.commands, rig, raised

    def test_by_command_or_by_a_long_press(self):
        long = [("pwr_on", OFF_MS)]
        pwr_on, none = ("pwr_on",), ()
        for port_class in PORTS:
            for answer, v_int, wired, presses, raised in (
                ("ok", True, pwr_on, [], None),
                ("ok", False, pwr_on, [], None),
                ("ok", True, none, [], None),
                ("ok", False, none, [], None),
                ("refused", True, pwr_on, long, None),
                ("refused", False, pwr_on, long, None),
                ("refused", True, none, [], AtError),
                ("mute", True, pwr_on, long, None),
                ("mute", False, pwr_on, long, None),
                ("mute", True, none, [], AtTimeout),
                ("mute", False, none, [], AtTimeout),
                ("lost", True, pwr_on, [], None),
                ("lost", True, none, [], None),
            ):
                case = (port_class.name, answer, v_int, wired)
                sent, rig, error = self.off(port_class, answer, v_int=v_int, wired=wired)
                self.assertEqual(sent, [CPWROFF], case)
                self.assertEqual(rig.low_ms, presses, case)
                self.assertIs(error if error is None else type(error), raised, case)
                self.assertEqual(bool(rig.is_on()), raised is not None, case)
                self.assertIs(rig.power.is_on(), bool(rig.is_on()) if v_int else None, case)

    def test_one_that_is_off_is_left_alone(self):
        for port_class in PORTS:
            sent, rig, error = self.off(port_class, "ok", on=False)
            self.assertEqual((sent, rig.low_ms, error), ([], [], None))

    def test_without_v_int_a_silent_one_that_is_off_goes_on(self):  # as is said
        _, rig, _ = self.off(AioPort, "mute", on=False, v_int=False)
        self.assertTrue(rig.is_on())

    def test_ok_but_it_stays_on(self):
        for port_class in PORTS:
            rig = Rig()
            stream = FakeStream(rig.ticks)
            port = port_class(stream)
            port.run(rig.power.off(port.lexi))
            self.assertEqual(rig.low_ms, [("pwr_on", OFF_MS)])
            self.assertFalse(rig.is_on())

    def test_it_takes_no_longer_than_is_said(self):
        for port_class in PORTS:
            for answer, least_ms, most_ms in (
                ("ok", GOES_OFF_MS, GOES_OFF_MS + 200),
                ("refused", OFF_MS + GOES_OFF_MS, OFF_MS + GOES_OFF_MS + 300),
                ("mute", 40000 + DOWN_MS, 40000 + DOWN_MS + OFF_MS + GOES_OFF_MS + 300),
            ):
                self.off(port_class, answer)
                case = (port_class.name, answer, self.took_ms)
                self.assertTrue(least_ms <= self.took_ms <= most_ms, case)

    def test_what_must_not_be_sent_presses_nothing(self):
        def guard(line):
            raise PortError("a firmware update is running")

        for port_class in PORTS:
            rig = Rig()
            stream = FakeStream(rig.ticks)
            port = port_class(stream)
            port.channel.guard = guard
            error = failure(port.run, rig.power.off(port.lexi))
            self.assertIs(type(error), PortError)
            port.channel.guard = None
            harness.make_aio_lexi(stream)  # the newest has the stream
            error = failure(port.run, rig.power.off(port.lexi))
            self.assertIs(type(error), PortTaken)
            self.assertEqual((stream.commands, rig.low_ms), ([], []))

    def test_by_press_only(self):
        for v_int, down_ms in ((True, GOES_OFF_MS), (False, DOWN_MS)):
            rig = Rig(v_int=v_int)
            run(rig.power.off(None, rig.sleep_ms))
            self.assertEqual(rig.low_ms, [("pwr_on", OFF_MS)])
            self.assertEqual(sum(rig.slept_ms), OFF_MS + down_ms)

    def test_its_own_sleep(self):
        rig = Rig()
        stream = FakeStream(rig.ticks, {CPWROFF: REFUSED})
        port = AioPort(stream)
        port.run(rig.power.off(port.lexi, rig.sleep_ms))
        self.assertEqual(rig.slept_ms[0], OFF_MS)


class ArgumentTest(unittest.TestCase):
    def test_what_cannot_work(self):
        async def drive(level):
            pass

        for options in (
            {"pwr_on": 5},
            {"reset_n": "GP5"},
            {"v_int": 1},
            {"pwr_on": drive},
            {"on_ms": 49},
            {"on_ms": 1001},
            {"on_ms": 300.0},
            {"cycle_on_ms": 1500},
            {"off_ms": 1499},
            {"off_ms": None},
            {"reset_ms": 19},
            {"reset_ms": 1001},
            {"power_down_ms": 0},
            {"boot_ms": -1},
        ):
            error = failure(Power, **options)
            self.assertIs(type(error), ValueError, options)
            self.assertTrue(next(iter(options)) in str(error), error)

    def test_a_pin_that_is_not_wired(self):
        rig = Rig(wired=())
        for method in ("on", "reset", "cycle"):
            error = failure(run, getattr(rig.power, method)(rig.sleep_ms))
            self.assertIs(type(error), ValueError, method)
        self.assertIs(type(failure(run, rig.power.off(None, rig.sleep_ms))), ValueError)
        self.assertIs(type(failure(run, Rig().power.off(None))), ValueError)
        self.assertEqual(rig.slept_ms, [])

    def test_options_of_a_supervisor(self):
        for wired in ((), ("pwr_on",), ("reset_n",), ("pwr_on", "reset_n")):
            rig = Rig(wired=wired)
            options = rig.power.options()
            self.assertEqual(options["pin_reset"] is not None, "reset_n" in wired)
            self.assertEqual(options["power_cycle"] is not None, "pwr_on" in wired)
            self.assertEqual(options["power_on"] is not None, "pwr_on" in wired)
        run(options["pin_reset"](rig.sleep_ms))
        run(options["power_cycle"](rig.sleep_ms))
        self.assertEqual(rig.resets, 1)
        self.assertEqual(len(rig.low_ms), 3)

    def test_is_on(self):
        for level, told in ((0, False), (1, True), (True, True), (False, False)):
            self.assertIs(Power(v_int=lambda level=level: level).is_on(), told)
        self.assertIs(Power().is_on(), None)


class FakePin:
    """machine.Pin: each GPIO's mode, and every level that it was given."""

    IN = 0
    OUT = 1
    OPEN_DRAIN = 2
    PULL_UP = 1

    made = []
    level = 0  # of an input

    def __init__(self, gpio, mode, pull=None, value=None):
        self.setting = (gpio, mode, pull)
        self.levels = [value]
        self.made.append(self)

    def value(self, level=None):
        if level is None:
            return self.level
        self.levels.append(level)


class GpioTest(unittest.TestCase):
    def setUp(self):
        self._machine = sys.modules.get("machine")
        sys.modules["machine"] = type("machine", (), {"Pin": FakePin})
        FakePin.made = []

    def tearDown(self):
        del sys.modules["machine"]
        if self._machine:
            sys.modules["machine"] = self._machine

    def test_open_drain(self):
        for inverted, mode, idle, low in (
            (False, FakePin.OPEN_DRAIN, 1, 0),  # 1 is high impedance in this mode
            (True, FakePin.OUT, 0, 1),
        ):
            drive = open_drain(7, inverted)
            pin = FakePin.made.pop()
            self.assertEqual(pin.setting, (7, mode, None))
            self.assertEqual(pin.levels, [idle])
            drive(0)
            drive(1)
            self.assertEqual(pin.levels, [idle, low, idle])

    def test_sense(self):
        for inverted, pull in ((False, None), (True, FakePin.PULL_UP)):
            level = sense(8, inverted)
            pin = FakePin.made.pop()
            self.assertEqual(pin.setting, (8, FakePin.IN, pull))
            for high in (0, 1):
                pin.level = high
                self.assertEqual(bool(level()), bool(high) != inverted)

    def test_not_wired(self):
        self.assertIs(open_drain(None), None)
        self.assertIs(sense(None, True), None)
        self.assertEqual(FakePin.made, [])

    def test_a_pulse_through_a_transistor(self):
        rig = Rig()
        power = Power(reset_n=open_drain(7, True))
        run(power.reset(rig.sleep_ms))
        self.assertEqual(FakePin.made[0].levels, [0, 0, 1, 0])
