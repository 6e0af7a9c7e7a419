# Uses each part of the library once, as an application does, on a stream that stands for the
# module. Runs on every port, with time that passes: nothing here waits for long.
#
#   import parts; parts.use("atport", "lexi", "lexi-recovery")
#
# prints a line for each.

import io

_POLL = 3  # MP_STREAM_POLL
_POLLIN = 1
_POLLOUT = 4

_ANSWERS = {
    b"AT+CMEE?": b"\r\n+CMEE: 0\r\n",
    b"AT+CSQ": b"\r\n+CSQ: 17,99\r\n",
    b"AT+ULWM2MSTAT?": b"\r\n+ULWM2MSTAT: 0,1\r\n",
    b"AT+ULWM2M?": b"\r\n+ULWM2M: 0\r\n",
    b"AT+ULWM2MREG=?": b"\r\n+ULWM2MREG: (0,721,123)\r\n",
    b"AT+ULWM2MREG?": b"\r\n+ULWM2MREG: 721,2,175\r\n",
}
# match_flow: nothing is to be set, and told, that the script does not know.
_OPTIONS = {"rxbuf": 1024, "match_flow": False}
_REFUSED = b"AT+ULWM2MREG=123"


class Module(io.IOBase):
    """Answers every command at once."""

    def __init__(self):
        self.ready = b""  # what can be read
        self._line = b""

    def any(self):
        return len(self.ready)

    def readinto(self, buf, n=None):
        n = min(n or len(buf), len(self.ready))
        buf[:n] = self.ready[:n]
        self.ready = self.ready[n:]
        return n or None

    def write(self, data):
        self._line += bytes(data)
        while b"\r" in self._line:
            line, _, self._line = self._line.partition(b"\r")
            self.ready += _ANSWERS.get(line, b"")
            self.ready += b"\r\n+CME ERROR: 4\r\n" if line == _REFUSED else b"\r\nOK\r\n"
        return len(data)

    def ioctl(self, request, arg):
        if request == _POLL:
            return (_POLLIN if self.ready else 0) | (arg & _POLLOUT)
        return -22  # EINVAL


def use_atport():
    from atport.blocking import Runtime
    from atport.channel import Channel

    module = Module()
    runtime = Runtime(module)
    channel = Channel(module, runtime, rxbuf=1024)
    heard = []
    channel.on("+CEREG:", lambda line: heard.append(line.int(0)))
    module.ready = b"\r\n+CEREG: 5\r\n"
    command = channel.command("AT+CSQ", "+CSQ:")
    try:
        while True:
            runtime.poll(channel, command.send(None))
    except StopIteration as e:
        assert e.value == [b"17,99"], e.value
    assert heard == [5], heard


def open_lexi():
    from lexi.blocking import Lexi

    module = Module()
    lexi = Lexi(module, **_OPTIONS)
    lexi.start()
    return module, lexi


def use_lexi():
    from lexi import CmeError

    module, lexi = open_lexi()
    assert lexi.channel.command("AT+CSQ", "+CSQ:") == [b"17,99"]
    assert not lexi.registered(721)
    module.ready = b"\r\n+ULWM2MSTAT: 1,721,3\r\n"
    assert lexi.wait_registered(721, 5)
    assert lexi.registered(721)
    try:
        lexi.lwm2m.register(123)
    except CmeError as e:
        assert e.code == 4
    else:
        assert False, "expected CmeError"
    lexi.stop()


def use_asyncio():
    """The same under asyncio, which the WebAssembly port has without streams."""
    import asyncio
    from lexi import Lexi

    async def main():
        module = Module()
        lexi = Lexi(module, **_OPTIONS)
        await lexi.start()
        assert await lexi.channel.command("AT+CSQ", "+CSQ:") == [b"17,99"]
        module.ready = b"\r\n+ULWM2MSTAT: 1,721,3\r\n"
        assert await lexi.wait_registered(721, 5)
        lexi.stop()

    asyncio.run(main())


class Nothing:
    """A store that keeps nothing."""

    writes_flash = False

    def load(self):
        return None

    def save(self, data):
        pass


def use_recovery():
    from lexi.recovery import supervise

    _, lexi = open_lexi()
    supervisor = supervise(lexi, servers=(721,), store=Nothing(), random=lambda n: 0)
    supervisor.step()
    assert not supervisor.registered(721)
    assert supervisor.status()
    lexi.stop()


class Server:
    """A transport whose server answers the Register at once."""

    on_sent = on_rebuilt = None

    def __init__(self):
        self._answer = b""

    def send(self, buf, n):
        self._answer = b"\x61\x41" + bytes(buf[2:5]) + b"\x82rd\x011"
        self.on_sent(buf[2] << 8 | buf[3])
        return True

    def recv_into(self, buf):
        answer, self._answer = self._answer, b""
        buf[: len(answer)] = answer
        return len(answer)


def use_lwm2m():
    from lwm2m import Client, Objects, Sensor

    sensor = Sensor(units="Cel")
    sensor.set(21.5)
    client = Client(Server(), "node-1", Objects(sensor))
    client.start()
    client.step()
    client.step()
    assert client.is_registered()


_USES = {
    "atport": use_atport,
    "lexi": use_lexi,
    "lexi-recovery": use_recovery,
    "asyncio": use_asyncio,
    "lwm2m": use_lwm2m,
}


def load(*names):
    """Import modules by name."""
    for name in names:
        try:
            __import__(name)
        except ImportError as e:
            # A port without networking has no socket, and no use for what needs one.
            if name != "lwm2m.udp" or "socket" not in str(e):
                raise
    print("loaded")


def use(*names):
    """Use parts; "asyncio" is a second use of lexi."""
    for name in names:
        _USES[name]()
        print("works:", name)
