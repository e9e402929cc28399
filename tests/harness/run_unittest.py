#!/usr/bin/env python3
"""Runs every test_*.py of a folder and ends with the line `N passed, N failed`.

A skipped test counts as failed, and so does a folder without tests. ATTUNE_TEST_EXCEPT names modules that are left out,
since another stage runs them. ATTUNE_TEST_LANES processes share the modules, each with a server of its own: tests wait
more than they compute. A module test_zz_* looks at a lane's server after all others: every lane runs it last.
"""

import os
import signal
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

NAME_BYTES = 64  # of a module in the queue: a read takes one whole name
MODULE_END = "---- end of "  # a lane's output is shown up to such a line at once


class Result(unittest.TextTestResult):
    """Says how long each test took, so that slow ones are seen; one that fails may keep what there is to look at."""

    def startTest(self, test):
        self.started = time.monotonic()
        super().startTest(test)

    def stopTest(self, test):
        super().stopTest(test)
        self.stream.writeln(f"    {time.monotonic() - self.started:.1f} s  {test.id()}")
        self.stream.flush()

    def addError(self, test, err):
        super().addError(test, err)
        keep(test)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        keep(test)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            keep(test)


def keep(test):
    getattr(test, "keep_failure", lambda: None)()


def module_of(suite):
    """The name of the module the tests of a suite are of; None when it has none."""
    for test in suite:
        found = module_of(test) if isinstance(test, unittest.TestSuite) else type(test).__module__
        if found:
            return found
    return None


def suites(folder, pattern):
    """The tests of each module, by its name. One that can't be read is a test that fails."""
    left_out = os.environ.get("ATTUNE_TEST_EXCEPT", "").split()
    found = {}
    for suite in unittest.defaultTestLoader.discover(folder, pattern=pattern):
        name = module_of(suite)
        if name == "unittest.loader":
            name = f"unread-{len(found)}"
        if name and name not in left_out:
            found[name] = suite
    return found


def run(suite):
    """(good, bad) of a suite."""
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2, resultclass=Result).run(suite)
    bad = len(result.failures) + len(result.errors) + len(result.skipped) + len(result.unexpectedSuccesses)
    return max(result.testsRun - bad, 0), bad


def run_lane(found, queue) -> int:
    """Runs modules as long as the queue has some, then those that are to be last."""
    good = bad = 0

    def run_module(name):
        nonlocal good, bad
        more_good, more_bad = run(found[name])
        good, bad = good + more_good, bad + more_bad
        print(f"{MODULE_END}{name}: {good} {bad}", flush=True)

    while name := os.read(queue, NAME_BYTES).decode().strip():
        run_module(name)
    for name in last_of(found):
        run_module(name)
    return 0


def last_of(found):
    return [name for name in found if name.startswith("test_zz_")]


class Lane:
    """A process that runs modules; `count` is what it has told last."""

    output = threading.Lock()

    def __init__(self, queue):
        self.count = (0, 0)
        self.process = subprocess.Popen([sys.executable, *sys.argv], stdout=subprocess.PIPE, text=True, pass_fds=[queue],
                                        env={**os.environ, "ATTUNE_TEST_QUEUE": str(queue)}, errors="replace")
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self):
        lines = []
        for line in self.process.stdout:
            lines.append(line)
            if line.startswith(MODULE_END):
                self.count = tuple(int(word) for word in line.split()[-2:])
                self.show(lines)
        self.show(lines)

    def show(self, lines):
        with Lane.output:
            sys.stdout.write("".join(lines))
            sys.stdout.flush()
        lines.clear()

    def end(self):
        """(good, bad) of all it ran; that it ended before its time is one more that is bad."""
        status = self.process.wait()
        self.reader.join()
        if status != 0:
            print(f"a lane ended with status {status}")
        return self.count[0], self.count[1] + (status != 0)


def run_lanes(found, count):
    """(good, bad) of all modules, run by so many processes."""
    queue, writer = os.pipe()
    for name in found:
        if name not in last_of(found):
            os.write(writer, name.encode().ljust(NAME_BYTES))
    os.close(writer)
    lanes = [Lane(queue) for _ in range(count)]
    signal.signal(signal.SIGTERM, lambda *_: [lane.process.terminate() for lane in lanes])
    counts = [lane.end() for lane in lanes]
    left = os.read(queue, 1)
    if left:
        print("modules were left that no lane has run")
    return sum(good for good, _ in counts), sum(bad for _, bad in counts) + (left != b"")


def main() -> int:
    if len(sys.argv) < 2:
        print("usage: run_unittest.py FOLDER [PATTERN]", file=sys.stderr)
        return 2
    found = suites(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "test_*.py")
    if "ATTUNE_TEST_QUEUE" in os.environ:
        return run_lane(found, int(os.environ["ATTUNE_TEST_QUEUE"]))
    lanes = min(int(os.environ.get("ATTUNE_TEST_LANES", "1")), len(found))
    good, bad = run_lanes(found, lanes) if lanes > 1 else run(unittest.TestSuite(found.values()))
    if good + bad == 0:
        bad = 1
        print("no test found in", sys.argv[1])
    print(f"{good} passed, {bad} failed")
    return 0 if bad == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
