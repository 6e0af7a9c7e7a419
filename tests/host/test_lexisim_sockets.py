"""Simulated module: UDP sockets, names, and what can happen to a datagram. Fake clock."""

import socket

import pytest
from lexisim import Config, run_verb
from test_lexisim_bench import Bench, lines
from test_lexisim_cli import Control, simulator
from test_lexisim_network import attached_bench

PEER = ("192.0.2.1", 5683)
SEND = 'AT+USOST=0,"192.0.2.1",5683,%d'


class SocketBench:
    """A registered module with socket 0 open and a peer."""

    def __init__(self, answer=None, **options):
        self.bench = attached_bench(udp_delay_s=0.1, **options)
        self.module = self.bench.module
        self.command, self.run, self.do = self.bench.command, self.bench.run, self.bench.do
        self.peer = self.module.internet.peer(*PEER)
        if answer == "echo":
            self.peer.on_datagram = self.peer.send
        assert self.command("AT+USOCR=17") == ["+USOCR: 0", "OK"]

    def send(self, data, pause_s=0.05):
        """Send in binary; returns what came on the line up to the prompt, and behind the data."""
        first = self.bench.raw((SEND % len(data)).encode() + b"\r", 0.1)
        self.bench.pass_time(pause_s)
        self.module.receive(data, self.bench.now_s)
        return first, self.bench.pass_time(0.09 + len(data) * 1e-4)

    @property
    def heard(self):
        return [data for _, data, _ in self.peer.received]

    def state(self):
        return self.module.state()["sockets"]


ANSWERS = [
    # line, answer with socket 0 open
    ("AT+USOCR=17", ["+USOCR: 1", "OK"]),
    ("AT+USOCR=17,5683", ["+USOCR: 1", "OK"]),
    ("AT+USOCR=6", ["+CME ERROR: 4"]),
    ("AT+USOCR=18", ["+CME ERROR: 50"]),
    ("AT+USOCR=17,0", ["+CME ERROR: 50"]),
    ("AT+USOCR?", ["+CME ERROR: 4"]),
    ("AT+USOCL=0", ["OK"]),
    ("AT+USOCL=1", ["+CME ERROR: 3"]),
    ("AT+USOCL=7", ["+CME ERROR: 50"]),
    ('AT+USOST=0,"192.0.2.1",5683,4,"ping"', ["+USOST: 0,4", "OK"]),
    ('AT+USOST=0,"192.0.2.1",5683,4,"a,b;"', ["+USOST: 0,4", "OK"]),
    ('AT+USOST=0,"192.0.2.1",5683,5,"ping"', ["+CME ERROR: 50"]),
    ('AT+USOST=1,"192.0.2.1",5683,4,"ping"', ["+CME ERROR: 3"]),
    ('AT+USOST=0,"192.0.2.256",5683,4', ["+CME ERROR: 50"]),
    ("AT+USOST=0,192.0.2.1,5683,4", ["+CME ERROR: 50"]),
    ('AT+USOST=0,"192.0.2.1",5683,0', ["+CME ERROR: 50"]),
    ('AT+USOST=0,"192.0.2.1",5683,1025', ["+CME ERROR: 50"]),
    ("AT+USORF=0,0", ["+USORF: 0,0", "OK"]),
    ("AT+USORF=0,1024", ['+USORF: 0,""', "OK"]),
    ("AT+USORF=0,1025", ["+CME ERROR: 50"]),
    ("AT+USORF=1,0", ["+CME ERROR: 3"]),
    ("AT+USORD=0,0", ["+USORD: 0,0", "OK"]),
    ("AT+USORD=0,8", ['+USORD: 0,""', "OK"]),
    ("AT+USOWR=0,4", ["+CME ERROR: 3"]),
    ('AT+USOCO=0,"192.0.2.1",5683', ["OK"]),
    ("AT+USOCTL=0,0", ["+USOCTL: 0,0,17", "OK"]),
    ("AT+USOCTL=0,2", ["+USOCTL: 0,2,0", "OK"]),
    ("AT+USOCTL=0,10", ["+CME ERROR: 50"]),
    ("AT+USOER", ["+USOER: 0", "OK"]),
    ('AT+UDNSRN=1,"192.0.2.1"', ["+CME ERROR: 50"]),
    ("AT+UDNSRN=0,localhost", ["+CME ERROR: 50"]),
]


