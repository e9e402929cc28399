"""Studies with many clients at once, over several servers and restarts, and the page that shows how to use them."""

import collections
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from common import TOP, ApiTest, sql  # first: it finds the harness
from attune_server import BUILD, AttuneServer, Client, free_port

sys.path.insert(0, os.path.join(TOP, "tests", "ops"))
from test_operations import Postgres  # noqa: E402

SPACE = {"a": {"type": "float", "low": -1, "high": 1}, "b": {"type": "float", "low": 0.001, "high": 1, "scale": "log"},
         "k": {"type": "int", "low": 1, "high": 40}, "c": {"type": "categorical", "choices": ["u", "v", "w"]}}
CLIENTS = 64


def value(params):
    return (params["a"] - 0.2) ** 2 + params["b"] + abs(params["k"] - 17) / 40 + (params["c"] != "v") / 4


class Worker(threading.Thread):
    """Asks and tells until each study of its list has no more."""

    def __init__(self, client, name, studies, told, lock):
        super().__init__()
        self.client, self.client_id, self.studies, self.told, self.lock = client, name, studies, told, lock
        self.seconds, self.faults = [], []

    def run(self):
        try:
            for study in self.studies:
                while self.one(study):
                    pass
        except Exception as fault:  # told by the test's thread
            self.faults.append(repr(fault))

    def one(self, study):
        begun = time.monotonic()
        answer = self.client.post(study + "/suggest", {"client_id": self.client_id})
        self.seconds.append(time.monotonic() - begun)
        if answer.status != 200:
            if answer.status != 409 or answer.json["code"] != "study_complete":
                self.faults.append(repr(answer))
            return False
        trial = answer.json["trials"][0]
        result = value(trial["params"])
        answer = self.client.post(f"{study}/trials/{trial['id']}/complete", {"value": result})
        if answer.status != 200:
            self.faults.append(repr(answer))
        with self.lock:
            self.told[study].append((trial["id"], json.dumps(trial["params"]), result))
        return True


