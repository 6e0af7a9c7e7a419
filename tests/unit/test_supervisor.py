# The supervisor on a scripted module: what it sends, when, what it tells the application, and what
# it leaves alone. What the ladder decides is tested elsewhere; here it meets commands, answers,
# refusals and silence. Scenarios run under asyncio and with a poll loop.

import asyncio
import unittest

import harness
from fake_node import writes_per_day
from lexi import LexiError, blocking, codes
from lexi.describe import event_text
from lexi.recovery import keep_registered, reader, store, supervise, supervisor, telling, texts
from lexi.recovery.budget import Budgets
from lexi.recovery import policy
from lexi.recovery.texts import STEPS
from lexi.recovery.policy import (
    DEFAULT,
    STEP_KICK,
    STEP_PARKED_REGISTER,
    STEP_PARKED_RESET,
    STEP_PAUSE,
    STEP_PINS,
    STEP_RADIO,
    STEP_REGISTER,
    STEP_RESET,
)

OK = b"\r\nOK\r\n"
ERROR = b"\r\nERROR\r\n"
HOUR_S = 3600
DAY_S = 86400
QUIET_S = 500  # behind the boot window
LEFT_ALONE_S = DEFAULT["quiet_s"]  # a port that died while all was well

DIAGNOSIS = [
    b"AT",
    b"AT+CPIN?",
    b"AT+CFUN?",
    b"AT+CEREG?",
    b"AT+ULWM2M?",
    b"AT+ULWM2MREG=?",
    b"AT+ULWM2MCONFIG?",
    b"AT+CGACT?",
    b"AT+ULWM2MREG?",
]
REGISTER = b"AT+ULWM2MREG=721"
FOTA_SETUP = b"AT+UFWINSTALL=,,,1"
BEARER_SETUP = b"AT+CGEREP=1"
# What changes nothing but how the module talks to its host.
HARMLESS = (
    b"AT",
    b"ATE0",
    b"ATV1",
    b"AT&K0",
    b"AT&K3",
    b"AT+CMEE=1",
    b"AT+CEREG=1",
    b"AT+CGSN",
    b"AT+ULWM2MSTAT=1,7",
    FOTA_SETUP,
    BEARER_SETUP,
)
FORBIDDEN = (b"AT+ULWM2M=1", b"AT+ULWM2M=2", b"AT+UMNOPROF")


def cme(code):
    return b"\r\n+CME ERROR: %s\r\n" % str(code).encode()


def row(server, disabled=0, cid=1):
    return b"%d,0,2,%d,1,0,1,0,40,0,2,%d" % (server, cid, disabled)


class Log:
    """Commands in short lists: a long one made slowly leaves no piece of heap whole."""

    def __init__(self):
        self.parts = [[]]
        self.count = 0
        self.forbidden = []
        self.off = False

    def append(self, entry):
        if self.off:
            return
        if len(self.parts[-1]) == 100:
            self.parts.append([])
        self.parts[-1].append(entry)
        self.count += 1
        if any(entry[1].startswith(bad) for bad in FORBIDDEN):
            self.forbidden.append(entry)

    def take(self):
        """Every entry since the last call."""
        parts, self.parts = self.parts, [[]]
        for part in parts:
            for entry in part:
                yield entry


class Module:
    """The other end: its state, and how it misbehaves. Seconds count from its making."""

    def __init__(self):
        self.stream = harness.FakeStream(default=self._answer)
        self._start_ms = self.stream.ticks.ms
        self.sim = b"\r\n+CPIN: READY\r\n\r\nOK\r\n"
        self.pin = b"1234"  # the right one
        self.fun = 1
        self.cereg = b"1,1"
        self.contexts = [b"1,1"]
        self.mode = 0
        self.setting = b"0,1"
        self.codes = {721: 3}
        self.update_s = {721: 80000}
        self.rows = {721: row(721)}
        self.refused = {}  # command: answer in place of its own
        self.silent = set()  # commands that are not answered
        self.mute = False
        self.mute_until_s = 0
        self.on = {}  # command: function called when it comes
        self.log = Log()  # (s, command)
        self.pins = []  # (s, "reset", "power" or "on")
        self.revived_by = ("reset", "power", "on")

    def s(self):
        return (self.stream.ticks.ms - self._start_ms) // 1000

    def _answer(self, line):
        stream = self.stream
        stream.written = b""
        stream.commands.clear()
        stream.sent_ms.clear()
        if line != harness.PROOF:  # belongs to the AT before it
            self.log.append((self.s(), line))
        if line in self.on:
            self.on[line]()
        if self.mute or self.s() < self.mute_until_s or line in self.silent:
            return None
        if line in self.refused:
            return self.refused[line]
        return self._own_answer(line)

    def _own_answer(self, line):
        if line == b"AT+CPIN?":
            return self.sim
        if line.startswith(b"AT+CPIN="):
            if line != b'AT+CPIN="%s"' % self.pin:
                return cme(16)
            self.sim = b"\r\n+CPIN: READY\r\n\r\nOK\r\n"
        elif line in (b"AT+CFUN=0", b"AT+CFUN=1"):
            self.fun = line[8] - 48
        elif line == b"AT+CFUN=16":
            self.reboot()
        elif line.startswith(b"AT+CEREG="):
            self.cereg = line[9:] + self.cereg[1:]
        elif line.startswith(b"AT+ULWM2MSTAT="):
            self.setting = line[14:]
        elif line.startswith(b"AT+ULWM2MCONFIG="):
            self.rows[int(line[16:].split(b",")[0])] = line[16:]
        elif line in (b"AT+ULWM2M=0", b"AT+ULWM2M=3"):
            self.mode = line[10] - 48
        out = b""
        for text in self._texts(line):
            out += b"\r\n" + text + b"\r\n"
        return out + OK

    def _texts(self, line):
        if line == b"AT+CFUN?":
            return [b"+CFUN: %d" % self.fun]
        if line == b"AT+CEREG?":
            return [b"+CEREG: " + self.cereg]
        if line == b"AT+CGACT?":
            return [b"+CGACT: " + each for each in self.contexts]
        if line == b"AT+ULWM2M?":
            return [b"+ULWM2M: %d" % self.mode]
        if line == b"AT+ULWM2MSTAT?":
            return [b"+ULWM2MSTAT: " + self.setting]
        if line == b"AT+ULWM2MREG=?":
            ids = b"".join(b",%d" % server for server in sorted(self.rows))
            return [b"+ULWM2MREG: (0" + ids + b")"]
        if line == b"AT+ULWM2MCONFIG?":
            return [b"+ULWM2MCONFIG: " + self.rows[server] for server in sorted(self.rows)]
        if line == b"AT+ULWM2MREG?":
            return [b"+ULWM2MREG: " + self._state(server) for server in sorted(self.codes)]
        if line == b"AT+CGSN":
            return [b"356726100000001"]
        return []

    def _state(self, server):
        code = self.codes[server]
        text = b"%d,%d" % (server, code)
        if code == 3 and server in self.update_s:
            text += b",%d" % max(self.update_s[server] - self.s(), 0)
        return text

    def reboot(self, mute_s=5):
        """Restart: mute for a while, everything that is not kept is forgotten."""
        self.mute_until_s = self.s() + mute_s
        self.setting = b"0,1"
        self.fun = 1
        self.urc(b"5,1", mute_s * 1000)
        self.urc(b"5,2", mute_s * 1000 + 500)

    def pulse(self, name):
        self.pins.append((self.s(), name))
        if name in self.revived_by:
            self.mute = False
            self.reboot()

    def status(self, server, code):
        """The server's state changes, and the module says so."""
        self.codes[server] = code
        self.urc(b"1,%d,%d" % (server, code))

    def register(self):
        self.update_s[721] = self.s() + 80000
        self.status(721, 3)
        self.urc(b"2,721,80000")

    def urc(self, body, after_ms=0):
        self.line(b"+ULWM2MSTAT: " + body, after_ms)

    def line(self, text, after_ms=0):
        self.stream.send(b"\r\n" + text + b"\r\n", after_ms)

    def sent(self):
        """Commands since the last call."""
        return [line for _, line in self.log.take()]

    def acts(self):
        """(s, command) since the last call of this or sent(), without what changes nothing."""
        return [
            entry
            for entry in self.log.take()
            if entry[1] not in HARMLESS and not entry[1].endswith(b"?")
        ]

    def did(self):
        """acts() without the times."""
        return [line for _, line in self.acts()]


class MemoryStore:
    """A store that outlives the node, and fails when it is told to."""

    def __init__(self):
        self.data = None
        self.error = None
        self.saves = 0

    def load(self):
        if self.error:
            raise self.error
        return self.data

    def save(self, data):
        self.saves += 1
        if self.error:
            raise self.error
        self.data = data


def no_chance(n):
    return 0


class Node:
    """What both kinds of node share: options, and the record of what was told.

    reset, power, on: "plain" or "async", the kind of function that drives the pin.
    wall: True for a clock that outlives the node, or one of the test's own.
    """

    PINS = {"reset": "pin_reset", "power": "power_cycle", "on": "power_on"}

    def __init__(self, module, lexi=None, reset=None, power=None, on=None, wall=False, **options):
        self.module = module
        self.lexi_options = lexi or {}
        self.options = {"random": no_chance, "store": MemoryStore()}
        self.options.update(options)
        for name, kind in (("reset", reset), ("power", power), ("on", on)):
            if kind:
                self.options[self.PINS[name]] = self._pin(name, kind)
        if wall:
            self.options["wall"] = wall if callable(wall) else self._wall
        self.events = []

    def _wall(self):
        return 1800000000 + self.module.s()

    def _pin(self, name, kind):
        def plain(sleep_ms):
            self.module.pulse(name)

        async def coroutine(sleep_ms):
            await sleep_ms(150)
            self.module.pulse(name)

        return plain if kind == "plain" else coroutine

    def hear(self, event):
        if len(self.events) < 1000:
            self.events.append((self.module.s(), event))

    def told(self, kind):
        """(s, event) of one kind."""
        return [entry for entry in self.events if entry[1][0] == kind]

    def done(self):
        """(s, name of the action) of every step."""
        return [(s, texts.ACTIONS[event[1]]) for s, event in self.told(telling.DOING)]

    def parked(self):
        return [event[3] for _, event in self.told(telling.PARKED)]


class BlockingNode(Node):
    """A program that calls poll() and step(), and sleeps as long as they allow."""

    name = "blocking"

    def build(self):
        self.lexi = harness.make_lexi(self.module.stream, **self.lexi_options)
        self.watcher = supervise(self.lexi, **self.options)
        self.watcher.subscribe(self.hear)

    def lexi_core(self):
        return self.lexi._target

    async def live(self, seconds):
        ticks = self.module.stream.ticks
        end_ms = ticks.ms + int(seconds * 1000)
        while ticks.ms < end_ms:
            wait_s = min(self.watcher.step(), max(1, self.lexi.monitor.due_s()))
            self.lexi.poll(max(0, min(wait_s * 1000, end_ms - ticks.ms)))

    async def restart(self, **options):
        self.options.update(options)
        self.build()

    def run(self, script):
        self.build()
        try:
            script(self, self.module).send(None)
        except StopIteration:
            return
        raise AssertionError("the script waits")


class AioNode(Node):
    name = "asyncio"

    def build(self):
        self.lexi = harness.make_aio_lexi(self.module.stream, **self.lexi_options)
        self.watcher = supervisor.Supervisor(self.lexi, **self.options)
        self.watcher.subscribe(self.hear)
        self.task = asyncio.create_task(self.watcher.run())

    def lexi_core(self):
        return self.lexi

    async def live(self, seconds):
        await asyncio.sleep_ms(int(seconds * 1000))

    async def restart(self, **options):
        self.task.cancel()
        self.lexi.stop()
        await asyncio.sleep_ms(1)
        self.options.update(options)
        self.build()

    def run(self, script):
        async def main():
            self.build()
            try:
                await script(self, self.module)
                if self.task.done():
                    raise AssertionError("the supervisor's task ended")
            finally:
                self.task.cancel()
                self.lexi.stop()

        harness.run_asyncio(main(), self.module.stream)


def both(script, **options):
    """Run `async def script(node, module)` with either runtime, each with a store of its own."""
    for new_node in (BlockingNode, AioNode):
        module = Module()
        node = new_node(module, **options)
        node.run(script)
        if module.log.forbidden:
            raise AssertionError("%s: %s was sent" % (node.name, module.log.forbidden))


async def fail(node, module, code=4):
    """A registered node, past its boot window, whose server 721 fails; nothing was done yet."""
    await node.live(QUIET_S)
    module.status(721, code)
    await node.live(5)
    module.sent()


class Case(unittest.TestCase):
    def about(self, found_s, from_s, to_s, note=""):
        self.assertTrue(from_s <= found_s <= to_s, "%s: %s..%s %s" % (found_s, from_s, to_s, note))


