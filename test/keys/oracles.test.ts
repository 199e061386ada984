// Random certificates: whatever is called usable can be sealed to until the time it says, its owner opens the
// message, and the order of the packets does not matter. sqop and gpg are asked for their opinion; where they
// have another one, the reason is in a list here.

import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { readPrivateKeys } from 'openpgp';
import { parseCertificates } from '../../src/keys/certificates.ts';
import { judgeCertificate } from '../../src/keys/judgement.ts';
import { sealingKeysOf, sessionKeyPackets } from '../../src/keys/sessionkeys.ts';
import type { Judgement, UsableCertificate } from '../../src/keys/usable.ts';
import { readPackets } from '../../src/openpgp/packets.ts';
import { openSealed } from '../support/freshkey.ts';
import { fuzz, isLongForm } from '../support/fuzz.ts';
import { openGnupgHome } from '../support/gnupghome.ts';
import { isLong } from '../support/long.ts';
import { needs } from '../support/peers.ts';
import { run } from '../support/process.ts';
import {
  type Event,
  makeCertificate,
  type Plan,
  plans,
  type RandomCertificate,
} from '../support/randomkeys.ts';
import { sealTo } from '../support/sealto.ts';

const NOW = Math.trunc(Date.now() / 1000);
const DAY_MS = 86_400_000;
const MESSAGE = Buffer.from('Subject: hi\r\n\r\nhello\r\n');

async function judge(file: Buffer, atMs = NOW * 1000): Promise<Judgement> {
  const [certificate] = await parseCertificates(file);
  assert.ok(certificate !== undefined);
  return judgeCertificate(certificate, new Date(atMs), { subkeys: 'all' });
}

function keyIdsOf(judged: Judgement): string[] {
  return 'keys' in judged ? judged.keys.map(({ keyId }) => keyId).sort() : [];
}

async function assertSealable(
  made: RandomCertificate,
  usable: UsableCertificate,
  atMs: number,
): Promise<void> {
  const keys = sealingKeysOf([usable]);
  const secrets = await readPrivateKeys({ binaryKeys: made.secretKey });
  const sealed = await sealTo(keys, MESSAGE, new Date(atMs));
  assert.deepEqual((await openSealed(sealed, secrets)).plaintext, MESSAGE);
  const end = Math.min(usable.validUntil, atMs + 2000 * DAY_MS);
  for (const time of [atMs, (atMs + end) / 2, end - 1]) {
    await sessionKeyPackets(keys, Buffer.alloc(32), new Date(time));
    // and another judgement at that time would have said the same
    const then = keyIdsOf(await judge(made.certificate, time));
    for (const { keyId } of usable.keys)
      assert.ok(then.includes(keyId), `${keyId} at ${new Date(time).toISOString()}`);
  }
  if (usable.validUntil === Number.POSITIVE_INFINITY) return;
  await assert.rejects(sessionKeyPackets(keys, Buffer.alloc(32), new Date(usable.validUntil)), /expired/);
  const after = keyIdsOf(await judge(made.certificate, usable.validUntil));
  assert.ok(
    usable.keys.some(({ keyId }) => !after.includes(keyId)),
    'validUntil is too early',
  );
}

test('F28: what is usable can be sealed to until the time it says, whatever was certified, revoked or renewed when', async (t) => {
  const value = fc.record({
    plan: plans,
    daysFromNow: fc.integer({ min: -400, max: 400 }),
    seed: fc.integer(),
  });
  await fuzz(t, {
    arbitrary: value,
    async check({ plan, daysFromNow, seed }) {
      const made = makeCertificate(plan, NOW);
      const atMs = NOW * 1000 + daysFromNow * DAY_MS;
      const judged = await judge(made.certificate, atMs);
      if ('keys' in judged) await assertSealable(made, judged, atMs);
      const shuffled = await judge(shuffle(made, seed), atMs);
      assert.deepEqual(keyIdsOf(shuffled), keyIdsOf(judged), 'in another order');
      assert.equal('reason' in shuffled ? shuffled.reason : '', 'reason' in judged ? judged.reason : '');
    },
  });
});

/** The key first, then its user IDs and subkeys in any order, and the signatures of each in any order. */
function shuffle({ components }: RandomCertificate, seed: number): Buffer {
  let state = seed >>> 0;
  const dice = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state;
  };
  const shuffled = <T>(values: readonly T[]) =>
    values
      .map((value) => ({ value, rank: dice() }))
      .sort((a, b) => a.rank - b.rank)
      .map(({ value }) => value);
  const inside = components.map(([first, ...signatures]) => [first as Buffer, ...shuffled(signatures)]);
  const [key = [], ...others] = inside;
  return Buffer.concat([key, ...shuffled(others)].flat());
}

/** What other programs see differently, and therefore what may be the reason of another opinion. */
interface Oddities {
  /** A signature, of the owner on a user ID, a subkey or the key, that has lapsed. */
  readonly hasLapse: boolean;
  /** One that begins in the future. */
  readonly hasFuture: boolean;
  /**
   * A certification by which the key has ended, be it of another user ID than the one that speaks for the
   * key.
   */
  readonly endsSomewhere: boolean;
  /** A subkey that was revoked and bound again. */
  readonly isBoundAgain: boolean;
  /** The whole key is revoked. */
  readonly isRevoked: boolean;
  /** A user ID without a certification that counts now. */
  readonly hasDeadUserId: boolean;
}

