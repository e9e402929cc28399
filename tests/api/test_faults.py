"""Every route while one thing fails under it: the nth allocation, statement, file operation, library call.

Whatever fails, the caller gets the usual answer or a complete problem of 5xx, the server goes on, and the next
request is answered as if nothing had been. The program is server/attuned-faults (tests/harness/faults.h).
"""

import base64
import errno
import http.client
import json
import os
import random
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

import common  # noqa: F401  (finds the harness)
import faults
from attune_server import BUILD, AttuneServer, Client, multipart, runnable_as
from common import idx_images, idx_labels, iris, pictures, png

ROW = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}
IMAGES, LABELS = pictures(60)
# Every call fails in turn with ATTUNE_FAULTS_ALL=1 (make coverage), else one of a few, another in each scenario.
STRIDE = 1 if os.environ.get("ATTUNE_FAULTS_ALL") else 6
# attuned would set them and begin again, which counts twice.
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}


class Lost(Exception):
    """The connection ended without an answer."""


class World:
    """One server with a table, a set of pictures, a model of each, and whatever else there is to ask for."""

    def __init__(self):
        faults.build("server/attuned-faults")
        self.folder = tempfile.mkdtemp(prefix="attune-test-")
        unittest.addModuleCleanup(shutil.rmtree, self.folder, True)
        runnable_as(self.folder)
        self.faults = faults.Faults(self.folder)
        unittest.addModuleCleanup(self.faults.close)
        data = os.path.join(self.folder, "data")
        os.mkdir(data)
        self.api = AttuneServer(
            ["--webhook-allow-private", "--log-level", "error", "--max-live-jobs", "10000", "--max-keys", "10000",
             "--max-webhooks", "1000"], engines=1,
            data_dir=data, environment=self.faults.environment(), program="attuned-faults")
        unittest.addModuleCleanup(self.api.close)
        self.api.start()
        self.table = self.api.upload("/api/v1/datasets", [("file", "iris.csv", iris())]).json["id"]
        self.api.wait_dataset(self.table)
        answer = self.api.upload("/api/v1/train?wait=60", [
            ("images", "i", idx_images(IMAGES)), ("labels", "l", idx_labels(LABELS)), ("trials", "1"),
            ("families", "linear"), ("name", "shapes")])
        assert answer.status in (200, 201, 202), answer
        self.shapes = self.api.wait_job(answer.json["id"], 60)
        answer = self.api.post("/api/v1/jobs", {
            "dataset": self.table, "target": "species", "budget": {"trials": 4}, "families": ["linear"],
            "search": {"method": "random"}, "name": "flowers"})
        done = self.api.wait_job(answer.json["id"], 60)
        self.job, self.version = done["id"], done["model"]["version"]
        self.trial = self.api.get(f"/api/v1/jobs/{self.job}/trials").json["items"][0]["id"]
        self.key = self.api.post("/api/v1/keys", {"name": "k", "scopes": ["read"]}).json["id"]
        answer = self.api.post("/api/v1/webhooks", {"url": "http://127.0.0.1:59999/x", "events": ["job.failed"]})
        assert answer.status == 201, answer
        self.hook = answer.json["id"]
        self.waiting = self.api.post("/api/v1/jobs", {
            "dataset": self.table, "target": "species", "budget": {"seconds": 600}, "families": ["linear"]}).json["id"]
        self.api.post(f"/api/v1/jobs/{self.waiting}/pause")


def setUpModule():
    FaultsTest.world = World()


def tearDownModule():
    """It ends as it should, and a sanitizer finds nothing lost."""
    api = FaultsTest.world.api
    log = api.log()
    status = api.stop()
    assert status == 0, f"exit status {status}\n{log}\n{api.log(20000)}"


