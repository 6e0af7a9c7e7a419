# What a server asks for: Read, Discover, Write, Write-Attributes, Execute, Observe. Each request
# gets the one right code; nothing is written by halves.
#
# Later parts have their seams here: composite operations, Create, Delete, Block1 and bootstrap
# are answered as not allowed or too large.

from micropython import const

from lwm2m import content, discover, write
from lwm2m.objects import MULTIPLE, E, R, W
from lwm2m.reliable import answer

_GET = const(1)
_POST = const(2)
_PUT = const(3)

_LATER = const(0)
_CHANGED = const(0x44)
_CONTENT = const(0x45)
_BAD_REQUEST = const(0x80)
_UNAUTHORIZED = const(0x81)
_NOT_FOUND = const(0x84)
_NOT_ALLOWED = const(0x85)
_NOT_ACCEPTABLE = const(0x86)
_INCOMPLETE = const(0x88)
_TOO_LARGE = const(0x8D)
_UNSUPPORTED = const(0x8F)
_SERVER_ERROR = const(0xA0)
_UNAVAILABLE = const(0xA3)

_ETAG = const(4)
_OBSERVE = const(6)
_CONTENT_FORMAT = const(12)
_URI_QUERY = const(15)
_BLOCK2 = const(23)
_SIZE1 = const(60)

_LINK_FORMAT = const(40)
_TEXT = const(0)
_FLOAT = const(4)
_INTEGER = const(2)
_KIND = const(15)

_SZX = const(5)  # blocks of 16 << 5 = 512 bytes at most
_LARGEST = const(2048)  # bytes of an answer in blocks


