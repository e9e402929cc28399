#!/usr/bin/env python3
"""Which problems may be looked at while the search is tuned, and which are reported: writes split.json.

A random half of every kind, drawn once before anything was run and never again: the file is kept as it is.
"""

import json
import os
import sys

import problems
import real

HERE = os.path.dirname(os.path.abspath(__file__))
FILE = os.path.join(HERE, "split.json")


def draw():
    kinds = {}
    for problem in problems.all_problems().values():
        kinds.setdefault(problem.kind, []).append(problem.name)
    kinds["real"] = list(real.NAMES)
    halves = {"tune": [], "report": []}
    for kind, names in kinds.items():
        rng = problems.fixed_random("split " + kind)
        rng.shuffle(names)
        order = ["tune", "report"]
        if rng.random() < 0.5:  # who gets the odd one
            order.reverse()
        for i, name in enumerate(names):
            halves[order[i % 2]].append(name)
    return halves


def load():
    with open(FILE, encoding="utf-8") as f:
        return json.load(f)


if __name__ == "__main__":
    if os.path.exists(FILE):
        sys.exit("split.json is there and stays")
    with open(FILE, "w", encoding="utf-8") as out:
        json.dump(draw(), out, indent=1)
        out.write("\n")
