"""Simulated module: PDP contexts and their URCs. Forms: 3GPP TS 27.007. Fake clock."""

import pytest
from lexisim import Nvm, run_verb
from test_lexisim_bench import Bench, registered_bench
from test_lexisim_network import attached_bench

FACTORY = '+CGDCONT: 1,"IP","","0.0.0.0",0,0,0,0'
SECOND = 'AT+CGDCONT=2,"IPV4V6","private.example"'
SECOND_ROW = '+CGDCONT: 2,"IPV4V6","private.example","0.0.0.0",0,0,0,0'
DYNAMIC = '"10.0.0.2.255.255.255.0","10.0.0.254","192.0.2.53","192.0.2.54"'

ANSWERS = [
    # line, answer while registered with context 1 defined and active
    ("AT+CGDCONT?", [FACTORY, "OK"]),
    ('AT+CGDCONT=1,"IP","iot.example"', ["OK"]),
    ('AT+CGDCONT=8,"ipv6"', ["OK"]),
    ('AT+CGDCONT=2,"IP","a","10.1.2.3",0,0,0,0', ["OK"]),
    ('AT+CGDCONT=0,"IP"', ["+CME ERROR: 50"]),
    ('AT+CGDCONT=9,"IP"', ["+CME ERROR: 50"]),
    ('AT+CGDCONT=2,"PPP"', ["+CME ERROR: 50"]),
    ("AT+CGDCONT=2,IP", ["+CME ERROR: 50"]),
    ('AT+CGDCONT=2,"IP",apn', ["+CME ERROR: 50"]),
    ('AT+CGDCONT=2,,"apn"', ["+CME ERROR: 50"]),
    ('AT+CGDCONT=2,"IP","apn","",1', ["+CME ERROR: 50"]),
    ("AT+CGDCONT=", ["+CME ERROR: 50"]),
    ("AT+CGDCONT", ["+CME ERROR: 4"]),
    ("AT+CGAUTH?", ['+CGAUTH: 1,0,"",""', "OK"]),
    ("AT+CGAUTH=?", ["+CGAUTH: (1-8),(0-2)", "OK"]),
    ('AT+CGAUTH=1,1,"user","secret"', ["OK"]),
    ("AT+CGAUTH=1,0", ["OK"]),
    ("AT+CGAUTH=1", ["OK"]),
    ("AT+CGAUTH=1,1", ["+CME ERROR: 50"]),
    ('AT+CGAUTH=1,3,"user","secret"', ["+CME ERROR: 50"]),
    ('AT+CGAUTH=2,1,"user","secret"', ["+CME ERROR: 50"]),
    ("AT+CGACT?", ["+CGACT: 1,1", "OK"]),
    ("AT+CGACT=?", ["+CGACT: (0,1)", "OK"]),
    ("AT+CGACT=1,1", ["OK"]),
    ("AT+CGACT=1", ["OK"]),
    ("AT+CGACT=1,2", ["+CME ERROR: 50"]),
    ("AT+CGACT=2,1", ["+CME ERROR: 50"]),
    ("AT+CGACT=1,9", ["+CME ERROR: 50"]),
    ("AT+CGACT=1,", ["+CME ERROR: 50"]),
    ("AT+CGACT=", ["+CME ERROR: 50"]),
    ("AT+CGACT=0,1", ["+CME ERROR: 171"]),
    ("AT+CGACT=0", ["+CME ERROR: 171"]),
    ("AT+CGPADDR", ['+CGPADDR: 1,"10.0.0.2"', "OK"]),
    ("AT+CGPADDR=1", ['+CGPADDR: 1,"10.0.0.2"', "OK"]),
    ("AT+CGPADDR=?", ["+CGPADDR: (1)", "OK"]),
    ("AT+CGPADDR=2", ["+CME ERROR: 50"]),
    ("AT+CGPADDR=x", ["+CME ERROR: 50"]),
    ("AT+CGCONTRDP", [f'+CGCONTRDP: 1,5,"internet",{DYNAMIC}', "OK"]),
    ("AT+CGCONTRDP=1", [f'+CGCONTRDP: 1,5,"internet",{DYNAMIC}', "OK"]),
    ("AT+CGCONTRDP=?", ["+CGCONTRDP: (1)", "OK"]),
    ("AT+CGCONTRDP=2", ["+CME ERROR: 50"]),
    ("AT+CGCONTRDP=1,1", ["+CME ERROR: 50"]),
    ("AT+CGEREP=?", ["+CGEREP: (0-2),(0,1)", "OK"]),
    ("AT+CGEREP=3", ["+CME ERROR: 50"]),
]


