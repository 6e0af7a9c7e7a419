"""Evaluates manifest.py files as MicroPython's build does, as far as those of this project go."""

import os
from pathlib import Path


def modules(names):
    """Return how files are imported, given their names on the board."""
    names = (name.removesuffix(".py").removesuffix("/__init__") for name in names)
    return sorted(name.replace("/", ".") for name in names)


class Manifest:
    """What is frozen by a manifest: `files` is a list of (path, name on the board).

    Folders in $(...) are left out. Two metadata() of one manifest are refused, as MicroPython
    refuses them: those of files that are included count as its own, those of required ones do not.
    """

    def __init__(self, path):
        self.files = []
        self._libraries = {}
        self._seen = set()
        self._described = [False]  # whether the manifest of each level has called metadata()
        self._folder = None
        self.include(str(path))

    def include(self, name):
        if name.startswith("$"):
            return
        path = Path(os.path.abspath(self._folder / name if self._folder else name))
        if path.is_dir():
            path /= "manifest.py"
        if path in self._seen:
            return
        self._seen.add(path)
        folder, self._folder = self._folder, path.parent
        names = ("include", "require", "add_library", "package", "module", "metadata")
        exec(path.read_text(), {name: getattr(self, name) for name in names})
        self._folder = folder

    def metadata(self, **_):
        assert not self._described[-1], "Duplicate call to metadata()"
        self._described[-1] = True

    def add_library(self, library, path):
        self._libraries[library] = self._folder / path

    def require(self, name, library):
        self._described.append(False)
        self.include(str(self._libraries[library] / name))
        self._described.pop()

    def package(self, package, files, base_path="."):
        for file in files:
            self.module(f"{package}/{file}", base_path)

    def module(self, name, base_path="."):
        path = self._folder / base_path / name
        assert path.is_file(), path
        self.files.append((path, name))
