"""Simulated module: SIM, registration reports, operators, signal. Forms: 3GPP TS 27.007."""

import pytest
from lexisim import Config
from test_lexisim_bench import Bench, registered_bench

HOME = '"310410"'


def attached_bench(**options):
    """A module that is registered, its client off."""
    bench = Bench(**{"cmee": 1, **options})
    bench.run(10)
    return bench


ANSWERS = [
    # line, answer before the network, answer once registered (None: the same)
    ("AT+CIMI", ["310410123456789", "OK"], None),
    ("AT+CIMI=?", ["OK"], None),
    ("AT+CCID", ["+CCID: 8901410123456789012", "OK"], None),
    ("AT+CREG?", ["+CREG: 0,2", "OK"], ["+CREG: 0,1", "OK"]),
    ("AT+CREG=?", ["+CREG: (0-3)", "OK"], None),
    ("AT+CREG=4", ["+CME ERROR: 50"], None),
    ("AT+CGREG?", ["+CGREG: 0,4", "OK"], None),
    ("AT+CGREG=?", ["+CGREG: (0-5)", "OK"], None),
    ("AT+CGREG=6", ["+CME ERROR: 50"], None),
    ("AT+CEREG", ["+CME ERROR: 4"], None),
    ("AT+COPS?", ["+COPS: 0", "OK"], ['+COPS: 0,0,"",7', "OK"]),
    ("AT+COPS=5", ["+CME ERROR: 50"], None),
    ("AT+COPS=3", ["+CME ERROR: 50"], None),
    ("AT+COPS=3,3", ["+CME ERROR: 50"], None),
    ("AT+COPS=1", ["+CME ERROR: 50"], None),
    ("AT+COPS=1,2", ["+CME ERROR: 50"], None),
    ("AT+COPS=1,2,310410", ["+CME ERROR: 50"], None),
    ('AT+COPS=1,2,"310410",0', ["+CME ERROR: 50"], None),
    ("AT+CSQ", ["+CSQ: 99,99", "OK"], ["+CSQ: 18,99", "OK"]),
    ("AT+CESQ", ["+CESQ: 99,99,255,255,255,255", "OK"], ["+CESQ: 99,99,255,255,20,50", "OK"]),
    ("AT+CGATT?", ["+CGATT: 0", "OK"], ["+CGATT: 1", "OK"]),
    ("AT+CGATT=?", ["+CGATT: (0,1)", "OK"], None),
    ("AT+CGATT=2", ["+CME ERROR: 50"], None),
    ("AT+CGATT=1", ["OK"], None),
    ("AT+UCGED=2", ["OK"], None),
    ("AT+UCGED=6", ["+CME ERROR: 50"], None),
    ("AT+UCGED?", ["+UCGED: 0", "OK"], None),
    ("AT+UPSMR=1", ["OK"], None),
    ("AT+UPSMR=2", ["+CME ERROR: 50"], None),
    ("AT+UPSMR?", ["+UPSMR: 0", "OK"], None),
    ("AT+CPSMS?", ['+CPSMS: 0,,,"01100000","00000000"', "OK"], None),
    ('AT+CPSMS=1,,,"10110100"', ["OK"], None),
    ('AT+CPSMS=1,,,"1011010"', ["+CME ERROR: 50"], None),
    ("AT+CPSMS=1,,,10110100", ["+CME ERROR: 50"], None),
    ("AT+CPSMS=3", ["+CME ERROR: 50"], None),
    ("AT+CPSMS=", ["OK"], None),
    ("AT+CEDRXS?", ['+CEDRXS: 4,"0000"', "OK"], None),
    ("AT+CEDRXS=0", ["OK"], None),
    ('AT+CEDRXS=1,5,"0101"', ["+CME ERROR: 50"], None),
    ('AT+CEDRXS=1,4,"01"', ["+CME ERROR: 50"], None),
]


@pytest.mark.parametrize(("line", "before", "after"), ANSWERS)
def test_answer(line, before, after):
    assert Bench(cmee=1).command(line) == before
    assert attached_bench().command(line) == (before if after is None else after)


