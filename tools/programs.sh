#!/bin/sh
# Installs the named programs (each is a Debian package of that name) where apt-get is
# there, else says which are missing. Also what Debian keeps apart from python3.
set -eu
missing=''
for program in "$@"; do
  command -v "$program" > /dev/null || missing="$missing $program"
done
python=${PYTHON:-python3}
"$python" -c 'import ensurepip, venv' 2> /dev/null || missing="$missing python3-venv"
[ -z "$missing" ] && exit 0
if command -v apt-get > /dev/null; then
  sudo=''
  [ "$(id -u)" -eq 0 ] || sudo=sudo
  echo "Installing:$missing"
  # shellcheck disable=SC2086  # a list of packages
  if $sudo apt-get update -qq < /dev/null && DEBIAN_FRONTEND=noninteractive \
      $sudo apt-get install -y -qq --no-install-recommends $missing < /dev/null > /dev/null
  then exit 0; fi
fi
echo "Please install these and try again:$missing" >&2
exit 1
