/**
 * Finds out once what is true of a certificate, whatever the time: what its owner really said of the key, of
 * its user IDs and of its subkeys. What follows from it at a given time is judged in judgement.ts. A
 * revocation that cannot be checked is never taken for none.
 */
import type * as openpgp from 'openpgp';
import { uint } from '../openpgp/packets.ts';
import { type Checked, HashedKey, type Target } from './checks.ts';
import { Effort } from './effort.ts';
import { library } from './library.ts';
import { type CertificateParts, type KeyHead, keyHead, type RawSignature } from './parts.ts';
import { isAboutSubkey, isRevocation, SIGNATURE } from './signaturehead.ts';

/** A statement of the owner that counts from one time to another, in milliseconds since the epoch. */
export interface Statement {
  readonly from: number;
  readonly until: number;
  readonly packet: openpgp.SignaturePacket;
}

export interface Revocation {
  readonly from: number;
  readonly until: number;
  /** Counts before it was made as well, since others may have had the key by then (RFC 9580 §5.2.3.31). */
  readonly isHard: boolean;
}

/** A statement that may be the owner's, and is not believed. */
export interface Doubt {
  readonly version: number;
  /** Key flags, or undefined if it has none. */
  readonly flags: number | undefined;
  /**
   * `critical`: it is the owner's, but has a critical part that is not known here. `false`: it says that it
   * is the owner's, but is damaged or forged; only of subkeys.
   */
  readonly why: 'unchecked' | 'critical' | 'false';
}

/** What the owner says of the key itself, of a user ID or of a subkey. */
export interface Statements {
  readonly good: readonly Statement[];
  readonly doubts: readonly Doubt[];
  readonly revocations: readonly Revocation[];
}

export interface SubkeyFacts extends Statements {
  readonly head: KeyHead;
  readonly createdAt: number;
  /** Undefined for a kind of key that cannot be used. */
  readonly packet: openpgp.PublicSubkeyPacket | undefined;
}

export interface Facts {
  /** About the key itself: direct-key signatures and revocations of the certificate. */
  readonly direct: Statements;
  /** Revocations of direct-key signatures. */
  readonly directRevocations: readonly Revocation[];
  readonly userIds: readonly Statements[];
  readonly subkeys: readonly SubkeyFacts[];
  /** Whether a revocation is there that cannot be checked, or fits nothing: it may be damaged. */
  readonly isRevocationInDoubt: boolean;
  /** Whether so much does not fit where it stands that not all of it was tried elsewhere. */
  readonly isIncomplete: boolean;
}

/** A target with the signatures that were found to be about it, or may be. */
interface Subject {
  readonly target: Target;
  readonly checked: Checked[];
}

export async function findFacts(
  parts: CertificateParts,
  primary: openpgp.PublicKeyPacket,
  subkeys: readonly (openpgp.PublicSubkeyPacket | undefined)[],
  trials: number,
): Promise<Facts> {
  const effort = new Effort(primary, trials);
  const { key: aboutKey, certGeneric, subkeyBinding } = library.enums.signature;
  const key = new HashedKey(parts.body);
  const itself: Subject = { target: { kind: aboutKey, data: { key } }, checked: [] };
  const userIds = parts.userIds.map(({ body }): Subject => {
    return { target: { kind: certGeneric, data: { key, userID: { write: () => body } } }, checked: [] };
  });
  const bound = parts.subkeys.map(({ body }): Subject => {
    return { target: { kind: subkeyBinding, data: { key, bind: new HashedKey(body) } }, checked: [] };
  });
  const placed: (readonly [RawSignature, Subject])[] = [
    ...parts.direct.map((raw) => [raw, itself] as const),
    ...pairs(parts.userIds, userIds),
    ...pairs(parts.subkeys, bound),
  ];
  const misplaced: { raw: RawSignature; place?: Subject; checked?: Checked }[] = parts.strays.map((raw) => ({
    raw,
  }));
  for (const [raw, place] of placed) {
    const checked = await effort.check(raw, place.target);
    if (checked.verdict === 'false') misplaced.push({ raw, place, checked });
    else place.checked.push(checked);
  }
  let isRevocationInDoubt = false;
  for (const { raw, place, checked } of misplaced) {
    const isFound = await findSubject(raw, effort, subjectsOf(raw, itself, userIds, bound));
    if (isFound) continue;
    if (effort.isExhausted) break;
    if (isRevocationOfKey(raw)) isRevocationInDoubt = true;
    // a key of an unknown kind may be hashed in an unknown way: its binding is in doubt, not wrong
    const isUnknown =
      place !== undefined && bound.includes(place) && subkeys[bound.indexOf(place)] === undefined;
    if (isUnknown && checked !== undefined) place.checked.push({ ...checked, verdict: 'doubtful' });
    else if (raw.head.type === SIGNATURE.subkeyBinding && checked !== undefined) place?.checked.push(checked);
  }
  const doubtful = [itself, ...bound].flatMap(({ checked }) => checked.filter(isDoubtfulRevocation));
  return {
    direct: statementsOf(itself, SIGNATURE.keyRevocation),
    directRevocations: statementsOf(itself, SIGNATURE.certificationRevocation).revocations,
    userIds: userIds.map((each) => statementsOf(each, SIGNATURE.certificationRevocation)),
    subkeys: parts.subkeys.map(({ body }, n) => subkeyFacts(body, subkeys[n], bound[n])),
    isRevocationInDoubt: isRevocationInDoubt || doubtful.length > 0,
    isIncomplete: effort.isExhausted,
  };
}

