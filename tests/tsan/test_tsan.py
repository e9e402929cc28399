"""Twenty seconds of mixed load on an attuned with the thread sanitizer (`make accept-tsan`: two minutes)."""

import subprocess
import os
import unittest

import tsan_run
from attune_server import BUILD


class Tsan(unittest.TestCase):
    def test_load(self):
        symbols = subprocess.run(["nm", "-D", os.path.join(BUILD, "server", "attuned")], check=True,
                                 stdout=subprocess.PIPE, text=True).stdout
        self.assertIn("__tsan_init", symbols, "ATTUNE_BUILD is no build with --enable-sanitizers=thread")
        faults, answers = tsan_run.run(20, 16)
        self.assertFalse(faults, "\n".join(faults))  # whole: a list would be cut short
        for call in ("predict", "look", "listen", "upload", "repeat", "cancel", "revoke", "study"):
            self.assertTrue(sum(answers[call].values()), f"no {call} call was answered")


if __name__ == "__main__":
    unittest.main()
