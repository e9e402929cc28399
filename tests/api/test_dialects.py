"""Other tools' protocols: their requests get the numbers that /predict gives, and their faults a clear answer."""

import base64
import json
import unittest
import urllib.parse

from common import ApiTest, idx_images, idx_labels, iris, pictures, png, prices
from attune_server import AttuneServer, Client

COLUMNS = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
VALUES = [[5.1, 3.5, 1.4, 0.2], [6.1, 2.9, 4.7, 1.4], [6.7, 3.0, 5.2, 2.3]]
ROWS = [dict(zip(COLUMNS, row)) for row in VALUES]
JSON = {"Content-Type": "application/json"}


class DialectTest(ApiTest):
    """Models of classes, numbers and images, and what /predict says of their rows."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if hasattr(DialectTest, "classes"):
            return
        cls.train([("file", "iris.csv", iris()), ("target", "species"), ("name", "irises"), ("families", "linear")])
        cls.train([("file", "rent.csv", prices()), ("target", "rent"), ("name", "rents"), ("families", "linear")])
        cls.pixels, labels = pictures()
        cls.train([("images", "i", idx_images(cls.pixels)), ("labels", "l", idx_labels(labels)), ("name", "kinds"),
                   ("families", "linear")])
        DialectTest.pixels = cls.pixels
        DialectTest.classes = cls.ask("irises", {"rows": ROWS})
        DialectTest.version = cls.api.post("/api/v1/models/irises/predict", {"rows": ROWS}).json["version"]
        DialectTest.rents = [{"size": 50.5, "floor": 2, "district": "old town", "built": "1990-01-11"},
                             {"size": 90, "floor": None, "district": "north", "built": "2001-02-12"}]
        DialectTest.values = [one["value"] for one in cls.ask("rents", {"rows": cls.rents})]
        DialectTest.files = [base64.b64encode(png(pixels, 8, 8)).decode() for pixels in cls.pixels[:3]]
        DialectTest.kinds = cls.ask("kinds", {"images": cls.files})

    @classmethod
    def train(cls, parts):
        answer = cls.api.upload("/api/v1/train?wait=120", parts + [("trials", "1")], timeout=150)
        assert answer.status == 200 and answer.json["state"] == "succeeded", answer

    @classmethod
    def ask(cls, model, body):
        answer = cls.api.post(f"/api/v1/models/{model}/predict", body)
        assert answer.status == 200, answer
        return answer.json["predictions"]

    def good(self, path, body, **more):
        answer = self.api.post(path, body, **more)
        self.assertEqual(answer.status, 200, answer)
        return answer.json

    def refused(self, path, cases, kind="application/json"):
        """Each (body, status, places) is answered by that problem."""
        for body, status, *places in cases:
            raw = body if isinstance(body, bytes) else json.dumps(body).encode()
            with self.subTest(raw[:60]):
                answer = self.api.call("POST", path, raw, {"Content-Type": kind})
                code = {400: "bad_json", 413: "too_large", 415: "unsupported_media_type", 422: "invalid"}[status]
                self.problem(answer, status, code, *places)

    def labels(self):
        return [one["label"] for one in self.classes]


class Mlflow(DialectTest):
    PATH = "/api/v1/models/irises/invocations"

    def test_all_four_forms_and_csv(self):
        for body in ({"dataframe_split": {"columns": COLUMNS, "index": [0, 1, 2], "data": VALUES}},
                     {"dataframe_records": ROWS}, {"instances": ROWS}, {"instances": VALUES}, {"inputs": VALUES},
                     {"inputs": {name: [row[name] for row in ROWS] for name in COLUMNS}, "params": {"x": 1}}):
            with self.subTest(next(iter(body))):
                self.assertEqual(self.good(self.PATH, body), {"predictions": self.labels()})
        text = "\n".join([",".join(COLUMNS)] + [",".join(map(str, row)) for row in VALUES])
        answer = self.api.call("POST", self.PATH, text.encode(), {"Content-Type": "text/csv; charset=utf-8"})
        self.assertEqual(answer.json, {"predictions": self.labels()}, answer)
        bare = self.api.call("POST", self.PATH, json.dumps({"inputs": VALUES}).encode(),
                             {"Content-Type": "application/x-www-form-urlencoded"})
        self.assertEqual(bare.json, {"predictions": self.labels()}, bare)

    def test_numbers_and_images(self):
        answer = self.good("/api/v1/models/rents@best/invocations", {"dataframe_records": self.rents})
        self.assertEqual(answer["predictions"], self.values)
        kinds = self.good("/api/v1/models/kinds/invocations", {"instances": [{"b64": one} for one in self.files]})
        self.assertEqual(kinds["predictions"], [one["label"] for one in self.kinds])

    def test_bad_bodies(self):
        self.refused(self.PATH, [
            (b"", 400), (b"{", 400), (b"[1]", 422), ({}, 422), ({"instances": ROWS, "inputs": VALUES}, 422),
            ({"dataframe_split": 1}, 422, "/dataframe_split"),
            ({"dataframe_split": {"columns": COLUMNS[:2], "data": VALUES}}, 422, "/dataframe_split/data/0"),
            ({"dataframe_split": {"columns": ["a", "a"], "data": [[1, 2]]}}, 422, "/dataframe_split/columns"),
            ({"dataframe_split": {"columns": COLUMNS, "data": []}}, 422, "/dataframe_split/data"),
            ({"dataframe_records": []}, 422, "/dataframe_records"),
            ({"dataframe_records": [ROWS[0], {**ROWS[0], "petal_width": "wide"}]}, 422,
             "/dataframe_records/1/petal_width"),
            ({"instances": [[1, 2]]}, 422, "/instances/0"), ({"instances": {"a": 1}}, 422),
            ({"inputs": {"petal_width": [1, 2], "sepal_width": [1]}}, 422, "/inputs/sepal_width"),
            ({"inputs": {"petal_width": [1, "wide"]}}, 422, "/inputs/petal_width/1"),
            ({"inputs": {"nothing": [1]}}, 422), ({"instances": [1] * 10001}, 422, "/instances"),
            (b'{"inputs": {"petal_width": [NaN]}}', 400),
            (b'{"instances": [' + b"0," * 2_000_000 + b"0]}", 422, "/instances"),
        ])
        self.refused(self.PATH, [(b"<a/>", 415)], "text/xml")
        self.refused(self.PATH, [(b"", 422), (b"a,b\n1\n", 422)], "text/csv")
        self.refused("/api/v1/models/kinds/invocations", [
            ({"dataframe_records": ROWS}, 422, "/dataframe_records"), ({"instances": ["%"]}, 422, "/instances/0"),
            ({"instances": []}, 422, "/instances")])
        self.refused("/api/v1/models/kinds/invocations", [(b"a\n1\n", 415)], "text/csv")

    def test_no_default_model(self):
        self.problem(self.api.post("/invocations", {"inputs": VALUES}), 404, "model_not_found")

    def test_ping_and_version(self):
        nobody = Client(self.api.port, None)
        self.assertEqual(nobody.get("/ping").status, 200)
        self.assertRegex(nobody.get("/version").raw.decode(), r"^\d+\.\d+\.\d+$")

    def test_default_model(self):
        with AttuneServer(["--default-model", "irises"], engines=1) as server:
            self.problem(server.post("/invocations", {"inputs": VALUES}), 404, "model_not_found")
            answer = server.upload("/api/v1/train?wait=120", [
                ("file", "i.csv", iris()), ("target", "species"), ("name", "irises"), ("families", "linear"),
                ("trials", "1")], timeout=150)
            self.assertEqual(answer.status, 200, answer)
            self.assertEqual(server.post("/invocations", {"inputs": VALUES}).json["predictions"], self.labels())
            for model, status in (("irises", 200), ("other", 403)):
                key = server.post("/api/v1/keys", {"name": "one", "scopes": ["predict"], "model": model}).json["key"]
                answer = Client(server.port, key).post("/invocations", {"inputs": VALUES})
                self.assertEqual(answer.status, status, answer)


class TfServing(DialectTest):
    def told(self):
        return [{"label": one["label"], "probabilities": list(one["probabilities"].values())} for one in self.classes]

    def test_rows(self):
        for path in ("irises", f"irises/versions/{self.version}", "irises/labels/best", f"irises@{self.version}"):
            for body in ({"instances": ROWS}, {"instances": VALUES, "signature_name": "serving_default"},
                         {"instances": [{name: [value] for name, value in row.items()} for row in ROWS]}):
                answer = self.good(f"/v1/models/{path}:predict", body)
                self.assertEqual(answer, {"predictions": self.told()})
        answer = self.good("/v1/models/rents:predict", {"instances": self.rents})
        self.assertEqual(answer, {"predictions": self.values})

    def test_columns(self):
        columns = {name: [row[name] for row in ROWS] for name in COLUMNS}
        told = {name: [one[name] for one in self.told()] for name in ("label", "probabilities")}
        self.assertEqual(self.good("/v1/models/irises:predict", {"inputs": columns}), {"outputs": told})
        self.assertEqual(self.good("/v1/models/irises:predict", {"inputs": VALUES}), {"outputs": told})
        columns = {name: [[row[name]] for row in self.rents] for name in self.rents[0]}
        self.assertEqual(self.good("/v1/models/rents:predict", {"inputs": columns}), {"outputs": self.values})

    def test_bytes(self):
        town = base64.b64encode(b"old town").decode()
        rows = [{**self.rents[0], "district": {"b64": town}}]
        self.assertEqual(self.good("/v1/models/rents:predict", {"instances": rows}), {"predictions": self.values[:1]})
        told = [list(one["probabilities"].values()) for one in self.kinds]
        grid = [[[[value] for value in pixels[8 * y:8 * y + 8]] for y in range(8)] for pixels in self.pixels[:3]]
        for images in ([{"b64": one} for one in self.files], [{"image": {"b64": one}} for one in self.files],
                       self.files, grid, [sum(sum(image, []), []) for image in grid]):
            answer = self.good("/v1/models/kinds:predict", {"instances": images})
            self.assertEqual([one["probabilities"] for one in answer["predictions"]], told)
        answer = self.good("/v1/models/kinds:predict", {"inputs": {"image": grid}})
        self.assertEqual(answer["outputs"]["probabilities"], told)

    def test_state(self):
        for path in ("irises", f"irises/versions/{self.version}", "irises/labels/best"):
            answer = self.api.get(f"/v1/models/{path}")
            self.assertEqual(answer.status, 200, answer)
            self.assertTrue(answer.json["ready"])
            self.assertEqual([(one["version"], one["state"]) for one in answer.json["model_version_status"]],
                             [(str(self.version), "AVAILABLE")])
        self.assertIn("irises", self.api.get("/v1/models").json["models"])

    def test_what_is_not_there(self):
        for path in ("none", "irises/versions/9", "irises/versions/x", "irises/versions/" + "9" * 30,
                     "irises/labels/none", "irises@none"):
            self.problem(self.api.get(f"/v1/models/{path}"), 404, "model_not_found")
            self.problem(self.api.post(f"/v1/models/{path}:predict", {"instances": ROWS}), 404, "model_not_found")
        for path in ("/v1/models/irises:explain", "/v1/models/:predict", "/v1/models/irises/labels/:predict"):
            self.assertIn(self.api.post(path, {"instances": ROWS}).status, (404, 405), path)
        for path in ("a%2Fb", "%00", ".."):
            self.problem(self.api.post(f"/v1/models/{path}:predict", {}), 400, "bad_path")

    def test_bad_bodies(self):
        self.refused("/v1/models/irises:predict", [
            (b"{", 400), ({}, 422), ({"instances": ROWS, "inputs": VALUES}, 422), ({"instances": 1}, 422, "/instances"),
            ({"instances": [1]}, 422, "/instances/0"), ({"instances": [{"b64": "%"}]}, 422, "/instances/0"),
            ({"inputs": {"petal_width": 1}}, 422, "/inputs/petal_width"),
            ({"inputs": {"petal_width": [0] * 10001}}, 422, "/inputs"),
            ({"instances": [[[1, 2], 1, 1, 1]]}, 422, "/instances/0/sepal_length"),
        ])
        self.refused("/v1/models/kinds:predict", [
            ({"instances": [[1, 2]]}, 422, "/instances/0"), ({"instances": [[0] * 65]}, 422, "/instances/0"),
            ({"instances": [[256] + [0] * 63]}, 422, "/instances/0"), ({"instances": [[[]] * 100]}, 422, "/instances/0"),
            ({"inputs": {"a": [], "b": []}}, 422, "/inputs"), ({"instances": [{"b64": 1}]}, 422, "/instances/0"),
            ({"instances": [{"b64": base64.b64encode(b"nothing").decode()}]}, 422, "/instances/0"),
        ])
        self.refused("/v1/models/irises:predict", [(b"a,b", 415)], "text/csv")


if __name__ == "__main__":
    unittest.main()
