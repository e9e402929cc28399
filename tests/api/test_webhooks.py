"""Webhooks: signed, repeated until they are taken, never to an inner address, and not lost by a crash."""

import functools
import hashlib
import hmac
import http.server
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import unittest

from common import AttuneServer, iris
from attune_server import runnable_as

FAST = ["--webhook-seconds", "4", "--webhook-retry-seconds", "0.2", "--webhook-give-up-seconds", "600"]


class Receiver:
    """An HTTP server that keeps what it gets and answers each path as told."""

    def __init__(self, context=None):
        self.got = []
        self.answers = {}  # path: list of statuses, the last for ever; "hang" does not answer
        self.changed = threading.Condition()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with outer.changed:
                    outer.got.append((self.path, dict(self.headers), body, time.time()))
                    queue = outer.answers.get(self.path, [200])
                    answer = queue.pop(0) if len(queue) > 1 else queue[0]
                    outer.changed.notify_all()
                if answer == "hang":
                    time.sleep(6)
                    return
                if answer == "flood":
                    self.send_response(200)
                    self.end_headers()
                    try:
                        for _ in range(200):
                            self.wfile.write(b"x" * 65536)
                    except OSError:
                        pass
                    return
                self.send_response(answer)
                if answer in (301, 302, 307):
                    self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass  # the caller went away, as it should from one that hangs

        self.server = Server(("127.0.0.1", 0), Handler)
        if context:  # TLS; each connection shakes hands in a thread of its own
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"{'https' if context else 'http'}://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def at(self, path):
        with self.changed:
            return [item for item in self.got if item[0] == path]

    def wait(self, path, count, seconds=20):
        deadline = time.monotonic() + seconds
        with self.changed:
            while len([item for item in self.got if item[0] == path]) < count:
                if not self.changed.wait(max(0.0, deadline - time.monotonic())):
                    raise AssertionError(f"{path}: {count} calls were not made: {self.got}")
        return self.at(path)

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def verify(secret, header, body):
    """What api-docs/webhooks.md shows."""
    t, v1 = (part.split("=", 1)[1] for part in header.split(","))
    return hmac.compare_digest(v1, hmac.new(secret.encode(), f"{t}.".encode() + body, hashlib.sha256).hexdigest())


