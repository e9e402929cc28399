#!/usr/bin/env python3
"""Writes net_numbers.h: losses, gradients, predictions, optimizer steps and linear fits from numpy.

Everything in double precision, straight from the formulas in engine/model/net.h, engine/train/loss.h
and engine/train/optim.h; needs numpy only.   python3 tests/num/gen_net.py > tests/num/net_numbers.h
"""
import numpy as np

ROWS, INPUTS, UNITS, CLASSES = 6, 4, 5, 3


def wave(count, step, shift, size):
    """The numbers both sides use as data and weights."""
    return np.sin(np.arange(count) * step + shift) * size


def show(name, values):
    flat = np.asarray(values, dtype=float).ravel()
    lines = [", ".join("%.9e" % v for v in flat[i:i + 6]) for i in range(0, len(flat), 6)]
    print("static const double %s[%d] = {\n  %s};" % (name, len(flat), ",\n  ".join(lines)))


def act(name, z):
    if name == "relu":
        return np.maximum(z, 0), (z > 0) * 1.0
    if name == "tanh":
        t = np.tanh(z)
        return t, 1 - t * t
    if name == "gelu":
        c, k = np.sqrt(2 / np.pi), 0.044715
        t = np.tanh(c * (z + k * z**3))
        return 0.5 * z * (1 + t), 0.5 * (1 + t) + 0.5 * z * (1 - t * t) * c * (1 + 3 * k * z * z)
    if name == "selu":
        scale, alpha = 1.0507009873554805, 1.6732632423543772
        low = alpha * np.expm1(np.minimum(z, 0))
        return scale * np.where(z > 0, z, low), scale * np.where(z > 0, 1, low + alpha)
    if name == "silu":
        s = 1 / (1 + np.exp(-z))
        return z * s, s * (1 + z * (1 - s))
    s = np.log1p(np.exp(z))
    t = np.tanh(s)
    return z * t, t + z * (1 - t * t) / (1 + np.exp(-z))


def layers(outputs):
    """Weights and biases of 4 → 5 → 5 → outputs out of one flat array."""
    shapes = [(INPUTS, UNITS), (UNITS, UNITS), (UNITS, outputs)]
    flat = wave(sum(i * o + o for i, o in shapes), 0.7, 0.3, 0.6)
    out, at = [], 0
    for i, o in shapes:
        out.append((flat[at:at + i * o].reshape(i, o), flat[at + i * o:at + i * o + o]))
        at += i * o + o
    return out


def run(name, outputs, loss):
    x = wave(ROWS * INPUTS, 1.3, 0.1, 1.5).reshape(ROWS, INPUTS)
    weights = layers(outputs)
    a, slopes, inputs = x, [], []
    for index, (w, b) in enumerate(weights):
        inputs.append(a)
        z = a @ w + b
        if index + 1 < len(weights):
            a, slope = act(name, z)
            slopes.append(slope)
    value, d = loss(z)
    grads = []
    for index in range(len(weights) - 1, -1, -1):
        grads = [(inputs[index].T @ d).ravel(), d.sum(0)] + grads
        if index:
            d = (d @ weights[index][0].T) * slopes[index - 1]
    return value, np.concatenate(grads), z


