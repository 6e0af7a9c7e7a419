# What the library shares with an application: hooks, handlers, the stream itself, the CPU. Misuse
# is told, and the newest Lexi on a stream owns it.

import asyncio
import unittest

import harness
from atport import receiver
from atport.channel import Channel
from atport.clock import Clock
from atport.errors import AtTimeout, PortError, PortTaken
from atport.stream import _owners
from harness import PORTS, AioPort, BlockingPort, FakeStream, Printed
from lexi import blocking
from lexi.recovery import supervise, supervisor
from test_supervisor import MemoryStore, Module, both, no_chance

OK = b"\r\nOK\r\n"
LATE_S = 30


def failure(fn, *args, **kwargs):
    try:
        return fn(*args, **kwargs)
    except Exception as e:
        return e


def urc(body):
    return b"\r\n+ULWM2MSTAT: " + body + b"\r\n"


class HooksTest(unittest.TestCase):
    """Those of the application survive whatever the library does, in either order."""

    def test_hooks_beside_a_supervisor_that_acts(self):
        for early in (True, False):

            async def script(node, module, early=early):
                channel = node.lexi_core().channel
                sent, gaps, unknown = [], [], []

                def hook():
                    channel.on_send = sent.append
                    channel.on_gap = lambda: gaps.append(1)
                    channel.on_unknown = lambda line: unknown.append(line.line())

                if early:
                    hook()
                await node.live(500)
                if not early:
                    hook()
                    module.sent()
                module.status(721, 4)
                module.line(b"+XYZ: 1")
                await node.live(500)
                self.assertEqual(module.did()[:1], [b"AT+ULWM2MREG=721"])
                self.assertIn(b"AT+ULWM2MREG=721", sent)
                self.assertIn(b"+XYZ: 1", unknown)
                polls = sent.count(b"AT+ULWM2MREG?")
                module.line(b"+ULWM2MSTAT: 1,\xff,3")
                await node.live(60)
                self.assertTrue(gaps)
                self.assertTrue(sent.count(b"AT+ULWM2MREG?") > polls)  # the monitor knew too

            both(script)

    def test_handlers_beside_those_of_the_supervisor(self):
        for first in (True, False):
            for make in (BlockingPort, AioPort):
                port = make(FakeStream())
                lexi = getattr(port.lexi, "_target", port.lexi)
                heard = []

                def on(channel=port.channel, heard=heard):
                    channel.on("+CEREG:", lambda line: heard.append(line.int(0)))

                if first:
                    on()
                watcher = supervisor.Supervisor(lexi, store=MemoryStore(), random=no_chance)
                if not first:
                    on()
                for stat in (2, 5):
                    port.channel.feed(b"+CEREG: %d\r\n" % stat)
                self.assertEqual(heard, [2, 5])
                self.assertTrue(watcher.case.view.attached)

    def test_the_uri_of_the_supervisor_may_be_watched_too(self):
        for uri in ("/5/0/3", "/3300/0/5700"):
            for full in (False, True):
                port = BlockingPort(FakeStream(), max_uris=1)
                registry = port.lexi._target.registry
                told = []
                supervisor.Supervisor(port.lexi._target, store=MemoryStore(), random=no_chance)
                registry.watch_uri(uri, lambda told=told: told.append(1))
                if full:
                    port.channel.feed(urc(b'3,721,"/1/2/3"'))
                for _ in range(2):
                    port.channel.feed(urc(b'3,721,"%s"' % uri.encode()))
                self.assertEqual(told, [1, 1])


