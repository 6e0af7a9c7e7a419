# What the arguments of a Supervisor must be. Loaded once, when one is made, and then dropped.

from atport.errors import check, check_plain, need

from .policy import HAS_ON, HAS_POWER, HAS_RESET, check_policy


def check_options(lexi, policy, servers, store, wall, pins, veto, pin, cid, fota_setup, boot_s):
    """Return which pins are wired (View.pins); raise ValueError, naming the argument, for what
    cannot work.

    pins: pin_reset, power_cycle and power_on. The others: see Supervisor.
    """
    if veto is not None:
        check_plain("veto", veto)
    for name, fn in zip(("wall", "pin_reset", "power_cycle", "power_on"), (wall,) + pins):  # noqa: RUF005
        need(fn is None or callable(fn), name, fn, "a function or None")
    ok = pin is None or (isinstance(pin, str) and all(" " <= c <= "~" and c != '"' for c in pin))
    need(ok, "pin", "***", "printable ASCII without quotes, or None")
    if pin and getattr(store, "lost_with_power", False):
        raise ValueError("pin: needs a store that outlives the power, such as FileStore")
    if cid is not None:
        check("cid", cid, 1, 8)
    check("boot_s", boot_s, 10, 3600)
    text = "AT" if fota_setup is None else fota_setup
    ok = isinstance(text, str) and text.startswith("AT") and all(" " <= c <= "~" for c in text)
    need(ok, "fota_setup", fota_setup, "an AT command or None")
    _, found, rest = text.upper().partition("+UFWINSTALL")
    if found and rest.lstrip()[:1] not in ("=", "?"):
        raise ValueError("fota_setup: AT+UFWINSTALL alone starts an installation on some modules")
    need(isinstance(servers, (tuple, list, type(None))), "servers", servers, "a tuple or None")
    for server in servers or ():
        check("servers", server, *lexi.lwm2m.family["server_id"])
    need(len(set(servers or ())) == len(servers or ()), "servers", servers, "each once")
    check_policy(policy)
    wired = 0
    for bit, fn in zip((HAS_RESET, HAS_POWER, HAS_ON), pins):
        wired |= bit if fn else 0
    return wired
