// The layers of src/README.md, read from the imports of every source file, types included.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';
import { repositoryRoot } from './support/shared.ts';

/** Folder or file of src/ -> those it may import besides itself. */
const BELOW: Record<string, readonly string[]> = {
  core: [],
  mime: ['core'],
  openpgp: ['core'],
  view: ['core'], // an opened message as an IMAP client sees it
  config: ['core'],
  edge: ['core'],
  disk: ['core'],
  lmtp: ['core'],
  imap: ['core'], // the grammar alone
  duplicates: ['core'],
  keys: ['core', 'openpgp'], // agrees on an encryption that openpgp/ then does
  agent: ['core', 'openpgp', 'keys'], // gpg-agent, for `open`
  opening: ['core', 'openpgp', 'keys'], // messages, where the secret key is
  custody: ['core', 'edge'], // wrapped secret keys: is given what is in them
  recipients: ['core', 'keys'],
  keylog: ['core', 'keys'],
  dns: ['core'], // records of the DNS: knows files and settings as little as mail
  maildir: ['core', 'disk'],
  tlsreport: ['core'],
  forward: ['core'], // copies to the store of others: is given settings, reads none
  // a process of its own for each user, and what a server knows of it
  owners: ['core', 'disk', 'maildir', 'edge'],
  // replaces messages where they are: is given what they become
  inplace: ['core', 'edge', 'maildir'],
  delivery: ['core', 'mime', 'openpgp', 'keys', 'maildir', 'recipients'], // is given settings, reads none
  'site.ts': ['core', 'config', 'keys', 'recipients', 'maildir', 'delivery'],
  'lookup.ts': ['core', 'config', 'delivery', 'keys', 'recipients', 'site.ts'],
  'openmemory.ts': ['core', 'config', 'duplicates', 'site.ts'],
  'opensite.ts': [
    'core',
    'config',
    'disk',
    'maildir',
    'owners',
    'forward',
    'duplicates',
    'delivery',
    'site.ts',
    'openmemory.ts',
  ],
  // what lies in mailboxes already, and how it is sealed
  stored: [
    'core',
    'config',
    'edge',
    'disk',
    'maildir',
    'inplace',
    'keys',
    'delivery',
    'site.ts',
    'lookup.ts',
  ],
  // sessions of mail clients, where their secret keys are: a program of its own
  gateway: [
    'core',
    'config',
    'edge',
    'mime',
    'imap',
    'view',
    'keys',
    'opening',
    'custody',
    'delivery',
    'site.ts',
  ],
  // processes of their own, beside the server
  folders: ['core', 'config', 'edge', 'maildir', 'inplace', 'stored', 'lookup.ts', 'site.ts'],
  keeper: [
    'core',
    'config',
    'edge',
    'mime',
    'keys',
    'keylog',
    'recipients',
    'delivery',
    'site.ts',
    'opensite.ts',
  ],
  // for the command, and for the server at its start
  check: [
    'core',
    'openpgp',
    'config',
    'keys',
    'keylog',
    'maildir',
    'delivery',
    'duplicates',
    'edge',
    'forward',
    'stored',
    'site.ts',
  ],
  commands: [
    'core',
    'mime',
    'openpgp',
    'edge',
    'keys',
    'agent',
    'opening',
    'keylog',
    'maildir',
    'inplace',
    'stored',
    'owners',
    'lmtp',
    'config',
    'delivery',
    'site.ts',
    'lookup.ts',
    'check',
    'dns',
    'tlsreport',
    'custody',
    'gateway',
  ],
  server: [
    'core',
    'edge',
    'lmtp',
    'config',
    'delivery',
    'tlsreport',
    'site.ts',
    'openmemory.ts',
    'opensite.ts',
    'lookup.ts',
  ],
  'foreground.ts': ['core', 'edge', 'config', 'commands', 'check', 'server', 'keeper', 'folders'],
  'cli.ts': ['core', 'edge', 'config', 'commands', 'foreground.ts'],
};
/** They alone know the order of the steps. */
const SPINE = [
  'transaction',
  'admission',
  'framed',
  'copy',
  'keeping',
  'keepmessage',
  'parts',
  'sealmessage',
].map((name) => `delivery/${name}.ts`);
const NO_WORLD = /^(fs|net|http|https|http2|tls|dgram|dns|child_process|cluster|worker_threads)(\/|$)/;
const MOST_LINES = 250;

const root = join(repositoryRoot(), 'src');
const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
const edges = files.flatMap((file) => importsOf(file).map((target) => ({ file, target })));
const within = edges.filter(({ target }) => target.endsWith('.ts'));

