# What the ladder does when, as data: the numbers of actions and reasons, the state table, the
# steps, the clocks. No code decides here.
#
# A policy is a dict. To change one, copy it and replace what differs:
#     MINE = dict(DEFAULT, name="MINE", radio_per_hour=6)
#     MINE = dict(DEFAULT, name="MINE", steps=dict(DEFAULT["steps"]))
#     MINE["steps"][STEP_RADIO] = (600, (7200,), 7200, 1, 2, 86400)
# policy_check.py says what a policy must hold to be sound; a Supervisor asks it.
#
# Sources: R4/R5/R6 are the u-blox AT and application development notes of SARA-R4, SARA-R5 and
# LARA-R6; UBX is ubxlib's LEXI-R10 row; TS.34 is GSMA's; VZW and ATT are the operators' network
# guidelines; NCS is Nordic's LwM2M sample and carrier library. "Own" is this project's choice.

from micropython import const

from atport.lazy import borrow

from .. import codes

NEVER = const(-0x20000000)  # a time before all others, and one behind them
LATER = const(0x3FFFFFFF)

# Actions: what is done. texts.py has their names.
(
    NONE,
    POLL,  # AT+ULWM2MREG?
    DIAGNOSE,  # read SIM, radio, network, activation, configuration, registration
    REGISTER,  # AT+ULWM2MREG=<server>
    PAUSE,  # AT+ULWM2M=3
    RESUME,  # AT+ULWM2M=0
    RADIO_OFF,  # AT+CFUN=0
    RADIO_ON,  # AT+CFUN=1
    SOFT_RESET,  # AT+CFUN=16
    PIN_RESET,
    POWER_CYCLE,
    ENABLE_SERVER,  # AT+ULWM2MCONFIG=: the server's row, with 0 in its last field
    PARK,  # tell that nothing but the slow rhythm is left, or nothing at all
    SWITCH_ON,  # one short pulse on PWR_ON, which a module that is on does not mind
    KICK,  # the own remedy of a client on the MCU, see Supervisor.follow()
) = range(15)

# Reasons: why something is done, and what it is held by until then. texts.py has them in words.
(
    WELL,
    BOOT,
    MODULE_TRIES,
    GAVE_UP,
    STUCK,
    OWN_RETRY,
    OVERDUE,
    DEAD_END,
    ILLEGAL,
    UNKNOWN_CODE,
    FROZEN,
    CLOSED,
    UNSEEN,
    LOST_URC,
    DETACHED,
    DENIED,
    SIM_FAULT,
    SIM_LOCK,
    DEAD_PORT,
    NO_PINS,
    PRODUCTION,
    INIT_FAILED,
    INIT_HANGS,
    CLIENT_IDLE,
    DISABLED,
    NO_SERVERS,
    SERVER_MISSING,
    SERVER_DISABLED,
    RADIO_WAS_OFF,
    WAS_PAUSED,
    EXHAUSTED,
    OTHERS_WELL,
    FORCED,
    WAIT,
    START,
    SPACING,
    CAP,
    RADIO_CAP,
    FOTA,
    HALFWAY,
    VETO,
    PAUSED,
    RESULT,
    NO_ANSWER,
    NOT_ANSWERED,
    LEFT_ALONE,
    REPORTS,
) = range(47)

# View.sim
SIM_UNKNOWN = const(0)
SIM_READY = const(1)
SIM_LOCKED = const(2)
SIM_FAILED = const(3)

# View.pins: bits
HAS_RESET = const(1)
HAS_POWER = const(2)
HAS_ON = const(4)

# Budgets.mark: what was begun and must be ended, whatever happens in between.
MARK_PAUSED = const(1)
MARK_RADIO_OFF = const(2)
MARK_REBOOT = const(3)

# Steps of the ladder, lowest effort first; behind the pins the slow rhythm of a parked node, and the
# step for clients on the MCU.
STEP_REGISTER = const(1)  # AT+ULWM2MREG=<server>
STEP_PAUSE = const(2)  # AT+ULWM2M=3, and =0 later
STEP_RADIO = const(3)  # AT+CFUN=0, and =1 later
STEP_RESET = const(4)  # AT+CFUN=16
STEP_PINS = const(5)  # RESET_N, or off and on by PWR_ON
STEP_PARKED_REGISTER = const(6)
STEP_PARKED_RESET = const(7)
STEP_KICK = const(8)  # of what is followed beside the module's servers: its kick()

