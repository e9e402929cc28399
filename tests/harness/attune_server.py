"""A standalone attuned for a test: on a free port, in a temporary data directory, gone afterwards.

    with AttuneServer() as server:
        status, body = server.get("/api/v1/jobs")

Programs come from the build directory in ATTUNE_BUILD (default: build/ of the checkout). Nothing here
needs more than Python's standard library.
"""

import http.client
import json
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get("ATTUNE_BUILD", os.path.join(TOP, "build")))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def multipart(parts):
    """(content type, body) of a form; a part is (name, text) or (name, file name, bytes)."""
    boundary = uuid.uuid4().hex
    out = []
    for part in parts:
        out.append(f"--{boundary}\r\n".encode())
        if len(part) == 2:
            out.append(f'Content-Disposition: form-data; name="{part[0]}"\r\n\r\n'.encode())
            out.append(str(part[1]).encode())
        else:
            head = f'Content-Disposition: form-data; name="{part[0]}"; filename="{part[1]}"\r\n'
            out.append((head + "Content-Type: application/octet-stream\r\n\r\n").encode())
            out.append(part[2])
        out.append(b"\r\n")
    out.append(f"--{boundary}--\r\n".encode())
    return f"multipart/form-data; boundary={boundary}", b"".join(out)


class Answer:
    """Status, headers, and the body as bytes and as JSON (None when it is none)."""

    def __init__(self, status, headers, raw):
        self.status = status
        self.headers = headers
        self.raw = raw
        self.json = None
        if "json" in headers.get("content-type", ""):
            self.json = json.loads(raw) if raw else None

    def __repr__(self):
        return f"<{self.status} {self.raw[:600]!r}>"


