"""Analytic functions with known minima, for the problems of the search's bench.

Every function is defined on a box and described in parts of the box, u in [0,1]^d. Functions whose
minimum lies in the middle of the usual box or at equal coordinates are shifted or mirrored, so that no
engine gains by asking the centre or the diagonal. Only the standard library is used.
"""

import hashlib
import math
import random
from math import cos, exp, pi, sin, sqrt


def fixed_random(name):
    """Random numbers that depend on nothing but the name."""
    return random.Random(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big"))


# Functions of a point x in the usual box -----------------------------------------------------------

def branin(x):
    a = x[1] - 5.1 / (4 * pi * pi) * x[0] * x[0] + 5 / pi * x[0] - 6
    return a * a + 10 * (1 - 1 / (8 * pi)) * cos(x[0]) + 10


HARTMANN_WEIGHT = (1.0, 1.2, 3.0, 3.2)
HARTMANN3_A = ((3, 10, 30), (0.1, 10, 35), (3, 10, 30), (0.1, 10, 35))
HARTMANN3_P = ((0.3689, 0.1170, 0.2673), (0.4699, 0.4387, 0.7470), (0.1091, 0.8732, 0.5547),
               (0.0381, 0.5743, 0.8828))
HARTMANN6_A = ((10, 3, 17, 3.5, 1.7, 8), (0.05, 10, 17, 0.1, 8, 14), (3, 3.5, 1.7, 10, 17, 8),
               (17, 8, 0.05, 10, 0.1, 14))
HARTMANN6_P = ((0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886),
               (0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991),
               (0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650),
               (0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381))


def hartmann(x):
    a, p = (HARTMANN3_A, HARTMANN3_P) if len(x) == 3 else (HARTMANN6_A, HARTMANN6_P)
    return -sum(w * exp(-sum(aj * (xj - pj) ** 2 for aj, pj, xj in zip(ai, pi_, x)))
                for w, ai, pi_ in zip(HARTMANN_WEIGHT, a, p))


def six_hump(x):
    a, b = x
    return (4 - 2.1 * a * a + a ** 4 / 3) * a * a + a * b + (4 * b * b - 4) * b * b


SHEKEL_A = ((4, 4, 4, 4), (1, 1, 1, 1), (8, 8, 8, 8), (6, 6, 6, 6), (3, 7, 3, 7), (2, 9, 2, 9),
            (5, 5, 3, 3), (8, 1, 8, 1), (6, 2, 6, 2), (7, 3.6, 7, 3.6))
SHEKEL_C = (0.1, 0.2, 0.2, 0.4, 0.4, 0.6, 0.3, 0.7, 0.5, 0.5)


def shekel(x):
    return -sum(1 / (c + sum((xj - aj) ** 2 for xj, aj in zip(x, a)))
                for a, c in zip(SHEKEL_A, SHEKEL_C))


def michalewicz(x):
    return -sum(sin(v) * sin((i + 1) * v * v / pi) ** 20 for i, v in enumerate(x))


def styblinski(x):
    return sum(0.5 * (v ** 4 - 16 * v * v + 5 * v) for v in x)


def rosenbrock(x):
    return sum(100 * (b - a * a) ** 2 + (1 - a) ** 2 for a, b in zip(x, x[1:]))


def levy(x):
    """Minimum 0 at x = 0."""
    w = [1 + v / 4 for v in x]
    total = sin(pi * w[0]) ** 2 + (w[-1] - 1) ** 2 * (1 + sin(2 * pi * w[-1]) ** 2)
    return total + sum((v - 1) ** 2 * (1 + 10 * sin(pi * v + 1) ** 2) for v in w[:-1])


def ackley(x):
    square = sum(v * v for v in x) / len(x)
    wave = sum(cos(2 * pi * v) for v in x) / len(x)
    return -20 * exp(-0.2 * sqrt(square)) - exp(wave) + 20 + math.e


def rastrigin(x):
    return sum(v * v - 10 * cos(2 * pi * v) + 10 for v in x)


def griewank(x):
    product = 1.0
    for i, v in enumerate(x):
        product *= cos(v / sqrt(i + 1))
    return sum(v * v for v in x) / 4000 - product + 1


def cosine_mixture(x):
    """Minimum 0 at x = 0."""
    return sum(v * v - 0.1 * cos(5 * pi * v) + 0.1 for v in x)


def ellipsoid(x):
    """Axes of very unlike weight."""
    return sum(10 ** (3 * i / max(1, len(x) - 1)) * v * v for i, v in enumerate(x))


def rotation(name, d):
    """A random orthogonal matrix as a list of rows."""
    rng = fixed_random(name)
    rows = []
    while len(rows) < d:
        row = [rng.gauss(0, 1) for _ in range(d)]
        for other in rows:
            along = sum(a * b for a, b in zip(row, other))
            row = [a - along * b for a, b in zip(row, other)]
        length = sqrt(sum(a * a for a in row))
        rows.append([a / length for a in row])
    return rows


# Functions of u in [0,1]^d with their optimum -------------------------------------------------------

class Box:
    """f(u) with its minimum and where it is (None: not needed)."""

    def __init__(self, function, d, minimum, best=None):
        self.function, self.d, self.minimum, self.best = function, d, minimum, best


def usual(name, function, low, high, minimum, best):
    """A function on its own box, coordinates mirrored at random so that the optimum is no diagonal."""
    d = len(low)
    rng = fixed_random("mirror " + name)
    mirrored = [rng.random() < 0.5 for _ in range(d)]

    def f(u):
        return function([b + (a - b) * v if m else a + (b - a) * v
                         for a, b, m, v in zip(low, high, mirrored, u)])

    at = [(v - a) / (b - a) for v, a, b in zip(best, low, high)]
    return Box(f, d, minimum, [1 - v if m else v for v, m in zip(at, mirrored)])


def shifted(name, function, d, half_width, rotated=False, levels=None):
    """A function with minimum 0 at 0, moved so that the minimum is at a random place in 0.12 … 0.42 or
    0.58 … 0.88 of each side. With `levels` the place is one of so many equidistant ones, the two ends
    included."""
    rng = fixed_random("shift " + name)
    best = []
    for _ in range(d):
        v = rng.uniform(0.12, 0.42)
        best.append(v if rng.random() < 0.5 else 1 - v)
    if levels:
        best = [round(v * (k - 1)) / (k - 1) if k else v for v, k in zip(best, levels)]
    turn = rotation(name, d) if rotated else None

    def f(u):
        x = [2 * half_width * (v - b) for v, b in zip(u, best)]
        if turn:
            x = [sum(a * b for a, b in zip(row, x)) for row in turn]
        return function(x)

    return Box(f, d, 0.0, best)


def box_branin(name):
    return usual(name, branin, (-5, 0), (10, 15), 0.39788735772973816, (pi, 2.275))


def box_hartmann(name, d):
    best, minimum = {
        3: ((0.11458889, 0.55564884, 0.85254695), -3.8627797870),
        6: ((0.20168951, 0.15001069, 0.47687398, 0.27533243, 0.31165162, 0.65730053), -3.3223680115),
    }[d]
    return usual(name, hartmann, [0] * d, [1] * d, minimum, best)


def box_rosenbrock(name, d):
    return usual(name, rosenbrock, [-2.5] * d, [2.1] * d, 0.0, [1] * d)


def box_styblinski(name, d):
    return usual(name, styblinski, [-5] * d, [5] * d, -39.16616570377142 * d, [-2.903534027771177] * d)


def box_michalewicz(name, d):
    # Its coordinates are independent: the best of each by a fine grid and bisection of the slope.
    best, minimum = [], 0.0
    for i in range(d):
        def part(v, i=i):
            return -sin(v) * sin((i + 1) * v * v / pi) ** 20
        at = min((k * pi / 20000 for k in range(20001)), key=part)
        step = pi / 20000
        while step > 1e-12:
            at = min((at - step, at, at + step), key=part)
            step /= 2
        best.append(at)
        minimum += part(at)
    return usual(name, michalewicz, [0] * d, [pi] * d, minimum, best)
