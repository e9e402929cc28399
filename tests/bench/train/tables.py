#!/usr/bin/env python3
"""Attune through HTTP against XGBoost tuned by Optuna, FLAML and AutoGluon on the tables of tables.json.

tables.py [--engines attune,xgboost,flaml,autogluon] [--tables all] [--splits 10] [--seconds 60]
tables.py --report [--seconds 60]

Cell by cell, one at a time, as each engine takes both cores: split 0 of every table by every engine, then split
1 … A finished cell is a row of tables.csv in the results and is never run again, so a pass may take many
sessions. Each engine gets the training rows and the seconds, and is told the score that counts (accuracy,
RMSE); test rows come without the target, after the time is over. A cell waits until the machine is
quiet; how idle it was stands in its row, and the report counts rows from a busy machine only with --busy.
Needs ATTUNE_BUILD.
"""

import argparse
import csv
import json
import math
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time

import store
import table_data

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "harness"))
from attune_server import AttuneServer  # noqa: E402

FIELDS = ("engine", "version", "table", "split", "seconds", "score", "train_rows", "test_rows", "took", "idle",
          "detail", "machine")
PEERS = {"xgboost": 0.93, "flaml": 1.00, "autogluon": 1.00}  # what the ratio may be
ENVIRONMENTS = {"xgboost": "xgboost", "flaml": "flaml", "autogluon": "autogluon", "autogluon-medium": "autogluon"}
CHUNK = 2000


def key(row):
    return row["engine"], row["table"], int(row["split"]), float(row["seconds"])


# ---- one cell ---------------------------------------------------------------------------------------------


def write_csv(path, names, rows):
    with open(path, "w", newline="", encoding="utf-8") as f:
        writer = csv.writer(f, lineterminator="\n")
        writer.writerow(names)
        writer.writerows(rows)


def lay_out(folder, entry, names, train, test):
    """What an engine is given; the test part has no target."""
    numeric = table_data.numeric_columns(names, table_data.read_table(entry["name"])[1])
    write_csv(os.path.join(folder, "train.csv"), names, train)
    write_csv(os.path.join(folder, "test.csv"), names[:-1], [row[:-1] for row in test])
    classes = sorted({row[-1] for row in train}) if entry["task"] == "classification" else []
    with open(os.path.join(folder, "task.json"), "w", encoding="utf-8") as f:
        json.dump({"task": entry["task"], "target": entry["target"], "classes": classes,
                   "categories": [n for n, number in zip(names[:-1], numeric) if not number]}, f)


def run_attune(folder, entry, seconds, split):
    with open(os.path.join(folder, "train.csv"), "rb") as f:
        train = f.read()
    with open(os.path.join(folder, "test.csv"), encoding="utf-8") as f:
        lines = f.read().splitlines()
    classes = entry["task"] == "classification"
    with AttuneServer() as server:
        answer = server.upload("/api/v1/datasets", [("file", "train.csv", train), ("name", "train")])
        assert answer.status in (201, 202), answer
        dataset = server.wait_dataset(answer.json["id"])
        answer = server.post("/api/v1/jobs", {
            "dataset": dataset["id"], "target": entry["target"], "task": entry["task"], "deploy_as": "model",
            "metric": "accuracy" if classes else "rmse", "budget": {"seconds": seconds},
            "search": {"seed": split + 1}})
        assert answer.status == 202, answer
        began = time.monotonic()
        job = server.wait_job(answer.json["id"], 3 * seconds + 120)
        took = time.monotonic() - began
        assert job["state"] == "succeeded", job
        predictions = []
        for first in range(1, len(lines), CHUNK):
            body = "\n".join([lines[0], *lines[first:first + CHUNK]]) + "\n"
            answer = server.post("/api/v1/models/model/predict", body.encode(),
                                 headers={"Content-Type": "text/csv"}, timeout=600)
            assert answer.status == 200, answer
            predictions += [p["label"] if classes else p["value"] for p in answer.json["predictions"]]
        detail = {"best": job["best"]["family"], "trials": job["trials"]["done"],
                  "report": server.get("/api/v1/models/model/report").json["score"]}
    return predictions, {"version": store.attune_version(), "took": took, "detail": detail}


