# Events one after the other, for `async for`: those of a registry or of a supervisor.

from array import array
from micropython import const

from atport.errors import check

_WAIT_MS = const(3600000)  # a wait without a deadline of its own is taken up again every hour


class Events:
    """`async for event, server, value in Events(registry, runtime)`: events as they come.

    source: has subscribe(fn), unsubscribe(fn) and its channel. Holds `size` events; when full, the
    oldest is dropped and counted in `dropped`. event: the class of a supervisor's events; None for
    those of a registry, which are told as three arguments. Raises PortTaken when a newer Channel has the stream.
    """

    def __init__(self, source, runtime, size=16, event=None):
        check("size", size, 1, 1000)
        self._source = source
        self._size = size
        self._event = event
        width = self._width = 6 if event else 3
        self._items = array("i", bytes(4 * width * size))
        self._first = 0
        self._count = 0
        self._ready = runtime.signal()
        self._fn = self._put_tuple if event else self._put
        self._open = True
        self.dropped = 0
        source.subscribe(self._fn)

    def close(self):
        """Stop listening: the loop ends behind what is left."""
        if self._open:
            self._open = False
            self._source.unsubscribe(self._fn)
            self._ready.set()

    def _place(self):
        # Where the next one is put.
        if self._count == self._size:
            self._first = (self._first + 1) % self._size
            self._count -= 1
            self.dropped += 1
        self._count += 1
        self._ready.set()
        return (self._first + self._count - 1) % self._size * self._width

    def _put(self, event, server, value):
        at = self._place()
        self._items[at] = event
        self._items[at + 1] = server
        self._items[at + 2] = value

    def _put_tuple(self, event):
        at = self._place()
        for value in event:
            self._items[at] = value
            at += 1

    def __aiter__(self):
        return self

    async def __anext__(self):
        while not self._count:
            if not self._open:
                raise StopAsyncIteration
            await self._ready.wait_ms(_WAIT_MS)
            self._source.channel.check_owner()
        at = self._first * self._width
        self._first = (self._first + 1) % self._size
        self._count -= 1
        values = tuple(self._items[at : at + self._width])
        return self._event(*values) if self._event else values
