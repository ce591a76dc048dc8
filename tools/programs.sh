#!/bin/sh
# Makes sure that the named packages are installed: each has a program of its name. Also checks
# what Debian packages separately: python3-venv, and the library in libatomic1.
#
# Names everything that is missing in one sentence before it installs anything. Uses apt-get
# where that is possible; else the next sentence says what to run.
set -eu
python=${PYTHON:-python3}

has() {
  case "$1" in
    # Required by the Node.js in Playwright.
    libatomic1) [ "$(uname -s)" != Linux ] \
      || "$python" -c 'import ctypes; ctypes.CDLL("libatomic.so.1")' 2> /dev/null ;;
    python3-venv) "$python" -c 'import ensurepip, venv' 2> /dev/null ;;
    *) command -v "$1" > /dev/null ;;
  esac
}

missing=''
for package in python3-venv "$@"; do
  has "$package" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
listed=$(echo $missing | sed 's/ /, /g')

if ! command -v apt-get > /dev/null; then
  echo "Missing: $listed. Please install that (the names are those of Debian's packages)" \
    "and try again." >&2
  exit 1
fi
sudo=''
if [ "$(id -u)" -ne 0 ]; then
  if command -v sudo > /dev/null; then sudo=sudo; else sudo=none; fi
fi
first="Missing: $listed."
install="apt-get install -y --no-install-recommends$missing"
if [ "$sudo" != none ]; then
  echo "Missing: $listed. Installing that with apt-get."
  # shellcheck disable=SC2086  # a list of packages; $sudo may be empty
  if $sudo apt-get update -qq < /dev/null && $sudo env DEBIAN_FRONTEND=noninteractive \
      DEBCONF_NOWARNINGS=yes $install -qq < /dev/null > /dev/null
  then exit 0; fi
  first='That has failed.'
fi
echo "$first Ask an administrator to run this, then try again: apt-get update && $install" >&2
exit 1
