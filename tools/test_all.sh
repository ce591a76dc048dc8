#!/bin/sh
# Runs the suite on each Python from 3.10 on that is found: on the path, or in pyenv.
set -eu
cd "$(dirname "$0")/.."
done=''
failed=''
for minor in 10 11 12 13 14; do
  for python in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.$minor.*/bin/python \
      "$(command -v python3.$minor || true)"; do
    # The path may hold a pyenv shim for a version that is not there.
    "$python" -c 'import ensurepip' 2> /dev/null || continue
    echo "== Python 3.$minor ($python)"
    done="$done 3.$minor"
    make --no-print-directory "VENV=.venv-3.$minor" "PYTHON=$python" suite \
      || failed="$failed 3.$minor"
    break
  done
done
[ -n "$done" ] || { echo "No Python from 3.10 to 3.14 was found." >&2; exit 1; }
echo "Ran on Python:$done"
[ -z "$failed" ] || { echo "Failed on:$failed" >&2; exit 1; }
