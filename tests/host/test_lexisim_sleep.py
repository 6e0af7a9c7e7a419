"""Simulated module: UART power saving (+UPSV) and what wakes a UART that is deaf. Fake clock."""

import pytest
from lexisim import Config, Module, Nvm, run_verb
from test_lexisim_bench import Bench, lines, registered_bench

FIVE_SECONDS = [1, 5000, 4]


def press(bench, pin, seconds):
    bench.do(f"{pin} low")
    bench.pass_time(seconds)
    bench.do(f"{pin} high")


def uart(bench):
    return bench.module.state()["uart"]


def sleeping_bench(**options):
    """A module that found +UPSV=1 in its NVM and sleeps by now."""
    nvm = Nvm()
    nvm.put("+UPSV", FIVE_SECONDS)
    bench = Bench(nvm=nvm, **options)
    bench.run(10)
    assert uart(bench) == "deaf"
    return bench


@pytest.mark.parametrize(
    ("line", "answer", "read"),
    [
        ("AT+UPSV=0", "OK", "0"),
        ("AT+UPSV=0,5000,4", "OK", "0"),
        ("AT+UPSV=1,5000,1", "OK", "1,5000,1"),
        ("AT+UPSV=1,6000", "OK", "1,6000,2"),
        ("AT+UPSV=1", "OK", "1,5000,2"),
        ("AT+UPSV=5,5000,2", "OK", "5,5000,2"),
        ("AT+UPSV=1,5000,4", "+CME ERROR: 3", "0"),
        ("AT+UPSV=5,5000,3", "+CME ERROR: 3", "0"),
        ("AT+UPSV=2", "+CME ERROR: 50", "0"),
        ("AT+UPSV=4", "+CME ERROR: 50", "0"),
        ("AT+UPSV=6", "+CME ERROR: 50", "0"),
        ("AT+UPSV=", "+CME ERROR: 50", "0"),
        ("AT+UPSV=1,5000,5", "+CME ERROR: 50", "0"),
        ('AT+UPSV="1"', "+CME ERROR: 50", "0"),
        ("AT+UPSV=1,5000,4,1", "+CME ERROR: 50", "0"),
        ("AT+UPSV", "+CME ERROR: 4", "0"),
        ("AT+UPSV=?", "+CME ERROR: 4", "0"),
    ],
)
def test_command(line, answer, read):
    bench = Bench(cmee=1)
    assert bench.command(line) == [answer]
    assert bench.command("AT+UPSV?") == [f"+UPSV: {read}", "OK"]


def test_option_is_the_factory_value_until_a_command_sets_another():
    bench = Bench(upsv="1,2000,3")
    assert bench.command("AT+UPSV?")[0] == "+UPSV: 1,2000,3"
    bench.command("AT+UPSV=0")
    bench.reboot()
    assert bench.command("AT+UPSV?")[0] == "+UPSV: 0"


@pytest.mark.parametrize("text", ["", "1", "2,5000,4", "1,5000", "1,5000,5", "0,1,1", "on"])
def test_bad_option(text):
    with pytest.raises(ValueError, match="UPSV"):
        Config(upsv=text).check()


def test_deaf_only_after_the_timeout_since_the_last_character():
    bench = Bench()
    bench.command("AT+UPSV=1,5000,2")
    bench.pass_time(3.9)  # 0.9 s in command()
    assert uart(bench) == "awake"
    assert bench.raw(b"\r", 4.9) == b""  # any character counts
    assert bench.command("AT", 4.9) == ["OK"]
    assert uart(bench) == "awake"
    bench.pass_time(0.2)
    assert uart(bench) == "deaf"
    assert bench.command("AT+CFUN?") == []
    state = bench.module.state()
    assert state["deaf_bytes"] == state["lost_input_bytes"] == len("AT+CFUN?\r")
    (*_, last) = bench.module.happened("command")
    assert last[2:] == ("AT+CFUN?", False)
    assert [entry[2] for entry in bench.module.happened("uart")] == ["deaf"]


def test_characters_do_not_wake_it_however_many():
    bench = sleeping_bench()
    for _ in range(20):
        assert bench.command("AT") == []
    assert uart(bench) == "deaf"


@pytest.mark.parametrize("seconds", [0.001, 0.05, 0.3, 1.99])
def test_any_press_of_pwr_on_wakes_it_and_does_not_switch_off(seconds):
    bench = sleeping_bench()
    press(bench, "pwr_on", seconds)
    assert bench.command("AT", 4.9) == ["OK"]
    state = bench.module.state()
    assert (state["power"], state["boots"], state["harm"]) == ("on", 1, 0)
    bench.pass_time(5)
    assert uart(bench) == "deaf"


def test_the_timeout_begins_at_the_end_of_a_press():
    bench = sleeping_bench(pwr_on_off_s=100.0)
    press(bench, "pwr_on", 4.0)
    bench.pass_time(4.8)
    assert bench.command("AT") == ["OK"]


def test_it_does_not_fall_asleep_while_pwr_on_is_low():
    bench = Bench(upsv="1,1000,2", pwr_on_off_s=100.0)
    bench.do("pwr_on low")
    bench.pass_time(10)
    assert bench.command("AT") == ["OK"]
    bench.pass_time(10)
    assert uart(bench) == "awake"
    bench.do("pwr_on high")
    bench.pass_time(0.9)
    assert uart(bench) == "awake"
    bench.pass_time(0.2)
    assert uart(bench) == "deaf"


@pytest.mark.parametrize(("counts", "state"), [(False, "deaf"), (True, "awake")])
def test_output_may_renew_the_timeout(counts, state):
    bench = Bench(upsv="1,2000,2", upsv_counts_output=counts)
    bench.command("AT")
    bench.do("urc +X: 1")
    bench.pass_time(1.5)
    assert uart(bench) == state
    bench.pass_time(2)
    assert uart(bench) == "deaf"
    bench.do("urc +X: 2")  # comes all the same, and wakes nothing
    assert bench.run(1) == ["+X: 2"]
    assert uart(bench) == "deaf"


def test_a_line_that_sleep_cuts_off_is_lost():
    bench = Bench(upsv="1,2000,2")
    bench.raw(b"AT+CGM", 3)
    assert uart(bench) == "deaf"
    press(bench, "pwr_on", 0.1)
    assert bench.command("AT+CGMI") == ["u-blox", "OK"]


def test_a_waiting_line_that_sleep_cuts_off_is_lost():
    bench = Bench(upsv="1,500,2", cfun_delay_s=2.0)
    assert bench.raw(b"AT+CFUN=1\rAT+CGMM\rAT+CGM", 1.0) == b""
    assert uart(bench) == "deaf"
    assert bench.run(2.0) == ["OK", "LEXI-R10401D", "OK"]
    press(bench, "pwr_on", 0.1)
    assert bench.command("AT+CGMI") == ["u-blox", "OK"]


def test_urcs_wait_no_longer_for_a_line_that_sleep_cut_off():
    bench = Bench(upsv="1,500,2", line_idle_s=5.0)
    bench.raw(b"AT+CGM", 0.1)
    bench.do("urc +X: 1")
    assert bench.run(1.0) == ["+X: 1"]


def test_a_long_press_still_switches_off():
    bench = sleeping_bench()
    press(bench, "pwr_on", 2.0)
    assert bench.module.state()["power"] == "stopping"


@pytest.mark.parametrize("how", ["reset_n", "power cycle", "reboot"])
def test_a_start_wakes_it_for_the_timeout_and_the_setting_stays(how):
    bench = sleeping_bench()
    if how == "reset_n":
        press(bench, "reset_n", 0.2)
    elif how == "reboot":
        bench.do("reboot")
    else:
        press(bench, "pwr_on", 2.5)
        bench.pass_time(5)
        assert bench.module.state()["power"] == "off"
        press(bench, "pwr_on", 0.5)
    bench.pass_time(5.2)
    bench.module.port.echo = False
    assert bench.command("AT+UPSV?") == ["+UPSV: 1,5000,4", "OK"]
    bench.pass_time(5)
    assert uart(bench) == "deaf"


def test_upsv_0_ends_it_for_good():
    bench = sleeping_bench()
    press(bench, "pwr_on", 0.1)
    assert bench.command("AT+UPSV=0") == ["OK"]
    bench.pass_time(1000)
    assert bench.command("AT") == ["OK"]
    bench.reboot()
    bench.pass_time(1000)
    assert bench.command("AT+UPSV?") == ["+UPSV: 0", "OK"]


def test_a_shorter_timeout_is_in_force_at_once():
    bench = Bench()
    bench.command("AT+UPSV=1,60000,2")
    bench.command("AT+UPSV=1,1000,2")
    bench.pass_time(1.0)
    assert uart(bench) == "deaf"


@pytest.mark.parametrize("gpio", [[], ["AT+UGPIOC=23,10"]])
def test_mode_5_without_a_gpio_is_always_awake(gpio):
    bench = Bench(upsv="5,1000,3")
    for line in gpio:
        bench.command(line)
    bench.do("gpio low")
    bench.pass_time(1000)
    assert bench.command("AT") == ["OK"]


def test_mode_5_leaves_it_to_the_gpio():
    bench = Bench(upsv="5,1000,3")
    bench.command("AT+UGPIOC=23,34")
    bench.pass_time(1000)
    assert bench.command("AT") == ["OK"]
    bench.raw(b"AT+CGM", 0.1)
    bench.do("gpio low")
    assert (uart(bench), bench.module.state()["gpio"]) == ("deaf", "low")
    press(bench, "pwr_on", 0.1)
    assert bench.command("AT") == []
    bench.do("gpio high")
    assert bench.command("AT+CGMI") == ["u-blox", "OK"]
    bench.do("gpio low")
    press(bench, "reset_n", 0.2)
    bench.pass_time(10)  # NVM has both settings
    assert uart(bench) == "deaf"
    bench.do("gpio high")
    bench.module.port.echo = False
    assert bench.command("AT+UPSV=0") == ["OK"]
    bench.do("gpio low")
    assert bench.command("AT") == ["OK"]


