"""Idempotency-Key on every route that makes something: found from the table of routes, so that a new route can't be
forgotten."""

import os
import re
import secrets
import threading
import time
import unittest

from common import ApiTest, TOP, iris, png, sql  # first: it finds the harness
from attune_server import AttuneServer

# POST routes that make nothing (or, signing in, something that is not stored as an answer must be: a cookie).
MAKE_NOTHING = {"models.predict", "batches.cancel", "jobs.cancel", "jobs.pause", "jobs.resume", "jobs.extend",
                "models.version_verify", "session.create", "mlflow.invocations", "mlflow.default", "tf.predict",
                "tf.version_predict", "tf.label_predict", "inference.infer", "inference.version_infer", "nanonets.label",
                # repeated safely by themselves: by client_id, by step, by prediction_id, or since they only look
                "feedback", "studies.suggest", "studies.measure", "studies.should_stop"}
# Members that the first answer shows and no later one: path of names.
SECRETS = {"keys.create": ["key"], "webhooks.create": ["secret"], "tenants.create": ["admin_key", "key"]}


def post_routes():
    """(name, path, creates) of every POST in the table of routes."""
    with open(os.path.join(TOP, "server", "http_route.c"), encoding="utf-8") as file:
        table = file.read()
    found = re.findall(r'ROUTE\(POST,\s*"([^"]+)",\s*"([^"]+)",\s*\w+,\s*(.*?)\),\n', table, re.S)
    return [(name, path, "HTTP_CREATES" in flags) for path, name, flags in found]


def without_secret(value, path):
    """A copy of an answer without the member at path, which must be there."""
    copy = dict(value)
    if len(path) == 1:
        del copy[path[0]]
    else:
        copy[path[0]] = without_secret(copy[path[0]], path[1:])
    return copy


