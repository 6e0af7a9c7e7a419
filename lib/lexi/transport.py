# Datagrams between a client and one server, over a UDP socket of the module that comes back by
# itself. The client never waits: send() and recv_into() only move bytes, the AT commands are sent
# by run() in a task, or by step().
#
# Nothing is sent twice. What the module closes, forgets or refuses is opened anew, and the client
# is told (`rebuilt`): the server then sees another port. Only the server's datagrams are received.
# It is a transport as lwm2m/udp.py describes them, and knows nothing else of CoAP.

import struct
from micropython import const

from atport.errors import AtError, AtTimeout, check, refuse

from .sockets import UdpSocket, is_address
from .worker import Worker

_MOST = const(1024)  # bytes of a datagram (SARA-R4 AT manual, +USOST, +USORF)
_LOOK_S = const(5)  # after traffic the module is asked whether a URC got lost
_IDLE_LOOK_S = const(900)  # and when nothing happens, whether the socket is still there
_WAIT_MS = const(3600000)  # a wait without a deadline is taken up again every hour
_REFUSALS = const(2)  # of one datagram, then it is given up


class Transport(Worker):
    """A way to one server.

    channel: a Channel, whose reader runs. runtime: that of the channel. host: an IPv4 address or
    a name, which is resolved at each opening. port: the server's. local_port: ours, None for any.
    size: bytes of the longest datagram, either way. queue: datagrams that wait to be sent, at
    most. sole: nobody else opens sockets of the module, so that those of an earlier life of the
    MCU are closed when none is free.

    ready: a signal, `await ready.wait_ms(ms)`: a datagram has come or left, or the socket was
    opened. on_sent(mid): called when a datagram of send() has left the queue for good; mid: its
    bytes 2 and 3 as a number, the message id of CoAP (-1: it has none). It has left the module, or
    it may have, or was given up (`dropped`): a client starts its retransmission time then.
    on_rebuilt(): called when the socket was opened anew: what the server knew of our address is no
    longer true. Both are plain functions, which may call send().

    Counters: sent, received (datagrams), sent_bytes, received_bytes, rebuilt (openings after the
    first), full (send() found no room), dropped (given up after refusals), strangers (from
    elsewhere), overlong (longer than `size`, and cut), failures.
    """

    def __init__(
        self,
        channel,
        runtime,
        host,
        port,
        *,
        local_port=None,
        size=600,
        queue=4,
        sole=True,
    ):
        self._resolve = None  # a coroutine function, if the host is a name
        if not is_address(host):
            from .names import check_name, resolve  # now, as nothing is loaded later

            check_name(host)
            self._resolve = resolve
        self._host = host
        self._port = check("port", port, 1, 65535)
        if local_port is not None:
            check("local_port", local_port, 1, 65535)
        self.size = check("size", size, 16, _MOST)
        self._most = check("queue", queue, 1, 64)
        # One byte more than fits shows that a datagram was longer.
        self._room = min(size + 1, _MOST)  # bytes that the latest recv_into() could write
        self._format = "%ds" % self._room  # of struct, for them
        self._socket = UdpSocket(channel, runtime, self._room)
        super().__init__(channel, runtime, self._socket.ready)
        self._local_port = local_port
        self._sole = sole
        self._next_watch = channel.watch_gap  # whom else a gap is told to
        channel.watch_gap = self._gap
        self._address = b""  # of the server; empty before the first opening
        self._mine = False  # the datagram that is being received is the server's
        self._size = 0  # of the one in the socket's buffer that recv_into() will hand out
        self._queue = []  # bytes, the oldest first
        self._refused = 0  # times that the oldest was refused
        self._opened = False  # it was once
        self._reopen = False  # it is to be closed and opened anew
        self._tidy = sole  # what is left over may be closed, once until the next opening
        self._look_s = 0  # when the module is asked how much waits
        self._looked_s = 0  # when it was asked last
        self._lost = 0  # of the channel, then
        self.ready = runtime.signal()
        self.on_sent = None
        self.on_rebuilt = None
        self.sent = 0
        self.sent_bytes = 0
        self.received = 0
        self.received_bytes = 0
        self.rebuilt = 0
        self.full = 0
        self.dropped = 0
        self.strangers = 0
        self.overlong = 0

    # For the client

    @property
    def is_open(self):
        """Whether there is a socket, as far as is known."""
        return self._socket.is_open

    @property
    def queued(self):
        """Datagrams that have not left yet."""
        return len(self._queue)

    def send(self, buf, n=None):
        """Queue the first `n` bytes of `buf` as a datagram; False when the queue is full.

        They are copied. A datagram that waits there already is not queued again. Raises ValueError
        unless they are 1 to `size`.
        """
        n = check("n", len(buf) if n is None else n, 1, min(self.size, len(buf)))
        data = bytes(memoryview(buf)[:n])
        if data in self._queue:
            return True
        if len(self._queue) >= self._most:
            self.full += 1
            return False
        self._queue.append(data)
        self._signal.set()
        return True

    def recv_into(self, buf):
        """Put the datagram that has come into `buf`; return its size, 0 when there is none.

        What is longer than `buf` fills it, and all of it may be written. More than `size`: it was
        longer, and is cut. Allocates nothing but for a buffer of another length than before.
        """
        n = self._size
        if n:
            room = min(len(buf), len(self._socket.data))
            if room != self._room:
                self._room = room
                self._format = "%ds" % room
            struct.pack_into(self._format, buf, 0, self._socket.data)
            self._size = 0
            self._signal.set()  # the next one can be read
            n = min(n, room)
        return n

    async def readable(self):
        """Wait until recv_into() may have something, or something was told."""
        await self.ready.wait_ms(_WAIT_MS)

    def reopen(self):
        """Close the socket and open a new one at the next turn. What is queued stays queued."""
        self._reopen = True
        self.wake()

    async def close(self):
        """End: close the socket and listen no more. What is queued is lost."""
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self.turn_s = None
        if self._channel.watch_gap == self._gap:
            self._channel.watch_gap = self._next_watch
        try:
            await self._socket.close()
        finally:
            self._socket.end()

    # Its work

    def _due_at_s(self):
        socket = self._socket
        if self._reopen or not socket.is_open or self._queue:
            return 0
        if not self._size:
            if socket.waiting:
                return 0
            if self._lost != self._channel.lost:  # the URC may be what was lost
                return min(self._look_s, self._looked_s + _LOOK_S)
        return self._look_s

    async def _work(self):
        # The one thing that comes next.
        socket = self._socket
        if self._reopen:
            self._reopen = False
            try:
                await socket.close()
            except AtError:
                pass  # it had ended already
        if not socket.is_open:
            await self._open()
        elif not self._size and socket.waiting:
            await self._receive()
        elif self._queue:
            await self._send()
        elif not self._size:
            await self._look()
        else:
            self._look_s = self._now_s() + _LOOK_S  # when the client has taken what came

    async def _open(self):
        address = self._host
        if self._resolve:
            address = await self._resolve(self._channel, self._runtime, address)
        try:
            await self._socket.open(self._local_port)
        except AtError:
            if self._tidy:
                self._tidy = False
                await self._socket.close_others()
            raise
        self._tidy = self._sole
        self._address = address.encode()
        self._looked()
        if self._opened:
            self.rebuilt += 1
            self._tell(self.on_rebuilt)
        self._opened = True
        self.ready.set()

    async def _send(self):
        data = self._queue[0]
        try:
            await self._socket.send(data, self._address.decode(), self._port)
            self.sent += 1
            self.sent_bytes += len(data)
        except AtTimeout as e:
            if e.sent:
                self._leave(data)  # it may have left
            raise
        except AtError:
            # Refused: nearly always the socket has ended, and nobody said so.
            self._reopen = True
            self._refused += 1
            if self._refused >= _REFUSALS:
                self.dropped += 1
                self._leave(data)
            raise
        self._leave(data)

    def _leave(self, data):
        # The oldest datagram is no longer ours.
        self._queue.pop(0)
        self._refused = 0
        self._look_s = self._now_s() + _LOOK_S
        self._tell(self.on_sent, data[2] << 8 | data[3] if len(data) > 3 else -1)
        self.ready.set()

    async def _receive(self):
        self._mine = False
        self._look_s = self._now_s() + _LOOK_S
        try:
            n = await self._socket.read(self._came_from)
        except AtError:
            self._look_s = 0  # nothing waits, or the socket has ended: look() tells
            raise
        if n and not self._mine:
            self.strangers += 1
        elif n:
            if n > self.size:
                self.overlong += 1
            self.received += 1
            self.received_bytes += n
            self._size = n
            self.ready.set()

    async def _look(self):
        self._looked()  # what is lost from now on makes it due again
        try:
            await self._socket.look()
        except AtError:
            self._socket.forget()
            raise

    def _looked(self):
        # The module says now what waits.
        self._looked_s = self._now_s()
        self._look_s = self._looked_s + _IDLE_LOOK_S
        self._lost = self._channel.lost

    def _gap(self):
        self._signal.set()
        if self._next_watch:
            self._next_watch()

    def _came_from(self, line):
        self._mine = line.equals(1, self._address) and line.int(2) == self._port
        self._socket.keep_waiting(line)

    def _tell(self, hook, *args):
        # A hook of the client; what it raises is counted, as that of a handler.
        if hook:
            try:
                refuse(hook(*args))
            except Exception as e:
                self._channel.report(e)
