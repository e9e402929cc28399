"""Studies: ask and tell for anyone's own training code."""

import math
import time
import unittest

from common import ApiTest, iris, other_tenant, sql  # first: it finds the harness
from attune_server import Client

X = {"x": {"type": "float", "low": -1, "high": 1}}
MIXED = {"lr": {"type": "float", "low": 1e-4, "high": 1, "scale": "log"}, "units": {"type": "int", "low": 8, "high": 512, "scale": "log"},
         "optimizer": {"type": "categorical", "choices": ["sgd", "adam"]},
         "momentum": {"type": "float", "low": 0, "high": 0.99, "when": {"optimizer": ["sgd"]}}, "depth": 3}


class StudyTest(ApiTest):
    def study(self, space=None, **more):
        answer = self.api.post("/api/v1/studies", {"space": space or X, "seed": 1, **more})
        self.assertEqual(answer.status, 201, answer)
        return "/api/v1/studies/" + answer.json["id"]

    def ask(self, study, client="me", count=1):
        answer = self.api.post(study + "/suggest", {"client_id": client, "count": count})
        self.assertEqual(answer.status, 200, answer)
        return answer.json["trials"]

    def tell(self, study, trial, body, status=200):
        answer = self.api.post(f"{study}/trials/{trial}/complete", body)
        self.assertEqual(answer.status, status, answer)
        return answer.json

    def measure(self, study, trial, step, value):
        answer = self.api.post(f"{study}/trials/{trial}/measure", {"step": step, "value": value})
        self.assertEqual(answer.status, 200, answer)
        return answer.json

    def best(self, study):
        return self.api.get(study + "/best").json["items"]