@pytest.mark.parametrize(("line", "expected"), ANSWERS)
def test_answer(line, expected):
    assert SocketBench().command(line) == expected


def test_there_are_seven():
    bench = SocketBench()
    for number in range(1, 7):
        assert bench.command("AT+USOCR=17") == [f"+USOCR: {number}", "OK"]
    assert bench.command("AT+USOCR=17") == ["+CME ERROR: 3"]
    assert bench.command("AT+USOER") == ["+USOER: 1", "OK"]
    bench.command("AT+USOCL=3")
    assert bench.command("AT+USOCR=17") == ["+USOCR: 3", "OK"]


@pytest.mark.parametrize(
    "data", [b"x", b"@", b"AT\r", b"\r\nOK\r\n", b"\0\x15\x1a;", bytes(range(256)), b"\0" * 1024]
)
def test_binary_there_and_back(data):
    bench = SocketBench("echo")
    prompt, answer = bench.send(data)
    assert prompt == b"\r\n@"
    assert lines(answer) == [f"+USOST: 0,{len(data)}", "OK"]
    assert bench.run(1) == [f"+UUSORF: 0,{len(data)}"]
    assert bench.heard == [data]
    back = b'\r\n+USORF: 0,"192.0.2.1",5683,%d,"%s"\r\n\r\nOK\r\n' % (len(data), data)
    assert bench.bench.raw(b"AT+USORF=0,1024\r") == back
    assert bench.command("AT+USORF=0,1024") == ['+USORF: 0,""', "OK"]
    state = bench.module.state()
    assert (state["prompt_violations"], state["gap_violations"]) == (0, 0)
    assert [(row["sent"], row["received"]) for row in state["sockets"]] == [(len(data),) * 2]
    assert bench.command("AT+USOCTL=0,2") == [f"+USOCTL: 0,2,{len(data)}", "OK"]


def test_data_too_soon_after_the_prompt_are_counted():
    bench = SocketBench()
    prompt = bench.bench.raw((SEND % 3).encode() + b"\r", 0.015)
    assert prompt == b"\r\n@"
    bench.module.receive(b"abc", bench.bench.now_s)
    bench.run(1)
    assert bench.module.state()["prompt_violations"] == 1


def test_a_prompt_waits_for_ever_and_holds_urcs_back():
    bench = SocketBench()
    assert bench.bench.raw((SEND % 4).encode() + b"\r", 5) == b"\r\n@"
    bench.do("urc +TEST: 1")
    assert bench.bench.raw(b"AT\r", 600) == b""
    assert lines(bench.bench.raw(b"x")) == ["+USOST: 0,4", "OK", "+TEST: 1"]
    assert bench.heard == [b"AT\rx"]
    assert bench.command("AT") == ["OK"]


def test_a_restart_ends_a_prompt_and_every_socket():
    bench = SocketBench()
    bench.bench.raw((SEND % 4).encode() + b"\r")
    bench.do("reboot silent")
    bench.run(15)
    bench.module.port.echo = False
    bench.command("AT+CMEE=1")
    assert bench.command("AT") == ["OK"]
    assert bench.state() == []
    assert bench.command("AT+USORF=0,0") == ["+CME ERROR: 3"]
    assert bench.command("AT+USOCR=17") == ["+USOCR: 0", "OK"]


def test_hexadecimal():
    bench = SocketBench("echo")
    bench.command("AT+UDCONF=1,1")
    assert bench.command((SEND % 4) + ',"400100FF"') == ["+USOST: 0,4", "OK", "+UUSORF: 0,4"]
    assert bench.heard == [bytes.fromhex("400100FF")]
    expected = ['+USORF: 0,"192.0.2.1",5683,4,"400100FF"', "OK"]
    assert bench.command("AT+USORF=0,512") == expected
    assert bench.command((SEND % 4) + ',"40010"') == ["+CME ERROR: 50"]
    assert bench.command("AT+USORF=0,513") == ["+CME ERROR: 50"]


