# Whether a firmware update is running, by its signs: nothing but questions is sent then.

from micropython import const

from .ladder import NEVER

FOTA_URI = "/5/0/3"  # OMA LwM2M object 5, resource 3: state of the update

_SAVE_S = const(600)  # so often the last sign is kept
_INSTALLED = const(128)  # SARA-R5 FW update note: +UUFWINSTALL: 128, done, the module reboots
_RESULT = const(2)  # SARA-R4 AT manual: +UFOTASTAT: 2,<result>; 3 is failed
_FAILED = const(3)


class Freeze:
    """The part of a Supervisor that hears of updates."""

    def _ufotastat(self, line):
        if line.int(0) == _RESULT and line.int(1) == _FAILED:
            self._fota_end()
        elif line.int(0, 9) <= _RESULT:
            self._fota_sign(line)

    def _uufwinstall(self, line):
        if line.int(0) == _INSTALLED:
            self._fota_end()
            self._registry.restarted()
        else:
            self._fota_sign(line)

    def _frozen(self, now_s):
        return now_s < self.budgets.fota_s + self.policy["fota_s"]

    def _fota_notified(self):
        # A server may observe the state of the update for ever: notifications alone freeze for
        # a time, not again and again.
        now_s = self._clock.s
        limit_s = self.policy["fota_s"]
        if now_s - self._notified_at_s > limit_s:
            self._notified_s = now_s
        self._notified_at_s = now_s
        if now_s - self._notified_s < limit_s:
            self._fota_sign()

    def _fota_sign(self, line=None):
        # Kept in the store: a restart of the MCU must not take the installation for a dead port.
        now_s = self._clock.s
        if not self._frozen(now_s):
            self._freezes()
        if now_s - self._fota_saved_s >= _SAVE_S:
            self._fota_saved_s = now_s
            self.budgets.dirty = True
        self.budgets.fota_s = now_s
        self._stir()

    def _fota_end(self):
        self.budgets.fota_s = self._fota_saved_s = NEVER
        self.budgets.dirty = True
        self.view.diagnosed_s = NEVER
        self._stir()
