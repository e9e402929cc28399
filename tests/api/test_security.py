"""What api-docs/security.md promises and no other test shows: members, headers, methods, files; and its test names."""

import os
import re
import stat
import unittest

from common import TOP, ApiTest, iris
from attune_server import Client

VERBS = ("get", "post", "put", "patch", "delete")
# What a server knows of its objects and nobody is to be told, or may set.
INNER = ("tenant_id", "hash", "key_hash", "secret_hash", "blob_id", "model_blob", "lease_token", "lease_until", "worker",
         "instance", "event_seq", "search_seq", "conninfo", "password", "csrf", "path")


def members(value):
    """The names of all members of a JSON value, at any depth."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield name
            yield from members(item)
    elif isinstance(value, list):
        for item in value:
            yield from members(item)


class SecurityTest(ApiTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        answer = cls.api.upload("/api/v1/train?wait=60", [
            ("file", "iris.csv", iris()), ("target", "species"), ("trials", "1"), ("families", "linear"),
            ("name", "secure")], timeout=90)
        assert answer.status == 200, answer
        cls.own = {"dataset": answer.json["dataset"]["id"], "job": answer.json["id"], "model": "secure", "version": "1",
                   "alias": "best", "tenant": "self"}
        cls.own["trial"] = cls.api.get(f"/api/v1/jobs/{cls.own['job']}/trials").json["items"][0]["id"]
        cls.own["key"] = cls.api.post("/api/v1/keys", {"name": "secure", "scopes": ["read"]}).json["id"]
        cls.contract = cls.api.get("/openapi.json").json

    def operations(self):
        for path, item in self.contract["paths"].items():
            for verb in VERBS:
                if verb in item and all(name in self.own for name in re.findall(r"\{(\w+)\}", path)):
                    yield verb.upper(), path.format(**self.own), item[verb]


class Members(SecurityTest):
    def test_unknown_members_are_refused_by_name(self):
        """Whatever takes JSON refuses members it does not know, so that none can be set behind its back."""
        seen = []
        for method, path, operation in self.operations():
            # other tools' clients send what they like
            if "application/json" not in operation.get("requestBody", {}).get("content", {}) or "clients" in operation["tags"]:
                continue
            name = operation["operationId"]
            with self.subTest(name):
                right = {"dataset": self.own["dataset"], "target": "species"} if name == "createJob" else {}
                answer = self.api.call(method, path, {**right, "no_such_member": 1, "tenant_id": "ten_x"})
                self.assertEqual((answer.status, answer.json["code"]), (422, "invalid"), answer)
                pointers = {fault.get("pointer") for fault in answer.json["faults"]}
                self.assertLessEqual({"/no_such_member", "/tenant_id"}, pointers, answer)
                seen.append(name)
        for name in ("createJob", "createKey", "createTenant", "changeTenant", "predict", "setAlias", "correctDataset"):
            self.assertIn(name, seen)

    def test_forms_refuse_unknown_parts(self):
        for path in ("/api/v1/datasets", "/api/v1/train"):
            answer = self.api.upload(path, [("file", "i.csv", iris()), ("tenant_id", "ten_x"), ("target", "species")])
            self.assertEqual((answer.status, answer.json["code"]), (422, "invalid"), answer)
            self.assertIn("tenant_id", answer.raw.decode())

    def test_no_inner_members_are_shown(self):
        count = 0
        for method, path, operation in self.operations():
            if method != "GET" or operation["operationId"] in ("openapi", "events", "jobEvents", "getSession"):
                continue
            answer = self.api.get(path)
            if answer.status == 200 and answer.json is not None:
                with self.subTest(path):
                    self.assertEqual([name for name in members(answer.json) if name in INNER], [])
                    count += 1
        self.assertGreater(count, 20)

    def test_secrets_are_shown_once(self):
        made = self.api.post("/api/v1/keys", {"name": "shown once", "scopes": ["read"]}).json
        for path in (f"/api/v1/keys/{made['id']}", "/api/v1/keys?limit=100", "/api/v1/audit"):
            self.assertNotIn(made["key"], self.api.get(path).raw.decode())
        self.assertNotIn(made["key"], self.api.log(10_000_000))


class Configuration(SecurityTest):
    def test_headers(self):
        paths = ["/", "/sign-in", "/docs", "/healthz", "/openapi.json", "/api/v1/jobs", "/api/v1/none", "/api/v1/keys"]
        for path in paths:
            with self.subTest(path):
                answer = self.api.get(path, headers={"Origin": "https://elsewhere.example"})
                self.assertEqual(answer.headers["x-content-type-options"], "nosniff")
                for name in answer.headers:
                    self.assertFalse(name.startswith("access-control-"), answer.headers)
                for name in ("server", "x-powered-by", "via"):
                    self.assertNotIn(name, answer.headers)
                if answer.headers["content-type"].startswith("text/html"):
                    policy = answer.headers["content-security-policy"]
                    for part in ("default-src 'self'", "object-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"):
                        self.assertIn(part, policy)
                    self.assertNotIn("unsafe", policy)
                    self.assertEqual(answer.headers["referrer-policy"], "no-referrer")
                if path.startswith("/api/"):
                    self.assertEqual(answer.headers["cache-control"], "no-store")

    def test_other_sites_get_nothing(self):
        """No preflight is ever granted, and forms, which need none, do not carry JSON."""
        asks = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "authorization"}
        answer = self.api.call("OPTIONS", "/api/v1/jobs", headers=asks)
        self.problem(answer, 405, "method_not_allowed")
        self.assertEqual([name for name in answer.headers if name.startswith("access-control-")], [])

    def test_methods_that_are_not_meant(self):
        for method in ("TRACE", "CONNECT", "PUT", "DELETE", "PROPFIND"):
            answer = self.api.call(method, "/api/v1/jobs")
            self.assertIn(answer.status, (400, 405), (method, answer))
            self.assertNotIn(self.api.key, answer.raw.decode())

    def test_nothing_else_is_served(self):
        """No earlier or later version, no file of the disk, no page for developers only."""
        for path in ("/api/v0/jobs", "/api/v2/jobs", "/api/jobs", "/debug", "/admin", "/server-status", "/.git/config",
                     "/assets/..%2f..%2fetc%2fpasswd", "/assets/none.js", "/etc/passwd", "/actuator", "/swagger.json"):
            with self.subTest(path):
                answer = self.api.get(path)
                self.assertIn(answer.status, (400, 404), answer)
                self.assertNotIn("root:", answer.raw.decode())

    def test_errors_tell_nothing_of_the_inside(self):
        for method, path, body in (("GET", "/api/v1/jobs?cursor=%27%3B--", None), ("POST", "/api/v1/jobs", b"{"),
                                   ("GET", "/api/v1/jobs/%27%20OR%201=1", None),
                                   ("POST", "/api/v1/keys", {"name": "'; DROP TABLE api_key; --", "scopes": ["x"]})):
            headers = {"Content-Type": "application/json"} if isinstance(body, bytes) else None
            answer = self.api.call(method, path, body, headers=headers)
            self.assertIn(answer.status, (400, 404, 422), answer)
            self.problem(answer, answer.status, answer.json["code"])

    def test_files_are_for_their_owner(self):
        folder = self.api.data_dir
        self.assertEqual(stat.S_IMODE(os.stat(os.path.join(folder, "admin.key")).st_mode), 0o600)
        with open(os.path.join(folder, "attuned.log"), encoding="utf-8", errors="replace") as file:
            self.assertNotIn(self.api.key, file.read())

    def test_a_public_route_gives_no_data(self):
        nobody = Client(self.api.port, None)
        for path, item in self.contract["paths"].items():
            if item.get("get", {}).get("security") == []:
                text = nobody.get(path).raw.decode()
                for value in (self.own["dataset"], self.own["job"], self.own["key"], self.api.key):
                    self.assertNotIn(value, text, path)


class Document(unittest.TestCase):
    def test_every_named_test_exists(self):
        with open(os.path.join(TOP, "api-docs", "security.md"), encoding="utf-8") as file:
            text = file.read()
        names = re.findall(r"`(tests/[\w/]+\.(?:py|c|js|mjs))(?:[: ]+([\w.]+))?`", text)
        self.assertGreater(len(names), 30)
        for path, name in names:
            with self.subTest(f"{path} {name}"):
                with open(os.path.join(TOP, path), encoding="utf-8") as file:
                    source = file.read()
                if path.endswith(".py") and name:
                    group, _, test = name.rpartition(".")
                    whole = source.split(f"class {group}(", 1)
                    self.assertEqual(len(whole), 2, f"{path} has no class {group}")
                    body = re.split(r"^class ", whole[1], maxsplit=1, flags=re.M)[0]
                    self.assertIn(f"    def {test}(self", body)
                elif name:
                    self.assertRegex(source, rf"\b{re.escape(name)}\b")
        for risk in range(1, 11):
            self.assertIn(f"| API{risk} ", text)


if __name__ == "__main__":
    unittest.main()
