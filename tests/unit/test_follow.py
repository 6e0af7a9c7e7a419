# A client on the MCU that the supervisor follows: its own remedy first, then the steps for the
# module, unless a server of it is registered; and what the client itself gets wrong.

import unittest

import harness
from lexi.recovery import policy, supervise, supervisor, telling, texts
from lexi.recovery.policy import DEFAULT, STEP_KICK
from test_supervisor import (
    DAY_S,
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

WINDOW_S, WAITS_S = DEFAULT["steps"][STEP_KICK][:2]
TRIES = DEFAULT["steps"][STEP_KICK][policy.TRIES]


class Client:
    """Its reports arrive until lose(); stays in trouble whatever is done, or until `heals`."""

    def __init__(self, node):
        self._node = node
        self.since_s = None
        self.kicks = []
        self.heals = None  # the number of kicks that it takes
        self.stir = node.watcher.follow(self)

    def lose(self, stir=True):
        self.since_s = self._node.lexi_core().channel.clock.now_s()
        if stir:
            self.stir()

    def trouble(self, now_s):
        return None if self.since_s is None else (self.since_s, "no ACK")

    def kick(self):
        self.kicks.append(self._node.module.s())
        if self.heals == len(self.kicks):
            self.since_s = None


class AsyncClient(Client):
    async def kick(self):
        await self._node.lexi_core().runtime.sleep_ms(2000)
        super().kick()


def alone(module):
    """Nothing is wanted of the module's own client."""
    module.mode = 1
    module.codes = {}


def update(module):
    """The registration is updated as it should: it has held, so an episode is over."""
    module.status(721, 5)
    module.register()


class ArgumentsTest(Case):
    def test_what_cannot_be_followed(self):
        class NoKick:
            def trouble(self, now_s):
                return None

        class NoTrouble:
            def kick(self):
                pass

        class NoFunction(NoKick):
            kick = 5

        for make in (
            lambda: supervise(harness.make_lexi(harness.FakeStream()), store=MemoryStore()),
            lambda: supervisor.Supervisor(
                harness.make_aio_lexi(harness.FakeStream()), store=MemoryStore()
            ),
        ):
            watcher = make()
            for client in (None, 5, "client", object(), NoKick(), NoTrouble(), NoFunction()):
                try:
                    watcher.follow(client)
                    self.fail("%r is followed" % (client,))
                except ValueError as e:
                    self.assertTrue(str(e).startswith("client:"), e)

    def test_one_that_was_refused_leaves_nothing_behind(self):
        # As if the reports of nobody arrived: what is wrong with the servers was not told.
        async def script(node, module):
            try:
                node.watcher.follow(5)
                self.fail("5 is followed")
            except ValueError:
                pass
            await node.live(60)
            self.assertEqual(node.parked(), [policy.NO_SERVERS], node.name)

        both(script, servers=())


class KickTest(Case):
    def test_its_own_remedy_comes_first(self):
        for make in (Client, AsyncClient):

            async def script(node, module):
                alone(module)
                client = make(node)
                client.heals = 2
                await node.live(QUIET_S)
                self.assertEqual(client.kicks, [], node.name)
                client.lose()
                since_s = module.s()
                await node.live(HOUR_S)
                note = "%s %s" % (node.name, make)
                self.assertEqual(len(client.kicks), 2, note)
                self.about(client.kicks[0] - since_s, WAITS_S[0], WAITS_S[0] + 10, note)
                wait_s = WINDOW_S + WAITS_S[1]
                apart_s = client.kicks[1] - client.kicks[0]
                self.about(apart_s, wait_s - 3, wait_s + 10, note)
                events = [event[:4] for _, event in node.told(telling.DOING)]
                expected = (telling.DOING, policy.KICK, 0, policy.REPORTS)
                self.assertEqual(events, [expected] * 2, note)
                text = texts.describe(node.told(telling.DOING)[0][1])
                self.assertTrue(texts.REASONS[policy.REPORTS] in text, text)
                self.assertEqual((module.did(), module.pins), ([], []), note)
                status = node.watcher.status()
                self.assertEqual(status["reason"], policy.WELL, note)
                self.assertEqual(status["left"]["kick the reporting client"], 8, note)
                self.assertEqual(node.watcher.failures, 0, note)

            both(script, servers=(), reset="plain")

    def test_then_the_steps_for_the_module(self):
        async def script(node, module):
            alone(module)
            client = Client(node)
            await node.live(QUIET_S)
            client.lose()
            await node.live(2 * DAY_S)
            names = [name for _, name in node.done()]
            kick, radio = texts.ACTIONS[policy.KICK], texts.ACTIONS[policy.RADIO_OFF]
            reset, pins = texts.ACTIONS[policy.SOFT_RESET], texts.ACTIONS[policy.PIN_RESET]
            self.assertEqual(names[:TRIES], [kick] * TRIES, node.name)
            order = [name for name in names if name in (radio, reset, pins)]
            self.assertEqual(order[:8], [radio] + [reset] * 3 + [pins] * 4, node.name)
            self.assertFalse(b"AT+ULWM2M=3" in module.did(), node.name)
            self.assertTrue(policy.EXHAUSTED in node.parked(), node.name)
            for line in (REGISTER, b"AT+ULWM2M=0"):
                self.assertFalse(line in module.did(), node.name)
            # Its own remedy goes on, in the slow rhythm, and caps hold.
            later = client.kicks[TRIES:]
            self.assertTrue(len(later) >= 6, "%s: %s" % (node.name, client.kicks))
            for i in range(1, len(later)):
                self.assertTrue(later[i] - later[i - 1] >= WAITS_S[-1], node.name)
            self.assertTrue(len([s for s in client.kicks if s < client.kicks[0] + HOUR_S]) <= 10)

        both(script, servers=(), reset="plain")

    def test_nothing_above_it_while_a_server_is_registered(self):
        for wanted in (None, (721,), (), (123,)):

            async def script(node, module):
                if wanted == (123,):
                    module.rows[123] = row(123)
                    module.codes[123] = 3
                client = Client(node)
                await node.live(QUIET_S)
                update(module)
                client.lose()
                module.sent()
                await node.live(DAY_S // 2)
                note = "%s %s" % (node.name, wanted)
                self.assertEqual((module.did(), module.pins), ([], []), note)
                # Its waits get longer all the same: the server's registration, which holds, does
                # not end the client's trouble.
                at_s = client.kicks
                self.assertEqual(len(at_s), TRIES + 2, "%s: %s" % (note, at_s))
                for i in range(1, len(at_s)):
                    wait_s = WINDOW_S + WAITS_S[min(i, len(WAITS_S) - 1)]
                    self.about(at_s[i] - at_s[i - 1], wait_s - 3, wait_s + 20, "%s %d" % (note, i))

            both(script, servers=wanted, reset="plain", power="plain")

    def test_a_server_that_is_lost_too_is_not_forgotten_over_it(self):
        async def script(node, module):
            client = Client(node)
            await fail(node, module)
            client.lose()
            await node.live(HOUR_S)
            self.assertTrue(REGISTER in module.did(), node.name)
            self.assertTrue(len(client.kicks) >= 3, node.name)

        both(script)

    def test_reports_do_not_hide_a_server_that_is_lost(self):
        async def script(node, module):
            Client(node)
            await fail(node, module)
            await node.live(2 * HOUR_S)
            did = module.did()
            self.assertEqual(did[:5], [REGISTER] * 5, node.name)
            self.assertTrue(b"AT+ULWM2M=3" in did, node.name)

        both(script)

    def test_it_is_over_when_reports_have_arrived_for_long_enough(self):
        for well_s, wait_s in ((DEFAULT["hold_s"] + 310, WAITS_S[0]), (120, WAITS_S[1])):

            async def script(node, module):
                alone(module)
                client = Client(node)
                client.heals = 1
                await node.live(QUIET_S)
                client.lose()
                await node.live(WAITS_S[0] + 20)
                self.assertEqual(len(client.kicks), 1, node.name)
                await node.live(well_s)
                client.lose()
                await node.live(DAY_S // 8)
                clock = node.lexi_core().channel.clock
                ahead_s = clock.now_s() - module.s()
                since_s = max(client.kicks[0] + WINDOW_S, client.since_s - ahead_s)
                self.about(client.kicks[1] - since_s, wait_s - 3, wait_s + 20, node.name)

            both(script, servers=())

    def test_it_is_noticed_without_a_word_too(self):
        for stir, notice_s in ((True, 0), (False, 300)):

            async def script(node, module):
                alone(module)
                client = Client(node)
                await node.live(HOUR_S)
                client.lose(stir)
                since_s = module.s()
                await node.live(HOUR_S)
                limit_s = max(WAITS_S[0], notice_s) + 10
                self.about(client.kicks[0] - since_s, WAITS_S[0], limit_s, (node.name, stir))

            both(script, servers=())

    def test_several(self):
        async def script(node, module):
            alone(module)
            clients = [Client(node) for _ in range(3)]
            await node.live(QUIET_S)
            clients[1].lose()
            await node.live(100)
            self.assertEqual([len(client.kicks) for client in clients], [0, 1, 0], node.name)
            clients[2].lose()
            await node.live(800)
            self.assertEqual([len(client.kicks) for client in clients], [0, 2, 1], node.name)

        both(script, servers=())

    def test_what_holds_it_back(self):
        def update_runs(node, module):
            module.line(b"+UFWPREVAL: 1")

        def no_network(node, module):
            module.cereg = b"1,2"
            module.line(b"+CEREG: 2")

        def locked(node, module):
            module.sim = cme(11)
            module.reboot()

        def mute(node, module):
            module.mute = True

        def paused(node, module):
            node.watcher.pause()

        for change in (update_runs, no_network, locked, mute, paused):

            async def script(node, module):
                alone(module)
                client = Client(node)
                await node.live(QUIET_S)
                change(node, module)
                await node.live(10)
                client.lose()
                await node.live(HOUR_S - 60)
                note = "%s %s" % (node.name, change.__name__)
                self.assertEqual((client.kicks, module.did()), ([], []), note)

            both(script, servers=())

    def test_a_veto(self):
        asked = []

        def veto(action, server, reason):
            asked.append((action, server, reason))
            return 600 if len(asked) == 1 else 0

        async def script(node, module):
            asked.clear()
            alone(module)
            client = Client(node)
            await node.live(QUIET_S)
            client.lose()
            since_s = module.s()
            await node.live(900)
            self.assertEqual(asked, [(policy.KICK, 0, policy.REPORTS)] * 2, node.name)
            self.assertEqual(len(client.kicks), 1, node.name)
            self.about(client.kicks[0] - since_s, 660, 690, node.name)

        both(script, servers=(), veto=veto)

    def test_tries_and_caps_survive_a_restart_of_the_mcu(self):
        async def script(node, module):
            alone(module)
            client = Client(node)
            await node.live(QUIET_S)
            client.lose()
            await node.live(HOUR_S)
            self.assertEqual(len(client.kicks), TRIES, node.name)
            for _ in range(3):
                await node.restart()
                client = Client(node)
                client.lose()
                await node.live(HOUR_S)
                self.assertEqual(client.kicks, [], node.name)

        both(script, servers=(), wall=True)

    def test_a_port_that_dies_while_reports_arrive_is_left_alone(self):
        for lost in (False, True):

            async def script(node, module):
                alone(module)
                client = Client(node)
                await node.live(QUIET_S)
                if lost:
                    client.lose()
                    await node.live(WAITS_S[0] + 10)
                    self.assertEqual(len(client.kicks), 1, node.name)
                module.mute = True
                await node.live(1200)
                self.assertEqual(len(module.pins), 1 if lost else 0, "%s %s" % (node.name, lost))

            both(script, servers=(), reset="plain")

    def test_nothing_is_wanted_of_the_modules_client(self):
        # Disabled, in production mode or without servers: none of that is a fault then.
        def disabled(module):
            module.mode = 1

        def production(module):
            module.urc(b"5,3")

        def empty(module):
            module.rows = {}

        for change in (disabled, production, empty):

            async def script(node, module):
                module.codes = {}
                change(module)
                client = Client(node)
                await node.live(QUIET_S)
                note = "%s %s" % (node.name, change.__name__)
                self.assertEqual(node.parked(), [], note)
                client.lose()
                await node.live(200)
                self.assertEqual(len(client.kicks), 1, note)
                self.assertEqual(module.did(), [], note)

            both(script, servers=())


class FaultyTest(Case):
    """What the client gets wrong is counted, and stops nothing else."""

    def follow(self, node, trouble, kick):
        class Faulty:
            pass

        faulty = Faulty()
        faulty.trouble = trouble
        faulty.kick = kick
        return node.watcher.follow(faulty)

    def test_trouble_that_fails(self):
        async def later(now_s):
            return None

        def fails(now_s):
            raise KeyError("mine")

        for trouble in (
            fails,
            later,
            lambda now_s: True,
            lambda now_s: (),
            lambda now_s: ("today", "why"),
            lambda now_s: (None, "why"),
            lambda now_s: 5,
        ):
            for new_node in (BlockingNode, AioNode):

                async def script(node, module):
                    node.lexi_core().channel.on_error = lambda e: None
                    kicks = []
                    self.follow(node, trouble, lambda: kicks.append(0))
                    other = Client(node)
                    await fail(node, module)
                    other.lose()
                    await node.live(100)
                    note = "%s %s" % (node.name, trouble)
                    self.assertEqual(module.did(), [REGISTER], note)
                    self.assertEqual((kicks, len(other.kicks)), ([], 1), note)
                    self.assertTrue(node.watcher.failures > 0, note)
                    self.assertTrue(node.watcher.last_error is not None, note)
                    module.register()
                    await node.live(60)
                    self.assertTrue(node.watcher.registered(721), note)

                new_node(Module()).run(script)

    def test_kick_that_fails(self):
        def broken():
            raise OSError(5)

        async def broken_later():
            raise OSError(5)

        def no_memory():
            raise MemoryError

        for kick in (broken, broken_later, no_memory):
            for new_node in (BlockingNode, AioNode):

                async def script(node, module):
                    node.lexi_core().channel.on_error = lambda e: None
                    other = Client(node)
                    self.follow(node, other.trouble, kick)
                    self.follow(node, other.trouble, other.kick)
                    await fail(node, module)
                    other.lose()
                    await node.live(100)
                    note = "%s %s" % (node.name, kick)
                    self.assertTrue(REGISTER in module.did(), note)
                    self.assertEqual(len(other.kicks), 2, note)  # before it and behind it
                    self.assertTrue(node.watcher.failures > 0, note)
                    await node.live(QUIET_S)
                    self.assertEqual(len(other.kicks), 4, note)

                new_node(Module()).run(script)

    def test_commands_in_its_remedy(self):
        # Through the module, which refuses, or does not answer.
        for answer in (cme(3), None):

            async def script(node, module):
                alone(module)
                channel = node.lexi_core().channel
                channel.on_error = lambda e: None
                module.refused[b"AT+USOCL=0"] = answer
                if not answer:
                    module.silent.add(b"AT+USOCL=0")
                since_s = []
                kicks = []

                async def kick():
                    kicks.append(module.s())
                    await channel.command("AT+USOCL=0")

                self.follow(node, lambda now_s: (since_s[0], "") if since_s else None, kick)
                await node.live(QUIET_S)
                since_s.append(channel.clock.now_s())
                await node.live(HOUR_S)
                self.assertEqual(len(kicks), TRIES, "%s %s" % (node.name, answer))
                self.assertEqual(module.pins, [], node.name)  # it is alive
                self.assertTrue(node.watcher.failures >= TRIES, node.name)

            both(script, servers=(), reset="plain")


if __name__ == "__main__":
    unittest.main()
