# The reports of clients on the MCU, followed beside the servers of the module's own client. Loaded by
# Supervisor.follow(): it adds two rules to the ladder.

from micropython import const

from atport.errors import AtTimeout, check, refuse

from . import policy
from .ladder import RULES, one_of_several, well
from .moves import any_up, climb, last_radio_end_s, next_step, take_wide

_ASK_S = const(300)  # a client is asked so often, if it does not stir by itself


class Reports:
    """The clients of one Case. What they raise goes to failed(e), and report(e) tells of a kick."""

    def __init__(self, case, failed, report):
        self.clients = []
        self._found = []  # what each said last, also while it fails
        self._failed = failed
        self._report = report
        self._since_s = policy.NEVER  # since when all reports arrive
        self.proved_s = policy.NEVER  # the last time that they had arrived for so long
        self._case = case

    def add(self, client):
        """Follow a client, see Supervisor.follow(). Raises ValueError for what is none."""
        for method in ("trouble", "kick"):
            if not callable(getattr(client, method, None)):
                raise ValueError("client: %r has no %s()" % (client, method))
        if not self.clients:
            rules = list(RULES)
            rules.insert(rules.index(one_of_several), remedied)
            rules.insert(rules.index(well), lost)
            self._case.rules = rules
            self._case.reports = self
        self.clients.append(client)
        self._found.append(None)

    def follow(self, case):
        """Let time pass; whether all reports have arrived for long. Part of Case.follow()."""
        case.wake(case.now_s + _ASK_S)
        if self.trouble_s(case.now_s) is not None:
            self._since_s = policy.NEVER
            return False
        if self._since_s == policy.NEVER:
            self._since_s = case.now_s
        if case.now_s < self._since_s + case.policy["hold_s"]:
            return False  # it may not have begun yet
        # As with a registration: the episode is over.
        self.proved_s = case.now_s - case.policy["hold_s"]
        case.budgets.clear(policy.STEP_KICK)
        if not case.servers and case.budgets.in_episode(0):
            case.budgets.end_episode(0)
        return True

    def trouble_s(self, now_s):
        """Since when the reports of a client do not arrive; None while all do."""
        for i in range(len(self.clients)):
            since_s = self._trouble_s(i, now_s)
            if since_s is not None:
                return since_s
        return None

    def _trouble_s(self, i, now_s):
        try:
            found = refuse(self.clients[i].trouble(now_s))
            if found is not None:
                found = check("trouble", found[0], policy.NEVER, policy.LATER)
            self._found[i] = found
        except Exception as e:  # counted: the others are to be followed all the same
            self._failed(e)
        return self._found[i]

    async def kick(self, now_s):
        """The own remedy of those in trouble."""
        for i in range(len(self.clients)):
            if self._trouble_s(i, now_s) is None:
                continue
            try:
                pending = self.clients[i].kick()
                if hasattr(pending, "send"):
                    await pending
            except AtTimeout:
                raise
            except Exception as e:  # counted: so are the others to be helped
                self._failed(e)
                self._report(e)


# Rules, as those of ladder.py.


def remedied(case):
    """Reports do not arrive: the client's own remedy disturbs nothing else."""
    decision = _kick(case)
    if decision is None or decision.action == policy.NONE:
        if decision is not None:
            case.wake(decision.at_s)  # whatever is waited for besides
        return None
    tries = case.budgets.tries[policy.STEP_KICK]
    if tries >= case.steps[policy.STEP_KICK][policy.TRIES] and not any_up(case):
        if next_step(case, policy.STEP_RADIO):
            return None  # its slow rhythm would put off those steps for ever
    return decision


def lost(case):
    """The own remedies are used up: steps for the module, unless a server is registered."""
    decision = _kick(case)
    if decision is None:
        return None
    tries = case.budgets.tries[policy.STEP_KICK]
    if tries < case.steps[policy.STEP_KICK][policy.TRIES] or any_up(case):
        return decision
    since_s = last_radio_end_s(case, max(_since_s(case), case.up_s))
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
