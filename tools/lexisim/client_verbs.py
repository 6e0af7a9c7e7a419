"""Verbs about the LwM2M client, its servers, and firmware updates."""

from . import codes
from .verb import Verb, VerbError, need, number, whole

_REACH = ("up", "down", "reject")


_INITS = {
    "ok": codes.INIT_FINISHED,
    "production": codes.INIT_PRODUCTION,
    "fail": codes.INIT_FAILED,
    "hang": codes.INIT_STARTED,
}


def _server(module, server_id):
    """Return the client's account; it has none while the module is off or after a reset."""
    server = module.client.servers.get(server_id)
    if server is None:
        raise VerbError(f"there is no server {server_id} in the client now")
    return server


def _remote(module, server_id):
    """Return the far end, which exists whatever the module does."""
    remote = module.client.remotes.get(server_id)
    if remote is None:
        raise VerbError(f"there is no server {server_id}")
    return remote


def need_running(module):
    """The module must be on, and not in the middle of an installation."""
    if not module.powered:
        raise VerbError("the module is off; use pwr_on")
    if module.fota.installing:
        raise VerbError("the module is installing firmware")


def _lose(words, rest, usage):
    need(len(words) in (1, 2) and words[1:] in ([], ["now"]), usage)
    server_id = whole(words[0], usage)

    def action(module):
        _remote(module, server_id).forget()
        if len(words) == 2:
            _server(module, server_id).update_now()

    return action


def _reachability(words, rest, usage):
    need(len(words) == 2 and words[1] in _REACH, usage)
    server_id = whole(words[0], usage)

    def action(module):
        _remote(module, server_id).reach = words[1]
        module.client.reach_changed(server_id)

    return action


def _status(words, rest, usage):
    need(len(words) == 2, usage)
    server_id, code = whole(words[0], usage), whole(words[1], usage)
    known = ", ".join(map(str, sorted(codes.STATUS_NAMES)))
    need(code in codes.STATUS_NAMES, f"{usage} with a code of the manual ({known})")
    return lambda module: _server(module, server_id).force_code(code)


def _freeze(words, rest, usage):
    need(len(words) == 2, usage)
    server_id, code = whole(words[0], usage), whole(words[1], usage)
    need(code in codes.STATUS_NAMES, f"{usage} with a code of the manual")
    return lambda module: _server(module, server_id).freeze(code)


def _timer(words, rest, usage):
    need(len(words) in (1, 2) and words[0] in ("freeze", "run"), usage)
    wanted = whole(words[1], usage) if len(words) == 2 else None

    def action(module):
        servers = list(module.client.servers.values())
        for server in servers if wanted is None else [_server(module, wanted)]:
            server.freeze_timer() if words[0] == "freeze" else server.run_timer()

    return action


def _config(words, rest, usage):
    need(len(words) == 3 and words[1] == "disabled" and words[2] in ("0", "1"), usage)
    server_id = whole(words[0], usage, low=1)

    def action(module):
        if server_id not in [row[0] for row in module.client.rows()]:
            raise VerbError(f"there is no +ULWM2MCONFIG row of server {server_id}")
        module.client.set_disabled(server_id, int(words[2]))

    return action


def _notify(words, rest, usage):
    need(len(words) == 2 and words[1].startswith("/"), usage)
    server_id = whole(words[0], usage)
    return lambda module: _server(module, server_id).notify(words[1])


def _init(words, rest, usage):
    need(len(words) in (1, 2) and words[0] in _INITS, usage)
    boots = whole(words[1], usage, low=1) if len(words) == 2 else None
    return lambda module: setattr(module.client, "init_next", (_INITS[words[0]], boots))


def _mode(words, rest, usage):
    need(len(words) == 1 and words[0] in ("0", "1", "2", "3"), usage)
    mode = int(words[0])

    def action(module):
        if not module.booted:
            raise VerbError("the module does not run")
        module.client.set_mode(mode, 1)

    return action


def _profile(words, rest, usage):
    need(len(words) == 1, usage)
    number = whole(words[0], usage)

    def action(module):
        need_running(module)
        module.profile.store(number)
        module.boot("profile changed")

    return action


def _fota(words, rest, usage):
    need(words and len(words) <= 3 and words[0] in ("start", "fail"), usage)
    need(words[0] == "start" or len(words) == 1, usage)
    seconds = [number(word, usage) for word in words[1:]]
    return (lambda module: _fota_start(module, *seconds)) if words[0] == "start" else _fota_fail


def _fota_start(module, download_s=None, install_s=None):
    config = module.config
    if module.fota.running:
        raise VerbError(f"an update is running (stage {module.fota.stage})")
    if not module.client.active:
        raise VerbError("the LwM2M client does not run")
    module.fota.start(
        config.fota_download_s if download_s is None else download_s,
        config.fota_install_s if install_s is None else install_s,
    )


def _fota_fail(module):
    if module.fota.stage != "download":
        raise VerbError(f"nothing is being downloaded (stage {module.fota.stage})")
    module.fota.fail()


VERBS = {
    "lose": Verb(
        "lose <id> [now]", "the server forgets the registration: the next update fails", _lose
    ),
    "server": Verb("server <id> up|down|reject", "how the server answers", _reachability),
    "status": Verb("status <id> <code>", "force a status code of the manual", _status),
    "freeze": Verb(
        "freeze <id> <code>",
        "the account hangs in a code until a reboot, AT+ULWM2MREG or heal",
        _freeze,
    ),
    "timer": Verb(
        "timer freeze|run [id]", "the time to the next update stands still, or goes on", _timer
    ),
    "config": Verb(
        "config <id> disabled 0|1", "somebody writes <server_disabled> of a row", _config
    ),
    "notify": Verb("notify <id> <uri>", "one notification (event 3)", _notify),
    "init": Verb(
        "init ok|production|fail|hang [boots]",
        "how the client's initialisation ends at the next boots (default: all)",
        _init,
    ),
    "mode": Verb(
        "mode 0|1|2|3",
        "somebody sets <activation_mode> as AT+ULWM2M does, saved if it is 1",
        _mode,
    ),
    "profile": Verb("profile <n>", "somebody changes the MNO profile and reboots", _profile),
    "fota": Verb(
        "fota start [download_s] [install_s] | fail",
        "a firmware update comes, or its download fails",
        _fota,
    ),
}
