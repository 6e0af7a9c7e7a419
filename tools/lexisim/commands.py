"""The AT commands about the module itself: identity, errors, radio switch, profile, power."""

from . import codes
from .at import EXECUTE, READ, SET, TEST, CommandError, Number
from .handlers import accept, choose, fixed, from_config, values
from .port import Reply

_CFUN_SUPPORTED = (0, 1, 4, 10, 11, 15, 16, 19)
_CFUN_TEST = "+CFUN: (0,1,4,10,11,15,16,19),(0-1)"  # published LEXI-R10 manual
_CFUN_FAST_OFF = (10, 11)
_CFUN_REBOOT = (15, 16)
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


# Radio


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
    """Asks for the +UUFWINSTALL URCs until the next start."""
    if text != _UFWINSTALL_URCS or module.config.fota_urc_command != "ok":
        raise CommandError(codes.CME_NOT_SUPPORTED)
    module.fota.armed = True
    return Reply()


def _ufwinstall(module, _):
    """Starts an installation on some siblings: no host may send it to find out."""
    effect = module.config.fota_bare_command
    if effect == "error":
        raise CommandError(codes.CME_NOT_SUPPORTED)
    if effect == "start":
        return Reply(after=module.fota.install)
    module.fota.armed = True
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
    ("+CFUN", SET): _cfun_set,
    ("+CFUN", READ): _cfun_read,
    ("+CFUN", TEST): fixed(_CFUN_TEST),
    ("+UMNOPROF", SET): _umnoprof_set,
    ("+UMNOPROF", READ): _umnoprof_read,
    ("+UFWINSTALL", SET): _ufwinstall_set,
    ("+UFWINSTALL", EXECUTE): _ufwinstall,
    ("+CPWROFF", EXECUTE): _power_off,
}
