"""The verbs of a scenario file and of the control port: one table, one parser.

A verb's parser takes the words after it and returns what to do to the module. It raises
VerbError when the words make no sense, so a scenario is checked before it is played.
"""

import json
import re
import shlex
from dataclasses import dataclass

from . import at, codes, network
from .bearers import BY_NETWORK
from .history import as_json
from .options import split_upsv
from .port import Forced

_REACH = ("up", "down", "reject")
_HANGS = ("pins", "power", "never")
# State of the SIM: what +CPIN says, whether the network refuses it.
_SIMS = {
    "ready": (network.SIM_READY, False),
    "pin": (network.SIM_PIN, False),
    "puk": (network.SIM_PUK, False),
    "absent": (network.SIM_ABSENT, False),
    "failure": (network.SIM_FAILURE, False),
    "denied": (network.SIM_READY, True),
}
_INITS = {
    "ok": codes.INIT_FINISHED,
    "production": codes.INIT_PRODUCTION,
    "fail": codes.INIT_FAILED,
    "hang": codes.INIT_STARTED,
}


class VerbError(ValueError):
    """A verb line makes no sense; the text says what was expected."""


@dataclass(frozen=True)
class Verb:
    """How a verb is written, what it does, and its parser (words, raw text after the verb)."""

    usage: str
    text: str
    parse: object


def _need(condition, usage):
    if not condition:
        raise VerbError(f"expected: {usage}")


def _number(word, usage, low=0.0):
    try:
        value = float(word)
    except ValueError:
        raise VerbError(f"{word!r} is not a number; expected: {usage}") from None
    _need(low <= value < float("inf"), usage)
    return value


def _whole(word, usage, low=0):
    _need(re.fullmatch(r"[0-9]{1,9}", word) and int(word) >= low, usage)
    return int(word)


def _hex(word, usage):
    try:
        data = bytes.fromhex(word.removeprefix("0x"))
    except ValueError:
        raise VerbError(f"{word!r} is not hexadecimal; expected: {usage}") from None
    _need(data, usage)
    return data


def _server(module, server_id):
    """Return the client's account; it has none while the module is off or after a reset."""
    server = module.client.servers.get(server_id)
    if server is None:
        raise VerbError(f"there is no server {server_id} in the client now")
    return server


def _remote(module, server_id):
    """Return the far end, which exists whatever the module does."""
    remote = module.client.remotes.get(server_id)
    if remote is None:
        raise VerbError(f"there is no server {server_id}")
    return remote


# Parsers: (words, rest, usage) -> action(module)


def _lose(words, rest, usage):
    _need(len(words) in (1, 2) and words[1:] in ([], ["now"]), usage)
    server_id = _whole(words[0], usage)

    def action(module):
        _remote(module, server_id).forget()
        if len(words) == 2:
            _server(module, server_id).update_now()

    return action


def _reachability(words, rest, usage):
    _need(len(words) == 2 and words[1] in _REACH, usage)
    server_id = _whole(words[0], usage)

    def action(module):
        _remote(module, server_id).reach = words[1]
        module.client.reach_changed(server_id)

    return action


def _status(words, rest, usage):
    _need(len(words) == 2, usage)
    server_id, code = _whole(words[0], usage), _whole(words[1], usage)
    known = ", ".join(map(str, sorted(codes.STATUS_NAMES)))
    _need(code in codes.STATUS_NAMES, f"{usage} with a code of the manual ({known})")
    return lambda module: _server(module, server_id).force_code(code)


def _freeze(words, rest, usage):
    _need(len(words) == 2, usage)
    server_id, code = _whole(words[0], usage), _whole(words[1], usage)
    _need(code in codes.STATUS_NAMES, f"{usage} with a code of the manual")
    return lambda module: _server(module, server_id).freeze(code)


def _timer(words, rest, usage):
    _need(len(words) in (1, 2) and words[0] in ("freeze", "run"), usage)
    wanted = _whole(words[1], usage) if len(words) == 2 else None

    def action(module):
        servers = list(module.client.servers.values())
        for server in servers if wanted is None else [_server(module, wanted)]:
            server.freeze_timer() if words[0] == "freeze" else server.run_timer()

    return action


def _config(words, rest, usage):
    _need(len(words) == 3 and words[1] == "disabled" and words[2] in ("0", "1"), usage)
    server_id = _whole(words[0], usage, low=1)

    def action(module):
        if server_id not in [row[0] for row in module.client.rows()]:
            raise VerbError(f"there is no +ULWM2MCONFIG row of server {server_id}")
        module.client.set_disabled(server_id, int(words[2]))

    return action