class ArgumentsTest(Case):
    def refused(self, name, **options):
        stream = harness.FakeStream()
        if "store" not in options:
            options["store"] = MemoryStore()
        for make in (
            lambda: supervise(harness.make_lexi(stream), **options),
            lambda: supervisor.Supervisor(harness.make_aio_lexi(stream), **options),
        ):
            try:
                make()
            except ValueError as e:
                self.assertTrue(str(e).startswith(name), "%s: %s" % (name, e))
            else:
                self.fail("%s: %r is taken" % (name, options))
        self.assertEqual(stream.written, b"")

    def test_values_that_cannot_work(self):
        class LoadOnly:
            def load(self):
                return None

        class SaveOnly:
            def save(self, data):
                pass

        bad_policy = dict(DEFAULT, suspect_s=0)
        no_steps = dict(DEFAULT)
        del no_steps["steps"]
        rows = (
            ("policy", (None, 5, "DEFAULT", {}, bad_policy, no_steps)),
            ("servers", ((0,), (65536,), ("721",), (721, -1), (None,), (1.5,))),
            ("store", (LoadOnly(), SaveOnly(), "lexi.bud", object())),
            ("wall", (5, "time")),
            ("pin", ('12"4', "12\r4", "1234\x1a", "12\n", "\xfc234")),
            ("pin_reset", (5, "RESET_N", False)),
            ("power_cycle", (5, "PWR_ON", False)),
            ("power_on", (5, "PWR_ON", False)),
            ("cid", (0, 9, -1, "1", 1.0, (1,))),
            ("veto", (5, "no", 0)),
            ("boot_s", (9, 0, -1, 3601, "30", None, 30.0)),
            ("random", (5, "dice")),
        )
        for name, values in rows:
            for value in values:
                self.refused(name, **{name: value})

    def test_a_pin_that_is_no_text(self):
        for value in (1234, 12.5, ["1", "2"]):
            self.refused("pin", pin=value)

    def test_servers_that_are_no_list(self):
        self.refused("servers", servers=721)

    def test_a_server_named_twice(self):
        # Refused, or the same as once: a healthy module must not be told to register again.
        async def script(node, module):
            await node.live(2 * HOUR_S)
            self.assertEqual(module.did(), [], node.name)

        for servers in ((721, 721), [721, 721]):
            try:
                both(script, servers=servers)
            except ValueError as e:
                self.assertTrue(str(e).startswith("servers"), e)

    def test_a_command_for_update_urcs_that_cannot_be_sent(self):
        for value in (5, "UFWINSTALL", "AT+UFWINSTALL\r", "AT\x1a"):
            self.refused("fota_setup", fota_setup=value)

    def test_a_command_that_may_start_an_installation(self):
        for value in ("AT+UFWINSTALL", "AT+ufwinstall", "AT+UFWINSTALL "):
            self.refused("fota_setup", fota_setup=value)

    def test_the_ends_of_the_ranges(self):
        for options in (
            {"boot_s": 10},
            {"boot_s": 3600},
            {"servers": (1, 65535)},
            {"servers": None},
            {"pin": ""},
            {"pin": "12345678"},
            {"fota_setup": None},
            {"cid": None},
            {"cid": 1},
            {"cid": 8},
            {"power_on": None},
        ):
            stream = harness.FakeStream()
            supervisor.Supervisor(harness.make_aio_lexi(stream), store=MemoryStore(), **options)
            self.assertEqual(stream.written, b"")

    def test_urcs_that_the_application_takes_too(self):
        for prefix in ("+CEREG:", "+CGEV:", "+UFOTASTAT:", "+UFWPREVAL:", "+UUFWINSTALL:"):
            lexi = harness.make_aio_lexi(harness.FakeStream())
            heard = []
            lexi.channel.on(prefix, lambda line, heard=heard: heard.append(line.int(0)))
            supervisor.Supervisor(lexi, store=MemoryStore())
            lexi.channel.on(prefix, lambda line, heard=heard: heard.append(-line.int(0)))
            lexi.channel.feed(prefix.encode() + b" 1\r\n")
            self.assertEqual(heard, [1, -1])
            self.assertEqual(lexi.channel.handler_errors, 0)

    def test_methods(self):
        lexi = harness.make_aio_lexi(harness.FakeStream())
        watcher = supervisor.Supervisor(lexi, store=MemoryStore())
        rows = (
            ("fn", watcher.subscribe, ((None,), (5,), ("f",))),
            ("step", watcher.force, ((0,), (8,), (-1,), ("4",), (None,))),
            (
                "server",
                watcher.force,
                ((STEP_REGISTER,), (STEP_REGISTER, 0), (STEP_REGISTER, 65536), (1, "721")),
            ),
            ("size", watcher.events, ((0,), (1001,), (None,), ("5",))),
        )
        for name, fn, values in rows:
            for args in values:
                try:
                    fn(*args)
                    self.fail("%s%s is taken" % (name, args))
                except ValueError as e:
                    self.assertTrue(str(e).startswith(name + ":"), e)


class StartTest(Case):
    def test_it_brings_the_module_up(self):
        async def script(node, module):
            await node.live(30)
            commands = module.sent()
            for setup in (b"ATE0", b"AT+CMEE=1", b"AT+ULWM2MSTAT=1,7"):
                self.assertEqual(commands.count(setup), 1, "%s %s" % (node.name, setup))
            self.assertTrue(node.watcher.registered(721), node.name)
            kinds = [event[:3] for _, event in node.events if event[0] != telling.DEFERRED]
            self.assertEqual(kinds, [(telling.REGISTERED, 0, 721)], node.name)
            self.assertEqual((node.watcher.failures, node.watcher.last_error), (0, None))
            await node.live(800)
            self.assertEqual(module.did(), [], node.name)

        both(script)

    def test_a_module_that_takes_its_time(self):
        async def script(node, module):
            module.mute_until_s = 50
            await node.live(100)
            self.assertEqual(module.pins, [], node.name)
            self.assertTrue(node.watcher.registered(721), node.name)

        both(script, boot_s=60, reset="plain")

    def test_a_mute_module_is_reset_by_its_pins(self):
        for kind in ("plain", "async"):

            async def script(node, module):
                module.mute = True
                module.revived_by = ()
                await node.live(120)
                # 30 s for the start, 41 s in all without an answer; nobody has to wait for the
                # first try.
                self.assertEqual(len(module.pins), 1, node.name)
                first_s = module.pins[0][0]
                self.about(first_s, 41, 60, node.name)
                self.assertEqual(set(module.sent()), {b"AT"}, node.name)
                event = node.told(telling.DOING)[0][1]
                self.assertEqual(event[1:4], (policy.PIN_RESET, 0, policy.DEAD_PORT))
                await node.live(HOUR_S)
                self.assertEqual(len(module.pins), 2, node.name)
                self.about(module.pins[1][0] - first_s, HOUR_S, HOUR_S + 60, node.name)
                await node.live(20 * HOUR_S)
                self.assertEqual(len(module.pins), 4, node.name)  # 4 in 24 h
                module.mute = False
                await node.live(1000)  # a mute port is asked every 900 s at least
                self.assertTrue(node.watcher.registered(721), node.name)

            both(script, reset=kind)

    def test_what_the_pins_revive_is_brought_up(self):
        for kind in ("plain", "async"):

            async def script(node, module):
                module.mute = True
                await node.live(120)
                self.assertEqual([name for _, name in module.pins], ["reset"], node.name)
                self.assertTrue(node.watcher.registered(721), node.name)
                self.assertEqual(module.setting, b"1,7")
                await node.live(600)
                self.assertEqual(len(module.pins), 1)
                self.assertEqual(module.did(), [])

            both(script, reset=kind)

    def test_reset_first_then_power(self):
        async def script(node, module):
            module.mute = True
            module.revived_by = ("power",)
            await node.live(2 * HOUR_S)
            self.assertEqual([name for _, name in module.pins], ["reset", "power"], node.name)
            self.assertTrue(node.watcher.registered(721), node.name)

        both(script, reset="plain", power="async")

    def test_power_alone(self):
        async def script(node, module):
            module.mute = True
            await node.live(120)
            self.assertEqual([name for _, name in module.pins], ["power"], node.name)
            event = node.told(telling.DOING)[0][1]
            self.assertEqual(event[1:4], (policy.POWER_CYCLE, 0, policy.DEAD_PORT))
            self.assertTrue(node.watcher.registered(721), node.name)

        both(script, power="async")

    def test_without_pins_it_waits_for_the_module(self):
        async def script(node, module):
            module.mute = True
            await node.live(HOUR_S)
            self.assertEqual(node.parked(), [policy.NO_PINS], node.name)
            self.assertEqual(node.done(), [])
            module.mute = False
            await node.live(1000)
            self.assertTrue(node.watcher.registered(721), node.name)

        both(script)

    def test_a_module_that_dies_later(self):
        async def script(node, module):
            await node.live(QUIET_S)
            module.mute = True
            await node.live(1300)  # silence is noticed after 900 s
            self.assertEqual(node.parked(), [policy.NO_PINS], node.name)
            module.mute = False
            await node.live(1000)
            self.assertTrue(node.watcher.registered(721), node.name)
            self.assertTrue(node.watcher.status()["held_by"] != policy.NO_PINS)

        both(script)

    def test_a_dead_module_that_speaks_is_asked_at_once(self):
        async def script(node, module):
            await node.live(QUIET_S)
            module.mute = True
            await node.live(3 * HOUR_S)
            module.mute = False
            module.urc(b"5,1")
            await node.live(60)
            self.assertTrue(node.watcher.registered(721), node.name)

        both(script)

    def test_a_module_that_answers_but_refuses(self):
        async def script(node, module):
            module.refused[b"AT+ULWM2MSTAT?"] = ERROR
            await node.live(HOUR_S)
            self.assertEqual(module.pins, [], node.name)
            self.assertTrue(module.log.count < 2000, module.log.count)
            del module.refused[b"AT+ULWM2MSTAT?"]
            await node.live(1000)
            self.assertTrue(node.watcher.registered(721), node.name)
            self.assertEqual(module.setting, b"1,7", node.name)

        both(script, reset="plain")

    def test_a_restart_is_not_taken_for_a_dead_port(self):
        # 15 s to reboot are usual, boot_s is what a start may take.
        for sign in (b"+ULWM2MSTAT: 5,1", b"+ULWM2MSTAT: 4,0", b"+UUFWINSTALL: 128"):
            for mute_s in (12, 20, 28):

                async def script(node, module):
                    await node.live(QUIET_S)
                    module.line(sign)
                    module.setting = b"0,1"
                    module.mute_until_s = module.s() + mute_s
                    await node.live(400)
                    self.assertEqual(module.pins, [], "%s %s %d" % (node.name, sign, mute_s))
                    self.assertTrue(node.watcher.registered(721), node.name)
                    self.assertEqual(module.setting, b"1,7")

                both(script, reset="plain")


