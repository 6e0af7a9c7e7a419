# +ULWM2MCONFIG, and the test answers of the LwM2M commands. Most nodes never need them.

from atport.errors import PortError, check


def allows(limits, value):
    """Whether one entry of commands.parse_limits() contains `value`."""
    return any(lowest <= value <= highest for lowest, highest in limits)


class ServerConfig:
    """One row of +ULWM2MCONFIG. Fields are attributes, named in the family's "config" table.

    On LEXI-R10401D-00B only server_disabled takes effect (manual, notes to +ULWM2MCONFIG).
    """

    def __init__(self, family, values):
        self._names = [field[0] for field in family["config"]]
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

    async def configs(self):
        """AT+ULWM2MCONFIG?: list of ServerConfig, one per server."""
        rows = []
        count = len(self._lwm2m.family["config"])

        def on_info(line):
            values = [line.int(i) for i in range(count)]
            if None in values:
                self._lwm2m.channel.count_malformed()
            else:
                rows.append(ServerConfig(self._lwm2m.family, values))

        await self._lwm2m.read("+ULWM2MCONFIG", on_info)
        return rows

    async def set_config(self, values):
        """AT+ULWM2MCONFIG=: write one whole row, given in the order of the family's table."""
        table = self._lwm2m.family["config"]
        if len(values) != len(table):
            raise ValueError("values: %d of them, expected %d" % (len(values), len(table)))
        args = [check(field[0], v, field[1], field[2]) for field, v in zip(table, values)]
        await self._lwm2m.set("AT+ULWM2MCONFIG=", *args)

    async def change_config(self, server, **fields):
        """Change some fields of a server's row and keep the others: read, modify, write.

        Raises ValueError for a field that does not exist, PortError for such a server. Returns
        the new row.
        """
        table = self._lwm2m.family["config"]
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

    async def config_limits(self):
        """AT+ULWM2MCONFIG=?: see commands.parse_limits()."""
        return await self._lwm2m.test("+ULWM2MCONFIG")

    async def urc_limits(self):
        """AT+ULWM2MSTAT=?: see commands.parse_limits()."""
        return await self._lwm2m.test("+ULWM2MSTAT")

    async def mode_limits(self):
        """AT+ULWM2M=?: see commands.parse_limits(). Printed (0-2) although 3 is allowed: not relied on."""
        return await self._lwm2m.test("+ULWM2M")
