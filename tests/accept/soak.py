#!/usr/bin/env python3
"""make accept-soak: 30 minutes of predictions and alias switches while the server's memory is watched.

The first sixth is left to fill what is kept between requests. From then on the resident memory may grow by 8 MB, from
the median of the first ten looks to that of the last ten. ATTUNE_ACCEPT_SECONDS makes it shorter.
"""

import os
import statistics
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import switches  # noqa: E402
from attune_server import AttuneServer  # noqa: E402

SECONDS = float(os.environ.get("ATTUNE_ACCEPT_SECONDS", "1800"))
LOOKS = 120
GROWTH = 8 << 20


def main():
    with AttuneServer(engines=1) as server:
        expected = switches.make_models(server, 4)
        versions = list(expected)
        print(f"idle: {switches.figure(server, 'attune_resident_bytes') / 1e6:.1f} MB")
        traffic = switches.Traffic(server, expected, SECONDS)
        began, looks = time.monotonic(), []
        for number in range(LOOKS):
            switches.switch(server, versions[number % len(versions)])
            time.sleep(max(0.0, began + (number + 1) * SECONDS * 0.95 / LOOKS - time.monotonic()))
            looks.append(switches.figure(server, "attune_resident_bytes"))
        requests, seconds, refused, mixed, broken, _ = traffic.result()
        settled = looks[LOOKS // 6:]
        first, last = statistics.median(settled[:10]), statistics.median(settled[-10:])
        print(f"{requests} predictions in {seconds:.0f} s; memory {first / 1e6:.1f} MB, then {last / 1e6:.1f} MB, most {max(looks) / 1e6:.1f} MB")
        print(f"refused {refused}, mixed {mixed}, broken connections {broken}")
        passed = min(looks) > 0 and last - first <= GROWTH and not (refused or mixed or broken)
        print("passed" if passed else f"FAILED: no request may fail, and memory may not grow by more than {GROWTH >> 20} MB")
        return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
