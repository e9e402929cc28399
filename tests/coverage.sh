#!/bin/sh
# make coverage: lines and branches that the unit, database, number and API tests reach.
# Builds with --enable-coverage in coverage/ of the build directory, runs the tests there, and writes coverage.txt
# beside it: the whole, then every file, those with the most branches never taken first. ATTUNE_COVERAGE_KEEP=1
# counts what earlier runs reached as well; ATTUNE_COVERAGE_STAGES chooses what is run ("check api kill").
set -eu
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
build=${ATTUNE_BUILD:?}
work=${ATTUNE_COVERAGE_BUILD:-$build/coverage}
python=${PYTHON3:-python3}
command -v gcovr >/dev/null || { echo 'gcovr is needed: apt-get install gcovr' >&2; exit 2; }
mkdir -p "$work"
cd "$work"
[ -f Makefile ] || "$top/configure" --quiet --enable-coverage CFLAGS='-g -O0'
make -s -j"$(nproc)" all
[ -n "${ATTUNE_COVERAGE_KEEP:-}" ] || find . -name '*.gcda' -delete
# attuned gives up root's rights and must still be able to write its counters.
umask 000
chmod -R a+rwX .
status=0
export ATTUNE_FAULTS_ALL=1 # tests/api/test_faults.py leaves nothing out
for stage in ${ATTUNE_COVERAGE_STAGES:-check api}; do
  case $stage in
  check) { make -k -j"$(nproc)" check TESTS= && timeout -k 10 2400 make -k check; } >check.log 2>&1 || status=1 ;;
  *) ATTUNE_BUILD=$work timeout -k 10 2400 "$python" "$top/tests/harness/run_unittest.py" "$top/tests/$stage" \
    >"$stage.log" 2>&1 || status=1 ;;
  esac
  echo "$stage has run"
done
"$python" "$top/tests/coverage.py" "$top" "$work" >"$build/coverage.txt"
head -n 3 "$build/coverage.txt"
echo "every file: $build/coverage.txt"
[ "$status" -eq 0 ] || echo 'some tests failed: see the logs in' "$work"
exit "$status"
