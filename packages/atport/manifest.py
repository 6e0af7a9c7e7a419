# Written by tools/packages.py.
metadata(
    description="An AT command port for any modem.",
    license="MIT",
)
package(
    "atport",
    base_path="../../lib",
    files=(
        "__init__.py",
        "aio.py",
        "blocking.py",
        "channel.py",
        "clock.py",
        "errors.py",
        "exchange.py",
        "handlers.py",
        "lazy.py",
        "line.py",
        "raw.py",
        "receiver.py",
        "ring.py",
        "scan.py",
        "settle.py",
        "stream.py",
        "text.py",
    ),
)
