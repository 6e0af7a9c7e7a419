"""tools/deploy: what it decides. No board is needed."""

import re

import boardfiles
import packages
import pytest
from deploy import choice, link, plan
from deploy.errors import DeployError
from deploy.plan import Found, State, digest
from deploying import NEW, NO_NODE, OLD

# What is decided


def state_of(files, record="", **others):
    found = {name: Found(len(data), digest(data)) for name, data in files.items()}
    folders = {name.rpartition("/")[0] for name in files} - {""} | {"lib"}
    return State(found, folders, record, **others)


def plan_for(wanted, files, deployed=None):
    """The plan for a board with `files`, of which `deployed` were put there by deploy."""
    record = plan.make_record(files if deployed is None else deployed)
    return plan.make_plan(wanted, state_of(files, record))


def test_an_empty_board_gets_everything_and_main_apart():
    got = plan.make_plan(NEW, State())
    assert got.sent == NEW
    assert "main.py" not in got.upload
    assert got.folders == ("lib", "lib/a", "lib/z")
    assert (got.main, got.remove, got.foreign) == (plan.PUT, (), ())


def test_nothing_changes_when_all_is_there():
    got = plan_for(NEW, NEW)
    assert not got.changes
    assert got.sent == {}


def test_one_changed_file_is_uploaded_and_main_comes_back():
    got = plan_for(NEW, {**NEW, "lib/a/b.mpy": b"M b1"})
    assert got.sent == {"lib/a/b.mpy": b"M b2"}
    assert got.main == plan.BACK


def test_what_is_stale_goes():
    got = plan_for(NEW, OLD)
    assert set(got.remove) == set(OLD) - {"main.py"}
    assert got.foreign == ()
    assert got.empty == ("lib/a/c",)


def test_files_that_are_not_ours_stay():
    theirs = {"lib/other/x.py": b"", "notes.py": b"", "boot.py": b""}
    got = plan_for(NEW, {**NEW, **theirs}, NEW)
    assert not got.changes


@pytest.mark.parametrize("name", ["board.mpy", "board.py", "main.py"])
def test_a_file_in_the_way_that_is_not_ours_is_told(name):
    got = plan_for(NEW, {name: b"theirs"}, {})
    assert got.foreign == (name,)
    edited = plan_for(NEW, {**NEW, name: b"edited on the board"}, NEW)
    assert edited.foreign == (name,)


def test_a_file_of_theirs_with_our_contents_is_no_trouble():
    got = plan_for(NEW, NEW, {})
    assert (got.foreign, got.remove, got.sent) == ((), (), {})
    assert got.record_changes
    sources = {"board.py": b"source of it"}
    got = plan.make_plan(NEW, state_of({**NEW, **sources}), sources)
    assert (got.foreign, got.remove) == ((), ("board.py",))


@pytest.mark.parametrize(
    "damaged",
    ["", "\n", "import node\n", plan.make_record(NEW)[:-1], "lib/a\ufffd.py\n", "lib/a\0.py\n"],
)
def test_what_is_no_record(damaged):
    assert plan.is_record(plan.make_record(NEW))
    assert not plan.is_record(damaged)


@pytest.mark.parametrize("record", [NEW, {}], ids=["recorded", "first"])
def test_files_in_our_folders_that_are_not_ours_by_name_are_told(record):
    theirs = {"lib/a/theirs.py": b"", "lib/a/d/x.mpy": b""}
    got = plan_for(NEW, {**NEW, **theirs}, record)
    assert got.foreign == tuple(sorted(theirs))
    assert set(theirs) <= set(got.remove)


def test_files_with_a_name_of_the_library_are_ours():
    named = {"lib/a/b.py": b"", "lib/a/e.mpy": b"", "lib/a/c/f.py": b""}
    got = plan.make_plan(NEW, state_of({**NEW, **named}), {"lib/a/e.py": b"", "lib/a/c/f.py": b""})
    assert (got.foreign, set(got.remove)) == ((), set(named))


def test_main_that_is_not_ours_stays_without_the_node():
    got = plan_for(NO_NODE, {"main.py": b"theirs"}, {})
    assert (got.main, got.foreign, got.removed) == (plan.BACK, (), ())
    held = plan_for(NO_NODE, {**NO_NODE, "main.held": b"theirs"}, NO_NODE)
    assert held.main == plan.BACK
    assert held.changes


def test_main_that_is_ours_goes_without_the_node():
    got = plan_for(NO_NODE, NEW)
    assert (got.main, got.remove) == (plan.GONE, ("board.mpy",))
    assert got.removed == ("main.py", "board.mpy")
    assert got.changes


def test_room_counts_blocks_and_the_file_that_is_replaced():
    block = 4096
    empty = plan.make_plan(NEW, State(block=block))
    # Five files, the record, three folders of two blocks, and an eighth more.
    assert plan.room_needed(empty, State(block=block)) == (5 + 1 + 6 + 2) * block
    changed = {**NEW, "lib/a/b.mpy": b"M b1"}
    state = state_of(changed, plan.make_record(changed), block=block)
    assert plan.room_needed(plan.make_plan(NEW, state), state) == (2 + 1) * block


def test_room_that_stale_files_give_back_counts():
    files = {**NEW, "lib/a/big.py": bytes(20000)}
    state = state_of({**files, "lib/a/b.mpy": b"M b1"}, plan.make_record(files), block=4096)
    assert plan.room_needed(plan.make_plan(NEW, state), state) == 0


# What is asked for


def test_every_board_has_a_platform():
    assert sorted(choice.PLATFORMS) == boardfiles.board_names()


def test_all_is_the_library_and_a_part_comes_with_what_it_needs():
    library = boardfiles.library_files()
    files, imported = choice.chosen_files("UNIX", node=False)
    assert files == library
    assert {"atport", "lexi", "lexi.recovery"} <= set(imported)
    assert choice.chosen_files("UNIX", "lexi", node=False)[1] == ["atport", "lexi"]
    for part in packages.PARTS:
        assert set(choice.chosen_files("UNIX", part, node=False)[0]) <= set(library)


def test_a_part_within_another_goes_by_its_last_name_too():
    by_last = choice.chosen_files("UNIX", "recovery")
    assert by_last == choice.chosen_files("UNIX", "lexi-recovery")
    assert "node.py" in by_last[0]
    with pytest.raises(DeployError, match="--parts nothing: no such part, expected all or atport"):
        choice.chosen_files("UNIX", "atport,nothing")


@pytest.mark.parametrize("parts", ["atport", "lexi", "atport,lexi"])
def test_parts_without_what_the_node_needs_are_refused(parts):
    assert "lexi.recovery" in (boardfiles.BOARDS / "node.py").read_text()
    with pytest.raises(DeployError, match="the node needs lexi-recovery: add it, or --no-node"):
        choice.chosen_files("UNIX", parts)


def test_mpy_is_of_the_version_that_is_asked_for():
    assert boardfiles.compile_mpy(b"x = 1 << 40")[:2] == bytes(
        [ord("M"), boardfiles.mpy_version()]
    )


def test_ports_are_listed():
    assert re.match("serial ports here: .+", link.serial_ports())
