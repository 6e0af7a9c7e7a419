"""The pause a host owes the module, and what it does wrong: counters, judged line by line.

A line that begins too soon after a final code or a URC is a gap violation, one that begins while
either is still on the wire a collision. Those of URCs are counted apart: a host that keeps its
pause after answers only is known to work, and nobody can foresee a URC.
"""

from . import uart

_TOLERANCE_S = 1e-9
_NAMES = {uart.FINAL: "final code", uart.URC: "URC"}


class Pauses:
    """Counters of gap violations, collisions and overlaps. Times are real seconds."""

    def __init__(self, module):
        self._module = module
        self.gap_violations = 0
        self.urc_gap_violations = 0
        self.collisions = 0
        self.urc_collisions = 0
        self.prompt_violations = 0  # data that began too soon after a prompt
        self.prompt_s = 0.0  # end of the latest prompt
        self.overlaps = 0  # lines sent before the previous command was answered

    def line_starts(self, start_s, overlaps):
        """The host begins a line at `start_s`; returns whether that was too early."""
        if overlaps:
            self.overlaps += 1
            self._module.note("host sends before the final code of the previous command")
            return False
        for kind in (uart.FINAL, uart.URC):
            owed_from_s = self._module.transmitter.gap_owed_from_s[kind]
            if owed_from_s is None:
                continue
            silence_s = start_s - owed_from_s
            if silence_s < -_TOLERANCE_S:
                self._collision(kind)
                return False
            if silence_s < self._module.config.gap_min_s - _TOLERANCE_S:
                self._violation(kind, silence_s)
                return True
        return False

    def data_start(self, start_s):
        """The host begins to send what a prompt asked for."""
        if start_s - self.prompt_s < self._module.config.prompt_pause_s - _TOLERANCE_S:
            self.prompt_violations += 1
            self._module.note("host sends data too soon after a prompt")

    def _collision(self, kind):
        if kind == uart.URC:
            self.urc_collisions += 1
        else:
            self.collisions += 1
        self._module.note(f"host sends while a {_NAMES[kind]} is on the wire")

    def _violation(self, kind, silence_s):
        if kind == uart.URC:
            self.urc_gap_violations += 1
        else:
            self.gap_violations += 1
        self._module.note(f"gap violation: {silence_s * 1000:.3f} ms after a {_NAMES[kind]}")

    def counts(self):
        """Return the counters by name."""
        return {name: value for name, value in vars(self).items() if isinstance(value, int)}
