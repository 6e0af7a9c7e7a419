"""Runs tools/deploy as a user does."""

import subprocess
import sys

import unixport

ALL = len(list(unixport.ROOT.glob("lib/**/*.py"))) + 4  # and main, node, board, pins
LIMIT_S = 100


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