def test_connected():
    bench = SocketBench("echo")
    bench.command('AT+USOCO=0,"192.0.2.1",5683')
    assert bench.bench.raw(b"AT+USOWR=0,3\r") == b"\r\n@"
    assert lines(bench.bench.raw(b"abc")) == ["+USOWR: 0,3", "OK", "+UUSORF: 0,3"]
    assert bench.command("AT+USORD=0,1024") == ['+USORD: 0,3,"abc"', "OK"]


@pytest.mark.parametrize(
    ("options", "urcs", "rest"),
    [
        ({}, ["0,3", "0,5", "0,9"], []),
        ({"uusorf_size": "first"}, ["0,3", "0,3", "0,3"], []),
        ({"uusorf": "once"}, ["0,3"], ["0,6"]),
        ({"uusorf": "once", "uusorf_size": "first"}, ["0,3"], ["0,2"]),
    ],
)
def test_how_arrivals_are_told(options, urcs, rest):
    bench = SocketBench(**options)
    for data in ("616161", "6262", "63636363"):
        bench.do(f"datagram 0 {data} 192.0.2.9:7")
    assert bench.run(1) == [f"+UUSORF: {urc}" for urc in urcs]
    told = [f"+UUSORF: {urc}" for urc in rest]
    assert bench.command("AT+USORF=0,1024") == ['+USORF: 0,"192.0.2.9",7,3,"aaa"', "OK", *told]
    assert bench.command("AT+USORF=0,0") == ["+USORF: 0,6", "OK"]


def test_uusord_in_its_place():
    bench = SocketBench(uusord=True)
    bench.do("datagram 0 00")
    assert bench.run(1) == ["+UUSORD: 0,1"]


@pytest.mark.parametrize(
    ("rest", "next_line"), [("dropped", '""'), ("kept", '"192.0.2.99",5683,1,"c"')]
)
def test_a_short_read(rest, next_line):
    bench = SocketBench(usorf_rest=rest)
    bench.do("datagram 0 616263")
    bench.run(1)
    assert bench.command("AT+USORF=0,2")[0] == '+USORF: 0,"192.0.2.99",5683,2,"ab"'
    assert bench.command("AT+USORF=0,2")[0] == f"+USORF: 0,{next_line}"


def test_nothing_to_read_can_be_an_error():
    bench = SocketBench(usorf_empty="error")
    assert bench.command("AT+USORF=0,8") == ["+CME ERROR: 3"]


@pytest.mark.parametrize("received", [False, True])
def test_a_datagram_without_a_byte(received):
    bench = SocketBench(empty_datagrams=received)
    bench.do("datagram 0 empty")
    assert bench.run(1) == (["+UUSORF: 0,0"] if received else [])
    expected = '"192.0.2.99",5683,0,""' if received else '""'
    assert bench.command("AT+USORF=0,8")[0] == f"+USORF: 0,{expected}"


def test_the_room_of_a_socket_is_bounded():
    bench = SocketBench(socket_room=10)
    for _ in range(3):
        bench.do("datagram 0 0000000000")
    assert bench.run(1) == ["+UUSORF: 0,5", "+UUSORF: 0,10"]
    assert len(bench.module.happened("datagram", "in", "dropped")) == 1


# The end of sockets


@pytest.mark.parametrize(
    ("verb", "options", "urcs"),
    [
        ("bearer 1 down", {}, ["+UUSOCL: 0", "+UUSOCL: 1"]),
        ("bearer 1 down", {"uupsdd": True}, ["+UUPSDD: 1", "+UUSOCL: 0", "+UUSOCL: 1"]),
        ("bearer 1 down", {"uusocl": False}, []),
        ("network lost", {}, ["+UUSOCL: 0", "+UUSOCL: 1"]),
        ("sim denied", {}, ["+UUSOCL: 0", "+UUSOCL: 1"]),
        ("socket 1 closed", {}, ["+UUSOCL: 1"]),
    ],
)
def test_sockets_that_end(verb, options, urcs):
    bench = SocketBench(**options)
    bench.command("AT+USOCR=17")
    bench.do(verb)
    assert bench.run(1) == urcs
    expected = ["+CME ERROR: 3"]
    assert bench.command(SEND.replace("0", "1", 1) % 1 + ',"x"') == expected


