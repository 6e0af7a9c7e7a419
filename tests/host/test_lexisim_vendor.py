"""Simulated module: what the vendor's library sends to a LEXI-R10 on its way to a bearer.

A raw host, byte by byte, with that library's habits: four pokes before every alive test, 20 ms
of silence after answers only. Nothing it sends may fail, but for what the reference says is
refused. Sources: ubxlib 0237d5d, its LEXI-R10 row.
"""

import pytest
from lexisim import Config, Module, Nvm

_BYTE_S = 10 / 115200
_STEP_S = 0.001
_GAP_S = 0.020
_PRESS_ON_S = 0.3
_BOOT_WAIT_S = 6.0
_POKES_S = (0.1, 0.333, 0.333, 0.333)
_ALIVE_S = 3.0
_ATTEMPTS = 10
_LIMIT_S = 180.0

OK = ("OK",)
REFUSED = ("+CME ERROR: operation not supported",)
CELL = '"2CF7","08A5A782",7'

# (line, everything that is answered); None: whatever it is, if OK ends it.
SET_UP = (
    ("ATE0", None),  # the echo comes before
    ("AT+CMEE=2", OK),
    ("AT+UDCONF=1,0", OK),
    ("ATI9", ("01.04,A00.01", *OK)),
    ("AT&C1", OK),
    ("AT&D0", OK),
    ("AT&K0", OK),
    ("AT+UPSV=0", OK),
    ("AT+UPSMR=1", OK),
    ("AT+CPSMS?", None),
    ("AT+UMNOPROF?", ("+UMNOPROF: 90", *OK)),
    ("AT+CFUN=4", OK),
)
CONNECT = (
    ("AT+CGEREP=1", OK),
    ("AT+UCGED=2", OK),
    ("AT+CREG=2", OK),
    ("AT+CGREG=2", OK),
    ("AT+CEREG=4", OK),
    ("AT+CPIN?", ("+CPIN: READY", *OK)),
    ("AT+CIMI", ("310410123456789", *OK)),
    ("AT+CGDCONT?", ('+CGDCONT: 1,"IP","","0.0.0.0",0,0,0,0', *OK)),
    ('AT+CGDCONT=1,"IP","iot.example"', OK),
    ('AT+CGDCONT=2,"IP","private.example"', OK),
    ('AT+CGAUTH=1,1,"user","secret"', OK),
    ("AT+COPS=0", OK),
    ("AT+CFUN=1", OK),
)
REGISTERED = (
    "+CREG: 2",
    "+CEREG: 2",
    f"+CREG: 1,{CELL}",
    f'+CEREG: 1,{CELL},,,"00000000","00000000"',
    "+CGEV: ME PDN ACT 1",
)
ADDRESS = '"10.0.0.2.255.255.255.0","10.0.0.254","192.0.2.53","192.0.2.54"'
CONTEXT = (
    ("AT+CREG?", (f"+CREG: 2,1,{CELL}", *OK)),
    ("AT+CGATT?", ("+CGATT: 1", *OK)),
    ("AT+CGACT?", ("+CGACT: 1,1", "+CGACT: 2,0", *OK)),
    ("AT+CGACT=1,1", OK),
    ("AT+CGPADDR=1", ('+CGPADDR: 1,"10.0.0.2"', *OK)),
    ("AT+CGCONTRDP=1", (f'+CGCONTRDP: 1,5,"iot.example",{ADDRESS}', *OK)),
    ("AT+COPS=3,0", OK),
    ("AT+COPS?", ('+COPS: 0,0,"",7', *OK)),
    ("AT+COPS=3,2", OK),
    ("AT+COPS?", ('+COPS: 0,2,"310410",7', *OK)),
    ("AT+COPS=?", None),
    ('AT+COPS=1,2,"310410"', OK),
    ("AT+CESQ", ("+CESQ: 99,99,255,255,20,50", *OK)),
    ("AT+CCLK?", None),
)
# The way of another published program for LEXI-R10 (MIKROE), which polls.
ATTACH = (
    ("ATE0", None),
    ("AT+COPS=2", OK),
    ('AT+CGDCONT=1,"IP","iot.example"', OK),
    ("AT+CFUN=1", OK),
    ("AT+CEREG=2", OK),
    ("AT+CEREG?", ("+CEREG: 2,0", *OK)),
    ("AT+COPS=0", OK),
)
POWER_OFF = (("AT+UPSV=0", OK), ("AT+CPWROFF", OK))