STORED = [
    # set, read, answer after it, after a start
    ('AT+CPSMS=1,,,"10110100","00000010"', "AT+CPSMS?", '1,,,"10110100","00000010"', None),
    ('AT+CPSMS=1,,,,"00000010"', "AT+CPSMS?", '1,,,"01100000","00000010"', None),
    ('AT+CEDRXS=1,4,"0101"', "AT+CEDRXS?", '4,"0101"', None),
    ("AT+UCGED=2", "AT+UCGED?", "2", "0"),
    ("AT+UPSMR=1", "AT+UPSMR?", "1", "0"),
    ("AT+CGEREP=1", "AT+CGEREP?", "1,0", "0,0"),
    ("AT+CGEREP=2,1", "AT+CGEREP?", "2,1", "0,0"),
]


@pytest.mark.parametrize(("line", "read", "answer", "restarted"), STORED)
def test_what_is_stored_and_what_outlives_a_start(line, read, answer, restarted):
    bench = Bench()
    name = read[2:-1]
    assert bench.command(line) == ["OK"]
    assert bench.command(read) == [f"{name}: {answer}", "OK"]
    bench.reboot()
    assert bench.command(read) == [f"{name}: {answer if restarted is None else restarted}", "OK"]


@pytest.mark.parametrize(
    ("state", "cme"), [("pin", 11), ("puk", 12), ("absent", 10), ("failure", 13)]
)
@pytest.mark.parametrize(
    "line",
    [
        "AT+CIMI",
        "AT+CCID",
        "AT+CGATT=1",
        "AT+CGACT=1,1",
        "AT+COPS=0",
        'AT+COPS=1,2,"310410"',
        'AT+COPS=4,2,"310410"',
        "AT+COPS=?",
    ],
)
def test_what_needs_the_sim(line, state, cme):
    bench = attached_bench(cops_scan_s=0.5)
    bench.do(f"sim {state}")
    assert bench.command(line) == [f"+CME ERROR: {cme}"]


@pytest.mark.parametrize("line", ["AT+COPS=2", "AT+COPS=3,2", "AT+COPS?", "AT+CFUN=1"])
def test_what_needs_no_sim(line):
    bench = attached_bench()
    bench.do("sim absent")
    assert bench.command(line)[-1] == "OK"


# Registration

CELL = '"2CF7","08A5A782",7'
NO_PSM = '"00000000","00000000"'


@pytest.mark.parametrize(
    ("level", "registered", "denied"),
    [
        (1, "1", "3"),
        (2, f"1,{CELL}", "3"),
        (3, f"1,{CELL}", f"3,{CELL},0,15"),
        (4, f"1,{CELL},,,{NO_PSM}", "3"),
        (5, f"1,{CELL},,,{NO_PSM}", f"3,{CELL},0,15"),
    ],
)
def test_fields_of_cereg(level, registered, denied):
    bench = Bench()
    assert bench.command(f"AT+CEREG={level}") == ["OK"]
    assert bench.command("AT+CEREG?") == [f"+CEREG: {level},2", "OK"]
    assert bench.run(10) == [f"+CEREG: {registered}"]
    assert bench.command("AT+CEREG?") == [f"+CEREG: {level},{registered}", "OK"]
    bench.do("sim denied")
    assert bench.run(1) == [f"+CEREG: {denied}"]
    assert bench.command("AT+CEREG?") == [f"+CEREG: {level},{denied}", "OK"]


@pytest.mark.parametrize(("granted", "times"), [(True, '"00000010","10110100"'), (False, NO_PSM)])
def test_cereg_shows_the_timers_of_psm(granted, times):
    bench = attached_bench(psm_granted=granted)
    bench.command('AT+CPSMS=1,,,"10110100","00000010"')
    bench.command("AT+CEREG=4")
    assert bench.command("AT+CEREG?")[0] == f"+CEREG: 4,1,{CELL},,,{times}"


