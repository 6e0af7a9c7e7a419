# What a client is made of, and the settings it is made with. Loaded once, then dropped.

import random
import time

from lwm2m.attributes import Attributes
from lwm2m.evidence import Evidence
from lwm2m.notify import Notifier
from lwm2m.objects import SERVER, Instance
from lwm2m.registration import Registration
from lwm2m.reliable import Endpoint
from lwm2m.requests import Requests
from lwm2m.sending import Sender

# What a Client takes beside its transport, name, objects and lifetime.
OPTIONS = {
    "on_event": None,  # function(client, event, detail): told of what happens, see events.py
    "short_id": 1,  # of the server
    "version": "1.1",  # of LwM2M
    "allow_1_0": True,  # register as 1.0 when the server wants that
    "queue": False,  # queue mode: silent when awake_s have passed since the latest message
    "awake_s": 93,
    "con": 0,  # notifications per CON; 0: NON but for one a day, and for what report() wants
    "retry": (5, 60, 86400),  # attempts, s, s: 17, 18, 19 of object 1
    "renew_s": 10,  # a server has so long to renew a lost observation, then a Register asks for it
    "observations": 8,  # room
    "attributes": 16,  # paths that have some
    "reports": 12,  # paths of which there is evidence
    "size": 600,  # bytes of a datagram
    "ack_timeout_s": 2,  # RFC 7252 4.8; 5 to 10 where a radio sleeps
    "ack_spread": 0.5,  # of ack_timeout_s: ACK_RANDOM_FACTOR - 1
    "retransmit": 4,  # MAX_RETRANSMIT
    "ticks": time.ticks_ms,
    "bits": random.getrandbits,
}
_LIMITS = {
    "awake_s": (1, 86400),
    "con": (0, 1000000),
    "short_id": (1, 65534),
    "renew_s": (0, 86400),
    "observations": (0, 100),
    "attributes": (0, 100),
    "reports": (0, 100),
    "size": (128, 1280),
    "ack_timeout_s": (1, 60),
    "ack_spread": (0, 2),
    "retransmit": (0, 10),
}
_NAME = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:_-."


def _need(right, name, value, wants):
    if not right:
        raise ValueError("%s = %r: wants %s" % (name, value, wants))


def _checked(endpoint, lifetime_s, options):
    # OPTIONS with these instead.
    for name in options:
        _need(name in OPTIONS, "option", name, ", ".join(sorted(OPTIONS)))
    options = dict(OPTIONS, **options)
    right = isinstance(endpoint, str) and endpoint and all(i in _NAME for i in endpoint)
    _need(right, "endpoint", endpoint, "a name of letters, digits and :_-.")
    right = isinstance(lifetime_s, int) and lifetime_s > 0
    _need(right, "lifetime_s", lifetime_s, "1 or more")
    for name, (least, most) in _LIMITS.items():
        value = options[name]
        right = isinstance(value, (int, float)) and least <= value <= most
        _need(right, name, value, "%d to %d" % (least, most))
    _need(options["version"] in ("1.0", "1.1"), "version", options["version"], "1.0 or 1.1")
    retry = options["retry"]
    _need(len(retry) == 3 and min(retry) > 0, "retry", retry, "three numbers over 0")
    first = options["ack_timeout_s"] * 10
    options["timing"] = (int(first), int(first * options["ack_spread"]), options["retransmit"])
    return options


def wire(client, endpoint, lifetime_s, options):
    """Make the parts of a client. ValueError: see Client."""
    options = _checked(endpoint, lifetime_s, options)
    objects = client.objects
    client.on_event = options["on_event"]
    client.awake = options["awake_s"] * 10
    size = options["size"]
    room = getattr(client.transport, "size", size)
    _need(size <= room, "size", size, "the transport's %d at most" % room)
    server = objects.find(1)
    if server is None:
        values = {0: options["short_id"], 1: lifetime_s, 6: True, 7: "U", 23: False}
        server = Instance(SERVER, 0, values)
        objects.add(server)
    server.actions.update({4: client._disable, 8: client.update})
    server.check = client._check
    server.wrote = client._wrote
    client.server = server
    device = objects.find(3)
    if getattr(device, "reboot", None):
        device.actions[4] = client._reboot
    client.endpoint = Endpoint(client, options)
    client.now = client.endpoint.now
    client.requests = Requests(client, Attributes(options["attributes"]))
    client.evidence = Evidence(client, options["reports"])
    client.notifier = Notifier(client, options)
    client.registration = Registration(client, endpoint, options)
    client.sender = Sender(client)
    client.registration.register(True)
    client.transport.on_rebuilt = client.rebuilt
