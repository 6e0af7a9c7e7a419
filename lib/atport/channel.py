# AT commands and URC routing over one stream. The only writer of the UART.
#
# pump() takes what the stream holds and serves every complete line: final result codes,
# information text, prompts and data go to the one pending command, everything else to the URC
# handler of its prefix, or to a hook. It never waits, never allocates, never raises.
#
# Commands are coroutines. How to wait is left to a runtime (aio.py, or blocking.py), which also
# calls pump() whenever the stream is readable; this file knows no scheduler.

import select
import time
from micropython import const

from .errors import AtError, AtTimeout, CmeError, LexiError, ModuleRebooted, check
from .ring import Ring
from .scan import DATA, LINE, MORE, PROMPT, Scanner

_GAP_MS = const(21)  # 20 ms after a final code or URC (ubxlib, LEXI-R10), and a tick
_PROMPT_MS = const(50)  # wait between "@" and the data (SARA-R4 AT manual, +USOST)
_PROBE_MS = const(1000)  # time for a bare AT to be answered
_SETTLE_MS = const(100)
_PROOF_MS = const(3000)  # the same for AT+CMEE?, behind whatever the module still has to answer
_WRITE_RETRY_MS = const(10)
_REBOOT_GRACE_MS = const(2000)  # an answer later than this after a restart sign will not come
_TIMEOUT_MS = const(10000)  # plain commands (ubxlib, LEXI-R10)
_MAX_TIMEOUT_MS = const(3600000)
_MAX_COMMAND = const(1000)  # SARA-R4 AT manual: 1024 with its terminator
_MAX_INFO = const(32)  # lines of information text kept for one command

# Layout of the scanner's state: see _native.py.
_TAG = const(7)
_BAD = const(10)
_TEXT_AT = const(11)
_LAST = const(12)
_PROMPT_BYTE = const(17)
_OVERRUN = const(19)
_OVERLONG = const(20)
_ROW_TAG = const(23)
_ROWS = const(72)

# Final result codes (SARA-R4 AT manual, and ABORTED from ubxlib); the tag is the index plus one.
_FINALS = (
    b"OK",
    b"ERROR",
    b"+CME ERROR:",
    b"+CMS ERROR:",
    b"ABORTED",
    b"COMMAND ABORTED",
    b"NO CARRIER",
    b"NO DIALTONE",
    b"NO ANSWER",
    b"BUSY",
    b"NOT SUPPORT",
    b"INVALID COMMAND LINE",
    b"CR",
    b"SIM DROP",
    b"DISCONNECT",
)
_OK = const(1)
_CME = const(3)
_LAST_FINAL = const(15)
_QUESTION = b"AT+CMEE?"  # its answer has a text of its own, and any state can give it
_CONNECT_SIZE = const(16)  # "CONNECT <size>", data follow
_FIRST_URC = const(17)

_BYTES = (bytes, bytearray, memoryview)


class Clock:
    """Milliseconds for deadlines, and seconds that run on for years.

    `ticks` is time.ticks_ms or a replacement with its wrap-around. Call ms() at least once in
    six days; the receive path does on every wake-up.
    """

    def __init__(self, ticks=time.ticks_ms):
        self.ticks = ticks
        self._last = ticks()
        self.s = 0  # seconds since construction

    def ms(self):
        """Current tick in ms; brings `s` up to date."""
        now = self.ticks()
        passed_s = time.ticks_diff(now, self._last) // 1000
        if passed_s > 0:
            self.s += passed_s
            self._last = time.ticks_add(self._last, passed_s * 1000)
        return now


def _need(ok, name, value, expected):
    if not ok:
        raise ValueError("%s: %r, expected %s" % (name, value, expected))


def quoted(name, text):
    """Return `text` as an AT string parameter in quotes.

    Raises ValueError, naming the parameter, for a character that could leave the quotes.
    """
    ok = all(" " <= c <= "~" and c != '"' for c in text)
    _need(ok, name, text, "printable ASCII without quotes")
    return '"' + text + '"'


