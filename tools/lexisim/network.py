"""SIM, radio switch and network registration: +CPIN, +CFUN, +COPS, +CEREG.

Only what the LwM2M client and a recovering host can see of them. The network accepts unless
the scenario says otherwise: lost for a time, the SIM denied, or a forced +CEREG state.
"""

from . import codes

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

_CELL = '"2CF7","08A5A782",7'  # location area, cell id, E-UTRAN


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
        self.operator_wanted = True
        self.cereg_urc = 0
        self.stat = codes.CEREG_IDLE
        self._attach_timer = None

    @property
    def attached(self):
        return self.stat in codes.CEREG_ATTACHED

    @property
    def radio_off(self):
        """Whether the host switched the radio off."""
        return self.cfun != CFUN_FULL or not self.operator_wanted

    def boot(self):
        """State after a start; the radio switch comes from NVM, the PIN is asked for again."""
        self.cfun = self._module.nvm.get("cfun", CFUN_FULL)
        self.operator_wanted = True
        self.cereg_urc = 0
        self.power_off()
        if self.sim in (SIM_READY, SIM_PIN):
            self._set_sim(SIM_PIN if self.pin_required else SIM_READY)

    def power_off(self):
        """The radio stops without a word."""
        self._cancel_attach()
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
        self._radio_changed()

    def want_operator(self, wanted):
        """AT+COPS=0 and =2."""
        self.operator_wanted = wanted
        self._radio_changed()

    def force(self, stat):
        """Scenario: +CEREG takes this state and keeps it until the radio or the SIM changes."""
        self._cancel_attach()
        self._set_stat(stat)

    def cereg_fields(self, level):
        """Return the fields of a +CEREG line after <n>, for reporting level `level`."""
        return f"{self.stat},{_CELL}" if level >= 2 and self.attached else str(self.stat)

    def _cancel_attach(self):
        if self._attach_timer is not None:
            self._attach_timer.cancel()
            self._attach_timer = None

    def _radio_changed(self):
        module = self._module
        if not module.radio_runs:
            return  # `ready` will come back here
        self._cancel_attach()
        if self.radio_off or self.sim != SIM_READY:
            self._set_stat(codes.CEREG_IDLE)
        elif self.denied:
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
        self.stat = stat
        self._module.record("attach", stat)
        if self.cereg_urc:
            self._module.port.urc(f"+CEREG: {self.cereg_fields(self.cereg_urc)}")
        if was_attached != self.attached:
            self._module.client.network_changed(self.attached)
