"""A mixed load on one attuned: many clients that predict, list, listen, upload, repeat, cancel, revoke and work on studies.

    load = Load(server, clients=32)
    load.run(seconds)      # {call: {status: count}}; faults in load.faults

Nothing is measured: the load is there for what watches the server meanwhile (the thread sanitizer).
"""

import collections
import http.client
import os
import random
import threading
import time
import uuid

from attune_server import TOP, Client

ALLOWED = {200, 201, 202, 204, 207, 401, 403, 404, 409, 422, 429, 503}


class Load:
    def __init__(self, server, clients=32, seed=1):
        self.server = server
        self.count = clients
        self.seed = seed
        self.stop = threading.Event()
        self.lock = threading.Lock()
        self.answers = collections.defaultdict(collections.Counter)
        self.faults = []
        self.draining = False
        with open(os.path.join(TOP, "tests", "data", "iris.csv"), "rb") as file:
            self.csv = file.read()

    def prepare(self):
        """A dataset, a model, and a job to look at."""
        answer = self.server.upload("/api/v1/train?wait=300", [
            ("file", "iris.csv", self.csv), ("target", "species"), ("name", "iris"), ("families", "linear"),
            ("trials", "2")], timeout=320)
        assert answer.status == 200 and answer.json["model"], answer
        self.dataset, self.job = answer.json["dataset"]["id"], answer.json["id"]
        self.studies = [self.new_study(self.server).json["id"] for _ in range(3)]

    @staticmethod
    def new_study(client):
        return client.post("/api/v1/studies", {"early_stopping": "asha", "steps": {"max": 9}, "space": {
            "x": {"type": "float", "low": 0, "high": 1}, "k": {"type": "categorical", "choices": ["a", "b", "c"]}}})

    # ---- calls: each returns (name, status) -------------------------------------------------------------

    def predict(self, client, rng):
        rows = [{"sepal_length": rng.uniform(4, 8), "petal_width": rng.random()} for _ in range(rng.choice([1, 5, 400]))]
        return client.post(f"/api/v1/models/iris{rng.choice(['', '@best', '@1'])}/predict", {"rows": rows}).status

    def look(self, client, rng):
        return client.get(rng.choice([
            "/api/v1/jobs?limit=5", "/api/v1/datasets", "/api/v1/models", f"/api/v1/jobs/{self.job}",
            f"/api/v1/jobs/{self.job}/trials", f"/api/v1/datasets/{self.dataset}/preview", "/metrics", "/api/v1/keys",
            f"/api/v1/datasets/{self.dataset}/profile", "/api/v1/models/iris/report", "/healthz", "/openapi.json",
            "/api/v1/nothing"])).status

    def listen(self, client, rng):
        """An event stream for a moment, then cut off in the middle."""
        connection = http.client.HTTPConnection("127.0.0.1", client.port, timeout=10)
        try:
            connection.request("GET", f"/api/v1/jobs/{self.job}/events", headers={
                "Authorization": "Bearer " + client.key, "Accept": "text/event-stream",
                "Last-Event-ID": str(rng.randint(0, 5))})
            answer = connection.getresponse()
            answer.read(rng.randint(1, 200))
            return answer.status
        finally:
            connection.close()

    def upload(self, client, rng):
        lines = self.csv.splitlines(keepends=True)
        return client.upload("/api/v1/datasets", [
            ("file", "a.csv", b"".join(lines[:rng.randint(1, len(lines))])), ("name", "x" + str(rng.random()))]).status

    def repeat(self, client, rng):
        """The same creating call twice at once under one key."""
        key = {"Idempotency-Key": uuid.UUID(int=rng.getrandbits(128)).hex}
        body = {"name": "k", "scopes": ["predict"]}
        said = []
        threads = [threading.Thread(target=self.quiet, args=(
            lambda: said.append(client.post("/api/v1/keys", body, headers=key)),)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        made = {answer.json["id"] for answer in said if answer.status == 201}
        if len(made) > 1:
            self.faults.append("one Idempotency-Key made two keys")
        return said[0].status if said else 503

    def cancel(self, client, rng):
        body = {"dataset": self.dataset, "target": "species", "families": ["linear"],
                "budget": {"trials": 50}, "search": {"seed": rng.randint(1, 99)}}
        answer = client.post("/api/v1/jobs", body)
        if answer.status == 202:
            time.sleep(rng.uniform(0, 0.3))
            return client.post(f"/api/v1/jobs/{answer.json['id']}/cancel").status
        return answer.status

    def study(self, client, rng):
        """A turn on a study that others use, too; now and then another takes its place."""
        place = rng.randrange(len(self.studies))
        study = "/api/v1/studies/" + self.studies[place]
        answer = client.post(study + "/suggest", {"client_id": f"c{rng.randint(0, 9)}", "count": rng.randint(1, 3)})
        for trial in answer.json["trials"] if answer.status == 200 else []:
            path = f"{study}/trials/{trial['id']}"
            client.post(path + "/measure", {"step": trial["until_step"], "value": rng.random()})
            client.post(path + rng.choice(["/complete", "/should_stop"]), rng.choice([{"value": rng.random()}, {"failed": True}]))
        if rng.random() < 0.05:
            made = self.new_study(client)
            if made.status == 201:
                self.studies[place] = made.json["id"]
                return client.call("DELETE", study).status
        return client.get(study + rng.choice(["/best", "/trials", "", "/importance"])).status

    def revoke(self, client, rng):
        """A key that is used by somebody while it is revoked."""
        answer = client.post("/api/v1/keys", {"name": "short", "scopes": ["read", "predict"]})
        if answer.status != 201:
            return answer.status
        short = Client(client.port, answer.json["key"])
        user = threading.Thread(target=self.quiet, args=(lambda: [self.predict(short, rng) for _ in range(5)],))
        user.start()
        status = client.call("DELETE", f"/api/v1/keys/{answer.json['id']}").status
        user.join()
        return status

    @staticmethod
    def quiet(call):
        try:
            call()
        except (OSError, http.client.HTTPException):
            pass

    # ---- the load ---------------------------------------------------------------------------------------

    def one_client(self, number):
        rng = random.Random(f"{self.seed}:{number}")
        client = Client(self.server.port, self.server.key)
        calls = [self.predict] * 6 + [self.look] * 6 + [self.listen, self.listen, self.upload, self.repeat,
                                                        self.cancel, self.revoke, self.study, self.study]
        while not self.stop.is_set():
            call = rng.choice(calls)
            try:
                status = call(client, rng)
            except (OSError, http.client.HTTPException) as error:
                if not self.draining:
                    with self.lock:
                        self.faults.append(f"{call.__name__}: {type(error).__name__}: {error}")
                time.sleep(0.05)
                continue
            with self.lock:
                self.answers[call.__name__][status] += 1
                if status not in ALLOWED:
                    self.faults.append(f"{call.__name__} was answered {status}")

    def run(self, seconds):
        """Load for a while; then attuned is asked to end, in the middle of it. Its exit status."""
        threads = [threading.Thread(target=self.one_client, args=(number,)) for number in range(self.count)]
        for thread in threads:
            thread.start()
        time.sleep(seconds)
        self.draining = True
        try:
            return self.server.stop(seconds=120)
        finally:
            self.stop.set()
            for thread in threads:
                thread.join(60)
