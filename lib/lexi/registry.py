# What is known of every LwM2M server, fed by +ULWM2MSTAT URCs and by polls. No I/O.
#
# Everything sits in tables of fixed size, so an update allocates nothing. Times are seconds of
# the channel's clock (`clock.s`). A code the manual does not list is reported and changes
# nothing; a line that cannot be decoded is counted as lost, which leads to a poll (monitor.py).

import time
from array import array
from micropython import const

from . import codes
from atport._machine import find, fold
from atport.errors import check
from atport.scan import INT, TEXT

# Layout of the scanner's state: see _native.py.
_SHAPE = const(9)
_VALUES = const(24)
_STARTS = const(40)
_ENDS = const(56)
_ROW0 = const(74)
_ROW_SIZE = const(6)
_ROW_VALUES = const(5)

# Layout of `_cells`, shared with fold(): two words, then one cell for each server.
_CHANGES = const(0)
_SERVERS = const(1)
_CELL0 = const(2)
_CELL_SIZE = const(10)
_ID = const(0)
_CODE = const(1)
_SINCE_S = const(2)
_TIMER_S = const(3)
_TIMER_AT_S = const(4)
_CONNECTION = const(5)
_CONNECTION_AT_S = const(6)
_SENT = const(7)
_RECEIVED = const(8)

_NONE = const(-1)
_SHUT_DOWN = const(7)  # codes.CLIENT_STATUS
_WAIT_MS = const(3600000)  # a wait without a deadline of its own is taken up again every hour


class Server:
    """A copy of what is known of one server, for applications and people.

    code, name, status_class: of the registration (codes.py); since_s: when the code was first
    seen. timer_s: seconds to the next update as last reported, at timer_at_s. connection:
    0..3 (codes.CONNECTION_STATUS), at connection_at_s, with address ("host:port") and bytes
    sent and received. Times are seconds of the clock; None where nothing was reported.
    """

    def __init__(self, cells, at, address):
        self.id = cells[at + _ID]
        self.code = cells[at + _CODE]
        self.name = codes.status_name(self.code)
        self.status_class = codes.status_class(self.code)
        self.since_s = cells[at + _SINCE_S]
        self.timer_s = _or_none(cells[at + _TIMER_S])
        self.timer_at_s = None if self.timer_s is None else cells[at + _TIMER_AT_S]
        self.connection = _or_none(cells[at + _CONNECTION])
        self.connection_at_s = None if self.connection is None else cells[at + _CONNECTION_AT_S]
        self.sent = _or_none(cells[at + _SENT])
        self.received = _or_none(cells[at + _RECEIVED])
        self.address = address

    def __repr__(self):
        return "Server(%d, %d: %s)" % (self.id, self.code, self.name)


def _keep(data, start, end, table, stride, slot):
    # Copy data[start:end] into a slot, a length and stride - 1 bytes, cut to what it can hold.
    at = slot * stride
    table[at] = size = min(end - start, stride - 1)
    for i in range(size):
        table[at + 1 + i] = data[start + i]


def wait_ms(timeout_s):
    """Return `timeout_s`, an int or float, in ms, or raise ValueError."""
    if not isinstance(timeout_s, (int, float)) or timeout_s < 0:
        raise ValueError("timeout_s: %r, expected 0 or more" % (timeout_s,))
    return int(timeout_s * 1000)


def _or_none(value):
    return None if value == _NONE else value


