# An AT port for any modem: bytes to lines, one command at a time, URCs to their handlers. Nothing
# is loaded before it is named: Channel, the errors, and every file of this folder.

from .lazy import lazy

__getattr__ = lazy(
    globals(),
    " aio blocking channel clock cme errors exchange handlers line raw receiver ring scan "
    "settle stream text ",
    {
        "Channel": "atport.channel",
        "AtError": "atport.errors",
        "AtTimeout": "atport.errors",
        "CmeError": "atport.errors",
        "ModuleRebooted": "atport.errors",
        "PortError": "atport.errors",
        "PortTaken": "atport.errors",
    },
)
