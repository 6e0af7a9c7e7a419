# Messages that arrive for sure, and requests that run only once (RFC 7252 4.2 to 4.5, 5.2).
#
# One confirmable message is under way at a time (NSTART 1), in a buffer of its own; answers and
# acknowledgements never wait for it. It knows nothing of LwM2M: what a request means is asked of
# `serve`, and who asked for a message is told how it ended.

from array import array
from random import getrandbits

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

_RING = const(128)  # requests that are remembered
_LIFETIME = const(2470)  # tenths of a second, EXCHANGE_LIFETIME, RFC 7252 4.8.2
_WAIT = const(930)  # MAX_TRANSMIT_WAIT: for a separate response, RFC 7252 4.8.2
_HELD = const(3000)  # a transport that does not say so for this long has sent the datagram
_FULL = const(5)  # between attempts to hand a message to a transport that is full
_PATIENCE = const(600)  # so many of them
_AT_ONCE = const(8)  # datagrams that one receive() serves
_NEVER = const(-1)
_LATER = const(0)  # the code of an answer that is not there yet


class Endpoint:
    """Sends and receives CoAP messages over a transport that reaches one server.

    now: a function, tenths of a second. serve(message, writer): called with a request; builds the
    whole answer in the writer and returns its code, or 0: reply() comes later. rejected(mid): an
    RST came for a NON of ours. options: see settings.py.
    """

    def __init__(self, transport, now, serve, rejected, options):
        self._ack_timeout = int(options["ack_timeout_s"] * 10)
        self._ack_spread = int(options["ack_timeout_s"] * options["ack_spread"] * 10)
        self._retransmit = options["retransmit"]
        self.random = random = options["bits"] or getrandbits
        size = options["size"]
        self._transport = transport
        self._now = now
        self._serve = serve
        self._rejected = rejected
        self.rx = Message(bytearray(size + 1))  # one more: what fills it did not fit
        self.tx = Writer(bytearray(size))  # answers and NONs
        self.con = Writer(bytearray(size))  # the confirmable message
        self._mid = random(16)
        self._token = random(8)

        # The confirmable message under way. `done` is None when there is none.
        self.done = None
        self.con_mid = 0
        self._is_request = False
        self._renew = None  # called before a retransmission: puts a newer value into the message
        self._tries = 0
        self._timeout = 0
        self._at = 0  # when to act next
        self._held = False  # the transport has it, and has not said that it left
        self._refused = 0  # how often in a row the transport was full
        self._acked = False  # an empty ACK came: the response comes by itself
        self._own_ack = 0  # the latest CON response that was acknowledged

        # The latest requests, as a ring: id, a mix of what else tells them apart, code, when.
        self._mids = array("H", bytes(2 * _RING))
        self._mixes = array("H", bytes(2 * _RING))
        self._codes = bytearray(_RING)
        self._times = [_NEVER] * _RING  # tenths of a second
        self._ring_at = 0
        self._kept = -1  # the one whose answer is what `tx` still has

        self._reply_token = None  # of the one request whose answer comes later
        self._reply_code = _LATER

        self.left = None  # called with the id of each datagram that has left
        self.heard_at = 0  # when a message of the server came last
        self.last_at = 0  # when a message was sent or came last
        self.lost_answers = 0  # the transport was full
        transport.on_sent = self.sent

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

    def launch(self, done, is_request=True, renew=None):
        """Send what is in `con`. done(outcome, message) is called once.

        outcome: the code of the response with its message; 1 when it was acknowledged, 0 when
        nothing came, -1 for an RST.
        """
        self.done = done
        self._is_request = is_request
        self._renew = renew
        self._tries = self._refused = 0
        self._timeout = self._ack_timeout + (self._ack_spread * self.random(8) >> 8)
        self._acked = False
        self._transmit()

    def send(self, writer):
        """Send a NON, or an answer. False: the transport is full."""
        self.last_at = self._now()
        self._kept = -1
        return self._transport.send(writer.buf, writer.n)

    def forget(self):
        """Give up the message under way; nobody is told."""
        self.done = None

    def resume(self):
        """The socket was rebuilt: what the transport held is gone, retransmission goes on."""
        if self.done and self._held:
            self._held = False
            self._at = self._now()

    def reply(self, code):
        """Answer the request for which `serve` returned 0."""
        self._reply_code = code

    def busy_with_reply(self):
        """Say whether an answer is still to come; another one cannot be put off then."""
        return self._reply_token is not None

    def sent(self, mid):
        """The transport's: this datagram has left, or is lost. Its retransmission time starts."""
        if self.done and self._held and mid == self.con_mid:
            self._held = False
            self._at = self._now() + self._timeout
        self.left(mid)

    def next_at(self):
        """Return when poll() has something to do, -1 for never."""
        if self.done:
            return self._at
        return self._now() if self._reply_code else _NEVER

    def poll(self):
        """Retransmit, give up, send an answer that came later, as the time has come."""
        now = self._now()
        if self.done is None:
            if self._reply_code:
                self._send_reply()
        elif now >= self._at:
            if self._held:  # no notice: it is taken for sent
                self._held = False
                self._at = now + self._timeout
            elif self._acked or self._tries > self._retransmit or self._refused > _PATIENCE:
                self._end(_TIMEOUT, None)
            else:
                if not self._refused:
                    self._timeout *= 2
                if self._renew:
                    self._renew()
                if self.done:
                    self._transmit()

    def _transmit(self):
        now = self._now()
        con = self.con
        self.con_mid = con.buf[2] << 8 | con.buf[3]
        self.last_at = now
        self._held = True
        self._at = now + _HELD
        if self._transport.send(con.buf, con.n):
            self._tries += 1
            self._refused = 0
        else:
            self._held = False
            self._refused += 1
            self._at = now + _FULL

    def _end(self, outcome, message):
        done = self.done
        self.done = None
        done(outcome, message)

    def _send_reply(self):
        self.con.start(_CON, self._reply_code, self.next_mid(), self._reply_token)
        self._reply_code = _LATER
        self._reply_token = None
        self.launch(self._replied, False)

    def _replied(self, outcome, message):
        pass

    # Receiving

    def receive(self):
        """Serve what arrived; return True when there may be more."""
        rx = self.rx
        for _ in range(_AT_ONCE):
            n = self._transport.recv_into(rx.buf)
            if not n:
                return False
            kind = rx.parse(n)
            if kind != _IGNORE:
                self.heard_at = self.last_at = self._now()
                if kind == _RESET:
                    self._reset()
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
            self._reset()
        elif self.done and rx.mid == self.con_mid:
            if rx.type == _RST:
                self._end(_REJECTED, None)
            elif not self._is_request:
                self._end(_CONFIRMED, None)
            elif not self._acked:
                self._acked = True
                self._held = False
                self._at = self._now() + _WAIT
        elif rx.type == _RST:
            self._rejected(rx.mid)

    def _response(self):
        rx = self.rx
        mine = (
            self.done
            and self._is_request
            and rx.type != _RST
            and rx.token_n == 1
            and rx.buf[4] == self._token
            and (rx.type != _ACK or rx.mid == self.con_mid)
        )
        if rx.type == _CON:
            if mine or rx.mid == self._own_ack:
                self._own_ack = rx.mid
                self._bare(_ACK)
            else:
                self._reset()
        if mine:
            self._end(rx.code, rx)

    def _reset(self):
        if self.rx.type == _CON:
            self._bare(_RST)

    def _bare(self, kind):
        self.tx.start(kind, 0, self.rx.mid)
        self._answer()

    def _request(self, cut):
        # Serve it once. A duplicate gets the same answer; when that is gone and it was a GET, the
        # value of now.
        rx = self.rx
        mark = self._remembered()
        code = -1 if mark < 0 else self._codes[mark]
        if mark >= 0 and rx.type != _CON:
            return
        if code > 0 and rx.code != _GET:
            self._plain(code)
        elif code != _LATER and (mark < 0 or mark != self._kept):
            if mark < 0:
                mark = self._remember()
            if cut:
                code = self._plain(_TOO_LARGE)
                self.tx.uint(_SIZE1, len(rx.buf) - 1)
            else:
                code = self._serve(rx, self.tx)
            self._codes[mark] = code
        if code == _LATER:
            if self._reply_token is None:
                self._reply_token = rx.token()
            if rx.type == _CON:
                self._bare(_ACK)
        else:
            self._answer()
            self._kept = mark

    def _plain(self, code):
        # An answer of a code only.
        start(self.tx, self.rx, code, self.next_mid)
        return code

    def _answer(self):
        if not self.send(self.tx):
            self.lost_answers += 1

    def _mix(self):
        # What tells a retransmission from another message with the same id.
        rx = self.rx
        n = rx.token_n
        mix = rx.n ^ rx.code << 10
        for i in range(4, 4 + n):
            mix = (mix * 31 ^ rx.buf[i]) & 0xFFFF
        return mix

    def _remembered(self):
        # The place of this request in the ring, -1 when it is new.
        mid = self.rx.mid
        oldest = self._now() - _LIFETIME
        for i in range(_RING):
            if self._mids[i] == mid and self._times[i] > _NEVER and self._times[i] >= oldest:
                if self._mixes[i] == self._mix():
                    return i
        return -1

    def _remember(self):
        i = self._ring_at
        self._ring_at = (i + 1) % _RING
        self._mids[i] = self.rx.mid
        self._mixes[i] = self._mix()
        self._times[i] = self._now()
        self._codes[i] = _LATER
        return i


def start(writer, message, code, next_mid):
    """Begin the answer to a request: in the ACK of a CON, else as a NON of its own."""
    if message.type == _CON:
        writer.start(_ACK, code, message.mid, message.buf, 4, message.token_n)
    else:
        writer.start(_NON, code, next_mid(), message.buf, 4, message.token_n)