class DiagnosisTest(Case):
    def test_the_sequence_before_the_first_step(self):
        async def script(node, module):
            await fail(node, module)
            await node.live(300)
            commands = module.sent()
            at = commands.index(REGISTER)
            self.assertEqual(commands[at - len(DIAGNOSIS) : at], DIAGNOSIS, node.name)
            self.assertEqual(commands.count(REGISTER), 1, node.name)

        both(script)

    def test_the_first_one_asks_for_update_urcs_and_the_imei(self):
        for setup in (FOTA_SETUP, b"AT+UFWINSTALL=,,,2", None):
            for answer in (OK, ERROR, cme(4)):

                async def script(node, module):
                    for command in (setup, BEARER_SETUP, b"AT+CGSN"):
                        module.refused[command] = answer
                    await node.live(60)
                    commands = module.sent()
                    self.assertEqual(commands.count(BEARER_SETUP), 1, node.name)
                    at = commands.index(BEARER_SETUP)
                    expected = list(DIAGNOSIS)
                    expected[0] = BEARER_SETUP
                    self.assertEqual(commands[at : at + len(expected)], expected, node.name)
                    self.assertEqual(commands.count(setup), 1 if setup else 0, node.name)
                    if not setup:
                        self.assertTrue(not any(b"UFW" in line for line in commands))
                    self.assertEqual(commands.count(b"AT+CGSN"), 1, node.name)
                    self.assertTrue(node.watcher.registered(721), node.name)

                both(script, fota_setup=setup and setup.decode())

    def test_urcs_are_asked_for_again_after_a_restart(self):
        async def script(node, module):
            await node.live(QUIET_S)
            for _ in range(2):
                commands = module.sent()
                for setup in (FOTA_SETUP, BEARER_SETUP):
                    self.assertEqual(commands.count(setup), 1, "%s %s" % (node.name, setup))
                module.reboot()
                await node.live(60)

        both(script)

    def test_the_level_of_network_urcs_is_never_lowered(self):
        ask, low = b"AT+CEREG?", b"AT+CEREG=1"
        for level, count in ((0, 1), (1, 0), (2, 0), (3, 0), (4, 0), (5, 0)):

            async def script(node, module):
                module.cereg = b"%d,5" % level
                await node.live(60)
                commands = module.sent()
                note = "%s %d" % (node.name, level)
                self.assertEqual(commands.count(low), count, note)
                if count:
                    self.assertEqual(commands[commands.index(low) - 1], ask, note)
                    await fail(node, module)
                    await node.live(100)  # a second diagnosis finds it as it was left
                    commands = module.sent()
                    self.assertTrue(ask in commands, note)
                    self.assertFalse(low in commands, note)
                self.assertTrue(node.watcher.case.view.attached, note)

            both(script)

    def test_a_level_that_is_not_told_is_left_alone(self):
        for answer in (ERROR, cme(3), OK, b"\r\n+CEREG: 1\r\n" + OK, b"\r\n+CEREG: x,5\r\n" + OK):

            async def script(node, module):
                module.refused[b"AT+CEREG?"] = answer
                await node.live(60)
                commands = module.sent()
                self.assertTrue(b"AT+CEREG?" in commands, node.name)
                self.assertFalse(b"AT+CEREG=1" in commands, "%s %s" % (node.name, answer))
                self.assertTrue(node.watcher.registered(721), node.name)

            both(script)

    def test_a_context_that_is_lost_is_looked_at(self):
        for text, looks in (
            (b"NW PDN DEACT 1", True),
            (b"ME PDN DEACT 1", True),
            (b'NW DEACT "IP","10.0.0.1",1', True),
            (b"NW DETACH", True),
            (b"ME DETACH", True),
            (b"ME PDN ACT 1", False),
            (b"NW PDN ACT 1", False),
            (b"NW MODIFY 1,0", False),
            (b"", False),
        ):

            async def script(node, module):
                await node.live(QUIET_S)
                module.contexts = [b"1,0"]
                module.sent()
                module.line(b"+CGEV: " + text)
                await node.live(10)
                note = "%s %s" % (node.name, text)
                commands = module.sent()
                self.assertEqual(commands, DIAGNOSIS if looks else [], note)
                self.assertEqual(node.watcher.case.view.attached, not looks, note)
                self.assertEqual(node.lexi.channel.handler_errors, 0, note)

            both(script)

    def test_contexts_that_come_and_go_are_looked_at_once_a_minute(self):
        async def script(node, module):
            await node.live(QUIET_S)
            module.sent()
            for _ in range(200):
                module.line(b"+CGEV: NW PDN DEACT 1")
                module.line(b"+CGEV: NW PDN ACT 1")
                await node.live(3)
            count = module.sent().count(b"AT+CGACT?")
            self.about(count, 8, 11, node.name)
            # Nothing but questions, and not even those, while an update runs.
            module.line(b"+UFWPREVAL: 1")
            await node.live(70)
            module.sent()
            for _ in range(20):
                module.line(b"+CGEV: NW DETACH")
                await node.live(30)
            self.assertEqual(module.sent(), [], node.name)

        both(script)

    def test_one_that_is_refused_does_not_stop_it(self):
        for refused in DIAGNOSIS[1:]:
            for answer in (ERROR, cme(3), cme(100), b"\r\n+CME ERROR: operation not allowed\r\n"):

                async def script(node, module):
                    await fail(node, module)
                    # A poll that confirms the trouble comes first, whatever is refused later.
                    await node.live(20)
                    module.sent()
                    module.refused[refused] = answer
                    await node.live(180)
                    commands = module.sent()
                    note = "%s %s %s" % (node.name, refused, answer)
                    self.assertTrue(REGISTER in commands, note)
                    commands = commands[: commands.index(REGISTER)]
                    for asked in DIAGNOSIS:
                        self.assertTrue(asked in commands, "%s: %s is missing" % (note, asked))

                both(script)

    def test_silence_in_the_middle_leads_to_an_alive_test(self):
        for silent in DIAGNOSIS[1:]:

            async def script(node, module):
                await fail(node, module)
                await node.live(20)
                module.sent()
                module.silent.add(silent)
                await node.live(110)
                module.silent.clear()
                commands = module.sent()
                note = "%s %s: %s" % (node.name, silent, commands)
                self.assertTrue(silent in commands, note)
                after = commands[commands.index(silent) + 1 :]
                self.assertTrue(b"AT" in after, note)
                await node.live(600)
                self.assertEqual(module.pins, [], note)
                self.assertTrue(REGISTER in commands + module.sent(), note)

            both(script, reset="plain")

    def test_a_port_that_dies_in_the_middle(self):
        for last in DIAGNOSIS[1:]:

            async def script(node, module):
                await fail(node, module)
                await node.live(20)
                module.sent()
                module.on[last] = lambda: setattr(module, "mute", True)
                since_s = module.s()
                await node.live(400)
                note = "%s %s" % (node.name, last)
                # No step was taken yet, and the server was registered a minute ago.
                self.assertEqual(module.pins, [], note)
                self.assertEqual(node.watcher.status()["held_by"], policy.LEFT_ALONE, note)
                self.assertTrue(REGISTER not in module.sent(), note)
                await node.live(1700)
                self.assertEqual(len(module.pins), 1, note)
                # 40 s until the diagnosis, 10 to 60 s for the command, 41 s for AT.
                self.about(
                    module.pins[0][0] - since_s, LEFT_ALONE_S + 85, LEFT_ALONE_S + 150, note
                )

            both(script, reset="plain")

    def test_answers_that_make_no_sense(self):
        for command, answers in (
            (b"AT+CPIN?", (b"", b"+CPIN:", b"+CPIN: ?", b"READY", b"+CPIN: READY,1")),
            (
                b"AT+CFUN?",
                (b"", b"+CFUN:", b"+CFUN: 1x", b"+CFUN: ,1", b'+CFUN: "1"', b"+CFUN: -"),
            ),
            (b"AT+CEREG?", (b"", b"+CEREG:", b"+CEREG: 1", b"+CEREG: 1,", b"+CEREG: x,y")),
            (b"AT+CGACT?", (b"", b"+CGACT:", b"+CGACT: 1", b"+CGACT: x")),
            (b"AT+ULWM2M?", (b"", b"+ULWM2M:", b"+ULWM2M: x", b"+ULWM2M: 7")),
            (b"AT+ULWM2MREG=?", (b"", b"+ULWM2MREG:", b"+ULWM2MREG: (0-", b"+ULWM2MREG: 0,721")),
            (b"AT+ULWM2MCONFIG?", (b"", b"+ULWM2MCONFIG: 721,0", b"+ULWM2MCONFIG: ")),
            (b"AT+ULWM2MREG?", (b"", b"+ULWM2MREG: 721", b"+ULWM2MREG: 721,", b"+ULWM2MREG: x,3")),
            (b"AT+CGSN", (b"", b"x")),
        ):
            for answer in answers:

                async def script(node, module):
                    await fail(node, module)
                    await node.live(20)
                    module.refused[command] = b"\r\n" + answer + b"\r\n\r\nOK\r\n"
                    await node.live(120)
                    note = "%s %s %s" % (node.name, command, answer)
                    for e in (node.watcher.last_error, node.lexi.monitor.last_error):
                        self.assertTrue(e is None or isinstance(e, LexiError), (note, e))
                    self.assertEqual(node.lexi.channel.handler_errors, 0, note)
                    module.refused.clear()
                    module.register()
                    await node.live(400)
                    self.assertTrue(node.watcher.registered(721), note)

                both(script)

    def test_the_client_says_that_it_stopped(self):
        async def script(node, module):
            await node.live(QUIET_S)
            module.sent()
            module.mode = 1
            module.codes = {}
            module.urc(b"4,7")
            await node.live(30)
            self.assertTrue(b"AT+ULWM2M?" in module.sent(), node.name)
            self.assertEqual(node.parked(), [policy.DISABLED], node.name)

        both(script)

    def test_production_mode(self):
        async def script(node, module):
            await node.live(QUIET_S)
            module.sent()
            module.codes = {}
            module.urc(b"5,3")
            await node.live(DAY_S)
            self.assertEqual(module.did(), [], node.name)
            self.assertEqual(node.parked(), [policy.PRODUCTION], node.name)

        both(script)

    def test_the_bearer_counts(self):
        # Registered without the context that is used: the clocks stand still.
        for contexts, attached in (
            ([b"1,1"], True),
            ([b"1,0"], False),
            ([b"1,0", b"2,1"], False),
            ([b"1, 0", b"2, 1 "], False),
            ([b"1, 1", b"2, 0 "], True),
            ([b"1,0", b"11,0"], False),
            ([], True),  # it does not tell
            ([b"2,0"], True),
            ([b"2,1", b"11,1"], True),
        ):

            async def script(node, module):
                module.contexts = contexts
                await fail(node, module)
                await node.live(1200)
                self.assertEqual(REGISTER in module.did(), attached, (node.name, contexts))

            both(script)

    def test_the_context_that_is_used(self):
        # That of the row of a wanted server, or the application's; 1 where nobody tells.
        def rows(**cids):
            return {int(name[1:]): row(int(name[1:]), cid=cid) for name, cid in cids.items()}

        own, both_ids, other = rows(s721=3), rows(s721=3, s123=4), rows(s721=1, s123=5)
        for found, options, active, attached in (
            (own, {}, b"3", True),
            (own, {}, b"1", False),
            (own, {"cid": 1}, b"1", True),
            (own, {"cid": 1}, b"3", False),
            (own, {"cid": 8}, b"3", False),
            (both_ids, {}, b"3", True),
            (both_ids, {}, b"4", True),
            (both_ids, {}, b"1", False),
            (both_ids, {"servers": (721,)}, b"4", False),
            (both_ids, {"servers": (123,)}, b"4", True),
            (other, {"servers": (721,)}, b"5", False),
            (other, {"servers": (721,)}, b"1", True),
            (None, {}, b"1", True),
            (None, {}, b"3", False),
        ):

            async def script(node, module):
                if found:
                    module.rows = found
                else:
                    module.refused[b"AT+ULWM2MCONFIG?"] = ERROR
                module.contexts = [
                    b"%d,%d" % (cid, active == b"%d" % cid) for cid in (1, 3, 4, 5, 8)
                ]
                await node.live(60)
                note = "%s %s %s %s" % (node.name, found, options, active)
                self.assertEqual(node.watcher.case.view.attached, attached, note)

            both(script, **options)


class SimTest(Case):
    def held(self, answer, reason, parked):
        async def script(node, module):
            module.sim = answer
            if reason == policy.SIM_FAULT:
                module.cereg = b"1,0"
            module.status(721, 4)
            await node.live(1500)
            note = "%s %s" % (node.name, answer)
            if not reason:
                self.assertTrue(REGISTER in module.did(), note)
                return
            self.assertEqual(module.did(), [], note)
            self.assertEqual(node.watcher.status()["reason"], reason, note)
            self.assertEqual(node.parked(), [reason] if parked else [], note)

        both(script)

    def test_the_answers(self):
        lock, fault = policy.SIM_LOCK, policy.SIM_FAULT
        for answer, reason in (
            (b"\r\n+CPIN: READY\r\n\r\nOK\r\n", 0),
            (b"\r\n+CPIN: SIM PIN\r\n\r\nOK\r\n", lock),
            (b"\r\n+CPIN: SIM PUK\r\n\r\nOK\r\n", lock),
            (cme(11), lock),
            (cme(12), lock),
            (cme("SIM PIN required"), lock),
            (cme("SIM PUK required"), lock),
            (cme(10), fault),
            (cme(13), fault),
            (cme("SIM not inserted"), fault),
            (cme("SIM failure"), fault),
            (cme("SIM FAILURE"), fault),
            (ERROR, 0),
            (cme(14), 0),
            (cme(100), 0),
        ):
            self.held(answer, reason, reason == lock)

    def test_a_failing_sim_gets_soft_resets_only(self):
        async def script(node, module):
            module.sim = cme(13)
            module.cereg = b"1,0"
            module.codes[721] = 4
            await node.live(DAY_S + HOUR_S)
            acts = module.acts()
            self.assertEqual([line for _, line in acts], [b"AT+CFUN=16"] * 3, node.name)
            self.about(acts[0][0], HOUR_S, HOUR_S + 700, node.name)
            self.about(acts[1][0] - acts[0][0], 4 * HOUR_S, 4 * HOUR_S + 600, node.name)
            self.about(acts[2][0] - acts[1][0], 8 * HOUR_S, 8 * HOUR_S + 600, node.name)

        both(script)

    def test_a_locked_one_is_looked_at_again(self):
        async def script(node, module):
            module.sim = cme(11)
            await node.live(QUIET_S)
            self.assertEqual(node.parked(), [policy.SIM_LOCK], node.name)
            module.sim = b"\r\n+CPIN: READY\r\n\r\nOK\r\n"
            module.status(721, 4)
            await node.live(HOUR_S + 600)
            self.assertTrue(REGISTER in module.did(), node.name)

        both(script)


class PinTest(Case):
    LOCKED = b"\r\n+CPIN: SIM PIN\r\n\r\nOK\r\n"
    ENTER = b'AT+CPIN="1234"'

    def test_the_right_one(self):
        async def script(node, module):
            module.sim = self.LOCKED
            module.refused[b"AT+ULWM2M?"] = cme(11)
            module.on[self.ENTER] = module.refused.clear
            await node.live(120)
            self.assertEqual(module.did(), [self.ENTER], node.name)
            self.assertEqual(node.parked(), [], node.name)
            self.assertTrue(node.watcher.registered(721), node.name)
            self.assertEqual(node.watcher.budgets.pin_tried, 0)
            self.assertFalse(node.watcher.budgets.dirty, node.name)
            # Accepted, so it may be entered again when the SIM wants it again.
            module.sim = self.LOCKED
            module.reboot()
            await node.live(120)
            self.assertEqual(module.did(), [self.ENTER], node.name)

        both(script, pin="1234")

    def test_a_wrong_one_is_entered_once(self):
        for answer in (cme(16), ERROR, cme("incorrect password"), cme(12), None):

            async def script(node, module):
                module.sim = self.LOCKED
                if answer:
                    module.refused[self.ENTER] = answer
                else:
                    module.silent.add(self.ENTER)
                await node.live(3 * HOUR_S)
                self.assertEqual(module.did(), [self.ENTER], node.name)
                for _ in range(3):
                    await node.restart()
                    await node.live(2 * HOUR_S)
                self.assertEqual(module.did(), [], node.name)
                self.assertTrue(policy.SIM_LOCK in node.parked(), node.name)
                module.reboot()
                await node.live(HOUR_S)
                self.assertEqual(module.did(), [], node.name)

            both(script, pin="1234")

    def test_the_mark_goes_when_the_sim_is_ready(self):
        async def script(node, module):
            module.sim = self.LOCKED
            module.refused[self.ENTER] = cme(16)
            await node.live(60)
            self.assertEqual(node.watcher.budgets.pin_tried, 1, node.name)
            module.sim = b"\r\n+CPIN: READY\r\n\r\nOK\r\n"  # somebody else entered it
            await node.live(2 * HOUR_S)
            self.assertEqual(node.watcher.budgets.pin_tried, 0, node.name)
            await node.restart()
            self.assertEqual(node.watcher.budgets.pin_tried, 0, node.name)

        both(script, pin="1234")

    def test_the_mark_is_written_before_the_command(self):
        async def script(node, module):
            found = []

            def restart_now():
                budgets = Budgets(DEFAULT)
                reader.unpack(budgets, reader.unseal(node.options["store"].data), 0)
                found.append(budgets.pin_tried)

            module.sim = self.LOCKED
            module.on[self.ENTER] = restart_now
            await node.live(60)
            self.assertEqual(found, [1], node.name)

        both(script, pin="1234")

    def test_never_where_it_cannot_be_remembered(self):
        async def script(node, module):
            module.sim = self.LOCKED
            node.options["store"].error = OSError(28)
            await node.live(2 * HOUR_S)
            self.assertEqual(module.did(), [], node.name)
            self.assertEqual(node.parked(), [policy.SIM_LOCK], node.name)

        both(script, pin="1234")

    def test_entered_once_the_store_works_again(self):
        async def script(node, module):
            module.sim = self.LOCKED
            node.options["store"].error = OSError(28)
            await node.live(2 * HOUR_S)
            node.options["store"].error = None
            await node.live(2 * HOUR_S)
            self.assertEqual(module.did(), [self.ENTER], node.name)

        both(script, pin="1234")

    def test_not_again_when_the_record_was_damaged(self):
        async def script(node, module):
            module.sim = self.LOCKED
            module.refused[self.ENTER] = cme(16)
            await node.live(60)
            self.assertEqual(module.did(), [self.ENTER], node.name)
            node.options["store"].data = b"\xff" * 50
            await node.restart()
            await node.live(60)
            self.assertEqual(module.did(), [], node.name)

        both(script, pin="1234")

    def test_not_for_a_puk_and_not_without_need(self):
        for answer in (
            b"\r\n+CPIN: SIM PUK\r\n\r\nOK\r\n",
            b"\r\n+CPIN: SIM PIN2\r\n\r\nOK\r\n",
            b"\r\n+CPIN: READY\r\n\r\nOK\r\n",
            cme(10),
            cme(12),
            ERROR,
        ):

            async def script(node, module):
                module.sim = answer
                await node.live(HOUR_S)
                self.assertEqual([a for a in module.did() if b"CPIN" in a], [], answer)

            both(script, pin="1234")


def record(mark, ago_s=0):
    """A store whose record says that a step was begun."""
    budgets = Budgets(DEFAULT)
    budgets.set_mark(mark, 0)
    kept = MemoryStore()
    kept.data = store.seal(store.pack(budgets, ago_s))
    return kept