@pytest.mark.parametrize(("line", "expected"), ANSWERS)
def test_answer(line, expected):
    assert attached_bench().command(line) == expected


def test_list_of_types():
    *rows, final = Bench().command("AT+CGDCONT=?")
    assert final == "OK"
    assert rows[0] == '+CGDCONT: (1-8),"IP",,,(0),(0),(0),(0)'
    assert len(rows) == 3


def test_without_a_network():
    bench = Bench(cmee=1)
    assert bench.command("AT+CGACT=1,1") == ["+CME ERROR: 30"]
    assert bench.command("AT+CGPADDR=1") == ["+CGPADDR: 1", "OK"]
    assert bench.command("AT+CGCONTRDP=1") == ["OK"]
    assert bench.command("AT+CGCONTRDP=?") == ["+CGCONTRDP: ()", "OK"]


def test_contexts_are_kept_in_nvm(tmp_path):
    path = tmp_path / "nvm.json"
    bench = Bench(nvm=Nvm(path))
    for line in ('AT+CGDCONT=1,"IP","iot.example"', SECOND, 'AT+CGAUTH=2,2,"user","secret"'):
        assert bench.command(line) == ["OK"]
    again = Bench(nvm=Nvm(path))
    first_row = FACTORY.replace('""', '"iot.example"')
    assert again.command("AT+CGDCONT?") == [first_row, SECOND_ROW, "OK"]
    auth = ['+CGAUTH: 1,0,"",""', '+CGAUTH: 2,2,"user","secret"', "OK"]
    assert again.command("AT+CGAUTH?") == auth
    assert again.command(SECOND) == ["OK"]  # leaves the authentication alone
    assert again.command("AT+CGAUTH?") == auth
    assert again.command("AT+CGAUTH=2,0") == ["OK"]
    assert again.command("AT+CGAUTH?")[1] == '+CGAUTH: 2,0,"",""'


def test_undefining_a_context():
    bench = attached_bench()
    bench.command(SECOND)
    bench.command("AT+CGACT=1,2")
    bench.command('AT+CGDCONT=1,"IP","iot.example"')
    for cid in (2, 1, 3):
        assert bench.command(f"AT+CGDCONT={cid}") == ["OK"]
    assert bench.command("AT+CGDCONT?") == [FACTORY, "OK"]
    assert bench.command("AT+CGACT?") == ["+CGACT: 1,1", "OK"]


def test_the_last_active_context_is_not_undefined():
    bench = attached_bench()
    for line in (SECOND, "AT+CGACT=1,2", "AT+CGACT=0,1"):
        assert bench.command(line) == ["OK"]
    assert bench.command("AT+CGDCONT=2") == ["+CME ERROR: 171"]
    assert bench.command("AT+CGDCONT?") == [FACTORY, SECOND_ROW, "OK"]
    assert bench.command("AT+CGACT?") == ["+CGACT: 1,0", "+CGACT: 2,1", "OK"]
    bench.command("AT+CGACT=1,1")
    assert bench.command("AT+CGDCONT=2") == ["OK"]
    assert bench.command("AT+CGACT?") == ["+CGACT: 1,1", "OK"]


