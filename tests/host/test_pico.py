"""The virtual Pico: its files, its UART and instructions, and with FIRMWARE and BOOTROM the node.

The latter are paths, as for `make pico`: `make test FIRMWARE=RPI_PICO-....uf2 BOOTROM=b1.bin`.
"""

import contextlib
import os
import re
import shutil
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest
import unixport
from boardfiles import FilesError
from lexisim import Config, Module, run_verb
from pico import (
    Board,
    BoardError,
    Stats,
    chip,
    compile_files,
    flash,
    images,
    project_files,
    wiring,
)
from pico import __main__ as cli
from pico.repl import Repl

CHECKS = Path(__file__).parent / "pico"
FIRMWARE = os.environ.get("FIRMWARE")
BOOTROM = os.environ.get("BOOTROM")

SECTOR_S = 0.045  # to erase it
START_S = 0.1  # of MicroPython
WDT_RESET = "3"  # machine.WDT_RESET, also after machine.reset()

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="no Node.js here")
needs_rp2040js = pytest.mark.skipif(
    shutil.which("node") is None or not chip.RP2040JS.exists(), reason="no rp2040js here"
)
needs_files = pytest.mark.skipif(
    not (FIRMWARE and BOOTROM), reason="FIRMWARE and BOOTROM are not given"
)


# Firmware and boot ROM


def raw_image(size=1024):
    image = bytearray(range(256)) * (size // 256)
    struct.pack_into("<II", image, 256, 0x20042000, 0x10000201)
    return bytes(image)


def uf2(image, start=0x10000000, family=0xE48BFF56, flags=0x2000):
    blocks = [image[at : at + 256] for at in range(0, len(image), 256)]
    out = b""
    for number, block in enumerate(blocks):
        head = (0x0A324655, 0x9E5D5157, flags, start + 256 * number, 256, number, len(blocks))
        out += struct.pack("<8I", *head, family) + block.ljust(476, b"\0")
        out += struct.pack("<I", 0x0AB16F30)
    return out


def bootrom(version=2):
    return b"\0" * 16 + b"Mu\x01" + bytes([version]) + b"\0" * (16384 - 20)


def write(folder, data, name="file"):
    path = folder / name
    path.write_bytes(data)
    return path


def test_uf2_and_raw_image_give_the_same(tmp_path):
    image = raw_image()
    assert images.read_firmware(write(tmp_path, image, "a.bin")) == image
    assert images.read_firmware(write(tmp_path, uf2(image), "a.uf2")) == image


def test_uf2_blocks_for_another_chip_are_left_out(tmp_path):
    both = uf2(raw_image()) + uf2(b"\0" * 512, family=0xE48BFF59)
    assert images.read_firmware(write(tmp_path, both)) == raw_image()


def test_a_gap_in_a_uf2_file_is_erased_flash():
    image = images.from_uf2(uf2(b"a" * 256) + uf2(b"b" * 256, start=0x10001000))
    assert image[256:4096] == b"\xff" * 3840
    assert image[4096:] == b"b" * 256


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "neither a UF2 file nor a flash image of an RP2040"),
        (b"#!/bin/sh\n", "neither a UF2 file nor a flash image of an RP2040"),
        (b"\0" * 100_000, "neither a UF2 file nor a flash image of an RP2040"),
        (uf2(raw_image())[:-1], "blocks of 512 bytes"),
        (uf2(raw_image())[:512] + b"\0" * 512, "block 1 of this UF2 file is damaged"),
        (uf2(raw_image(), family=0xE48BFF59), "nothing in it is for an RP2040"),
        (uf2(raw_image(), start=0x20000000), "block 0 is for 0x20000000, no flash"),
        (raw_image(0xA0100), "reaches into the file system"),
    ],
)
def test_wrong_firmware_is_told_in_a_sentence(tmp_path, data, sentence):
    with pytest.raises(BoardError, match=sentence):
        images.read_firmware(write(tmp_path, data))


def test_bootrom(tmp_path):
    assert images.read_bootrom(write(tmp_path, bootrom())) == bootrom()


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (bootrom()[:-1], "16383 bytes, expected 16384"),
        (b"\0" * 16384, "not that of an RP2040"),
        (bootrom(1), "B0, expected B1"),
        (bootrom(3), "B2, expected B1"),
    ],
)
def test_wrong_bootrom_is_told_in_a_sentence(tmp_path, data, sentence):
    with pytest.raises(BoardError, match=sentence):
        images.read_bootrom(write(tmp_path, data))


@pytest.mark.parametrize("read", [images.read_firmware, images.read_bootrom])
def test_missing_files_are_told_in_a_sentence(tmp_path, read):
    with pytest.raises(BoardError, match="none: No such file"):
        read(tmp_path / "none")


# The file system


