"""Winners fitted again in the end: on training and validation rows, on all rows, or not at all."""

import contextlib
import os
import random
import signal
import time
import unittest

from common import ApiTest, iris, server, sql  # noqa: I001 sets the path
from kills import find

ROWS = 20400
HELD = 2040  # a tenth


def waves(rows=ROWS, seed=8) -> bytes:
    """A number that trees tell the better the more rows they have."""
    draw = random.Random(seed)
    lines = ["a,b,y"]
    for _ in range(rows):
        a, b = draw.uniform(-1, 1), draw.uniform(-1, 1)
        lines.append(f"{a:.4f},{b:.4f},{a * b + abs(a) + draw.gauss(0, 0.2):.3f}")
    return ("\n".join(lines) + "\n").encode()


class Refit(ApiTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        answer = cls.api.upload("/api/v1/datasets", [("file", "waves.csv", waves())])
        cls.dataset = cls.api.wait_dataset(answer.json["id"])["id"]

    def request(self, **more):
        return {"dataset": self.dataset, "target": "y", "families": ["trees"], "budget": {"trials": 2},
                "search": {"method": "random", "seed": 5, "space": {"trees": {"rounds": 40, "max_depth": 4}}}, **more}

    def ended(self, **more):
        done = self.run_job(self.request(**more))
        self.assertEqual(done["state"], "succeeded", done)
        path = f"/api/v1/models/{done['model']['name']}/versions/"
        return done, path, self.api.get(f"{path}{done['model']['version']}/report").json

    def check_refit(self, report):
        """What is told of it agrees with itself and with the report."""
        refit = report["refit"]
        self.assertEqual(refit["rows"], ROWS - HELD)
        self.assertGreater(refit["standard_error"], 0)
        self.assertGreater(refit["seconds"], 0)
        loss = refit["score"] - refit["score_before"]  # RMSE
        self.assertEqual(refit["kept"], loss <= 1.645 * refit["standard_error"], refit)
        self.assertEqual(refit["reason"], None if refit["kept"] else "worse")
        self.assertAlmostEqual(report["score"], refit["score" if refit["kept"] else "score_before"], places=6)

    def test_by_rule(self):
        done, path, report = self.ended()
        self.assertEqual(report["estimate"], "holdout")
        self.assertEqual(report["rows"]["report"], HELD)
        self.check_refit(report)
        self.assertNotIn("refit_all", report)
        self.assertNotIn("all", self.api.get(path.removesuffix("/versions/")).json["aliases"])
        checked = self.api.post(f"{path}{done['model']['version']}/verify")
        self.assertTrue(checked.json["ok"], checked)
        log = self.api.get(f"/api/v1/jobs/{done['id']}/logs").json["items"]
        self.assertTrue(any("a refit on training and validation rows is" in str(line) for line in log), log)

    def test_none(self):
        done, path, report = self.ended(refit="none")
        self.assertEqual(done["spec"]["refit"], "none")
        self.assertIsNone(report["refit"])

    def test_all(self):
        done, path, report = self.ended(refit="all", deploy_as="waves")
        self.assertEqual(done["spec"]["refit"], "all")
        self.check_refit(report)
        self.assertEqual((report["refit_all"]["kept"], report["refit_all"]["rows"]), (True, ROWS))
        model = self.api.get("/api/v1/models/waves").json
        self.assertEqual(model["aliases"]["best"], done["model"]["version"])
        self.assertEqual(model["aliases"]["all"], done["model"]["version"] + 1)
        known = self.api.get(f"{path}{model['aliases']['all']}/report").json
        self.assertEqual((known["score"], known["estimate"]), (report["score"], "holdout"))
        self.assertEqual((known["refit"]["trained_on"], known["refit"]["rows"]), ("all", ROWS))
        self.assertIn("its score is the one before", known["warnings"][0])
        row = {"rows": [{"a": 0.5, "b": 0.5}]}
        said = [self.api.post(f"/api/v1/models/waves{which}/predict", row).json for which in ("", "@all")]
        for answer in said:
            self.assertAlmostEqual(answer["predictions"][0]["value"], 0.75, delta=0.3)
        self.assertNotEqual(*(answer["predictions"][0]["value"] for answer in said))
        self.problem(self.api.post(f"{path}{model['aliases']['all']}/verify"), 409, "conflict")
        made = self.api.post(f"/api/v1/jobs/{done['id']}/clone").json
        self.assertEqual(made["spec"]["refit"], "all", made)
        self.api.post(f"/api/v1/jobs/{made['id']}/cancel")

    def test_a_killed_end(self):
        """The end of a job that dies while it fits again is done anew, and comes to the same."""
        trees = {"rounds": 3000, "patience": 3000, "max_depth": 6, "learning_rate": 0.001}
        slow = {"search": {"method": "random", "seed": 6, "space": {"trees": trees}}, "budget": {"trials": 1}}
        _, _, whole = self.ended(**slow)
        self.assertGreater(whole["refit"]["seconds"], 1.2)
        job = self.api.post("/api/v1/jobs", self.request(**slow)).json["id"]
        ending = f"SELECT count(*) FROM unit WHERE job_id = '{job}' AND trial_id IS NULL AND state = 'leased'"
        deadline = time.monotonic() + 240
        while sql(ending).strip() != "1":
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.02)
        time.sleep(0.6)  # the choice, the report; then the refit
        for trial in find(server(), "trial"):  # another test's job may have one, too, or just have had it
            with contextlib.suppress(ProcessLookupError):
                os.kill(trial, signal.SIGKILL)
        done = self.api.wait_job(job, 240)
        self.assertEqual(done["state"], "succeeded", done)
        attempts = sql(f"SELECT attempts FROM unit WHERE job_id = '{job}' AND trial_id IS NULL").strip()
        self.assertEqual(attempts, "2")
        again = self.api.get(f"/api/v1/models/{done['model']['name']}/versions/{done['model']['version']}/report").json
        self.check_refit(again)
        for name in ("score", "score_before", "standard_error", "kept", "rows"):
            self.assertEqual(again["refit"][name], whole["refit"][name], name)

    def test_folds(self):
        """Their models have seen all rows between them."""
        dataset = self.upload(iris())["id"]
        done = self.run_job({"dataset": dataset, "target": "species", "families": ["linear"], "budget": {"trials": 1},
                             "refit": "all"})
        self.assertEqual(done["state"], "succeeded", done)
        model = self.api.get(f"/api/v1/models/{done['model']['name']}").json
        self.assertNotIn("all", model["aliases"])
        self.assertIsNone(self.api.get(f"/api/v1/models/{done['model']['name']}/report").json["refit"])

    def test_bad_input(self):
        for wrong in ("some", True, 3, ["all"]):
            with self.subTest(wrong=wrong):
                self.problem(self.api.post("/api/v1/jobs", self.request(refit=wrong)), 422, "invalid", "/refit")
        plan = self.api.post("/api/v1/jobs?validate_only=1", self.request(refit=None))
        self.assertEqual(plan.status, 200, plan)


if __name__ == "__main__":
    unittest.main()
