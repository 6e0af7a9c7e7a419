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
_DAY = const(863000)  # one CON at least every 24 h, RFC 7641 4.5

# Events, see describe.py.
_OBSERVED = const(10)
_CANCELLED = const(11)
_OBSERVATION_LOST = const(12)


class Notifier:
    """Keeps at most `room` observations and sends their notifications.

    server: the instance of object 1. tell(event, path): the application's.
    """

    def __init__(self, objects, attributes, server, evidence, tell, room):
        self._objects = objects
        self._attributes = attributes
        self._server = server
        self._evidence = evidence
        self._tell = tell
        self._room = room
        self.con = 0  # how many notifications there are to a CON, see settings.py
        self.endpoint = None
        self.now = None  # a function
        self.wake = None  # called when something may be due at once
        self.slots = []
        self._pending = None  # the observation whose CON is under way
        self.lost_at = _NEVER  # when an observation was lost that nobody renewed since
        self.suspect = False  # a CON was not answered: the registration may be gone
        self.failed = 0  # notifications that could not be built
        objects.watchers.append(self.touched)

    # What the server asks for

    def observe(self, token, path, content_format, entry):
        """Return the Observation for a request, new or renewed; None: there is no room."""
        found = None
        for slot in list(self.slots):
            if slot.token == token and slot.path == path:
                found = slot
                slot.content_format = content_format
            elif slot.token == token or slot.path == path:
                self._drop(slot)
        if found is None:
            if len(self.slots) >= self._room:
                return None
            report = self._evidence.of(path, self.now() // _TENTHS)
            found = Observation(token, path, content_format, None, report)
            self.slots.append(found)
        found.args = (content_format, self._objects, path, len(path))
        found.next_number()
        return found

    def observed(self, slot, is_served):
        """The first answer was built, or refused: then nothing is left of it."""
        if not is_served:
            self._drop(slot)
            return
        now = self.now()
        slot.is_old = False
        slot.probe = 0
        slot.con_at = now
        self.lost_at = _NEVER
        self._made(slot, now)
        self._tell(_OBSERVED, slot.path)

    def cancel(self, token):
        """GET with Observe 1."""
        for slot in self.slots:
            if slot.token == token:
                self._drop(slot)
                self._tell(_CANCELLED, slot.path)
                return

    def refresh(self):
        """Attributes have changed: what was reported last counts anew under them."""
        now = self.now()
        for slot in self.slots:
            met = slot.met
            self._count_from(slot, now)
            slot.met = met
        self.wake()

    # What the application sets

    def touched(self, instance, rid, value, changed):
        """A value was set; `changed`: to another one. It allocates nothing."""
        now = self.now()
        self._evidence.touched(instance, rid, value, now // _TENTHS)
        for slot in self.slots:
            if slot.covers(instance, rid) and slot.take(value, changed):
                self.wake()

    # Sending

    def next_at(self):
        """Return when step() has something to do, -1 for never."""
        soonest = _NEVER
        now = self.now()
        for slot in self.slots:
            if slot is not self._pending:
                at = self._due_at(slot)
                # What wants to be a CON waits for the end of the one under way, not for a time.
                if at <= now and self.endpoint.done and self._wants_con(slot, now):
                    continue
                if soonest < 0 or at < soonest:
                    soonest = at
        return soonest

    def is_due(self):
        """Say whether a notification waits to be sent."""
        return 0 <= self.next_at() <= self.now()

    def step(self):
        """Send what is due: NONs at once, one CON if none is under way."""
        now = self.now()
        for slot in self.slots:
            if slot is self._pending or now < self._due_at(slot):
                continue
            if self._wants_con(slot, now):
                if self.endpoint.done is None:
                    if not self._build(slot, self.endpoint.con, _CON, now):
                        return
                    self._pending = slot
                    self.endpoint.launch(self._ended, False, self._renew)
            elif not self._build(slot, self.endpoint.tx, _NON, now):
                return
            else:
                slot.count += 1
                if not self.endpoint.send(self.endpoint.tx):
                    slot.met = True  # the transport is full
                    slot.earliest = now + _TENTHS

    def drop_met(self):
        """Nothing is kept for later: /1/x/6 is false and the server is not there."""
        now = self.now()
        for slot in self.slots:
            if self._due_at(slot) <= now:
                self._count_from(slot, now)

    def left(self, mid):
        """A notification has left."""
        for slot in self.slots:
            if slot.mid == mid and slot.report:
                slot.report.sent_s = self.now() // _TENTHS

    def rejected(self, mid):
        """An RST came for a NON: the server does not know the observation."""
        for slot in self.slots:
            if slot.was(mid):
                self._lose(slot)
                return

    def probe(self, how=_AT_ONCE):
        """Find out by a CON each whether the server still knows its observations.

        how: 2 at once, 1 with what is reported next.
        """
        for slot in self.slots:
            slot.probe = max(slot.probe, how)

    def clear(self, only_old=False):
        """Forget observations: all, or those of an earlier registration."""
        for slot in list(self.slots):
            if slot.is_old or not only_old:
                self._drop(slot)
        self.lost_at = _NEVER

    def mark_old(self):
        """A Register is sent: when it succeeds, the observations of now are gone."""
        for slot in self.slots:
            slot.is_old = True

    def _due_at(self, slot):
        if slot.probe == _AT_ONCE:
            return 0
        at = slot.earliest if slot.met else slot.con_at + _DAY
        if 0 <= slot.latest < at:
            at = slot.latest
        if slot.report and slot.report.limit_s:
            at = min(at, self._evidence.half_s(slot.report) * _TENTHS)
        return at

    def _wants_con(self, slot, now):
        if slot.probe or now >= slot.con_at + _DAY:
            return True
        if self.con and slot.count + 1 >= self.con:
            return True
        report = slot.report
        return report and report.limit_s and self._evidence.half_s(report) * _TENTHS <= now

    def _build(self, slot, writer, kind, now):
        mid = self.endpoint.next_mid()
        writer.start(kind, _CONTENT, mid, slot.token)
        code = _CONTENT
        try:
            code = fill(
                writer, slot.next_number(), slot.content_format, -1, content.render, slot.args
            )
        except Exception:  # an instance that is gone, a value that cannot be written
            code = 0
        if code != _CONTENT:
            # An error as notification ends an observation, RFC 7641 4.2.
            self.failed += 1
            self._drop(slot)
            writer = self.endpoint.tx
            writer.start(_NON, _NOT_FOUND, mid, slot.token)
            self.endpoint.send(writer)
            self._tell(_CANCELLED, slot.path)
            return False
        slot.is_now(mid)
        slot.probe = 0
        self._made(slot, now)
        return True

    def _made(self, slot, now):
        self._count_from(slot, now)
        if slot.report:
            slot.report.sent = self._value(slot)

    def _count_from(self, slot, now):
        slot.reported(self._value(slot), self._attributes, self._server, now)

    def _value(self, slot):
        path = slot.path
        if len(path) < 3:
            return None
        instance = self._objects.find(path[0], path[1])
        value = instance.get(path[2]) if instance else None
        return value.get(path[3]) if len(path) == 4 and isinstance(value, dict) else value

    def _renew(self):
        # Before a retransmission: the newest value goes out, as a new message.
        slot = self._pending
        now = self.now()
        if slot.met and now >= slot.earliest:
            self._build(slot, self.endpoint.con, _CON, now)

    def _ended(self, outcome, message):
        slot = self._pending
        self._pending = None
        now = self.now()
        if outcome == _CONFIRMED:
            slot.con_at = now
            slot.count = 0
            if slot.report:
                self._evidence.confirm(slot.report, now // _TENTHS)
        else:
            self._lose(slot)
            if outcome != _REJECTED:
                self.suspect = True

    def _lose(self, slot):
        # The server does not know it, or does not answer. Do the others still stand?
        self._drop(slot)
        if self.lost_at < 0:
            self.lost_at = self.now()
        self.probe()
        self._tell(_OBSERVATION_LOST, slot.path)
        self.wake()

    def _drop(self, slot):
        if slot is self._pending:
            self._pending = None
            self.endpoint.forget()
        if slot in self.slots:
            self.slots.remove(slot)
