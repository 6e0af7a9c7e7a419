"""The AT port: bytes in, lines out, one command at a time, URCs kept out of its way."""

from collections import Counter, deque
from dataclasses import dataclass

from . import at, harm, uart
from .at import CommandError
from .options import PLAIN_ERROR
from .pauses import Pauses
from .prompt import DataInput, Prompt

_CR = 0x0D
_LF = 0x0A
_SPACE = 0x20
_REMEMBERED_LINES = 20

LWM2M_PREFIX = "+ULWM2M"
# Commands that take longer than the usual answer delay: config field with the time.
_SLOW = {
    ("+CFUN", at.SET): "cfun_delay_s",
    ("+COPS", at.SET): "cfun_delay_s",
    ("+COPS", at.TEST): "cops_scan_s",
}


@dataclass(frozen=True)
class Reply:
    """What a command answers before OK, and what it does once OK is out.

    With a Prompt the data come first; only the last command of a line can ask for them.
    """

    lines: tuple = ()
    after: object = None
    prompt: Prompt = None


@dataclass
class Forced:
    """An answer imposed on the next matching command lines, instead of running them."""

    pattern: str  # a normalised line in capitals; a final * matches any rest
    final: str | None = "OK"  # "OK", "ERROR", or None for no answer at all
    cme: int | None = None
    lines: tuple = ()
    count: int = 1

    def matches(self, line):
        if self.pattern.endswith("*"):
            return line.startswith(self.pattern[:-1])
        return line == self.pattern


