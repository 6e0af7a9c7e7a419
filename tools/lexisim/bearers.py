"""PDP contexts: what is defined, what is active, the URCs +CGEV (3GPP TS 27.007) and +UUPSDD.

Context 1 is the automatic LTE bearer: active from the registration on, and never undefined.
Others are activated by the host. All end with the registration.
"""

from dataclasses import asdict, dataclass
from itertools import count

DEFAULT_CID = 1
CIDS = range(1, 9)  # <cid> of +ULWM2MCONFIG (manual)

BY_HOST = "ME"
BY_NETWORK = "NW"

_NVM = "contexts"
_FIRST_BEARER_ID = 5
_MODE_FORWARD = 1  # <mode> of +CGEREP; 2 keeps what comes while the port is busy


@dataclass(frozen=True)
class Context:
    """One defined context: +CGDCONT and +CGAUTH."""

    pdp_type: str = "IP"
    apn: str = ""
    address: str = ""
    auth: int = 0
    user: str = ""
    password: str = ""


@dataclass(frozen=True)
class Bearer:
    """What an active context was given; it stays so until the context ends."""

    bearer_id: int  # of EPS
    context: Context  # as it was defined then


class Bearers:
    """The contexts by <cid>."""

    def __init__(self, module):
        self._module = module
        self._active = {}  # <cid>: Bearer

    @property
    def defined(self):
        """Return {cid: Context} in order."""
        stored = self._module.nvm.get(_NVM, {})
        found = {DEFAULT_CID: Context()}
        found.update((int(cid), Context(**fields)) for cid, fields in stored.items())
        return dict(sorted(found.items()))

    @property
    def active(self):
        """Return the active <cid>s in order."""
        return sorted(self._active)

    def define(self, cid, **fields):
        """AT+CGDCONT= and AT+CGAUTH=: kept in NVM, in force when the context is next activated."""
        context = {**asdict(self.defined.get(cid, Context())), **fields}
        self._module.nvm.put(_NVM, {**self._module.nvm.get(_NVM, {}), str(cid): context})

    def undefine(self, cid):
        """AT+CGDCONT=<cid>; context 1 becomes what it is in the factory, and stays active."""
        left = {key: row for key, row in self._module.nvm.get(_NVM, {}).items() if int(key) != cid}
        self._module.nvm.put(_NVM, left)
        if cid != DEFAULT_CID:
            self.deactivate(cid)

    def activate(self, cid):
        """A context becomes active."""
        if cid in self._active:
            return
        taken = {bearer.bearer_id for bearer in self._active.values()}
        bearer_id = next(each for each in count(_FIRST_BEARER_ID) if each not in taken)
        self._active[cid] = Bearer(bearer_id, self.defined.get(cid, Context()))
        self._note(cid, "up")
        self._event(f"ME PDN ACT {cid}")

    def deactivate(self, cid, by=BY_HOST):
        """A context ends."""
        if cid in self._active:
            del self._active[cid]
            self._note(cid, "down")
            self._event(f"{by} PDN DEACT {cid}")
            self._tell_loss([cid], by)

    def attached(self):
        """The module registered: the automatic bearer comes with it."""
        self.activate(DEFAULT_CID)

    def detached(self, by):
        """The module is registered no longer; a detach implies that all contexts ended."""
        ended = self.active
        if ended:
            self._end_all()
            self._event(f"{by} DETACH")
            self._tell_loss(ended, by)

    def power_off(self):
        """All contexts end without a word."""
        self._end_all()
        self._module.sockets.forget()

    def _end_all(self):
        for cid in self._active:
            self._note(cid, "down")
        self._active.clear()

    def is_last(self, cids):
        """Whether no context would be left active without these."""
        ending = set(cids) & set(self._active)
        return bool(ending) and ending == set(self._active)

    def is_ipv6(self, cid):
        """Whether an active context has an IPv6 address."""
        return self._active[cid].context.pdp_type == "IPV6"

    def address(self, cid):
        """Return the IP address of an active context, or None."""
        if cid not in self._active:
            return None
        if self.is_ipv6(cid):
            return f"32.1.13.184.0.0.0.0.0.0.0.0.0.0.0.{cid + 1}"
        return f"10.0.0.{cid + 1}"

    def bearer_id(self, cid):
        """Return the EPS bearer of an active context."""
        return self._active[cid].bearer_id

    def apn(self, cid):
        """Return the APN an active context uses."""
        return self._active[cid].context.apn or self._module.config.apn

    def _note(self, cid, what):
        self._module.record("bearer", cid, what)

    def _tell_loss(self, cids, by):
        # The context first, then its sockets [chosen].
        if by == BY_NETWORK and self._module.config.uupsdd:
            for cid in cids:
                self._module.port.urc(f"+UUPSDD: {cid}")
        self._module.sockets.bearer_ended(cids)

    def _event(self, text):
        mode, _ = self._module.settings.get("+CGEREP")
        if not mode:
            return
        lost = mode == _MODE_FORWARD and self._module.config.cgev_lost_when_busy
        if not (lost and self._module.port.busy):
            self._module.port.urc(f"+CGEV: {text}")
