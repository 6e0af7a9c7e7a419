"""Simulated module: history, harm, firmware update, SIM, network, hangs, profiles, retry traces."""

import json
import random
import time

import pytest
from lexisim import TUNINGS, Config, History, Module, Nvm, ServerSpec, run_verb
from lexisim.accounts import apply_tuning, parse_profile, parse_server
from lexisim.history import KINDS
from test_lexisim_bench import Bench, lines, registered_bench
from test_lexisim_client import STAT, payloads, stats, status_times

DAY_S = 86400.0


def press(bench, pin, seconds):
    bench.do(f"{pin} low")
    bench.run(seconds)
    bench.do(f"{pin} high")


def harms(bench):
    return [why for _, _, why in bench.module.happened("harm")]


def stages(bench):
    return [stage for _, _, stage in bench.module.happened("fota")]


def without_times(entries):
    return [entry[1:] for entry in entries]


# History


def test_history_of_a_start_a_command_and_a_reset():
    bench = Bench(factory_mode=0)
    bench.run(20)
    bench.command("at+cfun = 16")
    bench.run(20)
    press(bench, "reset_n", 0.2)
    bench.run(20)
    walk = [("server", 721, 1), ("server", 721, 2), ("registered", 721), ("server", 721, 3)]
    start = [("attach", 2), ("attach", 1), ("bearer", 1, "up"), *walk]
    again = [("bearer", 1, "down"), ("attach", 0), ("server", 721, 0), *start]
    found = [
        entry[1:3] if entry[1] == "registered" else entry[1:] for entry in bench.module.history
    ]
    assert found == [
        ("power", "on"),
        ("boot", "power on"),
        *start,
        ("command", "AT+cfun=16", True),
        ("boot", "AT+CFUN=16"),
        *again,
        ("verb", "reset_n low"),
        ("verb", "reset_n high"),
        ("pin", "RESET_N", 0.2),
        ("boot", "RESET_N"),
        *again,
    ]
    times = [entry[0] for entry in bench.module.history]
    assert times == sorted(times)
    assert {entry[1] for entry in bench.module.history} <= set(KINDS)


def test_happened():
    bench = Bench()
    bench.command("AT+CFUN?")
    later_s = bench.now_s
    bench.command("at+cfun=1")
    happened = bench.module.happened
    assert [entry[2] for entry in happened("command", prefix="AT+CFUN")] == [
        "AT+CFUN?",
        "AT+cfun=1",
    ]
    assert [entry[2] for entry in happened("command", prefix="AT+CFUN=")] == ["AT+cfun=1"]
    assert len(happened("command", since_s=later_s)) == 1
    assert len(happened("boot", "power on")) == 1
    assert happened("boot", "other") == []
    with pytest.raises(ValueError, match="unknown kind 'bot'; one of: command, pin, boot"):
        happened("bot")


def test_history_is_bounded_and_counts_what_it_drops():
    written = []
    history = History(3, written.append)
    for second in range(5):
        history.add(second, "boot", f"{second}")
    assert [entry[0] for entry in history] == [2, 3, 4]
    assert (len(history), history.dropped, len(written)) == (3, 2, 5)
    assert json.loads(written[0]) == [0, "boot", "0"]


def test_history_verb():
    bench = Bench()
    bench.command("AT+CFUN?")
    *entries, end = run_verb(bench.module, "history").splitlines()
    assert end == "ok"
    assert [json.loads(entry)[1:] for entry in entries][-1] == ["command", "AT+CFUN?", True]
    since = run_verb(bench.module, f"history {bench.now_s}")
    assert since == "ok"


@pytest.mark.parametrize(
    "verb", ["mute forever", "hang", "hang power", "hang never", "reboot", "fota"]
)
def test_unheard_commands_are_recorded(verb):
    bench = registered_bench(boot_noise=b"")
    if verb == "fota":
        bench.do("fota start 10 1000")
        bench.run(60)
    else:
        bench.do(verb)
    assert bench.command("AT+CGSN") == []
    assert without_times(bench.module.happened("command")) == [("command", "AT+CGSN", False)]
    assert bench.module.state()["last_commands"] == []


def test_a_line_that_comes_too_early_is_recorded_too():
    bench = Bench(gap_policy="drop")
    bench.module.receive(b"AT\r", bench.now_s)
    bench.run(0.05)
    bench.do("urc +X")
    bench.run(0.001)
    now_s = bench.now_s
    bench.module.receive(b"AT+CFUN=0\r", now_s + 0.01)
    bench.run(1)
    assert without_times(bench.module.happened("command"))[-1] == ("command", "AT+CFUN=0", False)


# Harm


@pytest.mark.parametrize(
    ("command", "harm"),
    [
        ("AT+ULWM2M=1", True),
        ("AT+ULWM2M=1,0", True),
        ("AT+ULWM2M=2", True),
        ("AT+ULWM2M=3", False),
        ("AT+ULWM2M=0", False),
        ("AT+ULWM2M?", False),
        ("AT+UMNOPROF=3", True),
        ("AT+UMNOPROF?", False),
        ("AT+UFWINSTALL", True),
        ("AT+UFWINSTALL=,,,1", False),
        ("AT+CFUN=0", False),
        ("AT+CFUN=16", False),
        ("AT+COPS=2", False),
        ("AT+ULWM2MREG=721", False),
        ("AT+CFUN?;+ULWM2M=1", True),
        ("nonsense", False),
    ],
)
def test_harm_outside_an_update(command, harm):
    bench = registered_bench()
    bench.command(command)
    assert bench.module.state()["harm"] == harm
    assert len(harms(bench)) == harm


