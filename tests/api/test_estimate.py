"""What a job would take: the estimate, budgets that can't do, and a search that starts from an earlier one."""

import os
import unittest

from common import ApiTest, cells, idx_images, idx_labels, iris, other_tenant, pictures, prices, sql


class Estimate(ApiTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        one = cls()
        cls.iris = one.upload(iris())["id"]
        cls.cells = one.upload(cells())["id"]
        cls.ask = staticmethod(lambda body, **more: cls.api.post("/api/v1/jobs?validate_only=1", body, **more))

    def plan(self, body):
        answer = self.ask(body)
        self.assertEqual(answer.status, 200, answer)
        return answer.json

    def test_says_what_would_run(self):
        before = sql("SELECT count(*) FROM job")
        plan = self.plan({"dataset": self.iris, "target": "species", "budget": {"seconds": 30}})
        self.assertEqual(sql("SELECT count(*) FROM job"), before)
        self.assertTrue(plan["valid"])
        self.assertEqual(plan["task"], {"kind": "multiclass", "classes": ["setosa", "versicolor", "virginica"]})
        self.assertEqual(plan["metric"], "accuracy")
        self.assertEqual(plan["dataset"]["rows"], 150)
        self.assertEqual(plan["split"]["kind"], "folds")
        self.assertEqual(plan["split"]["fits_per_trial"], 5)
        self.assertEqual(plan["split"]["train_rows"] + plan["split"]["valid_rows"], 150)
        self.assertEqual({f["name"] for f in plan["families"]}, {"linear", "trees", "mlp"})
        for family in plan["families"]:
            self.assertGreater(family["seconds_per_trial"], family["seconds_per_fit"])
            self.assertLessEqual(family["least_seconds_per_trial"], family["seconds_per_trial"])
            self.assertLess(family["seconds_per_trial"], 10)
        estimate = plan["estimate"]
        self.assertEqual(estimate["workers"], 2)
        self.assertGreater(estimate["trials"], 5)
        self.assertLessEqual(estimate["total_seconds"], 30)
        self.assertGreater(estimate["storage_bytes"], 1000)
        self.assertIn("factor", estimate["basis"])

    def test_needs_only_train(self):
        key = self.api.post("/api/v1/keys", {"name": "t", "scopes": ["train"]}).json["key"]
        body = {"dataset": self.iris, "target": "species"}
        head = {"Authorization": "Bearer " + key}
        self.assertEqual(self.ask(body, headers=head).status, 200)
        read = self.api.post("/api/v1/keys", {"name": "r", "scopes": ["read"]}).json["key"]
        self.problem(self.ask(body, headers={"Authorization": "Bearer " + read}), 403, "forbidden")

    def test_more_costs_more(self):
        body = {"dataset": self.cells, "target": "diagnosis", "families": ["mlp"], "budget": {"trials": 10}}
        small = self.plan(body)
        large = self.plan({**body, "search": {"space": {"units": 1024, "layers": 4}}})
        folds = self.plan({**body, "validation": {"folds": 10}})
        held = self.plan({**body, "validation": {"holdout": 0.2}})
        seconds = [p["estimate"]["seconds_per_trial"] for p in (held, small, folds, large)]
        self.assertEqual(seconds, sorted(seconds))
        self.assertEqual(small["estimate"]["trials"], 10)
        self.assertEqual(folds["split"]["fits_per_trial"], 10)
        self.assertEqual(held["split"]["kind"], "holdout")

    def test_grid(self):
        body = {"dataset": self.iris, "target": "species", "families": ["linear"], "budget": {"seconds": 600},
                "search": {"method": "grid", "grid_resolution": 4}}
        plan = self.plan(body)
        self.assertEqual(plan["space_count"], 16)
        self.assertEqual(plan["estimate"]["trials"], 16)
        body["search"] = {"method": "grid", "grid_resolution": 1000}
        self.problem(self.ask(body), 422, "invalid", "/search/method")
        self.problem(self.api.post("/api/v1/jobs", body), 422, "invalid", "/search/method")

    def test_measured_against_a_job(self):
        """The promise of a factor of 3, with the slack that a loaded machine needs, in both directions."""
        for target, dataset in (("species", self.iris), ("diagnosis", self.cells)):
            for family in ("linear", "trees", "mlp"):
                body = {"dataset": dataset, "target": target, "families": [family], "budget": {"trials": 1},
                        "search": {"seed": 5}}
                said = self.plan(body)["estimate"]["seconds_per_trial"]
                job = self.run_job(body)
                trial = self.api.get(f"/api/v1/jobs/{job['id']}/trials").json["items"][0]
                # Trials of milliseconds differ by more than a factor; nobody waits for them.
                ratio = max(said, 0.05) / max(trial["seconds"], 0.05)
                self.assertLess(ratio, 6, (target, family, said, trial["seconds"]))
                self.assertGreater(ratio, 1 / 6, (target, family, said, trial["seconds"]))

    def cpu_s(self):
        """What workers, their processes and the database have used so far."""
        total = 0
        for pid, command in self.api.processes():
            program = os.path.basename(command.split(" ")[0])
            if program.startswith("postgres") or (program == "attune-engine" and "--worker" in command):
                try:
                    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
                        times = [int(word) for word in file.read().rsplit(")", 1)[1].split()[11:15]]
                except OSError:
                    continue
                # the processes of trials count to the worker that waited for them
                total += sum(times if program == "attune-engine" else times[:2])
        return total / os.sysconf("SC_CLK_TCK")

    def test_what_trials_cost_in_all(self):
        """Small fits cost less than what is around them; both are foretold. In CPU time, which others at work change little."""
        body = {"dataset": self.iris, "target": "species", "budget": {"trials": 20}, "search": {"seed": 5}}
        said = self.plan(body)["estimate"]
        self.run_job({**body, "budget": {"trials": 2}})
        before = self.cpu_s()
        job = self.run_job(body, 300)
        used = (self.cpu_s() - before) / job["trials"]["done"]
        told = said["seconds_per_trial"] + said["overhead_per_trial"]
        fits = sum(trial["seconds"] for trial in self.api.get(f"/api/v1/jobs/{job['id']}/trials?limit=100").json["items"])
        print(f"a trial: {told:.3f} s foretold, {used:.3f} s of CPU time used, {fits / 20:.3f} s of it in fits")
        self.assertLess(max(told / used, used / told), 5)  # 3, and what a busy machine does even to CPU time
        # what a budget in seconds gives goes by both
        timed = self.plan({**body, "budget": {"seconds": 60}})["estimate"]
        self.assertLess(timed["trials"] * told, 60 * timed["workers"])
        self.assertGreater(timed["trials"] * told, 30 * timed["workers"])

    def test_budget_that_cannot_do(self):
        images, labels = pictures()
        answer = self.api.upload("/api/v1/datasets", [("images", "i", idx_images(images)),
                                                      ("labels", "l", idx_labels(labels))])
        dataset = self.api.wait_dataset(answer.json["id"])["id"]
        body = {"dataset": dataset, "families": ["mlp"], "budget": {"seconds": 1}, "validation": {"folds": 20},
                "search": {"space": {"units": 4096, "layers": 8, "epochs": 10000, "batch_size": 1}}}
        answer = self.ask(body)
        self.problem(answer, 422, "invalid", "/budget/seconds")
        least = int(answer.json["faults"][0]["hint"].split("at least ")[1].split()[0])
        self.assertGreater(least, 1)
        self.problem(self.api.post("/api/v1/jobs", body), 422, "invalid", "/budget/seconds")
        self.plan({**body, "budget": {"seconds": least}})
        self.plan({**body, "budget": {"trials": 3}})

    def pictures_dataset(self, count):
        images, labels = pictures(count)
        parts = [("images", "i", idx_images(images)), ("labels", "l", idx_labels(labels))]
        return self.api.upload_parsed(parts).json["id"]

    def test_too_brief_for_folds(self):
        """Images that the time does not do for to be held out in turn: a tenth is held out once, which the job remembers."""
        dataset = self.pictures_dataset(2000)
        body = {"dataset": dataset, "families": ["cnn"], "search": {"space": {"filters": 64}}}
        for more, held_out in (({"budget": {"seconds": 5}}, 0.1), ({"budget": {"seconds": 36000}}, None),
                               ({"budget": {"trials": 3}}, None),
                               ({"budget": {"seconds": 5}, "validation": {"folds": 5}}, None),
                               ({"budget": {"seconds": 5}, "validation": {"holdout": 0.3}}, 0.3),
                               ({"budget": {"seconds": 5}, "dataset": self.pictures_dataset(1990)}, None)):
            with self.subTest(str(more)):
                plan = self.plan({**body, **more})
                self.assertEqual(plan["job"]["validation"].get("holdout"), held_out)
                self.assertEqual(plan["split"]["kind"], "holdout" if held_out else "folds")
        job = self.run_job({**body, "budget": {"seconds": 5}}, 60)
        report = self.api.get(f"/api/v1/models/{job['model']['name']}/report").json
        self.assertEqual((report["estimate"], report["validation"]["kind"]), ("holdout", "holdout"))
        self.assertEqual(report["rows"]["report"], 200)
        # no job that is made with this much time holds a part out, but this one goes on as it began
        path = f"/api/v1/jobs/{job['id']}"
        answer = self.api.post(f"{path}/extend", {"seconds": 36000})
        self.assertEqual((answer.status, answer.json["spec"]["validation"]["holdout"]), (202, 0.1), answer)
        self.watch_job(job["id"], lambda view: view["trials"]["running"])
        self.assertEqual(self.api.post(f"{path}/cancel").status, 202)
        self.assertEqual(self.api.wait_job(job["id"], 60)["spec"]["validation"]["holdout"], 0.1)
        trials = self.api.get(f"{path}/trials").json["items"]
        self.assertEqual({trial["units_total"] for trial in trials}, {1})


class WarmStart(ApiTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        one = cls()
        cls.dataset = one.upload(cells())["id"]
        cls.body = {"dataset": cls.dataset, "target": "diagnosis", "families": ["linear"],
                    "budget": {"trials": 6}, "search": {"seed": 1}}
        cls.first = one.run_job(cls.body)

    def warm(self, **search):
        return {**self.body, "budget": {"trials": 4},
                "search": {"seed": 2, "warm_start_from": self.first["id"], **search}}

    def test_tries_the_best_first(self):
        board = self.api.get(f"/api/v1/jobs/{self.first['id']}/leaderboard").json["items"]
        for method in ("bayes", "random"):
            job = self.run_job(self.warm(method=method))
            trials = self.api.get(f"/api/v1/jobs/{job['id']}/trials").json["items"]
            # two workers may ask before either has told: still the best three, in order
            self.assertEqual([t["params"] for t in trials[:3]], [t["params"] for t in board[:3]], method)
            self.assertEqual(job["state"], "succeeded")
            one = self.api.get(f"/api/v1/jobs/{job['id']}").json
            self.assertEqual(one["spec"]["search"]["warm_start_from"], self.first["id"])
            self.assertNotIn("warm_start", one["spec"]["search"])
            self.assertEqual(sql(f"SELECT warm_start_from FROM job WHERE id = '{job['id']}'").strip(),
                             self.first["id"])

    def test_clamped_to_the_new_space(self):
        job = self.run_job(self.warm(space={"penalty": {"low": 1.0, "high": 2.0}}))
        for trial in self.api.get(f"/api/v1/jobs/{job['id']}/trials").json["items"]:
            self.assertGreaterEqual(trial["params"]["penalty"], 1.0)
            self.assertLessEqual(trial["params"]["penalty"], 2.0)

    def test_clone_of_a_warm_job(self):
        job = self.run_job(self.warm())
        answer = self.api.post(f"/api/v1/jobs/{job['id']}/clone", {"budget": {"trials": 1}})
        self.assertEqual(answer.status, 202, answer)
        again = self.api.wait_job(answer.json["id"], 60)
        self.assertEqual(again["state"], "succeeded")

    def test_plan(self):
        plan = self.api.post("/api/v1/jobs?validate_only=1", self.warm()).json
        self.assertEqual(plan["warm_start"], {"job": self.first["id"], "trials": 6})
        self.assertNotIn("warm_start", plan["job"]["search"])

    def test_faults(self):
        at = "/search/warm_start_from"
        self.problem(self.api.post("/api/v1/jobs", self.warm(warm_start_from="job_nothing")), 422, "invalid", at)
        self.problem(self.api.post("/api/v1/jobs", self.warm(warm_start_from=7)), 422, "invalid", at)
        self.problem(self.api.post("/api/v1/jobs", {**self.warm(), "families": ["trees"]}), 422, "invalid", at)
        forged = self.warm(warm_start=[["linear", {"penalty": 1}, 0]])
        del forged["search"]["warm_start_from"]
        self.problem(self.api.post("/api/v1/jobs", forged), 422, "invalid", "/search/warm_start")
        stranger = other_tenant()
        answer = stranger.upload("/api/v1/datasets", [("file", "c.csv", cells())])
        theirs = stranger.wait_dataset(answer.json["id"])["id"]
        self.problem(stranger.post("/api/v1/jobs", {**self.warm(), "dataset": theirs}), 422, "invalid", at)


if __name__ == "__main__":
    unittest.main()