class Host:
    """Writes byte by byte and reads line by line. Times are real seconds."""

    def __init__(self, module):
        self.module = module
        self.now_s = 0.0
        self.urcs = []
        self._received = bytearray()

    def wait(self, seconds):
        self.now_s += seconds
        self._received += self.module.advance(self.now_s)

    def press(self, seconds):
        self.module.pins.set("pwr_on", "low")
        self.wait(seconds)
        self.module.pins.set("pwr_on", "high")

    def send(self, line):
        for byte in line.encode() + b"\r":
            self.module.receive(bytes((byte,)), self.now_s)
            self.wait(_BYTE_S)

    def take_lines(self):
        """Return the complete lines that came."""
        whole = self._received.rfind(b"\n") + 1
        text = self._received[:whole].decode("latin-1")
        del self._received[:whole]
        return [line.strip("\r\n\0") for line in text.split("\n") if line.strip("\r\n\0")]

    def command(self, line, limit_s=_LIMIT_S):
        """Return all lines up to the final code but URCs; () if none comes."""
        self.urcs += self.take_lines()
        self.send(line)
        end_s, answer = self.now_s + limit_s, []
        prefix = line[2:].split("=")[0].rstrip("?") + ":"
        while self.now_s < end_s:
            self.wait(_STEP_S)
            for each in self.take_lines():
                if each.startswith("+C") and not each.startswith((prefix, "+CME ERROR")):
                    self.urcs.append(each)
                else:
                    answer.append(each)
            if answer and (answer[-1] in ("OK", "ERROR") or answer[-1].startswith("+CME ERROR")):
                self.wait(_GAP_S)
                return tuple(answer)
        return ()

    def is_alive(self):
        """The alive test: up to ten times four pokes and a question."""
        for _ in range(_ATTEMPTS):
            for pause_s in _POKES_S:
                self.send("AT")
                self.wait(pause_s)
            self.take_lines()
            self._received.clear()
            if "OK" in self.command("AT", _ALIVE_S):
                return True
        return False

    def await_registration(self, limit_s):
        end_s = self.now_s + limit_s
        while self.now_s < end_s:
            self.wait(_STEP_S)
            self.urcs += self.take_lines()
            if self.urcs and self.urcs[-1].startswith("+CGEV: ME PDN ACT"):
                self.wait(_GAP_S)
                return True
        return False

    def run(self, steps):
        """Return what was not answered as the table wants it."""
        wrong = []
        for line, expected in steps:
            answer = self.command(line)
            good = answer[-1:] == OK if expected is None else answer == expected
            if not good:
                wrong.append((line, answer))
        return wrong


def switched_on(nvm=None, **options):
    """A host and a module that it has just switched on."""
    host = Host(Module(Config(powered_off=True, **options), nvm))
    host.wait(1.0)
    host.press(_PRESS_ON_S)
    host.wait(_BOOT_WAIT_S)
    return host


def is_sound(host):
    state = host.module.state()
    kept = ("gap_violations", "overlaps", "collisions", "harm", "lost_lines")
    return [name for name in kept if state[name]] == []


def test_from_off_to_a_bearer_and_off_again():
    host = switched_on()
    assert host.is_alive()
    assert host.run(SET_UP) == []
    state = host.module.state()
    assert (state["flow"], state["dtr"], state["cfun"], state["upsv"]) == (0, 0, 4, [0])
    assert host.run(CONNECT) == []
    host.urcs.clear()
    assert host.await_registration(60.0)
    assert tuple(host.urcs) == REGISTERED
    assert host.run(CONTEXT) == []
    assert host.run(POWER_OFF) == []
    host.wait(20.0)
    assert host.module.state()["v_int"] == 0
    assert is_sound(host)


def test_set_up_again_after_a_reboot():
    host = switched_on()
    assert host.is_alive()
    assert host.run(SET_UP) == []
    assert host.command("AT+CFUN=16") == OK
    host.wait(_BOOT_WAIT_S)
    assert host.module.state()["flow"] == 3
    assert host.is_alive()
    assert host.run(SET_UP) == []
    assert host.run(CONNECT[:7]) == []
    assert is_sound(host)


def test_the_alive_test_outlasts_a_slow_start():
    host = switched_on(boot_dead_s=30.0)
    assert host.is_alive()
    assert host.run(SET_UP) == []


def test_a_dead_module_is_not_alive():
    host = switched_on()
    host.module.hang("pins")
    start_s = host.now_s
    assert not host.is_alive()
    assert 41 <= host.now_s - start_s < 43


def test_uart_power_saving_left_in_nvm_is_switched_off_in_time():
    nvm = Nvm()
    nvm.put("+UPSV", [1, 5000, 4])
    host = switched_on(nvm)
    assert host.is_alive()
    assert host.run(SET_UP) == []
    host.wait(100.0)
    assert host.is_alive()
    assert nvm.get("+UPSV") == [0]


def test_flow_control_is_refused_on_a_sibling_and_nothing_else():
    host = switched_on(flow_can_be_off=False)
    assert host.is_alive()
    assert host.run(SET_UP) == [("AT&K0", REFUSED)]


def test_a_host_that_polls():
    host = switched_on()
    assert host.is_alive()
    assert host.run(ATTACH) == []
    host.wait(10.0)
    assert host.run([("AT+CEREG?", (f"+CEREG: 2,1,{CELL}", *OK)), ("AT+CGACT=1,1", OK)]) == []


@pytest.mark.parametrize("line", ["AT+UPSV=7", "AT+CGACT=1,7", "AT+COPS=9"])
def test_the_replay_would_tell(line):
    host = switched_on()
    assert host.is_alive()
    assert host.run([*SET_UP, (line, OK)]) == [(line, ("+CME ERROR: incorrect parameters",))]
