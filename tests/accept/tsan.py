#!/usr/bin/env python3
"""make accept-tsan: attuned with the thread sanitizer under 32 clients for 120 s, then a drain: no report.

Builds with --enable-sanitizers=thread in tsan/ of the build directory. ATTUNE_TSAN_SECONDS and
ATTUNE_TSAN_CLIENTS change the run.
"""

import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.abspath(os.environ.get("ATTUNE_BUILD", os.path.join(TOP, "build")))
WORK = os.environ.get("ATTUNE_TSAN_BUILD", os.path.join(BUILD, "tsan"))


def main():
    os.makedirs(WORK, exist_ok=True)
    if not os.path.exists(os.path.join(WORK, "Makefile")):
        subprocess.run([os.path.join(TOP, "configure"), "--quiet", "--enable-sanitizers=thread", "CFLAGS=-g -O1"],
                       cwd=WORK, check=True)
    subprocess.run(["make", "-s", f"-j{os.cpu_count()}", "server/attuned", "engine/worker/attune-engine",
                    "engine/data/attune-ingest", "sql/attune-dbinit"], cwd=WORK, check=True)
    os.environ["ATTUNE_BUILD"] = WORK
    sys.path.insert(0, os.path.join(HERE, "..", "harness"))
    import tsan_run  # after ATTUNE_BUILD is set

    faults, answers = tsan_run.run(float(os.environ.get("ATTUNE_TSAN_SECONDS", "120")),
                                   int(os.environ.get("ATTUNE_TSAN_CLIENTS", "32")))
    for call, statuses in sorted(answers.items()):
        print(f"{call:10}", ", ".join(f"{status}: {count}" for status, count in sorted(statuses.items())))
    print(f"{sum(sum(s.values()) for s in answers.values())} calls, {len(faults)} faults")
    for fault in faults[:20]:
        print("FAULT", fault)
    print("FAILED" if faults else "passed")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
