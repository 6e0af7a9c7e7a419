# A prompt that comes late, or never: the module behind it takes so many bytes as were announced for
# data, whatever they are, and no command line may be among them.

import asyncio
import unittest

import harness
from atport.errors import AtError, AtTimeout, ModuleRebooted, PortError
from harness import PORTS, AioPort, FakeStream

_OK = b"\r\nOK\r\n"
_DATA = b"0123456789\rAT+BAD\r"


class Sender(FakeStream):
    """A module with AT+SEND=<n>: it prompts after `prompt_ms`, then takes n bytes as data.

    prompt_ms: None for never. refuse: it says ERROR in place of the prompt. It reads nothing until
    it has prompted or refused, as it answers in order. `taken` lists the data, `lines` the commands.
    """

    def __init__(self, prompt_ms, refuse=False):
        super().__init__()
        self.prompt_ms = prompt_ms
        self.refuse = refuse
        self.taken = []
        self.lines = []
        self.busy_until_ms = 0
        self.missing = 0
        self.waiting = b""

    def write(self, data):
        self.waiting += data
        self.work()
        return len(data)

    def work(self):
        while self.waiting and self.busy_until_ms is not None:
            if self.ticks.ms < self.busy_until_ms:
                return
            if self.missing:
                n = min(self.missing, len(self.waiting))
                self.taken[-1] += self.waiting[:n]
                self.waiting = self.waiting[n:]
                self.missing -= n
                if not self.missing:
                    self.send(b"\r\n+SEND: 1\r\n" + _OK, 20)
                continue
            end = self.waiting.find(b"\r")
            if end < 0:
                return
            line = self.waiting[:end]
            self.waiting = self.waiting[end + 1 :]
            self.lines.append(line)
            self.serve(line)

    def serve(self, line):
        if line.startswith(b"AT+SEND="):
            if self.prompt_ms is None:
                return
            self.busy_until_ms = self.ticks.ms + self.prompt_ms
            self.send(b"\r\nERROR\r\n" if self.refuse else b"\r\n@", self.prompt_ms)
            if not self.refuse:
                self.missing = int(line[8:])
                self.taken.append(b"")
        elif line == harness.PROOF:
            self.send(harness.PROOF_TEXT + _OK, 5)
        elif line.startswith(b"AT+T="):
            self.send(b"\r\n+T: " + line[5:] + b"\r\n" + _OK, 5)
        else:
            self.send(_OK if line in (b"AT", b"ATV1") else b"\r\nERROR\r\n", 5)

    def due(self):
        self.work()
        due = super().due()
        if self.waiting and self.busy_until_ms is not None and self.busy_until_ms > self.ticks.ms:
            busy_ms = self.busy_until_ms - self.ticks.ms
            return busy_ms if due is None else min(due, busy_ms)
        return due

    def restart(self):
        """Everything is forgotten: it reads commands again."""
        if self.missing:
            self.taken.pop()
        self.missing = 0
        self.busy_until_ms = 0
        self.waiting = b""
        self._later = []


_LATE_MS = (100, 900, 1100, 3000, 8000, 12000)