class Webhooks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.receiver = Receiver()
        cls.addClassCleanup(cls.receiver.close)
        cls.api = AttuneServer(["--webhook-allow-private", *FAST], engines=1)
        cls.addClassCleanup(cls.api.close)
        cls.api.start()

    def make(self, path, events, **more):
        answer = self.api.post("/api/v1/webhooks", {"url": self.receiver.url + path, "events": events, **more})
        self.assertEqual(answer.status, 201, answer)
        self.assertEqual(answer.headers["location"], "/api/v1/webhooks/" + answer.json["id"])
        return answer.json

    def deliveries(self, hook):
        answer = self.api.get(f"/api/v1/webhooks/{hook}/deliveries")
        self.assertEqual(answer.status, 200, answer)
        return answer.json["items"]

    def wait_delivery(self, hook, state, seconds=20):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            items = self.deliveries(hook)
            if items and items[0]["state"] == state:
                return items[0]
            time.sleep(0.05)
        raise AssertionError(self.deliveries(hook))

    def ping(self, hook):
        answer = self.api.post(f"/api/v1/webhooks/{hook}/test")
        self.assertEqual(answer.status, 202, answer)
        return answer.json["id"]

    def check(self, call, secret, event):
        path, headers, body, at = call
        self.assertTrue(verify(secret, headers["Attune-Signature"], body), headers)
        self.assertFalse(verify(secret, headers["Attune-Signature"], body + b" "))
        self.assertFalse(verify(secret + "x", headers["Attune-Signature"], body))
        self.assertLess(abs(at - int(headers["Attune-Signature"][2:].split(",")[0])), 5)
        value = json.loads(body)
        self.assertEqual(sorted(value), ["created_at", "data", "event", "id"])
        self.assertEqual((value["event"], headers["Attune-Event"]), (event, event))
        self.assertEqual(value["id"], headers["Attune-Delivery"])
        self.assertEqual(headers["Content-Type"], "application/json")
        return value

    def test_made_listed_deleted(self):
        hook = self.make("/kept", ["job.succeeded", "dataset.ready"])
        self.assertRegex(hook["secret"], r"^whsec_[A-Za-z0-9_-]{43}$")
        shown = self.api.get("/api/v1/webhooks/" + hook["id"]).json
        self.assertEqual(shown, {k: v for k, v in hook.items() if k != "secret"})
        self.assertIn(shown, self.api.get("/api/v1/webhooks?limit=100").json["items"])
        own = self.make("/own", ["job.failed"], secret="correct-horse-battery")
        self.assertNotIn("secret", own)
        self.assertEqual(self.api.call("DELETE", "/api/v1/webhooks/" + own["id"]).status, 204)
        for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/deliveries"), ("POST", "/test")):
            answer = self.api.call(method, f"/api/v1/webhooks/{own['id']}{path}")
            self.assertEqual((answer.status, answer.json["code"]), (404, "webhook_not_found"))

    def test_idempotent(self):
        body = {"url": self.receiver.url + "/once", "events": ["job.failed"]}
        first = self.api.post("/api/v1/webhooks", body, headers={"Idempotency-Key": "hook-1"})
        again = self.api.post("/api/v1/webhooks", body, headers={"Idempotency-Key": "hook-1"})
        self.assertEqual(first.json["id"], again.json["id"])
        self.assertNotIn("secret", again.json)

    def test_bad_requests(self):
        good = {"url": self.receiver.url, "events": ["job.failed"]}
        for change, place in (({"url": "ftp://example.com/"}, "/url"), ({"url": "example"}, "/url"),
                              ({"url": "http://user:word@example.com/"}, "/url"),
                              ({"url": "http://example.com/#part"}, "/url"),
                              ({"url": "http://example.com:22/"}, "/url"),
                              ({"url": "http://example.com/\u00e4"}, "/url"),
                              ({"url": "http://example.com/" + "x" * 2000}, "/url"),
                              ({"url": "file:///etc/passwd"}, "/url"), ({"url": "http://"}, "/url"),
                              ({"events": []}, "/events"), ({"events": ["job.exploded"]}, "/events/0"),
                              ({"secret": "short"}, "/secret"),
                              ({"secret": "with a blank in the middle"}, "/secret"),
                              ({"surprise": 1}, "/surprise")):
            answer = self.api.post("/api/v1/webhooks", {**good, **change})
            self.assertEqual(answer.status, 422, (change, answer))
            self.assertIn(place, [fault["pointer"] for fault in answer.json["faults"]], answer)
        self.assertEqual(self.api.post("/api/v1/webhooks").status, 422)

    def test_ping_and_signature(self):
        hook = self.make("/ping", ["job.failed"])
        delivery = self.ping(hook["id"])
        call = self.receiver.wait("/ping", 1)[0]
        value = self.check(call, hook["secret"], "ping")
        self.assertEqual((value["id"], value["data"]), (delivery, {"webhook": hook["id"]}))
        ended = self.wait_delivery(hook["id"], "delivered")
        self.assertEqual((ended["id"], ended["attempts"], ended["last_status"], ended["last_error"]),
                         (delivery, 1, 200, None))

    def test_twice_refused_then_taken(self):
        self.receiver.answers["/moody"] = [500, 503, 204]
        hook = self.make("/moody", ["job.failed"], secret="0123456789abcdef")
        self.ping(hook["id"])
        calls = self.receiver.wait("/moody", 3)
        ended = self.wait_delivery(hook["id"], "delivered")
        self.assertEqual((ended["attempts"], ended["last_status"]), (3, 204))
        bodies = {call[2] for call in calls}
        self.assertEqual(len(bodies), 1)
        self.assertEqual(len({call[1]["Attune-Delivery"] for call in calls}), 1)
        self.assertGreater(calls[2][3] - calls[1][3], 0.3)  # 0.4 s, less a fifth
        for call in calls:
            self.check(call, "0123456789abcdef", "ping")

    def test_hangs_redirects_floods_gone(self):
        for path, answers, error in (("/hang", ["hang", 200], None), ("/flood", ["flood"], None),
                                     ("/moved", [302], "redirects are not followed"),
                                     ("/gone", [410], "answered 410")):
            self.receiver.answers[path] = answers
            hook = self.make(path, ["job.failed"])
            self.ping(hook["id"])
            if error is None:
                self.wait_delivery(hook["id"], "delivered")
                continue
            deadline = time.monotonic() + 10
            while not self.deliveries(hook["id"])[0]["last_error"] and time.monotonic() < deadline:
                time.sleep(0.05)
            item = self.deliveries(hook["id"])[0]
            self.assertIn(error, item["last_error"])
            self.assertEqual(item["state"], "failed" if path == "/gone" else "pending")
            self.api.call("DELETE", "/api/v1/webhooks/" + hook["id"])
        self.assertEqual(self.receiver.at("/elsewhere"), [])

    def test_data_and_job(self):
        hook = self.make("/story", ["dataset.ready", "dataset.failed", "job.started", "job.succeeded",
                                    "job.cancelled", "model.published"])
        answer = self.api.upload("/api/v1/datasets", [("file", "iris.csv", iris())])
        dataset = self.api.wait_dataset(answer.json["id"])
        self.assertEqual(self.api.upload_parsed([("file", "x.csv", b"\x00\x01\xff")]).status, 422)
        job = self.api.post("/api/v1/jobs", {
            "dataset": dataset["id"], "target": dataset["columns"][-1]["name"], "budget": {"trials": 2},
            "webhook": self.receiver.url + "/end"})
        self.assertEqual(job.status, 202, job)
        self.assertTrue(job.json["webhook"]["secret"].startswith("whsec_"))
        self.assertNotIn(job.json["webhook"]["id"], str(self.api.get("/api/v1/webhooks").json))
        ended = self.api.wait_job(job.json["id"], 120)
        self.assertEqual(ended["state"], "succeeded")
        end = self.receiver.wait("/end", 1)[0]
        value = self.check(end, job.json["webhook"]["secret"], "job.succeeded")
        self.assertEqual((value["data"]["job"], value["data"]["state"]), (job.json["id"], "succeeded"))
        self.assertEqual(value["data"]["model"]["name"], ended["model"]["name"])
        deadline = time.monotonic() + 20
        wanted = {"dataset.ready", "dataset.failed", "job.started", "model.published", "job.succeeded"}
        while time.monotonic() < deadline:
            told = [self.check(call, hook["secret"], json.loads(call[2])["event"])
                    for call in self.receiver.at("/story")]
            if wanted <= {value["event"] for value in told}:
                break
            time.sleep(0.1)
        self.assertEqual({value["event"] for value in told}, wanted)
        by_event = {value["event"]: value["data"] for value in told}
        self.assertEqual(by_event["dataset.ready"]["dataset"], dataset["id"])
        self.assertNotEqual(by_event["dataset.failed"]["dataset"], dataset["id"])
        self.assertTrue(by_event["dataset.failed"]["error"]["detail"])
        self.assertEqual(len([v for v in told if v["event"] == "job.started"]), 1)
        self.assertEqual(len({v["id"] for v in told}), len(told))
        time.sleep(0.7)
        self.assertEqual(len(self.receiver.at("/end")), 1)

    def test_job_webhook_faults(self):
        for value, place in (("ftp://x", "/webhook"), (5, "/webhook"), ({"url": "nope"}, "/webhook/url"),
                             ({"url": self.receiver.url, "secret": "short"}, "/webhook/secret"),
                             ({"secret": "x" * 20}, "/webhook/url")):
            answer = self.api.upload("/api/v1/datasets", [("file", "iris.csv", iris())])
            dataset = self.api.wait_dataset(answer.json["id"])
            answer = self.api.post("/api/v1/jobs", {"dataset": dataset["id"], "target": "species",
                                                    "budget": {"trials": 1}, "webhook": value})
            self.assertEqual(answer.status, 422, (value, answer))
            self.assertIn(place, [fault["pointer"] for fault in answer.json["faults"]])

    def test_zz_crash_between_claim_and_answer(self):
        """kill -9 while the receiver thinks: the delivery is sent again, by the next attuned."""
        self.receiver.answers["/crash"] = ["hang", 200]
        hook = self.make("/crash", ["job.failed"])
        delivery = self.ping(hook["id"])
        self.receiver.wait("/crash", 1)
        self.api.stop(signal.SIGKILL)
        self.api.wait_gone()
        self.api.start()
        calls = self.receiver.wait("/crash", 2, seconds=40)
        self.assertEqual({call[1]["Attune-Delivery"] for call in calls}, {delivery})
        ended = self.wait_delivery(hook["id"], "delivered")
        self.assertEqual(ended["attempts"], 2)


