"""Bad input of every kind: a clear problem with its place, never a 500, never silence."""

import http.client
import json
import unittest

from common import ApiTest, gz, idx_images, idx_labels, iris, pictures


def csv(*lines):
    return ("\n".join(lines) + "\n").encode()


GOOD = [f"{i},{i % 3},{'ab'[i % 2]}" for i in range(40)]

# name, content, places that must be named (row numbers count data rows from 1, or pointers, or columns)
BAD_CSV = [
    ("ragged", csv("a,b,c", *GOOD[:5], "1,2", *GOOD[5:], "1,2,3,4"), (6, 42)),
    ("nul", csv("a,b,c", *GOOD).replace(b"3,0,b", b"3,\0,b"), (4,)),
    ("bad utf-8", csv("a,b,c", *GOOD).replace(b"5,2,b", b"5,2,\xff\xfe"), (6,)),
    ("utf-16", "a,b\n1,2\n3,4\n".encode("utf-16"), ()),
    ("empty", b"", ()),
    ("only blanks", b"\n\n  \n", ()),
    ("only a header", b"a,b,c\n", ()),
    ("open quote", csv("a,b,c", '1,2,"open', *GOOD), ()),
    ("binary", bytes(range(256)) * 50, ()),
    ("zip", b"PK\3\4" + bytes(100), ()),
    ("torn gzip", gz(csv("a,b,c", *GOOD))[:-9], ()),
    ("json", json.dumps({"rows": [{"a": 1}]}).encode(), ()),
    ("html", b"<!doctype html><html><body>404</body></html>", ()),
]


class BadCsv(ApiTest):
    def test_every_kind(self):
        for name, content, places in BAD_CSV:
            with self.subTest(name):
                answer = self.api.upload_parsed([("file", "x.csv", content)])
                self.assertEqual(answer.status, 422, (name, answer))
                if content:
                    self.problem(answer, 422, "dataset_invalid", *places)
                    self.assertTrue(answer.json["faults"], answer)
                else:
                    self.problem(answer, 422, "invalid", "/file")

    def test_no_header_is_noticed(self):
        answer = self.api.upload_parsed([("file", "x.csv", csv(*[f"{i},{i * 2}" for i in range(30)]))])
        if answer.status == 201:
            self.assertTrue(answer.json["warnings"], answer)
        else:
            self.problem(answer, 422, "dataset_invalid")

    def test_a_column_twice_is_renamed_and_told(self):
        answer = self.api.upload_parsed([("file", "x.csv", csv("a,b,a", *GOOD))])
        self.assertEqual(answer.status, 201, answer)
        self.assertEqual(len({c["name"] for c in answer.json["columns"]}), 3)
        self.assertTrue(answer.json["warnings"], answer.json)

    def test_one_column_can_be_no_job(self):
        answer = self.api.upload_parsed([("file", "x.csv", csv("a", *map(str, range(40))))])
        self.assertEqual(answer.status, 201, answer)
        job = self.api.post("/api/v1/jobs", {"dataset": answer.json["id"], "target": "a"})
        self.problem(job, 422, "invalid", "/dataset")


class BadIdx(ApiTest):
    def test_every_kind(self):
        images, labels = pictures(60)
        good_images, good_labels = idx_images(images), idx_labels(labels)
        cases = [
            ("magic of images", idx_images(images, magic=0x804), good_labels),
            ("magic of labels", good_images, idx_labels(labels, magic=0x802)),
            ("swapped", good_labels, good_images),
            ("too short", good_images[:-10], good_labels),
            ("too long", good_images + b"x", good_labels),
            ("labels short", good_images, good_labels[:-1]),
            ("counts differ", good_images, idx_labels(labels[:-3])),
            ("count lies", idx_images(images, count=2 ** 31), good_labels),
            ("no size", idx_images(images, height=0), good_labels),
            ("huge size", idx_images(images, height=2 ** 31, width=2 ** 31), good_labels),
            ("head only", good_images[:7], good_labels),
            ("text", b"hello, world", good_labels),
            ("torn gzip", gz(good_images)[:-30], good_labels),
        ]
        for name, first, second in cases:
            with self.subTest(name):
                answer = self.api.upload_parsed([("images", "i", first), ("labels", "l", second)])
                self.problem(answer, 422, "dataset_invalid")
                self.assertTrue(answer.json["faults"], answer)

    def test_half_a_pair(self):
        images, labels = pictures(30)
        answer = self.api.upload("/api/v1/datasets", [("images", "i", idx_images(images))])
        self.problem(answer, 422, "invalid", "/labels")
        answer = self.api.upload("/api/v1/datasets", [("labels", "l", idx_labels(labels))])
        self.problem(answer, 422, "invalid", "/images")
        answer = self.api.upload_parsed([("file", "i", idx_images(images))])
        self.problem(answer, 422, "dataset_invalid", "/file")


