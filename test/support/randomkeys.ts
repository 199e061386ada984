// Random certificates of everything that has a date: certifications and bindings that lapse, are renewed,
// revoked and made again, several user IDs and subkeys, ends of keys that are moved. Made by hand, with the
// secret keys to them.

import fc from 'fast-check';
import {
  FLAGS,
  newSubkey,
  Owner,
  REASON,
  type SignatureOptions,
  type Subkey,
  secretKeyOf,
  userId,
} from './handmade.ts';

const DAY = 86_400;
const SIGNS = FLAGS.certify | FLAGS.sign;
const ENCRYPTS = FLAGS.communication | FLAGS.storage;

/** One signature, in days before (or after) now. */
export interface Event {
  readonly kind: 'made' | 'revoked';
  readonly ago: number;
  readonly lasts: number | undefined;
  readonly keyLasts: number | undefined;
  readonly isPrimary: boolean;
  readonly reason: number | undefined;
}

export interface Plan {
  readonly ago: number;
  readonly userIds: readonly (readonly Event[])[];
  readonly subkeys: readonly { readonly ago: number; readonly events: readonly Event[] }[];
  readonly direct: readonly Event[];
  readonly revocations: readonly Event[];
}

export interface RandomCertificate {
  readonly plan: Plan;
  readonly owner: Owner;
  readonly subkeys: readonly Subkey[];
  /** Components: each is a key, user ID or subkey with its signatures. */
  readonly components: readonly (readonly Buffer[])[];
  readonly certificate: Buffer;
  readonly secretKey: Buffer;
}

const days = fc.integer({ min: -30, max: 900 });
const span = fc.oneof(fc.constant(undefined), fc.integer({ min: 1, max: 1200 }));

function event(revocations: number): fc.Arbitrary<Event> {
  return fc.record({
    kind: fc.oneof(
      { weight: 10, arbitrary: fc.constant('made' as const) },
      { weight: revocations, arbitrary: fc.constant('revoked' as const) },
    ),
    ago: days,
    lasts: span,
    keyLasts: fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: span }),
    isPrimary: fc.boolean(),
    reason: fc.constantFrom(undefined, ...Object.values(REASON)),
  });
}

export const plans: fc.Arbitrary<Plan> = fc.record({
  ago: fc.integer({ min: 0, max: 1000 }),
  userIds: fc.array(fc.array(event(4), { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 3 }),
  subkeys: fc.array(
    fc.record({
      ago: fc.integer({ min: -5, max: 1000 }),
      events: fc.array(event(2), { minLength: 1, maxLength: 3 }),
    }),
    { minLength: 1, maxLength: 3 },
  ),
  direct: fc.oneof(
    { weight: 4, arbitrary: fc.constant([]) },
    { weight: 1, arbitrary: fc.array(event(1), { maxLength: 2 }) },
  ),
  revocations: fc.oneof(
    { weight: 12, arbitrary: fc.constant([]) },
    { weight: 1, arbitrary: fc.array(event(0), { maxLength: 1 }) },
  ),
});

/** Makes a planned certificate. `now` in seconds since the epoch. */
export function makeCertificate(plan: Plan, now: number): RandomCertificate {
  const at = (ago: number) => now - ago * DAY;
  const owner = new Owner(at(plan.ago));
  // no signature is older than its key, and no two are of the same second
  let minutes = 0;
  const time = (ago: number, youngest: number) => at(Math.min(ago, youngest)) + 60 * ++minutes;
  const options = (each: Event, flags: number, youngest: number): SignatureOptions => ({
    at: time(each.ago, youngest),
    lasts: each.lasts === undefined ? undefined : each.lasts * DAY,
    keyLasts: each.keyLasts === undefined ? undefined : each.keyLasts * DAY,
    flags,
    isPrimary: each.isPrimary,
  });
  const revoking = (each: Event, youngest: number): SignatureOptions => ({
    at: time(each.ago, youngest),
    lasts: each.lasts === undefined ? undefined : each.lasts * DAY,
    reason: each.reason,
  });
  const key = [
    owner.packet,
    ...plan.revocations.map((each) => owner.revoke(revoking(each, plan.ago))),
    ...plan.direct.flatMap((each) =>
      each.kind === 'made' ? [owner.direct(options(each, SIGNS, plan.ago))] : [],
    ),
  ];
  const userIds = plan.userIds.map((events, n) => {
    const id = `<user${n}@example.com>`;
    const signatures = events.map((each) =>
      each.kind === 'made'
        ? owner.certify(id, options(each, SIGNS, plan.ago))
        : owner.revokeUserId(id, revoking(each, plan.ago)),
    );
    return [userId(id), ...signatures];
  });
  const subkeys = plan.subkeys.map(({ ago }) => newSubkey(at(Math.min(ago, plan.ago))));
  const bound = plan.subkeys.map(({ ago, events }, n) => {
    const subkey = subkeys[n] as Subkey;
    const youngest = Math.min(ago, plan.ago);
    const signatures = events.map((each) =>
      each.kind === 'made'
        ? owner.bind(subkey, { ...options(each, ENCRYPTS, youngest), isPrimary: false })
        : owner.revokeSubkey(subkey, revoking(each, youngest)),
    );
    return [subkey.packet, ...signatures];
  });
  const components = [key, ...userIds, ...bound];
  return {
    plan,
    owner,
    subkeys,
    components,
    certificate: Buffer.concat(components.flat()),
    secretKey: secretKeyOf(owner, subkeys, at(plan.ago)),
  };
}
