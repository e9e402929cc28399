#!/usr/bin/env python3
"""make accept-search: the search against its peers on the reported half of tests/bench/search.

Runs what is not finished yet (every finished run is kept in the build directory, and kept traces of peers are
used), compares, and measures the speed of tell + ask. Must: as in report.py (--must) and latency.py.
ATTUNE_ACCEPT_SEEDS is the number of seeds (20); HEBO, BoTorch and SMAC run with at most ten.
"""

import os
import subprocess
import sys

BENCH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "bench", "search")
SEEDS = int(os.environ.get("ATTUNE_ACCEPT_SEEDS", "20"))
FEWER = min(SEEDS, 10)
PARALLEL = str(os.cpu_count() or 1)


def call(program, *arguments):
    return subprocess.run([sys.executable, os.path.join(BENCH, program), *arguments], check=False).returncode


def main():
    subprocess.run(["make", "-s", "-C", os.environ["ATTUNE_BUILD"], "tests/bench/search/attune_ask",
                    "tests/bench/search/latency"], check=True)
    seeds, fewer = ("--seeds", str(SEEDS)), ("--seeds", str(FEWER))
    shared = ("--problems", "report", "--parallel", PARALLEL)
    call("run.py", "--engines", "attune", "--budget", "25,50,100", *seeds, *shared)
    call("run.py", "--engines", "attune", "--problems", "conditional", "--budget", "60", *seeds)
    call("run.py", "--engines", "attune", "--budget", "50", "--pending", "4", *fewer, *shared)
    call("run.py", "--engines", "optuna-tpe,optuna-gp", "--budget", "100", "--high-budget", "50", *seeds, *shared)
    call("run.py", "--engines", "optuna-gp,optuna-tpe", "--budget", "50", "--pending", "4", *fewer, *shared)
    call("run.py", "--engines", "smac", "--budget", "25,50", *fewer, *shared)
    call("run.py", "--engines", "hebo,ax", "--budget", "50", *fewer, *shared)
    bad = call("report.py", "--must")
    call("report.py", "--engines", "attune,optuna-gp,optuna-tpe", "--pending", "4", "--marks", "50")
    for peer in ("smac", "hebo", "ax"):
        call("report.py", "--engines", f"attune,{peer}", "--marks", "25,50")
    bad += call("latency.py")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
