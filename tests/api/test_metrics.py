"""Metrics, weights and thresholds over HTTP: what a job may ask for, what its report and answers say."""

import json
import random
import unittest

from common import ApiTest

METRICS = {"accuracy", "balanced_accuracy", "log_loss", "roc_auc", "f1", "pr_auc", "mcc", "f1_weighted", "f1_binary",
           "precision", "recall", "brier_score"}


def rare(rows, seed):
    """A table in which about one row in eight is "yes", with weights and an amount that can be negative."""
    draw = random.Random(seed)
    lines = ["x1,x2,weight,broken,amount,answer"]
    for i in range(rows):
        x1, x2 = draw.random() * 2, draw.gauss(0, 1)
        yes = draw.random() < 1 / (1 + 2.718281828 ** (4 - 1.7 * x1 - x2))
        lines.append(f"{x1:.4f},{x2:.4f},{1 + 2 * yes},{-1 if i == 7 else 1},{x1 + draw.gauss(0, 1):.4f},"
                     f"{'yes' if yes else 'no'}")
    return "\n".join(lines).encode() + b"\n"


class Metrics(ApiTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        answer = cls.api.upload("/api/v1/datasets", [("file", "rare.csv", rare(600, 1)), ("name", "rare")])
        cls.dataset = cls.api.wait_dataset(answer.json["id"])["id"]

    def job(self, **members):
        return self.api.post("/api/v1/jobs", {
            "dataset": self.dataset, "target": "answer", "families": ["linear"], "budget": {"trials": 1},
            "search": {"seed": 1, "space": {"linear": {"penalty": 0.001}}}, **members})

    def done(self, **members):
        answer = self.job(**members)
        self.assertEqual(answer.status, 202, answer)
        job = self.api.wait_job(answer.json["id"], 120)
        self.assertEqual(job["state"], "succeeded", job)
        return self.api.call("GET", f"/api/v1/models/{members['deploy_as']}/report").json

    def predict(self, model, body, kind="application/json", query=""):
        if isinstance(body, dict):
            body = json.dumps(body).encode()
        return self.api.call("POST", f"/api/v1/models/{model}/predict{query}", body, {"Content-Type": kind})

    def test_tuned_threshold(self):
        # the weight tells the answer, so it is kept from the features
        report = self.done(metric="f1_binary", sample_weight="weight", deploy_as="tuned")
        self.assertEqual(report["decision"]["by"], "tuned_threshold")
        threshold = report["decision"]["threshold"]
        self.assertTrue(0 < threshold < 0.5, report["decision"])
        self.assertEqual(set(report["metrics"]["metrics"]), METRICS)
        self.assertEqual(report["metrics"]["threshold"], threshold)
        self.assertEqual(report["metric"], "f1_binary")
        schema = self.api.call("GET", "/api/v1/models/tuned/schema").json
        self.assertAlmostEqual(schema["threshold"], threshold)
        rows = [{"x1": i / 10, "x2": 0.5} for i in range(21)]
        answer = self.predict("tuned", {"rows": rows})
        self.assertEqual(answer.status, 200, answer)
        self.assertAlmostEqual(answer.json["threshold"], threshold)
        chances = [one["probabilities"]["yes"] for one in answer.json["predictions"]]

        def labels(said):
            return [one["label"] for one in said.json["predictions"]]
        self.assertEqual(labels(answer), ["yes" if p >= threshold else "no" for p in chances])
        for place in ({"body": {"rows": rows, "threshold": 0.3}}, {"body": {"rows": rows}, "query": "?threshold=0.3"},
                      {"body": {"rows": rows, "threshold": 0.3}, "query": "?threshold=0.9"}):
            other = self.predict("tuned", **place)
            self.assertEqual(other.json["threshold"], 0.3, other)
            self.assertEqual(labels(other), ["yes" if p >= 0.3 else "no" for p in chances])
            self.assertEqual([one["probabilities"]["yes"] for one in other.json["predictions"]], chances)
        self.assertEqual(labels(self.predict("tuned", {"rows": rows, "threshold": 0})), ["yes"] * 21)
        self.assertEqual(labels(self.predict("tuned", {"rows": rows, "threshold": 1})), ["no"] * 21)
        csv = b"x1,x2\n" + b"".join(b"%g,0.5\n" % (i / 10) for i in range(21))
        by_csv = self.predict("tuned", csv, "text/csv", "?threshold=0.3")
        self.assertEqual(by_csv.json["threshold"], 0.3, by_csv)
        form = self.api.upload("/api/v1/models/tuned/predict", [("file", "r.csv", csv), ("threshold", "0.3")])
        self.assertEqual(form.json["threshold"], 0.3, form)
        for bad in (-0.1, 1.5, "high", True):
            self.problem(self.predict("tuned", {"rows": rows, "threshold": bad}), 422, "invalid", "/threshold")
        for bad in ("-0.1", "2", "nan", "half", ""):
            self.problem(self.predict("tuned", {"rows": rows}, query="?threshold=" + bad), 422, "invalid",
                         "/threshold")

    def test_class_weights(self):
        report = self.done(metric="log_loss", class_weight="balanced", sample_weight="weight", deploy_as="weighed")
        weights = report["weights"]["classes"]
        self.assertGreater(weights["yes"], weights["no"])
        self.assertTrue(report["weights"]["recalibrated"])
        self.assertEqual(report["weights"]["rows"], "weight")
        self.assertTrue(report["metrics"]["weighted"])
        self.assertEqual(report["decision"]["by"], "class_weights")
        self.assertAlmostEqual(report["decision"]["threshold"], weights["no"] / (weights["no"] + weights["yes"]))
        # better than the shares of the classes, which uncalibrated probabilities would not be by as much
        self.assertLess(report["score"], report["baseline"]["score"])
        schema = self.api.call("GET", "/api/v1/models/weighed/schema").json
        self.assertNotIn("weight", {column["name"] for column in schema["columns"]})

    def test_numbers(self):
        report = self.done(target="amount", metric="quantile_0.9", deploy_as="high")
        self.assertIsNone(report["decision"])
        self.assertAlmostEqual(report["metrics"]["quantile"]["share_below"], 0.9, delta=0.06)
        self.assertIn("quantile_0.9", report["metrics"]["metrics"])
        self.assertIsNone(report["metrics"]["metrics"]["rmsle"])
        answer = self.predict("high", {"rows": [{"x1": 1}], "threshold": 0.4})
        self.problem(answer, 422, "invalid", "/threshold")

    def test_refused(self):
        for metric, target in (("rmsle", "amount"), ("top_3_accuracy", "answer"), ("rmse", "answer"),
                               ("quantile_0.33", "amount"), ("f1_binary", "amount")):
            self.problem(self.job(metric=metric, target=target), 422, "invalid", "/metric")
        answer = self.job(metric="rmsle", target="amount")
        self.assertIn("negative", answer.raw.decode())
        answer = self.job(sample_weight="broken")
        self.problem(answer, 422, "invalid", "/sample_weight")
        self.assertIn("row 8", answer.raw.decode())
        self.problem(self.job(class_weight={"maybe": 2}), 422, "invalid", "/class_weight/maybe")


if __name__ == "__main__":
    unittest.main()
