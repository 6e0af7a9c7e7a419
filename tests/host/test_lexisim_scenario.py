"""Simulated module: every verb, the scenario text and its error messages."""

import json

import pytest
from lexisim import ScenarioError, ServerSpec, parse_scenario, run_verb
from lexisim.control import QUERIES, VERBS
from test_lexisim_bench import Bench, lines, registered_bench

URC = "+ULWM2MSTAT: 1,721,2"
URC_BYTES = b"\r\n+ULWM2MSTAT: 1,721,2\r\n"


# Verbs


def test_lose_lets_the_next_update_fail():
    bench = registered_bench(urcs=(1, 1), servers=[ServerSpec(lifetime_s=193.0)])
    bench.do("lose 721")
    assert bench.run(20) == []
    assert bench.run(100) == ["+ULWM2MSTAT: 1,721,5", "+ULWM2MSTAT: 1,721,4"]


def test_lose_now():
    bench = registered_bench(urcs=(1, 1))
    bench.do("lose 721 now")
    assert bench.run(2) == ["+ULWM2MSTAT: 1,721,5", "+ULWM2MSTAT: 1,721,4"]


def test_server_reach_outlives_a_reboot():
    bench = registered_bench()
    bench.do("server 721 down")
    bench.reboot()
    bench.run(600)
    assert bench.code(721) == 4
    bench.do("server 721 up")
    bench.do("reboot")
    bench.run(30)
    assert bench.code(721) == 3


def test_status_forces_a_code():
    bench = registered_bench(urcs=(1, 1))
    bench.do("status 721 8")
    bench.do("status 721 16")
    assert bench.run(1) == ["+ULWM2MSTAT: 1,721,8", "+ULWM2MSTAT: 0,721,16"]
    assert bench.run(100_000) == []
    assert bench.command("AT+ULWM2MREG?") == ["+ULWM2MREG: 721,16", "OK"]


def test_notify_is_not_bound_to_a_registration():
    bench = registered_bench(urcs=(1, 1))
    bench.do("status 721 4")
    bench.run(1)
    bench.do("notify 721 /3300/0/5700")
    assert bench.run(1) == ['+ULWM2MSTAT: 3,721,"/3300/0/5700"']


def test_late_answers():
    bench = Bench()
    bench.do("late 80 2")
    assert bench.command("AT", wait_s=79) == []
    assert bench.run(2) == ["OK"]
    assert bench.command("AT", wait_s=79) == []
    assert bench.run(2) == ["OK"]
    assert bench.command("AT", wait_s=1) == ["OK"]


def test_mute_for_a_while():
    bench = Bench()
    bench.do("mute 30")
    assert bench.command("AT", wait_s=20) == []
    bench.do(f"urc {URC}")
    assert bench.run(9) == []
    bench.run(5)
    assert bench.command("AT") == ["OK"]


@pytest.mark.parametrize("remedy", ["unmute", "reset_n", "reboot"])
def test_mute_forever_until(remedy):
    bench = Bench()
    bench.do("mute forever")
    assert bench.command("AT", wait_s=100_000) == []
    if remedy == "reset_n":
        bench.do("reset_n low")
        bench.run(0.2)
        bench.do("reset_n high")
    else:
        bench.do(remedy)
    bench.run(10)
    assert bench.command("AT")[-1] == "OK"


def test_client_goes_on_while_mute():
    bench = registered_bench(servers=[ServerSpec(lifetime_s=193.0)])
    bench.do("mute forever")
    bench.do("server 721 down")
    assert bench.run(300) == []
    assert bench.code(721) == 4


@pytest.mark.parametrize(
    ("verb", "events", "noisy", "urc"),
    [
        ("reboot", True, True, (1, 7)),
        ("reboot silent", False, False, (1, 7)),
        ("reboot silent forget", False, False, (0, 1)),
        ("reboot forget", False, True, (0, 1)),
    ],
)
def test_reboot(verb, events, noisy, urc):
    bench = registered_bench()
    bench.do(verb)
    found = bench.pass_time(60)
    assert (b"\xff" in found) is noisy
    assert (b"STAT: 5,1" in found) is events
    state = bench.module.state()
    assert (state["boots"], state["echo"]) == (2, True)
    assert (state["urc"]["n"], state["urc"]["mask"]) == urc
    assert bench.code(721) == 3


