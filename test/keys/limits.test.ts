// Key files that ask for absurd amounts of work: each is a problem of its entry, found out without doing the
// work.

import assert from 'node:assert/strict';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { realWorld } from '../../src/edge/world.ts';
import { KeyDirectory } from '../../src/keys/directory.ts';
import { MAX_CACHED_BYTES } from '../../src/keys/filecache.ts';
import { judgeCertificate } from '../../src/keys/judgement.ts';
import { MAX_SESSION_KEY_PACKETS } from '../../src/keys/limits.ts';
import { MAX_KEY_FILE_BYTES } from '../../src/keys/parsedfiles.ts';
import { freshKey } from '../support/freshkey.ts';
import { testLong } from '../support/long.ts';
import { hugeDsa, hugeRsaExponent, withBadSubkeys, withSubkeys } from '../support/oddkeys.ts';
import { until } from '../support/until.ts';

const ALICE = 'alice@example.com';
const alice = await freshKey(ALICE);

async function openDirectory(t: TestContext, files: Record<string, string | Uint8Array>) {
  const directory = await mkdtemp(join(tmpdir(), 'sealdir-keylimits-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  const put = (name: string, bytes: string | Uint8Array) => writeFile(join(directory, name), bytes);
  for (const [name, bytes] of Object.entries(files)) await put(name, bytes);
  const keyring = new KeyDirectory(
    directory,
    { localCase: 'ignore', defaultDomain: 'mx.example.com' },
    realWorld('mx.example.com'),
  );
  /** A file that changed just now is read again each time. */
  const settled = (name: string) =>
    until(`${name} is old enough to be kept`, async () => {
      return Date.now() - (await stat(join(directory, name))).ctimeMs > 200;
    });
  return { keyring, put, settled };
}

/** The file with white space behind it. */
function padded(file: Uint8Array, bytes: number): Buffer {
  return Buffer.concat([file, Buffer.alloc(bytes - file.length, '\n')]);
}

const ABSURD: readonly (readonly [what: string, file: Uint8Array | string, problem: RegExp])[] = [
  ['10,000 subkeys', await withSubkeys(alice, 10_000), /is too large/],
  ['1,000 subkeys', await withSubkeys(alice, 1000), /too many keys and signatures/],
  [
    '1,000 subkeys without a good signature',
    await withBadSubkeys(alice, 1000),
    /too many keys and signatures/,
  ],
  ['DSA numbers of 65,000 bits', hugeDsa(8125), /absurd size/],
  ['an RSA exponent of 65,000 bits', hugeRsaExponent(8125), /absurd size/],
  ['beginnings of 6,000 keys', '-----BEGIN PGP PUBLIC KEY BLOCK-----\n'.repeat(6000), /truncated/],
];

for (const [what, file, problem] of ABSURD) {
  test(`a key file of ${what} is a problem of its entry`, { timeout: 80_000 }, async (t) => {
    const { keyring } = await openDirectory(t, { [`${ALICE}.asc`]: file });
    const entry = await keyring.lookup(ALICE);
    assert.match(entry?.problems.join() ?? '', problem);
    assert.deepEqual(entry?.certificates, []);
  });
}

test('a key with as many subkeys as somebody may really have is usable, and with one more it holds back its recipient', async (t) => {
  for (const subkeys of [MAX_SESSION_KEY_PACKETS, MAX_SESSION_KEY_PACKETS + 1]) {
    const key = await freshKey(ALICE, { subkeys });
    const { keyring } = await openDirectory(t, { [`${ALICE}.asc`]: key.certificate });
    const entry = await keyring.lookup(ALICE);
    const [certificate] = entry?.certificates ?? [];
    assert.ok(certificate !== undefined, entry?.problems.join());
    const newest = await judgeCertificate(certificate, new Date(), { subkeys: 'newest' });
    assert.equal('keys' in newest && newest.keys.length, 1);
    const all = await judgeCertificate(certificate, new Date(), { subkeys: 'all' });
    if (subkeys === MAX_SESSION_KEY_PACKETS) assert.equal('keys' in all && all.keys.length, subkeys);
    else assert.match('reason' in all ? all.reason : '', /has 17 subkeys for encryption.*16 at most/);
    if ('holdsBack' in all) assert.equal(all.holdsBack, 'recipient');
  }
});

test('a subkey that a certificate has several times gets one session-key packet', async (t) => {
  const { keyring } = await openDirectory(t, { [`${ALICE}.asc`]: await withSubkeys(alice, 30) });
  const [certificate] = (await keyring.lookup(ALICE))?.certificates ?? [];
  assert.ok(certificate !== undefined);
  const judged = await judgeCertificate(certificate, new Date(), { subkeys: 'all' });
  assert.equal('keys' in judged && judged.keys.length, 1);
});

test('the largest key file allowed is read, and one byte more is too large', async (t) => {
  const { keyring, put } = await openDirectory(t, {
    [`${ALICE}.asc`]: padded(alice.certificate, MAX_KEY_FILE_BYTES),
  });
  assert.deepEqual((await keyring.lookup(ALICE))?.problems, []);
  await put(`${ALICE}.asc`, padded(alice.certificate, MAX_KEY_FILE_BYTES + 1));
  assert.match((await keyring.lookup(ALICE))?.problems.join() ?? '', /too large/);
});

testLong(
  'files are kept while they are not too many bytes together, and the oldest goes first',
  async (t) => {
    const fit = Math.floor(MAX_CACHED_BYTES / MAX_KEY_FILE_BYTES);
    const file = padded(alice.certificate, MAX_KEY_FILE_BYTES);
    const address = (n: number) => `user${n}@example.com`;
    const { keyring, settled } = await openDirectory(
      t,
      Object.fromEntries(Array.from({ length: fit + 1 }, (_, n) => [`${address(n)}.asc`, file])),
    );
    await settled(`${address(fit)}.asc`);
    const keyOf = async (n: number) => (await keyring.lookup(address(n)))?.certificates[0];
    const first = await keyOf(0);
    for (let n = 1; n < fit; n++) await keyOf(n);
    assert.ok(first !== undefined && (await keyOf(0)) === first);
    await keyOf(fit);
    await pause(1100); // for so long a look-up may count without a look at the file
    assert.notEqual(await keyOf(0), first);
  },
);

test('look-ups at one time share one reading of a file', async (t) => {
  const { keyring, settled } = await openDirectory(t, { [`${ALICE}.asc`]: alice.certificate });
  await settled(`${ALICE}.asc`);
  const entries = await Promise.all(Array.from({ length: 20 }, () => keyring.lookup(ALICE)));
  assert.equal(new Set(entries.map((entry) => entry?.certificates[0])).size, 1);
});

test('judgements at one time share one judgement, and a refusal is kept as well', async (t) => {
  const past = new Date(Date.now() - 86_400_000);
  const expired = await freshKey(ALICE, { createdAt: past, lifetimeSeconds: 3600 });
  const { keyring } = await openDirectory(t, {
    [`${ALICE}.asc`]: alice.certificate,
    'expired@example.com.asc': expired.certificate,
  });
  for (const address of [ALICE, 'expired@example.com']) {
    const [certificate] = (await keyring.lookup(address))?.certificates ?? [];
    assert.ok(certificate !== undefined);
    const now = new Date();
    const judge = () => judgeCertificate(certificate, now, { subkeys: 'all' });
    const [first, second] = await Promise.all([judge(), judge()]);
    assert.ok(first === second && first === (await judge()), address);
  }
});