def test_file_system_round_trip():
    files = {"main.py": b"print(1)\n", "lib/a/b.py": bytes(9000), "lib/a/c.py": b""}
    image = flash.build(files)
    assert len(image) == images.FLASH_SIZE - images.FILE_SYSTEM_AT
    assert flash.read(image) == files


def test_flash_has_firmware_and_file_system():
    image = flash.compose(raw_image(), {"boot.py": b""})
    assert len(image) == images.FLASH_SIZE
    assert image[:1024] == raw_image()
    assert set(image[1024 : images.FILE_SYSTEM_AT]) == {0xFF}
    assert flash.read(image[images.FILE_SYSTEM_AT :]) == {"boot.py": b""}


def test_too_many_files_are_told_in_a_sentence():
    with pytest.raises(BoardError, match="do not fit"):
        flash.build({"big": bytes(2_000_000)})


def test_a_damaged_file_system_is_told_in_a_sentence():
    with pytest.raises(BoardError, match="cannot be read"):
        flash.read(b"\0" * (images.FLASH_SIZE - images.FILE_SYSTEM_AT))


def test_project_files_are_the_whole_library_and_the_node():
    names = set(project_files("source"))
    root = unixport.ROOT
    library = {f"lib/{path.relative_to(root / 'lib')}" for path in root.glob("lib/**/*.py")}
    assert library <= names
    assert {"main.py", "board.py", "node.py"} <= names
    assert not any(name.endswith("manifest.py") for name in names)
    assert project_files("none") == {}


def test_main_stays_source_when_the_rest_is_compiled():
    files = compile_files({"main.py": b"import a\n", "a.py": b"x = 1\n", "data": b"?"})
    assert sorted(files) == ["a.mpy", "data", "main.py"]
    assert files["a.mpy"][:2] == b"M\x06"


def test_what_mpy_cross_refuses_is_told():
    with pytest.raises(FilesError, match=r"(?s)mpy-cross a\.py.*SyntaxError"):
        compile_files({"a.py": b"x = = 1\n"})


def test_wiring_reads_numbers_and_leaves_none_out(tmp_path):
    (tmp_path / "board.py").write_text(
        "UART_ID = 1\nRESET_N_PIN = None  # not wired\nPWR_ON_PIN = 7  # GPIO\nV_INT_PIN = 8\n"
    )
    assert wiring(tmp_path) == ({"pwr_on": 7, "v_int": 8}, 1)
    assert wiring()[1] == 0


# The command line


def run_cli(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "pico", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "FIRMWARE is not given: download .*RPI_PICO.*b1.bin"),
        (["--firmware", "a.uf2"], "BOOTROM is not given: download .*RPI_PICO.*b1.bin"),
        (["--firmware", "no.uf2", "--bootrom", "no.bin"], "No such file"),
        (["--firmware", "a", "--bootrom", "b", "--files", "all"], "FILES=all: expected one of"),
        (["--firmware", "a", "--bootrom", "b", "--seconds", "x"], "SECONDS=x: expected a number"),
        (["--firmware", "a", "--bootrom", "b", "--until", "("], "UNTIL=.*"),
        (
            ["--firmware", "a", "--bootrom", "b", "--repl", "--until", "x"],
            "UNTIL=x: a REPL runs until Ctrl-C, or for SECONDS",
        ),
        (["--firmware", "a", "--bootrom", "b", "--speed", "0"], "--speed 0: expected a number"),
        (["--firmware", "a", "--bootrom", "b", "--scenario", "no.txt"], "scenario no.txt: "),
    ],
)
@needs_rp2040js
def test_wrong_arguments_are_told_in_one_line(arguments, sentence):
    result = run_cli(*arguments)
    assert result.returncode == 2
    assert result.stdout == ""
    assert re.fullmatch(f"pico: .*{sentence}.*\n", result.stderr), result.stderr


def test_missing_tools_are_told(monkeypatch, tmp_path, capsys):
    arguments = ["--firmware", "a", "--bootrom", "b"]
    monkeypatch.setattr(chip, "RP2040JS", tmp_path)
    monkeypatch.setattr(chip.shutil, "which", lambda _: "/bin/node")
    assert cli.main(arguments) == 2
    assert "npm package rp2040js is not installed" in capsys.readouterr().err
    monkeypatch.setattr(chip.shutil, "which", lambda _: None)
    assert cli.main(arguments) == 2
    assert "needs Node.js" in capsys.readouterr().err


def test_the_shipped_scenario_is_one():
    Module(Config()).play(cli._steps(cli.LOST_AND_WON_BACK))


def test_a_fast_module_is_refused():
    with pytest.raises(BoardError, match="speed"):
        Board("a", "b", module=Module(Config(speed=10.0)))


# The console on a tty


