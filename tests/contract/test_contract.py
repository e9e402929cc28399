"""The server against api-docs/openapi.yaml: a few hundred generated requests by schemathesis.

No 5xx but a documented 503, no undocumented status, every body as the contract says. schemathesis comes from
the Python package registry, into a virtual environment made once beside the build.
"""

import os
import re
import subprocess
import sys
import unittest

from attune_server import BUILD, TOP, AttuneServer

CASES_PER_OPERATION = int(os.environ.get("ATTUNE_CONTRACT_CASES", "8"))
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


def schemathesis():
    """Path of the program; installs it when it is not there yet."""
    venv = os.path.join(os.path.dirname(BUILD), "venv-schemathesis")
    program = os.path.join(venv, "bin", "schemathesis")
    if not os.path.exists(program):
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
        subprocess.run([os.path.join(venv, "bin", "pip"), "-q", "install", "schemathesis==4.32.5"], check=True)
    return program


class Contract(unittest.TestCase):
    def test_generated_requests(self):
        program = schemathesis()
        with AttuneServer() as server:
            with open(os.path.join(TOP, "tests", "data", "iris.csv"), "rb") as file:
                answer = server.upload("/api/v1/train?wait=60", [
                    ("file", "iris.csv", file.read()), ("target", "species"), ("trials", "3"), ("name", "iris")])
            self.assertEqual(answer.status, 200, answer)
            run = subprocess.run(
                [program, "run", f"http://127.0.0.1:{server.port}/openapi.json", "-H",
                 f"Authorization: Bearer {server.key}", "--checks", CHECKS, "--phases", "fuzzing",
                 "-n", str(CASES_PER_OPERATION), "--seed", "1", "--continue-on-failure",
                 "--suppress-health-check", "all", "--request-timeout", "30", "--no-color"],
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=900,
                cwd=server.data_dir)
            print(run.stdout[-6000:])
            cases = [int(n) for n in re.findall(r"(\d+) generated", run.stdout)]
            self.assertEqual(run.returncode, 0)
            self.assertGreaterEqual(max(cases, default=0), 200)
            self.assertEqual(server.get("/healthz").status, 200)


if __name__ == "__main__":
    unittest.main()