class AtPort:
    """Line discipline and dispatch. `commands` maps (name, form) to a handler."""

    def __init__(self, module, commands):
        self._module = module
        self._commands = commands
        self.pauses = Pauses(module)
        self.lost_lines = 0
        self.counts = Counter()
        self.last_lines = deque(maxlen=_REMEMBERED_LINES)
        self.forced = []
        self.late_s = 0.0
        self.late_count = 0
        self.interject = None  # URC text to put before the next final code
        self.swallowed = {}  # beginning of URCs to lose: how many
        self.cmee = module.config.cmee
        self.reset()

    def reset(self):
        """Start as after a boot."""
        config = self._module.config
        self.echo = config.echo
        self.verbose = True
        if not config.cmee_persists:
            self.cmee = config.cmee
        self._line = bytearray()
        self._lose_line = False
        self._idle_timer = None
        self._busy = False
        self._backlog = deque()
        self._deferred = []
        self._prompt = None  # the Prompt of the line that has just run
        self._data = None  # a DataInput while bytes behind a prompt are due

    # Host to module

    def byte(self, byte, start_s):
        """One byte arrived; its start bit began at `start_s`."""
        if self._data is not None:
            self._data.byte(byte, start_s)
            return
        if self._busy:
            if self._module.config.busy_input == "queue":
                self._backlog.append((byte, start_s))
            return
        self._accept(byte, start_s, False)

    def _accept(self, byte, start_s, queued):
        config = self._module.config
        if not self._line:
            if byte == _LF:
                return  # tolerated after CR
            if byte != _CR:
                self._line_starts(start_s, queued)
        if self.echo:
            self._send(bytes((byte,)), uart.ECHO)
        if byte == _CR:
            line, self._line = bytes(self._line), bytearray()
            self._stop_idle_timer()
            self._line_complete(line)
            return
        if len(self._line) < config.line_max:
            self._line.append(byte)
        self._stop_idle_timer()
        self._idle_timer = self._module.session.after_real(config.line_idle_s, self._line_idle)

    def cut_line(self):
        """The UART went deaf: a line that has no end yet is lost, also one that waits."""
        while self._backlog and self._backlog[-1][0] != _CR:
            self._backlog.pop()
        self._line.clear()
        if self._idle_timer is not None:
            self._stop_idle_timer()
            self.release_urcs()

    def _line_starts(self, start_s, queued):
        early = self.pauses.line_starts(start_s, queued)
        self._lose_line = early and self._module.config.gap_policy == "drop"

    def _stop_idle_timer(self):
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None

    def _line_idle(self):
        self._idle_timer = None
        self.release_urcs()

    def _line_complete(self, line):
        if self._lose_line:
            self.lost_lines += 1
            self.unheard(line)
            self.release_urcs()
            return
        body = _body_of(line)
        if body is None:
            self.release_urcs()
            return
        self._note_command(body, True)
        self._busy = True
        delay_s = self._delay_s(body)
        if self.late_count:
            self.late_count -= 1
            delay_s += self.late_s
        too_long = len(line) + 1 > self._module.config.line_max
        self._module.session.after(delay_s, lambda: self._run(body, too_long))

    def unheard(self, line):
        """A line that the module could not read, but that the host did send."""
        body = _body_of(line)
        if body is not None:
            self._note_command(body, False)

    def _note_command(self, body, heard):
        if heard:
            self.last_lines.append("AT" + body)
        self._module.record("command", "AT" + body, heard)
        harm.judge_line(self._module, body)

    def _delay_s(self, body):
        config = self._module.config
        try:
            slow = [_SLOW[key] for key in map(_key, at.parse_body(body)) if key in _SLOW]
        except CommandError:
            slow = []
        return max([config.answer_delay_s] + [getattr(config, name) for name in slow])

    # Commands

    def _run(self, body, too_long):
        forced = self._take_forced(("AT" + body).upper())
        if forced is not None:
            self._count(body)
            self._run_forced(forced)
            return
        lines, after, failure = [], [], PLAIN_ERROR if too_long else None
        self._prompt = None
        if not too_long:
            failure = self._run_commands(body, lines, after)
        if failure is None and self._prompt is not None:
            self._data = DataInput(self._module, self._prompt, self._data_complete)
            self.pauses.prompt_s = self._send(at.PROMPT, uart.TEXT)
            while self._backlog and self._data is not None:
                self._data.byte(*self._backlog.popleft())
            return
        final = "OK" if failure is None else at.error_text(failure, self.cmee)
        self._answer(lines, final, after)

    def _run_commands(self, body, lines, after):
        """Run the commands of a line; returns None or the CME number of the first failure."""
        config = self._module.config
        try:
            if not body:
                self.counts["AT"] += 1
            for index, command in enumerate(at.parse_body(body)):
                if index and not config.concatenate:
                    raise CommandError(at.UNKNOWN)
                self.counts[command.name] += 1
                reply = self._run_one(command)
                lines.extend(reply.lines)
                self._prompt = reply.prompt
                if reply.after is not None:
                    after.append(reply.after)
        except CommandError as error:
            cme = error.cme
            return config.cme_unknown_command if cme == at.UNKNOWN else cme
        return None

    def _run_one(self, command):
        config = self._module.config
        handler = self._commands.get(_key(command))
        if handler is None:
            if not command.name.startswith("+"):
                raise CommandError(at.UNKNOWN)
            known = any(name == command.name for name, _ in self._commands)
            raise CommandError(config.cme_unsupported_form if known else at.UNKNOWN)
        if command.name.startswith(LWM2M_PREFIX) and not self._module.lwm2m_ready():
            raise CommandError(config.cme_not_ready)
        return handler(self._module, command.text)

    def _count(self, body):
        try:
            names = [command.name for command in at.parse_body(body)]
        except CommandError:
            names = []
        self.counts.update(names or ["AT"])

    def _take_forced(self, line):
        for forced in self.forced:
            if forced.matches(line):
                forced.count -= 1
                if not forced.count:
                    self.forced.remove(forced)
                return forced
        return None

    def _run_forced(self, forced):
        if forced.final is None:
            self._done()
            return
        final = forced.final
        if forced.cme is not None:
            final = at.error_text(forced.cme, self.cmee)
        self._answer(forced.lines, final, [])

    def _data_complete(self):
        self._data = None

    def data_taken(self, lines, failure):
        """The data behind a prompt have had their effect, or a CME number says why not."""
        self._answer(lines, "OK" if failure is None else at.error_text(failure, self.cmee), [])

    # Module to host

    def _send(self, data, kind):
        transmitter = self._module.transmitter
        end_s = transmitter.send(data, kind, self._module.clock.real_s)
        if not transmitter.muted:
            self._module.sleep.said(end_s * self._module.clock.speed)
        return end_s

    def _answer(self, lines, final, after):
        for line in lines:
            self._send(at.format_text(line, self.verbose), uart.TEXT)
        if self.interject is not None:
            text, self.interject = self.interject, None
            self._send(at.format_text(text, self.verbose), uart.URC)
        end_s = self._send(at.format_final(final, self.verbose), uart.FINAL)
        for action in after:
            self._module.session.at_real(end_s, action)
        self._done()

    def _done(self):
        self._busy = False
        self.release_urcs()
        while self._backlog and not self._busy:
            byte, start_s = self._backlog.popleft()
            self._accept(byte, start_s, True)

    @property
    def busy(self):
        """Whether a command line is being received or runs."""
        return self._busy or self._idle_timer is not None

    def urc(self, text):
        """Send an unsolicited line, now or when the port is free; lost unless AT answers."""
        sleep = self._module.sleep
        if not self._module.booted or sleep.loses_output:
            return
        if sleep.holds_output or (self._module.config.defer_urcs and self.busy):
            self._deferred.append(text)
        else:
            self._send_urc(text)

    def release_urcs(self):
        """Send the URCs that were held back, unless the UART sleeps."""
        if self._module.sleep.holds_output:
            return
        deferred, self._deferred = self._deferred, []
        for text in deferred:
            self._send_urc(text)

    def _send_urc(self, text):
        for prefix in self.swallowed:
            if text.startswith(prefix):
                self.swallowed[prefix] -= 1
                if not self.swallowed[prefix]:
                    del self.swallowed[prefix]
                return
        self._send(at.format_text(text, self.verbose), uart.URC)


def _body_of(line):
    """Return a line after its `AT` without blanks, or None."""
    text = bytes(byte for byte in line if byte >= _SPACE).decode("latin-1")
    body = at.find_prefix(text)
    return None if body is None else at.normalise(body)


def _key(command):
    return command.name, command.form
