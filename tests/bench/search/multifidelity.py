#!/usr/bin/env python3
"""What stopping trials early gains on real networks: jobs of attuned on a sample of Fashion-MNIST and two tables.

    ATTUNE_BUILD=build python3 tests/bench/search/multifidelity.py [--seeds 10] [--trials 25] [--rows 4000] [--tasks fashion,classes,numbers]

For each task and seed, one engine, networks only, no warm start, and no tuned defaults either: what would be tried first is
a random point, the same for all methods of a seed:
  whole   the Bayesian search, every trial to its end: its best score is the target
  asha    the same search with early_stopping asha and three times as many trials
  first   random points for one epoch each, three times as many as trials, then the best in full, one after another
Time is CPU time of the fits, by which the events of a job tell when each trial ended: a busy machine does not
change it. Printed is each method's time until a whole trial is within 0.2 points of accuracy (1% of RMSE) of the
target, as a share of the sequential search's whole time: the geometric mean over seeds, and in how many it got there.
asha and first are cancelled once they are there, or have taken as long as the sequential search; one that was not
there by then counts as if it had taken as long.
A finished (task, seed, method) is one row of a CSV file in the build directory and is not run again.
"""

import argparse
import csv
import gzip
import math
import os
import random
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "harness"))
from attune_server import AttuneServer  # noqa: E402

import results  # noqa: E402

FASHION = "/usr/share/datasets/fashion-mnist/train-"
ROWS = 4000
EPOCHS = 54
MORE = 3  # trials of the methods with cheap ones, for one of the sequential method
FINISHED = 6  # of the best after one epoch
FIELDS = ("task", "seed", "method", "trials", "score", "trace", "machine")


# ---- data -------------------------------------------------------------------------------------------

def fashion():
    def head(name, skip, size):
        with gzip.open(FASHION + name) as file:
            return file.read(skip + size)[skip:]
    images = struct.pack(">IIII", 0x803, ROWS, 28, 28) + head("images-idx3-ubyte.gz", 16, ROWS * 784)
    labels = struct.pack(">II", 0x801, ROWS) + head("labels-idx1-ubyte.gz", 8, ROWS)
    return [("images", "images.idx", images), ("labels", "labels.idx", labels)]


def table(rows):
    names = [f"x{j}" for j in range(len(rows[0]) - 1)] + ["y"]
    lines = [",".join(names)] + [",".join(v if isinstance(v, str) else f"{v:.6g}" for v in row) for row in rows]
    return [("file", "table.csv", ("\n".join(lines) + "\n").encode())]


def classes():
    """Sixteen columns, of which eight tell four classes of four clusters each; a tenth of the labels is wrong."""
    rng = random.Random(11)
    centres = [[1.1 * rng.gauss(0, 1) for _ in range(8)] for _ in range(16)]
    rows = []
    for _ in range(ROWS):
        cluster = rng.randrange(16)
        x = [rng.gauss(0, 1) + (centres[cluster][j] if j < 8 else 0) for j in range(16)]
        rows.append(x + ["abcd"[cluster % 4 if rng.random() < 0.9 else rng.randrange(4)]])
    return table(rows)


def numbers():
    """Friedman's first function of sixteen columns, of which five count."""
    rng = random.Random(12)
    rows = []
    for _ in range(ROWS):
        x = [rng.random() for _ in range(16)]
        y = (10 * math.sin(math.pi * x[0] * x[1]) + 20 * (x[2] - 0.5) ** 2 + 10 * x[3] + 5 * x[4] + rng.gauss(0, 1))
        rows.append(x + [y])
    return table(rows)


TASKS = {"fashion": (fashion, None, "accuracy"), "classes": (classes, "y", "accuracy"), "numbers": (numbers, "y", "rmse")}


# ---- jobs -------------------------------------------------------------------------------------------

