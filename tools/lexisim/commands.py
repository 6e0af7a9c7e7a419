"""The AT commands that are not LwM2M: basic ones, identity, errors, SIM, radio, power.

A handler takes (module, text) and returns a Reply or raises CommandError. `TABLE` maps a name
and form to its handler; the LwM2M commands add theirs in `lwm2m_commands.py`.
"""

from datetime import datetime, timedelta, timezone

from . import codes, network
from .at import EXECUTE, READ, SET, TEST, CommandError, Number, parameters
from .handlers import accept, choose, fixed, from_config, values
from .port import Reply

_CFUN_SUPPORTED = (0, 1, 4, 10, 11, 15, 16, 19)
_CFUN_TEST = "+CFUN: (0,1,4,10,11,15,16,19),(0-1)"  # published LEXI-R10 manual
_CFUN_FAST_OFF = (10, 11)
_CFUN_REBOOT = (15, 16)
_CEREG_LEVELS = 5  # 3GPP TS 27.007
_OPERATOR = '2,"310410",7'  # numeric format, E-UTRAN
_CSQ_UNKNOWN = 99
_CLOCK_START = datetime(2026, 1, 1, tzinfo=timezone.utc)
_UFWINSTALL_URCS = ",,,1"  # SARA-R5 firmware update note


# Identity


def _identify(module, text):
    fields = {"": "product", "0": "product", "9": "application_revision"}
    return _revision(choose(module, text, fields))(module, text)


def _revision(name):
    """Return a handler that answers a config field, its `fota_` one after an update."""

    def handler(module, _):
        updated = name.endswith("revision") and module.nvm.get("firmware", 0)
        return Reply((getattr(module.config, f"fota_{name}" if updated else name),))

    return handler


# Error reports


def _cmee_set(module, text):
    (module.port.cmee,) = values(module, text, [Number("n", 0, 2)])
    return Reply()


def _cmee_read(module, _):
    return Reply((f"+CMEE: {module.port.cmee}",))


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


# Radio and network


def _cfun_set(module, text):
    fun, reset = values(module, text, [Number("fun", 0, 127), Number("rst", 0, 1)])
    if fun not in _CFUN_SUPPORTED:
        raise CommandError(module.config.cme_bad_parameter)
    if fun in _CFUN_FAST_OFF:
        return Reply(after=lambda: _fast_shutdown(module))
    if fun not in _CFUN_REBOOT:
        module.network.set_cfun(fun)
        if not reset:
            return Reply()
    return Reply(after=lambda: module.reboot_soon(f"AT+CFUN={fun}"))


def _fast_shutdown(module):
    module.port.urc("+UUFASTSHUTDOWN: 0")
    module.power_off("AT+CFUN")


def _cfun_read(module, _):
    return Reply((f"+CFUN: {module.network.cfun}",))


def _cereg_set(module, text):
    (module.network.cereg_urc,) = values(module, text, [Number("n", 0, _CEREG_LEVELS)])
    return Reply()


def _cereg_read(module, _):
    level = module.network.cereg_urc
    return Reply((f"+CEREG: {level},{module.network.cereg_fields(level)}",))


def _cops_set(module, text):
    """Automatic (0) and deregister (2) only."""
    (mode,) = values(module, text, [Number("mode", 0, 2)])
    if mode == 1:
        raise CommandError(module.config.cme_bad_parameter)
    module.network.want_operator(mode == 0)
    return Reply()


def _cops_read(module, _):
    mode = 0 if module.network.operator_wanted else 2
    return Reply((f"+COPS: {mode},{_OPERATOR}" if module.network.attached else f"+COPS: {mode}",))


def _cgact_set(module, text):
    """The bearer follows the network registration; asking for it changes nothing."""
    state, _ = values(module, text, [Number("state", 0, 1), Number("cid", 1, 8)])
    if state and not module.network.attached:
        raise CommandError(module.config.cme_no_network)
    return Reply()


def _cgact_read(module, _):
    return Reply((f"+CGACT: 1,{int(module.network.attached)}",))


def _cgatt_read(module, _):
    return Reply((f"+CGATT: {int(module.network.attached)}",))


def _csq(module, _):
    quality = module.config.csq if module.network.attached else _CSQ_UNKNOWN
    return Reply((f"+CSQ: {quality},{_CSQ_UNKNOWN}",))


def _cclk_read(module, _):
    """UTC (ubxlib); set by the network in reality, always right here."""
    now = _CLOCK_START + timedelta(seconds=int(module.clock.module_s))
    return Reply((f'+CCLK: "{now:%y/%m/%d,%H:%M:%S}+00"',))


def _cgpaddr(module, _):
    return Reply(('+CGPADDR: 1,"10.0.0.2"' if module.network.attached else "+CGPADDR: 1",))


# Profile and firmware


def _umnoprof_set(module, text):
    """Only with the radio off; in force after a reboot (SARA-R5 application note)."""
    (number,) = values(module, text, [Number("MNO", 0, 999)])
    if not module.network.radio_off:
        raise CommandError(codes.CME_NOT_ALLOWED)
    module.profile.store(number)
    return Reply()


def _umnoprof_read(module, _):
    return Reply((f"+UMNOPROF: {module.profile.stored}",))


def _ufwinstall_set(module, text):
    """Asks for the +UUFWINSTALL URCs; they come or not by option, whatever is answered."""
    if text != _UFWINSTALL_URCS or module.config.fota_urc_command != "ok":
        raise CommandError(codes.CME_NOT_SUPPORTED)
    return Reply()


# Power


def _power_off(module, _):
    return Reply(after=lambda: module.power_off("AT+CPWROFF"))


TABLE = {
    ("I", EXECUTE): _identify,
    ("+CGMI", EXECUTE): from_config("manufacturer"),
    ("+CGMI", TEST): accept,
    ("+CGMM", EXECUTE): from_config("model"),
    ("+CGMM", TEST): accept,
    ("+CGMR", EXECUTE): _revision("revision"),
    ("+CGMR", TEST): accept,
    ("+CGSN", EXECUTE): from_config("imei"),
    ("+CGSN", TEST): accept,
    ("+CMEE", SET): _cmee_set,
    ("+CMEE", READ): _cmee_read,
    ("+CMEE", TEST): fixed("+CMEE: (0-2)"),
    ("+CPIN", SET): _cpin_set,
    ("+CPIN", READ): _cpin_read,
    ("+CPIN", TEST): accept,
    ("+CFUN", SET): _cfun_set,
    ("+CFUN", READ): _cfun_read,
    ("+CFUN", TEST): fixed(_CFUN_TEST),
    ("+CEREG", SET): _cereg_set,
    ("+CEREG", READ): _cereg_read,
    ("+CEREG", TEST): fixed(f"+CEREG: (0-{_CEREG_LEVELS})"),
    ("+COPS", SET): _cops_set,
    ("+COPS", READ): _cops_read,
    ("+CGACT", SET): _cgact_set,
    ("+CGACT", READ): _cgact_read,
    ("+CGATT", READ): _cgatt_read,
    ("+CSQ", EXECUTE): _csq,
    ("+CSQ", TEST): fixed("+CSQ: (0-31,99),(0-7,99)"),
    ("+CCLK", READ): _cclk_read,
    ("+CGPADDR", EXECUTE): _cgpaddr,
    ("+CGPADDR", SET): _cgpaddr,
    ("+CGEREP", SET): accept,
    ("+UMNOPROF", SET): _umnoprof_set,
    ("+UMNOPROF", READ): _umnoprof_read,
    ("+UFWINSTALL", SET): _ufwinstall_set,
    ("+CPWROFF", EXECUTE): _power_off,
}
