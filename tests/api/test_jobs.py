"""The life of jobs: cancelled, limited, failing, and what the server says it can run."""

import unittest

from common import ApiTest, cells, iris


class Jobs(ApiTest):
    def test_cancel_keeps_the_best(self):
        dataset = self.upload(cells(1500))["id"]
        job = self.api.post("/api/v1/jobs", {"dataset": dataset, "target": "diagnosis", "name": "Long one",
                                             "budget": {"seconds": 300}}).json
        self.assertIn(job["state"], ("queued", "running"))
        self.assertEqual(job["best"], None)
        view = self.watch_job(job["id"], lambda view: view["best"], 90)
        self.assertEqual(view["state"], "running")
        self.assertGreater(view["elapsed_s"], 0)
        self.assertTrue(0 < view["progress"] < 1)
        self.assertTrue(0 < view["eta_s"] <= 300)
        answer = self.api.post(f"/api/v1/jobs/{job['id']}/cancel")
        self.assertEqual(answer.status, 202, answer)
        done = self.api.wait_job(job["id"], 60)
        self.assertEqual((done["state"], done["stop_reason"]), ("cancelled", "cancelled"))
        self.assertEqual(done["model"]["name"], "long-one")
        self.problem(self.api.post(f"/api/v1/jobs/{job['id']}/cancel"), 409, "job_ended")
        self.problem(self.api.post("/api/v1/jobs/job_none/cancel"), 404, "job_not_found")

    def test_names_of_models(self):
        dataset = self.upload(iris(), "my-iris.csv")["id"]
        body = {"dataset": dataset, "target": "species", "budget": {"trials": 1}, "families": ["linear"]}
        plain = self.api.post("/api/v1/jobs?validate_only=1", body).json
        self.assertEqual(plain["name"], "my-iris")
        self.assertTrue(plain["job"]["deploy_as"].startswith("job_"))
        named = self.api.post("/api/v1/jobs?validate_only=1", {**body, "name": "Iris (2)"}).json
        self.assertEqual(named["job"]["deploy_as"], "iris-2")
        deployed = self.api.post("/api/v1/jobs?validate_only=1",
                                 {**body, "name": "Iris (2)", "deploy_as": "prod"}).json
        self.assertEqual(deployed["job"]["deploy_as"], "prod")

    def test_a_job_makes_the_next_version(self):
        dataset = self.upload(iris())["id"]
        body = {"dataset": dataset, "target": "species", "budget": {"trials": 1}, "families": ["linear"],
                "deploy_as": "twice", "search": {"method": "random", "seed": 3}}
        first = self.run_job(body)
        second = self.run_job(body)
        self.assertEqual(first["model"]["name"], "twice")
        self.assertGreater(second["model"]["version"], first["model"]["version"])
        versions = self.api.get("/api/v1/models/twice/versions").json["items"]
        self.assertEqual(versions[0]["version"], second["model"]["version"])
        row = {"rows": [{"petal_width": 0.2}]}
        self.assertEqual(self.api.post("/api/v1/models/twice/predict", row).json["version"],
                         second["model"]["version"])
        # roll back: predictions follow at once
        answer = self.api.call("PUT", "/api/v1/models/twice/aliases/best",
                               {"version": first["model"]["version"]})
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(self.api.post("/api/v1/models/twice/predict", row).json["version"],
                         first["model"]["version"])

    def test_nothing_to_search(self):
        """With every parameter fixed there is one trial for each family, and the best is deployed."""
        dataset = self.upload(iris())["id"]
        fixed = {"linear": {"penalty": 0.01, "l1_ratio": 0},
                 "trees": {"learning_rate": 0.3, "max_depth": 3, "min_child_weight": 1, "subsample": 1, "colsample": 1,
                           "alpha": 0, "lambda": 1, "rounds": 20, "patience": 5}}
        for families, method in ((["linear"], "bayes"), (["linear"], "grid"), (["linear", "trees"], "bayes")):
            space = fixed["linear"] if len(families) == 1 else fixed
            body = {"dataset": dataset, "target": "species", "families": families, "budget": {"trials": 20},
                    "deploy_as": "fixed", "search": {"method": method, "space": space}}
            done = self.run_job(body)
            self.assertEqual((done["state"], done["stop_reason"]), ("succeeded", "exhausted"), done)
            trials = self.api.get(f"/api/v1/jobs/{done['id']}/trials").json["items"]
            self.assertEqual(sorted(trial["family"] for trial in trials), families)
            for trial in trials:
                self.assertLessEqual(fixed[trial["family"]].items(), trial["params"].items(), trial)
            said = self.api.post("/api/v1/models/fixed/predict", {"rows": [{"petal_width": 0.2}]})
            self.assertEqual((said.status, said.json["version"]), (200, done["model"]["version"]), said)

    def test_idempotency(self):
        dataset = self.upload(iris())["id"]
        body = {"dataset": dataset, "target": "species", "budget": {"trials": 1}, "families": ["linear"]}
        headers = {"Idempotency-Key": "one-job"}
        first = self.api.post("/api/v1/jobs", body, headers=headers)
        again = self.api.post("/api/v1/jobs", body, headers=headers)
        self.assertEqual((again.status, again.json["id"]), (202, first.json["id"]))
        self.problem(self.api.post("/api/v1/jobs", {**body, "budget": {"trials": 2}}, headers=headers), 422,
                     "idempotency_mismatch")
        self.api.wait_job(first.json["id"], 60)

    def test_what_can_run(self):
        families = self.api.get("/api/v1/families").json["items"]
        self.assertEqual({f["name"] for f in families} & {"linear", "trees", "mlp"},
                         {"linear", "trees", "mlp"})
        for family in families:
            self.assertTrue(family["help"])
            self.assertEqual(family["fits"], family["name"] != "cnn")
            if not family["fits"]:
                self.assertIn("needs images", family["why_not"])
                continue
            for name, parameter in family["space"].items():
                if isinstance(parameter, dict):
                    self.assertTrue(parameter.get("help"), (family["name"], name))
            described = {p["name"]: p for p in family["hyperparameters"]}
            # what a fixed choice rules out, as momentum with another optimizer, may be asked for all the same
            self.assertLessEqual(set(family["space"]), set(described))
            self.assertLessEqual(set(described) - set(family["space"]), {"momentum"})
            for name, one in described.items():
                self.assertTrue(one["help"] and ("choices" in one or one["low"] < one["high"]), name)
                if name in family["space"]:
                    self.assertEqual(one["searched"], isinstance(family["space"][name], dict), name)
        mlp = {p["name"]: p for f in families if f["name"] == "mlp" for p in f["hyperparameters"]}
        self.assertIn("sgdr", mlp["schedule"]["choices"])
        self.assertFalse(mlp["ema"]["searched"])
        images = {f["name"]: f for f in self.api.get("/api/v1/families?kind=images").json["items"]}
        self.assertTrue(images["mlp"]["fits"])
        self.assertTrue(images["cnn"]["fits"])
        for name, one in images.items():
            self.assertEqual(one["fits"], one["space"] is not None, name)
            self.assertEqual(one["fits"], one["why_not"] is None, name)
        self.problem(self.api.get("/api/v1/families?kind=sounds"), 400, "bad_request")
        self.problem(self.api.get("/api/v1/families?task=poetry"), 400, "bad_request")
        methods = {m["name"]: m for m in self.api.get("/api/v1/search-methods").json["items"]}
        self.assertEqual({"bayes", "random", "grid", "sobol", "asha", "hyperband"} - set(methods), set())
        self.assertTrue(methods["bayes"]["default"])


if __name__ == "__main__":
    unittest.main()
