// `keys.unusable = "last-valid"`: what a certificate that has expired is sealed to, and that nothing revoked
// ever is. Made by hand, so that each signature has its dates; then at random, against the judgement.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { type KeyRules, select } from '../../src/delivery/select.ts';
import { parseCertificates } from '../../src/keys/certificates.ts';
import { KeyDirectory } from '../../src/keys/directory.ts';
import { judgeCertificate } from '../../src/keys/judgement.ts';
import { isLongForm } from '../support/fuzz.ts';
import { armored, FLAGS, newSubkey, Owner, REASON, subkeyOfAlgorithm, userId } from '../support/handmade.ts';
import { needsKeyCollection, openKeyCollection } from '../support/keys.ts';
import { isLong } from '../support/long.ts';
import { makeCertificate, type Plan, plans } from '../support/randomkeys.ts';
import { sharedDirectory } from '../support/shared.ts';

const NOW = Math.trunc(Date.now() / 1000);
const DAY = 86_400;
const MADE = NOW - 1000 * DAY;
const [ALICE, BOB] = ['<alice@example.com>', '<bob@example.com>'] as const;
const SIGNS = FLAGS.certify | FLAGS.sign;
const ENCRYPTS = FLAGS.communication | FLAGS.storage;
const RULES: KeyRules = { unusable: 'last-valid', subkeys: 'all' };

const owner = new Owner(MADE);
const [first, second] = [newSubkey(MADE), newSubkey(MADE + DAY)];
const head = [owner.packet, userId(ALICE)];
const certified = (more = {}) => owner.certify(ALICE, { at: MADE, flags: SIGNS, ...more });
const bound = (subkey = first, more = {}) => [
  subkey.packet,
  owner.bind(subkey, { at: MADE + DAY, flags: ENCRYPTS, ...more }),
];
const unknown = subkeyOfAlgorithm(99, MADE + DAY, Buffer.alloc(32, 1));
const usual = [...head, certified()];
const expired = [...head, certified({ keyLasts: 100 * DAY })];

/** Resolves to `why`, or to what it is stored as and with which keys. */
async function chosen(files: readonly (readonly Buffer[])[], rules = RULES, at = NOW) {
  const certificates = await Promise.all(files.map((parts) => parseCertificates(Buffer.concat(parts))));
  const found = await select({ certificates: certificates.flat(), problems: [] }, rules, at * 1000);
  if ('why' in found) return found.why;
  return [found.storedAs, ...found.usable.flatMap(({ keys }) => keys.map(({ keyId }) => keyId)).sort()];
}

const lastValid = (...subkeys: { keyId: string }[]) => [
  'storedLastValid',
  ...subkeys.map(({ keyId }) => keyId).sort(),
];

