#!/bin/sh
# Runs the suite on each Python from 3.10 on that pyenv has.
set -eu
cd "$(dirname "$0")/.."
versions="$(pyenv root)/versions"
failed=''
for python in "$versions"/3.1[0-9]*/bin/python; do
  [ -x "$python" ] || continue
  name=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  echo "== Python $name"
  if make --no-print-directory "VENV=.venv-$name" "PYTHON=$python" setup \
      && ".venv-$name/bin/python" -m pytest -n 3 -m 'not long'; then :; else
    failed="$failed $name"
  fi
done
[ -z "$failed" ] || { echo "Failed on:$failed" >&2; exit 1; }
