"""`make deploy`, run on a board with a REPL: the unix port."""

import re
import subprocess
import time

import boardfiles
import pytest
import remote
import unixport
from deploy import __main__ as cli
from deploying import ALL, LIMIT_S, command, deploy, refused

RAM_DISK = """
import os, vfs
class Ram:
    def __init__(self, blocks):
        self.data = bytearray(blocks * 4096)
    def readblocks(self, n, into, offset=0):
        at = n * 4096 + offset
        into[:] = self.data[at:at + len(into)]
    def writeblocks(self, n, data, offset=0):
        at = n * 4096 + offset
        self.data[at:at + len(data)] = data
    def ioctl(self, what, _):
        return {4: len(self.data) // 4096, 5: 4096, 6: 0}.get(what)
ram = Ram(BLOCKS)
vfs.VfsLfs2.mkfs(ram)
vfs.mount(vfs.VfsLfs2(ram), "/ram")
os.chdir("/ram")
"""


def tree(folder):
    return {path for path in folder.rglob("*") if path.is_file()}


def test_all_then_nothing_then_what_differs(board, tmp_path):
    printed = deploy(board)
    assert re.search(rf"(?m)^uploaded  {ALL} of {ALL} files, [0-9]+ bytes$", printed)
    assert re.search(r"(?m)^tried     atport, lexi, .*node imported, a URC reached its", printed)
    assert re.search(r"(?m)^heap      [0-9]+ of [0-9]+ bytes free", printed)
    assert re.search(r"(?m)^flash     [0-9]+ of [0-9]+ bytes free", printed)
    assert (tmp_path / "lib/atport/channel.mpy").exists()
    assert {path.suffix for path in (tmp_path / "lib").rglob("*.*")} == {".mpy"}
    assert (tmp_path / "main.py").read_bytes() == (
        unixport.ROOT / "boards/UNIX/main.py"
    ).read_bytes()

    before = {path: path.stat().st_mtime_ns for path in tree(tmp_path)}
    assert "uploaded  0 of" in deploy(board)
    assert {path: path.stat().st_mtime_ns for path in tree(tmp_path)} == before

    (tmp_path / "lib/atport/ring.mpy").write_bytes(b"damaged")
    (tmp_path / "lib/atport/scan.py").write_bytes(b"raise ValueError")  # wins over scan.mpy
    (tmp_path / "lib/other").mkdir()
    theirs = [tmp_path / "lib/other/x.py", tmp_path / "notes.py", tmp_path / "lexi.bud"]
    for path in theirs:
        path.write_bytes(b"")
    printed = deploy(board)
    assert f"uploaded  1 of {ALL} files" in printed
    assert "removed   lib/atport/scan.py\n" in printed
    assert tree(tmp_path) == {*before, *theirs}


def test_source_parts_and_no_node(board, tmp_path):
    (tmp_path / "main.py").write_text("theirs")
    assert "tried     atport imported, a URC" in deploy(board, "--parts", "atport", "--no-node")
    assert {path.name for path in tmp_path.iterdir()} == {"lib", "lexi.files", "main.py"}
    assert (tmp_path / "main.py").read_text() == "theirs"
    deploy(board, "--source", "--parts", "atport", "--no-node")
    files = {path.name for path in tree(tmp_path / "lib")}
    assert files == {path.name for path in unixport.ROOT.glob("lib/atport/*.py")}


@pytest.mark.slow
def test_main_that_was_put_there_is_named_when_it_goes(board, tmp_path):
    deploy(board)
    gone = "main.py, board.mpy, node.mpy, node_report.mpy and 1 more"
    assert f"removed   {gone}\n" in deploy(board, "--no-node")
    assert not (tmp_path / "main.py").exists()


def test_help_says_what_becomes_of_main_and_boot(capsys):
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "a main.py of yours stays, what was put there by this goes" in text
    assert "a boot.py of yours is not held back" in text


@pytest.mark.slow
def test_a_removed_part_is_not_found_in_the_same_repl(board):
    loaded = "import sys; print('lexi' in sys.modules)"
    deploy(board, "--no-node")
    assert "True" in remote.mpremote(board, "exec", loaded)
    deploy(board, "--parts", "atport", "--no-node")
    assert "False" in remote.mpremote(board, "exec", loaded)


@pytest.mark.slow
def test_a_main_that_is_not_ours_is_told(board, tmp_path, capsys):
    (tmp_path / "main.py").write_text("theirs")
    assert "not put there by this: main.py" in refused(capsys, board)
    assert tree(tmp_path) == {tmp_path / "main.py"}
    deploy(board, "--overwrite")
    assert "node" in (tmp_path / "main.py").read_text()


