"""A node under MicroPython against a simulated module that misbehaves, through a real pty.

Each case plays control verbs once the node is up and compares what the node believes in the end
with what the module knows.
"""

import json
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

import demo
import pytest
import unixport

RUN_S = 4
NEVER_S = 900
URI = "/3300/0/5700"
OPTIONS = ("--mode", "0", "--speed", "10", "--duration", "110", "--server", "721:timer_report_s=5")
AT_ONCE = 4
UNCLOSED = b'\r\n+ULWM2MSTAT: 3,721,"/33\r\n'.hex()


def play(verbs, run_s=RUN_S, silence_s=NEVER_S):
    """Run the node; send the verbs, each with the seconds before it. Return (node, module)."""
    with tempfile.TemporaryDirectory() as folder:
        simulator = demo.Simulator(folder, *OPTIONS)
        environment = unixport.environment("lib", "boards", "boards/UNIX", LEXI_UART=simulator.tty)
        node = subprocess.Popen(
            [unixport.find().path, "tests/host/node/faulty.py", str(run_s), str(silence_s)],
            cwd=unixport.ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert node.stdout.readline().strip() == "up"
            for wait_s, verb in verbs:
                time.sleep(wait_s)
                assert simulator.control(verb) == "ok"
            printed = node.communicate()[0]
            return json.loads(printed), simulator.state()
        finally:
            node.kill()
            node.wait()
            simulator.stop()


def agree(node, module):
    """Whether the node's picture is the module's, and nothing broke on the way."""
    codes = {str(server["id"]): server["code"] for server in module["servers"]}
    return node["codes"] == codes and not node["gap"] and not node["errors"]


# What is done, and what the node must have counted: name, then the least and most of it.
CASES = {
    "nothing": ([], {"undecodable": (0, 1), "timeouts": (0, 0), "answered": (5, 99)}),
    "noise": (
        [
            (0.1, "noise 40"),
            (0.3, "noise fffe00800a"),
            (0.3, "noise 200"),
            (0.3, "noise 0d41ff0d"),
        ],
        {"undecodable": (1, 99), "timeouts": (0, 1)},
    ),
    "split": ([(0.1, "split 9 0.5"), (0, "notify 721 /3300/0/5700")], {"notified": (1, 99)}),
    "duplicated bytes": ([(0.5, "duplicate 60")], {"answered": (1, 99)}),
    "dropped bytes": ([(0.5, "drop 25"), (0.5, "drop 40")], {"answered": (1, 99)}),
    "late answers": ([(0.3, "late 30 2")], {"timeouts": (1, 3), "answered": (1, 99)}),
    "mute": ([(0.3, "mute 15")], {"timeouts": (1, 3), "answered": (3, 99)}),
    "refused": (
        [(0.3, 'answer "AT+ULWM2MREG?" error 4 2')],
        {"refused": (2, 2), "answered": (3, 99)},
    ),
    "no line end": ([(0.1, "raw " + "41" * 500)] * 10, {"overlong": (1, 20), "overrun": (0, 0)}),
    "lost registration": ([(0.3, "lose 721 now")], {"timeouts": (0, 0)}),
    "reboot": ([(0.3, "reboot")], {"restarts": (1, 1)}),
    "URCs in an answer": (
        [(0.1, "interject +ULWM2MSTAT: 2,721,10"), (0.3, "interject +ULWM2MSTAT: 1,721,3")],
        {"timeouts": (0, 0), "malformed": (0, 0)},
    ),
    "unreadable URCs": (
        [(0.1, "urc +ULWM2MSTAT: 1,721,"), (0.1, "raw " + UNCLOSED), (0.1, "urc +X")],
        {"malformed": (1, 9), "undecodable": (1, 9), "unknown": (1, 9)},
    ),
}


# More of the same, with expectations of their own.
OTHERS = {
    "burst": {"verbs": [(0, f'urc +ULWM2MSTAT: 3,721,"{URI}"')] * 1000},
    "silent restart": {"verbs": [(0.2, "reboot silent forget")], "run_s": 8, "silence_s": 2},
}


@pytest.fixture(scope="module")
def runs():
    """All cases, played side by side: {name: future of (node, module)}."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        futures = {name: pool.submit(play, verbs) for name, (verbs, _) in CASES.items()}
        futures |= {name: pool.submit(play, **call) for name, call in OTHERS.items()}
        yield futures


@pytest.mark.parametrize("name", CASES)
def test_the_node_ends_up_with_the_truth(runs, name):
    node, module = runs[name].result()
    for counter, (least, most) in CASES[name][1].items():
        assert least <= node[counter] <= most, node
    assert agree(node, module), (node, module["servers"])


def test_a_burst_of_1000_urcs_is_kept(runs):
    node, module = runs["burst"].result()
    assert node["notified"] == 1000, node
    assert agree(node, module)


def test_a_restart_nobody_heard_is_noticed_by_the_silence(runs):
    node, module = runs["silent restart"].result()
    assert module["boots"] == 2
    assert module["urc"] == {"n": 1, "mask": 7}
    assert agree(node, module)
