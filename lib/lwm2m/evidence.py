# What is known to have arrived: per reported path the value, when it was set, sent, confirmed.

from micropython import const

_NEVER = const(-1)

_STALE = const(15)  # event, see events.py


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
        self.since_s = now_s  # the age counts from here: the latest confirmation, or the first
        self.told = False  # that the age is over the limit

    def confirm(self, now_s):
        """The server has what was sent."""
        self.confirmed = self.sent
        self.confirmed_s = self.since_s = now_s
        self.told = False


class Evidence:
    """The reports of a client, of at most `room` paths."""

    def __init__(self, client, room):
        self.client = client
        self.reports = []
        self._room = room

    def report(self, path):
        """Return the Report of a path, a tuple of ids; a new one if there is room, else None."""
        for report in self.reports:
            if report.path == path:
                return report
        if len(self.reports) >= self._room:
            return None
        report = Report(path, self.client.now_s())
        if len(path) == 3:
            instance = self.client.objects.find(path[0], path[1])
            report.value = instance.values.get(path[2]) if instance else None
        self.reports.append(report)
        for slot in self.client.notifier.slots:
            slot.reports = self.below(slot.path)
        return report

    def below(self, path):
        """Return the reports of a path and of what is below it."""
        return [report for report in self.reports if report.path[: len(path)] == path]

    def touched(self, instance, rid, value):
        """A value was set. It allocates nothing."""
        for report in self.reports:
            path = report.path
            if path[0] == instance.oid and (len(path) < 2 or path[1] == instance.iid):
                if len(path) < 3 or path[2] == rid:
                    report.set_s = self.client.now_s()
                    if len(path) == 3:
                        report.value = value

    def check(self, now_s):
        """Tell of reports over their limit; return when the next one may be, in s, or -1."""
        soonest = _NEVER
        for report in self.reports:
            if report.limit_s and not report.told:
                at = report.since_s + report.limit_s
                if at <= now_s:
                    report.told = True
                    self.client.tell(_STALE, report.path)
                elif soonest < 0 or at < soonest:
                    soonest = at
        return soonest

    def stale_since(self):
        """Return since when, in s, a report is over its limit, -1: none is."""
        since = _NEVER
        for report in self.reports:
            if report.told and (since < 0 or report.since_s + report.limit_s < since):
                since = report.since_s + report.limit_s
        return since
