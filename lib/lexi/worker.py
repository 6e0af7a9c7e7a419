# What has to be done again and again, whatever fails: in a task under asyncio, or step by step.
#
# It knows no module. Failures are counted, and tried again later and later.

from micropython import const

from atport.errors import PortTaken

_RETRY_MAX_S = const(60)  # longest wait after a failure: 1 s, doubled each time
_LONGEST_S = const(1200)  # that one step() may take: each command has a deadline


class Worker:
    """Does what is due: _work(), when _due_at_s() says so. Both are its subclass's.

    failures: turns that failed; last_error is the latest reason. turn_s: as of Monitor: when it
    will have had its turn, for alive(); None while nobody calls it.
    """

    def __init__(self, channel, runtime, signal):
        self._channel = channel
        self._runtime = runtime
        self._signal = signal  # set when something may be due sooner
        self._task = None
        self._retry_s = 0  # the latest wait after a failure; 0: there was none
        self._not_before_s = 0
        self.turn_s = None
        self.failures = 0
        self.last_error = None

    def start(self):
        """Begin to work in a task. For programs with asyncio; others call step()."""
        if self._task is None:
            self._task = self._runtime.start(self.run())

    def wake(self):
        """Try again now what failed: the network is back."""
        self._retry_s = 0
        self._signal.set()

    async def run(self):
        """step() whenever something is due, until a newer Channel has the stream."""
        while not self._channel.closed:
            try:
                wait_s = await self.step()
                if wait_s:
                    await self._signal.wait_ms(wait_s * 1000)
            except PortTaken:
                break
            except Exception as e:  # out of memory: this task must not end
                self._failed(e)
                await self._runtime.sleep_ms(1000)
        self.turn_s = None

    async def step(self):
        """Do one thing that is due, and return the seconds until another one is, 0 for now.

        Never raises for the module's failures: they are counted, and tried again after 1 s, 2 s,
        ... 60 s. Raises PortTaken when a newer Channel has the stream.
        """
        if self.due_s() == 0:
            self.turn_s = self._now_s() + _LONGEST_S
            retry_s, self._retry_s = self._retry_s, 0
            try:
                await self._work()
            except PortTaken:
                raise
            except Exception as e:  # counted: this task must not end, whatever it was
                self._retry_s = retry_s
                self._failed(e)
        wait_s = self.due_s()
        self.turn_s = self._channel.clock.s + wait_s
        return wait_s

    def due_s(self):
        """Seconds until step() has something to do, 0 for now. Allocates nothing."""
        now_s = self._now_s()
        if self._retry_s and now_s < self._not_before_s:
            return self._not_before_s - now_s
        return max(0, self._due_at_s() - now_s)

    def _failed(self, e):
        self.failures += 1
        self.last_error = e
        self._retry_s = min(max(2 * self._retry_s, 1), _RETRY_MAX_S)
        self._not_before_s = self._now_s() + self._retry_s

    def _now_s(self):
        clock = self._channel.clock
        clock.ms()
        return clock.s
