"""The aliases that a job makes: best, and fast where that is another model."""

import random
import time
import unittest

from common import ApiTest, sql


def table(count, seed):
    """A number that networks can tell and lines cannot."""
    draw = random.Random(seed)
    lines = ["x1,x2,x3,number"]
    for _ in range(count):
        x1, x2, x3 = (draw.uniform(-1, 1) for _ in range(3))
        number = 3 * abs(x1) + (2 if x1 * x2 > 0 else 0) + 0.5 * x3 + 0.1 * draw.gauss(0, 1)
        lines.append(f"{x1:.5f},{x2:.5f},{x3:.5f},{number:.5f}")
    return "\n".join(lines).encode() + b"\n"


# Megabytes of weights in each of five folds: more than 100 microseconds a row.
SLOW = {"units": 768, "layers": 4, "epochs": 20}


class Aliases(ApiTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        answer = cls.api.upload("/api/v1/datasets", [("file", "bends.csv", table(500, 1)), ("name", "bends")])
        cls.dataset = cls.api.wait_dataset(answer.json["id"])["id"]
        cls.slow = cls.done("slow", ["mlp", "linear"], 2)
        cls.model = cls.api.get("/api/v1/models/slow").json

    @classmethod
    def done(cls, name, families, trials, mlp=None):
        answer = cls.api.post("/api/v1/jobs", {
            "dataset": cls.dataset, "target": "number", "families": families, "deploy_as": name,
            "budget": {"trials": trials}, "search": {"seed": 1, "parallel": 1, "space": {
                family: mlp or SLOW if family == "mlp" else {"penalty": 0.001} for family in families}}})
        assert answer.status == 202, answer
        job = cls.api.wait_job(answer.json["id"], 240)
        assert job["state"] == "succeeded", job
        return job

    def test_fast_is_another_version(self):
        best, fast = (self.model["aliases"][name] for name in ("best", "fast"))
        self.assertEqual(best, self.slow["model"]["version"])
        self.assertEqual(fast, best - 1)
        versions = {version["version"]: version for version in self.model["versions"]}
        self.assertGreater(versions[best]["us_per_row"], 100)
        self.assertLess(versions[fast]["us_per_row"], versions[best]["us_per_row"] / 2)
        self.assertEqual(versions[fast]["family"], "linear")
        self.assertTrue(versions[fast]["final"])
        self.assertEqual(versions[fast]["job"], self.slow["id"])
        self.assertEqual(self.model["version"], best)
        listed = {item["name"]: item["version"] for item in self.api.get("/api/v1/models?limit=100").json["items"]}
        self.assertEqual(listed["slow"], best)

    def test_fast_has_a_report_of_its_own(self):
        reports = {name: self.api.get(f"/api/v1/models/slow/versions/{version}/report").json
                   for name, version in self.model["aliases"].items()}
        self.assertEqual(reports["fast"]["estimate"], "bbc_cv")
        self.assertGreater(reports["fast"]["score"], 1.5 * reports["best"]["score"])
        self.assertEqual(reports["fast"]["family"], "linear")
        self.assertEqual(len(reports["fast"]["members"]), 1)
        for name, version in self.model["aliases"].items():
            checked = self.api.call("POST", f"/api/v1/models/slow/versions/{version}/verify")
            if reports[name].get("refit"):  # on a slow machine even lines are one instead of their folds'
                self.problem(checked, 409, "conflict")
            else:
                self.assertTrue(checked.json["ok"], (name, checked))

    def test_fast_is_one_model_of_all_rows(self):
        """Where there is one trial, slow because each fold's model answers, one model answers in its folds' place."""
        job = self.done("once", ["mlp"], 1, {"units": 256, "layers": 2, "epochs": 20})
        about = self.api.get("/api/v1/models/once").json
        best, fast = (about["aliases"][name] for name in ("best", "fast"))
        self.assertEqual((best, fast), (job["model"]["version"], best - 1))
        versions = {version["version"]: version for version in about["versions"]}
        self.assertLess(versions[fast]["us_per_row"], versions[best]["us_per_row"] / 2)
        self.assertLess(versions[fast]["bytes"], versions[best]["bytes"] / 2)
        reports = {version: self.api.get(f"/api/v1/models/once/versions/{version}/report").json for version in (best, fast)}
        self.assertEqual(reports[fast]["estimate"], "bbc_cv")
        self.assertAlmostEqual(reports[fast]["score"], reports[best]["score"], places=6)
        self.assertEqual(reports[fast]["refit"]["trained_on"], "folds")
        self.assertEqual(reports[fast]["refit"]["rows"], 500)
        self.assertIn("fitted again on the rows of all folds", reports[fast]["warnings"][0])
        refused = self.api.call("POST", f"/api/v1/models/once/versions/{fast}/verify")
        self.problem(refused, 409, "conflict")
        self.assertIn("in the place of its folds'", refused.json["detail"])
        rows = {"rows": [{"x1": -0.5, "x2": 0.5, "x3": 0}], "interval": 0.9}
        value = self.api.post("/api/v1/models/once@fast/predict", rows).json["predictions"][0]
        self.assertAlmostEqual(value["value"], 1.5, delta=0.5)
        self.assertLess(value["interval"]["low"], value["value"])
        for form in ("json", "c", "onnx"):
            answer = self.api.get(f"/api/v1/models/once/versions/{fast}/export?format={form}")
            self.assertEqual(answer.status, 200, (form, answer))
            if form == "json":
                came = self.api.call("POST", "/api/v1/models?name=once-again", answer.raw, {"Content-Type": "application/json"})
                self.assertEqual(came.status, 201, came)
                again = self.api.post("/api/v1/models/once-again/predict", rows).json["predictions"][0]
                self.assertEqual(again, value)

    def test_predict(self):
        row = {"rows": [{"x1": 0.5, "x2": 0.5, "x3": 0}], "interval": 0.9}
        said = {name: self.api.post(f"/api/v1/models/slow@{name}/predict", row).json for name in ("best", "fast")}
        self.assertEqual({name: answer["version"] for name, answer in said.items()}, self.model["aliases"])
        best, fast = (said[name]["predictions"][0] for name in ("best", "fast"))
        self.assertAlmostEqual(best["value"], 3.5, delta=0.4)
        self.assertNotEqual(best["value"], fast["value"])
        self.assertGreater(fast["interval"]["high"] - fast["interval"]["low"],
                           best["interval"]["high"] - best["interval"]["low"])

    def test_fast_is_best_where_that_is_fast(self):
        """The next job of the name takes both aliases along."""
        for _ in range(2):
            job = self.done("quick", ["linear"], 1)
            about = self.api.get("/api/v1/models/quick").json
            best = job["model"]["version"]
            # lines take a microsecond or two, but not on a slow machine
            quick = about["us_per_row"] <= 3
            self.assertEqual(about["aliases"], {"best": best, "fast": best if quick else best - 1})

    def put(self, alias, body, **headers):
        return self.api.call("PUT", f"/api/v1/models/slow/aliases/{alias}", body,
                             {name.replace("_", "-"): value for name, value in headers.items()})

    def answered(self, alias, calls=60):
        """Versions that answered so many calls."""
        row = {"rows": [{"x1": 0.5, "x2": 0.5, "x3": 0}]}
        return [self.api.post(f"/api/v1/models/slow@{alias}/predict", row).json["version"] for _ in range(calls)]

    def test_split(self):
        best, fast = (self.model["aliases"][name] for name in ("best", "fast"))
        answer = self.put("canary", {"split": {str(fast): 50, str(best): 50}}, If_None_Match="*")
        self.assertEqual((answer.status, answer.json["split"]), (200, {str(fast): 50, str(best): 50}), answer)
        self.assertEqual(answer.json["version"], fast)
        self.assertEqual(answer.headers["etag"], f'"{fast}:50,{best}:50"')
        self.problem(self.put("canary", {"version": best}, If_None_Match="*"), 412, "precondition_failed")
        self.assertEqual(set(self.answered("canary")), {fast, best})
        # each row's answer is that of the version which the answer names
        row = {"rows": [{"x1": 0.5, "x2": 0.5, "x3": 0}]}
        alone = {version: self.api.post(f"/api/v1/models/slow@{version}/predict", row).json["predictions"]
                 for version in (fast, best)}
        for _ in range(10):
            said = self.api.post("/api/v1/models/slow@canary/predict", row).json
            self.assertEqual(said["predictions"], alone[said["version"]])
        self.assertEqual(self.put("canary", {"version": best}, If_Match=answer.headers["etag"]).status, 200)
        self.assertEqual(set(self.answered("canary", 20)), {best})
        # and back, twice
        back = self.put("canary", {"rollback": True})
        self.assertEqual(back.json["split"], {str(fast): 50, str(best): 50}, back)
        self.assertEqual(self.put("canary", {"rollback": True}).json["version"], best)
        shown = self.api.get("/api/v1/models/slow/aliases/canary")
        self.assertEqual(shown.headers["etag"], f'"{best}"')
        self.assertEqual([change["version"] for change in shown.json["changes"]], [best, fast, best, fast])
        self.assertTrue(all(change["changed_by"] for change in shown.json["changes"]))
        self.assertIn("canary", [item["alias"] for item in self.api.get("/api/v1/models/slow/aliases").json["items"]])
        path = "/api/v1/models/slow/aliases/canary"
        self.problem(self.api.call("DELETE", path, headers={"If-Match": '"77"'}), 412, "precondition_failed")
        self.assertEqual(self.api.call("DELETE", path).status, 204)
        self.problem(self.api.call("DELETE", path), 404, "alias_not_found")
        self.problem(self.api.get(path), 404, "alias_not_found")
        self.assertEqual(self.api.post("/api/v1/models/slow@canary/predict", row).status, 404)
        self.assertEqual(self.put("canary", {"rollback": True}).json["version"], best)

    def test_shadow(self):
        """The shadow answers the same calls, is compared, and changes nothing that a caller sees."""
        best, fast = (self.model["aliases"][name] for name in ("best", "fast"))
        answer = self.put("watched", {"version": best, "shadow": fast})
        self.assertEqual((answer.status, answer.json["shadow"]), (200, fast), answer)
        self.assertEqual(answer.headers["etag"], f'"{best}+{fast}"')
        rows = [{"x1": x / 10, "x2": 0.5, "x3": 0} for x in range(-9, 10)]
        said = self.api.post("/api/v1/models/slow@watched/predict", {"rows": rows}).json
        alone = {version: [p["value"] for p in self.api.post(f"/api/v1/models/slow@{version}/predict", {"rows": rows}).json["predictions"]]
                 for version in (best, fast)}
        self.assertEqual((said["version"], [p["value"] for p in said["predictions"]]), (best, alone[best]))
        compared = self.compared("watched", len(rows))
        wanted = sum(abs(a - b) for a, b in zip(alone[best], alone[fast])) / len(rows)
        self.assertAlmostEqual(compared["mean_difference"], wanted, delta=1e-5)
        self.assertEqual((compared["rows"], compared["errors"], compared["dropped"]), (len(rows), 0, 0))
        self.assertEqual(self.put("watched", {"version": best, "shadow": best}).status, 200)
        self.api.post("/api/v1/models/slow@watched/predict", {"rows": rows})
        self.assertEqual(self.compared("watched", len(rows))["same"], len(rows))
        self.problem(self.api.call("DELETE", f"/api/v1/models/slow/versions/{fast}"), 409, "conflict")
        self.assertEqual(self.put("watched", {"version": best}).json["shadow"], None)
        self.assertEqual(self.put("watched", {"rollback": True}).json["shadow"], best)

    def compared(self, alias, rows):
        deadline = time.monotonic() + 30
        while True:
            compared = self.api.get(f"/api/v1/models/slow/aliases/{alias}").json["compared"]
            if compared["rows"] + compared["errors"] >= rows or time.monotonic() > deadline:
                return compared
            time.sleep(0.05)

    def test_bad_changes(self):
        best = str(self.model["aliases"]["best"])
        for body, place in (({}, "/version"), ({"version": 1, "rollback": True}, ""), ({"rollback": False}, "/rollback"),
                            ({"split": {}}, "/split"), ({"split": {best: 99}}, "/split"),
                            ({"split": {best: 60, "0": 40}}, "/split/0"), ({"split": {best: 50.5, "1": 49.5}}, f"/split/{best}"),
                            ({"split": {best: 50, "999": 50}}, "/split/999"), ({"split": [1]}, "/split"),
                            ({"split": {str(i): 5 for i in range(1, 21)}}, "/split"), ({"shadow": 1}, "/version"),
                            ({"version": int(best), "shadow": 999}, "/shadow"), ({"rollback": True, "shadow": 1}, "/shadow")):
            self.problem(self.put("live", body), 422, "invalid", place)
        self.problem(self.put("never", {"rollback": True}), 409, "conflict")
        self.problem(self.api.call("DELETE", "/api/v1/models/slow/aliases/best"), 409, "conflict")

    def test_damaged_version(self):
        """What can't be loaded never takes the place of what serves, also where it is put there behind our back."""
        first = self.done("worn", ["linear"], 1)["model"]["version"]
        second = self.done("worn", ["linear"], 1)["model"]["version"]
        row = {"rows": [{"x1": 0.5, "x2": 0.5, "x3": 0}]}
        self.assertEqual(self.put_of("worn", "live", {"version": first}).status, 200)
        sql("UPDATE blob_chunk SET data = decode(repeat('00', length(data)), 'hex') WHERE blob_id = (SELECT blob_id FROM"
            f" model_version v JOIN model m ON m.id = v.model_id WHERE m.name = 'worn' AND version = {second})")
        sql("SELECT pg_notify('attune', 'model ' || id) FROM model WHERE name = 'worn'")
        refused = self.put_of("worn", "live", {"version": second})
        self.problem(refused, 422, "invalid", "/version")
        self.problem(self.put_of("worn", "live", {"split": {str(first): 50, str(second): 50}}), 422, "invalid",
                     f"/split/{second}")
        self.assertEqual(self.api.post("/api/v1/models/worn@live/predict", row).json["version"], first)

    def put_of(self, model, alias, body):
        return self.api.call("PUT", f"/api/v1/models/{model}/aliases/{alias}", body)

    def test_removal(self):
        self.done("gone", ["linear"], 1)
        self.done("gone", ["linear"], 1)
        row = {"rows": [{"x1": 0.5, "x2": 0.5, "x3": 0}]}
        versions = [item["version"] for item in self.api.get("/api/v1/models/gone/versions").json["items"]]
        path = "/api/v1/models/gone/versions/"
        self.problem(self.api.call("DELETE", f"{path}{versions[0]}"), 409, "conflict")
        self.assertEqual(self.api.post(f"/api/v1/models/gone@{versions[-1]}/predict", row).status, 200)
        self.assertEqual(self.api.call("DELETE", f"{path}{versions[-1]}").status, 204)
        self.problem(self.api.post(f"/api/v1/models/gone@{versions[-1]}/predict", row), 404, "model_not_found")
        self.problem(self.api.call("DELETE", f"{path}999"), 404, "model_not_found")
        self.assertEqual(self.api.post("/api/v1/models/gone/predict", row).status, 200)
        self.assertEqual(self.api.call("DELETE", "/api/v1/models/gone").status, 204)
        self.problem(self.api.post("/api/v1/models/gone/predict", row), 404, "model_not_found")
        self.problem(self.api.get("/api/v1/models/gone"), 404, "model_not_found")
        self.problem(self.api.call("DELETE", "/api/v1/models/gone"), 404, "model_not_found")


if __name__ == "__main__":
    unittest.main()
