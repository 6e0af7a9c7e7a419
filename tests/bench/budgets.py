"""The rows of the bench and their limits: what has to be reached (must), and what should be (aim).

The board decides: limits hold where a row is measured on a Pico, those of heap on the WebAssembly
port too, which has 32 bits as well.
"""

from typing import NamedTuple

EVENTS = (
    "event 1, the same status",
    "event 1, a changing status",
    "event 2, timer",
    "event 3, notification",
    "event 6, connection",
    "+CEREG",
)
KINDS = ("mpy", "source")


class Row(NamedTuple):
    what: str
    unit: str
    must: float | None = None
    aim: float | None = None
    at_least: bool = False  # the limits are lower ones

    def meets(self, value, limit):
        """Whether a value keeps a limit."""
        return value >= limit if self.at_least else value <= limit


def _startup(kind, must_ms, aim_ms):
    name = {"mpy": ".mpy", "source": "source"}[kind]
    return {
        f"startup_ms {kind}": Row(
            f"import and construct up to the Supervisor, {name}", "ms", must_ms, aim_ms
        ),
        f"heap_lexi {kind}": Row(f"heap, atport + lexi with its monitor, {name}", "kB", 38, 32),
        f"heap_all {kind}": Row(f"heap, the same with the Supervisor, {name}", "kB", 75, 64),
        f"largest {kind}": Row(f"largest free block then, {name}", "kB"),
    }


SPEED = {
    "heap_per_urc": Row("heap per URC from wake-up to verdict, any event", "B", 0),
    **{name: Row(f"{name}: time over naive", "times", 1.0) for name in EVENTS},
    "mean": Row("mean of these", "times", None, 0.85),
    "asyncio": Row("mean of whole asyncio turns over readline alone", "times"),
}
ON = {
    "on_ms": Row("one more channel.on()", "ms", 1),
    "on_bytes": Row("one more channel.on()", "B", 100),
}
STARTUP = {**_startup("mpy", 1000, 600), **_startup("source", 5000, 4000)}
HEAP = {key: row for key, row in STARTUP.items() if key.startswith("heap")}
HEAP["on_bytes"] = ON["on_bytes"]
PICO = {
    **SPEED,
    "longest_ms": Row("longest that one pump() holds the CPU", "ms", 5),
    **STARTUP,
    **ON,
    "taken": Row("from source with 60 kB taken first: largest free block", "kB", 1, 48, True),
    "due_ms": Row("Supervisor.due_s() when all is well", "ms", 1.2, 1),
    "pump_ms": Row("pump() of nothing", "ms"),
    "burst": Row("URCs back to back at 115200, of 600 arrive", "", 600, None, True),
    "kept": Row("turns that another task keeps meanwhile", "%", 40, 50, True),
    "flash_unseen": Row("records in a burst, 3 wires: lost without being noticed", "URCs", 0),
    "flash_flow": Row("records in a burst, RTS/CTS: lost", "URCs", 0),
    "node_s source": Row("node until registered, source", "s"),
    "node_s mpy": Row("node until registered, .mpy", "s"),
}
SIZES = {
    "atport": Row("lib/atport", "kB"),
    "lexi": Row("lib/lexi", "kB"),
    "all": Row("all of lib", "kB"),
}
FROZEN = {
    "heap": Row("heap of the node, registered", "kB", 30, 24),
    "largest": Row("largest free block then", "kB"),
    "node_s": Row("node until registered", "s"),
}