class Loop(StudyTest):
    def test_finds_the_minimum_and_the_maximum(self):
        for direction, sign in (("minimize", 1), ("maximize", -1)):
            study = self.study(direction=direction, max_trials=15)
            for number in range(1, 16):
                trial = self.ask(study)[0]
                self.assertEqual(trial["number"], number)
                self.assertEqual(set(trial), {"id", "number", "params"})
                self.tell(study, trial["id"], {"value": sign * (trial["params"]["x"] - 0.3) ** 2})
            best = self.best(study)
            self.assertEqual(len(best), 1)
            self.assertLess(abs(best[0]["params"]["x"] - 0.3), 0.02)
            self.assertEqual(best[0]["value"], best[0]["values"][0])
            view = self.api.get(study).json
            self.assertEqual((view["state"], view["trials"]["done"], view["directions"]), ("complete", 15, [direction]))
            self.problem(self.api.post(study + "/suggest", {"client_id": "me"}), 409, "study_complete")

    def methods(self):
        """Every method, with the members that it needs."""
        names = [one["name"] for one in self.api.get("/api/v1/search-methods").json["items"]]
        self.assertEqual({"bayes", "tpe", "random", "sobol", "grid"} - set(names), set())
        for name in sorted({*names, "asha", "hyperband"}):
            yield name, {"method": name, **({"steps": {"max": 9}} if name in ("asha", "hyperband") else {})}

    def test_every_method_takes_a_mixed_space(self):
        for method, more in self.methods():
            with self.subTest(method):
                study = self.study(MIXED, max_trials=12, **more)
                for _ in range(6):
                    trials = self.ask(study, count=2)
                    self.assertEqual(len(trials), 2)
                    for trial in trials:
                        params = trial["params"]
                        self.assertEqual("momentum" in params, params["optimizer"] == "sgd")
                        self.assertEqual(params["depth"], 3)
                        self.assertEqual(list(params), [name for name in MIXED if name in params])
                        self.tell(study, trial["id"], {"value": math.log(params["lr"]) ** 2 + params["units"]})
                self.assertEqual(len(self.best(study)), 1)

    def test_every_method_keeps_the_rules(self):
        space = {"least": {"type": "int", "low": 1, "high": 64, "scale": "log"},
                 "most": {"type": "int", "low": 1, "high": 64, "scale": "log"},
                 "optimizer": {"type": "categorical", "choices": ["sgd", "adam"], "prior": {"weights": [1, 3]}},
                 "batch": {"type": "ordinal", "values": [32, 64, 128], "when": {"optimizer": ["sgd"]}},
                 "rate": {"type": "float", "low": 0, "high": 1},
                 "$relations": ["least < most", "rate + 0.01*batch <= 1.5"],
                 "$forbidden": [{"optimizer": "sgd", "batch": 128, "least": {"min": 20}}]}
        for method, more in self.methods():
            with self.subTest(method):
                study = self.study(space, max_trials=100, **more)
                self.assertEqual(self.api.get(study).json["space"], space)
                for _ in range(8):
                    for trial in self.ask(study, count=3):
                        params = trial["params"]
                        self.assertLess(params["least"], params["most"])
                        self.assertLessEqual(params["rate"] + 0.01 * params.get("batch", 0), 1.5)
                        self.assertFalse(params.get("batch") == 128 and params["least"] >= 20)
                        self.tell(study, trial["id"], {"value": params["rate"] - params["least"]})
        for rules, place in (({"$relations": ["least < mist"]}, "/space/$relations/0"),
                             ({"$relations": ["least < optimizer"]}, "/space/$relations/0"),
                             ({"$relations": ["least < most", "most < least"]}, "/space/$relations"),
                             ({"$forbidden": [{"batch": 100}]}, "/space/$forbidden/0/batch"),
                             ({"$rules": []}, "/space/$rules")):
            answer = self.api.post("/api/v1/studies", {"space": {**space, "$forbidden": [], **rules}})
            self.problem(answer, 422, "invalid", place)
        self.problem(self.api.post("/api/v1/studies", {"space": {"$relations": []}}), 422, "invalid", "/space")

    def test_small_spaces_end(self):
        study = self.study({"a": {"type": "bool"}, "b": {"type": "int", "low": 1, "high": 2}})
        points = {str(trial["params"]) for trial in self.ask(study, count=10)}
        self.assertEqual(len(points), 4)
        for trial in self.ask(study, count=10):
            self.tell(study, trial["id"], {"value": 1})
        self.problem(self.api.post(study + "/suggest", {"client_id": "me"}), 409, "study_exhausted")
        fixed = self.study({"a": 3})
        self.assertEqual([trial["params"] for trial in self.ask(fixed, count=5)], [{"a": 3}])

    def test_sensible_whatever_is_told(self):
        """All failed, all equal, huge and tiny values: suggestions go on, inside the space and different."""
        for told in ({"failed": True}, {"value": 7}, {"value": 1e308}, {"value": -1e308}, {"value": 5e-324}):
            with self.subTest(told):
                study = self.study(MIXED)
                seen = set()
                for _ in range(16):
                    trial = self.ask(study)[0]
                    self.assertTrue(1e-4 <= trial["params"]["lr"] <= 1 and 8 <= trial["params"]["units"] <= 512)
                    seen.add(str(trial["params"]))
                    self.tell(study, trial["id"], told)
                self.assertEqual(len(seen), 16)
                self.assertEqual(len(self.best(study)), 0 if "failed" in told else 1)

    def test_warm_start(self):
        first = self.study(max_trials=12)
        for trial in self.ask(first, count=12):
            self.tell(first, trial["id"], {"value": (trial["params"]["x"] - 0.3) ** 2})
        second = self.study(warm_start_from=first.rpartition("/")[2], direction="minimize")
        trials = self.ask(second, count=2)
        self.assertLess(min(abs(trial["params"]["x"] - 0.3) for trial in trials), 0.2)
        view = self.api.get(second).json
        self.assertEqual(view["warm_start_from"], first.rpartition("/")[2])
        self.assertNotIn("warm_start", view)
        empty = self.study().rpartition("/")[2]
        for source, space in (("st_none", X), (empty, X), (first.rpartition("/")[2], {"y": X["x"]})):
            answer = self.api.post("/api/v1/studies", {"space": space, "warm_start_from": source})
            self.problem(answer, 422, "invalid", "/warm_start_from")
        wider = self.study({"x": {"type": "float", "low": -1, "high": 0.5}, "other": {"type": "bool"}},
                           warm_start_from=first.rpartition("/")[2])  # an overlapping space
        self.assertLess(min(abs(trial["params"]["x"] - 0.3) for trial in self.ask(wider, count=2)), 0.25)
        theirs = other_tenant().post("/api/v1/studies", {"space": X, "warm_start_from": first.rpartition("/")[2]})
        self.problem(theirs, 422, "invalid", "/warm_start_from")


    def test_warm_start_from_a_job(self):
        job = self.run_job({"dataset": self.upload(iris())["id"], "target": "species", "families": ["linear"],
                            "budget": {"trials": 3}})
        names = self.api.get(f"/api/v1/jobs/{job['id']}/leaderboard").json["items"][0]["params"]
        name = next(name for name, value in names.items() if isinstance(value, float))
        for own in (name, f"linear.{name}"):
            study = self.study({own: {"type": "float", "low": 1e-6, "high": 1e3, "scale": "log"}}, warm_start_from=job["id"])
            self.ask(study)
        answer = self.api.post("/api/v1/studies", {"space": X, "warm_start_from": job["id"]})
        self.problem(answer, 422, "invalid", "/warm_start_from")
        answer = self.api.post("/api/v1/studies", {"space": X, "warm_start_from": "job_none"})
        self.problem(answer, 422, "invalid", "/warm_start_from")


