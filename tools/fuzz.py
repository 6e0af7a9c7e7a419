"""Gives the LwM2M client a million made-up datagrams, under MicroPython's unix port.

    python tools/fuzz.py [--count 1000000] [--seed 1]

tests/unit/fuzzer.py makes them, and says what must hold after each: no exception, at most one
answer, values of the right types, a heap that does not grow.
"""

import argparse
import subprocess
import sys

import unixport

_LIMIT_S = 3600
_PROGRAM = """
import fuzzer
def tell(count, heap):
    if count % 100000 == 0:
        print(count, "datagrams,", heap, "bytes of heap")
fuzzer.run({count}, {seed}, tell)
print("all held")
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=1000000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    result = subprocess.run(
        [
            unixport.find().path,
            "-X",
            "heapsize=4m",
            "-c",
            _PROGRAM.format(count=arguments.count, seed=arguments.seed),
        ],
        cwd=unixport.ROOT,
        env=unixport.environment("lib", "tests/unit", unixport.UNITTEST),
        timeout=_LIMIT_S,
        check=False,
    )
    sys.exit(result.returncode)


if __name__ == "__main__":
    main()
