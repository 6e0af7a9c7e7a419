"""A bench for the simulated module: a fake clock, a host that waits 20 ms, lines out.

Used by the other test_lexisim files; its own tests make sure that the bench itself is sound.
"""

from lexisim import Config, Module, Nvm, run_verb

_STEP_S = 0.001
_PAUSE_S = 0.05


class Bench:
    """A module on a fake clock. Real seconds equal module seconds unless `speed` is given."""

    def __init__(self, nvm=None, ready=True, ate0=True, urcs=None, **options):
        self.now_s = 0.0
        self.nvm = nvm if nvm is not None else Nvm()
        if urcs is not None:
            self.nvm.put("stat", list(urcs))
        self.module = Module(Config(**options), self.nvm)
        if ready:
            self.pass_time(self.module.config.boot_dead_s + 0.1)
            if ate0:
                self.module.port.echo = False

    def pass_time(self, seconds):
        """Let real time pass in one go; returns the bytes sent."""
        self.now_s += seconds
        return self.module.advance(self.now_s)

    def run(self, seconds):
        """Let time pass; returns the lines that came."""
        return lines(self.pass_time(seconds))

    def raw(self, data, wait_s=1.5):
        """Send bytes after a pause; returns the bytes that came until `wait_s` later."""
        self.pass_time(_PAUSE_S)
        self.module.receive(data, self.now_s)
        return self.pass_time(wait_s)

    def command(self, line, wait_s=0.9):
        """Send a command line; returns the lines that came until `wait_s` later."""
        return lines(self.raw(line.encode() + b"\r", wait_s))

    def do(self, verb):
        """Run a verb of the control port; it must succeed."""
        assert run_verb(self.module, verb) == "ok", verb

    def reboot(self):
        """Restart by command and wait until AT answers."""
        self.command("AT+CFUN=16")
        self.pass_time(self.module.config.boot_dead_s + 1)
        self.module.port.echo = False

    def server(self, server_id):
        """Return the server's row of the state."""
        return next(row for row in self.module.state()["servers"] if row["id"] == server_id)

    def code(self, server_id):
        """Return the server's true status code."""
        return self.server(server_id)["code"]

    def timed(self, seconds):
        """Let time pass in steps; returns [(time when a line was complete, line)]."""
        found, held, end_s = [], b"", self.now_s + seconds
        while self.now_s < end_s - 1e-9:
            next_s = self.module.next_event_s()
            step_s = end_s if next_s is None else min(end_s, max(next_s, self.now_s))
            held += self.pass_time(step_s - self.now_s)
            *complete, held = held.split(b"\n")
            found += [
                (round(self.now_s, 1), line.decode().strip()) for line in complete if line.strip()
            ]
        return found


def lines(data):
    """Split what came on the line into lines without the empty ones."""
    return [part.decode("latin-1") for part in data.replace(b"\n", b"\r").split(b"\r") if part]


def registered_bench(**options):
    """A bench whose servers are registered, URCs on with full mask, nothing pending."""
    options.setdefault("factory_mode", 0)
    bench = Bench(urcs=options.pop("urcs", (1, 7)), **options)
    bench.run(30)
    return bench


def test_lines_drops_empty_ones():
    assert lines(b"\r\nA\r\n\r\nOK\r\n") == ["A", "OK"]


def test_registered_bench_is_registered():
    bench = registered_bench()
    assert bench.code(721) == 3
    assert bench.run(1) == []
