# One AT command at a time on one stream: sends it, waits for its answer, raises what went wrong.
#
# Commands are coroutines. How to wait is left to a runtime (aio.py, or blocking.py), which also
# calls pump() whenever the stream is readable; this file knows no scheduler. Nothing else writes
# to the stream. An answer that comes after its command gave up goes nowhere.

import select
import time
from micropython import const

from .errors import AtError, AtTimeout, CmeError, ModuleRebooted, PortError, check, need
from .exchange import CME, FINALS, OK, Exchange
from .receiver import Receiver

_GAP_MS = const(21)  # 20 ms after a final code or URC (ubxlib, LEXI-R10), and a tick
_PROMPT_MS = const(50)  # wait between a prompt and the data (SARA-R4 AT manual, +USOST)
_PROMISE_MS = const(10000)  # a prompt may take so long (SARA-R4: +USOST answers within 10 s)
_PROBE_MS = const(1000)  # time for a bare AT to be answered
_SETTLE_MS = const(100)
_PROOF_MS = const(3000)  # the same for AT+CMEE?, behind whatever the module still has to answer
_WRITE_RETRY_MS = const(10)
_REBOOT_GRACE_MS = const(2000)  # an answer later than this after a restart sign will not come
_TIMEOUT_MS = const(10000)  # plain commands (ubxlib, LEXI-R10)
_MAX_TIMEOUT_MS = const(3600000)
_MAX_COMMAND = const(1000)  # SARA-R4 AT manual: 1024 with its terminator

_QUESTION = b"AT+CMEE?"  # its answer has a text of its own, and any state can give it
_PROOF = b"+CMEE:"

_BYTES = (bytes, bytearray, memoryview)


