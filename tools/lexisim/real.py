"""A real LwM2M server as the far end of an account: real CoAP over UDP instead of a simulation.

`registration.py` asks for a request; it is really sent, and how it really ended comes back. The
rest of the module stays simulated: simulated faults ("server <id> down", a lost network) keep
the requests from going out. The speed-up shortens the CoAP times as well, so a request that is
not answered is given up after 62-93 module seconds; the lifetime sent to the server is not
shortened. No DTLS.

`aiocoap` runs in a thread of its own. Nothing of the module is touched from there: results go
through `call_soon`, which makes the simulator's loop call a function.
"""

import asyncio
import logging
import socket
import threading
from urllib.parse import quote

import aiocoap
from aiocoap import error, resource

from .options import split_address

# What can be asked of a far end.
REGISTER = "register"
UPDATE = "update"
DEREGISTER = "deregister"

# Results that are not a CoAP code such as "2.04".
TIMEOUT = "timeout"
RESET = "reset"

LOGGER = "lexisim.coap"

_LINK_FORMAT = 40
_TEXT = 0
_TLV = (11542, 1542)  # as registered, and as servers of LwM2M 1.0 drafts ask for it
_OBJECTS = '</>;rt="oma.lwm2m";ct=11542,</1/0>,</3/0>'
_BACKOFFS = 31  # 1 + 2 + 4 + 8 + 16: the waits of a confirmable request, in ACK_TIMEOUTs
_MAX_LATENCY_S = 100.0  # RFC 7252
_TRIGGER = ("1", "0", "8")  # Registration Update Trigger
_HANG_S = 5.0  # real seconds for the thread to end


class RealServers:
    """The far ends of all accounts with a real server, and the thread they run in."""

    def __init__(self, module, call_soon):
        logging.getLogger(LOGGER).setLevel(logging.CRITICAL)  # a lost request is no news
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._far_ends = []
        for spec in module.config.servers:
            if spec.real:
                far_end = FarEnd(self._loop, module, spec, call_soon)
                module.client.remotes[spec.server_id].far_end = far_end
                self._far_ends.append(far_end)

    def close(self):
        """Stop without a word to the servers, as a power cut does."""
        for far_end in self._far_ends:
            far_end.close()
        asyncio.run_coroutine_threadsafe(_cancel_others(), self._loop).result(_HANG_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_HANG_S)


async def _cancel_others():
    # Started after the far ends were told to close, so their sockets are closed by now.
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


