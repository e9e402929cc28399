"""Problems with known optima for the bench of the search: analytic functions (functions.py) and their variants.

A problem has a space in Attune's JSON form, `value(params, rng)` (what an engine is told; raises Failed
where a trial fails) and `score(params)` (the value without noise), to be minimised, and its optimum.
Only the standard library is used: every engine's own virtual environment can import this file.
`python3 problems.py` checks every optimum.
"""

import math
import random
from math import exp, log, sqrt

from functions import (Box, ackley, box_branin, box_hartmann, box_michalewicz, box_rosenbrock, box_styblinski,
                       cosine_mixture, ellipsoid, fixed_random, griewank, levy, rastrigin, rosenbrock, shekel, shifted,
                       six_hump, usual)


class Failed(Exception):
    """The trial gave no value."""


class Problem:
    """What an engine is given. `kind` is the stratum of the split into halves."""

    def __init__(self, name, kind, space, score, optimum, best=None, noise=0.0, conditional=False):
        self.name, self.kind, self.space = name, kind, space
        self.optimum, self.best = optimum, best
        self.noise, self.conditional = noise, conditional
        self._score = score

    def score(self, params):
        """The value without noise; raises Failed where the trial gives none."""
        return self._score(params)

    def value(self, params, rng):
        """What the engine is told."""
        value = self._score(params)
        return value + rng.gauss(0, self.noise) if self.noise else value

    def active_names(self, params):
        return [name for name, p in self.space.items() if is_active(p, params)]

    def sample(self, rng):
        """A uniform random point, in the scale of each parameter."""
        params = {}
        for name, p in self.space.items():
            if is_active(p, params):
                params[name] = sample_param(p, rng)
        return params


def is_active(param, params):
    """Whether a parameter's `when` is met by the earlier ones."""
    return all(parent in params and params[parent] in values
               for parent, values in param.get("when", {}).items())


def sample_param(p, rng):
    kind = p["type"]
    if kind == "bool":
        return rng.random() < 0.5
    if kind == "categorical":
        return rng.choice(p["choices"])
    if kind == "ordinal":
        return rng.choice(p["values"])
    low, high = p["low"], p["high"]
    if p.get("scale") == "log":
        if kind == "int":
            value = exp(rng.uniform(log(low - 0.5), log(high + 0.5)))
            return min(high, max(low, round(value)))
        return min(high, max(low, exp(rng.uniform(log(low), log(high)))))
    if kind == "int":
        return rng.randint(low, high)
    return rng.uniform(low, high)


class Axis:
    """One parameter that stands for one coordinate u of a box."""

    def __init__(self, param, unit, back):
        self.param = param
        self.unit = unit  # value → u
        self.back = back  # u → value


def axis_float(low=0.0, high=1.0):
    return Axis({"type": "float", "low": low, "high": high}, lambda v: (v - low) / (high - low),
                lambda u: low + (high - low) * u)


def axis_log(low, high):
    a, b = log(low), log(high)
    return Axis({"type": "float", "low": low, "high": high, "scale": "log"},
                lambda v: (log(v) - a) / (b - a), lambda u: exp(a + (b - a) * u))


def axis_int(count, first=0):
    return Axis({"type": "int", "low": first, "high": first + count - 1},
                lambda v: (v - first) / (count - 1), lambda u: first + round(u * (count - 1)))


def axis_ordinal(values):
    last = len(values) - 1
    return Axis({"type": "ordinal", "values": values}, lambda v: values.index(v) / last,
                lambda u: values[round(u * last)])


def axis_choice(name, count):
    """A categorical whose choices are the levels in a random order: no order helps."""
    order = list(range(count))
    fixed_random("order " + name).shuffle(order)
    choices = [f"c{i}" for i in range(count)]
    level = {choice: order[i] for i, choice in enumerate(choices)}
    return Axis({"type": "categorical", "choices": choices}, lambda v: level[v] / (count - 1),
                lambda u: next(c for c in choices if level[c] == round(u * (count - 1))))


