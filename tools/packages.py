"""Writes the lists of files by which each part of the library is installed alone.

    python tools/packages.py          write what differs
    python tools/packages.py --check  say what differs; exit status 1 if anything does

packages/NAME/package.json is for mip, packages/NAME/manifest.py for freezing; those at the top
install every part. Both follow from the table below and from the files in lib/.

Why they look as they do:
- mip resolves the `urls` against the package.json, wherever that is; it does not do so with
  `deps`. So a package.json lists the files of what its part needs too, and names no dependency.
- require() brings a manifest in once, and allows each its metadata(); include() does not.
- Files are named one by one: package() with a folder would bring a part that lies inside another
  one (lexi/recovery) in twice, and mpy-tool takes no file twice.
- No version in metadata(): MicroPython would add a `__version__` to every frozen file, which
  takes heap for each. The version is in package.json and in lexi.__version__.
"""

import argparse
import json
import os
import re
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
LIB = ROOT / "lib"

_LIBRARY = "lexi-parts"  # what the manifests call the folder packages/
_VERSION = re.compile(r'^__version__ = "([0-9.]+)"$', re.MULTILINE)
_TOP = "LwM2M for MicroPython through a LEXI-R10 LTE module."


class Part(NamedTuple):
    """A part that installs alone. A file of lib/ belongs to one of them."""

    package: str  # of MicroPython: the folder below lib/
    pattern: str  # of its files, below that folder
    needs: tuple  # names of parts, which stand above in the table
    description: str


PARTS = {
    "atport": Part("atport", "**/*.py", (), "An AT command port for any modem."),
    "lexi": Part(
        "lexi",
        "*.py",
        ("atport",),
        "A LEXI-R10 LTE module and its own LwM2M client, over AT commands.",
    ),
    "lexi-recovery": Part(
        "lexi",
        "recovery/**/*.py",
        ("atport", "lexi"),
        "Gets lost LwM2M registrations of a LEXI-R10 back.",
    ),
    "lwm2m": Part("lwm2m", "**/*.py", (), "An LwM2M client over any datagram transport."),
}


def own_files(name):
    """Return the files of one part without what it needs, relative to its package's folder."""
    folder = LIB / PARTS[name].package
    return sorted(path.relative_to(folder).as_posix() for path in folder.glob(PARTS[name].pattern))


def all_files(names):
    """Return the files of some parts and of what they need, relative to lib/."""
    wanted = [row for row in PARTS if any(row in (n, *PARTS[n].needs) for n in names)]
    return [f"{PARTS[row].package}/{name}" for row in wanted for name in own_files(row)]


def version():
    return _VERSION.search((LIB / "lexi" / "__init__.py").read_text())[1]


def package_json(names, folder):
    """Return the text of a package.json that lies in this folder, for some parts."""
    lib = os.path.relpath(LIB, folder)
    rows = (json.dumps([name, f"{lib}/{name}"]) for name in all_files(names))
    urls = ",\n    ".join(rows)
    return f'{{\n  "urls": [\n    {urls}\n  ],\n  "deps": [],\n  "version": "{version()}"\n}}\n'


def manifest(name):
    """Return the text of a part's manifest.py."""
    part = PARTS[name]
    files = "".join(f'        "{file}",\n' for file in own_files(name))
    return (
        _head(part.description, "..", part.needs)
        + f'package(\n    "{part.package}",\n    base_path="../../lib",\n'
        + f"    files=(\n{files}    ),\n)\n"
    )


def top_manifest():
    """Return the text of the manifest.py that has every part."""
    return _head(_TOP, "packages", PARTS)


def _head(description, folder, needs):
    lines = [
        "# Written by tools/packages.py.",
        f'metadata(\n    description="{description}",\n    license="MIT",\n)',
    ]
    if needs:
        lines.append(f'add_library("{_LIBRARY}", "{folder}")')
    lines += [f'require("{name}", library="{_LIBRARY}")' for name in needs]
    return "\n".join(lines) + "\n"


def texts():
    """Return {path: text} of every file that this program writes."""
    made = {
        ROOT / "manifest.py": top_manifest(),
        ROOT / "package.json": package_json(PARTS, ROOT),
    }
    for name in PARTS:
        folder = ROOT / "packages" / name
        made[folder / "manifest.py"] = manifest(name)
        made[folder / "package.json"] = package_json([name], folder)
    return made


def differing():
    """Return those of texts() that are not what is in the file."""
    return {
        path: text
        for path, text in texts().items()
        if not path.exists() or path.read_text() != text
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing, say what differs")
    check = parser.parse_args().check
    found = differing()
    for path, text in found.items():
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        print(f"{'differs' if check else 'written'}: {path.relative_to(ROOT)}")
    if check and found:
        sys.exit(1)


if __name__ == "__main__":
    main()
