"""Simulated module: command line, AT commands in all forms, ranges and errors. Fake clock."""

import pytest
from lexisim import Config, Notify, ServerSpec
from test_lexisim_bench import Bench, registered_bench

CONFIG_721 = "+ULWM2MCONFIG: 721,0,2,1,1,0,0,0,40,0,0,0"
CONFIG_123 = "+ULWM2MCONFIG: 123,0,1,1,0,0,0,0,40,0,0,0"
CONFIG_TEST = (
    "+ULWM2MCONFIG: (1-65535),(0-1),(1-3),(1-8),(0-1),(0-1),(0-1),(0-1),(0-86400),"
    "(0-1),(0-2),(0-2)"
)


def two_servers(**options):
    return Bench(servers=[ServerSpec(721), ServerSpec(123)], **options)


ANSWERS = [
    ("AT", ["OK"]),
    ("ATI", ["LEXI-R10401D-00B", "OK"]),
    ("ATI9", ["01.04,A00.01", "OK"]),
    ("AT+CGMM", ["LEXI-R10401D", "OK"]),
    ("AT+CGMR", ["01.04", "OK"]),
    ("AT+CGMI", ["u-blox", "OK"]),
    ("AT+CMEE?", ["+CMEE: 1", "OK"]),
    ("AT+CMEE=?", ["+CMEE: (0-2)", "OK"]),
    ("AT+CMEE=3", ["+CME ERROR: 50"]),
    ("AT+CPIN?", ["+CPIN: READY", "OK"]),
    ('AT+CPIN="1234"', ["+CME ERROR: 3"]),
    ("AT+CFUN?", ["+CFUN: 1", "OK"]),
    ("AT+CFUN=?", ["+CFUN: (0,1,4,10,11,15,16,19),(0-1)", "OK"]),
    ("AT+CFUN=2", ["+CME ERROR: 50"]),
    ("AT+CFUN=1,2", ["+CME ERROR: 50"]),
    ("AT+CEREG=?", ["+CEREG: (0-5)", "OK"]),
    ("AT+CEREG=6", ["+CME ERROR: 50"]),
    ("AT+UMNOPROF?", ["+UMNOPROF: 90", "OK"]),
    # manual examples
    ("AT+ULWM2MSTAT=1,1", ["OK"]),
    ("AT+ULWM2MSTAT?", ["+ULWM2MSTAT: 0,1", "OK"]),
    ("AT+ULWM2MSTAT=?", ["+ULWM2MSTAT: (0,1),(1-7)", "OK"]),
    ("AT+ULWM2M=1", ["OK"]),
    ("AT+ULWM2M?", ["+ULWM2M: 1", "OK"]),
    ("AT+ULWM2M=?", ["+ULWM2M: (0-2),(0-1)", "OK"]),
    ("AT+ULWM2MREG?", ["OK"]),
    ("AT+ULWM2MREG=?", ["+ULWM2MREG: (0,721,123)", "OK"]),
    ("AT+ULWM2MCONFIG=721,0,2,1,1,0,0,0,40,0,0,0", ["OK"]),
    ("AT+ULWM2MCONFIG?", [CONFIG_721, CONFIG_123, "OK"]),
    ("AT+ULWM2MCONFIG=?", [CONFIG_TEST, "OK"]),
    # ranges and errors of the four commands
    ("AT+ULWM2MSTAT=2", ["+CME ERROR: 50"]),
    ("AT+ULWM2MSTAT=1,0", ["+CME ERROR: 50"]),
    ("AT+ULWM2MSTAT=1,8", ["+CME ERROR: 50"]),
    ("AT+ULWM2MSTAT=1,7,0", ["+CME ERROR: 50"]),
    ("AT+ULWM2MSTAT=", ["+CME ERROR: 50"]),
    ('AT+ULWM2MSTAT="1"', ["+CME ERROR: 50"]),
    ("AT+ULWM2MSTAT", ["+CME ERROR: 4"]),
    ("AT+ULWM2M=4", ["+CME ERROR: 50"]),
    ("AT+ULWM2M=5", ["+CME ERROR: 50"]),
    ("AT+ULWM2M=1,2", ["+CME ERROR: 50"]),
    ("AT+ULWM2M=-1", ["+CME ERROR: 50"]),
    ("AT+ULWM2MREG=0", ["+CME ERROR: 50"]),
    ("AT+ULWM2MREG=x", ["+CME ERROR: 50"]),
    ("AT+ULWM2MREG=721,1", ["+CME ERROR: 50"]),
    ("AT+ULWM2MREG=721", ["+CME ERROR: 3"]),  # the client is off
    ("AT+ULWM2MCONFIG=721,0,2,1,1,0,0,0,40,0,0", ["+CME ERROR: 50"]),  # 11 values
    ("AT+ULWM2MCONFIG=721,0,2,1,1,0,0,0,40,0,0,0,0", ["+CME ERROR: 50"]),  # 13 values
    ("AT+NOSUCH", ["+CME ERROR: 100"]),
    ("AT+NOSUCH=1", ["+CME ERROR: 100"]),
    ("ATE?", ["+CME ERROR: 100"]),
    ("ATX", ["+CME ERROR: 100"]),
    ("AT+ULWM2MREG=721?", ["+CME ERROR: 50"]),
    # V.250
    ("at+ulwm2mstat?", ["+ULWM2MSTAT: 0,1", "OK"]),
    ("AT + ULWM2MSTAT = 1 , 7", ["OK"]),
    ("noiseAT+CFUN?", ["+CFUN: 1", "OK"]),
    ("AT+CFUN?;+CPIN?", ["+CFUN: 1", "+CPIN: READY", "OK"]),
    ("AT+CFUN?;+NOSUCH;+CPIN?", ["+CFUN: 1", "+CME ERROR: 100"]),
    ("ATE0V1&K0+CFUN?", ["+CFUN: 1", "OK"]),
    ("no prefix", []),
    ("", []),
]