def from_box(name, kind, box, axes=None, noise=0.0, dummies=0, fails=None, step=None):
    """A problem of a box. `axes` default to floats on ranges of unlike width; `dummies` parameters do
    nothing; `fails` = (share, of a random half space that does not hold the optimum) of trials fail;
    `step` rounds values up to a plateau's height."""
    rng = fixed_random("axes " + name)
    if axes is None:
        axes = []
        for _ in range(box.d):
            low = round(rng.uniform(-5, 5), 2)
            axes.append(axis_float(low, round(low + 10 ** rng.uniform(-0.5, 1.5), 2)))
    names = [f"x{i + 1}" for i in range(box.d)]
    entries = [(n, a.param) for n, a in zip(names, axes)]
    for i in range(dummies):
        entries.insert(rng.randrange(len(entries) + 1), (f"y{i + 1}", axis_float(-1, 1).param))
    cut, normal = None, None
    if fails:
        normal = [rng.gauss(0, 1) for _ in range(box.d)]
        normal = [v / sqrt(sum(w * w for w in normal)) for v in normal]
        offsets = sorted(sum(a * (rng.random() - b) for a, b in zip(normal, box.best))
                         for _ in range(4000))
        # Of the two sides the one that leaves the optimum well inside.
        if offsets[int((1 - fails) * 4000)] < -offsets[int(fails * 4000)]:
            normal, offsets = [-v for v in normal], sorted(-v for v in offsets)
        cut = max(0.08, offsets[int((1 - fails) * 4000)])

    def score(params):
        u = [a.unit(params[n]) for n, a in zip(names, axes)]
        if fails and sum(a * (v - b) for a, v, b in zip(normal, u, box.best)) > cut:
            raise Failed()
        value = box.function(u)
        return step * math.ceil(value / step) if step else value

    best = None
    if box.best:
        best = {n: a.back(v) for n, a, v in zip(names, axes, box.best)}
        best.update({n: 0.0 for n, _ in entries if n not in best})
    return Problem(name, kind, dict(entries), score, box.minimum, best, noise)


def on_lattice(name, kind, box, axes):
    """A problem whose every axis is discrete: its optimum by trying all points."""
    counts = [len(a.param.get("choices", a.param.get("values", [])))
              or a.param["high"] - a.param["low"] + 1 for a in axes]
    total = math.prod(counts)
    best, minimum = None, math.inf
    for index in range(total):
        u = []
        for count in counts:
            u.append(index % count / (count - 1))
            index //= count
        value = box.function(u)
        if value < minimum:
            best, minimum = u, value
    return from_box(name, kind, Box(box.function, box.d, minimum, best), axes)


def smooth_problems():
    plain = []
    for name, make in (
            ("branin2", box_branin),
            ("sixhump2", lambda n: usual(n, six_hump, (-2.5, -1.3), (1.9, 1.5), -1.0316284534898774,
                                         (0.08984201368301331, -0.7126564032704135))),
            ("hartmann3", lambda n: box_hartmann(n, 3)),
            ("shekel4", lambda n: usual(n, shekel, [0] * 4, [10] * 4, -10.536409816692046,
                                        (4.000746531, 4.000592934, 3.999663398, 3.999509801))),
            ("rosenbrock4", lambda n: box_rosenbrock(n, 4)),
            ("rastrigin4", lambda n: shifted(n, rastrigin, 4, 5.12)),
            ("ackley5", lambda n: shifted(n, ackley, 5, 32.768)),
            ("levy5", lambda n: shifted(n, levy, 5, 10)),
            ("griewank5", lambda n: shifted(n, griewank, 5, 30)),
            ("styblinski5", lambda n: box_styblinski(n, 5)),
            ("michalewicz5", lambda n: box_michalewicz(n, 5)),
            ("hartmann6", lambda n: box_hartmann(n, 6))):
        plain.append(from_box(name, "low", make(name)))
    for name, make in (
            ("ackley8", lambda n: shifted(n, ackley, 8, 32.768)),
            ("cosine8", lambda n: shifted(n, cosine_mixture, 8, 1)),
            ("ellipsoid8", lambda n: shifted(n, ellipsoid, 8, 5, rotated=True)),
            ("rosenbrock8", lambda n: box_rosenbrock(n, 8)),
            ("levy10", lambda n: shifted(n, levy, 10, 10)),
            ("rastrigin10", lambda n: shifted(n, rastrigin, 10, 5.12, rotated=True)),
            ("styblinski12", lambda n: box_styblinski(n, 12)),
            ("michalewicz10", lambda n: box_michalewicz(n, 10))):
        plain.append(from_box(name, "middle", make(name)))
    for name, make in (
            ("levy20", lambda n: shifted(n, levy, 20, 10)),
            ("ackley20", lambda n: shifted(n, ackley, 20, 32.768)),
            ("rosenbrock20", lambda n: box_rosenbrock(n, 20)),
            ("styblinski40", lambda n: box_styblinski(n, 40))):
        plain.append(from_box(name, "high", make(name)))
    return plain


