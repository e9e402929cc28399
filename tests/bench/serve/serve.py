"""Predictions by the second: attuned, bare.c (the least a POST costs), and FastAPI + uvicorn + ONNX Runtime with a model of
the same shape, one after the other in every round, wrk with keep-alive on the same cores. Prints the ratios
and appends rows to serve.csv in ATTUNE_BENCH_RESULTS (default $ATTUNE_BENCH_WORK/serve, in the build directory).

    ATTUNE_BUILD=… python3 tests/bench/serve/serve.py [--cases trees,mlp,wide,image,default] [--seconds 4] [--rounds 3]
        [--without-peer] [--default-seconds 60]

Exit status 1 when a ratio is below what is promised."""

import argparse
import csv
import json
import os
import random
import re
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "harness"))

from attune_server import BUILD, AttuneServer, free_port  # noqa: E402  pylint: disable=wrong-import-position

CONNECTIONS = 32
# case: (least ratio to bare or None, least ratio to the peer or None)
PROMISED = {"trees": (0.7, 10), "mlp": (0.7, 10), "default_fast": (0.7, None), "default_best": (None, None),
            "wide": (None, 10), "image": (None, 5)}


def work_folder():
    path = os.path.join(os.environ.get("ATTUNE_BENCH_WORK") or os.path.join(BUILD, "bench"), "serve")
    os.makedirs(path, exist_ok=True)
    return path


def table(columns, rows, seed):
    """A table of two classes that takes deep trees."""
    rng = random.Random(seed)
    lines = [",".join(f"x{i}" for i in range(columns)) + ",y"]
    for _ in range(rows):
        x = [rng.gauss(0, 1) for _ in range(columns)]
        score = sum(x[i] * x[(i + 1) % min(columns, 30)] for i in range(min(columns, 30))) + rng.gauss(0, 0.5)
        lines.append(",".join(f"{value:.6g}" for value in x) + (",yes" if score > 0 else ",no"))
    return "\n".join(lines).encode()


def png(pixels, size):
    """A grey PNG of size × size."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    raw = b"".join(b"\0" + bytes(pixels[y * size:(y + 1) * size]) for y in range(size))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", size, size, 8, 0, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b""))


def idx(shape, data):
    return struct.pack(">BBBB", 0, 0, 8, len(shape)) + b"".join(struct.pack(">I", n) for n in shape) + data


def digit(rng, kind):
    """28 × 28 pixels: a bright bar whose place tells the class."""
    pixels = [rng.randrange(40) for _ in range(784)]
    for y in range(4, 24):
        for x in range(4 + 6 * kind, 9 + 6 * kind):
            pixels[28 * y + x] = 180 + rng.randrange(70)
    return pixels


def train(api, name, families, space, dataset, target, budget):
    spec = {"dataset": dataset, "name": name, "deploy_as": name, "budget": budget,
            "search": {"seed": 1, **({"space": space} if space else {})}}
    if families:
        # one model, as the peer has it: of folds, the models of all would answer together
        spec.update(families=families, validation={"holdout": 0.2})
    if target:
        spec["target"] = target
    answer = api.post("/api/v1/jobs", spec)
    if answer.status != 202:
        raise SystemExit(f"the job {name} was refused: {answer}")
    job = api.wait_job(answer.json["id"], 900)
    if job["state"] != "succeeded":
        raise SystemExit(f"the job {name} ended as {job}")


def upload(api, parts):
    answer = api.upload("/api/v1/datasets", parts)
    return api.wait_dataset(answer.json["id"])["id"]


class Case:
    """What is sent where, and to which peer's model."""

    def __init__(self, name, model, body, content_type, peer):
        self.name, self.model, self.body, self.content_type, self.peer = name, model, body, content_type, peer


def row_body(columns, seed):
    rng = random.Random(seed)
    return json.dumps({"rows": [{f"x{i}": round(rng.gauss(0, 1), 6) for i in range(columns)}]}).encode()