class BadForms(ApiTest):
    def test_parts(self):
        cases = [
            ([("name", "x")], "/file"),
            ([("file", "just text")], "/file"),
            ([("file", "a.csv", iris()), ("nme", "x")], "/nme"),
            ([("file", "a.csv", iris()), ("file", "b.csv", iris())], "/file"),
            ([("file", "a.csv", iris()), ("labels", "b", b"x")], "/file"),
            ([("file", "a.csv", iris()), ("name", "a\nb")], "/name"),
            ([("file", "a.csv", iris()), ("name", "n" * 201)], "/name"),
        ]
        for parts, place in cases:
            with self.subTest(place):
                self.problem(self.api.upload("/api/v1/datasets", parts), 422, "invalid", place)

    def test_types(self):
        for kind in ("application/json", "application/x-www-form-urlencoded", "image/png", ""):
            headers = {"Content-Type": kind} if kind else {}
            answer = self.api.call("POST", "/api/v1/datasets", iris(), headers)
            self.problem(answer, 415, "unsupported_media_type")
        answer = self.api.call("POST", "/api/v1/datasets", b"--x", {"Content-Type": "multipart/form-data"})
        self.assertIn(answer.status, (400, 415), answer)
        answer = self.api.call("POST", "/api/v1/datasets", b"--x\r\nnonsense",
                               {"Content-Type": "multipart/form-data; boundary=x"})
        self.problem(answer, 400, "bad_request")
        self.problem(self.api.call("POST", "/api/v1/train", iris(), {"Content-Type": "text/csv"}), 415,
                     "unsupported_media_type")

    def test_strange_names_are_no_fault_of_ours(self):
        body = (b'--x\r\nContent-Disposition: form-data; name="\xff\xfe"\r\n\r\n1\r\n'
                b'--x\r\nContent-Disposition: form-data; name="file"; filename="\xff.csv"\r\n\r\n'
                + iris() + b"\r\n--x--\r\n")
        answer = self.api.call("POST", "/api/v1/datasets", body,
                               {"Content-Type": "multipart/form-data; boundary=x"})
        self.assertIn(answer.status, (400, 422), answer)
        body = body.replace(b'--x\r\nContent-Disposition: form-data; name="\xff\xfe"\r\n\r\n1\r\n', b"")
        answer = self.api.upload_parsed(body, headers={"Content-Type": "multipart/form-data; boundary=x"})
        self.assertIn(answer.status, (201, 400, 422), answer)

    def test_train_form(self):
        cases = [
            ([("target", "species")], "/file"),
            ([("file", "i.csv", iris())], "/target"),
            ([("file", "i.csv", iris()), ("target", "species"), ("seconds", "soon")], "/seconds"),
            ([("file", "i.csv", iris()), ("target", "species"), ("seconds", "0")], "/seconds"),
            ([("file", "i.csv", iris()), ("target", "species"), ("trials", "-3")], "/trials"),
            ([("file", "i.csv", iris()), ("target", "species"), ("trials", "1.5")], "/budget/trials"),
            ([("file", "i.csv", iris()), ("target", "species"), ("metric", "beauty")], "/metric"),
            ([("file", "i.csv", iris()), ("target", "species"), ("metric", "rmse")], "/metric"),
            ([("file", "i.csv", iris()), ("target", "species"), ("task", "poetry")], "/task"),
            ([("file", "i.csv", iris()), ("target", "species"), ("families", "linear,oak")], "/families/1"),
            ([("file", "i.csv", iris()), ("target", "specie")], "/target"),
            ([("file", "i.csv", iris()), ("target", "species"), ("name", "---")], "/name"),
            ([("file", "i.csv", iris()), ("target", "species"), ("color", "red")], "/color"),
        ]
        for parts, place in cases:
            with self.subTest(place):
                self.problem(self.api.upload("/api/v1/train", parts), 422, "invalid", place)
        parts = [("file", "i.csv", iris()), ("target", "species")]
        for query in ("wait=x", "wait=-1", "wait=601", "wat=3"):
            self.problem(self.api.upload(f"/api/v1/train?{query}", parts), 400, "bad_request")
        answer = self.api.upload("/api/v1/train", [("file", "i.csv", csv("a,b", "1,2", "1")), ("target", "b")])
        self.problem(answer, 422, "dataset_invalid", 2)


