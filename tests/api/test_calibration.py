"""Calibrated probabilities and intervals around numbers over HTTP: reports, answers, bad input."""

import json
import random
import unittest

from common import ApiTest


def rows(count, seed):
    """x1 and x2, a number whose errors grow with x1, and a class that is hard to tell."""
    draw = random.Random(seed)
    for _ in range(count):
        x1, x2 = draw.random() * 2, draw.gauss(0, 1)
        number = 5 * x1 + x2 + (0.2 + x1) * draw.gauss(0, 1)
        yield x1, x2, number, "yes" if draw.random() < (0.7 if x1 > 1 else 0.3) else "no"


def table(count, seed):
    lines = ["x1,x2,number,answer"] + [f"{x1:.5f},{x2:.5f},{number:.5f},{answer}"
                                       for x1, x2, number, answer in rows(count, seed)]
    return "\n".join(lines).encode() + b"\n"


# The first tree takes a leaf for every few rows, which makes it far too sure.
SPACES = {"linear": {"penalty": 0.001},
          "trees": {"learning_rate": 1, "max_depth": 12, "rounds": 20, "min_child_weight": 0.1, "lambda": 0.01}}


class Calibration(ApiTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        answer = cls.api.upload("/api/v1/datasets", [("file", "noisy.csv", table(700, 1)), ("name", "noisy")])
        cls.dataset = cls.api.wait_dataset(answer.json["id"])["id"]
        few = cls.api.upload("/api/v1/datasets", [("file", "few.csv", table(40, 2)), ("name", "few")])
        cls.few = cls.api.wait_dataset(few.json["id"])["id"]
        cls.reports = {name: cls.done(dataset, name, target, metric, family) for name, dataset, target, metric, family in (
            ("numbers", cls.dataset, "number", "rmse", "linear"), ("upper", cls.dataset, "number", "quantile_0.9", "linear"),
            ("scarce", cls.few, "number", "rmse", "linear"), ("classes", cls.dataset, "answer", "log_loss", "trees"))}

    @classmethod
    def done(cls, dataset, name, target, metric, family):
        answer = cls.api.post("/api/v1/jobs", {
            "dataset": dataset, "target": target, "families": [family], "metric": metric, "budget": {"trials": 1},
            "deploy_as": name, "search": {"seed": 1, "space": {family: SPACES[family]}}})
        assert answer.status == 202, answer
        job = cls.api.wait_job(answer.json["id"], 120)
        assert job["state"] == "succeeded", job
        return cls.api.call("GET", f"/api/v1/models/{name}/report").json

    def predict(self, model, body, kind="application/json", query=""):
        if isinstance(body, dict):
            body = json.dumps(body).encode()
        return self.api.call("POST", f"/api/v1/models/{model}/predict{query}", body, {"Content-Type": kind})

    def test_intervals_hold(self):
        """On rows no job has seen, as often as asked, and as the report says."""
        fresh = list(rows(3000, 9))
        told = {level["level"]: level for level in self.reports["numbers"]["prediction_intervals"]["levels"]}
        self.assertEqual(set(told), {0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99})
        for level in (0.5, 0.9, 0.99):
            answer = self.predict("numbers", {"rows": [{"x1": r[0], "x2": r[1]} for r in fresh], "interval": level})
            self.assertEqual(answer.status, 200, answer)
            self.assertEqual(answer.json["interval"], level)
            held = [p["interval"]["low"] <= r[2] <= p["interval"]["high"] for p, r in zip(answer.json["predictions"], fresh)]
            self.assertAlmostEqual(sum(held) / len(held), level, delta=0.06)
            self.assertAlmostEqual(told[level]["coverage"], level, delta=0.05)
            widths = [p["interval"]["high"] - p["interval"]["low"] for p in answer.json["predictions"]]
            self.assertAlmostEqual(sum(widths) / len(widths) / told[level]["mean_width"], 1, delta=0.1)
        self.assertTrue(self.reports["numbers"]["prediction_intervals"]["by_prediction"])
        self.assertIsNone(self.reports["numbers"]["calibration"])

    def test_every_way_gives_the_same(self):
        body = {"rows": [{"x1": 1.5, "x2": 0}, {"x1": 0.1, "x2": 0}]}
        first = self.predict("numbers", {**body, "interval": 0.8}).json
        wide, narrow = (p["interval"]["high"] - p["interval"]["low"] for p in first["predictions"])
        self.assertGreater(wide, 1.5 * narrow)
        for prediction in first["predictions"]:
            self.assertLess(prediction["interval"]["low"], prediction["value"])
        csv = b"x1,x2\n1.5,0\n0.1,0\n"
        for answer in (self.predict("numbers", csv, "text/csv", "?interval=0.8"),
                       self.predict("numbers", body, query="?interval=0.8"),
                       self.predict("numbers", {**body, "interval": 0.8}, query="?interval=0.5"),
                       self.api.upload("/api/v1/models/numbers/predict", [("file", "r.csv", csv), ("interval", "0.8")])):
            self.assertEqual(answer.status, 200, answer)
            self.assertEqual(answer.json["predictions"], first["predictions"])
            self.assertEqual(answer.json["interval"], 0.8)
        for none in (self.predict("numbers", body), self.predict("numbers", {**body, "interval": None})):
            self.assertNotIn("interval", none.json)
            self.assertNotIn("interval", none.json["predictions"][0])
        mixed = self.predict("numbers", {"rows": [{"x1": "much"}, {"x1": 1}], "interval": 0.8})
        self.assertEqual(mixed.status, 207)
        self.assertNotIn("interval", mixed.json["predictions"][0])
        self.assertIn("interval", mixed.json["predictions"][1])

    def test_a_quantile_is_near_an_end(self):
        report = self.reports["upper"]["prediction_intervals"]
        self.assertTrue(report["each_tail"])
        answer = self.predict("upper", {"rows": [{"x1": 1, "x2": 0}], "interval": 0.8}).json["predictions"][0]
        low, high = answer["interval"]["low"], answer["interval"]["high"]
        self.assertGreater(answer["value"] - low, 3 * abs(high - answer["value"]))

    def test_refused(self):
        row = {"rows": [{"x1": 1}]}
        for bad in (0, 1, -0.1, 1.5, "0.9", True, [0.9]):
            self.problem(self.predict("numbers", {**row, "interval": bad}), 422, "invalid", "/interval")
        for bad in ("0", "1", "x", "nan", "", "90%25"):
            self.problem(self.predict("numbers", row, query="?interval=" + bad), 422, "invalid", "/interval")
        form = self.api.upload("/api/v1/models/numbers/predict", [("file", "r.csv", b"x1\n1\n"), ("interval", "2")])
        self.problem(form, 422, "invalid", "/interval")
        answer = self.predict("classes", {**row, "interval": 0.9})
        self.problem(answer, 422, "invalid", "/interval")
        self.assertIn("binary", answer.raw.decode())
        answer = self.predict("scarce", {**row, "interval": 0.99})
        self.problem(answer, 422, "invalid", "/interval")
        hint = answer.json["errors"][0]["hint"] if "errors" in answer.json else answer.raw.decode()
        most = float(hint.split("at most ")[1].split('"')[0])
        self.assertEqual(self.predict("scarce", {**row, "interval": most}).status, 200)
        self.problem(self.predict("scarce", {**row, "interval": most + 0.001}), 422, "invalid", "/interval")

    def test_calibration(self):
        report = self.reports["classes"]
        told = report["calibration"]
        self.assertTrue(told["used"], told)
        self.assertGreater(told["temperature"], 1)
        self.assertEqual(told["measured_on"], "validation")
        self.assertLess(told["log_loss"]["after"], told["log_loss"]["before"])
        self.assertLess(told["ece"]["after"], told["ece"]["before"])
        self.assertIsNone(report["prediction_intervals"])
        version = self.api.call("GET", "/api/v1/models/classes").json["version"]
        verify = self.api.call("POST", f"/api/v1/models/classes/versions/{version}/verify")
        self.assertTrue(verify.json["ok"], verify)


if __name__ == "__main__":
    unittest.main()
