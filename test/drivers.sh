#!/bin/sh
# Installs the one driver that `npm ci` leaves out, since it takes a minute to compile and few people need it.
# Tests of SQLite are left out without it.
set -eu
cd "$(dirname "$0")/.."
mkdir -p .drivers
npm install --prefix .drivers --no-audit --no-fund --save-exact better-sqlite3@12.6.2
ln -sfn ../.drivers/node_modules/better-sqlite3 node_modules/better-sqlite3
node -e "new (require('better-sqlite3'))(':memory:').close()"
