# The LwM2M commands of the manual, typed: +ULWM2MSTAT, +ULWM2M, +ULWM2MREG; config.py has the rest.
#
# Everything is checked before it is sent, and nothing is sent without being asked for. URCs are decoded in registry.py.

import gc
from micropython import const

from atport.errors import PortError, check

from . import codes

_MAX_SERVERS = const(64)  # a longer range in a test answer is not a list of servers


def parse_limits(rest):
    """Parse a test answer such as b"(1-65535),(0,1)" into a list, one entry per parameter.

    An entry is a tuple of (lowest, highest) pairs: ((1, 65535),) or ((0, 0), (1, 1)).
    Raises PortError for anything else.
    """
    limits = []
    try:
        for part in rest.decode().replace(" ", "").lstrip("(").split("("):
            body, closed, after = part.partition(")")
            if not closed or after not in ("", ","):
                raise ValueError
            pairs = []
            for item in body.split(","):
                lowest, dash, highest = item.partition("-")
                pairs.append((int(lowest), int(highest if dash else lowest)))
            limits.append(tuple(pairs))
    except ValueError:
        raise PortError("test answer: %r, expected lists such as (0-7),(0,1)" % rest)
    return limits


class Lwm2m:
    """The module's LwM2M client, command by command. All methods return coroutines.

    They raise ValueError before anything is sent, and what Channel.command() raises. Those of
    config.ConfigCommands are methods of this class too, loaded when the first of them is named:
    name it before start() if loading must not take time then.
    """

    def __init__(self, channel, family=codes.LEXI_R10401D):
        if not isinstance(family, dict):
            raise ValueError("family: %r, expected a table of codes.py" % family)
        self.channel = channel
        self.family = family
        self._config = None  # the ConfigCommands, once one of them was named

    def __getattr__(self, name):
        if name[0] == "_":
            raise AttributeError(name)
        if self._config is None:
            from .config import ConfigCommands

            self._config = ConfigCommands(self)
        return getattr(self._config, name)

    def set(self, text, *args):
        """Send a set command, such as "AT+ULWM2M=", with its parameters."""
        sent = self.channel.command(text, args=args, timeout_ms=self.family["timeout_ms"])
        if not text.startswith("AT+ULWM2MSTAT"):
            self.channel.doubt()  # it may change what is registered: to be read anew
        return _nothing(sent)

    def read(self, name, on_info, accept=None):
        """Send the read command of `name`; on_info, accept: see Channel.command()."""
        return self.channel.command(
            "AT%s?" % name,
            name + ":",
            accept=accept,
            on_info=on_info,
            timeout_ms=self.family["timeout_ms"],
        )

    async def test(self, name):
        """Send the test command of `name`; returns what parse_limits() makes of its answer."""
        lines = await self.channel.command(
            "AT%s=?" % name,
            name + ":",
            accept=_is_test_answer,
            timeout_ms=self.family["timeout_ms"],
        )
        if len(lines) != 1:
            raise PortError("AT%s=?: %d lines of answer, expected 1" % (name, len(lines)))
        return parse_limits(lines[0])

    # +ULWM2MSTAT

    def set_urcs(self, enabled, mask=None):
        """AT+ULWM2MSTAT=: switch the status URCs on or off.

        mask: bit 0 events 0-4, bit 1 event 5, bit 2 event 6; None leaves it out.
        """
        if enabled not in (False, True):
            raise ValueError("enabled: %r, expected False or True" % (enabled,))
        args = [1 if enabled else 0]
        if mask is not None:
            if self.family["urc_mask"] is None:
                raise ValueError("mask: %r, %s has none" % (mask, self.family["name"]))
            args.append(check("mask", mask, *self.family["urc_mask"]))
        return self.set("AT+ULWM2MSTAT=", *args)

    async def urcs(self):
        """AT+ULWM2MSTAT?: return (enabled, mask); None when the answer was lost."""
        has_mask = self.family["urc_mask"] is not None
        answer = []

        def accept(line):
            # The same prefix is a URC, unless it has exactly this shape: events
            # 0-3 and 6 have three fields and more, and events 4 and 5 start with 4 or 5.
            if len(line) != (2 if has_mask else 1) or line.int(0) not in (0, 1):
                return False
            return not has_mask or 1 <= line.int(1, 0) <= 7

        def on_info(line):
            answer[:] = [line.int(0), line.int(1)]

        await self.read("+ULWM2MSTAT", on_info, accept)
        return tuple(answer) or None

    # +ULWM2M

    async def mode(self):
        """AT+ULWM2M?: the activation mode, or None when the module did not say.

        What is printed after mode 2 or 3 is not documented.
        """
        answer = []
        await self.read("+ULWM2M", lambda line: answer.append(line.int(0)))
        return answer[0] if answer else None

    async def enable(self):
        """AT+ULWM2M=0: enable the client for good; return whether that needs a reboot.

        True when it was off by mode 1 in NVM, or when its mode is unknown: then nothing happens
        until the module was restarted (AT+CFUN=16). To undo inhibit() use resume().
        """
        mode = await self.mode()
        await self.set("AT+ULWM2M=", codes.MODE_ENABLED)
        return mode not in (codes.MODE_ENABLED, codes.MODE_INHIBITED)

    def inhibit(self):
        """AT+ULWM2M=3: stop all traffic with the servers at once, until resume() or a reboot."""
        return self.set("AT+ULWM2M=", codes.MODE_INHIBITED)

    def resume(self):
        """AT+ULWM2M=0 after inhibit(): traffic goes on at once."""
        return self.set("AT+ULWM2M=", codes.MODE_ENABLED)

    # +ULWM2MREG

    def register(self, server):
        """AT+ULWM2MREG=: schedule a registration. Its result is a URC, not this command's OK."""
        return self.set("AT+ULWM2MREG=", check("server", server, *self.family["server_id"]))

    async def registrations(self, put=None):
        """AT+ULWM2MREG?: list of (server, status code, seconds to the next update or None).

        The seconds mean something only where the code is one of codes.REGISTERED. put: called
        with the three as they come, so in their order with the URCs around them.
        """
        found = []

        def on_info(line):
            if line.int(0) is None or line.int(1) is None:
                self.channel.count_malformed()
            else:
                found.append((line.int(0), line.int(1), line.int(2)))
                if put:
                    put(*found[-1])

        await self.read("+ULWM2MREG", on_info)
        return found

    async def servers(self):
        """AT+ULWM2MREG=?: the short server IDs the module knows, without the 0 it also prints."""
        ids = []
        for entry in await self.test("+ULWM2MREG"):
            for lowest, highest in entry:
                if highest - lowest >= _MAX_SERVERS:
                    raise PortError("AT+ULWM2MREG=?: %d-%d is no list" % (lowest, highest))
                ids.extend(range(max(lowest, 1), highest + 1))
        return ids


async def _nothing(sent):
    # Information text that a set command may have is of no interest.
    await sent


def _is_test_answer(line):
    return line.rest()[:1] == b"("


gc.collect()  # what compiling left behind is in the way of the next file
