#!/usr/bin/env python3
"""make accept-switches: predictions at full speed for a minute while an alias is switched and divided 200 times and 50 models
are loaded.

wrk checks every answer: status 200, and the predictions are those of the version that the answer names. After it,
how long an `attuned --database` takes until it is ready beside 101 models. ATTUNE_ACCEPT_SECONDS and
ATTUNE_ACCEPT_RATE change the minute and the 10,000 requests/s that must be reached.
"""

import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
from attune_server import BUILD, AttuneServer, free_port  # noqa: E402
from attune_server import Client  # noqa: E402

SECONDS = float(os.environ.get("ATTUNE_ACCEPT_SECONDS", "60"))
RATE = float(os.environ.get("ATTUNE_ACCEPT_RATE", "10000"))
SWITCHES = 200
LOADS = 50
MODELS = 100
READY_MS = 200
ROW = {"rows": [{"a": 0.3, "b": -0.2}]}
PATH = "/api/v1/models/switched@live/predict"

# Every answer is compared with what its version said when it was asked alone.
SCRIPT = """local expected = {%(expected)s}
wrk.method = "POST"
wrk.body = [[%(body)s]]
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer %(key)s"
local threads = {}
function setup(thread) table.insert(threads, thread) end
function init() refused, mixed, first, seen = 0, 0, "", {} end
function response(status, headers, body)
  local version = body:match('"version": ?(%%d+)')
  if status ~= 200 then
    refused = refused + 1
    if first == "" then first = status .. " " .. body end
  elseif not expected[version or ""] or expected[version] ~= body:match('"predictions": ?(%%b[])') then
    mixed = mixed + 1
    if first == "" then first = body end
  end
end
function done(summary, latency, requests)
  local refused, mixed = 0, 0
  for _, thread in ipairs(threads) do
    refused = refused + thread:get("refused")
    mixed = mixed + thread:get("mixed")
    if thread:get("first") ~= "" then print("first wrong answer: " .. thread:get("first")) end
  end
  local errors = summary.errors
  print(string.format("RESULT %%d %%f %%d %%d %%d %%f", summary.requests, summary.duration / 1e6, refused, mixed,
                      errors.connect + errors.read + errors.write + errors.timeout, latency:percentile(99) / 1e3))
end
"""


class Traffic:
    """wrk on the alias, checking its answers."""

    def __init__(self, server, expected, seconds):
        self.script = tempfile.NamedTemporaryFile("w", suffix=".lua", encoding="ascii")
        pairs = ", ".join(f'["{version}"] = [=[{text}]=]' for version, text in expected.items())
        self.script.write(SCRIPT % {"expected": pairs, "body": json.dumps(ROW), "key": server.key})
        self.script.flush()
        self.process = subprocess.Popen(
            ["wrk", "-t2", "-c32", f"-d{seconds:.0f}s", "-s", self.script.name, f"http://127.0.0.1:{server.port}{PATH}"],
            stdout=subprocess.PIPE, text=True)

    def result(self):
        """requests, seconds, refused, mixed, broken connections, p99 in ms."""
        out = self.process.communicate()[0]
        self.script.close()
        found = re.search(r"RESULT (\d+) ([\d.]+) (\d+) (\d+) (\d+) ([\d.]+)", out)
        if not found:
            raise SystemExit(f"wrk ended early:\n{out}")
        for line in out.splitlines():
            if line.startswith("first wrong"):
                print(line)
        numbers = [float(number) for number in found.groups()]
        return int(numbers[0]), numbers[1], int(numbers[2]), int(numbers[3]), int(numbers[4]), numbers[5]


def table(rows=400, seed=1):
    draw = random.Random(seed)
    lines = ["a,b,y"]
    for _ in range(rows):
        a, b = draw.uniform(-1, 1), draw.uniform(-1, 1)
        lines.append(f"{a:.5f},{b:.5f},{3 * a - b + draw.gauss(0, 0.1):.5f}")
    return "\n".join(lines).encode()


def predictions(server, model):
    """The version that answers, and its predictions as they are written."""
    answer = server.post(f"/api/v1/models/{model}/predict", ROW)
    if answer.status != 200:
        raise SystemExit(f"{model} answered {answer}")
    return answer.json["version"], re.search(rb'"predictions": ?(\[[^\]]*\])', answer.raw).group(1).decode()


