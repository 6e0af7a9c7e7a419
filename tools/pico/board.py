"""A virtual Raspberry Pi Pico on emulated time, wired to a simulated module or to a script.

    with Board("RPI_PICO.uf2", "b1.bin", project_files(), module=Module()) as board:
        board.run_until(r"registered 721", limit_s=300)
        print(board.now_s, board.stats().overruns)

    bench = {"main.py": b"from machine import UART ..."}
    with Board("RPI_PICO.uf2", "b1.bin", bench) as board:
        board.send(b"+ULWM2MSTAT: 1,721,3\\r\\n" * 600, at_s=2)  # as fast as the baud rate allows
        board.run_to_prompt(limit_s=30)  # main.py has ended
        print(board.output)

The emulator is the clock. It runs up to the module's next event, or up to the byte that the
board begins to send, and no further; so both sides hear of each other in time. Real time plays
no part, but for `real_limit_s`.
"""

import math
import re
import time
from dataclasses import dataclass

from . import flash
from .chip import Chip
from .errors import BoardError
from .images import FILE_SYSTEM_AT, FLASH_SIZE, read_bootrom, read_firmware

NANOS = 1_000_000_000
PROMPT = r"(?m)^>>> $"
PROBE_GPIO = 22  # raised to ask the board for its heap
PROBE = b"""\
def _probe():
    import gc, machine, micropython

    def tell(_):
        gc.collect()
        print("\\n[heap] %d %d" % (gc.mem_alloc(), gc.mem_free()))
        micropython.mem_info()
        print("[end]")

    machine.Pin(22, machine.Pin.IN).irq(tell, machine.Pin.IRQ_RISING)


_probe()
"""

_TOLERANCE_S = 1e-9  # the emulator counts nanoseconds
_UNPACED_BYTE_S = 1e-6  # of a module with baud=0
_SLICE_S = 10.0  # of real time that one request may take
_BLOCK_BYTES = 16  # a block of MicroPython's heap
_PROBE_LIMIT_S = 10
_HEAP = re.compile(r"\[heap\] ([0-9]+) ([0-9]+)\s.*?max free sz: ([0-9]+).*?\[end\]", re.DOTALL)
_INTERRUPT = b"\x03"
_RAW_REPL = b"\x01"
_END_OF_INPUT = b"\x04"


@dataclass(frozen=True)
class Stats:
    """What the board and its UART did since the start."""

    emulated_s: float
    real_s: float
    busy_s: float  # emulated time in which the CPU did not sleep, flash not counted
    hertz: float
    baud: float
    received: int  # bytes that reached the board's FIFO
    sent: int
    overruns: int  # bytes that found the FIFO full
    ignored: int  # bytes that came while the UART was off
    waiting: int  # bytes that are still on their way to the board
    held_s: float  # for how long RTS has held the other side back
    erased_sectors: int
    programmed_pages: int
    flash_s: float


@dataclass(frozen=True)
class Heap:
    """MicroPython's heap after a collection, in bytes."""

    used: int
    free: int
    largest: int  # free block


