#!/usr/bin/env python3
"""Writes api-docs/errors.md and api-docs/limits.md from server/error.def and server/limits.def.

usage: docs.py errors|limits   (prints the page)
"""

import ast
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
STRING = r'"(?:[^"\\]|\\.)*"'


def rows(name: str, pattern: str):
    with open(os.path.join(HERE, name), encoding="utf-8") as file:
        text = re.sub(r"/\*.*?\*/", "", file.read(), flags=re.S)
    found = re.findall(pattern, text, flags=re.S)
    calls = len(re.findall(r"^\w+ \(", text, flags=re.M))
    if len(found) != calls:
        sys.exit(f"{name}: {calls} rows, but {len(found)} could be read")
    return found


def plain(literal: str) -> str:
    return ast.literal_eval(literal)


def errors() -> None:
    print("# Error codes\n")
    print("Made from `server/error.def` by `server/docs.py`. A problem is `application/problem+json` with `code`, `status`,")
    print("`title`, `detail`, `hint`, `request_id` and, where the input is at fault, `faults`: all of them, each with its place.\n")
    print("| code | status | what it means | what to do |\n|---|---|---|---|")
    for status, name, sentence, hint in rows(
        "error.def", rf"ERROR \(\w+, (\d+), ({STRING}), ({STRING}), ({STRING})\)"
    ):
        print(f"| <a id=\"{plain(name)}\"></a>`{plain(name)}` | {status} | {plain(sentence)} | {plain(hint)} |")


def limits() -> None:
    print("# Limits\n")
    print("Made from `server/limits.def` by `server/docs.py`. Each is an option of `attuned` (`--max-upload 4G`), a variable of its")
    print("environment (`ATTUNE_MAX_UPLOAD=4G`) and a line of its `--config` file. Sizes take K, M, G: powers of 1024.\n")
    print("| option | default | what is limited |\n|---|---|---|")
    for option, fallback, text in rows(
        "limits.def",
        rf"LIMIT \(\w+, \w+, ({STRING}), ({STRING}), [0-9.e]+, [0-9.e]+, ({STRING})\)",
    ):
        print(f"| `--{plain(option)}` | {plain(fallback)} | {plain(text)} |")


if __name__ == "__main__":
    pages = {"errors": errors, "limits": limits}
    if len(sys.argv) != 2 or sys.argv[1] not in pages:
        sys.exit(__doc__)
    pages[sys.argv[1]]()
