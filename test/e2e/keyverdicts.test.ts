// One opinion of a key: of every key of ../shared/keys and ../shared/cases, and of keys made here, `key list`
// and `check` say what RCPT and DATA do, with the sentence of the log.

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { CLI } from '../support/child.ts';
import { freshKey, revoked } from '../support/freshkey.ts';
import { needsKeyCollection, openKeyCollection } from '../support/keys.ts';
import { deliver, openSession } from '../support/lmtp.ts';
import { testLong } from '../support/long.ts';
import { run } from '../support/process.ts';
import { startSealdir, tomlFor } from '../support/sealdir.ts';
import { sharedDirectory } from '../support/shared.ts';

const MESSAGE = Buffer.from('Subject: x\r\n\r\nhello\r\n');
const KEY_TIMEOUT = 180_000;

interface Row {
  readonly address: string | null;
  readonly file: string;
  readonly fingerprint: string | null;
  readonly algorithm: string | null;
  readonly seipd: 1 | 2 | null;
  readonly state: string;
  readonly expires: string | null;
  readonly daysLeft: number | null;
  readonly why: string | null;
}

/** Every key file of the two collections, by an address of its own. */
async function collectedKeys(): Promise<Record<string, Buffer>> {
  const collection = await openKeyCollection();
  const files: Record<string, Buffer> = {};
  for (const { name, certificate } of collection?.keys ?? []) files[`${name}@example.com`] = certificate;
  await collection?.close();
  const cases = join(sharedDirectory() ?? '', 'cases');
  const names = existsSync(cases) ? readdirSync(cases, { recursive: true, encoding: 'utf8' }) : [];
  for (const name of names.filter((each) => /\.(asc|pgp)$/.test(each)))
    files[`${name.replaceAll(/[^a-z0-9]+/gi, '-')}@cases.example.com`] = readFileSync(join(cases, name));
  return files;
}

async function madeKeys(): Promise<Record<string, Buffer>> {
  const [good, old] = [await freshKey('good@made.example.com'), await freshKey('old@made.example.com')];
  const day = 24 * 3600;
  const made = async (address: string, lifetimeSeconds: number) =>
    (await freshKey(address, { lifetimeSeconds })).certificate;
  return {
    'good@made.example.com': good.certificate,
    'revoked@made.example.com': await revoked(old),
    'both@made.example.com': Buffer.concat([good.certificate, Buffer.from('\n'), await revoked(old)]),
    'soon@made.example.com': await made('soon@made.example.com', 20 * day),
    'later@made.example.com': await made('later@made.example.com', 40 * day),
    'over@made.example.com': await made('over@made.example.com', 1800),
    'v6@made.example.com': (await freshKey('v6@made.example.com', { kind: 'v6' })).certificate,
    'aead@made.example.com': (await freshKey('aead@made.example.com', { kind: 'v4-aead' })).certificate,
    'secret@made.example.com': good.secretKey,
    'cut@made.example.com': good.certificate.subarray(0, 300),
  };
}

async function verdictsOf(keys: Record<string, Buffer>): Promise<Map<string, Row[]>> {
  const server = await startSealdir({ keys });
  try {
    const config = join(server.directory, 'sealdir.toml');
    await writeFile(config, tomlFor(server.directory));
    const listed = await run(process.execPath, [CLI, 'key', 'list', '-c', config, '--json']);
    assert.equal(listed.code, 0, listed.stderr);
    const rows = JSON.parse(listed.stdout.toString()) as Row[];
    const checked = (await run(process.execPath, [CLI, 'check', '-c', config])).stdout.toString();
    const byAddress = new Map<string, Row[]>();
    for (const address of Object.keys(keys)) {
      const own = rows.filter((row) => row.address === address.toLowerCase());
      assert.ok(own.length > 0, `${address} is not in the list`);
      byAddress.set(address, own);
      const session = await openSession(server.socketPath);
      const { rcpt, final } = await deliver(session, { to: [address], message: MESSAGE });
      await session.vanish();
      const usable = own.filter(({ why }) => why === null);
      const reasons = server.outcomes().findLast(({ recipient }) => recipient === address)?.reasons ?? [];
      if (usable.length > 0) {
        assert.match(rcpt[0] ?? '', /^250/, address);
        assert.match(final[0] ?? '', /^250/, address);
        const [stored] = await server.files(address.toLowerCase(), 'new');
        assert.equal(seipdOf(readFileSync(stored ?? '')), usable[0]?.seipd, address);
      } else {
        assert.match(rcpt[0] ?? '', /^451 4\.7\.5/, address);
        for (const reason of reasons)
          assert.ok(
            own.some(({ why }) => why === reason),
            `${address}: ${reason}`,
          );
        for (const { why } of own)
          assert.ok(reasons.includes(why ?? ''), `${address}: ${why} is not in the log`);
      }
      for (const row of own) assertChecked(row, checked);
    }
    return byAddress;
  } finally {
    await server.stop();
  }
}