def _notify(words, rest, usage):
    _need(len(words) == 2 and words[1].startswith("/"), usage)
    server_id = _whole(words[0], usage)
    return lambda module: _server(module, server_id).notify(words[1])


def _late(words, rest, usage):
    _need(len(words) in (1, 2), usage)
    delay_s = _number(words[0], usage)
    count = _whole(words[1], usage, low=1) if len(words) == 2 else 1

    def action(module):
        module.port.late_s = delay_s
        module.port.late_count = count

    return action


def _mute(words, rest, usage):
    _need(len(words) == 1, usage)
    duration_s = None if words[0] == "forever" else _number(words[0], usage)
    return lambda module: module.mute(duration_s)


def _unmute(words, rest, usage):
    _need(not words, usage)
    return lambda module: module.unmute()


def _need_running(module):
    """The module must be on, and not in the middle of an installation."""
    if not module.powered:
        raise VerbError("the module is off; use pwr_on")
    if module.fota.installing:
        raise VerbError("the module is installing firmware")


def _hang(words, rest, usage):
    stops = words[-1:] == ["stopped"]
    how = words[:-1] if stops else words
    _need(len(how) <= 1 and set(how) <= set(_HANGS), usage)

    def action(module):
        _need_running(module)
        module.hang(how[0] if how else "pins", stops)

    return action


def _heal(words, rest, usage):
    _need(not words, usage)
    return lambda module: module.heal()


def _init(words, rest, usage):
    _need(len(words) in (1, 2) and words[0] in _INITS, usage)
    boots = _whole(words[1], usage, low=1) if len(words) == 2 else None
    return lambda module: setattr(module.client, "init_next", (_INITS[words[0]], boots))


def _mode(words, rest, usage):
    _need(len(words) == 1 and words[0] in ("0", "1", "2", "3"), usage)
    mode = int(words[0])

    def action(module):
        if not module.booted:
            raise VerbError("the module does not run")
        module.client.set_mode(mode, 1)

    return action


def _profile(words, rest, usage):
    _need(len(words) == 1, usage)
    number = _whole(words[0], usage)

    def action(module):
        _need_running(module)
        module.profile.store(number)
        module.boot("profile changed")

    return action


def _fota(words, rest, usage):
    _need(words and len(words) <= 3 and words[0] in ("start", "fail"), usage)
    _need(words[0] == "start" or len(words) == 1, usage)
    seconds = [_number(word, usage) for word in words[1:]]
    return (lambda module: _fota_start(module, *seconds)) if words[0] == "start" else _fota_fail


def _fota_start(module, download_s=None, install_s=None):
    config = module.config
    if module.fota.running:
        raise VerbError(f"an update is running (stage {module.fota.stage})")
    if not module.client.active:
        raise VerbError("the LwM2M client does not run")
    module.fota.start(
        config.fota_download_s if download_s is None else download_s,
        config.fota_install_s if install_s is None else install_s,
    )


def _fota_fail(module):
    if module.fota.stage != "download":
        raise VerbError(f"nothing is being downloaded (stage {module.fota.stage})")
    module.fota.fail()


def _reboot(words, rest, usage):
    _need(set(words) <= {"silent", "forget"} and len(set(words)) == len(words), usage)
    silent, forget = "silent" in words, "forget" in words

    def action(module):
        _need_running(module)
        module.boot("spontaneous", silent, forget)

    return action


def _noise(words, rest, usage):
    _need(len(words) == 1, usage)
    if words[0].isdigit():
        count = _whole(words[0], usage, low=1)
        return lambda module: module.send_raw(module.random.randbytes(count))
    data = _hex(words[0], usage)
    return lambda module: module.send_raw(data)


def _raw(words, rest, usage):
    data = _hex("".join(words), usage)
    return lambda module: module.send_raw(data)


def _drop(words, rest, usage):
    _need(len(words) == 1, usage)
    count = _whole(words[0], usage, low=1)
    return lambda module: setattr(module.transmitter, "drop_next", count)


def _duplicate(words, rest, usage):
    _need(len(words) == 1, usage)
    count = _whole(words[0], usage, low=1)
    return lambda module: setattr(module.transmitter, "duplicate_next", count)


