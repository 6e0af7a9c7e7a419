# One AT command at a time on one stream: sends it, waits for its answer, raises what went wrong.
#
# Commands are coroutines. How to wait is left to a runtime (aio.py, or blocking.py), which also
# calls pump() whenever the stream is readable; this file knows no scheduler. Nothing else writes
# to the stream. An answer that comes after its command gave up goes nowhere.

import time
from micropython import const

from .errors import AtError, AtTimeout, CmeError, ModuleRebooted, PortError
from .errors import check, check_plain, need, not_sent, refuse
from .exchange import CME, FINALS, OK, Exchange
from .handlers import check_into
from .ring import Ring
from .scan import Scanner
from .settle import CONNECT, Settler
from .stream import check_stream, disown, own
from .text import command_line, printable, readable

_GAP_MS = const(21)  # 20 ms after a final code or URC (ubxlib, LEXI-R10), and a tick
_SILENCE_MS = const(320)  # more than raw.py wants before it believes again
_PROMPT_MS = const(50)  # wait between a prompt and the data (SARA-R4 AT manual, +USOST)
_WRITE_RETRY_MS = const(10)
_REBOOT_GRACE_MS = const(2000)  # an answer later than this after a restart sign will not come
_TIMEOUT_MS = const(10000)  # plain commands (ubxlib, LEXI-R10)
_MAX_TIMEOUT_MS = const(3600000)

_BYTES = (bytes, bytearray, memoryview)