@pytest.mark.parametrize(("line", "expected"), ANSWERS)
def test_answer(line, expected):
    bench = two_servers(cmee=1)
    assert bench.command(line) == expected


CONFIG_LIMITS = [
    # index, lowest, highest allowed
    (0, 1, 65535),
    (1, 0, 1),
    (2, 1, 3),
    (3, 1, 8),
    (4, 0, 1),
    (5, 0, 1),
    (6, 0, 1),
    (7, 0, 1),
    (8, 0, 86400),
    (9, 0, 1),
    (10, 0, 2),
    (11, 0, 1),
]


@pytest.mark.parametrize(("index", "low", "high"), CONFIG_LIMITS)
def test_config_limits(index, low, high):
    bench = two_servers()
    for value, answer in ((low, "OK"), (high, "OK"), (low - 1, "ERROR"), (high + 1, "ERROR")):
        row = [721, 0, 2, 1, 1, 0, 0, 0, 40, 0, 0, 0]
        row[index] = value
        assert bench.command("AT+ULWM2MCONFIG=" + ",".join(map(str, row))) == [answer], value


def test_config_of_a_server_that_is_not_provisioned():
    adding = Bench()
    assert adding.command("AT+ULWM2MCONFIG=5,0,1,1,0,0,0,0,40,0,0,1") == ["OK"]
    assert "+ULWM2MCONFIG: 5,0,1,1,0,0,0,0,40,0,0,1" in adding.command("AT+ULWM2MCONFIG?")
    assert adding.command("AT+ULWM2MREG=?")[0] == "+ULWM2MREG: (0,721)"
    strict = Bench(config_unknown_server="error", cmee=1)
    assert strict.command("AT+ULWM2MCONFIG=5,0,1,1,0,0,0,0,40,0,0,1") == ["+CME ERROR: 22"]


def test_server_disabled_2_only_when_wide():
    line = "AT+ULWM2MCONFIG=721,0,2,1,1,0,0,0,40,0,0,2"
    assert Bench().command(line) == ["ERROR"]
    assert Bench(wide=True).command(line) == ["OK"]


@pytest.mark.parametrize(
    ("cmee", "expected"),
    [(0, "ERROR"), (1, "+CME ERROR: 100"), (2, "+CME ERROR: unknown")],
)
def test_cmee_modes(cmee, expected):
    bench = Bench()
    assert bench.command(f"AT+CMEE={cmee}") == ["OK"]
    assert bench.command("AT+NOSUCH") == [expected]


def test_plain_error_option_ignores_cmee():
    bench = Bench(cmee=2, cme_bootstrap=-1)
    assert bench.command("AT+ULWM2MREG=0") == ["ERROR"]


