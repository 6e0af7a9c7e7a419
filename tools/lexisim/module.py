"""The module as a whole: power, boot, the rooms wired together, and time handed in from outside.

The core does no input or output and reads no clock. A driver calls `receive` when the host
wrote something, `advance` to let time pass and get the bytes that reached the host, and
`next_event_s` to know until when it may sleep. All times in these calls are real seconds since
the module was made; `config.speed` module seconds pass in each.
"""

import random

from . import (
    bearer_commands,
    commands,
    fota,
    line_commands,
    lwm2m_commands,
    network_commands,
    socket_commands,
    uart,
)
from .bearers import Bearers
from .client import Client
from .config import Config
from .fota import Fota
from .history import History
from .internet import Internet
from .log import Log
from .network import SIM_READY, Network
from .nvm import Nvm
from .pins import Pins
from .port import AtPort
from .profile import Profile
from .settings import Settings
from .sleep import Sleep
from .sockets import Sockets
from .state import state_of
from .timers import Clock, Timers

OFF = "off"
BOOTING = "booting"
ON = "on"
STOPPING = "stopping"  # on its way to a reboot or to off; answers nothing

NEVER = "never"  # what ends a hang: nothing

_CR = 0x0D
_COMMANDS = {
    **commands.TABLE,
    **line_commands.TABLE,
    **network_commands.TABLE,
    **bearer_commands.TABLE,
    **lwm2m_commands.TABLE,
    **socket_commands.TABLE,
}


