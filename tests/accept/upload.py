#!/usr/bin/env python3
"""make accept-upload: a 500 MB CSV.

Must: attuned's peak memory grows by less than 32 MB and the parser stays under 256 MB. Prints the time as
a ratio to psql's \\copy of the same file into a table of the same columns.
"""

import glob
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
from attune_server import AttuneServer  # noqa: E402

MEGABYTES = int(os.environ.get("ATTUNE_ACCEPT_MEGABYTES", "500"))
COLUMNS = 12


def write_csv(path):
    rng = random.Random(1)
    block = []
    for _ in range(20000):
        numbers = ",".join(f"{rng.gauss(0, 100):.5f}" for _ in range(COLUMNS - 3))
        block.append(f"{numbers},{rng.choice(['north', 'south', 'east', 'west'])},"
                     f"2026-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d},{rng.randint(0, 1)}\n")
    head = ",".join([f"x{i}" for i in range(COLUMNS - 3)] + ["side", "day", "label"]) + "\n"
    size = len(head)
    with open(path, "w", encoding="ascii") as file:
        file.write(head)
        while size < MEGABYTES * 1_000_000:
            rng.shuffle(block)
            text = "".join(block)
            file.write(text)
            size += len(text)
    return size


def status(pid, field):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        for line in file:
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024
    return 0


class Watch(threading.Thread):
    """Peak memory of the parser while it lives."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server = server
        self.peak = 0
        self.seen = False
        self.over = threading.Event()

    def run(self):
        while not self.over.wait(0.02):
            for path in glob.glob("/proc/[0-9]*/comm"):
                try:
                    with open(path, encoding="ascii") as file:
                        if file.read().strip() == "attune-ingest":
                            self.seen = True
                            self.peak = max(self.peak, status(path.split("/")[2], "VmHWM"))
                except OSError:
                    pass


def copy_seconds(server, path):
    """psql's \\copy of the file, in the same cluster."""
    with open(os.path.join(server.data_dir, "conninfo"), encoding="ascii") as file:
        conninfo = file.read().strip()
    columns = ", ".join([f"x{i} double precision" for i in range(COLUMNS - 3)]
                        + ["side text", "day date", "label integer"])
    script = f"CREATE TABLE copied ({columns});\n\\copy copied FROM '{path}' CSV HEADER\nDROP TABLE copied;\n"
    started = time.monotonic()
    subprocess.run(["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", conninfo], input=script.encode(), check=True)
    return time.monotonic() - started


def main():
    with tempfile.TemporaryDirectory() as folder, AttuneServer(engines=1) as server:
        os.chmod(folder, 0o755)
        path = os.path.join(folder, "big.csv")
        size = write_csv(path)
        before = status(server.process.pid, "VmHWM")
        watch = Watch(server)
        watch.start()
        started = time.monotonic()
        subprocess.run(["curl", "-fsS", "-o", os.path.join(folder, "answer"), "-H", f"Authorization: Bearer {server.key}",
                        "-F", f"file=@{path}", f"http://127.0.0.1:{server.port}/api/v1/datasets"], check=True)
        sent = time.monotonic() - started
        with open(os.path.join(folder, "answer"), encoding="utf-8") as file:
            dataset = server.wait_dataset(json.load(file)["id"], 600)
        took = time.monotonic() - started
        watch.over.set()
        grown = status(server.process.pid, "VmHWM") - before
        copied = copy_seconds(server, path)
        print(f"{size / 1e6:.0f} MB, {dataset['rows']} rows: sent in {sent:.1f} s, ready after {took:.1f} s")
        print(f"psql \\copy took {copied:.1f} s: ratio {took / copied:.2f}")
        print(f"attuned grew by {grown / 1e6:.1f} MB, the parser's peak was {watch.peak / 1e6:.1f} MB")
        ok = watch.seen and grown < 32e6 and watch.peak < 256e6
        print("passed" if ok else "FAILED: wanted < 32 MB and < 256 MB")
        return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
