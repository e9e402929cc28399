#!/usr/bin/env python3
"""make accept-kill: 1,000 kills (kill -9, or SIGSTOP past the lease) of every kind of process, in several lanes.

Each lane is an Attune of its own that always has jobs (tests/harness/kill_lane.py); lanes take rounds from one
count. A round waits a random while, or for a moment of a kind (an upload, a finish), takes a victim, and measures
the time until every unit that the victim held has been taken over or ended (database, attuned, or a supervisor that
was only stopped: until every leased unit has moved or was kept by a heartbeat; a trial that was only stopped: until
it computes again), and something new has been recorded. Rounds are
rows of accept/kill.csv in the build directory; a run that was cut short goes on with the rounds and the lanes'
data that are there. At the end every promise is checked (tests/harness/kill_checks.py).

Must: every accepted job ends in order, no result recorded twice, none lost, resumption at most 15 s.
ATTUNE_ACCEPT_ROUNDS, _LANES, _SEED, _STOP_SHARE, _VICTIMS ("worker trial …") change the run.
"""

import csv
import os
import random
import signal
import sys
import tempfile
import threading
import time
import traceback
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
from attune_server import BUILD  # noqa: E402
from kill_checks import check_database, check_files, check_jobs  # noqa: E402
from kill_lane import Away, ExternalLane, StandaloneLane, remove  # noqa: E402

ROUNDS = int(os.environ.get("ATTUNE_ACCEPT_ROUNDS", "1000"))
LANES = int(os.environ.get("ATTUNE_ACCEPT_LANES", "4"))
SEED = os.environ.get("ATTUNE_ACCEPT_SEED", "1")
STOP_SHARE = float(os.environ.get("ATTUNE_ACCEPT_STOP_SHARE", "0.15"))
VICTIMS = os.environ.get("ATTUNE_ACCEPT_VICTIMS", "trial worker engine attuned backend postmaster").split()
PARTS = ("trial", "worker", "engine")  # whose units go to others
MOMENTS = ("search", "finish", "publish", "upload", "ingest")
RESUME_S = 15.0
LEASE_S = 12.0
SETTLE_S = 120.0  # at the end: so long without anything new is a standstill
LONGEST_S = 90.0  # a lane that takes longer is given up
FIELDS = ("round", "lane", "kind", "victim", "signal", "phase", "seconds", "ok")
HERE = os.path.join(BUILD, "accept")
TABLE = os.path.join(HERE, os.environ.get("ATTUNE_ACCEPT_TABLE", "kill.csv"))
ROOT = os.path.join(tempfile.gettempdir(), f"attune-kill-{zlib.crc32(TABLE.encode()):08x}")
LEASED = ("SELECT id, lease_token, trial_id IS NULL, split_part(worker, ':', 2), extract(epoch FROM lease_until)"
          " FROM unit WHERE state = 'leased'")
PROGRESS = ("SELECT coalesce(sum(event_seq), 0), (SELECT coalesce(sum(lease_token), 0) FROM unit),"
            " (SELECT count(*) FROM unit WHERE state NOT IN ('pending', 'leased')),"
            " (SELECT count(*) FROM dataset WHERE state <> 'ingesting') FROM job")


class Rounds:
    """Which rounds are left, and the table of those that are done."""

    def __init__(self):
        os.makedirs(HERE, exist_ok=True)
        self.lock = threading.Lock()
        self.stop = threading.Event()
        self.rows = []
        if os.path.exists(TABLE):
            with open(TABLE, newline="", encoding="utf-8") as file:
                self.rows = [row for row in csv.DictReader(file) if row["ok"]]
        done = {int(row["round"]) for row in self.rows}
        self.left = [number for number in range(1, ROUNDS + 1) if number not in done]
        if self.rows:
            print(f"{len(done)} rounds are done, {len(self.left)} are left", flush=True)

    def take(self):
        with self.lock:
            return self.left.pop(0) if self.left and not self.stop.is_set() else None

    def record(self, row):
        with self.lock:
            self.rows.append(row)
            new = not os.path.exists(TABLE)
            with open(TABLE, "a", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, FIELDS)
                if new:
                    writer.writeheader()
                writer.writerow(row)
            print(" ".join(str(row[name]) for name in FIELDS), flush=True)


