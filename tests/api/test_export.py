"""Models as files: exported, imported under another name, and files that are damaged."""

import copy
import json
import os
import random
import subprocess
import tempfile
import unittest

from common import ApiTest, iris, prices

ROWS = [{"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2},
        {"sepal_length": 6.1, "petal_length": 4.7}, {"sepal_width": 3, "petal_length": 5.2, "petal_width": 2}]


class Export(ApiTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        answer = cls.api.upload("/api/v1/datasets", [("file", "iris.csv", iris())])
        dataset = cls.api.wait_dataset(answer.json["id"])["id"]
        answer = cls.api.post("/api/v1/jobs", {
            "dataset": dataset, "target": "species", "families": ["trees", "linear"], "budget": {"trials": 2},
            "deploy_as": "to-export", "search": {"seed": 1, "space": {"trees": {"rounds": 10}}}})
        job = cls.api.wait_job(answer.json["id"], 120)
        assert job["state"] == "succeeded", job
        cls.version = job["model"]["version"]
        cls.path = f"/api/v1/models/to-export/versions/{cls.version}"
        cls.file = cls.api.get(cls.path + "/export?format=json")

    def predict(self, model):
        answer = self.api.post(f"/api/v1/models/{model}/predict", {"rows": ROWS})
        self.assertEqual(answer.status, 200, answer)
        return answer.json["predictions"]

    def send(self, body, query=""):
        return self.api.call("POST", "/api/v1/models" + query, body if isinstance(body, bytes) else json.dumps(body).encode(),
                             {"Content-Type": "application/json"})

    def test_says_what_is_left_out(self):
        done = self.run_job({"dataset": self.upload(prices())["id"], "target": "rent", "families": ["linear"],
                             "budget": {"trials": 1}, "deploy_as": "rents-to-export"})
        numbers = f"/api/v1/models/rents-to-export/versions/{done['model']['version']}"
        self.assertIsNotNone(self.api.post("/api/v1/models/rents-to-export/predict",
                                           {"rows": [{"size": 50}], "interval": 0.9}).json["predictions"][0]["interval"])
        for path, forms in ((self.path, {"json": "nothing", "c": "nothing", "onnx": "nothing"}),
                            (numbers, {"json": "nothing", "c": "prediction intervals"})):
            for form, left_out in forms.items():
                answer = self.api.get(f"{path}/export?format={form}")
                self.assertEqual((answer.status, answer.headers["attune-left-out"]), (200, left_out), (path, form))

    def test_travels(self):
        self.assertEqual(self.file.status, 200, self.file)
        self.assertEqual(self.file.headers["content-disposition"],
                         f'attachment; filename="to-export-{self.version}.json"')
        self.assertEqual(self.file.json["format"], "attune-model")
        answer = self.send(self.file.raw, "?name=came-in")
        self.assertEqual((answer.status, answer.json["name"], answer.json["version"]), (201, "came-in", 1), answer)
        self.assertEqual(answer.headers["location"], "/api/v1/models/came-in/versions/1")
        self.assertEqual(answer.json["score"], self.api.get(self.path).json["score"])
        self.assertEqual(self.predict("came-in"), self.predict("to-export"))
        again = self.api.get("/api/v1/models/came-in/versions/1/export?format=json").json
        self.assertEqual((again["model"], again["sha256"]), (self.file.json["model"], self.file.json["sha256"]))
        report = self.api.get("/api/v1/models/came-in/versions/1/report").json
        self.assertEqual(report.pop("imported"), {"name": "to-export", "version": self.version})
        self.assertEqual(report, self.api.get(self.path + "/report").json)
        self.assertEqual(self.api.get("/api/v1/models/came-in/schema").json, self.api.get(self.path + "/schema").json)
        self.problem(self.api.post("/api/v1/models/came-in/versions/1/verify"), 409, "conflict")

    def test_next_version_by_form(self):
        for version in (1, 2):
            answer = self.api.upload("/api/v1/models", [("file", "iris.json", self.file.raw), ("name", "by-form")])
            self.assertEqual((answer.status, answer.json["version"]), (201, version), answer)
        self.assertEqual(self.api.get("/api/v1/models/by-form").json["aliases"], {"best": 2, "fast": 2})

    def test_damaged(self):
        whole = self.file.json
        raw = self.file.raw
        for body in (b"{", raw[:len(raw) // 2], b"[" * 100000, b"[" + b"1," * 4000001 + b"1]"):
            self.problem(self.send(body), 422, "invalid", "")
        for change in ({"format": "onnx"}, {"format_version": 2}, {"sha256": "0" * 64}, {"sha256": 1}, {"model": {}},
                       {"model": []}):
            self.problem(self.send({**whole, **change}), 422, "invalid", "/model")
        self.problem(self.send(b"[]"), 422, "invalid", "/model")
        other = copy.deepcopy(whole)
        other["model"]["head"]["task"]["classes"][0] = "rose"
        self.problem(self.send(other), 422, "invalid", "/model")
        self.problem(self.send({**whole, "about": 1}), 422, "invalid", "/about")
        for change, place in (({"metric": "luck"}, "/about/report"), ({"report": {}}, "/about/report"),
                              ({"version": 0}, "/about/version"), ({"score": "high"}, "/about/score")):
            self.problem(self.send({**whole, "about": {**whole["about"], **change}}), 422, "invalid", place)
        for name in ("Bad name", "7", ""):
            self.problem(self.send(raw, f"?name={name.replace(' ', '%20')}"), 422, "invalid", "/name")

    def test_c_program(self):
        """Words, dates, texts and numbers through the compiled program, as predict answers them."""
        draw = random.Random(4)
        lines = ["size,place,built,remark,sold"]
        for _ in range(240):
            size, place = draw.uniform(1, 9), draw.choice(["north", 'the "old" town, west', "caf\u00e9"])
            remark = " ".join(draw.choice(["quiet", "dark", "sunny", "LARGE!", "?? new"]) for _ in range(5))
            words = place.replace('"', '""')
            sold = "yes" if size + 3 * ("sunny" in remark) + 2 * (place == "north") > draw.uniform(4, 8) else "no"
            size = "" if draw.random() < 0.1 else f"{size:.3f}"
            lines.append(f'{size},"{words}",{draw.randint(1950, 2020)}-0{draw.randint(1, 9)}-1{draw.randint(0, 9)},'
                         f"{remark} {draw.randint(0, 99999)},{sold}")
        dataset = self.upload(("\n".join(lines) + "\n").encode())
        done = self.run_job({"dataset": dataset["id"], "target": "sold", "families": ["trees", "linear", "mlp"],
                             "budget": {"trials": 3}, "deploy_as": "houses",
                             "search": {"seed": 1, "space": {"trees": {"rounds": 10}, "mlp": {"epochs": 3, "units": 8}}}})
        self.assertEqual(done["state"], "succeeded", done)
        self.problem(self.api.get(f"/api/v1/models/houses/versions/{done['model']['version']}/export?format=onnx"), 422,
                     "invalid", "")
        source = self.api.get(f"/api/v1/models/houses/versions/{done['model']['version']}/export?format=c")
        self.assertEqual(source.status, 200, source)
        rows = [line.rpartition(",")[0] for line in lines[:60]]
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "houses.c")
            with open(path, "wb") as file:
                file.write(source.raw)
            subprocess.run(["cc", "-O1", "-Wall", "-Wextra", "-Werror", "-DATTUNE_MAIN", path, "-o", path[:-2], "-lm"], check=True)
            told = subprocess.run([path[:-2]], input="\n".join(rows).encode() + b"\n", stdout=subprocess.PIPE, check=True)
        answer = self.api.call("POST", "/api/v1/models/houses/predict", "\n".join(rows).encode() + b"\n",
                               {"Content-Type": "text/csv"}).json
        answers = told.stdout.decode().splitlines()
        self.assertEqual(len(answers), len(rows) - 1)
        for line, row in zip(answers, answer["predictions"]):
            label, *outputs = line.split(",")
            self.assertEqual(label, row["label"])
            for name, output in zip(("no", "yes"), outputs):
                self.assertAlmostEqual(row["probabilities"][name], float(output), delta=2e-6)

    def test_onnx(self):
        """The clients' stage runs such files; here it is one, and names what it wants."""
        answer = self.api.get(self.path + "/export?format=onnx")
        self.assertEqual((answer.status, answer.headers["content-type"]), (200, "application/octet-stream"), answer)
        for name in (b"sepal_length", b"petal_width", b"attune_probabilities", b"versicolor"):
            self.assertIn(name, answer.raw)

    def test_refused(self):
        self.problem(self.api.get(self.path + "/export"), 400, "bad_request")
        self.problem(self.api.get(self.path + "/export?format=pmml"), 400, "bad_request")
        self.problem(self.api.get("/api/v1/models/to-export/versions/99/export?format=json"), 404, "model_not_found")
        self.problem(self.api.call("POST", "/api/v1/models", b"a,b\n", {"Content-Type": "text/csv"}), 415,
                     "unsupported_media_type")
        self.problem(self.api.upload("/api/v1/models", [("name", "x")]), 422, "invalid", "/file")
        self.problem(self.api.upload("/api/v1/models", [("file", "a.json", self.file.raw), ("more", "x")]), 422, "invalid",
                     "/more")


if __name__ == "__main__":
    unittest.main()
