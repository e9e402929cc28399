"""Finished cells on disk: one CSV file per engine, one row per cell, in ATTUNE_BENCH_RESULTS (default: the
build directory). Several processes may append to them at once. Kept traces of peers lie beside this file in
traces/ and are read too."""

import csv
import fcntl
import glob
import os
import platform

HERE = os.path.dirname(os.path.abspath(__file__))
FIELDS = ("engine", "version", "problem", "seed", "budget", "pending", "trace", "p50_us", "p99_us", "seconds",
          "machine")


def work_folder():
    """Where environments and results are: in the build directory."""
    path = os.environ.get("ATTUNE_BENCH_WORK")
    if not path:
        path = os.path.join(os.environ["ATTUNE_BUILD"], "bench", "search")
    os.makedirs(path, exist_ok=True)
    return path


def results_folder():
    path = os.environ.get("ATTUNE_BENCH_RESULTS") or os.path.join(work_folder(), "results")
    os.makedirs(path, exist_ok=True)
    return path


def machine():
    """Processor and core count."""
    name = platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as f:
            name = next(line.split(":", 1)[1].strip() for line in f if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return f"{os.cpu_count()} x {name}"


def key(row):
    return (row["engine"], row["version"], row["problem"], int(row["seed"]), int(row["budget"]),
            int(row["pending"]))


def read(engine=None):
    """All rows, later ones in place of earlier ones with the same key."""
    rows = {}
    for folder in (os.path.join(HERE, "traces"), results_folder()):
        for path in sorted(glob.glob(os.path.join(folder, f"{engine or '*'}.csv"))):
            with open(path, newline="", encoding="utf-8") as f:
                for row in csv.DictReader(f):
                    rows[key(row)] = row
    return list(rows.values())


def append(row):
    path = os.path.join(results_folder(), row["engine"] + ".csv")
    with open(path, "a", newline="", encoding="utf-8") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        writer = csv.DictWriter(f, FIELDS, extrasaction="ignore", lineterminator="\n")
        if f.tell() == 0:
            writer.writeheader()
        writer.writerow(row)


def best_at(row, marks):
    """The best score so far after each of `marks` trials; infinite while there was none. A search that
    ended early (all points asked) keeps its last."""
    steps = [step.split("=") for step in row["trace"].split()]
    answer = []
    for mark in marks:
        best = float("inf")
        for n, value in steps:
            if int(n) > mark:
                break
            best = float(value)
        answer.append(best)
    return answer
