# What the supervisor does and why, in words for people.

from micropython import const

from .policy import CAP_S, LATER, NEVER
from .telling import DEFERRED, DOING

_OF_REGISTRY = const(3)

# Kinds of events.
KINDS = (
    "",
    "doing",
    "deferred",
    "refused by the module",
    "registered",
    "registration lost",
    "observations must be renewed",
    "degraded",
    "parked",
    "store failed",
    "firmware update",
)

# Steps, in the order of their numbers.
STEPS = (
    "",
    "re-register",
    "pause and resume",
    "radio off and on",
    "soft reset",
    "reset by pins",
    "re-register, parked",
    "soft reset, parked",
    "kick the reporting client",
)

ACTIONS = (
    "nothing",
    "poll",
    "diagnose",
    "re-register",
    "pause",
    "resume",
    "radio off",
    "radio on",
    "soft reset",
    "pin reset",
    "power cycle",
    "enable server",
    "park",
    "switch on",
    "kick the reporting client",
)

REASONS = (
    "all is well",
    "the module has just started",
    "the module is trying by itself",
    "the module gave up",
    "its state held too long",
    "the module has tried too long by itself",
    "the update is overdue",
    "the client waits for a bootstrap that does not come",
    "the state changed in a way that is not possible",
    "the code is not known",
    "the time to update does not move",
    "the connection was closed while a request was pending",
    "the server never told its time to update",
    "an update was seen that no status told of",
    "there is no network",
    "the network denies registration",
    "the SIM is missing or fails",
    "the SIM is locked",
    "the AT port is dead",
    "there is no pin to reset it with",
    "the module is in production mode",
    "the client's initialization failed",
    "the client's initialization does not end",
    "the client has stopped",
    "the client is disabled",
    "there is no server to register with",
    "the module does not know the server",
    "the server is disabled in the module",
    "the radio was found off",
    "the client was found paused",
    "all steps are used up",
    "another server is registered",
    "the application asked for it",
    "the wait before this try",
    "a random wait after power-up or an outage",
    "the spacing between two of them",
    "the cap on this step is reached",
    "the cap on radio actions is reached",
    "a firmware update is running",
    "a step is half done",
    "the application's veto",
    "paused by the application",
    "the result of the last step is awaited",
    "the client does not answer polls",
    "the module has not answered yet",
    "it died while all was well and may be installing a firmware",
    "reports do not arrive",
)


def describe(event, registry=None):
    """One line for people about an event of Supervisor.subscribe(), or of Registry.subscribe().

    event: a telling.Event, or the three numbers of a registry's event as a tuple; registry: the
    one that it is of.
    """
    if len(event) == _OF_REGISTRY:
        from ..describe import event_text

        return event_text(registry, *event)
    kind, action, server, reason, held_by, in_s = event
    text = KINDS[kind]
    if action:
        text += " " + ACTIONS[action]
    if server:
        text += " %d" % server
    if kind == DEFERRED:
        if not action:
            return "waiting: " + REASONS[held_by]
        if in_s < LATER // 2:
            text += " for %d s" % in_s
        text += ": " + REASONS[held_by]
        if held_by != reason:
            text += " (%s)" % REASONS[reason]
    elif reason:
        text += ": " + REASONS[reason]
    return text


def status(supervisor, decision, doing, at_s):
    """See Supervisor.status(). doing: the event of a step under way; at_s: until when it waits."""
    case = supervisor.case
    now_s = supervisor.channel.clock.now_s()
    action = decision.action or decision.pending
    held_by = supervisor.held or decision.held_by
    next_s = at_s - now_s
    if decision.action and not supervisor.held:
        next_s = 0
        doing = doing or (DOING, action, decision.server, decision.reason, 0, 0)
    event = doing or (DEFERRED, action, decision.server, decision.reason, held_by, next_s)
    return {
        "text": describe(event),
        "action": action,
        "server": decision.server,
        "reason": decision.reason,
        "held_by": held_by,
        "next_s": max(0, next_s) if next_s < LATER // 2 else None,
        "left": {
            STEPS[step]: case.budgets.left(step, now_s, row[CAP_S])
            for step, row in case.steps.items()
        },
        "servers": {
            state.id: (
                state.registered,
                state.code,
                None if state.proof_s == NEVER else now_s - state.proof_s,
            )
            for state in case.servers
        },
    }