def fill(writer, observe, content_format, block2, render, args):
    """Write options and payload of a 2.05 behind the token; return the code.

    observe: the number for the Observe option, -1 for none. block2: the request's, -1 for none.
    render(buf, at, *args) writes the payload. What is larger than a block comes in blocks, each
    rendered anew; an ETag lets the server notice a change between them (RFC 7959 2.4).
    """
    begin = writer.n
    if block2 < 0:
        try:
            if observe >= 0:
                writer.option(_OBSERVE, observe)
            writer.option(_CONTENT_FORMAT, content_format)
            at = writer.mark()
            end = render(writer.buf, at, *args)
            if end - at <= 16 << _SZX:
                writer.n = end if end > at else at - 1
                return _CONTENT
        except (IndexError, ValueError):
            pass
        writer.n = begin
        writer.option_number = 0
        block2 = _SZX
    szx = block2 & 7
    if szx == 7:
        return _BAD_REQUEST
    first = (block2 >> 4) * (16 << szx)
    size = 16 << min(szx, _SZX)
    data = bytearray(_LARGEST)
    try:
        n = render(data, 0, *args)
    except (IndexError, ValueError):
        return _SERVER_ERROR
    if first >= n and first:
        return _BAD_REQUEST
    more = n > first + size
    if more or first:
        tag = 0
        for i in range(n):
            tag = (tag * 31 + data[i]) & 0xFFFF
        writer.option(_ETAG, bytes((tag >> 8, tag & 255)))
    if observe >= 0 and not first:
        writer.option(_OBSERVE, observe)
    writer.option(_CONTENT_FORMAT, content_format)
    writer.option(_BLOCK2, first // size << 4 | more << 3 | min(szx, _SZX))
    if n:
        writer.mark()
        writer.put(data[first : min(n, first + size)])
    return _CONTENT


class Requests:
    """Serves the requests of the server of a client, whose objects and notifier these are.

    Exceptions in what the application gave us are told, and answered with 5.00.
    """

    def __init__(self, client, attributes):
        self.client = client
        self.attributes = attributes

    def serve(self, message, writer):
        """Build the answer in the writer; return its code, 0 when it comes later."""
        answer(self.client.endpoint, 0)
        end = writer.n
        try:
            code = self._route(message, writer)
        except Exception as error:
            self.client.failed(error)
            code = _SERVER_ERROR
        if code != _CONTENT:
            writer.n = end
            if code == _TOO_LARGE:
                writer.option_number = 0
                writer.option(_SIZE1, len(writer.buf))
        writer.buf[1] = code
        return code

    def _refusal(self, message):
        # The code when a request is not for us, whatever there is; else 0.
        if message.odd:
            return message.odd
        if message.odd_path:
            return _BAD_REQUEST
        if message.depth and message.path[0] == 0:
            return _UNAUTHORIZED
        if message.depth == 0 or message.code > _PUT:
            return _NOT_ALLOWED
        block1 = message.block1
        if block1 > 0:  # one block is like none; more of them are a later part
            if block1 & 7 == 7:
                return _BAD_REQUEST
            if block1 >> 4:
                return _INCOMPLETE
            if block1 & 8:
                right = message.n - message.payload == 16 << (block1 & 7)
                return _TOO_LARGE if right else _BAD_REQUEST
        return 0

    def _route(self, message, writer):
        code = self._refusal(message)
        if code:
            return code
        method = message.code
        depth = message.depth
        path = message.path
        instance = self.client.objects.find(path[0], path[1] if depth > 1 else -1)
        entry = instance.entry(path[2]) if instance and depth > 2 else 0
        if instance is None or (depth > 2 and not entry):
            return _NOT_FOUND
        if depth == 4 and (not entry & MULTIPLE or path[3] not in instance.get(path[2], ())):
            return _NOT_FOUND
        if method == _GET:
            return self._read(message, writer, instance, entry)
        if method == _POST and depth == 3:
            return self._execute(message, instance, entry)
        if method == _PUT and message.payload == message.n and message.content_format < 0:
            return self._write_attributes(message, entry)
        if depth == 1 or (method == _POST and depth > 2):
            return _NOT_ALLOWED
        return self._write(message, instance, entry, method == _PUT)

    def _read(self, message, writer, instance, entry):
        depth = message.depth
        path = message.path
        if message.accept == _LINK_FORMAT:
            if depth == 4:
                return _BAD_REQUEST
            if depth == 3 and not discover.exists(instance, path[2] << 8 | entry):
                return _NOT_FOUND
            args = (self.client.objects, self.attributes, path, depth)
            return fill(writer, -1, _LINK_FORMAT, message.block2, discover.render, args)
        if depth > 2:
            if not entry & R:
                return _NOT_ALLOWED
            if instance.get(path[2]) is None:
                return _NOT_FOUND
        content_format = content.choose(message.accept, depth, entry)
        if content_format < 0:
            return _NOT_ACCEPTABLE
        slot = None
        if message.observe == 1:
            self.client.notifier.cancel(message.bytes(4, message.token_n))
        elif message.observe == 0 and message.block2 < 16:
            slot = self.client.notifier.observe(
                message.bytes(4, message.token_n), tuple(path[:depth]), content_format
            )
        args = (content_format, self.client.objects, path, depth)
        code = fill(
            writer,
            slot.number if slot else -1,
            content_format,
            message.block2,
            content.render,
            args,
        )
        if slot and code != _CONTENT:
            self.client.notifier.drop(slot)
        elif slot and not (message.again and slot.limits):
            self.client.notifier.observed(slot)
        return code

    def _write(self, message, instance, entry, is_put):
        if message.depth > 2 and not entry & W:
            return _NOT_ALLOWED
        content_format = content.known(message.content_format)
        if content_format < 0:
            return _UNSUPPORTED
        depth = message.depth
        try:
            items = content.read(
                message.buf,
                message.payload,
                message.n,
                content_format,
                instance,
                message.path,
                depth,
            )
        except (ValueError, IndexError, OverflowError):
            return _BAD_REQUEST
        return write.apply(instance, items, is_put and depth < 4, depth == 2)

    def _write_attributes(self, message, entry):
        queries = []
        message.rewind()
        while message.more():
            if message.option == _URI_QUERY:
                try:
                    queries.append(str(message.bytes(), "utf8"))
                except ValueError:
                    return _BAD_REQUEST
        if not queries:
            return _BAD_REQUEST
        if message.depth > 2 and not entry & R:
            return _NOT_ALLOWED
        is_numeric = _INTEGER <= entry & _KIND <= _FLOAT
        path = tuple(message.path[: message.depth])
        code = self.attributes.write(path, queries, is_numeric)
        if code == _CHANGED:
            self.client.notifier.refresh()
        return code

    def _execute(self, message, instance, entry):
        action = instance.actions.get(message.path[2])
        if not entry & E or action is None:
            return _NOT_ALLOWED
        if message.content_format >= 0 and content.known(message.content_format) != _TEXT:
            return _UNSUPPORTED
        arguments = bytes(message.buf[message.payload : message.n])
        if not write.arguments_ok(arguments):
            return _BAD_REQUEST
        if self.client.endpoint.later is not None:
            return _UNAVAILABLE
        code = action(arguments)
        return _CHANGED if code is None else code
