"""Several tenants on one installation: made, limited, disabled, removed; what they did and what they used."""

import datetime
import json
import os
import secrets
import signal
import socket
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
from attune_server import AttuneServer, Client, multipart  # noqa: E402
from common import ApiTest, iris, sql  # noqa: E402


class TenantTest(ApiTest):
    def make(self, **request):
        """A tenant with a client of its admin key."""
        name = request.pop("name", f"team {secrets.token_hex(4)}")
        answer = self.api.post("/api/v1/tenants", {"name": name, **request})
        self.assertEqual(answer.status, 201, answer)
        return answer.json, Client(self.api.port, answer.json["admin_key"]["key"])

    def change(self, tenant, **request):
        answer = self.api.call("PATCH", f"/api/v1/tenants/{tenant['id']}", request)
        self.assertEqual(answer.status, 200, answer)
        return answer.json

    def within(self, seconds, check, text):
        """Waits until check() is true. Times are ample: this module runs only with sanitizers, beside another lane."""
        deadline = time.monotonic() + seconds
        while not check():
            self.assertLess(time.monotonic(), deadline, text)
            time.sleep(0.02)


class Tenants(TenantTest):
    def test_made_shown_renamed(self):
        tenant, client = self.make(name="Büro 1", limits={"live_jobs": 3, "job_seconds": 90.5})
        self.assertEqual(tenant["limits"], {"live_jobs": 3, "job_seconds": 90.5})
        self.assertFalse(tenant["root"] or tenant["disabled"])
        self.assertEqual(tenant["admin_key"]["scopes"], ["predict", "read", "train", "admin"])
        own = client.get("/api/v1/tenants/self")
        self.assertEqual((own.status, own.json["id"], own.json["name"]), (200, tenant["id"], "Büro 1"))
        self.assertEqual(own.json["effective_limits"]["live_jobs"], 3)
        self.assertEqual(own.json["effective_limits"]["keys"], 1000)
        self.assertEqual(own.json["used"], {"tenant_bytes": 0, "live_jobs": 0, "live_uploads": 0, "keys": 1})
        self.assertEqual(client.get(f"/api/v1/tenants/{tenant['id']}").json["id"], tenant["id"])
        changed = self.change(tenant, name="Büro 2", limits={"live_jobs": None, "keys": 5})
        self.assertEqual((changed["name"], changed["limits"]), ("Büro 2", {"job_seconds": 90.5, "keys": 5}))
        names = [item["name"] for item in self.api.get("/api/v1/tenants?limit=100").json["items"]]
        self.assertIn("Büro 2", names)
        self.assertIn("default", names)
        self.assertTrue(self.api.get("/api/v1/tenants/self").json["root"])

    def test_only_for_the_first_tenants_admin(self):
        tenant, client = self.make()
        for method, path in (("POST", "/api/v1/tenants"), ("GET", "/api/v1/tenants"),
                             ("PATCH", f"/api/v1/tenants/{tenant['id']}"), ("PATCH", "/api/v1/tenants/self"),
                             ("DELETE", f"/api/v1/tenants/{tenant['id']}")):
            body = {"name": "x", "limits": {"live_jobs": 1000}} if method in ("POST", "PATCH") else None
            self.problem(client.call(method, path, body), 403, "forbidden")
        self.assertEqual(client.get("/api/v1/tenants/self").json["limits"], {})

    def test_faults(self):
        post = self.api.post
        self.problem(post("/api/v1/tenants", {}), 422, "invalid", "/name")
        self.problem(post("/api/v1/tenants", {"name": "a\nb"}), 422, "invalid", "/name")
        self.problem(post("/api/v1/tenants", {"name": "x", "root": True, "is_root": True}), 422, "invalid", "/root",
                     "/is_root")
        self.problem(post("/api/v1/tenants", {"name": "x", "limits": {
            "live_jobs": 0, "keys": 1.5, "job_secs": 1, "connections": 5, "tenant_bytes": "1G"}}), 422, "invalid",
            "/limits/live_jobs", "/limits/keys", "/limits/job_secs", "/limits/connections", "/limits/tenant_bytes")
        tenant, _ = self.make()
        self.problem(post("/api/v1/tenants", {"name": tenant["name"]}), 409, "tenant_name_taken")
        other, _ = self.make()
        path = f"/api/v1/tenants/{other['id']}"
        self.problem(self.api.call("PATCH", path, {"name": tenant["name"]}), 409, "tenant_name_taken")
        self.problem(self.api.call("PATCH", path, {"disabled": "yes"}), 422, "invalid", "/disabled")
        self.problem(self.api.call("PATCH", path, {"created_at": "now"}), 422, "invalid", "/created_at")
        self.problem(self.api.call("PATCH", "/api/v1/tenants/ten_none", {"name": "x"}), 404, "tenant_not_found")
        self.problem(self.api.call("PATCH", "/api/v1/tenants/self", {"disabled": True}), 409, "conflict")
        self.problem(self.api.call("PATCH", "/api/v1/tenants/self", {"limits": {"keys": 1}}), 409, "conflict")

    def test_the_secret_is_shown_once(self):
        headers = {"Idempotency-Key": secrets.token_hex(8)}
        body = {"name": f"once {secrets.token_hex(4)}"}
        first = self.api.post("/api/v1/tenants", body, headers=headers)
        again = self.api.post("/api/v1/tenants", body, headers=headers)
        self.assertEqual((first.status, again.status), (201, 201))
        self.assertEqual(first.json["id"], again.json["id"])
        self.assertIn("key", first.json["admin_key"])
        self.assertNotIn("key", again.json["admin_key"])
        secret = first.json["admin_key"]["key"]
        # neither the database nor the log has it
        for table in ("api_key", "idempotency", "audit", "tenant"):
            self.assertEqual(sql(f"SELECT count(*) FROM {table} t WHERE t::text LIKE '%{secret[-20:]}%'").strip(), "0")
        self.assertNotIn(secret[-20:], self.api.log(10_000_000))

    def test_disabled_within_a_second(self):
        tenant, client = self.make()
        answer = client.post("/api/v1/session", {"key": client.key})
        cookie = {"Cookie": answer.headers["set-cookie"].split(";")[0]}
        nobody = Client(self.api.port, None)
        self.assertEqual(nobody.get("/api/v1/jobs", headers=cookie).status, 200)
        self.change(tenant, disabled=True)
        self.within(1.0, lambda: client.get("/api/v1/jobs").status == 403, "a disabled tenant's key still works")
        self.problem(client.get("/api/v1/jobs"), 403, "tenant_disabled")
        self.problem(client.post("/api/v1/keys", {"name": "x", "scopes": ["read"]}), 403, "tenant_disabled")
        self.problem(nobody.get("/api/v1/jobs", headers=cookie), 403, "tenant_disabled")
        self.problem(nobody.post("/api/v1/session", {"key": client.key}), 403, "tenant_disabled")
        self.assertFalse(nobody.get("/api/v1/session", headers=cookie).json["signed_in"])
        self.assertTrue(self.api.get(f"/api/v1/tenants/{tenant['id']}").json["disabled_at"])
        self.change(tenant, disabled=False)
        self.within(1.0, lambda: client.get("/api/v1/jobs").status == 200, "an enabled tenant's key does not work")

    def test_disabled_from_elsewhere(self):
        """As another attuned of the same database would do it: by a row and a note."""
        tenant, client = self.make()
        self.assertEqual(client.get("/api/v1/jobs").status, 200)
        sql(f"UPDATE tenant SET disabled_at = now(), limits = '{{\"live_jobs\": 7}}' WHERE id = '{tenant['id']}';"
            f"SELECT pg_notify('attune', 'tenant {tenant['id']}')")
        self.within(5.0, lambda: client.get("/api/v1/jobs").status == 403, "the note was not heard")

    def test_a_stream_ends_with_its_tenant(self):
        tenant, client = self.make()
        answer = client.upload("/api/v1/train", [("file", "i.csv", iris()), ("target", "species"), ("seconds", "30")])
        self.assertEqual(answer.status, 202, answer)
        ended = []

        def listen():
            client.get(f"/api/v1/jobs/{answer.json['id']}/events", timeout=60)
            ended.append(time.monotonic())
        thread = threading.Thread(target=listen)
        thread.start()
        time.sleep(1)
        self.assertEqual(ended, [])
        disabled = time.monotonic()
        self.change(tenant, disabled=True)
        thread.join(10)
        self.assertLess(ended[0] - disabled, 8.0)
        self.change(tenant, disabled=False)
        client.post(f"/api/v1/jobs/{answer.json['id']}/cancel", {})
        self.problem(self.api.call("DELETE", f"/api/v1/tenants/{tenant['id']}"), 409, "tenant_in_use")
        client.wait_job(answer.json["id"], 60)

    def test_removed_when_never_used(self):
        tenant, client = self.make()
        path = f"/api/v1/tenants/{tenant['id']}"
        self.assertEqual(client.post("/api/v1/keys", {"name": "x", "scopes": ["read"]}).status, 201)
        self.assertEqual(client.post("/api/v1/session", {"key": client.key}).status, 201)
        self.problem(self.api.call("DELETE", path), 409, "tenant_in_use")
        self.change(tenant, disabled=True)
        self.assertEqual(self.api.call("DELETE", path).status, 204)
        self.problem(self.api.get(path), 404, "tenant_not_found")
        self.problem(self.api.call("DELETE", path), 404, "tenant_not_found")
        self.within(1.0, lambda: client.get("/api/v1/jobs").status in (401, 429), "a removed tenant's key still works")
        self.problem(self.api.call("DELETE", "/api/v1/tenants/self"), 409, "tenant_in_use")


