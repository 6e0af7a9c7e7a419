"""The byte log: every byte in both directions with its times, and what happened in between."""

_ESCAPES = {0x0D: "\\r", 0x0A: "\\n", 0x09: "\\t", 0x22: '\\"', 0x5C: "\\\\"}
_HEADER = "# first_byte_s  last_byte_s     module_s  what\n"


def escape(data):
    """Return bytes as one printable ASCII line."""
    return "".join(
        _ESCAPES.get(byte) or (chr(byte) if 0x20 <= byte < 0x7F else f"\\x{byte:02x}")
        for byte in data
    )


class Log:
    """Writes lines to `write(text)`; without one it only keeps silent.

    Columns: real time when the first byte began, real time when the last byte ended, module
    time of that end, `tx` (module to host) or `rx` (host to module) and the bytes. The bytes
    between are evenly spaced. Lines with `--` are notes.
    """

    def __init__(self, write=None, speed=1.0):
        self._write = write
        self._speed = speed
        if write is not None:
            write(_HEADER)

    def data(self, direction, first_s, last_s, data):
        """Log bytes that were on the wire from `first_s` to `last_s`."""
        self._line(first_s, last_s, f'{direction} "{escape(data)}"')

    def note(self, now_s, text):
        """Log something that is not bytes."""
        self._line(now_s, now_s, f"-- {text}")

    def _line(self, first_s, last_s, text):
        if self._write is not None:
            module_s = last_s * self._speed
            self._write(f"{first_s:14.6f} {last_s:12.6f} {module_s:12.6f}  {text}\n")