class BadJobs(ApiTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        lines = ["x,word,same,id,gone,y,rare"]
        for i in range(60):
            lines.append(f"{i * 7 % 13},{'abc'[i % 3]},1,key-{i:04d},,{i % 2},{'ab'[i == 0]}")
        answer = cls.api.upload_parsed([("file", "t.csv", csv(*lines))])
        assert answer.status == 201, answer
        cls.dataset = answer.json["id"]
        images, labels = pictures(60)
        cls.images = cls.api.upload_parsed([
            ("images", "i", idx_images(images)), ("labels", "l", idx_labels(labels))]).json["id"]

    def test_members(self):
        mlp = {"families": ["mlp"]}
        cases = [
            ({"target": None}, "/target"),
            ({"target": "nowhere"}, "/target"),
            ({"target": "same"}, "/target"),
            ({"target": "id"}, "/target"),
            ({"target": "gone"}, "/target"),
            ({"target": 5}, "/target"),
            ({"target": "x", "metric": "accuracy"}, "/metric"),
            ({"metric": "beauty"}, "/metric"),
            ({"metric": "rmse"}, "/metric"),
            ({"task": "poetry"}, "/task"),
            ({"target": "word", "task": "regression"}, "/target"),
            ({"budget": {"seconds": 0}}, "/budget/seconds"),
            ({"budget": {"trials": 0}}, "/budget/trials"),
            ({"budget": {"seconds": -1, "trials": 1.5}}, "/budget/trials"),
            ({"budget": {"seconds": 1e12}}, "/budget/seconds"),
            ({"budget": {"hours": 1}}, "/budget/hours"),
            ({"budget": 60}, "/budget"),
            ({"search": {"method": "luck"}}, "/search/method"),
            ({"search": {"seed": -1}}, "/search/seed"),
            ({"search": {"space": {"mlp": {"nonsense": 1}}}, **mlp}, "/search/space/mlp/nonsense"),
            ({"search": {"space": {"mlp": {"dropout": {"type": "float", "low": 0.5, "high": 0.1}}}}, **mlp}, None),
            ({"search": {"space": {"mlp": {"dropout": 7}}}, **mlp}, "/search/space/mlp/dropout"),
            ({"search": {"space": {"mlp": {"$relations": ["units < unit"]}}}, **mlp}, "/search/space/mlp/$relations/0"),
            ({"search": {"space": {"mlp": {"$forbidden": [{"embedding": "none of these"}]}}}, **mlp},
             "/search/space/mlp/$forbidden/0/embedding"),
            ({"families": ["oak"]}, "/families/0"),
            ({"families": []}, "/families"),
            ({"families": ["linear", "linear"]}, "/families/1"),
            ({"validation": {"folds": 1}}, "/validation/folds"),
            ({"validation": {"holdout": 0.9}}, "/validation/holdout"),
            ({"class_weight": "heavy"}, "/class_weight"),
            ({"deploy_as": "Bad Name"}, "/deploy_as"),
            ({"deploy_as": "123"}, "/deploy_as"),
            ({"name": ""}, "/name"),
            ({"name": "a\u0007b"}, "/name"),
            ({"colour": "red"}, "/colour"),
        ]
        for change, place in cases:
            body = {"dataset": self.dataset, "target": "y", **change}
            with self.subTest(json.dumps(change)):
                answer = self.api.post("/api/v1/jobs", body)
                self.problem(answer, 422, "invalid", *([place] if place is not None else []))
                self.assertTrue(answer.json["faults"], answer)

    def test_all_faults_at_once(self):
        answer = self.api.post("/api/v1/jobs", {
            "dataset": self.dataset, "target": "nowhere", "metric": "beauty", "colour": 1,
            "budget": {"trials": 0}, "search": {"method": "luck"}})
        self.problem(answer, 422, "invalid", "/target", "/metric", "/colour", "/budget/trials",
                     "/search/method")

    def test_dataset(self):
        self.problem(self.api.post("/api/v1/jobs", {"target": "y"}), 422, "invalid", "/dataset")
        self.problem(self.api.post("/api/v1/jobs", {"dataset": 7, "target": "y"}), 422, "invalid", "/dataset")
        self.problem(self.api.post("/api/v1/jobs", {"dataset": "ds_none", "target": "y"}), 404,
                     "dataset_not_found")
        answer = self.api.post("/api/v1/jobs", {"dataset": self.images, "target": "y"})
        self.problem(answer, 422, "invalid", "/target")

    def test_bodies(self):
        cases = [(b"", 422, "invalid"), (b"[]", 422, "invalid"), (b"7", 422, "invalid"),
                 (b"{", 400, "bad_json"), (b"not json", 400, "bad_json"), (b"{'a':1}", 400, "bad_json"),
                 (b'{"dataset":"x","dataset":"y"}', 400, "bad_json"), (b'{"a":NaN}', 400, "bad_json"),
                 (b'{"a":"\xff"}', 400, "bad_json"), (b'{"a":"\\ud800"}', 400, "bad_json"),
                 (b"[" * 10000 + b"]" * 10000, 400, "bad_json"), (b'{"a":1e999}', 400, "bad_json"),
                 (b'{"a":' * 50 + b"1" + b"}" * 50, 400, "bad_json")]
        for body, status, code in cases:
            with self.subTest(body[:30]):
                answer = self.api.call("POST", "/api/v1/jobs", body, {"Content-Type": "application/json"})
                self.problem(answer, status, code)
        huge = b'{"name":"' + b"x" * (3 << 20) + b'"}'
        try:
            answer = self.api.call("POST", "/api/v1/jobs", huge, {"Content-Type": "application/json"})
        except (BrokenPipeError, ConnectionResetError, http.client.HTTPException):
            self.fail("a body that is too large must be answered")
        self.problem(answer, 413, "too_large")
        answer = self.api.call("POST", "/api/v1/jobs", b"<a/>", {"Content-Type": "text/xml"})
        self.problem(answer, 415, "unsupported_media_type")

    def test_validate_only(self):
        before = len(self.api.get("/api/v1/jobs?limit=100").json["items"])
        body = {"dataset": self.dataset, "target": "y", "budget": {"trials": 3}, "families": ["linear"]}
        answer = self.api.post("/api/v1/jobs?validate_only=1", body)
        self.assertEqual(answer.status, 200, answer)
        plan = answer.json
        self.assertTrue(plan["valid"])
        self.assertEqual([f["name"] for f in plan["families"]], ["linear"])
        self.assertEqual(plan["estimate"]["trials"], 3)
        self.assertIn("seed", plan["job"]["search"])
        self.assertEqual(plan["job"]["metric"], "accuracy")
        self.assertEqual(plan["job"]["task"], "binary")
        self.problem(self.api.post("/api/v1/jobs?validate_only=1", {**body, "target": "same"}), 422,
                     "invalid", "/target")
        self.problem(self.api.post("/api/v1/jobs?validate_only=2", body), 400, "bad_request")
        self.assertEqual(len(self.api.get("/api/v1/jobs?limit=100").json["items"]), before)


class BadKeys(ApiTest):
    def test_missing_and_wrong(self):
        paths = ["/api/v1/jobs", "/api/v1/datasets", "/api/v1/models", "/api/v1/keys", "/api/v1/families"]
        for header in (None, "Bearer", "Bearer x", "Basic dXNlcjpwYXNz", "Bearer atk_" + "0" * 64,
                       "Bearer " + self.api.key[:-1], "Bearer " + self.api.key[:-1] + "!",
                       "bearer" + self.api.key):
            for path in paths[:2 if header else 5]:
                answer = self.api.call("GET", path, headers={"Authorization": header or ""})
                self.problem(answer, 401, "unauthenticated")
                self.assertIn("Bearer", answer.headers["www-authenticate"])

    def test_expired_and_revoked(self):
        short = self.api.post("/api/v1/keys", {"name": "short", "scopes": ["read"], "expires_in_s": 4})
        self.assertEqual(short.status, 201, short)
        bearer = {"Authorization": "Bearer " + short.json["key"]}
        self.assertEqual(self.api.call("GET", "/api/v1/jobs", headers=bearer).status, 200)
        import time
        time.sleep(4.2)
        self.problem(self.api.call("GET", "/api/v1/jobs", headers=bearer), 401, "unauthenticated")
        one = self.api.post("/api/v1/keys", {"name": "one", "scopes": ["read"]}).json
        bearer = {"Authorization": "Bearer " + one["key"]}
        self.assertEqual(self.api.call("GET", "/api/v1/jobs", headers=bearer).status, 200)
        self.assertEqual(self.api.call("DELETE", f"/api/v1/keys/{one['id']}").status, 204)
        time.sleep(1.0)
        self.problem(self.api.call("GET", "/api/v1/jobs", headers=bearer), 401, "unauthenticated")

    def test_scopes(self):
        key = {}
        for scope in ("predict", "read", "train"):
            made = self.api.post("/api/v1/keys", {"name": scope, "scopes": [scope]}).json["key"]
            key[scope] = {"Authorization": "Bearer " + made}
        cases = [("predict", "GET", "/api/v1/jobs"), ("predict", "GET", "/api/v1/datasets"),
                 ("read", "POST", "/api/v1/jobs"), ("read", "POST", "/api/v1/datasets"),
                 ("read", "DELETE", "/api/v1/datasets/ds_x"), ("train", "GET", "/api/v1/keys"),
                 ("read", "POST", "/api/v1/models/none/predict")]
        for scope, method, path in cases:
            with self.subTest((scope, path)):
                answer = self.api.call(method, path, headers=key[scope])
                self.problem(answer, 403, "forbidden")


class BadPaths(ApiTest):
    def test_paths(self):
        for path in ("/api/v1/nothing", "/api/v2/jobs", "/api/v1/jobs/", "/api/v1/jobs//x", "/etc/passwd"):
            self.problem(self.api.get(path), 404, "not_found")
        for path in ("/api/v1/jobs/%00", "/api/v1/jobs/a%2Fb", "/api/v1/jobs/..", "/api/v1/jobs/%ff",
                     "/api/v1/jobs/%zz"):
            self.problem(self.api.get(path), 400, "bad_path")

    def test_methods(self):
        for method, path in (("DELETE", "/api/v1/jobs"), ("PUT", "/api/v1/datasets"),
                             ("PUT", "/api/v1/models"), ("GET", "/api/v1/train"),
                             ("GET", "/api/v1/models/x/predict")):
            answer = self.api.call(method, path)
            self.problem(answer, 405, "method_not_allowed")
            self.assertTrue(answer.headers["allow"])

    def test_bodies_where_none_belongs(self):
        answer = self.api.post("/api/v1/jobs/job_none/cancel", {"why": "because"})
        self.assertIn(answer.status, (404, 422), answer)


if __name__ == "__main__":
    unittest.main()
