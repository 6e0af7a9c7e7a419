"""Verbs about the AT port and the line: what is said, in which shape, and when not at all."""

from . import at
from .port import Forced
from .verb import Verb, count_of, hexadecimal, need, number, whole


def _late(words, rest, usage):
    need(len(words) in (1, 2), usage)
    delay_s = number(words[0], usage)
    count = whole(words[1], usage, low=1) if len(words) == 2 else 1

    def action(module):
        module.port.late_s = delay_s
        module.port.late_count = count

    return action


def _mute(words, rest, usage):
    need(len(words) == 1, usage)
    duration_s = None if words[0] == "forever" else number(words[0], usage)
    return lambda module: module.mute(duration_s)


def _unmute(words, rest, usage):
    need(not words, usage)
    return lambda module: module.unmute()


def _noise(words, rest, usage):
    need(len(words) == 1, usage)
    if words[0].isdigit():
        count = whole(words[0], usage, low=1)
        return lambda module: module.send_raw(module.random.randbytes(count))
    data = hexadecimal(words[0], usage)
    return lambda module: module.send_raw(data)


def _raw(words, rest, usage):
    data = hexadecimal("".join(words), usage)
    return lambda module: module.send_raw(data)


def _drop(words, rest, usage):
    need(len(words) == 1, usage)
    count = whole(words[0], usage, low=1)
    return lambda module: setattr(module.transmitter, "drop_next", count)


def _duplicate(words, rest, usage):
    need(len(words) == 1, usage)
    count = whole(words[0], usage, low=1)
    return lambda module: setattr(module.transmitter, "duplicate_next", count)


def _split(words, rest, usage):
    need(len(words) in (1, 2), usage)
    pieces = whole(words[0], usage, low=2)
    pause_s = number(words[1], usage) if len(words) == 2 else 0.0

    def action(module):
        module.transmitter.split_next = (pieces, pause_s / module.config.speed)

    return action


def _text_of(rest, usage):
    need(rest and rest.isascii() and rest.isprintable(), usage)
    return rest


def _urc(words, rest, usage):
    text = _text_of(rest, usage)
    return lambda module: module.port.urc(text)


def _interject(words, rest, usage):
    text = _text_of(rest, usage)
    return lambda module: setattr(module.port, "interject", text)


def _swallow(words, rest, usage):
    need(len(words) in (1, 2) and words[0], usage)
    count = count_of(words[1:], usage)
    return lambda module: module.port.swallowed.update({words[0]: count})


def _answer(words, rest, usage):
    need(len(words) >= 2, usage)
    pattern = at.normalise(words[0]).upper()
    need(pattern.startswith("AT"), usage)
    kind, values = words[1], words[2:]
    parsers = {"error": _answer_error, "ok": _answer_ok, "none": _answer_none}
    need(kind in parsers, usage)
    forced = {"pattern": pattern, **parsers[kind](values, usage)}

    def action(module):
        module.port.forced.append(Forced(**forced))

    return action


def _answer_error(values, usage):
    need(values, usage)
    count = count_of(values[1:], usage)
    if values[0] == "plain":
        return {"final": "ERROR", "count": count}
    return {"cme": whole(values[0], usage), "count": count}


def _answer_ok(values, usage):
    return {"lines": tuple(values)}


def _answer_none(values, usage):
    return {"final": None, "count": count_of(values, usage)}


VERBS = {
    "late": Verb("late <seconds> [count]", "the next answers take this much longer", _late),
    "mute": Verb("mute <seconds>|forever", "the AT port is dead (a boot ends it)", _mute),
    "unmute": Verb("unmute", "end of mute", _unmute),
    "noise": Verb("noise <count>|<hex>", "bytes on the wire; only digits: a count", _noise),
    "raw": Verb("raw <hex>", "these bytes on the wire", _raw),
    "drop": Verb("drop <n>", "the next n bytes to the host are lost", _drop),
    "duplicate": Verb("duplicate <n>", "the next n bytes to the host come twice", _duplicate),
    "split": Verb("split <pieces> [pause_s]", "the next URC comes in pieces", _split),
    "urc": Verb("urc <text>", "an unsolicited line, deferred like any other", _urc),
    "interject": Verb(
        "interject <text>", "a URC between the next answer and its final code", _interject
    ),
    "swallow": Verb(
        'swallow "<text>" [count]', "the next URCs that begin with this are lost", _swallow
    ),
    "answer": Verb(
        'answer "<AT line>" error <code>|plain [count] | none [count] | ok ["line" ...]',
        "force the answer of the next matching line; a final * in it matches any rest",
        _answer,
    ),
}
