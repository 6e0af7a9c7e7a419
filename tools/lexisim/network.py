"""SIM, radio switch and network registration: +CPIN, +CFUN, +COPS, +CEREG.

Only what the LwM2M client and a recovering host can see of them. The network always accepts;
the scenario can force another +CEREG state.
"""

from . import codes

SIM_READY = "READY"
SIM_PIN = "SIM PIN"
SIM_PUK = "SIM PUK"

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
        self.pin_attempts_left = module.config.pin_attempts
        self.cfun = CFUN_FULL
        self.operator_wanted = True
        self.cereg_urc = 0
        self.stat = codes.CEREG_IDLE
        self._attach_timer = None

    @property
    def attached(self):
        return self.stat in codes.CEREG_ATTACHED

    def boot(self):
        """State after a start; the radio switch comes from NVM, the PIN is asked for again."""
        self.cfun = self._module.nvm.get("cfun", CFUN_FULL)
        self.operator_wanted = True
        self.cereg_urc = 0
        self.stat = codes.CEREG_IDLE
        self._attach_timer = None
        if self.sim != SIM_PUK:
            self.sim = SIM_PIN if self.pin_required else SIM_READY

    def ready(self):
        """AT became ready: the radio starts."""
        self._radio_changed()

    def enter_pin(self, pin):
        """Unlock the SIM; returns whether the PIN was right. Three wrong ones ask for the PUK."""
        if pin == self._module.config.pin:
            self.pin_attempts_left = self._module.config.pin_attempts
            self.sim = SIM_READY
            self._radio_changed()
            return True
        self.pin_attempts_left -= 1
        if self.pin_attempts_left <= 0:
            self.sim = SIM_PUK
        return False

    def require_pin(self, required):
        """Scenario: the SIM asks for its PIN, now and at each boot, or no longer does."""
        self.pin_required = required
        self.pin_attempts_left = self._module.config.pin_attempts
        self.sim = SIM_PIN if required else SIM_READY
        self._radio_changed()

    def set_cfun(self, value):
        """AT+CFUN=0, 1, 4, 19. 1 is persistent; 4 is on the sibling modules."""
        self.cfun = value
        if value == CFUN_FULL or (value == CFUN_AIRPLANE and self._module.config.cfun_4_persists):
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
        if not module.booted:
            return  # `ready` will come back here
        self._cancel_attach()
        on = self.cfun == CFUN_FULL and self.operator_wanted and self.sim == SIM_READY
        if not on:
            self._set_stat(codes.CEREG_IDLE)
        elif not self.attached:
            self._set_stat(codes.CEREG_SEARCHING)
            self._attach_timer = module.session.after(
                module.config.attach_s, lambda: self.force(module.config.cereg_attached)
            )

    def _set_stat(self, stat):
        if stat == self.stat:
            return
        was_attached = self.attached
        self.stat = stat
        if self.cereg_urc:
            self._module.port.urc(f"+CEREG: {self.cereg_fields(self.cereg_urc)}")
        if was_attached != self.attached:
            self._module.client.network_changed(self.attached)
