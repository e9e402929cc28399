"""One peer on one split of one table; run by tables.py in the peer's environment.

table_peer.py ENGINE FOLDER SECONDS SEED

FOLDER has task.json {task, target, categories, classes}, train.csv, and test.csv without the target. Written are
predictions.txt, a line a test row, and done.json {version, took, detail}. The time starts when the rows have
been read. Each peer is told the score that counts, gets both cores, and categories as such.
"""

import concurrent.futures
import importlib.metadata
import json
import os
import sys
import time
import warnings

import pandas

warnings.simplefilter("ignore")
FOLDS, FEW_ROWS, ROUNDS, PATIENCE = 5, 10000, 1000, 50


class Split:
    def __init__(self, folder):
        with open(os.path.join(folder, "task.json"), encoding="utf-8") as f:
            task = json.load(f)
        self.folder, self.target, self.classes = folder, task["target"], task["classes"]
        types = {name: str for name in task["categories"]}
        if self.classes:
            types[self.target] = str
        read = {"dtype": types, "keep_default_na": False, "na_values": [""]}
        train = pandas.read_csv(os.path.join(folder, "train.csv"), **read)
        self.test = pandas.read_csv(os.path.join(folder, "test.csv"), **read)
        self.y, self.train = train[self.target], train.drop(columns=self.target)
        for name in task["categories"]:
            known = pandas.CategoricalDtype(sorted(self.train[name].dropna().unique()))
            self.train[name] = self.train[name].astype(known)
            self.test[name] = self.test[name].astype(known)


class OutOfTime(Exception):
    pass


class XGBoost:
    """Optuna's default sampler; 5 folds below 10,000 rows, two at a time on a core each, else a fifth held out
    and both cores in one fit; early stopping in each fit; the best is trained again on all rows with the
    rounds it stopped at. Good defaults come first."""

    packages = ("xgboost-cpu", "optuna")
    SPACE = {"learning_rate": (5e-3, 0.3, True), "min_child_weight": (1e-3, 10.0, True),
             "subsample": (0.5, 1.0, False), "colsample_bytree": (0.5, 1.0, False),
             "alpha": (1e-4, 5.0, True), "lambda": (1e-4, 5.0, True)}
    DEFAULTS = {"learning_rate": 0.08, "max_depth": 6, "min_child_weight": 1.0, "subsample": 0.8,
                "colsample_bytree": 0.9, "alpha": 1e-4, "lambda": 1.0}

    def __init__(self, split, seconds, seed):
        import numpy
        import xgboost
        self.xgboost, self.numpy, self.seed, self.ends = xgboost, numpy, seed, time.monotonic() + seconds
        self.split, self.refit = split, 0.0
        y = [split.classes.index(v) for v in split.y] if split.classes else split.y
        self.y = numpy.asarray(y, dtype=float)
        self.fixed = {"nthread": 2, "seed": seed, "tree_method": "hist"}
        if not split.classes:
            self.fixed.update(objective="reg:squarederror", eval_metric="rmse")
        elif len(split.classes) == 2:
            self.fixed.update(objective="binary:logistic", eval_metric=["error", "logloss"])
        else:
            self.fixed.update(objective="multi:softprob", num_class=len(split.classes),
                              eval_metric=["merror", "mlogloss"])

    def matrix(self, rows=None):
        frame = self.split.train if rows is None else self.split.train.iloc[rows]
        y = self.y if rows is None else self.y[rows]
        return self.xgboost.DMatrix(frame, y, enable_categorical=True)

    def make_folds(self):
        from sklearn.model_selection import KFold, StratifiedKFold
        kind = StratifiedKFold if self.split.classes else KFold
        folds = list(kind(FOLDS, shuffle=True, random_state=self.seed).split(self.split.train, self.y))
        folds = folds if len(self.y) < FEW_ROWS else folds[:1]
        self.folds = [(self.matrix(train), self.matrix(test)) for train, test in folds]
        self.threads = 1 if len(folds) > 1 else 2
        self.pool = concurrent.futures.ThreadPoolExecutor(2 // self.threads)

    def fit(self, params, train, valid):
        bench = self

        class Deadline(self.xgboost.callback.TrainingCallback):
            def after_iteration(self, model, epoch, evals_log):
                if time.monotonic() + bench.refit > bench.ends:
                    raise OutOfTime
                return False

        seen = {}
        model = self.xgboost.train({**self.fixed, **params, "nthread": self.threads}, train, ROUNDS, evals=[(valid, "valid")],
                                   early_stopping_rounds=PATIENCE, evals_result=seen, verbose_eval=False,
                                   callbacks=[Deadline()])
        at = model.best_iteration
        values = [series[at] for series in seen["valid"].values()]
        return values[0] + (1e-3 * values[1] if len(values) > 1 else 0.0), at + 1

    def trial(self, trial):
        params = {n: trial.suggest_float(n, low, high, log=log) for n, (low, high, log) in self.SPACE.items()}
        params["max_depth"] = trial.suggest_int("max_depth", 3, 10)
        began = time.monotonic()
        scores = list(self.pool.map(lambda fold: self.fit(params, *fold), self.folds))
        # the last fit has all rows: it takes as long as the folds' mean, a little more
        self.refit = max(self.refit, 1.5 * (time.monotonic() - began) / len(scores))
        trial.set_user_attr("rounds", sum(s[1] for s in scores) / len(scores))
        return sum(s[0] for s in scores) / len(scores)

    def run(self):
        import optuna
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.make_folds()
        study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=self.seed))
        study.enqueue_trial(self.DEFAULTS)
        while time.monotonic() + self.refit < self.ends:
            try:
                study.optimize(self.trial, n_trials=1)
            except OutOfTime:
                break
        try:
            params, rounds = study.best_params, round(study.best_trial.user_attrs["rounds"])
        except ValueError:  # not one trial was done
            params, rounds = self.DEFAULTS, 100
        self.model = self.xgboost.train({**self.fixed, **params}, self.matrix(), rounds)
        return {"trials": len(study.trials), "rounds": rounds}

    def predict(self):
        out = self.model.predict(self.xgboost.DMatrix(self.split.test, enable_categorical=True))
        if not self.split.classes:
            return out
        picked = out.argmax(1) if out.ndim == 2 else (out > 0.5).astype(int)
        return [self.split.classes[k] for k in picked]


