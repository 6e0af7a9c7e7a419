"""Network and datagrams of the library through the simulated module, on virtual time."""

import pytest
from lexisim import Config, Module
from lockstep import SCENARIOS, Node, World

SCRIPT = SCENARIOS / "udp_node.py"
CONFIG = {"factory_mode": 0, "boot_dead_s": 5.0, "attach_s": 5.0, "boot_noise": b""}
PEER = ("192.0.2.1", 5683)
KINDS = ((), ("bare=1",), ("blocking=1",))


class Site:
    """A node, its module and an echoing peer."""

    def __init__(self, folder, *arguments, steps=(), config=None, **options):
        self.module = Module(Config(**{**CONFIG, **(config or {})}))
        self.world = World(self.module, limit_s=60)
        self.peer = self.module.internet.peer(*PEER)
        self.peer.on_datagram = self.peer.send
        self.node = Node(self.world, SCRIPT, *arguments, store_dir=folder, **options)
        self.node.start()
        for at_s, what in steps:
            self.world.at(at_s, what)

    def run(self, until_s):
        self.world.run(until_s)
        assert self.node.output() == ""
        state = self.module.state()
        for name in (
            "gap_violations",
            "urc_gap_violations",
            "prompt_violations",
            "harm",
            "overlaps",
        ):
            assert state[name] == 0, name
        return self

    def values(self, name):
        return [what[name] for _, what in self.node.reports if name in what]

    @property
    def heard(self):
        return [int.from_bytes(data, "big") for _, data, _ in self.peer.received]

    @property
    def ports(self):
        return list(dict.fromkeys(source[1] for _, _, source in self.peer.received))


@pytest.fixture
def build(tmp_path):
    """A function that makes a Site; all end with the test."""
    sites = []

    def build(*arguments, **options):
        folder = tmp_path / str(len(sites))
        folder.mkdir()
        sites.append(Site(folder, *arguments, **options))
        return sites[-1]

    yield build
    for site in sites:
        site.world.close()


def numbers(first, last):
    return list(range(first, last + 1))


@pytest.mark.parametrize("kind", KINDS)
def test_there_and_back(build, kind):
    site = build(*kind).run(600)
    last = site.values("sent")[-1]
    assert last > 50
    assert site.heard == site.values("sent") == site.values("got") == numbers(1, last)
    assert site.values("connected") == [True]
    assert not site.values("rebuilt") and not site.values("full")


def test_what_the_network_knows(build):
    site = build().run(60)
    assert site.values("signal") == [[-91, -10.0]]
    (utc,) = site.values("utc")
    assert 1767225600 <= utc <= 1767225620  # 1 January 2026
    assert site.values("changed") == [False]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "what",
    [
        "socket 0 closed",
        "bearer 1 down",
        "network lost 30",
        "sim denied",
        "reboot",
        "reboot silent",
    ],
)
def test_the_socket_comes_back(build, kind, what):
    """Nothing comes twice, and all is well half a minute after the network is."""
    steps = [(100.3, what), (101, "bearer 1 up")] if what.startswith("bearer") else [(100.3, what)]
    if what == "sim denied":
        steps.append((130, "sim ready"))
    site = build(*kind, steps=steps).run(600)
    sent, got, heard = site.values("sent"), site.values("got"), site.heard
    last = sent[-1]
    assert sorted(sent + site.values("full")) == numbers(1, last)
    assert len(set(got)) == len(got) and len(set(heard)) == len(heard)
    assert set(got) >= set(numbers(1, 7)) | set(numbers(22, last))
    assert site.values("rebuilt") == [1]
    assert len(site.ports) == 2


def test_a_lost_bearer_that_nobody_tells_of(build):
    steps = [(100, "bearer 1 down"), (130, "bearer 1 up")]
    site = build(steps=steps, config={"uusocl": False}).run(600)
    assert site.values("rebuilt") == [1]
    assert site.values("got")[-20:] == site.values("sent")[-20:]


def test_a_restart_is_told_at_once(build):
    """With Lexi, which hears event 5."""
    site = build("period=600", steps=[(100, "reboot")]).run(590)
    assert site.values("rebuilt") == [1]
    (at_s,) = [at_s for at_s, what in site.node.reports if "rebuilt" in what]
    assert at_s < 130


