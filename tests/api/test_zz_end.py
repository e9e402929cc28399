"""Runs last: after all the others the server stops in order, and its log shows no fault of its own."""

import re
import unittest

from common import ApiTest

DAMAGE = "does not match its digest"  # what test_aliases.py makes of a stored model


class End(ApiTest):
    def test_orderly_stop(self):
        counts = self.api.get("/metrics").raw.decode()
        for name in ("models_loaded", "models_bytes", *(f"model_cache_{what}_total" for what in ("hits", "misses", "evictions", "failures"))):
            self.assertRegex(counts, rf"(?m)^attune_{name} \d+$")
        faults = [line for line in counts.splitlines() if 'status="5' in line]
        told = [line for line in self.api.log(last=10_000_000).splitlines() if re.search(r"\b(answered )?50[0-9]\b", line)]
        self.assertEqual((faults, told[-20:] if faults else []), ([], []))
        status = self.api.stop()
        log = self.api.log(last=10_000_000)
        self.assertEqual(status, 0, log[-3000:])
        for word in ("Sanitizer", "runtime error", "replied twice", " error: "):
            lines = [line for line in log.splitlines() if word in line and DAMAGE not in line]
            self.assertEqual(lines, [], word)
        self.assertTrue(self.api.wait_gone(), "something of it still lives")


if __name__ == "__main__":
    unittest.main()
