// The same primary key in a file that says less than before: whoever can write to the key directory can leave
// something out of a certificate, and add nothing that its owner has not signed.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { armored, FLAGS, newSubkey, Owner, REASON, secretKeyOf, userId } from '../support/handmade.ts';
import { Keeping } from '../support/keeping.ts';
import { makeKey, readSealed } from '../support/testkeys.ts';

const ALICE = 'alice@example.com';
const DAY = 86_400;
const NOW = Math.floor(Date.now() / 1000);
const MADE = NOW - 100 * DAY;
const ID = `<${ALICE}>`;
const CERTIFIES = { at: MADE, flags: FLAGS.certify | FLAGS.sign };
const ENCRYPTS = { at: MADE, flags: FLAGS.communication | FLAGS.storage };

const owner = new Owner(MADE);
const [first, second, third] = [newSubkey(MADE), newSubkey(MADE + 1), newSubkey(MADE + 2)];
const head = [owner.packet, userId(ID), owner.certify(ID, CERTIFIES)];
const one = [first.packet, owner.bind(first, ENCRYPTS)];
const two = [second.packet, owner.bind(second, ENCRYPTS)];
const three = [third.packet, owner.bind(third, ENCRYPTS)];
const firstIsRevoked = owner.revokeSubkey(first, { at: MADE + DAY, reason: REASON.compromised });
const firstEnds = owner.bind(first, { ...ENCRYPTS, at: MADE + DAY, keyLasts: 10 * DAY });
/** Holds the secret key to the second subkey alone: the first was stolen. */
const readsSecond = {
  certificate: '',
  secretKey: armored(secretKeyOf(owner, [second], MADE), { type: 'PRIVATE KEY BLOCK' }),
};

const file = (...parts: readonly (readonly Buffer[])[]) => armored(Buffer.concat(parts.flat()));

async function exchanged(t: TestContext, before: string, after: string): Promise<Keeping> {
  const site = await Keeping.make({ [ALICE]: before });
  t.after(() => site.remove());
  await site.round();
  await site.put(`${ALICE}.asc`, after);
  await site.round();
  assert.deepEqual(await site.events(), [`first-look ${ALICE} 1`, `changed ${ALICE} 1`]);
  return site;
}

const whole = file(head, [...one, firstIsRevoked], two);
for (const [what, before, after] of [
  ['a revocation of a subkey', whole, file(head, one, two)],
  ['the newest subkey', file(head, [...one, firstEnds], two), file(head, [...one, firstEnds])],
  ['one of two subkeys', file(head, two, three), file(head, three)],
  ['the end of a subkey', file(head, [...one, firstEnds], two), file(head, one, two)],
] as const)
  test(`${what} that is left out is told to the owner`, async (t) => {
    const site = await exchanged(t, before, after);
    assert.equal((await site.entries())[1]?.lost, true);
    const [notice = Buffer.alloc(0), ...others] = await site.mail(ALICE);
    assert.equal(others.length, 0);
    assert.match(String(await readSealed(notice, readsSecond)), /says less about it than before/);
  });

test('a revocation that nobody can check keeps nobody from being told', async (t) => {
  const damaged = Buffer.from(owner.revoke({ at: NOW - DAY, reason: REASON.compromised }));
  damaged[damaged.length - 5] = (damaged[damaged.length - 5] ?? 0) ^ 1;
  const doubtful = armored(Buffer.concat([owner.packet, damaged, ...head.slice(1), ...two]));
  const site = await exchanged(t, file(head, two), doubtful);
  assert.equal((await site.mail(ALICE)).length, 0, 'mail waits, and is sealed to nothing else');
  await site.put(`${ALICE}.asc`, (await makeKey(ALICE)).certificate);
  await site.round();
  const [notice = Buffer.alloc(0)] = await site.mail(ALICE);
  assert.match(String(await readSealed(notice, readsSecond)), /has changed/);
});

for (const [what, before, after] of [
  ['a new subkey', file(head, two), file(head, two, three)],
  ['a revocation of a subkey', file(head, one, two), whole],
  [
    'a later end',
    file(head, two),
    file(head, [...two, owner.bind(second, { ...ENCRYPTS, at: NOW - DAY, keyLasts: 900 * DAY })]),
  ],
  [
    'a signature less that nothing depends on',
    file(head, [...two, owner.bind(second, { ...ENCRYPTS, at: MADE + DAY })]),
    file(head, [second.packet, owner.bind(second, { ...ENCRYPTS, at: MADE + DAY })]),
  ],
] as const)
  test(`${what}, which the owner alone can have made, is logged, and no news`, async (t) => {
    const site = await exchanged(t, before, after);
    assert.equal((await site.entries())[1]?.lost, undefined);
    assert.deepEqual(await site.mail(ALICE), []);
  });

test('a file that is too large together with that of before is told, and keeps nobody from being told', async (t) => {
  const many = (from: number) =>
    Array.from({ length: 600 }, (_, n) => owner.certify(ID, { ...CERTIFIES, at: MADE + from + n }));
  const site = await exchanged(
    t,
    armored(Buffer.concat([...head, ...many(1), ...two])),
    armored(Buffer.concat([...head, ...many(1001), ...two])),
  );
  const [notice = Buffer.alloc(0)] = await site.mail(ALICE);
  assert.match(String(await readSealed(notice, readsSecond)), /says less about it than before/);
});
