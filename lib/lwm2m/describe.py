# Names and sentences for people.

EVENTS = {
    1: "registered",
    2: "registration updated",
    3: "de-registered",
    4: "disabled by the server",
    5: "registration refused",
    6: "registration lost",
    7: "socket rebuilt",
    10: "observed",
    11: "observation cancelled",
    12: "observation lost",
    13: "Send confirmed",
    14: "Send failed",
    15: "confirmed report too old",
    16: "written by the server",
}

STATES = ("off", "waiting", "registering", "registered", "updating", "leaving")

TROUBLES = {1: "not registered", 2: "reports not confirmed"}


def code(value):
    """Return a code as people write it: 0x84 is "4.04"."""
    return "no answer" if value <= 0 else "%d.%02d" % (value >> 5, value & 31)


def event(number, detail):
    """Return a sentence for an event and its detail."""
    text = EVENTS.get(number, "event %d" % number)
    if isinstance(detail, tuple):
        return text + " /" + "/".join(str(i) for i in detail)
    return text if detail is None else "%s: %s" % (text, code(detail))
