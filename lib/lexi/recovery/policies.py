# Policies beside policy.DEFAULT: each is it, but for what is said here.

from .policy import (
    DEFAULT,
    STEP_PARKED_REGISTER,
    STEP_PAUSE,
    STEP_PINS,
    STEP_RADIO,
    STEP_REGISTER,
    STEP_RESET,
)

# VZW: at most 4 automated accesses to the radio network an hour.
VERIZON = dict(DEFAULT)
VERIZON["name"] = "VERIZON"
VERIZON["radio_per_hour"] = 4

# For batteries, and for fleets on one small server: longer waits, fewer resets.
_GENTLE_STEPS = dict(DEFAULT["steps"])
_GENTLE_STEPS[STEP_REGISTER] = (300, (300, 900, 1800, 3600, 7200), 300, 5, 4, 3600)
_GENTLE_STEPS[STEP_PAUSE] = (300, (3600,), 3600, 1, 4, 86400)
_GENTLE_STEPS[STEP_RADIO] = (600, (14400,), 14400, 1, 2, 86400)
_GENTLE_STEPS[STEP_RESET] = (475, (14400, 43200, 86400), 14400, 2, 2, 86400)
_GENTLE_STEPS[STEP_PINS] = (475, (14400,), 14400, 2, 2, 86400)
_GENTLE_STEPS[STEP_PARKED_REGISTER] = (300, (43200,), 43200, 0, 2, 86400)

GENTLE = dict(DEFAULT)
GENTLE["name"] = "GENTLE"
GENTLE["steps"] = _GENTLE_STEPS
GENTLE["radio_per_hour"] = 6
GENTLE["jitter_percent"] = 100
GENTLE["start_spread_s"] = 900
GENTLE["bound_s"] = 259200