class Client:
    """HTTP calls with one key (None: without)."""

    def __init__(self, port, key, host="127.0.0.1"):
        self.port = port
        self.key = key
        self.host = host
        self.source = None  # the address to call from; any of 127.0.0.0/8 will do

    def call(self, method, path, body=None, headers=None, timeout=120) -> Answer:
        send = {}
        if self.key:
            send["Authorization"] = "Bearer " + self.key
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
            send["Content-Type"] = "application/json"
        elif isinstance(body, tuple):
            send["Content-Type"], body = body
        send.update(headers or {})
        connection = http.client.HTTPConnection(
            self.host, self.port, timeout=timeout, source_address=(self.source, 0) if self.source else None)
        try:
            connection.request(method, path, body, send)
            response = connection.getresponse()
            lowered = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, lowered, response.read())
        finally:
            connection.close()

    def get(self, path, **more):
        return self.call("GET", path, **more)

    def post(self, path, body=None, **more):
        return self.call("POST", path, body, **more)

    def upload(self, path, parts, **more):
        return self.call("POST", path, multipart(parts), **more)

    def upload_parsed(self, content, query="", headers=None):
        """The answer to a dataset's parts, or bytes, that says what became of them: after 2 s attuned says 202 instead,
        and what was made then is removed and sent again."""
        body = multipart(content) if isinstance(content, list) else content
        for _ in range(5):
            answer = self.call("POST", "/api/v1/datasets" + query, body, headers)
            if answer.status != 202:
                break
            path, deadline = f"/api/v1/datasets/{answer.json['id']}", time.monotonic() + 60
            while self.get(path).json["state"] == "ingesting" and time.monotonic() < deadline:
                time.sleep(0.1)
            self.call("DELETE", path)
        return answer

    def wait_dataset(self, dataset, seconds=120):
        """The dataset once it is ready; raises when it failed or did not get there."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            answer = self.get(f"/api/v1/datasets/{dataset}")
            if answer.json["state"] == "ready":
                return answer.json
            if answer.json["state"] == "failed":
                raise AssertionError(f"the dataset failed: {answer.json}")
            time.sleep(0.1)
        raise AssertionError(f"the dataset was not ready after {seconds} s")

    def wait_job(self, job, seconds, patient=False):
        """The job once it has ended. `patient`: the server may be away meanwhile."""
        deadline = time.monotonic() + seconds
        last = None
        while time.monotonic() < deadline:
            try:
                answer = self.get(f"/api/v1/jobs/{job}", timeout=20)
                last = answer
                if answer.status == 200 and answer.json["state"] in ("succeeded", "failed", "cancelled"):
                    return answer.json
                if answer.status != 200 and not patient:
                    raise AssertionError(f"GET job answered {answer}")
            except OSError:
                if not patient:
                    raise
            time.sleep(0.1)
        raise AssertionError(f"the job had not ended after {seconds} s: {last}")

    def wait_batch(self, batch, seconds=120):
        """The batch of predictions once it has ended."""
        deadline = time.monotonic() + seconds
        while True:
            answer = self.get(f"/api/v1/batches/{batch}")
            if answer.status != 200:
                raise AssertionError(f"GET batch answered {answer}")
            if answer.json["state"] in ("succeeded", "failed", "cancelled"):
                return answer.json
            if time.monotonic() > deadline:
                raise AssertionError(f"the batch had not ended after {seconds} s: {answer}")
            time.sleep(0.1)

    def wait_range_test(self, test, seconds=60):
        """The range test once it has ended."""
        deadline = time.monotonic() + seconds
        while True:
            answer = self.get(f"/api/v1/lr-range-tests/{test}")
            if answer.status != 200:
                raise AssertionError(f"GET range test answered {answer}")
            if answer.json["state"] in ("succeeded", "failed"):
                return answer.json
            if time.monotonic() > deadline:
                raise AssertionError(f"the range test had not ended after {seconds} s: {answer}")
            time.sleep(0.1)


def runnable_as(path):
    """Makes every folder down to path enterable, so that the accounts attune and postgres get there."""
    while path not in ("/", tempfile.gettempdir()):
        os.chmod(path, os.stat(path).st_mode | 0o011)
        path = os.path.dirname(path)


def end_in_order_when_told():
    """A test program that is sent SIGTERM takes its servers with it."""
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


class AttuneServer(Client):
    """One attuned and all that belongs to it."""

    def __init__(self, arguments=(), engines=2, data_dir=None, environment=None, keep=False, program="attuned"):
        super().__init__(free_port(), None)
        self.arguments = list(arguments)
        self.engines = engines
        self.own_dir = data_dir is None
        self.data_dir = data_dir or tempfile.mkdtemp(prefix="attune-test-")
        self.environment = environment or {}
        self.process = None
        self.keep = keep
        self.program = program  # one of server/ in the build directory
        self.log_path = os.path.join(self.data_dir, "attuned.log")

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def start(self, ready_seconds=90):
        end_in_order_when_told()
        runnable_as(self.data_dir)
        command = [
            os.path.join(BUILD, "server", self.program),
            "--data-dir", self.data_dir, "--listen", f"127.0.0.1:{self.port}",
            "--engines", str(self.engines), *self.arguments,
        ]
        environment = {**os.environ, **self.environment}
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment)
        deadline = time.monotonic() + ready_seconds
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"attuned ended at its start:\n{self.log()}")
            try:
                if self.get("/readyz", timeout=5).status == 200:
                    break
            except OSError:
                pass
            time.sleep(0.05)
        else:
            raise AssertionError(f"attuned was not ready after {ready_seconds} s:\n{self.log()}")
        with open(os.path.join(self.data_dir, "admin.key"), encoding="ascii") as file:
            self.key = file.read().strip()
        return self

    def log(self, last=6000):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()[-last:]

    def sign_in_link(self, seconds=20):
        """The link that signs a browser in, printed a moment after the server is ready."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = re.search(r"https?://\S+/sign-in#code=\S+", self.log(10**6))
            if found:
                return found.group(0)
            time.sleep(0.05)
        raise AssertionError(f"attuned printed no sign-in link:\n{self.log()}")

    def stop(self, how=signal.SIGTERM, seconds=60):
        """Ends attuned and returns its exit status; the cluster goes with it."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(how)
        status = self.process.wait(seconds)
        self.process = None
        return status

    def close(self):
        try:
            if self.process is not None:
                try:
                    self.stop()
                except subprocess.TimeoutExpired:
                    self.process.kill()
                    self.process.wait()
            self.wait_gone()
        finally:
            if self.own_dir and not self.keep:
                shutil.rmtree(self.data_dir, ignore_errors=True)

    def processes(self):
        """Numbers and command lines of every living process of this data directory."""
        found = []
        for name in os.listdir("/proc"):
            if not name.isdigit() or int(name) == os.getpid():
                continue
            try:
                with open(f"/proc/{name}/cmdline", "rb") as file:
                    command = file.read().replace(b"\0", b" ").decode(errors="replace").strip()
                cwd = os.readlink(f"/proc/{name}/cwd")
                with open(f"/proc/{name}/stat", encoding="ascii", errors="replace") as file:
                    state = file.read().rpartition(")")[2].split()[0]
            except OSError:
                continue
            if state != "Z" and (self.data_dir in command or cwd.startswith(self.data_dir)):
                found.append((int(name), command))
        return found

    def wait_gone(self, seconds=45):
        """Waits until nothing of this data directory lives; ends it the hard way after that."""
        deadline = time.monotonic() + seconds
        while self.processes():
            if time.monotonic() > deadline:
                for pid, _ in self.processes():
                    try:
                        os.kill(pid, signal.SIGKILL)
                    except ProcessLookupError:
                        pass
                return False
            time.sleep(0.05)
        return True


def account_exists(name):
    try:
        pwd.getpwnam(name)
        return True
    except KeyError:
        return False
