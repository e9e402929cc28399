"""Who may do what: every route of the contract, with every kind of key, on one's own and on another tenant's objects.

The routes come from /openapi.json, which the document test holds against the table of routes: a new one is tried
here without anybody's doing, and fails until this file knows how to name its object.
"""

import json
import os
import re
import secrets
import sys
import time
import unittest
from base64 import urlsafe_b64encode
from urllib.parse import urlencode

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
from attune_server import Client  # noqa: E402
from common import ApiTest, iris, other_tenant, sql  # noqa: E402

VERBS = ("get", "post", "put", "patch", "delete")
MISSING = {"dataset": "ds_00000000000000000000", "job": "job_00000000000000000000", "trial": "1",
           "model": "nothing-here", "version": "1", "alias": "best", "key": "key_00000000000000000000",
           "tenant": "ten_00000000000000000000", "webhook": "wh_00000000000000000000", "delivery": "1",
           "study": "st_00000000000000000000", "range_test": "lrt_00000000000000000000",
           "batch": "bat_00000000000000000000",
           "study_trial": "tr_00000000000000000000", "label": "best", "draft": "im_00000000000000000000"}
# Bodies that are right, so that nothing but the object can be at fault.
BODIES = {"correctDataset": {"columns": {"species": "text"}}, "setAlias": {"version": 1},
          "predict": {"rows": [{"petal_width": 1.0}]}, "changeTenant": {"name": "changed"},
          "extendJob": {"trials": 1}, "suggestTrials": {"client_id": "a"}, "measureTrial": {"step": 1, "value": 0.5},
          "completeTrial": {"value": 0.5}, "mlflowInvocations": {"inputs": {"petal_width": [1.0]}},
          **{name: {"inputs": [{"name": "rows", "datatype": "FP32", "shape": [1, 4], "data": [5.1, 3.5, 1.4, 0.2]}]}
             for name in ("inferenceInfer", "inferenceVersionInfer")},
          **{name: {"instances": [{"petal_width": 1.0}]} for name in ("tfPredict", "tfVersionPredict", "tfLabelPredict")}}
# Operations of other tools' protocols that tell about a model, as their clients do before they predict.
CLIENTS_LOOK = ("nanonetsModel",
                "inferenceModel", "inferenceVersionModel", "inferenceReady", "inferenceVersionReady",
                "tfStatus", "tfVersionStatus", "tfLabelStatus")
PREDICTS = ("predict", "mlflowInvocations", "tfPredict", "tfVersionPredict", "tfLabelPredict", "inferenceInfer",
            "inferenceVersionInfer")
# What the engines, the clocks and the log of predictions change, or refusals themselves write.
RESTLESS = ("audit", "usage_day", "session", "idempotency", "setting", "webhook_delivery",
            "prediction", "drift_count", "drift_reference")


class Route:
    """One operation of the contract and the scopes that may use it, decided here and not by the contract."""

    def __init__(self, method, path, operation):
        self.method = method
        self.path = path
        self.name = operation["operationId"]
        self.public = operation.get("security") == []
        self.scopes = self.needed()
        self.query = {one["name"]: one["example"] for one in operation.get("parameters", [])
                      if one.get("in") == "query" and one.get("required") and "example" in one}
        self.root = self.name in ("createTenant", "listTenants", "changeTenant", "deleteTenant")

    def needed(self):
        if self.public:
            return None
        if self.name == "signOut":
            return {"predict", "one-model", "read", "train", "admin"}
        if self.path.startswith(("/api/v1/keys", "/api/v1/tenants", "/api/v1/audit")):
            return {"admin"}
        if self.path.startswith("/api/v1/webhooks"):
            return {"train", "admin"}
        if self.path.startswith("/api/v1/batches") and self.method == "GET":
            return {"predict", "one-model", "read", "train", "admin"}
        if self.name in (*PREDICTS, "nanonetsLabel", "postFeedback") or "/batches" in self.path:
            return {"predict", "one-model", "train", "admin"}
        if self.name == "mlflowDefault":  # the server has none: a key of one model is not of that one
            return {"predict", "train", "admin"}
        if self.name in ("getModelSchema", "getVersionSchema", *CLIENTS_LOOK):
            return {"predict", "one-model", "read", "train", "admin"}
        if self.name in ("listFamilies", "listSearchMethods", "nanonetsGetModel"):
            return {"predict", "read", "train", "admin"}
        return {"read", "train", "admin"} if self.method == "GET" else {"train", "admin"}

    def url(self, values):
        if "/studies/" in self.path:
            values = {**values, "trial": values["study_trial"]}
        url = re.sub(r"{(\w+)}", lambda match: values[match[1]], self.path)
        if self.query:
            query = {**self.query, "modelId": values["model"]} if "modelId" in self.query else self.query
            url += "?" + urlencode(query)
        return f"{url}?job={values['job']}" if self.name == "events" else url

    def placeholders(self):
        return re.findall(r"{(\w+)}", self.path)


