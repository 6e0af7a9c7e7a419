"""Every option of the simulated module: default, meaning, and where the default comes from.

Source words: `manual` (LEXI-R10 AT manual), `R10` (published code or documents for LEXI-R10),
`sibling` (documents of SARA-R4/R5, LARA-R6), `standard` (3GPP, ITU, OMA), `measured` (a Wakaama
client watched on the wire), `chosen` (nothing is known; this is the simulator's own choice).

All times are module seconds, which the speed-up divides, unless the text says "real seconds".
"""

import re
from dataclasses import dataclass, field

from .accounts import ServerSpec
from .options import PLAIN_ERROR, check_options, cme, option, seconds, split_address, split_upsv
from .socket_options import SocketOptions

FACTORY_BY_PROFILE = -1  # `factory_mode`: 0 under MNO profile 3, else 1

VERIZON_MNO = 3
VERIZON_SERVER_ID = 102


@dataclass
class Config(SocketOptions):
    """Everything that can be set about the module. See `lexisim --options`."""

    # Line
    baud: int = option(115200, "bits per second, 10 bits per byte; 0 is unpaced", "R10", low=0)
    speed: float = option(1.0, "module seconds per real second", "chosen", low=0.001)
    gap_min_s: float = seconds(
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
    line_idle_s: float = seconds(
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
    answer_delay_s: float = seconds(0.010, "time a command takes", "chosen")
    cfun_delay_s: float = seconds(0.5, "time AT+CFUN= and AT+COPS= take", "chosen")
    cme_unknown_command: int = cme(100, "CME of a command that does not exist")
    cme_unsupported_form: int = cme(4, "CME of a form (set, read, ...) a command does not have")
    cme_bad_parameter: int = cme(50, "CME of a missing or wrong parameter")
    cme_bootstrap: int = cme(50, "CME of AT+ULWM2MREG=0, which is not supported")
    cme_mode4: int = cme(50, "CME of AT+ULWM2M=4, which is not allowed")
    cme_unknown_server: int = cme(22, "CME of a server id that is not provisioned")
    cme_client_off: int = cme(3, "CME of AT+ULWM2MREG=<id> while the client does not run")
    cme_server_disabled: int = cme(3, "CME of AT+ULWM2MREG=<id> for a disabled server")
    cme_not_ready: int = cme(PLAIN_ERROR, "CME of LwM2M commands too early after a boot")

    # Boot and power
    powered_off: bool = option(False, "start switched off", "chosen")
    boot_dead_s: float = seconds(5.0, "nothing is answered for this long after a start", "R10")
    boot_noise: bytes = option(
        b"\x00\x00\xff\xfe\x80\x00\xc3\x28", "bytes sent at the start, hexadecimal", "chosen"
    )
    boot_noise_at_s: float = seconds(0.2, "when the noise is sent, after the start", "chosen")
    greeting: str = option("", "line sent when AT becomes ready", "sibling")
    lwm2m_not_ready_s: float = seconds(
        0.0, "LwM2M commands fail for this long after AT answers (SARA-R4: 9)", "sibling"
    )
    reboot_delay_s: float = seconds(0.5, "from OK of AT+CFUN=15/16 to the restart", "chosen")
    power_down_s: float = seconds(3.0, "from a switch-off to V_INT low", "sibling")
    pwr_on_on_s: float = seconds(0.3, "PWR_ON low this long switches on", "R10")
    pwr_on_off_s: float = seconds(2.0, "PWR_ON low this long switches off", "R10")
    reset_n_s: float = seconds(0.15, "RESET_N low this long resets", "R10")
    reset_n_off_s: float = seconds(
        0.0, "RESET_N low this long switches off (LARA-R6: 10); 0 never", "sibling"
    )

    # Settings of the line
    flow: int = option(3, "factory value of AT&K: 3 is RTS/CTS", "sibling", choices=(0, 3))
    flow_can_be_off: bool = option(
        True, "AT&K0 is taken; else it is not supported (LARA-R6 over USB)", "sibling"
    )
    line_settings_persist: bool = option(
        False, "AT&C, AT&D and AT&K survive a start (they belong to a profile)", "chosen"
    )
    upsv: str = option(
        "0",
        "factory value of +UPSV: 0, or mode,timeout_ms,max_sleep; 1,5000,4 is deaf after 5 s; "
        "mode 5 is deaf while the GPIO of +UGPIOC mode 34 is low (verb gpio)",
        "chosen",
    )
    upsv_timeout_ms: int = option(5000, "<timeout> of AT+UPSV=1 without one", "chosen", low=0)
    upsv_max_sleep: int = option(
        2, "<max_sleep> of AT+UPSV=1,<timeout> without one", "chosen", low=0, high=4
    )
    upsv_counts_output: bool = option(
        False, "what the module sends renews <timeout> too, as what it receives does", "chosen"
    )
    upsv_urcs: str = option(
        "send",
        "while the UART is deaf URCs come all the same (send), wait for PWR_ON (hold), or are "
        "lost (lose); the answer of a command that already runs always comes",
        "chosen",
        choices=("send", "hold", "lose"),
    )
    deep_sleep_needs_no_usb: bool = option(
        True, "AT+UPSV= with <max_sleep> 3 or 4 is an error before AT+UUSBCONF=99", "R10"
    )
    cme_deep_sleep: int = cme(3, "CME of AT+UPSV= with <max_sleep> 3 or 4 while the USB is on")

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
    attach_s: float = seconds(5.0, "from radio on to +CEREG 1", "chosen")
    cereg_attached: int = option(1, "+CEREG stat once attached", "standard", choices=(1, 5))
    cfun_4_persists: bool = option(True, "AT+CFUN=4 survives a reboot", "sibling")
    cfun_0_persists: bool = option(False, "AT+CFUN=0 survives a reboot", "chosen")
    cgatt_0_persists: bool = option(
        False,
        "after AT+CGATT=0 only AT+CGATT=1 or a start attach again, not CFUN or COPS",
        "chosen",
    )
    csq: int = option(18, "signal quality while attached (+CSQ)", "chosen", low=0, high=31)
    rsrq: int = option(20, "+CESQ while attached", "chosen", low=0, high=34)
    rsrp: int = option(50, "+CESQ while attached", "chosen", low=0, high=97)
    cme_no_network: int = cme(
        30, "CME of AT+CGACT=1 or AT+CGATT=1 without a network, AT+COPS=1 for none in sight"
    )
    imsi: str = option("310410123456789", "AT+CIMI", "chosen")
    iccid: str = option("8901410123456789012", "AT+CCID", "chosen")
    plmn: str = option("310410", "the operator there is", "chosen")
    operator: str = option("", "its name; often empty on LEXI-R10", "R10")
    other_plmns: str = option(
        "310260,311480", "operators in sight that refuse the SIM, joined by commas", "chosen"
    )
    cops_scan_s: float = seconds(30.0, "time AT+COPS=? takes", "chosen")
    creg_follows: bool = option(True, "+CREG follows +CEREG; else it is 0 always", "chosen")
    cgreg_follows: bool = option(False, "+CGREG follows +CEREG; else it is 4 always", "chosen")
    cereg_empty_fields: bool = option(
        False, "the URC +CEREG: 0 has empty fields with AT+CEREG=4 and 5 (SARA-R422)", "sibling"
    )
    reject_cause: int = option(15, "<reject_cause> of +CEREG: 3", "standard", low=0, high=255)
    apn: str = option("internet", "APN the network gives if the host names none", "chosen")
    cme_last_bearer: int = cme(171, "CME of AT+CGACT=0 for the last active context")
    cgev_lost_when_busy: bool = option(
        False, "a +CGEV is lost if it comes while a command runs and +CGEREP is 1", "sibling"
    )
    uupsdd: bool = option(
        False,
        "+UUPSDD: <cid> tells of every context that the network ends; no command asks for it, "
        "and +CGEREP does not matter",
        "R10",
    )
    psm_granted: bool = option(True, "+CEREG shows the timers of AT+CPSMS=1", "chosen")
    psm_urcs: bool = option(
        False, "with +UPSMR=1 and +CPSMS=1 +UUPSMR: 2,1 says at each attach: no PSM", "chosen"
    )
    profile_keeps_mode: bool = option(
        False,
        "a change of the MNO profile keeps <activation_mode> instead of the factory value",
        "chosen",
    )

    # Firmware update
    fota_download_s: float = seconds(600.0, "length of a download", "chosen")
    fota_check_s: float = seconds(20.0, "from the download to the installation", "chosen")
    fota_install_s: float = seconds(300.0, "no AT command is answered for this long", "chosen")
    fota_report_s: float = option(30.0, "period of the progress URCs", "chosen", low=1.0)
    fota_grace_s: float = seconds(
        2.0, "what the host does this soon after the start counts as not knowing better", "chosen"
    )
    fota_trailing_slash: bool = option(True, 'event 3 has "/5/0/3/", not "/5/0/3"', "sibling")
    fota_notification: bool = option(
        True, "event 3 names the state of the update when it begins", "sibling"
    )
    fota_progress_urcs: bool = option(
        False, "+UFOTASTAT and +UFWPREVAL come, as on siblings; unknown on LEXI-R10", "R10"
    )
    fota_install_urcs: bool = option(
        False, "+UUFWINSTALL comes even if no command asked for it since the start", "R10"
    )
    fota_urc_command: str = option(
        "error",
        "answer to AT+UFWINSTALL=,,,1, which asks for +UUFWINSTALL",
        "chosen",
        choices=("ok", "error"),
    )
    fota_bare_command: str = option(
        "start",
        "AT+UFWINSTALL alone starts an installation (start, as on SARA-R4), asks for +UUFWINSTALL "
        "(arm, as ubxlib thinks of LEXI-R10), or is not supported (error)",
        "sibling",
        choices=("start", "arm", "error"),
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
    client_start_s: float = seconds(1.0, "from AT ready to event 5,1", "chosen")
    client_init_s: float = seconds(2.0, "from event 5,1 to 5,2", "chosen")
    init_result: int = option(
        2,
        "end of the initialisation: 2 finished, 3 production mode, 4 failed, 1 never",
        "manual",
        choices=(1, 2, 3, 4),
    )
    schedule_s: float = seconds(1.0, "from OK of AT+ULWM2MREG=<id> to code 2", "manual (no value)")
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
        split_upsv(self.upsv)
        if not re.fullmatch(r"[0-9]{5,6}(,[0-9]{5,6})*|", self.other_plmns):
            raise ValueError(f"other_plmns: expected 310260,..., got {self.other_plmns!r}")
        self.check_names()
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
