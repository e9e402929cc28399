"""Other tools' protocols: their requests get the numbers that /predict gives, and their faults a clear answer."""

import base64
import json
import math
import struct
import unittest

from common import ApiTest, idx_images, idx_labels, iris, pictures, png, prices
from attune_server import AttuneServer, Client

COLUMNS = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
VALUES = [[5.1, 3.5, 1.4, 0.2], [6.1, 2.9, 4.7, 1.4], [6.7, 3.0, 5.2, 2.3]]
ROWS = [dict(zip(COLUMNS, row)) for row in VALUES]


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
            told = server.post("/api/v1/models/irises/predict", {"rows": ROWS}).json["predictions"]
            self.assertEqual(server.post("/invocations", {"inputs": VALUES}).json["predictions"],
                             [one["label"] for one in told])
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
        self.assert_same_answer(self.good("/v1/models/rents:predict", {"instances": rows}),
                                {"predictions": self.values[:1]})
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


def tensor(name, datatype, shape, data):
    return {"name": name, "datatype": datatype, "shape": shape, "data": data}


def packed(texts):
    return b"".join(struct.pack("<I", len(one)) + one for one in texts)


class OpenInference(DialectTest):
    PATH = "/v2/models/irises/infer"
    FLAT = [value for row in VALUES for value in row]

    def binary(self, path, head, *tails, **headers):
        """The answer to a request whose inputs follow raw, as (status, JSON, bytes after it)."""
        text = json.dumps(head).encode()
        answer = self.api.call("POST", path, text + b"".join(tails), {
            "Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(text)), **headers})
        length = answer.headers.get("inference-header-content-length")
        if length is None:
            return answer.status, answer.json, b""
        return answer.status, json.loads(answer.raw[:int(length)]), answer.raw[int(length):]

    def head(self, *inputs, **more):
        """A head of inputs (name, datatype, shape, bytes)."""
        return {"inputs": [{"name": name, "datatype": kind, "shape": shape, "parameters": {"binary_data_size": size}}
                           for name, kind, shape, size in inputs], **more}

    def outputs(self, answer):
        return {one["name"]: one["data"] for one in answer["outputs"]}

    def probabilities(self):
        return [value for one in self.classes for value in one["probabilities"].values()]

    def test_server_and_health(self):
        nobody = Client(self.api.port, None)
        about = nobody.get("/v2").json
        self.assertEqual((about["name"], about["extensions"]), ("attune", ["binary_tensor_data"]))
        for path in ("/v2/health/live", "/v2/health/ready"):
            self.assertEqual(nobody.get(path).json, {"live": True, "ready": True})
        for path in ("/v2/models/irises", "/v2/models/irises/ready"):
            self.assertEqual(nobody.get(path).status, 401)

    def test_models(self):
        for path in ("irises", f"irises/versions/{self.version}"):
            about = self.good_get(f"/v2/models/{path}")
            self.assertEqual((about["name"], about["versions"]), ("irises", [str(self.version)]))
            self.assertEqual([one["name"] for one in about["inputs"]], COLUMNS)
            self.assertEqual({one["datatype"] for one in about["inputs"]}, {"FP64"})
            self.assertEqual(about["outputs"][1]["parameters"]["labels"], list(self.classes[0]["probabilities"]))
            self.assertEqual(self.good_get(f"/v2/models/{path}/ready"), {"name": "irises", "ready": True})
        self.assertEqual(self.good_get("/v2/models/kinds")["inputs"],
                         [{"name": "image", "datatype": "UINT8", "shape": [-1, 8, 8, 1]}])
        self.assertEqual([one["name"] for one in self.good_get("/v2/models/rents")["outputs"]], ["value"])
        for path in ("none", "irises/versions/99", "irises/versions/x"):
            for end in ("", "/ready"):
                self.problem(self.api.get(f"/v2/models/{path}{end}"), 404, "model_not_found")
            self.problem(self.api.post(f"/v2/models/{path}/infer", {}), 404, "model_not_found")

    def good_get(self, path):
        answer = self.api.get(path)
        self.assertEqual(answer.status, 200, answer)
        return answer.json

    def test_json(self):
        columns = [tensor(name, "FP64", [3], [row[name] for row in ROWS]) for name in COLUMNS]
        tall = [tensor(name, "FP64", [3, 1], [[row[name]] for row in ROWS]) for name in COLUMNS]
        for inputs in (columns, tall, columns[::-1], [tensor("rows", "FP64", [3, 4], self.FLAT)],
                       [tensor("rows", "FP64", [3, 4], VALUES)]):
            answer = self.good(self.PATH, {"inputs": inputs, "id": "né 1", "unknown": 1})
            self.assertEqual((answer["id"], answer["model_name"], answer["model_version"]),
                             ("né 1", "irises", str(self.version)))
            self.assertEqual(self.outputs(answer), {"label": self.labels(), "probabilities": self.probabilities()})
            self.assertEqual([one["shape"] for one in answer["outputs"]], [[3], [3, 3]])
        one = self.good(self.PATH, {"inputs": columns, "outputs": [{"name": "label"}]})
        self.assertEqual(list(self.outputs(one)), ["label"])
        self.assertTrue(one["id"].startswith("prd_"))

    def test_words_and_missing_values(self):
        def column(name, kind):
            return tensor(name, kind, [2], [row[name] for row in self.rents])
        inputs = [column("size", "FP64"), column("floor", "INT64"), column("district", "BYTES"), column("built", "BYTES")]
        answer = self.good("/v2/models/rents@best/infer", {"inputs": inputs})
        self.assertEqual(self.outputs(answer), {"value": self.values})
        raw = [packed([row["district"].encode() for row in self.rents]), packed([b"2", b""])]
        head = {"inputs": [inputs[0], *self.head(("district", "BYTES", [2, 1], len(raw[0])),
                                                 ("floor", "BYTES", [2], len(raw[1])))["inputs"], inputs[3]]}
        status, answer, _ = self.binary("/v2/models/rents/infer", head, *raw)
        self.assertEqual((status, self.outputs(answer)), (200, {"value": self.values}))

    def test_binary(self):
        for kind, code in (("FP64", "d"), ("FP32", "f"), ("FP16", "e")):
            raw = struct.pack(f"<12{code}", *self.FLAT)
            values = struct.unpack(f"<12{code}", raw)
            told = self.ask("irises", {"rows": [dict(zip(COLUMNS, values[i:i + 4])) for i in (0, 4, 8)]})
            status, answer, tail = self.binary(self.PATH, self.head(
                ("rows", kind, [3, 4], len(raw)), parameters={"binary_data_output": True}), raw)
            self.assertEqual(status, 200, answer)
            labels, numbers = answer["outputs"]
            size = labels["parameters"]["binary_data_size"]
            self.assertEqual(tail[:size], packed([one["label"].encode() for one in told]))
            self.assertEqual(numbers["parameters"]["binary_data_size"], 36)
            expected = [value for one in told for value in one["probabilities"].values()]
            self.assertEqual(tail[size:], struct.pack("<9f", *expected))
        raw = [struct.pack("<3q", 5, 6, 7), struct.pack("<3b", 3, 3, 3)]
        head = self.head(("petal_width", "INT64", [3], 24), ("sepal_width", "INT8", [3, 1], 3),
                         outputs=[{"name": "probabilities"}, {"name": "label", "parameters": {"binary_data": True}}])
        head["inputs"] += [tensor("sepal_length", "UINT8", [3], [5, 6, 6]), tensor("petal_length", "FP32", [3], [1, 5, None])]
        status, answer, tail = self.binary(self.PATH, head, *raw)
        self.assertEqual(status, 200, answer)
        self.assertEqual(len(answer["outputs"][0]["data"]), 9)
        self.assertEqual(answer["outputs"][1]["parameters"]["binary_data_size"], len(tail))

    def test_images(self):
        told = [value for one in self.kinds for value in one["probabilities"].values()]
        pixels = b"".join(self.pixels[:3])
        files = packed([base64.b64decode(one) for one in self.files])
        floats = struct.pack("<192f", *pixels)
        for kind, shape, raw in (("UINT8", [3, 8, 8, 1], pixels), ("UINT8", [3, 8, 8], pixels),
                                 ("FP32", [3, 8, 8, 1], floats), ("BYTES", [3], files), ("BYTES", [3, 1], files)):
            status, answer, _ = self.binary("/v2/models/kinds/infer", self.head(("image", kind, shape, len(raw))), raw)
            self.assertEqual(status, 200, answer)
            self.assertEqual(self.outputs(answer)["probabilities"], told)
        for one in (tensor("image", "BYTES", [3], self.files), tensor("image", "UINT8", [3, 8, 8, 1], list(pixels))):
            answer = self.good("/v2/models/kinds/infer", {"inputs": [one]})
            self.assertEqual(self.outputs(answer)["probabilities"], told)

    def test_bad_heads(self):
        one = tensor("petal_width", "FP32", [1], [1])
        self.refused(self.PATH, [
            (b"", 400), (b"{", 400), (b"[]", 422), ({}, 422, "/inputs"), ({"inputs": []}, 422, "/inputs"),
            ({"inputs": [1]}, 422, "/inputs/0"), ({"inputs": [one], "id": 5}, 422, "/id"),
            ({"inputs": [one], "id": "x" * 1001}, 422, "/id"),
            ({"inputs": [one], "outputs": [{"name": "value"}]}, 422, "/outputs/0"),
            ({"inputs": [one], "outputs": [{"name": "label"}] * 17}, 422, "/outputs"),
            ({"inputs": [{**one, "datatype": "FP8"}]}, 422, "/inputs/0"),
            ({"inputs": [{**one, "shape": [2]}]}, 422, "/inputs/0"),
            ({"inputs": [{**one, "shape": [-1]}]}, 422, "/inputs/0"),
            ({"inputs": [{**one, "shape": [2**32, 2**32]}]}, 422, "/inputs/0"),
            ({"inputs": [{**one, "shape": [2**62, 4]}]}, 422, "/inputs/0"),
            ({"inputs": [{**one, "shape": []}]}, 422, "/inputs/0"),
            ({"inputs": [{**one, "data": ["1"]}]}, 422, "/inputs/0"),
            ({"inputs": [{**one, "parameters": {"binary_data_size": 4}}]}, 422, "/inputs/0"),
            ({"inputs": [one, one]}, 422, "/inputs/1"),
            ({"inputs": [one]}, 422, "/inputs/sepal_length/0"),
            ({"inputs": [{**one, "name": "nothing"}]}, 422),
            ({"inputs": [tensor("rows", "FP32", [1, 3], [1, 2, 3])]}, 422, "/inputs/0/shape"),
            ({"inputs": [one, tensor("sepal_width", "FP32", [2], [1, 2])]}, 422, "/inputs/1/shape"),
            ({"inputs": [tensor("rows", "FP32", [0, 4], [])]}, 422, "/inputs/0/shape"),
            ({"inputs": [tensor("rows", "FP32", [10001, 4], [0] * 40004)]}, 422, "/inputs/0/shape"),
            ({"inputs": [tensor("rows", "BYTES", [1, 4], ["wide", "1", "1", "1"])]}, 422, "/inputs/sepal_length/0"),
        ])
        self.refused(self.PATH, [(b"a", 415)], "text/csv")
        for shape in ([3, 8, 7, 1], [3, 8, 8, 3], [192], [3, 64]):
            body = {"inputs": [tensor("image", "UINT8", shape, [0] * math.prod(shape))]}
            self.refused("/v2/models/kinds/infer", [(body, 422, "/inputs/0")])
        self.refused("/v2/models/kinds/infer", [
            ({"inputs": [tensor("image", "FP32", [1, 8, 8], [256] + [0] * 63)]}, 422, "/inputs/0"),
            ({"inputs": [tensor("image", "BYTES", [1], ["%"])]}, 422, "/inputs/0/0"),
            ({"inputs": [tensor("image", "BYTES", [0], [])]}, 422, "/inputs/0")])

    def test_bad_bytes(self):
        raw = struct.pack("<12f", *self.FLAT)
        nan = struct.pack("<4f", 1, float("nan"), 3, 4)
        infinite = struct.pack("<4d", 1, 2, float("inf"), 4)
        for head, tail, status, word in (
                (self.head(("rows", "FP32", [3, 4], 48)), raw[:-1], 422, "binary_data_size"),
                (self.head(("rows", "FP32", [3, 4], 48)), raw + b"x", 400, "1 bytes"),
                (self.head(("rows", "FP32", [3, 4], 44)), raw, 422, "12 elements"),
                (self.head(("rows", "FP64", [3, 4], 48)), raw, 422, "12 elements"),
                (self.head(("rows", "FP32", [3, 4], -1)), raw, 422, "binary_data_size"),
                (self.head(("rows", "FP32", [3, 4], 2**62)), raw, 422, "binary_data_size"),
                (self.head(("rows", "FP32", [3, 4], "48")), raw, 422, "binary_data_size"),
                (self.head(("rows", "FP32", [1, 4], 16)), nan, 422, "finite"),
                (self.head(("rows", "FP64", [1, 4], 32)), infinite, 422, "finite"),
                (self.head(("petal_width", "BYTES", [1], 5)), b"\1\0\0\0\xff", 422, "UTF-8"),
                (self.head(("petal_width", "BYTES", [1], 5)), b"\2\0\0\0a", 422, "beyond"),
                (self.head(("petal_width", "UINT8", [10_000_000], 10_000_000)), bytes(10_000_000), 422, "elements"),
                (self.head(("petal_width", "UINT8", [900_000], 900_000)), bytes(900_000), 422, "rows")):
            with self.subTest(f"{head['inputs']} {status}"):
                got, answer, _ = self.binary(self.PATH, head, tail)
                self.assertEqual(got, status, answer)
                told = answer["error"] + " ".join(one["message"] for one in answer.get("faults", []))
                self.assertIn(word, told)
        for length in ("x", "-1", "99999", "1.5", "", "9" * 30):
            got, answer, _ = self.binary(self.PATH, {}, **{"Inference-Header-Content-Length": length})
            self.assertEqual(got, 400, (length, answer))


class Nanonets(DialectTest):
    LABEL, MODEL = "/api/v2/ImageCategorization/LabelFile/", "/api/v2/ImageCategorization/Model/"

    def basic(self, key, password=""):
        return {"Authorization": "Basic " + base64.b64encode(f"{key}:{password}".encode()).decode()}

    def label(self, parts, headers=None, path=LABEL):
        return Client(self.api.port, None).upload(path, parts, headers=self.basic(self.api.key) if headers is None else headers)

    def images(self):
        return [("file", f"{i}.png", base64.b64decode(one)) for i, one in enumerate(self.files)]

    def test_labels(self):
        for parts, query in (([("modelId", "kinds")], ""), ([], "?modelId=kinds")):
            answer = self.label(self.images() + parts + [("more", "ignored")], path=self.LABEL + query)
            self.assertEqual(answer.status, 200, answer)
            self.assertEqual(answer.json["message"], "Success")
            for i, (one, told) in enumerate(zip(answer.json["result"], self.kinds)):
                expected = sorted(told["probabilities"].items(), key=lambda item: -item[1])
                self.assertEqual([(each["label"], each["probability"]) for each in one["prediction"]], expected)
                self.assertEqual((one["message"], one["file"]), ("Success", f"{i}.png"))

    def test_state(self):
        answer = self.api.call("GET", self.MODEL + "?modelId=kinds", headers=self.basic(self.api.key, "any"))
        self.assertEqual((answer.status, answer.json["state"], answer.json["model_id"]), (200, 5, "kinds"), answer)
        self.assertEqual([one["name"] for one in answer.json["categories"]], list(self.kinds[0]["probabilities"]))

    def test_who_may(self):
        key = self.api.post("/api/v1/keys", {"name": "one", "scopes": ["predict"], "model": "kinds"}).json["key"]
        for model, status in (("kinds", 200), ("irises", 403)):
            parts = self.images() + [("modelId", model)]
            self.assertEqual(self.label(parts, self.basic(key)).status, status)
            self.assertEqual(self.api.call("GET", f"{self.MODEL}?modelId={model}", headers=self.basic(key)).status, status)
        parts = self.images() + [("modelId", "kinds")]
        for headers in (self.basic("atk_x"), self.basic(""), {"Authorization": "Basic %%%"}, {"Authorization": "Basic"}, {},
                        self.basic(key[:-1] + ("a" if key[-1] != "a" else "b")),
                        {"Authorization": "Basic " + base64.b64encode(b"x" * 4000).decode()}):
            self.problem(self.label(parts, headers), 401, "unauthenticated")
        # there alone: everywhere else the key comes as a bearer's
        for path in ("/api/v1/models", "/v2/models/kinds", "/v1/models/kinds"):
            answer = Client(self.api.port, None).get(path, headers=self.basic(self.api.key))
            self.problem(answer, 401, "unauthenticated")

    def test_bad_calls(self):
        self.problem(self.label(self.images()), 422, "invalid", "/modelId")
        self.problem(self.label([("modelId", "kinds")]), 422, "invalid", "/file")
        self.problem(self.label(self.images() + [("modelId", "none")]), 404, "model_not_found")
        self.problem(self.label(self.images() + [("modelId", "a/b")]), 404, "model_not_found")
        self.problem(self.label(self.images() + [("modelId", "irises")]), 415, "unsupported_media_type")
        self.problem(self.label([("file", "a.png", b"nothing"), ("modelId", "kinds")]), 422, "invalid", "/file/0")
        self.problem(self.api.post(self.LABEL, {"modelId": "kinds"}), 415, "unsupported_media_type")
        self.problem(self.api.get(self.MODEL), 422, "invalid", "/modelId")
        self.problem(self.api.get(self.MODEL + "?modelId=none"), 404, "model_not_found")


if __name__ == "__main__":
    unittest.main()
