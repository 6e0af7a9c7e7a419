# On the board: imports what was put there, and lets a line through it. Sends nothing.

import io


class Nothing(io.IOBase):
    # A stream with nothing behind it.
    def any(self):
        return 0

    def readinto(self, into, n=0):
        return None

    def read(self, n=-1):
        return None

    def write(self, data):
        return len(data)

    def ioctl(self, request, argument):
        return 0


def open_channel(packages, options):
    if "lexi" in packages:
        from lexi import Lexi

        lexi = Lexi(Nothing(), **options)
        return lexi, lexi.channel
    from atport.aio import Runtime
    from atport.channel import Channel

    channel = Channel(Nothing(), Runtime())
    return channel, channel


def forget(library):
    # Where there is no soft reset, what an earlier run has loaded is still there: also of a part
    # that was removed since.
    import sys

    for name in list(sys.modules):
        if name.split(".")[0] in library or name in ("node", "board"):
            del sys.modules[name]


def load(name):
    try:
        __import__(name)
    except Exception as error:
        raise ImportError("%s fails with %r" % (name, error))


def smoke(library, packages, parts, node):
    import gc
    import sys

    forget(library)
    for folder in ("lib", ""):  # the unix port need not have them
        if folder not in sys.path and "/" + folder not in sys.path:
            sys.path.insert(0, folder)
    for name in parts:
        load(name)
        path = sys.modules[name].__file__
        if path.lstrip("/")[:4] != "lib/":
            raise ImportError("%s comes from %s, not from lib" % (name, path))
        print("imported", name)
    options = {}
    if node:
        load("board")
        load("node")
        from board import OPTIONS as options

        print("imported node")
    if "atport" in packages:
        load("atport.aio")
        _kept, channel = open_channel(packages, options)
        heard = []
        channel.on("+CEREG:", lambda line: heard.append(line.int(0)))
        channel.feed(b"\r\n+CEREG: 5\r\n")
        if heard != [5]:
            raise ValueError("a URC did not reach its handler: %s" % heard)
        print("heard")
    gc.collect()
    print("heap", gc.mem_free(), gc.mem_free() + gc.mem_alloc())
