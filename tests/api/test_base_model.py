"""Jobs on images that start from an earlier model: what is taken over and shown, and what cannot be a base."""

import random
import unittest

from common import ApiTest, cells, idx_images, idx_labels, other_tenant, png
from image_files import zipped


def bars(kinds, count, size=12, seed=1):
    """Grey images of bright bars: 0 across, 1 down, 2 a rising and 3 a falling diagonal."""
    rng = random.Random(seed)
    images, labels = [], []
    for i in range(count):
        kind, at = kinds[i % len(kinds)], rng.randint(1, size - 3)
        pixels = []
        for y in range(size):
            for x in range(size):
                place = (y, x, (x + y) // 2, (x - y + size) // 2)[kind]
                pixels.append(max(0, min(255, int(rng.gauss(200 if at <= place < at + 2 else 50, 25)))))
        images.append(bytes(pixels))
        labels.append(i % len(kinds))
    return images, labels


CHEAP = {"epochs": 4, "filters": 4, "stages": 2}


class BaseModel(ApiTest):
    def grey(self, kinds, count, size=12, seed=1):
        images, labels = bars(kinds, count, size, seed)
        answer = self.api.upload("/api/v1/datasets", [("images", "i.idx", idx_images(images, size, size)),
                                                      ("labels", "l.idx", idx_labels(labels))])
        self.assertIn(answer.status, (201, 202), answer)
        return self.api.wait_dataset(answer.json["id"])["id"]

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        one = cls()
        one.setUp()
        cls.shapes = one.grey([0, 1], 120)
        cls.others = one.grey([2, 3], 60, seed=2)
        done = one.run_job({"dataset": cls.shapes, "families": ["cnn"], "name": "bars", "deploy_as": "bars",
                            "budget": {"trials": 1}, "search": {"space": {"cnn": CHEAP}}})
        one.assertEqual(done["state"], "succeeded", done)

    def runTest(self):
        pass

    def job(self, **more):
        return {"dataset": self.others, "base_model": "bars", "budget": {"trials": 1},
                "search": {"space": {"epochs": 4}}, **more}

    def test_refit(self):
        """What is fitted again in the end starts from the same model."""
        for more in ({}, {"base_model": None, "families": ["cnn"], "search": {"space": {"cnn": CHEAP}}}):
            with self.subTest(more):
                made = self.run_job(self.job(name="again", validation={"holdout": 0.3}, **more))
                self.assertEqual(made["state"], "succeeded", made)
                refit = self.api.get("/api/v1/models/again/report").json["refit"]
                self.assertIn(refit["reason"], (None, "worse"), refit)
                self.assertEqual(refit["rows"], 42)
                self.assertGreater(refit["seconds"], 0)

    def test_from_start_to_report(self):
        version = self.api.get("/api/v1/models/bars").json["version"]
        made = self.run_job(self.job(name="later"))
        self.assertEqual(made["state"], "succeeded", made)
        base = made["base_model"]
        self.assertEqual((base["name"], base["version"]), ("bars", version))
        self.assertEqual(made["spec"]["base_model"], f"{base['id']}@{version}")
        self.assertEqual(made["spec"]["families"], ["cnn"])
        space = made["spec"]["search"]["space"]["cnn"]
        self.assertNotIn("filters", space)
        self.assertTrue(space["frozen_share"]["help"] and space["body_rate"]["help"])
        self.assertIn("frozen_share", made["best"]["params"])
        # Of so few images no change of them is searched unless the job asks for it.
        self.assertEqual((space["shift"], space["mixup"]), (0.04, 0.0))
        asked = self.api.post("/api/v1/jobs?validate_only=1", self.job(search={"space": {"shift": {
            "type": "float", "low": 0, "high": 0.1}}}))
        self.assertEqual(asked.json["job"]["search"]["space"]["cnn"]["shift"]["high"], 0.1, asked)
        trial = self.api.get(f"/api/v1/jobs/{made['id']}/trials/{made['best']['trial']}").json
        self.assertEqual(trial["base_model"], base)
        report = self.api.get(f"/api/v1/models/{made['model']['name']}/report").json
        self.assertEqual(report.get("report", report)["base_model"], base)
        image = png(bars([2], 1)[0][0], 12, 12)
        answer = self.api.call("POST", f"/api/v1/models/{made['model']['name']}/predict", image,
                               {"Content-Type": "image/png"})
        self.assertEqual(answer.status, 200, answer)
        # Again, with the same version; and without it.
        clone = self.api.post(f"/api/v1/jobs/{made['id']}/clone", {"name": "again"})
        self.assertEqual((clone.status, clone.json["base_model"]), (202, base), clone)
        self.api.post(f"/api/v1/jobs/{clone.json['id']}/cancel")
        clone = self.api.post(f"/api/v1/jobs/{made['id']}/clone", {"name": "fresh", "base_model": None})
        self.assertEqual((clone.status, clone.json["base_model"]), (202, None), clone)
        self.assertIn("filters", clone.json["spec"]["search"]["space"]["cnn"])
        self.api.post(f"/api/v1/jobs/{clone.json['id']}/cancel")

    def test_names_of_a_version(self):
        about = self.api.get("/api/v1/models/bars").json
        for name in ("bars", "bars@best", "bars@fast", f"bars@{about['version']}", about["id"], f"{about['id']}@1"):
            with self.subTest(name):
                answer = self.api.post("/api/v1/jobs?validate_only=1", self.job(base_model=name))
                self.assertEqual(answer.status, 200, answer)
                self.assertRegex(answer.json["job"]["base_model"], rf"^{about['id']}@\d+$")
                self.assertEqual([family["name"] for family in answer.json["families"]], ["cnn"])
        answer = self.api.post("/api/v1/jobs?validate_only=1", self.job(families=["linear", "cnn"], search={}))
        self.assertEqual(answer.status, 200, answer)

    def test_other_sizes_and_colours(self):
        rng = random.Random(4)
        files = []
        for i in range(40):
            size = 20
            pixels = bytes(rng.randint(0, 90) + (150 if i % 2 == (x < 10) else 0)
                           for y in range(size) for x in range(size) for c in range(3))
            files.append((f"{'ab'[i % 2]}/{i}.png", png(pixels, size, size, 3)))
        answer = self.api.upload("/api/v1/datasets", [("file", "data.zip", zipped(files))])
        made = self.api.wait_dataset(answer.json["id"])
        self.assertEqual((made["channels"], made["height"]), (3, 20), made)
        done = self.run_job(self.job(dataset=made["id"]))
        self.assertEqual(done["state"], "succeeded", done)

    def test_refused(self):
        table = self.upload(cells(120))
        done = self.run_job({"dataset": table["id"], "target": "diagnosis", "families": ["linear"], "deploy_as": "cells",
                             "budget": {"trials": 1}})
        self.assertEqual(done["state"], "succeeded", done)
        done = self.run_job({"dataset": self.shapes, "families": ["linear"], "deploy_as": "flat", "budget": {"trials": 1}})
        self.assertEqual(done["state"], "succeeded", done)
        cases = [("no such model", self.job(base_model="nothing"), "no model"),
                 ("no such version", self.job(base_model="bars@999"), "no model"),
                 ("no such alias", self.job(base_model="bars@worst"), "no model"),
                 ("no name", self.job(base_model="../bars"), "name"),
                 ("empty", self.job(base_model=""), ""),
                 ("a number", self.job(base_model=3), "string"),
                 ("an object", self.job(base_model={"id": "mdl_1", "name": "x", "version": 1}), "string"),
                 ("a model of a table", self.job(base_model="cells"), "table"),
                 ("a model without convolutions", self.job(base_model="flat"), "convolutional"),
                 ("a family that cannot", self.job(families=["linear"], search={}), "cnn"),
                 ("a table", {"dataset": table["id"], "target": "diagnosis", "base_model": "bars"}, "table")]
        for name, request, says in cases:
            with self.subTest(name):
                answer = self.api.post("/api/v1/jobs", request)
                self.problem(answer, 422, "invalid", "/base_model")
                fault = next(f for f in answer.json["faults"] if f["pointer"] == "/base_model")
                self.assertIn(says, fault["message"])
                self.assertTrue(fault["hint"])
        answer = self.api.post("/api/v1/jobs", self.job(search={"space": {"filters": 8}}))
        self.problem(answer, 422, "invalid", "/search/space/filters")
        answer = self.api.post("/api/v1/jobs", {"dataset": self.others, "families": ["cnn"],
                                                "search": {"space": {"frozen_share": 1}}})
        self.problem(answer, 422, "invalid", "/search/space/frozen_share")

    def test_of_another_tenant(self):
        other = other_tenant()
        images, labels = bars([0, 1], 40)
        answer = other.upload("/api/v1/datasets", [("images", "i.idx", idx_images(images, 12, 12)),
                                                   ("labels", "l.idx", idx_labels(labels))])
        dataset = other.wait_dataset(answer.json["id"])["id"]
        mine = self.api.get("/api/v1/models/bars").json["id"]
        for name in ("bars", mine, f"{mine}@1"):
            answer = other.post("/api/v1/jobs", {"dataset": dataset, "base_model": name})
            self.problem(answer, 422, "invalid", "/base_model")

    def test_families_are_described(self):
        items = {one["name"]: one for one in self.api.get("/api/v1/families?kind=images&based=1").json["items"]}
        names = [one["name"] for one in items["cnn"]["hyperparameters"]]
        self.assertIn("frozen_share", names)
        self.assertNotIn("filters", names)
        self.assertEqual(self.api.get("/api/v1/families?kind=images&based=2").status, 400)


if __name__ == "__main__":
    unittest.main()
