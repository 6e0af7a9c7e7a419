# sync() and setup(): from whatever state the port is in to a module that answers.

import unittest

import harness
from harness import PORTS, FakeStream
from lexi import AtError, AtTimeout

_OK = b"\r\nOK\r\n"


class Modem(FakeStream):
    """A module as it may be found.

    echo, verbose: its settings. half: what its command buffer holds already. noise: what it
    sends before anything else. boot_ms: so long it does nothing; keeps: what came meanwhile is
    served then, else it is lost. refuses: commands that it answers with ERROR.
    """

    def __init__(
        self, echo=False, verbose=True, half=b"", noise=b"", boot_ms=0, keeps=False, refuses=()
    ):
        super().__init__()
        self.echo = echo
        self.verbose = verbose
        self.cmee = 0
        self.refuses = refuses
        self.keeps = keeps
        self.ready_ms = self.ticks.ms + boot_ms
        self._line = half
        if noise:
            self.send(noise)

    def _answer(self, line):
        wait_ms = max(self.ready_ms - self.ticks.ms, 0)
        if wait_ms and not self.keeps:
            return
        answer = line + b"\r" if self.echo else b""
        if line[:2].upper() == b"AT":
            answer += self.serve(line)
        self.send(answer, wait_ms)

    def serve(self, line):
        text = b""
        if line in self.refuses:
            return self.final(False)
        if line == b"ATE0":
            self.echo = False
        elif line == b"ATV1":
            self.verbose = True
        elif line == b"AT+CMEE=1":
            self.cmee = 1
        elif line == b"AT+CGMM":
            text = b"\r\nLEXI-R10401D\r\n" if self.verbose else b"LEXI-R10401D\r\n"
        elif line == harness.PROOF:
            text = b"\r\n+CMEE: 0\r\n" if self.verbose else b"+CMEE: 0\r\n"
        elif line != b"AT":
            return self.final(False)
        return text + self.final(True)

    def final(self, good):
        if self.verbose:
            return _OK if good else b"\r\nERROR\r\n"
        return b"0\r" if good else b"4\r"


def table(**options):
    # Every combination of the options' values, as dicts.
    rows = [{}]
    for name, values in options.items():
        rows = [dict(row, **{name: value}) for row in rows for value in values]
    return rows


