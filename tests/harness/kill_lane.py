"""One lane of the kill test: an Attune of its own that never runs out of jobs, and what was promised to it.

StandaloneLane is a standalone attuned; ExternalLane a PostgreSQL, an attuned and two engines that the lane starts
again when they were killed. Everything accepted (202) is written to accepted.jsonl before anything else, so that
a lane can be taken up again by a later run. One thread submits; the caller's thread kills and checks.
"""

import json
import os
import pwd
import random
import shutil
import signal
import subprocess
import threading
import time
import uuid

from attune_server import BUILD, TOP, AttuneServer, multipart, runnable_as
from kills import table
from sql_shell import Away, SqlShell

LIVE_JOBS = 3
LARGE_TIMES = 100  # 200,000 rows, 9 MB
AUDIT = """CREATE TABLE IF NOT EXISTS kill_audit (unit_id bigint, token bigint, at timestamptz DEFAULT clock_timestamp());
CREATE OR REPLACE FUNCTION kill_audit() RETURNS trigger LANGUAGE plpgsql AS
 $$ BEGIN INSERT INTO kill_audit (unit_id, token) VALUES (NEW.id, NEW.lease_token); RETURN NULL; END $$;
CREATE OR REPLACE TRIGGER kill_audit AFTER UPDATE ON unit FOR EACH ROW
 WHEN (NEW.state = 'done' AND (OLD.state <> 'done' OR OLD.ended_at IS DISTINCT FROM NEW.ended_at))
 EXECUTE FUNCTION kill_audit()"""


def small_table(rng):
    """Iris shuffled, or a two-class table of a few hundred rows, rarely some thousands."""
    if rng.random() < 0.5:
        with open(os.path.join(TOP, "tests", "data", "iris.csv"), encoding="ascii") as file:
            head, *lines = file.read().splitlines()
        rng.shuffle(lines)
        return "\n".join([head, *lines, ""]).encode(), "species"
    return table(rng.choice([200, 400, 400, 3000]), rng.randrange(1 << 30)), "label"


def large_table(rng):
    """A table that takes a second to parse; most of it is never trained on."""
    content = table(2000, rng.randrange(1 << 30))
    head, _, rest = content.partition(b"\n")
    return head + b"\n" + rest * LARGE_TIMES


