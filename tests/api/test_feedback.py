"""Truth told of predictions, and what is asked compared with what was trained on."""

import contextlib
import os
import random
import signal
import threading
import time
import unittest

import common  # noqa: F401  (finds the harness)
from attune_server import AttuneServer, Client
from common import ApiTest, idx_images, idx_labels, iris, other_tenant, pictures, png, prices, sql
from kills import find

FEEDBACK = "/api/v1/feedback"


def trained(api, name, content, target, *more):
    answer = api.upload("/api/v1/train?wait=90", [
        ("file", name + ".csv", content), ("target", target), ("trials", "1"), ("name", name),
        ("families", "linear"), *more], timeout=150)
    assert answer.status in (200, 202), answer
    job = api.wait_job(answer.json["id"], 120) if answer.status == 202 else answer.json
    assert job["state"] == "succeeded", job
    return name


def table(count, seed, shift=0.0, colours=("red", "green", "blue")):
    """Rows of two numbers, a colour and a class; `shift` moves the first number."""
    draw = random.Random(seed)
    rows = []
    for _ in range(count):
        size = draw.gauss(10 + shift, 2)
        rows.append({"size": round(size, 3), "weight": round(draw.uniform(0, 1), 4),
                     "colour": draw.choice(colours), "kind": "big" if size > 10 else "small"})
    return rows


def csv(rows):
    names = list(rows[0])
    return ("\n".join([",".join(names)] + [",".join(str(row[n]) for n in names) for row in rows]) + "\n").encode()


def inputs(rows):
    return [{name: row[name] for name in ("size", "weight", "colour")} for row in rows]


def metric(api, name):
    for line in api.get("/metrics").raw.decode().splitlines():
        if line.startswith(name + " "):
            return float(line.split()[1])
    raise AssertionError(name + " is not told")


