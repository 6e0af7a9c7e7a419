# The registration at one server: Register, Update, De-register (LwM2M 1.1 Core 6.2, Transport 6.4).
#
# It decides when and what; reliable.py sends. Whatever happens, it tries again some time: nothing
# but stop() ends that. Times are tenths of a second.

from micropython import const

from lwm2m import discover

# States.
OFF = const(0)
WAITING = const(1)  # for the next Register: at first, after failures, when disabled
REGISTERING = const(2)
REGISTERED = const(3)
UPDATING = const(4)  # still registered
LEAVING = const(5)  # De-register is under way

# What is wanted.
_UPDATE = const(1)
_LIFETIME = const(2)  # in an Update
_LINKS = const(4)  # in an Update
_REGISTER = const(8)
_DISABLE = const(16)
_STOP = const(32)

# Events, see describe.py.
_REGISTERED = const(1)
_UPDATED = const(2)
_DEREGISTERED = const(3)
_DISABLED = const(4)
_REFUSED = const(5)  # with the code; 0: no answer
_REGISTRATION_LOST = const(6)

_POST = const(2)
_DELETE = const(4)
_CREATED = const(0x41)
_DELETED = const(0x42)
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

# Resources of object 1.
_RID_LIFETIME = const(1)
_RID_DISABLE_TIMEOUT = const(5)
_RID_BINDING = const(7)