def run_peer(engine, folder, seconds, split):
    python = store.environment_python(ENVIRONMENTS[engine])
    done = subprocess.run([python, os.path.join(HERE, "table_peer.py"), engine, folder, str(seconds), str(split)],
                          cwd=folder, env=dict(os.environ, PYTHONPATH=HERE), capture_output=True, text=True,
                          timeout=10 * seconds + 600)
    if done.returncode:
        raise RuntimeError(" | ".join(done.stderr.strip().splitlines()[-3:]))
    with open(os.path.join(folder, "predictions.txt"), encoding="utf-8") as f:
        predictions = f.read().splitlines()
    with open(os.path.join(folder, "done.json"), encoding="utf-8") as f:
        return predictions, json.load(f)


def score(entry, predictions, truth):
    if len(predictions) != len(truth):
        raise RuntimeError(f"{len(predictions)} predictions for {len(truth)} rows")
    if entry["task"] == "classification":
        return sum(str(p) != t for p, t in zip(predictions, truth))
    return math.sqrt(statistics.fmean((float(p) - float(t)) ** 2 for p, t in zip(predictions, truth)))


def run_cell(engine, entry, split, seconds, patience):
    names, train, test = table_data.read_split(entry["name"], split)
    with tempfile.TemporaryDirectory(prefix="attune-table-") as folder:
        lay_out(folder, entry, names, train, test)
        idle = store.wait_quiet(patience)
        if engine == "attune":
            predictions, done = run_attune(folder, entry, seconds, split)
        else:
            predictions, done = run_peer(engine, folder, seconds, split)
    row = {"engine": engine, "version": done["version"], "table": entry["name"], "split": split, "seconds": seconds,
           "score": repr(score(entry, predictions, [r[-1] for r in test])), "train_rows": len(train),
           "test_rows": len(test), "took": f"{done['took']:.1f}", "idle": f"{idle:.2f}",
           "detail": json.dumps(done["detail"]), "machine": store.machine()}
    store.append("tables", FIELDS, row)
    print(f"{entry['name']} split {split} {engine}: {float(row['score']):.6g} in {row['took']} s, idle "
          f"{row['idle']}, {row['detail']}", flush=True)


def is_finished(row, engine, version):
    """A row of another kind of processor says nothing here, for the seconds are the same."""
    return (row["engine"] == engine and row["machine"] == store.machine()
            and (engine != "attune" or row["version"] == version))


def run_all(options, entries):
    for name in options.engines.split(","):
        if name != "attune":
            store.environment_python(ENVIRONMENTS[name])
    counts = {e["name"]: table_data.split_count(len(table_data.read_table(e["name"])[1])) for e in entries}
    failed = 0
    for split in range(options.splits):
        for entry in entries:
            if split >= counts[entry["name"]]:
                continue
            for engine in options.engines.split(","):
                version = store.attune_version() if engine == "attune" else None
                there = {key(r) for r in store.read("tables") if is_finished(r, engine, version)}
                if (engine, entry["name"], split, options.seconds) in there:
                    continue
                try:
                    run_cell(engine, entry, split, options.seconds, options.patience)
                except (AssertionError, RuntimeError, OSError, subprocess.TimeoutExpired) as error:
                    failed += 1
                    print(f"{entry['name']} split {split} {engine}: FAILED {str(error)[:600]}", flush=True)
    return failed


# ---- the report -------------------------------------------------------------------------------------------


def collect(seconds, busy, version):
    """engine → (table, split) → row; of Attune one version, of all engines those on its kind of processor."""
    rows = [r for r in store.read("tables") if float(r["seconds"]) == seconds
            and (busy or float(r["idle"]) >= store.QUIET)]
    own = [r for r in rows if r["engine"] == "attune"]
    version = version or (own[-1]["version"] if own else None)
    machine = next((r["machine"] for r in reversed(own) if r["version"] == version), store.machine())
    made = {}
    for row in rows:
        if row["machine"] == machine and (row["engine"] != "attune" or row["version"] == version):
            made.setdefault(row["engine"], {})[row["table"], int(row["split"])] = row
    return made, version, machine


