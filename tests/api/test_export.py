"""Models as files: exported, imported under another name, and files that are damaged."""

import copy
import json
import unittest

from common import ApiTest, iris

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
