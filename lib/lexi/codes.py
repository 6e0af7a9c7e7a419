# The state tables of the manual: codes, classes, ranges. Data only; describe.py has the names.

# Classes of a status code: what it says about the registration.
IDLE = 0  # not registered, nothing under way
PROGRESS = 1  # the module is working on it
GOOD = 2
FAILED = 3  # the module gave up
UNKNOWN = 4

NO_CODE = 99  # nothing is known of the server since the last (re)start

# manual: +ULWM2MSTAT <status>, +ULWM2MREG <server_status>; events 0 and 1 share the codes.
STATUS = {
    0: IDLE,  # listed, but not an allowed value of LEXI-R10401D-00B
    1: PROGRESS,
    2: PROGRESS,
    3: GOOD,
    4: FAILED,
    5: GOOD,
    6: GOOD,
    7: GOOD,
    8: PROGRESS,
    9: PROGRESS,
    10: PROGRESS,
    11: PROGRESS,
    12: PROGRESS,
    13: PROGRESS,
    14: PROGRESS,
    15: FAILED,
    16: FAILED,
    19: PROGRESS,
}

# The server holds a registration while the module is in one of these.
REGISTERED = (3, 5, 6, 7)

# manual: +ULWM2MSTAT <event>
BOOTSTRAP = 0
REGISTRATION = 1
TIMER = 2
NOTIFICATION = 3
CLIENT = 4
INIT = 5
CONNECTION = 6

# manual: +ULWM2MSTAT <client_status>; LEXI-R10401D-00B reports only the last
CLIENT_SHUT_DOWN = 7

# manual: +ULWM2MSTAT <client_init_status>
INIT_STARTED = 1
INIT_FAILED = 4

# manual: +ULWM2MSTAT <server_connection_status>
CONNECTION_CLOSED = 3

# manual: +ULWM2M <activation_mode>; 4 is listed, but not allowed on LEXI-R10401D-00B
MODE_ENABLED = 0
MODE_DISABLED = 1
MODE_RESET = 2
MODE_INHIBITED = 3

# A module family is one table; its rows of +ULWM2MCONFIG are in config.py, or in a table "config"
# of its own. Ranges are (lowest, highest).
LEXI_R10401D = {
    "name": "LEXI-R10401D",
    # manual: +ULWM2MSTAT <verbosity_mask>; None for a family without one
    "urc_mask": (1, 7),
    # manual: +ULWM2MREG <server_id>; 0 would force a bootstrap, but is not supported
    "server_id": (1, 65535),
    # manual: "Response time" 65 of two commands, unit not printed; the other two give none
    "timeout_ms": 70000,
}


def status_class(code):
    """Class of a status code: IDLE, PROGRESS, GOOD, FAILED or UNKNOWN."""
    return STATUS.get(code, UNKNOWN)
