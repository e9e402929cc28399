#!/usr/bin/env python3
"""make accept-fuzz: every target of tests/fuzz for 1,200 CPU seconds, two at a time, without a crash.

`fuzz.py replay` only runs the targets over their stored corpora (CI does that). The targets are built with clang
in fuzz/ of the build directory. What a target finds grows in fuzz/found-*; each finished one is a row of
fuzz/fuzz.csv, and a rerun goes on with those that are missing. An input that crashes a target is kept as
fuzz/crash-*: put right what it shows, then add the file to tests/fuzz/corpus/NAME, where CI replays it.
ATTUNE_FUZZ_SECONDS and ATTUNE_FUZZ_TARGETS change the run; "row_scan row_batch csv tensor multipart image" are what a
prediction's body meets.
"""

import csv
import glob
import os
import re
import subprocess
import sys
import threading
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get("ATTUNE_BUILD", os.path.join(TOP, "build")))
WORK = os.environ.get("ATTUNE_FUZZ_DIR", os.path.join(BUILD, "fuzz"))
SECONDS = float(os.environ.get("ATTUNE_FUZZ_SECONDS", "1200"))
PARALLEL = int(os.environ.get("ATTUNE_FUZZ_PARALLEL", "2"))
ONLY = os.environ.get("ATTUNE_FUZZ_TARGETS", "").split()
FIELDS = ("target", "cpu_seconds", "inputs", "crashes", "corpus")
SLICE_S = 120
LOCK = threading.Lock()


def build():
    os.makedirs(WORK, exist_ok=True)
    if not os.path.exists(os.path.join(WORK, "Makefile")):
        subprocess.run([os.path.join(TOP, "configure"), "--quiet", "--enable-fuzzers", "CC=clang",
                        "CFLAGS=-g -O1"], cwd=WORK, check=True)
    subprocess.run(["make", "-s", f"-j{os.cpu_count()}", "fuzz-targets"], cwd=WORK, check=True)


def targets():
    found = sorted(os.path.basename(path)[:-2] for path in glob.glob(os.path.join(TOP, "tests/fuzz/fuzz_*.c")))
    assert found, "no fuzz target"
    return [name for name in found if not ONLY or name.removeprefix("fuzz_") in ONLY]


def corpus(name):
    return os.path.join(TOP, "tests", "fuzz", "corpus", name.removeprefix("fuzz_"))


def run(name, arguments, log):
    """Exit status and CPU seconds of one run of a target."""
    program = os.path.join(WORK, "tests", "fuzz", name)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1",
                   "ASAN_OPTIONS": "allocator_may_return_null=1:detect_stack_use_after_return=0"}
    with open(log, "ab") as out:
        child = subprocess.Popen([program, *arguments], stdout=out, stderr=out, stdin=subprocess.DEVNULL,
                                 cwd=WORK, env=environment)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    return child.returncode, usage.ru_utime + usage.ru_stime


def replay():
    """Every stored input once; the line that CI counts."""
    good = bad = 0
    for name in targets():
        inputs = sorted(glob.glob(os.path.join(corpus(name), "*")))
        log = os.path.join(WORK, f"replay-{name}.log")
        if os.path.exists(log):
            os.unlink(log)
        status = run(name, ["-timeout=10", "-rss_limit_mb=1500", *inputs], log)[0] if inputs else 1
        print(f"{'ok  ' if status == 0 else 'FAIL'} {name}: {len(inputs)} inputs", flush=True)
        if status != 0:
            bad += 1
            if inputs:
                with open(log, encoding="utf-8", errors="replace") as file:
                    print(file.read()[-4000:])
        else:
            good += 1
    print(f"{good} passed, {bad} failed")
    return bad == 0


def fuzz(name, row_of):
    """One target until its CPU time is used up, or it crashed."""
    log = os.path.join(WORK, f"{name}.log")
    found = os.path.join(WORK, f"found-{name}")
    os.makedirs(found, exist_ok=True)
    used, inputs, crashed, seed = 0.0, 0, 0, 1
    while used < SECONDS and not crashed:
        start = os.path.getsize(log) if os.path.exists(log) else 0
        status, took = run(name, [f"-max_total_time={max(1, int(min(SLICE_S, SECONDS - used)))}", f"-seed={seed}",
                                  "-timeout=10", "-rss_limit_mb=1500", "-malloc_limit_mb=1000", "-max_len=16384",
                                  f"-artifact_prefix={WORK}/crash-{name}-", "-print_final_stats=1",
                                  found, corpus(name)], log)
        with open(log, encoding="utf-8", errors="replace") as file:
            file.seek(start)
            counted = re.search(r"stat::number_of_executed_units:\s*(\d+)", file.read())
        used += took
        inputs += int(counted[1]) if counted else 0
        crashed = int(status != 0)
        seed += 1
        print(f"{name}: {used:.0f} of {SECONDS:.0f} s, {inputs} inputs, status {status}", flush=True)
    row = {"target": name, "cpu_seconds": round(used, 1), "inputs": inputs, "crashes": crashed,
           "corpus": len(os.listdir(found))}
    row_of[name] = row
    if not crashed:  # a crash is run again once it has been put right
        table = os.path.join(WORK, "fuzz.csv")
        with LOCK, open(table, "a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, FIELDS)
            if file.tell() == 0:
                writer.writeheader()
            writer.writerow(row)


def finished():
    table = os.path.join(WORK, "fuzz.csv")
    if not os.path.exists(table):
        return {}
    with open(table, newline="", encoding="utf-8") as file:
        return {row["target"]: row for row in csv.DictReader(file) if float(row["cpu_seconds"]) >= SECONDS}


def main():
    build()
    if "replay" in sys.argv[1:]:
        return 0 if replay() else 1
    rows = finished()
    left = [name for name in targets() if name not in rows]

    def work():
        while True:
            with LOCK:
                if not left:
                    return
                name = left.pop(0)
            fuzz(name, rows)

    threads = [threading.Thread(target=work) for _ in range(PARALLEL)]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(f"{'target':20} {'CPU s':>8} {'inputs':>12} {'corpus':>7}  crashed")
    for name in targets():
        row = rows[name]
        print(f"{name:20} {float(row['cpu_seconds']):8.0f} {row['inputs']:>12} {row['corpus']:>7}  "
              f"{'YES, see ' + WORK + '/' + name + '.log' if int(row['crashes']) else 'no'}")
    bad = sum(int(rows[name]["crashes"]) for name in targets())
    print(f"{len(rows) - bad} targets without a crash, {bad} with one, {time.monotonic() - started:.0f} s")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