def make_models(server, copies):
    """Two versions of `switched` and copies of one of them; what each version says."""
    answer = server.upload("/api/v1/datasets", [("file", "t.csv", table())])
    dataset = server.wait_dataset(answer.json["id"])["id"]
    for family in ("linear", "trees"):
        answer = server.post("/api/v1/jobs", {
            "dataset": dataset, "target": "y", "families": [family], "deploy_as": "switched",
            "budget": {"trials": 1}, "search": {"seed": 1}})
        if answer.status != 202 or server.wait_job(answer.json["id"], 300)["state"] != "succeeded":
            raise SystemExit(f"the job of {family} did not succeed: {answer}")
    versions = [item["version"] for item in server.get("/api/v1/models/switched").json["versions"]]
    expected = dict(predictions(server, f"switched@{version}") for version in versions)
    if len(set(expected.values())) < 2:
        raise SystemExit(f"the versions answer alike: {expected}")
    file = server.get(f"/api/v1/models/switched/versions/{max(versions)}/export?format=json").raw
    for number in range(copies):
        answer = server.call("POST", f"/api/v1/models?name=copy-{number}", file, {"Content-Type": "application/json"})
        if answer.status != 201:
            raise SystemExit(f"a copy was refused: {answer}")
    switch(server, min(versions))
    return expected


def switch(server, version, split=None):
    """To a version, or divided among several by their percents."""
    answer = server.call("PUT", "/api/v1/models/switched/aliases/live", {"split": split} if split else {"version": version})
    if answer.status != 200:
        raise SystemExit(f"a switch was refused: {answer}")


def switch_by(server, versions, number):
    """One version after the other, and every third time calls are divided between two."""
    version, other = (versions[(number + i) % len(versions)] for i in (0, 1))
    switch(server, version, {str(version): 30 + number % 40, str(other): 70 - number % 40} if number % 3 == 2 else None)


def figure(server, name):
    """One of /metrics, 0 when it is not there."""
    found = re.search(rf"^{name} (\S+)$", server.get("/metrics").raw.decode(), re.M)
    return float(found[1]) if found else 0.0


def ready_ms(server):
    """Milliseconds from the start of another attuned on the same database until /readyz says 200."""
    with open(os.path.join(server.data_dir, "conninfo"), encoding="utf-8") as file:
        conninfo = file.read().strip()
    port, began = free_port(), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, subprocess.Popen(
            [os.path.join(BUILD, "server", "attuned"), "--database", conninfo, "--data-dir", folder,
             "--listen", f"127.0.0.1:{port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            while time.perf_counter() - began < 30 and process.poll() is None:
                try:
                    if Client(port, None).get("/readyz", timeout=5).status == 200:
                        return (time.perf_counter() - began) * 1e3
                except OSError:
                    pass
                time.sleep(0.002)
            raise SystemExit("a second attuned did not get ready")
        finally:
            process.terminate()


def main():
    with AttuneServer(engines=1) as server:
        expected = make_models(server, MODELS)
        versions = list(expected)
        loaded = figure(server, "attune_model_cache_misses_total")
        traffic = Traffic(server, expected, SECONDS)
        began = time.monotonic()
        for number in range(SWITCHES):
            switch_by(server, versions, number)
            if number % (SWITCHES // LOADS) == 0:
                predictions(server, f"copy-{number * LOADS // SWITCHES}")
            time.sleep(max(0.0, began + (number + 1) * SECONDS * 0.95 / SWITCHES - time.monotonic()))
        beside = traffic.process.poll() is None
        requests, seconds, refused, mixed, broken, p99 = traffic.result()
        loaded = figure(server, "attune_model_cache_misses_total") - loaded
        print(f"{requests} predictions in {seconds:.1f} s: {requests / seconds:.0f}/s, p99 {p99:.2f} ms, beside {SWITCHES} "
              f"switches and {loaded:.0f} loads")
        print(f"refused {refused}, mixed {mixed}, broken connections {broken}")
        took = sorted(ready_ms(server) for _ in range(3))[1]
        print(f"attuned --database is ready after {took:.0f} ms (median of three) with {MODELS + 1} models")
        faults = [text for wrong, text in (
            (refused or broken, "requests failed"), (mixed, "answers were mixed"), (not beside, "switches took longer than the traffic"),
            (loaded < LOADS, "models were not loaded"), (requests / seconds < RATE, f"fewer than {RATE:.0f} requests/s"),
            (took > READY_MS, f"ready later than {READY_MS} ms")) if wrong]
        print("FAILED: " + "; ".join(faults) if faults else "passed")
        return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
