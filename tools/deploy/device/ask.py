# On the board: what it is. `packages` are looked for among what is frozen into the firmware, as
# that wins over files.


def ask(packages):
    import json
    import sys

    path = sys.path[:]
    sys.path[:] = [".frozen"]
    frozen = []
    for name in packages:
        sys.modules.pop(name, None)
        try:
            __import__(name)
            frozen.append(name)
        except ImportError:
            pass
    sys.path[:] = path
    of = sys.implementation
    print(
        json.dumps(
            {
                "name": of.name,
                "version": list(of.version),
                "platform": sys.platform,
                "machine": getattr(of, "_machine", sys.platform),
                "mpy": getattr(of, "_mpy", getattr(of, "mpy", 0)) & 255,
                "frozen": frozen,
            }
        )
    )
