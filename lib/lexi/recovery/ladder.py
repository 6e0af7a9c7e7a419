# The ladder: what to do next about lost registrations. RULES, at the end, are looked at in their
# order, and the first that has something to say decides; reports.py adds two for clients on the MCU.
# A Case (case.py) and the time go in, a Decision (moves.py) comes out. Nothing is sent, booked or
# waited for here, and asking twice changes nothing; a wish that cannot be fulfilled is dropped.

from micropython import const

from atport.lazy import tidy

from .. import codes
from . import policy
from .case import DENIED_TRIES
from .moves import ALL_WELL, OF_A_SERVER, PINS, any_up, at, call_due_s, climb, diagnose, do
from .moves import first_to_call, has_row, last_radio_end_s, look_again, may_be_off, next_step
from .moves import only_reports, outside, park, poll, report, restore, sooner, spread_s, take
from .moves import take_forced, take_wide, up_without_network, used_up, wait

_INIT_STARTED = const(1)
_INIT_PRODUCTION = const(3)
_INIT_FAILED = const(4)
_SILENT_CLIENT = (6, 7)  # command mode only, shut down
_REFUSED_RESETS = const(2)  # so many soft resets in vain before pins are used


def decide(case, now_s):
    # Return the Decision for now. case.wake_s is then when to decide again at the latest.
    case.follow(now_s)
    for rule in case.rules or RULES:
        decision = rule(case)
        if decision is not None:
            break
    if decision.action == policy.NONE:
        case.wake(decision.at_s)
    if decision.reason == policy.WELL:
        case.parked = policy.WELL
    return decision


# Rules. Each gives a Decision, or None when it has nothing to say.


def frozen(case):
    # A firmware update runs: nothing but questions, and not even those from here.
    thaw_s = case.budgets.thaw_s()
    return wait(policy.FOTA, thaw_s) if case.now_s < thaw_s else None


def not_answered(case):
    # Nothing has answered since the MCU started: the module may just be off.
    view = case.view
    if view.reachable is not None:
        return None
    if may_be_off(case):
        return do(case, policy.SWITCH_ON, policy.NOT_ANSWERED)
    return wait(policy.NOT_ANSWERED)


def port_dead(case):
    # AT is not answered: no command can help.
    #
    # A port that died while all was well is left alone for a while: the module may install a
    # firmware without a sign.
    if case.view.reachable:
        return None
    if not case.view.pins & PINS:
        return park(case, policy.NO_PINS)
    quiet_s = case.budgets.dead_s + case.policy["quiet_s"]
    if case.budgets.well and case.now_s < quiet_s:
        return wait(policy.LEFT_ALONE, quiet_s)
    return take(case, policy.STEP_PINS, case.now_s, policy.DEAD_PORT)


def half_done(case):
    # What was begun is ended: no cap can forbid that.
    mark = case.budgets.mark
    if not mark:
        return None
    if mark == policy.MARK_REBOOT:
        return take(case, policy.STEP_RESET, case.now_s, policy.DISABLED)
    wait_s = case.policy["pause_s" if mark == policy.MARK_PAUSED else "radio_off_s"]
    at_s = max(case.budgets.mark_s + wait_s, case.hold_s, case.ending_s)
    return at(
        case,
        at_s,
        policy.HALFWAY,
        policy.RESUME if mark == policy.MARK_PAUSED else policy.RADIO_ON,
        policy.HALFWAY,
    )


def not_diagnosed(case):
    # Nobody has looked since the module's last start.
    return diagnose(case, policy.BOOT) if case.view.diagnosed_s == policy.NEVER else None


def asked_for(case):
    # A step that the application asked for.
    if not case.forced:
        return None
    if case.forced == policy.STEP_PINS and not case.view.pins & PINS:
        case.force(0)
        return wait(policy.NO_PINS, case.now_s)
    if case.forced in OF_A_SERVER and case.server(case.forced_server) is None:
        case.force(0)
        return wait(policy.SERVER_MISSING, case.now_s)
    decision = take_forced(case)
    return decision if decision.action != policy.NONE else None


