"""Trials of networks that pause at rungs, go on or are pruned."""

import unittest

from common import ApiTest, idx_images, idx_labels, iris, pictures

EPOCHS = 27
SPACE = {"mlp": {"epochs": EPOCHS, "units": 16, "layers": 1, "batch_size": 32}}


class EarlyStopping(ApiTest):
    def trials_of(self, job):
        return self.api.get(f"/api/v1/jobs/{job['id']}/trials?limit=100").json["items"]

    def epochs_of(self, job, trial):
        return self.api.get(f"/api/v1/jobs/{job['id']}/trials/{trial['id']}").json["epochs"]

    def run_with(self, rule, dataset, validation, **more):
        job = self.run_job({"dataset": dataset, "families": ["mlp"], "budget": {"trials": 14},
                            "validation": validation, "deploy_as": "pruned",
                            "search": {"early_stopping": rule, "seed": 3, "space": SPACE}, **more})
        self.assertEqual((job["state"], job["stop_reason"]), ("succeeded", "budget_trials"), job)
        counts = job["trials"]
        self.assertEqual((counts["running"], counts["paused"], counts["failed"]), (0, 0, 0))
        self.assertEqual(counts["done"] + counts["pruned"], 14)
        return job

    def test_fewer_epochs(self):
        dataset = self.upload(iris())["id"]
        validation = {"folds": 3}
        whole = self.run_with("none", dataset, validation, target="species")
        halved = self.run_with("asha", dataset, validation, target="species")
        self.assertEqual(whole["trials"]["pruned"], 0)
        self.assertGreaterEqual(halved["trials"]["pruned"], 5)
        self.assertGreaterEqual(halved["trials"]["done"], 2)
        spent = {}
        for job in (whole, halved):
            trials = self.trials_of(job)
            spent[job["id"]] = sum(len(self.epochs_of(job, trial)) for trial in trials)
            for trial in trials:
                done = trial["state"] == "done"
                self.assertEqual((trial["units_total"], trial["units_done"] == 3), (3, done), trial)
                self.assertEqual(trial["rungs"], 0 if job is whole else 4)
                self.assertEqual(trial["rung"] is None, job is whole)
                if job is halved:
                    self.assertEqual(trial["rung"] == 4, done, trial)
                self.assertIsNotNone(trial["metric"])
                curve = [(e["fold"], e["epoch"]) for e in self.epochs_of(job, trial)]
                self.assertEqual(len(curve), len(set(curve)))
                if trial["state"] == "pruned":
                    fold = [epoch for _, epoch in curve]
                    self.assertEqual(fold, list(range(1, len(fold) + 1)))
        self.assertLess(spent[halved["id"]], 0.6 * spent[whole["id"]])
        ranks = self.api.get(f"/api/v1/jobs/{halved['id']}/leaderboard").json["items"]
        self.assertEqual({trial["state"] for trial in ranks}, {"done"})
        events = self.api.get(f"/api/v1/jobs/{halved['id']}/events?after=0").json["items"]
        states = [e["state"] for e in events if e["event"] == "trial"]
        self.assertIn("paused", states)
        self.assertEqual(sum(state in ("done", "pruned") for state in states), 14)
        said = self.api.post("/api/v1/models/pruned/predict", {"rows": [{"petal_width": 0.2}]})
        self.assertEqual(said.status, 200, said)

    def test_images(self):
        images, labels = pictures()
        dataset = self.api.wait_dataset(self.api.upload("/api/v1/datasets", [
            ("images", "i.idx", idx_images(images)), ("labels", "l.idx", idx_labels(labels))]).json["id"])["id"]
        job = self.run_with("hyperband", dataset, {"holdout": 0.25})
        self.assertEqual({trial["rungs"] for trial in self.trials_of(job)}, {3})

    def test_what_does_not_fit(self):
        dataset = self.upload(iris())["id"]
        body = {"dataset": dataset, "target": "species"}
        self.problem(self.api.post("/api/v1/jobs", {**body, "search": {"early_stopping": "soon"}}), 422,
                     "invalid", "/search/early_stopping")
        self.problem(self.api.post("/api/v1/jobs", {**body, "search": {"method": "asha", "early_stopping": "none"}}), 422,
                     "invalid", "/search/early_stopping")
        plan = self.api.post("/api/v1/jobs?validate_only=1", {**body, "search": {"method": "asha"}}).json
        self.assertEqual(plan["job"]["search"]["early_stopping"], "asha")


if __name__ == "__main__":
    unittest.main()
