"""Numbers in other protocols' bodies are read without a tree of JSON: the same answers as with one, good or bad. A body with
the escape \\u0001 in it is read by the tree."""

import json
import random
import re

from common import ApiTest

NAMES = ["a", "b", "c", "d"]


def table():
    rng = random.Random(3)
    lines = [",".join(NAMES) + ",y"]
    for i in range(60):
        lines.append(",".join(f"{rng.gauss(i % 2, 1):.3f}" for _ in NAMES) + (",yes" if i % 2 else ",no"))
    return "\n".join(lines).encode()


def column(name, data, shape=None, datatype="FP64", **more):
    return {"name": name, "shape": shape or [len(data)], "datatype": datatype, "data": data, **more}


ROWS = [[1, 2.5, -3e-3, 4], [0.1, None, 7, -0.0], [5, 6, 7, 1e300]]
COLUMNS = [list(values) for values in zip(*ROWS)]
MATRIX = column("rows", ROWS, [3, 4])
BODIES = {
    "/v1/models/numbers:predict": [
        {"instances": ROWS}, {"inputs": ROWS}, {"signature_name": "x", "instances": ROWS[:1]},
        {"instances": [ROWS[0][:3]]}, {"instances": [ROWS[0], ROWS[1][:2]]}, {"instances": [ROWS[0] + [1]]},
        {"instances": []}, {"instances": [[]]}, {"instances": [1, 2]}, {"instances": [[[1], [2], [3], [4]]]},
        {"instances": ROWS, "inputs": ROWS}, {"instances": [ROWS[0], "x"]}, {"inputs": {"a": [1], "b": [2], "c": [3], "d": [4]}},
        {"instances": [["1", 2, 3, 4]]}, {"instances": [[True, 2, 3, 4]]}, {"instances": 3}, {"instances": {"": 0}}, {}],
    "/api/v1/models/numbers/invocations": [
        {"instances": ROWS}, {"inputs": ROWS}, {"dataframe_split": {"columns": NAMES, "data": ROWS}},
        {"dataframe_split": {"index": [0, 1, 2], "columns": NAMES[::-1], "data": ROWS}},
        {"dataframe_split": {"data": ROWS, "columns": NAMES}}, {"dataframe_split": {"data": ROWS}},
        {"dataframe_split": {"columns": NAMES[:3], "data": [row[:3] for row in ROWS]}},
        {"dataframe_split": {"columns": ["a", "b", "c", "c"], "data": ROWS}},
        {"dataframe_split": {"columns": ["a", "b", "c", 5], "data": ROWS}},
        {"dataframe_split": {"columns": ["a", "b", "c", "e"], "data": ROWS}},
        {"dataframe_split": {"columns": NAMES, "data": [[1, 2, 3]]}}, {"dataframe_split": {"columns": NAMES, "data": []}},
        {"dataframe_split": [1], "inputs": ROWS}, {"dataframe_records": [dict(zip(NAMES, ROWS[0]))]},
        {"dataframe_records": [], "inputs": ROWS}, {"inputs": {"data": [1, 2]}}],
    "/v2/models/numbers/infer": [
        {"inputs": [MATRIX]}, {"inputs": [{**MATRIX, "data": sum(ROWS, [])}]}, {"id": "q", "inputs": [MATRIX]},
        {"inputs": [column(n, d) for n, d in zip(NAMES, COLUMNS)]},
        {"inputs": [column(n, [[v] for v in d], [3, 1]) for n, d in reversed(list(zip(NAMES, COLUMNS)))]},
        {"inputs": [MATRIX], "outputs": [{"name": "label"}]}, {"inputs": [MATRIX], "outputs": [{"name": "none"}]},
        {"inputs": [MATRIX], "id": 5}, {"inputs": [{**MATRIX, "shape": [4, 3]}]}, {"inputs": [{**MATRIX, "shape": [3, 5]}]},
        {"inputs": [{**MATRIX, "shape": [-1, 4]}]}, {"inputs": [{**MATRIX, "shape": [2**40, 2**40]}]},
        {"inputs": [{**MATRIX, "datatype": "FP7"}]}, {"inputs": [{**MATRIX, "datatype": "INT8"}]},
        {"inputs": [{**MATRIX, "datatype": "BYTES"}]}, {"inputs": [{**MATRIX, "name": 4}]},
        {"inputs": [{**MATRIX, "parameters": {"binary_data_size": 4}}]},
        {"inputs": [column("r", [1, 2, 3, 300], [1, 4], "INT16")]}, {"inputs": [column("r", [1, 2, 3, 300], [1, 4], "UINT8")]},
        {"inputs": [column("r", [1, 0, 1, 0], [1, 4], "BOOL")]}, {"inputs": [column("r", [1, 0.5, 1, 0], [1, 4], "INT32")]},
        {"inputs": [column(n, d) for n, d in zip("abce", COLUMNS)]}, {"inputs": [column("a", [1, 2])]},
        {"inputs": [column(n, d) for n, d in zip("abcc", COLUMNS)]},
        {"inputs": [column(n, d[:2] if n == "c" else d) for n, d in zip(NAMES, COLUMNS)]},
        {"inputs": []}, {"inputs": [{}]}, {"inputs": [{**MATRIX, "data": []}]}, {"inputs": [{**MATRIX, "data": 1}]}]}


