"""`make deploy`: what it refuses, and the sentences in which it says what is wrong."""

import errno
import importlib.metadata
import os
import re
import subprocess

import boardfiles
import pytest
import serial
import unixport
from boardfiles import board_names
from deploy import __main__ as cli
from deploy import link
from deploy.errors import DeployError
from deploying import ALL, refused


def raised(text):
    kind, _, what = text.partition(": ")
    return f"{kind}({what!r})"


def test_wrong_board(board, capsys):
    sentence = refused(capsys, board, board="RPI_PICO")
    assert re.search(r"BOARD=RPI_PICO: at \S+ is a .*\(linux\); expected BOARD=UNIX", sentence)
    for name, begin in (("PICO", "BOARD=PICO: no such board"), ("", "BOARD is not given")):
        sentence = refused(capsys, board, board=name)
        assert sentence == f"deploy: {begin}, expected one of {', '.join(board_names())}\n"


@pytest.mark.slow
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


@pytest.mark.slow
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


def test_a_file_where_a_folder_goes_and_a_folder_where_main_goes(board, tmp_path, capsys):
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/atport").write_text("theirs")
    (tmp_path / "main.py").mkdir()
    sentence = refused(capsys, board)
    assert "on the board main.py is a folder, lib/atport is a file: remove it or" in sentence
    assert {path.name for path in tmp_path.rglob("*")} == {"lib", "atport", "main.py"}


def test_no_port(board, tmp_path, capsys):
    ports = "; serial ports here: .+\n"
    assert re.search("PORT is not given" + ports, refused(capsys, ""))
    assert re.search("/dev/none: there is no such port" + ports, refused(capsys, "/dev/none"))
    (tmp_path / "file").write_text("")
    assert re.search("no serial port" + ports, refused(capsys, str(tmp_path / "file")))
    with serial.Serial(board, exclusive=True):
        assert re.search("in use by another program.*" + ports, refused(capsys, board))


@pytest.mark.slow
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


@pytest.mark.slow
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
