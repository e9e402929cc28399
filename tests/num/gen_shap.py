#!/usr/bin/env python3
"""Writes shap_numbers.h: trees that XGBoost grew on rows with missing values, and its pred_contribs for some rows.

Needs numpy and xgboost (made with xgboost 3.2). Trees are written breadth first, as Attune holds them."""
import json
from pathlib import Path

import numpy as np
import xgboost as xgb

INPUTS, ROWS, SHOWN = 5, 400, 12


def data(classes):
    rng = np.random.default_rng(7)
    x = rng.normal(size=(ROWS, INPUTS)).astype(np.float32)
    x[:, 3] = rng.integers(0, 2, ROWS)
    score = x[:, 0] * x[:, 1] + np.where(x[:, 3] > 0, x[:, 2], -x[:, 2]) + 0.3 * rng.normal(size=ROWS)
    x[rng.random(x.shape) < 0.12] = np.nan
    y = score if classes == 0 else np.digitize(score, np.quantile(score, np.arange(1, classes) / classes))
    return x, y


def nodes(tree):
    order, left = [0], []
    for at in order:
        child = tree["left_children"][at]
        left.append(len(order) if child >= 0 else 0)
        if child >= 0:
            order += [child, tree["right_children"][at]]
    return [(tree["split_conditions"][at], left[i], tree["split_indices"][at] if left[i] else 0,
             tree["default_left"][at] if left[i] else 0, tree["sum_hessian"][at]) for i, at in enumerate(order)]


def f(value):
    return "NAN" if np.isnan(value) else f"{float(value):.9g}" + ("" if "." in f"{float(value):.9g}" or "e" in f"{float(value):.9g}" else ".0") + "f"


def case(name, objective, classes, rounds):
    x, y = data(classes)
    matrix = xgb.DMatrix(x, y)
    params = {"objective": objective, "max_depth": 4, "eta": 0.4, "seed": 1, "base_score": 0.5}
    if classes > 2:
        params["num_class"] = classes
    booster = xgb.train(params, matrix, rounds)
    model = json.loads(booster.save_raw("json"))["learner"]["gradient_booster"]["model"]
    groups = max(classes, 1) if classes > 2 else 1
    shown = xgb.DMatrix(x[:SHOWN])
    contributions = booster.predict(shown, pred_contribs=True).reshape(SHOWN, groups, INPUTS + 1)
    margins = booster.predict(shown, output_margin=True).reshape(SHOWN, groups)
    base = 0.5 if objective != "binary:logistic" else 0.0
    starts, flat = [], []
    for tree in model["trees"]:
        starts.append(len(flat))
        flat += [(v, l + starts[-1] if l else 0, s, d, c) for v, l, s, d, c in nodes(tree)]
    yield f"static const struct shap_node {name}_nodes[] = {{"
    yield from (f"  {{{f(v)}, {l}, {s}, {int(d)}, {f(c)}}}," for v, l, s, d, c in flat)
    yield "};"
    yield f"static const uint32_t {name}_starts[] = {{{', '.join(map(str, starts))}}};"
    yield f"static const uint32_t {name}_group[] = {{{', '.join(map(str, model['tree_info']))}}};"
    for what, values in (("rows", x[:SHOWN]), ("margins", margins), ("contributions", contributions)):
        yield f"static const float {name}_{what}[] = {{"
        yield from ("  " + ", ".join(map(f, row)) + "," for row in values.reshape(SHOWN, -1))
        yield "};"
    yield f"#define {name.upper()}_GROUPS {groups}"
    yield f"#define {name.upper()}_BASE {f(base)}"


def main():
    lines = ["/* Written by gen_shap.py: trees of XGBoost, rows, margins and pred_contribs (rows, groups, inputs + 1). */",
             f"#define SHAP_INPUTS {INPUTS}", f"#define SHAP_ROWS {SHOWN}",
             "struct shap_node", "{", "  float value;", "  uint32_t left, feature, missing_left;", "  float cover;", "};"]
    for one in (("shap_value", "reg:squarederror", 0, 4), ("shap_two", "binary:logistic", 2, 4),
                ("shap_three", "multi:softprob", 3, 2)):
        lines += case(*one)
    Path(__file__).with_name("shap_numbers.h").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
