#!/usr/bin/env python3
"""Tell + ask in a tight loop, d = 10, one core: Attune (latency.c) and Optuna's GPSampler beside it.

latency.py [--at 100,500,1000] [--peer-asks 8] [--seeds 3] [--no-peer] [--cpu]

Attune runs live from its first trial; of GPSampler, which takes seconds, the history is random points and so
many asks follow each size. Speed is of this machine and run only, so both are measured here, one after the
other; run it where nothing else runs, or with --cpu for processor time.
"""

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys

import results
import run

PEER = """
import json, math, sys, time, warnings
import optuna
warnings.simplefilter("ignore")
optuna.logging.set_verbosity(optuna.logging.ERROR)
marks, asks = json.loads(sys.argv[1]), int(sys.argv[2])
clock = time.process_time if sys.argv[3] == "cpu" else time.perf_counter
space = {f"x{i}": optuna.distributions.FloatDistribution(-10, 10) for i in range(10)}
import random
rng = random.Random(1)
def levy(p):
    w = [1 + (p[f"x{i}"] + 6 - 12 * ((i + 1) * 0.6180339887498949 % 1)) / 4 for i in range(10)]
    return (math.sin(math.pi * w[0]) ** 2 + (w[-1] - 1) ** 2 * (1 + math.sin(2 * math.pi * w[-1]) ** 2)
            + sum((v - 1) ** 2 * (1 + 10 * math.sin(math.pi * v + 1) ** 2) for v in w[:-1]))
for mark in marks:
    study = optuna.create_study(sampler=optuna.samplers.GPSampler(seed=1))
    for _ in range(mark):
        p = {n: rng.uniform(-10, 10) for n in space}
        study.add_trial(optuna.trial.create_trial(params=p, distributions=space, value=levy(p)))
    times = []
    trial = study.ask(space)
    for _ in range(asks):
        value = levy(trial.params)
        start = clock()
        study.tell(trial, value)
        trial = study.ask(space)
        times.append(1e3 * (clock() - start))
    print(json.dumps([mark, sorted(times)]), flush=True)
"""
# median, p99 wanted at each size.
WANTED = {100: (10, 25), 500: (12, 60), 1000: (20, 400)}
FASTER = 40


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--at", default="100,500,1000")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--peer-asks", type=int, default=8)
    parser.add_argument("--no-peer", action="store_true")
    parser.add_argument("--cpu", action="store_true", help="processor time")
    options = parser.parse_args()
    marks = [int(m) for m in options.at.split(",")]
    environment = dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")
    program = os.path.join(os.environ["ATTUNE_BUILD"], "tests", "bench", "search", "latency")
    out = subprocess.run([program, "--at", options.at, "--seeds", str(options.seeds),
                          "--cpu", str(int(options.cpu))], check=True, text=True,
                         stdout=subprocess.PIPE, env=environment).stdout
    own = {int(r["trials"]): r for r in csv.DictReader(out.splitlines())}
    peer = {}
    if not options.no_peer:
        lines = subprocess.run([run.environment_python("optuna"), "-c", PEER, json.dumps(marks),
                                str(options.peer_asks), "cpu" if options.cpu else "wall"], check=True, text=True, stdout=subprocess.PIPE,
                               env=environment).stdout.splitlines()
        peer = dict(json.loads(line) for line in lines)
    print(f"tell + ask, milliseconds{' of processor time' if options.cpu else ''}, d = 10, on {results.machine()}, load {os.getloadavg()[0]:.1f}")
    good = True
    for mark in marks:
        row = own[mark]
        median, p99 = float(row["median_ms"]), float(row["p99_ms"])
        line = f"n = {mark:4}: attune median {median:.2f} p99 {p99:.2f} worst {float(row['worst_ms']):.2f}"
        if mark in WANTED:
            good = good and median <= WANTED[mark][0] and p99 <= WANTED[mark][1]
            line += f" (wanted {WANTED[mark][0]}, {WANTED[mark][1]})"
        if mark in peer:
            other = statistics.median(peer[mark])
            line += f"; GPSampler median {other:.0f}, {other / median:.0f} times"
            good = good and (mark < 500 or other >= FASTER * median)
        print(line)
    print("passed" if good else "FAILED")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
