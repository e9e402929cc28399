"""Runs cells (one engine, problem, seed and budget) in the engine's own environment: a line of JSON in,
a line of JSON with the finished cell out. Started by run.py; one core."""

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
    os.environ[variable] = "1"

import json  # noqa: E402
import math  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402

import engines  # noqa: E402
import problems  # noqa: E402
import real  # noqa: E402


def quantile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(share * len(values)))] if values else math.nan


def run_cell(engine_class, problem, seed, budget, pending):
    """The improvements [[trial, best score so far], …] and the microseconds of tell + ask per trial."""
    rng = problems.fixed_random(f"noise {problem.name} {seed}")
    engine = engine_class(problem, seed, budget)
    best, trace, spent = math.inf, [], []

    def timed(call, *arguments):
        start = time.perf_counter()
        answer = call(*arguments)
        elapsed = 1e6 * (time.perf_counter() - start)
        return answer, engine.spent if engine.spent is not None else elapsed

    asked = 0
    while asked < budget:
        batch = []
        for _ in range(min(pending, budget - asked)):
            suggestion, us = timed(engine.ask)
            if suggestion is None:
                return trace, spent
            batch.append((suggestion, us))
            asked += 1
        for k, ((handle, params), us) in enumerate(batch):
            try:
                value, score = problem.value(params, rng), problem.score(params)
            except problems.Failed:
                value = score = None
            spent.append(us + timed(engine.tell, handle, value)[1])
            if score is not None and score < best:
                best = score
                trace.append([asked - len(batch) + k + 1, best])
    return trace, spent


def main():
    made = real.all_problems()
    engine_class = engines.ENGINES[sys.argv[1]][1]
    out = os.fdopen(os.dup(1), "w")  # what a peer prints goes elsewhere
    os.dup2(2, 1)
    print(json.dumps({"version": engine_class.version()}), file=out, flush=True)
    for line in sys.stdin:
        cell = json.loads(line)
        start = time.perf_counter()
        try:
            trace, spent = run_cell(engine_class, made[cell["problem"]], cell["seed"], cell["budget"],
                                    cell["pending"])
        except Exception as error:  # a peer's own fault: named, and the other cells go on
            cell["error"] = f"{type(error).__name__}: {error}"[:500]
            engines.Attune.program = None
        else:
            cell["trace"] = " ".join(f"{n}={value:.6g}" for n, value in trace)
            cell["p50_us"], cell["p99_us"] = round(quantile(spent, 0.5)), round(quantile(spent, 0.99))
        cell["seconds"] = round(time.perf_counter() - start, 2)
        print(json.dumps(cell), file=out, flush=True)


if __name__ == "__main__":
    main()
