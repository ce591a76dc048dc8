#!/bin/sh
# Installs the programs that the toolkit and its tests run, or says which are missing.
set -eu
missing=''
for pair in wget:wget rsync:rsync curl:curl git:git; do
  command -v "${pair%%:*}" > /dev/null || missing="$missing ${pair##*:}"
done
[ -z "$missing" ] && exit 0
if command -v apt-get > /dev/null; then
  sudo=''
  [ "$(id -u)" -eq 0 ] || sudo=sudo
  $sudo apt-get update -qq
  # shellcheck disable=SC2086  # a list of packages
  DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends $missing
else
  echo "Please install these programs and try again:$missing" >&2
  exit 1
fi
