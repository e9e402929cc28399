"""The page of a job with 5,000 trials: an event is seen soon, it scrolls, and every curve is there.

Durations are printed, and only held to what a loaded machine and a build with sanitizers keep.
"""

import json
import os
import re
import subprocess
import time
import unittest

from attune_server import TOP
from browser import expect
from page_case import PageCase

TRIALS = 5000
SOON_S = 10
SLOW_S = 90
FILL = """
INSERT INTO trial (id, job_id, number, family, params, point, state, metric, objective, seconds, ask_seq, ended_at)
  SELECT 'tr_' || lpad(n::text, 20, '0'), '{job}', n, 'mlp', jsonb_build_object('units', n), '{{0.5}}', CASE WHEN n % 3 = 0 THEN 'pruned' ELSE 'done' END,
    1 - 1.0 / n, 1.0 / n, 1, 1000000 + n, now() FROM generate_series((SELECT coalesce(max(number), 0) FROM trial WHERE job_id = '{job}') + 1, {count}) n;
INSERT INTO unit (job_id, trial_id, state, metric, seconds, ended_at) SELECT '{job}', id, 'done', metric, 1, now() FROM trial WHERE job_id = '{job}' AND ask_seq > 1000000;
INSERT INTO unit_epoch SELECT u.id, e, 12, 1.0 / e, 1.0 / e, u.metric - 1.0 / e, 0.1 FROM unit u JOIN trial t ON t.id = u.trial_id, generate_series(1, 12) e
  WHERE t.job_id = '{job}' AND t.ask_seq > 1000000;
"""
END_ONE = """
WITH one AS (INSERT INTO trial (id, job_id, number, family, params, point, state, metric, objective, seconds, ask_seq, ended_at)
    VALUES ('tr_{number:020}', '{job}', {number}, 'mlp', '{{"units": 1}}', '{{0.5}}', 'done', 0.5, 0.5, 1, {number} + 1000000, now())),
  next AS (UPDATE job SET event_seq = event_seq + 1 WHERE id = '{job}' RETURNING id, event_seq),
  made AS (INSERT INTO job_event (job_id, seq, kind, data, at) SELECT id, event_seq, 'trial', '{data}', clock_timestamp() FROM next RETURNING job_id)
SELECT pg_notify('attune', 'job ' || job_id) FROM made
"""


class ManyTrials(PageCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with open(os.path.join(TOP, "tests", "data", "iris.csv"), "rb") as file:
            dataset = cls.server.upload("/api/v1/datasets", [("file", "iris.csv", file.read())]).json["id"]
        cls.server.wait_dataset(dataset)
        cls.job = cls.server.post("/api/v1/jobs", {"dataset": dataset, "target": "species", "families": ["mlp"], "budget": {"trials": 9000}}).json["id"]
        assert cls.server.post(f"/api/v1/jobs/{cls.job}/pause").status in (200, 202)
        cls.addClassCleanup(cls.leave)
        cls.sql(FILL.format(job=cls.job, count=TRIALS))

    @classmethod
    def leave(cls):
        """The server is others' too."""
        cls.sql(f"DELETE FROM unit WHERE job_id = '{cls.job}' AND trial_id IN (SELECT id FROM trial WHERE ask_seq > 1000000)")
        cls.sql(f"DELETE FROM trial WHERE job_id = '{cls.job}' AND ask_seq > 1000000")
        cls.server.post(f"/api/v1/jobs/{cls.job}/cancel")
        cls.window.page.goto("/")

    @classmethod
    def sql(cls, statement):
        with open(os.path.join(cls.server.data_dir, "conninfo"), encoding="utf-8") as file:
            conninfo = file.read().strip()
        done = subprocess.run(["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", conninfo, "-c", statement], check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    def test_five_thousand(self):
        page = self.page
        began = time.monotonic()
        page.goto(f"/jobs/{self.job}")
        self.see("#trials .v-body .v-row", SLOW_S)
        first = time.monotonic() - began
        expect(page.locator("#trials [role=grid]")).to_have_attribute("aria-rowcount", str(TRIALS + 1), timeout=1000 * SLOW_S)
        listed = time.monotonic() - began
        # A trial that had begun before the pause may have no curve yet.
        counts = "|".join(str(n) for n in range(TRIALS - 3, TRIALS + 1))
        expect(page.locator("#curves-chart")).to_contain_text(re.compile(f"each of ({counts}) trials"), timeout=1000 * SLOW_S)
        print(f"    {TRIALS} trials: the first rows after {first:.2f} s, all after {listed:.2f} s, their curves after {time.monotonic() - began:.2f} s")
        self.assertGreater(page.locator("#curves-chart [data-line]").count(), 0)

        # From the moment the event is written to the moment its row is in the page.
        waits = []
        for number in range(TRIALS + 1, TRIALS + 6):
            page.evaluate("""(wanted) => {
              window.seenAt = null;
              const grid = document.querySelector("#trials [role=grid]");
              const look = () => { if (grid.getAttribute("aria-rowcount") === wanted) window.seenAt = Date.now(); else requestAnimationFrame(look); };
              requestAnimationFrame(look);
            }""", str(number + 1))
            data = {"trial": f"tr_{number:020}", "number": number, "family": "mlp", "state": "done", "metric": 0.5, "params": {"units": 1}}
            written = time.time()
            self.sql(END_ONE.format(job=self.job, number=number, data=json.dumps(data)))
            waits.append(page.wait_for_function("() => window.seenAt", timeout=1000 * SLOW_S).json_value() / 1000 - written)
        print(f"    from an event to its row: {', '.join(f'{wait:.2f}' for wait in waits)} s")
        self.assertLess(sorted(waits)[len(waits) // 2], SOON_S)

        found = page.locator("#trials").evaluate("""async (box) => {
          const frame = () => new Promise(requestAnimationFrame);
          box.scrollIntoView(); await frame();
          const from = performance.now(), end = box.scrollHeight - box.clientHeight;
          for (let i = 1; i <= 90; i++) { box.scrollTop = end * i / 90; await frame(); }
          const rate = 90000 / (performance.now() - from);
          await frame(); await frame();
          return {rate, rows: box.querySelectorAll(".v-body .v-row").length};
        }""")
        print(f"    scrolling through them: {found['rate']:.0f} frames/s")
        self.assertLess(found["rows"], 60)
        self.quiet()


if __name__ == "__main__":
    unittest.main()
