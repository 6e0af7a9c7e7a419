"""Runs the programs of device/ on MicroPython's unix port, its WebAssembly port and a virtual Pico.

Each program prints one result as JSON, which is returned.
"""

import json
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import unixport
from lexisim import Config, Module
from pico import Board, BoardError, compile_files, library_files, project_files, wiring

HERE = Path(__file__).parent
DEVICE = HERE / "device"
NPM = unixport.VENV / "npm" / "node_modules"
WASM_PORT = NPM / "@micropython" / "micropython-webassembly-pyscript" / "micropython.mjs"

_RESULT = "[result] "
_TOLD = re.compile(r"(?m)\[push\] ([0-9]+) ([0-9a-f]+)\r\n|\[result\] (.*)\r\n|^>>> $")
_REGISTERED = re.compile(r"(?m)registered 721|^>>> $")
_PROMPT = ">>> "
_LARGEST = re.compile(r"max free sz: ([0-9]+)")
_BLOCK_BYTES = 16
_DELAY_S = 0.02
_LIMIT_S = 900  # emulated, between two things that a program says
_SETTLED_S = 60
_UNIX_LIMIT_S = 300
_MODULES = ("burst", "idle")  # programs that need a module


def call(program, **options):
    """The Python text that runs a program of device/."""
    arguments = ", ".join(f"{name}={value!r}" for name, value in options.items())
    return f"import {program}; {program}.run({arguments})"


def board_files(kind):
    """Return what a board with the library and the programs has; kind: "source" or "mpy"."""
    library = library_files()
    programs = {path.name: path.read_bytes() for path in sorted(DEVICE.glob("*.py"))}
    files = {**library, **programs}
    return compile_files(files) if kind == "mpy" else files


def on_unix(port, program, **options):
    """Run a program on the unix port."""
    with tempfile.TemporaryDirectory() as folder:  # the store writes its file there
        result = subprocess.run(
            [port.path, "-X", "heapsize=8m", "-c", call(program, **options)],
            cwd=folder,
            env=unixport.environment(unixport.ROOT / "lib", DEVICE),
            stdout=subprocess.PIPE,
            text=True,
            timeout=_UNIX_LIMIT_S,
            check=True,
        )
    return json.loads(result.stdout.partition(_RESULT)[2])


def why_no_wasm():
    """Return why startup.py cannot be run on the WebAssembly port; None if it can."""
    if shutil.which("node") is None or not WASM_PORT.exists():
        return "needs node and npm"
    return None


def on_wasm(kind, program=DEVICE / "startup.py"):
    """Run startup.py, or another program with STEPS, on the WebAssembly port.

    Returns {step: bytes of heap}.
    """
    files = board_files(kind)
    made = {"startup.py": program.read_bytes()}
    files.update(compile_files(made) if kind == "mpy" else made)
    with tempfile.TemporaryDirectory() as folder:
        for name, data in files.items():
            path = Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        result = subprocess.run(
            ["node", HERE / "heap.mjs", WASM_PORT, folder],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    return dict(json.loads(result.stdout))


class Pico:
    """Runs programs on virtual Picos with this firmware."""

    def __init__(self, firmware, bootrom):
        self._files = (firmware, bootrom)

    def run(self, program, kind="mpy", flow=False, **options):
        """Run a program; returns (result, Stats, largest free block that was printed or None)."""
        module = Module(Config()) if program in _MODULES else None
        if flow:
            options["flow"] = True
        files = {**board_files(kind), "main.py": call(program, **options).encode()}
        with Board(*self._files, files, module, flow=flow) as board:
            at = 0
            while True:
                match = board.run_until(_TOLD, _LIMIT_S, at)
                at = match.end()
                count, data, result = match.groups()
                if result:
                    blocks = _LARGEST.search(board.output)
                    largest = int(blocks[1]) * _BLOCK_BYTES if blocks else None
                    return json.loads(result), board.stats(), largest
                if not count:
                    raise BoardError(_error(board))
                board.send(bytes.fromhex(data) * int(count), board.now_s + _DELAY_S)

    def node(self, kind):
        """Run the node of boards/RPI_PICO; returns (seconds until it is registered, its Heap)."""
        pins, uart = wiring()
        files = project_files(kind)
        with Board(
            *self._files, files, Module(Config()), pins=pins, uart=uart, probe=True
        ) as board:
            if board.run_until(_REGISTERED, _LIMIT_S)[0] == _PROMPT:
                raise BoardError(_error(board))
            at_s = board.now_s
            board.run(at_s + _SETTLED_S)
            return at_s, board.heap()


def _error(board):
    # What the program ended with: the line before MicroPython's prompt.
    lines = board.output.split("\r\nMicroPython")[0].splitlines()
    return lines[-1] if lines else "it printed nothing"
