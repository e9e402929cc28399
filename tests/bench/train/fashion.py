#!/usr/bin/env python3
"""Fashion-MNIST over HTTP with nothing but the data and seconds: the test set's accuracy, median of runs.

fashion.py [--seconds 120,600,1200] [--runs 3] [--precision auto] [--report]

Each run is a fresh attuned on two cores and one job; the 10,000 test images go through predict once,
when it has ended. A run is a row of fashion.csv in the results. --precision fp32 is the one thing more that a
job may be told. Needs ATTUNE_BUILD.
"""

import argparse
import json
import os
import statistics
import sys

import fashion_data
import store

sys.path.insert(0, os.path.join(store.HERE, "..", "..", "harness"))
from attune_server import AttuneServer  # noqa: E402

FIELDS = ("version", "seconds", "precision", "run", "accuracy", "report", "took", "idle", "detail", "machine")
MUST = {"auto": {120: 0.930, 600: 0.945, 1200: 0.950}, "fp32": {120: 0.915, 600: 0.933, 1200: 0.940}}
NETWORKS = ("mlp", "cnn")


def precise(server, precision):
    """Members of a job that is to compute in this precision: those of the families that have a choice."""
    if precision == "auto":
        return {}
    answer = server.get("/api/v1/families?kind=images&task=multiclass")
    assert answer.status == 200, answer
    names = [f["name"] for f in answer.json["items"] if f["name"] in NETWORKS and "precision" in json.dumps(f)]
    return {"search": {"space": {name: {"precision": precision} for name in names}}}


def run_one(seconds, precision, run, patience):
    idle = store.wait_quiet(patience)
    with AttuneServer() as server:
        dataset = fashion_data.upload(server, fashion_data.load("train"), "fashion")
        job, took = fashion_data.run_job(server, "fashion", seconds, dataset=dataset, **precise(server, precision))
        report = server.get("/api/v1/models/fashion/report").json
        test = fashion_data.load("t10k")
        accuracy = 1 - fashion_data.errors(server, "fashion", test) / len(test.labels)
    row = {"version": store.attune_version(), "seconds": seconds, "precision": precision, "run": run,
           "accuracy": f"{accuracy:.4f}", "report": f"{report['score']:.4f}", "took": f"{took:.1f}",
           "idle": f"{idle:.2f}", "machine": store.machine(),
           "detail": json.dumps({"best": job["best"]["family"], "trials": job["trials"]["done"]})}
    store.append("fashion", FIELDS, row)
    print(f"{seconds:g} s {precision} run {run}: {row['accuracy']}, report {row['report']}, took {row['took']} s, "
          f"idle {row['idle']}, {row['detail']}", flush=True)


def report(version):
    good = True
    rows = [r for r in store.read("fashion") if r["version"] == version]
    for precision, seconds in sorted({(r["precision"], float(r["seconds"])) for r in rows}):
        some = [r for r in rows if r["precision"] == precision and float(r["seconds"]) == seconds]
        accuracies = sorted(float(r["accuracy"]) for r in some)
        must = MUST.get(precision, {}).get(seconds)
        ok = not must or statistics.median(accuracies) >= must
        good = good and ok
        print(f"{seconds:g} s {precision}: median {statistics.median(accuracies):.4f} of {len(some)} ({accuracies[0]:.4f} to "
              f"{accuracies[-1]:.4f}), took at most {max(float(r['took']) for r in some):.1f} s"
              + (f", must {must:.3f}: {'yes' if ok else 'NO'}" if must else "")
              + ("" if min(float(r["idle"]) for r in some) >= store.QUIET else "; on a busy machine"))
    print(f"attune {version}, {store.machine()}; figures of auto are meant for a processor with AMX")
    return good


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", default="120,600,1200")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--precision", choices=("auto", "fp32"), default="auto")
    parser.add_argument("--patience", type=float, default=600.0)
    parser.add_argument("--report", action="store_true")
    options = parser.parse_args()
    version = store.attune_version()
    for run in range(0 if options.report else options.runs):
        for seconds in map(float, options.seconds.split(",")):
            there = {(r["version"], float(r["seconds"]), r["precision"], int(r["run"])) for r in store.read("fashion")}
            if (version, seconds, options.precision, run) not in there:
                run_one(seconds, options.precision, run, options.patience)
    return 0 if report(version) else 1


if __name__ == "__main__":
    sys.exit(main())