def test_harm_counts_although_nobody_hears_it():
    bench = registered_bench()
    bench.do("hang")
    bench.command("AT+ULWM2M=2")
    assert harms(bench) == ["AT+ULWM2M=2: erases the objects and the PSK"]
    assert bench.module.client.state == "running"


@pytest.mark.parametrize(
    ("pins", "harm"),
    [(["1234"], 0), (["9999"], 0), (["9999", "1234"], 1), (["9999", "9998", "9997", "1"], 3)],
)
def test_harm_of_a_second_pin(pins, harm):
    bench = Bench(pin_required=True)
    for pin in pins:
        bench.command(f'AT+CPIN="{pin}"')
    assert len(harms(bench)) == harm


def test_a_new_sim_forgives_a_wrong_pin():
    bench = Bench(pin_required=True)
    bench.command('AT+CPIN="9999"')
    bench.do("sim pin")
    assert bench.command('AT+CPIN="1234"') == ["OK"]
    assert harms(bench) == []


# Firmware update

QUICK_FOTA = {"fota_report_s": 100.0, "fota_check_s": 30.0}
ALL_URCS = {"fota_progress_urcs": True, "fota_install_urcs": True}


@pytest.mark.parametrize("forgets", [False, True])
def test_update_from_start_to_end(forgets):
    options = {"fota_forgets_stat": forgets, "boot_noise": b"", **QUICK_FOTA, **ALL_URCS}
    bench = registered_bench(**options)
    bench.do("fota start 400 200")
    start_s = bench.now_s
    found = [(round(t - start_s), text) for t, text in bench.timed(650)]
    assert found[:13] == [
        (0, f'{STAT}3,721,"/5/0/3/"'),
        (0, "+UFOTASTAT: 1,0,0"),
        (100, "+UFOTASTAT: 0,1,25"),
        (200, "+UFOTASTAT: 0,1,50"),
        (300, "+UFOTASTAT: 0,1,75"),
        (400, "+UFOTASTAT: 2,2,100"),
        (400, "+UFWPREVAL: 0"),
        (410, "+UFWPREVAL: 50"),
        (420, "+UFWPREVAL: 100"),
        (430, "+UUFWINSTALL: 1"),
        (530, "+UUFWINSTALL: 50"),
        (630, "+UUFWINSTALL: 100"),
        (630, "+UUFWINSTALL: 128"),
    ]
    bench.run(30)
    assert stages(bench) == ["download", "check", "install", "done", "none"]
    state = bench.module.state()
    assert (state["firmware"], state["boots"], state["harm"]) == (1, 2, 0)
    assert (state["urc"]["n"], bench.code(721)) == (0 if forgets else 1, 3)
    assert bench.module.happened("boot")[-1][2] == "firmware updated"
    bench.command("ATE0")
    assert bench.command("ATI9") == ["01.05,A00.01", "OK"]
    assert bench.command("AT+CGMR") == ["01.05", "OK"]


def test_no_answer_during_the_installation_only():
    bench = registered_bench(**QUICK_FOTA)
    bench.do("fota start 100 500")
    assert bench.command("AT")[-1] == "OK"
    bench.run(140)
    assert bench.module.state()["fota"] == "install"
    assert bench.command("AT", wait_s=60) == []
    bench.run(450)
    assert bench.command("AT")[-1] == "OK"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"fota_trailing_slash": False}, f'{STAT}3,721,"/5/0/3"'),
        ({"urcs": (0, 1), "fota_progress_urcs": True}, "+UFOTASTAT: 1,0,0"),
        ({"urcs": (0, 1)}, None),
        ({"fota_notification": False}, None),
    ],
)
def test_signs_of_an_update(options, expected):
    bench = registered_bench(**options)
    bench.do("fota start")
    found = bench.run(10)
    assert (found[0] if found else None) == expected


def test_event_3_names_a_registered_server():
    bench = registered_bench(servers=[ServerSpec(5, disabled=1), ServerSpec(9)], urcs=(1, 1))
    bench.do("fota start")
    assert bench.run(10)[0] == f'{STAT}3,9,"/5/0/3/"'


def test_failed_download():
    bench = registered_bench(servers=[ServerSpec(timer_report_s=0.0)], fota_progress_urcs=True)
    bench.do("fota start")
    bench.run(100)
    bench.do("fota fail")
    assert bench.run(1000) == ["+UFOTASTAT: 2,3,100"]
    assert stages(bench) == ["download", "failed"]
    bench.command("AT+CFUN=0")
    assert harms(bench) == []


def test_download_waits_for_the_network():
    bench = registered_bench(**QUICK_FOTA)
    bench.do("fota start 300 100")
    bench.do("network lost 1000")
    bench.run(900)
    assert stages(bench) == ["download"]
    bench.run(600)
    assert stages(bench)[:3] == ["download", "check", "install"]


