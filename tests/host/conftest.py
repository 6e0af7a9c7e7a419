import pytest
import remote


@pytest.fixture
def board(tmp_path):
    """The tty of a board: a MicroPython REPL in an empty folder."""
    with remote.board(tmp_path) as tty_path:
        yield tty_path
