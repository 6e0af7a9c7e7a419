# What a port can be opened on.

import select

from .errors import need


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
