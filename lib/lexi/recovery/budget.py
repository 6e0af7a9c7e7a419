# What was spent of the ladder's steps, what was begun, and what else must not be forgotten by a
# reset of the MCU: rolling windows with their caps, the tries of an episode. store.py keeps it.

from array import array
from micropython import const

from atport.errors import check

from .policy import (
    CAP,
    CAP_S,
    CAP_STEPS,
    NEVER,
    PARKED_AS,
    RADIO_CAP,
    SPACING,
    SPACING_S,
    STEP_KICK,
    STEP_PINS,
    STEP_RADIO,
    STEP_RESET,
)

KINDS = const(9)  # steps of policy.py, and place 0 for all of them together
# A start of which the answer was not written counts as one without; see Budgets.answered().
_FORGOTTEN = const(2)
_NOTHING = (0, 0)
_OFTEN_S = const(600)  # a port that dies again within this is written once: flash wears

_HOUR_S = const(3600)
_DAY_S = const(86400)


class Budgets:
    """What was spent, and what was begun. Times are seconds of the ladder's clock.

    policy: a sound table of policy.py. servers: how many can be told apart.

    dirty: something changed that was not saved.
    """

    def __init__(self, policy, servers=8):
        check("servers", servers, 1, 64)
        self._policy = policy
        self._steps = policy["steps"]
        caps = [policy["radio_per_hour"]]
        for step in range(1, KINDS):
            caps.append(policy["steps"][step][CAP_STEPS])
        self.rings = [array("i", [NEVER] * cap) for cap in caps]
        # Module-wide tries of the episode, by step; place 0: soft resets while the network or the
        # SIM refuses.
        self.tries = bytearray(KINDS)
        self.mark = 0  # policy.MARK_...: what must still be ended, and since when
        self.mark_s = 0
        self.enabled = 0  # 1 when the client was enabled again in this episode
        self.troubled = 0  # 1 when no server was registered since the last step
        self.well = 0  # 1 when one was, or reports arrived, and no step was taken since
        self.pin_tried = 0  # 1 when the SIM's PIN was entered and not accepted since
        # A firmware update: its last sign, and the first without a restart or a change of state.
        self.fota_s = NEVER
        self.fota_first_s = NEVER
        self.dead_s = NEVER  # since when the port is dead
        self._died_s = NEVER  # when that was written last
        self.starts = 0  # of the MCU, since the module answered last
        self.down_s = NEVER  # since when no server was registered, as a start found it
        # Of each server in this episode: how often it was re-registered, and whether it was
        # enabled again. Those too many have one place together, that of server 0.
        self.servers = {}
        self._places = servers
        # Something was only noticed, by which a restart of the MCU would go wrong for a while.
        self.soon = False
        self.dirty = False

    # Rolling windows: a ring holds the times of the last `cap` steps of its kind, in order.

    def spend(self, step, now_s):
        # Book a step of policy.py; 0: a radio action that is no step.
        self._push(0, now_s)
        if step:
            self._push(step, now_s)
            self.troubled = 1
            if step != STEP_KICK:  # else the module may have begun to install a firmware
                self.well = 0
        if step in PARKED_AS:
            self._push(PARKED_AS[step], now_s)

    def _push(self, kind, now_s):
        ring = self.rings[kind]
        for i in range(len(ring) - 1):
            ring[i] = ring[i + 1]
        ring[len(ring) - 1] = now_s
        self.dirty = True

    def when(self, step, spaced=True, apart=True):
        # (time, SPACING, CAP or RADIO_CAP): when one more of this step is free, held by what.
        #
        # spaced: without it only the caps count. apart: also from the other steps that break the
        # connection, if it is one of these.
        base = PARKED_AS.get(step, 0)  # it counts as one of those too
        free_s = self._spaced_s(step, base, apart) if spaced else NEVER
        held_by = SPACING
        cap_s = self.free_s(step, self._steps[step][CAP_S])
        if base:
            cap_s = max(cap_s, self.free_s(base, self._steps[base][CAP_S]))
        if cap_s > free_s:
            free_s = cap_s
            held_by = CAP
        radio_s = self.free_s(0, _HOUR_S)
        if radio_s > free_s:
            return radio_s, RADIO_CAP
        return free_s, held_by

    def _spaced_s(self, step, base, apart):
        spacing_s = self._steps[step][SPACING_S]
        free_s = self.last_s(step) + spacing_s
        if base:
            spacing_s = self._steps[base][SPACING_S]
            free_s = max(free_s, self.last_s(base) + spacing_s)
        if base == STEP_RESET or (apart and STEP_RADIO <= step <= STEP_PINS):
            for other in range(STEP_RADIO, STEP_PINS + 1):
                free_s = max(free_s, self.last_s(other) + spacing_s)
        return free_s

    def free_s(self, step, window_s):
        # When one more of them stays within the cap of any such window. Step 0: all kinds.
        return self.rings[step][0] + window_s

    def last_s(self, step):
        # When the last of them was taken.
        ring = self.rings[step]
        return ring[len(ring) - 1]

    def left(self, step, now_s, window_s):
        # How many more are allowed now.
        return sum(1 for at_s in self.rings[step] if at_s + window_s <= now_s)

    def exhaust(self, now_s):
        # Take everything as just spent, the PIN too: what is known is nothing better.
        for ring in self.rings:
            for i in range(len(ring)):
                ring[i] = now_s
        self.pin_tried = 1
        self.well = 1  # an update may be running
        self.dirty = True

    # The episode

    def count(self, step):
        # One more try of a module-wide step.
        self.tries[step] = min(self.tries[step] + 1, 255)
        self.dirty = True

    def clear(self, step):
        # No tries of a module-wide step any more.
        if self.tries[step]:
            self.tries[step] = 0
            self.dirty = True

    def server_tries(self, server):
        # Re-registrations of a server in this episode.
        return self._of(server)[0]

    def set_server_tries(self, server, tries):
        # Count them: tries is the number so far.
        self._add(server)[0] = min(tries, 255)

    def repaired(self, server):
        # Whether the server was enabled again in this episode.
        return self._of(server)[1]

    def repair(self, server):
        # Remember that.
        self._add(server)[1] = 1

    def _of(self, server):
        # A server's numbers. Those too many share the place of server 0.
        return self.servers.get(server) or self.servers.get(0, _NOTHING)

    def _add(self, server):
        self.dirty = True
        if server not in self.servers and len(self.servers) >= self._places:
            server = 0
        return self.servers.setdefault(server, [0, 0])

    def in_episode(self, server):
        # Whether something is on the books that end_episode() would clear.
        if self.enabled or self.server_tries(server) or self.repaired(server):
            return True
        for step in range(STEP_KICK if server else KINDS):
            if self.tries[step]:
                return True
        return False

    def end_episode(self, server):
        # The server is well again: its tries, and those of the module, count from zero.
        self.servers.pop(server if server in self.servers else 0, None)
        for step in range(STEP_KICK if server else KINDS):  # reports are no business of a server
            self.tries[step] = 0
        self.enabled = 0
        self.dirty = True

    def recovered(self, proved_s):
        # A server is registered, or reports arrive: trouble that comes is new. proved_s: when that
        # was proved last; a step that came later may have ended it unheard.
        well = 1 if self.well or proved_s > self.last_s(0) else 0
        if self.troubled or well != self.well or self.down_s != NEVER:
            self.troubled = 0
            self.well = well
            self.down_s = NEVER
            self.dirty = True

    def started(self, now_s, life_s=0):
        # The MCU started: once more without an answer, as far as is known. life_s: what the run
        # before counts for, where no clock told.
        self.starts = min(self.starts + 1, 255)
        if self.starts > _FORGOTTEN:
            if self.dead_s == NEVER:
                self.dead_s = now_s
            self.dead_s -= life_s

    def died(self, now_s, well):
        # The port is dead. well: all was well until then, as far as this run of the MCU knows.
        if self.dead_s == NEVER:
            self.dead_s = now_s
            self.well = 1 if well and self.well else 0
            self.soon = True
            if now_s - self._died_s > _OFTEN_S:  # else it dies and comes back all the time
                self._died_s = now_s
                self.dirty = True

    def answered(self):
        # The module answered.
        if self.starts > 1 or self.dead_s != NEVER:
            self.soon = True
        self.starts = 0
        self.dead_s = NEVER

    def fota_sign(self, now_s, news):
        # A sign of a firmware update. news: it says something else than the one before.
        if news or now_s >= self.fota_s + self._policy["fota_s"]:
            self.fota_first_s = now_s
        self.fota_s = now_s

    def thaw_s(self):
        # Until when a firmware update is believed to run.
        return min(
            self.fota_s + self._policy["fota_s"],
            self.fota_first_s + self._policy["fota_max_s"],
        )

    def last_step(self):
        # (step, time) of the last step against a trouble that is not over; step 0 without one.
        latest = 0
        if self.troubled and (any(self.tries) or self.servers):
            for step in range(1, KINDS):
                if self.last_s(step) > (self.last_s(latest) if latest else NEVER):
                    latest = step
        return latest, self.last_s(latest)

    def set_mark(self, mark, now_s):
        # Say what was begun and must be ended; 0: nothing.
        self.mark = mark
        self.mark_s = now_s
        self.dirty = True

    def set_pin_tried(self, tried):
        # Remember that the PIN was entered (1), or accepted (0).
        self.pin_tried = tried
        self.dirty = True

    def open(self, now_s):
        # Whether the passing of time still changes anything here.
        for ring in self.rings:
            if ring[len(ring) - 1] + _DAY_S > now_s:
                return True
        since = self.dead_s != NEVER or self.down_s != NEVER or self.fota_s + _DAY_S > now_s
        return since or any(self.tries) or self.servers or self.mark