class AccessTest(ApiTest):
    """Own objects of every kind, and a key of every kind."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if not hasattr(AccessTest, "own"):
            AccessTest.api = cls.api
            AccessTest.make_all()

    @classmethod
    def make_all(cls):
        answer = cls.api.upload("/api/v1/train?wait=60", [
            ("file", "iris.csv", iris()), ("target", "species"), ("trials", "4"), ("families", "linear"),
            ("name", "access")], timeout=90)
        assert answer.status == 200, answer
        cls.own = {"dataset": answer.json["dataset"]["id"], "job": answer.json["id"], "model": "access", "version": "1",
                   "alias": "best", "label": "best"}
        cls.own["trial"] = cls.api.get(f"/api/v1/jobs/{cls.own['job']}/trials").json["items"][0]["id"]
        made = cls.api.post("/api/v1/lr-range-tests", {"dataset": cls.own["dataset"], "target": "species", "steps": 20})
        assert made.status == 202, made
        cls.own["range_test"] = made.json["id"]
        cls.api.wait_range_test(made.json["id"])
        made = cls.api.upload("/api/v1/models/access/batches", [("file", "iris.csv", iris())])
        assert made.status == 202, made
        cls.own["batch"] = made.json["id"]
        cls.api.wait_batch(made.json["id"])
        made = cls.api.post("/api/v2/ImageCategorization/Model/", {"categories": ["a", "b"]})
        assert made.status == 200, made
        cls.own["draft"] = made.json["model_id"]
        cls.own["key"] = cls.make_key(["read"])[0]
        cls.own["tenant"] = cls.api.get("/api/v1/tenants/self").json["id"]
        contract = cls.api.get("/openapi.json").json
        cls.routes = [Route(verb.upper(), path, item[verb])
                      for path, item in contract["paths"].items() for verb in VERBS if verb in item]
        if "/api/v1/webhooks" in contract["paths"]:
            hook = cls.api.post("/api/v1/webhooks", {"url": "https://example.org/hook", "events": ["job.failed"]})
            assert hook.status == 201, hook
            cls.own["webhook"] = hook.json["id"]
            cls.own["delivery"] = "1"
        number = {"type": "float", "low": 0, "high": 1}
        study = cls.api.post("/api/v1/studies", {"space": {"learning_rate": number, "units": number}})
        assert study.status == 201, study
        cls.own["study"] = study.json["id"]
        path = f"/api/v1/studies/{study.json['id']}"
        trials = cls.api.post(path + "/suggest", {"client_id": "mine", "count": 5}).json["trials"]
        for trial in trials[1:]:
            assert cls.api.post(f"{path}/trials/{trial['id']}/complete", {"value": trial["params"]["units"]}).status == 200
        cls.own["study_trial"] = trials[0]["id"]
        cls.other = other_tenant()
        cls.keys = {
            "predict": cls.make_key(["predict"])[1], "one-model": cls.make_key(["predict"], model="access")[1],
            "read": cls.make_key(["read"])[1], "train": cls.make_key(["train"])[1],
            "admin": cls.make_key(["admin"])[1]}

    @classmethod
    def make_key(cls, scopes, client=None, **more):
        answer = (client or cls.api).post("/api/v1/keys", {"name": "access", "scopes": scopes, **more})
        assert answer.status == 201, answer
        return answer.json["id"], Client(cls.api.port, answer.json["key"])

    @classmethod
    def stray_key(cls):
        """A key that looks right and is none."""
        name = secrets.token_hex(10)
        return Client(cls.api.port, f"atk_{name}_{urlsafe_b64encode(secrets.token_bytes(32)).rstrip(b'=').decode()}")

    @staticmethod
    def fingerprint():
        """A digest of every row of every table that a refused request must not touch."""
        tables = sql("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
                     " ORDER BY 1").split()
        digests = [f"SELECT '{table}', md5(coalesce(string_agg(t::text, chr(10) ORDER BY t::text), '')) FROM \"{table}\" t"
                   for table in tables if table not in RESTLESS]
        return sql(" UNION ALL ".join(digests)).splitlines()

    def ask(self, route, client, url, body=None, headers=None):
        headers = dict(headers or {})
        if body is None:
            body = BODIES.get(route.name, {})
        raw = None
        if route.method in ("POST", "PUT", "PATCH"):
            raw = json.dumps(body).encode()
            headers.setdefault("Content-Type", "application/json")
        return client.call(route.method, url, raw, headers=headers)

    def refused(self, answer, status, *codes):
        self.assertEqual(answer.status, status, answer)
        self.assertIn(answer.json["code"], codes, answer)
        self.assertEqual(answer.headers["content-type"], "application/problem+json")


class Routes(AccessTest):
    def test_all_placeholders_are_known(self):
        self.assertGreater(len(self.routes), 40)
        for route in self.routes:
            for name in route.placeholders():
                self.assertIn(name, self.own, f"{route.name}: say in test_access.py what a {{{name}}} of one's own is")
                self.assertIn(name, MISSING, route.name)

    def test_without_a_valid_key(self):
        """No key, no key at all like one, a made-up, a revoked and an expired one: 401, and nothing changes."""
        revoked_id, revoked = self.make_key(["predict", "read", "train", "admin"])
        self.assertEqual(self.api.call("DELETE", f"/api/v1/keys/{revoked_id}").status, 204)
        expired_id, expired = self.make_key(["predict", "read", "train", "admin"], expires_in_s=3600)
        sql(f"UPDATE api_key SET expires_at = now() - interval '1 minute' WHERE id = '{expired_id}'")
        nobody, garbage = Client(self.api.port, None), Client(self.api.port, "atk_garbage")
        before = self.fingerprint()
        number = 0
        for route in self.routes:
            if route.public:
                continue
            for kind, client in (("none", nobody), ("garbage", garbage), ("made up", self.stray_key()),
                                 ("revoked", revoked), ("expired", expired)):
                with self.subTest(f"{route.name} with {kind}"):
                    # from many addresses and not too fast: guessing is slowed down for each and for all together
                    number += 1
                    time.sleep(0.02)
                    client.source = f"127.0.{2 + number // 200}.{1 + number % 200}"
                    answer = self.ask(route, client, route.url(self.own))
                    self.refused(answer, 401, "unauthenticated")
                    self.assertIn("bearer", answer.headers["www-authenticate"].lower())
        self.assertEqual(self.fingerprint(), before)

    def test_scopes_that_are_not_enough(self):
        before = self.fingerprint()
        count = 0
        for route in self.routes:
            if route.public:
                continue
            for scope, client in self.keys.items():
                if scope in route.scopes:
                    continue
                with self.subTest(f"{route.name} with {scope}"):
                    self.refused(self.ask(route, client, route.url(self.own)), 403, "forbidden")
                    count += 1
        self.assertGreater(count, 80)
        self.assertEqual(self.fingerprint(), before)

    def test_scopes_that_are_enough(self):
        """Looking works; changing is let through to its handler, which then finds no such object or a bad body."""
        for route in self.routes:
            if route.public or route.name == "signOut":
                continue
            look = route.method == "GET" or route.name in PREDICTS
            for scope in sorted(route.scopes):
                with self.subTest(f"{route.name} with {scope}"):
                    body = None if look else {"no_such_member": 1}
                    there = look or (scope == "one-model" and "model" in route.placeholders())
                    answer = self.ask(route, self.keys[scope], route.url(self.own if there else MISSING), body)
                    if look:
                        self.assertIn(answer.status, (200, 204) if "elivery" not in route.name else (200, 404), answer)
                    else:
                        self.assertIn(answer.status, (404, 409, 415, 422), answer)

    def test_public_routes_need_no_key(self):
        nobody = Client(self.api.port, None)
        for route in self.routes:
            if route.public:
                with self.subTest(route.name):
                    answer = self.ask(route, nobody, route.url(self.own), {"key": "wrong"})
                    self.assertEqual(answer.status, 401 if route.name == "signIn" else 200, answer)

    def test_a_cookie_needs_the_token(self):
        """A session may look; to change anything it must send the token that pages of other sites don't know."""
        nobody = Client(self.api.port, None)
        signed_in = nobody.post("/api/v1/session", {"key": self.keys["admin"].key})
        self.assertEqual(signed_in.status, 201, signed_in)
        cookie = signed_in.headers["set-cookie"]
        for word in ("HttpOnly", "SameSite=Strict", "Path=/", "Max-Age="):
            self.assertIn(word, cookie)
        mine = {"Cookie": cookie.split(";")[0]}
        before = self.fingerprint()
        for route in self.routes:
            if route.public:
                continue
            with self.subTest(route.name):
                if route.method == "GET":
                    answer = self.ask(route, nobody, route.url(self.own), headers=mine)
                    self.assertIn(answer.status, (200, 204, 404) if "elivery" in route.name else (200, 204), answer)
                else:
                    for token in ({}, {"X-CSRF-Token": "wrong"}, {"X-CSRF-Token": ""}):
                        answer = self.ask(route, nobody, route.url(self.own), headers={**mine, **token})
                        self.refused(answer, 403, "csrf")
        self.assertEqual(self.fingerprint(), before)
        out = {**mine, "X-CSRF-Token": signed_in.json["csrf"]}
        self.assertEqual(nobody.call("DELETE", "/api/v1/session", headers=out).status, 204)
        self.assertEqual(nobody.get("/api/v1/jobs", headers=mine).status, 401)

    def test_every_key_may_sign_out(self):
        for scope, client in self.keys.items():
            with self.subTest(scope):
                nobody = Client(self.api.port, None)
                answer = nobody.post("/api/v1/session", {"key": client.key})
                self.assertEqual(answer.status, 201, answer)
                headers = {"Cookie": answer.headers["set-cookie"].split(";")[0], "X-CSRF-Token": answer.json["csrf"]}
                self.assertEqual(nobody.call("DELETE", "/api/v1/session", headers=headers).status, 204)