class Board:
    """The board, switched on at emulated time 0 when constructed; nothing runs before run().

    firmware, bootrom: paths. files: {name: bytes} in its file system.
    module: a lexisim Module of speed 1 on its UART, or None.
    pins: {"reset_n": gpio, "pwr_on": gpio, "v_int": gpio}, as they are wired to the module.
    flow: RTS and CTS are wired; they matter when the board's program uses them.
    on_write(data, now_s): called for what the board sends, besides the module; may send().
    on_output(text, now_s): called for what it prints; on_console(data): the same as bytes.
    on_pin(gpio, level, now_s): called for GPIOs in `watch`; level is 0, 1 or None (not driven).
    probe: put a boot.py onto the board that heap() needs (656 bytes of its heap).
    real_limit_s: real seconds that one call may take.
    """

    def __init__(
        self,
        firmware,
        bootrom,
        files=None,
        module=None,
        *,
        uart=0,
        pins=None,
        flow=False,
        on_write=None,
        on_output=None,
        on_console=None,
        on_pin=None,
        watch=(),
        probe=False,
        real_limit_s=600.0,
    ):
        if module is not None and module.config.speed != 1:
            raise BoardError(f"speed: {module.config.speed}, expected 1")
        files = dict(files or {})
        if probe:
            files["boot.py"] = PROBE + files.get("boot.py", b"")
        self.module = module
        self.on_write = on_write
        self.on_output = on_output
        self.on_console = on_console
        self.on_pin = on_pin
        self.real_limit_s = real_limit_s
        self.now_s = 0.0
        self.halted = None  # why the board does nothing any more, for people
        self.resets = 0  # by its watchdog, which machine.reset() uses too
        self.printed = []  # (emulated time, text), as it came
        self._probe = probe
        self._pins = dict(pins or {})
        self._names = {gpio: name for name, gpio in self._pins.items()}
        self._output = ""
        self._feed = []
        self._v_int = None
        self._started_s = time.monotonic()
        self._real_s = 0.0
        image = flash.compose(read_firmware(firmware), files)
        watched = sorted({*self._names, *watch})
        self._chip = Chip(read_bootrom(bootrom), image, uart, flow, watched)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def close(self):
        """End the emulator."""
        self._chip.close()

    # What came out

    @property
    def output(self):
        """All that the board has printed."""
        return self._output

    def lines(self):
        """Return [(emulated time of its end, line)] of what the board has printed."""
        lines, line = [], ""
        for at_s, text in self.printed:
            *ended, rest = (line + text).split("\n")
            lines += [(at_s, each.rstrip("\r")) for each in ended]
            line = rest
        return [*lines, (self.now_s, line)] if line else lines

    def stats(self):
        """Return the Stats up to now."""
        got = self._chip.ask("stats")
        return Stats(
            emulated_s=self.now_s,
            real_s=self._real_s,
            busy_s=got["cycles"] / got["hertz"],
            hertz=got["hertz"],
            baud=got["baud"],
            received=got["received"],
            sent=got["sent"],
            overruns=got["overruns"],
            ignored=got["ignored"],
            waiting=got["waiting"],
            held_s=got["heldNanos"] / NANOS,
            erased_sectors=got["erasedSectors"],
            programmed_pages=got["programmedPages"],
            flash_s=got["flashNanos"] / NANOS,
        )

    def heap(self):
        """Return the Heap; time goes on by some milliseconds, the program is not disturbed."""
        if not self._probe:
            raise BoardError("heap() needs a Board with probe=True")
        start = len(self._output)
        self._chip.ask("pin", gpio=PROBE_GPIO, high=True)
        try:
            match = self.run_until(_HEAP, _PROBE_LIMIT_S, start)
        finally:
            self._chip.ask("pin", gpio=PROBE_GPIO, high=False)
        used, free, blocks = map(int, match.groups())
        return Heap(used, free, blocks * _BLOCK_BYTES)

    def files(self):
        """Return {name: bytes} of the board's file system as it is now."""
        import base64

        size = FLASH_SIZE - FILE_SYSTEM_AT
        answer = self._chip.ask("flash", at=FILE_SYSTEM_AT, size=size)
        return flash.read(base64.b64decode(answer["base64"]))

    # What goes in

    def send(self, data, at_s=None, each_s=0.0):
        """Bytes for the board's UART, from `at_s` on or now, behind those before.

        each_s: time of a byte; 0: what the board's own baud rate gives when they are handed over.
        """
        begin_s = self.now_s if at_s is None else at_s
        self._feed.append((begin_s, each_s, bytes(data)))

    def type(self, text):
        """Input for the board's console, which it reads when it wants to."""
        data = text.encode() if isinstance(text, str) else bytes(text)
        self._chip.ask("type", hex=data.hex())

    def execute(self, code, limit_s=60.0):
        """Stop the program, run `code` through the raw REPL, return what it prints."""
        start = len(self._output)
        self.type(_INTERRUPT + _INTERRUPT + b"\r" + _RAW_REPL)
        self.run_until(r"raw REPL; CTRL-B to exit\r\n>", limit_s, start)
        start = len(self._output)
        self.type(code.encode() + _END_OF_INPUT)
        match = self.run_until(r"(?s)OK(.*?)\x04(.*?)\x04>", limit_s, start)
        self.type(b"\x02")
        if match.group(2):
            raise BoardError(f"on the board:\n{match.group(2)}")
        return match.group(1).replace("\r\n", "\n")

    def set_cts(self, high):
        """Drive the board's CTS: high means that it must not send."""
        self._chip.ask("cts", high=bool(high))

    def set_pin(self, gpio, high):
        """Drive an input of the board."""
        self._chip.ask("pin", gpio=gpio, high=bool(high))

    def reset(self):
        """Reset the MCU; what is in its flash stays."""
        self._chip.ask("reset")
        self.halted = None
        self._v_int = None

    # Time

    def run(self, until_s):
        """Let time pass until `until_s`. Raises BoardError when the board crashes."""
        self._run(until_s, None)

    def run_until(self, pattern, limit_s, start=None):
        """Run until the output from `start` on (default: from now on) matches; return the match.

        limit_s: emulated seconds from now, after which it is a BoardError.
        """
        pattern = re.compile(pattern)
        start = len(self._output) if start is None else start

        def found():
            return pattern.search(self._output, start)

        match = self._run(self.now_s + limit_s, found)
        if match is None:
            raise self.error(f"{pattern.pattern!r} was not printed within {limit_s:g} s")
        return match

    def run_to_prompt(self, limit_s):
        """Run until the program has ended and MicroPython asks for input."""
        self.run_until(PROMPT, limit_s, 0)

    def error(self, text):
        """Return a BoardError with the time and the last lines of output."""
        tail = "\n".join(self._output.splitlines()[-20:])
        return BoardError(f"emulated time {self.now_s:.3f} s: {text}\nthe board's output:\n{tail}")

    def _run(self, until_s, found):
        begun_s = time.monotonic()
        try:
            while True:
                match = found() if found is not None else None
                if match or self.now_s >= until_s - _TOLERANCE_S:
                    return match
                if self.halted is not None:
                    raise self.error(self.halted)
                if time.monotonic() - begun_s > self.real_limit_s:
                    raise self.error(f"over {self.real_limit_s:g} real seconds in one run")
                self._step(until_s, found is not None)
        finally:
            self._real_s += time.monotonic() - begun_s

    def _step(self, until_s, stop_output):
        # To the next thing that happens on either side.
        if self.module is not None:
            event_s = self.module.next_event_s()
            if event_s is not None:
                until_s = min(until_s, max(event_s, self.now_s + _TOLERANCE_S))
            self._drive_v_int()
        feed = [
            [round(at * NANOS), round(each * NANOS), data.hex()] for at, each, data in self._feed
        ]
        self._feed.clear()
        answer = self._chip.ask(
            "run",
            until=math.ceil(until_s * NANOS),
            feed=feed,
            stopSend=self.module is not None or self.on_write is not None,
            stopOutput=stop_output or self.on_output is not None,
            realMs=_SLICE_S * 1000,
        )
        self.halted = answer["halted"]
        if answer["wantsReset"]:
            self.resets += 1
            self.reset()
        for nanos, kind, *values in answer["events"]:
            self._happened(nanos / NANOS, kind, *values)
        self.now_s = answer["now"] / NANOS
        if self.module is not None:
            self._from_module(self.now_s)

    def _from_module(self, now_s):
        # Its bytes are complete at `now_s`; time passes for it too.
        data = self.module.advance(now_s)
        if data:
            each_s = self.module.transmitter.each_s or _UNPACED_BYTE_S
            self.send(data, now_s - len(data) * each_s, each_s)

    def _happened(self, at_s, kind, *values):
        if kind == "output":
            data = bytes.fromhex(values[0])
            if self.on_console is not None:
                self.on_console(data)
            text = data.decode("utf-8", "replace")
            self._output += text
            self.printed.append((at_s, text))
            if self.on_output is not None:
                self.on_output(text, at_s)
        elif kind == "send":
            data = bytes.fromhex(values[0])
            if self.module is not None:
                self.module.receive(data, at_s)
            if self.on_write is not None:
                self.now_s = at_s
                self.on_write(data, at_s)
        elif kind == "pin":
            gpio, level = values
            name = self._names.get(gpio)
            if self.module is not None and name in ("reset_n", "pwr_on"):
                self._from_module(at_s)
                self.module.pins.set(name, "low" if level == 0 else "high")
            if self.on_pin is not None:
                self.on_pin(gpio, level, at_s)

    def _drive_v_int(self):
        if "v_int" in self._pins and self.module.powered != self._v_int:
            self._v_int = self.module.powered
            self._chip.ask("pin", gpio=self._pins["v_int"], high=self._v_int)
