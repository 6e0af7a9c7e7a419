# The moves of the ladder (ladder.py): what its rules can say, each as a Decision, and what holds a
# step back. Pure, as the ladder is.

from collections import namedtuple
from micropython import const

from . import policy
from .case import CHANCES

_ACTION_OF = (  # each step of policy.py
    policy.NONE,
    policy.REGISTER,
    policy.PAUSE,
    policy.RADIO_OFF,
    policy.SOFT_RESET,
    policy.PIN_RESET,
    policy.REGISTER,
    policy.SOFT_RESET,
    policy.KICK,
)
OF_A_SERVER = (policy.STEP_REGISTER, policy.STEP_PARKED_REGISTER)
PINS = policy.HAS_RESET | policy.HAS_POWER
_HOUR_S = const(3600)

# What is to be done now, or, with action NONE, what will be done (pending) at at_s unless things
# change, and by what it is held until then (held_by). step: of policy.py, 0 for none of them.
Decision = namedtuple(
    "Decision", ("action", "server", "reason", "at_s", "pending", "held_by", "step")
)
ALL_WELL = Decision(policy.NONE, 0, policy.WELL, policy.LATER, policy.NONE, policy.WELL, 0)


# What the rules say.


def do(case, action, reason, server=0, step=0):
    # The action, now.
    return Decision(action, server, reason, case.now_s, policy.NONE, policy.WELL, step)


def wait(reason, at_s=policy.LATER):
    # Nothing, until that time or until something happens.
    return Decision(policy.NONE, 0, reason, at_s, policy.NONE, reason, 0)


def at(case, at_s, reason, action, held_by, server=0, step=0):
    # The action, when its time has come.
    if case.now_s >= at_s:
        return do(case, action, reason, server, step)
    return Decision(policy.NONE, server, reason, at_s, action, held_by, 0)


def sooner(one, other):
    # The one that can be taken first.
    if one.action != policy.NONE or (other.action == policy.NONE and one.at_s < other.at_s):
        return one
    return other


def poll(case, at_s, why):
    # A poll at that time, but not too soon after the last.
    at_s = max(at_s, case.polls.asked_s + case.polls.gap_s())
    if case.now_s >= at_s:
        return do(case, policy.POLL, why)
    case.wake(at_s)
    return None


def diagnose(case, why):
    # Whatever it finds, or does not: not again at once.
    at_s = case.diagnosed_s + case.policy["suspect_s"]
    return at(case, at_s, why, policy.DIAGNOSE, policy.SPACING)


def look_again(case, after_s, why):
    # A diagnosis, if the last one is so old.
    at_s = case.view.diagnosed_s + after_s
    if case.now_s >= at_s:
        return diagnose(case, why)
    case.wake(at_s)
    return None


def park(case, why, at_s=policy.LATER):
    # Told once; then nothing until something changes.
    return wait(why, at_s) if case.parked == why else do(case, policy.PARK, why)


def report(case, why):
    # A fault that only people can cure: told, and looked at again now and then.
    at_s = case.view.diagnosed_s + case.policy["fault_s"]
    return park(case, why, at_s) if case.now_s < at_s else diagnose(case, why)


def restore(case, action, why):
    # Something was found off that has to be on. No step of the ladder, so not on its caps.
    at_s = max(case.hold_s, case.ending_s)
    held_by = policy.START if at_s == case.hold_s else policy.SPACING
    free_s = case.budgets.free_s(0, _HOUR_S)
    if free_s > at_s:
        return at(case, free_s, why, action, policy.RADIO_CAP)
    return at(case, at_s, why, action, held_by)


# Steps.


def take(case, step, due_s, why, server=0):
    # A step is taken when nothing holds it back any more; a Decision tells what does.
    at_s = due_s
    held_by = policy.WAIT
    if case.hold_s > at_s and why != policy.FORCED and why != policy.DEAD_PORT:
        at_s = case.hold_s
        held_by = policy.START
    free_s, by = case.budgets.when(step, why != policy.FORCED, why != policy.DEAD_PORT)
    if free_s > at_s:
        at_s = free_s
        held_by = by
    fresh = case.view.diagnosed_s >= case.now_s - case.policy["fresh_s"]
    if case.now_s >= at_s and not fresh and why != policy.DEAD_PORT:
        return diagnose(case, why)
    action = _ACTION_OF[step]
    if step == policy.STEP_PINS:
        action = _by_pins(case, why)
    return at(case, at_s, why, action, held_by, server, step)


def _by_pins(case, why):
    # RESET_N first, but where nothing less than power helps.
    if not case.view.pins & policy.HAS_POWER:
        return policy.PIN_RESET
    power = case.budgets.tries[policy.STEP_PINS] or why in (policy.DENIED, policy.SIM_FAULT)
    if power or not case.view.pins & policy.HAS_RESET:
        return policy.POWER_CYCLE
    return policy.PIN_RESET


def take_forced(case):
    # The step that the application asked for.
    server = case.forced_server if case.forced in OF_A_SERVER else 0
    return take(case, case.forced, case.now_s, policy.FORCED, server)


