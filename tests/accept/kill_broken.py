#!/usr/bin/env python3
"""make accept-kill-broken: the kill test must notice when leases protect nothing.

Builds Attune with --enable-broken-lease in broken/ of the build directory, stops workers past their leases there,
and passes only if kill.py fails and says that results were recorded twice.
"""

import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.abspath(os.environ.get("ATTUNE_BUILD", os.path.join(TOP, "build")))
BROKEN = os.environ.get("ATTUNE_BROKEN_BUILD", os.path.join(BUILD, "broken"))
ROUNDS = os.environ.get("ATTUNE_ACCEPT_ROUNDS", "6")
WANTED = "were recorded twice"


def main():
    os.makedirs(BROKEN, exist_ok=True)
    if not os.path.exists(os.path.join(BROKEN, "Makefile")):
        subprocess.run([os.path.join(TOP, "configure"), "--quiet", "--enable-broken-lease"], cwd=BROKEN, check=True)
    subprocess.run(["make", "-s", f"-j{os.cpu_count()}", "server/attuned", "engine/worker/attune-engine",
                    "engine/data/attune-ingest", "sql/attune-dbinit"], cwd=BROKEN, check=True)
    table = os.path.join(BROKEN, "accept", "kill.csv")
    if os.path.exists(table):
        os.unlink(table)
    run = subprocess.run(
        [sys.executable, os.path.join(HERE, "kill.py")], stdout=subprocess.PIPE, text=True, check=False,
        env={**os.environ, "ATTUNE_BUILD": BROKEN, "ATTUNE_ACCEPT_ROUNDS": ROUNDS, "ATTUNE_ACCEPT_LANES": "2",
             "ATTUNE_ACCEPT_VICTIMS": "worker", "ATTUNE_ACCEPT_STOP_SHARE": "1"})
    print(run.stdout)
    caught = run.returncode == 1 and WANTED in run.stdout
    print("passed: the broken build was caught" if caught else f"FAILED: nothing said that results {WANTED}")
    return 0 if caught else 1


if __name__ == "__main__":
    sys.exit(main())
