"""The guide's commands and the example bodies do what they say, and the contract knows every code used."""

import json
import os
import re
import subprocess
import tempfile
import unittest

from common import TOP, ApiTest, idx_images, idx_labels, iris, pictures, png
from image_files import zipped

DOCS = os.path.join(TOP, "api-docs")


def read(*names):
    with open(os.path.join(DOCS, *names), encoding="utf-8") as file:
        return file.read()


# The pages of the guide in the order it lists them; operations.md has a test of its own.
PAGES = ("guide", "datasets", "tuning", "control", "predicting", "clients", "models", "keys", "webhooks")


class Guide(ApiTest):
    def test_every_command(self):
        """Runs the guide's shell blocks in order, in one shell, as a reader would."""
        blocks = [block for page in PAGES for block in re.findall(r"^```sh\n(.*?)^```$", read(page + ".md"), re.S | re.M)]
        self.assertGreater(len(blocks), 15)
        images, labels = pictures()
        # each command's answer goes to a file of its own, with its status
        script = ["set -u", "count=0",
                  "curl() { count=$((count + 1)); command curl -s -o answer -w '%{http_code} %{url_effective}\\n' "
                  "\"$@\" >>\"$LOG\"; cat answer; }"]
        with tempfile.TemporaryDirectory() as folder:
            folders = zipped([(f"{label}/{i}.png", png(one, 8, 8)) for i, (one, label) in enumerate(zip(images, labels))])
            for name, content in (("iris.csv", iris()), ("shapes.zip", folders), ("train-images", idx_images(images)),
                                  ("train-labels", idx_labels(labels)), ("image.png", png(images[0], 8, 8))):
                with open(os.path.join(folder, name), "wb") as file:
                    file.write(content)
            log = os.path.join(folder, "log")
            run = subprocess.run(
                ["bash", "-c", "\n".join(script + blocks)], cwd=folder, capture_output=True, timeout=300,
                env={**os.environ, "URL": f"http://127.0.0.1:{self.api.port}", "KEY": self.api.key, "LOG": log})
            self.assertEqual(run.stderr, b"")
            with open(log, encoding="utf-8") as file:
                answers = [line.split() for line in file]
        self.assertEqual(len(answers), len(re.findall(r"\bcurl ", "\n".join(blocks))))
        bad = [answer for answer in answers if answer[0][0] != "2"]
        self.assertEqual([(status, url.rpartition("/")[2]) for status, url in bad], [("422", "jobs")],
                         "the one faulty request shown is refused, all others succeed")


    def test_every_page(self):
        """Each document is a page of /docs, and every link in it leads somewhere."""
        listed = self.api.get("/assets/docs-pages.json").json
        files = {name[:-3] for name in os.listdir(DOCS) if name.endswith(".md")}
        self.assertEqual({page["name"] for page in listed}, files)
        for page in listed:
            answer = self.api.get("/docs/" + page["name"])
            self.assertEqual(answer.status, 200, page)
            text = answer.raw.decode()
            self.assertIn("<h1", text)
            self.assertNotIn("<script", text)
            for link in re.findall(r'(?:href|src)="(/[^"#]*)', text):
                self.assertEqual(self.api.get(link).status, 200, f"{page['name']}: {link}")
        self.assertEqual(self.api.get("/docs/nothing").status, 404)


class Examples(ApiTest):
    def test_every_file(self):
        train = self.api.upload("/api/v1/train?wait=60", [
            ("file", "iris.csv", iris()), ("target", "species"), ("trials", "1"), ("families", "linear"),
            ("name", "examples")], timeout=90)
        self.assertEqual(train.status, 200, train)
        dataset = train.json["dataset"]["id"]
        calls = {
            "job-short.json": ("POST", "/api/v1/jobs?validate_only=1", 200),
            "job-full.json": ("POST", "/api/v1/jobs?validate_only=1", 200),
            "predict-rows.json": ("POST", "/api/v1/models/examples/predict", 200),
            "schema-change.json": ("PATCH", f"/api/v1/datasets/{dataset}/schema", 201),
            "alias.json": ("PUT", "/api/v1/models/examples/aliases/live", 200),
            "key.json": ("POST", "/api/v1/keys", 201),
            "tenant.json": ("POST", "/api/v1/tenants", 201),
        }
        self.assertEqual(sorted(os.listdir(os.path.join(DOCS, "examples"))), sorted(calls))
        for name, (method, path, status) in calls.items():
            with self.subTest(name):
                body = json.loads(read("examples", name).replace("DATASET", dataset))
                answer = self.api.call(method, path, body)
                self.assertEqual(answer.status, status, answer)


class Contract(ApiTest):
    def test_served_and_complete(self):
        contract = self.api.get("/openapi.json").json
        with open(os.path.join(TOP, "server", "http_route.c"), encoding="utf-8") as file:
            routes = re.findall(r'ROUTE\s*\((\w+), "([^"]+)"', file.read())
        with open(os.path.join(TOP, "server", "http_route.c"), encoding="utf-8") as file:
            pages = re.findall(r'ROUTE\s*\(GET, "([^"]+)",\s*"web\.', file.read())
        self.assertIn("/jobs/{job}", pages)
        told = {(method.upper(), path) for path, item in contract["paths"].items()
                for method in item if method in ("get", "post", "put", "patch", "delete")}
        built = {(method, path) for method, path in routes if path not in pages}
        self.assertEqual(told, built)
        for path, item in contract["paths"].items():
            for method, operation in item.items():
                if method == "parameters":
                    continue
                codes = set(operation["responses"])
                common = {"400", "401", "403", "404", "405", "413", "415", "429", "503"}
                self.assertEqual(common - codes, set(), (method, path))
                self.assertTrue(operation["summary"] and operation["operationId"], (method, path))


if __name__ == "__main__":
    unittest.main()
