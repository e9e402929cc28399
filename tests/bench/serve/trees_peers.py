#!/usr/bin/env python3
"""treelite (compiled by tl2cgen) and lleaves on the model and the rows that tests/bench/serve/trees wrote.

    tests/bench/serve/trees FILE && tests/bench/serve/trees_peers.py FILE

Needs numpy, treelite, tl2cgen and a C compiler; lleaves reads LightGBM's text files only, so its figure is of
a LightGBM model of the same number of trees and leaves, if lightgbm is there. One thread each. One JSON object a
line: microseconds for 1,000 rows, the least of seven calls.
"""
import json
import os
import sys
import tempfile
import time

import numpy as np


def least_us(call, tries=7):
    best = float("inf")
    for _ in range(tries):
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    return 1e6 * best


def tell(peer, us, **more):
    print(json.dumps({"peer": peer, "rows": 1000, "us": round(us, 1), **more}), flush=True)


def run_treelite(path, rows, directory):
    import tl2cgen
    import treelite
    model = treelite.frontend.load_xgboost_model(path + ".ubj", format_choice="ubjson")
    start = time.perf_counter()
    library = os.path.join(directory, "model.so")
    tl2cgen.export_lib(model, toolchain="gcc", libpath=library,
                       params={"parallel_comp": 16, "quantize": 1})
    built = time.perf_counter() - start
    predictor = tl2cgen.Predictor(library, nthread=1)
    matrix = tl2cgen.DMatrix(rows)
    tell("treelite, compiled", least_us(lambda: predictor.predict(matrix, pred_margin=True)),
         seconds_to_compile=round(built, 1))
    tell("treelite, general", least_us(lambda: treelite.gtil.predict(model, rows, nthread=1, pred_margin=True)))


def run_lleaves(rows, directory):
    import lightgbm
    import lleaves
    answers = np.nan_to_num(rows[:, 0]) + np.random.default_rng(1).normal(size=len(rows)) > 0
    booster = lightgbm.train({"objective": "binary", "num_leaves": 64, "max_depth": 6, "verbose": -1,
                              "min_data_in_leaf": 1, "min_sum_hessian_in_leaf": 1e-6, "num_threads": 1},
                             lightgbm.Dataset(rows, answers.astype(float)), 500)
    text = os.path.join(directory, "model.txt")
    booster.save_model(text)
    model = lleaves.Model(model_file=text)
    start = time.perf_counter()
    model.compile()
    built = time.perf_counter() - start
    wide = rows.astype(np.float64)
    leaves = sum(tree["num_leaves"] for tree in booster.dump_model()["tree_info"])
    tell("lleaves (a LightGBM model)", least_us(lambda: model.predict(wide, n_jobs=1)),
         seconds_to_compile=round(built, 1), leaves=leaves)


def main():
    path = sys.argv[1]
    rows = np.fromfile(path + ".rows", dtype=np.float32).reshape(1000, -1)
    with tempfile.TemporaryDirectory() as directory:
        for name, run in (("treelite", lambda: run_treelite(path, rows, directory)),
                          ("lleaves", lambda: run_lleaves(rows, directory))):
            try:
                run()
            except ImportError as error:
                print(json.dumps({"peer": name, "left_out": str(error)}), flush=True)


if __name__ == "__main__":
    main()
