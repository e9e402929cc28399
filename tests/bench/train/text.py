#!/usr/bin/env python3
"""Tables whose only column is a text, against tf-idf of character n-grams with a logistic or a ridge regression.

text.py [--splits 3]      needs `make tests/bench/train/text_fit` in the build directory (ATTUNE_BUILD)

The texts are those that come with the source of the package vaderSentiment 3.2.1 (Hutto and Gilbert, ICWSM 2014):
tweets, reviews of films and of goods, sentences of editorials, each with the mean of twenty people's ratings. Two
classes are the sign of a rating beyond 0.3; numbers are the rating. Each split holds 30% of the rows out. Both sides get
the same rows; the peer is the better of C = 1 and C = 10 on the held-out rows (or alpha = 1 and 0.1), which favours
it. Attune's families run with their tuned defaults. Last comes the time to encode 60,000 texts.
Needs scikit-learn and pandas: goes on in the environment `data`.
"""

import argparse
import io
import json
import math
import os
import random
import subprocess
import sys
import tarfile

import store

try:
    import pandas
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.model_selection import train_test_split
except ImportError:
    python = store.environment_python("data")
    os.execv(python, [python, *sys.argv])

SETS = ("tweets", "amazonReviewSnippets", "movieReviewSnippets", "nytEditorialSnippets")
FAMILIES = ("linear", "trees", "mlp")
FIT = os.path.join(os.environ["ATTUNE_BUILD"], "tests", "bench", "train", "text_fit")
ENV = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def fetch():
    """{set: [(text, rating)]}"""
    folder = os.path.join(store.work_folder(), "texts")
    package = os.path.join(folder, "vaderSentiment-3.2.1.tar.gz")
    if not os.path.exists(package):
        subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:", "-d", folder,
                        "vaderSentiment==3.2.1"], check=True)
    found = {}
    with tarfile.open(package) as outer:
        inner = outer.extractfile("vaderSentiment-3.2.1/additional_resources/hutto_ICWSM_2014.tar.gz").read()
    with tarfile.open(fileobj=io.BytesIO(inner)) as files:
        for name in SETS:
            lines = files.extractfile(f"hutto_ICWSM_2014/{name}_GroundTruth.txt").read().decode(errors="replace")
            cells = [line.split("\t") for line in lines.splitlines()]
            found[name] = [(c[-1].strip(), float(c[1])) for c in cells if len(c) >= 3 and c[-1].strip()]
    return found


def attune(train, test, family):
    path = os.path.join(store.work_folder(), "texts", "split.csv")
    rows = pandas.DataFrame(train + test, columns=["text", "y"])
    rows.to_csv(path, index=False)
    said = subprocess.run([FIT, path, "y", str(len(train)), family], env=ENV, check=True, capture_output=True, text=True)
    return json.loads(said.stdout)


def peer(train, test, numbers):
    vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5))
    a, b = vectorizer.fit_transform([t for t, _ in train]), vectorizer.transform([t for t, _ in test])
    y, truth = [v for _, v in train], [v for _, v in test]
    if numbers:
        fits = [Ridge(alpha=alpha).fit(a, y).predict(b) for alpha in (0.1, 1.0)]
        return min(math.sqrt(sum((p - t) ** 2 for p, t in zip(fit, truth)) / len(truth)) for fit in fits)
    return max(LogisticRegression(C=c, max_iter=300).fit(a, y).score(b, truth) for c in (1.0, 10.0))


def speed(texts):
    rng = random.Random(0)
    rows = [(" ".join(rng.sample(texts, 2))[:200], "yes" if rng.random() < 0.5 else "no") for _ in range(61000)]
    said = attune(rows[:60000], rows[60000:], "linear")
    length = sum(len(text) for text, _ in rows) / len(rows)
    print(f"60,000 texts of {length:.0f} characters: encoded in {said['encode_s']:.2f} s; "
          f"a row predicted in {said['predict_us']:.1f} us; the model has {said['model_bytes'] // 1000} kB")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--splits", type=int, default=3)
    splits = parser.parse_args().splits
    print(store.machine())
    sets = fetch()
    for numbers in (False, True):
        print(f"{'RMSE' if numbers else 'accuracy':24} {'rows':>6} {'peer':>7}", *(f"{f:>7}" for f in FAMILIES))
        total = [0.0] * (1 + len(FAMILIES))
        for name, pairs in sets.items():
            rows = pairs if numbers else [(t, "pos" if v > 0 else "neg") for t, v in pairs if abs(v) > 0.3]
            mean = [0.0] * (1 + len(FAMILIES))
            for split in range(splits):
                train, test = train_test_split(rows, test_size=0.3, random_state=split,
                                               stratify=None if numbers else [y for _, y in rows])
                scores = [peer(train, test, numbers), *(attune(train, test, family)["metric"] for family in FAMILIES)]
                mean = [m + s / splits for m, s in zip(mean, scores)]
            print(f"{name:24} {len(rows):6}", *(f"{m:7.4f}" for m in mean), flush=True)
            total = [t + m / len(sets) for t, m in zip(total, mean)]
        print(f"{'mean':24} {'':6}", *(f"{t:7.4f}" for t in total))
    speed([text for text, _ in sets["movieReviewSnippets"]])


if __name__ == "__main__":
    main()