def openssl(*words):
    subprocess.run(["openssl", *words], check=True, capture_output=True)


class Authorities(unittest.TestCase):
    """https receivers: the certificate must come from an authority that is trusted."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="attune-test-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, True)
        runnable_as(cls.folder)
        at = functools.partial(os.path.join, cls.folder)
        key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
        openssl("req", "-x509", *key, "-subj", "/CN=Our own authority", "-days", "30", "-keyout", at("ca.key"), "-out", at("ca.pem"))
        openssl("req", *key, "-subj", "/CN=receiver", "-keyout", at("own.key"), "-out", at("own.csr"))
        with open(at("extensions"), "w", encoding="ascii") as file:
            file.write("subjectAltName=IP:127.0.0.1\n")
        openssl("x509", "-req", "-in", at("own.csr"), "-CA", at("ca.pem"), "-CAkey", at("ca.key"), "-CAcreateserial",
                "-days", "30", "-extfile", at("extensions"), "-out", at("own.pem"))
        os.chmod(at("ca.pem"), 0o644)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(at("own.pem"), at("own.key"))
        cls.receiver = Receiver(context)
        cls.addClassCleanup(cls.receiver.close)

    def delivery(self, arguments):
        """What became of a ping, once it was tried."""
        with AttuneServer(["--webhook-allow-private", *FAST, *arguments], engines=0) as api:
            hook = api.post("/api/v1/webhooks", {"url": self.receiver.url + "/tls", "events": ["job.failed"]}).json["id"]
            self.assertEqual(api.post(f"/api/v1/webhooks/{hook}/test").status, 202)
            deadline = time.monotonic() + 20
            while time.monotonic() < deadline:
                item = api.get(f"/api/v1/webhooks/{hook}/deliveries").json["items"][0]
                if item["last_error"] or item["state"] == "delivered":
                    return item
                time.sleep(0.05)
            raise AssertionError(item)

    def test_unknown_authority(self):
        told = self.delivery([])
        self.assertNotEqual(told["state"], "delivered")
        self.assertIn("certificate", told["last_error"])
        self.assertEqual(self.receiver.at("/tls"), [])

    def test_z_own_authority(self):
        told = self.delivery(["--webhook-ca-file", os.path.join(self.folder, "ca.pem")])
        self.assertEqual((told["state"], told["last_status"]), ("delivered", 200), told)
        self.assertEqual(len(self.receiver.at("/tls")), 1)

    def test_bad_files(self):
        """A file without certificates keeps attuned from starting, with a word on why."""
        for name, content in (("none.pem", None), ("empty.pem", ""), ("text.pem", "no certificates here\n")):
            path = os.path.join(self.folder, name)
            if content is not None:
                with open(path, "w", encoding="ascii") as file:
                    file.write(content)
                os.chmod(path, 0o644)
            with self.subTest(name), self.assertRaises(AssertionError) as raised:
                self.delivery(["--webhook-ca-file", path])
            self.assertIn("attuned ended at its start", str(raised.exception))
            self.assertIn(name, str(raised.exception))


class InnerAddresses(unittest.TestCase):
    """Without the option: no address of this machine or its network, whatever the name says."""

    @classmethod
    def setUpClass(cls):
        cls.receiver = Receiver()
        cls.addClassCleanup(cls.receiver.close)
        cls.api = AttuneServer(FAST, engines=0)
        cls.addClassCleanup(cls.api.close)
        cls.api.start()

    def test_literals(self):
        port = self.receiver.server.server_port
        for host in ("127.0.0.1", "localhost", "10.1.2.3", "172.20.0.1", "192.168.1.1", "169.254.169.254",
                     "100.64.0.1", "0.0.0.0", "224.0.0.1", "[::1]", "[::]", "[fe80::1]", "[fd00::1]",
                     "[::ffff:127.0.0.1]", "[::ffff:10.0.0.1]", "[64:ff9b::7f00:1]", "[ff02::1]", "2130706433",
                     "0x7f.1", "0177.0.0.1"):
            answer = self.api.post("/api/v1/webhooks", {"url": f"http://{host}:{port}/x", "events": ["job.failed"]})
            self.assertEqual(answer.status, 422, (host, answer))
            self.assertIn("public", answer.json["detail"])

    def test_names_at_delivery(self):
        """A name that is fine when the webhook is made and means an inner address when it is called."""
        name = socket.gethostname()
        addresses = {info[4][0] for info in socket.getaddrinfo(name, None)}
        for host in {name, "localhost.", "ip6-localhost"}:
            try:
                addresses = {info[4][0] for info in socket.getaddrinfo(host, None)}
            except OSError:
                continue
            answer = self.api.post("/api/v1/webhooks", {
                "url": f"http://{host}:{self.receiver.server.server_port}/inner", "events": ["job.failed"]})
            if answer.status != 201:
                continue
            hook = answer.json["id"]
            self.api.post(f"/api/v1/webhooks/{hook}/test")
            deadline = time.monotonic() + 10
            item = None
            while time.monotonic() < deadline:
                item = self.api.get(f"/api/v1/webhooks/{hook}/deliveries").json["items"][0]
                if item["last_error"]:
                    break
                time.sleep(0.05)
            self.assertIn("is not an address of the public Internet", item["last_error"] or "", (host, addresses))
            self.tried = True
        self.assertTrue(getattr(self, "tried", False), "no name of this machine could be tried")
        self.assertEqual(self.receiver.got, [])


if __name__ == "__main__":
    unittest.main()
