"""What the host did and what became of it: a bounded list a test or a program can query.

An entry is a tuple `(module seconds, kind, values...)`; as text it is one JSON array per line.
"""

import json
from collections import deque

# kind: what its values are. Codes are the manual's.
KINDS = {
    "command": "<AT line> <heard>: a line from the host; heard is false if nobody could read it",
    "pin": "PWR_ON|RESET_N <held_s>: a press, noted when the pin is released",
    "boot": "<why>: a start or restart",
    "power": "on|off: V_INT",
    "uart": "deaf|awake: +UPSV put the UART to sleep, or it woke up",
    "server": "<id> <code>: an account took a code (0 when the client stops or restarts)",
    "registered": "<id> <expires_at_s>: the server accepted a registration or an update",
    "attach": "<stat>: +CEREG took a state",
    "bearer": "<cid> up|down: a PDP context was activated or ended",
    "socket": "<socket> open|closed: <why>",
    "datagram": "out sent|lost <size>, in received|lost|dropped <size>",
    "sim": "<state>: the SIM changed",
    "fota": "<stage>: a firmware update went on or ended",
    "hang": "<revived by>|over: the AT port died, or lives again",
    "verb": "<line>: a verb of a scenario or of the control port",
    "harm": "<why>: the host did what it must never do",
}


class History:
    """The latest `limit` entries in order of time; older ones are dropped and counted."""

    def __init__(self, limit, write=None):
        self.dropped = 0
        self._entries = deque(maxlen=limit)
        self._write = write

    def __iter__(self):
        return iter(self._entries)

    def __len__(self):
        return len(self._entries)

    def add(self, module_s, kind, *values):
        """Append an entry, and write it out if there is somewhere to write to."""
        entry = (round(module_s, 6), kind, *values)
        if len(self._entries) == self._entries.maxlen:
            self.dropped += 1
        self._entries.append(entry)
        if self._write is not None:
            self._write(as_json(entry) + "\n")

    def happened(self, kind, *values, prefix=None, since_s=0.0):
        """Return the entries of a kind since a time.

        `values` must equal the first values of an entry; the first value must begin with
        `prefix`, in capitals or not.
        """
        if kind not in KINDS:
            raise ValueError(f"unknown kind {kind!r}; one of: {', '.join(KINDS)}")
        return [
            entry
            for entry in self._entries
            if entry[1] == kind
            and entry[0] >= since_s
            and entry[2 : 2 + len(values)] == values
            and (prefix is None or str(entry[2]).upper().startswith(prefix.upper()))
        ]


def as_json(entry):
    """Return an entry as one line of JSON."""
    return json.dumps(entry)
