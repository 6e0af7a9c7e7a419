# UDP over `socket`: boards with Wi-Fi or Ethernet, and the unix port. There is no encryption.
#
# What a transport is, for whoever writes another one:
#     send(buf, n)     copies n bytes into a bounded queue and returns at once; False: it is full
#     recv_into(buf)   returns the bytes of the next datagram of the server, 0 for none; what is
#                      longer than the buffer fills it
#     readable()       a coroutine that returns when recv_into() may have something, and when one of
#                      the two below was called outside of send() and recv_into(); it may also
#                      return for nothing
#     reopen()         has a new socket made
#     on_sent(mid)     set by the client; called once for each datagram that send() took, when it
#                      has left or is lost; mid: its bytes 2 and 3. Retransmission counts from here.
#     on_rebuilt()     set by the client; called when the socket is a new one. The client then sends
#                      again what has not left: a transport that has kept it does not take it twice
#     size             if it has that: bytes of the longest datagram
# Datagrams of others than the server never come out of recv_into().

import errno
import socket
from micropython import const

_SCHEME = "coap://"
_PORT = const(5683)  # RFC 7252 6.1
_WAIT_MS = const(200)  # between looks for a socket, which send() makes


def parse(uri):
    """Return (host, port) of "coap://host:port". ValueError: it is something else."""
    rest = uri[len(_SCHEME) :].rstrip("/") if uri.startswith(_SCHEME) else ""
    host, colon, port = rest.rpartition(":")
    if rest[-1:] == "]" or not colon:  # an IPv6 address without a port, or a name
        host, port = rest, str(_PORT)
    if host[:1] == "[":
        host = host[1:-1]
    right = host and "/" not in host and port.isdigit() and 0 < int(port) < 65536
    if not right:
        raise ValueError("uri = %r: wants coap://host or coap://host:port" % uri)
    return host, int(port)


class UdpTransport:
    """A socket that is connected to one server, so that the network stack drops all others.

    uri: "coap://host:port". The name is looked up whenever a socket is made, which may take
    seconds. ValueError: another scheme (coaps comes later), or no host.
    """

    def __init__(self, uri):
        self._host, self._port = parse(uri)
        self._socket = None
        self._is_second = False  # there was a socket before the next one
        self._is_new = False  # there is another socket, and on_rebuilt was not told yet
        self.on_sent = self.on_rebuilt = None
        self.failures = 0  # of the socket: it was made anew, or could not be

    def send(self, buf, n):
        """Send n bytes."""
        try:
            if self._socket is None:
                self._open()
            if self._socket.write(memoryview(buf)[:n]) is None:
                return False
        except OSError as error:
            if error.errno == errno.EAGAIN:
                return False
            self._failed(error)
        if self.on_sent:
            self.on_sent(buf[2] << 8 | buf[3])
        return True

    def recv_into(self, buf):
        """Return the bytes of the next datagram, 0 when there is none."""
        if self._is_new:  # not told by send(), in the middle of what the client does there
            self._is_new = False
            self.on_rebuilt()
        if self._socket is None:
            return 0
        try:
            return self._socket.readinto(buf) or 0
        except OSError as error:
            if error.errno != errno.EAGAIN:
                self._failed(error)
        return 0

    def readable(self):
        """Wait until there is something to receive; to be awaited."""
        import asyncio

        while self._socket is None:
            yield from asyncio.sleep_ms(_WAIT_MS)
        yield asyncio.core._io_queue.queue_read(self._socket)

    def reopen(self):
        """Make a new socket with the next datagram that is sent."""
        self.close()
        self._is_second = False
        if self.on_rebuilt:
            self.on_rebuilt()

    def close(self):
        """Close the socket; send() opens it again."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _open(self):
        address = socket.getaddrinfo(self._host, self._port, 0, socket.SOCK_DGRAM)[0]
        made = socket.socket(address[0], socket.SOCK_DGRAM)
        try:
            made.connect(address[-1])
            made.setblocking(False)
        except OSError:
            made.close()
            raise
        self._is_new = self._is_second
        self._is_second = True
        self._socket = made

    def _failed(self, error):
        # A server that is not there (ECONNREFUSED) says nothing about the socket.
        self.failures += 1
        if error.errno != errno.ECONNREFUSED:
            self.close()
