# What a policy must hold to be sound. Loaded once, when a Supervisor is made, and then dropped: see
# policy.check_policy().

from micropython import const

from .. import codes
from . import policy as numbers
from .policy import (
    CAP_S,
    RESTART,
    SPACING_S,
    STEP_KICK,
    STEP_PARKED_REGISTER,
    STEP_PARKED_RESET,
    STEP_PAUSE,
    STEP_PINS,
    STEP_RADIO,
    STEP_REGISTER,
    STEP_RESET,
    WAITS_S,
    WATCH,
    WINDOW_S,
)
from .policy import DEFAULT as _DEFAULT

# Fields of a step, in their order.
FIELDS = ("window_s", "waits_s", "spacing_s", "tries", "cap", "cap_s")

# What a step may not go below: (window_s, wait_s and spacing_s).
_LOWEST = {
    STEP_REGISTER: (60, 60),
    STEP_PAUSE: (60, 600),
    STEP_RADIO: (300, 3600),
    STEP_RESET: (300, 3600),
    STEP_PINS: (300, 3600),
    STEP_PARKED_REGISTER: (60, 3600),
    STEP_PARKED_RESET: (300, 43200),
    STEP_KICK: (60, 60),
}
_MAX_S = const(604800)
_MAX_CAP = const(24)

# Every other number of a policy: (lowest, highest).
_RANGES = {
    "radio_per_hour": (1, 20),
    "jitter_percent": (0, 400),
    "start_spread_s": (0, 86400),
    "boot_window_s": (60, 3600),
    "own_retry_s": (600, 86400),
    "hold_s": (60, 86400),
    "lifetime_s": (60, _MAX_S),
    "frozen_s": (30, 3600),
    "unseen_s": (60, 86400),
    "suspect_s": (1, 60),
    "init_s": (30, 3600),
    "closed_s": (0, 3600),
    "fota_s": (600, 86400),
    "fota_max_s": (3600, _MAX_S),
    "quiet_s": (0, 86400),
    "well_s": (60, 86400),
    "refused_pins_s": (43200, _MAX_S),
    "patience_s": (600, _MAX_S),
    "fresh_s": (10, 600),
    "fault_s": (60, 86400),
    "pause_s": (1, 600),
    "radio_off_s": (1, 60),
    "bound_s": (3600, 2 * _MAX_S),
}


def _name(step):
    # As it is written in a policy.
    for name in dir(numbers):
        if name.startswith("STEP_") and getattr(numbers, name) == step:
            return name


def _whole(row, name, value, lowest, highest):
    if not isinstance(value, int) or not lowest <= value <= highest:
        raise ValueError("%s: %s: %r, expected %d..%d" % (row, name, value, lowest, highest))


def check(policy):
    """Raise ValueError, naming the row, for a policy that is not sound; return it otherwise.

    Every code of the manual and every step needs its row, every cap allows an attempt, no wait
    or spacing is shorter than what operators allow, and the bound can be kept.
    """
    if not isinstance(policy, dict):
        raise ValueError("policy: %r, expected a table of policy.py" % (policy,))
    name = "policy %s" % policy.get("name")
    for key in ("states", "steps"):
        if not isinstance(policy.get(key), dict):
            raise ValueError("%s: %s: missing, expected a table" % (name, key))
    for code in policy["states"]:
        if not isinstance(code, int):
            raise ValueError("%s: state %r, expected a code of the manual" % (name, code))
    for code in sorted(set(_DEFAULT["states"]) | set(policy["states"])):
        _check_state("%s: state %d" % (name, code), policy["states"].get(code))
    for step in policy["steps"]:
        if step not in _LOWEST:
            raise ValueError("%s: step %r, expected 1..%d" % (name, step, STEP_KICK))
    for step in range(STEP_REGISTER, STEP_KICK + 1):
        _check_step("%s: %s" % (name, _name(step)), policy["steps"].get(step), step)
    for key, (lowest, highest) in _RANGES.items():
        _whole(name, key, policy.get(key), lowest, highest)
    if not isinstance(policy.get("reenable"), bool):
        raise ValueError("%s: reenable: %r, expected a bool" % (name, policy.get("reenable")))
    bound_s = longest_wait_s(policy)
    if policy["bound_s"] < bound_s:
        _whole(name, "bound_s", policy["bound_s"], bound_s, 2 * _MAX_S)
    for key in policy:
        if key not in _DEFAULT:
            raise ValueError("%s: %r: there is no such key" % (name, key))
    return policy


def longest_wait_s(policy):
    """Seconds of the longest wait for a step with its jitter, its window and the start-up."""
    steps = policy["steps"]
    wait_s = max(max(row[SPACING_S], row[CAP_S], *row[WAITS_S]) for row in steps.values())
    window_s = max(row[WINDOW_S] for row in steps.values())
    start_s = policy["boot_window_s"] + policy["start_spread_s"] + policy["own_retry_s"]
    return wait_s * (100 + policy["jitter_percent"]) // 100 + window_s + start_s


def _check_state(row, values):
    if not isinstance(values, tuple) or len(values) != 4:
        raise ValueError("%s: %r, expected (class, next, stuck_s, then)" % (row, values))
    kind, following, stuck_s, then = values
    _whole(row, "class", kind, codes.IDLE, codes.UNKNOWN)
    known = isinstance(following, tuple)
    if not known or any(not isinstance(c, int) or c not in codes.STATUS for c in following):
        raise ValueError("%s: next: %r, expected codes of the manual" % (row, following))
    _whole(row, "stuck_s", stuck_s, 0, 86400)
    _whole(row, "then", then, WATCH, RESTART)


def _check_step(row, values, step):
    if not isinstance(values, tuple) or len(values) != len(FIELDS):
        raise ValueError("%s: %r, expected (%s)" % (row, values, ", ".join(FIELDS)))
    window_s, waits_s, spacing_s, tries, cap, cap_s = values
    least_window_s, least_s = _LOWEST[step]
    _whole(row, "window_s", window_s, least_window_s, 86400)
    if not isinstance(waits_s, tuple) or not waits_s:
        raise ValueError("%s: waits_s: %r, expected a tuple of seconds" % (row, waits_s))
    for wait_s in waits_s:
        _whole(row, "waits_s", wait_s, least_s, _MAX_S)
    _whole(row, "spacing_s", spacing_s, least_s, _MAX_S)
    parked = step in (STEP_PARKED_REGISTER, STEP_PARKED_RESET)
    _whole(row, "tries", tries, 0 if parked else 1, 0 if parked else _MAX_CAP)
    _whole(row, "cap", cap, 1, _MAX_CAP)
    _whole(row, "cap_s", cap_s, 3600, 86400)
