# Messages that arrive for sure, and requests that run only once (RFC 7252 4.2 to 4.5, 5.2).
#
# One confirmable message is under way at a time (NSTART 1), in a buffer of its own; answers and
# acknowledgements never wait for it. What a request means is asked of Requests, and who asked for
# a message is told how it ended. The time is in tenths of a second, out of ticks that are given.

from array import array
from micropython import const

from lwm2m.coap import Message, Writer

_CON = const(0)
_NON = const(1)
_ACK = const(2)
_RST = const(3)

# How a message of ours ended, if not with the code of a response.
_TIMEOUT = const(0)
_REJECTED = const(-1)
_CONFIRMED = const(1)  # acknowledged

# What Message.parse() says.
_IGNORE = const(-1)
_RESET = const(-2)

_GET = const(1)
_TOO_LARGE = const(0x8D)
_SIZE1 = const(60)
_EMPTY = const(0xFF)
_LATER = const(0)  # the code of an answer that is not there yet

_RING = const(128)  # requests that are remembered
_EXCHANGE_S = const(247)  # s, EXCHANGE_LIFETIME, RFC 7252 4.8.2
_WAIT = const(930)  # MAX_TRANSMIT_WAIT: for a separate response, RFC 7252 4.8.2
_HELD = const(3000)  # a transport that does not say so for this long has sent the datagram
_FULL = const(5)  # between attempts to hand a message to a transport that is full
_PATIENCE = const(600)  # so many of them
_DATAGRAMS = const(8)  # datagrams that one receive() serves
_NEVER = const(-1)

_TICKS = const(0x3FFFFFFF)  # ticks_ms counts up to here, and on from 0
_TENTH_MS = const(100)


class Clock:
    """Time that runs on for years, out of ticks that wrap."""

    def __init__(self, ticks):
        self._ticks = ticks
        self._last_ms = ticks()  # the tick at which `_tenths` became what it is
        self._tenths = 0

    def now(self):
        """Return the tenths of a second since construction. Call it once in six days."""
        passed_ms = self._ticks() - self._last_ms & _TICKS
        if passed_ms >= _TENTH_MS:
            if passed_ms <= _TICKS >> 1:
                self._tenths += passed_ms // _TENTH_MS
                passed_ms -= passed_ms % _TENTH_MS
            self._last_ms = self._last_ms + passed_ms & _TICKS  # else backwards: no time passed
        return self._tenths