def test_a_socket_of_another_context():
    bench = SocketBench()
    bench.command('AT+CGDCONT=2,"IP","private.example"')
    bench.command("AT+CGACT=1,2")
    bench.command("AT+UDCONF=19,2,0")
    bench.command("AT+USOCR=17")
    bench.do("bearer 1 down")
    assert bench.run(1) == ["+UUSOCL: 0"]
    assert [(row["id"], row["cid"]) for row in bench.state()] == [(1, 2)]


def test_without_a_network():
    bench = Bench(cmee=1)
    assert bench.command("AT+USOCR=17") == ["+CME ERROR: 30"]
    assert bench.command('AT+UDNSRN=0,"localhost"') == ["+CME ERROR: 30"]
    assert Bench(socket_needs_bearer=False).command("AT+USOCR=17") == ["+USOCR: 0", "OK"]


def test_a_prompt_while_the_bearer_ends():
    bench = SocketBench()
    bench.bench.raw((SEND % 1).encode() + b"\r")
    bench.do("bearer 1 down")
    assert lines(bench.bench.raw(b"x")) == ["+CME ERROR: 3", "+UUSOCL: 0"]
    assert bench.heard == []


def test_radio_off_by_the_host_ends_sockets_too():
    bench = SocketBench()
    assert bench.command("AT+CFUN=0") == ["OK", "+UUSOCL: 0"]


# Names


def test_names():
    bench = SocketBench()
    assert bench.command('AT+UDNSRN=0,"LOCALHOST"') == ["OK", '+UUDNSRN: 0,"127.0.0.1"']
    assert bench.command('AT+UDNSRN=0,"192.0.2.7"') == ["OK", '+UUDNSRN: 0,"192.0.2.7"']
    assert bench.command('AT+UDNSRN=0,"server.example"') == ["OK", "+UUDNSRN: 1"]
    bench.do("dns server.example 192.0.2.33")
    assert bench.command('AT+UDNSRN=0,"server.example"') == ["OK", '+UUDNSRN: 0,"192.0.2.33"']
    bench.do("dns server.example none")
    assert bench.command('AT+UDNSRN=0,"server.example"') == ["OK", "+UUDNSRN: 1"]


def test_names_as_siblings_answer():
    bench = SocketBench(dns_answer="text", dns="a.example=192.0.2.33")
    assert bench.command('AT+UDNSRN=0,"a.example"') == ['+UDNSRN: "192.0.2.33"', "OK"]
    assert bench.command('AT+UDNSRN=0,"b.example"') == ["+CME ERROR: 3"]


def test_names_have_to_be_a_list():
    with pytest.raises(ValueError, match="dns: expected"):
        Config(dns="a.example").check()


# The way


def sent(bench, count):
    for number in range(count):
        bench.send(b"%03d" % number)
    bench.run(5)
    return bench.heard


def test_loss_and_duplicates():
    assert len(sent(SocketBench(), 40)) == 40
    assert sent(SocketBench(udp_loss=1.0), 5) == []
    bench = SocketBench(udp_loss=0.3, udp_duplicate=0.1)
    heard = sent(bench, 200)
    counts = bench.module.state()["datagrams"]
    assert 40 <= counts["lost"] <= 80
    assert 10 <= counts["duplicated"] <= 30
    assert len(heard) == 200 + counts["duplicated"] - counts["lost"]
    again = SocketBench(udp_loss=0.3, udp_duplicate=0.1)
    assert sent(again, 200) == heard
    assert sent(SocketBench(udp_loss=0.3, udp_duplicate=0.1, seed=1), 200) != heard


def test_verbs_of_the_way():
    bench = SocketBench("echo")
    bench.do("udp lose out 1")
    bench.send(b"a")
    bench.send(b"b")
    bench.do("udp lose in 1")
    bench.run(1)
    assert bench.heard == [b"b"]
    bench.send(b"c")
    assert bench.run(1) == ["+UUSORF: 0,1"]
    bench.do("udp delay 2 2")
    bench.send(b"d")
    assert (bench.run(1.5), bench.heard) == ([], [b"b", b"c"])
    assert bench.run(3) == ["+UUSORF: 0,2"]
    bench.do("udp loss 100 in")
    bench.do("udp duplicate 100")
    bench.do("udp delay 0")
    bench.send(b"e")
    assert bench.run(5) == []
    assert bench.heard == [b"b", b"c", b"d", b"e", b"e"]
    bench.do("udp ok")
    bench.send(b"f")
    assert bench.run(5) == ["+UUSORF: 0,3"]