class FaultsTest(unittest.TestCase):
    """What a sweep does, and what can be asked for."""

    world = None

    def __getattr__(self, name):
        return getattr(self.world, name)

    def tearDown(self):
        self.faults.end()

    def sweep(self, arm, scenarios, most=200, may_lose=False, last=10**6):
        """Each scenario with the first, second, … call failing, until none is left to fail."""
        for name, scenario in scenarios:
            with self.subTest(name):
                usual = scenario(self.api, self.plain)
                self.assertLess(usual.status, 400, usual)
                nth, fired, count = 1, 1, 0
                rng = random.Random(name)
                while fired and nth <= last:
                    answer, fired = self.once(lambda at=nth: arm(at), scenario)
                    self.judge(nth, answer, fired, usual, may_lose)
                    count += fired > 0
                    if fired:
                        self.settle()
                    nth += rng.randint(1, 2 * STRIDE - 1) if nth < most else nth // 4
                self.assertGreater(count, 0, "nothing was made to fail")
                again = scenario(self.api, self.plain)
                # an upload that was parsed late is answered 202
                self.assertTrue(again.status == usual.status or max(again.status, usual.status) < 300, again)
            self.assertIsNone(self.api.process.poll(), self.api.log())
            self.assertEqual(self.api.get("/readyz").status, 200)

    def plain(self, *arguments, client=None, **more):
        return (client or self.api).call(*arguments, **more)

    def settle(self):
        """After a lost connection nobody asks for another for a moment."""
        deadline = time.monotonic() + 10
        while self.api.get("/readyz").status != 200 and time.monotonic() < deadline:
            time.sleep(0.05)

    def once(self, arm, scenario):
        fired = []

        def call(*arguments, client=self.api, **more):
            arm()
            try:
                return client.call(*arguments, timeout=20, **more)
            except (http.client.HTTPException, OSError) as error:
                raise Lost from error
            finally:
                fired.append(self.faults.end())

        try:
            answer = scenario(self.api, call)
        except Lost:
            answer = None
        return answer, sum(fired)

    def judge(self, nth, answer, fired, usual, may_lose):
        if answer is None:
            self.assertTrue(fired and may_lose, f"no answer when call {nth} fails\n{self.api.log()}")
            return
        if answer.status == usual.status or answer.status < 300:
            return
        self.assertTrue(fired, f"{answer} without a fault")
        if answer.status == 422 and "out of memory" in answer.json["detail"]:
            return  # told as a fault of the column it was wanted for
        self.assertIn(answer.status, (500, 503, 507), f"call {nth}: {answer}")
        self.assertEqual(answer.headers["content-type"], "application/problem+json")
        self.assertIn(answer.json["code"], ("internal", "unavailable", "draining", "storage_full"))
        self.assertTrue(answer.json["detail"] and answer.json["hint"], answer)
        for word in ("SELECT", "server/", ".c:", "made to fail", "errno"):
            self.assertNotIn(word, answer.raw.decode())

    # ---- what is asked ----------------------------------------------------------------------------------

    def looks(self):
        """Requests that change nothing."""
        job, table, model = f"/api/v1/jobs/{self.job}", f"/api/v1/datasets/{self.table}", "/api/v1/models/flowers"
        paths = [
            "/api/v1/jobs?limit=2", job, job + "/logs", job + "/trials",
            f"{job}/trials/{self.trial}", job + "/leaderboard", job + "/events", "/api/v1/datasets?limit=2", table,
            job + "/importance?focus=0.5", job + "/slices?param=linear.penalty&points=4",
            job + "/pairs?x=linear.penalty&y=linear.l1_ratio&points=3", job + "/gain",
            table + "/preview?limit=3", table + "/profile", table + "/issues?target=species", "/api/v1/models", model,
            model + "/schema", model + "/report", model + "/versions", model + "/versions/1", model + "/versions/1/report",
            model + "/versions/1/schema", "/api/v1/webhooks",
            f"/api/v1/webhooks/{self.hook}", f"/api/v1/webhooks/{self.hook}/deliveries", "/api/v1/keys",
            f"/api/v1/keys/{self.key}", "/api/v1/tenants", "/api/v1/tenants/self", "/api/v1/audit?limit=3",
            "/api/v1/usage", "/readyz", "/api/v1/families", "/api/v1/search-methods", "/metrics", "/openapi.json", "/jobs", "/docs", "/docs/guide"]
        return [("GET " + path, lambda api, call, path=path: call("GET", path)) for path in paths]

    def predictions(self):
        flowers, shapes = "/api/v1/models/flowers/predict", "/api/v1/models/shapes/predict"
        picture = png(IMAGES[0], 8, 8)
        coded = base64.b64encode(picture).decode()
        bodies = [
            ("rows", flowers, {"rows": [ROW, {**ROW, "petal_width": "wide"}, {}]}),
            ("csv", flowers, ("text/csv", iris())),
            ("form", flowers, multipart([("file", "iris.csv", iris())])),
            ("image", shapes, ("image/png", picture)),
            ("coded", shapes, {"images": [coded, coded]}),
            ("files", shapes, multipart([("file", "a.png", picture), ("file", "b.png", b"no picture")]))]
        made = [(name, lambda api, call, path=path, body=body: call("POST", path, body)) for name, path, body in bodies]
        made.append(("verify", lambda api, call: call(
            "POST", f"/api/v1/models/flowers/versions/{self.version}/verify")))
        made.append(("estimate", lambda api, call: call("POST", "/api/v1/jobs?validate_only=1", {
            "dataset": self.table, "target": "species", "budget": {"seconds": 60}})))
        return made

    def made(self, path, body, verb="DELETE"):
        """A POST that makes something, which is removed again."""
        def run(api, call):
            answer = call("POST", path, body)
            if answer.status in (200, 201, 202):
                api.call(verb, f"{path}/{answer.json['id']}")
            return answer
        return run

    def removed(self, path, body):
        def run(api, call):
            thing = api.post(path, body)
            self.assertEqual(thing.status, 201, thing)
            return call("DELETE", f"{path}/{thing.json['id']}")
        return run

    def new_job(self, api, **more):
        return api.post("/api/v1/jobs", {"dataset": self.table, "target": "species", "budget": {"seconds": 900},
                                         "families": ["linear"], **more}).json["id"]

    def verb(self, verb, body=None, before=None):
        def run(api, call):
            job = self.new_job(api)
            if before:
                api.post(f"/api/v1/jobs/{job}/{before}")
            answer = call("POST", f"/api/v1/jobs/{job}/{verb}", body)
            api.post(f"/api/v1/jobs/{job}/cancel")
            return answer
        return run

    def job_made(self, path, body):
        def run(api, call):
            answer = call("POST", path, body)
            if answer.status in (200, 201, 202):
                api.post(f"/api/v1/jobs/{answer.json['id']}/cancel")
            return answer
        return run

    def uploaded(self, path, body):
        def run(api, call):
            answer = call("POST", path, body)
            for entry in api.get("/api/v1/jobs").json["items"]:
                if entry["state"] in ("queued", "running") and entry["id"] != self.waiting:
                    api.post(f"/api/v1/jobs/{entry['id']}/cancel")
            return answer
        return run

    def signed_in(self, api, call, method):
        answer = api.post("/api/v1/session", {"key": api.key})
        cookie = answer.headers["set-cookie"].split(";")[0]
        headers = {"Cookie": cookie, "X-CSRF-Token": answer.json["csrf"]}
        return call(method, "/api/v1/session", None, headers, client=Client(api.port, None))

    def changes(self):
        key = {"name": "x", "scopes": ["predict"], "model": "flowers", "expires_in_s": 60}
        hook = {"url": "http://127.0.0.1:59999/y", "events": ["job.succeeded", "job.failed"]}
        job = {"dataset": self.table, "target": "species", "budget": {"seconds": 900}, "families": ["linear"]}
        body = json.dumps({"name": "x", "scopes": ["read"]}).encode()

        def repeated(api, call):
            headers = {"Idempotency-Key": secrets.token_hex(8), "Content-Type": "application/json"}
            first = call("POST", "/api/v1/keys", body, headers)
            if first.status == 201:
                again = api.post("/api/v1/keys", body, headers=headers)
                # An answer that could not be kept is still awaited, or lost; never is there a second key.
                self.assertIn(again.status, (201, 409, 500, 503), again)
                self.assertEqual(again.json.get("id", first.json["id"]), first.json["id"])
                api.call("DELETE", "/api/v1/keys/" + first.json["id"])
            return first

        def tenant(api, call):
            answer = call("POST", "/api/v1/tenants", {"name": "t" + secrets.token_hex(8), "limits": {"keys": 5}})
            if answer.status == 201:
                api.call("PATCH", f"/api/v1/tenants/{answer.json['id']}", {"disabled": True})
                api.call("DELETE", f"/api/v1/tenants/{answer.json['id']}")
            return answer

        def changed(api, call):
            made = api.post("/api/v1/tenants", {"name": "t" + secrets.token_hex(8)}).json["id"]
            answer = call("PATCH", f"/api/v1/tenants/{made}", {"disabled": True, "name": f"n{made}", "limits": {"keys": 7}})
            api.call("PATCH", f"/api/v1/tenants/{made}", {"disabled": True})
            api.call("DELETE", f"/api/v1/tenants/{made}")
            return answer

        def dropped(api, call):
            made = api.post("/api/v1/tenants", {"name": "t" + secrets.token_hex(8)}).json["id"]
            api.call("PATCH", f"/api/v1/tenants/{made}", {"disabled": True})
            return call("DELETE", f"/api/v1/tenants/{made}")

        return [
            ("key", self.made("/api/v1/keys", key)), ("revoke", self.removed("/api/v1/keys", key)),
            ("repeat", repeated),
            ("webhook", self.made("/api/v1/webhooks", hook)), ("webhook delete", self.removed("/api/v1/webhooks", hook)),
            ("webhook test", lambda api, call: call("POST", f"/api/v1/webhooks/{self.hook}/test")),
            ("job", self.job_made("/api/v1/jobs", job)),
            ("warm job", self.job_made("/api/v1/jobs", {**job, "search": {"warm_start_from": self.job},
                                                        "webhook": {"url": "http://127.0.0.1:59999/z"}})),
            ("clone", self.job_made(f"/api/v1/jobs/{self.job}/clone", {"budget": {"seconds": 800}})),
            ("pause", self.verb("pause")), ("resume", self.verb("resume", None, "pause")),
            ("extend", self.verb("extend", {"seconds": 1000})), ("cancel", self.verb("cancel")),
            ("alias", lambda api, call: call("PUT", "/api/v1/models/flowers/aliases/live", {"version": 1})),
            ("tenant", tenant), ("tenant change", changed), ("tenant delete", dropped),
            ("sign in", lambda api, call: call("POST", "/api/v1/session", {"key": api.key})),
            ("session", lambda api, call: self.signed_in(api, call, "GET")),
            ("sign out", lambda api, call: self.signed_in(api, call, "DELETE"))]

    def ready(self, api):
        answer = api.upload("/api/v1/datasets", [("file", "iris.csv", iris())])
        self.assertIn(answer.status, (201, 202), answer)
        return api.wait_dataset(answer.json["id"])["id"]

    def uploads(self):
        def dataset(body):
            def run(api, call):
                answer = call("POST", "/api/v1/datasets", body)
                if answer.status in (200, 201, 202):
                    api.call("DELETE", f"/api/v1/datasets/{answer.json['id']}")
                return answer
            return run

        def schema(api, call):
            made = self.ready(api)
            answer = call("PATCH", f"/api/v1/datasets/{made}/schema", {
                "version": 1, "columns": {"petal_width": "categorical"}})
            api.call("DELETE", f"/api/v1/datasets/{made}")
            return answer

        def deleted(api, call):
            return call("DELETE", f"/api/v1/datasets/{self.ready(api)}")

        small = b"a,b,c\n" + b"".join(b"%d,%d,x\n" % (i, i * i) for i in range(30))
        files = [("file", f"{label}/{i}.png", png(image, 8, 8)) for i, (image, label) in enumerate(zip(IMAGES[:15], LABELS))]
        return [
            ("csv", dataset(("text/csv", small))),
            ("form", dataset(multipart([("file", "a.csv", small), ("name", "small")]))),
            ("idx", dataset(multipart([("images", "i", idx_images(IMAGES[:9])), ("labels", "l", idx_labels(LABELS[:9]))]))),
            ("files", dataset(multipart(files))),
            ("schema", schema), ("delete", deleted),
            ("train", self.uploaded("/api/v1/train", multipart([
                ("file", "iris.csv", iris()), ("target", "species"), ("seconds", "900"), ("families", "linear")])))]


