"""The AT commands about SIM, registration, operator, signal and time (3GPP TS 27.007)."""

from datetime import datetime, timedelta, timezone

from . import codes, network, operators
from .at import EXECUTE, READ, SET, TEST, CommandError, Number, Text, parameters
from .handlers import accept, fixed, from_config, stored, values
from .port import Reply

_UNKNOWN_99 = 99  # +CSQ, +CESQ
_UNKNOWN_255 = 255
_CLOCK_START = datetime(2026, 1, 1, tzinfo=timezone.utc)
_EDRX_E_UTRAN = 4  # <AcT-type> of +CEDRXS
_TIMER = Text("timer", "[01]{8}")

# SIM


def _cpin_read(module, _):
    sim = module.network.sim
    if sim in (network.SIM_ABSENT, network.SIM_FAILURE):
        raise CommandError(network.SIM_ERRORS[sim])
    return Reply((f"+CPIN: {sim}",))


def _cpin_set(module, text):
    """The PIN only; a SIM that asks for its PUK stays locked."""
    sim = module.network.sim
    if sim == network.SIM_READY:
        raise CommandError(codes.CME_NOT_ALLOWED)
    if sim != network.SIM_PIN:
        raise CommandError(network.SIM_ERRORS[sim])
    try:
        ((pin, _),) = parameters(text)
    except ValueError:
        raise CommandError(module.config.cme_bad_parameter) from None
    if not (pin.isdigit() and 4 <= len(pin) <= 8):
        raise CommandError(module.config.cme_bad_parameter)
    if not module.network.enter_pin(pin):
        raise CommandError(codes.CME_INCORRECT_PASSWORD)
    return Reply()


def _sim_read(name, prefix=""):
    answer = from_config(name, prefix)

    def handler(module, text):
        module.network.need_sim()
        return answer(module, text)

    return handler


# Registration


def _registration(name):
    """Return the entries of +CREG, +CGREG or +CEREG."""
    highest = network.LEVELS[name]

    def store(module, text):
        (module.network.reports[name],) = values(module, text, [Number("n", 0, highest)])
        return Reply()

    def read(module, _):
        reports = module.network.reports
        return Reply((f"{name}: {reports[name]},{module.network.fields(name)}",))

    test = fixed(f"{name}: (0-{highest})")
    return {(name, SET): store, (name, READ): read, (name, TEST): test}


_COPS = (
    Number("mode", 0, operators.FALLBACK),
    Number("format", 0, operators.NUMERIC),
    Text("oper"),
    Number("AcT", codes.E_UTRAN, codes.E_UTRAN),
)


def _cops_set(module, text):
    mode, name_format, name, _ = values(module, text, _COPS)
    by_name = mode in (operators.MANUAL, operators.FALLBACK)
    needed = {operators.FORMAT_ONLY: [name_format]}.get(mode, [name_format, name] * by_name)
    if None in needed:
        raise CommandError(module.config.cme_bad_parameter)
    if mode not in (operators.DEREGISTERED, operators.FORMAT_ONLY):
        module.network.need_sim()
    if name_format is not None and not by_name:
        module.network.operators.format = name_format
    if mode == operators.FORMAT_ONLY:
        return Reply()
    if not module.network.select(mode, name if by_name else None, name_format):
        raise CommandError(module.config.cme_no_network)
    return Reply()


def _cops_read(module, _):
    return Reply((module.network.operators.answer(module.network.attached),))


def _cops_test(module, _):
    """The networks in sight, which takes its time."""
    radio = module.network
    radio.need_sim()
    if radio.cfun != network.CFUN_FULL:
        raise CommandError(codes.CME_NOT_ALLOWED)
    answer = radio.operators.answer_test(radio.attached, radio.denied, radio.available)
    return Reply((answer,))


def _cgatt_set(module, text):
    (wanted,) = values(module, text, [Number("state", 0, 1)])
    radio = module.network
    radio.need_sim()
    radio.attach(bool(wanted))
    if wanted and not (radio.attached or radio.attaching):
        raise CommandError(module.config.cme_no_network)
    return Reply()


def _cgatt_read(module, _):
    return Reply((f"+CGATT: {int(module.network.attached)}",))


