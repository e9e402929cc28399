"""Predictions while the server stops, its database is away, models go and aliases move; and on every dialect bodies that
stall, break off, or hold what is no number."""

import base64
import http.client
import json
import os
import re
import shutil
import signal
import socket
import struct
import tempfile
import threading
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

from common import ApiTest, idx_images, idx_labels, iris, pictures, png
from attune_server import BUILD, AttuneServer, multipart

COLUMNS = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
ROW = [5.1, 3.5, 1.4, 0.2]
JSON = "application/json"
PICTURE = png(pictures(1)[0][0], 8, 8)


def csv(count=1):
    return (",".join(COLUMNS) + "\n" + (",".join(map(str, ROW)) + "\n") * count).encode()


def tensor(values, shape):
    return {"inputs": [{"name": "rows", "datatype": "FP32", "shape": shape, "data": values}]}


# Each way to ask: path (with the model at {m}), content type, a good body.
WAYS = {
    "predict": ("/api/v1/models/{m}/predict", JSON, json.dumps({"rows": [dict(zip(COLUMNS, ROW))]}).encode()),
    "arrays": ("/api/v1/models/{m}/predict", JSON, json.dumps({"rows": [ROW]}).encode()),
    "csv": ("/api/v1/models/{m}/predict", "text/csv", csv()),
    "mlflow": ("/api/v1/models/{m}/invocations", JSON, json.dumps({"inputs": [ROW]}).encode()),
    "mlflow csv": ("/api/v1/models/{m}/invocations", "text/csv", csv()),
    "tf": ("/v1/models/{m}:predict", JSON, json.dumps({"instances": [ROW]}).encode()),
    "inference": ("/v2/models/{m}/infer", JSON, json.dumps(tensor(ROW, [1, 4])).encode()),
}
# What each way says of a number that is written as %s.
NUMBERS = {
    "predict": '{"rows":[{"petal_width":%s}]}', "arrays": '{"rows":[[5.1,3.5,1.4,%s]]}', "mlflow": '{"inputs":[[5.1,3.5,1.4,%s]]}',
    "tf": '{"instances":[[5.1,3.5,1.4,%s]]}',
    "inference": '{"inputs":[{"name":"rows","datatype":"FP32","shape":[1,4],"data":[5.1,3.5,1.4,%s]}]}'}


def train(server, parts):
    answer = server.upload("/api/v1/train?wait=120", [*parts, ("families", "linear"), ("trials", "1")], timeout=150)
    assert answer.status == 200 and answer.json["state"] == "succeeded", answer
    return answer.json["model"]["version"]


