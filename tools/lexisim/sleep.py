"""UART power saving (+UPSV): whether the module hears the host.

Mode 1: the UART is awake for <timeout> after the latest character or press of PWR_ON, then it is
deaf, and only a press of PWR_ON wakes it (published LEXI-R10 manual). While PWR_ON is held low it
does not fall asleep. In mode 5 it is deaf while the GPIO of +UGPIOC mode 34 is low, and PWR_ON
does not matter; without such a GPIO it is always awake. The client and the radio go on whatever
the UART does.
"""

from . import pins
from .options import split_upsv

MODE_ON = 0
MODE_TIMED = 1
MODE_GPIO = 5
MODES = (MODE_ON, MODE_TIMED, MODE_GPIO)

_SETTING = "+UPSV"
_GPIO_FUNCTION = 34  # of +UGPIOC: the GPIO of mode 5
_TOLERANCE_S = 1e-6


class Sleep:
    """The state of the UART. Times are module seconds."""

    def __init__(self, module):
        self._module = module
        self.deaf = False
        self.deaf_bytes = 0  # what the host wrote in vain
        self.gpio = pins.HIGH  # level of the GPIO of mode 5, whether it has that function or not
        self._active_s = 0.0  # when the host last gave a sign
        self._timer = None

    @property
    def setting(self):
        """Return [<mode>] or [<mode>, <timeout> ms, <max_sleep>], as AT+UPSV? prints it."""
        stored = self._module.settings.get(_SETTING)
        return split_upsv(self._module.config.upsv) if stored is None else stored

    @property
    def holds_output(self):
        """Whether URCs wait for the host to wake the UART."""
        return self.deaf and self._module.config.upsv_urcs == "hold"

    @property
    def loses_output(self):
        """Whether URCs are lost."""
        return self.deaf and self._module.config.upsv_urcs == "lose"

    def store(self, mode, timeout_ms=None, max_sleep=None):
        """AT+UPSV=: in force at once, and kept."""
        config = self._module.config
        setting = [mode]
        if mode != MODE_ON:
            setting.append(config.upsv_timeout_ms if timeout_ms is None else timeout_ms)
            setting.append(config.upsv_max_sleep if max_sleep is None else max_sleep)
        self._module.settings.put(_SETTING, setting)
        if self._timer is not None:  # of the timeout before
            self._timer.cancel()
            self._timer = None
        self.wake()

    def boot(self):
        """The module starts or stops; awake until AT answers."""
        self._timer = None
        self._set(False)

    def wake(self):
        """The host pressed PWR_ON, or AT became ready: awake unless the GPIO forbids it."""
        if self._gpio_forbids:
            self._fall_asleep()
            return
        was_deaf = self.deaf
        self._set(False)
        self.heard()
        if was_deaf and not self._module.port.busy:
            self._module.port.release_urcs()

    def set_gpio(self, level):
        """The host drives the GPIO of mode 5 "low" or "high"."""
        self.gpio = level
        self.gpio_changed()

    def gpio_changed(self):
        """The GPIO of mode 5 has another level, or +UGPIOC another function."""
        if self._module.booted and self.setting[0] == MODE_GPIO:
            self.wake()

    @property
    def _gpio_forbids(self):
        functions = self._module.settings.get("+UGPIOC").values()
        by_gpio = self.setting[0] == MODE_GPIO and _GPIO_FUNCTION in functions
        return by_gpio and self.gpio == pins.LOW

    def heard(self):
        """A character has arrived: the timeout begins anew."""
        self._active_s = self._module.clock.module_s
        if self._timer is None and self._module.booted and self.setting[0] == MODE_TIMED:
            self._watch(self._timeout_s())

    def said(self, end_s):
        """The module sends; its last character is out at `end_s`."""
        if self._module.config.upsv_counts_output:
            self._active_s = max(self._active_s, end_s)

    def _timeout_s(self):
        return self.setting[1] / 1000

    def _watch(self, delay_s):
        self._timer = self._module.session.after(delay_s, self._look)

    def _look(self):
        self._timer = None
        if self.setting[0] != MODE_TIMED or self._module.pins.level("pwr_on") == pins.LOW:
            return  # the release of PWR_ON wakes, and watches again
        left_s = self._active_s + self._timeout_s() - self._module.clock.module_s
        if left_s > _TOLERANCE_S:
            self._watch(left_s)
        else:
            self._fall_asleep()

    def _fall_asleep(self):
        if not self.deaf:
            self._set(True)
            self._module.port.cut_line()

    def _set(self, deaf):
        if deaf != self.deaf:
            self.deaf = deaf
            self._module.record("uart", "deaf" if deaf else "awake")
