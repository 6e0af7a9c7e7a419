# Many tasks on one port under asyncio, and tasks that are cancelled while they wait.

import asyncio
import random
import unittest

import harness
from harness import AioPort, FakeStream
from lexi import AtError, AtTimeout, ModuleRebooted

_OK = b"\r\nOK\r\n"


def answer_own_number(line):
    # "AT+T=7" is answered with its number.
    return b"\r\n+T: " + line[5:] + b"\r\n" + _OK


class Slow(FakeStream):
    """A module that needs `latency_ms` for AT+SLOW and serves all commands in order.

    `refuse` makes so many calls of write() take nothing; `most` is what one call takes.
    """

    def __init__(self, latency_ms=500):
        super().__init__(default=self.later)
        self.latency_ms = latency_ms
        self.free_ms = 0
        self.refuse = 0
        self.most = 1000

    def later(self, line):
        latency_ms = self.latency_ms if line == b"AT+SLOW" else 20
        self.free_ms = max(self.free_ms, self.ticks.ms) + latency_ms
        answer = answer_own_number(line) if line[:5] == b"AT+T=" else b"\r\n+T: slow\r\n" + _OK
        if line[:2] != b"AT" or b"AT" in line[2:]:
            answer = b"\r\nERROR\r\n"
        elif line in (b"AT", harness.PROOF):
            answer = (harness.PROOF_TEXT if line == harness.PROOF else b"") + _OK
        self.send(answer, self.free_ms - self.ticks.ms)

    def write(self, data):
        if self.refuse:
            self.refuse -= 1
            return None
        return super().write(data[: self.most])


