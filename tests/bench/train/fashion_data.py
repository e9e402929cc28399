"""Fashion-MNIST as IDX parts to upload, whole or some of it, and the error of a model asked over HTTP."""

import gzip
import os
import struct
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(HERE, "..", "..", "accept"))
from fashion_mnist import read, unpacked  # noqa: E402

SIZE = 28 * 28
CHUNK = 500


class Images:
    """Pixels of one image after the other, and a label a byte."""

    def __init__(self, pixels, labels):
        self.pixels, self.labels = pixels, labels

    def some(self, rows):
        return Images(b"".join(self.pixels[i * SIZE:(i + 1) * SIZE] for i in rows),
                      bytes(self.labels[i] for i in rows))

    def of_classes(self, classes):
        return self.some([i for i, label in enumerate(self.labels) if label in classes])

    def parts(self):
        """To upload."""
        count = len(self.labels)
        images = struct.pack(">IIII", 0x803, count, 28, 28) + self.pixels
        labels = struct.pack(">II", 0x801, count) + self.labels
        return [("images", "images.gz", gzip.compress(images, 1)), ("labels", "labels.gz", gzip.compress(labels, 1))]


def load(part):
    """part: train, t10k"""
    return Images(unpacked(read(f"{part}-images-idx3-ubyte"))[16:], unpacked(read(f"{part}-labels-idx1-ubyte"))[8:])


def upload(server, images, name):
    answer = server.upload("/api/v1/datasets", [*images.parts(), ("name", name)])
    assert answer.status in (201, 202), answer
    return server.wait_dataset(answer.json["id"])["id"]


def run_job(server, name, seconds, **members):
    """The job once it has ended well, and the wall seconds it took."""
    answer = server.post("/api/v1/jobs", {"deploy_as": name, "budget": {"seconds": seconds}, **members})
    assert answer.status == 202, answer
    began = time.monotonic()
    job = server.wait_job(answer.json["id"], 2 * seconds + 120)
    assert job["state"] == "succeeded", job
    return job, time.monotonic() - began


def errors(server, model, images):
    """How many of them the model takes for something else."""
    wrong = 0
    for first in range(0, len(images.labels), CHUNK):
        body = images.pixels[first * SIZE:(first + CHUNK) * SIZE]
        answer = server.post(f"/api/v1/models/{model}/predict", body, timeout=600,
                             headers={"Content-Type": "application/octet-stream"})
        assert answer.status == 200, answer
        wrong += sum(str(p["label"]) != str(label)
                     for p, label in zip(answer.json["predictions"], images.labels[first:first + CHUNK]))
    return wrong
