"""tools/deploy: what it decides, and what is left wherever it is interrupted.

The board is a folder here; what deploy has the board run is run by this Python.
"""

import contextlib
import io
import os
import re

import boardfiles
import packages
import pytest
from deploy import choice, install, link, plan
from deploy.errors import DeployError
from deploy.plan import Found, State, digest

OLD = {
    "lib/a/__init__.py": b"a = 1",
    "lib/a/b.py": b"b = 1",
    "lib/a/c/d.py": b"d = 1",
    "board.py": b"pin = 1",
    "extra.py": b"old",
    "main.py": b"import a  # old",
}
NEW = {
    "lib/a/__init__.mpy": b"M a2",
    "lib/a/b.mpy": b"M b2",
    "lib/z/__init__.mpy": b"M z2",
    "board.mpy": b"M pin2",
    "main.py": b"import a  # new",
}
SAME_MAIN = {**NEW, "main.py": OLD["main.py"]}
NO_NODE = {name: data for name, data in NEW.items() if name.startswith("lib/")}
THEIRS = {"notes.txt": b"", "x.py": b"x", "lib/x.py": b"x", "lib/a/data.bin": b"x"}


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
    assert got.foreign == ()
    assert not got.changes


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


# Interrupted


class Folder(link.Link):
    """A board that is the present folder. `left`: steps after which it is cut off."""

    def __init__(self, left=10**6):
        self.left = left

    def _step(self):
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt

    def run(self, code):
        self._step()
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(code, {})
        return printed.getvalue().splitlines()

    def write(self, name, data):
        with open(name, "wb") as file:
            file.write(data[: len(data) // 2])
            self._step()
            file.write(data[len(data) // 2 :])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The present folder, with what MicroPython's os has."""

    def ilistdir(path):
        return [(each.name, 0x4000 if each.is_dir() else 0x8000) for each in os.scandir(path)]

    monkeypatch.setattr(os, "ilistdir", ilistdir, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def deploy(wanted, left=10**6):
    """Deploy to the present folder; returns the plan."""
    board = Folder()
    state = install.look(board, wanted)
    todo = plan.make_plan(wanted, state)
    assert todo.foreign == ()
    if todo.changes:
        board.left = left
        install.carry_out(board, todo, wanted, state, lambda: None, lambda *_: None)
    return todo


def files_in(folder):
    paths = [path for path in folder.rglob("*") if path.is_file()]
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
    files.pop(plan.RECORD, None)
    return files


@pytest.mark.parametrize("new", [NEW, SAME_MAIN, NO_NODE], ids=["new", "same", "none"])
def test_wherever_it_is_cut_off_nothing_half_new_runs_and_a_second_run_repairs(folder, new):
    cut_off = 0
    for left in range(1000):
        for path in [path for path in folder.rglob("*") if path.is_file()]:
            path.unlink()
        deploy(OLD)
        for name, data in THEIRS.items():
            (folder / name).write_bytes(data)
        try:
            deploy(new, left)
        except KeyboardInterrupt:
            cut_off += 1
        else:
            break
        now = files_in(folder)
        now.pop(plan.PART, None)
        assert "main.py" not in now or now in ({**OLD, **THEIRS}, {**new, **THEIRS})
        deploy(new)
        assert files_in(folder) == {**new, **THEIRS}
        assert not deploy(new).changes
    assert cut_off == left
    assert cut_off > 10


def test_main_of_theirs_comes_back_after_an_interruption(folder):
    (folder / "main.py").write_bytes(b"theirs")
    for left in range(4):
        with pytest.raises(KeyboardInterrupt):
            deploy(NO_NODE, left)
    assert not (folder / "main.py").exists()
    deploy(NO_NODE)
    assert files_in(folder) == {**NO_NODE, "main.py": b"theirs"}


def test_two_mains_are_told(folder):
    (folder / "main.py").write_bytes(b"one")
    (folder / "main.held").write_bytes(b"two")
    with pytest.raises(DeployError, match="remove one of them"):
        deploy(NEW)


def test_ports_are_listed():
    assert re.match("serial ports here: .+", link.serial_ports())
