"""The MNO profile (+UMNOPROF): which servers are provisioned, and the factory activation mode.

A new profile takes effect at the next start and loses the +ULWM2MCONFIG rows (manual).
"""


class Profile:
    """The profile in force, and the one stored for the next start. Both live in NVM."""

    def __init__(self, module):
        self._config = module.config
        self._nvm = module.nvm

    @property
    def number(self):
        """The profile in force."""
        return self._nvm.get("mno", self._config.mno)

    @property
    def stored(self):
        """What AT+UMNOPROF? prints."""
        return self._nvm.get("mno_next", self.number)

    @property
    def servers(self):
        """The ServerSpecs the profile provisions."""
        return self._config.servers_of(self.number)

    def store(self, number):
        """AT+UMNOPROF=: in force from the next start on."""
        self._nvm.put("mno_next", number)

    def boot(self):
        """The module starts: a stored profile takes effect."""
        number = self.stored
        if number == self.number:
            return
        self._nvm.put("mno", number)
        self._nvm.forget("rows")
        if not self._config.profile_keeps_mode:
            self._nvm.forget("activation_mode")
