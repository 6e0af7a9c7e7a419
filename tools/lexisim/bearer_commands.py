"""The AT commands about PDP contexts (3GPP TS 27.007)."""

from . import bearers
from .at import EXECUTE, READ, SET, TEST, CommandError, Number, Text
from .handlers import fixed, stored, values
from .port import Reply

_CID = Number("cid", bearers.CIDS[0], bearers.CIDS[-1])
_TYPES = ("IP", "IPV6", "IPV4V6")
_NO_ADDRESS = "0.0.0.0"
_ZERO = Number("compression", 0, 0)  # none of it is supported
_CGDCONT = (
    _CID,
    Text("PDP_type", "(?i:" + "|".join(_TYPES) + ")"),
    Text("APN", "[A-Za-z0-9.-]{0,99}"),
    Text("PDP_addr", "[0-9A-Fa-f.:]{0,63}"),
    *[_ZERO] * 4,
)
_CGAUTH = (
    _CID,
    Number("auth_prot", 0, 2),
    Text("userid", ".{0,64}"),
    Text("password", ".{0,64}"),
)
_CIDS = f"({bearers.CIDS[0]}-{bearers.CIDS[-1]})"
# Subnet mask, gateway, DNS servers.
_IPV4 = ("255.255.255.0", "10.0.0.254", "192.0.2.53", "192.0.2.54")
_IPV6 = (
    "255.255.255.255.255.255.255.255.0.0.0.0.0.0.0.0",
    "254.128.0.0.0.0.0.0.0.0.0.0.0.0.0.1",
    "32.1.13.184.0.0.0.0.0.0.0.0.0.0.0.53",
    "32.1.13.184.0.0.0.0.0.0.0.0.0.0.0.54",
)


def _bad(module):
    return CommandError(module.config.cme_bad_parameter)


def _defined_cids(module, texts):
    """Return the numbers of a list of <cid>s; CommandError unless all are defined."""
    given = values(module, ",".join(texts), [_CID] * len(texts), len(texts))
    if not set(given) <= set(module.bearers.defined):
        raise _bad(module)
    return given


def _cgdcont_set(module, text):
    cid, pdp_type, apn, address, *_ = values(module, text, _CGDCONT)
    if pdp_type is not None:
        fields = {"pdp_type": pdp_type.upper(), "apn": apn or "", "address": address or ""}
        module.bearers.define(cid, **fields)
        return Reply()
    if (apn, address) != (None, None):
        raise _bad(module)
    if cid != bearers.DEFAULT_CID and module.bearers.is_last([cid]):
        raise CommandError(module.config.cme_last_bearer)
    module.bearers.undefine(cid)
    return Reply()


def _cgdcont_read(module, _):
    rows = module.bearers.defined.items()
    return Reply(
        tuple(
            f'+CGDCONT: {cid},"{row.pdp_type}","{row.apn}","{row.address or _NO_ADDRESS}",0,0,0,0'
            for cid, row in rows
        )
    )


def _cgauth_set(module, text):
    cid, protocol, user, password = values(module, text, _CGAUTH)
    if cid not in module.bearers.defined or (protocol and user is None):
        raise _bad(module)
    if not protocol:
        user = password = None
    fields = {"auth": protocol or 0, "user": user or "", "password": password or ""}
    module.bearers.define(cid, **fields)
    return Reply()


def _cgauth_read(module, _):
    rows = module.bearers.defined.items()
    return Reply(
        tuple(f'+CGAUTH: {cid},{row.auth},"{row.user}","{row.password}"' for cid, row in rows)
    )


def _cgact_set(module, text):
    """<state>[,<cid>[,<cid>...]]; without a <cid> all that are defined."""
    state, *cids = text.split(",")
    (wanted,) = values(module, state, [Number("state", 0, 1)])
    chosen = _defined_cids(module, cids) if cids else list(module.bearers.defined)
    if wanted:
        module.network.need_sim()
        if not module.network.attached:
            raise CommandError(module.config.cme_no_network)
        for cid in chosen:
            module.bearers.activate(cid)
        return Reply()
    if module.bearers.is_last(chosen):
        raise CommandError(module.config.cme_last_bearer)
    for cid in chosen:
        module.bearers.deactivate(cid)
    return Reply()


def _cgact_read(module, _):
    active = module.bearers.active
    return Reply(tuple(f"+CGACT: {cid},{int(cid in active)}" for cid in module.bearers.defined))


def _cgpaddr(module, text):
    cids = _defined_cids(module, text.split(",")) if text else module.bearers.defined
    return Reply(tuple(_address_row(module.bearers, cid) for cid in cids))


def _address_row(of, cid):
    address = of.address(cid)
    return f"+CGPADDR: {cid}" + ("" if address is None else f',"{address}"')


def _cgcontrdp(module, text):
    """Only active contexts have a row."""
    cids = _defined_cids(module, [text]) if text else module.bearers.active
    active = [cid for cid in cids if cid in module.bearers.active]
    return Reply(tuple(_dynamic_row(module.bearers, cid) for cid in active))


def _dynamic_row(of, cid):
    subnet, *others = _IPV6 if of.is_ipv6(cid) else _IPV4
    address = f"{of.address(cid)}.{subnet}"
    texts = ",".join(f'"{each}"' for each in (of.apn(cid), address, *others))
    return f"+CGCONTRDP: {cid},{of.bearer_id(cid)},{texts}"


def _list_of(name, cids_of):
    """Return a handler that answers a test command with the <cid>s it may be given."""
    return lambda module, _: Reply((f"{name}: ({','.join(map(str, cids_of(module.bearers)))})",))


TABLE = {
    ("+CGDCONT", SET): _cgdcont_set,
    ("+CGDCONT", READ): _cgdcont_read,
    ("+CGDCONT", TEST): fixed(
        *(f'+CGDCONT: {_CIDS},"{each}",,,(0),(0),(0),(0)' for each in _TYPES)
    ),
    ("+CGAUTH", SET): _cgauth_set,
    ("+CGAUTH", READ): _cgauth_read,
    ("+CGAUTH", TEST): fixed(f"+CGAUTH: {_CIDS},(0-2)"),
    ("+CGACT", SET): _cgact_set,
    ("+CGACT", READ): _cgact_read,
    ("+CGACT", TEST): fixed("+CGACT: (0,1)"),
    ("+CGPADDR", EXECUTE): _cgpaddr,
    ("+CGPADDR", SET): _cgpaddr,
    ("+CGPADDR", TEST): _list_of("+CGPADDR", lambda of: of.defined),
    ("+CGCONTRDP", EXECUTE): _cgcontrdp,
    ("+CGCONTRDP", SET): _cgcontrdp,
    ("+CGCONTRDP", TEST): _list_of("+CGCONTRDP", lambda of: of.active),
    **stored("+CGEREP", Number("mode", 0, 2), Number("bfr", 0, 1)),
    ("+CGEREP", TEST): fixed("+CGEREP: (0-2),(0,1)"),
}