ACTIONS = [
    # command, harm, stops the update
    ("AT+CFUN=0", True, True),
    ("AT+CFUN=1", True, False),
    ("AT+CFUN=4", True, True),
    ("AT+CFUN=15", True, True),
    ("AT+CFUN=16", True, True),
    ("AT+COPS=2", True, True),
    ("AT+COPS=0", True, False),
    ("AT+COPS=3,2", False, False),
    ("AT+CGATT=0", True, True),
    ("AT+CGATT=1", False, False),
    ("AT+CGACT=0,2", True, False),
    ("AT+CGACT=1,1", False, False),
    ("AT+ULWM2M=3", True, False),
    ("AT+ULWM2M=1", True, True),
    ("AT+ULWM2MREG=721", True, False),
    ("AT+UMNOPROF=3", True, False),
    ("AT+CPWROFF", True, True),
    ("reset_n", True, True),
    ("pwr_on", True, True),
    ("AT+CFUN?", False, False),
    ("AT+ULWM2MREG?", False, False),
    ("AT+ULWM2MSTAT=1,7", False, False),
]


def act(bench, action):
    if action.startswith("AT"):
        bench.command(action)
    else:
        press(bench, action, 2.5 if action == "pwr_on" else 0.2)


@pytest.mark.parametrize(("action", "harm", "stops"), ACTIONS)
def test_actions_during_a_download(action, harm, stops):
    bench = registered_bench()
    bench.do("fota start")
    bench.run(100)
    act(bench, action)
    assert len(harms(bench)) == harm
    assert ("broken" in stages(bench)) is stops
    assert "bricked" not in stages(bench)


@pytest.mark.parametrize(("action", "harm", "stops"), ACTIONS)
def test_actions_during_an_installation(action, harm, stops):
    bench = registered_bench(**QUICK_FOTA)
    bench.do("fota start 10 500")
    bench.run(60)
    act(bench, action)
    assert len(harms(bench)) == harm
    assert (bench.module.state()["fota"] == "bricked") is stops
    bench.run(600)
    answered = bench.command("AT") != []
    assert answered is not stops
    if stops:
        bench.do("heal")
        press(bench, "pwr_on", 2.5)
        bench.run(10)
        press(bench, "pwr_on", 0.5)
        bench.run(100)
        assert bench.command("AT") == []
        again = Bench(nvm=bench.nvm)
        assert again.command("AT") == []


def test_a_command_that_crosses_the_first_sign_is_no_harm():
    bench = registered_bench()
    bench.do("fota start")
    bench.command("AT+ULWM2MREG=721")
    assert harms(bench) == []
    bench.run(2)
    bench.command("AT+ULWM2MREG=721")
    assert len(harms(bench)) == 1


def test_too_short_a_press_is_harm_without_effect():
    bench = registered_bench()
    bench.do("fota start")
    bench.run(60)
    press(bench, "reset_n", 0.05)
    assert len(harms(bench)) == 1
    assert bench.module.state()["fota"] == "download"


@pytest.mark.parametrize(("option", "answer"), [("error", "+CME ERROR: 4"), ("ok", "OK")])
def test_ufwinstall_command(option, answer):
    bench = Bench(cmee=1, fota_urc_command=option)
    assert bench.command("AT+UFWINSTALL=,,,1") == [answer]


@pytest.mark.parametrize(
    ("options", "commands", "told"),
    [
        ({}, ["AT+UFWINSTALL=,,,1"], False),  # not supported
        ({"fota_urc_command": "ok"}, [], False),
        ({"fota_urc_command": "ok"}, ["AT+UFWINSTALL=,,,1"], True),
        ({"fota_urc_command": "ok"}, ["AT+UFWINSTALL=,,,1", "AT+CFUN=16"], False),
        ({"fota_bare_command": "arm"}, ["AT+UFWINSTALL"], True),
        ({"fota_install_urcs": True}, [], True),
    ],
)
def test_installation_urcs_must_be_asked_for(options, commands, told):
    bench = registered_bench(fota_notification=False, boot_noise=b"", urcs=(0, 1), **options)
    for command in commands:
        bench.command(command)
        bench.run(20)
    bench.do("fota start 10 60")
    found = bench.run(80)
    assert ("+UUFWINSTALL: 1" in found) is told
    assert told or not found
    assert bench.module.state()["fota"] == "install"


def test_the_bare_ufwinstall_starts_an_installation():
    bench = registered_bench(
        fota_install_s=1200.0, boot_noise=b"", servers=[ServerSpec(timer_report_s=0.0)]
    )
    assert bench.command("AT+UFWINSTALL") == ["OK"]
    assert harms(bench) == ["AT+UFWINSTALL: starts a firmware installation"]
    assert stages(bench) == ["install"]
    for _ in range(11):
        assert bench.command("AT", wait_s=100) == []
    bench.run(120)
    state = bench.module.state()
    assert (state["firmware"], state["boots"], state["fota"]) == (1, 2, "none")


def test_the_bare_ufwinstall_can_be_unknown():
    bench = registered_bench(fota_bare_command="error", cmee=1)
    assert bench.command("AT+UFWINSTALL") == ["+CME ERROR: 4"]
    assert len(harms(bench)) == 1
    assert stages(bench) == []


# SIM


