"""The AT commands about the line itself: echo, results, modem lines, flow control, power saving."""

from . import codes, settings, sleep
from .at import EXECUTE, READ, SET, CommandError, Number, arguments
from .handlers import choose, stored, values
from .port import Reply

_UPSV = (
    Number("mode", 0, max(sleep.MODES)),
    Number("timeout_ms", 0, 999999),
    Number("max_sleep", 0, 4),
)
_DEEP_SLEEP = 3  # from this <max_sleep> on the USB must be off (published LEXI-R10 manual)
_USB_OFF = 99
_HEX_MODE = "1"  # <op_code> of +UDCONF
_DEFAULT_BEARER = "19"


def _echo(module, text):
    module.port.echo = choose(module, text, {"": False, "0": False, "1": True})
    return Reply()


def _verbose(module, text):
    module.port.verbose = choose(module, text, {"": False, "0": False, "1": True})
    return Reply()


def _results_on(module, text):
    """ATQ0: result codes cannot be switched off here."""
    choose(module, text or "0", {"0": None})
    return Reply()


def _store_digit(name, digits):
    def handler(module, text):
        digit = choose(module, text or "0", {digit: int(digit) for digit in digits})
        module.settings.put(name, digit)
        return Reply()

    return handler


_set_flow = _store_digit(settings.FLOW, "03")


def _flow(module, text):
    if (text or "0") == "0" and not module.config.flow_can_be_off:
        raise CommandError(codes.CME_NOT_SUPPORTED)
    return _set_flow(module, text)


def _restore(module, text):
    """ATZ and AT&F: the line, echo, result codes and error reports as in the factory."""
    choose(module, text or "0", dict.fromkeys("01"))
    module.port.echo = module.config.echo
    module.port.verbose = True
    module.port.cmee = module.config.cmee
    module.settings.restore_line()
    return Reply()


# Power saving


def _upsv_set(module, text):
    mode, timeout_ms, max_sleep = values(module, text, _UPSV)
    if mode not in sleep.MODES:
        raise CommandError(module.config.cme_bad_parameter)
    depth = module.config.upsv_max_sleep if max_sleep is None else max_sleep
    deep = mode != sleep.MODE_ON and depth >= _DEEP_SLEEP
    usb_off = module.settings.get("+UUSBCONF")[0] == _USB_OFF
    if deep and module.config.deep_sleep_needs_no_usb and not usb_off:
        raise CommandError(module.config.cme_deep_sleep)
    module.sleep.store(mode, timeout_ms, max_sleep)
    return Reply()


def _upsv_read(module, _):
    return Reply(("+UPSV: " + ",".join(map(str, module.sleep.setting)),))


# Configuration of the sockets' line and of the GPIOs


def _udconf(module, text):
    """1 is the hex mode of socket data, 19 the default bearer; without a value it is read."""
    code, _, rest = text.partition(",")
    declared = choose(module, code, _UDCONF)
    name = f"+UDCONF={code}"
    if not rest:
        return Reply((f"+UDCONF: {code}," + ",".join(map(str, module.settings.get(name))),))
    cme = module.config.cme_bad_parameter
    module.settings.put(name, arguments(rest, declared, len(declared), cme))
    return Reply()


_UDCONF = {
    _HEX_MODE: (Number("hex_mode", 0, 1),),
    _DEFAULT_BEARER: (Number("cid", 1, 8), Number("type", 0, 2)),
}


def _ugpioc_set(module, text):
    gpio, mode = values(module, text, (Number("gpio", 0, 255), Number("mode", 0, 255)), 2)
    module.settings.put("+UGPIOC", {**module.settings.get("+UGPIOC"), str(gpio): mode})
    module.sleep.gpio_changed()
    return Reply()


def _ugpioc_read(module, _):
    """Only the pins that were ever set; the numbers of the others are not known."""
    pins = sorted(module.settings.get("+UGPIOC").items(), key=lambda item: int(item[0]))
    return Reply(("+UGPIOC:", *(f"{gpio},{mode}" for gpio, mode in pins)))


TABLE = {
    ("E", EXECUTE): _echo,
    ("V", EXECUTE): _verbose,
    ("Q", EXECUTE): _results_on,
    ("Z", EXECUTE): _restore,
    ("&F", EXECUTE): _restore,
    ("&C", EXECUTE): _store_digit(settings.DCD, "01"),
    ("&D", EXECUTE): _store_digit(settings.DTR, "012"),
    ("&K", EXECUTE): _flow,
    ("+UPSV", SET): _upsv_set,
    ("+UPSV", READ): _upsv_read,
    **stored("+UUSBCONF", Number("id", 0, _USB_OFF)),
    ("+UDCONF", SET): _udconf,
    ("+UGPIOC", SET): _ugpioc_set,
    ("+UGPIOC", READ): _ugpioc_read,
}