class Repeats(StudyTest):
    def test_a_client_gets_its_own_first(self):
        study = self.study()
        first = self.ask(study, "a", 3)
        self.assertEqual(self.ask(study, "a", 3), first)
        self.assertEqual(self.ask(study, "a", 2), first[:2])
        others = self.ask(study, "b", 2)
        self.assertEqual({t["id"] for t in first} & {t["id"] for t in others}, set())
        self.tell(study, first[1]["id"], {"value": 1})
        after = self.ask(study, "a", 3)
        self.assertEqual([t["id"] for t in after[:2]], [first[0]["id"], first[2]["id"]])
        self.assertEqual(after[2]["number"], 6)
        self.assertEqual(len(self.ask(study, "a", 64)), 64)

    def test_a_result_is_told_once(self):
        study = self.study()
        trial = self.ask(study)[0]["id"]
        self.tell(study, trial, {"value": 1, "seconds": 2.5})
        for body in ({"value": 1}, {"value": 2}, {"failed": True}, {"pruned": True}):
            self.problem(self.api.post(f"{study}/trials/{trial}/complete", body), 409, "trial_ended")
        self.problem(self.api.post(f"{study}/trials/{trial}/measure", {"step": 1, "value": 1}), 409, "trial_ended")
        self.assertEqual(self.api.post(f"{study}/trials/{trial}/should_stop").json,
                         {"stop": True, "reason": "ended", "state": "done"})
        kept = self.api.get(f"{study}/trials/{trial}").json
        self.assertEqual((kept["value"], kept["seconds"], kept["state"]), (1, 2.5, "done"))
        for action, body in (("measure", {"step": 1, "value": 1}), ("complete", {"value": 1}), ("should_stop", None)):
            self.problem(self.api.post(f"{study}/trials/tr_none/{action}", body), 404, "trial_not_found")
            self.problem(self.api.post(f"{study[:-4]}none/trials/{trial}/{action}", body), 404, "study_not_found")
            self.problem(self.api.post(f"/api/v1/studies/{'x' * 300}/trials/{trial}/{action}", body), 404, "study_not_found")

    def test_a_vanished_client(self):
        study = self.study(trial_timeout_s=3, max_trials=2)
        lost = self.ask(study, "gone")[0]
        kept = self.ask(study, "here")[0]
        self.problem(self.api.post(study + "/suggest", {"client_id": "new"}), 409, "study_complete")
        deadline = time.monotonic() + 3.5
        step = 0
        while time.monotonic() < deadline:
            step += 1
            self.measure(study, kept["id"], step, 1.0)
            time.sleep(0.05)
        again = self.ask(study, "new")[0]
        self.assertNotIn(again["id"], (lost["id"], kept["id"]))
        self.assertEqual(self.api.get(f"{study}/trials/{lost['id']}").json["state"], "forgotten")
        self.assertEqual(self.api.get(f"{study}/trials/{kept['id']}").json["state"], "running")
        self.problem(self.api.post(f"{study}/trials/{lost['id']}/complete", {"value": 1}), 409, "trial_ended")
        self.assertEqual(self.api.get(study).json["trials"]["forgotten"], 1)


