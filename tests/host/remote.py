"""A board with a REPL, as mpremote sees any: MicroPython's unix port on a pty."""

import contextlib
import os
import pty
import subprocess
import sys
import threading
import tty

import unixport


@contextlib.contextmanager
def board(folder):
    """Run a REPL in a folder, which is the board's file system; the value is its tty."""
    repl_end, repl_tty = pty.openpty()
    host_end, host_tty = pty.openpty()
    for end in (repl_tty, host_tty):
        tty.setraw(end)
    repl = subprocess.Popen(
        [unixport.find().path, "-i"],
        cwd=folder,
        env=unixport.environment("lib", TERM="dumb"),
        stdin=repl_tty,
        stdout=repl_tty,
        stderr=repl_tty,
        start_new_session=True,
    )
    for ends in ((repl_end, host_end), (host_end, repl_end)):
        threading.Thread(target=_copy, args=ends, daemon=True).start()
    try:
        yield os.ttyname(host_tty)
    finally:
        repl.kill()
        repl.wait()
        for end in (repl_tty, host_tty, repl_end, host_end):
            os.close(end)


def _copy(source, target):
    """Copy bytes from one terminal to another until one of them is gone."""
    with contextlib.suppress(OSError):
        while data := os.read(source, 4096):
            os.write(target, data)


def mpremote(tty_path, *arguments, program=(sys.executable, "-m", "mpremote"), env=None):
    """Run an mpremote in the clone's folder; returns what it prints."""
    result = subprocess.run(
        [*program, "connect", tty_path, "resume", *arguments],
        cwd=unixport.ROOT,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout
    return result.stdout
