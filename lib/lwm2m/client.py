# The client: its parts get their turns here. Under asyncio by run(), else by step().
#
# It touches no stream and no clock but through the transport and the ticks it is given.

import sys

from micropython import const

from lwm2m.registration import (
    DISABLE,
    LIFETIME,
    OFF,
    REGISTERED,
    STOP,
    UPDATE,
    UPDATING,
    WAITING,
)

_NEVER = const(-1)
_TENTHS = const(10)
_TENTH_MS = const(100)
_LONGEST = const(36000)  # a wait is taken up again every hour
_CHANGED = const(0x44)
_AT_ONCE = const(2)

# Events, see events.py.
_SOCKET_REBUILT = const(7)
_WRITTEN = const(16)

# Troubles, see describe.py.
_NOT_REGISTERED = const(1)
_NOT_CONFIRMED = const(2)

_REBOOT_DELAY = const(20)  # tenths of a second: the answer leaves first


def path(text):
    """Return "/3300/0/5700" as (3300, 0, 5700). ValueError: it is no path of one to four ids."""
    ids = text.split("/")
    if not ids[0] and 2 <= len(ids) <= 5:
        ids = tuple(int(i) for i in ids[1:])
        if min(ids) >= 0 and max(ids) < 65535:
            return ids
    raise ValueError("path %r: wants one like /3300/0/5700" % text)


