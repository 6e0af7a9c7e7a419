# Send (LwM2M 1.1 Core 6.4.6): values that go to the server unasked, and are answered.

from micropython import const

from lwm2m import senml
from lwm2m.objects import MULTIPLE, R

_POST = const(2)
_CHANGED = const(0x44)
_URI_PATH = const(11)
_CONTENT_FORMAT = const(12)
_SENML_CBOR = const(112)
_ARRAY = const(0x80)
_KIND = const(15)
_MUTE = const(23)  # of object 1

# Events, see events.py.
_SENT = const(13)
_SEND_FAILED = const(14)


class Sender:
    """One Send at a time; its values are those of when it leaves."""

    def __init__(self, client):
        self.client = client
        self.waits = False  # for step() to send it
        self._paths = ()  # of the Send that waits or is under way

    def want(self, paths):
        """Take the paths of a Send. False: another one waits, or the server has muted it."""
        client = self.client
        for path in paths:
            instance = client.objects.find(path[0], path[1]) if len(path) == 3 else None
            entry = instance.entry(path[2]) if instance else 0
            if not entry & R or entry & MULTIPLE or instance.get(path[2]) is None:
                raise ValueError("path %r: wants a single resource that has a value" % (path,))
        if self._paths or not paths or client.server.get(_MUTE):
            return False
        self._paths = paths
        self.waits = True
        return True

    def step(self):
        """Send it. No other confirmable message is under way."""
        client = self.client
        self.waits = False
        try:
            writer = client.endpoint.request(_POST)
            writer.option(_URI_PATH, b"dp")
            writer.option(_CONTENT_FORMAT, _SENML_CBOR)
            at = senml.head(writer.buf, writer.mark(), _ARRAY, len(self._paths))
            for path in self._paths:
                instance = client.objects.find(path[0], path[1])
                value = instance.get(path[2])
                kind = instance.entry(path[2]) & _KIND
                at = senml.record(writer.buf, at, "/%d/%d/%d" % path, "", kind, value)
                report = client.evidence.report(path)
                if report:
                    report.sent = value
                    report.sent_s = client.now_s()
            writer.n = at
        except (AttributeError, IndexError, TypeError, ValueError):  # gone, or too much of it
            self.ended(0, None)
            return
        client.endpoint.launch(self.ended, None, True)

    def ended(self, code, message):
        """It was answered, or is given up (0)."""
        client = self.client
        paths = self._paths
        self._paths = ()
        self.waits = False
        if code == _CHANGED:
            for path in paths:
                report = client.evidence.report(path)
                if report:
                    report.confirm(client.now_s())
            client.tell(_SENT, None)
        elif paths:
            if code <= 0:
                client.update()  # is the registration still there?
            client.tell(_SEND_FAILED, max(code, 0))
