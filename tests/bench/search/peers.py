#!/usr/bin/env python3
"""Attune's search on the problems kept for the report, beside what there is of each peer: a line a peer and number of trials.

peers.py [--report]

Attune's cells are run (minutes), the peers' are taken as they are, from traces/ and the results: run.py runs what they
lack. A ratio below 1: Attune's mean regret is the lower one, over the problems and seeds that both have; with a 95% bootstrap
interval over problems. The exit status says whether each ratio is what it has to be, Attune first or tied on enough
problems, and nowhere far worse than GPSampler. Needs ATTUNE_BUILD, with tests/bench/search/attune_ask made.
"""

import argparse
import os
import statistics
import subprocess
import sys

import real
import report
import results
import split

# What is compared: trials asked for at once, peers with their marks; and Attune's cells for it.
LONG, SHORT = (25, 50, 100), (25, 50)
PARTS = ((1, {"optuna-gp": LONG, "optuna-tpe": LONG, "hebo": SHORT, "ax": SHORT, "smac": SHORT},
          ("--seeds", "20", "--budget", "25,50,100")),
         (4, {"optuna-gp": (50,), "optuna-tpe": (50,)}, ("--seeds", "10", "--budget", "50")))
CONDITIONAL = ("optuna-tpe", 60)  # on conditional problems only this has to be reached: better than that


def wanted_ratio(peer, mark, conditional):
    """The highest that will do; None: whatever it is."""
    if conditional:
        return 1 if (peer, mark) == CONDITIONAL else None
    return report.MOST_RATIO[mark]


def line(peer, table, mark, most):
    """Prints one; whether all is as it has to be."""
    if not table:
        print(f"{peer.label():17s}{mark:6d}  nothing that both have finished")
        return most is None
    means = [[statistics.fmean(regrets[k]) for regrets in table.values()] for k in (0, 1)]
    seeds = [len(regrets[0]) for regrets in table.values()]
    ratio = statistics.fmean(means[0]) / max(statistics.fmean(means[1]), 1e-12)
    low, high = report.bootstrap_ratio(*means)
    first = report.count_first(means)
    far = report.far_worse(table, 1) if peer.name == "optuna-gp" else []
    good = most is None or (ratio <= most and first >= report.FIRST * len(table) and not far)
    verdict = "-" if most is None else f"{most:.2f}: {'yes' if good else 'NO'}"
    print(f"{peer.label():17s}{mark:6d}{len(table):10d}{min(seeds):6d} to {max(seeds):2d}{statistics.fmean(means[0]):9.4f}{statistics.fmean(means[1]):9.4f}"
          f"  {ratio:.3f} [{low:.3f}, {high:.3f}]{first:6d} of {len(table):2d}   {verdict}"
          + (f", far worse on {', '.join(far)}" if far else ""))
    return good


def compare(rows, pending, peers):
    """Prints the lines of one part; whether all is well."""
    made, names = real.all_problems(), split.load()["report"]
    scale = {n: (report.clip_of(made[n]), made[n].optimum) for n in names}
    own, well = report.Engine("attune", rows, pending), True
    for conditional in (False, True):
        some = [n for n in names if made[n].conditional == conditional]
        print(f"\n{'conditional problems' if conditional else 'problems without conditions'}, {pending} at a time")
        print(f"{'peer':17s}{'trials':>6s}{'problems':>10s}{'seeds':>12s}{'regret':>9s}{'peer':>9s}  ratio{'first or tied':>32s}   must")
        for name, marks in peers.items():
            peer = report.Engine(name, rows, pending)
            more = {CONDITIONAL[1]} if conditional and name == CONDITIONAL[0] and pending == 1 else set()
            for mark in sorted(more.union(marks)):
                well &= line(peer, report.gather([own, peer], some, mark, scale), mark, wanted_ratio(name, mark, conditional))
    return well


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--report", action="store_true", help="run nothing")
    options = parser.parse_args()
    for pending, _, wanted in PARTS if not options.report else ():
        subprocess.run([sys.executable, os.path.join(results.HERE, "run.py"), "--engines", "attune", "--problems", "report", "--pending", str(pending),
                        *wanted], check=True)
    rows = results.read()
    well = [compare(rows, pending, peers) for pending, peers, _ in PARTS]
    return 0 if all(well) else 1


if __name__ == "__main__":
    sys.exit(main())
