// The layer rule of DESIGN.md, read from the imports of every source file, types included.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';
import { repositoryRoot } from './support/shared.ts';

/** Layer -> the layers it may import besides itself. */
const BELOW: Record<string, readonly string[]> = {
  core: [],
  mime: ['core'],
  openpgp: ['core'],
  config: ['core'],
  edge: ['core'],
  disk: ['core'],
  lmtp: ['core'],
  duplicates: ['core'],
  keys: ['core', 'openpgp'], // agrees on an encryption that openpgp/ then does
  recipients: ['core', 'keys'],
  maildir: ['core', 'disk'],
  delivery: ['core', 'mime', 'openpgp', 'keys', 'maildir', 'recipients'], // is given settings, reads none
  commands: ['core', 'mime', 'openpgp', 'edge', 'keys', 'maildir', 'recipients', 'config', 'delivery'],
  server: [
    'core',
    'edge',
    'disk',
    'lmtp',
    'duplicates',
    'keys',
    'maildir',
    'recipients',
    'config',
    'delivery',
  ],
  'cli.ts': ['core', 'edge', 'config', 'commands', 'server'],
};
/** They alone know the order of the steps. */
const SPINE = ['delivery/transaction.ts', 'delivery/copy.ts', 'delivery/parts.ts'];
const NO_WORLD = /^(fs|net|http|https|http2|tls|dgram|dns|child_process|cluster|worker_threads)(\/|$)/;

const root = join(repositoryRoot(), 'src');
const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
const edges = files.flatMap((file) => importsOf(file).map((target) => ({ file, target })));
const within = edges.filter(({ target }) => target.endsWith('.ts'));

function importsOf(file: string): string[] {
  const pattern =
    /(?:\bfrom |\bimport |\bimport\()'([^']+)'|createRequire\(import\.meta\.url\)\('([^']+)'\)/g;
  const names = [...textOf(file).matchAll(pattern)].map(
    ([, imported, required]) => imported ?? required ?? '',
  );
  return names.map((name) => (name.startsWith('.') ? join(file, '..', name) : name));
}

function textOf(file: string): string {
  return readFileSync(join(root, file), 'utf8');
}

function layerOf(file: string): string {
  return file.split('/')[0] ?? '';
}

test('every source file imports only from its own layer and the layers below', () => {
  assert.ok(within.length > 50, 'the imports are found');
  for (const { file, target } of within) {
    const below = BELOW[layerOf(file)];
    assert.ok(below !== undefined, `${file}: a layer this test does not know`);
    const isAllowed = layerOf(target) === layerOf(file) || below.includes(layerOf(target));
    assert.ok(isAllowed, `${file} imports ${target}`);
  }
});

test('a step of a delivery imports no other step: only the spine knows their order', () => {
  for (const { file, target } of within) {
    if (layerOf(file) !== 'delivery' || layerOf(target) !== 'delivery') continue;
    assert.ok(SPINE.includes(file), `${file} imports ${target}`);
  }
});

test('core, mime and openpgp import no package and touch no disk, network or process', () => {
  for (const { file, target } of edges.filter((edge) => /^(core|mime|openpgp)\//.test(edge.file))) {
    const isOwn = target.endsWith('.ts');
    assert.ok(isOwn || (target.startsWith('node:') && !NO_WORLD.test(target.slice(5))), `${file}: ${target}`);
    assert.ok(!/\bprocess\.[a-z]/.test(textOf(file)), `${file} looks at process`);
  }
});

test('each npm package is imported by one folder', () => {
  const importers = new Map<string, Set<string>>();
  for (const { file, target } of edges) {
    if (target.endsWith('.ts') || target.startsWith('node:')) continue;
    assert.ok(!builtinModules.includes(target), `${file}: ${target} without node:`);
    const name = target.split('/', target.startsWith('@') ? 2 : 1).join('/');
    importers.set(name, (importers.get(name) ?? new Set()).add(layerOf(file)));
  }
  assert.ok(importers.has('openpgp') && importers.has('fs-ext'), 'the imports are found');
  for (const [name, by] of importers) assert.equal(by.size, 1, `${name} in ${[...by].join(', ')}`);
});

test('the time of day comes in through World', () => {
  for (const file of files.filter((each) => each !== 'edge/world.ts'))
    assert.ok(!/\bDate\.now\b/.test(textOf(file)), file);
});

test('only cli.ts reads the environment or ends the process', () => {
  for (const file of files.filter((each) => each !== 'cli.ts'))
    assert.ok(!/\bprocess\.(env|exit)\b/.test(textOf(file)), file);
});
