"""`make deploy`, run on a board with a REPL: the unix port."""

import errno
import importlib.metadata
import os
import re
import subprocess
import time

import boardfiles
import pytest
import remote
import serial
import unixport
from boardfiles import board_names
from deploy import __main__ as cli
from deploy import link
from deploy.errors import DeployError
from deploying import ALL, LIMIT_S, command, deploy

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


def refusal(capsys, *arguments):
    """Run it in this process; returns the sentence by which it refuses."""
    assert cli.main(list(arguments)) == 1
    sentence = capsys.readouterr().err
    assert re.fullmatch("deploy: .+\n", sentence), sentence
    return sentence


def refused(capsys, tty_path, *arguments, board="UNIX"):
    return refusal(capsys, "--board", board, "--port", tty_path, *arguments)


def raised(text):
    kind, _, what = text.partition(": ")
    return f"{kind}({what!r})"


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


def test_main_that_was_put_there_is_named_when_it_goes(board, tmp_path):
    deploy(board)
    assert "removed   main.py, board.mpy, node.mpy, pins.mpy\n" in deploy(board, "--no-node")
    assert not (tmp_path / "main.py").exists()


def test_help_says_what_becomes_of_main_and_boot(capsys):
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "a main.py of yours stays, what was put there by this goes" in text
    assert "a boot.py of yours is not held back" in text


def test_a_removed_part_is_not_found_in_the_same_repl(board):
    loaded = "import sys; print('lexi' in sys.modules)"
    deploy(board, "--no-node")
    assert "True" in remote.mpremote(board, "exec", loaded)
    deploy(board, "--parts", "atport", "--no-node")
    assert "False" in remote.mpremote(board, "exec", loaded)


def test_a_main_that_is_not_ours_is_told(board, tmp_path, capsys):
    (tmp_path / "main.py").write_text("theirs")
    assert "not put there by this: main.py" in refused(capsys, board)
    assert tree(tmp_path) == {tmp_path / "main.py"}
    deploy(board, "--overwrite")
    assert "node" in (tmp_path / "main.py").read_text()


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
def test_a_file_that_cannot_be_imported_is_named(board, monkeypatch, capsys, name):
    files = {**boardfiles.node_files("UNIX"), f"{name}.py": b"raise ValueError"}
    monkeypatch.setattr(boardfiles, "node_files", lambda _: files)
    assert f"ImportError: {name} fails with ValueError()" in refused(capsys, board)


@pytest.mark.parametrize("blocks", [16, 100])
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
        assert 0 < free < 60 * 4096


# What is wrong


def test_wrong_board(board, capsys):
    sentence = refused(capsys, board, board="RPI_PICO")
    assert re.search(r"BOARD=RPI_PICO: at \S+ is a .*\(linux\); expected BOARD=UNIX", sentence)
    for name, begin in (("PICO", "BOARD=PICO: no such board"), ("", "BOARD is not given")):
        sentence = refused(capsys, board, board=name)
        assert sentence == f"deploy: {begin}, expected one of {', '.join(board_names())}\n"


def test_another_board_python_mpy_or_frozen(board, capsys, monkeypatch):
    answer = {
        "name": "micropython",
        "version": [1, 29, 0],
        "platform": "linux",
        "machine": "",
        "mpy": 6,
        "frozen": [],
    }
    for changed, expected in (
        ({"name": "circuitpython"}, "runs circuitpython 1.29.0, expected MicroPython"),
        ({"platform": "stm32"}, "there is nothing here for it"),
        ({"frozen": ["lexi"]}, "has lexi frozen, which wins over"),
    ):
        given = {**answer, **changed}
        monkeypatch.setattr(cli.install, "ask", lambda *_, given=given: given)
        assert expected in refused(capsys, board)
    monkeypatch.setattr(cli.install, "ask", lambda *_: {**answer, "mpy": 5})
    given = cli._in_form({"a.py": b""}, {"a.mpy": b"M"}, {"mpy": 5}, made=6)
    assert given == {"a.py": b""}
    assert "takes .mpy version 5, mpy-cross makes 6: it gets source" in capsys.readouterr().out


