#!/usr/bin/env python3
"""make accept-bayes-real: on one real job, Bayesian search against random search.

Tunes the perceptron on scikit-learn's breast cancer data for the same number of trials with each method
and several seeds and compares the best validation log loss found. Must: better by more than two
standard errors.
"""

import io
import os
import statistics
import sys

from sklearn.datasets import load_breast_cancer

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
from attune_server import AttuneServer  # noqa: E402

TRIALS = int(os.environ.get("ATTUNE_ACCEPT_TRIALS", "30"))
SEEDS = int(os.environ.get("ATTUNE_ACCEPT_SEEDS", "10"))
FAMILY = os.environ.get("ATTUNE_ACCEPT_FAMILY", "mlp")


def main():
    data = load_breast_cancer()
    out = io.StringIO()
    out.write(",".join(str(name).replace(" ", "_") for name in data.feature_names) + ",diagnosis\n")
    for row, label in zip(data.data, data.target):
        out.write(",".join(repr(float(v)) for v in row) + f",{data.target_names[label]}\n")
    best = {"bayes": [], "random": []}
    with AttuneServer() as server:
        answer = server.upload("/api/v1/datasets", [("file", "cancer.csv", out.getvalue().encode())])
        dataset = server.wait_dataset(answer.json["id"])["id"]
        for seed in range(SEEDS):
            for method in best:
                answer = server.post("/api/v1/jobs", {
                    "dataset": dataset, "target": "diagnosis", "metric": "log_loss", "families": [FAMILY],
                    "budget": {"trials": TRIALS}, "search": {"method": method, "seed": seed + 1}})
                assert answer.status == 202, answer
                job = server.wait_job(answer.json["id"], 1800)
                best[method].append(job["best"]["value"])
                print(f"seed {seed + 1} {method}: {job['best']['value']:.5f}", flush=True)
    gaps = [r - b for r, b in zip(best["random"], best["bayes"])]
    mean, se = statistics.mean(gaps), statistics.stdev(gaps) / len(gaps) ** 0.5
    print(f"log loss after {TRIALS} trials: bayes {statistics.mean(best['bayes']):.5f}, random "
          f"{statistics.mean(best['random']):.5f}, difference {mean:.5f} (standard error {se:.5f})")
    ok = mean > 2 * se
    print("passed" if ok else "FAILED: wanted a difference above two standard errors")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
