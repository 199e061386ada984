// What holds when, as it is found out for all times at once, against the plain definitions at one time.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { SignaturePacket } from 'openpgp';
import type { Facts, Revocation, Statement, Statements } from '../../src/keys/facts.ts';
import { countsAt, History } from '../../src/keys/history.ts';
import { Timeline } from '../../src/keys/timeline.ts';
import { Validity } from '../../src/keys/validity.ts';

// few different times, so that many are equal
const time = fc.integer({ min: 0, max: 12 });
const end = fc.oneof({ weight: 3, arbitrary: time }, fc.constant(Number.POSITIVE_INFINITY));
const TIMES = Array.from({ length: 30 }, (_, n) => n / 2 - 1);

const statement: fc.Arbitrary<Statement> = fc
  .record({ from: time, until: end, isPrimaryUserID: fc.boolean() })
  .map(({ from, until, isPrimaryUserID }) => ({
    from,
    until,
    packet: { isPrimaryUserID, keyNeverExpires: null, keyExpirationTime: null } as SignaturePacket,
  }));
const revocation: fc.Arbitrary<Revocation> = fc.record({
  from: end,
  until: end,
  isHard: fc.integer({ min: 0, max: 4 }).map((n) => n === 0),
});
const statements: fc.Arbitrary<Statements> = fc.record({
  good: fc.array(statement, { maxLength: 6 }),
  doubts: fc.constant([]),
  revocations: fc.array(revocation, { maxLength: 4 }),
});

function newest(all: readonly Statement[]): Statement | undefined {
  return all.reduce<Statement | undefined>(
    (best, each) => (best === undefined || each.from >= best.from ? each : best),
    undefined,
  );
}

/** RFC 9580 §5.2.1.13, in its own words. */
function latest({ good, revocations }: Statements, at: number): Statement | undefined {
  return newest(
    good.filter(
      ({ from, until }) =>
        from <= at && at < until && !revocations.some((each) => countsAt(each, at) && each.from >= from),
    ),
  );
}

test('at every time the most important claim of that time holds', () => {
  const claims = fc.array(fc.record({ from: time, until: end, value: fc.nat() }), { maxLength: 12 });
  fc.assert(
    fc.property(claims, (all) => {
      const timeline = new Timeline(all);
      for (const at of TIMES)
        assert.equal(timeline.at(at), all.find(({ from, until }) => from <= at && at < until)?.value);
    }),
  );
});

test('at every time the newest statement counts that is not revoked', () => {
  fc.assert(
    fc.property(statements, (all) => {
      const history = new History(all);
      for (const at of TIMES) {
        assert.equal(history.latest(at), latest(all, at), `${at}`);
        const claimed = history.claims().filter(({ from, until }) => from <= at && at < until);
        assert.deepEqual(
          claimed.map(({ value }) => value),
          [latest(all, at)].filter((each) => each !== undefined),
        );
        assert.equal(
          history.isRevoked(at),
          all.revocations.some((each) => countsAt(each, at)),
        );
      }
    }),
  );
});

test('at every time the user ID that is marked as the primary one speaks for the key, or else the newest', () => {
  fc.assert(
    fc.property(fc.array(statements, { minLength: 1, maxLength: 5 }), (userIds) => {
      const nothing: Statements = { good: [], doubts: [], revocations: [] };
      const facts: Facts = {
        direct: nothing,
        directRevocations: [],
        userIds,
        subkeys: [],
        isRevocationInDoubt: false,
        isIncomplete: false,
      };
      const validity = new Validity({ version: 4, createdAt: -10 }, facts);
      for (const at of TIMES) {
        const current = userIds.map((each) => latest(each, at)).filter((each) => each !== undefined);
        const marked = current.filter(({ packet }) => packet.isPrimaryUserID === true);
        const expected = newest(marked.length > 0 ? marked : current)?.packet;
        const found = validity.selfSignatureAt(at);
        assert.equal(typeof found === 'string' ? undefined : found, expected, `${at}`);
      }
    }),
  );
});
