"""SIM, radio switch and network registration: +CPIN, +CFUN, +COPS, +CREG, +CGREG, +CEREG.

Only what the LwM2M client and a recovering host can see of them. The network accepts unless
the scenario says otherwise: lost for a time, the SIM denied, or a forced +CEREG state.
"""

from . import bearers, codes, operators
from .at import CommandError
from .operators import Operators

SIM_READY = "READY"
SIM_PIN = "SIM PIN"
SIM_PUK = "SIM PUK"
SIM_ABSENT = "ABSENT"
SIM_FAILURE = "FAILURE"

# What keeps a command that needs the SIM from working (3GPP TS 27.007).
SIM_ERRORS = {
    SIM_PIN: codes.CME_PIN_REQUIRED,
    SIM_PUK: codes.CME_PUK_REQUIRED,
    SIM_ABSENT: codes.CME_SIM_ABSENT,
    SIM_FAILURE: codes.CME_SIM_FAILURE,
}

CFUN_MINIMUM = 0
CFUN_FULL = 1
CFUN_AIRPLANE = 4
CFUN_DEACTIVATED = 19

# Reports of the registration, and the highest <n> of each (3GPP TS 27.007).
CREG = "+CREG"
CGREG = "+CGREG"
CEREG = "+CEREG"
LEVELS = {CREG: 3, CGREG: 5, CEREG: 5}
_LOCATION_LEVEL = 2  # from this <n> on with the cell
_CAUSE_LEVELS = (3, 5)
_PSM_LEVELS = (4, 5)
_CELL = f'"2CF7","08A5A782",{codes.E_UTRAN}'  # location area, cell id
_EMPTY = "0,,,,,,,,"  # SARA-R422
_EMM_CAUSE = 0  # <cause_type>
_NO_PSM = "00000000"
_PSM_PREVENTED = "+UUPSMR: 2,1"


