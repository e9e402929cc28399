"""Rows kept apart by group and by time, weights, and reports that are computed again from what is stored."""

import random
import unittest
import zlib

from common import ApiTest, cells, idx_images, idx_labels, iris, pictures, prices, sql


def visits(patients=40, seed=5) -> bytes:
    """A few visits of each patient: the outcome goes with the patient, whom the measurements give away."""
    rng = random.Random(seed)
    lines = ["patient,when,weight,a,b,outcome"]
    for patient in range(patients):
        mark, ill = rng.uniform(0, 100), rng.random() < 0.4
        for _ in range(rng.randint(3, 8)):
            day = rng.randint(0, 800)
            lines.append(f"p{patient},20{20 + day // 365:02}-{day % 12 + 1:02}-{day % 28 + 1:02},"
                         f"{rng.choice([0.5, 1, 2])},{mark + rng.gauss(0, 0.1):.3f},{rng.gauss(0, 1):.3f},"
                         f"{'ill' if ill else 'well'}")
    return ("\n".join(lines) + "\n").encode()


class Validation(ApiTest):
    def job(self, dataset, target, **more):
        request = {"dataset": dataset, "target": target, "budget": {"trials": 2}, "families": ["linear", "trees"],
                   "search": {"method": "random", "seed": 7}, **more}
        done = self.run_job(request)
        self.assertEqual(done["state"], "succeeded", done)
        model = f"/api/v1/models/{done['model']['name']}/versions/{done['model']['version']}"
        return model, self.api.get(model + "/report").json, done

    def verified(self, model):
        answer = self.api.post(model + "/verify")
        self.assertEqual(answer.status, 200, answer)
        self.assertTrue(answer.json["ok"], answer.json)
        self.assertAlmostEqual(answer.json["report_value"], answer.json["recomputed"],
                               delta=answer.json["equal_within"])
        return answer.json

    def test_groups_and_times(self):
        dataset = self.upload(visits())["id"]
        scores = {}
        for name, validation in (("rows", {}), ("patients", {"group": "patient"}), ("times", {"time": "when"}),
                                 ("both", {"group": "patient", "time": "when"}),
                                 ("held", {"group": "patient", "holdout": 0.2})):
            with self.subTest(name):
                model, report, _ = self.job(dataset, "outcome", validation=validation)
                told = report["validation"]
                self.assertEqual((told["group"], told["time"]), (validation.get("group"), validation.get("time")))
                columns = [column["name"] for column in self.api.get(model + "/schema").json["columns"]]
                for special in validation.values():
                    self.assertNotIn(special, columns)
                self.assertIn("a", columns)
                self.assertEqual(report["estimate"], "holdout" if name == "held" else "bbc_cv")
                if "time" in validation:
                    self.assertEqual(told["untimed_rows"], 0)
                    self.assertLess(report["rows"]["validation"], report["rows"]["used"])
                    self.assertFalse(told["stratified"])
                if "group" in validation:
                    self.assertEqual(told["groups"], 40)
                    self.assertTrue(any("patient" in text for text in report["warnings"]), report["warnings"])
                self.assertEqual(self.verified(model)["estimate"], report["estimate"])
                scores[name] = report["score"]
        # a tree knows a patient again by a: only rows kept apart by patient show that this is no knowledge
        self.assertGreater(scores["rows"], scores["patients"] + 0.1)

    def test_weights(self):
        dataset = self.upload(visits(60, 6))["id"]
        model, report, _ = self.job(dataset, "outcome", sample_weight="weight", class_weight={"ill": 3})
        self.assertNotIn("weight", [c["name"] for c in self.api.get(model + "/schema").json["columns"]])
        self.verified(model)
        plain = self.api.post("/api/v1/jobs?validate_only=1", {
            "dataset": dataset, "target": "outcome", "sample_weight": "weight", "class_weight": {"ill": 3}}).json
        self.assertEqual(plain["job"]["class_weight"], {"ill": 3.0})
        self.assertEqual(plain["job"]["sample_weight"], "weight")
        self.problem(self.api.post("/api/v1/jobs", {
            "dataset": dataset, "target": "outcome", "sample_weight": "when", "class_weight": {"ill": -1},
            "validation": {"group": "nobody", "time": "patient", "folds": 3, "holdout": 0.2}}), 422, "invalid",
            "/sample_weight", "/class_weight/ill", "/validation/group", "/validation/time", "/validation")
        self.assertTrue(report["label_suspects"] is not None)

    def test_too_few_groups(self):
        lines = cells(200).decode().split()
        lines = [lines[0] + ",clinic"] + [line + f",c{i % 4}" for i, line in enumerate(lines[1:])]
        dataset = self.upload("\n".join(lines).encode())["id"]
        request = {"dataset": dataset, "target": "diagnosis", "budget": {"trials": 1},
                   "validation": {"group": "clinic", "folds": 6}}
        for query in ("", "?validate_only=1"):
            answer = self.api.post("/api/v1/jobs" + query, request)
            self.problem(answer, 422, "invalid", "/validation/folds")
            fault = answer.json["faults"][0]
            self.assertEqual((fault["value"], fault["hint"]), ("6", "ask for at most 4 folds"))
            self.assertIn("only 4 groups", fault["message"])
        # by rule there are as many folds as there are groups, and the plan says so
        del request["validation"]["folds"]
        plan = self.api.post("/api/v1/jobs?validate_only=1", request).json
        self.assertEqual((plan["split"]["fits_per_trial"], plan["split"]["train_rows"]), (4, 150))
        done = self.run_job({**request, "families": ["linear"]})
        self.assertEqual(done["state"], "succeeded")
        self.problem(self.api.post(f"/api/v1/jobs/{done['id']}/clone", {"validation": {"group": "clinic", "folds": 5}}),
                     422, "invalid", "/validation/folds")

    def test_splits_that_cannot_be(self):
        """What only the rows can tell is told before a job is taken."""
        lines = ["x,same,few,when,seldom,label"]
        lines += [f"{i * i % 97},here,d{i % 2},{i // 20},{i if i < 5 else ''},{'late' if i >= 40 else 'early'}" for i in range(60)]
        dataset = self.upload("\n".join(lines).encode())["id"]
        for validation, pointer, value in (({"group": "same"}, "/validation/group", "same"),
                                           ({"group": "few", "holdout": 0.2}, "/validation/group", "few"),
                                           ({"time": "when", "folds": 4}, "/validation/folds", "4"),
                                           ({"time": "when"}, "/validation/time", "when"),
                                           ({"time": "seldom"}, "/validation/time", "seldom")):
            with self.subTest(validation=validation):
                answer = self.api.post("/api/v1/jobs?validate_only=1", {"dataset": dataset, "target": "label",
                                                                        "validation": validation})
                self.problem(answer, 422, "invalid", pointer)
                self.assertEqual(answer.json["faults"][0]["value"], value)
                self.assertTrue(answer.json["faults"][0]["hint"])

    def test_every_kind_verifies(self):
        data = self.upload(prices())["id"]
        for more in ({}, {"validation": {"holdout": 0.2}}, {"metric": "mae"}):
            model, _, _ = self.job(data, "rent", **more)
            self.assertGreater(self.verified(model)["rows"], 30)
        data = self.upload(cells())["id"]
        for metric in ("log_loss", "roc_auc", "f1"):
            model, _, _ = self.job(data, "diagnosis", metric=metric)
            self.assertEqual(self.verified(model)["rows"], 300)

    def test_changes_are_noticed(self):
        model, report, job = self.job(self.upload(cells())["id"], "diagnosis", metric="log_loss")
        self.assertEqual(len(report["validation"]["folds_sha256"]), 64)
        where = f"FROM job WHERE id = '{job['id']}'"
        stored = sql(f"SELECT encode(data, 'hex') FROM blob_chunk WHERE blob_id = (SELECT fold_blob {where})").strip()
        folds = bytearray(zlib.decompress(bytes.fromhex(stored)))
        self.assertEqual(len(folds), 300)
        self.assertEqual(set(folds), {0, 1, 2, 3, 4})
        folds[:150] = bytes((fold + 1) % 5 for fold in folds[:150])
        changed = zlib.compress(bytes(folds)).hex()
        put = ("UPDATE blob_chunk SET data = '\\x{0}' WHERE blob_id = (SELECT fold_blob {1});"
               "UPDATE blob SET sha256 = sha256('\\x{0}'), bytes = length('\\x{0}'::bytea)"
               " WHERE id = (SELECT fold_blob {1})")
        sql(put.format(changed, where))
        answer = self.api.post(model + "/verify")
        self.assertEqual(answer.status, 200, answer)
        self.assertFalse(answer.json["ok"])
        self.assertFalse(answer.json["folds_unchanged"])
        self.assertGreater(abs(answer.json["report_value"] - answer.json["recomputed"]),
                           answer.json["equal_within"])
        sql(put.format(stored, where))
        self.verified(model)
        sql(f"UPDATE job SET fold_blob = NULL WHERE id = '{job['id']}'")
        self.problem(self.api.post(model + "/verify"), 409, "conflict")

    def test_what_cannot_be_verified(self):
        dataset = self.upload(iris())["id"]
        model, _, _ = self.job(dataset, "species")
        self.problem(self.api.post(model + "0/verify"), 404, "model_not_found")
        self.assertEqual(self.api.call("DELETE", f"/api/v1/datasets/{dataset}").status, 204)
        self.problem(self.api.post(model + "/verify"), 409, "conflict")