class Memory(FaultsTest):
    def arm(self, nth):
        self.faults.arm(faults.MEMORY, nth)

    def test_looks(self):
        self.sweep(self.arm, self.looks()[:-4], 30, True)

    def test_predictions(self):
        self.sweep(self.arm, self.predictions(), 30, True)

    def test_changes(self):
        self.sweep(self.arm, self.changes(), 30, True)

    def test_uploads(self):
        self.sweep(self.arm, self.uploads(), 30, True)


class Statements(FaultsTest):
    def each(self, scenarios, *kinds):
        for how, state in kinds:
            with self.subTest(how=how, state=state):
                self.sweep(lambda nth: self.faults.arm(faults.STATEMENT, nth, how=how, state=state), scenarios)

    def test_looks(self):
        self.each(self.looks()[:-7], (faults.ERROR, "XX000"), (faults.LOST, ""), (faults.ODD, ""))

    def test_changes(self):
        self.each(self.changes(), (faults.ERROR, "XX000"), (faults.LOST, ""))

    def test_uploads(self):
        self.each(self.uploads(), (faults.ERROR, "XX000"))
        self.each(self.uploads()[:1], (faults.ERROR, "53100"), (faults.LOST, ""))

    def test_a_transaction_is_run_again(self):
        """A serialization failure under a change is nothing the caller hears of, but before its transaction."""
        names = ("key", "job", "pause", "extend", "tenant change")
        self.each([entry for entry in self.changes() if entry[0] in names], (faults.ERROR, "40001"))


