"""The whole way with a real LwM2M server: it dies, and the node's supervisor brings the node back.

boards/node.py under the unix port, the simulated module with a real CoAP client, and an LwM2M
server from npm, in real time at a multiple of its speed. Whether the node is registered is read
from the server's own registry. Needs Node.js.
"""

import subprocess
from contextlib import contextmanager

import pytest
import realserver
import unixport
from realserver import RealServer, Simulator, until

SPEED = 50
ENDPOINT = "urn:imei:004999010640000"
UPDATES = "lifetime_s=600"  # an update every 507 module seconds
LIMIT_S = 200  # real seconds: boot window, own retries of the module, two waits of the ladder


@contextmanager
def node(tty, folder):
    """boards/node.py on the module's tty; gives the file of what it prints."""
    environment = unixport.environment(
        unixport.ROOT / "lib",
        unixport.ROOT / "boards",
        unixport.ROOT / "boards" / "UNIX",
        LEXI_UART=str(tty),
        LEXI_SPEED=str(SPEED),
        LEXI_STORE=str(folder / "budgets"),
    )
    printed = folder / "printed"
    with printed.open("w") as output:
        process = subprocess.Popen(
            [unixport.find().path, unixport.ROOT / "boards" / "UNIX" / "main.py"],
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield printed
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def server():
    why = realserver.missing()
    if why is not None:
        pytest.fail(why, pytrace=False)
    with RealServer() as real_server:
        yield real_server


@pytest.mark.slow
def test_supervisor_brings_the_node_back(server, tmp_path):
    module = Simulator(
        "--mode", 0, "--speed", SPEED, "--server", f"{server.uri}:{UPDATES}", pty=True
    )
    with module as simulator, node(simulator.pty_path, tmp_path) as printed:
        server.wait_for_device(ENDPOINT)
        until(lambda: "registered 721" in printed.read_text(), "registered", LIMIT_S)

        server.kill()
        until(lambda: simulator.code() == 4, "the module to give up", LIMIT_S)
        until(lambda: "doing re-register 721" in printed.read_text(), "a try", LIMIT_S)

        server.start()
        assert server.devices() == {}
        until(lambda: ENDPOINT in server.devices(), "the node in the server's registry", LIMIT_S)
        assert simulator.state()["harm"] == 0
        until(lambda: printed.read_text().count(" registered 721") == 2, "told", LIMIT_S)
