# What the tests of lwm2m share: a server's side of CoAP, a transport that is a list, a clock that
# moves only when told. The decoder is one of its own, so that two mistakes do not agree.

import time

from lwm2m import Client, Objects, Sensor
from lwm2m.device import device

CON, NON, ACK, RST = range(4)
GET, POST, PUT, DELETE, FETCH, PATCH, IPATCH = range(1, 8)
TOKEN = b"\x51\x52\x53\x54\x55\x56\x57\x58"


def code(text):
    """The byte of "4.04"."""
    return int(text[0]) << 5 | int(text[2:])


def message(kind, code, mid, token=b"", options=(), payload=None):
    """The bytes of a message; options: (number, bytes) in the order of numbers."""
    data = bytes((64 | kind << 4 | len(token), code, mid >> 8, mid & 255)) + token
    last = 0
    for number, value in options:
        head = 0
        rest = b""
        for shift, n in ((4, number - last), (0, len(value))):
            if n < 13:
                head |= n << shift
            elif n < 269:
                head |= 13 << shift
                rest += bytes((n - 13,))
            else:
                head |= 14 << shift
                rest += bytes((n - 269 >> 8, n - 269 & 255))
        data += bytes((head,)) + rest + value
        last = number
    return data if payload is None else data + b"\xff" + payload


def uint(value):
    data = b""
    while value:
        data = bytes((value & 255,)) + data
        value >>= 8
    return data


class Heard:
    """A message, decoded."""

    def __init__(self, data):
        self.data = data
        self.kind = data[0] >> 4 & 3
        self.code = "%d.%02d" % (data[1] >> 5, data[1] & 31)
        self.mid = data[2] << 8 | data[3]
        at = 4 + (data[0] & 15)
        self.token = data[4:at]
        self.options = []
        number = 0
        while at < len(data) and data[at] != 255:
            pair = [data[at] >> 4, data[at] & 15]
            at += 1
            for i in (0, 1):
                if pair[i] == 13:
                    pair[i] = data[at] + 13
                    at += 1
                elif pair[i] == 14:
                    pair[i] = (data[at] << 8 | data[at + 1]) + 269
                    at += 2
            number += pair[0]
            self.options.append((number, data[at : at + pair[1]]))
            at += pair[1]
        self.payload = data[at + 1 :]

    def all(self, number):
        return [value for n, value in self.options if n == number]

    def value(self, number):
        """The option as a number, None when it is not there."""
        found = self.all(number)
        return int.from_bytes(found[0], "big") if found else None

    def __repr__(self):
        kind = ("CON", "NON", "ACK", "RST")[self.kind]
        return "%s %s %s %r" % (kind, self.code, self.options, self.payload)


class Net:
    """A transport. `hold` keeps datagrams, which then leave with release(); `full` refuses them."""

    def __init__(self):
        self.out = []
        self.inbox = []
        self.held = []
        self.hold = self.full = False
        self.on_sent = self.on_rebuilt = None
        self.reopened = 0

    def send(self, buf, n):
        if self.full:
            return False
        data = bytes(buf[:n])
        if self.hold:
            self.held.append(data)
        else:
            self._leave(data)
        return True

    def release(self):
        held, self.held = self.held, []
        for data in held:
            self._leave(data)

    def _leave(self, data):
        self.out.append(data)
        self.on_sent(data[2] << 8 | data[3])

    def recv_into(self, buf):
        if not self.inbox:
            return 0
        data = self.inbox.pop(0)[: len(buf)]
        buf[: len(data)] = data
        return len(data)

    def reopen(self):
        self.reopened += 1
        self.on_rebuilt()


class Ticks:
    def __init__(self):
        self.ms = 1000

    def __call__(self):
        return time.ticks_add(self.ms, 0)