function importsOf(file: string): string[] {
  const pattern =
    /(?:\bfrom |\bimport |\bimport\()'([^']+)'|createRequire\(import\.meta\.url\)\('([^']+)'\)|new URL\('([^']+\.js)'/g;
  const names = [...textOf(file).matchAll(pattern)].map(
    ([, imported, required, worker]) => imported ?? required ?? worker?.replace(/\.js$/, '.ts') ?? '',
  );
  return names.map((name) => (name.startsWith('.') ? join(file, '..', name) : name));
}

function textOf(file: string): string {
  return readFileSync(join(root, file), 'utf8');
}

function roomOf(file: string): string {
  return file.split('/')[0] ?? '';
}

/** All files that `start` imports, directly or not. */
function reachableFrom(start: string): Set<string> {
  const reached = new Set<string>();
  const pending = [start];
  for (let file = pending.pop(); file !== undefined; file = pending.pop()) {
    for (const edge of within) {
      if (edge.file !== file || reached.has(edge.target)) continue;
      reached.add(edge.target);
      pending.push(edge.target);
    }
  }
  return reached;
}

test('every source file imports only from its own room and the rooms below', () => {
  assert.ok(within.length > 50, 'the imports are found');
  for (const { file, target } of within) {
    assert.ok(files.includes(target), `${file} imports ${target}, which is not there`);
    const below = BELOW[roomOf(file)];
    assert.ok(below !== undefined, `${file}: a room this test does not know`);
    const isAllowed = roomOf(target) === roomOf(file) || below.includes(roomOf(target));
    assert.ok(isAllowed, `${file} imports ${target}`);
  }
});

test('no file imports itself, however long the way round', () => {
  for (const file of files) assert.ok(!reachableFrom(file).has(file), `${file} is in a circle`);
});

test('a step of a delivery imports no other step: only the spine knows their order', () => {
  for (const { file, target } of within) {
    if (roomOf(file) !== 'delivery' || roomOf(target) !== 'delivery') continue;
    assert.ok(SPINE.includes(file), `${file} imports ${target}`);
  }
});

test('core, mime, openpgp, imap and view import no package and touch no disk, network or process', () => {
  for (const { file, target } of edges.filter((edge) => /^(core|mime|openpgp|imap|view)\//.test(edge.file))) {
    const isOwn = target.endsWith('.ts');
    assert.ok(isOwn || (target.startsWith('node:') && !NO_WORLD.test(target.slice(5))), `${file}: ${target}`);
    assert.ok(!/\bprocess\.[a-z]/.test(textOf(file)), `${file} looks at process`);
  }
});

test('each npm package is imported by one room', () => {
  const importers = new Map<string, Set<string>>();
  for (const { file, target } of edges) {
    if (target.endsWith('.ts') || target.startsWith('node:')) continue;
    assert.ok(!builtinModules.includes(target), `${file}: ${target} without node:`);
    const name = target.split('/', target.startsWith('@') ? 2 : 1).join('/');
    importers.set(name, (importers.get(name) ?? new Set()).add(roomOf(file)));
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

test(`no source file has more than ${MOST_LINES} lines`, () => {
  for (const file of files) {
    const lines = textOf(file).split('\n').length - 1;
    assert.ok(lines <= MOST_LINES, `${file} has ${lines} lines`);
  }
});

test('nothing that the server reaches can name a private key', () => {
  const ofServer = files.filter((file) => ['server', 'keeper'].includes(roomOf(file)));
  assert.ok(
    ofServer.some((file) => reachableFrom(file).has('keys/certificates.ts')),
    'keys are reached',
  );
  const inKeys = ['secretfile', 'secretkeys', 'secretnumbers', 'oldkeys', 'transferable'];
  const secrets = [...inKeys.map((name) => `keys/${name}.ts`), 'agent/agent.ts'];
  assert.ok(secrets.every((file) => files.includes(file)));
  for (const file of ofServer)
    for (const reached of reachableFrom(file)) {
      assert.ok(!secrets.includes(reached), `${file} reaches ${reached}`);
      assert.ok(!['opening', 'custody', 'gateway'].includes(roomOf(reached)), `${file} reaches ${reached}`);
    }
  // in whatever file: the library's own names for one
  const names =
    /\b(PrivateKey|readPrivateKeys?|Secret(?:Sub)?[kK]eyPacket|decryptKey|generateKey|decryptionKeys)\b/;
  for (const file of new Set(ofServer.flatMap((each) => [...reachableFrom(each)])))
    assert.doesNotMatch(textOf(file), names, file);
});
