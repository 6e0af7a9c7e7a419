"""Simulated module: the LwM2M client, its codes, its URCs and the activation modes. Fake clock."""

import pytest
from lexisim import Notify, ServerSpec
from test_lexisim_bench import Bench, registered_bench

STAT = "+ULWM2MSTAT: "
ADDRESS = '"leshan.eclipseprojects.io:5684"'


def stats(found):
    """Payloads of the +ULWM2MSTAT lines of a timed run, with their times."""
    return [(when, line.removeprefix(STAT)) for when, line in found if line.startswith(STAT)]


def payloads(found):
    return [line.removeprefix(STAT) for line in found if line.startswith(STAT)]


def status_times(found, server_id=721):
    """(time, code) of event 1 of a server."""
    prefix = f"1,{server_id},"
    return [(t, int(text[len(prefix) :])) for t, text in stats(found) if text.startswith(prefix)]


def test_start_with_all_urcs():
    bench = Bench(urcs=(1, 7), factory_mode=0)  # AT answers at 5.0
    assert stats(bench.timed(20)) == [
        (6.0, "5,1"),
        (8.0, "5,2"),
        (10.0, "1,721,1"),
        (11.0, "1,721,2"),
        (11.0, f"6,721,0,{ADDRESS}"),
        (13.0, "1,721,3"),
        (13.0, "2,721,86307"),
    ]


@pytest.mark.parametrize(
    ("urcs", "events"),
    [
        ((0, 7), set()),
        ((1, 1), {"1", "2"}),
        ((1, 2), {"5"}),
        ((1, 4), {"6"}),
        ((1, 7), {"1", "2", "5", "6"}),
    ],
)
def test_verbosity_mask(urcs, events):
    bench = Bench(urcs=urcs, factory_mode=0)
    assert {text[0] for text in payloads(bench.run(20))} == events


def test_factory_setting_is_silent_and_off():
    bench = Bench()
    assert bench.command("AT+ULWM2MSTAT?") == ["+ULWM2MSTAT: 0,1", "OK"]
    assert bench.command("AT+ULWM2M?") == ["+ULWM2M: 1", "OK"]
    assert bench.run(60) == []
    assert bench.module.state()["client"] == "off"


def test_factory_mode_is_0_under_verizon():
    bench = Bench(mno=3)
    assert bench.command("AT+ULWM2M?") == ["+ULWM2M: 0", "OK"]
    bench.run(20)
    assert bench.code(721) == 3


def test_update_goes_5_then_3_and_restarts_the_timer():
    server = ServerSpec(lifetime_s=193.0)  # update after 100 s
    bench = Bench(urcs=(1, 1), factory_mode=0, servers=[server])
    found = stats(bench.timed(130))
    assert found[-3:] == [(113.0, "1,721,5"), (114.0, "1,721,3"), (114.0, "2,721,100")]


def test_timer_counts_down_in_urc_and_poll():
    server = ServerSpec(lifetime_s=193.0, timer_report_s=20.0)
    bench = Bench(urcs=(1, 1), factory_mode=0, servers=[server])
    found = [item for item in stats(bench.timed(70)) if item[1].startswith("2,")]
    assert found == [
        (13.0, "2,721,100"),
        (33.0, "2,721,80"),
        (53.0, "2,721,60"),
        (73.0, "2,721,40"),
    ]
    (row, _) = bench.command("AT+ULWM2MREG?")
    left_s = int(row.removeprefix("+ULWM2MREG: 721,3,"))
    assert 35 <= left_s <= 38


@pytest.mark.parametrize(
    ("lifetime_s", "interval_s"), [(30.0, 15.0), (93.0, 46.5), (94.0, 1.0), (86400.0, 86307.0)]
)
def test_update_interval(lifetime_s, interval_s):
    assert ServerSpec(lifetime_s=lifetime_s).update_interval_s() == interval_s


def test_server_down_u_blox_tuning():
    """2 for 62 s, holds of 30, 60, 120 s, four attempts: code 4 after 458 s, then nothing."""
    server = ServerSpec(reach="down", initial_hold_s=0.0)
    bench = Bench(urcs=(1, 1), factory_mode=0, servers=[server])
    found = status_times(bench.timed(2000))
    start_s = found[0][0]
    assert [(round(t - start_s), code) for t, code in found] == [
        (0, 2),
        (62, 1),
        (92, 2),
        (154, 1),
        (214, 2),
        (276, 1),
        (396, 2),
        (458, 4),
    ]


