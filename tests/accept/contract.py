#!/usr/bin/env python3
"""make accept-contract: at least 20,000 generated requests, stateful ones too, against the contract.

The test of tests/contract with more cases: runs of schemathesis with one seed after the other, until there are
enough. ATTUNE_CONTRACT_CASES and ATTUNE_CONTRACT_SEED change the run.
"""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))

if __name__ == "__main__":
    os.environ.setdefault("ATTUNE_CONTRACT_CASES", "20000")
    os.execv(sys.executable, [sys.executable, os.path.join(HERE, "..", "harness", "run_unittest.py"),
                              os.path.join(HERE, "..", "contract")])
