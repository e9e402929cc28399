#!/usr/bin/env python3
"""make accept-tables: breast cancer and diabetes against HistGradientBoosting on the same splits.

Five random splits each; a 60 s job on the training part, predictions for the test part over HTTP. Must:
the mean is not worse than the peer's defaults by more than two standard errors of the paired
difference. Needs scikit-learn (a virtual environment: tests/bench/venv.sh makes it).
"""

import io
import os
import sys

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.model_selection import train_test_split

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
from attune_server import AttuneServer  # noqa: E402

SECONDS = float(os.environ.get("ATTUNE_ACCEPT_SECONDS", "60"))
SPLITS = int(os.environ.get("ATTUNE_ACCEPT_SPLITS", "5"))


def csv(names, x, target, y):
    out = io.StringIO()
    out.write(",".join([*names, target]) + "\n")
    for row, label in zip(x, y):
        out.write(",".join(repr(float(v)) for v in row) + f",{label}\n")
    return out.getvalue().encode()


def attune_predictions(server, name, names, train, test, target):
    answer = server.upload("/api/v1/train", [
        ("file", "train.csv", csv(names, *train[:1], target, train[1])), ("target", target),
        ("seconds", SECONDS), ("name", name)])
    assert answer.status == 202, answer
    job = server.wait_job(answer.json.get("job", answer.json).get("id"), SECONDS * 2 + 60)
    assert job["state"] == "succeeded", job
    rows = [dict(zip(names, map(float, row))) for row in test[0]]
    answer = server.post(f"/api/v1/models/{name}/predict", {"rows": rows})
    assert answer.status == 200, answer
    report = server.get(f"/api/v1/models/{name}/report").json
    print(f"  {name}: {job['trials']['done']} trials, best {job['best']['family']}, took "
          f"{job['elapsed_s']:.1f} s, report {report['metric']} {report['score']:.4f}", flush=True)
    return answer.json["predictions"]


def main():
    worst = 0
    with AttuneServer() as server:
        for title, data, regression in (("breast-cancer", load_breast_cancer(), False),
                                        ("diabetes", load_diabetes(), True)):
            names = [str(n).replace(" ", "_") for n in data.feature_names]
            ours, peer = [], []
            for split in range(SPLITS):
                y = data.target if regression else data.target_names[data.target]
                parts = train_test_split(data.data, y, test_size=0.25, random_state=split,
                                         stratify=None if regression else y)
                x_train, x_test, y_train, y_test = parts
                predictions = attune_predictions(server, f"{title}-{split}", names,
                                                 (x_train, y_train), (x_test, y_test), "target")
                if regression:
                    mine = np.array([p["value"] for p in predictions])
                    other = HistGradientBoostingRegressor(random_state=split).fit(x_train, y_train)
                    ours.append(-np.sqrt(np.mean((mine - y_test) ** 2)))
                    peer.append(-np.sqrt(np.mean((other.predict(x_test) - y_test) ** 2)))
                else:
                    mine = np.array([p["label"] for p in predictions])
                    other = HistGradientBoostingClassifier(random_state=split).fit(x_train, y_train)
                    ours.append(np.mean(mine == y_test))
                    peer.append(np.mean(other.predict(x_test) == y_test))
            gap = np.array(ours) - np.array(peer)
            se = gap.std(ddof=1) / np.sqrt(len(gap)) if len(gap) > 1 else float("nan")
            bad = gap.mean() < -2 * se
            worst |= bad
            print(f"{title}: {'-RMSE' if regression else 'accuracy'} attune {np.mean(ours):.4f}, "
                  f"HistGradientBoosting {np.mean(peer):.4f}, difference {gap.mean():+.4f} "
                  f"(standard error {se:.4f}): {'FAILED' if bad else 'passed'}", flush=True)
    return int(worst)


if __name__ == "__main__":
    sys.exit(main())
