"""Finished cells on disk: one CSV file per bench in ATTUNE_BENCH_RESULTS (default WORK/results), a row per
cell; kept rows of peers lie in traces/ beside this file and are read too. Virtual environments, one per peer,
are made here from requirements-NAME.txt."""

import csv
import fcntl
import glob
import hashlib
import os
import platform
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
QUIET = 0.85  # idle share of the cores from which a machine counts as quiet


def work_folder():
    """Where environments, tables and results are: ATTUNE_BENCH_WORK, or in the build directory."""
    path = os.environ.get("ATTUNE_BENCH_WORK")
    if not path:
        path = os.path.join(os.environ["ATTUNE_BUILD"], "bench")
    path = os.path.join(path, "train")
    os.makedirs(path, exist_ok=True)
    return path


def results_folder():
    path = os.environ.get("ATTUNE_BENCH_RESULTS") or os.path.join(work_folder(), "results")
    os.makedirs(path, exist_ok=True)
    return path


def machine():
    """Processor, core count and what it has for bf16."""
    name, flags = platform.machine(), ""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as f:
            lines = dict([part.strip() for part in line.split(":", 1)] for line in f if ":" in line)
        name, flags = lines.get("model name", name), lines.get("flags", "")
    except OSError:
        pass
    has = " amx" if "amx_bf16" in flags else " avx512_bf16" if "avx512_bf16" in flags else ""
    return f"{os.cpu_count()} x {name}{has}"


def idle_share(seconds=2.0):
    """Of both cores; what runs at a lower priority (nice) gives way, so it counts as idle."""
    def ticks():
        with open("/proc/stat", encoding="ascii") as f:
            _, nice, _, idle, waiting, *_ = numbers = [int(v) for v in f.readline().split()[1:]]
        return sum(numbers[:8]), nice + idle + waiting

    before = ticks()
    time.sleep(seconds)
    after = ticks()
    return (after[1] - before[1]) / max(1, after[0] - before[0])


def wait_quiet(patience):
    """The idle share once the machine is quiet, or when patience (seconds) is at an end."""
    deadline = time.monotonic() + patience
    while True:
        idle = idle_share()
        if idle >= QUIET or time.monotonic() > deadline:
            return idle
        time.sleep(5)


def environment_python(name):
    """The interpreter of a virtual environment, which is made when it isn't there."""
    root = os.path.join(work_folder(), "venvs", name)
    python = os.path.join(root, "bin", "python")
    done = os.path.join(root, "installed")
    wanted = os.path.join(HERE, f"requirements-{name}.txt")
    with open(wanted, encoding="utf-8") as f:
        pins = [line.strip() for line in f if line.strip() and not line.startswith("#")]
    if os.path.exists(done):
        with open(done, encoding="utf-8") as f:
            if f.read().split() == pins:
                return python
    subprocess.run([sys.executable, "-m", "venv", root], check=True)
    for some in ([p for p in pins if p.startswith("torch==")], pins):
        if some:
            subprocess.run([python, "-m", "pip", "install", "-q", *some], check=True)
    with open(done, "w", encoding="utf-8") as f:
        f.write("\n".join(pins) + "\n")
    return python


def attune_version():
    """ATTUNE_BENCH_LABEL, or what the bytes of the programs say."""
    label = os.environ.get("ATTUNE_BENCH_LABEL")
    if label:
        return label
    digest = hashlib.sha256()
    for name in ("server/attuned", "engine/worker/attune-engine"):
        path = os.path.join(os.environ["ATTUNE_BUILD"], name)
        if os.path.exists(path):
            with open(path, "rb") as f:
                digest.update(f.read())
    return digest.hexdigest()[:10]


def read(bench):
    """All rows of a bench, in the order in which they were written."""
    rows = []
    for folder in (os.path.join(HERE, "traces"), results_folder()):
        for path in sorted(glob.glob(os.path.join(folder, f"{bench}.csv"))):
            with open(path, newline="", encoding="utf-8") as f:
                rows += csv.DictReader(f)
    return rows


def append(bench, fields, row):
    with open(os.path.join(results_folder(), bench + ".csv"), "a", newline="", encoding="utf-8") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        writer = csv.DictWriter(f, fields, extrasaction="ignore", lineterminator="\n")
        if f.tell() == 0:
            writer.writeheader()
        writer.writerow(row)
