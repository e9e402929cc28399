"""The server against api-docs/openapi.yaml: generated requests by schemathesis.

No 5xx but a documented 503 with Retry-After, no undocumented status, content type or header, every body as the
contract says, nothing taken that the contract forbids; and every operation answers some request with 2xx.
schemathesis comes from the Python package registry, into a virtual environment made once beside the build.
"""

import collections
import json
import os
import re
import struct
import subprocess
import sys
import unittest

import contract_seeds
from attune_server import BUILD, TOP, AttuneServer

HERE = os.path.dirname(os.path.abspath(__file__))
CASES_LEAST = int(os.environ.get("ATTUNE_CONTRACT_CASES", "200"))
CASES_PER_OPERATION = 8 if CASES_LEAST <= 2000 else 40  # of one run; there are as many runs as it takes
SEED = int(os.environ.get("ATTUNE_CONTRACT_SEED", "1"))
# Without positive_data_acceptance: what is valid by the contract can be wrong for a dataset, such as a target
# that it has no column for.
LEFT_OUT = "positive_data_acceptance"
SIDE = 8


def schemathesis():
    """Path of the program; installs it when it is not there yet."""
    venv = os.path.join(os.path.dirname(BUILD), "venv-schemathesis")
    program = os.path.join(venv, "bin", "schemathesis")
    if not os.path.exists(program):
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
        subprocess.run([os.path.join(venv, "bin", "pip"), "-q", "install", "schemathesis==4.32.5"], check=True)
    return program


def pictures():
    """An IDX pair: dark and bright pictures in turn."""
    labels = [i % 2 for i in range(60)]
    pixels = b"".join(bytes((37 * i + 11 * k) % 60 + 190 * label for k in range(SIDE * SIDE))
                      for i, label in enumerate(labels))
    return (struct.pack(">IIII", 0x803, len(labels), SIDE, SIDE) + pixels,
            struct.pack(">II", 0x801, len(labels)) + bytes(labels))