class Stopping(StudyTest):
    def run_trial(self, study, trial, value):
        """Measures until told to stop; the answer that did, or None at the end of a full run."""
        for step in range(int(trial["from_step"]) + 1, 10):
            answer = self.measure(study, trial["id"], step, value(step))
            if answer["stop"]:
                return answer
        return None

    def test_asha(self):
        for more in ({"early_stopping": "asha"}, {"early_stopping": "hyperband"}, {"method": "asha"}):
            with self.subTest(more):
                study = self.study(steps={"min": 1, "max": 9, "eta": 3}, direction="maximize", max_trials=18, **more)
                continued = steps = 0
                while True:
                    answer = self.api.post(study + "/suggest", {"client_id": "me"})
                    if answer.status != 200:
                        self.problem(answer, 409, "study_complete")
                        break
                    trial = answer.json["trials"][0]
                    good = -abs(trial["params"]["x"] - 0.3)
                    self.assertIn(trial["until_step"], (1, 3, 9))
                    self.assertEqual(trial["continued"], trial["from_step"] > 0)
                    continued += trial["continued"]
                    stop = self.run_trial(study, trial, lambda step, good=good: good - 1 / step)
                    view = self.api.get(f"{study}/trials/{trial['id']}").json
                    steps += view["step"] - trial["from_step"]
                    if stop:
                        self.assertEqual(stop, {"stop": True, "reason": "rung", "state": "paused"})
                        self.assertEqual(view["step"], trial["until_step"])
                        self.assertEqual(self.api.post(f"{study}/trials/{trial['id']}/should_stop").json, stop)
                        self.assertEqual(self.measure(study, trial["id"], view["step"], view["measured"]), stop)
                        self.problem(self.api.post(f"{study}/trials/{trial['id']}/measure", {"step": 99, "value": 1}),
                                     409, "trial_paused")
                    else:
                        self.tell(study, trial["id"], {"value": good})
                self.assertGreater(continued, 2)
                counts = self.api.get(study).json["trials"]
                self.assertEqual(counts["paused"] + counts["done"], 18)
                self.assertGreater(counts["done"], 0)
                self.assertLess(steps, 18 * 9 * 0.8)

    def test_median(self):
        study = self.study(early_stopping="median", steps={"max": 9})
        for trial in self.ask(study, "good", 8):
            self.assertIsNone(self.run_trial(study, trial, lambda step: 1 / step))
            self.tell(study, trial["id"], {"value": 0.1})
        bad = self.ask(study, "bad")[0]
        stop = self.run_trial(study, bad, lambda step: 5)
        self.assertEqual(stop, {"stop": True, "reason": "median", "state": "running"})
        self.assertEqual(self.api.post(f"{study}/trials/{bad['id']}/should_stop").json, stop)
        self.assertEqual(self.tell(study, bad["id"], {"pruned": True})["state"], "pruned")
        view = self.api.get(f"{study}/trials/{bad['id']}").json
        self.assertEqual([point["value"] for point in view["curve"]], [5] * len(view["curve"]))
        self.assertEqual(self.api.get(study).json["trials"]["pruned"], 1)

    def test_measures_in_order(self):
        study = self.study(steps={"min": 1, "max": 9})
        trial = self.ask(study)[0]["id"]
        self.assertEqual(self.measure(study, trial, 2, 0.5), {"stop": False, "reason": None, "state": "running"})
        self.measure(study, trial, 2, 0.5)  # its answer was lost
        for step, value in ((2, 0.4), (1, 0.5), (1.999, 0)):
            self.problem(self.api.post(f"{study}/trials/{trial}/measure", {"step": step, "value": value}), 409, "measure_order")
        self.problem(self.api.post(f"{study}/trials/{trial}/measure", {"step": 9.5, "value": 0}), 422, "invalid", "/step")
        self.measure(study, trial, 2.5, 0.25)
        self.assertEqual([(point["step"], point["value"]) for point in self.api.get(f"{study}/trials/{trial}").json["curve"]],
                         [(2, 0.5), (2.5, 0.25)])