class Channel(Receiver):
    """One AT port.

    stream: anything with readinto(), write() and poll support: machine.UART, a socket, a pty. One
        without any() must not block in readinto().
    runtime: supplies lock(), signal(), sleep_ms() and `reading`; see aio.py.
    ring_size, chunk_size, line_size: buffers in bytes. The ring holds one chunk and the line that
        is being read; what comes while a handler runs waits in the UART's own buffer.
    rxbuf: size of that buffer in bytes, if the stream has any(). A full one has lost bytes
        behind those it holds: that is counted, and no line is read across the place. 0: unknown.
    loss_mark: bytes in it from which on it counts as full; None: rxbuf - 128 on an ESP32,
        rxbuf - 1 elsewhere.
    flow: RTS and CTS are wired and used: the module waits while the MCU does not read, so that
        nothing is lost when flash is written.

    unanswered: AT in sync() since the last answer. More counters: see Receiver.
    Raises ValueError for a stream or for sizes that cannot work.
    """

    def __init__(
        self,
        stream,
        runtime,
        clock=None,
        ring_size=1024,
        chunk_size=64,
        line_size=512,
        rxbuf=0,
        loss_mark=None,
        flow=False,
    ):
        check_stream(stream)
        super().__init__(
            stream, runtime, clock, ring_size, chunk_size, rxbuf, loss_mark, line_size=line_size
        )
        self.on_send = None  # called with a command line right before it is sent; may raise
        self.unanswered = 0
        self.flow = flow
        self._runtime = runtime
        self._sleep_ms = runtime.sleep_ms
        self._lock = runtime.lock()
        self._deadline_ms = 0
        self._rebooted = False  # a restart was noticed while the command waited
        self._unsent = b""  # of the command line or payload that is being written
        # What a command announced before it gave up without a prompt. The module still wants so
        # many bytes, and would take the next command line for them.
        self._promised = b""
        self._promised_ms = 0  # when that command was sent
        self._asked = False  # one of the commands that gave up is the _QUESTION
        self._connects = False  # raw bytes behind CONNECT may come

    # Commands

    async def command(
        self,
        text,
        prefix=None,
        *,
        args=(),
        timeout_ms=_TIMEOUT_MS,
        accept=None,
        on_info=None,
        prompt=None,
        payload=b"",
        into=None,
        size_field=None,
    ):
        """Send one AT command, wait for its final result code, return its information text.

        text: the command, such as "AT+CEREG?". args: parameters appended to it, ints as they
            are, strings in quotes, None empty.
        prefix: what information text starts with: "+CEREG:", "" for lines without one, None
            when none is expected. accept(line): says whether a line of that prefix is the
            answer or a URC.
        on_info: called with every line of information text; without it the lines are returned
            as a list of bytes without their prefix, 32 at most, whatever is in them.
        prompt, payload: "@" or ">" and the bytes to send 50 ms behind it.
        into: a bytearray for raw bytes, whose number is returned. They come in quotes behind the
            information text, so many as its field `size_field` says (+USORF: 3, +USORD: 1), or
            without size_field behind "CONNECT <size>". on_info is called with what is before them.
        timeout_ms: from sending to the final result code.

        Tasks queue for the port. Raises ValueError before anything is sent, CmeError or AtError
        when the module refuses, AtTimeout or ModuleRebooted when it does not answer, PortError
        when the answer cannot be taken.
        """
        line = _command_line(text, args)
        need(prefix is None or isinstance(prefix, str), "prefix", prefix, "str or None")
        check("timeout_ms", timeout_ms, 1, _MAX_TIMEOUT_MS)
        for name, fn in (("accept", accept), ("on_info", on_info)):
            need(fn is None or callable(fn), name, fn, "a function or None")
        need(prompt in (None, "@", ">"), "prompt", prompt, '"@", ">" or None')
        need(isinstance(payload, _BYTES), "payload", payload, "bytes")
        need(into is None or isinstance(into, _BYTES[1:]), "into", into, "a bytearray or None")
        need(into is None or prefix or size_field is None, "prefix", prefix, "that of the data")
        if self._busy:
            raise PortError("%s: handlers must not send" % text)
        async with self._lock:
            self._deadline_ms = time.ticks_add(self.clock.ms(), timeout_ms)
            if self.owed:
                await self._settle(text)
                self._deadline_ms = time.ticks_add(self.clock.ms(), timeout_ms)
            head = None if prefix is None else prefix.encode()
            if size_field is not None:
                self.announce(prefix, size_field)
            elif into is not None:
                head = b"CONNECT "
                self._announce(self.line.add(head), 0, False)
                self._connects = True
            name = self.line.find(head.upper()) if head else None
            exchange = Exchange(line, head, name, accept, on_info, into)
            await self._exchange(exchange, prompt, payload)
            self._forget_connect()
        if into is None:
            return exchange.info
        if exchange.filled > len(into):
            raise PortError("into: %d bytes, expected %d" % (len(into), exchange.filled))
        return exchange.filled

    async def write_flash(self, write):
        """Call write(), which writes to flash, while no command waits; return what it returns.

        Interrupts are off meanwhile, for 45 ms a sector on an RP2040: what comes then is lost, and
        any() shows nothing of it. So it counts as a doubt, unless `flow`. Applications that write
        files call it too.
        """
        async with self._lock:
            try:
                return write()
            finally:
                if not self.flow:
                    self.doubt()

    async def _exchange(self, exchange, prompt=None, payload=b""):
        # One command line out, one final result code in.
        line = exchange.text
        await self._quiet(line)
        if self.on_send:
            self.on_send(line)
        self._rebooted = False
        self.prompt_seen = False
        self._changed.clear()
        self.pending = exchange
        self.line.await_prompt(ord(prompt) if prompt else 0)
        awaits = False  # the module has the command, and a prompt is due
        answered = False  # it is getting the payload
        sent_ms = self.clock.ms()
        try:
            await self._write(line + b"\r")
            awaits = prompt is not None
            while not exchange.result and not exchange.failed:
                left_ms = time.ticks_diff(self._deadline_ms, self.clock.ms())
                if left_ms <= 0:
                    self.pump()  # it may be there, and the reader waits for a whole line
                    if exchange.result or exchange.failed:
                        break
                    raise self._give_up(line)
                await self._changed.wait_ms(left_ms)
                if awaits and self.prompt_seen and not self._rebooted:
                    await self._sleep_ms(_PROMPT_MS)
                    if not exchange.result and not self._rebooted:
                        awaits = False
                        answered = True
                        await self._write(payload)
        finally:
            self.pending = None
            if not answered or exchange.result:
                self._unsent = b""  # else the module waits for it, see _probe()
            if exchange.result:
                self.unanswered = 0
                self.line.await_prompt(0)
            else:
                self.owed += 1
                self._asked = self._asked or line == _QUESTION
                if awaits and not self._rebooted:
                    self._promised = bytes(payload)
                    self._promised_ms = sent_ms
                    self.doubt()  # somebody has to speak to the module again soon
        self._raise(exchange)

    def _raise(self, exchange):
        # What is wrong with the answer, if anything is.
        result = exchange.result
        if exchange.error is not None and (exchange.failed or result == OK):
            raise exchange.error
        if result == CME:
            raise CmeError(exchange.text.decode(), _readable(exchange.detail))
        if result != OK:
            text = FINALS[result - 1] + b" " + exchange.detail
            raise AtError(exchange.text.decode(), _readable(text).rstrip())

    def _give_up(self, line):
        if self._rebooted:
            return ModuleRebooted("%s: the module restarted" % line.decode())
        why = (
            "no final result code in time" if self._runtime.reading else "nobody reads the stream"
        )
        return AtTimeout("%s: %s" % (line.decode(), why))

    async def _quiet(self, line):
        # Nothing is sent until the module was silent for the gap it needs.
        while True:
            self.pump()  # the reader may just be waiting for a whole line
            now_ms = self.clock.ms()
            wait_ms = _GAP_MS - time.ticks_diff(now_ms, self.heard_ms)
            if not 0 < wait_ms <= _GAP_MS:  # over: six days of silence turn the difference round
                return
            if time.ticks_diff(self._deadline_ms, now_ms) <= 0:
                raise AtTimeout("%s: not sent, the line was never quiet" % line.decode())
            await self._sleep_ms(wait_ms)

    async def _write(self, data):
        self._unsent = data
        while self._unsent:
            try:
                n = self.stream.write(self._unsent)
            except OSError:
                self.stream_errors += 1
                n = 0
            if n:
                self._unsent = self._unsent[n:]
                continue
            if time.ticks_diff(self._deadline_ms, self.clock.ms()) <= 0:
                line = self.pending.text if self.pending else b"AT"
                raise AtTimeout("%s: %d bytes not taken" % (line.decode(), len(self._unsent)))
            await self._sleep_ms(_WRITE_RETRY_MS)

    # After a command gave up

    async def _settle(self, text):
        # Its answer may still come, whenever the module is done with it. It answers in order: the
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
                pass
            if late != self.late:
                refused += 1
                if refused >= 2 and self.owed <= refused:
                    break  # it answers, but never with the text: then the silence must do
            elif time.ticks_diff(deadline_ms, self.clock.ms()) <= 0:
                raise AtTimeout("%s: not sent, the module is silent" % text)
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
            self.line.announce(self.line.add(b"CONNECT "), -1, False)

    async def _keep_promise(self, text):
        # A command announced data and got no prompt. It may still come, and until then a command
        # line would be taken for the data; the module cannot be told that there are none.
        self._changed.clear()
        while not self.prompt_seen and self._promised:
            now_ms = self.clock.ms()
            left_ms = _PROMISE_MS - time.ticks_diff(now_ms, self._promised_ms)
            if not 0 < left_ms <= _PROMISE_MS:
                break
            patience_ms = time.ticks_diff(self._deadline_ms, now_ms)
            if patience_ms <= 0:
                raise AtTimeout("%s: not sent, the module may wait for earlier data" % text)
            late = self.late
            await self._changed.wait_ms(min(left_ms, patience_ms))
            if late != self.late and not self.prompt_seen:
                self._promised = b""  # it was refused: no prompt will come
        promised = self._promised
        self._promised = b""
        self.prompt_seen = False
        self.line.await_prompt(0)
        if promised:
            await self._sleep_ms(_PROMPT_MS)
            await self._write(promised)

    async def _probe(self, line=b"AT", timeout_ms=_PROBE_MS, proof=False, numeric=False):
        # Any final result code is a sign of life; with `proof` one behind the text of _QUESTION.
        if self._promised:
            self._deadline_ms = time.ticks_add(self.clock.ms(), 2 * _PROMISE_MS)
            await self._keep_promise(line)
        self._deadline_ms = time.ticks_add(self.clock.ms(), timeout_ms)
        head = _PROOF if proof else None
        exchange = Exchange(line, head, self.line.find(_PROOF), on_info=_ignore)
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
        async with self._lock:
            while True:
                tries -= 1
                try:
                    exchange = await self._probe(numeric=True)
                    break
                except PortError:
                    self.unanswered += 1
                    if tries <= 0:
                        raise
            if exchange.detail == b"numeric":
                await self._probe(b"ATV1", numeric=True)
            self._deadline_ms = time.ticks_add(self.clock.ms(), _TIMEOUT_MS)
            await self._settle("AT")  # answers to earlier tries may be on their way

    async def setup(self, tries=10):
        """sync(), then echo off and numeric errors; both are preferences, not needs."""
        await self.sync(tries)
        for text in ("ATE0", "AT+CMEE=1"):
            try:
                await self.command(text)
            except AtError:
                pass  # echo is dropped and errors are understood in either form

    def note_reboot(self):
        """The module restarted: a command that waits gets ModuleRebooted unless answered soon."""
        self._rebooted = True
        self._unsent = b""
        self._promised = b""
        soon_ms = time.ticks_add(self.clock.ms(), _REBOOT_GRACE_MS)
        if self.pending is not None and time.ticks_diff(self._deadline_ms, soon_ms) > 0:
            self._deadline_ms = soon_ms
            self._changed.set()


