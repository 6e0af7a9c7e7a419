# PWR_ON, RESET_N and V_INT of the module, as pins: switches it on and off, and resets it.
#
# PWR_ON and RESET_N are pulled low or left alone, and never driven high: the module pulls them up
# by itself. A press of PWR_ON switches a module on that is off, a short one or a long one. One that
# runs does not mind a short press, and goes off by a long one. So V_INT is looked at before a press
# where it is wired. This file needs nothing else of its package.

import time
from micropython import const

from atport.errors import AtError, AtTimeout, check, check_plain, need

_ON_MS = const(300)  # ubxlib, LEXI-R10
_CYCLE_ON_MS = const(500)  # others take up to 1000
_OFF_MS = const(2500)  # ubxlib, LEXI-R10: 2000; others take up to 3000
_RESET_MS = const(150)  # ubxlib, LEXI-R10
_POWER_DOWN_MS = const(20000)  # ubxlib, LEXI-R10
_BOOT_MS = const(6000)  # ubxlib, LEXI-R10
_SHORTEST_ON_MS = const(50)  # the shortest that any published driver has
_LONGEST_ON_MS = const(1000)  # LARA-R6: 1500 may switch off
_SHORTEST_OFF_MS = const(1500)  # LARA-R6
_LONGEST_OFF_MS = const(10000)
_SHORTEST_RESET_MS = const(20)  # the shortest that any published driver has
_LONGEST_RESET_MS = const(1000)  # LARA-R6: after 10 s it is an emergency switch-off
_LONGEST_WAIT_MS = const(120000)
_CPWROFF_MS = const(40000)  # ubxlib, LEXI-R10: answered within 40 s
_LOOK_MS = const(100)  # between two looks at V_INT
_TICK_MS = const(1)  # a sleep may be shorter by so much


def open_drain(gpio, inverted=False):
    """A function that pulls a line of the module low, drive(0), or leaves it alone, drive(1).

    gpio: a number or a machine.Pin; None gives None. The line is left alone from now on: the GPIO
    is high impedance then, and never high. inverted: a transistor sits between, which pulls the
    line low while the GPIO, an output, is high.

    From a reset of the MCU until this call the GPIO floats, or is pulled down weakly (RP2040: by
    50 k or more). A transistor needs a resistor that keeps it off meanwhile.
    """
    if gpio is None:
        return None
    from machine import Pin

    if not inverted:
        return Pin(gpio, Pin.OPEN_DRAIN, value=1).value
    base = Pin(gpio, Pin.OUT, value=0)
    return lambda level: base.value(0 if level else 1)


def sense(gpio, inverted=False):
    """A function that returns the level of V_INT, for Power.

    gpio: a number or a machine.Pin; None gives None. V_INT is 1.8 V, too little for many inputs at
    3.3 V. inverted: a transistor sits between, and the GPIO has its pull-up on.
    """
    if gpio is None:
        return None
    from machine import Pin

    if not inverted:
        return Pin(gpio, Pin.IN).value
    collector = Pin(gpio, Pin.IN, Pin.PULL_UP)
    return lambda: not collector.value()


