#!/usr/bin/env python3
"""Training speed, samples a second on one thread, Attune and PyTorch in turns.

speed.py [--cases mlp:64,mlp:256,table:256,cnn:64,residual:64] [--rounds 7] [--seconds 2] [--clock wall]
         [--workers] [--report]

The networks, the same on both sides (train_speed.c, torch_speed.py):
  mlp       784-256-128-10, relu, dropout 0.2 on both hidden layers, momentum
  table     20-64-64-2, relu, Adam
  cnn       28 x 28: conv32, conv64, each pooled; dense 128; dropout 0.2; momentum
  residual  28 x 28: stages of 32, 64, 128 maps, each a convolution and a residual block of two, batch norm;
            mean and maximum of each map; momentum
All variants of PyTorch run in turns with Attune's fp32 and auto; each comparison takes the peer's best. A
ratio is Attune's rate over the peer's in the same round; printed are its median and range over rounds.
--clock cpu counts processor seconds in place of the wall's: both sides have one thread, so that is the same
on an idle machine and still fair on a busy one. --workers compares two processes at once with one. Needs
ATTUNE_BUILD.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

import store

HERE = os.path.dirname(os.path.abspath(__file__))
FIELDS = ("run", "case", "batch", "engine", "precision", "variant", "round", "samples", "wall", "cpu", "loss",
          "params", "version", "load", "machine")
CASES = "mlp:64,mlp:256,table:256,cnn:64,residual:64"
VARIANTS = ("eager", "compile", "compile+cpp", "compile+tuned")
CONVOLVES = ("cnn", "residual")
MUST = {"fp32": {"mlp:64": 2.0, "table:256": 4.0, "cnn:64": 1.8, "residual:64": 1.2},
        "auto": {"mlp:64": 3.0, "mlp:256": 4.0, "table:256": 7.0, "cnn:64": 2.0, "residual:64": 1.5}}


class Contender:
    """One process that trains when it is told to."""

    def __init__(self, engine, case, batch, precision, variant):
        self.row = {"case": case, "batch": batch, "engine": engine, "precision": precision, "variant": variant}
        environment = dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
        if engine == "attune":
            command = [os.path.join(os.environ["ATTUNE_BUILD"], "tests/bench/train/train_speed"), case, batch,
                       precision]
        else:
            command = [store.environment_python("torch"), os.path.join(HERE, "torch_speed.py"), case, batch,
                       precision, variant]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        stderr=subprocess.PIPE, env=environment)
        self.first = self.process.stdout.readline()
        if not self.first:
            self.error = self.process.stderr.read().strip().splitlines()[-1:]
            self.process.wait()

    def label(self):
        return f"{self.row['engine']} {self.row['precision']} {self.row['variant']}".strip()

    def start(self, seconds):
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()

    def finish(self):
        return json.loads(self.process.stdout.readline())

    def train(self, seconds):
        self.start(seconds)
        return self.finish()

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def contenders(case, batch):
    """All that start; those that don't are named with their error."""
    wanted = [("attune", p, "") for p in ("fp32", "auto")]
    for precision in ("fp32", "bf16"):
        for variant in VARIANTS:
            wanted.append(("torch", precision, variant))
            if case in CONVOLVES:
                wanted.append(("torch", precision, variant + "+last"))
    made = []
    for engine, precision, variant in wanted:
        one = Contender(engine, case, batch, precision, variant)
        if one.first:
            one.row.update({k: v for k, v in json.loads(one.first).items() if k in ("params", "version")})
            made.append(one)
        else:
            print(f"  {one.label()}: {' '.join(one.error)}", flush=True)
    return made


def measure(run, text, rounds, seconds):
    case, batch = text.split(":")
    all_of_them = contenders(case, batch)
    counts = {one.row["params"] for one in all_of_them}
    if len(counts) != 1:
        sys.exit(f"{text}: the networks differ, weights {sorted(counts)}")
    for one in all_of_them:
        one.train(seconds / 2)
    for k in range(rounds):
        for one in all_of_them:
            row = dict(one.row, **one.train(seconds), run=run, round=k, machine=store.machine(),
                       load=round(os.getloadavg()[0], 2))
            row.setdefault("version", store.attune_version())
            store.append("speed", FIELDS, row)
    for one in all_of_them:
        one.end()


