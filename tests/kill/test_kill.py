"""Three kills of each kind at random moments: the job ends with exactly its trials, each recorded once."""

import random
import time
import unittest

from attune_server import AttuneServer
import kills


class Kill(unittest.TestCase):
    def run_kills(self, victim, seed):
        rng = random.Random(seed)
        with AttuneServer() as server:
            trials = 24
            job = kills.start_job(server, trials, rows=4000, seed=seed, families=["linear", "trees"],
                                  search={"seed": seed, "space": {"trees": {"rounds": 300}}})
            took = []
            for _ in range(3):
                pause(rng)
                took.append(kills.kill_once(server, job, victim, rng))
            self.assertNotIn(None, took, f"no {victim} was there to be killed")
            server.wait_job(job, 400, patient=True)
            kills.check_trials(server, job, trials)
            # The machine is busy with other stages; tests/accept/kill.py has it to itself and holds the 15 s.
            self.assertLess(max(took), 2 * kills.RESUME_SECONDS)

    def test_trial(self):
        self.run_kills("trial", 11)

    def test_worker(self):
        self.run_kills("worker", 12)

    def test_engine(self):
        self.run_kills("engine", 13)

    def test_attuned(self):
        self.run_kills("attuned", 14)

    def test_postmaster(self):
        self.run_kills("postmaster", 15)


def pause(rng):
    """A random moment within the next second and a half."""
    time.sleep(rng.uniform(0.1, 1.5))


if __name__ == "__main__":
    unittest.main()
