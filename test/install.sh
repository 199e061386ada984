#!/usr/bin/env bash
# Installs the Debian package and the npm tarball into clean Debian roots, as README "Install" says, and uses them
# there: the first sealed message, an upgrade under load, remove, purge; then the small mail server of config/example,
# as its page says, under systemd. As root; in the other roots no systemd runs, so that the server is started by hand.
# Takes some minutes, most of them for the roots.
#
#   test/install.sh            everything
#   test/install.sh package    the Debian package only (with a FILE: this one; it is not built then)
#   test/install.sh npm        the npm tarball only
#   test/install.sh example    the small mail server of config/example only (with a FILE: as above)
#
# SEALDIR_SUITE is another Debian than 12 to install into, such as trixie.
# Roots are kept in SEALDIR_ROOTS, by default a directory for temporary files. After `npm run build`.
set -euo pipefail

# All that is started or mounted goes away with this script.
if [ -z "${SEALDIR_INSTALL_INSIDE:-}" ]; then
  SEALDIR_INSTALL_INSIDE=1 exec unshare --mount --pid --fork --kill-child --mount-proc "$0" "$@"
fi

checkout=$(cd "$(dirname "$0")/.." && pwd)
cd "$checkout"
roots=${SEALDIR_ROOTS:-${TMPDIR:-/tmp}/sealdir-roots}
suite=${SEALDIR_SUITE:-bookworm}
[ "$suite" = bookworm ] || roots=$roots/$suite
mkdir -p "$roots"
work=$(mktemp -d)
clean_up() {
  local mounted
  while read -r _ mounted _; do
    case $mounted in "$work"/*) umount --lazy "$mounted" || true ;; esac
  done </proc/mounts
  rm -rf --one-file-system "$work"
}
trap clean_up EXIT
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
export NPM_CONFIG_UPDATE_NOTIFIER=false NPM_CONFIG_FUND=false NPM_CONFIG_AUDIT=false

say() { printf '# %3d s: %s\n' "$SECONDS" "$*"; }
fail() { echo "failed: $*" >&2 && exit 1; }
expect() { [ "$2" = "$3" ] || fail "$1: $2 instead of $3"; }

# Mirrors fail now and then.
retry() {
  local attempt
  for attempt in 1 2 3; do
    "$@" && return
    sleep $((attempt * 5))
  done
  "$@"
}

make_base() {
  local mirror
  mirror=$(apt-get indextargets --format '$(REPO_URI) $(CODENAME)' | awk '$2 == "bookworm" { print $1; exit }')
  rm -rf "$roots/base.new"
  debootstrap --variant=minbase "$suite" "$roots/base.new" "$mirror" >"$work/debootstrap.log" 2>&1 ||
    { tail -3 "$work/debootstrap.log" >&2 && return 1; }
  mv "$roots/base.new" "$roots/base"
}

# The root that the tarball is installed in: it has what README asks for, Node and a compiler.
make_compiler() {
  rm -rf "$roots/compiler.new"
  cp -a "$roots/base" "$roots/compiler.new"
  connect "$roots/compiler.new"
  retry chroot "$roots/compiler.new" apt-get -q update >/dev/null
  retry chroot "$roots/compiler.new" apt-get -q install -y --no-install-recommends g++ make python3 >/dev/null
  mv "$roots/compiler.new" "$roots/compiler"
}

connect() {
  cp -L /etc/resolv.conf "$1/etc/resolv.conf"
  mkdir -p "$1/etc/ssl/certs"
  cp -L /etc/ssl/certs/ca-certificates.crt "$1/etc/ssl/certs/"
}

# Sets `root` to a fresh copy of a root, with a /proc and a /run of its own.
fresh_root() {
  root=$work/$1
  cp -a "$roots/$1" "$root"
  mount -t proc proc "$root/proc"
  mount -t tmpfs tmpfs "$root/run"
}

in_root() { chroot "$root" /usr/bin/env -i HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"; }

# Prints the block of commands of README that is under a heading and has a word in it.
readme_block() {
  awk -v heading="$1" -v word="$2" '
    /^#/ && !in_block { here = ($0 == heading) }
    here && /^```sh$/ { in_block = 1; block = ""; next }
    in_block && /^```$/ { in_block = 0; if (index(block, word)) { printf "%s", block; exit } }
    in_block { block = block $0 "\n" }' README.md
}

# Runs commands in the root, as somebody who types them, and stops at the first that fails.
follow() {
  local line
  while IFS= read -r line; do
    printf '$ %s\n' "${line%%  *#*}"
    (cd / && in_root bash -c "cd /root && $line" </dev/null 2>&1) || fail "exit code $? from: $line"
  done
}

# Prints the process of the server, the oldest of its user.
server_pid() { pgrep -o -u "$(in_root id -u sealdir)"; }

# Does what systemd would do.
start_server() {
  readme_block '## Install' 'sealdir serve' >"$root/root/serve.sh"
  [ -s "$root/root/serve.sh" ] || fail 'README does not say how to start it by hand'
  # 5 is what the load waits for to end
  in_root bash -c '. /root/serve.sh; wait' </dev/null >>"$work/server.log" 2>&1 5>&- &
  server=$!
  wait_for "socket of the server" test -S "$root/run/sealdir/lmtp.sock"
}

stop_server() {
  kill -TERM "$(server_pid)"
  wait "$server" || true
}

wait_for() {
  local what=$1 n
  shift
  for ((n = 0; n < 300; n++)); do
    if "$@"; then return; fi
    read -r -t 0.1 <> <(:) || true
  done
  cat "$work/server.log" >&2
  fail "waited for $what"
}

owner_and_mode() { in_root stat -c '%U:%G %a' "$1"; }

mailbox=/var/mail/sealdir/example.com/alice/new

# Nothing can be fetched here: there is no network but the loopback.
test_package() {
  local old=$1 new=$2 started=$SECONDS
  fresh_root base
  ip link set lo up
  cp "$old" "$root/root/"

  say 'README "Install", to the letter'
  readme_block '## Install' 'sealdir deliver' >"$work/commands"
  [ -s "$work/commands" ] || fail 'README "Install" has no commands'
  head -n 1 "$work/commands" | follow
  start_server
  tail -n +2 "$work/commands" | follow | tee "$work/output"
  grep -q '^Hello Alice' "$work/output" || fail 'the message was not opened'
  grep -rq 'Hello Alice' "$root/var/mail" && fail 'there is plaintext in the store'
  grep -rq 'BEGIN PGP MESSAGE' "$root$mailbox" || fail 'there is no sealed message in the store'
  [ $((SECONDS - started)) -lt 300 ] || fail 'that took more than five minutes'
  say "a sealed message $((SECONDS - started)) s after the installation began"

  expect 'owner of the store' "$(owner_and_mode /var/mail/sealdir)" 'sealdir:sealdir 700'
  expect 'owner of the state' "$(owner_and_mode /var/lib/sealdir)" 'sealdir:sealdir 700'
  expect 'owner of the sockets' "$(owner_and_mode /run/sealdir)" 'sealdir:sealdir 755'
  expect 'owner of the keys' "$(owner_and_mode /etc/sealdir/keys)" 'root:root 755'
  expect 'the user' "$(in_root getent passwd sealdir | cut -d: -f6,7)" '/nonexistent:/usr/sbin/nologin'
  expect 'the program of the server' "$(readlink "/proc/$(server_pid)/exe")" "$root/usr/lib/sealdir/node"
  in_root dpkg --verify sealdir || fail 'installed files differ from the package'

  upgrade_under_load "$new"
  remove_and_purge
}

upgrade_under_load() {
  say 'upgrade under load'
  local before after acknowledged tries
  echo '# kept' >>"$root/etc/sealdir/sealdir.toml"
  before=$(in_root sealdir --version)
  cp "$1" "$root/root/new.deb"
  mkfifo "$work/go"
  node dist/test/install/load.js "$root/run/sealdir/lmtp.sock" alice+load@example.com 8 <"$work/go" >"$work/load" &
  local load=$!
  exec 5>"$work/go"
  wait_for 'the first message' grep -q started "$work/load"
  in_root apt-get -q install -y /root/new.deb >"$work/upgrade" 2>&1 || { cat "$work/upgrade" >&2 && fail upgrade; }
  stop_server
  start_server
  printf 'Subject: after\n\nHello again\n' | in_root sealdir deliver alice@example.com || fail 'no mail after the upgrade'
  exec 5>&-
  wait "$load" || fail 'the load ended badly'

  after=$(in_root sealdir --version)
  [ "$before" != "$after" ] || fail "still $before"
  grep -q '^# kept$' "$root/etc/sealdir/sealdir.toml" || fail 'the configuration was replaced'
  tail -n 1 "$work/load" | node -e '
    const { acknowledged, tries } = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
    for (const each of acknowledged.sort()) console.log(each);
    console.error(`# ${acknowledged.length} messages acknowledged, ${tries - acknowledged.length} tries in vain`);
    process.exit(tries > acknowledged.length && acknowledged.length > 50 ? 0 : 1);' >"$work/acknowledged" ||
    fail 'the upgrade was not felt'
  grep -rhoE '^Subject: load-.*' "$root$mailbox" | tr -d '\r' | sed 's/^Subject: //' | LC_ALL=C sort >"$work/stored"
  LC_ALL=C sort "$work/acknowledged" | cmp - "$work/stored" || fail 'what was acknowledged is not there once'
  say "$before -> $after"
}

remove_and_purge() {
  say 'remove, then purge'
  local mail
  mail=$(find "$root/var/mail/sealdir" -type f | wc -l)
  in_root sealdir key generate --no-passphrase bob@example.com >/dev/null
  in_root sealdir key add --as bob@example.com bob@example.com.asc >/dev/null
  in_root sealdir key remove --yes bob@example.com >/dev/null
  stop_server
  in_root dpkg --remove sealdir >/dev/null
  [ ! -e "$root/usr/bin/sealdir" ] && [ ! -e "$root/usr/lib/sealdir" ] || fail 'the program is still there'
  [ -e "$root/etc/sealdir/sealdir.toml" ] || fail 'remove removed the configuration'
  mkdir "$root/var/lib/sealdir/pins"
  in_root dpkg --purge sealdir >/dev/null
  [ ! -e "$root/etc/sealdir/sealdir.toml" ] || fail 'the configuration is still there'
  [ ! -e "$root/run/sealdir" ] && [ ! -e "$root/var/lib/sealdir/pins" ] || fail 'the memory is still there'
  [ -s "$root/etc/sealdir/keys/alice@example.com.asc" ] || fail 'a key was purged'
  [ -n "$(find "$root/var/lib/sealdir/former" -name 'bob@*')" ] || fail 'a former key was purged'
  expect 'files in the store' "$(find "$root/var/mail/sealdir" -type f | wc -l)" "$mail"
  rm -r "$root/var/lib/sealdir"

  # again, with the store and the keys of before
  in_root apt-get -q install -y /root/new.deb >/dev/null 2>&1
  start_server
  printf 'Subject: back\n\nHello\n' | in_root sealdir deliver alice@example.com || fail 'no mail after another installation'
  stop_server
  in_root dpkg --purge sealdir >/dev/null
  [ ! -e "$root/var/lib/sealdir" ] || fail 'the state is still there'
}

# A later version of a package: the same program, under another number.
later_version() {
  dpkg-deb -R "$1" "$work/later"
  sed -i 's/^Version: .*/Version: 99.0.0-1/' "$work/later/DEBIAN/control"
  sed -i 's/"version": ".*"/"version": "99.0.0"/' "$work/later/usr/lib/sealdir/package.json"
  (cd "$work/later" && md5sum usr/lib/sealdir/package.json) >"$work/sum"
  sed -i -e '/ usr\/lib\/sealdir\/package.json$/d' -e "\$r $work/sum" "$work/later/DEBIAN/md5sums"
  dpkg-deb --root-owner-group -Znone --build "$work/later" "$work/later.deb" >/dev/null
  rm -r "$work/later"
}

