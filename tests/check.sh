#!/bin/sh
# Runs every test, stage by stage, and ends with the line `N passed, N failed`.
# Each stage writes its output to a log of its own; a stage that fails shows the log's end.
# `tests/check.sh STAGE…` runs only those. A skipped test counts as failed.
set -u
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
work=${ATTUNE_CHECK_DIR:-$top/build-check}
PYTHON3=/usr/bin/python3
[ -x "$PYTHON3" ] || PYTHON3=python3
export PYTHON3 PYTHONDONTWRITEBYTECODE=1
export LC_ALL=C.UTF-8
LONG_MODULES='test_faults test_control test_http test_documents test_tenants test_studies_parallel test_search test_refit
  test_range_tests test_webhooks test_limits test_disk_full'
counts=$work/logs/counts
mkdir -p "$work/logs"
: >"$counts"

count() { # passed failed
  echo "$1 $2" >>"$counts"
}

# stage NAME COMMAND…: one test of its own unless the command prints "N passed, N failed".
stage() {
  name=$1
  shift
  started=$(date +%s)
  "$@" >"$work/logs/$name.log" 2>&1
  status=$?
  line=$(grep -E '^[0-9]+ passed, [0-9]+ failed$' "$work/logs/$name.log" | tail -n 1)
  if [ -n "$line" ]; then
    p=${line%% passed*}
    f=${line##*, }
    f=${f%% failed*}
    [ "$status" -eq 0 ] || [ "$f" -gt 0 ] || f=1
    count "$p" "$f"
  elif [ "$status" -eq 0 ]; then
    line='1 passed, 0 failed'
    count 1 0
  else
    line='0 passed, 1 failed'
    count 0 1
  fi
  printf '%-14s %s (%s s)\n' "$name" "$line" "$(($(date +%s) - started))"
  case $line in *', 0 failed') [ "$status" -eq 0 ] && return 0 ;; esac
  printf -- '--- end of %s.log\n' "$name"
  grep -E 'FAIL|ERROR|error:|Error|failed' "$work/logs/$name.log" | tail -n 30
  tail -n 40 "$work/logs/$name.log"
  printf -- '---\n'
  return 1
}

configure_in() { # directory, configure's arguments
  mkdir -p "$1"
  dir=$1
  shift
  [ -x "$top/configure" ] || (cd "$top" && autoreconf -fi) || return 1
  cd "$dir" && { [ -f Makefile ] || "$top/configure" --quiet "$@"; }
}

build_gcc() { (configure_in "$work/gcc" --enable-werror && make -s -j"$(nproc)" all); }
build_clang() { (configure_in "$work/clang" --enable-werror CC=clang && nice -n 19 make -s -j"$(nproc)" all); }
build_asan() { (configure_in "$work/asan" --enable-sanitizers --enable-werror CFLAGS='-g -O1' && make -s -j"$(nproc)" all); }
build_tsan() { (configure_in "$work/tsan" --enable-sanitizers=thread CFLAGS='-g -O1' && nice -n 19 make -s -j"$(nproc)" all); }

# Runs `make check` and counts by automake's own result files. More tests at a time than cores: many wait.
make_check() { # directory
  cd "$1" || return 1
  find tests -name '*.trs' -delete
  make -s -k -j"$(nproc)" check TESTS=
  timeout -k 10 1200 make -k -j"$((2 * $(nproc)))" check
  good=$(find tests -name '*.trs' -exec grep -h '^:test-result:' {} + | grep -c ' PASS$')
  all=$(find tests -name '*.trs' -exec grep -h '^:test-result:' {} + | wc -l)
  bad=$((all - good))
  for log in $(find tests -name '*.trs' -exec grep -LE '^:test-result: PASS$' {} +); do
    tail -n 40 "${log%.trs}.log"
  done
  [ "$all" -gt 0 ] || bad=1
  printf '%s passed, %s failed\n' "$good" "$bad"
  [ "$bad" -eq 0 ]
}

# Python's unittest over a folder, against the programs in a build directory.
python_tests() { # build directory, folder, pattern of file names (default: all), modules left out
  ATTUNE_BUILD=$1 ATTUNE_TEST_EXCEPT=${4:-} timeout -k 10 1200 "$PYTHON3" "$top/tests/harness/run_unittest.py" "$top/tests/$2" \
    "${3:-test_*.py}"
}

# The same, the modules shared by two processes.
two_lanes() { ATTUNE_TEST_LANES=2 python_tests "$@"; }

# Two rows of stages, one beside the other: those that wait more than they compute.
beside() { # first row, second row
  row "$1" >"$work/logs/beside-1.txt" &
  row "$2" >"$work/logs/beside-2.txt"
  wait
  cat "$work/logs/beside-1.txt" "$work/logs/beside-2.txt"
}

row() { # stages
  for one in $1; do
    run_stage "$one"
  done
}

# Pictures of each page and flow, and of what fails, are kept in logs/screenshots.
web_tests() { rm -rf "$work/logs/screenshots" && python_tests "$work/gcc" web; }

# Every stored input of the fuzz targets, once.
fuzz_replay() { ATTUNE_FUZZ_DIR=$work/fuzz timeout -k 10 1200 "$PYTHON3" "$top/tests/accept/fuzz.py" replay; }

run_stage() {
  case $1 in
  build-gcc) stage build-gcc build_gcc ;;
  build-clang) stage build-clang build_clang ;;
  build-asan) stage build-asan build_asan ;;
  build-tsan) stage build-tsan build_tsan ;;
  lint) stage lint "$top/tests/lint/all.sh" ;;
  unit) stage unit make_check "$work/gcc" ;;
  asan) stage asan make_check "$work/asan" ;;
  # Between the two, each module runs at least once: faults show with the sanitizers, durations without. Those that
  # take half a minute and say nothing of durations run once.
  api) stage api two_lanes "$work/gcc" api '' "$LONG_MODULES" ;;
  api-asan) stage api-asan two_lanes "$work/asan" api '' 'test_database_away test_estimate' ;;
  tsan) stage tsan python_tests "$work/tsan" api test_http.py ;;
  tsan-load) stage tsan-load python_tests "$work/tsan" tsan ;;
  fuzz) stage fuzz fuzz_replay ;;
  web) stage web web_tests ;;
  kill) stage kill python_tests "$work/gcc" kill ;;
  ops) stage ops python_tests "$work/gcc" ops ;;
  clients) stage clients python_tests "$work/gcc" clients ;;
  contract) stage contract python_tests "$work/gcc" contract ;;
  system) beside 'kill ops contract' 'web clients' ;;
  # Compilers give way: beside tests, they take what is idle.
  asan-api) beside api-asan 'build-clang build-tsan' ;;
  tsan-fuzz) beside 'tsan tsan-load' fuzz ;;
  *) printf 'no stage %s\n' "$1" && return 2 ;;
  esac
}

[ $# -gt 0 ] || set -- build-gcc build-asan lint unit api system asan asan-api tsan-fuzz
for name in "$@"; do
  run_stage "$name"
done
awk '{passed += $1; failed += $2} END {printf "%d passed, %d failed\n", passed, failed; exit failed > 0}' "$counts"
