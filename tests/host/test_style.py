"""Style, as ruff checks it with the settings of pyproject.toml, and what ruff cannot know."""

import re
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


def test_numbers_of_lwm2m_with_one_name_have_one_value():
    found = {}
    for path in sorted((unixport.ROOT / "lib" / "lwm2m").glob("*.py")):
        for name, value in re.findall(r"(?m)^_?(\w+) = const\(([^)]+)\)", path.read_text()):
            found.setdefault(name, {})[path.name] = int(value, 0)
    assert found["CHANGED"]["client.py"] == 0x44
    for name, values in found.items():
        assert len(set(values.values())) == 1, f"{name}: {values}"
