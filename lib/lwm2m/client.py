# The client: wires its parts, and gives them their turns. Under asyncio by run(), else by step().
#
# It touches no stream and no clock but through the transport and `ticks`.

import sys
from micropython import const

from lwm2m.attributes import Attributes
from lwm2m.clock import Clock
from lwm2m.evidence import Evidence
from lwm2m.notify import Notifier
from lwm2m.objects import SERVER, Instance
from lwm2m.registration import OFF, UPDATING, WAITING, Registration
from lwm2m.reliable import Endpoint
from lwm2m.renewal import Renewal
from lwm2m.requests import Requests
from lwm2m.sending import Sender
from lwm2m.settings import check_name, merged, need, path

_NEVER = const(-1)
_TENTHS = const(10)
_TENTH_MS = const(100)
_LONGEST = const(36000)  # a wait is taken up again every hour
_ERROR_MS = const(1000)  # after an exception that should not be

_CHANGED = const(0x44)

# Events, see describe.py.
_SOCKET_REBUILT = const(7)
_STALE = const(15)
_WRITTEN = const(16)

# Troubles, see describe.py.
_NOT_REGISTERED = const(1)
_NOT_CONFIRMED = const(2)

_REBOOT_DELAY = const(20)  # tenths of a second: the answer leaves first


