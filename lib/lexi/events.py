# Events of the registry one after the other, for `async for`.

from array import array
from micropython import const

from atport.errors import check

_WAIT_MS = const(3600000)  # a wait without a deadline of its own is taken up again every hour


class Events:
    """Events as they come, for `async for event, server, value in Events(registry, runtime)`.

    Holds `size` events; when full, the oldest is dropped and counted in `dropped`.
    """

    def __init__(self, registry, runtime, size=16):
        check("size", size, 1, 1000)
        self._registry = registry
        self._items = array("i", bytes(12 * size))
        self._size = size
        self._first = 0
        self._count = 0
        self._ready = runtime.signal()
        self.dropped = 0
        registry.subscribe(self._put)

    def close(self):
        """Stop listening."""
        self._registry.unsubscribe(self._put)

    def _put(self, event, server, value):
        if self._count == self._size:
            self._first = (self._first + 1) % self._size
            self._count -= 1
            self.dropped += 1
        at = (self._first + self._count) % self._size * 3
        self._items[at] = event
        self._items[at + 1] = server
        self._items[at + 2] = value
        self._count += 1
        self._ready.set()

    def __aiter__(self):
        return self

    async def __anext__(self):
        while not self._count:
            await self._ready.wait_ms(_WAIT_MS)
        at = self._first * 3
        self._first = (self._first + 1) % self._size
        self._count -= 1
        return self._items[at], self._items[at + 1], self._items[at + 2]
