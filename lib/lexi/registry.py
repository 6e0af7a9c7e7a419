# What is known of every LwM2M server, fed by +ULWM2MSTAT URCs and by polls. No I/O.
#
# Everything sits in objects made at the start, so an update allocates nothing; a server, URI or
# address that is heard of for the first time takes some bytes if there are any (known.py). Times are
# seconds of the channel's clock (`clock.s`). A code the manual does not list is reported and changes
# nothing; a line that does not say what it should is counted, which leads to a poll (monitor.py).

import time
from micropython import const

from atport.errors import check, check_plain, need, refuse
from atport.line import BIG, INT, TEXT

from . import codes
from .codes import BOOTSTRAP, CLIENT, CONNECTION, INIT, NO_CODE, NOTIFICATION, REGISTRATION
from .codes import STATUS, TIMER
from .known import Cell, Notified, Server, linked

_NONE = const(-1)
_LONGEST_S = const(1000000)
_WAIT_MS = const(3600000)  # a wait without a deadline of its own is taken up again every hour
_MAX_ID = const(0xFFFF)


def wait_ms(timeout_s):
    """Return `timeout_s`, an int or float, in ms, or raise ValueError."""
    ok = isinstance(timeout_s, (int, float)) and 0 <= timeout_s <= _LONGEST_S
    need(ok, "timeout_s", timeout_s, "0..%d" % _LONGEST_S)
    return int(timeout_s * 1000)


def _nobody(event, server, value):
    pass


