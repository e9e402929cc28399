"""What must hold of a lane's database and files, however often its processes were killed.

Each function returns sentences, one for each thing that is wrong. They look into the database itself, so that
nothing the server says of itself is taken for granted.
"""

import json
import os

ENDED = ("succeeded", "failed", "cancelled")

OVER_JOB = """
SELECT j.id, j.name, j.state, coalesce(j.problem::text, ''), j.trial_count, j.event_seq, j.search_seq,
 (SELECT coalesce(json_agg(number ORDER BY number), '[]') FROM trial t WHERE t.job_id = j.id),
 (SELECT count(*) FROM trial t WHERE t.job_id = j.id AND (t.state = 'running' OR t.tell_seq IS NULL
   OR t.tell_seq <= t.ask_seq OR t.ended_at IS NULL)),
 (SELECT coalesce(json_agg(seq ORDER BY seq), '[]') FROM (SELECT ask_seq AS seq FROM trial t WHERE t.job_id = j.id
   UNION ALL SELECT tell_seq FROM trial t WHERE t.job_id = j.id) s),
 (SELECT coalesce(json_agg(seq ORDER BY seq), '[]') FROM job_event e WHERE e.job_id = j.id),
 (SELECT coalesce(json_agg((data->>'number')::int ORDER BY (data->>'number')::int), '[]') FROM job_event e
   WHERE e.job_id = j.id AND kind = 'trial' AND data->>'state' IN ('done','failed','pruned','cancelled')),
 (SELECT count(*) FROM job_event e WHERE e.job_id = j.id AND kind = 'done'),
 (SELECT count(*) FROM unit u WHERE u.job_id = j.id AND u.state IN ('pending','leased')),
 (SELECT coalesce(json_agg(u.id), '[]') FROM unit u JOIN kill_audit a ON a.unit_id = u.id WHERE u.job_id = j.id
   AND a.ctid <> (SELECT min(b.ctid) FROM kill_audit b WHERE b.unit_id = u.id)),
 (SELECT count(*) FROM unit u WHERE u.job_id = j.id AND u.trial_id IS NULL),
 (SELECT count(*) FROM model_version v WHERE v.job_id = j.id AND final),
 (SELECT count(*) FROM unit u WHERE u.job_id = j.id AND u.state = 'done' AND u.attempts = 1 AND EXISTS (
   SELECT FROM unit_epoch a JOIN unit_epoch b ON b.unit_id = a.unit_id AND b.epoch > a.epoch
   WHERE a.unit_id = u.id AND (b.seconds < a.seconds OR (b.epoch_count > 0 AND b.epoch > b.epoch_count)))),
 (SELECT count(*) FROM trial t WHERE t.job_id = j.id AND t.state = 'failed' AND cardinality(t.reasons) < 1)
FROM job j WHERE j.id IN (%s)"""


def check_jobs(shell, jobs):
    """{job: its faults} of those that have ended; jobs is {id: trials asked for, None = not known}."""
    found = {}
    names = ", ".join(f"'{job}'" for job in jobs)
    for row in shell.rows(OVER_JOB % names, 60.0) if jobs else []:
        (job, name, state, problem, _, event_seq, search_seq, numbers, open_trials, log, events, ended, done, live,
         twice, finishes, finals, epochs, without_reason) = row
        if state not in ENDED:
            continue
        faults = found.setdefault(job, [])
        numbers, log, events = json.loads(numbers), json.loads(log), json.loads(events)
        ended, twice = json.loads(ended), json.loads(twice)

        def must(holds, text, faults=faults, job=job, name=name):
            if not holds:
                faults.append(f"{job} ({name}): {text}")

        asked = jobs[job] if jobs[job] is not None else len(numbers)
        must(state == "succeeded" or problem, f"ended as {state} without a problem: {problem}")
        must(numbers == list(range(1, asked + 1)), f"trials {numbers}, asked for {asked}")
        must(open_trials == "0", f"{open_trials} trials without their end in the search log")
        must(log == list(range(1, int(search_seq) + 1)), f"search log {log}, should end at {search_seq}")
        must(events == list(range(1, int(event_seq) + 1)), "event numbers repeat or leave gaps")
        must(ended == numbers, f"events tell the ends of trials {ended}: recorded twice, or lost")
        must(done == "1", f"{done} events tell the job's end")
        must(live == "0", f"{live} units still open")
        must(not twice, f"the results of units {twice} were recorded twice")
        must(finishes == "1" or state != "succeeded", f"{finishes} finishes")
        must(finals == "1" or state != "succeeded", f"{finals} final models")
        must(epochs == "0", f"{epochs} units whose epochs run backwards")
        must(without_reason == "0", "a failed trial without a reason")
    return found


def check_database(shell, accepted):
    """Faults of the whole: what was accepted is there, nothing is there twice, nothing belongs to nobody."""
    faults = []
    jobs = {row[0]: row[1] for row in shell.rows("SELECT id, name FROM job", 60.0)}
    datasets = {row[0]: row[1:] for row in shell.rows("SELECT id, state, coalesce(problem::text, '') FROM dataset")}
    for what in accepted:
        if "job" in what and jobs.get(what["job"]) != what["name"]:
            faults.append(f"accepted job {what['job']} is not there")
        if "dataset" in what:
            state, problem = datasets.get(what["dataset"], ("lost", ""))
            if state != "ready" and not (state == "failed" and problem):
                faults.append(f"accepted dataset {what['dataset']} is {state} {problem}")
    known = {what["asked"] for what in accepted if "asked" in what}
    listed = sorted(jobs.values())
    faults += [f"job {name} was made twice" for name in set(listed) if listed.count(name) > 1]
    faults += [f"job {name} was never asked for" for name in set(listed) - known]
    users = shell.rows("SELECT c.conrelid::regclass, a.attname FROM pg_constraint c JOIN pg_attribute a"
                       " ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1] WHERE c.contype = 'f'"
                       " AND c.confrelid = 'blob'::regclass AND c.conrelid <> 'blob_chunk'::regclass")
    kept = " UNION ALL ".join(f"SELECT {column} FROM {table} WHERE {column} IS NOT NULL" for table, column in users)
    orphans = shell.rows(f"SELECT count(*) FROM blob WHERE id NOT IN ({kept})")[0][0]
    if orphans != "0":
        faults.append(f"{orphans} blobs belong to nothing")
    damaged = shell.rows(
        "SELECT count(*) FROM model_version v WHERE v.sha256 IS DISTINCT FROM (SELECT sha256(string_agg(data,"
        " ''::bytea ORDER BY seq)) FROM blob_chunk c WHERE c.blob_id = v.blob_id)", 120.0)[0][0]
    if damaged != "0":
        faults.append(f"{damaged} models are not what their digest says")
    return faults


def check_files(folders):
    """Faults of data directories after an orderly end: nothing of what was at work may be left."""
    faults = []
    for folder in folders:
        for name in ("spool", "scratch", "ingest"):
            path = os.path.join(folder, name)
            left = sorted(os.listdir(path)) if os.path.isdir(path) else []
            if left:
                faults.append(f"left in {path}: {left[:5]}")
    return faults