class Numbers(ApiTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        answer = cls.api.upload("/api/v1/train?wait=120", [
            ("file", "n.csv", table()), ("target", "y"), ("trials", "1"), ("name", "numbers"), ("families", "linear")],
            timeout=150)
        assert answer.status == 200 and answer.json["state"] == "succeeded", answer

    def ask(self, path, text):
        answer = self.api.call("POST", path, text.encode(), {"Content-Type": "application/json"})
        # an answer without its own id, and without the number of the place where the text ends
        return answer.status, re.sub(r'(req|prd)_[0-9a-z]+|column \d+', "", answer.raw.decode())

    def both(self, path, text):
        by_scan, by_tree = self.ask(path, text), self.ask(path, text.rstrip()[:-1] + ', "more": "\\u0001"}')
        self.assertEqual(by_scan, by_tree, text)
        return by_scan[0]

    def test_same_answers(self):
        for path, bodies in BODIES.items():
            states = []
            for body in bodies:
                text = json.dumps(body)
                if body:
                    states.append(self.both(path, text))
                    self.assertEqual(self.ask(path, json.dumps(body, indent=1)), self.ask(path, text))
                self.assertEqual(self.ask(path, text[:-1])[0], 400)
            self.assertEqual(states[:2], [200, 200])
            self.assertIn(422, states)

    def test_same_as_rows(self):
        by_rows = self.api.post("/api/v1/models/numbers/predict", {"rows": ROWS}).json["predictions"]
        expected = [row["probabilities"][name] for row in by_rows for name in ("no", "yes")]
        tf = self.api.post("/v1/models/numbers:predict", {"instances": ROWS}).json["predictions"]
        self.assertEqual(sum((row["probabilities"] for row in tf), []), expected)
        v2 = self.api.post("/v2/models/numbers/infer", {"inputs": [MATRIX]}).json["outputs"]
        self.assertEqual([o["data"] for o in v2 if o["name"] == "probabilities"], [expected])
        split = {"dataframe_split": {"columns": NAMES[::-1], "data": [row[::-1] for row in ROWS]}}
        labels = self.api.post("/api/v1/models/numbers/invocations", split).json["predictions"]
        self.assertEqual(labels, [row["label"] for row in by_rows])

    def test_odd_numbers(self):
        for number in ("1e999", "-1e999", "01", "+1", "1.", ".5", "NaN", "Infinity", "12345678901234567890123", "-0", "1e-400",
                       "0x10", "1 2", "", "nul", "\"1\"", "1e5", "0.1000000000000000055511151231257827021181583404541015625"):
            for path, text in (("/v1/models/numbers:predict", '{"instances": [[1,2,3,%s]]}'),
                               ("/v2/models/numbers/infer", '{"inputs": [{"name": "r", "shape": [1, 4], "datatype": '
                                                            '"FP64", "data": [1, 2, 3, %s]}]}')):
                self.both(path, text % number)
