# The monitor keeps the registry true: armed URCs, restarts, gaps, silence, and a bounded number
# of commands whatever the module does. Every scenario runs under asyncio and with poll().

import asyncio
import unittest

import harness
from lexi import AtError, AtTimeout, CmeError, Lexi, codes

ERROR = b"\r\nERROR\r\n"
DAY_S = 86400

SETUP = [b"ATE0", b"AT+CMEE=1", b"AT+UPSV?", b"AT&K3", b"AT+ULWM2MSTAT?"]
READ = [b"AT+ULWM2M?", b"AT+ULWM2MREG=?", b"AT+ULWM2MREG?"]
ARM = [b"AT+ULWM2MSTAT=1,7"]
REBOOT = [b"AT+CFUN=16"]

NO_MASK = dict(codes.LEXI_R10401D)
NO_MASK["urc_mask"] = None


class Module:
    """The other end: what it was set to, and how it misbehaves."""

    def __init__(self):
        self.stream = harness.FakeStream(default=self.answer)
        self.setting = b"0,1"
        self.mode = b"0"
        self.saving = b"0"
        self.flow = None
        self.rows = [b"721,3,175"]
        self.mute = False
        self.mute_until_ms = self.stream.ticks.ms
        self.refused = {}  # command: until when, in ms
        self.before = {}  # command: bytes to send once in front of its answer
        self.counts = {}  # command: how often it was sent

    def answer(self, line):
        self.counts[line] = self.counts.get(line, 0) + 1
        self.stream.written = b""
        if (
            len(self.stream.commands) > 300
        ):  # a long list made slowly leaves no piece of heap whole
            self.stream.commands.clear()
            self.stream.sent_ms.clear()
        elif line in (b"AT", harness.PROOF):  # probes are counted, but of no interest beyond that
            self.stream.commands.pop()
            self.stream.sent_ms.pop()
        if self.mute or self.stream.ticks.ms < self.mute_until_ms:
            return None
        if self.refused.get(line, -1) > self.stream.ticks.ms:
            return ERROR
        out = self.before.pop(line, b"")
        if line == b"AT+ULWM2MSTAT?":
            out += b"\r\n+ULWM2MSTAT: " + self.setting + b"\r\n"
        elif line == b"AT+ULWM2M?":
            out += b"\r\n+ULWM2M: " + self.mode + b"\r\n"
        elif line == b"AT+ULWM2MREG=?":
            out += b"\r\n+ULWM2MREG: (0,721,123)\r\n"
        elif line == b"AT+ULWM2MREG?":
            for row in self.rows:
                out += b"\r\n+ULWM2MREG: " + row + b"\r\n"
        elif line.startswith(b"AT+ULWM2MSTAT="):
            self.setting = line[14:]
        elif line == b"AT+UPSV?":
            out += b"\r\n+UPSV: " + self.saving + b"\r\n"
        elif line.startswith(b"AT+UPSV="):
            self.saving = line[8:]
        elif line.startswith(b"AT&K"):
            self.flow = line[4:]
        return out + b"\r\nOK\r\n"

    def refuse(self, *commands, seconds=10 * DAY_S):
        for command in commands:
            self.refused[command] = self.stream.ticks.ms + seconds * 1000

    def urc(self, body, after_ms=0):
        self.stream.send(b"\r\n+ULWM2MSTAT: " + body + b"\r\n", after_ms)

    def sent(self):
        """The commands sent since the last call, bare AT apart."""
        self.counts = {}
        commands = list(self.stream.commands)
        self.stream.commands.clear()
        self.stream.sent_ms.clear()
        return commands


class BlockingNode:
    """A program that calls poll() once a second."""

    name = "blocking"
    late_ms = 1100  # what is due is done up to so much later

    def __init__(self, module, **options):
        self.ticks = module.stream.ticks
        self.lexi = harness.make_lexi(module.stream, **options)

    async def start(self, *args):
        return self.lexi.start(*args)

    async def reboot(self, *args):
        return self.lexi.reboot(*args)

    async def live(self, seconds):
        end_ms = self.ticks.ms + int(seconds * 1000)
        while self.ticks.ms < end_ms:
            self.lexi.poll(min(1000, end_ms - self.ticks.ms))

    def run(self, script, module):
        try:
            script(self, module).send(None)
        except StopIteration:
            return
        raise AssertionError("the script waits")


class AioNode:
    name = "asyncio"
    late_ms = 1100  # the clock of the library counts whole seconds

    def __init__(self, module, **options):
        self.stream = module.stream
        self.lexi = harness.make_aio_lexi(module.stream, **options)

    async def start(self, *args):
        return await self.lexi.start(*args)

    async def reboot(self, *args):
        return await self.lexi.reboot(*args)

    async def live(self, seconds):
        await asyncio.sleep_ms(int(seconds * 1000))

    def run(self, script, module):
        async def main():
            try:
                await script(self, module)
            finally:
                self.lexi.stop()

        harness.run_asyncio(main(), self.stream)


