# Notices what happens: events of the registry, restarts, polls, failures. Feeds the case with them,
# and says whether anything happened since the supervisor looked at all of it.

from ..codes import BOOTSTRAP, CLIENT, CONNECTION, CONNECTION_CLOSED, INIT, NO_CODE
from ..codes import NOTIFICATION, REGISTRATION, TIMER
from .policy import NEVER


class Hearing:
    """The ears of a Supervisor, which waits for signal."""

    def __init__(self, lexi, case, contact, diagnosis, signal):
        self._clock = lexi.channel.clock
        self._monitor = lexi.monitor
        self._registry = lexi.registry
        self._case = case
        self._contact = contact
        self._diagnosis = diagnosis
        self._signal = signal
        self.calm_s = NEVER  # until when nothing has to be looked at, unless something happens
        self._stirred = False  # an event set the signal, and nobody has looked since
        self._restarts = self._registry.restarts
        self._failures = 0
        self._registry.watch(signal)
        self._registry.subscribe(self._event)

    def calm(self, now_s):
        # Whether nothing has happened since look() that could change a decision.
        self._stirred = False
        monitor = self._monitor
        return (
            now_s < self.calm_s
            and not self._case.budgets.dirty
            and self._registry.restarts == self._restarts
            and monitor.polls == self._case.view.polls
            and monitor.failures == self._failures
        )

    def stir(self):
        # Something happened that was not heard here.
        self.calm_s = NEVER
        self._signal.set()

    def look(self, now_s):
        # Take note of what is no event.
        self.calm_s = NEVER
        view = self._case.view
        monitor = self._monitor
        self._sync_restarts(now_s)
        if monitor.polls != view.polls:
            view.polls = monitor.polls
            view.polled_s = monitor.polled_s
            self._diagnosis.compare()
            view.reachable = True
        if monitor.failures != self._failures:
            self._failures = monitor.failures
            if not monitor.reachable and view.reachable:
                self._contact.suspect = True
        self._contact.look()

    def _sync_restarts(self, now_s):
        if self._registry.restarts != self._restarts:
            self._restarts = self._registry.restarts
            self.calm_s = NEVER
            self._diagnosis.restarted()
            self._contact.restarted(now_s)
            self._case.restarted(now_s)

    def _event(self, event, server, value):
        case = self._case
        if self._registry.restarts != self._restarts:
            self._sync_restarts(self._clock.s)
        state = case.near
        if state.id != server:
            state = case.server(server)
        if event == REGISTRATION and case.usual and server and state and value != NO_CODE:
            if not state.status(self._clock.s, value):
                return
        elif event == TIMER:
            if state is None or not state.timer(self._clock.s, value):
                return
        elif event == NOTIFICATION or not self._rare_event(event, server, value):
            return  # of the one notification that matters the Freeze is told
        self.calm_s = NEVER
        if not self._stirred:
            self._stirred = True
            self._signal.set()

    def _rare_event(self, event, server, value):
        case = self._case
        if event == REGISTRATION or event == BOOTSTRAP:
            if value == NO_CODE and self._registry.code(server) != value:
                return False  # the module said so, which means nothing
            return case.see(self._clock.s, server, value)
        if event == CLIENT:
            case.see_client(self._clock.s, value)
        elif event == INIT:
            case.see_init(self._clock.s, value)
        elif event == CONNECTION and value == CONNECTION_CLOSED:
            state = case.server(server)
            if state is not None:
                state.closed(self._clock.s)
        return True
