"""Batches of predictions: a file in, a file out; faulty rows and files; ends that are asked for; engines that die."""

import csv
import io
import json
import os
import random
import signal
import struct
import time
import unittest
import zipfile

from common import ApiTest, Client, idx_images, idx_labels, iris, other_tenant, pictures, png, prices, server, sql  # noqa: I001 sets the path
from kills import find

PATH = "/api/v1/models/{}/batches"
ENDED = ("succeeded", "failed", "cancelled")


def as_float(text):
    """As the model gave it: a number of 32 bits."""
    return struct.unpack("f", struct.pack("f", float(text)))[0]


class Batches(ApiTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for name, content, target, families in (("batch-flowers", iris(), "species", "linear"),
                                                ("batch-prices", prices(), "rent", "trees")):
            answer = cls.api.upload("/api/v1/train?wait=120", [
                ("file", "t.csv", content), ("target", target), ("trials", "2"), ("name", name),
                ("families", families)], timeout=150)
            assert answer.status == 200 and answer.json["state"] == "succeeded", answer

    def start(self, content, model="batch-flowers", kind="text/csv", **more):
        query = "&".join(f"{name}={value}" for name, value in more.items())
        answer = self.api.call("POST", PATH.format(model) + ("?" + query if query else ""), content,
                               {"Content-Type": kind})
        self.assertEqual(answer.status, 202, answer)
        self.assertEqual(answer.headers["location"], f"/api/v1/batches/{answer.json['id']}")
        return answer.json

    def wait(self, batch):
        return self.api.wait_batch(batch)

    def result(self, batch):
        answer = self.api.get(f"/api/v1/batches/{batch}/result")
        self.assertEqual(answer.status, 200, answer)
        self.assertTrue(answer.headers["content-type"].startswith("text/csv"))
        return list(csv.DictReader(io.StringIO(answer.raw.decode(), newline="")))

    def run_batch(self, content, **more):
        done = self.wait(self.start(content, **more)["id"])
        self.assertEqual((done["state"], done["error"], done["progress"]), ("succeeded", None, 1), done)
        rows = self.result(done["id"])
        self.assertEqual((done["rows"], done["rows_done"]), (len(rows), len(rows)), done)
        return done, rows

    def predictions(self, content, model="batch-flowers", query=""):
        answer = self.api.call("POST", f"/api/v1/models/{model}/predict{query}", content, {"Content-Type": "text/csv"})
        self.assertIn(answer.status, (200, 207), answer)
        return answer.json

    def test_answers_are_those_of_predict(self):
        started = self.start(iris())
        self.assertRegex(started["id"], "^bat_[0-9a-z]{20}$")
        self.assertIn(started["state"], ("queued", "running", "succeeded"))
        done = self.wait(started["id"])
        predicted = self.predictions(iris())
        self.assertEqual((done["model"], done["version"], done["rows"], done["rows_faulty"]),
                         ("batch-flowers", predicted["version"], 150, 0), done)
        rows = self.result(done["id"])
        given = list(csv.DictReader(io.StringIO(iris().decode())))
        self.assertEqual(len(rows), 150)
        for row, before, one in zip(rows, given, predicted["predictions"]):
            self.assertEqual({name: row[name] for name in before}, before)
            self.assertEqual(row["predicted_label"], one["label"])
            self.assertEqual(as_float(row["probability"]), as_float(one["probability"]))
            for name, value in one["probabilities"].items():
                self.assertEqual(as_float(row["probability_" + name]), as_float(value))
            self.assertEqual((row["error"], row["warning"]), ("", ""))
        waited = self.start(iris())["id"]
        answer = self.api.get(f"/api/v1/batches/{waited}/result?wait=60")
        self.assertEqual((answer.status, len(answer.raw.splitlines())), (200, 151), answer)
        self.assertEqual(self.api.get(f"/api/v1/batches/{waited}?wait=60").json["state"], "succeeded")
        self.problem(self.api.get(f"/api/v1/batches/{waited}?wait=-1"), 400, "bad_request")
        self.assertEqual(done["result_bytes"], len(self.api.get(f"/api/v1/batches/{done['id']}/result").raw))

    def test_numbers_with_intervals(self):
        content = prices(60)
        done, rows = self.run_batch(content, model="batch-prices", interval="0.8")
        self.assertEqual(done["options"]["interval"], 0.8)
        for row, one in zip(rows, self.predictions(content, "batch-prices", "?interval=0.8")["predictions"]):
            self.assertEqual([as_float(row[name]) for name in ("predicted_value", "interval_low", "interval_high")],
                             [as_float(value) for value in
                              (one["value"], one["interval"]["low"], one["interval"]["high"])])

    def test_faulty_rows_keep_their_places(self):
        head = b"id,sepal_length,sepal_width,petal_length,petal_width,error\n"
        content = head + (b'"a,1",5.1,3.5,1.4,0.2,mine\nb,wide,3.5,1.4,0.2,\nc,5.1\n'
                          b'd,5.1,3.5,1.4,0.2,\nbad "quote,"5"x,3,1,0,\n"two\nlines",6,3,5,2,"say ""so"""\n')
        done, rows = self.run_batch(content)
        self.assertEqual((done["rows"], done["rows_faulty"]), (6, 3), done)
        self.assertEqual([row["id"] for row in rows], ["a,1", "b", "c", "d", "", "two\nlines"])
        self.assertEqual([row["error"] for row in rows], ["mine", "", "", "", "", 'say "so"'])
        faults = [one.get("error") for one in self.predictions(content)["predictions"]]
        for row, fault in zip(rows, faults):
            self.assertEqual(bool(row["error_"]), fault is not None, row)
            self.assertEqual(row["predicted_label"] == "", fault is not None, row)
            if fault is not None:
                self.assertIn(fault["message"], row["error_"])
        self.assertIn("sepal_length: ", rows[1]["error_"])
        self.assertIn("(wide)", rows[1]["error_"])

    def test_strict_and_missing_columns(self):
        content = b"sepal_length\n5.1\n4.9\n"
        _, rows = self.run_batch(content)
        self.assertTrue(all(row["predicted_label"] for row in rows))
        done, rows = self.run_batch(content, strict="1")
        self.assertEqual(done["rows_faulty"], 2)
        self.assertTrue(all("petal_width" in row["error"] for row in rows))

    def test_other_ways_to_send(self):
        tabs = iris().replace(b",", b"\t")
        _, rows = self.run_batch(tabs, kind="text/tab-separated-values")
        wanted = [one["label"] for one in self.predictions(iris())["predictions"]]
        self.assertEqual([row["predicted_label"] for row in rows], wanted)
        answer = self.api.upload(PATH.format("batch-flowers@best"),
                                 [("file", "new.flowers.csv", b"\xef\xbb\xbf" + iris()), ("strict", "0")])
        self.assertEqual(answer.status, 202, answer)
        done = self.wait(answer.json["id"])
        self.assertEqual((done["state"], done["file"]), ("succeeded", "new.flowers"), done)
        self.assertEqual([row["predicted_label"] for row in self.result(done["id"])], wanted)

    def test_rows_of_a_dataset(self):
        content = ("n;size;floor;district;built\n" + "".join(
            f"{i};{40 + i / 7:.3f};{'' if i % 9 == 4 else i % 5};{('north', 'old town', 'x, y', '')[i % 4]};1990-02-0{1 + i % 9}\n"
            for i in range(40))).replace(".", ",").encode()
        dataset = self.upload(content)
        answer = self.api.post(PATH.format("batch-prices"), {"dataset": dataset["id"], "interval": 0.8})
        self.assertEqual(answer.status, 202, answer)
        self.assertEqual(set(answer.json["options"]), {"strict", "threshold", "interval"})
        done = self.wait(answer.json["id"])
        self.assertEqual((done["state"], done["file"], done["rows"], done["rows_faulty"]),
                         ("succeeded", dataset["name"], 40, 0), done)
        rows = [{name: value for name, value in zip(("size", "floor", "district", "built"), line.split(";")[1:]) if value}
                for line in content.decode().replace(",", ".").replace("x. y", "x, y").split("\n")[1:-1]]
        wanted = self.api.post("/api/v1/models/batch-prices/predict", {"rows": [
            {**row, **{name: float(row[name]) for name in ("size", "floor") if name in row}} for row in rows]})
        for given, one in zip(self.result(done["id"]), wanted.json["predictions"]):
            self.assertEqual(as_float(given["predicted_value"]), as_float(one["value"]), given)
        for body, status, code, place in (({"dataset": "ds_00000000000000000000"}, 404, "dataset_not_found", None),
                                          ({"dataset": 7}, 422, "invalid", "/dataset"), ({}, 422, "invalid", "/dataset"),
                                          ({"dataset": dataset["id"], "rows": 1}, 422, "invalid", "/rows"),
                                          ({"dataset": dataset["id"], "threshold": 0.5}, 422, "invalid", "/threshold")):
            answer = self.api.post(PATH.format("batch-prices"), body)
            self.problem(answer, status, code, *([place] if place else []))
        self.problem(other_tenant().post(PATH.format("batch-prices"), {"dataset": dataset["id"]}), 404, "model_not_found")
        self.problem(self.api.post(PATH.format("batch-flowers"), {"dataset": dataset["id"]}), 422, "invalid", "/file")

    def test_bad_files(self):
        cases = [(b"", "text/csv", 400, "bad_request"),
                 (b"a,b\n1,2\n", "text/csv", 422, "invalid"),
                 (b"sepal_length,sepal_width\n", "text/csv", 422, "invalid"),
                 (b"sepal_length,sepal_length\n1,2\n", "text/csv", 422, "invalid"),
                 (b"PK\3\4" + bytes(60), "application/octet-stream", 422, "invalid"),
                 (b"sepal_length\n" + b"1" * (2 << 20), "text/csv", 422, "invalid"),
                 (b"{", "application/json", 400, "bad_json"),
                 (b"\x89PNG", "image/png", 415, "unsupported_media_type")]
        for content, kind, status, code in cases:
            with self.subTest(content[:30]):
                answer = self.api.call("POST", PATH.format("batch-flowers"), content, {"Content-Type": kind})
                self.problem(answer, status, code, *(["/file"] if status == 422 else []))
        for query, place in (("strict=x", "/strict"), ("threshold=0.5", "/threshold"), ("interval=0.9", "/interval"),
                             ("interval=2", "/interval")):
            answer = self.api.call("POST", PATH.format("batch-flowers") + "?" + query, iris(),
                                   {"Content-Type": "text/csv"})
            self.problem(answer, 422, "invalid", place)
        for parts, place in (([("strict", "1")], "/file"), ([("file", "a.csv", iris()), ("x", "1")], "/x"),
                             ([("file", "a.csv", iris()), ("file", "b.csv", iris())], "/file")):
            self.problem(self.api.upload(PATH.format("batch-flowers"), parts), 422, "invalid", place)
        for model in ("nobody", "batch-flowers@99", "batch-flowers@none", "%20"):
            answer = self.api.call("POST", PATH.format(model), iris(), {"Content-Type": "text/csv"})
            self.problem(answer, 404, "model_not_found")

    def test_a_model_of_images(self):
        images, labels = pictures(60)
        answer = self.api.upload("/api/v1/datasets", [("images", "i.idx", idx_images(images)),
                                                      ("labels", "l.idx", idx_labels(labels))])
        dataset = self.api.wait_dataset(answer.json["id"])["id"]
        job = self.run_job({"dataset": dataset, "budget": {"trials": 1}, "families": ["linear"],
                            "deploy_as": "batch-pictures"})
        self.assertEqual(job["state"], "succeeded", job)
        files = [(f"kind/{i} é.png", png(image, 8, 8)) for i, image in enumerate(images)]
        files[7:7] = [("read me.txt", b"no image"), ("kind/cut, off.png", files[0][1][:60]), ("big.png", png(bytes(24 * 16), 24, 16))]
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.mkdir("kind") if hasattr(archive, "mkdir") else None
            for name, content in files:
                archive.writestr(name, content)
        done, rows = self.run_batch(packed.getvalue(), model="batch-pictures", kind="application/zip")
        self.assertEqual((done["rows"], done["rows_faulty"]), (len(files), 2), done)
        self.assertEqual([row["file"] for row in rows], [name for name, _ in files])
        self.assertEqual([bool(row["error"]) for row in rows], [i in (7, 8) for i in range(len(files))])
        wanted = self.api.upload("/api/v1/models/batch-pictures/predict", [("file", name, content) for name, content in files])
        for row, one in zip(rows, wanted.json["predictions"]):
            self.assertEqual(row["predicted_label"], one.get("label", ""), row)
            for name, value in one.get("probabilities", {}).items():
                self.assertEqual(as_float(row["probability_" + name]), as_float(value))
        damaged = self.wait(self.start(packed.getvalue()[:900], model="batch-pictures", kind="application/zip")["id"])
        self.assertEqual((damaged["state"], damaged["error"]["code"]), ("failed", "batch_failed"), damaged)
        answer = self.api.call("POST", PATH.format("batch-pictures"), iris(), {"Content-Type": "text/csv"})
        self.problem(answer, 422, "invalid", "/file")

    def test_idempotency_key(self):
        key = {"Content-Type": "text/csv", "Idempotency-Key": "batch-" + os.urandom(6).hex()}
        one, again = (self.api.call("POST", PATH.format("batch-flowers"), iris(), key) for _ in range(2))
        self.assertEqual((one.status, again.status), (202, 202), again)
        self.assertEqual(one.json["id"], again.json["id"])
        other = self.api.call("POST", PATH.format("batch-flowers"), iris() + b"5,3,1,0,setosa\n", key)
        self.problem(other, 422, "idempotency_mismatch")

    def test_whose_it_is(self):
        batch = self.start(iris())["id"]
        self.assertIn(batch, [item["id"] for item in self.api.get("/api/v1/batches?limit=100").json["items"]])
        stranger = other_tenant()
        for path in (f"/api/v1/batches/{batch}", f"/api/v1/batches/{batch}/result"):
            self.problem(stranger.get(path), 404, "batch_not_found")
        self.problem(stranger.post(f"/api/v1/batches/{batch}/cancel"), 404, "batch_not_found")
        self.problem(stranger.call("DELETE", f"/api/v1/batches/{batch}"), 404, "batch_not_found")
        self.assertEqual(stranger.get("/api/v1/batches").json["items"], [])
        for model, status in (("batch-flowers", 200), ("batch-prices", 404)):
            answer = self.api.post("/api/v1/keys", {"name": "batches", "scopes": ["predict"], "model": model})
            bound = Client(self.api.port, answer.json["key"])
            self.assertEqual(bound.get(f"/api/v1/batches/{batch}").status, status)
            listed = [item["model"] for item in bound.get("/api/v1/batches?limit=100").json["items"]]
            self.assertEqual(set(listed) - {model}, set())
            answer = bound.call("POST", PATH.format("batch-flowers"), iris(), {"Content-Type": "text/csv"})
            self.assertEqual(answer.status, 202 if status == 200 else 403, answer)

    def long_one(self, rows=120000):
        """One that takes several slices."""
        lines = iris().split()[1:]
        rng = random.Random(4)
        picked = [b"%d," % i + rng.choice(lines) for i in range(rows)]
        head = b"n," + iris().split()[0]
        return picked, self.start(b"\n".join([head, *picked]) + b"\n")["id"]

    def begun(self, batch):
        """Waits until some of its rows are stored."""
        deadline = time.monotonic() + 120
        while not (state := self.api.get(f"/api/v1/batches/{batch}").json)["rows_done"]:
            self.assertLess(time.monotonic(), deadline, state)
        return state

    def test_cancel_and_delete(self):
        _, batch = self.long_one()
        self.problem(self.api.get(f"/api/v1/batches/{batch}/result"), 409, "batch_not_ready")
        answer = self.api.post(f"/api/v1/batches/{batch}/cancel")
        self.assertEqual((answer.status, answer.json["state"]), (200, "cancelled"), answer)
        self.problem(self.api.post(f"/api/v1/batches/{batch}/cancel"), 409, "batch_ended")
        self.problem(self.api.get(f"/api/v1/batches/{batch}/result"), 409, "batch_not_ready")
        left = sql(f"SELECT input_blob IS NULL AND NOT EXISTS (SELECT FROM prediction_batch_part p"
                   f" WHERE p.batch_id = b.id) FROM prediction_batch b WHERE id = '{batch}'")
        self.assertEqual(left.strip(), "t")
        self.assertEqual(self.api.call("DELETE", f"/api/v1/batches/{batch}").status, 204)
        self.problem(self.api.get(f"/api/v1/batches/{batch}"), 404, "batch_not_found")

    def test_engines_that_die(self):
        picked, batch = self.long_one()
        kills = 0
        state = self.begun(batch)
        while state["state"] not in ENDED and kills < 3:
            for pid in find(server(), ("trial", "worker", "engine")[kills]):
                try:
                    os.kill(pid, signal.SIGKILL)
                except OSError:
                    pass
            kills += 1
            done = state["rows_done"]
            deadline = time.monotonic() + 120
            while state["state"] not in ENDED and state["rows_done"] == done:
                self.assertLess(time.monotonic(), deadline, state)
                state = self.api.get(f"/api/v1/batches/{batch}").json
        self.assertGreater(kills, 0, "it had ended before an engine could be killed")
        done = self.wait(batch)
        self.assertEqual((done["state"], done["rows_done"], done["rows_faulty"]), ("succeeded", len(picked), 0), done)
        raw = self.api.get(f"/api/v1/batches/{batch}/result").raw
        lines = raw.split(b"\n")[1:-1]
        self.assertEqual(len(lines), len(picked))
        fields = picked[0].count(b",") + 1
        labels = {}
        for line, given in zip(lines, picked):
            own = line.split(b",")
            self.assertEqual(b",".join(own[:fields]), given)
            labels.setdefault(given.split(b",", 1)[1], set()).add(own[fields])
        self.assertEqual({len(found) for found in labels.values()}, {1})

    def test_beside_a_job(self):
        """Neither waits for the other's end."""
        dataset = self.upload(iris())["id"]
        job = self.api.post("/api/v1/jobs", {"dataset": dataset, "target": "species", "budget": {"seconds": 600}}).json["id"]
        self.run_batch(iris())
        while not (now := self.api.get(f"/api/v1/jobs/{job}").json)["trials"]["done"]:
            self.assertIn(now["state"], ("queued", "running"), now)
            time.sleep(0.1)
        self.run_batch(iris())
        now = self.api.get(f"/api/v1/jobs/{job}").json
        self.assertEqual(now["state"], "running", now)
        self.api.post(f"/api/v1/jobs/{job}/cancel")
        self.api.wait_job(job, 120)

    def test_too_many_at_once(self):
        tenant = sql("SELECT tenant_id FROM prediction_batch LIMIT 1").strip() or sql("SELECT id FROM tenant LIMIT 1").strip()
        sql("INSERT INTO prediction_batch (id, tenant_id, model_id, model_name, model_version, options, file_name,"
            " input_sha256, input_bytes, row_count, keep_days, state, lease_until)"
            f" SELECT 'bat_full' || i, '{tenant}', 'mdl_x', 'x', 1, '{{}}', 'x', decode(repeat('00', 32), 'hex'), 1, 1, 1,"
            " 'running', now() + interval '1 hour' FROM generate_series(1, 20) AS i")
        try:
            answer = self.api.call("POST", PATH.format("batch-flowers"), iris(), {"Content-Type": "text/csv"})
            self.problem(answer, 429, "quota")
            self.assertEqual(answer.json["limit"], "live_batches", answer)
        finally:
            sql("DELETE FROM prediction_batch WHERE id LIKE 'bat_full%'")
        self.run_batch(iris())

    def test_kept_for_a_while(self):
        done, _ = self.run_batch(iris())
        self.assertGreater(done["kept_until"], done["ended_at"])
        self.assertEqual(sql(f"SELECT count(*) FROM blob JOIN prediction_batch ON input_blob = blob.id"
                             f" WHERE prediction_batch.id = '{done['id']}'").strip(), "0")

    def test_a_version_that_is_gone(self):
        """Nobody removes versions by the API yet; a batch of one that is not there says so."""
        batch = self.start(iris())["id"]
        sql(f"UPDATE prediction_batch SET model_version = 99, state = 'queued', ended_at = NULL, lease_until = NULL,"
            f" lease_token = lease_token + 1, attempts = 0 WHERE id = '{batch}'")
        done = self.wait(batch)
        self.assertEqual(done["state"], "failed", done)
        self.assertEqual(done["error"]["code"], "batch_failed")
        self.assertIn("version of the model", json.dumps(done["error"]))
        self.problem(self.api.get(f"/api/v1/batches/{batch}/result"), 409, "batch_not_ready")


if __name__ == "__main__":
    unittest.main()
