# One command and what came of it: which lines are its answer, and how it ended.
#
# Made for a command and dropped with it. It sends nothing and waits for nothing: see channel.py.

from micropython import const

from .errors import PortError, refuse

_MAX_INFO = const(32)  # lines of information text kept for one command

# Final result codes (SARA-R4 AT manual, and ABORTED from ubxlib); a result is the index plus one.
FINALS = (
    b"OK",
    b"ERROR",
    b"+CME ERROR:",
    b"+CMS ERROR:",
    b"ABORTED",
    b"COMMAND ABORTED",
    b"NO CARRIER",
    b"NO DIALTONE",
    b"NO ANSWER",
    b"BUSY",
    b"NOT SUPPORT",
    b"INVALID COMMAND LINE",
    b"CR",
    b"SIM DROP",
    b"DISCONNECT",
)
OK = 1
CME = 3
CMS = 4


class Exchange:
    """What a command expects, and what it got; the arguments are those of Channel.command().

    text: the command line as bytes, to be shown; sent: as it goes out. result: of the final result
    code, 0 while it waits; detail: what follows it. error: what is to be raised, in place of what
    the result says; failed: at once. filled: raw bytes that came.
    """

    def __init__(self, text, prefix=None, accept=None, on_info=None, into=None):
        self.text = self.sent = text
        self.prefix = prefix
        # Made here, as nothing is made while lines come.
        self._capitals = prefix and prefix.upper()
        self.into = into
        self.accept = accept
        self.on_info = on_info
        self.numeric = False  # numeric result codes (ATV0) count
        self.unproven = False  # final result codes do not count before information text came
        self.info = []
        self.result = 0
        self.detail = b""
        self.error = None
        self.failed = False
        self.filled = 0

    def finish(self, result, line):
        """Take a final result code; False if it is not for this command."""
        if self.result or self.unproven:
            return False
        self.result = result
        if result == CME or result == CMS:
            self.detail = line.rest()
        return True

    def expects(self, line):
        """Whether the line has the prefix of the information text."""
        prefix = self.prefix
        if prefix is None or self.result:
            return False
        name = line.name
        if name is not None:
            if name.text == self._capitals:
                return True
            if len(prefix) < name.size - 1:
                return False  # "+U" is not "+UUSORD:"; but "+X" and "+X: a:" may mean "+X:"
        return line.startswith(prefix) or line.is_named(self._capitals, line.start)

    def takes(self, line, name):
        """Take the line if it is part of the answer: echo or information text."""
        if self.result:
            return False
        if name is None:
            if line.stop - line.start == len(self.sent) and line.startswith(self.sent):
                return True  # echo
            if self.numeric and line.line() in (b"0", b"4"):
                self.result = OK
                self.detail = b"numeric"
                return True
        if line.start == line.stop or not self.expects(line):
            return False
        if not self.prefix and line.startswith(b"+"):
            return False  # a URC that nobody registered
        try:
            if self.accept and not refuse(self.accept(line)):
                return False
            self.unproven = False
            if self.on_info:
                refuse(self.on_info(line))
            elif len(self.info) < _MAX_INFO:
                self.info.append(line.line()[len(self.prefix) :].lstrip())
            else:
                raise PortError("over %d lines of information text" % _MAX_INFO)
        except Exception as e:  # the command's: raised from there
            self.error = e
            self.failed = isinstance(e, MemoryError)
        return True
