# On the board: what files it has, and how much room. "folder" is one that was walked through, "is"
# one where a name was asked for.


def look(folders, names):
    import binascii
    import hashlib
    import os

    buffer = bytearray(1024)
    view = memoryview(buffer)

    def show(name):
        try:
            status = os.stat(name)
            if status[0] & 0x4000:
                print("is", name)
                return
            with open(name, "rb") as file:
                digest = hashlib.sha256()
                while True:
                    n = file.readinto(buffer)
                    if not n:
                        break
                    digest.update(view[:n])
        except OSError:
            return  # it is not there
        print("file", status[6], binascii.hexlify(digest.digest()).decode(), name)

    def walk(folder):
        try:
            entries = sorted(os.ilistdir(folder))
        except OSError:
            return
        print("folder", folder)
        for entry in entries:
            name = folder + "/" + entry[0]
            if entry[1] == 0x4000:
                walk(name)
            elif name.endswith(".py") or name.endswith(".mpy"):
                show(name)

    for folder in folders:
        walk(folder)
    for name in names:
        show(name)
    _, unit, total, _, free = os.statvfs(os.getcwd())[:5]
    print("room", unit, unit * free, unit * total)
