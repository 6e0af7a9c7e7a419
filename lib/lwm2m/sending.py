# Send (LwM2M 1.1 Core 6.4.6): values that go to the server unasked, and are answered.

from micropython import const

from lwm2m import senml
from lwm2m.objects import MULTIPLE, R
from lwm2m.settings import need, path

_POST = const(2)
_CHANGED = const(0x44)
_URI_PATH = const(11)
_CONTENT_FORMAT = const(12)
_SENML_CBOR = const(112)
_TENTHS = const(10)
_MUTE = const(23)  # of object 1

# Events, see describe.py.
_SENT = const(13)
_FAILED = const(14)


class Sender:
    """One Send at a time; its values are those of when it leaves."""

    def __init__(self, endpoint, objects, server, evidence, tell):
        self._endpoint = endpoint
        self._objects = objects
        self._server = server
        self._evidence = evidence
        self._tell = tell
        self.failed = None  # called when no answer came
        self.now_s = None  # a function
        self._paths = ()  # what waits or is under way
        self._is_sent = False

    def want(self, texts):
        """Take the paths of a Send. False: another one waits, or the server has muted it."""
        paths = []
        for text in texts:
            ids = path(text)
            instance = self._objects.find(ids[0], ids[1]) if len(ids) == 3 else None
            entry = instance.entry(ids[2]) if instance else 0
            right = entry & R and not entry & MULTIPLE and instance.get(ids[2]) is not None
            need(right, "path", text, "a single resource that has a value")
            paths.append(ids)
        if self._paths or not paths or self._server.get(_MUTE):
            return False
        self._paths = paths
        return True

    def waits(self):
        """Say whether step() has something to send."""
        return self._paths and not self._is_sent

    def forget(self):
        """Give up."""
        self._paths = ()
        self._is_sent = False

    def step(self):
        """Send it. No other confirmable message is under way."""
        writer = self._endpoint.request(_POST)
        try:
            writer.option(_URI_PATH, b"dp")
            writer.uint(_CONTENT_FORMAT, _SENML_CBOR)
            at = writer.mark()
            at = senml.head(writer.buf, at, 0x80, len(self._paths))
            for ids in self._paths:
                instance = self._objects.find(ids[0], ids[1])
                value = instance.get(ids[2])
                kind = instance.entry(ids[2]) & 15
                at = senml.record(writer.buf, at, "/%d/%d/%d" % ids, "", kind, value)
                report = self._evidence.of(ids, self.now_s())
                if report:
                    report.sent = value
                    report.sent_s = self.now_s()
            writer.n = at
        except (AttributeError, IndexError, TypeError, ValueError):  # gone, or too much of it
            self.forget()
            self._tell(_FAILED, 0)
            return
        self._is_sent = True
        self._endpoint.launch(self._ended)

    def _ended(self, code, message):
        paths = self._paths
        self.forget()
        if code == _CHANGED:
            for ids in paths:
                report = self._evidence.of(ids, self.now_s())
                if report:
                    self._evidence.confirm(report, self.now_s())
            self._tell(_SENT, None)
        else:
            if code <= 0:
                self.failed()
            self._tell(_FAILED, max(code, 0))
