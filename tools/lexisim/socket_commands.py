"""The AT commands about UDP sockets and names, as hosts of LEXI-R10 use them."""

from . import codes, sockets
from .at import EXECUTE, SET, CommandError, Number, Text
from .handlers import values
from .internet import is_address
from .port import Reply
from .prompt import Prompt
from .settings import HEX_MODE

_SOCKET = Number("socket", 0, sockets.COUNT - 1)
_PORT = Number("port", 1, 65535)
_ADDRESS = Text("address", "[0-9.]{7,15}")
_TCP = 6
_OPTIONS = {0: None, 1: "error", 2: "sent", 3: "received"}  # of +USOCTL, as far as UDP has them


def _bad(module):
    return CommandError(module.config.cme_bad_parameter)


def _create(module, text):
    protocol, port = values(module, text, (Number("protocol", 0, 255), _PORT))
    if protocol == _TCP:
        raise CommandError(codes.CME_NOT_SUPPORTED)  # by this simulator
    if protocol != sockets.UDP:
        raise _bad(module)
    return Reply((f"+USOCR: {module.sockets.create(port).number}",))


def _close(module, text):
    (number,) = values(module, text, (_SOCKET,))
    module.sockets.close(module.sockets.get(number))
    return Reply()


def _is_hex(module):
    return module.settings.get(HEX_MODE) == [1]


def _send_to(module, text):
    """With data on the line, plain or hexadecimal, or with a prompt for them."""
    declared = (_SOCKET, _ADDRESS, _PORT, Number("length", 1, sockets.MOST), Text("data"))
    number, host, port, size, data = values(module, text, declared, 4)
    if not is_address(host):
        raise _bad(module)
    socket = module.sockets.get(number)
    return _send(module, "+USOST", socket, (host, port), size, data)


def _connect(module, text):
    number, host, port = values(module, text, (_SOCKET, _ADDRESS, _PORT), 3)
    if not is_address(host):
        raise _bad(module)
    module.sockets.get(number).peer = (host, port)
    return Reply()


def _write(module, text):
    """As +USOST, to the peer of +USOCO."""
    declared = (_SOCKET, Number("length", 1, sockets.MOST), Text("data"))
    number, size, data = values(module, text, declared, 2)
    socket = module.sockets.get(number)
    if socket.peer is None:
        raise module.sockets.fail()
    return _send(module, "+USOWR", socket, socket.peer, size, data)


def _send(module, name, socket, address, size, text):
    def send(data):
        module.sockets.send(socket, data, address)
        return Reply((f"{name}: {socket.number},{len(data)}",))

    if text is None:
        return Reply(prompt=Prompt(size, send))
    return send(_data_of(module, text, size))


def _data_of(module, text, size):
    data = text.encode("latin-1")
    if _is_hex(module):
        if size > sockets.MOST_HEX:
            raise _bad(module)
        try:
            data = bytes.fromhex(text)
        except ValueError:
            raise _bad(module) from None
    if len(data) != size:
        raise _bad(module)
    return data


def _reader(name, with_address):
    """Return a handler that reads a datagram, or with length 0 tells how much waits."""

    def read(module, text):
        most = sockets.MOST_HEX if _is_hex(module) else sockets.MOST
        number, size = values(module, text, (_SOCKET, Number("length", 0, most)), 2)
        socket = module.sockets.get(number)
        if size == 0:
            return Reply((f"{name}: {number},{socket.waiting_bytes}",))
        datagram = module.sockets.take(socket, size)
        if datagram is None:
            if module.config.usorf_empty == "error":
                raise module.sockets.fail()
            return Reply((f'{name}: {number},""',))
        data, (host, port) = datagram
        shown = data.hex().upper() if _is_hex(module) else data.decode("latin-1")
        source = f'"{host}",{port},' if with_address else ""
        return Reply((f'{name}: {number},{source}{len(data)},"{shown}"',))

    return read


def _control(module, text):
    number, option = values(module, text, (_SOCKET, Number("param_id", 0, 255)), 2)
    socket = module.sockets.get(number)
    if option not in _OPTIONS:
        raise _bad(module)
    value = sockets.UDP if option == 0 else getattr(socket, _OPTIONS[option])
    return Reply((f"+USOCTL: {number},{option},{value}",))


def _last_error(module, _):
    return Reply((f"+USOER: {module.sockets.last_error}",))


def _resolve(module, text):
    """<0>,<name>: OK, and the address as a URC; on siblings the address comes before OK."""
    kind, name = values(module, text, (Number("resolution", 0, 1), Text("name", ".{1,255}")), 2)
    if kind:
        raise _bad(module)
    if not module.bearers.active:
        raise CommandError(module.config.cme_no_network)
    if module.config.dns_answer == "urc":
        return Reply(after=lambda: module.sockets.resolve(name))
    address = module.internet.resolve(name)
    if address is None:
        raise CommandError(module.config.cme_socket)
    return Reply((f'+UDNSRN: "{address}"',))


TABLE = {
    ("+USOCR", SET): _create,
    ("+USOCL", SET): _close,
    ("+USOST", SET): _send_to,
    ("+USORF", SET): _reader("+USORF", True),
    ("+USOCO", SET): _connect,
    ("+USOWR", SET): _write,
    ("+USORD", SET): _reader("+USORD", False),
    ("+USOCTL", SET): _control,
    ("+USOER", EXECUTE): _last_error,
    ("+UDNSRN", SET): _resolve,
}
