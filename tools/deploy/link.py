"""The way to a board's REPL: mpremote's transport, with sentences in place of its tracebacks."""

import contextlib
import errno
import importlib.metadata
import io
import os
import re
import struct
from pathlib import Path

from .errors import DeployError

_OLDEST_MPREMOTE = (1, 25)  # its transport is used as it is from then on
_DEVICE = Path(__file__).parent / "device"
_ANSWER_S = 10.0  # for the REPL itself
_RUN_S = 180.0  # for a program there, between two things that it prints
_CHUNK = 2048  # of a file; the board needs some four times as much to take it
_SOFT_RESET = b"\x04"


def check_mpremote():
    """Raise DeployError unless mpremote is there and new enough."""
    oldest = ".".join(map(str, _OLDEST_MPREMOTE))
    try:
        version = importlib.metadata.version("mpremote")
    except importlib.metadata.PackageNotFoundError:
        raise DeployError(f"mpremote is not installed, {oldest} or later is needed: make setup")
    if tuple(map(int, re.findall("[0-9]+", version)[:2])) < _OLDEST_MPREMOTE:
        raise DeployError(
            f"mpremote {version} is too old, {oldest} or later is needed: make setup"
        )


def serial_ports():
    """Return a text with the serial ports of this computer."""
    from serial.tools import list_ports

    names = sorted(port.device for port in list_ports.comports())
    return f"serial ports here: {', '.join(names) or 'none'}"


class Link:
    """The REPL at a serial port, its program stopped. Every call may raise DeployError."""

    def __init__(self, port):
        from mpremote import transport, transport_serial

        self.port = port
        self._remote_error = transport.TransportExecError
        # struct.error is mpremote's when the port falls silent.
        self._errors = (transport.TransportError, OSError, struct.error)
        try:
            self._transport = transport_serial.SerialTransport(port, timeout=_ANSWER_S)
        except (*self._errors, ValueError):
            raise DeployError(self._why_not()) from None
        try:
            self._enter(soft_reset=False)
        except BaseException:
            self._transport.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        with contextlib.suppress(*self._errors):
            self._transport.exit_raw_repl()
        with contextlib.suppress(*self._errors):
            self._transport.close()

    def soft_reset(self):
        """Start MicroPython anew, without main.py."""
        self._enter(soft_reset=True)

    def start(self):
        """Start MicroPython anew, with main.py; nothing else can be done then."""
        with self._told():
            self._transport.exit_raw_repl()
            self._transport.serial.write(_SOFT_RESET)

    def run(self, code):
        """Run a text; return the lines it prints."""
        with self._told():
            printed, error = self._transport.exec_raw(code, timeout=_RUN_S)
            if error:
                raise self._remote_error(printed, error.decode(errors="replace"))
        return printed.decode(errors="replace").splitlines()

    def call(self, program, *arguments):
        """Run the function of a file of device/; return the lines it prints."""
        text = (_DEVICE / f"{program}.py").read_text()
        return self.run(f"{text}\n\n{program}{arguments!r}\n")

    def write(self, name, data):
        """Write a file. An interruption leaves a part of it."""
        # Not with mpremote's fs_writefile(): the OSError it makes of an exception on the board looks
        # like that of a port which is gone.
        self.run(f"f=open({name!r},'wb')\nw=f.write")
        for start in range(0, len(data), _CHUNK):
            self.run(f"w({data[start : start + _CHUNK]!r})")
        self.run("f.close()")

    def _enter(self, soft_reset):
        with contextlib.redirect_stdout(io.StringIO()):  # mpremote prints what it has got
            try:
                self._transport.enter_raw_repl(soft_reset, timeout_overall=_ANSWER_S)
            except self._errors:
                raise DeployError(
                    f"{self.port} does not answer as MicroPython's REPL: is it the board's port, "
                    "and does its program let Ctrl-C through?"
                ) from None

    @contextlib.contextmanager
    def _told(self):
        try:
            yield
        except self._remote_error as error:
            raise _remote(error.error_output.strip().rpartition("\n")[2]) from None
        except self._errors as error:
            raise DeployError(f"{self.port} does not answer any more ({error})") from None

    def _why_not(self):
        if not os.path.exists(self.port):
            return f"PORT={self.port}: there is no such port; {serial_ports()}"
        if not os.access(self.port, os.R_OK | os.W_OK):
            return f"PORT={self.port}: access is not allowed to this user; {serial_ports()}"
        return f"PORT={self.port}: in use by another program, or no serial port; {serial_ports()}"


class RemoteError(DeployError):
    """An exception on the board."""


def _remote(text):
    # Ports have names of few error numbers. The numbers are those of Linux.
    match = re.match(r"OSError: (?:\[Errno )?([0-9]+)", text)
    if not match:
        return RemoteError(f"on the board: {text}")
    number = int(match[1])
    if number == errno.ENOSPC:
        return RemoteError("the board's flash is full")
    return RemoteError(f"on the board: OSError {number}, {os.strerror(number)}")