def moments(lane):
    """What is going on just now, the rarest first."""
    leased = lane.shell.rows(LEASED)
    waits = lane.shell.rows("SELECT count(*) FROM dataset WHERE state = 'ingesting'")[0][0]
    trials = [command for _, command in lane.processes() if " --trial " in command]
    there = {"publish": any(command.rstrip().endswith("/publish") for command in trials),
             "finish": any(finish == "t" for _, _, finish, _, _ in leased),
             "ingest": waits != "0",
             "upload": lane.uploading > 0,
             "search": any(finish == "f" for _, _, finish, _, _ in leased)}
    return [name for name, holds in there.items() if holds]


def wait_for_moment(lane, victim, rng):
    """Waits for a random moment, then for one of the wanted kind; which it is now."""
    time.sleep(rng.uniform(0.05, 1.2))
    wanted = rng.choice(MOMENTS[:3] if victim in PARTS else MOMENTS)
    end = time.monotonic() + 8
    while wanted not in (now := moments(lane)) and time.monotonic() < end:
        time.sleep(0.02)
    return wanted if wanted in now else (now or ["idle"])[0]


def choose(lane, victim, rng, stop):
    """A victim and what is leased just now. A worker that is to be stopped has work."""
    end = time.monotonic() + 8
    while time.monotonic() < end:
        pids = lane.find(victim)
        leased = lane.shell.rows(LEASED)
        if stop and victim == "worker":
            busy = {int(worker) for _, _, _, worker, _ in leased if worker.isdigit()}
            pids = [pid for pid in pids if pid in busy]
        if pids:
            return rng.choice(pids), leased
        time.sleep(0.02)
    return None, []


