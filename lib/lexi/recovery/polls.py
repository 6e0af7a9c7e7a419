# When AT+ULWM2MREG? may be asked again: one that stays unanswered is repeated less and less often.

from .policy import NEVER


class Polls:
    """The polls of one module."""

    def __init__(self, policy):
        self._policy = policy
        self._count = 0  # of View.polls that were taken note of
        self._gap_s = 0  # between the last two, while they stay unanswered
        self.answered_s = NEVER  # the last that was answered
        self.asked_s = NEVER  # the last that was asked
        self.unanswered_s = NEVER  # the first that was asked since one was answered

    def answered(self, view, now_s):
        # Take note of a new answer; whether there is one.
        if view.polls == self._count:
            return False
        self._count = view.polls
        self.answered_s = now_s if view.polled_s is None else view.polled_s
        self.unanswered_s = NEVER
        return True

    def asked(self, now_s):
        # One is about to be asked.
        self._gap_s = self.gap_s()
        self.asked_s = now_s
        if self.unanswered_s == NEVER:
            self.unanswered_s = now_s

    def gap_s(self):
        # Seconds between the last and the next one.
        gap_s = self._policy["suspect_s"]
        if self.answered_s >= self.asked_s:
            return gap_s
        return min(max(2 * self._gap_s, gap_s), self._policy["unseen_s"])
