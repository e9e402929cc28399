"""The engines under test behind one interface, each at its defaults.

An engine is made for one problem and one seed and has
  ask() → (handle, params)   or None when it has nothing more to propose
  tell(handle, value)        value None = the trial failed
and `spent`, the microseconds of the last ask or tell where it counts them itself (else None: the worker's
clock is used). ENGINES maps a name to (environment, class); every environment is a virtual environment
of its own, made from requirements-ENVIRONMENT.txt, and only there the peer is imported.
"""

import json
import os
import subprocess
import warnings

from problems import is_active, sample_param


class Random:
    """Uniform in the scale of each parameter: what all scores are normalised by."""

    spent = None

    def __init__(self, problem, seed, budget):
        import random
        self.problem, self.rng = problem, random.Random(f"random {problem.name} {seed}")

    @staticmethod
    def version():
        return "1"

    def ask(self):
        params = {}
        for name, p in self.problem.space.items():
            if is_active(p, params):
                params[name] = sample_param(p, self.rng)
        return None, params

    def tell(self, handle, value):
        pass


class Attune:
    """Attune's library through tests/bench/search/attune_ask; it is told the number of trials."""

    method, told = "bayes", True
    program = None

    def __init__(self, problem, seed, budget):
        if Attune.program is None:
            Attune.program = subprocess.Popen([attune_program()], stdin=subprocess.PIPE,
                                              stdout=subprocess.PIPE, text=True, bufsize=1)
        self.spent, self.count = None, 0
        self.say(json.dumps({"space": problem.space, "method": self.method, "seed": seed,
                             "expected_trials": budget if self.told else 0}))

    @staticmethod
    def version():
        return attune_version()

    def say(self, line):
        Attune.program.stdin.write(line + "\n")
        answer = json.loads(Attune.program.stdout.readline())
        if "error" in answer:
            raise RuntimeError(f"attune: {answer['error']} after {line[:200]}")
        self.spent = answer.get("us")
        return answer

    def ask(self):
        self.count += 1
        answer = self.say(f"ask {self.count}")
        return None if answer.get("exhausted") else (self.count, answer["params"])

    def tell(self, handle, value):
        self.say(f"fail {handle}" if value is None else f"tell {handle} {value!r}")


class AttuneUntold(Attune):
    told = False


class AttuneTpe(Attune):
    method = "tpe"


class AttuneSobol(Attune):
    method = "sobol"


def attune_program():
    return os.path.join(os.environ["ATTUNE_BUILD"], "tests", "bench", "search", "attune_ask")


def attune_version():
    """ATTUNE_BENCH_LABEL, or what the program's bytes say."""
    import hashlib
    label = os.environ.get("ATTUNE_BENCH_LABEL")
    if label:
        return label
    with open(attune_program(), "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()[:10]


class Optuna:
    """Define-by-run: a parameter is suggested where its condition holds. Ordinals are given as integer
    indexes, which is kinder than a categorical."""

    spent = None

    def __init__(self, problem, seed, budget):
        import optuna
        warnings.simplefilter("ignore")
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.optuna, self.problem = optuna, problem
        self.study = optuna.create_study(sampler=self.sampler(optuna, seed))

    @staticmethod
    def version():
        import optuna
        return optuna.__version__

    def ask(self):
        trial, params = self.study.ask(), {}
        for name, p in self.problem.space.items():
            if not is_active(p, params):
                continue
            kind, is_log = p["type"], p.get("scale") == "log"
            if kind == "float":
                params[name] = trial.suggest_float(name, p["low"], p["high"], log=is_log)
            elif kind == "int":
                params[name] = trial.suggest_int(name, p["low"], p["high"], log=is_log)
            elif kind == "ordinal":
                params[name] = p["values"][trial.suggest_int(name, 0, len(p["values"]) - 1)]
            elif kind == "bool":
                params[name] = trial.suggest_categorical(name, [False, True])
            else:
                params[name] = trial.suggest_categorical(name, p["choices"])
        return trial, params

    def tell(self, handle, value):
        if value is None:
            self.study.tell(handle, state=self.optuna.trial.TrialState.FAIL)
        else:
            self.study.tell(handle, value)


class OptunaGp(Optuna):
    @staticmethod
    def sampler(optuna, seed):
        return optuna.samplers.GPSampler(seed=seed)


class OptunaTpe(Optuna):
    @staticmethod
    def sampler(optuna, seed):
        return optuna.samplers.TPESampler(seed=seed)


class OptunaTpeMulti(Optuna):
    @staticmethod
    def sampler(optuna, seed):
        return optuna.samplers.TPESampler(seed=seed, multivariate=True, group=True)


# Name → (environment or None for the one that runs the bench, class).
ENGINES = {
    "random": (None, Random),
    "attune": (None, Attune),
    "attune-untold": (None, AttuneUntold),
    "attune-tpe": (None, AttuneTpe),
    "attune-sobol": (None, AttuneSobol),
    "optuna-gp": ("optuna", OptunaGp),
    "optuna-tpe": ("optuna", OptunaTpe),
    "optuna-tpe-multi": ("optuna", OptunaTpeMulti),
}