# Signal and time


def _csq(module, _):
    quality = module.config.csq if module.network.attached else _UNKNOWN_99
    return Reply((f"+CSQ: {quality},{_UNKNOWN_99}",))


def _cesq(module, _):
    config = module.config
    signal = (_UNKNOWN_255, _UNKNOWN_255)
    if module.network.attached:
        signal = (config.rsrq, config.rsrp)
    fields = (_UNKNOWN_99, _UNKNOWN_99, _UNKNOWN_255, _UNKNOWN_255, *signal)
    return Reply(("+CESQ: " + ",".join(map(str, fields)),))


def _cclk_read(module, _):
    """UTC (ubxlib); set by the network in reality, always right here."""
    now = _CLOCK_START + timedelta(seconds=int(module.clock.module_s))
    return Reply((f'+CCLK: "{now:%y/%m/%d,%H:%M:%S}+00"',))


# Power saving of the radio: stored only


def _cpsms_set(module, text):
    """<mode>,,,<periodic TAU>,<active time>; nothing at all is mode 0."""
    declared = (Number("mode", 0, 1), Text("rau"), Text("ready"), _TIMER, _TIMER)
    mode, _, _, tau, active = values(module, text or "0", declared)
    _, old_tau, old_active = module.settings.get("+CPSMS")
    module.settings.put("+CPSMS", [mode, tau or old_tau, active or old_active])
    return Reply()


def _cpsms_read(module, _):
    mode, tau, active = module.settings.get("+CPSMS")
    return Reply((f'+CPSMS: {mode},,,"{tau}","{active}"',))


def _cedrxs_set(module, text):
    declared = (
        Number("mode", 0, 3),
        Number("AcT", _EDRX_E_UTRAN, _EDRX_E_UTRAN),
        Text("value", "[01]{4}"),
    )
    mode, _, value = values(module, text, declared)
    module.settings.put("+CEDRXS", [mode, value or module.settings.get("+CEDRXS")[1]])
    return Reply()


def _cedrxs_read(module, _):
    return Reply((f'+CEDRXS: {_EDRX_E_UTRAN},"{module.settings.get("+CEDRXS")[1]}"',))


TABLE = {
    ("+CPIN", SET): _cpin_set,
    ("+CPIN", READ): _cpin_read,
    ("+CPIN", TEST): accept,
    ("+CIMI", EXECUTE): _sim_read("imsi"),
    ("+CIMI", TEST): accept,
    ("+CCID", EXECUTE): _sim_read("iccid", "+CCID: "),
    ("+CCID", READ): _sim_read("iccid", "+CCID: "),
    ("+CCID", TEST): accept,
    **_registration(network.CREG),
    **_registration(network.CGREG),
    **_registration(network.CEREG),
    ("+COPS", SET): _cops_set,
    ("+COPS", READ): _cops_read,
    ("+COPS", TEST): _cops_test,
    ("+CGATT", SET): _cgatt_set,
    ("+CGATT", READ): _cgatt_read,
    ("+CGATT", TEST): fixed("+CGATT: (0,1)"),
    ("+CSQ", EXECUTE): _csq,
    ("+CSQ", TEST): fixed("+CSQ: (0-31,99),(0-7,99)"),
    ("+CESQ", EXECUTE): _cesq,
    ("+CESQ", TEST): fixed(
        "+CESQ: (0-63,99),(0-7,99),(0-96,255),(0-49,255),(0-34,255),(0-97,255)"
    ),
    ("+CCLK", READ): _cclk_read,
    ("+CPSMS", SET): _cpsms_set,
    ("+CPSMS", READ): _cpsms_read,
    ("+CPSMS", TEST): fixed('+CPSMS: (0,1),,,("00000000"-"11111111"),("00000000"-"11111111")'),
    ("+CEDRXS", SET): _cedrxs_set,
    ("+CEDRXS", READ): _cedrxs_read,
    ("+CEDRXS", TEST): fixed('+CEDRXS: (0-3),(4),("0000"-"1111")'),
    **stored("+UCGED", Number("mode", 0, 5)),
    **stored("+UPSMR", Number("mode", 0, 1)),
}
