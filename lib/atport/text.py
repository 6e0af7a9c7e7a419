# Text on its way to the module and from it: nothing that is sent can leave its line or its quotes.

from micropython import const

from .errors import need

_MAX_COMMAND = const(1000)  # SARA-R4 AT manual: 1024 with its terminator


def readable(text):
    """Return bytes of the module as a str, whatever is in them."""
    return "".join(chr(c) if 31 < c < 127 else "?" for c in text)


def printable(text):
    """Whether a str is ASCII without control characters."""
    return all(" " <= c <= "~" for c in text)


def quoted(name, text):
    """Return `text` as an AT string parameter in quotes.

    Raises ValueError, naming the parameter, for a character that could leave the quotes.
    """
    ok = printable(text) and '"' not in text
    need(ok, name, text, "printable ASCII without quotes")
    return '"' + text + '"'


def command_line(text, args):
    """Return the bytes of a command without its terminator.

    Raises ValueError for what could leave the line or its quotes, or is no parameter.
    """
    ok = isinstance(text, str) and text[:2].upper() == "AT" and printable(text)
    need(ok, "text", text, 'printable ASCII that starts with "AT"')
    need(isinstance(args, (tuple, list)), "args", args, "tuple or list")
    parts = []
    for i, arg in enumerate(args):
        if arg is None:
            parts.append("")
        elif isinstance(arg, str):
            parts.append(quoted("args[%d]" % i, arg))
        elif isinstance(arg, int):
            parts.append(str(int(arg)))
        else:
            need(False, "args[%d]" % i, arg, "int, str or None")
    line = (text + ",".join(parts)).encode()
    if len(line) > _MAX_COMMAND:
        raise ValueError("text: %d bytes, expected up to %d" % (len(line), _MAX_COMMAND))
    return line