const SEALED: Record<string, readonly [files: readonly (readonly Buffer[])[], expected: string[]]> = {
  'an expired primary key with subkeys that never expire': [
    [[...expired, ...bound(first), ...bound(second)]],
    lastValid(first, second),
  ],
  'every certification lapsed': [[[...head, certified({ lasts: 30 * DAY }), ...bound()]], lastValid(first)],
  'every binding lapsed': [[[...usual, ...bound(first, { lasts: 30 * DAY })]], lastValid(first)],
  'an expired subkey': [[[...usual, ...bound(first, { keyLasts: 30 * DAY })]], lastValid(first)],
  'two subkeys, of which the later one to expire': [
    [[...usual, ...bound(first, { keyLasts: 30 * DAY }), ...bound(second, { keyLasts: 60 * DAY })]],
    lastValid(second),
  ],
  'an expired subkey beside a newer one that was revoked as superseded': [
    [
      [
        ...usual,
        ...bound(first, { keyLasts: 30 * DAY }),
        ...bound(second),
        owner.revokeSubkey(second, { at: MADE + 90 * DAY, reason: REASON.superseded }),
      ],
    ],
    lastValid(first),
  ],
  'an expired subkey beside a newer one that was revoked as compromised': [
    [
      [
        ...usual,
        ...bound(first, { keyLasts: 30 * DAY }),
        ...bound(second),
        owner.revokeSubkey(second, { at: MADE + 90 * DAY, reason: REASON.compromised }),
      ],
    ],
    lastValid(first),
  ],
  'an expired user ID beside one that was revoked': [
    [
      [
        ...usual,
        owner.revokeUserId(ALICE, { at: MADE + 200 * DAY, reason: REASON.userIdInvalid }),
        userId(BOB),
        owner.certify(BOB, { at: MADE, flags: SIGNS, lasts: 100 * DAY }),
        ...bound(),
      ],
    ],
    lastValid(first),
  ],
  'a subkey that came when the user ID that spoke for the key, revoked since, had let it end': [
    [
      [
        ...head,
        certified({ keyLasts: 50 * DAY, isPrimary: true }),
        owner.revokeUserId(ALICE, { at: MADE + 200 * DAY, reason: REASON.userIdInvalid }),
        userId(BOB),
        owner.certify(BOB, { at: MADE, flags: SIGNS }),
        ...bound(first, { keyLasts: 100 * DAY }),
        ...bound(second, { at: MADE + 60 * DAY, keyLasts: 100 * DAY }),
      ],
    ],
    lastValid(first),
  ],
  'two certificates, of which the later one to expire': [
    [
      [...expired, ...bound()],
      (() => {
        const other = new Owner(MADE);
        const certification = other.certify(BOB, { at: MADE, flags: SIGNS, keyLasts: 50 * DAY });
        const binding = other.bind(second, { at: MADE + DAY, flags: ENCRYPTS });
        return [other.packet, userId(BOB), certification, second.packet, binding];
      })(),
    ],
    lastValid(first),
  ],
  'a valid subkey beside an expired one': [
    [[...usual, ...bound(first, { keyLasts: 30 * DAY }), ...bound(second)]],
    ['stored', second.keyId],
  ],
};

for (const [what, [files, expected]] of Object.entries(SEALED))
  test(`last-valid seals to what was valid last: ${what}`, async () => {
    assert.deepEqual(await chosen(files), expected);
    // and not where the site does not say so
    if (expected[0] !== 'stored') {
      assert.equal(await chosen(files, { ...RULES, unusable: 'defer' }), 'keyUnusableNow');
      assert.equal(await chosen(files, { ...RULES, unusable: 'reject' }), 'keyUnusable');
    }
  });

const reasons = { ...REASON, noneSaid: undefined };
const DEFERRED: Record<string, readonly Buffer[]> = {
  'a certification of the future': [...head, certified({ at: NOW + DAY }), ...bound()],
  'a subkey that is bound in the future': [...usual, ...bound(first, { at: NOW + DAY })],
  'a key that was never for encryption': [...expired, ...bound(first, { flags: FLAGS.sign })],
  'no user ID': [owner.packet, ...bound(first, { keyLasts: 30 * DAY })],
  'a subkey that its owner has turned into one for signatures since': [
    ...usual,
    ...bound(first, { keyLasts: 300 * DAY }),
    owner.bind(first, { at: MADE + 50 * DAY, flags: FLAGS.sign }),
  ],
  'the same, by a binding that has lapsed': [
    ...usual,
    ...bound(first, { lasts: 40 * DAY }),
    owner.bind(first, { at: MADE + 50 * DAY, flags: FLAGS.sign, lasts: DAY }),
  ],
  'a revocation that cannot be checked': [
    owner.packet,
    new Owner(MADE).revoke({ at: MADE, issuer: 'none' }),
    ...expired.slice(1),
    ...bound(),
  ],
  'a subkey beside a later one of an unknown kind, as long as that counted': [
    ...expired,
    ...bound(),
    unknown.packet,
    owner.bind(unknown, { at: MADE + 50 * DAY, flags: ENCRYPTS }),
  ],
  'a subkey whose only binding is in doubt': [
    ...expired,
    first.packet,
    owner.bind(first, { at: MADE, flags: ENCRYPTS, criticalNotation: 'x@example.com' }),
  ],
};
for (const [name, reason] of Object.entries(reasons))
  for (const [when, at] of Object.entries({
    'before it expired': MADE + 50 * DAY,
    'after it had expired': MADE + 200 * DAY,
    'in the future': NOW + DAY,
  })) {
    const revocation = { at, reason };
    DEFERRED[`a key revoked ${when} (${name})`] = [
      owner.packet,
      owner.revoke(revocation),
      ...expired.slice(1),
      ...bound(),
    ];
    DEFERRED[`a key revoked ${when} (${name}) by what has lapsed itself`] = [
      owner.packet,
      owner.revoke({ ...revocation, lasts: DAY }),
      ...expired.slice(1),
      ...bound(),
    ];
    DEFERRED[`a subkey revoked ${when} (${name})`] = [
      ...usual,
      ...bound(first, { keyLasts: 100 * DAY }),
      owner.revokeSubkey(first, revocation),
    ];
    DEFERRED[`a subkey of an expired key revoked ${when} (${name})`] = [
      ...expired,
      ...bound(),
      owner.revokeSubkey(first, revocation),
    ];
    DEFERRED[`a user ID of an expired key revoked ${when} (${name})`] = [
      ...expired,
      owner.revokeUserId(ALICE, revocation),
      ...bound(),
    ];
  }