def poll_wanted(case):
    # An event asks for a poll.
    asking = case.bootstrap
    for state in case.servers:
        if state.ask_s < asking.ask_s:
            asking = state
    return poll(case, asking.ask_s, asking.ask_why)


def fault_elsewhere(case):
    # A fault at another layer than registration, which no step of the ladder cures.
    view = case.view
    if view.init == _INIT_PRODUCTION and not only_reports(case):
        return report(case, policy.PRODUCTION)
    if view.sim == policy.SIM_LOCKED:
        return report(case, policy.SIM_LOCK)
    if view.radio_on is False:
        return restore(case, policy.RADIO_ON, policy.RADIO_WAS_OFF)
    if view.mode == codes.MODE_INHIBITED:
        return restore(case, policy.RESUME, policy.WAS_PAUSED)
    if view.mode == codes.MODE_DISABLED and not only_reports(case):
        if case.policy["reenable"] and not case.budgets.enabled:
            return restore(case, policy.RESUME, policy.DISABLED)
        return report(case, policy.DISABLED)
    return None


def fault_of_rows(case):
    # A wanted server has no row in the module's configuration, or one that disables it.
    view = case.view
    why = policy.WELL if only_reports(case) else policy.NO_SERVERS
    odd = False
    for state in case.servers:
        if state.id in view.disabled:
            if not case.budgets.repaired(state.id):
                return at(
                    case,
                    case.hold_s,
                    policy.SERVER_DISABLED,
                    policy.ENABLE_SERVER,
                    policy.START,
                    state.id,
                )
            why = why and policy.SERVER_DISABLED
        elif state.id in view.missing:
            why = why and policy.SERVER_MISSING
        else:
            why = policy.WELL
            continue
        odd = True
    if why:
        return report(case, why)
    return look_again(case, case.policy["fault_s"], policy.SERVER_MISSING) if odd else None


def looked_into(case):
    # Something that the module said, or does not say, asks for a diagnosis.
    view = case.view
    if view.attached is None and case.detached_s != policy.NEVER:
        decision = look_again(case, case.policy["unseen_s"], policy.DETACHED)
        if decision is not None:
            return decision
    if view.init == _INIT_STARTED:
        at_s = view.init_s + case.policy["init_s"]
        if view.diagnosed_s < at_s <= case.now_s:
            return diagnose(case, policy.INIT_HANGS)
        if at_s > case.now_s:
            case.wake(at_s)
    if view.client in _SILENT_CLIENT and view.client_s != case.client_seen_s:
        return diagnose(case, policy.CLIENT_IDLE)
    return None


def refused(case):
    # The network denies, or the SIM fails: only a soft reset can help, ever more seldom.
    #
    # Some modules are healed by nothing but power: after a day and two resets in vain the pins are
    # used, once a day.
    view = case.view
    if not view.denied and view.sim != policy.SIM_FAILED:
        return None
    why = policy.DENIED if view.denied else policy.SIM_FAULT
    decision = outside(case, why)
    if decision is not None:
        return decision
    tries = case.budgets.tries[DENIED_TRIES]
    since_s = last_radio_end_s(case, case.denied_s)
    decision = take_wide(case, policy.STEP_RESET, tries, since_s, why)
    if tries < _REFUSED_RESETS or not case.view.pins & PINS:
        return decision
    since_s = max(case.denied_s, case.budgets.last_s(policy.STEP_PINS))
    free_s = since_s + case.policy["refused_pins_s"] + spread_s(case)
    return sooner(decision, take(case, policy.STEP_PINS, free_s, why))


def no_network(case):
    # Not in the network: the clocks of the servers stand still, the module searches.
    if case.view.attached is not False:
        return None
    decision = outside(case, policy.DETACHED)
    if decision is not None:
        return decision
    step = next_step(case, policy.STEP_RADIO) or policy.STEP_PARKED_RESET
    since_s = last_radio_end_s(case, case.detached_s)
    return take_wide(case, step, case.budgets.tries[step], since_s, policy.DETACHED)