def planted(seed=9) -> bytes:
    """A table in which each column has one fault, and the target a class of four rows."""
    rng = random.Random(seed)
    lines = ["number,gaps,empty,same,nearly,holder,wild,mixed,after,fine,outcome"]
    for i in range(300):
        outcome = "rare" if i % 75 == 7 else "ill" if rng.random() < 0.3 else "well"
        after = {"rare": 9, "ill": 5, "well": 1}[outcome] + rng.random()
        lines.append(",".join([
            str(i + 1), "" if i % 10 == 3 else f"{rng.gauss(5, 1):.3f}", "", "x", "1" if i == 40 else "0",
            "-999" if i % 30 == 5 else f"{rng.gauss(50, 9):.2f}", "1e7" if i == 123 else f"{rng.gauss(0, 3):.3f}",
            "oops" if i % 12 == 1 else f"{rng.gauss(0, 1):.3f}", f"{after:.4f}", f"{rng.gauss(0, 1):.3f}", outcome]))
    return ("\n".join(lines) + "\n").encode()


class Issues(ApiTest):
    def issues(self, dataset, query=""):
        answer = self.api.get(f"/api/v1/datasets/{dataset}/issues{query}")
        self.assertEqual(answer.status, 200, answer)
        self.assertTrue(answer.json["complete"])
        for issue in answer.json["issues"]:
            self.assertIn(issue["severity"], ("info", "warning", "error"))
            self.assertTrue(issue["message"] and issue["hint"], issue)
            self.assertLessEqual(len(issue["rows"]), min(20, max(issue["rows_count"], 0)))
        return answer.json

    def test_planted_faults_are_found(self):
        found = self.issues(self.upload(planted())["id"], "?target=outcome")
        by = {(issue["code"], issue["column"]): issue for issue in found["issues"]}
        wanted = {("identifier", "number"): 0, ("missing", "gaps"): 30, ("empty_column", "empty"): 300,
                  ("constant", "same"): 0, ("nearly_constant", "nearly"): 0, ("placeholder", "holder"): 10,
                  ("outliers", "wild"): 1, ("mixed_types", "mixed"): 25, ("leak", "after"): 0,
                  ("small_class", "outcome"): 4}
        for place, rows in wanted.items():
            self.assertIn(place, by, sorted(by))
            self.assertEqual(by[place]["rows_count"], rows, by[place])
        self.assertEqual(by[("outliers", "wild")]["rows"], [123])
        self.assertEqual(by[("placeholder", "holder")]["rows"][:2], [5, 35])
        self.assertEqual(by[("small_class", "outcome")]["rows"], [7, 82, 157, 232])
        self.assertEqual(set(by) - set(wanted), set())
        # without a target what needs one is left out, the rest is there
        plain = {(issue["code"], issue["column"]) for issue in self.issues(self.upload(planted())["id"])["issues"]}
        self.assertEqual(plain, set(wanted) - {("leak", "after"), ("small_class", "outcome")})

    def test_copies_and_conflicts(self):
        lines = cells(300).decode().split()
        other = {"malignant": "benign", "benign": "malignant"}
        conflict = lines[10].rsplit(",", 1)
        lines += [lines[5], lines[6], f"{conflict[0]},{other[conflict[1]]}"]
        dataset = self.upload(("\n".join(lines) + "\n").encode())["id"]
        by = {issue["code"]: issue for issue in self.issues(dataset, "?target=diagnosis")["issues"]}
        self.assertEqual(by["duplicates"]["rows"], [300, 301])
        self.assertEqual(sorted(by["duplicate_conflict"]["rows"]), [9, 302])

    def test_a_number_that_tells_the_target(self):
        lines = prices(300).decode().split("\n")
        told = [lines[0] + ",deposit"] + [f"{line},{3 * float(line.rsplit(',', 1)[1]) + 1:.2f}"
                                          for line in lines[1:] if line]
        dataset = self.upload("\n".join(told).encode())["id"]
        leaks = [issue["column"] for issue in self.issues(dataset, "?target=rent")["issues"] if issue["code"] == "leak"]
        self.assertEqual(leaks, ["deposit"])

    def test_clean_data(self):
        found = self.issues(self.upload(iris())["id"], "?target=species")
        rows = iris().decode().split()[1:]
        copies = len(rows) - len(set(rows))
        told = [(issue["code"], issue["rows_count"]) for issue in found["issues"]]
        self.assertEqual(told, [("duplicates", copies)] if copies else [])

    def test_images(self):
        images, labels = pictures(60)
        images[7], labels[7] = images[3], (labels[3] + 1) % 3
        images[20] = bytes([17]) * 64
        dataset = self.api.upload("/api/v1/datasets", [("images", "i", idx_images(images)),
                                                       ("labels", "l", idx_labels(labels))])
        dataset = self.api.wait_dataset(dataset.json["id"])["id"]
        by = {issue["code"]: issue for issue in self.issues(dataset)["issues"]}
        self.assertEqual(sorted(by["duplicate_conflict"]["rows"]), [3, 7])
        self.assertEqual(by["blank_image"]["rows"], [20])
        self.problem(self.api.get(f"/api/v1/datasets/{dataset}/issues?target=label"), 422, "invalid", "/target")

    def test_wrong_labels_come_up_after_a_job(self):
        lines = cells(300, 4).decode().split()
        # clear cases: the mean of radius tells which
        clear = [i for i, line in enumerate(lines[1:]) if line.split(",")[0]
                 and (float(line.split(",")[0]) > 19) == line.endswith("malignant")
                 and not 9 < float(line.split(",")[0]) < 19][:8]
        for i in clear:
            values, label = lines[i + 1].rsplit(",", 1)
            lines[i + 1] = f"{values},{'benign' if label == 'malignant' else 'malignant'}"
        dataset = self.upload("\n".join(lines).encode())["id"]
        before = {issue["code"] for issue in self.issues(dataset, "?target=diagnosis")["issues"]}
        self.assertNotIn("label_suspects", before)
        done = self.run_job({"dataset": dataset, "target": "diagnosis", "budget": {"trials": 2},
                             "families": ["linear"], "search": {"method": "random", "seed": 1}})
        self.assertEqual(done["state"], "succeeded", done)
        by = {issue["code"]: issue for issue in self.issues(dataset, "?target=diagnosis")["issues"]}
        suspects = by["label_suspects"]
        self.assertEqual(suspects["job"], done["id"])
        self.assertEqual(suspects["rows_count"], len(suspects["suspects"]))
        rows = {item["row"] for item in suspects["suspects"]}
        self.assertGreaterEqual(len(rows & set(clear)), len(clear) - 1, suspects)
        for item in suspects["suspects"]:
            self.assertNotEqual(item["given"], item["suggested"])
            self.assertGreater(item["probability"], item["given_probability"])
        # another target has not been asked about
        other = {issue["code"] for issue in self.issues(dataset, "?target=radius")["issues"]}
        self.assertNotIn("label_suspects", other)

    def test_bad_questions(self):
        dataset = self.upload(iris())["id"]
        base = f"/api/v1/datasets/{dataset}/issues"
        self.problem(self.api.get(base + "?target=nothing"), 422, "invalid", "/target")
        self.problem(self.api.get(base + "?target=species&task=guess"), 422, "invalid", "/task")
        self.problem(self.api.get(base + "?rows=3"), 400, "bad_request")
        self.problem(self.api.get("/api/v1/datasets/ds_none/issues"), 404, "dataset_not_found")
        bad = self.issues(dataset, "?target=species&task=regression")["issues"]
        self.assertIn("target", [issue["code"] for issue in bad])


if __name__ == "__main__":
    unittest.main()
