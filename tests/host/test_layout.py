"""The layout of the byte machine's state is written down in several files: they must agree."""

import re

import pytest
import unixport

LIB = unixport.ROOT / "lib"
CONST = re.compile(r"^(_[A-Z0-9_]+) = const\((.+?)\)", re.MULTILINE)

# Names that mean something else in a file of their own.
OWN = {"registry.py": {"_NONE"}}


def constants(name):
    return dict(CONST.findall(next(LIB.rglob(name)).read_text()))


@pytest.mark.parametrize("name", ["ring.py", "scan.py", "channel.py", "registry.py"])
def test_constants_are_those_of_the_machine(name):
    machine = constants("_native.py")
    shared = set(constants(name)) & set(machine) - OWN.get(name, set())
    assert len(shared) >= 4
    for constant in shared:
        assert constants(name)[constant] == machine[constant], constant


def test_the_state_has_room_for_all_rows():
    machine = constants("_native.py")
    rows = int(machine["_ROW_COUNT"]) * int(machine["_ROW_SIZE"])
    size = eval(constants("ring.py")["_STATE_SIZE"])
    assert size == int(machine["_ROW0"]) + rows
