#!/usr/bin/env bash
# Unpacks Debian's Exim into var/exim, with the libraries that are not installed: it cannot be installed beside
# Postfix. The tests run it in a mount namespace (test/support/host.ts).
set -euo pipefail
cd "$(dirname "$0")/.."
[ ! -x var/exim/usr/sbin/exim4 ] || exit 0

mkdir -p var
work=$(mktemp -d "$PWD/var/exim.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"
libraries=$(apt-cache depends exim4-daemon-light | sed -n 's/^ *Depends: \(lib.*\)/\1/p')
# shellcheck disable=SC2086 # a list
missing=$(apt-get -s install --no-install-recommends $libraries | awk '$1 == "Inst" { print $2 }')
# shellcheck disable=SC2086
apt-get -q download exim4-daemon-light exim4-base exim4-config $missing
for package in *.deb; do dpkg-deb -x "$package" root; done
if [ -d root/lib ]; then
  cp -a root/lib/. root/usr/lib/
  rm -r root/lib
fi
# another test may have been faster
mv -T root ../exim || [ -x ../exim/usr/sbin/exim4 ]