def variant_problems():
    made = []
    # Noise, in the order of what separates a good point from a very good one.
    for name, box, noise in (("branin2-noise", box_branin("branin2-noise"), 2.0),
                             ("hartmann6-noise", box_hartmann("hartmann6-noise", 6), 0.15),
                             ("ackley4-noise", shifted("ackley4-noise", ackley, 4, 32.768), 0.7),
                             ("levy5-noise", shifted("levy5-noise", levy, 5, 10), 2.0)):
        made.append(from_box(name, "noise", box, noise=noise))
    # Integers and ordinals.
    name = "hartmann3-int"
    made.append(on_lattice(name, "discrete", box_hartmann(name, 3), [axis_int(16) for _ in range(3)]))
    name = "branin2-int"
    made.append(on_lattice(name, "discrete", box_branin(name), [axis_int(40, 5), axis_int(12, -3)]))
    name = "rastrigin5-int"
    made.append(from_box(name, "discrete", shifted(name, rastrigin, 5, 5.12, levels=[41] * 5),
                         [axis_int(41, 10) for _ in range(5)]))
    name = "ackley6-mixed"
    levels = [9, 5, 33, 0, 0, 0]
    made.append(from_box(name, "discrete", shifted(name, ackley, 6, 20, levels=levels),
                         [axis_int(9, 1), axis_ordinal([8, 16, 32, 64, 128]), axis_int(33, -4),
                          axis_float(0, 3), axis_float(-1, 1), axis_float(10, 90)]))
    # Scales.
    name = "ellipsoid4-log"
    made.append(from_box(name, "log", shifted(name, ellipsoid, 4, 5, rotated=True),
                         [axis_log(1e-5, 1.0), axis_log(1e-6, 1e-1), axis_log(1e-2, 1e3), axis_float()]))
    name = "levy6-log"
    made.append(from_box(name, "log", shifted(name, levy, 6, 10),
                         [axis_log(1e-4, 1.0), axis_log(1e-8, 1e-2), axis_log(1, 1e4), axis_float(),
                          axis_float(-3, 2), axis_log(0.1, 10)]))
    # Choices in no order.
    name = "ackley5-choice"
    made.append(from_box(name, "choice", shifted(name, ackley, 5, 10, levels=[5, 4, 0, 0, 0]),
                         [axis_choice(name + "1", 5), axis_choice(name + "2", 4), axis_float(),
                          axis_float(2, 5), axis_float(-1, 0)]))
    name = "hartmann3-choice"
    made.append(on_lattice(name, "choice", box_hartmann(name, 3),
                           [axis_choice(name + "1", 8), axis_int(24), axis_int(24)]))
    name = "rosenbrock5-choice"
    made.append(from_box(name, "choice", shifted(
        name, lambda x: rosenbrock([v + 1 for v in x]), 5, 2, levels=[0, 6, 0, 0, 0]),
        [axis_float(), axis_choice(name, 6), axis_float(-2, 2), axis_log(0.01, 10), axis_float()]))
    # Parameters that do nothing.
    for name, box, dummies in (("branin2-dummy10", box_branin("branin2-dummy10"), 8),
                               ("hartmann6-dummy20", box_hartmann("hartmann6-dummy20", 6), 14),
                               ("levy4-dummy12", shifted("levy4-dummy12", levy, 4, 10), 8)):
        made.append(from_box(name, "dummy", box, dummies=dummies))
    # Regions where trials fail.
    for name, box in (("branin2-fail", box_branin("branin2-fail")),
                      ("hartmann6-fail", box_hartmann("hartmann6-fail", 6)),
                      ("rosenbrock4-fail", box_rosenbrock("rosenbrock4-fail", 4)),
                      ("ackley5-fail", shifted("ackley5-fail", ackley, 5, 32.768))):
        made.append(from_box(name, "fail", box, fails=0.3))
    return made


