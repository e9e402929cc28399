"""A disk that fills up: 507, nothing half stored, nothing that was done is lost, and it goes on when there is room."""

import http.client
import os
import resource
import shutil
import subprocess
import tempfile
import time
import unittest

from common import iris, sql  # first: it finds the harness
from attune_server import Answer, AttuneServer, runnable_as

LINE = b"1.25,2.5,some words,3\n"


def table(megabytes):
    return b"a,b,c,d\n" + LINE * (megabytes * (1 << 20) // len(LINE))


class FullTest(unittest.TestCase):
    def refused(self, answer):
        self.assertEqual((answer.status, answer.json["code"]), (507, "storage_full"), answer)

    def spool(self, server):
        """What uploads have left behind."""
        found = []
        for folder, _, files in os.walk(os.path.join(server.data_dir, "spool")):
            found += [os.path.join(folder, name) for name in files]
        return found

    def send(self, server, content, chunked=False):
        """The answer to a large upload, which may come before all is sent."""
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        headers = {"Authorization": "Bearer " + server.key, "Content-Type": "text/csv"}
        headers.update({"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": str(len(content))})
        try:
            try:
                connection.request("POST", "/api/v1/datasets",
                                   (content[at:at + 65536] for at in range(0, len(content), 65536)),
                                   encode_chunked=chunked, headers=headers)
            except (BrokenPipeError, ConnectionResetError):
                pass  # refused: what it said is there to be read
            response = connection.getresponse()
            lowered = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, lowered, response.read())
        finally:
            connection.close()

    def nothing_left(self, server):
        deadline = time.monotonic() + 10
        while self.spool(server) and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertEqual(self.spool(server), [])
        self.assertEqual(sql("SELECT count(*) FROM dataset WHERE state <> 'failed' AND deleted_at IS NULL", server).strip(), "0")
        self.assertEqual(sql("SELECT count(*) FROM blob", server).strip(), "0")


class Reserve(FullTest):
    def test_too_little_is_free(self):
        """The rule: twice the size and the reserve must be free, told length or not."""
        with AttuneServer(["--spool-reserve", "9000G"], engines=0) as server:
            self.refused(server.upload("/api/v1/datasets", [("file", "iris.csv", iris())]))
            self.refused(self.send(server, table(4)))
            self.refused(self.send(server, table(3), chunked=True))
            self.assertEqual(server.get("/api/v1/jobs").status, 200)
            self.nothing_left(server)


class Spool(FullTest):
    """The disk of the spool is full at some byte in the middle: a small tmpfs where we may mount one, else a
    limit of file sizes, which write() meets in the same way."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="attune-full-")
        self.spool_dir = os.path.join(self.folder, "spool")
        os.mkdir(self.spool_dir)
        self.mounted = os.geteuid() == 0 and subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=24m,mode=0777", "attune-test", self.spool_dir],
            capture_output=True).returncode == 0
        if self.mounted:  # what is parsed is moved within one file system
            os.mkdir(os.path.join(self.spool_dir, "ingest"), 0o777)
            os.chmod(os.path.join(self.spool_dir, "ingest"), 0o777)
            os.symlink(os.path.join(self.spool_dir, "ingest"), os.path.join(self.folder, "ingest"))
        self.addCleanup(self.tidy)

    def tidy(self):
        if self.mounted:
            subprocess.run(["umount", self.spool_dir], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def test_full_in_the_middle(self):
        server = AttuneServer(["--spool-reserve", "0"], engines=0, data_dir=self.folder)
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        if not self.mounted:
            resource.setrlimit(resource.RLIMIT_FSIZE, (24 << 20, hard))
        try:
            runnable_as(self.folder)
            server.start()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        try:
            self.refused(self.send(server, table(28)))
            self.refused(self.send(server, table(28), chunked=True))
            self.nothing_left(server)
            if self.mounted:  # the upload fits, what is made of it does not
                answer = server.call("POST", "/api/v1/datasets", ("text/csv", table(16)))
                if answer.status == 202:  # a slow machine parses it behind the answer
                    with self.assertRaisesRegex(AssertionError, "storage_full"):
                        server.wait_dataset(answer.json["id"])
                else:
                    self.refused(answer)
                self.nothing_left(server)
            answer = server.upload("/api/v1/datasets", [("file", "iris.csv", iris())])
            self.assertIn(answer.status, (201, 202), answer)
            server.wait_dataset(answer.json["id"])
            self.assertNotIn(" error: ", server.log())
        finally:
            server.close()


FULL = """
CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$;
"""


class Database(FullTest):
    """PostgreSQL says 53100, as it does when a table can't grow (a trigger says it here)."""

    @classmethod
    def setUpClass(cls):
        cls.api = AttuneServer(engines=1)
        cls.addClassCleanup(cls.api.close)
        cls.api.start()
        sql(FULL, cls.api)

    def fill(self, table_name, when="INSERT", condition=""):
        sql(f"CREATE TRIGGER full_now BEFORE {when} ON {table_name} FOR EACH ROW {condition}"
            " EXECUTE FUNCTION full_disk()", self.api)

    def make_room(self, table_name):
        sql(f"DROP TRIGGER full_now ON {table_name}", self.api)

    def dataset(self):
        answer = self.api.upload("/api/v1/datasets", [("file", "iris.csv", iris())])
        return self.api.wait_dataset(answer.json["id"])["id"]

    def wait_log(self, words, seconds=40):
        deadline = time.monotonic() + seconds
        while words not in self.api.log(200000) and time.monotonic() < deadline:
            time.sleep(0.1)
        self.assertIn(words, self.api.log(200000))

    def test_requests(self):
        dataset = self.dataset()
        for table_name, path, body in (
                ("job", "/api/v1/jobs", {"dataset": dataset, "target": "species", "budget": {"trials": 1}}),
                ("api_key", "/api/v1/keys", {"name": "k", "scopes": ["read"]}),
                ("webhook", "/api/v1/webhooks", {"url": "https://example.com/", "events": ["job.failed"]})):
            self.fill(table_name)
            try:
                self.refused(self.api.post(path, body))
            finally:
                self.make_room(table_name)
            self.assertIn(self.api.post(path, body).status, (201, 202))

    def test_upload_waits_for_room(self):
        self.fill("blob_chunk")
        try:
            answer = self.api.upload("/api/v1/datasets", [("file", "iris.csv", iris())], timeout=90)
            self.assertEqual((answer.status, answer.json["state"]), (202, "ingesting"), answer)
            self.wait_log("it is stored as soon as there is room")
        finally:
            self.make_room("blob_chunk")
        self.assertEqual(self.api.wait_dataset(answer.json["id"])["rows"], 150)

    def test_trial_is_kept(self):
        dataset = self.dataset()
        self.fill("unit", "UPDATE OF state", "WHEN (NEW.state = 'done')")
        try:
            job = self.api.post("/api/v1/jobs", {"dataset": dataset, "target": "species", "budget": {"trials": 2},
                                                 "families": ["linear"]}).json["id"]
            self.wait_log("the result is kept and offered again")
            time.sleep(3)
        finally:
            self.make_room("unit")
        ended = self.api.wait_job(job, 90)
        self.assertEqual((ended["state"], ended["trials"]["done"]), ("succeeded", 2), ended)
        self.assertEqual(sql(f"SELECT max(attempts) FROM unit WHERE job_id = '{job}'", self.api).strip(), "1")


if __name__ == "__main__":
    unittest.main()
