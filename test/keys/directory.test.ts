// The key directory: what a look-up finds after the files came, changed and went.

import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rename, rm, unlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { World } from '../../src/core/world.ts';
import { realWorld } from '../../src/edge/world.ts';
import { KeyDirectory } from '../../src/keys/directory.ts';
import { judgeCertificate } from '../../src/keys/judgement.ts';
import { WORDS } from '../../src/keys/words.ts';
import { binaryOf, freshKey, revoked } from '../support/freshkey.ts';
import { until } from '../support/until.ts';

const SAME = { localCase: 'ignore', defaultDomain: 'mx.example.com' } as const;
const ALICE = 'alice@example.com';
const [first, second] = await Promise.all([freshKey(ALICE), freshKey(ALICE)]);

async function openDirectory(t: TestContext, world: Pick<World, 'now'> = realWorld('mx.example.com')) {
  const directory = await mkdtemp(join(tmpdir(), 'sealdir-keyring-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  await writeFile(join(directory, 'other@example.com.asc'), ''); // an empty directory is another test
  const keyring = new KeyDirectory(directory, SAME, world);
  return {
    keyring,
    path: (name: string) => join(directory, name),
    put: (name: string, bytes: Uint8Array | string) => writeFile(join(directory, name), bytes),
    async fingerprints(address: string) {
      // what inotify reports of a change and the end of the call that made it come in one turn, in any order
      await new Promise(setImmediate);
      return (await keyring.lookup(address))?.certificates.map(({ fingerprint }) => fingerprint).sort();
    },
    problems: async (address: string) => (await keyring.lookup(address))?.problems,
  };
}

const fingerprintsOf = (...keys: (typeof first)[]) =>
  keys.map(({ secret }) => secret.getFingerprint().toUpperCase()).sort();

test('a key file that comes, changes and goes counts from the very next look-up', async (t) => {
  const { fingerprints, put, path } = await openDirectory(t);
  for (let round = 0; round < 3; round++) {
    assert.equal(await fingerprints(ALICE), undefined);
    await put(`${ALICE}.asc`, first.certificate);
    assert.deepEqual(await fingerprints(ALICE), fingerprintsOf(first));
    await put(`${ALICE}.asc`, second.certificate);
    assert.deepEqual(await fingerprints(ALICE), fingerprintsOf(second));
    await put('new', first.certificate);
    await rename(path('new'), path(`${ALICE}.asc`));
    assert.deepEqual(await fingerprints(ALICE), fingerprintsOf(first));
    await unlink(path(`${ALICE}.asc`));
  }
});

test('a file under another spelling comes, changes and goes just as well', async (t) => {
  const { fingerprints, put, path } = await openDirectory(t);
  for (let round = 0; round < 3; round++) {
    assert.equal(await fingerprints(ALICE), undefined);
    await put('Alice@Example.COM.asc', first.certificate);
    assert.deepEqual(await fingerprints(ALICE), fingerprintsOf(first));
    await put('Alice@Example.COM.asc', second.certificate);
    assert.deepEqual(await fingerprints(ALICE), fingerprintsOf(second));
    await unlink(path('Alice@Example.COM.asc'));
  }
});

test('a file rewritten in place with the same size and times is noticed', async (t) => {
  const { fingerprints, put, path } = await openDirectory(t);
  const size = Math.max(first.certificate.length, second.certificate.length);
  const padded = [first, second].map((key) => key.certificate.toString().padEnd(size, '\n'));
  const then = new Date('2020-01-01');
  for (let round = 0; round < 20; round++) {
    await put(`${ALICE}.asc`, padded[round % 2] as string);
    await utimes(path(`${ALICE}.asc`), then, then);
    assert.deepEqual(await fingerprints(ALICE), fingerprintsOf(round % 2 === 0 ? first : second));
  }
});

test('a file that was read long after its last change is noticed when it changes again', async (t) => {
  const { keyring, fingerprints, put } = await openDirectory(t);
  await put(`${ALICE}.asc`, first.certificate);
  await until('the file is kept', async () => {
    const [once, again] = [await keyring.lookup(ALICE), await keyring.lookup(ALICE)];
    return once?.certificates[0] === again?.certificates[0];
  });
  await put(`${ALICE}.asc`, second.certificate);
  assert.deepEqual(await fingerprints(ALICE), fingerprintsOf(second));
});

test('the keys of an .asc and a .pgp file are united', async (t) => {
  const { fingerprints, put } = await openDirectory(t);
  await put(`${ALICE}.asc`, first.certificate);
  await put(`${ALICE}.pgp`, await binaryOf(second.certificate));
  assert.deepEqual(await fingerprints(ALICE), fingerprintsOf(first, second));
});

test('a revocation in one of two files counts, whichever it is in', async (t) => {
  const { keyring, put } = await openDirectory(t);
  const bad = await revoked(first);
  for (const [asc, pgp] of [
    [first.certificate, bad],
    [bad, first.certificate],
  ] as const) {
    await put(`${ALICE}.asc`, asc);
    await put(`${ALICE}.pgp`, pgp);
    const entry = await keyring.lookup(ALICE);
    assert.equal(entry?.certificates.length, 1);
    const [certificate] = entry.certificates;
    assert.ok(certificate !== undefined);
    const judged = await judgeCertificate(certificate, new Date(), { subkeys: 'all' });
    assert.match('reason' in judged ? judged.reason : '', /is revoked/);
  }
});

test('one bad file among two is a problem of the entry', async (t) => {
  const { problems, put } = await openDirectory(t);
  await put(`${ALICE}.asc`, first.certificate);
  await put(`${ALICE}.pgp`, '');
  assert.deepEqual(await problems(ALICE), [`${ALICE}.pgp is empty: put the exported public key there`]);
});

test('each kind of file that is no certificate is a problem of its entry, never an unknown address', async (t) => {
  const { keyring, problems, put, path } = await openDirectory(t);
  const cases: Record<string, [string | Uint8Array, RegExp]> = {
    secret: [first.secretKey, /holds a SECRET key/],
    truncated: [first.certificate.subarray(0, 300), /truncated/],
    empty: ['', /is empty/],
    text: ['hello', /holds no OpenPGP public key/],
    binary: [Buffer.from(first.secret.toPublic().write()).subarray(0, 300), /is damaged/],
    large: [Buffer.alloc(256 * 1024 + 1), /too large/],
  };
  for (const [local, [bytes, expected]] of Object.entries(cases)) {
    await put(`${local}@example.com.asc`, bytes);
    const [problem = ''] = (await problems(`${local}@example.com`)) ?? [];
    assert.match(problem, expected, local);
    assert.deepEqual((await keyring.lookup(`${local}@example.com`))?.certificates, [], local);
  }
  await mkdir(path('directory@example.com.asc'));
  assert.deepEqual(await problems('directory@example.com'), [`directory@example.com.asc ${WORDS.notAFile}`]);
});

test('a file that was mended is no longer a problem', async (t) => {
  const { fingerprints, problems, put } = await openDirectory(t);
  await put(`${ALICE}.asc`, first.certificate.subarray(0, 300));
  assert.equal((await problems(ALICE))?.length, 1);
  await put(`${ALICE}.asc`, first.certificate);
  assert.deepEqual(await problems(ALICE), []);
  assert.deepEqual(await fingerprints(ALICE), fingerprintsOf(first));
});

test('files that are not for us are not key files', async (t) => {
  const { keyring, put } = await openDirectory(t);
  for (const name of [`.${ALICE}.asc`, `${ALICE}.asc~`, `${ALICE}.asc.swp`, ALICE, 'README']) {
    await put(name, first.certificate);
  }
  assert.equal(await keyring.lookup(ALICE), undefined);
  assert.deepEqual(
    (await keyring.list()).flatMap(({ file, ignored }) => (ignored === undefined ? [file] : [])),
    ['other@example.com.asc'],
  );
});

test('a directory without any key file cannot say who exists: it may not be mounted', async (t) => {
  const { keyring, path, put } = await openDirectory(t);
  await unlink(path('other@example.com.asc'));
  await assert.rejects(keyring.lookup(ALICE), /holds no key file/);
  await put('README', 'soon');
  await assert.rejects(keyring.lookup(ALICE), /holds no key file/);
  await put(`${ALICE}.asc`, first.certificate);
  assert.equal(await keyring.lookup('bob@example.com'), undefined);
});

test("a file is parsed again as long as the World's clock calls it fresh, and then kept", async (t) => {
  let now = Date.now();
  const { keyring, put } = await openDirectory(t, { now: () => now });
  await put(`${ALICE}.asc`, first.certificate);
  const certificate = async () => (await keyring.lookup(ALICE))?.certificates[0];
  assert.notEqual(await certificate(), await certificate());
  now += 3_600_000;
  assert.equal(await certificate(), await certificate());
});
