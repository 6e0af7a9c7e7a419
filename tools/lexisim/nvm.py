"""What the module keeps when it is off: one small JSON file, replaced atomically.

Kept: <activation_mode>, the +ULWM2MSTAT setting, the +ULWM2MCONFIG rows, +CFUN, the MNO profile,
whether the object database was erased, the firmware updates, whether one was fatal, the PDP
contexts, and what `settings.py` says. A value that was never set is absent and means "factory".
"""

import json
import os
import tempfile
from contextlib import suppress

_FORMAT = 1


class NvmError(Exception):
    """The NVM file cannot be read or written; the text says why."""


class Nvm:
    """A dictionary of settings, saved at every change if it has a path."""

    def __init__(self, path=None):
        self.path = path
        self._values = {}
        if path is not None and os.path.exists(path):
            self._values = self._load(path)
        self._save()  # better told now than at the first change

    @staticmethod
    def _load(path):
        try:
            with open(path, encoding="utf-8") as file:
                stored = json.load(file)
        except (OSError, ValueError) as error:
            raise NvmError(f"{path}: not a readable NVM file: {error}") from None
        if not isinstance(stored, dict) or stored.get("format") != _FORMAT:
            raise NvmError(f"{path}: not an NVM file of format {_FORMAT}")
        values = stored.get("values")
        if not isinstance(values, dict):
            raise NvmError(f"{path}: has no values")
        return values

    def get(self, name, default=None):
        """Return a stored value, or `default` (the factory value)."""
        return self._values.get(name, default)

    def put(self, name, value):
        """Store a JSON value; written to the file before this returns."""
        if self._values.get(name) != value or name not in self._values:
            self._values[name] = value
            self._save()

    def forget(self, name):
        """Go back to the factory value."""
        if name in self._values:
            del self._values[name]
            self._save()

    def _save(self):
        if self.path is None:
            return
        folder = os.path.dirname(os.path.abspath(self.path))
        text = json.dumps({"format": _FORMAT, "values": self._values}, indent=1, sort_keys=True)
        temporary = None
        try:
            descriptor, temporary = tempfile.mkstemp(prefix=".nvm-", dir=folder)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text + "\n")
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, self.path)
        except OSError as error:
            if temporary is not None:
                with suppress(OSError):
                    os.unlink(temporary)
            raise NvmError(f"{self.path}: cannot be written: {error}") from None
