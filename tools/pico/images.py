"""Reads the two files that users bring: firmware for the RP2040 and its boot ROM.

What is wrong with a file is told in one sentence, as a BoardError. Writes nothing.
"""

import struct
from pathlib import Path

from .errors import BoardError

FLASH_SIZE = 2 * 1024 * 1024  # of a Raspberry Pi Pico
FILE_SYSTEM_AT = 0xA0000  # where MicroPython for RPI_PICO has it; up to the end

FIRMWARE_HINT = "the newest RPI_PICO-....uf2 of MicroPython's download page for the Pico"
BOOTROM_HINT = "b1.bin of the release b1 of raspberrypi/pico-bootrom"

_FLASH_START = 0x10000000
_BOOTROM_SIZE = 16384
_BOOTROM_MAGIC = b"Mu\x01"
_BOOTROM_VERSION = 2  # B1

# A UF2 block, see Microsoft's specification.
_BLOCK = struct.Struct("<IIIIIIII476sI")
_MAGIC_START = 0x0A324655
_MAGIC_SECOND = 0x9E5D5157
_MAGIC_END = 0x0AB16F30
_NOT_MAIN_FLASH = 0x00000001
_HAS_FAMILY = 0x00002000
_RP2040 = 0xE48BFF56

_BOOT2_SIZE = 256
_STACK = range(0x20000000, 0x20042001)


def read_firmware(path):
    """Return the contents of flash as `path`, a .uf2 or a raw .bin, has them."""
    path = Path(path)
    data = _read(path, "firmware")
    image = from_uf2(data, path) if data[:4] == _MAGIC_START.to_bytes(4, "little") else data
    _check_vectors(image, path)
    if len(image) > FILE_SYSTEM_AT and any(byte != 0xFF for byte in image[FILE_SYSTEM_AT:]):
        raise BoardError(
            f"firmware {path}: it reaches into the file system at 0x{FILE_SYSTEM_AT:x}; "
            "it is not for RPI_PICO"
        )
    return bytes(image[:FILE_SYSTEM_AT])


def from_uf2(data, path="firmware"):
    """Return the flash image in a UF2 file. `path` is for the texts."""
    if not data or len(data) % _BLOCK.size:
        raise BoardError(
            f"firmware {path}: a UF2 file consists of blocks of 512 bytes, it does not"
        )
    image = bytearray()
    for number in range(len(data) // _BLOCK.size):
        block = _BLOCK.unpack_from(data, number * _BLOCK.size)
        magic, second, flags, address, size, _, _, family, payload, end = block
        if (magic, second, end) != (_MAGIC_START, _MAGIC_SECOND, _MAGIC_END) or size > 476:
            raise BoardError(f"firmware {path}: block {number} of this UF2 file is damaged")
        if flags & _NOT_MAIN_FLASH or (flags & _HAS_FAMILY and family != _RP2040):
            continue
        at = address - _FLASH_START
        if not 0 <= at <= FLASH_SIZE - size:
            raise BoardError(f"firmware {path}: block {number} is for 0x{address:08x}, no flash")
        image.extend(b"\xff" * (at + size - len(image)))
        image[at : at + size] = payload[:size]
    if not image:
        raise BoardError(f"firmware {path}: nothing in it is for an RP2040")
    return bytes(image)


def read_bootrom(path):
    """Return the boot ROM B1 in `path`."""
    path = Path(path)
    data = _read(path, "boot ROM")
    if len(data) != _BOOTROM_SIZE:
        raise BoardError(
            f"boot ROM {path}: {len(data)} bytes, expected {_BOOTROM_SIZE}: {BOOTROM_HINT}"
        )
    if data[16:19] != _BOOTROM_MAGIC:
        raise BoardError(f"boot ROM {path}: not that of an RP2040, expected {BOOTROM_HINT}")
    if data[19] != _BOOTROM_VERSION:
        raise BoardError(f"boot ROM {path}: B{data[19] - 1}, expected B1: {BOOTROM_HINT}")
    return data


def _check_vectors(image, path):
    # Behind the second boot stage: the initial stack pointer, and where it starts.
    if len(image) >= _BOOT2_SIZE + 8:
        stack, start = struct.unpack_from("<II", image, _BOOT2_SIZE)
        if stack in _STACK and start & 1 and 0 <= start - _FLASH_START < len(image):
            return
    raise BoardError(
        f"firmware {path}: neither a UF2 file nor a flash image of an RP2040; expected "
        f"{FIRMWARE_HINT}"
    )


def _read(path, what):
    try:
        return path.read_bytes()
    except OSError as error:
        raise BoardError(f"{what} {path}: {error.strerror}") from None
