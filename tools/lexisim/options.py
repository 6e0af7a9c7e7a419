"""Options that describe themselves: how one is declared, read from a text, checked and listed.

Knows no option; those of the module are in `config.py`, of a server account in `accounts.py`.
"""

import dataclasses
import re
from dataclasses import field

PLAIN_ERROR = -1  # as a CME option: answer a bare ERROR whatever +CMEE says

_COAP_PORT = 5683


def option(default, text, source, *, low=None, high=None, choices=None):
    """Declare a dataclass field that can describe itself and check its own value."""
    metadata = {"text": text, "source": source, "low": low, "high": high, "choices": choices}
    return field(default=default, metadata=metadata)


def cme(default, text):
    """Declare a +CME ERROR number."""
    return option(default, text + "; -1 is a plain ERROR", "chosen", low=PLAIN_ERROR, high=999)


def seconds(default, text, source):
    """Declare a time."""
    return option(default, text, source, low=0.0)


_BOOLEANS = {
    "1": True, "true": True, "yes": True, "on": True,
    "0": False, "false": False, "no": False, "off": False,
}  # fmt: skip


def options_of(target):
    """Return {name: dataclass field} of the self-describing options of a class or object."""
    return {f.name: f for f in dataclasses.fields(target) if "text" in f.metadata}


def convert(target, name, text):
    """Return `text` as a value of option `name`, in range; ValueError says what was expected."""
    options = options_of(target)
    if name not in options:
        raise ValueError(f"unknown option {name!r}; one of: {', '.join(sorted(options))}")
    declared = options[name]
    value = _from_text(type(declared.default), name, text)
    _check(declared, value)
    return value


def _from_text(kind, name, text):
    if kind is bool:
        if text.lower() not in _BOOLEANS:
            raise ValueError(f"{name}: expected true or false, got {text!r}")
        return _BOOLEANS[text.lower()]
    expected = {int: "a whole number", float: "a number", bytes: "hexadecimal bytes"}
    try:
        if kind is bytes:
            return bytes.fromhex(text)
        return kind(text)
    except ValueError:
        raise ValueError(f"{name}: expected {expected[kind]}, got {text!r}") from None


def _check(declared, value):
    name, limits = declared.name, declared.metadata
    if limits["choices"] is not None and value not in limits["choices"]:
        choices = ", ".join(map(str, limits["choices"]))
        raise ValueError(f"{name}: expected one of {choices}, got {value!r}")
    low, high = limits["low"], limits["high"]
    # "not (value >= low)" also refuses a float that is not a number
    if low is not None and not value >= low:
        raise ValueError(f"{name}: expected at least {low}, got {value}")
    if high is not None and not value <= high:
        raise ValueError(f"{name}: expected at most {high}, got {value}")


def check_options(target):
    """Raise ValueError for the first option of `target` that is out of its range."""
    for name, declared in options_of(target).items():
        _check(declared, getattr(target, name))


def split_address(text):
    """Return (host, port) of `HOST[:PORT]`; an IPv6 address is written in brackets."""
    match = re.fullmatch(r"(?:\[([0-9a-fA-F:.]+)\]|([^][:/?#@\s]+))(?::([0-9]{1,5}))?", text)
    port = int(match[3] or _COAP_PORT) if match else 0
    if not 0 < port < 65536:
        raise ValueError(f"expected HOST:PORT of a real server, got {text!r}")
    return match[1] or match[2], port


def split_upsv(text):
    """Return [mode] or [mode, timeout_ms, max_sleep] of a +UPSV value, e.g. `1,5000,4`."""
    if not re.fullmatch(r"0|[15],[0-9]{1,6},[0-4]", text):
        raise ValueError(f"expected 0 or 1|5,timeout_ms,max_sleep of +UPSV, got {text!r}")
    return [int(number) for number in text.split(",")]


def describe_options(*titled):
    """Yield one line per option of (title, class): name, default, meaning, source."""
    for title, cls in titled:
        yield f"{title}"
        for name, declared in options_of(cls).items():
            default = declared.default
            shown = default.hex() if isinstance(default, bytes) else default
            yield f"  {name}={shown}"
            yield f"      {declared.metadata['text']} [{declared.metadata['source']}]"