/** Returns the version of the encrypted packet: with version 2 a session-key packet is of version 6. */
function seipdOf(stored: Buffer): number {
  const [, base64 = ''] =
    /BEGIN PGP MESSAGE-----\r?\n\r?\n([\s\S]+?)(?:=....)?\r?\n-----END/.exec(stored.toString()) ?? [];
  const packet = Buffer.from(base64, 'base64');
  const lengthOctets = packet.readUInt8(1) < 192 ? 1 : packet.readUInt8(1) < 224 ? 2 : 5;
  return packet.readUInt8(1 + lengthOctets) === 3 ? 1 : 2;
}

/** `check` says what is wrong and what to do in two lines. */
function assertChecked({ file, fingerprint, state, why, daysLeft }: Row, checked: string): void {
  const findings = checked.split(/^(?=error: |warning: )/m).filter((each) => each.includes(file));
  if (why === null) {
    const isTold = findings.some((each) => each.includes(`${fingerprint} expires in ${daysLeft} days`));
    assert.equal(isTold, state === 'expiring', `${file}: ${checked}`);
    return;
  }
  const [what = '', ...fix] = why.split(': ');
  const isTold = findings.some(
    (each) => each.includes(what.replace(/^\S+@\S+\.asc /, '')) && each.includes(fix.join(': ')),
  );
  assert.ok(isTold, `${file}: ${why} is not among ${findings.join('')}`);
}

testLong(
  'every collected key has one verdict in the list, in check, at RCPT and at DATA',
  {
    ...needsKeyCollection(),
    timeout: KEY_TIMEOUT,
  },
  async () => {
    const keys = await collectedKeys();
    assert.ok(Object.keys(keys).length >= 76);
    const rows = await verdictsOf(keys);
    const stateOf = (name: string) => rows.get(`${name}@example.com`)?.map(({ state }) => state);
    assert.deepEqual(stateOf('gpg-cv25519'), ['valid']);
    assert.deepEqual(stateOf('gpg-expired'), ['expired']);
    assert.deepEqual(stateOf('gpg-enc-expired'), ['expired']);
    assert.deepEqual(stateOf('gpg-revoked'), ['revoked']);
    assert.deepEqual(stateOf('gpg-rsa1024'), ['unusable']);
    assert.deepEqual(stateOf('two-armors-one-file'), ['valid', 'valid']);
    assert.equal(rows.get('gpg-rsa3072@example.com')?.[0]?.algorithm, 'rsa3072');
  },
);

test('every key made here has one verdict in the list, in check, at RCPT and at DATA', {
  timeout: KEY_TIMEOUT,
}, async () => {
  const rows = await verdictsOf(await madeKeys());
  const wordOf = (name: string) =>
    rows.get(`${name}@made.example.com`)?.map(({ state, seipd, daysLeft }) => [state, seipd, daysLeft]);
  assert.deepEqual(wordOf('good'), [['valid', 1, null]]);
  assert.deepEqual(wordOf('revoked'), [['revoked', null, null]]);
  assert.deepEqual(new Set(wordOf('both')?.map(([state]) => state)), new Set(['valid', 'revoked']));
  assert.deepEqual(wordOf('soon'), [['expiring', 1, 19]]);
  assert.deepEqual(wordOf('later'), [['valid', 1, 39]]);
  assert.deepEqual(wordOf('over'), [['expired', null, null]]);
  assert.deepEqual(wordOf('v6'), [['valid', 2, null]]);
  assert.deepEqual(wordOf('aead'), [['valid', 2, null]]);
  assert.deepEqual(wordOf('secret'), [['unusable', null, null]]);
  assert.deepEqual(wordOf('cut'), [['unusable', null, null]]);
});
