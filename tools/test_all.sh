#!/bin/sh
# Runs the suite on each Python from 3.10 on that is on the path or in pyenv.
#     test_all.sh [VERSION...]      only these versions, such as 3.10 3.12; each must be installed
set -eu
cd "$(dirname "$0")/.."
done=''
failed=''
every=''
[ $# -gt 0 ] || { every=yes; set -- 3.10 3.11 3.12 3.13 3.14; }
for version in "$@"; do
  found=''
  for python in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/$version.*/bin/python \
      "$(command -v python$version || true)"; do
    # The path may contain a pyenv shim for a version that is not installed.
    "$python" -c 'import ensurepip' 2> /dev/null || continue
    echo "== Python $version ($python)"
    found=yes
    done="$done $version"
    make --no-print-directory "VENV=.venv-$version" "PYTHON=$python" suite \
      || failed="$failed $version"
    break
  done
  if [ -z "$found" ] && [ -z "$every" ]; then
    echo "There is no Python $version." >&2
    failed="$failed $version"
  fi
done
[ -n "$done$failed" ] || { echo "No Python from 3.10 to 3.14 was found." >&2; exit 1; }
echo "Ran on Python:$done"
[ -z "$failed" ] || { echo "Failed on:$failed" >&2; exit 1; }
