"""The bench's programs run, and its table says what was measured and what was not."""

import bench
import budgets
import pytest
import runners
import unixport
from rich.console import Console

SMALL = {
    "speed": {"rounds": 2},
    "longest": {"size": 600},
    "burst": {"count": 30},
    "flash": {"count": 30},
    "idle": {"rounds": 2},
    "startup": {},
}


def test_every_program_is_run_here():
    programs = {path.stem for path in runners.DEVICE.glob("*.py")}
    assert programs == {*SMALL, "events", "port"}


@pytest.fixture(scope="module")
def results():
    port = unixport.find()
    found = {name: runners.on_unix(port, name, **options) for name, options in SMALL.items()}
    assert not (unixport.ROOT / "lexi.bud").exists()  # nothing is left behind
    return found


def test_speed(results):
    values = bench.speed(bench.best([results["speed"]]), "socket")
    assert set(values) == set(budgets.SPEED)
    assert values["heap_per_urc"][0] == 0
    assert all(0 < value < 100 for key, (value, _) in values.items() if key != "heap_per_urc")


def test_shapes(results):
    run = (results["longest"], None, None)
    assert 0 < bench.longest(run)["longest_ms"][0] < 1000
    run = (results["idle"], None, None)
    assert set(bench.idle(run)) == {"due_ms", "pump_ms"}
    run = (results["burst"], None, None)
    assert bench.burst(run)["burst"][0] == SMALL["burst"]["count"]
    assert bench.burst(run)["kept"][0] > 0
    run = (results["startup"], None, 1000)
    shaped = bench.startup("mpy", run)
    assert set(shaped) <= set(budgets.PICO)
    assert results["startup"][bench.LEXI_STEPS - 1][0] == "Lexi()"
    assert results["startup"][bench.STEPS - 1][0] == "Supervisor()"
    assert results["flash"]["arrived"] == SMALL["flash"]["count"]
    assert results["flash"]["gap"]


def test_table():
    rows = {
        "a": budgets.Row("a row", "ms", 5, 2),
        "b": budgets.Row("b row", "%", 40, None, True),
        "c": budgets.Row("c row", "B", 0),
        "d": budgets.Row("d row", "s"),
    }
    made = bench.entries(rows, {"a": (3, "why"), "b": (13.2, ""), "c": (None, "it")}, "needs [x]")
    assert [entry["verdict"] for entry in made] == ["ok", "MISS", "MISS", ""]
    assert [entry["aim_reached"] for entry in made] == [False, None, None, None]
    console = Console(width=120)
    with console.capture() as capture:
        console.print(bench.table({"title": made}))
    lines = [" ".join(line.split()) for line in capture.get().splitlines()]
    assert lines == [
        "measured must aim",
        "",
        "title",
        "a row 3 ms 5 ok 2 no why",
        "b row 13.2 % 40 MISS",
        "c row - B 0 MISS it",
        "d row - s skipped: needs [x]",
    ]