@pytest.mark.parametrize(
    ("state", "cpin", "mode", "cereg"),
    [
        ("ready", "+CPIN: READY", "+ULWM2M: 0", 1),
        ("pin", "+CPIN: SIM PIN", "+CME ERROR: 11", 0),
        ("puk", "+CPIN: SIM PUK", "+CME ERROR: 12", 0),
        ("absent", "+CME ERROR: 10", "+CME ERROR: 10", 0),
        ("failure", "+CME ERROR: 13", "+CME ERROR: 13", 0),
        ("denied", "+CPIN: READY", "+ULWM2M: 0", 3),
    ],
)
def test_sim_states_last_over_a_reboot(state, cpin, mode, cereg):
    bench = registered_bench(cmee=1)
    bench.do(f"sim {state}")
    for _ in range(2):
        bench.run(20)
        assert bench.command("AT+CPIN?")[0] == cpin
        assert bench.command("AT+ULWM2M?")[0] == mode
        assert bench.command("AT+CEREG?")[0].startswith(f"+CEREG: 0,{cereg}")
        assert bench.module.state()["cereg"] == cereg
        assert (bench.module.state()["sim_denied"]) is (state == "denied")
        bench.reboot()
    bench.do("sim ready")
    bench.run(30)
    assert bench.module.state()["cereg"] == 1
    assert bench.code(721) == 3


def test_the_right_pin_brings_the_network_up_until_the_next_boot():
    bench = registered_bench()
    bench.do("sim pin")
    bench.run(10)
    assert bench.command('AT+CPIN="1234"') == ["OK"]
    bench.run(20)
    assert bench.module.state()["cereg"] == 1
    bench.reboot()
    assert bench.module.state()["sim"] == "SIM PIN"


def test_wrong_pins_are_counted_over_reboots():
    bench = Bench(pin_required=True)
    for _ in range(2):
        bench.command('AT+CPIN="0000"')
        bench.reboot()
    assert bench.module.state()["sim"] == "SIM PIN"
    bench.command('AT+CPIN="0000"')
    assert bench.module.state()["sim"] == "SIM PUK"
    bench.reboot()
    assert bench.module.state()["sim"] == "SIM PUK"


# Network


def test_answers_with_and_without_a_network():
    attached = {
        "AT+CGACT?": "+CGACT: 1,1",
        "AT+CGATT?": "+CGATT: 1",
        "AT+CGPADDR=1": '+CGPADDR: 1,"10.0.0.2"',
        "AT+COPS?": '+COPS: 0,0,"",7',
        "AT+CSQ": "+CSQ: 18,99",
        "AT+CGACT=1,1": "OK",
        "AT+CGSN": "004999010640000",
        "AT+CCLK?": '+CCLK: "26/01/01,00:00:',
    }
    detached = {
        "AT+CGACT?": "+CGACT: 1,0",
        "AT+CGATT?": "+CGATT: 0",
        "AT+CGPADDR=1": "+CGPADDR: 1",
        "AT+COPS?": "+COPS: 2",
        "AT+CSQ": "+CSQ: 99,99",
        "AT+CGACT=1,1": "+CME ERROR: 30",
    }
    bench = Bench(cmee=1)
    bench.run(10)
    for command, answer in attached.items():
        assert bench.command(command)[0].startswith(answer), command
    bench.command("AT+COPS=2")
    for command, answer in detached.items():
        assert bench.command(command)[0] == answer, command


@pytest.mark.parametrize(("level", "lost", "back"), [(0, [], []), (1, ["2"], ["1"])])
def test_network_lost_for_a_time(level, lost, back):
    bench = registered_bench()
    bench.command(f"AT+CEREG={level}")
    bench.do("network lost 1000")
    assert bench.run(100) == [f"+CEREG: {stat}" for stat in lost]
    for command in ("AT+CFUN=0", "AT+CFUN=1"):  # does not help
        bench.command(command)
    bench.run(600)
    assert bench.module.state()["cereg"] == 2
    assert bench.module.state()["network"] is False
    assert bench.run(400) == [f"+CEREG: {stat}" for stat in back]
    assert bench.module.state()["cereg"] == 1


def test_network_lost_until_it_is_back_over_a_reboot():
    bench = registered_bench()
    bench.do("network lost")
    bench.reboot()
    bench.run(10_000)
    assert bench.module.state()["cereg"] == 2
    bench.do("network back")
    bench.run(30)
    assert bench.code(721) == 3


@pytest.mark.parametrize(("offline", "code"), [("wait", 3), ("fail", 4)])
def test_update_due_without_a_network(offline, code):
    bench = registered_bench(offline=offline, servers=[ServerSpec(lifetime_s=193.0)])
    bench.do("network lost")
    bench.run(170)
    assert bench.code(721) == code


@pytest.mark.parametrize(("persists", "after"), [(True, 0), (False, 1)])
def test_cfun_0_over_a_reset(persists, after):
    bench = Bench(cfun_0_persists=persists)
    bench.command("AT+CFUN=0")
    press(bench, "reset_n", 0.2)
    bench.run(10)
    assert bench.module.state()["cfun"] == after


# Initialisation


@pytest.mark.parametrize(
    ("how", "events", "client"),
    [
        ("ok", ["5,1", "5,2"], "running"),
        ("production", ["5,1", "5,3"], "failed"),
        ("fail", ["5,1", "5,4"], "failed"),
        ("hang", ["5,1"], "starting"),
    ],
)
def test_initialisation_of_the_next_boots(how, events, client):
    bench = registered_bench(urcs=(1, 2))
    bench.do(f"init {how} 2")
    for _ in range(2):
        bench.do("reboot")
        assert payloads(bench.run(300)) == events
        assert bench.module.state()["client"] == client
    bench.do("reboot")
    assert payloads(bench.run(300)) == ["5,1", "5,2"]
    bench.do(f"init {how}")
    for _ in range(3):
        bench.do("reboot")
        assert payloads(bench.run(300)) == events
    bench.do("heal")
    bench.do("reboot")
    assert payloads(bench.run(300)) == ["5,1", "5,2"]


