"""The outside of the simulator: pty, TCP and control ports around one `Module`, in one loop.

The only file that reads a clock. Bytes from any port reach the module's one UART; what the
module sends goes to every port. Unix only (pty).
"""

import os
import queue
import selectors
import signal
import socket
import sys
import time
import tty
from contextlib import suppress

from .control import run_verb

_HOST = "127.0.0.1"
_CHUNK = 4096
_BACKLOG_LIMIT = 65536  # bytes kept for a reader that does not read
_LINE_LIMIT = 4096  # bytes of a control line
_COALESCE_S = 0.0005  # byte events closer than this are served together


class Port:
    """A byte pipe with an output queue; what does not fit in a bounded one is lost and counted."""

    def __init__(self, name, fileno, bounded=True):
        self.bounded = bounded
        self.name = name
        self.fileno = fileno
        self.pending = bytearray()
        self.lost_bytes = 0

    def queue(self, data):
        """Take bytes to be written when the reader lets us."""
        room = max(0, _BACKLOG_LIMIT - len(self.pending)) if self.bounded else len(data)
        self.lost_bytes += max(0, len(data) - room)
        self.pending += data[:room]

    def flush(self):
        """Write what can be written now."""
        while self.pending:
            try:
                count = os.write(self.fileno, self.pending[:_CHUNK])
            except BlockingIOError:
                return
            del self.pending[:count]


