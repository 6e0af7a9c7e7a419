# Observations of one server, and their notifications (RFC 7641, LwM2M 1.1 Core 6.4).
#
# At most one notification of an observation is under way; what changes meanwhile is in the next
# one, or in the retransmission (RFC 7641 4.5.2). Nothing is queued. Times are tenths of a second.

from micropython import const

from lwm2m import content
from lwm2m.observation import Observation
from lwm2m.requests import fill

_CON = const(0)
_NON = const(1)
_CONTENT = const(0x45)
_NOT_FOUND = const(0x84)

# How a message ended, see reliable.py.
_REJECTED = const(-1)
_CONFIRMED = const(1)

_NEVER = const(-1)
_TENTHS = const(10)
_AT_ONCE = const(2)
_RETRY = const(100)  # until a notification that could not be built is tried again
_DAY = const(863000)  # one CON at least every 24 h, RFC 7641 4.5

# Events, see events.py.
_OBSERVED = const(10)
_CANCELLED = const(11)
_OBSERVATION_LOST = const(12)


class Notifier:
    """Keeps the observations of a client and sends their notifications. options: see wiring.py."""

    def __init__(self, client, options):
        self.client = client
        self.slots = []
        self._room = options["observations"]
        self._con = options["con"]
        self._pending = None  # the observation whose CON is under way
        client.objects.watchers.append(self.touched)

    # What the server asks for

    def observe(self, token, path, content_format):
        """Return the Observation for a request, new or renewed; None: there is no room."""
        found = None
        for slot in list(self.slots):
            if slot.token == token and slot.path == path:
                found = slot
            elif slot.token == token or slot.path == path:
                self.drop(slot)
        if found is None:
            if len(self.slots) >= self._room:
                return None
            self.client.evidence.report(path)
            found = Observation(token, path, self.client.evidence.below(path))
            self.slots.append(found)
        found.content_format = content_format
        found.next_number()
        return found

    def observed(self, slot):
        """The first answer was built."""
        slot.is_old = False
        slot.probe = 0
        slot.con_at = self.client.now()
        self.client.registration.lost_at = _NEVER
        slot.measure(self.client)
        self._made(slot)
        for report in slot.reports:
            report.sent_s = self.client.now_s()
        self.client.tell(_OBSERVED, slot.path)

    def cancel(self, token):
        """GET with Observe 1."""
        for slot in self.slots:
            if slot.token == token:
                self.drop(slot)
                self.client.tell(_CANCELLED, slot.path)
                return

    def refresh(self):
        """Attributes have changed: what was reported last counts anew under them."""
        for slot in self.slots:
            met = slot.met
            slot.measure(self.client)
            slot.reported(slot.value(self.client.objects), self.client.now())
            slot.met = met
        self.client.wake()

    # What the application sets

    def touched(self, instance, rid, value, changed):
        """A value was set; `changed`: to another one. It allocates nothing."""
        self.client.evidence.touched(instance, rid, value)
        for slot in self.slots:
            if slot.take(instance, rid, value, changed):
                self.client.wake()

    # Sending

    def next_at(self):
        """Return when step() has something to do, -1 for never."""
        soonest = _NEVER
        now = self.client.now()
        for slot in self.slots:
            if slot is not self._pending:
                at = self._due_at(slot)
                # What wants to be a CON waits for the end of the one under way, not for a time.
                if at <= now and self.client.endpoint.busy and self._wants_con(slot, now):
                    continue
                if soonest < 0 or at < soonest:
                    soonest = at
        return soonest

    def step(self):
        """Send what is due: NONs at once, one CON if none is under way."""
        endpoint = self.client.endpoint
        now = endpoint.now()
        for slot in self.slots:
            if slot is self._pending or now < self._due_at(slot):
                continue
            if self._wants_con(slot, now):
                if not endpoint.busy:
                    if not self._build(slot, endpoint.con, _CON):
                        return
                    self._pending = slot
                    endpoint.launch(self._ended, self._renew)
            elif not self._build(slot, endpoint.tx, _NON):
                return
            else:
                slot.count += 1
                if not endpoint.send(endpoint.tx):
                    slot.met = True  # the transport is full
                    slot.held_until = now + _TENTHS

    def drop_met(self):
        """Nothing is kept for later: /1/x/6 is false and the server is not there."""
        now = self.client.now()
        for slot in self.slots:
            if self._due_at(slot) <= now:
                slot.reported(slot.value(self.client.objects), now)

    def left(self, mid):
        """A notification has left."""
        for slot in self.slots:
            if slot.mid == mid:
                for report in slot.reports:
                    report.sent_s = self.client.now_s()

    def rejected(self, mid):
        """An RST came for a NON: the server does not know the observation."""
        for slot in self.slots:
            if mid == slot.mid or mid == slot.earlier_mid:
                self._lose(slot)
                return

    def probe(self, how):
        """Find out by a CON each whether the server still knows its observations.

        how: 2 at once, 1 with what is reported next.
        """
        for slot in self.slots:
            slot.probe = max(slot.probe, how)

    def mark_old(self):
        """A Register is sent: when it succeeds, the observations of now are gone."""
        for slot in self.slots:
            slot.is_old = True

    def clear_old(self):
        """Forget the observations of an earlier registration."""
        for slot in list(self.slots):
            if slot.is_old:
                self.drop(slot)

    def drop(self, slot):
        """Forget an observation; nothing of it is sent any more."""
        if slot is self._pending:
            self._pending = None
            self.client.endpoint.busy = False
        self.slots.remove(slot)

    def _due_at(self, slot):
        if slot.probe == _AT_ONCE:
            return slot.held_until
        at = slot.earliest if slot.met else slot.con_at + _DAY
        if 0 <= slot.latest < at:
            at = slot.latest
        half = slot.half_at()
        return max(half if 0 <= half < at else at, slot.held_until)

    def _wants_con(self, slot, now):
        return (
            slot.probe
            or now >= slot.con_at + _DAY
            or (self._con and slot.count + 1 >= self._con)
            or 0 <= slot.half_at() <= now
        )

    def _build(self, slot, writer, kind):
        # True: a notification is in the writer.
        client = self.client
        path = slot.path
        mid = client.endpoint.next_mid()
        code = _NOT_FOUND
        if self._exists(path):
            writer.start(kind, _CONTENT, mid, slot.token)
            args = (slot.content_format, client.objects, path, len(path))
            number = slot.next_number()
            try:
                code = fill(writer, number, slot.content_format, -1, content.render, args)
            except Exception as error:  # the application's, or no memory: once more, later
                client.failed(error)
                slot.met = True
                slot.held_until = client.now() + _RETRY
                return False
        if code != _CONTENT:
            # An error as notification ends an observation, RFC 7641 4.2.
            self.drop(slot)
            writer = client.endpoint.tx
            writer.start(_NON, code, mid, slot.token)
            client.endpoint.send(writer)
            client.tell(_CANCELLED, path)
            return False
        slot.earlier_mid = slot.mid
        slot.mid = mid
        slot.probe = 0
        self._made(slot)
        return True

    def _exists(self, path):
        # Whether there is something to observe still.
        n = len(path)
        instance = self.client.objects.find(path[0], path[1] if n > 1 else -1)
        if n < 3 or not instance:
            return instance
        value = instance.values.get(path[2])
        return value is not None and (n == 3 or not isinstance(value, dict) or path[3] in value)

    def _made(self, slot):
        value = slot.value(self.client.objects)
        slot.reported(value, self.client.now())
        for report in slot.reports:
            report.sent = value if report.path == slot.path else report.value

    def _renew(self):
        # Before a retransmission: the newest value goes out, as a new message.
        slot = self._pending
        if slot.met and self.client.now() >= slot.earliest:
            self._build(slot, self.client.endpoint.con, _CON)

    def _ended(self, outcome, message):
        slot = self._pending
        self._pending = None
        now = self.client.now()
        if outcome == _CONFIRMED:
            slot.con_at = now
            slot.count = 0
            for report in slot.reports:
                report.confirm(now // _TENTHS)
        else:
            if outcome != _REJECTED:
                self.client.update()  # is the registration still there?
            self._lose(slot, outcome != _REJECTED)

    def _lose(self, slot, at_once=False):
        # The server does not know it, or does not answer. Do the others still stand?
        self.drop(slot)
        self.client.registration.lost(at_once)
        self.probe(_AT_ONCE)
        self.client.tell(_OBSERVATION_LOST, slot.path)
        self.client.wake()