# What a parked step counts as besides, for spacing and caps.
PARKED_AS = {STEP_PARKED_REGISTER: STEP_REGISTER, STEP_PARKED_RESET: STEP_RESET}

# What a code that holds too long leads to, after a poll has confirmed it.
WATCH = const(0)  # nothing but polls, for patience_s; then as STEP_RESET
CALL = const(1)  # the ladder from its lowest step on
RESTART = const(2)  # the ladder from the soft reset on: nothing less can help

# code: (class, legal next codes, seconds after which it is stuck, what follows)
# Order and names of the codes are Wakaama's, whose enumeration the module's follows up to 7 (and
# plus one from 8 on). Any code may become 0, 1, 2 or 10 after a restart of the module.
_STATES = {
    # up for a moment only while the module starts; on SARA-R5 it stays until a restart
    0: (codes.IDLE, (1, 2, 10), 60, CALL),
    # longest legal hold 120 s (u-blox server 721) or 480 s (OMA defaults)
    1: (codes.PROGRESS, (0, 2, 4), 900, CALL),
    # CoAP gives up after 62..93 s, EXCHANGE_LIFETIME is 247 s (RFC 7252, 4.8.2)
    2: (codes.PROGRESS, (1, 3, 4), 300, CALL),
    # stuck when the announced update is so late; see also unseen_s. 4: the update was lost
    3: (codes.GOOD, (4, 5, 6, 7, 8, 9), 120, CALL),
    # the module gave up, and stays so
    4: (codes.FAILED, (1, 2, 10, 11), 0, CALL),
    5: (codes.GOOD, (3, 4, 6, 7), 300, CALL),
    6: (codes.GOOD, (5, 7), 60, CALL),
    7: (codes.GOOD, (5,), 60, CALL),
    8: (codes.PROGRESS, (0, 9), 60, WATCH),
    9: (codes.PROGRESS, (0,), 120, WATCH),
    10: (codes.PROGRESS, (11, 12), 900, RESTART),
    11: (codes.PROGRESS, (12, 15), 300, WATCH),
    # Wakaama gives a bootstrap 247 s
    12: (codes.PROGRESS, (13, 15), 300, WATCH),
    13: (codes.PROGRESS, (14,), 60, WATCH),
    14: (codes.PROGRESS, (0, 1, 2, 10), 120, CALL),
    15: (codes.FAILED, (16, 19), 60, WATCH),
    # AT+ULWM2MREG=0 would force a bootstrap, but is not supported
    16: (codes.FAILED, (10, 11, 19), 0, RESTART),
    19: (codes.PROGRESS, (10, 11), 900, WATCH),
    # a poll was answered, but the module does not list the server
    codes.NO_CODE: (codes.UNKNOWN, (), 60, CALL),
}

# Fields of a step.
WINDOW_S = const(0)
WAITS_S = const(1)
SPACING_S = const(2)
TRIES = const(3)
CAP_STEPS = const(4)
CAP_S = const(5)