class Crowd(ApiTest):
    def crowd(self, studies, trials):
        told, lock = collections.defaultdict(list), threading.Lock()
        workers = [Worker(Client(self.api.port, self.api.key), f"worker-{i}", studies[i % len(studies):] + studies[:i % len(studies)],
                          told, lock) for i in range(CLIENTS)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(300)
        self.assertEqual([fault for worker in workers for fault in worker.faults], [])
        for study in studies:
            self.assertEqual(len(told[study]), trials)
            self.assertEqual(len({trial for trial, _, _ in told[study]}), trials, "a trial was given to two clients")
            self.assertEqual(len({params for _, params, _ in told[study]}), trials, "a point was suggested twice")
            stored, cursor = {}, ""
            while cursor is not None:
                page = self.api.get(f"{study}/trials?limit=100&cursor={cursor}").json
                stored.update((trial["id"], trial["value"]) for trial in page["items"])
                cursor = page["next_cursor"]
            self.assertEqual(stored, {trial: result for trial, _, result in told[study]}, "a result was lost")
            view = self.api.get(study).json
            self.assertEqual((view["state"], view["trials"]["done"], view["trials"]["running"]), ("complete", trials, 0))
        seconds = sorted(second for worker in workers for second in worker.seconds)
        return seconds[len(seconds) // 2], seconds[int(0.99 * len(seconds))]

    def make(self, **more):
        answer = self.api.post("/api/v1/studies", {"space": SPACE, "seed": 3, **more})
        self.assertEqual(answer.status, 201, answer)
        return "/api/v1/studies/" + answer.json["id"]

    def test_one_study(self):
        for method, trials in (("bayes", 192), ("random", 320)):
            half, most = self.crowd([self.make(method=method, max_trials=trials)], trials)
            print(f"{CLIENTS} clients on one study, {method}: asks took {1e3 * half:.0f} ms (median), {1e3 * most:.0f} ms (p99)")

    def test_many_studies(self):
        half, most = self.crowd([self.make(max_trials=24) for _ in range(16)], 24)
        print(f"{CLIENTS} clients on 16 studies: asks took {1e3 * half:.0f} ms (median), {1e3 * most:.0f} ms (p99)")

    def test_others_are_answered_meanwhile(self):
        """A crowd on one study takes none of the threads that wait for the database."""
        study, told, lock = self.make(max_trials=160), collections.defaultdict(list), threading.Lock()
        workers = [Worker(Client(self.api.port, self.api.key), f"worker-{i}", [study], told, lock) for i in range(CLIENTS)]
        for worker in workers:
            worker.start()
        slowest = 0.0
        while any(worker.is_alive() for worker in workers):
            begun = time.monotonic()
            self.assertEqual(self.api.get("/api/v1/jobs?limit=1").status, 200)
            slowest = max(slowest, time.monotonic() - begun)
            time.sleep(0.02)
        self.assertEqual([fault for worker in workers for fault in worker.faults], [])
        print(f"the slowest other call took {1e3 * slowest:.0f} ms")


class SameEverywhere(unittest.TestCase):
    """The same seed and the same order of calls give the same suggestions, whoever computes them."""

    def study(self, client, **more):
        answer = client.post("/api/v1/studies", {"space": SPACE, "seed": 11, "steps": {"min": 1, "max": 9},
                                                 "early_stopping": "asha", **more})
        self.assertEqual(answer.status, 201, answer)
        return "/api/v1/studies/" + answer.json["id"]

    def play(self, study, client_of, moves=40):
        """Plays a fixed game of two workers; the points that were suggested, and the ids of their trials."""
        points = []
        held = {0: [], 1: []}
        for move in range(moves):
            who = move % 2
            answer = client_of(move).post(study + "/suggest", {"client_id": f"w{who}", "count": 2})
            self.assertEqual(answer.status, 200, answer)
            held[who] = answer.json["trials"]
            trial = held[who][move // 2 % 2]
            points.append((trial["number"], trial["from_step"], json.dumps(trial["params"])))
            step = trial["from_step"]
            while step < trial["until_step"]:
                step += 1
                self.post(client_of(move), f"{study}/trials/{trial['id']}/measure", {"step": step, "value": value(trial["params"]) + 1 / step})
            if step == 9:
                self.post(client_of(move), f"{study}/trials/{trial['id']}/complete", {"value": value(trial["params"])})
            elif move % 7 == 6:
                self.post(client_of(move), f"{study}/trials/{trial['id']}/complete", {"failed": True})
        return points

    def post(self, client, path, body):
        answer = client.post(path, body)
        self.assertEqual(answer.status, 200, answer)

    def test_cold_and_warm_and_two_servers(self):
        postgres = Postgres()
        self.addCleanup(postgres.close)
        dbinit = [os.path.join(BUILD, "sql", "attune-dbinit"), "--database", postgres.conninfo]
        subprocess.run(dbinit, check=True, capture_output=True, timeout=60)
        servers = [Shared(postgres.conninfo) for _ in range(2)]
        for server in servers:
            self.addCleanup(server.close)
            server.start()
        clients = [Client(server.port, servers[0].key) for server in servers]
        for more in ({}, {"method": "random"}, {"early_stopping": "none"}):
            with self.subTest(more):
                warm = self.play(self.study(clients[0], **more), lambda move: clients[0])
                self.assertEqual(len({point for _, _, point in warm}) > 10, True)
                # each call to the other server: neither has seen the call before
                both = self.play(self.study(clients[0], **more), lambda move: clients[move % 3 % 2])
                self.assertEqual(both, warm)
        # a server that is started anew for every few calls
        study = self.study(clients[0])

        def restarted(move):
            if move % 10 == 5 and self.restarts < move:
                self.restarts = move
                servers[1].stop()
                servers[1].start()
            return clients[1]

        self.restarts = 0
        cold = self.play(study, restarted)
        self.assertGreater(self.restarts, 30)
        self.assertEqual(cold, self.play(self.study(clients[0]), lambda move: clients[0]))

    def test_small_cache(self):
        """Studies that do not fit in memory are read again, with the same outcome."""
        with AttuneServer(["--study-cache", "1M"], engines=0) as server:
            studies = [self.study(server) for _ in range(16)]
            games = [self.play(study, lambda move: server, 8) for study in studies]
            self.assertEqual([game for game in games if game != games[0]], [])
            late = [server.post(study + "/suggest", {"client_id": "late"}).json["trials"][0] for study in studies]
            self.assertEqual(len({(trial["number"], trial["from_step"], json.dumps(trial["params"])) for trial in late}), 1)
            metrics = server.get("/metrics").raw.decode()
            held = int(re.search(r"^attune_study_cache_bytes (\d+)", metrics, re.M)[1])
            self.assertTrue(0 < held <= 2 ** 20, held)
            self.assertGreater(int(re.search(r"^attune_study_cache_misses_total (\d+)", metrics, re.M)[1]), len(studies))


class DatabaseRefuses(unittest.TestCase):
    def test_a_damaged_commit_loses_nothing(self):
        """The log and the search in memory part when the database refuses; both go on from the log."""
        with AttuneServer(engines=0) as api:
            study = "/api/v1/studies/" + api.post("/api/v1/studies", {"space": SPACE, "seed": 1}).json["id"]
            trial = api.post(study + "/suggest", {"client_id": "a"}).json["trials"][0]["id"]
            sql("ALTER TABLE study_trial RENAME TO study_trial_away", api)
            try:
                broken = [api.post(study + "/suggest", {"client_id": "b"}),
                          api.post(f"{study}/trials/{trial}/complete", {"value": 1})]
            finally:
                sql("ALTER TABLE study_trial_away RENAME TO study_trial", api)
            self.assertEqual([answer.status for answer in broken], [500, 500])
            sql("ALTER TABLE study_trial ADD CHECK (number <> 2)", api)  # the log has it, the search, too, but not the trials
            self.assertEqual(api.post(study + "/suggest", {"client_id": "b"}).status, 500)
            sql("ALTER TABLE study_trial DROP CONSTRAINT study_trial_number_check", api)
            self.assertEqual(api.post(study + "/suggest", {"client_id": "b"}).json["trials"][0]["number"], 2)
            self.assertEqual(api.post(f"{study}/trials/{trial}/complete", {"value": 1}).status, 200)
            trials = api.get(study).json["trials"]
            self.assertEqual((trials["running"], trials["done"]), (1, 1))


class Shared:
    """An attuned that only serves, on a database of others."""

    def __init__(self, conninfo):
        self.conninfo, self.port, self.process = conninfo, free_port(), None
        self.folder = tempfile.TemporaryDirectory(prefix="attune-shared-")
        self.key = None

    def start(self):
        log = os.path.join(self.folder.name, "log")
        with open(log, "ab") as out:
            self.process = subprocess.Popen(
                [os.path.join(BUILD, "server", "attuned"), "--database", self.conninfo, "--data-dir", self.folder.name,
                 "--listen", f"127.0.0.1:{self.port}"], stdout=out, stderr=out, stdin=subprocess.DEVNULL,
                env={**os.environ, "ATTUNE_LIBEXECDIR": os.path.join(BUILD, "engine", "data")})
        deadline = time.monotonic() + 60
        while True:
            try:
                if Client(self.port, None).get("/readyz", timeout=5).status == 200:
                    break
            except OSError:
                pass
            if time.monotonic() > deadline:
                with open(log, encoding="utf-8", errors="replace") as file:
                    raise AssertionError(file.read()[-3000:])
            time.sleep(0.05)
        path = os.path.join(self.folder.name, "admin.key")
        if os.path.exists(path):
            with open(path, encoding="ascii") as file:
                self.key = file.read().strip()

    def stop(self):
        self.process.terminate()
        self.process.wait(60)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.folder.cleanup()


class Page(ApiTest):
    """What the page shows is what works."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with open(os.path.join(TOP, "api-docs", "studies.md"), encoding="utf-8") as file:
            cls.text = file.read()
        cls.environment = {**os.environ, "URL": f"http://127.0.0.1:{cls.api.port}", "KEY": cls.api.key}

    def blocks(self, language):
        return re.findall(rf"^```{language}\n(.*?)^```$", self.text, re.S | re.M)

    def run_in(self, folder, *command):
        run = subprocess.run(command, cwd=folder, env=self.environment, capture_output=True, text=True, timeout=120, check=False)
        self.assertEqual((run.returncode, run.stderr), (0, ""), run.stdout)
        return run.stdout

    def test_curl(self):
        blocks = self.blocks("sh")
        self.assertEqual(len(blocks), 4)
        script = ["set -u", "curl() { command curl -s -o answer -w '%{http_code}\\n' \"$@\" >>statuses; cat answer; }"]
        with tempfile.TemporaryDirectory() as folder:
            self.run_in(folder, "bash", "-c", "\n".join(script + blocks))
            with open(os.path.join(folder, "statuses"), encoding="ascii") as file:
                statuses = file.read().split()
        self.assertEqual(len(statuses), len(re.findall(r"\bcurl ", "\n".join(blocks))))
        self.assertEqual(set(statuses), {"200", "201"})

    def test_python(self):
        self.assertEqual(len(self.blocks("python")), 1)
        with tempfile.TemporaryDirectory() as folder:
            said = self.run_in(folder, sys.executable, "-c", self.blocks("python")[0])
        self.assertLess(float(said.split()[0]), 0.5)

    def test_c(self):
        self.assertEqual(len(self.blocks("c")), 1)
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "worker.c"), "w", encoding="utf-8") as file:
                file.write(self.blocks("c")[0])
            command = re.search(r"`(cc worker\.c [^`]*)`", self.text)[1].split()
            self.run_in(folder, *command, "-Wall", "-Wextra", "-Werror", "-o", "worker")
            best = json.loads(self.run_in(folder, "./worker"))
        self.assertLess(abs(best["x"] - 0.3) + abs(best["y"] + 0.2), 0.2)


if __name__ == "__main__":
    unittest.main()