# Dead AT port


def power_cycle(bench):
    press(bench, "pwr_on", 2.5)
    bench.run(10)
    press(bench, "pwr_on", 0.5)


REMEDIES = {
    "reset": lambda bench: press(bench, "reset_n", 0.2),
    "power": power_cycle,
    "heal": lambda bench: bench.do("heal"),
}


@pytest.mark.parametrize("stopped", ["", " stopped"])
@pytest.mark.parametrize(
    ("how", "remedy", "revived"),
    [
        ("", "reset", True),
        ("pins", "reset", True),
        ("pins", "power", True),
        ("power", "reset", False),
        ("power", "power", True),
        ("never", "reset", False),
        ("never", "power", False),
        ("never", "heal", True),
        ("power", "heal", True),
    ],
)
def test_hang(how, remedy, revived, stopped):
    bench = registered_bench(servers=[ServerSpec(lifetime_s=193.0)])
    bench.do(f"hang {how}{stopped}")
    assert bench.run(300) == []
    assert bench.command("AT") == []
    state = bench.module.state()
    assert state["hang"] == (how or "pins")
    assert state["registrations"][0]["live"] is (not stopped)
    assert state["client"] == ("off" if stopped else "running")
    REMEDIES[remedy](bench)
    bench.run(60)
    assert (bench.command("AT") != []) is revived
    assert (bench.module.state()["hang"] is None) is revived
    if revived:
        assert bench.code(721) == 3
        assert without_times(bench.module.happened("hang"))[-1] == ("hang", "over")


def test_a_module_that_never_comes_back_starts_no_client():
    bench = registered_bench()
    bench.do("hang never")
    press(bench, "reset_n", 0.2)
    bench.run(1000)
    state = bench.module.state()
    assert (state["power"], state["client"], state["cereg"]) == ("booting", "off", 0)


def test_no_radio_while_the_module_is_stopped_or_off():
    bench = registered_bench()
    bench.do("hang pins stopped")
    for verb in ("network lost", "network back", "sim pin", "sim ready"):
        bench.do(verb)
    bench.run(60)
    assert bench.module.state()["cereg"] == 0
    other = registered_bench()
    press(other, "pwr_on", 2.5)
    other.run(10)
    assert without_times(other.module.happened("attach"))[-1] == ("attach", 0)
    assert other.module.state()["cereg"] == 0


def test_unmute_does_not_end_a_hang():
    bench = Bench()
    bench.do("hang")
    bench.do("unmute")
    assert bench.command("AT") == []


# Profile


def test_profile_command_needs_radio_off_and_a_reboot():
    servers = {3: [ServerSpec(102), ServerSpec(103)]}
    bench = Bench(cmee=2, profile_servers=servers)
    assert bench.command("AT+UMNOPROF=3") == ["+CME ERROR: operation not allowed"]
    bench.command("AT+ULWM2MCONFIG=721,0,2,1,1,0,0,0,40,0,0,1")
    bench.command("AT+CFUN=0")
    assert bench.command("AT+UMNOPROF=3") == ["OK"]
    assert bench.command("AT+UMNOPROF?") == ["+UMNOPROF: 3", "OK"]
    assert bench.command("AT+ULWM2MREG=?")[0] == "+ULWM2MREG: (0,721)"
    assert (bench.module.state()["mno"], bench.module.state()["mno_stored"]) == (90, 3)
    bench.reboot()
    bench.run(30)
    assert bench.command("AT+UMNOPROF?") == ["+UMNOPROF: 3", "OK"]
    assert bench.command("AT+ULWM2MREG=?")[0] == "+ULWM2MREG: (0,102,103)"
    rows = bench.command("AT+ULWM2MCONFIG?")
    assert [row.split(",")[0] for row in rows[:-1]] == [
        "+ULWM2MCONFIG: 102",
        "+ULWM2MCONFIG: 103",
    ]
    assert bench.command("AT+ULWM2M?")[0] == "+ULWM2M: 0"
    assert [row["code"] for row in bench.module.state()["servers"]] == [3, 3]
    assert len(harms(bench)) == 2
    again = Bench(nvm=bench.nvm, profile_servers=servers)
    assert again.module.state()["mno"] == 3


@pytest.mark.parametrize(("keeps", "mode"), [(True, 1), (False, 0)])
def test_activation_mode_after_a_change_of_profile(keeps, mode):
    bench = Bench(profile_keeps_mode=keeps)
    bench.nvm.put("activation_mode", 1)
    bench.do("profile 3")
    bench.run(30)
    assert bench.module.client.nvm_mode() == mode


def test_profile_verb_and_back():
    bench = registered_bench()
    bench.do("config 721 disabled 1")
    bench.do("profile 3")
    bench.run(30)
    ids = {row["id"]: row["live"] for row in bench.module.state()["registrations"]}
    assert ids == {721: True, 102: True}  # 721 has not been told
    assert harms(bench) == []
    bench.do("profile 90")
    bench.run(30)
    assert bench.code(721) == 3  # the row is gone
    bench.do("profile 90")
    bench.do("profile 1")
    bench.run(30)
    assert bench.code(721) == 3