class Registry:
    """State of up to `max_servers` servers and `max_uris` notified URIs (per server).

    A URI is kept up to `uri_size` bytes, an address up to `address_size`; more is cut off.

    Counters: restarts; unknown_codes, unknown_events; dropped (events of servers and URIs for
    which there was no room).
    """

    def __init__(self, channel, runtime, max_servers=8, max_uris=16, uri_size=32, address_size=64):
        check("max_servers", max_servers, 1, 1000)
        check("max_uris", max_uris, 1, 1000)
        check("uri_size", uri_size, 8, 255)
        check("address_size", address_size, 8, 255)
        self._channel = channel
        self._clock = channel.clock
        self._runtime = runtime
        self._signals = []
        self._max_servers = max_servers
        self._cells = array("i", bytes(4 * (_CELL0 + _CELL_SIZE * max_servers)))
        self._addresses = bytearray(max_servers * (1 + address_size))
        self._address_stride = 1 + address_size
        self._row = array("i", bytes(4 * (_ROW0 + _ROW_SIZE)))
        self._uri_count = 0
        self._uris = bytearray(max_uris * (1 + uri_size))
        self._uri_stride = 1 + uri_size
        self._uri_servers = array("H", bytes(2 * max_uris))
        self._uri_counts = array("i", bytes(4 * max_uris))
        self._uri_at_s = array("i", bytes(4 * max_uris))
        self._subscribers = []
        self._watched = None
        self._on_watched = None

        self.client_status = None  # codes.CLIENT_STATUS
        self.init_status = None  # codes.INIT_STATUS
        self.restarts = 0
        self.unknown_codes = 0
        self.unknown_events = 0
        self.dropped = 0
        channel.on("+ULWM2MSTAT:", self._line, self._rows)

    # Questions

    def servers(self):
        """Short IDs of the servers heard of."""
        return [self._cells[_CELL0 + _CELL_SIZE * i] for i in range(self._cells[_SERVERS])]

    def code(self, server):
        """Status code of a server; codes.NO_CODE when nothing is known since the last restart."""
        at = self._find(server)
        return codes.NO_CODE if at is None else self._cells[at + _CODE]

    def registered(self, server):
        """Whether the server is registered, as far as is known."""
        return self.code(server) in codes.REGISTERED

    def server(self, server):
        """A Server with all that is known, or None for one never heard of."""
        at = self._find(server)
        if at is None:
            return None
        slot = (at - _CELL0) // _CELL_SIZE * self._address_stride
        size = self._addresses[slot]
        return Server(
            self._cells, at, self._addresses[slot + 1 : slot + 1 + size].decode() if size else None
        )

    def uri(self, index):
        """(server, URI, count, time of the last) of a notified URI, by its index."""
        check("index", index, 0, self._uri_count - 1)
        at = index * self._uri_stride
        text = bytes(self._uris[at + 1 : at + 1 + self._uris[at]]).decode()
        return self._uri_servers[index], text, self._uri_counts[index], self._uri_at_s[index]

    def uris(self):
        """All notified URIs, as uri() gives them."""
        return [self.uri(i) for i in range(self._uri_count)]

    def notified(self, server, uri):
        """(count, age in s) of the notifications of a URI; (0, None) when there was none.

        A notification was triggered, which does not say that the server got it.
        """
        if len(uri) > 1 and uri[-1] == "/":
            uri = uri[:-1]
        uri = uri[: self._uri_stride - 1]
        for known, text, count, at_s in self.uris():
            if known == server and text == uri:
                return count, self._clock.s - at_s
        return 0, None

    async def wait_registered(self, server, timeout_s):
        """Wait until the server is registered; False when `timeout_s` have passed."""
        left_ms = wait_ms(timeout_s)
        signal = self._runtime.signal()
        self._signals.append(signal)
        try:
            while not self.registered(server):
                if left_ms <= 0:
                    return False
                since_ms = self._clock.ms()
                await signal.wait_ms(min(left_ms, _WAIT_MS))
                left_ms -= time.ticks_diff(self._clock.ms(), since_ms)
            return True
        finally:
            self._signals.remove(signal)

    def watch(self, signal):
        """Set a signal of the runtime whenever something changed; it must have one waiter."""
        self._signals.append(signal)

    def wake(self):
        """Set all of these signals."""
        for signal in self._signals:
            signal.set()

    def subscribe(self, fn):
        """Call fn(event, server, value), a plain function, after every event was applied.

        value is the status code, the seconds to the next update, the index of the URI (see
        uri()), the client or initialization status (server is 0 then), or the connection status.
        Of an unknown event server and value are what it holds there, value -1 for nothing.
        """
        if not callable(fn):
            raise ValueError("fn: %r, expected a function" % (fn,))
        # A new list each time: a subscriber may end its own subscription while it is called.
        fns = list(self._subscribers)
        fns.append(fn)
        self._subscribers = fns

    def watch_uri(self, uri, fn):
        """Call fn() for every notification of one URI, also when the table of URIs is full."""
        self._watched = bytes((len(uri),)) + uri.encode()
        self._on_watched = fn

    def unsubscribe(self, fn):
        fns = list(self._subscribers)
        fns.remove(fn)
        self._subscribers = fns

    # Updates

    def put(self, server, code, timer_s=None):
        """Take one line of a poll: AT+ULWM2MREG?. An unchanged code is no event."""
        if self.code(server) != code:
            self._apply(3, codes.REGISTRATION, server, code)
        if timer_s is not None and code in codes.REGISTERED:
            self._apply(3, codes.TIMER, server, timer_s)

    def keep_only(self, servers):
        """After a complete poll: of a server it did not list nothing is known any more."""
        cells = self._cells
        for i in range(cells[_SERVERS]):
            at = _CELL0 + _CELL_SIZE * i
            if cells[at + _CODE] != codes.NO_CODE and cells[at + _ID] not in servers:
                self._forget(at)
                self._notify(codes.REGISTRATION, cells[at + _ID], codes.NO_CODE)

    def restarted(self):
        """The module restarted: nothing that was known of the servers holds any more."""
        self.restarts += 1
        cells = self._cells
        for i in range(cells[_SERVERS]):
            self._forget(_CELL0 + _CELL_SIZE * i)
        self.client_status = None
        self.init_status = None
        self._channel.note_reboot()
        self.wake()

    def update(self, rows, count):
        """Apply `count` decoded events: rows in a scanner's state, see _native.py."""
        cells = self._cells
        changes = cells[_CHANGES]
        i = 0
        while i < count:
            # With subscribers one by one, so that each sees the state its event left behind.
            last = i + 1 if self._subscribers else count
            done = fold(rows, i, last, cells, self._clock.s)
            if done < last:
                self._other(rows, done)
                done += 1
            elif self._subscribers:
                at = _ROW0 + _ROW_SIZE * i
                self._notify(rows[at + 1], rows[at + 2], rows[at + 3])
            i = done
        if cells[_CHANGES] != changes:
            self.wake()

    def _rows(self, count):
        self.update(self._channel.line.state, count)

    def _apply(self, count, *values):
        row = self._row
        row[_ROW0] = count
        for i in range(len(values)):
            row[_ROW0 + 1 + i] = values[i]
        self.update(row, 1)

    def _line(self, line):
        # A URC that holds more than ints, or that came while its prefix was expected as an answer.
        st = line.state
        shape = st[_SHAPE]
        event = st[_VALUES]
        server = st[_VALUES + 1]
        start = st[_STARTS + 2]
        end = st[_ENDS + 2]
        if event == codes.NOTIFICATION and shape & 0x35 == 0x25:  # int, int, text
            if server < 0 or start == end:
                self._channel.malformed += 1
            else:
                self._notification(line, server, start, end)
            return
        # The ints that lead it decide; behind them is an address, or nothing that matters.
        row = self._row
        n = 0
        while n < _ROW_VALUES and shape & INT:
            row[_ROW0 + 1 + n] = st[_VALUES + n]
            shape >>= 2
            n += 1
        row[_ROW0] = n
        if event == codes.CONNECTION and n == 3 and shape & TEXT and st[_VALUES + 2] in (0, 2):
            if server < 0:
                self._channel.malformed += 1
                return
            at = self._find(server) or self._add(server)
            if not at:
                return
            slot = (at - _CELL0) // _CELL_SIZE
            start = st[_STARTS + 3]
            end = st[_ENDS + 3]
            _keep(line.data, start, end, self._addresses, self._address_stride, slot)
        self.update(row, 1)

    def _other(self, rows, index):
        # A row that fold() left: a new server, an unknown code, one of the other events.
        at = _ROW0 + _ROW_SIZE * index
        count = rows[at]
        event = rows[at + 1]
        server = rows[at + 2]
        value = rows[at + 3]
        if count < 2 or event < 0 or server < 0:
            self._channel.malformed += 1
        elif event == codes.CLIENT or event == codes.INIT:
            self._client(event, server)
        elif event > codes.CONNECTION:
            self.unknown_events += 1
            self._notify(event, server, value if count > 2 else _NONE)
        elif count < 3 or event == codes.NOTIFICATION or value < 0:
            self._channel.malformed += 1
        elif event == codes.CONNECTION and value < len(codes.CONNECTION_STATUS):
            known = self._find(server) or self._add(server)
            sent = rows[at + 4] if count > 4 else _NONE
            received = rows[at + 5] if count > 4 else _NONE
            self._connection(known, server, value, sent, received)
        elif event != codes.TIMER and (event == codes.CONNECTION or value not in codes.STATUS):
            self.unknown_codes += 1
            self._notify(event, server, value)
        elif self._add(server):
            fold(rows, index, index + 1, self._cells, self._clock.s)
            self._notify(event, server, value)

    def _client(self, event, status):
        # Events 4 and 5; both have a sign of a restart.
        if event == codes.CLIENT and status < len(codes.CLIENT_STATUS):
            if status == 0:
                self.restarted()
            elif status == _SHUT_DOWN:
                self._channel.doubts += 1  # no status follows: what is registered is to be read
            self.client_status = status
        elif event == codes.INIT and status in codes.INIT_STATUS:
            if status == codes.INIT_STARTED:
                self.restarted()
            self.init_status = status
        else:
            self.unknown_codes += 1
        self._notify(event, 0, status)

    def _connection(self, at, server, status, sent, received):
        if at is None:
            return
        cells = self._cells
        cells[at + _CONNECTION] = status
        cells[at + _CONNECTION_AT_S] = self._clock.s
        cells[at + _SENT] = sent
        cells[at + _RECEIVED] = received
        self._notify(codes.CONNECTION, server, status)

    def _notification(self, line, server, start, end):
        data = line.data
        if end - start > 1 and data[end - 1] == 0x2F:  # "/5/0/3/" is "/5/0/3"
            end -= 1
        watched = self._watched
        if watched and end - start == watched[0]:
            if find(data, start, end, watched, len(watched), 0, 1) == 0:
                self._on_watched()
        count = self._uri_count
        i = find(data, start, end, self._uris, self._uri_stride, 0, count)
        while i < count and self._uri_servers[i] != server:
            i = find(data, start, end, self._uris, self._uri_stride, i + 1, count)
        if i == count:
            if count == len(self._uri_counts) or server > 0xFFFF:
                self.dropped += 1
                return
            _keep(data, start, end, self._uris, self._uri_stride, i)
            self._uri_servers[i] = server
            self._uri_counts[i] = 0
            self._uri_count = count + 1
        self._uri_counts[i] += 1
        self._uri_at_s[i] = self._clock.s
        self._notify(codes.NOTIFICATION, server, i)

    def _find(self, server):
        # Where the server's cell starts, or None.
        cells = self._cells
        at = _CELL0
        for _ in range(cells[_SERVERS]):
            if cells[at + _ID] == server:
                return at
            at += _CELL_SIZE
        return None

    def _add(self, server):
        cells = self._cells
        n = cells[_SERVERS]
        if not 0 <= server <= 0xFFFF:
            self.dropped += 1
            return None
        at = _CELL0 + _CELL_SIZE * n
        if n < self._max_servers:
            cells[_SERVERS] = n + 1
        else:  # in place of one of which nothing is known
            while n and cells[at - _CELL_SIZE + _CODE] != codes.NO_CODE:
                n -= 1
                at -= _CELL_SIZE
            if n == 0:
                self.dropped += 1
                return None
            at -= _CELL_SIZE
        cells[at + _ID] = server
        self._forget(at)
        return at

    def _forget(self, at):
        cells = self._cells
        cells[at + _CODE] = codes.NO_CODE
        cells[at + _SINCE_S] = self._clock.s
        for word in (_TIMER_S, _CONNECTION, _SENT, _RECEIVED):
            cells[at + word] = _NONE
        self._addresses[(at - _CELL0) // _CELL_SIZE * self._address_stride] = 0

    def _notify(self, event, server, value):
        self.wake()
        for fn in self._subscribers:
            try:
                fn(event, server, value)
            except Exception as e:  # counted: one subscriber must not keep events from others
                self._channel.report(e)


class Events:
    """Events as they come, for `async for event, server, value in Events(registry, runtime)`.

    Holds `size` events; when full, the oldest is dropped and counted in `dropped`.
    """

    def __init__(self, registry, runtime, size=16):
        check("size", size, 1, 1000)
        self._registry = registry
        self._items = array("i", bytes(12 * size))
        self._size = size
        self._first = 0
        self._count = 0
        self._ready = runtime.signal()
        self.dropped = 0
        registry.subscribe(self._put)

    def close(self):
        """Stop listening."""
        self._registry.unsubscribe(self._put)

    def _put(self, event, server, value):
        if self._count == self._size:
            self._first = (self._first + 1) % self._size
            self._count -= 1
            self.dropped += 1
        at = (self._first + self._count) % self._size * 3
        self._items[at] = event
        self._items[at + 1] = server
        self._items[at + 2] = value
        self._count += 1
        self._ready.set()

    def __aiter__(self):
        return self

    async def __anext__(self):
        while not self._count:
            await self._ready.wait_ms(_WAIT_MS)
        at = self._first * 3
        self._first = (self._first + 1) % self._size
        self._count -= 1
        return self._items[at], self._items[at + 1], self._items[at + 2]
