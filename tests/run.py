"""Runs all the tests and ends with one line, `N passed, N failed`, that sums them up.

  - every tests/unit/test_*.py in a MicroPython process of its own, once with the scanner in native
    code and once with its bytecode twin (environment variable LEXI_SCAN=bytecode);
  - pytest over tests/host;
  - ruff: the linter and the formatter count as one check each.

Started with .venv's python by `make test`. The exit status is 0 only if nothing failed.
"""

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import unixport
from unixport import ROOT, UNITTEST

_UNIT_LIMIT_S = 300  # one file in one of its two rounds
_HOST_LIMIT_S = 1000  # all of pytest
_RUFF_LIMIT_S = 60

# What micropython-unittest prints. It counts a skipped test as run, and ends with sys.exit(False)
# if all is well, which MicroPython 1.29 takes for a message: it prints it and exits with 1.
_RAN = re.compile(r"^Ran (\d+) tests$", re.MULTILINE)
_FAILED = re.compile(r"^FAILED \(failures=(\d+), errors=(\d+)\)$", re.MULTILINE)
_SKIPPED = re.compile(r"(?:^|\.\.\.) skipped:", re.MULTILINE)
_EXIT_FALSE = "\nFalse\n"


class Result(NamedTuple):
    passed: int
    failed: int
    skipped: int = 0
    note: str = ""  # what the numbers do not tell
    output: str = ""

    def __str__(self):
        text = f"{self.passed} passed, {self.failed} failed"
        return f"{text}, {self.skipped} skipped" if self.skipped else text


def main():
    options = parse_arguments()
    os.chdir(ROOT)
    port = unixport.find()
    units = unit_steps(port, options.only, options.limit)
    others = [*host_steps(options.only), *ruff_steps(options.only)]
    if not units and not others:
        sys.exit(f"nothing is named like {options.only}")

    results = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # each runs in a process of its own
        for name, timed in zip([name for name, _ in units], pool.map(run_step, units)):
            results.append(show(name, *timed, options.verbose))
    for step in others:
        results.append(show(step[0], *run_step(step), options.verbose))

    total = Result(*(sum(result[i] for result in results) for i in range(3)))
    print(total)
    return 1 if total.failed else 0


def run_step(step):
    start = time.monotonic()
    result = step[1]()
    return result, time.monotonic() - start


def show(name, result, took_s, verbose):
    note = f" ({result.note})" if result.note else ""
    print(f"{name:<44} {result}, {took_s:.1f} s{note}", flush=True)
    if result.output and (result.failed or verbose):
        print("    " + result.output.rstrip().replace("\n", "\n    "), flush=True)
    return result


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("-v", "--verbose", action="store_true", help="show all output")
    parser.add_argument(
        "--only", default="", metavar="PATTERN", help="run what has this text in its name"
    )
    parser.add_argument(
        "--limit",
        type=float,
        default=_UNIT_LIMIT_S,
        metavar="SECONDS",
        help="for one unit test file (default: %(default)s)",
    )
    return parser.parse_args()


# Each of these returns a list of (name, function that returns a Result).


def unit_steps(port, only, limit_s):
    files = sorted(Path("tests/unit").glob("test_*.py"))
    if not files and not only:
        return [("tests/unit", lambda: Result(0, 1, note="there are no unit tests"))]
    steps = []
    for code in ("native", "bytecode"):
        for file in files:
            step = partial(run_unit, port, file, code, limit_s)
            if code == "native" and not port.viper:
                step = partial(Result, 0, 0, 1, "this MicroPython has no viper")
            steps.append((f"{file} [{code}]", step))
    return [(name, step) for name, step in steps if only in name]


def host_steps(only):
    files = sorted(map(str, Path("tests/host").glob("test_*.py")))
    files = [file for file in files if only in file]
    return [("tests/host", partial(run_pytest, files))] if files else []


def ruff_steps(only):
    steps = [
        ("ruff check", partial(run_ruff, "check")),
        ("ruff format", partial(run_ruff, "format", "--diff")),
    ]
    return [(name, step) for name, step in steps if only in name]


def run_unit(port, file, code, limit_s):
    env = unixport.environment("lib", "tests/unit", UNITTEST.relative_to(ROOT))
    env.pop("LEXI_SCAN", None)
    if code == "bytecode":
        env["LEXI_SCAN"] = code
    status, output = run([port.path, str(file)], limit_s, env)
    ran = _RAN.findall(output)
    if status is None:
        return Result(0, 1, note=f"hangs: stopped after {limit_s:g} s", output=output)
    if not ran:
        return Result(0, 1, note=f"ended without a result, exit status {status}", output=output)
    count = int(ran[-1])
    failed = sum(int(number) for number in (_FAILED.findall(output) or [(0, 0)])[-1])
    skipped = len(_SKIPPED.findall(output))
    passed = max(0, count - failed - skipped)
    if count == 0:
        return Result(0, 1, note="no test in it", output=output)
    if status and not failed and not output.endswith(_EXIT_FALSE):
        return Result(passed, 1, skipped, f"exit status {status}", output)
    return Result(passed, failed, skipped, output=output)


def run_pytest(files):
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        options = ["--quiet", "--continue-on-collection-errors", f"--junitxml={report}"]
        command = [sys.executable, "-m", "pytest", *options, *files]
        status, output = run(command, _HOST_LIMIT_S)
        if status is None:
            return Result(0, 1, note=f"hangs: stopped after {_HOST_LIMIT_S} s", output=output)
        if not report.exists():
            return Result(0, 1, note=f"exit status {status}", output=output)
        suites = list(ET.parse(report).iter("testsuite"))
    count, failures, errors, skipped = (
        sum(int(suite.get(key)) for suite in suites)
        for key in ("tests", "failures", "errors", "skipped")
    )
    failed = failures + errors
    passed = max(0, count - failed - skipped)
    if status and not failed:
        return Result(passed, 1, skipped, f"exit status {status}", output)
    return Result(passed, failed, skipped, output=output)


def run_ruff(*arguments):
    command = [sys.executable, "-m", "ruff", *arguments, "--quiet", "."]
    status, output = run(command, _RUFF_LIMIT_S)
    return Result(0, 1, output=output) if status else Result(1, 0)


def run(command, limit_s, env=None):
    """Run a command with no input; return its exit status, None if it hung, and what it said."""
    process = subprocess.Popen(
        command,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=limit_s)
        return process.returncode, output
    except subprocess.TimeoutExpired:
        kill_group(process)
        output, _ = process.communicate()
        return None, output
    finally:
        kill_group(process)


def kill_group(process):
    """Kill what the process left behind too: nothing of a test outlives it."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


if __name__ == "__main__":
    try:
        sys.exit(main())
    except unixport.UnixPortError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