def test_every_cme_option_is_used():
    bench = Bench(
        cmee=1,
        cme_unknown_command=201,
        cme_unsupported_form=202,
        cme_bad_parameter=203,
        cme_bootstrap=204,
        cme_mode4=205,
        cme_unknown_server=206,
        factory_mode=0,
    )
    expected = {
        "AT+NOSUCH": 201,
        "AT+ULWM2M": 202,
        "AT+ULWM2M=9": 203,
        "AT+ULWM2MREG=0": 204,
        "AT+ULWM2M=4": 205,
    }
    for line, number in expected.items():
        assert bench.command(line) == [f"+CME ERROR: {number}"]
    bench.run(20)
    assert bench.command("AT+ULWM2MREG=9") == ["+CME ERROR: 206"]


def test_concatenation_can_be_unsupported():
    assert Bench(concatenate=False).command("AT+CFUN?;+CPIN?") == ["+CFUN: 1", "ERROR"]


def test_pin_pending_refuses_only_ulwm2m():
    bench = Bench(pin_required=True, cmee=2)
    assert bench.command("AT+CPIN?") == ["+CPIN: SIM PIN", "OK"]
    assert bench.command("AT+ULWM2M?") == ["+CME ERROR: SIM PIN required"]
    assert bench.command("AT+ULWM2M=0") == ["+CME ERROR: SIM PIN required"]
    assert bench.command("AT+ULWM2M=?")[-1] == "OK"
    assert bench.command("AT+ULWM2MSTAT=1,7") == ["OK"]
    assert bench.command("AT+ULWM2MREG?") == ["OK"]
    assert bench.command("AT+ULWM2MCONFIG?")[-1] == "OK"
    bench.command("AT+CMEE=1")
    assert bench.command("AT+ULWM2M=0") == ["+CME ERROR: 11"]
    assert bench.command('AT+CPIN="9999"') == ["+CME ERROR: 16"]
    assert bench.command('AT+CPIN="1234"') == ["OK"]
    assert bench.command("AT+ULWM2M=0") == ["OK"]


def test_three_wrong_pins_ask_for_the_puk():
    bench = Bench(pin_required=True, cmee=1)
    for _ in range(3):
        assert bench.command('AT+CPIN="0000"') == ["+CME ERROR: 16"]
    assert bench.command("AT+CPIN?") == ["+CPIN: SIM PUK", "OK"]
    assert bench.command('AT+CPIN="1234"') == ["+CME ERROR: 12"]


def test_no_registration_before_the_pin():
    bench = Bench(pin_required=True, factory_mode=0)
    bench.run(60)
    assert bench.module.state()["cereg"] == 0
    assert bench.code(721) == 0
    bench.command('AT+CPIN="1234"')
    bench.run(10)
    assert bench.module.state()["cereg"] == 1
    assert bench.code(721) == 3


def test_cereg_levels_and_urc():
    bench = Bench()
    assert bench.command("AT+CEREG=1") == ["OK"]
    assert bench.command("AT+CEREG?") == ["+CEREG: 1,2", "OK"]
    assert bench.run(10) == ["+CEREG: 1"]
    assert bench.command("AT+CEREG=2") == ["OK"]
    assert bench.command("AT+CEREG?") == ['+CEREG: 2,1,"2CF7","08A5A782",7', "OK"]
    bench.do("cereg 3")
    assert bench.run(1) == ["+CEREG: 3"]


def test_cfun_0_drops_the_network_and_1_brings_it_back():
    bench = registered_bench()
    assert bench.command("AT+CFUN=0") == ["OK"]
    assert bench.command("AT+CEREG?") == ["+CEREG: 0,0", "OK"]
    assert bench.command("AT+CFUN?") == ["+CFUN: 0", "OK"]
    assert bench.command("AT+CFUN=1") == ["OK"]
    bench.run(10)
    assert bench.command("AT+CEREG?") == ["+CEREG: 0,1", "OK"]


@pytest.mark.parametrize(("persists", "after"), [(True, 4), (False, 1)])
def test_cfun_4_over_a_reboot(persists, after):
    bench = Bench(cfun_4_persists=persists)
    bench.command("AT+CFUN=4")
    bench.reboot()
    assert bench.command("AT+CFUN?") == [f"+CFUN: {after}", "OK"]


