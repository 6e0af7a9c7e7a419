# Gets lost registrations back. Nothing is loaded before it is named: the supervisor, the policies,
# the stores, and every file of this folder.

from atport.lazy import lazy

__getattr__ = lazy(
    globals(),
    " acting blocking booking budget case contact diagnosis fota hearing keep ladder moves options policies"
    " policy policy_check polls reader reports rtc server_state store supervisor telling texts view ",
    {
        "Supervisor": "lexi.recovery.supervisor",
        "keep_registered": "lexi.recovery.keep",
        "supervise": "lexi.recovery.blocking",
        "describe": "lexi.recovery.texts",
        "DEFAULT": "lexi.recovery.policy",
        "GENTLE": "lexi.recovery.policies",
        "VERIZON": "lexi.recovery.policies",
        "FileStore": "lexi.recovery.store",
        "RtcStore": "lexi.recovery.rtc",
    },
)