class Many(StudyTest):
    def test_several_directions(self):
        study = self.study({"a": X["x"], "b": X["x"]}, directions=["minimize", "maximize"])
        told = {}
        for number in range(20):
            trial = self.ask(study)[0]
            values = [trial["params"]["a"] ** 2, -(trial["params"]["a"] - 0.5) ** 2 - abs(trial["params"]["b"])]
            told[trial["id"]] = values
            self.tell(study, trial["id"], {"values": values})
        front = {key for key, (a, b) in told.items()
                 if not any(c <= a and d >= b and (c, d) != (a, b) for c, d in told.values())}
        best = self.best(study)
        self.assertEqual({trial["id"] for trial in best}, front)
        self.assertEqual([trial["values"][0] for trial in best], sorted(trial["values"][0] for trial in best))
        trial = self.ask(study)[0]["id"]
        for body, place in (({"value": 1}, "/values"), ({"values": [1]}, "/values"), ({"values": [1, 2, 3]}, "/values"),
                            ({"values": [1, "2"]}, "/values/1")):
            self.problem(self.api.post(f"{study}/trials/{trial}/complete", body), 422, "invalid", place)

    def test_constraints(self):
        study = self.study(constraints=["size", "price"])
        values = [({"size": -1, "price": 0}, 5), ([1, -1], 1), ([0, 0], 4), ({"price": 0.001, "size": -9}, 2)]
        for constraints, value in values:
            trial = self.ask(study)[0]["id"]
            view = self.tell(study, trial, {"value": value, "constraints": constraints})
            self.assertEqual(view["feasible"], value >= 4)
        self.assertEqual(self.best(study)[0]["value"], 4)
        trial = self.ask(study)[0]["id"]
        for body, place in (({"value": 1}, "/constraints"), ({"value": 1, "constraints": [1]}, "/constraints"),
                            ({"value": 1, "constraints": {"size": 1}}, "/constraints/price"),
                            ({"value": 1, "constraints": {"size": 1, "price": 1, "weight": 1}}, "/constraints/weight"),
                            ({"value": 1, "constraints": {"size": 1, "price": "1"}}, "/constraints/price"),
                            ({"value": 1, "constraints": [1, None]}, "/constraints/1"),
                            ({"value": 1, "constraints": "none"}, "/constraints"),
                            ({"failed": True, "constraints": [1, 1]}, "/constraints")):
            self.problem(self.api.post(f"{study}/trials/{trial}/complete", body), 422, "invalid", place)
        self.tell(study, trial, {"failed": True, "reason": "too hot"})
        self.assertEqual(self.api.get(f"{study}/trials/{trial}").json["reason"], "too hot")

    def test_stops_when_little_is_to_be_gained(self):
        for rule, place in (({}, ""), ({"after_trials": 9}, ""), ({"expected_gain": -1}, "/expected_gain"),
                            ({"expected_gain": 1, "after_trials": 3}, "/after_trials"), ({"gain": 1}, "/gain")):
            self.problem(self.api.post("/api/v1/studies", {"space": X, "stop_when": rule}), 422, "invalid",
                         "/stop_when" + place)
        self.problem(self.api.post("/api/v1/studies", {
            "space": X, "directions": ["minimize", "maximize"], "stop_when": {"expected_gain": 1}}), 422, "invalid",
            "/stop_when")
        rule = {"expected_gain": 0.001, "after_trials": 6}
        study = self.study(stop_when=rule)
        self.assertEqual(self.api.get(study).json["stop_when"], rule)
        done = 0
        while done < 40:
            answer = self.api.post(study + "/suggest", {"client_id": "me"})
            if answer.status != 200:
                break
            trial = answer.json["trials"][0]
            self.tell(study, trial["id"], {"value": 3 * (trial["params"]["x"] - 0.3) ** 2})
            done += 1
        self.problem(answer, 409, "study_no_gain")
        self.assertTrue(6 <= done < 40, done)
        self.assertLess(self.api.get(study + "/gain").json["expected_gain"], 0.001)
        self.assertLess(self.best(study)[0]["value"], 0.01)

    def test_what_it_has_learned(self):
        study = self.study({"a": X["x"], "b": X["x"], "c": {"type": "categorical", "choices": ["u", "v"]}}, direction="maximize")
        for question in ("importance", "slices?param=a", "pairs?x=a&y=b", "gain"):
            self.problem(self.api.get(f"{study}/{question}"), 409, "too_few_trials")
        for _ in range(16):
            trial = self.ask(study)[0]
            self.tell(study, trial["id"], {"value": 5 - 4 * trial["params"]["a"] ** 2 - 0.1 * trial["params"]["b"]})
        importance = self.api.get(study + "/importance").json
        self.assertEqual((importance["trials"], importance["params"][0]["name"]), (16, "a"))
        self.assertGreater(importance["params"][0]["share"], 0.7)
        points = self.api.get(study + "/slices?param=a").json
        top = max(points["points"], key=lambda point: point["mean"])
        self.assertLess(abs(top["at"]), 0.3)
        self.assertEqual(max(one["value"] for one in points["observations"]), self.best(study)[0]["value"])
        self.assertEqual(len(self.api.get(study + "/pairs?x=a&y=c&points=5").json["mean"]), 5)
        self.assertLess(abs(self.api.get(study + "/gain").json["best"] - 5), 0.5)
        for query, status in (("slices", 400), ("slices?param=d", 422), ("pairs?x=a&y=a", 422), ("importance?focus=2", 400)):
            self.assertEqual(self.api.get(f"{study}/{query}").status, status, query)
        self.assertEqual(self.ask(study)[0]["number"], 17)  # what was asked has made no trial

    def test_lists(self):
        names = [f"list-{number}" for number in range(3)]
        for name in names:
            self.study(name=name)
        seen, cursor = [], ""
        while cursor is not None:
            page = self.api.get(f"/api/v1/studies?limit=2&cursor={cursor}").json
            self.assertTrue(all("space" not in item for item in page["items"]))
            seen += [item["name"] for item in page["items"]]
            cursor = page["next_cursor"]
        self.assertEqual([name for name in seen if name in names], names[::-1])
        study = self.study()
        ids = [trial["id"] for trial in self.ask(study, count=5)]
        self.tell(study, ids[1], {"value": 1})
        first = self.api.get(study + "/trials?limit=3").json
        rest = self.api.get(f"{study}/trials?limit=3&cursor={first['next_cursor']}").json
        self.assertEqual([item["id"] for item in first["items"] + rest["items"]], ids)
        self.assertEqual([item["id"] for item in self.api.get(study + "/trials?state=done").json["items"]], [ids[1]])
        for path, code in (("/trials?state=lost", "bad_request"), ("/trials?cursor=x", "bad_cursor"), ("/trials?limit=0", "bad_request"),
                           ("/best?limit=3", "bad_request")):
            self.problem(self.api.get(study + path), 400, code)
        self.assertEqual(self.api.call("DELETE", study).status, 204)
        for path in ("", "/trials", "/best", f"/trials/{ids[0]}"):
            self.problem(self.api.get(study + path), 404, "study_not_found")
        self.problem(self.api.post(study + "/suggest", {"client_id": "a"}), 404, "study_not_found")
        self.problem(self.api.call("DELETE", study), 404, "study_not_found")
        self.assertEqual(sql(f"SELECT count(*) FROM study_log WHERE study_id = '{study.rpartition('/')[2]}'").strip(), "0")


