#!/usr/bin/env python3
"""Writes tests/num/gp_numbers.h: a Gaussian process computed the slow way with numpy.

Two cases: one block over three numeric features and a categorical one; and a first block plus two
gated ones. Everything is by explicit inverses and determinants; leave-one-out densities by leaving
out one row at a time. Usage: gen_gp.py > tests/num/gp_numbers.h
"""
import numpy as np

FLOOR = 1e-6


def matern(r2):
    r = np.sqrt(r2)
    return (1 + np.sqrt(5) * r + 5 * r2 / 3) * np.exp(-np.sqrt(5) * r)


def kernel(case, theta, a, b):
    k = np.zeros((len(a), len(b)))
    at = 0
    for block in case["blocks"]:
        features = block["features"]
        scales = np.exp(theta[at:at + len(features)])
        s = np.exp(theta[at + len(features)])
        at += len(features) + 1
        for i, x in enumerate(a):
            for j, y in enumerate(b):
                if block["gate"] is not None:
                    column, value = block["gate"]
                    if x[column] != value or y[column] != value:
                        continue
                r2 = 0.0
                for f, scale in zip(features, scales):
                    if f in case["nominal"]:
                        r2 += scale * float(x[f] != y[f])
                    else:
                        r2 += scale * (x[f] - y[f]) ** 2
                k[i, j] += s * matern(r2)
    return k


def solve(case, theta, x, y, new):
    noise = FLOOR + np.exp(theta[-1])
    k = kernel(case, theta, x, x) + noise * np.eye(len(x))
    inverse = np.linalg.inv(k)
    one = np.ones(len(x))
    mean = one @ inverse @ y / (one @ inverse @ one)
    residual = y - mean
    _, logdet = np.linalg.slogdet(k)
    likelihood = -0.5 * (residual @ inverse @ residual + logdet + len(x) * np.log(2 * np.pi))
    loo = 0.0
    for i in range(len(x)):
        rest = [j for j in range(len(x)) if j != i]
        part = np.linalg.inv(k[np.ix_(rest, rest)])
        m = mean + k[i, rest] @ part @ residual[rest]
        v = k[i, i] - k[i, rest] @ part @ k[rest, i]
        loo += -0.5 * np.log(2 * np.pi * v) - 0.5 * (y[i] - m) ** 2 / v
    cross = kernel(case, theta, x, new)
    means = mean + cross.T @ inverse @ residual
    variances = []
    for j in range(len(new)):
        c = cross[:, j]
        prior = kernel(case, theta, new[j:j + 1], new[j:j + 1])[0, 0]
        u = 1 - one @ inverse @ c
        variances.append(prior - c @ inverse @ c + u * u / (one @ inverse @ one))
    return likelihood, loo, means, np.array(variances)


def show(name, values):
    values = np.ravel(values)
    lines = []
    for at in range(0, len(values), 4):
        lines.append("  " + ", ".join("%.17g" % v for v in values[at:at + 4]))
    print("static const double %s[%d] = {\n%s\n};" % (name, len(values), ",\n".join(lines)))


def main():
    rng = np.random.default_rng(20)
    print("/* Written by tests/num/gen_gp.py. */\n#ifndef ATTUNE_TESTS_NUM_GP_NUMBERS_H")
    print("#define ATTUNE_TESTS_NUM_GP_NUMBERS_H\n")
    cases = [
        {"name": "mixed", "n": 14, "nominal": {3}, "width": 4,
         "blocks": [{"features": [0, 1, 2, 3], "gate": None}]},
        {"name": "gated", "n": 16, "nominal": {0}, "width": 4,
         "blocks": [{"features": [0], "gate": None}, {"features": [1, 2], "gate": (0, 0.0)},
                    {"features": [3], "gate": (0, 1.0)}]},
    ]
    for case in cases:
        x = rng.random((case["n"] + 6, case["width"]))
        for column in case["nominal"]:
            x[:, column] = rng.integers(0, 3 if case["name"] == "mixed" else 2, len(x))
        new, x = x[case["n"]:], x[:case["n"]]
        y = np.sin(5 * x[:, 1]) + x[:, 2] ** 2 + 0.3 * x[:, 0] + 0.1 * rng.standard_normal(len(x))
        count = sum(len(b["features"]) + 1 for b in case["blocks"]) + 1
        theta = 0.7 * rng.standard_normal(count)
        theta[-1] = np.log(0.01)
        likelihood, loo, means, variances = solve(case, theta, x, y, new)
        name = case["name"]
        show(name + "_x", x)
        show(name + "_y", y)
        show(name + "_theta", theta)
        show(name + "_new", new)
        show(name + "_mean", means)
        show(name + "_variance", variances)
        print("static const double %s_likelihood = %.17g;" % (name, likelihood))
        print("static const double %s_loo = %.17g;\n" % (name, loo))
    print("#endif")


if __name__ == "__main__":
    main()
