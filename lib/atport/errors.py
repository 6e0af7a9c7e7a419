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


def _waits():
    yield


_ASYNC = type(_waits)  # of functions that are coroutines or generators
_COROUTINE = type(_waits())  # of what they return


def check_plain(name, fn):
    """Raise ValueError, naming the parameter, unless `fn` may be called where nothing may wait."""
    need(callable(fn) and type(fn) is not _ASYNC, name, fn, "a plain function, not a coroutine")


def refuse(result):
    """Raise PortError if a function returned a coroutine: it was async, and nothing told so."""
    if isinstance(result, _COROUTINE):
        result.close()
        raise PortError("handler must not be async")
    return result


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
        code = int(text) if text.isdigit() else None
        said = text
        if code in self.TEXTS:
            said = "%s (%s)" % (text, self.TEXTS[code])
        for number, known in self.TEXTS.items():
            if text.lower() == known.lower():
                code = number
        super(AtError, self).__init__("%s: +CME ERROR: %s" % (command, said))
        self.command = command
        self.code = code
        self._told = text

    @property
    def text(self):
        if not self._told.isdigit():
            return self._told
        if self.code in self.TEXTS:
            return self.TEXTS[self.code]
        from .cme import TEXTS

        return TEXTS.get(self.code, self._told)

    def __str__(self):
        said = self.args[0]
        return said if self.text in said else "%s (%s)" % (said, self.text)


class AtTimeout(PortError):
    """No final result code within the command's time; whatever comes later is dropped.

    sent: False if the command did not even go out, so that the module never saw it.
    """

    sent = True


def not_sent(command, why):
    """Return the AtTimeout of a command that did not go out."""
    e = AtTimeout("%s: not sent, %s" % (command, why))
    e.sent = False
    return e


class ModuleRebooted(AtTimeout):
    """The module restarted while the command waited, so its answer will never come."""