# Accounts that hang


@pytest.mark.parametrize("code", [1, 2, 4, 5, 12, 16])
@pytest.mark.parametrize("remedy", ["none", "REG", "reboot", "heal", "pause", "radio"])
def test_freeze(code, remedy):
    bench = registered_bench(servers=[ServerSpec(lifetime_s=1000.0)])
    bench.do(f"freeze 721 {code}")
    bench.run(2000)
    assert bench.server(721)["frozen"] is True
    commands = {
        "none": [],
        "REG": ["AT+ULWM2MREG=721"],
        "reboot": ["AT+CFUN=16"],
        "heal": [],
        "pause": ["AT+ULWM2M=3", "AT+ULWM2M=0"],
        "radio": ["AT+CFUN=0", "AT+CFUN=1"],
    }
    for command in commands[remedy]:
        bench.command(command)
    if remedy == "heal":
        bench.do("heal")
    bench.run(60)
    assert bench.code(721) == (3 if remedy in ("REG", "reboot", "heal") else code)


def test_frozen_registered_account_counts_down_and_sends_no_update():
    server = ServerSpec(lifetime_s=193.0, timer_report_s=50.0)
    bench = registered_bench(urcs=(1, 1), servers=[server])
    bench.do("freeze 721 3")
    assert payloads(bench.run(1000)) == ["2,721,50", "2,721,0"]
    assert bench.command("AT+ULWM2MREG?")[0] == "+ULWM2MREG: 721,3,0"
    assert bench.server(721)["live"] is False


def test_frozen_timer_stands_still_and_goes_on():
    server = ServerSpec(lifetime_s=193.0, timer_report_s=10.0)
    bench = registered_bench(urcs=(1, 1), servers=[server])
    bench.do("timer freeze")
    found = payloads(bench.run(100))
    assert len(found) == 10
    assert set(found) == {found[0]}
    bench.do("timer run 721")
    found = [text for text in payloads(bench.run(120)) if text.startswith("1,")]
    assert found[0] == "1,721,5"


def test_a_registration_ends_a_frozen_timer():
    bench = registered_bench()
    bench.do("timer freeze 721")
    bench.command("AT+ULWM2MREG=721")
    bench.run(10)
    first_s = bench.server(721)["update_in_s"]
    bench.run(10)
    assert bench.server(721)["update_in_s"] == first_s - 10


def test_a_running_timer_does_not_move_a_frozen_account():
    bench = registered_bench(servers=[ServerSpec(lifetime_s=193.0)])
    for verb in ("freeze 721 3", "timer freeze", "timer run"):
        bench.do(verb)
    start_s = bench.now_s
    bench.run(1000)
    assert bench.module.happened("server", since_s=start_s) == []


def test_heal_leaves_what_the_host_can_mend():
    bench = registered_bench()
    bench.do("server 721 down")
    bench.do("lose 721 now")
    bench.run(100)
    bench.do("config 721 disabled 1")
    bench.command("AT+CFUN=0")
    bench.do("heal")
    bench.run(1000)
    state = bench.module.state()
    assert (state["cfun"], state["servers"][0]["disabled"]) == (0, True)
    assert state["servers"][0]["reach"] == "up"
    assert bench.code(721) == 0


def test_heal_ends_pending_faults():
    bench = registered_bench(cmee=1)
    for verb in (
        'answer "AT*" error 3 9',
        "late 80 9",
        "drop 99",
        "interject +X",
        "swallow +X",
        "mute 900",
    ):
        bench.do(verb)
    bench.do("heal")
    assert bench.command("AT") == ["OK"]
    bench.do("urc +X")
    assert bench.run(1) == ["+X"]


def test_heal_lets_a_forgotten_account_learn_it_at_once():
    bench = registered_bench()
    bench.do("lose 721")
    bench.do("heal")
    bench.run(5)
    assert bench.code(721) == 4
    bench.command("AT+ULWM2MREG=721")
    bench.run(5)
    assert (bench.code(721), bench.server(721)["live"]) == (3, True)


@pytest.mark.parametrize("value", [0, 1])
def test_config_verb_changes_one_field(value):
    bench = registered_bench()
    bench.command("AT+ULWM2MCONFIG=721,1,3,2,0,1,1,1,41,1,2,0")
    bench.do(f"config 721 disabled {value}")
    assert bench.command("AT+ULWM2MCONFIG?") == [
        f"+ULWM2MCONFIG: 721,1,3,2,0,1,1,1,41,1,2,{value}",
        "OK",
    ]
    assert bench.code(721) == (0 if value else 3)


# What the server knows


def registration(bench, server_id=721):
    rows = bench.module.state()["registrations"]
    return next(row for row in rows if row["id"] == server_id)


def test_registration_lives_for_its_lifetime_whatever_the_module_does():
    bench = registered_bench(servers=[ServerSpec(lifetime_s=1000.0)])
    assert [row["id"] for row in bench.module.state()["registrations"]] == [721]
    row = registration(bench)
    assert (row["live"], row["expires_at_s"] - row["registered_at_s"]) == (True, 1000.0)
    registered_at_s = row["registered_at_s"]
    bench.run(950)  # one update at 907
    row = registration(bench)
    assert row["registered_at_s"] == registered_at_s
    assert 1907 <= row["expires_at_s"] - registered_at_s <= 1909
    bench.do("hang pins stopped")
    bench.run(900)
    assert registration(bench)["live"] is True
    bench.run(100)
    assert registration(bench)["live"] is False


