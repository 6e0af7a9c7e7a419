# The address of a host: AT+UDNSRN. On a LEXI-R10 the answer is a URC behind the OK, on siblings
# information text before it.

import time
from micropython import const

from atport.errors import AtTimeout, PortError, need
from atport.text import quoted

from .sockets import is_address

_BUSY_MS = const(100)  # another question is under way: the URC does not say which it answers
_FOUND = const(0)  # <result> of +UUDNSRN
_LONGEST = const(255)  # of a name (RFC 1035)

_asking = []  # channels with a question under way


def check_name(host):
    """Raise ValueError unless `host` can be a name."""
    ok = isinstance(host, str) and 0 < len(host) <= _LONGEST
    need(ok and ":" not in host and " " not in host, "host", host, "an IPv4 address or a name")
    quoted("host", host)


async def resolve(channel, runtime, host, timeout_s=332):
    """AT+UDNSRN=0: return the address of a name as text; an address is returned as it is.

    timeout_s: for the OK, and again for the URC (332 s: ubxlib, LEXI-R10). Raises what
    Channel.command() raises, PortError when the name is not found, AtTimeout without a URC.
    """
    if is_address(host):
        return host
    check_name(host)
    while channel in _asking:
        await runtime.sleep_ms(_BUSY_MS)
    _asking.append(channel)
    found = []
    done = runtime.signal()

    def urc(line):
        if not found:
            found.append(line.text(1).decode() if line.int(0) == _FOUND else "")
            done.set()

    channel.on("+UUDNSRN:", urc)
    try:
        await channel.command(
            "AT+UDNSRN=",
            "+UDNSRN:",
            args=(0, host),
            on_info=lambda line: found.append(line.text(0).decode()),
            timeout_ms=timeout_s * 1000,
        )
        clock = channel.clock
        left_ms = timeout_s * 1000
        while not found and left_ms > 0:
            since_ms = clock.ms()
            await done.wait_ms(left_ms)
            left_ms -= time.ticks_diff(clock.ms(), since_ms)
    finally:
        channel.off("+UUDNSRN:", urc)
        _asking.remove(channel)
    if not found:
        raise AtTimeout("%s: no +UUDNSRN in time" % host)
    if not is_address(found[0]):
        raise PortError("%s: not found" % host)
    return found[0]
