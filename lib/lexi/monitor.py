# Keeps the registry true: brings the module up, arms its URCs, and reads the state anew after a
# gap, a restart or a long silence. Sends no command that touches the radio, and changes no setting
# but those of the port: +ULWM2MSTAT, CMEE, echo, power saving, flow control; reboot() does when it
# is called.

from micropython import const

from atport.errors import AtTimeout, ModuleRebooted, PortError, check, need, refuse
from atport.text import readable

_RETRY_S = const(5)  # first wait after a failure, doubled each time
_RETRY_MAX_S = const(900)
_CHECK_S = const(3600)  # a URC can get lost without a trace: the oldest that a state may be
_NOT_READY_MS = const(2500)  # LwM2M commands may fail for a while after boot (SARA-R4: 9 s)
_DEAD_S = const(10)  # ubxlib: a port that leaves 10 x AT unanswered is dead
_CFUN_TIMEOUT_MS = const(30000)  # not documented
_LONGEST_S = const(600)  # that the commands of one attend() may take: each has a deadline
_CHANGES = const(4)  # kept in `changed`


class Monitor:
    """Watches one module.

    urc_mask: what to arm with AT+ULWM2MSTAT=1,<mask>; 7 is all events.
    silence_s: so long after the last readable line the module is asked whether it is still armed,
        and what is registered.
    reboot_wait_s: time the module is given after AT+CFUN=16 before it is asked anything.
    power_saving: 0: AT+UPSV=0 where bring_up() finds power saving on, which makes the UART deaf
        until a PWR_ON pulse; None: it is left as it is.
    match_flow: AT&K3 where the channel has RTS and CTS (`flow`), AT&K0 where not.

    changed: the settings that bring_up() made, such as "AT+UPSV=0, it was 1,5000" and "AT&K0", each
    once. on_change(text), print by itself, is told of those that were known to be different.

    mode and server_ids hold what bring_up() read. reachable: the last exchange was answered.
    polls counts answered polls, polled_s is the time of the last; failures counts failed attempts
    to read the state, last_error is the latest reason.
    """

    def __init__(
        self,
        channel,
        lwm2m,
        registry,
        runtime,
        urc_mask=7,
        silence_s=900,
        reboot_wait_s=15,
        power_saving=0,
        match_flow=True,
    ):
        check("silence_s", silence_s, 1, 86400)
        check("reboot_wait_s", reboot_wait_s, 1, 86400)
        check("urc_mask", urc_mask, *lwm2m.family["urc_mask"] or (0, 7))
        need(power_saving in (0, None), "power_saving", power_saving, "0 or None")
        need(match_flow in (False, True), "match_flow", match_flow, "False or True")
        self.power_saving = power_saving
        self.match_flow = match_flow
        self.on_change = print
        self.changed = []
        self._channel = channel
        self._lwm2m = lwm2m
        self._registry = registry
        self._clock = channel.clock
        self._sleep_ms = runtime.sleep_ms
        self._signal = runtime.signal()
        channel.watch_gap = self._signal.set
        registry.watch(self._signal)
        self.urc_mask = urc_mask if lwm2m.family["urc_mask"] else None
        self.silence_s = silence_s
        self.reboot_wait_s = reboot_wait_s
        self._restarts = 0  # of the registry, up to which the module was brought up
        self._known = 0  # those that the bring-up under way knew of
        self._armed = False  # it was once
        self._mute = False  # it did not answer: what it went through is not known
        self._checked_s = 0  # when the whole state was last asked for, answered or not
        self._retry_s = 0
        self._not_before_s = 0
        self._failed_at = 0  # restarts of the registry then: another one is not made to wait
        self._busy = False  # a bring-up is under way
        # When the next attend() is due, or this one over; None: nobody calls it.
        self.turn_s = None
        self.mode = None
        self.server_ids = []
        self.reachable = False
        self.polls = 0
        self.polled_s = 0
        self.failures = 0
        self.last_error = None

    async def bring_up(self, boot_s=30):
        """From any state of the port to armed URCs and a registry that was just read.

        boot_s: time the module may take to answer AT, and again to accept LwM2M commands.
        mode stays None and server_ids empty where the module refuses to tell (a PIN is needed).
        Raises AtTimeout when it stays mute, AtError when it goes on refusing the rest. Then
        nothing is watched yet: call it again.
        """
        check("boot_s", boot_s, 0, 3600)
        self.turn_s = self._clock.now_s() + 2 * boot_s + _LONGEST_S
        self._known = self._registry.restarts
        self._busy = True  # attend() is not to ask in between
        try:
            await self._channel.setup(tries=max(boot_s, 1))
            await self._set_port()
            until_s = self._clock.now_s() + boot_s
            self.mode = None
            self.server_ids = []
            while True:
                late = self._clock.now_s() >= until_s
                try:
                    await self._arm()
                    told = await self._ask()
                    await self.poll()
                    if told or late:
                        break
                except AtTimeout:
                    raise
                except PortError:
                    if late:
                        raise
                await self._sleep_ms(_NOT_READY_MS)
            self._checked_s = self._clock.now_s()
            self._restarts = self._known
        except BaseException:  # raised on: nobody takes turns then
            self.turn_s = None
            raise
        finally:
            self._busy = False
        self.take_turn()

    async def _set_port(self):
        # What an earlier host left in NVM can make the port deaf, or hold it back.
        if self.power_saving is not None:
            found = await self._try("AT+UPSV?", "+UPSV:")
            mode = found[0] if found else b"0"
            if mode[:1].isdigit() and mode[:1] != b"0":
                if await self._try("AT+UPSV=0") is not None:
                    self._note("AT+UPSV=0, it was " + readable(mode), True)
        if self.match_flow:  # what it was cannot be read
            text = "AT&K3" if self._channel.flow else "AT&K0"
            if await self._try(text) is not None:
                self._note(text, False)

    def _note(self, text, tell):
        # Once, if it is new.
        if text in self.changed:
            return
        if len(self.changed) == _CHANGES:
            self.changed.pop(0)
        self.changed.append(text)
        if tell and self.on_change:
            try:
                refuse(self.on_change("lexi: " + text))
            except Exception as e:  # counted, as those of handlers
                self._channel.report(e)

    async def _try(self, text, prefix=None):
        # The answer, or None where the module refuses.
        try:
            return await self._channel.command(text, prefix)
        except AtTimeout:
            raise
        except PortError:
            return None

    async def _arm(self):
        urcs = await self._lwm2m.urcs()
        if urcs != (1, self.urc_mask):
            if urcs and self._armed and self._registry.restarts == self._restarts:
                self._known += 1
                self._registry.restarted()  # it forgot, so it was restarted unheard
            await self._lwm2m.set_urcs(True, self.urc_mask)
        self._armed = True

    async def _ask(self):
        # Mode and servers; whether the module told them.
        try:
            self.mode = await self._lwm2m.mode()
            self.server_ids = await self._lwm2m.servers()
        except AtTimeout:
            raise
        except PortError:
            return False
        return True

    async def poll(self):
        """Read AT+ULWM2MREG? into the registry; closes a gap unless more was lost meanwhile."""
        self._channel.pump()  # what was lost before the question is not lost from its answer
        lost = self._channel.lost
        others = self._channel.urcs + self._channel.unknown
        listed = await self._lwm2m.registrations(self._registry.put)
        if lost == self._channel.lost and others == self._channel.urcs + self._channel.unknown:
            # Nothing but the answer came, so nothing of it can be missing.
            self._registry.keep_only([server for server, _, _ in listed])
        self._channel.close_gap(lost)
        self.reachable = True
        self.polls += 1
        self.polled_s = self._clock.now_s()
        self._registry.wake()  # what is asked for from now on is not answered by this poll

    async def reboot(self, boot_s=30, restart=None):
        """AT+CFUN=16 and bring_up(). Drops the network; never done without being called.

        restart: a function or coroutine function that does it in another way, such as a pin.
        """
        need(restart is None or callable(restart), "restart", restart, "a function or None")
        self.turn_s = self._clock.now_s() + self.reboot_wait_s + _LONGEST_S
        self._busy = True
        try:
            self._channel.check_owner()
            pending = (restart or self._reset)()
            if hasattr(pending, "send"):
                await pending
            self._registry.restarted()
            until_s = self._clock.now_s() + self.reboot_wait_s
            if restart:
                await self._keep_awake()
            await self._sleep_ms(max(0, until_s - self._clock.now_s()) * 1000)
            await self.bring_up(boot_s)
        finally:
            self._busy = False

    async def _keep_awake(self):
        # A module that did not answer before may fall asleep a few seconds after its start.
        try:
            await self._channel.sync(self.reboot_wait_s)
            await self._set_port()
        except PortError:
            pass

    async def _reset(self):
        try:
            await self._channel.command("AT+CFUN=16", timeout_ms=_CFUN_TIMEOUT_MS)
        except ModuleRebooted:
            pass  # it was faster than its OK

    def due_s(self):
        """Seconds until attend() has something to do, 0 for now. Allocates nothing."""
        now_s = self._clock.now_s()
        if self._busy:
            return _RETRY_S
        if now_s < self._not_before_s and self._registry.restarts == self._failed_at:
            return self._not_before_s - now_s
        if self._registry.restarts != self._restarts or self._channel.gap or self._retry_s:
            return 0
        silent_s = self._channel.heard_s + self.silence_s - now_s
        return max(0, min(silent_s, self._checked_s + _CHECK_S - now_s))

    async def attend(self):
        """Do what is due and return the seconds until something may be due again.

        Never raises for the module's failures: they are counted, and tried again after 5 s,
        10 s, ... 900 s.
        """
        self.turn_s = self._clock.now_s() + _LONGEST_S
        self._registry.settle()
        if self.due_s() == 0:
            wait_s = 0
            try:
                if self._registry.restarts != self._restarts:
                    await self.bring_up()
                elif self._mute:
                    await self.bring_up(_DEAD_S)
                elif self._channel.gap and self._clock.s - self._checked_s < _CHECK_S:
                    await self.poll()
                    wait_s = _RETRY_S  # however many gaps follow
                elif await self._lwm2m.urcs() in (None, (1, self.urc_mask)):
                    self._checked_s = self._clock.s
                    await self.poll()
                else:
                    self._registry.restarted()  # it forgot, so it was restarted unheard
                    await self.bring_up()
                self._mute = False
                self.reachable = True
            except Exception as e:  # counted: this task must not end, whatever it was
                self._mute = self._mute or isinstance(e, AtTimeout)
                self._checked_s = self._clock.s
                self.reachable = not self._mute
                self.failures += 1
                self.last_error = e
                self._registry.wake()  # whoever waits for a registration may want to know
            done = self._registry.restarts == self._restarts and not self._channel.gap
            if done and self.reachable:
                self._retry_s = 0
            else:
                self._retry_s = min(max(2 * self._retry_s, _RETRY_S), _RETRY_MAX_S)
                wait_s = self._retry_s
            self._not_before_s = self._clock.now_s() + wait_s
            self._failed_at = self._registry.restarts
        return self.take_turn()

    def take_turn(self):
        """Say when the next attend() is due, in seconds from now, for alive()."""
        wait_s = max(1, self.due_s())
        self.turn_s = self._clock.s + wait_s
        return wait_s

    async def run(self):
        """attend(), woken by what the receive path notices, until a newer Channel has the stream."""
        failed = False
        while not self._channel.closed:
            try:
                if failed:
                    failed = False
                    await self._sleep_ms(_RETRY_S * 1000)
                wait_s = await self.attend()
                await self._signal.wait_ms(wait_s * 1000)
            except Exception as e:  # out of memory: this task must not end
                failed = True
                self.failures += 1
                self.last_error = e