def test_server_down_standard_tuning_and_second_sequence():
    server = ServerSpec(
        reach="down",
        initial_hold_s=0.0,
        attempts=5,
        retry_delay_s=60.0,
        sequences=2,
        sequence_delay_s=5000.0,
    )
    bench = Bench(urcs=(1, 1), factory_mode=0, servers=[server])
    found = status_times(bench.timed(8500))
    start_s = found[0][0]
    relative = [(round(t - start_s), code) for t, code in found]
    assert relative[9] == (1210, 1)  # 900 s of holds and 5 times 62 s, then the long hold
    assert relative[10] == (6210, 2)
    assert relative[-1] == (7420, 4)


def test_retry_scheme_1_0_fails_at_once():
    server = ServerSpec(reach="down", initial_hold_s=0.0, retry_scheme="1.0")
    bench = Bench(urcs=(1, 1), factory_mode=0, servers=[server])
    assert [code for _, code in status_times(bench.timed(500))] == [2, 4]


def test_rejected_registration_is_retried_like_a_timeout():
    bench = Bench(urcs=(1, 1), factory_mode=0, servers=[ServerSpec(reach="reject")])
    codes = [code for _, code in status_times(bench.timed(400))]
    assert codes == [1, 2, 1, 2, 1, 2, 1, 2, 4]


def test_jitter_stretches_the_give_up_time():
    server = ServerSpec(reach="down", initial_hold_s=0.0, retry_scheme="1.0", exchange_jitter=0.5)
    bench = Bench(urcs=(1, 1), factory_mode=0, servers=[server], seed=7)
    (_, start), (_, end) = ((code, t) for t, code in status_times(bench.timed(200)))
    assert 62 < end - start <= 93


def test_server_comes_back_while_a_request_is_in_flight():
    bench = Bench(urcs=(1, 1), factory_mode=0, servers=[ServerSpec(reach="down")])
    bench.run(20)
    assert bench.code(721) == 2
    bench.do("server 721 up")
    bench.run(3)
    assert bench.code(721) == 3


def test_update_lost_is_a_dead_end():
    bench = registered_bench(servers=[ServerSpec(lifetime_s=193.0)])
    bench.do("server 721 down")
    found = stats(bench.timed(200))
    codes = [text for _, text in found if text.startswith("1,")]
    assert codes == ["1,721,5", "1,721,4"]
    times = [t for t, text in found if text.startswith("1,")]
    assert round(times[1] - times[0]) == 62
    bench.do("server 721 up")
    assert bench.run(1_000_000) == []
    assert bench.code(721) == 4
    assert bench.command("AT+ULWM2MREG?") == ["+ULWM2MREG: 721,4", "OK"]


def test_update_failure_may_register_again():
    bench = registered_bench(update_failure="register")
    bench.do("lose 721 now")
    codes = [text for text in payloads(bench.run(20)) if text.startswith("1,")]
    assert codes == ["1,721,5", "1,721,4", "1,721,1", "1,721,2", "1,721,3"]


def test_forced_registration_answers_at_once_and_leaves_4():
    bench = registered_bench(urcs=(1, 1))
    bench.do("lose 721 now")
    bench.run(10)
    assert bench.code(721) == 4
    assert bench.command("AT+ULWM2MREG=721", wait_s=0.5) == ["OK"]
    assert payloads(bench.run(5)) == ["1,721,2", "1,721,3", "2,721,86307"]


def test_a_new_registration_is_remembered_by_the_server():
    bench = registered_bench(servers=[ServerSpec(lifetime_s=193.0)])
    bench.do("lose 721 now")
    bench.run(10)
    bench.command("AT+ULWM2MREG=721")
    bench.run(500)
    assert bench.code(721) == 3


def test_code_0_is_listed_only_when_wide():
    assert Bench().command("AT+ULWM2MREG?") == ["OK"]
    assert Bench(wide=True).command("AT+ULWM2MREG?") == ["+ULWM2MREG: 721,0", "OK"]


