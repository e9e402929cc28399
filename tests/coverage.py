"""Prints line and branch coverage of the sources from gcovr's JSON, files with most unreached branches first.

    coverage.py TOP BUILD

With BUILD/coverage.json beside it, for whoever wants the lines (gcovr -a reads it). Branches that only throw are
none in C; unreachable ones are those the compiler itself says so.
"""

import json
import os
import subprocess
import sys

# gcovr 5.2 gives up on a function that one program has on another line than the next (a macro made it); only
# lines and branches are wanted of it.
GCOVR = """
import sys
import gcovr.merging as merging
merging.merge_function = lambda left, right, *_: left
from gcovr.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


def main():
    top, build = sys.argv[1:3]
    report = os.path.join(build, "coverage.json")
    subprocess.run(
        ["/usr/bin/python3", "-c", GCOVR, "-r", top, "--object-directory", build, build, "--exclude-throw-branches",
         "--exclude-unreachable-branches", "--gcov-ignore-parse-errors", "-f", f"{top}/engine/", "-f",
         f"{top}/server/", "-f", f"{top}/sql/", "-j", str(os.cpu_count()), "--json", report], check=True,
        stdout=subprocess.DEVNULL, cwd=build)
    with open(report, encoding="utf-8") as file:
        files = json.load(file)["files"]
    rows = []
    for entry in files:
        lines = [line for line in entry["lines"] if not line.get("gcovr/noncode")]
        branches = [branch for line in lines for branch in line["branches"]]
        rows.append((entry["file"], len(lines), sum(line["count"] > 0 for line in lines), len(branches),
                     sum(branch["count"] > 0 for branch in branches),
                     [line["line_number"] for line in lines if any(b["count"] == 0 for b in line["branches"])]))
    total = [sum(row[i] for row in rows) for i in range(1, 5)]
    print(f"lines    {total[1]} of {total[0]}: {100 * total[1] / total[0]:.1f}%")
    print(f"branches {total[3]} of {total[2]}: {100 * total[3] / total[2]:.1f}%")
    print()
    print(f"{'file':44} {'lines':>7} {'branches':>9} {'missed':>7}  lines with a branch never taken")
    for name, lines, hit, branches, taken, where in sorted(rows, key=lambda row: row[4] - row[3]):
        share = f"{100 * taken / branches:.0f}%" if branches else "-"
        print(f"{name:44} {100 * hit / max(lines, 1):6.0f}% {share:>9} {branches - taken:7}  "
              + " ".join(map(str, where)))


if __name__ == "__main__":
    main()
