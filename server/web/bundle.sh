#!/bin/sh
# Bundles the charts with what they take from the npm registry, as package-lock.json pins it: one module, one request.
#
# usage: bundle.sh FROM INTO    FROM has the modules and package-lock.json, and is only read; INTO is in the build tree.
#
# The registry is asked once for each lock file: what it gave stays in INTO/node_modules. NPM names the npm to use.
# dom.js and scale.js stay modules of their own, for other pages have them too. uPlot's license goes with it, in the
# module and as a file to install.
set -eu
from=$(cd "$1" && pwd)
into=$2
pinned=$into/node_modules/fetched-package-lock.json

mkdir -p "$into"
into=$(cd "$into" && pwd)
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

license=$into/node_modules/uplot/LICENSE
put() { # name: what is read goes there, whole or not at all
  cat >"$into/$1.tmp"
  mv "$into/$1.tmp" "$into/$1"
}
(cd "$from" && NODE_PATH=$into/node_modules "$into/node_modules/.bin/esbuild" plot.js --bundle --format=esm --minify \
  '--external:*/dom.js' '--external:*/scale.js' --outfile="$into/bundled.js" --log-level=warning)
{ printf '/*! uPlot\n'; cat "$license"; printf '*/\n'; cat "$into/bundled.js"; } | put plot.js
{ printf '/*! uPlot\n'; cat "$license"; printf '*/\n'; cat "$into/node_modules/uplot/dist/uPlot.min.css" "$from/plot.css"; } | put plot.css
put uplot-license.txt <"$license"
