# Questions to the module, from the bottom up, whose answers make the ladder's View. They touch
# nothing, but for a PIN that is entered once.

from micropython import const

from atport.errors import AtTimeout, CmeError, PortError
from atport.line import INT
from atport.text import readable

from . import ladder as rules

_CONFIG_FIELDS = const(12)  # manual: +ULWM2MCONFIG; first the server, last <server_disabled>
_ATTACHED = (1, 5)  # 3GPP TS 27.007, +CEREG <stat>
_DENIED = const(3)
_SIM_LOCKS = (11, 12)  # 3GPP TS 27.007, 9.2
_SIM_FAULTS = (10, 13, 15)


class Diagnosis:
    """The part of a Supervisor that asks."""

    async def _diagnose(self):
        if not await self._alive():
            return
        view = self.view
        restarts = self._registry.restarts
        try:
            if self._fota_setup and not self._fota_asked:
                await self._ask(self.channel.command(self._fota_setup))
                self._fota_asked = True
            await self._look_at_sim()
            await self._ask(self._look_at_radio())
            await self._ask(self._look_at_network())
            await self._ask(self._look_at_bearer())
            await self._ask(self._look_at_client())
            await self._ask(self._look_at_servers())
            await self._ask(self._monitor.poll())
            if not self._imei:
                await self._ask(self._look_at_imei())
        finally:
            if restarts == self._registry.restarts:
                view.diagnosed_s = self.now_s()

    async def _ask(self, coro):
        # A refusal leaves things as they were known; silence ends the diagnosis.
        try:
            return await coro
        except AtTimeout:
            raise
        except PortError as e:
            self._failed(e)
        return None

    async def _look_at_sim(self):
        view = self.view
        view.sim = rules.SIM_UNKNOWN
        try:
            answer = b"".join(await self.channel.command("AT+CPIN?", "+CPIN:"))
            if answer == b"SIM PIN":
                if await self._enter_pin():
                    answer = b"READY"
            if answer == b"READY":
                view.sim = rules.SIM_READY
                if self.budgets.pin_tried:
                    self.budgets.set_pin_tried(0)
            elif answer:
                view.sim = rules.SIM_LOCKED
        except CmeError as e:
            if e.code in _SIM_LOCKS:
                view.sim = rules.SIM_LOCKED
            elif e.code in _SIM_FAULTS:
                view.sim = rules.SIM_FAILED
        except AtTimeout:
            raise
        except PortError as e:
            self._failed(e)

    async def _enter_pin(self):
        # Once, and only if a reset cannot make us forget that.
        if self._pin is None or self.budgets.pin_tried:
            return False
        self.budgets.set_pin_tried(1)
        if not await self._save() or self.keeper.failed:
            self.budgets.set_pin_tried(0)
            return False
        try:
            await self.channel.command("AT+CPIN=", args=(self._pin,))
        except AtTimeout:
            raise
        except PortError as e:
            self._failed(e)
            return False
        return True

    async def _look_at_radio(self):
        await self.channel.command("AT+CFUN?", "+CFUN:", on_info=self._cfun_answer)

    async def _look_at_network(self):
        await self._ask(self.channel.command("AT+CEREG=1"))
        await self.channel.command(
            "AT+CEREG?", "+CEREG:", accept=_is_answer, on_info=self._cereg_answer
        )

    async def _look_at_bearer(self):
        # Registered, but without an active context: as good as not attached.
        lines = await self.channel.command("AT+CGACT?", "+CGACT:")
        if self.view.attached and lines:
            self.view.attached = any(line.rstrip().endswith(b"1") for line in lines)
            self._stat = -1  # the next URC decides

    async def _look_at_client(self):
        self.view.mode = await self._lexi.lwm2m.mode()

    async def _look_at_servers(self):
        view = self.view
        ids = await self._ask(self._lexi.lwm2m.servers())
        rows = await self._ask(self._rows())
        if ids is None and rows is None:
            return  # it did not tell
        ids = ids or []
        known = [int(row[0]) for row in rows or ()] or ids
        off = [int(row[0]) for row in rows or () if row[-1] != "0"]
        wanted = self._wanted and list(self._wanted)
        if wanted is None:
            # Those enabled now, and those once wanted that still have a row.
            wanted = [s for s in known if s not in off or self.ladder.track(s) is not None]
        if wanted != [track.id for track in self.ladder.tracks]:
            self.ladder.watch(wanted)
            self._compare(self.now_s())
        view.missing = tuple(s for s in wanted if s not in known and s not in ids)
        if self._registry.dropped:  # more servers than it has room for
            listed = self._registry.servers()
            view.missing = tuple(s for s in wanted if s not in listed)
        view.disabled = tuple(s for s in wanted if s in off)

    async def _rows(self):
        # The rows of AT+ULWM2MCONFIG?, each a list of numbers as texts: of all that config.py can do
        # nothing else is needed here.
        rows = []

        def on_info(line):
            row = readable(line.rest()).replace(" ", "").split(",")
            if len(row) == _CONFIG_FIELDS and all(field.isdigit() for field in row):
                rows.append(row)
            else:
                self.channel.count_malformed()

        await self._lexi.lwm2m.read("+ULWM2MCONFIG", on_info)
        return rows

    async def _look_at_imei(self):
        lines = await self.channel.command("AT+CGSN", "")
        self._imei = b"".join(lines)

    def _cfun_answer(self, line):
        if line.int(0) is not None:
            self.view.radio_on = line.int(0) == 1

    def _cereg(self, line):
        at = line.at + 1
        stat = line.buf[at] - 48
        if at + 1 != line.stop or line.buf[at - 1] != 32 or not 0 <= stat <= 9:  # not "+CEREG: 5"
            if line.fields() == 0 or _is_answer(line):
                return
            stat = line.int(0)
        view = self.view
        if stat != self._stat or view.attached is None:
            self._network(stat)
        if view.sim == rules.SIM_FAILED and view.attached:
            view.sim = rules.SIM_UNKNOWN

    def _cereg_answer(self, line):
        self._network(line.int(1))

    def _network(self, stat):
        if stat is not None:
            self._stat = stat
            self.view.attached = stat in _ATTACHED
            self.view.denied = stat == _DENIED
            self._stir()


def _is_answer(line):
    # "+CEREG: <n>,<stat>": as a URC its second field is missing, empty or in quotes.
    return line.kind(1) == INT
