"""Runs the project's node on the virtual Pico, wired to the simulated module. See README.md.

Prints what the board prints, each line with its emulated time, and at the end what it took. The
exit status is 0, 1 if the board crashed or --until was not met, 2 for a wrong argument or file,
130 after Ctrl-C before the board runs.

With --repl the board's console is a tty instead, for mpremote and tools/deploy, until Ctrl-C.
"""

import argparse
import contextlib
import re
import sys
from pathlib import Path

import lexisim.__main__ as lexisim_cli
from boardfiles import KINDS, NONE, SOURCE, project_files
from lexisim import Module, ScenarioError, parse_scenario

from . import chip, images
from .board import Board
from .errors import BoardError
from .repl import Repl
from .wiring import wiring

LOST_AND_WON_BACK = Path(__file__).parent / "lost.txt"

_DEFAULT_UNTIL = "(?s)registered 721.*registration lost 721.*registered 721"
_DEFAULT_SECONDS = 7200.0
_ENDLESS = 1e9
_FAILED = 1
_USAGE_ERROR = 2
_INTERRUPTED = 130  # as the shell has it
_DOWNLOADS = (
    f"download {images.FIRMWARE_HINT} and {images.BOOTROM_HINT}, then: "
    "make pico FIRMWARE=RPI_PICO-....uf2 BOOTROM=b1.bin"
)


def build_parser():
    """Return the argument parser."""
    parser = argparse.ArgumentParser(
        prog="python -m pico",
        description="Runs the node on an emulated Raspberry Pi Pico and a simulated module.",
        epilog="Options of lexisim (python -m lexisim --help) may follow after --.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--firmware", metavar="FILE", help="MicroPython for RPI_PICO, .uf2 or .bin")
    add("--bootrom", metavar="FILE", help="boot ROM B1 of the RP2040")
    add("--files", help=f"what is put onto the board: {', '.join(KINDS)}; default: {SOURCE}")
    add("--scenario", metavar="FILE", help=f"steps of lexisim; default: {LOST_AND_WON_BACK.name}")
    add(
        "--repl",
        action="store_true",
        help=f"console on a tty, in real time; defaults: --files {NONE}, no --scenario",
    )
    add("--speed", metavar="X", type=float, default=1.0, help="of --repl: X times real time")
    add("--seconds", metavar="S", help="end after S emulated seconds")
    add("--until", metavar="REGEX", help="end when all that was printed matches")
    add("--flow", action="store_true", help="RTS and CTS are wired")
    add("--no-probe", action="store_true", help="no boot.py that tells of the heap")
    add("module", nargs="*", help=argparse.SUPPRESS)
    return parser


class Printer:
    """Prints whole lines with the emulated time of their end."""

    def __init__(self):
        self._line = ""

    def __call__(self, text, at_s):
        *ended, self._line = (self._line + text).split("\n")
        for line in ended:
            print(f"{at_s:12.3f}  {line.rstrip()}", flush=True)

    def end(self, at_s):
        """Print a line that was not finished."""
        if self._line:
            self("\n", at_s)


def run(arguments):
    """Run the node; return the exit status. Raises BoardError and ValueError."""
    if not arguments.firmware or not arguments.bootrom:
        missing = "FIRMWARE" if not arguments.firmware else "BOOTROM"
        raise BoardError(f"{missing} is not given: {_DOWNLOADS}")
    seconds, until = _limits(arguments)
    files = project_files(arguments.files or (NONE if arguments.repl else SOURCE))
    chip.check()
    module = _module(arguments.module)
    if arguments.scenario or not arguments.repl:
        module.play(_steps(arguments.scenario or LOST_AND_WON_BACK))
    if arguments.repl:
        return _run_repl(arguments, files, module, seconds)
    pins, uart = wiring()
    printer = Printer()
    with Board(
        arguments.firmware,
        arguments.bootrom,
        files,
        module,
        uart=uart,
        pins=pins,
        flow=arguments.flow,
        probe=not arguments.no_probe,
        on_output=printer,
        real_limit_s=float("inf"),
    ) as board:
        why = None
        try:
            if until is None:
                board.run(seconds)
            else:
                board.run_until(until, seconds, 0)
        except BoardError as error:
            why = _in_short(error)
        except KeyboardInterrupt:
            why = "stopped"
        printer.end(board.now_s)
        board.on_output = None
        _tell(board, module, heap=not arguments.no_probe)
    return _end(why)