def test_a_bearer_id_stays_as_long_as_its_context():
    bench = attached_bench()

    def bearer_ids():
        *rows, _ = bench.command("AT+CGCONTRDP")
        return [row.split(",")[:2] for row in rows]

    bench.command(SECOND)
    bench.command("AT+CGACT=1,2")
    assert bearer_ids() == [["+CGCONTRDP: 1", "5"], ["+CGCONTRDP: 2", "6"]]
    bench.command("AT+CGACT=0,1")
    assert bearer_ids() == [["+CGCONTRDP: 2", "6"]]
    bench.command("AT+CGACT=1,1")
    assert bearer_ids() == [["+CGCONTRDP: 1", "5"], ["+CGCONTRDP: 2", "6"]]


def test_a_type_is_in_force_after_the_next_activation():
    bench = attached_bench()
    bench.command(SECOND)
    bench.command("AT+CGACT=1,2")
    bench.command('AT+CGDCONT=2,"IPV6","six"')
    assert bench.command("AT+CGPADDR=2")[0] == '+CGPADDR: 2,"10.0.0.3"'
    bench.command("AT+CGACT=0,2")
    bench.command("AT+CGACT=1,2")
    assert bench.command("AT+CGPADDR=2")[0].startswith('+CGPADDR: 2,"32.1.13.184.')


def test_an_apn_is_in_force_after_the_next_activation():
    bench = attached_bench()
    bench.command('AT+CGDCONT=1,"IP","iot.example"')
    assert '"internet"' in bench.command("AT+CGCONTRDP=1")[0]
    bench.command("AT+COPS=2")
    bench.command("AT+COPS=0")
    bench.run(10)
    assert '"iot.example"' in bench.command("AT+CGCONTRDP=1")[0]


def test_a_second_context():
    bench = attached_bench()
    assert bench.command(SECOND) == ["OK"]
    assert bench.command("AT+CGACT?") == ["+CGACT: 1,1", "+CGACT: 2,0", "OK"]
    assert bench.command("AT+CGACT=1,2") == ["OK"]
    assert bench.command("AT+CGACT?") == ["+CGACT: 1,1", "+CGACT: 2,1", "OK"]
    assert bench.command("AT+CGPADDR")[:2] == ['+CGPADDR: 1,"10.0.0.2"', '+CGPADDR: 2,"10.0.0.3"']
    assert bench.command("AT+CGCONTRDP=2")[0].startswith('+CGCONTRDP: 2,6,"private.example",')
    assert bench.command("AT+CGACT=0,1") == ["OK"]  # one is left
    assert bench.command("AT+CGACT?") == ["+CGACT: 1,0", "+CGACT: 2,1", "OK"]
    assert bench.command("AT+CGACT=0,2") == ["+CME ERROR: 171"]
    assert bench.command("AT+CGACT=1,1,2") == ["OK"]
    assert bench.command("AT+CGACT=0,1,2") == ["+CME ERROR: 171"]
    contexts = bench.module.state()["contexts"]
    assert [(row["cid"], row["apn"], row["active"]) for row in contexts] == [
        (1, "", True),
        (2, "private.example", True),
    ]
    bench.command("AT+CFUN=0")
    assert bench.command("AT+CGACT?") == ["+CGACT: 1,0", "+CGACT: 2,0", "OK"]
    bench.command("AT+CFUN=1")
    bench.run(10)
    assert bench.command("AT+CGACT?") == ["+CGACT: 1,1", "+CGACT: 2,0", "OK"]


def test_ipv6_address():
    bench = attached_bench()
    bench.command('AT+CGDCONT=3,"IPV6","six"')
    bench.command("AT+CGACT=1,3")
    assert bench.command("AT+CGPADDR=3")[0] == (
        '+CGPADDR: 3,"32.1.13.184.0.0.0.0.0.0.0.0.0.0.0.4"'
    )
    row = bench.command("AT+CGCONTRDP=3")[0]
    _, _, apn, address, gateway, *dns = row.split(",")
    assert apn == '"six"'
    assert address.startswith('"32.1.13.184.') and address.count(".") == 31
    assert [each.count(".") for each in (gateway, *dns)] == [15] * 3