class Power:
    """The power and reset pins of one module.

    pwr_on, reset_n: functions of a level, such as open_drain() gives: 0 pulls the line low, 1
        leaves it alone. v_int: a function that returns the level, true while the module is on.
        None: not wired.
    on_ms: PWR_ON low in on(): long enough to switch on, too short for a module that runs.
    cycle_on_ms: the same in cycle(), where the module is off. off_ms: PWR_ON low to switch off.
    reset_ms: RESET_N low. power_down_ms: time that a module may take to go off; the whole of it
        is waited for where V_INT is not wired. boot_ms: waited for after a start.
    hold(ms): waits during the press of on().

    Both lines are left alone from here on. A pulse that ends early, as its task is cancelled or
    its sleep raises, leaves its line alone too. When the MCU resets in mid-pulse its pin floats and
    the line goes high: a pulse that is too short does nothing, one that was long enough has done
    its work. The same for Ctrl-C under asyncio, but that the line stays low until a Power is made
    again. One task at a time uses it.

    sleep_ms: a coroutine function, asyncio.sleep_ms or the sleep_ms of a Lexi's runtime. Raises
    ValueError for what cannot work, and for a pin that is not wired.
    """

    def __init__(
        self,
        pwr_on=None,
        reset_n=None,
        v_int=None,
        *,
        on_ms=_ON_MS,
        cycle_on_ms=_CYCLE_ON_MS,
        off_ms=_OFF_MS,
        reset_ms=_RESET_MS,
        power_down_ms=_POWER_DOWN_MS,
        boot_ms=_BOOT_MS,
        hold=time.sleep_ms,
    ):
        for name, fn in (("pwr_on", pwr_on), ("reset_n", reset_n), ("v_int", v_int)):
            if fn is not None:
                check_plain(name, fn)
        self._on_ms = check("on_ms", on_ms, _SHORTEST_ON_MS, _LONGEST_ON_MS)
        self._cycle_on_ms = check("cycle_on_ms", cycle_on_ms, _SHORTEST_ON_MS, _LONGEST_ON_MS)
        self._off_ms = check("off_ms", off_ms, _SHORTEST_OFF_MS, _LONGEST_OFF_MS)
        self._reset_ms = check("reset_ms", reset_ms, _SHORTEST_RESET_MS, _LONGEST_RESET_MS)
        self._power_down_ms = check("power_down_ms", power_down_ms, _LOOK_MS, _LONGEST_WAIT_MS)
        self._boot_ms = check("boot_ms", boot_ms, 0, _LONGEST_WAIT_MS)
        check_plain("hold", hold)
        self._hold = hold
        self._pwr_on = pwr_on
        self._reset_n = reset_n
        self._v_int = v_int
        for drive in (pwr_on, reset_n):
            if drive is not None:
                drive(1)

    def options(self):
        """What a Supervisor takes: Supervisor(lexi, **power.options()); None without the pin."""
        return {
            "pin_reset": None if self._reset_n is None else self.reset,
            "power_cycle": None if self._pwr_on is None else self.cycle,
            "power_on": None if self._pwr_on is None else self.on,
        }

    def is_on(self):
        """Whether the module is on, by V_INT; None where that is not wired."""
        return None if self._v_int is None else bool(self._v_int())

    async def on(self, sleep_ms):
        """Switch on: a short press of PWR_ON, and the time of a boot. Returns whether it pressed.

        Nothing else runs during the press: a task that keeps the CPU would make it one for "off".
        Nothing is done while V_INT is high. Where it is not wired, a module that runs stays as it
        is; one whose UART sleeps (AT+UPSV=1) wakes.
        """
        self._need("pwr_on", self._pwr_on)
        if self.is_on():
            return False
        try:
            self._pwr_on(0)
            self._hold(self._on_ms + _TICK_MS)
        finally:
            self._pwr_on(1)
        await sleep_ms(self._boot_ms)
        return True

    async def off(self, lexi, sleep_ms=None):
        """Switch off by AT+CPWROFF; where that does not do it, by a long press of PWR_ON.

        lexi: a Lexi that was started, also a blocking one, or None: PWR_ON only. sleep_ms: that of
        its runtime when None. Nothing is done while V_INT is low. is_on() tells what came of it.

        First end the task of a Supervisor, which would switch it on again; afterwards lexi.stop().
        Where V_INT is not wired a module that answers nothing is taken for one that hangs: if it
        was off, the long press switches it on.

        Takes 40 s for the answer and twice power_down_ms at most. Raises PortError when the
        command must not be sent: a firmware update is running, or a newer Lexi has the stream. What
        the module refuses or does not answer is raised only where PWR_ON is not wired.
        """
        alone = lexi is None
        need(not alone or self._pwr_on is not None, "lexi", lexi, "a Lexi: PWR_ON is not wired")
        if sleep_ms is None and not alone:
            sleep_ms = lexi.runtime.sleep_ms
        need(callable(sleep_ms), "sleep_ms", sleep_ms, "a function")
        if self.is_on() is False:
            return
        error = None
        if not alone:
            error = await self._ask(lexi.channel)
            if error is None or isinstance(error, AtTimeout):  # its OK may have got lost
                await self._down(sleep_ms)
            on = self.is_on()
            if on is False or (on is None and error is None):
                return
        if self._pwr_on is not None:
            await self._press(self._pwr_on, self._off_ms, sleep_ms)
            await self._down(sleep_ms)
        elif error is not None:
            raise error

    async def reset(self, sleep_ms):
        """Pull RESET_N low: the module restarts. Nobody waits for its boot."""
        self._need("reset_n", self._reset_n)
        await self._press(self._reset_n, self._reset_ms, sleep_ms)

    async def cycle(self, sleep_ms):
        """Off and on by PWR_ON, and the time of a boot; only on where V_INT is low already."""
        self._need("pwr_on", self._pwr_on)
        if self.is_on() is not False:
            await self._press(self._pwr_on, self._off_ms, sleep_ms)
            await self._down(sleep_ms)
        await self._press(self._pwr_on, self._cycle_on_ms, sleep_ms)
        await sleep_ms(self._boot_ms)

    def _need(self, name, drive):
        need(drive is not None, name, drive, "a function: it is not wired")

    async def _press(self, drive, ms, sleep_ms):
        try:
            drive(0)
            await sleep_ms(ms + _TICK_MS)
        finally:
            drive(1)

    async def _down(self, sleep_ms):
        # Until V_INT is low, or for as long as that may take.
        left_ms = self._power_down_ms
        while left_ms > 0 and self.is_on() is not False:
            await sleep_ms(_LOOK_MS)
            left_ms -= _LOOK_MS

    async def _ask(self, channel):
        # What the module had against it; None: OK.
        try:
            pending = channel.command("AT+CPWROFF", timeout_ms=_CPWROFF_MS)
            if hasattr(pending, "send"):  # that of a blocking Lexi is done by now
                await pending
        except (AtError, AtTimeout) as e:
            return e
