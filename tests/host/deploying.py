"""Runs tools/deploy as a user does."""

import re
import subprocess
import sys

import unixport
from deploy import __main__ as cli

ALL = (
    len(list(unixport.ROOT.glob("lib/**/*.py"))) + 5
)  # and main, node, node_report, node_report_blocking, board
LIMIT_S = 100

# Two versions of what is put there, small ones
OLD = {
    "lib/a/__init__.py": b"a = 1",
    "lib/a/b.py": b"b = 1",
    "lib/a/c/d.py": b"d = 1",
    "board.py": b"pin = 1",
    "extra.py": b"old",
    "main.py": b"import a  # old",
}
NEW = {
    "lib/a/__init__.mpy": b"M a2",
    "lib/a/b.mpy": b"M b2",
    "lib/z/__init__.mpy": b"M z2",
    "board.mpy": b"M pin2",
    "main.py": b"import a  # new",
}
NO_NODE = {name: data for name, data in NEW.items() if name.startswith("lib/")}


def command(tty_path, *arguments, board="UNIX"):
    words = [sys.executable, "-m", "deploy", "--board", board, "--port", tty_path]
    return [*words, *arguments]


def deploy(tty_path, *arguments, board="UNIX"):
    """Run it; returns what it prints."""
    result = subprocess.run(
        command(tty_path, *arguments, board=board),
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


def refusal(capsys, *arguments):
    """Run it in this process; returns the sentence by which it refuses."""
    assert cli.main(list(arguments)) == 1
    sentence = capsys.readouterr().err
    assert re.fullmatch("deploy: .+\n", sentence), sentence
    return sentence


def refused(capsys, tty_path, *arguments, board="UNIX"):
    return refusal(capsys, "--board", board, "--port", tty_path, *arguments)
