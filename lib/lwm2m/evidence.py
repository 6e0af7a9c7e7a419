# What is known to have arrived: per reported path the value, when it was set, sent, confirmed.

from micropython import const

_NEVER = const(-1)


class Report:
    """Evidence of one path. Times are seconds of Client.now_s(), -1: never.

    value, set_s: the latest value, and when it was set (for an object or instance: None).
    sent, sent_s: what went out last, and when it left. confirmed, confirmed_s: what the server
    has for sure: it acknowledged the notification, or answered the Send.
    """

    def __init__(self, path, now_s):
        self.path = path
        self.value = self.sent = self.confirmed = None
        self.set_s = self.sent_s = self.confirmed_s = _NEVER
        self.limit_s = 0  # age at which the application is told, 0: never
        self.since_s = now_s  # the age counts from here while nothing was confirmed
        self.told = False  # that the age is over the limit

    def age_s(self, now_s):
        """Return the seconds since a report was confirmed, or since the path is watched."""
        return now_s - (self.since_s if self.confirmed_s < 0 else self.confirmed_s)


class Evidence:
    """The reports of at most `room` paths. stale(report) is called when an age passes its limit."""

    def __init__(self, room, stale):
        self._room = room
        self._stale = stale
        self.reports = []

    def of(self, path, now_s):
        """Return the Report of a path, a tuple of ids; a new one if there is room, else None."""
        for report in self.reports:
            if report.path == path:
                return report
        if len(self.reports) >= self._room:
            return None
        report = Report(path, now_s)
        self.reports.append(report)
        return report

    def touched(self, instance, rid, value, now_s):
        """A value was set."""
        for report in self.reports:
            path = report.path
            n = len(path)
            if path[0] == instance.oid and (n == 1 or path[1] == instance.iid):
                if n < 3 or path[2] == rid:
                    report.set_s = now_s
                    if n == 3:
                        report.value = value

    def confirm(self, report, now_s):
        """The server has what was sent."""
        report.confirmed = report.sent
        report.confirmed_s = now_s
        report.told = False

    def half_s(self, report):
        """Return when half of the limit is over: the next report is to be confirmed then."""
        return report.limit_s - report.limit_s // 2 - report.age_s(0)

    def check(self, now_s):
        """Tell of what is over its limit; return the seconds until the next one may be, or -1."""
        soonest = _NEVER
        for report in self.reports:
            if report.limit_s and not report.told:
                left = report.limit_s - report.age_s(now_s)
                if left <= 0:
                    report.told = True
                    self._stale(report)
                elif soonest < 0 or left < soonest:
                    soonest = left
        return soonest

    def stale_since(self, now_s):
        """Return since when something is over its limit, -1: nothing is."""
        since = _NEVER
        for report in self.reports:
            if report.told:
                at = now_s - report.age_s(now_s) + report.limit_s
                if since < 0 or at < since:
                    since = at
        return since
