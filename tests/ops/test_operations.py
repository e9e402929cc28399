"""The operations guide, block by block, and an upgrade by a schema patch while a job runs."""

import http.client
import os
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import unittest

from attune_server import BUILD, TOP, Client, free_port

NEXT = os.path.join(BUILD, "tests", "ops", "next")
ROW = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}


class Postgres:
    """A private cluster that lives as long as this object."""

    def __init__(self):
        self.process = subprocess.Popen(
            [os.path.join(TOP, "tests", "harness", "with_postgres.sh"), "sh", "-c",
             'echo "$ATTUNE_TEST_DATABASE"; echo "$ATTUNE_TEST_POSTGRES_BIN"; exec sleep 900'],
            stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)
        self.conninfo = self.process.stdout.readline().strip()
        self.programs = self.process.stdout.readline().strip()
        if not self.programs:
            raise AssertionError("no PostgreSQL")

    def sql(self, text):
        # The user's own account may not be known to this cluster: the conninfo names one that is.
        run = subprocess.run([os.path.join(self.programs, "psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", self.conninfo, "-c", text],
                             capture_output=True, text=True, check=False, timeout=60)
        if run.returncode != 0:
            raise AssertionError(run.stderr)
        return run.stdout.strip()

    def close(self):
        self.process.terminate()
        self.process.wait(30)
        self.process.stdout.close()


class Operations(unittest.TestCase):
    def setUp(self):
        self.postgres = Postgres()
        self.addCleanup(self.postgres.close)
        self.folder = tempfile.mkdtemp(prefix="attune-ops-")
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.programs = {}
        self.addCleanup(self.stop_all)

    def program(self, kind, release):
        now = {"attuned": "server", "attune-engine": "engine/worker", "attune-dbinit": "sql"}[kind]
        return os.path.join(NEXT, kind) if release == "next" else os.path.join(BUILD, now, kind)

    def start(self, name, kind, release="now", *arguments):
        environment = {**os.environ, "ATTUNE_LIBEXECDIR": os.path.join(BUILD, "engine", "data")}
        log = open(os.path.join(self.folder, name + ".log"), "ab")
        with log:
            self.programs[name] = subprocess.Popen(
                [self.program(kind, release), "--database", self.postgres.conninfo,
                 "--data-dir", os.path.join(self.folder, name), *arguments],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment)

    def log(self, name):
        with open(os.path.join(self.folder, name + ".log"), encoding="utf-8", errors="replace") as file:
            return file.read()

    def stop(self, name):
        process = self.programs.pop(name)
        process.terminate()
        self.assertEqual(process.wait(60), 0, self.log(name)[-3000:])

    def stop_all(self):
        for process in self.programs.values():
            process.kill()
            process.wait()

    def dbinit(self, release, *arguments):
        return subprocess.run([self.program("attune-dbinit", release), "--database", self.postgres.conninfo, *arguments],
                              capture_output=True, text=True, timeout=60, check=False)

    def wait_ready(self, port, seconds=60):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                if Client(port, None).get("/readyz", timeout=5).status == 200:
                    return
            except OSError:
                pass
            time.sleep(0.05)
        raise AssertionError("not ready\n" + "\n".join(self.log(name)[-2000:] for name in self.programs))

    def test_guide(self):
        """Runs the operations guide's shell blocks in order, in one shell."""
        with open(os.path.join(TOP, "api-docs", "operations.md"), encoding="utf-8") as file:
            blocks = re.findall(r"^```sh\n(.*?)^```$", file.read(), re.S | re.M)
        self.assertGreater(len(blocks), 8)
        shutil.copy(os.path.join(TOP, "tests", "data", "iris.csv"), self.folder)
        # Free ports in place of the ones that the guide names.
        script = "set -eu\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n" + "\n".join(blocks)
        for port in sorted(set(re.findall(r"\b180\d\d\b", script))):
            script = script.replace(port, str(free_port()))
        path = ":".join([*(os.path.join(BUILD, room) for room in ("server", "engine/worker", "sql")),
                         self.postgres.programs, os.environ["PATH"]])
        run = subprocess.run(["bash", "-c", script], cwd=self.folder, capture_output=True, text=True, timeout=240, check=False,
                             env={**os.environ, "PATH": path, "DB": self.postgres.conninfo, "DATA": self.folder})
        self.assertEqual(run.returncode, 0, run.stdout[-3000:] + run.stderr[-6000:])
        self.assertEqual(run.stdout.count('"label":"setosa"') + run.stdout.count('"label": "setosa"'), 2, run.stdout)

    def test_upgrade_while_a_job_runs(self):
        """Two attuned and two engines; a patch comes, and all are replaced one by one under traffic."""
        ports = [free_port(), free_port()]
        self.assertEqual(self.dbinit("now").returncode, 0)
        listen = [("--listen", f"127.0.0.1:{port}") for port in ports]
        for i in (0, 1):
            self.start(f"attuned-{i}", "attuned", "now", *listen[i])
            self.wait_ready(ports[i])
            self.start(f"engine-{i}", "attune-engine", "now", "--workers", "1")
        with open(os.path.join(self.folder, "attuned-0", "admin.key"), encoding="ascii") as file:
            key = file.read().strip()
        client = Client(ports[0], key)
        with open(os.path.join(TOP, "tests", "data", "iris.csv"), "rb") as file:
            iris = file.read()
        answer = client.upload("/api/v1/train?wait=60", [("file", "iris.csv", iris), ("target", "species"),
                                                         ("trials", "2"), ("families", "linear"), ("name", "served")])
        self.assertEqual(answer.status, 200, answer)
        dataset = answer.json["dataset"]["id"] if isinstance(answer.json.get("dataset"), dict) else answer.json["dataset"]
        body = {"dataset": dataset, "target": "species", "budget": {"trials": 40}, "deploy_as": "upgraded"}
        answer = client.post("/api/v1/jobs", body)
        self.assertEqual(answer.status, 202, answer)
        job = answer.json["id"]

        traffic = Traffic(ports, key, job)
        traffic.start()
        try:
            self.wait_trials(job, 3)
            done = self.dbinit("next")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("next", done.stderr)
            for i in (0, 1):
                self.stop(f"attuned-{i}")
                self.start(f"attuned-{i}", "attuned", "next", *listen[i])
                self.wait_ready(ports[i])
            for i in (0, 1):
                self.stop(f"engine-{i}")
                self.start(f"engine-{i}", "attune-engine", "next", "--workers", "1")
                before = self.trials(job)
                if before < 40:
                    self.wait_trials(job, min(before + 2, 40))
            ended = Client(ports[1], key).wait_job(job, 240)
        finally:
            traffic.stop()
        self.assertEqual(traffic.faults, [])
        self.assertGreater(traffic.answers, 100)
        self.assertEqual(ended["state"], "succeeded", ended)
        self.assertEqual(self.postgres.sql(
            f"SELECT count(*), count(DISTINCT number), max(number) FROM trial WHERE job_id = '{job}' AND state = 'done'"), "40|40|40")
        answer = Client(ports[0], key).post("/api/v1/models/upgraded/predict", {"rows": [ROW]})
        self.assertEqual(answer.json["predictions"][0]["label"], "setosa", answer)

    def trials(self, job):
        return int(self.postgres.sql(f"SELECT count(*) FROM trial WHERE job_id = '{job}' AND state = 'done'"))

    def wait_trials(self, job, wanted, seconds=90):
        deadline = time.monotonic() + seconds
        while self.trials(job) < wanted:
            self.assertLess(time.monotonic(), deadline, "the job stands still\n" + self.log("engine-0")[-3000:])
            time.sleep(0.1)

    def test_schema_out_of_range(self):
        """A program that is too new, or too old, for the schema does not serve and says what to do."""
        self.assertEqual(self.dbinit("now").returncode, 0)
        self.assertEqual(self.dbinit("now", "--check").returncode, 0)
        check = self.dbinit("next", "--check")
        self.assertEqual(check.returncode, 1)
        self.assertIn("attune-dbinit", check.stderr)
        self.refuses("next", "attune-dbinit")
        self.assertEqual(self.dbinit("next").returncode, 0)
        newest = self.postgres.sql("SELECT max(number) FROM schema_patch")
        self.postgres.sql("INSERT INTO setting (name, value) VALUES ('schema_serves_from', '%s')"
                          " ON CONFLICT (name) DO UPDATE SET value = excluded.value" % newest)
        self.refuses("now", "update this program")

    def refuses(self, release, remedy):
        """attuned ends; an engine waits for the schema. Both say what to do."""
        self.start("refused", "attuned", release, "--listen", f"127.0.0.1:{free_port()}")
        self.start("waiting", "attune-engine", release, "--workers", "1")
        self.assertNotEqual(self.programs["refused"].wait(30), 0)
        deadline = time.monotonic() + 30
        while remedy not in self.log("waiting"):
            self.assertLess(time.monotonic(), deadline, self.log("waiting"))
            time.sleep(0.1)
        self.assertIn(remedy, self.log("refused"))
        self.assertIsNone(self.programs["waiting"].poll())
        for name in ("refused", "waiting"):
            process = self.programs.pop(name)
            process.terminate()
            process.wait(30)
            os.remove(os.path.join(self.folder, name + ".log"))


class Traffic(threading.Thread):
    """What clients of a balancer see: predictions and looks at the job, another server tried when one is away."""

    def __init__(self, ports, key, job):
        super().__init__(daemon=True)
        self.ports, self.key, self.job = ports, key, job
        self.ended, self.answers, self.faults = threading.Event(), 0, []

    def stop(self):
        self.ended.set()
        self.join(60)

    def run(self):
        turn = 0
        while not self.ended.wait(0.02):
            turn += 1
            if not any(self.ask(self.ports[(turn + i) % 2], turn) for i in (0, 1)):
                self.faults.append("neither server answered")

    def ask(self, port, turn):
        client = Client(port, self.key)
        try:
            answer = client.post("/api/v1/models/served/predict", {"rows": [ROW]}, timeout=20) if turn % 2 \
                else client.get(f"/api/v1/jobs/{self.job}", timeout=20)
        except (OSError, socket.timeout, http.client.HTTPException):
            return False
        if answer.status == 503 and "retry-after" in answer.headers:
            return False
        self.answers += 1
        if answer.status != 200:
            self.faults.append(repr(answer))
        return True


if __name__ == "__main__":
    unittest.main()