class Client:
    """An LwM2M client of one server.

    transport: see udp.py. endpoint: the name of the client, as "urn:imei:350000000000000". objects:
    an Objects. The instance of object 1 may be among them, else there is one with lifetime_s.
    options: see settings.py.

    ValueError: a setting is not right, or the links of the objects do not fit a datagram.
    """

    def __init__(self, transport, endpoint, objects, lifetime_s=86400, **options):
        check_name(endpoint)
        need(isinstance(lifetime_s, int) and lifetime_s > 0, "lifetime_s", lifetime_s, "1 or more")
        options = merged(options)
        clock = Clock(options["ticks"]) if options["ticks"] else Clock()
        self.now = clock.now
        self.transport = transport
        self.on_event = options["on_event"]
        self.objects = objects
        self.errors = 0  # exceptions of what the application gave us
        self.on_error = None  # takes them; else they are printed
        self._queue = options["queue"]
        self._awake = options["awake_s"] * _TENTHS
        self._wake = None  # under asyncio: an Event
        self._reboot_at = _NEVER
        self._waking = False  # queue mode: the Update that goes before reports is under way
        server = objects.find(1)
        if server is None:
            values = {0: options["short_id"], 1: lifetime_s, 6: True, 7: "U", 23: False}
            server = Instance(SERVER, 0, values)
            objects.add(server)
        server.actions.update({4: self._disable, 8: self._update})
        server.check = _server_check
        server.wrote = self._wrote
        self.server = server
        device = objects.find(3)
        if device is not None and getattr(device, "reboot", None):
            device.actions[4] = self._reboot
        attributes = Attributes(options["attributes"])
        self.evidence = Evidence(options["reports"], self._stale)
        self.notifier = Notifier(
            objects, attributes, server, self.evidence, self._tell, options["observations"]
        )
        requests = Requests(objects, attributes, self.notifier, self._failed)
        self.endpoint = Endpoint(
            transport, self.now, requests.serve, self.notifier.rejected, options
        )
        self.endpoint.left = self.notifier.left
        self.notifier.endpoint = requests.endpoint = self.endpoint
        self.notifier.now = self.now
        self.notifier.wake = self.wake
        self.notifier.con = options["con"]
        self.registration = Registration(
            self.endpoint, self.now, server, objects, endpoint, self._tell, options
        )
        self.registration.started = self.notifier.mark_old
        self.registration.registered = self._registered
        self.registration.updated = self._updated
        self.registration.build()
        limit = int(options["renew_s"] * _TENTHS)
        self._renewal = Renewal(self.notifier, self.registration, self.now, limit)
        self.sender = Sender(self.endpoint, objects, server, self.evidence, self._tell)
        self.sender.failed = self.registration.update
        self.sender.now_s = self.now_s
        transport.on_rebuilt = self.rebuilt

    # For the application

    def start(self, delay_s=0):
        """Register, in delay_s seconds; step() or run() does it."""
        self.registration.start(delay_s * _TENTHS)
        self.wake()

    def stop(self):
        """De-register; run() ends when that is done, or has failed."""
        self.registration.stop()
        self.wake()

    def is_registered(self):
        """Say whether the server is believed to have the registration."""
        return self.registration.is_registered()

    def update(self):
        """Send an Update."""
        self._update(None)

    def send(self, *paths):
        """Send values, as "/3300/0/5700", unasked (LwM2M 1.1). What is sent are those of then.

        False: it cannot be: not registered, another Send waits, or the server has muted it. Event
        13 or 14 tells how it ended. ValueError: that is no path of a resource with a value.
        """
        if not self.is_registered() or not self.sender.want(paths):
            return False
        self.wake()
        return True

    def reply(self, code=_CHANGED):
        """Answer the Execute for which an action returned 0."""
        self.endpoint.reply(code)
        self.wake()

    def watch(self, text, limit_s):
        """Have event 15 when no report of a path was confirmed for limit_s; return its Report.

        ValueError: that is no path, or there is no room for more reports.
        """
        report = self.evidence.of(path(text), self.now_s())
        need(report, "reports", len(self.evidence.reports), "more of them")
        report.limit_s = limit_s
        self.wake()
        return report

    def report(self, text):
        """Return the Report of a path that is or was reported, None when it never was."""
        ids = path(text)
        for report in self.evidence.reports:
            if report.path == ids:
                return report
        return None

    def now_s(self):
        """Return the seconds that reports are in."""
        return self.now() // _TENTHS

    def asleep(self):
        """Say whether queue mode has it silent now: the radio may rest."""
        return (
            self._queue
            and self.endpoint.done is None
            and self.is_registered()
            and self.now() - self.endpoint.last_at >= self._awake
        )

    # For recovery

    def trouble(self, now_s):
        """Return (since_s, why) in the caller's seconds, None when all is well.

        why: 1 not registered, 2 a report is not confirmed.
        """
        since = self.registration.trouble_at
        why = _NOT_REGISTERED
        mine = self.now_s()
        if since >= 0:
            since //= _TENTHS
        else:
            since = self.evidence.stale_since(mine)
            why = _NOT_CONFIRMED
        return None if since < 0 else (now_s - (mine - since), why)

    def kick(self):
        """Its own remedy: rebuild the socket, and register anew."""
        self.transport.reopen()
        if self.registration.state != OFF:
            self.endpoint.forget()
            self.notifier.clear()
            self.sender.forget()
            self.registration.start(0)
        self.wake()

    def rebuilt(self):
        """The transport's: its socket is a new one, the server may see another address."""
        self.endpoint.resume()
        if self.is_registered():
            self._update(None)
            self.notifier.probe()
        elif self.registration.state == WAITING and not self.registration.is_disabled:
            self.registration.renew()
        self._tell(_SOCKET_REBUILT, None)
        self.wake()

    # Turns

    def step(self):
        """Do what is to be done; return in how many ms it wants to be called again at most.

        It never waits. Call it also when the transport has something, and after changes.
        """
        more = self.endpoint.receive()
        endpoint = self.endpoint
        endpoint.poll()
        if endpoint.done is None:
            self._renewal.step()
            self.registration.step()
        if self._may_notify():
            if self.sender.waits() and endpoint.done is None:
                self.sender.step()
            self.notifier.step()
        now = self.now()
        if 0 <= self._reboot_at <= now:
            self._reboot_at = _NEVER
            self._call(self.objects.find(3).reboot)
        stale_s = self.evidence.check(now // _TENTHS)
        if more:
            return 0
        at = now + _LONGEST
        for other in (
            endpoint.next_at(),
            self.registration.next_at() if endpoint.done is None else _NEVER,
            self._notify_at(),
            self._renewal.next_at() if endpoint.done is None else _NEVER,
            self._reboot_at,
            now + stale_s * _TENTHS if stale_s >= 0 else _NEVER,
        ):
            if 0 <= other < at:
                at = other
        return max(at - now, 0) * _TENTH_MS

    async def run(self):
        """Serve until stop() is done. Starts by itself."""
        import asyncio

        self._wake = asyncio.Event()
        if self.registration.state == OFF:
            self.start()
        reader = asyncio.create_task(self._read())
        try:
            while True:
                self._wake.clear()
                wait_ms = self._turn()
                if self.registration.state == OFF and self.endpoint.done is None:
                    break
                try:
                    await asyncio.wait_for_ms(self._wake.wait(), wait_ms)
                except asyncio.TimeoutError:
                    pass
        finally:
            reader.cancel()
            self._wake = None

    async def _read(self):
        # Wakes run() when the transport has something.
        import asyncio

        while True:
            try:
                await self.transport.readable()
                self.wake()
                while self._wake and self._wake.is_set():
                    await asyncio.sleep_ms(0)
            except Exception as error:
                self._failed(error)
                await asyncio.sleep_ms(_ERROR_MS)

    def _turn(self):
        # A turn that nothing ends, not even a lack of memory.
        try:
            return self.step()
        except Exception as error:
            self._failed(error)
            return _ERROR_MS

    def wake(self):
        """Have step() called soon, under asyncio."""
        if self._wake:
            self._wake.set()

    # Within

    def _may_notify(self):
        # Reports go out while registered; in queue mode an Update goes first.
        if not self.is_registered():
            if not self.server.get(6, True):
                self.notifier.drop_met()
            return False
        if self._waking:
            self._waking = self.registration.state == UPDATING
            if self._waking:
                return False
        if self.asleep() and (self.sender.waits() or self.notifier.is_due()):
            self._waking = True
            self.registration.update()
            self.registration.step()
            return False
        return True

    def _notify_at(self):
        if self._waking or not self.is_registered():
            return _NEVER
        if self.sender.waits() and self.endpoint.done is None:
            return 0
        return self.notifier.next_at()

    def _registered(self):
        # The server has forgotten what it observed before.
        self.notifier.clear(True)

    def _updated(self):
        # It came from somewhere. Whether observations live there, the next CON tells.
        self.notifier.probe(1)

    def _disable(self, arguments):
        self.registration.disable()

    def _update(self, arguments):
        self.registration.update()
        self.wake()

    def _reboot(self, arguments):
        self._reboot_at = self.now() + _REBOOT_DELAY

    def _wrote(self, rid):
        if rid == 1:
            self.registration.update(True)
        elif rid == 2 or rid == 3:
            self.notifier.refresh()
        self._tell(_WRITTEN, (1, self.server.iid, rid))

    def _stale(self, report):
        self._tell(_STALE, report.path)

    def _tell(self, event, detail):
        if self.on_event:
            self._call(self.on_event, self, event, detail)

    def _call(self, function, *args):
        try:
            function(*args)
        except Exception as error:
            self._failed(error)

    def _failed(self, error):
        self.errors += 1
        if self.on_error:
            self.on_error(error)
        else:
            sys.print_exception(error)


def _server_check(rid, value):
    # What a server may write into object 1.
    return value == "U" if rid == 7 else not isinstance(value, int) or value >= (rid == 1)
