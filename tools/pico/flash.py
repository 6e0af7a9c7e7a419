"""The board's file system: littlefs2 as MicroPython for RPI_PICO has it, made and read here."""

from .errors import BoardError
from .images import FILE_SYSTEM_AT, FLASH_SIZE

_BLOCK = 4096
_OPTIONS = {
    "block_size": _BLOCK,
    "block_count": (FLASH_SIZE - FILE_SYSTEM_AT) // _BLOCK,
    "prog_size": 256,
    "read_size": 32,
    "cache_size": 256,
}
_DISK_VERSION = 0x00020000  # every MicroPython reads it, and newer ones raise it when they write


def _littlefs():
    try:
        import littlefs
    except ImportError:
        raise BoardError("the package littlefs-python is not installed: make setup") from None
    return littlefs


def build(files):
    """Return the file system's bytes with these files: {"lib/a.py": bytes}."""
    littlefs = _littlefs()
    file_system = littlefs.LittleFS(disk_version=_DISK_VERSION, **_OPTIONS)
    try:
        for name, data in files.items():
            folder = name.strip("/").rpartition("/")[0]
            if folder:
                file_system.makedirs(folder, exist_ok=True)
            with file_system.open(name.strip("/"), "wb") as file:
                file.write(data)
    except littlefs.LittleFSError as error:
        raise BoardError(f"the files do not fit onto the board: {error}") from None
    return bytes(file_system.context.buffer)


def read(image):
    """Return {name: bytes} of all files in a file system's bytes."""
    littlefs = _littlefs()
    file_system = littlefs.LittleFS(mount=False, **_OPTIONS)
    file_system.context.buffer = bytearray(image)
    try:
        file_system.mount()
    except littlefs.LittleFSError as error:
        raise BoardError(f"the board's file system cannot be read: {error}") from None
    files = {}
    for folder, _, names in file_system.walk("/"):
        for name in names:
            path = f"{folder.rstrip('/')}/{name}"
            with file_system.open(path, "rb") as file:
                files[path.strip("/")] = file.read()
    return files


def compose(firmware, files):
    """Return the contents of the whole flash."""
    image = bytearray(b"\xff" * FLASH_SIZE)
    image[: len(firmware)] = firmware
    image[FILE_SYSTEM_AT:] = build(files)
    return bytes(image)