def head(server, path, kind, length, **more):
    lines = [f"POST {path} HTTP/1.1", "Host: x", f"Authorization: Bearer {server.key}", f"Content-Type: {kind}",
             f"Content-Length: {length}", *(f"{name}: {value}" for name, value in more.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def every_way():
    """(name, path, content type, good body, further headers) of each dialect, for the models irises and kinds."""
    for name, (path, kind, body) in WAYS.items():
        yield name, path.format(m="irises"), kind, body, {}
    told = json.dumps({"inputs": [{"name": "rows", "datatype": "FP32", "shape": [1, 4],
                                   "parameters": {"binary_data_size": 16}}]}).encode()
    yield ("inference binary", "/v2/models/irises/infer", "application/octet-stream", told + struct.pack("<4f", *ROW),
           {"Inference-Header-Content-Length": len(told)})
    kind, body = multipart([("file", "x.png", PICTURE), ("modelId", "kinds")])
    yield "nanonets", "/api/v2/ImageCategorization/LabelFile/", kind, body, {}
    yield "image", "/api/v1/models/kinds/predict", "image/png", PICTURE, {}


class EveryDialect(ApiTest):
    @classmethod
    def setUpClass(cls):
        cls.api = AttuneServer(["--body-seconds", "1", "--max-predict", "64M"], engines=1)
        cls.addClassCleanup(cls.api.close)
        cls.api.start()
        train(cls.api, [("file", "iris.csv", iris()), ("target", "species"), ("name", "irises")])
        pixels, labels = pictures(60)
        train(cls.api, [("images", "i", idx_images(pixels)), ("labels", "l", idx_labels(labels)), ("name", "kinds")])

    def ask(self, path, kind, body, **more):
        return self.api.call("POST", path, body, {"Content-Type": kind, **more})

    def test_good_bodies(self):
        """What the other tests break is right as it is."""
        for name, path, kind, body, more in every_way():
            answer = self.ask(path, kind, body, **{key: str(value) for key, value in more.items()})
            self.assertEqual(answer.status, 200, (name, answer))

    def test_version_that_is_not_there(self):
        for name, (path, kind, body) in WAYS.items():
            models = ["irises@99", "irises@nobody", "nobody"]
            if name in ("tf", "inference"):
                models += ["irises/versions/99", *(["irises/labels/nobody"] if name == "tf" else [])]
            for model in models:
                self.problem(self.ask(path.format(m=model), kind, body), 404, "model_not_found")
        for model in ("kinds@99", "kinds@nobody", "nobody"):
            kind, body = multipart([("file", "x.png", PICTURE), ("modelId", model)])
            self.problem(self.ask("/api/v2/ImageCategorization/LabelFile/", kind, body), 404, "model_not_found")

    def test_what_is_no_number(self):
        """NaN and infinity are refused in words, wherever they stand; null is a missing value."""
        for name, form in NUMBERS.items():
            path, kind, _ = WAYS[name]
            path = path.format(m="irises")
            for number in ("NaN", "nan", "Infinity", "-Infinity", "inf", "1e999", "-1e999"):
                answer = self.ask(path, kind, (form % number).encode())
                self.problem(answer, 400, "bad_json")
            if name != "inference":
                self.assertEqual(self.ask(path, kind, (form % "null").encode()).status, 200, name)
        for name in ("csv", "mlflow csv"):
            path, kind, _ = WAYS[name]
            for number in ("1e999", "-1e999", "9" * 400):
                answer = self.ask(path.format(m="irises"), kind, f"petal_width\n{number}\n".encode())
                self.problem(answer, 422, "invalid")
                self.assertIn("petal_width", answer.raw.decode())
            # in CSV, as in training, these words say that there is no value
            told = [self.ask(path.format(m="irises"), kind, f"petal_length,petal_width\n1.4,{word}\n".encode()).json["predictions"]
                    for word in ("", "nan", "NaN", "inf", "-Infinity")]
            self.assertTrue(all(one == told[0] for one in told), told)

    def resident(self):
        return int(re.search(rb"(?m)^attune_resident_bytes (\d+)$", self.api.get("/metrics").raw)[1])

    def test_ten_million_zeros(self):
        """Refused, and what they were parsed into is given back to the system."""
        before = self.resident()
        zeros = b"[" + b"0," * 9_999_999 + b"0]"
        for name, body in (("predict", b'{"rows":[%s]}'), ("tf", b'{"instances":%s}'), (
                               "inference", b'{"inputs":[{"name":"rows","datatype":"FP32","shape":[2500000,4],"data":%s}]}')):
            path, kind, _ = WAYS[name]
            answer = self.ask(path.format(m="irises"), kind, body % zeros)
            self.assertIn(answer.status, (400, 413, 422), (name, answer))
            self.assertIn(answer.json["code"], ("bad_json", "too_large", "invalid"), answer)
        answer = self.ask(WAYS["csv"][0].format(m="irises"), "text/csv", b"petal_width\n" + b"0\n" * 10_000_000)
        self.problem(answer, 422, "invalid")
        answer = self.ask("/api/v1/models/kinds/predict", "application/octet-stream", bytes(10_000_000))
        self.assertIn(answer.status, (413, 422), answer)
        self.assertEqual(self.api.get("/readyz").status, 200)
        with open(os.path.join(BUILD, "server", "attuned"), "rb") as file:
            if re.search(rb"__[at]san_init", file.read()):
                return  # these keep what is freed
        deadline = time.monotonic() + 30
        while self.resident() > before + (150 << 20):
            self.assertLess(time.monotonic(), deadline, f"{before} bytes before, {self.resident()} now")
            time.sleep(0.05)

    def test_metrics(self):
        """Loads, queues and pools are counted, in Prometheus' form."""
        self.test_good_bodies()
        text = self.api.get("/metrics").raw.decode()
        for name in ("waiting_queue", "waiting_running", "waiting_threads", "computing_queue", "computing_running",
                     "computing_threads", "models_loaded", "models_bytes", "models_max_bytes", "model_load_seconds_sum"):
            self.assertRegex(text, rf"(?m)^attune_{name} [0-9.e-]+$")
        self.assertRegex(text, r'(?m)^attune_model_load_seconds_bucket{le="\+Inf"} [1-9]')
        for pool in ("waiting", "computing"):
            self.assertRegex(text, rf'(?m)^attune_queue_seconds_count{{pool="{pool}"}} \d+$')
            self.assertRegex(text, rf'(?m)^attune_queue_seconds_bucket{{pool="{pool}",le="0.01"}} \d+$')
        self.assertRegex(text, r'(?m)^attune_http_request_seconds_bucket{route="models.predict",le="\+Inf"} [1-9]')
        # every family once, with its help and kind before its values
        kinds = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
        self.assertEqual(len(kinds), len(set(kinds)))
        self.assertEqual(text.count("# HELP"), len(kinds))

    def idle(self):
        """Nothing is being answered but the question."""
        deadline = time.monotonic() + 30
        while b"attune_http_requests_open 1\n" not in self.api.get("/metrics").raw:
            self.assertLess(time.monotonic(), deadline, "a request is still held")
            time.sleep(0.05)

    def test_body_that_stalls(self):
        streams = []
        for name, path, kind, body, more in every_way():
            stream = socket.create_connection(("127.0.0.1", self.api.port), timeout=60)
            stream.sendall(head(self.api, path, kind, len(body) + 10, **more) + body)
            streams.append((name, stream))
        for name, stream in streams:
            with stream:
                words = b""
                try:
                    while piece := stream.recv(65536):
                        words += piece
                except ConnectionError:
                    pass
            self.assertTrue(not words or words.startswith(b"HTTP/1.1 408 "), (name, words))
        self.idle()

    def test_body_that_breaks_off(self):
        for name, path, kind, body, more in every_way():
            for kept in (0, len(body) // 2, len(body) - 1):
                with self.subTest(name, kept=kept), socket.create_connection(("127.0.0.1", self.api.port), timeout=60) as stream:
                    stream.sendall(head(self.api, path, kind, len(body), **more) + body[:kept])
        self.idle()
        self.test_good_bodies()


class Traffic(threading.Thread):
    """One kept connection that asks until it is told to stop; what was answered: [(status, JSON)]."""

    def __init__(self, server, path, body):
        super().__init__(daemon=True)
        self.server, self.path, self.body = server, path, json.dumps(body)
        self.answers, self.fault, self.stopped = [], None, threading.Event()
        self.start()

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
        try:
            while not self.stopped.is_set():
                connection.request("POST", self.path, self.body, {"Authorization": f"Bearer {self.server.key}", "Content-Type": JSON})
                answer = connection.getresponse()
                self.answers.append((answer.status, json.loads(answer.read())))
        except (OSError, http.client.HTTPException) as fault:
            self.fault = fault
        finally:
            connection.close()

    def result(self):
        self.stopped.set()
        self.join(60)
        return self.answers

    def wait(self, count):
        """Until so many more are answered."""
        count, deadline = len(self.answers) + count, time.monotonic() + 60
        while len(self.answers) < count and self.fault is None and time.monotonic() < deadline:
            time.sleep(0.002)


class Moving(ApiTest):
    """A model with two versions that answer differently, asked over kept connections meanwhile."""

    BODY = {"rows": [ROW]}

    def make(self, name):
        """Versions, at least two of which answer differently, and what each says."""
        half = iris().splitlines(keepends=True)
        train(self.api, [("file", "iris.csv", iris()), ("target", "species"), ("name", name)])
        train(self.api, [("file", "iris.csv", b"".join(half[:1] + half[1::2])), ("target", "species"), ("name", name)])
        versions = [item["version"] for item in self.api.get(f"/api/v1/models/{name}/versions").json["items"]]
        told = {version: self.api.post(f"/api/v1/models/{name}@{version}/predict", self.BODY).json["predictions"]
                for version in versions}
        self.assertGreater(len({json.dumps(one) for one in told.values()}), 1)
        return told

    def test_switches_and_splits(self):
        """Short form of make accept-switches: no call fails, and none is answered by one version in another's name."""
        told = self.make("moving")
        first = min(told)
        second = next(version for version, one in told.items() if one != told[first])
        alias = "/api/v1/models/moving/aliases/live"
        self.assertEqual(self.api.call("PUT", alias, {"version": first}).status, 200)
        traffic = [Traffic(self.api, "/api/v1/models/moving@live/predict", self.BODY) for _ in range(3)]
        for number in range(20):
            for target in ({"version": second}, {"split": {str(first): 50, str(second): 50}}, {"version": first},
                           {"split": {str(first): 10, str(second): 90}}):
                self.assertEqual(self.api.call("PUT", alias, target).status, 200, number)
            traffic[number % 3].wait(5)
        seen = set()
        for one in traffic:
            for status, answer in one.result():
                self.assertEqual(status, 200, answer)
                self.assertEqual(answer["predictions"], told[answer["version"]])
                seen.add(answer["version"])
            self.assertIsNone(one.fault)
        self.assertEqual(seen, {first, second})

    def test_a_model_goes_while_it_is_called(self):
        told = self.make("going")
        traffic = [Traffic(self.api, path, body) for path, body in (
            ("/api/v1/models/going/predict", self.BODY), ("/v1/models/going:predict", {"instances": [ROW]}),
            ("/v2/models/going/infer", tensor(ROW, [1, 4])))]
        for one in traffic:
            one.wait(20)
        self.assertEqual(self.api.call("DELETE", "/api/v1/models/going").status, 204)
        for one in traffic:
            one.wait(20)
        for one in traffic:
            statuses = [status for status, _ in one.result()]
            self.assertIsNone(one.fault)
            self.assertEqual(set(statuses), {200, 404})
            self.assertEqual(sorted(statuses), statuses, "once it is gone it stays gone")
        for status, answer in traffic[0].answers:
            if status == 200:
                self.assertEqual(answer["predictions"], told[answer["version"]])


class Stopping(unittest.TestCase):
    def begun(self, server, path, kind, body, **more):
        """A request of which the last byte is still to come."""
        stream = socket.create_connection(("127.0.0.1", server.port), timeout=60)
        self.addCleanup(stream.close)
        stream.sendall(head(server, path, kind, len(body), **more) + body[:-1])
        return stream, body[-1:]

    @staticmethod
    def answer(stream):
        words = b""
        while b"\r\n\r\n" not in words:
            piece = stream.recv(65536)
            if not piece:
                break
            words += piece
        return words

    def wait_open(self, server, count):
        """Until so many requests have been begun, as the server sees it."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            found = re.search(rb"^attune_http_requests_open (\d+)", server.get("/metrics").raw, re.M)
            if int(found[1]) > count:  # this one is open too
                return
            time.sleep(0.01)
        self.fail("it has not read what was sent")

    def wait_deaf(self, server):
        """Until it takes no more connections."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", server.port), timeout=60).close()
            except ConnectionRefusedError:
                return
            except ConnectionResetError:
                pass  # it got through in the moment in which the socket was closed
            time.sleep(0.01)
        self.fail("it goes on listening")

    def test_predictions_under_way_are_answered(self):
        """SIGTERM: readiness goes at once, on connections that are there; what was begun is answered before the end."""
        with AttuneServer(engines=1) as server:
            train(server, [("file", "iris.csv", iris()), ("target", "species"), ("name", "irises")])
            many = {**WAYS, "many": (WAYS["csv"][0], "text/csv", csv(10_000))}
            begun = [self.begun(server, path.format(m="irises"), kind, body) for path, kind, body in many.values()]
            watch = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
            watch.request("GET", "/readyz")
            self.assertEqual(watch.getresponse().read(), b'{"ready":true}')
            self.wait_open(server, len(begun))
            server.process.send_signal(signal.SIGTERM)
            self.wait_deaf(server)
            watch.request("GET", "/readyz")
            answer = watch.getresponse()
            self.assertEqual((answer.status, json.loads(answer.read())["code"]), (503, "draining"))
            self.assertGreater(int(answer.headers["retry-after"]), 0)
            watch.close()
            self.assertIsNone(server.process.poll(), "it has not waited for what is under way")
            for stream, last in begun:
                stream.sendall(last)
            for stream, _ in begun:
                self.assertTrue(self.answer(stream).startswith(b"HTTP/1.1 200 "))
            self.assertEqual(server.process.wait(60), 0, server.log())

    def test_who_got_through_is_answered(self):
        """Requests that wait in the kernel when SIGTERM comes, on new connections and on kept ones, are not reset."""
        with AttuneServer(engines=1) as server:
            train(server, [("file", "iris.csv", iris()), ("target", "species"), ("name", "irises")])
            path, kind, body = WAYS["predict"]
            whole = head(server, path.format(m="irises"), kind, len(body)) + body

            def connect():
                stream = socket.create_connection(("127.0.0.1", server.port), timeout=60)
                self.addCleanup(stream.close)
                return stream

            kept = [connect() for _ in range(8)]
            for stream in kept:
                stream.sendall(whole)
                self.assertTrue(self.answer(stream).startswith(b"HTTP/1.1 200 "))
            server.process.send_signal(signal.SIGSTOP)
            streams = kept + [connect() for _ in range(24)]
            for stream in streams:
                stream.sendall(whole)
            server.process.send_signal(signal.SIGTERM)
            server.process.send_signal(signal.SIGCONT)
            for number, stream in enumerate(streams):
                self.assertTrue(self.answer(stream).startswith(b"HTTP/1.1 200 "), number)
            self.assertEqual(server.process.wait(60), 0, server.log())


class Readiness(unittest.TestCase):
    def test_without_the_database(self):
        """Not ready, and saying so; predictions from memory go on, a model that must be read is answered 503."""
        with AttuneServer(engines=1) as first:
            train(first, [("file", "iris.csv", iris()), ("target", "species"), ("name", "irises")])
            exported = first.get("/api/v1/models/irises/versions/1/export?format=json").raw
            answer = first.call("POST", "/api/v1/models?name=unread", exported, {"Content-Type": JSON})
            self.assertEqual(answer.status, 201, answer)
            with open(os.path.join(first.data_dir, "conninfo"), encoding="ascii") as file:
                conninfo = file.read().strip()
            own = tempfile.mkdtemp(prefix="attune-test-")
            self.addCleanup(shutil.rmtree, own, True)
            shutil.copy(os.path.join(first.data_dir, "admin.key"), own)
            with AttuneServer(["--database", conninfo], data_dir=own) as second:
                self.assertEqual(second.post("/api/v1/models/irises/predict", {"rows": [ROW]}).status, 200)
                first.stop()
                asks = [lambda: second.get("/readyz"), lambda: second.get("/v2/health/ready"),
                        lambda: second.post("/api/v1/models/unread/predict", {"rows": [ROW]})]
                with ThreadPoolExecutor(len(asks)) as pool:  # each waits a moment for the database
                    answers = [each.result() for each in [pool.submit(ask) for ask in asks]]
                for answer in answers:
                    self.assertEqual((answer.status, answer.json["code"]), (503, "unavailable"), answer)
                    self.assertGreater(int(answer.headers["retry-after"]), 0)
                self.assertEqual(second.get("/healthz").status, 200)
                answer = second.post("/api/v1/models/irises/predict", {"rows": [ROW]})
                self.assertEqual(answer.status, 200, (answer, second.log()))


if __name__ == "__main__":
    unittest.main()