# Another directory, umask, language and time zone must not show.
build_twice() {
  local first second
  say 'two builds of one commit'
  first=$(SEALDIR_DEB_LEVEL=1 retry config/debian/build.sh "$work/first")
  git clone --quiet --no-hardlinks . "$work/another-clone"
  ln -s "$(readlink -f node_modules)" "$work/another-clone/node_modules"
  second=$(cd "$work/another-clone" && umask 077 && LC_ALL=C.UTF-8 TZ=Asia/Tokyo SEALDIR_DEB_LEVEL=1 \
    retry config/debian/build.sh "$work/second")
  sha256sum "$first" "$second" | sed "s,$work/,,"
  cmp "$first" "$second" || fail 'two builds of one commit differ'
  package=$first
}

check_package() {
  say 'lintian, and what is in the package'
  lintian --allow-root --fail-on error,warning "$package"
  dpkg-deb -x "$package" "$work/unpacked"
  node dist/test/install/contents.js "$work/unpacked"
  ls -l "$package" | awk '{ print "# " $5 " bytes" }'
}

# The tarball, made in a fresh clone.
test_npm() {
  local tarball node
  say 'npm pack in a fresh clone'
  git clone --quiet --no-hardlinks . "$work/fresh"
  tarball=$(cd "$work/fresh" && retry npm pack --silent | tail -n 1)
  fresh_root compiler
  connect "$root"
  mkdir "$work/node"
  cp config/debian/node/package*.json "$work/node/"
  retry npm ci --silent --prefix "$work/node"
  node=$(echo "$work"/node/node_modules/node-linux-*)
  cp "$node/bin/node" "$root/usr/local/bin/"
  cp -r "$node/include" "$root/usr/local/"
  cp -r "$(npm root --global)/npm" "$root/usr/local/lib/npm"
  ln -s ../lib/npm/bin/npm-cli.js "$root/usr/local/bin/npm"
  cp "$work/fresh/$tarball" "$root/root/"
  printf 'registry=%s\nnodedir=/usr/local\nupdate-notifier=false\n' "$(npm config get registry)" >"$root/root/.npmrc"
  [ -z "${NODE_EXTRA_CA_CERTS:-}" ] || echo 'cafile=/etc/ssl/certs/ca-certificates.crt' >>"$root/root/.npmrc"

  say 'README "From npm", to the letter'
  readme_block '### From npm' 'npm install -g' >"$work/commands"
  grep -q 'sealdir' "$work/commands" || fail 'README "From npm" has no commands'
  follow <"$work/commands"
  start_server
  readme_block '## Install' 'sealdir deliver' | tail -n +2 | follow | tee "$work/output"
  grep -q '^Hello Alice' "$work/output" || fail 'the message was not opened'
  say 'under a prefix'
  in_root npm install -g --silent --allow-scripts=fs-ext --prefix /opt/sealdir "/root/$tarball"
  expect 'the version under a prefix' "$(in_root /opt/sealdir/bin/sealdir --version)" \
    "sealdir $(node -p 'require("./package.json").version')"
  [ -e "$root/opt/sealdir/share/man/man1/sealdir.1" ] || fail 'there is no manual page'
  stop_server
}

# shellcheck source=test/install/example.sh
. test/install/example.sh

if [ "${1:-}" = --in-package-root ]; then
  test_package "$2" "$3"
  say 'done'
  exit
fi
[ -d "$roots/base" ] || { say 'a clean Debian' && retry make_base; }
if [ "${1:-package}" = package ]; then
  package=${2:-}
  [ -n "$package" ] || build_twice
  check_package
  later_version "$package"
  unshare --net env SEALDIR_ROOTS="$roots" "$0" --in-package-root "$package" "$work/later.deb"
fi
if [ "${1:-npm}" = npm ]; then
  [ -d "$roots/compiler" ] || { say 'a Debian with a compiler' && make_compiler; }
  test_npm
fi
if [ "${1:-example}" = example ]; then
  package=${package:-${2:-}}
  [ -n "$package" ] || package=$(retry config/debian/build.sh "$work/first")
  # within some containers no other can be
  if systemd-nspawn --quiet --register=no --keep-unit --private-network --directory="$roots/base" true </dev/null; then
    [ -d "$roots/mailserver" ] || { say 'a Debian with systemd' && make_mailserver; }
    test_example
  else
    say 'left out: the mail server of config/example, since systemd-nspawn does not run here'
  fi
fi
say 'done'
