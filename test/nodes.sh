#!/usr/bin/env bash
# Runs the tests on other versions of Node than the one in PATH.
#
#   test/nodes.sh [--short] [MAJOR...]      without MAJOR: 22 and 24
#
# Each Node comes from npm, with its headers, into a cache (SEALDIR_NODES, by default below node_modules/.cache). The
# tests run in a copy of the checkout, so that the fs-ext that is installed here stays as it is. To be run after a
# build. --short takes the tests that depend on Node most, and leaves out long campaigns and fuzzing.
set -euo pipefail
cd "$(dirname "$0")/.."

form=long
if [ "${1:-}" = --short ]; then
  form=short
  shift
fi
majors=("$@")
[ ${#majors[@]} -gt 0 ] || majors=(22 24)

# as in test/support/long.ts
[ "$form" = short ] || export SEALDIR_LONG=1

checkout=$PWD
cache=${SEALDIR_NODES:-$checkout/node_modules/.cache/nodes}
case $(uname -m) in
  x86_64) architecture=x64 ;;
  aarch64) architecture=arm64 ;;
  *) echo "no Node for $(uname -m) on npm" >&2 && exit 1 ;;
esac

# Where Node's own behaviour shows: crypto, memory, files, threads, sockets, processes, domain names.
short=(core duplicates openpgp disk keys/certificates keys/watched delivery/transaction delivery/duplicate lmtp/server
  maildir wire)

test_files() {
  if [ "$form" = long ]; then
    find dist/test -name '*.test.js' | sort
  else
    for name in "${short[@]}"; do
      if [ -d "dist/test/$name" ]; then find "dist/test/$name" -name '*.test.js' | sort; else echo "dist/test/$name.test.js"; fi
    done
  fi
}

# In a subshell, so that directory and environment are its own.
test_copy() (
  cd "$1" &&
    export PATH="$2/bin:$PATH" SEALDIR_SHARED="${SEALDIR_SHARED:-$checkout/../shared}" &&
    npm rebuild --silent fs-ext --nodedir="$2" &&
    echo "# $(node --version), $form form" &&
    node --test --test-concurrency=2 --test-timeout=1800000 --test-reporter=spec $(test_files)
)

failed=()
for major in "${majors[@]}"; do
  node=$cache/$major/node_modules/node-linux-$architecture
  # the newest each time, since a minor version may break something; without a network the one that is there
  npm install --silent --no-save --no-audit --no-fund --prefix "$cache/$major" "node-linux-$architecture@$major" ||
    [ -x "$node/bin/node" ]
  copy=$cache/$major/copy
  rm -rf "$copy"
  mkdir -p "$copy"
  tar --exclude=./.git --exclude=./node_modules/.cache --exclude=./var -cf - . | tar -xf - -C "$copy"
  test_copy "$copy" "$node" || failed+=("$major")
done

if [ ${#failed[@]} -gt 0 ]; then
  echo "failed on Node ${failed[*]}" >&2
  exit 1
fi