def _split(words, rest, usage):
    _need(len(words) in (1, 2), usage)
    pieces = _whole(words[0], usage, low=2)
    pause_s = _number(words[1], usage) if len(words) == 2 else 0.0

    def action(module):
        module.transmitter.split_next = (pieces, pause_s / module.config.speed)

    return action


def _text_of(rest, usage):
    _need(rest and rest.isascii() and rest.isprintable(), usage)
    return rest


def _urc(words, rest, usage):
    text = _text_of(rest, usage)
    return lambda module: module.port.urc(text)


def _interject(words, rest, usage):
    text = _text_of(rest, usage)
    return lambda module: setattr(module.port, "interject", text)


def _swallow(words, rest, usage):
    _need(len(words) in (1, 2) and words[0], usage)
    count = _count_of(words[1:], usage)
    return lambda module: module.port.swallowed.update({words[0]: count})


def _answer(words, rest, usage):
    _need(len(words) >= 2, usage)
    pattern = at.normalise(words[0]).upper()
    _need(pattern.startswith("AT"), usage)
    kind, values = words[1], words[2:]
    parsers = {"error": _answer_error, "ok": _answer_ok, "none": _answer_none}
    _need(kind in parsers, usage)
    forced = {"pattern": pattern, **parsers[kind](values, usage)}

    def action(module):
        module.port.forced.append(Forced(**forced))

    return action


def _count_of(words, usage):
    _need(len(words) <= 1, usage)
    return _whole(words[0], usage, low=1) if words else 1


def _answer_error(values, usage):
    _need(values, usage)
    count = _count_of(values[1:], usage)
    if values[0] == "plain":
        return {"final": "ERROR", "count": count}
    return {"cme": _whole(values[0], usage), "count": count}


def _answer_ok(values, usage):
    return {"lines": tuple(values)}


def _answer_none(values, usage):
    return {"final": None, "count": _count_of(values, usage)}


def _cereg(words, rest, usage):
    _need(len(words) == 1, usage)
    stat = _whole(words[0], usage)
    return lambda module: module.network.force(stat)


def _network(words, rest, usage):
    _need(words == ["back"] or (words[:1] == ["lost"] and len(words) <= 2), usage)
    if words == ["back"]:
        return lambda module: module.network.back()
    duration_s = _number(words[1], usage) if len(words) == 2 else None
    return lambda module: module.network.lose(duration_s)


def _bearer(words, rest, usage):
    _need(len(words) == 2 and words[1] in ("up", "down"), usage)
    cid = _whole(words[0], usage)

    def action(module):
        if words[1] == "down":
            module.bearers.deactivate(cid, BY_NETWORK)
        elif not module.network.attached or cid not in module.bearers.defined:
            raise VerbError(f"there is no network, or no context {cid}")
        else:
            module.bearers.activate(cid)

    return action


def _sim(words, rest, usage):
    _need(len(words) == 1 and words[0] in _SIMS, usage)
    return lambda module: module.network.change_sim(*_SIMS[words[0]])


def _pin(words, rest, usage):
    _need(words in (["required"], ["ready"]), usage)
    return lambda module: module.network.require_pin(words[0] == "required")


def _upsv(words, rest, usage):
    _need(len(words) == 1, usage)
    try:
        setting = split_upsv(words[0])
    except ValueError:
        raise VerbError(f"expected: {usage}") from None

    def action(module):
        if not module.booted:
            raise VerbError("the module does not run")
        module.sleep.store(*setting)

    return action


def _level(pin):
    def parse(words, rest, usage):
        _need(words in (["low"], ["high"]), usage)
        return lambda module: module.pins.set(pin, words[0])

    return parse


