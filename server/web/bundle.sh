#!/bin/sh
# Makes the modules and style sheets that the pages take from the npm registry, as package-lock.json pins them.
#
# usage: bundle.sh FROM INTO    FROM has package.json and package-lock.json, and is only read; INTO is in the build tree.
#
# The registry is asked once for each lock file: what it gave stays in INTO/node_modules. NPM names the npm to use.
# uPlot is published minified as a script that makes one name, so a line that exports this name makes it a module, and
# no bundler is needed. Its license goes with it, in the module and as a file to install.
set -eu
from=$1
into=$2
library=$into/node_modules/uplot
pinned=$into/node_modules/fetched-package-lock.json

mkdir -p "$into"
if ! cmp -s "$from/package-lock.json" "$pinned"; then
  for name in package.json package-lock.json; do
    cat "$from/$name" >"$into/$name"
  done
  (cd "$into" && "${NPM:-npm}" ci --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error >npm.log 2>&1) || {
    cat "$into/npm.log" >&2
    echo "The pages' chart library could not be fetched: npm ci needs the registry that 'npm config get registry' names." >&2
    exit 1
  }
  cat "$from/package-lock.json" >"$pinned"
fi

license() {
  echo '/*! uPlot'
  cat "$library/LICENSE"
  echo '*/'
}
put() { # name: what is read goes there, whole or not at all
  cat >"$into/$1.tmp"
  mv "$into/$1.tmp" "$into/$1"
}
{ license; cat "$library/dist/uPlot.iife.min.js"; printf '\nexport default uPlot;\n'; } | put uplot.js
{ license; cat "$library/dist/uPlot.min.css"; echo; } | put uplot.css
put uplot-license.txt <"$library/LICENSE"
