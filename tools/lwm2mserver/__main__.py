"""python -m lwm2mserver [--port 5683] [--observe /3300/0/5700 ...]"""

import argparse
import asyncio
import time

from .server import Server


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
        print(f"{time.monotonic() - begin:8.1f} {client.name} {what} {detail}", flush=True)

    server = Server(arguments.observe, tell)
    await server.start(arguments.port, arguments.host)
    print(f"listening on {arguments.host}:{arguments.port}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        pass
