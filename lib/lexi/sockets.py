# UDP datagrams through the module: +USOCR, +USOST, +USORF, +USOCL. It needs a Channel and nothing
# else of this package.
#
# A socket ends with the module's restart and with its bearer; whoever has it opens a new one then.

import time
from micropython import const

from atport import raw  # noqa: F401 - loaded now, as nothing is later
from atport.errors import PortError, check, need
from atport.text import quoted

_UDP = const(17)
_MOST = const(1024)  # bytes of a datagram (SARA-R4 AT manual, +USOST, +USORF)
_SEND_TIMEOUT_MS = const(10000)  # SARA-R4 AT manual, +USOST
_CLOSE_TIMEOUT_MS = const(60000)  # ubxlib, LEXI-R10
_WAIT_MS = const(3600000)  # a wait without a deadline of its own is taken up again every hour
_SIZE_FIELD = const(3)  # +USORF: <socket>,"<address>",<port>,<size>,"<data>"


class UdpSocket:
    """One UDP socket of the module. Methods are coroutines, but for end().

    channel: a Channel, whose reader runs. runtime: that of the channel. room: bytes of the longest
    datagram that is received; what is longer is cut.

    They raise what Channel.command() raises, and PortError when the socket is not open. is_open
    turns false when the module says that it closed the socket (+UUSOCL). waiting: bytes of the
    next datagram, as far as is known.
    """

    def __init__(self, channel, runtime, room=_MOST):
        self._data = bytearray(check("room", room, 1, _MOST))
        self._channel = channel
        self._ready = runtime.signal()
        self._id = -1
        self._peer = None  # of the datagram that is being received
        self.is_open = False
        self.waiting = 0
        channel.announce("+USORF:", _SIZE_FIELD)
        channel.on("+UUSORF:", self._arrived)
        channel.on("+UUSORD:", self._arrived)
        channel.on("+UUSOCL:", self._closed)

    async def open(self, port=None):
        """AT+USOCR=17: open the socket; port: the local one, None for any."""
        need(not self.is_open, "open", self._id, "a socket that is closed")
        args = (_UDP,) if port is None else (_UDP, check("port", port, 1, 65535))
        answer = await self._ask("AT+USOCR=", "+USOCR:", args)
        self._id = answer[0]
        self.waiting = 0
        self.is_open = True

    async def send(self, data, address, port):
        """AT+USOST=: send one datagram, 1 to 1024 bytes; return the bytes that were sent.

        address: as text, such as "192.0.2.1". It has left the module, not more.
        """
        check("data", len(data), 1, _MOST)
        quoted("address", address)
        check("port", port, 1, 65535)
        args = (self._open_id(), address, port, len(data))
        answer = await self._ask(
            "AT+USOST=", "+USOST:", args, prompt="@", payload=data, timeout_ms=_SEND_TIMEOUT_MS
        )
        return answer[1]

    async def receive(self, timeout_s=None):
        """AT+USORF=: wait for a datagram; return (data, address, port), None after `timeout_s`.

        data: a memoryview of the socket's buffer, valid until the next receive().
        """
        left_ms = _WAIT_MS if timeout_s is None else check("timeout_s", timeout_s, 0, 86400) * 1000
        clock = self._channel.clock
        while not self.waiting:
            self._open_id()
            if left_ms <= 0:
                return None
            since_ms = clock.ms()
            await self._ready.wait_ms(left_ms)
            if timeout_s is not None:
                left_ms -= time.ticks_diff(clock.ms(), since_ms)
        self.waiting = 0
        self._peer = None
        n = await self._channel.command(
            "AT+USORF=",
            "+USORF:",
            args=(self._open_id(), len(self._data)),
            into=self._data,
            size_field=_SIZE_FIELD,
            on_info=self._came_from,
            timeout_ms=_SEND_TIMEOUT_MS,
        )
        if not n or self._peer is None:
            return None
        return memoryview(self._data)[:n], self._peer[0], self._peer[1]

    async def close(self):
        """AT+USOCL=: close the socket; it can be opened again."""
        if self.is_open:
            self.is_open = False
            self._ready.set()
            await self._channel.command(
                "AT+USOCL=", args=(self._id,), timeout_ms=_CLOSE_TIMEOUT_MS
            )

    def end(self):
        """Listen no more. A socket that is open stays so in the module."""
        self.is_open = False
        self._channel.off("+UUSORF:", self._arrived)
        self._channel.off("+UUSORD:", self._arrived)
        self._channel.off("+UUSOCL:", self._closed)

    def _open_id(self):
        if not self.is_open:
            raise PortError("the socket is not open")
        return self._id

    async def _ask(self, text, prefix, args, **options):
        # The two leading ints of the one line of answer.
        found = []

        def on_info(line):
            found.append((line.int(0), line.int(1)))

        await self._channel.command(text, prefix, args=args, on_info=on_info, **options)
        if len(found) != 1 or found[0][0] is None:
            raise PortError("%s: no socket in the answer" % text)
        return found[0]

    def _came_from(self, line):
        self._peer = line.text(1).decode(), line.int(2)

    def _arrived(self, line):
        if line.int(0) == self._id and self.is_open:
            self.waiting = line.int(1, 0)
            self._ready.set()

    def _closed(self, line):
        if line.int(0) == self._id:
            self.is_open = False
            self._ready.set()