def check_stream(stream):
    """Raise ValueError for a stream that lacks readinto(), write() or poll support, or blocks."""
    for method in ("readinto", "write"):
        need(callable(getattr(stream, method, None)), "stream", stream, "one with " + method)
    try:
        select.poll().register(stream, select.POLLIN)
    except (OSError, TypeError, AttributeError):
        need(False, "stream", stream, "one that can be polled")
    if hasattr(stream, "any"):
        return  # a UART: asked for as many bytes as it has
    if hasattr(stream, "setblocking"):
        stream.setblocking(False)
    elif hasattr(stream, "fileno"):
        need(not _waits(stream.fileno()), "stream", stream, "a tty with VMIN and VTIME of 0")


def _waits(fd):
    # Whether a file of the unix port is a tty on which a read waits for bytes.
    try:
        from termios import tcgetattr

        return tcgetattr(fd)[6][6] != 0  # VMIN
    except (ImportError, OSError):
        return False


def _ignore(line):
    pass


def _readable(text):
    # As a str, whatever is in it.
    return "".join(chr(c) if 31 < c < 127 else "?" for c in text)


def quoted(name, text):
    """Return `text` as an AT string parameter in quotes.

    Raises ValueError, naming the parameter, for a character that could leave the quotes.
    """
    ok = all(" " <= c <= "~" and c != '"' for c in text)
    need(ok, name, text, "printable ASCII without quotes")
    return '"' + text + '"'


def _command_line(text, args):
    # The bytes of a command without its terminator, or ValueError.
    ok = isinstance(text, str) and text[:2].upper() == "AT" and all(" " <= c <= "~" for c in text)
    need(ok, "text", text, 'printable ASCII that starts with "AT"')
    need(isinstance(args, (tuple, list)), "args", args, "tuple or list")
    parts = []
    for i, arg in enumerate(args):
        if arg is None:
            parts.append("")
        elif isinstance(arg, str):
            parts.append(quoted("args[%d]" % i, arg))
        elif isinstance(arg, int):
            parts.append(str(int(arg)))
        else:
            need(False, "args[%d]" % i, arg, "int, str or None")
    line = (text + ",".join(parts)).encode()
    if len(line) > _MAX_COMMAND:
        raise ValueError("text: %d bytes, expected up to %d" % (len(line), _MAX_COMMAND))
    return line
