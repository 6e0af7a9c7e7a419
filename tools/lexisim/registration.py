"""One LwM2M server account: connection, registration, updates, notifications.

Codes and events are the manual's. Their order, the retry timing and the dead end after a failed
update follow a Wakaama client watched on the wire, whose state names match; that the module is
built on it is not proven, so all of it can be set in `ServerSpec`. Times are module seconds.

The way of the codes:

    0 -> [10 11 12 13 14] -> 1 -> 2 -> 3 -> [6] -> 5 -> 3 ...      all is well
                             2 -> 1 -> 2 -> 1 ... -> 4             registration not answered
                                            5 -> 4                 update lost: a dead end
"""

import math

from . import codes

# Codes of the factory bootstrap, by outcome; afterwards 14 registers, 19 starts again.
_BOOTSTRAP_WALK = {
    "ok": (10, 11, 12, 13, 14),
    "fail": (10, 11, 12, 15, 16),
    "retry": (10, 11, 12, 15, 19),
}
_ROUNDING_S = 1e-6


class Remote:
    """The far end of a server account. Lives on whatever happens to the module."""

    def __init__(self, spec):
        self.spec = spec
        self.reach = spec.reach
        self.lost = False  # it has forgotten us: the next update is refused
        self.registered_at_s = None  # module time; None: the server does not know us
        self.expires_at_s = None
        self.far_end = None  # a real server (`real.FarEnd`); None: simulated

    def accept(self, now_s, new):
        """The server accepts a registration (`new`) or an update of it."""
        if new:
            self.registered_at_s = now_s
        self.expires_at_s = now_s + self.spec.lifetime_s
        self.lost = False

    def forget(self):
        """The server forgets the registration."""
        self.registered_at_s = self.expires_at_s = None
        self.lost = True

    def live(self, now_s):
        """Whether the server holds a registration whose lifetime is not over."""
        return self.expires_at_s is not None and now_s < self.expires_at_s

    def refuses_update(self, now_s):
        """Whether an update is answered 4.04; a real server decides itself."""
        if self.far_end is not None:
            return False
        return self.lost or (self.spec.refuse_expired and not self.live(now_s))

    def deregister(self):
        """Tell a real server that we go; no answer is waited for."""
        if self.far_end is not None:
            self.far_end.send("deregister")
            self.registered_at_s = self.expires_at_s = None

    def close(self):
        """Nothing goes to or comes from a real server until the next request."""
        if self.far_end is not None:
            self.far_end.close()


class _Exchange:
    """A request in flight: when it is answered, when it is given up, and what follows."""

    def __init__(self, kind, answer_s, give_up_at_s, answered, failed):
        self.kind = kind
        self.really_sent = False
        self.answer_s = answer_s
        self.give_up_at_s = give_up_at_s
        self.answered = answered
        self.failed = failed