class Registration:
    """Keeps one client registered.

    server: the instance of object 1. tell(event, detail): the application's. options: see
    settings.py. started(): a Register is sent; registered(), updated(): it succeeded.
    """

    def __init__(self, endpoint, now, server, objects, name, tell, options):
        self._endpoint = endpoint
        self._now = now
        self._server = server
        self._objects = objects
        self._name = name
        self._retry = options["retry"]
        self._queue = options["queue"]
        self._tell = tell
        self.version = options["version"]
        self._allow_1_0 = options["allow_1_0"]
        self.started = self.registered = self.updated = None
        self.state = OFF
        self.at = 0  # while WAITING: when to register; else when to update
        self.is_disabled = False  # WAITING because a server wanted it
        self.trouble_at = _NEVER  # since when it should be registered, but is not for sure
        self.refused = 0  # the code of the latest failure, 0 for no answer
        self._want = 0
        self._asked = 0  # what of it the message under way is about
        self._location = ()
        self._sent_at = 0  # when the Register or Update under way was begun
        self._attempts = 0  # of this sequence
        self._links = objects.links  # as the server has them

    # What others want

    def start(self, delay):
        """Begin, in some tenths of a second."""
        self._want = 0
        self.state = WAITING
        self.at = self._now() + delay

    def update(self, with_lifetime=False):
        """Update as soon as possible."""
        self._want |= _LIFETIME if with_lifetime else _UPDATE

    def renew(self):
        """Register anew: at once, whatever was waited for."""
        self._attempts = 0
        self.is_disabled = False
        if self.state == WAITING:
            self.at = self._now()
        else:
            self._want |= _REGISTER

    def disable(self):
        """De-register, and register again after the disable timeout."""
        self._want |= _DISABLE

    def stop(self):
        """De-register, and stay so."""
        self._want = _STOP

    def is_registered(self):
        """Say whether the server is believed to have the registration."""
        return self.state == REGISTERED or self.state == UPDATING

    def next_at(self):
        """Return when step() has something to do, -1 for never."""
        if self.state == OFF:
            return _NEVER
        if self._want or (self.state == REGISTERED and self._links != self._objects.links):
            return 0
        return self.at

    def step(self):
        """Send what is due. No other confirmable message is under way."""
        now = self._now()
        if self.state == OFF:
            self._want = 0
        elif self.state == WAITING:
            if self._want & _STOP:
                self._want = 0
                self.state = OFF
                self._tell(_DEREGISTERED, None)
            else:
                self._want &= _STOP  # what was wanted of the old registration
                if now >= self.at:
                    self._register()
        elif self.state == REGISTERED:
            if self._want & (_STOP | _DISABLE):
                self._leave()
            elif self._want & _REGISTER:
                self._register()
            elif self._want or now >= self.at or self._links != self._objects.links:
                self._update()

    # Messages

    def _begin(self, code, location):
        writer = self._endpoint.request(code)
        for part in location:
            writer.option(_URI_PATH, part)
        self._sent_at = self._now()
        self._asked = self._want
        self._want &= _STOP | _DISABLE
        return writer

    def _put_links(self, writer):
        at = writer.mark()
        writer.n = discover.links(writer.buf, at, self._objects, self.version)
        self._links = self._objects.links

    def _register(self):
        self.build()
        self.is_disabled = False
        self.state = REGISTERING
        self.started()
        self._endpoint.launch(self._answered)

    def build(self):
        """Build the Register. ValueError: it does not fit a datagram."""
        old = self.version == "1.0"
        try:
            writer = self._begin(_POST, (b"rd",))
            writer.uint(_CONTENT_FORMAT, _LINK_FORMAT)
            writer.option(_URI_QUERY, b"ep=" + self._name.encode())
            writer.option(_URI_QUERY, b"lt=%d" % self._server.get(_RID_LIFETIME))
            writer.option(_URI_QUERY, b"lwm2m=" + self.version.encode())
            binding = self._server.get(_RID_BINDING).encode()
            writer.option(_URI_QUERY, b"b=" + binding + (b"Q" if old and self._queue else b""))
            if self._queue and not old:
                writer.option(_URI_QUERY, b"Q")
            self._put_links(writer)
        except IndexError:
            raise ValueError("objects: wants fewer, their links do not fit a datagram")

    def _update(self):
        want = self._want | (_LINKS if self._links != self._objects.links else 0)
        writer = self._begin(_POST, self._location)
        if want & _LINKS:
            writer.uint(_CONTENT_FORMAT, _LINK_FORMAT)
        if want & _LIFETIME:
            writer.option(_URI_QUERY, b"lt=%d" % self._server.get(_RID_LIFETIME))
        if want & _LINKS:
            self._put_links(writer)
        self.state = UPDATING
        self._endpoint.launch(self._answered)

    def _leave(self):
        self._begin(_DELETE, self._location)
        self.state = LEAVING
        self._endpoint.launch(self._left)

    # Answers

    def _answered(self, code, message):
        if self.state == UPDATING:
            if code == _CHANGED:
                self.updated()
                self._good(_UPDATED)
            else:
                # Without an answer the registration may still be there: one Register tells.
                self._bad()
                self.state = WAITING
                self._attempts = 0
                self.at = self._now()
                if code >= 0x80 and code != _NOT_FOUND:
                    self._failed(code)
                self._tell(_REGISTRATION_LOST, max(code, 0))
        elif code == _CREATED and self._locate(message):
            self.registered()
            self._good(_REGISTERED)
        elif code == _PRECONDITION and self.version != "1.0" and self._allow_1_0:
            self.version = "1.0"
            self.state = WAITING
            self.at = self._now()
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

    def _good(self, event):
        lifetime = self._server.get(_RID_LIFETIME) * _TENTHS
        ahead = lifetime // 2 if lifetime < 2 * _SPAN else _SPAN
        self.at = self._sent_at + lifetime - ahead
        self._attempts = 0
        self.trouble_at = _NEVER
        self.state = REGISTERED
        self._tell(event, None)

    def _bad(self):
        if self.trouble_at < 0:
            self.trouble_at = self._now()

    def _failed(self, code):
        # The next attempt: doubled each time, then after the pause, up to a quarter later.
        attempts, first_s, pause_s = self._retry
        self._bad()
        self.refused = max(code, 0)
        self._attempts += 1
        wait = first_s << min(self._attempts - 1, _MOST_DOUBLINGS)
        if self._attempts >= attempts:
            self._attempts = 0
            wait = pause_s
        wait = min(wait, pause_s) * _TENTHS
        self.state = WAITING
        self.at = self._now() + wait + (wait * self._endpoint.random(8) >> 10)
        self._tell(_REFUSED, self.refused)

    def _left(self, code, message):
        # Whatever the answer is: the server has it no more, or forgets it by itself.
        if self._asked & _STOP:
            self.state = OFF
            self._want = 0
            self._tell(_DEREGISTERED, None)
        else:
            self.state = WAITING
            self.is_disabled = True
            self._want &= _STOP
            self.at = self._now() + self._server.get(_RID_DISABLE_TIMEOUT, 86400) * _TENTHS
            self._tell(_DISABLED, None)
