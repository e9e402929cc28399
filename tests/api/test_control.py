"""Jobs under control: paused, resumed, extended, cloned, cancelled; and what their log says."""

import os
import time
import unittest

from common import TOP, ApiTest, cells, iris, other_tenant, sql


class Control(ApiTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.dataset = cls.ready(cells(1500))
        cls.small = cls.ready(iris())

    @classmethod
    def ready(cls, content):
        answer = cls.api.upload("/api/v1/datasets", [("file", "table.csv", content)])
        return cls.api.wait_dataset(answer.json["id"])["id"]

    def start(self, **more):
        body = {"dataset": self.small, "target": "species", "budget": {"trials": 2}, "families": ["linear"], **more}
        answer = self.api.post("/api/v1/jobs", body)
        self.assertEqual(answer.status, 202, answer)
        return answer.json

    def long(self, seconds=300, **more):
        return self.start(dataset=self.dataset, target="diagnosis", budget={"seconds": seconds}, **more)

    def job(self, job):
        return self.api.get(f"/api/v1/jobs/{job['id']}").json

    def verb(self, job, verb, body=None, **more):
        return self.api.post(f"/api/v1/jobs/{job['id']}/{verb}", body, **more)

    def until(self, job, holds):
        return self.watch_job(job["id"], holds)

    def log(self, job, query=""):
        return [line["message"] for line in self.api.get(f"/api/v1/jobs/{job['id']}/logs?limit=1000{query}").json["items"]]

    def finish_phase(self, job):
        """Makes the job look as if its model were being made, on an engine that is slow."""
        # The job's row first, as every program locks it: a worker may be at its units.
        sql(f"SELECT 1 FROM job WHERE id = '{job['id']}' FOR UPDATE;"
            f"UPDATE unit SET state = 'cancelled' WHERE job_id = '{job['id']}' AND state IN ('pending','leased');"
            f"UPDATE trial SET state = 'cancelled' WHERE job_id = '{job['id']}' AND state = 'running';"
            f"UPDATE job SET phase = 'finish', stop_reason = 'budget_seconds' WHERE id = '{job['id']}';"
            f"INSERT INTO unit (job_id, state, lease_until, attempts) VALUES ('{job['id']}', 'leased',"
            " now() + interval '1 hour', 1)")

    def test_pause_and_resume(self):
        job = self.long(name="Halted")
        self.until(job, lambda view: view["trials"]["done"] > 0)
        answer = self.verb(job, "pause")
        self.assertEqual((answer.status, answer.json["state"]), (202, "paused"), answer)
        self.assertIsNotNone(answer.json["paused_at"])
        first = self.job(job)
        # the units are given back, and nothing moves any more: no trial, no clock
        deadline = time.monotonic() + 20
        while sql(f"SELECT count(*) FROM unit WHERE job_id = '{job['id']}' AND state = 'leased'").strip() != "0":
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.1)
        self.assertEqual(sql(f"SELECT coalesce(max(attempts), 0) FROM unit WHERE job_id = '{job['id']}'"
                             " AND state = 'pending'").strip(), "0")
        settled = self.job(job)
        time.sleep(2.5)
        later = self.job(job)
        self.assertEqual({k: later[k] for k in ("state", "elapsed_s", "eta_s", "progress", "trials")},
                         {k: settled[k] for k in ("state", "elapsed_s", "eta_s", "progress", "trials")})
        self.assertAlmostEqual(later["elapsed_s"], first["elapsed_s"], places=3)
        self.assertEqual(self.verb(job, "pause").status, 202, "it is paused already")
        answer = self.verb(job, "resume")
        self.assertEqual((answer.status, answer.json["state"], answer.json["paused_at"]), (202, "running", None))
        self.assertLess(answer.json["elapsed_s"], first["elapsed_s"] + 2)
        self.assertEqual(self.verb(job, "resume").status, 202, "it runs already")
        self.until(job, lambda view: view["trials"]["done"] > later["trials"]["done"])
        # events of every move, in order
        events = self.api.get(f"/api/v1/jobs/{job['id']}/events?after=0").json["items"]
        states = [event["state"] for event in events if event["event"] == "state"]
        self.assertEqual(states, ["queued", "running", "paused", "running"])
        # a paused job can be cancelled and keeps its best
        self.verb(job, "pause")
        self.assertEqual(self.verb(job, "cancel").status, 202)
        done = self.api.wait_job(job["id"], 60)
        self.assertEqual((done["state"], done["model"]["name"]), ("cancelled", "halted"))
        for verb in ("pause", "resume", "cancel"):
            self.problem(self.verb(job, verb), 409, "job_ended")
        log = self.log(job)
        for words in ("created by key_", "paused by key_", "resumed by key_", "cancelled by key_"):
            self.assertTrue(any(line.startswith(words) for line in log), (words, log))

    def test_queued_job(self):
        """A job that no engine has begun waits paused, and ends at once when cancelled."""
        job = self.long()
        self.verb(job, "pause")
        view = self.job(job)
        if view["started_at"] is None:
            self.assertEqual((view["state"], view["elapsed_s"]), ("paused", 0))
            self.assertEqual(self.verb(job, "cancel").json["state"], "cancelled")
        else:
            self.assertEqual(self.verb(job, "cancel").status, 202)
        self.assertEqual(self.api.wait_job(job["id"], 60)["state"], "cancelled")

    def test_what_is_refused(self):
        job = self.long()
        for verb in ("pause", "resume", "cancel"):
            self.problem(self.verb(job, verb, {"now": True}), 422, "invalid", "")
            self.problem(self.verb({"id": "job_none"}, verb), 404, "job_not_found")
        stranger = other_tenant()
        for verb in ("pause", "resume", "cancel", "clone"):
            self.problem(stranger.post(f"/api/v1/jobs/{job['id']}/{verb}"), 404, "job_not_found")
        self.problem(stranger.post(f"/api/v1/jobs/{job['id']}/extend", {"seconds": 400}), 404, "job_not_found")
        self.problem(stranger.get(f"/api/v1/jobs/{job['id']}/logs"), 404, "job_not_found")
        self.problem(self.verb(job, "extend", {}), 422, "invalid", "")
        self.problem(self.verb(job, "extend", {"seconds": 300}), 422, "invalid", "/seconds")
        self.problem(self.verb(job, "extend", {"seconds": 1e9}), 422, "invalid", "/seconds")
        self.problem(self.verb(job, "extend", {"seconds": "long"}), 422, "invalid", "/seconds")
        self.problem(self.verb(job, "extend", {"trials": 10}), 422, "invalid", "/trials")
        self.problem(self.verb(job, "extend", {"target_score": 0.9}), 422, "invalid", "/target_score")
        self.problem(self.verb(job, "extend", {"seconds": 400, "hours": 1}), 422, "invalid", "/hours")
        self.problem(self.verb(job, "extend", [1]), 422, "invalid", "")
        self.until(job, lambda view: view["trials"]["done"] > 0)
        self.finish_phase(job)
        self.problem(self.verb(job, "pause"), 409, "job_finishing")
        # the finish is taken back: it will be done again
        answer = self.verb(job, "extend", {"seconds": 400})
        self.assertEqual((answer.status, answer.json["state"], answer.json["budget"]["seconds"]), (202, "running", 400))
        self.until(job, lambda view: view["trials"]["running"] > 0)
        self.verb(job, "cancel")
        self.api.wait_job(job["id"], 60)

    def test_extend(self):
        job = self.start(budget={"trials": 2, "target_score": 2})
        first = self.api.wait_job(job["id"], 60)
        self.assertEqual((first["state"], first["trials"]["done"]), ("succeeded", 2))
        before = self.api.get(f"/api/v1/jobs/{job['id']}/trials").json["items"]
        self.problem(self.verb(job, "extend", {"trials": 2}), 422, "invalid", "/trials")
        self.problem(self.verb(job, "extend", {"target_score": 3}), 422, "invalid", "/trials")
        answer = self.verb(job, "extend", {"trials": 4, "target_score": None})
        self.assertEqual((answer.status, answer.json["extended"]), (202, 1), answer)
        self.assertIn(answer.json["state"], ("running", "succeeded"))
        second = self.api.wait_job(job["id"], 60)
        self.assertEqual((second["state"], second["trials"]["done"]), ("succeeded", 4))
        self.assertEqual(second["model"]["name"], first["model"]["name"])
        self.assertGreater(second["model"]["version"], first["model"]["version"])
        self.assertEqual(second["budget"], {"trials": 4})
        trials = self.api.get(f"/api/v1/jobs/{job['id']}/trials").json["items"]
        self.assertEqual([trial["number"] for trial in trials], [1, 2, 3, 4])
        self.assertEqual(trials[:2], before)
        log = self.log(job)
        self.assertTrue(any("extended by key_" in line and "trials 4" in line for line in log), log)
        # on a slow machine each has a faster one beside it
        stored = [line for line in log if line.startswith("stored ") and "for the alias" not in line]
        self.assertEqual(len(stored), 2, log)

    def test_extend_is_impossible(self):
        job = self.start()
        self.api.wait_job(job["id"], 60)
        sql(f"UPDATE job SET stop_reason = 'exhausted' WHERE id = '{job['id']}'")
        self.problem(self.verb(job, "extend", {"trials": 9}), 409, "job_not_extendable")
        sql(f"UPDATE job SET stop_reason = 'budget_trials' WHERE id = '{job['id']}';"
            f"UPDATE unit SET model_blob = NULL WHERE job_id = '{job['id']}'")
        self.problem(self.verb(job, "extend", {"trials": 9}), 409, "job_not_extendable")
        other = self.start(dataset=self.ready(iris() + b"5.1,3.5,1.4,0.2,setosa\n"))
        self.api.wait_job(other["id"], 60)
        self.assertEqual(self.api.call("DELETE", f"/api/v1/datasets/{other['dataset']['id']}").status, 204)
        self.problem(self.verb(other, "extend", {"trials": 9}), 409, "job_not_extendable")
        self.assertEqual(self.job(other)["state"], "succeeded")

    def test_extend_a_failed_job(self):
        job = self.start(budget={"seconds": 60})
        self.verb(job, "cancel")
        self.api.wait_job(job["id"], 60)
        sql(f"UPDATE job SET state = 'failed', stop_reason = 'budget_seconds', best_trial_id = NULL,"
            f" problem = '{{\"code\": \"budget_too_short\", \"detail\": \"too short\"}}' WHERE id = '{job['id']}'")
        answer = self.verb(job, "extend", {"seconds": 70})
        self.assertEqual((answer.status, answer.json["error"]), (202, None), answer)
        self.until(job, lambda view: view["trials"]["done"] > 0)
        self.verb(job, "cancel")
        self.assertEqual(self.api.wait_job(job["id"], 60)["state"], "cancelled")

    def test_clone(self):
        job = self.start(search={"method": "random", "seed": 5}, name="Original", deploy_as="original")
        done = self.api.wait_job(job["id"], 60)
        made = self.verb(job, "clone")
        self.assertEqual(made.status, 202, made)
        self.assertEqual(made.headers["location"], f"/api/v1/jobs/{made.json['id']}")
        self.assertEqual((made.json["cloned_from"], made.json["name"]), (job["id"], "Original"))
        spec, copy = done["spec"], self.api.wait_job(made.json["id"], 60)["spec"]
        self.assertNotEqual(copy["search"].pop("seed"), spec["search"].pop("seed"))
        self.assertEqual(copy, spec)
        # with changes, checked as in POST /jobs
        other = self.verb(job, "clone", {"budget": {"trials": 1}, "families": ["trees"], "name": "Other",
                                        "search": {"space": {"rounds": 20}}})
        self.assertEqual((other.status, other.json["budget"], other.json["spec"]["families"],
                          other.json["spec"]["deploy_as"]), (202, {"trials": 1}, ["trees"], "other"), other)
        self.api.wait_job(other.json["id"], 120)
        self.problem(self.verb(job, "clone", {"budget": {"trials": 0}, "no": 1}), 422, "invalid", "/no", "/budget/trials")
        self.problem(self.verb(job, "clone", {"target": "none"}), 422, "invalid", "/target")
        self.problem(self.verb(job, "clone", {"dataset": "ds_none"}), 404, "dataset_not_found")
        self.problem(self.verb(job, "clone", [1]), 422, "invalid", "")
        headers = {"Idempotency-Key": "clone-once"}
        once = self.verb(job, "clone", {"search": {"seed": 9}}, headers=headers)
        again = self.verb(job, "clone", {"search": {"seed": 9}}, headers=headers)
        self.assertEqual((once.status, once.json["id"]), (again.status, again.json["id"]))
        self.assertEqual(once.json["spec"]["search"]["seed"], 9)
        self.api.wait_job(once.json["id"], 60)

    def test_log(self):
        job = self.start()
        self.api.wait_job(job["id"], 60)
        path = f"/api/v1/jobs/{job['id']}/logs"
        page = self.api.get(path + "?limit=3").json
        self.assertEqual([line["seq"] for line in page["items"]], [1, 2, 3])
        self.assertEqual(page["items"][0]["source"], "server")
        rest = self.api.get(f"{path}?limit=1000&after={page['next_cursor']}").json
        self.assertIsNone(rest["next_cursor"])
        self.assertEqual(rest["items"][0]["seq"], 4)
        self.assertEqual(self.api.get(f"{path}?limit=1000&cursor={page['next_cursor']}").json, rest)
        lines = page["items"] + rest["items"]
        text = "\n".join(line["message"] for line in lines)
        for words in ("the search begins: bayes", "started: linear", "done: scores", "the search has ended after 2 trials: budget_trials",
                      "the finish has begun", "stored "):
            self.assertIn(words, text)
        self.assertEqual({line["trial"] for line in lines if line["source"] == "trial"}, {1, 2})
        self.assertEqual(self.api.get(path + "?level=error").json["items"], [])
        plain = self.api.get(path, headers={"Accept": "text/plain"})
        self.assertTrue(plain.headers["content-type"].startswith("text/plain"))
        self.assertEqual(len(plain.raw.decode().splitlines()), len(lines))
        self.assertRegex(plain.raw.decode(), r"(?m)^\d{4}-\d\d-\d\dT\S+ info    trial 1: started: linear")
        for query in ("?level=loud", "?limit=0", "?limit=1001", "?after=-1", "?page=1"):
            self.problem(self.api.get(path + query), 400, "bad_request")
        self.problem(self.api.get(path + "?cursor=x"), 400, "bad_cursor")
        self.problem(self.api.get("/api/v1/jobs/job_none/logs"), 404, "job_not_found")

    def test_paused_jobs_leave_room(self):
        """The limit of live jobs counts what runs or waits to run."""
        other = other_tenant()
        dataset = other.upload("/api/v1/datasets", [("file", "iris.csv", iris())]).json["id"]
        other.wait_dataset(dataset)
        body = {"dataset": dataset, "target": "species", "budget": {"seconds": 300}, "families": ["linear"]}
        most = int(self.limit("live_jobs"))
        jobs = [other.post("/api/v1/jobs", body) for _ in range(most)]
        self.assertEqual({job.status for job in jobs}, {202})
        ids = [job.json["id"] for job in jobs]
        self.problem(other.post("/api/v1/jobs", body), 429, "quota")
        self.assertEqual(other.post(f"/api/v1/jobs/{ids[0]}/pause").status, 202)
        ids.append(other.post("/api/v1/jobs", body).json["id"])
        self.problem(other.post(f"/api/v1/jobs/{ids[0]}/resume"), 429, "quota")
        self.assertEqual(other.get(f"/api/v1/jobs/{ids[0]}").json["state"], "paused")
        self.assertEqual(other.post(f"/api/v1/jobs/{ids[-1]}/pause").status, 202)
        self.assertEqual(other.post(f"/api/v1/jobs/{ids[0]}/resume").status, 202)
        for job in ids:
            other.post(f"/api/v1/jobs/{job}/cancel")
        for job in ids:
            other.wait_job(job, 120)

    def limit(self, name):
        """The installation's default, as its table has it."""
        with open(os.path.join(TOP, "server", "limits.def"), encoding="utf-8") as file:
            for line in file:
                if line.startswith(f"LIMIT ({name},"):
                    return line.split('"')[3]
        raise KeyError(name)


if __name__ == "__main__":
    unittest.main()
