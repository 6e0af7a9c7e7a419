"""The server: registers clients, observes what it is told to, asks them for things."""

import asyncio
import contextlib
import itertools
import time
from dataclasses import dataclass, field

import aiocoap
from aiocoap import Code, Message, resource
from aiocoap.error import Error, NotObservable, ObservationCancelled

_OBSERVE_AFTER_S = 0.05  # the answer to Register leaves first


@dataclass
class Registered:
    """A client, as the server sees it."""

    name: str
    location: str
    remote: object
    lifetime: int
    queries: dict
    links: str
    registrations: int = 1
    updates: int = 0
    since: float = 0.0
    values: dict = field(default_factory=dict)  # {path: [(second, payload)]} of notifications
    observing: dict = field(default_factory=dict)  # {path: task}


class Server:
    """An LwM2M server on one UDP port.

    observe: paths that are observed at each client that registers. tell(what, client, detail):
    called with "registered", "updated", "deregistered", "value", "sent", "observing", "ended".
    """

    def __init__(self, observe=(), tell=lambda what, client, detail: None, accept=None):
        self.observe_paths = observe
        self.clients = {}  # {name: Registered}
        self.sent = []  # payloads of Send
        self.accept = accept
        self._tell = tell
        self._numbers = itertools.count(1)
        self._context = None

    async def start(self, port, host="127.0.0.1"):
        self._context = await aiocoap.Context.create_server_context(_Site(self), bind=(host, port))

    async def stop(self):
        for client in self.clients.values():
            for task in client.observing.values():
                task.cancel()
        await self._context.shutdown()

    # What clients do

    def register(self, request):
        queries = _queries(request)
        name = queries.get("ep")
        if not name or not request.payload or "lwm2m" not in queries:
            return Message(code=Code.BAD_REQUEST)
        old = self.clients.get(name)
        client = Registered(
            name,
            f"c{next(self._numbers)}",
            request.remote,
            int(queries.get("lt", 86400)),
            queries,
            request.payload.decode(),
            registrations=old.registrations + 1 if old else 1,
            values=old.values if old else {},
            since=time.monotonic(),
        )
        if old:
            for task in old.observing.values():
                task.cancel()
        self.clients[name] = client
        self._tell("registered", client, queries)
        for path in self.observe_paths:
            self.observe(client, path)
        answer = Message(code=Code.CREATED)
        answer.opt.location_path = ("rd", client.location)
        return answer

    def update(self, location, request):
        client = self._at(location)
        if client is None:
            return Message(code=Code.NOT_FOUND)
        client.remote = request.remote
        queries = _queries(request)
        client.lifetime = int(queries.get("lt", client.lifetime))
        if request.payload:
            client.links = request.payload.decode()
        client.updates += 1
        self._tell("updated", client, queries)
        return Message(code=Code.CHANGED)

    def deregister(self, location):
        client = self._at(location)
        if client is None:
            return Message(code=Code.NOT_FOUND)
        self.forget(client.name)
        self._tell("deregistered", client, None)
        return Message(code=Code.DELETED)

    def forget(self, name):
        """Lose a registration, as a server does that is started anew."""
        client = self.clients.pop(name, None)
        if client:
            for task in client.observing.values():
                task.cancel()

    def pushed(self, request):
        client = next((c for c in self.clients.values() if c.remote == request.remote), None)
        if client is None:
            return Message(code=Code.BAD_REQUEST)
        self.sent.append(request.payload)
        self._tell("sent", client, request.payload)
        return Message(code=Code.CHANGED)

    def _at(self, location):
        return next((c for c in self.clients.values() if c.location == location), None)

    # What is asked of clients

    async def ask(self, name, code, path, payload=b"", content_format=None, accept=None, query=()):
        """One request; returns aiocoap's answer."""
        message = self._message(self.clients[name], code, path, payload, accept)
        if content_format is not None:
            message.opt.content_format = content_format
        message.opt.uri_query = tuple(query)
        return await self._context.request(message).response

    async def read(self, name, path, accept=None):
        return await self.ask(name, Code.GET, path, accept=accept)

    async def write(self, name, path, payload, content_format=0):
        return await self.ask(name, Code.PUT, path, payload, content_format)

    async def execute(self, name, path, arguments=b""):
        return await self.ask(name, Code.POST, path, arguments)

    def observe(self, client, path):
        """Observe a path until the registration is another one."""
        task = asyncio.get_running_loop().create_task(self._observe(client, path))
        client.observing[path] = task
        return task

    async def _observe(self, client, path):
        await asyncio.sleep(_OBSERVE_AFTER_S)
        message = self._message(client, Code.GET, path, b"", self.accept)
        message.opt.observe = 0
        request = self._context.request(message)
        try:
            first = await asyncio.shield(request.response)  # aiocoap minds a cancelled one
            self._value(client, path, first)
            self._tell("observing", client, path)
            async for answer in request.observation:
                self._value(client, path, answer)
        except (Error, NotObservable, ObservationCancelled, OSError) as error:
            self._tell("ended", client, f"{path}: {error!r}")
        finally:
            with contextlib.suppress(Exception):
                request.observation.cancel()

    def _value(self, client, path, answer):
        client.values.setdefault(path, []).append((time.monotonic(), answer.payload))
        self._tell("value", client, (path, answer.payload))

    def _message(self, client, code, path, payload, accept):
        message = Message(code=code, payload=payload)
        message.remote = client.remote
        message.opt.uri_path = tuple(path.strip("/").split("/"))
        if accept is not None:
            message.opt.accept = accept
        return message


class _Site(resource.Resource):
    """/rd, what is below it, and /dp."""

    def __init__(self, server):
        super().__init__()
        self._server = server

    async def render(self, request):
        path = request.opt.uri_path
        if path == ("rd",) and request.code is Code.POST:
            return self._server.register(request)
        if path == ("dp",) and request.code is Code.POST:
            return self._server.pushed(request)
        if len(path) == 2 and path[0] == "rd":
            if request.code is Code.POST:
                return self._server.update(path[1], request)
            if request.code is Code.DELETE:
                return self._server.deregister(path[1])
        return Message(code=Code.METHOD_NOT_ALLOWED)


def _queries(request):
    return {name: value for name, _, value in (q.partition("=") for q in request.opt.uri_query)}
