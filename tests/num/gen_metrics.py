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


def top(labels, p, k):
    """Of equal probabilities the first counts as the likelier, as in a label."""
    order = np.argsort(-p, axis=1, kind="stable")
    return (order[:, :k] == labels[:, None]).any(axis=1)


def one_against_rest(score, labels, p, weights):
    return np.mean([score(labels == k, p[:, k], sample_weight=weights)
                    for k in range(p.shape[1]) if (labels == k).any()])


def classification(name, labels, p, weights):
    classes = p.shape[1]
    two = classes == 2
    guess = p.argmax(axis=1)
    # The metric works on doubles of the stored floats; so does this.
    exact = p.astype(np.float64)
    eps = np.finfo(np.float32).eps
    present = [k for k in range(classes) if (labels == k).any()]
    c_array("int32_t", f"{name}_labels", labels, lambda v: str(int(v)))
    c_array("float", f"{name}_predictions", p, c_float)
    c_array("double", f"{name}_weights", weights, c_double)
    for suffix, w in (("", np.ones(len(labels))), ("_by_weight", weights)):
        clipped = np.clip(exact[np.arange(len(labels)), labels], eps, 1 - eps)
        truth = np.eye(classes)[labels]
        scores = {
            "accuracy": m.accuracy_score(labels, guess, sample_weight=w),
            "balanced_accuracy": np.mean([np.average(guess[labels == k] == k, weights=w[labels == k])
                                          for k in present]),
            "log_loss": -np.average(np.log(clipped), weights=w),
            "f1": m.f1_score(labels, guess, average="macro", zero_division=0, sample_weight=w),
            "f1_weighted": m.f1_score(labels, guess, average="weighted", zero_division=0, sample_weight=w),
            "mcc": m.matthews_corrcoef(labels, guess, sample_weight=w),
        }
        average = {"average": "binary"} if two else {"average": "macro"}
        for key, score in (("precision", m.precision_score), ("recall", m.recall_score)):
            scores[key] = score(labels, guess, zero_division=0, sample_weight=w, **average)
        if two:
            scores["roc_auc"] = m.roc_auc_score(labels, exact[:, 1], sample_weight=w)
            scores["pr_auc"] = m.average_precision_score(labels, exact[:, 1], sample_weight=w)
            scores["f1_binary"] = m.f1_score(labels, guess, sample_weight=w)
            scores["brier_score"] = m.brier_score_loss(labels, exact[:, 1], sample_weight=w)
        else:
            scores["roc_auc"] = one_against_rest(m.roc_auc_score, labels, exact, w)
            scores["pr_auc"] = one_against_rest(m.average_precision_score, labels, exact, w)
            scores["brier_score"] = np.average(((exact - truth) ** 2).sum(axis=1), weights=w)
            for k in (2, 3):
                scores[f"top_{k}_accuracy"] = np.average(top(labels, p, k), weights=w)
                # scikit-learn breaks ties the other way; without ties both must agree
                untied = exact + np.random.default_rng(1).random(exact.shape) * 1e-6
                assert np.isclose(np.average(top(labels, untied, k), weights=w),
                                  m.top_k_accuracy_score(labels, untied, k=k, sample_weight=w,
                                                         labels=range(classes)))
        if len(present) == classes:
            assert np.isclose(scores["balanced_accuracy"],
                              m.balanced_accuracy_score(labels, guess, sample_weight=w))
        both = m.log_loss(labels, np.clip(exact, eps, 1 - eps), labels=list(range(classes)), sample_weight=w)
        assert np.isclose(scores["log_loss"], both, rtol=1e-4), (scores["log_loss"], both)
        for key, value in scores.items():
            print(f"static const double {name}_{key}{suffix} = {c_double(value)};")


def best_threshold(name, labels, p, weights):
    """The best score any threshold gives, by trying each."""
    scores = p[:, 1].astype(np.float64)
    tried = np.concatenate([np.unique(scores), [1.01]])
    for key, score in (("f1_binary", m.f1_score), ("mcc", m.matthews_corrcoef),
                       ("balanced_accuracy", m.balanced_accuracy_score)):
        best = max(score(labels, scores >= t, sample_weight=weights) for t in tried)
        print(f"static const double {name}_best_{key} = {c_double(best)};")


def regression(name, labels, p, weights):
    c_array("double", f"{name}_labels", labels, c_double)
    c_array("float", f"{name}_predictions", p, c_float)
    c_array("double", f"{name}_weights", weights, c_double)
    exact = p.astype(np.float64)
    zero = labels == 0
    for suffix, w in (("", np.ones(len(labels))), ("_by_weight", weights)):
        scores = {
            "rmse": np.sqrt(m.mean_squared_error(labels, exact, sample_weight=w)),
            "mae": m.mean_absolute_error(labels, exact, sample_weight=w),
            "r2": m.r2_score(labels, exact, sample_weight=w),
            "mape": m.mean_absolute_percentage_error(labels[~zero], exact[~zero], sample_weight=w[~zero]),
        }
        if (labels >= 0).all():
            scores["rmsle"] = np.sqrt(m.mean_squared_log_error(labels, np.maximum(exact, 0), sample_weight=w))
        for level in (0.1, 0.5, 0.95):
            scores[f"quantile_{level}".replace(".", "_")] = m.mean_pinball_loss(
                labels, exact, alpha=level, sample_weight=w)
        for key, value in scores.items():
            print(f"static const double {name}_{key}{suffix} = {c_double(value)};")


print(f"/* Written by gen_metrics.py with scikit-learn {sklearn.__version__}; not to be edited. */")
print("#ifndef ATTUNE_METRICS_NUMBERS_H\n#define ATTUNE_METRICS_NUMBERS_H\n\n#include <stdint.h>\n")
two = (rng.random(120) < 0.3).astype(int)
two_p = probabilities(two, 2, 1.0, 2)
many = rng.integers(0, 4, 150)
many_p = probabilities(many, 5, 1.2, 2)  # class 4 never occurs, but is predicted
values = rng.normal(size=90) * 3 + 1
values_p = (values + rng.normal(size=90)).astype(np.float32)
two_w = rng.integers(0, 5, 120) / 2
classification("two", two, two_p, two_w)
best_threshold("two", two, two_p, two_w)
classification("many", many, many_p, rng.random(150) + 0.1)
regression("line", values, values_p, rng.random(90) * 3)
counts = rng.poisson(2, 80).astype(float)  # some are 0
regression("count", counts, (counts + rng.normal(size=80)).astype(np.float32), rng.random(80) + 0.5)
print("\n#endif")
