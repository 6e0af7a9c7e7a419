# Written by tools/packages.py.
metadata(
    description="A LEXI-R10 LTE module and its own LwM2M client, over AT commands.",
    license="MIT",
)
add_library("lexi-parts", "..")
require("atport", library="lexi-parts")
package(
    "lexi",
    base_path="../../lib",
    files=(
        "__init__.py",
        "blocking.py",
        "codes.py",
        "commands.py",
        "config.py",
        "describe.py",
        "events.py",
        "facade.py",
        "known.py",
        "monitor.py",
        "names.py",
        "network.py",
        "power.py",
        "registry.py",
        "sim.py",
        "sockets.py",
        "transport.py",
        "worker.py",
    ),
)
