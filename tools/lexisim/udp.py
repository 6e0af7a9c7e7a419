"""The outside of the simulated internet: real UDP sockets on loopback, one for each external port.

Datagrams go to loopback addresses only; what is sent elsewhere reaches nobody.
"""

import socket

_HOST = "127.0.0.1"
_MOST = 65536


class Loopback:
    """`outside` of an Internet, watched by the loop of a Simulator."""

    def __init__(self, simulator, arrive):
        self._simulator = simulator
        self._arrive = arrive  # arrive(port, data, (host, port))
        self._sockets = {}

    def open(self):
        """Open a socket and return its port."""
        opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        opened.setblocking(False)
        opened.bind((_HOST, 0))
        port = opened.getsockname()[1]
        self._sockets[port] = opened
        self._simulator.watch(opened, lambda: self._readable(port))
        return port

    def close(self, port):
        """Close the socket of a port."""
        closed = self._sockets.pop(port)
        self._simulator.unwatch(closed)
        closed.close()

    def send(self, port, data, address):
        """Send a datagram; returns whether that was possible."""
        if port not in self._sockets or not address[0].startswith("127."):
            return False
        try:
            self._sockets[port].sendto(data, address)
        except OSError:
            return False
        return True

    def close_all(self):
        """The simulator ends."""
        for port in list(self._sockets):
            self.close(port)

    def _readable(self, port):
        try:
            data, source = self._sockets[port].recvfrom(_MOST)
        except OSError:  # nothing, or nobody is there: a module notices nothing of that
            return
        self._arrive(port, data, source)
