# The ladder in random worlds: a module, its network, its servers and its MCU, all of which fail in
# every way that is known of them. Event-driven: a day takes some milliseconds.
#
#   micropython worlds.py --seed 1 --days 1000           worlds 0, 1, 2, ... until so many days
#   micropython worlds.py --seed 1 --world 17 --trace    one of them again, event by event
#
# The module is written from its manual and from how Wakaama behaves, not from what the ladder
# expects of it. The verdicts are those of observer.py, which knows nothing of the ladder either.
# The last line printed is a JSON object. Runs under MicroPython's unix port, and under CPython.

import gc
import heapq
import json
import sys
import time

if sys.implementation.name != "micropython":
    import types

    _stub = types.ModuleType("micropython")
    _stub.const = lambda value: value
    sys.modules["micropython"] = _stub
    _stub = types.ModuleType("lexi")  # without its I/O
    _stub.__path__ = [folder + "/lexi" for folder in sys.path]
    sys.modules["lexi"] = _stub

from lexi import codes
from lexi.recovery import booking, ladder, moves, policies, policy, reports, store, texts
from lexi.recovery.budget import KINDS, Budgets
from lexi.recovery.case import Case
from observer import DAY_S, HOUR_S, REGISTERED, Limits, Observer

POLICIES = (policies.DEFAULT, policies.VERIZON, policies.GENTLE)
_SHARES = (0, 0, 0, 1, 2)  # worlds of each policy

WORLD_S = 30 * DAY_S
LISTED = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 19)
STRANGE = (17, 18, 20, 42, 255)
_WATCHED = (8, 9, 10, 11, 12, 13, 15, 16, 19)  # a re-registration is no cure for these
BOOTSTRAP = 900  # short ID of the bootstrap server

ENABLED = 0
ROW_DISABLED = 1
ROW_MISSING = 2

_M = 0x7FFFFFFF


class Rng:
    """MINSTD: the same under every Python."""

    def __init__(self, *seeds):
        x = 20061121
        for seed in seeds:
            x = (x * 69621 + seed % _M + 1) % _M
            for _ in range(3):
                x = x * 48271 % _M
        self.x = x or 1

    def __call__(self, n):
        self.x = x = self.x * 48271 % _M
        return x % n

    def chance(self, per_mille):
        return self(1000) < per_mille

    def pick(self, items):
        return items[self(len(items))]

    def span(self, least, most):
        """A length of time: all orders of magnitude are alike."""
        return int(least * (most / least) ** (self(100001) / 100000))


class Terms:
    """What a world is like all the time."""

    def __init__(self, rng):
        self.servers = [721] if rng.chance(500) else [721, 123, 500, 65535][: 1 + rng(4)]
        self.policy = POLICIES[rng.pick(_SHARES)]
        self.reenable = rng.chance(250)
        self.pins = rng.pick((0, 1, 2, 3, 3, 3, 6, 7, 7))
        self.autostart = rng.chance(700)  # it starts when it gets its power
        self.follows = rng.chance(200)  # a client on the MCU too
        # how URCs get lost (per mille), doubled, and late
        self.lost = rng.pick((0, 0, 10, 50, 300, 1000))
        self.twice = rng.pick((0, 0, 20, 200))
        self.late = rng.pick((0, 0, 20, 200))
        self.boot_urc = rng.pick((0, 1, 2))  # none, 5,1 and 5,2, or 4,0
        self.keeps_urcs = rng.chance(500)
        self.boot_s = rng.pick((5, 12, 15, 25))
        # the client
        self.one_shot = rng.chance(200)  # LwM2M 1.0: one attempt, then code 4
        self.tries, self.hold_s = rng.pick(((4, 30), (5, 60)))
        self.again_s = rng.pick((None, None, 86400))  # between two sequences
        self.dead_end = rng.chance(700)  # a lost update is not followed by anything
        self.suspends = rng.chance(500)  # waits without a network, instead of failing
        # the module's own default is a day; a few worlds are chatty
        self.lifetime_s = rng.pick((600, 3600)) if rng.chance(15) else rng.pick((86400, 43200))
        self.timer = "counts" if rng.chance(300) else rng.pick(("once",) * 9 + ("none", "frozen"))
        self.timer_s = rng.span(3600, DAY_S)
        self.short = rng.chance(400)  # an update that is answered is too short to be told of
        self.reg_works = rng.chance(800) or len(self.servers) > 1
        self.bootstrap = rng.chance(150)
        # the MCU
        self.wall = rng.pick((None, "kept", "unset"))
        self.record_lost = rng.pick((0, 0, 20, 100))
        self.fault_s = rng.span(900, 3 * DAY_S)  # between two faults
        self.mcu_s = rng.pick((None, 3 * DAY_S, DAY_S, DAY_S, 6 * HOUR_S))  # between two resets
        self.mcu_mid = rng.pick((0, 20, 100, 300))  # resets amidst a step, per mille
        self.forces = rng.chance(200)


class Server:
    def __init__(self, server):
        self.id = server
        self.row = ENABLED
        self.up = True
        self.session = False  # the server holds a registration
        self.code = None  # None: not listed
        self.gen = 0
        self.tries = 0
        self.update_at_s = 0
        self.cure = None  # what ends its hang: "register"; None without one
        self.stalled = True  # its next event passed while nothing moved


class Store:
    """What outlives the MCU."""

    def __init__(self):
        self.data = None

    def load(self):
        return self.data

    def save(self, data):
        self.data = data


