#!/usr/bin/env python3
"""Prints a YAML document as JSON.

usage: yaml_to_json.py FILE.yaml
"""

import json
import sys

import yaml


def main() -> None:
    with open(sys.argv[1], encoding="utf-8") as file:
        document = yaml.safe_load(file)
    # What YAML anchors share was merged in; their home is no part of the contract.
    for name in [name for name in document if name.startswith("x-")]:
        del document[name]
    json.dump(document, sys.stdout, ensure_ascii=False, separators=(",", ":"))


if __name__ == "__main__":
    main()