def test_noise():
    bench = Bench(seed=3)
    bench.do("noise 40")
    assert len(bench.pass_time(1)) == 40
    bench.do("noise ff00c3")
    assert bench.pass_time(1) == b"\xff\x00\xc3"
    bench.do("noise 0x00ff")
    assert bench.pass_time(1) == b"\x00\xff"
    bench.do("raw 30 31")
    assert bench.pass_time(1) == b"01"


def test_noise_repeats_with_the_seed():
    found = []
    for seed in (1, 1, 2):
        bench = Bench(seed=seed)
        bench.do("noise 16")
        found.append(bench.pass_time(1))
    assert found[0] == found[1] != found[2]


def test_drop_and_duplicate():
    bench = Bench()
    bench.do("drop 5")
    bench.do(f"urc {URC}")
    assert bench.pass_time(1) == URC_BYTES[5:]
    bench.do("duplicate 3")
    bench.do(f"urc {URC}")
    assert bench.pass_time(1) == b"\r\r\n\n++" + URC_BYTES[3:]
    bench.do("drop 30")  # longer than one line
    bench.do(f"urc {URC}")
    bench.do(f"urc {URC}")
    assert bench.pass_time(1) == (URC_BYTES * 2)[30:]


def test_split():
    bench = Bench(baud=0)
    bench.do("split 3 0.5")
    bench.do(f"urc {URC}")
    pieces = [bench.pass_time(0.1)] + [bench.pass_time(0.5) for _ in range(3)]
    assert b"".join(pieces) == URC_BYTES
    assert [bool(piece) for piece in pieces] == [True, True, True, False]
    bench.do(f"urc {URC}")
    assert bench.pass_time(0.1) == URC_BYTES


def test_interject_comes_between_answer_and_final_code():
    bench = Bench()
    bench.do(f"interject {URC}")
    assert bench.command("AT+CFUN?") == ["+CFUN: 1", URC, "OK"]
    assert bench.command("AT+CFUN?") == ["+CFUN: 1", "OK"]


@pytest.mark.parametrize(
    ("verb", "line", "answers"),
    [
        ('answer "AT+CFUN?" error 3', "at+cfun?", [["+CME ERROR: 3"], ["+CFUN: 1", "OK"]]),
        ('answer "AT+CFUN?" error plain', "AT+CFUN?", [["ERROR"], ["+CFUN: 1", "OK"]]),
        ('answer "AT" error 100 2', "AT", [["+CME ERROR: 100"]] * 2 + [["OK"]]),
        ('answer "AT+ULWM2M*" error 4', "AT+ULWM2MREG?", [["+CME ERROR: 4"], ["OK"]]),
        ('answer "AT+CFUN?" none', "AT+CFUN?", [[], ["+CFUN: 1", "OK"]]),
        (
            'answer "AT+ULWM2MREG?" ok "+ULWM2MREG: 721,18" "+ULWM2MREG: 5,3"',
            "AT+ULWM2MREG?",
            [["+ULWM2MREG: 721,18", "+ULWM2MREG: 5,3", "OK"], ["OK"]],
        ),
    ],
)
def test_forced_answers(verb, line, answers):
    bench = Bench(cmee=1)
    bench.do(verb)
    assert [bench.command(line) for _ in answers] == answers


def test_swallow():
    bench = Bench()
    bench.do('swallow "+ULWM2MSTAT: 1," 2')
    for _ in range(3):
        bench.do("urc +ULWM2MSTAT: 2,721,5")
        bench.do(f"urc {URC}")
    assert bench.run(1) == ["+ULWM2MSTAT: 2,721,5"] * 3 + [URC]


def test_mode_verb_is_not_the_hosts_harm():
    bench = registered_bench()
    bench.do("mode 1")
    assert bench.run(1)[-1] == "+ULWM2MSTAT: 4,7"
    assert bench.command("AT+ULWM2M?")[0] == "+ULWM2M: 1"
    assert (bench.module.state()["harm"], bench.module.state()["mode_now"]) == (0, 1)


def test_a_forced_answer_leaves_other_commands_alone():
    bench = Bench()
    bench.do('answer "AT+CFUN?" error 3')
    assert bench.command("AT+CFUN=1") == ["OK"]


