"""lexi.power against the simulated module: on, off, and on again, by its pins and AT+CPWROFF."""

import pytest
from lexisim import Config, Module
from lockstep import SCENARIOS, Node, World

SCRIPT = SCENARIOS / "power_node.py"
ON, OFF = 0.301, 2.501  # s, with the tick by which a sleep may be shorter
LIMIT_S = 600


@pytest.fixture
def switch(tmp_path):
    """A function that runs the node on a module that is off; returns the module and the reports."""
    worlds = []

    def switch(*arguments, hang_after=None):
        module = Module(Config(powered_off=True, factory_mode=0))
        world = World(module)
        worlds.append(world)
        node = Node(world, SCRIPT, *arguments, store_dir=tmp_path)
        node.on_report = lambda what: world.verb("hang") if what["step"] == hang_after else None
        node.start()
        world.run(LIMIT_S)
        assert node.exit_status == 0, node.output()
        return module, [what for _, what in node.reports]

    yield switch
    for world in worlds:
        world.close()


def presses(module):
    return [(entry[2], entry[3]) for entry in module.happened("pin")]


def told(reports):
    return [(what["step"], what["result"], what["v_int"]) for what in reports]


@pytest.mark.parametrize("runtime", ["asyncio", "blocking"])
def test_with_v_int(switch, runtime):
    module, reports = switch("wired", runtime)
    assert told(reports) == [
        ("start", False, False),
        ("on", True, True),
        ("registered", None, True),
        ("on while on", False, True),
        ("off", False, False),
        ("off while off", False, False),
        ("on again", True, True),
        ("registered again", None, True),
    ]
    assert presses(module) == [("PWR_ON", ON)] * 2
    assert len(module.happened("command", "AT+CPWROFF")) == 1
    assert module.boots == 2
    assert module.state()["harm"] == 0


@pytest.mark.parametrize("runtime", ["asyncio", "blocking"])
def test_without_v_int_a_module_that_runs_is_not_switched_off(switch, runtime):
    module, reports = switch(runtime)
    assert told(reports) == [
        ("start", None, False),
        ("on", True, True),
        ("registered", None, True),
        ("on while on", True, True),
        ("off", None, False),
        ("on again", True, True),
        ("registered again", None, True),
    ]
    assert presses(module) == [("PWR_ON", ON)] * 3
    assert module.boots == 2


def test_a_module_that_hangs_goes_off_by_a_long_press(switch):
    module, reports = switch("wired", hang_after="on while on")
    assert told(reports)[4] == ("off", False, False)
    assert presses(module) == [("PWR_ON", ON), ("PWR_ON", OFF), ("PWR_ON", ON)]
