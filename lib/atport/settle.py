# After a command gave up: what is still to come must be answered, or waited for, before the next one.
#
# The module may owe an answer, or wait for data that it was promised. Both would fall on the next
# command. sync() gets an answer from whatever state the port is in.

import time
from micropython import const

from .errors import AtError, AtTimeout, PortError, not_sent
from .exchange import Exchange
from .receiver import Receiver

_PROMPT_MS = const(50)  # wait between a prompt and the data (SARA-R4 AT manual, +USOST)
_PROMISE_MS = const(10000)  # a prompt may take so long (SARA-R4: +USOST answers within 10 s)
_PROBE_MS = const(1000)  # time for a bare AT to be answered
_SETTLE_MS = const(100)
_PROOF_MS = const(3000)  # the same for AT+CMEE?, behind whatever the module still has to answer
_TIMEOUT_MS = const(10000)  # plain commands (ubxlib, LEXI-R10)

CONNECT = b"CONNECT "  # what raw bytes come behind, unless their number is a field of a line

_QUESTION = b"AT+CMEE?"  # its answer has a text of its own, and any state can give it
_PROOF = b"+CMEE:"


class Settler(Receiver):
    """The part of a Channel that deals with commands that gave up."""

    def __init__(self, *args):
        super().__init__(*args)
        self.unanswered = 0
        self.retries = 0
        self._deadline_ms = 0
        self._unsent = b""  # of the command line or payload that is being written
        # What a command announced before it gave up without a prompt. The module still wants so
        # many bytes, and would take the next command line for them.
        self._promised = b""
        self._promised_ms = 0  # when that command was sent
        self._asked = False  # one of the commands that gave up is the _QUESTION
        self._connects = False  # raw bytes behind CONNECT may come

    def _allow(self, ms):
        # The exchange that is under way, or comes next, has so much time from now on.
        self._deadline_ms = time.ticks_add(self.clock.ms(), ms)

    def _left_ms(self):
        return time.ticks_diff(self._deadline_ms, self.clock.ms())

    def _gave_up(self, line, promised, sent_ms):
        # A command ended without a final result code; `promised`: the payload it got no prompt for.
        self.owed += 1
        self._asked = self._asked or line == _QUESTION
        if promised is not None:
            self._promised = bytes(promised)
            self._promised_ms = sent_ms
            self.doubt()  # somebody has to speak to the module again soon

    async def _settle(self, text):
        # An answer may still come, whenever the module is done with it. It answers in order: the
        # proof that nothing old can follow is the answer to a question that is told from any
        # other by its text. A final code without it goes nowhere.
        deadline_ms = self._deadline_ms
        if self._promised:
            await self._keep_promise(text)
        refused = 0
        while True:
            late = self.late
            try:
                await self._probe(_QUESTION, _PROOF_MS, True)
                break
            except PortError:  # no answer, or one that could not be taken
                self.check_owner()
                await self._sleep_ms(_SETTLE_MS)
            if late != self.late:
                refused += 1
                if refused >= 2 and self.owed <= refused:
                    break  # it answers, but never with the text: then the silence must do
            elif time.ticks_diff(deadline_ms, self.clock.ms()) <= 0:
                raise not_sent(text, "the module is silent")
        silent_ms = 0
        while self._asked and self.owed > 0 and silent_ms < _PROOF_MS:
            # Earlier questions are answered too, unless they were lost.
            late = self.late
            await self._sleep_ms(_SETTLE_MS)
            silent_ms = silent_ms + _SETTLE_MS if late == self.late else 0
        self.owed = 0
        self._asked = False
        self._forget_connect()

    def _forget_connect(self):
        # Without such a command a CONNECT announces nothing.
        if self._connects:
            self._connects = False
            self.line.announce(self.line.add(CONNECT), -1, False)

    async def _keep_promise(self, text):
        # A command announced data and got no prompt. It may still come, and until then a command
        # line would be taken for the data; the module cannot be told that there are none.
        self._changed.clear()
        while not self.prompt_seen and self._promised:
            left_ms = _PROMISE_MS - time.ticks_diff(self.clock.ms(), self._promised_ms)
            if not 0 < left_ms <= _PROMISE_MS:
                break
            if self._left_ms() <= 0:
                raise not_sent(text, "the module may wait for earlier data")
            late = self.late
            await self._changed.wait_ms(min(left_ms, self._left_ms()))
            if late != self.late and not self.prompt_seen:
                self._promised = b""  # it was refused: no prompt will come
        # Without a prompt it may also have lost the command: then these bytes are read as a command
        # line, in which NULs mean nothing. At worst they go out as a datagram that nobody can read.
        self._unsent = self._promised if self.prompt_seen else bytes(len(self._promised))
        self._promised = b""
        self.prompt_seen = False
        self.line.await_prompt(0)
        if self._unsent:
            await self._sleep_ms(_PROMPT_MS)
            await self._write(self._unsent)

    async def _probe(self, line=b"AT", timeout_ms=_PROBE_MS, proof=False, numeric=False):
        # Any final result code is a sign of life; with `proof` one behind the text of _QUESTION.
        if self._promised:
            self._allow(2 * _PROMISE_MS)
            await self._keep_promise(line)
        self._allow(timeout_ms)
        head = _PROOF if proof else None
        exchange = Exchange(line, head, on_info=_ignore)
        exchange.unproven = proof
        exchange.numeric = numeric
        try:
            if self._unsent:  # the rest of data that the module was promised
                await self._sleep_ms(_PROMPT_MS)
                await self._write(self._unsent)
            await self._exchange(exchange)
        except AtError:
            pass  # refused together with what was left in the module's buffer: it is alive
        except AtTimeout:
            if self.line.in_data():  # that were lost on the way: the next bytes are lines
                self.line.listen()
                self.count_undecodable()
            raise
        return exchange

    async def sync(self, tries=10):
        """Get an answer to AT, one try a second, from whatever state the port is in.

        Half a command in the module's buffer, echo, numeric result codes and boot noise are
        dealt with. Raises AtTimeout when all tries stay unanswered.
        """
        async with self.lock:
            while True:
                tries -= 1
                try:
                    exchange = await self._probe(numeric=True)
                    break
                except PortError:
                    self.check_owner()
                    self.unanswered += 1
                    self.retries += 1
                    if tries <= 0:
                        raise
            if exchange.detail == b"numeric":
                await self._probe(b"ATV1", numeric=True)
            self._allow(_TIMEOUT_MS)
            await self._settle("AT")  # answers to earlier tries may be on their way


def _ignore(line):
    pass