class Idempotency(ApiTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        one = cls()
        dataset = one.upload(iris())["id"]
        job = {"dataset": dataset, "target": "species", "families": ["linear"], "budget": {"trials": 1}}
        first = one.run_job(job)["id"]
        hooks = [cls.api.post("/api/v1/webhooks", {"url": f"https://example.org/{i}", "events": ["job.failed"]})
                 .json["id"] for i in range(2)]
        cls.api.upload("/api/v1/train?wait=60", [("file", "iris.csv", iris()), ("target", "species"), ("trials", "1"),
                                                 ("families", "linear"), ("name", "twice")], timeout=90)
        form = [("file", "iris.csv", iris()), ("target", "species"), ("families", "linear")]
        name = secrets.token_hex(4)
        space = {"space": {"x": {"type": "float", "low": 0, "high": 1}}}
        study = cls.api.post("/api/v1/studies", space).json["id"]
        trial = cls.api.post(f"/api/v1/studies/{study}/suggest", {"client_id": "one"}).json["trials"][0]["id"]
        version = cls.api.get("/api/v1/models/twice").json["version"]
        exported = cls.api.get(f"/api/v1/models/twice/versions/{version}/export?format=json").raw
        # per route: how to send the request and another one
        cls.calls = {
            "jobs.create": cls.json("/api/v1/jobs", job, {**job, "budget": {"trials": 2}}),
            "jobs.clone": cls.json(f"/api/v1/jobs/{first}/clone", {}, {"budget": {"trials": 2}}),
            "keys.create": cls.json("/api/v1/keys", {"name": "a", "scopes": ["read"]},
                                    {"name": "b", "scopes": ["read"]}),
            "tenants.create": cls.json("/api/v1/tenants", {"name": f"t-{name}"}, {"name": f"u-{name}"}),
            "webhooks.create": cls.json("/api/v1/webhooks", {"url": "https://example.org/a", "events": ["job.failed"]},
                                        {"url": "https://example.org/b", "events": ["job.failed"]}),
            "webhooks.test": (lambda **more: cls.api.post(f"/api/v1/webhooks/{hooks[0]}/test", **more),
                              lambda **more: cls.api.post(f"/api/v1/webhooks/{hooks[1]}/test", **more)),
            "datasets.create": cls.form("/api/v1/datasets", [("file", "iris.csv", iris())],
                                        [("file", "iris.csv", iris() + b"\n")]),
            "batches.create": cls.form("/api/v1/models/twice/batches", [("file", "iris.csv", iris())],
                                       [("file", "iris.csv", iris() + b"\n")]),
            "models.import": cls.form("/api/v1/models", [("file", "m.json", exported), ("name", "thrice")],
                                      [("file", "m.json", exported), ("name", "four-times")]),
            "studies.create": cls.json("/api/v1/studies", space, {**space, "seed": 5}),
            "studies.complete": cls.json(f"/api/v1/studies/{study}/trials/{trial}/complete", {"value": 1}, {"value": 2}),
            "range_tests.create": cls.json("/api/v1/lr-range-tests", {"dataset": dataset, "target": "species", "steps": 20},
                                           {"dataset": dataset, "target": "species", "steps": 30}),
            **cls.nanonets(),
            "train": cls.form("/api/v1/train", form + [("trials", "1")], form + [("trials", "2")]),
        }

    @classmethod
    def nanonets(cls):
        """A model of pictures in the making; trainings of two, since one is trained once at a time."""
        top = "/api/v2/ImageCategorization/"
        ids = [cls.api.post(top + "Model/", {"categories": ["a", "b"]}).json["model_id"] for _ in range(4)]
        picture = [("file", "a.png", png(bytes(range(64)), 8, 8)), ("category", "a")]
        for one in ids:
            for name in "ab":
                files = [("file", "x.png", png(bytes((ord(name) * 37 + 5 * i + k) % 256 for k in range(64)), 8, 8)) for i in range(10)]
                assert cls.api.upload(top + "UploadFile/", [*files, ("category", name), ("modelId", one)]).status == 200
        return {"nanonets.create": cls.json(top + "Model/", {"categories": ["a", "b"]}, {"categories": ["a", "c"]}),
                "nanonets.upload": cls.form(top + "UploadFile/", [*picture, ("modelId", ids[0])], [*picture, ("modelId", ids[1])]),
                "nanonets.model_upload": cls.form(f"{top}Model/{ids[0]}/UploadFile/", picture, picture * 2),
                "nanonets.train": cls.posts(f"{top}Train/?trials=1&modelId={ids[0]}", f"{top}Train/?trials=1&modelId={ids[1]}"),
                "nanonets.model_train": cls.posts(f"{top}Model/{ids[2]}/Train/?trials=1", f"{top}Model/{ids[3]}/Train/?trials=1")}

    @classmethod
    def posts(cls, one, other):
        return (lambda **more: cls.api.post(one, **more), lambda **more: cls.api.post(other, **more))

    @classmethod
    def json(cls, path, one, other):
        return (lambda **more: cls.api.post(path, one, **more), lambda **more: cls.api.post(path, other, **more))

    @classmethod
    def form(cls, path, one, other):
        """Each call has a boundary of its own."""
        return (lambda query="", **more: cls.api.upload(path + query, one, **more),
                lambda query="", **more: cls.api.upload(path + query, other, **more))

    def test_no_route_is_forgotten(self):
        routes = post_routes()
        self.assertGreater(len(routes), 8)
        creating = {name for name, _, creates in routes if creates}
        for name, path, creates in routes:
            self.assertTrue(creates or name in MAKE_NOTHING,
                            f"POST {path} has no HTTP_CREATES: give it one, or list it in MAKE_NOTHING")
        self.assertEqual(creating, set(self.calls), "every creating route has a call here")

    def test_every_route(self):
        for name, (send, send_other) in self.calls.items():
            with self.subTest(route=name):
                self.check(name, send, send_other)

    def check(self, name, send, send_other):
        key = {"Idempotency-Key": secrets.token_hex(8)}
        first, again = send(headers=key), send(headers=key)
        self.assertLess(first.status, 300, first)
        made = "model_id" if name.startswith("nanonets.") else "id"
        self.assertEqual(first.json[made], again.json[made])
        self.assertNotIn("idempotency-replayed", first.headers)
        self.assertEqual(again.headers["idempotency-replayed"], "true")
        self.assertEqual(again.headers.get("location"), first.headers.get("location"))
        if name in SECRETS:
            self.assertEqual(again.json, without_secret(first.json, SECRETS[name]))
        elif name != "train":  # which tells the present state
            self.assertEqual((again.status, again.json), (first.status, first.json))
        self.problem(send_other(headers=key), 422, "idempotency_mismatch")
        # as if the first were still under way
        sql(f"UPDATE idempotency SET status = NULL, body = NULL WHERE key = '{key['Idempotency-Key']}'")
        busy = send(headers=key)
        self.problem(busy, 409, "idempotency_busy")
        self.assertGreaterEqual(int(busy.headers["retry-after"]), 1)
        for bad in ("a b", "x" * 201, "é"):
            bad = bad.encode("utf-8") if not bad.isascii() else bad
            self.problem(send(headers={"Idempotency-Key": bad}), 400, "bad_request")

    def test_another_wait_is_the_same_request(self):
        key = {"Idempotency-Key": secrets.token_hex(8)}
        send, _ = self.calls["train"]
        first = send(headers=key)
        self.assertEqual(first.status, 202, first)
        again = send("?wait=60", headers=key, timeout=90)
        self.assertEqual((again.status, again.json["id"]), (200, first.json["id"]), again)
        self.assertEqual(again.json["state"], "succeeded")

    def test_looking_uses_up_no_key(self):
        key = {"Idempotency-Key": secrets.token_hex(8)}
        body = {"dataset": "ds_none", "target": "species"}
        self.problem(self.api.post("/api/v1/jobs?validate_only=1", body, headers=key), 404, "dataset_not_found")
        self.assertEqual(self.calls["jobs.create"][0](headers=key).status, 202)

    def test_many_at_once_make_one(self):
        key = {"Idempotency-Key": secrets.token_hex(8)}
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(self.calls["keys.create"][0](headers=key)))
                   for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        self.assertEqual(len(answers), 8)
        self.assertEqual({a.status for a in answers} - {201, 409}, set(), answers)
        self.assertEqual(len({a.json["id"] for a in answers if a.status == 201}), 1)
        self.assertEqual(sum("key" in a.json for a in answers if a.status == 201), 1)