def rates(rows, clock):
    """(engine, precision, variant) → round → samples a second."""
    made = {}
    for row in rows:
        key = row["engine"], row["precision"], row["variant"]
        made.setdefault(key, {})[int(row["round"])] = float(row["samples"]) / float(row[clock])
    return made


def middle(by_round):
    return statistics.median(by_round.values())


def compare(text, rows, clock):
    """Prints a case; whether it is as far ahead as it must be."""
    made, good = rates(rows, clock), True
    print(f"\n{text}, {rows[0]['params']} weights, {1 + max(int(r['round']) for r in rows)} rounds, load "
          f"{min(float(r['load']) for r in rows)} to {max(float(r['load']) for r in rows)}")
    for key, by_round in sorted(made.items()):
        print(f"  {' '.join(key):32} {middle(by_round):12,.0f} /s  ({min(by_round.values()):,.0f} to "
              f"{max(by_round.values()):,.0f})")
    for precision, peers in (("fp32", ("fp32",)), ("auto", ("fp32", "bf16"))):
        own = made.get(("attune", precision, ""))
        others = {k: v for k, v in made.items() if k[0] == "torch" and k[1] in peers}
        if not own or not others:
            continue
        best = max(others, key=lambda k: middle(others[k]))
        ratios = sorted(own[k] / others[best][k] for k in own if k in others[best])
        must = MUST[precision].get(text)
        ok = not must or statistics.median(ratios) >= must
        good = good and ok
        print(f"  {precision} against {' '.join(best)}: {statistics.median(ratios):.2f} x ({ratios[0]:.2f} to "
              f"{ratios[-1]:.2f}){f', must {must}: ' + ('yes' if ok else 'NO') if must else ''}")
    return good


def report(clock):
    """The last run of each case."""
    last = {}
    for row in store.read("speed"):
        text = f"{row['case']}:{row['batch']}"
        if row["engine"] == "workers":
            continue
        if text not in last or row["run"] > last[text][0]["run"]:
            last[text] = []
        last[text].append(row)
    print(f"samples a second by the {clock} clock")
    good = [compare(text, rows, clock) for text, rows in last.items()]
    return all(good)


def compare_workers(text, rounds, seconds, precision):
    """Two processes at once against one, by the wall's clock."""
    case, batch = text.split(":")
    pair = [Contender("attune", case, batch, precision, "") for _ in range(2)]
    ratios = []
    for _ in range(rounds):
        alone = pair[0].train(seconds)
        for one in pair:
            one.start(seconds)
        both = [one.finish() for one in pair]
        ratios.append(sum(b["samples"] / b["wall"] for b in both) / (alone["samples"] / alone["wall"]))
    for one in pair:
        one.end()
    good = statistics.median(ratios) >= 1.8
    print(f"{text} {precision}: two workers {statistics.median(ratios):.2f} x one ({min(ratios):.2f} to "
          f"{max(ratios):.2f}), must 1.8: {'yes' if good else 'NO'}", flush=True)
    return good


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", default=CASES)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    parser.add_argument("--workers", action="store_true")
    parser.add_argument("--report", action="store_true", help="what was measured last, nothing new")
    options = parser.parse_args()
    run = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    good = True
    if not options.report:
        subprocess.run(["make", "-s", "-C", os.environ["ATTUNE_BUILD"], "tests/bench/train/train_speed"], check=True)
    if options.workers:
        good = all([compare_workers(text, options.rounds, options.seconds, "fp32")
                    for text in options.cases.split(",")])
    elif not options.report:
        for text in options.cases.split(","):
            measure(run, text, options.rounds, options.seconds)
    if not options.workers:
        good = report(options.clock)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
