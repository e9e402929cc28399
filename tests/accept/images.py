#!/usr/bin/env python3
"""make accept-images: image jobs from a zip of 10,000 PNGs and from one of 2,000 mixed JPEGs.

The PNGs are Fashion-MNIST's (Debian's dataset-fashion-mnist), 1,000 of each class; the JPEGs are drawn here: bars,
crosses and frames in grey and colour, plain and progressive, from 40 x 40 to 300 x 300 pixels. Each set is
uploaded, trained on, and asked about single images that it has not seen. Must: the jobs succeed, accuracy over
HTTP >= 0.80 and >= 0.90, attuned's peak memory grows by less than 64 MB while it takes a zip in, and the
parser stays under 256 MB. `images.py upload` only takes the sets in, twice each, for timing that.
"""

import glob
import gzip
import os
import random
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
from attune_server import AttuneServer  # noqa: E402
from image_files import SHAPES, jpegs, png, shape, zipped  # noqa: E402

FOLDER = "/usr/share/datasets/fashion-mnist"
SECONDS = float(os.environ.get("ATTUNE_ACCEPT_SECONDS", "60"))
CLOTHES = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot")


def read(name):
    for path in (f"{FOLDER}/{name}.gz", f"{FOLDER}/{name}"):
        if os.path.exists(path):
            with open(path, "rb") as file:
                data = file.read()
            return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    sys.exit(f"no {name} in {FOLDER}: install dataset-fashion-mnist")


def clothes(part, each):
    """[(class, PNG)]: the first so many of each class."""
    images, labels = read(f"{part}-images-idx3-ubyte"), read(f"{part}-labels-idx1-ubyte")
    left, made = [each] * 10, []
    for i, label in enumerate(labels[8:]):
        if left[label]:
            left[label] -= 1
            made.append((label, png(images[16 + i * 784:16 + (i + 1) * 784], 28, 28)))
    return made


def drawn(count, seed):
    """[(class, JPEG)]: grey and colour in turn, half of them progressive."""
    rng = random.Random(seed)
    pictures = []
    for i in range(count):
        height, width, channels = rng.randint(40, 300), rng.randint(40, 300), 1 if i // 3 % 2 else 3
        pictures.append((shape(i % 3, height, width, channels, rng), height, width, channels))
    half = count // 2
    files = jpegs(pictures[:half]) + jpegs(pictures[half:], quality=60, progressive=True)
    return [(i % 3, content) for i, content in enumerate(files)]


def status(pid, field):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        for line in file:
            if line.startswith(field + ":"):
                return int(line.split()[1])
    return 0


def processor_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Watch(threading.Thread):
    """Peak memory of this server's parser, in KiB, and its processor time, while it lives."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.peak, self.seconds = pid, 0, 0.0
        self.over = threading.Event()

    def run(self):
        while not self.over.wait(0.02):
            for path in glob.glob("/proc/[0-9]*/comm"):
                try:
                    with open(path, encoding="ascii") as file:
                        one = path.split("/")[2]
                        if file.read().strip() == "attune-ingest" and status(one, "PPid") == self.pid:
                            self.peak = max(self.peak, status(one, "VmHWM"))
                            self.seconds = max(self.seconds, processor_seconds(one))
                except OSError:
                    pass


def take_in(server, name, classes, known, end):
    content = zipped([(f"{name}/{classes[kind]}/{i}{end}", data) for i, (kind, data) in enumerate(known)])
    before = status(server.process.pid, "VmHWM")
    watch = Watch(server.process.pid)
    watch.start()
    started = time.monotonic()
    answer = server.upload("/api/v1/datasets", [("file", f"{name}.zip", content)])
    assert answer.status in (201, 202), answer
    sent = time.monotonic() - started
    dataset = server.wait_dataset(answer.json["id"], 600)
    took = time.monotonic() - started
    watch.over.set()
    watch.join()
    grown = status(server.process.pid, "VmHWM") - before
    assert dataset["state"] == "ready", dataset
    print(f"{name}: a zip of {len(content) / 1e6:.1f} MB with {len(known)} images, sent in {sent:.1f} s, ready after "
          f"{took:.1f} s as {dataset['rows']} images of {dataset['width']} x {dataset['height']} x "
          f"{dataset['channels']} in {len(dataset['classes'])} classes")
    for warning in dataset["warnings"]:
        print(f"  warning: {warning}")
    print(f"  attuned grew by {grown / 1024:.1f} MiB, the parser's peak was {watch.peak / 1024:.1f} MiB, its processor "
          f"time {watch.seconds:.2f} s", flush=True)
    return dataset, grown, watch.peak


def run(server, name, classes, known, fresh, end, media, wanted):
    dataset, grown, peak = take_in(server, name, classes, known, end)
    answer = server.post("/api/v1/jobs", {"dataset": dataset["id"], "deploy_as": name, "search": {"seed": 1},
                                          "budget": {"seconds": SECONDS}})
    assert answer.status == 202, answer
    job = server.wait_job(answer.json["id"], SECONDS * 3 + 120)
    assert job["state"] == "succeeded", job
    report = server.get(f"/api/v1/models/{name}/report").json
    right, began = 0, time.monotonic()
    for kind, data in fresh:
        answer = server.call("POST", f"/api/v1/models/{name}/predict", data, {"Content-Type": media})
        assert answer.status == 200, answer
        right += answer.json["predictions"][0]["label"] == classes[kind]
    accuracy, each = right / len(fresh), (time.monotonic() - began) / len(fresh)
    print(f"  job: {job['trials']} in {SECONDS:.0f} s, best {job['best']['family']}; report: {report['metric']} "
          f"{report['score']:.4f} ({report['estimate']})")
    print(f"  accuracy over HTTP on {len(fresh)} single images: {accuracy:.4f}, {each * 1e3:.2f} ms each",
          flush=True)
    return accuracy >= wanted and grown < 64 << 10 and 0 < peak < 256 << 10


def main():
    with AttuneServer() as server:
        if sys.argv[1:] == ["upload"]:
            for _ in range(2):
                take_in(server, "clothes", CLOTHES, clothes("train", 1000), ".png")
                take_in(server, "shapes", SHAPES, drawn(2000, 1), ".jpg")
            return 0
        good = run(server, "clothes", CLOTHES, clothes("train", 1000), clothes("t10k", 100), ".png",
                   "image/png", 0.80)
        good = run(server, "shapes", SHAPES, drawn(2000, 1), drawn(300, 2), ".jpg", "image/jpeg", 0.90) and good
    print("passed" if good else "FAILED: wanted 0.80, 0.90, < 64 MiB and < 256 MiB")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