for (const [what, parts] of Object.entries(DEFERRED))
  test(`last-valid defers ${what}`, async () => {
    for (const subkeys of ['all', 'newest'] as const)
      assert.equal(await chosen([parts], { ...RULES, subkeys }), 'keyUnusableNow');
  });

test('last-valid never helps where a file has a problem, or a certificate holds its recipient back', async () => {
  const certificates = await parseCertificates(Buffer.concat([...expired, ...bound()]));
  const broken = { certificates, problems: ['alice@example.com.pgp is empty'] };
  assert.deepEqual(await select(broken, RULES, NOW * 1000), {
    why: 'keyUnusableNow',
    reasons: broken.problems,
  });
  const forged = new Owner(MADE).bind(second, { at: MADE, flags: ENCRYPTS, issuer: 'none' });
  const held = [...expired, ...bound(), second.packet, forged];
  assert.equal(await chosen([held]), 'keyUnusableNow', 'at the last moment it was held back');
});

test('the newest of several subkeys is the one that was the newest then', async () => {
  const both = [...expired, ...bound(first), ...bound(second)];
  assert.deepEqual(await chosen([both], { ...RULES, subkeys: 'newest' }), lastValid(second));
});

test('a subkey that was never the newest, but for one revoked since, is not sealed to as the newest', async () => {
  const newest = { ...RULES, subkeys: 'newest' } as const;
  const retired = owner.revokeSubkey(second, { at: MADE + 90 * DAY, reason: REASON.retired });
  const both = (since: number) => [
    ...usual,
    ...bound(first, { at: since, keyLasts: 30 * DAY }),
    ...bound(second),
    retired,
  ];
  assert.equal(await chosen([both(MADE + DAY)], newest), 'keyUnusableNow');
  assert.deepEqual(await chosen([both(MADE)], newest), lastValid(first), 'it was the newest for a day');
});

test('what was found is found anew when something has changed, and at another time', async () => {
  const ends = NOW + 10 * DAY;
  const parts = [
    ...expired,
    ...bound(),
    owner.certify(ALICE, { at: NOW + 2 * DAY, flags: SIGNS, keyLasts: ends - MADE }),
  ];
  const certificates = await parseCertificates(Buffer.concat(parts));
  const at = async (time: number) => {
    const found = await select({ certificates, problems: [] }, RULES, time * 1000);
    return 'why' in found ? found.why : found.storedAs;
  };
  assert.equal(await at(NOW), 'storedLastValid');
  assert.equal(await at(NOW + 3 * DAY), 'stored');
  assert.equal(await at(ends), 'storedLastValid');
  assert.equal(await at(MADE - DAY), 'keyUnusableNow');
  assert.equal(await at(NOW), 'storedLastValid');
});

