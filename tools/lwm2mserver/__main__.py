"""python -m lwm2mserver [--port 5683] [--observe /3300/0/5700 ...]"""

import argparse
import asyncio
import struct
import time

from .server import Server

_FLOATS = {0xF9: ">e", 0xFA: ">f", 0xFB: ">d"}  # RFC 8949 3.3


def shown(what, detail):
    """Return what came with an event, for people."""
    if what == "value":
        path, payload = detail
        return f"{path} = {payload.decode(errors='replace')}"
    if what == "sent":
        # SenML CBOR; a value of one resource stands at its end.
        for head, form in _FLOATS.items():
            n = struct.calcsize(form)
            if detail[-n - 1 : -n] == bytes((head,)):
                return f"{struct.unpack(form, detail[-n:])[0]}"
    if what == "registered":
        return " ".join(f"{name}={value}" for name, value in detail.items())
    return detail or ""


async def main():
    parser = argparse.ArgumentParser(
        description="A small LwM2M server; prints what clients report."
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=5683)
    parser.add_argument("--observe", nargs="*", default=["/3300/0/5700"], metavar="PATH")
    arguments = parser.parse_args()
    begin = time.monotonic()

    def tell(what, client, detail):
        print(
            f"{time.monotonic() - begin:8.1f} {client.name} {what} {shown(what, detail)}",
            flush=True,
        )

    server = Server(arguments.observe, tell)
    await server.start(arguments.port, arguments.host)
    print(f"listening on {arguments.host}:{arguments.port}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        pass
