# A module that does not answer: switched on when it may be off, left alone when it may install a
# firmware, reset by its pins otherwise, however often the MCU restarts meanwhile.

import unittest

from lexi.power import Power
from lexi.recovery import policy, telling, texts
from lexi.recovery.policy import DEFAULT, STEP_PINS, STEP_RESET
from test_supervisor import (
    DAY_S,
    HOUR_S,
    LEFT_ALONE_S,
    QUIET_S,
    REGISTER,
    AioNode,
    BlockingNode,
    Case,
    Module,
    both,
    cme,
    fail,
)

VERDICT_S = 41  # so long AT is tried, once a second
ALL_PINS = {"reset": "plain", "power": "plain", "on": "plain"}


def moved(module):
    """What was done to the pins, without times."""
    return [name for _, name in module.pins]


def deferred(node, held_by):
    return [entry for entry in node.told(telling.DEFERRED) if entry[1].held_by == held_by]


def counted(node):
    """A list that grows with every due_s() from now on."""
    core = getattr(node.watcher, "_target", node.watcher)
    due_s = core.due_s
    calls = []

    def count():
        calls.append(None)
        return due_s()

    core.due_s = count
    return calls


class FirstContactTest(Case):
    """power_on: the module may simply be off."""

    def test_a_module_that_is_off_is_switched_on(self):
        for kind in ("plain", "async"):

            async def script(node, module):
                module.mute = True
                await node.live(120)
                note = "%s %s" % (node.name, kind)
                self.assertEqual(moved(module), ["on"], note)
                self.about(module.pins[0][0], 30, 60, note)  # behind the start
                events = [event[:4] for _, event in node.told(telling.DOING)]
                self.assertEqual(
                    events, [(telling.DOING, policy.SWITCH_ON, 0, policy.NOT_ANSWERED)], note
                )
                self.assertTrue(node.watcher.registered(721), note)
                # No step of the ladder, so on no book.
                self.assertEqual(node.watcher.status()["left"]["reset by pins"], 4, note)
                self.assertEqual(node.watcher.budgets.left(0, module.s(), HOUR_S), 18, note)
                await node.live(2 * HOUR_S)
                self.assertEqual((moved(module), module.did()), (["on"], []), note)

            both(script, **dict(ALL_PINS, on=kind))

    def test_in_vain_once_then_the_pins(self):
        async def script(node, module):
            module.mute = True
            module.revived_by = ()
            await node.live(600)
            self.assertEqual(moved(module), ["on", "reset"], node.name)
            on_s, reset_s = (s for s, _ in module.pins)
            self.about(on_s, 30, 60, node.name)
            self.about(reset_s - on_s, VERDICT_S, 300, node.name)
            await node.live(DAY_S // 2)
            self.assertEqual(moved(module), ["on", "reset"] + ["power"] * 3, node.name)
            # Once in a run of the MCU; the pins are on the books.
            await node.restart()
            await node.live(600)
            self.assertEqual(moved(module)[5:], ["on"], node.name)

        both(script, wall=True, **ALL_PINS)

    def test_not_one_that_has_answered(self):
        def slow(module):
            module.mute_until_s = 20

        def later(module):  # AT is answered, but not what comes behind it
            once = []

            def lost():
                if not once:
                    once.append(0)
                    module.mute_until_s = module.s() + 15

            module.on[b"ATE0"] = lost

        def refusing(module):
            module.refused[b"AT+ULWM2MSTAT?"] = cme(3)

        def locked(module):
            module.sim = cme(11)

        def dies(module):
            module.on[b"AT+CGACT?"] = lambda: setattr(module, "mute", True)

        for change in (slow, later, refusing, locked, dies):

            async def script(node, module):
                change(module)
                await node.live(HOUR_S)
                self.assertFalse("on" in moved(module), "%s %s" % (node.name, change.__name__))
                if change is not dies:
                    self.assertEqual(module.pins, [])

            both(script, **ALL_PINS)

    def test_the_only_pin(self):
        async def script(node, module):
            module.mute = True
            module.revived_by = ()
            await node.live(3 * HOUR_S)
            self.assertEqual(moved(module), ["on"], node.name)
            self.assertEqual(node.parked(), [policy.NO_PINS], node.name)
            node.watcher.force(STEP_PINS)
            await node.live(600)
            self.assertEqual(moved(module), ["on"], node.name)
            module.mute = False
            await node.live(1000)
            self.assertTrue(node.watcher.registered(721), node.name)

        both(script, on="async")

    def test_the_only_pin_is_no_step_of_the_ladder(self):
        # RESET_N was to be pulled where there is none.
        async def script(node, module):
            module.log.off = True
            await node.live(20)
            node.watcher.force(STEP_PINS)
            await node.live(100)
            self.assertEqual(node.done(), [], node.name)
            module.status(721, 4)
            await node.live(DAY_S)
            self.assertEqual(module.pins, [], node.name)
            self.assertTrue(policy.EXHAUSTED in node.parked(), node.name)
            names = {name for _, name in node.done()}
            self.assertFalse(names & {"pin reset", "power cycle", "switch on"}, names)
            self.assertEqual(node.watcher.failures, 0, repr(node.watcher.last_error))

        both(script, on="plain")

    def test_a_veto(self):
        for put_off_s in (120, HOUR_S):
            asked = []

            def veto(action, server, reason):
                asked.append((action, server, reason))
                return put_off_s if len(asked) == 1 else 0

            async def script(node, module):
                asked.clear()
                module.mute = True
                await node.live(60)
                note = "%s %d" % (node.name, put_off_s)
                self.assertEqual(asked, [(policy.SWITCH_ON, 0, policy.NOT_ANSWERED)], note)
                status = node.watcher.status()
                self.assertEqual(
                    (status["action"], status["held_by"]), (policy.SWITCH_ON, policy.VETO), note
                )
                calls = counted(node)
                await node.live(put_off_s - 45)
                self.assertEqual(module.pins, [], note)
                self.assertTrue(len(calls) < 60, "%s: %d" % (note, len(calls)))
                await node.live(120)
                self.assertEqual(moved(module), ["on"], note)
                self.assertTrue(node.watcher.registered(721), note)

            both(script, veto=veto, **ALL_PINS)

    def test_held_back_it_is_still_brought_up(self):
        # By somebody else, or it only took its time. It was never asked again.
        for pause in (False, True):

            async def script(node, module):
                if pause:
                    node.watcher.pause()
                module.mute = True
                await node.live(300)
                note = "%s %s" % (node.name, pause)
                held_by = policy.PAUSED if pause else policy.VETO
                self.assertEqual(node.watcher.status()["held_by"], held_by, note)
                module.mute = False
                calls = counted(node)
                await node.live(1000)  # it is asked every 900 s at least
                self.assertTrue(node.watcher.registered(721), note)
                self.assertEqual((module.pins, node.done()), ([], []), note)
                self.assertEqual(node.watcher.status()["reason"], policy.WELL, note)
                self.assertEqual(module.setting, b"1,7", note)
                self.assertTrue(len(calls) < 100, "%s: %d" % (note, len(calls)))

            both(script, veto=lambda action, server, reason: HOUR_S, **ALL_PINS)

    def test_not_while_an_update_runs(self):
        # It may install, mute, while the MCU starts.
        async def script(node, module):
            await node.live(QUIET_S)
            module.line(b"+UUFWINSTALL: 1")
            await node.live(5)
            module.mute = True
            await node.restart()
            calls = counted(node)
            await node.live(HOUR_S - 60)
            self.assertEqual(module.pins, [], node.name)
            self.assertTrue(len(calls) < 100, "%s: %d" % (node.name, len(calls)))
            await node.live(900)
            self.assertEqual(moved(module), ["on"], node.name)
            self.assertTrue(node.watcher.registered(721), node.name)

        both(script, **ALL_PINS)

    def test_one_that_raises(self):
        def power_on(sleep_ms):
            module.pins.append((module.s(), "raised"))
            raise OSError(5)

        async def script(node, module):
            module.mute = True
            await node.live(400)
            self.assertEqual(moved(module), ["raised", "reset"])
            self.assertTrue(node.watcher.registered(721))

        module = Module()
        AioNode(module, power_on=power_on, reset="plain").run(script)

    def test_with_the_pins_of_a_board(self):
        # A short press; none where V_INT says that it is on.
        for on in (False, True, None):
            for new_node in (BlockingNode, AioNode):
                module = Module()
                module.mute = True
                levels = []

                def drive(level):
                    levels.append((module.stream.ticks.ms, level))
                    if level and len(levels) > 1 and not on:
                        module.pulse("on")

                async def script(node, module):
                    await node.live(70)
                    self.assertEqual(node.watcher.registered(721), not on, node.name)

                v_int = None if on is None else lambda: not module.mute or on
                power = Power(drive, None, v_int, hold=module.stream.ticks.sleep_ms)
                del levels[:]
                new_node(module, power_on=power.options()["power_on"]).run(script)
                self.assertEqual([level for _, level in levels], [] if on else [0, 1])
                if not on:
                    self.about(levels[1][0] - levels[0][0], 300, 420)


class DeadPortTest(Case):
    def test_it_is_asked_once_a_second(self):
        # In trouble, so nothing is waited for.
        for mute_s in (VERDICT_S - 3, VERDICT_S + 60):

            async def script(node, module):
                await fail(node, module)
                asked_s = []

                def dies():
                    module.mute = True
                    module.on[b"AT"] = asked

                def asked():
                    asked_s.append(module.s())
                    if asked_s[-1] >= asked_s[0] + mute_s:
                        module.mute = False

                module.on[REGISTER] = dies
                await node.live(300)
                note = "%s %d" % (node.name, mute_s)
                if mute_s < VERDICT_S:
                    self.assertEqual(module.pins, [], note)
                    self.about(len(asked_s), mute_s, mute_s + 10, note)
                    return
                self.assertEqual(moved(module), ["reset"], note)
                # The first few are to be sure that no answer can be late.
                last_s = module.pins[0][0]
                self.about(last_s - asked_s[0], VERDICT_S, VERDICT_S + 12, note)
                count = len([s for s in asked_s if s < last_s])
                self.about(count, VERDICT_S, VERDICT_S + 12, note)

            both(script, reset="plain")

    def test_one_that_dies_while_all_is_well_is_left_alone(self):
        for quiet_s in (LEFT_ALONE_S, 0, 2 * HOUR_S):

            async def script(node, module):
                await node.live(QUIET_S)
                module.mute = True
                await node.live(1100)  # silence is noticed after 900 s
                note = "%s %d" % (node.name, quiet_s)
                if not quiet_s:
                    self.assertEqual(moved(module), ["reset"], note)
                    return
                self.assertEqual(module.pins, [], note)
                status = node.watcher.status()
                found = status["reason"], status["held_by"]
                self.assertEqual(found, (policy.LEFT_ALONE, policy.LEFT_ALONE), note)
                self.assertTrue(texts.REASONS[policy.LEFT_ALONE] in status["text"], note)
                told = deferred(node, policy.LEFT_ALONE)
                self.assertEqual(len(told), 1, note)
                self.about(told[0][1].in_s, quiet_s - 5, quiet_s, note)
                node.watcher.force(STEP_PINS)  # a dead port holds that back too
                await node.live(told[0][0] + quiet_s - module.s() - 10)
                self.assertEqual(module.pins, [], note)
                await node.live(60)
                self.assertEqual(moved(module), ["reset"], note)
                self.about(module.pins[0][0] - told[0][0], quiet_s - 5, quiet_s + 5, note)

            both(script, reset="plain", policy=dict(DEFAULT, name="MINE", quiet_s=quiet_s))

    def test_one_that_comes_back_meanwhile(self):
        async def script(node, module):
            await node.live(QUIET_S)
            module.mute = True
            await node.live(2000)
            self.assertEqual(len(deferred(node, policy.LEFT_ALONE)), 1, node.name)
            module.mute = False
            module.setting = b"0,1"
            module.urc(b"5,1")
            await node.live(100)
            self.assertTrue(node.watcher.registered(721), node.name)
            await node.live(HOUR_S)
            self.assertEqual((module.pins, module.did()), ([], []), node.name)

        both(script, **ALL_PINS)

    def test_one_that_dies_in_trouble_is_not(self):
        async def step(node, module):
            await fail(node, module)
            await node.live(100)
            self.assertEqual(module.did(), [REGISTER])

        async def asked_for(node, module):  # nothing was proved since
            await node.live(QUIET_S)
            module.on[b"AT+CFUN=16"] = lambda: setattr(module, "mute", True)
            node.watcher.force(STEP_RESET)

        async def long_ago(node, module):  # no step was taken, but it was well an hour ago
            await node.live(QUIET_S)
            node.watcher.pause()
            module.status(721, 4)
            await node.live(HOUR_S + 60)
            node.watcher.resume()

        async def never(node, module):
            module.sim = cme(11)
            module.codes = {}
            await node.live(QUIET_S)

        for before in (step, asked_for, long_ago, never):

            async def script(node, module):
                await before(node, module)
                if before is not asked_for:
                    module.mute = True
                await node.live(1200)
                note = "%s %s" % (node.name, before.__name__)
                self.assertEqual(moved(module), ["reset"], note)
                self.assertEqual(deferred(node, policy.LEFT_ALONE), [], note)

            both(script, reset="plain")

    def test_a_registration_after_the_last_step_is_well_again(self):
        async def script(node, module):
            await fail(node, module)
            await node.live(100)
            self.assertEqual(module.did(), [REGISTER], node.name)
            module.register()
            await node.live(100)
            module.mute = True
            await node.live(1200)
            self.assertEqual(module.pins, [], node.name)
            self.assertEqual(len(deferred(node, policy.LEFT_ALONE)), 1, node.name)

        both(script, reset="plain")

    def test_over_a_restart_of_the_mcu(self):
        # The record says whether all was well; nothing else is known of it then.
        for wall in (False, True):
            for trouble in (False, True):

                async def script(node, module):
                    await fail(node, module, 4 if trouble else 3)
                    await node.live(100)
                    module.mute = True
                    await node.restart()
                    since_s = module.s()
                    await node.live(120)
                    note = "%s %s %s" % (node.name, wall, trouble)
                    if trouble:
                        self.assertEqual(moved(module), ["reset"], note)
                        return
                    self.assertEqual(module.pins, [], note)
                    await node.live(LEFT_ALONE_S)
                    self.assertEqual(moved(module), ["reset"], note)
                    self.about(module.pins[0][0] - since_s, LEFT_ALONE_S, LEFT_ALONE_S + 90, note)

                both(script, reset="plain", wall=wall)

    def test_a_restart_of_the_mcu_meanwhile_does_not_make_it_longer(self):
        async def script(node, module):
            await node.live(QUIET_S)
            module.mute = True
            await node.live(1500)
            told_s, event = deferred(node, policy.LEFT_ALONE)[0]
            await node.restart()
            await node.live(600)
            self.assertEqual(module.pins, [], node.name)
            await node.restart()
            await node.live(told_s + event.in_s - module.s() + 60)
            self.assertEqual(moved(module), ["reset"], node.name)
            self.about(module.pins[0][0] - told_s, LEFT_ALONE_S - 5, LEFT_ALONE_S + 60, node.name)

        both(script, reset="plain", wall=True)


class RestartingMcuTest(Case):
    """A watchdog that bites before the port has its verdict."""

    def test_it_comes_to_its_step(self):
        for life_s in (6, 20, 100):

            async def script(node, module):
                module.mute = True
                starts = 0
                while not module.pins and starts < 30:
                    await node.restart()
                    await node.live(life_s)
                    starts += 1
                note = "%s %d" % (node.name, life_s)
                self.assertEqual(moved(module), ["reset"], note)
                # More than ten, or a verdict as ever.
                self.about(starts, 1 if life_s > 80 else 10, 11, note)
                for _ in range(5):
                    await node.restart()
                    await node.live(max(life_s, 20))
                self.assertTrue(node.watcher.registered(721), note)
                self.assertEqual(node.watcher.budgets.starts, 0, note)
                self.assertEqual(len(module.pins), 1, note)

            # Without asyncio nobody dies within start().
            for new_node in (AioNode,) if life_s < 31 else (AioNode, BlockingNode):
                new_node(Module(), reset="plain", wall=True).run(script)

    def test_no_more_often_than_the_caps_allow(self):
        async def script(node, module):
            module.mute = True
            module.revived_by = ()
            while module.s() < HOUR_S + 900:
                await node.restart()
                await node.live(50)
            at_s = [s for s, _ in module.pins]
            self.assertEqual(len(at_s), 2, "%s" % at_s)
            self.about(at_s[1] - at_s[0], HOUR_S, HOUR_S + 120)

        AioNode(Module(), reset="plain", wall=True).run(script)

    def test_a_module_that_was_well_is_left_alone_as_long(self):
        async def script(node, module):
            await node.live(QUIET_S)
            module.mute = True
            since_s = module.s()
            while not module.pins and module.s() < since_s + 2 * HOUR_S:
                await node.restart()
                await node.live(20)
            self.assertEqual(moved(module), ["reset"])
            self.about(module.pins[0][0] - since_s, LEFT_ALONE_S, LEFT_ALONE_S + 120)

        AioNode(Module(), reset="plain", wall=True).run(script)

    def test_a_module_that_answers_is_none_of_its_business(self):
        async def script(node, module):
            for _ in range(30):
                await node.restart()
                await node.live(8)
                self.assertTrue(node.watcher.budgets.starts <= 1, node.name)
            self.assertEqual((module.pins, module.did()), ([], []), node.name)
            self.assertTrue(node.watcher.registered(721), node.name)

        both(script, **ALL_PINS)


class BootWindowTest(Case):
    """It belongs to the start of the module, not to that of the MCU."""

    def test_after_a_start_of_the_mcu(self):
        window_s = DEFAULT["boot_window_s"]
        for mute_s, from_s in ((0, 60), (1, 60), (4, window_s + 60), (25, window_s + 60)):

            async def script(node, module):
                module.codes[721] = 4
                module.mute_until_s = mute_s
                await node.live(from_s + 100)
                acts = module.acts()
                note = "%s %d" % (node.name, mute_s)
                self.assertEqual([line for _, line in acts], [REGISTER], note)
                self.about(acts[0][0], from_s, from_s + mute_s + 20, note)

            both(script)

    def test_a_node_that_wakes_for_some_minutes(self):
        # Each time it was too short for a verdict: no step, ever.
        async def script(node, module):
            module.codes[721] = 4
            for _ in range(4):
                await node.live(200)
                module.stream.ticks.ms += HOUR_S * 1000  # asleep
                await node.restart()
            self.assertTrue(len(module.did()) >= 3, node.name)

        both(script, wall=True)

    def test_after_a_restart_of_the_module(self):
        async def script(node, module):
            await node.live(100)
            module.reboot()
            module.codes[721] = 4
            since_s = module.s()
            await node.live(600)
            acts = module.acts()
            self.assertEqual([line for _, line in acts], [REGISTER], node.name)
            from_s = DEFAULT["boot_window_s"] + 60
            self.about(acts[0][0] - since_s, from_s, from_s + 30, node.name)

        both(script)


if __name__ == "__main__":
    unittest.main()