class RestoreTest(Case):
    ROWS = (
        (policy.MARK_RADIO_OFF, b"AT+CFUN=1"),
        (policy.MARK_PAUSED, b"AT+ULWM2M=0"),
    )

    def test_what_was_begun_is_ended_once(self):
        for mark, command in self.ROWS:

            async def script(node, module):
                module.fun = 0 if mark == policy.MARK_RADIO_OFF else 1
                module.mode = 3 if mark == policy.MARK_PAUSED else 0
                await node.restart(store=record(mark, 100))
                await node.live(900)
                self.assertEqual(module.did(), [command], node.name)
                self.assertEqual(node.watcher.budgets.mark, 0)
                event = node.told(telling.DOING)[0][1]
                self.assertEqual(event[3], policy.HALFWAY, node.name)
                await node.restart()
                await node.live(900)
                self.assertEqual(module.did(), [], node.name)

            both(script)

    def test_a_module_that_refuses_is_not_pestered(self):
        limit = writes_per_day(DEFAULT)
        for mark, command in self.ROWS:
            for answer in (ERROR, cme(11)):

                async def script(node, module):
                    await node.restart(store=record(mark, 100))
                    module.refused[command] = answer
                    note = "%s %s" % (node.name, command)
                    taken = []
                    module.on[command] = lambda: taken.append(0) if len(taken) < 300 else None
                    module.log.off = True
                    await node.live(2 * HOUR_S)
                    module.log.off = False
                    count = len(taken)
                    self.assertTrue(1 <= count <= 200, "%s: %d times" % (note, count))
                    self.assertTrue(node.watcher.keeper.writes <= limit, note)
                    module.refused.clear()
                    await node.live(2 * HOUR_S)
                    self.assertEqual(module.did().count(command), 1, note)
                    self.assertEqual(node.watcher.budgets.mark, 0, note)

                both(script)

    def test_what_is_found_undone_is_put_right_once(self):
        for name, value, command, reason in (
            ("fun", 0, b"AT+CFUN=1", policy.RADIO_WAS_OFF),
            ("fun", 4, b"AT+CFUN=1", policy.RADIO_WAS_OFF),
            ("mode", 3, b"AT+ULWM2M=0", policy.WAS_PAUSED),
        ):

            async def script(node, module):
                setattr(module, name, value)
                await node.live(900)
                self.assertEqual(module.did(), [command], "%s %s %d" % (node.name, name, value))
                self.assertEqual(node.told(telling.DOING)[0][1][3], reason)
                self.assertEqual(node.watcher.status()["reason"], policy.WELL, node.name)

            both(script)

    def test_a_client_that_was_disabled_stays_so(self):
        async def script(node, module):
            module.mode = 1
            module.status(721, 4)
            await node.live(DAY_S)
            self.assertEqual(module.did(), [], node.name)
            self.assertEqual(node.parked(), [policy.DISABLED], node.name)

        both(script)

    def test_a_client_that_was_disabled_is_enabled_if_the_policy_says_so(self):
        async def script(node, module):
            module.mode = 1
            module.codes[721] = 4
            module.on[b"AT+CFUN=16"] = module.register
            await node.live(2 * HOUR_S)
            self.assertEqual(module.did(), [b"AT+ULWM2M=0", b"AT+CFUN=16"], node.name)
            self.assertTrue(node.watcher.registered(721), node.name)

        both(script, policy=dict(DEFAULT, reenable=True))

    def test_pause_and_radio_are_ended_after_their_time(self):
        for step, first, second, apart_s in (
            (STEP_PAUSE, b"AT+ULWM2M=3", b"AT+ULWM2M=0", 30),
            (STEP_RADIO, b"AT+CFUN=0", b"AT+CFUN=1", 1),
        ):

            async def script(node, module):
                await node.live(QUIET_S)
                module.sent()
                node.watcher.force(step)
                await node.live(60)
                acts = module.acts()
                self.assertEqual([line for _, line in acts], [first, second], node.name)
                self.about(acts[1][0] - acts[0][0], apart_s, apart_s + 3, node.name)
                self.assertEqual(node.watcher.budgets.mark, 0)

            both(script)

    def test_the_mark_is_written_before_the_command(self):
        for step, command, mark in (
            (STEP_PAUSE, b"AT+ULWM2M=3", policy.MARK_PAUSED),
            (STEP_RADIO, b"AT+CFUN=0", policy.MARK_RADIO_OFF),
        ):

            async def script(node, module):
                found = []

                def look():
                    budgets = Budgets(DEFAULT)
                    reader.unpack(budgets, reader.unseal(node.options["store"].data), 0)
                    found.append((budgets.mark, budgets.left(step, 0, DAY_S)))

                module.on[command] = look
                await node.live(QUIET_S)
                node.watcher.force(step)
                await node.live(60)
                cap = DEFAULT["steps"][step][4]
                self.assertEqual(found, [(mark, cap - 1)], node.name)

            both(script)


class FotaTest(Case):
    SIGNS = (
        b"+UFOTASTAT: 0,1,30",
        b"+UFOTASTAT: 0, 1, 63",
        b"+UFOTASTAT: 1,0,0",
        b"+UFOTASTAT: 1, 0, 0",
        b"+UFOTASTAT: 2,2,100",
        b"+UFWPREVAL: 0",
        b"+UFWPREVAL: 55",
        b"+UUFWINSTALL: 1",
        b"+UUFWINSTALL: 100",
        b'+ULWM2MSTAT: 3,721,"/5/0/3"',
        b'+ULWM2MSTAT: 3,721,"/5/0/3/"',
        b'+ULWM2MSTAT: 3, 721, "/5/0/3/"',
        b'+ULWM2MSTAT: 3,102,"/5/0/3/"',
    )
    NO_SIGNS = (
        b"+UFOTASTAT: 3,1,0",
        b"+UFOTASTAT: 4,1",
        b"+UFOTASTAT: 2,3,100",
        b'+ULWM2MSTAT: 3,721,"/5/0/30"',
        b'+ULWM2MSTAT: 3,721,"/5/0/3/1"',
        b'+ULWM2MSTAT: 3,721,"/5/0"',
        b'+ULWM2MSTAT: 3,721,"/3300/0/5700"',
    )

    def test_every_sign_freezes(self):
        for sign in self.SIGNS:

            async def script(node, module):
                await node.live(QUIET_S)
                module.line(sign)
                module.status(721, 4)
                await node.live(HOUR_S - 60)
                note = "%s %s" % (node.name, sign)
                self.assertEqual(module.did(), [], note)
                self.assertEqual(len(node.told(telling.FOTA)), 1, note)
                status = node.watcher.status()
                self.assertEqual(status["held_by"], policy.FOTA, note)
                self.about(status["next_s"], 1, 70, note)
                await node.live(300)
                self.assertEqual(module.did(), [REGISTER], note)

            both(script)

    def test_what_is_no_sign(self):
        for line in self.NO_SIGNS:

            async def script(node, module):
                await node.live(QUIET_S)
                module.line(line)
                module.status(721, 4)
                await node.live(100)
                self.assertEqual(module.did(), [REGISTER], "%s %s" % (node.name, line))
                self.assertEqual(node.told(telling.FOTA), [])

            both(script)

    def test_the_sign_among_many_uris(self):
        async def script(node, module):
            await node.live(QUIET_S)
            module.urc(b'3,721,"/3300/0/5700"')
            module.urc(b'3,721,"/3300/1/5700"')
            module.urc(b'3,721,"/5/0/3"')
            module.status(721, 4)
            await node.live(600)
            self.assertEqual(module.did(), [], node.name)

        both(script, lexi={"max_uris": 2})

    def test_silence_is_no_dead_port(self):
        async def script(node, module):
            await node.live(QUIET_S)
            module.line(b"+UUFWINSTALL: 1")
            module.mute = True
            await node.live(HOUR_S + LEFT_ALONE_S)
            self.assertEqual((module.did(), module.pins), ([], []), node.name)
            self.assertEqual(node.parked(), [])
            # An hour, the verdict on the port, and half an hour as it was well before.
            await node.live(120)
            self.assertEqual(len(module.pins), 1, node.name)

        both(script, reset="plain")

    def test_whatever_fails(self):
        async def script(node, module):
            await node.live(QUIET_S)
            module.line(b"+UFWPREVAL: 1")
            module.status(721, 4)
            await node.live(60)
            for line in (
                b"+CEREG: 3",
                b"+CEREG: 0",
                b"+ULWM2MSTAT: 5,4",
                b"+ULWM2MSTAT: 5,1",
                b"+ULWM2MSTAT: 4,6",
                b"+ULWM2MSTAT: 0,721,16",
            ):
                module.line(line)
                await node.live(60)
            module.sim = cme(13)
            module.fun = 0
            module.mode = 3
            module.rows[721] = row(721, 1)
            for refused in DIAGNOSIS[1:]:
                module.refused[refused] = ERROR
            await node.live(1200)
            module.mute = True
            await node.live(1000)
            self.assertEqual((module.did(), module.pins), ([], []), node.name)

        both(script, reset="plain", power="plain")

    def test_a_step_that_was_half_done_and_forced_ones_wait_too(self):
        async def script(node, module):
            await node.live(QUIET_S)
            module.sent()
            node.watcher.force(STEP_PAUSE)
            await node.live(5)
            self.assertEqual(module.did(), [b"AT+ULWM2M=3"], node.name)
            module.line(b"+UFWPREVAL: 1")
            await node.live(100)
            node.watcher.force(STEP_RESET)
            await node.live(HOUR_S - 200)
            self.assertEqual(module.did(), [], node.name)
            await node.live(300)
            self.assertEqual(module.did()[:1], [b"AT+ULWM2M=0"], node.name)

        both(script)

    def test_the_end_of_an_installation(self):
        async def script(node, module):
            await node.live(QUIET_S)
            for percent in (1, 50, 100):
                module.line(b"+UUFWINSTALL: %d" % percent)
                await node.live(120)
            module.sent()
            module.setting = b"0,1"
            module.codes[721] = 1
            module.line(b"+UUFWINSTALL: 128")
            await node.live(60)
            commands = module.sent()
            self.assertTrue(b"AT+ULWM2MSTAT=1,7" in commands, node.name)
            for asked in DIAGNOSIS:
                self.assertTrue(asked in commands, "%s %s" % (node.name, asked))
            self.assertFalse(node.watcher.registered(721), node.name)
            # Booted: no verdict before the window is over.
            module.codes[721] = 4
            module.urc(b"1,721,4")
            await node.live(350)
            self.assertEqual(module.did(), [], node.name)
            await node.live(120)
            self.assertEqual(module.did(), [REGISTER], node.name)

        both(script)

    def test_a_download_that_failed(self):
        for end in (b"+UFOTASTAT: 2,3,100", b"+UFOTASTAT: 2, 3, 105"):

            async def script(node, module):
                await node.live(QUIET_S)
                module.line(b"+UFOTASTAT: 0,1,30")
                module.status(721, 4)
                await node.live(300)
                self.assertEqual(module.did(), [], node.name)
                module.line(end)
                await node.live(100)
                self.assertEqual(module.did(), [REGISTER], node.name)

            both(script)

    def test_an_hour_after_the_last_sign(self):
        async def script(node, module):
            await node.live(QUIET_S)
            module.status(721, 4)
            for _ in range(5):
                module.line(b"+UUFWINSTALL: 7")
                await node.live(3000)
            self.assertEqual(module.did(), [], node.name)
            await node.live(1000)
            self.assertEqual(module.did()[:1], [REGISTER], node.name)
            self.assertEqual(len(node.told(telling.FOTA)), 1, node.name)

        both(script)

    def test_a_day_without_progress_is_no_update(self):
        # Repeated every 50 minutes, it froze for ever.
        for sign in (b"+UFOTASTAT: 0,1,60", b"+UUFWINSTALL: 7", b"+UFWPREVAL: 3"):

            async def script(node, module):
                await node.live(QUIET_S)
                module.status(721, 4)
                since_s = module.s()
                while module.s() < since_s + DAY_S - 60:
                    module.line(sign)
                    await node.live(50 * 60)
                module.line(sign)
                await node.live(HOUR_S)
                acts = module.acts()
                self.assertTrue(acts, node.name)
                self.assertEqual(acts[0][1], REGISTER, node.name)
                self.about(acts[0][0] - since_s, DAY_S, DAY_S + 120, "%s %s" % (node.name, sign))
                self.assertEqual(len(node.told(telling.FOTA)), 1, node.name)
                # After it has ended another one is one.
                await node.live(2 * HOUR_S)
                module.line(b"+UFOTASTAT: 1,0,0")
                module.sent()
                await node.live(HOUR_S - 60)
                self.assertEqual(module.did(), [], node.name)
                self.assertEqual(len(node.told(telling.FOTA)), 2, node.name)

            both(script)

    def test_one_that_goes_on_may_take_longer(self):
        def percent(module, i):
            module.line(b"+UUFWINSTALL: %d" % i)

        def restart(module, i):
            module.line(b"+UUFWINSTALL: 7")
            if i == 15:
                module.reboot()

        for goes_on in (percent, restart):

            async def script(node, module):
                await node.live(QUIET_S)
                module.status(721, 4)
                for i in range(40):
                    goes_on(module, i)
                    await node.live(50 * 60)
                self.assertEqual(module.did(), [], "%s %s" % (node.name, goes_on.__name__))

            both(script)

    def test_a_restart_of_the_mcu_does_not_make_the_day_longer(self):
        for wall in (False, True):

            async def script(node, module):
                await node.live(QUIET_S)
                module.status(721, 4)
                since_s = module.s()
                while module.s() < since_s + DAY_S - 60:
                    module.line(b"+UFOTASTAT: 0,1,60")
                    await node.live(50 * 60)
                    await node.restart()
                module.line(b"+UFOTASTAT: 0,1,60")
                await node.live(2 * HOUR_S)
                acts = module.acts()
                note = "%s %s" % (node.name, wall)
                self.assertTrue(acts, note)
                self.about(acts[0][0] - since_s, DAY_S, DAY_S + 2 * HOUR_S, note)

            both(script, wall=wall)

    def test_a_restart_of_the_mcu_in_the_middle(self):
        for wall in (False, True):
            for mute in (False, True):

                async def script(node, module):
                    await node.live(QUIET_S)
                    module.line(b"+UUFWINSTALL: 1")
                    module.status(721, 4)
                    await node.live(60)
                    module.mute = mute
                    for _ in range(3):
                        await node.restart()
                        await node.live(900)
                    note = "%s %s %s" % (node.name, wall, mute)
                    self.assertEqual((module.did(), module.pins), ([], []), note)
                    await node.live(2 * HOUR_S)
                    if mute:
                        self.assertTrue(1 <= len(module.pins) <= 3, note)
                    else:
                        self.assertTrue(REGISTER in module.did(), note)

                both(script, reset="plain", wall=wall)

    def test_a_long_one_and_a_restart_of_the_mcu_near_its_end(self):
        # Signs every minute for more than an hour: the store knows of the last ones.
        for wall in (False, True):

            async def script(node, module):
                await node.live(QUIET_S)
                for _ in range(75):
                    module.line(b"+UUFWINSTALL: 7")
                    await node.live(60)
                module.mute = True
                await node.restart()
                await node.live(1200)
                self.assertEqual(module.pins, [], "%s %s" % (node.name, wall))

            both(script, reset="plain", wall=wall)

    def test_signs_do_not_wear_the_store(self):
        async def script(node, module):
            await node.live(QUIET_S)
            saves = node.options["store"].saves
            for _ in range(600):
                module.line(b"+UUFWINSTALL: 7")
                await node.live(2)
            saves = node.options["store"].saves - saves
            self.assertTrue(1 <= saves <= 5, "%s: %d" % (node.name, saves))

        both(script)

    def test_a_step_that_waits_for_the_port_is_not_sent_any_more(self):
        # The application's command takes its time, a step waits behind it, an update begins.
        for args in ((STEP_REGISTER, 721), (STEP_PAUSE,), (STEP_RADIO,), (STEP_RESET,)):

            async def script(node, module):
                await node.live(20)  # the diagnosis is fresh
                module.sent()
                module.on[b"AT+SLOW"] = lambda: module.line(b"OK", 8000)
                module.silent.add(b"AT+SLOW")
                slow = asyncio.create_task(node.lexi.channel.command("AT+SLOW", timeout_ms=20000))
                await node.live(1)
                node.watcher.force(*args)
                await node.live(1)
                module.line(b"+UUFWINSTALL: 1")
                await slow
                await node.live(120)
                self.assertEqual(module.did(), [b"AT+SLOW"], args)

            AioNode(Module()).run(script)

    def test_an_update_that_begins_during_the_diagnosis(self):
        for during in DIAGNOSIS[1:]:

            async def script(node, module):
                await fail(node, module)
                await node.live(20)
                module.on[during] = lambda: module.line(b"+UFWPREVAL: 1")
                await node.live(600)
                self.assertEqual(module.did(), [], "%s %s" % (node.name, during))

            both(script)


