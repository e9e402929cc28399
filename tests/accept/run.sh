#!/bin/sh
# Runs one acceptance program by name; train_NAME is tests/bench/train/NAME.py. Those that need a peer from the
# Python package registry get a virtual environment, made once in the build directory.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
name=${1:?usage: run.sh NAME}
program=$here/$name.py
case $name in serve) program=$here/../bench/serve/serve.py ;; esac
case $name in
search_peers)
  program=$here/../bench/search/peers.py
  make -s -C "${ATTUNE_BUILD:?}" tests/bench/search/attune_ask
  ;;
esac
case $name in train_*) program=$here/../bench/train/${name#train_}.py ;; esac
[ -f "$program" ] || { echo "no acceptance run $name; there are:" && ls "$here" | sed -n 's/\.py$//p'; exit 2; }
python=python3
if grep -qE '^(from|import) sklearn' "$program"; then
  venv=${ATTUNE_BUILD:?}/venv-sklearn
  [ -x "$venv/bin/python" ] || { python3 -m venv "$venv" && "$venv/bin/pip" -q install scikit-learn; }
  python=$venv/bin/python
fi
exec "$python" "$program"
