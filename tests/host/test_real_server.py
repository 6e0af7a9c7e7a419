"""The simulated module with a real LwM2M server: its codes follow what really happens.

Whether the module is registered is read from the server's own registry. Needs Node.js.
"""

import time
from contextlib import contextmanager

import aiocoap
import pytest
import realserver
from lexisim import Config
from lexisim.accounts import parse_server
from lexisim.options import split_address
from realserver import CodeServer, RealServer, Simulator, UdpProxy, until

SPEED = 50
ENDPOINT = "urn:imei:004999010640000"
# An update every 30 module seconds; given up after 62, at most 93.
SHORT = "lifetime_s=60"
TWO_ATTEMPTS = "attempts=2:retry_delay_s=10"
TWO_FAILURES = ("1,721,2", "1,721,1", "1,721,2", "1,721,4")
URCS_ON = "AT+ULWM2MSTAT=1,1"


@pytest.fixture
def server():
    why = realserver.missing()
    if why is not None:
        pytest.fail(why, pytrace=False)
    with RealServer() as real_server:
        yield real_server


def module(*servers, arguments=()):
    """A module whose client is on from the start."""
    options = [option for each in servers for option in ("--server", each)]
    return Simulator("--mode", 0, "--speed", SPEED, *options, *arguments)


def urcs_on(simulator):
    simulator.wait_for_boot()
    simulator.at(URCS_ON)


@contextmanager
def watched(*servers):
    """A module whose URCs are on before its client is: all codes are seen."""
    with module(*servers, arguments=("--mode", 1)) as simulator:
        urcs_on(simulator)
        simulator.at("AT+ULWM2M=0")
        simulator.at("AT+CFUN=16")
        yield simulator


@pytest.mark.slow
def test_server_dies_and_comes_back(server):
    with module(f"{server.uri}:{SHORT}") as simulator:
        urcs_on(simulator)
        device = server.wait_for_device(ENDPOINT)
        assert device["lifetime"] == 60
        simulator.wait_for_code(3)
        until(lambda: server.count("update") >= 2, "two updates")
        simulator.wait_for_urcs("1,721,5", "1,721,3", "1,721,5", "1,721,3")

        server.kill()
        simulator.wait_for_urcs("1,721,5", "1,721,4")
        server.start()
        assert server.devices() == {}
        time.sleep(0.5)  # 25 module seconds: time enough for a client that tried again
        assert simulator.code() == 4
        assert server.devices() == {}

        simulator.at("AT+ULWM2MREG=721")
        server.wait_for_device(ENDPOINT)
        simulator.wait_for_urcs("1,721,4", "1,721,2", "1,721,3")


def test_server_forgets_the_registration(server):
    with module(f"{server.uri}:{SHORT}") as simulator:
        urcs_on(simulator)
        device = server.wait_for_device(ENDPOINT)
        assert server.ask(f"forget {device['id']}") == {"forget": ENDPOINT}
        simulator.wait_for_urcs("1,721,5", "1,721,4")
        simulator.at("AT+ULWM2MREG=721")
        assert server.wait_for_device(ENDPOINT)["id"] != device["id"]
        simulator.wait_for_code(3)


def test_requests_of_the_server(server):
    with module(server.uri) as simulator:
        device = server.wait_for_device(ENDPOINT)
        simulator.wait_for_code(3)
        number = device["id"]
        assert server.ask(f"read {number} /3/0/1") == {"read": "LEXI-R10401D"}
        assert server.ask(f"read {number} /1/0/1") == {"read": "86400"}
        assert "error" in server.ask(f"read {number} /3300/0/5700")
        assert server.ask(f"execute {number} /1/0/8") == {"execute": "/1/0/8"}
        until(lambda: server.count("update") == 1, "the update that was asked for")
        simulator.wait_for_code(3)


def test_orders_to_the_module(server):
    with module(server.uri, arguments=("--endpoint", "sensor-7")) as simulator:
        urcs_on(simulator)
        first = server.wait_for_device("sensor-7")
        assert simulator.control("reboot") == "ok"
        until(lambda: server.count("registration") == 2, "a registration after the reboot")
        assert server.devices()["sensor-7"]["id"] != first["id"]
        simulator.wait_for_code(3)
        simulator.at("AT+ULWM2M=1,0")
        until(lambda: server.devices() == {}, "the deregistration")
        simulator.wait_for_code(0)


