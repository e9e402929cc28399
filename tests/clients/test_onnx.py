"""Exported models in ONNX Runtime, which comes into a virtual environment of the test's own (about 20 s)."""

import json
import os
import random
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from test_clients import environment  # noqa: E402
from attune_server import AttuneServer  # noqa: E402
from common import idx_images, idx_labels, pictures  # noqa: E402

WORDS = ["north", "south", "caf\u00e9 \"mile\"", "old, town"]
SPACE = {"trees": {"rounds": 15}, "mlp": {"epochs": 3, "units": 8}, "cnn": {"epochs": 2, "filters": 4}}


def table(count, seed):
    """Rows with numbers and words, some missing, and what there is to be told of them."""
    draw = random.Random(seed)
    for _ in range(count):
        size, floor, place = draw.uniform(1, 9), draw.randint(0, 9), draw.choice(WORDS)
        owner = f"owner {draw.randint(0, 59)}"
        worth = size + 0.3 * floor + 2 * WORDS.index(place) + draw.gauss(0, 0.5)
        row = {"size": size, "floor": floor, "place": place, "lift": draw.choice(["yes", "no"]), "owner": owner}
        for name in ("size", "place", "lift"):
            if draw.random() < 0.1:
                row[name] = None
        yield row, {"worth": worth, "dear": "dear" if worth > 8 else "cheap",
                    "kind": "low" if worth < 6 else "high" if worth > 11 else "middle"}


def csv(rows):
    lines = ["size,floor,place,lift,owner,worth,dear,kind"]
    for row, told in rows:
        cells = ["" if cell is None else str(cell).replace('"', '""') for cell in (*row.values(), *told.values())]
        lines.append(",".join(f'"{cell}"' if cell else "" for cell in cells))
    return "\n".join(lines).encode() + b"\n"


class Export(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = AttuneServer(engines=2)
        cls.addClassCleanup(cls.server.close)
        cls.server.start()
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = folder.name
        answer = cls.server.upload("/api/v1/datasets", [("file", "houses.csv", csv(table(500, 1)))])
        cls.houses = cls.server.wait_dataset(answer.json["id"])["id"]
        images, labels = pictures()
        answer = cls.server.upload("/api/v1/datasets", [("images", "i", idx_images(images)), ("labels", "l", idx_labels(labels))])
        cls.pictures = cls.server.wait_dataset(answer.json["id"])["id"]
        cls.images = images[:50]
        cls.jobs = {}
        for target in ("worth", "dear", "kind"):
            for family in ("linear", "trees", "mlp"):
                cls.start(f"{target}-{family}", cls.houses, [family], target=target)
        cls.start("dear-all", cls.houses, ["linear", "trees", "mlp"], target="dear", metric="f1")
        for family in ("linear", "cnn"):
            cls.start(f"pictures-{family}", cls.pictures, [family])

    @classmethod
    def start(cls, name, dataset, families, **more):
        answer = cls.server.post("/api/v1/jobs", {
            "dataset": dataset, "families": families, "deploy_as": name, "budget": {"trials": 2 * len(families) - 1},
            "search": {"seed": 1, "space": {family: SPACE[family] for family in families if family in SPACE}}, **more})
        assert answer.status == 202, answer
        cls.jobs[name] = answer.json["id"]

    def answers(self, name):
        if name.startswith("pictures"):
            body = b"".join(bytes(image) for image in self.images)
            answer = self.server.call("POST", f"/api/v1/models/{name}/predict", body,
                                      {"Content-Type": "application/octet-stream"})
            return [list(image) for image in self.images], answer
        rows = [{key: value for key, value in row.items() if value is not None} for row, _ in table(200, 2)]
        rows[0]["place"] = "nowhere"
        return rows, self.server.post(f"/api/v1/models/{name}/predict", {"rows": rows})

    def test_onnx(self):
        for name, job in self.jobs.items():
            done = self.server.wait_job(job, 120)
            self.assertEqual(done["state"], "succeeded", done)
            rows, answer = self.answers(name)
            self.assertEqual(answer.status, 200, answer)
            model = self.server.get(f"/api/v1/models/{name}/versions/{done['model']['version']}/export?format=onnx")
            self.assertEqual(model.status, 200, model)
            os.mkdir(os.path.join(self.folder, name))
            for file, content in (("model.onnx", model.raw), ("rows.json", json.dumps(rows).encode()),
                                  ("answers.json", json.dumps(answer.json["predictions"]).encode())):
                with open(os.path.join(self.folder, name, file), "wb") as out:
                    out.write(content)
        python = environment("onnx", "onnxruntime", "numpy")
        run = subprocess.run([python, os.path.join(HERE, "client_onnx.py")], env={**os.environ, "FOLDER": self.folder},
                             capture_output=True, text=True, timeout=120)
        self.assertEqual(run.returncode, 0, run.stdout[-3000:] + run.stderr[-3000:])


if __name__ == "__main__":
    unittest.main()