class OtherTenants(AccessTest):
    def test_objects_of_others_are_not_there(self):
        """Another tenant's object is answered exactly as one that never was, and stays as it is."""
        before = self.fingerprint()
        count = 0
        for route in self.routes:
            names = route.placeholders()
            if not names and route.name != "events":
                continue
            with self.subTest(route.name):
                theirs = self.ask(route, self.other, route.url(self.own))
                missing = self.ask(route, self.other, route.url(MISSING))
                self.refused(theirs, *((403, "forbidden") if route.root else (404, theirs.json["code"])))
                self.assertTrue(route.root or theirs.json["code"].endswith("_not_found"), theirs)
                self.assertEqual(theirs.status, missing.status)
                self.assertEqual({**theirs.json, "request_id": ""}, {**missing.json, "request_id": ""})
                count += 1
        self.assertGreater(count, 15)
        self.assertEqual(self.fingerprint(), before)

    def test_ids_in_bodies_and_queries(self):
        before = self.fingerprint()
        requests = [
            ("POST", "/api/v1/jobs", lambda ids: {"dataset": ids["dataset"], "target": "species"}),
            ("POST", "/api/v1/jobs?validate_only=1", lambda ids: {"dataset": ids["dataset"], "target": "species"}),
            ("GET", lambda ids: f"/api/v1/events?job={ids['job']}", None),
            ("GET", lambda ids: f"/api/v1/usage?tenant={ids['tenant']}", None),
            ("GET", lambda ids: f"/api/v1/audit?tenant={ids['tenant']}", None),
            ("POST", "/api/v1/models/mine/predict", lambda ids: {"rows": [{"petal_width": 1}]}),
        ]
        for method, path, body in requests:
            answers = []
            for ids in (self.own, MISSING):
                url = path(ids) if callable(path) else path
                answers.append(self.other.call(method, url, body(ids) if body else None))
            with self.subTest(f"{method} {path}"):
                self.assertEqual(answers[0].status, 404, answers[0])
                self.assertEqual({**answers[0].json, "request_id": ""}, {**answers[1].json, "request_id": ""})
        self.assertEqual(self.fingerprint(), before)

    def test_a_shared_model_id_is_not_shared(self):
        model_id = self.api.get("/api/v1/models/access").json["id"]
        for path in (model_id, "access"):
            answer = self.other.post(f"/api/v1/models/{path}/predict", {"rows": [{"petal_width": 1}]})
            self.problem(answer, 404, "model_not_found")

    def test_lists_hold_the_own_things_only(self):
        for route in self.routes:
            if route.method == "GET" and not route.placeholders() and not route.public and not route.root:
                with self.subTest(route.name):
                    answer = self.ask(route, self.other, route.url(self.own))
                    if answer.status == 200 and isinstance(answer.json, dict):
                        for name in ("dataset", "job", "key", "tenant", "trial", "study", "study_trial",
                                     "range_test", "batch"):
                            self.assertNotIn(self.own[name], answer.raw.decode())


