# What a node needs before any traffic: the SIM unlocked (sim.py), the APN, the registration with the
# network, an active context; and what the network knows: signal, time.
#
# It asks before it writes, and writes only what is different. It never takes the module off the
# network but once, to change its APN.

import time
from micropython import const

from atport.errors import AtTimeout, PortError, check, need
from atport.line import INT
from atport.text import quoted, readable

from .sim import FAILED, LOCKED, UNKNOWN, Sim

_ATTACHED = (1, 5)  # 3GPP TS 27.007, +CEREG <stat>
_DEREGISTERED = const(2)  # 3GPP TS 27.007, +COPS <mode>
_RADIO_TIMEOUT_MS = const(180000)  # +CFUN, +COPS, +CGACT: not documented
_ASK_S = const(30)  # a URC may get lost: the registration is asked for so often while it is due
_SIM_S = const(2)  # the same of a SIM that is not ready yet
_NOTHING = const(255)  # 3GPP TS 27.007, +CESQ: not known
_YEARS = (24, 79)  # of +CCLK that a network has set: before and behind it is a clock never set

NONE = 0  # authentication: 3GPP TS 27.007, +CGAUTH <auth_prot>
PAP = 1
CHAP = 2


class Network:
    """The way into the network. Methods are coroutines, but for end().

    channel: a Channel, whose reader runs. runtime: that of the channel.
    pin, pin_store: see Sim. apn, pdp_type ("IP", "IPV6", "IPV4V6"), auth (NONE, PAP, CHAP), user,
    password: of the context `cid`; apn None leaves all of it as it is.

    sim: the Sim. stat: <stat> of +CEREG as heard last, None before that; attached: whether it
    means registered. ready: the signal that is set when `stat` changes. changed: the APN was
    written, in this life, which took the module off the network for a moment.

    They raise what Channel.command() raises, with "..." in place of PIN and password.
    """

    def __init__(
        self,
        channel,
        runtime,
        *,
        pin=None,
        pin_store=None,
        apn=None,
        pdp_type="IP",
        auth=NONE,
        user="",
        password="",
        cid=1,
    ):
        fits = apn is None or (isinstance(apn, str) and 0 < len(apn) < 100)
        need(fits, "apn", apn, "1 to 99 characters, or None")
        quoted("apn", apn or "")
        need(pdp_type in ("IP", "IPV6", "IPV4V6"), "pdp_type", pdp_type, "IP, IPV6 or IPV4V6")
        check("auth", auth, NONE, CHAP)
        for name, text, shown in (("user", user, user), ("password", password, "...")):
            fits = isinstance(text, str) and len(text) <= 64 and '"' not in text
            need(fits and all(" " <= c <= "~" for c in text), name, shown, "up to 64 characters")
        need(bool(auth) == bool(user), "auth", auth, "PAP or CHAP with a user, NONE without")
        self._channel = channel
        self._runtime = runtime
        self._apn = apn
        self._type = pdp_type
        self._auth = (auth, user, password)
        self._cid = check("cid", cid, 1, 8)
        self.sim = Sim(channel, pin, pin_store)
        self.stat = None
        self.changed = False
        self.ready = runtime.signal()
        channel.on("+CEREG:", self._cereg)

    @property
    def attached(self):
        """Whether the module is registered with the network, as far as is known."""
        return self.stat in _ATTACHED

    def end(self):
        """Listen no more."""
        self._channel.off("+CEREG:", self._cereg)

    async def connect(self, timeout_s=180):
        """From whatever state to an active context; whether there is one in time.

        sim.unlock(), set_apn(), radio_on(), wait_attached() and activate(), in this order. False
        at once when the SIM is locked or has failed: see sim.state.
        """
        left_s = check("timeout_s", timeout_s, 0, 86400)
        start_s = self._now_s()
        while await self.sim.unlock() == UNKNOWN and left_s > 0:
            await self._runtime.sleep_ms(_SIM_S * 1000)
            left_s = start_s + timeout_s - self._now_s()
        if self.sim.state in (LOCKED, FAILED):
            return False
        await self.set_apn()
        await self.radio_on()
        left_s = max(0, start_s + timeout_s - self._now_s())
        return await self.wait_attached(left_s) and await self.activate()

    # APN

    async def set_apn(self):
        """AT+CGDCONT= and AT+CGAUTH=, if they are different; whether they were.

        The module has its radio off meanwhile (AT+CFUN=0) and needs a moment to come back. Done
        once at most: a module that does not keep what is written is left alone.
        """
        if self._apn is None or self.changed:
            return False
        context = await self._row("+CGDCONT", self._context)
        auth = await self._row("+CGAUTH", self._authentication)
        if context and auth is not False:
            return False
        self.changed = True
        command = self._channel.command
        await command("AT+CFUN=0", timeout_ms=_RADIO_TIMEOUT_MS)
        try:
            if not context:
                await command("AT+CGDCONT=", args=(self._cid, self._type, self._apn))
            kind, user, password = self._auth
            if not auth:
                args = (self._cid, kind, user, password) if kind else (self._cid, NONE)
                await command("AT+CGAUTH=", args=args, secret=True)
        finally:
            await command("AT+CFUN=1", timeout_ms=_RADIO_TIMEOUT_MS)
        return True

    async def _row(self, name, compare):
        # Whether the row of our context is as it should be; False without one, None if the module
        # does not tell.
        found = []

        def on_info(line):
            if line.int(0) == self._cid:
                found.append(compare(line))

        try:
            await self._channel.command("AT%s?" % name, name + ":", on_info=on_info)
        except AtTimeout:
            raise
        except PortError:
            return None
        return bool(found) and found[0]

    def _context(self, line):
        apn = readable(line.text(2)).lower()
        return line.text(1) == self._type.encode() and apn == self._apn.lower()

    def _authentication(self, line):
        kind, user, password = self._auth
        if not kind:
            return line.int(1) == NONE
        told = line.int(1), line.text(2), line.text(3)
        return told == (kind, user.encode(), password.encode())

    # Registration

    async def radio_on(self):
        """AT+CFUN=1 and AT+COPS=0 where the module says that it has no radio, or left."""
        command = self._channel.command
        found = []

        def on_info(line):
            found.append(line.int(0))

        await command("AT+CFUN?", "+CFUN:", on_info=on_info)
        if found and found.pop() != 1:
            await command("AT+CFUN=1", timeout_ms=_RADIO_TIMEOUT_MS)
        await command("AT+COPS?", "+COPS:", on_info=on_info)
        if found and found.pop() == _DEREGISTERED:
            await command("AT+COPS=0", timeout_ms=_RADIO_TIMEOUT_MS)

    async def wait_attached(self, timeout_s=180):
        """Wait until the module is registered with the network; False after `timeout_s`."""
        left_ms = check("timeout_s", timeout_s, 0, 86400) * 1000
        clock = self._channel.clock
        while True:
            since_ms = clock.ms()
            if await self._ask_stat() == 0:
                await self._channel.command("AT+CEREG=1")  # nobody has asked for the URC
            left_ms -= time.ticks_diff(clock.ms(), since_ms)
            until_ms = max(0, left_ms - _ASK_S * 1000)
            while not self.attached and left_ms > until_ms:
                since_ms = clock.ms()
                await self.ready.wait_ms(left_ms - until_ms)
                left_ms -= time.ticks_diff(clock.ms(), since_ms)
            if self.attached or left_ms <= 0:
                return self.attached

    async def _ask_stat(self):
        # AT+CEREG?: <n>; the answer is the one with two bare numbers in front.
        found = []

        def on_info(line):
            found.append(line.int(0))
            self._heard(line.int(1))

        await self._channel.command(
            "AT+CEREG?", "+CEREG:", accept=lambda line: line.kind(1) == INT, on_info=on_info
        )
        return found[0] if found else None

    def _cereg(self, line):
        if line.kind(1) != INT:  # else an answer that comes too late
            self._heard(line.int(0))

    def _heard(self, stat):
        if stat is not None and stat != self.stat:
            self.stat = stat
            self.ready.set()

    async def activate(self):
        """AT+CGACT?, and AT+CGACT=1 if the context is not active; whether it is then."""
        if await self._is_active() is False:
            args = (1, self._cid)
            await self._channel.command("AT+CGACT=", args=args, timeout_ms=_RADIO_TIMEOUT_MS)
            return await self._is_active() is not False
        return True

    def _is_active(self):
        return self._row("+CGACT", lambda line: line.int(1) == 1)

    # What the network knows

    async def signal(self):
        """AT+CESQ: return (RSRP in dBm, RSRQ in dB), the lower ends of their steps, or Nones."""
        found = [None, None]

        def on_info(line):
            rsrq, rsrp = line.int(4, _NOTHING), line.int(5, _NOTHING)
            found[0] = rsrp - 141 if rsrp < _NOTHING else None
            found[1] = (rsrq - 40) / 2 if rsrq < _NOTHING else None

        await self._channel.command("AT+CESQ", "+CESQ:", on_info=on_info)
        return tuple(found)

    async def utc(self):
        """AT+CCLK?: seconds since 1970, UTC; None while no network has set the clock."""
        lines = await self._channel.command("AT+CCLK?", "+CCLK:")
        text = readable(b"".join(lines)).strip('"')
        try:
            year, month, day = [int(field) for field in text[:8].split("/")]
            hour, minute, second = [int(field) for field in text[9:17].split(":")]
        except ValueError:
            return None
        if not _YEARS[0] <= year <= _YEARS[1]:
            return None
        # Days since 1 March 2000, which is 11017 days after 1970 began.
        months = year * 12 + month - 3
        days = months // 12 * 365 + months // 48 + (months % 12 * 153 + 2) // 5 + day - 1
        return (((days + 11017) * 24 + hour) * 60 + minute) * 60 + second

    def _now_s(self):
        clock = self._channel.clock
        clock.ms()
        return clock.s