class Typed:
    """What Repl takes for a board."""

    def __init__(self):
        self.now_s = 0.0
        self.typed = b""

    def type(self, data):
        self.typed += data

    def run(self, until_s):
        self.now_s = until_s


def test_the_tty_passes_every_byte_and_paces_the_board():
    board, every = Typed(), bytes(range(256))
    with contextlib.closing(Repl()) as repl:
        tty = os.open(repl.path, os.O_RDWR | os.O_NOCTTY)
        os.write(tty, every)
        begun_s = time.monotonic()
        repl.run(board, 2.0, speed=10)
        assert round(10 * (time.monotonic() - begun_s)) in range(2, 20)
        assert (board.now_s, board.typed) == (2.0, every)
        repl.printed(every)
        assert os.read(tty, 1000) == every
        for _ in range(1000):  # nobody reads: it does not wait
            repl.printed(every)
        os.close(tty)


class NoBoard:
    """What --repl takes for a Board. `error` is raised when it is made, or when it runs."""

    error = None
    at_start = False

    def __init__(self, *_, **__):
        self.now_s = 0.0
        if self.at_start:
            raise self.error

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def run(self, _):
        raise self.error

    def stats(self):
        return Stats(**dict.fromkeys(Stats.__dataclass_fields__, 0))


@pytest.fixture
def repl_of(monkeypatch, capsys):
    """Return a function that runs --repl; it returns (status, stdout, tty closed)."""
    closed = []

    class Watched(Repl):
        def close(self):
            super().close()
            closed.append(self.path)

    def run(error, at_start):
        board = type("Broken", (NoBoard,), {"error": error, "at_start": at_start})
        monkeypatch.setattr(cli, "Board", board)
        monkeypatch.setattr(cli, "Repl", Watched)
        monkeypatch.setattr(cli.chip, "check", lambda: None)
        status = cli.main(["--firmware", "a", "--bootrom", "b", "--repl"])
        return status, capsys.readouterr().out, len(closed) == 1

    return run


@pytest.mark.parametrize(
    ("error", "status"), [(KeyboardInterrupt(), 130), (BoardError("no firmware"), 2)]
)
def test_a_board_that_cannot_be_made_leaves_no_tty(error, status, repl_of):
    assert repl_of(error, at_start=True) == (status, "", True)


@pytest.mark.parametrize(
    ("error", "status", "last"),
    [
        (KeyboardInterrupt(), 0, "module registered with no server; harm 0"),
        (BoardError("HardFault\nthe board's output"), 1, "failed: HardFault"),
    ],
)
def test_figures_of_a_repl_that_ends(error, status, last, repl_of):
    found, printed, closed = repl_of(error, at_start=False)
    first, *_, end = printed.splitlines()
    assert (found, closed) == (status, True)
    assert first.startswith("repl /dev/")
    assert "\ntime   0.0 s emulated" in printed
    assert end == last


# The emulator


