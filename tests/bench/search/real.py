#!/usr/bin/env python3
"""Real tuning tasks: scikit-learn models on its built-in data sets, MODEL-DATA-METRIC, to be minimised.

They are too dear to train again for every engine and seed: real_models.py has evaluated random
configurations of each once (real/TASK.csv), and a forest fitted to them answers all engines alike. Losses
above median + 5 × interquartile range are cut there first. The optimum is the best that a long random and
local search finds on the forest. `python3 real.py` fits all of them and prints how far off they are.
"""

import csv
import hashlib
import marshal
import math
import os
import statistics
import sys

import forest
import problems
import results

HERE = os.path.dirname(os.path.abspath(__file__))

NAMES = ("knn-cancer-nll", "knn-diabetes-mse", "svm-digits-acc", "svm-diabetes-mse", "tree-cancer-nll",
         "tree-digits-acc", "forest-wine-nll", "forest-diabetes-mae", "mlpadam-digits-nll",
         "mlpadam-diabetes-mse", "mlpsgd-cancer-nll", "mlpsgd-wine-acc", "ada-iris-nll", "ada-diabetes-mse",
         "lasso-diabetes-mse", "linear-cancer-nll")


def number(low, high, scale="linear", kind="float"):
    return {"type": kind, "low": low, "high": high, "scale": scale}


def whole(low, high, scale="linear"):
    return number(low, high, scale, "int")


def choice(*choices):
    return {"type": "categorical", "choices": list(choices)}


TREE = {"depth": whole(1, 15), "split": number(0.01, 0.99), "leaf": number(0.002, 0.3, "log"),
        "features": number(0.05, 1.0), "gain": number(1e-5, 0.3, "log")}
MLP = {"width": whole(4, 64, "log"), "alpha": number(1e-5, 10.0, "log"), "batch": whole(16, 128, "log"),
       "rate": number(1e-5, 0.3, "log")}
SPACES = {
    "knn": {"neighbours": whole(1, 60, "log"), "power": number(1.0, 4.0), "weights": choice("uniform", "distance")},
    "svm-classes": {"c": number(1e-3, 1e3, "log"), "gamma": number(1e-5, 1.0, "log"),
                    "tol": number(1e-5, 1e-1, "log"), "coef0": number(-1.0, 1.0),
                    "kernel": choice("rbf", "poly", "sigmoid")},
    "svm-numbers": {"c": number(1e-3, 1e2, "log"), "gamma": number(1e-5, 1.0, "log"),
                    "tol": number(1e-5, 1e-1, "log"), "epsilon": number(1e-3, 1.0, "log")},
    "tree-classes": dict(TREE, criterion=choice("gini", "entropy")),
    "forest": dict(TREE, bootstrap={"type": "bool"}),
    "mlpadam": dict(MLP, beta1=number(0.5, 0.99), slow=number(1e-6, 0.1, "log"),
                    epsilon=number(1e-9, 1e-2, "log"), activation=choice("relu", "tanh", "logistic")),
    "mlpsgd": dict(MLP, momentum=number(0.0, 0.99), nesterov={"type": "bool"},
                   schedule=choice("constant", "invscaling", "adaptive"), power=number(0.1, 0.9)),
    "ada-classes": {"count": whole(5, 60, "log"), "rate": number(1e-3, 10.0, "log"), "depth": whole(1, 6)},
    "ada-numbers": {"count": whole(5, 60, "log"), "rate": number(1e-3, 10.0, "log"), "depth": whole(1, 8),
                    "loss": choice("linear", "square", "exponential")},
    "lasso": {"alpha": number(1e-4, 10.0, "log"), "share": number(0.0, 1.0), "tol": number(1e-5, 1e-1, "log"),
              "positive": {"type": "bool"}, "degree": whole(1, 2)},
    "linear": {"alpha": number(1e-6, 1.0, "log"), "share": number(0.0, 1.0), "eta": number(1e-5, 10.0, "log"),
               "power": number(0.05, 1.0), "passes": whole(2, 50, "log"), "average": {"type": "bool"},
               "schedule": choice("constant", "invscaling", "adaptive", "optimal")},
}


def space_of(name):
    """The key of SPACES for a task."""
    model, data, _ = name.split("-")
    return model if model in SPACES else f"{model}-{'numbers' if data == 'diabetes' else 'classes'}"


def table_path(name):
    return os.path.join(HERE, "real", name + ".csv")


def rounded(space, params):
    """The point as it is written to a table: floats with five digits."""
    return {n: float(f"{v:.5g}") if space[n]["type"] == "float" else v for n, v in params.items()}