class Channel(Settler):
    """One AT port.

    stream: anything with readinto(), write() and poll support: machine.UART, a socket, a pty. One
        without any() must not block in readinto().
    runtime: supplies lock(), signal(), sleep_ms() and `reading`; see aio.py.
    ring_size, chunk_size, line_size: buffers in bytes. The ring holds one chunk and the line that
        is being read; what comes while a handler runs waits in the UART's own buffer.
    rxbuf: size of that buffer in bytes, if the stream has any(). A full one has lost bytes
        behind those it holds: that is counted, and no line is read across the place. None: 256,
        as MicroPython has it; 0: it is never full.
    loss_mark: bytes in it from which on it counts as full; None: rxbuf - 128 on an ESP32,
        rxbuf - 1 elsewhere.
    flow: RTS and CTS are wired and used: the module waits while the MCU does not read, so that
        nothing is lost when flash is written.
    claim: take the stream at once from an earlier Channel on it, or later by claim().

    unanswered: AT in sync() since the last answer; retries: all of them. More counters: see Receiver.
    Raises ValueError for a stream or for sizes that cannot work.
    """

    def __init__(
        self,
        stream,
        runtime,
        clock=None,
        ring_size=1024,
        chunk_size=128,
        line_size=512,
        rxbuf=None,
        loss_mark=None,
        flow=False,
        claim=True,
    ):
        check_stream(stream)
        ring = Ring(stream, ring_size, chunk_size, rxbuf, loss_mark, flow)
        super().__init__(stream, runtime, clock, Scanner(ring, line_size))
        self.on_send = None  # called with a command line right before it is sent; may raise
        self.guard = None  # the same before that: the supervisor's
        self.on_reboot = ()  # plain functions, called when the module restarted: the sockets'
        self.flow = flow
        self.runtime = runtime
        self._sleep_ms = runtime.sleep_ms
        self.lock = runtime.lock()  # whoever has it has the module's attention
        self._rebooted = False  # a restart was noticed while the command waited
        if claim:
            self.claim()

    def claim(self):
        """Own the stream from now on: an earlier Channel on it is closed."""
        self.check_owner()
        own(self.stream, self)

    def release(self):
        """Be the owner no more, and kept by nobody. Whoever goes on calls claim() before."""
        disown(self)

    # Commands

    def command(
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
        secret=False,
    ):
        """Send one AT command, wait for its final result code, return its information text.

        A coroutine, but for what is wrong from the start: that is raised by the call.

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
            The first such command loads atport.raw: import it before if that must not take time.
        timeout_ms: from sending to the final result code.
        secret: hooks and exceptions get "..." in place of `args`.

        Tasks queue for the port. Raises ValueError before anything is sent, PortError in a handler
        or hook, CmeError or AtError when the module refuses, AtTimeout or ModuleRebooted when it
        does not answer, PortError when the answer cannot be taken, PortTaken when a newer Channel
        has the stream.
        """
        self.check_free(text, "send")
        line = command_line(text, args)
        need(prefix is None or isinstance(prefix, str), "prefix", prefix, "str or None")
        need(printable(prefix or ""), "prefix", prefix, "printable ASCII")
        check("timeout_ms", timeout_ms, 1, _MAX_TIMEOUT_MS)
        for name, fn in (("accept", accept), ("on_info", on_info)):
            if fn is not None:
                check_plain(name, fn)
        need(prompt in (None, "@", ">"), "prompt", prompt, '"@", ">" or None')
        need(isinstance(payload, _BYTES), "payload", payload, "bytes")
        check_into(into)
        need(prompt or not payload, "payload", payload, "none without a prompt")
        need(into is None or prefix or size_field is None, "prefix", prefix, "that of the data")
        head = None if prefix is None else prefix.encode()
        if size_field is not None:
            self.announce(prefix, size_field)
        elif into is not None:
            head = CONNECT
        if head:
            find = self.line.add if head[-1] == 58 else self.line.find
            name = find(head.upper())
            need(name is None or not name.tag, "prefix", prefix, "no final result code")
        exchange = Exchange(line, head, accept, on_info, into)
        if secret:
            exchange.text = (text + "...").encode()
        return self._command(exchange, prompt, payload, timeout_ms)

    async def _command(self, exchange, prompt, payload, timeout_ms):
        # In its turn: the exchange, and what it got.
        into = exchange.into
        async with self.lock:
            self._allow(timeout_ms)
            if self.owed:
                await self._settle(exchange.text.decode())
                self._allow(timeout_ms)
            if into is not None and exchange.prefix == CONNECT:
                self._announce(self.line.add(CONNECT), 0, False)
                self._connects = True
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
        need(callable(write), "write", write, "a function")
        self.check_free("write_flash", "wait")
        async with self.lock:
            self.check_owner()
            try:
                return write()
            finally:
                if not self.flow:
                    self.doubt()

    async def _exchange(self, exchange, prompt=None, payload=b""):
        # One command line out, one final result code in.
        line = exchange.text
        await self._quiet(line)
        self._busy = True  # so that a hook that sends is told
        try:
            if self.guard:
                self.guard(line)
            if self.on_send:
                refuse(self.on_send(line))
        finally:
            self._busy = False
        self._rebooted = False
        self.prompt_seen = False
        self._changed.clear()
        self.pending = exchange
        self.line.await_prompt(ord(prompt) if prompt else 0)
        awaits = False  # the module has the command, and a prompt is due
        answered = False  # it is getting the payload
        sent_ms = self.clock.ms()
        try:
            await self._write(exchange.sent + b"\r")
            awaits = prompt is not None
            while not exchange.result and not exchange.failed:
                left_ms = self._left_ms()
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
                promised = payload if awaits and not self._rebooted else None
                self._gave_up(line, promised, sent_ms)
        self._raise(exchange)

    def _raise(self, exchange):
        # What is wrong with the answer, if anything is.
        result = exchange.result
        if exchange.error is not None and (exchange.failed or result == OK):
            raise exchange.error
        if result == CME:
            raise CmeError(exchange.text.decode(), readable(exchange.detail))
        if result != OK:
            text = FINALS[result - 1] + b" " + exchange.detail
            raise AtError(exchange.text.decode(), readable(text).rstrip())

    def _give_up(self, line):
        if self._rebooted:
            return ModuleRebooted("%s: the module restarted" % line.decode())
        if not self.runtime.reading:
            why = "nobody reads the stream"
        elif self.lines > self.undecodable:
            why = "no final result code in time"
        elif self.received:
            why = "nothing readable ever came: look at the baud rate, 115200 on a LEXI-R10"
        else:
            why = "nothing ever came: look at power, PWR_ON, and TX and RX"
        return AtTimeout("%s: %s" % (line.decode(), why))

    def check_free(self, what, do):
        """Raise PortError within a handler or hook, which must not send or wait; PortTaken too."""
        if self._busy:
            raise PortError("%s: handlers must not %s" % (what, do))
        self.check_owner()

    async def _quiet(self, line):
        # Nothing is sent until the module was silent for the gap it needs.
        while True:
            self.pump()  # the reader may just be waiting for a whole line
            gap_ms = _SILENCE_MS if self.line.deaf() else _GAP_MS
            wait_ms = gap_ms - time.ticks_diff(self.clock.ms(), self.heard_ms)
            if not 0 < wait_ms <= gap_ms:  # over: six days of silence turn the difference round
                return
            if self._left_ms() <= 0:
                raise not_sent(line.decode(), "the line was never quiet")
            await self._sleep_ms(wait_ms)

    async def _write(self, data):
        self._unsent = bytes(data)
        while self._unsent:
            self.check_owner()
            try:
                n = self.stream.write(self._unsent)
            except OSError:
                self.stream_errors += 1
                n = 0
            if n:
                self._unsent = self._unsent[n:]
                continue
            if self._left_ms() <= 0:
                line = self.pending.text if self.pending else b"AT"
                raise AtTimeout("%s: %d bytes not taken" % (line.decode(), len(self._unsent)))
            await self._sleep_ms(_WRITE_RETRY_MS)

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
        for hook in self.on_reboot:
            hook()
        if self.pending is not None and self._left_ms() > _REBOOT_GRACE_MS:
            self._allow(_REBOOT_GRACE_MS)
            self._changed.set()
