"""Print the performance budgets as a table, every number measured in this run.

Writes the same as JSON to build/bench.json. Rows that cannot be measured here say why.
"""

import argparse
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from statistics import mean

import budgets
import runners
import unixport
from boardfiles import FilesError
from budgets import EVENTS, KINDS
from pico import BoardError, compile_files, library_files
from pico.images import read_bootrom, read_firmware
from rich.console import Console
from rich.progress import Progress, SpinnerColumn
from rich.table import Table
from rich.text import Text

OUT = unixport.ROOT / "build" / "bench.json"
LEXI_STEPS = 5  # of startup.py, up to Lexi()
STEPS = 7  # up to Supervisor()
TAKEN = 60_000
ONS = 16  # in the last step
UNIX_RUNS = 5
WIDTH = 180  # of what is no terminal

NO_FIRMWARE = "needs FIRMWARE= and BOOTROM="
NO_FROZEN = "needs FROZEN= and BOOTROM="


# Each of these returns {key: (value, note)} of rows in budgets.py; value None: failed, see note.


def best(results):
    """Of several runs of speed.py on a machine that does other things too: the best of each."""
    first = results[0]
    for name, sides in first.items():
        for side, turns in sides.items():
            turns["us"] = min(result[name][side]["us"] for result in results)
            turns["heap"] = max(result[name][side]["heap"] for result in results)
    return first


def speed(result, stream):
    ours = {name: result[name] for name in EVENTS}
    most = max(sides["ours"]["heap"] for sides in result.values())
    wake_up = min(sides["aio"]["heap"] for sides in ours.values())
    note = f"of {len(result)} events; asyncio's own for a wake-up: {wake_up} B"
    values = {"heap_per_urc": (most, note)}
    for name, sides in ours.items():
        us = {side: turns["us"] for side, turns in sides.items()}
        note = (
            f"{us['ours']} us; naive {us['naive']} from the {stream}, {us['memory']} from memory, "
        )
        note += f"{us['beside']} with the library loaded; "
        note += f"asyncio's turn {us['aio']}, its readline alone {us['readline']}"
        values[name] = (us["ours"] / us["naive"], note)
    values["mean"] = (mean(values[name][0] for name in EVENTS), "")
    turns = [sides["aio"]["us"] / sides["readline"]["us"] for sides in ours.values()]
    values["asyncio"] = (mean(turns), "")
    return values


def heap(kind, steps):
    """Of startup.py: steps is [(name, bytes)]."""
    note = ", ".join(f"{name} {size / 1000:.1f}" for name, size in steps)
    sizes = [size for _, size in steps]
    return {
        f"heap_lexi {kind}": (sum(sizes[:LEXI_STEPS]) / 1000, note),
        f"heap_all {kind}": (sum(sizes[:STEPS]) / 1000, ""),
        "on_bytes": (sizes[STEPS] / ONS, f"mean of {ONS}"),
    }


def sizes():
    """Of the .mpy files of the library."""
    values = {"all": 0}
    for name, data in compile_files(library_files()).items():
        package = name.split("/")[1]
        values[package] = values.get(package, 0) + len(data) / 1000
        values["all"] += len(data) / 1000
    return {key: (size, "") for key, size in values.items()}


def wasm():
    values = {}
    for kind in KINDS:
        values.update(heap(kind, list(runners.on_wasm(kind).items())))
    return values


def startup(kind, run):
    steps, _, largest = run
    times = ", ".join(f"{name} {ms:.0f}" for name, _, ms in steps[:STEPS])
    return {
        f"startup_ms {kind}": (sum(ms for _, _, ms in steps[:STEPS]), times),
        **heap(kind, [(name, size) for name, size, _ in steps]),
        f"largest {kind}": (largest / 1000, ""),
        "on_ms": (steps[STEPS][2] / ONS, f"mean of {ONS}"),
    }


def longest(run):
    cases = sorted(run[0].items(), key=lambda item: -item[1])
    note = ", ".join(f"{name} {us / 1000:.1f}" for name, us in cases)
    return {"longest_ms": (cases[0][1] / 1000, note)}


def idle(run):
    due, pump = run[0]["due_s"], run[0]["pump"]
    note = f"{due['heap']} B of heap"
    return {"due_ms": (due["us"] / 1000, note), "pump_ms": (pump["us"] / 1000, "")}


def burst(run):
    result = run[0]
    return {"burst": (result["arrived"], ""), "kept": (100 * result["kept"], "")}


def flash(key, run):
    result, stats, _ = run
    lost = result["sent"] - result["arrived"]
    unseen = 0 if result["gap"] else lost
    note = (
        f"{lost} of {result['sent']} lost, {stats.overruns} bytes; {result['records']} records, "
    )
    note += f"{stats.erased_sectors} sectors erased; {result['lost']} gaps noticed"
    return {key: (lost if key == "flash_flow" else unseen, note)}