def both(script, **options):
    """Run `async def script(node, module)` with either runtime."""
    for new_node in (BlockingNode, AioNode):
        module = Module()
        new_node(module, **options).run(script, module)


class PortSettingsTest(unittest.TestCase):
    """What an earlier host left in the module's NVM is put right, and told once."""

    def test_power_saving_is_switched_off_unless_told_not_to(self):
        for saving, options, after in (
            (b"0", {}, b"0"),
            (b"1,5000,4", {}, b"0"),
            (b"5,5000,3", {}, b"0"),
            (b"1,5000,4", {"power_saving": None}, b"1,5000,4"),
        ):

            async def script(node, module):
                module.saving = saving
                told = []
                node.lexi.monitor.on_change = told.append
                await node.start()
                self.assertEqual(module.saving, after)
                text = "lexi: AT+UPSV=0, it was " + saving.decode()
                self.assertEqual(text in told, after != saving)
                self.assertEqual(b"AT+UPSV?" in module.sent(), not options)
                module.urc(b"5,1")
                await node.live(60)  # brought up again
                self.assertEqual(len(told), len(set(told)))
                self.assertTrue(node.lexi.registered(721))

            both(script, **options)

    def test_odd_answers_change_nothing(self):
        for saving in (b"", b"\xb10,5000", b"0,5000", b"off", b"x1"):

            async def script(node, module):
                module.saving = saving
                await node.start()
                self.assertEqual(module.saving, saving)
                self.assertTrue(node.lexi.registered(721))

            both(script)

    def test_who_is_told_may_fail(self):
        async def later(text):
            pass

        for fn in (lambda text: 1 // 0, lambda text: later(text) or None):

            async def script(node, module):
                module.saving = b"1,5000"
                told = []
                node.lexi.channel.on_error = told.append
                node.lexi.monitor.on_change = fn
                await node.start()
                self.assertEqual(len(told), 1)
                self.assertTrue(node.lexi.registered(721))

            both(script)

    def test_flow_control_matches_the_board(self):
        for options, flow in (
            ({"flow": True}, b"3"),
            ({"flow": False}, b"0"),
            ({"flow": False, "match_flow": False}, None),
        ):

            async def script(node, module):
                await node.start()
                self.assertEqual(module.flow, flow)
                changed = [] if flow is None else ["AT&K" + flow.decode()]
                self.assertEqual(node.lexi.monitor.changed, changed)

            both(script, **options)

    def test_a_refusal_is_no_error(self):
        async def script(node, module):
            module.saving = b"1,5000"
            module.refuse(b"AT+UPSV=0", b"AT+UPSV?", b"AT&K3")
            await node.start()
            self.assertEqual(node.lexi.monitor.changed, [])
            self.assertTrue(node.lexi.registered(721))
            module.refused.pop(b"AT+UPSV?")
            await node.start()
            self.assertEqual(node.lexi.monitor.changed, [])

        both(script)

    def test_what_cannot_work_is_refused(self):
        for options in ({"power_saving": 1}, {"power_saving": "0"}, {"match_flow": 3}):
            with self.assertRaises(ValueError):
                harness.make_aio_lexi(harness.FakeStream(), **options)


class BringUpTest(unittest.TestCase):
    def test_from_cold(self):
        async def script(node, module):
            await node.start()
            self.assertEqual(module.sent(), SETUP + ARM + READ, node.name)
            monitor = node.lexi.monitor
            self.assertEqual((monitor.mode, monitor.server_ids), (0, [721, 123]))
            self.assertTrue(node.lexi.registered(721))
            self.assertEqual(node.lexi.registry.server(721).timer_s, 175)
            self.assertFalse(node.lexi.channel.gap)
            self.assertEqual((monitor.failures, monitor.last_error), (0, None))
            await node.live(60)
            self.assertEqual(module.sent(), [], node.name)

        both(script)

    def test_urcs_are_armed_only_when_they_are_not(self):
        for setting, mask, arm in (
            (b"1,7", 7, []),
            (b"1,1", 1, []),
            (b"1,1", 7, [b"AT+ULWM2MSTAT=1,7"]),
            (b"0,7", 7, [b"AT+ULWM2MSTAT=1,7"]),
            (b"1,7", 3, [b"AT+ULWM2MSTAT=1,3"]),
        ):

            async def script(node, module):
                module.setting = setting
                await node.start()
                self.assertEqual(module.sent(), SETUP + arm + READ, setting)

            both(script, urc_mask=mask)

    def test_a_family_without_a_mask(self):
        for setting, arm in ((b"1", []), (b"0", [b"AT+ULWM2MSTAT=1"])):

            async def script(node, module):
                module.setting = setting
                await node.start()
                self.assertEqual(module.sent(), SETUP + arm + READ, setting)

            both(script, family=NO_MASK)

    def test_noise_at_boot_leaves_no_gap(self):
        async def script(node, module):
            module.stream.send(b"\0\xff\x80boot\xfe\r\n+ULWM2MSTAT: 1,7")
            await node.start()
            self.assertFalse(node.lexi.channel.gap)
            self.assertTrue(node.lexi.registered(721))

        both(script)

    def test_a_module_that_boots_for_a_while(self):
        async def script(node, module):
            module.mute_until_ms = module.stream.ticks.ms + 12000
            await node.start()
            self.assertTrue(node.lexi.registered(721))
            self.assertTrue(12 <= module.counts[b"AT"] <= 15, module.counts)

        both(script)

    def test_lwm2m_commands_that_are_refused_for_a_while_after_boot(self):
        async def script(node, module):
            for refused in (SETUP[-1:], ARM, READ[:1], READ[1:2], READ[2:], SETUP[-1:] + READ):
                module.setting = b"0,1"
                module.refuse(*refused, seconds=9)
                start_ms = module.stream.ticks.ms
                await node.start()
                passed_ms = module.stream.ticks.ms - start_ms
                self.assertTrue(9000 <= passed_ms <= 13000, "%s: %d" % (refused, passed_ms))
                self.assertEqual(module.setting, b"1,7")
                self.assertTrue(len(module.sent()) < 30)

        both(script)

    def test_lwm2m_commands_that_are_refused_for_good(self):
        async def script(node, module):
            for refused in (SETUP[-1:], ARM, READ[2:]):
                module.setting = b"0,1"
                module.refused = {}
                module.refuse(*refused)
                start_ms = module.stream.ticks.ms
                try:
                    await node.start(20)
                    self.fail("not raised: %s" % refused)
                except AtError:
                    pass
                passed_ms = module.stream.ticks.ms - start_ms
                self.assertTrue(20000 <= passed_ms <= 25000, passed_ms)

        both(script)

    def test_mode_and_servers_are_not_needed(self):
        async def script(node, module):
            for refused, mode, servers in (
                (READ[:1], None, []),
                (READ[1:2], 0, []),
            ):
                module.setting = b"0,1"
                module.refused = {}
                module.refuse(*refused)
                await node.start(20)
                monitor = node.lexi.monitor
                self.assertEqual((monitor.mode, monitor.server_ids), (mode, servers))
                self.assertEqual(module.setting, b"1,7")
                self.assertTrue(node.lexi.registered(721))
                module.sent()
                await node.live(60)
                self.assertEqual(module.sent(), [])

        both(script)

    def test_a_mute_module(self):
        async def script(node, module):
            module.mute = True
            for boot_s in (30, 5, 0):
                start_ms = module.stream.ticks.ms
                try:
                    await node.start(boot_s)
                    self.fail("not raised")
                except AtTimeout:
                    pass
                passed_ms = module.stream.ticks.ms - start_ms
                self.assertTrue(abs(passed_ms - max(boot_s, 1) * 1000) <= 1000, passed_ms)

        both(script)

    def test_starting_again_after_a_failure(self):
        async def script(node, module):
            module.mute = True
            try:
                await node.start(2)
                self.fail("not raised")
            except AtTimeout:
                pass
            module.mute = False
            await node.start()
            self.assertTrue(node.lexi.registered(721))
            module.urc(b"1,721")
            await node.live(2)
            self.assertFalse(node.lexi.channel.gap)

        both(script)

    def test_stop_ends_what_start_began(self):
        module = Module()
        lexi = harness.make_aio_lexi(module.stream)

        async def main():
            await lexi.start()
            lexi.stop()
            module.sent()
            module.urc(b"5,1")
            await asyncio.sleep_ms(10000)
            return module.sent()

        self.assertEqual(harness.run_asyncio(main(), module.stream), [])
        self.assertEqual(lexi.registry.restarts, 0)


class RestartTest(unittest.TestCase):
    def test_noticed_by_its_urc(self):
        for sign in (b"5,1", b"4,0"):

            async def script(node, module):
                await node.start()
                module.sent()
                module.setting = b"0,1"
                module.rows = [b"721,2"]
                module.urc(sign)
                await node.live(5)
                self.assertEqual(module.sent(), SETUP + ARM + READ, sign)
                self.assertEqual(node.lexi.registry.restarts, 1)
                self.assertEqual(node.lexi.registry.code(721), 2)
                await node.live(300)
                self.assertEqual(module.sent(), [])

            both(script)

    def test_several_signs_of_one_restart(self):
        async def script(node, module):
            await node.start()
            module.sent()
            module.rows = [b"721,1"]
            for after_ms, sign in ((0, b"5,1"), (150, b"4,0"), (1000, b"5,2"), (1500, b"1,721,1")):
                module.urc(sign, after_ms)
            await node.live(60)
            commands = module.sent()
            self.assertTrue(1 <= commands.count(b"ATE0") <= 2, commands)
            self.assertEqual(node.lexi.registry.code(721), 1)

        both(script)

    def test_a_sign_in_the_middle_of_bringing_up(self):
        async def script(node, module):
            await node.start()
            module.sent()
            module.before[b"AT+ULWM2MREG=?"] = b"\r\n+ULWM2MSTAT: 5,1\r\n"
            module.urc(b"5,1")
            await node.live(60)
            commands = module.sent()
            self.assertEqual(commands.count(b"ATE0"), 2, commands)
            self.assertEqual(node.lexi.registry.restarts, 2)
            self.assertTrue(node.lexi.registered(721))

        both(script)

    def test_a_restart_does_not_wait_for_an_old_failure(self):
        async def script(node, module):
            await node.start()
            module.refuse(*READ[2:])
            module.urc(b"1,721,")
            await node.live(3600)
            module.refused = {}
            module.setting = b"0,1"
            module.urc(b"5,1")
            await node.live(5)
            self.assertEqual(module.setting, b"1,7", node.name)
            self.assertTrue(node.lexi.registered(721))

        both(script)

    def test_noticed_by_silence_and_a_setting_that_is_gone(self):
        async def script(node, module):
            await node.start()
            module.sent()
            module.setting = b"0,1"
            module.rows = [b"721,4"]
            await node.live(110)
            self.assertEqual(module.sent(), [])
            self.assertTrue(node.lexi.registered(721))
            await node.live(20)
            self.assertEqual(module.sent(), SETUP[-1:] + SETUP + ARM + READ)
            self.assertEqual(node.lexi.registry.restarts, 1)
            self.assertEqual(node.lexi.registry.code(721), 4)
            self.assertEqual(module.setting, b"1,7")

        both(script, silence_s=120)

    def test_silence_of_a_module_that_is_still_armed(self):
        async def script(node, module):
            await node.start()
            module.sent()
            since_s = node.lexi.registry.server(721).since_s
            await node.live(12 * 3600)
            commands = module.sent()
            self.assertTrue(92 <= len(commands) <= 96, len(commands))
            self.assertEqual(set(commands), {b"AT+ULWM2MSTAT?", b"AT+ULWM2MREG?"})
            self.assertEqual(node.lexi.registry.restarts, 0)
            self.assertEqual(node.lexi.registry.server(721).since_s, since_s)

        both(script)

    def test_urcs_put_the_question_off(self):
        async def script(node, module):
            await node.start()
            module.sent()
            for i in range(10):
                module.urc(b"2,721,%d" % i, i * 800000)
            await node.live(3500)
            self.assertEqual(module.sent(), [])
            await node.live(4500)  # but a state is never older than an hour
            self.assertEqual(module.sent(), [b"AT+ULWM2MSTAT?", b"AT+ULWM2MREG?"] * 2)

        both(script)

    def test_a_code_that_was_lost_without_a_trace(self):
        async def script(node, module):
            await node.start()
            module.rows = [b"721,4"]  # and no URC said so
            for i in range(20):
                module.urc(b"2,123,%d" % i, i * 300000)
            await node.live(3700)
            self.assertFalse(node.lexi.registered(721), node.name)

        both(script)

    def test_noise_is_no_sign_of_life(self):
        async def script(node, module):
            await node.start()
            module.setting = b"0,1"
            for i in range(20):
                module.stream.send(b"\0", i * 100000)
            await node.live(1000)
            self.assertEqual(module.setting, b"1,7", node.name)

        both(script)

    def test_a_module_that_was_mute_is_read_anew(self):
        async def script(node, module):
            await node.start()
            module.mute = True
            await node.live(7200)
            self.assertFalse(node.lexi.monitor.reachable)
            module.mute = False
            module.rows = [b"721,4"]
            module.setting = b"0,1"
            await node.live(1000)
            self.assertTrue(node.lexi.monitor.reachable, node.name)
            self.assertFalse(node.lexi.registered(721))
            self.assertEqual(module.setting, b"1,7")

        both(script)

    def test_the_task_survives_anything(self):
        async def script(node, module):
            await node.start()
            monitor = node.lexi.monitor

            def fail(*_):
                raise MemoryError

            node.lexi.channel.on("+LATER:", print)
            lwm2m = getattr(monitor, "_target", monitor)._lwm2m
            registrations = lwm2m.registrations
            lwm2m.registrations = fail
            module.urc(b"1,721,")
            await node.live(4)
            self.assertEqual(monitor.failures, 1)
            self.assertIs(type(monitor.last_error), MemoryError)
            lwm2m.registrations = registrations
            await node.live(10)
            self.assertFalse(node.lexi.channel.gap, node.name)

        both(script)

    def test_an_answer_that_was_lost_is_no_restart(self):
        async def script(node, module):
            await node.start()
            module.sent()
            module.stream.answers[b"AT+ULWM2MSTAT?"] = [b"\r\n+ULWM2MSTAT: 1,\xff7\r\n\r\nOK\r\n"]
            await node.live(130)
            self.assertEqual(node.lexi.registry.restarts, 0)
            self.assertTrue(node.lexi.registered(721))
            self.assertTrue(b"AT+ULWM2MREG?" in module.sent())  # but it is a gap
            self.assertFalse(node.lexi.channel.gap)

        both(script, silence_s=120)

    def test_a_module_that_refuses_the_question(self):
        async def script(node, module):
            await node.start()
            module.sent()
            module.refuse(b"AT+ULWM2MSTAT?")
            await node.live(3600)
            self.assertTrue(3 <= len(module.sent()) <= 5)
            self.assertTrue(node.lexi.monitor.failures >= 3)
            self.assertTrue(node.lexi.monitor.reachable)
            self.assertTrue(node.lexi.registered(721))

        both(script)

    def test_a_module_that_never_comes_up_again_is_asked_less_and_less(self):
        async def script(node, module):
            await node.start()
            module.refuse(b"AT+ULWM2MSTAT?")
            module.urc(b"5,1")
            module.sent()
            await node.live(DAY_S)
            counts = module.counts
            self.assertTrue(80 <= counts[b"ATE0"] <= 110, counts)
            self.assertTrue(sum(counts.values()) < 2500, counts)
            self.assertFalse(node.lexi.registered(721))
            module.refused = {}
            await node.live(1000)
            self.assertTrue(node.lexi.registered(721))

        both(script)


class GapTest(unittest.TestCase):
    def test_a_gap_is_closed_by_a_poll(self):
        async def script(node, module):
            await node.start()
            module.sent()
            module.rows = [b"721,4", b"123,3,60"]
            module.urc(b"1,721")
            await node.live(1)
            self.assertEqual(module.sent(), [b"AT+ULWM2MREG?"])
            self.assertFalse(node.lexi.channel.gap)
            self.assertEqual(node.lexi.registry.code(721), 4)
            self.assertTrue(node.lexi.registered(123))
            self.assertEqual(node.lexi.registry.restarts, 0)
            await node.live(600)
            self.assertEqual(module.sent(), [])

        both(script)

    def test_every_kind_of_loss_is_a_gap(self):
        losses = (
            b"\r\n+ULWM2MSTAT: 1,721\r\n",
            b"\r\n+ULWM2MSTAT: 1,7\xff21,3\r\n",
            b"\r\n+ULWM2MSTAT: 1,721," + b"3" * 600 + b"\r\n",
            b"\r\n+ULWM2MSTAT: 1,721" + b"," * 1200,
        )
        for loss in losses:

            async def script(node, module):
                await node.start()
                module.sent()
                module.rows = [b"721,16"]
                module.stream.send(loss + b"\r\n")
                await node.live(5)
                self.assertEqual(module.sent(), [b"AT+ULWM2MREG?"], loss[:30])
                self.assertEqual(node.lexi.registry.code(721), 16)
                self.assertFalse(node.lexi.channel.gap)

            both(script)

    def test_loss_during_the_poll_is_polled_again(self):
        async def script(node, module):
            await node.start()
            module.sent()
            module.before[b"AT+ULWM2MREG?"] = b"\r\n+ULWM2MSTAT: 1,721\r\n"
            module.urc(b"1,721")
            await node.live(2)
            self.assertEqual(module.sent(), [b"AT+ULWM2MREG?"])
            self.assertTrue(node.lexi.channel.gap)
            module.rows = [b"721,4"]
            await node.live(8)
            self.assertEqual(module.sent(), [b"AT+ULWM2MREG?"])
            self.assertFalse(node.lexi.channel.gap)
            self.assertEqual(node.lexi.registry.code(721), 4)
            await node.live(600)
            self.assertEqual(module.sent(), [])

        both(script)

    def test_a_urc_behind_the_polled_line_is_newer(self):
        async def script(node, module):
            await node.start()
            rows = b"\r\n+ULWM2MREG: 721,3,60\r\n\r\n+ULWM2MSTAT: 1,721,4\r\n\r\nOK\r\n"
            module.stream.answers[b"AT+ULWM2MREG?"] = rows
            module.urc(b"1,721")
            await node.live(2)
            self.assertEqual(node.lexi.registry.code(721), 4)
            self.assertFalse(node.lexi.channel.gap)

        both(script)

    def check_back_off(self, node, module):
        times = [
            ms
            for ms, command in zip(module.stream.sent_ms, module.stream.commands)
            if command == b"AT+ULWM2MREG?"
        ]
        waits = [(b - a) / 1000 for a, b in zip(times, times[1:])]
        late_s = node.late_ms / 1000
        for expected, wait in zip((5, 10, 20, 40, 80, 160, 320, 640, 900, 900, 900), waits):
            text = "%s: %s, expected %d" % (node.name, wait, expected)
            self.assertTrue(expected - 1 <= wait <= expected + late_s + 1, text)
        # 8 waits up to 640 s, then one poll in 900 s.
        self.assertTrue(95 <= len(times) <= 105, len(times))

    def test_a_server_that_a_poll_does_not_list_is_not_registered_any_more(self):
        async def script(node, module):
            module.rows = [b"721,3,175", b"123,3,9"]
            await node.start()
            told = []
            node.lexi.registry.subscribe(lambda *event: told.append(event))
            module.rows = [b"721,3,175"]
            module.urc(b"1,721,")
            await node.live(5)
            self.assertTrue(node.lexi.registered(721))
            self.assertFalse(node.lexi.registered(123))
            self.assertIn((codes.REGISTRATION, 123, codes.NO_CODE), told)
            self.assertFalse((codes.REGISTRATION, 721, 3) in told)  # nothing new

        both(script)

    def test_a_poll_that_was_not_alone_forgets_nobody(self):
        for extra in (b"\r\n+ULWM2LREG: 123,3,9\r\n", b"\r\n+ULWM2MSTAT: 1,123,3\r\n"):

            async def script(node, module, extra=extra):
                module.rows = [b"721,3,175", b"123,3,9"]
                await node.start()
                module.rows = [b"721,3,175"]
                module.before[READ[2]] = extra
                module.urc(b"1,721,")
                await node.live(3)
                self.assertTrue(node.lexi.registered(123), "%s %s" % (node.name, extra))

            both(script)

    def test_answers_are_known_in_any_case(self):
        async def script(node, module):
            module.rows = []
            module.before[READ[2]] = b"\r\n+ulwm2mreg: 721,3,175\r\n"
            await node.start()
            self.assertTrue(node.lexi.registered(721))

        both(script)

    def test_a_poll_that_lost_a_line_forgets_nobody(self):
        async def script(node, module):
            module.rows = [b"721,3,175", b"123,3,9"]
            await node.start()
            module.rows = [b"721,3,175", b"12\xff,3,9"]
            module.urc(b"1,721,")
            await node.live(3)
            self.assertTrue(node.lexi.registered(123))
            self.assertTrue(node.lexi.channel.gap)

        both(script)

    def test_what_may_change_a_registration_is_followed_by_a_poll(self):
        async def script(node, module):
            await node.start()
            lwm2m = node.lexi.lwm2m
            module.rows = []
            for change in (lwm2m.disable_for_good, lwm2m.inhibit, lwm2m.erase_objects_and_psk):
                node.lexi.registry.put(721, 3)
                result = change()
                if node.name == "asyncio":
                    await result
                await node.live(5)
                self.assertFalse(node.lexi.registered(721), node.name)
            node.lexi.registry.put(721, 3)
            module.urc(b"4,7")
            await node.live(5)
            self.assertFalse(node.lexi.registered(721), node.name)

        both(script)

    def test_what_is_due_is_done_while_waiting_for_a_registration(self):
        async def script(node, module):
            module.rows = [b"721,1"]
            await node.start()
            module.rows = [b"721,3,175"]
            module.urc(b"1,721,", 20000)
            wait = node.lexi.wait_registered(721, 60)
            self.assertTrue(await wait if node.name == "asyncio" else wait)

        both(script)

    def test_polls_that_are_refused_back_off(self):
        async def script(node, module):
            await node.start()
            module.refuse(b"AT+ULWM2MREG?")
            module.urc(b"1,721")
            module.sent()
            await node.live(DAY_S)
            self.check_back_off(node, module)
            self.assertEqual(set(module.sent()), {b"AT+ULWM2MREG?"})
            monitor = node.lexi.monitor
            self.assertTrue(95 <= monitor.failures <= 105)
            self.assertTrue(isinstance(monitor.last_error, AtError))
            self.assertTrue(monitor.reachable)
            module.refused = {}
            await node.live(1000)
            self.assertFalse(node.lexi.channel.gap)
            self.assertTrue(node.lexi.registered(721))

        both(script)

    def test_unreadable_answers_back_off(self):
        async def script(node, module):
            await node.start()
            module.rows = [b"721"]
            module.urc(b"1,721")
            module.sent()
            await node.live(DAY_S)
            self.check_back_off(node, module)

        both(script)

    def test_gaps_without_end_are_polled_every_few_seconds(self):
        async def script(node, module):
            await node.start()
            module.sent()
            for i in range(600):
                module.urc(b"1,721,", i * 1000)
            await node.live(600)
            count = len(module.sent())
            self.assertTrue(50 <= count <= 130, "%s: %d" % (node.name, count))

        both(script)

    def test_a_module_that_refuses_everything_is_asked_a_few_times_an_hour(self):
        for refused in (SETUP[-1:] + READ, READ[2:]):

            async def script(node, module, refused=refused):
                await node.start()
                module.refuse(*refused)
                await node.live(3 * 3600)
                module.sent()
                await node.live(3600)
                count = len(module.sent())
                self.assertTrue(2 <= count <= 20, "%s: %d" % (node.name, count))

            both(script)

    def test_urcs_that_were_switched_off_unheard_although_the_line_is_busy(self):
        async def script(node, module):
            await node.start()
            module.setting = b"0,7"
            for i in range(80):
                module.stream.send(b"\r\nRING\r\n", i * 100000)
                module.urc(b"1,721,", i * 100000 + 50000)
            await node.live(7600)
            self.assertEqual(module.setting, b"1,7", node.name)

        both(script)

    def test_a_gap_while_backing_off_does_not_hurry(self):
        async def script(node, module):
            await node.start()
            module.refuse(b"AT+ULWM2MREG?")
            for i in range(3600):
                module.urc(b"1,721", i * 1000)
            module.sent()
            await node.live(3600)
            count = len(module.sent())
            self.assertTrue(9 <= count <= 13, count)
            self.assertTrue(node.lexi.channel.malformed > 3500)

        both(script)

    def test_after_a_success_the_waits_start_anew(self):
        async def script(node, module):
            await node.start()
            for _ in range(2):
                module.refuse(b"AT+ULWM2MREG?", seconds=30)
                module.urc(b"1,721")
                module.sent()
                await node.live(60)
                count = module.sent().count(b"AT+ULWM2MREG?")
                self.assertEqual(count, 4, node.name)  # at 0, 5, 15 and 35 s
                self.assertFalse(node.lexi.channel.gap)

        both(script)


class MuteTest(unittest.TestCase):
    def test_a_mute_module_is_counted_and_not_raised(self):
        for first in (b"1,721", b"5,1", None):

            async def script(node, module):
                await node.start()
                module.sent()
                module.mute = True
                if first:
                    module.urc(first)
                await node.live(DAY_S)
                monitor = node.lexi.monitor
                self.assertFalse(monitor.reachable)
                self.assertTrue(isinstance(monitor.last_error, AtTimeout))
                self.assertTrue(80 <= monitor.failures <= 110, monitor.failures)
                # At most one AT a second while it is asked, 70 s in 970.
                self.assertTrue(sum(module.counts.values()) < 10000, module.counts)
                module.mute = False
                module.rows = [b"721,5"]
                await node.live(1000)
                self.assertTrue(monitor.reachable)
                if first:
                    self.assertEqual(node.lexi.registry.code(721), 5)
                self.assertEqual(module.setting, b"1,7")

            both(script)

    def test_reachable_says_whether_the_last_exchange_was_answered(self):
        async def script(node, module):
            await node.start()
            module.urc(b"1,721")
            await node.live(3)
            self.assertTrue(node.lexi.monitor.reachable)
            module.mute = True
            module.urc(b"1,721")
            await node.live(100)
            self.assertFalse(node.lexi.monitor.reachable)
            module.mute = False
            await node.live(400)
            self.assertTrue(node.lexi.monitor.reachable)

        both(script)


class RebootTest(unittest.TestCase):
    def test_the_sequence(self):
        async def script(node, module):
            await node.start()
            module.sent()
            module.setting = b"0,1"
            module.rows = [b"721,1"]
            module.urc(b"5,1", 8000)
            start_ms = module.stream.ticks.ms
            await node.reboot()
            times = list(module.stream.sent_ms)
            self.assertEqual(module.sent(), REBOOT + SETUP + ARM + READ, node.name)
            self.assertTrue(times[0] - start_ms < 100)
            self.assertTrue(15000 <= times[1] - times[0] <= 15500, times[1] - times[0])
            self.assertEqual(node.lexi.registry.restarts, 2)  # asked for, and heard
            self.assertEqual(node.lexi.registry.code(721), 1)
            await node.live(600)
            self.assertEqual(module.sent(), [], node.name)

        both(script)

    def test_a_reboot_that_is_faster_than_its_ok(self):
        async def script(node, module):
            await node.start()

            def reboot(line):
                module.urc(b"5,1")
                module.mute_until_ms = module.stream.ticks.ms + 1000

            module.stream.answers[REBOOT[0]] = reboot
            await node.reboot()
            self.assertTrue(node.lexi.registered(721), node.name)

        both(script)

    def test_nothing_is_asked_before_the_wait_is_over(self):
        for wait_s in (1, 60):

            async def script(node, module):
                await node.start()
                module.sent()
                await node.reboot()
                times = list(module.stream.sent_ms)
                self.assertTrue(times[1] - times[0] >= wait_s * 1000, node.name)
                self.assertEqual(module.sent().count(b"ATE0"), 1)

            both(script, reboot_wait_s=wait_s)

    def test_what_was_known_is_forgotten_at_once(self):
        async def script(node, module):
            await node.start()
            found = []
            module.stream.answers[b"AT+CFUN=16"] = b"\r\nOK\r\n"
            module.stream.answers[b"ATE0"] = lambda line: (
                found.append(node.lexi.registered(721)),
                b"\r\nOK\r\n",
            )[1]
            self.assertTrue(node.lexi.registered(721))
            await node.reboot()
            self.assertEqual(found, [False])

        both(script)

    def test_refused(self):
        async def script(node, module):
            await node.start()
            module.sent()
            module.stream.answers[b"AT+CFUN=16"] = b"\r\n+CME ERROR: 3\r\n"
            try:
                await node.reboot()
                self.fail("not raised")
            except CmeError as e:
                self.assertEqual(e.code, 3)
            self.assertTrue(node.lexi.registered(721))
            self.assertEqual(node.lexi.registry.restarts, 0)
            await node.live(60)
            self.assertEqual(module.sent(), [b"AT+CFUN=16"])

        both(script)

    def test_a_module_that_does_not_come_back_in_time(self):
        async def script(node, module):
            await node.start()
            module.stream.answers[b"AT+CFUN=16"] = lambda line: (
                setattr(module, "mute", True),
                b"\r\nOK\r\n",
            )[1]
            try:
                await node.reboot(5)
                self.fail("not raised")
            except AtTimeout:
                pass
            self.assertFalse(node.lexi.registered(721))
            module.mute = False
            await node.live(60)
            self.assertTrue(node.lexi.registered(721))
            self.assertEqual(node.lexi.registry.restarts, 1)

        both(script)


class AttendTest(unittest.TestCase):
    def test_says_when_something_may_be_due_again(self):
        module = Module()
        lexi = harness.make_lexi(module.stream, silence_s=600)
        lexi.start()
        module.sent()
        self.assertTrue(598 <= lexi.monitor.attend() <= 600)
        self.assertTrue(598 <= lexi.monitor.due_s() <= 600)
        module.stream.ticks.ms += 100000
        self.assertTrue(498 <= lexi.monitor.attend() <= 500)
        self.assertEqual(module.sent(), [])
        lexi.channel.feed(b"\r\n+ULWM2MSTAT: 1,721\r\n")
        self.assertEqual(lexi.monitor.due_s(), 0)
        self.assertEqual(lexi.monitor.attend(), 5)  # another gap would have to wait so long
        self.assertEqual(module.sent(), [b"AT+ULWM2MREG?"])
        module.stream.ticks.ms += 5000
        self.assertTrue(590 <= lexi.monitor.attend() <= 600)
        self.assertEqual(module.sent(), [])
        module.refuse(b"AT+ULWM2MREG?")
        lexi.channel.feed(b"\r\n+ULWM2MSTAT: 1,721\r\n")
        self.assertEqual([lexi.monitor.attend() for _ in range(3)], [5, 5, 5])
        self.assertEqual(len(module.sent()), 1)

    def test_poll_reads_the_state_and_raises(self):
        module = Module()
        lexi = harness.make_lexi(module.stream)
        lexi.channel.feed(b"\r\n+ULWM2MSTAT: 1,721\r\n")
        module.refuse(b"AT+ULWM2MREG?", seconds=1)
        with self.assertRaises(AtError):
            lexi.monitor.poll()
        self.assertTrue(lexi.channel.gap)
        module.stream.ticks.ms += 1000
        lexi.monitor.poll()
        self.assertFalse(lexi.channel.gap)
        self.assertTrue(lexi.registered(721))


class ArgumentsTest(unittest.TestCase):
    def test_values_that_cannot_work(self):
        rows = (
            ("urc_mask", (0, 8, -1, 255, "7", None, 7.0), "1..7"),
            ("silence_s", (0, -1, 86401, "900", None, 1.5), "1..86400"),
            ("reboot_wait_s", (0, -1, 86401, "15", None, 0.5), "1..86400"),
        )
        for name, values, limits in rows:
            for value in values:
                stream = harness.FakeStream()
                try:
                    harness.make_lexi(stream, **{name: value})
                    self.fail("%s=%r is taken" % (name, value))
                except ValueError as e:
                    self.assertEqual(str(e), "%s: %r, expected %s" % (name, value, limits))
                self.assertEqual(stream.written, b"")

    def test_the_ends_of_the_ranges(self):
        for options in (
            {"urc_mask": 1},
            {"urc_mask": 7},
            {"silence_s": 1},
            {"silence_s": 86400},
            {"reboot_wait_s": 1},
            {"reboot_wait_s": 86400},
        ):
            harness.make_lexi(harness.FakeStream(), **options)

    def test_the_shortest_silence_does_not_spin(self):
        async def script(node, module):
            await node.start()
            module.sent()
            await node.live(60)
            count = len(module.sent())
            self.assertTrue(40 <= count <= 122, count)

        both(script, silence_s=1)


if __name__ == "__main__":
    unittest.main()
