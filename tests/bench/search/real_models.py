#!/usr/bin/env python3
"""Evaluates random configurations of the real tuning tasks once; the forests of real.py are fitted to them.
Needs scikit-learn: goes on in an environment that has it.

real_models.py [--rows 1500] [--seconds 150] [TASK …]      `seconds` of processor time at most for each task

Rows are gathered in the work folder, so it stops and goes on at any row; a task that has all its rows, or
has used its time, is moved to real/TASK.csv and is not evaluated again.
"""

import argparse
import csv
import math
import os
import shutil
import sys
import time
import warnings

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"

import run  # noqa: E402

try:
    import numpy as np
    import sklearn  # noqa: F401
except ImportError:
    python = run.environment_python("real")
    os.execv(python, [python, *sys.argv])
from sklearn import (datasets, ensemble, linear_model, metrics, model_selection, neighbors,  # noqa: E402
                     neural_network, pipeline, preprocessing, svm, tree)

import problems  # noqa: E402
import real  # noqa: E402
import results  # noqa: E402

FOLDS = 3


def load(name):
    """Rows, targets and whether they are classes; digits are cut to 500 rows, targets of regression scaled."""
    if name == "diabetes":
        x, y = datasets.load_diabetes(return_X_y=True)
        return x, (y - y.mean()) / y.std(), False
    x, y = {"iris": datasets.load_iris, "wine": datasets.load_wine, "cancer": datasets.load_breast_cancer,
            "digits": datasets.load_digits}[name](return_X_y=True)
    if name == "digits":
        kept = np.random.RandomState(0).permutation(len(y))[:500]
        x, y = x[kept], y[kept]
    return x, y, True


def scaled(model):
    return pipeline.make_pipeline(preprocessing.StandardScaler(), model)


def make_knn(p, classes):
    kind = neighbors.KNeighborsClassifier if classes else neighbors.KNeighborsRegressor
    return scaled(kind(n_neighbors=p["neighbours"], p=p["power"], weights=p["weights"]))


def make_svm(p, classes):
    shared = {"C": p["c"], "gamma": p["gamma"], "tol": p["tol"], "max_iter": 20000}
    if classes:
        return scaled(svm.SVC(kernel=p["kernel"], coef0=p["coef0"], **shared))
    return scaled(svm.SVR(epsilon=p["epsilon"], **shared))


def tree_options(p):
    return {"max_depth": p["depth"], "min_samples_split": p["split"], "min_samples_leaf": p["leaf"],
            "max_features": p["features"], "min_impurity_decrease": p["gain"], "random_state": 0}


def make_tree(p, classes):
    if classes:
        return tree.DecisionTreeClassifier(criterion=p["criterion"], **tree_options(p))
    return tree.DecisionTreeRegressor(**tree_options(p))


def make_forest(p, classes):
    kind = ensemble.RandomForestClassifier if classes else ensemble.RandomForestRegressor
    return kind(n_estimators=10, bootstrap=p["bootstrap"], **tree_options(p))


def make_mlp(p, classes):
    kind = neural_network.MLPClassifier if classes else neural_network.MLPRegressor
    shared = {"hidden_layer_sizes": (p["width"],), "alpha": p["alpha"], "batch_size": p["batch"],
              "learning_rate_init": p["rate"], "max_iter": 25, "random_state": 0, "tol": 0.0}
    if "beta1" in p:
        return scaled(kind(solver="adam", beta_1=p["beta1"], beta_2=1 - p["slow"], epsilon=p["epsilon"],
                           activation=p["activation"], **shared))
    return scaled(kind(solver="sgd", momentum=p["momentum"], nesterovs_momentum=p["nesterov"],
                       learning_rate=p["schedule"], power_t=p["power"], **shared))


def make_ada(p, classes):
    shared = {"n_estimators": p["count"], "learning_rate": p["rate"], "random_state": 0}
    if classes:
        return ensemble.AdaBoostClassifier(tree.DecisionTreeClassifier(max_depth=p["depth"]), **shared)
    return ensemble.AdaBoostRegressor(tree.DecisionTreeRegressor(max_depth=p["depth"]), loss=p["loss"], **shared)


def make_lasso(p, classes):
    return pipeline.make_pipeline(
        preprocessing.StandardScaler(), preprocessing.PolynomialFeatures(p["degree"], include_bias=False),
        preprocessing.StandardScaler(), linear_model.ElasticNet(
            alpha=p["alpha"], l1_ratio=p["share"], tol=p["tol"], positive=p["positive"], max_iter=200))


def make_linear(p, classes):
    return scaled(linear_model.SGDClassifier(
        loss="log_loss", penalty="elasticnet", alpha=p["alpha"], l1_ratio=p["share"], eta0=p["eta"],
        power_t=p["power"], learning_rate=p["schedule"], max_iter=p["passes"], tol=None, average=p["average"],
        random_state=0))


MAKE = {"knn": make_knn, "svm": make_svm, "tree": make_tree, "forest": make_forest, "mlpadam": make_mlp,
        "mlpsgd": make_mlp, "ada": make_ada, "lasso": make_lasso, "linear": make_linear}


def evaluate(make, data, metric, params):
    """The mean over folds, to be minimised; NaN when the model can't be fitted or its output isn't finite."""
    x, y, classes = data
    folds = model_selection.StratifiedKFold if classes else model_selection.KFold
    losses = []
    for train, held in folds(FOLDS, shuffle=True, random_state=0).split(x, y):
        try:
            model = make(params, classes).fit(x[train], y[train])
            if metric == "nll":
                share = np.clip(model.predict_proba(x[held]), 1e-6, 1 - 1e-6)
                losses.append(metrics.log_loss(y[held], share / share.sum(1, keepdims=True),
                                               labels=np.unique(y)))
            elif metric == "acc":
                losses.append(1 - metrics.accuracy_score(y[held], model.predict(x[held])))
            elif metric == "mae":
                losses.append(metrics.mean_absolute_error(y[held], model.predict(x[held])))
            else:
                losses.append(metrics.mean_squared_error(y[held], model.predict(x[held])))
        except ValueError:
            return math.nan
    mean = float(np.mean(losses))
    return mean if math.isfinite(mean) else math.nan


def run_task(name, rows, seconds):
    model, data, metric = name.split("-")
    space, loaded = real.SPACES[real.space_of(name)], load(data)
    if os.path.exists(real.table_path(name)):
        return
    path = os.path.join(results.work_folder(), f"unfinished-{name}.csv")
    done = len(real.read_table(name, path)) if os.path.exists(path) else 0
    end = time.process_time() + seconds
    with open(path, "a", newline="", encoding="utf-8") as f:
        out = csv.writer(f, lineterminator="\n")
        if done == 0:
            out.writerow([*space, "loss"])
        for k in range(done, rows):
            if time.process_time() > end:
                break
            params = real.rounded(space, problems.Problem(name, "real", space, None, 0).sample(
                problems.fixed_random(f"{name} {k}")))
            out.writerow([*params.values(), f"{evaluate(MAKE[model], loaded, metric, params):.5g}"])
            f.flush()
            done += 1
    shutil.move(path, real.table_path(name))
    print(name, done, f"{seconds - (end - time.process_time()):.0f} s", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1500)
    parser.add_argument("--seconds", type=float, default=150)
    parser.add_argument("tasks", nargs="*")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    os.makedirs(os.path.dirname(real.table_path("any")), exist_ok=True)
    for name in options.tasks or real.NAMES:
        run_task(name, options.rows, options.seconds)


if __name__ == "__main__":
    main()