def test_forced_registration_of_a_registered_server_restarts_the_timer():
    bench = registered_bench(urcs=(1, 1))
    bench.run(500)
    assert bench.command("AT+ULWM2MREG=721", wait_s=0.5) == ["OK"]
    assert payloads(bench.run(5)) == ["1,721,2", "1,721,3", "2,721,86307"]


def test_forced_registration_can_be_useless_in_4():
    bench = registered_bench(reg_leaves_failed=False)
    bench.do("lose 721 now")
    bench.run(10)
    assert bench.command("AT+ULWM2MREG=721") == ["OK"]
    bench.run(60)
    assert bench.code(721) == 4


def test_connection_events():
    bench = registered_bench(urcs=(1, 4))
    bench.do("lose 721 now")
    assert payloads(bench.run(10)) == ["6,721,3,0,0"]
    bench.command("AT+ULWM2MREG=721", wait_s=0.5)
    assert payloads(bench.run(10)) == [f"6,721,0,{ADDRESS}"]


@pytest.mark.parametrize(
    ("counts", "expected"),
    [("zero", "6,721,3,0,0"), ("empty", "6,721,3,,"), ("missing", "6,721,3")],
)
def test_byte_counts_of_a_closed_connection(counts, expected):
    bench = registered_bench(urcs=(1, 4), closed_counts=counts)
    assert payloads(bench.command("AT+ULWM2M=1")) == [expected]


def test_real_byte_counts():
    bench = registered_bench(urcs=(1, 4), closed_counts="real")
    (text,) = payloads(bench.command("AT+ULWM2M=1"))
    sent, received = map(int, text.split(",")[3:])
    assert sent > 0
    assert received > 0


def test_notifications_only_while_registered():
    bench = registered_bench(
        urcs=(1, 1), notifications=[Notify("/3300/0/5700", 60.0)], servers=[ServerSpec(721)]
    )
    event = '3,721,"/3300/0/5700"'
    assert payloads(bench.run(120)) == [event, event]
    bench.do("lose 721 now")
    assert event not in payloads(bench.run(300))
    bench.command("AT+ULWM2MREG=721")
    assert payloads(bench.run(120)).count(event) == 1


def test_notification_goes_to_the_server_it_names():
    servers = [ServerSpec(721), ServerSpec(123)]
    bench = registered_bench(
        urcs=(1, 1), notifications=[Notify("/5/0/3/", 60.0, 123)], servers=servers
    )
    assert payloads(bench.run(60)) == ['3,123,"/5/0/3/"']


def test_two_servers_are_independent():
    servers = [ServerSpec(721), ServerSpec(123, reach="down", retry_scheme="1.0")]
    bench = Bench(urcs=(1, 1), factory_mode=0, servers=servers)
    bench.run(120)
    rows = bench.command("AT+ULWM2MREG?")
    assert rows[0].startswith("+ULWM2MREG: 721,3,86")
    assert rows[1:] == ["+ULWM2MREG: 123,4", "OK"]


@pytest.mark.parametrize(
    ("bootstrap", "codes"),
    [
        ("ok", ["0,721,10", "0,721,11", "0,721,12", "0,721,13", "0,721,14", "1,721,2"]),
        ("fail", ["0,721,10", "0,721,11", "0,721,12", "0,721,15", "0,721,16"]),
        ("retry", ["0,721,10", "0,721,11", "0,721,12", "0,721,15", "0,721,19", "0,721,10"]),
    ],
)
def test_bootstrap_walk(bootstrap, codes):
    bench = Bench(urcs=(1, 1), factory_mode=0, servers=[ServerSpec(bootstrap=bootstrap)])
    assert payloads(bench.run(60))[: len(codes)] == codes
    if bootstrap == "fail":
        assert bench.code(721) == 16


def test_update_needed_step():
    bench = registered_bench(urcs=(1, 1), servers=[ServerSpec(update_needed_s=2.0)])
    bench.module.client.servers[721].update_now()
    assert payloads(bench.run(10)) == ["1,721,6", "1,721,5", "1,721,3", "2,721,86307"]


@pytest.mark.parametrize(("result", "events"), [(4, ["5,1", "5,4"]), (3, ["5,1"])])
def test_failed_initialisation(result, events):
    bench = Bench(urcs=(1, 7), factory_mode=0, init_result=result)
    assert payloads(bench.run(60)) == events
    assert bench.command("AT+ULWM2MREG=721") == ["ERROR"]