@pytest.mark.slow
def test_simulated_faults_stand_before_the_real_server(server):
    with module(f"{server.uri}:{SHORT}:{TWO_ATTEMPTS}") as simulator:
        urcs_on(simulator)
        server.wait_for_device(ENDPOINT)
        assert simulator.control("server 721 down") == "ok"
        simulator.wait_for_code(4)
        updates = server.count("update")
        assert simulator.control("server 721 reject") == "ok"
        simulator.at("AT+ULWM2MREG=721")
        simulator.wait_for_urcs(*TWO_FAILURES)
        assert (server.count("registration"), server.count("update")) == (1, updates)
        assert simulator.control("server 721 up") == "ok"
        simulator.at("AT+ULWM2MREG=721")
        until(lambda: server.count("registration") == 2, "a registration")
        simulator.wait_for_code(3)


def test_two_servers(server):
    other = CodeServer(aiocoap.CREATED)
    with other, module(server.uri, f"123={other.uri}", arguments=("--endpoint", "e")) as simulator:
        server.wait_for_device("e")
        simulator.wait_for_code(3, 721)
        simulator.wait_for_code(3, 123)
        assert other.requests == [("POST", "/rd")]
        server.kill()
        assert simulator.code(123) == 3


def test_lost_datagrams_are_sent_again(server):
    with UdpProxy(server.port) as proxy:
        proxy.lose_next["up"] = 2
        with module(proxy.uri) as simulator:
            server.wait_for_device(ENDPOINT)
            simulator.wait_for_code(3)
            assert proxy.lost["up"] == 2
            assert server.count("registration") == 1


@pytest.mark.slow
def test_server_out_of_reach(server):
    with UdpProxy(server.port) as proxy:
        proxy.lose.add("up")
        with watched(f"{proxy.uri}:{TWO_ATTEMPTS}") as simulator:
            simulator.wait_for_urcs(*TWO_FAILURES)
            assert proxy.lost["up"] == 10  # twice a request and four retransmissions
            assert server.devices() == {}
            proxy.lose.clear()
            simulator.at("AT+ULWM2MREG=721")
            server.wait_for_device(ENDPOINT)
            simulator.wait_for_code(3)


@pytest.mark.slow
def test_answers_lost(server):
    with UdpProxy(server.port) as proxy:
        proxy.lose.add("down")
        with watched(f"{proxy.uri}:attempts=1") as simulator:
            server.wait_for_device(ENDPOINT)  # the server believes so, the module does not
            simulator.wait_for_urcs("1,721,2", "1,721,4")
            assert server.count("registration") == 1


def test_refused_registration():
    with CodeServer(aiocoap.FORBIDDEN) as refusing:
        with watched(f"{refusing.uri}:{TWO_ATTEMPTS}") as simulator:
            simulator.wait_for_urcs(*TWO_FAILURES)
            assert refusing.requests == [("POST", "/rd")] * 2
            refusing.code = aiocoap.CREATED
            simulator.at("AT+ULWM2MREG=721")
            simulator.wait_for_code(3)


def test_refused_update():
    with CodeServer(aiocoap.CREATED) as refusing:
        with module(f"{refusing.uri}:{SHORT}") as simulator:
            urcs_on(simulator)
            simulator.wait_for_code(3)
            refusing.code = aiocoap.BAD_REQUEST
            simulator.wait_for_urcs("1,721,5", "1,721,4")
            assert refusing.requests[-1] == ("POST", "/rd/1")


def test_server_argument():
    spec = parse_server("123=coap://[::1]:5690:lifetime_s=300")
    assert (spec.server_id, spec.uri, spec.real) == (123, "[::1]:5690", True)
    assert (spec.lifetime_s, spec.exchange_jitter) == (300, 0.5)
    assert split_address(spec.uri) == ("::1", 5690)
    spec = parse_server("coap://lwm2m.example.org")
    assert (spec.server_id, split_address(spec.uri)) == (721, ("lwm2m.example.org", 5683))
    assert not parse_server("721").real


@pytest.mark.parametrize("address", ["", "host:", "host:0", "host:70000", "::1", "a b", "h/rd"])
def test_bad_server_address(address):
    with pytest.raises(ValueError, match="expected HOST:PORT"):
        Config(servers=[parse_server(f"coap://{address}")]).check()
