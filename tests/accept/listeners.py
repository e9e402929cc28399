#!/usr/bin/env python3
"""make accept-listeners: 100 event streams and polling while two trials run at a time.

Prints p50 and p99 of GET on the job, and says how many events the streams got.
"""

import http.client
import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
from attune_server import AttuneServer  # noqa: E402
import kills  # noqa: E402

STREAMS = 100
SECONDS = 20


class Listener(threading.Thread):
    def __init__(self, server, job):
        super().__init__(daemon=True)
        self.server, self.job = server, job
        self.events = 0
        self.done = False

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=120)
        connection.request("GET", f"/api/v1/jobs/{self.job}/events",
                           headers={"Authorization": "Bearer " + self.server.key})
        response = connection.getresponse()
        while line := response.readline():
            if line.startswith(b"event:"):
                self.events += 1
                if line.split(b":")[1].strip() == b"done":
                    self.done = True
                    return


def main():
    with AttuneServer(engines=2) as server:
        job = kills.start_job(server, 100000, rows=6000, budget={"seconds": SECONDS})
        listeners = [Listener(server, job) for _ in range(STREAMS)]
        for listener in listeners:
            listener.start()
        took = []
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        end = time.monotonic() + SECONDS - 2
        while time.monotonic() < end:
            began = time.perf_counter()
            connection.request("GET", f"/api/v1/jobs/{job}", headers={"Authorization": "Bearer " + server.key})
            response = connection.getresponse()
            response.read()
            assert response.status == 200, response.status
            took.append(time.perf_counter() - began)
            time.sleep(0.01)
        server.wait_job(job, 120)
        for listener in listeners:
            listener.join(20)
        took.sort()
        p50, p99 = took[len(took) // 2], took[int(len(took) * 0.99)]
        done = sum(listener.done for listener in listeners)
        print(f"{len(took)} GETs beside {STREAMS} streams: p50 {p50 * 1e3:.2f} ms, p99 {p99 * 1e3:.2f} ms, worst {took[-1] * 1e3:.1f} ms")
        print(f"streams that saw the end: {done} of {STREAMS}; events per stream {min(l.events for l in listeners)} to {max(l.events for l in listeners)}")
        ok = done == STREAMS
        print("passed" if ok else "FAILED: every stream must see the end")
        return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
