# Settings and paths as people write them. What is wrong is a ValueError that says what is wanted.

_NAME = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:_-."


# What a Client takes beside its transport, name, objects and lifetime.
OPTIONS = {
    "on_event": None,  # function(client, event, detail): told of what happens, see describe.py
    "short_id": 1,  # of the server
    "version": "1.1",  # of LwM2M
    "allow_1_0": True,  # register as 1.0 when the server wants that
    "queue": False,  # queue mode: silent when awake_s have passed since the latest message
    "awake_s": 93,
    "con": 0,  # notifications per CON; 0: NON but for one a day, and for what watch() wants
    "retry": (5, 60, 86400),  # attempts, s, s: 17, 18, 19 of object 1
    "renew_s": 10,  # a server has so long to renew a lost observation, then a Register asks for it
    "observations": 8,  # room
    "attributes": 16,  # paths that have some
    "reports": 12,  # paths of which there is evidence
    "size": 600,  # bytes of a datagram
    "ack_timeout_s": 2,  # RFC 7252 4.8; 5 to 10 where a radio sleeps
    "ack_spread": 0.5,  # of ack_timeout_s: ACK_RANDOM_FACTOR - 1
    "retransmit": 4,  # MAX_RETRANSMIT
    "ticks": None,  # instead of time.ticks_ms
    "bits": None,  # instead of random.getrandbits
}


def merged(options):
    """Return OPTIONS with these instead. ValueError: one is not known, or not right."""
    for name in options:
        need(name in OPTIONS, "option", name, ", ".join(sorted(OPTIONS)))
    options = dict(OPTIONS, **options)
    for name, least, most in (
        ("awake_s", 1, 86400),
        ("con", 0, 1000000),
        ("short_id", 1, 65534),
        ("renew_s", 0, 86400),
        ("observations", 0, 100),
        ("attributes", 0, 100),
        ("reports", 0, 100),
        ("size", 128, 1280),
        ("ack_timeout_s", 1, 60),
        ("ack_spread", 0, 2),
        ("retransmit", 0, 10),
    ):
        value = options[name]
        right = isinstance(value, (int, float)) and least <= value <= most
        need(right, name, value, "%s to %s" % (least, most))
    version = options["version"]
    need(version in ("1.0", "1.1"), "version", version, "1.0 or 1.1")
    retry = options["retry"]
    need(len(retry) == 3 and min(retry) > 0, "retry", retry, "three numbers over 0")
    return options


def path(text):
    """Return "/3300/0/5700" as (3300, 0, 5700). ValueError: it is no path of one to four ids."""
    ids = text.split("/")
    if ids[0] or not 2 <= len(ids) <= 5:
        raise ValueError("path %r: wants one like /3300/0/5700" % text)
    ids = tuple(int(i) for i in ids[1:])
    if not all(0 <= i <= 65534 for i in ids):
        raise ValueError("path %r: wants ids of 0 to 65534" % text)
    return ids


def need(right, name, value, wants):
    """ValueError if a setting is not right."""
    if not right:
        raise ValueError("%s = %r: wants %s" % (name, value, wants))


def check_name(name):
    """ValueError if an endpoint name is not one that servers take."""
    right = isinstance(name, str) and name and all(i in _NAME for i in name)
    need(right, "endpoint", name, "a name of letters, digits and :_-.")
