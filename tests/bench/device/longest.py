# The longest that one pump() holds the CPU while bytes keep coming: pumped as under asyncio, each
# call timed. Of URCs, and of what no module should send.

import gc
import time

import events
import port

_SILENCE_MS = 100
_LINE_MS = 5
_NOISE = bytes(128 + 7 * i % 128 for i in range(128))
CASES = (
    ("URCs", events.MIX),
    ("unknown URCs", b"\r\n+CIEV: 1,2\r\n"),
    ("lines of 1 byte", b"a\n"),
    ("empty lines", b"\r\n"),
    ("noise without line ends", _NOISE),
    ("noise in lines", _NOISE[:20] + b"\r\n"),
    ("URC of 500 bytes", b'+ULWM2MSTAT: 3,721,"/' + b"3" * 480 + b'"\r\n'),
    ("URC of 250 fields", b"+ULWM2MSTAT: 3" + b",1" * 243 + b"\r\n"),
    ("unknown line of 500 bytes", b"+CIEV: " + b"x" * 491 + b"\r\n"),
)


def run(size=3000):
    stream = port.open_stream()
    channel = port.make(stream)[0].channel
    gc.disable()
    port.tell({name: longest_us(channel, data, size // len(data)) for name, data in CASES})


def longest_us(channel, data, count):
    gc.collect()
    pump = channel.pump
    longest = 0
    port.push(data, count)
    heard = time.ticks_ms()
    while time.ticks_diff(time.ticks_ms(), heard) < _SILENCE_MS:
        time.sleep_ms(_LINE_MS)
        n = 1
        while n:
            start = time.ticks_us()
            n = pump()
            us = time.ticks_diff(time.ticks_us(), start)
            if n:
                longest = max(longest, us)
                heard = time.ticks_ms()
    return longest
