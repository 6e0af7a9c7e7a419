# UDP datagrams through the module: +USOCR, +USOST, +USORF, +USOCL. It needs a Channel and nothing
# else of this package.
#
# UdpSocket is one socket, command by command; it ends with the module's restart and with its
# bearer. transport.py has one that comes back by itself and never makes its client wait.

import time
from micropython import const

from atport import raw  # noqa: F401 - loaded now, as nothing is later
from atport.errors import AtError, PortError, check, need
from atport.text import quoted

_UDP = const(17)
_MOST = const(1024)  # bytes of a datagram (SARA-R4 AT manual, +USOST, +USORF)
_SEND_TIMEOUT_MS = const(10000)  # SARA-R4 AT manual, +USOST
_CLOSE_TIMEOUT_MS = const(60000)  # ubxlib, LEXI-R10
_WAIT_MS = const(3600000)  # a wait without a deadline of its own is taken up again every hour
_SIZE_FIELD = const(3)  # +USORF: <socket>,"<address>",<port>,<size>,"<data>"

_COUNT = const(7)  # sockets of the module (SARA-R4 AT manual, +USOCR)

_sockets = []  # those that listen, on whatever channel


def is_address(host):
    """Whether `host` is an IPv4 address as text."""
    parts = host.split(".") if isinstance(host, str) else ()
    return len(parts) == 4 and all(part.isdigit() and int(part) < 256 for part in parts)


class UdpSocket:
    """One UDP socket of the module. Methods are coroutines, but for end() and forget().

    channel: a Channel, whose reader runs. runtime: that of the channel. room: bytes of the longest
    datagram that is received; what is longer is cut.

    They raise what Channel.command() raises, and PortError when the socket is not open. is_open
    turns false when the module says that it closed the socket (+UUSOCL), and when it restarts.
    waiting: bytes that wait in the module, as far as is known. ready: the signal that is set
    whenever one of these changes. data: where datagrams are received.
    """

    def __init__(self, channel, runtime, room=_MOST):
        self.data = bytearray(check("room", room, 1, _MOST))
        self.ready = runtime.signal()
        self.is_open = False
        self.waiting = 0
        self._channel = channel
        self._id = -1  # the module's number of it, kept when it has ended
        self._peer = None  # of the datagram that is being received
        channel.announce("+USORF:", _SIZE_FIELD)
        channel.on("+UUSORF:", self._arrived)
        channel.on("+UUSORD:", self._arrived)
        channel.on("+UUSOCL:", self._closed)
        channel.on_reboot += (self.forget,)
        _sockets[:] = [each for each in _sockets if not each._channel.closed]
        _sockets.append(self)

    async def open(self, port=None):
        """AT+USOCR=17: open the socket; port: the local one, None for any."""
        need(not self.is_open, "open", self._id, "a socket that is closed")
        args = (_UDP,) if port is None else (_UDP, check("port", port, 1, 65535))
        answer = await self._ask("AT+USOCR=", "+USOCR:", args)
        other = self._holder(answer[0])
        if other is not None:
            other.forget()  # the module has given its number anew: it ended unheard
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

    async def look(self):
        """AT+USORF=<socket>,0: ask the module how much waits.

        AtError: it knows no such socket.
        """
        self.waiting = 0
        await self._channel.command(
            "AT+USORF=", "+USORF:", args=(self._open_id(), 0), on_info=self._arrived
        )

    async def read(self, on_info):
        """AT+USORF=: take the oldest datagram into `data`; return its size, 0 if none waits.

        on_info(line): called with what is before it; the fields are those of +USORF.
        """
        told = self.waiting
        self.waiting = 0  # a URC may come meanwhile
        n = await self._channel.command(
            "AT+USORF=",
            "+USORF:",
            args=(self._open_id(), len(self.data)),
            into=self.data,
            size_field=_SIZE_FIELD,
            on_info=on_info,
            timeout_ms=_SEND_TIMEOUT_MS,
        )
        if n and not self.waiting:
            self.waiting = max(told - n, 0)
        return n

    async def receive(self, timeout_s=None):
        """Wait for a datagram; return (data, address, port), None after `timeout_s`.

        data: a memoryview of the socket's buffer, valid until the next receive().
        """
        left_ms = _WAIT_MS if timeout_s is None else check("timeout_s", timeout_s, 0, 86400) * 1000
        clock = self._channel.clock
        while not self.waiting:
            self._open_id()
            if left_ms <= 0:
                return None
            since_ms = clock.ms()
            await self.ready.wait_ms(left_ms)
            if timeout_s is not None:
                left_ms -= time.ticks_diff(clock.ms(), since_ms)
        self._peer = None
        n = await self.read(self._came_from)
        if not n or self._peer is None:
            return None
        return memoryview(self.data)[:n], self._peer[0], self._peer[1]

    async def close(self):
        """AT+USOCL=: close the socket; it can be opened again."""
        if self.is_open:
            self.forget()
            await self._channel.command(
                "AT+USOCL=", args=(self._id,), timeout_ms=_CLOSE_TIMEOUT_MS
            )

    async def close_others(self):
        """AT+USOCL=: close what no UdpSocket of ours holds, such as sockets of an earlier life."""
        for number in range(_COUNT):
            if self._holder(number) is None:
                try:
                    await self._channel.command(
                        "AT+USOCL=", args=(number,), timeout_ms=_CLOSE_TIMEOUT_MS
                    )
                except AtError:
                    pass  # it is not open

    def forget(self):
        """The socket has ended in the module, or is taken for it. Allocates nothing."""
        self.is_open = False
        self.waiting = 0
        self.ready.set()

    def end(self):
        """Listen no more. A socket that is open stays so in the module."""
        self.is_open = False
        if self not in _sockets:
            return
        channel = self._channel
        channel.off("+UUSORF:", self._arrived)
        channel.off("+UUSORD:", self._arrived)
        channel.off("+UUSOCL:", self._closed)
        channel.on_reboot = tuple(hook for hook in channel.on_reboot if hook != self.forget)
        _sockets.remove(self)

    def _holder(self, number):
        # The UdpSocket that believes to have this number, or None.
        for each in _sockets:
            if each.is_open and each._id == number and each._channel is self._channel:
                return each
        return None

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
        self.keep_waiting(line)

    def keep_waiting(self, line):
        """For on_info of read(): behind a datagram without a byte others may wait."""
        if line.int(_SIZE_FIELD) == 0:
            self.waiting = 1

    def _arrived(self, line):
        if line.int(0) == self._id and self.is_open:
            self.waiting = line.int(1, 0)
            self.ready.set()

    def _closed(self, line):
        if line.int(0) == self._id:
            self.forget()