class Channel:
    """One AT port.

    stream: anything with readinto(), write() and poll support, not blocking in readinto():
        machine.UART, a socket, a pty. Refused with ValueError otherwise.
    runtime: supplies lock(), signal(), sleep_ms() and `reading`; see aio.py.
    ring_size, chunk_size, line_size: buffers in bytes. The ring holds one chunk and the line that
        is being read; what comes while a handler runs waits in the UART's own buffer.
    rxbuf: size of that buffer in bytes, if the stream has any(). A full one has lost bytes
        behind those it holds: that is counted, and no line is read across the place. 0: unknown.

    Counters: received, overrun (bytes); lines, urcs, unknown, overlong, undecodable, malformed
    and doubts (events after which the known state may be old; both counted by handlers), late
    (final codes nobody waited for), handler_errors, stream_errors; unanswered (AT in sync() since
    the last answer).
    """

    def __init__(
        self,
        stream,
        runtime,
        clock=None,
        ring_size=1024,
        chunk_size=256,
        line_size=512,
        rxbuf=0,
    ):
        check_stream(stream)
        check("rxbuf", rxbuf, 0, 1 << 20)
        _need(not rxbuf or hasattr(stream, "any"), "rxbuf", rxbuf, "0 for a stream without any()")
        self.stream = stream
        self.clock = clock or Clock()
        self.ring = Ring(ring_size, chunk_size)
        self.line = Scanner(self.ring, line_size)
        self._state = self.line.state
        self._prefixes = {p: i + 1 for i, p in enumerate(_FINALS)}
        self._prefixes[b"CONNECT "] = _CONNECT_SIZE
        self._handlers = [None] * _FIRST_URC
        self._rxbuf = rxbuf
        self._joint = 0  # bytes to read up to the place where the UART lost some
        self._joint_2 = 0  # and up to the next such place
        self._busy = False  # a handler runs
        self._rows = None  # takes the number of rows that wait in the scanner's state
        self._row_tag = 0
        self.line.set_prefixes(self._prefixes)

        self.on_unknown = None  # called with the line that no handler and no command wanted
        self.on_gap = None  # called while there is a gap, after every batch of input
        self.on_send = None  # called with a command line right before it is sent; may raise
        self.on_error = None  # called with the exception that a handler raised
        self.lines = 0
        self.urcs = 0
        self.unknown = 0
        self.undecodable = 0
        self.malformed = 0
        self.doubts = 0
        self.late = 0
        self.unanswered = 0
        self.handler_errors = 0
        self.stream_errors = 0

        self._closed = 0  # value of `lost` up to which state was read anew
        self._runtime = runtime
        self._sleep_ms = runtime.sleep_ms
        self._lock = runtime.lock()
        self._done = runtime.signal()
        self._heard_ms = self.clock.ms()
        self.heard_s = self.clock.s  # when the module last sent a readable line
        # The pending command.
        self._command = None  # its text as bytes while one waits for its final result code
        self._result = 0  # tag of the final result code
        self._error = None  # text of the error, or an exception
        self._info_tag = 0
        self._info_prefix = None
        self._accept = None
        self._on_info = None
        self._info = None
        self._into = None
        self._filled = 0
        self._unsent = b""  # of the command line or payload that is being written
        self._deadline_ms = 0
        self._rebooted = False
        self._numeric = False  # numeric result codes (ATV0) count, during sync() only
        self._owed = 0  # commands that gave up: their answers may still come
        self._asked = False  # one of them is a question for the proof in _settle()
        self._unproven = False  # final result codes do not count before a certain text

    @property
    def received(self):
        return self.ring.received

    @property
    def overrun(self):
        return self.ring.overrun

    @property
    def overlong(self):
        return self.line.overlong

    @property
    def lost(self):
        """Reasons so far to read the state anew: bytes dropped, lines unreadable, doubts."""
        state = self._state
        return state[_OVERRUN] + state[_OVERLONG] + self.undecodable + self.malformed + self.doubts

    @property
    def gap(self):
        """Whether there is a reason that close_gap() was not told of."""
        return self.lost != self._closed

    def close_gap(self, lost):
        """State was read anew after `lost` had this value."""
        self._closed = lost

    # Receiving

    def on(self, prefix, handler, rows=None):
        """Call `handler(line)`, a plain function, for URCs that start with `prefix` ("+CEREG:").

        The line (a Scanner) is valid until the handler returns; handlers do not wait. With
        `rows`, lines of this prefix that hold nothing but ints go to `rows(count)` in batches
        instead, still in their order: see fold() in _native.py. One prefix can have rows.
        Raises ValueError for a prefix that does not end in ":" or is already taken.
        """
        ok = isinstance(prefix, str) and len(prefix) > 1 and prefix[-1] == ":"
        _need(ok, "prefix", prefix, 'a name and ":"')
        _need(callable(handler), "handler", handler, "a function")
        key = prefix.upper().encode()
        _need(key not in self._prefixes, "prefix", prefix, "one that has no handler already")
        tag = len(self._handlers)
        prefixes = dict(self._prefixes)
        prefixes[key] = tag
        row_tag = tag if rows else self._row_tag
        self.line.set_prefixes(prefixes, row_tag)
        self._prefixes = prefixes
        self._handlers.append(handler)
        if rows:
            self._rows = rows
            self._row_tag = tag

    def pump(self):
        """Take one chunk from the stream and serve it; return the bytes taken."""
        if self._busy:
            return 0  # a handler that waits: the rest comes when it has returned
        try:
            if self._rxbuf:
                waiting = self.stream.any()
                if waiting >= self._rxbuf - 1:
                    if self._joint:
                        self._joint_2 = waiting
                    else:
                        self._joint = waiting
            n = self.ring.fill(self.stream, self._joint)
        except Exception:  # the stream's, or out of memory: tried again at the next wake-up
            self.stream_errors += 1
            return 0
        if n:
            if self._joint:
                self._joint -= n
                self._joint_2 = max(self._joint_2 - n, 0)
                if not self._joint:
                    self.ring.mark_loss()
                    self._joint = self._joint_2
                    self._joint_2 = 0
            self._serve()
        return n

    def feed(self, data):
        """Serve bytes that come from elsewhere than the stream. Not for handlers."""
        if self._busy:
            raise LexiError("feed: a handler is running")
        self.ring.feed(data)
        self._serve()

    def _serve(self):
        self._heard_ms = self.clock.ms()
        self._busy = True
        state = self._state
        line = self.line
        try:
            while True:
                what = line.next()
                if state[_ROWS]:
                    self._take_rows()
                if what == MORE:
                    break
                try:
                    if what == LINE:
                        self.lines += 1
                        self._route(state[_TAG])
                    elif what == PROMPT:
                        self._done.set()
                    elif what == DATA:
                        self._take_data(state[_TEXT_AT], state[_LAST])
                except Exception as e:  # a handler's: counted, and the next line is served
                    self.report(e)
        finally:
            self._busy = False
        if self.on_gap and self.lost != self._closed:
            try:
                self.on_gap()
            except Exception as e:  # counted, as above
                self.report(e)

    def _take_rows(self):
        n = self._state[_ROWS]
        self._state[_ROWS] = 0
        self.lines += n
        self.urcs += n
        self.heard_s = self.clock.s
        try:
            self._rows(n)
        except Exception as e:  # counted, as above
            self.report(e)

    def report(self, e):
        """Count what a handler raised and tell on_error."""
        self.handler_errors += 1
        if self.on_error:
            try:
                self.on_error(e)
            except Exception:  # the hook itself failed: there is nobody left to tell
                self.handler_errors += 1

    def _route(self, tag):
        line = self.line
        bad = self._state[_BAD]
        if bad & 1:
            self.undecodable += 1
            return
        self.heard_s = self.clock.s
        if 0 < tag <= _LAST_FINAL:
            self._final(tag)
            return
        if self._command is not None and self._is_mine(tag, line):
            return
        if tag == _CONNECT_SIZE and self._owed:
            line.expect_data(max(line.int(0, 0), 0))  # of a command that gave up: not lines
            return
        if tag >= _FIRST_URC:
            self.urcs += 1
            self._handlers[tag](line)
            return
        self.unknown += 1
        if bad:  # noise ran into a line: it may have been one that matters
            self.undecodable += 1
        if self.on_unknown:
            self.on_unknown(line)

    def _final(self, tag):
        if self._command is None or self._result or self._unproven:
            self.late += 1
            if self._owed:
                self._owed -= 1
            return
        self._result = tag
        self.unanswered = 0
        if tag != _OK:
            self._error = self.line.rest() if tag in (_CME, _CME + 1) else b""
        self._done.set()

    def _is_mine(self, tag, line):
        # Whether the line belongs to the pending command: information text, echo, data.
        if self._result:
            return False
        if tag == _CONNECT_SIZE:
            if self._into is None:
                return False
            size = max(line.int(0, 0), 0)
            if size > len(self._into):
                self._error = LexiError("into: %d bytes, expected %d" % (len(self._into), size))
            self._filled = 0
            line.expect_data(size)
            return True
        if tag == 0 and line.startswith(self._command) and line.line() == self._command:
            return True  # echo
        if self._numeric and line.line() in (b"0", b"4"):
            self._result = _OK
            self._error = b"numeric"
            self._done.set()
            return True
        prefix = self._info_prefix
        if prefix is None or (tag != self._info_tag if self._info_tag else tag != 0):
            return False
        if not self._info_tag and not line.startswith(prefix):
            return False
        if not prefix and line.startswith(b"+"):
            return False  # a URC nobody registered
        try:
            if self._accept and not self._accept(line):
                return False
            if self._on_info:
                self._on_info(line)
            elif len(self._info) < _MAX_INFO:
                self._info.append(line.line()[len(prefix) :].lstrip())
            else:
                raise LexiError("over %d lines of information text" % _MAX_INFO)
        except Exception as e:  # it is the command's: raised from there
            self._error = e
        return True

    def _take_data(self, start, end):
        into = self._into
        if into is None:  # of a command that gave up, or not its data any more: who knows
            self.undecodable += 1
        elif self._filled + end - start <= len(into):
            into[self._filled : self._filled + end - start] = self.line.data[start:end]
            self._filled += end - start

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
    ):
        """Send one AT command, wait for its final result code, return its information text.

        text: the command, such as "AT+CEREG?". args: parameters appended to it, ints as they
            are, strings in quotes, None empty.
        prefix: what information text starts with: "+CEREG:", "" for lines without one, None
            when none is expected. accept(line): says whether a line of that prefix is the
            answer or a URC.
        on_info: called with every line of information text; without it the lines are returned
            as a list of bytes without their prefix, 32 at most.
        prompt, payload: "@" or ">" and the bytes to send 50 ms behind it.
        into: a bytearray for the data that follow "CONNECT <size>"; their number is returned.
        timeout_ms: from sending to the final result code.

        Tasks queue for the port. Raises ValueError before anything is sent, CmeError or AtError
        when the module refuses, AtTimeout or ModuleRebooted when it does not answer.
        """
        line = _command_line(text, args)
        _need(prefix is None or isinstance(prefix, str), "prefix", prefix, "str or None")
        check("timeout_ms", timeout_ms, 1, _MAX_TIMEOUT_MS)
        for name, fn in (("accept", accept), ("on_info", on_info)):
            _need(fn is None or callable(fn), name, fn, "a function or None")
        _need(prompt in (None, "@", ">"), "prompt", prompt, '"@", ">" or None')
        _need(isinstance(payload, _BYTES), "payload", payload, "bytes")
        _need(into is None or isinstance(into, _BYTES[1:]), "into", into, "a bytearray or None")
        async with self._lock:
            self._deadline_ms = time.ticks_add(self.clock.ms(), timeout_ms)
            if self._owed:
                await self._settle(text)
                self._deadline_ms = time.ticks_add(self.clock.ms(), timeout_ms)
            self._info_prefix = None if prefix is None else prefix.encode()
            self._info_tag = self._prefixes.get(prefix.upper().encode(), 0) if prefix else 0
            self._accept = accept
            self._on_info = on_info
            self._info = []
            self._into = into
            self._filled = 0
            overrun = self.ring.overrun
            try:
                await self._exchange(line, prompt, payload)
            finally:
                info = self._info
                self._info_prefix = self._accept = self._on_info = self._into = None
                self._info = None
        if into is None:
            return info
        if overrun != self.ring.overrun:
            raise LexiError("%s: data lost, the buffer was full" % text)
        return self._filled

    async def _exchange(self, line, prompt=None, payload=b""):
        # One command line out, one final result code in.
        state = self._state
        await self._quiet(line)
        if self.on_send:
            self.on_send(line)
        self._result = 0
        self._error = None
        self._rebooted = False
        self._done.clear()
        self._command = line
        if self._info_tag == self._row_tag:
            state[_ROW_TAG] = 0  # answer and URC share a prefix: look at every line
        self.line.expect_prompt(ord(prompt) if prompt else 0)
        prompted = False
        try:
            self._unsent = line + b"\r"
            await self._write()
            while not self._result:
                left_ms = time.ticks_diff(self._deadline_ms, self.clock.ms())
                if left_ms <= 0:
                    raise self._give_up(line)
                await self._done.wait_ms(left_ms)
                if self._result or self._rebooted or prompted or not prompt:
                    continue
                if not state[_PROMPT_BYTE]:
                    prompted = True
                    self._unsent = payload
                    await self._sleep_ms(_PROMPT_MS)
                    if not self._result:
                        await self._write()
        finally:
            if self._result:
                self.line.expect_data(0)
            else:
                self._owed += 1
                self._asked = self._asked or line == _QUESTION
            if self._result or not prompted:
                self._unsent = b""  # else the module waits for it, see _probe()
            self._command = None
            self.line.expect_prompt(0)
            state[_ROW_TAG] = self._row_tag
        if isinstance(self._error, Exception):
            raise self._error
        if self._result == _CME:
            raise CmeError(line.decode(), self._error.decode())
        if self._result != _OK:
            text = _FINALS[self._result - 1] + b" " + self._error
            raise AtError(line.decode(), text.decode().rstrip())

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
            now = self.clock.ms()
            wait_ms = _GAP_MS - time.ticks_diff(now, self._heard_ms)
            if not 0 < wait_ms <= _GAP_MS:  # over: six days of silence turn the difference round
                return
            if time.ticks_diff(self._deadline_ms, now) <= 0:
                raise AtTimeout("%s: not sent, the line was never quiet" % line.decode())
            await self._sleep_ms(wait_ms)

    async def _write(self):
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
                command = (self._command or b"AT").decode()
                raise AtTimeout("%s: %d bytes were not taken" % (command, len(self._unsent)))
            await self._sleep_ms(_WRITE_RETRY_MS)

    async def _settle(self, text):
        # A command gave up and its answer may still come, whenever the module is done with it. It
        # answers in order: the proof that nothing old can follow is the answer to a question
        # that is told from any other by its text. A final code without it goes nowhere.
        deadline_ms = self._deadline_ms
        refused = 0
        self._info_prefix = b"+CMEE:"
        self._info_tag = self._prefixes.get(self._info_prefix, 0)
        self._accept = None
        self._on_info = self._proved
        try:
            while True:
                late = self.late
                self._unproven = True
                try:
                    await self._probe(_QUESTION, _PROOF_MS)
                    break
                except AtTimeout:
                    pass
                if late != self.late:
                    refused += 1
                    if refused >= 2 and self._owed <= refused:
                        break  # it answers, but never with the text: then the silence must do
                elif time.ticks_diff(deadline_ms, self.clock.ms()) <= 0:
                    raise AtTimeout("%s: not sent, the module is silent" % text)
        finally:
            self._unproven = False
            self._info_prefix = self._on_info = None
        silent_ms = 0
        while self._asked and self._owed > 0 and silent_ms < _PROOF_MS:
            # Earlier questions are answered too, unless they were lost.
            late = self.late
            await self._sleep_ms(_SETTLE_MS)
            silent_ms = silent_ms + _SETTLE_MS if late == self.late else 0
        self._owed = 0
        self._asked = False

    def _proved(self, line):
        self._unproven = False

    async def _probe(self, line=b"AT", timeout_ms=_PROBE_MS):
        # Any final result code is a sign of life.
        self._deadline_ms = time.ticks_add(self.clock.ms(), timeout_ms)
        try:
            if self._unsent:  # the rest of a payload that the module was promised
                await self._sleep_ms(_PROMPT_MS)
                await self._write()
            await self._exchange(line)
        except AtError:
            pass  # refused together with what was left in the module's buffer: it is alive
        except AtTimeout:
            self.line.expect_data(0)  # data that were lost on the way: the next bytes are lines
            raise

    async def sync(self, tries=10):
        """Get an answer to AT, one try a second, from whatever state the port is in.

        Half a command in the module's buffer, echo, numeric result codes and boot noise are
        dealt with. Raises AtTimeout when all tries stay unanswered.
        """
        async with self._lock:
            self._info_prefix = None
            self._numeric = True
            try:
                while True:
                    tries -= 1
                    try:
                        await self._probe()
                        break
                    except AtTimeout:
                        self.unanswered += 1
                        if tries <= 0:
                            raise
                if self._error == b"numeric":
                    await self._probe(b"ATV1")
            finally:
                self._numeric = False
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
        soon_ms = time.ticks_add(self.clock.ms(), _REBOOT_GRACE_MS)
        if self._command is not None and time.ticks_diff(self._deadline_ms, soon_ms) > 0:
            self._deadline_ms = soon_ms
            self._done.set()