def wait_s(case, step, tries):
    # Seconds before the next try of a step, with what chance adds.
    waits_s = case.steps[step][policy.WAITS_S]
    base_s = waits_s[min(tries, len(waits_s) - 1)]
    return base_s + base_s * case.policy["jitter_percent"] // 100 * case.chance // CHANCES


def spread_s(case):
    # A random time, for nodes not to act as one.
    return case.policy["start_spread_s"] * case.chance // CHANCES


def last_radio_end_s(case, since_s):
    # When the last thing done to the radio was over, or since_s if that is later.
    for step in range(policy.STEP_RADIO, policy.STEP_PINS + 1):
        end_s = case.budgets.last_s(step) + case.steps[step][policy.WINDOW_S]
        since_s = max(since_s, end_s)
    return since_s


def take_wide(case, step, tries, since_s, why):
    # A step for the whole module, after its wait.
    return take(case, step, since_s + wait_s(case, step, tries), why)


def next_step(case, step):
    # The first module-wide step from `step` on with tries left, or 0.
    while step <= policy.STEP_PINS:
        if case.budgets.tries[step] < case.steps[step][policy.TRIES]:
            if step != policy.STEP_PINS or case.view.pins & PINS:
                return step
        step += 1
    return 0


def climb(case, since_s, why, restart, first=policy.STEP_PAUSE):
    # No server is registered: the module-wide steps, one after the other, then the slow rhythm.
    tries = case.budgets.tries
    if restart:
        step = 0 if tries[policy.STEP_RESET] else policy.STEP_RESET
    else:
        step = next_step(case, first)
    if step:
        return take_wide(case, step, tries[step], since_s, why)
    if case.parked != policy.EXHAUSTED:
        return park(case, policy.EXHAUSTED)
    since_s = max(case.budgets.last_s(policy.STEP_RESET), case.up_s)
    decision = take_wide(case, policy.STEP_PARKED_RESET, 0, since_s, why)
    spent = None if restart else used_up(case)
    if spent is None:
        return decision
    other = take(case, policy.STEP_PARKED_REGISTER, call_due_s(case, spent), why, spent.id)
    return sooner(decision, other)


def outside(case, why):
    # The fault lies in the network or the SIM: what comes before any step, or None.
    #
    # Its end may not have been heard: it is looked for, at once when a server proves it.
    after_s = case.policy["unseen_s"]
    for state in case.servers:
        if state.proof_s > case.view.diagnosed_s:
            after_s = 0
    decision = look_again(case, after_s, why)
    if decision is not None:
        return decision
    if case.now_s < case.boot_end_s:
        return wait(policy.BOOT, case.boot_end_s)
    return wait(why) if up_without_network(case) else None


def may_be_off(case):
    # Whether a pulse on PWR_ON is worth a try: once, when a start was not answered.
    return case.view.silent and case.view.pins & policy.HAS_ON and not case.switched_on


def only_reports(case):
    # Whether nothing is wanted of the module's own client.
    return case.reports is not None and not case.servers


def any_registered(case):
    # Whether any server is registered, also one that is not followed.
    for state in case.servers:
        if state.registered:
            return True
    return case.others.up(policy.NEVER)


def up_without_network(case):
    # Whether a server is registered until its announced update is overdue for certain.
    for state in case.servers:
        until_s = state.proved_until_s()
        if state.registered and case.now_s < until_s:
            case.wake(until_s)
            return True
    return case.others.up(case.now_s - case.policy["lifetime_s"])


# Servers in confirmed trouble.


def has_row(case, state):
    # Whether the server is in the module's configuration, and enabled there.
    return state.id not in case.view.missing and state.id not in case.view.disabled


def any_up(case):
    # Whether a server is registered: then nothing is done to all of them.
    for state in case.servers:
        if state.registered and has_row(case, state):
            return True
    return case.others.up(policy.NEVER)


def _can_call(case, state):
    # Whether AT+ULWM2MREG can help a server in trouble.
    return state.judged_s != policy.NEVER and state.can_call() and has_row(case, state)


def _tries(case, state):
    return case.budgets.server_tries(state.id)


def _left(case, state):
    return _tries(case, state) < case.steps[policy.STEP_REGISTER][policy.TRIES]


def first_to_call(case):
    # The server with tries left whose turn comes first, or None.
    first = None
    for state in case.servers:
        if _can_call(case, state) and _left(case, state):
            if first is None or call_due_s(case, state) < call_due_s(case, first):
                first = state
    return first


def used_up(case):
    # The server without tries left whose last one is the longest ago, or None.
    longest = None
    for state in case.servers:
        if _can_call(case, state) and not _left(case, state):
            if longest is None or state.tried_s < longest.tried_s:
                longest = state
    return longest


def call_due_s(case, state):
    # When the next AT+ULWM2MREG for a server in trouble is due.
    step = policy.STEP_REGISTER if _left(case, state) else policy.STEP_PARKED_REGISTER
    return state.judged_s + wait_s(case, step, _tries(case, state))


def degraded(case, state):
    # Whether the server is lost for good while another is registered.
    if state.judged_s == policy.NEVER or not any_up(case):
        return False
    return not (state.can_call() and _left(case, state))
