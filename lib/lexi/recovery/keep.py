# One call for the common case.

from atport.errors import need

from .policy import DEFAULT, DISABLED
from .supervisor import Supervisor
from .telling import PARKED
from .texts import describe


def keep_registered(lexi, enable_client=False, tell=print, **options):
    """Start a Supervisor as a task of asyncio, and return it; its `task` ends by cancel().

    lexi: a lexi.Lexi, not yet started. enable_client: whether the module's LwM2M client may be
    enabled, which restarts the module once: that of a factory-new module is not. tell(text): what
    happens, in words; None: nobody. options: of Supervisor, such as **board.SUPERVISOR.
    Raises ValueError for what cannot work.
    """
    need(tell is None or callable(tell), "tell", tell, "a function or None")
    policy = options.pop("policy", DEFAULT)
    if enable_client and isinstance(policy, dict):
        policy = dict(policy, reenable=True)
    supervisor = Supervisor(lexi, policy=policy, **options)

    def say(event):
        text = describe(event)
        if event.kind == PARKED and event.reason == DISABLED and not enable_client:
            text += ": keep_registered(enable_client=True) enables it"
        tell(text)

    if tell:
        supervisor.subscribe(say)
    supervisor.task = lexi.runtime.start(supervisor.run())
    return supervisor
