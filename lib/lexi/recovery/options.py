# What the arguments of a Supervisor must be. Loaded once, when one is made, and then dropped.

from atport.errors import check, check_plain
from atport.text import quoted

from .policy import check_policy


def check_options(lexi, policy, servers, store, wall, pins, veto, pin, cid, fota_setup, boot_s):
    """Raise ValueError, naming the argument, for what cannot work.

    pins: pin_reset, power_cycle and power_on. The others: see Supervisor.
    """
    if veto is not None:
        check_plain("veto", veto)
    functions = [("wall", wall)]
    functions.extend(zip(("pin_reset", "power_cycle", "power_on"), pins))
    for name, fn in functions:
        if fn is not None and not callable(fn):
            raise ValueError("%s: %r, expected a function or None" % (name, fn))
    if pin is not None and not isinstance(pin, str):
        raise ValueError("pin: %r, expected a string or None" % (pin,))
    quoted("pin", pin or "")
    if pin and getattr(store, "lost_with_power", False):
        raise ValueError("pin: needs a store that outlives the power, such as FileStore")
    if cid is not None:
        check("cid", cid, 1, 8)
    check("boot_s", boot_s, 10, 3600)
    if fota_setup is not None:
        ok = isinstance(fota_setup, str) and fota_setup.startswith("AT")
        if not ok or not all(" " <= c <= "~" for c in fota_setup):
            raise ValueError("fota_setup: %r, expected an AT command or None" % (fota_setup,))
        if fota_setup.strip().upper() == "AT+UFWINSTALL":
            raise ValueError(
                "fota_setup: AT+UFWINSTALL alone starts an installation on some modules"
            )
    if not isinstance(servers, (tuple, list, type(None))):
        raise ValueError("servers: %r, expected a tuple or None" % (servers,))
    for server in servers or ():
        check("servers", server, *lexi.lwm2m.family["server_id"])
    if len(set(servers or ())) != len(servers or ()):
        raise ValueError("servers: %r, expected each once" % (servers,))
    check_policy(policy)
