"""Uploads of every kind, what is shown of them, corrected types, deletion."""

import json
import os
import socket
import time
import unittest

from common import (ApiTest, cells, gz, idx_images, idx_labels, iris, other_tenant, pictures, prices)


class Datasets(ApiTest):
    def test_csv_as_form_and_raw(self):
        form = self.api.upload_parsed([("file", "flowers/iris.csv", iris())])
        self.assertEqual(form.status, 201, form)
        self.assertEqual(form.json["name"], "iris")
        self.assertEqual((form.json["kind"], form.json["rows"], form.json["version"]), ("table", 150, 1))
        self.assertEqual(form.headers["location"], f"/api/v1/datasets/{form.json['id']}")
        columns = {c["name"]: c for c in form.json["columns"]}
        self.assertEqual(columns["sepal_length"]["type"], "numeric")
        self.assertEqual(columns["species"]["type"], "categorical")
        self.assertEqual(columns["species"]["distinct"], 3)
        self.assertTrue(columns["species"]["examples"])
        raw = self.api.upload_parsed(iris(), "?name=My%20flowers", {"Content-Type": "text/csv; charset=utf-8"})
        self.assertEqual(raw.status, 201, raw)
        self.assertEqual(raw.json["name"], "My flowers")
        self.assertEqual(raw.json["sha256"], form.json["sha256"])
        self.assertNotEqual(raw.json["id"], form.json["id"])

    def test_idx_pair(self):
        images, labels = pictures()
        for name, pack in (("plain", bytes), ("packed", gz)):
            answer = self.api.upload_parsed([
                ("images", f"{name}-images", pack(idx_images(images))),
                ("labels", f"{name}-labels", pack(idx_labels(labels))), ("name", name)])
            self.assertEqual(answer.status, 201, answer)
            view = answer.json
            self.assertEqual((view["kind"], view["rows"], view["height"], view["width"], view["channels"]),
                             ("images", 240, 8, 8, 1))
            self.assertEqual(sum(c["count"] for c in view["classes"]), 240)
        preview = self.api.get(f"/api/v1/datasets/{view['id']}/preview?limit=3").json
        self.assertEqual(len(preview["images"]), 3)
        self.assertIn("png_base64", preview["images"][0])
        profile = self.api.get(f"/api/v1/datasets/{view['id']}/profile")
        self.assertEqual(profile.status, 200, profile)
        answer = self.api.call("PATCH", f"/api/v1/datasets/{view['id']}/schema", {"columns": {"a": "text"}})
        self.problem(answer, 409, "conflict")

    def test_list_pages(self):
        made = [self.upload(b"a,b\n" + b"".join(b"%d,%d\n" % (i, i % 2) for i in range(20 + n)))["id"]
                for n in range(3)]
        seen, cursor = [], ""
        while True:
            page = self.api.get(f"/api/v1/datasets?limit=2{cursor}").json
            self.assertLessEqual(len(page["items"]), 2)
            seen += [item["id"] for item in page["items"]]
            if not page["next_cursor"]:
                break
            cursor = "&cursor=" + page["next_cursor"]
        self.assertEqual(len(seen), len(set(seen)))
        positions = [seen.index(one) for one in made]
        self.assertEqual(positions, sorted(positions, reverse=True), "newest first")
        self.problem(self.api.get("/api/v1/datasets?cursor=nonsense"), 400, "bad_cursor")
        for bad in ("0", "101", "x", "-1", "1e3"):
            self.problem(self.api.get(f"/api/v1/datasets?limit={bad}"), 400, "bad_request")
        self.problem(self.api.get("/api/v1/datasets?limits=3"), 400, "bad_request")

    def test_preview_and_profile(self):
        one = self.upload(prices())["id"]
        page = self.api.get(f"/api/v1/datasets/{one}/preview?offset=198&limit=10").json
        self.assertEqual(len(page["rows"]), 2)
        self.assertEqual(len(page["rows"][0]), 5)
        self.assertEqual(self.api.get(f"/api/v1/datasets/{one}/preview?offset=1000000").json["rows"], [])
        self.problem(self.api.get(f"/api/v1/datasets/{one}/preview?limit=1000"), 400, "bad_request")
        profile = self.api.get(f"/api/v1/datasets/{one}/profile")
        self.assertEqual(profile.status, 200, profile)
        self.assertIn("size", json.dumps(profile.json))
        self.problem(self.api.get("/api/v1/datasets/ds_nothing/preview"), 404, "dataset_not_found")

    def test_corrected_types(self):
        one = self.upload(b"zip,day,y\n" + b"".join(b"%05d,%d,%d\n" % (i * 37 % 99999, i % 7, i % 2)
                                                    for i in range(60)))
        path = f"/api/v1/datasets/{one['id']}/schema"
        answer = self.api.call("PATCH", path, {"columns": {"zip": "identifier", "day": "categorical"},
                                               "version": 1})
        self.assertEqual(answer.status, 201, answer)
        self.assertEqual(answer.json["version"], 2)
        types = {c["name"]: c["type"] for c in answer.json["columns"]}
        self.assertEqual((types["zip"], types["day"]), ("identifier", "categorical"))
        first = self.api.get(f"/api/v1/datasets/{one['id']}?version=1").json
        self.assertEqual(first["sha256"], one["sha256"])
        newest = self.api.get(f"/api/v1/datasets/{one['id']}").json
        self.assertEqual(newest["version"], 2)
        self.problem(self.api.get(f"/api/v1/datasets/{one['id']}?version=3"), 404, "dataset_not_found")
        self.problem(self.api.call("PATCH", path, {"columns": {"zip": "text"}, "version": 1}), 409,
                     "conflict")
        cases = [({"columns": {"zap": "text"}}, "/columns/zap"), ({"columns": {"zip": "number"}}, "/columns/zip"),
                 ({"columns": {}}, "/columns"), ({}, "/columns"), ({"columns": ["zip"]}, "/columns"),
                 ({"columns": {"zip": 3}}, "/columns/zip"), ({"columns": {"zip": "text"}, "x": 1}, "/x"),
                 ([], "")]
        for body, place in cases:
            self.problem(self.api.call("PATCH", path, body), 422, "invalid", place)

    def test_a_type_that_does_not_fit(self):
        one = self.upload(b"word,y\n" + b"".join(b"w%d,%d\n" % (i % 5, i % 2) for i in range(40)))
        answer = self.api.call("PATCH", f"/api/v1/datasets/{one['id']}/schema",
                               {"columns": {"word": "numeric"}})
        if answer.status == 201:  # legal only if nothing is lost silently
            column = [c for c in answer.json["columns"] if c["name"] == "word"][0]
            self.assertTrue(column["missing"] == 40 and (column.get("note") or answer.json["warnings"]))
        else:
            self.problem(answer, 422, "invalid", "/columns/word")

    def test_delete(self):
        one = self.upload(iris())["id"]
        self.assertEqual(self.api.call("DELETE", f"/api/v1/datasets/{one}").status, 204)
        self.problem(self.api.get(f"/api/v1/datasets/{one}"), 404, "dataset_not_found")
        self.problem(self.api.call("DELETE", f"/api/v1/datasets/{one}"), 404, "dataset_not_found")

    def test_delete_is_refused_while_a_job_needs_it(self):
        one = self.upload(cells(2000))["id"]
        job = self.api.post("/api/v1/jobs", {"dataset": one, "target": "diagnosis",
                                             "budget": {"seconds": 60}}).json["id"]
        self.problem(self.api.call("DELETE", f"/api/v1/datasets/{one}"), 409, "dataset_busy")
        self.assertEqual(self.api.post(f"/api/v1/jobs/{job}/cancel").status, 202)
        self.api.wait_job(job, 60)
        self.assertEqual(self.api.call("DELETE", f"/api/v1/datasets/{one}").status, 204)

    def test_same_key_same_dataset(self):
        parts = [("file", "a.csv", iris())]
        headers = {"Idempotency-Key": "upload-once"}
        first = self.api.upload("/api/v1/datasets", parts, headers=headers)
        again = self.api.upload("/api/v1/datasets", parts, headers=headers)
        self.assertIn(first.status, (201, 202), first)
        self.assertEqual((again.status, again.json["id"]), (first.status, first.json["id"]))
        other = self.api.upload("/api/v1/datasets", [("file", "a.csv", cells())], headers=headers)
        self.problem(other, 422, "idempotency_mismatch")


