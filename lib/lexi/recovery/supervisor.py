# Carries out what the ladder (ladder.py) decides, on one module: diagnoses before it acts
# (diagnosis.py), leaves a firmware update alone (fota.py), books every step in a store before its
# command, and tells the application what it does and why.
#
# It never sends AT+ULWM2M=1 or =2, never changes the MNO profile, enters a PIN once, and does
# nothing but polls while a firmware update runs.

import os
from binascii import crc32
from micropython import const

from atport.errors import AtTimeout, PortError, check, check_plain, refuse
from atport.text import quoted

from .. import codes
from ..codes import BOOTSTRAP, CLIENT, CONNECTION, CONNECTION_CLOSED, INIT, NO_CODE
from ..codes import NOTIFICATION, REGISTRATION, TIMER
from ..events import Events
from . import ladder as rules
from .budget import Budgets
from .diagnosis import Diagnosis
from .fota import FOTA_URI, Freeze
from .ladder import NEVER, NONE, Ladder
from .policy import DEFAULT, STEP_PINS, STEP_REGISTER
from .store import FileStore, Keeper

# Kinds of events; texts.py has their names.
DOING = const(1)
DEFERRED = const(2)
REFUSED = const(3)
REGISTERED = const(4)
LOST = const(5)
RENEW = const(6)
DEGRADED = const(7)
PARKED = const(8)
STORE = const(9)
FOTA = const(10)


_ALIVE_TRIES = const(10)  # ubxlib, LEXI-R10: AT unanswered so often is a dead port
_RADIO_TIMEOUT_MS = const(180000)  # +CFUN=0, =1: not documented
_START_RETRY_S = const(5)  # doubled each time
_START_RETRY_MAX_S = const(900)
_MAX_WAIT_S = const(3600)
_MAX_ID = const(0xFFFF)
_MAX_VETO_S = const(604800)
_VETO_FAILURES = const(3)
_ERROR_S = const(60)
_CALM_S = const(60)  # so often all of it is looked at, whatever seems to be the case
_LONGEST_S = const(900)  # that the commands of one step() may take: each has a deadline
_WIDE_COMMANDS = (b"AT+ULWM2M=3", b"AT+CFUN=0", b"AT+CFUN=16")
# Reasons for a module-wide step that a registration does not void.
_REGARDLESS = (rules.FORCED, rules.DETACHED, rules.DENIED, rules.SIM_FAULT)


def entropy():
    """Four random bytes."""
    return os.urandom(4)


