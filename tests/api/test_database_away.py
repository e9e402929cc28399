"""PostgreSQL is gone for a while in the middle of everything: frozen, and killed and kept down.

Meanwhile an upload is being received and another parsed, a job tries, predictions are asked for, an event stream
is read, a webhook is to be told. ATTUNE_AWAY_SECONDS sets how long (10 here; `make accept-database-away` takes 60).
"""

import http.client
import json
import os
import shutil
import signal
import socket
import tempfile
import threading
import time
import unittest

import common  # noqa: F401  (finds the harness)
from attune_server import AttuneServer
from common import iris, sql
from kills import find, start_job
from test_webhooks import Receiver

AWAY_SECONDS = float(os.environ.get("ATTUNE_AWAY_SECONDS", "10"))
DB_SECONDS = 3
TRIALS = 20


class Listener(threading.Thread):
    """Follows a job's events as a browser does: again from the last id whenever the stream ends."""

    def __init__(self, server, job):
        super().__init__(daemon=True)
        self.server, self.job, self.ids, self.kinds, self.over = server, job, [], [], False

    def run(self):
        while not self.over:
            connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
            try:
                headers = {"Authorization": "Bearer " + self.server.key}
                if self.ids:
                    headers["Last-Event-ID"] = str(self.ids[-1])
                connection.request("GET", f"/api/v1/jobs/{self.job}/events", headers=headers)
                answer = connection.getresponse()
                if answer.status != 200:
                    time.sleep(0.3)
                    continue
                number = None
                for line in answer:
                    name, _, value = line.decode().strip().partition(": ")
                    if name == "id":
                        number = int(value)
                    elif name == "event":
                        self.kinds.append(value)
                        self.over = self.over or value == "done"
                    elif not name and number is not None:
                        self.ids.append(number)
                        number = None
                        if self.over:
                            return
            except (OSError, http.client.HTTPException):
                time.sleep(0.3)
            finally:
                connection.close()


class Predictor(threading.Thread):
    """Asks a model that is in memory, all the time."""

    def __init__(self, server, model):
        super().__init__(daemon=True)
        self.server, self.model, self.over, self.answers = server, model, False, []

    def run(self):
        while not self.over:
            began = time.monotonic()
            answer = self.server.post(f"/api/v1/models/{self.model}/predict", {"rows": [{"petal_width": 1.0}]})
            self.answers.append((answer.status, time.monotonic() - began))
            time.sleep(0.1)


class SlowUpload(threading.Thread):
    """Sends a file so slowly that the database goes and comes back before the end."""

    def __init__(self, server, content, seconds):
        super().__init__(daemon=True)
        self.server, self.content, self.seconds, self.status, self.body = server, content, seconds, None, None

    def run(self):
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=120) as stream:
            head = (f"POST /api/v1/datasets HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.server.key}\r\n"
                    f"Content-Type: text/csv\r\nContent-Length: {len(self.content)}\r\nConnection: close\r\n\r\n")
            stream.sendall(head.encode())
            steps = 40
            size = len(self.content) // steps + 1
            for step in range(steps):
                stream.sendall(self.content[step * size:(step + 1) * size])
                time.sleep(self.seconds / steps)
            answer = http.client.HTTPResponse(stream)
            answer.begin()
            self.status, self.body = answer.status, json.loads(answer.read())


class Frozen:
    """Every process of the cluster stops and stands still."""

    def __init__(self, server):
        self.pids = [pid for pid, command in server.processes() if "postgres" in command.split(" ")[0]]
        for pid in self.pids:
            os.kill(pid, signal.SIGSTOP)

    def over(self):
        for pid in self.pids:
            try:
                os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                pass


class KeptDown:
    """The postmaster is killed again as soon as the guardian has started another."""

    def __init__(self, server):
        self.server, self.going = server, True
        self.thread = threading.Thread(target=self.hold, daemon=True)
        self.kill()
        self.thread.start()

    def kill(self):
        for pid in find(self.server, "postmaster"):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def hold(self):
        while self.going:
            self.kill()
            time.sleep(0.02)

    def over(self):
        self.going = False
        self.thread.join()