/** What an owner would have who had never made what was revoked. */
function withoutRevoked({ plan, components }: ReturnType<typeof makeCertificate>): Buffer | undefined {
  if (plan.revocations.length > 0) return undefined;
  const [key = [], ...others] = components;
  const userIds = plan.userIds.map((events, n) => {
    // of two made on the same day, the later one in the list is the younger
    const age = (place: number) => Math.min(events[place]?.ago ?? 0, plan.ago) * 100 - place;
    const revoked = Math.min(
      ...events.flatMap(({ kind }, place) => (kind === 'revoked' ? [age(place)] : [])),
    );
    const [id, ...signatures] = others[n] ?? [];
    const good = signatures.filter((_, place) => events[place]?.kind === 'made' && age(place) < revoked);
    return [id, ...good];
  });
  const subkeys = plan.subkeys.map(({ events }, n) =>
    events.some(({ kind }) => kind === 'revoked') ? [] : (others[plan.userIds.length + n] ?? []),
  );
  return Buffer.concat([...key, ...userIds.flat(), ...subkeys.flat()].filter((each) => each !== undefined));
}

async function keysAt(file: Buffer, at: number, subkeys: 'all' | 'newest'): Promise<string[]> {
  const [certificate] = await parseCertificates(file);
  assert.ok(certificate !== undefined);
  const judged = await judgeCertificate(certificate, new Date(at), { subkeys });
  return 'keys' in judged ? judged.keys.map(({ keyId }) => keyId).sort() : [];
}

/** By judgements alone: at every time at which something changed, the last first. */
async function expectedOf(plan: Plan, subkeys: 'all' | 'newest') {
  const made = makeCertificate(plan, NOW);
  const rest = withoutRevoked(made);
  const [certificate] = await parseCertificates(made.certificate);
  const times = (await certificate?.validity())?.changesUpTo(NOW * 1000) ?? [];
  let expected: string[] = [];
  for (const time of rest === undefined ? [] : times.reverse()) {
    const then = await keysAt(made.certificate, time - 1, subkeys);
    expected = (await keysAt(rest ?? Buffer.alloc(0), time - 1, subkeys)).filter((id) => then.includes(id));
    if (expected.length > 0) break;
  }
  return { certificate: made.certificate, expected };
}

test('F36: of random certificates, the keys are those of the judgement at the last moment, without any that is revoked', {
  timeout: 1_800_000,
}, async (t) => {
  const seed = Number(process.env.SEALDIR_FUZZ_SEED ?? Math.trunc(Math.random() * 0x7fffffff));
  const seen = { stored: 0, storedLastValid: 0, keyUnusableNow: 0 };
  for (const plan of fc.sample(plans, { seed, numRuns: isLongForm() ? 2000 : isLong ? 120 : 40 }))
    for (const subkeys of ['all', 'newest'] as const) {
      const { certificate, expected } = await expectedOf(plan, subkeys);
      const found = await chosen([[certificate]], { ...RULES, subkeys });
      const [as = '', ...keys] = typeof found === 'string' ? [found] : found;
      seen[as as keyof typeof seen]++;
      if (as !== 'stored')
        assert.deepEqual(keys, expected, `SEALDIR_FUZZ_SEED=${seed} ${JSON.stringify(plan)}`);
    }
  t.diagnostic(`${JSON.stringify(seen)}, SEALDIR_FUZZ_SEED=${seed}`);
  assert.ok(seen.storedLastValid > 0 && seen.keyUnusableNow > 0);
});

