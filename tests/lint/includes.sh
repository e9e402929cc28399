#!/bin/sh
# Fails when an include points up or sideways between rooms, or when a library leaks out of its one door.
set -u
cd "$(dirname "$0")/../.." || exit 2
bad=0
say() {
  printf '%s\n' "$*"
  bad=1
}

# room → rooms it may include
allowed() {
  case $1 in
  base) echo base ;;
  data) echo 'base data' ;;
  model) echo 'base data model' ;;
  search) echo 'base data search' ;;
  sql) echo 'base data sql' ;;
  train) echo 'base data model search train' ;;
  tune) echo 'base data model search train tune' ;;
  worker) echo 'base data model search sql train tune worker' ;;
  server) echo 'base data model search sql server' ;;
  esac
}

for room in base data model search train tune worker sql server; do
  case $room in
  sql | server) folder=$room ;;
  *) folder=engine/$room ;;
  esac
  may=$(allowed $room)
  for file in $(git ls-files "$folder/*.c" "$folder/*.h"); do
    sed -n 's/^#include "\([a-z]*\)\/.*/\1/p' "$file" | sort -u | while read -r used; do
      case " $may " in
      *" $used "*) ;;
      *) printf '%s includes %s/: %s may use only: %s\n' "$file" "$used" "$room" "$may" ;;
      esac
    done
  done
done >/tmp/attune-includes.$$
if [ -s /tmp/attune-includes.$$ ]; then
  cat /tmp/attune-includes.$$
  bad=1
fi
rm -f /tmp/attune-includes.$$

only() { # header pattern, file pattern allowed
  hits=$(git grep -lE "^#include <($1)>" -- '*.c' '*.h' | grep -vE "$2")
  [ -z "$hits" ] || say "<$1> may be included only by $2, not by: $hits"
}
only 'microhttpd\.h' '^(server/http[a-z_]*|tests/harness/faults|tests/bench/serve/bare)\.[ch]$'
only 'cblas\.h' '^engine/base/la\.c$'
only 'dnnl.*\.h|oneapi/dnnl.*' '^engine/model/kernel[a-z_]*\.[ch]$'
only 'xgboost/c_api\.h' '^(engine/model/model_trees[a-z_]*\.c|tests/)'
only 'libpq-fe\.h' '^(sql/|tests/)'
exit $bad