class Endpoint:
    """Sends and receives CoAP messages over a transport that reaches one server.

    client: whose transport, requests and notifier these are. options: see wiring.py.
    """

    # The confirmable message under way, if `busy`.
    busy = False
    _done = None  # told how it ended; None for an answer that came later
    _token_at = _NEVER  # the token, if it is a request
    _renew = None  # called before a retransmission: puts a newer value into the message
    _con_mid = _tries = _timeout = 0
    _at = 0  # when to act next
    _held = False  # the transport has it, and has not said that it left
    _refused = 0  # how often in a row the transport was full
    _acked = False  # an empty ACK came: the response comes by itself
    _own_ack = _NEVER  # the latest CON response that was acknowledged
    _ring_at = 0
    _kept = _NEVER  # the one whose answer is what `tx` still has
    later = None  # the token of the one request whose answer comes later
    later_code = _LATER  # that answer, when it is there
    last_at = 0  # when a message was sent or came last
    lost = 0  # NONs and answers that the transport was too full for

    def __init__(self, client, options):
        self.client = client
        self.random = options["bits"]
        self._timing = options["timing"]  # first timeout, what is added to it, retransmissions
        size = options["size"]
        self.rx = Message(bytearray(size + 1))  # one more: what fills it did not fit
        self.tx = Writer(bytearray(size))  # answers and NONs
        self.con = Writer(bytearray(size))  # the confirmable message
        self._mid = self.random(16)
        self._token = self.random(8)

        self.now = Clock(options["ticks"]).now

        # The latest requests, as a ring: id, a mix of what else tells them apart, code, when.
        self._mids = array("H", bytes(2 * _RING))
        self._mixes = array("H", bytes(2 * _RING))
        self._codes = bytearray(b"\xff" * _RING)
        self._times = array("H", bytes(2 * _RING))  # seconds; a code of 0xFF: nothing there yet

        client.transport.on_sent = self.sent

    # Sending

    def next_mid(self):
        """Return the id of the next message."""
        self._mid = self._mid + 1 & 0xFFFF
        return self._mid

    def request(self, code):
        """Begin a confirmable request of ours; return the Writer for its options."""
        self._token = self._token + 1 & 0xFF
        self.con.start(_CON, code, self.next_mid(), bytes((self._token,)))
        return self.con

    def launch(self, done, renew=None, is_request=False):
        """Send what is in `con`. done(outcome, message) is called once.

        outcome: the code of the response with its message; 1 when it was acknowledged, 0 when
        nothing came, -1 for an RST.
        """
        first, spread, _ = self._timing
        self.busy = True
        self._done = done
        self._renew = renew
        self._token_at = self._token if is_request else _NEVER
        self._tries = self._refused = 0
        self._timeout = first + (spread * self.random(8) >> 8)
        self._acked = False
        self._transmit()

    def send(self, writer):
        """Send a NON, or an answer. False: the transport is full."""
        self.last_at = self.now()
        self._kept = _NEVER
        if _hand_over(self.client, writer):
            return True
        self.lost += 1
        return False

    def resume(self):
        """The socket was rebuilt: what the transport held is gone, retransmission goes on."""
        if self._held:
            self._held = False
            self._at = self.now()

    def sent(self, mid):
        """The transport's: this datagram has left, or is lost. Its retransmission time starts."""
        if self._held and mid == self._con_mid:
            self._held = False
            self._at = self.now() + self._timeout
        self.client.notifier.left(mid)

    def next_at(self):
        """Return when poll() has something to do, -1 for never."""
        if self.busy:
            return self._at
        return self.now() if self.later_code else _NEVER

    def poll(self):
        """Retransmit, give up, send an answer that came later, as the time has come."""
        now = self.now()
        if not self.busy:
            if self.later_code:
                self.con.start(_CON, self.later_code, self.next_mid(), self.later)
                self.later_code = _LATER
                self.later = None
                self.launch(None)
        elif now >= self._at:
            if self._held:  # no notice: it is taken for sent
                self._held = False
                self._at = now + self._timeout
            elif self._acked or self._tries > self._timing[2] or self._refused > _PATIENCE:
                self._end(_TIMEOUT, None)
            else:
                if not self._refused:
                    self._timeout *= 2
                if self._renew:
                    self._renew()
                if self.busy:
                    self._transmit()

    def _transmit(self):
        now = self.now()
        con = self.con
        self._con_mid = con.buf[2] << 8 | con.buf[3]
        self.last_at = now
        self._held = True
        self._at = now + _HELD
        if _hand_over(self.client, con):
            self._tries += 1
            self._refused = 0
        else:
            self._held = False
            self._refused += 1
            self._at = now + _FULL

    def _end(self, outcome, message):
        self.busy = self._held = False
        if self._done:
            self._done(outcome, message)

    # Receiving

    def receive(self):
        """Serve what arrived; return True when there may be more."""
        rx = self.rx
        for _ in range(_DATAGRAMS):
            try:
                n = self.client.transport.recv_into(rx.buf)
            except Exception as error:
                self.client.failed(error)
                n = 0
            if not n:
                return False
            kind = rx.parse(n)
            if kind != _IGNORE:
                self.last_at = self.now()
                if kind == _RESET:
                    self._bare(_RST)
                elif rx.code == 0:
                    self._empty()
                elif rx.code >= 32:
                    self._response()
                elif rx.type < _ACK:
                    self._request(n == len(rx.buf))
        return True

    def _empty(self):
        # An ACK, an RST, or a ping (RFC 7252 4.3).
        rx = self.rx
        if rx.type < _ACK:
            self._bare(_RST)
        elif self.busy and rx.mid == self._con_mid:
            if rx.type == _RST:
                self._end(_REJECTED, None)
            elif self._token_at < 0:
                self._end(_CONFIRMED, None)
            elif not self._acked:
                self._acked = True
                self._held = False
                self._at = self.now() + _WAIT
        elif rx.type == _RST:
            self.client.notifier.rejected(rx.mid)

    def _response(self):
        rx = self.rx
        mine = (
            self.busy
            and rx.type != _RST
            and rx.token_n == 1
            and rx.buf[4] == self._token_at
            and (rx.type != _ACK or rx.mid == self._con_mid)
        )
        if mine and rx.type == _CON:
            self._own_ack = rx.mid
        self._bare(_ACK if rx.mid == self._own_ack else _RST)
        if mine:
            self._end(rx.code, rx)

    def _bare(self, kind):
        # An empty message, if what came is a CON.
        if self.rx.type == _CON:
            self.tx.start(kind, 0, self.rx.mid)
            self.send(self.tx)

    def _request(self, cut):
        # Serve it once. A duplicate gets the same answer; when that is gone and it was a GET, the
        # value of now.
        rx = self.rx
        now = self.now() // 10 & 0xFFFF
        mix = rx.n ^ rx.code << 10  # what tells it from another one with the same id
        for i in range(4, 4 + rx.token_n):
            mix = (mix * 31 ^ rx.buf[i]) & 0xFFFF
        code = _NEVER
        for at in range(_RING):
            if self._mids[at] == rx.mid and self._mixes[at] == mix:
                if now - self._times[at] & 0xFFFF < _EXCHANGE_S and self._codes[at] != _EMPTY:
                    code = self._codes[at]
                    break
        rx.again = code >= 0
        if rx.again and rx.type != _CON:
            return
        if code > 0 and rx.code != _GET:
            answer(self, code)
        elif code != _LATER and (code < 0 or at != self._kept):
            if code < 0:
                at = self._ring_at
                self._ring_at = (at + 1) % _RING
                self._mids[at] = rx.mid
                self._mixes[at] = mix
                self._times[at] = now
            if cut:
                code = _TOO_LARGE
                answer(self, code)
                self.tx.option(_SIZE1, len(rx.buf) - 1)
            else:
                code = self.client.requests.serve(rx, self.tx)
            self._codes[at] = code
        if code == _LATER:
            if self.later is None:
                self.later = rx.bytes(4, rx.token_n)
            self._bare(_ACK)
        else:
            self.send(self.tx)
            self._kept = at


def answer(endpoint, code):
    """Begin the answer to what was received: in the ACK of a CON, else as a NON of its own."""
    rx = endpoint.rx
    kind = _ACK if rx.type == _CON else _NON
    mid = rx.mid if kind == _ACK else endpoint.next_mid()
    endpoint.tx.start(kind, code, mid, rx.buf, 4, rx.token_n)


def _hand_over(client, writer):
    # Whatever a transport raises: it did not take it.
    try:
        return client.transport.send(writer.buf, writer.n)
    except Exception as error:
        client.failed(error)
        return False
