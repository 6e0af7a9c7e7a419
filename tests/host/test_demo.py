"""The demo: that it succeeds, and that it would not if something had not happened."""

import subprocess
import sys

import demo
import pytest
import unixport

STATE = {"servers": [{"id": 721, "code": 3}], "harm": 0, "boots": 4}


@pytest.mark.timeout(demo.LIMIT_S + 60)
def test_demo_succeeds():
    result = subprocess.run(
        [sys.executable, "tools/demo.py"],
        cwd=unixport.ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout
    assert (
        result.stdout.rstrip()
        .splitlines()[-1]
        .startswith("OK: registered, lost, registered again")
    )


def test_verdict_is_good_only_for_what_the_module_confirms():
    assert demo.verdict([], STATE) is None


@pytest.mark.parametrize(
    ("left", "change", "problem"),
    [
        ([demo.STEPS[-1]], {}, "never said"),
        ([], {"servers": [{"id": 721, "code": 4}]}, "status is 4"),
        ([], {"harm": 2}, "2 things"),
        ([], {"boots": 2}, "2 boots"),
    ],
)
def test_verdict_names_the_problem(left, change, problem):
    assert problem in demo.verdict(left, {**STATE, **change})
