#!/usr/bin/env python3
"""Compares engines on finished cells (see run.py).

report.py [--problems report] [--engines attune,optuna-gp,optuna-tpe] [--pending 1] [--table] [--must]

Regret of a problem after so many trials = (mean over seeds of min(best score so far, clip) − optimum) /
(clip − optimum), where clip is the median score of one random trial; 0 is perfect, 1 is what random search
has after one trial. The first engine is compared with each of the others on the problems and seeds that all
of them have finished; conditional problems are reported apart. An engine may be given as name:version;
otherwise its newest version in the results counts. With --must the exit status says whether the first engine
is as far ahead as it has to be.
"""

import argparse
import math
import random
import statistics
import sys

import problems
import real
import results
import run

TIE, TIE_SHARE, FIRST = 0.01, 0.05, 0.6
WORST, WORST_MORE = 1.5, 0.01
MOST_RATIO = {25: 0.85, 50: 0.85, 100: 0.92}  # of the best peer's mean regret


def clip_of(problem, draws=3000):
    """The median score of a random trial, of those that gave one."""
    rng, scores = problems.fixed_random("clip " + problem.name), []
    for _ in range(draws):
        try:
            scores.append(problem.score(problem.sample(rng)))
        except problems.Failed:
            pass
    return statistics.median(scores)


class Engine:
    """The rows of one engine and version: best scores by problem and seed."""

    def __init__(self, text, rows, pending):
        self.name, _, version = text.partition(":")
        rows = [r for r in rows if r["engine"] == self.name and int(r["pending"]) == pending]
        if not version and rows:
            version = rows[-1]["version"]
        self.version, self.cells = version, {}
        for row in rows:
            if row["version"] == version:
                self.cells.setdefault((row["problem"], int(row["seed"])), {})[int(row["budget"])] = row
        self.rows = [r for budgets in self.cells.values() for r in budgets.values()]

    def seeds(self, problem, mark):
        return {s for (p, s), budgets in self.cells.items() if p == problem and max(budgets) >= mark}

    def regrets(self, problem, mark, seeds, clip, optimum):
        """Normalised, one per seed; of several budgets the one that equals the mark, else the next."""
        answer = []
        for seed in seeds:
            budgets = self.cells[problem, seed]
            row = budgets[min(b for b in budgets if b >= mark)]
            best = min(results.best_at(row, [mark])[0], clip)
            answer.append(max(0.0, (best - optimum) / (clip - optimum)))
        return answer

    def label(self):
        return f"{self.name} {self.version}"


def wilcoxon(a, b):
    """How many standard errors the signed ranks of a − b are from 0 (negative: a is lower)."""
    gaps = sorted((x - y for x, y in zip(a, b) if x != y), key=abs)
    n, total, k = len(gaps), 0.0, 0
    while k < n:
        last = k
        while last + 1 < n and abs(gaps[last + 1]) == abs(gaps[k]):
            last += 1
        total += sum(math.copysign((k + last) / 2 + 1, gaps[i]) for i in range(k, last + 1))
        k = last + 1
    return total / math.sqrt(n * (n + 1) * (2 * n + 1) / 6) if n else 0.0


def bootstrap_ratio(own, other, draws=4000):
    """95% interval over problems of the ratio of mean regrets."""
    rng, ratios, n = random.Random(1), [], len(own)
    for _ in range(draws):
        picked = [rng.randrange(n) for _ in range(n)]
        bottom = sum(other[i] for i in picked)
        ratios.append(sum(own[i] for i in picked) / bottom if bottom else math.inf)
    ratios.sort()
    return ratios[int(0.025 * draws)], ratios[int(0.975 * draws)]


def gather(engines, names, mark, scale):
    """Name → one list of regrets per engine, over the seeds all have; problems that one lacks are left
    out."""
    table = {}
    for name in names:
        seeds = sorted(set.intersection(*(e.seeds(name, mark) for e in engines)))
        if seeds:
            table[name] = [e.regrets(name, mark, seeds, *scale[name]) for e in engines]
    return table


def count_first(means):
    """On how many problems the first engine is first or tied; means: one list of regrets per engine."""
    count = 0
    for own, *others in zip(*means):
        best = min(others)
        count += own <= best + max(TIE, TIE_SHARE * best)
    return count


def far_worse(table, k):
    """The problems on which the first engine's median is far above that of engine k, with both, the worst first."""
    worse = []
    for name, regrets in table.items():
        own, peer = statistics.median(regrets[0]), statistics.median(regrets[k])
        if own > WORST * peer + WORST_MORE:
            worse.append((own / max(peer, 1e-9), f"{name} ({own:.3f} against {peer:.3f})"))
    return [text for _, text in sorted(worse, reverse=True)]