def parent(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return int(file.read().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def held_by(victim, pid, leased):
    """Of what is leased, what depends on the victim: all, but for parts of an engine."""
    if victim not in PARTS:
        return leased
    owner = parent(pid) if victim == "trial" else pid
    return [unit for unit in leased if unit[3].isdigit()
            and owner in (int(unit[3]), parent(unit[3]) if victim == "engine" else 0)]


def processor_time(pid):
    """Clock ticks that a process has used; None when it has gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])
    except OSError:
        return None


def gone_on(lane, leased, before, lives_on):
    """Whether each unit that was leased has moved, and anything new has been recorded. Where the owners live on,
    a heartbeat that came through is a move."""
    now = {row[0]: row for row in lane.shell.rows(LEASED, 3.0)}
    for unit, token, _, _, until in leased:
        if unit in now and now[unit][1] == token and not (lives_on and float(now[unit][4]) > float(until)):
            return False
    return lane.shell.rows(PROGRESS, 3.0) != before


def wait_progress(lane, leased, before, lives_on, base, cont):
    """Seconds from `base` until work went on; `cont()` is called again and again and wakes what was stopped. It says
    when what was stopped computes again, and its units need not move."""
    while time.monotonic() < base + LONGEST_S:
        held = [] if cont() else leased
        try:
            if gone_on(lane, held, before, lives_on):
                return max(0.0, time.monotonic() - base)
        except Away:
            pass
        time.sleep(0.05)
    return None


def send(pid, what):
    try:
        os.kill(pid, what)
        return True
    except ProcessLookupError:
        return False


def one_round(lane, number):
    """One kill; None when there was nothing to kill."""
    rng = random.Random(f"{SEED}:{number}")
    victim = rng.choice(VICTIMS)
    stop = rng.random() < STOP_SHARE
    phase = wait_for_moment(lane, victim, rng)
    pid, leased = choose(lane, victim, rng, stop)
    if pid is None:
        return None
    leased = held_by(victim, pid, leased)
    before = lane.shell.rows(PROGRESS)
    if not send(pid, signal.SIGSTOP if stop else signal.SIGKILL):
        return None
    base = time.monotonic()
    lives_on = victim not in PARTS or (stop and victim == "engine")
    if stop:
        used = processor_time(pid)
        length = rng.uniform(13.0, 16.0)
        wakes_at = base + length
        # Others take over what a stopped worker held once its lease is past; nobody stands in for the rest.
        taken_over = victim in ("worker", "engine")
        base += LEASE_S if taken_over else length
        time.sleep(LEASE_S)

        def cont():
            if time.monotonic() < wakes_at:
                return False
            send(pid, signal.SIGCONT)
            now = processor_time(pid)
            return victim == "trial" and now is not None and now != used
    else:
        lane.killed(victim, pid)

        def cont():
            return False
    try:
        seconds = wait_progress(lane, leased, before, lives_on, base, cont)
    finally:
        if stop:
            time.sleep(max(0.0, wakes_at - time.monotonic()))
            send(pid, signal.SIGCONT)
    ok = seconds is not None and seconds <= RESUME_S
    return {"round": number, "lane": lane.number, "kind": lane.kind, "victim": victim,
            "signal": "stop" if stop else "kill", "phase": phase,
            "seconds": f"{seconds:.2f}" if seconds is not None else "never", "ok": int(ok)}


# ---- checks ---------------------------------------------------------------------------------------------


def asked_of(lane):
    """Trials asked for by job; None for those whose acceptance nobody heard of."""
    asked = {what["job"]: what["trials"] for what in lane.accepted if "job" in what}
    for (job,) in lane.shell.patiently("SELECT id FROM job"):
        asked.setdefault(job, None)
    return asked


def answers(lane, job, name, version):
    """What a model says to rows like its training table's. OSError when the server is away or busy."""
    report = lane.server.get(f"/api/v1/models/{name}/versions/{version}/report", timeout=30)
    rows = [{"sepal_length": 5.1, "petal_width": 0.2, "a": 0.5, "b": -1.0, "colour": "red"},
            {"sepal_length": 6.3, "sepal_width": 3.0, "a": -0.5, "c": 2.0, "colour": "blue"}]
    said = lane.server.post(f"/api/v1/models/{name}@{version}/predict", {"rows": rows}, timeout=30)
    if 503 in (report.status, said.status):
        raise OSError("busy")
    if report.status != 200 or said.status != 200:
        raise AssertionError(f"the model of {job} does not answer: {report} {said}")
    stored = lane.shell.rows(f"SELECT report->>'score', score FROM model_version WHERE job_id = '{job}' AND final")
    if [float(value) for value in stored[0]] != [report.json["score"]] * 2:
        raise AssertionError(f"the report of {job} says {report.json['score']}, the database {stored}")
    return said.json["predictions"], said.json.get("probabilities")


def answers_patiently(lane, job, name, version):
    """As answers, from a server that may still be busy with its start."""
    end = time.monotonic() + 60
    while True:
        try:
            return answers(lane, job, name, version)
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


def verify(lane, job, name, version):
    """The server itself finds the reported score again, from what it has stored."""
    said = lane.server.post(f"/api/v1/models/{name}/versions/{version}/verify", timeout=60)
    if said.status in (429, 503):
        raise OSError("busy")
    if said.status != 200 or not said.json["ok"]:
        raise AssertionError(f"the model of {job} can't be verified: {said}")


def check_ended(lane, all_of_them=False):
    """Looks at jobs that have ended since the last time; their faults are kept by the lane. False when the server
    was busy: such jobs are looked at again the next time (`all_of_them`: stops at the first)."""
    new = {job: trials for job, trials in asked_of(lane).items() if job not in lane.checked}
    for job, faults in check_jobs(lane.shell, new).items():
        lane.faults += faults
        lane.checked[job] = None
        model = lane.shell.rows(f"SELECT m.name, v.version FROM model_version v JOIN model m"
                                f" ON m.id = v.model_id WHERE v.job_id = '{job}' AND final")
        if model:
            try:
                lane.checked[job] = (model[0], answers(lane, job, *model[0]))
                verify(lane, job, *model[0])
            except OSError:
                del lane.checked[job]
                if all_of_them:
                    return False
            except AssertionError as error:
                lane.faults.append(str(error))
    return True


def check_all_ended(lane):
    """As check_ended, until the server, which may have lost its database a moment ago, has answered for every job."""
    end = time.monotonic() + 60
    while not check_ended(lane, True):
        if time.monotonic() > end:
            lane.faults.append("the server is busy for a minute with nothing to do")
            return
        time.sleep(0.5)


def wait_ended(lane):
    """Until nothing runs or waits; false when nothing has happened for SETTLE_S."""
    seen, since = None, time.monotonic()
    while True:
        if lane.shell.patiently("SELECT count(*) FROM job WHERE state IN ('queued', 'running')"
                                " UNION ALL SELECT count(*) FROM dataset WHERE state = 'ingesting'") == [["0"], ["0"]]:
            return True
        now = lane.shell.patiently(PROGRESS)
        if now != seen:
            seen, since = now, time.monotonic()
        elif time.monotonic() > since + SETTLE_S:
            return False
        time.sleep(0.3)


def settle(lane):
    """No more jobs: all that are left end, everything is checked, also after a start anew and an orderly end."""
    lane.stop()
    if not wait_ended(lane):
        lane.faults.append(f"jobs that never ended: {lane.shell.rows(JOBS_LEFT)}")
    check_all_ended(lane)
    lane.faults += check_database(lane.shell, lane.accepted)
    if not lane.end():
        lane.faults.append("processes were left, or ended badly")
    lane.start()
    for job, said in lane.checked.items():
        if said and answers_patiently(lane, job, *said[0]) != said[1]:
            lane.faults.append(f"the model of {job} answers differently after a start anew")
    if not lane.end():
        lane.faults.append("processes were left after the second end")
    folders = [os.path.join(lane.root, name) for name in os.listdir(lane.root)]
    lane.faults += check_files(folder for folder in folders if os.path.isdir(folder))


JOBS_LEFT = "SELECT id, state, phase FROM job WHERE state IN ('queued', 'running')"


def drive(lane, rounds):
    """A lane's life."""
    try:
        lane.begin()
        since = 0
        while (number := rounds.take()) is not None:
            row = None
            while row is None and not rounds.stop.is_set():
                try:
                    row = one_round(lane, number)
                except Away:
                    time.sleep(0.2)
            if row is None:
                break
            rounds.record(row)
            if row["seconds"] == "never":
                lane.faults.append(f"round {number}: work did not go on within {LONGEST_S:.0f} s")
                break
            since += 1
            if since % 5 == 0:
                check_ended(lane)
        settle(lane)
    except Exception as error:  # whatever it is, the other lanes go on and the run fails
        lane.faults.append(f"the lane broke: {type(error).__name__}: {error}: "
                           f"{traceback.format_exc().splitlines()[-4:]}")
        try:
            lane.stopping.set()
            lane.end()
        except Exception as more:
            lane.faults.append(f"and did not end: {more}")


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(share * len(values)))]