def test_only_allowed_values_unless_wide():
    events = {}
    for wide in (False, True):
        bench = registered_bench(wide=wide, servers=[ServerSpec(lifetime_s=193.0)])
        found = payloads(bench.run(120))
        found += payloads(bench.command("AT+ULWM2M=1"))
        events[wide] = found
    assert events[False] == [
        "1,721,5",
        "1,721,3",
        "2,721,100",
        "6,721,3,0,0",
        "4,7",
    ]
    extra = [text for text in events[True] if text not in events[False]]
    assert extra[0] == f"6,721,2,{ADDRESS}"
    assert "1,721,0" in extra
    assert any(text.startswith("6,721,1,") for text in extra)


def test_wide_client_status_walk():
    bench = Bench(urcs=(1, 1), factory_mode=0, wide=True)
    client = [text for text in payloads(bench.run(30)) if text.startswith("4,")]
    assert client == ["4,0", "4,3", "4,4", "4,5"]


# +ULWM2M, row by row


def test_mode_1_stops_at_once_and_stays_off():
    bench = registered_bench()
    assert bench.command("AT+ULWM2M=1") == ["OK", f"{STAT}6,721,3,0,0", f"{STAT}4,7"]
    assert bench.command("AT+ULWM2MREG?") == ["OK"]
    assert bench.command("AT+ULWM2MREG=721") == ["ERROR"]
    bench.reboot()
    assert bench.run(60) == []
    assert bench.command("AT+ULWM2M?") == ["+ULWM2M: 1", "OK"]


def test_mode_0_after_1_needs_a_reboot():
    bench = Bench()
    assert bench.command("AT+ULWM2M=0") == ["OK"]
    assert bench.command("AT+ULWM2M?") == ["+ULWM2M: 0", "OK"]
    bench.run(300)
    assert bench.module.state()["client"] == "off"
    bench.reboot()
    bench.run(30)
    assert bench.code(721) == 3


def test_mode_3_inhibits_at_once_and_is_not_saved():
    bench = registered_bench(servers=[ServerSpec(lifetime_s=193.0)])
    assert bench.command("AT+ULWM2M=3") == ["OK"]
    assert bench.module.state()["client"] == "inhibited"
    assert bench.run(500) == []
    assert bench.command("AT+ULWM2M?") == ["+ULWM2M: 0", "OK"]
    bench.reboot()
    bench.run(30)
    assert bench.module.state()["client"] == "running"
    assert bench.code(721) == 3


def test_mode_0_after_3_acts_at_once():
    bench = registered_bench(urcs=(1, 1))
    bench.do("lose 721 now")
    bench.run(10)
    bench.command("AT+ULWM2M=3")
    bench.run(30)
    assert bench.command("AT+ULWM2M=0", wait_s=0.5) == ["OK", f"{STAT}1,721,1"]
    assert payloads(bench.run(10)) == ["1,721,2", "1,721,3", "2,721,86307"]
    assert bench.module.boots == 1


def test_mode_3_may_report_shut_down():
    bench = registered_bench(urcs=(1, 1), shut_down_on_mode_3=True)
    assert bench.command("AT+ULWM2M=3") == ["OK", f"{STAT}4,7"]


def test_mode_2_erases_and_follows_the_saved_mode():
    bench = registered_bench()
    assert f"{STAT}4,7" in bench.command("AT+ULWM2M=2")
    assert bench.command("AT+ULWM2MREG=?") == ["+ULWM2MREG: (0)", "OK"]
    assert bench.command("AT+ULWM2M?") == ["+ULWM2M: 0", "OK"]
    bench.command("AT+ULWM2M=0")
    bench.run(60)
    assert bench.module.state()["client"] == "reset"
    bench.reboot()
    bench.run(30)
    assert bench.code(721) == 3
    assert bench.nvm.get("erased") is None


def test_mode_2_while_off_stays_off():
    bench = Bench()
    assert bench.command("AT+ULWM2M=2") == ["OK"]
    bench.reboot()
    bench.run(60)
    assert bench.module.state()["client"] == "off"