class Registry:
    """State of up to `max_servers` servers and `max_uris` notified URIs (per server).

    server is a short server ID, 0..65535, everywhere; ValueError for anything else.

    A URI is kept up to `uri_size` bytes, an address up to `address_size`; more is cut off.

    Counters: restarts; unknown_codes, unknown_events; dropped (events of servers and URIs for
    which there was no room).
    """

    def __init__(self, channel, runtime, max_servers=8, max_uris=16, uri_size=32, address_size=64):
        check("max_servers", max_servers, 1, 1000)
        check("max_uris", max_uris, 1, 1000)
        check("uri_size", uri_size, 8, 255)
        check("address_size", address_size, 8, 255)
        self.channel = channel
        self._clock = channel.clock
        self.runtime = runtime
        self._waiting = []  # signals of who waits for a registration
        self._watching = []  # and of who has to know of restarts and polls: see wake()
        # Those in use come first, in the order in which they were heard of.
        self._cells = linked([Cell(address_size) for _ in range(max_servers)])
        self._first = self._cells[0]
        self._uris = linked([Notified(uri_size, i) for i in range(max_uris)])
        self._uri_count = 0  # of those in use
        self._subscribers = ()
        self._number = channel.line.number
        self._tell = _nobody  # tells the subscribers: one of them, or _tell_all
        self._watches = []  # (URI, who is told of it)

        self.client_status = None  # manual: <client_status>, describe.CLIENT_STATUS
        self.init_status = None  # manual: <client_init_status>
        self.restarts = 0
        self.unknown_codes = 0
        self.unknown_events = 0
        self.dropped = 0
        channel.on("+ULWM2MSTAT:", self._stat, reads=True)

    # Questions

    def servers(self):
        """Short IDs of the servers heard of."""
        return [cell.id for cell in self._cells if cell.id is not None]

    def code(self, server):
        """Status code of a server; codes.NO_CODE when nothing is known since the last restart."""
        cell = self._find(check("server", server, 0, _MAX_ID))
        return NO_CODE if cell is None else cell.code

    def registered(self, server):
        """Whether the server is registered, as far as is known."""
        return self.code(server) in codes.REGISTERED

    def server(self, server):
        """A Server with all that is known, or None for one never heard of."""
        cell = self._find(check("server", server, 0, _MAX_ID))
        return None if cell is None else Server(cell)

    def uri(self, index):
        """(server, URI, count, time of the last) of a notified URI, by its index."""
        check("index", index, 0, self._uri_count - 1)
        item = self._uris[index]
        return item.server, item.text().decode(), item.count, item.at_s

    def uris(self):
        """All notified URIs, as uri() gives them."""
        return [self.uri(i) for i in range(self._uri_count)]

    def notified(self, server, uri):
        """(count, age in s) of the notifications of a URI; (0, None) when there was none.

        A notification was triggered, which does not say that the server got it.
        """
        check("server", server, 0, _MAX_ID)
        need(isinstance(uri, str), "uri", uri, "a str")
        if len(uri) > 1 and uri[-1] == "/":
            uri = uri[:-1]
        text = uri.encode()
        for item in self._uris:
            if item.server == server and item.is_at(text, 0, len(text)):
                return item.count, self._clock.s - item.at_s
        return 0, None

    async def wait_registered(self, server, timeout_s):
        """Wait until the server is registered; False when `timeout_s` have passed."""
        check("server", server, 0, _MAX_ID)
        left_ms = wait_ms(timeout_s)
        signal = self.runtime.signal()
        self._waiting.append(signal)
        try:
            while not self.registered(server):
                if left_ms <= 0:
                    return False
                since_ms = self._clock.ms()
                await signal.wait_ms(min(left_ms, _WAIT_MS))
                left_ms -= time.ticks_diff(self._clock.ms(), since_ms)
                self.channel.check_owner()
            return True
        finally:
            self._waiting.remove(signal)

    def watch(self, signal):
        """Set a signal of the runtime at a restart of the module, and by wake().

        It must have one waiter. Of changes subscribers are told.
        """
        self._watching.append(signal)

    def wake(self):
        """Set these signals, and wake who waits for a registration."""
        for signal in self._watching:
            signal.set()
        for signal in self._waiting:
            signal.set()

    def subscribe(self, fn):
        """Call fn(event, server, value), a plain function, after every event was applied.

        value is the status code, the seconds to the next update, the index of the URI (see
        uri()), the client or initialization status (server is 0 then), or the connection status.
        Of an unknown event server and value are what it holds there, value -1 for nothing.
        """
        check_plain("fn", fn)
        self._subscribers += (fn,)
        self._choose()

    def unsubscribe(self, fn):
        """End a subscription."""
        fns = list(self._subscribers)
        fns.remove(fn)
        self._subscribers = tuple(fns)
        self._choose()

    def _choose(self):
        # How they are told.
        fns = self._subscribers
        self._tell = self._tell_all if len(fns) > 1 else fns[0] if fns else _nobody

    def _tell_all(self, event, server, value):
        for fn in self._subscribers:
            self._call(fn, event, server, value)

    def _call(self, fn, event, server, value):
        # What it raises is counted: nobody else is to miss an event for it, and no poll to end.
        try:
            refuse(fn(event, server, value))
        except Exception as e:
            self.channel.report(e)

    def watch_uri(self, uri, fn):
        """Call fn() for every notification of one URI, also when the table of URIs is full."""
        need(isinstance(uri, str), "uri", uri, "a str")
        check_plain("fn", fn)
        self._watches.append((uri.encode(), fn))
        for item in self._uris:
            item.watched = True

    def _tell_watches(self, buf, start, stop):
        # Tell who watches this URI; return whether anybody does.
        watched = False
        for uri, fn in self._watches:
            if stop - start == len(uri) and buf.startswith(uri, start):
                watched = True
                try:
                    refuse(fn())
                except Exception as e:  # counted: the others are to know too
                    self.channel.report(e)
        return watched

    def settle(self):
        """Make exact copies of what was heard for the first time when there was no memory for them.

        Nothing is lost without it, but such lines take longer.
        """
        for cell in self._cells:
            cell.settle()
        for item in self._uris:
            item.settle()

    # Updates

    def put(self, server, code, timer_s=None):
        """Take one line of a poll: AT+ULWM2MREG?. An unchanged code is no event."""
        cell = self._find(server)
        if (NO_CODE if cell is None else cell.code) != code:
            self._call(self._apply, REGISTRATION, server, code)
        if timer_s is not None and code in codes.REGISTERED:
            self._call(self._apply, TIMER, server, timer_s)

    def keep_only(self, servers):
        """After a complete poll: of a server it did not list nothing is known any more."""
        for cell in self._cells:
            if cell.code != NO_CODE and cell.id not in servers:
                cell.forget(self._clock.s)
                self._call(self._notify, REGISTRATION, cell.id, NO_CODE)

    def restarted(self):
        """The module restarted: nothing that was known of the servers holds any more."""
        self.restarts += 1
        for cell in self._cells:
            cell.forget(self._clock.s)
        self.client_status = None
        self.init_status = None
        self.channel.note_reboot()
        self.wake()

    # One URC. The most frequent ones, of a server and with texts that are known, are told without
    # reading fields; whatever looks different in any way is left to _read().

    def _stat(self, line):
        buf = line.buf
        at = line.at + 1
        cell = self._first
        while cell is not None and not (cell.digits and buf.startswith(cell.digits, at + 1)):
            cell = cell.next
        if cell is None or buf[at - 1] != 32:
            return self._read(line)
        event = buf[at] - 48
        at += cell.skip
        if event == REGISTRATION or event == TIMER or event == BOOTSTRAP:
            if at + 1 == line.stop and 47 < buf[at] < 58:
                at = buf[at] - 48
            else:
                at = self._number(at)
            if at == cell.code and event != TIMER and at != NO_CODE:
                return self._tell(event, cell.id, at)
            if at < 0 or (event != TIMER and at not in STATUS):
                return self._read(line)
            return self._update(cell, event, at)
        if event == NOTIFICATION:
            return self._notified(line, cell.id, at)
        if event == CONNECTION:
            return self._created(line, cell, at)
        return self._read(line)

    # These return what a subscriber returned: the channel tells if it was async.

    def _update(self, cell, event, value):
        # A status (events 0 and 1, one code space) or a timer.
        if event == TIMER:
            cell.timer_s = value
            cell.timer_at_s = self._clock.s
        elif cell.code != value:
            cell.code = value
            cell.since_s = self._clock.s
            if self._waiting:
                self.wake()
        return self._tell(event, cell.id, value)

    def _notified(self, line, server, at):
        # Event 3, the URI in its quotes at `at`.
        item = self._uris[0]
        while item is not None:
            if item.server == server and item.ends(line, at):
                return self._count_uri(item)
            item = item.next
        return self._read(line)

    def _count_uri(self, item):
        item.count += 1
        item.at_s = self._clock.s
        if item.watched:
            item.watched = self._tell_watches(item.buf, 1, 1 + item.used)
        return self._tell(NOTIFICATION, item.server, item.index)

    def _created(self, line, cell, at):
        # Event 6, the connection status at `at`: created or restored, to the address that is known?
        status = line.buf[at] - 48
        at += 2
        if line.buf[at - 1] != 44 or (status != 0 and status != 2):
            return self._read(line)
        if not cell.ends(line, at):
            return self._read(line)
        return self._connection(cell, status, _NONE, _NONE)

    def _read(self, line):
        # Any line, by its fields. The ints that lead it decide; behind them is a text, or nothing
        # that matters.
        count = line.fields()
        if line.bad:
            return None  # the channel counts it
        ints = line.ints
        kinds = line.kinds
        n = 0
        while n < count and n < 5 and kinds[n] & (INT | BIG) == INT:
            n += 1
        event = ints[0] if n else _NONE
        if event == NOTIFICATION and n == 2 and count > 2 and kinds[2] == TEXT:
            return self._notification(line, ints[1])
        if event == CONNECTION and n > 2:
            return self._connected(line, count)
        if n < 2 or event < 0 or ints[1] < 0:
            return self.channel.count_malformed()
        return self._apply(event, ints[1], ints[2] if n > 2 else _NONE, n)

    def _apply(self, event, server, value, count=3):
        # An event of ints, whose server may be a new one; `count` of them were there.
        if event == CLIENT or event == INIT:
            return self._client(event, server)
        if event > CONNECTION:
            self.unknown_events += 1
            return self._notify(event, server, value)
        if count < 3 or event == NOTIFICATION or value < 0:
            return self.channel.count_malformed()
        if event != TIMER and (event == CONNECTION or value not in STATUS):
            self.unknown_codes += 1
            return self._notify(event, server, value)
        cell = self._find(server) or self._add(server)
        return cell and self._update(cell, event, value)

    def _client(self, event, status):
        # Events 4 and 5; both have a sign of a restart.
        if event == CLIENT and status <= codes.CLIENT_SHUT_DOWN:
            if status == 0:
                self.restarted()
            elif status == codes.CLIENT_SHUT_DOWN:
                self.channel.doubt()  # no status follows: what is registered is to be read
            self.client_status = status
        elif event == INIT and codes.INIT_STARTED <= status <= codes.INIT_FAILED:
            if status == codes.INIT_STARTED:
                self.restarted()
            self.init_status = status
        else:
            self.unknown_codes += 1
        return self._notify(event, 0, status)

    def _connected(self, line, count):
        # Event 6 by its fields: <server>,<status>, then an address or two counts.
        ints = line.ints
        server = ints[1]
        status = ints[2]
        counts = (count > 3 and line.kinds[3]) | (count > 4 and line.kinds[4])
        if server < 0 or status < 0 or counts & BIG:
            return self.channel.count_malformed()
        if status > codes.CONNECTION_CLOSED:
            return self._apply(CONNECTION, server, status)
        cell = self._find(server) or self._add(server)
        if cell is None:
            return None
        if status in (0, 2) and count > 3 and line.kinds[3] & TEXT:
            cell.take(line.buf, line.starts[3], line.stops[3])
            count = 3
        sent = ints[3] if count > 3 and line.kinds[3] & INT else _NONE
        received = ints[4] if count > 4 and line.kinds[4] & INT else _NONE
        return self._connection(cell, status, sent, received)

    def _connection(self, cell, status, sent, received):
        cell.connection = status
        cell.connection_at_s = self._clock.s
        cell.sent = sent
        cell.received = received
        return self._tell(CONNECTION, cell.id, status)

    def _notification(self, line, server):
        # Event 3 by its fields.
        buf = line.buf
        start = line.starts[2]
        stop = line.stops[2]
        if server < 0 or start == stop:
            return self.channel.count_malformed()
        if stop - start > 1 and buf[stop - 1] == 47:  # "/5/0/3/" is "/5/0/3"
            stop -= 1
        item = self._uris[0]
        while item is not None and not (item.server == server and item.is_at(buf, start, stop)):
            item = item.next
        if item is None:
            item = self._add_uri(server, buf, start, stop)
        return item and self._count_uri(item)

    def _add_uri(self, server, buf, start, stop):
        if self._uri_count == len(self._uris) or server > _MAX_ID:
            self.dropped += 1
            self._tell_watches(buf, start, stop)
            return None
        item = self._uris[self._uri_count]
        item.server = server
        self._uri_count += 1
        item.take(buf, start, stop)
        return item

    def _find(self, server):
        # The server's cell, or None.
        for cell in self._cells:
            if cell.id == server:
                return cell
        return None

    def _add(self, server):
        # A cell for a new server, if need be that of one of which nothing is known.
        found = None
        if 0 <= server <= _MAX_ID:
            for cell in self._cells:
                if cell.code == NO_CODE:
                    found = cell
                    if cell.id is None:
                        break
        if found is None:
            self.dropped += 1
            return None
        found.name(server, self._clock.s)
        return found

    def _notify(self, event, server, value):
        if self._waiting:
            self.wake()
        return self._tell(event, server, value)