class Server:
    """One LwM2M server account and where its registration stands. Times are module seconds."""

    def __init__(self, client, spec, remote, notifications, disabled):
        self._client = client
        self._module = client.module
        self.spec = spec
        self.server_id = spec.server_id
        self.remote = remote
        self.disabled = disabled
        self.code = codes.DEREGISTERED
        self.frozen = False  # scenario: the account hangs in its code
        self.frozen_left_s = None  # scenario: the update timer stands still at this
        self.attempt = 0
        self._sequence = 0
        self._due_s = None
        self._connected = False
        self._sent_bytes = 0
        self._received_bytes = 0
        self._exchange = None
        self._waiting = None  # what to do once the network is there
        self._step = None
        self._update = None
        self._report = None
        self._scheduled = None
        self._notifications = notifications
        self._notification_timers = []

    # Orders from the client, the AT commands and the scenario

    def start(self):
        """Begin from the start: bootstrap if there is one, hold, register."""
        if self.frozen:
            return
        self._cancel_all()
        if not self.disabled:
            self._when_online(self._begin)

    def stop(self):
        """Stop at once; only a real server is told."""
        self.frozen = False
        self._cancel_all()
        if self._client.online and self.code in codes.REGISTERED_CODES:
            self.remote.deregister()
        else:
            self.remote.close()
        self._close_connection()
        self._due_s = None
        self._set(codes.DEREGISTERED)

    def pause(self):
        """No more network activity; the code stays as it is."""
        self._cancel_all()
        self.remote.close()
        self._due_s = None

    def force_registration(self):
        """AT+ULWM2MREG=<id>: scheduled, executed later (manual)."""
        if self.code == codes.REG_FAILED and not self._client.config.reg_leaves_failed:
            return
        self._cancel(self._scheduled)
        self._scheduled = self._after(self._client.config.schedule_s, self._forced)

    def update_now(self):
        """Send the update that is due later."""
        if self.code in codes.REGISTERED_CODES and not self.frozen:
            self._cancel(self._update)
            self._when_updating(self._update_due)

    def reach_changed(self):
        """The server became reachable or not; decides a request in flight too."""
        self._plan_exchange()

    def network_changed(self, attached):
        """The module attached to or lost the network."""
        self._plan_exchange()
        if not attached:
            return
        if self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            self._when_online(waiting)
        elif (
            self.code == codes.REG_FAILED
            and self._client.config.register_on_attach
            and self._client.online
        ):
            self.start()

    def force_code(self, code):
        """Scenario: take a code, whatever comes next; what was going on ends."""
        self._cancel_all()
        if code not in codes.REGISTERED_CODES:
            self._due_s = None
        self._set(code)
        if code == codes.REGISTERED:
            self._restart_timer()

    def freeze(self, code):
        """Scenario: hang in a code until a reboot, AT+ULWM2MREG or `unfreeze`."""
        for timer in (self._step, self._update, self._scheduled):
            self._cancel(timer)
        self._exchange = self._waiting = None
        self.remote.close()
        self.frozen = True
        self._set(code)

    def unfreeze(self):
        """Scenario: a frozen account goes on, an account that was not is left alone."""
        self.run_timer()
        if self.frozen:
            self.frozen = False
            if self.code == codes.REGISTERED and self._due_s is not None:
                self._plan_update(max(0.0, self._due_s - self._module.clock.module_s))
            elif self._client.active:
                self.start()

    def freeze_timer(self):
        """Scenario: the time to the next update stands still; no update is sent."""
        if self._due_s is not None and self.frozen_left_s is None:
            self.frozen_left_s = max(0.0, self._due_s - self._module.clock.module_s)
            self._cancel(self._update)

    def run_timer(self):
        """Scenario: the time to the next update goes on from where it stood."""
        left_s, self.frozen_left_s = self.frozen_left_s, None
        if left_s is not None and self._due_s is not None:
            self._due_s = self._module.clock.module_s + left_s
            if not self.frozen:
                self._plan_update(left_s)

    def notify(self, uri):
        """Report a notification (event 3)."""
        self._client.event(codes.EVENT_NOTIFICATION, self.server_id, f'"{uri}"')

    def seconds_to_update(self):
        """Return <registration_interval>, or None if there is no registration."""
        if self._due_s is None or self.code not in codes.REGISTERED_CODES:
            return None
        left_s = self.frozen_left_s
        if left_s is None:
            left_s = self._due_s - self._module.clock.module_s
        return max(0, math.ceil(left_s - _ROUNDING_S))

    # Bootstrap and registration

    def _begin(self):
        self.attempt = self._sequence = 0
        if self.spec.bootstrap in _BOOTSTRAP_WALK:
            self._bootstrap(0)
        elif self.spec.initial_hold_s:
            self._set(codes.REG_HOLD)
            self._step = self._after(self.spec.initial_hold_s, self._register_when_online)
        else:
            self._register()

    def _bootstrap(self, index):
        walk = _BOOTSTRAP_WALK[self.spec.bootstrap]
        self._set(walk[index])
        if self.code == codes.BS_FINISHED:
            self._step = self._after(self.spec.bootstrap_step_s, self._register_when_online)
        elif self.code != codes.BS_FAILED:
            following = (index + 1) % len(walk)
            self._step = self._after(
                self.spec.bootstrap_step_s, lambda: self._bootstrap(following)
            )

    def _register_when_online(self):
        self._when_online(self._register)

    def _forced(self):
        self.frozen = False
        self._cancel_all()
        self.attempt = self._sequence = 0
        self._when_online(self._register)

    def _register(self):
        self._cancel_all()
        self._due_s = None
        self._set(codes.REG_PENDING)
        self._client.status(codes.CLIENT_REGISTERING)
        self._open_connection()
        self._send_request(
            "register", self.spec.register_s, self._registered, self._register_failed
        )

    def _registered(self):
        self.attempt = self._sequence = 0
        self._accepted(True)
        self._set(codes.REGISTERED)
        self._client.status(codes.CLIENT_READY)
        self._connection_idle()
        self._restart_timer()
        self._start_notifications()

    def _register_failed(self):
        spec = self.spec
        self.attempt += 1
        if spec.retry_scheme == "1.0":
            self._failed()
        elif self.attempt < spec.attempts:
            self._hold(spec.retry_delay_s * 2 ** (self.attempt - 1))
        else:
            self._sequence += 1
            self.attempt = 0
            if self._sequence < spec.sequences:
                self._hold(spec.sequence_delay_s)
            else:
                self._failed()

    def _hold(self, delay_s):
        self._set(codes.REG_HOLD)
        self._step = self._after(delay_s, self._register_when_online)

    def _failed(self):
        self._cancel_all()
        self._due_s = None
        self._set(codes.REG_FAILED)
        self._close_connection()

    # Registration update

    def _restart_timer(self):
        interval_s = self.spec.update_interval_s()
        self._due_s = self._module.clock.module_s + interval_s
        self.frozen_left_s = None
        self._plan_update(interval_s)
        self._report_timer()

    def _plan_update(self, delay_s):
        self._cancel(self._update)
        self._update = self._after(delay_s, lambda: self._when_updating(self._update_due))

    def _report_timer(self):
        self._cancel(self._report)
        if self.code == codes.REGISTERED:
            self._client.event(codes.EVENT_TIMER, self.server_id, self.seconds_to_update())
        if self.frozen and self.seconds_to_update() == 0:
            return  # hangs
        if self.spec.timer_report_s:
            self._report = self._after(self.spec.timer_report_s, self._report_timer)

    def _update_due(self):
        if self.spec.update_needed_s:
            self._set(codes.UPDATE_NEEDED)
            self._step = self._after(
                self.spec.update_needed_s, lambda: self._when_updating(self._send_update)
            )
        else:
            self._send_update()

    def _send_update(self):
        self._set(codes.UPDATE_PENDING)
        self._connection_restored()
        self._send_request(
            "update", self.spec.update_s, self._update_answered, self._update_failed
        )

    def _update_answered(self):
        if self.remote.refuses_update(self._module.clock.module_s):
            self._update_failed()
            return
        self._accepted(False)
        self._set(codes.REGISTERED)
        self._connection_idle()
        self._restart_timer()

    def _update_failed(self):
        self._failed()
        self._client.status(codes.CLIENT_BOOTSTRAP_REQUIRED)
        if self._client.config.update_failure == "register":
            self.start()

    # Requests

    def _send_request(self, kind, answer_s, answered, failed):
        spec = self.spec
        stretch = 1 + self._client.random.uniform(0, spec.exchange_jitter)
        give_up_at_s = self._module.clock.module_s + spec.exchange_timeout_s * stretch
        self._exchange = _Exchange(kind, answer_s, give_up_at_s, answered, failed)
        self._sent_bytes += 1200 if answered == self._registered else 60
        self._plan_exchange()

    def _plan_exchange(self):
        """Decide how the request in flight ends, as things are now."""
        exchange = self._exchange
        unreachable = self.remote.reach == "down" or not self._module.network.attached
        refused = self.remote.reach == "reject" or self._client.psk_lost
        if unreachable or refused:
            self.remote.close()
        if exchange is None:
            return
        self._cancel(self._step)
        if self.remote.far_end is not None and not unreachable and not refused:
            self._really_send(exchange)
            return
        exchange.really_sent = False
        if unreachable:
            left_s = max(0.0, exchange.give_up_at_s - self._module.clock.module_s)
            self._step = self._after(left_s, lambda: self._end_request(exchange.failed))
        elif refused:
            self._step = self._after(exchange.answer_s, lambda: self._end_request(exchange.failed))
        else:
            self._received_bytes += 40
            self._step = self._after(
                exchange.answer_s, lambda: self._end_request(exchange.answered)
            )

    def _really_send(self, exchange):
        if exchange.really_sent:
            return
        exchange.really_sent = True

        def ended(result):
            if self._exchange is not exchange:
                return
            self._module.note(f"server {self.server_id}: {exchange.kind}: {result}")
            good = result.startswith("2.")
            if good:
                self._received_bytes += 40
            self._end_request(exchange.answered if good else exchange.failed)

        self.remote.far_end.send(exchange.kind, ended)

    def _end_request(self, follow):
        self._exchange = None
        follow()

    def _accepted(self, new):
        self.remote.accept(self._module.clock.module_s, new)
        self._module.record("registered", self.server_id, round(self.remote.expires_at_s, 3))

    def _when_updating(self, action):
        """An update waits for the network, or goes out in vain (`offline`)."""
        if self._client.config.offline == "fail" and self._client.active:
            action()
        else:
            self._when_online(action)

    def _when_online(self, action):
        if self._client.online:
            action()
        else:
            self._waiting = action

    # Notifications

    def _start_notifications(self):
        for timer in self._notification_timers:
            self._cancel(timer)
        self._notification_timers = [
            self._after(note.period_s, lambda i=index: self._notification_due(i))
            for index, note in enumerate(self._notifications)
        ]

    def _notification_due(self, index):
        note = self._notifications[index]
        if self._client.online and self.code in codes.REGISTERED_CODES:
            self.notify(note.uri)
        self._notification_timers[index] = self._after(
            note.period_s, lambda: self._notification_due(index)
        )

    # Connection (event 6)

    def _open_connection(self):
        if not self._connected:
            self._connected = True
            self._sent_bytes = self._received_bytes = 0
            self._client.connection(self.server_id, codes.CONN_CREATED, f'"{self.spec.uri}"')

    def _connection_idle(self):
        self._client.connection(
            self.server_id, codes.CONN_IDLE, self._sent_bytes, self._received_bytes
        )

    def _connection_restored(self):
        self._client.connection(self.server_id, codes.CONN_RESTORED, f'"{self.spec.uri}"')

    def _close_connection(self):
        if self._connected:
            self._connected = False
            counts = {
                "real": (self._sent_bytes, self._received_bytes),
                "zero": (0, 0),
                "empty": ("", ""),
                "missing": (),
            }[self._client.config.closed_counts]
            self._client.connection(self.server_id, codes.CONN_CLOSED, *counts)

    # Helpers

    def _set(self, code):
        """Take a code; a change is reported (manual: when a server changes its state)."""
        if code != self.code:
            self.code = code
            self._client.server_status(self.server_id, code)

    def _after(self, delay_s, action):
        return self._module.session.after(delay_s, action)

    @staticmethod
    def _cancel(timer):
        if timer is not None:
            timer.cancel()

    def _cancel_all(self):
        for timer in (self._step, self._update, self._report, self._scheduled):
            self._cancel(timer)
        for timer in self._notification_timers:
            self._cancel(timer)
        if self._exchange is not None:
            self.remote.close()
        self._exchange = self._waiting = None