class Supervisor(Diagnosis, Freeze):
    """Gets lost registrations back on one module.

    lexi: a lexi.Lexi, not yet started. policy: a table of policy.py.
    servers: short IDs that are wanted; None: those enabled in the module at the first look.
    store: what outlives a reset of the MCU, see store.py; None: a file in the working folder.
    wall: a function giving seconds of a clock that outlives it too, or None.
    pin: of the SIM; entered once, so that the store must outlive the power. pin_reset(sleep_ms),
        power_cycle(sleep_ms): functions or coroutine functions that pulse RESET_N, or switch
        off and on by PWR_ON; they wait by `await sleep_ms(ms)`, whatever the runtime is.
    veto(action, server, reason): a plain function; seconds by which a step is put off, 0 to let it
        go ahead. When it fails, the step is put off by a minute, three times at most.
    fota_setup: a command that asks for firmware update URCs, errors ignored; None: none.
    boot_s: time the module may take to answer after a start.
    random(n): a whole number 0..n-1.

    The verdict is registered(server): it does not follow an impossible status before a poll has
    confirmed it. Counters: failures, with last_error; dropped (events).
     Raises ValueError for what cannot work.
    """

    def __init__(
        self,
        lexi,
        *,
        policy=DEFAULT,
        servers=None,
        store=None,
        wall=None,
        pin=None,
        pin_reset=None,
        power_cycle=None,
        veto=None,
        fota_setup="AT+UFWINSTALL=,,,1",
        boot_s=30,
        random=None,
    ):
        if veto is not None:
            check_plain("veto", veto)
        for name, fn in (
            ("wall", wall),
            ("pin_reset", pin_reset),
            ("power_cycle", power_cycle),
        ):
            if fn is not None and not callable(fn):
                raise ValueError("%s: %r, expected a function or None" % (name, fn))
        if pin is not None and not isinstance(pin, str):
            raise ValueError("pin: %r, expected a string or None" % (pin,))
        quoted("pin", pin or "")
        if pin and getattr(store, "lost_with_power", False):
            raise ValueError("pin: needs a store that outlives the power, such as FileStore")
        if fota_setup is not None:
            ok = isinstance(fota_setup, str) and fota_setup.startswith("AT")
            if not ok or not all(" " <= c <= "~" for c in fota_setup):
                raise ValueError("fota_setup: %r, expected an AT command or None" % (fota_setup,))
        if not isinstance(servers, (tuple, list, type(None))):
            raise ValueError("servers: %r, expected a tuple or None" % (servers,))
        for server in servers or ():
            check("servers", server, *lexi.lwm2m.family["server_id"])
        if len(set(servers or ())) != len(servers or ()):
            raise ValueError("servers: %r, expected each once" % (servers,))
        rules.check_policy(policy)
        self._lexi = lexi
        self.channel = channel = lexi.channel
        self._clock = channel.clock
        self._monitor = lexi.monitor
        self._registry = lexi.registry
        self.runtime = lexi.runtime
        self._signal = self.runtime.signal()
        self._sleep_ms = self.runtime.sleep_ms
        self.policy = policy
        self._wanted = servers
        self._pin = pin
        self._pin_reset = pin_reset
        self._power_cycle = power_cycle
        self._veto = veto
        self._fota_setup = fota_setup
        self._boot_s = check("boot_s", boot_s, 10, 3600)
        self._longest_s = _LONGEST_S + 2 * boot_s + self._monitor.reboot_wait_s
        self._imei = b""
        self._store_error = None
        self.failures = 0
        self.last_error = None
        self.budgets = Budgets(policy)
        self.keeper = Keeper(store or FileStore(), self.budgets, wall, self._store_failed)
        self._clock.ms()
        self.keeper.load(self._clock.s)
        if self.keeper.writes_flash and not channel.flow:
            channel.doubt()  # it was written back, see Channel.write_flash()
        self.ladder = Ladder(policy, self.budgets, random or self._random, self._clock.s)
        self.view = self.ladder.view
        self._stat = -1  # of +CEREG, as it was seen last
        self._stirred = False  # an event set the signal, and due_s() was not asked since
        self._due_at_s = 0  # what due_s() has found
        self._calm_s = NEVER  # and until when that holds, unless something happens: see _stir()
        self._see = self.ladder.see
        self._see_timer = self.ladder.see_timer
        self.view.pins = (rules.HAS_RESET if pin_reset else 0) | (
            rules.HAS_POWER if power_cycle else 0
        )
        if servers is not None:
            self.ladder.watch(servers)
        self._up = False  # lexi.start() succeeded
        self._start_at_s = 0
        self._start_gap_s = 0
        self._restarts = self._registry.restarts
        self._monitor_failures = 0
        self._suspect = False  # something was not answered
        self._suspect_at_s = 0  # no verdict on that before: the module boots
        self._fota_saved_s = NEVER
        self._fota_asked = False  # for its URCs, since the last restart
        self._notified_s = self._notified_at_s = NEVER  # first and last notification of a series
        self.held = rules.WELL  # by what the application holds back the next action
        self.doing = None
        self._voided = False  # the step under way was held back right before its command
        self._dead_s = NEVER
        self._veto_until_s = NEVER
        self._veto_failures = 0  # in a row
        self._told = (NONE, 0, 0, 0)
        self.told_at_s = 0
        self._todo = None
        self._events = []
        self.turn_s = None  # when the next step() is due, or this one over; None: it does not run
        lexi.turns.append(self)
        self.paused = False
        self._registry.watch(self._signal)
        self._registry.subscribe(self._event)
        self._registry.watch_uri(FOTA_URI, self._fota_notified)
        channel.on("+CEREG:", self._cereg, reads=True)
        channel.on("+UFOTASTAT:", self._ufotastat)
        channel.on("+UFWPREVAL:", self._fota_sign)
        channel.on("+UUFWINSTALL:", self._uufwinstall)

    # For the application

    def registered(self, server):
        """Whether the server is registered: the verdict, see the class."""
        return self.ladder.registered(check("server", server, 0, _MAX_ID))

    def pause(self):
        """Take no step until resume(). What is half done is still ended; polls go on."""
        self.paused = True
        self._calm_s = NEVER

    def resume(self):
        self.paused = False
        self._stir()

    def force(self, step, server=0):
        """Take one step of policy.py at once, whatever the waits say: force(STEP_RESET).

        server: for STEP_REGISTER. Caps, a firmware update and a dead port still hold it back.
        """
        check("step", step, STEP_REGISTER, STEP_PINS)
        if step == STEP_REGISTER:
            check("server", server, *self._lexi.lwm2m.family["server_id"])
        self.ladder.force(step, server)
        self._stir()

    def subscribe(self, fn):
        """Call fn(event) for every event: (kind, action, server, reason, held_by, in_s).

        kind: DOING, DEFERRED, ... of this file. action, reason, held_by: of ladder.py; in_s:
        seconds until a deferred action. texts.describe(event) puts it in words.
        """
        check_plain("fn", fn)
        self._events.append(fn)

    def unsubscribe(self, fn):
        """End a subscription."""
        self._events.remove(fn)

    def events(self, size=32):
        """`async for event in supervisor.events()`, until close(); when full, the oldest is dropped."""
        return Events(self, self.runtime, size, 6)

    def status(self):
        """What it is doing and why, as a dict.

        text: in words. action: done next; server; reason, held_by: codes of ladder.py; next_s:
        seconds until then, None without a time. left: steps of each kind that their caps still
        allow. servers: by short ID, (registered, code, seconds since the last proof or None).
        """
        from .texts import status

        return status(self)

    # The loop

    async def run(self):
        """step(), woken by what the receive path notices, until a newer Channel has the stream."""
        failed = False
        try:
            while not self.channel.closed:
                try:
                    if failed:
                        failed = False
                        await self._sleep_ms(_ERROR_S * 1000)
                    wait_s = self.due_s()
                    if wait_s == 0:
                        wait_s = await self.step()
                    self.turn_s = self._clock.s + wait_s
                    await self._signal.wait_ms(wait_s * 1000)
                except Exception as e:  # counted: this task must not end, whatever it was
                    failed = True
                    self._failed(e)
        finally:
            self.turn_s = None

    def due_s(self):
        """Seconds until step() has something to do, 0 for now. Allocates nothing when well."""
        self._stirred = False
        self._clock.ms()
        now_s = self._clock.s
        monitor = self._monitor
        if (
            now_s < self._calm_s
            and not self.budgets.dirty
            and self._registry.restarts == self._restarts
            and monitor.polls == self.view.polls
            and monitor.failures == self._monitor_failures
        ):
            return self._due_at_s - now_s
        self._calm_s = NEVER
        self._look(now_s)
        self._todo = None
        if not self._up and now_s >= self._start_at_s:
            self._todo = self._start
            return 0
        if self._suspect and now_s >= self._suspect_at_s and not self._frozen(now_s):
            self._todo = self._alive
            return 0
        ladder = self.ladder
        action = ladder.decide(now_s)
        self._tell_verdicts()
        at_s = ladder.not_before_s
        held_by = ladder.held_by
        self.held = rules.WELL
        if action != NONE:
            self.held = held_by = self._held_by(action, now_s)
            if not held_by:
                self._todo = self._act
                return 0
            at_s = self._veto_until_s if held_by == rules.VETO else rules.LATER
        self._tell_state(action or ladder.pending, held_by, at_s, now_s)
        wait_s = min(min(at_s, ladder.wake_s) - now_s, _MAX_WAIT_S)
        if not self._up:
            wait_s = min(wait_s, self._start_at_s - now_s)
        if self._suspect and not self._frozen(now_s):
            wait_s = min(wait_s, max(1, self._suspect_at_s - now_s))
        save_s = self.keeper.due_s(now_s)
        if save_s is not None:
            wait_s = min(wait_s, save_s)
        wait_s = max(0 if save_s == 0 else 1, wait_s)
        self._due_at_s = now_s + wait_s
        if self.view.reachable and save_s != 0:
            self._calm_s = min(self._due_at_s, now_s + _CALM_S)
        if self.turn_s is not None:
            self.turn_s = now_s + wait_s
        return wait_s

    def _held_by(self, action, now_s):
        # The application may hold back steps, and the diagnosis before one; nothing else.
        reason = self.ladder.reason
        if action == rules.POLL or action == rules.PARK or reason == rules.HALFWAY:
            return 0
        if action == rules.DIAGNOSE and reason == rules.BOOT:
            return 0
        if self.paused and reason != rules.FORCED:
            return rules.PAUSED
        return rules.VETO if now_s < self._veto_until_s else 0

    async def step(self):
        """Do what is due and return the seconds until something may be due again.

        Never raises for the module's failures: they are counted. Raises PortTaken when a newer
        Channel has the stream.
        """
        self.channel.check_free("step", "wait")
        self._calm_s = NEVER
        self.turn_s = self.now_s() + self._longest_s
        if self.due_s() == 0:
            try:
                if self._todo:
                    await self._todo()
            except AtTimeout as e:
                self._failed(e)
                self._suspect = True
            except PortError as e:
                self._failed(e)
            now_s = self.now_s()
            if self.keeper.due_s(now_s) == 0:
                await self._save()
        wait_s = max(1, self.due_s())
        self.turn_s = self._clock.s + wait_s
        return wait_s

    async def _act(self):
        ladder = self.ladder
        action = ladder.action
        if action in (rules.POLL, rules.DIAGNOSE, rules.PARK):
            ladder.take(self._clock.s)
        self.channel.guard = self._still_right
        try:
            if action == rules.POLL:
                await self._monitor.poll()
            elif action == rules.DIAGNOSE:
                await self._diagnose()
            elif action == rules.PARK:
                self._tell(PARKED, NONE, 0, ladder.reason)
            else:
                await self._step(action, ladder.server, ladder.reason)
        finally:
            self.channel.guard = None

    async def _step(self, action, server, reason):
        # Asked for, booked, told, done.
        ladder = self.ladder
        if self._veto and reason != rules.HALFWAY:
            put_off_s = self._ask_veto(action, server, reason)
            if put_off_s:
                self._veto_until_s = self._clock.s + put_off_s
                return
        ladder.take(self._clock.s + 1)  # begun seconds count, or caps and spacings were short
        if self.budgets.dirty and not await self._save():
            ladder.undo()
            return  # what is booked is not safe: the budgets are spent now
        self.doing = (DOING, action, server, reason, 0, 0)
        self._voided = False
        self._tell(DOING, action, server, reason)
        try:
            await self._carry_out(action, server)
            ladder.done(self.now_s())
        except AtTimeout:
            raise
        except PortError as e:
            self._failed(e)
            self._tell(REFUSED, action, server, reason)
            ladder.failed(self.now_s())
            if self._voided:
                ladder.undo()
        finally:
            self.doing = None

    def _ask_veto(self, action, server, reason):
        # One that fails puts the step off for a minute, and three times: recovery is not to end so.
        try:
            off_s = check("veto", refuse(self._veto(action, server, reason)) or 0, 0, _MAX_VETO_S)
            self._veto_failures = 0
            return off_s
        except Exception as e:
            self._failed(e)
            self.channel.report(e)
            self._veto_failures += 1
            return _ERROR_S if self._veto_failures <= _VETO_FAILURES else 0

    async def _save(self):
        # Write the budgets; whether a step may go ahead. Input is lost while flash is written.
        if self.keeper.writes_flash:
            return await self.channel.write_flash(self._save_now)
        return self._save_now()

    def _save_now(self):
        return self.keeper.save(self.now_s())

    def _still_right(self, line):
        # It may have waited for the port while the world went on. Questions are harmless.
        if line.endswith(b"?") or line == b"AT":
            return
        why = None
        if self._frozen(self._clock.s):
            why = "a firmware update is running"
        elif self.doing is not None:
            _, action, server, reason, _, _ = self.doing
            if action == rules.REGISTER:
                if reason == rules.GAVE_UP and self.registered(server):
                    why = "it is registered"
            elif action in (rules.PAUSE, rules.RADIO_OFF, rules.SOFT_RESET):
                # A soft reset is followed by a bring-up, which is never wrong.
                void = reason not in _REGARDLESS and self.ladder.any_registered()
                if void and line in _WIDE_COMMANDS:
                    why = "a server is registered"
        if why:
            self._voided = True
            raise PortError("%s: %s" % (line.decode(), why))

    async def _carry_out(self, action, server):
        lwm2m = self._lexi.lwm2m
        view = self.view
        if action == rules.REGISTER:
            await lwm2m.register(server)
        elif action == rules.PAUSE:
            await lwm2m.inhibit()
        elif action == rules.RESUME:
            await lwm2m.resume()
            view.mode = codes.MODE_ENABLED
        elif action == rules.RADIO_OFF:
            await self._cfun(0)
        elif action == rules.RADIO_ON:
            await self._cfun(1)
            view.radio_on = True
            view.attached = None
        elif action == rules.SOFT_RESET:
            await self._monitor.reboot(self._boot_s)
        elif action == rules.PIN_RESET:
            await self._monitor.reboot(self._boot_s, lambda: self._pin_reset(self._pin_sleep_ms))
            self._answered()
        elif action == rules.POWER_CYCLE:
            await self._monitor.reboot(self._boot_s, lambda: self._power_cycle(self._pin_sleep_ms))
            self._answered()
        elif action == rules.ENABLE_SERVER:
            for row in await self._rows():
                if int(row[0]) == server:
                    row[-1] = "0"
                    await lwm2m.set("AT+ULWM2MCONFIG=" + ",".join(row))
                    break
            else:
                raise PortError("server %d has no row in +ULWM2MCONFIG" % server)
            await self._diagnose()

    async def _pin_sleep_ms(self, ms):
        # A newer owner of the module must not find its pins moved.
        await self._sleep_ms(ms)
        self.channel.check_owner()

    async def _cfun(self, fun):
        await self.channel.command("AT+CFUN=", args=(fun,), timeout_ms=_RADIO_TIMEOUT_MS)

    def now_s(self):
        self._clock.ms()
        return self._clock.s

    # Is anybody there?

    async def _start(self):
        try:
            await self._lexi.start(self._boot_s)
            self._up = True
            self._answered()
        except PortError as e:
            self._failed(e)
            if isinstance(e, AtTimeout):
                self._suspect = True  # one lost answer is no dead port
            else:
                self._answered()
            gap_s = max(2 * self._start_gap_s, _START_RETRY_S)
            self._start_gap_s = min(gap_s, _START_RETRY_MAX_S)
            self._start_at_s = self.now_s() + self._start_gap_s

    async def _alive(self):
        # Whether AT is answered at all, after something was not.
        self._suspect = False
        try:
            await self.channel.sync(max(1, _ALIVE_TRIES - self.channel.unanswered))
        except AtTimeout as e:
            self._failed(e)
            self._silent()
            return False
        if self.view.reachable is False:
            self._registry.restarted()  # who knows what it went through
        self._answered()
        return True

    def _answered(self):
        self.view.reachable = True
        self._suspect = False
        self._start_at_s = min(self._start_at_s, self.now_s())

    def _silent(self):
        # A dead port, unless the module is busy with a firmware update or has just restarted.
        now_s = self.now_s()
        if not self.runtime.reading:  # nobody listens: that proves nothing
            self._suspect_at_s = now_s + _ERROR_S
        if self._frozen(now_s) or now_s < self._suspect_at_s:
            self._suspect = True
            return
        self.view.reachable = False
        self._dead_s = now_s
        self._suspect = False

    def _failed(self, e):
        self.failures += 1
        self.last_error = e

    def _look(self, now_s):
        # What the rooms below noticed since the last time.
        view = self.view
        monitor = self._monitor
        if self._store_error:
            self._store_error = None
            self._tell(STORE, NONE, 0, 0)
        self._sync_restarts(now_s)
        if monitor.polls != view.polls:
            view.polls = monitor.polls
            view.polled_s = monitor.polled_s
            self._compare(now_s)
            view.reachable = True
        if monitor.failures != self._monitor_failures:
            self._monitor_failures = monitor.failures
            if not monitor.reachable and view.reachable:
                self._suspect = True
        if view.reachable is False and self.channel.heard_s > self._dead_s:
            self._dead_s = self.channel.heard_s
            self._suspect = True

    def _compare(self, now_s):
        # The ladder follows the registry, also if it missed an event.
        for track in self.ladder.tracks:
            code = self._registry.code(track.id)
            if code != track.code:
                self.ladder.see(now_s, track.id, code)

    def _tell_verdicts(self):
        for track in self.ladder.tracks:
            renewed = track.renewals != track.told_renewals
            if track.told and (renewed or not track.registered):
                track.told = False
                self._tell(LOST, NONE, track.id, 0)
            if track.registered and not track.told:
                track.told = True
                self._tell(REGISTERED, NONE, track.id, 0)
            if renewed:
                track.told_renewals = track.renewals
                self._tell(RENEW, NONE, track.id, 0)
            if track.degraded != track.told_degraded:
                track.told_degraded = track.degraded
                if track.degraded:
                    self._tell(DEGRADED, NONE, track.id, track.why)

    def _sync_restarts(self, now_s):
        if self._registry.restarts != self._restarts:
            self._restarts = self._registry.restarts
            self._calm_s = NEVER
            self._fota_asked = False
            self._suspect_at_s = now_s + self._monitor.reboot_wait_s + self._boot_s
            self.ladder.rebooted(now_s)

    def _random(self, n):
        # Not the time since boot, which many nodes share after a power cut.
        return crc32(self._imei + entropy()) % n

    # What the module says by itself

    def _event(self, event, server, value):
        if self._registry.restarts != self._restarts:
            self._sync_restarts(self._clock.s)
        news = True
        if event == REGISTRATION or event == BOOTSTRAP:
            if value == NO_CODE and self._registry.code(server) != value:
                return  # the module said so, which means nothing
            news = self._see(self._clock.s, server, value)
        elif event == TIMER:
            news = self._see_timer(self._clock.s, server, value)
        elif event == NOTIFICATION:
            return  # of the one that matters _fota_notified() is told
        elif event == CONNECTION:
            if value == CONNECTION_CLOSED:
                self.ladder.see_closed(self._clock.s, server)
        elif event == CLIENT:
            self.view.client = value
            self.view.client_s = self._clock.s
        elif event == INIT:
            self.view.init = value
            self.view.init_s = self._clock.s
        if news:
            self._calm_s = NEVER
            if not self._stirred:
                self._stirred = True
                self._signal.set()

    def _stir(self):
        # Something happened: due_s() is to be asked again, and looks at all of it.
        self._calm_s = NEVER
        self._signal.set()

    # Telling

    def _freezes(self):
        self._tell(FOTA, NONE, 0, rules.FOTA)

    def _store_failed(self, e):
        self._failed(e)
        self._store_error = e

    def _tell_state(self, action, held_by, at_s, now_s):
        # What waits, whenever that has changed.
        ladder = self.ladder
        told = self._told
        if (
            told[0] == action
            and told[1] == ladder.server
            and told[2] == ladder.reason
            and told[3] == held_by
            and (abs(at_s - self.told_at_s) < _START_RETRY_S or action == NONE)
        ):
            return
        self._told = (action, ladder.server, ladder.reason, held_by)
        self.told_at_s = at_s
        if held_by != rules.WELL:
            self._tell(DEFERRED, action, ladder.server, ladder.reason, held_by, at_s - now_s)

    def _tell(self, kind, action, server, reason, held_by=0, in_s=0):
        event = (kind, action, server, reason, held_by, in_s)
        for fn in list(self._events):
            try:
                refuse(fn(event))
            except Exception as e:  # counted: a subscriber must not stop the recovery
                self._failed(e)
                self.channel.report(e)
