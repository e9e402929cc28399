"""What the API's tests share: one running server, small data files, and checks of problem answers."""

import atexit
import gzip
import os
import pwd
import random
import secrets
import struct
import subprocess
import sys
import time
import unittest
import zlib
from base64 import urlsafe_b64encode
from hashlib import blake2b

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
from attune_server import AttuneServer, Client, TOP  # noqa: E402

_running = []


def server() -> AttuneServer:
    """The server all tests of one run use; it goes, with all it made, when the run ends."""
    if not _running:
        one = AttuneServer(engines=2)
        atexit.register(one.close)
        one.start()
        _running.append(one)
    return _running[0]


def rows_are_alike() -> bool:
    """Whether a row's numbers are the same bits alone and among others: with AVX-512 (kernel_row.h)."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            flags = next((line.split() for line in file if line.startswith("flags")), [])
    except OSError:
        return False
    return {"avx512f", "avx512bw", "avx512dq", "avx512vl"} <= set(flags)


def same_answer(one, other) -> bool:
    """Whether two answers for a row, of calls with other company, are the same: to the last bit where the processor
    allows it, else to 1e-5 of each number, or 1e-7."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same_answer(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same_answer, one, other))
    numbers = isinstance(one, (int, float)) and isinstance(other, (int, float)) and float in (type(one), type(other))
    if numbers and not rows_are_alike():
        return abs(one - other) <= 1e-5 * max(abs(one), abs(other)) + 1e-7
    return one == other


class ApiTest(unittest.TestCase):
    """A test with the admin's client as self.api."""

    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.api = server()

    def assert_same_answer(self, one, other):
        if not same_answer(one, other):
            self.assertEqual(one, other)  # shows where
            self.fail("not the same")

    def problem(self, answer, status, code, *places):
        """The answer is this problem, and each place (pointer, row or column) has a fault with a sentence."""
        self.assertEqual((answer.status, (answer.json or {}).get("code")), (status, code), answer)
        self.assertEqual(answer.headers["content-type"], "application/problem+json")
        body = answer.json
        self.assertEqual(body["status"], status)
        self.assertTrue(body["detail"] and body["title"] and body["hint"], body)
        self.assertEqual(body["error"], body["detail"])
        self.assertIn("x-request-id", answer.headers)
        for fault in body.get("faults", []):
            self.assertTrue(fault["message"], body)
        found = {fault.get("pointer") for fault in body.get("faults", [])}
        found |= {fault.get("row") for fault in body.get("faults", [])}
        found |= {fault.get("column") for fault in body.get("faults", [])}
        for place in places:
            self.assertIn(place, found, body)
        for word in ("SELECT", "server/", ".c:", "libpq", "PGRES", "errno"):  # ids are drawn: short words would be in some
            self.assertNotIn(word, answer.raw.decode())

    def upload(self, content, name="table.csv", **more):
        """The dataset made of a CSV's bytes."""
        answer = self.api.upload("/api/v1/datasets", [("file", name, content)], **more)
        self.assertIn(answer.status, (201, 202), answer)
        return self.api.wait_dataset(answer.json["id"])

    def run_job(self, request, seconds=300):
        answer = self.api.post("/api/v1/jobs", request)
        self.assertEqual(answer.status, 202, answer)
        return self.api.wait_job(answer.json["id"], seconds)

    def watch_job(self, job, holds, seconds=60):
        """What the job with this id says as soon as that holds."""
        deadline = time.monotonic() + seconds
        while not holds(view := self.api.get(f"/api/v1/jobs/{job}").json):
            self.assertLess(time.monotonic(), deadline, view)
            time.sleep(0.1)
        return view


# ---- data -------------------------------------------------------------------------------------------

def iris() -> bytes:
    with open(os.path.join(TOP, "tests", "data", "iris.csv"), "rb") as file:
        return file.read()


def old_model() -> bytes:
    """An exported model of the first release: a mix of a linear model, trees and a network, three classes."""
    with open(os.path.join(TOP, "tests", "data", "model-v1.json"), "rb") as file:
        return file.read()


