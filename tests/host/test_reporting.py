"""A node's own LwM2M client over the sockets of the simulated module, on virtual time."""

import pytest
from aiocoap import Code
from lexisim import Config, Module
from lockstep import SCENARIOS, Node, World
from lwpeer import Server

SCRIPT = SCENARIOS / "report_node.py"
CONFIG = {"factory_mode": 1, "boot_dead_s": 5.0, "attach_s": 5.0, "boot_noise": b""}
PEER = ("192.0.2.1", 5683)

# Events of the client.
REGISTERED = 1
REGISTRATION_LOST = 6
REBUILT = 7
OBSERVATION_LOST = 12


class Site:
    """A reporting node, its module and its server."""

    def __init__(self, folder, *arguments):
        self.module = Module(Config(**CONFIG))
        self.world = World(self.module, limit_s=60)
        self.server = Server(self.module.internet.peer(*PEER), self.world)
        self.node = Node(self.world, SCRIPT, *arguments, store_dir=folder)
        self.node.start()

    def at(self, at_s, what):
        self.world.at(at_s, what)

    def run(self, until_s):
        self.world.run(until_s)
        assert self.node.output() == ""
        state = self.module.state()
        for name in ("gap_violations", "urc_gap_violations", "prompt_violations", "harm"):
            assert state[name] == 0, name
        return self

    def values(self, name):
        return [what[name] for _, what in self.node.reports if name in what]

    def count(self, event):
        return self.values("event").count(event)

    def up_to_date(self):
        """Whether the server has the latest value, and the node knows that of the one before."""
        at_s, _ = self.server.values[-1]
        behind = self.server.value - self.values("confirmed")[-1]
        return behind in (0, 1) and self.world.now_s - at_s < 301

    def doing(self):
        """(virtual second, what) of the supervisor's steps."""
        return [
            (at_s, what["says"].split(":")[0][6:])
            for at_s, what in self.node.reports
            if what.get("says", "").startswith("doing ")
        ]


@pytest.fixture
def build(tmp_path):
    """A function that makes a Site; all end with the test."""
    sites = []

    def build(*arguments):
        sites.append(Site(tmp_path, *arguments))
        return sites[-1]

    yield build
    for site in sites:
        site.world.close()


def test_registers_serves_and_reports(build):
    site = build()
    ask = site.server.ask
    site.at(200, lambda: ask(Code.PUT, "/3500/0/1", b"7"))
    site.at(210, lambda: ask(Code.POST, "/3500/0/0", b"5"))
    site.at(220, lambda: ask(Code.GET, "/3300/0/5701"))
    site.run(1000)
    ((at_s, queries),) = site.server.registrations
    assert at_s < 60
    assert queries["ep"] == "node-1"
    answers = site.server.answers
    assert answers["/3500/0/1"].code.dotted == answers["/3500/0/0"].code.dotted == "2.04"
    assert answers["/3300/0/5701"].payload == b"Cel"
    assert site.up_to_date()
    assert [float(value) for _, value in site.server.values] == list(range(17))
    assert (site.values("runs")[-1], site.values("counter")[-1]) == (1, 7)
    assert site.values("errors")[-1] == site.values("failures")[-1] == site.server.unknown == 0
    assert site.doing() == []


@pytest.mark.parametrize("what", ["socket 0 closed", "bearer 1 down", "reboot", "reboot silent"])
def test_reports_arrive_again_when_the_socket_is_back(build, what):
    """The client is told, registers anew, and is observed anew; nobody else has to help."""
    site = build()
    site.at(330, what)
    if what.startswith("bearer"):
        site.at(331, "bearer 1 up")
    site.run(900)
    assert site.count(REBUILT) == 1
    assert len(site.server.registrations) == 2
    assert site.server.registrations[1][0] < 480
    assert site.up_to_date()
    assert site.values("errors")[-1] == 0
    assert site.doing() == []


@pytest.mark.parametrize(
    "what", ["nat rebind", "network lost 120", "mute 100", "udp loss 30", "udp delay 3 9"]
)
def test_reports_arrive_whatever_happens_on_the_way(build, what):
    site = build()
    site.at(330, what)
    site.at(1200, "udp ok")
    site.run(1500)
    assert site.up_to_date()
    assert site.values("errors")[-1] == 0
    assert site.doing() == []


@pytest.mark.parametrize(
    ("arguments", "event"),
    [(("lifetime=86400",), OBSERVATION_LOST), (("lifetime=300", "period=900"), REGISTRATION_LOST)],
)
def test_a_server_that_forgets_has_the_client_back(build, arguments, event):
    """By the next report, or by the next Update."""
    site = build(*arguments)
    site.at(330, site.server.forget)
    site.run(940)
    assert site.count(event) == 1
    assert len(site.server.registrations) == 2
    assert site.server.registrations[1][0] < 450
    assert site.up_to_date()
    assert site.doing() == []


def test_a_server_that_is_away_for_long(build):
    """The client's own remedy comes first, then the steps for the module, within their caps."""
    away_s, back_s = 600, 40 * 3600
    site = build("period=300")
    site.at(away_s, lambda: setattr(site.server, "silent", True))
    site.at(back_s, lambda: setattr(site.server, "silent", False))
    site.at(back_s, site.server.forget)
    site.run(44 * 3600)
    steps = [(at_s, what) for at_s, what in site.doing() if what != "radio on"]
    kick = "kick the reporting client"
    kinds = [what for _, what in steps]
    first = [kick] * 5 + ["radio off"] + ["soft reset"] * 3 + ["pin reset"] + ["power cycle"] * 3
    assert kinds[: len(first)] == first
    assert set(kinds[len(first) :]) == {kick, "soft reset"}  # parked: a few a day
    assert steps[0][0] < away_s + 300
    assert len(steps) < len(first) + 10
    assert site.server.registrations[1][0] < back_s + 4500
    assert site.values("errors")[-1] == 0
    assert site.up_to_date()