class Contract(unittest.TestCase):
    def train(self, server, parts, trials):
        answer = server.upload("/api/v1/train?wait=60", [*parts, ("families", "linear"), ("trials", str(trials))])
        self.assertEqual(answer.status, 200, answer)
        self.assertIsNotNone(answer.json["model"], answer.json)
        return answer.json

    def seed(self, server):
        """What the requests can be about: a table, pictures, their models, a key."""
        with open(os.path.join(TOP, "tests", "data", "iris.csv"), encoding="ascii") as file:
            csv = file.read()
        images, labels = pictures()
        job = self.train(server, [("file", "iris.csv", csv.encode()), ("target", "species"), ("name", "iris")],
                         4)  # the least that tell what matters
        other = self.train(server, [("images", "i", images), ("labels", "l", labels), ("name", "pictures")], 1)
        key = server.post("/api/v1/keys", {"name": "seed", "scopes": ["predict"]})
        found = {
            "port": server.port, "key": server.key, "csv": csv, "side": SIDE,
            "statuses": os.path.join(server.data_dir, "contract-statuses"),
            "dataset": job["dataset"]["id"], "job": job["id"], "model": job["model"]["name"],
            "version": job["model"]["version"], "image_model": other["model"]["name"],
        }
        found["path"] = {
            "dataset": found["dataset"], "job": found["job"], "model": found["model"], "version": found["version"],
            "trial": server.get(f"/api/v1/jobs/{job['id']}/trials").json["items"][0]["id"],
            "alias": "best", "label": "best", "key": key.json["id"],
            "draft": server.post("/api/v2/ImageCategorization/Model/", {"categories": ["a", "b"]}).json["model_id"], "batch": self.batch(server, csv.encode())}
        seeds = contract_seeds.fill(server, server.get("/openapi.json").json["paths"], found)
        self.tell_study(server, f"/api/v1/studies/{seeds['path']['study']}")
        return seeds

    def batch(self, server, rows):
        made = server.upload("/api/v1/models/iris/batches", [("file", "iris.csv", rows)])
        self.assertEqual(made.status, 202, made)
        return server.wait_batch(made.json["id"])["id"]

    def tell_study(self, server, study):
        """The least results that tell what matters."""
        for trial in server.post(study + "/suggest", {"client_id": "seed", "count": 4}).json["trials"]:
            answer = server.post(f"{study}/trials/{trial['id']}/complete", {"value": trial["params"]["units"]})
            self.assertEqual(answer.status, 200, answer)

    def cancel_jobs(self, server):
        for job in server.get("/api/v1/jobs?limit=100").json["items"]:
            if job["state"] not in ("succeeded", "failed", "cancelled"):
                server.post(f"/api/v1/jobs/{job['id']}/cancel")

    def check_reached(self, server, statuses):
        """Every operation of the contract has answered with 2xx at least once."""
        with open(statuses, encoding="utf-8") as file:
            answers = collections.Counter(tuple(json.loads(line)) for line in file)
        for (label, status), count in sorted(answers.items()):
            print(f"{count:5} × {status} {label}")
        paths = server.get("/openapi.json").json["paths"]
        operations = {f"{method.upper()} {path}" for path, item in paths.items()
                      for method in item if method in ("get", "put", "post", "patch", "delete")}
        good = {label for label, status in answers if 200 <= status < 300}
        good.add("GET /openapi.json")  # read above; schemathesis leaves its own document out
        self.assertEqual(operations - good, set(), "operations without any 2xx")

    def run_once(self, server, program, seeds_path, seed):
        """One run of schemathesis: its output, which must be good, and how many cases it generated."""
        run = subprocess.run(
            [program, "--config-file", os.path.join(HERE, "schemathesis.toml"),
             "run", f"http://127.0.0.1:{server.port}/openapi.json", "-H",
             f"Authorization: Bearer {server.key}", "--checks", "all", "--exclude-checks", LEFT_OUT,
             "--phases", "examples,coverage,fuzzing,stateful", "-n", str(CASES_PER_OPERATION), "--seed", str(seed),
             "--continue-on-failure", "--suppress-health-check", "all", "--generation-database", "none",
             "--warnings", "off", "--request-timeout", "30", "--no-color"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=1500,
            cwd=server.data_dir,
            env={**os.environ, "SCHEMATHESIS_HOOKS": "contract_hooks", "PYTHONPATH": HERE,
                 "PYTHONDONTWRITEBYTECODE": "1", "ATTUNE_CONTRACT_SEEDS": seeds_path})
        self.cancel_jobs(server)
        counted = re.search(r"^Test cases:\n\s+(\d+) generated", run.stdout, re.MULTILINE)
        self.assertIsNotNone(counted, run.stdout[-3000:])
        print(f"seed {seed}: {counted[1]} cases, exit status {run.returncode}", flush=True)
        if run.returncode != 0:
            print(run.stdout[-20000:])
        return run.returncode, int(counted[1])

    def test_generated_requests(self):
        program = schemathesis()
        with AttuneServer(["--max-live-jobs", "1000", "--max-live-uploads", "1000", "--max-live-batches", "1000", "--default-model", "iris"]) as server:
            seeds = self.seed(server)
            seeds_path = os.path.join(server.data_dir, "contract-seeds.json")
            with open(seeds_path, "w", encoding="utf-8") as file:
                json.dump(seeds, file)
            cases, seed, bad = 0, SEED, 0
            while cases < CASES_LEAST and bad == 0:
                bad, more = self.run_once(server, program, seeds_path, seed)
                cases, seed = cases + more, seed + 1
            self.check_reached(server, seeds["statuses"])
            print(f"{cases} cases")
            self.assertEqual(bad, 0)
            self.assertEqual(server.get("/healthz").status, 200)


if __name__ == "__main__":
    unittest.main()
