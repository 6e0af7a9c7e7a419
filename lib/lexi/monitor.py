# Keeps the registry true: brings the module up, arms its URCs, and reads the state anew after a
# gap, a restart or a long silence. Sends no command that touches the radio or changes a setting
# other than +ULWM2MSTAT, CMEE and echo; reboot() does when it is called.

from micropython import const

from .errors import AtError, AtTimeout, LexiError

_RETRY_S = const(5)  # first wait after a failure, doubled each time
_RETRY_MAX_S = const(900)
_NOT_READY_MS = const(2500)  # LwM2M commands may fail for a while after boot (module.md 4.8)
_CFUN_TIMEOUT_MS = const(30000)  # module.md 4.9


class Monitor:
    """Watches one module.

    urc_mask: what to arm with AT+ULWM2MSTAT=1,<mask>; 7 is all events.
    silence_s: so long after the last byte the module is asked whether it is still armed.
    reboot_wait_s: time the module is given after AT+CFUN=16 before it is asked anything.

    mode and server_ids hold what bring_up() read. reachable: the last exchange was answered.
    failures counts failed attempts to read the state; last_error is the latest reason.
    """

    def __init__(self, channel, lwm2m, registry, runtime, urc_mask, silence_s, reboot_wait_s):
        for name, seconds in (("silence_s", silence_s), ("reboot_wait_s", reboot_wait_s)):
            if not 0 < seconds <= 86400:
                raise ValueError("%s: %r, expected 1..86400" % (name, seconds))
        lowest, highest = lwm2m.family["urc_mask"] or (0, 7)
        if not lowest <= urc_mask <= highest:
            raise ValueError("urc_mask: %r, expected %d..%d" % (urc_mask, lowest, highest))
        self._channel = channel
        self._lwm2m = lwm2m
        self._registry = registry
        self._clock = channel.clock
        self._sleep_ms = runtime.sleep_ms
        self._mask = urc_mask if lwm2m.family["urc_mask"] else None
        self._silence_s = silence_s
        self._reboot_wait_s = reboot_wait_s
        self._restarts = 0  # of the registry, up to which the module was brought up
        self._retry_s = 0
        self._not_before_s = 0
        self.mode = None
        self.server_ids = []
        self.reachable = False
        self.failures = 0
        self.last_error = None

    async def bring_up(self, boot_s=30):
        """From any state of the port to armed URCs and a registry that was just read.

        boot_s: time the module may take to answer AT, and again to accept LwM2M commands.
        Raises AtTimeout when it stays mute, AtError when it goes on refusing.
        """
        restarts = self._registry.restarts
        await self._channel.setup(tries=max(boot_s, 1))
        self._clock.ms()
        until_s = self._clock.s + boot_s
        while True:
            try:
                await self._arm()
                break
            except AtError:
                self._clock.ms()
                if self._clock.s >= until_s:
                    raise
                await self._sleep_ms(_NOT_READY_MS)
        self.mode = await self._lwm2m.mode()
        self.server_ids = await self._lwm2m.servers()
        await self.poll()
        self._restarts = restarts

    async def _arm(self):
        if await self._lwm2m.urcs() != (1, self._mask):
            await self._lwm2m.set_urcs(True, self._mask)

    async def poll(self):
        """Read AT+ULWM2MREG? into the registry; closes a gap unless more was lost meanwhile."""
        lost = self._channel.lost
        for server, code, timer_s in await self._lwm2m.registrations():
            self._registry.put(server, code, timer_s)
        self._channel.close_gap(lost)

    async def reboot(self, boot_s=30):
        """AT+CFUN=16 and bring_up(). Drops the network; never done without being called."""
        await self._channel.command("AT+CFUN=16", timeout_ms=_CFUN_TIMEOUT_MS)
        self._registry.restarted()
        await self._sleep_ms(int(self._reboot_wait_s * 1000))
        await self.bring_up(boot_s)

    async def attend(self):
        """Do what is due and return the seconds until something may be due again.

        Never raises for the module's failures: they are counted, and tried again after 5 s,
        10 s, ... 900 s.
        """
        self._clock.ms()
        now_s = self._clock.s
        if now_s < self._not_before_s:
            return self._not_before_s - now_s
        try:
            if self._registry.restarts != self._restarts:
                await self.bring_up()
            elif self._channel.gap:
                await self.poll()
            elif now_s - self._channel.heard_s >= self._silence_s:
                if await self._lwm2m.urcs() != (1, self._mask):
                    self._registry.restarted()  # it forgot, so it was restarted unheard
            self.reachable = True
        except LexiError as e:
            self.reachable = not isinstance(e, AtTimeout)
            self.failures += 1
            self.last_error = e
        self._clock.ms()
        if self._registry.restarts == self._restarts and not self._channel.gap and self.reachable:
            self._retry_s = 0
            return max(1, self._channel.heard_s + self._silence_s - self._clock.s)
        self._retry_s = min(max(2 * self._retry_s, _RETRY_S), _RETRY_MAX_S)
        self._not_before_s = self._clock.s + self._retry_s
        return self._retry_s

    async def run(self):
        """attend() for ever, woken by what the receive path notices."""
        while True:
            wait_s = await self.attend()
            await self._registry.changed.wait_ms(wait_s * 1000)
