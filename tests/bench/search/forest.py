"""A random forest for regression: it answers all engines alike in place of models that are too dear to train
again for each. Standard library only and the same on every machine, so a table of evaluated configurations
and this file are all that a tuning task is."""

import random

TREES, LEAF, FEATURES = 50, 2, 0.7


def grow(rows, y, index, rng):
    """A tree as (feature, threshold, left, right) or a leaf's mean: splits by least squares over a random
    share of the features, thresholds drawn between the two values they part."""
    n = len(index)
    total = sum(y[i] for i in index)
    if n < 2 * LEAF or max(y[i] for i in index) - min(y[i] for i in index) < 1e-12:
        return total / n
    d = len(rows[0])
    best, cut = total * total / n + 1e-12, None
    order = list(range(d))
    rng.shuffle(order)
    wanted = max(1, round(FEATURES * d))
    for tried, f in enumerate(order):
        if tried >= wanted and cut:
            break
        pairs = sorted((rows[i][f], y[i]) for i in index)
        left = 0.0
        for k in range(n - 1):
            left += pairs[k][1]
            if k + 1 < LEAF or n - k - 1 < LEAF or pairs[k][0] == pairs[k + 1][0]:
                continue
            gain = left * left / (k + 1) + (total - left) ** 2 / (n - k - 1)
            if gain > best:
                best, cut = gain, (f, pairs[k][0], pairs[k + 1][0])
    if not cut:
        return total / n
    f, below, above = cut
    threshold = below + (above - below) * rng.uniform(0.05, 0.95)
    parts = [i for i in index if rows[i][f] <= threshold], [i for i in index if rows[i][f] > threshold]
    return (f, threshold, grow(rows, y, parts[0], rng), grow(rows, y, parts[1], rng))


def fit(rows, y, seed):
    """Trees, and for every row the mean of those trees that have not seen it (None if all have)."""
    rng, n = random.Random(seed), len(y)
    trees, sums, counts = [], [0.0] * n, [0] * n
    for _ in range(TREES):
        drawn = [rng.randrange(n) for _ in range(n)]
        tree = grow(rows, y, drawn, rng)
        trees.append(tree)
        for i in set(range(n)) - set(drawn):
            sums[i] += predict_tree(tree, rows[i])
            counts[i] += 1
    return trees, [s / c if c else None for s, c in zip(sums, counts)]


def predict_tree(node, x):
    while type(node) is tuple:
        node = node[2] if x[node[0]] <= node[1] else node[3]
    return node


def predict(trees, x):
    return sum(predict_tree(tree, x) for tree in trees) / len(trees)
