"""Every option of the simulated module: default, meaning, and where the default comes from.

Source words: `manual` (LEXI-R10 AT manual), `R10` (published code or documents for LEXI-R10),
`sibling` (documents of SARA-R4/R5, LARA-R6), `standard` (3GPP, ITU, OMA), `measured` (a Wakaama
client watched on the wire), `chosen` (nothing is known; this is the simulator's own choice).

All times are module seconds, which the speed-up divides, unless the text says "real seconds".
"""

import dataclasses
import re
from dataclasses import dataclass, field

PLAIN_ERROR = -1  # as a CME option: answer a bare ERROR whatever +CMEE says
FACTORY_BY_PROFILE = -1  # `factory_mode`: 0 under MNO profile 3, else 1

VERIZON_MNO = 3
DEFAULT_SERVER_ID = 721
VERIZON_SERVER_ID = 102

_COAP_PORT = 5683
_COAP_JITTER = 0.5


def option(default, text, source, *, low=None, high=None, choices=None):
    """Declare a dataclass field that can describe itself and check its own value."""
    metadata = {"text": text, "source": source, "low": low, "high": high, "choices": choices}
    return field(default=default, metadata=metadata)


def _cme(default, text):
    return option(default, text + "; -1 is a plain ERROR", "chosen", low=PLAIN_ERROR, high=999)