class Spool(ApiTest):
    """Nothing of an upload that ends early, or badly, stays on the disk."""

    def left(self):
        found = []
        for folder in ("spool", "ingest"):
            for base, _, files in os.walk(os.path.join(self.api.data_dir, folder)):
                found += [os.path.join(base, name) for name in files]
        return found

    def assert_clean(self):
        deadline = time.monotonic() + 20
        while self.left() and time.monotonic() < deadline:
            time.sleep(0.1)
        self.assertEqual(self.left(), [])

    def test_broken_off(self):
        before = self.api.get("/api/v1/datasets?limit=100").json["items"]
        for cut in (0, 10, 100000):
            head = (f"POST /api/v1/datasets HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.api.key}\r\n"
                    "Content-Type: text/csv\r\nContent-Length: 1000000\r\n\r\n").encode()
            with socket.create_connection(("127.0.0.1", self.api.port), timeout=20) as one:
                one.sendall(head + b"a,b\n" + b"1,2\n" * (cut // 4))
                time.sleep(0.2)
        self.assert_clean()
        self.assertEqual(self.api.get("/api/v1/datasets?limit=100").json["items"], before)

    def test_after_good_and_bad(self):
        self.upload(iris())
        self.api.upload("/api/v1/datasets", [("file", "x.csv", b"a,b\n1\n2,3,4\n")])
        self.api.upload("/api/v1/datasets", [("file", "x.csv", iris()), ("nonsense", "1")])
        self.assert_clean()

    def test_a_failed_upload_leaves_no_dataset(self):
        stranger = other_tenant()
        answer = stranger.upload_parsed([("file", "x.csv", b"a,b\n1\n2,3,4\n" * 10)])
        self.problem(answer, 422, "dataset_invalid")
        self.assertEqual(stranger.get("/api/v1/datasets").json["items"], [])
        answer = stranger.upload("/api/v1/train", [("file", "iris.csv", iris()), ("target", "nothing")])
        self.problem(answer, 422, "invalid", "/target")
        self.assertEqual(stranger.get("/api/v1/datasets").json["items"], [])


if __name__ == "__main__":
    unittest.main()
