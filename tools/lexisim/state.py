"""The true state of the module as JSON can hold it: what `state` answers on the control port."""

from .network import CFUN_FULL
from .settings import DCD, DTR, FLOW


def state_of(module):
    """Return the state of a Module as a dictionary."""
    return {
        **_power(module),
        **_network(module.network, module.nvm),
        "contexts": _contexts(module.bearers),
        "sockets": module.sockets.state(),
        "datagrams": dict(module.internet.counts),
        **_client(module),
        **_port(module.port),
        **_line(module.settings, module.sleep),
        **module.port.pauses.counts(),
        "lost_input_bytes": module.lost_input_bytes,
        "harm": module.harm_count,
        "problems": list(module.problems),
    }


def _power(module):
    return {
        "real_s": round(module.clock.real_s, 6),
        "module_s": round(module.clock.module_s, 6),
        "power": module.power_state,
        "powered": module.powered,
        "v_int": int(module.powered),
        "booted": module.booted,
        "boots": module.boots,
        "muted": module.transmitter.muted,
        "pwr_on": module.pins.level("pwr_on"),
        "reset_n": module.pins.level("reset_n"),
        "fota": module.fota.stage,
        "firmware": module.nvm.get("firmware", 0),
        "hang": module.hung,
    }


def _network(network, nvm):
    return {
        "sim": network.sim,
        "cfun": network.cfun,
        "cfun_nvm": nvm.get("cfun", CFUN_FULL),
        "sim_denied": network.denied,
        "network": network.available,
        "cereg": network.stat,
        "cops": network.operators.mode,
    }


def _contexts(bearers):
    active = bearers.active
    return [
        {"cid": cid, "type": row.pdp_type, "apn": row.apn, "active": cid in active}
        for cid, row in bearers.defined.items()
    ]


def _client(module):
    client = module.client
    return {
        "mode_nvm": client.nvm_mode(),
        "mode_last": client.last_mode,
        "mode_now": client.mode_now,
        "mno": module.profile.number,
        "mno_stored": module.profile.stored,
        "client": "inhibited" if client.inhibited else client.state,
        "urc": {"n": client.urc_enabled, "mask": client.urc_mask},
        "registrations": _registrations(module),
        "servers": [_server(server, module) for server in client.servers.values()],
    }


def _registrations(module):
    """What the servers know: those of the profile, and others that still hold us."""
    now_s = module.clock.module_s
    provisioned = {spec.server_id for spec in module.profile.servers}
    return [
        {
            "id": server_id,
            "live": remote.live(now_s),
            "registered_at_s": remote.registered_at_s,
            "expires_at_s": remote.expires_at_s,
        }
        for server_id, remote in module.client.remotes.items()
        if server_id in provisioned or remote.live(now_s)
    ]


def _server(server, module):
    return {
        "id": server.server_id,
        "live": server.remote.live(module.clock.module_s),
        "frozen": server.frozen,
        "code": server.code,
        "update_in_s": server.seconds_to_update(),
        "reach": server.remote.reach,
        "disabled": server.disabled,
        "lost": server.remote.lost,
        "attempt": server.attempt,
    }


def _port(port):
    return {
        "echo": port.echo,
        "cmee": port.cmee,
        "lost_lines": port.lost_lines,
        "commands": dict(port.counts),
        "last_commands": list(port.last_lines),
    }


def _line(settings, sleep):
    return {
        "dcd": settings.get(DCD),
        "dtr": settings.get(DTR),
        "flow": settings.get(FLOW),
        "upsv": sleep.setting,
        "gpio": sleep.gpio,
        "uart": "deaf" if sleep.deaf else "awake",
        "deaf_bytes": sleep.deaf_bytes,
    }