test('F36: of the key collection, expired keys are sealed to, and no other that is refused (451 4.7.5)', {
  ...needsKeyCollection(),
}, async (t) => {
  const collection = await openKeyCollection();
  assert.ok(collection !== undefined);
  t.after(() => collection.close());
  const files = collection.keys
    .filter(({ expectation }) => expectation === 'refuse' || expectation === 'policy')
    .map(({ name, certificate }) => [name, certificate] as const);
  const cases = join(sharedDirectory() ?? '', 'cases/05-stray-revocation-before-key');
  const stray = ['key-then-rev.pgp', 'rev-then-key-two-armors.asc', 'rev-then-key.pgp'];
  const all = [...files, ...stray.map((name) => [name, readFileSync(join(cases, name))] as const)];
  const sealed: string[] = [];
  for (const [name, file] of all) {
    const certificates = await parseCertificates(file).catch(() => []);
    const entry = { certificates, problems: certificates.length === 0 ? ['unreadable'] : [] };
    const found = await select(entry, RULES, NOW * 1000);
    if ('why' in found) assert.equal(found.why, 'keyUnusableNow', name);
    else if (found.storedAs === 'storedLastValid') sealed.push(name);
  }
  assert.deepEqual(sealed.sort(), ['gpg-enc-expired', 'gpg-expired']);
});

test('F36: an expired key that was revoked is not sealed to, however its file is spelled (451 4.7.5)', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'sealdir-spellings-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  const revocation = owner.revoke({ at: MADE + 200 * DAY, reason: REASON.retired });
  const key = Buffer.concat([...expired, ...bound()]);
  const whole = Buffer.concat([owner.packet, revocation, ...expired.slice(1), ...bound()]);
  const armoredRevocation = armored(revocation, { type: 'PUBLIC KEY BLOCK' });
  const spellings: Record<string, readonly (Buffer | string)[]> = {
    binary: [whole],
    armored: [armored(whole)],
    'in text, with other line ends': [`a key:\r\n${armored(whole).replaceAll('\n', '\r\n')}bye\r\n`],
    'revocation after the key': [Buffer.concat([key, revocation])],
    'revocation in front of the key': [Buffer.concat([revocation, key])],
    'two armors': [armored(key) + armoredRevocation],
    'two armors, the revocation first': [armoredRevocation + armored(key)],
    'an old copy before': [armored(key) + armored(whole)],
    'an old copy after': [armored(whole) + armored(key)],
    'two files': [whole, armored(key)],
    'two files, the old copy first': [armored(key), whole],
  };
  const same = { localCase: 'ignore', defaultDomain: 'mx.example.com' } as const;
  for (const [what, files] of Object.entries({ ...spellings, 'not revoked': [key, armored(key)] })) {
    const place = await mkdtemp(join(directory, 'keys-'));
    for (const [n, bytes] of files.entries())
      await writeFile(join(place, `alice@example.com.${n === 0 ? 'asc' : 'pgp'}`), bytes);
    const entry = await new KeyDirectory(place, same, { now: Date.now }).lookup('alice@example.com');
    assert.deepEqual(entry?.problems, [], what);
    const found = await select(entry, RULES, NOW * 1000);
    const expectedWhy = what === 'not revoked' ? 'storedLastValid' : 'keyUnusableNow';
    assert.equal('why' in found ? found.why : found.storedAs, expectedWhy, what);
  }
});

test('F36: keys of sq with their revocation certificates are not sealed to (451 4.7.5)', {
  ...needsKeyCollection(),
}, async () => {
  const directory = join(sharedDirectory() ?? '', 'keys');
  const names = readdirSync(directory).filter((name) => name.endsWith('.rev.asc'));
  assert.ok(names.length > 3);
  for (const name of names) {
    const [key, revocation] = [name.replace('.rev.', '.pub.'), name].map((each) =>
      readFileSync(join(directory, each), 'latin1'),
    );
    for (const text of [`${key}\n${revocation}`, `${revocation}\n${key}`]) {
      const certificates = await parseCertificates(Buffer.from(text));
      const found = await select({ certificates, problems: [] }, RULES, NOW * 1000);
      assert.equal('why' in found && found.why, 'keyUnusableNow', name);
    }
  }
});