def print_mark(engines, table, mark):
    """Prints one mark; returns the ratio to the best peer, the share of problems on which the first engine is
    first or tied, and the number of those on which it is far worse than GPSampler (None: nothing to print)."""
    if not table:
        return None
    names = list(table)
    seeds = sorted(len(table[n][0]) for n in names)
    print(f"\n{mark} trials: {len(names)} problems, {seeds[0]} to {seeds[-1]} seeds")
    means = [[statistics.fmean(table[n][k]) for n in names] for k in range(len(engines))]
    for k, engine in enumerate(engines):
        mean = statistics.fmean(means[k])
        middle = statistics.fmean(statistics.median(table[n][k]) for n in names)
        tail = sorted(means[k])[-max(1, len(names) // 20):]
        line = (f"  {engine.label():32} mean regret {mean:.4f}  mean of medians {middle:.4f}  worst 5% "
                f"{statistics.fmean(tail):.3f}")
        if k and mean > 0:
            low, high = bootstrap_ratio(means[0], means[k])
            signs = [wilcoxon(table[n][0], table[n][k]) for n in names]
            line += (f"  ratio {statistics.fmean(means[0]) / mean:.3f} [{low:.3f}, {high:.3f}]  better "
                     f"{sum(z < -1.96 for z in signs)}, worse {sum(z > 1.96 for z in signs)} (Wilcoxon)")
        print(line)
    if len(engines) < 2:
        return None
    best_peer = min(statistics.fmean(m) for m in means[1:])
    ratio = statistics.fmean(means[0]) / best_peer if best_peer else math.inf
    first = count_first(means)
    print(f"  first or tied on {first} of {len(names)} ({first / len(names):.0%})")
    far = 0
    for k in range(1, len(engines)):
        if engines[k].name != "optuna-gp":
            continue
        worse = far_worse(table, k)
        print(f"  median above {WORST} x {engines[k].name}'s + {WORST_MORE} on {len(worse)}: "
              f"{', '.join(worse) or 'none'}")
        far += len(worse)
    return ratio, first / len(names), far


def lacking(mark, conditional, outcome):
    """What the first engine falls short of, as sentences."""
    if outcome is None:
        return [f"nothing that all have finished at {mark} trials"]
    ratio, first, far = outcome
    if conditional:
        return [f"conditional problems at 60: {ratio:.3f} of the best peer's regret"] * (mark == 60 and ratio >= 1)
    texts = []
    if ratio > MOST_RATIO.get(mark, 1):
        texts.append(f"{ratio:.3f} of the best peer's regret at {mark}, wanted {MOST_RATIO.get(mark, 1)}")
    if first < FIRST:
        texts.append(f"first or tied on {first:.0%} at {mark}")
    if far:
        texts.append(f"far worse than GPSampler on {far} at {mark}")
    return texts


def print_table(engines, table, mark):
    """Mean regret of every problem."""
    print(f"\n{mark} trials".ljust(28) + "".join(e.name[:16].rjust(18) for e in engines))
    for name in sorted(table, key=lambda n: statistics.fmean(table[n][0])
                       - min(statistics.fmean(v) for v in table[n][1:] or table[n])):
        print(name.ljust(27) + "".join(f"{statistics.fmean(v):18.4f}" for v in table[name]))


def print_speed(engines):
    print("\ntell + ask, microseconds, middle of all cells (quality runs may have shared their cores; "
          "latency.py measures)")
    for engine in engines:
        if engine.rows:
            print(f"  {engine.label():32} p50 {statistics.median(float(r['p50_us']) for r in engine.rows):.0f}"
                  f"  p99 {statistics.median(float(r['p99_us']) for r in engine.rows):.0f}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--problems", default="report")
    parser.add_argument("--engines", default="attune,optuna-gp,optuna-tpe")
    parser.add_argument("--marks", default="25,50,100")
    parser.add_argument("--conditional-marks", default="25,50,60,100")
    parser.add_argument("--pending", type=int, default=1)
    parser.add_argument("--table", action="store_true", help="every problem, best for the first engine first")
    parser.add_argument("--must", action="store_true", help="fail unless the first engine is far enough ahead")
    options = parser.parse_args()
    made, names = real.all_problems(), run.pick_problems(options.problems)
    rows = results.read()
    engines = [Engine(text, rows, options.pending) for text in options.engines.split(",")]
    empty = [e.name for e in engines if not e.cells]
    if empty:
        sys.exit(f"no finished cell of {', '.join(empty)}")
    scale = {n: (clip_of(made[n]), made[n].optimum) for n in names}
    short = []
    for title, conditional, marks in (("Without conditions", False, options.marks),
                                      ("Conditional", True, options.conditional_marks)):
        some = [n for n in names if made[n].conditional == conditional]
        print(f"\n== {title}")
        for mark in map(int, marks.split(",")):
            table = gather(engines, some, mark, scale)
            short += lacking(mark, conditional, print_mark(engines, table, mark))
            if options.table and table:
                print_table(engines, table, mark)
    print_speed(engines)
    if options.must:
        print("\npassed" if not short else "\nFAILED: " + "; ".join(short))
        sys.exit(1 if short else 0)


if __name__ == "__main__":
    main()
