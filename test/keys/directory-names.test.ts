// The key directory: spellings of file names, and look-ups that could not look.

import assert from 'node:assert/strict';
import { closeSync, constants, existsSync, openSync } from 'node:fs';
import { chmod, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { canonicalAddress, parseAddress, pathSegment } from '../../src/core/address.ts';
import { realWorld } from '../../src/edge/world.ts';
import { KeyDirectory } from '../../src/keys/directory.ts';
import { WORDS } from '../../src/keys/words.ts';
import { freshKey } from '../support/freshkey.ts';
import { run } from '../support/process.ts';

const WORLD = realWorld('mx.example.com');
const SAME = { localCase: 'ignore', defaultDomain: 'mx.example.com' } as const;
const key = await freshKey('alice@example.com');

async function openDirectory(t: TestContext) {
  const directory = await mkdtemp(join(tmpdir(), 'sealdir-keyring-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  return { directory, keyring: new KeyDirectory(directory, SAME, WORLD) };
}

function canonical(path: string): string {
  const address = parseAddress(path);
  const text = address && canonicalAddress(address, SAME);
  assert.ok(text !== undefined, `${path} is no address`);
  return text;
}

// file name without extension, an address in RCPT that it stands for
const SPELLINGS: readonly (readonly [string, string])[] = [
  ['Alice@Example.COM', 'alice@example.com'],
  ['alice@example.com.', 'alice@example.com'],
  ['müller@münchen.example', 'müller@xn--mnchen-3ya.example'],
  ['alice@MÜNCHEN.example', 'alice@münchen.example'],
  ['alice@XN--MNCHEN-3YA.example', 'alice@MÜNCHEN.example'],
  ['mu\u0308ller@example.com', 'm\u00fcller@example.com'],
  ["o'brien@example.com", "o'brien@example.com"],
  ['o%27brien@example.com', "O'Brien@example.com"],
  ['"a b"@example.com', '"a b"@example.com'],
  ['a%20b@example.com', '"a b"@example.com'],
  ['a%2Fb@example.com', 'a/b@example.com'],
  ['100%@example.com', '100%@example.com'],
  ['100%25@example.com', '100%@example.com'],
  ['%2Ehidden@example.com', '.hidden@example.com'],
  ['a&b@example.com', 'a&b@example.com'],
  ['postmaster', 'postmaster@mx.example.com'],
  ['alice@[192.0.2.1]', 'alice@[192.0.2.1]'],
];

for (const [stem, rcpt] of SPELLINGS) {
  test(`the file ${stem}.asc is the key of <${rcpt}>, in a look-up and in the list`, async (t) => {
    const { directory, keyring } = await openDirectory(t);
    await writeFile(join(directory, `${stem}.asc`), key.certificate);
    assert.equal((await keyring.lookup(canonical(rcpt)))?.certificates.length, 1);
    assert.deepEqual(
      (await keyring.list()).map(({ address }) => address),
      [canonical(rcpt)],
    );
  });
}

test('the name that pathSegment makes of an address is found without reading the directory', async (t) => {
  const { directory, keyring } = await openDirectory(t);
  const address = canonical(`"a b/.."@example.com`);
  await writeFile(join(directory, `${pathSegment(address)}.pgp`), key.certificate);
  assert.equal((await keyring.lookup(address))?.certificates.length, 1);
  assert.equal(await keyring.lookup(canonical('b@example.com')), undefined);
});

test('an address too long for a file name is unknown, not an error', async (t) => {
  const { directory, keyring } = await openDirectory(t);
  await writeFile(join(directory, 'alice@example.com.asc'), key.certificate);
  assert.equal(await keyring.lookup(`${'/'.repeat(120)}@example.com`), undefined);
});

test('a missing directory is an error, not an unknown recipient', async (t) => {
  const { directory } = await openDirectory(t);
  const keyring = new KeyDirectory(join(directory, 'missing'), SAME, WORLD);
  await assert.rejects(keyring.lookup('alice@example.com'), { code: 'ENOENT' });
  await assert.rejects(keyring.list(), { code: 'ENOENT' });
});

test('a directory that goes away after a look-up is an error, not an unknown recipient', async (t) => {
  const { directory, keyring } = await openDirectory(t);
  await writeFile(join(directory, 'alice@example.com.asc'), key.certificate);
  await keyring.lookup('alice@example.com');
  await rm(directory, { recursive: true });
  await assert.rejects(keyring.lookup('alice@example.com'), { code: 'ENOENT' });
});

test('a file where the directory should be is an error, not an unknown recipient', async (t) => {
  const { directory } = await openDirectory(t);
  await writeFile(join(directory, 'file'), '');
  const keyring = new KeyDirectory(join(directory, 'file'), SAME, WORLD);
  await assert.rejects(keyring.lookup('alice@example.com'), { code: 'ENOTDIR' });
});

test('a key file that may not be read is an error, not an unknown recipient', async (t) => {
  const { directory, keyring } = await openDirectory(t);
  const file = join(directory, 'alice@example.com.asc');
  await writeFile(file, key.certificate);
  await chmod(file, 0o000);
  await chmod(directory, 0o755);
  // for root every file is readable, so this process is somebody else for a moment
  const uid = process.geteuid?.();
  if (uid === 0) process.seteuid?.(65_534);
  try {
    await assert.rejects(keyring.lookup('alice@example.com'), { code: 'EACCES' });
  } finally {
    if (uid === 0) process.seteuid?.(0);
  }
});

test('a link that leads round in a circle is an error, not an unknown recipient', async (t) => {
  const { directory, keyring } = await openDirectory(t);
  await symlink('alice@example.com.asc', join(directory, 'alice@example.com.asc'));
  await assert.rejects(keyring.lookup('alice@example.com'), { code: 'ELOOP' });
});

test('a link to a file that is gone is a problem, not an unknown recipient', async (t) => {
  const { directory, keyring } = await openDirectory(t);
  await symlink('/nonexistent/alice.asc', join(directory, 'alice@example.com.asc'));
  const entry = await keyring.lookup('alice@example.com');
  assert.deepEqual(entry?.problems, [`alice@example.com.asc ${WORDS.linkToNothing}`]);
  await symlink('/nonexistent/bob.asc', join(directory, 'Bob@Example.com.asc'));
  assert.deepEqual((await keyring.lookup('bob@example.com'))?.problems, [
    `Bob@Example.com.asc ${WORDS.linkToNothing}`,
  ]);
});

test('a link to a key file elsewhere is followed', async (t) => {
  const { directory, keyring } = await openDirectory(t);
  await writeFile(join(directory, 'key'), key.certificate);
  await symlink('key', join(directory, 'alice@example.com.asc'));
  assert.equal((await keyring.lookup('alice@example.com'))?.certificates.length, 1);
});

test('a named pipe instead of a key file is a problem and stops nobody', { timeout: 60_000 }, async (t) => {
  const { directory, keyring } = await openDirectory(t);
  const pipe = join(directory, 'alice@example.com.asc');
  const made = await run('mkfifo', [pipe]);
  assert.equal(made.code, 0, made.stderr);
  // should somebody wait for the other end after all, this ends his wait and the test run with it
  const release = () =>
    existsSync(pipe) && closeSync(openSync(pipe, constants.O_RDWR | constants.O_NONBLOCK));
  t.signal.addEventListener('abort', release);
  const entry = await keyring.lookup('alice@example.com');
  assert.deepEqual(entry?.problems, [`alice@example.com.asc ${WORDS.notAFile}`]);
});