class Away(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.receiver = Receiver()
        cls.addClassCleanup(cls.receiver.close)
        cls.api = AttuneServer(["--db-seconds", str(DB_SECONDS), "--webhook-allow-private", "--webhook-seconds", "1",
                                "--webhook-retry-seconds", "0.2"], engines=2)
        cls.addClassCleanup(cls.api.close)
        cls.api.start()

    def asks_while_away(self, seconds):
        """503 with Retry-After for what needs the database, each within its time; health stays."""
        slowest, statuses, deadline = 0.0, [], time.monotonic() + seconds
        while time.monotonic() < deadline:
            for method, path, body in (("GET", "/api/v1/jobs", None), ("GET", "/api/v1/datasets", None),
                                       ("POST", "/api/v1/keys", {"name": "k", "scopes": ["read"]})):
                began = time.monotonic()
                answer = self.api.call(method, path, body, timeout=60)
                slowest = max(slowest, time.monotonic() - began)
                statuses.append(answer.status)
                if answer.status == 503:
                    self.assertGreaterEqual(int(answer.headers["retry-after"]), 1)
                self.assertIn(answer.status, (200, 201, 503), answer)
            self.assertEqual(self.api.get("/healthz").status, 200)
            time.sleep(0.1)
        # a ping of 2 s, a new connection's 5 s, a statement's own time, and some for a busy machine
        self.assertLess(slowest, 2 + 5 + 2 * DB_SECONDS + 5)
        self.assertIn(503, statuses)
        return slowest

    def scene(self, fault):
        train = self.api.upload("/api/v1/train?wait=60", [
            ("file", "iris.csv", iris()), ("target", "species"), ("trials", "1"), ("families", "linear"),
            ("name", "steady")], timeout=90)
        self.assertEqual(train.status, 200, train)
        path = f"/{fault.__name__.lower()}"
        hook = self.api.post("/api/v1/webhooks", {"url": self.receiver.url + path, "events": ["job.succeeded"]}).json
        job = start_job(self.api, TRIALS, rows=1000, families=["linear"])
        listener, predictor = Listener(self.api, job), Predictor(self.api, "steady")
        seconds = AWAY_SECONDS + 4
        rows = b"1,2,x\n3,4,y\n" * int(400 * seconds)  # faster than what counts as stalled
        upload = SlowUpload(self.api, b"a,b,c\n" + rows, seconds)
        for thread in (listener, predictor, upload):
            thread.start()
        deadline = time.monotonic() + 30
        while not listener.ids and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(1.5)
        parsed = self.api.upload("/api/v1/datasets", [("file", "late.csv", b"a,b\n" + b"1,x\n2,y\n" * 20000)])
        begun = len(predictor.answers)
        away = fault(self.api)
        try:
            slowest = self.asks_while_away(AWAY_SECONDS)
        finally:
            away.over()
        during = predictor.answers[begun:]
        ended = self.api.wait_job(job, 240, patient=True) if self.wait_ready() else None
        predictor.over = True
        upload.join(120)
        listener.join(60)
        predictor.join(30)
        return hook, path, job, ended, listener, predictor, upload, parsed, during, slowest

    def wait_ready(self, seconds=150):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.api.get("/readyz").status == 200 and self.api.get("/api/v1/jobs").status == 200:
                return True
            time.sleep(0.1)
        told = [line for line in self.api.log(10**7).splitlines() if "PostgreSQL" in line or "guardian" in line]
        raise AssertionError("it did not come back:\n" + "\n".join(told[-40:]) + self.api.log())

    def check(self, fault):
        hook, path, job, ended, listener, predictor, upload, parsed, during, slowest = self.scene(fault)
        self.assertEqual((ended["state"], ended["trials"]["done"] + ended["trials"]["pruned"]), ("succeeded", TRIALS), ended)
        trials = self.api.get(f"/api/v1/jobs/{job}/trials?limit=100").json["items"]
        self.assertEqual(sorted(trial["number"] for trial in trials), list(range(1, TRIALS + 1)))
        # predictions from memory never stopped
        self.assertGreater(len(during), AWAY_SECONDS)
        self.assertEqual({status for status, _ in predictor.answers}, {200})
        # the stream has every event once, in order, to the end
        self.assertEqual(listener.ids, list(range(1, listener.ids[-1] + 1)))
        self.assertEqual(listener.kinds[-1], "done")
        # uploads finished, or were refused in words
        self.assertIn(upload.status, (201, 202, 503), upload.body)
        for status, body in ((upload.status, upload.body), (parsed.status, parsed.json)):
            if status in (201, 202):
                self.assertEqual(self.api.wait_dataset(body["id"])["state"], "ready")
            else:
                self.assertEqual(body["code"], "unavailable")
        # the webhook was told, once the database was back
        calls = self.receiver.wait(path, 1, seconds=30)
        told = [json.loads(call[2])["data"]["job"] for call in calls]
        self.assertIn(job, told)
        deadline = time.monotonic() + 20
        state = "pending"
        while state == "pending" and time.monotonic() < deadline:
            state = self.api.get(f"/api/v1/webhooks/{hook['id']}/deliveries").json["items"][0]["state"]
            time.sleep(0.1)
        self.assertEqual(state, "delivered")
        print(f"{fault.__name__}: {AWAY_SECONDS:g} s away, slowest answer {slowest:.1f} s, "
              f"{len(during)} predictions meanwhile, slowest {max(s for _, s in during):.3f} s, "
              f"{len(listener.ids)} events without a gap, upload {upload.status}")

    def test_frozen(self):
        self.check(Frozen)

    def test_kept_down(self):
        self.check(KeptDown)


class EmptyLock(unittest.TestCase):
    def test_a_lock_left_empty(self):
        """A PostgreSQL killed between making and filling its lock file does not keep the next from starting."""
        with AttuneServer(engines=0) as server:
            with open(os.path.join(server.data_dir, "socket-dir"), encoding="ascii") as file:
                sockets = file.read().strip()
            path = os.path.join(server.data_dir, "pg", "postmaster.pid")
            for pid in find(server, "postmaster"):
                os.kill(pid, signal.SIGSTOP)  # so that it can't write it again
                open(path, "w", encoding="ascii").close()
                open(os.path.join(sockets, ".s.PGSQL.5432.lock"), "w", encoding="ascii").close()
                os.kill(pid, signal.SIGKILL)
            deadline = time.monotonic() + 30
            while server.get("/readyz").status != 200 or "left empty" not in server.log(10**6):
                self.assertLess(time.monotonic(), deadline, server.log())
                time.sleep(0.1)


class LinkLater(unittest.TestCase):
    def test_database_goes_at_the_start(self):
        """A database that is gone right after the start keeps nobody from serving: the sign-in link comes later."""
        with AttuneServer(engines=0) as first:
            with open(os.path.join(first.data_dir, "conninfo"), encoding="ascii") as file:
                conninfo = file.read().strip()
            first.sign_in_link()
            sql("ALTER TABLE sign_in_code RENAME TO sign_in_code_away", first)
            own = tempfile.mkdtemp(prefix="attune-test-")
            self.addCleanup(shutil.rmtree, own, True)
            shutil.copy(os.path.join(first.data_dir, "admin.key"), own)
            with AttuneServer(["--database", conninfo], data_dir=own) as second:
                deadline = time.monotonic() + 20
                while "no link that signs a browser in yet" not in second.log():
                    self.assertLess(time.monotonic(), deadline, second.log())
                    time.sleep(0.05)
                self.assertEqual(second.get("/readyz").status, 200)
                sql("ALTER TABLE sign_in_code_away RENAME TO sign_in_code", first)
                self.assertIn("/sign-in#code=", second.sign_in_link())
                self.assertEqual(second.stop(), 0)


class Stalled(unittest.TestCase):
    def test_body_that_stops(self):
        """A client that sends half a body and then nothing is let go, and what it held is free again."""
        with AttuneServer(["--body-seconds", "1"], engines=0) as server:
            head = (f"Host: x\r\nAuthorization: Bearer {server.key}\r\nContent-Type: %s\r\nContent-Length: 4000000\r\n\r\n")
            streams = []
            for path, kind in (("/api/v1/datasets", "text/csv"), ("/api/v1/jobs", "application/json")) * 10:
                stream = socket.create_connection(("127.0.0.1", server.port), timeout=30)
                stream.sendall(f"POST {path} HTTP/1.1\r\n{head % kind}".encode() + b"x" * 70000)
                streams.append(stream)
            began = time.monotonic()
            for stream in streams:
                words = b""
                try:
                    while piece := stream.recv(65536):
                        words += piece
                except ConnectionError:
                    pass
                if words:
                    self.assertRegex(words.split(b"\r\n")[0], rb"HTTP/1.1 (408|413|4\d\d) ")
                stream.close()
            self.assertLess(time.monotonic() - began, 15)
            self.assertEqual(server.get("/api/v1/jobs").status, 200)
            deadline = time.monotonic() + 10
            spool = os.path.join(server.data_dir, "spool")
            while any(name.startswith("upload-") for name in os.listdir(spool)) and time.monotonic() < deadline:
                time.sleep(0.05)
            self.assertEqual([name for name in os.listdir(spool) if name.startswith("upload-")], [])


if __name__ == "__main__":
    unittest.main()