class World:
    def __init__(self, seed, number, broken="", trace=None, calm=False, mute=""):
        self.rng = Rng(seed, number)
        self.terms = Terms(self.rng)
        self.number = number
        self.trace = trace
        self.broken = broken
        if calm:
            self.terms.wall = self.terms.mcu_s = None
            self.terms.forces = self.terms.bootstrap = self.terms.one_shot = False
            self.terms.lost = self.terms.late = self.terms.mcu_mid = self.terms.twice = 0
            self.terms.policy = policy.DEFAULT
            self.terms.pins = 3
        self.t = 0
        self.queue = []
        self.seq = 0
        self.faults = {}
        self.chaos = 0  # generation of the faults; odd while there are any
        self.servers = [Server(server) for server in self.terms.servers]
        self.bs = Server(BOOTSTRAP)
        self.bs.row = ROW_MISSING
        self.all = list(self.servers)
        self.all.append(self.bs)
        limits = Limits(self.terms.policy)
        self.observer = Observer(limits, self.terms.servers)
        self.observer.mute = mute
        self.healed = []  # seconds until all was well again
        # the module
        self.booting = False
        self.boot_gen = 0
        self.armed = False
        self.cereg = False
        self.radio = 1
        self.mode = 0
        self.needs_boot = False
        self.production = False
        self.init_fails = 0
        self.client_cure = None  # what ends the hang of the whole client
        self.client_up = False
        self.attached = False
        self.attach_gen = 0
        self.off = False  # by PWR_ON, or never switched on
        self.dead = None  # "reset", "power", "self": what revives the port
        self.lives = True  # the port: it answers, or boots
        self.installing = False
        self.fota = 0
        self.refuses = self.mute_commands = False
        self.hang_at = None
        # the network
        self.net = True
        self.denied = False
        self.sim = policy.SIM_READY
        self.stuck_search = False
        self.mcu = Mcu(self)
        self.boot()
        self.mcu.power_up()

    # Time

    def at(self, in_s, fn, *args):
        self.seq += 1
        heapq.heappush(self.queue, (self.t + in_s, self.seq, fn, args))

    def run(self, until_s):
        queue = self.queue
        while queue and queue[0][0] <= until_s:
            self.t, _, fn, args = heapq.heappop(queue)
            fn(*args)
            if self.observer.violations:
                return
        self.t = until_s

    def say(self, text, *args):
        if self.trace is not None:
            self.trace.append("%8d %s" % (self.t, text % args if args else text))

    # Module: start and end

    def answers(self):
        return self.dead is None and not (self.booting or self.installing or self.off)

    def port(self):
        """Tell when the port dies, and when it lives again."""
        lives = self.dead is None and not (self.installing or self.off)
        if lives != self.lives:
            self.lives = lives
            self.say("the port %s", "lives" if lives else "is dead")
            self.observer.port(self.t, lives, self.mcu.on and self.mcu.view.reachable)
            if not lives and self.mcu.on and self.rng.chance(500):
                self.at(self.rng(300), self.mcu.application_asks, self.mcu.gen)

    def runs(self):
        return self.client_up and self.client_cure is None

    def boot(self):
        self.say("module boots")
        self.boot_gen += 1
        self.booting = True
        self.installing = self.off = False
        self.port()
        self.fota = 0
        self.radio = 1
        if self.mode == 3 or self.needs_boot:
            self.mode = 0
        self.needs_boot = False
        self.client_up = False
        self.client_cure = None
        self.stuck_search = False
        self.armed = self.armed and self.terms.keeps_urcs
        self.cereg = False
        for s in self.all:
            s.cure = None
            s.tries = 0
            self.enter(s, None, None, True)
        self.network()
        self.at(self.terms.boot_s, self.booted, self.boot_gen)

    def booted(self, gen):
        if gen != self.boot_gen:
            return
        self.booting = False
        if self.terms.boot_urc == 1:
            self.urc("init", 1)
        elif self.terms.boot_urc == 2:
            self.urc("client", 0)
        self.network()
        self.at(2 + self.rng(20), self.start, gen)

    def start(self, gen):
        # The LwM2M client starts.
        if gen != self.boot_gen or self.booting:
            return
        if self.production:
            self.urc("init", 3)
        elif self.mode:
            self.urc("client", 7)
        elif self.init_fails:
            self.init_fails -= 1
            if self.init_fails & 1:
                self.urc("init", 4)  # else it hangs: 5,1 and nothing
        else:
            self.client_up = True
            self.urc("init", 2)
            for s in self.servers:
                if s.row == ENABLED:
                    s.tries = 0
                    self.enter(s, self.rng.pick((1, 2)) if self.attached else 1, 1 + self.rng(10))
                elif s.row == ROW_DISABLED:
                    self.enter(s, 0, None)

    def stop(self):
        self.client_up = False
        self.urc("client", 7)
        for s in self.all:
            if s.code is not None:
                self.enter(s, 0 if s is not self.bs else None, None, True)

    # Module: the state machine of a server

    def enter(self, s, code, after_s=None, quiet=False):
        s.code = code
        s.gen += 1
        s.stalled = after_s is None
        self.observer.truth(self.t, s.id, code)
        if code is not None and not quiet:
            self.urc("code", s.id, code)
        if self.hang_at is not None and self.hang_at[0] == code and s is not self.bs:
            self.hang(s, self.hang_at[1])
            self.hang_at = None
        if after_s is not None:
            self.at(after_s, self.advance, s, s.gen)

    def kick(self, s):
        s.gen += 1
        s.stalled = False
        self.at(1 + self.rng(5), self.advance, s, s.gen)

    def kick_all(self):
        for s in self.all:
            if s.stalled and s.cure is None and s.code is not None:
                self.kick(s)

    def hang(self, s, cure):
        self.say("%d hangs in %r until %s", s.id, s.code, cure)
        if cure == "register":
            s.cure = cure
        else:
            self.client_cure = cure

    def advance(self, s, gen):
        if gen != s.gen:
            return
        if not self.runs() or s.cure is not None or (self.terms.suspends and not self.attached):
            s.stalled = True
            return
        code = s.code
        reach = self.attached and s.up
        rng = self.rng
        if code in (0, 1):
            if not self.attached:
                s.stalled = True  # no attempt begins without a network
            elif s.row == ENABLED:
                self.enter(s, 2, 2 + rng(20) if reach else 62 + rng(32))
        elif code == 2:
            if reach:
                self.registered(s)
            else:
                self.attempt_failed(s)
        elif code == 3:
            if reach and s.session and self.terms.short:
                self.registered(s, True)
            elif rng.chance(300):
                self.enter(s, rng.pick((6, 7)), 1 + rng(5))
            else:
                self.enter(s, 5, 2 + rng(20) if reach else 62 + rng(32))
        elif code in (6, 7):
            self.enter(s, 5, 2 + rng(20) if reach else 62 + rng(32))
        elif code == 5:
            if reach and s.session:
                self.registered(s)
            else:
                self.update_failed(s)
        elif code == 4:
            if self.terms.again_s and s.row == ENABLED:
                s.tries = 0
                self.enter(s, 2, 10)
        elif code == 8:
            self.enter(s, 9, 5 + rng(60))
        elif code == 9:
            s.session = False
            self.enter(s, 0, rng.pick((3600, 86400)))
        elif code is not None:
            self.bootstrap(s, code)

    def registered(self, s, quiet=False):
        s.tries = 0
        s.session = True
        life_s = self.terms.lifetime_s
        wait_s = life_s - 93 if life_s > 93 else life_s // 2
        s.update_at_s = self.t + wait_s
        if quiet:  # the code stays 3, all the time as far as anybody can see
            s.gen += 1
            self.at(wait_s, self.advance, s, s.gen)
        else:
            self.enter(s, 3, wait_s)
        if self.terms.timer != "none":
            self.tell_timer(s, s.gen)
        if self.rng.chance(200):
            self.at(20, self.closed, s, s.gen)

    def closed(self, s, gen):
        self.urc("closed", s.id)

    def timer(self, s):
        """What the module says is left until the next update; None if it does not say."""
        if self.terms.timer == "none" or s.code not in REGISTERED:
            return None
        if self.terms.timer == "frozen":
            return 175
        return max(0, s.update_at_s - self.t)

    def tell_timer(self, s, gen):
        if gen != s.gen or s.code != 3 or not self.runs() or s.cure is not None:
            return
        self.urc("timer", s.id, self.timer(s))
        if self.terms.timer != "once":
            self.at(self.terms.timer_s, self.tell_timer, s, gen)

    def attempt_failed(self, s):
        s.tries += 1
        s.session = s.session and self.rng.chance(500)
        if self.rng.chance(300):
            self.urc("closed", s.id)
        if self.terms.one_shot or s.tries >= self.terms.tries:
            self.give_up(s)
        else:
            self.enter(s, 1, self.terms.hold_s << (s.tries - 1))

    def update_failed(self, s):
        s.session = False
        if self.terms.dead_end:
            self.give_up(s)
        else:
            self.enter(s, self.rng.pick((1, 2)), 5)

    def give_up(self, s):
        self.enter(s, 4, self.terms.again_s)
        if not any(other.code in REGISTERED for other in self.servers):
            self.urc("client", 1)
            if self.terms.bootstrap and self.bs.code in (None, 14):
                self.enter(self.bs, 10, 1 + self.rng(120))

    def bootstrap(self, s, code):
        reach = self.attached and self.bs.up
        rng = self.rng
        if code == 10:
            self.enter(s, 11, 2 + rng(30))
        elif code == 11:
            if reach:
                self.urc("client", 2)
                self.enter(s, 12, 2 + rng(100))
            else:
                self.enter(s, 15, 5)
        elif code == 12:
            self.enter(s, 13 if reach else 15, 3)
        elif code == 13:
            self.enter(s, 14, 3)
        elif code == 15:
            if self.chaos & 1 and rng.chance(500):
                self.enter(s, 16)
            else:
                self.enter(s, 19, 60 + rng(800))
        elif code == 16:
            s.stalled = True
        elif code == 19:
            self.enter(s, 10, 1 + rng(60))
        elif code == 14:
            if s is self.bs:
                self.enter(s, None, None, True)
            for other in self.servers if s is self.bs else (s,):
                if other.row == ENABLED and other.code not in REGISTERED and not other.cure:
                    other.tries = 0
                    self.enter(other, 2, 10)

    # Module: what it says

    def urc(self, kind, a=None, b=None):
        if not self.armed or not self.answers():
            return
        rng = self.rng
        terms = self.terms
        if terms.lost and rng.chance(terms.lost):
            return
        if terms.twice and rng.chance(terms.twice):
            self.at(rng(3), self.deliver, kind, a, b)
        if terms.late and rng.chance(terms.late):
            self.at(1 + rng(60), self.deliver, kind, a, b)
        else:
            self.deliver(kind, a, b)

    def deliver(self, kind, a, b):
        if not self.answers() or not self.mcu.on:
            return
        self.say("URC %s %s %s", kind, a, b)
        self.mcu.urc(kind, a, b)

    # Network

    def network(self):
        """Attach and detach, as things are now."""
        can = (
            not self.booting
            and not self.installing
            and not self.off
            and self.radio == 1
            and self.net
            and not self.denied
            and self.sim == policy.SIM_READY
            and not self.stuck_search
        )
        if can == self.attached:
            self.attach_gen += 1
            return
        if can:
            self.attach_gen += 1
            self.at(3 + self.rng(60), self.attach, self.attach_gen)
        else:
            self.attached = False
            self.observer.network(self.t, False)
            self.say("detached")
            self.tell_network()

    def attach(self, gen):
        if gen == self.attach_gen and not self.attached:
            self.attached = True
            self.observer.network(self.t, True)
            self.say("attached")
            self.tell_network()
            self.kick_all()

    def tell_network(self):
        if self.cereg:
            self.urc("network", self.attached, self.denied and self.radio == 1)

    # Module: commands. None: no answer; False: refused; True: OK.

    def command(self, name, server=0):
        if name == "switch on":
            if self.off:
                self.boot()
            return True if self.dead is None and not self.installing else None
        if name in ("pin reset", "power cycle"):
            if (self.dead == "power" or self.off) and name == "pin reset":
                return None
            self.dead = None
            self.boot()
            return True
        if not self.answers():
            return None
        if self.mute_commands:
            if self.rng.chance(500):
                self.obey(name, server)
            return None
        if self.refuses:
            return False
        return self.obey(name, server)

    def obey(self, name, server):
        if name == "soft reset":
            self.boot()
        elif name == "radio off":
            self.radio = 0
            self.network()
        elif name == "radio on":
            self.radio = 1
            self.stuck_search = False
            self.network()
        elif name == "pause":
            if self.sim != policy.SIM_READY:
                return False
            if self.mode == 0:
                self.mode = 3
                self.stop()
        elif name == "resume":
            if self.sim != policy.SIM_READY:
                return False
            if self.mode == 1:
                self.needs_boot = True
            elif self.mode == 3:
                self.mode = 0
                self.start(self.boot_gen)
            if not self.needs_boot:
                self.mode = 0
        elif name == "enable server":
            return self.enable(self.of(server))
        else:
            return self.register(self.of(server))
        return True

    def of(self, server):
        for s in self.servers:
            if s.id == server:
                return s
        return None

    def enable(self, s):
        if s.row == ROW_MISSING:
            return False
        s.row = ENABLED
        self.observer.configured(s.id, True)
        if self.runs() and s.code in (None, 0):
            self.enter(s, 1, 10)
        return True

    def register(self, s):
        if self.sim != policy.SIM_READY or self.mode or s.row == ROW_MISSING:
            return False
        if s.cure == "register":
            s.cure = None
        if self.client_cure == "register":
            self.client_cure = None
            self.kick_all()
        if not self.runs() or s.row != ENABLED or not self.attached:
            return True
        if s.code is not None and (s.code >= 10 or s.code in (8, 9)):
            self.kick(s)
            return True
        if s.code == 4 and not self.terms.reg_works:
            return True
        s.tries = 0
        reach = self.attached and s.up
        code = 5 if s.code in REGISTERED and s.session else 2
        self.enter(s, code, 2 + self.rng(20) if reach else 62 + self.rng(32))
        return True

    def listed(self):
        """What a poll is answered: (server, code, seconds to the next update)."""
        if self.production or self.mode == 1:
            return []
        return [(s.id, s.code, self.timer(s)) for s in self.all if s.code is not None]

    # Faults. Each begins, and ends by itself unless all is healed before.

    def later(self, in_s, fn, *args):
        self.at(in_s, self.if_chaos, self.chaos, fn, args)

    def if_chaos(self, chaos, fn, args):
        if chaos == self.chaos:
            fn(*args)

    def fault(self):
        name = self.rng.pick(FAULTS)
        self.faults[name] = self.faults.get(name, 0) + 1
        self.say("fault: %s", name)
        getattr(self, name)()
        self.later(1 + self.rng(2 * self.terms.fault_s), self.fault)

    def no_coverage(self):
        self.net = False
        self.network()
        self.later(self.rng.span(60, 4 * DAY_S), self.coverage)

    def coverage(self):
        self.net = True
        self.network()

    def denied_by_network(self):
        self.denied = True
        self.network()
        self.tell_network()
        self.later(self.rng.span(300, 3 * DAY_S), self.admitted)

    def admitted(self):
        self.denied = False
        self.network()

    def sim_fails(self):
        self.sim = self.rng.pick((policy.SIM_FAILED, policy.SIM_FAILED, policy.SIM_LOCKED))
        self.network()
        self.later(self.rng.span(120, 3 * DAY_S), self.sim_ready)

    def sim_ready(self):
        self.sim = policy.SIM_READY
        self.network()

    def searches_for_ever(self):
        self.stuck_search = True
        self.network()

    def server_down(self):
        s = self.rng.pick(self.servers)
        s.up = False
        self.later(self.rng.span(120, 4 * DAY_S), self.server_up, s)

    def all_servers_down(self):
        for s in self.servers:
            s.up = False
            self.later(self.rng.span(120, 4 * DAY_S), self.server_up, s)

    def server_up(self, s):
        s.up = True
        s.session = s.session and self.rng.chance(500)

    def server_forgets(self):
        self.rng.pick(self.servers).session = False

    def server_disables(self):
        s = self.rng.pick(self.servers)
        if self.runs() and s.code == 3:
            self.enter(s, 8, 2)

    def bootstrap_down(self):
        self.bs.up = False
        self.later(self.rng.span(120, 2 * DAY_S), self.server_up, self.bs)

    def module_reboots(self):
        if not self.installing and not self.off:
            self.boot()

    def server_hangs(self):
        self.hang(self.rng.pick(self.servers), "register")

    def client_hangs(self):
        self.hang(self.servers[0], self.rng.pick(("register", "reset", "reset")))

    def hangs_in_code(self):
        self.hang_at = (self.rng.pick(LISTED), self.rng.pick(("register", "reset")))

    def jumps(self):
        # Any code, for no reason, for ever.
        if not self.client_up:
            return
        s = self.rng.pick(self.servers)
        self.enter(s, self.rng.pick(LISTED), None)
        self.hang(s, self.rng.pick(("register", "reset")))

    def vanishes(self):
        s = self.rng.pick(self.servers)
        self.enter(s, None, None)
        s.cure = "register"

    def moves_on(self):
        # A jump that is no hang.
        if not self.client_up:
            return
        s = self.rng.pick(self.servers)
        self.enter(s, self.rng.pick(LISTED), 5 + self.rng(100))

    def port_dies(self):
        if self.installing or self.off:
            return
        self.dead = self.rng.pick(("reset", "reset", "power", "self"))
        self.port()
        self.later(self.rng.span(30, 3 * DAY_S), self.port_lives)

    def port_lives(self):
        boots = self.dead and self.rng.chance(300)
        self.dead = None
        if boots:
            self.boot()
        self.port()

    def switched_off(self):
        if not self.installing:
            self.stays_off()
            self.later(self.rng.span(30, 2 * DAY_S), self.switched_on)

    def stays_off(self):
        self.say("module is off")
        self.boot_gen += 1
        self.off = True
        self.dead = None
        self.port()
        self.booting = self.client_up = False
        self.fota = 0
        for s in self.all:
            s.cure = None
            self.enter(s, None, None, True)
        self.network()

    def switched_on(self):
        if self.off:
            self.boot()

    def refusals(self):
        self.refuses = True
        self.later(self.rng.span(60, 2 * DAY_S), self.obeys)

    def timeouts(self):
        self.mute_commands = True
        self.later(self.rng.span(60, DAY_S), self.obeys)

    def obeys(self):
        self.refuses = self.mute_commands = False

    def disabled_outside(self):
        if self.answers():
            self.mode = 1
            self.stop()
            if self.rng.chance(500):
                self.later(self.rng.span(600, 2 * DAY_S), self.enabled_outside)

    def enabled_outside(self):
        if self.mode == 1:
            self.needs_boot = True
            self.boot()

    def paused_outside(self):
        if self.answers() and self.mode == 0:
            self.mode = 3
            self.stop()

    def radio_off_outside(self):
        self.radio = 0
        self.network()

    def production_mode(self):
        self.production = True
        self.boot()
        self.later(self.rng.span(3600, 2 * DAY_S), self.sold)

    def sold(self):
        if self.production:
            self.production = False
            self.boot()

    def row_off(self):
        self.row(self.rng.pick(self.servers), ROW_DISABLED)

    def row_lost(self):
        self.row(self.rng.pick(self.servers), ROW_MISSING)

    def row(self, s, row):
        s.row = row
        s.session = False
        self.observer.configured(s.id, row == ENABLED)
        if row == ENABLED:
            if self.runs():
                self.enter(s, 1, 10)
        else:
            self.enter(s, 0 if row == ROW_DISABLED else None, None)
            self.later(self.rng.span(600, 3 * DAY_S), self.row_back, s)

    def row_back(self, s):
        if s.row != ENABLED:
            self.row(s, ENABLED)

    def init_fails_once(self):
        self.init_fails = 1 + self.rng(3)
        self.boot()

    def command_only(self):
        self.urc("client", 6)

    def noise(self):
        # A burst of codes that are not true, or not known.
        for _ in range(1 + self.rng(5)):
            s = self.rng.pick(self.servers)
            code = self.rng.pick(STRANGE if self.rng.chance(500) else LISTED)
            self.at(self.rng(30), self.deliver, "code", s.id, code)

    def firmware(self):
        # Download, then installation without AT, then a reboot; each may fail.
        if self.fota or not self.answers():
            return
        self.fota = 1
        self.urc("fota", self.fota)
        self.later(self.rng.span(60, 3600), self.firmware_goes_on, 1 + self.rng(4), self.boot_gen)

    def firmware_goes_on(self, left, gen):
        if gen != self.boot_gen or not self.fota:
            return
        rng = self.rng
        if rng.chance(150):
            self.fota = 0
            if rng.chance(600):
                self.urc("fota", 0)
            return
        self.fota += 1
        self.urc("fota", self.fota)
        if left:
            self.later(rng.span(60, 1800), self.firmware_goes_on, left - 1, gen)
        else:
            self.install()
            self.later(rng.span(120, 2400), self.firmware_ends, gen)

    def install(self):
        self.installing = True
        self.port()
        self.client_up = False
        self.network()

    def firmware_ends(self, gen):
        if gen == self.boot_gen and self.installing:
            self.boot()
            self.at(self.terms.boot_s + 1, self.urc, "fota", 0)

    def silent_firmware(self):
        # An installation without any sign.
        if self.answers() and not self.fota:
            self.install()
            self.at(self.rng.span(120, 2400), self.silent_firmware_ends, self.boot_gen)

    def silent_firmware_ends(self, gen):
        if gen == self.boot_gen and self.installing:
            self.boot()

    def firmware_stands_still(self):
        # The same sign again and again.
        if not self.fota and self.answers():
            self.fota = 60
            for i in range(1 + self.rng(100)):
                self.later(i * 3000, self.still, self.boot_gen)

    def still(self, gen):
        if gen == self.boot_gen and self.fota:
            self.urc("fota", self.fota)

    def reports_lost(self):
        self.mcu.client.lose(self.mcu)
        self.later(self.rng.span(60, 2 * DAY_S), self.reports_back)

    def reports_back(self):
        self.mcu.client.lost_t = None

    def mcu_loops(self):
        n = 2 + self.rng(10)
        gap_s = self.rng.span(5, 3600)
        for i in range(n):
            self.later(i * gap_s, self.mcu.reset)

    def mcu_off(self):
        self.mcu.reset(self.rng.span(60, DAY_S))

    def power_cut(self):
        # Of the whole node.
        self.mcu.reset(self.rng.span(2, DAY_S), True)

    def application_forces(self):
        if self.terms.forces and self.mcu.on:
            server = self.rng.pick(self.servers).id
            self.mcu.case.force(1 + self.rng(5), server)
            self.mcu.wake()

    def mcu_resets(self):
        self.mcu.reset()
        self.later(1 + self.rng(2 * self.terms.mcu_s), self.mcu_resets)

    # Phases

    def live(self, until_s):
        """Bad times and good ones in turn. Returns the simulated seconds."""
        while self.t < until_s and not self.observer.violations:
            self.chaos += 1
            self.say("bad times begin")
            self.later(self.rng(self.terms.fault_s), self.fault)
            if self.terms.mcu_s:
                self.later(self.rng(2 * self.terms.mcu_s), self.mcu_resets)
            self.run(self.t + self.rng.span(HOUR_S, 6 * DAY_S))
            if self.observer.violations:
                break
            self.heal()
            self.wait_well()
            if self.rng.chance(300):  # good times too have their updates
                self.at(300 + self.rng(3600), self.silent_firmware)
            self.run(self.t + self.rng.span(600, 30 * HOUR_S))
        return self.t

    def heal(self):
        """From now on the world is healthy, but for one fault that a step of the ladder cures."""
        self.chaos += 1
        self.say("all is healed")
        rng = self.rng
        self.net = True
        self.denied = False
        self.sim = policy.SIM_READY
        self.stuck_search = self.stuck_search and rng.chance(500)
        self.refuses = self.mute_commands = False
        self.hang_at = None
        self.init_fails = 0
        self.bs.up = True
        if self.dead or self.installing:
            self.dead = None
            if self.installing or rng.chance(500):
                self.boot()
        if self.off and not (self.terms.pins & policy.HAS_POWER and rng.chance(500)):
            self.boot()
        self.port()
        self.reports_back()
        self.fota = 0
        if self.production or self.mode == 1 or self.needs_boot:
            self.production = False
            self.needs_boot = True
            self.boot()
        for s in self.servers:
            if not s.up:
                self.server_up(s)
            if s.row != ENABLED:
                self.row(s, ENABLED)
        self.unhang()
        if any(s.code in REGISTERED for s in self.servers):
            self.radio = 1  # nobody would ask why it is off
        self.network()
        if not self.mcu.on:
            self.mcu.power_up()
        if rng.chance(300):
            for _ in range(1 + rng(2)):
                self.at(rng.span(60, 4 * HOUR_S), self.mcu.reset)

    def unhang(self):
        # A hang stays only where a step of the ladder can end it and may be taken.
        rng = self.rng
        down = not any(s.code in REGISTERED for s in self.servers)
        # Nobody can see that production mode has ended, as long as nothing moves.
        blind = self.mcu.view.init == 3
        clear = blind or self.stuck_search  # one fault at a time is enough
        if self.client_cure and (clear or not down or rng.chance(500)):
            self.client_cure = None
        if not self.client_up and not self.booting and (clear or rng.chance(500)):
            self.boot()
        for s in self.servers:
            if s.cure is None:
                continue
            curable = s.code not in REGISTERED and (
                len(self.servers) == 1 or s.code not in _WATCHED
            )
            if clear or not curable or rng.chance(500):
                s.cure = None
        for s in self.all:
            if s.cure is None and s.stalled and s.code != 4:
                if s.code is None:
                    if self.runs() and s is not self.bs:
                        self.enter(s, 1, 10)
                elif s.code == 16 and len(self.servers) > 1:
                    self.enter(s, 1, 10)
                else:
                    self.kick(s)

    def well(self):
        return all(s.code == 3 and s.cure is None for s in self.servers) and self.runs()

    def wait_well(self):
        if self.well() and self.attached:
            return
        since_s = self.t
        bound_s = self.observer.limits.bound
        step_s = 20
        while not self.observer.violations:
            self.run(self.t + step_s)
            if self.well() and self.attached:
                self.healed.append(self.t - since_s)
                self.say("all is well")
                return
            if self.t - since_s > bound_s:
                table = [(s.id, s.code, s.cure, s.row) for s in self.servers]
                text = "not well %d s after all was healed: %r" % (self.t - since_s, table)
                self.observer.wrong(self.t, "liveness", text)
            step_s = min(600, step_s + 20)


