# Names and sentences for people: what the codes of the manual mean.

from . import codes

CLASSES = ("idle", "progress", "good", "failed", "unknown")

# manual: +ULWM2MSTAT <status>, +ULWM2MREG <server_status>
STATUS = {
    0: "deregistered",
    1: "registration hold",
    2: "registration pending",
    3: "registration success",
    4: "registration failed",
    5: "registration update pending",
    6: "registration update needed",
    7: "registration full update needed",
    8: "deregistration needed",
    9: "deregistration pending",
    10: "bootstrap hold off",
    11: "bootstrap initiated",
    12: "bootstrap pending",
    13: "bootstrap finishing",
    14: "bootstrap finished",
    15: "bootstrap failing",
    16: "bootstrap failed",
    19: "bootstrap retrying",
    codes.NO_CODE: "not known yet",
}

# manual: +ULWM2MSTAT <event>
EVENTS = (
    "bootstrap status",
    "registration status",
    "time to update",
    "notification",
    "client status",
    "client initialization",
    "server connection",
)

# manual: +ULWM2MSTAT <client_status>
CLIENT_STATUS = (
    "initial",
    "bootstrap required",
    "bootstrapping",
    "registration required",
    "registering",
    "ready",
    "command mode only",
    "client shut down",
)

# manual: +ULWM2MSTAT <client_init_status>
INIT_STATUS = {
    1: "initialization started",
    2: "initialization finished",
    3: "aborted: production mode",
    4: "initialization failed",
}

# manual: +ULWM2MSTAT <server_connection_status>; "idle" and "restored" are called suspended and
# resumed in its syntax table
CONNECTION_STATUS = ("created", "idle", "restored", "closed")


def name(table, code):
    """Name of `code` in a table of this file; "unknown (18)" for one the manual does not list."""
    known = code in table if isinstance(table, dict) else 0 <= code < len(table)
    return table[code] if known else "unknown (%d)" % code


def status_name(code):
    """Name of a status code."""
    return name(STATUS, code)


def event_text(registry, event, server, value):
    """One line about an event of Registry.subscribe()."""
    if event in (codes.BOOTSTRAP, codes.REGISTRATION):
        return "server %d: %s" % (server, status_name(value))
    if event == codes.TIMER:
        return "server %d: next update in %d s" % (server, value)
    if event == codes.NOTIFICATION:
        _, uri, count, _ = registry.uri(value)
        return "server %d: notification %d of %s" % (server, count, uri)
    if event == codes.CONNECTION:
        return "server %d: connection %s" % (server, name(CONNECTION_STATUS, value))
    if event == codes.CLIENT:
        return "client: " + name(CLIENT_STATUS, value)
    if event == codes.INIT:
        return "client: " + name(INIT_STATUS, value)
    return "unknown event %d" % event