class NetworkTest(Case):
    URCS = (
        (b"+CEREG: %d", True),
        (b"+CEREG:%d", True),
        (b"+CEREG: %d ", True),
        (b'+CEREG: %d,"17E0","00359D48",6', True),
        (b'+CEREG: %d,"07D0","009D4564",7', True),
        (b'+CEREG: %d,"1903","00359148",6', True),
        (b'+CEREG: %d, "1903", "5f660000", 7', True),
        (b'+CEREG: %d ,"1903","5f660000", 0,0,20,"00000000","00000000"', True),
        (b"+CEREG: %d,,,,,,,,", True),
        (b"+CEREG: %d,,", True),
        (b"+CEREG: 2,%d", False),  # the shape of an answer, which nobody asked for
        (b"+CEREG: 2, %d", False),
    )

    def test_shapes_of_the_urc(self):
        for shape, is_urc in self.URCS:

            async def script(node, module):
                await node.live(QUIET_S)
                view = node.watcher.case.view
                for stat in (0, 1, 2, 5, 3, 1, 4, 5):
                    before = (view.attached, view.denied)
                    module.line(shape % stat)
                    await node.live(3)
                    after = (stat in (1, 5), stat == 3) if is_urc else before
                    note = "%s %s %d" % (node.name, shape, stat)
                    self.assertEqual((view.attached, view.denied), after, note)

            both(script)

    def test_answers(self):
        for answer, attached, denied in (
            (b"1,0", False, False),
            (b"1,1", True, False),
            (b"1,2", False, False),
            (b"1,3", False, True),
            (b"1,4", False, False),
            (b"1,5", True, False),
            (b"0,1", True, False),
            (b"2, 5", True, False),
            (b'2,5,"17E0","00359D48",7', True, False),
            (b'4,3,"1903","5f660000", 0,0,20,"00000000","00000000"', False, True),
        ):

            async def script(node, module):
                module.cereg = answer
                await node.live(60)
                view = node.watcher.case.view
                note = "%s %s" % (node.name, answer)
                self.assertEqual((view.attached, view.denied), (attached, denied), note)

            both(script)

    def test_a_urc_between_the_question_and_its_answer(self):
        for urc, answer, attached in ((b"2", b"1,1", True), (b"5", b"1,2", False)):

            async def script(node, module):
                module.cereg = answer
                module.on[b"AT+CEREG?"] = lambda: module.line(b"+CEREG: " + urc)
                await node.live(60)
                self.assertEqual(node.watcher.case.view.attached, attached, node.name)
                self.assertEqual(node.lexi.channel.handler_errors, 0)

            both(script)

    def test_nothing_is_done_while_there_is_no_network(self):
        for stat in (0, 2, 4):

            async def script(node, module):
                await node.live(QUIET_S)
                module.cereg = b"1,%d" % stat
                module.line(b"+CEREG: %d" % stat)
                module.status(721, 2)
                await node.live(40 * 60)
                self.assertEqual(module.did(), [], node.name)
                self.assertEqual(node.watcher.status()["reason"], policy.DETACHED)
                # Back again: the pending state starts its time anew.
                module.cereg = b"1,5"
                module.line(b"+CEREG: 5")
                await node.live(240)
                self.assertEqual(module.did(), [], node.name)
                module.register()
                await node.live(900)
                self.assertEqual(module.did(), [], node.name)
                self.assertTrue(node.watcher.registered(721), node.name)

            both(script)

    def test_back_again_but_still_in_trouble(self):
        async def script(node, module):
            await node.live(QUIET_S)
            module.cereg = b"1,2"
            module.line(b"+CEREG: 2")
            module.status(721, 4)
            await node.live(1200)
            self.assertEqual(module.did(), [], node.name)
            module.cereg = b"1,1"
            module.line(b"+CEREG: 1")
            back_s = module.s()
            await node.live(300)
            acts = module.acts()
            self.assertEqual([line for _, line in acts], [REGISTER], node.name)
            self.about(acts[0][0] - back_s, 60, 90, node.name)

        both(script)

    def test_the_radio_is_restarted_after_an_hour_without(self):
        async def script(node, module):
            await node.live(QUIET_S)
            module.cereg = b"1,2"
            module.line(b"+CEREG: 2")
            module.status(721, 1)
            since_s = module.s()
            await node.live(HOUR_S + 300)
            acts = module.acts()
            self.assertEqual([line for _, line in acts], [b"AT+CFUN=0", b"AT+CFUN=1"], node.name)
            self.about(acts[0][0] - since_s, HOUR_S, HOUR_S + 60, node.name)

        both(script)

    def test_denied(self):
        async def script(node, module):
            await node.live(QUIET_S)
            module.cereg = b"1,3"
            module.line(b"+CEREG: 3")
            module.status(721, 4)
            since_s = module.s()
            await node.live(6 * HOUR_S)
            acts = module.acts()
            self.assertEqual([line for _, line in acts], [b"AT+CFUN=16"] * 2, node.name)
            self.about(acts[0][0] - since_s, HOUR_S, HOUR_S + 60, node.name)
            self.about(acts[1][0] - acts[0][0], 4 * HOUR_S, 4 * HOUR_S + 600, node.name)

        both(script)

    def test_refused_for_a_day_it_is_healed_by_power(self):
        # Two soft resets in vain, then pins: from a day on, and one a day.
        def denied(module):
            module.cereg = b"1,3"
            module.line(b"+CEREG: 3")

        def sim(module):
            module.sim = cme(13)
            module.cereg = b"1,0"
            module.line(b"+CEREG: 0")

        for refuse, reason, days, pins, name in (
            (denied, policy.DENIED, 2, {"reset": "plain", "power": "async"}, "power"),
            (sim, policy.SIM_FAULT, 1, {"reset": "async"}, "reset"),
            (denied, policy.DENIED, 1, {"on": "plain"}, None),
        ):

            async def script(node, module):
                await node.live(QUIET_S)
                refuse(module)
                module.status(721, 4)
                since_s = module.s()
                await node.live(days * DAY_S + HOUR_S)
                note = "%s %s %s" % (node.name, reason, pins)
                acts = module.acts()
                self.assertEqual({line for _, line in acts}, {b"AT+CFUN=16"}, note)
                self.assertTrue(acts[1][0] - since_s < DAY_S, note)
                if not name:
                    self.assertEqual(module.pins, [], note)
                    return
                self.assertEqual([each for _, each in module.pins], [name] * days, note)
                # A SIM that fails is noticed by a diagnosis, within a quarter of an hour.
                self.about(module.pins[0][0] - since_s, DAY_S, DAY_S + 960, note)
                if days > 1:
                    self.about(module.pins[1][0] - module.pins[0][0], DAY_S, DAY_S + 60, note)
                event = node.told(telling.DOING)[-1][1]
                self.assertEqual(event.reason, reason, note)

            both(script, **pins)


