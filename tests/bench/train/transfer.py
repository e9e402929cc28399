#!/usr/bin/env python3
"""Transfer learning on Fashion-MNIST: what `base_model` gains when there are 20 images a class.

transfer.py [--splits 10] [--base-seconds 120] [--seconds 60] [--report]

For each random split of the ten classes into two halves a job trains on all images of one half; then two
jobs, the same but for `base_model`, train on 20 images of each class of the other half, and are scored on its
test images. Each job of the second kind is a row of transfer.csv in the results. Printed is the mean error with
over the mean error without. Needs ATTUNE_BUILD.
"""

import argparse
import json
import os
import random
import statistics
import sys

import fashion_data
import store

sys.path.insert(0, os.path.join(store.HERE, "..", "..", "harness"))
from attune_server import AttuneServer  # noqa: E402

FIELDS = ("version", "split", "arm", "base_seconds", "seconds", "base_classes", "errors", "images", "base_score", "took",
          "idle", "detail", "machine")
IMAGES_A_CLASS = 20
MUST = 0.7


def draw(split, train):
    """(classes of the base, rows of the 20 images of each other class)"""
    rng = random.Random(f"transfer {split}")
    classes = rng.sample(range(10), 10)
    few = []
    for label in sorted(classes[5:]):
        few += rng.sample([i for i, other in enumerate(train.labels) if other == label], IMAGES_A_CLASS)
    return sorted(classes[:5]), few


def run_split(split, options, version):
    train, test = fashion_data.load("train"), fashion_data.load("t10k")
    base_classes, few = draw(split, train)
    others = [c for c in range(10) if c not in base_classes]
    idle = store.wait_quiet(options.patience)
    with AttuneServer() as server:
        base = fashion_data.upload(server, train.of_classes(base_classes), "base")
        base_job, _ = fashion_data.run_job(server, "base", options.base_seconds, dataset=base, families=["cnn"],
                                           search={"seed": split + 1})
        small = fashion_data.upload(server, train.some(few), "few")
        asked = test.of_classes(others)
        for arm, members in (("without", {}), ("with", {"base_model": "base"})):
            job, took = fashion_data.run_job(server, arm, options.seconds, dataset=small, search={"seed": split + 1},
                                             **members)
            row = {"version": version, "split": split, "arm": arm, "base_seconds": options.base_seconds,
                   "seconds": options.seconds, "base_classes": " ".join(map(str, base_classes)),
                   "errors": fashion_data.errors(server, arm, asked), "images": len(asked.labels),
                   "base_score": f"{base_job['best']['value']:.4f}", "took": f"{took:.1f}", "idle": f"{idle:.2f}",
                   "machine": store.machine(),
                   "detail": json.dumps({"best": job["best"]["family"], "trials": job["trials"]["done"]})}
            store.append("transfer", FIELDS, row)
            print(f"split {split} {arm}: error {row['errors'] / row['images']:.4f}, {row['detail']}", flush=True)


def rows_of(options, version):
    """split → arm → row"""
    made = {}
    for row in store.read("transfer"):
        if (row["version"], float(row["base_seconds"]), float(row["seconds"])) == (
                version, options.base_seconds, options.seconds):
            made.setdefault(int(row["split"]), {})[row["arm"]] = row
    return {split: arms for split, arms in made.items() if len(arms) == 2}


def report(options, version):
    made = rows_of(options, version)
    if not made:
        print("no split is finished")
        return False
    error = {arm: [int(a[arm]["errors"]) / int(a[arm]["images"]) for a in made.values()] for arm in ("with", "without")}
    ratio = statistics.fmean(error["with"]) / statistics.fmean(error["without"])
    for split, arms in sorted(made.items()):
        print(f"split {split}, base of {arms['with']['base_classes']}: with {error['with'][list(made).index(split)]:.4f}, "
              f"without {error['without'][list(made).index(split)]:.4f}")
    print(f"mean error with a base model {statistics.fmean(error['with']):.4f}, without {statistics.fmean(error['without']):.4f}: "
          f"{ratio:.3f} x over {len(made)} splits, must {MUST}: {'yes' if ratio <= MUST else 'NO'}")
    return ratio <= MUST


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--splits", type=int, default=10)
    parser.add_argument("--base-seconds", type=float, default=120.0)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--patience", type=float, default=600.0)
    parser.add_argument("--report", action="store_true")
    options = parser.parse_args()
    version = store.attune_version()
    for split in range(0 if options.report else options.splits):
        if split not in rows_of(options, version):
            run_split(split, options, version)
    return 0 if report(options, version) else 1


if __name__ == "__main__":
    sys.exit(main())