class Bench:
    def __init__(self, server):
        self.server = server
        self.datasets = {}

    def dataset(self, task):
        if task not in self.datasets:
            answer = self.server.upload("/api/v1/datasets", TASKS[task][0]())
            self.datasets[task] = self.server.wait_dataset(answer.json["id"])["id"]
        return self.datasets[task]

    def start(self, task, seed):
        """Overrides of the space by which a random point takes the place of the tuned defaults."""
        kind = "images" if TASKS[task][1] is None else "table"
        what = "regression" if TASKS[task][2] == "rmse" else "multiclass"
        families = self.server.get(f"/api/v1/families?kind={kind}&task={what}").json["items"]
        space = next(family["space"] for family in families if family["name"] == "mlp")
        rng, point = random.Random(f"{task} {seed}"), {}
        for name, param in space.items():
            if not isinstance(param, dict):
                continue
            if param["type"] in ("float", "int"):
                low, high = param["low"], param["high"]
                at = rng.random()
                value = low * (high / low) ** at if param["scale"] == "log" else low + (high - low) * at
                point[name] = {"default": round(value) if param["type"] == "int" else value}
            else:
                point[name] = {"default": rng.choice(param.get("values") or param["choices"])}
        return point

    def job(self, task, trials, search, epochs=EPOCHS, params=None, enough=None):
        """The trials' ends in order: (CPU seconds of the job until then, trial, is whole, score, parameters). The job is
        cancelled once enough(ends) holds."""
        space = dict(params or self.start(task, search["seed"]), epochs=epochs)
        body = {"dataset": self.dataset(task), "families": ["mlp"], "metric": TASKS[task][2], "budget": {"trials": trials},
                "validation": {"holdout": 0.25}, "search": dict(search, space={"mlp": space})}
        if TASKS[task][1]:
            body["target"] = TASKS[task][1]
        answer = self.server.post("/api/v1/jobs", body)
        assert answer.status == 202, answer
        job, ends = answer.json["id"], []
        while enough:
            state = self.server.get(f"/api/v1/jobs/{job}").json["state"]
            ends = self.ends(job)
            if state in ("succeeded", "failed", "cancelled"):
                break
            if enough(ends):
                self.server.post(f"/api/v1/jobs/{job}/cancel", {})
                self.server.wait_job(job, 600)
                return ends
            time.sleep(0.5)
        state = self.server.wait_job(job, 36000)["state"]
        assert state == "succeeded", (job, state)
        return self.ends(job)

    def ends(self, job):
        spent, ends, before, after, more = 0.0, [], {}, 0, True
        while more:
            page = self.server.get(f"/api/v1/jobs/{job}/events?after={after}").json
            after, more = page["last"], page["more"]
            for event in page["items"]:
                if event["event"] != "trial" or event["state"] == "pruned" or event["seconds"] is None:
                    continue
                spent += event["seconds"] - before.get(event["number"], 0.0)
                before[event["number"]] = event["seconds"]
                ends.append((spent, event["number"], event["state"] == "done", event["metric"], event["params"]))
        return ends


def whole(bench, task, seed, trials, _):
    return bench.job(task, trials, {"method": "bayes", "early_stopping": "none", "seed": seed})


def asha(bench, task, seed, trials, enough):
    return bench.job(task, MORE * trials, {"method": "bayes", "early_stopping": "asha", "seed": seed}, enough=enough)


def first(bench, task, seed, trials, enough):
    ends = [(spent, number, False, score, params) for spent, number, _, score, params in bench.job(
        task, MORE * trials, {"method": "random", "early_stopping": "none", "seed": seed}, epochs=1)]
    sign = 1 if TASKS[task][2] == "rmse" else -1
    spent = ends[-1][0]
    scored = sorted((end for end in ends if end[3] is not None), key=lambda end: sign * end[3])
    for _, number, _, _, params in scored[:FINISHED]:
        if enough(ends):
            break
        params = {name: value for name, value in params.items() if name != "epochs"}
        last = bench.job(task, 1, {"method": "random", "seed": seed}, params=params)[-1]
        spent += last[0]
        ends.append((spent, number, last[2], last[3], params))
    return ends