class EventsTest(Case):
    def test_the_vocabulary(self):
        self.assertEqual(len(texts.KINDS), telling.FOTA + 1)
        self.assertEqual(len(texts.ACTIONS), policy.KICK + 1)
        self.assertEqual(len(texts.STEPS), STEP_KICK + 1)
        self.assertEqual(len(texts.REASONS), policy.REPORTS + 1)
        for names in (texts.KINDS[1:], texts.ACTIONS, texts.STEPS, texts.REASONS):
            self.assertEqual(len(set(names)), len(names))

    def test_describe(self):
        gave_up = texts.REASONS[policy.GAVE_UP]
        wait = texts.REASONS[policy.WAIT]
        later = policy.LATER - 5000
        for event, parts, without in (
            (
                (telling.DOING, policy.REGISTER, 721, policy.GAVE_UP, 0, 0),
                ("doing", "re-register", "721", gave_up),
                (" s:",),
            ),
            (
                (telling.DEFERRED, policy.REGISTER, 721, policy.GAVE_UP, policy.WAIT, 60),
                ("deferred", "re-register", "721", "60 s", gave_up, wait),
                (),
            ),
            (
                (telling.DEFERRED, policy.SOFT_RESET, 0, policy.DENIED, policy.CAP, 7200),
                ("deferred", "soft reset", "7200 s", texts.REASONS[policy.CAP]),
                ("reset 0",),
            ),
            (
                (telling.DEFERRED, policy.REGISTER, 721, 3, policy.PAUSED, later),
                ("deferred", "re-register", texts.REASONS[policy.PAUSED]),
                (" s:", "107"),
            ),
            (
                (telling.DEFERRED, 0, 0, policy.DETACHED, policy.DETACHED, later),
                ("waiting", texts.REASONS[policy.DETACHED]),
                ("nothing", " s:"),
            ),
            (
                (telling.REFUSED, policy.REGISTER, 721, policy.GAVE_UP, 0, 0),
                ("refused", "re-register", "721"),
                (),
            ),
            ((telling.REGISTERED, 0, 721, 0, 0, 0), ("registered", "721"), ("well", "nothing")),
            ((telling.LOST, 0, 721, 0, 0, 0), ("lost", "721"), ("well", "nothing")),
            ((telling.RENEW, 0, 721, 0, 0, 0), ("observations", "721"), ("well",)),
            (
                (telling.DEGRADED, 0, 123, policy.GAVE_UP, 0, 0),
                ("degraded", "123", gave_up),
                (),
            ),
            (
                (telling.PARKED, 0, 0, policy.SIM_LOCK, 0, 0),
                ("parked", texts.REASONS[policy.SIM_LOCK]),
                ("nothing",),
            ),
            ((telling.STORE, 0, 0, 0, 0, 0), ("store",), ("well",)),
            ((telling.FOTA, 0, 0, policy.FOTA, 0, 0), ("firmware update",), ("nothing",)),
        ):
            text = texts.describe(event)
            self.assertFalse("\n" in text)
            for part in parts:
                self.assertTrue(part in text, "%s: %s" % (part, text))
            for part in without:
                self.assertFalse(part in text, "%s: %s" % (part, text))

    def test_what_an_outage_tells(self):
        async def script(node, module):
            module.on[REGISTER] = lambda: module.status(721, 2)
            await fail(node, module)
            await node.live(300)
            module.register()
            await node.live(30)
            events = [event for _, event in node.events]
            found = [e[:4] for e in events if e[0] != telling.DEFERRED]
            gave_up = policy.GAVE_UP
            self.assertEqual(
                found,
                [
                    (telling.REGISTERED, 0, 721, 0),
                    (telling.LOST, 0, 721, 0),
                    (telling.DOING, policy.REGISTER, 721, gave_up),
                    (telling.REGISTERED, 0, 721, 0),
                    (telling.RENEW, 0, 721, 0),
                ],
                node.name,
            )
            # The wait was told before, with its time, and it came true.
            done_s = node.told(telling.DOING)[0][0]
            waits = [
                (s, e)
                for s, e in node.told(telling.DEFERRED)
                if e[1:5] == (policy.REGISTER, 721, gave_up, policy.WAIT)
            ]
            self.assertEqual(len(waits), 1, node.name)
            self.about(waits[0][0] + waits[0][1][5] - done_s, -3, 3, node.name)
            for event in events:
                self.assertTrue(len(texts.describe(event)) > 5)

        both(script)

    def test_they_have_names(self):
        async def script(node, module):
            await fail(node, module)
            await node.live(100)
            event = node.told(telling.DOING)[0][1]
            self.assertEqual(
                (event.kind, event.action, event.server, event.reason, event.held_by, event.in_s),
                (telling.DOING, policy.REGISTER, 721, policy.GAVE_UP, 0, 0),
            )
            for _, event in node.events:
                self.assertTrue(isinstance(event, telling.Event), node.name)

        both(script)

    def test_those_of_the_registry_are_described_too(self):
        async def script(node, module):
            registry = node.lexi_core().registry
            found = []
            registry.subscribe(lambda *event: found.append(texts.describe(event, registry)))
            await node.live(20)
            module.status(721, 4)
            module.urc(b"4,7")
            module.urc(b'3,721,"/3300/0/5700"')
            await node.live(5)
            expected = [
                event_text(registry, *event)
                for event in (
                    (codes.REGISTRATION, 721, 4),
                    (codes.CLIENT, 0, 7),
                    (codes.NOTIFICATION, 721, 0),
                )
            ]
            self.assertEqual(found[-3:], expected, node.name)
            self.assertTrue("registration failed" in found[-3], found)

        both(script)

    def test_deferred_is_told_once(self):
        async def script(node, module):
            await fail(node, module)
            await node.live(2 * HOUR_S)
            last = None
            for s, event in node.events:
                until_s = min(s + event[5], policy.LATER // 2)
                if last and event[:5] == last[0][:5] and event[0] == telling.DEFERRED:
                    self.assertTrue(abs(until_s - last[1]) >= 5, "%s: %s" % (node.name, event))
                last = (event, until_s)

        both(script)

    def test_a_subscriber_that_raises(self):
        async def script(node, module):
            def broken(event):
                raise TypeError("mine")

            node.watcher.subscribe(broken)
            node.watcher.subscribe(node.hear)
            await node.live(30)
            told = len(node.events)
            self.assertEqual(told % 2, 0, node.name)  # those before and behind it got all
            self.assertTrue(told >= 2)
            self.assertEqual(node.watcher.failures, told // 2, node.name)
            self.assertEqual(str(node.watcher.last_error), "mine")
            self.assertTrue(node.watcher.registered(721))

        both(script)

    def test_the_ring_drops_the_oldest(self):
        async def script(node, module):
            events = node.watcher.events(4)
            roomy = node.watcher.events()
            await fail(node, module)
            await node.live(1500)
            told = [event for _, event in node.events]
            self.assertTrue(len(told) > 6)
            self.assertEqual(events.dropped, len(told) - 4)
            self.assertEqual(roomy.dropped, 0)
            found = []
            async for event in events:
                found.append(event)
                if len(found) == 4:
                    break
            self.assertEqual(found, told[-4:])
            module.register()
            async for event in events:  # waits
                if event[0] == telling.REGISTERED:
                    break
            self.assertEqual(events.dropped, len(told) - 4)
            found = []
            async for event in roomy:
                found.append(event)
                if len(found) == len(told):
                    break
            self.assertEqual(found, told)

        AioNode(Module()).run(script)


class StatusTest(Case):
    KEYS = {"text", "action", "server", "reason", "held_by", "next_s", "left", "servers"}

    def test_well(self):
        async def script(node, module):
            before = node.watcher.status()
            self.assertEqual(set(before), self.KEYS)
            self.assertEqual(before["reason"], policy.NOT_ANSWERED, node.name)
            self.assertTrue(texts.REASONS[policy.NOT_ANSWERED] in before["text"], before["text"])
            await node.live(QUIET_S)
            status = node.watcher.status()
            self.assertEqual(set(status), self.KEYS)
            self.assertEqual(
                (status["action"], status["reason"], status["held_by"]), (0, 0, 0), node.name
            )
            self.assertTrue(texts.REASONS[policy.WELL] in status["text"], status["text"])
            self.assertEqual(status["left"], {STEPS[s]: r[4] for s, r in DEFAULT["steps"].items()})
            registered, code, proof_s = status["servers"][721]
            self.assertEqual((registered, code, len(status["servers"])), (True, 3, 1))
            self.about(proof_s, QUIET_S - 30, QUIET_S, node.name)

        both(script)

    def test_all_is_well_only_when_every_wanted_server_is_registered(self):
        for code, reason in ((3, policy.WELL), (1, policy.MODULE_TRIES), (2, policy.MODULE_TRIES)):

            async def script(node, module):
                module.rows[123] = row(123)
                module.codes[123] = code
                await node.live(100)
                status = node.watcher.status()
                self.assertEqual(status["reason"], reason, "%s %d" % (node.name, code))
                well = texts.REASONS[policy.WELL] in status["text"]
                self.assertEqual(well, reason == policy.WELL, status["text"])

            both(script)

    def test_before_the_first_answer(self):
        async def script(node, module):
            module.mute = True
            await node.live(1)  # without asyncio that is as long as the start is tried
            status = node.watcher.status()
            self.assertEqual(status["reason"], policy.NOT_ANSWERED, node.name)
            self.assertTrue(texts.REASONS[policy.NOT_ANSWERED] in status["text"], status["text"])
            module.mute = False
            await node.live(60)
            status = node.watcher.status()
            self.assertEqual((status["reason"], status["next_s"]), (policy.WELL, None), node.name)

        both(script)

    def test_a_step_that_is_due_now(self):
        async def script(node, module):
            await node.live(20)  # the diagnosis is fresh
            node.watcher.force(STEP_RESET)
            self.assertEqual(node.watcher.due_s(), 0)
            status = node.watcher.status()
            self.assertEqual((status["action"], status["next_s"]), (policy.SOFT_RESET, 0))
            self.assertTrue(texts.ACTIONS[policy.SOFT_RESET] in status["text"], status["text"])
            for words in (texts.REASONS[policy.WELL], "deferred", "-"):
                self.assertFalse(words in status["text"], status["text"])

        both(script)

    def test_a_step_to_come(self):
        async def script(node, module):
            await fail(node, module)
            await node.live(15)
            status = node.watcher.status()
            self.assertEqual(
                (status["action"], status["server"], status["reason"], status["held_by"]),
                (policy.REGISTER, 721, policy.GAVE_UP, policy.WAIT),
                node.name,
            )
            self.about(status["next_s"], 35, 50, node.name)
            self.assertEqual(status["servers"][721][:2], (False, 4))
            due_s = module.s() + status["next_s"]
            await node.live(60)
            self.about(module.acts()[0][0] - due_s, -2, 3, node.name)
            status = node.watcher.status()
            self.assertEqual(status["left"]["re-register"], 9, node.name)
            self.assertEqual(status["left"]["soft reset"], 3)
            self.assertEqual(status["reason"], policy.RESULT, node.name)

        both(script)

    def test_nothing_without_a_time(self):
        async def script(node, module):
            module.mute = True
            await node.live(200)
            status = node.watcher.status()
            self.assertEqual(status["next_s"], None, node.name)
            self.assertEqual(status["reason"], policy.NO_PINS)
            self.assertTrue(texts.REASONS[policy.NO_PINS] in status["text"])

        both(script)

    def test_a_server_that_was_never_proved(self):
        async def script(node, module):
            module.codes[721] = 4
            await node.live(60)
            self.assertEqual(node.watcher.status()["servers"], {721: (False, 4, None)}, node.name)

        both(script)

    def test_held_by_the_application(self):
        async def script(node, module):
            await fail(node, module)
            node.watcher.pause()
            await node.live(300)
            self.assertEqual(module.did(), [], node.name)
            status = node.watcher.status()
            self.assertEqual(
                (status["held_by"], status["next_s"]), (policy.PAUSED, None), node.name
            )
            self.assertTrue(texts.REASONS[policy.PAUSED] in status["text"], status["text"])

        both(script)

    def test_held_by_a_veto(self):
        async def script(node, module):
            await fail(node, module)
            await node.live(120)
            self.assertEqual(module.did(), [], node.name)
            status = node.watcher.status()
            self.assertEqual(status["held_by"], policy.VETO, node.name)
            self.about(status["next_s"], 500, 600, node.name)
            self.assertTrue(texts.REASONS[policy.VETO] in status["text"], status["text"])

        both(script, veto=lambda action, server, reason: 600)

    def test_while_a_step_runs(self):
        async def script(node, module):
            found = []
            node.watcher.subscribe(
                lambda e: found.append(node.watcher.status()) if e[0] == telling.DOING else 0
            )
            await fail(node, module)
            await node.live(100)
            self.assertEqual(len(found), 1)
            self.assertEqual((found[0]["action"], found[0]["server"]), (policy.REGISTER, 721))
            self.assertFalse(texts.REASONS[policy.WELL] in found[0]["text"], found[0]["text"])

        both(script)


class VetoTest(Case):
    def test_a_step_is_put_off(self):
        for put_off_s in (10, 100, 1000):
            asked = []
            answers = []

            def veto(action, server, reason):
                asked.append((action, server, reason))
                return answers.pop(0) if answers else 0

            async def script(node, module):
                asked.clear()
                answers[:] = [put_off_s, put_off_s]
                await fail(node, module)
                since_s = module.s()
                await node.live(100 + 2 * put_off_s)
                acts = module.acts()
                self.assertEqual([line for _, line in acts], [REGISTER], node.name)
                self.about(acts[0][0] - since_s, 50 + 2 * put_off_s, 75 + 2 * put_off_s, node.name)
                self.assertEqual(asked, [(policy.REGISTER, 721, policy.GAVE_UP)] * 3)
                told = [e for _, e in node.told(telling.DEFERRED) if e[4] == policy.VETO]
                self.assertTrue(1 <= len(told) <= 4, "%s: %s" % (node.name, told))
                self.about(told[0][5], put_off_s - 2, put_off_s, node.name)
                self.assertEqual(node.watcher.status()["left"]["re-register"], 9)

            both(script, veto=veto)

    def test_nothing_is_booked_for_a_step_that_was_put_off(self):
        async def script(node, module):
            await fail(node, module)
            await node.live(DAY_S)
            self.assertEqual(module.did(), [], node.name)
            left = node.watcher.status()["left"]
            self.assertEqual(left, {STEPS[s]: r[4] for s, r in DEFAULT["steps"].items()})
            self.assertEqual(node.told(telling.DOING), [])

        both(script, veto=lambda action, server, reason: 600)

    def test_what_is_half_done_is_not_asked_about(self):
        asked = []

        def veto(action, server, reason):
            asked.append(action)
            return 3600 if len(asked) > 1 else 0

        async def script(node, module):
            asked.clear()
            await node.live(QUIET_S)
            module.sent()
            node.watcher.force(STEP_PAUSE)
            await node.live(60)
            self.assertEqual(module.did(), [b"AT+ULWM2M=3", b"AT+ULWM2M=0"], node.name)
            self.assertEqual(asked, [policy.PAUSE])

        both(script, veto=veto)

    def test_pins_are_asked_about_too(self):
        async def script(node, module):
            module.mute = True
            await node.live(1500)
            self.assertEqual(module.pins, [], node.name)

        both(script, reset="plain", veto=lambda action, server, reason: 600)

    def test_polls_go_on(self):
        async def script(node, module):
            await fail(node, module)
            await node.live(100)
            module.register()
            module.sent()
            await node.live(30)
            self.assertTrue(node.watcher.registered(721), node.name)
            module.status(721, 16)  # not possible: to be looked at
            await node.live(10)
            self.assertTrue(b"AT+ULWM2MREG?" in module.sent(), node.name)

        both(script, veto=lambda action, server, reason: 3600)


class PauseTest(Case):
    def test_no_step_until_resume(self):
        async def script(node, module):
            await node.live(QUIET_S)
            node.watcher.pause()
            self.assertTrue(node.watcher.paused)
            module.status(721, 4)
            module.sent()
            await node.live(3 * HOUR_S)
            self.assertEqual(module.did(), [], node.name)
            told = [e for _, e in node.told(telling.DEFERRED) if e[4] == policy.PAUSED]
            self.assertEqual(len(told), 1, node.name)
            node.watcher.resume()
            self.assertFalse(node.watcher.paused)
            since_s = module.s()
            await node.live(60)
            acts = module.acts()
            self.assertEqual([line for _, line in acts], [REGISTER], node.name)
            self.about(acts[0][0] - since_s, 0, 5, node.name)

        both(script)

    def test_half_done_steps_are_ended(self):
        for step, first, second in (
            (STEP_PAUSE, b"AT+ULWM2M=3", b"AT+ULWM2M=0"),
            (STEP_RADIO, b"AT+CFUN=0", b"AT+CFUN=1"),
        ):

            async def script(node, module):
                await node.live(QUIET_S)
                module.sent()
                module.on[first] = node.watcher.pause
                node.watcher.force(step)
                await node.live(120)
                self.assertEqual(module.did(), [first, second], node.name)

            both(script)

    def test_the_start_is_not_held(self):
        async def script(node, module):
            node.watcher.pause()
            await node.live(60)
            self.assertTrue(node.watcher.registered(721), node.name)
            commands = module.sent()
            for asked in DIAGNOSIS:
                self.assertTrue(asked in commands, "%s %s" % (node.name, asked))

        both(script)

    def test_polls_go_on(self):
        async def script(node, module):
            await node.live(QUIET_S)
            node.watcher.pause()
            module.sent()
            module.urc(b"1,721,16")
            await node.live(10)
            self.assertTrue(b"AT+ULWM2MREG?" in module.sent(), node.name)
            self.assertTrue(node.watcher.registered(721), node.name)

        both(script)


class ForceTest(Case):
    ROWS = (
        ((STEP_REGISTER, 721), [REGISTER]),
        ((STEP_PAUSE,), [b"AT+ULWM2M=3", b"AT+ULWM2M=0"]),
        ((STEP_RADIO,), [b"AT+CFUN=0", b"AT+CFUN=1"]),
        ((STEP_RESET,), [b"AT+CFUN=16"]),
    )

    def test_each_step_at_once(self):
        for args, expected in self.ROWS:
            for pause in (False, True):

                async def script(node, module):
                    await node.live(QUIET_S)
                    module.sent()
                    if pause:
                        node.watcher.pause()
                    node.watcher.force(*args)
                    since_s = module.s()
                    await node.live(120)
                    acts = module.acts()
                    note = "%s %s" % (node.name, args)
                    self.assertEqual([line for _, line in acts], expected, note)
                    self.about(acts[0][0] - since_s, 0, 3, note)
                    self.assertEqual(node.told(telling.DOING)[0][1][3], policy.FORCED)
                    await node.live(1200)
                    self.assertEqual(module.did(), [], note)

                both(script)

    def test_pins(self):
        async def script(node, module):
            await node.live(QUIET_S)
            module.sent()
            node.watcher.force(STEP_PINS)
            await node.live(120)
            self.assertEqual((len(module.pins), module.did()), (1, []), node.name)
            self.assertTrue(node.watcher.registered(721), node.name)

        both(script, reset="async")

    def test_pins_that_do_not_exist(self):
        # Refused, or without effect; not something else in their place.
        async def script(node, module):
            await node.live(QUIET_S)
            module.sent()
            try:
                node.watcher.force(STEP_PINS)
            except ValueError as e:
                self.assertTrue(str(e).startswith("step"), e)
            await node.live(120)
            self.assertEqual(module.did(), [], node.name)

        both(script)

    def test_caps_hold(self):
        async def script(node, module):
            await node.live(QUIET_S)
            module.sent()
            for _ in range(5):
                node.watcher.force(STEP_RESET)
                await node.live(120)
            self.assertEqual(module.did(), [b"AT+CFUN=16"] * 3, node.name)
            self.assertEqual(node.watcher.status()["held_by"], policy.CAP, node.name)
            self.assertEqual(node.watcher.status()["left"]["soft reset"], 0)

        both(script)

    def test_a_dead_port_holds_it_back(self):
        async def script(node, module):
            await node.live(QUIET_S)
            module.mute = True
            await node.live(1500)
            module.sent()
            node.watcher.force(STEP_RESET)
            await node.live(1200)
            self.assertEqual(module.did(), [], node.name)

        both(script)

    def test_before_the_start(self):
        async def script(node, module):
            node.watcher.force(STEP_RESET)
            await node.live(120)
            commands = module.sent()
            self.assertEqual(commands.count(b"AT+CFUN=16"), 1, node.name)
            at = commands.index(b"AT+CFUN=16")
            for asked in DIAGNOSIS:
                self.assertTrue(asked in commands[:at], "%s %s" % (node.name, asked))

        both(script)

    def test_a_server_that_is_not_wanted(self):
        async def script(node, module):
            await node.live(QUIET_S)
            module.sent()
            node.watcher.force(STEP_REGISTER, 123)
            await node.live(120)
            self.assertEqual(module.did(), [], node.name)

        both(script)

    def test_parked_steps(self):
        # Refused, or booked as what they are besides.
        for args, command, names in (
            ((STEP_PARKED_REGISTER, 721), REGISTER, ("re-register", "re-register, parked")),
            ((STEP_PARKED_RESET,), b"AT+CFUN=16", ("soft reset", "soft reset, parked")),
        ):

            async def script(node, module):
                await node.live(QUIET_S)
                module.sent()
                before = node.watcher.status()["left"]
                try:
                    node.watcher.force(*args)
                except ValueError as e:
                    self.assertTrue(str(e).startswith("step:"), e)
                    return
                await node.live(120)
                self.assertEqual(module.did(), [command], node.name)
                left = node.watcher.status()["left"]
                for name in names:
                    self.assertEqual(left[name], before[name] - 1, (node.name, name))

            both(script)


class RefusedTest(Case):
    def test_the_next_try_waits_its_wait(self):
        for answer in (ERROR, cme(3), cme(50), cme("operation not allowed")):

            async def script(node, module):
                module.refused[REGISTER] = answer
                await fail(node, module)
                since_s = module.s()
                await node.live(2000)
                acts = module.acts()
                note = "%s %s" % (node.name, answer)
                self.assertEqual([line for _, line in acts][:5], [REGISTER] * 5, note)
                at_s = [s for s, _ in acts]
                self.about(at_s[0] - since_s, 50, 75, note)
                # There is no result to wait for, so the waits follow each other.
                for i, wait_s in enumerate((120, 240, 480, 480)):
                    self.about(at_s[i + 1] - at_s[i], wait_s, wait_s + 20, note)
                told = node.told(telling.REFUSED)
                self.assertEqual(
                    [e[:4] for _, e in told][:1],
                    [(telling.REFUSED, policy.REGISTER, 721, policy.GAVE_UP)],
                    note,
                )
                self.assertEqual(len(told), len(acts), note)
                self.assertTrue(node.watcher.failures >= len(acts), note)

            both(script)

    def test_accepted_steps_are_given_their_window(self):
        async def script(node, module):
            await fail(node, module)
            since_s = module.s()
            await node.live(4000)
            at_s = [s for s, line in module.acts() if line == REGISTER]
            self.about(at_s[0] - since_s, 50, 75, node.name)
            for i, wait_s in enumerate((120, 240, 480, 480)):
                self.about(at_s[i + 1] - at_s[i], 300 + wait_s, 300 + wait_s + 20, node.name)
            self.assertEqual(node.told(telling.REFUSED), [])

        both(script)

    def test_every_other_step(self):
        for step, command in (
            (STEP_PAUSE, b"AT+ULWM2M=3"),
            (STEP_RADIO, b"AT+CFUN=0"),
            (STEP_RESET, b"AT+CFUN=16"),
        ):

            async def script(node, module):
                module.refused[command] = cme(3)
                await node.live(QUIET_S)
                module.sent()
                node.watcher.force(step)
                await node.live(900)
                note = "%s %s" % (node.name, command)
                self.assertEqual(len(node.told(telling.REFUSED)), 1, note)
                self.assertEqual(module.did().count(command), 1, note)
                self.assertTrue(node.watcher.registered(721), note)

            both(script)

    def test_a_step_that_is_not_answered(self):
        async def script(node, module):
            module.silent.add(REGISTER)
            await fail(node, module)
            await node.live(200)
            commands = module.sent()
            at = commands.index(REGISTER)
            self.assertTrue(b"AT" in commands[at + 1 :], node.name)  # is it alive?
            self.assertEqual((module.pins, node.told(telling.REFUSED)), ([], []), node.name)
            await node.live(700)
            # It may have been taken: its window counts, and the next wait.
            self.assertEqual(module.did(), [REGISTER], node.name)

        both(script, reset="plain")

    def test_a_step_that_kills_the_port(self):
        async def script(node, module):
            module.on[REGISTER] = lambda: setattr(module, "mute", True)
            await fail(node, module)
            await node.live(300)
            self.assertEqual(len(module.pins), 1, node.name)
            event = node.told(telling.DOING)[-1][1]
            self.assertEqual(event[1:4], (policy.PIN_RESET, 0, policy.DEAD_PORT))

        both(script, reset="plain")

    def test_a_soft_reset_from_which_it_does_not_return(self):
        async def script(node, module):
            module.on[b"AT+CFUN=16"] = lambda: setattr(module, "mute", True)
            await node.live(QUIET_S)
            node.watcher.force(STEP_RESET)
            await node.live(200)
            self.assertEqual(len(module.pins), 1, node.name)
            self.assertTrue(node.watcher.registered(721), node.name)

        both(script, reset="plain")


class VerdictTest(Case):
    def test_an_impossible_jump(self):
        for code in (1, 2, 13, 16, 19):

            async def script(node, module):
                await node.live(QUIET_S)
                module.urc(b"1,721,%d" % code)
                module.sent()
                await node.live(3)
                note = "%s %d" % (node.name, code)
                self.assertTrue(node.watcher.registered(721), note)
                await node.live(7)
                self.assertTrue(b"AT+ULWM2MREG?" in module.sent(), note)
                self.assertTrue(node.watcher.registered(721), note)  # the poll said so
                self.assertEqual(node.told(telling.LOST), [], note)
                module.status(721, code)
                await node.live(10)
                self.assertFalse(node.watcher.registered(721), note)
                self.assertEqual(len(node.told(telling.LOST)), 1, note)

            both(script)

    def test_the_poll_it_waits_for(self):
        async def script(node, module):
            await node.live(QUIET_S)
            module.refused[b"AT+ULWM2MREG?"] = ERROR
            module.status(721, 16)
            await node.live(300)
            self.assertTrue(node.watcher.registered(721), node.name)
            del module.refused[b"AT+ULWM2MREG?"]
            await node.live(900)
            self.assertFalse(node.watcher.registered(721), node.name)

        both(script)

    def test_possible_ones_at_once(self):
        async def script(node, module):
            await node.live(QUIET_S)
            for code, registered in ((5, True), (3, True), (6, True), (5, True), (4, False)):
                module.status(721, code)
                await node.live(1)
                self.assertEqual(node.watcher.registered(721), registered, (node.name, code))

        both(script)

    def test_a_server_that_is_not_wanted(self):
        async def script(node, module):
            await node.live(QUIET_S)
            module.status(123, 3)
            await node.live(5)
            self.assertFalse(node.watcher.registered(123), node.name)
            self.assertFalse(node.watcher.registered(0), node.name)

        both(script, servers=(721,))

    def test_a_lone_server_that_fails_is_degraded(self):
        async def script(node, module):
            module.rows[123] = row(123)
            module.codes[123] = 3
            await node.live(QUIET_S)
            module.status(123, 4)
            module.sent()
            await node.live(4 * HOUR_S)
            acts = module.did()
            self.assertEqual(set(acts), {b"AT+ULWM2MREG=123"}, node.name)
            self.assertTrue(5 <= len(acts) <= 6, node.name)
            told = node.told(telling.DEGRADED)
            self.assertEqual([e[1:4] for _, e in told], [(0, 123, policy.GAVE_UP)], node.name)
            self.assertTrue(node.watcher.registered(721))
            self.assertFalse(node.watcher.registered(123))

        both(script)

    def test_a_diagnosis_proves_nothing(self):
        # How servers are given makes no difference.
        for servers in (None, [721, 123], (721, 123)):

            async def script(node, module):
                module.rows[123] = row(123)
                module.codes[123] = 3
                await node.live(QUIET_S)
                module.status(123, 4)
                await node.live(100)  # one for the step against it
                found = node.watcher.status()["servers"]
                note = "%s %s" % (node.name, servers)
                self.about(found[721][2], QUIET_S + 40, QUIET_S + 110, note)
                self.about(found[123][2], QUIET_S + 40, QUIET_S + 110, note)

            both(script, servers=servers)

    def test_observations_must_be_renewed_when_a_registration_was_replaced(self):
        async def script(node, module):
            await node.live(QUIET_S)
            self.assertEqual(node.told(telling.RENEW), [], node.name)  # the first one
            module.status(721, 5)
            module.register()
            await node.live(5)
            self.assertEqual(node.told(telling.RENEW), [], node.name)  # an update
            for count in (1, 2):
                for code in (4, 1, 2, 3):
                    module.status(721, code)
                    await node.live(7)
                self.assertEqual(len(node.told(telling.RENEW)), count, node.name)
            # All of it between two looks.
            for code in (4, 1, 2, 3):
                module.urc(b"1,721,%d" % code)
            await node.live(5)
            self.assertEqual(len(node.told(telling.RENEW)), 3, node.name)
            module.reboot()  # nothing outlives that
            await node.live(60)
            self.assertTrue(node.watcher.registered(721), node.name)
            self.assertEqual(len(node.told(telling.RENEW)), 4, node.name)

        both(script)


class WantedTest(Case):
    def wanted(self, node):
        return sorted(node.watcher.status()["servers"])

    def test_those_enabled_at_the_first_look(self):
        async def script(node, module):
            module.rows = {102: row(102), 123: row(123, 1), 721: row(721)}
            module.codes = {102: 3, 721: 3}
            await node.live(QUIET_S)
            self.assertEqual(self.wanted(node), [102, 721], node.name)
            self.assertTrue(node.watcher.registered(102))
            await node.live(2 * HOUR_S)
            self.assertEqual(module.did(), [], node.name)  # disabled on purpose

        both(script)

    def test_roaming_only_is_not_enabled(self):
        async def script(node, module):
            module.rows = {123: row(123, 2), 721: row(721)}
            await node.live(QUIET_S)
            self.assertEqual(self.wanted(node), [721], node.name)

        both(script)

    def test_from_the_list_of_ids_where_the_configuration_is_refused(self):
        async def script(node, module):
            module.refused[b"AT+ULWM2MCONFIG?"] = ERROR
            await node.live(60)
            self.assertEqual(self.wanted(node), [721], node.name)

        both(script)

    def test_from_the_configuration_where_the_list_of_ids_is_refused(self):
        async def script(node, module):
            module.refused[b"AT+ULWM2MREG=?"] = ERROR
            await node.live(120)
            self.assertEqual(self.wanted(node), [721], node.name)
            self.assertTrue(node.watcher.registered(721), node.name)

        both(script)

    def test_reloaded_after_the_profile_changed(self):
        async def script(node, module):
            await node.live(QUIET_S)
            self.assertEqual(self.wanted(node), [721], node.name)
            module.rows = {102: row(102)}
            module.codes = {102: 3}
            module.reboot()
            await node.live(120)
            self.assertEqual(self.wanted(node), [102], node.name)
            self.assertTrue(node.watcher.registered(102), node.name)
            self.assertFalse(node.watcher.registered(721), node.name)
            await node.live(2 * HOUR_S)
            self.assertEqual(module.did(), [], node.name)

        both(script)

    def test_the_list_becomes_empty(self):
        # The rows are lost with the profile: told, and nothing is done about it.
        async def script(node, module):
            await node.live(QUIET_S)
            module.rows = {}
            module.codes = {}
            module.reboot()
            await node.live(DAY_S)
            self.assertEqual(module.did(), [], node.name)
            self.assertEqual(node.parked(), [policy.NO_SERVERS], node.name)

        both(script)

    def test_none_at_all(self):
        async def script(node, module):
            module.rows = {}
            module.codes = {}
            await node.live(DAY_S)
            self.assertEqual(module.did(), [], node.name)
            self.assertEqual(node.parked(), [policy.NO_SERVERS], node.name)

        both(script)

    def test_named_ones_that_are_missing(self):
        async def script(node, module):
            await node.live(DAY_S)
            self.assertEqual(module.did(), [], node.name)
            self.assertEqual(node.parked(), [policy.SERVER_MISSING], node.name)
            self.assertEqual(self.wanted(node), [123])

        both(script, servers=(123,))

    def test_one_of_two_is_missing(self):
        async def script(node, module):
            await node.live(2 * HOUR_S)
            self.assertEqual(module.did(), [], node.name)
            self.assertTrue(node.watcher.registered(721), node.name)
            self.assertEqual(self.wanted(node), [123, 721])

        both(script, servers=(721, 123))

    def test_a_disabled_one_is_enabled_once(self):
        async def script(node, module):
            module.rows[721] = b"721,1,3,2,0,1,0,1,4000,1,2,1"
            module.codes[721] = 4
            command = b"AT+ULWM2MCONFIG=721,1,3,2,0,1,0,1,4000,1,2,0"
            module.on[command] = module.register
            await node.live(900)
            self.assertEqual(module.did(), [command], node.name)
            event = node.told(telling.DOING)[0][1]
            self.assertEqual(
                event[1:4], (policy.ENABLE_SERVER, 721, policy.SERVER_DISABLED), node.name
            )
            self.assertTrue(node.watcher.registered(721), node.name)

        both(script, servers=(721,))

    def test_one_that_stays_disabled_is_left_alone(self):
        command = b"AT+ULWM2MCONFIG=" + row(721)
        for answer in (OK, ERROR, cme(50)):

            async def script(node, module):
                module.rows[721] = row(721, 1)
                module.codes[721] = 4
                module.refused[command] = answer
                await node.live(DAY_S)
                self.assertEqual(module.did(), [command], "%s %s" % (node.name, answer))
                self.assertTrue(policy.SERVER_DISABLED in node.parked(), node.name)
                await node.restart()
                await node.live(3 * HOUR_S)
                self.assertEqual(module.did(), [], "%s %s" % (node.name, answer))

            both(script, servers=(721,))

    def test_one_that_was_wanted_and_is_disabled_from_outside(self):
        async def script(node, module):
            await node.live(QUIET_S)
            module.rows[721] = row(721, 1)
            module.status(721, 4)
            module.on[b"AT+ULWM2MCONFIG=" + row(721)] = module.register
            module.sent()
            await node.live(600)
            acts = module.did()
            self.assertEqual(acts.count(b"AT+ULWM2MCONFIG=" + row(721)), 1, node.name)
            self.assertTrue(node.watcher.registered(721), node.name)

        both(script)


class CalmTest(Case):
    """due_s() does not look at everything each time, but whatever happens is noticed."""

    def test_what_happens_is_noticed_at_once(self):
        def polled(node, module):
            node.lexi_core().monitor.polls += 1

        def failed(node, module):
            node.lexi_core().monitor.failures += 1

        def dirty(node, module):
            node.watcher.budgets.dirty = True

        for happens in (
            lambda node, module: node.lexi_core().registry.restarted(),
            lambda node, module: node.lexi_core().channel.feed(b"+ULWM2MSTAT: 1,721,4\r\n"),
            lambda node, module: node.lexi_core().channel.feed(b"+CEREG: 2\r\n"),
            lambda node, module: node.lexi_core().channel.feed(b'+ULWM2MSTAT: 3,721,"/5/0/3"\r\n'),
            lambda node, module: node.watcher.pause(),
            lambda node, module: node.watcher.force(STEP_RESET),
            polled,
            failed,
            dirty,
        ):

            async def script(node, module):
                await node.live(3000)
                looked = []
                core = getattr(node.watcher, "_target", node.watcher)
                hearing = core._hearing
                look = hearing.look

                def count(now_s):
                    looked.append(now_s)
                    look(now_s)

                hearing.look = count
                node.watcher.due_s()
                del looked[:]
                node.watcher.due_s()
                self.assertEqual(looked, [])
                happens(node, module)
                node.watcher.due_s()
                self.assertEqual(len(looked), 1)

            both(script)


class NoAllocationTest(Case):
    def nodes(self):
        for new_node in (BlockingNode, AioNode):
            yield new_node(Module())

    def test_idle(self):
        for node in self.nodes():

            async def script(node, module):
                watcher = node.watcher if node.name == "asyncio" else node.watcher._target
                await node.live(QUIET_S)
                # There the blocking wrapper is not part of it.
                self.assertTrue(watcher.due_s() > 1)
                self.assertTrue(harness.without_heap(watcher.due_s) > 1)
                module.stream.ticks.ms += 60000
                self.assertTrue(harness.without_heap(watcher.due_s) > 1)
                self.assertTrue(harness.without_heap(watcher.registered, 721))

            node.run(script)

    def test_every_event_that_was_seen_before(self):
        lines = (
            b"+ULWM2MSTAT: 0,721,3",
            b"+ULWM2MSTAT: 0,721,13",
            b"+ULWM2MSTAT: 1,721,5",
            b"+ULWM2MSTAT: 1,721,3",
            b"+ULWM2MSTAT: 1,721,16",
            b"+ULWM2MSTAT: 1,721,3",
            b"+ULWM2MSTAT: 1,999,18",
            b"+ULWM2MSTAT: 2,721,86000",
            b"+ULWM2MSTAT: 2,721,86000",
            b"+ULWM2MSTAT: 2,721,86300",
            b'+ULWM2MSTAT: 3,721,"/3300/0/5700"',
            b'+ULWM2MSTAT: 3,721,"/3300/0/5700/"',
            b'+ULWM2MSTAT: 3,721,"/5/0/3/"',
            b'+ULWM2MSTAT: 3,721,"/5/0/3"',
            b"+ULWM2MSTAT: 4,5",
            b"+ULWM2MSTAT: 4,7",
            b"+ULWM2MSTAT: 4,0",
            b"+ULWM2MSTAT: 5,1",
            b"+ULWM2MSTAT: 5,2",
            b'+ULWM2MSTAT: 6,721,0,"leshan.eclipseprojects.io:5684"',
            b"+ULWM2MSTAT: 6,721,3,2365,5699",
            b"+ULWM2MSTAT: 6,721,3",
            b"+CEREG: 2",
            b'+CEREG: 5,"07D0","009D4564",7',
            b"+CGEV: NW PDN DEACT 1",
            b"+CGEV: ME PDN ACT 1",
            b"+UFOTASTAT: 0,1,30",
            b"+UFWPREVAL: 5",
            b"+UUFWINSTALL: 5",
        )
        for node in self.nodes():

            async def script(node, module):
                await node.live(QUIET_S)
                channel = node.lexi_core().channel
                for line in lines:
                    channel.feed(b"\r\n" + line + b"\r\n")
                    channel.feed(b"\r\n" + line + b"\r\n")
                self.assertEqual(channel.handler_errors, 0)
                for line in lines:
                    data = b"\r\n" + line + b"\r\n"
                    harness.without_heap(channel.feed, data)
                    self.assertEqual(channel.handler_errors, 0, line)
                self.assertEqual(node.watcher.failures, 0)

            node.run(script)


class RunTest(Case):
    def test_a_veto_that_raises(self):
        for error in (MemoryError("no"), TypeError("yours"), OSError(5)):
            raised = []

            def veto(action, server, reason):
                if len(raised) < 3:
                    raised.append(error)
                    raise error
                return 0

            async def script(node, module):
                await fail(node, module)
                failures = node.watcher.failures
                await node.live(400)
                self.assertEqual(len(raised), 3)
                self.assertEqual(node.watcher.failures - failures, 3)
                self.assertTrue(node.watcher.last_error is error)
                self.assertEqual(module.did(), [REGISTER])

            AioNode(Module(), veto=veto).run(script)

    def test_a_store_that_raises_what_nobody_expects(self):
        for error in (MemoryError("no"), RuntimeError("flash")):

            async def script(node, module):
                await fail(node, module)
                node.options["store"].error = error
                failures = node.watcher.failures
                await node.live(300)
                self.assertTrue(node.watcher.failures > failures)
                self.assertTrue(node.watcher.last_error is error)
                self.assertEqual(module.did(), [])  # it was not written down
                node.options["store"].error = None
                await node.live(1200)
                self.assertTrue(REGISTER in module.did())

            AioNode(Module()).run(script)

    def test_pins_that_raise(self):
        calls = []

        def pin_reset(sleep_ms):
            calls.append(1)
            raise OSError(5)

        async def script(node, module):
            module.mute = True
            await node.live(2 * HOUR_S)
            self.assertEqual(len(calls), 2)
            self.assertTrue(isinstance(node.watcher.last_error, Exception))
            module.mute = False
            await node.live(1000)
            self.assertTrue(node.watcher.registered(721))

        AioNode(Module(), pin_reset=pin_reset).run(script)

    def test_step_does_not_raise_for_the_module(self):
        module = Module()
        node = BlockingNode(module, reset="plain")
        node.build()
        module.mute = True
        module.revived_by = ()
        for _ in range(20):
            self.assertTrue(node.watcher.step() >= 1)
            module.stream.ticks.ms += 60000
        self.assertTrue(node.watcher.failures > 0)

    def test_it_sleeps_when_there_is_nothing_to_do(self):
        def locked(module):
            module.sim = cme(11)

        def disabled(module):
            module.mode = 1

        def empty(module):
            module.rows = {}
            module.codes = {}

        def mute(module):
            module.mute = True

        def detached(module):
            module.cereg = b"1,2"

        def update(module):
            module.line(b"+UUFWINSTALL: 1", 100000)

        def failed(module):
            module.codes[721] = 4

        for change in (None, locked, disabled, empty, mute, detached, update, failed):

            async def script(node, module):
                if change:
                    change(module)
                await node.live(QUIET_S)
                watcher = node.watcher
                waits = []
                due_s = watcher.due_s

                def counted():
                    waits.append(due_s())
                    return waits[-1]

                watcher.due_s = counted
                await node.live(4 * HOUR_S)
                self.assertTrue(1 <= len(waits) < 400, "%s: %d" % (change, len(waits)))

            AioNode(Module()).run(script)

    def test_the_loop_of_a_program_without_asyncio(self):
        # As README.md has it: poll(1000), step().
        module = Module()
        node = BlockingNode(module)
        node.build()
        while module.s() < 800:
            node.lexi.poll(1000)
            node.watcher.step()
            if module.s() >= QUIET_S and module.codes[721] == 3:
                module.status(721, 4)
        self.assertEqual(module.did()[:1], [REGISTER])

    def test_entropy(self):
        draws = [supervisor.entropy() for _ in range(8)]
        self.assertEqual({len(draw) for draw in draws}, {4})
        self.assertTrue(len(set(draws)) > 6)

    def test_without_a_random_source_of_the_application(self):
        found = set()
        for _ in range(4):

            async def script(node, module):
                await fail(node, module)
                await node.live(300)
                acts = module.acts()
                self.assertEqual(len(acts), 1, node.name)
                self.about(acts[0][0], QUIET_S + 60, QUIET_S + 100, node.name)
                found.add(acts[0][0])

            both(script, random=None)
        self.assertTrue(len(found) > 1, found)


class KeepRegisteredTest(Case):
    """The one call for the common case, under asyncio."""

    def texts(self, module, seconds, **options):
        """What was told, and the Supervisor."""
        told = []

        async def main():
            lexi = harness.make_aio_lexi(module.stream)
            kept = dict(
                {"store": MemoryStore(), "random": no_chance, "tell": told.append}, **options
            )
            watcher = keep_registered(lexi, **kept)
            await asyncio.sleep_ms(seconds * 1000)
            lexi.stop()
            return watcher

        return told, harness.run_asyncio(main(), module.stream)

    def test_it_starts_and_tells(self):
        module = Module()
        told, watcher = self.texts(module, 60, servers=(721,))
        self.assertEqual(told, ["registered 721"])
        self.assertTrue(isinstance(watcher, supervisor.Supervisor))
        self.assertTrue(watcher.registered(721))
        self.assertTrue(watcher.case.policy is DEFAULT)
        told, watcher = self.texts(Module(), 60, tell=None)
        self.assertTrue(watcher.registered(721))
        self.assertEqual((told, watcher.failures), ([], 0))

    def test_a_client_that_is_disabled(self):
        for enable in (False, True):
            module = Module()
            module.mode = 1
            module.codes = {}
            module.on[b"AT+CFUN=16"] = module.register
            told, watcher = self.texts(module, 7200, enable_client=enable)
            self.assertEqual(watcher.registered(721), enable)
            said = [text for text in told if "enable_client=True" in text]
            self.assertEqual(len(said) > 0, not enable, told)
            expected = [b"AT+ULWM2M=0", b"AT+CFUN=16"] if enable else []
            self.assertEqual(module.did(), expected)
        self.assertFalse(DEFAULT["reenable"])

    def test_it_keeps_the_policy(self):
        mine = dict(DEFAULT, name="MINE", radio_per_hour=3)
        for enable in (False, True):
            _, watcher = self.texts(Module(), 1, policy=mine, enable_client=enable)
            self.assertEqual(watcher.case.policy, dict(mine, reenable=enable))

    def test_what_cannot_work(self):
        for enable in (False, True):
            for name, value in (
                ("policy", 5),
                ("policy", None),
                ("policy", {}),
                ("servers", 721),
                ("pin", 1234),
                ("power_on", 5),
                ("boot_s", 0),
            ):
                stream = harness.FakeStream()
                lexi = harness.make_aio_lexi(stream)
                options = {"store": MemoryStore(), "enable_client": enable, name: value}
                try:
                    keep_registered(lexi, **options)
                    self.fail("%s: %r is taken" % (name, value))
                except ValueError as e:
                    self.assertTrue(str(e).startswith(name), e)
                self.assertEqual(stream.written, b"")


class StoreTest(Case):
    def test_the_first_step_that_cannot_be_booked(self):
        async def script(node, module):
            await fail(node, module)
            kept = node.options["store"]
            kept.error = OSError(28)
            since_s = module.s()
            await node.live(300)
            self.assertEqual(module.did(), [], node.name)
            self.assertEqual(len(node.told(telling.STORE)), 1, node.name)
            self.assertTrue(node.watcher.last_error is kept.error, node.name)
            left = node.watcher.status()["left"]
            self.assertEqual(set(left.values()), {0}, node.name)
            # Later it goes on, on what it knows in RAM.
            await node.live(HOUR_S + 900)
            acts = module.acts()
            self.assertTrue(acts, node.name)
            self.assertEqual(acts[0][1], REGISTER, node.name)
            self.about(acts[0][0] - since_s, HOUR_S, HOUR_S + 900, node.name)
            await node.live(HOUR_S)
            self.assertEqual(len(node.told(telling.STORE)), 1, node.name)

        both(script)

    def test_one_that_never_works(self):
        async def script(node, module):
            broken = MemoryStore()
            broken.error = OSError(5)
            await node.restart(store=broken)
            await node.live(QUIET_S)
            self.assertEqual(len(node.told(telling.STORE)), 1, node.name)
            self.assertTrue(node.watcher.registered(721), node.name)
            module.status(721, 4)
            await node.live(2 * HOUR_S)
            acts = module.acts()
            self.assertTrue(acts, node.name)
            self.about(acts[0][0], HOUR_S, HOUR_S + 900, node.name)

        both(script)

    def test_one_that_fails_is_not_tried_all_the_time(self):
        async def script(node, module):
            await fail(node, module)
            kept = node.options["store"]
            kept.error = OSError(28)
            await node.live(120)
            kept.saves = 0
            await node.live(2 * HOUR_S)
            limit = writes_per_day(DEFAULT)
            self.assertTrue(kept.saves <= limit, "%s: %d" % (node.name, kept.saves))

        both(script)

    def test_a_damaged_record(self):
        for data in (b"", b"LX", b"\xff" * 100):

            async def script(node, module):
                kept = MemoryStore()
                kept.data = data
                await node.restart(store=kept)
                await fail(node, module)
                await node.live(1200)
                self.assertEqual(module.did(), [], node.name)
                self.assertEqual(len(node.told(telling.STORE)), 1, node.name)
                await node.live(HOUR_S)
                self.assertEqual(module.did()[:1], [REGISTER], node.name)  # an hour later
                self.assertEqual(len(node.told(telling.STORE)), 1, node.name)

            both(script)

    def test_a_clock_that_raises_is_no_failed_store(self):
        for error in (OSError(5), ValueError("not set"), MemoryError("no")):

            def wall():
                raise error

            async def script(node, module):
                await fail(node, module)
                failures = node.watcher.failures
                self.assertTrue(failures >= 2)  # the record was read and written
                self.assertTrue(node.watcher.last_error is error)
                await node.live(300)
                self.assertEqual(module.did(), [REGISTER], node.name)
                self.assertTrue(node.watcher.failures > failures)
                self.assertEqual(node.told(telling.STORE), [], node.name)
                self.assertFalse(node.watcher.keeper.failed, node.name)

            both(script, wall=wall)

    def test_one_that_works_again(self):
        async def script(node, module):
            await fail(node, module)
            kept = node.options["store"]
            kept.error = OSError(28)
            await node.live(120)
            kept.error = None
            await node.live(2 * HOUR_S)
            self.assertFalse(node.watcher.keeper.failed, node.name)
            self.assertTrue(REGISTER in module.did(), node.name)

        both(script)

    def test_caps_survive_restarts(self):
        async def script(node, module):
            await fail(node, module)
            for _ in range(40):
                await node.live(600)
                await node.restart()
            at_s = [s for s, line in module.acts() if line == REGISTER]
            self.assertTrue(at_s, node.name)
            for i, s in enumerate(at_s):
                in_hour = sum(1 for other in at_s[i:] if other < s + HOUR_S)
                self.assertTrue(in_hour <= 10, node.name)
                self.assertTrue(i == 0 or s - at_s[i - 1] >= 60, node.name)

        both(script, wall=True)

    def test_a_healthy_node_writes_little(self):
        async def script(node, module):
            await node.live(DAY_S // 2)
            saves = node.options["store"].saves
            self.assertTrue(saves <= 2, "%s: %d" % (node.name, saves))

        both(script)


if __name__ == "__main__":
    unittest.main()
