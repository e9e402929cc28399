#!/usr/bin/env python3
"""make accept-soak: 30 minutes of predictions of every kind, of batches, and of alias switches and splits, while the server's
memory is watched.

wrk asks for one row at full speed and checks each answer; beside it a connection each sends CSV, images, the dialects, calls
that explain or say what is unusual, many rows, and batches. The curve of the resident memory is printed. The first
sixth is left to fill what is kept between requests. From then on the memory may grow by 8 MB, from the median of
the first ten looks to that of the last ten. ATTUNE_ACCEPT_SECONDS makes it shorter.
"""

import base64
import collections
import json
import os
import statistics
import struct
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "api")]
import switches  # noqa: E402
from attune_server import AttuneServer, Client  # noqa: E402
from common import idx_images, idx_labels, pictures, png  # noqa: E402

SECONDS = float(os.environ.get("ATTUNE_ACCEPT_SECONDS", "1800"))
LOOKS = 120
SHOWN = 24
GROWTH = 8 << 20
PAUSE_S = 0.01  # between the calls of a kind, so that each of them comes often and none takes all
ROWS = [[0.3, -0.2], [0.1, 0.9]]
JSON = {"Content-Type": "application/json"}


def calls(server):
    """What is sent beside: name -> function of a client that returns the answer."""
    image = png(pictures(1)[0][0], 8, 8)
    head = json.dumps({"inputs": [{"name": "rows", "datatype": "FP32", "shape": [1, 2], "parameters": {"binary_data_size": 8}}]}).encode()
    csv = b"a,b\n" + b"0.25,-0.5\n" * 50
    many = json.dumps({"rows": ROWS * 1000}).encode()
    live = "/api/v1/models/switched@live/predict"

    def batch(client):
        made = client.upload("/api/v1/models/switched@live/batches", [("file", "rows.csv", csv + b"0.5,0.5\n" * 5000)])
        if made.status == 202:
            client.wait_batch(made.json["id"])
            client.call("DELETE", f"/api/v1/batches/{made.json['id']}")
        time.sleep(1)
        return made

    found = {
        "csv": lambda client: client.call("POST", live, csv, {"Content-Type": "text/csv"}),
        "many rows": lambda client: client.call("POST", live, many, JSON),
        "explain": lambda client: client.post(live, {"rows": ROWS, "explain": True}),
        "unusual": lambda client: client.post(live, {"rows": ROWS, "unusual": True}),
        "image": lambda client: client.call("POST", "/api/v1/models/kinds/predict", image, {"Content-Type": "image/png"}),
        "base64": lambda client: client.post("/api/v1/models/kinds/predict", {"images": [base64.b64encode(image).decode()] * 3}),
        "form": lambda client: client.upload("/api/v2/ImageCategorization/LabelFile/", [("file", "x.png", image), ("modelId", "kinds")]),
        "mlflow": lambda client: client.post("/api/v1/models/switched@live/invocations", {"inputs": ROWS}),
        "tf": lambda client: client.post("/v1/models/switched/labels/live:predict", {"instances": ROWS}),
        "v2": lambda client: client.post("/v2/models/switched@live/infer", {
            "inputs": [{"name": "rows", "datatype": "FP64", "shape": [2, 2], "data": ROWS}]}),
        "v2 binary": lambda client: client.call("POST", "/v2/models/switched@live/infer", head + struct.pack("<2f", *ROWS[0]), {
            "Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(head))}),
        "faulty": lambda client: client.call("POST", live, b'{"rows":[{"a":"x"},', JSON),
        "batches": batch,
    }
    def feedback(client):
        told = client.post(live, {"rows": ROWS[:1]})
        return client.post("/api/v1/feedback", {"prediction_id": told.json["prediction_id"], "truth": 1.5})

    return {**found, "feedback": feedback}


class Others:
    """A thread for each kind of call; counts[kind][status]."""

    def __init__(self, server):
        self.stop = threading.Event()
        self.counts = collections.defaultdict(collections.Counter)
        self.first = {}
        self.threads = [threading.Thread(target=self.run, args=(server, name, call), daemon=True)
                        for name, call in calls(server).items()]
        for thread in self.threads:
            thread.start()

    def run(self, server, name, call):
        client = type("Waiting", (Client,), {"wait_batch": AttuneServer.wait_batch})(server.port, server.key)
        while not self.stop.is_set():
            try:
                answer = call(client)
                status = answer.status
            except (OSError, AssertionError) as fault:
                status, answer = "broken", fault
            self.counts[name][status] += 1
            if not self.good(name, status):
                self.first.setdefault(name, answer)
            time.sleep(PAUSE_S)

    @staticmethod
    def good(name, status):
        """Under this flood the log of predictions is a sample, so of most no truth can be told; see hears_again."""
        wanted = {"faulty": (400,), "feedback": (202, 404)}
        return status in wanted.get(name, (200, 202))

    def result(self):
        """How many were answered as they must not be."""
        self.stop.set()
        for thread in self.threads:
            thread.join(120)
        for name, counted in self.counts.items():
            print(f"{name:10} " + ", ".join(f"{count} x {status}" for status, count in sorted(counted.items(), key=str)))
        for name, answer in self.first.items():
            print(f"first bad answer to {name}: {answer}")
        return sum(count for name, counted in self.counts.items() for status, count in counted.items()
                   if not self.good(name, status)) + (len(self.threads) - len(self.counts))


def hears_again(server):
    """Once the flood is over truths are taken again."""
    client = Client(server.port, server.key)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if calls(server)["feedback"](client).status == 202:
            return True
        time.sleep(0.2)
    return False


def make_pictures(server):
    pixels, labels = pictures(60)
    answer = server.upload("/api/v1/train?wait=120", [("images", "i", idx_images(pixels)), ("labels", "l", idx_labels(labels)),
                                                      ("name", "kinds"), ("families", "linear"), ("trials", "1")])
    if answer.status != 200 or answer.json["state"] != "succeeded":
        raise SystemExit(f"no model of pictures: {answer}")


def main():
    with AttuneServer(engines=1) as server:
        expected = switches.make_models(server, 4)
        make_pictures(server)
        versions = list(expected)
        print(f"idle: {switches.figure(server, 'attune_resident_bytes') / 1e6:.1f} MB", flush=True)
        traffic, others = switches.Traffic(server, expected, SECONDS), Others(server)
        began, looks = time.monotonic(), []
        for number in range(LOOKS):
            switches.switch_by(server, versions, number)
            time.sleep(max(0.0, began + (number + 1) * SECONDS * 0.95 / LOOKS - time.monotonic()))
            looks.append(switches.figure(server, "attune_resident_bytes"))
            if (number + 1) % (LOOKS // SHOWN) == 0:
                print(f"{time.monotonic() - began:7.0f} s {looks[-1] / 1e6:8.1f} MB", flush=True)
        requests, seconds, refused, mixed, broken, _ = traffic.result()
        bad = others.result() + (not hears_again(server))
        settled = looks[LOOKS // 6:]
        first, last = statistics.median(settled[:10]), statistics.median(settled[-10:])
        print(f"{requests} predictions in {seconds:.0f} s; memory {first / 1e6:.1f} MB, then {last / 1e6:.1f} MB, most {max(looks) / 1e6:.1f} MB")
        print(f"refused {refused}, mixed {mixed}, broken connections {broken}, bad answers beside {bad}")
        passed = min(looks) > 0 and last - first <= GROWTH and not (refused or mixed or broken or bad)
        print("passed" if passed else f"FAILED: no request may fail, and memory may not grow by more than {GROWTH >> 20} MB")
        return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
