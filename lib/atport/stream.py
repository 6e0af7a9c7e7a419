# What a port can be opened on, and who owns it: the newest Channel. An earlier one is closed,
# whatever loop its tasks belong to: after Ctrl-C and a second asyncio.run() those of the first run
# go on.

import select
from micropython import const

from .errors import need

_MOST = const(4)  # streams remembered, the newest last; a board has two or three UARTs
_owners = []


def check_stream(stream):
    """Raise ValueError for a stream that lacks readinto(), write() or poll support, or blocks."""
    for method in ("readinto", "write"):
        need(callable(getattr(stream, method, None)), "stream", stream, "one with " + method)
    try:
        select.poll().register(stream, select.POLLIN)
    except (OSError, TypeError, AttributeError):
        need(False, "stream", stream, "one that can be polled")
    if hasattr(stream, "any"):
        return  # a UART: asked for as many bytes as it has
    if hasattr(stream, "setblocking"):
        stream.setblocking(False)
    elif hasattr(stream, "fileno"):
        need(not _waits(stream.fileno()), "stream", stream, "a tty with VMIN and VTIME of 0")


def _waits(fd):
    # Whether a read from a file of the unix port waits for bytes; a tty can be told not to.
    try:
        from termios import tcgetattr

        return tcgetattr(fd)[6][6] != 0  # VMIN
    except OSError:
        return True  # a file or a pipe
    except ImportError:
        return False


def own(stream, channel):
    """Let `channel` own `stream` from now on; an earlier owner is closed."""
    key = _key(stream)
    for pair in _owners:
        if pair[0] == key:
            if pair[1] is channel:
                return
            _owners.remove(pair)
            pair[1].close()
            break
    if len(_owners) == _MOST:
        _owners.pop(0)
    _owners.append((key, channel))


def disown(channel):
    """Forget an owner."""
    for pair in _owners:
        if pair[1] is channel:
            _owners.remove(pair)
            break


def _key(stream):
    # The same UART may come as a new object each time; its number stays.
    name = repr(stream)
    return name[: name.find(",")] if name.startswith("UART(") else id(stream)
