#!/usr/bin/env python3
"""make accept-kill: a job of N trials under 20 kills of every kind at random moments.

Must: exactly N terminal trials with distinct numbers and one terminal event each, and the job goes on
within 15 s each time.
"""

import os
import random
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
from attune_server import AttuneServer  # noqa: E402
import kills  # noqa: E402

KILLS = int(os.environ.get("ATTUNE_ACCEPT_KILLS", "20"))
TRIALS = int(os.environ.get("ATTUNE_ACCEPT_TRIALS", "120"))


def main():
    rng = random.Random(int(os.environ.get("ATTUNE_ACCEPT_SEED", "1")))
    with AttuneServer() as server:
        job = kills.start_job(server, TRIALS, rows=8000, families=["linear", "trees"])
        slowest = 0.0
        done = 0
        while done < KILLS:
            time.sleep(rng.uniform(0.1, 3.0))
            if server.get(f"/api/v1/jobs/{job}").json["state"] not in ("queued", "running"):
                sys.exit(f"the job ended after {done} kills: give ATTUNE_ACCEPT_TRIALS more trials")
            victim = kills.VICTIMS[done % len(kills.VICTIMS)]
            took = kills.kill_once(server, job, victim, rng)
            if took is None:
                continue
            done += 1
            slowest = max(slowest, took)
            print(f"kill {done}: {victim}, went on after {took:.2f} s", flush=True)
        server.wait_job(job, 1200, patient=True)
        view, trials = kills.check_trials(server, job, TRIALS)
        print(f"{len(trials)} trials {view['trials']}, slowest resumption {slowest:.2f} s")
        ok = slowest <= kills.RESUME_SECONDS
        print("passed" if ok else "FAILED: wanted <= 15 s")
        return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