class MisuseTest(unittest.TestCase):
    def test_a_handler_or_hook_that_sends_is_told_at_once(self):
        for make in PORTS:
            for which in ("handler", "several", "subscriber", "unknown", "gap", "accept"):
                port = make(FakeStream())
                channel = port.channel
                told = []
                channel.on_error = told.append

                def send(*_, port=port):
                    port.lexi.channel.command("AT+X")
                    return True

                if which in ("handler", "several"):
                    channel.on("+U:", send)
                if which == "several":
                    channel.on("+U:", lambda line: None)
                if which == "subscriber":
                    port.lexi.registry.subscribe(send)
                if which == "unknown":
                    channel.on_unknown = send
                if which == "gap":
                    channel.on_gap = send
                start_ms = port.stream.ticks.ms
                if which == "accept":
                    port.stream.answers = {b"AT+A": b"\r\n+A: 1\r\n" + OK}
                    e = failure(port.command, "AT+A", "+A:", accept=send)
                    told.append(e)
                else:
                    channel.feed(b"+U: 1\r\n" + urc(b"1,721,3") + b"\xff+Y\r\n")
                self.assertTrue(told, which)
                for e in told:
                    self.assertIs(type(e), PortError, which)
                    self.assertEqual(str(e), "AT+X: handlers must not send")
                self.assertTrue(port.stream.ticks.ms - start_ms < 100, which)
                self.assertFalse(b"AT+X" in port.stream.commands)

    def test_async_subscribers_are_refused_or_told(self):
        async def later(*_):
            pass

        class Owner:
            async def method(self, *_):
                pass

        for make in PORTS:
            port = make(FakeStream())
            lexi = getattr(port.lexi, "_target", port.lexi)
            watcher = supervisor.Supervisor(lexi, store=MemoryStore(), random=no_chance)
            for subscribe in (lexi.registry.subscribe, watcher.subscribe):
                e = failure(subscribe, later)
                self.assertIs(type(e), ValueError)
                self.assertIn("plain function", str(e))
            for fn in (Owner().method, lambda *_: later()):
                for count in (1, 2):
                    told = []
                    port = make(FakeStream())
                    port.channel.on_error = told.append
                    for _ in range(count):
                        port.lexi.registry.subscribe(fn)
                    events = (
                        (b"1,721,2", b"1,721,2", b"2,721,10", b'3,721,"/1"', b"4,7", b"9,1,2"),
                        (b'6,721,0,"a:1"', b'6,721,0,"a:1"', b"6,721,3", b"1,721,99"),
                    )
                    for bodies in events:
                        for body in bodies:
                            del told[:]
                            port.channel.feed(urc(body))
                            texts = [str(e) for e in told]
                            self.assertEqual(texts, ["handler must not be async"] * count, body)

    def test_async_hooks_are_told(self):
        async def later(*_):
            pass

        for name in ("on_unknown", "on_gap", "on_send"):
            port = BlockingPort(FakeStream())
            told = []
            port.channel.on_error = told.append
            setattr(port.channel, name, later)
            port.channel.feed(b"+U: 1\r\n\xff+U: 2\r\n")
            e = failure(port.command, "AT")
            if name == "on_send":
                told.append(e)
            self.assertIn("handler must not be async", [str(e) for e in told], name)

    def test_server_ids_are_checked_in_every_call(self):
        port = BlockingPort(FakeStream())
        lexi = port.lexi
        watcher = supervisor.Supervisor(lexi._target, store=MemoryStore(), random=no_chance)
        registry = lexi.registry
        calls = (
            lexi.registered,
            lambda server: lexi.wait_registered(server, 1),
            lambda server: port.run(lexi._target.wait_registered(server, 1)),
            registry.registered,
            registry.code,
            registry.server,
            lambda server: registry.notified(server, "/1"),
            lexi.lwm2m.register,
            lambda server: lexi.lwm2m.change_config(server, server_disabled=0),
            watcher.registered,
            lambda server: watcher.force(1, server),
            lambda server: supervisor.Supervisor(lexi._target, servers=(server,)),
        )
        for i, call in enumerate(calls):
            for server in ("721", None, 7.5, b"721", -1, 65536, [721]):
                e = failure(call, server)
                self.assertIs(type(e), ValueError, "%d: %r: %r" % (i, server, e))
                self.assertIn("server", str(e))
        self.assertEqual(port.stream.commands, [])