# step: (window_s    after the command; no verdict on it before, unless the module says "failed",
#        waits_s     before the first, second, ... try, times 1..1 + jitter; the last one stays,
#        spacing_s   at least, between two of them,
#        tries       in one episode (per server for STEP_REGISTER); 0 for parked ones: no end,
#        cap, cap_s  never more than `cap` of them in any `cap_s` seconds)
_STEPS = {
    # waits: OMA LwM2M objects 1/x/17 and /18, TS.34 REQ_008; 10 an hour: half the ceiling below
    STEP_REGISTER: (300, (60, 120, 240, 480, 480), 60, 5, 10, 3600),
    # ANJ: the client's own suspend and resume; cap: own
    STEP_PAUSE: (300, (900,), 900, 2, 8, 86400),
    # 300 s to attach (TS.34 REQ_016) and 300 s to register; waits: TS.34, one hour; cap: own
    STEP_RADIO: (600, (3600,), 3600, 1, 4, 86400),
    # 30 s for CFUN, 15 s to reboot, 10 x AT (UBX), and the boot window; waits: TS.34 REQ_009
    STEP_RESET: (475, (3600, 14400, 28800, 57600, 86400), 3600, 3, 3, 86400),
    # R5, R6: "HW switch off" once an hour; a dead AT port does not wait for the first
    STEP_PINS: (475, (3600,), 3600, 4, 4, 86400),
    # ATT: once in 4 h in the steady state
    STEP_PARKED_REGISTER: (300, (14400,), 14400, 0, 6, 86400),
    # OMA object 1/x/19: 24 h between sequences; NCS carrier library: 24 h
    STEP_PARKED_RESET: (475, (86400,), 86400, 0, 1, 86400),
    # as STEP_REGISTER, then as a parked one
    STEP_KICK: (300, (60, 120, 240, 480, 480, 14400), 60, 5, 10, 3600),
}

DEFAULT = {
    "name": "DEFAULT",
    "states": _STATES,
    "steps": _STEPS,
    # Actions that make the module use the radio, all kinds together, in any hour. R6-DEV 8.4:
    # rule of thumb 20 registrations and power cycles; ATT: under 19 authentications.
    "radio_per_hour": 18,
    # A wait is multiplied by 1..1 + jitter_percent/100, so that nodes do not act as one.
    "jitter_percent": 50,
    # s, random 0..start_spread_s before the first action after power-up or an outage (TS.34 DAR3)
    "start_spread_s": 300,
    # s after a boot without a verdict: 15 s reboot, 10 x AT (UBX), 5 min attach (TS.34 REQ_016)
    "boot_window_s": 420,
    # s that the module may alternate between hold and pending by itself. It needs 458..582 s
    # (u-blox server 721) or 1210..1365 s (OMA defaults).
    "own_retry_s": 1500,
    # s a registration must hold, with an update seen or for a lifetime, before an episode is
    # over and the tries count from zero again
    "hold_s": 600,
    "lifetime_s": 86400,
    # s after which a time to update that does not move is frozen; own
    "frozen_s": 120,
    # s between polls of a server that is registered and never told its time to update; own
    "unseen_s": 900,
    # s after an illegal jump or an unknown code until the poll; own
    "suspect_s": 5,
    # s a client may stay in "initialization started" or "bootstrap required" without a successor
    "init_s": 120,
    # s that connection closed and a pending code must be apart, or it is polled; own
    "closed_s": 300,
    # s since the last sign of a firmware update until it is no longer waited for, and since the
    # first one without a restart or a change of its state; own
    "fota_s": 3600,
    "fota_max_s": 86400,
    # s that a port is left alone that died while all was well, as the module may install a
    # firmware without a sign; all was well if it was so within well_s before; own
    "quiet_s": 1800,
    "well_s": 3600,
    # s without network because it is denied, or without a SIM, after two soft resets, until pins
    # are used, and between two of those (field reports: only power healed some modules); own
    "refused_pins_s": 86400,
    # s that a state which allows nothing but polls is watched before it counts as failed; own
    "patience_s": 86400,
    # s that a diagnosis stays fresh enough to act on it; own
    "fresh_s": 60,
    # s between diagnoses of a fault that the ladder cannot cure (SIM, configuration); own
    "fault_s": 3600,
    # s between pause and resume (ANJ: 30), radio off and on (UBX: at least 1)
    "pause_s": 30,
    "radio_off_s": 1,
    # Whether a client that was disabled from outside is enabled again, once.
    "reenable": False,
    # s: a healthy module in a healthy network is registered again at the latest so long after it
    # became healthy, whatever was before: the longest wait, its jitter, and the windows
    "bound_s": 172800,
}


_checked = []  # the last one that was sound


def check_policy(policy):
    """Return a sound policy; raise ValueError, naming the row, for any other: see policy_check.py.

    What checks takes 4 kB, so it does not stay; DEFAULT is sound as it is.
    """
    if policy is not DEFAULT and not any(policy is known for known in _checked):
        borrow("lexi.recovery.policy_check").check(policy)
        _checked[:] = [policy]
    return policy
