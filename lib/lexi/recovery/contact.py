# Whether anybody is there: brings the module up at the start, and asks for signs of life when
# something was not answered. View.reachable is what comes of it.

from micropython import const

from atport.errors import AtTimeout, PortError

from .moves import may_be_off

_ALIVE_TRIES = const(41)  # AT, once a second: as long as ubxlib tries before a port is dead
_FIRST_S = const(2)  # for a port that was dead before; else boot_s of the Supervisor
_SILENT_TRIES = const(2)  # unanswered before the first answer: the module has just started
_RETRY_S = const(5)  # doubled each time
_RETRY_MAX_S = const(900)
_DEAF_S = const(60)  # nobody reads what comes: asked again then


class Contact:
    """The module behind one Lexi. failed(e) counts what went wrong."""

    def __init__(self, lexi, case, freeze, boot_s, failed):
        self._lexi = lexi
        self._channel = lexi.channel
        self._case = case
        self._view = case.view
        self._freeze = freeze
        self._failed = failed
        self.boot_s = boot_s
        self.up = False  # lexi.start() succeeded
        # A port that was dead in the runs of the MCU before gets little time at first: this one may
        # be as short as those.
        self._first_s = _FIRST_S if case.view.reachable is False else boot_s
        self._start_at_s = 0  # when it is tried again, and the time to the next try
        self._start_gap_s = 0
        self.suspect = False  # something was not answered
        self._suspect_at_s = 0  # no verdict on that before: the module boots
        self._dead_s = 0  # when the port was found dead, or heard of again

    def todo(self, now_s):
        # What is due, a coroutine function, or None.
        if not self.up and now_s >= self._start_at_s:
            return self._start
        if self._is_asking(now_s) and now_s >= self._suspect_at_s:
            return self.ask
        return None

    def _is_asking(self, now_s):
        # No verdict during an update, nor before the ladder had it switched on.
        if may_be_off(self._case) and self._view.reachable is None:
            return False
        return self.suspect and not self._freeze.running(now_s)

    def due_s(self, now_s, wait_s):
        # Seconds until todo() has something, or wait_s if that is less.
        if not self.up:
            wait_s = min(wait_s, self._start_at_s - now_s)
        if self._is_asking(now_s):
            wait_s = min(wait_s, max(1, self._suspect_at_s - now_s))
        return wait_s

    def look(self):
        # Notice what the rooms below noticed: a dead port that is heard of again.
        heard_s = self._channel.heard_s
        if self._view.reachable is False and heard_s > self._dead_s:
            self._dead_s = heard_s
            self.suspect = True

    def restarted(self, now_s):
        # The module restarts: it may be silent for a while.
        self._suspect_at_s = now_s + self._lexi.monitor.reboot_wait_s + self.boot_s

    def answered(self):
        # It is there.
        self._view.reachable = True
        self.suspect = False
        self._start_at_s = min(self._start_at_s, self._channel.clock.now_s())

    async def _start(self):
        retries = self._channel.retries
        try:
            await self._lexi.start(self._first_s)
            self.up = True
            self._answered_after(self._channel.retries - retries)
        except PortError as e:
            self._failed(e)
            if isinstance(e, AtTimeout):
                # one lost answer is no dead port
                self.suspect = self._view.reachable is not False
                # Not if AT was answered, and something behind it was not.
                unheard = self._view.reachable is None and self._channel.unanswered > 0
                self._view.silent = self._view.silent or unheard
            else:
                self._answered_after(self._channel.retries - retries)
            self._first_s = self.boot_s
            gap_s = max(2 * self._start_gap_s, _RETRY_S)
            self._start_gap_s = min(gap_s, _RETRY_MAX_S)
            self._start_at_s = self._channel.clock.now_s() + self._start_gap_s

    def _answered_after(self, retries):
        # The first answer after a silence: it has just started.
        if self._view.reachable is None and retries >= _SILENT_TRIES:
            self._case.booted(self._channel.clock.now_s())
        self.answered()

    async def ask(self):
        # Whether AT is answered at all.
        self.suspect = False
        try:
            await self._channel.sync(max(1, _ALIVE_TRIES - self._channel.unanswered))
        except AtTimeout as e:
            self._failed(e)
            self._silent()
            return False
        if self._view.reachable is False:
            self._lexi.registry.restarted()  # who knows what it went through
        elif self._view.reachable is None:
            self._case.booted(self._channel.clock.now_s())
        self.answered()
        return True

    def _silent(self):
        # A dead port, unless the module is busy with a firmware update or has just restarted.
        now_s = self._channel.clock.now_s()
        if not self._lexi.runtime.reading:  # nobody listens: that proves nothing
            self._suspect_at_s = now_s + _DEAF_S
        if self._freeze.running(now_s) or now_s < self._suspect_at_s:
            self.suspect = True
            return
        self._view.reachable = False
        self._dead_s = now_s
        self.suspect = False
        self._start_at_s = max(self._start_at_s, now_s + _RETRY_S)  # the ladder comes first