def test_all_three_reports():
    bench = Bench(cgreg_follows=True)
    for name in ("CREG=1", "CGREG=2", "CEREG=4"):
        bench.command(f"AT+{name}")
    found = bench.run(10)
    assert found == ["+CREG: 1", f"+CGREG: 1,{CELL}", f"+CEREG: 1,{CELL},,,{NO_PSM}"]
    bench.command("AT+CREG=0")
    assert bench.command("AT+CFUN=0") == ["OK", "+CGREG: 0", "+CEREG: 0"]


def test_reports_that_do_not_follow():
    bench = Bench(creg_follows=False)
    for name in ("CREG=2", "CGREG=2", "CEREG=1"):
        bench.command(f"AT+{name}")
    assert bench.run(10) == ["+CEREG: 1"]
    assert bench.command("AT+CREG?")[0] == "+CREG: 2,0"
    assert bench.command("AT+CGREG?")[0] == "+CGREG: 2,4"


def test_reports_are_off_after_a_start():
    bench = Bench()
    for name in ("CREG=2", "CGREG=2", "CEREG=2"):
        bench.command(f"AT+{name}")
    bench.reboot()
    assert bench.run(10) == []
    assert bench.command("AT+CREG?")[0] == "+CREG: 0,1"


def test_empty_fields_of_a_sibling():
    bench = attached_bench(cereg_empty_fields=True)
    bench.command("AT+CEREG=4")
    assert bench.command("AT+CFUN=0") == ["OK", "+CEREG: 0,,,,,,,,"]
    assert bench.command("AT+CEREG?")[0] == "+CEREG: 4,0"


@pytest.mark.parametrize(("urcs", "told"), [(True, ["+UUPSMR: 2,1"]), (False, [])])
def test_psm_urc(urcs, told):
    bench = Bench(psm_urcs=urcs)
    bench.command("AT+UPSMR=1")
    bench.command("AT+CPSMS=1")
    assert bench.run(10) == told
    bench.command("AT+UPSMR=0")
    bench.command("AT+CFUN=0")
    bench.command("AT+CFUN=1")
    assert bench.run(10) == []


# Operators


@pytest.mark.parametrize(
    ("form", "name", "shown"), [(0, "Net One", '"Net One"'), (1, "", '""'), (2, "x", HOME)]
)
def test_format_of_the_operator(form, name, shown):
    bench = attached_bench(operator=name)
    assert bench.command(f"AT+COPS=3,{form}") == ["OK"]
    assert bench.command("AT+COPS?") == [f"+COPS: 0,{form},{shown},7", "OK"]
    bench.reboot()
    bench.run(10)
    assert bench.command("AT+COPS?")[0].startswith("+COPS: 0,0,")


def test_format_alone_leaves_the_registration_alone():
    bench = attached_bench()
    bench.command("AT+COPS=2")
    bench.command("AT+COPS=3,2")
    assert bench.module.state()["cops"] == 2
    assert bench.run(10) == []
    assert bench.command("AT+COPS=0,0") == ["OK"]
    bench.run(10)
    assert bench.command("AT+COPS?")[0] == '+COPS: 0,0,"",7'


@pytest.mark.parametrize(
    ("line", "answer", "stat"),
    [
        ('AT+COPS=1,2,"310410"', "OK", 1),
        ('AT+COPS=1,2,"310410",7', "OK", 1),
        ('AT+COPS=1,0,"Net One"', "OK", 1),
        ('AT+COPS=1,1,"Net One"', "OK", 1),
        ('AT+COPS=1,2,"310260"', "OK", 3),
        ('AT+COPS=4,2,"310260"', "OK", 1),
        ('AT+COPS=4,2,"00101"', "OK", 1),
    ],
)
def test_manual_selection(line, answer, stat):
    bench = attached_bench(operator="Net One")
    assert bench.command(line) == [answer]
    bench.run(10)
    assert bench.module.state()["cereg"] == stat
    mode = int(line[8])
    shown = f'+COPS: {mode},0,"Net One",7' if stat == 1 else f"+COPS: {mode}"
    assert bench.command("AT+COPS?") == [shown, "OK"]
    assert bench.command("AT+COPS=0") == ["OK"]
    bench.run(10)
    assert bench.module.state()["cereg"] == 1


