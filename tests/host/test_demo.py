"""The demo: that it succeeds, and that it would not if something had not happened."""

import subprocess
import sys

import demo
import demo_report
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
    assert "value /3300/0/5700 = 20.5" in result.stdout
    assert "reports arrived at a server" in result.stdout


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


@pytest.mark.parametrize(
    ("values", "arrived", "problem"),
    [
        (range(9), range(8), None),
        (range(9), range(7), "7 reports"),
        (range(7), range(8), "does not have [7]"),
    ],
)
def test_reports_are_good_only_if_the_server_has_them(values, arrived, problem):
    found = demo_report.verdict(list(values), list(arrived))
    assert found is None if problem is None else problem in found