class ManyTest(unittest.TestCase):
    def test_each_of_20_tasks_gets_its_own_answer(self):
        for piece in (None, 1):
            stream = FakeStream(default=answer_own_number)
            stream.piece = piece
            port = AioPort(stream)

            async def one(i, port=port):
                found = []
                for n in range(3):
                    found += await port.channel.command("AT+T=", "+T:", args=(100 * n + i,))
                return found

            async def main(one=one):
                return await asyncio.gather(*[one(i) for i in range(20)])

            expected = [[b"%d" % (100 * n + i) for n in range(3)] for i in range(20)]
            self.assertEqual(port.run(main()), expected)
            self.assertEqual(len(stream.commands), 60)
            self.assertEqual(port.channel.late, 0)
            for i in range(1, 60):
                self.assertTrue(stream.sent_ms[i] - stream.sent_ms[i - 1] >= 20)

    def test_one_failure_is_nobody_elses(self):
        stream = FakeStream(default=answer_own_number)
        stream.answers = {b"AT+T=3": b"\r\n+CME ERROR: 50\r\n", b"AT+T=5": None}
        port = AioPort(stream)

        async def one(i):
            return await port.channel.command("AT+T=", "+T:", args=(i,), timeout_ms=1000)

        async def main():
            return await asyncio.gather(*[one(i) for i in range(8)], return_exceptions=True)

        results = port.run(main())
        self.assertEqual(getattr(results[3], "code", results[3]), 50)
        self.assertIs(type(results[5]), AtTimeout)
        for i in (0, 1, 2, 4, 6, 7):
            self.assertEqual(results[i], [b"%d" % i])

    def test_setup_waits_for_its_turn(self):
        stream = Slow(1500)
        port = AioPort(stream)

        async def main():
            running = asyncio.create_task(port.channel.command("AT+SLOW", "+T:"))
            await asyncio.sleep_ms(100)
            setup = asyncio.create_task(port.channel.setup())
            await asyncio.sleep_ms(100)
            queued = asyncio.create_task(port.channel.command("AT+T=9", "+T:"))
            await setup
            return await running, await queued

        self.assertEqual(port.run(main()), ([b"slow"], [b"9"]))
        self.assertEqual(stream.commands[:2], [b"AT+SLOW", b"AT"])
        self.assertEqual(port.channel.late, 0)

    def test_the_wait_for_a_dead_module_is_bounded(self):
        stream = FakeStream(default=None)
        port = AioPort(stream)

        async def one():
            await port.channel.command("AT", timeout_ms=1000)

        async def main():
            return await asyncio.gather(*[one() for _ in range(5)], return_exceptions=True)

        start = stream.ticks.ms
        for e in port.run(main()):
            self.assertIs(type(e), AtTimeout)
        self.assertTrue(5000 <= stream.ticks.ms - start <= 16000)

    def test_a_burst_of_1000_urcs_while_commands_run(self):
        stream = FakeStream(default=answer_own_number)
        port = AioPort(stream)
        seen = []
        port.channel.on("+U:", lambda line: seen.append(line.int(0)))
        for i in range(1000):
            stream.send(b"\r\n+U: %d\r\n" % i, 30 * (i // 10))

        async def one(i):
            return await port.channel.command("AT+T=", "+T:", args=(i,), timeout_ms=60000)

        async def main():
            found = await asyncio.gather(*[one(i) for i in range(20)])
            await asyncio.sleep_ms(4000)
            return found

        self.assertEqual(port.run(main()), [[b"%d" % i] for i in range(20)])
        self.assertEqual(seen, list(range(1000)))
        self.assertFalse(port.channel.gap)


class CancelTest(unittest.TestCase):
    def cancel_at(self, port, at_ms, *args, **kwargs):
        """Cancel a command so long after its start, then run two others."""

        async def main():
            task = asyncio.create_task(port.channel.command(*args, **kwargs))
            await asyncio.sleep_ms(at_ms)
            task.cancel()
            cancelled = False
            try:
                await task
            except asyncio.CancelledError:
                cancelled = True
            found = []
            for i in (1, 2):
                found += await port.channel.command("AT+T=", "+T:", args=(i,))
            return cancelled, found

        return port.run(main())

    def test_while_waiting_for_the_answer(self):
        for at_ms in range(25, 700, 45):
            for latency_ms in (700, 900, 1700, 2500):
                port = AioPort(Slow(latency_ms))
                result = self.cancel_at(port, at_ms, "AT+SLOW", "+T:")
                self.assertEqual(result, (True, [b"1", b"2"]), "%d %d" % (at_ms, latency_ms))
                self.assertEqual(port.stream.commands[-2:], [b"AT+T=1", b"AT+T=2"])

    def test_before_it_was_sent(self):
        for at_ms in (0, 5, 20):
            port = AioPort(Slow())
            self.assertEqual(self.cancel_at(port, at_ms, "AT+SLOW", "+T:"), (True, [b"1", b"2"]))
            self.assertEqual(port.stream.commands, [b"AT+T=1", b"AT+T=2"])

    def test_while_sending(self):
        for most in (1, 3, 1000):
            port = AioPort(Slow())
            port.stream.most = most
            write = port.stream.write
            calls = []

            def refuse(data, write=write, calls=calls):
                # Takes one piece, then nothing for 300 ms.
                calls.append(port.stream.ticks.ms)
                if len(calls) > 1 and calls[-1] - calls[0] < 300:
                    return None
                return write(data)

            if most < 1000:
                port.stream.write = refuse
            else:
                port.stream.refuse = 20
            self.assertEqual(self.cancel_at(port, 100, "AT+SLOW", "+T:"), (True, [b"1", b"2"]))
            self.assertFalse(b"AT+SLOW" in port.stream.commands)

    def test_while_queued(self):
        port = AioPort(Slow())

        async def main():
            first = asyncio.create_task(port.channel.command("AT+SLOW", "+T:"))
            queued = asyncio.create_task(port.channel.command("AT+QUEUED"))
            last = asyncio.create_task(port.channel.command("AT+T=9", "+T:"))
            await asyncio.sleep_ms(100)
            queued.cancel()
            found = await first, await last
            try:
                await queued
            except asyncio.CancelledError:
                return found

        self.assertEqual(port.run(main()), ([b"slow"], [b"9"]))
        self.assertEqual(port.stream.commands, [b"AT+SLOW", b"AT+T=9"])

    def test_the_running_and_the_queued(self):
        port = AioPort(Slow())

        async def main():
            tasks = [asyncio.create_task(port.channel.command("AT+SLOW")) for _ in range(5)]
            await asyncio.sleep_ms(100)
            for task in tasks:
                task.cancel()
            await asyncio.sleep_ms(0)
            return await port.channel.command("AT+T=9", "+T:")

        self.assertEqual(port.run(main()), [b"9"])
        self.assertEqual(port.stream.commands.count(b"AT+SLOW"), 1)

    def test_a_timeout_of_the_caller(self):
        port = AioPort(Slow(2000))

        async def main():
            try:
                await asyncio.wait_for_ms(port.channel.command("AT+SLOW", "+T:"), 300)
            except asyncio.TimeoutError:
                return await port.channel.command("AT+T=9", "+T:")

        self.assertEqual(port.run(main()), [b"9"])

    def test_again_and_again(self):
        port = AioPort(Slow(400))

        async def main():
            for _ in range(10):
                try:
                    await asyncio.wait_for_ms(port.channel.command("AT+SLOW", "+T:"), 150)
                except asyncio.TimeoutError:
                    pass
            return await port.channel.command("AT+T=9", "+T:")

        self.assertEqual(port.run(main()), [b"9"])

    def test_around_the_payload(self):
        # Prompted 10 ms after the command was sent, at 21 ms; the payload follows at 81 ms.
        data = b"0123456789"
        for at_ms in (22, 30, 32, 40, 60, 80, 82, 90, 200):
            port = AioPort(FakeStream(default=answer_own_number))

            def prompt(line, stream=port.stream):
                stream.payload_size = len(data)
                stream.send(b"\r\n@", 10)

            port.stream.answers = {
                b"AT+SEND=10": prompt,
                b"payload": lambda line, stream=port.stream: stream.send(b"\r\n+S: 1\r\n" + _OK, 200),
                b"AT": _OK,
            }  # fmt: skip
            kwargs = {"prompt": "@", "payload": data}
            result = self.cancel_at(port, at_ms, "AT+SEND=10", "+S:", **kwargs)
            self.assertEqual(result, (True, [b"1", b"2"]), "%d" % at_ms)
            self.assertEqual(port.stream.commands[-2:], [b"AT+T=1", b"AT+T=2"])
            if at_ms >= 32:  # it was seen that the module waits
                self.assertEqual(port.stream.payload, data)
                self.assertTrue(port.stream.payload_ms - port.stream.sent_ms[0] >= 60)

    def test_in_the_middle_of_data(self):
        block = b"\r\nOK\r\n\r\n+T: 5\r\n\r\nERROR\r\n" * 4
        for at_ms in (22, 100, 250, 300, 500):
            port = AioPort(FakeStream(default=answer_own_number))
            unknown = []
            port.channel.on_unknown = lambda line: unknown.append(line.line())

            def data(line, stream=port.stream):
                stream.send(b"\r\nCONNECT %d\r\n" % len(block))
                for i in range(0, len(block), 4):
                    stream.send(block[i : i + 4], 20 * (1 + i // 4))
                stream.send(_OK, 20 * (2 + len(block) // 4))

            port.stream.answers = {b"AT+FREAD=1": data, b"AT": _OK}
            result = self.cancel_at(port, at_ms, "AT+FREAD=1", into=bytearray(200))
            self.assertEqual(result, (True, [b"1", b"2"]), "%d" % at_ms)
            self.assertEqual(unknown, [])

    def test_the_reader_is_not_harmed(self):
        port = AioPort(Slow(700))
        seen = []
        port.channel.on("+U:", lambda line: seen.append(line.int(0)))
        for i in range(50):
            port.stream.send(b"\r\n+U: %d\r\n" % i, 40 * i)
        self.cancel_at(port, 300, "AT+SLOW", "+T:")
        port.idle(3000)
        self.assertEqual(seen, list(range(50)))


class Serial(FakeStream):
    """Answers one command after the other, each after a random time of up to 2.9 s."""

    def __init__(self):
        super().__init__(default=self.serve)
        self.free_ms = 0

    def serve(self, line):
        self.free_ms = max(self.ticks.ms, self.free_ms) + random.randint(5, 2900)
        text = b""
        final = _OK
        if line == harness.PROOF:
            text = harness.PROOF_TEXT
        elif line.startswith(b"AT+ID="):
            text = b"\r\n+ID: " + line[6:] + b"\r\n"
            if int(line[6:]) % 3 == 0:
                final = b"\r\nERROR\r\n"
        self.send(text + final, self.free_ms - self.ticks.ms)


class AnyTimeTest(unittest.TestCase):
    """Timeouts, cancellations and sync() at random: no command gets another's answer."""

    def one_run(self, seed, modes):
        random.seed(seed)
        port = AioPort(Serial())
        channel = port.channel
        wrong = []

        async def ask(n):
            try:
                timeout_ms = random.choice((300, 1000, 2500, 5000))
                found = await channel.command("AT+ID=%d" % n, "+ID:", timeout_ms=timeout_ms)
                if n % 3 == 0 or found != [b"%d" % n]:
                    wrong.append((n, found))
            except AtTimeout:
                pass
            except AtError as e:
                if n % 3:
                    wrong.append((n, e))

        async def main():
            for n in range(1, 25):
                dice = random.randint(0, 99)
                if "sync" in modes and dice < 15:
                    try:
                        await channel.sync(random.randint(1, 8))
                    except AtTimeout:
                        pass
                elif "cancel" in modes and dice < 60:
                    try:
                        await asyncio.wait_for_ms(ask(n), random.randint(1, 4000))
                    except asyncio.TimeoutError:
                        pass
                elif "question" in modes and dice < 70:
                    try:
                        await channel.command("AT+CMEE?", "+CMEE:", timeout_ms=500)
                    except AtTimeout:
                        pass
                else:
                    await ask(n)
                if random.randint(0, 99) < 30:
                    await asyncio.sleep_ms(random.randint(1, 3000))

        port.run(main())
        self.assertEqual(wrong, [], "seed %d, %s" % (seed, modes))

    def test_no_answer_goes_to_another_command(self):
        for modes in (
            (),
            ("cancel",),
            ("sync",),
            ("cancel", "sync"),
            ("cancel", "question", "sync"),
        ):
            for seed in range(25):
                self.one_run(seed, modes)


class RebootTest(unittest.TestCase):
    def test_the_waiting_task_is_told(self):
        stream = FakeStream(default=answer_own_number, answers={b"AT+MUTE": None, b"AT": _OK})
        port = AioPort(stream)

        async def main():
            tasks = [
                asyncio.create_task(port.channel.command(text, "+T:", timeout_ms=70000))
                for text in ("AT+MUTE", "AT+T=1")
            ]
            await asyncio.sleep_ms(500)
            port.channel.note_reboot()
            told = await asyncio.gather(*tasks, return_exceptions=True)
            return told

        start = stream.ticks.ms
        told = port.run(main())
        self.assertIs(type(told[0]), ModuleRebooted)
        self.assertEqual(told[1], [b"1"])
        self.assertTrue(stream.ticks.ms - start < 4000)


if __name__ == "__main__":
    unittest.main()
