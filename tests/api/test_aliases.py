"""The aliases that a job makes: best, and fast where that is another model."""

import random
import unittest

from common import ApiTest


def table(count, seed):
    """A number that trees can tell and lines cannot."""
    draw = random.Random(seed)
    lines = ["x1,x2,x3,number"]
    for _ in range(count):
        x1, x2, x3 = (draw.uniform(-1, 1) for _ in range(3))
        number = 3 * abs(x1) + (2 if x1 * x2 > 0 else 0) + 0.5 * x3 + 0.1 * draw.gauss(0, 1)
        lines.append(f"{x1:.5f},{x2:.5f},{x3:.5f},{number:.5f}")
    return "\n".join(lines).encode() + b"\n"


# Hundreds of small steps in each of five folds: more than 100 microseconds a row.
SLOW = {"learning_rate": 0.01, "rounds": 700, "patience": 700, "max_depth": 8, "min_child_weight": 1}


class Aliases(ApiTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        answer = cls.api.upload("/api/v1/datasets", [("file", "bends.csv", table(500, 1)), ("name", "bends")])
        cls.dataset = cls.api.wait_dataset(answer.json["id"])["id"]
        cls.slow = cls.done("slow", ["trees", "linear"], 2)
        cls.model = cls.api.get("/api/v1/models/slow").json

    @classmethod
    def done(cls, name, families, trials):
        answer = cls.api.post("/api/v1/jobs", {
            "dataset": cls.dataset, "target": "number", "families": families, "deploy_as": name,
            "budget": {"trials": trials}, "search": {"seed": 1, "parallel": 1, "space": {
                family: SLOW if family == "trees" else {"penalty": 0.001} for family in families}}})
        assert answer.status == 202, answer
        job = cls.api.wait_job(answer.json["id"], 240)
        assert job["state"] == "succeeded", job
        return job

    def test_fast_is_another_version(self):
        best, fast = (self.model["aliases"][name] for name in ("best", "fast"))
        self.assertEqual(best, self.slow["model"]["version"])
        self.assertEqual(fast, best - 1)
        versions = {version["version"]: version for version in self.model["versions"]}
        self.assertGreater(versions[best]["us_per_row"], 100)
        self.assertLess(versions[fast]["us_per_row"], 100)
        self.assertEqual(versions[fast]["family"], "linear")
        self.assertTrue(versions[fast]["final"])
        self.assertEqual(versions[fast]["job"], self.slow["id"])
        self.assertEqual(self.model["version"], best)
        self.assertEqual(self.api.get("/api/v1/models?limit=1").json["items"][0]["version"], best)

    def test_fast_has_a_report_of_its_own(self):
        reports = {name: self.api.get(f"/api/v1/models/slow/versions/{version}/report").json
                   for name, version in self.model["aliases"].items()}
        self.assertEqual(reports["fast"]["estimate"], "bbc_cv")
        self.assertGreater(reports["fast"]["score"], 1.5 * reports["best"]["score"])
        self.assertEqual(reports["fast"]["family"], "linear")
        self.assertEqual(len(reports["fast"]["members"]), 1)
        for name, version in self.model["aliases"].items():
            checked = self.api.call("POST", f"/api/v1/models/slow/versions/{version}/verify")
            self.assertTrue(checked.json["ok"], (name, checked))

    def test_predict(self):
        row = {"rows": [{"x1": 0.5, "x2": 0.5, "x3": 0}], "interval": 0.9}
        said = {name: self.api.post(f"/api/v1/models/slow@{name}/predict", row).json for name in ("best", "fast")}
        self.assertEqual({name: answer["version"] for name, answer in said.items()}, self.model["aliases"])
        best, fast = (said[name]["predictions"][0] for name in ("best", "fast"))
        self.assertAlmostEqual(best["value"], 3.5, delta=0.4)
        self.assertNotEqual(best["value"], fast["value"])
        self.assertGreater(fast["interval"]["high"] - fast["interval"]["low"],
                           best["interval"]["high"] - best["interval"]["low"])

    def test_fast_is_best_where_that_is_fast(self):
        """The next job of the name takes both aliases along."""
        first = self.done("quick", ["linear"], 1)
        aliases = self.api.get("/api/v1/models/quick").json["aliases"]
        self.assertEqual(aliases, {"best": first["model"]["version"], "fast": first["model"]["version"]})
        second = self.done("quick", ["linear"], 1)
        aliases = self.api.get("/api/v1/models/quick").json["aliases"]
        self.assertEqual(aliases, {"best": second["model"]["version"], "fast": second["model"]["version"]})


if __name__ == "__main__":
    unittest.main()
