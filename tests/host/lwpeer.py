"""An LwM2M server as a peer of the simulated internet, on virtual time. aiocoap writes its messages.

It knows one client, observes one path of it after each Register, and answers at once.
"""

import aiocoap
from aiocoap import ACK, CON, NON, RST, Code, Message

_OBSERVE_S = 0.05  # the answer to Register leaves first


class Server:
    """peer: of Internet.peer(). world: the World it lives in.

    values: (virtual second, payload) of each report. answers: {path: Message} of the latest
    request. silent: it does not answer, and hears nothing.
    """

    def __init__(self, peer, world, path="/3300/0/5700"):
        self.silent = False
        self.registrations = []  # (virtual second, queries) of each Register
        self.updates = []  # virtual seconds
        self.values = []
        self.answers = {}
        self.unknown = 0  # reports of observations that it has not
        self._peer = peer
        self._world = world
        self._path = path
        self._location = None  # of the registration, None when there is none
        self._source = None  # the client's address
        self._observed = None  # the token
        self._asked = {}  # {(token, address): path} of requests; answers come from there only
        self._mid = 0x7000
        peer.on_datagram = self._heard

    @property
    def value(self):
        """The latest that was reported, None for nothing."""
        return float(self.values[-1][1]) if self.values else None

    def forget(self):
        """Lose the registration, as a server does that is started anew."""
        self._location = self._observed = None

    def ask(self, code, path, payload=b"", observe=False):
        """Send a request; its answer will be in `answers`."""
        message = Message(code=code, payload=payload)
        message.opt.uri_path = tuple(path.strip("/").split("/"))
        message.opt.accept = 0 if code is Code.GET else None
        message.opt.content_format = 0 if payload else None
        message.opt.observe = 0 if observe else None
        self._mid += 1
        message.token = self._mid.to_bytes(8, "big")
        message.mid = self._mid
        message.mtype = CON
        self._asked[message.token, self._source] = path
        if observe:
            self._observed = message.token
        self._peer.send(message.encode(), self._source)

    def _heard(self, data, source):
        if self.silent:
            return
        message = Message.decode(data)
        if message.code.is_request():
            self._source = source
            self._answer(message, *self._serve(message))
        elif message.code.is_response():
            self._response(message, source)

    def _serve(self, message):
        # The code of the answer, and its Location-Path.
        path = message.opt.uri_path
        if message.code is Code.POST and path == ("rd",):
            queries = dict(query.split("=", 1) for query in message.opt.uri_query if "=" in query)
            self.registrations.append((self._world.now_s, queries))
            self._location = f"r{len(self.registrations)}"
            self._observed = None
            self._world.after(_OBSERVE_S, lambda: self.ask(Code.GET, self._path, observe=True))
            return Code.CREATED, ("rd", self._location)
        if self._location is None or path != ("rd", self._location):
            return Code.NOT_FOUND, ()
        if message.code is Code.DELETE:
            self.forget()
            return Code.DELETED, ()
        self.updates.append(self._world.now_s)
        return Code.CHANGED, ()

    def _response(self, message, source):
        path = self._asked.get((message.token, source))
        is_report = message.opt.observe is not None
        known = path is not None and is_report == (message.token == self._observed)
        if not known:
            self.unknown += 1
        elif is_report:
            self.values.append((self._world.now_s, message.payload))
        else:
            self.answers[path] = message
        if message.mtype is CON or (message.mtype is NON and not known):
            self._bare(message, ACK if known else RST, source)

    def _answer(self, request, code, location):
        answer = Message(code=code)
        answer.opt.location_path = location
        answer.token = request.token
        answer.mid = request.mid
        answer.mtype = ACK
        self._peer.send(answer.encode(), self._source)

    def _bare(self, message, kind, source):
        answer = Message(code=aiocoap.EMPTY)
        answer.mid = message.mid
        answer.mtype = kind
        self._peer.send(answer.encode(), source)
