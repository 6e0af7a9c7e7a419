"""Runs the ladder through random worlds (worlds.py) and prints what happened.

`make soak` runs 200 000 simulated days, or until it is interrupted. DAYS=1000 changes that.
Every failure names its world: `make soak ARGS="--seed 1 --world 17"` prints it event by event.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "tools"))

import unixport  # noqa: E402

SEED = 1
CHUNK_DAYS = 1000  # between two lines of progress, each process
_SUMS = ("days", "worlds", "decisions")
_TABLES = ("actions", "reasons", "states", "resets", "faults")


class SoakError(Exception):
    """A run ended without a result."""


def start(port, *arguments):
    """Start worlds.py under MicroPython; return the process."""
    command = [port.path, "-X", "heapsize=32m", str(HERE / "worlds.py"), *map(str, arguments)]
    env = unixport.environment(unixport.ROOT / "lib", HERE)
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True)


def results(processes):
    """What each process printed last, a JSON value; none of them runs afterwards."""
    found = []
    try:
        for process in processes:
            output, _ = process.communicate()
            if process.returncode:
                raise SoakError(f"{process.args}: exit status {process.returncode}\n{output}")
            found.append(json.loads(output.splitlines()[-1]))
    finally:
        for process in processes:
            process.kill()
            process.wait()
    return found


def merge(summaries):
    """One summary of several."""
    total = {"violations": [], "healed": {}, "seconds": 0}
    for name in _SUMS:
        total[name] = sum(summary[name] for summary in summaries)
    for name in _TABLES:
        total[name] = table = {}
        for summary in summaries:
            for key, n in summary[name].items():
                table[key] = table.get(key, 0) + n
    for summary in summaries:
        total["violations"] += summary["violations"]
        total["seconds"] = max(total["seconds"], summary["seconds"])
        total["seed"] = summary["seed"]
        total["bounds"] = summary["bounds"]
        for policy, times in summary["healed"].items():
            total["healed"].setdefault(policy, []).extend(times)
    return total


def run(port, days, seed=SEED, processes=2, arguments=()):
    """Run worlds for so many days in several processes; return the merged summary."""
    share = ("--days", -(-days // processes), "--step", processes)
    running = [
        start(port, "--seed", seed, "--first", i, *share, *arguments) for i in range(processes)
    ]
    return merge(results(running))


def describe(total):
    """The numbers as text."""
    numbers = tuple(total[name] for name in ("seed", "worlds", "days", "decisions"))
    lines = ["seed %d: %d worlds, %d days, %d decisions" % numbers]
    lines.append("registered again after everything was healed, in s:")
    for policy, times in sorted(total["healed"].items()):
        times = sorted(times) or [0]
        lines.append(
            f"  {policy:<10} {len(times):>7} times, median {times[len(times) // 2]}, "
            f"worst {times[-1]}, bound {total['bounds'][policy]}"
        )
    for name in _TABLES:
        lines.append(f"{name}:")
        table = total[name]
        order = sorted(table, key=int) if name == "states" else sorted(table)
        lines += [f"  {table[key]:>9}  {key}" for key in order]
    return "\n".join(lines)


def complaints(total):
    """A line for each violation, with the way to repeat it."""
    return [
        f"world {world}, {at_s} s, {policy}: {which}: {text}\n"
        f'    make soak ARGS="--seed {total["seed"]} --world {world}"'
        for world, at_s, which, text, policy in total["violations"]
    ]


def soak(port, seed, days, processes):
    """Run until there are enough days; one line of progress per round."""
    summaries = []
    first = 0
    started_s = time.monotonic()
    done = 0
    try:
        while done < days:
            step = ("--step", processes, "--days", min(CHUNK_DAYS, -(-days // processes)))
            running = [
                start(port, "--seed", seed, "--first", first + i, *step) for i in range(processes)
            ]
            found = results(running)
            # The processes need unlike numbers of worlds: the next round begins behind them all.
            first = max(summary["next"] for summary in found)
            first += -first % processes
            summaries = [merge([*summaries, *found])]
            done = summaries[0]["days"]
            spent_s = time.monotonic() - started_s
            bad = len(summaries[0]["violations"])
            print(
                f"{done:9.0f} days, {done / spent_s:5.0f} days/s, world {first}, {bad} violations",
                flush=True,
            )
    except KeyboardInterrupt:
        print()
    return summaries


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--days", type=int, default=int(os.environ.get("DAYS", "200000")))
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--world", type=int, help="only this one, event by event")
    options = parser.parse_args()
    port = unixport.find()
    if options.world is not None:
        process = start(port, "--seed", options.seed, "--world", options.world, "--trace")
        print(process.communicate()[0], end="")
        return process.returncode
    summaries = soak(port, options.seed, options.days, options.processes)
    if not summaries:
        return 130
    print(describe(summaries[0]))
    bad = complaints(summaries[0])
    print("\n".join(bad) or "no violation")
    return 1 if bad else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (SoakError, unixport.UnixPortError) as error:
        sys.exit(str(error))