class Quotas(TenantTest):
    def quota(self, answer, limit, most):
        self.problem(answer, 429, "quota")
        self.assertEqual((answer.json["limit"], answer.json["most"]), (limit, most), answer)
        self.assertGreaterEqual(answer.json["used"], 0)
        self.assertIn(f'"{limit}"', answer.json["detail"])
        self.assertIn("retry-after", answer.headers)

    def test_requests_per_minute(self):
        tenant, client = self.make(limits={"requests_per_minute": 60})
        answers = [client.get("/api/v1/jobs") for _ in range(40)]  # one more is let through each second
        statuses = [answer.status for answer in answers]
        self.assertEqual(statuses[:10], [200] * 10)
        self.assertIn(429, statuses)
        slow = answers[statuses.index(429)]
        self.problem(slow, 429, "too_many_requests")
        self.assertEqual(slow.json["limit"], "requests_per_minute")
        self.assertEqual(slow.headers["ratelimit-policy"], '"tenant";q=60;w=60')
        self.assertRegex(slow.headers["ratelimit"], r'^"tenant";r=0;t=1$')
        self.assertEqual(slow.headers["retry-after"], "1")
        # others are not held up, and one is let through again after the time told
        self.assertEqual(self.api.get("/api/v1/jobs").status, 200)
        time.sleep(1.1)
        self.assertEqual(client.get("/api/v1/jobs").status, 200)
        self.change(tenant, limits={"requests_per_minute": None})
        self.within(1.0, lambda: all(client.get("/api/v1/jobs").status == 200 for _ in range(30)), "still slow")

    def test_keys(self):
        _, client = self.make(limits={"keys": 2})
        made = client.post("/api/v1/keys", {"name": "x", "scopes": ["read"]})
        self.assertEqual(made.status, 201)
        refused = client.post("/api/v1/keys", {"name": "x", "scopes": ["read"]})
        self.quota(refused, "keys", 2)
        self.assertEqual(refused.json["used"], 2)
        self.assertEqual(client.call("DELETE", f"/api/v1/keys/{made.json['id']}").status, 204)
        self.assertEqual(client.post("/api/v1/keys", {"name": "x", "scopes": ["read"]}).status, 201)

    def test_many_at_once_get_no_more(self):
        """The last places are not given twice to requests that come together."""
        _, client = self.make(limits={"keys": 5, "webhooks": 3, "live_jobs": 3})
        data = client.upload("/api/v1/datasets", [("file", "iris.csv", iris())])
        client.wait_dataset(data.json["id"])
        requests = [("/api/v1/keys", {"name": "x", "scopes": ["read"]}, 4),
                    ("/api/v1/webhooks", {"url": "https://example.org/x", "events": ["job.failed"]}, 3),
                    ("/api/v1/jobs", {"dataset": data.json["id"], "target": "species", "budget": {"seconds": 60}}, 3)]
        for path, body, places in requests:
            answers = []
            threads = [threading.Thread(target=lambda: answers.append(client.post(path, body))) for _ in range(16)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(60)
            made = [answer.json["id"] for answer in answers if answer.status in (201, 202)]
            self.assertEqual(len(made), places, answers)
            for answer in answers:
                if answer.status not in (201, 202):
                    self.problem(answer, 429, "quota")
            if path.endswith("jobs"):
                for job in made:
                    client.post(f"/api/v1/jobs/{job}/cancel", {})
                for job in made:
                    client.wait_job(job, 60)

    def test_bytes_and_sizes(self):
        tenant, client = self.make(limits={"tenant_bytes": 20000, "upload_bytes": 30000})
        self.problem(client.upload("/api/v1/datasets", [("file", "a.csv", b"a,b\n" + b"1,2\n" * 10000)]), 413, "too_large")
        first = client.upload("/api/v1/datasets", [("file", "iris.csv", iris())])
        self.assertIn(first.status, (201, 202), first)
        client.wait_dataset(first.json["id"])
        used = client.get("/api/v1/tenants/self").json["used"]["tenant_bytes"]
        self.assertGreater(used, 1000)
        self.change(tenant, limits={"tenant_bytes": used + 100})
        self.quota(client.upload("/api/v1/datasets", [("file", "iris.csv", iris())]), "tenant_bytes", used + 100)

    def test_bytes_of_batches(self):
        """A batch's file counts until its end, its result until it is removed."""
        tenant, client = self.make()
        answer = client.upload("/api/v1/train?wait=60", [
            ("file", "iris.csv", iris()), ("target", "species"), ("trials", "1"), ("families", "linear"),
            ("name", "counted")], timeout=90)
        self.assertEqual(answer.status, 200, answer)

        def used():
            return client.get("/api/v1/tenants/self").json["used"]["tenant_bytes"]

        def send():
            return client.upload("/api/v1/models/counted/batches", [("file", "iris.csv", iris())])

        before = used()
        batch = send().json["id"]
        client.wait_batch(batch)
        result = client.get(f"/api/v1/batches/{batch}/result")
        self.assertEqual(used(), before + len(result.raw), result)
        self.change(tenant, limits={"tenant_bytes": used() + len(iris()) - 1})
        self.quota(send(), "tenant_bytes", used() + len(iris()) - 1)
        self.assertEqual(client.call("DELETE", f"/api/v1/batches/{batch}").status, 204)
        self.assertEqual(used(), before)
        client.wait_batch(send().json["id"])  # it has begun with room, so it ends

    def test_jobs_and_their_budgets(self):
        tenant, client = self.make(limits={"live_jobs": 1, "job_seconds": 50, "job_trials": 5, "predict_rows": 2})
        answer = client.upload("/api/v1/train?wait=60", [
            ("file", "iris.csv", iris()), ("target", "species"), ("trials", "1"), ("families", "linear"),
            ("name", "small")], timeout=90)
        self.assertEqual(answer.status, 200, answer)
        body = {"dataset": answer.json["dataset"]["id"], "target": "species"}
        self.problem(client.post("/api/v1/jobs", {**body, "budget": {"seconds": 51}}), 422, "invalid", "/budget/seconds")
        self.problem(client.post("/api/v1/jobs", {**body, "budget": {"trials": 6}}), 422, "invalid", "/budget/trials")
        live = client.post("/api/v1/jobs", {**body, "budget": {"seconds": 50}})
        self.assertEqual(live.status, 202, live)
        self.quota(client.post("/api/v1/jobs", {**body, "budget": {"seconds": 5}}), "live_jobs", 1)
        client.post(f"/api/v1/jobs/{live.json['id']}/cancel", {})
        client.wait_job(live.json["id"], 60)
        row = {"petal_width": 1}
        self.assertEqual(client.post("/api/v1/models/small/predict", {"rows": [row] * 2}).status, 200)
        self.problem(client.post("/api/v1/models/small/predict", {"rows": [row] * 3}), 422, "invalid", "/rows")

    def test_uploads_at_once(self):
        _, client = self.make(limits={"live_uploads": 1})
        import http.client as plain
        kind, body = multipart([("file", "iris.csv", iris())])
        slow = plain.HTTPConnection("127.0.0.1", self.api.port, timeout=30)
        self.addCleanup(slow.close)
        slow.putrequest("POST", "/api/v1/datasets")
        for name, value in (("Authorization", "Bearer " + client.key), ("Content-Type", kind),
                            ("Content-Length", str(len(body))), ("Expect", "100-continue")):
            slow.putheader(name, value)
        slow.endheaders()
        # the word to go on is said once the upload has its place
        self.assertEqual(slow.sock.recv(12, socket.MSG_PEEK), b"HTTP/1.1 100")
        slow.send(body[:100])
        self.quota(client.upload("/api/v1/datasets", [("file", "iris.csv", iris())]), "live_uploads", 1)
        slow.send(body[100:])
        first = slow.getresponse()
        self.assertIn(first.status, (201, 202))
        client.wait_dataset(json.loads(first.read())["id"])
        self.within(2.0, lambda: client.upload("/api/v1/datasets", [("file", "iris.csv", iris())]).status in (201, 202),
                    "the place of an upload that has ended is not free")


class Audit(TenantTest):
    def rows(self, client, query=""):
        answer = client.get(f"/api/v1/audit?{query}")
        self.assertEqual(answer.status, 200, answer)
        return answer.json["items"]

    def test_changes_are_there_with_their_answer(self):
        tenant, client = self.make()
        made = client.post("/api/v1/keys", {"name": "x", "scopes": ["read"]}, headers={"X-Request-Id": "here-1"})
        rows = self.rows(client)
        self.assertEqual(rows[0]["action"], "keys.create")
        self.assertEqual(rows[0]["object"], made.json["id"])
        self.assertEqual(rows[0]["key"], tenant["admin_key"]["id"])
        self.assertEqual((rows[0]["status"], rows[0]["request_id"], rows[0]["address"]), (201, "here-1", "127.0.0.1"))
        self.assertEqual(client.call("DELETE", f"/api/v1/keys/{made.json['id']}").status, 204)
        self.assertEqual([(row["action"], row["object"]) for row in self.rows(client, "limit=1")],
                         [("keys.revoke", made.json["id"])])
        self.change(tenant, name=tenant["name"] + " 2")
        own = self.rows(self.api, "limit=1")
        self.assertEqual((own[0]["action"], own[0]["object"]), ("tenants.change", tenant["id"]))
        self.assertEqual(self.rows(self.api, f"tenant={tenant['id']}"), self.rows(client))

    def test_looking_is_not_a_change(self):
        _, client = self.make()
        client.get("/api/v1/jobs")
        client.post("/api/v1/models/none/predict", {"rows": [{"a": 1}]})
        client.post("/api/v1/jobs?validate_only=1", {"dataset": "ds_none"})
        client.post("/api/v1/keys", {"name": "x", "scopes": ["none"]})
        client.call("DELETE", "/api/v1/keys/key_none")
        headers = {"Idempotency-Key": secrets.token_hex(8)}
        for _ in range(3):
            self.assertEqual(client.post("/api/v1/keys", {"name": "x", "scopes": ["read"]}, headers=headers).status, 201)
        time.sleep(1.2)
        self.assertEqual([row["action"] for row in self.rows(client)], ["keys.create"])

    def test_refusals_are_there_soon(self):
        _, client = self.make()
        made = client.post("/api/v1/keys", {"name": "x", "scopes": ["read"]})
        reader = Client(self.api.port, made.json["key"])
        self.problem(reader.get(f"/api/v1/keys/{made.json['id']}"), 403, "forbidden")
        self.problem(reader.get(f"/api/v1/keys/{client.key}"), 403, "forbidden")
        self.problem(reader.get("/api/v1/audit"), 403, "forbidden")
        by_reader = f"key={made.json['id']}"
        self.within(5.0, lambda: len(self.rows(client, by_reader)) == 3, "refusals are not written")
        # each came on a connection of its own, which any thread may have ended first
        self.assertCountEqual([(row["action"], row["status"], row["object"]) for row in self.rows(client, by_reader)],
                              [("audit", 403, None), ("keys.get", 403, "atk_…"), ("keys.get", 403, made.json["id"])])
        self.assertNotIn(client.key, self.api.log(10_000_000))

    def test_pages_and_following(self):
        _, client = self.make()
        for _ in range(5):
            client.post("/api/v1/keys", {"name": "x", "scopes": ["read"]})
        first = client.get("/api/v1/audit?limit=2").json
        second = client.get(f"/api/v1/audit?limit=2&cursor={first['next_cursor']}").json
        ids = [row["id"] for row in first["items"] + second["items"]]
        self.assertEqual(ids, sorted(ids, reverse=True))
        self.assertEqual(len(set(ids)), 4)
        follow = client.get(f"/api/v1/audit?after={ids[-1]}").json["items"]
        self.assertEqual([row["id"] for row in follow], sorted(ids)[1:])
        for query in ("after=x", "cursor=x", "limit=0", "cursor=5&after=5", "what=1"):
            self.assertEqual(client.get(f"/api/v1/audit?{query}").status, 400, query)

    def test_sign_in_and_out(self):
        tenant, client = self.make()
        nobody = Client(self.api.port, None)
        answer = nobody.post("/api/v1/session", {"key": client.key})
        headers = {"Cookie": answer.headers["set-cookie"].split(";")[0], "X-CSRF-Token": answer.json["csrf"]}
        self.assertEqual(nobody.call("DELETE", "/api/v1/session", headers=headers).status, 204)
        rows = self.rows(client)
        self.assertEqual([row["action"] for row in rows], ["session.delete", "session.create"])
        self.assertEqual({row["key"] for row in rows}, {tenant["admin_key"]["id"]})


class AuditThatStays(unittest.TestCase):
    def test_killed_right_after_an_answer(self):
        """A change whose answer was received is in the audit, even when attuned is killed at once."""
        with AttuneServer(engines=0, arguments=["--keep-audit-days", "30"]) as api:
            for i in range(2):
                made = api.post("/api/v1/keys", {"name": f"k{i}", "scopes": ["read"]})
                self.assertEqual(made.status, 201)
                api.process.send_signal(signal.SIGKILL)
                api.process.wait()
                api.process = None
                api.start()
                rows = api.get("/api/v1/audit?action=keys.create").json["items"]
                self.assertEqual(rows[0]["object"], made.json["id"])
                self.assertEqual(len(rows), i + 1)


class Usage(TenantTest):
    def usage(self, client, query=""):
        answer = client.get(f"/api/v1/usage?{query}")
        self.assertEqual(answer.status, 200, answer)
        return answer.json

    def test_what_was_done_is_counted(self):
        tenant, client = self.make()
        before = self.usage(client)["total"]
        self.assertEqual(before["predictions"], 0)
        answer = client.upload("/api/v1/train?wait=60", [
            ("file", "iris.csv", iris()), ("target", "species"), ("trials", "2"), ("families", "linear"),
            ("name", "counted")], timeout=90)
        self.assertEqual(answer.status, 200, answer)
        for rows in (1, 5):
            self.assertEqual(client.post("/api/v1/models/counted/predict",
                                         {"rows": [{"petal_width": 1}] * rows}).status, 200)
        client.post("/api/v1/models/counted/predict", {"rows": []})
        today = datetime.datetime.now(datetime.timezone.utc).date()

        def counted():  # once its answer is on its way
            total = self.usage(client)["total"]
            return total["predictions"] == 2 and total["requests"] >= 5 and total["uploaded_bytes"] >= len(iris())

        self.within(10.0, counted, "requests are not counted")
        total = self.usage(client)["total"]
        self.assertEqual((total["predicted_rows"], total["trials"]), (6, 2), total)
        self.assertLess(total["uploaded_bytes"], len(iris()) + 2000)
        self.assertGreater(total["training_seconds"], 0)
        self.assertEqual(total["stored_bytes"], client.get("/api/v1/tenants/self").json["used"]["tenant_bytes"])
        days = self.usage(client, "group=day")["items"]
        self.assertIn(days[-1]["day"], (str(today), str(today + datetime.timedelta(days=1))))
        self.assertEqual(sum(day["trials"] for day in days), 2)
        yesterday = today - datetime.timedelta(days=2)
        self.assertEqual(self.usage(client, f"from={yesterday}&to={yesterday}")["total"]["requests"], 0)
        # the root tenant's admin may look, others may not
        self.assertEqual(self.usage(self.api, f"tenant={tenant['id']}")["total"]["trials"], 2)
        _, other = self.make()
        self.problem(other.get(f"/api/v1/usage?tenant={tenant['id']}"), 404, "tenant_not_found")
        self.problem(self.api.get("/api/v1/usage?tenant=ten_none"), 404, "tenant_not_found")
        self.assertEqual(self.usage(other)["total"]["trials"], 0)

    def test_days(self):
        for query in ("from=2026-13-01", "from=2026-02-30", "to=x", "from=2026-02-02&to=2026-02-01", "group=hour",
                      "from=1970-01-01", "to=2026-2-1"):
            self.problem(self.api.get(f"/api/v1/usage?{query}"), 400, "bad_request")
        tenant, client = self.make()
        sql("INSERT INTO usage_day VALUES "
            + ",".join(f"('{tenant['id']}', '{day}', '{kind}', {amount})" for day, kind, amount in (
                ("2026-03-01", "requests", 5), ("2026-03-02", "requests", 7), ("2026-03-02", "stored_bytes", 10),
                ("2026-03-03", "stored_bytes", 4))))
        answer = self.usage(client, "from=2026-03-01&to=2026-03-31&group=day")
        self.assertEqual(answer["total"]["requests"], 12)
        self.assertEqual(answer["total"]["stored_bytes"], 4)
        self.assertEqual([(day["day"], day["requests"], day["stored_bytes"]) for day in answer["items"]],
                         [("2026-03-01", 5, 0), ("2026-03-02", 7, 10), ("2026-03-03", 0, 4)])

    def test_kept_by_a_stop(self):
        with AttuneServer(engines=0) as api:
            for _ in range(20):
                api.get("/api/v1/jobs")
            self.assertEqual(api.stop(), 0)
            api.start()
            self.assertGreaterEqual(api.get("/api/v1/usage").json["total"]["requests"], 20)


if __name__ == "__main__":
    unittest.main()