def bootstrap(logs, draws=10000):
    """95% interval over tables of the geometric mean."""
    rng, n = random.Random(1), len(logs)
    means = sorted(statistics.fmean(logs[rng.randrange(n)] for _ in range(n)) for _ in range(draws))
    return math.exp(means[int(0.025 * draws)]), math.exp(means[int(0.975 * draws)])


def table_score(entry, cells, splits):
    values = [float(cells[entry["name"], s]["score"]) for s in splits]
    return sum(values) if entry["task"] == "classification" else statistics.fmean(values)


def table_ratio(entry, own, other):
    return (own + 0.5) / (other + 0.5) if entry["task"] == "classification" else own / other


def report(seconds, busy, version):
    made, version, machine = collect(seconds, busy, version)
    if "attune" not in made:
        print("no rows of attune yet")
        return False
    peers = [e for e in made if e != "attune"]
    print(f"attune {version}, {seconds:g} s, {machine}; errors are summed over splits, RMSE averaged; "
          "ratio below 1: attune is better")
    print(f"{'table':18} {'attune':>10} " + " ".join(f"{e:>12} {'ratio':>6} {'splits':>6}" for e in peers))
    logs = {e: [] for e in peers}
    for entry in table_data.read_list()["tables"]:
        mine = {s for n, s in made["attune"] if n == entry["name"]}
        line, any_there = "", False
        for engine in peers:
            both = sorted(mine & {s for n, s in made[engine] if n == entry["name"]})
            if not both:
                line += f" {'-':>12} {'-':>6} {0:6}"
                continue
            any_there = True
            own, other = (table_score(entry, made[e], both) for e in ("attune", engine))
            ratio = table_ratio(entry, own, other)
            logs[engine].append(math.log(ratio))
            line += f" {other:12.6g} {ratio:6.3f} {len(both):6}"
        if any_there:
            own = table_score(entry, made["attune"], sorted(mine))
            print(f"{entry['name']:18} {own:10.6g}{line}")
    good = True
    for engine in peers:
        if not logs[engine]:
            continue
        mean, (low, high) = math.exp(statistics.fmean(logs[engine])), bootstrap(logs[engine])
        must = PEERS.get(engine)
        ok = must is None or mean <= must
        good = good and ok
        print(f"against {engine} {next(iter(made[engine].values()))['version']}: {mean:.3f} [{low:.3f}, {high:.3f}] over "
              f"{len(logs[engine])} tables" + (f", must {must:.2f}: {'yes' if ok else 'NO'}" if must else ""))
    for engine, cells in made.items():
        took = [float(r["took"]) for r in cells.values()]
        print(f"{engine}: {len(took)} cells, took {min(took):.1f} to {max(took):.1f} s")
    return good


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--engines", default="attune,xgboost,flaml,autogluon")
    parser.add_argument("--tables", default="all")
    parser.add_argument("--splits", type=int, default=10, help="at most so many of a table's splits")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--patience", type=float, default=600.0, help="seconds to wait for a quiet machine")
    parser.add_argument("--report", action="store_true")
    parser.add_argument("--busy", action="store_true", help="count rows from a busy machine, too")
    parser.add_argument("--version", help="of Attune in the report; else its newest")
    options = parser.parse_args()
    if options.report:
        return 0 if report(options.seconds, options.busy, options.version) else 1
    entries = table_data.read_list()["tables"]
    if options.tables != "all":
        entries = [table_data.table_entry(n) for n in options.tables.split(",")]
    if not all(os.path.exists(table_data.csv_path(e["name"])) for e in entries):
        subprocess.run([store.environment_python("data"), os.path.join(HERE, "table_data.py")], check=True)
    failed = run_all(options, entries)
    good = report(options.seconds, options.busy, options.version)
    return 0 if good and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
