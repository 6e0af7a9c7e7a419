"""Functions of the receive path keep their frames off the heap.

MicroPython takes the frame of a call from the C stack up to 11 words (VM_MAX_STATE_ON_STACK), else from
the heap: that is slow, and fragments it. Generators are exempt, as their frame is made once.
"""

import re
import subprocess
from pathlib import Path

import pytest
import unixport

ROOT = Path(__file__).parents[2]
MOST = 11
HOT = {
    "lib/atport/ring.py": "fill crowded",
    "lib/atport/line.py": "number fields _field _number check int kind equals",
    "lib/atport/receiver.py": "pump crowded",
    "lib/atport/clock.py": "ms",
    "lib/lexi/registry.py": """_stat _update _notified _count_uri _created _connection
        _notify _add_uri""",
    "lib/lexi/known.py": "ends is_at take settle",
    "lib/lexi/recovery/hearing.py": "_event _rare_event",
    "lib/lexi/recovery/diagnosis.py": "_cereg",
    "lib/lexi/recovery/case.py": "server see",
    "lib/lexi/recovery/server_state.py": "status timer closed _begins _verdict",
}
BLOCK = re.compile(r"code block '(\S+)'.*?\(N_STATE (\d+)\)\s*\(N_EXC_STACK (\d+)\)", re.S)


def frames(port, file):
    """Words of frame of each function of a file; of several with one name the largest."""
    command = [port, "-v", "-v", "-v", str(file)]
    # Compiled and printed as a whole, whether it then runs here or not.
    text = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60).stdout
    found = {}
    for name, state, handlers in BLOCK.findall(text):
        found[name] = max(found.get(name, 0), int(state) + 3 * int(handlers))
    return found


@pytest.fixture(scope="module")
def micropython():
    return unixport.find().path


def test_frames_of_the_receive_path_are_on_the_stack(micropython):
    for file, names in HOT.items():
        found = frames(micropython, ROOT / file)
        for name in names.split():
            assert name in found, f"{file} has no {name}()"
            assert found[name] <= MOST, f"{file}: {name}() needs {found[name]} words"


def test_a_frame_that_is_too_large_is_seen(micropython, tmp_path):
    file = tmp_path / "large.py"
    names = ",".join(f"a{i}" for i in range(MOST))
    file.write_text(f"def small(a):\n    return a\ndef large({names}):\n    return a0 + a1\n")
    found = frames(micropython, file)
    assert found["small"] <= MOST < found["large"]