class Module:
    """One simulated LEXI-R10. Not thread-safe.

    `module.client`, `.network`, `.internet`, `.sockets`, `.port`, `.pins`, `.fota`,
    `.transmitter` are what the scenario verbs act on; tests may read them. `state()` is the true state, `history` how it came about.
    """

    def __init__(self, config=None, nvm=None, log=None, history=None):
        self.config = config if config is not None else Config()
        self.config.check()
        self.nvm = nvm if nvm is not None else Nvm()
        self.log = log if log is not None else Log()
        self.history = history if history is not None else History(self.config.history_limit)
        self.clock = Clock(self.config.speed)
        self.world = Timers(self.clock)  # scenario and faults: outlive a reboot
        self.session = Timers(self.clock)  # what runs in the module: ends with it
        self.transmitter = uart.Transmitter(self.config.baud, self.log)
        self.receiver = uart.Receiver(self.config.baud, self.log)
        self.random = random.Random(self.config.seed)
        self.boots = 0
        self.lost_input_bytes = 0
        self._unheard = bytearray()  # a line that nobody reads
        self.harm_count = 0
        self.hung = None  # the AT port is dead until: "pins", "power" or "never"
        self._crashed = False  # the client stopped with it
        self.problems = []  # scenario steps that could not be done
        self._power = OFF
        self._ready_at_s = None  # module time when AT began to answer
        self._unmute_timer = None
        self.settings = Settings(self)
        self.sleep = Sleep(self)
        self.profile = Profile(self)
        self.fota = Fota(self)
        if self.fota.stage != fota.NONE:
            self.hung = NEVER
        self.internet = Internet(self)
        self.sockets = Sockets(self)
        self.bearers = Bearers(self)
        self.network = Network(self)
        self.client = Client(self)
        self.port = AtPort(self, _COMMANDS)
        self.pins = Pins(self)
        if not self.config.powered_off:
            self.boot("power on")

    # Driving it

    def receive(self, data, now_s):
        """The host writes `data` at real time `now_s`."""
        self._run_until(now_s)
        if data:
            self.receiver.feed(data, self.clock.real_s)
            self._run_until(now_s)

    def advance(self, now_s):
        """Let time pass until `now_s`; returns the bytes that have reached the host."""
        self._run_until(now_s)
        return self.transmitter.take(self.clock.real_s)

    def next_event_s(self):
        """Return the real time of the next thing that happens by itself, or None."""
        times = (
            self.world.next_s(),
            self.session.next_s(),
            self.receiver.next_s(),
            self.transmitter.next_s(),
        )
        known = [time_s for time_s in times if time_s is not None]
        return min(known) if known else None

    def _run_until(self, now_s):
        while True:
            sources = (self.world, self.session, self.receiver)
            due = [source for source in sources if source.due(now_s)]
            if not due:
                break
            source = min(due, key=lambda each: each.next_s())
            self._set_time(source.next_s())
            if source is self.receiver:
                self._byte_arrived(*self.receiver.pop())
            else:
                source.run_one()
        self._set_time(now_s)

    def _set_time(self, now_s):
        self.clock.real_s = max(self.clock.real_s, now_s)
        self.transmitter.settle(self.clock.real_s)

    def _byte_arrived(self, start_s, _, byte):
        if self._power == ON and not self.transmitter.muted and not self.fota.installing:
            if not self.sleep.deaf:
                self.sleep.heard()
                self.port.byte(byte, start_s)
                return
            self.sleep.deaf_bytes += 1
        self.lost_input_bytes += 1
        if byte != _CR:
            if len(self._unheard) < self.config.line_max:
                self._unheard.append(byte)
            return
        line, self._unheard = bytes(self._unheard), bytearray()
        self.port.unheard(line)

    # Power

    @property
    def powered(self):
        """Whether V_INT is high."""
        return self._power != OFF

    @property
    def power_state(self):
        """Return "off", "booting", "on" or "stopping"."""
        return self._power

    @property
    def booted(self):
        """Whether AT answers."""
        return self._power == ON

    @property
    def radio_runs(self):
        """Whether the module has started and still runs its radio."""
        return self._power == ON and not self._crashed and not self.fota.installing

    def power_on(self, why):
        """Switch on."""
        if not self.powered:
            self.boot(why)

    def boot(self, why, silent=False, forget=False):
        """Start, or start again at once. `silent`: no noise, no greeting, no event 5."""
        self._revive()
        self._stop_everything()
        self.note(f"boot: {why}")
        if not self.powered:
            self.record("power", "on")
        self.record("boot", why)
        self._power = BOOTING
        self.boots += 1
        self.fota.boot()
        self.profile.boot()
        self.settings.boot()
        self.sleep.boot()
        self.port.reset()
        self.network.boot()
        self.client.boot(silent, forget)
        if self.hung is not None:
            return  # and nothing more ever comes
        if not silent and self.config.boot_noise:
            self.session.after(
                self.config.boot_noise_at_s, lambda: self.send_raw(self.config.boot_noise)
            )
        self.session.after(self.config.boot_dead_s, lambda: self._ready(silent))

    def _ready(self, silent):
        self._power = ON
        self._ready_at_s = self.clock.module_s
        self.note("AT answers")
        if self.config.greeting and not silent:
            self.port.urc(self.config.greeting)
        self.sleep.wake()
        self.network.ready()
        self.client.ready()

    def reboot_soon(self, why):
        """Restart after the reboot delay; nothing is answered until then."""
        self._begin_stopping()
        self.session.after(self.config.reboot_delay_s, lambda: self.boot(why))

    def power_off(self, why):
        """Switch off in an orderly way; V_INT stays high until it is done."""
        if self._power in (OFF, STOPPING):
            return
        self.note(f"switching off: {why}")
        self._begin_stopping()
        self.session.after(self.config.power_down_s, lambda: self.cut_power(why))

    def cut_power(self, why):
        """Off at once."""
        self._revive()
        self._stop_everything()
        self._power = OFF
        self.sleep.boot()
        self.client.power_off()
        self.network.power_off()
        self.note(f"off: {why}")
        self.record("power", "off")

    def _begin_stopping(self):
        self.session.clear()
        self._power = STOPPING

    def _stop_everything(self):
        """What was in flight is lost; a mute module is mute no longer."""
        self.session.clear()
        self.transmitter.cut(self.clock.real_s)
        self.unmute()

    def lwm2m_ready(self):
        """Whether LwM2M commands already work after the boot."""
        since_s = self.clock.module_s - self._ready_at_s
        return since_s >= self.config.lwm2m_not_ready_s

    # Faults and observation

    def hang(self, revived_by, client_stops=False):
        """The AT port is dead until a reset ("pins"), a power cycle ("power"), or for ever."""
        self.hung = revived_by
        self.record("hang", revived_by)
        self.transmitter.cut(self.clock.real_s)
        self.transmitter.muted = True
        if client_stops:
            self._crash()

    def die(self):
        """Never to answer again, not even after a power cycle."""
        self.hang(NEVER, client_stops=True)

    def stop_for_installation(self):
        """The module does nothing but install firmware; what was running has ended."""
        self.session.clear()
        self.port.reset()
        self.client.power_off()
        self.network.power_off()

    def heal(self):
        """Everything that surrounds the module is well, and it no longer hangs.

        What the host can mend stays: dead ends, modes, rows, radio off, an initialisation that
        failed. Nothing mends a module that was bricked.
        """
        self._heal_port()
        self.network.change_sim(SIM_READY)
        self.network.back()
        self.internet.heal()
        self.client.heal()
        self._heal_hang()

    def _heal_port(self):
        self.port.forced.clear()
        self.port.late_count = 0
        self.port.interject = None
        self.port.swallowed.clear()
        self.transmitter.drop_next = self.transmitter.duplicate_next = 0
        self.transmitter.split_next = None
        self.unmute()

    def _heal_hang(self):
        if self.hung is None or self.fota.stage == fota.BRICKED:
            return
        restart = self._crashed or self._power == BOOTING
        self.hung = None
        self._crashed = False
        self.record("hang", "over")
        self.unmute()
        if restart and self.powered:
            self.boot("healed")

    def _crash(self):
        self.session.clear()
        self.client.power_off()
        self.network.power_off()
        self._crashed = True

    def _revive(self):
        """A reset or a power cycle ends a hang, unless nothing can."""
        self._crashed = False
        if self.hung not in (None, NEVER):
            self.hung = None
            self.record("hang", "over")

    def mute(self, duration_s=None):
        """Answer nothing and say nothing, for module seconds or for ever."""
        self.unmute()
        self.transmitter.cut(self.clock.real_s)
        self.transmitter.muted = True
        if duration_s is not None:
            self._unmute_timer = self.world.after(duration_s, self.unmute)

    def unmute(self):
        """End of `mute`."""
        self.transmitter.muted = self.hung is not None
        if self._unmute_timer is not None:
            self._unmute_timer.cancel()
            self._unmute_timer = None

    def send_raw(self, data):
        """Put bytes on the wire as they are."""
        if self.powered:
            self.transmitter.send(data, uart.NOISE, self.clock.real_s)

    def record(self, kind, *values):
        """Add to the history."""
        self.history.add(self.clock.module_s, kind, *values)

    def happened(self, kind, *values, prefix=None, since_s=0.0):
        """Query the history: see `History.happened`."""
        return self.history.happened(kind, *values, prefix=prefix, since_s=since_s)

    def harm(self, why):
        """The host did what it must never do."""
        self.harm_count += 1
        self.note(f"harm: {why}")
        self.record("harm", why)

    def note(self, text):
        """Write a note to the log."""
        self.log.note(self.clock.real_s, text)

    def play(self, steps):
        """Schedule scenario steps (`scenario.parse_scenario`), times since the start."""
        for step in steps:
            real_s = step.at_s / self.config.speed
            self.world.at_real(real_s, lambda step=step: self._play_step(step))

    def _play_step(self, step):
        self.note(f"scenario: {step.text}")
        self.record("verb", step.text)
        try:
            step.action(self)
        except ValueError as error:
            self.problems.append(f"{step.text}: {error}")
            self.note(f"scenario step failed: {error}")

    def state(self):
        """Return the true state as a dictionary that JSON can hold."""
        return state_of(self)
