# Gets lost registrations back. Nothing is loaded before it is named: the supervisor, the policies,
# the stores, and every file of this folder.

from atport.lazy import lazy

__getattr__ = lazy(
    globals(),
    " acting blocking booking budget case contact diagnosis fota ladder moves options policies"
    " policy policy_check server_state store supervisor telling texts ",
    {
        "Supervisor": "lexi.recovery.supervisor",
        "supervise": "lexi.recovery.blocking",
        "describe": "lexi.recovery.texts",
        "DEFAULT": "lexi.recovery.policy",
        "GENTLE": "lexi.recovery.policies",
        "VERIZON": "lexi.recovery.policies",
        "FileStore": "lexi.recovery.store",
        "RtcStore": "lexi.recovery.store",
    },
)
