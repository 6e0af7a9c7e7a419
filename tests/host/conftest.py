import pytest
import remote
import unixport

RAW_REPL = (1, 27)  # MicroPython's unix port has the one that mpremote needs from here on


@pytest.fixture
def board(tmp_path):
    """The tty of a board: a MicroPython REPL in an empty folder."""
    version = unixport.find().version
    if tuple(map(int, version.split(".")[:2])) < RAW_REPL:
        pytest.skip(f"the REPL of the unix port of MicroPython {version} is not for mpremote")
    with remote.board(tmp_path) as tty_path:
        yield tty_path
