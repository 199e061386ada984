// The list of the key directory: every name in it, and for one that makes no recipient why, and the name it
// should have.

import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { realWorld } from '../../src/edge/world.ts';
import { KeyDirectory } from '../../src/keys/directory.ts';
import { binaryOf, freshKey } from '../support/freshkey.ts';

const SAME = { localCase: 'ignore', defaultDomain: 'mx.example.com' } as const;
const { certificate, secretKey } = await freshKey('bob@example.com');
const binary = await binaryOf(certificate);

async function openDirectory(t: TestContext) {
  const directory = await mkdtemp(join(tmpdir(), 'sealdir-listing-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  const put = (name: string | Buffer, bytes: Uint8Array | string) =>
    writeFile(Buffer.concat([Buffer.from(`${directory}/`), Buffer.from(name)]), bytes);
  return { directory, put, keys: new KeyDirectory(directory, SAME, realWorld('mx.example.com')) };
}

// name, content, why, what to do
const IGNORED: readonly (readonly [string | Buffer, Uint8Array | string, RegExp, RegExp])[] = [
  ['bob@example.com.gpg', binary, /does not end in \.asc or \.pgp/, /^rename it to bob@example\.com\.pgp$/],
  ['bob@example.com.gpg', certificate, /does not end in/, /^rename it to bob@example\.com\.asc$/],
  ['bob@example.com.ASC', certificate, /does not end in/, /^rename it to bob@example\.com\.asc$/],
  ['bob@example.com.Pgp', binary, /does not end in/, /^rename it to bob@example\.com\.pgp$/],
  ['bob@example.com.pub', certificate, /does not end in/, /^rename it to bob@example\.com\.asc$/],
  ['bob@example.com.key', certificate, /does not end in/, /^rename it to bob@example\.com\.asc$/],
  ['bob@example.com.txt', certificate, /does not end in/, /^rename it to bob@example\.com\.asc$/],
  ['bob@example.com', certificate, /does not end in/, /^rename it to bob@example\.com\.asc$/],
  ['Bob@Example.COM.gpg', binary, /does not end in/, /^rename it to bob@example\.com\.pgp$/],
  ["o'brien@example.com.gpg", binary, /does not end in/, /^rename it to o'brien@example\.com\.pgp$/],
  ['0x1234ABCD.gpg', binary, /does not end in/, /^rename it to bob@example\.com\.pgp$/],
  ['Bob (work).asc', certificate, /no address/, /^rename it to bob@example\.com\.asc$/],
  ['bob@ex ample.asc', certificate, /no address/, /^rename it to bob@example\.com\.asc$/],
  ['bob@example.com.asc~', certificate, /left by an editor/, /^rename it to bob@example\.com\.asc$/],
  ['bob@example.com.asc.swp', 'x', /left by an editor/, /^rename it to <address>\.asc if/],
  ['README', 'hello', /does not end in/, /^rename it to <address>\.asc if it holds a key, or move it/],
  [
    Buffer.from('m\xfcller@example.com.asc', 'latin1'),
    certificate,
    /not UTF-8/,
    /^rename it to müller@example\.com\.asc$/,
  ],
  ...[
    ...['.asc.txt', '.asc.gpg', '.asc.gz', '.armor', '.asc.armor', '.sig', '.public', '.kbx', '.asc.asc.key'],
    ...['.weird', '.asc (1)', '.asc.pgp.txt'],
  ].map(
    (ending) =>
      [
        `bob@example.com${ending}`,
        certificate,
        /does not end in/,
        /^rename it to bob@example\.com\.asc$/,
      ] as const,
  ),
  [
    'bob@example.com.kbx',
    Buffer.alloc(32, 1),
    /does not end/,
    /^put the exported public key in bob@example\.com\.asc,/,
  ],
  [
    'bob@example.com.asc.gz',
    Buffer.of(31, 139),
    /does not end/,
    /^put the exported public key in bob@example\.com\.as/,
  ],
  ['carol@brew.pub.gpg', certificate, /does not end in/, /^rename it to carol@brew\.pub\.asc$/],
  ['.bob@example.com.asc', certificate, /begins with a dot/, /^rename it to bob@example\.com\.asc$/],
  ['.key.pgp', binary, /begins with a dot/, /^rename it to bob@example\.com\.pgp$/],
  ...[
    'bob@example.com.key',
    'secring.gpg',
    'README',
    '.bob@example.com.asc',
    '.secring.gpg',
    'bob@example.com.bak',
  ].map(
    (name) =>
      [name, secretKey, /^holds a SECRET key$/, /^remove it, and treat that key as exposed$/] as const,
  ),
  [Buffer.from('\xfc.asc', 'latin1'), certificate, /not UTF-8/, /^rename it to bob@example\.com\.asc$/],
];

for (const [name, content, why, fix] of IGNORED) {
  test(`${name.toString('latin1')} makes no recipient, and the list says why and what to do`, async (t) => {
    const { keys, put } = await openDirectory(t);
    await put(name, content);
    const [row, ...others] = await keys.list();
    assert.equal(others.length, 0);
    assert.equal(row?.file, name.toString('latin1'));
    assert.equal(row?.address, undefined);
    assert.match(row?.ignored?.why ?? '', why);
    assert.match(row?.ignored?.fix ?? '', fix);
    // and it makes no recipient indeed
    await put('alice@example.com.asc', certificate);
    assert.equal(await keys.lookup('bob@example.com'), undefined);
  });
}

test('a file whose right name is taken is to be removed or merged', async (t) => {
  const { keys, put } = await openDirectory(t);
  await put('bob@example.com.asc', certificate);
  await put('bob@example.com.gpg', certificate);
  const [right, wrong] = await keys.list();
  assert.equal(right?.address, 'bob@example.com');
  assert.equal(right?.ignored, undefined);
  assert.equal(wrong?.ignored?.fix, 'remove it, or add its keys to bob@example.com.asc');
});

test('the name that a file should have is that of its key, as far as the two go together', async (t) => {
  const { keys, put } = await openDirectory(t);
  const pub = (await freshKey('carol@mail.brew.pub')).certificate;
  await put('carol@mail.brew.pub.gpg', pub);
  await put('dave@example.com.gpg', pub);
  await put('0xABCD.gpg', pub);
  assert.deepEqual(
    (await keys.list()).map(({ ignored }) => ignored?.fix),
    ['carol@mail.brew.pub.asc', 'carol@mail.brew.pub.asc', 'dave@example.com.asc'].map(
      (name) => `rename it to ${name}`,
    ),
  );
});

test('directories, links to nothing and dotfiles: listed, a problem, left out', async (t) => {
  const { directory, keys, put } = await openDirectory(t);
  await mkdir(join(directory, 'archive'));
  await mkdir(join(directory, 'dir@example.com.asc'));
  await symlink('/nonexistent', join(directory, 'link@example.com.asc'));
  await put('.bob@example.com.asc.swp', 'x');
  await put('.bob@example.com.asc.Xy12ab', certificate); // a copy on its way, which gets its name at its end
  await put('.empty.asc', 'x');
  await symlink('somebody@host.123:456', join(directory, '.#bob@example.com.asc'));
  await mkdir(join(directory, '.git'));
  const rows = await keys.list();
  assert.deepEqual(
    rows.map(({ file, address, ignored }) => [file, address, ignored?.why]),
    [
      ['archive', undefined, 'is a directory'],
      ['dir@example.com.asc', 'dir@example.com', undefined],
      ['link@example.com.asc', 'link@example.com', undefined],
    ],
  );
  assert.match(rows[1]?.entry.problems.join() ?? '', /not a regular file/);
  assert.match(rows[2]?.entry.problems.join() ?? '', /link to nothing/);
});
