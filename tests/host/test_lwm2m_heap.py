"""What the LwM2M client takes of the heap of a 32-bit board, registered, as .mpy and as source."""

from pathlib import Path

import pytest
import runners

PROGRAM = Path(__file__).parent / "device" / "lwm2m_startup.py"

# bytes, in steps of 0.5 kB; must: 64 kB together with atport, lexi.sockets and lexi.network
LIMITS = {"mpy": 52 * 1024, "source": 61 * 1024}


@pytest.mark.parametrize("kind", LIMITS)
def test_heap_of_a_registered_client(kind):
    why = runners.why_no_wasm()
    if why:
        pytest.skip(why)
    steps = runners.on_wasm(kind, PROGRAM)
    taken = sum(steps.values()) - steps["server"]
    print(f"{kind}: {taken} B, {steps}")
    assert taken <= LIMITS[kind], steps