def softmax_loss(z):
    classes, eps = np.array([0, 1, 2, 2, 1, 0]), 0.1
    weight = np.array([1.0, 0.5, 2.0, 1.0, 0.75, 0.75])
    p = np.exp(z - z.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    t = np.full_like(p, eps / CLASSES)
    t[np.arange(ROWS), classes] += 1 - eps
    return (weight * -(t * np.log(p)).sum(1)).sum() / ROWS, weight[:, None] * (p - t) / ROWS


def square_loss(z):
    target = wave(ROWS, 0.9, 0.2, 1.0)[:, None]
    return ((z - target) ** 2).sum() / (2 * ROWS), (z - target) / ROWS


def value_losses():
    """Absolute, Huber and pinball loss of the same six errors, with weights; the widths are the test's."""
    y, target = wave(ROWS, 1.7, 0.4, 1.2), wave(ROWS, 0.9, 0.2, 1.0)
    weight = np.array([1.0, 0.5, 2.0, 1.0, 0.75, 0.75])
    e, width, level = y - target, 0.4, 0.8
    size, near = np.abs(e), np.abs(e) < width
    absolute = np.where(near, e * e / (2 * width) + width / 2, size)
    huber = np.where(size <= width, e * e / 2, width * (size - width / 2))
    line = np.where(e < 0, -level * e, (1 - level) * e)
    round_line = e * e / (4 * width) - (level - 0.5) * e + width / 4
    pinball = np.where(near, round_line, line)
    slopes = {
        "absolute": np.where(near, e / width, np.sign(e)),
        "huber": np.where(size <= width, e, width * np.sign(e)),
        "pinball": np.where(near, e / (2 * width) - (level - 0.5), np.where(e < 0, -level, 1 - level)),
    }
    for name, value in (("absolute", absolute), ("huber", huber), ("pinball", pinball)):
        show("golden_value_loss_" + name, [(weight * value).sum() / ROWS])
        show("golden_value_slope_" + name, weight * slopes[name] / ROWS)


def optimizers():
    """Twelve steps of each, on two ranges: the second has its own rate and no decay."""
    mu, b1, alpha = 0.9, 0.9, 0.99
    for name, kind, b2, eps, clip in (
            ("adamw", "adamw", 0.99, 1e-8, 0), ("adam", "adam", 0.99, 1e-8, 0), ("nesterov", "nesterov", 0, 0, 0),
            ("momentum", "momentum", 0, 0, 0), ("rmsprop", "rmsprop", 0, 1e-8, 0),
            ("beta2", "adamw", 0.95, 1e-2, 0), ("clip", "nesterov", 0, 0, 0.5)):
        w, m, v, shadow = wave(5, 1.1, 0.4, 1.0), np.zeros(5), np.zeros(5), wave(5, 1.1, 0.4, 1.0)
        rate, decay = 0.05 * np.array([1, 1, 1, 0.1, 0.1]), 0.02 * np.array([1, 1, 1, 0, 0])
        for t in range(1, 13):
            g = wave(5, 0.6, t, 0.8)
            norm = np.sqrt((g * g).sum())
            if clip and norm > clip:
                g = g * clip / norm
            keep = 1 if kind == "adam" else 1 - rate * decay
            if kind == "nesterov":
                m = mu * m + g
                step = rate * (g + mu * m)
            elif kind == "momentum":
                m = mu * m + g
                step = rate * m
            elif kind == "rmsprop":
                v = alpha * v + (1 - alpha) * g * g
                m = mu * m + g / (np.sqrt(v) + eps)
                step = rate * m
            else:
                if kind == "adam":
                    g = g + decay * w
                m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
                step = rate * (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + eps)
            w = w * keep - step
            d = min(0.5, (1 + t) / (10 + t))
            shadow = d * shadow + (1 - d) * w
        show("golden_optim_" + name, w)
        if name == "nesterov":
            show("golden_ema", shadow)


def linear_data():
    x = wave(40 * 3, 2.3, 0.5, 1.2).reshape(40, 3)
    y = x @ np.array([1.0, -2.0, 0.3]) + 0.5 * wave(40, 5.1, 0.7, 1.0) + 0.25
    return x, y


def ridge(penalty):
    x, y = linear_data()
    xc, yc = x - x.mean(0), y - y.mean()
    w = np.linalg.solve(xc.T @ xc / 40 + penalty * np.eye(3), xc.T @ yc / 40)
    return np.append(w, y.mean() - x.mean(0) @ w)


def lasso(penalty, ratio):
    """Proximal gradient descent, a method other than the one under test."""
    x, y = linear_data()
    xc, yc = x - x.mean(0), y - y.mean()
    w, step = np.zeros(3), 1 / (np.linalg.norm(xc, 2) ** 2 / 40 + penalty)
    for _ in range(200000):
        g = xc.T @ (xc @ w - yc) / 40 + penalty * (1 - ratio) * w
        w = w - step * g
        w = np.sign(w) * np.maximum(np.abs(w) - step * penalty * ratio, 0)
    return np.append(w, y.mean() - x.mean(0) @ w)


def logistic(penalty, ratio):
    """Proximal gradient descent on the mean logistic loss; the bias is not penalised."""
    x, y = linear_data()
    t, xb = (y > 0) * 1.0, np.hstack([x, np.ones((40, 1))])
    w, step = np.zeros(4), 4 / (np.linalg.norm(xb, 2) ** 2 / 40 + 4 * penalty)
    for _ in range(200000):
        p = 1 / (1 + np.exp(-xb @ w))
        g = xb.T @ (p - t) / 40
        g[:3] += penalty * (1 - ratio) * w[:3]
        w = w - step * g
        w[:3] = np.sign(w[:3]) * np.maximum(np.abs(w[:3]) - step * penalty * ratio, 0)
    return w


def main():
    print("/* Written by gen_net.py; do not edit. */\n/* clang-format off */")
    for name in ("relu", "gelu", "mish", "tanh", "selu", "silu"):
        for kind, outputs, loss in (("softmax", CLASSES, softmax_loss), ("square", 1, square_loss)):
            value, grads, z = run(name, outputs, loss)
            show("golden_loss_%s_%s" % (kind, name), [value])
            show("golden_gradient_%s_%s" % (kind, name), grads)
            show("golden_output_%s_%s" % (kind, name), z)
    value_losses()
    optimizers()
    show("golden_ridge", ridge(0.05))
    show("golden_lasso", lasso(0.4, 0.75))
    show("golden_logistic", logistic(0.02, 0.0))
    show("golden_logistic_l1", logistic(0.1, 0.8))


main()
