"""Which operator the host asks for (+COPS), and which there are. Forms: 3GPP TS 27.007."""

from . import codes

AUTOMATIC = 0
MANUAL = 1
DEREGISTERED = 2
FORMAT_ONLY = 3
FALLBACK = 4  # manual, and automatic where that fails

LONG = 0
SHORT = 1
NUMERIC = 2

_AVAILABLE, _CURRENT, _FORBIDDEN = 1, 2, 3


class Operators:
    """The operator selection. A start makes it automatic again."""

    def __init__(self, config):
        self._config = config
        self._others = config.other_plmns.split(",") if config.other_plmns else []
        self.boot()

    def boot(self):
        """State after a start."""
        self.mode = AUTOMATIC
        self.format = LONG  # of the operator in AT+COPS?
        self._chosen = None  # the operator of modes 1 and 4, numeric

    @property
    def wanted(self):
        """Whether the host wants to be registered at all."""
        return self.mode != DEREGISTERED

    @property
    def refuses(self):
        """Whether the chosen operator refuses the SIM."""
        return self.mode == MANUAL and self._chosen != self._config.plmn

    def select(self, mode, name=None, name_format=NUMERIC):
        """AT+COPS=0, 1, 2 and 4. Returns False, all as it was, if =1 names one not in sight."""
        known = [self._config.plmn, *self._others]
        matching = [plmn for plmn in known if name and self._name(plmn, name_format) == name]
        if mode == MANUAL and not matching:
            return False
        self.mode = mode
        self._chosen = matching[0] if matching else None
        return True

    def answer(self, registered):
        """Return what AT+COPS? prints."""
        if not registered:
            return f"+COPS: {self.mode}"
        name = self._name(self._config.plmn, self.format)
        return f'+COPS: {self.mode},{self.format},"{name}",{codes.E_UTRAN}'

    def answer_test(self, registered, refused, available):
        """Return what AT+COPS=? prints."""
        states = dict.fromkeys(self._others, _FORBIDDEN)
        states[self._config.plmn] = _AVAILABLE
        if registered:
            states[self._config.plmn] = _CURRENT
        elif refused:
            states[self._config.plmn] = _FORBIDDEN
        rows = [self._row(plmn, states[plmn]) for plmn in sorted(states, key=states.get)]
        return "+COPS: " + ",".join(rows if available else []) + ",,(0-4),(0-2)"

    def _row(self, plmn, state):
        names = ",".join(f'"{self._name(plmn, each)}"' for each in (LONG, SHORT, NUMERIC))
        return f"({state},{names},{codes.E_UTRAN})"

    def _name(self, plmn, name_format):
        if name_format == NUMERIC:
            return plmn
        return self._config.operator if plmn == self._config.plmn else ""
