"""Limits of an installation, an upload that outlives a killed server, and a stop that answers who waits."""

import os
import signal
import sys
import threading
import time
import unittest

from common import ApiTest, cells, iris

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
from attune_server import AttuneServer  # noqa: E402


class Limits(ApiTest):
    @classmethod
    def setUpClass(cls):
        cls.api = AttuneServer(engines=1, arguments=[
            "--max-live-jobs", "1", "--max-tenant-bytes", "100K", "--max-upload", "60K", "--max-rows", "500",
            "--max-columns", "12", "--max-predict-rows", "100", "--max-predict", "8K", "--max-job-seconds", "100",
            "--max-job-trials", "10"])
        cls.addClassCleanup(cls.api.close)
        cls.api.start()

    def test_everything(self):
        answer = self.api.upload("/api/v1/datasets", [("file", "a.csv", b"a,b\n" + b"1,2\n" * 20000)])
        self.problem(answer, 413, "too_large")
        answer = self.api.upload_parsed([("file", "a.csv", b"a,b\n" + b"1,2\n" * 501)])
        self.problem(answer, 422, "dataset_invalid")
        answer = self.api.upload_parsed([("file", "a.csv", b",".join(b"c%d" % i for i in range(13))
                                          + b"\n" + b",".join([b"1"] * 13) + b"\n")])
        self.problem(answer, 422, "dataset_invalid")
        dataset = self.upload(cells(400))["id"]
        body = {"dataset": dataset, "target": "diagnosis"}
        self.problem(self.api.post("/api/v1/jobs", {**body, "budget": {"seconds": 101}}), 422, "invalid",
                     "/budget/seconds")
        self.problem(self.api.post("/api/v1/jobs", {**body, "budget": {"trials": 11}}), 422, "invalid",
                     "/budget/trials")
        first = self.api.post("/api/v1/jobs", {**body, "name": "one", "budget": {"seconds": 100}})
        self.assertEqual(first.status, 202, first)
        self.problem(self.api.post("/api/v1/jobs", body), 429, "quota")
        self.api.post(f"/api/v1/jobs/{first.json['id']}/cancel")
        self.api.wait_job(first.json["id"], 60)
        small = self.api.upload("/api/v1/train?wait=60", [
            ("file", "i.csv", iris()), ("target", "species"), ("trials", "1"), ("families", "linear"),
            ("name", "small")], timeout=90)
        self.assertEqual(small.status, 200, small)
        row = {"petal_width": 1}
        answer = self.api.post("/api/v1/models/small/predict", {"rows": [row] * 101})
        self.problem(answer, 422, "invalid", "/rows")
        answer = self.api.post("/api/v1/models/small/predict", {"rows": [row] * 1000})
        self.problem(answer, 413, "too_large")
        for _ in range(5):  # 100K are soon full
            answer = self.api.upload("/api/v1/datasets", [("file", "c.csv", cells(400))])
            if answer.status == 429:
                break
        self.problem(answer, 429, "quota")
        self.assertIn("retry-after", answer.headers)


class Resume(ApiTest):
    def setUp(self):
        self.api = AttuneServer(engines=1)
        self.addCleanup(self.api.close)
        self.api.start()

    def parser(self):
        """The process number of the attune-ingest child, once there is one."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            for name in filter(str.isdigit, os.listdir("/proc")):
                try:
                    with open(f"/proc/{name}/stat", encoding="ascii", errors="replace") as file:
                        head, _, tail = file.read().rpartition(")")
                except OSError:
                    continue
                if "attune-ingest" in head and int(tail.split()[1]) == self.api.process.pid:
                    return int(name)
            time.sleep(0.005)
        raise AssertionError("no parser was started")

    def test_killed_while_parsing(self):
        head, *rows = cells(2000).splitlines(keepends=True)
        content = head + b"".join(rows) * 300
        got = []
        thread = threading.Thread(target=lambda: got.append(
            self.api.upload("/api/v1/datasets", [("file", "large.csv", content)], timeout=120)))
        thread.start()
        parser = self.parser()
        os.kill(parser, signal.SIGSTOP)  # so that it takes longer than an upload may wait
        try:
            thread.join(60)
            answer = got[0]
            self.assertEqual(answer.status, 202, answer)
            self.assertEqual(answer.json["state"], "ingesting")
            path = f"/api/v1/datasets/{answer.json['id']}"
            self.problem(self.api.get(path + "/preview"), 409, "dataset_not_ready")
            self.problem(self.api.call("PATCH", path + "/schema", {"columns": {"area": "text"}}), 409,
                         "dataset_not_ready")
            self.problem(self.api.post("/api/v1/jobs", {"dataset": answer.json["id"], "target": "diagnosis"}), 409,
                         "dataset_not_ready")
            self.api.process.send_signal(signal.SIGKILL)
            self.api.process.wait()
            self.api.process = None
        finally:
            os.kill(parser, signal.SIGCONT)
        self.api.start()
        view = self.api.wait_dataset(answer.json["id"], 120)
        self.assertEqual(view["rows"], 600000)
        deadline = time.monotonic() + 10  # the row is ready a moment before its folder goes
        while os.listdir(os.path.join(self.api.data_dir, "ingest")) and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertEqual(os.listdir(os.path.join(self.api.data_dir, "ingest")), [])

    def test_a_deleted_upload_is_not_parsed_on(self):
        head, *rows = cells(2000).splitlines(keepends=True)
        got = []
        thread = threading.Thread(target=lambda: got.append(self.api.upload(
            "/api/v1/datasets", [("file", "large.csv", head + b"".join(rows) * 100)], timeout=120)))
        thread.start()
        parser = self.parser()
        os.kill(parser, signal.SIGSTOP)
        try:
            thread.join(60)
            path = f"/api/v1/datasets/{got[0].json['id']}"
            self.assertEqual(self.api.call("DELETE", path).status, 204)
        finally:
            os.kill(parser, signal.SIGCONT)
        deadline = time.monotonic() + 60
        while os.listdir(os.path.join(self.api.data_dir, "ingest")):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.1)
        self.problem(self.api.get(path), 404, "dataset_not_found")
        self.assertEqual(self.api.get("/api/v1/datasets").json["items"], [])

    def test_a_stop_answers_who_waits(self):
        got = []

        def wait():
            got.append(self.api.upload("/api/v1/train?wait=300", [
                ("file", "c.csv", cells(2000)), ("target", "diagnosis"), ("seconds", "200")], timeout=320))
        thread = threading.Thread(target=wait)
        thread.start()
        deadline = time.monotonic() + 30
        while not self.api.get("/api/v1/jobs").json["items"]:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.1)
        time.sleep(1)
        self.assertEqual(got, [])
        status = self.api.stop()
        thread.join(30)
        self.assertEqual(status, 0)
        self.assertEqual(got[0].status, 202, got)
        self.assertIn(got[0].json["state"], ("queued", "running"))


if __name__ == "__main__":
    unittest.main()
