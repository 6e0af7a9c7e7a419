"""PWR_ON and RESET_N: active-low inputs, judged when they are released by how long they were low.

PWR_ON toggles: a press while the module is on switches it off (published LEXI-R10 drivers). Any
press, however short, wakes a UART that saves power by +UPSV=1, from its beginning on.
"""

from . import harm

_TOLERANCE_S = 1e-6  # of a time after years

LOW = "low"
HIGH = "high"


class Pins:
    """The two control inputs. Times are module seconds."""

    def __init__(self, module):
        self._module = module
        self._low_since_s = {"pwr_on": None, "reset_n": None}

    def level(self, pin):
        """Return "low" or "high"."""
        return HIGH if self._low_since_s[pin] is None else LOW

    def set(self, pin, level):
        """Drive `pin` ("pwr_on" or "reset_n") to "low" or "high"."""
        now_s = self._module.clock.module_s
        since_s = self._low_since_s[pin]
        if pin == "pwr_on" and self._module.booted:
            self._module.sleep.wake()
        if level == LOW:
            if since_s is None:
                self._low_since_s[pin] = now_s
            return
        if since_s is None:
            return
        self._low_since_s[pin] = None
        held_s = now_s - since_s + _TOLERANCE_S
        self._module.record("pin", pin.upper(), round(held_s, 3))
        if pin == "pwr_on":
            self._pwr_on_released(held_s)
        else:
            self._reset_n_released(held_s)

    def _pwr_on_released(self, held_s):
        config = self._module.config
        if self._module.powered:
            effective = held_s >= config.pwr_on_off_s
            harm.judge_press(self._module, "PWR_ON", held_s, effective)
            if effective:
                self._module.power_off("PWR_ON")
        elif held_s >= config.pwr_on_on_s:
            self._module.power_on("PWR_ON")

    def _reset_n_released(self, held_s):
        config = self._module.config
        if not self._module.powered:
            return
        effective = held_s >= config.reset_n_s and self._module.hung != "power"
        harm.judge_press(self._module, "RESET_N", held_s, effective)
        if not effective:
            return
        if config.reset_n_off_s and held_s >= config.reset_n_off_s:
            self._module.cut_power("RESET_N")
        else:
            self._module.boot("RESET_N")
