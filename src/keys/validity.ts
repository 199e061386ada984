/**
 * What follows from the facts about a certificate at a given time: whether the key is valid, and which of its
 * subkeys are. Pure functions of facts and time, in milliseconds since the epoch.
 */
import type { SignaturePacket } from 'openpgp';
import type { Facts, Revocation, Statement, Statements, SubkeyFacts } from './facts.ts';
import { REASONS } from './words.ts';

/** The owner's word that counts for a key at some time. */
export interface SelfSignature extends SignaturePacket {
  // the library has it, its type declarations do not (openpgp 6.3.2; test/keys/certificates.test.ts)
  readonly preferredCipherSuites: number[][] | null;
}

export interface Primary {
  readonly version: number;
  readonly createdAt: number;
}

/** Returns what the owner says of the key at a time, or the reason why it is not valid. */
export function selfSignatureAt(primary: Primary, facts: Facts, at: number): SelfSignature | string {
  const { direct, directRevocations, userIds } = facts;
  if (direct.revocations.some((each) => countsAt(each, at))) return REASONS.revoked;
  if (primary.createdAt > at) return REASONS.notYetValid(new Date(primary.createdAt));
  const directly = latest({ good: direct.good, revocations: directRevocations }, at);
  // RFC 9580 §5.2.3.10: a version 6 key speaks for itself in direct-key signatures
  if (primary.version === 6) {
    if (directly === undefined) return REASONS.noSelfSignature;
    return expiryReason(primary.createdAt, [directly], at) ?? selfSignature(directly);
  }
  const certified = primaryUserId(userIds, at);
  if (certified === undefined) return userIdReason(userIds, at);
  const both = directly === undefined ? [certified] : [certified, directly];
  return expiryReason(primary.createdAt, both, at) ?? selfSignature(certified);
}

function selfSignature({ packet }: Statement): SelfSignature {
  return packet as SelfSignature;
}

/** Returns the certification of the user ID that speaks for the key: one marked as primary, or the newest. */
function primaryUserId(userIds: readonly Statements[], at: number): Statement | undefined {
  const current = userIds.map((each) => latest(each, at)).filter((each) => each !== undefined);
  const marked = current.filter(({ packet }) => packet.isPrimaryUserID === true);
  return newest(marked.length > 0 ? marked : current);
}

/** Returns the newest statement that counts at a time. */
export function latest({ good, revocations }: Statements, at: number): Statement | undefined {
  const inForce = good.filter(
    ({ from, until }) =>
      from <= at &&
      at < until &&
      // RFC 9580 §5.2.1.13: a revocation is about what was certified before it
      !revocations.some((each) => countsAt(each, at) && each.from >= from),
  );
  return newest(inForce);
}

function newest(statements: readonly Statement[]): Statement | undefined {
  return statements.reduce<Statement | undefined>(
    (best, each) => (best === undefined || each.from >= best.from ? each : best),
    undefined,
  );
}

export function countsAt({ from, until, isHard }: Revocation, at: number): boolean {
  return isHard || (from <= at && at < until);
}

/** Returns when a key ends according to a statement about it, or infinity. */
export function expiryOf(createdAt: number, { packet }: Statement): number {
  const { keyNeverExpires, keyExpirationTime } = packet;
  if (keyNeverExpires !== false || keyExpirationTime === null) return Number.POSITIVE_INFINITY;
  return createdAt + keyExpirationTime * 1000;
}

function expiryReason(createdAt: number, statements: readonly Statement[], at: number): string | undefined {
  const end = Math.min(...statements.map((each) => expiryOf(createdAt, each)));
  return at >= end ? REASONS.expired(new Date(end)) : undefined;
}

function userIdReason(userIds: readonly Statements[], at: number): string {
  if (userIds.length === 0) return REASONS.noUserId;
  const all = userIds.flatMap(({ good }) => good);
  if (all.length === 0) return REASONS.noValidUserId;
  const ended = all.filter(({ until }) => until <= at).map(({ until }) => until);
  if (ended.length === all.length) return REASONS.userIdsLapsed(new Date(Math.max(...ended)));
  const begun = all.filter(({ from }) => from <= at);
  if (begun.length === 0) return REASONS.notYetValid(new Date(Math.min(...all.map(({ from }) => from))));
  const isRevoked = userIds.some(({ revocations }) => revocations.some((each) => countsAt(each, at)));
  return isRevoked ? REASONS.userIdsRevoked : REASONS.noValidUserId;
}

/** The owner's word on a subkey at a time, or why it does not count. */
export type SubkeyState =
  | { readonly binding: Statement }
  | { readonly not: 'revoked' | 'unbound' }
  | { readonly not: 'expired' | 'early'; readonly when: number };

export function subkeyStateAt(subkey: SubkeyFacts, at: number): SubkeyState {
  const { good, revocations, createdAt } = subkey;
  // unlike a user ID, a revoked subkey stays revoked if it is bound again later, as in GnuPG
  if (revocations.some((each) => countsAt(each, at))) return { not: 'revoked' };
  const binding = latest({ good, revocations: [] }, at);
  if (binding === undefined) {
    const lapsed = good.map(({ until }) => until).filter((until) => until <= at);
    if (lapsed.length > 0) return { not: 'expired', when: Math.max(...lapsed) };
    const coming = good.map(({ from }) => from);
    return coming.length > 0 ? { not: 'early', when: Math.min(...coming) } : { not: 'unbound' };
  }
  if (createdAt > at) return { not: 'early', when: createdAt };
  const end = expiryOf(createdAt, binding);
  return at >= end ? { not: 'expired', when: end } : { binding };
}

/** Returns every time after `at` when something about the certificate may change, in order. */
export function changesAfter(primary: Primary, facts: Facts, at: number): number[] {
  const subjects: (Statements & { createdAt?: number })[] = [
    facts.direct,
    ...facts.userIds,
    ...facts.subkeys,
  ];
  const times = subjects.flatMap(({ good, revocations, createdAt = primary.createdAt }) => [
    createdAt,
    ...good.flatMap((each) => [each.from, each.until, expiryOf(createdAt, each)]),
    ...revocations.flatMap(({ from, until }) => [from, until]),
  ]);
  const later = [...times, ...facts.directRevocations.flatMap(({ from, until }) => [from, until])].filter(
    (time) => time > at && Number.isFinite(time),
  );
  return [...new Set(later)].sort((a, b) => a - b);
}