def summary(rounds):
    print(f"{'victim':12} {'signal':6} {'rounds':>6} {'p50 s':>7} {'p99 s':>7} {'p100 s':>7}")
    groups = {}
    for row in rounds.rows:
        seconds = float("inf") if row["seconds"] == "never" else float(row["seconds"])
        for group in ((row["victim"], row["signal"]), ("all", "")):
            groups.setdefault(group, []).append(seconds)
    for (victim, how), values in sorted(groups.items(), key=lambda item: (item[0][0] == "all", item[0])):
        print(f"{victim:12} {how:6} {len(values):6} {percentile(values, 0.5):7.2f} {percentile(values, 0.99):7.2f}"
              f" {max(values):7.2f}")
    phases = {}
    for row in rounds.rows:
        phases[row["phase"]] = phases.get(row["phase"], 0) + 1
    print("moments:", ", ".join(f"{name} {count}" for name, count in sorted(phases.items())))


def main():
    rounds = Rounds()
    for what in (signal.SIGTERM, signal.SIGINT):
        signal.signal(what, lambda *_: rounds.stop.set())
    os.makedirs(ROOT, exist_ok=True)
    os.chmod(ROOT, 0o711)
    kinds = (StandaloneLane, ExternalLane)
    lanes = [kinds[number % 2](number, ROOT, SEED) for number in range(LANES)]
    threads = [threading.Thread(target=drive, args=(lane, rounds)) for lane in lanes]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    summary(rounds)
    faults = [f"lane {lane.number} ({lane.kind}): {fault}" for lane in lanes for fault in lane.faults]
    slow = [row for row in rounds.rows if int(row["ok"]) != 1]
    jobs = sum(len(lane.checked) for lane in lanes)
    print(f"{len(rounds.rows)} rounds, {jobs} jobs checked, {len(faults)} faults, {len(slow)} over {RESUME_S:.0f} s, "
          f"{time.monotonic() - started:.0f} s")
    for fault in faults[:40]:
        print("FAULT", fault)
    if faults:
        print("the lanes' data stay in", ROOT)
        return 1
    if not rounds.left and not rounds.stop.is_set():
        remove(ROOT)
    if rounds.stop.is_set() and not slow:
        print(f"interrupted with {len(rounds.left)} rounds left: the same command goes on with them")
        return 130
    print("FAILED" if slow or rounds.left else "passed")
    return 1 if slow or rounds.left else 0


if __name__ == "__main__":
    sys.exit(main())