FAULTS = (
    "no_coverage",
    "no_coverage",
    "denied_by_network",
    "sim_fails",
    "searches_for_ever",
    "server_down",
    "server_down",
    "all_servers_down",
    "all_servers_down",
    "server_forgets",
    "server_forgets",
    "server_disables",
    "bootstrap_down",
    "module_reboots",
    "module_reboots",
    "server_hangs",
    "client_hangs",
    "hangs_in_code",
    "hangs_in_code",
    "jumps",
    "jumps",
    "vanishes",
    "moves_on",
    "moves_on",
    "port_dies",
    "port_dies",
    "switched_off",
    "silent_firmware",
    "silent_firmware",
    "firmware_stands_still",
    "reports_lost",
    "refusals",
    "timeouts",
    "disabled_outside",
    "paused_outside",
    "radio_off_outside",
    "production_mode",
    "row_off",
    "row_lost",
    "init_fails_once",
    "command_only",
    "noise",
    "noise",
    "firmware",
    "firmware",
    "application_forces",
    "mcu_loops",
    "mcu_off",
    "power_cut",
)


# What the ladder runs on: does what the supervisor does, without its I/O.

_REBOOT_S = 15
_ALIVE_S = 41  # AT once a second until the port is dead
_START_S = 30
_CHECK_S = 7200
_FOTA_KEEP_S = 600
_EPOCH_S = 946684800 if time.gmtime(0)[0] == 2000 else 0
_NOON_S = 1790000000 - _EPOCH_S  # some time in 2026


