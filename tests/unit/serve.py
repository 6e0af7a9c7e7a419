# Runs single tests of one file for tests/conftest.py: `micropython serve.py test_ring`.
#
# First it prints the names of the file's tests. Then, for each name that comes on standard input:
# what the test prints, and its outcome. What is for conftest.py begins with MARK.

import sys
import unittest

MARK = "\x1e"


def cases(module):
    """Yields (name, class, method) of every test, as micropython-unittest finds them."""
    for of in dir(module):
        case = getattr(module, of)
        if isinstance(case, type) and issubclass(case, unittest.TestCase):
            for name in dir(case):
                if name.startswith("test"):
                    yield of + "." + name, case, name


def outcome(case, name):
    test = case()
    try:
        if hasattr(test, "setUp"):
            test.setUp()
        try:
            getattr(test, name)()
        finally:
            if hasattr(test, "tearDown"):
                test.tearDown()
    except unittest.SkipTest as e:
        return "skipped " + str(e)
    except Exception as e:
        sys.print_exception(e)
        return "failed"
    return "passed"


tests = {name: (case, method) for name, case, method in cases(__import__(sys.argv[1]))}
print(MARK + " ".join(sorted(tests)))
for line in sys.stdin:
    print(MARK + outcome(*tests[line.strip()]))