class SetupTest(unittest.TestCase):
    def test_from_every_state(self):
        rows = table(
            echo=(False, True),
            verbose=(True, False),
            half=(b"", b"AT+CGD", b'AT+USOST=3,"', b"garbage"),
            noise=(b"", b"\0\0\xff\x80", b"\0half a li", b"\r\n+CSGT: 1\r\n\r\nRING"),
            boot_ms=(0, 3400),
        )
        rows += table(echo=(False, True), verbose=(True, False), boot_ms=(3400,), keeps=(True,))
        for make in PORTS:
            for row in rows:
                stream = Modem(**row)
                port = make(stream)
                port.run(port.channel.setup())
                what = "%s: %r" % (port.name, row)
                self.assertEqual(
                    (stream.echo, stream.verbose, stream.cmee), (False, True, 1), what
                )
                for _ in range(3):
                    self.assertEqual(port.command("AT+CGMM", ""), [b"LEXI-R10401D"], what)
                self.assertEqual(port.channel.handler_errors, 0)

    def test_byte_by_byte(self):
        rows = table(echo=(False, True), verbose=(True, False), noise=(b"\xffx",), half=(b"AT+",))
        for make in PORTS:
            for row in rows:
                stream = Modem(**row)
                stream.piece = 1
                port = make(stream)
                port.run(port.channel.setup())
                self.assertEqual(port.command("AT+CGMM", ""), [b"LEXI-R10401D"])

    def test_all_the_answers_at_once_after_a_boot(self):
        for make in PORTS:
            stream = Modem(boot_ms=5500, keeps=True)
            port = make(stream)
            port.run(port.channel.setup())
            # Six were sent until it woke up; one of the answers was taken, five were not.
            self.assertEqual(stream.commands[:6], [b"AT"] * 6)
            self.assertEqual(port.channel.late, 5)
            self.assertEqual(stream.commands[-2:], [b"ATE0", b"AT+CMEE=1"])
            start = stream.ticks.ms
            self.assertEqual(port.command("AT+CGMM", ""), [b"LEXI-R10401D"])
            self.assertTrue(stream.ticks.ms - start < 50)

    def test_slow_answers_to_everything_that_came_during_a_boot(self):
        class Queued(FakeStream):
            def __init__(self, boot_ms, slow_ms):
                super().__init__(default=self.serve)
                self.free_ms = self.ticks.ms + boot_ms
                self.slow_ms = slow_ms

            def serve(self, line):
                self.free_ms = max(self.ticks.ms, self.free_ms) + self.slow_ms
                text = harness.PROOF_TEXT if line == harness.PROOF else b""
                if line == b"AT+CEREG?":
                    text = b"\r\n+CEREG: 0,1\r\n"
                self.send(text + b"\r\nOK\r\n", self.free_ms - self.ticks.ms)

        for make in PORTS:
            for slow_ms in (100, 500, 1000, 1500, 2900):
                for boot_ms in (3000, 8000, 20000):
                    port = make(Queued(boot_ms, slow_ms))
                    port.run(port.channel.setup(30))
                    for _ in range(3):
                        found = port.command("AT+CEREG?", "+CEREG:")
                        self.assertEqual(found, [b"0,1"], "%d, %d" % (slow_ms, boot_ms))

    def test_what_is_sent_in_the_best_case(self):
        for make in PORTS:
            stream = Modem()
            port = make(stream)
            start = stream.ticks.ms
            port.run(port.channel.setup())
            self.assertEqual(stream.commands, [b"AT", b"AT+CMEE?", b"ATE0", b"AT+CMEE=1"])
            self.assertTrue(stream.ticks.ms - start < 300)

    def test_one_try_a_second_from_a_mute_module(self):
        for make in PORTS:
            for tries in (1, 2, 10, 30):
                stream = FakeStream(default=None)
                port = make(stream)
                port.idle(100)
                start = stream.ticks.ms
                with self.assertRaises(AtTimeout):
                    port.run(port.channel.setup(tries))
                self.assertEqual(stream.ticks.ms - start, 1000 * tries)
                self.assertEqual(stream.commands, [b"AT"] * tries)
                self.assertEqual(stream.sent_ms, [start + 1000 * i for i in range(tries)])

    def test_as_many_tries_as_it_needs(self):
        for make in PORTS:
            for boot_ms, tries, good in ((3500, 3, False), (3500, 4, False), (3500, 5, True)):
                port = make(Modem(boot_ms=boot_ms))
                try:
                    port.run(port.channel.setup(tries))
                    self.assertTrue(good)
                except AtTimeout:
                    self.assertFalse(good, "%d" % tries)

    def test_a_line_that_is_never_quiet(self):
        for make in PORTS:
            stream = Modem()
            for i in range(1000):
                stream.send(b"\0", 10 * i)
            port = make(stream)
            start = stream.ticks.ms
            with self.assertRaises(AtTimeout):
                port.run(port.channel.sync(3))
            self.assertTrue(3000 <= stream.ticks.ms - start < 3100)
            self.assertEqual(stream.written, b"")
            port.idle(10000)
            port.run(port.channel.setup())
            self.assertEqual(port.command("AT+CGMM", ""), [b"LEXI-R10401D"])

    def test_echo_and_cmee_are_preferences(self):
        for make in PORTS:
            for refuses in ((b"ATE0",), (b"AT+CMEE=1",), (b"ATE0", b"AT+CMEE=1")):
                stream = Modem(echo=True, refuses=refuses)
                port = make(stream)
                port.run(port.channel.setup())
                self.assertEqual(stream.commands[-2:], [b"ATE0", b"AT+CMEE=1"])
                self.assertEqual(port.command("AT+CGMM", ""), [b"LEXI-R10401D"])
                with self.assertRaises(AtError):
                    port.command("AT+NONE")

    def test_a_module_that_goes_mute_in_between(self):
        for make in PORTS:
            for line in (b"ATE0", b"AT+CMEE=1"):
                stream = FakeStream(answers={line: None})
                port = make(stream)
                start = stream.ticks.ms
                with self.assertRaises(AtTimeout):
                    port.run(port.channel.setup())
                self.assertTrue(10000 <= stream.ticks.ms - start < 10400)

    def test_numeric_codes_count_in_sync_only(self):
        for make in PORTS:
            # This one answers in the old form to the command that sets the new one.
            stream = FakeStream(answers={b"AT": [b"0\r"], b"ATV1": b"0\r"})
            port = make(stream)
            port.run(port.channel.sync(2))
            self.assertEqual(stream.commands, [b"AT", b"ATV1", b"AT+CMEE?"])
            stream.default = b"0\r"
            with self.assertRaises(AtTimeout):
                port.command("AT", timeout_ms=500)

    def test_setup_after_commands_that_timed_out(self):
        for make in PORTS:
            stream = FakeStream(answers={b"AT+SLOW": None})
            port = make(stream)
            with self.assertRaises(AtTimeout):
                port.command("AT+SLOW", timeout_ms=1000)
            stream.send(b"\r\n+SLOW: 1\r\n\r\nOK\r\n", 10)
            port.run(port.channel.setup())
            stream.answers = {b"ATI": b"\r\nx\r\nOK\r\n"}
            self.assertEqual(port.command("ATI", ""), [b"x"])

    def test_the_whole_bring_up_restores_a_port_left_in_the_middle_of_a_payload(self):
        # Another program was reset while it wrote a datagram: what comes first is taken for it.
        for make in PORTS:
            stream = FakeStream(answers={b"payload": b"\r\n+USOST: 3,7\r\n\r\nOK\r\n"})
            stream.payload_size = 7
            port = make(stream)
            port.run(port.channel.setup())
            stream.answers = {b"ATI": b"\r\nx\r\nOK\r\n"}
            self.assertEqual(port.command("ATI", ""), [b"x"])


if __name__ == "__main__":
    unittest.main()
