"""tools/deploy: what is left wherever it is interrupted.

The board is a folder here; what deploy has the board run is run by this Python.
"""

import contextlib
import io
import os

import pytest
from deploy import install, link, plan
from deploy.errors import DeployError
from deploying import NEW, NO_NODE, OLD

SAME_MAIN = {**NEW, "main.py": OLD["main.py"]}
THEIRS = {"notes.txt": b"", "x.py": b"x", "lib/x.py": b"x", "lib/a/data.bin": b"x"}


class Folder(link.Link):
    """A board that is the present folder. `left`: steps after which it is cut off."""

    def __init__(self, left=10**6):
        self.left = left
        Folder.last = self

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
        install.carry_out(board, todo, state, lambda: None, lambda *_: None)
    return todo


def files_in(folder):
    paths = [path for path in folder.rglob("*") if path.is_file()]
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
    files.pop(plan.RECORD, None)
    return files


@pytest.fixture(params=["littlefs", "fat"])
def file_system(request, folder, monkeypatch):
    """With FAT a file that is renamed over is removed first, which may be all that is done."""

    def rename_over(old, new):
        if os.path.exists(new):
            os.remove(new)
            Folder.last._step()
        rename(old, new)

    rename = os.rename
    if request.param == "fat":
        monkeypatch.setattr(os, "rename", rename_over)


@pytest.mark.parametrize("new", [NEW, SAME_MAIN, NO_NODE], ids=["new", "same", "none"])
@pytest.mark.usefixtures("file_system")
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
        assert (folder / plan.RECORD).read_text() == plan.make_record(new)
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


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("lib", "file"),
        ("lib/a", "file"),
        ("lib/z", "file"),
        ("lib/a/b.mpy", "folder"),
        ("board.mpy", "folder"),
        ("main.py", "folder"),
        ("main.held", "folder"),
        ("lexi.part", "folder"),
        ("lexi.files", "folder"),
    ],
)
def test_what_is_in_the_way_is_told_before_anything_is_touched(folder, name, kind):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "file":
        path.write_bytes(b"theirs")
    else:
        path.mkdir()
        (path / "x.py").write_bytes(b"theirs")
    before = sorted(folder.rglob("*"))
    with pytest.raises(DeployError, match=f"on the board {name} is a {kind}"):
        deploy(NEW)
    assert sorted(folder.rglob("*")) == before


def test_a_folder_that_is_in_nobodys_way_stays(folder):
    (folder / "board.py").mkdir()
    deploy(NEW)
    assert (folder / "board.py").is_dir()


def test_what_fails_when_folders_are_made_is_told(folder, monkeypatch):
    def mkdir(_):
        raise OSError(30, "")

    monkeypatch.setattr(os, "mkdir", mkdir)
    with pytest.raises(OSError, match="30"):
        deploy(NEW)


@pytest.mark.parametrize("damaged", [None, b"", b"\xff\xfe\x00 lib/a\n" * 99, b"lib/a/b.m"])
def test_wherever_it_is_cut_off_and_the_record_is_lost_a_second_run_completes_it(folder, damaged):
    record = folder / plan.RECORD
    loose = {name: data for name, data in NEW.items() if name not in NO_NODE}
    for left in range(1000):
        for path in [path for path in folder.rglob("*") if path.is_file()]:
            path.unlink()
        deploy({**dict.fromkeys(NEW, b"M 1"), **loose})
        with contextlib.suppress(KeyboardInterrupt):
            deploy(NEW, left)
            break
        record.unlink() if damaged is None else record.write_bytes(damaged)
        deploy(NEW)
        assert files_in(folder) == NEW
        assert record.read_text() == plan.make_record(NEW)
    assert left > 6


def test_a_damaged_record_is_told(folder):
    assert not install.look(Folder(), NEW).damaged
    (folder / plan.RECORD).write_bytes(b"")
    assert install.look(Folder(), NEW).damaged
    (folder / plan.PART).write_text(plan.make_record(NEW))
    state = install.look(Folder(), NEW)
    assert (state.record, state.damaged) == (plan.make_record(NEW), False)


@pytest.mark.parametrize("wanted", [NEW, NO_NODE])
def test_two_equal_mains_are_one(folder, wanted):
    deploy(NEW)
    (folder / "main.held").write_bytes(NEW["main.py"])
    deploy(wanted)
    assert files_in(folder) == wanted


def test_two_equal_mains_of_theirs_are_one(folder):
    for name in ("main.py", "main.held"):
        (folder / name).write_bytes(b"theirs")
    deploy(NO_NODE)
    assert files_in(folder) == {**NO_NODE, "main.py": b"theirs"}


def test_two_mains_are_told(folder):
    (folder / "main.py").write_bytes(b"one")
    (folder / "main.held").write_bytes(b"two")
    with pytest.raises(DeployError, match="remove one of them"):
        deploy(NEW)
