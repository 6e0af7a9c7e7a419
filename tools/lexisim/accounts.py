"""LwM2M server accounts and standing observations: their options, and how a host writes them."""

import re
from dataclasses import dataclass

from .options import convert, option, seconds

DEFAULT_SERVER_ID = 721

_COAP_JITTER = 0.5


@dataclass
class ServerSpec:
    """One LwM2M server account as the operator profile provisions it."""

    server_id: int = option(DEFAULT_SERVER_ID, "short server ID", "manual", low=1, high=65535)
    uri: str = option(
        "leshan.eclipseprojects.io:5684", 'server address as "host:port"', "manual example"
    )
    real: bool = option(
        False,
        "uri is a real server and is really asked (CoAP over UDP); how long it takes to answer "
        "is then real, register_s and update_s do not count",
        "chosen",
    )
    reach: str = option(
        "up",
        "up, down (nothing is answered), or reject (every request is refused)",
        "chosen",
        choices=("up", "down", "reject"),
    )
    disabled: int = option(0, "factory value of <server_disabled>", "manual", choices=(0, 1))
    lifetime_s: float = seconds(86400.0, "registration lifetime", "sibling")
    update_margin_s: float = seconds(
        93.0, "the update is sent this long before the end of the lifetime", "measured"
    )
    initial_hold_s: float = seconds(1.0, "code 1 before the first attempt; 0 skips it", "chosen")
    register_s: float = seconds(2.0, "code 2 until the server answers", "chosen")
    update_needed_s: float = seconds(0.0, "code 6 before an update; 0 skips it", "measured")
    update_s: float = seconds(1.0, "code 5 until the server answers", "chosen")
    exchange_timeout_s: float = seconds(
        62.0, "an unanswered request is given up after this", "measured"
    )
    exchange_jitter: float = seconds(
        0.0, "the give-up time is stretched by up to this fraction (CoAP: 0.5)", "standard"
    )
    retry_scheme: str = option(
        "1.1",
        "1.1: hold and try again; 1.0: the first failure is code 4",
        "measured",
        choices=("1.0", "1.1"),
    )
    attempts: int = option(4, "attempts per sequence (resource 17)", "sibling", low=1)
    retry_delay_s: float = seconds(30.0, "first hold, doubled each time (resource 18)", "sibling")
    sequences: int = option(1, "sequences before code 4 (resource 20)", "standard", low=1)
    sequence_delay_s: float = seconds(86400.0, "hold between sequences (resource 19)", "standard")
    bootstrap: str = option(
        "none",
        "bootstrap first: ok 10-14, fail 10-12 15 16, retry 10-12 15 19 and again",
        "chosen",
        choices=("none", "ok", "fail", "retry"),
    )
    bootstrap_step_s: float = seconds(2.0, "time in each bootstrap code", "chosen")
    timer_report_s: float = seconds(
        600.0, "period of event 2; 0 reports only after a registration or update", "chosen"
    )

    refuse_expired: bool = option(
        True, "the server refuses an update after the end of the lifetime (4.04)", "standard"
    )

    def update_interval_s(self):
        """Seconds from a registration to the next update (half the lifetime if that is short)."""
        if self.lifetime_s <= self.update_margin_s:
            return self.lifetime_s / 2
        return self.lifetime_s - self.update_margin_s


# Retry behaviours by name, as options of ServerSpec: SARA-R5 firmware update note (server 721),
# and the defaults of the LwM2M object 1 resources 17-20.
TUNINGS = {
    "u-blox-721": {"attempts": 4, "retry_delay_s": 30.0, "sequences": 1},
    "oma": {
        "attempts": 5,
        "retry_delay_s": 60.0,
        "sequences": 1,
        "sequence_delay_s": 86400.0,
    },
}


@dataclass(frozen=True)
class Notify:
    """A standing observation: event 3 for `uri` every `period_s` while registered."""

    uri: str
    period_s: float
    server_id: int | None = None  # None: the first server


def parse_server(text):
    """Return the ServerSpec of `ID[:option=value...]`, e.g. `123:lifetime_s=300:reach=down`.

    `tuning=NAME` among the options stands for those of TUNINGS.
    A real server is `[ID=]coap://HOST[:PORT][:option=value...]`.
    """
    server_id, *settings = re.split(r":(?=[a-z_]+=)", text)
    values = {}
    real = re.fullmatch(r"(?:(.*)=)?coap://(.*)", server_id)
    if real:
        server_id = real[1] or str(DEFAULT_SERVER_ID)
        values = {"uri": real[2], "real": True, "exchange_jitter": _COAP_JITTER}
    values["server_id"] = convert(ServerSpec, "server_id", server_id)
    for setting in settings:
        name, _, value = setting.partition("=")
        if name == "tuning":
            values.update(tuning(value))
        else:
            values[name] = convert(ServerSpec, name, value)
    return ServerSpec(**values)


def tuning(name):
    """Return the options of a retry behaviour; ValueError lists the names."""
    if name not in TUNINGS:
        raise ValueError(f"unknown tuning {name!r}; one of: {', '.join(TUNINGS)}")
    return TUNINGS[name]


def parse_profile(text):
    """Return (MNO profile, ServerSpec) of `MNO=SERVER`, e.g. `3=102:lifetime_s=300`."""
    number, equals, server = text.partition("=")
    if not equals or not re.fullmatch(r"[0-9]{1,9}", number):
        raise ValueError(f"expected MNO=ID[:option=value...], e.g. 3=102, got {text!r}")
    return int(number), parse_server(server)


def parse_notify(text):
    """Return the Notify of `[ID:]URI=period_s`, e.g. `/3300/0/5700=60`."""
    match = re.fullmatch(r"(?:(\d+):)?(/[^=\"]*)=([0-9.]+)", text)
    try:
        period_s = float(match.group(3)) if match else 0.0
    except ValueError:
        period_s = 0.0
    if period_s <= 0:
        raise ValueError(f"expected [ID:]URI=period_s, e.g. /3300/0/5700=60, got {text!r}")
    server_id = int(match.group(1)) if match.group(1) else None
    return Notify(match.group(2), period_s, server_id)


def apply_tuning(specs, name):
    """Give every server of `specs` a retry behaviour."""
    for spec in specs:
        for option_name, value in tuning(name).items():
            setattr(spec, option_name, value)