function pairs(
  components: CertificateParts['userIds'],
  subjects: readonly Subject[],
): (readonly [RawSignature, Subject])[] {
  return subjects.flatMap((subject, n) =>
    (components[n]?.signatures ?? []).map((raw) => [raw, subject] as const),
  );
}

/** Returns what a signature may be about by its type. */
function subjectsOf(
  { head }: RawSignature,
  itself: Subject,
  userIds: readonly Subject[],
  subkeys: readonly Subject[],
): readonly Subject[] {
  if (isAboutSubkey(head.type)) return subkeys;
  if (head.type === SIGNATURE.certificationRevocation) return [...userIds, itself];
  return head.type === SIGNATURE.keyRevocation ? [itself] : userIds;
}

async function findSubject(
  raw: RawSignature,
  effort: Effort,
  subjects: readonly Subject[],
): Promise<boolean> {
  for (const { target, checked } of subjects) {
    const found = await effort.try(raw, target);
    if (found?.verdict !== 'true') continue;
    checked.push(found);
    return true;
  }
  return false;
}

function isDoubtfulRevocation({ raw, verdict }: Checked): boolean {
  return verdict === 'doubtful' && isRevocationOfKey(raw);
}

function isRevocationOfKey({ head }: RawSignature): boolean {
  return head.type === SIGNATURE.keyRevocation || head.type === SIGNATURE.subkeyRevocation;
}

function statementsOf({ checked }: Subject, revocationType: number): Statements {
  const good = checked.filter(({ raw, verdict }) => verdict === 'true' && !isRevocation(raw.head.type));
  const doubtful = checked.filter(({ raw, verdict }) => verdict !== 'true' && !isRevocation(raw.head.type));
  const revocations = checked.filter(({ raw }) => raw.head.type === revocationType);
  return {
    good: good.map(statementOf),
    doubts: doubtful.map(doubtOf),
    revocations: revocations.map(revocationOf),
  };
}

function doubtOf({ raw: { head }, verdict, isCritical }: Checked): Doubt {
  const { version, flags } = head;
  return { version, flags, why: verdict === 'false' ? 'false' : isCritical ? 'critical' : 'unchecked' };
}

function statementOf({ packet }: Checked): Statement {
  const until = packet.getExpirationTime();
  return {
    from: packet.created?.getTime() ?? 0,
    until: until instanceof Date ? until.getTime() : Number.POSITIVE_INFINITY,
    packet,
  };
}

function revocationOf(checked: Checked): Revocation {
  // one in doubt counts always, and against everything
  if (checked.verdict === 'doubtful')
    return { from: Number.POSITIVE_INFINITY, until: Number.POSITIVE_INFINITY, isHard: true };
  const { keyRetired, keySuperseded, userIDInvalid } = library.enums.reasonForRevocation;
  const reason = checked.packet.reasonForRevocationFlag;
  const isSoft = reason === keyRetired || reason === keySuperseded || reason === userIDInvalid;
  return { ...statementOf(checked), isHard: !isSoft };
}

function subkeyFacts(
  body: Uint8Array,
  packet: openpgp.PublicSubkeyPacket | undefined,
  subject: Subject | undefined,
): SubkeyFacts {
  const checked = subject?.checked ?? [];
  return {
    ...statementsOf({ target: { kind: 0, data: {} }, checked }, SIGNATURE.subkeyRevocation),
    head: keyHead(body),
    createdAt: uint(body, 1, 4) * 1000,
    packet,
  };
}
