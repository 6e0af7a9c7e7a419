# +ULWM2MCONFIG, the test answers of the LwM2M commands, and what ends the module's client for good:
# commands that most nodes never need. What erases or disables says so in its name.

from atport.errors import AtError, PortError, check, need

from . import codes

# manual: +ULWM2MCONFIG, parameters in their order on the line: name, lowest, highest
FIELDS = (
    ("server_id", 1, 65535),
    ("bootstrap_on_failure", 0, 1),
    ("pdn_ip_type", 1, 3),
    ("cid", 1, 8),
    ("usec_psk", 0, 1),
    ("reg_update_boot", 0, 1),
    ("dtls_session_resumption", 0, 1),
    ("full_registration_after_fota", 0, 1),
    ("dtls_nat_timer_s", 0, 86400),
    ("reg_upd_at_psm_exit", 0, 1),
    ("reg_upd_after_dtls_handshake", 0, 2),
    ("server_disabled", 0, 1),
)


def allows(limits, value):
    """Whether one entry of commands.parse_limits() contains `value`."""
    return any(lowest <= value <= highest for lowest, highest in limits)


class ServerConfig:
    """One row of +ULWM2MCONFIG. Fields are attributes, named as in FIELDS.

    On LEXI-R10401D-00B only server_disabled takes effect (manual, notes to +ULWM2MCONFIG).
    """

    def __init__(self, fields, values):
        self._names = [field[0] for field in fields]
        self.values = list(values)

    def __getattr__(self, name):
        if name[0] != "_" and name in self._names:
            return self.values[self._names.index(name)]
        raise AttributeError(name)

    def __repr__(self):
        return "ServerConfig(%s)" % ", ".join(
            "%s=%d" % pair for pair in zip(self._names, self.values)
        )


class ConfigCommands:
    """Methods that an Lwm2m has too, all of them coroutines; they raise the same."""

    def __init__(self, lwm2m):
        self._lwm2m = lwm2m
        self._fields = lwm2m.family.get("config", FIELDS)

    async def configs(self):
        """AT+ULWM2MCONFIG?: list of ServerConfig, one per server."""
        rows = []
        count = len(self._fields)

        def on_info(line):
            values = [line.int(i) for i in range(count)]
            if None in values:
                self._lwm2m.channel.count_malformed()
            else:
                rows.append(ServerConfig(self._fields, values))

        await self._lwm2m.read("+ULWM2MCONFIG", on_info)
        return rows

    async def set_config(self, values):
        """AT+ULWM2MCONFIG=: write one whole row, given in the order of FIELDS."""
        table = self._fields
        need(isinstance(values, (tuple, list)), "values", values, "a tuple or list")
        if len(values) != len(table):
            raise ValueError("values: %d of them, expected %d" % (len(values), len(table)))
        args = [check(field[0], v, field[1], field[2]) for field, v in zip(table, values)]
        await self._lwm2m.set("AT+ULWM2MCONFIG=", *args)

    async def change_config(self, server, **fields):
        """Change some fields of a server's row and keep the others: read, modify, write.

        Raises ValueError for a field that does not exist, PortError for such a server. Returns
        the new row.
        """
        table = self._fields
        names = [field[0] for field in table]
        check("server", server, *table[0][1:])
        for name, value in fields.items():
            if name == "server_id" or name not in names:
                raise ValueError("%s: no such field, expected one of %s" % (name, names[1:]))
            check(name, value, *table[names.index(name)][1:])
        for row in await self.configs():
            if row.server_id == server:
                for name, value in fields.items():
                    row.values[names.index(name)] = value
                await self.set_config(row.values)
                return row
        raise PortError("server: %r has no row in +ULWM2MCONFIG" % server)

    async def disable_for_good(self):
        """AT+ULWM2M=1,1: stop the client, also after reboots. No LwM2M, no FOTA, until enable().

        The manual says both that mode 1 is saved and that <nvm_saved> defaults to not saving: it
        is asked for, and left out where the module refuses it. Check with mode() after a reboot.
        """
        try:
            await self._lwm2m.set("AT+ULWM2M=", codes.MODE_DISABLED, 1)
        except AtError:
            await self._lwm2m.set("AT+ULWM2M=", codes.MODE_DISABLED)

    def erase_objects_and_psk(self):
        """AT+ULWM2M=2: stop the client; erase its objects, pre-shared key and internal status."""
        return self._lwm2m.set("AT+ULWM2M=", codes.MODE_RESET)

    async def config_limits(self):
        """AT+ULWM2MCONFIG=?: see commands.parse_limits()."""
        return await self._lwm2m.test("+ULWM2MCONFIG")

    async def urc_limits(self):
        """AT+ULWM2MSTAT=?: see commands.parse_limits()."""
        return await self._lwm2m.test("+ULWM2MSTAT")

    async def mode_limits(self):
        """AT+ULWM2M=?: see commands.parse_limits(). Printed (0-2) although 3 is allowed: not relied on."""
        return await self._lwm2m.test("+ULWM2M")