def pico(board, pool):
    """Run all programs on the virtual Pico."""

    def run(shape, *arguments, **options):
        return pool.submit(lambda: shape(board.run(*arguments, **options)))

    def node(kind):
        return {f"node_s {kind}": (board.node(kind)[0], "")}

    tasks = {
        "heap_per_urc": run(lambda run: speed(run[0], "UART"), "speed"),
        "startup_ms source": run(lambda run: startup("source", run), "startup", "source"),
        "startup_ms mpy": run(lambda run: startup("mpy", run), "startup"),
        "taken": run(lambda run: {"taken": (run[2] / 1000, "")}, "startup", "source", taken=TAKEN),
        "longest_ms": run(longest, "longest"),
        "due_ms": run(idle, "idle"),
        "burst": run(burst, "burst"),
        "flash_unseen": run(lambda run: flash("flash_unseen", run), "flash"),
        "flash_flow": run(lambda run: flash("flash_flow", run), "flash", flow=True),
        **{f"node_s {kind}": pool.submit(node, kind) for kind in KINDS},
    }
    values = {}
    for key, task in tasks.items():
        try:
            values.update(task.result())
        except BoardError as error:
            values[key] = (None, str(error).partition("\n")[0])
    return values


def frozen(board):
    try:
        registered_s, used = board.node("none")
    except BoardError as error:
        return {"heap": (None, str(error).partition("\n")[0])}
    return {
        "heap": (used.used / 1000, "0.7 of it are the probe's"),
        "largest": (used.largest / 1000, ""),
        "node_s": (registered_s, ""),
    }


# The table


def entries(rows, values, why=None, judged=None):
    """Return the rows as dicts, with their verdicts. judged: rows that have limits; None: all."""
    made = []
    for key, row in rows.items():
        value, note = values.get(key, (None, f"skipped: {why}" if why else "not known"))
        limits = judged is None or key in judged
        must, aim = (row.must, row.aim) if limits else (None, None)
        verdict = ""
        if value is None and key in values:
            verdict = "MISS"
        elif value is not None and must is not None:
            verdict = "ok" if row.meets(value, must) else "MISS"
        made.append(
            {
                "key": key,
                "what": row.what,
                "value": value,
                "unit": row.unit,
                "must": must,
                "aim": aim,
                "verdict": verdict,
                "aim_reached": None if value is None or aim is None else row.meets(value, aim),
                "note": note,
            }
        )
    return made


def table(sections):
    """All of it as one table for a terminal; sections: {title: entries}."""

    def number(value):
        return "" if value is None else f"{value:.4g}"

    drawn = Table(box=None, padding=(0, 1), collapse_padding=True, pad_edge=False)
    for name in ("", "measured", "", "must", "", "aim", ""):
        justify = "right" if name else "left"
        drawn.add_column(name, justify=justify, no_wrap=True)
    drawn.add_column("", overflow="fold")
    for title, made in sections.items():
        drawn.add_row()
        drawn.add_row(Text(title, "bold"))
        for entry in made:
            drawn.add_row(
                f"  {entry['what']}",
                number(entry["value"]) or "-",
                entry["unit"],
                number(entry["must"]),
                entry["verdict"],
                number(entry["aim"]),
                {None: "", True: "yes", False: "no"}[entry["aim_reached"]],
                Text(entry["note"], "dim"),
            )
    return drawn


def measure(firmware, bootrom, frozen_firmware, rounds):
    """Yields (title of a section, entries) as they are known."""
    port = unixport.find()
    if bootrom:
        read_bootrom(bootrom)  # a wrong file is told before anything is measured
        for path in filter(None, (firmware, frozen_firmware)):
            read_firmware(path)
    results = [runners.on_unix(port, "speed", rounds=rounds) for _ in range(UNIX_RUNS)]
    values = speed(best(results), "socket")
    yield (
        f"unix port, MicroPython {port.version}, on this machine",
        entries(budgets.SPEED, values, judged=("heap_per_urc",)),
    )
    yield "sizes of .mpy", entries(budgets.SIZES, sizes())
    why = runners.why_no_wasm()
    yield "WebAssembly port, 32 bit", entries(budgets.HEAP, {} if why else wasm(), why)
    why = None if firmware and bootrom else NO_FIRMWARE
    values = {}
    if not why:
        with ThreadPoolExecutor(2) as pool:
            values = pico(runners.Pico(firmware, bootrom), pool)
    yield (
        "virtual Pico, 125 MHz; .mpy where nothing else is said",
        entries(budgets.PICO, values, why),
    )
    why = None if frozen_firmware and bootrom else NO_FROZEN
    values = {} if why else frozen(runners.Pico(frozen_firmware, bootrom))
    yield "virtual Pico, frozen", entries(budgets.FROZEN, values, why)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--firmware", metavar="FILE", help="stock MicroPython for RPI_PICO, .uf2 or .bin")
    add("--bootrom", metavar="FILE", help="boot ROM B1 of the RP2040")
    add("--frozen", metavar="FILE", help="the same firmware with the project frozen")
    add("--rounds", metavar="N", type=int, default=30, help="of each time on the unix port")
    arguments = parser.parse_args()
    sections = {}
    with Progress(SpinnerColumn(), "{task.description}", transient=True) as progress:
        task = progress.add_task("measuring", total=None)
        for title, made in measure(
            arguments.firmware, arguments.bootrom, arguments.frozen, arguments.rounds
        ):
            sections[title] = made
            progress.update(task, description=f"measured: {title}")
    Console(width=None if sys.stdout.isatty() else WIDTH).print(table(sections))
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(sections, indent=1) + "\n")
    print(f"\nwritten to {OUT.relative_to(unixport.ROOT)}")


if __name__ == "__main__":
    try:
        main()
    except (BoardError, FilesError, unixport.UnixPortError) as error:
        sys.exit(f"bench: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
