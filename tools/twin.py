"""Write lib/atport/_bytecode.py from lib/atport/_native.py, or with --check say if it is stale.

The twin is the same text without the decorators that ask for machine code.
"""

import argparse
import pathlib
import sys

LEXI = pathlib.Path(__file__).resolve().parent.parent / "lib" / "atport"
HEADER = "# Written by tools/twin.py from _native.py; change that file instead.\n\n"


def twin(native_source):
    """Return the bytecode twin of a source text with @micropython.viper functions."""
    lines = native_source.splitlines(keepends=True)
    kept = [n for n in lines if n.strip() not in ("@micropython.viper", "import micropython")]
    return HEADER + "".join(kept)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, exit 1 if stale")
    args = parser.parse_args()
    want = twin((LEXI / "_native.py").read_text())
    path = LEXI / "_bytecode.py"
    if not args.check:
        path.write_text(want)
    elif not path.exists() or path.read_text() != want:
        sys.exit("lib/atport/_bytecode.py is stale: run `make twin`")


if __name__ == "__main__":
    main()
