#!/usr/bin/env python3
"""make accept-fashion-mnist: Fashion-MNIST from Debian's package, 120 s, perceptron and linear only.

Uploads the IDX pair, runs one job, then sends all 10,000 test images through predict and compares the
accuracy over HTTP with what the report says. Must: >= 0.87, and within 0.01 of the report.
"""

import gzip
import os
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
from attune_server import AttuneServer  # noqa: E402

FOLDER = "/usr/share/datasets/fashion-mnist"
SECONDS = float(os.environ.get("ATTUNE_ACCEPT_SECONDS", "120"))


def read(name):
    for path in (f"{FOLDER}/{name}.gz", f"{FOLDER}/{name}"):
        if os.path.exists(path):
            with open(path, "rb") as file:
                return file.read()
    sys.exit(f"no {name} in {FOLDER}: install dataset-fashion-mnist")


def unpacked(data):
    return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data


def main():
    with AttuneServer() as server:
        parts = [("images", "images.gz", read("train-images-idx3-ubyte")),
                 ("labels", "labels.gz", read("train-labels-idx1-ubyte")), ("name", "fashion")]
        answer = server.upload("/api/v1/datasets", parts)
        assert answer.status in (201, 202), answer
        dataset = server.wait_dataset(answer.json["id"])
        print("dataset:", {key: dataset.get(key) for key in ("kind", "rows", "state")})
        started = time.monotonic()
        answer = server.post("/api/v1/jobs", {
            "dataset": dataset["id"], "name": "fashion", "deploy_as": "fashion",
            "budget": {"seconds": SECONDS}, "families": ["mlp", "linear"], "search": {"seed": 1}})
        assert answer.status == 202, answer
        job = server.wait_job(answer.json["id"], SECONDS * 2 + 60)
        wall = time.monotonic() - started
        assert job["state"] == "succeeded", job
        report = server.get("/api/v1/models/fashion/report").json
        images = unpacked(read("t10k-images-idx3-ubyte"))
        labels = unpacked(read("t10k-labels-idx1-ubyte"))
        count, height, width = struct.unpack(">3I", images[4:16])
        pixels = images[16:]
        size = height * width
        right = 0
        began = time.monotonic()
        for start in range(0, count, 500):
            body = pixels[start * size:(start + 500) * size]
            answer = server.post("/api/v1/models/fashion/predict", body,
                                 headers={"Content-Type": "application/octet-stream"})
            assert answer.status == 200, answer
            for i, prediction in enumerate(answer.json["predictions"]):
                right += str(prediction["label"]) == str(labels[8 + start + i])
        accuracy = right / count
        print(f"trials {job['trials']}, wall {wall:.1f} s for a budget of {SECONDS:.0f} s")
        print(f"report: {report['metric']} {report['score']:.4f} ({report['estimate']})")
        print(f"test accuracy over HTTP: {accuracy:.4f} ({count} images in {time.monotonic() - began:.1f} s)")
        ok = accuracy >= 0.87 and abs(accuracy - report["score"]) <= 0.01
        print("passed" if ok else "FAILED: wanted >= 0.87 and within 0.01 of the report")
        return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