METHODS = {"whole": whole, "asha": asha, "first": first}  # whole before what is measured by it


# ---- cells ------------------------------------------------------------------------------------------

def path():
    return os.path.join(results.results_folder(), f"multifidelity-{ROWS}.cells")


def read():
    if not os.path.exists(path()):
        return {}
    with open(path(), newline="", encoding="utf-8") as file:
        return {(row["task"], int(row["seed"]), row["method"], int(row["trials"])): row for row in csv.DictReader(file)}


def keep(cell, ends, metric):
    """The trace: time and score of each whole trial that was the best so far, and the time of it all."""
    better = (lambda a, b: a < b) if metric == "rmse" else (lambda a, b: a > b)
    best, trace = None, []
    for spent, _, is_whole, score, _ in ends:
        if is_whole and score is not None and (best is None or better(score, best)):
            best = score
            trace.append(f"{spent:.4f}:{score:.6g}")
    trace.append(f"{ends[-1][0]:.4f}:end")
    new = not os.path.exists(path())
    with open(path(), "a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, FIELDS)
        if new:
            writer.writeheader()
        writer.writerow(dict(zip(FIELDS, (*cell[:3], cell[3], best, " ".join(trace), results.machine()))))


def is_near(score, target, metric):
    return score <= target * 1.01 if metric == "rmse" else score >= target - 0.002


def whole_time(row):
    return float(row["trace"].split()[-1].split(":")[0])


def enough_for(base, metric):
    """Whether a method is as good as the sequential search, of which `base` is the row, or has taken as long."""
    target, most = float(base["score"]), whole_time(base)
    return lambda ends: bool(ends) and (ends[-1][0] >= most or any(
        end[2] and end[3] is not None and is_near(end[3], target, metric) for end in ends))


def time_to(row, target, metric):
    """Seconds until the target is as good as reached, or None."""
    for part in row["trace"].split():
        spent, score = part.split(":")
        if score != "end" and is_near(float(score), target, metric):
            return float(spent)
    return None


def report(cells, tasks, seeds, trials):
    print(f"{'task':8s} {'method':6s}  time to the target / whole time of the sequential search   reached")
    for task in tasks:
        metric = TASKS[task][2]
        for method in METHODS:
            shares, missed = [], 0
            for seed in range(1, seeds + 1):
                base, row = cells.get((task, seed, "whole", trials)), cells.get((task, seed, method, trials))
                if base is None or row is None:
                    continue
                reached, most = time_to(row, float(base["score"]), metric), whole_time(base)
                late = reached is None or reached > most
                missed += late
                shares.append(1 if late else reached / most)
            mean = math.exp(sum(map(math.log, shares)) / len(shares)) if shares else math.nan
            print(f"{task:8s} {method:6s}  {mean:.3f} ({', '.join(f'{s:.2f}' for s in shares)})"
                  f"   {len(shares) - missed} of {len(shares)}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--trials", type=int, default=25)
    parser.add_argument("--tasks", default=",".join(TASKS))
    parser.add_argument("--rows", type=int, default=ROWS, help="of each task's data; their cells are apart")
    parser.add_argument("--report", action="store_true", help="run nothing")
    args = parser.parse_args()
    globals()["ROWS"] = args.rows
    tasks, cells = args.tasks.split(","), read()
    wanted = [(task, seed, method, args.trials) for seed in range(1, args.seeds + 1) for task in tasks for method in METHODS]
    missing = [] if args.report else [cell for cell in wanted if cell not in cells]
    if missing:
        with AttuneServer(engines=1) as server:
            bench = Bench(server)
            for cell in missing:
                metric, base = TASKS[cell[0]][2], read().get((cell[0], cell[1], "whole", cell[3]))
                keep(cell, METHODS[cell[2]](bench, cell[0], cell[1], cell[3], base and enough_for(base, metric)), metric)
                print(*cell[:3], flush=True)
    report(read(), tasks, args.seeds, args.trials)


if __name__ == "__main__":
    main()