VERBS = {
    "lose": Verb(
        "lose <id> [now]", "the server forgets the registration: the next update fails", _lose
    ),
    "server": Verb("server <id> up|down|reject", "how the server answers", _reachability),
    "status": Verb("status <id> <code>", "force a status code of the manual", _status),
    "freeze": Verb(
        "freeze <id> <code>",
        "the account hangs in a code until a reboot, AT+ULWM2MREG or heal",
        _freeze,
    ),
    "timer": Verb(
        "timer freeze|run [id]", "the time to the next update stands still, or goes on", _timer
    ),
    "config": Verb(
        "config <id> disabled 0|1", "somebody writes <server_disabled> of a row", _config
    ),
    "notify": Verb("notify <id> <uri>", "one notification (event 3)", _notify),
    "late": Verb("late <seconds> [count]", "the next answers take this much longer", _late),
    "mute": Verb("mute <seconds>|forever", "the AT port is dead (a boot ends it)", _mute),
    "unmute": Verb("unmute", "end of mute", _unmute),
    "hang": Verb(
        "hang [pins|power|never] [stopped]",
        "the AT port is dead until a reset or power cycle (pins), a power cycle, or for ever; "
        "stopped: the client and the radio stop too",
        _hang,
    ),
    "heal": Verb(
        "heal",
        "network, servers and SIM are well, nothing hangs, no fault is pending; "
        "what the host can mend (dead ends, modes, rows, radio off) stays",
        _heal,
    ),
    "init": Verb(
        "init ok|production|fail|hang [boots]",
        "how the client's initialisation ends at the next boots (default: all)",
        _init,
    ),
    "mode": Verb(
        "mode 0|1|2|3",
        "somebody sets <activation_mode> as AT+ULWM2M does, saved if it is 1",
        _mode,
    ),
    "profile": Verb("profile <n>", "somebody changes the MNO profile and reboots", _profile),
    "fota": Verb(
        "fota start [download_s] [install_s] | fail",
        "a firmware update comes, or its download fails",
        _fota,
    ),
    "reboot": Verb(
        "reboot [silent] [forget]",
        "restart by itself; silent: no noise, no event 5; forget: URC setting lost",
        _reboot,
    ),
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
    "cereg": Verb("cereg <n>", "force the +CEREG state", _cereg),
    "network": Verb(
        "network lost [seconds] | back", "there is no network, or there is again", _network
    ),
    "bearer": Verb(
        "bearer <cid> up|down", "the network ends a PDP context, or it comes back", _bearer
    ),
    "sim": Verb(
        "sim ready|pin|puk|absent|failure|denied",
        "the SIM from now on, also after a reboot; denied: the network refuses it",
        _sim,
    ),
    "pin": Verb("pin required|ready", "the SIM asks for its PIN, or no longer does", _pin),
    "upsv": Verb(
        "upsv 0|1,<timeout_ms>,<max_sleep>", "somebody sets +UPSV, which is kept in NVM", _upsv
    ),
    "pwr_on": Verb("pwr_on low|high", "drive PWR_ON", _level("pwr_on")),
    "reset_n": Verb("reset_n low|high", "drive RESET_N", _level("reset_n")),
}


def parse_verb(line):
    """Return the action of a verb line, a function of the module. Raises VerbError."""
    return _parse(VERBS, line)


def _parse(table, line):
    name, _, rest = line.strip().partition(" ")
    rest = rest.strip()
    if name not in table:
        raise VerbError(f"unknown verb {name!r}; one of: {', '.join(table)}")
    verb = table[name]
    try:
        words = shlex.split(rest)
    except ValueError:
        raise VerbError(f"unbalanced quote; expected: {verb.usage}") from None
    return verb.parse(words, rest, verb.usage)


def _ask_state(words, rest, usage):
    _need(not words, usage)
    return lambda module: json.dumps(module.state())


def _ask_history(words, rest, usage):
    _need(len(words) <= 1, usage)
    since_s = _number(words[0], usage) if words else 0.0

    def answer(module):
        entries = [as_json(entry) for entry in module.history if entry[0] >= since_s]
        return "\n".join([*entries, "ok"])

    return answer


def _ask_help(words, rest, usage):
    _need(not words, usage)
    usages = [verb.usage for table in (QUERIES, VERBS) for verb in table.values()]
    return lambda module: "; ".join(usages)


# What only the control port knows: as a verb, but the parser returns what makes the answer.
QUERIES = {
    "state": Verb("state", "the true state, one line of JSON", _ask_state),
    "history": Verb(
        "history [since_s]",
        "what happened since a module time: a JSON array per line, then ok",
        _ask_history,
    ),
    "help": Verb("help", "the verbs, one line", _ask_help),
}


def run_verb(module, line):
    """Run one line of the control port and return its answer without the last line end.

    A verb answers `ok`, a query of QUERIES what it is asked; both `error: <why>` if they fail.
    """
    line = line.strip()
    try:
        if line.partition(" ")[0] in QUERIES:
            return _parse(QUERIES, line)(module)
        action = parse_verb(line)
        module.note(f"control: {line}")
        module.record("verb", line)
        action(module)
    except VerbError as error:
        return f"error: {error}"
    return "ok"
