# Questions to the module, from the bottom up, whose answers make a Case's View. They touch nothing,
# but for a PIN that is entered once.

from micropython import const

from atport.errors import AtTimeout, CmeError, PortError
from atport.lazy import tidy
from atport.line import INT
from atport.text import readable

from .policy import NEVER, SIM_FAILED, SIM_LOCKED, SIM_READY, SIM_UNKNOWN

_CONFIG_FIELDS = const(12)  # manual: +ULWM2MCONFIG; first the server, last <server_disabled>
_ROW_CID = const(3)  # its place in such a row
_CID = const(1)  # where no row tells
_ATTACHED = (1, 5)  # 3GPP TS 27.007, +CEREG <stat>
_DENIED = const(3)
_SIM_LOCKS = (11, 12)  # 3GPP TS 27.007, 9.2
_SIM_FAULTS = (10, 13, 15)


class Diagnosis:
    """Asks the module behind one Lexi.

    keeper: store.Keeper. failed(e) counts what went wrong. stir(): called when the network changes.
    wanted: short server IDs, or None for those that are enabled. pin, cid, fota_setup: see
    Supervisor.
    """

    def __init__(self, lexi, case, keeper, failed, stir, wanted, pin, cid, fota_setup):
        self._channel = lexi.channel
        self._lwm2m = lexi.lwm2m
        self._monitor = lexi.monitor
        self._registry = lexi.registry
        self._case = case
        self._view = case.view
        self._keeper = keeper
        self._failed = failed
        self._stir = stir
        self._wanted = wanted
        self._pin = pin
        self._fota_setup = fota_setup
        self._set_up = False  # URCs were asked for, since the module's last restart
        self._cid = cid
        self._cids = (cid or _CID,)  # contexts that are used
        self._active = None  # whether one of them is, as the answer says
        self._level = 0  # of +CEREG, as it was read
        self._stat = -1  # of +CEREG, as it was seen last
        self._heeded_s = NEVER  # when a +CGEV was
        self.imei = b""
        self._channel.on("+CEREG:", self._cereg, reads=True)
        self._channel.on("+CGEV:", self._cgev)

    async def run(self):
        # Ask everything; what is refused stays as it was known, silence ends it (AtTimeout).
        view = self._view
        restarts = self._registry.restarts
        ask = self._ask
        command = self._channel.command
        try:
            if not self._set_up:
                if self._fota_setup:
                    await ask(command(self._fota_setup))
                await ask(command("AT+CGEREP=1"))
                self._set_up = True
            view.sim = SIM_UNKNOWN
            await ask(self._look_at_sim())
            await ask(command("AT+CFUN?", "+CFUN:", on_info=self._cfun))
            self._level = None
            await ask(command("AT+CEREG?", "+CEREG:", accept=_is_answer, on_info=self._registered))
            if self._level == 0:  # a higher one is the application's
                await ask(command("AT+CEREG=1"))
            mode = await ask(self._lwm2m.mode())
            if mode is not None:
                view.mode = mode
            await ask(self._look_at_servers())
            self._active = None
            await ask(command("AT+CGACT?", "+CGACT:", on_info=self._cgact))
            if view.attached and self._active is False:  # as good as not attached
                view.attached = False
                self._stat = -1  # the next URC decides
            await ask(self._monitor.poll())
            if not self.imei:
                self.imei = b"".join(await ask(command("AT+CGSN", "")) or ())
        finally:
            if restarts == self._registry.restarts:
                view.diagnosed_s = self._channel.clock.now_s()

    def restarted(self):
        # The module restarted: it may have forgotten what was set up.
        self._set_up = False

    def compare(self):
        # Let the case follow the registry, also if it missed an event.
        now_s = self._channel.clock.now_s()
        for state in self._case.servers:
            code = self._registry.code(state.id)
            if code != state.code:
                self._case.see(now_s, state.id, code)

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
        view = self._view
        try:
            answer = b"".join(await self._channel.command("AT+CPIN?", "+CPIN:"))
        except CmeError as e:
            if e.code in _SIM_LOCKS:
                view.sim = SIM_LOCKED
            elif e.code in _SIM_FAULTS:
                view.sim = SIM_FAILED
            return
        if answer == b"READY" or (answer == b"SIM PIN" and await self._enter_pin()):
            view.sim = SIM_READY
            if self._case.budgets.pin_tried:
                self._case.budgets.set_pin_tried(0)
        elif answer:
            view.sim = SIM_LOCKED

    async def _enter_pin(self):
        # Once, and only if a reset cannot make us forget that.
        if self._pin is None or self._case.budgets.pin_tried:
            return False
        self._case.budgets.set_pin_tried(1)
        if not await self._keeper.write(self._channel, True):
            self._case.budgets.set_pin_tried(0)
            return False
        try:
            await self._channel.command("AT+CPIN=", args=(self._pin,), secret=True)
        except AtTimeout:
            raise
        except PortError as e:
            self._failed(e)
            return False
        return True

    async def _look_at_servers(self):
        case = self._case
        ids = await self._ask(self._lwm2m.servers())
        rows = await self._ask(self.rows())
        if ids is None and rows is None:
            return  # it did not tell
        disabled = {}  # short ID: whether its row says so
        cids = {}
        for row in rows or ():
            server = int(row[0])
            disabled[server] = row[-1] != "0"
            cids[server] = int(row[_ROW_CID])
        ids = ids or []
        wanted = self._wanted
        if wanted is None:
            # Those enabled now, and those once wanted that still have a row.
            wanted = [
                server
                for server in disabled or ids
                if not disabled.get(server) or case.server(server) is not None
            ]
        if list(wanted) != [state.id for state in case.servers]:
            case.watch(wanted)
            self.compare()
        known = ids + list(disabled)
        if self._registry.dropped:  # more servers than it has room for
            known = self._registry.servers()
        self._view.missing = tuple([each for each in wanted if each not in known])
        self._view.disabled = tuple([each for each in wanted if disabled.get(each)])
        if self._cid is None:
            self._cids = [cids[each] for each in wanted if each in cids] or (_CID,)

    async def rows(self):
        # The rows of AT+ULWM2MCONFIG?, each a list of numbers as texts.
        rows = []

        def on_info(line):
            row = readable(line.rest()).replace(" ", "").split(",")
            if len(row) == _CONFIG_FIELDS and all(field.isdigit() for field in row):
                rows.append(row)
            else:
                self._channel.count_malformed()

        await self._lwm2m.read("+ULWM2MCONFIG", on_info)
        return rows

    def _cfun(self, line):
        if line.int(0) is not None:
            self._view.radio_on = line.int(0) == 1

    def _cgact(self, line):
        # Another context that is active proves nothing.
        if line.int(0) in self._cids:
            self._active = self._active or line.int(1) == 1

    def _cereg(self, line):
        at = line.at + 1
        stat = line.buf[at] - 48
        if at + 1 != line.stop or line.buf[at - 1] != 32 or not 0 <= stat <= 9:  # not "+CEREG: 5"
            if line.fields() == 0 or _is_answer(line):
                return
            stat = line.int(0)
        view = self._view
        if stat != self._stat or view.attached is None:
            self._network(stat)
        if view.sim == SIM_FAILED and view.attached:
            view.sim = SIM_UNKNOWN

    def _registered(self, line):
        self._level = line.int(0)
        self._network(line.int(1))

    def _cgev(self, line):
        # A context or the network was lost: looked at soon, but not at every such line.
        lost = line.buf.find(b"DEACT", line.at, line.stop) >= 0
        lost = lost or line.buf.find(b"DETACH", line.at, line.stop) >= 0
        now_s = self._channel.clock.s
        if lost and now_s - self._heeded_s >= self._case.policy["fresh_s"]:
            self._heeded_s = now_s
            self._view.diagnosed_s = NEVER
            self._stir()

    def _network(self, stat):
        if stat is not None:
            self._stat = stat
            self._view.attached = stat in _ATTACHED
            self._view.denied = stat == _DENIED
            self._stir()


def _is_answer(line):
    # "+CEREG: <n>,<stat>": as a URC its second field is missing, empty or in quotes.
    return line.kind(1) == INT


tidy(__file__)