# What tuning looks like -------------------------------------------------------------------------------

def network_loss(rate, decay, momentum, width, drop, optimizer):
    """A made-up validation loss of a network, ≥ 0: a valley in log rate that leans with decay, a cliff
    at high rates onto a plateau, falling gains from width. Arguments are logs to base 10 where the
    parameter is a log one; the minimum 0 is at rate −2.1 (adam) with decay −4, width 2.2, drop 0.2."""
    centre = {"sgd": -0.9, "adam": -2.1, "rms": -2.6}[optimizer]
    level = {"sgd": 0.02, "adam": 0.0, "rms": 0.03}[optimizer]
    lean = rate - centre + 0.25 * (decay + 4) + (2.0 * (momentum - 0.9) if optimizer == "sgd" else 0)
    if lean > 0.9:
        return 0.8 + 0.02 * min(lean - 0.9, 3)
    loss = level + 0.09 * lean * lean + 0.012 * (decay + 4) ** 2
    loss += 0.05 * (2.2 - width) ** 2 * (1.0 if width < 2.2 else 0.3) + 0.25 * (drop - 0.2) ** 2
    if optimizer == "sgd":
        loss += 0.4 * (momentum - 0.9) ** 2
    return min(loss, 0.8)


def network_problem(name, noise):
    space = {"rate": {"type": "float", "low": 1e-5, "high": 3.0, "scale": "log"},
             "decay": {"type": "float", "low": 1e-7, "high": 1e-1, "scale": "log"},
             "optimizer": {"type": "categorical", "choices": ["rms", "sgd", "adam"]},
             "width": {"type": "int", "low": 8, "high": 512, "scale": "log"},
             "drop": {"type": "float", "low": 0.0, "high": 0.7},
             "momentum": {"type": "float", "low": 0.0, "high": 0.99}}
    best_width = min(range(8, 513), key=lambda w: network_loss(-2.1, -4, 0, math.log10(w), 0.2, "adam"))

    def score(p):
        return network_loss(math.log10(p["rate"]), math.log10(p["decay"]), p["momentum"],
                            math.log10(p["width"]), p["drop"], p["optimizer"])

    best = {"rate": 10 ** -2.1, "decay": 1e-4, "optimizer": "adam", "width": best_width, "drop": 0.2,
            "momentum": 0.5}
    return Problem(name, "tuning", space, score, score(best), best, noise)


def spike_problem(name):
    """A log loss like a decision tree's: a wide shallow bowl, heavy tails, and a narrow valley at small
    depth and large leaves that ends at a cliff."""
    space = {"depth": {"type": "int", "low": 1, "high": 20},
             "leaf": {"type": "int", "low": 1, "high": 200, "scale": "log"},
             "share": {"type": "float", "low": 0.01, "high": 0.99},
             "gain": {"type": "float", "low": 1e-6, "high": 0.5, "scale": "log"},
             "rule": {"type": "categorical", "choices": ["gini", "entropy"]}}

    def score(p):
        leaf = math.log10(p["leaf"])
        over = max(0.0, p["depth"] - 5 - 4 * (leaf - 1.3)) / 15
        under = max(0.0, 5 - p["depth"]) / 4 + max(0.0, leaf - 1.3)
        tail = 8 * over ** 1.5 + (3 * max(0.0, 0.3 - p["share"]) ** 2 if p["depth"] > 3 else 0)
        pruned = max(0.0, math.log10(p["gain"]) + 2.2)
        return (0.15 + tail + 0.35 * min(1.0, under) ** 2 + 0.3 * pruned * pruned
                + 0.08 * (p["share"] - 0.8) ** 2 + (0.01 if p["rule"] == "gini" else 0))

    best = {"depth": 5, "leaf": 20, "share": 0.8, "gain": 1e-4, "rule": "entropy"}
    return Problem(name, "tuning", space, score, score(best), best)


