"""Learning-rate range tests: made, run by the engine, read; bad input; engines that die meanwhile."""

import math
import os
import signal
import time
import unittest

from common import ApiTest, cells, idx_images, idx_labels, iris, other_tenant, pictures, prices, server, sql  # noqa: I001 sets the path
from kills import find

PATH = "/api/v1/lr-range-tests"


class OnTable(ApiTest):
    """With a small table to work on."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if not hasattr(OnTable, "table"):
            OnTable.table = cls.ready([("file", "iris.csv", iris())])

    @classmethod
    def ready(cls, parts):
        answer = cls.api.upload("/api/v1/datasets", parts)
        return cls.api.wait_dataset(answer.json["id"])["id"]


class RangeTests(OnTable):
    def start(self, **more):
        answer = self.api.post(PATH, {"dataset": self.table, "target": "species", **more})
        self.assertEqual(answer.status, 202, answer)
        return answer.json

    def ended(self, **more):
        return self.api.wait_range_test(self.start(**more)["id"])

    def check_curve(self, test):
        """Rates rise by one factor from low towards high, a number for each step, smoothed as told."""
        rates, losses, smoothed = (test["curve"][name] for name in ("rates", "losses", "smoothed"))
        self.assertTrue(0 < len(rates) == len(losses) == len(smoothed) <= test["steps"])
        self.assertAlmostEqual(rates[0], test["low"], delta=1e-9 * test["low"])
        factor = (test["high"] / test["low"]) ** (1 / (test["steps"] - 1))
        for first, second in zip(rates, rates[1:]):
            self.assertAlmostEqual(second / first, factor, places=9)
        average = 0
        for step, loss in enumerate(losses):
            average = 0.9 * average + 0.1 * loss
            self.assertAlmostEqual(smoothed[step], average / (1 - 0.9 ** (step + 1)), delta=1e-9 * abs(average))
        if test["end"] == "complete":
            self.assertEqual(len(rates), test["steps"])

    def test_a_table(self):
        started = self.start(seed=3)
        self.assertRegex(started["id"], "^lrt_[0-9a-z]{20}$")
        for name in ("curve", "end", "suggestion", "steepest", "low", "steps", "ended_at", "error"):
            self.assertIsNone(started[name], name)
        test = self.api.wait_range_test(started["id"])
        self.assertEqual((test["state"], test["error"], test["seed"]), ("succeeded", None, 3), test)
        self.assertEqual((test["family"], test["task"], test["target"]), ("mlp", "multiclass", "species"))
        self.assertEqual((test["low"], test["steps"], test["params"]), (1e-6, 100, {}))
        self.check_curve(test)
        suggestion = test["suggestion"]
        self.assertTrue(test["low"] < suggestion["low"] <= suggestion["learning_rate"] < test["high"], test)
        self.assertGreater(test["steepest"], 1e-5)
        self.assertLess(min(test["curve"]["smoothed"]), 0.8 * test["curve"]["losses"][0])

    def test_the_same_seed_gives_the_same_curve(self):
        one, same, other = (self.ended(seed=seed, steps=60) for seed in (5, 5, 6))
        self.assertEqual(one["curve"], same["curve"])
        self.assertEqual(one["suggestion"], same["suggestion"])
        self.assertNotEqual(one["curve"]["losses"], other["curve"]["losses"])

    def test_optimizer_and_schedule_decide(self):
        brief, long = (self.ended(seed=1, params={"optimizer": "sgd", "momentum": 0.8, "schedule": schedule})
                       for schedule in ("one_cycle", "constant"))
        self.assertEqual((brief["optimizer"], brief["schedule"], brief["momentum"]), ("sgd", "one_cycle", 0.8))
        self.assertEqual((brief["high"], brief["end"] in ("diverged", "not_finite")), (10, True), brief)
        self.assertEqual(brief["curve"], long["curve"])
        self.assertAlmostEqual(brief["suggestion"]["learning_rate"], brief["divergence"] / 4)
        self.assertAlmostEqual(long["suggestion"]["learning_rate"], long["divergence"] / 10)
        adam = self.ended(seed=1, params={"optimizer": "adam"})
        self.assertIsNone(adam["momentum"])
        self.assertAlmostEqual(adam["suggestion"]["learning_rate"], adam["lowest"] / 10)

    def test_images_and_regression(self):
        images, labels = pictures()
        dataset = self.ready([("images", "i.idx", idx_images(images)), ("labels", "l.idx", idx_labels(labels))])
        test = self.ended(dataset=dataset, target=None, seed=2, steps=40)
        self.assertEqual((test["state"], test["family"], test["high"]), ("succeeded", "cnn", 10), test)
        self.check_curve(test)
        dataset = self.ready([("file", "prices.csv", prices())])
        test = self.ended(dataset=dataset, target="rent", seed=2)
        self.assertEqual((test["state"], test["task"]), ("succeeded", "regression"), test)
        self.check_curve(test)

    def test_rates_that_only_diverge(self):
        test = self.ended(low=1e3, high=1e5, params={"optimizer": "sgd"})
        self.assertEqual((test["state"], test["error"]), ("succeeded", None), test)
        self.assertIn(test["end"], ("diverged", "not_finite"))
        self.assertIsNone(test["suggestion"])
        self.assertIn("lower rates", test["note"])

    def test_enormous_losses(self):
        """What a loss comes to before the end is told as it was."""
        test = self.ended(low=1e3, high=1e5, seed=1, params={"optimizer": "sgd", "schedule": "one_cycle", "momentum": 0.9,
                                                             "weight_decay": 10, "activation": "gelu"})
        self.assertEqual(test["state"], "succeeded", test)
        self.check_curve(test)

    def test_bad_input(self):
        good = {"dataset": self.table, "target": "species"}
        self.problem(self.api.post(PATH, {}), 422, "invalid", "/dataset")
        self.problem(self.api.post(PATH, []), 422, "invalid")
        self.problem(self.api.post(PATH, {**good, "dataset": "ds_nothing"}), 404, "dataset_not_found")
        # all faults at once
        self.problem(self.api.post(PATH, {**good, "target": "nothing", "family": "nothing", "low": 0, "high": "x",
                                          "steps": 19, "seed": -1, "task": "x", "nonsense": 1}),
                     422, "invalid", "/target", "/family", "/low", "/high", "/steps", "/seed", "/task", "/nonsense")
        for more, place in (({"low": 1, "high": 1}, "/high"), ({"low": 5}, "/low"), ({"high": 1e-7}, "/high"),
                            ({"steps": 2001}, "/steps"), ({"steps": 30.5}, "/steps"), ({"low": 1e-13}, "/low"),
                            ({"high": 1e7}, "/high"), ({"family": "trees"}, "/family"), ({"family": "cnn"}, "/family"),
                            ({"family": "linear"}, "/family"), ({"family": ["mlp"]}, "/family"),
                            ({"params": [1]}, "/params"), ({"params": {"dropout": 7}}, "/params/dropout"),
                            ({"params": {"nothing": 7}}, "/params/nothing"), ({"target": None}, "/target"),
                            ({"task": "regression"}, "/target"), ({"seed": 2 ** 54}, "/seed")):
            with self.subTest(str(more)):
                self.problem(self.api.post(PATH, {**good, **more}), 422, "invalid", place)
        self.problem(self.api.post(PATH + "?x=1", good), 400, "bad_request")
        self.problem(self.api.get(PATH + "/lrt_00000000000000000000"), 404, "range_test_not_found")
        self.problem(self.api.get(PATH + "?cursor=x"), 400, "bad_cursor")

    def test_repeated_requests_and_lists(self):
        key = {"Idempotency-Key": f"range-{time.monotonic_ns()}"}
        body = {"dataset": self.table, "target": "species", "steps": 20}
        first, second = (self.api.post(PATH, body, headers=key) for _ in range(2))
        self.assertEqual((first.status, second.status, first.json["id"]), (202, 202, second.json["id"]))
        self.assertEqual(first.headers["location"], f"{PATH}/{first.json['id']}")
        self.problem(self.api.post(PATH, {**body, "steps": 21}, headers=key), 422, "idempotency_mismatch")
        self.api.wait_range_test(first.json["id"])
        third = self.ended(steps=20)
        page = self.api.get(PATH + "?limit=1").json
        self.assertEqual([one["id"] for one in page["items"]], [third["id"]])
        self.assertNotIn("curve", page["items"][0])
        self.assertEqual(page["items"][0]["suggestion"], third["suggestion"])
        following = self.api.get(f"{PATH}?limit=1&cursor={page['next_cursor']}").json
        self.assertNotEqual(following["items"][0]["id"], third["id"])
        self.assertEqual(other_tenant().get(PATH).json, {"items": [], "next_cursor": None})
        audit = self.api.get("/api/v1/audit?limit=50").json["items"]
        self.assertIn(("range_tests.create", third["id"]), [(one["action"], one["object"]) for one in audit])

    def test_limit_and_dataset_in_use(self):
        """As many may be queued or running as jobs; a dataset that a test still needs stays."""
        other = other_tenant()
        made = other.upload("/api/v1/datasets", [("file", "iris.csv", iris())])
        dataset = other.wait_dataset(made.json["id"])["id"]
        tenant = other.get("/api/v1/tenants/self").json["id"]
        body = {"dataset": dataset, "target": "species", "steps": 20}
        test = other.post(PATH, body).json["id"]
        other.wait_range_test(test)
        # as if an engine were at it
        sql(f"UPDATE lr_range_test SET state = 'running', ended_at = NULL, lease_until = now() + interval '1 hour'"
            f" WHERE id = '{test}'; UPDATE tenant SET limits = '{{\"live_jobs\": 1}}' WHERE id = '{tenant}';"
            f" SELECT pg_notify('attune', 'tenant {tenant}')")
        deadline = time.monotonic() + 40
        while (answer := other.post(PATH, body)).status == 202 and time.monotonic() < deadline:
            other.wait_range_test(answer.json["id"])
            time.sleep(0.5)
        self.problem(answer, 429, "quota")
        self.problem(other.call("DELETE", f"/api/v1/datasets/{dataset}"), 409, "dataset_busy")
        sql(f"UPDATE lr_range_test SET state = 'failed', ended_at = now(), lease_until = NULL WHERE id = '{test}'")
        self.assertEqual(other.call("DELETE", f"/api/v1/datasets/{dataset}").status, 204)


class Jobs(OnTable):
    """Jobs whose search begins with range tests."""

    def run_pair(self, **space):
        views = []
        for _ in range(2):
            job = self.run_job({
                "dataset": self.table, "target": "species", "families": ["mlp"], "budget": {"trials": 5},
                "search": {"seed": 11, "parallel": 1, "range_test": True,
                           "space": {"epochs": 8, "batch_size": 32, **space}}})
            self.assertEqual(job["state"], "succeeded", job)
            trials = self.api.get(f"/api/v1/jobs/{job['id']}/trials").json["items"]
            tests = [one for one in self.api.get(PATH + "?limit=100").json["items"] if one["job"] == job["id"]]
            views.append((job, trials, tests))
        return views

    def test_a_job_begins_with_its_tests(self):
        wide = {"type": "float", "low": 1e-6, "high": 10, "scale": "log"}
        views = self.run_pair(optimizer={"type": "categorical", "choices": ["adamw", "sgd"]}, learning_rate=wide)
        for job, trials, tests in views:
            self.assertTrue(job["spec"]["search"]["range_test"])
            self.assertEqual(sorted(one["optimizer"] for one in tests), ["adamw", "sgd"])
            self.assertEqual({one["state"] for one in tests}, {"succeeded"})
            first = min(trial["created_at"] for trial in trials)
            for one in tests:
                self.assertLessEqual(one["ended_at"], first)
            # what was believed: within two standard deviations of the rates found, scaled for the momentum
            found = {one["optimizer"]: one for one in tests}
            near = 0
            for trial in trials[1:]:
                params = trial["params"]
                test = found[params["optimizer"]]
                mean = test["suggestion"]["learning_rate"]
                if params["optimizer"] == "sgd":
                    mean *= (1 - params["momentum"]) / (1 - test["momentum"])
                near += abs(math.log10(params["learning_rate"] / mean)) < 1
            self.assertGreaterEqual(near, 3, (trials, found))
            log = [line["message"] for line in self.api.get(f"/api/v1/jobs/{job['id']}/logs?limit=1000").json["items"]]
            self.assertEqual(sum(line.startswith("range test of mlp: rates around") for line in log), 2, log)
        # a suggestion is a function of seed and log
        self.assertEqual(*([(trial["params"], trial["metric"]) for trial in trials] for _, trials, _ in views))

    def test_nothing_to_test(self):
        job = self.run_job({"dataset": self.table, "target": "species", "families": ["linear"], "budget": {"trials": 2},
                            "search": {"range_test": True}})
        self.assertEqual(job["state"], "succeeded", job)
        plain = self.run_job({"dataset": self.table, "target": "species", "families": ["linear"],
                              "budget": {"trials": 1}})
        self.assertNotIn("range_test", plain["spec"]["search"])

    def test_bad_wishes(self):
        body = {"dataset": self.table, "target": "species"}
        for search in ({"range_test": True, "method": "random"}, {"range_test": "yes"}, {"range_test": 1}):
            self.problem(self.api.post("/api/v1/jobs", {**body, "search": search}), 422, "invalid", "/search/range_test")


class Kills(ApiTest):
    """A test whose process or worker is killed starts over, and gives what it would have given."""

    def test_kills(self):
        answer = self.api.upload("/api/v1/datasets", [("file", "cells.csv", cells(6000))])
        dataset = self.api.wait_dataset(answer.json["id"])["id"]
        body = {"dataset": dataset, "target": "diagnosis", "seed": 4, "steps": 400, "low": 1e-9, "high": 1e-2,
                "params": {"units": 512, "layers": 3, "batch_size": 128}}
        whole = self.api.wait_range_test(self.api.post(PATH, body).json["id"])
        self.assertEqual(whole["state"], "succeeded", whole)
        for what in ("trial", "worker"):
            with self.subTest(what):
                test = self.api.post(PATH, body).json["id"]
                deadline = time.monotonic() + 20
                while not (trials := find(server(), "trial")):
                    self.assertLess(time.monotonic(), deadline)
                    time.sleep(0.02)
                with open(f"/proc/{trials[0]}/stat", encoding="ascii", errors="replace") as file:
                    worker = int(file.read().rpartition(")")[2].split()[1])
                os.kill(trials[0] if what == "trial" else worker, signal.SIGKILL)
                again = self.api.wait_range_test(test)
                self.assertEqual(again["state"], "succeeded", again)
                self.assertEqual(again["curve"], whole["curve"])
                self.assertEqual(sql(f"SELECT attempts FROM lr_range_test WHERE id = '{test}'").strip(), "2")

    def test_three_failures_are_enough(self):
        answer = self.api.upload("/api/v1/datasets", [("file", "iris.csv", iris())])
        dataset = self.api.wait_dataset(answer.json["id"])["id"]
        test = self.api.post(PATH, {"dataset": dataset, "target": "species", "steps": 20}).json["id"]
        self.api.wait_range_test(test)
        sql("UPDATE lr_range_test SET state = 'running', ended_at = NULL, result = NULL, attempts = 3,"
            f" lease_until = now() - interval '1 second' WHERE id = '{test}'")
        ended = self.api.wait_range_test(test)
        self.assertEqual((ended["state"], ended["error"]["code"]), ("failed", "range_test_failed"))
        self.assertTrue(ended["error"]["detail"] and ended["curve"] is None and math.isfinite(ended["seconds"]))


if __name__ == "__main__":
    unittest.main()