class Network:
    """Registration state of the radio side. Times are module seconds."""

    def __init__(self, module):
        self._module = module
        self.pin_required = module.config.pin_required
        self.sim = SIM_READY
        self.denied = False  # the network refuses the SIM
        self.available = True  # there is a network
        self._back_timer = None
        self.pin_attempts_left = module.config.pin_attempts
        self.pin_was_wrong = False  # the latest one
        self.cfun = CFUN_FULL
        self.operators = Operators(module.config)
        self.attach_wanted = True  # AT+CGATT
        self.reports = dict.fromkeys(LEVELS, 0)  # <n> of each
        self.stat = codes.CEREG_IDLE
        self._attach_timer = None

    @property
    def attached(self):
        return self.stat in codes.CEREG_ATTACHED

    @property
    def attaching(self):
        """Whether the module will be attached in a moment."""
        return self._attach_timer is not None

    @property
    def radio_off(self):
        """Whether the host switched the radio off."""
        return self.cfun != CFUN_FULL or not self.operators.wanted

    def need_sim(self):
        """Raise CommandError unless the SIM can be used."""
        if self.sim in SIM_ERRORS:
            raise CommandError(SIM_ERRORS[self.sim])

    def boot(self):
        """State after a start; the radio switch comes from NVM, the PIN is asked for again."""
        self.cfun = self._module.nvm.get("cfun", CFUN_FULL)
        self.operators.boot()
        self.attach_wanted = True
        self.reports = dict.fromkeys(LEVELS, 0)
        self.power_off()
        if self.sim in (SIM_READY, SIM_PIN):
            self._set_sim(SIM_PIN if self.pin_required else SIM_READY)

    def power_off(self):
        """The radio stops without a word."""
        self._cancel_attach()
        self._module.bearers.power_off()
        if self.stat != codes.CEREG_IDLE:
            self.stat = codes.CEREG_IDLE
            self._module.record("attach", self.stat)

    def ready(self):
        """AT became ready: the radio starts."""
        self._radio_changed()

    def enter_pin(self, pin):
        """Unlock the SIM; returns whether the PIN was right. Three wrong ones ask for the PUK."""
        self.pin_was_wrong = pin != self._module.config.pin
        if not self.pin_was_wrong:
            self.pin_attempts_left = self._module.config.pin_attempts
            self._set_sim(SIM_READY)
            self._radio_changed()
            return True
        self.pin_attempts_left -= 1
        if self.pin_attempts_left <= 0:
            self._set_sim(SIM_PUK)
        return False

    def require_pin(self, required):
        """Scenario: the SIM asks for its PIN, now and at each boot, or no longer does."""
        self.change_sim(SIM_PIN if required else SIM_READY)

    def change_sim(self, sim, denied=False):
        """Scenario: another SIM, or none. It stays so over a reboot."""
        self.pin_required = sim == SIM_PIN
        self.pin_attempts_left = 0 if sim == SIM_PUK else self._module.config.pin_attempts
        self.pin_was_wrong = False
        self.denied = denied
        self._set_sim(sim)
        self._radio_changed()

    def lose(self, duration_s=None):
        """Scenario: there is no network, for module seconds or until `back`."""
        self._cancel_back()
        self.available = False
        if duration_s is not None:
            self._back_timer = self._module.world.after(duration_s, self.back)
        self._radio_changed()

    def back(self):
        """Scenario: there is a network again."""
        self._cancel_back()
        self.available = True
        self._radio_changed()

    def set_cfun(self, value):
        """AT+CFUN=0, 1, 4, 19. 1 is persistent; 4 is on the sibling modules."""
        self.cfun = value
        config = self._module.config
        persists = {
            CFUN_FULL: True,
            CFUN_AIRPLANE: config.cfun_4_persists,
            CFUN_MINIMUM: config.cfun_0_persists,
        }
        if persists.get(value, False):
            self._module.nvm.put("cfun", value)
        if value == CFUN_FULL:
            self._want_attach()
        self._radio_changed()

    def select(self, mode, name=None, name_format=operators.NUMERIC):
        """AT+COPS=0, 1, 2 and 4. Returns False, all as it was, if =1 names one not in sight."""
        if not self.operators.select(mode, name, name_format):
            return False
        if self.operators.wanted:
            self._want_attach()
        self._radio_changed()
        return True

    def attach(self, wanted):
        """AT+CGATT=0 and =1."""
        self.attach_wanted = wanted
        self._radio_changed()

    def force(self, stat):
        """Scenario: +CEREG takes this state and keeps it until the radio or the SIM changes."""
        self._cancel_attach()
        self._set_stat(stat)

    def stat_of(self, name):
        """Return <stat> of +CREG, +CGREG or +CEREG."""
        config = self._module.config
        if name == CREG and not config.creg_follows:
            return codes.CEREG_IDLE
        if name == CGREG and not config.cgreg_follows:
            return codes.CEREG_UNKNOWN
        return self.stat

    def fields(self, name):
        """Return the fields of a line of +CREG, +CGREG or +CEREG after <n>."""
        level, stat = self.reports[name], self.stat_of(name)
        fields = str(stat)
        registered = stat in codes.CEREG_ATTACHED
        refused = stat == codes.CEREG_DENIED and level in _CAUSE_LEVELS
        if (registered and level >= _LOCATION_LEVEL) or refused:
            fields += "," + _CELL
        if refused:
            fields += f",{_EMM_CAUSE},{self._module.config.reject_cause}"
        if registered and level in _PSM_LEVELS and name != CREG:
            active, tau = self._psm_times()
            fields += f',,,"{active}","{tau}"'
        return fields

    def _psm_times(self):
        mode, tau, active = self._module.settings.get("+CPSMS")
        granted = mode == 1 and self._module.config.psm_granted
        return (active, tau) if granted else (_NO_PSM, _NO_PSM)

    def _want_attach(self):
        """The radio or the operator is chosen anew, which ends an AT+CGATT=0."""
        if not self._module.config.cgatt_0_persists:
            self.attach_wanted = True

    def _cancel_attach(self):
        if self._attach_timer is not None:
            self._attach_timer.cancel()
            self._attach_timer = None

    def _radio_changed(self):
        module = self._module
        if not module.radio_runs:
            return  # `ready` will come back here
        self._cancel_attach()
        if self.radio_off or not self.attach_wanted or self.sim != SIM_READY:
            self._set_stat(codes.CEREG_IDLE)
        elif self.denied or (self.available and self.operators.refuses):
            self._set_stat(codes.CEREG_DENIED)
        elif not self.available:
            self._set_stat(codes.CEREG_SEARCHING)
        elif not self.attached:
            self._set_stat(codes.CEREG_SEARCHING)
            self._attach_timer = module.session.after(
                module.config.attach_s, lambda: self.force(module.config.cereg_attached)
            )

    def _cancel_back(self):
        if self._back_timer is not None:
            self._back_timer.cancel()
            self._back_timer = None

    def _set_sim(self, sim):
        if sim != self.sim:
            self.sim = sim
            self._module.record("sim", sim)

    def _set_stat(self, stat):
        if stat == self.stat:
            return
        was_attached = self.attached
        before = {name: self.stat_of(name) for name in self.reports}
        self.stat = stat
        self._module.record("attach", stat)
        for name, level in self.reports.items():
            if level and self.stat_of(name) != before[name]:
                self._report(name)
        if was_attached != self.attached:
            self._attach_changed()

    def _report(self, name):
        fields = self.fields(name)
        idle = fields == str(codes.CEREG_IDLE) and self.reports[name] in _PSM_LEVELS
        if idle and self._module.config.cereg_empty_fields:
            fields = _EMPTY
        self._module.port.urc(f"{name}: {fields}")

    def _attach_changed(self):
        module = self._module
        if self.attached:
            module.bearers.attached()
            self._tell_psm()
        else:
            by_host = self.stat == codes.CEREG_IDLE
            module.bearers.detached(bearers.BY_HOST if by_host else bearers.BY_NETWORK)
        module.client.network_changed(self.attached)

    def _tell_psm(self):
        """With a client that is always on its way PSM never comes, and +UPSMR=1 says so."""
        asked = self._module.settings.get("+CPSMS")[0] and self._module.settings.get("+UPSMR")[0]
        if asked and self._module.config.psm_urcs:
            self._module.port.urc(_PSM_PREVENTED)
