# Who owns a stream: the newest Channel on it. An earlier one is closed, whatever loop its tasks
# belong to: after Ctrl-C and a second asyncio.run() those of the first run go on.

from micropython import const

_MOST = const(4)  # streams remembered, the newest last; a board has two or three UARTs
_owners = []


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
