# What is known of the module as a whole, beside its servers.

from .policy import NEVER, SIM_UNKNOWN


class View:
    """What the module was last seen to be. None: not known. Times in s, NEVER for none.

    reachable: False when AT was not answered for long enough; silent: a start was not answered.
    diagnosed_s: last diagnosis since the last
    restart. polls: number of answered polls; polled_s: time of the last (None: when a decision
    first sees it). sim: SIM_... of policy.py. attached: registered in the network (CEREG 1, 5),
    with a bearer. denied: CEREG 3. radio_on: CFUN 1. mode: +ULWM2M. init, init_s, client,
    client_s: last status of events 5 and 4. pins: HAS_RESET | HAS_POWER | HAS_ON. missing,
    disabled: wanted servers without a row in the module's configuration, or with one that
    disables them.
    """

    def __init__(self):
        self.reachable = None
        self.silent = False
        self.diagnosed_s = NEVER
        self.polls = 0
        self.polled_s = None
        self.sim = SIM_UNKNOWN
        self.attached = None
        self.denied = False
        self.radio_on = None
        self.mode = None
        self.init = None
        self.init_s = NEVER
        self.client = None
        self.client_s = NEVER
        self.pins = 0
        self.missing = ()
        self.disabled = ()