def make_cases(api, wanted, default_seconds):
    cases = []
    if "trees" in wanted:
        data = upload(api, [("file", "t.csv", table(16, 3000, 1))])
        train(api, "trees", ["trees"], {"trees": {"max_depth": 6, "rounds": 100}}, data, "y", {"trials": 1})
        cases.append(Case("trees", "trees", row_body(16, 2), "application/json", "trees"))
    if "mlp" in wanted:
        data = upload(api, [("file", "m.csv", table(30, 2000, 3))])
        train(api, "mlp", ["mlp"], {"mlp": {"layers": 2, "units": 64, "network": "plain"}}, data, "y", {"trials": 1})
        cases.append(Case("mlp", "mlp", row_body(30, 4), "application/json", "mlp"))
    if "wide" in wanted:
        data = upload(api, [("file", "w.csv", table(784, 600, 5))])
        train(api, "wide", ["mlp"], {"mlp": {"layers": 2, "units": 128, "network": "plain"}}, data, "y", {"trials": 1})
        rng = random.Random(6)
        row = [round(rng.gauss(0, 1), 6) for _ in range(784)]
        cases.append(Case("wide", "wide", json.dumps({"rows": [row]}).encode(), "application/json", "wide"))
    if "image" in wanted:
        rng = random.Random(7)
        kinds = [i % 3 for i in range(300)]
        images = b"".join(bytes(digit(rng, kind)) for kind in kinds)
        data = upload(api, [("images", "i.idx", idx((300, 28, 28), images)), ("labels", "l.idx", idx((300,), bytes(kinds)))])
        train(api, "image", ["cnn"], {"cnn": {"epochs": 3, "filters": 8, "stages": 3, "blocks": 0, "early_pooling": "yes"}}, data, None, {"trials": 1})
        cases.append(Case("image", "image", png(digit(rng, 1), 28), "image/png", "image"))
    if "default" in wanted:
        data = upload(api, [("file", "d.csv", table(16, 3000, 8))])
        train(api, "default", None, None, data, "y", {"seconds": default_seconds})
        for alias in ("fast", "best"):
            cases.append(Case("default_" + alias, "default@" + alias, row_body(16, 9), "application/json", None))
    return cases


def wrk(port, path, case, key, seconds, connections=CONNECTIONS, delay_ms=0):
    """(requests a second, p50 and p99 in ms) of one run."""
    with tempfile.TemporaryDirectory() as folder:
        body, script = os.path.join(folder, "body"), os.path.join(folder, "post.lua")
        with open(body, "wb") as out:
            out.write(case.body)
        with open(script, "w", encoding="ascii") as out:
            out.write(f'''local file = io.open("{body}", "rb")
wrk.method = "POST"
wrk.body = file:read("*a")
wrk.headers["Content-Type"] = "{case.content_type}"
wrk.headers["Authorization"] = "Bearer {key}"
''')
            if delay_ms:
                out.write(f"function delay() return {delay_ms} end\n")
        out = subprocess.run(["wrk", "-t2", f"-c{connections}", f"-d{seconds}", "--latency", "-s", script,
                              f"http://127.0.0.1:{port}{path}"], check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in out:
        raise SystemExit(f"{case.name}: some answers were refused:\n{out}")
    units = {"us": 0.001, "ms": 1.0, "s": 1000.0}

    def late(share):
        number, unit = re.search(rf"{share}%\s+([\d.]+)(us|ms|s)", out).groups()
        return float(number) * units[unit]
    return float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1)), late(50), late(99)


def wait_port(port, process, seconds=60):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise SystemExit("a peer did not start")


class Program:
    """A server beside attuned, for the length of a case."""

    def __init__(self, command, port):
        self.port = port
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def __enter__(self):
        try:
            wait_port(self.port, self.process)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(20)