class Feedback(ApiTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        trained(cls.api, "fb-iris", iris(), "species")
        trained(cls.api, "fb-rent", prices(), "rent")

    def ask(self, model, *rows):
        answer = self.api.post(f"/api/v1/models/{model}/predict", {"rows": list(rows)})
        self.assertEqual(answer.status, 200, answer)
        return answer.json

    def flower(self):
        return self.ask("fb-iris", {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2})

    def tell(self, body, status=202, api=None):
        answer = (api or self.api).post(FEEDBACK, body)
        self.assertEqual(answer.status, status, answer)
        return answer.json

    def score(self, model):
        answer = self.api.get(f"/api/v1/models/{model}/drift")
        self.assertEqual(answer.status, 200, answer)
        return answer.json["feedback"]

    def test_truth_at_once(self):
        said = self.flower()
        before = self.score("fb-iris")
        body = {"prediction_id": said["prediction_id"], "truth": "setosa"}
        told = self.tell(body)
        self.assertEqual(told, {"accepted": 1, "refused": 0, "items": [
            {"prediction_id": said["prediction_id"], "row": 1, "state": "stored", "model": "fb-iris",
             "version": said["version"]}]})
        self.assertEqual(self.tell(body)["items"][0]["state"], "unchanged")
        after = self.score("fb-iris")
        self.assertEqual(after["truths"], before["truths"] + 1)
        self.assertEqual(self.tell({**body, "truth": "virginica"})["items"][0]["state"], "replaced")
        replaced = self.score("fb-iris")
        self.assertEqual(replaced["truths"], after["truths"])
        right = [part["accuracy"] * part["truths"] for part in (after, replaced)]
        self.assertAlmostEqual(right[0] - right[1], 1)  # it was predicted as it is known: setosa
        self.assertEqual(sum(part["truths"] for part in replaced["parts"]), replaced["truths"])
        self.assertEqual(replaced["parts"][-1]["truths"], replaced["truths"])

    def test_numbers(self):
        row = {"size": 50, "floor": 2, "district": "north", "built": "1990-01-11"}
        said = self.ask("fb-rent", row, row)
        values = [item["value"] for item in said["predictions"]]
        self.tell([{"prediction_id": said["prediction_id"], "row": i + 1, "truth": value + 3 + i}
                   for i, value in enumerate(values)])
        score = self.score("fb-rent")
        self.assertEqual(score["truths"], 2)
        self.assertAlmostEqual(score["mae"], 3.5, places=2)
        self.assertAlmostEqual(score["rmse"], (12.5) ** 0.5, places=2)
        body = {"prediction_id": said["prediction_id"], "truth": 5}
        self.problem(self.api.post(FEEDBACK, body), 422, "invalid", "/row")  # there were two rows
        self.problem(self.api.post(FEEDBACK, {**body, "row": 1, "truth": "cheap"}), 422, "invalid", "/truth")
        self.problem(self.api.post(FEEDBACK, {**body, "row": 3}), 404, "prediction_not_found", "/prediction_id")

    def test_a_list_with_faults(self):
        ids = [self.flower()["prediction_id"] for _ in range(3)]
        told = self.tell([{"prediction_id": ids[0], "truth": "setosa"}, {"prediction_id": ids[1], "truth": "rose"},
                          {"prediction_id": "prd_0123456789abcdefghjk", "truth": "setosa"},
                          {"prediction_id": ids[2], "row": 1, "truth": "versicolor"}])
        self.assertEqual([item["state"] for item in told["items"]], ["stored", "refused", "refused", "stored"])
        self.assertEqual((told["accepted"], told["refused"]), (2, 2))
        self.assertIn("setosa, versicolor, virginica", told["items"][1]["problem"])
        self.assertIn("log", told["items"][2]["problem"])
        self.assertIsNone(told["items"][2]["model"])

    def test_bad_input(self):
        good = {"prediction_id": self.flower()["prediction_id"], "truth": "setosa"}
        cases = [
            ([], ""), ([1], "/0"), ({"truth": "x"}, "/prediction_id"),
            ({"prediction_id": good["prediction_id"]}, "/truth"), ({**good, "prediction_id": "prd_'; --"}, "/prediction_id"),
            ({**good, "prediction_id": 7}, "/prediction_id"), ({**good, "prediction_id": "prd_" + "a" * 100}, "/prediction_id"),
            ({**good, "truth": None}, "/truth"), ({**good, "truth": ["setosa"]}, "/truth"), ({**good, "truth": {}}, "/truth"),
            ({**good, "truth": "x" * 2000}, "/truth"), ({**good, "truth": "Setosa"}, "/truth"), ({**good, "truth": 3}, "/truth"),
            ({**good, "truth": True}, "/truth"), ({**good, "row": 0}, "/row"), ({**good, "row": "1"}, "/row"),
            ({**good, "row": 1.5}, "/row"), ({**good, "more": 1}, "/more"), ([good, good], "/1"),
        ]
        for body, place in cases:
            with self.subTest(body=str(body)[:80]):
                self.problem(self.api.post(FEEDBACK, body), 422, "invalid", place)
        self.problem(self.api.call("POST", FEEDBACK, b"{", {"Content-Type": "application/json"}), 400, "bad_json")
        self.problem(self.api.call("POST", FEEDBACK, b"a,b", {"Content-Type": "text/csv"}), 415, "unsupported_media_type")
        many = [{"prediction_id": good["prediction_id"], "row": i + 1, "truth": "setosa"} for i in range(1001)]
        self.problem(self.api.post(FEEDBACK, many), 413, "too_large")
        for query in ("?window=1", "?window=x", "?version=0", "?version=x", "?days=3"):
            self.problem(self.api.get("/api/v1/models/fb-iris/drift" + query), 400, "bad_request")
        self.problem(self.api.get("/api/v1/models/fb-iris/drift?version=99"), 404, "model_not_found")
        self.problem(self.api.get("/api/v1/models/none/drift"), 404, "model_not_found")

    def test_who_may(self):
        said = self.flower()
        body = {"prediction_id": said["prediction_id"], "truth": "setosa"}
        keys = {}
        for name, more in (("own", {"model": "fb-iris"}), ("other", {"model": "fb-rent"}), ("any", {})):
            answer = self.api.post("/api/v1/keys", {"name": name, "scopes": ["predict"], **more})
            self.assertEqual(answer.status, 201, answer)
            keys[name] = Client(self.api.port, answer.json["key"])
        reading = self.api.post("/api/v1/keys", {"name": "reader", "scopes": ["read"]}).json["key"]
        reader = Client(self.api.port, reading)
        stranger = other_tenant()
        self.problem(stranger.post(FEEDBACK, body), 404, "prediction_not_found", "/prediction_id")
        self.problem(stranger.get("/api/v1/models/fb-iris/drift"), 404, "model_not_found")
        self.problem(keys["other"].post(FEEDBACK, body), 403, "forbidden")
        self.problem(reader.post(FEEDBACK, body), 403, "forbidden")
        self.problem(keys["own"].get("/api/v1/models/fb-iris/drift"), 403, "forbidden")
        self.assertEqual(reader.get("/api/v1/models/fb-iris/drift").status, 200)
        self.assertEqual(keys["own"].post(FEEDBACK, body).json["items"][0]["state"], "stored")
        self.assertEqual(keys["any"].post(FEEDBACK, body).json["items"][0]["state"], "unchanged")

    def test_other_protocols_are_logged(self):
        answer = self.api.post("/v2/models/fb-iris/infer", {"inputs": [
            {"name": name, "shape": [1], "datatype": "FP64", "data": [value]} for name, value in
            (("sepal_length", 5.1), ("sepal_width", 3.5), ("petal_length", 1.4), ("petal_width", 0.2))]})
        self.assertEqual(answer.status, 200, answer)
        before = self.api.get("/api/v1/models/fb-iris/drift").json
        self.assertEqual(self.api.post("/v1/models/fb-iris:predict", {"instances": [{"petal_width": 0.2}]}).status, 200)
        after = self.api.get("/api/v1/models/fb-iris/drift").json
        self.assertEqual(after["answers"]["rows"], before["answers"]["rows"] + 1)
        self.assertEqual(after["sampled"], before["sampled"] + 1)

    def test_truth_before_the_row_is_written(self):
        """Another attuned has the row in its rings: its truth is kept, and joined when the row comes."""
        said, made = self.flower(), "prd_00000000000000000042"
        self.assertGreater(self.score("fb-iris")["rows"], 0)

        def stay():
            with contextlib.suppress(AssertionError):  # it is ended from outside
                sql("SET application_name = 'attuned listen'; SELECT pg_sleep(60)")

        peer = threading.Thread(target=stay, daemon=True)
        peer.start()
        self.addCleanup(peer.join)
        self.addCleanup(sql, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                             " WHERE application_name = 'attuned listen' AND query LIKE '%pg_sleep%'")
        deadline = time.monotonic() + 30
        while sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'attuned listen'").strip() != "2":
            self.assertLess(time.monotonic(), deadline)
        told = self.tell([{"prediction_id": made, "truth": "setosa"},
                          {"prediction_id": made, "row": 2, "truth": "rose"}])
        self.assertEqual([item["state"] for item in told["items"]], ["waiting", "waiting"])
        before = self.score("fb-iris")
        sql("INSERT INTO prediction (id, row, rows, model_id, version, class, value, at)"
            f" SELECT '{made}', r, 2, model_id, version, class, value, at FROM prediction, generate_series(1, 2) r"
            f" WHERE id = '{said['prediction_id']}'")
        after = self.score("fb-iris")
        self.assertEqual(after["truths"], before["truths"] + 1)  # of the second row it is no class
        self.assertEqual(sql(f"SELECT count(*) FROM prediction_truth WHERE id = '{made}'").strip(), "0")

    def test_goes_with_its_model(self):
        name = trained(self.api, "fb-short", iris(), "species")
        self.api.post(f"/api/v1/models/{name}/predict", {"rows": [{"petal_width": 0.2}] * 3})
        drift = self.api.get(f"/api/v1/models/{name}/drift").json
        self.assertEqual(drift["answers"]["rows"], 3)
        model = self.api.get(f"/api/v1/models/{name}").json["id"]
        counts = ("SELECT (SELECT count(*) FROM prediction WHERE model_id = '{0}'),"
                  " (SELECT count(*) FROM drift_count WHERE model_id = '{0}'),"
                  " (SELECT count(*) FROM drift_reference WHERE model_id = '{0}')").format(model)
        self.assertEqual(sql(counts).strip(), "3|1|1")
        self.assertEqual(self.api.call("DELETE", f"/api/v1/models/{name}").status, 204)
        self.assertEqual(sql(counts).strip(), "0|0|0")


class Drift(ApiTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.training = table(1000, 1)
        for name in ("dr-same", "dr-moved"):
            trained(cls.api, name, csv(cls.training), "kind")

    def stream(self, model, rows):
        """In pieces: of each half second only so many rows of a model are looked at."""
        asked = inputs(rows)
        before = self.api.get(f"/api/v1/models/{model}/drift").json
        for start in range(0, len(asked), 50):
            answer = self.api.post(f"/api/v1/models/{model}/predict", {"rows": asked[start:start + 50]})
            self.assertEqual(answer.status, 200, answer)
            drift = self.api.get(f"/api/v1/models/{model}/drift").json
        self.assertEqual(drift["answers"]["rows"], before["answers"]["rows"] + len(rows))
        self.assertGreater(drift["sampled"], before["sampled"] + len(rows) / 2)
        return drift

    def test_the_same_is_stable(self):
        drift = self.stream("dr-same", table(400, 2))
        columns = {column["name"]: column for column in drift["columns"]}
        self.assertEqual(list(columns), ["size", "weight", "colour"])
        for column in columns.values():
            self.assertEqual(column["drift"], "stable", column)
            self.assertAlmostEqual(sum(bin["trained"] for bin in column["bins"]) + column["missing"]["trained"], 1)
            self.assertAlmostEqual(
                sum(bin["asked"] for bin in column["bins"]) + column["missing"]["asked"] + column["unknown"], 1)
        self.assertEqual([bin["value"] for bin in drift["answers"]["bins"]], ["big", "small"])
        self.assertEqual(drift["answers"]["drift"], "stable")
        self.assertEqual(drift["reference"], {"rows": 1000, "problem": None})
        self.assertIn("like the training data", drift["summary"])
        share = sum(row["kind"] == "big" for row in self.training) / 1000
        self.assertAlmostEqual(drift["answers"]["bins"][0]["trained"], share)

    def test_what_has_moved_is_found(self):
        rows = table(400, 3, shift=2.5, colours=("red", "green", "blue", "violet"))
        for row in rows[::4]:
            row["weight"] = None
        drift = self.stream("dr-moved", rows)
        columns = {column["name"]: column for column in drift["columns"]}
        self.assertEqual(columns["size"]["drift"], "strong")
        self.assertEqual(columns["weight"]["drift"], "strong")
        self.assertAlmostEqual(columns["weight"]["missing"]["asked"], 0.25, delta=0.1)
        self.assertEqual(columns["weight"]["missing"]["trained"], 0)
        self.assertAlmostEqual(columns["colour"]["unknown"], 0.25, delta=0.1)
        self.assertNotEqual(columns["colour"]["drift"], "stable")
        self.assertEqual(drift["answers"]["drift"], "strong")
        self.assertGreater(drift["answers"]["bins"][0]["asked"], 0.8)
        self.assertIn("size", drift["summary"])
        hour = self.api.get("/api/v1/models/dr-moved/drift?window=3600").json
        self.assertEqual(hour["window"], 3600)
        of = " WHERE model_id = (SELECT id FROM model WHERE name = 'dr-moved')"
        sql("UPDATE drift_count SET hour = hour - interval '3 days'" + of + ";"
            " UPDATE prediction SET at = at - interval '3 days'" + of)
        self.assertEqual(self.api.get("/api/v1/models/dr-moved/drift?window=3600").json["answers"]["rows"], 0)
        week = self.api.get("/api/v1/models/dr-moved/drift").json
        self.assertGreaterEqual(week["answers"]["rows"], 400)
        self.assertEqual(week["columns"][0]["drift"], "strong")

    def test_few_rows_tell_nothing(self):
        name = trained(self.api, "dr-few", csv(self.training), "kind")
        self.api.post(f"/api/v1/models/{name}/predict", {"rows": inputs(table(3, 5, shift=9))})
        drift = self.api.get(f"/api/v1/models/{name}/drift").json
        self.assertEqual({column["drift"] for column in drift["columns"]}, {"too_few"})
        self.assertIn("too few", drift["summary"])

    def test_a_model_without_its_data(self):
        """Imported, it has no training data here: the answers are counted, and it says what is missing."""
        file = self.api.get("/api/v1/models/dr-same/versions/1/export?format=json")
        self.assertEqual(file.status, 200)
        answer = self.api.upload("/api/v1/models", [("file", "model.json", file.raw), ("name", "dr-import")])
        self.assertEqual(answer.status, 201, answer)
        self.api.post("/api/v1/models/dr-import/predict", {"rows": inputs(table(5, 6))})
        drift = self.api.get("/api/v1/models/dr-import/drift").json
        self.assertEqual(drift["columns"], [])
        self.assertEqual(drift["reference"]["rows"], 0)
        self.assertIn("imported", drift["reference"]["problem"])
        self.assertEqual(drift["answers"]["rows"], 5)
        self.assertIsNone(drift["answers"]["bins"][0]["trained"])

    def test_numbers_words_and_dates(self):
        name = trained(self.api, "dr-rent", prices(), "rent")
        lines = [line.split(",") for line in prices(seed=9).decode().splitlines()]
        rows = [dict(zip(lines[0][:4], line)) for line in lines[1:]]
        for row in rows:
            row["size"], row["floor"] = float(row["size"]), int(row["floor"])
        for start in range(0, 200, 50):
            self.assertEqual(self.api.post(f"/api/v1/models/{name}/predict", {"rows": rows[start:start + 50]}).status, 200)
            drift = self.api.get(f"/api/v1/models/{name}/drift").json
        self.assertTrue(drift["columns"])
        for column in drift["columns"]:
            self.assertIn(column["drift"], ("stable", "too_few"), column)
        self.assertEqual(len(drift["answers"]["bins"]), 10)
        self.assertAlmostEqual(sum(bin["trained"] for bin in drift["answers"]["bins"]), 1)

    def test_images(self):
        images, labels = pictures()
        answer = self.api.upload("/api/v1/train?wait=90", [
            ("images", "i.idx", idx_images(images)), ("labels", "l.idx", idx_labels(labels)), ("trials", "1"),
            ("name", "dr-pictures"), ("families", "linear")], timeout=150)
        if answer.status == 202:
            self.api.wait_job(answer.json["id"], 120)
        said = self.api.call("POST", "/api/v1/models/dr-pictures/predict", png(images[0], 8, 8), {"Content-Type": "image/png"})
        self.assertEqual(said.status, 200, said)
        told = self.api.post(FEEDBACK, {"prediction_id": said.json["prediction_id"], "truth": 0})
        self.assertEqual(told.status, 202, told)
        drift = self.api.get("/api/v1/models/dr-pictures/drift").json
        self.assertEqual((drift["columns"], drift["answers"]["rows"], drift["feedback"]["truths"]), ([], 1, 1))
        self.assertEqual([round(bin["trained"], 3) for bin in drift["answers"]["bins"]], [0.333] * 3)


class Hardships(unittest.TestCase):
    """A server of its own, to be stopped, and its database to be frozen."""

    @classmethod
    def setUpClass(cls):
        cls.api = AttuneServer(["--db-seconds", "2", "--max-logged", "30", "--max-logged-rate", "20000"], engines=1)
        cls.addClassCleanup(cls.api.close)
        cls.api.start()
        trained(cls.api, "flowers", iris(), "species")

    def ask(self, count=1):
        answer = self.api.post("/api/v1/models/flowers/predict", {"rows": [{"petal_width": 0.2}] * count})
        self.assertEqual(answer.status, 200, answer)
        return answer.json["prediction_id"]

    def test_restart(self):
        said = self.ask()
        self.api.stop()
        self.api.start()
        told = self.api.post(FEEDBACK, {"prediction_id": said, "truth": "setosa"})
        self.assertEqual((told.status, told.json["items"][0]["state"]), (202, "stored"), told)
        self.assertEqual(self.api.get("/api/v1/models/flowers/drift").json["feedback"]["truths"], 1)

    def test_trimmed(self):
        for _ in range(3):
            last = self.ask(20)
        self.assertEqual(self.api.get("/api/v1/models/flowers/drift").status, 200)
        self.assertLessEqual(int(sql("SELECT count(*) FROM prediction", self.api)), 30)
        told = self.api.post(FEEDBACK, {"prediction_id": last, "row": 20, "truth": "setosa"})
        self.assertEqual(told.status, 202, told)

    def test_without_the_database(self):
        """Predictions go on; what the rings can't hold is counted; what they hold is written afterwards."""
        self.ask()
        self.assertEqual(self.api.get("/api/v1/models/flowers/drift").status, 200)
        frozen = [pid for pid, command in self.api.processes() if "postgres" in command.split(" ")[0]]
        self.assertTrue(find(self.api, "postmaster"))
        for pid in frozen:
            os.kill(pid, signal.SIGSTOP)
        try:
            dropped = metric(self.api, "attune_predictions_dropped_total")
            for _ in range(130):
                last = self.ask(100)
            self.assertGreater(metric(self.api, "attune_predictions_dropped_total"), dropped)
            told = self.api.post(FEEDBACK, {"prediction_id": last, "truth": "setosa"}, timeout=60)
            self.assertEqual(told.status, 503, told)
            logged = metric(self.api, "attune_predictions_logged_total")
        finally:
            for pid in frozen:
                try:
                    os.kill(pid, signal.SIGCONT)
                except ProcessLookupError:
                    pass
        deadline = time.monotonic() + 60
        while metric(self.api, "attune_predictions_logged_total") <= logged:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.1)
        answer = self.api.get("/api/v1/models/flowers/drift")
        while answer.status == 503 and time.monotonic() < deadline:  # an attempt to connect may just have failed
            time.sleep(int(answer.headers["retry-after"]))
            answer = self.api.get("/api/v1/models/flowers/drift")
        self.assertEqual(answer.status, 200, answer)
        self.assertGreater(answer.json["log"]["dropped_of_all"], 0)


if __name__ == "__main__":
    unittest.main()
