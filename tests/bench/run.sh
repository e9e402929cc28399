#!/bin/sh
# make bench: every comparison that a document quotes, peers in the same run; writes tests/bench/results.md.
# Each part is kept in the build directory when it has finished, and not run again: remove bench/ there to
# measure anew. A part that misses what it must reach is kept all the same, and says so; it makes the exit status
# 1. Seeds and cases are those not used while the methods were tuned.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
build=${ATTUNE_BUILD:?run it by make bench}
kept=$build/bench
mkdir -p "$kept"

part() { # name, command…
  name=$1
  shift
  [ -s "$kept/$name.txt" ] && return 0
  echo "== $name"
  "$@" >"$kept/$name.new" 2>&1 || { missed=1 && echo "missed" >>"$kept/$name.new"; }
  mv "$kept/$name.new" "$kept/$name.txt"
}
missed=0

# ATTUNE_BENCH_PARTS picks some of them.
parts=${ATTUNE_BENCH_PARTS:-kernels search search_peers upload listeners bayes_real train_speed train_fashion train_tables
  train_transfer train_range_prior train_ensemble json_scan serve serve_trees serve_nets}

# What has been measured so far, also when a later part fails or is interrupted.
write_results() {
  {
    echo '# Figures'
    echo
    echo "Written by \`make bench\` on $(date -u +%Y-%m-%d), version $(sed -n 's/^#define PACKAGE_VERSION "\(.*\)"/\1/p' "$build/config.h"),"
    echo "on $(nproc) cores of $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)."
    for name in $parts; do
      [ -s "$kept/$name.txt" ] || continue
      printf '\n## %s\n\n```\n' "$name"
      cat "$kept/$name.txt"
      echo '```'
    done
  } >"$here/results.md"
}
trap write_results EXIT
trap "exit 1" INT TERM

make -s -C "$build" tests/bench/search_vs_random tests/bench/kernel_conv tests/bench/serve/json_scan \
  tests/bench/serve/trees tests/bench/serve/nets
for name in $parts; do
  if [ "$name" = search ]; then
    part search "$build/tests/bench/search_vs_random" --seeds 20 --first-seed 1001 --trials 30 \
      --know-budget 1 --functions branin,hartmann6,ackley5
  elif [ "$name" = kernels ]; then
    part kernels "$build/tests/bench/kernel_conv"
  elif [ "$name" = json_scan ]; then
    part json_scan "$build/tests/bench/serve/json_scan"
  elif [ "$name" = serve_trees ]; then
    part serve_trees "$build/tests/bench/serve/trees"
  elif [ "$name" = serve_nets ]; then
    part serve_nets "$build/tests/bench/serve/nets"
  else
    part "$name" "$here/../accept/run.sh" "$name"
  fi
done
exit $missed
