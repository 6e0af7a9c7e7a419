# Faults that this library once had: each test fails where one of them comes back.

import asyncio
import unittest

import fake_node
import harness
from lexi import AtTimeout, blocking
from lexi.power import Power
from lexi.recovery import policy, supervise, supervisor, telling
from lexi.recovery.policy import DEFAULT, STEP_RESET
from lexi.recovery.rtc import RtcStore
from test_supervisor import (
    DAY_S,
    FOTA_SETUP,
    HOUR_S,
    QUIET_S,
    REGISTER,
    AioNode,
    BlockingNode,
    Case,
    MemoryStore,
    Module,
    both,
    cme,
    fail,
    row,
)

NODES = (BlockingNode, AioNode)
POLL = b"AT+ULWM2MREG?"
ENABLE = b"AT+ULWM2M=0"
SOFT_RESET = b"AT+CFUN=16"
CLIENT = (POLL, b"AT+ULWM2MREG=?", b"AT+ULWM2M?", b"AT+ULWM2MCONFIG?", b"AT+ULWM2MSTAT?")
REENABLE = dict(DEFAULT, name="REENABLE", reenable=True)


def add(module, *servers):
    """More servers in the module, enabled and registered."""
    for server in servers:
        module.codes[server] = 3
        module.rows[server] = row(server)
        module.update_s[server] = 80000


def once(module, command):
    """The next time, this command is not answered."""

    def answer_later():
        del module.on[command]
        module.silent.add(command)
        module.on[command] = answer_again

    def answer_again():
        del module.on[command]
        module.silent.discard(command)

    module.on[command] = answer_later


def times(module, command):
    """A list that gets the time of each such command from now on."""
    found = []
    module.on[command] = lambda: found.append(module.s())
    return found


class OtherServersTest(Case):
    def test_one_that_is_not_wanted_is_spared_while_it_is_registered(self):
        # Pauses, radio off and resets for the sake of 721 cut off 123, which was well.
        async def script(node, module):
            add(module, 123)
            await fail(node, module)
            await node.live(12 * HOUR_S)
            did = module.did()
            self.assertTrue(len(did) > 5, "%s: %s" % (node.name, did))
            self.assertEqual(set(did), {REGISTER}, node.name)
            self.assertEqual(module.pins, [], node.name)
            module.status(123, 4)  # now there is nothing to spare
            await node.live(12 * HOUR_S)
            self.assertTrue(b"AT+ULWM2M=3" in module.did(), node.name)

        both(script, servers=(721,), reset="plain", power="plain")

    def test_more_than_there_is_room_for(self):
        # 721 was registered but had no place: it was taken for lost, and the module was reset.
        async def script(node, module):
            add(module, 1, 2, 3, 4)
            await node.live(16 * HOUR_S)
            self.assertEqual(module.did(), [], node.name)
            self.assertEqual(module.pins, [], node.name)

        both(script, servers=(721,), reset="plain", lexi={"max_servers": 4})


class FirmwareUpdateTest(Case):
    def test_its_urcs_are_asked_for_again_after_a_diagnosis_that_was_cut_short(self):
        # One lost answer in the first diagnosis, and an installation was never heard of.
        for lost in (b"AT+CGACT?", b"AT+CPIN?", b"AT+CEREG?", FOTA_SETUP):

            async def script(node, module):
                once(module, lost)
                await node.live(3 * HOUR_S)
                answered = FOTA_SETUP != lost
                found = module.sent().count(FOTA_SETUP)
                self.assertTrue(found >= (1 if answered else 2), "%s: %s" % (lost, found))

            both(script, reset="plain")

    def test_a_server_that_observes_its_state_for_ever(self):
        # Every notification was taken for a sign of an update: no step, ever.
        async def script(node, module):
            await fail(node, module)
            for _ in range(2):
                module.urc(b'3,721,"/5/0/3"')
                await node.live(1700)
            self.assertEqual(module.did(), [], node.name)  # it may be one
            for _ in range(40):
                module.urc(b'3,721,"/5/0/3"')
                await node.live(1800)
            self.assertTrue(REGISTER in module.did(), node.name)

        both(script, reset="plain")

    def test_begins_while_a_diagnosis_runs(self):
        # The PIN was entered, and AT+CEREG=1 sent, in the middle of it.
        async def script(node, module):
            await fail(node, module)
            module.sim = b"\r\n+CPIN: SIM PIN\r\n\r\nOK\r\n"
            sign_s = []

            def sign():
                if not sign_s:
                    sign_s.append(module.s())
                    module.sent()
                    module.line(b"+UUFWINSTALL: 1")

            module.on[b"AT+CPIN?"] = sign
            await node.live(900)
            self.assertEqual(len(sign_s), 1, node.name)
            for line in module.sent():
                self.assertTrue(line == b"AT" or line.endswith(b"?"), "%s: %s" % (node.name, line))

        both(script, reset="plain", pin="1234")

    def test_a_clock_that_jumps_does_not_end_it(self):
        # Local time for UTC after a restart of the MCU: two hours at once, and RESET_N was
        # pulled in the middle of the installation.
        async def script(node, module):
            ahead_s = 0

            def wall():
                return 1800000000 + module.s() + ahead_s

            await node.restart(wall=wall)
            await node.live(QUIET_S)
            module.line(b"+UUFWINSTALL: 1")
            await node.live(60)
            module.mute = True
            ahead_s = 2 * HOUR_S
            await node.restart()
            await node.live(3400)
            self.assertEqual(module.pins, [], node.name)
            await node.live(HOUR_S)
            self.assertEqual(len(module.pins), 1, node.name)

        both(script, reset="plain")