class BadInput(StudyTest):
    def test_studies(self):
        number = {"type": "float", "low": 0, "high": 1}
        many = {f"x{i}": number for i in range(501)}
        cases = [
            ({}, "/space"), ([], ""), ({"space": {}}, "/space"), ({"space": 3}, "/space"), ({"space": []}, "/space"),
            ({"space": {"x": {"type": "float", "low": 1, "high": 1}}}, "/space/x/low"),
            ({"space": {"x": {"type": "float", "low": 2, "high": 1}}}, "/space/x/low"),
            ({"space": {"x": {"type": "int", "low": 2.5, "high": 9}}}, "/space/x/low"),
            ({"space": {"x": {"type": "float", "low": 0, "high": 1, "scale": "log"}}}, "/space/x/low"),
            ({"space": {"x": {"type": "categorical", "choices": []}}}, "/space/x/choices"),
            ({"space": {"x": {"type": "categorical", "choices": list(range(10000))}}}, "/space/x/choices"),
            ({"space": {"x": {"type": "ordinal", "values": list(range(1001))}}}, "/space/x/values"),
            ({"space": {"x": {**number, "when": {"y": [1]}}}}, "/space/x/when/y"),
            ({"space": many}, "/space"),
            ({"space": X, "direction": "up"}, "/direction"), ({"space": X, "directions": []}, "/directions"),
            ({"space": X, "directions": ["minimize"] * 5}, "/directions"),
            ({"space": X, "directions": ["minimize", "up"]}, "/directions/1"),
            ({"space": X, "direction": "minimize", "directions": ["minimize"]}, "/direction"),
            ({"space": X, "method": "magic"}, "/method"), ({"space": X, "method": 3}, "/method"),
            ({"space": X, "seed": -1}, "/seed"), ({"space": X, "seed": 2 ** 60}, "/seed"), ({"space": X, "seed": 1.5}, "/seed"),
            ({"space": X, "max_trials": 0}, "/max_trials"), ({"space": X, "max_trials": 10001}, "/max_trials"),
            ({"space": X, "early_stopping": "asha"}, "/steps"), ({"space": X, "method": "hyperband"}, "/method"),
            ({"space": X, "early_stopping": "asha", "steps": {"min": 9, "max": 9}}, "/steps/max"),
            ({"space": X, "steps": {"min": 1}}, "/steps/max"), ({"space": X, "steps": {"max": 9, "eta": 1}}, "/steps/eta"),
            ({"space": X, "steps": {"max": 9, "step": 1}}, "/steps/step"),
            ({"space": X, "constraints": ["a", "a"]}, "/constraints/1"), ({"space": X, "constraints": [""]}, "/constraints/0"),
            ({"space": X, "constraints": ["a"] * 9}, "/constraints"), ({"space": X, "constraints": [1]}, "/constraints/0"),
            ({"space": X, "trial_timeout_s": 0}, "/trial_timeout_s"), ({"space": X, "trials": 3}, "/trials"),
            ({"space": X, "name": ""}, "/name"), ({"space": X, "name": "a\nb"}, "/name"),
            ({"space": {f"x{i}": number for i in range(20)}, "method": "grid"}, "/method"),
        ]
        for body, place in cases:
            with self.subTest(str(body)[:90]):
                self.problem(self.api.post("/api/v1/studies", body), 422, "invalid", place)
        everything = {"space": {"x": {"type": "float", "low": 2, "high": 1}}, "direction": "up", "method": "magic", "seed": "1",
                      "constraints": ["a", "a"], "steps": {"max": -1}, "extra": 1}
        self.problem(self.api.post("/api/v1/studies", everything), 422, "invalid", "/space/x/low", "/direction", "/method", "/seed",
                     "/constraints/1", "/steps/max", "/extra")

    def test_numbers(self):
        study = self.study(MIXED)
        trial = self.ask(study)[0]["id"]
        cases = [
            ("complete", '{"value": 1e999}', 400), ("complete", '{"value": -1e999}', 400), ("complete", '{"value": NaN}', 400),
            ("complete", '{"value": Infinity}', 400), ("complete", '{"value": "0.5"}', 422), ("complete", '{"value": null}', 422),
            ("complete", '{"value": true}', 422), ("complete", "{}", 422), ("complete", "[1]", 422), ("complete", "", 422),
            ("complete", '{"value": 1, "failed": true}', 422), ("complete", '{"failed": false}', 422),
            ("complete", '{"failed": true, "pruned": true}', 422), ("complete", '{"values": []}', 422),
            ("complete", '{"values": [1, 2]}', 422), ("complete", '{"value": 1, "values": [1]}', 422),
            ("complete", '{"value": 1, "loss": 2}', 422), ("complete", '{"value": 1, "seconds": -1}', 422),
            ("complete", '{"value": 1, "constraints": {"a": 1}}', 422),
            ("measure", '{"step": 1}', 422), ("measure", '{"value": 1}', 422), ("measure", '{"step": 0, "value": 1}', 422),
            ("measure", '{"step": -1, "value": 1}', 422), ("measure", '{"step": "1", "value": 1}', 422),
            ("measure", '{"step": 1e999, "value": 1}', 400), ("measure", '{"step": 1e16, "value": 1}', 422),
            ("measure", '{"step": 1, "value": 1e999}', 400), ("measure", '{"step": 1, "value": "NaN"}', 422),
            ("should_stop", '{"step": 1}', 422),
        ]
        for action, body, status in cases:
            with self.subTest(f"{action} {body}"):
                answer = self.api.call("POST", f"{study}/trials/{trial}/{action}", body.encode(),
                                       headers={"Content-Type": "application/json"})
                self.problem(answer, status, "bad_json" if status == 400 else "invalid")
        for body in ({}, {"client_id": ""}, {"client_id": 1}, {"client_id": "x" * 201}, {"client_id": "a", "count": 0},
                     {"client_id": "a", "count": 65}, {"client_id": "a", "count": 1.5}, {"client_id": "a", "n": 1}):
            self.problem(self.api.post(study + "/suggest", body), 422, "invalid")
        self.assertEqual(self.api.get(f"{study}/trials/{trial}").json["state"], "running")
        self.tell(study, trial, {"value": 0.5})

    def test_large_spaces_answer(self):
        spaces = {"500 numbers": {f"x{i}": {"type": "float", "low": 0, "high": 1} for i in range(500)},
                  "1000 choices": {f"c{i}": {"type": "categorical", "choices": [f"{k}" for k in range(1000)]} for i in range(5)}}
        for name, space in spaces.items():
            study = self.study(space)
            slowest = 0.0
            for _ in range(12):
                begun = time.monotonic()
                trial = self.ask(study)[0]
                slowest = max(slowest, time.monotonic() - begun)
                self.assertEqual(set(trial["params"]), set(space))
                self.tell(study, trial["id"], {"value": sum(float(value) for value in trial["params"].values())})
            print(f"{name}: the slowest of 12 suggestions took {slowest:.2f} s")

    def test_limits_of_a_tenant(self):
        made = self.api.post("/api/v1/tenants", {"name": f"studies-{time.time_ns()}", "limits": {"studies": 1, "study_trials": 2}})
        self.assertEqual(made.status, 201, made)
        client = Client(self.api.port, made.json["admin_key"]["key"])
        self.problem(client.post("/api/v1/studies", {"space": X, "max_trials": 3}), 422, "invalid", "/max_trials")
        first = client.post("/api/v1/studies", {"space": X})
        self.assertEqual(first.status, 201, first)
        full = client.post("/api/v1/studies", {"space": X})
        self.problem(full, 429, "quota")
        self.assertEqual((full.json["limit"], full.json["used"], full.json["most"]), ("studies", 1, 1))
        study = "/api/v1/studies/" + first.json["id"]
        trials = client.post(study + "/suggest", {"client_id": "a", "count": 5}).json["trials"]
        self.assertEqual(len(trials), 2)
        none = client.post(study + "/suggest", {"client_id": "b"})
        self.problem(none, 429, "quota")
        self.assertEqual(none.json["limit"], "study_trials")
        self.assertEqual(client.call("DELETE", study).status, 204)
        self.assertEqual(client.post("/api/v1/studies", {"space": X}).status, 201)


if __name__ == "__main__":
    unittest.main()
