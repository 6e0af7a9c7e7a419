"""What a verb is, and how its words are read."""

import re
from dataclasses import dataclass


class VerbError(ValueError):
    """A verb line makes no sense; the text says what was expected."""


@dataclass(frozen=True)
class Verb:
    """How a verb is written, what it does, and its parser.

    parse(words, raw text after the verb, usage) returns action(module), or raises VerbError.
    """

    usage: str
    text: str
    parse: object


def need(condition, usage):
    """Refuse words that make no sense."""
    if not condition:
        raise VerbError(f"expected: {usage}")


def number(word, usage, low=0.0):
    """Return a number of at least `low`."""
    try:
        value = float(word)
    except ValueError:
        raise VerbError(f"{word!r} is not a number; expected: {usage}") from None
    need(low <= value < float("inf"), usage)
    return value


def whole(word, usage, low=0):
    """Return a whole number of at least `low`."""
    need(re.fullmatch(r"[0-9]{1,9}", word) and int(word) >= low, usage)
    return int(word)


def hexadecimal(word, usage):
    """Return the bytes of a hexadecimal word."""
    try:
        data = bytes.fromhex(word.removeprefix("0x"))
    except ValueError:
        raise VerbError(f"{word!r} is not hexadecimal; expected: {usage}") from None
    need(data, usage)
    return data


def count_of(words, usage):
    """Return the number in an optional word; 1 without it."""
    need(len(words) <= 1, usage)
    return whole(words[0], usage, low=1) if words else 1
