"""Simulated module: settings that are stored and read back, and which outlive a start."""

import pytest
from test_lexisim_bench import Bench

ANSWERS = [
    # line, answer, [key of the state, value] after it
    ("AT&C0", "OK", ("dcd", 0)),
    ("AT&C1", "OK", ("dcd", 1)),
    ("AT&C2", "+CME ERROR: 50", ("dcd", 1)),
    ("AT&D0", "OK", ("dtr", 0)),
    ("AT&D2", "OK", ("dtr", 2)),
    ("AT&D3", "+CME ERROR: 50", ("dtr", 1)),
    ("AT&K0", "OK", ("flow", 0)),
    ("AT&K", "OK", ("flow", 0)),
    ("AT&K3", "OK", ("flow", 3)),
    ("AT&K1", "+CME ERROR: 50", ("flow", 3)),
    ("AT&K?", "+CME ERROR: 100", ("flow", 3)),
    ("AT+UDCONF=1,1", "OK", None),
    ("AT+UDCONF=1,2", "+CME ERROR: 50", None),
    ("AT+UDCONF=1,0,0", "+CME ERROR: 50", None),
    ("AT+UDCONF=2,0", "+CME ERROR: 50", None),
    ("AT+UDCONF=", "+CME ERROR: 50", None),
    ("AT+UDCONF=19,1,0", "OK", None),
    ("AT+UDCONF=19,9,0", "+CME ERROR: 50", None),
    ("AT+UDCONF?", "+CME ERROR: 4", None),
    ("AT+UUSBCONF=100", "+CME ERROR: 50", None),
    ("AT+UGPIOC=23,10", "OK", None),
    ("AT+UGPIOC=23", "+CME ERROR: 50", None),
    ("AT+UGPIOC=23,256", "+CME ERROR: 50", None),
]


@pytest.mark.parametrize(("line", "answer", "state"), ANSWERS)
def test_answer(line, answer, state):
    bench = Bench(cmee=1)
    assert bench.command(line) == [answer]
    if state is not None:
        assert bench.module.state()[state[0]] == state[1]


def test_flow_control_is_on_in_the_factory():
    assert Bench().module.state()["flow"] == 3
    assert Bench(flow=0).module.state()["flow"] == 0


def test_flow_control_that_cannot_be_switched_off():
    bench = Bench(flow_can_be_off=False, cmee=2)
    assert bench.command("AT&K0") == ["+CME ERROR: operation not supported"]
    assert bench.command("AT&K3") == ["OK"]
    assert bench.module.state()["flow"] == 3


@pytest.mark.parametrize(("persists", "flow"), [(False, 3), (True, 0)])
def test_line_settings_over_a_start(persists, flow):
    bench = Bench(line_settings_persist=persists)
    bench.command("AT&K0")
    bench.reboot()
    assert bench.module.state()["flow"] == flow
    assert Bench(nvm=bench.nvm, line_settings_persist=persists).module.state()["flow"] == flow


@pytest.mark.parametrize("line", ["ATZ", "AT&F"])
def test_the_line_as_in_the_factory(line):
    bench = Bench(line_settings_persist=True)
    bench.command("AT&C0&D2&K0")
    bench.command(line)
    state = bench.module.state()
    assert (state["dcd"], state["dtr"], state["flow"]) == (1, 1, 3)


STORED = [
    # set, read, answer before, after, after a start
    ("AT+UDCONF=1,1", "AT+UDCONF=1", "+UDCONF: 1,0", "+UDCONF: 1,1", "+UDCONF: 1,0"),
    ("AT+UUSBCONF=99", "AT+UUSBCONF?", "+UUSBCONF: 0", "+UUSBCONF: 99", "+UUSBCONF: 99"),
]


@pytest.mark.parametrize(("line", "read", "before", "after", "restarted"), STORED)
def test_stored(line, read, before, after, restarted):
    bench = Bench()
    assert bench.command(read) == [before, "OK"]
    assert bench.command(line) == ["OK"]
    assert bench.command(read) == [after, "OK"]
    bench.reboot()
    assert bench.command(read) == [restarted, "OK"]


def test_gpios_that_were_set():
    bench = Bench()
    assert bench.command("AT+UGPIOC?") == ["+UGPIOC:", "OK"]
    for line in ("AT+UGPIOC=23,34", "AT+UGPIOC=16,10", "AT+UGPIOC=23,255"):
        assert bench.command(line) == ["OK"]
    bench.reboot()
    assert bench.command("AT+UGPIOC?") == ["+UGPIOC:", "16,10", "23,255", "OK"]