def no_answer(case):
    # AT is answered, but no poll for so long: the module's client has died.
    since_s = case.polls.unanswered_s + case.policy["patience_s"]
    if case.polls.unanswered_s == policy.NEVER or case.now_s < since_s or up_without_network(case):
        return None
    since_s = max(since_s, case.budgets.last_s(policy.STEP_RESET))
    return take_wide(
        case, policy.STEP_RESET, case.budgets.tries[DENIED_TRIES], since_s, policy.NO_ANSWER
    )


def unconfirmed(case):
    # What is believed of a server asks for a poll, before it counts as trouble or as well.
    looking = case.bootstrap
    if looking.code == codes.NO_CODE:
        looking.look_s = policy.LATER
    else:
        looking.trouble(case.now_s)
    for state in case.servers:
        state.trouble(case.now_s)
        if state.look_s < looking.look_s:
            looking = state
    return poll(case, looking.look_s, looking.look_why)


def one_of_several(case):
    # A server is lost for good while another is registered: nothing but the slow rhythm.
    state = used_up(case)
    if state is None or not any_up(case):
        return None
    due_s = call_due_s(case, state)
    decision = take(case, policy.STEP_PARKED_REGISTER, due_s, policy.OTHERS_WELL, state.id)
    other = server_down(case)
    return decision if other is None else sooner(decision, other)


def init_failed(case):
    # The client does not start: nothing less than a soft reset can help.
    if case.view.init != _INIT_FAILED or any_up(case):
        return None
    return climb(case, case.view.init_s, policy.INIT_FAILED, True)


def bootstrap_failed(case):
    # No bootstrap comes to its end: nothing less than a soft reset can help.
    state = case.bootstrap
    if state.code == codes.NO_CODE or state.judged_s == policy.NEVER or any_up(case):
        return None
    return climb(case, state.judged_s, state.why, True)


def server_down(case):
    # A server in trouble is registered again.
    first = first_to_call(case)
    if first is None:
        return None
    return take(case, policy.STEP_REGISTER, call_due_s(case, first), first.why, first.id)


def all_down(case):
    # Every server is in trouble, and its tries are used up or cannot help.
    latest = None
    restart = True
    for state in case.servers:
        if has_row(case, state):
            if state.judged_s == policy.NEVER:
                return None
            if state.can_call():
                restart = False
            if latest is None or state.judged_s > latest.judged_s:
                latest = state
    if latest is None or any_up(case):
        return None
    return climb(case, latest.judged_s, latest.why, restart)


def well(case):
    # Nothing is in trouble, or not yet.
    why = policy.WELL
    proof_s = case.view.diagnosed_s
    for state in case.servers:
        proof_s = max(proof_s, state.proof_s)
        if not state.registered:
            awaited = case.now_s < state.tried_s + state.window_s
            why = policy.RESULT if awaited else policy.MODULE_TRIES
    if why == policy.MODULE_TRIES and case.now_s < case.boot_end_s:
        why = policy.BOOT
    if case.forced:
        return take_forced(case)  # what holds it back
    # What is believed of the network may be wrong for ever: a day without proof is too long.
    at_s = proof_s + case.policy["lifetime_s"]
    if case.now_s >= at_s:
        return diagnose(case, policy.UNSEEN)
    case.wake(at_s)
    return ALL_WELL if why == policy.WELL else wait(why)


RULES = (
    frozen,
    not_answered,
    port_dead,
    half_done,
    not_diagnosed,
    asked_for,
    poll_wanted,
    fault_elsewhere,
    fault_of_rows,
    looked_into,
    refused,
    no_network,
    no_answer,
    unconfirmed,
    one_of_several,
    init_failed,
    bootstrap_failed,
    server_down,
    all_down,
    well,
)


tidy(__file__)
