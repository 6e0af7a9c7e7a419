# Pulses on RESET_N and PWR_ON, for the Supervisor's pin_reset and power_cycle.
#
# Both are open drain, never driven high. Times: ubxlib's LEXI-R10 row, and what its boards use.

RESET_N_MS = 150
PWR_ON_OFF_MS = 2500  # a long press switches off
PWR_ON_ON_MS = 500
POWER_DOWN_MS = 20000
BOOT_MS = 6000


def open_drain(gpio):
    """A function that drives a GPIO low (0) or leaves it alone (1); None for None."""
    if gpio is None:
        return None
    from machine import Pin

    return Pin(gpio, Pin.OPEN_DRAIN, value=1).value


def options(reset_n, pwr_on):
    """Arguments for a Supervisor. reset_n, pwr_on: functions of the level, None if not wired."""

    async def pulse(drive, ms, sleep_ms):
        drive(0)
        try:
            await sleep_ms(ms)
        finally:
            drive(1)

    async def pin_reset(sleep_ms):
        await pulse(reset_n, RESET_N_MS, sleep_ms)

    async def power_cycle(sleep_ms):
        await pulse(pwr_on, PWR_ON_OFF_MS, sleep_ms)
        await sleep_ms(POWER_DOWN_MS)
        await pulse(pwr_on, PWR_ON_ON_MS, sleep_ms)
        await sleep_ms(BOOT_MS)

    return {
        "pin_reset": pin_reset if reset_n else None,
        "power_cycle": power_cycle if pwr_on else None,
    }