def conditional_problems():
    return [three_branches("branches3"), three_branches("branches3-noise", 0.01), two_branches("branches2"),
            nested("nested")]


def three_branches(name, noise=0.0):
    """A choice of model with 15 parameters in three branches, one of them a branch inside a branch. The
    linear model is good at once, the trees are better, the network is best once tuned."""
    net, trees, linear = {"model": ["net"]}, {"model": ["trees"]}, {"model": ["linear"]}
    space = {
        "model": {"type": "categorical", "choices": ["linear", "trees", "net"]},
        "scaled": {"type": "bool"},
        "net.rate": {"type": "float", "low": 1e-5, "high": 3.0, "scale": "log", "when": net},
        "net.decay": {"type": "float", "low": 1e-7, "high": 1e-1, "scale": "log", "when": net},
        "net.width": {"type": "int", "low": 8, "high": 512, "scale": "log", "when": net},
        "net.drop": {"type": "float", "low": 0.0, "high": 0.7, "when": net},
        "net.optimizer": {"type": "categorical", "choices": ["sgd", "adam", "rms"], "when": net},
        "net.momentum": {"type": "float", "low": 0.0, "high": 0.99,
                         "when": {"model": ["net"], "net.optimizer": ["sgd"]}},
        "trees.eta": {"type": "float", "low": 1e-3, "high": 1.0, "scale": "log", "when": trees},
        "trees.depth": {"type": "int", "low": 1, "high": 14, "when": trees},
        "trees.rows": {"type": "float", "low": 0.3, "high": 1.0, "when": trees},
        "trees.columns": {"type": "float", "low": 0.2, "high": 1.0, "when": trees},
        "trees.l2": {"type": "float", "low": 1e-3, "high": 1e2, "scale": "log", "when": trees},
        "linear.l2": {"type": "float", "low": 1e-6, "high": 1e3, "scale": "log", "when": linear},
        "linear.loss": {"type": "categorical", "choices": ["log", "hinge"], "when": linear}}

    def score(p):
        lg = math.log10
        if p["model"] == "net":
            value = 0.10 + network_loss(lg(p["net.rate"]), lg(p["net.decay"]), p.get("net.momentum", 0.9),
                                        lg(p["net.width"]), p["net.drop"], p["net.optimizer"])
            return value + (0 if p["scaled"] else 0.08)
        if p["model"] == "trees":
            eta = lg(p["trees.eta"]) + 1.2 + 0.05 * (p["trees.depth"] - 6)
            return (0.13 + 0.06 * eta * eta + 0.004 * (p["trees.depth"] - 6) ** 2
                    + 0.1 * (p["trees.rows"] - 0.8) ** 2 + 0.1 * (p["trees.columns"] - 0.6) ** 2
                    + 0.006 * (lg(p["trees.l2"]) - 0.5) ** 2)
        return (0.22 + 0.01 * (lg(p["linear.l2"]) + 1) ** 2 + (0.02 if p["linear.loss"] == "hinge" else 0)
                + (0 if p["scaled"] else 0.05))

    widths = range(8, 513)
    best = {"model": "net", "scaled": True, "net.rate": 10 ** -2.1, "net.decay": 1e-4, "net.drop": 0.2,
            "net.optimizer": "adam",
            "net.width": min(widths, key=lambda w: network_loss(-2.1, -4, 0.9, math.log10(w), 0.2, "adam"))}
    return Problem(name, "conditional", space, score, score(best), best, noise, True)


