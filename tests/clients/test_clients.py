"""Other tools' clients, unchanged, against the server: tritonclient, KServe's, and MLflow's documented requests.

The clients come from the Python package registry into a virtual environment of the test's own, once per build
directory: 25 s of work (36 s beside other work on two cores) and 500 MB, most of it what KServe's package needs.
"""

import json
import os
import subprocess
import sys
import unittest
from base64 import b64encode

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "api"))
from attune_server import BUILD, AttuneServer  # noqa: E402
from common import idx_images, idx_labels, iris, pictures, png  # noqa: E402

# Under KEY as the shell has it; the bodies are those of "Deploy MLflow Model as a Local Inference Server".
MLFLOW = {
    "split": """-H "Content-Type: application/json" --data '{"dataframe_split": {"columns": ["sepal_length", "sepal_width",
        "petal_length", "petal_width"], "data": [[5.1, 3.5, 1.4, 0.2], [6.1, 2.9, 4.7, 1.4]]}}'""",
    "records": """-H "Content-Type:application/json" -d '{"dataframe_records": [{"sepal_length": 5.1, "sepal_width": 3.5,
        "petal_length": 1.4, "petal_width": 0.2}, {"sepal_length": 6.1, "sepal_width": 2.9, "petal_length": 4.7,
        "petal_width": 1.4}]}'""",
    "inputs": """-H 'Content-Type: application/json' -d '{"inputs": [[5.1, 3.5, 1.4, 0.2], [6.1, 2.9, 4.7, 1.4]],
        "params": {"max_new_tokens": 256}}'""",
    "instances": """-H 'Content-Type: application/json' -d '{"instances": [[5.1, 3.5, 1.4, 0.2], [6.1, 2.9, 4.7, 1.4]]}'""",
    "csv": """-H 'Content-Type: text/csv' --data-binary 'sepal_length,sepal_width,petal_length,petal_width
5.1,3.5,1.4,0.2
6.1,2.9,4.7,1.4'""",
}


def environment(name, *packages):
    """The Python of a virtual environment with these packages."""
    venv = os.path.join(os.path.dirname(BUILD), "venv-" + name)
    python = os.path.join(venv, "bin", "python")
    done = os.path.join(venv, "done")
    if not os.path.exists(done):
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
        subprocess.run([python, "-m", "pip", "-q", "install", *packages], check=True)
        with open(done, "w", encoding="ascii"):
            pass
    return python


class Clients(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = AttuneServer(["--default-model", "iris"], engines=2)
        cls.addClassCleanup(cls.server.close)
        cls.server.start()
        images, labels = pictures()
        for parts in ([("file", "i.csv", iris()), ("target", "species"), ("name", "iris")],
                      [("images", "i", idx_images(images)), ("labels", "l", idx_labels(labels)), ("name", "pictures")]):
            answer = cls.server.upload("/api/v1/train?wait=120", parts + [("trials", "1"), ("families", "linear")], timeout=150)
            assert answer.status == 200 and answer.json["state"] == "succeeded", answer
        cls.told = {**os.environ, "ADDRESS": f"127.0.0.1:{cls.server.port}", "KEY": cls.server.key,
                    "PIXELS": (images[0] + images[1]).hex(), "PYTHONDONTWRITEBYTECODE": "1",
                    "FILES": " ".join(b64encode(png(one, 8, 8)).decode() for one in images[:2])}

    def run_client(self, python, script):
        run = subprocess.run([python, os.path.join(HERE, script)], env=self.told, capture_output=True, text=True, timeout=120)
        self.assertEqual(run.returncode, 0, run.stdout[-3000:] + run.stderr[-3000:])

    def test_triton(self):
        self.run_client(environment("clients", "tritonclient[http]==2.73.0", "kserve==0.21.0"), "client_triton.py")

    def test_kserve(self):
        self.run_client(environment("clients", "tritonclient[http]==2.73.0", "kserve==0.21.0"), "client_kserve.py")

    def test_mlflow(self):
        rows = [{"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2},
                {"sepal_length": 6.1, "sepal_width": 2.9, "petal_length": 4.7, "petal_width": 1.4}]
        told = self.server.post("/api/v1/models/iris/predict", {"rows": rows}).json["predictions"]
        for name, options in MLFLOW.items():
            with self.subTest(name):
                command = f'curl -s http://$ADDRESS/invocations -H "Authorization: Bearer $KEY" {options}'
                run = subprocess.run(["sh", "-c", command], env=self.told, capture_output=True, text=True, timeout=60)
                self.assertEqual(json.loads(run.stdout), {"predictions": [one["label"] for one in told]})


if __name__ == "__main__":
    unittest.main()