class ServersFault(unittest.TestCase):
    def test_it_is_not_kept(self):
        with AttuneServer(engines=1) as api:
            key = {"Idempotency-Key": secrets.token_hex(8)}
            body = {"url": "https://example.org/a", "events": ["job.failed"]}
            sql("ALTER TABLE webhook RENAME TO webhook_away", api)
            try:
                broken = api.post("/api/v1/webhooks", body, headers=key)
            finally:
                sql("ALTER TABLE webhook_away RENAME TO webhook", api)
            self.assertEqual((broken.status, broken.json["code"]), (500, "internal"), broken)
            mended = api.post("/api/v1/webhooks", body, headers=key)
            self.assertEqual(mended.status, 201, mended)
            self.assertNotIn("idempotency-replayed", mended.headers)


class KilledServer(unittest.TestCase):
    """A server that dies between making a thing and answering: the same request finds what was made, at once."""

    HANG = ("CREATE FUNCTION hang() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(60); RETURN NEW; END"
            " $$; CREATE TRIGGER hang BEFORE UPDATE ON idempotency FOR EACH ROW WHEN (NEW.status IS NOT NULL)"
            " EXECUTE FUNCTION hang()")

    @classmethod
    def setUpClass(cls):
        cls.api = AttuneServer(engines=1)
        cls.addClassCleanup(cls.api.close)
        cls.api.start()
        answer = cls.api.upload("/api/v1/datasets", [("file", "iris.csv", iris())])
        cls.dataset = cls.api.wait_dataset(answer.json["id"])["id"]

    def die(self, send, made):
        """Sends, kills the server once `made` says so but before it can answer, starts it again."""
        sql(self.HANG, self.api)
        thread = threading.Thread(target=self.fails, args=(send,))
        thread.start()
        deadline = time.monotonic() + 30
        while not made():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)
        self.api.process.kill()
        self.api.process.wait()
        thread.join(30)
        self.api.process = None
        self.api.start()
        sql("DROP TRIGGER hang ON idempotency; DROP FUNCTION hang", self.api)

    def fails(self, send):
        try:
            self.assertIsNone(send())
        except OSError:
            pass

    def count(self, table):
        return int(sql(f"SELECT count(*) FROM {table}", self.api))

    def same(self, table, send):
        """The thing made before the kill is the one that is answered for, then and again."""
        before = self.count(table)
        self.die(send, lambda: self.count(table) > before)
        begun = time.monotonic()
        answer = send()
        self.assertLess(answer.status, 300, answer)
        self.assertLess(time.monotonic() - begun, 15)
        self.assertNotIn("idempotency-replayed", answer.headers)
        again = send()
        self.assertEqual((again.status, again.json["id"]), (answer.status, answer.json["id"]), again)
        self.assertEqual(again.headers["idempotency-replayed"], "true")
        self.assertEqual(self.count(table), before + 1)
        self.assertEqual(self.count(f"{table} WHERE id = '{answer.json['id']}'"), 1)
        return answer

    def test_jobs(self):
        body = {"dataset": self.dataset, "target": "species", "families": ["linear"], "budget": {"trials": 1},
                "deploy_as": "killed", "webhook": "https://example.org/end"}
        hooks = self.count("webhook")
        answer = self.same("job", lambda: self.api.post("/api/v1/jobs", body, headers={"Idempotency-Key": "job"}))
        self.assertEqual(self.count("webhook"), hooks + 1)
        hook = answer.json["webhook"]
        self.assertEqual(hook["secret"], sql(f"SELECT secret FROM webhook WHERE id = '{hook['id']}'", self.api).strip())

    def test_keys_and_tenants(self):
        """One is made, and its secret, which nobody saw, is not made up anew."""
        answer = self.same("api_key", lambda: self.api.post("/api/v1/keys", {"name": "k", "scopes": ["read"]},
                                                            headers={"Idempotency-Key": "key"}))
        self.assertNotIn("key", answer.json)
        keys = self.count("api_key")
        answer = self.same("tenant", lambda: self.api.post("/api/v1/tenants", {"name": "crashed"},
                                                           headers={"Idempotency-Key": "tenant"}))
        self.assertNotIn("key", answer.json["admin_key"])
        self.assertEqual(self.count("api_key"), keys + 1)

    def test_webhooks(self):
        """A webhook's secret is stored and shown as it is."""
        answer = self.same("webhook", lambda: self.api.post(
            "/api/v1/webhooks", {"url": "https://example.org/x", "events": ["job.failed"]},
            headers={"Idempotency-Key": "hook"}))
        stored = sql(f"SELECT secret FROM webhook WHERE id = '{answer.json['id']}'", self.api).strip()
        self.assertEqual(answer.json["secret"], stored)
        path = f"/api/v1/webhooks/{answer.json['id']}/test"
        self.same("webhook_delivery", lambda: self.api.post(path, headers={"Idempotency-Key": "ping"}))

    def test_datasets(self):
        content = iris() + iris().partition(b"\n")[2]
        self.same("dataset", lambda: self.api.upload("/api/v1/datasets", [("file", "twice.csv", content)],
                                                     headers={"Idempotency-Key": "dataset"}))

    def test_train(self):
        form = [("file", "iris.csv", iris()), ("target", "species"), ("families", "linear"), ("trials", "1")]
        datasets = self.count("dataset")
        self.same("job", lambda: self.api.upload("/api/v1/train", form, headers={"Idempotency-Key": "train"}))
        self.assertEqual(self.count("dataset"), datasets + 1)

    def test_results_of_trials(self):
        """The result that was stored before the kill is answered as the request's own."""
        study = self.api.post("/api/v1/studies", {"space": {"x": {"type": "float", "low": 0, "high": 1}}}).json["id"]
        trial = self.api.post(f"/api/v1/studies/{study}/suggest", {"client_id": "one"}).json["trials"][0]["id"]
        path, key = f"/api/v1/studies/{study}/trials/{trial}/complete", {"Idempotency-Key": "result"}
        self.die(lambda: self.api.post(path, {"value": 0.25}, headers=key),
                 lambda: self.count("study_trial WHERE state = 'done'") > 0)
        answer = self.api.post(path, {"value": 0.25}, headers=key)
        self.assertEqual((answer.status, answer.json.get("value")), (200, 0.25), answer)
        self.assertEqual(self.api.post(path, {"value": 0.25}).status, 409)

    def test_another_content_is_still_a_mismatch(self):
        body = {"dataset": self.dataset, "target": "species", "families": ["linear"], "budget": {"trials": 1}}
        key = {"Idempotency-Key": "other"}
        before = self.count("job")
        self.die(lambda: self.api.post("/api/v1/jobs", body, headers=key), lambda: self.count("job") > before)
        answer = self.api.post("/api/v1/jobs", {**body, "budget": {"trials": 2}}, headers=key)
        self.assertEqual((answer.status, answer.json["code"]), (422, "idempotency_mismatch"), answer)


if __name__ == "__main__":
    unittest.main()
