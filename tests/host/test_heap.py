"""What the library takes of the heap: the bench's rows, on the 32-bit WebAssembly port.

Heap does not vary from run to run. Limits are the musts of tests/bench/budgets.py where they are
reached, else as far as it has come, in steps of 0.5 kB.
"""

import os

import budgets
import pytest
import runners
from bench import TAKEN, heap

# row: limit, kB; B of on_bytes
LIMITS = {
    "heap_lexi mpy": 76.0,  # as far as it has come; must 38
    "heap_all mpy": 130.0,  # as far as it has come; must 75
    "heap_lexi source": 85.0,  # as far as it has come; must 38
    "heap_all source": 153.5,  # as far as it has come; must 75
    "on_bytes": 100,
}

FIRMWARE = os.environ.get("FIRMWARE")
BOOTROM = os.environ.get("BOOTROM")


def measure(kind):
    return heap(kind, list(runners.on_wasm(kind).items()))


@pytest.mark.parametrize("kind", budgets.KINDS)
def test_heap_of_everything_up_to_the_supervisor(kind):
    why = runners.why_no_wasm()
    if why:
        pytest.skip(why)
    values = measure(kind)
    for key, (value, steps) in values.items():
        assert value <= LIMITS[key], f"{key}: {value} ({steps})"
    if kind == "source":
        assert measure(kind) == values


def test_limits_go_down_with_what_is_reached():
    for key, limit in LIMITS.items():
        must = budgets.HEAP[key].must
        assert limit >= must, f"{key}: {limit}, must {must}"


@pytest.mark.skipif(not (FIRMWARE and BOOTROM), reason="FIRMWARE and BOOTROM are not given")
def test_import_from_source_beside_an_application():
    runners.Pico(FIRMWARE, BOOTROM).run("startup", "source", taken=TAKEN)
