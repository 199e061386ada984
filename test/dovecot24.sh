#!/usr/bin/env bash
# Unpacks Dovecot 2.4 of Debian 13 into var/dovecot24, with all libraries that it needs: Debian 12 has 2.3. The
# tests run it there (test/support/dovecot.ts), in a root of its own.
set -euo pipefail
cd "$(dirname "$0")/.."
[ ! -x var/dovecot24/usr/sbin/dovecot ] || exit 0

mkdir -p var
work=$(mktemp -d "$PWD/var/dovecot24.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"

# an apt that knows Debian 13 only, and nothing of what is installed here
mirror=$(apt-get indextargets --format '$(REPO_URI) $(CODENAME)' | awk '$2 == "bookworm" { print $1; exit }')
mkdir -p lists/partial archives/partial
touch status
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main" >sources.list
cat >apt.conf <<EOF
Dir::Etc::sourcelist "$work/sources.list";
Dir::Etc::sourceparts "-";
Dir::State::lists "$work/lists";
Dir::State::status "$work/status";
Dir::Cache "$work";
Dir::Cache::archives "$work/archives";
APT::Install-Recommends "false";
APT::Sandbox::User "root";
EOF
export APT_CONFIG=$work/apt.conf
apt-get -q update
apt-get -s install dovecot-imapd | awk '$1 == "Inst" && $2 ~ /^(z?lib|dovecot-)/ { print $2 }' >packages
mkdir root debs
(cd debs && xargs apt-get -q download <../packages)
for package in debs/*.deb; do dpkg-deb -x "$package" root; done
# in Debian 13 everything is below /usr; the rest is what the tests mount, or make their own
for link in lib lib64; do [ -e "root/$link" ] || ln -s "usr/$link" "root/$link"; done
mkdir -p root/dev root/proc root/tmp root/run root/var root/etc
touch root/etc/passwd root/etc/group
rm -r root/usr/share/doc # links that lead to nothing here
# another test may have been faster
mv -T root ../dovecot24 || [ -x ../dovecot24/usr/sbin/dovecot ]