@pytest.mark.parametrize("operator", ['2,"00101"', '0,"Other"', '0,""'])
def test_an_operator_out_of_sight_changes_nothing(operator):
    bench = attached_bench(operator="Net One")
    bench.command("AT+CEREG=1")
    assert bench.command(f"AT+COPS=1,{operator}") == ["+CME ERROR: 30"]
    assert bench.run(10) == []
    assert bench.command("AT+COPS?") == ['+COPS: 0,0,"Net One",7', "OK"]
    bench.command("AT+COPS=2")
    assert bench.command(f"AT+COPS=1,{operator}") == ["+CME ERROR: 30"]
    assert bench.command("AT+COPS?") == ["+COPS: 2", "OK"]


def test_list_of_operators():
    bench = attached_bench(operator="Net One")
    others = '(3,"","","310260",7),(3,"","","311480",7),,(0-4),(0-2)'
    assert bench.command("AT+COPS=?", 29) == []
    assert bench.run(2) == [f'+COPS: (2,"Net One","Net One",{HOME},7),{others}', "OK"]
    bench.command("AT+COPS=2")
    assert bench.command("AT+COPS=?", 31)[0].startswith('+COPS: (1,"Net One"')
    bench.do("sim denied")
    assert '(3,"Net One","Net One"' in bench.command("AT+COPS=?", 31)[0]
    bench.do("network lost")
    assert bench.command("AT+COPS=?", 31) == ["+COPS: ,,(0-4),(0-2)", "OK"]
    bench.command("AT+CFUN=4")
    assert bench.command("AT+COPS=?", 31) == ["+CME ERROR: 3"]


@pytest.mark.parametrize("text", ["x", "310260,", "310260;310410", "3102601"])
def test_bad_list_of_operators(text):
    with pytest.raises(ValueError, match="other_plmns"):
        Config(other_plmns=text).check()


# Attach


def test_detach_and_attach():
    bench = registered_bench(urcs=(0, 1))
    bench.command("AT+CEREG=1")
    assert bench.command("AT+CGATT=0") == ["OK", "+CEREG: 0"]
    bench.run(100)
    assert bench.command("AT+CGATT?")[0] == "+CGATT: 0"
    assert bench.command("AT+CFUN?")[0] == "+CFUN: 1"
    assert bench.command("AT+CGATT=1") == ["OK", "+CEREG: 2"]
    assert bench.run(10) == ["+CEREG: 1"]
    bench.command("AT+CGATT=0")
    bench.reboot()
    bench.run(10)
    assert bench.module.state()["cereg"] == 1


@pytest.mark.parametrize(
    "commands",
    [("AT+CFUN=0", "AT+CFUN=1"), ("AT+COPS=2", "AT+COPS=0"), ('AT+COPS=1,2,"310410"',)],
)
@pytest.mark.parametrize(("persists", "stat"), [(False, 1), (True, 0)])
def test_a_detach_ends_with_a_choice_of_radio_or_operator(commands, persists, stat):
    bench = attached_bench(cgatt_0_persists=persists)
    bench.command("AT+CGATT=0")
    *before, last = commands
    for line in before:
        assert bench.command(line) == ["OK"]
        bench.run(10)
        assert bench.module.state()["cereg"] == 0
    assert bench.command(last) == ["OK"]
    bench.run(10)
    assert bench.module.state()["cereg"] == stat
    assert bench.command("AT+CGATT=1") == ["OK"]
    bench.run(10)
    assert bench.module.state()["cereg"] == 1


@pytest.mark.parametrize("verb", ["network lost", "sim denied", "AT+CFUN=0"])
def test_attach_in_vain(verb):
    bench = attached_bench()
    bench.command("AT+CGATT=0")
    bench.command(verb) if verb.startswith("AT") else bench.do(verb)
    assert bench.command("AT+CGATT=1") == ["+CME ERROR: 30"]
