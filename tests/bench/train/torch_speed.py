"""The networks of train_speed.c in PyTorch, one thread, for speed.py; run in the environment `torch`.

torch_speed.py CASE BATCH PRECISION VARIANT     PRECISION: fp32, bf16; VARIANT: words joined by + of
  compile (torch.compile of the forward pass and the loss), tuned (its max-autotune), cpp (its C++ wrapper),
  last (channels_last); "eager" stands for none.

Each line "SECONDS" on its standard input is answered with one line of JSON: samples, wall and processor
seconds, the last loss. The data lie ready as floats; a step is a gather of the next rows in a new order,
forward, loss, backward and a fused optimizer step.
"""

import importlib
import json
import os
import sys
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")

import torch  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

IMAGES, ROWS, SIDE, NUMBERS = 19200, 25600, 28, 20


class Conv(nn.Module):
    """conv32-conv64-fc128; pooling before the activation, which is the same and cheaper."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 32, 3, padding=1), nn.Conv2d(32, 64, 3, padding=1)
        self.dense, self.head = nn.Linear(64 * 7 * 7, 128), nn.Linear(128, 10)
        self.dropout = nn.Dropout(0.2)

    def forward(self, x):
        x = F.relu(F.max_pool2d(self.conv1(x), 2))
        x = F.relu(F.max_pool2d(self.conv2(x), 2))
        return self.head(self.dropout(F.relu(self.dense(x.flatten(1)))))


class Unit(nn.Module):
    """Convolution, pooling, batch norm without a factor, relu."""

    def __init__(self, before, after, pools):
        super().__init__()
        self.conv = nn.Conv2d(before, after, 3, padding=1, bias=False)
        self.norm, self.pools = nn.BatchNorm2d(after), pools
        self.norm.weight.requires_grad = False

    def forward(self, x):
        x = self.conv(x)
        return F.relu(self.norm(F.max_pool2d(x, 2) if self.pools else x))


class Residual(nn.Module):
    """Three stages of 32, 64 and 128 maps: a unit, which pools from the second stage on, and a residual
    block of two units. The head takes the mean and the largest value of each map."""

    def __init__(self):
        super().__init__()
        self.starts = nn.ModuleList([Unit(1, 32, False), Unit(32, 64, True), Unit(64, 128, True)])
        self.blocks = nn.ModuleList([nn.Sequential(Unit(w, w, False), Unit(w, w, False)) for w in (32, 64, 128)])
        self.head = nn.Linear(256, 10)

    def forward(self, x):
        for start, block in zip(self.starts, self.blocks):
            x = start(x)
            x = x + block(x)
        return self.head(torch.cat((x.mean((2, 3)), x.amax((2, 3))), 1))


def dense(sizes, dropout):
    layers = []
    for i in range(len(sizes) - 1):
        layers.append(nn.Linear(sizes[i], sizes[i + 1]))
        if i + 2 < len(sizes):
            layers.append(nn.ReLU())
            if dropout:
                layers.append(nn.Dropout(dropout))
    return nn.Sequential(*layers)


def make(case):
    """(network, optimizer class and arguments, rows, classes)"""
    torch.manual_seed(1)
    momentum = (torch.optim.SGD, {"lr": 0.01, "momentum": 0.9})
    if case == "mlp":
        return dense([784, 256, 128, 10], 0.2), *momentum, (IMAGES, SIDE * SIDE), 10
    if case == "table":
        return dense([20, 64, 64, 2], 0.0), torch.optim.Adam, {"lr": 1e-3}, (ROWS, NUMBERS), 2
    if case == "cnn":
        return Conv(), *momentum, (IMAGES, 1, SIDE, SIDE), 10
    if case == "residual":
        return Residual(), *momentum, (IMAGES, 1, SIDE, SIDE), 10
    sys.exit(f"there is no case {case}")


class Loop:
    def __init__(self, case, batch, precision, words):
        self.net, optimizer, arguments, shape, classes = make(case)
        self.batch, self.bf16 = batch, precision == "bf16"
        self.labels = torch.randint(classes, (shape[0],))
        self.data = torch.randn(classes, *shape[1:])[self.labels] + 2 * torch.randn(*shape)
        if "last" in words:
            self.net = self.net.to(memory_format=torch.channels_last)
            self.data = self.data.to(memory_format=torch.channels_last)
        wanted = [p for p in self.net.parameters() if p.requires_grad]
        self.params = sum(p.numel() for p in wanted)
        self.optimizer = optimizer(wanted, fused=True, **arguments)
        self.loss_of = self.loss
        if "compile" in words:
            if "cpp" in words:
                inductor = importlib.import_module("torch._inductor.config")
                inductor.cpp_wrapper = True
            self.loss_of = torch.compile(self.loss, mode="max-autotune" if "tuned" in words else None)
        self.order, self.at = torch.randperm(len(self.labels)), 0

    def loss(self, x, y):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.bf16):
            return F.cross_entropy(self.net(x), y)

    def step(self):
        if self.at + self.batch > len(self.labels):
            self.order, self.at = torch.randperm(len(self.labels)), 0
        rows = self.order[self.at:self.at + self.batch]
        self.at += self.batch
        loss = self.loss_of(self.data.index_select(0, rows), self.labels.index_select(0, rows))
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        return loss

    def run(self, seconds):
        wall, cpu, samples = time.perf_counter(), time.process_time(), 0
        while time.perf_counter() - wall < seconds:
            loss = self.step()
            samples += self.batch
        return {"samples": samples, "wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu,
                "loss": float(loss.detach())}


def main():
    case, batch, precision, variant = sys.argv[1:5]
    torch.set_num_threads(1)
    torch.set_num_interop_threads(1)
    loop = Loop(case, int(batch), precision, variant.split("+"))
    for _ in range(3):
        loop.step()
    print(json.dumps({"params": loop.params, "version": torch.__version__}), flush=True)
    for line in sys.stdin:
        print(json.dumps(loop.run(float(line))), flush=True)


if __name__ == "__main__":
    main()
