"""The sockets of the module: what they hold, and the URCs +UUSORF, +UUSORD, +UUSOCL and +UUDNSRN.

UDP only. A socket belongs to a PDP context and ends with it, with the radio and with a restart;
a restart says nothing.
"""

from collections import deque

from .at import CommandError
from .internet import IN, OUT

COUNT = 7
MOST = 1024  # bytes of a datagram, in and out
MOST_HEX = 512

UDP = 17

RESOLVED = 0  # <result> of +UUDNSRN


class Socket:
    """One of them. `waiting`: datagrams as (data, (host, port))."""

    def __init__(self, number, cid, local_port):
        self.number = number
        self.cid = cid
        self.local_port = local_port
        self.flow = None
        self.waiting = deque()
        self.sent = 0  # bytes
        self.received = 0
        self.error = 0
        self.peer = None  # AT+USOCO

    @property
    def waiting_bytes(self):
        return sum(len(data) for data, _ in self.waiting)


class Sockets:
    """All of them, by number."""

    def __init__(self, module):
        self._module = module
        self._open = {}
        self.last_error = 0  # AT+USOER

    def fail(self, cme=None):
        """Return the CommandError of a socket command; AT+USOER has a number from now on."""
        self.last_error = self._module.config.usoer
        return CommandError(self._module.config.cme_socket if cme is None else cme)

    def create(self, local_port):
        """AT+USOCR=17: returns the new Socket."""
        module = self._module
        cid = module.settings.get("+UDCONF=19")[0]
        free = [number for number in range(COUNT) if number not in self._open]
        if not free:
            raise self.fail()
        if module.config.socket_needs_bearer and cid not in module.bearers.active:
            raise self.fail(module.config.cme_no_network)
        socket = self._open[free[0]] = Socket(free[0], cid, local_port)
        socket.flow = module.internet.open(lambda *datagram: self._arrived(socket, *datagram))
        module.record("socket", socket.number, "open")
        return socket

    def get(self, number):
        """Return an open Socket; CommandError if it is not open."""
        if number not in self._open:
            raise self.fail()
        return self._open[number]

    def send(self, socket, data, address):
        """Send one datagram; CommandError if the socket is gone or has no bearer."""
        if self._open.get(socket.number) is not socket:
            raise self.fail()
        if socket.cid not in self._module.bearers.active:
            raise self.fail(self._module.config.cme_no_network)
        socket.sent += len(data)
        self._module.record("datagram", OUT, "sent", len(data))
        self._module.internet.send(socket.flow, data, address)

    def take(self, socket, size):
        """Return the oldest datagram, (data, (host, port)), cut to `size` bytes; None without."""
        if not socket.waiting:
            return None
        data, source = socket.waiting.popleft()
        if len(data) > size and self._module.config.usorf_rest == "kept":
            socket.waiting.appendleft((data[size:], source))
        if socket.waiting and self._module.config.uusorf == "once":
            self._tell(socket)
        return data[:size], source

    def close(self, socket, why="host"):
        """The socket ends; what waits in it is lost."""
        del self._open[socket.number]
        self._module.internet.close(socket.flow)
        self._module.record("socket", socket.number, f"closed: {why}")

    def closed_by_network(self, number):
        """Scenario: the module closes a socket by itself and says so."""
        self.close(self.get(number), "network")
        self._module.port.urc(f"+UUSOCL: {number}")

    def bearer_ended(self, cids):
        """Contexts have ended: their sockets with them."""
        for socket in list(self._open.values()):
            if socket.cid in cids:
                self.close(socket, "bearer")
                if self._module.config.uusocl:
                    self._module.port.urc(f"+UUSOCL: {socket.number}")

    def forget(self):
        """The module restarts or dies: nobody is told."""
        for socket in list(self._open.values()):
            self.close(socket, "restart")
        self.last_error = 0

    def resolve(self, name):
        """AT+UDNSRN: the answer comes later, as a URC."""
        address = self._module.internet.resolve(name)
        text = f'{RESOLVED},"{address}"' if address else str(self._module.config.dns_failure)
        self._module.session.after(
            self._module.config.dns_s, lambda: self._module.port.urc(f"+UUDNSRN: {text}")
        )

    def state(self):
        """Return the open sockets for the state of the module."""
        return [
            {
                "id": socket.number,
                "cid": socket.cid,
                "local_port": socket.local_port,
                "external_port": socket.flow.port,
                "waiting": [len(data) for data, _ in socket.waiting],
                "sent": socket.sent,
                "received": socket.received,
            }
            for socket in self._open.values()
        ]

    def _arrived(self, socket, data, source):
        module = self._module
        room = module.config.socket_room - socket.waiting_bytes
        up = module.radio_runs and socket.cid in module.bearers.active
        if not up or len(data) > room or (not data and not module.config.empty_datagrams):
            module.record("datagram", IN, "dropped", len(data))
            return
        module.record("datagram", IN, "received", len(data))
        socket.received += len(data)
        socket.waiting.append((data, source))
        if len(socket.waiting) == 1 or module.config.uusorf == "each":
            self._tell(socket)

    def _tell(self, socket):
        first = len(socket.waiting[0][0])
        size = first if self._module.config.uusorf_size == "first" else socket.waiting_bytes
        name = "+UUSORD" if self._module.config.uusord else "+UUSORF"
        self._module.port.urc(f"{name}: {socket.number},{size}")
