"""Verbs about datagrams on their way, the NAT, names, peers and sockets."""

from . import internet
from .at import CommandError
from .verb import Verb, VerbError, hexadecimal, need, number, whole

_UDP = ("loss", "duplicate", "delay", "lose", "ok")
_PEERS = ("echo", "mute", "none")


def _percent(word, usage):
    value = number(word, usage)
    need(value <= 100, usage)
    return value / 100


def _udp(words, rest, usage):
    need(words and words[0] in _UDP, usage)
    return {
        "loss": _loss,
        "duplicate": _duplicate,
        "delay": _delay,
        "lose": _lose,
        "ok": _ok,
    }[words[0]](words[1:], usage)


def _loss(words, usage):
    need(len(words) in (1, 2) and set(words[1:]) <= set(internet.WAYS), usage)
    share = _percent(words[0], usage)
    ways = words[1:] or internet.WAYS
    return lambda module: module.internet.loss.update(dict.fromkeys(ways, share))


def _duplicate(words, usage):
    need(len(words) == 1, usage)
    share = _percent(words[0], usage)
    return lambda module: setattr(module.internet, "duplicate", share)


def _delay(words, usage):
    need(len(words) in (1, 2), usage)
    shortest_s = number(words[0], usage)
    longest_s = number(words[-1], usage, low=shortest_s)
    return lambda module: setattr(module.internet, "delay_s", (shortest_s, longest_s))


def _lose(words, usage):
    need(len(words) == 2 and words[0] in internet.WAYS, usage)
    count = whole(words[1], usage, low=1)
    return lambda module: module.internet.lose_next.update({words[0]: count})


def _ok(words, usage):
    need(not words, usage)
    return lambda module: module.internet.heal()


def _nat(words, rest, usage):
    need(words == ["rebind"], usage)
    return lambda module: module.internet.rebind()


def _dns(words, rest, usage):
    need(len(words) == 2, usage)
    name, address = words[0].lower(), words[1]
    need(address == "none" or internet.is_address(address), usage)

    def action(module):
        if address == "none":
            module.internet.names.pop(name, None)
        else:
            module.internet.names[name] = address

    return action


def _address(word, usage):
    host, _, port = word.rpartition(":")
    need(internet.is_address(host), usage)
    return host, whole(port, usage, low=1)


def _peer(words, rest, usage):
    need(len(words) == 2 and words[1] in _PEERS, usage)
    host, port = _address(words[0], usage)

    def action(module):
        if words[1] == "none":
            module.internet.remove_peer(host, port)
            return
        peer = module.internet.peer(host, port)
        if words[1] == "echo":
            peer.on_datagram = peer.send

    return action


def _on_socket(act):
    """Return an action on one open socket; `act(module, socket)`."""

    def action(module):
        try:
            act(module)
        except CommandError:
            raise VerbError("there is no such socket") from None

    return action


def _datagram(words, rest, usage):
    need(len(words) in (2, 3), usage)
    number_of = whole(words[0], usage)
    data = b"" if words[1] == "empty" else hexadecimal(words[1], usage)
    source = _address(words[2], usage) if len(words) == 3 else ("192.0.2.99", 5683)
    return _on_socket(
        lambda module: module.internet.inject(module.sockets.get(number_of).flow, data, source)
    )


def _socket(words, rest, usage):
    need(len(words) == 2 and words[1] == "closed", usage)
    number_of = whole(words[0], usage)
    return _on_socket(lambda module: module.sockets.closed_by_network(number_of))


VERBS = {
    "udp": Verb(
        "udp loss <percent> [out|in] | duplicate <percent> | delay <s> [<s>] | lose out|in <n> | ok",
        "faults of the datagrams on their way; delay: from, to; lose: the next n; "
        "ok: as the options say",
        _udp,
    ),
    "nat": Verb(
        "nat rebind", "each socket gets another external port with its next datagram", _nat
    ),
    "dns": Verb("dns <name> <address>|none", "what a name resolves to from now on", _dns),
    "peer": Verb(
        "peer <address>:<port> echo|mute|none",
        "a host in the simulator that sends everything back, takes it, or is not there",
        _peer,
    ),
    "datagram": Verb(
        "datagram <socket> <hex>|empty [<address>:<port>]",
        "a datagram comes to a socket, from a stranger unless it is said from whom",
        _datagram,
    ),
    "socket": Verb("socket <socket> closed", "the module closes a socket by itself", _socket),
}