class StoreTest(Case):
    def test_a_pin_needs_one_that_outlives_the_power(self):
        # In RTC memory, empty after power-up, the PIN counted as refused: never entered.
        class Rtc:
            def memory(self, data=None):
                return b""

        stream = harness.FakeStream()
        for make in (
            lambda **options: supervise(harness.make_lexi(stream), **options),
            lambda **options: supervisor.Supervisor(harness.make_aio_lexi(stream), **options),
        ):
            make(store=RtcStore(Rtc()))
            try:
                make(store=RtcStore(Rtc()), pin="1234")
            except ValueError as e:
                self.assertTrue(str(e).startswith("pin"), e)
            else:
                self.fail("a PIN that is never entered")

    def test_fails_just_when_the_client_is_to_be_enabled(self):
        # That counted as done: AT+ULWM2M=0 was never sent.
        async def script(node, module):
            module.mode = 1
            module.codes = {}
            kept = node.options["store"]

            def full():
                kept.error = OSError(28)

            def heard(event):
                if event[0] == telling.STORE:
                    kept.error = None
                    module.on.pop(POLL, None)

            module.on[POLL] = full
            node.watcher.subscribe(heard)
            found = times(module, ENABLE)
            await node.live(3 * DAY_S)
            self.assertEqual(len(node.told(telling.STORE)), 1, node.name)
            self.assertTrue(found, node.name)

        both(script, policy=REENABLE)


