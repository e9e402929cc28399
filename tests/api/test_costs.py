"""Jobs that limit what a prediction takes or how large the model is."""

import unittest

from common import ApiTest, iris


class Costs(ApiTest):
    def board(self, job):
        return self.api.get(f"/api/v1/jobs/{job['id']}/leaderboard?limit=100").json["items"]

    def report(self, job):
        model = job["model"]
        return self.api.get(f"/api/v1/models/{model['name']}/versions/{model['version']}/report").json

    def run_within(self, dataset, trials=12, **limits):
        return self.run_job({"dataset": dataset, "target": "species", "families": ["mlp", "linear"],
                             "budget": {"trials": trials, **limits}, "validation": {"folds": 2}, "search": {"seed": 5}})

    def test_smaller_models(self):
        dataset = self.upload(iris())["id"]
        free = self.board(self.run_within(dataset, trials=4))
        self.assertTrue(all(trial["within_limits"] for trial in free), free)
        self.assertTrue(all(trial["us_per_row"] > 0 for trial in free), free)
        sizes = sorted(trial["model_bytes"] for trial in free)
        limit = (sizes[0] + sizes[-1]) // 2
        # the first few are set beforehand, or drawn before one is beyond it
        job = self.run_within(dataset, trials=20, max_model_bytes=limit)
        self.assertEqual(job["state"], "succeeded", job)
        board = self.board(job)
        fits = [trial["within_limits"] for trial in board]
        self.assertEqual(fits, [trial["model_bytes"] <= limit for trial in board])
        self.assertEqual(fits, sorted(fits, reverse=True), "those beyond the limit come last")
        self.assertGreater(sum(fits), len(fits) / 2, "the search keeps to the limit")
        self.assertEqual(job["best"]["trial"], board[0]["id"])
        report, model = self.report(job), job["model"]
        self.assertEqual(report["limits"], {"met": True, "max_model_bytes": limit})
        version = self.api.get(f"/api/v1/models/{model['name']}/versions/{model['version']}").json
        self.assertLessEqual(version["bytes"], limit)
        used = {member["trial"] for member in report["members"]}
        self.assertLessEqual(used, {trial["number"] for trial in board if trial["within_limits"]})

    def test_none_can_keep_to_it(self):
        dataset = self.upload(iris())["id"]
        job = self.run_within(dataset, trials=4, max_model_bytes=10, max_predict_us=1e6, target_score=0.1)
        self.assertEqual((job["state"], job["stop_reason"]), ("succeeded", "budget_trials"), job)
        board, report = self.board(job), self.report(job)
        self.assertEqual([trial["within_limits"] for trial in board], [False] * len(board))
        self.assertEqual(board, sorted(board, key=lambda trial: trial["model_bytes"]))
        self.assertFalse(report["limits"]["met"])
        self.assertTrue(any("not 10 as asked" in warning for warning in report["warnings"]), report["warnings"])
        self.assertEqual([member["trial"] for member in report["members"]], [board[0]["number"]])
        log = self.api.get(f"/api/v1/jobs/{job['id']}/logs?limit=200").json["items"]
        self.assertTrue(any("beyond the job's limits" in line["message"] for line in log), log)

    def test_limits_that_are_none(self):
        dataset = self.upload(iris())["id"]
        for name, value in (("max_model_bytes", 0), ("max_model_bytes", "small"), ("max_predict_us", -1)):
            answer = self.api.post("/api/v1/jobs", {"dataset": dataset, "target": "species", "budget": {name: value}})
            self.problem(answer, 422, "invalid", f"/budget/{name}")


if __name__ == "__main__":
    unittest.main()