def test_nat():
    bench = SocketBench()
    bench.send(b"a")
    bench.run(1)
    first = bench.peer.received[-1][2]
    bench.do("nat rebind")
    bench.peer.send(b"lost", first)
    assert bench.run(1) == []
    bench.send(b"b")
    bench.run(1)
    second = bench.peer.received[-1][2]
    assert first[0] == second[0] and first[1] != second[1]
    bench.peer.send(b"ok", second)
    assert bench.run(1) == ["+UUSORF: 0,2"]
    assert bench.state()[0]["external_port"] == second[1]


def test_nat_forgets_what_is_idle():
    bench = SocketBench("echo", nat_timeout_s=60)
    for pause_s in (50, 50, 70):
        bench.send(b"a")
        bench.run(pause_s)
    bench.send(b"a")
    bench.run(1)
    ports = [source[1] for _, _, source in bench.peer.received]
    assert ports[0] == ports[1] == ports[2] != ports[3]


def test_peers():
    bench = SocketBench()
    bench.do("peer 192.0.2.1:5683 echo")
    bench.send(b"a")
    assert bench.run(1) == ["+UUSORF: 0,1"]
    bench.do("peer 192.0.2.1:5683 none")
    bench.send(b"a")
    assert bench.run(1) == []
    assert bench.module.state()["datagrams"]["unreachable"] == 1


WRONG = [
    "udp",
    "udp loss",
    "udp loss 101",
    "udp loss 10 up",
    "udp delay 2 1",
    "udp lose out",
    "udp lose 1 out",
    "udp ok now",
    "nat",
    "dns name",
    "dns name example",
    "peer 192.0.2.1 echo",
    "peer name:1 echo",
    "peer 192.0.2.1:7 reply",
    "datagram 0",
    "datagram 0 xx",
    "datagram 5 00",
    "socket 0",
    "socket 5 closed",
]


@pytest.mark.parametrize("verb", WRONG)
def test_wrong_verbs(verb):
    assert run_verb(SocketBench().module, verb).startswith("error: ")


# Real UDP


def test_real_udp_on_loopback():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(20)
        port = server.getsockname()[1]
        arguments = ("--tcp", 0, "--control", 0, "--speed", 20, "--set", "echo=0")
        with simulator(*arguments) as (_, ports):
            host, number = ports["tcp"].split(":")
            control = Control(ports["control"])
            with socket.create_connection((host, int(number)), 20) as line:
                stream = line.makefile("rwb", buffering=0)

                def until(end):
                    data = b""
                    while not data.endswith(end):
                        data += stream.read(1)
                    return data

                def command(text):
                    stream.write(text + b"\r")
                    return until(b"OK\r\n")

                control.wait_for(lambda state: state["cereg"] == 1)
                command(b"AT")
                assert b"+USOCR: 0" in command(b"AT+USOCR=17")
                assert b"OK" in command(b'AT+UDNSRN=0,"localhost"')
                assert until(b'"\r\n').strip() == b'+UUDNSRN: 0,"127.0.0.1"'
                sources = []
                for data in (b"\r\n", b"OK"):
                    stream.write(b'AT+USOST=0,"127.0.0.1",%d,2\r' % port)
                    until(b"@")
                    stream.write(data)
                    assert b"+USOST: 0,2" in until(b"OK\r\n")
                    heard, source = server.recvfrom(100)
                    assert heard == data
                    sources.append(source)
                    server.sendto(b"\xff\x00@", source)
                    assert until(b"+UUSORF: 0,3\r\n").strip() == b"+UUSORF: 0,3"
                    answer = command(b"AT+USORF=0,1024")
                    assert b'+USORF: 0,"127.0.0.1",%d,3,"\xff\x00@"' % port in answer
                    control.ask("nat rebind")
                assert sources[0] != sources[1]
