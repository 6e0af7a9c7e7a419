# The exceptions, one tree. Wrong arguments are ValueError, raised before a byte is sent.


def check(name, value, lowest, highest):
    """Return `value`, an int, or raise ValueError, naming it, when it is not lowest..highest."""
    if not isinstance(value, int) or not lowest <= value <= highest:
        raise ValueError("%s: %r, expected %d..%d" % (name, value, lowest, highest))
    return value


def need(ok, name, value, expected):
    """Raise ValueError, naming the parameter, unless `ok`."""
    if not ok:
        raise ValueError("%s: %r, expected %s" % (name, value, expected))


class PortError(Exception):
    """Base of everything that a command can raise once it was sent."""


class PortTaken(PortError):
    """A newer Channel has the stream: this one is closed."""


class AtError(PortError):
    """The module refused the command: ERROR, +CMS ERROR, ABORTED, NO CARRIER and the like."""

    def __init__(self, command, text):
        super().__init__("%s: %s" % (command, text))
        self.command = command
        self.text = text


class CmeError(AtError):
    """The module answered +CME ERROR. `code` is its number (3GPP TS 27.007, 9.2), `text` its text.

    With verbose errors (AT+CMEE=2) the module sends the text: `code` is then looked up, and None
    for a text that decides nothing here. Else the text is looked up, where it is asked for.
    """

    # Those that decide what to do next; cme.py has the others.
    TEXTS = {
        3: "operation not allowed",
        4: "operation not supported",
        10: "SIM not inserted",
        11: "SIM PIN required",
        12: "SIM PUK required",
        13: "SIM failure",
        30: "no network service",
        50: "incorrect parameters",
        100: "unknown",
    }

    def __init__(self, command, text):
        super(AtError, self).__init__("%s: +CME ERROR: %s" % (command, text))
        self.command = command
        self._told = text
        self.code = int(text) if text.isdigit() else None
        for code, known in self.TEXTS.items():
            if text.lower() == known.lower():
                self.code = code

    @property
    def text(self):
        if not self._told.isdigit():
            return self._told
        if self.code in self.TEXTS:
            return self.TEXTS[self.code]
        from .cme import TEXTS

        return TEXTS.get(self.code, self._told)

    def __str__(self):
        told = "" if self.text == self._told else " (%s)" % self.text
        return self.args[0] + told


class AtTimeout(PortError):
    """No final result code within the command's time; whatever comes later is dropped."""


class ModuleRebooted(AtTimeout):
    """The module restarted while the command waited, so its answer will never come."""
