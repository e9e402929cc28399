#!/bin/sh
# Fails on code that clang-format would change, on trailing blanks, on files that grew too long, and
# on words that have no place in a finished tree.
set -u
cd "$(dirname "$0")/../.." || exit 2
bad=0
files=$(git ls-files '*.c' '*.h' | grep -v '_numbers\.h$')
# Without the tool or the list of files nothing would be checked, and that must not count as a pass.
command -v clang-format >/dev/null || { echo 'install clang-format' && exit 1; }
[ -n "$files" ] || { echo 'no files: lint needs a git checkout' && exit 1; }
# shellcheck disable=SC2086
clang-format --dry-run --Werror $files 2>&1 | grep -E 'error:' | cut -d: -f1 | sort | uniq -c >/tmp/attune-style.$$
if [ -s /tmp/attune-style.$$ ]; then
  echo 'clang-format would change (count, file):'
  cat /tmp/attune-style.$$
  bad=1
fi
rm -f /tmp/attune-style.$$
hits=$(git grep -nIE '[[:blank:]]+$' -- '*.c' '*.h' '*.sh' '*.py' '*.am' '*.mk' '*.js' '*.css' quickstart)
[ -z "$hits" ] || { printf 'trailing blanks:\n%s\n' "$hits" && bad=1; }
for file in $(git ls-files '*.c' '*.h'); do
  lines=$(wc -l <"$file")
  [ "$lines" -le 600 ] || { echo "$file has $lines lines: split it (limit 600)" && bad=1; }
done
word='TO''DO|FIX''ME|XX''X\b|HA''CK'
hits=$(git grep -nIwE "$word" -- '*.c' '*.h' '*.sh' '*.py' '*.js' '*.md' '*.yaml')
[ -z "$hits" ] || { printf 'unfinished:\n%s\n' "$hits" && bad=1; }
big=$(git ls-files -z | xargs -0 -I{} find {} -size +1000k 2>/dev/null)
[ -z "$big" ] || { echo "files over 1 MB: $big" && bad=1; }
exit $bad