def slowly(content, seconds):
    """The bytes in pieces, over that long."""
    pieces = max(1, int(seconds / 0.1))
    size = -(-len(content) // pieces)
    for at in range(0, len(content), size):
        yield content[at:at + size]
        time.sleep(seconds / pieces)


def small_job(rng, dataset, target, name):
    families = rng.choice([["linear"], ["linear", "trees"], ["mlp"], ["linear", "trees", "mlp"]])
    body = {"dataset": dataset, "target": target, "name": name, "deploy_as": name, "families": families,
            "budget": {"trials": rng.randint(3, 9)}, "search": {"seed": rng.randrange(1 << 30), "space": {}}}
    if "trees" in families:
        body["search"]["space"]["trees"] = {"rounds": 40}
    if "mlp" in families:
        body["search"]["space"]["mlp"] = {"epochs": 15}
    if len(families) == 1:
        body["search"]["space"] = body["search"]["space"].get(families[0], {})
    if not body["search"]["space"]:
        del body["search"]["space"]
    if rng.random() < 0.6:
        body["validation"] = {"holdout": 0.2}
    return body


class Lane:
    """What both kinds share. `server` is the AttuneServer that is spoken to."""

    kind = ""

    def __init__(self, number, root, seed):
        self.number = number
        self.root = os.path.join(root, f"lane-{number}")
        os.makedirs(self.root, exist_ok=True)
        os.chmod(self.root, 0o711)
        self.seed = seed
        self.uploading = 0  # uploads under way
        self.stopping = threading.Event()
        self.submitters = [threading.Thread(target=target, daemon=True) for target in (self.submit, self.upload)]
        self.accepted = []  # {"job", "name", "trials"}, {"dataset"}, and {"asked": name} of a job, before its answer
        self.faults = []
        self.lock = threading.Lock()
        self.checked = {}  # job -> what its model answered
        self.shell = self.server = None
        path = os.path.join(self.root, "accepted.jsonl")
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                self.accepted = [json.loads(line) for line in file if line.endswith("\n")]
        self.book = open(path, "a", encoding="utf-8")

    def begin(self):
        self.start()
        self.shell.patiently(AUDIT)
        for submitter in self.submitters:
            submitter.start()

    def accept(self, **what):
        with self.lock:
            self.book.write(json.dumps(what) + "\n")
            self.book.flush()
            self.accepted.append(what)

    # ---- submitting -----------------------------------------------------------------------------------

    def ask(self, call):
        """The answer of a creating call, repeated under its idempotency key until there is one."""
        while not self.stopping.is_set():
            try:
                answer = call()
            except OSError:
                time.sleep(0.2)
                continue
            if answer.status < 300:
                return answer
            # Busy: the first try was cut short by a kill, and its claim is still held for it.
            busy = answer.status == 409 and answer.json.get("code") == "idempotency_busy"
            if answer.status not in (503, 429) and not busy:
                self.faults.append(f"a creating call was answered {answer}")
                return None
            time.sleep(0.3)
        return None

    def submit(self):
        rng = random.Random(f"{self.seed}:{self.number}:{len(self.accepted)}")
        dataset, uses = None, 0
        while not self.stopping.is_set():
            try:
                if uses == 0:
                    dataset, uses = self.new_dataset(rng), rng.randint(1, 2)
                if dataset is None:
                    uses = 0
                    continue
                uses -= 1
                self.new_job(rng, dataset)
                while not self.stopping.is_set() and self.live_jobs() >= LIVE_JOBS:
                    time.sleep(0.3)
            except OSError:
                time.sleep(0.3)

    def new_dataset(self, rng):
        content, target = small_table(rng)
        dataset = self.send(content, 0)
        if dataset is None:
            return None
        while not self.stopping.is_set():
            try:
                view = self.server.get(f"/api/v1/datasets/{dataset}", timeout=10)
                if view.status == 200 and view.json["state"] == "ready":
                    return dataset, target
                if view.status == 200 and view.json["state"] == "failed":
                    return None  # its problem is checked at the end
            except OSError:
                pass
            time.sleep(0.2)
        return None

    def send(self, content, seconds):
        """The id of a new dataset whose body took so long to send."""
        key = uuid.uuid4().hex
        kind, body = multipart([("file", "t.csv", content)])
        headers = {"Idempotency-Key": key, "Content-Length": str(len(body)), "Content-Type": kind}
        with self.lock:
            self.uploading += 1
        try:
            answer = self.ask(lambda: self.server.call("POST", "/api/v1/datasets", slowly(body, seconds),
                                                       headers=headers, timeout=30))
        finally:
            with self.lock:
                self.uploading -= 1
        if answer is not None:
            self.accept(dataset=answer.json["id"])
        return answer and answer.json["id"]

    def upload(self):
        """Large bodies one after another, sent slowly, which are parsed and thrown away."""
        rng = random.Random(f"{self.seed}:{self.number}:{len(self.accepted)}:uploads")
        while not self.stopping.is_set():
            try:
                self.send(large_table(rng), rng.uniform(1, 4))
            except OSError:
                pass
            self.stopping.wait(rng.uniform(1, 4))

    def new_job(self, rng, dataset):
        name = "j" + uuid.uuid4().hex[:16]
        body = small_job(rng, *dataset, name)
        self.accept(asked=name)
        key = {"Idempotency-Key": uuid.uuid4().hex}
        answer = self.ask(lambda: self.server.post("/api/v1/jobs", body, headers=key, timeout=30))
        if answer is not None:
            self.accept(job=answer.json["id"], name=name, trials=body["budget"]["trials"])

    def live_jobs(self):
        answer = self.server.get("/api/v1/jobs?limit=20", timeout=10)
        if answer.status != 200:
            raise OSError("no list")
        return sum(job["state"] in ("queued", "running") for job in answer.json["items"])

    # ---- processes ------------------------------------------------------------------------------------

    def processes(self):
        own = self.shell.process.pid if self.shell and self.shell.process else 0
        return [(pid, command) for pid, command in self.server.processes() if pid != own
                and not command.startswith("psql")]

    def find(self, victim):
        """Process numbers of the victims of one kind."""
        found = []
        for pid, command in self.processes():
            words = command.split(" ")
            program = os.path.basename(words[0])
            engine = program == "attune-engine"
            if (victim == "trial" and engine and "--trial" in words) \
                    or (victim == "worker" and engine and "--worker" in words) \
                    or (victim == "engine" and engine and "--worker" not in words and "--trial" not in words) \
                    or (victim == "attuned" and self.server.process and pid == self.server.process.pid) \
                    or (victim == "postmaster" and program == "postgres" and "-D" in words) \
                    or (victim == "backend" and command.startswith("postgres:") and "[local]" in command
                        and pid != self.shell.backend):
                found.append(pid)
        return found

    def killed(self, victim, pid):
        """Starts again what was killed, where nothing in Attune does it."""
        if victim == "attuned":
            self.server.process.wait()
            self.server.process = None
            self.server.start()

    def stop(self):
        self.stopping.set()
        for submitter in self.submitters:
            submitter.join(90)
        self.book.close()


class StandaloneLane(Lane):
    kind = "standalone"

    def start(self):
        self.server = AttuneServer(engines=2, data_dir=os.path.join(self.root, "data"))
        os.makedirs(self.server.data_dir, exist_ok=True)
        self.server.start()
        self.find_socket()

    def find_socket(self):
        with open(os.path.join(self.server.data_dir, "socket-dir"), encoding="utf-8") as file:
            self.shell = SqlShell(file.read().strip(), "attune", "attune")

    def killed(self, victim, pid):
        super().killed(victim, pid)
        if victim == "attuned":  # the socket of a private cluster moves
            self.shell.close()
            self.find_socket()

    def end(self):
        """Ends everything; true when nothing had to be forced."""
        self.shell.close()
        status = self.server.stop()
        return self.server.wait_gone() and status == 0


class ExternalLane(Lane):
    kind = "external"

    def start(self):
        self.pg = os.path.join(self.root, "pg")
        self.socket = os.path.join(self.root, "s")
        self.database = f"host={self.socket} user=postgres dbname=postgres"
        self.bin = sorted(path for path in (f"/usr/lib/postgresql/{v}/bin" for v in os.listdir("/usr/lib/postgresql"))
                          if os.path.exists(path + "/initdb"))[-1]
        self.postgres = None
        self.engines = [None, None]
        runnable_as(self.root)
        fresh = not os.path.exists(os.path.join(self.pg, "PG_VERSION"))
        if fresh:
            os.makedirs(self.socket, exist_ok=True)
            os.makedirs(self.pg, exist_ok=True)
            if os.getuid() == 0:
                owner = pwd.getpwnam("postgres")
                os.chown(self.pg, owner.pw_uid, owner.pw_gid)
                os.chown(self.socket, owner.pw_uid, owner.pw_gid)
            os.chmod(self.pg, 0o700)
            subprocess.run(self.as_owner(f"{self.bin}/initdb", "-D", self.pg, "-U", "postgres", "--encoding=UTF8",
                                         "--locale=C", "--auth=trust"),
                           check=True, stdout=subprocess.DEVNULL, cwd=self.pg)
            with open(os.path.join(self.pg, "postgresql.auto.conf"), "a", encoding="ascii") as file:
                file.write(f"listen_addresses = ''\nunix_socket_directories = '{self.socket}'\n"
                           "shared_buffers = '64MB'\nmax_wal_size = '1GB'\n")
        self.start_postgres()
        if fresh:
            subprocess.run([os.path.join(BUILD, "sql", "attune-dbinit"), "--database", self.database], check=True)
        self.server = AttuneServer(["--database", self.database], data_dir=os.path.join(self.root, "data"))
        self.server.processes = lambda: processes_of(self.server, self.root)
        os.makedirs(self.server.data_dir, exist_ok=True)
        self.server.start()
        for number in range(len(self.engines)):
            self.start_engine(number)
        self.shell = SqlShell(self.socket, "postgres", "postgres")

    def as_owner(self, *command):
        if os.getuid() != 0:
            return list(command)
        return ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "env", "LC_ALL=C", *command]

    def start_postgres(self):
        """The postmaster, tried again while what the last one left behind still holds the memory."""
        deadline = time.monotonic() + 60
        with open(os.path.join(self.root, "postgres.log"), "ab") as log:
            while time.monotonic() < deadline:
                self.postgres = subprocess.Popen(self.as_owner(f"{self.bin}/postgres", "-D", self.pg),
                                                 stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self.pg)
                while self.postgres.poll() is None:
                    if subprocess.run([f"{self.bin}/pg_isready", "-q", "-h", self.socket], check=False,
                                      ).returncode == 0:
                        return
                    time.sleep(0.05)
                time.sleep(0.1)
        raise AssertionError("PostgreSQL does not start")

    def start_engine(self, number):
        data = os.path.join(self.root, f"engine-{number}")
        os.makedirs(data, exist_ok=True)
        with open(os.path.join(self.root, f"engine-{number}.log"), "ab") as log:
            self.engines[number] = subprocess.Popen(
                [os.path.join(BUILD, "engine", "worker", "attune-engine"), "--database", self.database,
                 "--data-dir", data, "--workers", "1"], stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=data)

    def killed(self, victim, pid):
        super().killed(victim, pid)
        if victim == "postmaster":
            self.postgres.wait()
            self.start_postgres()
        for number, engine in enumerate(self.engines):
            if engine.pid == pid:
                engine.wait()
                self.start_engine(number)

    def end(self):
        self.shell.close()
        status = self.server.process and self.server.process.poll()
        self.server.process.send_signal(signal.SIGTERM)
        clean = self.server.process.wait(60) == 0 and status is None
        self.server.process = None
        for engine in self.engines:
            engine.send_signal(signal.SIGTERM)
        for engine in self.engines:
            clean = engine.wait(60) == 0 and clean
        self.postgres.send_signal(signal.SIGINT)
        self.postgres.wait(60)
        return self.server.wait_gone() and clean


def processes_of(server, root):
    """As AttuneServer.processes, for all folders of a lane."""
    data, server.data_dir = server.data_dir, root
    try:
        return AttuneServer.processes(server)
    finally:
        server.data_dir = data


def remove(root):
    shutil.rmtree(root, ignore_errors=True)


__all__ = ["Away", "ExternalLane", "Lane", "StandaloneLane", "remove"]