def test_lost_registration_is_not_live():
    bench = registered_bench()
    bench.do("lose 721")
    assert registration(bench) == {
        "id": 721,
        "live": False,
        "registered_at_s": None,
        "expires_at_s": None,
    }


@pytest.mark.parametrize(("refuses", "code"), [(True, 4), (False, 3)])
def test_update_after_the_end_of_the_lifetime(refuses, code):
    server = ServerSpec(lifetime_s=193.0, refuse_expired=refuses)
    bench = registered_bench(servers=[server])
    bench.do("network lost 1000")
    bench.run(1020)
    assert bench.code(721) == code


# Retry behaviour


def relative(found, start_s):
    return [(t - start_s, code) for t, code in found]


def tuned(name, **options):
    return ServerSpec(initial_hold_s=0.0, **TUNINGS[name], **options)


@pytest.mark.parametrize(
    ("name", "quickest_s", "slowest_s"), [("u-blox-721", 458, 582), ("oma", 1210, 1365)]
)
def test_time_until_code_4(name, quickest_s, slowest_s):
    for jitter, seed in ((0.0, 0), (0.5, 1), (0.5, 2)):
        server = tuned(name, reach="down", exchange_jitter=jitter)
        bench = Bench(urcs=(1, 1), factory_mode=0, servers=[server], seed=seed)
        found = status_times(bench.timed(3000))
        took_s = found[-1][0] - found[0][0]
        assert found[-1][1] == 4
        assert quickest_s - 1 <= took_s <= slowest_s + 1
        assert jitter or abs(took_s - quickest_s) <= 1


# What a Wakaama client does, watched on the wire: code and time first seen, up to 2 s late.
TRACES = {
    "A": ({"reach": "down"}, [(2, 0.0), (1, 62.0), (2, 122.1), (1, 184.0), (2, 304.0)]),
    "D": ({"reach": "reject"}, [(2, 0.0), (1, 0.0), (2, 60.0), (1, 60.0), (2, 180.2)]),
}
TRACE_TOLERANCE_S = 2.0


@pytest.mark.parametrize("name", TRACES)
def test_trace_of_a_registration_that_fails(name):
    options, expected = TRACES[name]
    server = tuned("oma", register_s=0.1, **options)
    bench = Bench(urcs=(1, 1), factory_mode=0, servers=[server])
    found = status_times(bench.timed(340))
    for (t, code), (wanted, when) in zip(relative(found, found[0][0]), expected, strict=False):
        assert code == wanted
        assert abs(t - when) <= TRACE_TOLERANCE_S


def test_trace_b_update_lost():
    bench = registered_bench(servers=[tuned("oma", lifetime_s=30.0)], urcs=(1, 1))
    bench.command("AT+ULWM2MREG=721", wait_s=0.5)
    start_s = next(t for t, text in stats(bench.timed(5)) if text == "1,721,3")
    bench.do("server 721 down")
    assert [(round(t - start_s), code) for t, code in status_times(bench.timed(500))] == [
        (15, 5),
        (77, 4),
    ]


def test_trace_c_update_refused():
    bench = registered_bench(servers=[tuned("oma", lifetime_s=20.0)], urcs=(1, 1))
    bench.command("AT+ULWM2MREG=721", wait_s=0.5)
    start_s = next(t for t, text in stats(bench.timed(5)) if text == "1,721,3")
    bench.do("lose 721")
    found = relative(status_times(bench.timed(500)), start_s)
    assert [code for _, code in found] == [5, 4]
    assert 10 <= found[0][0] <= found[1][0] <= 10 + TRACE_TOLERANCE_S


def test_trace_e_all_accepted():
    bench = registered_bench(servers=[tuned("oma", lifetime_s=20.0, update_s=0.0)], urcs=(1, 1))
    bench.command("AT+ULWM2MREG=721", wait_s=0.5)
    found = status_times(bench.timed(44))
    start_s = next(t for t, code in found if code == 3)
    updates = [round(t - start_s) for t, code in found if code == 5]
    assert updates == [10, 20, 30, 40]
    assert found[-1][1] == 3


def test_tunings_by_text():
    assert parse_server("5:tuning=oma:attempts=2").attempts == 2
    assert parse_server("5:tuning=oma").retry_delay_s == 60
    assert parse_profile("3=102:lifetime_s=300")[0] == 3
    spec = ServerSpec()
    apply_tuning([spec], "oma")
    assert (spec.attempts, spec.retry_delay_s) == (5, 60.0)
    with pytest.raises(ValueError, match="unknown tuning 'x'; one of: u-blox-721, oma"):
        parse_server("5:tuning=x")
    for text in ("102", "x=102", "3=0"):
        with pytest.raises(ValueError, match="expected"):
            parse_profile(text)


# Long times


def test_a_thousand_days_are_quick_and_small():
    nvm = Nvm()
    nvm.put("stat", [1, 7])
    module = Module(Config(factory_mode=0), nvm)
    begin = time.process_time()
    for day in range(1, 1001):
        module.advance(day * DAY_S)
    assert time.process_time() - begin < 20  # about 1 s
    state = module.state()
    assert state["servers"][0]["code"] == 3
    assert state["servers"][0]["live"] is True
    assert len(module.history) < 4000
    assert len(module.session._heap) < 10