def _run_repl(arguments, files, module, seconds):
    # The board prints into the tty, and nothing here but where that is.
    pins, uart = wiring()
    with (
        contextlib.closing(Repl()) as repl,
        Board(
            arguments.firmware,
            arguments.bootrom,
            files,
            module,
            uart=uart,
            pins=pins,
            flow=arguments.flow,
            on_console=repl.printed,
            real_limit_s=float("inf"),
        ) as board,
    ):
        print(f"repl {repl.path}", flush=True)
        why = None
        try:
            repl.run(board, seconds, arguments.speed)
        except BoardError as error:
            why = _in_short(error)
        except KeyboardInterrupt:
            pass  # how it is meant to end
        _tell(board, module, heap=False)
    return _end(why)


def _in_short(error):
    return str(error).partition("\n")[0]


def _end(why):
    # Returns the exit status.
    if why is None:
        return 0
    print(f"failed: {why}")
    return _FAILED


def _limits(arguments):
    # How long, and until what.
    try:
        seconds = float(arguments.seconds or (_ENDLESS if arguments.repl else _DEFAULT_SECONDS))
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise BoardError(f"SECONDS={arguments.seconds}: expected a number above 0")
    if not 0 < arguments.speed < float("inf"):
        raise BoardError(f"--speed {arguments.speed:g}: expected a number above 0")
    until = arguments.until
    if until and arguments.repl:
        raise BoardError(f"UNTIL={until}: a REPL runs until Ctrl-C, or for SECONDS")
    if not until:
        shipped = not arguments.scenario and not arguments.seconds
        until = _DEFAULT_UNTIL if shipped else None
    try:
        return seconds, until and re.compile(until)
    except re.error as error:
        raise BoardError(f"UNTIL={until}: {error}") from None


def _module(options):
    config = lexisim_cli.make_config(lexisim_cli.build_parser().parse_args(options))
    return Module(config)


def _steps(path):
    try:
        return parse_scenario(Path(path).read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError(f"scenario {path}: {error}") from None


def _tell(board, module, heap):
    stats = board.stats()
    print()
    print(
        f"time   {stats.emulated_s:.1f} s emulated in {stats.real_s:.1f} s; "
        f"CPU {stats.hertz / 1e6:.0f} MHz, busy for {stats.busy_s:.1f} s"
    )
    if heap and board.halted is None:
        try:
            now = board.heap()
            print(
                f"heap   {now.used} bytes used, {now.free} free, largest free block {now.largest}, "
                "after a collection"
            )
        except BoardError:
            print("heap   not known: the board does not answer")
    print(
        f"UART   {stats.received} bytes to the board, {stats.sent} from it, "
        f"{stats.overruns} lost in overruns; {stats.baud:.0f} bit/s"
    )
    print(
        f"flash  {stats.erased_sectors} sectors erased, {stats.programmed_pages} pages programmed, "
        f"interrupts off for {stats.flash_s * 1000:.0f} ms"
    )
    state = module.state()
    registered = [str(each["id"]) for each in state["registrations"] if each["live"]]
    print(f"module registered with {', '.join(registered) or 'no server'}; harm {state['harm']}")
    for problem in state["problems"]:
        print(f"       scenario step failed: {problem}")


def main(argv=None):
    """Run the command line; return the exit status."""
    try:
        return run(build_parser().parse_args(argv))
    except KeyboardInterrupt:
        return _INTERRUPTED
    except (BoardError, ValueError) as error:
        print(f"pico: {error}", file=sys.stderr)
        return _USAGE_ERROR


if __name__ == "__main__":
    sys.exit(main())
