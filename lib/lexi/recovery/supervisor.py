# Watches one module: asks the ladder (ladder.py) what to do, has it done (acting.py), and says when
# it wants to be asked again. It diagnoses before it acts (diagnosis.py), leaves a firmware update
# alone (fota.py), books every step in a store before its command, enters a PIN once, and does nothing
# but polls while a firmware update runs.

import os
from binascii import crc32
from micropython import const

from atport.errors import AtTimeout, PortError, check
from atport.lazy import borrow


# The large ones first: each takes less memory to compile than what is left then.
from .case import Case
from .diagnosis import Diagnosis
from .ladder import decide
from .budget import Budgets
from .acting import Actions
from .store import FileStore, Keeper
from .contact import Contact
from .fota import Freeze
from .hearing import Hearing
from .moves import wait
from .telling import Event, Teller
from . import policy as numbers
from .policy import DEFAULT, NEVER, NONE

_MAX_WAIT_S = const(3600)
_MAX_ID = const(0xFFFF)
_ERROR_S = const(60)
_TOGETHER_MS = const(50)  # what happens within that is looked at together
_CALM_S = const(60)  # so often all of it is looked at, whatever seems to be the case
_LONGEST_S = const(900)  # that the commands of one step() may take: each has a deadline


def entropy():
    """Four random bytes."""
    return os.urandom(4)


