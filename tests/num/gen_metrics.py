#!/usr/bin/env python3
"""Writes tests/num/metrics_numbers.h: predictions and scikit-learn's scores of them.

Run with scikit-learn installed: python3 tests/num/gen_metrics.py > tests/num/metrics_numbers.h
"""
import numpy as np
import sklearn
from sklearn import metrics as m

rng = np.random.default_rng(20261123)


def c_array(kind, name, values, form):
    body = ", ".join(form(v) for v in np.ravel(values))
    print(f"static const {kind} {name}[] = {{{body}}};")


def c_float(v):
    return float(v).hex() + "f"


def c_double(v):
    return float(v).hex()


def probabilities(labels, classes, noise, round_to):
    """Noisy class probabilities, rounded so that scores tie."""
    raw = rng.normal(size=(len(labels), classes)) * noise
    raw[np.arange(len(labels)), labels] += 1.0
    p = np.exp(raw)
    p /= p.sum(axis=1, keepdims=True)
    p = np.round(p, round_to)
    p[:, -1] = 1.0 - p[:, :-1].sum(axis=1)
    return np.clip(p, 0.0, 1.0).astype(np.float32)


def classification(name, labels, p):
    classes = p.shape[1]
    guess = p.argmax(axis=1)
    # The metric works on doubles of the stored floats; so does this.
    exact = p.astype(np.float64)
    eps = np.finfo(np.float32).eps
    clipped = np.clip(exact[np.arange(len(labels)), labels], eps, 1 - eps)
    present = [k for k in range(classes) if (labels == k).any()]
    if classes == 2:
        auc = m.roc_auc_score(labels, exact[:, 1])
    else:
        auc = np.mean([m.roc_auc_score(labels == k, exact[:, k]) for k in present])
    c_array("int32_t", f"{name}_labels", labels, lambda v: str(int(v)))
    c_array("float", f"{name}_predictions", p, c_float)
    scores = {
        "accuracy": m.accuracy_score(labels, guess),
        "balanced_accuracy": np.mean([(guess[labels == k] == k).mean() for k in present]),
        "log_loss": -np.log(clipped).mean(),
        "roc_auc": auc,
        "f1": m.f1_score(labels, guess, average="macro", zero_division=0),
    }
    if len(present) == classes:
        assert np.isclose(scores["balanced_accuracy"], m.balanced_accuracy_score(labels, guess))
    both = m.log_loss(labels, np.clip(exact, eps, 1 - eps), labels=list(range(classes)))
    assert np.isclose(scores["log_loss"], both, rtol=1e-4), (scores["log_loss"], both)
    for key, value in scores.items():
        print(f"static const double {name}_{key} = {c_double(value)};")


def regression(name, labels, p):
    c_array("double", f"{name}_labels", labels, c_double)
    c_array("float", f"{name}_predictions", p, c_float)
    exact = p.astype(np.float64)
    print(f"static const double {name}_rmse = {c_double(np.sqrt(m.mean_squared_error(labels, exact)))};")
    print(f"static const double {name}_mae = {c_double(m.mean_absolute_error(labels, exact))};")
    print(f"static const double {name}_r2 = {c_double(m.r2_score(labels, exact))};")


print(f"/* Written by gen_metrics.py with scikit-learn {sklearn.__version__}; not to be edited. */")
print("#ifndef ATTUNE_METRICS_NUMBERS_H\n#define ATTUNE_METRICS_NUMBERS_H\n\n#include <stdint.h>\n")
two = (rng.random(120) < 0.3).astype(int)
classification("two", two, probabilities(two, 2, 1.0, 2))
many = rng.integers(0, 4, 150)
classification("many", many, probabilities(many, 5, 1.2, 2))  # class 4 never occurs, but is predicted
values = rng.normal(size=90) * 3 + 1
regression("line", values, (values + rng.normal(size=90)).astype(np.float32))
print("\n#endif")
