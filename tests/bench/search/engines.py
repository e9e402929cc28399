"""The engines under test behind one interface, each at its defaults.

An engine is made for one problem and one seed and has
  ask() → (handle, params)   or None when it has nothing more to propose
  tell(handle, value)        value None = the trial failed
and `told` (a class attribute; absent = False), whether it is told the number of trials,
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


def seed_all(seed):
    """For engines that draw from the libraries' common generators."""
    import random
    import numpy
    import torch
    random.seed(seed)
    numpy.random.seed(seed)
    torch.manual_seed(seed)
    torch.set_num_threads(1)


def active_part(problem, flat):
    """Of a value for every parameter those whose condition holds."""
    params = {}
    for name, p in problem.space.items():
        if is_active(p, params):
            params[name] = flat[name]
    return params


class Hebo:
    """Knows no conditions: all parameters are always there. Failed trials are told as NaN, which it leaves
    out. Ordinals are integer indexes."""

    spent = None

    def __init__(self, problem, seed, budget):
        import logging
        import numpy
        from hebo.design_space.design_space import DesignSpace
        from hebo.optimizers.hebo import HEBO
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        seed_all(seed)
        self.numpy, self.problem, columns = numpy, problem, []
        for name, p in problem.space.items():
            kind, is_log = p["type"], p.get("scale") == "log"
            if kind == "float":
                columns.append({"name": name, "type": "pow" if is_log else "num", "lb": p["low"], "ub": p["high"]})
            elif kind == "int":
                columns.append({"name": name, "type": "pow_int" if is_log else "int", "lb": p["low"],
                                "ub": p["high"]})
            elif kind == "ordinal":
                columns.append({"name": name, "type": "int", "lb": 0, "ub": len(p["values"]) - 1})
            elif kind == "bool":
                columns.append({"name": name, "type": "bool"})
            else:
                columns.append({"name": name, "type": "cat", "categories": p["choices"]})
        self.hebo = HEBO(DesignSpace().parse(columns), scramble_seed=seed)

    @staticmethod
    def version():
        from importlib.metadata import version
        return version("HEBO")

    def ask(self):
        row = self.hebo.suggest(n_suggestions=1)
        flat = {}
        for name, p in self.problem.space.items():
            v = row.iloc[0][name]
            if p["type"] == "float":
                flat[name] = min(p["high"], max(p["low"], float(v)))
            elif p["type"] == "int":
                flat[name] = min(p["high"], max(p["low"], int(round(v))))
            elif p["type"] == "ordinal":
                flat[name] = p["values"][int(v)]
            else:
                flat[name] = bool(v) if p["type"] == "bool" else str(v)
        return row, active_part(self.problem, flat)

    def tell(self, handle, value):
        self.hebo.observe(handle, self.numpy.array([[self.numpy.nan if value is None else value]]))


class Ax:
    """BoTorch through Ax's client with its own choice of methods. No conditions: all parameters are always
    there."""

    spent = None

    def __init__(self, problem, seed, budget):
        import logging
        from ax.api.client import Client
        from ax.api.configs import ChoiceParameterConfig, RangeParameterConfig
        warnings.simplefilter("ignore")
        logging.disable(logging.ERROR)
        seed_all(seed)
        self.problem, self.names, columns = problem, {}, []
        for k, (name, p) in enumerate(problem.space.items()):
            self.names[f"p{k}"] = name
            scaling = "log" if p.get("scale") == "log" else "linear"
            if p["type"] in ("float", "int"):
                columns.append(RangeParameterConfig(name=f"p{k}", bounds=(p["low"], p["high"]), scaling=scaling,
                                                    parameter_type=p["type"]))
            elif p["type"] == "ordinal":
                columns.append(ChoiceParameterConfig(name=f"p{k}", values=p["values"], is_ordered=True,
                                                     parameter_type="float" if any(
                                                         isinstance(v, float) for v in p["values"]) else "int"))
            else:
                values = p.get("choices", [False, True])
                columns.append(ChoiceParameterConfig(name=f"p{k}", values=values, is_ordered=False,
                                                     parameter_type="bool" if p["type"] == "bool" else "str"))
        self.client = Client(random_seed=seed)
        self.client.configure_experiment(parameters=columns)
        self.client.configure_optimization(objective="-loss")

    @staticmethod
    def version():
        from importlib.metadata import version
        return version("ax-platform")

    def ask(self):
        made = self.client.get_next_trials(max_trials=1)
        if not made:
            return None
        index, given = next(iter(made.items()))
        return index, active_part(self.problem, {self.names[k]: v for k, v in given.items()})

    def tell(self, handle, value):
        if value is None:
            self.client.mark_trial_failed(handle)
        else:
            self.client.complete_trial(handle, raw_data={"loss": value})


class Smac:
    """SMAC3's facade for hyperparameters (random forest), which is told the number of trials; conditions are
    given. A failed trial costs as much as the worst so far: with its own default, infinity, its model of the
    costs can't be fitted."""

    spent, told = None, True

    def __init__(self, problem, seed, budget):
        import logging
        import tempfile
        import ConfigSpace
        import smac
        warnings.simplefilter("ignore")
        logging.disable(logging.ERROR)
        self.smac, self.problem, self.worst, self.any = smac, problem, 0.0, False
        self.folder = tempfile.TemporaryDirectory()
        space = ConfigSpace.ConfigurationSpace(seed=seed)
        made = {}
        for name, p in problem.space.items():
            is_log = p.get("scale") == "log"
            if p["type"] == "float":
                made[name] = ConfigSpace.UniformFloatHyperparameter(name, p["low"], p["high"], log=is_log)
            elif p["type"] == "int":
                made[name] = ConfigSpace.UniformIntegerHyperparameter(name, p["low"], p["high"], log=is_log)
            elif p["type"] == "ordinal":
                made[name] = ConfigSpace.OrdinalHyperparameter(name, p["values"])
            else:
                made[name] = ConfigSpace.CategoricalHyperparameter(name, p.get("choices", [False, True]))
        space.add(*made.values())
        for name, p in problem.space.items():
            parts = [ConfigSpace.InCondition(made[name], made[parent], values)
                     for parent, values in p.get("when", {}).items()]
            if parts:
                space.add(parts[0] if len(parts) == 1 else ConfigSpace.AndConjunction(*parts))
        scenario = smac.Scenario(space, n_trials=budget, seed=seed, deterministic=not problem.noise,
                                 output_directory=self.folder.name)
        self.facade = smac.HyperparameterOptimizationFacade(
            scenario, lambda config, seed=0: 0.0, overwrite=True, logging_level=False)

    @staticmethod
    def version():
        from importlib.metadata import version
        return version("smac")

    def ask(self):
        info = self.facade.ask()
        given = dict(info.config)
        params = {}
        for name, p in self.problem.space.items():
            if is_active(p, params):
                v = given[name]
                params[name] = {"float": float, "int": int, "bool": bool, "ordinal": lambda w: w,
                                "categorical": str}[p["type"]](v)
        return info, params

    def tell(self, handle, value):
        from smac.runhistory import StatusType, TrialValue
        if value is None:
            self.facade.tell(handle, TrialValue(cost=self.worst, status=StatusType.CRASHED))
        else:
            self.worst = max(value, self.worst) if self.any else value
            self.any = True
            self.facade.tell(handle, TrialValue(cost=value, status=StatusType.SUCCESS))


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
    "hebo": ("hebo", Hebo),
    "ax": ("ax", Ax),
    "smac": ("smac", Smac),
}
