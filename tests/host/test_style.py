"""Style, as ruff checks it with the settings of pyproject.toml, and what ruff cannot know."""

import subprocess
import sys

import pytest
import unixport


@pytest.mark.parametrize("command", ["check", "format --diff"])
def test_ruff_has_nothing_to_say(command):
    result = subprocess.run(
        [sys.executable, "-m", "ruff", *command.split(), "--quiet", "."],
        cwd=unixport.ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout
