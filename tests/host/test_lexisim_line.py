"""Simulated module: boot, power pins, NVM, baud pacing, the 20 ms rule, URC deferral, the log."""

import json

import pytest
from lexisim import Config, Log, Module, Nvm, NvmError
from test_lexisim_bench import Bench, lines, registered_bench

URC = "+ULWM2MSTAT: 1,721,2"
URC_BYTES = b"\r\n+ULWM2MSTAT: 1,721,2\r\n"


def receive_and_drain(module, data, now_s, until_s):
    module.receive(data, now_s)
    return module.advance(until_s)


# Boot and power


def test_dead_time_noise_then_answers():
    bench = Bench(ready=False)
    assert bench.pass_time(1.0) == bytes.fromhex("0000fffe8000c328")
    assert bench.raw(b"AT\r") == b""
    assert not bench.module.booted
    bench.pass_time(3.0)
    assert bench.module.booted
    assert bench.raw(b"AT\r") == b"AT\r\r\nOK\r\n"


def test_boot_options():
    bench = Bench(ready=False, boot_dead_s=2.0, boot_noise=b"", greeting="HELLO")
    assert bench.pass_time(1.9) == b""
    assert bench.pass_time(0.2) == b"\r\nHELLO\r\n"


def test_what_a_reboot_forgets_and_keeps():
    bench = registered_bench()
    bench.command("AT+CMEE=2")
    bench.command("AT+CEREG=2")
    bench.command("AT+ULWM2M=3")
    bench.reboot()
    bench.run(20)
    assert bench.module.state()["cmee"] == 0
    assert bench.command("AT+CEREG?")[0] == "+CEREG: 0,1"
    assert bench.command("AT+ULWM2MSTAT?")[0] == "+ULWM2MSTAT: 1,7"
    assert bench.module.state()["client"] == "running"


def test_persistence_options():
    bench = registered_bench(stat_persists=False, cmee_persists=True)
    bench.command("AT+ULWM2MSTAT=1,7")
    bench.command("AT+CMEE=2")
    bench.reboot()
    assert bench.command("AT+ULWM2MSTAT?")[0] == "+ULWM2MSTAT: 0,1"
    assert bench.command("AT+CMEE?")[0] == "+CMEE: 2"


def test_powered_off_answers_nothing_and_pwr_on_starts_it():
    bench = Bench(ready=False, powered_off=True)
    assert bench.raw(b"AT\r", 60) == b""
    state = bench.module.state()
    assert (state["powered"], state["v_int"], state["boots"]) == (False, 0, 0)
    press(bench, "pwr_on", 0.3)
    bench.pass_time(6)
    assert bench.module.state()["v_int"] == 1
    assert lines(bench.raw(b"AT\r")) == ["AT", "OK"]


def press(bench, pin, seconds):
    bench.do(f"{pin} low")
    bench.pass_time(seconds)
    bench.do(f"{pin} high")


@pytest.mark.parametrize(
    ("powered_off", "pin", "seconds", "power", "boots"),
    [
        (True, "pwr_on", 0.29, "off", 0),
        (True, "pwr_on", 0.30, "booting", 1),
        (True, "reset_n", 0.15, "off", 0),
        (False, "pwr_on", 1.99, "on", 1),
        (False, "pwr_on", 2.00, "stopping", 1),
        (False, "reset_n", 0.14, "on", 1),
        (False, "reset_n", 0.15, "booting", 2),
        (False, "reset_n", 12.0, "booting", 2),
    ],
)
def test_pin_widths(powered_off, pin, seconds, power, boots):
    bench = Bench(powered_off=powered_off)
    press(bench, pin, seconds)
    state = bench.module.state()
    assert (state["power"], state["boots"]) == (power, boots)


def test_long_reset_can_switch_off():
    bench = Bench(reset_n_off_s=10.0)
    press(bench, "reset_n", 10.0)
    assert not bench.module.powered


def test_pin_levels_and_power_down_time():
    bench = Bench()
    bench.do("pwr_on low")
    assert bench.module.state()["pwr_on"] == "low"
    bench.pass_time(2.5)
    bench.do("pwr_on high")
    bench.pass_time(2.9)
    assert bench.module.state()["v_int"] == 1
    assert bench.raw(b"AT\r", 0.01) == b""
    bench.pass_time(0.2)
    assert bench.module.state()["v_int"] == 0


def test_nothing_is_said_while_off():
    bench = registered_bench()
    press(bench, "pwr_on", 2.0)
    bench.run(10)
    for verb in ("noise 5", f"urc {URC}", "cereg 1", "pin ready"):
        bench.do(verb)
    assert bench.pass_time(100_000) == b""


# NVM


def test_nvm_file_over_a_process_restart(tmp_path):
    path = tmp_path / "nvm.json"
    first = Bench(nvm=Nvm(path))
    row = "721,0,2,1,1,0,0,0,40,0,0,1"
    for line in ("AT+ULWM2M=0", "AT+ULWM2MSTAT=1,5", f"AT+ULWM2MCONFIG={row}", "AT+CFUN=4"):
        assert first.command(line) == ["OK"]
    second = Bench(nvm=Nvm(path))
    assert second.command("AT+ULWM2M?")[0] == "+ULWM2M: 0"
    assert second.command("AT+ULWM2MSTAT?")[0] == "+ULWM2MSTAT: 1,5"
    assert second.command("AT+ULWM2MCONFIG?")[0] == f"+ULWM2MCONFIG: {row}"
    assert second.command("AT+CFUN?")[0] == "+CFUN: 4"
    assert [entry.name for entry in tmp_path.iterdir()] == ["nvm.json"]
    assert json.loads(path.read_text())["values"]["activation_mode"] == 0


def test_mode_3_is_not_in_the_nvm_file(tmp_path):
    path = tmp_path / "nvm.json"
    bench = Bench(nvm=Nvm(path), factory_mode=0)
    bench.run(20)
    bench.command("AT+ULWM2M=3")
    again = Bench(nvm=Nvm(path), factory_mode=0)
    again.run(20)
    assert again.code(721) == 3


@pytest.mark.parametrize("text", ["", "[]", "{", '{"format": 99, "values": {}}', '{"format": 1}'])
def test_broken_nvm_file(tmp_path, text):
    path = tmp_path / "nvm.json"
    path.write_text(text)
    with pytest.raises(NvmError, match=r"nvm\.json"):
        Nvm(path)


_ROW = [721, 0, 2, 1, 1, 0, 0, 0, 40, 0, 0, 1]
_WRONG_VALUES = [
    ("activation_mode", "0"),
    ("activation_mode", None),
    ("stat", 1),
    ("stat", [1]),
    ("stat", [1, "7"]),
    ("rows", []),
    ("rows", {"721": [721]}),
    ("rows", {"721": "721"}),
    ("rows", {"x": _ROW}),
    ("cfun", [1]),
    ("cfun", True),
    ("mno", "90"),
    ("mno_next", {}),
    ("erased", "no"),
    ("firmware", "1"),
    ("bricked", 1),
    ("contexts", [1]),
    ("contexts", {"one": {}}),
    ("contexts", {"1": ["IP"]}),
    ("contexts", {"1": {"pdp_type": 4}}),
    ("contexts", {"1": {"colour": "red"}}),
    ("&C", "1"),
    ("&D", [1]),
    ("&K", None),
    ("+UPSV", 1),
    ("+UPSV", [1]),
    ("+UPSV", [1, 5000]),
    ("+UPSV", ["1", "5000", "4"]),
    ("+UPSV", [2, 5000, 4]),
    ("+UUSBCONF", 99),
    ("+UUSBCONF", []),
    ("+UGPIOC", [23, 34]),
    ("+UGPIOC", {"23": "34"}),
    ("+CPSMS", [1, "01100000"]),
    ("+CPSMS", [1, 0, 0]),
    ("+CEDRXS", ["0000", 0]),
]


@pytest.mark.parametrize(("name", "value"), _WRONG_VALUES)
def test_nvm_file_with_a_wrong_value(tmp_path, name, value):
    path = tmp_path / "nvm.json"
    path.write_text(json.dumps({"format": 1, "values": {name: value}}))
    with pytest.raises(NvmError) as caught:
        Nvm(path)
    assert str(caught.value) == f"{path}: {name} cannot be {json.dumps(value)}"


def test_whatever_a_module_stores_can_be_loaded(tmp_path):
    path = tmp_path / "nvm.json"
    bench = Bench(nvm=Nvm(path), line_settings_persist=True)
    for line in (
        "AT+ULWM2M=0",
        "AT+ULWM2MSTAT=1,5",
        "AT+ULWM2MCONFIG=" + ",".join(map(str, _ROW)),
        "AT&C0&D2&K0",
        'AT+CGDCONT=2,"IP","a"',
        "AT+CFUN=4",
        "AT+UMNOPROF=3",
        "AT+UPSV=1,60000,2",
        "AT+UUSBCONF=99",
        "AT+UGPIOC=23,34",
        'AT+CPSMS=1,,,"10110100","00000010"',
        'AT+CEDRXS=1,4,"0101"',
        "AT+ULWM2M=2",
    ):
        assert bench.command(line) == ["OK"], line
    stored = json.loads(path.read_text())["values"]
    assert {name for name, _ in _WRONG_VALUES} - stored.keys() == {"mno", "firmware", "bricked"}
    Nvm(path)
    stored |= {"mno": 90, "firmware": 1, "bricked": True, "of another version": 1}
    path.write_text(json.dumps({"format": 1, "values": stored}))
    assert Nvm(path).get("firmware") == 1


def test_nvm_that_cannot_be_written(tmp_path):
    with pytest.raises(NvmError, match="cannot be written"):
        Nvm(tmp_path / "no" / "nvm.json")
    folder = tmp_path / "yes"
    folder.mkdir()
    nvm = Nvm(folder / "nvm.json")
    (folder / "nvm.json").unlink()
    folder.rmdir()
    with pytest.raises(NvmError, match="cannot be written"):
        nvm.put("cfun", 1)


# Pacing


@pytest.mark.parametrize("baud", [9600, 115200])
def test_bytes_leave_at_the_baud_rate(baud):
    bench = Bench(baud=baud)
    bench.do("raw 000102030405060708")
    byte_s = 10 / baud
    assert bench.pass_time(0.9 * byte_s) == b""
    assert bench.pass_time(0.2 * byte_s) == b"\x00"
    assert bench.pass_time(byte_s) == b"\x01"
    assert bench.pass_time(3 * byte_s) == b"\x02\x03\x04"
    assert bench.pass_time(3.9 * byte_s) == b"\x05\x06\x07\x08"


def test_next_event_is_the_end_of_the_next_byte():
    bench = Bench(baud=9600)
    bench.do("raw 0001")
    assert bench.module.next_event_s() == pytest.approx(bench.now_s + 10 / 9600)


def test_input_is_paced_too():
    bench = Bench(baud=9600, answer_delay_s=0.0)
    start_s = bench.now_s
    bench.module.receive(b"AT\r", start_s)
    answer_begins_s = start_s + 3 * 10 / 9600
    assert bench.module.advance(answer_begins_s + 5.9 * 10 / 9600) == b"\r\nOK\r"
    assert bench.module.advance(answer_begins_s + 6.1 * 10 / 9600) == b"\n"


def test_unpaced_line():
    bench = Bench(baud=0, answer_delay_s=0.0)
    bench.module.receive(b"AT\r", bench.now_s)
    assert bench.module.advance(bench.now_s) == b"\r\nOK\r\n"


def test_speed_up_divides_module_time_but_not_the_wire():
    module = Module(Config(speed=100.0, factory_mode=0, baud=9600))
    module.advance(0.049)
    assert not module.booted
    module.advance(0.051)
    assert module.booted
    module.advance(0.2)
    assert module.state()["servers"][0]["code"] == 3
    module.port.echo = False
    module.receive(b"AT\r", 1.0)
    out = module.advance(1.0 + 9 * 10 / 9600)
    assert out != b"\r\nOK\r\n"
    assert out + module.advance(1.0 + 9.2 * 10 / 9600) == b"\r\nOK\r\n"


# 20 ms rule


def module_after_ok(**options):
    """A module that has just finished its OK, and when that was."""
    bench = Bench(baud=0, answer_delay_s=0.0, **options)
    assert bench.raw(b"AT\r", 0) == b"\r\nOK\r\n"
    return bench.module, bench.now_s


@pytest.mark.parametrize(("pause_s", "violations"), [(0.0, 1), (0.0199, 1), (0.020, 0), (1, 0)])
def test_gap_after_a_final_code(pause_s, violations):
    module, now_s = module_after_ok()
    assert receive_and_drain(module, b"AT\r", now_s + pause_s, now_s + 2) == b"\r\nOK\r\n"
    assert module.state()["gap_violations"] == violations


def test_gap_after_a_urc_is_counted_apart():
    bench = Bench(baud=0)
    bench.run(1)
    bench.do(f"urc {URC}")
    bench.module.receive(b"AT\r", bench.now_s + 0.010)
    assert pauses(bench.module) == {"urc_gap_violations": 1}


def pauses(module):
    """What the module counted against the host."""
    state = module.state()
    names = ("gap_violations", "urc_gap_violations", "collisions", "urc_collisions", "overlaps")
    return {name: state[name] for name in names if state[name]}


def test_gap_after_a_final_code_and_a_urc_behind_it():
    # the rule that every host knows counts first
    for pause_s, expected in (
        (0.005, {"gap_violations": 1}),
        (0.016, {"urc_gap_violations": 1}),
        (0.031, {}),
    ):
        bench = Bench(baud=0, answer_delay_s=0.0)
        bench.raw(b"AT\r", 0.010)
        bench.do(f"urc {URC}")
        bench.module.receive(b"AT\r", bench.now_s + pause_s)
        assert pauses(bench.module) == expected, pause_s


def test_gap_is_real_time_whatever_the_speed():
    module = Module(Config(speed=100.0, baud=0, answer_delay_s=0.0, echo=False))
    module.advance(1.0)
    module.receive(b"AT\r", 1.0)
    module.receive(b"AT\r", 1.019)
    assert pauses(module) == {"gap_violations": 1}
    module.receive(b"AT\r", 1.040)
    assert pauses(module) == {"gap_violations": 1}


def test_gap_counts_from_the_last_byte_on_the_wire():
    bench = Bench(baud=9600, answer_delay_s=0.0)
    start_s = bench.now_s
    bench.module.receive(b"AT\r", start_s)
    end_s = start_s + 9 * 10 / 9600
    bench.module.receive(b"AT\r", end_s + 0.019)
    bench.module.advance(end_s + 1)
    assert pauses(bench.module) == {"gap_violations": 1}


def test_collision_is_not_a_gap_violation():
    bench = Bench(baud=9600)
    bench.run(1)
    bench.do(f"urc {URC}")
    bench.module.receive(b"AT\r", bench.now_s + 0.005)
    bench.run(1)
    assert pauses(bench.module) == {"urc_collisions": 1}
    bench = Bench(baud=9600, answer_delay_s=0.0)
    bench.module.receive(b"AT\r", bench.now_s)
    bench.module.receive(b"AT\r", bench.now_s + 0.005)
    bench.run(1)
    assert pauses(bench.module) == {"collisions": 1}


def test_gap_policy_drop_loses_the_command():
    module, now_s = module_after_ok(gap_policy="drop")
    assert receive_and_drain(module, b"AT\r", now_s + 0.010, now_s + 1) == b""
    assert receive_and_drain(module, b"AT\r", now_s + 1, now_s + 2) == b"\r\nOK\r\n"
    assert module.state()["lost_lines"] == 1


# Deferral


def test_urcs_wait_for_the_final_code_and_come_in_a_burst():
    bench = Bench(answer_delay_s=0.5)
    bench.module.receive(b"AT+CFUN?\r", bench.now_s)
    bench.pass_time(0.1)
    for code in (1, 2, 3):
        bench.do(f"urc +ULWM2MSTAT: 1,721,{code}")
    assert bench.pass_time(0.3) == b""
    assert bench.run(0.5) == ["+CFUN: 1", "OK"] + [
        f"+ULWM2MSTAT: 1,721,{code}" for code in (1, 2, 3)
    ]


def test_urcs_between_command_and_answer_when_not_deferred():
    bench = Bench(answer_delay_s=0.5, defer_urcs=False)
    bench.module.receive(b"AT+CFUN?\r", bench.now_s)
    bench.pass_time(0.1)
    bench.do(f"urc {URC}")
    assert bench.pass_time(0.1) == URC_BYTES
    assert bench.run(0.5) == ["+CFUN: 1", "OK"]


def test_half_a_command_defers_until_the_host_is_idle():
    bench = Bench()
    bench.module.receive(b"AT+CF", bench.now_s)
    bench.pass_time(0.01)
    bench.do(f"urc {URC}")
    assert bench.pass_time(0.9) == b""
    assert bench.pass_time(0.2) == URC_BYTES
    assert lines(bench.raw(b"UN?\r")) == ["+CFUN: 1", "OK"]


def test_host_noise_without_at_does_not_hold_urcs():
    bench = Bench()
    bench.module.receive(b"garbage\r", bench.now_s)
    bench.do(f"urc {URC}")
    assert bench.pass_time(0.1) == URC_BYTES


# Log


def test_log_has_every_byte_in_both_directions():
    written = []
    module = Module(Config(baud=9600, echo=False, boot_noise=b"\xff"), log=Log(written.append))
    module.advance(6.0)
    module.receive(b"AT\r", 6.0)
    module.advance(7.0)
    text = "".join(written)
    assert 'tx "\\xff"' in text
    (rx,) = (line for line in written if ' rx "' in line)
    assert rx.split()[:3] == ["6.000000", "6.003125", "6.003125"]
    assert rx.endswith('rx "AT\\r"\n')
    (tx,) = (line for line in written if "OK" in line)
    assert tx.split()[:2] == ["6.013125", "6.019375"]
    assert tx.endswith('tx "\\r\\nOK\\r\\n"\n')


def test_log_has_real_and_module_time():
    written = []
    module = Module(Config(speed=10.0), log=Log(written.append, 10.0))
    module.advance(1.0)
    (ready,) = (line for line in written if "AT answers" in line)
    assert ready.split()[:3] == ["0.500000", "0.500000", "5.000000"]


def test_log_of_an_interrupted_line_shows_only_what_was_sent():
    written = []
    module = Module(Config(baud=9600, boot_noise=b""), log=Log(written.append))
    module.advance(6.0)
    module.send_raw(b"0123456789")
    module.advance(6.0 + 3.5 * 10 / 9600)
    module.cut_power("test")
    assert any(line.endswith('tx "012"\n') for line in written)
    assert module.advance(7.0) == b""
