# Packages whose names are loaded when they are first used, as those of MicroPython's asyncio are,
# and modules that are needed but once.

import gc
import sys


def lazy(package, files, names):
    """Return a __getattr__ for the __init__ of `package`, a module's dict.

    files: those of the package, as one text with a blank before and behind each. names: {public
    name: the module it comes from}.
    """

    def load(name):
        if name in names:
            value = getattr(__import__(names[name], None, None, (name,)), name)
        elif " %s " % name in files:
            value = __import__(package["__name__"] + "." + name, None, None, (name,))
        else:
            raise AttributeError(name)
        package[name] = value
        return value

    return load


def tidy(file):
    """Collect what compiling a large source file left: the next one needs the heap in one piece."""
    if file.endswith(".py"):
        gc.collect()


def borrow(name):
    """Import a module that is needed once, and keep it nowhere: it goes when its caller is done."""
    package, _, own_name = name.rpartition(".")
    module = __import__(name, None, None, (own_name,))
    del sys.modules[name]
    delattr(sys.modules[package], own_name)
    return module