def unit_row(space, params):
    """Numbers in [0,1] for the forest, one column per choice of a categorical."""
    row = []
    for name, p in space.items():
        v = params[name]
        if p["type"] == "categorical":
            row += [float(v == c) for c in p["choices"]]
        elif p["type"] == "bool":
            row.append(float(v))
        elif p["scale"] == "log":
            row.append(math.log(v / p["low"]) / math.log(p["high"] / p["low"]))
        else:
            row.append((v - p["low"]) / (p["high"] - p["low"]))
    return row


def read_table(name, path=None):
    """[(params, loss), …] of the evaluated configurations; the loss is NaN where the model failed."""
    space, read = SPACES[space_of(name)], []
    convert = {"float": float, "int": int, "bool": lambda text: text == "True", "categorical": str}
    with open(path or table_path(name), newline="", encoding="utf-8") as f:
        for row in csv.DictReader(f):
            read.append(({n: convert[p["type"]](row[n]) for n, p in space.items()}, float(row["loss"])))
    return read


def cut_losses(losses):
    """The bad end cut at median + 5 × interquartile range; NaN counts as that."""
    finite = sorted(v for v in losses if not math.isnan(v))
    low, middle, high = (finite[int(q * len(finite))] for q in (0.25, 0.5, 0.75))
    cap = middle + 5 * (high - low)
    return [cap if math.isnan(v) else min(v, cap) for v in losses]


def search_optimum(problem, name, score):
    """The best of 8,000 random points and of steps from the best twelve, one parameter at a time."""
    rng = problems.fixed_random("optimum " + name)
    pool = sorted(((score(p), k, p) for k, p in enumerate(problem.sample(rng) for _ in range(8000))))[:12]
    best = pool[0][0]
    for value, _, params in pool:
        idle = 0
        while idle < 3:
            idle += 1
            for param_name, p in problem.space.items():
                for _ in range(25):
                    trial = dict(params)
                    trial[param_name] = problems.sample_param(p, rng)
                    better = score(trial)
                    if better < value - 1e-12:
                        value, params, idle = better, trial, 0
        best = min(best, value)
    return best


def fitted(name):
    """{trees, optimum, error} of a task, from the work folder or fitted now."""
    digest = hashlib.sha256()
    for path in (table_path(name), os.path.join(HERE, "forest.py"), os.path.join(HERE, "real.py")):
        with open(path, "rb") as f:
            digest.update(f.read())
    folder = os.path.join(results.work_folder(), "forests")
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, f"{name}-{digest.hexdigest()[:12]}")
    if os.path.exists(path):
        with open(path, "rb") as f:
            return marshal.load(f)
    space, table = SPACES[space_of(name)], read_table(name)
    rows, losses = [unit_row(space, params) for params, _ in table], cut_losses([v for _, v in table])
    trees, held = forest.fit(rows, losses, "forest " + name)
    pairs = [(a, b) for a, b in zip(losses, held) if b is not None]
    spread = statistics.pvariance([a for a, _ in pairs])
    made = {"trees": trees, "optimum": 0.0, "rows": len(rows),
            "r2": 1 - statistics.fmean((a - b) ** 2 for a, b in pairs) / spread,
            "mae": statistics.fmean(abs(a - b) for a, b in pairs),
            "middle": statistics.median(losses), "least": min(losses)}
    task = problems.Problem(name, "real", space, None, 0.0)
    made["optimum"] = search_optimum(task, name, lambda p: forest.predict(trees, unit_row(space, p)))
    with open(f"{path}.{os.getpid()}", "wb") as f:
        marshal.dump(made, f)
    os.replace(f"{path}.{os.getpid()}", path)
    return made


class RealProblem(problems.Problem):
    """A task whose forest is read or fitted when it is first needed."""

    def __init__(self, name):
        super().__init__(name, "real", SPACES[space_of(name)], None, None)
        self.made = None

    def get(self):
        if self.made is None:
            self.made = fitted(self.name)
        return self.made

    def score(self, params):
        return forest.predict(self.get()["trees"], unit_row(self.space, params))

    def value(self, params, rng):
        return self.score(params)

    @property
    def optimum(self):
        return self.get()["optimum"]

    @optimum.setter
    def optimum(self, value):
        pass


def real_problems():
    """Those whose table is there."""
    return {name: RealProblem(name) for name in NAMES if os.path.exists(table_path(name))}


def all_problems():
    """Name → problem, analytic and real."""
    return problems.all_problems() | real_problems()


def main():
    print("task                    d  rows  held-out R2  held-out error   median loss   least seen   forest's optimum")
    for name in sys.argv[1:] or real_problems():
        made = fitted(name)
        print(f"{name:22} {len(SPACES[space_of(name)]):2}  {made['rows']:4}  {made['r2']:11.3f}  {made['mae']:14.4g}"
              f"  {made['middle']:12.4g}  {made['least']:11.4g}  {made['optimum']:17.4g}", flush=True)


if __name__ == "__main__":
    main()
