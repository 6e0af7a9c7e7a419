# From bytes to handlers: takes what the stream holds and serves every complete line.
#
# Final result codes, information text, prompts and raw bytes go to the one pending command, every
# other line to the handler of its name, or to a hook. pump() never waits, never allocates, never
# raises, and serves a bounded number of lines. What may have been lost opens a `gap`, which stays
# open until somebody has read the state anew.
#
# It sends nothing: see channel.py.

import sys
import time
from micropython import const

from .clock import Clock
from .errors import PortError, PortTaken, refuse
from .exchange import FINALS
from .handlers import Handlers
from .scan import GARBLED, LINE, MORE, PROMPT, TOO_LONG

_MASK = const(0x3FFFFFFF)  # counters of bytes wrap before they become big ints
_MOST = const(8)  # lines served by one pump()
_TAKEN = "a newer Channel has the stream"


class Receiver(Handlers):
    """The receiving half of a Channel; see there for the arguments.

    Counters: received, overrun (bytes); lines, urcs, unknown, overlong, undecodable, malformed
    (the registry's), doubts (things after which the known state may be old), late (final result
    codes nobody waited for), handler_errors, stream_errors.
    """

    def __init__(self, stream, runtime, clock, line):
        super().__init__(line)
        self.stream = stream
        self.clock = clock or Clock()
        self.ring = line.ring
        for i, text in enumerate(FINALS):
            line.add(text, i + 1)
        # Hooks of the application, plain functions; the library sets none of these three.
        self.on_unknown = None  # called with the line that no handler and no command wanted
        self.on_gap = None  # called while there is a gap, after every batch of input
        self.on_error = None  # called with what a handler raised, which else is printed
        # And of the library.
        self.watch_gap = None  # as on_gap: the monitor's
        self.on_close = None  # called when a newer Channel takes the stream: the facade's
        self.received = 0
        self.overrun = 0
        self.overlong = 0
        self.lines = 0
        self.urcs = 0
        self.unknown = 0
        self.undecodable = 0
        self.malformed = 0
        self.doubts = 0
        self.late = 0
        self.handler_errors = 0
        self.stream_errors = 0
        self.lost = 0  # reasons so far to read the state anew
        self.gap = False  # there is one that close_gap() was not told of

        self.pending = None  # the Exchange that waits for its final result code
        self.owed = 0  # commands that gave up: their answers may still come
        self.prompt_seen = False  # a prompt came, and nobody has answered it
        self.heard_ms = self.clock.ms()  # when bytes came last
        self.heard_s = self.clock.s  # when a readable line came last
        self._busy = False  # lines are being served
        self.closed = False  # a newer Channel has the stream, see close()
        self.left = False  # the last pump() has left lines to serve
        self._changed = runtime.signal()  # set for who waits: for an answer, or for a prompt
        self._no_memory = MemoryError("the receive path")  # later there is no memory to make it
        self._failure = None  # the exception that has ended _serve()
        self._serving = None
        self._restart()

    # Loss

    def close_gap(self, lost):
        """State was read anew after `lost` had this value."""
        self.gap = lost != self.lost

    def _lose(self):
        self.lost += 1
        self.gap = True
        if not self._busy:  # else pump() calls them
            self._busy = True
            try:
                self._tell_gap()
            finally:  # after Ctrl-C too
                self._busy = False

    def _tell_gap(self):
        try:
            if self.watch_gap:
                self.watch_gap()
            if self.on_gap:
                refuse(self.on_gap())
        except Exception as e:  # counted, as those of handlers
            self.report(e)

    def doubt(self):
        """Something happened after which the known state may be old."""
        self.doubts += 1
        self._lose()

    def count_malformed(self):
        """A line could be read, but does not say what its kind has to say."""
        self.malformed += 1
        self._lose()

    def count_undecodable(self):
        """A line could not be read."""
        self.undecodable += 1
        self._lose()

    # Receiving

    def pump(self):
        """Take one chunk from the stream and serve what is complete; return the bytes taken.

        1 or more is also said when lines are left to serve. Raises nothing but PortTaken, when a
        newer Channel has the stream, and KeyboardInterrupt.
        """
        try:
            return next(self._serving)
        except ValueError:
            if self._failure is None:
                return 0  # a handler calls: the rest comes when it has returned
        except Exception:  # told below
            pass
        except BaseException:  # Ctrl-C: bytes may have been on their way
            self._restart()
            self.doubt()
            raise
        self.check_owner()
        e = self._failure or self._no_memory  # there was none to make it, or to start anew
        self._restart()
        self.report(e)
        return 0

    def check_owner(self):
        """Raise PortTaken when a newer Channel has the stream."""
        if self.closed:
            raise PortTaken(_TAKEN)

    def close(self):
        """Give up the stream for good: pump() and commands raise PortTaken from now on."""
        if not self.closed:
            self.closed = True
            self._serving = iter(())
            print("atport: %s, this one is closed" % _TAKEN)
            self.fail(PortTaken(_TAKEN))
            if self.on_close:
                self.on_close()

    def _restart(self):
        # What an exception went through is over, and made anew.
        if self.closed:
            return
        self._failure = None
        self._busy = False
        self.left = self.ring.start < self.ring.end
        try:
            self._serving = self._serve()
            next(self._serving)
        except MemoryError:  # the next pump() tries again
            pass

    def _serve(self):
        # The receive path, one turn at each pump(). A generator, as its frame is made once: that
        # of a function with so many locals would be taken from the heap at each call.
        ring = self.ring
        fill = ring.fill
        buf = ring.buf
        find = buf.find
        startswith = buf.startswith
        clock = self.clock
        ticks = clock.ticks
        line = self.line
        events = line.events()
        line_size = line.line_size
        next(events)
        yield 0  # everything is made
        try:
            while True:
                # Bytes, unless some are left from the last turn.
                n = 1
                if self.left:
                    self.left = False
                else:
                    try:
                        n = fill()
                    except Exception as e:  # the stream's, or out of memory: tried again next time
                        self.stream_errors += 1
                        if isinstance(e, MemoryError):
                            self.fail(e)
                        n = 0
                    if n == 0:
                        yield 0
                        continue
                    self.received = (self.received + n) & _MASK
                now_ms = ticks()
                if time.ticks_diff(now_ms, clock.last_ms) >= 1000:
                    clock.ms()
                if line.state and self._raw is not None:
                    self._raw.listen(now_ms)
                self.heard_ms = now_ms
                self._busy = True
                left = _MOST
                long_way = False
                while ring.start < ring.end:
                    if left == 0:
                        self.left = True
                        break
                    left -= 1
                    what = -1
                    try:
                        # A line. Most go the short way: whole, of a name whose handler reads it
                        # itself, and with no command waiting. The scanner has all others, and
                        # those that could not be read: there may be a lone CR in them.
                        name = None
                        begin = start = ring.start
                        if startswith(b"\r\n", start):
                            start += 2
                        stop = find(b"\n", start, ring.end) - 1
                        if (
                            0 < stop - start <= line_size
                            and buf[stop] == 13
                            and buf[stop - 1] > 32
                        ):
                            if not (line.state or long_way or self.pending):
                                for name in self._readers:
                                    if startswith(name.text, start):
                                        break
                                else:
                                    name = None
                        if name is not None:
                            what = LINE
                            self.lines += 1
                            ring.start = stop + 2
                            line.start = start
                            line.stop = stop
                            line.at = start + name.size
                            line.name = name
                            line.count = -1
                            line.bad = False
                        else:
                            what = next(events)
                            if what == MORE:
                                break
                            if what != LINE and not self._special(what):
                                continue
                            self.lines += 1
                            name = line.name
                            if name is None or name.tag or self.pending:
                                if self._answers(line, name):
                                    continue
                            if name is None or name.handler is None:
                                self._unknown(line)
                                continue
                            if not name.reads:
                                line.fields()
                            begin = -1
                            long_way = False
                        # A URC.
                        if not line.bad:
                            self.urcs += 1
                            self.heard_s = clock.s
                            result = name.handler(line)
                            if result is not None:
                                refuse(result)
                            if not line.bad:
                                continue
                            self.urcs -= 1
                        if begin >= 0:
                            ring.start = begin
                            long_way = True
                            self.lines -= 1
                        else:
                            self.count_undecodable()
                            self._show(line)
                    except Exception as e:  # a handler's: counted, and the next line is served
                        if what < 0:
                            raise
                        self.report(e)
                if ring.cut and not self.left:
                    self._cut()
                if self.gap:
                    self._tell_gap()
                self._busy = False
                yield n
        except Exception as e:
            self._failure = e
            raise

    def crowded(self):
        """Whether the UART's buffer is half full: then there is no time to wait for a whole line."""
        try:
            return self.ring.crowded()
        except Exception:  # the stream's: pump() finds out more
            self.stream_errors += 1
            return True

    def feed(self, data):
        """Serve bytes that come from elsewhere than the stream. Not for handlers."""
        if self._busy:
            raise PortError("feed: a handler is running")
        first = 0
        while first < len(data):
            before = first
            first = self.ring.feed(data, before)
            self.received = (self.received + first - before) & _MASK
            self.left = True
            tries = 3  # it fails when it is out of memory
            while self.left and tries:
                tries -= self.pump() == 0
            if self.left:
                self._lose()
                return

    def _answers(self, line, name):
        # Whether the line belongs to a command, pending or not: then it is served.
        pending = self.pending
        if name is not None and name.tag:
            self.heard_s = self.clock.s
            if pending is None or not pending.finish(name.tag, line):
                self.late += 1
                self.owed -= self.owed > 0
            self._changed.set()
            return True
        if pending is None or not pending.takes(line, name):
            return False
        self.heard_s = self.clock.s
        if pending.result or pending.failed:
            self._changed.set()
        return True

    def _unknown(self, line):
        if line.start == line.stop:  # nothing but noise
            self.count_undecodable()
            return
        self.unknown += 1
        line.fields()
        line.check(line.start, line.stop)
        if line.bad:  # it may have been one that matters
            self.count_undecodable()
        else:
            self.heard_s = self.clock.s
        self._show(line)

    def _show(self, line):
        if self.on_unknown:
            refuse(self.on_unknown(line))

    def _special(self, what):
        # Serve what is no line; whether a line is left to serve.
        if what == PROMPT:
            self.prompt_seen = True
            self._changed.set()
        elif what == TOO_LONG:
            self.overlong += 1
            self._lose()
            if self.pending is not None and self.pending.expects(self.line):
                self.pending.error = PortError(
                    "information text: over %d bytes" % self.line.line_size
                )
        else:
            return self._raw.serve(what)
        return False

    def _cut(self):
        # The UART lost bytes right here.
        self.ring.cut = False
        self.overrun = self.ring.overrun
        self._lose()
        if self.line.cut() == GARBLED:
            self._raw.serve(GARBLED)

    # Failures

    def fail(self, e):
        """The pending command cannot get its answer any more: it raises `e`."""
        if self.pending is not None:
            self.pending.error = e
            self.pending.failed = True
            self._changed.set()

    def report(self, e):
        """Count what a handler raised, and print it unless on_error takes it.

        Out of memory also ends the command that waits.
        """
        self.handler_errors += 1
        if isinstance(e, MemoryError):
            self.doubt()
            self.fail(e)
        if self.on_error:
            try:
                refuse(self.on_error(e))
                return
            except Exception as failed:  # the hook itself failed
                self.handler_errors += 1
                sys.print_exception(failed)
        sys.print_exception(e)
