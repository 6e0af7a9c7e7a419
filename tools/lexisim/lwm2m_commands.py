"""The four LwM2M commands: +ULWM2MSTAT, +ULWM2M, +ULWM2MREG, +ULWM2MCONFIG.

Syntax, ranges and test answers are the manual's. Where it contradicts itself, an option says
which way; the test answers are printed as the manual prints them even so.
"""

from . import network
from .at import READ, SET, TEST, CommandError, Number
from .handlers import fixed, values
from .port import Reply

_STAT_TEST = "+ULWM2MSTAT: (0,1),(1-7)"
_MODE_TEST = "+ULWM2M: (0-2),(0-1)"  # 3 is allowed although not in the list
_CONFIG_TEST = (
    "+ULWM2MCONFIG: (1-65535),(0-1),(1-3),(1-8),(0-1),(0-1),(0-1),(0-1),(0-86400),"
    "(0-1),(0-2),(0-2)"
)

_STAT_SET = (Number("n", 0, 1), Number("verbosity_mask", 1, 7))
_MODE_SET = (Number("activation_mode", 0, 4), Number("nvm_saved", 0, 1))
_REG_SET = (Number("server_id", 0, 65535),)
_CONFIG_SET = (
    Number("server_id", 1, 65535),
    Number("bootstrap_on_failure", 0, 1),
    Number("pdn_ip_type", 1, 3),
    Number("cid", 1, 8),
    Number("usec_psk", 0, 1),
    Number("reg_update_boot", 0, 1),
    Number("dtls_session_resumption", 0, 1),
    Number("full_registration_after_fota", 0, 1),
    Number("DTLS_NAT_timer", 0, 86400),
    Number("reg_upd_at_PSM_exit", 0, 1),
    Number("reg_upd_after_DTLS_handshake", 0, 2),
    Number("server_disabled", 0, 2),
)
_DISABLED_IN_ROAMING = 2  # listed, but allowed values are 0 and 1
_MODE_PERMITTED = 4  # listed, but not allowed


# +ULWM2MSTAT


def _stat_set(module, text):
    enabled, mask = values(module, text, _STAT_SET)
    module.client.set_urcs(enabled, mask)
    return Reply()


def _stat_read(module, _):
    client = module.client
    return Reply((f"+ULWM2MSTAT: {client.urc_enabled},{client.urc_mask}",))


# +ULWM2M: the only one of the four that needs the PIN


def _need_pin(module):
    if module.network.sim in network.SIM_ERRORS:
        raise CommandError(network.SIM_ERRORS[module.network.sim])


def _mode_set(module, text):
    _need_pin(module)
    mode, saved = values(module, text, _MODE_SET)
    if mode == _MODE_PERMITTED:
        raise CommandError(module.config.cme_mode4)
    module.client.set_mode(mode, saved)
    return Reply()


def _mode_read(module, _):
    _need_pin(module)
    return Reply((f"+ULWM2M: {module.client.mode_to_print()}",))


def _mode_test(module, _):
    if module.config.pin_blocks_test:
        _need_pin(module)
    return Reply((_MODE_TEST,))


# +ULWM2MREG


def _reg_set(module, text):
    (server_id,) = values(module, text, _REG_SET)
    if server_id == 0:
        raise CommandError(module.config.cme_bootstrap)
    module.client.force_registration(server_id)
    return Reply()


def _reg_read(module, _):
    return Reply(tuple(_reg_row(server) for server in module.client.listed()))


def _reg_row(server):
    left_s = server.seconds_to_update()
    row = f"+ULWM2MREG: {server.server_id},{server.code}"
    return row if left_s is None else f"{row},{left_s}"


def _reg_test(module, _):
    """The manual prints 0 in the list although it is not supported."""
    ids = ",".join(str(server.server_id) for server in module.client.servers.values())
    return Reply((f"+ULWM2MREG: (0,{ids})" if ids else "+ULWM2MREG: (0)",))


# +ULWM2MCONFIG


def _config_set(module, text):
    row = values(module, text, _CONFIG_SET, required=len(_CONFIG_SET))
    if row[-1] == _DISABLED_IN_ROAMING and not module.config.wide:
        raise CommandError(module.config.cme_bad_parameter)
    module.client.set_row(row)
    return Reply()


def _config_read(module, _):
    rows = module.client.rows()
    return Reply(tuple("+ULWM2MCONFIG: " + ",".join(map(str, row)) for row in rows))


TABLE = {
    ("+ULWM2MSTAT", SET): _stat_set,
    ("+ULWM2MSTAT", READ): _stat_read,
    ("+ULWM2MSTAT", TEST): fixed(_STAT_TEST),
    ("+ULWM2M", SET): _mode_set,
    ("+ULWM2M", READ): _mode_read,
    ("+ULWM2M", TEST): _mode_test,
    ("+ULWM2MREG", SET): _reg_set,
    ("+ULWM2MREG", READ): _reg_read,
    ("+ULWM2MREG", TEST): _reg_test,
    ("+ULWM2MCONFIG", SET): _config_set,
    ("+ULWM2MCONFIG", READ): _config_read,
    ("+ULWM2MCONFIG", TEST): fixed(_CONFIG_TEST),
}
