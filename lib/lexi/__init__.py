# LwM2M through the client of a LEXI-R10 module. Nothing is loaded before it is named: Lexi, the
# errors, and every file of this folder.

from atport.lazy import lazy

__version__ = "0.1.0"

__getattr__ = lazy(
    globals(),
    " blocking codes commands config describe events facade known monitor names network power recovery"
    " registry sim sockets transport worker ",
    {
        "Lexi": "lexi.facade",
        "LexiError": "lexi.facade",
        "AtError": "atport.errors",
        "AtTimeout": "atport.errors",
        "CmeError": "atport.errors",
        "ModuleRebooted": "atport.errors",
        "PortError": "atport.errors",
        "PortTaken": "atport.errors",
    },
)