# +CGEV


def test_events():
    bench = Bench(cmee=1)
    bench.command("AT+CGEREP=1")
    bench.command("AT+CEREG=1")
    assert bench.run(10) == ["+CEREG: 1", "+CGEV: ME PDN ACT 1"]
    bench.command(SECOND)
    assert bench.command("AT+CGACT=1,2") == ["OK", "+CGEV: ME PDN ACT 2"]
    assert bench.command("AT+CGACT=1,2") == ["OK"]
    assert bench.command("AT+CGACT=0,2") == ["OK", "+CGEV: ME PDN DEACT 2"]
    assert bench.command("AT+CFUN=0") == ["OK", "+CEREG: 0", "+CGEV: ME DETACH"]
    bench.command("AT+CFUN=1")
    bench.run(10)
    bench.do("sim denied")
    assert bench.run(1) == ["+CEREG: 3", "+CGEV: NW DETACH"]
    bench.do("sim ready")
    bench.run(10)
    bench.do("network lost")
    assert bench.run(1) == ["+CEREG: 2", "+CGEV: NW DETACH"]


def test_no_events_unless_asked_for():
    bench = Bench()
    assert bench.run(10) == []
    bench.do("bearer 1 down")
    assert bench.run(1) == []


def test_the_network_ends_a_context():
    bench = registered_bench(urcs=(0, 1))
    bench.command("AT+CGEREP=2,1")
    bench.do("bearer 1 down")
    assert bench.run(1) == ["+CGEV: NW PDN DEACT 1"]
    assert bench.command("AT+CGACT?") == ["+CGACT: 1,0", "OK"]
    assert bench.module.state()["cereg"] == 1
    assert bench.command("AT+CGACT=1,1") == ["OK", "+CGEV: ME PDN ACT 1"]
    bench.do("bearer 1 down")
    bench.do("bearer 1 up")
    assert bench.run(1) == ["+CGEV: NW PDN DEACT 1", "+CGEV: ME PDN ACT 1"]
    found = [entry[2:] for entry in bench.module.happened("bearer")]
    assert found == [(1, "up"), (1, "down")] * 2 + [(1, "up")]
    for wrong in ("bearer", "bearer 1", "bearer 1 sideways", "bearer x up"):
        assert run_verb(bench.module, wrong).startswith("error: expected: bearer"), wrong
    assert run_verb(bench.module, "bearer 2 up") == "error: there is no network, or no context 2"


def test_the_vendors_urc_tells_what_the_network_ended():
    bench = attached_bench(uupsdd=True)
    bench.command(SECOND)
    bench.command("AT+CGACT=1,2")
    assert bench.command("AT+CGACT=0,2") == ["OK"]
    bench.command("AT+CGACT=1,2")
    bench.do("bearer 2 down")
    assert bench.run(1) == ["+UUPSDD: 2"]
    bench.command("AT+CGACT=1,2")
    bench.command("AT+CGEREP=1")
    bench.do("network lost")
    assert bench.run(1) == ["+CGEV: NW DETACH", "+UUPSDD: 1", "+UUPSDD: 2"]
    bench.do("network back")
    bench.run(10)
    assert bench.command("AT+CFUN=0") == ["OK", "+CGEV: ME DETACH"]


@pytest.mark.parametrize(("mode", "lost"), [(1, True), (2, False)])
def test_events_may_be_lost_while_the_port_is_busy(mode, lost):
    bench = attached_bench(cgev_lost_when_busy=True)
    bench.command(f"AT+CGEREP={mode}")
    bench.module.receive(b"AT+CF", bench.now_s)
    bench.pass_time(0.01)
    bench.do("bearer 1 down")
    assert bench.run(2) == ([] if lost else ["+CGEV: NW PDN DEACT 1"])
