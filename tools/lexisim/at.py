"""AT command lines as data: tokens of a line, parameters of a command, text of an answer.

Pure functions. V.250 and the SARA-R4 manual: case-insensitive, blanks ignored outside quotes,
basic commands follow each other directly, extended commands are joined by `;`.
"""

import re
from dataclasses import dataclass

from . import codes
from .options import PLAIN_ERROR

SET = "set"
READ = "read"
TEST = "test"
EXECUTE = "execute"
PROMPT = b"\r\n@"
UNKNOWN = None  # CommandError: there is no such command; the port knows its CME number

_BLANKS = re.compile(r'("[^"]*"?)|[ \t]+')
_PREFIX = re.compile(r"at", re.IGNORECASE)
_BASIC = re.compile(r"(&?[A-Za-z])(=\?|\?|=[^;]*|\d*)")
_EXTENDED = re.compile(r'(\+[A-Za-z][A-Za-z0-9]*)(=\?|\?|=(?:[^";]|"[^"]*"?)*|)(?=;|$)')
_PARAMETER = re.compile(r'"([^"]*)"|([^",]*)')


class CommandError(Exception):
    """A command fails with this +CME ERROR number (PLAIN_ERROR: a bare ERROR)."""

    def __init__(self, cme):
        super().__init__(cme)
        self.cme = cme


@dataclass(frozen=True)
class Command:
    """One command of a line: name in capitals, form, and the text after `=` or the digits."""

    name: str
    form: str
    text: str = ""


@dataclass(frozen=True)
class Number:
    """A numeric parameter and its range."""

    name: str
    low: int
    high: int


def find_prefix(line):
    """Return the part of a line after its `AT`, or None; what stands before it is ignored."""
    match = _PREFIX.search(line)
    return line[match.end() :] if match else None


def normalise(text):
    """Drop the blanks outside quotes."""
    return _BLANKS.sub(lambda match: match.group(1) or "", text)


def parse_body(body):
    """Yield the Commands of a line after its `AT`; raises CommandError where it makes no sense."""
    position = 0
    while position < len(body):
        if body[position] == ";":
            position += 1
            continue
        pattern, kind = (_EXTENDED, _extended) if body[position] == "+" else (_BASIC, _basic)
        match = pattern.match(body, position)
        if match is None:
            raise CommandError(UNKNOWN)
        yield kind(match.group(1).upper(), match.group(2))
        position = match.end()


def _extended(name, rest):
    if rest == "?":
        return Command(name, READ)
    if rest == "=?":
        return Command(name, TEST)
    if rest:
        return Command(name, SET, rest[1:])
    return Command(name, EXECUTE)


def _basic(name, rest):
    if rest.startswith("=") or rest == "?":
        return Command(name, TEST if rest == "=?" else READ)
    return Command(name, EXECUTE, rest)


@dataclass(frozen=True)
class Text:
    """A quoted parameter and the regular expression its whole value must match."""

    name: str
    pattern: str = r".*"


def parameters(text):
    """Return the parameters as (value, quoted) pairs; ValueError if the text is malformed."""
    found = []
    position = 0
    while True:
        match = _PARAMETER.match(text, position)
        quoted = match.group(1) is not None
        found.append((match.group(1) if quoted else match.group(2), quoted))
        position = match.end()
        if position == len(text):
            return found
        if text[position] != ",":
            raise ValueError(text)
        position += 1


def arguments(text, declared, required, bad_parameter_cme):
    """Return the parameters of a set command, None for the optional ones left out.

    `declared` is a sequence of Number and Text, of which the first `required` must be given.
    """
    try:
        given = parameters(text)
    except ValueError:
        raise CommandError(bad_parameter_cme) from None
    if len(given) > len(declared):
        raise CommandError(bad_parameter_cme)
    found = [None] * len(declared)
    for index, (value, quoted) in enumerate(given):
        if value == "" and not quoted and index >= required:
            continue
        try:
            found[index] = _argument(declared[index], value, quoted)
        except ValueError:
            raise CommandError(bad_parameter_cme) from None
    if None in found[:required]:
        raise CommandError(bad_parameter_cme)
    return found


def _argument(declared, value, quoted):
    if isinstance(declared, Text):
        if not quoted or not re.fullmatch(declared.pattern, value):
            raise ValueError(value)
        return value
    if quoted or not re.fullmatch(r"[0-9]{1,9}", value):
        raise ValueError(value)
    if not declared.low <= int(value) <= declared.high:
        raise ValueError(value)
    return int(value)


def error_text(cme, cmee):
    """Return the final line of a failed command under +CMEE=`cmee` (manual, +CMEE)."""
    if cmee == 0 or cme == PLAIN_ERROR:
        return "ERROR"
    if cmee == 1:
        return f"+CME ERROR: {cme}"
    return f"+CME ERROR: {codes.CME_TEXTS.get(cme, 'unknown')}"


def format_text(text, verbose):
    """Return the bytes of an information text or URC line (V1 or V0 form)."""
    body = text.encode("latin-1", "replace")
    return b"\r\n" + body + b"\r\n" if verbose else body + b"\r\n"


def format_final(text, verbose):
    """Return the bytes of a final result code (V1 or V0 form)."""
    if verbose:
        return format_text(text, verbose)
    if text in codes.NUMERIC_FINALS:
        return b"%d\r" % codes.NUMERIC_FINALS[text]
    return format_text(text, verbose)