def check_stream(stream):
    """Raise ValueError for a stream that lacks readinto(), write() or poll support."""
    for method in ("readinto", "write"):
        if not callable(getattr(stream, method, None)):
            raise ValueError("stream: %r has no %s()" % (stream, method))
    try:
        select.poll().register(stream, select.POLLIN)
    except (OSError, TypeError, AttributeError):
        raise ValueError("stream: %r cannot be polled" % stream)


def _command_line(text, args):
    # The bytes of a command without its terminator, or ValueError.
    ok = isinstance(text, str) and text[:2].upper() == "AT" and all(" " <= c <= "~" for c in text)
    _need(ok, "text", text, 'printable ASCII that starts with "AT"')
    _need(isinstance(args, (tuple, list)), "args", args, "tuple or list")
    parts = []
    for i, arg in enumerate(args):
        if arg is None:
            parts.append("")
        elif isinstance(arg, str):
            parts.append(quoted("args[%d]" % i, arg))
        elif isinstance(arg, int):
            parts.append(str(int(arg)))
        else:
            _need(False, "args[%d]" % i, arg, "int, str or None")
    line = (text + ",".join(parts)).encode()
    if len(line) > _MAX_COMMAND:
        raise ValueError("text: %d bytes, expected up to %d" % (len(line), _MAX_COMMAND))
    return line
