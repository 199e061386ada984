#!/usr/bin/env bash
# Unpacks Debian's Cyrus into var/cyrus, with the libraries that are not installed: it cannot be installed
# beside Dovecot. The tests run it with LD_LIBRARY_PATH (test/support/cyrus.ts).
set -euo pipefail
cd "$(dirname "$0")/.."
[ ! -x var/cyrus/usr/lib/cyrus/bin/lmtpd ] || exit 0

mkdir -p var
work=$(mktemp -d "$PWD/var/cyrus.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"
libraries=$(apt-cache depends cyrus-common cyrus-imapd | sed -n 's/^ *Depends: \(lib[^<]*\)$/\1/p' | sort -u)
# shellcheck disable=SC2086 # a list
missing=$(apt-get -s install --no-install-recommends $libraries | awk '$1 == "Inst" && $3 !~ /^\[/ { print $2 }')
# shellcheck disable=SC2086
apt-get -q download cyrus-common cyrus-imapd $missing
for package in *.deb; do dpkg-deb -x "$package" root; done
if [ -d root/lib ]; then
  cp -a root/lib/. root/usr/lib/
  rm -r root/lib
fi
# another test may have been faster
mv -T root ../cyrus || [ -x ../cyrus/usr/lib/cyrus/bin/lmtpd ]
