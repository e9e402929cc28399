#!/usr/bin/env python3
"""The database is away for a minute, frozen and then kept down, in the middle of everything.

    make accept-database-away

The same check as tests/api/test_database_away.py, at full length; prints what was seen.
"""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
os.environ.setdefault("ATTUNE_AWAY_SECONDS", "60")
sys.path.insert(0, os.path.join(HERE, "..", "api"))
sys.path.insert(0, os.path.join(HERE, "..", "harness"))

import unittest  # noqa: E402

import test_database_away  # noqa: E402

if __name__ == "__main__":
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(test_database_away.Away)
    sys.exit(0 if unittest.TextTestRunner(verbosity=2).run(suite).wasSuccessful() else 1)
