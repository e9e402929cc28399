#!/usr/bin/env python3
"""make accept-export: each family and mixes of them as ONNX in ONNX Runtime, within 1e-5, and as compiled C, within 1e-6,
on 1,000 rows that were held out of training.

The test of tests/clients/test_onnx.py with more rows; it prints how far off each model is. ATTUNE_EXPORT_ROWS and
ATTUNE_EXPORT_TRAIN change the rows.
"""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))

if __name__ == "__main__":
    for name, value in (("ATTUNE_EXPORT_ROWS", "1000"), ("ATTUNE_EXPORT_TRAIN", "500"), ("ATTUNE_EXPORT_C", "1")):
        os.environ.setdefault(name, value)
    os.execv(sys.executable, [sys.executable, os.path.join(HERE, "..", "harness", "run_unittest.py"),
                              os.path.join(HERE, "..", "clients"), "test_onnx.py"])
