# The SIM and its PIN, which is entered once: three wrong ones, and the SIM wants its PUK.

from atport.errors import AtError, need

# Sim.state
UNKNOWN = 0
READY = 1
LOCKED = 2  # it wants a PIN that we do not have or must not enter, or its PUK
FAILED = 3  # absent or broken

_LOCKS = (5, 11, 12)  # 3GPP TS 27.007, 9.2
_FAULTS = (10, 13, 15)

_TRIED = b"1"  # records of the store
_FREE = b"0"


class Sim:
    """The SIM of a module. channel: a Channel, whose reader runs.

    pin: a string of 4 to 8 digits; None: a locked SIM stays locked. It is entered once, and never
        again before the SIM was ready.
    store: remembers that over restarts of the MCU, with load() and save(bytes) as those of
        recovery.store.FileStore, in a file of its own. Whatever else than "not tried" it holds
        counts as tried, and so does a store that cannot be read or written: the PIN is not
        entered. To enter another one after a wrong one, remove its record. Without a store a
        wrong PIN is entered at each start of the MCU, and the third time locks the SIM for good.

    state: UNKNOWN, READY, LOCKED or FAILED. Raises ValueError, which does not show the PIN.
    """

    def __init__(self, channel, pin=None, store=None):
        digits = pin is None or (isinstance(pin, str) and pin.isdigit() and 4 <= len(pin) <= 8)
        need(digits, "pin", "...", "4 to 8 digits as a string, or None")
        lost = pin is not None and getattr(store, "lost_with_power", False)
        need(not lost, "pin_store", store, "one that outlives the power")
        self._channel = channel
        self._pin = pin
        self._store = store
        self._tried = False  # in this life, and the SIM was not ready since
        self.state = UNKNOWN

    async def unlock(self):
        """AT+CPIN?: return `state`, after AT+CPIN= if the SIM asks for its PIN and may have it.

        UNKNOWN while the module does not tell, as it may for some seconds after its start. Raises
        what Channel.command() raises without an answer.
        """
        self.state = UNKNOWN
        try:
            told = await self._ask()
            if told == b"SIM PIN" and await self._enter():
                told = await self._ask()
            if told == b"READY":
                self.state = READY
                if self._tried or self._pin is not None:
                    await self._remember(False)
            elif told:
                self.state = LOCKED
        except AtError as e:
            code = getattr(e, "code", None)
            if code in _LOCKS:
                self.state = LOCKED
            elif code in _FAULTS:
                self.state = FAILED
        return self.state

    async def _ask(self):
        return b"".join(await self._channel.command("AT+CPIN?", "+CPIN:"))

    async def _enter(self):
        # Once, and only if that will be remembered.
        if self._pin is None or self._tried or not await self._remember(True):
            return False
        try:
            await self._channel.command("AT+CPIN=", args=(self._pin,), secret=True)
        except AtError:
            return False
        return True

    async def _remember(self, tried):
        # Whether the store knows it now; False too for a PIN that was tried before.
        store = self._store
        if store is not None:
            data = _TRIED if tried else _FREE
            try:
                known = store.load()
                if tried and known not in (None, _FREE):
                    return False
                if known != data and (tried or known is not None):
                    if getattr(store, "writes_flash", True):
                        await self._channel.write_flash(lambda: store.save(data))
                    else:
                        store.save(data)
            except OSError:
                return False
        self._tried = tried
        return True