@pytest.mark.slow
def test_a_file_in_our_folder_that_is_not_ours_is_told(board, tmp_path, capsys):
    theirs = tmp_path / "lib/atport/theirs.py"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("")
    (tmp_path / "lib/atport/ring.py").write_text("old")
    (tmp_path / "lib/lexi/recovery").mkdir(parents=True)
    (tmp_path / "lib/lexi/recovery/policy.py").write_text("old")
    options = ("--parts", "lexi", "--no-node")
    assert "put there by this: lib/atport/theirs.py; move" in refused(capsys, board, *options)
    theirs.rename(tmp_path / "theirs.py")
    deploy(board, *options)
    assert not (tmp_path / "lib/lexi/recovery").exists()


@pytest.mark.slow
def test_a_damaged_record_is_told_and_written_anew(board, tmp_path):
    deploy(board)
    record = tmp_path / "lexi.files"
    whole = record.read_bytes()
    record.write_bytes(b"\xff" * 3000)
    printed = deploy(board)
    assert "lexi.files on the board is damaged: it counts as missing\n" in printed
    assert f"uploaded  0 of {ALL} files" in printed
    assert record.read_bytes() == whole


@pytest.mark.slow
def test_killed_at_several_points(board, tmp_path):
    deploy(board, "--source")
    for count in (1, 11, ALL - 6):
        process = subprocess.Popen(command(board), stdout=subprocess.DEVNULL)
        deadline_s = time.monotonic() + LIMIT_S
        while len(list(tmp_path.rglob("*.mpy"))) < count:
            assert process.poll() is None
            assert time.monotonic() < deadline_s
            time.sleep(0.002)
        process.kill()
        process.wait()
        assert not (tmp_path / "main.py").exists()
    printed = deploy(board)
    uploaded = int(re.search("uploaded  ([0-9]+) of", printed)[1])
    assert 1 < uploaded < 10  # the last ones, and main.py
    assert {path.suffix for path in (tmp_path / "lib").rglob("*.*")} == {".mpy"}
    assert (tmp_path / "main.py").exists()
    assert not (tmp_path / "lexi.part").exists()
    assert "uploaded  0 of" in deploy(board)


@pytest.mark.slow
def test_what_does_not_work_there_is_told_and_not_started(board, tmp_path, capsys):
    (tmp_path / "asyncio.py").write_text("1 / 0")  # wins over the firmware's
    sentence = refused(capsys, board)
    assert "does not work there: on the board: ImportError: board fails with Zero" in sentence
    assert sentence.endswith("; the board boots to its REPL\n")
    assert not (tmp_path / "main.py").exists()
    (tmp_path / "main.py").write_text("theirs")
    sentence = refused(capsys, board, "--no-node")
    assert "ImportError: atport.aio fails with Zero" in sentence
    assert sentence.endswith("boots to its REPL; main.py is kept as main.held\n")
    assert (tmp_path / "main.held").read_text() == "theirs"


@pytest.mark.parametrize("name", ["node", "board"])
@pytest.mark.slow
def test_a_file_that_cannot_be_imported_is_named(board, monkeypatch, capsys, name):
    files = {**boardfiles.node_files("UNIX"), f"{name}.py": b"raise ValueError"}
    monkeypatch.setattr(boardfiles, "node_files", lambda _: files)
    assert f"ImportError: {name} fails with ValueError()" in refused(capsys, board)


@pytest.mark.parametrize("blocks", [16, 160])
@pytest.mark.slow
def test_littlefs_and_no_space(board, capsys, monkeypatch, blocks):
    remote.mpremote(board, "exec", RAM_DISK.replace("BLOCKS", str(blocks)))
    if blocks == 16:
        sentence = refused(capsys, board)
        match = re.search("([0-9]+) files need ([0-9]+) bytes of flash, ([0-9]+) are", sentence)
        files, needed, free = map(int, match.groups())
        assert files == ALL
        assert needed > ALL * 4096 > free == 14 * 4096
        assert "[]" in remote.mpremote(board, "exec", "print(os.listdir())")
        # As if others had filled it meanwhile.
        monkeypatch.setattr(cli.plan, "room_needed", lambda *_: 0)
        sentence = refused(capsys, board)
        assert "flash is full: the board boots to its REPL; the same" in sentence
        assert "main.py" not in remote.mpremote(board, "exec", "print(os.listdir())")
    else:
        deploy(board)
        free = int(re.search("flash     ([0-9]+)", deploy(board))[1])
        assert 0 < free < 100 * 4096