class Supervisor:
    """Gets lost registrations back on one module.

    lexi: a lexi.Lexi, not yet started. policy: a table of policy.py.
    servers: short IDs that are wanted; None: those enabled in the module at the first look.
    store: what outlives a reset of the MCU, see store.py; None: a file in the working folder.
    wall: a function giving seconds of a clock that outlives it too, or None.
    cid: the context that has to be active; None: those of the servers' rows in the module's
        configuration, or 1.
    pin: of the SIM; entered once, so that the store must outlive the power. pin_reset(sleep_ms),
        power_cycle(sleep_ms): functions or coroutine functions that pulse RESET_N, or switch
        off and on by PWR_ON; power_on(sleep_ms): one that switches on a module that is off, and
        does nothing to one that is on. They wait by `await sleep_ms(ms)`, whatever the runtime is;
        lexi.power has all three.
    veto(action, server, reason): a plain function; seconds by which a step is put off, 0 to let it
        go ahead. When it fails, the step is put off by a minute, three times at most.
    fota_setup: a command that asks for firmware update URCs, errors ignored; None: none.
    boot_s: time the module may take to answer after a start.
    random(n): a whole number 0..n-1.

    registered(server) does not follow an impossible status before a poll has confirmed it.
    Counters: failures, with last_error. Raises ValueError for what cannot work.
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
        cid=None,
        pin_reset=None,
        power_cycle=None,
        power_on=None,
        veto=None,
        fota_setup="AT+UFWINSTALL=,,,1",
        boot_s=30,
        random=None,
    ):
        pins = (pin_reset, power_cycle, power_on)
        wired = borrow("lexi.recovery.options").check_options(
            lexi, policy, servers, store, wall, pins, veto, pin, cid, fota_setup, boot_s
        )
        self.channel = channel = lexi.channel
        self.runtime = lexi.runtime
        self._lexi = lexi
        self._clock = channel.clock
        self._signal = self.runtime.signal()
        self._sleep_ms = self.runtime.sleep_ms
        self._longest_s = _LONGEST_S + 2 * boot_s + lexi.monitor.reboot_wait_s
        self._teller = Teller(channel)
        failed = self._teller.failed
        self.budgets = Budgets(policy)
        self.keeper = Keeper(
            store or FileStore(), self.budgets, wall, self._teller.store_failed, failed
        )
        now_s = self._clock.now_s()
        self.keeper.load(now_s)
        if self.keeper.writes_flash and not channel.flow:
            channel.doubt()  # it was written back, see Channel.write_flash()
        self._diagnosis = None
        self.case = Case(policy, self.budgets, random or self._random, now_s)
        self.case.view.pins = wired
        self.case.watch(servers or ())
        self._freeze = Freeze(channel, lexi.registry, self.case, self._teller, self._stir)
        self._contact = Contact(lexi, self.case, self._freeze, boot_s, failed)
        self._diagnosis = Diagnosis(
            lexi, self.case, self.keeper, failed, self._stir, servers, pin, cid, fota_setup
        )
        self._hearing = Hearing(lexi, self.case, self._contact, self._diagnosis, self._signal)
        parts = (self._freeze, self._contact, self._diagnosis, self._teller)
        self._actions = Actions(lexi, self.case, parts, self.keeper, veto, pins)
        self.decision = wait(numbers.NOT_ANSWERED)
        self._due_at_s = 0  # what due_s() has found
        self.held = numbers.WELL  # by what the application holds back the next action
        self._todo = None  # what step() does next, a coroutine function
        self.turn_s = None  # when the next step() is due, or this one over; None: it does not run
        self.paused = False
        lexi.turns.append(self)

    # For the application

    @property
    def failures(self):
        return self._teller.failures

    @property
    def last_error(self):
        return self._teller.last_error

    def registered(self, server):
        """Whether the server is registered: the verdict, see the class."""
        return self.case.registered(check("server", server, 0, _MAX_ID))

    def pause(self):
        """Take no step until resume(). What is half done is still ended; polls go on."""
        self.paused = True
        self._stir()

    def resume(self):
        self.paused = False
        self._stir()

    def force(self, step, server=0):
        """Take one step of policy.py at once, whatever the waits say: force(STEP_RESET).

        server: for STEP_REGISTER. Caps, a firmware update and a dead port still hold it back.
        """
        check("step", step, numbers.STEP_REGISTER, numbers.STEP_PINS)
        if step == numbers.STEP_REGISTER:
            check("server", server, *self._lexi.lwm2m.family["server_id"])
        self.case.force(step, server)
        self._stir()

    def follow(self, client):
        """Get the reports of a client on the MCU back too; servers=() if the module's is not wanted.

        client.trouble(now_s): None while its reports arrive, else (since_s, why), seconds of that
        clock. client.kick(): its own remedy, such as a new socket; a function, or a coroutine
        function with deadlines of its own. Returns a function to call when it is in trouble:
        else five minutes may pass.
        """
        reports = self.case.reports
        if reports is None:
            from .reports import Reports

            reports = Reports(self.case, self._teller.failed, self.channel.report)
        reports.add(client)
        self._stir()
        return self._stir

    def subscribe(self, fn):
        """Call fn(event) for every telling.Event; texts.describe(event) has it in words."""
        self._teller.subscribe(fn)

    def unsubscribe(self, fn):
        self._teller.unsubscribe(fn)

    def events(self, size=32):
        """`async for event in supervisor.events()`, until close(); when full, the oldest is dropped."""
        from ..events import Events

        return Events(self, self.runtime, size, Event)

    def status(self):
        """What it is doing and why, as a dict.

        text: in words. action: done next; server; reason, held_by: codes of policy.py; next_s:
        seconds until then, None without a time. left: steps of each kind that their caps still
        allow. servers: by short ID, (registered, code, seconds since the last proof or None).
        """
        from .texts import status

        return status(self, self.decision, self._actions.doing, self._teller.at_s)

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
                    await self._sleep_ms(_TOGETHER_MS)
                except Exception as e:  # counted: this task must not end, whatever it was
                    failed = True
                    self._teller.failed(e)
        finally:
            self.turn_s = None

    def due_s(self):
        """Seconds until step() has something to do, 0 for now. Allocates nothing when well."""
        now_s = self._clock.now_s()
        if self._hearing.calm(now_s):
            return self._due_at_s - now_s
        self._teller.catch_up()
        self._hearing.look(now_s)
        self._todo = self._contact.todo(now_s)
        if self._todo:
            return 0
        decision = self.decision = decide(self.case, now_s)
        self._teller.verdicts(self.case)
        held_by = decision.held_by
        at_s = decision.at_s
        self.held = numbers.WELL
        if decision.action != NONE:
            self.held = held_by = self._actions.held_by(decision, now_s, self.paused)
            if not held_by:
                self._actions.decision = decision
                self._todo = self._actions.act
                return 0
            at_s = self._actions.veto_until_s if held_by == numbers.VETO else numbers.LATER
        self._teller.waiting(decision, held_by, at_s, now_s)
        return self._wait_s(at_s, now_s)

    def _wait_s(self, at_s, now_s):
        wait_s = min(min(at_s, self.case.wake_s) - now_s, _MAX_WAIT_S)
        wait_s = self._contact.due_s(now_s, wait_s)
        save_s = self.keeper.due_s(now_s)
        if save_s is not None:
            wait_s = min(wait_s, save_s)
        wait_s = max(0 if save_s == 0 else 1, wait_s)
        self._due_at_s = now_s + wait_s
        if self.case.view.reachable and save_s != 0:
            self._hearing.calm_s = min(self._due_at_s, now_s + _CALM_S)
        if self.turn_s is not None:
            self.turn_s = now_s + wait_s
        return wait_s

    async def step(self):
        """Do what is due and return the seconds until something may be due again.

        Never raises for the module's failures: they are counted. Raises PortTaken when a newer
        Channel has the stream.
        """
        self.channel.check_free("step", "wait")
        self._hearing.calm_s = NEVER
        self.turn_s = self._clock.now_s() + self._longest_s
        if self.due_s() == 0:
            try:
                if self._todo:
                    await self._todo()
            except AtTimeout as e:
                self._teller.failed(e)
                self._contact.suspect = True
            except PortError as e:
                self._teller.failed(e)
            if self.keeper.due_s(self._clock.now_s()) == 0:
                await self.keeper.write(self.channel)
        wait_s = max(1, self.due_s())
        self.turn_s = self._clock.s + wait_s
        return wait_s

    def _stir(self):
        self._hearing.stir()

    def _random(self, n):
        # Not the time since boot, which many nodes share after a power cut.
        imei = self._diagnosis.imei if self._diagnosis else b""
        return crc32(imei + entropy()) % n