class ToldTest(unittest.TestCase):
    """What goes wrong in the application's functions is told, and stops nothing else."""

    def test_a_hook_that_sends_outside_of_the_receive_path(self):
        for make in PORTS:
            port = make(FakeStream())
            told = []
            port.channel.on_error = told.append
            port.channel.on_gap = lambda port=port: port.lexi.lwm2m.register(721)
            port.channel.doubt()
            self.assertEqual([type(e) for e in told], [PortError])
            self.assertEqual(port.stream.commands, [])
            port.channel.on_gap = None
            port.channel.on_send = lambda line, port=port: port.channel.command("AT+X")
            e = failure(port.command, "AT")
            self.assertEqual(str(e), "AT+X: handlers must not send")
            port.channel.on_send = None
            self.assertEqual(port.command("AT"), [])

    def test_ctrl_c_within_a_hook_leaves_the_port_usable(self):
        def interrupted():
            raise KeyboardInterrupt

        for make in PORTS:
            port = make(FakeStream())
            port.channel.on_gap = interrupted
            with self.assertRaises(KeyboardInterrupt):
                port.channel.doubt()
            port.channel.on_gap = None
            self.assertEqual(port.command("AT"), [])

    def test_functions_of_a_command_that_are_async(self):
        async def later(line):
            return True

        for make in PORTS:
            for name in ("accept", "on_info"):
                port = make(FakeStream(answers={b"AT+A": b"\r\n+A: 1\r\n" + OK}))
                e = failure(port.command, "AT+A", "+A:", **{name: later})
                self.assertIs(type(e), ValueError, name)
                e = failure(
                    port.command, "AT+A", "+A:", **{name: lambda line: later(line) or None}
                )
                self.assertEqual(str(e), "handler must not be async", name)

    def test_one_subscriber_over_a_poll(self):
        async def later(*_):
            pass

        for make in PORTS:
            for fn, kind in (
                (lambda *_: 1 // 0, ZeroDivisionError),
                (lambda *_: later(), PortError),
            ):
                answers = {b"AT+ULWM2MREG?": b"\r\n+ULWM2MREG: 721,3,100\r\n" + OK}
                port = make(FakeStream(answers=answers))
                lexi = getattr(port.lexi, "_target", port.lexi)
                told = []
                port.channel.on_error = told.append
                lexi.registry.subscribe(fn)
                port.run(lexi.monitor.poll())
                self.assertEqual([type(e) for e in told], [kind] * 2)
                self.assertEqual(lexi.registry.server(721).timer_s, 100)
                port.stream.answers = {}
                port.run(lexi.monitor.poll())  # it is listed no more
                self.assertEqual(len(told), 3)
                self.assertFalse(port.channel.gap)

    def test_a_watch_that_raises_beside_the_supervisor(self):
        async def script(node, module):
            await node.live(500)
            registry = node.lexi_core().registry
            told = []
            node.lexi_core().channel.on_error = told.append
            registry.watch_uri("/5/0/3", lambda: 1 // 0)
            module.urc(b'3,721,"/5/0/3"')
            await node.live(5)
            self.assertEqual([type(e) for e in told], [ZeroDivisionError])
            self.assertIn("a firmware update is running", node.watcher.status()["text"])

        both(script)

    def test_a_wait_within_a_handler(self):
        for wait in ("poll", "wait_registered"):
            port = BlockingPort(FakeStream())
            told = []
            port.channel.on_error = told.append
            lexi = port.lexi
            fn = lexi.poll if wait == "poll" else lambda lexi=lexi: lexi.wait_registered(5, 60)
            port.channel.on("+U:", lambda line, fn=fn: fn())
            start_ms = port.stream.ticks.ms
            port.channel.feed(b"+U: 1\r\n")
            self.assertEqual([str(e) for e in told], [wait + ": handlers must not wait"])
            self.assertTrue(port.stream.ticks.ms - start_ms < 100)
            self.assertEqual(lexi.monitor.failures, 0)

    def test_a_veto_that_always_fails_holds_nothing_up_for_ever(self):
        async def later():
            pass

        for veto in (lambda *_: 1 // 0, lambda *_: later(), lambda *_: "soon", lambda *_: -5):

            async def script(node, module):
                await node.live(500)
                module.status(721, 4)
                await node.live(600)
                self.assertEqual(module.did()[:1], [b"AT+ULWM2MREG=721"], node.name)

            both(script, veto=veto)

    def test_wrong_arguments(self):
        port = BlockingPort(FakeStream())
        lexi = port.lexi
        for i, call in enumerate(
            (
                lambda: lexi.registry.notified(721, 5),
                lambda: lexi.registry.watch_uri(5, print),
                lambda: lexi.registry.watch_uri("/1", 5),
                lambda: lexi.wait_registered(721, float("inf")),
                lambda: lexi.lwm2m.set_config(5),
                lambda: lexi.poll("x"),
                lambda: lexi.channel.write_flash(5),
                lambda: lexi.reboot(-1),
                lambda: lexi.monitor.reboot(30, 5),
                lambda: lexi.channel.off("+A:", None),
                lambda: lexi.runtime.set_idle(None, "x"),
            )
        ):
            self.assertIs(type(failure(call)), ValueError, "%d: %r" % (i, failure(call)))


class EventsTest(unittest.TestCase):
    def test_close_ends_the_loop(self):
        stream = FakeStream()
        lexi = harness.make_aio_lexi(stream)

        async def main():
            events = lexi.events()
            heard = []

            async def listen():
                async for event in events:
                    heard.append(event)

            task = asyncio.create_task(listen())
            lexi.channel.feed(urc(b"1,721,3"))
            await asyncio.sleep_ms(10)
            events.close()
            events.close()
            await asyncio.sleep_ms(10)
            return heard, task.done()

        self.assertEqual(harness.run_asyncio(main(), stream), ([(1, 721, 3)], True))

    def test_a_newer_owner_ends_it(self):
        stream = FakeStream()
        lexi = harness.make_aio_lexi(stream)

        async def main():
            async def listen():
                async for _ in lexi.events():
                    pass

            task = asyncio.create_task(listen())
            await asyncio.sleep_ms(10)
            harness.make_aio_lexi(stream)
            await asyncio.sleep_ms(2 * 3600000)
            try:
                await task
            except PortTaken:
                return True

        self.assertTrue(harness.run_asyncio(main(), stream))


class OwnerTest(unittest.TestCase):
    """The newest Lexi has the stream."""

    def pair(self, make, answers=None):
        stream = FakeStream(answers=answers)
        return make(stream), lambda: make(stream)

    def test_pump_commands_and_flash_raise(self):
        for make in PORTS:
            old, newer = self.pair(make)
            old.command("AT")
            new = newer()
            for fn in (
                old.channel.pump,
                lambda old=old: old.channel.feed(b"+X: 1\r\n"),
                lambda old=old: old.run(old.channel.command("AT")),
                lambda old=old: old.run(old.channel.write_flash(print)),
            ):
                self.assertIs(type(failure(fn)), PortTaken)
            self.assertTrue(old.channel.closed)
            self.assertEqual(new.command("AT"), [])
            self.assertEqual(new.stream.commands, [b"AT", b"AT"])

    def test_a_command_that_waits_raises_and_takes_nothing_from_the_new_one(self):
        stream = FakeStream(answers={b"AT+OLD": None})
        old = AioPort(stream)

        async def main():
            reader = asyncio.create_task(old.lexi.runtime.read(old.channel))
            waiting = asyncio.create_task(old.channel.command("AT+OLD", timeout_ms=60000))
            await asyncio.sleep_ms(100)
            new = harness.make_aio_lexi(stream)
            new_reader = asyncio.create_task(new.runtime.read(new.channel))
            error = None
            try:
                await waiting
            except PortError as e:
                error = e
            answer = await new.channel.command("AT+NEW")
            new_reader.cancel()
            reader.cancel()
            return error, answer

        error, answer = harness.run_asyncio(main(), stream)
        self.assertIs(type(error), PortTaken)
        self.assertEqual(answer, [])

    def test_after_ctrl_c_the_first_run_leaves_the_second_alone(self):
        # Tasks of the first run go on in the loop of the second, as asyncio keeps them.
        module = Module()

        def node():
            lexi = harness.make_aio_lexi(module.stream)
            pins = [lambda sleep_ms: module.pulse("reset")]
            watcher = supervisor.Supervisor(
                lexi, store=MemoryStore(), random=no_chance, pin_reset=pins[0]
            )
            return lexi, watcher, asyncio.create_task(watcher.run())

        async def main():
            first = node()
            await asyncio.sleep_ms(100000)
            second = node()  # without a stop() of the first
            await asyncio.sleep_ms(3600000)
            self.assertTrue(first[2].done())
            self.assertFalse(first[0].alive(LATE_S))
            self.assertTrue(second[0].alive(LATE_S))
            self.assertTrue(second[0].registered(721))
            self.assertEqual(module.pins, [])
            second[2].cancel()
            second[0].stop()

        harness.run_asyncio(main(), module.stream)

    def test_pins_are_not_moved_under_a_newer_owner(self):
        module = Module()
        moved = []

        async def power_cycle(sleep_ms):
            moved.append("off")
            await sleep_ms(20000)
            moved.append("on")

        async def main():
            lexi = harness.make_aio_lexi(module.stream)
            watcher = supervisor.Supervisor(
                lexi, store=MemoryStore(), random=no_chance, power_cycle=power_cycle
            )
            task = asyncio.create_task(watcher.run())
            await asyncio.sleep_ms(500000)
            watcher.force(5)
            await asyncio.sleep_ms(5000)
            self.assertEqual(moved, ["off"])
            new = harness.make_aio_lexi(module.stream)
            await asyncio.sleep_ms(60000)
            self.assertEqual(moved, ["off"])
            self.assertTrue(task.done())
            new.stop()

        harness.run_asyncio(main(), module.stream)

    def test_what_waits_in_the_old_one_leaves_the_cpu_to_others(self):
        # Its supervisor's command waits when it loses the stream, and others are to follow.
        module = Module()

        async def main():
            lexi = harness.make_aio_lexi(module.stream)
            watcher = supervisor.Supervisor(lexi, store=MemoryStore(), random=no_chance)
            task = asyncio.create_task(watcher.run())
            await asyncio.sleep_ms(500000)
            module.silent = {b"AT+ULWM2MREG?"}
            module.status(721, 4)
            await asyncio.sleep_ms(7000)
            new = harness.make_aio_lexi(module.stream)
            module.silent = set()
            start_ms = module.stream.ticks.ms
            await new.start()
            self.assertTrue(module.stream.ticks.ms - start_ms < 2000)
            await asyncio.sleep_ms(100000)
            self.assertTrue(task.done())
            for call in (lambda: lexi.channel.command("AT"), lambda: lexi.channel.sync(5)):
                try:
                    await call()
                    self.fail("it was sent")
                except PortTaken:
                    pass
            new.stop()

        harness.run_asyncio(main(), module.stream)

    def test_a_step_that_waits_for_the_port_is_not_taken_under_a_newer_owner(self):
        module = Module()
        store = MemoryStore()

        async def main():
            lexi = harness.make_aio_lexi(module.stream)
            watcher = supervisor.Supervisor(
                lexi,
                store=store,
                random=no_chance,
                pin_reset=lambda sleep_ms: module.pulse("reset"),
            )
            task = asyncio.create_task(watcher.run())
            await asyncio.sleep_ms(500000)
            module.silent = {b"AT+COPS=?"}
            scan = asyncio.create_task(lexi.channel.command("AT+COPS=?", timeout_ms=60000))
            await asyncio.sleep_ms(100)
            watcher.force(5)
            await asyncio.sleep_ms(1000)
            saves = store.saves
            new = harness.make_aio_lexi(module.stream)
            await asyncio.sleep_ms(100000)
            self.assertEqual((module.pins, store.saves), ([], saves))
            self.assertTrue(task.done())
            try:
                await scan
            except PortTaken:
                pass
            new.stop()

        harness.run_asyncio(main(), module.stream)

    def test_a_wrong_argument_takes_nothing(self):
        for options in (
            {"silence_s": 0},
            {"family": 5},
            {"max_servers": 0},
            {"power_saving": 7},
            {"rxbuf": -1},
        ):
            stream = FakeStream()
            old = harness.make_aio_lexi(stream)
            self.assertIs(
                type(failure(lambda: harness.make_aio_lexi(stream, **options))), ValueError
            )
            self.assertFalse(old.channel.closed)

    def test_one_that_was_stopped_is_kept_by_nobody(self):
        stream = FakeStream()
        lexi = harness.make_aio_lexi(stream)
        lexi.stop()
        self.assertFalse(any(channel is lexi.channel for _, channel in _owners))

        async def main():
            await lexi.start()  # it has the stream again
            other = harness.make_aio_lexi(stream)
            closed = lexi.channel.closed
            error = None
            try:
                await lexi.start()
            except PortTaken as e:
                error = e
            other.stop()
            return closed, type(error)

        self.assertEqual(harness.run_asyncio(main(), stream), (True, PortTaken))

    def test_every_call_of_a_blocking_one_raises(self):
        stream = FakeStream()
        old = harness.make_lexi(stream)
        watcher = supervise(old, store=MemoryStore(), random=no_chance)
        harness.make_lexi(stream)
        for call in (
            old.poll,
            old.start,
            watcher.step,
            lambda: old.wait_registered(721, 5),
            lambda: old.channel.command("AT"),
        ):
            self.assertIs(type(failure(call)), PortTaken)

    def test_a_wait_for_a_registration_ends(self):
        stream = FakeStream()
        old = AioPort(stream)

        async def main():
            waiting = asyncio.create_task(old.lexi.wait_registered(721, 100000))
            await asyncio.sleep_ms(10)
            harness.make_aio_lexi(stream)
            await asyncio.sleep_ms(10)
            self.assertTrue(waiting.done())
            try:
                await waiting
            except PortTaken:
                return True

        self.assertTrue(harness.run_asyncio(main(), stream))

    def test_a_uart_may_come_as_another_object(self):
        class Uart(FakeStream):
            def __init__(self, number):
                super().__init__()
                self.number = number

            def __repr__(self):
                return "UART(%d, baudrate=115200, bits=8)" % self.number

        def channel(number):
            stream = Uart(number)
            return Channel(stream, harness.FakeRuntime(stream), Clock(stream.ticks))

        one, two = channel(1), channel(2)
        again = channel(1)
        self.assertEqual((one.closed, two.closed, again.closed), (True, False, False))

    def test_only_so_many_streams_are_remembered(self):
        for _ in range(10):
            stream = FakeStream()
            Channel(stream, harness.FakeRuntime(stream), Clock(stream.ticks))
        self.assertTrue(len(_owners) <= 4)


class AliveTest(unittest.TestCase):
    def test_while_all_is_well_and_while_the_module_is_mute(self):
        async def script(node, module):
            lexi = node.lexi_core()
            for mute in (False, True, False):
                module.mute = mute
                for _ in range(200):
                    await node.live(10)
                    self.assertTrue(lexi.alive(LATE_S), node.name)

        both(script)

    def test_before_start_and_after_stop(self):
        stream = FakeStream()
        lexi = harness.make_aio_lexi(stream)

        async def main():
            before = lexi.alive(LATE_S)
            await lexi.start()
            running = lexi.alive(LATE_S)
            lexi.stop()
            return before, running, lexi.alive(LATE_S)

        self.assertEqual(harness.run_asyncio(main(), stream), (False, True, False))
        for bad in (0, -1, "5", None, 3601):
            self.assertIs(type(failure(lexi.alive, bad)), ValueError)

    def stopped(self, stop):
        """Whether it is alive: before `stop(lexi, watcher, stream)`, and at the latest 2 h after."""
        module = Module()

        async def main():
            lexi = harness.make_aio_lexi(module.stream, silence_s=60)
            watcher = supervisor.Supervisor(lexi, store=MemoryStore(), random=no_chance)
            task = asyncio.create_task(watcher.run())
            await asyncio.sleep_ms(500000)
            before = lexi.alive(LATE_S)
            stop(lexi, watcher, module)
            after = True
            for _ in range(7200):
                await asyncio.sleep_ms(1000)
                after = after and lexi.alive(LATE_S)
            task.cancel()
            lexi.stop()
            return before, after

        return harness.run_asyncio(main(), module.stream)

    def test_not_when_start_has_failed(self):
        stream = FakeStream(default=None)
        lexi = harness.make_aio_lexi(stream)

        async def main():
            states = []
            task = asyncio.create_task(lexi.start(60))
            await asyncio.sleep_ms(30000)
            states.append(lexi.alive(10))
            try:
                await task
            except AtTimeout:
                pass
            states.append(lexi.alive(10))
            lexi.stop()
            return states

        self.assertEqual(harness.run_asyncio(main(), stream), [True, False])

    def test_while_the_waits_are_long(self):
        # Such as were asked for.
        module = Module()
        module.mute = True

        async def main():
            lexi = harness.make_aio_lexi(module.stream, reboot_wait_s=3000)
            watcher = supervisor.Supervisor(
                lexi,
                store=MemoryStore(),
                random=no_chance,
                boot_s=1800,
                pin_reset=lambda sleep_ms: None,
            )
            task = asyncio.create_task(watcher.run())
            await asyncio.sleep_ms(1)
            for _ in range(4000):
                await asyncio.sleep_ms(5000)
                self.assertTrue(lexi.alive(LATE_S))
            task.cancel()
            lexi.stop()

        harness.run_asyncio(main(), module.stream)

    def test_a_poll_loop_that_hears_something_now_and_then(self):
        module = Module()
        lexi = harness.make_lexi(module.stream)
        lexi.start()
        module.line(b"+ULWM2MSTAT: 1,\xff,3")
        for i in range(100):
            module.urc(b"1,721,3", 500)
            for _ in range(60):
                lexi.poll(1000)
            self.assertTrue(lexi._target.alive(60), i)

    def test_not_without_reader_monitor_or_supervisor(self):
        def no_reader(lexi, watcher, module):
            lexi._tasks[0].cancel()

        def no_monitor(lexi, watcher, module):
            lexi._tasks[1].cancel()

        def stuck(wait):
            async def wait_ms(ms):
                await asyncio.sleep_ms(100000000)

            return wait_ms

        def stuck_monitor(lexi, watcher, module):
            lexi.monitor._signal.wait_ms = stuck(None)
            lexi.monitor._signal.set()

        def stuck_supervisor(lexi, watcher, module):
            watcher._signal.wait_ms = stuck(None)
            watcher._signal.set()

        for stop in (no_reader, no_monitor, stuck_monitor, stuck_supervisor):
            self.assertEqual(self.stopped(stop), (True, False), stop.__name__)
        self.assertEqual(self.stopped(lambda *_: None), (True, True))

    def test_not_while_bytes_wait_in_the_uart(self):
        class Uart(FakeStream):
            def any(self):
                self._arrive()
                return len(self._now)

        async def sleep():
            await asyncio.sleep_ms(1000000)

        stream = Uart()
        lexi = harness.make_aio_lexi(stream, rxbuf=1024)

        async def main():
            await lexi.start()
            states = [lexi.alive(5)]
            lexi.channel.pump = lambda: 0  # it does not take them
            lexi._tasks[0].cancel()
            lexi._tasks[0] = asyncio.create_task(sleep())
            stream.send(b"+X: 1\r\n")
            for _ in range(3):
                await asyncio.sleep_ms(3000)
                states.append(lexi.alive(5))
            lexi.stop()
            return states

        self.assertEqual(harness.run_asyncio(main(), stream), [True, True, True, False])

    def test_tasks_outlive_a_lack_of_memory(self):
        def lack(thing, name, times=3):
            kept = getattr(thing, name)
            left = [times]

            def fails(*args):
                if left[0]:
                    left[0] -= 1
                    raise MemoryError
                return kept(*args)

            setattr(thing, name, fails)
            return left

        module = Module()

        async def main():
            lexi = harness.make_aio_lexi(module.stream, silence_s=60)
            watcher = supervisor.Supervisor(lexi, store=MemoryStore(), random=no_chance)
            task = asyncio.create_task(watcher.run())
            await asyncio.sleep_ms(500000)
            counts = [
                lack(lexi.monitor._signal, "wait_ms"),
                lack(lexi.monitor, "_sleep_ms"),
                lack(watcher._signal, "wait_ms"),
                lack(watcher, "_sleep_ms"),
                lack(lexi.channel.stream, "readinto"),
                lack(lexi.registry, "settle"),
            ]
            lexi.monitor._signal.set()
            watcher._signal.set()
            module.urc(b"1,721,3")
            await asyncio.sleep_ms(3600000)
            self.assertEqual(counts, [[0]] * len(counts))
            self.assertTrue(lexi.alive(LATE_S))
            self.assertFalse(task.done())
            task.cancel()
            lexi.stop()

        harness.run_asyncio(main(), module.stream)


class IdleTest(unittest.TestCase):
    """No blocking call holds the CPU longer than the bound without idle()."""

    def lexi(self, stream, longest_s=5, **options):
        gaps = []
        last = [stream.ticks.ms]

        def idle():
            gaps.append(stream.ticks.ms - last[0])
            last[0] = stream.ticks.ms

        lexi = blocking.Lexi(
            stream,
            runtime=harness.FakeRuntime(stream),
            clock=Clock(stream.ticks),
            idle=idle,
            flow=True,
            **options,
        )
        return lexi, gaps

    def test_every_call_on_a_mute_module(self):
        for idle_s in (None, 1, 8):
            module = Module()
            options = {} if idle_s is None else {"idle_s": idle_s}
            lexi, gaps = self.lexi(module.stream, **options)
            watcher = supervise(lexi, store=MemoryStore(), random=no_chance)
            lexi.start()
            module.mute = True
            failure(lexi.channel.command, "AT+X", timeout_ms=70000)
            failure(lexi.lwm2m.configs)
            failure(lexi.start)
            lexi.wait_registered(5, 100)
            for _ in range(30):
                lexi.poll(60000)
                watcher.step()
            self.assertTrue(len(gaps) > 100)
            self.assertTrue(max(gaps) <= 1000 * (idle_s or 5), max(gaps))

    def test_it_may_end_the_call(self):
        stream = FakeStream(answers={b"AT+X": None})
        lexi, _ = self.lexi(stream)
        kept = lexi.runtime._idle

        def idle():
            raise OSError(5)

        lexi.runtime.set_idle(idle, 5)
        self.assertIs(type(failure(lexi.channel.command, "AT+X")), OSError)
        lexi.runtime.set_idle(kept, 5)
        self.assertEqual(lexi.channel.command("AT"), [])

    def test_what_cannot_work_is_refused(self):
        async def later():
            pass

        for options in ({"idle": 5}, {"idle": later}, {"idle": print, "idle_s": 0}):
            stream = FakeStream()
            e = failure(blocking.Lexi, stream, runtime=harness.FakeRuntime(stream), **options)
            self.assertIs(type(e), ValueError)


class FirstContactTest(unittest.TestCase):
    def test_a_timeout_says_what_to_look_at(self):
        for noise, words in (
            (None, "nothing ever came: look at power, PWR_ON, and TX and RX"),
            (b"\xff\x80\xfe", "nothing readable ever came: look at the baud rate"),
            (b"\xff\x80\n\xfe\r\n", "nothing readable ever came: look at the baud rate"),
            (b"\r\nOK\r\n", "no final result code in time"),
        ):
            port = BlockingPort(FakeStream(default=None))
            if noise:
                port.channel.feed(noise)
            e = failure(port.lexi.start, 5)
            self.assertIs(type(e), AtTimeout)
            self.assertIn(words, str(e))


class PrintedTest(unittest.TestCase):
    def test_what_a_subscriber_raises_is_printed(self):
        port = BlockingPort(FakeStream())
        port.lexi.registry.subscribe(lambda *_: 1 // 0)
        with Printed(receiver) as printed:
            port.channel.feed(urc(b"1,721,3"))
        self.assertEqual([type(e) for e in printed], [ZeroDivisionError])