def test_pin_verb():
    bench = Bench(cmee=1)
    bench.do("pin required")
    assert bench.command("AT+ULWM2M?") == ["+CME ERROR: 11"]
    bench.do("pin ready")
    assert bench.command("AT+ULWM2M?")[-1] == "OK"


def test_cereg_verb():
    bench = registered_bench()
    bench.do("cereg 3")
    assert bench.command("AT+CEREG?")[0] == "+CEREG: 0,3"


# Control port language


def test_state_is_one_json_line_of_the_truth():
    bench = registered_bench()
    answer = run_verb(bench.module, "state")
    assert "\n" not in answer
    state = json.loads(answer)
    assert state["powered"] is True
    assert state["servers"][0]["id"] == 721
    assert state["servers"][0]["code"] == 3
    assert 86200 < state["servers"][0]["update_in_s"] < 86308
    assert state["gap_violations"] == state["urc_gap_violations"] == 0


def test_help_lists_every_verb():
    text = run_verb(Bench().module, "help")
    assert all(verb.usage in text for table in (QUERIES, VERBS) for verb in table.values())


BAD_VERBS = [
    ("dance", "unknown verb 'dance'"),
    ("lose", "expected: lose <id> [now]"),
    ("lose x", "expected: lose <id> [now]"),
    ("lose 721 later", "expected: lose <id> [now]"),
    ("server 721 sideways", "expected: server <id> up|down|reject"),
    ("status 721 17", "expected: status <id> <code>"),
    ("notify 721 3300", "expected: notify <id> <uri>"),
    ("late", "expected: late <seconds> [count]"),
    ("late soon", "'soon' is not a number"),
    ("late 5 0", "expected: late <seconds> [count]"),
    ("mute", "expected: mute <seconds>|forever"),
    ("mute nan", "expected: mute <seconds>|forever"),
    ("unmute now", "expected: unmute"),
    ("reboot loudly", "expected: reboot [silent] [forget]"),
    ("noise", "expected: noise <count>|<hex>"),
    ("noise xyz", "'xyz' is not hexadecimal"),
    ("raw abc", "'abc' is not hexadecimal"),
    ("raw", "expected: raw <hex>"),
    ("drop 0", "expected: drop <n>"),
    ("duplicate -1", "expected: duplicate <n>"),
    ("split 1", "expected: split <pieces> [pause_s]"),
    ("urc", "expected: urc <text>"),
    ("interject", "expected: interject <text>"),
    ("answer AT", "expected: answer"),
    ('answer "XX" error 3', "expected: answer"),
    ('answer "AT" error', "expected: answer"),
    ('answer "AT error 3', "unbalanced quote"),
    ("freeze 721", "expected: freeze <id> <code>"),
    ("freeze 721 17", "expected: freeze <id> <code>"),
    ("timer", "expected: timer freeze|run [id]"),
    ("timer stop", "expected: timer freeze|run [id]"),
    ("config 721 disabled 2", "expected: config <id> disabled 0|1"),
    ("config 721 enabled 1", "expected: config <id> disabled 0|1"),
    ("hang often", "expected: hang [pins|power|never] [stopped]"),
    ("hang stopped pins", "expected: hang [pins|power|never] [stopped]"),
    ("heal me", "expected: heal"),
    ("swallow", 'expected: swallow "<text>" [count]'),
    ("swallow +X 0", 'expected: swallow "<text>" [count]'),
    ("mode", "expected: mode 0|1|2|3"),
    ("mode 4", "expected: mode 0|1|2|3"),
    ("init maybe", "expected: init ok|production|fail|hang [boots]"),
    ("init ok 0", "expected: init ok|production|fail|hang [boots]"),
    ("profile", "expected: profile <n>"),
    ("profile x", "expected: profile <n>"),
    ("fota", "expected: fota start [download_s] [install_s] | fail"),
    ("fota stop", "expected: fota start [download_s] [install_s] | fail"),
    ("fota fail 5", "expected: fota start [download_s] [install_s] | fail"),
    ("fota start soon", "'soon' is not a number"),
    ("network", "expected: network lost [seconds] | back"),
    ("network back 5", "expected: network lost [seconds] | back"),
    ("sim lost", "expected: sim ready|pin|puk|absent|failure|denied"),
    ("cereg x", "expected: cereg <n>"),
    ("pin maybe", "expected: pin required|ready"),
    ("pwr_on up", "expected: pwr_on low|high"),
    ("reset_n", "expected: reset_n low|high"),
]


