"""The options of the sockets and of what is behind the radio: a part of `config.py`, see there."""

import re
from dataclasses import dataclass

from .options import cme, option, seconds


@dataclass
class SocketOptions:
    """What can be set about sockets, names and the way of datagrams."""

    socket_needs_bearer: bool = option(
        True, "AT+USOCR= is an error while the context of the sockets is not active", "chosen"
    )
    cme_socket: int = cme(3, "CME of a socket command that fails: not open, none free")
    usoer: int = option(1, "AT+USOER after a socket command failed", "chosen", low=0)
    socket_room: int = option(8192, "bytes that wait in a socket, at most", "chosen", low=1)
    usost_s: float = seconds(0.02, "from the last byte after the prompt to the answer", "chosen")
    prompt_pause_s: float = seconds(
        0.05, "real seconds between a prompt and the first byte of data", "sibling"
    )
    uusorf: str = option(
        "each",
        "+UUSORF comes for each datagram, or only once until one is read",
        "chosen",
        choices=("each", "once"),
    )
    uusorf_size: str = option(
        "all",
        "<length> of +UUSORF: of all that waits, or of the first datagram",
        "R10",
        choices=("all", "first"),
    )
    uusord: bool = option(False, "+UUSORD comes in place of +UUSORF", "R10")
    usorf_empty: str = option(
        "quotes",
        "AT+USORF= while nothing waits: an empty string (quotes), or an error",
        "sibling",
        choices=("quotes", "error"),
    )
    usorf_rest: str = option(
        "dropped",
        "what AT+USORF= leaves of a datagram is dropped, or kept as a datagram",
        "chosen",
        choices=("dropped", "kept"),
    )
    empty_datagrams: bool = option(
        False, "a datagram without a byte is received (+UUSORF: <socket>,0), else lost", "chosen"
    )
    uusocl: bool = option(True, "+UUSOCL tells of each socket that ends with its context", "R10")
    dns: str = option(
        "localhost=127.0.0.1", "names that resolve: name=address,name=address", "chosen"
    )
    dns_s: float = seconds(0.5, "from OK of AT+UDNSRN= to its URC", "chosen")
    dns_failure: int = option(
        1, "<result> of +UUDNSRN for a name that is not known", "chosen", low=1
    )
    dns_answer: str = option(
        "urc",
        "the address comes as +UUDNSRN after OK (urc), or as +UDNSRN before it (text)",
        "R10",
        choices=("urc", "text"),
    )
    udp_loss: float = option(0.0, "share of datagrams lost, each way", "chosen", low=0.0, high=1.0)
    udp_duplicate: float = option(
        0.0, "share of datagrams that come twice", "chosen", low=0.0, high=1.0
    )
    udp_delay_s: float = seconds(0.05, "time a datagram takes, each way", "chosen")
    nat_timeout_s: float = seconds(
        0.0, "idle time after which a socket gets another external port; 0 never", "chosen"
    )

    def check_names(self):
        """Raise ValueError unless `dns` is a list of names and addresses."""
        if not re.fullmatch(r"([^=,\s]+=[0-9.]+(,|$))*", self.dns):
            raise ValueError(f"dns: expected name=address,..., got {self.dns!r}")
