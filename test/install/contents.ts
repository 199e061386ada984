// What is in the unpacked Debian package agrees with its list (SBOM) and with its copyright file.
//
//   node contents.js DIRECTORY

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const [, , directory = ''] = process.argv;
const read = (path: string) => readFileSync(join(directory, path), 'utf8');

interface Bom {
  readonly components: readonly {
    readonly name: string;
    readonly version: string;
    readonly hashes: readonly { readonly content: string }[];
  }[];
}

const { components } = JSON.parse(read('usr/share/doc/sealdir/sbom.cdx.json')) as Bom;
const listed = components.filter(({ name }) => !name.startsWith('node-linux-'));
assert.equal(components.length, listed.length + 1, 'the list has one Node');
assert.ok(components.every(({ hashes }) => /^[0-9a-f]{128}$/.test(hashes[0]?.content ?? '')));

const lib = 'usr/lib/sealdir';
const packages = readdirSync(join(directory, lib), { recursive: true, encoding: 'utf8' })
  .filter((path) => /(^|\/)node_modules\/(@[^/]+\/)?[^/]+\/package\.json$/.test(path))
  .map((path) => JSON.parse(read(join(lib, path))) as { readonly name: string; readonly version: string })
  .map(({ name, version }) => `${name} ${version}`);
assert.ok(packages.length > 50);
assert.deepEqual(
  [...new Set(packages)].sort(),
  listed.map(({ name, version }) => `${name} ${version}`).sort(),
);

const copyright = read('usr/share/doc/sealdir/copyright');
for (const each of packages) assert.ok(copyright.includes(`\n${each} (`), `${each} is not in "copyright"`);
console.log(`# ${packages.length} packages of npm and Node, listed with their checksums and licenses`);
