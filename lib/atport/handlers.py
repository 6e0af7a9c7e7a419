# Who wants which line: handlers by the name at its start, several for one name if need be.

from .errors import check_plain, need, refuse


def check_into(into):
    """Raise ValueError unless bytes can be put into it, or it is None."""
    ok = into is None or isinstance(into, (bytearray, memoryview))
    if ok and into:
        try:
            into[0] = into[0]
        except TypeError:
            ok = False
    need(ok, "into", into, "a bytearray or None")


class Handlers:
    """The part of a Receiver that applications register their handlers with."""

    def __init__(self, line):
        self.line = line
        self._raw = None  # a Delivery, once raw bytes were announced
        self._order = []  # Names with a handler that reads, in the order of their registration
        self._readers = ()  # those of them that may go the short way, see Receiver._serve()

    def on(self, prefix, handler, *, reads=False, size_field=None, into=None):
        """Call `handler(line)`, a plain function, for lines that start with `prefix` ("+CEREG:").

        The line (a Line) is valid until the handler returns; handlers do not wait and do not send.
        Several handlers of one prefix are called in their order.
        reads: the handler calls line.fields() itself, and does nothing if the line is `bad`.
        size_field: lines of this prefix announce raw bytes in quotes, so many as that field says;
        they are put into `into` (a bytearray; None drops them), and the handler is called then
        with what came before them, its last field being their number.
        Raises ValueError for a prefix that does not end in its only colon.
        """
        name = self._name(prefix)
        check_plain("handler", handler)
        check_into(into)
        if size_field is not None:
            self.announce(prefix, size_field)
            name.into = into
        if name.handler is None:
            name.handler = handler
        else:
            if not isinstance(name.handler, _Several):
                name.handler = _Several(self, name.handler, name.reads)
            name.handler.add(handler, reads)
            reads = True
        if reads or name.reads:
            name.reads = reads
            self._list_readers(name)

    def off(self, prefix, handler):
        """Call `handler` no more. Raises ValueError if it was not registered."""
        name = self._name(prefix)
        if isinstance(name.handler, _Several):
            if not name.handler.remove(handler):
                name.handler = None
        else:
            known = handler is not None and name.handler == handler
            need(known, "handler", handler, "one that is registered")
            name.handler = None
        if name.reads:
            self._list_readers(name)

    def _list_readers(self, name):
        # The short way is for lines without raw bytes, of names that still have a handler.
        if name not in self._order:
            self._order.append(name)
        self._readers = tuple(
            name
            for name in self._order
            if name.reads and name.handler is not None and name.size_field < 0
        )

    def announce(self, prefix, size_field):
        """Lines of `prefix` announce raw bytes, in quotes, so many as field `size_field` says.

        For good: an answer may come when its command has given up, and is no line even then.
        """
        ok = isinstance(size_field, int) and 0 <= size_field < 16
        need(ok, "size_field", size_field, "0..15")
        name = self._name(prefix)
        self._announce(name, size_field, True)
        if name.reads:
            self._list_readers(name)

    def _announce(self, name, size_field, quoted):
        if self._raw is None:
            from .raw import Delivery

            self._raw = Delivery(self)
        self.line.announce(name, size_field, quoted)

    def _name(self, prefix):
        # The Name of a prefix, or ValueError.
        text = prefix.upper().encode() if isinstance(prefix, str) else b""
        ok = len(text) > 2 and text.find(b":") == len(text) - 1
        need(ok and 32 < min(text) and max(text) < 127, "prefix", prefix, 'a name and ":"')
        name = self.line.add(text)
        need(not name.tag, "prefix", prefix, "one that is no final result code")
        return name


class _Several:
    """Several handlers of one prefix, as one: each is called, whatever the others raise."""

    def __init__(self, receiver, *first):
        self.receiver = receiver
        self.handlers = (first,)

    def add(self, handler, reads):
        self.handlers += ((handler, reads),)

    def remove(self, handler):
        # Returns how many are left.
        left = tuple(pair for pair in self.handlers if pair[0] != handler)
        need(len(left) < len(self.handlers), "handler", handler, "one that is registered")
        self.handlers = left
        return len(left)

    def __call__(self, line):
        for handler, reads in self.handlers:
            try:
                if reads or line.fields() or not line.bad:
                    refuse(handler(line))
            except Exception as e:
                self.receiver.report(e)