def test_mode_5_begins_with_the_later_of_its_two_commands():
    for first, second in (("UPSV=5", "UGPIOC=23,34"), ("UGPIOC=23,34", "UPSV=5")):
        bench = Bench()
        bench.do("gpio low")
        assert bench.command(f"AT+{first}") == ["OK"]
        assert uart(bench) == "awake"
        assert bench.command(f"AT+{second}") == ["OK"]
        assert uart(bench) == "deaf"


def test_held_urcs_come_when_the_gpio_goes_high():
    bench = Bench(upsv="5,1000,3", upsv_urcs="hold")
    bench.command("AT+UGPIOC=23,34")
    bench.do("gpio low")
    bench.do("urc +X: 1")
    assert bench.run(10) == []
    bench.do("gpio high")
    assert bench.run(0.1) == ["+X: 1"]
    assert run_verb(bench.module, "gpio up") == "error: expected: gpio low|high"


def test_setting_outlives_the_process(tmp_path):
    path = tmp_path / "nvm.json"
    Bench(nvm=Nvm(path)).command("AT+UPSV=1,7000,2")
    bench = Bench(nvm=Nvm(path))
    assert bench.command("AT+UPSV?")[0] == "+UPSV: 1,7000,2"
    bench.pass_time(10)
    assert uart(bench) == "deaf"


@pytest.mark.parametrize(
    ("policy", "asleep", "woken"),
    [("send", ["+X: 1", "+X: 2"], []), ("hold", [], ["+X: 1", "+X: 2"]), ("lose", [], [])],
)
def test_urcs_while_deaf(policy, asleep, woken):
    bench = sleeping_bench(upsv_urcs=policy)
    bench.do("urc +X: 1")
    bench.do("urc +X: 2")
    assert bench.run(60) == asleep
    bench.do("pwr_on low")
    assert bench.run(0.1) == woken


def test_held_urcs_wait_for_the_command_that_wakes_too_late():
    bench = Bench(upsv="1,500,2", upsv_urcs="hold", cfun_delay_s=2.0)
    bench.module.receive(b"AT+CFUN=1\r", bench.now_s)
    bench.pass_time(1.0)
    bench.do("urc +X: 1")
    assert bench.run(2.0) == ["OK"]  # the answer of a running command always comes
    bench.do("pwr_on low")
    assert bench.run(0.1) == ["+X: 1"]


def test_the_client_works_while_the_uart_is_deaf():
    bench = registered_bench(upsv="1,1000,2")
    assert uart(bench) == "deaf"
    bench.do("lose 721 now")
    assert "+ULWM2MSTAT: 1,721,4" in bench.run(10)


def test_timeout_follows_the_speed():
    module = Module(Config(speed=100.0, upsv="1,5000,4", echo=False))
    module.advance(0.051)
    assert module.state()["uart"] == "awake"
    module.advance(0.099)
    assert module.state()["uart"] == "awake"
    module.advance(0.101)
    assert module.state()["uart"] == "deaf"


def test_deep_sleep_needs_the_usb_off():
    bench = Bench(cmee=1, cme_deep_sleep=4)
    assert bench.command("AT+UPSV=1,5000,3") == ["+CME ERROR: 4"]
    assert bench.command("AT+UPSV=0,5000,3") == ["OK"]
    assert bench.command("AT+UPSV=1,5000,2") == ["OK"]
    assert bench.command("AT+UUSBCONF=99") == ["OK"]
    assert bench.command("AT+UUSBCONF?") == ["+UUSBCONF: 99", "OK"]
    assert bench.command("AT+UPSV=1,5000,3") == ["OK"]


def test_deep_sleep_by_default_needs_the_usb_off_too():
    bench = Bench(cmee=1, upsv_max_sleep=3)
    assert bench.command("AT+UPSV=1,5000") == ["+CME ERROR: 3"]


def test_deep_sleep_may_not_need_the_usb_off():
    bench = Bench(deep_sleep_needs_no_usb=False)
    assert bench.command("AT+UPSV=1,5000,4") == ["OK"]
    assert bench.command("AT+UPSV?") == ["+UPSV: 1,5000,4", "OK"]


def test_verb():
    bench = Bench()
    bench.do("upsv 1,1000,4")
    bench.pass_time(1.1)
    assert uart(bench) == "deaf"
    bench.do("upsv 0")
    assert bench.command("AT") == ["OK"]
    for wrong in ("upsv", "upsv 1", "upsv 2,1,1", "upsv 0 0"):
        assert run_verb(bench.module, wrong).startswith("error: expected: upsv"), wrong
    off = Bench(powered_off=True)
    assert run_verb(off.module, "upsv 0") == "error: the module does not run"


def test_a_press_before_at_is_ready_does_nothing():
    bench = Bench(upsv="1,1000,4", ready=False)
    press(bench, "pwr_on", 0.1)
    bench.pass_time(5)
    assert lines(bench.raw(b"AT\r", 0.5)) == ["AT", "OK"]