def peer_python():
    """The environment of the FastAPI peer, made once."""
    venv = os.path.join(work_folder(), "venv")
    python = os.path.join(venv, "bin", "python")
    if not os.path.exists(os.path.join(venv, "done")):
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
        subprocess.run([python, "-m", "pip", "-q", "install", "-r", os.path.join(HERE, "requirements-fastapi.txt")], check=True)
        with open(os.path.join(venv, "done"), "w", encoding="ascii"):
            pass
    return python


def run_case(server, case, args, python):
    path = f"/api/v1/models/{case.model}/predict"
    request = urllib.request.Request(f"http://127.0.0.1:{server.port}{path}", case.body, {
        "Content-Type": case.content_type, "Authorization": "Bearer " + server.key})
    with urllib.request.urlopen(request) as answer:
        size = len(answer.read())
    bare_port, peer_port = free_port(), free_port()
    rates = {"attuned": [], "bare": [], "fastapi": []}
    with Program([os.path.join(BUILD, "tests/bench/serve/bare"), str(bare_port), str(size)], bare_port):
        peer = python and case.peer and Program(
            [python, os.path.join(HERE, "fastapi_peer.py"), case.peer, str(peer_port)], peer_port)
        try:
            if peer:
                peer.__enter__()
            for _ in range(args.rounds):
                rates["attuned"].append(wrk(server.port, path, case, server.key, args.seconds))
                rates["bare"].append(wrk(bare_port, "/", case, "x", args.seconds))
                if peer:
                    rates["fastapi"].append(wrk(peer_port, "/predict", case, "x", args.seconds))
        finally:
            if peer:
                peer.__exit__()
    # delays of 4 ms on so many connections make about half of what was reached
    half = max(1, round(rates["attuned"][-1][0] / 2 * 0.004))
    _, _, late = wrk(server.port, path, case, server.key, args.seconds, max(2, min(half, 400)), 4)
    return rates, late


def report(case, rates, late, results):
    promised = PROMISED[case.name]
    fine = True
    attuned = statistics.median(rate for rate, _, _ in rates["attuned"])
    print(f"{case.name:14} attuned {attuned:9.0f}/s, p99 at half load {late:.2f} ms", end="")
    for peer, least in zip(("bare", "fastapi"), promised):
        if not rates[peer]:
            continue
        ratios = [ours[0] / theirs[0] for ours, theirs in zip(rates["attuned"], rates[peer])]
        ratio = statistics.median(ratios)
        print(f"; {ratio:.2f} × {peer} ({min(ratios):.2f} to {max(ratios):.2f})", end="")
        if least and ratio < least:
            print(f", less than {least}", end="")
            fine = False
    print(flush=True)
    new = not os.path.exists(results)
    with open(results, "a", encoding="utf-8", newline="") as out:
        rows = csv.writer(out)
        if new:
            rows.writerow(("case", "server", "round", "requests_per_s", "p50_ms", "p99_ms", "half_load_p99_ms", "cores"))
        for name, runs in rates.items():
            for number, (rate, p50, p99) in enumerate(runs):
                rows.writerow((case.name, name, number, f"{rate:.0f}", f"{p50:.3f}", f"{p99:.3f}",
                               f"{late:.3f}" if name == "attuned" else "", os.cpu_count()))
    return fine


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--cases", default="trees,mlp,wide,image,default")
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--default-seconds", type=int, default=60)
    parser.add_argument("--without-peer", action="store_true")
    args = parser.parse_args()
    folder = os.environ.get("ATTUNE_BENCH_RESULTS") or work_folder()
    os.makedirs(folder, exist_ok=True)
    subprocess.run(["make", "-s", "-C", BUILD, "tests/bench/serve/bare"], check=True)
    python = None if args.without_peer else peer_python()
    fine = True
    with AttuneServer(engines=2) as server:
        for case in make_cases(server, args.cases.split(","), args.default_seconds):
            rates, late = run_case(server, case, args, python)
            fine = report(case, rates, late, os.path.join(folder, "serve.csv")) and fine
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
