# Packages whose names are loaded when they are first used, as those of MicroPython's asyncio are.


def lazy(package, names):
    """Return a __getattr__ for the __init__ of `package`, a module's dict.

    names: {public name: the file it comes from}; other names are files of the package.
    Raises ImportError for a name that is neither.
    """

    def load(name):
        if name[0] == "_":
            raise AttributeError(name)
        path = names.get(name) or package["__name__"] + "." + name
        value = __import__(path, None, None, (name,))
        if name in names:
            value = getattr(value, name)
        package[name] = value
        return value

    return load