class StepsTest(Case):
    def test_enabling_the_client_is_tried_again_after_a_refusal(self):
        # One refusal, and the client stayed disabled for ever.
        async def script(node, module):
            module.mode = 1
            module.codes = {}
            module.refused[ENABLE] = cme(4)
            found = []

            def sent():
                found.append(module.s())
                if len(found) == 2:
                    del module.refused[ENABLE]

            module.on[ENABLE] = sent
            await node.live(3 * DAY_S)
            self.assertTrue(len(found) >= 2, "%s: %s" % (node.name, found))
            self.assertEqual(module.mode, 0, node.name)

        both(script, policy=REENABLE)

    def test_a_forced_one_at_its_cap_does_not_hold_up_the_others(self):
        # Nothing else was done until the cap let it go, up to a day later.
        node = fake_node.Node(721)
        node.registered(721)
        node.run(1000)
        for _ in range(3):
            node.case.force(STEP_RESET)
            node.run(node.now_s + 5)
            node.registered(721)
            node.run(node.now_s + 4000)
        self.assertEqual(node.steps(), [policy.SOFT_RESET] * 3)
        node.case.force(STEP_RESET)
        node.see(721, 4)
        since_s = node.now_s
        node.run(since_s + HOUR_S)
        self.assertEqual(set(node.steps()[3:]), {policy.REGISTER})
        self.about(node.taken[3][0] - since_s, 60, 600)

    def test_a_registration_voids_one_that_waits_for_the_port(self):
        # It was sent to a module that had been registered for half a minute.
        for command, step, before in (
            (b"AT+ULWM2M=3", policy.PAUSE, 5),
            (b"AT+CFUN=0", policy.RADIO_OFF, 9),
            (SOFT_RESET, policy.SOFT_RESET, 11),
        ):

            async def script(node, module):
                channel = node.lexi_core().channel
                scans = []

                async def scan():
                    await channel.command("AT+COPS=0", timeout_ms=60000)

                def diagnosis():
                    if len(node.done()) >= before and not scans:
                        module.on[POLL] = poll

                def poll():  # ends the diagnosis: now comes the step, but the port is taken
                    del module.on[POLL]
                    scans.append(asyncio.create_task(scan()))
                    module.update_s[721] = module.s() + 80000
                    module.urc(b"1,721,2", 5000)
                    module.urc(b"1,721,3", 10000)
                    module.urc(b"2,721,80000", 10100)
                    module.on[b"AT+COPS=0"] = found

                def found():
                    module.codes[721] = 3
                    module.line(b"OK", 30000)

                module.silent.add(b"AT+COPS=0")
                module.on[b"AT+CGACT?"] = diagnosis
                await fail(node, module)
                for _ in range(100):
                    await node.live(300)
                    if scans:
                        break
                    module.sent()
                await node.live(600)
                did = module.did()
                self.assertTrue(b"AT+COPS=0" in did, did)
                self.assertFalse(command in did[did.index(b"AT+COPS=0") :], did)
                self.assertTrue(node.watcher.registered(721), command)
                steps = [event[1] for _, event in node.told(telling.DOING)]
                self.assertEqual(steps[before], step, command)  # it did wait
                self.assertEqual(len(node.told(telling.REFUSED)), 1, command)

            AioNode(Module()).run(script)

    def test_a_restart_by_others_makes_the_own_one_needless(self):
        # It was still done hours later, when the cap allowed it, to a registered module.
        node = fake_node.Node(721, rules=REENABLE)
        node.registered(721)
        node.run(1000)
        node.case.force(STEP_RESET)
        node.run(1001)
        node.tell("mode", 1)
        node.client(7)
        node.run(2100)
        self.assertEqual(node.steps(), [policy.SOFT_RESET, policy.RESUME])
        node.reboot()
        node.tell("mode", 0)
        node.see(721, 2)
        node.registered(721)
        node.run(20000)
        self.assertEqual(node.steps(), [policy.SOFT_RESET, policy.RESUME])
        self.assertTrue(node.case.registered(721))


