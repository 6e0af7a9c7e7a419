# Carries out what the ladder decided: asks the application, books, tells, sends.
#
# It never sends AT+ULWM2M=1 or =2, and never changes the MNO profile.

from micropython import const

from atport.errors import AtTimeout, PortError, check, refuse

from .. import codes
from . import booking, policy
from .moves import any_registered
from .telling import DOING, PARKED, REFUSED, Event

_RADIO_TIMEOUT_MS = const(180000)  # +CFUN=0, =1: not documented
_MAX_VETO_S = const(604800)
_VETO_FAILURES = const(3)
_ERROR_S = const(60)
_PINS = b"pins"  # stands for a command
_WIDE_COMMANDS = (b"AT+ULWM2M=3", b"AT+CFUN=0", b"AT+CFUN=16", _PINS)
_WIDE = (
    policy.PAUSE,
    policy.RADIO_OFF,
    policy.SOFT_RESET,
    policy.PIN_RESET,
    policy.POWER_CYCLE,
)
# Reasons for a module-wide step that a registration does not void.
_REGARDLESS = (
    policy.FORCED,
    policy.DETACHED,
    policy.DENIED,
    policy.SIM_FAULT,
    policy.DEAD_PORT,
)


class Actions:
    """The hands of a Supervisor. keeper: store.Keeper. veto: see Supervisor.

    pins: its pin_reset, power_cycle and power_on.
    """

    def __init__(self, lexi, case, parts, keeper, veto, pins):
        self._lexi = lexi
        self._channel = lexi.channel
        self._monitor = lexi.monitor
        self._case = case
        self._freeze, self._contact, self._diagnosis, self._teller = parts
        self._keeper = keeper
        self.decision = None  # what act() does
        self._veto = veto
        self._pin_reset, self._power_cycle, self._power_on = pins
        self._sleep_ms = lexi.runtime.sleep_ms
        self.veto_until_s = policy.NEVER
        self._veto_failures = 0  # in a row
        self.doing = None  # the event of the step under way
        self._voided = False  # it was held back right before its command

    def held_by(self, decision, now_s, paused):
        # The application may hold back steps, and the diagnosis before one; nothing else. By what
        # it does; 0 for nothing.
        action = decision.action
        reason = decision.reason
        if action in (policy.POLL, policy.PARK) or reason == policy.HALFWAY:
            return 0
        if action == policy.DIAGNOSE and reason == policy.BOOT:
            return 0
        if paused and reason != policy.FORCED:
            return policy.PAUSED
        return policy.VETO if now_s < self.veto_until_s else 0

    async def act(self):
        # Do it. Raises AtTimeout, and PortError for a poll or a diagnosis that is refused.
        decision = self.decision
        action = decision.action
        if action in (policy.POLL, policy.DIAGNOSE, policy.PARK):
            booking.take(self._case, decision, self._channel.clock.now_s())
        self._channel.guard = self._still_right
        try:
            if action == policy.POLL:
                await self._monitor.poll()
            elif action == policy.DIAGNOSE:
                await self._diagnose()
            elif action == policy.PARK:
                self._teller.tell(PARKED, policy.NONE, 0, decision.reason)
            else:
                await self._step(decision)
        finally:
            self._channel.guard = None

    async def _diagnose(self):
        if await self._contact.ask():
            await self._diagnosis.run()

    async def _step(self, decision):
        # Asked for, booked, told, done.
        case = self._case
        event = Event(DOING, decision.action, decision.server, decision.reason, 0, 0)
        if self._veto and decision.reason != policy.HALFWAY:
            wait_s = self._ask_veto(*event[1:4])
            if wait_s:
                self.veto_until_s = self._channel.clock.now_s() + wait_s
                return
        # begun seconds count, or caps and spacings were short
        booking.take(case, decision, self._channel.clock.now_s() + 1)
        if case.budgets.dirty and not await self._keeper.write(self._channel):
            booking.undo(case, decision)
            return  # what is booked is not safe: the budgets are spent now
        self.doing = event
        self._voided = False
        self._teller.tell(*event)
        try:
            await self._carry_out(decision.action, decision.server)
            booking.done(case, decision, self._channel.clock.now_s())
        except AtTimeout:
            raise
        except PortError as e:
            self._teller.failed(e)
            self._teller.tell(REFUSED, *event[1:])
            booking.failed(case, decision, self._channel.clock.now_s())
            if self._voided:
                booking.undo(case, decision)
        finally:
            self.doing = None

    def _ask_veto(self, action, server, reason):
        # One that fails puts the step off for a minute, and three times: recovery is not to end so.
        try:
            wait_s = check("veto", refuse(self._veto(action, server, reason)) or 0, 0, _MAX_VETO_S)
            self._veto_failures = 0
            return wait_s
        except Exception as e:
            self._teller.failed(e)
            self._channel.report(e)
            self._veto_failures += 1
            return _ERROR_S if self._veto_failures <= _VETO_FAILURES else 0

    def _still_right(self, line):
        # It may have waited for the port while the world went on. Questions are harmless.
        if line.endswith(b"?") or line == b"AT":
            return
        why = None
        if self._freeze.running(self._channel.clock.s):
            why = "a firmware update is running"
        elif self.doing is not None:
            action = self.doing.action
            reason = self.doing.reason
            if action == policy.REGISTER:
                if reason == policy.GAVE_UP and self._case.registered(self.doing.server):
                    why = "it is registered"
            elif action in _WIDE:
                # A soft reset is followed by a bring-up, which is never wrong.
                void = reason not in _REGARDLESS and any_registered(self._case)
                if void and line in _WIDE_COMMANDS:
                    why = "a server is registered"
        if why:
            self._voided = True
            raise PortError("%s: %s" % (line.decode(), why))

    async def _carry_out(self, action, server):
        lwm2m = self._lexi.lwm2m
        view = self._case.view
        if action == policy.REGISTER:
            await lwm2m.register(server)
        elif action == policy.PAUSE:
            await lwm2m.inhibit()
        elif action == policy.RESUME:
            await lwm2m.resume()
            view.mode = codes.MODE_ENABLED
        elif action == policy.RADIO_OFF:
            await self._cfun(0)
        elif action == policy.RADIO_ON:
            await self._cfun(1)
            view.radio_on = True
            view.attached = None
        elif action == policy.SOFT_RESET:
            await self._monitor.reboot(self._contact.boot_s)
        elif action == policy.PIN_RESET:
            await self._by_pins(self._pin_reset)
        elif action == policy.POWER_CYCLE:
            await self._by_pins(self._power_cycle)
        elif action == policy.SWITCH_ON:
            await self._by_pins(self._power_on)
        elif action == policy.KICK:
            await self._case.reports.kick(self._channel.clock.now_s())
        elif action == policy.ENABLE_SERVER:
            await self._enable(server)

    async def _cfun(self, fun):
        await self._channel.command("AT+CFUN=", args=(fun,), timeout_ms=_RADIO_TIMEOUT_MS)

    async def _by_pins(self, move):
        self._still_right(_PINS)
        await self._monitor.reboot(self._contact.boot_s, lambda: move(self._pin_sleep_ms))
        self._contact.answered()

    async def _pin_sleep_ms(self, ms):
        # A newer owner of the module must not find its pins moved.
        await self._sleep_ms(ms)
        self._channel.check_owner()

    async def _enable(self, server):
        for row in await self._diagnosis.rows():
            if int(row[0]) == server:
                row[-1] = "0"
                await self._lexi.lwm2m.set("AT+ULWM2MCONFIG=" + ",".join(row))
                break
        else:
            raise PortError("server %d has no row in +ULWM2MCONFIG" % server)
        await self._diagnose()
