# A client under asyncio: the same turns, taken when there is a reason.

import asyncio

from micropython import const

from lwm2m.registration import OFF

_ERROR_MS = const(1000)  # after an exception that should not be


async def run(client):
    """Serve until Client.stop() is done. Starts by itself."""
    event = client.event = asyncio.Event()
    if client.registration.state == OFF:
        client.start()
    reader = asyncio.create_task(_read(client, event))
    try:
        while True:
            event.clear()
            try:
                wait_ms = client.step()
            except Exception as error:  # nothing ends this, not even a lack of memory
                client.failed(error)
                wait_ms = _ERROR_MS
            if client.registration.state == OFF and not client.endpoint.busy:
                break
            try:
                await asyncio.wait_for_ms(event.wait(), wait_ms)
            except asyncio.TimeoutError:
                pass
    finally:
        reader.cancel()
        client.event = None


async def _read(client, event):
    # Has a turn taken when the transport has something.
    while True:
        try:
            await client.transport.readable()
            event.set()
            while event.is_set():
                await asyncio.sleep_ms(0)
        except Exception as error:
            client.failed(error)
            await asyncio.sleep_ms(_ERROR_MS)
