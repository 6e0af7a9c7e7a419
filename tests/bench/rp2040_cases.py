# Streams for rp2040.mjs, and what the bytecode twin makes of them, as one line of JSON.
#
# Each case is a list of chunks; of each are told what advance() returned and, in the end, the
# whole state, the ring and the table of servers. The first case is the one that is timed.

import json
import random
import sys
from array import array

from lexi import _bytecode as machine
from atport.scan import compile_prefixes

STATUS = b"\r\n+ULWM2MSTAT: 1,721,3\r\n"
ROW_TAG = 17
SIZE = 512  # of the ring
LIMIT = 128
STATE_WORDS = 74 + 16 * 6
ROWS = 72
CASES = 60

PREFIXES = (
    b"OK,ERROR,+CME ERROR:,+CMS ERROR:,ABORTED,COMMAND ABORTED,NO CARRIER,NO DIALTONE,NO ANSWER,"
    b"BUSY,NOT SUPPORT,INVALID COMMAND LINE,CR,SIM DROP,DISCONNECT,CONNECT ,+ULWM2MSTAT:"
).split(b",")

LINES = (
    STATUS,
    b'+ULWM2MSTAT: 3,721,"/3300/0/5700"\r\n',
    b"+ULWM2MSTAT: 2 , -721,\t+10\r",
    b'+ULWM2MSTAT: 6,721,0,"leshan.eclipseprojects.io:5684"\r\n',
    b'+ulwm2mstat: "1","123",4\n',
    b"+ULWM2MSTAT: 1,721,1234567890\r\n",
    b"OK\r\n",
    b"+CME ERROR: SIM PIN required\r\r\n",
    b'+COPS: 0,,"a,b",7\r\n',
    b"\0\xff\xfe\x80OK\r\n",
    b"+ULWM2MSTAT: 1,7\x8121,3\r\n",
    b"A" * 200,
    b'+X: "open\r\n',
    b"+ULWM2MSTAT: 1,721,",
)


def make_chunks():
    data = b"".join(random.choice(LINES) for _ in range(random.randint(5, 40)))
    chunks = []
    while data:
        n = random.choice((1, 3, 24, 100, 600))
        chunks.append(data[:n])
        data = data[n:]
    return chunks


def run(chunks, trie):
    state = array("i", bytes(4 * STATE_WORDS))
    state[3] = SIZE
    state[4] = LIMIT
    state[23] = ROW_TAG
    ring = bytearray(SIZE)
    cells = array("i", [0, 2] + [721, 99] + [0] * 8 + [123, 99] + [0] * 8)
    returned = []
    for now_s, chunk in enumerate(chunks):
        machine.append(state, ring, chunk, len(chunk))
        while True:
            what = machine.advance(state, ring, trie)
            rows = state[ROWS]
            state[ROWS] = 0
            returned.append(what)
            if rows:
                returned.append(machine.fold(state, 0, rows, cells, now_s))
            if not what:
                break
    return {
        "chunks": [list(chunk) for chunk in chunks],
        "returned": returned,
        "state": list(state),
        "ring": list(ring),
        "cells": list(cells),
    }


random.seed(1)
trie = compile_prefixes({prefix: tag for tag, prefix in enumerate(PREFIXES, 1)})
cases = [run([STATUS * 10], trie)]
cases += [run(make_chunks(), trie) for _ in range(CASES)]
json.dump({"size": SIZE, "limit": LIMIT, "trie": list(trie), "cases": cases}, sys.stdout)
