"""What the files of commands share: reading parameters, and handlers that need no code.

A handler takes (module, text after `=` or the digits) and returns a Reply or raises
CommandError. A table of commands maps (name, form) to a handler.
"""

from .at import READ, SET, CommandError, arguments
from .port import Reply


def values(module, text, declared, required=1):
    """Return the parameters of a set command; CommandError if one is wrong."""
    return arguments(text, declared, required, module.config.cme_bad_parameter)


def fixed(*texts):
    """Return a handler that always answers `texts` and OK."""
    return lambda module, _: Reply(texts)


def from_config(name, prefix=""):
    """Return a handler that answers a config field and OK."""
    return lambda module, _: Reply((f"{prefix}{getattr(module.config, name)}",))


def accept(module, text):
    """Answer OK and do nothing."""
    return Reply()


def choose(module, text, allowed):
    """Return the value of `text` in a dictionary; CommandError if it is not there."""
    if text not in allowed:
        raise CommandError(module.config.cme_bad_parameter)
    return allowed[text]


def stored(name, *declared):
    """Return the set and read entries of a command that only stores numbers in `settings`."""

    def store(module, text):
        given = values(module, text, declared)
        before = module.settings.get(name)
        kept = [old if new is None else new for old, new in zip(before, given, strict=True)]
        module.settings.put(name, kept)
        return Reply()

    def read(module, _):
        return Reply((f"{name}: " + ",".join(map(str, module.settings.get(name))),))

    return {(name, SET): store, (name, READ): read}