def test_mode_0_after_2_may_act_at_once():
    bench = registered_bench(mode_0_after_reset="now")
    bench.command("AT+ULWM2M=2")
    bench.command("AT+ULWM2M=0")
    bench.run(30)
    assert bench.code(721) == 3


@pytest.mark.parametrize(("option", "rows"), [("never", 0), ("no-psk", 1)])
def test_servers_after_a_reset(option, rows):
    bench = registered_bench(after_reset=option)
    bench.command("AT+ULWM2M=2")
    bench.reboot()
    bench.run(600)
    servers = bench.module.state()["servers"]
    assert len(servers) == rows
    assert [server["code"] for server in servers] == [4] * rows


def test_mode_0_while_running_changes_nothing():
    bench = registered_bench()
    assert bench.command("AT+ULWM2M=0") == ["OK"]
    assert bench.run(60) == []
    assert bench.code(721) == 3


def test_mode_3_while_off_has_no_effect():
    bench = Bench()
    assert bench.command("AT+ULWM2M=3") == ["OK"]
    assert bench.module.state()["client"] == "off"
    assert bench.command("AT+ULWM2M?") == ["+ULWM2M: 1", "OK"]


@pytest.mark.parametrize(
    ("line", "option", "saved"),
    [
        ("AT+ULWM2M=1", True, 1),
        ("AT+ULWM2M=1", False, 0),
        ("AT+ULWM2M=1,0", True, 0),
        ("AT+ULWM2M=1,1", False, 1),
    ],
)
def test_nvm_saved(line, option, saved):
    bench = registered_bench(mode_1_saved=option)
    bench.command(line)
    assert bench.module.state()["client"] == "off"
    assert bench.command("AT+ULWM2M?") == [f"+ULWM2M: {saved}", "OK"]
    bench.reboot()
    bench.run(30)
    assert bench.module.state()["client"] == ("off" if saved else "running")


def test_mode_read_may_print_the_last_mode():
    bench = registered_bench(mode_read="last")
    bench.command("AT+ULWM2M=3")
    assert bench.command("AT+ULWM2M?") == ["+ULWM2M: 3", "OK"]


# +ULWM2MCONFIG and the network


@pytest.mark.parametrize("immediate", [True, False])
def test_server_disabled(immediate):
    bench = registered_bench(config_immediate=immediate)
    bench.command("AT+ULWM2MCONFIG=721,0,2,1,1,0,0,0,40,0,0,1")
    assert bench.server(721)["code"] == (0 if immediate else 3)
    bench.reboot()
    bench.run(60)
    assert bench.server(721)["disabled"] is True
    assert bench.code(721) == 0
    assert bench.command("AT+ULWM2MREG=721") == ["ERROR"]
    bench.command("AT+ULWM2MCONFIG=721,0,2,1,1,0,0,0,40,0,0,0")
    bench.run(10)
    assert bench.code(721) == (3 if immediate else 0)


def test_factory_disabled_server():
    bench = Bench(factory_mode=0, servers=[ServerSpec(disabled=1)])
    bench.run(30)
    assert bench.code(721) == 0
    assert bench.command("AT+ULWM2MCONFIG?")[0].endswith(",1")


def test_network_loss_fails_the_update_and_attach_registers_again():
    for option, code in ((True, 3), (False, 4)):
        bench = registered_bench(register_on_attach=option)
        bench.module.client.servers[721].update_now()
        bench.do("cereg 2")
        bench.run(70)
        assert bench.code(721) == 4
        bench.do("cereg 1")
        bench.run(10)
        assert bench.code(721) == code


def test_update_due_without_network_waits_for_it():
    bench = registered_bench(servers=[ServerSpec(lifetime_s=193.0)])
    bench.do("cereg 2")
    bench.run(150)
    assert bench.code(721) == 3
    assert bench.server(721)["update_in_s"] == 0
    bench.do("cereg 5")
    bench.run(2)
    assert bench.server(721)["update_in_s"] > 90


def test_lwm2m_commands_fail_while_not_ready():
    bench = Bench(lwm2m_not_ready_s=9.0)
    assert bench.command("AT+ULWM2MSTAT?") == ["ERROR"]
    assert bench.command("AT+CFUN?")[-1] == "OK"
    bench.run(9)
    assert bench.command("AT+ULWM2MSTAT?")[-1] == "OK"
