"""Kills parts of a running Attune at random moments and checks that the job does not notice.

Used by tests/kill (a few kills of each kind); tests/accept/kill.py has its own, harder way (kill_lane.py).
"""

import os
import random
import signal
import time

VICTIMS = ("trial", "worker", "engine", "attuned", "postmaster")
RESUME_SECONDS = 15.0


def table(rows, seed):
    """A CSV of a two-class problem that is neither trivial nor hopeless."""
    rng = random.Random(seed)
    lines = ["a,b,c,d,colour,label"]
    for _ in range(rows):
        x = [rng.gauss(0, 1) for _ in range(4)]
        colour = rng.choice(["red", "green", "blue"])
        score = x[0] * x[1] + 0.7 * x[2] + (0.8 if colour == "red" else 0) + rng.gauss(0, 0.6)
        lines.append(",".join(f"{v:.4f}" for v in x) + f",{colour},{'yes' if score > 0.3 else 'no'}")
    return ("\n".join(lines) + "\n").encode()


def start_job(server, trials, rows=3000, seed=1, **more):
    answer = server.upload("/api/v1/datasets", [("file", "table.csv", table(rows, seed))])
    assert answer.status in (201, 202), answer
    dataset = server.wait_dataset(answer.json["id"])
    answer = server.post("/api/v1/jobs", {
        "dataset": dataset["id"], "target": "label", "budget": {"trials": trials},
        "search": {"seed": seed}, **more})
    assert answer.status == 202, answer
    return answer.json["id"]


def find(server, victim):
    """Process numbers of the victims of one kind."""
    found = []
    for pid, command in server.processes():
        program = os.path.basename(command.split(" ")[0])
        if victim == "attuned" and server.process is not None and pid == server.process.pid:
            found.append(pid)
        elif victim == "trial" and program == "attune-engine" and " --trial" in command:
            found.append(pid)
        elif victim == "worker" and program == "attune-engine" and " --worker " in command + " ":
            found.append(pid)
        elif victim == "engine" and program == "attune-engine" and " --parent-fd" in command \
                and " --worker " not in command + " " and " --trial" not in command:
            found.append(pid)
        elif victim == "postmaster" and program == "postgres" and " -D " in command:
            found.append(pid)
    return found


def marks(server, job):
    """What grows as the job goes on: number of its events, epochs seen, trials."""
    try:
        answer = server.get(f"/api/v1/jobs/{job}/trials?limit=100", timeout=5)
        if answer.status != 200:
            return None
        state = server.get(f"/api/v1/jobs/{job}", timeout=5)
        if state.status != 200:
            return None
    except OSError:
        return None
    trials = [(t["number"], t["state"], t.get("units_done"), len(t.get("reasons") or []))
              for t in answer.json["items"]]
    return state.json["state"], trials


def kill_once(server, job, victim, rng):
    """Kills one victim; returns seconds until the job went on, or None when none was there."""
    deadline = time.monotonic() + 20
    while not (pids := find(server, victim)):
        if time.monotonic() > deadline:
            return None
        time.sleep(0.02)
    os.kill(rng.choice(pids), signal.SIGKILL)
    if victim == "attuned":
        server.process.wait()
        server.process = None
        server.start()
    back = time.monotonic()
    before = marks(server, job)
    while time.monotonic() < back + RESUME_SECONDS + 30:
        now = marks(server, job)
        if now is not None:
            if before is None:
                before = now
            elif now != before or now[0] in ("succeeded", "failed", "cancelled"):
                return time.monotonic() - back
        time.sleep(0.1)
    raise AssertionError(f"the job did not go on after {victim} was killed:\n{server.log()}")


def check_trials(server, job, count):
    """Exactly `count` terminal trials, distinct numbers, one terminal event each, one done event."""
    view = server.get(f"/api/v1/jobs/{job}").json
    trials, cursor = [], ""
    while True:
        page = server.get(f"/api/v1/jobs/{job}/trials?limit=100{cursor}").json
        trials += page["items"]
        if not page["next_cursor"]:
            break
        cursor = "&cursor=" + page["next_cursor"]
    numbers = [t["number"] for t in trials]
    assert view["state"] == "succeeded", view
    assert sorted(numbers) == list(range(1, count + 1)), numbers
    states = {t["state"] for t in trials}
    assert states <= {"done", "failed", "pruned", "cancelled"}, states
    events, after = [], 0
    while True:
        page = server.get(f"/api/v1/jobs/{job}/events?after={after}").json
        if not page["items"]:
            break
        events += page["items"]
        after = page["last"]
    ended = [e["number"] for e in events if e["event"] == "trial"
             and e["state"] in ("done", "failed", "pruned", "cancelled")]
    assert sorted(ended) == list(range(1, count + 1)), sorted(ended)
    assert sum(e["event"] == "done" for e in events) == 1, events[-3:]
    seqs = [e["seq"] for e in events]
    assert seqs == list(range(1, len(seqs) + 1)), "event numbers repeat or leave gaps"
    return view, trials
