# The registration at one server: Register, Update, De-register (LwM2M 1.1 Core 6.2, Transport 6.4).
#
# It decides when and what; reliable.py sends. Whatever happens, it tries again some time: nothing
# but STOP ends that. Times are tenths of a second.

from micropython import const

from lwm2m import discover

# States. From REGISTERED on the server is believed to have the registration.
OFF = const(0)
WAITING = const(1)  # for the next Register: at first, after failures, when disabled
REGISTERING = const(2)
LEAVING = const(3)  # De-register is under way
REGISTERED = const(4)
UPDATING = const(5)

# What is wanted: bits of `want`.
UPDATE = const(1)
LIFETIME = const(2)  # in an Update
_LINKS = const(4)  # in an Update
_REGISTER = const(8)
DISABLE = const(16)  # De-register, and register again after the disable timeout
STOP = const(32)  # De-register, and stay so

# Events, see events.py.
_REGISTERED = const(1)
_UPDATED = const(2)
_DEREGISTERED = const(3)
_DISABLED = const(4)
_REFUSED = const(5)  # with the code; 0: no answer
_REGISTRATION_LOST = const(6)

_POST = const(2)
_DELETE = const(4)
_CREATED = const(0x41)
_CHANGED = const(0x44)
_NOT_FOUND = const(0x84)
_PRECONDITION = const(0x8C)  # 4.12: the version

_LOCATION_PATH = const(8)
_URI_PATH = const(11)
_CONTENT_FORMAT = const(12)
_URI_QUERY = const(15)
_LINK_FORMAT = const(40)

_NEVER = const(-1)
_TENTHS = const(10)
_SPAN = const(930)  # MAX_TRANSMIT_WAIT: an Update needs so long at most, RFC 7252 4.8.2
_MOST_DOUBLINGS = const(10)
_FIRST_GAP = const(600)  # between two Registers because of lost observations, doubled each time
_LAST_GAP = const(36000)

# Resources of object 1.
_RID_LIFETIME = const(1)
_RID_DISABLE_TIMEOUT = const(5)
_RID_BINDING = const(7)


