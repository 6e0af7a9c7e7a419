"""Puts the library and the node onto a board, and tries them there. See --help.

The exit status is 0, or 1 with a sentence.
"""

import argparse
import sys

import boardfiles
from boardfiles import FilesError

from . import choice, install, link, plan
from .errors import DeployError
from .plan import HELD, MAIN

_SHOWN = 4  # names of files that were removed
_AGAIN = "the board boots to its REPL; the same command again completes it"
_EPILOG = f"""\
Uploaded is what differs from what the board has; what was put there before and is not needed any
more is removed. {plan.RECORD} on the board says what that is. A program there is stopped. Interrupted at any point it leaves a board that boots to its REPL, and the
same command again completes it; only a boot.py of yours is not held back, and runs at every start.
A program with a watchdog resets the board while it is stopped: then once more.
"""


def build_parser():
    """Return the argument parser."""
    parser = argparse.ArgumentParser(
        prog="python -m deploy",
        description="Puts the library and the node onto a board as .mpy, and tries them there.",
        epilog=_EPILOG,
        allow_abbrev=False,
    )
    add = parser.add_argument
    boards = ", ".join(boardfiles.board_names())
    add("--board", default="", metavar="BOARD", help=f"one of {boards}")
    add("--port", default="", metavar="PORT", help="its serial port")
    add("--source", action="store_true", help="put source there instead of .mpy")
    add(
        "--parts",
        default=choice.ALL,
        metavar="A,B",
        help="some parts, with what they need; default: all",
    )
    add(
        "--no-node",
        action="store_true",
        help="the library alone: a main.py of yours stays, what was put there by this goes",
    )
    add("--overwrite", action="store_true", help="also files that were not put there by this")
    add("--start", action="store_true", help="start main.py at the end")
    return parser


def run(arguments):
    """Do it. Raises DeployError."""
    board, node = arguments.board, not arguments.no_node
    link.check_mpremote()
    choice.check_board(board)
    if arguments.start and not choice.has_reset(board):
        raise DeployError(f"--start: {board} starts nothing by itself")
    sources, parts = choice.chosen_files(board, arguments.parts, node)
    packages = sorted({name.partition(".")[0] for name in parts})
    if not arguments.port:
        raise DeployError(f"PORT is not given; {link.serial_ports()}")
    # Before the program there is stopped: its watchdog need not wait for mpy-cross.
    compiled = None if arguments.source else boardfiles.compile_files(sources)
    made = boardfiles.mpy_version()
    with link.Link(arguments.port) as remote:
        about = install.ask(remote, packages)
        _check(about, board, arguments.port)
        wanted = sources if compiled is None else _in_form(sources, compiled, about, made)
        state = install.look(remote, wanted)
        if state.damaged:
            print(f"{plan.RECORD} on the board is damaged: it counts as missing")
        todo = plan.make_plan(wanted, state, {**boardfiles.library_files(), **sources})
        _check_plan(todo, state, arguments.overwrite)

        def trial():
            if choice.has_reset(board):
                remote.soft_reset()
            return install.smoke(remote, choice.library_packages(), packages, parts, node)

        if todo.changes:
            tried = _carry_out(remote, todo, wanted, state, trial)
        else:
            print(f"uploaded  0 of {len(wanted)} files, nothing has changed")
            tried = trial()
        _tell(tried, *install.free_flash(remote))
        if arguments.start:
            remote.start()
        elif node and choice.has_reset(board):
            print("main.py   starts at the next reset, or with --start")


def _check(about, board, port):
    machine, platform = about["machine"], about["platform"]
    version = ".".join(str(each) for each in about["version"][:3])
    if about["name"] != "micropython":
        raise DeployError(f"{port} runs {about['name']} {version}, expected MicroPython")
    if platform not in choice.PLATFORMS[board]:
        fits = [name for name, those in choice.PLATFORMS.items() if platform in those]
        advice = f"expected BOARD={fits[0]}" if fits else "there is nothing here for it"
        raise DeployError(f"BOARD={board}: at {port} is a {machine} ({platform}); {advice}")
    if about["frozen"]:
        raise DeployError(
            f"the firmware at {port} has {', '.join(about['frozen'])} frozen, which wins over "
            "what is uploaded"
        )
    print(f"{board:<9} MicroPython {version}, {machine}")


def _in_form(sources, compiled, about, made):
    # .mpy, if the board takes what mpy-cross makes.
    if about["mpy"] != made:
        takes = f"takes .mpy version {about['mpy']}" if about["mpy"] else "takes no .mpy"
        print(f"the board {takes}, mpy-cross makes {made}: it gets source")
        return sources
    return compiled


def _check_plan(todo, state, overwrite):
    if todo.foreign and not overwrite:
        raise DeployError(
            f"on the board, and not put there by this: {', '.join(todo.foreign)}; move it, or "
            "--overwrite replaces or removes it"
        )
    needed = plan.room_needed(todo, state)
    if needed > state.free:
        raise DeployError(
            f"no space: {len(todo.sent)} files need {needed} bytes of flash, {state.free} are free"
        )


def _carry_out(remote, todo, wanted, state, trial):
    shown = sys.stdout.isatty()
    done = [0]

    def progress(name, size):
        done[0] += 1
        if shown:
            print(f"\r\033[K{done[0]} of {len(todo.sent)}  {name}", end="\r", flush=True)

    try:
        tried = install.carry_out(remote, todo, state, trial, progress)
    except install.TrialError as error:
        kept = f"; {MAIN} is kept as {HELD}" if {MAIN, HELD} & set(state.files) else ""
        raise DeployError(f"{error}; the board boots to its REPL{kept}") from None
    except DeployError as error:
        raise DeployError(f"{error}: {_AGAIN}") from None
    except KeyboardInterrupt:
        raise DeployError(f"interrupted: {_AGAIN}") from None
    size = sum(map(len, todo.sent.values()))
    print(f"uploaded  {len(todo.sent)} of {len(wanted)} files, {size} bytes")
    if todo.removed:
        names = ", ".join(todo.removed[:_SHOWN])
        more = f" and {len(todo.removed) - _SHOWN} more" if len(todo.removed) > _SHOWN else ""
        print(f"removed   {names}{more}")
    return tried


def _tell(tried, free, total):
    imported = [line.partition(" ")[2] for line in tried if line.startswith("imported ")]
    heard = ", a URC reached its handler" if "heard" in tried else ""
    print(f"tried     {', '.join(imported)} imported{heard}")
    heap_free, heap = map(int, tried[-1].split()[1:])
    print(f"heap      {heap_free} of {heap} bytes free with that loaded")
    print(f"flash     {free} of {total} bytes free")


def main(argv=None):
    """Run the command line; return the exit status."""
    try:
        run(build_parser().parse_args(argv))
    except (DeployError, FilesError) as error:
        print(f"deploy: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("deploy: interrupted", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