class Others(FaultsTest):
    def test_files(self):
        """What can't be written or read: full, or broken."""
        for code in (errno.ENOSPC, errno.EIO):
            with self.subTest(code=code):
                # Those who parse go on with files of their own: there is no last one.
                self.sweep(lambda nth: self.faults.arm(faults.FILE, nth, code=code), self.uploads()[:3], last=16)

    def test_library(self):
        """Where not even an answer can be made the connection ends."""
        static = self.looks()[-4:]
        self.sweep(lambda nth: self.faults.arm(faults.LIBRARY, nth), static + self.looks()[:8],
                   may_lose=True)

    def test_copy(self):
        """The connection is lost in the middle of what is stored."""
        before = self.api.get("/api/v1/datasets").json["items"]
        for nth in (1, 4):
            self.faults.arm(faults.COPY, nth)
            made = self.ready(self.api)
            self.assertEqual(self.faults.end(), 1)
            self.api.call("DELETE", f"/api/v1/datasets/{made}")
        self.assertEqual(self.api.get("/api/v1/datasets").json["items"], before)


class Start(FaultsTest):
    """attuned starts, or says in a line why not and ends with 1."""

    def start(self, kind, nth, code):
        with open(os.path.join(self.api.data_dir, "conninfo"), encoding="utf-8") as file:
            conninfo = file.read().strip()
        return self.attempt(["--database", conninfo], tempfile.mkdtemp(prefix="start-", dir=self.folder), kind, nth, code)

    def attempt(self, arguments, folder, kind, nth, code):
        one = AttuneServer(data_dir=folder, environment=self.faults.environment(), program="attuned-faults")
        self.faults.arm(kind, nth, code=code, state="XX000")
        process = subprocess.Popen(
            [os.path.join(BUILD, "server", one.program), "--data-dir", folder, "--listen", f"127.0.0.1:{one.port}",
             *arguments, "--log-level", "error"], env={**os.environ, **one.environment, **ONE_THREAD},
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        ready = False
        try:
            deadline = time.monotonic() + 30
            while process.poll() is None and not ready and time.monotonic() < deadline:
                try:
                    ready = one.get("/readyz", timeout=5).status == 200
                except OSError:
                    time.sleep(0.02)
            fired = self.faults.end()
            started = process.poll() is None
            if started:
                process.send_signal(signal.SIGTERM)
            said = process.communicate(timeout=30)[1].decode()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        what = f"call {nth} of kind {kind}: {said}"
        # It answers before the last of its threads have started, which may fail, too; the database may fail it no more.
        if ready and kind == faults.STATEMENT:
            self.assertEqual(process.returncode, 0, what)
        if not (started and process.returncode == 0):
            self.assertIn(process.returncode, (1, 2), what)
            self.assertTrue(fired, what)
            self.assertRegex(said, r"attuned: \w+|error: \S+|out of memory", what)
        return fired

    def sweep_start(self, kind, code=errno.ENOSPC, step=8):
        nth = 1
        while self.start(kind, nth, code):
            nth += STRIDE + nth // step
        self.assertGreater(nth, 1)

    def test_system(self):
        self.sweep_start(faults.SYSTEM, errno.EAGAIN)

    def test_files(self):
        self.sweep_start(faults.FILE)

    def test_with_a_database_of_its_own(self):
        """Whatever failed before, the next start finds all it needs."""
        folder = os.path.join(self.folder, "own")
        for kind, nths in ((faults.NONE, (0,)), (faults.SYSTEM, range(1, 9, 2)), (faults.FILE, range(1, 40, 5)),
                           (faults.MEMORY, range(1, 20, 5)), (faults.NONE, (0,))):
            for nth in nths:
                with self.subTest(kind=kind, nth=nth):
                    fired = self.attempt(["--engines", "0"], folder, kind, nth, errno.EAGAIN)
                    self.assertEqual(fired > 0, kind != faults.NONE)

    def test_memory(self):
        self.sweep_start(faults.MEMORY, step=4)

    def test_statements(self):
        self.sweep_start(faults.STATEMENT)


if __name__ == "__main__":
    unittest.main()