class Registration:
    """Keeps one client registered. name: its endpoint name. options: see wiring.py."""

    state = OFF
    want = 0
    at = 0  # while WAITING: when to register; else when to update
    is_disabled = False  # WAITING because a server wanted it
    trouble_at = _NEVER  # since when it should be registered, but is not for sure
    _asked = 0  # what of `want` the message under way is about
    _location = ()
    _sent_at = 0  # when the Register or Update under way was begun
    _attempts = 0  # of this sequence
    lost_at = _NEVER  # when an observation was lost that nobody renewed since
    _gap = 0  # between two Registers because of that
    _renewed_at = 0  # when the latest one was
    _links = 0  # of Objects, as the server has them

    def __init__(self, client, name, options):
        self.client = client
        self.queue = options["queue"]
        self._name = name.encode()
        self._retry = options["retry"]
        self._allow_1_0 = options["allow_1_0"]
        self._version = options["version"]
        self._loss = options["renew_s"] * _TENTHS  # somebody has so long to do so

    def start(self, delay):
        """Begin, in some tenths of a second."""
        self.want = 0
        self.is_disabled = False
        self.wait(delay)

    def wait(self, delay, why=0):
        """Register after so long. why: 1: something failed."""
        if why and self.trouble_at < 0:
            self.trouble_at = self.client.now()
        self.state = WAITING
        self.at = self.client.now() + delay

    def renew(self):
        """Register anew: at once, whatever was waited for."""
        self._attempts = 0
        self.is_disabled = False
        if self.state == WAITING:
            self.wait(0)
        else:
            self.want |= _REGISTER

    def lost(self, at_once):
        """An observation was lost. Over plain CoAP only a new registration brings it back."""
        if self.lost_at < 0:
            self.lost_at = self.client.now()
        if at_once:
            self.lost_at = max(self.lost_at - self._loss, 0)

    def next_at(self):
        """Return when step() has something to do, -1 for never."""
        if self.state == OFF:
            return _NEVER
        if self.want or self._changed():
            return 0
        if self.state == REGISTERED and self.lost_at >= 0:
            return min(self.at, max(self.lost_at + self._loss, self._renewed_at + self._gap))
        return self.at

    def step(self):
        """Send what is due. No other confirmable message is under way."""
        now = self.client.now()
        want = self.want
        if self.state == WAITING:
            self.want &= STOP  # what was wanted of the old registration
            if want & STOP:
                self._off()
            elif now >= self.at:
                self.register()
        elif self.state == REGISTERED:
            if want & (STOP | DISABLE):
                self._begin(_DELETE, self._location)
                self._launch(LEAVING)
            elif want & _REGISTER:
                self.register()
            elif want or now >= self.at or self._changed():
                self._update()
            elif self.lost_at >= 0 and now >= self.next_at():
                is_rare = now - self._renewed_at > _LAST_GAP
                self._gap = _FIRST_GAP if is_rare or not self._gap else self._gap * 2
                self._gap = min(self._gap, _LAST_GAP)
                self._renewed_at = now
                self.lost_at = _NEVER
                self.register()

    def register(self, is_trial=False):
        """Send a Register; as a trial only build it. ValueError: it does not fit a datagram."""
        old = self._version == "1.0"
        server = self.client.server
        try:
            writer = self._begin(_POST, (b"rd",))
            writer.option(_CONTENT_FORMAT, _LINK_FORMAT)
            writer.option(_URI_QUERY, b"ep=" + self._name)
            writer.option(_URI_QUERY, b"lt=%d" % server.get(_RID_LIFETIME))
            writer.option(_URI_QUERY, b"lwm2m=" + self._version.encode())
            binding = b"b=" + server.get(_RID_BINDING).encode()
            writer.option(_URI_QUERY, binding + (b"Q" if old and self.queue else b""))
            if self.queue and not old:
                writer.option(_URI_QUERY, b"Q")
            self._put_links(writer)
        except IndexError:
            raise ValueError("objects: wants fewer, their links do not fit a datagram")
        if not is_trial:
            self.is_disabled = False
            self.client.notifier.mark_old()
            self._launch(REGISTERING)

    def _changed(self):
        return self.state == REGISTERED and self._links != self.client.objects.links

    def _begin(self, code, location):
        writer = self.client.endpoint.request(code)
        for part in location:
            writer.option(_URI_PATH, part)
        self._sent_at = self.client.now()
        self._asked = self.want
        return writer

    def _launch(self, state):
        self.state = state
        self.want &= STOP | DISABLE
        self.client.endpoint.launch(self._answered, None, True)

    def _put_links(self, writer):
        at = writer.mark()
        writer.n = discover.links(writer.buf, at, self.client.objects, self._version)
        self._links = self.client.objects.links

    def _update(self):
        changed = self._changed()
        writer = self._begin(_POST, self._location)
        if changed:
            writer.option(_CONTENT_FORMAT, _LINK_FORMAT)
        if self._asked & LIFETIME:
            writer.option(_URI_QUERY, b"lt=%d" % self.client.server.get(_RID_LIFETIME))
        if changed:
            self._put_links(writer)
        self._launch(UPDATING)

    # Answers

    def _answered(self, code, message):
        client = self.client
        if self.state == LEAVING:
            # Whatever the answer is: the server has it no more, or forgets it by itself.
            client.requests.attributes.paths.clear()
            self.want &= STOP
            if self._asked & STOP:
                self._off()
            else:
                self.is_disabled = True
                self.wait(client.server.get(_RID_DISABLE_TIMEOUT, 86400) * _TENTHS)
                client.tell(_DISABLED, None)
        elif self.state == UPDATING:
            if code == _CHANGED:
                # It came from somewhere. Whether observations live there, their next CON tells.
                client.notifier.probe(1)
                self._good(_UPDATED)
                return
            # Without an answer the registration may still be there: one Register tells.
            self._attempts = 0
            if code >= 0x80 and code != _NOT_FOUND:
                self._failed(code)
            else:
                self.wait(0, 1)
            client.tell(_REGISTRATION_LOST, max(code, 0))
        elif code == _CREATED and self._locate(message):
            client.notifier.clear_old()
            self.lost_at = _NEVER
            self._good(_REGISTERED)
        elif code == _PRECONDITION and self._version != "1.0" and self._allow_1_0:
            self._version = "1.0"
            self.wait(0)
        else:
            self._failed(code)

    def _locate(self, message):
        # Keep the values of Location-Path as they are: some servers have all in one.
        parts = []
        message.rewind()
        while message.more():
            if message.option == _LOCATION_PATH:
                parts.append(message.bytes())
        self._location = parts
        return parts

    def _off(self):
        self.state = OFF
        self.want = 0
        self.client.tell(_DEREGISTERED, None)

    def _good(self, event):
        lifetime = self.client.server.get(_RID_LIFETIME) * _TENTHS
        self.at = self._sent_at + lifetime - (lifetime // 2 if lifetime < 2 * _SPAN else _SPAN)
        self._attempts = 0
        self.trouble_at = _NEVER
        self.state = REGISTERED
        self.client.tell(event, None)

    def _failed(self, code):
        # The next attempt: doubled each time, then after the pause, up to a quarter later.
        attempts, first_s, pause_s = self._retry
        self._attempts += 1
        wait = min(first_s << min(self._attempts - 1, _MOST_DOUBLINGS), pause_s)
        if self._attempts >= attempts:
            self._attempts = 0
            wait = pause_s
        wait *= _TENTHS
        self.wait(wait + (wait * self.client.endpoint.random(8) >> 10), 1)
        self.client.tell(_REFUSED, max(code, 0))
