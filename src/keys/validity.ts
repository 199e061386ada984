/**
 * What follows from the facts about a certificate at a given time: whether the key is valid, and which of its
 * subkeys are. Depends on nothing but facts and time, in milliseconds since the epoch.
 */
import type { SignaturePacket } from 'openpgp';
import type { Doubt, Facts, Statement, Statements } from './facts.ts';
import { countsAt, expiryOf, History, newestFirst, SubkeyHistory } from './history.ts';
import { inOrder, Timeline } from './timeline.ts';
import { kindOfSignature, REASONS } from './words.ts';

/** The owner's word that counts for a key at some time. */
export interface SelfSignature extends SignaturePacket {
  // the library has it, its type declarations do not (openpgp 6.3.2; test/keys/certificates.test.ts)
  readonly preferredCipherSuites: number[][] | null;
}

export interface Primary {
  readonly version: number;
  readonly createdAt: number;
}

/** Made in the time it takes to sort the signatures. Each question about a time is cheap then. */
export class Validity {
  readonly subkeys: readonly SubkeyHistory[];
  readonly facts: Facts;
  readonly #primary: Primary;
  readonly #key: History;
  readonly #direct: History;
  readonly #certified: Timeline<Statement>;

  constructor(primary: Primary, facts: Facts) {
    const { direct, directRevocations, userIds, subkeys } = facts;
    this.#primary = primary;
    this.facts = facts;
    this.#key = new History(direct);
    this.#direct = new History({ good: direct.good, revocations: directRevocations });
    this.#certified = primaryUserId(userIds);
    this.subkeys = subkeys.map((each) => new SubkeyHistory(each));
  }

  /** Returns what the owner says of the key at a time, or the reason why it is not valid. */
  selfSignatureAt(at: number): SelfSignature | string {
    const { version, createdAt } = this.#primary;
    if (this.#key.isRevoked(at)) return REASONS.revoked;
    if (createdAt > at) return REASONS.notYetValid(new Date(createdAt));
    const directly = this.#direct.latest(at);
    // RFC 9580 §5.2.3.10: a version 6 key speaks for itself in direct-key signatures
    if (version === 6) {
      if (directly === undefined) return doubtReason(this.facts.direct.doubts) ?? REASONS.noSelfSignature;
      return expiryReason(createdAt, [directly], at) ?? selfSignature(directly);
    }
    const certified = this.#certified.at(at);
    if (certified === undefined) return userIdReason(this.facts.userIds, at);
    const both = directly === undefined ? [certified] : [certified, directly];
    return expiryReason(createdAt, both, at) ?? selfSignature(certified);
  }

  /** Tells, at little cost, whether the owner says anything of the key at a time, be it valid or not. */
  speaksAt(at: number): boolean {
    return (this.#primary.version === 6 ? this.#direct.latest(at) : this.#certified.at(at)) !== undefined;
  }

  /** Returns every time after `at` when something about the certificate may change, in order. */
  changesAfter(at: number): number[] {
    return this.#changes().filter((time) => time > at);
  }

  /** Returns every time up to `at` when something about the certificate may have changed, in order. */
  changesUpTo(at: number): number[] {
    return this.#changes().filter((time) => time <= at);
  }

  /** Returns the same certificate as if each of its revocations had counted from the beginning. */
  withoutRevoked(): Validity {
    return new Validity(this.#primary, withHardRevocations(this.facts));
  }

  #changes(): number[] {
    const { direct, directRevocations, userIds, subkeys } = this.facts;
    const subjects: (Statements & { createdAt?: number })[] = [direct, ...userIds, ...subkeys];
    const times = subjects.flatMap(({ good, revocations, createdAt = this.#primary.createdAt }) => [
      createdAt,
      ...good.flatMap((each) => [each.from, each.until, expiryOf(createdAt, each)]),
      ...revocations.flatMap(({ from, until }) => [from, until]),
    ]);
    const all = [...times, ...directRevocations.flatMap(({ from, until }) => [from, until])];
    return inOrder(all.filter((time) => Number.isFinite(time)));
  }
}

function withHardRevocations(facts: Facts): Facts {
  const hard = <T extends Pick<Statements, 'revocations'>>(about: T): T => ({
    ...about,
    revocations: about.revocations.map((each) => ({ ...each, isHard: true })),
  });
  return {
    ...facts,
    direct: hard(facts.direct),
    directRevocations: facts.directRevocations.map((each) => ({ ...each, isHard: true })),
    userIds: facts.userIds.map(hard),
    subkeys: facts.subkeys.map(hard),
  };
}

function selfSignature({ packet }: Statement): SelfSignature {
  return packet as SelfSignature;
}

/** Returns which certification of a user ID speaks for the key: one marked as primary, or else the newest. */
function primaryUserId(userIds: readonly Statements[]): Timeline<Statement> {
  const claims = userIds
    .flatMap((each) => new History(each).claims())
    .map((claim) => ({ claim, from: claim.value.from }));
  const isMarked = ({ claim }: (typeof claims)[number]) => claim.value.packet.isPrimaryUserID === true;
  const inTurn = newestFirst(claims);
  const marked = inTurn.filter(isMarked);
  const others = inTurn.filter((each) => !isMarked(each));
  return new Timeline([...marked, ...others].map(({ claim }) => claim));
}

function expiryReason(createdAt: number, statements: readonly Statement[], at: number): string | undefined {
  const end = Math.min(...statements.map((each) => expiryOf(createdAt, each)));
  return at >= end ? REASONS.expired(new Date(end)) : undefined;
}

function userIdReason(userIds: readonly Statements[], at: number): string {
  if (userIds.length === 0) return REASONS.noUserId;
  const all = userIds.flatMap(({ good }) => good);
  const ended = all.filter(({ until }) => until <= at).map(({ until }) => until);
  if (ended.length === all.length) {
    const doubt = doubtReason(userIds.flatMap(({ doubts }) => doubts));
    if (doubt !== undefined) return doubt;
    return all.length === 0 ? REASONS.noValidUserId : REASONS.userIdsLapsed(new Date(Math.max(...ended)));
  }
  const begun = all.filter(({ from }) => from <= at);
  if (begun.length === 0) return REASONS.notYetValid(new Date(Math.min(...all.map(({ from }) => from))));
  const isRevoked = userIds.some(({ revocations }) => revocations.some((each) => countsAt(each, at)));
  return isRevoked ? REASONS.userIdsRevoked : REASONS.noValidUserId;
}

/** Says why what the owner may have said does not count, or undefined if there is nothing of that kind. */
function doubtReason(doubts: readonly Doubt[]): string | undefined {
  const [first] = doubts;
  if (first === undefined) return undefined;
  if (doubts.some(({ why }) => why === 'critical')) return REASONS.criticalPart;
  return REASONS.unchecked(kindOfSignature(first));
}
