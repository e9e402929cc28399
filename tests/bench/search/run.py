#!/usr/bin/env python3
"""Runs engines on problems, one row per finished cell; what is there already is skipped.

run.py --engines attune,random --problems tune --seeds 20 --budget 25,50,100 [--parallel 2] [--pending 4]

Environment: ATTUNE_BUILD (the build directory, with tests/bench/search/attune_ask made),
ATTUNE_BENCH_WORK (default BUILD/bench/search; the peers' environments), ATTUNE_BENCH_RESULTS (default
WORK/results), ATTUNE_BENCH_LABEL (a name for this version of Attune in place of its hash).
"""

import argparse
import json
import os
import queue
import subprocess
import sys
import threading

import engines
import real
import results
import split

HERE = os.path.dirname(os.path.abspath(__file__))


def environment_python(name):
    """The interpreter of an engine's virtual environment, which is made when it isn't there."""
    if name is None:
        return sys.executable
    root = os.path.join(results.work_folder(), "venvs", name)
    python = os.path.join(root, "bin", "python")
    done = os.path.join(root, "installed")
    wanted = os.path.join(HERE, f"requirements-{name}.txt")
    if not os.path.exists(done):
        subprocess.run([sys.executable, "-m", "venv", root], check=True)
        with open(wanted, encoding="utf-8") as f:
            pins = [line.strip() for line in f if line.strip() and not line.startswith("#")]
        for some in ([p for p in pins if p.startswith("torch==")], pins):
            if some:
                subprocess.run([python, "-m", "pip", "install", "-q", *some], check=True)
        with open(done, "w", encoding="utf-8") as f:
            f.write("yes\n")
    return python


def pick_problems(text):
    """Names by "tune", "report", "all", "conditional", a kind, or names; comma-separated."""
    made, halves, picked = real.all_problems(), split.load(), []
    for word in text.split(","):
        if word in halves:
            picked += [n for n in halves[word] if n in made]
        elif word in made:
            picked.append(word)
        else:
            of_kind = [n for n, p in made.items() if word in ("all", p.kind)]
            if not of_kind:
                sys.exit(f"no problem and no kind of problems is named {word}")
            picked += of_kind
    return list(dict.fromkeys(picked))


def is_finished(name, version, cell, finished):
    """Whether the cell has a row; for an engine that isn't told its budget a longer run will do."""
    told = getattr(engines.ENGINES[name][1], "told", False)
    budgets = finished.get((name, version, cell["problem"], cell["seed"], cell["pending"]), set())
    return cell["budget"] in budgets or (not told and max(budgets, default=0) > cell["budget"])


def work(name, cells, finished):
    """One worker process that takes cells from the queue until it is empty."""
    environment = dict(os.environ, PYTHONPATH=HERE, PYTHONUNBUFFERED="1")
    process = subprocess.Popen(
        [environment_python(engines.ENGINES[name][0]), os.path.join(HERE, "worker.py"), name], text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
    first = process.stdout.readline()
    version = json.loads(first)["version"] if first else None
    while version is not None:
        try:
            cell = cells.get_nowait()
        except queue.Empty:
            break
        if is_finished(name, version, cell, finished):
            continue
        process.stdin.write(json.dumps(cell) + "\n")
        process.stdin.flush()
        answer = process.stdout.readline()
        if not answer:
            print(f"{name}: the worker died at {cell}", flush=True)
            break
        cell = json.loads(answer)
        if "error" in cell:
            print(f"{name} {cell['problem']} seed {cell['seed']}: {cell['error']}", flush=True)
            continue
        results.append(dict(cell, engine=name, version=version, machine=results.machine()))
    process.stdin.close()
    process.wait()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--engines", default="attune,random,optuna-gp,optuna-tpe,optuna-tpe-multi")
    parser.add_argument("--problems", default="all")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--budget", default="100", help="one or more; an engine that is not told it needs "
                        "the largest only")
    parser.add_argument("--high-budget", type=int, default=0, help="at most so many above 20 dimensions")
    parser.add_argument("--pending", type=int, default=1, help="trials asked for at once")
    parser.add_argument("--parallel", type=int, default=1)
    options = parser.parse_args()
    made, names = real.all_problems(), pick_problems(options.problems)
    for engine in options.engines.split(","):
        environment_python(engines.ENGINES[engine][0])
        finished = {}
        for row in results.read(engine):
            name, version, problem, seed, budget, pending = results.key(row)
            finished.setdefault((name, version, problem, seed, pending), set()).add(budget)
        cells = queue.Queue()
        for seed in range(options.first_seed, options.first_seed + options.seeds):
            for name in names:
                for budget in options.budget.split(","):
                    budget = int(budget)
                    if options.high_budget and len(made[name].space) >= 20:
                        budget = min(budget, options.high_budget)
                    cells.put({"problem": name, "seed": seed, "budget": budget, "pending": options.pending})
        workers = [threading.Thread(target=work, args=(engine, cells, finished))
                   for _ in range(options.parallel)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()


if __name__ == "__main__":
    main()