class LatePromptTest(unittest.TestCase):
    def send(self, port, timeout_ms=1000):
        options = {"prompt": "@", "payload": _DATA, "timeout_ms": timeout_ms}
        return port.command("AT+SEND=%d" % len(_DATA), "+SEND:", **options)

    def check(self, port, where, n=1, timeout_ms=20000):
        """The next commands are answered, and nothing but the data was taken for data."""
        for i in range(n, n + 2):
            found = port.command("AT+T=%d" % i, "+T:", timeout_ms=timeout_ms)
            self.assertEqual(found, [b"%d" % i], where)
        module = port.stream
        for data in module.taken:
            self.assertIn(data, (_DATA, bytes(len(_DATA))), where)
        for line in module.lines:
            ok = line in (b"AT", b"ATV1", harness.PROOF) or line[:5] == b"AT+T="
            self.assertTrue(ok or line[:8] == b"AT+SEND=", "%s: %r" % (where, module.lines))

    def test_in_time(self):
        for make in PORTS:
            port = make(Sender(500))
            self.assertEqual(self.send(port), [b"1"])
            self.check(port, make.name)

    def test_behind_the_deadline(self):
        for make in PORTS:
            for late_ms in _LATE_MS:
                for pause_ms in (0, 1500, 20000):
                    where = "%s %d %d" % (make.name, late_ms, pause_ms)
                    port = make(Sender(late_ms))
                    if late_ms > 950:
                        with self.assertRaises(AtTimeout):
                            self.send(port)
                        self.assertTrue(port.channel.gap, where)
                    else:
                        self.send(port)
                    port.idle(pause_ms)
                    self.check_late(port, where, late_ms)

    def check_late(self, port, where, late_ms):
        if late_ms <= 10000:
            self.check(port, where)
            self.assertEqual(port.stream.taken, [_DATA], where)
            return
        # Behind 10 s without a prompt as many NULs are sent, and wait in the module.
        self.check(port, where, timeout_ms=30000)

    def test_refused_late(self):
        for make in PORTS:
            for late_ms in _LATE_MS[2:5]:
                for pause_ms in (0, 1500, 20000):
                    where = "%s %d %d" % (make.name, late_ms, pause_ms)
                    port = make(Sender(late_ms, refuse=True))
                    with self.assertRaises(AtTimeout):
                        self.send(port)
                    port.idle(pause_ms)
                    self.check(port, where)
                    self.assertEqual(port.stream.taken, [])

    def test_never(self):
        # The module has lost the command: what was promised is a line that it does not know.
        for make in PORTS:
            port = make(Sender(None))
            with self.assertRaises(AtTimeout):
                self.send(port)
            start = port.stream.ticks.ms
            self.assertEqual(port.command("AT+T=1", "+T:", timeout_ms=20000), [b"1"])
            self.assertTrue(8500 <= port.stream.ticks.ms - start <= 16000)

    def test_a_command_with_less_patience_is_not_sent(self):
        for make in PORTS:
            port = make(Sender(8000))
            with self.assertRaises(AtTimeout):
                self.send(port)
            with self.assertRaises(AtTimeout):
                port.command("AT+T=9", "+T:", timeout_ms=2000)
            self.assertEqual(len(port.stream.lines), 1)
            self.check(port, make.name)
            self.assertEqual(port.stream.taken, [_DATA])

    def test_sync(self):
        for make in PORTS:
            for late_ms in _LATE_MS[:5]:
                port = make(Sender(late_ms))
                try:
                    self.send(port)
                except AtTimeout:
                    pass
                port.run(port.channel.sync(20))
                self.check(port, "%s %d" % (make.name, late_ms))
                self.assertEqual(port.stream.taken, [_DATA])

    def test_a_restart_in_between(self):
        for make in PORTS:
            for late_ms in _LATE_MS[2:]:
                port = make(Sender(late_ms))
                with self.assertRaises(AtTimeout):
                    self.send(port)
                port.stream.restart()
                port.channel.note_reboot()
                self.check(port, "%s %d" % (make.name, late_ms))
                self.assertEqual(port.stream.lines.count(b"AT+BAD"), 0)

    def test_a_restart_while_it_waits_for_the_prompt(self):
        for make in PORTS:
            stream = Sender(5000)
            port = make(stream)

            def restarted(line, port=port, stream=stream):
                stream.restart()
                port.channel.note_reboot()

            port.channel.on("+BOOT:", restarted)
            stream.send(b"\r\n+BOOT: 1\r\n", 1000)
            with self.assertRaises(ModuleRebooted):
                self.send(port, 30000)
            self.check(port, make.name)
            self.assertEqual((stream.taken, stream.lines.count(b"AT+BAD")), ([], 0))

    def test_cancelled_tasks(self):
        for late_ms in (100, 1000, 3000, 8000):
            for at_ms in (0, 10, 30, 90, 130, 170, 500, 1030, 1100, 2500):
                port = AioPort(Sender(late_ms))
                where = "%d %d" % (late_ms, at_ms)

                async def main(port=port, at_ms=at_ms):
                    text = "AT+SEND=%d" % len(_DATA)
                    options = {"prompt": "@", "payload": _DATA, "timeout_ms": 30000}
                    task = asyncio.create_task(port.channel.command(text, "+SEND:", **options))
                    await asyncio.sleep_ms(at_ms)
                    task.cancel()
                    try:
                        await task
                    except (asyncio.CancelledError, AtError, PortError):
                        pass

                port.run(main())
                self.check(port, where)
                for data in port.stream.taken:
                    self.assertEqual(data, _DATA, where)

    async def cancelled(self, coro, after_ms):
        task = asyncio.create_task(coro)
        await asyncio.sleep_ms(after_ms)
        task.cancel()
        try:
            await task
        except (asyncio.CancelledError, AtError, PortError):
            pass

    def test_cancelled_between_a_late_prompt_and_its_data(self):
        # The second task keeps what the first one promised: it forgot that when it was cancelled.
        for late_ms, first_ms in ((5, 40), (100, 40), (100, 140), (400, 60), (3000, 1000)):
            for after_ms in (-1, 0, 1, 10, 25, 40, 49, 50, 51, 60, 80, 100):
                port = AioPort(Sender(late_ms))
                second_ms = max(late_ms + 21 - first_ms, 0) + after_ms  # behind the gap of 21 ms
                where = "%d %d %d" % (late_ms, first_ms, second_ms)

                async def main(port=port, first_ms=first_ms, second_ms=second_ms):
                    command = port.channel.command
                    text = "AT+SEND=%d" % len(_DATA)
                    options = {"prompt": "@", "payload": _DATA, "timeout_ms": 30000}
                    await self.cancelled(command(text, "+SEND:", **options), first_ms)
                    second = command("AT+T=9", "+T:", timeout_ms=20000)
                    await self.cancelled(second, max(second_ms, 1))

                port.run(main())
                self.check(port, where)
                self.assertEqual(port.stream.taken, [_DATA], where)

    def test_without_a_prompt_no_byte_of_the_payload_is_sent(self):
        # It was read as command lines: by a module that had lost the command they belong to.
        for make in PORTS:
            for data in (_DATA, b"\rAT+BAD\r.", b"AT+BAD\r", b"\r" * 20):
                port = make(Sender(None))
                options = {"prompt": "@", "payload": data, "timeout_ms": 1000}
                with self.assertRaises(AtTimeout):
                    port.command("AT+SEND=%d" % len(data), "+SEND:", **options)
                self.assertEqual(port.command("AT+T=1", "+T:", timeout_ms=20000), [b"1"])
                lines = port.stream.lines
                self.assertEqual(lines[1][: len(data)], bytes(len(data)), "%r" % lines)
                rest = set(lines[2:])
                rest.add(lines[1][len(data) :])
                self.assertEqual(rest, {harness.PROOF, b"AT+T=1"}, "%r" % lines)


if __name__ == "__main__":
    unittest.main()