class OneModel(AccessTest):
    def test_reaches_its_model_and_nothing_else(self):
        client = self.keys["one-model"]
        model_id = self.api.get("/api/v1/models/access").json["id"]
        rows = {"rows": [{"petal_width": 1.0}]}
        for name in ("access", "access@best", "access@1", model_id, f"{model_id}@1"):
            self.assertEqual(client.post(f"/api/v1/models/{name}/predict", rows).status, 200, name)
        for name in ("access", model_id):
            self.assertEqual(client.get(f"/api/v1/models/{name}/schema").status, 200, name)
        for name in ("other", "acces", "accessx", "ACCESS", "mdl_00000000000000000000", "@1", "%61ccess2"):
            self.problem(client.post(f"/api/v1/models/{name}/predict", rows), 403, "forbidden")
        self.problem(client.get("/api/v1/models/access"), 403, "forbidden")
        self.problem(client.get("/api/v1/families"), 403, "forbidden")

    def test_no_key_makes_itself_more(self):
        for scope in ("predict", "one-model", "read", "train"):
            self.problem(self.keys[scope].post("/api/v1/keys", {"name": "more", "scopes": ["admin"]}), 403, "forbidden")
        for scopes, model in ((["read"], "access"), (["predict", "train"], "access")):
            self.problem(self.api.post("/api/v1/keys", {"name": "x", "scopes": scopes, "model": model}), 422, "invalid",
                         "/model")
        # the tenant of a key is that of the key that made it, whatever the body says
        answer = self.other.post("/api/v1/keys", {"name": "x", "scopes": ["read"], "tenant": self.own["tenant"]})
        self.problem(answer, 422, "invalid", "/tenant")


class Guessing(AccessTest):
    def test_unknown_keys_are_slowed_down(self):
        good = Client(self.api.port, self.keys["read"].key)
        good.source = "127.0.99.1"
        self.assertEqual(good.get("/api/v1/jobs").status, 200)
        slow = None
        for _ in range(60):
            client = self.stray_key()
            client.source = "127.0.99.1"
            answer = client.get("/api/v1/jobs")
            if answer.status == 429:
                slow = answer
                break
            self.assertEqual(answer.status, 401)
        self.assertIsNotNone(slow, "sixty made-up keys in a row were all looked up")
        self.assertIn("retry-after", slow.headers)
        codes = [slow]
        for _ in range(60):
            client = Client(self.api.port, None)
            client.source = "127.0.99.2"
            codes.append(client.post("/api/v1/session", {"code": secrets.token_urlsafe(32)}))
            if codes[-1].status == 429:
                break
            self.assertEqual(codes[-1].status, 401)
        self.assertEqual(codes[-1].status, 429, "sixty made-up sign-in codes in a row were all looked up")
        # who has a key is not held up by who guesses from the same address
        self.assertEqual(good.get("/api/v1/jobs").status, 200)


if __name__ == "__main__":
    unittest.main()
