// Certificates that are made to be expensive to judge, within all limits of size: the work is bounded, and
// the event loop has its turn while it is done.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { type Certificate, parseCertificates, uniteCertificates } from '../../src/keys/certificates.ts';
import { describeCertificate, judgeCertificate } from '../../src/keys/judgement.ts';
import { MAX_TRIALS } from '../../src/keys/limits.ts';
import { MAX_KEY_FILE_BYTES } from '../../src/keys/parsedfiles.ts';
import { FLAGS, madeCertificate, type Owner, REASON, userId } from '../support/handmade.ts';

const NOW = Math.trunc(Date.now() / 1000);
const DAY = 86_400;
const MADE = NOW - 1000 * DAY;
const SIGNS = FLAGS.certify | FLAGS.sign;

const range = <T>(count: number, make: (n: number) => T) => Array.from({ length: count }, (_, n) => make(n));
const shortId = (n: number) => userId(n.toString(36).padStart(3, '_'));

/** Certifications that say they are the owner's, about nothing that is there. */
function falseCertifications(owner: Owner, count: number): Buffer[] {
  const signature = owner.certify('nobody', { at: MADE, flags: SIGNS });
  return range(count, () => {
    const forged = Buffer.from(signature);
    // not all of its last number, which may be shorter than 32 octets
    randomBytes(24).copy(forged, forged.length - 24);
    return forged;
  });
}

async function judgedAll(file: Buffer, now = NOW) {
  const certificates = await parseCertificates(file);
  return Promise.all(
    certificates.map((each) => judgeCertificate(each, new Date(now * 1000), { subkeys: 'all' })),
  );
}

/** Counts the turns of the event loop while something is done. */
async function turnsDuring(work: () => Promise<void>): Promise<number> {
  let turns = 0;
  let isOver = false;
  const count = () => {
    turns++;
    if (!isOver) setImmediate(count);
  };
  setImmediate(count);
  await work();
  isOver = true;
  return turns;
}

test('misplaced signatures are not tried at thousands of user IDs, and others have their turn meanwhile', {
  timeout: 80_000,
}, async () => {
  const { owner, certificate } = madeCertificate(MADE);
  const file = Buffer.concat([certificate, ...range(3000, shortId), ...falseCertifications(owner, 1000)]);
  assert.ok(file.length < MAX_KEY_FILE_BYTES);
  const turns = await turnsDuring(async () => {
    const [judged] = await judgedAll(file);
    assert.match(
      judged && 'reason' in judged ? judged.reason : 'usable',
      /too many signatures that do not fit/,
    );
    assert.equal(judged && 'holdsBack' in judged && judged.holdsBack, 'recipient');
  });
  assert.ok(turns > (MAX_TRIALS + 1000) / 20, `${turns} turns`);
  const [certificateOfFile] = await parseCertificates(file);
  assert.ok(certificateOfFile !== undefined);
  assert.equal(
    (await describeCertificate(certificateOfFile, new Date(), { subkeys: 'all' })).expiresAt,
    undefined,
  );
});

test('all certificates of a file together are tried no more often than one', {
  timeout: 80_000,
}, async () => {
  const each = () => {
    const { owner, certificate } = madeCertificate(MADE);
    return [certificate, ...range(400, shortId), ...falseCertifications(owner, 2)];
  };
  const [alone] = await judgedAll(Buffer.concat(each()));
  assert.ok(alone !== undefined && 'keys' in alone);
  for (const judged of await judgedAll(Buffer.concat(range(10, each).flat())))
    assert.match('reason' in judged ? judged.reason : 'usable', /too many signatures that do not fit/);
});

test('thirty user IDs whose certifications stand at the wrong ones are put in order', async () => {
  const { owner, certificate } = madeCertificate(MADE);
  const id = (n: number) => `<user${n}@example.com>`;
  const wrong = range(30, (n) => [
    userId(id(n)),
    owner.certify(id((n + 1) % 30), { at: MADE, flags: SIGNS, isPrimary: n === 29, keyLasts: 1100 * DAY }),
  ]).flat();
  const [judged] = await judgedAll(Buffer.concat([certificate, ...wrong]));
  // the user ID that is marked as the primary one has a certification by which the key ends
  assert.equal(judged && 'keys' in judged && judged.validUntil, (MADE + 1100 * DAY) * 1000);
});

test('copies of a certificate in two files are united once, until one of the files changes', async () => {
  const { certificate } = madeCertificate(MADE);
  const [first = [], second = [], changed = []] = await Promise.all(
    [certificate, certificate, certificate].map(parseCertificates),
  );
  const [united] = await uniteCertificates([...first, ...second]);
  assert.ok(united !== undefined);
  assert.equal((await uniteCertificates([...first, ...second]))[0], united);
  assert.notEqual((await uniteCertificates([...first, ...changed]))[0], united);
  assert.notEqual((await uniteCertificates([...first, ...second, ...changed]))[0], united);
});

test('a user ID that was revoked and certified hundreds of times is judged again in no time', {
  timeout: 80_000,
}, async () => {
  const { owner, certificate } = madeCertificate(MADE);
  const other = '<other@example.com>';
  const days = (n: number) => 1 + (n % 900);
  const history = range(450, (n) => [
    owner.revokeUserId(other, { at: MADE + n, lasts: 1900 * DAY + 2 * n, reason: REASON.userIdInvalid }),
    owner.certify(other, { at: MADE + 500 + n, lasts: 1900 * DAY + 3 * n, keyLasts: (2000 + days(n)) * DAY }),
  ]).flat();
  const file = Buffer.concat([certificate, userId(other), ...history]);
  const [judged] = await parseCertificates(file);
  assert.ok(judged !== undefined);
  // at 4 s for each, as it once was, these do not fit in the time of this test
  for (let minute = 0; minute < 100; minute++) {
    const { validUntil } = await usableAt(judged, (NOW + minute * 61) * 1000);
    assert.ok(validUntil > NOW * 1000);
    await describeCertificate(judged, new Date((NOW + minute * 61) * 1000), { subkeys: 'all' });
  }
});

async function usableAt(certificate: Certificate, at: number) {
  const judged = await judgeCertificate(certificate, new Date(at), { subkeys: 'all' });
  assert.ok('keys' in judged, 'reason' in judged ? judged.reason : '');
  return judged;
}
