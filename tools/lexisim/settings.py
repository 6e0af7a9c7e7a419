"""Settings that commands store and read back, and which of them outlive a start.

Only what is stored: what a setting does is elsewhere, if it does anything at all.
"""

from dataclasses import dataclass

# AT&C, AT&D, AT&K: a profile of the line, which ATZ and AT&F bring back to the factory's.
DCD = "&C"
DTR = "&D"
FLOW = "&K"
LINE = (DCD, DTR, FLOW)

HEX_MODE = "+UDCONF=1"
DEFAULT_BEARER = "+UDCONF=19"


@dataclass(frozen=True)
class Setting:
    """The factory value, and whether it is kept in NVM; a text names the option that says so."""

    factory: object
    kept: bool | str = False


SETTINGS = {
    DCD: Setting(1, "line_settings_persist"),
    DTR: Setting(1, "line_settings_persist"),
    FLOW: Setting("flow", "line_settings_persist"),  # the option
    "+UPSV": Setting(None, True),  # None: see `sleep.py`
    "+UUSBCONF": Setting([0], True),
    "+UGPIOC": Setting({}, True),
    HEX_MODE: Setting([0]),
    DEFAULT_BEARER: Setting([1, 0]),
    "+UCGED": Setting([0]),
    "+UPSMR": Setting([0]),
    "+CGEREP": Setting([0, 0]),
    "+CPSMS": Setting([0, "01100000", "00000000"], True),
    "+CEDRXS": Setting([0, "0000"], True),
}


class Settings:
    """The values of SETTINGS. What is kept is in NVM under the same name."""

    def __init__(self, module):
        self._config = module.config
        self._nvm = module.nvm
        self._volatile = {}

    def get(self, name):
        """Return the value."""
        factory = SETTINGS[name].factory
        if name == FLOW:
            factory = getattr(self._config, factory)
        stored = self._nvm if self._kept(name) else self._volatile
        return stored.get(name, factory)

    def put(self, name, value):
        """Store a JSON value."""
        if self._kept(name):
            self._nvm.put(name, value)
        else:
            self._volatile[name] = value

    def boot(self):
        """The module starts: what is not kept is as the factory made it."""
        self._volatile.clear()

    def restore_line(self):
        """ATZ and AT&F."""
        for name in LINE:
            self._volatile.pop(name, None)
            self._nvm.forget(name)

    def _kept(self, name):
        kept = SETTINGS[name].kept
        return getattr(self._config, kept) if isinstance(kept, str) else kept