def _seconds(default, text, source):
    return option(default, text, source, low=0.0)


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
    lifetime_s: float = _seconds(86400.0, "registration lifetime", "sibling")
    update_margin_s: float = _seconds(
        93.0, "the update is sent this long before the end of the lifetime", "measured"
    )
    initial_hold_s: float = _seconds(1.0, "code 1 before the first attempt; 0 skips it", "chosen")
    register_s: float = _seconds(2.0, "code 2 until the server answers", "chosen")
    update_needed_s: float = _seconds(0.0, "code 6 before an update; 0 skips it", "measured")
    update_s: float = _seconds(1.0, "code 5 until the server answers", "chosen")
    exchange_timeout_s: float = _seconds(
        62.0, "an unanswered request is given up after this", "measured"
    )
    exchange_jitter: float = _seconds(
        0.0, "the give-up time is stretched by up to this fraction (CoAP: 0.5)", "standard"
    )
    retry_scheme: str = option(
        "1.1",
        "1.1: hold and try again; 1.0: the first failure is code 4",
        "measured",
        choices=("1.0", "1.1"),
    )
    attempts: int = option(4, "attempts per sequence (resource 17)", "sibling", low=1)
    retry_delay_s: float = _seconds(30.0, "first hold, doubled each time (resource 18)", "sibling")
    sequences: int = option(1, "sequences before code 4 (resource 20)", "standard", low=1)
    sequence_delay_s: float = _seconds(86400.0, "hold between sequences (resource 19)", "standard")
    bootstrap: str = option(
        "none",
        "bootstrap first: ok 10-14, fail 10-12 15 16, retry 10-12 15 19 and again",
        "chosen",
        choices=("none", "ok", "fail", "retry"),
    )
    bootstrap_step_s: float = _seconds(2.0, "time in each bootstrap code", "chosen")
    timer_report_s: float = _seconds(
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


@dataclass
class Config:
    """Everything that can be set about the module. See `lexisim --options`."""

    # Line
    baud: int = option(115200, "bits per second, 10 bits per byte; 0 is unpaced", "R10", low=0)
    speed: float = option(1.0, "module seconds per real second", "chosen", low=0.001)
    gap_min_s: float = _seconds(
        0.020, "real seconds of silence a host owes after a final code or URC", "R10"
    )
    gap_policy: str = option(
        "ignore",
        "a command that comes too early is counted (ignore) or also lost (drop)",
        "chosen",
        choices=("ignore", "drop"),
    )
    busy_input: str = option(
        "queue",
        "bytes that arrive while a command runs are kept (queue) or lost (drop)",
        "chosen",
        choices=("queue", "drop"),
    )
    line_idle_s: float = _seconds(
        1.0, "real seconds without a byte after which a half line no longer defers URCs", "chosen"
    )
    line_max: int = option(1024, "longest command line with its CR", "sibling", low=8)
    defer_urcs: bool = option(
        True, "hold URCs back while a command line is received or runs", "sibling"
    )
    seed: int = option(0, "seed of random noise and jitter", "chosen")
    history_limit: int = option(
        100_000, "entries of the history; older ones are dropped and counted", "chosen", low=1
    )

    # AT
    echo: bool = option(True, "echo after a boot", "R10")
    cmee: int = option(0, "+CMEE after a boot", "chosen", choices=(0, 1, 2))
    cmee_persists: bool = option(False, "+CMEE survives a reboot", "chosen")
    concatenate: bool = option(True, "commands of one line may be joined by ;", "sibling")
    answer_delay_s: float = _seconds(0.010, "time a command takes", "chosen")
    cfun_delay_s: float = _seconds(0.5, "time AT+CFUN= and AT+COPS= take", "chosen")
    cme_unknown_command: int = _cme(100, "CME of a command that does not exist")
    cme_unsupported_form: int = _cme(4, "CME of a form (set, read, ...) a command does not have")
    cme_bad_parameter: int = _cme(50, "CME of a missing or wrong parameter")
    cme_bootstrap: int = _cme(50, "CME of AT+ULWM2MREG=0, which is not supported")
    cme_mode4: int = _cme(50, "CME of AT+ULWM2M=4, which is not allowed")
    cme_unknown_server: int = _cme(22, "CME of a server id that is not provisioned")
    cme_client_off: int = _cme(3, "CME of AT+ULWM2MREG=<id> while the client does not run")
    cme_server_disabled: int = _cme(3, "CME of AT+ULWM2MREG=<id> for a disabled server")
    cme_not_ready: int = _cme(PLAIN_ERROR, "CME of LwM2M commands too early after a boot")

    # Boot and power
    powered_off: bool = option(False, "start switched off", "chosen")
    boot_dead_s: float = _seconds(5.0, "nothing is answered for this long after a start", "R10")
    boot_noise: bytes = option(
        b"\x00\x00\xff\xfe\x80\x00\xc3\x28", "bytes sent at the start, hexadecimal", "chosen"
    )
    boot_noise_at_s: float = _seconds(0.2, "when the noise is sent, after the start", "chosen")
    greeting: str = option("", "line sent when AT becomes ready", "sibling")
    lwm2m_not_ready_s: float = _seconds(
        0.0, "LwM2M commands fail for this long after AT answers (SARA-R4: 9)", "sibling"
    )
    reboot_delay_s: float = _seconds(0.5, "from OK of AT+CFUN=15/16 to the restart", "chosen")
    power_down_s: float = _seconds(3.0, "from a switch-off to V_INT low", "sibling")
    pwr_on_on_s: float = _seconds(0.3, "PWR_ON low this long switches on", "R10")
    pwr_on_off_s: float = _seconds(2.0, "PWR_ON low this long switches off", "R10")
    reset_n_s: float = _seconds(0.15, "RESET_N low this long resets", "R10")
    reset_n_off_s: float = _seconds(
        0.0, "RESET_N low this long switches off (LARA-R6: 10); 0 never", "sibling"
    )

    # Identity
    manufacturer: str = option("u-blox", "+CGMI", "chosen")
    model: str = option("LEXI-R10401D", "+CGMM", "manual")
    product: str = option("LEXI-R10401D-00B", "ATI", "manual")
    endpoint: str = option("", "LwM2M endpoint name; empty: urn:imei:<imei>", "standard")
    revision: str = option("01.04", "+CGMR", "R10")
    application_revision: str = option("01.04,A00.01", "ATI9", "R10")
    imei: str = option("004999010640000", "+CGSN", "chosen")

    # SIM and network
    mno: int = option(90, "MNO profile (+UMNOPROF)", "R10", low=0)
    pin: str = option("1234", "the right PIN", "chosen")
    pin_required: bool = option(False, "the SIM asks for its PIN at each boot", "chosen")
    pin_attempts: int = option(3, "wrong PINs before the SIM asks for the PUK", "standard", low=1)
    pin_blocks_test: bool = option(
        False, "AT+ULWM2M=? also needs the PIN (set and read always do)", "chosen"
    )
    attach_s: float = _seconds(5.0, "from radio on to +CEREG 1", "chosen")
    cereg_attached: int = option(1, "+CEREG stat once attached", "standard", choices=(1, 5))
    cfun_4_persists: bool = option(True, "AT+CFUN=4 survives a reboot", "sibling")
    cfun_0_persists: bool = option(False, "AT+CFUN=0 survives a reboot", "chosen")
    csq: int = option(18, "signal quality while attached (+CSQ)", "chosen", low=0, high=31)
    cme_no_network: int = _cme(30, "CME of AT+CGACT=1 while not attached")
    profile_keeps_mode: bool = option(
        False,
        "a change of the MNO profile keeps <activation_mode> instead of the factory value",
        "chosen",
    )

    # Firmware update
    fota_download_s: float = _seconds(600.0, "length of a download", "chosen")
    fota_check_s: float = _seconds(20.0, "from the download to the installation", "chosen")
    fota_install_s: float = _seconds(300.0, "no AT command is answered for this long", "chosen")
    fota_report_s: float = option(30.0, "period of the progress URCs", "chosen", low=1.0)
    fota_grace_s: float = _seconds(
        2.0, "what the host does this soon after the start counts as not knowing better", "chosen"
    )
    fota_trailing_slash: bool = option(True, 'event 3 has "/5/0/3/", not "/5/0/3"', "sibling")
    fota_progress_urcs: bool = option(True, "+UFOTASTAT and +UFWPREVAL come", "sibling")
    fota_install_urcs: bool = option(True, "+UUFWINSTALL comes", "R10")
    fota_urc_command: str = option(
        "error", "answer to AT+UFWINSTALL=,,,1", "chosen", choices=("ok", "error")
    )
    fota_forgets_stat: bool = option(
        False, "an update loses the +ULWM2MSTAT setting", "sibling (contradictory)"
    )
    fota_revision: str = option("01.05", "+CGMR after an update", "chosen")
    fota_application_revision: str = option("01.05,A00.01", "ATI9 after an update", "chosen")

    # LwM2M client
    servers: list = field(default_factory=lambda: [ServerSpec()])
    profile_servers: dict = field(  # MNO profile other than `mno`: its servers (else `servers`)
        default_factory=lambda: {VERIZON_MNO: [ServerSpec(VERIZON_SERVER_ID)]}
    )
    notifications: list = field(default_factory=list)
    wide: bool = option(False, "also emit codes outside the allowed values", "manual")
    factory_mode: int = option(
        FACTORY_BY_PROFILE,
        "factory <activation_mode>; -1: 0 under MNO profile 3, else 1",
        "manual",
        choices=(FACTORY_BY_PROFILE, 0, 1),
    )
    mode_1_saved: bool = option(
        True, "AT+ULWM2M=1 without <nvm_saved> is saved in NVM", "manual (contradictory)"
    )
    mode_read: str = option(
        "nvm",
        "AT+ULWM2M? prints the value in NVM, or the last mode commanded",
        "chosen",
        choices=("nvm", "last"),
    )
    mode_0_after_reset: str = option(
        "reboot",
        "AT+ULWM2M=0 after =2 takes effect after a reboot, or now",
        "chosen",
        choices=("reboot", "now"),
    )
    shut_down_on_mode_3: bool = option(False, "AT+ULWM2M=3 also reports 4,7", "chosen")
    after_reset: str = option(
        "reboot",
        "after AT+ULWM2M=2 the servers come back at a reboot, come back without a PSK so that "
        "every registration fails (no-psk), or never",
        "chosen",
        choices=("reboot", "no-psk", "never"),
    )
    stat_persists: bool = option(True, "+ULWM2MSTAT survives a reboot", "manual")
    stat_mask_omitted: str = option(
        "keep",
        "AT+ULWM2MSTAT=<n> alone keeps the mask, or sets the factory mask",
        "chosen",
        choices=("keep", "factory"),
    )
    config_unknown_server: str = option(
        "add",
        "AT+ULWM2MCONFIG= for an unknown server adds a row, or is an error",
        "manual",
        choices=("add", "error"),
    )
    config_immediate: bool = option(
        True, "<server_disabled> takes effect at once, else at a reboot", "chosen"
    )
    client_start_s: float = _seconds(1.0, "from AT ready to event 5,1", "chosen")
    client_init_s: float = _seconds(2.0, "from event 5,1 to 5,2", "chosen")
    init_result: int = option(
        2,
        "end of the initialisation: 2 finished, 3 production mode, 4 failed, 1 never",
        "manual",
        choices=(1, 2, 3, 4),
    )
    schedule_s: float = _seconds(
        1.0, "from OK of AT+ULWM2MREG=<id> to code 2", "manual (no value)"
    )
    reg_leaves_failed: bool = option(True, "AT+ULWM2MREG=<id> also works from code 4", "chosen")
    update_failure: str = option(
        "dead_end",
        "after a failed update stay in code 4 for ever, or register again",
        "measured",
        choices=("dead_end", "register"),
    )
    offline: str = option(
        "wait",
        "an update that is due without a network waits for it, or fails like an unanswered one",
        "measured",
        choices=("wait", "fail"),
    )
    register_on_attach: bool = option(
        True, "servers in code 4 register again when the network comes back", "chosen"
    )
    closed_counts: str = option(
        "zero",
        "byte counts of event 6,<id>,3: real, zero, empty, or missing",
        "manual (contradictory)",
        choices=("real", "zero", "empty", "missing"),
    )

    def factory_activation_mode(self, mno):
        """Factory <activation_mode>: 1, but 0 under the Verizon profile (manual, +ULWM2M)."""
        if self.factory_mode != FACTORY_BY_PROFILE:
            return self.factory_mode
        return 0 if mno == VERIZON_MNO else 1

    def servers_of(self, mno):
        """Return the ServerSpecs an MNO profile provisions."""
        return self.servers if mno == self.mno else self.profile_servers.get(mno, self.servers)

    def all_servers(self):
        """Return the ServerSpecs of every profile."""
        return [*self.servers, *(s for specs in self.profile_servers.values() for s in specs)]

    def endpoint_name(self):
        """Return the name under which real servers know the module."""
        return self.endpoint or f"urn:imei:{self.imei}"

    def check(self):
        """Raise ValueError unless every option is in its range and the servers fit together."""
        check_options(self)
        for spec in self.all_servers():
            check_options(spec)
            if spec.real:
                split_address(spec.uri)
        for specs in (self.servers, *self.profile_servers.values()):
            ids = [spec.server_id for spec in specs]
            for server_id in ids:
                if ids.count(server_id) > 1:
                    raise ValueError(f"server {server_id} is given twice")
        ids = [spec.server_id for spec in self.servers]
        for note in self.notifications:
            if note.server_id is not None and note.server_id not in ids:
                raise ValueError(f"notification {note.uri}: there is no server {note.server_id}")
            if not ids:
                raise ValueError(f"notification {note.uri}: there are no servers")


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


def split_address(text):
    """Return (host, port) of `HOST[:PORT]`; an IPv6 address is written in brackets."""
    match = re.fullmatch(r"(?:\[([0-9a-fA-F:.]+)\]|([^][:/?#@\s]+))(?::([0-9]{1,5}))?", text)
    port = int(match[3] or _COAP_PORT) if match else 0
    if not 0 < port < 65536:
        raise ValueError(f"expected HOST:PORT of a real server, got {text!r}")
    return match[1] or match[2], port


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


def describe_options():
    """Yield one line per option: name, default, meaning, source."""
    for title, cls in (("--set name=value", Config), ("--server ID:name=value", ServerSpec)):
        yield f"{title}"
        for name, declared in options_of(cls).items():
            default = declared.default
            shown = default.hex() if isinstance(default, bytes) else default
            yield f"  {name}={shown}"
            yield f"      {declared.metadata['text']} [{declared.metadata['source']}]"