def test_bytes_are_still_paced_after_years():
    bench = registered_bench()
    for _ in range(3000):
        bench.pass_time(DAY_S)
    bench.timed(2)
    bench.module.receive(b"AT+CGSN\r", bench.now_s)
    steps = 0
    while (next_s := bench.module.next_event_s()) < bench.now_s + 1:
        bench.module.advance(next_s)
        steps += 1
        assert steps < 100
    assert steps > 20


def test_next_event_always_lets_something_happen():
    """A driver that sleeps until the next event must not spin, however late it is."""
    for start_s in (10.0, 1e6, 1e8, 5e8):
        bench = Bench(ready=False, boot_noise=b"")
        bench.module.advance(start_s)
        bench.module.port.echo = False
        bench.module.receive(b"AT\r", start_s + 0.1)
        out = b""
        for _ in range(20):
            next_s = bench.module.next_event_s()
            out += b"" if next_s is None else bench.module.advance(next_s)
        assert lines(out) == ["OK"]


# Anything in any order

ANY_VERB = (
    "lose 721", "lose 123 now", "server 721 down", "server 721 up", "server 123 reject",
    "status 721 4", "status 123 12", "freeze 721 3", "freeze 123 2", "timer freeze", "timer run",
    "config 721 disabled 1", "config 123 disabled 0", "notify 721 /3300/0/5700", "late 80 2",
    "mute 100", "mute forever", "unmute", "hang", "hang power", "hang never", "hang pins stopped",
    "init production 1", "init fail 1", "init hang 1", "init ok", "mode 1", "mode 0", "mode 3",
    "mode 2", "profile 3", "profile 90", "fota start 100 50", "fota fail", "reboot",
    "reboot silent forget", "noise 20", "drop 7", "duplicate 5", "split 3 1", "interject +X",
    "swallow +ULWM2MSTAT: 3", 'answer "AT*" none', "cereg 3", "cereg 0", "network lost 500",
    "network lost", "network back", "sim pin", "sim absent", "sim denied", "sim ready", "heal",
    "pwr_on low", "pwr_on high", "reset_n low", "reset_n high", "upsv 0", "upsv 1,5000,4",
    "bearer 1 down", "bearer 1 up", "bearer 2 down",
)  # fmt: skip
ANY_COMMAND = (
    "AT", "ATE0", "AT+CFUN=0", "AT+CFUN=4", "AT+CFUN=1", "AT+CFUN=16", "AT+COPS=2", "AT+COPS=0",
    'AT+CPIN="1234"', "AT+ULWM2M=3", "AT+ULWM2M=0", "AT+ULWM2MREG=721", "AT+ULWM2MREG=123",
    "AT+ULWM2MREG?", "AT+ULWM2MSTAT=1,7", "AT+ULWM2MCONFIG?", "AT+CPWROFF", "AT+UPSV=1,100,2",
    "AT+UPSV=0", "AT+CGATT=0", "AT+CGATT=1", 'AT+CGDCONT=2,"IP","x"', "AT+CGDCONT=2", "AT+CGACT=1",
    "AT+CGACT=0,1", "AT+CGACT?", "AT+CGPADDR", "AT+CGCONTRDP", "AT+CGEREP=2", "AT+CEREG=5",
    'AT+COPS=1,2,"310260"', 'AT+COPS=4,2,"1"', "AT+COPS=3,2", "AT+COPS?", "AT&K0", "ATZ",
)  # fmt: skip
RECOVERY = ("AT+UPSV=0", "ATE0", "AT+CFUN=1", "AT+ULWM2M=0", "AT+CFUN=16")


@pytest.mark.parametrize("seed", range(20))
def test_after_any_faults_a_healed_module_registers(seed):
    choose = random.Random(seed)
    servers = [ServerSpec(721, lifetime_s=1000.0), ServerSpec(123, lifetime_s=300.0)]
    bench = registered_bench(servers=servers, history_limit=200)
    for _ in range(300):
        if choose.choice((True, False)):
            answer = run_verb(bench.module, choose.choice(ANY_VERB))
            assert answer == "ok" or answer.startswith("error: ")
        else:
            bench.command(choose.choice(ANY_COMMAND), wait_s=choose.choice((0.2, 5.0)))
        bench.pass_time(choose.choice((0.0, 1.0, 30.0, 700.0)))
        json.dumps(bench.module.state())
    assert len(bench.module.history) == 200
    if bench.module.state()["fota"] == "bricked":
        assert bench.module.state()["harm"] > 0
        return
    bench.do("pwr_on high")
    bench.do("reset_n high")
    bench.pass_time(600)  # an installation ends
    bench.do("heal")
    bench.pass_time(20)
    if not bench.module.powered:
        press(bench, "pwr_on", 0.5)
        bench.pass_time(10)
    press(bench, "pwr_on", 0.1)  # the UART may sleep
    for command in RECOVERY:
        bench.command(command, wait_s=5)
    bench.pass_time(20)
    for row in bench.module.client.rows():
        bench.command("AT+ULWM2MCONFIG=" + ",".join(map(str, [*row[:-1], 0])))
    bench.pass_time(60)
    state = bench.module.state()
    assert [(row["code"], row["live"]) for row in state["servers"]] == [(3, True)] * len(
        state["servers"]
    ), state
    assert state["servers"]