class FarEnd:
    """One real server. `send` and `close` are for the simulator's thread."""

    def __init__(self, loop, module, spec, call_soon):
        self._loop = loop
        self._call_soon = call_soon
        self._ticket = None  # of the last request, while its result is wanted
        # From here on for the other thread only.
        self._address = split_address(spec.uri)
        self._lifetime_s = spec.lifetime_s
        self._endpoint = module.config.endpoint_name()
        self._tuning = _tuning(spec, module.config.speed)
        self._site = _Client(
            _resources(module.config, spec),
            lambda: call_soon(lambda: module.client.update_now(spec.server_id)),
        )
        self._location = None  # path of our registration, as the server named it
        self._connection = None

    def send(self, kind, answered=None):
        """Send a request; `answered(result)` is called once, later, on the simulator's loop.

        `result` is a CoAP code such as "2.04" or "4.03", TIMEOUT, or RESET. It is not called
        after `close` or once another request has been sent.
        """
        self._ticket = ticket = object()

        def report(result):
            if self._ticket is ticket and answered is not None:
                self._ticket = None
                answered(result)

        self._start(self._request(kind, lambda result: self._call_soon(lambda: report(result))))

    def close(self):
        """Give up what is in flight and answer the server no more, until the next request."""
        self._ticket = None
        self._start(self._disconnect())

    def _start(self, coroutine):
        asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    # In the other thread

    async def _request(self, kind, report):
        if kind == REGISTER or self._connection is None:
            await self._disconnect()  # a new port: nothing old can get in the way
            self._connection = _Connection(self._site, self._address)
        connection = self._connection
        result = await connection.ask(self._message(kind), self._tuning)
        if connection is not self._connection:
            return  # closed meanwhile
        code, location = result
        if kind == REGISTER and code.startswith("2."):
            self._location = location
        if kind == DEREGISTER:
            self._location = None
            await self._disconnect()
        report(code)

    async def _disconnect(self):
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    def _message(self, kind):
        base = f"coap://{self._hostinfo()}"
        path = "/".join(quote(part, safe="") for part in self._location or ("rd", "0"))
        if kind == UPDATE:
            return {"code": aiocoap.POST, "uri": f"{base}/{path}"}
        if kind == DEREGISTER:
            return {"code": aiocoap.DELETE, "uri": f"{base}/{path}"}
        endpoint = quote(self._endpoint, safe="")
        return {
            "code": aiocoap.POST,
            "uri": f"{base}/rd?ep={endpoint}&lt={self._lifetime_s:.0f}&lwm2m=1.0&b=U",
            "payload": _OBJECTS.encode(),
            "content_format": _LINK_FORMAT,
        }

    def _hostinfo(self):
        host, port = self._address
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class _Connection:
    """A UDP port of ours: our requests go out and the server's requests come in."""

    def __init__(self, site, address):
        self._site = site
        self._address = address
        self._context = None
        self._closed = False

    async def ask(self, message, tuning):
        """Return (result, path of Location) of a request; what comes after `close` is void."""
        try:
            if self._context is None:
                await self._open()
            request = aiocoap.Message(transport_tuning=tuning, **message)
            # A server may acknowledge at once and never send its answer.
            response = await asyncio.wait_for(
                self._context.request(request, handle_blockwise=False).response,
                tuning.EXCHANGE_LIFETIME,
            )
        except error.MessageError:
            return RESET, ()
        except (error.TimeoutError, asyncio.TimeoutError):
            return TIMEOUT, ()
        except (error.Error, OSError):
            # No such host, no route, or shut down: a module notices nothing but silence.
            await asyncio.sleep(tuning.ACK_TIMEOUT * _BACKOFFS)
            return TIMEOUT, ()
        return response.code.dotted, response.opt.location_path

    async def _open(self):
        # This transport takes no notice of ICMP errors, nor does a module behind a network.
        # It must be bound to one address, the one that packets to the server come from.
        info = await asyncio.get_running_loop().getaddrinfo(*self._address, type=socket.SOCK_DGRAM)
        family, kind, protocol, _, address = info[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.connect(address)
            own = probe.getsockname()[0]
        context = await aiocoap.Context.create_server_context(
            self._site, bind=(own, 0), loggername=LOGGER, transports=["simplesocketserver"]
        )
        if self._closed:
            await context.shutdown()
            raise error.LibraryShutdown
        self._context = context

    async def close(self):
        self._closed = True
        if self._context is not None:
            await self._context.shutdown()


def _tuning(spec, speed):
    """Return the CoAP times of an account, shortened by the speed-up."""
    tuning = aiocoap.TransportTuning()
    tuning.ACK_TIMEOUT = spec.exchange_timeout_s / _BACKOFFS / speed
    tuning.ACK_RANDOM_FACTOR = 1 + spec.exchange_jitter
    tuning.MAX_LATENCY = _MAX_LATENCY_S / speed
    return tuning


# What the server can read


def _resources(config, spec):
    """Return {(object, instance): {resource: value}} of the two objects of the client."""
    server = {0: spec.server_id, 1: round(spec.lifetime_s), 6: False, 7: "U"}
    device = {0: config.manufacturer, 1: config.model, 2: config.imei, 3: config.revision}
    return {("1", "0"): server, ("3", "0"): {**device, 11: 0, 16: "U"}}


class _Client(resource.Resource):
    """Answers the server: reads of two object instances, the update trigger, else an error.

    Nothing can be observed: an observation is answered like a read, which RFC 7641 allows.
    """

    def __init__(self, objects, trigger):
        super().__init__()
        self._objects = objects
        self._trigger = trigger

    async def needs_blockwise_assembly(self, request):
        return False

    async def render_get(self, request):
        path = request.opt.uri_path
        instance = self._objects.get(tuple(path[:2]))
        if instance is None or len(path) not in (2, 3):
            return aiocoap.Message(code=aiocoap.NOT_FOUND)
        if len(path) == 3:
            instance = {key: value for key, value in instance.items() if str(key) == path[2]}
            if not instance:
                return aiocoap.Message(code=aiocoap.NOT_FOUND)
        accept = request.opt.accept
        if accept in _TLV or (accept is None and len(path) == 2):
            payload = b"".join(_tlv(key, value) for key, value in instance.items())
            return aiocoap.Message(payload=payload, content_format=accept or _TLV[0])
        if accept in (None, _TEXT) and len(path) == 3:
            (value,) = instance.values()
            text = str(int(value)) if isinstance(value, bool) else str(value)
            return aiocoap.Message(payload=text.encode(), content_format=_TEXT)
        return aiocoap.Message(code=aiocoap.NOT_ACCEPTABLE)

    async def render_post(self, request):
        if request.opt.uri_path != _TRIGGER:
            return aiocoap.Message(code=aiocoap.METHOD_NOT_ALLOWED)
        self._trigger()
        return aiocoap.Message(code=aiocoap.CHANGED)


def _tlv(resource_id, value):
    """Return a resource in the TLV format of LwM2M 1.0."""
    if isinstance(value, bool):
        data = bytes((value,))
    elif isinstance(value, int):
        size = next(size for size in (1, 2, 4, 8) if value < 1 << (8 * size - 1))
        data = value.to_bytes(size, "big")
    else:
        data = value.encode()
    if len(data) < 8:
        return bytes((0xC0 | len(data), resource_id)) + data
    return bytes((0xC8, resource_id, len(data))) + data