class Flaml:
    """Its default list of learners and search, told the score that counts."""

    packages = ("FLAML",)

    def __init__(self, split, seconds, seed):
        import flaml
        self.split, self.automl = split, flaml.AutoML()
        self.settings = {"task": "classification" if split.classes else "regression",
                         "metric": "accuracy" if split.classes else "rmse", "time_budget": seconds, "n_jobs": 2,
                         "seed": seed, "verbose": 0}

    def run(self):
        self.automl.fit(self.split.train, self.split.y.to_numpy(), **self.settings)
        return {"best": self.automl.best_estimator, "trials": len(self.automl.config_history)}

    def predict(self):
        return self.automl.predict(self.split.test)


class AutoGluon:
    """The preset best_quality, told the score that counts."""

    packages = ("autogluon.tabular",)
    preset = "best_quality"

    def __init__(self, split, seconds, seed):
        from autogluon.tabular import TabularPredictor
        kind = "regression" if not split.classes else "binary" if len(split.classes) == 2 else "multiclass"
        self.split, self.seconds = split, seconds
        self.predictor = TabularPredictor(
            split.target, problem_type=kind, verbosity=0, path=os.path.join(split.folder, "autogluon"),
            eval_metric="accuracy" if split.classes else "root_mean_squared_error")

    def run(self):
        frame = self.split.train.assign(**{self.split.target: self.split.y})
        self.predictor.fit(frame, time_limit=self.seconds, presets=self.preset, num_cpus=2, num_gpus=0)
        return {"best": self.predictor.model_best, "models": len(self.predictor.model_names())}

    def predict(self):
        return self.predictor.predict(self.split.test)


class AutoGluonMedium(AutoGluon):
    """The preset it takes when none is named."""

    preset = "medium_quality"


ENGINES = {"xgboost": XGBoost, "flaml": Flaml, "autogluon": AutoGluon, "autogluon-medium": AutoGluonMedium}


def main():
    engine, folder, seconds, seed = sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4])
    split = Split(folder)
    peer = ENGINES[engine](split, seconds, seed)
    began = time.monotonic()
    detail = peer.run()
    took = time.monotonic() - began
    with open(os.path.join(folder, "predictions.txt"), "w", encoding="utf-8") as f:
        f.writelines(f"{value}\n" for value in peer.predict())
    with open(os.path.join(folder, "done.json"), "w", encoding="utf-8") as f:
        json.dump({"version": " ".join(importlib.metadata.version(p) for p in peer.packages), "took": took,
                   "detail": detail}, f)


if __name__ == "__main__":
    main()
