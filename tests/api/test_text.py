"""Tables with a column of text: a job learns from it, and its models take any text there is."""

import random
import unittest

from common import ApiTest

GOOD, BAD = ("wonderful", "delightful", "charming", "splendid", "lovely"), ("terrible", "dreadful", "horrible", "boring", "awful")
OTHERS = "the film with people story was in end and music we saw it that some evening again".split()


def review(rng, words):
    line = [rng.choice(OTHERS) for _ in range(8)]
    for place in rng.sample(range(8), 2):
        line[place] = rng.choice(words)
    return " ".join(line)


def reviews(rows=240, seed=1) -> bytes:
    rng = random.Random(seed)
    lines = ["stars,review,liked"]
    for i in range(rows):
        liked = rng.random() < 0.5
        text = "" if i % 30 == 29 else review(rng, GOOD if liked else BAD)
        lines.append(f"{rng.randrange(5)},{text},{'yes' if liked else 'no'}")
    return "\n".join(lines).encode() + b"\n"


class Text(ApiTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        answer = cls.api.upload("/api/v1/datasets", [("file", "reviews.csv", reviews())])
        cls.dataset = cls.api.wait_dataset(answer.json["id"])
        answer = cls.api.post("/api/v1/jobs", {
            "dataset": cls.dataset["id"], "target": "liked", "families": ["linear", "trees", "mlp"],
            "budget": {"trials": 3}, "deploy_as": "reviews"})
        assert answer.status == 202, answer
        cls.job = cls.api.wait_job(answer.json["id"], 120)

    def predict(self, *rows, **more):
        return self.api.post("/api/v1/models/reviews/predict", {"rows": list(rows), **more})

    def test_learned(self):
        types = {column["name"]: column["type"] for column in self.dataset["columns"]}
        self.assertEqual(types["review"], "text")
        self.assertEqual(self.job["state"], "succeeded", self.job)
        trials = self.api.get(f"/api/v1/jobs/{self.job['id']}/trials").json["items"]
        for trial in trials:
            self.assertEqual(trial["state"], "done", trial)
            self.assertGreater(trial["metric"], 0.85, trial)
        self.assertEqual({trial["family"] for trial in trials}, {"linear", "trees", "mlp"})
        report = self.api.get("/api/v1/models/reviews/report").json
        self.assertEqual(report["importance"][0]["name"], "review")
        self.assertGreater(report["importance"][0]["importance"], 0.5)
        self.assertNotIn("not used for training", str(report["warnings"]))
        schema = self.api.get("/api/v1/models/reviews/schema").json
        self.assertIn({"name": "review", "type": "text"}.items(),
                      [column.items() & {"name": "review", "type": "text"}.items() for column in schema["columns"]])

    def test_predicts(self):
        answer = self.predict({"stars": 1, "review": "We saw it again: WONDERFUL, charming music!"},
                              {"stars": 1, "review": "some dreadfull people, and a horrible story"})
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual([row["label"] for row in answer.json["predictions"]], ["yes", "no"])
        self.assertFalse(any(row.get("warnings") for row in answer.json["predictions"]))

    def test_odd_texts(self):
        answer = self.predict({"stars": 1}, {"review": None, "stars": 2}, {"review": "lovely " * 20000},
                              {"review": "日本語 😀 ÄÖÜ"}, {"review": 42}, {"review": True}, {"review": ""},
                              {"review": "awful", "mood": "x"}, {"review": ["a"], "stars": 1}, {"mood": 1})
        self.assertEqual(answer.status, 207, answer)
        rows = answer.json["predictions"]
        for row in rows[:8]:
            self.assertAlmostEqual(sum(row["probabilities"].values()), 1.0, places=5)
        self.assertEqual(rows[0]["warnings"][0]["column"], "review")
        self.assertEqual(rows[2]["label"], "yes")
        self.assertEqual(rows[7]["label"], "no")
        self.assertEqual(rows[7]["warnings"][-1]["column"], "mood")
        self.assertIn("error", rows[8])
        self.assertIn("error", rows[9])
        # The one without a text is answered as the one with an empty text.
        self.assertEqual(rows[1]["probabilities"].keys(), rows[6]["probabilities"].keys())

    def test_bytes_that_are_no_text(self):
        body = b'{"rows":[{"stars":1,"review":"caf\xe9"}]}'
        answer = self.api.call("POST", "/api/v1/models/reviews/predict", body, {"Content-Type": "application/json"})
        self.assertEqual(answer.status, 400, answer)
        body = b"review,stars\nlovely and \xff\xfe,1\nlovely and charming,1\n"
        answer = self.api.call("POST", "/api/v1/models/reviews/predict", body, {"Content-Type": "text/csv"})
        self.assertEqual(answer.status, 207, answer)
        first, second = answer.json["predictions"]
        self.assertIn("UTF-8", str(first["error"]))
        self.assertEqual(second["label"], "yes")

    def test_only_identifiers_is_refused(self):
        table = b"key,liked\n" + b"".join(b"k%d,%s\n" % (i, b"yes" if i % 2 else b"no") for i in range(40))
        dataset = self.upload(table, "keys.csv")
        for wish in ({}, {"validate_only": True}):
            answer = self.api.post("/api/v1/jobs", {"dataset": dataset["id"], "target": "liked", **wish})
            fault = self.problem(answer, 422, "invalid", "/dataset")
            self.assertIn("identifiers", str(answer.json))


if __name__ == "__main__":
    unittest.main()