class Client:
    """An LwM2M client of one server.

    transport: see udp.py. endpoint: the name of the client, as "urn:imei:350000000000000". objects:
    an Objects. The instance of object 1 may be among them, else there is one with lifetime_s.
    options: see wiring.py.

    ValueError: a setting is not right, or the links of the objects do not fit a datagram.
    """

    def __init__(self, transport, endpoint, objects, lifetime_s=86400, **options):
        self.transport = transport
        self.objects = objects
        self.errors = 0  # exceptions of what the application gave us
        self.on_error = None  # takes them; else they are printed
        self.event = None  # under asyncio: has run() take its next turn
        self._reboot_at = _NEVER
        self._waking = False  # queue mode: the Update that goes before reports is under way
        from lwm2m import wiring

        try:
            wiring.wire(self, endpoint, lifetime_s, options)
        finally:
            del sys.modules["lwm2m.wiring"]
            del sys.modules["lwm2m"].wiring

    # For the application

    def start(self, delay_s=0):
        """Register, in delay_s seconds; step() or run() does it."""
        self.registration.start(delay_s * _TENTHS)
        self.wake()

    def stop(self):
        """De-register; run() ends when that is done, or has failed."""
        self.registration.want = STOP
        self.wake()

    def is_registered(self):
        """Say whether the server is believed to have the registration."""
        return self.registration.state >= REGISTERED

    def update(self, arguments=None):
        """Send an Update."""
        self.registration.want |= UPDATE
        self.wake()

    def send(self, *texts):
        """Send values, as "/3300/0/5700", unasked (LwM2M 1.1). What is sent are those of then.

        False: it cannot be: not registered, another Send waits, or the server has muted it. Event
        13 or 14 tells how it ended. ValueError: that is no path of a resource with a value.
        """
        paths = [path(text) for text in texts]
        if not self.is_registered() or not self.sender.want(paths):
            return False
        self.wake()
        return True

    def reply(self, code=_CHANGED):
        """Answer the Execute for which an action returned 0."""
        self.endpoint.later_code = code
        self.wake()

    def report(self, text, limit_s=0):
        """Return the Report of a path: what is known to have arrived of it.

        limit_s: have event 15 when nothing of it was confirmed for so long; 0: as it was.
        ValueError: that is no path, or there is no room for more reports.
        """
        report = self.evidence.report(path(text))
        if report is None:
            raise ValueError("reports = %d: wants more" % len(self.evidence.reports))
        if limit_s:
            report.limit_s = limit_s
            self.wake()
        return report

    def confirm(self):
        """Have the server confirm at once what it observes: by a CON each."""
        self.notifier.probe(_AT_ONCE)
        self.wake()

    def now_s(self):
        """Return the seconds that reports are in."""
        return self.now() // _TENTHS

    def asleep(self):
        """Say whether queue mode has it silent now: the radio may rest."""
        return (
            self.registration.queue
            and self.is_registered()
            and not self.endpoint.busy
            and self.now() - self.endpoint.last_at >= self.awake
        )

    # For recovery

    def trouble(self, now_s):
        """Return (since_s, why) in the caller's seconds, None when all is well.

        why: 1 not registered, 2 a report is not confirmed.
        """
        registration = self.registration
        if registration.state == OFF or registration.is_disabled:
            return None
        since = registration.trouble_at
        why = _NOT_REGISTERED
        if since >= 0:
            since //= _TENTHS
        else:
            since = self.evidence.stale_since()
            why = _NOT_CONFIRMED
        return None if since < 0 else (now_s - self.now_s() + since, why)

    def kick(self):
        """Its own remedy: rebuild the socket, and register anew."""
        self.transport.reopen()
        if self.registration.state != OFF:
            self.endpoint.busy = False
            for slot in list(self.notifier.slots):
                self.notifier.drop(slot)
            self.sender.ended(0, None)
            self.registration.start(0)
        self.wake()

    def rebuilt(self):
        """The transport's: its socket is a new one, the server may see another address."""
        self.endpoint.resume()
        if self.is_registered():
            self.update()
            self.notifier.probe(_AT_ONCE)
        elif self.registration.state == WAITING and not self.registration.is_disabled:
            self.registration.renew()
        self.tell(_SOCKET_REBUILT, None)
        self.wake()

    # Turns

    def step(self):
        """Do what is to be done; return in how many ms it wants to be called again at most.

        It never waits. Call it also when the transport has something, and after changes.
        """
        endpoint = self.endpoint
        registration = self.registration
        notifier = self.notifier
        more = endpoint.receive()
        endpoint.poll()
        now = self.now()
        if not endpoint.busy:
            registration.step()
        if self._may_notify(now):
            if self.sender.waits and not endpoint.busy:
                self.sender.step()
            notifier.step()
        if 0 <= self._reboot_at <= now:
            self._reboot_at = _NEVER
            self._call(self.objects.find(3).reboot)
        stale_s = self.evidence.check(now // _TENTHS)
        at = now + _LONGEST
        if more:
            at = now
        at = _sooner(at, endpoint.next_at())
        at = _sooner(at, self._reboot_at)
        at = _sooner(at, stale_s * _TENTHS)
        if not endpoint.busy:
            at = _sooner(at, registration.next_at())
        if self.is_registered() and not self._waking:
            at = _sooner(at, notifier.next_at())
            if self.sender.waits and not endpoint.busy:
                at = now
        return max(at - now, 0) * _TENTH_MS

    def _may_notify(self, now):
        # Reports go out while registered; in queue mode an Update goes first.
        if not self.is_registered():
            if not self.server.get(6, True):
                self.notifier.drop_met()
            return False
        if self._waking:
            self._waking = self.registration.state == UPDATING
        elif self.asleep() and (self.sender.waits or 0 <= self.notifier.next_at() <= now):
            self._waking = True
            self.update()
            self.registration.step()
        return not self._waking

    async def run(self):
        """Serve until stop() is done, under asyncio. Starts by itself."""
        from lwm2m import aio

        await aio.run(self)

    # For the parts of it

    def wake(self):
        """Have step() called soon, under asyncio."""
        if self.event:
            self.event.set()

    def tell(self, event, detail):
        """Tell the application."""
        if self.on_event:
            self._call(self.on_event, self, event, detail)

    def failed(self, error):
        """What the application gave us raised this."""
        self.errors += 1
        try:
            (self.on_error or sys.print_exception)(error)
        except Exception:  # nobody is left to be told
            self.errors += 1

    def _call(self, function, *args):
        try:
            function(*args)
        except Exception as error:
            self.failed(error)

    # Of objects 1 and 3

    def _disable(self, arguments):
        self.registration.want |= DISABLE

    def _reboot(self, arguments):
        self._reboot_at = self.now() + _REBOOT_DELAY

    def _check(self, rid, value):
        return value == "U" if rid == 7 else not isinstance(value, int) or value >= (rid == 1)

    def _wrote(self, rid):
        if rid == 1:
            self.registration.want |= LIFETIME
        elif rid == 2 or rid == 3:
            self.notifier.refresh()
        self.tell(_WRITTEN, (1, self.server.iid, rid))


def _sooner(at, other):
    return other if 0 <= other < at else at
