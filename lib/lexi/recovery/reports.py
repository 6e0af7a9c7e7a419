# The reports of clients on the MCU, followed beside the servers of the module's own client. Loaded by
# Supervisor.follow(): it adds two rules to the ladder.

from micropython import const

from . import policy
from .ladder import RULES, one_of_several, well
from .moves import any_up, climb, last_radio_end_s, take_wide

_ASK_S = const(300)  # a client is asked so often, if it does not stir by itself


class Reports:
    """The clients of one Case."""

    def __init__(self, case):
        self.clients = []
        self._since_s = policy.NEVER  # since when all reports arrive
        case.reports = self
        rules = list(RULES)
        rules.insert(rules.index(one_of_several), remedied)
        rules.insert(rules.index(well), lost)
        case.rules = rules

    def add(self, client):
        """Follow a client, see Supervisor.follow(). Raises ValueError for what is none."""
        for method in ("trouble", "kick"):
            if not callable(getattr(client, method, None)):
                raise ValueError("client: %r has no %s()" % (client, method))
        self.clients.append(client)

    def follow(self, case):
        """Let time pass; whether all reports arrive. Part of Case.follow()."""
        case.wake(case.now_s + _ASK_S)
        if self.trouble_s(case.now_s) is not None:
            self._since_s = policy.NEVER
            return False
        if self._since_s == policy.NEVER:
            self._since_s = case.now_s
        elif case.now_s >= self._since_s + case.policy["hold_s"]:
            # As with a registration: the episode is over.
            case.budgets.clear(policy.STEP_KICK)
            if not case.servers and case.budgets.in_episode(0):
                case.budgets.end_episode(0)
        return True

    def trouble_s(self, now_s):
        """Since when the reports of a client do not arrive; None while all do."""
        for client in self.clients:
            found = client.trouble(now_s)
            if found is not None:
                return found[0]
        return None

    async def kick(self, now_s):
        """The own remedy of those in trouble."""
        for client in self.clients:
            if client.trouble(now_s) is not None:
                pending = client.kick()
                if hasattr(pending, "send"):
                    await pending


# Rules, as those of ladder.py.


def remedied(case):
    """Reports do not arrive: the client's own remedy disturbs nothing else."""
    decision = _kick(case)
    return decision if decision is not None and decision.action != policy.NONE else None


def lost(case):
    """The own remedies are used up: steps for the module, unless a server is registered."""
    decision = _kick(case)
    if decision is None:
        return None
    tries = case.budgets.tries[policy.STEP_KICK]
    if tries < case.steps[policy.STEP_KICK][policy.TRIES] or any_up(case):
        return decision
    since_s = last_radio_end_s(case, _since_s(case))
    return climb(case, since_s, policy.REPORTS, False, policy.STEP_RADIO)


def _since_s(case):
    # The trouble counts from the end of the last remedy. None without.
    since_s = case.reports.trouble_s(case.now_s)
    if since_s is None:
        return None
    window_s = case.steps[policy.STEP_KICK][policy.WINDOW_S]
    return max(since_s, case.budgets.last_s(policy.STEP_KICK) + window_s)


def _kick(case):
    since_s = _since_s(case)
    if since_s is None:
        return None
    tries = case.budgets.tries[policy.STEP_KICK]
    return take_wide(case, policy.STEP_KICK, tries, since_s, policy.REPORTS)
