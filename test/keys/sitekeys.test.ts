// The keys of the site itself, from real files: all of them or none, the ones that are there now, and no
// waiting for a file system that hangs.

import assert from 'node:assert/strict';
import { chmod, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type KeyRules, select } from '../../src/delivery/select.ts';
import { SILENT_AFTER_MS } from '../../src/keys/calls.ts';
import { parseCertificates } from '../../src/keys/certificates.ts';
import { SiteKeys } from '../../src/keys/sitekeys.ts';
import { freshKey, revoked } from '../support/freshkey.ts';
import { until } from '../support/until.ts';

const DAY_MS = 86_400_000;
const RULES = { subkeys: 'all' } as const;

const [alice, escrow, journal, modern, expired, many] = await Promise.all([
  freshKey('alice@example.com'),
  freshKey('escrow@example.com'),
  freshKey('journal@example.com', { subkeys: 2 }),
  freshKey('modern@example.com', { kind: 'v4-aead' }),
  freshKey('old@example.com', { createdAt: new Date(Date.now() - 3 * DAY_MS), lifetimeSeconds: 86_400 }),
  freshKey('many@example.com', { subkeys: 16 }),
]);

async function openSite(t: TestContext, files: Record<string, Uint8Array | string>) {
  const directory = await mkdtemp(join(tmpdir(), 'sealdir-sitekeys-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  for (const [name, bytes] of Object.entries(files)) await writeFile(join(directory, name), bytes);
  const at = (name: string) => join(directory, name);
  const open = (also: readonly string[], hold = '') =>
    new SiteKeys({ also: also.map(at), hold: hold && at(hold), rules: RULES, world: { now: Date.now } });
  return { at, open };
}

async function selected(site: SiteKeys, key = alice, rules: Partial<KeyRules> = {}) {
  const entry = { certificates: await parseCertificates(key.certificate), problems: [] };
  return select(entry, { unusable: 'defer', ...RULES, site, ...rules }, Date.now());
}

const fingerprints = (found: Awaited<ReturnType<typeof selected>>) =>
  'why' in found ? found.why : found.usable.map(({ fingerprint }) => fingerprint.toLowerCase());
const fingerprint = ({ secret }: typeof alice) => secret.getFingerprint();

test('every copy is sealed to all keys of keys.also as well, also where its own key has expired or is held', async (t) => {
  const { open } = await openSite(t, {
    'escrow.asc': Buffer.concat([escrow.certificate, journal.certificate]),
    'hold.asc': modern.certificate,
    'secret.asc': escrow.certificate,
  });
  const site = open(['escrow.asc'], 'hold.asc');
  const both = [escrow, journal].map(fingerprint).sort();
  const of = async (key: typeof alice, unusable: KeyRules['unusable']) => {
    const [own, ...also] = fingerprints(await selected(site, key, { unusable }));
    return [own, ...also.sort()];
  };
  assert.deepEqual(await of(alice, 'defer'), [fingerprint(alice), ...both]);
  assert.deepEqual(await of(expired, 'last-valid'), [fingerprint(expired), ...both]);
  assert.deepEqual(await of(expired, 'hold'), [fingerprint(modern), ...both]);
  const found = await selected(site);
  assert.ok('usable' in found);
  assert.equal(found.usable.flatMap(({ keys }) => keys).length, 4, 'one subkey, one, and two');
});

test('SEIPD v2 is used only if the keys of the site have it too', async (t) => {
  const { open } = await openSite(t, { 'v1.asc': escrow.certificate, 'v2.asc': modern.certificate });
  for (const [file, version] of [
    ['v1.asc', 1],
    ['v2.asc', 2],
  ] as const) {
    const found = await selected(open([file]), modern);
    assert.equal('encryption' in found && found.encryption.version, version, file);
  }
});

test('the limits of what keys may cost are those of the recipient, and once more those of the site', async (t) => {
  const { open } = await openSite(t, { 'one.asc': escrow.certificate, 'many.asc': many.certificate });
  const found = await selected(open(['one.asc']), many);
  assert.equal('usable' in found && found.usable.flatMap(({ keys }) => keys).length, 17);
  assert.equal('usable' in (await selected(open(['many.asc']), many)), true);
  const excess = await selected(open(['many.asc', 'one.asc']));
  assert.deepEqual('why' in excess && [excess.why, excess.reasons.length], ['siteKeyUnusable', 1]);
});

const UNUSABLE: Record<string, readonly [content: Uint8Array | string, reason: RegExp]> = {
  expired: [expired.certificate, /^keys\.also: [0-9A-F]{40} expired on /],
  revoked: [await revoked(escrow), /^keys\.also: [0-9A-F]{40} is revoked/],
  'expired beside a good one': [
    Buffer.concat([escrow.certificate, expired.certificate]),
    /^keys\.also: [0-9A-F]{40} expired on /,
  ],
  'half written': [escrow.certificate.subarray(0, 300), /^keys\.also: x\.asc ends in the middle/],
  empty: ['', /^keys\.also: x\.asc is empty/],
  secret: [escrow.secretKey, /^keys\.also: x\.asc holds a SECRET key/],
};

for (const [what, [content, reason]] of Object.entries(UNUSABLE))
  test(`F35: a key of keys.also that is ${what} defers everybody (451 4.7.5), and one of keys.hold those to be held`, async (t) => {
    const { open } = await openSite(t, { 'x.asc': content });
    const found = await selected(open(['x.asc']));
    assert.deepEqual('why' in found && found.why, 'siteKeyUnusable');
    assert.match(found.reasons[0] ?? '', reason);
    const hold = open([], 'x.asc');
    assert.deepEqual(fingerprints(await selected(hold, alice, { unusable: 'hold' })), [fingerprint(alice)]);
    const held = await selected(hold, expired, { unusable: 'hold' });
    assert.deepEqual('why' in held && held.why, 'siteKeyUnusable');
    assert.match(
      held.reasons.join('\n'),
      new RegExp(reason.source.replace('^keys\\.also', '^keys\\.hold'), 'm'),
    );
  });

test('F35: files that are missing, closed, directories or links to nothing defer everybody, each with a reason', async (t) => {
  const { at, open } = await openSite(t, { 'good.asc': escrow.certificate });
  await symlink(at('nothing'), at('link.asc'));
  for (const [name, reason] of [
    ['missing.asc', /^keys\.also: missing\.asc does not exist/],
    ['link.asc', /link to nothing/],
    ['.', /not a regular file/],
    ['good.asc/below.asc', /cannot be read \(ENOTDIR\)/],
  ] as const) {
    const found = await selected(open(['good.asc', name]));
    assert.equal('why' in found && found.why, 'siteKeyUnusable', name);
    assert.match(found.reasons.join('\n'), reason);
  }
  await chmod(at('good.asc'), 0);
  if (process.getuid?.() !== 0)
    assert.equal(fingerprints(await selected(open(['good.asc']))), 'siteKeyUnusable');
});

test('where hold is wanted and there is no keys.hold, the reason says so', async () => {
  const found = await select(undefined, { unusable: 'hold', ...RULES }, Date.now());
  assert.deepEqual(found, { why: 'siteKeyUnusable', reasons: ['no key', 'keys.hold is not set'] });
});

test('a file that is replaced counts without a restart, and one that is written again in part defers', async (t) => {
  const { at, open } = await openSite(t, { 'x.asc': escrow.certificate, 'y.asc': journal.certificate });
  const site = open(['x.asc']);
  const own = fingerprint(alice);
  const used = async () => fingerprints(await selected(site));
  for (let n = 0; n < 3; n++) assert.deepEqual(await used(), [own, fingerprint(escrow)]);
  await rename(at('y.asc'), at('x.asc'));
  await until('the new key is used', async () => (await used()).includes(fingerprint(journal)));
  await writeFile(at('x.asc'), journal.certificate.subarray(0, 200));
  await until('a part of a key defers', async () => (await used()) === 'siteKeyUnusable');
  await rm(at('x.asc'));
  await until('no key defers', async () => (await used()) === 'siteKeyUnusable');
  await writeFile(at('x.asc'), escrow.certificate);
  await until('the first is used', async () => (await used()).includes(fingerprint(escrow)));
});

test('F35: while the file system of keys.also hangs nobody waits for long, and mail goes on as soon as it does not', async (t) => {
  const { at } = await openSite(t, { 'x.asc': escrow.certificate });
  const timer = setInterval(() => {}, 1000); // the clocks of look-ups keep no process alive
  t.after(() => clearInterval(timer));
  const held: (() => void)[] = [];
  let isStopped = false;
  let underWay = 0;
  const site = new SiteKeys({
    also: [at('x.asc')],
    hold: '',
    rules: RULES,
    world: { now: Date.now },
    async run(_, call) {
      underWay++;
      if (isStopped) await new Promise<void>((resolve) => held.push(resolve));
      return call().finally(() => underWay--);
    },
  });
  assert.equal(fingerprints(await selected(site)).length, 2);
  isStopped = true;
  await writeFile(at('other.asc'), ''); // whatever is remembered of the directory is forgotten
  await until('it hangs', async () => fingerprints(await selected(site)) === 'siteKeyUnusable');
  const started = Date.now();
  const all = await Promise.all(Array.from({ length: 50 }, () => selected(site)));
  assert.ok(all.every((each) => 'why' in each && each.reasons[0]?.includes('does not answer')));
  assert.ok(Date.now() - started < SILENT_AFTER_MS, 'at once');
  assert.ok(underWay <= 2);
  isStopped = false;
  for (const goOn of held) goOn();
  await until('it is used again', async () => fingerprints(await selected(site)).length === 2);
});