function odditiesOf(plan: Plan): Oddities {
  const subkeyEvents = plan.subkeys.map(({ events }) => events);
  const all: readonly Event[] = [...plan.userIds, ...subkeyEvents, plan.direct, plan.revocations].flat();
  const isOver = ({ ago, lasts }: Event) => lasts !== undefined && Math.min(ago, plan.ago) - lasts >= -1;
  const isDead = (events: readonly Event[]) =>
    events.some(({ kind }) => kind === 'revoked') || events.every((each) => isOver(each) || each.ago <= 0);
  return {
    hasLapse: all.some(isOver),
    hasFuture: all.some(({ ago }) => ago <= 0) || plan.subkeys.some(({ ago }) => ago <= 0) || plan.ago <= 0,
    endsSomewhere: [...plan.userIds.flat(), ...plan.direct].some(
      ({ keyLasts }) => keyLasts !== undefined && plan.ago - keyLasts >= -1,
    ),
    isBoundAgain: subkeyEvents.some(
      (events) => events.some(({ kind }) => kind === 'revoked') && events.length > 1,
    ),
    isRevoked: plan.revocations.length > 0,
    hasDeadUserId: plan.userIds.some(isDead),
  };
}

interface Opinions {
  readonly ours: readonly string[];
  /** Key IDs it encrypted to; empty if it would not. */
  readonly sqop: readonly string[];
  readonly gpg: readonly string[];
}

/** Every way in which they may differ, with the reason. Anything else is a fault of one of the three. */
function differenceOf({ ours, sqop, gpg }: Opinions, oddities: Oddities): string | undefined {
  const isUsable = (ids: readonly string[]) => ids.length > 0;
  const more = sqop.filter((id) => !ours.includes(id));
  const less = ours.filter((id) => !sqop.includes(id));
  if (less.length > 0) return 'sealed to more than sqop does';
  // sqop seals to a revoked key; a revoked subkey stays revoked here and in gpg, while sqop lets a later
  // binding revive it; a user ID that no longer counts makes the key unusable here, as before, while sqop can
  // do without user IDs
  if (
    more.length > 0 &&
    !oddities.isRevoked &&
    !oddities.isBoundAgain &&
    !(oddities.hasDeadUserId && !isUsable(ours))
  )
    return 'sealed to less than sqop does';
  // gpg takes the newest certification, lapsed or not, and refuses then; and the end of the key from any user
  // ID
  if (
    isUsable(ours) &&
    !isUsable(gpg) &&
    !oddities.hasLapse &&
    !oddities.hasFuture &&
    !oddities.endsSomewhere
  )
    return 'sealed to what gpg refuses';
  // gpg goes by the end of the key alone where a certification has lapsed, and takes bindings of the future
  if (
    !isUsable(ours) &&
    isUsable(gpg) &&
    !oddities.hasLapse &&
    !oddities.hasFuture &&
    !oddities.hasDeadUserId
  )
    return 'refused what gpg takes';
  return undefined;
}

test('F28: sqop and gpg have the same opinion, or another one for a reason that is listed here', {
  ...needs('gpg', 'sqop'),
  timeout: 900_000,
}, async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'sealdir-oracles-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  const seed = Number(process.env.SEALDIR_FUZZ_SEED ?? Math.trunc(Math.random() * 0x7fffffff));
  const samples = fc.sample(plans, { seed, numRuns: isLongForm() ? 400 : isLong ? 25 : 8 });
  let same = 0;
  for (const plan of samples) {
    const { certificate } = makeCertificate(plan, NOW);
    const opinions = {
      ours: keyIdsOf(await judge(certificate)),
      sqop: await sqopOpinion(certificate, directory),
      gpg: await gpgOpinion(certificate),
    };
    const difference = differenceOf(opinions, odditiesOf(plan));
    assert.equal(
      difference,
      undefined,
      `seed ${seed}: ${JSON.stringify({ opinions, oddities: odditiesOf(plan), plan })}`,
    );
    if (opinions.ours.join() === opinions.sqop.join()) same++;
  }
  t.diagnostic(
    `${samples.length} certificates, of ${same} sqop has the same opinion, SEALDIR_FUZZ_SEED=${seed}`,
  );
});

async function sqopOpinion(certificate: Buffer, directory: string): Promise<string[]> {
  const file = join(directory, 'certificate.pgp');
  await writeFile(file, certificate);
  const { code, stdout } = await run('sqop', ['encrypt', '--no-armor', file], { stdin: MESSAGE });
  return code === 0 ? recipientsOf(stdout) : [];
}

async function gpgOpinion(certificate: Buffer): Promise<string[]> {
  const home = await openGnupgHome();
  try {
    await home.gpg(['--import'], certificate);
    const [, fingerprint = ''] =
      /^fpr:+([0-9A-F]{40}):/m.exec((await home.gpg(['--list-keys', '--with-colons'])).toString()) ?? [];
    return recipientsOf(await home.gpg(['--recipient', fingerprint, '--encrypt'], MESSAGE));
  } catch {
    return [];
  } finally {
    await home.close();
  }
}

/** Key IDs of the session-key packets that a message begins with (RFC 9580 §5.1.1). */
function recipientsOf(message: Buffer): string[] {
  const ids: string[] = [];
  for (const { tag, body } of readPackets(message).packets)
    if (tag === 1) ids.push(Buffer.from(body.subarray(1, 9)).toString('hex').toUpperCase());
  return ids.sort();
}
