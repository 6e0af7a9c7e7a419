"""A firmware update over the air, as the host sees it.

The order of the URCs and what interrupts an update follow the SARA-R5 firmware update note; of
LEXI-R10 only +UFWINSTALL and +UUFWINSTALL are known (ubxlib), so the others are off, and these
come only if a command asked for them since the start: an update may pass without a sign.

    none -> download -> check -> install -> done -> (reboot) -> none
            failed (by itself) and broken (by the host) until a reboot; bricked for ever
"""

from . import codes

NONE = "none"
DOWNLOAD = "download"
CHECK = "check"
INSTALL = "install"  # no AT command is answered
DONE = "done"
FAILED = "failed"
BROKEN = "broken"
BRICKED = "bricked"

_RUNNING = (DOWNLOAD, CHECK, INSTALL, DONE)
_FALLBACK_SERVER = 721
_CHECK_STEPS = (0, 50, 100)  # percent
_INSTALL_DONE = 128


class Fota:
    """The update in progress, if any. Times are module seconds."""

    def __init__(self, module):
        self._module = module
        self._config = module.config
        self.armed = False  # a command asked for the +UUFWINSTALL URCs
        self.stage = BRICKED if module.nvm.get("bricked", False) else NONE
        self._started_s = 0.0
        self._left_s = self._total_s = self._install_s = 0.0

    @property
    def running(self):
        """Whether the host must keep its hands off."""
        return self.stage in _RUNNING

    @property
    def installing(self):
        """Whether AT commands go unheard."""
        return self.stage in (INSTALL, DONE)

    @property
    def noticed(self):
        """Whether the host has had the time to see that an update runs."""
        age_s = self._module.clock.module_s - self._started_s
        return self.running and age_s >= self._config.fota_grace_s

    def boot(self):
        """The module starts: a download begins anew some other day."""
        self.armed = False
        if self.stage not in (NONE, BRICKED):
            self._enter(NONE)

    # Scenario

    def start(self, download_s, install_s):
        """The server sends the module an update."""
        self._started_s = self._module.clock.module_s
        self._left_s = self._total_s = download_s
        self._install_s = install_s
        self._enter(DOWNLOAD)
        if self._config.fota_notification:
            uri = "/5/0/3/" if self._config.fota_trailing_slash else "/5/0/3"
            client = self._module.client
            client.event(codes.EVENT_NOTIFICATION, self._server_id(), f'"{uri}"')
        self._progress_urc("+UFOTASTAT: 1,0,0")
        self._download()

    def fail(self):
        """The download fails by itself."""
        self._enter(FAILED)
        self._progress_urc("+UFOTASTAT: 2,3,100")

    def interrupt(self):
        """The host does what stops an update: a download is lost, an installation is fatal."""
        if self.installing:
            self._module.nvm.put("bricked", True)
            self._enter(BRICKED)
            self._module.die()
        elif self.running:
            self._enter(BROKEN)

    def install(self):
        """AT+UFWINSTALL: what is there is installed, without a download."""
        self._started_s = self._module.clock.module_s
        self._install_s = self._config.fota_install_s
        self._install()

    # What follows what

    def _server_id(self):
        for server in self._module.client.servers.values():
            if server.code in codes.REGISTERED_CODES:
                return server.server_id
        return _FALLBACK_SERVER

    def _download(self):
        part_s = min(self._config.fota_report_s, self._left_s)
        self._after(DOWNLOAD, part_s, lambda: self._downloaded(part_s))

    def _downloaded(self, part_s):
        if self._module.client.online:
            self._left_s -= part_s
        if self._left_s <= 0:
            self._progress_urc("+UFOTASTAT: 2,2,100")
            self._enter(CHECK)
            self._check(0)
            return
        percent = int(100 * (1 - self._left_s / self._total_s))
        self._progress_urc(f"+UFOTASTAT: 0,1,{percent}")
        self._download()

    def _check(self, index):
        self._progress_urc(f"+UFWPREVAL: {_CHECK_STEPS[index]}")
        step_s = self._config.fota_check_s / len(_CHECK_STEPS)
        if index + 1 < len(_CHECK_STEPS):
            self._after(CHECK, step_s, lambda: self._check(index + 1))
        else:
            self._after(CHECK, step_s, self._install)

    def _install(self):
        self._module.stop_for_installation()
        self._left_s = self._total_s = self._install_s
        self._enter(INSTALL)
        self._install_urc(1)
        self._install_part()

    def _install_part(self):
        part_s = min(self._config.fota_report_s, self._left_s)
        self._after(INSTALL, part_s, lambda: self._installed(part_s))

    def _installed(self, part_s):
        self._left_s -= part_s
        if self._left_s > 0:
            self._install_urc(max(1, int(100 * (1 - self._left_s / self._total_s))))
            self._install_part()
            return
        self._install_urc(100)
        self._install_urc(_INSTALL_DONE)
        nvm = self._module.nvm
        nvm.put("firmware", nvm.get("firmware", 0) + 1)
        if self._config.fota_forgets_stat:
            nvm.forget("stat")
        self._enter(DONE)
        delay_s = self._config.reboot_delay_s
        self._after(DONE, delay_s, lambda: self._module.boot("firmware updated"))

    # Helpers

    def _after(self, stage, delay_s, action):
        """Go on after a while, unless the update has left `stage` by then."""

        def go_on():
            if self.stage == stage:
                action()

        self._module.session.after(delay_s, go_on)

    def _enter(self, stage):
        self.stage = stage
        self._module.record("fota", stage)

    def _progress_urc(self, text):
        if self._config.fota_progress_urcs:
            self._module.port.urc(text)

    def _install_urc(self, value):
        if self.armed or self._config.fota_install_urcs:
            self._module.port.urc(f"+UUFWINSTALL: {value}")