class Counts:
    """What happened, of all worlds."""

    def __init__(self):
        self.actions = {}
        self.reasons = {}
        self.states = {}
        self.resets = {}
        self.decisions = 0

    def up(self, table, name, n=1):
        table[name] = table.get(name, 0) + n


COUNTS = Counts()


class Client:
    """A client on the MCU, whose reports arrive or do not."""

    def __init__(self, rng):
        self.rng = rng
        self.lost_t = None
        self.helps = False

    def lose(self, mcu):
        self.lost_t = mcu.world.t
        self.helps = self.rng.chance(500)

    def of(self, mcu):
        """The client as one life of the MCU knows it."""
        self.mcu = mcu
        return self

    def trouble(self, now_s):
        if self.lost_t is None:
            return None
        return max(0, self.lost_t - self.mcu.boot_s), 0

    def kick(self):
        if self.helps and self.mcu.world.attached:
            self.lost_t = None


class Mcu:
    def __init__(self, world):
        self.world = world
        self.terms = world.terms
        self.store = Store()
        self.on = False
        self.gen = 0
        self.wake_gen = 0
        rng = Rng(world.rng(1000000), 7)
        self.random = (lambda n: 0) if world.broken == "spread" else rng
        rules = self.terms.policy
        if self.terms.reenable:
            rules = dict(rules, reenable=True)
        self.rules = BROKEN_RULES.get(world.broken, dict)(rules)
        self.wall_0 = 0  # when the wall clock was at its start
        self.wall_set = self.terms.wall == "kept"
        self.half_able_s = self.half_limit_s = 0
        self.half_gen = 0
        self.case = None
        self.decision = None
        self.client = Client(Rng(world.rng(1000000), 8))

    def now(self):
        return self.world.t - self.boot_s

    def wall(self):
        t = self.world.t
        return t + _NOON_S if self.wall_set else t - self.wall_0

    # Start and end

    def power_up(self):
        """The MCU starts: of the ladder only the record is left."""
        world = self.world
        self.on = True
        self.gen += 1
        self.boot_s = world.t - world.rng(3)
        now_s = self.now()
        broken = world.broken
        self.budgets = BROKEN_BUDGETS.get(broken, Budgets)(self.rules)
        wall = self.wall if self.terms.wall else None
        self.lost = None
        self.keeper = store.Keeper(self.store, self.budgets, wall, self.on_lost)
        first = self.store.data is None
        self.keeper.load(now_s)
        if not first:
            world.observer.loaded(world.t, self.ages(now_s), self.lost is not None)
        self.saved(now_s)
        old = self.case
        self.case = BROKEN_CASES.get(broken, Case)(self.rules, self.budgets, self.random, now_s)
        self.decide = BROKEN_LADDERS.get(broken, ladder.decide)
        if world.trace is not None and self.lost:
            world.say("record lost")
        self.view = self.case.view
        self.view.pins = self.terms.pins
        self.case.watch(self.terms.servers)
        if self.terms.follows:
            reports.Reports(self.case, None, None).add(self.client.of(self))
        if old is not None:
            self.half_limit_s += self.rules["start_spread_s"] + 60
            if self.lost is not None:
                self.half_limit_s += DAY_S
        self.reg = {}
        self.up = False
        # a port that is found dead comes first
        self.start_at_s = now_s + (5 if self.view.reachable is False else 0)
        self.start_gap_s = 0
        self.unanswered = 0  # AT, since the last answer
        self.fota_state = None
        self.suspect = False
        self.suspect_at_s = 0
        self.fota_saved_s = policy.NEVER
        self.check_s = policy.LATER  # when the monitor asks by itself
        self.check_gap_s = 0
        self.busy = False
        self.wake_at(0)

    def on_lost(self, e):
        self.lost = e

    def reset(self, off_s=0, whole=False):
        """The MCU loses all but its store, for off_s; whole: the module loses its power too."""
        world = self.world
        if not self.on:
            return
        world.say("MCU resets, off for %d s", off_s)
        COUNTS.up(
            COUNTS.resets, "power cut" if whole else "idle" if not self.busy else "in a step"
        )
        self.on = False
        self.gen += 1
        rng = world.rng
        if rng.chance(self.terms.record_lost) and self.store.data:
            at = rng(len(self.store.data))
            self.store.data = self.store.data[:at] if rng.chance(500) else b"?" * 20
        if whole:
            if self.terms.wall == "unset":
                self.wall_0 = world.t
                self.wall_set = False
            world.dead = None
            if self.terms.autostart or self.terms.pins < policy.HAS_ON:
                world.boot()
            else:
                world.stays_off()
        world.at(off_s or 1 + rng(5), self.again, self.gen)

    def again(self, gen):
        if gen == self.gen and not self.on:
            self.power_up()

    # Wakes

    def wake_at(self, in_s):
        self.wake_gen += 1
        self.world.at(in_s, self.woken, self.wake_gen, self.gen)

    def woken(self, wake_gen, gen):
        if wake_gen == self.wake_gen and gen == self.gen and self.on:
            self.wake()

    def wake(self):
        """Everything that is due now: one thing, or the time of the next."""
        world = self.world
        if self.busy:
            return
        now_s = self.now()
        # The ladder decides first, unless it is frozen.
        first = moves.may_be_off(self.case) and self.view.reachable is None
        first = first and not self.frozen(now_s)
        if not first and not self.up and now_s >= self.start_at_s:
            return self.ask(_START_S, self.start)
        if not first and self.suspect and now_s >= self.suspect_at_s and not self.frozen(now_s):
            self.suspect = False
            return self.ask(max(1, _ALIVE_S - self.unanswered), self.alive)
        if now_s >= self.check_s:
            self.check(now_s)
        case = self.case
        COUNTS.decisions += 1
        world.observer.woken(world.t)
        decision = self.decision = self.decide(case, now_s)
        action = decision.action
        why = decision.held_by if action == policy.NONE else decision.reason
        COUNTS.reasons[why] = COUNTS.reasons.get(why, 0) + 1
        if action == policy.NONE:
            at_s = max(now_s + 1, min(case.wake_s, self.check_s, now_s + DAY_S))
            if not self.up:
                at_s = min(at_s, max(now_s + 1, self.start_at_s))
            due_s = self.keeper.due_s(now_s)
            if due_s == 0:
                self.save(now_s)
                due_s = self.keeper.due_s(now_s)
            if self.suspect:
                at_s = min(at_s, max(now_s + 1, self.suspect_at_s, self.budgets.thaw_s()))
            if due_s is not None:
                at_s = min(at_s, now_s + max(1, due_s))
            self.wake_at(at_s - now_s)
            return None
        return self.act(action, now_s)

    def ask(self, tries, then):
        # AT once a second, so many times or until it is answered.
        if self.world.answers():
            self.unanswered = 0
            return self.after(1, then)
        self.unanswered += tries
        return self.after(tries, then)

    def after(self, cost_s, then):
        # Busy for so long, then `then`, then the next wake.
        self.busy = True
        self.world.at(cost_s, self.finished, self.gen, then)

    def finished(self, gen, then):
        if gen != self.gen or not self.on:
            return
        self.busy = False
        if then is not None:
            then(self.now())
        if self.on:
            now_s = self.now()
            if self.keeper.due_s(now_s) == 0:
                self.save(now_s)
            if not self.budgets.mark:
                self.world.observer.ended()
            self.wake()

    def frozen(self, now_s):
        return now_s < self.budgets.thaw_s()

    def application_asks(self, gen):
        # For the signal, or whatever: that is how a dead port is noticed before long.
        if gen == self.gen and self.on:
            self.check_s = min(self.check_s, self.now())
            self.wake()

    def start(self, now_s):
        if self.world.answers():
            self.up = True
            self.answered(now_s)
            return self.bring_up(now_s)
        self.suspect = True
        self.view.silent = self.view.reachable is None
        self.start_gap_s = min(max(2 * self.start_gap_s, 5), 900)
        self.start_at_s = now_s + self.start_gap_s

    def bring_up(self, now_s):
        world = self.world
        if not world.answers():
            self.mute(now_s)
            return False
        world.armed = True
        self.tell(now_s)
        self.check_s = now_s + _CHECK_S
        self.check_gap_s = 0
        return True

    def mute(self, now_s):
        # The monitor got no answer.
        if self.view.reachable:
            self.suspect = True
        self.check_gap_s = min(max(2 * self.check_gap_s, 5), 900)
        self.check_s = now_s + self.check_gap_s

    def check(self, now_s):
        world = self.world
        if world.answers() and not world.armed:
            self.restarted(now_s)
        self.bring_up(now_s)

    def answered(self, now_s):
        # Behind a silence, of which it is known what the module went through, or not.
        if self.view.reachable is None and self.unanswered:
            self.case.booted(now_s)
        self.unanswered = 0
        self.view.reachable = True
        self.start_at_s = min(self.start_at_s, now_s)
        self.world.observer.answered()

    def alive(self, now_s):
        if self.world.answers():
            if self.view.reachable is False:
                self.restarted(now_s)
            self.answered(now_s)
        else:
            self.silent(now_s)

    def silent(self, now_s):
        # A dead port, unless the module is busy with an update or has just restarted.
        self.suspect = self.frozen(now_s) or now_s < self.suspect_at_s
        if not self.suspect:
            self.view.reachable = False

    def restarted(self, now_s):
        # Noticed, or done by ourselves.
        self.reg.clear()
        self.world.observer.forgot(self.world.t)
        self.suspect_at_s = now_s + _REBOOT_S + _START_S
        self.case.restarted(now_s)
        self.check_s = min(self.check_s, now_s + 2)

    # What the module tells

    def put(self, now_s, server, code):
        COUNTS.states[code] = COUNTS.states.get(code, 0) + 1
        self.case.see(now_s, server, code)

    def tell(self, now_s):
        """A poll is answered."""
        world = self.world
        reg = self.reg
        listed = world.listed()
        for server, code, timer_s in listed:
            world.observer.told(world.t, server, code)
            if reg.get(server) != code:
                reg[server] = code
                self.put(now_s, server, code)
            if timer_s is not None:
                world.observer.told_timer(world.t, server, timer_s)
                self.heard(server, "timer", now_s, timer_s)
        if len(reg) > len(listed):
            for server in [s for s in reg if s not in [row[0] for row in listed]]:
                del reg[server]
                world.observer.told(world.t, server, None)
                self.put(now_s, server, codes.NO_CODE)
        self.view.polls += 1
        self.view.reachable = True
        self.unanswered = 0
        world.observer.answered()

    def urc(self, kind, a, b):
        world = self.world
        now_s = self.now()
        self.unanswered = 0
        if kind == "code":
            if b in codes.STATUS:
                self.reg[a] = b
                world.observer.told(world.t, a, b)
            self.put(now_s, a, b)
        elif kind == "timer":
            world.observer.told_timer(world.t, a, b)
            self.heard(a, "timer", now_s, b)
        elif kind == "closed":
            self.heard(a, "closed", now_s)
        elif kind == "client":
            if a == 0:
                self.restarted(now_s)
            self.case.see_client(now_s, a)
            if a == 7:
                self.check_s = min(self.check_s, now_s + 1)
        elif kind == "init":
            if a == 1:
                self.restarted(now_s)
            self.case.see_init(now_s, a)
        elif kind == "network":
            self.view.attached = a
            self.view.denied = b
            world.observer.told_network(world.t, a)
        elif kind == "fota":
            self.fota_sign(now_s, a)
        if self.view.reachable is False:
            self.suspect = True
        self.wake()

    def heard(self, server, what, *args):
        state = self.case.server(server)
        if state is not None:
            getattr(state, what)(*args)

    def fota_sign(self, now_s, running):
        world = self.world
        news = self.fota_state is not None and running != self.fota_state
        self.fota_state = running or None
        world.observer.fota(world.t, running, news)
        if world.broken == "fota":
            return
        budgets = self.budgets
        if running:
            if now_s - self.fota_saved_s >= _FOTA_KEEP_S:
                self.fota_saved_s = now_s
                budgets.dirty = True
            self.budgets.fota_sign(now_s, news)
        else:
            budgets.fota_s = self.fota_saved_s = policy.NEVER
            budgets.dirty = True
            self.view.diagnosed_s = policy.NEVER
            self.restarted(now_s)

    # What the ladder decides

    def act(self, action, now_s):
        world = self.world
        decision = self.decision
        name = texts.ACTIONS[action]
        COUNTS.actions[name] = COUNTS.actions.get(name, 0) + 1
        if world.trace is not None:
            world.say("%s %d: %s", name, decision.server, texts.REASONS[decision.reason])
        if name in ("poll", "diagnose", "park"):
            world.observer.action(world.t, name, decision.server)
            booking.take(self.case, self.decision, now_s)
            if name == "poll":
                return self.after(1, self.polled)
            if name == "diagnose":
                return self.after(2, self.diagnosed)
            return self.after(1, None)
        if self.mid_step("before take"):
            return None
        booking.take(self.case, self.decision, now_s)
        if self.mid_step("before save"):
            return None
        if self.budgets.dirty and not self.save(now_s):
            return self.after(1, None)
        world.observer.booked(name)
        if self.mid_step("before command"):
            return None
        dead = not self.view.reachable
        world.observer.action(
            world.t,
            name,
            decision.server,
            decision.reason == policy.FORCED,
            dead,
            decision.reason == policy.DISABLED,
        )
        self.busy = True  # what the module says meanwhile leads to no decision
        if name == "kick the reporting client":
            self.client.kick()
            return self.after(1, self.kicked)
        answer = world.command(name, decision.server)
        if world.trace is not None:
            world.say("  %s", {None: "no answer", False: "refused", True: "OK"}[answer])
        if name in ("radio off", "pause") and answer is not False:
            self.halfway(name)
        elif name in ("resume", "radio on") and world.radio == 1 and world.mode != 3:
            self.half_gen += 1
        resets = name in ("soft reset", "pin reset", "power cycle", "switch on")
        if resets and answer is not False:
            self.restarted(now_s)
            self.check_s = policy.LATER
        if self.mid_step("after command"):
            return None
        bad = world.chaos & 1
        if bad and name in ("radio off", "pause") and world.rng.chance(self.terms.mcu_mid):
            world.at(world.rng(40), self.reset)
        if resets and answer:
            return self.after(_REBOOT_S + 15, self.reset_done)
        if answer is None:
            return self.after(10, self.timed_out)
        return self.after(1 + world.rng(3), self.command_done if answer else self.refused)

    def mid_step(self, where):
        if not self.world.chaos & 1:
            return False
        if self.terms.mcu_mid and self.world.rng.chance(self.terms.mcu_mid // 4):
            COUNTS.up(COUNTS.resets, where)
            self.reset()
            return True
        return False

    def polled(self, now_s):
        if self.world.answers():
            self.tell(now_s)
        else:
            self.mute(now_s)

    def diagnosed(self, now_s):
        world = self.world
        view = self.view
        if not world.answers():
            self.silent(now_s)
            return
        if world.mute_commands and world.rng.chance(300):
            self.suspect = True
            return
        view.sim = world.sim
        view.radio_on = world.radio == 1
        world.cereg = True
        view.attached = world.attached
        world.observer.told_network(world.t, world.attached)
        view.denied = world.denied and world.radio == 1
        view.mode = world.mode
        view.missing = tuple([s.id for s in world.servers if s.row == ROW_MISSING])
        view.disabled = tuple([s.id for s in world.servers if s.row == ROW_DISABLED])
        self.tell(now_s)
        view.diagnosed_s = now_s

    def reset_done(self, now_s):
        if self.bring_up(now_s):
            self.answered(now_s)
            booking.done(self.case, self.decision, now_s)

    def command_done(self, now_s):
        action = texts.ACTIONS[self.decision.action]
        if action == "resume":
            self.view.mode = 0
        elif action == "radio on":
            self.view.radio_on = True
            self.view.attached = None
            self.world.observer.told_network(self.world.t, False)
        booking.done(self.case, self.decision, now_s)
        if action == "enable server":
            self.diagnosed(now_s)
        self.mid_step("after done")

    def kicked(self, now_s):
        booking.done(self.case, self.decision, now_s)

    def refused(self, now_s):
        booking.failed(self.case, self.decision, now_s)

    def timed_out(self, now_s):
        self.suspect = True

    # The record

    def save(self, now_s):
        ok = self.keeper.save(now_s)
        self.saved(now_s)
        return ok

    def saved(self, now_s):
        self.world.observer.saved(self.world.t, self.ages(now_s), not self.keeper.failed)

    def ages(self, now_s):
        # Of the last and of the oldest step of each kind that is on the books.
        budgets = self.budgets
        times = [budgets.last_s(step) for step in range(KINDS)]
        times += [budgets.free_s(step, 0) for step in range(KINDS)]
        return [None if at_s == policy.NEVER else now_s - at_s for at_s in times]

    # What is half done must come to its end.

    def halfway(self, name):
        self.half_gen += 1
        self.half_able_s = 0
        self.half_limit_s = 400 + self.rules["pause_s"] + self.rules["start_spread_s"]
        self.world.at(60, self.half_check, name, self.half_gen, self.world.boot_gen)

    def half_check(self, name, half_gen, boot_gen):
        world = self.world
        off = world.mode == 3 if name == "pause" else world.radio == 0
        if half_gen != self.half_gen or boot_gen != world.boot_gen or not off:
            return
        able = world.answers() and self.on and not self.frozen(self.now())
        able = able and self.view.reachable  # or the port lives again, and it does not yet know
        if able and not world.refuses and not world.mute_commands:
            self.half_able_s += 60
            if world.sim != policy.SIM_READY and world.mode == 3:
                self.half_able_s = 0
        if self.half_able_s > self.half_limit_s:
            text = "radio %d, mode %d, %d s after the step" % (
                world.radio,
                world.mode,
                self.half_able_s,
            )
            world.observer.wrong(world.t, "halfway", text)
        world.at(60, self.half_check, name, half_gen, boot_gen)


# Ladders that are broken on purpose: the observer has to say so.


def _more_tries(rules):
    rules = dict(rules, steps=dict(rules["steps"]))
    window_s, _, _, _, cap, cap_s = rules["steps"][policy.STEP_REGISTER]
    rules["steps"][policy.STEP_REGISTER] = (window_s, (60,), 60, 20, cap, cap_s)
    return rules


def _more_resets(rules):
    rules = dict(rules, steps=dict(rules["steps"]))
    rules["steps"][policy.STEP_PINS] = (475, (3600,), 3600, 24, 24, DAY_S)
    return rules


def _thaws_soon(rules):
    return dict(rules, fota_max_s=3600)


class _Refilled(Budgets):
    """A restart of the MCU refills the caps."""

    def started(self, now_s, life_s=0):
        Budgets.started(self, now_s, life_s)
        for ring in self.rings:
            for i in range(len(ring)):
                ring[i] = policy.NEVER


class _Hasty(Budgets):
    """A dead port is not left alone."""

    def died(self, now_s, well):
        Budgets.died(self, now_s, False)


class _Unmarked(Budgets):
    """Does not remember what was begun."""

    def set_mark(self, mark, now_s):
        pass


def _blind(case, now_s):
    """Takes no notice of servers that are registered."""
    for state in case.servers:
        state.registered = False
    return ladder.decide(case, now_s)


def _idle(case, now_s):
    """Re-registers nothing, resets nothing."""
    decision = ladder.decide(case, now_s)
    return moves.wait(decision.reason) if decision.step else decision


def _restless(case, now_s):
    """Wants to decide again at once."""
    decision = ladder.decide(case, now_s)
    case.wake_s = now_s
    return decision


class _Pressing(Case):
    """Switches on again and again."""

    switched_on = property(lambda self: False, lambda self, value: None)


class _Leaking(Case):
    def see(self, now_s, server, code):
        self.seen = (now_s, getattr(self, "seen", None))
        Case.see(self, now_s, server, code)


BROKEN_RULES = {"tries": _more_tries, "caps": _more_resets, "thaw": _thaws_soon}
BROKEN_BUDGETS = {"refill": _Refilled, "mark": _Unmarked, "hasty": _Hasty}
BROKEN_CASES = {"leak": _Leaking, "press": _Pressing}
BROKEN_LADDERS = {"blind": _blind, "idle": _idle, "restless": _restless}


# Runs


def run_world(seed, number, options, trace=None):
    world = World(seed, number, options["break"], trace, False, options["mute"])
    world.live(WORLD_S)
    return world


def run(options):
    """Worlds first, first + step, ... until there are enough days. Returns the summary."""
    started_s = time.time()
    healed = {rules["name"]: [] for rules in POLICIES}
    faults = {}
    violations = []
    days = 0
    worlds = 0
    number = options["first"]
    while days < options["days"] and len(violations) < options["most"]:
        world = run_world(options["seed"], number, options)
        days += world.t / DAY_S
        worlds += 1
        healed[world.terms.policy["name"]] += world.healed
        for name, n in world.faults.items():
            faults[name] = faults.get(name, 0) + n
        for at_s, which, text in world.observer.violations:
            violations.append([number, at_s, which, text, world.terms.policy["name"]])
        world = None
        number += options["step"]
    return {
        "seed": options["seed"],
        "days": days,
        "seconds": time.time() - started_s,
        "worlds": worlds,
        "next": number,
        "violations": violations,
        "healed": healed,
        "bounds": {rules["name"]: rules["bound_s"] for rules in POLICIES},
        "decisions": COUNTS.decisions,
        "actions": {name: COUNTS.actions.get(name, 0) for name in texts.ACTIONS[1:]},
        "reasons": {texts.REASONS[i]: COUNTS.reasons.get(i, 0) for i in range(len(texts.REASONS))},
        "states": {str(code): n for code, n in COUNTS.states.items()},
        "resets": COUNTS.resets,
        "faults": {name: faults.get(name, 0) for name in sorted(set(FAULTS))},
    }


def first_actions(seed, count, broken):
    """When the first radio action comes after power-up, if the servers are down from the start."""
    times = []
    for number in range(count):
        world = World(seed, number, broken, None, True)
        for s in world.servers:
            s.up = False
        world.terms.tries = 1
        while world.observer.first_s is None and world.t < DAY_S:
            world.run(world.t + 60)
        times.append(world.observer.first_s)
    return times


def memory(seed, days, broken):
    """Bytes in use after each day of one long life; servers come and go every few hours."""
    world = World(seed, 5, broken, None, True)
    world.terms.lifetime_s = 3600
    world.terms.twice = 200
    used = []
    shape = None
    for day in range(days):
        for s in world.servers:
            s.up = day % 3 == 2 or not s.up
        world.run((day + 1) * DAY_S)
        world.observer.violations = []
        case = world.mcu.case
        now = (len(case.servers), [len(ring) for ring in case.budgets.rings])
        if shape not in (None, now):
            raise AssertionError("%r became %r" % (shape, now))
        shape = now
        gc.collect()
        if hasattr(gc, "mem_alloc"):
            used.append(gc.mem_alloc())
    return used


def main(args):
    options = {
        "seed": 1,
        "first": 0,
        "step": 1,
        "days": 100,
        "most": 5,
        "world": -1,
        "starts": 0,
        "memory": 0,
        "break": "",
        "mute": "",
        "trace": 0,
    }
    i = 0
    while i < len(args):
        name = args[i][2:]
        if not args[i].startswith("--") or name not in options:
            raise SystemExit("%s: expected one of --%s" % (args[i], " --".join(options)))
        if name == "trace":
            options[name] = 1
        else:
            i += 1
            options[name] = args[i] if options[name] == "" else int(args[i])
        i += 1
    if options["starts"]:
        print(json.dumps(first_actions(options["seed"], options["starts"], options["break"])))
    elif options["memory"]:
        print(json.dumps(memory(options["seed"], options["memory"], options["break"])))
    elif options["world"] >= 0:
        trace = [] if options["trace"] else None
        world = run_world(options["seed"], options["world"], options, trace)
        if trace is not None:
            print("\n".join(trace))
        terms = {k: v["name"] if k == "policy" else v for k, v in vars_of(world.terms).items()}
        print(json.dumps(terms))
        print(json.dumps({"days": world.t / DAY_S, "violations": world.observer.violations}))
    else:
        print(json.dumps(run(options)))


def vars_of(terms):
    return getattr(terms, "__dict__")


if __name__ == "__main__":
    main(sys.argv[1:])