@pytest.mark.parametrize("line", ["AT+CFUN=16", "AT+CFUN=15", "AT+CFUN=1,1"])
def test_cfun_reboots_after_ok(line):
    bench = Bench()
    assert bench.command(line) == ["OK"]
    assert bench.module.boots == 1
    bench.run(1)
    assert bench.module.boots == 2
    assert bench.command("AT") == []  # dead time
    bench.run(10)
    assert bench.command("AT") == ["AT", "OK"]  # echo is on again


def test_cpwroff_and_fast_shutdown():
    bench = Bench()
    assert bench.command("AT+CPWROFF") == ["OK"]
    assert bench.module.state()["v_int"] == 1
    bench.run(4)
    assert bench.module.state()["v_int"] == 0
    fast = Bench()
    assert fast.command("AT+CFUN=10") == ["OK", "+UUFASTSHUTDOWN: 0"]
    fast.run(4)
    assert not fast.module.powered


# Line discipline


def test_echo_on_then_off():
    bench = Bench(ready=True, ate0=False)
    assert bench.raw(b"AT\r") == b"AT\r\r\nOK\r\n"
    assert bench.raw(b"ATE0\r") == b"ATE0\r\r\nOK\r\n"
    assert bench.raw(b"AT\r") == b"\r\nOK\r\n"
    assert bench.raw(b"ATE1\r") == b"\r\nOK\r\n"
    assert bench.raw(b"AT\r") == b"AT\r\r\nOK\r\n"


def test_lf_after_cr_is_tolerated():
    bench = Bench()
    assert bench.raw(b"AT\r\n") == b"\r\nOK\r\n"
    assert bench.raw(b"AT\r\n") == b"\r\nOK\r\n"
    assert bench.module.state()["gap_violations"] == 0


def test_only_cr_ends_a_line():
    bench = Bench()
    assert bench.raw(b"AT\n") == b""
    assert bench.raw(b"\r") == b"\r\nOK\r\n"


def test_numeric_results():
    bench = Bench()
    assert bench.raw(b"ATV0\r") == b"0\r"
    assert bench.raw(b"AT+CFUN?\r") == b"+CFUN: 1\r\n0\r"
    assert bench.raw(b"AT+NOSUCH\r") == b"4\r"
    assert bench.raw(b"ATV1\r") == b"\r\nOK\r\n"


def test_longest_line():
    bench = Bench()
    assert bench.raw(b"AT" + b" " * 1021 + b"\r") == b"\r\nOK\r\n"
    assert bench.raw(b"AT" + b" " * 1022 + b"\r") == b"\r\nERROR\r\n"
    assert bench.raw(b"AT" + b" " * 9999 + b"\r") == b"\r\nERROR\r\n"
    assert bench.raw(b"AT\r") == b"\r\nOK\r\n"


@pytest.mark.parametrize(("policy", "answers"), [("queue", 2), ("drop", 1)])
def test_a_command_before_the_answer_of_the_first(policy, answers):
    bench = Bench(busy_input=policy)
    assert bench.raw(b"AT\rAT\r") == b"\r\nOK\r\n" * answers
    assert bench.module.state()["overlaps"] == answers - 1


def test_counts_and_last_commands():
    bench = Bench()
    bench.command("AT")
    bench.command("at+cfun?")
    bench.command("AT+CFUN?")
    state = bench.module.state()
    assert state["commands"]["AT"] == 1
    assert state["commands"]["+CFUN"] == 2
    assert state["last_commands"][-2:] == ["AT+cfun?", "AT+CFUN?"]


def test_mask_left_out():
    for policy, mask in (("keep", 7), ("factory", 1)):
        bench = Bench(stat_mask_omitted=policy)
        bench.command("AT+ULWM2MSTAT=1,7")
        bench.command("AT+ULWM2MSTAT=1")
        assert bench.command("AT+ULWM2MSTAT?")[0] == f"+ULWM2MSTAT: 1,{mask}"


def test_bad_configuration_is_refused():
    for config, word in (
        (Config(cmee=5), "cmee"),
        (Config(speed=0), "speed"),
        (Config(servers=[ServerSpec(1), ServerSpec(1)]), "twice"),
        (Config(notifications=[Notify("/1", 1, 5)]), "no server 5"),
        (Config(servers=[ServerSpec(1, reach="sideways")]), "reach"),
    ):
        with pytest.raises(ValueError, match=word):
            config.check()
