# Watches what is done to a simulated module, on the world's own clock, and says what may not be.
#
# It shares nothing with the ladder: actions are names, codes are numbers, and the limits are
# written out here, for the policy DEFAULT; those of other policies are read from their tables.

NOTHING = ("nothing", "poll")
HARMLESS = ("nothing", "poll", "diagnose", "enable server", "park", "switch on")
RADIO = ("re-register", "pause", "resume", "radio off", "radio on", "kick the reporting client")
RESETS = ("soft reset", "pin reset", "power cycle")
ACTIONS = HARMLESS + RADIO + RESETS

REGISTERED = (3, 5, 6, 7)

HOUR_S = 3600
DAY_S = 86400

# kind: (seconds between two of them, most of them in a window, the window)
_DEFAULT = {
    "re-register": (60, 10, HOUR_S),
    "pause": (900, 8, DAY_S),
    "radio": (3600, 4, DAY_S),
    "reset": (3600, 3, DAY_S),
    "pins": (3600, 4, DAY_S),
    "kick": (60, 10, HOUR_S),
}
_DEFAULT_ALL = 18  # in an hour
_DEFAULT_WAITS = (60, 120, 240, 480, 480)  # before the 1st, 2nd ... re-registration
_DEFAULT_PARKED = 14400  # between those that follow
_DEFAULT_SPREAD = 300
_DEFAULT_BOUND = 172800
_NOTICED = 12  # records in an hour of what is only noticed
_DEFAULT_WRITES = 24 + 24 * (2 * 18 + _NOTICED)  # records in a day

_ROWS = {"re-register": 1, "pause": 2, "radio": 3, "reset": 4, "pins": 5, "kick": 8}
_KINDS = {
    "re-register": "re-register",
    "pause": "pause",
    "radio off": "radio",
    "soft reset": "reset",
    "pin reset": "pins",
    "power cycle": "pins",
    "kick the reporting client": "kick",
}
_ENDS = {"resume": "pause", "radio on": "radio off"}
RESTORE_S = 900  # between two of these without a beginning of ours, unless the MCU restarts
_FIRM = ("radio off", "soft reset", "pin reset", "power cycle")  # an hour apart, in whatever mix
_WIDE = ("pause", "radio off", "soft reset", "pin reset", "power cycle")

KNOWN_S = 10  # a registration told of counts as known after so long
HELD_S = 600  # a registration that held so long ends an episode
FOTA_S = 3600  # a firmware update is over at the latest so long after its last sign
FOTA_MAX_S = DAY_S  # and so long after the first one that was no news
QUIET_S = 1800  # a port that dies while all is well gets no pin for so long
KEPT_S = 120  # until what is well is surely in the record
DETACHED_S = 60  # an announced update is overdue so long after its time, told up to 60 s late
_START_WRITES = 9  # two at the start, and at 1, 2, 4 ... min behind it
_EARLIEST_S = 900  # a pause, after all was fine; other wide steps: an hour
BUSY = 1300  # actions of whatever kind, or decisions, in an hour: more is a loop


class Limits:
    """The numbers that bind a policy."""

    def __init__(self, policy):
        self.name = policy["name"]
        if self.name == "DEFAULT":
            self.kinds = _DEFAULT
            self.all = _DEFAULT_ALL
            self.waits = _DEFAULT_WAITS
            self.parked = _DEFAULT_PARKED
            self.spread = _DEFAULT_SPREAD
            self.bound = _DEFAULT_BOUND
            self.writes = _DEFAULT_WRITES
            return
        steps = policy["steps"]
        self.kinds = {}
        for kind, row in _ROWS.items():
            _, _, spacing, _, cap, window = steps[row]
            self.kinds[kind] = (spacing, cap, window)
        self.all = policy["radio_per_hour"]
        self.waits = steps[1][1][: steps[1][3]]
        self.parked = steps[6][1][0]
        self.spread = policy["start_spread_s"]
        self.bound = policy["bound_s"]
        self.writes = 24 + 24 * (2 * self.all + _NOTICED)


class Known:
    """What is true of a server, and what was told of it."""

    def __init__(self):
        self.code = None
        self.good_s = None  # since when its code has been one of a registration
        self.told = None
        self.told_s = 0
        self.told_good_s = None
        self.timer_s = 0
        self.due_s = None  # when the update is due that was told of
        self.enabled = True
        self.tries = 0
        self.last_s = None  # the last re-registration


