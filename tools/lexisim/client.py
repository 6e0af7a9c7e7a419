"""The LwM2M client: start and stop by <activation_mode>, its settings in NVM, its URCs.

What happens per server is in `registration.py`. Commands, codes and URCs are the manual's.
"""

import random

from . import codes
from .at import CommandError
from .registration import Remote, Server

OFF = "off"  # not started, or stopped by <activation_mode> 1
STARTING = "starting"
RUNNING = "running"
RESET = "reset"  # stopped and erased by <activation_mode> 2
FAILED = "failed"  # initialisation failed or aborted

_FACTORY_URC = (0, 1)  # <n>, <verbosity_mask>
_DISABLED_FIELD = 11
# Factory +ULWM2MCONFIG rows after the server id: the manual's two examples.
_ROW_721 = (0, 2, 1, 1, 0, 0, 0, 40, 0, 0)
_ROW_OTHER = (0, 1, 1, 0, 0, 0, 0, 40, 0, 0)


class Client:
    """Activation, servers, +ULWM2MCONFIG rows and the +ULWM2MSTAT URC."""

    def __init__(self, module):
        self.module = module
        self.config = module.config
        self.random = random.Random(module.config.seed)
        self.state = OFF
        self.inhibited = False
        self.psk_lost = False
        self.last_mode = self.nvm_mode()
        self.urc_enabled, self.urc_mask = _FACTORY_URC
        self.remotes = {}
        for spec in self.config.all_servers():
            self.remotes.setdefault(spec.server_id, Remote(spec))
        self.servers = {}
        self.init_next = None  # scenario: (<client_init_status>, boots left or None for all)
        self._init_result, self._init_forced = self.config.init_result, False
        self._client_status = None
        self._silent = False
        self._load_urc_setting()

    @property
    def active(self):
        """Whether the client does what is due."""
        return self.state == RUNNING and not self.inhibited

    @property
    def online(self):
        """Whether requests can go out."""
        return self.active and self.module.network.attached

    @property
    def mode_now(self):
        """The <activation_mode> in force, whatever is saved; None unless AT answers."""
        if not self.module.booted:
            return None
        stopped = {OFF: 1, RESET: 2}
        return 3 if self.inhibited else stopped.get(self.state, 0)

    def nvm_mode(self):
        """Return <activation_mode> as saved."""
        factory = self.config.factory_activation_mode(self.module.profile.number)
        return self.module.nvm.get("activation_mode", factory)

    def mode_to_print(self):
        """Return what AT+ULWM2M? prints."""
        return self.nvm_mode() if self.config.mode_read == "nvm" else self.last_mode

    # Life

    def boot(self, silent=False, forget=False):
        """State after a start of the module. `forget`: the URC setting is lost as well."""
        self._silent = silent
        self._note_end_of_servers()
        self._choose_init_result()
        self.state = OFF
        self.inhibited = False
        self.last_mode = self.nvm_mode()
        self._client_status = None
        if forget or not self.config.stat_persists:
            self.module.nvm.forget("stat")
        self._load_urc_setting()
        self._close_remotes()
        self._load_servers()

    def ready(self):
        """AT became ready: the client starts if <activation_mode> in NVM is 0 (manual)."""
        if self.nvm_mode() == 0:
            self._start()

    def power_off(self):
        """The module stops: nothing runs, nothing is reported."""
        self._note_end_of_servers()
        self.state = OFF
        self.inhibited = False
        self.servers = {}
        self._close_remotes()

    def _note_end_of_servers(self):
        for server in self.servers.values():
            if server.code != codes.DEREGISTERED:
                self.module.record("server", server.server_id, codes.DEREGISTERED)

    def _choose_init_result(self):
        """What the initialisation of this boot comes to: the scenario's wish, else the option."""
        self._init_forced = self.init_next is not None
        if not self._init_forced:
            self._init_result = self.config.init_result
            return
        self._init_result, boots_left = self.init_next
        if boots_left is not None:
            self.init_next = (self._init_result, boots_left - 1) if boots_left > 1 else None

    def _close_remotes(self):
        for remote in self.remotes.values():
            remote.close()

    def _start(self):
        self.state = STARTING
        self.module.session.after(self.config.client_start_s, self._init_started)

    def _init_started(self):
        if self.state != STARTING:
            return
        self.status(codes.CLIENT_INITIAL)
        self._init_event(codes.INIT_STARTED)
        self.module.session.after(self.config.client_init_s, self._init_ended)

    def _init_ended(self):
        if self.state != STARTING:
            return
        if self._init_result == codes.INIT_STARTED:
            return  # hangs
        self._init_event(self._init_result)
        if self._init_result != codes.INIT_FINISHED:
            self.state = FAILED
            return
        self.state = RUNNING
        self.status(codes.CLIENT_REG_REQUIRED)
        self._start_servers()

    def _start_servers(self):
        if not self.inhibited:
            for server in list(self.servers.values()):
                server.start()

    def _stop(self, state):
        was_active = self.state in (STARTING, RUNNING)
        for server in list(self.servers.values()):
            server.stop()
        self.state = state
        self.inhibited = False
        if was_active:
            self.status(codes.CLIENT_SHUT_DOWN)

    def _load_servers(self):
        erased = self.module.nvm.get("erased", False)
        if erased and self.config.after_reset == "reboot":
            self.module.nvm.forget("erased")
        self.psk_lost = erased and self.config.after_reset == "no-psk"
        gone = erased and self.config.after_reset == "never"
        specs = [] if gone else self.module.profile.servers
        self.servers = {spec.server_id: self._server(spec) for spec in specs}

    def _server(self, spec):
        first = self.module.profile.servers[0].server_id
        notes = [
            note
            for note in self.config.notifications
            if (first if note.server_id is None else note.server_id) == spec.server_id
        ]
        disabled = bool(self.row(spec.server_id)[_DISABLED_FIELD])
        return Server(self, spec, self.remotes[spec.server_id], notes, disabled)

    def heal(self):
        """Scenario: the servers are there, nothing hangs, the next initialisation goes well."""
        self.init_next = None
        for remote in self.remotes.values():
            remote.reach = "up"
        for server in list(self.servers.values()):
            server.reach_changed()
            server.unfreeze()
            if server.remote.refuses_update(self.module.clock.module_s):
                server.update_now()  # better now than at the end of the lifetime

    # AT+ULWM2M=

    def set_mode(self, mode, saved):
        """Take <activation_mode> 0-3; `saved` is <nvm_saved> or None (manual, +ULWM2M)."""
        self.last_mode = mode
        self._mode_actions[mode](self, saved)

    def _mode_enable(self, saved):
        """0: at once after 3, else after a reboot; always saved."""
        self.module.nvm.put("activation_mode", 0)
        if self.inhibited:
            self.inhibited = False
            if self.state == RUNNING:
                self._start_servers()
        elif self.state == RESET and self.config.mode_0_after_reset == "now":
            self._load_servers()
            self._start()

    def _mode_disable(self, saved):
        """1: stops at once, and for good if it is saved."""
        if saved == 1 or (saved is None and self.config.mode_1_saved):
            self.module.nvm.put("activation_mode", 1)
        self._stop(OFF)

    def _mode_reset(self, saved):
        """2: stops at once and erases objects, PSK and state; the saved mode stays."""
        self._stop(RESET)
        self.module.nvm.put("erased", True)
        self.servers = {}

    def _mode_inhibit(self, saved):
        """3: no network activity until 0 or a reboot; never saved."""
        if self.state not in (STARTING, RUNNING):
            return
        self.inhibited = True
        for server in self.servers.values():
            server.pause()
        self.status(codes.CLIENT_COMMAND_ONLY)
        if self.config.shut_down_on_mode_3:
            self.status(codes.CLIENT_SHUT_DOWN)

    _mode_actions = {
        0: _mode_enable,
        1: _mode_disable,
        2: _mode_reset,
        3: _mode_inhibit,
    }

    # AT+ULWM2MREG, AT+ULWM2MCONFIG, AT+ULWM2MSTAT

    def listed(self):
        """Return the servers AT+ULWM2MREG? shows: code 0 is not an allowed value."""
        return [s for s in self.servers.values() if s.code in codes.ALLOWED_STATUS or self._wide]

    def force_registration(self, server_id):
        """AT+ULWM2MREG=<id>. Raises CommandError."""
        server = self.servers.get(server_id)
        if self.state not in (STARTING, RUNNING) or self.inhibited:
            raise CommandError(self.config.cme_client_off)
        if server is None:
            raise CommandError(self.config.cme_unknown_server)
        if server.disabled:
            raise CommandError(self.config.cme_server_disabled)
        server.force_registration()

    def rows(self):
        """Return the +ULWM2MCONFIG rows: provisioned servers first, then added ones."""
        ids = [spec.server_id for spec in self.module.profile.servers]
        added = [int(key) for key in self.module.nvm.get("rows", {}) if int(key) not in ids]
        return [self.row(server_id) for server_id in ids + sorted(added)]

    def set_row(self, row):
        """AT+ULWM2MCONFIG=. Only <server_disabled> has an effect (manual). Raises CommandError."""
        server_id = row[0]
        known = any(spec.server_id == server_id for spec in self.module.profile.servers)
        stored = dict(self.module.nvm.get("rows", {}))
        known = known or str(server_id) in stored
        if not known and self.config.config_unknown_server == "error":
            raise CommandError(self.config.cme_unknown_server)
        stored[str(server_id)] = row
        self.module.nvm.put("rows", stored)
        server = self.servers.get(server_id)
        if server is not None and self.config.config_immediate:
            self._apply_disabled(server, bool(row[_DISABLED_FIELD]))

    def set_disabled(self, server_id, disabled):
        """Scenario: somebody wrote <server_disabled> of a row."""
        self.set_row([*self.row(server_id)[:_DISABLED_FIELD], disabled])

    def _apply_disabled(self, server, disabled):
        if disabled == server.disabled:
            return
        server.disabled = disabled
        if disabled:
            server.stop()
        elif self.state == RUNNING and not self.inhibited:
            server.start()

    def row(self, server_id):
        """Return the +ULWM2MCONFIG row of a server, stored or factory."""
        stored = self.module.nvm.get("rows", {}).get(str(server_id))
        if stored is not None:
            return stored
        disabled = 0
        for spec in self.module.profile.servers:
            if spec.server_id == server_id:
                disabled = spec.disabled
        middle = _ROW_721 if server_id == 721 else _ROW_OTHER
        return [server_id, *middle, disabled]

    def set_urcs(self, enabled, mask):
        """AT+ULWM2MSTAT=<n>[,<verbosity_mask>]; saved in NVM."""
        if mask is None:
            keep = self.config.stat_mask_omitted == "keep"
            mask = self.urc_mask if keep else _FACTORY_URC[1]
        self.urc_enabled, self.urc_mask = enabled, mask
        self.module.nvm.put("stat", [enabled, mask])

    def _load_urc_setting(self):
        self.urc_enabled, self.urc_mask = self.module.nvm.get("stat", _FACTORY_URC)

    def update_now(self, server_id):
        """A server asks for an update."""
        if server_id in self.servers:
            self.servers[server_id].update_now()

    def reach_changed(self, server_id):
        """A server became reachable or not."""
        if server_id in self.servers:
            self.servers[server_id].reach_changed()

    def network_changed(self, attached):
        """The module attached to or lost the network."""
        for server in list(self.servers.values()):
            server.network_changed(attached)

    # +ULWM2MSTAT URCs

    @property
    def _wide(self):
        return self.config.wide

    def event(self, event, *fields):
        """Report an event if the URC is enabled and the mask lets it through (manual)."""
        if self.urc_enabled and self.urc_mask & codes.EVENT_MASK_BIT[event]:
            self.module.port.urc("+ULWM2MSTAT: " + ",".join(map(str, (event, *fields))))

    def server_status(self, server_id, code):
        """Events 0 and 1: a server took a code."""
        self.module.record("server", server_id, code)
        self.module.note(f"server {server_id}: {code} {codes.STATUS_NAMES.get(code, '?')}")
        if self._wide or code in codes.ALLOWED_STATUS:
            bootstrap = code >= codes.BS_HOLD_OFF
            event = codes.EVENT_BOOTSTRAP if bootstrap else codes.EVENT_REGISTRATION
            self.event(event, server_id, code)

    def status(self, status):
        """Event 4: the client took a status."""
        if status != self._client_status:
            self._client_status = status
            if self._wide or status in codes.ALLOWED_CLIENT_STATUS:
                self.event(codes.EVENT_CLIENT, status)

    def _init_event(self, status):
        shown = self._wide or self._init_forced or status in codes.ALLOWED_INIT_STATUS
        if shown and not self._silent:
            self.event(codes.EVENT_INIT, status)

    def connection(self, server_id, status, *fields):
        """Event 6: the connection to a server changed."""
        if self._wide or status in codes.ALLOWED_CONNECTION_STATUS:
            self.event(codes.EVENT_CONNECTION, server_id, status, *fields)
