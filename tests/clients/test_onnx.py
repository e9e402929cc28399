"""Exported models in ONNX Runtime, which comes into a virtual environment of the test's own (about 20 s), and as C.

All rows that are asked were held out of training. `make accept-export` runs this with more of them, and compiles the C files:
ATTUNE_EXPORT_TRAIN and ATTUNE_EXPORT_ROWS are the rows, ATTUNE_EXPORT_C compiles.
"""

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
TRAIN = int(os.environ.get("ATTUNE_EXPORT_TRAIN", "500"))
ROWS = int(os.environ.get("ATTUNE_EXPORT_ROWS", "200"))
COMPILE = bool(os.environ.get("ATTUNE_EXPORT_C"))
C_WITHIN = 1e-6
SPACE = {"trees": {"rounds": 40}, "mlp": {"epochs": 3, "units": 8}, "cnn": {"epochs": 2, "filters": 4}}


def table(count, seed):
    """Rows with numbers and words, some missing, and what there is to be told of them."""
    draw = random.Random(seed)
    for _ in range(count):
        size, floor, place = draw.uniform(1, 9), draw.randint(0, 9), draw.choice(WORDS)
        owner = f"owner {draw.randint(0, 59)}"
        worth = size + 0.3 * floor + 2 * WORDS.index(place) + draw.gauss(0, 0.5)
        worth += 2 if size > 4 and floor > 3 else 0  # neither a line nor a few small trees: their mix is better
        row = {"size": size, "floor": floor, "place": place, "lift": draw.choice(["yes", "no"]), "owner": owner}
        for name in ("size", "place", "lift"):
            if draw.random() < 0.1:
                row[name] = None
        yield row, {"worth": worth, "dear": "dear" if worth > 8 else "cheap",
                    "kind": "low" if worth < 6 else "high" if worth > 11 else "middle"}


def csv(rows):
    """With what there is to be told, where that is known."""
    lines = ["size,floor,place,lift,owner,worth,dear,kind"]
    for row, told in rows:
        cells = [row.get(name) for name in ("size", "floor", "place", "lift", "owner")]
        cells = ["" if cell is None else str(cell).replace('"', '""') for cell in (*cells, *told.values())]
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
        answer = cls.server.upload("/api/v1/datasets", [("file", "houses.csv", csv(table(TRAIN, 1)))])
        cls.houses = cls.server.wait_dataset(answer.json["id"])["id"]
        images, labels = pictures(TRAIN // 2)
        answer = cls.server.upload("/api/v1/datasets", [("images", "i", idx_images(images)), ("labels", "l", idx_labels(labels))])
        cls.pictures = cls.server.wait_dataset(answer.json["id"])["id"]
        cls.images = pictures(ROWS, 4)[0]
        cls.jobs = {}
        for target in ("worth", "dear", "kind"):
            for family in ("linear", "trees", "mlp"):
                cls.start(f"{target}-{family}", cls.houses, [family], target=target)
        for target, metric in (("dear", "f1"), ("worth", "rmse")):
            cls.start(f"{target}-all", cls.houses, ["linear", "trees", "mlp"], target=target, metric=metric)
        for families in (["linear"], ["cnn"], ["linear", "cnn"]):
            cls.start(f"pictures-{families[0] if len(families) == 1 else 'all'}", cls.pictures, families)

    @classmethod
    def start(cls, name, dataset, families, **more):
        answer = cls.server.post("/api/v1/jobs", {
            "dataset": dataset, "families": families, "deploy_as": name, "budget": {"trials": 2 * len(families) - 1},
            "search": {"seed": 1, "parallel": 1, "space": {family: SPACE[family] for family in families if family in SPACE}}, **more})
        assert answer.status == 202, answer
        cls.jobs[name] = answer.json["id"]

    def answers(self, name):
        if name.startswith("pictures"):
            body = b"".join(bytes(image) for image in self.images)
            answer = self.server.call("POST", f"/api/v1/models/{name}/predict", body,
                                      {"Content-Type": "application/octet-stream"})
            return [list(image) for image in self.images], answer
        rows = [{key: value for key, value in row.items() if value is not None} for row, _ in table(ROWS, 2)]
        rows[0]["place"] = "nowhere"
        return rows, self.server.post(f"/api/v1/models/{name}/predict", {"rows": rows})

    def check_c(self, name, path, rows, answer):
        """The C file, compiled, answers within a millionth: of a probability, or of the largest of the numbers."""
        source = os.path.join(self.folder, name, "model.c")
        with open(source, "wb") as out:
            out.write(self.server.get(path + "?format=c").raw)
        subprocess.run(["gcc", "-O2", "-DATTUNE_MAIN", source, "-o", source[:-2], "-lm"], check=True)
        fed = b"".join(bytes(row) for row in rows) if name.startswith("pictures") else csv((row, {}) for row in rows)
        run = subprocess.run([source[:-2]], input=fed, stdout=subprocess.PIPE, check=True)
        told = [line.split(",") for line in run.stdout.decode().splitlines()]
        self.assertEqual(len(told), len(rows))
        if "value" in answer[0]:
            largest = max(abs(one["value"]) for one in answer)
            off = max(abs(float(line[0]) - one["value"]) for line, one in zip(told, answer)) / largest
        else:
            self.assertEqual([line[0] for line in told], [one["label"] for one in answer])
            off = max(abs(float(cell) - probability) for line, one in zip(told, answer)
                      for cell, probability in zip(line[1:], one["probabilities"].values()))
        print(f"{name}: {len(rows)} rows as C, at most {off:.2g} off")
        self.assertLessEqual(off, C_WITHIN, name)

    def members(self, path):
        """How many models of which families."""
        model = self.server.get(path + "?format=json").json["model"]
        families = [one["head"]["family"] for one in model.get("members", [model])]
        return len(families), sorted(set(families))

    def test_onnx(self):
        mixed = set()
        for name, job in self.jobs.items():
            done = self.server.wait_job(job, 120)
            self.assertEqual(done["state"], "succeeded", done)
            rows, answer = self.answers(name)
            self.assertEqual(answer.status, 200, answer)
            path = f"/api/v1/models/{name}/versions/{done['model']['version']}/export"
            model = self.server.get(path + "?format=onnx")
            self.assertEqual(model.status, 200, model)
            self.assertEqual(model.headers["attune-left-out"],
                             "prediction intervals" if name.startswith("worth") else "nothing", name)
            os.mkdir(os.path.join(self.folder, name))
            for file, content in (("model.onnx", model.raw), ("rows.json", json.dumps(rows).encode()),
                                  ("answers.json", json.dumps(answer.json["predictions"]).encode())):
                with open(os.path.join(self.folder, name, file), "wb") as out:
                    out.write(content)
            count, families = self.members(path)
            print(f"{name}: {count} models of {', '.join(families)}")
            if len(families) > 1:
                mixed.add(name.partition("-")[0])
            if COMPILE:
                self.check_c(name, path, rows, answer.json["predictions"])
        self.assertTrue(mixed or not COMPILE, "no mix of families came out: nothing is said of those")
        python = environment("onnx", "onnxruntime", "numpy")
        run = subprocess.run([python, os.path.join(HERE, "client_onnx.py")], env={**os.environ, "FOLDER": self.folder},
                             capture_output=True, text=True, timeout=120)
        print(run.stdout)
        self.assertEqual(run.returncode, 0, run.stderr[-3000:])


if __name__ == "__main__":
    unittest.main()
