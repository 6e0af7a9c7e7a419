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


# Numbers of lib/lexi/recovery that are in several files, as const() works within one.
SHARED = """NEVER WELL ILLEGAL UNKNOWN_CODE FROZEN CLOSED LOST_URC MARK_REBOOT SUCCESS TESTED
    DISTRUSTED OTHERS DAY_S DEFERRED"""


def test_numbers_that_several_files_have_are_the_same():
    folder = unixport.ROOT / "lib" / "lexi" / "recovery"
    texts = {path.name: path.read_text() for path in folder.glob("*.py")}
    for name in SHARED.split():
        values = {
            file: found[1]
            for file, text in texts.items()
            if (found := re.search(rf"(?m)^_?{name} = const\((\S+)\)", text))
        }
        assert len(values) > 1, f"{name} is in {list(values)} only: no more to compare"
        assert len(set(values.values())) == 1, f"{name}: {values}"