def test_what_is_needed_is_compiled_before_the_program_there_is_stopped(capsys, monkeypatch):
    done = []
    run = boardfiles.subprocess.run

    def opened(port):
        done.append("opened")
        raise cli.DeployError("that is all")

    def ran(command, **options):
        done.append("mpy-cross")
        return run(command, **options)

    monkeypatch.setattr(cli.link, "Link", opened)
    monkeypatch.setattr(boardfiles.subprocess, "run", ran)
    assert "that is all" in refused(capsys, "/dev/none")
    assert done.count("mpy-cross") >= ALL - 1
    assert done[-1] == "opened"


def test_no_port(board, tmp_path, capsys):
    ports = "; serial ports here: .+\n"
    assert re.search("PORT is not given" + ports, refused(capsys, ""))
    assert re.search("/dev/none: there is no such port" + ports, refused(capsys, "/dev/none"))
    (tmp_path / "file").write_text("")
    assert re.search("no serial port" + ports, refused(capsys, str(tmp_path / "file")))
    with serial.Serial(board, exclusive=True):
        assert re.search("in use by another program.*" + ports, refused(capsys, board))


def test_a_pulled_cable(board, capsys, monkeypatch):
    # What a tty says whose device is gone. pyserial makes it a SerialException, but not always.
    def gone(_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    def waiting(remote, name, data):
        monkeypatch.setattr(serial.Serial, "in_waiting", property(gone))
        monkeypatch.setattr(serial.Serial, "read", lambda *_: gone(0))
        return write(remote, name, data)

    write = link.Link.write
    monkeypatch.setattr(link.Link, "write", waiting)
    sentence = refused(capsys, board)
    assert f"{board} does not answer any more" in sentence
    assert "on the board" not in sentence


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("OSError: 39", f"on the board: OSError 39, {os.strerror(39)}"),
        ("OSError: [Errno 17] EEXIST", f"on the board: OSError 17, {os.strerror(17)}"),
        ("OSError: 28", "the board's flash is full"),
        ("OSError: [Errno 28] ENOSPC", "the board's flash is full"),
        ("OSError: no such thing", "on the board: OSError: no such thing"),
        ("ValueError: 2", "on the board: ValueError: 2"),
    ],
)
def test_an_exception_on_the_board_is_told(board, text, sentence):
    with link.Link(board) as remote, pytest.raises(DeployError, match=re.escape(sentence) + "$"):
        remote.run(f"class {text.split(':')[0]}(Exception): pass\nraise {raised(text)}")


def test_a_port_without_a_repl(capsys, monkeypatch):
    import pty

    monkeypatch.setattr("deploy.link._ANSWER_S", 0.5)
    ends = pty.openpty()
    sentence = refused(capsys, os.ttyname(ends[1]))
    assert "does not answer as MicroPython's REPL" in sentence
    for end in ends:
        os.close(end)


@pytest.mark.parametrize("version", ["1.24.1", "0.4", None])
def test_old_mpremote(capsys, monkeypatch, version):
    def find(name):
        if version is None:
            raise importlib.metadata.PackageNotFoundError
        return version

    monkeypatch.setattr(importlib.metadata, "version", find)
    sentence = refused(capsys, "/dev/none")
    assert re.search("mpremote (1.24.1|0.4|is not installed).* 1.25 or later", sentence)


def test_make_gives_board_and_port():
    words = ["make", "-n", "deploy", "BOARD=RPI_PICO", "PORT=/dev/ttyACM0", "ARGS=--source"]
    text = subprocess.run(words, cwd=unixport.ROOT, capture_output=True, text=True, check=True)
    assert "-m deploy --board 'RPI_PICO' --port '/dev/ttyACM0' --source" in text.stdout


def test_start_is_refused_where_nothing_starts(board, capsys):
    assert "--start: UNIX starts nothing" in refused(capsys, board, "--start")
