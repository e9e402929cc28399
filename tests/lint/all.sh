#!/bin/sh
# Every lint, each counted as one test.
set -u
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
good=0
bad=0
for lint in "$here"/*.sh; do
  [ "$lint" != "$here/all.sh" ] || continue
  printf '== %s\n' "$(basename "$lint")"
  if "$lint"; then good=$((good + 1)); else bad=$((bad + 1)); fi
done
printf '%s passed, %s failed\n' "$good" "$bad"
[ "$bad" -eq 0 ]