def two_branches(name):
    """A boolean that switches between a smooth and a rugged function with parameters of their own, and
    one in common."""
    smooth, rugged = shifted(name + "a", ellipsoid, 3, 1), shifted(name + "b", rastrigin, 3, 2)
    space = {"rugged": {"type": "bool"}, "common": {"type": "float", "low": 0.0, "high": 1.0}}
    for i in (1, 2):
        space[f"s{i}"] = {"type": "float", "low": 0.0, "high": 1.0, "when": {"rugged": [False]}}
        space[f"r{i}"] = {"type": "float", "low": 0.0, "high": 1.0, "when": {"rugged": [True]}}

    def score(p):
        if p["rugged"]:
            return rugged.function([p["common"], p["r1"], p["r2"]])
        return 5 + 0.2 * smooth.function([p["common"], p["s1"], p["s2"]])

    at = rugged.best
    best = {"rugged": True, "common": at[0], "r1": at[1], "r2": at[2]}
    return Problem(name, "conditional", space, score, 0.0, best, 0.0, True)


def nested(name):
    """A number of layers that decides how many widths there are: each further layer depends on more
    layers than it has before it."""
    shape = shifted(name, ellipsoid, 5, 1)
    space = {"layers": {"type": "int", "low": 1, "high": 4},
             "rate": {"type": "float", "low": 1e-4, "high": 1.0, "scale": "log"}}
    for i in range(1, 5):
        space[f"width{i}"] = {"type": "int", "low": 4, "high": 256, "scale": "log",
                              "when": {"layers": list(range(i, 5))}}
    gain = [1.0, 0.45, 0.2, 0.3]
    lean = [0.0, 0.15, 0.35, 0.7]

    def score(p):
        k = p["layers"]
        rate = (math.log10(p["rate"]) + 4) / 4
        value = gain[k - 1] + 3 * (rate - shape.best[4] + 0.3 * lean[k - 1]) ** 2
        for i in range(1, k + 1):
            width = log(p[f"width{i}"] / 4) / log(64)
            value += (width - shape.best[i - 1]) ** 2
        return value

    best = {"layers": 3, "rate": 10 ** (4 * (shape.best[4] - 0.3 * lean[2]) - 4)}
    for i in range(1, 4):
        best[f"width{i}"] = min(range(4, 257), key=lambda w: abs(log(w / 4) / log(64) - shape.best[i - 1]))
    return Problem(name, "conditional", space, score, score(best), best, 0.0, True)


def all_problems():
    """Name → problem; the real tuning tasks are in real.py."""
    made = smooth_problems() + variant_problems()
    made += [network_problem("network6", 0.0), network_problem("network6-noise", 0.02), spike_problem("spike5")]
    made += conditional_problems()
    return {p.name: p for p in made}


def check(problem, draws=6000):
    """The optimum is reached at `best`, and neither random points nor steps from it go below."""
    at = problem.score(problem.best)
    scale = abs(problem.optimum) + 1
    # Of continuous parameters the place is known to some digits only.
    assert abs(at - problem.optimum) < 2e-6 * scale, (problem.name, at, problem.optimum)
    rng = random.Random(1)
    values, failed = [], 0
    for k in range(draws):
        params = problem.sample(rng)
        if k % 2:  # near the optimum, in the best's own branch
            params = {n: params[n] if rng.random() < 0.3 and n in params else v
                      for n, v in problem.best.items()}
            if set(params) != set(problem.active_names(params)):
                continue
        try:
            value = problem.score(params)
        except Failed:
            failed += k % 2 == 0
            continue
        assert value >= problem.optimum - 2e-6 * scale, (problem.name, value, params)
        if k % 2 == 0:
            values.append(value)
    values.sort()
    return values[len(values) // 2], values[len(values) // 100], failed / (draws / 2)


if __name__ == "__main__":
    for p in all_problems().values():
        middle, low, failed = check(p)
        print(f"{p.name:20} {p.kind:12} d={len(p.space):2} optimum {p.optimum:10.5g}  random: median "
              f"{middle:9.4g}, best 1% {low:9.4g}, failed {failed:.0%}")
