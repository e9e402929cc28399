#!/usr/bin/env python3
"""Runs every test_*.py of a folder and ends with the line `N passed, N failed`.

A skipped test counts as failed, and so does a folder without tests. ATTUNE_TEST_EXCEPT names modules that are left out,
since another stage runs them.
"""

import os
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))


class Result(unittest.TextTestResult):
    """Says how long each test took, so that slow ones are seen."""

    def startTest(self, test):
        self.started = time.monotonic()
        super().startTest(test)

    def stopTest(self, test):
        super().stopTest(test)
        self.stream.writeln(f"    {time.monotonic() - self.started:.1f} s  {test.id()}")
        self.stream.flush()


def named(suite, modules) -> bool:
    """Whether the tests of a suite are of one of these modules."""
    for test in suite:
        if not isinstance(test, unittest.TestSuite):
            return type(test).__module__ in modules
        if test.countTestCases():
            return named(test, modules)
    return False


def main() -> int:
    if len(sys.argv) < 2:
        print("usage: run_unittest.py FOLDER [PATTERN]", file=sys.stderr)
        return 2
    pattern = sys.argv[2] if len(sys.argv) > 2 else "test_*.py"
    suite = unittest.TestSuite(
        module for module in unittest.defaultTestLoader.discover(sys.argv[1], pattern=pattern)
        if not named(module, os.environ.get("ATTUNE_TEST_EXCEPT", "").split()))
    runner = unittest.TextTestRunner(stream=sys.stdout, verbosity=2, resultclass=Result)
    result = runner.run(suite)
    bad = len(result.failures) + len(result.errors) + len(result.skipped)
    bad += len(result.unexpectedSuccesses)
    good = result.testsRun - bad
    if result.testsRun == 0:
        bad = 1
        print("no test found in", sys.argv[1])
    print(f"{max(good, 0)} passed, {bad} failed")
    return 0 if bad == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
