#!/bin/sh
# Puts the compiled modules together into few files, since Node spends most of a start on finding and loading
# modules: the whole program, what `seal` and `deliver` need of it, and each process or thread that the server
# starts. They lie in one directory, as deep as a room, so that paths between them and to package.json hold.
# Called by `npm run build`. Why, and what was rejected: src/commands/README.md, D27.
set -eu
cd "$(dirname "$0")/.."

out=dist/src/bundle
bundle() {
  node_modules/.bin/esbuild "$@" --bundle --platform=node --target=node20.19 --log-level=warning \
    --external:openpgp --external:fs-ext --external:mailparser \
    --external:pg --external:mysql2 --external:better-sqlite3 --external:ldapts --external:@redis/client
}

# what an ES module has and CommonJS has not, and the other way round
set -- --format=cjs --define:import.meta.url=bundleUrl --define:import.meta.dirname=__dirname \
  "--banner:js=const bundleUrl=require('node:url').pathToFileURL(__filename).href;"
required="import{createRequire as requireOf}from'node:module';const require=requireOf(import.meta.url);"

bundle dist/src/cli.js "$@" --outfile=$out/cli.cjs
commands=dist/src/commands
bundle dist/src/cli.js "$@" --minify-whitespace --outfile=$out/mta.cjs --external:./dist/src/foreground.js \
  --external:./$commands/open.js --external:./$commands/check.js --external:./$commands/owners.js \
  --external:./$commands/gateway.js --external:./$commands/bridge.js \
  --external:./$commands/lookup.js --external:./$commands/migrate/command.js --external:./$commands/tlsreport.js \
  --external:./$commands/reseal/command.js --external:./$commands/key/key.js --external:./$commands/dns/dns.js \
  --external:./$commands/custody/custody.js
bundle dist/src/keeper/keyprocess.js dist/src/folders/folderprocess.js dist/src/check/checkprocess.js \
  dist/src/owners/writer.js dist/src/disk/worker.js dist/src/gateway/userprocess.js \
  dist/src/gateway/frontprocess.js \
  --format=esm "--banner:js=$required" --entry-names='[name]' --outdir=$out
