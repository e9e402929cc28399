"""Data that no model can learn from is refused before a job begins; what only one trial cannot do fails that trial alone."""

import random
import unittest

from common import ApiTest


def table(head, *columns) -> bytes:
    """Columns are lists of values."""
    return "\n".join([head, *(",".join(map(str, row)) for row in zip(*columns))]).encode() + b"\n"


N = 60
X, CLASSES = [i * 7 % 31 for i in range(N)], ["yes" if i % 3 else "no" for i in range(N)]
KEYS = [f"k{i:04d}" for i in range(N)]

# name, table, what the job asks for beside the target y, place of the fault, words of its sentence
UNLEARNABLE = [
    ("one class", table("x,y", X, ["yes"] * N), {}, "/target", "same value in every row"),
    ("constant number", table("x,y", X, [2.5] * N), {"task": "regression"}, "/target", "same value in every row"),
    ("three rows", table("x,y", X[:3], CLASSES[:3]), {}, "/target", "at least 10 are needed"),
    ("nine rows", table("x,y", X[:9], CLASSES[:9]), {}, "/target", "at least 10 are needed"),
    ("one row of the other class", table("x,y", X, ["no"] + ["yes"] * (N - 1)), {}, "/target", "fewer than two classes"),
    ("no label", table("x,y", X, [""] * N), {}, "/target", "missing in every row"),
    ("all identifiers", table("id,key,y", KEYS, KEYS[::-1], CLASSES), {}, "/dataset", "identifiers"),
    ("all constant", table("a,b,y", [1] * N, ["same"] * N, CLASSES), {}, "/dataset", "the same in every row"),
    ("only the column of the group", table("group,y", [i // 6 for i in range(N)], CLASSES),
     {"validation": {"group": "group"}}, "/dataset", "no features"),
    ("more classes than rows allow", table("x,y", X[:20], [f"c{i}" for i in range(14)] + ["d1", "d1", "d2", "d2", "d3", "d3"]), {},
     "/target", "more classes than the rows allow"),
    ("a number too large", table("x,y", X, [1e300 if i == 5 else i * 0.5 for i in range(N)]), {}, "/target", "too large"),
    ("text as target", table("x,y", X, [f"some words about thing {i}" for i in range(N)]), {}, "/target", "free text"),
]


class Unlearnable(ApiTest):
    def test_refused_before_any_trial(self):
        for name, content, wish, place, words in UNLEARNABLE:
            with self.subTest(name):
                dataset = self.upload(content)["id"]
                for query in ("", "?validate_only=1"):
                    answer = self.api.post("/api/v1/jobs" + query,
                                           {"dataset": dataset, "target": "y", "budget": {"trials": 1}, **wish})
                    self.problem(answer, 422, "invalid", place)
                    said = [fault for fault in answer.json["faults"] if fault["pointer"] == place]
                    self.assertIn(words, str(said), answer.json)
                self.assertNotIn(dataset, str(self.api.get("/api/v1/jobs?limit=100").json["items"]))

    def test_extreme_numbers_are_learned_from(self):
        rng = random.Random(4)
        rows = [(rng.gauss(0, 1), rng.choice(["1e300", "-1e300", "inf", "-inf", "nan", "", "3", "1e-300"])) for _ in range(200)]
        content = table("x,odd,y", [f"{x:.4f}" for x, _ in rows], [odd for _, odd in rows],
                        ["yes" if x + rng.gauss(0, 0.3) > 0 else "no" for x, _ in rows])
        dataset = self.upload(content)
        self.assertEqual([column["name"] for column in dataset.get("columns", [])], ["x", "odd", "y"], dataset)
        job = self.run_job({"dataset": dataset["id"], "target": "y", "families": ["linear", "trees", "mlp"],
                            "budget": {"trials": 3}, "deploy_as": "extreme"})
        self.assertEqual(job["state"], "succeeded", job)
        for trial in self.api.get(f"/api/v1/jobs/{job['id']}/trials").json["items"]:
            self.assertEqual(trial["state"], "done", trial)
            self.assertGreater(trial["metric"], 0.8, trial)
        answer = self.api.post("/api/v1/models/extreme/predict", {"rows": [
            {"x": 2, "odd": odd} for odd in (1e300, -1e300, 1.7e308, 5e-324, "1e300", None)] + [{"x": -1e308, "odd": 1}]})
        self.assertEqual(answer.status, 200, answer)
        for row in answer.json["predictions"]:
            self.assertAlmostEqual(sum(row["probabilities"].values()), 1.0, places=5)

    def test_a_trial_that_diverges_fails_alone(self):
        rng = random.Random(5)
        x = [rng.gauss(0, 1) for _ in range(300)]
        content = table("x,z,y", [f"{v:.4f}" for v in x], [i % 7 for i in range(300)], [f"{v * 3 + 1:.4f}" for v in x])
        job = self.run_job({"dataset": self.upload(content)["id"], "target": "y", "families": ["linear", "mlp"],
                            "budget": {"trials": 4}, "search": {"seed": 3, "space": {
                                "mlp": {"optimizer": "sgd", "learning_rate": 100, "layers": 4, "epochs": 30}}}})
        self.assertEqual(job["state"], "succeeded", job)
        trials = self.api.get(f"/api/v1/jobs/{job['id']}/trials").json["items"]
        failed = [trial for trial in trials if trial["state"] == "failed"]
        self.assertTrue(failed, trials)
        self.assertEqual({trial["family"] for trial in failed}, {"mlp"})
        self.assertIn("not finite", str(failed[0]["reasons"]))
        self.assertEqual({trial["state"] for trial in trials if trial["family"] == "linear"}, {"done"})


if __name__ == "__main__":
    unittest.main()