@needs_node
def test_uart_by_its_registers():
    result = subprocess.run(
        ["node", CHECKS / "uart_check.mjs"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    lines = result.stdout.splitlines()
    assert len(lines) >= 19
    assert [line for line in lines if not line.startswith("ok ")] == []


@needs_rp2040js
def test_instructions_are_those_of_rp2040js():
    result = subprocess.run(
        ["node", CHECKS / "core_check.mjs", chip.RP2040JS],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert re.fullmatch(r"ok [0-9]{6} instructions\n", result.stdout), result.stdout


# With firmware

ECHO = b"""
import sys, time
from machine import UART, Pin
uart = UART(0, 115200, tx=Pin(0), rx=Pin(1), cts=Pin(2), rts=Pin(3), rxbuf=1024, timeout=0, flow=FLOW)
uart.write(b"GO")
seen = bytearray()
last = time.ticks_ms()
wrote = False
while time.ticks_diff(time.ticks_ms(), last) < 300:
    if uart.any():
        seen += uart.read(uart.any())
        last = time.ticks_ms()
    if len(seen) > 1000 and not wrote:
        wrote = True
        with open("record", "w") as file:
            file.write("x" * 1000)
print("seen", len(seen), seen == bytes(i & 255 for i in range(len(seen))))
"""


def echo(flow, *, wired):
    """Run ECHO while 2000 bytes come back to back."""

    def on_write(data, now_s):
        if data == b"O":
            board.send(bytes(i & 255 for i in range(2000)))

    main = ECHO.replace(b"FLOW", b"3" if flow else b"0")
    with Board(FIRMWARE, BOOTROM, {"main.py": main}, flow=wired, on_write=on_write) as board:
        board.run_to_prompt(30)
        return board.output, board.stats(), board.files()


@needs_files
def test_a_flash_write_loses_input_and_rts_prevents_it():
    output, stats, files = echo(False, wired=False)
    assert files["record"] == b"x" * 1000
    assert stats.erased_sectors >= 1
    assert stats.flash_s >= SECTOR_S
    assert stats.overruns > 400
    assert f"seen {2000 - stats.overruns} False" in output

    output, stats, _ = echo(True, wired=True)
    assert "seen 2000 True" in output
    assert stats.overruns == 0
    assert stats.held_s > SECTOR_S / 2


@needs_files
def test_sleep_takes_no_time_and_the_clock_is_exact():
    main = b"import time\na = time.ticks_ms()\ntime.sleep(3600)\nprint(time.ticks_ms() - a)\n"
    with Board(FIRMWARE, BOOTROM, {"main.py": main}) as board:
        board.run_to_prompt(3700)
        assert "3600000" in board.output
        assert board.stats().real_s < 20
        assert board.stats().busy_s < 1
        assert 3600 < board.now_s < 3600 + START_S


@needs_files
def test_time_goes_on_in_small_steps():
    with Board(FIRMWARE, BOOTROM) as board:
        for _ in range(500):
            board.run(board.now_s + 0.02)
        assert round(board.now_s, 3) == 10


@needs_files
def test_console_pins_heap_and_reset():
    seen = []
    with Board(
        FIRMWARE,
        BOOTROM,
        {"main.py": b"print('main')\n"},
        probe=True,
        watch=[5],
        on_pin=lambda gpio, level, now_s: seen.append((gpio, level)),
    ) as board:
        board.run_to_prompt(5)
        assert board.execute("import machine; print(machine.freq())").strip() == "125000000"
        with pytest.raises(BoardError, match="ZeroDivisionError"):
            board.execute("1 / 0")
        long = "x = [\n" + "".join(f"    {i},\n" for i in range(500)) + "]\nprint(sum(x))\n"
        assert board.execute(long).strip() == str(sum(range(500)))
        board.execute("p = machine.Pin(5, machine.Pin.OPEN_DRAIN, value=1); p(0); p(1)")
        assert seen == [(5, 0), (5, None)]
        board.set_pin(6, True)
        assert board.execute("print(machine.Pin(6, machine.Pin.IN)())").strip() == "1"
        heap = board.heap()
        assert heap.largest < heap.free < heap.used + heap.free < 264 * 1024
        board.type("machine.reset()\r")
        board.run_until("main", 5)
        assert board.resets == 1
        board.run_to_prompt(5)
        assert board.execute("import machine; print(machine.reset_cause())").strip() == WDT_RESET


PULSE = b"""
import time
from machine import Pin
v_int = Pin(8, Pin.IN)
time.sleep(1)
for gpio, ms in ((6, 2500), (6, 500), (7, 200)):  # off, on, reset
    pin = Pin(gpio, Pin.OPEN_DRAIN, value=1)
    pin(0)
    time.sleep_ms(ms)
    pin(1)
    time.sleep(30)
    print("v_int", v_int())
"""


@needs_files
def test_pins_of_the_module():
    module = Module(Config())
    pins = {"pwr_on": 6, "reset_n": 7, "v_int": 8}
    with Board(FIRMWARE, BOOTROM, {"main.py": PULSE}, module, pins=pins) as board:
        board.run_to_prompt(200)
        assert re.findall("v_int ([01])", board.output) == ["0", "1", "1"]
        # A sleep of MicroPython may be shorter by up to a millisecond.
        held = [(entry[2], round(entry[3], 2)) for entry in module.history if entry[1] == "pin"]
        assert held == [("PWR_ON", 2.5), ("PWR_ON", 0.5), ("RESET_N", 0.2)]
        assert module.boots == 3


@needs_files
def test_a_crash_is_told():
    main = b"import machine\nprint(machine.mem32[0x60000000])\n"
    with Board(FIRMWARE, BOOTROM, {"main.py": main}) as board:
        with pytest.raises(BoardError, match="HardFault: load at 0x60000000"):
            board.run(5)


@needs_files
@pytest.mark.parametrize("kind", ["source", "mpy"])
def test_the_node_registers_and_wins_a_lost_registration_back(kind):
    module = Module(Config())
    pins, uart = wiring()
    with Board(
        FIRMWARE, BOOTROM, project_files(kind), module, pins=pins, uart=uart, probe=True
    ) as board:
        board.run_until("registered 721", 400)
        board.run(board.now_s + 60)
        run_verb(module, "server 721 down")
        run_verb(module, "lose 721 now")
        board.run_until("registration lost 721", 400)
        run_verb(module, "server 721 up")
        board.run_until("registered 721", 900)
        assert module.state()["servers"][0]["live"]
        assert module.state()["harm"] == 0
        assert board.stats().overruns == 0
        assert board.heap().free > 50_000
