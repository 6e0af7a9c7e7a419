"""How all the tests are run: `make test`, `make test-all`; ARGS="-k ring -v" gives pytest more.

- A new file is found by its name: tests/unit/test_*.py with classes of micropython-unittest,
  tests/host/test_*.py with functions as pytest wants them.
- Every test of tests/unit/test_*.py is an item of its own. They run under MicroPython, those of
  a file in one process, which is started anew when one of them hangs or kills it.
- Tests marked slow are those of `make test-all`; each may take longer.
- What tests leave in the folder for temporary files is removed, and the last line that is
  printed is `N passed, N failed`.
"""

import os
import subprocess
import tempfile
import threading

import pytest
import unixport

SLOW_LIMIT_S = 1800  # of one test; pyproject.toml has that of the others
START_LIMIT_S = 100  # for the imports of a file of unit tests
LONGEST = ("test_demo", "test_soak", "test_supervisor")  # begin first: a file runs on one core
MOST_WORKERS = 8
MARK = "\x1e"  # see tests/unit/serve.py

_folder = pytest.StashKey()  # for temporary files
_status = pytest.StashKey()


# Unit tests


class Server:
    """A MicroPython process that runs the tests of one file when told."""

    running = None

    def __init__(self, path):
        self.path = path
        self._process = subprocess.Popen(
            [unixport.find().path, "-X", "heapsize=4m", "tests/unit/serve.py", path.stem],
            cwd=unixport.ROOT,
            env=unixport.environment(
                "lib", "tests/unit", unixport.UNITTEST.relative_to(unixport.ROOT)
            ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        self.printed = ""  # by the latest test
        limit = threading.Timer(START_LIMIT_S, self._process.kill)
        limit.start()
        answer = self._answer()
        limit.cancel()
        self.tests = answer.split()
        if self._process.poll() is not None or not self.tests:
            self._process.kill()
            raise pytest.Collector.CollectError(
                self.printed + (answer or "there is no test in it")
            )

    @classmethod
    def of(cls, path):
        """The server of a file; that of another file ends."""
        if cls.running is None or cls.running.path != path:
            cls.stop()
            cls.running = cls(path)
        return cls.running

    @classmethod
    def stop(cls):
        server, cls.running = cls.running, None
        if server is not None:
            server._process.kill()
            server._process.communicate()

    def run(self, name):
        """Run one test; returns its outcome."""
        self._process.stdin.write(name + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self):
        self.printed = ""
        for line in self._process.stdout:
            text, mark, answer = line.partition(MARK)
            self.printed += text
            if mark:
                return answer.strip()
        Server.running = None
        return f"MicroPython ended with exit status {self._process.wait()}"


class UnitFile(pytest.File):
    def collect(self):
        for name in Server.of(self.path).tests:
            yield UnitTest.from_parent(self, name=name)


class UnitTest(pytest.Item):
    def runtest(self):
        server = Server.of(self.path)
        try:
            outcome = server.run(self.name)
        except pytest.fail.Exception as error:  # pytest-timeout's
            outcome = str(error)
            Server.stop()
        if outcome.startswith("skipped"):
            pytest.skip(outcome.partition(" ")[2])
        if outcome != "passed":
            pytest.fail(server.printed + outcome, pytrace=False)
        self.add_report_section("call", "stdout", server.printed)

    def reportinfo(self):
        return self.path, None, self.name


def pytest_pycollect_makemodule(module_path, parent):
    if module_path.parent.name == "unit":
        return UnitFile.from_parent(parent, path=module_path)
    return None  # as pytest does it


# The whole run


def pytest_xdist_auto_num_workers():
    """One more than there are cores: some tests wait for a node and a module in real time."""
    return min(os.cpu_count() + 1, MOST_WORKERS)


def pytest_configure(config):
    if not hasattr(config, "workerinput"):  # else it is a worker of xdist, which has inherited it
        folder = tempfile.TemporaryDirectory(prefix="lexi-tests-", ignore_cleanup_errors=True)
        config.stash[_folder] = folder
        os.environ["TMPDIR"] = tempfile.tempdir = folder.name


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.path.stem not in LONGEST)
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.timeout(SLOW_LIMIT_S))


def pytest_sessionfinish(session, exitstatus):
    Server.stop()
    session.config.stash[_status] = exitstatus


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config):
    if _folder not in config.stash:
        return
    config.stash[_folder].cleanup()
    stats = config.pluginmanager.get_plugin("terminalreporter").stats
    passed, failed, errors, skipped = (
        len(stats.get(kind, ())) for kind in ("passed", "failed", "error", "skipped")
    )
    failed = failed + errors or int(config.stash.get(_status, 1) != 0)
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
