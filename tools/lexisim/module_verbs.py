"""Verbs about the module as a whole, its pins, its SIM and its network."""

from . import network
from .bearers import BY_NETWORK
from .client_verbs import need_running
from .options import split_upsv
from .verb import Verb, VerbError, need, number, whole

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


def _hang(words, rest, usage):
    stops = words[-1:] == ["stopped"]
    how = words[:-1] if stops else words
    need(len(how) <= 1 and set(how) <= set(_HANGS), usage)

    def action(module):
        need_running(module)
        module.hang(how[0] if how else "pins", stops)

    return action


def _heal(words, rest, usage):
    need(not words, usage)
    return lambda module: module.heal()


def _reboot(words, rest, usage):
    need(set(words) <= {"silent", "forget"} and len(set(words)) == len(words), usage)
    silent, forget = "silent" in words, "forget" in words

    def action(module):
        need_running(module)
        module.boot("spontaneous", silent, forget)

    return action


def _upsv(words, rest, usage):
    need(len(words) == 1, usage)
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
        need(words in (["low"], ["high"]), usage)
        return lambda module: module.pins.set(pin, words[0])

    return parse


def _gpio(words, rest, usage):
    need(words in (["low"], ["high"]), usage)
    return lambda module: module.sleep.set_gpio(words[0])


def _cereg(words, rest, usage):
    need(len(words) == 1, usage)
    stat = whole(words[0], usage)
    return lambda module: module.network.force(stat)


def _network(words, rest, usage):
    need(words == ["back"] or (words[:1] == ["lost"] and len(words) <= 2), usage)
    if words == ["back"]:
        return lambda module: module.network.back()
    duration_s = number(words[1], usage) if len(words) == 2 else None
    return lambda module: module.network.lose(duration_s)


def _bearer(words, rest, usage):
    need(len(words) == 2 and words[1] in ("up", "down"), usage)
    cid = whole(words[0], usage)

    def action(module):
        if words[1] == "down":
            module.bearers.deactivate(cid, BY_NETWORK)
        elif not module.network.attached or cid not in module.bearers.defined:
            raise VerbError(f"there is no network, or no context {cid}")
        else:
            module.bearers.activate(cid)

    return action


def _sim(words, rest, usage):
    need(len(words) == 1 and words[0] in _SIMS, usage)
    return lambda module: module.network.change_sim(*_SIMS[words[0]])


def _pin(words, rest, usage):
    need(words in (["required"], ["ready"]), usage)
    return lambda module: module.network.require_pin(words[0] == "required")


VERBS = {
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
    "reboot": Verb(
        "reboot [silent] [forget]",
        "restart by itself; silent: no noise, no event 5; forget: URC setting lost",
        _reboot,
    ),
    "upsv": Verb(
        "upsv 0 | 1|5,<timeout_ms>,<max_sleep>", "somebody sets +UPSV, which is kept in NVM", _upsv
    ),
    "pwr_on": Verb("pwr_on low|high", "drive PWR_ON", _level("pwr_on")),
    "reset_n": Verb("reset_n low|high", "drive RESET_N", _level("reset_n")),
    "gpio": Verb(
        "gpio low|high",
        "drive the GPIO of +UGPIOC mode 34: with +UPSV=5 the UART is deaf while it is low",
        _gpio,
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
}