class Node:
    """A client with one sensor /3300/0, and the server that it talks to.

    heard: what the server got and has not looked at, with the second. answer: whether it answers
    registrations and acknowledges notifications by itself.
    """

    def __init__(self, *instances, **options):
        self.net = Net()
        self.ticks = Ticks()
        self.sensor = Sensor(units="Cel", application="shelf")
        self.sensor.set(21.5)
        self.events = []
        self.heard = []
        self.log = []  # (second, Heard) of everything
        self.answer = True
        self.rd = 0  # registrations
        self.mid = 1000
        self.codes = {}  # {path and method of a request of the client: code to answer}
        self.objects = Objects(self.sensor, device({0: "Maker", 1: "M-1"}), *instances)
        lifetime_s = options.pop("lifetime_s", 86400)
        options.setdefault("bits", lambda n: 0)
        self.client = Client(
            self.net,
            "vec-1",
            self.objects,
            lifetime_s,
            ticks=self.ticks,
            on_event=lambda client, event, detail: self.events.append((event, detail)),
            **options,
        )

    def now(self):
        return (self.ticks.ms - 1000) / 1000

    def run(self, seconds=0.0):
        """Let time pass."""
        end_ms = self.ticks.ms + int(seconds * 1000)
        for _ in range(100000):
            wait_ms = self.client.step()
            if self._serve():
                continue
            left_ms = end_ms - self.ticks.ms
            if left_ms <= 0:
                return self
            self.ticks.ms += max(min(wait_ms, left_ms), 1)
        raise AssertionError("it spins")

    def until_registered(self):
        self.client.start()
        self.run()
        assert self.client.is_registered()
        self.heard = []
        return self

    def _serve(self):
        # Look at what the client sent; True when something was answered.
        out, self.net.out = self.net.out, []
        answered = False
        for data in out:
            heard = Heard(data)
            self.heard.append(heard)
            self.log.append((self.now(), heard))
            if not self.answer or heard.kind != CON:
                continue
            answered = True
            if heard.code[0] == "2":
                self.give(message(ACK, 0, heard.mid))
                continue
            options = ()
            path = b"/".join(heard.all(11))
            name = {b"rd": "register", b"dp": "send"}.get(path, "update")
            code_ = {"register": "2.01"}.get(name, "2.04")
            if heard.code == "0.04":
                name = "delete"
                code_ = "2.02"
            code_ = self.codes.get(name, code_)
            if code_ is None:
                continue
            if code_ == "2.01":
                self.rd += 1
                options = ((8, b"rd"), (8, b"NQNnJHuk%02d" % self.rd))
            self.give(message(ACK, code(code_), heard.mid, heard.token, options))
        return answered

    def give(self, data):
        """The server sends this."""
        self.net.inbox.append(data)

    def ask(self, method, path, payload=None, **options):
        """A request of the server, and the answer to it."""
        self.give(self.request(method, path, payload, **options))
        self.heard = []
        self.run()
        for heard in self.heard:
            if heard.token == options.get("token", TOKEN) and heard.mid == self.mid:
                return heard
        return self.heard[0] if self.heard else None

    def request(
        self,
        method,
        path,
        payload=None,
        ct=None,
        accept=None,
        observe=None,
        query=(),
        block1=None,
        block2=None,
        kind=CON,
        token=TOKEN,
        extra=(),
    ):
        self.mid += 1
        options = list(extra)
        if observe is not None:
            options.append((6, uint(observe)))
        options += [(11, part.encode()) for part in path.split("/")[1:] if part]
        if ct is not None:
            options.append((12, uint(ct)))
        options += [(15, text.encode()) for text in query]
        for number, value in ((17, accept), (23, block2), (27, block1)):
            if value is not None:
                options.append((number, uint(value)))
        ordered = []  # sort() of MicroPython is not stable
        for option in options:
            at = len(ordered)
            while at and ordered[at - 1][0] > option[0]:
                at -= 1
            ordered.insert(at, option)
        return message(kind, method, self.mid, token, ordered, payload)

    def sent(self, prefix):
        """Messages heard whose code begins so."""
        return [heard for heard in self.heard if heard.code.startswith(prefix)]

    def notifications(self):
        return [heard for heard in self.heard if heard.code == "2.05" and heard.all(6)]
