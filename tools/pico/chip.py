"""The emulator's process, as seen from Python: requests and answers, see chip/main.mjs."""

import json
import shutil
import subprocess
import tempfile
from pathlib import Path

import unixport

from .errors import BoardError

RP2040JS = unixport.VENV / "npm" / "node_modules" / "rp2040js"

_MAIN = Path(__file__).parent / "chip" / "main.mjs"
_END_LIMIT_S = 5


def check():
    """Raise BoardError unless Node.js and rp2040js are there."""
    if shutil.which("node") is None:
        raise BoardError("the virtual Pico needs Node.js (node), which is not installed")
    if not (RP2040JS / "dist" / "esm" / "index.js").exists():
        raise BoardError(
            "the npm package rp2040js is not installed: make test installs it, or "
            "tools/setup_env.py --npm"
        )


class Chip:
    """A running emulator. Every call takes until it is answered; raises BoardError."""

    def __init__(self, bootrom, flash, uart, flow, watch):
        check()
        self._errors = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            ["node", _MAIN, RP2040JS],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            start_new_session=True,
        )
        try:
            with tempfile.TemporaryDirectory() as folder:
                rom_path, flash_path = Path(folder) / "rom", Path(folder) / "flash"
                rom_path.write_bytes(bootrom)
                flash_path.write_bytes(flash)
                self.ask(
                    "start",
                    rom=str(rom_path),
                    flash=str(flash_path),
                    uart=uart,
                    flow=flow,
                    watch=watch,
                )
        except BaseException:
            self.close()
            raise

    def ask(self, what, **arguments):
        """Send one request and return its answer."""
        try:
            request = json.dumps({"do": what, **arguments}, separators=(",", ":"))
            self._process.stdin.write(request.encode() + b"\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except OSError:
            line = b""
        if not line:
            raise BoardError(f"the emulator has ended: {self._last_words()}")
        answer = json.loads(line)
        if "error" in answer:
            raise BoardError(f"the emulator: {answer['error']}")
        return answer

    def close(self):
        """End the process."""
        if self._process.poll() is None:
            self._process.stdin.close()
            self._process.kill()
        self._process.wait(_END_LIMIT_S)
        self._process.stdout.close()
        self._errors.close()

    def _last_words(self):
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace").strip() or "without a word"