class PortTest(Case):
    def test_nobody_reads_the_stream(self):
        # After Lexi.stop() a healthy module was reset by its pins, four times a day.
        async def script(node, module):
            await node.live(QUIET_S)
            node.lexi.stop()
            await node.live(DAY_S)
            self.assertEqual(module.pins, [])
            await node.lexi.start()
            module.sent()
            module.status(721, 4)
            await node.live(1200)
            self.assertEqual(module.did()[:1], [REGISTER])
            self.assertEqual(module.pins, [])
            module.register()
            await node.live(10)
            module.mute = True
            await node.live(2 * HOUR_S)
            self.assertTrue(module.pins)

        AioNode(Module(), reset="plain", power="plain").run(script)

    def test_pins_without_asyncio(self):
        # asyncio.sleep_ms() without a task: the MCU crashed with RESET_N held low.
        for new_node in NODES:
            module = Module()
            levels = []

            def drive(name):
                def level(value):
                    if value and levels and levels[-1][1] == 0:
                        module.pulse(name)
                    levels.append((name, value, module.stream.ticks.ms))

                return level

            async def script(node, module):
                await node.live(QUIET_S)
                module.mute = True
                module.revived_by = ("power",)
                await node.live(2 * HOUR_S)
                self.assertTrue(node.watcher.registered(721), node.name)

            power = Power(drive("power"), drive("reset"))
            levels.clear()  # they were left alone from then on
            node = new_node(module, **power.options())
            node.run(script)
            found = [(name, value) for name, value, _ in levels]
            expected = [("reset", 0), ("reset", 1)] + [("power", 0), ("power", 1)] * 2
            self.assertEqual(found, expected, node.name)
            at_ms = [ms for _, _, ms in levels]
            self.about(at_ms[1] - at_ms[0], 150, 300, node.name)
            self.about(at_ms[3] - at_ms[2], 2500, 2700, node.name)
            self.about(at_ms[5] - at_ms[4], 500, 700, node.name)

    def test_one_lost_answer_at_the_start(self):
        # The MCU restarted beside a registered module, and pulled RESET_N at once.
        for command in (POLL, b"AT+ULWM2M?", b"ATE0"):
            for new_node in NODES:

                async def script(node, module):
                    await node.live(400)
                    self.assertEqual(module.pins, [], "%s: %s" % (node.name, command))
                    self.assertEqual(module.did(), [], "%s: %s" % (node.name, command))
                    self.assertTrue(node.watcher.registered(721), node.name)

                module = Module()
                module.setting = b"1,7"
                once(module, command)
                new_node(module, servers=(721,), reset="plain").run(script)

    def test_a_client_that_is_mute_from_the_start_is_no_dead_port(self):
        # AT was answered all the time, and the pins were pulled four times a day.
        async def script(node, module):
            module.log.off = True
            module.silent.update(CLIENT)
            await node.live(DAY_S // 2)
            self.assertEqual(module.pins, [], node.name)

        both(script, servers=(721,), reset="plain", power="plain")

    def test_an_answered_command_ends_the_count_of_unanswered_ones(self):
        # An old silence counted on: a single lost answer was a dead port then.
        for new_port in harness.PORTS:
            stream = harness.FakeStream(default=None)
            port = new_port(stream)
            try:
                port.run(port.channel.sync(9))
                self.fail("nobody answered")
            except AtTimeout:
                self.assertEqual(port.channel.unanswered, 9, port.name)
            stream.default = b"\r\nOK\r\n"
            port.command("AT+CSQ")
            port.command("AT+CSQ")
            self.assertEqual(port.channel.unanswered, 0, port.name)


class KnowledgeTest(Case):
    def test_a_client_that_answers_no_poll_is_restarted(self):
        # No poll, no trouble confirmed: nothing was ever done.
        for code in (4, 2, None):
            for refused in (True, False):

                async def script(node, module):
                    module.log.off = True
                    await node.live(QUIET_S)
                    if code:
                        module.status(721, code)
                        await node.live(1)
                    if refused:
                        module.refused = {command: cme(4) for command in CLIENT}
                    else:
                        module.silent.update(CLIENT)
                    resets = times(module, SOFT_RESET)
                    await node.live(3 * DAY_S)
                    note = "code %s, refused %s" % (code, refused)
                    self.assertTrue(resets, note)
                    self.about(resets[0], DAY_S // 2, 2.5 * DAY_S, note)
                    self.assertEqual(module.pins, [], note)
                    self.assertFalse(node.watcher.registered(721), note)

                BlockingNode(Module(), servers=(721,), reset="plain", power="plain").run(script)

    def test_an_event_that_was_missed(self):
        # The ladder believed the old state for ever; polls told it nothing new.
        async def script(node, module):
            await node.live(QUIET_S)
            watcher = getattr(node.watcher, "_target", node.watcher)
            state = watcher.case.server(721)
            status = state.status

            def out_of_memory(*args):
                state.status = status
                raise MemoryError

            state.status = out_of_memory
            module.sent()
            module.status(721, 4)
            await node.live(3 * HOUR_S)
            self.assertTrue(state.status is status, node.name)
            self.assertFalse(node.watcher.registered(721), node.name)
            self.assertEqual(module.did()[:1], [REGISTER], node.name)

        both(script)

    def test_a_doubt_on_an_idle_port(self):
        # The monitor slept on, and polled with its next check a quarter of an hour later.
        answers = {
            b"AT+ULWM2MSTAT?": b"\r\n+ULWM2MSTAT: 1,7\r\n\r\nOK\r\n",
            POLL: b"\r\n+ULWM2MREG: 721,3,86400\r\n\r\nOK\r\n",
            b"AT+ULWM2M?": b"\r\n+ULWM2M: 0\r\n\r\nOK\r\n",
            b"AT+ULWM2MREG=?": b"\r\n+ULWM2MREG: (721)\r\n\r\nOK\r\n",
        }
        for what, flow, polls in (
            ("doubt", False, True),
            ("doubt", True, True),
            ("write_flash", False, True),
            ("write_flash", True, False),
            ("nothing", False, False),
        ):
            stream = harness.FakeStream(answers=answers)
            lexi = harness.make_aio_lexi(stream, flow=flow)

            async def main(lexi=lexi, what=what):
                await lexi.start()
                await asyncio.sleep_ms(20000)
                before = lexi.monitor.polls
                if what == "doubt":
                    lexi.channel.doubt()
                elif what == "write_flash":
                    await lexi.channel.write_flash(lambda: None)
                await asyncio.sleep_ms(5000)
                return lexi.monitor.polls > before, lexi.channel.gap

            found = harness.run_asyncio(main(), stream)
            self.assertEqual(found, (polls, False), "%s %s" % (what, flow))

    def test_a_timer_that_drops(self):
        # The supervisor went on sleeping for the time that the old one had left.
        for timer_s, wakes in ((20, True), (86390, False), (86500, True)):
            stream = harness.FakeStream()
            watcher = supervisor.Supervisor(
                harness.make_aio_lexi(stream), servers=(721,), store=MemoryStore()
            )
            channel = watcher.channel
            channel.feed(b"\r\n+ULWM2MSTAT: 1,721,3\r\n+ULWM2MSTAT: 2,721,86400\r\n")
            watcher._signal.clear()
            watcher.due_s()
            stream.ticks.ms += 10000
            channel.feed(b"\r\n+ULWM2MSTAT: 2,721,%d\r\n" % timer_s)
            self.assertEqual(watcher._signal.is_set(), wakes, "%d" % timer_s)

    def test_network_states_that_are_none(self):
        # "+CEREG: u" made a module that was attached a detached one.
        for stat in (5, 1, 0, 2):
            for text in (b"\xb5", b"u", b'"', b"/", b":", b"-", b"\x01", b"\x7f", b"x,y", b'"5'):
                for head in (b"+CEREG: ", b"+CEREG:", b"+CEREG:  "):
                    stream = harness.FakeStream()
                    watcher = supervisor.Supervisor(
                        harness.make_aio_lexi(stream), servers=(721,), store=MemoryStore()
                    )
                    channel = watcher.channel
                    channel.feed(b"\r\n+CEREG: %d\r\n" % stat)
                    before = (
                        watcher._diagnosis._stat,
                        watcher.case.view.attached,
                        watcher.case.view.denied,
                    )
                    self.assertEqual(before, (stat, stat in (1, 5), False))
                    channel.feed(b"\r\n" + head + text + b"\r\n")
                    found = (
                        watcher._diagnosis._stat,
                        watcher.case.view.attached,
                        watcher.case.view.denied,
                    )
                    self.assertEqual(found, before, "%r %r" % (head, text))
                    self.assertEqual(channel.gap, channel.undecodable > 0)
                    self.assertEqual(channel.handler_errors, 0)

    def test_paused_it_still_polls_after_an_impossible_jump(self):
        # The poll came with the next check of everything, a quarter of an hour later.
        async def script(node, module):
            add(module, 123)
            await node.live(QUIET_S)
            node.watcher.pause()
            module.status(721, 4)
            await node.live(400)
            module.urc(b"1,123,3")
            module.urc(b"1,123,1")  # from there it goes by way of 4 only
            module.codes[123] = 4
            since_s = module.s()
            found = times(module, POLL)
            await node.live(60)
            self.assertTrue(found, node.name)
            self.about(found[0] - since_s, 4, 15, node.name)
            self.assertFalse(node.watcher.registered(123), node.name)

        both(script, servers=(721, 123))

    def test_a_verdict_ends_when_nothing_proves_it(self):
        # With a dead port, or in an endless update, it said "registered" for ever.
        def mute(node, module):
            module.mute = True

        def detached(node, module):
            module.cereg = b"1,2"
            module.line(b"+CEREG: 2")
            module.mute = True

        def client(node, module):
            module.silent.update(CLIENT)

        def update(node, module):
            module.mute = True
            for i in range(100):
                module.line(b"+UUFWINSTALL: 1", i * 1800000)

        for change in (mute, detached, client, update):
            for timer in (True, False):

                async def script(node, module):
                    module.log.off = True
                    await node.live(QUIET_S)
                    change(node, module)
                    await node.live(79000 - QUIET_S)
                    note = "%s, timer %s" % (change, timer)
                    self.assertTrue(node.watcher.registered(721), note)
                    self.assertEqual(node.told(telling.LOST), [], note)
                    await node.live(90000 - 79000)
                    self.assertFalse(node.watcher.registered(721), note)
                    self.assertEqual(len(node.told(telling.LOST)), 1, note)

                module = Module()
                if not timer:
                    module.update_s = {}
                BlockingNode(module).run(script)


if __name__ == "__main__":
    unittest.main()
