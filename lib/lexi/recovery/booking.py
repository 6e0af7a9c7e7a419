# Books what the ladder decided: before it is carried out (take), when it was (done), when it was
# refused (failed), or when nothing was sent (undo). Pure: it changes the Case and its budgets; who
# calls it saves the budgets before the command.

from . import policy
from .case import DENIED_TRIES

_NOTHING_ELSE = (policy.DENIED, policy.SIM_FAULT, policy.NO_ANSWER)  # but a soft reset can help


def take(case, decision, now_s):
    # It is about to be carried out.
    action = decision.action
    budgets = case.budgets
    if action == policy.POLL:
        case.polls.asked(now_s)
    elif action == policy.DIAGNOSE:
        case.diagnosed_s = now_s
        case.client_seen_s = case.view.client_s
    elif action == policy.PARK:
        case.parked = decision.reason
    elif action == policy.SWITCH_ON:
        case.switched_on = True
    elif action == policy.RESUME or action == policy.RADIO_ON:
        _take_ending(case, decision, now_s)
    else:
        if action == policy.ENABLE_SERVER:
            budgets.repair(decision.server)
        else:
            _take_step(case, decision, now_s)


def _take_step(case, decision, now_s):
    budgets = case.budgets
    step = decision.step
    case.force(0)
    case.draw()
    budgets.spend(step, now_s)
    window_s = case.steps[step][policy.WINDOW_S]
    if decision.action == policy.REGISTER:
        if step == policy.STEP_REGISTER:
            budgets.set_server_tries(decision.server, budgets.server_tries(decision.server) + 1)
        case.server(decision.server).tried(now_s, window_s)
        return
    if decision.action == policy.KICK:
        budgets.count(step)
        return
    for state in case.servers:
        state.tried(now_s, window_s)
    case.bootstrap.tried(now_s, window_s)
    budgets.count(DENIED_TRIES if decision.reason in _NOTHING_ELSE else step)
    case.ending_s = policy.NEVER
    case.ending_gap_s = 0
    if decision.action == policy.PAUSE:
        budgets.set_mark(policy.MARK_PAUSED, now_s)
    elif decision.action == policy.RADIO_OFF:
        budgets.set_mark(policy.MARK_RADIO_OFF, now_s)
    elif decision.action == policy.SOFT_RESET:
        budgets.set_mark(0, now_s)


def _take_ending(case, decision, now_s):
    # Ends a step of ours, which its beginning has paid for, or what somebody left behind. One that
    # is refused is tried less and less often.
    if decision.reason == policy.HALFWAY:
        gap_s = max(2 * case.ending_gap_s, case.policy["suspect_s"])
        case.ending_gap_s = min(gap_s, case.policy["unseen_s"])
        case.ending_s = now_s + case.ending_gap_s
        return
    resume = decision.action == policy.RESUME
    if not resume and case.detached_s != policy.NEVER:
        case.detached_s = now_s  # it could not have found the network before
    row = case.steps[policy.STEP_PAUSE if resume else policy.STEP_RADIO]
    case.ending_s = now_s + row[policy.SPACING_S]
    case.budgets.spend(0, now_s)
    if decision.reason == policy.DISABLED:
        case.budgets.enabled = 1
        case.budgets.set_mark(policy.MARK_REBOOT, now_s)
    for state in case.servers:
        state.tried(now_s, row[policy.WINDOW_S])


def done(case, decision, now_s):
    # It succeeded as a command; after RESUME or RADIO_ON its step is complete.
    if decision.action in (policy.RESUME, policy.RADIO_ON):
        if case.budgets.mark != policy.MARK_REBOOT:
            case.budgets.set_mark(0, now_s)
    if decision.reason == policy.HALFWAY:
        case.ending_s = policy.NEVER
        case.ending_gap_s = 0


def undo(case, decision):
    # It was taken, but nothing was sent: nothing was begun that must be ended.
    if decision.action == policy.SWITCH_ON:
        case.switched_on = False
    if decision.action in (policy.PAUSE, policy.RADIO_OFF) or decision.reason == policy.DISABLED:
        case.budgets.set_mark(0, 0)
        case.budgets.enabled = 0


def failed(case, decision, now_s):
    # The module refused it: there is no result to wait for.
    if decision.action == policy.RESUME and decision.reason == policy.DISABLED:
        undo(case, decision)
    for state in case.servers:
        if decision.action != policy.REGISTER or state.id == decision.server:
            state.window_s = max(0, now_s - state.tried_s)