class Simulator:
    """Owns the ports and runs the loop until the duration is over or a signal comes."""

    def __init__(self, module):
        self._module = module
        self._selector = selectors.DefaultSelector()
        self._start = time.monotonic()
        self._outputs = []  # Ports the module's bytes go to
        self._sockets = []
        self._pty = None
        self._slave_fd = None
        self._link = None
        self._stopping = False
        self._calls = queue.SimpleQueue()
        self._problems_shown = 0
        self._wake_read, self._wake_write = socket.socketpair()
        self._wake_read.setblocking(False)
        self._wake_write.setblocking(False)
        self._selector.register(self._wake_read, selectors.EVENT_READ, self._woken)

    # Opening

    def open_pty(self, link=None):
        """Open the pty and, if asked, a symbolic link to it; returns the path of the slave."""
        master_fd, self._slave_fd = os.openpty()  # kept open: closing it would hang up the line
        tty.setraw(self._slave_fd)
        os.set_blocking(master_fd, False)
        path = os.ttyname(self._slave_fd)
        self._pty = Port("pty", master_fd)
        self._outputs.append(self._pty)
        self._selector.register(
            master_fd, selectors.EVENT_READ, lambda events: self._serve_port(self._pty, events)
        )
        if link is not None:
            self._make_link(path, link)
        return path

    def _make_link(self, path, link):
        if os.path.lexists(link):
            if not os.path.islink(link):
                raise ValueError(f"--link {link}: exists and is not a symbolic link")
            os.unlink(link)
        os.symlink(path, link)
        self._link = (link, path)

    def open_tcp(self, port):
        """Listen for hosts that want the UART over TCP; returns the port number."""
        return self._listen(port, self._accept_host)

    def open_control(self, port):
        """Listen for control connections; returns the port number."""
        return self._listen(port, self._accept_control)

    def _listen(self, port, accept):
        listener = socket.create_server((_HOST, port))
        listener.setblocking(False)
        self._sockets.append(listener)

        def serve(events):
            with suppress(OSError):  # the peer has already gone
                accept(listener.accept()[0])

        self._selector.register(listener, selectors.EVENT_READ, serve)
        return listener.getsockname()[1]

    def _accept_host(self, connection):
        self._prepare(connection)
        port = Port("tcp", connection.fileno())
        self._outputs.append(port)

        def serve(events):
            if not self._serve_port(port, events):
                self._outputs.remove(port)
                self._close(connection)

        self._selector.register(connection, selectors.EVENT_READ, serve)

    def _accept_control(self, connection):
        self._prepare(connection)
        port = Port("control", connection.fileno(), bounded=False)
        received = bytearray()

        def serve(events):
            if not self._serve_control(port, received, events):
                self._close(connection)

        self._selector.register(connection, selectors.EVENT_READ, serve)

    def _prepare(self, connection):
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sockets.append(connection)

    def _close(self, connection):
        self._selector.unregister(connection)
        self._sockets.remove(connection)
        connection.close()

    # Running

    def start(self, steps=()):
        """Time begins: the module was switched on now. Plays the scenario steps."""
        self._start = time.monotonic()
        self._catch_signals()
        self._module.play(steps)

    def call_soon(self, action):
        """Call `action()` in the loop. For other threads."""
        self._calls.put(action)
        with suppress(BlockingIOError):  # full: it will wake up anyway
            self._wake_write.send(b"\0")

    def watch(self, connection, readable):
        """Call `readable()` whenever a socket of somebody else can be read."""

        def serve(_):
            self._deliver(self._module.advance(self.now_s()))
            readable()

        self._selector.register(connection, selectors.EVENT_READ, serve)

    def unwatch(self, connection):
        """No more."""
        self._selector.unregister(connection)

    def now_s(self):
        """Real seconds since the start."""
        return time.monotonic() - self._start

    def run(self, duration_s=None):
        """Serve until `duration_s` real seconds are over (None: for ever) or a signal comes."""
        while not self._stopping:
            now_s = self.now_s()
            if duration_s is not None and now_s >= duration_s:
                break
            self._deliver(self._module.advance(now_s))
            self._show_problems()
            for key, events in self._selector.select(self._sleep_s(duration_s)):
                key.data(events)

    def _sleep_s(self, duration_s):
        now_s = self.now_s()
        times = []
        next_s = self._module.next_event_s()
        if next_s is not None:
            times.append(max(next_s - now_s, _COALESCE_S))
        if duration_s is not None:
            times.append(max(duration_s - now_s, 0.0))
        return min(times) if times else None

    def _deliver(self, data):
        if data:
            for port in self._outputs:
                port.queue(data)
        for port in self._outputs:
            self._flush(port)

    def _flush(self, port):
        with suppress(OSError):  # a port that is gone is noticed when it is read
            port.flush()
        events = selectors.EVENT_READ
        if port.pending:
            events |= selectors.EVENT_WRITE
        key = self._selector.get_key(port.fileno)
        if key.events != events:
            self._selector.modify(port.fileno, events, key.data)

    def _serve_port(self, port, events):
        """Read a UART port; returns False when a TCP host has gone."""
        if not events & selectors.EVENT_READ:
            self._flush(port)
            return True
        try:
            data = os.read(port.fileno, _CHUNK)
        except BlockingIOError:
            return True
        except OSError:
            data = b""  # EIO of a pty without an open slave, or a TCP reset
        if data:
            self._module.receive(data, self.now_s())
        return bool(data)

    def _serve_control(self, port, received, events):
        """Answer control lines; returns False when the connection has gone."""
        if events & selectors.EVENT_READ:
            try:
                data = os.read(port.fileno, _CHUNK)
            except BlockingIOError:
                return True
            except OSError:
                return False
            if not data:
                return False
            received += data
        while True:
            self._answer_control_lines(port, received)
            self._flush(port)
            if port.pending or b"\n" not in received:
                break
        return len(received) <= _LINE_LIMIT

    def _answer_control_lines(self, port, received):
        """Answer in full, but take no more lines while a long answer has not been read."""
        while b"\n" in received and len(port.pending) < _BACKLOG_LIMIT:
            line, _, rest = bytes(received).partition(b"\n")
            received[:] = rest
            text = line.decode("utf-8", "replace").strip()
            if text:
                self._deliver(self._module.advance(self.now_s()))
                port.queue(run_verb(self._module, text).encode() + b"\n")

    def _show_problems(self):
        for problem in self._module.problems[self._problems_shown :]:
            print(f"scenario: {problem}", file=sys.stderr, flush=True)
        self._problems_shown = len(self._module.problems)

    # Ending

    def _catch_signals(self):
        signal.set_wakeup_fd(self._wake_write.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)

    def _stop(self, *_):
        self._stopping = True

    def _woken(self, events):
        with suppress(BlockingIOError):
            self._wake_read.recv(_CHUNK)
        while not self._calls.empty():
            self._deliver(self._module.advance(self.now_s()))
            self._calls.get()()

    def close(self):
        """Close everything and remove the link."""
        signal.set_wakeup_fd(-1)
        if self._link is not None:
            link, path = self._link
            with suppress(OSError):
                if os.readlink(link) == path:
                    os.unlink(link)
        for connection in self._sockets:
            connection.close()
        for descriptor in (self._slave_fd, self._pty.fileno if self._pty else None):
            if descriptor is not None:
                os.close(descriptor)
        self._selector.close()
        self._wake_read.close()
        self._wake_write.close()
