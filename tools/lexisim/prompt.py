"""Data that a command asks for by a prompt: so many bytes, whatever is in them.

No echo; nothing ends them but their number or a restart, whatever the host does.
"""

from dataclasses import dataclass

from .at import CommandError


@dataclass(frozen=True)
class Prompt:
    """Bytes a command wants behind an `@`: how many, and take(data), which returns its Reply."""

    size: int
    take: object


class DataInput:
    """Collects the bytes and hands them over; `complete()` is called when the last has come."""

    def __init__(self, module, prompt, complete):
        self._module = module
        self._prompt = prompt
        self._complete = complete
        self._data = bytearray()

    def byte(self, byte, start_s):
        """One byte arrived; its start bit began at `start_s`."""
        if not self._data:
            self._module.port.pauses.data_start(start_s)
        self._data.append(byte)
        if len(self._data) == self._prompt.size:
            self._complete()
            self._module.session.after(self._module.config.usost_s, self._take)

    def _take(self):
        lines, failure = (), None
        try:
            lines = self._prompt.take(bytes(self._data)).lines
        except CommandError as error:
            failure = error.cme
        self._module.port.data_taken(lines, failure)
