"""What the module keeps when it is off: one small JSON file, replaced atomically.

Kept: <activation_mode>, the +ULWM2MSTAT setting, the +ULWM2MCONFIG rows, +CFUN, the MNO profile,
whether the object database was erased, the firmware updates, whether one was fatal, the PDP
contexts, and what `settings.py` says. A value that was never set is absent and means "factory".
"""

import json
import os
import tempfile
from contextlib import suppress
from dataclasses import asdict

from .bearers import Context
from .options import split_upsv
from .settings import SETTINGS

_FORMAT = 1
_UPSV = "+UPSV"  # has two lengths

# What a stored value must be like: type, length, and so with all that is in it.
_LIKE = {
    "activation_mode": 0,
    "stat": [0, 1],
    "cfun": 1,
    "mno": 0,
    "mno_next": 0,
    "erased": False,
    "firmware": 0,
    "bricked": False,
    "&C": 1,
    "&D": 1,
    "&K": 3,
    **{name: row.factory for name, row in SETTINGS.items() if isinstance(row.factory, list)},
}
# The same of each value of a dictionary whose keys are numbers.
_EACH_LIKE = {
    "rows": [0] * 12,
    "contexts": asdict(Context()),
    "+UGPIOC": 0,
}


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
        for name, value in values.items():
            if not _is_sound(name, value):
                raise NvmError(f"{path}: {name} cannot be {json.dumps(value)}")
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


def _is_sound(name, value):
    """Return whether a value can be what the module once stored under this name."""
    if name == _UPSV:
        return isinstance(value, list) and _is_upsv(value)
    if name in _EACH_LIKE:
        return isinstance(value, dict) and all(
            key.isdecimal() and _is_like(each, _EACH_LIKE[name]) for key, each in value.items()
        )
    return name not in _LIKE or _is_like(value, _LIKE[name])


def _is_like(value, factory):
    if type(value) is not type(factory):
        return False
    if isinstance(factory, list):
        return len(value) == len(factory) and all(map(_is_like, value, factory))
    if isinstance(factory, dict):
        return value.keys() <= factory.keys() and all(
            _is_like(each, factory[key]) for key, each in value.items()
        )
    return True


def _is_upsv(numbers):
    try:
        return split_upsv(",".join(map(str, numbers))) == numbers
    except ValueError:
        return False
