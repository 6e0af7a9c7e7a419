"""The number tables of the manual and of 3GPP TS 27.007. Data only."""

# <status> of +ULWM2MSTAT events 0 and 1, <server_status> of +ULWM2MREG (manual).
DEREGISTERED = 0
REG_HOLD = 1
REG_PENDING = 2
REGISTERED = 3
REG_FAILED = 4
UPDATE_PENDING = 5
UPDATE_NEEDED = 6
FULL_UPDATE_NEEDED = 7
DEREG_NEEDED = 8
DEREG_PENDING = 9
BS_HOLD_OFF = 10
BS_INITIATED = 11
BS_PENDING = 12
BS_FINISHING = 13
BS_FINISHED = 14
BS_FAILING = 15
BS_FAILED = 16
BS_RETRYING = 19

STATUS_NAMES = {
    DEREGISTERED: "deregistered",
    REG_HOLD: "registration hold",
    REG_PENDING: "registration pending",
    REGISTERED: "registration success",
    REG_FAILED: "registration failed",
    UPDATE_PENDING: "registration update pending",
    UPDATE_NEEDED: "registration update needed",
    FULL_UPDATE_NEEDED: "registration full update needed",
    DEREG_NEEDED: "deregistration needed",
    DEREG_PENDING: "deregistration pending",
    BS_HOLD_OFF: "bootstrap hold off",
    BS_INITIATED: "bootstrap initiated",
    BS_PENDING: "bootstrap pending",
    BS_FINISHING: "bootstrap finishing",
    BS_FINISHED: "bootstrap finished",
    BS_FAILING: "bootstrap failing",
    BS_FAILED: "bootstrap failed",
    BS_RETRYING: "bootstrap retrying",
}

# The server still holds a registration in these.
REGISTERED_CODES = frozenset((REGISTERED, UPDATE_PENDING, UPDATE_NEEDED, FULL_UPDATE_NEEDED))

# <event> of the +ULWM2MSTAT URC (manual).
EVENT_BOOTSTRAP = 0
EVENT_REGISTRATION = 1
EVENT_TIMER = 2
EVENT_NOTIFICATION = 3
EVENT_CLIENT = 4
EVENT_INIT = 5
EVENT_CONNECTION = 6

# The bit of <verbosity_mask> that lets an event through (manual).
EVENT_MASK_BIT = {
    EVENT_BOOTSTRAP: 1,
    EVENT_REGISTRATION: 1,
    EVENT_TIMER: 1,
    EVENT_NOTIFICATION: 1,
    EVENT_CLIENT: 1,
    EVENT_INIT: 2,
    EVENT_CONNECTION: 4,
}

# <client_status>, <client_init_status>, <server_connection_status> (manual).
CLIENT_INITIAL = 0
CLIENT_BOOTSTRAP_REQUIRED = 1
CLIENT_REG_REQUIRED = 3
CLIENT_REGISTERING = 4
CLIENT_READY = 5
CLIENT_COMMAND_ONLY = 6
CLIENT_SHUT_DOWN = 7
INIT_STARTED = 1
INIT_FINISHED = 2
INIT_PRODUCTION = 3
INIT_FAILED = 4
CONN_CREATED = 0
CONN_IDLE = 1
CONN_RESTORED = 2
CONN_CLOSED = 3

# "Allowed values" of LEXI-R10401D-00B (manual); the rest comes out only with the wide option.
ALLOWED_STATUS = frozenset((*range(1, 17), 19))
ALLOWED_CLIENT_STATUS = frozenset((CLIENT_SHUT_DOWN,))
ALLOWED_INIT_STATUS = frozenset((INIT_STARTED, INIT_FINISHED, INIT_FAILED))
ALLOWED_CONNECTION_STATUS = frozenset((CONN_CREATED, CONN_CLOSED))

# <stat> of +CEREG (3GPP TS 27.007).
CEREG_IDLE = 0
CEREG_HOME = 1
CEREG_SEARCHING = 2
CEREG_DENIED = 3
CEREG_UNKNOWN = 4
CEREG_ROAMING = 5
CEREG_ATTACHED = frozenset((CEREG_HOME, CEREG_ROAMING))

# <AcT> of +COPS, +CREG, +CGREG and +CEREG (3GPP TS 27.007).
E_UTRAN = 7

# +CME ERROR numbers and texts (3GPP TS 27.007 section 9.2).
CME_TEXTS = {
    0: "phone failure",
    1: "no connection to phone",
    2: "phone-adaptor link reserved",
    3: "operation not allowed",
    4: "operation not supported",
    5: "PH-SIM PIN required",
    6: "PH-FSIM PIN required",
    7: "PH-FSIM PUK required",
    10: "SIM not inserted",
    11: "SIM PIN required",
    12: "SIM PUK required",
    13: "SIM failure",
    14: "SIM busy",
    15: "SIM wrong",
    16: "incorrect password",
    17: "SIM PIN2 required",
    18: "SIM PUK2 required",
    20: "memory full",
    21: "invalid index",
    22: "not found",
    23: "memory failure",
    24: "text string too long",
    25: "invalid characters in text string",
    26: "dial string too long",
    27: "invalid characters in dial string",
    30: "no network service",
    31: "network timeout",
    32: "network not allowed - emergency calls only",
    50: "incorrect parameters",
    51: "command implemented but currently disabled",
    52: "command aborted by user",
    100: "unknown",
    103: "illegal MS",
    106: "illegal ME",
    107: "GPRS services not allowed",
    111: "PLMN not allowed",
    112: "location area not allowed",
    113: "roaming not allowed in this location area",
    132: "service option not supported",
    133: "requested service option not subscribed",
    134: "service option temporarily out of order",
    148: "unspecified GPRS error",
    149: "PDP authentication failure",
    171: "last PDN disconnection not allowed",
}
CME_SIM_ABSENT = 10
CME_PIN_REQUIRED = 11
CME_PUK_REQUIRED = 12
CME_SIM_FAILURE = 13
CME_NOT_ALLOWED = 3
CME_NOT_SUPPORTED = 4
CME_INCORRECT_PASSWORD = 16
CME_UNKNOWN = 100

# Numeric final result codes, ATV0 (SARA-R4 manual).
NUMERIC_FINALS = {"OK": 0, "ERROR": 4}
