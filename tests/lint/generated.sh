#!/bin/sh
# Fails when a page made from a table of the source no longer says what the table says.
set -u
cd "$(dirname "$0")/../.." || exit 2
bad=0
for page in errors limits; do
  if ! "${PYTHON3:-python3}" server/docs.py "$page" | cmp -s - "api-docs/$page.md"; then
    echo "api-docs/$page.md is old: run server/docs.py $page > api-docs/$page.md"
    bad=1
  fi
done
exit $bad