def cells(rows=300, seed=1) -> bytes:
    """Ten measurements of cells that are benign or malignant: two overlapping clouds, some cells empty."""
    rng = random.Random(seed)
    names = ["radius", "texture", "perimeter", "area", "smoothness", "compactness", "concavity",
             "points", "symmetry", "dimension"]
    lines = [",".join(names + ["diagnosis"])]
    for _ in range(rows):
        bad = rng.random() < 0.37
        base = [17 if bad else 12, 21 if bad else 18, 115 if bad else 78, 980 if bad else 460,
                0.1, 0.145 if bad else 0.08, 0.16 if bad else 0.046, 0.09 if bad else 0.026, 0.18,
                0.06]
        values = [f"{rng.gauss(b, 0.25 * b):.4f}" if rng.random() > 0.02 else "" for b in base]
        lines.append(",".join(values + ["malignant" if bad else "benign"]))
    return ("\n".join(lines) + "\n").encode()


def prices(rows=200, seed=2) -> bytes:
    """A regression: rent by size, floor and district, with words and a date."""
    rng = random.Random(seed)
    lines = ["size,floor,district,built,rent"]
    for _ in range(rows):
        size, floor = rng.uniform(20, 120), rng.randint(0, 9)
        district = rng.choice(["north", "south", "old town"])
        built = f"{rng.randint(1950, 2020)}-0{rng.randint(1, 9)}-1{rng.randint(0, 9)}"
        rent = 9 * size + 15 * floor + (200 if district == "old town" else 0) + rng.gauss(0, 30)
        lines.append(f"{size:.1f},{floor},{district},{built},{rent:.2f}")
    return ("\n".join(lines) + "\n").encode()


def pictures(count=240, seed=3):
    """8 x 8 grey pictures of three kinds: a bright top, a bright left, a bright middle."""
    rng = random.Random(seed)
    images, labels = [], []
    for i in range(count):
        kind = i % 3
        pixels = []
        for y in range(8):
            for x in range(8):
                bright = (y < 3, x < 3, 2 < x < 6 and 2 < y < 6)[kind]
                pixels.append(max(0, min(255, int(rng.gauss(200 if bright else 40, 25)))))
        images.append(bytes(pixels))
        labels.append(kind)
    return images, labels


def idx_images(images, height=8, width=8, count=None, magic=0x803) -> bytes:
    head = struct.pack(">IIII", magic, len(images) if count is None else count, height, width)
    return head + b"".join(images)


def idx_labels(labels, count=None, magic=0x801) -> bytes:
    return struct.pack(">II", magic, len(labels) if count is None else count) + bytes(labels)


def gz(content) -> bytes:
    return gzip.compress(content)


def png(pixels, height, width, channels=1) -> bytes:
    """A PNG file of 8-bit grey or RGB pixels."""
    def chunk(kind, content):
        return (struct.pack(">I", len(content)) + kind + content
                + struct.pack(">I", zlib.crc32(kind + content)))
    line = width * channels
    raw = b"".join(b"\0" + pixels[y * line:(y + 1) * line] for y in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 0 if channels == 1 else 2, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(raw))
            + chunk(b"IEND", b""))


# ---- the database, for what the API can't make ------------------------------------------------------

def sql(statement, of=None) -> str:
    """Runs SQL in a server's private database (by default the shared one's) as the account that owns it."""
    with open(os.path.join((of or server()).data_dir, "conninfo"), encoding="utf-8") as file:
        conninfo = file.read().strip()
    command = ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", conninfo, "-c", statement]
    more = {}
    if os.geteuid() == 0:
        account = pwd.getpwnam("postgres")
        more = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    run = subprocess.run(command, check=False, capture_output=True, text=True, cwd="/", **more)
    if run.returncode != 0:
        raise AssertionError(f"{statement}: {run.stderr}")
    return run.stdout


def other_tenant() -> Client:
    """A client of a tenant of its own, with every scope."""
    name = secrets.token_hex(10)
    secret = urlsafe_b64encode(secrets.token_bytes(32)).rstrip(b"=").decode()
    key = f"atk_{name}_{secret}"
    digest = blake2b(key.encode(), digest_size=32).hexdigest()
    sql(f"INSERT INTO tenant (id, name) VALUES ('ten_{name}', '{name}');"
        f"INSERT INTO api_key (id, tenant_id, name, scopes, hash) VALUES ('key_{name}', 'ten_{name}',"
        f" 'k', '{{predict,read,train,admin}}', '\\x{digest}')")
    return Client(server().port, key)
