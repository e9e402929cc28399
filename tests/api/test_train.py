"""One call from a file to a model, and the calls that look at what it made."""

import unittest

from common import ApiTest, cells, iris, other_tenant, prices


class Train(ApiTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.answer = cls.api.upload("/api/v1/train?wait=120", [
            ("file", "iris.csv", iris()), ("target", "species"), ("trials", "6"), ("name", "iris")],
            timeout=150)

    def test_the_two_lines(self):
        answer = self.answer
        self.assertEqual(answer.status, 200, answer)
        job = answer.json
        self.assertEqual(job["state"], "succeeded")
        self.assertEqual(job["progress"], 1.0)
        self.assertEqual(job["stop_reason"], "budget_trials")
        self.assertEqual(answer.headers["location"], f"/api/v1/jobs/{job['id']}")
        self.assertEqual(job["model"]["name"], "iris")
        self.assertGreater(job["model"]["score"], 0.85)
        answer = self.api.post("/api/v1/models/iris/predict", {"rows": [
            {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2},
            {"sepal_length": 6.7, "sepal_width": 3.0, "petal_length": 5.2, "petal_width": 2.3}]})
        self.assertEqual(answer.status, 200, answer)
        first, second = answer.json["predictions"]
        self.assertEqual((first["label"], second["label"]), ("setosa", "virginica"))
        self.assertAlmostEqual(sum(first["probabilities"].values()), 1.0, places=5)
        self.assertEqual(first["probability"], max(first["probabilities"].values()))
        self.assertTrue(answer.json["prediction_id"].startswith("prd_"))
        self.assertEqual(answer.json["version"], job["model"]["version"])

    def test_curl_style_body(self):
        body = b'{"rows":[{"sepal_length":5.1,"sepal_width":3.5,"petal_length":1.4,"petal_width":0.2}]}'
        answer = self.api.call("POST", "/api/v1/models/iris/predict", body,
                               {"Content-Type": "application/x-www-form-urlencoded"})
        self.assertEqual(answer.status, 200, answer)

    def test_job_trials_and_leaderboard(self):
        job = self.answer.json
        one = self.api.get(f"/api/v1/jobs/{job['id']}").json
        self.assertEqual(one["spec"]["target"], "species")
        self.assertEqual(one["metric"], "accuracy")
        self.assertEqual(sum(one["trials"].values()), 6)
        listed = [item["id"] for item in self.api.get("/api/v1/jobs?limit=100").json["items"]]
        self.assertIn(job["id"], listed)
        path = f"/api/v1/jobs/{job['id']}/trials"
        first = self.api.get(f"{path}?limit=4").json
        self.assertEqual([trial["number"] for trial in first["items"]], [1, 2, 3, 4])
        rest = self.api.get(f"{path}?limit=4&cursor={first['next_cursor']}").json
        self.assertEqual([trial["number"] for trial in rest["items"]], [5, 6])
        self.assertIsNone(rest["next_cursor"])
        trial = self.api.get(f"{path}/{first['items'][0]['id']}").json
        self.assertEqual(trial["number"], 1)
        self.assertEqual(trial["units_done"], trial["units_total"])
        self.assertIsInstance(trial["epochs"], list)
        board = self.api.get(f"/api/v1/jobs/{job['id']}/leaderboard?limit=100").json["items"]
        self.assertEqual([item["rank"] for item in board], list(range(1, len(board) + 1)))
        self.assertEqual(board[0]["id"], one["best"]["trial"])
        for bad in ("x", "-1", "99999999999999999999", "1.5"):
            self.problem(self.api.get(f"{path}?cursor={bad}"), 400, "bad_cursor")
        self.problem(self.api.get(f"{path}/tr_nothing"), 404, "trial_not_found")
        self.problem(self.api.get("/api/v1/jobs/job_nothing/trials"), 404, "job_not_found")

    def test_model_and_versions(self):
        model = self.api.get("/api/v1/models/iris").json
        self.assertEqual(model["aliases"]["best"], model["version"])
        same = self.api.get(f"/api/v1/models/{model['id']}").json
        self.assertEqual(same, model)
        self.assertIn("iris", [m["name"] for m in self.api.get("/api/v1/models?limit=100").json["items"]])
        version = self.api.get(f"/api/v1/models/iris/versions/{model['version']}").json
        self.assertEqual(version["score"], model["score"])
        report = self.api.get("/api/v1/models/iris/report").json
        self.assertEqual(report, self.api.get(
            f"/api/v1/models/iris/versions/{model['version']}/report").json)
        self.assertIn(report["estimate"], ("holdout", "bbc_cv"))
        schema = self.api.get("/api/v1/models/iris/schema").json
        self.assertEqual([column["name"] for column in schema["columns"]],
                         ["sepal_length", "sepal_width", "petal_length", "petal_width"])
        for path in ("versions/0", "versions/999", "versions/x", "versions/999/report"):
            self.problem(self.api.get(f"/api/v1/models/iris/{path}"), 404, "model_not_found")
        self.problem(self.api.get("/api/v1/models/nothing"), 404, "model_not_found")

    def test_aliases(self):
        version = self.api.get("/api/v1/models/iris").json["version"]
        path = "/api/v1/models/iris/aliases/live"
        answer = self.api.call("PUT", path, {"version": version})
        self.assertEqual(answer.status, 200, answer)
        tag = answer.headers["etag"]
        self.assertEqual(self.api.post("/api/v1/models/iris@live/predict",
                                       {"rows": [{"petal_width": 0.2}]}).json["version"], version)
        again = self.api.call("PUT", path, {"version": version}, {"If-Match": tag})
        self.assertEqual(again.status, 200, again)
        for tag in ('"77"', "77", "x", '""', '"*"'):
            stale = self.api.call("PUT", path, {"version": version}, {"If-Match": tag})
            self.problem(stale, 412, "precondition_failed")
        there = self.api.call("PUT", path, {"version": version}, {"If-Match": "*"})
        self.assertEqual(there.status, 200, there)
        gone = self.api.call("PUT", path + "-not", {"version": version}, {"If-Match": "*"})
        self.problem(gone, 412, "precondition_failed")
        self.problem(self.api.call("PUT", path, {"version": 999}), 422, "invalid", "/version")
        self.problem(self.api.call("PUT", path, {"version": "1"}), 422, "invalid", "/version")
        self.problem(self.api.call("PUT", path, {}), 422, "invalid", "/version")
        self.problem(self.api.call("PUT", path, {"version": 1, "more": 2}), 422, "invalid", "/more")
        self.problem(self.api.call("PUT", "/api/v1/models/iris/aliases/12", {"version": version}), 422,
                     "invalid")
        self.problem(self.api.call("PUT", "/api/v1/models/no/aliases/a", {"version": 1}), 404,
                     "model_not_found")

    def test_versions_in_the_path(self):
        version = self.api.get("/api/v1/models/iris").json["version"]
        rows = {"rows": [{"petal_width": 0.2}]}
        answer = self.api.post(f"/api/v1/models/iris@{version}/predict", rows)
        self.assertEqual(answer.json["version"], version)
        for name in ("iris@999", "iris@nowhere", "iris@", "nothing", "Iris", "a@b@c"):
            self.problem(self.api.post(f"/api/v1/models/{name}/predict", rows), 404, "model_not_found")

    def test_others_see_nothing(self):
        stranger = other_tenant()
        job = self.answer.json
        for path in (f"/api/v1/jobs/{job['id']}", f"/api/v1/jobs/{job['id']}/trials",
                     f"/api/v1/jobs/{job['id']}/leaderboard", "/api/v1/models/iris",
                     f"/api/v1/models/{job['model']['id']}/report",
                     f"/api/v1/datasets/{job['dataset']['id']}",
                     f"/api/v1/datasets/{job['dataset']['id']}/preview"):
            self.assertEqual(stranger.get(path).status, 404, path)
        for path, body in ((f"/api/v1/jobs/{job['id']}/cancel", None),
                           ("/api/v1/models/iris/predict", {"rows": [{"petal_width": 1}]}),
                           (f"/api/v1/models/{job['model']['id']}/predict", {"rows": [{"petal_width": 1}]}),
                           ("/api/v1/jobs", {"dataset": job["dataset"]["id"], "target": "species"})):
            self.assertEqual(stranger.post(path, body).status, 404, path)
        self.assertEqual(stranger.call("DELETE", f"/api/v1/datasets/{job['dataset']['id']}").status, 404)
        for path in ("/api/v1/jobs", "/api/v1/models", "/api/v1/datasets"):
            self.assertEqual(stranger.get(path).json["items"], [], path)

    def test_a_repeated_call_makes_one_job(self):
        parts = [("file", "iris.csv", iris()), ("target", "species"), ("trials", "1"),
                 ("name", "iris-once"), ("families", "linear")]
        headers = {"Idempotency-Key": "train-once"}
        first = self.api.upload("/api/v1/train", parts, headers=headers)
        self.assertIn(first.status, (200, 202), first)
        self.api.wait_job(first.json["id"], 60)
        again = self.api.upload("/api/v1/train", parts, headers=headers)
        self.assertEqual(again.status, 200, again)
        self.assertEqual(again.json["id"], first.json["id"])
        self.assertEqual(again.json["state"], "succeeded", again)
        names = [job["name"] for job in self.api.get("/api/v1/jobs?limit=100").json["items"]]
        self.assertEqual(names.count("iris-once"), 1)


class OtherTasks(ApiTest):
    def test_two_classes_with_missing_values(self):
        answer = self.api.upload("/api/v1/train?wait=120", [
            ("file", "cells.csv", cells()), ("target", "diagnosis"), ("trials", "4"), ("name", "cells"),
            ("metric", "roc_auc"), ("families", "linear, trees")], timeout=150)
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(answer.json["metric"], "roc_auc")
        self.assertEqual(answer.json["task"], "binary")
        self.assertGreater(answer.json["model"]["score"], 0.9)
        row = {"radius": 12.0, "texture": None, "area": 450.0}
        answer = self.api.post("/api/v1/models/cells/predict", {"rows": [row]})
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(set(answer.json["predictions"][0]["probabilities"]), {"benign", "malignant"})
        self.assertTrue(answer.json["predictions"][0]["warnings"])

    def test_regression(self):
        answer = self.api.upload("/api/v1/train?wait=120", [
            ("file", "rents.csv", prices()), ("target", "rent"), ("trials", "4"), ("name", "rents")],
            timeout=150)
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(answer.json["metric"], "rmse")
        answer = self.api.post("/api/v1/models/rents/predict", {"rows": [
            {"size": 30, "floor": 1, "district": "north", "built": "1990-01-01"},
            {"size": 110, "floor": 8, "district": "old town", "built": "1990-01-01"}]})
        self.assertEqual(answer.status, 200, answer)
        small, large = (p["value"] for p in answer.json["predictions"])
        self.assertLess(small, large)


if __name__ == "__main__":
    unittest.main()