class Observer:
    """violations: list of (time, property, text). mute: a property that is not watched."""

    def __init__(self, limits, servers):
        self.limits = limits
        self.servers = {server: Known() for server in servers}
        self.violations = []
        self.mute = ""
        self.times = {kind: [] for kind in limits.kinds}
        self.all = []
        self.writes = []
        self.extra = []  # writes that no policy can foresee: after a start, signs of an update
        self.busy = []
        self.hour_s = self.wakes = 0
        self.last = dict.fromkeys(limits.kinds)
        self.firm_s = self.restored_s = None
        self.begun = None  # "pause" or "radio off" of our own, not yet ended
        self.attached = self.told_attached = False
        self.fine = False  # attached, and a server is registered and known to be
        self.fine_s = None  # when that was so the last time
        self.fota_s = self.fota_first_s = None
        self.fota_kept_s = self.fota_first_kept_s = None
        self.well_s = None  # since when all is well, without a step
        self.unproved = False  # nothing was told of a registration since the last step
        self.died_s = None  # when the port died while all was well
        self.heard = False  # the module answered since the MCU started
        self.pressed = False  # PWR_ON was, to switch on
        self.ages = None
        self.ages_s = 0
        self.lasts = None
        self.lost_s = None  # when a record was lost the last time
        self.first_s = None  # the first radio action

    def wrong(self, now_s, which, text):
        if which != self.mute:
            self.violations.append((now_s, which, text))

    # The truth

    def truth(self, now_s, server, code):
        known = self.servers.get(server)
        if known is None:
            return
        if code not in REGISTERED:
            self._held(known, now_s)
            known.good_s = None
        elif known.good_s is None:
            known.good_s = now_s
        known.code = code
        self.now_fine(now_s)

    def now_fine(self, now_s):
        if self.fine:
            self.fine_s = now_s
        self.fine = False
        if self.attached and self.told_attached:
            for known in self.servers.values():
                if known.enabled and known.good_s is not None and known.told in REGISTERED:
                    self.fine = True
        if not self.fine or self.unproved:
            self.well_s = None
        elif self.well_s is None:
            self.well_s = now_s

    def network(self, now_s, attached):
        self.attached = attached
        self.now_fine(now_s)

    def told_network(self, now_s, attached):
        self.told_attached = attached
        self.now_fine(now_s)

    def _held(self, known, now_s):
        # Whether an episode ended: by the truth, or by what was told of it.
        for since_s in (known.good_s, known.told_good_s):
            if since_s is not None and now_s - since_s >= HELD_S:
                known.tries = 0

    def configured(self, server, enabled):
        """A server's row in the module's configuration was changed from outside."""
        self.servers[server].enabled = enabled
        self.fine = False
        self.fine_s = None  # what went well before counts no more

    # What was told

    def told(self, now_s, server, code):
        known = self.servers.get(server)
        if known is None:
            return
        if code not in REGISTERED:
            self._held(known, now_s)
            known.told_good_s = None
            known.due_s = None
        elif known.told_good_s is None:
            known.told_good_s = now_s
        if code not in REGISTERED or known.told not in REGISTERED:
            known.told_s = now_s
        known.told = code
        if code in REGISTERED:
            self.unproved = False
        self.now_fine(now_s)

    def told_timer(self, now_s, server, timer_s):
        known = self.servers.get(server)
        if known is not None:
            if known.due_s is None or timer_s > known.timer_s:  # else nothing new is announced
                known.due_s = now_s + timer_s
            known.timer_s = timer_s

    def port(self, now_s, lives, known):
        """The AT port lives or dies. known: as far as the MCU knows it lived until then."""
        self.died_s = None
        if not lives and known and self.well_s is not None and now_s - self.well_s >= KEPT_S:
            self.died_s = now_s

    def answered(self):
        """The module answered the MCU."""
        self.heard = True

    def forgot(self, now_s, restart=True):
        """A restart of the module was noticed, or the MCU restarted."""
        if restart and self.frozen(now_s):
            self.fota_first_s = now_s
        self.well_s = None
        if self.fine:
            self.fine_s = now_s
            self.fine = False
        for known in self.servers.values():
            self._held(known, now_s)
            known.told = known.told_good_s = known.due_s = None

    def fota(self, now_s, running, news):
        """A sign of a firmware update. news: the MCU can tell that it is not the one before."""
        if running and (news or self.fota_s is None or now_s >= self.fota_s + FOTA_S):
            self.fota_first_s = now_s
        self.fota_s = now_s if running else None
        self.extra.append(now_s)

    def frozen(self, now_s):
        if self.fota_s is None:
            return False
        return now_s < min(self.fota_s + FOTA_S, self.fota_first_s + FOTA_MAX_S)

    # The record

    def saved(self, now_s, ages, written):
        """ages: of all that is on the books, in seconds; written: the record reached the store."""
        lasts = [None if age is None else now_s - age for age in ages]
        if self.lasts:
            for before_s, last_s in zip(self.lasts, lasts):
                if before_s is not None and (last_s is None or last_s < before_s):
                    self.wrong(now_s, "ages", "on the books %r, before %r" % (last_s, before_s))
        self.lasts = lasts
        if not written:
            return
        self.fota_kept_s = self.fota_s
        self.fota_first_kept_s = self.fota_first_s
        self.ages = ages
        self.ages_s = now_s
        self.writes.append(now_s)
        for times in (self.writes, self.extra):
            while times and times[0] <= now_s - DAY_S:
                times.pop(0)
        if len(self.writes) > self.limits.writes + len(self.extra):
            text = "%d records in a day" % len(self.writes)
            self.writes = []
            self.wrong(now_s, "writes", text)

    def loaded(self, now_s, ages, lost):
        """The MCU restarted and took over its record, or lost it."""
        self.forgot(now_s, False)
        self.heard = self.pressed = False
        self.restored_s = None
        self.told_attached = False
        self.fine_s = None  # the record does not tell of what went well
        self.extra += [now_s] * _START_WRITES
        self.lasts = None
        if lost:
            self.fota_s = None
            self.lost_s = now_s
            for known in self.servers.values():
                known.tries = 0
            if any(ages):
                self.wrong(now_s, "ages", "a lost record, but %r" % (ages,))
            return
        self.fota_s = self.fota_first_s = None
        if self.fota_kept_s is not None:  # an update ages by uptime
            self.fota_s = self.fota_kept_s + now_s - self.ages_s
            self.fota_first_s = self.fota_first_kept_s + now_s - self.ages_s
        if self.ages is None:
            return
        passed_s = now_s - self.ages_s
        for before_s, age_s in zip(self.ages, ages):
            if before_s is None or age_s is None:
                if before_s is not age_s:
                    self.wrong(now_s, "ages", "age %r became %r" % (before_s, age_s))
            elif not before_s <= age_s <= before_s + passed_s:
                text = "age %d became %d in %d s" % (before_s, age_s, passed_s)
                self.wrong(now_s, "ages", text)

    # What is done

    def woken(self, now_s):
        """A decision was asked for."""
        if now_s >= self.hour_s + HOUR_S:
            self.hour_s = now_s
            self.wakes = 0
        self.wakes += 1
        if self.wakes > BUSY:
            self.wakes = 0
            self.wrong(now_s, "busy", "over %d decisions in an hour" % BUSY)

    def action(self, now_s, name, server, forced=False, dead=False, reboot=False):
        """An action was carried out. dead: of the port nothing is known but that it is mute.

        forced: by the application. reboot: asked for by a client that was enabled again.
        """
        self.busy.append(now_s)
        while self.busy[0] <= now_s - HOUR_S:
            self.busy.pop(0)
        if len(self.busy) > BUSY:
            self.busy = []
            self.wrong(now_s, "busy", "%s: over %d actions in an hour" % (name, BUSY))
        if name not in ACTIONS:
            self.wrong(now_s, "list", "%r is no action" % (name,))
            return
        if self.frozen(now_s) and name not in NOTHING:
            text = "%s %d s after a sign of a firmware update" % (name, now_s - self.fota_s)
            self.wrong(now_s, "fota", text)
        if name in ("re-register", "enable server") and server not in self.servers:
            self.wrong(now_s, "list", "%s %r" % (name, server))
            return
        if name == "enable server":
            self.extra += (now_s, now_s)
        if name == "switch on":
            if self.heard or self.pressed:
                text = "the module answered" if self.heard else "again"
                self.wrong(now_s, "switch", "switched on: %s" % text)
            self.pressed = True
        if name in HARMLESS:
            return
        if name in ("pin reset", "power cycle") and self.died_s is not None:
            if now_s - self.died_s < QUIET_S:
                text = "%s %d s after the port died while all was well"
                self.wrong(now_s, "quiet", text % (name, now_s - self.died_s))
        if name != "kick the reporting client":  # which is no step of the module
            self.well_s = None
            self.unproved = True
        if self.first_s is None:
            self.first_s = now_s
        if self.begun is not None and self.begun == _ENDS.get(name):
            return
        self._caps(now_s, name, forced, dead, reboot)
        if name == "re-register":
            self._tries(now_s, server, forced)
        elif name in _WIDE:
            self._wide(now_s, name, forced, dead, reboot)

    def booked(self, name):
        """The record says that an action is about to be carried out."""
        if name in ("pause", "radio off"):
            self.begun = name

    def ended(self):
        """What was begun has ended, and the record says so."""
        self.begun = None

    def _caps(self, now_s, name, forced, dead, reboot):
        if name in _ENDS:  # puts back what somebody else left behind
            gap_s = RESTORE_S if self.restored_s is None else now_s - self.restored_s
            if gap_s < RESTORE_S:
                self.wrong(now_s, "spacing", "%s %d s after the last" % (name, gap_s))
            self.restored_s = now_s
        else:
            self._kind(now_s, name, forced)
            if name in _WIDE:
                self.restored_s = None
        self.all.append(now_s)
        while self.all[0] <= now_s - HOUR_S:
            self.all.pop(0)
        if len(self.all) > self.limits.all:
            self.wrong(now_s, "cap", "%d radio actions in an hour" % len(self.all))
        if name in _FIRM:
            gap_s = HOUR_S if self.firm_s is None else now_s - self.firm_s
            if gap_s < HOUR_S and not forced and not dead and not reboot:
                text = "%s %d s after another step" % (name, gap_s)
                self.wrong(now_s, "spacing", text)
            self.firm_s = now_s

    def _kind(self, now_s, name, forced):
        kind = _KINDS[name]
        spacing_s, cap, window_s = self.limits.kinds[kind]
        times = self.times[kind]
        if times and now_s - times[-1] < spacing_s and not forced:
            text = "%s %d s after the last" % (name, now_s - times[-1])
            self.wrong(now_s, "spacing", text)
        times.append(now_s)
        while times[0] <= now_s - window_s:
            times.pop(0)
        if len(times) > cap:
            self.wrong(now_s, "cap", "%d x %s in %d s" % (len(times), kind, window_s))

    def _tries(self, now_s, server, forced):
        known = self.servers[server]
        self._held(known, now_s)
        waits = self.limits.waits
        wait_s = waits[known.tries] if known.tries < len(waits) else self.limits.parked
        if known.last_s is not None and known.tries and not forced:
            if now_s - known.last_s < wait_s:
                text = "re-registration %d of %d after %d s" % (
                    known.tries + 1,
                    server,
                    now_s - known.last_s,
                )
                self.wrong(now_s, "tries", text)
        known.last_s = now_s
        if not forced:
            known.tries += 1

    def _wide(self, now_s, name, forced, dead, reboot):
        if forced or reboot or (dead and name not in ("pause", "radio off", "soft reset")):
            return
        self.now_fine(now_s)
        least_s = _EARLIEST_S if name == "pause" else HOUR_S
        if self.fine_s is not None and now_s - self.fine_s < least_s:
            text = "%s %d s after all was still fine" % (name, now_s - self.fine_s)
            self.wrong(now_s, "early", text)
        for server, known in self.servers.items():
            if known.good_s is None or known.told not in REGISTERED or not known.enabled:
                continue
            if now_s - max(known.good_s, known.told_s) < KNOWN_S:
                continue
            if not self.attached:
                due_s = known.good_s + DAY_S
                if known.due_s is not None:
                    due_s = known.due_s + DETACHED_S
                if now_s >= due_s:
                    continue
            text = "%s while %d is registered (%d)" % (name, server, known.code)
            self.wrong(now_s, "registered", text)
