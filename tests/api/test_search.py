"""What a job's search has learned: importance, slices, pairs, gain."""

import math
import unittest

from common import ApiTest, iris, other_tenant


class Learned(ApiTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.dataset = cls.upload(cls(), iris())["id"]
        cls.done = cls.run_job(cls(), {
            "dataset": cls.dataset, "target": "species", "budget": {"trials": 12}, "families": ["linear", "trees"],
            "search": {"seed": 5}})
        cls.path = f"/api/v1/jobs/{cls.done['id']}"

    def ask(self, question):
        answer = self.api.get(f"{self.path}/{question}")
        self.assertEqual(answer.status, 200, answer)
        return answer.json

    def test_importance(self):
        view = self.ask("importance")
        self.assertEqual((view["model"], view["trials"], view["focus"]), ("gaussian_process", 12, 1))
        names = {param["name"]: param for param in view["params"]}
        self.assertIn("family", names)
        self.assertEqual(names["family"]["active"], 1)
        shares = [param["share"] for param in view["params"]]
        self.assertEqual(shares, sorted(shares, reverse=True))
        self.assertTrue(all(0 <= share <= 1 for share in shares), shares)
        for name, param in names.items():
            if name.startswith("trees."):
                self.assertTrue(0 < param["active"] <= 0.5, param)
                self.assertLessEqual(param["share"], param["where_active"])
        pairs = sum(pair["share"] for pair in view["pairs"])
        self.assertAlmostEqual(view["rest"], max(1 - sum(shares) - pairs, 0))
        self.assertEqual(self.ask("importance"), view, "the same trials, the same answer")
        self.assertLessEqual(len(self.ask("importance?pairs=1")["pairs"]), 1)
        self.assertEqual(self.ask("importance?focus=0.2")["focus"], 0.2)

    def test_slice(self):
        name = next(param["name"] for param in self.ask("importance")["params"] if param["name"].startswith("trees."))
        view = self.ask(f"slices?param={name}&points=9")
        self.assertEqual(view["param"], name)
        self.assertTrue(2 <= len(view["points"]) <= 9)
        for point in view["points"]:
            self.assertTrue(point["sd"] >= 0 and point["spread"] >= 0, point)
            self.assertTrue(0 < point["mean"] < 1.1, point)
        trials = {trial["number"]: trial for trial in self.api.get(self.path + "/trials?limit=100").json["items"]}
        self.assertEqual({seen["trial"] for seen in view["observations"]},
                         {number for number, trial in trials.items() if trial["family"] == "trees"})
        for seen in view["observations"]:
            trial = trials[seen["trial"]]
            self.assertEqual(seen["at"], trial["params"][name.removeprefix("trees.")])
            self.assertAlmostEqual(seen["value"], trial["metric"], delta=0.01)
        self.assertIn(view["next"]["params"]["family"], ("linear", "trees"))

        families = self.ask("slices?param=family")
        self.assertEqual([point["at"] for point in families["points"]], ["linear", "trees"])
        self.assertEqual(len(families["observations"]), 12)
        best = max(families["points"], key=lambda point: point["best_mean"] or -math.inf)
        self.assertAlmostEqual(best["best_mean"], self.done["best"]["value"], delta=0.05)

    def test_pair(self):
        trees = [param["name"] for param in self.ask("importance")["params"] if param["name"].startswith("trees.")]
        view = self.ask(f"pairs?x={trees[0]}&y={trees[1]}&points=6")
        self.assertEqual((view["x"]["param"], view["y"]["param"]), tuple(trees[:2]))
        for grid in (view["mean"], view["best_mean"]):
            self.assertEqual(len(grid), len(view["x"]["values"]))
            for row in grid:
                self.assertEqual(len(row), len(view["y"]["values"]))
        self.assertTrue(all(0 < mean < 1.1 for row in view["mean"] for mean in row), view)
        self.assertTrue(view["observations"])

        conditional = self.ask(f"pairs?x=family&y={trees[0]}&points=4")
        self.assertEqual(conditional["x"]["values"], ["linear", "trees"])
        self.assertTrue(all(mean is None for mean in conditional["mean"][0]))
        self.assertTrue(all(mean is not None for mean in conditional["mean"][1]))

    def test_gain(self):
        view = self.ask("gain")
        self.assertEqual(view["trials"], 12)
        self.assertAlmostEqual(view["best"], self.done["best"]["value"], delta=0.1)
        self.assertTrue(0 <= view["expected_gain"] < 1 and view["noise"] > 0, view)
        self.assertGreaterEqual(view["regret_bound"], 0)

    def test_what_can_not_be_told(self):
        for question in ("importance?focus=0", "importance?pairs=0", "importance?param=family", "slices",
                         "slices?param=family&points=1", "pairs?x=family", "gain?points=3"):
            self.problem(self.api.get(f"{self.path}/{question}"), 400, "bad_request")
        for question in ("slices?param=color", "pairs?x=family&y=color", "pairs?x=family&y=family"):
            self.problem(self.api.get(f"{self.path}/{question}"), 422, "invalid")
        few = self.run_job({"dataset": self.dataset, "target": "species", "budget": {"trials": 2},
                            "families": ["linear"]})
        for question in ("importance", "slices?param=linear.c", "gain"):
            path = f"/api/v1/jobs/{few['id']}/{question}"
            answer = self.api.get(path)
            self.assertIn(answer.status, (409, 422), answer)
        self.problem(self.api.get(f"/api/v1/jobs/{few['id']}/gain"), 409, "too_few_trials")
        self.problem(self.api.get("/api/v1/jobs/job_none/importance"), 404, "job_not_found")
        self.problem(other_tenant().get(self.path + "/importance"), 404, "job_not_found")

    def test_stop_when_little_is_to_be_gained(self):
        body = {"dataset": self.dataset, "target": "species", "budget": {"trials": 8}, "families": ["linear"]}
        for rule, place in (({}, ""), ({"expected_gain": -1}, "/expected_gain"), ({"gain": 1}, "/gain"),
                            ({"expected_gain": 1, "after_trials": 2}, "/after_trials")):
            self.problem(self.api.post("/api/v1/jobs", {**body, "search": {"stop_when": rule}}), 422, "invalid",
                         "/search/stop_when" + place)
        rule = {"expected_gain": 10, "regret_bound": 10, "after_trials": 5}
        job = self.run_job({**body, "search": {"seed": 1, "parallel": 1, "stop_when": rule}})
        self.assertEqual((job["state"], job["stop_reason"], job["trials"]["done"]), ("succeeded", "no_gain", 5), job)
        self.assertEqual(job["spec"]["search"]["stop_when"], rule)
        path = f"/api/v1/jobs/{job['id']}"
        log = self.api.get(path + "/logs", headers={"Accept": "text/plain"}).raw.decode()
        self.assertRegex(log, "no further trial: after 5 the best next one is expected to gain")
        # who wants more trials gets them
        self.assertEqual(self.api.post(path + "/extend", {"trials": 9}).status, 202)
        job = self.api.wait_job(job["id"], 120)
        self.assertEqual((job["stop_reason"], job["trials"]["done"]), ("budget_trials", 9), job)
        self.assertNotIn("stop_when", job["spec"]["search"])

    def test_best_ones_again(self):
        """The last tenth of the trials are the best ones with another seed, and the report says how they did."""
        job = self.run_job({"dataset": self.dataset, "target": "species", "budget": {"trials": 20}, "families": ["trees"],
                            "search": {"method": "random", "seed": 3, "parallel": 1}})
        path = f"/api/v1/jobs/{job['id']}"
        trials = {trial["number"]: trial for trial in self.api.get(path + "/trials?limit=100").json["items"]}
        self.assertEqual(len(trials), 20)
        for number in (19, 20):
            same = [t for t in trials.values() if t["number"] < 19 and t["params"] == trials[number]["params"]]
            self.assertEqual(len(same), 1, trials[number])
        report = self.api.get(f"/api/v1/models/{job['model']['name']}/report").json
        self.assertEqual(len(report["repeated"]), 2, report["repeated"])
        for one in report["repeated"]:
            self.assertEqual(sorted(one["trials"])[1] in (19, 20), True, one)
            for number, metric in zip(one["trials"], one["metrics"]):
                self.assertAlmostEqual(metric, trials[number]["metric"])
            self.assertAlmostEqual(one["mean"], sum(one["metrics"]) / 2)
        log = self.api.get(path + "/logs", headers={"Accept": "text/plain"}).raw.decode()
        self.assertRegex(log, "it is trial [0-9]+ again with another seed")

    def test_other_methods_and_deleted_datasets(self):
        dataset = self.upload(iris())["id"]
        job = self.run_job({"dataset": dataset, "target": "species", "budget": {"trials": 6}, "families": ["linear"],
                            "metric": "log_loss", "search": {"method": "sobol", "seed": 2}})
        self.assertEqual(self.api.call("DELETE", f"/api/v1/datasets/{dataset}").status, 204)
        path = f"/api/v1/jobs/{job['id']}"
        view = self.api.get(path + "/importance").json
        self.assertEqual(view["trials"], 6)
        view = self.api.get(f"{path}/slices?param={view['params'][0]['name']}").json
        self.assertIsNone(view["next"])
        # log loss is better the lower it is: the values are the trials' own
        trials = {trial["number"]: trial for trial in self.api.get(path + "/trials").json["items"]}
        for seen in view["observations"]:
            self.assertAlmostEqual(seen["value"], trials[seen["trial"]]["metric"])


if __name__ == "__main__":
    unittest.main()
