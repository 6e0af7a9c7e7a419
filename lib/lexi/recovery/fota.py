# Whether a firmware update is running, by its signs: nothing but questions is sent then.

from micropython import const

from .policy import FOTA as UPDATE
from .policy import NEVER, NONE
from .telling import FOTA

_URI = "/5/0/3"  # OMA LwM2M object 5, resource 3: state of the update
_SAVE_S = const(600)  # so often the last sign is kept
_INSTALLED = const(128)  # SARA-R5 FW update note: +UUFWINSTALL: 128, done, the module reboots
_RESULT = const(2)  # SARA-R4 AT manual: +UFOTASTAT: 2,<result>; 3 is failed
_FAILED = const(3)


class Freeze:
    """Hears of firmware updates. teller: tells that one begins; stir(): called for every sign.

    The last sign is kept in the budgets' record: a restart of the MCU must not take the
    installation for a dead port.
    """

    def __init__(self, channel, registry, case, teller, stir):
        self._clock = channel.clock
        self._registry = registry
        self._case = case
        self._teller = teller
        self._stir = stir
        self._saved_s = NEVER  # when the last sign was put into the record
        self._state = None  # what the last sign said; not known after a restart of the MCU
        self._notified_s = self._notified_at_s = NEVER  # first and last of a series
        registry.watch_uri(_URI, self._notified)
        channel.on("+UFOTASTAT:", self._ufotastat)
        channel.on("+UFWPREVAL:", self._prevalidated)
        channel.on("+UUFWINSTALL:", self._uufwinstall)

    def running(self, now_s):
        # Whether an update is believed to run.
        return now_s < self._case.budgets.thaw_s()

    def _ufotastat(self, line):
        if line.int(0) == _RESULT and line.int(1) == _FAILED:
            self._end()
        elif line.int(0, 9) <= _RESULT:
            self._sign(line.int(0) + 4 * (line.int(1, 0) & 255) + 1024 * (line.int(2, 0) & 0xFFFF))

    def _uufwinstall(self, line):
        if line.int(0) == _INSTALLED:
            self._end()
            self._registry.restarted()
        else:
            self._sign(-1 - line.int(0, 0))

    def _prevalidated(self, line):
        self._sign(-1024)

    def _notified(self):
        # A server may observe the state of the update for ever: notifications alone freeze for
        # a time, not again and again.
        now_s = self._clock.s
        gap_s = self._case.policy["fota_s"]
        if now_s - self._notified_at_s > gap_s:
            self._notified_s = now_s
        self._notified_at_s = now_s
        if now_s - self._notified_s < gap_s:
            self._sign(None)

    def _sign(self, state):
        # state: a number for what it says of the update; None says nothing.
        now_s = self._clock.s
        begins = not self.running(now_s)
        news = state is not None and self._state is not None and state != self._state
        self._case.budgets.fota_sign(now_s, news)
        if state is not None:
            self._state = state
        if now_s - self._saved_s >= _SAVE_S:
            self._saved_s = now_s
            self._case.budgets.dirty = True
        if begins and self.running(now_s):
            self._teller.tell(FOTA, NONE, 0, UPDATE)
        self._stir()

    def _end(self):
        self._case.budgets.fota_s = self._saved_s = NEVER
        self._state = None
        self._case.budgets.dirty = True
        self._case.view.diagnosed_s = NEVER
        self._stir()