@pytest.mark.parametrize(
    "options",
    [
        {"uusorf": "once"},
        {"uusorf_size": "first"},
        {"uusorf": "once", "uusorf_size": "first"},
        {"uusord": True},
        {"usorf_empty": "error"},
        {"usorf_rest": "kept"},
        {"defer_urcs": False},
        {"busy_input": "drop"},
    ],
)
def test_whatever_the_module_does(build, options):
    def burst():
        for number in range(1000, 1010):
            site.peer.send(number.to_bytes(4, "big"), site.peer.received[-1][2])

    site = build(config=options)
    site.world.at(95, burst)
    site.world.at(200, 'swallow "+UUSOR" 1')
    site.run(400)
    got = site.values("got")
    assert sorted(set(got)) == sorted(got)
    assert set(got) == set(site.values("sent")) | set(range(1000, 1010))


def test_faults_on_the_way(build):
    config = {"udp_loss": 0.3, "udp_duplicate": 0.1}
    site = build("period=2", config=config, steps=[(1, "udp delay 0 1.5")]).run(1000)
    counts = site.module.state()["datagrams"]
    assert len(site.values("got")) == counts["in"] > 200
    assert site.values("sent") == numbers(1, site.values("sent")[-1])


def test_a_port_of_the_nat_is_not_a_new_socket(build):
    site = build(steps=[(100, "nat rebind")]).run(300)
    assert len(site.ports) == 2
    assert site.values("got") == site.values("sent")
    assert not site.values("rebuilt")


def test_names(build):
    steps = [(60, "dns server.example 192.0.2.1")]
    site = build("host=server.example", steps=steps).run(300)
    assert site.values("got") == site.values("sent")
    assert site.values("full")  # before the name was known
    sent = set(site.values("sent"))
    assert sent.isdisjoint(site.values("full"))


def test_strangers_are_not_served(build):
    site = build(steps=[(101, "datagram 0 3939"), (102, "datagram 0 3939 192.0.2.1:5684")]).run(
        200
    )
    assert site.values("got") == site.values("sent")


def test_sockets_of_an_earlier_life_are_closed(build):
    site = build()
    for life in range(12):
        site.world.at(100 + 60 * life, site.node.reset)
    site.run(900)
    assert site.values("connected") == [True] * 13
    assert site.values("got")[-5:] == site.values("sent")[-5:]
    assert len(site.module.state()["sockets"]) <= 7


@pytest.mark.parametrize("kind", KINDS)
def test_a_mute_module_and_a_full_queue(build, kind):
    site = build(*kind, steps=[(101, "mute 200")]).run(600)
    sent = site.values("sent")
    assert len(site.values("full")) > 5
    assert set(sent).isdisjoint(site.values("full"))
    assert sorted(sent) == sent
    assert site.values("got")[-10:] == sent[-10:]
    assert len(set(site.heard)) == len(site.heard)


@pytest.mark.parametrize("at_s", [100.6, 100.61, 100.62, 100.63, 100.65, 100.68, 100.7, 100.72])
def test_a_restart_in_the_middle_of_a_datagram(build, at_s):
    site = build(steps=[(at_s - 40, lambda: None)])
    site.world.run(60)
    # Shortly after a datagram begins to leave.
    begins = [at for at, what in site.node.reports if "sent" in what][-1] + 10
    site.world.at(begins + at_s - 100.7, "reboot silent")
    site.run(400)
    assert len(set(site.heard)) == len(site.heard)
    assert site.values("sent") == numbers(1, site.values("sent")[-1])
    assert site.values("got")[-10:] == site.values("sent")[-10:]
    assert site.values("rebuilt")[-1] >= 1


# Network


def commands(site, prefix):
    return [entry[2] for entry in site.module.happened("command", prefix=prefix)]


def test_apn_is_written_once(build):
    site = build("apn=iot.example")
    site.world.at(200, site.node.reset)
    site.run(400)
    assert commands(site, "AT+CGDCONT=") == ['AT+CGDCONT=1,"IP","iot.example"']
    assert commands(site, "AT+CGAUTH=") == []
    assert site.values("changed") == [True, False]
    assert site.values("connected") == [True, True]
    assert site.module.bearers.apn(1) == "iot.example"


def test_the_pin_is_entered(build):
    site = build("pin=1234", config={"pin_required": True})
    site.world.at(200, "reboot silent")
    site.world.at(230, site.node.reset)
    site.run(300)
    assert commands(site, "AT+CPIN=") == ['AT+CPIN="1234"'] * 2
    assert site.values("connected") == [True, True]


def test_a_wrong_pin_is_entered_once_for_good(build):
    site = build("pin=4321", config={"pin_required": True})
    for life in range(5):
        site.world.at(200 + life * 100, site.node.reset)
    site.world.run(800)
    assert commands(site, "AT+CPIN=") == ['AT+CPIN="4321"']
    assert site.values("connected") == [False] * 6
    assert set(site.values("sim")) == {2}
    assert "4321" not in site.node.output()