@pytest.mark.parametrize(("line", "why"), BAD_VERBS)
def test_bad_verbs(line, why):
    bench = Bench()
    before = bench.module.state()
    assert run_verb(bench.module, line).startswith(f"error: {why}")
    assert bench.module.state() == before
    with pytest.raises(ScenarioError) as caught:
        parse_scenario(f"# first\n\n5 {line}\n", "file.txt")
    assert str(caught.value).startswith(f"file.txt, line 3: {why}")


@pytest.mark.parametrize(
    "line",
    ["lose 5", "server 5 up", "status 5 1", "notify 5 /1", "freeze 5 1", "timer run 5"],
)
def test_unknown_server(line):
    assert run_verb(Bench().module, line).startswith("error: there is no server 5")


@pytest.mark.parametrize(
    ("before", "line", "why"),
    [
        ([], "config 5 disabled 1", "there is no +ULWM2MCONFIG row of server 5"),
        ([], "fota fail", "nothing is being downloaded (stage none)"),
        (["fota start"], "fota start", "an update is running (stage download)"),
        (["hang pins stopped"], "fota start", "the LwM2M client does not run"),
        (["fota start 0 9"], "reboot", "the module is installing firmware"),
        (["fota start 0 9"], "hang", "the module is installing firmware"),
        (["fota start 0 9"], "profile 3", "the module is installing firmware"),
        (["pwr_on low", "pwr_on high"], "hang", "the module is off"),
        (["pwr_on low", "pwr_on high"], "profile 3", "the module is off"),
    ],
)
def test_verbs_that_make_no_sense_now(before, line, why):
    bench = registered_bench(fota_check_s=0.0)
    for verb in before:
        bench.do(verb)
        bench.run(5)
    assert run_verb(bench.module, line).startswith(f"error: {why}")


@pytest.mark.parametrize("line", ["state now", "help me", "history 1 2"])
def test_bad_queries(line):
    assert run_verb(Bench().module, line).startswith("error: expected: ")


def test_a_scenario_cannot_ask():
    with pytest.raises(ScenarioError, match="unknown verb 'state'"):
        parse_scenario("1 state")


# Scenario text


def test_times_comments_and_order():
    steps = parse_scenario(
        "# comment\n"
        "   \n"
        "10 unmute   # trailing comment\n"
        "+2.5 mute 3\n"
        "5 urc +X: 1#2\n"
        '+1 urc +X: " # no comment"\n'
    )
    assert [(step.at_s, step.text.split(None, 1)[1]) for step in steps] == [
        (5.0, "urc +X: 1#2"),
        (6.0, 'urc +X: " # no comment"'),
        (10.0, "unmute"),
        (12.5, "mute 3"),
    ]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("soon unmute", "'soon' is not a time"),
        ("-5 unmute", "'-5' is not a time"),
        ("5", "'5' has no verb"),
        ("5 ", "'5' has no verb"),
    ],
)
def test_bad_lines(line, why):
    with pytest.raises(ScenarioError, match=f"line 1: {why}"):
        parse_scenario(line)


def test_a_scenario_is_played_in_module_time():
    for speed in (1.0, 10.0):
        bench = Bench(ready=False, boot_noise=b"", speed=speed)
        bench.module.play(parse_scenario(f"20 urc {URC}\n+10 urc {URC}\n"))
        found = bench.timed(40 / speed)
        assert [round(when * speed) for when, line in found if line == URC] == [20, 30]


def test_a_step_that_fails_is_reported_and_the_rest_goes_on():
    bench = Bench(ready=False, boot_noise=b"")
    bench.module.play(parse_scenario(f"10 lose 5\n+1 urc {URC}\n"))
    assert lines(bench.pass_time(20)) == [URC]
    assert bench.module.problems == ["10 lose 5: there is no server 5"]


def test_scenario_outlives_a_reboot_and_switches_on():
    bench = Bench(ready=False, boot_noise=b"", powered_off=True)
    bench.module.play(parse_scenario("1 pwr_on low\n+0.5 pwr_on high\n+10 reboot\n+10 reboot"))
    bench.pass_time(40)
    assert bench.module.boots == 3
