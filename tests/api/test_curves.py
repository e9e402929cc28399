"""The learning curves of all trials of a job or a study in one call."""

import unittest

from common import ApiTest, iris


class Curves(ApiTest):
    def check(self, path, one, several):
        """What is told of each trial, by pages of one and by all at once, is the same; thinned it keeps both ends."""
        whole = self.api.get(f"{path}/curves?points=200").json
        self.assertEqual(whole["next_cursor"], None)
        items, cursor = [], ""
        while cursor is not None:
            page = self.api.get(f"{path}/curves?points=200&limit=1{cursor and '&cursor=' + cursor}").json
            items += page["items"]
            cursor = page["next_cursor"]
        self.assertEqual(items, whole["items"])
        for full, thin in zip(items, self.api.get(f"{path}/curves?points=2").json["items"]):
            if not full[one]:
                continue
            self.assertEqual([thin[one][0], thin[one][-1]], [full[one][0], full[one][-1]])
            self.assertLessEqual(len(thin[one]), 4)
            self.assertLessEqual(set(thin[one]), set(full[one]))
            for name in several:
                self.assertEqual(len(thin[name]), len(thin[one]))
        for wrong in ("limit=501", "limit=0", "points=1", "points=201", "cursor=x", "cursor=-1", "more=1"):
            self.assertEqual(self.api.get(f"{path}/curves?{wrong}").status, 400, wrong)
        return items

    def test_job(self):
        dataset = self.upload(iris())["id"]
        # With hardly a penalty a linear model takes long to converge: a curve of which nobody knew the length.
        job = self.run_job({"dataset": dataset, "target": "species", "budget": {"trials": 4}, "families": ["mlp", "linear"],
                            "search": {"seed": 2, "space": {"mlp": {"epochs": 12, "units": 8}, "linear": {"penalty": 1e-5, "l1_ratio": 0}}}})
        path = f"/api/v1/jobs/{job['id']}"
        trials = self.api.get(f"{path}/trials").json["items"]
        items = self.check(path, "epochs", ("valid_metric", "valid_loss"))
        linear = {trial["number"] for trial in trials if trial["family"] == "linear"}
        self.assertGreater(max(len(item["epochs"]) for item in items if item["number"] in linear), 8)
        self.assertEqual([(item["number"], item["trial"]) for item in items], [(trial["number"], trial["id"]) for trial in trials])
        for item, trial in zip(items, trials):
            epochs = self.api.get(f"{path}/trials/{trial['id']}").json["epochs"]
            first = [row for row in epochs if row["fold"] == min(other["fold"] for other in epochs)]
            self.assertEqual(item["epochs"], [row["epoch"] for row in first])
            self.assertEqual(item["valid_metric"], [row["valid_metric"] for row in first])
        self.problem(self.api.get("/api/v1/jobs/job_none/curves"), 404, "job_not_found")

    def test_study(self):
        study = self.api.post("/api/v1/studies", {"name": "curves", "space": {"rate": {"type": "float", "low": 0, "high": 1}}}).json["id"]
        path = f"/api/v1/studies/{study}"
        self.assertEqual(self.api.get(f"{path}/curves").json, {"items": [], "next_cursor": None})
        for turn in range(3):
            trial = self.api.post(f"{path}/suggest", {"client_id": "a"}).json["trials"][0]
            for step in range(1, 9 * turn + 1):
                self.assertEqual(self.api.post(f"{path}/trials/{trial['id']}/measure", {"step": step, "value": 1 / step}).status, 200)
            self.api.post(f"{path}/trials/{trial['id']}/complete", {"value": turn})
        items = self.check(path, "steps", ("values",))
        self.assertEqual([item["steps"] for item in items], [list(range(1, 9 * turn + 1)) for turn in range(3)])
        self.assertEqual(items[1]["values"], [1 / step for step in range(1, 10)])
        self.problem(self.api.get("/api/v1/studies/st_none/curves"), 404, "study_not_found")
        self.assertEqual(self.api.call("DELETE", path).status, 204)
        self.problem(self.api.get(f"{path}/curves"), 404, "study_not_found")


if __name__ == "__main__":
    unittest.main()
